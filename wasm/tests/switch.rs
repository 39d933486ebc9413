//! What a switch does with stations, ports, storms and loops; and how it lets frames with other tags leave.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Io, Reason, SwitchCount};
use isthmus_datapath::fdb::station;
use isthmus_datapath::header::Version;
use isthmus_datapath::loops::LoopRule;
use isthmus_datapath::offload::Takes;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::switch::{FORWARD_BPDU, MemberOptions, SwitchOptions, What};
use isthmus_datapath::tunnel::SocketKind;
use isthmus_datapath::vlan::{Mode, PortVlans, PriorityTags, Translation, Vlans};
use kernel::packet::{Packet, delivered};
use kernel::{Incoming, Lab, Output, cookie, incoming, peer, v3};
use proptest::prelude::*;
use std::collections::VecDeque;

const SECOND: u64 = 1_000_000;
const ALL: Takes = Takes { checksum: true, tcp: true, udp: true };

/// A switch, and devices with descriptors from 1 on in it.
struct Bench {
    lab: Lab,
    switch: Handle,
    ports: Vec<Handle>,
    now: u64,
}

impl Bench {
    fn new(options: SwitchOptions, members: Vec<MemberOptions>) -> Self {
        let mut lab = Lab::new(Limits::default());
        let core = &mut lab.datapath.core;
        let switch = core.add_switch(options).unwrap();
        let mut bench = Self { lab, switch, ports: Vec::new(), now: SECOND };
        members.into_iter().for_each(|member| bench.add(member));
        bench
    }

    fn plain(ports: usize) -> Self {
        Self::new(SwitchOptions::default(), vec![MemberOptions::default(); ports])
    }

    fn add(&mut self, member: MemberOptions) {
        let core = &mut self.lab.datapath.core;
        let fd = self.ports.len() as i32 + 1;
        let port = core.add_device(fd, FrameType::Ethernet, None, None).unwrap();
        core.join_switch(self.switch, port, member).unwrap();
        self.ports.push(port);
    }

    /// Who gets a frame that comes in at a port, by descriptor.
    fn send(&mut self, port: usize, to: [u8; 6], from: [u8; 6]) -> Vec<i32> {
        self.send_frame(port, &[&to[..], &from, &[8, 0], &[0; 46]].concat())
    }

    fn send_frame(&mut self, port: usize, frame: &[u8]) -> Vec<i32> {
        self.lab.read(self.ports[port - 1], &[frame.to_vec()], self.now);
        self.lab.run().written.into_iter().map(|(fd, _)| fd).collect()
    }

    fn count(&self, port: usize, what: SwitchCount) -> u64 {
        let core = &self.lab.datapath.core;
        let member = core.member(self.ports[port - 1]).unwrap();
        core.switches.member(member, self.now).0.get(what)
    }

    fn learnt(&self, port: usize) -> u32 {
        let core = &self.lab.datapath.core;
        core.switches.member(core.member(self.ports[port - 1]).unwrap(), self.now).1
    }

    fn dropped(&self, reason: Reason) -> u64 {
        self.lab.datapath.core.drops.get(reason)
    }

    fn events(&mut self) -> Vec<What> {
        self.lab.datapath.core.switches.events.drain(..).map(|event| event.what).collect()
    }

    fn known(&self) -> usize {
        let core = &self.lab.datapath.core;
        let at = core.find_switch(self.switch).unwrap();
        core.switches.rows(at, 0, usize::MAX, self.now).0.len()
    }
}

const fn mac(last: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, last]
}

const BROADCAST: [u8; 6] = [0xff; 6];

fn access(tag: u16) -> MemberOptions {
    with_mode(Mode::Access, tag)
}

fn with_mode(mode: Mode, tag: u16) -> MemberOptions {
    let vlans = PortVlans::new(mode, tag, [&[], &[]], 0x88a8, PriorityTags::Never, 2);
    MemberOptions { vlans, ..MemberOptions::default() }
}

#[test]
fn a_station_is_learnt_where_it_is_heard_and_follows_when_it_moves() {
    let mut bench = Bench::plain(3);
    assert_eq!(bench.send(1, mac(2), mac(1)), [2, 3]);
    assert_eq!(bench.send(2, mac(1), mac(2)), [1]);
    assert_eq!(bench.send(1, mac(2), mac(1)), [2]);
    assert_eq!(bench.send(3, mac(1), mac(2)), [1], "a single move blocks nobody");
    assert_eq!(bench.send(1, mac(2), mac(1)), [3]);
    assert_eq!(bench.events(), [What::Learnt, What::Learnt, What::Moved]);
    assert_eq!([1, 2, 3].map(|port| bench.learnt(port)), [1, 0, 1]);
    assert!(bench.send(1, mac(1), mac(9)).is_empty(), "to a station at the same port");
    assert_eq!((bench.count(1, SwitchCount::RxSamePort), bench.dropped(Reason::SamePort)), (1, 1));
    bench.now += 301 * SECOND;
    assert_eq!(bench.send(2, mac(1), mac(7)), [1, 3], "nobody heard of it for too long");
    assert_eq!(bench.known(), 1);
    for _ in 0..200 {
        bench.now = bench.lab.datapath.core.deadline().unwrap().max(bench.now);
        bench.lab.datapath.age(bench.now);
        bench.events();
        if bench.lab.datapath.core.deadline().is_none() {
            break;
        }
    }
    assert_eq!(bench.lab.datapath.core.deadline(), None, "what was forgotten asks for nothing");
    assert_eq!([1, 2, 3].map(|port| bench.learnt(port)), [0, 0, 0]);
}

#[test]
fn vlans_have_stations_of_their_own() {
    let mut bench = Bench::new(SwitchOptions::default(), vec![access(1), access(1), access(2), access(2)]);
    assert_eq!(bench.send(1, BROADCAST, mac(1)), [2]);
    assert_eq!(bench.send(3, BROADCAST, mac(1)), [4]);
    assert_eq!(bench.send(2, mac(1), mac(2)), [1]);
    assert_eq!(bench.send(4, mac(1), mac(2)), [3]);
    assert_eq!(bench.events(), [What::Learnt; 4]);
    // What was learnt while it had other VLANs is forgotten.
    bench.lab.datapath.core.change_switch_port(bench.ports[0], access(2)).unwrap();
    assert_eq!(bench.learnt(1), 0);
    assert!(bench.send(2, mac(1), mac(2)).is_empty());
    assert_eq!(bench.dropped(Reason::NoSwitchPort), 1);
    assert_eq!(bench.send(3, BROADCAST, mac(1)), [1, 4]);
}

#[test]
fn nobody_learns_of_senders_that_are_none() {
    let mut bench = Bench::plain(2);
    for from in [[0; 6], [0x33, 0x33, 0, 0, 0, 1], BROADCAST] {
        assert_eq!(bench.send(1, mac(9), from), [2]);
    }
    assert_eq!((bench.known(), bench.events().len()), (0, 0));
    let flood = SwitchOptions { flood: Vlans::of(&[0]), ..SwitchOptions::default() };
    bench.lab.datapath.core.change_switch(bench.switch, flood).unwrap();
    assert_eq!(bench.send(1, mac(9), mac(1)), [2]);
    assert_eq!(bench.known(), 0);
}

#[test]
fn where_there_is_no_room_frames_are_flooded_and_known_stations_stay() {
    let options = SwitchOptions { table: 20, ..SwitchOptions::default() };
    let limited = MemberOptions { limit: 5, ..MemberOptions::default() };
    let mut bench = Bench::new(options, vec![limited, MemberOptions::default(), MemberOptions::default()]);
    assert_eq!(bench.send(2, BROADCAST, mac(100)), [1, 3]);
    for last in 0..50 {
        assert_eq!(bench.send(1, mac(100), mac(last)), [2]);
    }
    assert_eq!((bench.learnt(1), bench.count(1, SwitchCount::NotLearnt)), (5, 45));
    let events = bench.events();
    assert_eq!(events.iter().filter(|what| **what == What::Limit).count(), 1, "it is told once");
    for last in 0..50 {
        bench.send(3, mac(100), mac(last + 150));
    }
    assert_eq!((bench.known(), bench.learnt(3)), (20, 14));
    assert_eq!(bench.send(3, mac(100), mac(77)), [2]);
    assert_eq!(bench.send(2, mac(77), mac(100)), [1, 3]);
    // A smaller table keeps no more than it has room for.
    let smaller = SwitchOptions { table: 10, ..SwitchOptions::default() };
    bench.lab.datapath.core.change_switch(bench.switch, smaller).unwrap();
    assert_eq!(bench.known(), 10);
    assert_eq!((1..=3).map(|port| bench.learnt(port)).sum::<u32>(), 10);
}

#[test]
fn what_an_operator_says_beats_what_is_learnt() {
    let mut bench = Bench::plain(3);
    let core = &mut bench.lab.datapath.core;
    let member = core.member(bench.ports[1]).unwrap();
    core.switches.fix(member, station(0, &mac(1))).unwrap();
    assert_eq!(bench.send(3, mac(7), mac(1)), [1, 2]);
    assert_eq!(bench.send(1, mac(1), mac(5)), [2]);
    bench.now += 400 * SECOND;
    assert_eq!(bench.send(1, mac(1), mac(5)), [2]);
    let core = &mut bench.lab.datapath.core;
    let at = core.find_switch(bench.switch).unwrap();
    core.switches.flush(at);
    assert_eq!(bench.known(), 1);
    assert!(bench.lab.datapath.core.switches.forget(at, station(0, &mac(1))));
    assert_eq!(bench.send(1, mac(1), mac(5)), [2, 3]);
}

#[test]
fn ports_of_one_group_and_protected_ports_send_each_other_nothing() {
    let group = |group| MemberOptions { group, ..MemberOptions::default() };
    let protected = MemberOptions { protected: true, ..MemberOptions::default() };
    let mut bench = Bench::new(
        SwitchOptions::default(),
        vec![group(1), group(1), group(2), protected.clone(), protected, group(0)],
    );
    assert_eq!(bench.send(1, BROADCAST, mac(1)), [3, 4, 5, 6]);
    assert_eq!(bench.send(2, BROADCAST, mac(2)), [3, 4, 5, 6]);
    assert_eq!(bench.send(4, BROADCAST, mac(4)), [1, 2, 3, 6]);
    assert!(bench.send(2, mac(1), mac(2)).is_empty());
    assert!(bench.send(5, mac(4), mac(5)).is_empty());
    assert_eq!(bench.send(6, mac(1), mac(6)), [1]);
    assert_eq!(bench.send(3, mac(4), mac(3)), [4]);
    assert_eq!((bench.dropped(Reason::SplitHorizon), bench.dropped(Reason::ProtectedPort)), (1, 1));
    assert_eq!(bench.count(1, SwitchCount::TxSplitHorizon), 2);
    assert_eq!(bench.count(4, SwitchCount::TxProtected), 1);
}

#[test]
fn each_kind_of_storm_has_a_limit_of_its_own() {
    let member = MemberOptions { storms: [100, 200, 400], ..MemberOptions::default() };
    let mut bench = Bench::new(SwitchOptions::default(), vec![member, MemberOptions::default()]);
    bench.send(2, BROADCAST, mac(9));
    for (to, count, passed, what) in [
        (BROADCAST, 30, 10, SwitchCount::RxBroadcast),
        ([1, 0, 0x5e, 0, 0, 1], 30, 20, SwitchCount::RxMulticast),
        (mac(7), 50, 40, SwitchCount::RxUnknown),
    ] {
        let got = (0..count).filter(|_| bench.send(1, to, mac(1)) == [2]).count();
        assert_eq!((got, bench.count(1, what)), (passed, (count - passed) as u64), "{what:?}");
        assert_eq!(bench.send(1, mac(9), mac(1)), [2], "those that are known lose nothing");
    }
    bench.now += SECOND / 10;
    let got = (0..30).filter(|_| bench.send(1, BROADCAST, mac(1)) == [2]).count();
    assert_eq!(got, 10);
}

#[test]
fn a_loop_blocks_one_of_its_ports_for_a_while() {
    let mut bench = Bench::plain(4);
    // Ports 2 and 3 are joined outside: whatever leaves by the one comes back by the other.
    let mut round = VecDeque::from([(1, mac(1))]);
    let mut frames = 0;
    bench.send(4, BROADCAST, mac(4));
    bench.send(2, BROADCAST, mac(4));
    bench.send(1, BROADCAST, mac(1));
    round.extend([(2, mac(1)), (3, mac(1))]);
    while let Some((port, from)) = round.pop_front() {
        frames += 1;
        assert!(frames < 50, "it never ends");
        for out in bench.send(port, BROADCAST, from) {
            match out {
                2 => round.push_back((3, from)),
                3 => round.push_back((2, from)),
                _ => {}
            }
        }
    }
    let events = bench.events();
    assert_eq!(events.iter().filter(|what| **what == What::Loop).count(), 1, "{events:?}");
    let blocked: Vec<_> = (1..=4).filter(|port| bench.count(*port, SwitchCount::Blocked) > 0).collect();
    assert!(blocked == [2] || blocked == [3]);
    let (shut, open) = (blocked[0], 5 - blocked[0]);
    bench.send(open, BROADCAST, mac(4)); // one that was still on its way
    assert!(bench.send(1, mac(4), mac(1)).contains(&4), "it seemed to be in the loop, and is not");
    assert_eq!(bench.send(4, BROADCAST, mac(4)), [1, open as i32]);
    assert!(bench.send(shut, BROADCAST, mac(8)).is_empty());
    assert!(bench.dropped(Reason::PortBlocked) >= 1);
    assert_eq!(bench.send(4, mac(8), mac(4)), [1, open as i32], "nothing is learnt there");
    // The loop is gone, and so is the block after 10 s.
    bench.now += 10 * SECOND;
    assert_eq!(bench.send(4, BROADCAST, mac(4)), [1, 2, 3]);
    assert_eq!(bench.send(shut, mac(4), mac(8)), [4]);
    assert!(bench.lab.datapath.core.deadline().is_some_and(|due| due <= bench.now + SECOND));
    bench.lab.datapath.age(bench.now);
    assert!(bench.events().contains(&What::LoopOver));
}

#[test]
fn moves_to_a_port_that_is_gone_say_nothing_of_another() {
    let mut bench = Bench::plain(2);
    for at in 0..5 {
        bench.send(1 + at % 2, BROADCAST, mac(1)); // four moves, the last to port 1
    }
    let gone = bench.ports[1];
    bench.lab.datapath.core.remove_port(gone).unwrap();
    bench.add(MemberOptions::default());
    assert_eq!(bench.send(3, BROADCAST, mac(1)), [1]);
    assert!(!bench.events().contains(&What::Loop));
}

#[test]
fn a_rule_of_no_moves_blocks_nobody() {
    let loops = LoopRule { moves: 0, ..LoopRule::default() };
    let mut bench =
        Bench::new(SwitchOptions { loops, ..SwitchOptions::default() }, vec![MemberOptions::default(); 2]);
    for at in 0..50 {
        assert_eq!(bench.send(1 + at % 2, BROADCAST, mac(1)).len(), 1);
    }
}

#[test]
fn reserved_addresses_pass_where_it_is_said_so() {
    let reserved = |last| [0x01, 0x80, 0xc2, 0, 0, last];
    let passed = |mask| -> Vec<u8> {
        let options = SwitchOptions { reserved: mask, ..SwitchOptions::default() };
        let mut bench = Bench::new(options, vec![MemberOptions::default(); 2]);
        (0..=16).filter(|last| bench.send(1, reserved(*last), mac(1)) == [2]).collect()
    };
    assert_eq!(passed(0), [16]);
    assert_eq!(passed(1 << 2 | 1 << 14), [2, 14, 16]);
    assert_eq!(passed(FORWARD_BPDU).len(), 16);
    assert!(!passed(FORWARD_BPDU).contains(&1), "PAUSE is for nobody behind a switch");
}

#[test]
fn between_two_ports_everything_passes_but_pause() {
    let mut lab = Lab::new(Limits::default());
    let core = &mut lab.datapath.core;
    let socket = core.add_socket(7, SocketKind::Udp4).unwrap();
    let tunnel = lab.tunnel(Version::V3, socket, 1, [10, 0, 0, 1]).unwrap();
    let core = &mut lab.datapath.core;
    let session = core.add_session(tunnel, (1, 1), FrameType::Ethernet, Options::default()).unwrap();
    let device = core.add_device(9, FrameType::Ethernet, None, None).unwrap();
    core.cross_connect(session, device).unwrap();
    for last in 0..16 {
        let frame = [&[0x01, 0x80, 0xc2, 0, 0, last][..], &mac(1), &[0x88, 8], &[0; 46]].concat();
        let passes = usize::from(last != 1);
        lab.read(device, std::slice::from_ref(&frame), 0);
        assert_eq!(lab.run().datagrams().len(), passes);
        lab.receive(socket, &[incoming(v3(1, &[], None, &frame))], 0);
        assert_eq!(lab.run().written.len(), passes);
    }
    assert_eq!(lab.datapath.core.drops.get(Reason::ReservedAddress), 2);
}

#[test]
fn frames_longer_than_the_least_mtu_are_counted() {
    let member = |mtu| MemberOptions { mtu, ..MemberOptions::default() };
    let mut bench = Bench::new(SwitchOptions::default(), vec![member(1500), member(1446), member(0)]);
    let core = &bench.lab.datapath.core;
    assert_eq!(core.switches.figures(core.find_switch(bench.switch).unwrap()).1, 1446);
    for (tags, len, over) in [(vec![], 1446, 0), (vec![], 1447, 1), (vec![0x81, 0, 0, 5], 1446, 1)] {
        let frame = [&BROADCAST[..], &mac(1), &tags, &[8, 0], &vec![0; len]].concat();
        assert_eq!(bench.send_frame(1, &frame), [2, 3]);
        assert_eq!(bench.count(1, SwitchCount::OverMtu), over);
    }
}

#[test]
fn patches_join_switches_and_a_ring_of_them_ends() {
    let mut bench = Bench::new(SwitchOptions::default(), vec![access(7); 2]);
    let core = &mut bench.lab.datapath.core;
    let other = core.add_switch(SwitchOptions::default()).unwrap();
    let [a, b] = core.add_patch().unwrap();
    core.join_switch(bench.switch, a, MemberOptions::default()).unwrap();
    core.join_switch(other, b, access(0)).unwrap();
    let far = core.add_device(10, FrameType::Ethernet, None, None).unwrap();
    core.join_switch(other, far, MemberOptions::default()).unwrap();
    // VLAN 7 of the one is refused by the access port of the other.
    assert_eq!(bench.send(1, BROADCAST, mac(1)), [2]);
    let core = &mut bench.lab.datapath.core;
    core.change_switch_port(a, access(7)).unwrap();
    assert_eq!(bench.send(1, BROADCAST, mac(1)), [2, 10]);
    bench.lab.read(far, &[[&mac(1)[..], &mac(3), &[8, 0], &[0; 46]].concat()], bench.now);
    assert_eq!(bench.lab.run().written.iter().map(|(fd, _)| *fd).collect::<Vec<_>>(), [1]);
    for _ in 0..100 {
        assert_eq!(bench.send(1, BROADCAST, mac(1)), [2, 10], "however many came before");
    }
    // A ring of patches: every copy that goes round is counted, and the end of it is soon.
    for _ in 0..3 {
        let core = &mut bench.lab.datapath.core;
        let [a, b] = core.add_patch().unwrap();
        core.join_switch(bench.switch, a, access(7)).unwrap();
        core.join_switch(other, b, MemberOptions::default()).unwrap();
    }
    let got = bench.send(1, BROADCAST, mac(1));
    assert!(got.contains(&2) && got.contains(&10) && got.len() < 500, "{got:?}");
    bench.lab.datapath.core.remove_port(b).unwrap();
    bench.lab.datapath.core.remove_switch(other).unwrap();
    assert_eq!(bench.send(1, mac(77), mac(1)), [2]);
    assert!(bench.lab.datapath.core.remove_switch(other).is_err());
}

/// Two sessions of one tunnel that are joined, or a session and a device.
fn wire(a: Translation, b: Translation) -> (Lab, Handle) {
    let mut lab = Lab::new(Limits::default());
    let core = &mut lab.datapath.core;
    let socket = core.add_socket(7, SocketKind::Udp4).unwrap();
    let tunnel = lab.tunnel(Version::V3, socket, 1, [10, 0, 0, 1]).unwrap();
    let core = &mut lab.datapath.core;
    let ends =
        [1, 2].map(|id| core.add_session(tunnel, (id, id), FrameType::Ethernet, Options::default()).unwrap());
    core.translate(ends[0], a).unwrap();
    core.cross_connect(ends[0], ends[1]).unwrap();
    core.translate(ends[1], b).unwrap();
    (lab, socket)
}

#[test]
fn two_ports_that_are_joined_translate_tags() {
    let rule = Translation::Swap { outside: vec![5], inside: vec![9] };
    let (mut lab, socket) = wire(rule.clone(), Translation::None);
    let frame = |tags: &[u8]| [&BROADCAST[..], &mac(1), tags, &[8, 0], &[7; 46]].concat();
    let five = frame(&[0x81, 0, 0xa0, 5]);
    lab.receive(socket, &[incoming(v3(1, &[], None, &five)), incoming(v3(1, &[], None, &frame(&[])))], 0);
    assert_eq!(lab.run().datagrams(), [v3(2, &[], None, &frame(&[0x81, 0, 0xa0, 9]))]);
    assert_eq!(lab.datapath.core.drops.get(Reason::VlanForeign), 1);
    lab.receive(socket, &[incoming(v3(2, &[], None, &frame(&[0x81, 0, 0xa0, 9])))], 0);
    assert_eq!(lab.run().datagrams(), [v3(1, &[], None, &five)]);
    // A run that UDP_GRO joined: there is less room before each frame than its tags need.
    let push = Translation::Swap { outside: vec![], inside: vec![3, 4] };
    let (mut lab, socket) = wire(push, Translation::None);
    let bytes = v3(1, &[], None, &five).repeat(20);
    let gro = (bytes.len() / 20) as u16;
    lab.receive(socket, &[Incoming { from: peer(1), bytes, gro, flags: 0 }], 0);
    let pushed = frame(&[0x88, 0xa8, 0xa0, 3, 0x88, 0xa8, 0xa0, 4, 0x81, 0, 0xa0, 5]);
    assert_eq!(lab.run().datagrams(), vec![v3(2, &[], None, &pushed); 20]);
    // Without rules they are joined as before.
    let (mut lab, socket) = wire(rule, Translation::None);
    let core = &mut lab.datapath.core;
    let first = core.sessions.handle(0);
    core.translate(first, Translation::None).unwrap();
    lab.receive(socket, &[incoming(v3(1, &[], None, &frame(&[])))], 0);
    assert_eq!(lab.run().datagrams(), [v3(2, &[], None, &frame(&[]))]);
}

/// A super-frame as a device gives it.
fn super_frame(packet: &Packet, size: u16) -> Vec<u8> {
    let frame = packet.unfinished();
    let l4 = 14 + 4 * packet.tags.len() + 20;
    let header = l4 + 20 + packet.options.len();
    let mut vnet = vec![1, 1];
    vnet.extend([header as u16, size, l4 as u16, 16].map(u16::to_le_bytes).as_flattened());
    [vnet, frame].concat()
}

#[test]
fn super_frames_are_switched_whole_whatever_tags_they_get() {
    let packet = |tags: &[[u8; 4]]| Packet {
        tags: tags.to_vec(),
        ..Packet::tcp(1, 1000, &(0..20_000u32).map(|at| (at * 7) as u8).collect::<Vec<_>>())
    };
    let (c, s) = ([0x81, 0, 0, 5], [0x88, 0xa8, 0, 6]);
    let modes = [(Mode::Access, 5), (Mode::Trunk, 0), (Mode::Dot1qTunnel, 6), (Mode::NativeUntagged, 5)];
    for (mode, tag, came, inside) in [
        (Mode::Access, 5, &[][..], &[c][..]),
        (Mode::Trunk, 0, &[c], &[c]),
        (Mode::Dot1qTunnel, 6, &[], &[s]),
        (Mode::Dot1qTunnel, 6, &[c], &[s, c]),
    ] {
        for only in [false, true] {
            for (out, own) in modes {
                let mut lab = Lab::new(Limits { punt_bytes: 16 << 20, ..Limits::default() });
                let core = &mut lab.datapath.core;
                let switch = core.add_switch(SwitchOptions::default()).unwrap();
                let from = core.add_device(9, FrameType::Ethernet, Some(ALL), None).unwrap();
                core.join_switch(switch, from, with_mode(mode, tag)).unwrap();
                let socket = core.add_socket(7, SocketKind::Udp4).unwrap();
                let tunnel = lab.tunnel(Version::V3, socket, 1, [10, 0, 0, 1]).unwrap();
                let core = &mut lab.datapath.core;
                let session =
                    core.add_session(tunnel, (1, 1), FrameType::Ethernet, Options::default()).unwrap();
                let all = core.add_device(10, FrameType::Ethernet, Some(ALL), None).unwrap();
                let plain = core.add_device(11, FrameType::Ethernet, None, None).unwrap();
                let host = core.add_host_port(FrameType::Ethernet).unwrap();
                let outs = [session, all, plain, host];
                let outs = if only { &outs[1..2] } else { &outs[..] };
                for port in outs {
                    core.join_switch(switch, *port, with_mode(out, own)).unwrap();
                }
                let leaves: Option<&[[u8; 4]]> = match (out, inside) {
                    (Mode::Access, [one]) if *one == c => Some(&[]),
                    (Mode::Trunk, _) => Some(inside),
                    (Mode::Dot1qTunnel, [first, rest @ ..]) if *first == s => Some(rest),
                    (Mode::NativeUntagged, [first, rest @ ..]) => {
                        Some(if *first == c { rest } else { inside })
                    }
                    _ => None,
                };
                lab.read(from, &[super_frame(&packet(came), 1400)], 0);
                let output = lab.run();
                let Some(leaves) = leaves else {
                    assert_eq!((output.datagrams().len(), output.written.len()), (0, 0));
                    continue;
                };
                let expected = delivered(&super_frame(&packet(leaves), 1400)).unwrap();
                let what = format!("{mode:?} {came:?} to {out:?}");
                let to = |fd| output.written.iter().filter(move |(to, _)| *to == fd);
                assert_eq!(to(10).count(), 1, "{what}");
                assert!(delivered(&to(10).next().unwrap().1).unwrap() == expected, "{what}");
                if !only {
                    let sent: Vec<_> = output.datagrams().iter().map(|bytes| bytes[8..].to_vec()).collect();
                    assert!(sent == expected, "{what}");
                    assert!(to(11).map(|(_, frame)| frame.clone()).eq(expected.clone()), "{what}");
                    assert!(lab.punted() == expected, "{what}");
                }
            }
        }
    }
}

#[test]
fn a_checksum_that_is_not_finished_is_so_where_nobody_else_does_it() {
    let packet = Packet::tcp(1, 1000, &[3; 500]);
    let tagged = Packet { tags: vec![[0x81, 0, 0, 5]], ..packet.clone() };
    for ports in [1, 2] {
        let mut lab = Lab::new(Limits::default());
        let core = &mut lab.datapath.core;
        let switch = core.add_switch(SwitchOptions::default()).unwrap();
        let from = core.add_device(9, FrameType::Ethernet, Some(ALL), None).unwrap();
        core.join_switch(switch, from, access(5)).unwrap();
        for fd in 0..ports {
            let takes = if fd == 0 { Some(ALL) } else { None };
            let out = core.add_device(10 + fd, FrameType::Ethernet, takes, None).unwrap();
            core.join_switch(switch, out, MemberOptions::default()).unwrap();
        }
        let mut given = super_frame(&packet, 0);
        given[1] = 0;
        lab.read(from, &[given], 0);
        for (fd, write) in lab.run().written {
            let frame = if fd == 10 { delivered(&write).unwrap()[0].clone() } else { write };
            assert!(frame == tagged.frame(), "{fd} of {ports}");
        }
    }
}

#[test]
fn a_port_that_goes_takes_its_copies_and_nothing_else() {
    let payload: Vec<u8> = (0..60_000u32).map(|at| (at * 7) as u8).collect();
    for gone in 0..30 {
        let mut lab = Lab::new(Limits::default());
        let core = &mut lab.datapath.core;
        let switch = core.add_switch(SwitchOptions::default()).unwrap();
        let from = core.add_device(9, FrameType::Ethernet, Some(ALL), None).unwrap();
        core.join_switch(switch, from, access(5)).unwrap();
        let outs: Vec<_> = (0..30)
            .map(|at| {
                let out = core.add_device(10 + at, FrameType::Ethernet, None, None).unwrap();
                core.join_switch(switch, out, MemberOptions::default()).unwrap();
                out
            })
            .collect();
        lab.read(from, &[super_frame(&Packet::tcp(1, 1000, &payload), 300)], 0);
        let mut output = Output::default();
        assert!(lab.round(|| None, &mut output));
        lab.datapath.core.remove_port(outs[gone]).unwrap();
        while lab.round(|| None, &mut output) {}
        for at in 0..30 {
            let count = output.written.iter().filter(|(fd, _)| *fd == 10 + at).count();
            assert!(count == 200 || at as usize == gone, "{at}: {count}");
        }
        let core = &lab.datapath.core;
        let io = |what| core.io.get(what);
        let dropped: u64 = core.drops.all().iter().sum();
        assert_eq!(io(Io::RxFrames) + io(Io::Copies), io(Io::TxFrames) + dropped, "{gone}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever fills the arrays before it, a flood leaves whole, once by each port, and with each port's tags.
    #[test]
    fn with_every_array_nearly_full(
        before in prop::collection::vec((1u32..40, 1usize..40, 20usize..300), 0..40),
        floods in prop::collection::vec((20usize..9000, any::<bool>()), 1..64),
    ) {
        let mut lab = Lab::new(Limits { punt_bytes: 64 << 20, ..Limits::default() });
        let core = &mut lab.datapath.core;
        let socket = core.add_socket(7, SocketKind::Udp4).unwrap();
        let switch = core.add_switch(SwitchOptions { flood: Vlans::All, ..SwitchOptions::default() }).unwrap();
        let modes = [(Mode::Access, 5), (Mode::Trunk, 0), (Mode::Dot1qTunnel, 5)];
        let from = core.add_device(1, FrameType::Ethernet, None, None).unwrap();
        core.join_switch(switch, from, access(5)).unwrap();
        for at in 0..40 {
            let takes = if at % 2 == 0 { Some(ALL) } else { None };
            let device = core.add_device(10 + at, FrameType::Ethernet, takes, None).unwrap();
            let (mode, tag) = modes[at as usize % 3];
            core.join_switch(switch, device, with_mode(mode, tag)).unwrap();
        }
        for id in 1..=40 {
            let tunnel = lab.tunnel(Version::V3, socket, id, [10, 0, 0, id as u8]).unwrap();
            let options = Options { cookie: cookie(&[5; 8]), ..Options::default() };
            let core = &mut lab.datapath.core;
            let session = core.add_session(tunnel, (id, id), FrameType::Ethernet, options).unwrap();
            let (mode, tag) = modes[id as usize % 3];
            core.join_switch(switch, session, with_mode(mode, tag)).unwrap();
        }
        let batch: Vec<Incoming> = before.iter().map(|(id, count, len)| {
            let frame = [&BROADCAST[..], &mac(1), &[0x81, 0, 0, 5], &[8, 0], &vec![0; *len][..]].concat();
            let one = v3(*id, &[], None, &frame);
            Incoming { from: peer(1), bytes: one.repeat(*count), gro: one.len() as u16, flags: 0 }
        }).collect();
        lab.receive(socket, &batch, 0);
        lab.run();
        let frames: Vec<Vec<u8>> = floods.iter().enumerate().map(|(at, (len, ip))| {
            let kind = if *ip { [8, 0] } else { [0x88, 0xb5] };
            [&BROADCAST[..], &mac(2), &kind, &[at as u8], &vec![at as u8; *len][..]].concat()
        }).collect();
        lab.read(from, &frames, 0);
        let output = lab.run();
        let tagged: Vec<Vec<u8>> =
            frames.iter().map(|frame| [&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat()).collect();
        for at in 0..40 {
            let vnet = if at % 2 == 0 { 10 } else { 0 };
            let mut got: Vec<Vec<u8>> = output.written.iter()
                .filter(|(fd, _)| *fd == 10 + at).map(|(_, frame)| frame[vnet..].to_vec()).collect();
            let expected = if at % 3 == 1 { &tagged } else { &frames };
            prop_assert_eq!(got.len(), expected.len());
            got.sort_by_key(|frame| frame[if at % 3 == 1 { 18 } else { 14 }]);
            prop_assert!(&got == expected);
        }
        for id in 1..=40u32 {
            let got: Vec<Vec<u8>> = output.datagrams().into_iter()
                .filter(|bytes| bytes[4..8] == id.to_be_bytes()).map(|bytes| bytes[16..].to_vec()).collect();
            let expected = if id % 3 == 1 { &tagged } else { &frames };
            prop_assert!(&got == expected);
        }
        let core = &lab.datapath.core;
        let io = |what| core.io.get(what);
        let came = io(Io::RxDatagrams) + io(Io::RxFrames) + io(Io::Copies);
        let dropped: u64 = core.drops.all().iter().sum();
        prop_assert_eq!(came, io(Io::TxSegments) + io(Io::TxFrames) + dropped);
    }
}

#[test]
fn a_port_that_is_down_takes_and_gets_nothing_and_its_stations_are_forgotten() {
    let mut bench = Bench::plain(3);
    let [a, b] = [[2, 0, 0, 0, 0, 0xa], [2, 0, 0, 0, 0, 0xb]];
    bench.send(1, [0xff; 6], a);
    bench.send(2, [0xff; 6], b);
    assert_eq!(bench.send(1, b, a), [2]);
    let set = |bench: &mut Bench, down| {
        let options = MemberOptions { down, ..MemberOptions::default() };
        bench.lab.datapath.core.change_switch_port(bench.ports[1], options).unwrap();
    };
    set(&mut bench, true);
    assert_eq!((bench.learnt(2), bench.learnt(1)), (0, 1));
    assert_eq!(bench.send(1, b, a), [3], "it is flooded to the others, and not there");
    assert_eq!(bench.send(1, [0xff; 6], a), [3]);
    assert_eq!(bench.send(2, a, b), [0; 0]);
    assert_eq!((bench.count(2, SwitchCount::TxBlocked), bench.count(2, SwitchCount::RxBlocked)), (2, 1));
    assert_eq!(bench.dropped(Reason::PortBlocked), 1);
    let core = &bench.lab.datapath.core;
    let member = core.member(bench.ports[1]).unwrap();
    assert_eq!(core.switches.member(member, bench.now).2, 0, "it is in no loop");
    bench.now += 10_000 * SECOND;
    bench.lab.datapath.age(bench.now);
    assert_eq!(bench.send(1, [0xff; 6], a), [3], "nothing but a change brings it up");
    set(&mut bench, true);
    assert_eq!(bench.send(1, [0xff; 6], a), [3]);
    set(&mut bench, false);
    assert_eq!(bench.send(1, [0xff; 6], a), [2, 3]);
    bench.add(MemberOptions { down: true, ..MemberOptions::default() });
    assert_eq!(bench.send(1, [0xff; 6], a), [2, 3], "one may be down from the start");
}
