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
}

/// A header ready to be put before frames, but for the number. It is kept at the end of its room, so that where there is
/// room enough before a frame all of it is copied, which a few instructions do whatever the header's length.
#[derive(Clone, Copy, Default, Debug)]
pub struct Template {
    room: [u8; Self::ROOM],
    len: u8,
    numbered: Numbered,
}

/// Where the number stands.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum Numbered {
    #[default]
    No,
    V2,
    V3,
}

impl Template {
    /// The longest header: v3 over UDP with a cookie of 8 bytes and the sublayer.
    pub const MAX: usize = 20;
    /// [`Template::MAX`], and room for what one more header takes (PPP's over L2TPv3, or PPPoE's), in whole vectors.
    pub const ROOM: usize = 32;

    /// The header of a session, without Length, Offset and Priority in v2 as the kernel sends it.
    pub fn new(shape: &Shape) -> Self {
        let (header, numbered) = match shape.version {
            Version::V2 => {
                let flags = if shape.numbered { FLAG_S } else { 0 } | 2;
                let words = [flags, shape.tunnel_id, shape.session_id as u16, 0, 0].map(u16::to_be_bytes);
                let header = words[..if shape.numbered { 5 } else { 3 }].as_flattened().to_vec();
                (header, if shape.numbered { Numbered::V2 } else { Numbered::No })
            }
            Version::V3 => {
                let version: &[u8] = if shape.encap == Encap::Udp { &[0, 3, 0, 0] } else { &[] };
                let sublayer: &[u8] = if shape.l2spec { &[0; 4] } else { &[] };
                let header =
                    [version, &shape.session_id.to_be_bytes(), shape.cookie.bytes(), sublayer].concat();
                (header, if shape.numbered && shape.l2spec { Numbered::V3 } else { Numbered::No })
            }
        };
        let mut template = Self { room: [0; Self::ROOM], len: header.len() as u8, numbered };
        template.room[Self::ROOM - header.len()..].copy_from_slice(&header);
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
        (self.numbered == Numbered::No && self.len() == len).then(|| &self.room[Self::ROOM - len..])
    }

    /// Writes the header to the end of `room`, and whatever before it; counts `ns` on where frames are numbered.
    #[inline]
    pub fn write(&self, room: &mut [u8; Self::ROOM], ns: &mut u32) {
        *room = self.room;
        match self.numbered {
            Numbered::No => {}
            Numbered::V2 => {
                [room[Self::ROOM - 4], room[Self::ROOM - 3]] = (*ns as u16).to_be_bytes();
                *ns = (*ns + 1) & V2_NUMBERS;
            }
            Numbered::V3 => {
                room[Self::ROOM - 4..].copy_from_slice(&(L2SPEC_S | *ns).to_be_bytes());
                *ns = (*ns + 1) & V3_NUMBERS;
            }
        }
    }
}
