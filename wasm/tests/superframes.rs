//! Super-frames: what is cut and what is joined is, frame by frame, what goes over a wire.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Io, Reason};
use isthmus_datapath::header::Version;
use isthmus_datapath::offload::Takes;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::tunnel::SocketKind;
use kernel::packet::{Packet, delivered, ones_complement};
use kernel::{Incoming, Lab, incoming, peer, v3};
use proptest::prelude::*;

const ALL: Takes = Takes { checksum: true, tcp: true, udp: true };

/// An Ethernet session joined to a device: the lab, the socket, the device.
fn joined(takes: Option<Takes>, options: Options) -> (Lab, Handle, Handle) {
    let mut lab = Lab::new(Limits::default());
    let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    let tunnel = lab.tunnel(Version::V3, socket, 1, [10, 0, 0, 1]).unwrap();
    let core = &mut lab.datapath.core;
    let session = core.add_session(tunnel, (1, 1), FrameType::Ethernet, options).unwrap();
    let device = core.add_device(9, FrameType::Ethernet, takes, None).unwrap();
    core.cross_connect(session, device).unwrap();
    (lab, socket, device)
}

/// What comes out of a device with IFF_VNET_HDR when these frames come in one batch at its session, and in how many
/// writes.
fn through(frames: &[Vec<u8>]) -> (Vec<Vec<u8>>, usize) {
    let (mut lab, socket, _) = joined(Some(ALL), Options::default());
    let batch: Vec<_> = frames.iter().map(|frame| incoming(v3(1, &[], None, frame))).collect();
    let mut out = Vec::new();
    let mut writes = 0;
    for batch in batch.chunks(64) {
        lab.receive(socket, batch, 0);
        for (_, write) in lab.run().written {
            writes += 1;
            out.extend(delivered(&write).unwrap());
        }
    }
    let core = &lab.datapath.core;
    assert_eq!(core.io.get(Io::TxFrames), out.len() as u64);
    (out, writes)
}

/// So many segments of one flow, each of `size` bytes.
fn stream(flow: u8, count: u32, size: usize) -> Vec<Packet> {
    (0..count)
        .map(|at| Packet {
            id: at as u16,
            ..Packet::tcp(flow, 1000 + at * size as u32, &vec![at as u8; size])
        })
        .collect()
}

fn frames(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(Packet::frame).collect()
}

#[test]
fn a_run_of_segments_becomes_one_write() {
    let all = frames(&stream(1, 40, 1400));
    assert_eq!(through(&all), (all, 1));
}

#[test]
fn a_super_frame_is_as_long_as_an_ip_packet_can_be() {
    let all = frames(&stream(1, 60, 1400));
    assert_eq!(through(&all), (all, 2));
}

#[test]
fn datagrams_of_udp_are_joined_and_a_shorter_one_ends_it() {
    let mut packets: Vec<_> = (0..20).map(|at| Packet::udp(1, at, &[at as u8; 1000])).collect();
    packets.push(Packet::udp(1, 20, &[9; 10]));
    packets.push(Packet::udp(1, 21, &[9; 10]));
    let all = frames(&packets);
    assert_eq!(through(&all), (all, 2));
}

#[test]
fn no_more_datagrams_are_joined_than_every_kernel_takes() {
    let all = frames(&(0..64 + 30).map(|at| Packet::udp(1, at, &[1; 100])).collect::<Vec<_>>());
    assert_eq!(through(&all[..64]).1, 1);
    let (mut lab, socket, _) = joined(Some(ALL), Options::default());
    let bytes: Vec<u8> = all.iter().flat_map(|frame| v3(1, &[], None, frame)).collect();
    let gro = (all[0].len() + 8) as u16;
    lab.receive(socket, &[Incoming { from: peer(1), bytes, gro, flags: 0 }], 0);
    let written = lab.run().written;
    assert_eq!(written.len(), 2);
    let out: Vec<_> = written.iter().flat_map(|(_, write)| delivered(write).unwrap()).collect();
    assert_eq!(out, all);
}

/// What ends a run, each as a change of the third of six segments, and how many writes there are then.
#[test]
fn what_differs_ends_a_run() {
    type Change = fn(&mut Packet);
    let changes: [(&str, Change, usize); 14] = [
        ("congestion experienced", |p| p.tos = 3, 3),
        ("another window", |p| p.window = 501, 3),
        ("another time stamp", |p| p.options[7] = 9, 3),
        ("no options", |p| p.options.clear(), 3),
        ("a push", |p| p.flags = 0x18, 2),
        ("a FIN", |p| p.flags = 0x11, 2),
        ("a shorter one", |p| p.payload.truncate(99), 2),
        ("a longer one", |p| p.payload.push(1), 3),
        ("urgent data", |p| p.flags = 0x30, 3),
        ("CWR", |p| p.flags = 0x90, 3),
        ("a SYN", |p| p.flags = 0x12, 3),
        ("a gap", |p| p.seq += 1, 3),
        ("an identification out of order", |p| p.id += 7, 3),
        ("fragments allowed", |p| p.df = false, 3),
    ];
    for (what, change, writes) in changes {
        let mut packets = stream(1, 6, 100);
        change(&mut packets[2]);
        let all = frames(&packets);
        assert_eq!(through(&all), (all, writes), "{what}");
    }
}

#[test]
fn a_damaged_segment_is_never_believed_and_its_neighbours_are_joined() {
    let all = frames(&stream(1, 9, 500));
    let link = 14;
    // Anywhere behind the addresses that say whose it is: IP header, ports and TCP header, options, payload.
    for at in (link..all[4].len()).filter(|at| !(link + 12..link + 24).contains(at)) {
        let mut damaged = all.clone();
        damaged[4][at] ^= 0x20;
        let (mut lab, socket, _) = joined(Some(ALL), Options::default());
        let batch: Vec<_> = damaged.iter().map(|frame| incoming(v3(1, &[], None, frame))).collect();
        lab.receive(socket, &batch, 0);
        let written = lab.run().written;
        let plain = written.iter().find(|(_, write)| write[10..] == damaged[4]);
        assert!(plain.is_some_and(|(_, write)| write[..10] == [0; 10]), "octet {at} was not left as it came");
        assert!(written.len() <= 3, "octet {at}: {} writes", written.len());
        let mut out: Vec<_> = written.iter().flat_map(|(_, write)| delivered(write).unwrap()).collect();
        // One that is no longer seen to be of the flow may overtake it.
        let place = out.iter().position(|frame| *frame == damaged[4]).unwrap();
        let frame = out.remove(place);
        out.insert(4, frame);
        assert!(out == damaged, "octet {at}");
    }
}

#[test]
fn what_is_no_segment_leaves_as_it_came_behind_its_flows_segments() {
    let packets = stream(1, 3, 100);
    let mut fragment = packets[1].clone();
    fragment.df = false;
    let mut fragment = fragment.frame();
    fragment[14 + 6] = 0x20;
    let arp = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1, 8, 6], &[0; 28]].concat();
    let ack = Packet::tcp(1, 1100, &[]).frame();
    let padded = [ack.clone(), vec![0; 6]].concat();
    for other in [arp, ack, padded, fragment, vec![0; 14], vec![8; 15]] {
        let all = [packets[0].frame(), packets[1].frame(), other.clone(), packets[2].frame()];
        let (mut out, _) = through(&all);
        let at = out.iter().position(|frame| *frame == other).expect("it came out");
        out.remove(at);
        assert_eq!(out, frames(&packets));
    }
}

#[test]
fn a_packet_that_ends_within_its_ports_is_of_no_flow() {
    // The IP header says that TCP or UDP follows, and nothing or too little does; the frame is not padded either.
    for (v6, first) in
        [(false, stream(1, 1, 100)[0].clone()), (true, Packet { v6: true, ..Packet::udp(1, 1, &[7; 100]) })]
    {
        let first = Packet { v6, ..first };
        for left in 0..8 {
            let whole = first.frame();
            let header = 14 + if v6 { 40 } else { 20 };
            let mut cut = whole[..header + left].to_vec();
            if v6 {
                cut[18..20].copy_from_slice(&(left as u16).to_be_bytes());
            } else {
                cut[16..18].copy_from_slice(&(20 + left as u16).to_be_bytes());
                cut[24..26].fill(0);
                let sum = !ones_complement(&[&cut[14..34]]);
                cut[24..26].copy_from_slice(&sum.to_be_bytes());
            }
            let (mut out, _) = through(&[whole.clone(), cut.clone()]);
            out.sort();
            let mut both = vec![whole, cut];
            both.sort();
            assert_eq!(out, both, "{v6} {left}");
        }
    }
}

#[test]
fn a_checksum_over_more_than_the_packet_is_not_believed() {
    let mut all = frames(&stream(1, 4, 100));
    // The IP packet ends before the frame does, and TCP's checksum would be right if it did not.
    let ip = &mut all[1][14..34];
    ip[3] -= 20;
    ip[10..12].fill(0);
    let sum = !ones_complement(&[ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(through(&all), (all, 3));
}

#[test]
fn a_udp_datagram_without_checksum_stays_alone() {
    let all: Vec<_> = (0..4)
        .map(|at| {
            let mut frame = Packet::udp(1, at, &[7; 200]).frame();
            frame[14 + 20 + 6..14 + 20 + 8].fill(0);
            frame
        })
        .collect();
    assert_eq!(through(&all), (all, 4));
}

#[test]
fn more_flows_than_can_be_open_are_served() {
    let packets: Vec<_> = (0..60u32)
        .map(|at| Packet {
            id: (at / 12) as u16,
            ..Packet::tcp((at % 12) as u8, 1000 + at / 12 * 50, &[7; 50])
        })
        .collect();
    let (mut out, _) = through(&frames(&packets));
    let mut all = frames(&packets);
    for flow in 0..12 {
        let of = |frames: &[Vec<u8>]| -> Vec<Vec<u8>> {
            frames.iter().filter(|frame| frame[5] == flow).cloned().collect()
        };
        assert_eq!(of(&out), of(&all));
    }
    out.sort();
    all.sort();
    assert_eq!(out, all);
    let eight: Vec<_> = packets.iter().filter(|packet| packet.flow < 8).cloned().collect();
    assert_eq!(through(&frames(&eight)).1, 8);
}

#[test]
fn identifications_count_on_or_stay_but_not_both() {
    for (ids, writes) in [([5, 6, 7, 8], 1), ([5, 5, 5, 5], 1), ([5, 6, 5, 6], 2), ([5, 5, 6, 7], 2)] {
        let mut packets = stream(1, 4, 50);
        packets.iter_mut().zip(ids).for_each(|(packet, id)| packet.id = id);
        let all = frames(&packets);
        let (mut out, count) = through(&all);
        assert_eq!(count, writes, "{ids:?}");
        // Where two have one, the kernel counts on: nobody reads what cannot be fragmented (RFC 6864 §4.1).
        if ids[0] == ids[1] {
            out.iter_mut().zip(&all).for_each(|(frame, given)| frame[18..26].copy_from_slice(&given[18..26]));
        }
        assert!(out == all, "{ids:?}");
    }
}

#[test]
fn where_flows_are_looked_for_in_vain_that_rests_for_a_while() {
    let (mut lab, socket, _) = joined(Some(ALL), Options::default());
    let mut writes = |frames: Vec<Vec<u8>>| {
        let batch: Vec<_> = frames.iter().map(|frame| incoming(v3(1, &[], None, frame))).collect();
        lab.receive(socket, &batch, 0);
        let written = lab.run().written;
        let out: Vec<_> = written.iter().flat_map(|(_, write)| delivered(write).unwrap()).collect();
        assert_eq!(out, frames);
        written.len()
    };
    let others = || (0..40).map(|flow| Packet::udp(flow, 1, &[7; 50]).frame()).collect::<Vec<_>>();
    let run = || frames(&stream(1, 20, 100));
    // A round in vain, then one without looking, then two, then four; between them a look.
    let mut joined = Vec::new();
    for _ in 0..300 {
        assert_eq!(writes(others()), 40);
    }
    // However long the rest: it is over some time, and where something is joined there is none any more.
    for _ in 0..70 {
        joined.push(writes(run()) == 1);
    }
    assert!(!joined[0] && joined.iter().filter(|joined| !**joined).count() <= 64, "{joined:?}");
    let first = joined.iter().position(|joined| *joined).unwrap();
    assert!(joined[first..].iter().all(|joined| *joined), "{joined:?}");
    // Few flows are no trouble, and lone segments none either.
    for _ in 0..20 {
        assert_eq!(writes(others()[..15].to_vec()), 15);
    }
    assert_eq!(writes(run()), 1);
}

#[test]
fn one_flow_in_two_vlans_is_two() {
    let tagged = |at: usize, packet: Packet| Packet { tags: vec![[0x81, 0, 0, at as u8 % 2]], ..packet };
    let all: Vec<_> = stream(1, 6, 50).into_iter().enumerate().map(|(at, p)| tagged(at, p)).collect();
    let (mut out, writes) = through(&frames(&all));
    let mut all = frames(&all);
    for vlan in 0..2 {
        let of = |frames: &[Vec<u8>]| -> Vec<Vec<u8>> {
            frames.iter().filter(|frame| frame[15] == vlan).cloned().collect()
        };
        assert!(of(&out) == of(&all));
    }
    out.sort();
    all.sort();
    assert!(out == all && writes == 6);
}

#[test]
fn one_flow_for_two_devices_is_two() {
    let (mut lab, socket, _) = joined(Some(ALL), Options::default());
    let core = &mut lab.datapath.core;
    let tunnel = core.tunnels.indices().next().unwrap();
    let tunnel = core.tunnels.handle(tunnel);
    let session = core.add_session(tunnel, (2, 2), FrameType::Ethernet, Options::default()).unwrap();
    let device = core.add_device(10, FrameType::Ethernet, Some(ALL), None).unwrap();
    core.cross_connect(session, device).unwrap();
    let all = frames(&stream(1, 6, 50));
    let of = |at: usize| [1, 1, 2, 2, 1, 2][at];
    let batch: Vec<_> =
        all.iter().enumerate().map(|(at, frame)| incoming(v3(of(at), &[], None, frame))).collect();
    lab.receive(socket, &batch, 0);
    let written = lab.run().written;
    for (fd, id) in [(9, 1), (10, 2)] {
        let out: Vec<_> = written
            .iter()
            .filter(|(to, _)| *to == fd)
            .flat_map(|(_, write)| delivered(write).unwrap())
            .collect();
        let expected: Vec<_> = (0..6).filter(|at| of(*at) == id).map(|at| all[at].clone()).collect();
        assert!(out == expected, "device {fd}");
    }
}

#[test]
fn numbered_frames_form_runs_too() {
    let options = Options {
        l2spec: true,
        peer_l2spec: true,
        recv_seq: true,
        reorder_timeout: 1000,
        ..Options::default()
    };
    let (mut lab, socket, _) = joined(Some(ALL), options);
    let all = frames(&stream(1, 10, 300));
    // In order, but for two that change places.
    let order = [0, 1, 2, 4, 3, 5, 6, 7, 8, 9];
    let batch: Vec<_> =
        order.map(|ns: usize| incoming(v3(1, &[], Some(ns as u32), &all[ns]))).into_iter().collect();
    lab.receive(socket, &batch, 0);
    let written = lab.run().written;
    let out: Vec<_> = written.iter().flat_map(|(_, write)| delivered(write).unwrap()).collect();
    assert_eq!((out, written.len()), (all, 1));
}

#[test]
fn a_device_without_vnet_headers_gets_plain_frames() {
    let (mut lab, socket, device) = joined(None, Options::default());
    let all = frames(&stream(1, 5, 300));
    let batch: Vec<_> = all.iter().map(|frame| incoming(v3(1, &[], None, frame))).collect();
    lab.receive(socket, &batch, 0);
    assert_eq!(lab.run().written.into_iter().map(|(_, frame)| frame).collect::<Vec<_>>(), all);
    lab.read(device, &all, 0);
    assert_eq!(lab.run().datagrams().len(), 5);
}

/// A super-frame as a device gives it, of packets that differ by what a super-frame's segments differ by.
fn super_frame(packet: &Packet, size: u16) -> Vec<u8> {
    let frame = packet.unfinished();
    let link = 14 + 4 * packet.tags.len();
    let l4 = link + if packet.v6 { 40 } else { 20 };
    let header = l4 + if packet.udp { 8 } else { 20 + packet.options.len() };
    let several = packet.payload.len() > usize::from(size);
    let kind = match (several, packet.udp, packet.v6) {
        (false, ..) => 0,
        (_, true, _) => 5,
        (_, _, true) => 4,
        (_, _, false) => 1,
    };
    // The kernel's word for the headers' length is not needed, and its ECN bit means nothing here.
    let ecn = if kind == 1 || kind == 4 { 0x80 } else { 0 };
    let mut vnet = vec![1, kind | ecn];
    let halves = [header as u16, if several { size } else { 0 }, l4 as u16, if packet.udp { 6 } else { 16 }];
    vnet.extend(halves.map(u16::to_le_bytes).as_flattened());
    [vnet, frame].concat()
}

fn packet() -> impl Strategy<Value = Packet> {
    let tags = prop_oneof![
        4 => Just(vec![]),
        1 => Just(vec![[0x81, 0, 0, 10]]),
        1 => Just(vec![[0x88, 0xa8, 0, 9], [0x81, 0, 0, 10]]),
    ];
    let options = prop::sample::select(vec![0usize, 12, 40]);
    (tags, any::<(bool, bool, u16, bool, u32)>(), 0u8..4, options, 1usize..9000).prop_map(
        |(tags, (v6, udp, id, df, seq), tos, options, len)| Packet {
            tags,
            v6,
            udp,
            flow: 1,
            id,
            df,
            tos,
            seq,
            flags: 0x99,
            window: 77,
            options: vec![1; if udp { 0 } else { options }],
            payload: (0..len).map(|at| (at * 31) as u8).collect(),
        },
    )
}

#[test]
fn a_checksum_of_udp_that_comes_to_nothing_is_all_ones() {
    let mut packet = Packet::udp(1, 1, &[7; 100]);
    let first = &delivered(&super_frame(&packet, 50)).unwrap()[0];
    // With its own checksum at the end of its payload, a datagram's sum is full.
    let sum = [first[40], first[41]];
    let old = [7, 7];
    let adjusted = u16::from_be_bytes(sum).wrapping_add(u16::from_be_bytes(old));
    let carry = u16::from(adjusted < u16::from_be_bytes(sum));
    packet.payload[48..50].copy_from_slice(&(adjusted + carry).to_be_bytes());
    let given = super_frame(&packet, 50);
    let (mut lab, _, device) = joined(Some(ALL), Options::default());
    lab.read(device, std::slice::from_ref(&given), 0);
    let frames: Vec<_> = lab.run().datagrams().iter().map(|datagram| datagram[8..].to_vec()).collect();
    assert_eq!(frames[0][40..42], [0xff, 0xff]);
    assert!(frames == delivered(&given).unwrap());
}

#[test]
fn a_super_frame_that_is_not_what_it_says_goes_no_further() {
    let given = super_frame(&Packet::tcp(1, 1000, &[2; 500]), 100);
    let with = |at: usize, bytes: [u8; 2]| {
        let mut frame = given.clone();
        frame[at..at + 2].copy_from_slice(&bytes);
        frame
    };
    for (what, frame) in [
        ("nothing finished", with(0, [0, 1])),
        ("an unknown type", with(0, [1, 3])),
        ("TCP over IPv6", with(0, [1, 4])),
        ("UDP", with(0, [1, 5])),
        ("no segment size", with(4, [0, 0])),
        ("a checksum from elsewhere on", with(6, [30, 0])),
        ("a checksum elsewhere", with(8, [6, 0])),
        ("a checksum beyond the end", with(8, [255, 255])),
        ("a fragment", with(10 + 14 + 6, [0x20, 0])),
        ("another length", with(10 + 14 + 2, [2, 0])),
        ("no TCP header's length", with(10 + 34 + 12, [0x40, 0x10])),
        ("no IP", with(10 + 12, [8, 6])),
    ] {
        let (mut lab, _, device) = joined(Some(ALL), Options::default());
        lab.read(device, &[frame], 0);
        assert_eq!(lab.run().datagrams().len(), 0, "{what}");
        assert_eq!(lab.datapath.core.drops.get(Reason::BadOffload), 1, "{what}");
    }
}

#[test]
fn between_two_devices_a_super_frame_stays_behind_the_segments_before_it() {
    let mut lab = Lab::new(Limits::default());
    let core = &mut lab.datapath.core;
    let [from, to] = [9, 10].map(|fd| core.add_device(fd, FrameType::Ethernet, Some(ALL), None).unwrap());
    core.cross_connect(from, to).unwrap();
    let first = Packet::tcp(1, 1000, &[1; 100]);
    let rest = Packet::tcp(1, 1100, &[2; 500]);
    let plain = [vec![0; 10], first.frame()].concat();
    lab.read(from, &[plain.clone(), super_frame(&rest, 100), plain.clone()], 0);
    let written: Vec<_> = lab.run().written.into_iter().map(|(_, write)| write).collect();
    assert_eq!(written.len(), 3);
    assert!(written[0] == plain && written[2] == plain);
    assert!(delivered(&written[1]).unwrap() == delivered(&super_frame(&rest, 100)).unwrap());
    let io = &lab.datapath.core.io;
    assert_eq!((io.get(Io::RxFrames), io.get(Io::TxFrames), io.get(Io::TxSuperFrames)), (7, 7, 1));
}

/// What tells the flows of [`packet`] apart: EtherTypes and the protocol.
fn flow(frame: &[u8]) -> (Vec<u8>, u8) {
    let mut at = 12;
    while matches!(frame[at..at + 2], [0x81, 0] | [0x88, 0xa8]) {
        at += 4;
    }
    let protocol = at + 2 + if frame[at] == 0x86 { 6 } else { 9 };
    (frame[12..at + 2].to_vec(), frame[protocol])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever a device gives, the datagrams carry the frames that the kernel would have made of it; and at the far
    /// end they are joined to what the kernel takes, and makes the same frames of again.
    #[test]
    fn what_is_cut_here_is_joined_there(packets in prop::collection::vec((packet(), 88u16..3000), 1..12)) {
        let (mut near, _, device) = joined(Some(ALL), Options::default());
        let supers: Vec<_> = packets.iter()
            .map(|(packet, size)| super_frame(packet, *size))
            .filter(|frame| delivered(frame).is_ok())
            .collect();
        let expected: Vec<_> = supers.iter().flat_map(|frame| delivered(frame).unwrap()).collect();
        near.read(device, &supers, 0);
        let datagrams = near.run().datagrams();
        let frames: Vec<_> = datagrams.iter().map(|datagram| datagram[8..].to_vec()).collect();
        prop_assert!(frames == expected);
        let io = &near.datapath.core.io;
        prop_assert_eq!(io.get(Io::RxFrames), expected.len() as u64);
        let session = near.datapath.core.sessions.indices().next().unwrap();
        let counters = near.datapath.core.sessions.counters(session);
        let bytes: usize = expected.iter().map(Vec::len).sum();
        prop_assert_eq!((counters[0], counters[1]), (expected.len() as u64, bytes as u64));

        let (mut far, socket, _) = joined(Some(ALL), Options::default());
        let mut out = Vec::new();
        for batch in datagrams.chunks(64) {
            let batch: Vec<_> = batch.iter().map(|bytes| incoming(bytes.clone())).collect();
            far.receive(socket, &batch, 0);
            for (_, write) in far.run().written {
                out.extend(delivered(&write).map_err(TestCaseError::fail)?);
            }
        }
        // Flows may overtake each other, a flow's own frames may not.
        for frame in &expected {
            let of = |frames: &[Vec<u8>]| -> Vec<Vec<u8>> {
                frames.iter().filter(|other| flow(other) == flow(frame)).cloned().collect()
            };
            prop_assert!(of(&out) == of(&expected));
        }
        let sorted = |frames: &[Vec<u8>]| { let mut all = frames.to_vec(); all.sort(); all };
        prop_assert!(sorted(&out) == sorted(&expected));
    }

    /// What a device cannot have meant goes no further, and nothing that is written is refused.
    #[test]
    fn headers_that_lie_are_refused(
        (packet, size) in (packet(), 0u16..2000),
        at in 0usize..120, with in any::<u8>(), cut in prop::option::of(0usize..200),
    ) {
        let takes = [None, Some(Takes::default()), Some(ALL)];
        let mut frame = super_frame(&packet, size.max(1));
        let at = at % frame.len();
        frame[at] = with;
        frame.truncate(cut.unwrap_or(frame.len()));
        for out in takes {
            let mut lab = Lab::new(Limits::default());
            let hub = lab.repeater();
            let core = &mut lab.datapath.core;
            let device = core.add_device(9, FrameType::Ethernet, Some(ALL), None).unwrap();
            let other = core.add_device(10, FrameType::Ethernet, out, None).unwrap();
            let host = core.add_host_port(FrameType::Ethernet).unwrap();
            for port in [device, other, host] {
                lab.join(hub, port);
            }
            lab.read(device, std::slice::from_ref(&frame), 0);
            for (_, write) in lab.run().written {
                if out == Some(ALL) && write[0] & 1 == 1 && write[1] != 0 {
                    prop_assert!(usize::from(u16::from_le_bytes([write[2], write[3]])) < write.len() - 10);
                }
            }
            let core = &lab.datapath.core;
            let io = |what| core.io.get(what);
            let went = io(Io::TxFrames) + io(Io::PuntedFrames) + core.drops.all().iter().sum::<u64>();
            prop_assert_eq!(io(Io::RxFrames) + io(Io::Copies), went);
            prop_assert_eq!(core.drops.get(Reason::DeviceRefused), 0);
        }
    }
}
