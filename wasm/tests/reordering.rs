//! Sequencing against a model that is too simple to be wrong, and the kernel's options one by one.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::Reason;
use isthmus_datapath::header::Version;
use isthmus_datapath::port::FrameType;
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
    expected: i64,
    /// Number and arrival.
    waiting: Vec<(i64, u64)>,
    late: Vec<i64>,
    discards: u64,
    oos: u64,
}

impl Model {
    fn arrive(&mut self, ns: i64, now: u64) -> Vec<u32> {
        if ns < self.expected {
            let follows = self.late.last().is_some_and(|last| last + 1 == ns);
            if !follows {
                self.late.clear();
            }
            self.late.push(ns);
            if self.late.len() > 5 {
                self.late.clear();
                let mut out = self.give_up_all();
                out.push(ns as u32);
                self.expected = ns + 1;
                return out;
            }
            self.discards += 1;
            return Vec::new();
        }
        self.late.clear();
        if self.waiting.iter().any(|(waiting, _)| *waiting == ns) {
            self.discards += 1;
            return Vec::new();
        }
        self.oos += u64::from(self.waiting.iter().any(|(waiting, _)| *waiting > ns));
        self.waiting.push((ns, now));
        self.waiting.sort();
        let mut out = self.in_order();
        while self.waiting.len() > QUEUE {
            out.extend(self.give_up());
        }
        out
    }

    fn in_order(&mut self) -> Vec<u32> {
        let mut out = Vec::new();
        while self.waiting.first().is_some_and(|(ns, _)| *ns == self.expected) {
            out.push(self.waiting.remove(0).0 as u32);
            self.expected += 1;
        }
        out
    }

    fn give_up(&mut self) -> Vec<u32> {
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
        steps in prop::collection::vec((-8i64..12, 0u64..6000, prop::bool::weighted(0.1)), 1..200)
    ) {
        let mut bench = bench(Options { reorder_timeout: TIMEOUT, ..Options::default() });
        let mut model = Model::default();
        let (mut now, mut head, mut delivered) = (1_000_000, 0i64, 0);
        for (distance, pause, jump) in steps {
            now += pause;
            let aged = bench.age(now);
            delivered += aged.len() as u64;
            prop_assert_eq!(aged, model.age(now));
            let ns = (head + distance).max(0);
            head = if jump { head + 3 } else { head + i64::from(distance > 0) };
            let arrived = bench.arrive(ns as u32, now);
            delivered += arrived.len() as u64;
            prop_assert_eq!(arrived, model.arrive(ns, now));
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
    assert_eq!(bench.lab.datapath.core.drops.get(Reason::SequenceLate), 2);
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
    for ns in 0xff_fff5..=0xff_fffa {
        bench.arrive(ns, 0); // late, until the sixth shows that the peer begins anew here
    }
    assert_eq!(bench.counters()[0], 1);
    for ns in [0xff_fffd, 1, 0xff_fffc, 0, 0xff_ffff, 0xff_fffe] {
        assert_eq!(bench.arrive(ns, 0), []);
    }
    let expected = [0xff_fffb, 0xff_fffc, 0xff_fffd, 0xff_fffe, 0xff_ffff, 0, 1];
    assert_eq!(bench.arrive(0xff_fffb, 0), expected);
}

#[test]
fn a_peer_that_begins_anew_is_followed() {
    let mut bench = bench(Options::default());
    assert_eq!(bench.arrive(5000, 0), [5000]);
    for ns in 0..5 {
        assert_eq!(bench.arrive(ns, 0), []);
    }
    assert_eq!(bench.arrive(5, 0), [5]);
    assert_eq!(bench.arrive(6, 0), [6]);
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
