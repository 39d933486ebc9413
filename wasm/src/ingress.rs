//! A datagram's way in: what it is, whose it is, whether it may be believed, and its frame.

use crate::abi::{Ip, Name, Received, read_control};
use crate::core::Core;
use crate::counters::{Io, Reason, at};
use crate::forward::Run;
use crate::frame::{About, Frame, Place};
use crate::header::{self, Class, Data, Stripped, Version, tunnel_of_key};
use crate::port::{Forwarder, Port};
use crate::receive::{HEADROOM, Messages};
use crate::session::NONE;
use crate::slab::Handle;
use crate::table::Table;
use crate::tunnel::SocketKind;
use crate::twins::SHARED;
use crate::window::Entry;

/// Where a datagram came from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The socket.
    pub socket: Handle,
    /// Its kind.
    pub kind: SocketKind,
    /// It tells each datagram's mark.
    pub marks: bool,
    /// Microseconds.
    pub now: u64,
    /// The batch that it came in.
    pub messages: &'a Messages,
}

impl Origin<'_> {
    /// The mark of a message, where the socket tells.
    #[inline]
    pub fn mark(&self, message: usize) -> Option<u32> {
        self.marks.then(|| read_control(self.messages.control(message)).mark)
    }
}

impl Core {
    /// Takes an entry's first datagram in from its slot, and as many of the others as can be dealt with like it. Gives
    /// how many.
    #[inline]
    pub fn datagrams(&mut self, origin: &Origin, entry: &Entry, slot: &mut [u8]) -> u32 {
        match entry.what {
            Ok(Class::Data(data)) if entry.session != NONE => self.data(origin, entry, &data, slot),
            Ok(Class::Data(data)) if self.keep_early(origin, entry, &data, slot) => 1,
            Ok(Class::Data(data)) => self.drop_frames(self.unknown(&data), entry.count),
            Ok(Class::Control(at)) => self.punt(origin, entry, &slot[HEADROOM..entry.place.end], at),
            Err(reason) => self.drop_frames(reason, entry.count),
        }
    }

    /// Hands a control message to TypeScript.
    #[cold]
    fn punt(&mut self, origin: &Origin, entry: &Entry, datagram: &[u8], at: usize) -> u32 {
        let message = entry.message as usize;
        let Some(source) = origin.messages.source(message) else {
            return self.drop_frames(Reason::WrongSource, 1);
        };
        // A raw IPv4 socket's datagrams say themselves where they went to.
        let Received { local, mark, .. } = read_control(origin.messages.control(message));
        let local = local.or_else(|| match origin.kind {
            SocketKind::Ip4 => datagram.get(16..20).and_then(Ip::new),
            _ => None,
        });
        let control = &datagram[entry.place.start - HEADROOM + at..];
        if self.punts.control(origin.socket, source, local, mark, control) {
            self.io.add(Io::PuntedControl, 1);
        } else {
            self.drop_frame(Reason::PuntQueueFull);
        }
        1
    }

    /// The table that sessions of a version are in.
    #[inline]
    pub fn table(&self, version: Version) -> &Table {
        match version {
            Version::V2 => &self.v2,
            Version::V3 => &self.v3,
        }
    }

    #[cold]
    fn unknown(&self, data: &Data) -> Reason {
        let tunnel = (false, u32::from(tunnel_of_key(data.key)));
        match data.version {
            Version::V2 if !self.tunnel_ids.contains_key(&tunnel) => Reason::UnknownTunnel,
            Version::V3 if self.v3.get(data.key) == SHARED => Reason::WrongSource,
            _ => Reason::UnknownSession,
        }
    }

    /// Data messages of a session: checks their source and the first one's cookie, strips it of its header, and gives
    /// its frame to the session's numbering, or passes the whole run on.
    #[inline]
    fn data(&mut self, origin: &Origin, entry: &Entry, data: &Data, slot: &mut [u8]) -> u32 {
        let mut at = entry.session;
        let message = entry.message as usize;
        if self.sessions.rx[at].next_twin != NONE {
            match self.find_twin(origin, message, at) {
                Some(session) => at = session,
                None => return self.drop_frames(Reason::WrongSource, entry.count),
            }
        }
        let rx = &mut self.sessions.rx[at];
        let tunnel = &mut self.tunnels[rx.tunnel];
        let is_from = |name: &Name, with_port| origin.messages.is_from(message, name, with_port);
        if !tunnel.accepts(origin.kind.encap(), origin.mark(message), is_from) {
            return self.drop_frames(Reason::WrongSource, entry.count);
        }
        let Place { floor, start: header, .. } = entry.place;
        let datagram = &slot[header..entry.place.end];
        let stripped = match data.version {
            Version::V2 => header::strip_v2(datagram, data),
            Version::V3 => header::strip_v3(datagram, data, &rx.cookie, rx.l2spec),
        };
        let Stripped { ns, start, end } = match stripped {
            Ok(stripped) if stripped.end - stripped.start < rx.frame_type.shortest() => {
                self.refuse(at, Reason::Runt);
                return 1;
            }
            Ok(stripped) => stripped,
            Err(reason) => {
                self.refuse(at, reason);
                return 1;
            }
        };
        tunnel.last_heard = Some(origin.now);
        let (plain, frame_type) = (ns.is_none() && rx.plain, rx.frame_type);
        let place = Place { floor, start: header + start, end: header + end };
        let about = About::plain(Port::Session(at), frame_type, origin.now, entry.message);
        if !plain || rx.guard.any() {
            let frame = Frame { buffer: slot, place, about };
            if plain {
                self.deliver(at, frame);
            } else {
                self.sequence(at, ns, origin.now, frame);
            }
            return 1;
        }
        let (forwarder, len) = (rx.forwarder, end - start);
        if entry.count > 1 && header + end == entry.place.end {
            if let Forwarder::CrossConnect(Port::Session(out)) = forwarder
                && let Some(count) = self.forward_run(out, Run { header: start, entry }, slot)
            {
                self.count_delivered(at, count, len);
                return count;
            }
            self.count_delivered(at, 1, len);
        } else {
            rx.deliver(1, len);
            tunnel.received(1, len as u64);
        }
        match forwarder {
            Forwarder::CrossConnect(Port::Session(out)) if self.forward_one(out, &place, slot) => {}
            _ => self.forward(forwarder, Frame { buffer: slot, place, about }),
        }
        1
    }

    /// Counts a frame of a session that goes no further. All count as `rx-errors`, as the kernel has it.
    #[cold]
    pub fn refuse(&mut self, session: u32, reason: Reason) {
        let rare = self.sessions.rare_mut(session);
        let counters = &mut self.tunnels[rare.identity.tunnel].counters;
        rare.rx_errors += 1;
        counters[at::RX_ERRORS] += 1;
        let (count, of_tunnel) = match reason {
            Reason::CookieMismatch => (&mut rare.cookie_discards, at::COOKIE_DISCARDS),
            Reason::Truncated | Reason::Runt | Reason::SublayerMismatch | Reason::BadPppoe => {
                (&mut rare.invalid, at::INVALID)
            }
            Reason::Unnumbered
            | Reason::SequenceLate
            | Reason::SequenceDuplicate
            | Reason::SequenceOutside => (&mut rare.seq_discards, at::SEQ_DISCARDS),
            _ => return self.drop_frame(reason),
        };
        *count += 1;
        counters[of_tunnel] += 1;
        self.drop_frame(reason);
    }
}
