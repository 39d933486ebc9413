//! Room is asked for per piece: floods and super-frames stop where an array is full and go on from there, whatever else
//! was laid out before them.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Io, Reason};
use isthmus_datapath::header::Version;
use isthmus_datapath::offload::Takes;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::tunnel::SocketKind;
use kernel::{Incoming, Lab, Output, cookie, peer, v3};
use proptest::prelude::*;

/// Sums as the receiver of a packet does: over the pseudo header, the transport header and the payload.
fn ones_complement(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let mut total = 0u32;
    for pair in bytes.chunks(2) {
        total += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        total = (total >> 16) + (total & 0xffff);
    }
    total as u16
}

const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// An Ethernet frame with TCP over IPv4 inside, as a device gives it: a super-frame of segments of `mss` bytes whose
/// checksum is that of the pseudo header.
fn super_frame(payload: &[u8], mss: u16) -> Vec<u8> {
    let total = (40 + payload.len()) as u16;
    let mut ip = [0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2];
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    let sum = !ones_complement(&[&ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let pseudo = ones_complement(&[&ip[12..20], &[0, 6], &(total - 20).to_be_bytes()]);
    let mut tcp = [0, 80, 0x1f, 0x90, 0, 0, 0x10, 0, 0, 0, 0, 9, 0x50, 0x99, 1, 0, 0, 0, 0, 0];
    tcp[16..18].copy_from_slice(&pseudo.to_be_bytes());
    let kind = u8::from(payload.len() > usize::from(mss));
    let mut vnet = [1, kind, 54, 0, 0, 0, 34, 0, 16, 0];
    vnet[4..6].copy_from_slice(&if kind == 0 { 0 } else { mss }.to_le_bytes());
    [&vnet[..], &MACS, &[8, 0], &ip, &tcp, payload].concat()
}

/// The payloads of frames in order, each frame's headers and checksums looked at.
fn payloads(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut all = Vec::new();
    for frame in frames {
        assert_eq!(frame[..14], [&MACS[..], &[8, 0]].concat());
        let ip = &frame[14..34];
        assert_eq!(usize::from(u16::from_be_bytes([ip[2], ip[3]])), frame.len() - 14);
        assert_eq!(ones_complement(&[ip]), 0xffff, "the IP header's checksum");
        let length = (frame.len() - 34) as u16;
        assert_eq!(
            ones_complement(&[&ip[12..], &[0, 6], &length.to_be_bytes(), &frame[34..]]),
            0xffff,
            "TCP's checksum"
        );
        let seq = u32::from_be_bytes(frame[38..42].try_into().unwrap());
        assert_eq!(seq as usize, 0x1000 + all.len());
        all.extend(&frame[54..]);
    }
    all
}

/// A repeater of a device, sessions that their headers do not fit before, a plain device and a host port.
fn hub(sessions: u32) -> (Lab, Handle, Handle) {
    let mut lab = Lab::new(Limits { punt_bytes: 64 << 20, ..Limits::default() });
    let hub = lab.repeater();
    let core = &mut lab.datapath.core;
    let socket = core.add_socket(7, SocketKind::Udp4).unwrap();
    let takes = Takes { checksum: true, tcp: true, udp: true };
    let device = core.add_device(9, FrameType::Ethernet, Some(takes), None).unwrap();
    let plain = core.add_device(10, FrameType::Ethernet, None, None).unwrap();
    let host = core.add_host_port(FrameType::Ethernet).unwrap();
    for port in [device, plain, host] {
        lab.join(hub, port);
    }
    for id in 1..=sessions {
        let tunnel = lab.tunnel(Version::V3, socket, id, [10, 0, (id >> 8) as u8, id as u8]).unwrap();
        let options = Options { cookie: cookie(&[5; 8]), ..Options::default() };
        let session =
            lab.datapath.core.add_session(tunnel, (id, id + 1000), FrameType::Ethernet, options).unwrap();
        lab.join(hub, session);
    }
    (lab, device, socket)
}

fn frames_for(datagrams: &[Vec<u8>], session: u32) -> Vec<Vec<u8>> {
    let id = (1000 + session).to_be_bytes();
    datagrams.iter().filter(|bytes| bytes[4..8] == id).map(|bytes| bytes[16..].to_vec()).collect()
}

#[test]
fn a_flood_to_a_thousand_ports_goes_out_whole() {
    let (mut lab, device, _) = hub(1500);
    let frame = super_frame(&[7; 100], 1448);
    lab.read(device, &vec![frame; 3], 0);
    let output = lab.run();
    let datagrams = output.datagrams();
    assert_eq!(datagrams.len(), 3 * 1500);
    for session in [1, 700, 1500] {
        let frames = frames_for(&datagrams, session);
        assert_eq!(frames.len(), 3);
        frames.iter().for_each(|frame| assert_eq!(payloads(std::slice::from_ref(frame)), [7; 100]));
    }
    assert_eq!((output.written.len(), lab.punted().len()), (3, 3));
    assert_eq!(lab.datapath.core.io.get(Io::Copies), 3 * 1501);
}

#[test]
fn a_batch_of_7800_segments_goes_out_whole() {
    let (mut lab, device, _) = hub(1);
    let payload: Vec<u8> = (0..65_000u32).map(|at| (at * 7) as u8).collect();
    lab.read(device, &vec![super_frame(&payload, 536); 64], 0);
    let output = lab.run();
    let frames = frames_for(&output.datagrams(), 1);
    assert_eq!(frames.len(), 64 * 122);
    for (at, frames) in frames.chunks(122).enumerate() {
        assert_eq!(payloads(frames), payload, "super-frame {at}");
        // §4.2 of RFC 9293's flags: PSH and FIN on the last, CWR on the first.
        let flags: Vec<u8> = frames.iter().map(|frame| frame[47]).collect();
        assert_eq!((flags[0], flags[1], flags[121]), (0x90, 0x10, 0x19));
        let ids: Vec<u16> = frames.iter().map(|frame| u16::from_be_bytes([frame[18], frame[19]])).collect();
        assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1) && ids[0] == 0x1234);
    }
    let io = &lab.datapath.core.io;
    assert_eq!((io.get(Io::RxFrames), io.get(Io::RxSuperFrames)), (64 * 122, 64));
    assert_eq!((io.get(Io::TxSegments), io.get(Io::TxFrames)), (64 * 122, 64 * 122));
    let plain: Vec<Vec<u8>> = output.written.iter().map(|(_, frame)| frame.clone()).collect();
    assert_eq!(payloads(&plain[..122]), payload);
    assert_eq!(payloads(&lab.punted()[..122]), payload);
}

#[test]
fn a_port_that_goes_takes_what_was_to_leave_by_it_and_nothing_else() {
    let payload: Vec<u8> = (0..65_000u32).map(|at| (at * 7) as u8).collect();
    let mut begun = 0;
    for gone in [1, 10, 11, 12, 13, 40] {
        let (mut lab, device, _) = hub(40);
        lab.read(device, &[super_frame(&payload, 200)], 0);
        let mut output = Output::default();
        assert!(lab.round(|| None, &mut output));
        let sessions = &lab.datapath.core.sessions;
        let going = sessions.indices().find(|at| sessions.rare(*at).identity.session_id == gone).unwrap();
        let handle = sessions.handle(going);
        lab.datapath.core.remove_port(handle).unwrap();
        while lab.round(|| None, &mut output) {}
        let datagrams = output.datagrams();
        for session in 1..=40 {
            let frames = frames_for(&datagrams, session);
            assert_eq!(payloads(&frames), payload[..payload.len().min(200 * frames.len())]);
            assert!(session == gone || frames.len() == 325, "{session}: {}", frames.len());
        }
        let core = &lab.datapath.core;
        let left = frames_for(&datagrams, gone).len() as u64;
        let dropped = if left == 0 { 0 } else { 325 - left };
        begun += u64::from(dropped > 0);
        assert_eq!(core.drops.all().iter().sum::<u64>(), dropped);
        assert_eq!(core.drops.get(Reason::PortRemoved), dropped);
        let io = |what| core.io.get(what);
        let went = io(Io::TxSegments) + io(Io::TxFrames) + io(Io::PuntedFrames);
        assert_eq!(io(Io::RxFrames) + io(Io::Copies), went + dropped, "{gone}");
    }
    assert_eq!(begun, 1, "one of them was going on when its port went");
}

#[test]
fn frames_too_short_for_their_type_go_nowhere() {
    let mut lab = Lab::new(Limits::default());
    let core = &mut lab.datapath.core;
    let device = core.add_device(9, FrameType::Ethernet, None, None).unwrap();
    let host = core.add_host_port(FrameType::Ethernet).unwrap();
    core.cross_connect(device, host).unwrap();
    for len in [0, 13] {
        lab.datapath.inject(host, &vec![1; len]).unwrap();
        lab.read(device, &[vec![1; len]], 0);
        let output = lab.run();
        assert_eq!((output.written.len(), lab.punted().len()), (0, 0));
    }
    let drops = &lab.datapath.core.drops;
    assert_eq!((drops.get(Reason::Runt), drops.get(Reason::Truncated)), (3, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Whatever fills the arrays before it, a flood of super-frames leaves whole, once by each port.
    #[test]
    fn with_every_array_nearly_full(
        before in prop::collection::vec((1u32..40, 1usize..40, 20usize..300), 0..40),
        supers in prop::collection::vec((1usize..30_000, 88u16..9000), 1..4),
        refused in prop::collection::vec(prop::option::weighted(0.02, Just(Reason::DeviceDown)), 97),
    ) {
        let (mut lab, device, socket) = hub(40);
        let mut refused = refused.into_iter().cycle();
        let mut sent = 0;
        for round in 0..2 {
            // Frames of sessions, flooded to all others: many groups, and headers that lie elsewhere.
            let batch: Vec<Incoming> = before.iter().enumerate().map(|(at, (id, count, len))| {
                let one = v3(*id, &[], None, &vec![at as u8; *len]);
                Incoming { from: peer(1), bytes: one.repeat(*count), gro: one.len() as u16, flags: 0 }
            }).collect();
            lab.receive(socket, &batch, 0);
            sent += lab.run_failing(|| refused.next().flatten()).datagrams().len() as u64;
            let payload = |len| (0..len).map(|at| (at * 13 + round) as u8).collect::<Vec<u8>>();
            let frames: Vec<_> = supers.iter().map(|(len, mss)| super_frame(&payload(*len), *mss)).collect();
            lab.read(device, &frames, 0);
            let output = lab.run_failing(|| refused.next().flatten());
            sent += output.datagrams().len() as u64;
            if output.failed == 0 {
                for session in [1, 20, 40] {
                    let mut frames = frames_for(&output.datagrams(), session);
                    for (len, mss) in &supers {
                        let rest = frames.split_off(len.div_ceil(usize::from(*mss)));
                        prop_assert_eq!(payloads(&frames), payload(*len));
                        frames = rest;
                    }
                    prop_assert!(frames.is_empty());
                }
            }
            lab.punted();
        }
        let core = &lab.datapath.core;
        let io = |what| core.io.get(what);
        let came = io(Io::RxDatagrams) + io(Io::RxFrames) + io(Io::Copies);
        let went = io(Io::TxSegments) + io(Io::TxFrames) + io(Io::PuntedFrames);
        prop_assert_eq!(came, went + core.drops.all().iter().sum::<u64>());
        prop_assert_eq!(io(Io::TxSegments), sent);
        prop_assert_eq!(core.drops.get(Reason::BadOffload), 0);
    }
}
