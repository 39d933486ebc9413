//! A host of ours inside a session's Ethernet: what comes for it goes to TypeScript and nowhere else, and what it sends
//! leaves by the session, whatever that is joined to, and whatever its circuit is held to.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Io, Reason};
use isthmus_datapath::header::Version;
use isthmus_datapath::inside::{Identity, Where};
use isthmus_datapath::manage::Refusal;
use isthmus_datapath::policy::{Bucket, Policy, Source};
use isthmus_datapath::port::FrameType;
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::tunnel::SocketKind;
use kernel::{Lab, cookie, incoming, v3};
use proptest::prelude::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const ME: Identity = Identity { mac: MAC, vlan: Where::Untagged, v4: Some([10, 0, 0, 3]), v6: None };

/// Session 1 with a host inside, joined with a device, and session 2 that is joined with nothing.
struct Bench {
    lab: Lab,
    socket: Handle,
    session: Handle,
    other: Handle,
    device: Handle,
    host: Handle,
}

fn bench(options: Options) -> Bench {
    let mut lab = Lab::new(Limits::default());
    let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    let tunnel = lab.tunnel(Version::V3, socket, 1, [10, 0, 0, 1]).unwrap();
    let core = &mut lab.datapath.core;
    let mut add = |id| core.add_session(tunnel, (id, id), FrameType::Ethernet, options).unwrap();
    let (session, other) = (add(1), add(2));
    let device = core.add_device(9, FrameType::Ethernet, None, None).unwrap();
    core.cross_connect(session, device).unwrap();
    let host = core.add_host_port(FrameType::Ethernet).unwrap();
    core.put_inside(session, host, ME).unwrap();
    Bench { lab, socket, session, other, device, host }
}

impl Bench {
    /// What of a frame from session 1's peer is punted, and how many frames are written to the device.
    fn take(&mut self, frame: &[u8], now: u64) -> (Vec<Vec<u8>>, usize) {
        self.lab.receive(self.socket, &[incoming(v3(1, &[], None, frame))], now);
        let output = self.lab.run();
        (self.lab.punted(), output.written.len())
    }

    fn received(&self) -> u64 {
        let sessions = &self.lab.datapath.core.sessions;
        sessions.counters(sessions.find(self.session).unwrap())[3]
    }
}

fn frame(destination: [u8; 6], rest: &[u8]) -> Vec<u8> {
    [&destination[..], &[2, 0, 0, 0, 0, 1], rest].concat()
}

/// "Who has 10.0.0.`last`", or the answer to `mac`.
fn arp(destination: [u8; 6], operation: u8, mac: [u8; 6], last: u8) -> Vec<u8> {
    let head = [8, 6, 0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1, 10, 0, 0, 2];
    frame(destination, &[&head[..], &mac, &[10, 0, 0, last], &[0; 18]].concat())
}

#[test]
fn what_is_for_the_host_goes_to_it_alone_and_all_else_to_the_circuit() {
    let mut bench = bench(Options::default());
    let ours = frame(MAC, &[0x88, 0xb5, 1, 2, 3]);
    assert_eq!(bench.take(&ours, 0), (vec![ours.clone()], 0));
    let asked = arp([0xff; 6], 1, [0; 6], 3);
    assert_eq!(bench.take(&asked, 0), (vec![asked.clone()], 0));
    for others in
        [arp([0xff; 6], 1, [0; 6], 4), frame([2, 0, 0, 0, 0, 8], &[8, 0]), arp([0xff; 6], 2, [2; 6], 3)]
    {
        assert_eq!(bench.take(&others, 0), (vec![], 1));
    }
    let told_to_all = arp([0xff; 6], 2, MAC, 3);
    assert_eq!(bench.take(&told_to_all, 0), (vec![told_to_all.clone()], 1));
    assert_eq!(bench.received(), 6, "each is a frame of the session");
    let io = &bench.lab.datapath.core.io;
    assert_eq!((io.get(Io::PuntedFrames), io.get(Io::Copies)), (3, 1));
}

#[test]
fn what_the_host_sends_leaves_by_the_session_with_all_that_belongs_to_it() {
    let mut bench =
        bench(Options { l2spec: true, send_seq: true, cookie: cookie(&[7; 4]), ..Options::default() });
    let probe = arp([0xff; 6], 1, [0; 6], 2);
    for ns in 0..3 {
        assert!(bench.lab.datapath.inject(bench.host, &probe).unwrap());
        assert_eq!(bench.lab.run().datagrams(), [v3(1, &[7; 4], Some(ns), &probe)]);
    }
    bench.lab.datapath.core.disconnect(bench.device).unwrap();
    assert!(bench.lab.datapath.inject(bench.host, &probe).unwrap());
    assert_eq!(bench.lab.run().datagrams(), [v3(1, &[7; 4], Some(3), &probe)]);
}

#[test]
fn neither_rates_nor_sources_hold_for_it_and_its_own_budget_does() {
    let mut bench = bench(Options::default());
    let tight = Bucket::new(8, 1);
    let source = Source { mac: Some([2, 0, 0, 0, 0, 7]), ..Source::default() };
    let sessions = &mut bench.lab.datapath.core.sessions;
    let at = sessions.find(bench.session).unwrap();
    sessions.hold_to(at, Policy { rx: tight, tx: tight, source, ..Policy::default() });
    let questions = frame(MAC, &[0x88, 0xb5]);
    let answer = arp(MAC, 2, MAC, 3);
    let taken = |bench: &mut Bench, frame: &[u8], now| {
        (0..100).filter(|_| bench.take(frame, now).0.len() == 1).count()
    };
    assert_eq!(taken(&mut bench, &questions, 1_000_000), 64);
    assert_eq!(taken(&mut bench, &answer, 1_000_000), 64, "questions take nothing from answers");
    assert_eq!(taken(&mut bench, &questions, 2_000_000), 32);
    assert_eq!(bench.lab.datapath.core.drops.get(Reason::PuntLimited), 36 + 36 + 68);
    for _ in 0..9 {
        bench.lab.datapath.inject(bench.host, &answer).unwrap();
    }
    assert_eq!(bench.lab.run().datagrams().len(), 9);
    let others = bench.lab.datapath.core.add_host_port(FrameType::Ethernet).unwrap();
    bench.lab.datapath.core.set_receiver(bench.session, others).unwrap();
    for _ in 0..9 {
        bench.lab.datapath.inject(others, &answer).unwrap();
    }
    assert_eq!(bench.lab.run().datagrams().len(), 1, "what others send is held to the rate");
}

#[test]
fn a_policy_that_goes_leaves_the_host_where_it_is() {
    let mut bench = bench(Options::default());
    let ours = frame(MAC, &[0x88, 0xb5]);
    let sessions = &mut bench.lab.datapath.core.sessions;
    let at = sessions.find(bench.session).unwrap();
    sessions.hold_to(at, Policy { rx: Bucket::new(8000, 9000), ..Policy::default() });
    sessions.hold_to(at, Policy::default());
    assert_eq!(bench.take(&ours, 0).0.len(), 1);
    bench.lab.datapath.core.remove_port(bench.host).unwrap();
    assert!(!bench.lab.datapath.core.sessions.rx[at].guard.any(), "nobody has a look any more");
    assert_eq!(bench.take(&ours, 0), (vec![], 1));
}

#[test]
fn host_and_receiver_are_beside_each_other() {
    let mut bench = bench(Options::default());
    let core = &mut bench.lab.datapath.core;
    let receiver = core.add_host_port(FrameType::Ethernet).unwrap();
    core.disconnect(bench.device).unwrap();
    core.set_receiver(bench.session, receiver).unwrap();
    let record = |bench: &mut Bench, frame: &[u8]| {
        bench.lab.receive(bench.socket, &[incoming(v3(1, &[], None, frame))], 0);
        bench.lab.run();
        let of = bench.lab.datapath.core.punts.records().first().map(|record| record.handle);
        bench.lab.datapath.core.punts.clear();
        of
    };
    let (ours, others) = (frame(MAC, &[8, 0]), frame([2, 0, 0, 0, 0, 8], &[8, 0]));
    assert_eq!(record(&mut bench, &ours), Some(bench.host.to_number()));
    assert_eq!(record(&mut bench, &others), Some(receiver.to_number()));
    bench.lab.datapath.core.remove_port(bench.host).unwrap();
    assert_eq!(record(&mut bench, &ours), Some(receiver.to_number()), "the receiver stays");
    bench.lab.datapath.core.cross_connect(bench.session, bench.device).unwrap();
    bench.lab.datapath.core.disconnect(bench.device).unwrap();
    assert_eq!(record(&mut bench, &others), Some(receiver.to_number()), "also after a join");
    let host = bench.lab.datapath.core.add_host_port(FrameType::Ethernet).unwrap();
    bench.lab.datapath.core.put_inside(bench.session, host, ME).unwrap();
    bench.lab.datapath.core.remove_port(receiver).unwrap();
    assert_eq!(record(&mut bench, &ours), Some(host.to_number()));
    assert_eq!(record(&mut bench, &others), None);
}

#[test]
fn it_goes_with_its_session_and_is_refused_where_it_cannot_be() {
    let mut bench = bench(Options::default());
    let core = &mut bench.lab.datapath.core;
    let code = |result: Result<(), Refusal>| result.unwrap_err().code;
    let second = core.add_host_port(FrameType::Ethernet).unwrap();
    let ppp = core.add_host_port(FrameType::Ppp).unwrap();
    assert_eq!(code(core.put_inside(bench.session, second, ME)), "port-joined");
    assert_eq!(code(core.put_inside(bench.other, bench.host, ME)), "port-joined");
    assert_eq!(code(core.put_inside(bench.other, ppp, ME)), "frame-type-mismatch");
    assert_eq!(code(core.put_inside(bench.device, second, ME)), "invalid");
    assert_eq!(code(core.put_inside(bench.other, bench.session, ME)), "no-such-port");
    assert_eq!(code(core.cross_connect(bench.host, bench.other)), "port-joined");
    core.remove_port(bench.session).unwrap();
    bench.lab.datapath.inject(bench.host, &[0; 60]).unwrap();
    assert!(bench.lab.run().datagrams().is_empty());
    bench.lab.datapath.core.put_inside(bench.other, bench.host, ME).unwrap();
    bench.lab.datapath.inject(bench.host, &[0; 60]).unwrap();
    assert_eq!(bench.lab.run().datagrams().len(), 1);
}

proptest! {
    #[test]
    fn no_frame_is_both_ours_and_lost(
        head in prop::sample::select(vec![MAC, [0xff; 6], [0x33, 0x33, 0xff, 0, 0, 9], [2, 0, 0, 0, 0, 8]]),
        kind in prop::sample::select(vec![[8, 0], [8, 6], [0x86, 0xdd], [0x81, 0]]),
        rest in prop::collection::vec(any::<u8>(), 0..90),
    ) {
        let mut bench = bench(Options::default());
        let given = frame(head, &[&kind[..], &rest].concat());
        let (punted, written) = bench.take(&given, 0);
        prop_assert!(punted.len() + written >= 1);
        prop_assert!(punted.iter().all(|frame| *frame == given));
        prop_assert!(head != MAC || (punted.len(), written) == (1, 0));
        prop_assert!(head != [2, 0, 0, 0, 0, 8] || (punted.len(), written) == (0, 1));
    }
}
