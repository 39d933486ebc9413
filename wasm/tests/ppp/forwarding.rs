//! Packets between the TUN and sessions, whose headers may be of any form.

use super::*;
use isthmus_datapath::policy::{Bucket, Policy};

/// ICMP Echo Request from 10.9.0.7 to 192.0.2.1 (RFC 791, RFC 792), all octets written down by hand: 8 octets of data.
const ECHO: [u8; 36] = [
    0x45, 0x00, 0x00, 0x24, 0x00, 0x01, 0x00, 0x00, 0x40, 0x01, 0xae, 0xc7, 0x0a, 0x09, 0x00, 0x07, 0xc0,
    0x00, 0x02, 0x01, 0x08, 0x00, 0x54, 0x35, 0x12, 0x34, 0x00, 0x01, b'a', b'b', b'c', b'd', b'e', b'f',
    b'g', b'h',
];
/// The same from 192.0.2.1 to 10.9.0.7.
const BACK: [u8; 36] = [
    0x45, 0x00, 0x00, 0x24, 0x00, 0x01, 0x00, 0x00, 0x40, 0x01, 0xae, 0xc7, 0xc0, 0x00, 0x02, 0x01, 0x0a,
    0x09, 0x00, 0x07, 0x00, 0x00, 0x5c, 0x35, 0x12, 0x34, 0x00, 0x01, b'a', b'b', b'c', b'd', b'e', b'f',
    b'g', b'h',
];

#[test]
fn the_packets_of_these_tests_are_whole() {
    for packet in [ECHO, BACK] {
        assert_eq!(kernel::packet::ones_complement(&[&packet[..20]]), 0xffff);
    }
}

#[test]
fn a_subscribers_packet_comes_out_of_the_tun_whatever_its_header_looks_like() {
    let mut world = World::new(None);
    world.member(5, plain(&[v4(7)]));
    for header in [&[0xff, 0x03, 0x00, 0x21][..], &[0xff, 0x03, 0x21], &[0x00, 0x21], &[0x21]] {
        let output = world.from_peer(5, &[header, &ECHO].concat());
        assert_eq!(output.written, [(TUN, ECHO.to_vec())], "{header:02x?}");
    }
    // Padding behind the packet is none of it (RFC 1661 §2), and neither TTL nor anything else of it changes.
    let output = world.from_peer(5, &[&[0x21][..], &ECHO, &[0; 9]].concat());
    assert_eq!(output.written, [(TUN, ECHO.to_vec())]);
    assert_eq!(world.drops(), 0);
}

#[test]
fn a_packet_for_a_subscriber_leaves_behind_the_header_that_was_agreed_on() {
    for (address_control, compress_protocol, header) in [
        (true, false, &[0xff, 0x03, 0x00, 0x21][..]),
        (true, true, &[0xff, 0x03, 0x21]),
        (false, false, &[0x00, 0x21]),
        (false, true, &[0x21]),
    ] {
        for takes in [None, Some(ALL)] {
            let mut world = World::new(takes);
            let link = Link { address_control, compress_protocol };
            world.member(5, MemberRequest { link, ..plain(&[v4(7)]) });
            let vnet: &[u8] = if takes.is_some() { &[0; 10] } else { &[] };
            let output = world.from_tun(&[vnet, &BACK].concat());
            assert_eq!(output.datagrams(), [to_peer(5, &[header, &BACK].concat())]);
            let output = world.from_peer(5, &[header, &ECHO].concat());
            assert_eq!(output.written, [(TUN, [vnet, &ECHO].concat())]);
        }
    }
}

#[test]
fn the_longest_prefix_decides_where_a_packet_goes() {
    let mut world = World::new(None);
    let net = |third, bits| Prefix::v4([10, 9, third, 0], bits).unwrap();
    world.member(1, plain(&[v4(1), net(0, 16)]));
    world.member(2, plain(&[v4(2), net(5, 24)]));
    world.member(3, plain(&[v6([0x2001, 0xdb8, 1, 0, 0, 0, 0, 0], 56)]));
    world.member(
        4,
        plain(&[v6([0x2001, 0xdb8, 1, 2, 0, 0, 0, 0], 64), v6([0x2001, 0xdb8, 1, 1, 0, 0, 0, 9], 128)]),
    );
    let to4 = |to| packet4([192, 0, 2, 1], to, 0x4000, &[], 17, &[1; 8]);
    let to6 = |to| packet6([0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1], to, 17, &[1; 8]);
    for (packet, id) in [
        (to4([10, 9, 0, 1]), Some(1)),
        (to4([10, 9, 0, 2]), Some(2)),
        (to4([10, 9, 0, 3]), Some(1)),
        (to4([10, 9, 5, 2]), Some(2)),
        (to4([10, 9, 6, 2]), Some(1)),
        (to4([10, 8, 0, 1]), None),
        (to6([0x2001, 0xdb8, 1, 2, 7, 7, 7, 7]), Some(4)),
        (to6([0x2001, 0xdb8, 1, 1, 0, 0, 0, 9]), Some(4)),
        (to6([0x2001, 0xdb8, 1, 1, 0, 0, 0, 8]), Some(3)),
        (to6([0x2001, 0xdb8, 1, 0x100, 0, 0, 0, 8]), None),
    ] {
        let header = if packet[0] >> 4 == 4 { [0xff, 0x03, 0, 0x21] } else { [0xff, 0x03, 0, 0x57] };
        let expected: Vec<_> =
            id.map(|id| to_peer(id, &[&header[..], &packet].concat())).into_iter().collect();
        assert_eq!(world.from_tun(&packet).datagrams(), expected, "{packet:02x?}");
    }
    assert_eq!((world.dropped(Reason::PppNoRoute), world.drops()), (2, 2));
}

#[test]
fn sources_are_those_that_packets_would_go_to() {
    let mut world = World::new(None);
    let first =
        plain(&[v4(1), Prefix::v4([10, 9, 5, 0], 24).unwrap(), v6([0x2001, 0xdb8, 1, 2, 0, 0, 0, 0], 64)]);
    let session = world.member(1, first.clone());
    world.member(2, plain(&[v4(2), Prefix::v4([10, 9, 5, 9], 32).unwrap()]));
    let from4 = |from| [&[0x21][..], &packet4(from, [192, 0, 2, 1], 0, &[], 17, &[1; 8])].concat();
    let from6 = |from| [&[0x57][..], &packet6(from, [0x2001, 0xdb8, 9, 9, 0, 0, 0, 1], 17, &[1; 8])].concat();
    let cases = [
        (from4([10, 9, 0, 1]), true),
        (from4([10, 9, 5, 200]), true),
        (from4([10, 9, 5, 9]), false), // another's, though within this one's network
        (from4([10, 9, 0, 2]), false),
        (from4([0, 0, 0, 0]), false),
        (from4([224, 0, 0, 1]), false),
        (from4([255, 255, 255, 255]), false),
        (from6([0x2001, 0xdb8, 1, 2, 0, 0, 0, 5]), true),
        (from6([0x2001, 0xdb8, 1, 3, 0, 0, 0, 5]), false),
        (from6([0xff0e, 0, 0, 0, 0, 0, 0, 5]), false),
    ];
    for (frame, passes) in &cases {
        assert_eq!(world.from_peer(1, frame).written.len(), usize::from(*passes), "{frame:02x?}");
    }
    assert_eq!((world.dropped(Reason::SourceMismatch), world.drops()), (7, 7));
    let unchecked = MemberRequest { source_check: false, ..first };
    world.lab.datapath.core.change_member(session, &unchecked).unwrap();
    for (frame, _) in &cases {
        assert_eq!(world.from_peer(1, frame).written.len(), 1);
    }
}

#[test]
fn a_default_route_does_not_make_nobodys_addresses_somebodys() {
    let mut world = World::new(None);
    world.member(1, plain(&[Prefix::v4([0; 4], 0).unwrap(), v6([0; 8], 0)]));
    let from4 = |from| [&[0x21][..], &packet4(from, [10, 9, 0, 7], 0, &[], 17, &[1; 8])].concat();
    assert_eq!(world.from_peer(1, &from4([198, 51, 100, 1])).written.len(), 1);
    for from in [[0, 0, 0, 0], [224, 0, 0, 1], [255, 255, 255, 255], [240, 0, 0, 1]] {
        assert_eq!(world.from_peer(1, &from4(from)).written.len(), 0, "{from:?}");
    }
    let out = packet4([10, 9, 0, 7], [198, 51, 100, 1], 0, &[], 17, &[1; 8]);
    assert_eq!(world.from_tun(&out).datagrams().len(), 1);
}

#[test]
fn what_is_no_whole_packet_is_dropped() {
    let mut world = World::new(None);
    world.member(5, plain(&[v4(7), v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32)]));
    let mut long = ECHO;
    long[3] = 0x25;
    let mut short = ECHO;
    short[3] = 19;
    let mut words = ECHO;
    words[0] = 0x44;
    let wrong = [0x57, 0x45];
    let v6 = packet6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], [0x2001, 0xdb9, 0, 0, 0, 0, 0, 1], 59, &[]);
    let cut = [&[0x57][..], &v6[..39]].concat();
    let frames: [&[u8]; 8] = [
        &[0x00],
        &[0x00, 0x22, 0x45],
        &[&[0x21][..], &long].concat(),
        &[&[0x21][..], &short].concat(),
        &[&[0x21][..], &words].concat(),
        &[&[0x21][..], &ECHO[..19]].concat(),
        &wrong,
        &cut,
    ];
    for (count, frame) in frames.iter().enumerate() {
        assert_eq!(world.from_peer(5, frame).written.len(), 0, "{frame:02x?}");
        assert_eq!(world.dropped(Reason::PppMalformed), count as u64 + 1);
    }
    assert_eq!(world.from_peer(5, &[&[0x57][..], &v6].concat()).written.len(), 1);
    // A TUN gives whole packets; who writes to it by a packet socket may give others.
    world.from_tun(&[&[0x45, 0, 0, 90][..], &BACK[4..]].concat());
    world.from_tun(&[&[0x30][..], &BACK[1..]].concat());
    assert_eq!(world.dropped(Reason::PppMalformed), frames.len() as u64 + 2);
}

#[test]
fn families_are_counted_for_themselves_and_the_books_outlive_the_membership() {
    let mut world = World::new(None);
    let session = world.member(5, plain(&[v4(7), v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 64)]));
    let to6 = packet6([0x2001, 0xdb8, 9, 0, 0, 0, 0, 1], [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 59, &[0; 11]);
    let from6 = packet6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], [0x2001, 0xdb8, 9, 0, 0, 0, 0, 1], 59, &[0; 5]);
    world.from_peer(5, &[&[0x21][..], &ECHO].concat());
    world.from_peer(5, &[&[0xff, 0x03, 0x00, 0x57][..], &from6].concat());
    for packet in [&BACK[..], &BACK, &to6] {
        world.from_tun(packet);
    }
    // What is negotiation, and what goes no further, is no traffic.
    world.from_peer(5, &[0xc0, 0x21, 9, 1, 0, 4]);
    world.from_peer(5, &[&[0x21][..], &BACK].concat());
    assert_eq!(world.families(session), [1, 36, 2, 72, 1, 45, 1, 51]);
    world.lab.datapath.core.disconnect(session).unwrap();
    assert_eq!(world.families(session), [1, 36, 2, 72, 1, 45, 1, 51]);
    world.join(session, &plain(&[v4(7)])).unwrap();
    world.from_tun(&BACK);
    assert_eq!(world.families(session)[..4], [1, 36, 3, 108]);
    world.lab.datapath.core.remove_port(session).unwrap();
    let again = world.member(5, plain(&[v4(7)]));
    assert_eq!(world.families(again), [0; 8], "another session's books");
}

#[test]
fn what_the_kernel_refused_was_not_sent() {
    let mut world = World::new(None);
    let session = world.member(5, plain(&[v4(7)]));
    world.lab.read(world.tun, &vec![BACK.to_vec(); 5], 0);
    let mut left = 2;
    world.lab.run_failing(|| {
        left -= 1;
        (left >= 0).then_some(Reason::NoRoute)
    });
    let sent = world.io(Io::TxSegments);
    assert_eq!(world.families(session)[2..4], [sent, 36 * sent]);
    assert_eq!((world.dropped(Reason::NoRoute), sent), (1, 4));
}

#[test]
fn a_rate_holds_packets_and_never_negotiation() {
    for sending in [false, true] {
        let mut world = World::new(None);
        let session = world.member(5, plain(&[v4(7)]));
        let bucket = Bucket::new(8, 200); // an octet a millisecond
        let policy = Policy { rx: bucket, tx: bucket, ..Policy::default() };
        let sessions = &mut world.lab.datapath.core.sessions;
        let at = sessions.find(session).unwrap();
        sessions.hold_to(at, policy);
        let mut passed = |ms| match sending {
            true => world.from_tun_at(ms, &BACK).datagrams().len(),
            false => {
                world.from_peer_at(ms, 5, &[&[0xff, 0x03, 0x00, 0x21][..], &ECHO].concat()).written.len()
            }
        };
        let at_once: usize = (0..10).map(|_| passed(1000)).sum();
        assert_eq!((at_once, passed(1039), passed(1041), passed(1041)), (5, 0, 1, 0), "{sending}");
        assert_eq!(world.dropped(Reason::RateLimited), 7);
        let count = if sending { 2 } else { 0 };
        assert_eq!(world.families(session)[count..count + 2], [6, 6 * 36]);
        // LCP's echo passes both ways.
        let echo = [0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 1];
        world.from_peer_at(1041, 5, &echo);
        assert_eq!(world.lab.punted(), [echo]);
        let host = world.lab.datapath.core.hosts.handle(0);
        world.lab.datapath.inject(host, &echo).unwrap();
        assert_eq!(world.lab.run().datagrams(), [to_peer(5, &echo)]);
        // Another rate, in place.
        let sessions = &mut world.lab.datapath.core.sessions;
        sessions.hold_to(at, Policy::default());
        assert_eq!(world.from_tun_at(1041, &BACK).datagrams().len(), 1);
        assert_eq!(world.families(session)[2], if sending { 7 } else { 1 }, "counted without a rate, too");
    }
}

#[test]
fn a_profiles_dscp_marks_what_a_subscriber_sends() {
    let mut world = World::new(None);
    let ef =
        MemberRequest { tos: Some(46 << 2), ..plain(&[v4(7), v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 64)]) };
    world.member(5, ef);
    let mut from4 = packet4([10, 9, 0, 7], [192, 0, 2, 1], 0, &[], 17, &[1; 8]);
    from4[1] = 0x29; // AF11 with ECT(1)
    from4[10..12].fill(0);
    let sum = !kernel::packet::ones_complement(&[&from4[..20]]);
    from4[10..12].copy_from_slice(&sum.to_be_bytes());
    let written = world.from_peer(5, &[&[0x21][..], &from4].concat()).written;
    assert_eq!(written[0].1[1], 0xb9, "EF, and ECN as it was (RFC 3168 §5)");
    assert_eq!(kernel::packet::ones_complement(&[&written[0].1[..20]]), 0xffff);
    assert_eq!((&written[0].1[2..10], &written[0].1[12..]), (&from4[2..10], &from4[12..]));
    let mut from6 = packet6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], [0x2001, 0xdb8, 9, 0, 0, 0, 0, 1], 59, &[]);
    from6[..4].copy_from_slice(&[0x62, 0x9a, 0xbc, 0xde]);
    let written = world.from_peer(5, &[&[0x57][..], &from6].concat()).written;
    assert_eq!(written[0].1[..4], [0x6b, 0x9a, 0xbc, 0xde], "EF, ECN and the flow label as they were");
    let back = world.from_tun(&BACK).datagrams();
    assert_eq!(
        back,
        [to_peer(5, &[&[0xff, 0x03, 0, 0x21][..], &BACK].concat())],
        "what it gets is as it came"
    );
}

#[test]
fn tcp_is_told_of_the_mru_both_ways() {
    for (mru, offered, v6_offered) in [(1492, 1452, 1432), (1500, 1460, 1440), (576, 536, 516)] {
        let mut world = World::new(None);
        let prefixes = [Prefix::v4([0; 4], 0).unwrap(), v6([0; 8], 0)];
        world.member(5, MemberRequest { mru, clamp: true, ..plain(&prefixes) });
        for v6 in [false, true] {
            let syn = |mss: u16| {
                let options = [&[2, 4][..], &mss.to_be_bytes()].concat();
                let packet = kernel::packet::Packet {
                    v6,
                    flags: 0x12,
                    options,
                    ..kernel::packet::Packet::tcp(1, 9, &[])
                };
                packet.frame()[14..].to_vec()
            };
            let expected = syn(if v6 { v6_offered } else { offered });
            let header = if v6 { 0x57 } else { 0x21 };
            assert_eq!(
                world.from_peer(5, &[&[header][..], &syn(8000)].concat()).written,
                [(TUN, expected.clone())]
            );
            let down = world.from_tun(&syn(8000)).datagrams();
            assert_eq!(down, [to_peer(5, &[&[0xff, 0x03, 0, header][..], &expected].concat())]);
            let lower = syn(400);
            assert_eq!(world.from_peer(5, &[&[header][..], &lower].concat()).written, [(TUN, lower)]);
        }
    }
}
