//! What is handed to TypeScript: control messages and frames of host ports, copied until they are drained.

use std::collections::BTreeMap;

use crate::abi::{Ip, Name};
use crate::slab::Handle;

/// Frames may take this part of the room, so that control messages always find some.
const FRAMES_SHARE: (usize, usize) = (3, 4);
/// When half of that is taken, those of one tunnel may have no more than half in all, and those of one session no more
/// than an eighth: a flood of one leaves room for others.
const TUNNEL_SHARE: usize = 2;
const SESSION_SHARE: usize = 8;

/// One entry, as `mod.ts` reads it: 64 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct Record {
    /// The socket of a control message, the port of a frame.
    pub handle: f64,
    /// Where its data starts, counted from the first entry's.
    pub data: u32,
    /// Its bytes.
    pub len: u32,
    /// 0: control message; 1: frame.
    pub kind: u16,
    /// The peer's port.
    pub port: u16,
    /// The kernel's mark of a control message.
    pub mark: u32,
    /// The peer's scope.
    pub scope: u32,
    /// Bytes of the peer's address in the low half, of the local one (0: unknown) in the high half.
    pub address_lens: u32,
    /// The peer's address.
    pub remote: [u8; 16],
    /// The local address.
    pub local: [u8; 16],
}

/// The entries that wait.
pub struct Punts {
    bytes: Vec<u8>,
    records: Vec<Record>,
    limit: usize,
    /// Bytes of frames that wait, by their session and by their tunnel.
    of_session: BTreeMap<u32, usize>,
    of_tunnel: BTreeMap<u32, usize>,
}

impl Punts {
    /// No entries, and room for `limit` bytes of them.
    pub fn new(limit: usize) -> Self {
        let (of_session, of_tunnel) = (BTreeMap::new(), BTreeMap::new());
        Self { bytes: Vec::new(), records: Vec::new(), limit, of_session, of_tunnel }
    }

    /// Queues a control message; false when there is no room.
    pub fn control(
        &mut self,
        socket: Handle,
        source: Name,
        local: Option<Ip>,
        mark: u32,
        data: &[u8],
    ) -> bool {
        let (remote, remote_len) = address(Some(source.ip()));
        let (local, local_len) = address(local);
        let record = Record {
            handle: socket.to_number(),
            port: source.port(),
            mark,
            scope: source.scope(),
            address_lens: remote_len | local_len << 16,
            remote,
            local,
            ..Record::default()
        };
        self.push(record, &[data], self.limit)
    }

    /// Queues a frame that lies in `parts` for a host port; false when there is no room, or not for more of the session and
    /// the tunnel that it came from.
    pub fn frame(&mut self, port: Handle, source: Option<(u32, u32)>, parts: &[&[u8]]) -> bool {
        let limit = self.limit / FRAMES_SHARE.1 * FRAMES_SHARE.0;
        let record = Record { handle: port.to_number(), kind: 1, ..Record::default() };
        let Some((session, tunnel)) = source else { return self.push(record, parts, limit) };
        let cost = parts.iter().map(|part| part.len()).sum::<usize>() + size_of::<Record>();
        let of_session = self.of_session.get(&session).copied().unwrap_or(0);
        let of_tunnel = self.of_tunnel.get(&tunnel).copied().unwrap_or(0);
        let scarce = self.used() + cost > limit / 2;
        // Whoever has nothing waiting may have one frame, however large.
        let fits = |used, share| !scarce || used == 0 || used + cost <= limit / share;
        if !fits(of_session, SESSION_SHARE)
            || !fits(of_tunnel, TUNNEL_SHARE)
            || !self.push(record, parts, limit)
        {
            return false;
        }
        self.of_session.insert(session, of_session + cost);
        self.of_tunnel.insert(tunnel, of_tunnel + cost);
        true
    }

    fn used(&self) -> usize {
        self.bytes.len() + self.records.len() * size_of::<Record>()
    }

    fn push(&mut self, record: Record, parts: &[&[u8]], limit: usize) -> bool {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if self.used() + len + size_of::<Record>() > limit {
            return false;
        }
        self.records.push(Record { data: self.bytes.len() as u32, len: len as u32, ..record });
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        true
    }

    /// How many entries wait.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The entries that wait.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Their data.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.of_session.clear();
        self.of_tunnel.clear();
    }
}

fn address(ip: Option<Ip>) -> ([u8; 16], u32) {
    match ip.map(|ip| (ip, ip.v4())) {
        None => ([0; 16], 0),
        Some((ip, None)) => (ip.0, 16),
        Some((_, Some(v4))) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&v4);
            (bytes, 4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::{Kind, Slab};

    #[test]
    fn frames_leave_room_for_control_messages() {
        let mut slab = Slab::new(Kind::Host, 1);
        let at = slab.insert(()).unwrap();
        let handle = slab.handle(at);
        let mut punts = Punts::new(4096);
        while punts.frame(handle, None, &[&[0; 60], &[0; 40]]) {}
        let frames = punts.len();
        assert!(punts.bytes().len() + frames * size_of::<Record>() <= 4096 * 3 / 4);
        let peer = Name::new(false, Ip::new(&[10, 0, 0, 1]).unwrap(), 1701, 0).unwrap();
        assert!(punts.control(handle, peer, None, 0, &[1; 12]));
        let record = punts.records()[frames];
        assert_eq!((record.port, record.address_lens, &record.remote[..4]), (1701, 4, &[10, 0, 0, 1][..]));
        assert_eq!(punts.bytes()[record.data as usize..], [1; 12]);
        punts.clear();
        assert_eq!(punts.len(), 0);
    }

    #[test]
    fn a_flood_of_one_leaves_room_for_others() {
        let mut slab = Slab::new(Kind::Host, 1);
        let at = slab.insert(()).unwrap();
        let handle = slab.handle(at);
        let mut punts = Punts::new(64 << 10);
        let mut fill = |session, tunnel| {
            let mut count = 0;
            while punts.frame(handle, Some((session, tunnel)), &[&[0; 64]]) {
                count += 1;
            }
            count
        };
        // 48 KiB for frames, of which 24 are whoever's comes first; then 6 KiB a session, 24 KiB a tunnel. Each takes 128 bytes.
        assert_eq!((fill(1, 1), fill(2, 1), fill(3, 2), fill(3, 2), fill(4, 2)), (192, 0, 48, 0, 48));
        assert_eq!((fill(5, 3), fill(6, 3), fill(7, 3)), (48, 48, 0));
        punts.clear();
        assert!(punts.frame(handle, Some((1, 1)), &[&[0; 64]]));
        assert!(punts.frame(handle, Some((2, 2)), &[&[0; 30 << 10]]), "one frame, however large");
    }

    #[test]
    fn a_record_has_the_size_that_mod_ts_expects() {
        assert_eq!(size_of::<Record>(), 64);
    }
}
