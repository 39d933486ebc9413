//! A datagram's way in: what it is, whose it is, whether it may be believed, and its frame.

use crate::abi::{Ip, read_control};
use crate::core::{Core, Frame};
use crate::counters::{Io, Reason};
use crate::header::{self, Class, Data, Stripped, Version, classify, tunnel_of_key};
use crate::receive::Source;
use crate::session::NONE;
use crate::slab::Handle;
use crate::table::Table;
use crate::tunnel::SocketKind;

/// Where a datagram came from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The socket.
    pub socket: Handle,
    /// Its kind.
    pub kind: SocketKind,
    /// The sender.
    pub source: Source<'a>,
    /// The message's control messages.
    pub control: &'a [u8],
    /// Microseconds.
    pub now: u64,
}

/// The IPv4 header before a raw socket's datagram: its length, unless it is none.
pub fn ipv4_header(bytes: &[u8]) -> Option<usize> {
    let length = usize::from(bytes.first()? & 0x0f) * 4;
    (bytes[0] >> 4 == 4 && (20..=bytes.len()).contains(&length)).then_some(length)
}

impl Core {
    /// Takes a datagram in: the bytes of `buffer` from `start` on; a header may be written from `floor` on.
    #[inline]
    pub fn datagram(&mut self, origin: &Origin, buffer: &mut [u8], floor: usize, start: usize) {
        self.io.one(Io::RxDatagrams);
        let mut at = start;
        if origin.kind == SocketKind::Ip4 {
            match ipv4_header(&buffer[start..]) {
                Some(length) => at += length,
                None => return self.drop_frame(Reason::ShortHeader),
            }
        }
        match classify(buffer, at, origin.kind.encap()) {
            Ok(Class::Data(data)) => match self.find_session(origin, &data) {
                Ok(session) => self.data(session, origin.now, &data, Frame { buffer, floor, start: at }),
                Err(reason) => self.drop_frame(reason),
            },
            Ok(Class::Control { start: message }) => self.punt(origin, &buffer[start..], &buffer[message..]),
            Err(reason) => self.drop_frame(reason),
        }
    }

    /// Hands a control message to TypeScript.
    #[cold]
    fn punt(&mut self, origin: &Origin, datagram: &[u8], message: &[u8]) {
        let Some(source) = origin.source.read() else { return self.drop_frame(Reason::WrongSource) };
        // A raw IPv4 socket's datagrams say themselves where they went to.
        let local = read_control(origin.control).local.or_else(|| match origin.kind {
            SocketKind::Ip4 => datagram.get(16..20).and_then(Ip::new),
            _ => None,
        });
        if self.punts.control(origin.socket, source, local, message) {
            self.io.one(Io::PuntedControl);
        } else {
            self.drop_frame(Reason::PuntQueueFull);
        }
    }

    /// The session that a data message belongs to: the kernel's way, by id; where v3 sessions of several tunnels have
    /// one id, by the tunnel, which is known by the socket and the sender.
    #[inline]
    fn find_session(&self, origin: &Origin, data: &Data) -> Result<u32, Reason> {
        let Some(mut at) = self.lookup(data) else { return Err(self.unknown(data)) };
        if self.sessions[at].rx.next_same_id != NONE {
            at = self.find_in_chain(origin, at).ok_or(Reason::WrongSource)?;
        }
        let tunnel = &self.tunnels[self.sessions[at].rx.tunnel];
        let accepted = tunnel.accepts(origin.kind.encap(), || origin.source.read());
        if accepted { Ok(at) } else { Err(Reason::WrongSource) }
    }

    #[cold]
    fn unknown(&self, data: &Data) -> Reason {
        let tunnel = (false, u32::from(tunnel_of_key(data.key)));
        match data.version {
            Version::V2 if !self.tunnel_ids.contains_key(&tunnel) => Reason::UnknownTunnel,
            _ => Reason::UnknownSession,
        }
    }

    #[cold]
    fn find_in_chain(&self, origin: &Origin, first: u32) -> Option<u32> {
        let source = origin.source.read()?;
        let mut at = first;
        while at != NONE {
            let rx = &self.sessions[at].rx;
            let tunnel = &self.tunnels[rx.tunnel];
            if tunnel.destination.socket == origin.socket.index && tunnel.is_peer(&source, true) {
                return Some(at);
            }
            at = rx.next_same_id;
        }
        None
    }

    /// Strips a data message of its header and gives its frame to the session's numbering.
    #[inline]
    fn data(&mut self, session: u32, now: u64, data: &Data, frame: Frame) {
        let rx = &self.sessions[session].rx;
        let stripped = match data.version {
            Version::V2 => header::strip_v2(frame.buffer, data),
            Version::V3 => rx
                .cookie
                .check(frame.buffer, data.rest)
                .and_then(|rest| header::strip_v3(frame.buffer, rest, rx.l2spec)),
        };
        match stripped {
            Ok(Stripped { start, end, .. }) if end - start < rx.frame_type.shortest() => {
                self.refuse(session, Reason::Runt);
            }
            Ok(Stripped { ns, start, end }) => {
                let frame = Frame { buffer: &mut frame.buffer[..end], floor: frame.floor, start };
                self.sequence(session, ns, now, frame);
            }
            Err(reason) => self.refuse(session, reason),
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

    /// The first session under a data message's key.
    #[inline]
    pub fn lookup(&self, data: &Data) -> Option<u32> {
        self.table(data.version).get(data.key)
    }

    #[inline]
    fn table(&self, version: Version) -> &Table {
        match version {
            Version::V2 => &self.v2,
            Version::V3 => &self.v3,
        }
    }

    /// Brings the table entry that a datagram will need into the cache. Gives what it read, to keep the read alive.
    #[inline]
    pub fn touch_table(&self, kind: SocketKind, datagram: &[u8]) -> (u32, Option<Data>) {
        let start = if kind == SocketKind::Ip4 { ipv4_header(datagram).unwrap_or(0) } else { 0 };
        let Ok(Class::Data(data)) = classify(datagram, start, kind.encap()) else { return (0, None) };
        let table = self.table(data.version);
        (table.touch(table.home(data.key)), Some(data))
    }
}
