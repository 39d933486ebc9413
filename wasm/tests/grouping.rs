//! How frames leave: grouped as far as the kernel takes it, each session's frames in order, every byte as it came.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Io, Reason};
use isthmus_datapath::header::Version;
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::tunnel::SocketKind;
use kernel::{Incoming, Lab, cookie, incoming, peer, v3};
use proptest::prelude::*;

/// Sessions 1.. of one v3 tunnel, each joined to one of several tunnels that their frames leave by. `cookie` is what
/// leaving frames carry: with one of 4 bytes their header is longer than the one that they came with.
fn fan_out(sessions: u32, tunnels: u32, sent_cookie: &[u8]) -> (Lab, Handle) {
    let mut lab = Lab::new(Limits::default());
    let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    let other = lab.datapath.core.add_socket(8, SocketKind::Udp4).unwrap();
    let inner = lab.tunnel(Version::V3, socket, 1, [10, 0, 0, 1]).unwrap();
    let outer: Vec<_> = (0..tunnels)
        .map(|at| {
            lab.tunnel(Version::V3, if at % 2 == 0 { socket } else { other }, 10 + at, [10, 0, 1, at as u8])
                .unwrap()
        })
        .collect();
    for id in 1..=sessions {
        let a = lab.session(inner, id, Options::default());
        let options = Options { cookie: cookie(sent_cookie), ..Options::default() };
        let b = lab.session(outer[(id % tunnels) as usize], 100 + id, options);
        lab.datapath.core.cross_connect(a, b).unwrap();
    }
    (lab, socket)
}

fn frames_of(datagrams: &[Vec<u8>], session: u32, skip: usize) -> Vec<Vec<u8>> {
    let id = (1100 + session).to_be_bytes();
    datagrams.iter().filter(|bytes| bytes[4..8] == id).map(|bytes| bytes[8 + skip..].to_vec()).collect()
}

proptest! {
    #[test]
    fn frames_of_a_session_stay_in_order_and_whole(
        frames in prop::collection::vec((1u32..6, prop::sample::select(vec![20usize, 20, 100, 900, 1400, 1401])), 1..300),
        tunnels in 1u32..4, long_header in any::<bool>(), gro in any::<bool>(),
    ) {
        let sent_cookie: &[u8] = if long_header { &[5; 4] } else { &[] };
        let (mut lab, socket) = fan_out(5, tunnels, sent_cookie);
        let frames: Vec<_> = frames.into_iter().enumerate()
            .map(|(at, (session, len))| (session, [(at as u32).to_be_bytes().to_vec(), vec![at as u8; len]].concat()))
            .collect();
        let messages: Vec<Incoming> = if gro {
            // Runs of one length in super-datagrams, as UDP_GRO makes them.
            frames.chunk_by(|a, b| a.1.len() == b.1.len()).flat_map(|run| run.chunks(40)).map(|run| {
                let bytes: Vec<_> = run.iter().flat_map(|(session, frame)| v3(*session, &[], None, frame)).collect();
                Incoming { from: peer(1), bytes, gro: run[0].1.len() as u16 + 8, flags: 0 }
            }).collect()
        } else {
            frames.iter().map(|(session, frame)| incoming(v3(*session, &[], None, frame))).collect()
        };
        let mut datagrams = Vec::new();
        for batch in messages.chunks(64) {
            lab.receive(socket, batch, 0);
            datagrams.append(&mut lab.run().datagrams());
        }
        for session in 1..6 {
            let expected: Vec<_> =
                frames.iter().filter(|(at, _)| *at == session).map(|(_, frame)| frame.clone()).collect();
            prop_assert_eq!(frames_of(&datagrams, session, sent_cookie.len()), expected);
        }
    }
}

/// Frames of these lengths for session 1 in one batch.
fn one_session(lens: &[usize]) -> Vec<Incoming> {
    lens.iter().map(|len| incoming(v3(1, &[], None, &vec![7; *len]))).collect()
}

/// How many datagrams each message had.
fn group_sizes(lab: &mut Lab) -> Vec<usize> {
    lab.run().sent.iter().map(|sent| sent.datagrams.len()).collect()
}

#[test]
fn a_super_datagram_leaves_as_it_came_in_one_iovec() {
    let (mut lab, socket) = fan_out(1, 1, &[]);
    let bytes = v3(1, &[], None, &[7; 1392]).repeat(46);
    lab.receive(socket, &[Incoming { from: peer(1), bytes, gro: 1400, flags: 0 }], 0);
    let sent = lab.run().sent;
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].datagrams.len(), sent[0].iovecs), (46, 1));
    assert_eq!(lab.datapath.core.io.get(Io::RxGroDatagrams), 1);
}

#[test]
fn padding_behind_v2s_length_stays_behind() {
    let mut lab = Lab::new(Limits::default());
    let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    let [a, b] = [(Version::V2, 1), (Version::V3, 2)].map(|(version, id)| {
        let tunnel = lab.tunnel(version, socket, id, [10, 0, 0, id as u8]).unwrap();
        lab.session(tunnel, id, Options::default())
    });
    lab.datapath.core.cross_connect(a, b).unwrap();
    for padding in [0, 4] {
        let datagram = [&[0x40, 2, 0, 28, 0, 1, 0, 1][..], &[7; 20], &vec![0xee; padding]].concat();
        let gro = datagram.len() as u16;
        lab.receive(socket, &[Incoming { from: peer(1), bytes: datagram.repeat(5), gro, flags: 0 }], 0);
        assert_eq!(lab.run().datagrams(), vec![v3(1002, &[], None, &[7; 20]); 5]);
    }
}

#[test]
fn headers_that_grow_lie_elsewhere_but_for_the_first() {
    let (mut lab, socket) = fan_out(1, 1, &[5; 8]);
    let bytes = v3(1, &[], None, &[7; 92]).repeat(10);
    lab.receive(socket, &[Incoming { from: peer(1), bytes, gro: 100, flags: 0 }], 0);
    let sent = lab.run().sent;
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].datagrams.len(), sent[0].iovecs), (10, 19));
    assert_eq!(sent[0].datagrams[9], v3(1101, &[5; 8], None, &[7; 92]));
}

#[test]
fn a_shorter_frame_ends_its_sessions_group() {
    let (mut lab, socket) = fan_out(1, 1, &[]);
    lab.receive(socket, &one_session(&[1000, 1000, 500, 1000, 1000]), 0);
    assert_eq!(group_sizes(&mut lab), [3, 2]);
    // A longer one cannot join, and what follows it cannot go back.
    lab.receive(socket, &one_session(&[500, 1000, 500, 500]), 0);
    assert_eq!(group_sizes(&mut lab), [1, 2, 1]);
}

#[test]
fn interleaved_lengths_of_two_sessions_make_two_groups() {
    let (mut lab, socket) = fan_out(2, 1, &[]);
    let batch: Vec<_> = (0..40)
        .map(|at| incoming(v3(1 + at % 2, &[], None, &vec![7; 100 + 300 * at as usize % 600])))
        .collect();
    lab.receive(socket, &batch, 0);
    assert_eq!(group_sizes(&mut lab), [20, 20]);
}

#[test]
fn groups_keep_to_the_kernels_limits() {
    let (mut lab, socket) = fan_out(1, 1, &[]);
    for _ in 0..2 {
        let bytes = v3(1, &[], None, &[7; 92]).repeat(65);
        lab.receive(socket, &[Incoming { from: peer(1), bytes, gro: 100, flags: 0 }], 0);
        assert_eq!(group_sizes(&mut lab), [64, 1]);
    }
    lab.receive(socket, &vec![incoming(v3(1, &[], None, &[7; 8992])); 10], 0);
    assert_eq!(group_sizes(&mut lab), [7, 3]);
}

#[test]
fn a_lone_frame_carries_no_segment_size() {
    let (mut lab, socket) = fan_out(1, 1, &[]);
    lab.receive(socket, &one_session(&[1000]), 0);
    assert_eq!(lab.run().sent[0].control, []);
}

/// Refuses the message of that number.
fn refusing(number: usize) -> impl FnMut() -> Option<Reason> {
    let mut asked = 0;
    move || {
        asked += 1;
        (asked == number + 1).then_some(Reason::TransmitFailed)
    }
}

#[test]
fn a_refused_group_leaves_singly() {
    let (mut lab, socket) = fan_out(1, 1, &[5; 4]);
    lab.receive(socket, &one_session(&[1400, 1400, 1400, 600]), 0);
    let output = lab.run_failing(refusing(0));
    assert_eq!(output.sent.iter().map(|sent| sent.datagrams.len()).collect::<Vec<_>>(), [1, 1, 1, 1]);
    assert!(output.sent.iter().all(|sent| sent.control.is_empty()));
    assert_eq!(
        frames_of(&output.datagrams(), 1, 4).iter().map(Vec::len).collect::<Vec<_>>(),
        [1400, 1400, 1400, 600]
    );
    let io = &lab.datapath.core.io;
    assert_eq!((io.get(Io::TxSegments), io.get(Io::TxMessages), io.get(Io::TxSplit)), (4, 4, 1));
}

#[test]
fn nothing_of_a_session_overtakes_a_refused_group() {
    for refused in 0..3 {
        let (mut lab, socket) = fan_out(2, 1, &[]);
        let numbered: Vec<_> = (0..192u32)
            .flat_map(|at| [1, 2].map(|id| v3(id, &[], None, &[&at.to_be_bytes()[..], &[7; 88]].concat())))
            .collect();
        let mut datagrams = Vec::new();
        for bytes in numbered.chunks(384) {
            let batch = Incoming { from: peer(1), bytes: bytes.concat(), gro: 100, flags: 0 };
            lab.receive(socket, &[batch], 0);
            datagrams.append(&mut lab.run_failing(refusing(refused)).datagrams());
        }
        for session in 1..=2 {
            let frames = frames_of(&datagrams, session, 0);
            let numbers: Vec<_> =
                frames.iter().map(|frame| u32::from_be_bytes(frame[..4].try_into().unwrap())).collect();
            assert_eq!(numbers, (0..192).collect::<Vec<_>>(), "message {refused}, session {session}");
        }
        assert_eq!(lab.datapath.core.io.get(Io::TxSplit), 1);
    }
}

#[test]
fn what_leaves_singly_and_fails_again_is_dropped_for_itself() {
    let (mut lab, socket) = fan_out(1, 1, &[]);
    lab.receive(socket, &one_session(&[1400, 1400, 1400, 600]), 0);
    let mut asked = 0;
    let output = lab.run_failing(|| {
        asked += 1;
        (asked == 1 || asked == 3).then_some(Reason::TooLong)
    });
    assert_eq!((output.sent.len(), output.failed), (3, 1));
    let core = &lab.datapath.core;
    assert_eq!(core.drops.get(Reason::TooLong), 1);
    assert_eq!((core.io.get(Io::TxSegments), core.io.get(Io::TxMessages)), (3, 3));
}

#[test]
fn longer_datagrams_than_the_limit_are_not_grouped_and_a_lifted_limit_is_forgotten() {
    let (mut lab, socket) = fan_out(1, 1, &[]);
    let tunnel = lab.datapath.core.tunnels.handle(1);
    lab.datapath.core.limit_grouping(tunnel, 1407).unwrap();
    lab.receive(socket, &one_session(&[1400, 1400, 600, 600, 1401, 1401]), 0);
    assert_eq!(group_sizes(&mut lab), [1, 1, 2, 1, 1]);
    lab.datapath.core.limit_grouping(tunnel, 0).unwrap();
    lab.receive(socket, &one_session(&[10, 10]), 0);
    assert_eq!(group_sizes(&mut lab), [1, 1]);
    lab.datapath.core.limit_grouping(tunnel, u16::MAX).unwrap();
    lab.receive(socket, &one_session(&[1400, 1400]), 0);
    assert_eq!(group_sizes(&mut lab), [2]);
}

#[test]
fn runs_of_longer_datagrams_than_the_limit_are_not_grouped_either() {
    let (mut lab, socket) = fan_out(1, 1, &[]);
    let tunnel = lab.datapath.core.tunnels.handle(1);
    for (limit, groups) in [(1399, vec![1; 5]), (1400, vec![5]), (0, vec![1; 5])] {
        lab.datapath.core.limit_grouping(tunnel, limit).unwrap();
        let bytes = v3(1, &[], None, &[7; 1392]).repeat(5);
        lab.receive(socket, &[Incoming { from: peer(1), bytes, gro: 1400, flags: 0 }], 0);
        assert_eq!(group_sizes(&mut lab), groups, "{limit}");
    }
}

#[test]
fn more_than_one_pump_can_lay_out_is_laid_out_in_several() {
    let (mut lab, socket) = fan_out(1, 1, &[5; 8]);
    let batch: Vec<_> = (0..64)
        .map(|_| Incoming { from: peer(1), bytes: v3(1, &[], None, &[7; 2]).repeat(6000), gro: 10, flags: 0 })
        .collect();
    lab.receive(socket, &batch, 0);
    assert_eq!(lab.run().datagrams().len(), 64 * 6000);
    assert!(lab.datapath.core.drops.all().iter().all(|count| *count == 0));
}
