//! The header that a session puts before frames that leave.

use crate::header::{Cookie, Encap, FLAG_S, L2SPEC_S, V2_NUMBERS, V3_NUMBERS, Version};

/// What a session's header is made of.
pub struct Shape<'a> {
    /// The tunnel's version.
    pub version: Version,
    /// The tunnel's encapsulation.
    pub encap: Encap,
    /// The peer's tunnel id (v2).
    pub tunnel_id: u16,
    /// The peer's session id.
    pub session_id: u32,
    /// What the peer expects.
    pub cookie: &'a Cookie,
    /// Whether the default L2-Specific Sublayer is there (v3).
    pub l2spec: bool,
    /// Whether frames are numbered; in v3 that needs the sublayer.
    pub numbered: bool,
    /// How PPP frames begin.
    pub framing: Framing,
}

/// Whether PPP frames leave behind an address and a control field (RFC 1662 §3.2), `FF 03`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Framing {
    /// As they come; other frames than PPP's too.
    #[default]
    Kept,
    /// All of them.
    With,
    /// None of them.
    Without,
}

impl Framing {
    const FIELDS: [u8; 2] = [0xff, 0x03];

    /// The framing of a number from TypeScript.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Kept, Self::With, Self::Without].get(number as usize).copied()
    }

    /// What stands before each frame that has none itself.
    fn before(self) -> &'static [u8] {
        if self == Self::With { &Self::FIELDS } else { &[] }
    }
}

/// A header ready to be put before frames, but for the number. It is kept at the end of its room, so that where there is
/// room enough before a frame all of it is copied, which a few instructions do whatever the header's length.
#[derive(Clone, Copy, Default, Debug)]
pub struct Template {
    room: [u8; Self::ROOM],
    len: u8,
    blank: Blank,
    framing: Framing,
}

/// What of a header is each frame's own.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum Blank {
    #[default]
    None,
    /// L2TPv2's Ns.
    V2,
    /// L2TPv3's number.
    V3,
    /// PPPoE's length.
    Length,
}

impl Template {
    /// The longest header: PPPoE's behind two stations' addresses and two VLAN tags.
    pub const MAX: usize = 28;
    /// [`Template::MAX`] in whole vectors.
    pub const ROOM: usize = 32;

    /// The header of a session, without Length, Offset and Priority in v2 as the kernel sends it.
    pub fn new(shape: &Shape) -> Self {
        let (mut header, blank) = match shape.version {
            Version::V2 => {
                let flags = if shape.numbered { FLAG_S } else { 0 } | 2;
                let words = [flags, shape.tunnel_id, shape.session_id as u16, 0, 0].map(u16::to_be_bytes);
                let header = words[..if shape.numbered { 5 } else { 3 }].as_flattened().to_vec();
                (header, if shape.numbered { Blank::V2 } else { Blank::None })
            }
            Version::V3 => {
                let version: &[u8] = if shape.encap == Encap::Udp { &[0, 3, 0, 0] } else { &[] };
                let sublayer: &[u8] = if shape.l2spec { &[0; 4] } else { &[] };
                let header =
                    [version, &shape.session_id.to_be_bytes(), shape.cookie.bytes(), sublayer].concat();
                (header, if shape.numbered && shape.l2spec { Blank::V3 } else { Blank::None })
            }
        };
        header.extend_from_slice(shape.framing.before());
        Self::of(&header, blank, shape.framing)
    }

    /// The header of a PPPoE session (RFC 2516 §4): `link` is what stands before it, its EtherType included.
    ///
    /// ```text
    /// version 4 bits | type 4 bits | code 1 | session id 2 | length 2
    /// ```
    pub fn pppoe(link: &[u8], session_id: u16) -> Self {
        let [high, low] = session_id.to_be_bytes();
        // There is no address and control field in PPPoE (RFC 2516 §4).
        Self::of(&[link, &[0x11, 0, high, low, 0, 0]].concat(), Blank::Length, Framing::Without)
    }

    fn of(header: &[u8], blank: Blank, framing: Framing) -> Self {
        let mut template = Self { room: [0; Self::ROOM], len: header.len() as u8, blank, framing };
        template.room[Self::ROOM - header.len()..].copy_from_slice(header);
        template
    }

    /// Its length in bytes.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "no header is empty")]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// The header, if it has `len` bytes and is the same for every frame.
    #[inline]
    pub fn constant(&self, len: usize) -> Option<&[u8]> {
        let same = self.blank == Blank::None && self.framing == Framing::Kept;
        (same && self.len() == len).then(|| &self.room[Self::ROOM - len..])
    }

    /// How many bytes at the start of a frame do not leave with it: its address and control field, where the header has
    /// one or there is to be none.
    #[inline]
    pub fn skips(&self, frame: &[u8]) -> usize {
        if self.framing == Framing::Kept { 0 } else { 2 * usize::from(frame.starts_with(&Framing::FIELDS)) }
    }

    /// Writes the header of a frame of `len` bytes to the end of `room`, and whatever before it; counts `ns` on where
    /// frames are numbered.
    #[inline]
    pub fn write(&self, room: &mut [u8; Self::ROOM], ns: &mut u32, len: usize) {
        *room = self.room;
        if self.blank != Blank::None {
            self.fill(room, ns, len);
        }
    }

    /// As [`Template::write`], to the end of whatever room there is: just the header where that is all that fits, as before
    /// datagrams that UDP_GRO joined. False: not even that fits, and nothing was done.
    #[inline]
    pub fn write_before(&self, room: &mut [u8], ns: &mut u32, len: usize) -> bool {
        if let Some(room) = room.last_chunk_mut() {
            self.write(room, ns, len);
            return true;
        }
        let header = self.len();
        if room.len() < header {
            return false;
        }
        let mut whole = [0; Self::ROOM];
        self.write(&mut whole, ns, len);
        let at = room.len() - header;
        copy(&mut room[at..], &whole[Self::ROOM - header..]);
        true
    }

    #[inline]
    fn fill(&self, room: &mut [u8; Self::ROOM], ns: &mut u32, len: usize) {
        let end = Self::ROOM - self.framing.before().len();
        match self.blank {
            Blank::None => {}
            Blank::V2 => {
                room[end - 4..end - 2].copy_from_slice(&(*ns as u16).to_be_bytes());
                *ns = (*ns + 1) & V2_NUMBERS;
            }
            Blank::V3 => {
                room[end - 4..end].copy_from_slice(&(L2SPEC_S | *ns).to_be_bytes());
                *ns = (*ns + 1) & V3_NUMBERS;
            }
            Blank::Length => room[end - 2..end].copy_from_slice(&(len as u16).to_be_bytes()),
        }
    }
}

/// Copies a header of at most 32 bytes in pieces that overlap: a call of `memcpy` would cost more than all of it.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    if let (Some(first), Some(last)) = (from.first_chunk::<16>(), from.last_chunk::<16>()) {
        if let Some(to) = to.first_chunk_mut() {
            *to = *first;
        }
        if let Some(to) = to.last_chunk_mut() {
            *to = *last;
        }
    } else if let (Some(first), Some(last)) = (from.first_chunk::<8>(), from.last_chunk::<8>()) {
        if let Some(to) = to.first_chunk_mut() {
            *to = *first;
        }
        if let Some(to) = to.last_chunk_mut() {
            *to = *last;
        }
    } else {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_written_to_whatever_room_is_enough() {
        for cookie in [&[][..], &[1, 2, 3, 4], &[1, 2, 3, 4, 5, 6, 7, 8]] {
            for (version, l2spec) in [(Version::V2, false), (Version::V3, false), (Version::V3, true)] {
                let cookie = Cookie::new(if version == Version::V2 { &[] } else { cookie }).unwrap();
                let shape = Shape {
                    version,
                    encap: Encap::Udp,
                    tunnel_id: 0x1234,
                    session_id: 0x5678,
                    cookie: &cookie,
                    l2spec,
                    numbered: true,
                    framing: Framing::With,
                };
                let template = Template::new(&shape);
                let mut whole = [0; Template::ROOM];
                template.write(&mut whole, &mut 7, 100);
                let header = template.len();
                for len in 0..40 {
                    let mut room = vec![0xee; len];
                    let mut ns = 7;
                    assert_eq!(template.write_before(&mut room, &mut ns, 100), len >= header);
                    if len >= header {
                        assert_eq!(room[len - header..], whole[Template::ROOM - header..]);
                    } else {
                        assert_eq!(room, vec![0xee; len]);
                    }
                    assert_eq!(ns == 7, len < header || !(version == Version::V2 || l2spec));
                }
            }
        }
    }
}
