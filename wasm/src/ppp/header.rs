//! PPP's header: address and control field (RFC 1662 §3.1), and the protocol number (RFC 1661 §2).
//!
//! ```text
//! [FF 03] | protocol 2 octets, or 1 where it is below 256 and the peer has agreed to that
//! ```

/// IPv4's number (RFC 1332 §2).
pub const IPV4: u16 = 0x0021;
/// IPv6's number (RFC 5072 §2).
pub const IPV6: u16 = 0x0057;

/// The protocol of a frame, and how many octets its header has. Address and control field may be there or not, and the
/// number compressed or not, whatever was agreed on (RFC 1661 §6.5 and §6.6). `None`: there is no whole number, or none
/// that can be one.
#[inline]
pub fn read(frame: &[u8]) -> Option<(u16, usize)> {
    let at = if frame.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    let first = *frame.get(at)?;
    if first & 1 == 1 {
        return Some((first.into(), at + 1));
    }
    let second = *frame.get(at + 1)?;
    // The last octet of a number is odd, all before it are even (RFC 1661 §2).
    (second & 1 == 1).then_some((u16::from_be_bytes([first, second]), at + 2))
}

/// What stands before the packets that a session is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// `FF 03`.
    pub address_control: bool,
    /// The protocol's number in one octet.
    pub compress_protocol: bool,
}

impl Link {
    /// The longest.
    pub const MAX: usize = 4;

    /// Writes it to the end of `room`; gives its length.
    #[inline]
    pub fn write(self, v6: bool, room: &mut [u8; Self::MAX]) -> usize {
        *room = [0xff, 0x03, 0x00, (if v6 { IPV6 } else { IPV4 }) as u8];
        match (self.address_control, self.compress_protocol) {
            (true, false) => 4,
            (false, false) => 2,
            (false, true) => 1,
            (true, true) => {
                room.copy_within(0..2, 1);
                3
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_in_all_their_forms_are_read() {
        for (frame, expected) in [
            (&[0xff, 0x03, 0x00, 0x21, 0x45][..], Some((0x0021, 4))),
            (&[0xff, 0x03, 0x21, 0x45], Some((0x0021, 3))),
            (&[0x00, 0x57, 0x60], Some((0x0057, 2))),
            (&[0x57, 0x60], Some((0x0057, 1))),
            (&[0xff, 0x03, 0xc0, 0x21, 0x01], Some((0xc021, 4))),
            (&[0xc0, 0x21, 0x09], Some((0xc021, 2))),
            (&[0x80, 0xfd], Some((0x80fd, 2))),
            (&[0xff, 0x03], None),
            (&[0xff, 0x03, 0x00], None),
            (&[0xc0], None),
            (&[0xc0, 0x22], None),
            (&[], None),
        ] {
            assert_eq!(read(frame), expected, "{frame:02x?}");
        }
    }

    #[test]
    fn headers_are_written_as_agreed_on() {
        for (address_control, compress_protocol, v6, expected) in [
            (true, false, false, &[0xff, 0x03, 0x00, 0x21][..]),
            (true, true, true, &[0xff, 0x03, 0x57]),
            (false, false, true, &[0x00, 0x57]),
            (false, true, false, &[0x21]),
        ] {
            let mut room = [0; Link::MAX];
            let length = Link { address_control, compress_protocol }.write(v6, &mut room);
            assert_eq!(&room[Link::MAX - length..], expected);
            let protocol = if v6 { IPV6 } else { IPV4 };
            assert_eq!(read(expected), Some((protocol, length)));
        }
    }
}
