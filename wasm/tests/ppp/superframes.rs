//! Super-frames: cut at a session, behind PPP's header; made at the TUN, of what comes from sessions.

use super::*;
use kernel::Incoming;
use kernel::packet::{Packet, ones_complement};
use kernel::peer;
use proptest::prelude::*;

/// A super-frame as a TUN gives it, and the packets that it stands for.
pub struct Packets {
    pub whole: Vec<u8>,
    pub segments: Vec<Vec<u8>>,
}

/// `length` octets of TCP in segments of `mss`.
pub fn tcp(v6: bool, df: bool, length: usize, mss: u16) -> ([u8; 10], Packets) {
    let payload: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251) as u8).collect();
    let packet = Packet { v6, df, options: Vec::new(), ..Packet::tcp(1, 1000, &payload) };
    let header: u16 = if v6 { 60 } else { 40 };
    let [low, high] = mss.to_le_bytes();
    let vnet = [1, if v6 { 4 } else { 1 }, header as u8, 0, low, high, (header - 20) as u8, 0, 16, 0];
    let whole = packet.unfinished()[14..].to_vec();
    let segments = payload.chunks(mss.into()).enumerate().map(|(at, part)| {
        let packet = Packet {
            payload: part.to_vec(),
            seq: packet.seq + at as u32 * u32::from(mss),
            id: packet.id + at as u16,
            ..packet.clone()
        };
        packet.frame()[14..].to_vec()
    });
    (vnet, Packets { segments: segments.collect(), whole })
}

fn default_routes() -> [Prefix; 2] {
    [Prefix::v4([0; 4], 0).unwrap(), v6([0; 8], 0)]
}

#[test]
fn each_segment_has_ppps_header_before_it() {
    for (link, header) in [
        (Link { address_control: true, compress_protocol: false }, &[0xff, 0x03, 0x00][..]),
        (Link { address_control: false, compress_protocol: true }, &[]),
    ] {
        for v6 in [false, true] {
            let mut world = World::new(Some(ALL));
            let session = world.member(5, MemberRequest { link, ..plain(&default_routes()) });
            let (vnet, packets) = tcp(v6, true, 20_000, 1400);
            let datagrams = world.from_tun(&[&vnet[..], &packets.whole].concat()).datagrams();
            let protocol = [if v6 { 0x57 } else { 0x21 }];
            let expected: Vec<_> =
                packets.segments.iter().map(|one| to_peer(5, &[header, &protocol, one].concat())).collect();
            assert_eq!(datagrams, expected);
            let octets: usize = packets.segments.iter().map(Vec::len).sum();
            let family = if v6 { 6 } else { 2 };
            assert_eq!(world.families(session)[family..family + 2], [15, octets as u64]);
        }
    }
}

/// Datagrams of one length that leave by one tunnel are one message (UDP_SEGMENT).
#[test]
fn segments_leave_as_one_message() {
    let mut world = World::new(Some(ALL));
    world.member(5, plain(&default_routes()));
    let (vnet, packets) = tcp(false, true, 14_000, 1400);
    let output = world.from_tun(&[&vnet[..], &packets.whole].concat());
    assert_eq!((output.sent.len(), output.datagrams().len()), (1, 10));
}

#[test]
fn segments_of_a_subscriber_become_one_write() {
    for v6 in [false, true] {
        for joined in [false, true] {
            let mut world = World::new(Some(ALL));
            world.member(5, plain(&default_routes()));
            let (vnet, packets) = tcp(v6, true, 14_000, 1400);
            let header = [&[0, 2, 0, 1, 0, 5][..], &[0xff, 0x03, 0, if v6 { 0x57 } else { 0x21 }]].concat();
            let datagrams: Vec<_> = packets.segments.iter().map(|one| [&header[..], one].concat()).collect();
            let incoming: Vec<_> = match joined {
                // As UDP_GRO hands them over: no room before each but its own header's.
                true => vec![Incoming {
                    from: peer(1),
                    gro: datagrams[0].len() as u16,
                    bytes: datagrams.concat(),
                    flags: 0,
                }],
                false => datagrams.into_iter().map(incoming).collect(),
            };
            world.lab.receive(world.socket, &incoming, 0);
            let written = world.lab.run().written;
            let mut whole = packets.whole.clone();
            let flags = if v6 { 53 } else { 33 };
            whole[flags] = 0x10;
            assert_eq!(written.len(), 1);
            assert_eq!((&written[0].1[..10], &written[0].1[10..]), (&vnet[..], &whole[..]), "{v6} {joined}");
        }
    }
}

/// What may be fragmented has smaller segments instead: to TCP it makes no difference.
#[test]
fn segments_too_large_that_may_be_fragmented_become_more() {
    let mut world = World::new(Some(ALL));
    world.member(5, MemberRequest { mru: 1000, ..plain(&default_routes()) });
    let (vnet, packets) = tcp(false, false, 5600, 1400);
    let (_, smaller) = tcp(false, false, 5600, 960);
    let datagrams = world.from_tun(&[&vnet[..], &packets.whole].concat()).datagrams();
    let expected: Vec<_> =
        smaller.segments.iter().map(|one| to_peer(5, &[&[0xff, 0x03, 0, 0x21][..], one].concat())).collect();
    assert_eq!(datagrams, expected);
    assert_eq!((world.io(Io::RxFrames), world.io(Io::Fragments), world.io(Io::TxSegments)), (4, 2, 6));
}

#[test]
fn datagrams_too_large_that_may_be_fragmented_are() {
    let mut world = World::new(Some(ALL));
    world.member(5, MemberRequest { mru: 600, ..plain(&default_routes()) });
    let payload: Vec<u8> = (0..2500u32).map(|at| at as u8).collect();
    let packet = Packet { df: false, ..Packet::udp(1, 7, &payload) };
    let vnet = [1, 5, 28, 0, 0xe8, 0x03, 20, 0, 6, 0]; // datagrams of 1000 octets
    let datagrams = world.from_tun(&[&vnet[..], &packet.unfinished()[14..]].concat()).datagrams();
    let mut at = 0;
    for (id, part) in payload.chunks(1000).enumerate() {
        let one =
            Packet { payload: part.to_vec(), id: 7 + id as u16, ..packet.clone() }.frame()[34..].to_vec();
        let mut got: Vec<u8> = Vec::new();
        while got.len() < one.len() {
            assert_eq!(datagrams[at][14..16], (7 + id as u16).to_be_bytes());
            got.extend_from_slice(&datagrams[at][30..]);
            at += 1;
        }
        assert_eq!(got, one, "{id}");
    }
    assert_eq!((at, datagrams.len(), world.drops()), (5, 5, 0));
    assert_eq!((world.io(Io::RxFrames), world.io(Io::Fragments)), (3, 2));
}

/// A session that goes while its super-frame leaves takes the rest with it, and nothing else.
#[test]
fn a_member_that_goes_takes_what_was_to_leave() {
    for part in [false, true] {
        let mut world = World::new(Some(ALL));
        let session = world.member(5, plain(&default_routes()));
        let (vnet, packets) = tcp(false, true, 65_000, 20);
        let frame = [&vnet[..], &packets.whole].concat();
        world.lab.read(world.tun, &vec![frame; 3], 0);
        let mut output = Output::default();
        assert!(world.lab.round(|| None, &mut output));
        let core = &mut world.lab.datapath.core;
        if part {
            core.disconnect(session).unwrap()
        } else {
            core.remove_port(session).unwrap()
        }
        while world.lab.round(|| None, &mut output) {}
        let (came, went) = (world.io(Io::RxFrames), world.io(Io::TxSegments));
        assert_eq!((came, came - went), (3 * 3250, world.drops()));
        assert!(went > 0 && world.dropped(Reason::PortRemoved) > 0 && world.dropped(Reason::PppNoRoute) > 0);
        let sum = ones_complement(&[&output.datagrams()[0][10..30]]);
        assert_eq!(sum, 0xffff);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever fills the arrays, all of it leaves, in order, and no segment is longer than the MRU.
    #[test]
    fn super_frames_leave_whole(
        supers in prop::collection::vec((any::<bool>(), 1usize..60_000, 20u16..1500), 1..20),
        mru in 100u16..1600,
        rest in 0u8..4,
    ) {
        let mut world = World::new(Some(ALL));
        let link = Link { address_control: rest & 1 == 0, compress_protocol: rest & 2 == 0 };
        world.member(5, MemberRequest { mru, link, ..plain(&default_routes()) });
        let all: Vec<_> = supers.iter().map(|(df, length, mss)| (*df, *mss, tcp(false, *df, *length, *mss))).collect();
        let frames: Vec<_> = all.iter().map(|(_, mss, (vnet, packets))| {
            // One segment is no super-frame.
            let mut vnet = *vnet;
            if packets.whole.len() - 40 <= usize::from(*mss) {
                vnet[1] = 0;
            }
            [&vnet[..], &packets.whole].concat()
        }).collect();
        world.lab.read(world.tun, &frames, 0);
        let datagrams = world.lab.run().datagrams();
        let header = 6 + 1 + if link.address_control { 2 } else { 0 } + usize::from(!link.compress_protocol);
        let mut rest = &datagrams[..];
        for (df, mss, (_, packets)) in &all {
            let payload = &packets.whole[40..];
            let largest = payload.len().min((*mss).into()) + 40;
            if *df && largest > mru.into() {
                continue;
            }
            let mut got: Vec<u8> = Vec::new();
            while got.len() < payload.len() {
                let packet = &rest[0][header..];
                prop_assert!(packet.len() <= mru.into());
                let fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff != 0;
                let start = if fragment { 20 } else { 40 };
                prop_assert_eq!(ones_complement(&[&packet[..20]]), 0xffff);
                got.extend_from_slice(&packet[start..]);
                rest = &rest[1..];
            }
            prop_assert!(got == payload);
        }
        prop_assert!(rest.is_empty());
        let went = world.io(Io::TxSegments) + world.io(Io::TxFrames) + world.drops();
        prop_assert_eq!(world.io(Io::RxFrames) + world.io(Io::Fragments) + world.io(Io::IcmpErrors), went);
    }
}
