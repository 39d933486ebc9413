//! The 64-bit kernel's structures, as they lie in this memory (`recvmsg(2)`, `socket(7)`, `ip(7)`, `ipv6(7)`, `udp(7)`).
//!
//! Pointers in them are 64 bits wide whatever this module is compiled for: the address of the memory's first byte
//! (the base) plus an offset. All fields are in the machine's order, little-endian.

/// `struct iovec`.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct IoVec {
    /// Where it starts.
    pub base: u64,
    /// Its bytes.
    pub len: u64,
}

/// `struct mmsghdr`, the `struct msghdr` in it flattened: 64 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct MmsgHdr {
    /// `msg_name`.
    pub name: u64,
    /// `msg_namelen`.
    pub name_len: u32,
    pad0: u32,
    /// `msg_iov`.
    pub iov: u64,
    /// `msg_iovlen`.
    pub iov_len: u64,
    /// `msg_control`.
    pub control: u64,
    /// `msg_controllen`.
    pub control_len: u64,
    /// `msg_flags`.
    pub flags: u32,
    pad1: u32,
    /// `msg_len`.
    pub len: u32,
    pad2: u32,
}

impl MmsgHdr {
    /// A message that goes where its socket is bound to.
    pub fn unnamed(iov: u64, iov_len: u64) -> Self {
        Self { iov, iov_len, ..Self::default() }
    }
}

/// `MSG_TRUNC | MSG_CTRUNC`: the kernel had more than there was room for.
pub const MSG_CUT: u32 = 0x20 | 0x08;

const SOL_SOCKET: i32 = 1;
const SO_MARK: i32 = 36;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOL_PACKET: i32 = 263;
const PACKET_AUXDATA: i32 = 8;
/// In `tpacket_auxdata`: the tag that was taken off is told, and so is its TPID.
const TP_STATUS_VLAN_VALID: u32 = 0x10;
const TP_STATUS_VLAN_TPID_VALID: u32 = 0x40;
const SOL_IP: i32 = 0;
const IP_TOS: i32 = 1;
const IP_TTL: i32 = 2;
const IP_PKTINFO: i32 = 8;
const SOL_IPV6: i32 = 41;
const IPV6_PKTINFO: i32 = 50;
const IPV6_HOPLIMIT: i32 = 52;
const IPV6_TCLASS: i32 = 67;
const SOL_UDP: i32 = 17;
const UDP_SEGMENT: i32 = 103;
const UDP_GRO: i32 = 104;

/// `struct cmsghdr`: a 64-bit length, level and type.
const CMSG_HEADER: usize = 16;

/// An IP address: IPv4 ones as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ip(pub [u8; 16]);

impl Ip {
    const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

    /// An address of 4 or 16 bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            4 => {
                let mut all = [0; 16];
                all[..12].copy_from_slice(&Self::MAPPED);
                all[12..].copy_from_slice(bytes);
                Some(Self(all))
            }
            _ => bytes.try_into().ok().map(Self),
        }
    }

    /// Its 4 bytes if it is an IPv4 one.
    pub fn v4(&self) -> Option<[u8; 4]> {
        let (head, tail) = self.0.split_at(12);
        if head == Self::MAPPED { tail.try_into().ok() } else { None }
    }
}

/// A `sockaddr_in` or `sockaddr_in6`, as bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[repr(align(8))]
pub struct Name {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Name {
    /// Bytes of a `sockaddr_in6`.
    pub const MAX: usize = 28;
    const V4: usize = 16;

    /// The name of an endpoint, for a socket of IPv4 or of IPv6. `None`: an IPv6 address for an IPv4 socket.
    pub fn new(v6: bool, ip: Ip, port: u16, scope: u32) -> Option<Self> {
        let mut name = Self::default();
        name.bytes[2..4].copy_from_slice(&port.to_be_bytes());
        if v6 {
            name.bytes[..2].copy_from_slice(&AF_INET6.to_le_bytes());
            name.bytes[8..24].copy_from_slice(&ip.0);
            name.bytes[24..].copy_from_slice(&scope.to_le_bytes());
            name.len = Self::MAX as u8;
        } else {
            name.bytes[..2].copy_from_slice(&AF_INET.to_le_bytes());
            name.bytes[4..8].copy_from_slice(&ip.v4()?);
            name.len = Self::V4 as u8;
        }
        Some(name)
    }

    /// What `recvmsg` left in a buffer. `None`: no address of the two families.
    pub fn read(buffer: &[u8; Self::MAX], len: usize) -> Option<Self> {
        let (family, want) = match u16::from_le_bytes([buffer[0], buffer[1]]) {
            AF_INET => (AF_INET, Self::V4),
            AF_INET6 => (AF_INET6, Self::MAX),
            _ => return None,
        };
        if len < want {
            return None;
        }
        let mut name = Self { bytes: *buffer, len: want as u8 };
        if family == AF_INET {
            name.bytes[8..].fill(0);
        } else {
            name.bytes[4..8].fill(0); // the flow label is no part of who it is
        }
        Some(name)
    }

    /// Its bytes, as the kernel wants them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Where they lie.
    #[inline]
    pub fn address(&self) -> usize {
        self.bytes.as_ptr() as usize
    }

    /// How many they are.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "no name is empty")]
    pub fn len(&self) -> u32 {
        u32::from(self.len)
    }

    /// Its IP address.
    pub fn ip(&self) -> Ip {
        let address = if self.is_v6() { &self.bytes[8..24] } else { &self.bytes[4..8] };
        Ip::new(address).unwrap_or(Ip([0; 16]))
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    /// Its scope: the interface of a link-local address.
    pub fn scope(&self) -> u32 {
        if self.is_v6() {
            u32::from_le_bytes([self.bytes[24], self.bytes[25], self.bytes[26], self.bytes[27]])
        } else {
            0
        }
    }

    /// A number that is the same for all names of one family, address and, if that matters, port; scopes and flow
    /// labels play no part.
    #[inline]
    pub fn hash(buffer: &[u8; Self::MAX], with_port: bool) -> u64 {
        let word = |at: usize| u64::from_le_bytes(buffer[at..].first_chunk().copied().unwrap_or_default());
        let port = if with_port { 0xffff_0000 } else { 0 };
        let words = match u16::from_le_bytes([buffer[0], buffer[1]]) {
            // Family 2, port 2, address 4.
            AF_INET => word(0) & (0xffff_ffff_0000_ffff | port),
            _ => (word(0) & port) ^ word(8).wrapping_mul(Self::MIX) ^ word(16).rotate_left(32),
        };
        let mixed = (words ^ words >> 32).wrapping_mul(Self::MIX);
        mixed ^ mixed >> 29
    }

    /// Odd, and near 2⁶⁴/φ.
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

    /// Its bytes, with zeros behind them.
    pub fn buffer(&self) -> &[u8; Self::MAX] {
        &self.bytes
    }

    /// Whether it is of IPv6.
    #[inline]
    pub fn is_v6(&self) -> bool {
        usize::from(self.len) == Self::MAX
    }

    /// Whether what `recvmmsg` left in a buffer has this address, and this port if that matters.
    #[inline]
    pub fn matches(&self, buffer: &[u8; Self::MAX], len: usize, with_port: bool) -> bool {
        let [mine, theirs] = [&self.bytes, buffer].map(|bytes| {
            let [a, b, c, d, e, f, g, h, ..] = *bytes;
            u64::from_le_bytes([a, b, c, d, e, f, g, h])
        });
        if usize::from(self.len) == Self::V4 && theirs as u16 == AF_INET {
            // Family 2, port 2, address 4.
            let relevant = if with_port { u64::MAX } else { !0xffff_0000 };
            return (mine ^ theirs) & relevant == 0 && len >= Self::V4;
        }
        let same_port = !with_port || buffer[2..4] == self.bytes[2..4];
        same_port && Self::read(buffer, len).is_some_and(|other| self.has_address_of(&other))
    }

    /// Whether both have one address; scopes are compared where both have one.
    fn has_address_of(&self, other: &Self) -> bool {
        let scopes = (self.scope(), other.scope());
        self.ip() == other.ip() && (scopes.0 == scopes.1 || scopes.0 == 0 || scopes.1 == 0)
    }
}

/// The control buffer of messages that leave: packet information, what the outer header shall say, and UDP_SEGMENT;
/// 8-aligned.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct Control {
    bytes: [u8; Self::MAX],
    /// Bytes of it that are in use.
    pub len: u32,
}

impl Default for Control {
    fn default() -> Self {
        Self { bytes: [0; Self::MAX], len: 0 }
    }
}

impl Control {
    /// Room for IPV6_PKTINFO (40), and IPV6_TCLASS, IPV6_HOPLIMIT, SO_MARK and UDP_SEGMENT (24 each).
    pub const MAX: usize = 136;
    /// What most have in use, at most.
    const USUAL: usize = 64;

    /// A control buffer that sends from `source`.
    pub fn from_source(v6: bool, source: Ip) -> Option<Self> {
        let mut control = Self::default();
        if v6 {
            let mut info = [0; 20]; // struct in6_pktinfo: address, interface
            info[..16].copy_from_slice(&source.0);
            control.push(SOL_IPV6, IPV6_PKTINFO, &info);
        } else {
            let mut info = [0; 12]; // struct in_pktinfo: interface, source, unused
            info[4..8].copy_from_slice(&source.v4()?);
            control.push(SOL_IP, IP_PKTINFO, &info);
        }
        Some(control)
    }

    /// Adds IP_TOS or IPV6_TCLASS: DSCP and ECN of the outer header (RFC 2474).
    pub fn tos(&mut self, v6: bool, tos: u8) {
        let (level, kind) = if v6 { (SOL_IPV6, IPV6_TCLASS) } else { (SOL_IP, IP_TOS) };
        self.push(level, kind, &i32::from(tos).to_le_bytes());
    }

    /// Adds IP_TTL or IPV6_HOPLIMIT.
    pub fn ttl(&mut self, v6: bool, ttl: u8) {
        let (level, kind) = if v6 { (SOL_IPV6, IPV6_HOPLIMIT) } else { (SOL_IP, IP_TTL) };
        self.push(level, kind, &i32::from(ttl).to_le_bytes());
    }

    /// Adds SO_MARK.
    pub fn mark(&mut self, mark: u32) {
        self.push(SOL_SOCKET, SO_MARK, &mark.to_le_bytes());
    }

    /// Adds UDP_SEGMENT: the kernel cuts the message into datagrams of `size` bytes.
    pub fn segment(&mut self, size: u16) {
        self.push(SOL_UDP, UDP_SEGMENT, &size.to_le_bytes());
    }

    /// Becomes a copy; one of nothing costs nothing.
    #[inline]
    pub fn copy_from(&mut self, other: &Self) {
        self.len = other.len;
        if other.len > 0 {
            self.bytes[..Self::USUAL].copy_from_slice(&other.bytes[..Self::USUAL]);
        }
        if other.len as usize > Self::USUAL {
            self.bytes[Self::USUAL..].copy_from_slice(&other.bytes[Self::USUAL..]);
        }
    }

    fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let at = self.len as usize;
        let len = CMSG_HEADER + data.len();
        self.bytes[at..at + 8].copy_from_slice(&(len as u64).to_le_bytes());
        self.bytes[at + 8..at + 12].copy_from_slice(&level.to_le_bytes());
        self.bytes[at + 12..at + 16].copy_from_slice(&kind.to_le_bytes());
        self.bytes[at + 16..at + len].copy_from_slice(data);
        self.len += len.next_multiple_of(8) as u32;
    }
}

/// What the kernel tells of a received datagram.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Received {
    /// The length of the datagrams that UDP_GRO joined; 0: it joined none.
    pub gro: usize,
    /// The local address.
    pub local: Option<Ip>,
    /// The kernel's mark (SO_RCVMARK); 0: none, or not asked for.
    pub mark: u32,
    /// The VLAN tag that was taken off a frame, as it stood there (PACKET_AUXDATA).
    pub tag: Option<[u8; 4]>,
}

/// Reads control messages, up to the first that does not fit.
#[inline]
pub fn read_control(control: &[u8]) -> Received {
    let mut received = Received::default();
    let mut rest = control;
    while let Some((level, kind, data, next)) = first_cmsg(rest) {
        match (level, kind) {
            (SOL_UDP, UDP_GRO) => {
                // An int in practice, a u16 by the documentation: in this order the low half comes first.
                received.gro = data.first_chunk().map_or(0, |size| usize::from(u16::from_le_bytes(*size)));
            }
            (SOL_PACKET, PACKET_AUXDATA) => received.tag = data.first_chunk().and_then(tag_of),
            (SOL_SOCKET, SO_MARK) => {
                received.mark = data.first_chunk().map_or(0, |mark| u32::from_le_bytes(*mark));
            }
            (SOL_IP, IP_PKTINFO) => received.local = data.get(4..8).and_then(Ip::new),
            (SOL_IPV6, IPV6_PKTINFO) => received.local = data.get(..16).and_then(Ip::new),
            _ => {}
        }
        rest = next;
    }
    received
}

/// `struct tpacket_auxdata` (packet(7)): status 4 | lengths 8 | offsets 4 | tag control information 2 | TPID 2.
fn tag_of(aux: &[u8; 20]) -> Option<[u8; 4]> {
    let status = u32::from_le_bytes([aux[0], aux[1], aux[2], aux[3]]);
    if status & TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    // Old kernels take off 802.1Q's only, and do not say so.
    let tpid = if status & TP_STATUS_VLAN_TPID_VALID == 0 { [0x81, 0] } else { [aux[19], aux[18]] };
    Some([tpid[0], tpid[1], aux[17], aux[16]])
}

#[inline]
fn first_cmsg(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let (header, _) = bytes.split_first_chunk::<CMSG_HEADER>()?;
    let [a, b, c, d, e, f, g, h, level @ .., _, _, _, _] = *header;
    let len = usize::try_from(u64::from_le_bytes([a, b, c, d, e, f, g, h])).ok()?;
    let data = bytes.get(CMSG_HEADER..len)?;
    let kind = i32::from_le_bytes([header[12], header[13], header[14], header[15]]);
    let next = bytes.get(len.next_multiple_of(8)..).unwrap_or_default();
    Some((i32::from_le_bytes(level), kind, data, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::mem::size_of;

    #[test]
    fn structures_have_the_kernels_sizes() {
        assert_eq!((size_of::<MmsgHdr>(), size_of::<IoVec>()), (64, 16));
    }

    #[test]
    fn what_is_sent_as_source_is_read_as_local() {
        for (v6, bytes) in
            [(false, &[10, 0, 0, 1][..]), (true, &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])]
        {
            let ip = Ip::new(bytes).unwrap();
            let mut control = Control::from_source(v6, ip).unwrap();
            control.segment(1400);
            let received = read_control(&control.bytes[..control.len as usize]);
            assert_eq!(received, Received { gro: 0, local: Some(ip), mark: 0, tag: None });
        }
    }

    #[test]
    fn names_survive_reading_back() {
        for v6 in [false, true] {
            let ip = Ip::new(&[127, 0, 0, 1]).unwrap();
            let name = Name::new(v6, ip, 1701, 0).unwrap();
            let mut buffer = [0xaa; Name::MAX];
            buffer[..name.bytes().len()].copy_from_slice(name.bytes());
            assert_eq!(Name::read(&buffer, name.bytes().len()), Some(name));
            assert_eq!((name.ip(), name.port(), name.ip().v4()), (ip, 1701, Some([127, 0, 0, 1])));
            assert_eq!(Name::read(&buffer, 8), None);
            for other in [false, true] {
                let same = Name::new(other, ip, 1701, 0).unwrap();
                assert!(same.matches(&buffer, name.bytes().len(), true), "{v6} {other}");
                let port = Name::new(other, ip, 1702, 0).unwrap();
                assert!(port.matches(&buffer, name.bytes().len(), false));
                assert!(!port.matches(&buffer, name.bytes().len(), true));
                let address = Name::new(other, Ip::new(&[127, 0, 0, 2]).unwrap(), 1701, 0).unwrap();
                assert!(!address.matches(&buffer, name.bytes().len(), false));
                assert!(!same.matches(&buffer, 0, false));
            }
        }
        assert_eq!(Name::new(false, Ip([0; 16]), 1, 0), None);
    }

    #[test]
    fn a_flow_label_is_no_part_of_who_a_peer_is() {
        let name = Name::new(true, Ip([0xfd; 16]), 1701, 3).unwrap();
        let mut labelled = name.bytes;
        labelled[4..8].copy_from_slice(&[0, 0x0a, 0xbc, 0xde]);
        assert_eq!(Name::read(&labelled, Name::MAX), Some(name));
        assert!(name.matches(&labelled, Name::MAX, true));
        for with_port in [false, true] {
            assert_eq!(Name::hash(&labelled, with_port), Name::hash(name.buffer(), with_port));
        }
    }

    #[test]
    fn names_hash_by_address_and_port() {
        for v6 in [false, true] {
            let hash = |last, port, scope, with_port| {
                let name = Name::new(v6, Ip::new(&[10, 0, 0, last]).unwrap(), port, scope).unwrap();
                Name::hash(name.buffer(), with_port)
            };
            assert_eq!(hash(1, 1701, 0, false), hash(1, 1702, 9, false));
            assert_ne!(hash(1, 1701, 0, true), hash(1, 1702, 0, true));
            assert_ne!(hash(1, 1701, 0, false), hash(2, 1701, 0, false));
            // What stands behind an IPv4 name is whatever was there before.
            let peer = |last| Name::new(false, Ip::new(&[10, 0, 0, last]).unwrap(), 1701, 0).unwrap();
            let mut buffer = peer(1).bytes;
            buffer[8..].fill(0xaa);
            assert_eq!(Name::hash(&buffer, true), Name::hash(peer(1).buffer(), true));
        }
    }

    proptest! {
        #[test]
        fn no_control_bytes_make_the_reader_panic(bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(16), any::<u8>()], 0..128)) {
            read_control(&bytes);
        }
    }
}
