//! IPv4 packets larger than the MRU that may be fragmented (RFC 791).

use super::*;
use kernel::packet::ones_complement;
use proptest::prelude::*;

/// What leaves for a packet, without L2TP's and PPP's headers.
fn fragments(mru: u16, packet: &[u8]) -> Vec<Vec<u8>> {
    let mut world = World::new(None);
    let session = world.member(5, MemberRequest { mru, ..plain(&[v4(7)]) });
    let datagrams = world.from_tun(packet).datagrams();
    let count = datagrams.len() as u64;
    if count > 0 {
        assert_eq!(
            (world.io(Io::RxFrames), world.io(Io::Fragments), world.io(Io::TxSegments)),
            (1, count - 1, count)
        );
        let octets: usize = datagrams.iter().map(|datagram| datagram.len() - 10).sum();
        assert_eq!(world.families(session)[2..4], [count, octets as u64]);
    }
    let header = to_peer(5, &[0xff, 0x03, 0x00, 0x21]);
    datagrams
        .iter()
        .map(|datagram| {
            assert_eq!(datagram[..10], header);
            datagram[10..].to_vec()
        })
        .collect()
}

/// RFC 791 §3.2's example in small: a total length of 472 in data of 280 octets, as its Appendix A does it (example 2 and
/// 3). All octets but the data by hand, and the checksums looked at.
#[test]
fn the_example_of_rfc_791() {
    let mut packet = packet4([192, 0, 2, 1], [10, 9, 0, 7], 0, &[], 6, &[]);
    packet[..12].copy_from_slice(&[0x45, 0, 0x01, 0xd8, 0, 0x6f, 0, 0, 123, 6, 0, 0]);
    let sum = !ones_complement(&[&packet]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    let data: Vec<u8> = (0..452u32).map(|at| at as u8).collect();
    packet.extend(&data);
    let both = fragments(280, &packet);
    assert_eq!(both.len(), 2);
    // 276 octets in all, of which 256 are data; more fragments follow; offset 0. Then 216, offset 32.
    assert_eq!(both[0][..10], [0x45, 0, 0x01, 0x14, 0, 0x6f, 0x20, 0, 123, 6]);
    assert_eq!(both[1][..10], [0x45, 0, 0x00, 0xd8, 0, 0x6f, 0, 32, 123, 6]);
    assert_eq!((&both[0][20..], &both[1][20..]), (&data[..256], &data[256..]));
    for fragment in &both {
        assert_eq!(fragment[12..20], [192, 0, 2, 1, 10, 9, 0, 7]);
        assert_eq!(ones_complement(&[&fragment[..20]]), 0xffff);
    }
}

/// Record Route (7) is in the first fragment only; Loose Source Route (131) and Router Alert (148) are in all (RFC 791
/// §3.1: the copied flag).
#[test]
fn options_go_where_their_flag_says() {
    let options = [7, 7, 4, 1, 2, 3, 4, 1, 131, 7, 4, 5, 6, 7, 8, 1, 148, 4, 0, 0];
    let packet = packet4([192, 0, 2, 1], [10, 9, 0, 7], 0, &options, 17, &[9; 300]);
    let all = fragments(160, &packet);
    assert_eq!(all.len(), 3);
    assert_eq!((all[0][0], &all[0][20..40]), (0x4a, &options[..]));
    for other in &all[1..] {
        assert_eq!((other[0], &other[20..32]), (0x48, &[131, 7, 4, 5, 6, 7, 8, 148, 4, 0, 0, 0][..]));
    }
    let lengths: Vec<_> = all.iter().map(|fragment| fragment.len()).collect();
    assert_eq!(lengths, [160, 152, 92]);
    // None is copied that is none: an end, a length of nothing, one beyond the header.
    for options in [[0, 148, 4, 0], [148, 1, 1, 1], [148, 0, 1, 1], [148, 5, 0, 0]] {
        let packet = packet4([192, 0, 2, 1], [10, 9, 0, 7], 0, &options, 17, &[9; 300]);
        assert!(fragments(160, &packet)[1..].iter().all(|fragment| fragment[0] == 0x45));
    }
}

#[test]
fn a_fragment_that_is_fragmented_again_keeps_its_place() {
    // Offset 185 units, more to come.
    let packet = packet4([192, 0, 2, 1], [10, 9, 0, 7], 0x2000 | 185, &[], 17, &[9; 1480]);
    let all = fragments(1000, &packet);
    assert_eq!(all.len(), 2);
    assert_eq!((&all[0][6..8], &all[1][6..8]), (&[0x20, 185][..], &[0x21, 51][..]));
    let last = packet4([192, 0, 2, 1], [10, 9, 0, 7], 185, &[], 17, &[9; 1480]);
    assert_eq!(fragments(1000, &last)[1][6..8], [0x01, 51], "and the last stays the last");
    // Beyond what an offset can say.
    let beyond = packet4([192, 0, 2, 1], [10, 9, 0, 7], 8100, &[], 17, &[9; 1480]);
    assert_eq!(fragments(1000, &beyond).len(), 0);
}

/// Puts fragments together as a receiver does (RFC 791 §3.2).
fn reassembled(fragments: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    for (at, fragment) in fragments.iter().enumerate() {
        let header = usize::from(fragment[0] & 0x0f) * 4;
        assert_eq!(ones_complement(&[&fragment[..header]]), 0xffff);
        assert_eq!(usize::from(u16::from_be_bytes([fragment[2], fragment[3]])), fragment.len());
        let place = u16::from_be_bytes([fragment[6], fragment[7]]);
        assert_eq!(usize::from(place & 0x1fff) * 8, data.len());
        assert_eq!(place & 0x2000 != 0, at + 1 < fragments.len());
        assert_eq!(place & 0xc000, 0);
        data.extend(&fragment[header..]);
    }
    data
}

proptest! {
    #[test]
    fn what_is_taken_apart_can_be_put_together(
        mru in 68u16..1600,
        words in 0usize..11,
        payload in prop::collection::vec(any::<u8>(), 0..3000),
        options in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(4), Just(7), Just(148), any::<u8>()], 40),
    ) {
        let options = &options[..4 * words];
        let packet = packet4([192, 0, 2, 1], [10, 9, 0, 7], 0, options, 17, &payload);
        let all = fragments(mru, &packet);
        prop_assert!(all.iter().all(|fragment| fragment.len() <= mru.into()));
        prop_assert_eq!(reassembled(&all), payload);
        let header = 20 + options.len();
        if packet.len() > mru.into() {
            prop_assert_eq!(&all[0][20..header], options);
            // All but the last are as long as they may be.
            let least = (usize::from(mru) - header) & !7;
            prop_assert!(all[..all.len() - 1].iter().all(|one| one.len() - usize::from(one[0] & 15) * 4 == least));
        } else {
            prop_assert_eq!(&all[..], &[packet]);
        }
    }
}

#[test]
fn a_packet_whose_checksum_was_left_to_the_device_gets_it_first() {
    let mut world = World::new(Some(ALL));
    world.member(5, MemberRequest { mru: 600, ..plain(&[Prefix::v4([0; 4], 0).unwrap()]) });
    let packet = kernel::packet::Packet { df: false, ..kernel::packet::Packet::udp(1, 7, &[5; 1000]) };
    let vnet = [1, 0, 0, 0, 0, 0, 20, 0, 6, 0];
    let datagrams = world.from_tun(&[&vnet[..], &packet.unfinished()[14..]].concat()).datagrams();
    let fragments: Vec<_> = datagrams.iter().map(|datagram| datagram[10..].to_vec()).collect();
    let whole = packet.frame();
    assert_eq!((fragments.len(), reassembled(&fragments)), (2, whole[34..].to_vec()));
}
