//! What a session's frames are held to: rates, sources, TCP's segment size; in both directions, and in floods.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::Reason;
use isthmus_datapath::header::Version;
use isthmus_datapath::policy::{Bucket, Clamp, Policy, Source};
use isthmus_datapath::port::FrameType;
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::tunnel::SocketKind;
use kernel::packet::{Packet, ones_complement};
use kernel::{Incoming, Lab, incoming, peer, v3};

/// Ethernet sessions 1 and 2 that are joined, and 3 and 4 and a host port in a repeater.
fn lab() -> (Lab, Handle, [Handle; 4], Handle, Handle) {
    let mut lab = Lab::new(Limits::default());
    let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    let tunnel = lab.tunnel(Version::V3, socket, 1, [10, 0, 0, 1]).unwrap();
    let core = &mut lab.datapath.core;
    let sessions = [1, 2, 3, 4]
        .map(|id| core.add_session(tunnel, (id, id), FrameType::Ethernet, Options::default()).unwrap());
    let host = core.add_host_port(FrameType::Ethernet).unwrap();
    core.cross_connect(sessions[0], sessions[1]).unwrap();
    let hub = lab.repeater();
    for port in [sessions[2], sessions[3], host] {
        lab.join(hub, port);
    }
    (lab, socket, sessions, host, hub)
}

fn hold(lab: &mut Lab, session: Handle, policy: Policy) {
    let sessions = &mut lab.datapath.core.sessions;
    let at = sessions.find(session).unwrap();
    sessions.hold_to(at, policy);
}

/// `[tx-packets, tx-errors, rx-packets, rx-errors]`.
fn counters(lab: &Lab, session: Handle) -> [u64; 4] {
    let sessions = &lab.datapath.core.sessions;
    let all = sessions.counters(sessions.find(session).unwrap());
    [all[0], all[2], all[3], all[5]]
}

#[test]
fn rates_hold_in_both_directions_and_for_runs() {
    let frame = vec![7; 1000];
    for gro in [false, true] {
        for limit_rx in [false, true] {
            let (mut lab, socket, sessions, _, _) = lab();
            let bucket = Bucket::new(8000, 10_000);
            let policy = if limit_rx {
                Policy { rx: bucket, ..Policy::default() }
            } else {
                Policy { tx: bucket, ..Policy::default() }
            };
            hold(&mut lab, sessions[usize::from(!limit_rx)], policy);
            let one = v3(1, &[], None, &frame);
            let batch = if gro {
                vec![Incoming { from: peer(1), bytes: one.repeat(40), gro: 1008, flags: 0 }]
            } else {
                vec![incoming(one); 40]
            };
            let mut at = |now| {
                lab.receive(socket, &batch, now);
                lab.run().datagrams().len()
            };
            assert_eq!((at(1_000_000), at(1_000_500), at(1_003_000), at(2_000_000)), (10, 0, 3, 10));
            assert_eq!(lab.datapath.core.drops.get(Reason::RateLimited), 160 - 23);
            let (rx, tx) = (counters(&lab, sessions[0]), counters(&lab, sessions[1]));
            let (dropped, passed) = (160 - 23, 23);
            if limit_rx {
                assert_eq!((rx, tx), ([0, 0, passed, dropped], [passed, 0, 0, 0]));
            } else {
                assert_eq!((rx, tx), ([0, 0, 160, 0], [passed, dropped, 0, 0]));
            }
        }
    }
}

#[test]
fn a_bucket_that_stays_the_same_is_not_filled_by_a_change() {
    let (mut lab, socket, sessions, _, _) = lab();
    let policy = Policy { rx: Bucket::new(8000, 2000), ..Policy::default() };
    let batch = vec![incoming(v3(1, &[], None, &[7; 1000])); 5];
    for (change, passed) in [
        (policy, 2),
        (Policy { clamp: Clamp::Fixed(900), ..policy }, 0),
        (Policy { rx: Bucket::new(8000, 3000), ..policy }, 3),
        (Policy::default(), 5),
    ] {
        hold(&mut lab, sessions[0], change);
        lab.receive(socket, &batch, 5_000_000);
        assert_eq!(lab.run().datagrams().len(), passed);
    }
}

#[test]
fn frames_from_others_than_the_session_is_for_are_refused() {
    let (mut lab, socket, sessions, _, _) = lab();
    let source = Source { mac: Some([2, 0, 0, 0, 1, 1]), v4: Some([10, 9, 0, 1]), v6: None };
    hold(&mut lab, sessions[0], Policy { source, ..Policy::default() });
    let frames = [1, 2, 1, 3].map(|flow| Packet::tcp(flow, 1, &[7; 9]).frame());
    let mut odd = frames[0].clone();
    odd[11] = 9;
    let batch: Vec<_> = frames.iter().chain([&odd]).map(|frame| incoming(v3(1, &[], None, frame))).collect();
    lab.receive(socket, &batch, 0);
    assert_eq!(lab.run().datagrams(), vec![v3(2, &[], None, &frames[0]); 2]);
    assert_eq!(lab.datapath.core.drops.get(Reason::SourceMismatch), 3);
    assert_eq!(counters(&lab, sessions[0]), [0, 0, 2, 3]);
}

/// A SYN that asks for segments of `mss` bytes, behind so many NOPs.
fn syn(mss: u16, nops: usize, v6: bool, tags: usize) -> Packet {
    let mut options = vec![1; nops];
    options.extend([2, 4]);
    options.extend(mss.to_be_bytes());
    options.resize(options.len().next_multiple_of(4), 0);
    let tags = vec![[0x81, 0, 0, 5]; tags];
    Packet { flags: 0x02, options, v6, tags, ..Packet::tcp(1, 77, &[]) }
}

/// The frame that leaves for this one, its checksum looked at.
fn clamped(clamp: Clamp, sending: bool, frame: &[u8]) -> Vec<u8> {
    let (mut lab, socket, sessions, _, _) = lab();
    hold(&mut lab, sessions[usize::from(sending)], Policy { clamp, ..Policy::default() });
    lab.receive(socket, &[incoming(v3(1, &[], None, frame))], 0);
    lab.run().datagrams()[0][8..].to_vec()
}

#[test]
fn a_syn_asks_for_no_more_than_it_may() {
    for sending in [false, true] {
        for v6 in [false, true] {
            for tags in 0..3 {
                for nops in 0..4 {
                    let given = |mss| syn(mss, nops, v6, tags).frame();
                    let after = |clamp, mss| clamped(clamp, sending, &given(mss));
                    assert!(after(Clamp::Fixed(1200), 1460) == given(1200), "{v6} {tags} {nops}");
                    assert!(after(Clamp::Fixed(1200), 1100) == given(1100));
                    let fits = 1400 - 14 - 4 * tags as u16 - if v6 { 40 } else { 20 } - 20;
                    assert!(after(Clamp::Frame(1400), 1460) == given(fits), "{v6} {tags} {nops}");
                    assert!(after(Clamp::Off, 9000) == given(9000));
                }
            }
        }
    }
}

#[test]
fn only_a_whole_syn_is_touched() {
    let lower = |frame: &[u8]| clamped(Clamp::Fixed(500), true, frame);
    let syn_ack = Packet { flags: 0x12, ..syn(1460, 0, false, 0) };
    assert!(lower(&syn_ack.frame()) == Packet { options: vec![2, 4, 1, 244], ..syn_ack }.frame());
    let data = Packet { flags: 0x10, ..syn(1460, 0, false, 0) };
    assert!(lower(&data.frame()) == data.frame());
    let mut fragment = syn(1460, 0, false, 0).frame();
    fragment[14 + 6] = 0x20;
    assert!(lower(&fragment) == fragment);
    for options in [
        vec![],
        vec![1; 8],
        vec![0, 2, 4, 5, 180, 0, 0, 0],
        vec![3, 0, 2, 4],
        vec![1, 1, 2, 4],
        vec![2, 3, 9, 9],
    ] {
        let packet = Packet { options, ..syn(1460, 0, false, 0) };
        assert!(lower(&packet.frame()) == packet.frame(), "{packet:?}");
    }
    for len in 0..58 {
        let frame = &syn(1460, 0, false, 0).frame()[..len.max(14)];
        assert!(lower(frame) == frame, "{len}");
    }
}

#[test]
fn in_a_flood_each_copy_asks_for_what_its_session_may() {
    let (mut lab, _, sessions, host, hub) = lab();
    let clamps = [(2, 1000), (3, 900)];
    for (at, size) in clamps {
        hold(&mut lab, sessions[at], Policy { clamp: Clamp::Fixed(size), ..Policy::default() });
    }
    let device = lab.datapath.core.add_device(9, FrameType::Ethernet, None, None).unwrap();
    lab.join(hub, device);
    let packet = Packet { payload: vec![3; 33], ..syn(1460, 1, false, 1) };
    lab.datapath.inject(host, &packet.frame()).unwrap();
    let output = lab.run();
    let mss = |at: u16| Packet { payload: vec![3; 33], ..syn(at, 1, false, 1) }.frame();
    assert_eq!(output.datagrams(), [v3(3, &[], None, &mss(1000)), v3(4, &[], None, &mss(900))]);
    assert_eq!(output.written, [(9, packet.frame())]);
    assert_eq!(counters(&lab, sessions[2])[0], 1);
    let frame = packet.frame();
    assert_eq!(ones_complement(&[&frame[18..38]]), 0xffff, "the packets of this test are whole");
}
