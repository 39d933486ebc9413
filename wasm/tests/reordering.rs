//! Sequencing against a model that is too simple to be wrong, and the kernel's options one by one.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::Reason;
use isthmus_datapath::header::Version;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::sequence::Patience;
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::tunnel::SocketKind;
use kernel::{Lab, incoming, v3};
use proptest::prelude::*;

const TIMEOUT: u64 = 10_000;
const QUEUE: usize = 6;

/// A v3 session with the sublayer, joined to TypeScript.
struct Bench {
    lab: Lab,
    socket: Handle,
    session: Handle,
    host: Handle,
}

fn bench(options: Options) -> Bench {
    let mut lab = Lab::new(Limits { reorder_frames: QUEUE, ..Limits::default() });
    let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    let tunnel = lab.tunnel(Version::V3, socket, 1, [10, 0, 0, 1]).unwrap();
    let session = lab.session(tunnel, 1, Options { l2spec: true, peer_l2spec: true, ..options });
    let host = lab.datapath.core.add_host_port(FrameType::Ppp).unwrap();
    lab.datapath.core.cross_connect(session, host).unwrap();
    Bench { lab, socket, session, host }
}

impl Bench {
    /// Lets one frame in; `ns` is its number and its contents.
    fn arrive(&mut self, ns: u32, now: u64) -> Vec<u32> {
        let frame = (ns & 0xff_ffff).to_be_bytes();
        self.lab.receive(self.socket, &[incoming(v3(1, &[], Some(ns & 0xff_ffff), &frame))], now);
        self.delivered()
    }

    fn arrive_unnumbered(&mut self, mark: u32) -> Vec<u32> {
        let message = [&[0, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0][..], &mark.to_be_bytes()].concat();
        self.lab.receive(self.socket, &[incoming(message)], 0);
        self.delivered()
    }

    fn age(&mut self, now: u64) -> Vec<u32> {
        self.lab.datapath.age(now);
        self.delivered()
    }

    fn delivered(&mut self) -> Vec<u32> {
        self.lab.run();
        self.lab.punted().iter().map(|frame| u32::from_be_bytes(frame[..4].try_into().unwrap())).collect()
    }

    /// rx-packets, rx-errors, rx-seq-discards, rx-oos-packets.
    fn counters(&self) -> [u64; 4] {
        let core = &self.lab.datapath.core;
        let counters = core.sessions.counters(core.sessions.find(self.session).unwrap());
        [3, 5, 6, 7].map(|at| counters[at])
    }

    /// Whether what leaves by the session is numbered.
    fn sends_numbers(&mut self) -> bool {
        self.lab.datapath.inject(self.host, &[0xff, 3, 0, 0x21]).unwrap();
        self.lab.run().datagrams()[0][8] == 0x40
    }
}

/// What a receiver with a queue does, said as plainly as possible. Numbers do not wrap here.
#[derive(Default)]
struct Model {
    started: bool,
    expected: i64,
    /// Number and arrival.
    waiting: Vec<(i64, u64)>,
    /// Since the numbering last began anew.
    delivered: Vec<i64>,
    heard: u64,
    /// Those far away, since one nearby came.
    far: Vec<i64>,
    discards: u64,
    oos: u64,
}

const PATIENCE: Patience = Patience { restart_after: 15, restart_run: 4 };

impl Model {
    fn arrive(&mut self, ns: i64, now: u64) -> Vec<u32> {
        if !self.started {
            (self.started, self.heard) = (true, now);
            self.expected = if ns < 64 { 0 } else { ns };
        }
        let silent = now / 1000 - self.heard / 1000 >= 15;
        let highest = self.waiting.last().map_or(self.expected - 1, |(ns, _)| *ns);
        if ns < self.expected {
            let nearby = ns >= self.expected - 64;
            if silent || (!nearby && self.far_run(ns) == 4) {
                return self.restart(ns, now);
            }
            self.discards += 1;
            return Vec::new();
        }
        if ns > highest + 64 && !silent && self.far_run(ns) < 2 {
            self.discards += 1;
            return Vec::new();
        }
        if self.waiting.iter().any(|(waiting, _)| *waiting == ns) {
            (self.heard, self.discards) = (now, self.discards + 1);
            return Vec::new();
        }
        (self.heard, self.far) = (now, Vec::new());
        self.oos += u64::from(self.waiting.iter().any(|(waiting, _)| *waiting > ns));
        self.waiting.push((ns, now));
        self.waiting.sort();
        let mut out = self.in_order();
        while self.waiting.len() > QUEUE {
            out.extend(self.give_up());
        }
        out
    }

    /// How many far numbers came in a row with this one.
    fn far_run(&mut self, ns: i64) -> usize {
        if self.far.last().is_some_and(|last| !(last + 1..last + 65).contains(&ns)) {
            self.far.clear();
        }
        self.far.push(ns);
        self.far.len()
    }

    fn restart(&mut self, ns: i64, now: u64) -> Vec<u32> {
        let mut out = self.give_up_all();
        out.push(ns as u32);
        (self.expected, self.heard) = (ns + 1, now);
        (self.far, self.delivered) = (Vec::new(), vec![ns]);
        out
    }

    fn in_order(&mut self) -> Vec<u32> {
        let mut out = Vec::new();
        while self.waiting.first().is_some_and(|(ns, _)| *ns == self.expected) {
            let (ns, _) = self.waiting.remove(0);
            assert!(!self.delivered.contains(&ns));
            self.delivered.push(ns);
            out.push(ns as u32);
            self.expected += 1;
        }
        out
    }

    fn give_up(&mut self) -> Vec<u32> {
        self.far.clear();
        self.expected = self.waiting[0].0;
        self.in_order()
    }

    fn give_up_all(&mut self) -> Vec<u32> {
        let mut out = Vec::new();
        while !self.waiting.is_empty() {
            out.extend(self.give_up());
        }
        out
    }

    fn age(&mut self, now: u64) -> Vec<u32> {
        let mut out = Vec::new();
        while self.waiting.iter().any(|(_, since)| since + TIMEOUT <= now) {
            out.extend(self.give_up());
        }
        out
    }
}

proptest! {
    #[test]
    fn a_queueing_session_does_what_the_model_does(
        steps in prop::collection::vec(
            (
                prop_oneof![8 => -8i64..12, 1 => -90i64..90, 1 => -400i64..400],
                prop_oneof![12 => 0u64..6000, 1 => 10_000u64..30_000],
                prop::bool::weighted(0.1),
            ),
            1..200,
        )
    ) {
        let mut bench = bench(Options { reorder_timeout: TIMEOUT, patience: PATIENCE, ..Options::default() });
        let mut model = Model::default();
        let (mut now, mut head, mut delivered) = (1_000_000, 100i64, 0);
        for (distance, pause, jump) in steps {
            now += pause;
            let aged = bench.age(now);
            delivered += aged.len() as u64;
            prop_assert_eq!(aged, model.age(now));
            let ns = (head + distance).max(0);
            head = if jump { head + 3 } else if distance.abs() > 90 { ns + 1 } else { head + i64::from(distance > 0) };
            let arrived = bench.arrive(ns as u32, now);
            delivered += arrived.len() as u64;
            prop_assert_eq!(arrived, model.arrive(ns, now), "{}", ns);
            prop_assert_eq!(bench.counters(), [delivered, model.discards, model.discards, model.oos]);
            let oldest = model.waiting.iter().map(|(_, since)| since + TIMEOUT).min();
            let deadline = bench.lab.datapath.core.deadline();
            prop_assert!(oldest.is_none() || deadline.is_some_and(|at| at <= oldest.unwrap()), "{:?} {:?}", deadline, oldest);
        }
        prop_assert_eq!(bench.age(now + TIMEOUT), model.age(now + TIMEOUT));
        prop_assert_eq!(bench.lab.datapath.core.deadline(), None);
        prop_assert_eq!(bench.lab.datapath.core.reorder_bytes, 0);
    }
}

#[test]
fn without_a_timeout_early_frames_pass_and_late_ones_do_not() {
    let mut bench = bench(Options::default());
    assert_eq!(bench.arrive(0, 0), [0]);
    assert_eq!(bench.arrive(3, 0), [3]);
    assert_eq!(bench.arrive(2, 0), []);
    assert_eq!(bench.arrive(3, 0), []);
    assert_eq!(bench.arrive(4, 0), [4]);
    assert_eq!(bench.counters(), [3, 2, 2, 0]);
    let drops = &bench.lab.datapath.core.drops;
    assert_eq!((drops.get(Reason::SequenceLate), drops.get(Reason::SequenceDuplicate)), (1, 1));
}

#[test]
fn queued_frames_leave_in_order_when_the_missing_one_comes() {
    let mut bench = bench(Options { reorder_timeout: TIMEOUT, ..Options::default() });
    assert_eq!(bench.arrive(0, 0), [0]);
    assert_eq!(bench.arrive(3, 0), []);
    assert_eq!(bench.arrive(2, 0), []);
    assert_eq!(bench.arrive(2, 0), []);
    assert_eq!(bench.arrive(1, 0), [1, 2, 3]);
    assert_eq!(bench.counters(), [4, 1, 1, 2]);
    assert_eq!(bench.lab.datapath.core.drops.get(Reason::SequenceDuplicate), 1);
}

#[test]
fn numbers_wrap_in_the_queue() {
    let mut bench = bench(Options { reorder_timeout: TIMEOUT, ..Options::default() });
    assert_eq!(bench.arrive(0xff_fffa, 0), [0xff_fffa]);
    for ns in [0xff_fffd, 1, 0xff_fffc, 0, 0xff_ffff, 0xff_fffe] {
        assert_eq!(bench.arrive(ns, 0), []);
    }
    let expected = [0xff_fffb, 0xff_fffc, 0xff_fffd, 0xff_fffe, 0xff_ffff, 0, 1];
    assert_eq!(bench.arrive(0xff_fffb, 0), expected);
}

/// All that is delivered of numbers that arrive one after the other at an instant, in milliseconds.
fn delivered_of(bench: &mut Bench, numbers: impl IntoIterator<Item = u32>, at: u64) -> Vec<u32> {
    numbers.into_iter().flat_map(|ns| bench.arrive(ns, at * 1000)).collect()
}

/// With and without a queue.
fn both() -> [Bench; 2] {
    [0, TIMEOUT].map(|reorder_timeout| bench(Options { reorder_timeout, ..Options::default() }))
}

#[test]
fn what_was_delivered_is_not_delivered_again() {
    for mut bench in both() {
        delivered_of(&mut bench, 0..100, 0);
        // Twelve that are repeated, thirty-one from long ago, and all of it once more.
        for _ in 0..2 {
            assert_eq!(delivered_of(&mut bench, 88..100, 1), []);
            assert_eq!(delivered_of(&mut bench, 0..31, 1), []);
            let next = bench.counters()[0] as u32;
            assert_eq!(bench.arrive(next, 1000), [next]);
        }
        let drops = &bench.lab.datapath.core.drops;
        assert_eq!(drops.get(Reason::SequenceDuplicate), 24);
        assert_eq!(drops.get(Reason::SequenceOutside), 62);
    }
}

#[test]
fn late_frames_do_not_follow_their_successors() {
    let mut bench = bench(Options::default());
    delivered_of(&mut bench, (0..90).chain(100..110), 0);
    assert_eq!(delivered_of(&mut bench, 90..100, 0), []);
    assert_eq!(bench.lab.datapath.core.drops.get(Reason::SequenceLate), 10);
    assert_eq!(delivered_of(&mut bench, 110..112, 0), [110, 111]);
}

#[test]
fn a_fresh_session_begins_where_its_peer_does() {
    for first in [1u32, 63, 64, 0x7f_ffff, 0x80_0000, 0xff_ffc8] {
        for mut bench in both() {
            let every_other: Vec<_> = (0..50).map(|at| (first + 2 * at) & 0xff_ffff).collect();
            let mut delivered = delivered_of(&mut bench, every_other.clone(), 0);
            delivered.append(&mut bench.age(TIMEOUT));
            assert_eq!(delivered, every_other, "{first}");
        }
    }
    // Where numbers begin at 0, the first may come second.
    let mut bench = bench(Options { reorder_timeout: TIMEOUT, ..Options::default() });
    assert_eq!(delivered_of(&mut bench, [1, 0, 2], 0), [0, 1, 2]);
}

#[test]
fn a_stray_early_frame_costs_itself_alone() {
    for stray in [100 + 65, 5000, 0x7f_0000] {
        for mut bench in both() {
            delivered_of(&mut bench, 0..100, 0);
            assert_eq!(bench.arrive(stray, 0), []);
            assert_eq!(delivered_of(&mut bench, 100..200, 0), (100..200).collect::<Vec<_>>());
            assert_eq!(bench.lab.datapath.core.drops.get(Reason::SequenceOutside), 1);
        }
    }
}

#[test]
fn after_many_lost_frames_the_second_is_believed() {
    let mut bench = bench(Options::default());
    delivered_of(&mut bench, 0..100, 0);
    // Half of those after the gap are lost as well.
    assert_eq!(delivered_of(&mut bench, [5000, 5002, 5004], 0), [5002, 5004]);
    assert_eq!(delivered_of(&mut bench, 100..110, 0), []);
    // After a silence, the first.
    assert_eq!(delivered_of(&mut bench, [9000, 9001], 1000), [9000, 9001]);
}

#[test]
fn a_peer_that_begins_anew_is_followed_after_a_run_of_old_numbers() {
    for mut bench in both() {
        assert_eq!(bench.arrive(5000, 0), [5000]);
        assert_eq!(delivered_of(&mut bench, 0..31, 1), []);
        // One that belongs to the old numbering, and the count begins again.
        assert_eq!(bench.arrive(5001, 1000), [5001]);
        assert_eq!(delivered_of(&mut bench, 31..62, 1), []);
        assert_eq!(delivered_of(&mut bench, [62, 63, 64], 1), [62, 63, 64]);
    }
    let patience = Patience { restart_run: 3, ..Patience::default() };
    let mut impatient = bench(Options { patience, ..Options::default() });
    assert_eq!(delivered_of(&mut impatient, [5000, 0, 10, 20, 21], 0), [5000, 20, 21]);
}

#[test]
fn a_peer_that_begins_anew_is_followed_at_once_after_a_silence() {
    for old in [4000, 4960, 4999] {
        for mut bench in both() {
            delivered_of(&mut bench, 4990..5000, 5000);
            assert_eq!(bench.arrive(old, 5_999_999), []);
            assert_eq!(delivered_of(&mut bench, [old, old + 1], 6000), [old, old + 1]);
        }
    }
    let patience = Patience { restart_after: 10, ..Patience::default() };
    let mut impatient = bench(Options { patience, ..Options::default() });
    assert_eq!(delivered_of(&mut impatient, [5000, 0], 100), [5000]);
    assert_eq!(delivered_of(&mut impatient, [0, 1], 110), [0, 1]);
}

#[test]
fn what_waits_leaves_before_a_peer_that_begins_anew() {
    let mut bench = bench(Options { reorder_timeout: 10 * TIMEOUT, ..Options::default() });
    delivered_of(&mut bench, 4990..5000, 0);
    assert_eq!(delivered_of(&mut bench, [5001, 5003], 0), []);
    assert_eq!(delivered_of(&mut bench, [0, 1], 1000), [5001, 5003, 0, 1]);
}

#[test]
fn less_patience_counts_at_once() {
    let options = Options { reorder_timeout: 60_000_000, ..Options::default() };
    let mut bench = bench(options);
    delivered_of(&mut bench, [0, 2], 0);
    assert_eq!(bench.age(50_000), []);
    let change = |bench: &mut Bench, reorder_timeout| {
        let options = Options { l2spec: true, peer_l2spec: true, reorder_timeout, ..options };
        bench.lab.datapath.core.change_session(bench.session, options).unwrap();
    };
    change(&mut bench, 100_000);
    assert_eq!(bench.lab.datapath.core.deadline(), Some(100_000));
    assert_eq!(bench.age(99_999), []);
    assert_eq!(bench.age(100_000), [2]);
    // More of it as well.
    assert_eq!(delivered_of(&mut bench, [4], 100), []);
    change(&mut bench, 200_000);
    assert_eq!(bench.age(299_999), []);
    assert_eq!(bench.age(300_000), [4]);
}

#[test]
fn where_all_bytes_are_in_use_the_gap_is_given_up() {
    let mut lab = Lab::new(Limits { reorder_bytes: 400, ..Limits::default() });
    let (socket, _) =
        lab.pair(Options { l2spec: true, peer_l2spec: true, reorder_timeout: TIMEOUT, ..Options::default() });
    let arrive = |lab: &mut Lab, ns| {
        lab.receive(socket, &[incoming(v3(1, &[], Some(ns), &[ns as u8; 60]))], 0);
        lab.run().datagrams().iter().map(|datagram| datagram[12]).collect::<Vec<_>>()
    };
    assert_eq!(arrive(&mut lab, 0), [0]);
    for ns in [2, 3, 5, 7] {
        assert_eq!(arrive(&mut lab, ns), []);
    }
    assert_eq!(arrive(&mut lab, 9), [2, 3]);
    assert_eq!(arrive(&mut lab, 4), [4, 5]);
    assert_eq!(lab.datapath.core.drops.all().iter().sum::<u64>(), 0);
    assert!(lab.datapath.core.reorder_bytes <= 400);
}

#[test]
fn a_peer_without_the_sublayer_is_told_from_one_that_is_late() {
    let mut bench = bench(Options::default());
    bench.arrive(0, 0);
    // PPP with address and control field, and Ethernet to 52:54:00:…
    for frame in [[0xff, 3, 0, 0x21], [0x52, 0x54, 0, 1]] {
        bench.lab.receive(bench.socket, &[incoming(v3(1, &[], None, &[&frame[..], &[7; 20]].concat()))], 0);
        assert_eq!(bench.delivered(), []);
    }
    assert_eq!(bench.lab.datapath.core.drops.get(Reason::SublayerMismatch), 2);
    assert_eq!(bench.counters(), [1, 2, 0, 0]);
}

#[test]
fn a_lac_follows_the_numbering_that_it_receives() {
    let mut bench = bench(Options::default());
    assert!(!bench.sends_numbers());
    bench.arrive(0, 0);
    assert!(bench.sends_numbers());
    assert_eq!(bench.arrive_unnumbered(77), [77]);
    assert!(!bench.sends_numbers());
}

#[test]
fn an_lns_decides_about_numbering() {
    let mut quiet = bench(Options { lns_mode: true, ..Options::default() });
    assert_eq!(quiet.arrive(0, 0), [0]);
    assert!(!quiet.sends_numbers());
    assert_eq!(quiet.arrive_unnumbered(77), [77]);

    let mut numbering = bench(Options { lns_mode: true, send_seq: true, ..Options::default() });
    assert_eq!(numbering.arrive_unnumbered(77), []);
    assert!(numbering.sends_numbers());
    assert_eq!(numbering.counters(), [0, 1, 1, 0]);
    assert_eq!(numbering.lab.datapath.core.drops.get(Reason::Unnumbered), 1);
}

#[test]
fn recv_seq_wants_numbers() {
    let mut bench = bench(Options { recv_seq: true, ..Options::default() });
    assert_eq!(bench.arrive_unnumbered(77), []);
    assert_eq!(bench.arrive(0, 0), [0]);
    assert_eq!(bench.counters(), [1, 1, 1, 0]);
}

#[test]
fn an_unnumbered_frame_leaves_behind_those_that_wait() {
    let mut bench = bench(Options { reorder_timeout: TIMEOUT, ..Options::default() });
    assert_eq!(bench.arrive(2, 0), []);
    assert_eq!(bench.arrive_unnumbered(77), [2, 77]);
}

#[test]
fn what_waits_leaves_when_reordering_is_switched_off() {
    let mut bench = bench(Options { reorder_timeout: TIMEOUT, ..Options::default() });
    assert_eq!(bench.arrive(2, 0), []);
    assert_eq!(bench.arrive(4, 0), []);
    bench
        .lab
        .datapath
        .core
        .change_session(bench.session, Options { l2spec: true, peer_l2spec: true, ..Options::default() })
        .unwrap();
    assert_eq!(bench.delivered(), [2, 4]);
    assert_eq!(bench.age(TIMEOUT * 2), []);
}

#[test]
fn what_waits_goes_with_its_session() {
    let mut bench = bench(Options { reorder_timeout: TIMEOUT, ..Options::default() });
    assert_eq!(bench.arrive(2, 0), []);
    bench.lab.datapath.core.remove_port(bench.session).unwrap();
    let core = &bench.lab.datapath.core;
    assert_eq!((core.drops.get(Reason::PortRemoved), core.reorder_bytes), (1, 0));
    assert_eq!(bench.age(TIMEOUT * 2), []);
}
