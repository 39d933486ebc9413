//! Packets larger than the MRU that may not be fragmented: who is told, what, and how often.

use super::*;
use kernel::packet::ones_complement;

const HOME: [u16; 8] = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xa];
const ELSEWHERE: [u16; 8] = [0x2001, 0xdb8, 9, 0, 0, 0, 0, 1];

fn world(mru: u16) -> World {
    let mut world = World::new(None);
    world.member(5, MemberRequest { mru, ..plain(&[v4(7), v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 64)]) });
    world
}

/// The octets of ICMP's Destination Unreachable, Fragmentation Needed, of 8 octets more than the MRU of 1492: written
/// down by hand from RFC 792 and RFC 1191 §4, the quoted packet's and its own source and destination changed over.
#[test]
fn ipv4_with_df_is_answered_with_the_mtu() {
    let mut world = world(1492);
    let packet = packet4([192, 0, 2, 1], [10, 9, 0, 7], 0x4000, &[], 17, &udp(53, &[7; 1472]));
    assert_eq!(packet.len(), 1500);
    let output = world.from_tun(&packet);
    assert_eq!((output.datagrams().len(), output.written.len()), (0, 1));
    let answer = &output.written[0].1;
    assert_eq!(answer.len(), 576, "RFC 1812 §4.3.2.3");
    let header = [0x45, 0xc0, 0x02, 0x40, 0x00, 0x00, 0x40, 0x00, 64, 1];
    assert_eq!(answer[..10], header);
    assert_eq!(answer[12..20], [10, 9, 0, 7, 192, 0, 2, 1]);
    assert_eq!(answer[20..22], [3, 4]);
    assert_eq!(answer[24..28], [0, 0, 0x05, 0xd4]);
    assert_eq!(answer[28..], packet[..548]);
    assert_eq!((ones_complement(&[&answer[..20]]), ones_complement(&[&answer[20..]])), (0xffff, 0xffff));
    assert_eq!((world.dropped(Reason::PacketTooBig), world.drops(), world.io(Io::IcmpErrors)), (1, 1, 1));
    // One octet less than that, and it passes.
    let fits = packet4([192, 0, 2, 1], [10, 9, 0, 7], 0x4000, &[], 17, &udp(53, &[7; 1464]));
    assert_eq!((fits.len(), world.from_tun(&fits).datagrams().len()), (1492, 1));
}

/// RFC 4443 §3.2, written down by hand.
#[test]
fn ipv6_is_answered_with_packet_too_big() {
    let mut world = world(1492);
    let packet = packet6(ELSEWHERE, HOME, 17, &udp(53, &[7; 1445]));
    assert_eq!(packet.len(), 1493);
    let output = world.from_tun(&packet);
    assert_eq!((output.datagrams().len(), output.written.len()), (0, 1));
    let answer = &output.written[0].1;
    assert_eq!(answer.len(), 1280, "as much as fits in the least MTU (RFC 4443 §2.4 (c))");
    assert_eq!(answer[..8], [0x6c, 0, 0, 0, 0x04, 0xd8, 58, 64]);
    assert_eq!((&answer[8..24], &answer[24..40]), (&octets(HOME)[..], &octets(ELSEWHERE)[..]));
    assert_eq!(answer[40..42], [2, 0]);
    assert_eq!(answer[44..48], [0, 0, 0x05, 0xd4]);
    assert_eq!(answer[48..], packet[..1232]);
    let pseudo = [&answer[8..40], &[0, 0, 0x04, 0xd8, 0, 0, 0, 58]].concat();
    assert_eq!(ones_complement(&[&pseudo, &answer[40..]]), 0xffff);
    assert_eq!(world.dropped(Reason::PacketTooBig), 1);
    let fits = packet6(ELSEWHERE, HOME, 17, &udp(53, &[7; 1444]));
    assert_eq!((fits.len(), world.from_tun(&fits).datagrams().len()), (1492, 1));
}

#[test]
fn a_device_with_vnet_headers_gets_one_before_the_answer_too() {
    let mut world = World::new(Some(ALL));
    world.member(5, MemberRequest { mru: 1000, ..plain(&[v4(7)]) });
    let packet = packet4([192, 0, 2, 1], [10, 9, 0, 7], 0x4000, &[], 17, &udp(53, &[7; 1472]));
    let written = world.from_tun(&[&[0; 10][..], &packet].concat()).written;
    assert_eq!((&written[0].1[..10], &written[0].1[30..32]), (&[0; 10][..], &[3, 4][..]));
}

/// The sender of a super-frame knows its segments.
#[test]
fn of_a_super_frame_the_first_segment_is_quoted() {
    let mut world = World::new(Some(ALL));
    let prefixes = [Prefix::v4([0; 4], 0).unwrap(), v6([0; 8], 0)];
    world.member(5, MemberRequest { mru: 1400, ..plain(&prefixes) });
    for is_v6 in [false, true] {
        let (vnet, packets) = superframes::tcp(is_v6, true, 4 * 1400, 1400);
        let output = world.from_tun(&[&vnet[..], &packets.whole].concat());
        assert_eq!((output.datagrams().len(), output.written.len()), (0, 1));
        let answer = &output.written[0].1[10..];
        let (at, quoted) = if is_v6 { (48, 1232) } else { (28, 548) };
        assert_eq!(answer[at..], packets.segments[0][..quoted]);
    }
    assert_eq!((world.dropped(Reason::PacketTooBig), world.drops()), (8, 8));
}

#[test]
fn nobody_is_told_of_errors_fragments_and_packets_from_nobody() {
    let mut world = world(1000);
    let big = [0; 1200];
    let icmp = |kind: u8| [&[kind, 0, 0, 0], &big[..]].concat();
    let to = [10, 9, 0, 7];
    let host = [192, 0, 2, 1];
    for packet in [
        packet4(host, to, 0x4000, &[], 1, &icmp(3)),
        packet4(host, to, 0x4000, &[], 1, &icmp(11)),
        packet4(host, to, 0x4000, &[], 1, &icmp(5)),
        packet4(host, to, 0x4000, &[], 1, &icmp(42)), // unknown: it may be an error
        packet4(host, to, 0x4001, &[], 17, &big),     // not the first fragment
        packet4([0, 0, 0, 0], to, 0x4000, &[], 17, &big),
        packet4([127, 0, 0, 1], to, 0x4000, &[], 17, &big),
        packet4([224, 0, 0, 1], to, 0x4000, &[], 17, &big),
        packet4([255; 4], to, 0x4000, &[], 17, &big),
        packet6(ELSEWHERE, HOME, 58, &icmp(1)),
        packet6(ELSEWHERE, HOME, 58, &icmp(2)),
        packet6(ELSEWHERE, HOME, 58, &icmp(127)),
        packet6(ELSEWHERE, HOME, 58, &icmp(137)), // Redirect
        packet6([0; 8], HOME, 17, &big),
        packet6([0, 0, 0, 0, 0, 0, 0, 1], HOME, 17, &big),
        packet6([0xff02, 0, 0, 0, 0, 0, 0, 1], HOME, 17, &big),
    ] {
        let before = world.dropped(Reason::PacketTooBig);
        let output = world.from_tun(&packet);
        assert_eq!((output.datagrams().len(), output.written.len()), (0, 0), "{:02x?}", &packet[..48]);
        assert_eq!(world.dropped(Reason::PacketTooBig), before + 1);
    }
    // Queries are no errors, and the first fragment is answered.
    for packet in [
        packet4(host, to, 0x4000, &[], 1, &icmp(8)),
        packet4(host, to, 0x6000, &[], 17, &big),
        packet6(ELSEWHERE, HOME, 58, &icmp(128)),
    ] {
        assert_eq!(world.from_tun(&packet).written.len(), 1);
    }
}

#[test]
fn answers_are_few() {
    let mut world = World::new(None);
    for id in 1..=40 {
        world.member(id, MemberRequest { mru: 1000, ..plain(&[v4(id as u8)]) });
    }
    let big = |id| packet4([192, 0, 2, 1], [10, 9, 0, id], 0x4000, &[], 17, &[0; 1200]);
    let mut answers =
        |ms, id: u8, count| (0..count).map(|_| world.from_tun_at(ms, &big(id)).written.len()).sum::<usize>();
    assert_eq!(answers(5000, 1, 50), 10);
    assert_eq!(answers(5099, 1, 5), 0);
    assert_eq!(answers(5200, 1, 5), 2);
    // All together have a budget as well.
    let all: usize = (2..=40).map(|id| answers(6000, id, 10)).sum();
    assert_eq!(all, 200);
    assert_eq!(answers(6100, 40, 20), 10, "and who waited gets them");
}
