//! L2TP headers: what a datagram is, what stands before its frame, and what to put before a frame that leaves.
//!
//! ```text
//! v2 over UDP (RFC 2661 §3.1)   flags+ver 2 | [length 2] | tunnel id 2 | session id 2 | [Ns 2 | Nr 2] | [offset 2 | pad]
//! v3 over UDP (RFC 3931 §4.1.2.1) flags+ver 2 | reserved 2 | session id 4 | [cookie 4/8] | [L2-Specific Sublayer 4]
//! v3 over IP  (RFC 3931 §4.1.1.1)                           session id 4 | [cookie 4/8] | [L2-Specific Sublayer 4]
//! ```

use crate::counters::Reason;

/// T: a control message.
pub const FLAG_T: u16 = 0x8000;
/// L: the Length field is present (v2).
pub const FLAG_L: u16 = 0x4000;
/// S: Ns and Nr are present (v2).
pub const FLAG_S: u16 = 0x0800;
/// O: the Offset Size field is present (v2).
pub const FLAG_O: u16 = 0x0200;
const VERSION_MASK: u16 = 0x000f;

/// S in the default L2-Specific Sublayer: the number counts (RFC 3931 §4.6).
pub const L2SPEC_S: u32 = 0x4000_0000;
/// Bits of the default L2-Specific Sublayer that are 0 unless both ends agreed on more (RFC 3931 §4.6, RFC 4623 §4.2,
/// RFC 5085 §6). The RFC has them ignored; but a frame without the sublayer is known by them alone.
const L2SPEC_RESERVED: u32 = 0xbf00_0000;
/// The largest v2 sequence number.
pub const V2_NUMBERS: u32 = 0xffff;
/// The largest v3 sequence number (RFC 3931 §4.6).
pub const V3_NUMBERS: u32 = 0x00ff_ffff;
/// Bytes of the shortest control message: its fixed header, in v2 with Length, Ns and Nr.
const CONTROL_HEADER: usize = 12;

/// L2TP version of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Version {
    /// RFC 2661.
    #[default]
    V2,
    /// RFC 3931.
    V3,
}

/// How a datagram travelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Encap {
    /// In UDP.
    #[default]
    Udp,
    /// As IP protocol 115.
    Ip,
}

/// What a datagram is, by the part of its header that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// A control message, which starts so many bytes behind the datagram's start.
    Control(usize),
    /// A data message.
    Data(Data),
}

/// A data message whose session is known by `key`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Data {
    /// Decides which table `key` is looked up in.
    pub version: Version,
    /// Bytes up to the end of the session id.
    pub ids: u8,
    /// v2's flags; 0 in v3.
    flags: u16,
    /// v2: tunnel and session id; v3: session id; as read in little-endian order.
    pub key: u32,
}

impl Data {
    /// No message's.
    pub const NONE: Self = Self { version: Version::V2, ids: 0, flags: 0, key: 0 };
}

/// A data message without its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stripped {
    /// The sequence number, where there is one.
    pub ns: Option<u32>,
    /// The frame's first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

/// The first bytes of a datagram, as a little-endian number; zeros where it is shorter.
#[inline]
pub fn head_of(datagram: &[u8]) -> u64 {
    u64::from_le_bytes(datagram.first_chunk().copied().unwrap_or_else(|| {
        let mut head = [0; 8];
        head[..datagram.len()].copy_from_slice(datagram);
        head
    }))
}

/// Says what a datagram of `len` bytes is, by its first eight. Over IP, session id 0 marks control (RFC 3931 §4.1.1.2).
#[inline]
pub fn classify(head: u64, len: usize, encap: Encap) -> Result<Class, Reason> {
    match (encap, head as u32) {
        (Encap::Udp, _) => classify_udp(head, len),
        (Encap::Ip, _) if len < 4 => Err(Reason::ShortHeader),
        (Encap::Ip, 0) => control_over_ip((head >> 32) as u16, len - 4),
        (Encap::Ip, key) => Ok(Class::Data(Data { version: Version::V3, ids: 4, flags: 0, key })),
    }
}

#[inline]
fn classify_udp(head: u64, len: usize) -> Result<Class, Reason> {
    if len < 6 {
        return Err(Reason::ShortHeader);
    }
    let flags = (head as u16).swap_bytes();
    let version = match flags & VERSION_MASK {
        2 => Version::V2,
        3 => Version::V3,
        _ => return Err(Reason::BadVersion),
    };
    if flags & FLAG_T != 0 {
        return if len < CONTROL_HEADER { Err(Reason::ShortHeader) } else { Ok(Class::Control(0)) };
    }
    match version {
        Version::V2 if flags & FLAG_L == 0 => {
            Ok(Class::Data(Data { version, ids: 6, flags, key: (head >> 16) as u32 }))
        }
        _ if len < 8 => Err(Reason::ShortHeader),
        Version::V2 => Ok(Class::Data(Data { version, ids: 8, flags, key: (head >> 32) as u32 })),
        Version::V3 => Ok(Class::Data(Data { version, ids: 8, flags: 0, key: (head >> 32) as u32 })),
    }
}

fn control_over_ip(flags: u16, len: usize) -> Result<Class, Reason> {
    let flags = flags.swap_bytes();
    if len < 2 {
        return Err(Reason::ShortHeader);
    }
    if flags & VERSION_MASK != 3 {
        return Err(Reason::BadVersion);
    }
    if flags & FLAG_T == 0 || len < CONTROL_HEADER {
        return Err(Reason::BadControl);
    }
    Ok(Class::Control(4))
}

/// Strips what follows v2's ids. Padding behind the Length is cut off.
#[inline]
pub fn strip_v2(datagram: &[u8], data: &Data) -> Result<Stripped, Reason> {
    let (start, end) = (usize::from(data.ids), datagram.len());
    if data.flags & (FLAG_L | FLAG_S | FLAG_O) == 0 {
        return Ok(Stripped { ns: None, start, end });
    }
    strip_v2_options(datagram, data, start)
}

fn strip_v2_options(datagram: &[u8], data: &Data, mut start: usize) -> Result<Stripped, Reason> {
    let mut end = datagram.len();
    if data.flags & FLAG_L != 0 {
        end = usize::from(half(datagram, 2).ok_or(Reason::Truncated)?);
        if end > datagram.len() {
            return Err(Reason::Truncated);
        }
    }
    let mut ns = None;
    if data.flags & FLAG_S != 0 {
        ns = Some(u32::from(half(datagram, start).ok_or(Reason::Truncated)?));
        start += 4;
    }
    if data.flags & FLAG_O != 0 {
        let offset = half(datagram, start).ok_or(Reason::Truncated)?;
        start += 2 + usize::from(offset);
    }
    if start > end { Err(Reason::Truncated) } else { Ok(Stripped { ns, start, end }) }
}

/// Compares the cookie behind v3's ids and strips it and the L2-Specific Sublayer.
#[inline]
pub fn strip_v3(datagram: &[u8], data: &Data, cookie: &Cookie, l2spec: bool) -> Result<Stripped, Reason> {
    let start = cookie.check(datagram, usize::from(data.ids))?;
    let end = datagram.len();
    if !l2spec {
        return Ok(Stripped { ns: None, start, end });
    }
    let sublayer = word(datagram, start).ok_or(Reason::Truncated)?.swap_bytes();
    if sublayer & L2SPEC_RESERVED != 0 {
        return Err(Reason::SublayerMismatch);
    }
    let ns = (sublayer & L2SPEC_S != 0).then_some(sublayer & V3_NUMBERS);
    Ok(Stripped { ns, start: start + 4, end })
}

/// The key that a v2 session is found by.
pub fn key_v2(tunnel_id: u16, session_id: u16) -> u32 {
    (u32::from(tunnel_id) << 16 | u32::from(session_id)).swap_bytes()
}

/// The key that a v3 session is found by.
pub fn key_v3(session_id: u32) -> u32 {
    session_id.swap_bytes()
}

/// The tunnel id inside a v2 key.
pub fn tunnel_of_key(key: u32) -> u16 {
    (key.swap_bytes() >> 16) as u16
}

/// A cookie of 0, 4 or 8 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cookie {
    bytes: [u8; 8],
    len: u8,
}

impl Cookie {
    /// A cookie of `bytes`, if it can have their length.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if !matches!(bytes.len(), 0 | 4 | 8) {
            return None;
        }
        let mut cookie = Self { bytes: [0; 8], len: bytes.len() as u8 };
        cookie.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(cookie)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Compares with what stands at `at`; gives the place behind the cookie.
    #[inline]
    pub fn check(&self, bytes: &[u8], at: usize) -> Result<usize, Reason> {
        let end = at + usize::from(self.len);
        if end > bytes.len() {
            return Err(Reason::Truncated);
        }
        let same = match self.len {
            0 => true,
            4 => bytes[at..end] == self.bytes[..4],
            _ => bytes[at..end] == self.bytes,
        };
        if same { Ok(end) } else { Err(Reason::CookieMismatch) }
    }
}

#[inline]
fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{Framing, Shape, Template};
    use proptest::prelude::*;

    fn class(bytes: &[u8], encap: Encap) -> Result<Class, Reason> {
        classify(head_of(bytes), bytes.len(), encap)
    }

    fn data(bytes: &[u8], encap: Encap) -> Data {
        match class(bytes, encap) {
            Ok(Class::Data(data)) => data,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn v2_with_every_optional_field() {
        let bytes = [
            0x4b, 0x02, 0, 21, 0x12, 0x34, 0x56, 0x78, 0, 7, 0, 0, 0, 3, 0xee, 0xee, 0xee, 0xff, 3, 0xc0,
            0x21, 0xdd, 0xdd,
        ];
        let data = data(&bytes, Encap::Udp);
        assert_eq!((data.version, data.key), (Version::V2, key_v2(0x1234, 0x5678)));
        assert_eq!(tunnel_of_key(data.key), 0x1234);
        assert_eq!(strip_v2(&bytes, &data), Ok(Stripped { ns: Some(7), start: 17, end: 21 }));
    }

    #[test]
    fn v2_fields_that_reach_beyond_the_datagram() {
        let long_length = [0x40, 2, 0, 9, 0, 1, 0, 1];
        assert_eq!(strip_v2(&long_length, &data(&long_length, Encap::Udp)), Err(Reason::Truncated));
        let short_length = [0x40, 2, 0, 7, 0, 1, 0, 1];
        assert_eq!(strip_v2(&short_length, &data(&short_length, Encap::Udp)), Err(Reason::Truncated));
        let no_ns = [0x08, 2, 0, 1, 0, 1, 0, 1];
        assert_eq!(strip_v2(&no_ns, &data(&no_ns, Encap::Udp)), Err(Reason::Truncated));
        let far_offset = [0x02, 2, 0, 1, 0, 1, 0, 1];
        assert_eq!(strip_v2(&far_offset, &data(&far_offset, Encap::Udp)), Err(Reason::Truncated));
    }

    #[test]
    fn what_is_neither_data_nor_control() {
        let short = Err(Reason::ShortHeader);
        for bytes in
            [&[][..], &[0], &[0, 2, 0, 1, 0], &[0, 3, 0, 0, 0, 0, 0], &[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert_eq!(class(bytes, Encap::Udp), short, "{bytes:?}");
        }
        assert_eq!(class(&[0, 1, 0, 0, 0, 0, 0, 0], Encap::Udp), Err(Reason::BadVersion));
        assert_eq!(class(&[0x80, 4, 0, 0, 0, 0], Encap::Udp), Err(Reason::BadVersion));
        assert_eq!(class(&[0, 0, 1], Encap::Ip), short);
        assert_eq!(class(&[0, 0, 0, 0, 0xc8], Encap::Ip), short);
        assert_eq!(class(&[0, 0, 0, 0, 0xc8, 2], Encap::Ip), Err(Reason::BadVersion));
        assert_eq!(class(&[0, 0, 0, 0, 0xc8, 3, 0, 12], Encap::Ip), Err(Reason::BadControl));
        assert_eq!(
            class(&[0, 0, 0, 0, 0x48, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0], Encap::Ip),
            Err(Reason::BadControl)
        );
    }

    #[test]
    fn control_starts_at_its_t_bit() {
        let control = [0xc8, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(class(&control, Encap::Udp), Ok(Class::Control(0)));
        let over_ip = [&[0; 4][..], &control].concat();
        assert_eq!(class(&over_ip, Encap::Ip), Ok(Class::Control(4)));
    }

    proptest! {
        #[test]
        fn what_a_template_writes_is_parsed_back(
            version in prop::sample::select(vec![Version::V2, Version::V3]),
            ip in any::<bool>(), l2spec in any::<bool>(), numbered in any::<bool>(),
            ids in any::<(u16, u32)>(), cookie in prop::sample::select(vec![0usize, 4, 8]), ns in 0u32..=0xffff,
            frame in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let v2 = version == Version::V2;
            let encap = if ip && !v2 { Encap::Ip } else { Encap::Udp };
            let session_id = (ids.1 & if v2 { 0xffff } else { u32::MAX }).max(1);
            let cookie = Cookie::new(&[1, 2, 3, 4, 5, 6, 7, 8][..if v2 { 0 } else { cookie }]).unwrap();
            let shape = Shape { version, encap, tunnel_id: ids.0, session_id, cookie: &cookie, l2spec, numbered, framing: Framing::Kept };
            let template = Template::new(&shape);
            let mut room = [0xee; Template::ROOM];
            let mut next = ns;
            template.write(&mut room, &mut next, 0);
            prop_assert!(template.len() <= Template::MAX);
            let bytes = [&room[Template::ROOM - template.len()..], &frame].concat();

            let data = data(&bytes, encap);
            prop_assert_eq!(data.key, if v2 { key_v2(ids.0, session_id as u16) } else { key_v3(session_id) });
            let stripped = match version {
                Version::V2 => strip_v2(&bytes, &data),
                Version::V3 => strip_v3(&bytes, &data, &cookie, l2spec),
            }.unwrap();
            let has_number = numbered && (v2 || l2spec);
            prop_assert_eq!(stripped.ns, has_number.then_some(ns));
            prop_assert_eq!(&bytes[stripped.start..stripped.end], &frame[..]);
            prop_assert_eq!(next, if has_number { (ns + 1) & if v2 { V2_NUMBERS } else { V3_NUMBERS } } else { ns });
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), ip in any::<bool>()) {
            if let Ok(Class::Data(data)) = class(&bytes, if ip { Encap::Ip } else { Encap::Udp }) {
                let stripped = match data.version {
                    Version::V2 => strip_v2(&bytes, &data),
                    Version::V3 => strip_v3(&bytes, &data, &Cookie::default(), true),
                };
                if let Ok(stripped) = stripped {
                    prop_assert!(stripped.start <= stripped.end && stripped.end <= bytes.len());
                }
            }
        }
    }
}
