//! A datagram's way in: what it is, whose it is, whether it may be believed, and its frame.

use crate::abi::{Ip, Name, read_control};
use crate::core::{Core, Frame};
use crate::counters::{Io, Reason};
use crate::header::{self, Class, Data, Encap, Stripped, Version, classify, tunnel_of_key};
use crate::receive::Messages;
use crate::session::NONE;
use crate::slab::Handle;
use crate::table::Table;
use crate::tunnel::{Destination, SocketKind};

/// Where a datagram came from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The socket.
    pub socket: Handle,
    /// Its kind.
    pub kind: SocketKind,
    /// Microseconds.
    pub now: u64,
    /// The batch that it came in.
    pub messages: &'a Messages,
    /// Its message.
    pub at: usize,
}

/// What was found out about a datagram when its batch came in.
#[derive(Clone, Copy)]
pub struct Found {
    /// The session that is first under its key, or [`NONE`].
    pub session: u32,
    /// What it is.
    pub data: Data,
}

impl Found {
    /// Nothing.
    pub const NOTHING: Self = Self { session: NONE, data: Data::NONE };
}

/// Where the L2TP header starts: behind the IPv4 header that raw sockets deliver. `None`: there is no whole header.
#[inline]
pub fn l2tp_start(kind: SocketKind, bytes: &[u8], start: usize) -> Option<usize> {
    if kind != SocketKind::Ip4 {
        return Some(start);
    }
    let header = bytes.get(start..)?;
    let length = usize::from(header.first()? & 0x0f) * 4;
    (header[0] >> 4 == 4 && (20..=header.len()).contains(&length)).then_some(start + length)
}

impl Core {
    /// Takes a datagram in: the bytes of `buffer` from `start` on; a header may be written from `floor` on.
    #[inline]
    pub fn datagram(&mut self, origin: &Origin, buffer: &mut [u8], floor: usize, start: usize) {
        let Some(at) = l2tp_start(origin.kind, buffer, start) else {
            return self.drop_frame(Reason::ShortHeader);
        };
        match classify(buffer, at, origin.kind.encap()) {
            Ok(Class::Data(data)) => match self.lookup(&data) {
                Some(session) => self.data(origin, Found { session, data }, buffer, floor),
                None => self.drop_frame(self.unknown(&data)),
            },
            Ok(Class::Control { start: message }) => self.punt(origin, &buffer[start..], &buffer[message..]),
            Err(reason) => self.drop_frame(reason),
        }
    }

    /// Hands a control message to TypeScript.
    #[cold]
    fn punt(&mut self, origin: &Origin, datagram: &[u8], message: &[u8]) {
        let Some(source) = origin.messages.source(origin.at) else {
            return self.drop_frame(Reason::WrongSource);
        };
        // A raw IPv4 socket's datagrams say themselves where they went to.
        let local = read_control(origin.messages.control(origin.at)).local.or_else(|| match origin.kind {
            SocketKind::Ip4 => datagram.get(16..20).and_then(Ip::new),
            _ => None,
        });
        if self.punts.control(origin.socket, source, local, message) {
            self.io.add(Io::PuntedControl, 1);
        } else {
            self.drop_frame(Reason::PuntQueueFull);
        }
    }

    /// The first session under a data message's key.
    #[inline]
    pub fn lookup(&self, data: &Data) -> Option<u32> {
        self.table(data.version).get(data.key)
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
            _ => Reason::UnknownSession,
        }
    }

    /// Where v3 sessions of several tunnels have one id, the tunnel decides: it is known by the socket and the sender.
    #[cold]
    fn find_in_chain(&self, origin: &Origin, first: u32) -> Option<u32> {
        let mut at = first;
        while at != NONE {
            let rx = &self.sessions[at].rx;
            let Destination { socket, name, .. } = &self.tunnels[rx.tunnel].destination;
            let with_port = origin.kind.encap() == Encap::Udp;
            if *socket == origin.socket.index && origin.messages.is_from(origin.at, name, with_port) {
                return Some(at);
            }
            at = rx.next_same_id;
        }
        None
    }

    /// A data message of a session: checks its source and cookie, strips its header, and gives its frame to the
    /// session's numbering.
    #[inline]
    pub fn data(&mut self, origin: &Origin, found: Found, buffer: &mut [u8], floor: usize) {
        let Found { session: mut at, data } = found;
        if self.sessions[at].rx.next_same_id != NONE {
            match self.find_in_chain(origin, at) {
                Some(session) => at = session,
                None => return self.drop_frame(Reason::WrongSource),
            }
        }
        let rx = &self.sessions[at].rx;
        let is_from = |name: &Name, with_port| origin.messages.is_from(origin.at, name, with_port);
        if !self.tunnels[rx.tunnel].accepts(origin.kind.encap(), is_from) {
            return self.drop_frame(Reason::WrongSource);
        }
        let stripped = match data.version {
            Version::V2 => header::strip_v2(buffer, &data),
            Version::V3 => {
                rx.cookie.check(buffer, data.rest).and_then(|rest| header::strip_v3(buffer, rest, rx.l2spec))
            }
        };
        match stripped {
            Ok(Stripped { start, end, .. }) if end - start < rx.frame_type.shortest() => {
                self.refuse(at, Reason::Runt)
            }
            Ok(Stripped { ns, start, end }) => {
                self.sequence(at, ns, origin.now, Frame { buffer: &mut buffer[..end], floor, start });
            }
            Err(reason) => self.refuse(at, reason),
        }
    }

    /// Counts a frame of a session that goes no further. All count as `rx-errors`, as the kernel has it.
    #[cold]
    pub fn refuse(&mut self, session: u32, reason: Reason) {
        let rare = &mut self.sessions[session].rare;
        rare.rx_errors += 1;
        match reason {
            Reason::CookieMismatch => rare.cookie_discards += 1,
            Reason::Truncated | Reason::Runt => rare.invalid += 1,
            Reason::Unnumbered
            | Reason::SequenceLate
            | Reason::SequenceDuplicate
            | Reason::ReorderQueueFull => rare.seq_discards += 1,
            _ => {}
        }
        self.drop_frame(reason);
    }
}
