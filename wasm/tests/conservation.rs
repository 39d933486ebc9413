//! Whatever comes in is forwarded, punted, queued, or counted once under a reason; and nothing makes the datapath panic.

mod kernel;

use std::collections::HashMap;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Counters, Io, Reason};
use isthmus_datapath::header::Version;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::pppoe::PppoeRequest;
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::switch::{MemberOptions, SwitchOptions};
use isthmus_datapath::template::Framing;
use isthmus_datapath::tunnel::SocketKind;
use kernel::{Incoming, Lab, cookie, peer, v3};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Datagrams(usize, Vec<(Message, u16, bool)>),
    Frames(Vec<usize>),
    /// Frames of PPPoE sessions, of one that there is not, and cut ones: session id, length, what is missing at the end.
    Packets(Vec<(u16, usize, usize)>),
    /// Frames into a switch: by which of its ports, and destination and source of each.
    Switched(usize, Vec<(u8, u8, usize)>),
    Inject(usize),
    Control(usize),
    Age(u64),
    Change(usize, bool, u64),
    Remove(usize),
    Disconnect(usize),
}

/// A datagram in the making.
#[derive(Clone, Debug)]
enum Message {
    V2 { tunnel: u16, session: u16, flags: u8, ns: u16, len: usize },
    V3 { session: u32, cookie: bool, ns: Option<u32>, len: usize },
    Control { version: u8 },
    Mutated(Box<Message>, usize, u8),
    Cut(Box<Message>, usize),
    Random(Vec<u8>),
}

impl Message {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::V2 { tunnel, session, flags, ns, len } => {
                let mut bytes = vec![flags & 0x4a, 2];
                let header = 6 + if flags & 0x40 != 0 { 2 } else { 0 } + if flags & 8 != 0 { 4 } else { 0 };
                let header = header + if flags & 2 != 0 { 5 } else { 0 };
                if flags & 0x40 != 0 {
                    bytes.extend(((header + len) as u16).to_be_bytes());
                }
                bytes.extend([tunnel.to_be_bytes(), session.to_be_bytes()].concat());
                if flags & 8 != 0 {
                    bytes.extend([ns.to_be_bytes(), [0; 2]].concat());
                }
                if flags & 2 != 0 {
                    bytes.extend([0, 3, 0, 0, 0]);
                }
                bytes.resize(header + len, 0xc1);
                bytes
            }
            Self::V3 { session, cookie, ns, len } => {
                let cookie: &[u8] = if *cookie { &[1, 2, 3, 4] } else { &[] };
                v3(*session, cookie, *ns, &vec![0xc2; *len])
            }
            Self::Control { version } => vec![0xc8, *version, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0],
            Self::Mutated(message, at, bits) => {
                let mut bytes = message.bytes();
                let at = at % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
                bytes
            }
            Self::Cut(message, len) => {
                let mut bytes = message.bytes();
                bytes.truncate(*len);
                bytes
            }
            Self::Random(bytes) => bytes.clone(),
        }
    }
}

fn message() -> impl Strategy<Value = Message> {
    let ns = 0u32..12;
    let plain = prop_oneof![
        4 => (1u16..4, 1u16..6, any::<u8>(), 0u16..12, 0usize..80)
            .prop_map(|(tunnel, session, flags, ns, len)| Message::V2 { tunnel, session, flags, ns, len }),
        4 => (1u32..8, any::<bool>(), prop::option::of(ns), 0usize..80)
            .prop_map(|(session, cookie, ns, len)| Message::V3 { session, cookie, ns, len }),
        1 => (1u8..5).prop_map(|version| Message::Control { version }),
    ];
    prop_oneof![
        6 => plain.clone(),
        1 => (plain.clone(), any::<usize>(), any::<u8>()).prop_map(|(m, at, bits)| Message::Mutated(Box::new(m), at, bits)),
        1 => (plain, 0usize..24).prop_map(|(m, len)| Message::Cut(Box::new(m), len)),
        1 => prop::collection::vec(any::<u8>(), 0..48).prop_map(Message::Random),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let gro = prop_oneof![3 => Just(0u16), 1 => 1u16..60];
    prop_oneof![
        8 => (0usize..4, prop::collection::vec((message(), gro, prop::bool::weighted(0.05)), 0..64))
            .prop_map(|(socket, messages)| Step::Datagrams(socket, messages)),
        2 => prop::collection::vec(0usize..100, 0..64).prop_map(Step::Frames),
        2 => prop::collection::vec((1u16..5, 0usize..100, 0usize..3), 0..64).prop_map(Step::Packets),
        2 => (0usize..3, prop::collection::vec((0u8..10, 0u8..10, 0usize..100), 0..20))
            .prop_map(|(port, frames)| Step::Switched(port, frames)),
        2 => (0usize..100).prop_map(Step::Inject),
        1 => (0usize..4).prop_map(Step::Control),
        2 => (0u64..50_000).prop_map(Step::Age),
        1 => (any::<usize>(), any::<bool>(), 0u64..3).prop_map(|(port, on, timeout)| Step::Change(port, on, timeout)),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => any::<usize>().prop_map(Step::Disconnect),
    ]
}

struct World {
    lab: Lab,
    sockets: Vec<Handle>,
    ports: Vec<Handle>,
    device: Handle,
    wire: Handle,
    host: Handle,
    switched: [Handle; 3],
}

/// v2 and v3 tunnels over all kinds of sockets, their sessions joined across versions, to a device, to TypeScript, or to
/// nothing.
fn world() -> World {
    let mut lab =
        Lab::new(Limits { reorder_frames: 4, reorder_bytes: 300, punt_bytes: 3000, ..Limits::default() });
    let kinds = [SocketKind::Udp4, SocketKind::Udp6, SocketKind::Ip4, SocketKind::Ip6];
    let sockets: Vec<_> = kinds
        .iter()
        .enumerate()
        .map(|(fd, kind)| lab.datapath.core.add_socket(fd as i32, *kind).unwrap())
        .collect();
    let tunnels = [
        lab.tunnel(Version::V2, sockets[0], 1, [10, 0, 0, 1]),
        lab.tunnel(Version::V2, sockets[1], 2, [10, 0, 0, 2]),
        lab.tunnel(Version::V3, sockets[0], 1, [10, 0, 0, 1]),
        lab.tunnel(Version::V3, sockets[1], 2, [10, 0, 0, 2]),
        lab.tunnel(Version::V3, sockets[2], 3, [10, 0, 0, 3]),
        lab.tunnel(Version::V3, sockets[3], 4, [10, 0, 0, 4]),
    ]
    .map(Result::unwrap);
    let mut ports = Vec::new();
    for (at, tunnel) in tunnels.into_iter().enumerate() {
        for id in 1..4 {
            let v2 = at < 2;
            ports.push(lab.session(
                tunnel,
                id,
                Options {
                    l2spec: id == 2,
                    peer_l2spec: id == 2,
                    send_seq: id == 3,
                    recv_seq: at == 1 && id == 2,
                    lns_mode: id == 3 && at != 2,
                    cookie: if v2 { cookie(&[]) } else { cookie(&[9; 8]) },
                    peer_cookie: if v2 || id == 1 { cookie(&[]) } else { cookie(&[1, 2, 3, 4]) },
                    reorder_timeout: if id == 2 || at == 0 { 10_000 } else { 0 },
                    patience: Default::default(),
                    framing: [Framing::Kept, Framing::With, Framing::Without][at % 3],
                },
            ));
        }
    }
    let core = &mut lab.datapath.core;
    let device = core.add_device(9, FrameType::Ppp, None, None).unwrap();
    let host = core.add_host_port(FrameType::Ppp).unwrap();
    for (a, b) in [(0, 6), (1, 7), (3, 9), (4, 12), (10, 15)] {
        core.cross_connect(ports[a], ports[b]).unwrap();
    }
    core.cross_connect(ports[2], device).unwrap();
    core.cross_connect(ports[8], host).unwrap();
    // PPPoE sessions that are joined to L2TP ones, and the port's own frames, which are TypeScript's.
    let wire = core.add_device(10, FrameType::Ethernet, None, None).unwrap();
    let own = core.add_host_port(FrameType::Ethernet).unwrap();
    core.cross_connect(wire, own).unwrap();
    for (id, far) in [(1, 5), (2, 11), (3, 17)] {
        let request =
            PppoeRequest { peer: [2; 6], own: [4; 6], tags: &[[0x81, 0, 0, id as u8]], session_id: id };
        let session = core.add_pppoe(wire, &request).unwrap();
        core.cross_connect(session, ports[far]).unwrap();
        ports.push(session);
    }
    // Three devices of a switch, with too little room for their stations.
    let options = SwitchOptions { table: 10, ..SwitchOptions::default() };
    let switch = core.add_switch(options).unwrap();
    let switched = [11, 12, 13].map(|fd| {
        let port = core.add_device(fd, FrameType::Ethernet, None, None).unwrap();
        let member = MemberOptions { limit: 4, storms: [0, 0, 50], ..MemberOptions::default() };
        core.join_switch(switch, port, member).unwrap();
        port
    });
    ports.extend([device, host, wire, own]);
    ports.extend(switched);
    World { lab, sockets, ports, device, wire, host, switched }
}

/// A frame of a PPPoE session, in the VLAN of its id.
fn pppoe(id: u16, len: usize, missing: usize) -> Vec<u8> {
    let tag = [0x81, 0, 0, id as u8];
    let header = [0x88, 0x64, 0x11, 0, 0, id as u8, 0, len as u8];
    let mut frame = [&[4; 6][..], &[2; 6], &tag, &header, &vec![0xc1; len]].concat();
    frame.truncate(frame.len() - missing);
    frame
}

fn add(sum: &mut Counters, counters: Counters) {
    sum.iter_mut().zip(counters).for_each(|(sum, count)| *sum += count);
}

/// Frames that wait in reorder queues.
fn waiting(lab: &Lab) -> u64 {
    let sessions = &lab.datapath.core.sessions;
    let queues = sessions.indices().filter_map(|at| sessions.rare(at).queue.as_ref());
    queues.map(|queue| queue.len() as u64).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nothing_is_lost_uncounted(
        steps in prop::collection::vec(step(), 1..25),
        failures in prop::collection::vec(prop::option::weighted(0.1, prop::sample::select(vec![Reason::SocketFull, Reason::TooLong, Reason::NoRoute, Reason::DeviceFull])), 64),
    ) {
        let World { mut lab, sockets, ports, device, wire, host, switched } = world();
        let (mut now, mut given, mut sent, mut written) = (1_000_000, 0u64, 0u64, 0u64);
        let mut failures = failures.into_iter().cycle();
        let mut removed: HashMap<u32, Counters> = HashMap::new();
        for step in steps {
            match step {
                Step::Datagrams(socket, messages) => {
                    let ip = socket >= 2;
                    let batch: Vec<_> = messages.iter().map(|(message, gro, cut)| {
                        let mut bytes = message.bytes();
                        if ip && bytes.len() > 4 && bytes[1] == 3 && bytes[0] & 0x80 == 0 {
                            bytes.drain(..4);
                        } else if ip {
                            bytes.splice(0..0, [0; 4]);
                        }
                        if socket == 2 {
                            bytes.splice(0..0, [&[0x45][..], &[0; 19]].concat());
                        }
                        let gro = if ip { 0 } else { *gro };
                        let parts = if gro == 0 || *cut { 1 } else { bytes.len().div_ceil(gro.into()).max(1) };
                        given += parts as u64;
                        Incoming { from: peer(1), bytes, gro, flags: if *cut { 0x20 } else { 0 } }
                    }).collect();
                    lab.receive(sockets[socket], &batch, now);
                }
                Step::Frames(lens) => {
                    if lab.datapath.core.port(device).is_none() { continue }
                    given += lens.len() as u64;
                    lab.read(device, &lens.iter().map(|len| vec![0xdd; *len]).collect::<Vec<_>>(), now);
                }
                Step::Packets(frames) => {
                    if lab.datapath.core.port(wire).is_none() { continue }
                    given += frames.len() as u64;
                    let frames = frames.iter().map(|(id, len, missing)| (pppoe(*id, *len, *missing), Vec::new()));
                    lab.receive_packets(wire, &frames.collect::<Vec<_>>(), now);
                }
                Step::Switched(port, frames) => {
                    let port = switched[port];
                    if lab.datapath.core.port(port).is_none() { continue }
                    given += frames.len() as u64;
                    let frames = frames.iter().map(|(to, from, len)| {
                        let to = if *to == 0 { [0xff; 6] } else { [2, 0, 0, 0, 0, *to] };
                        let frame = [&to[..], &[2, 0, 0, 0, 0, *from], &[8, 0], &vec![0; *len]].concat();
                        frame[..frame.len().min(8 + *len)].to_vec()
                    });
                    lab.read(port, &frames.collect::<Vec<_>>(), now);
                }
                Step::Inject(len) => given += u64::from(lab.datapath.inject(host, &vec![0xee; len]).is_ok()),
                Step::Control(socket) => {
                    let remote = (peer(3).ip(), 1701, 0);
                    lab.datapath.core.send_control(sockets[socket], remote, None, 0, &[0xc8; 12]).unwrap();
                    given += 1;
                }
                Step::Age(by) => {
                    now += by;
                    lab.datapath.age(now);
                }
                Step::Change(port, on, timeout) => {
                    let core = &mut lab.datapath.core;
                    let port = ports[port % ports.len()];
                    if let Some(at) = core.sessions.find(port) {
                        let options = core.sessions.rare(at).options;
                        let change = Options { send_seq: on, reorder_timeout: timeout * 5000, ..options };
                        let of_l2tp = !core.is_link(core.sessions.rx[at].tunnel);
                        prop_assert_eq!(core.change_session(port, change).is_ok(), of_l2tp);
                    }
                }
                Step::Remove(port) => {
                    let core = &mut lab.datapath.core;
                    let port = ports[port % ports.len()];
                    if let Some(at) = core.sessions.find(port) {
                        add(removed.entry(core.sessions.rx[at].tunnel).or_default(), core.sessions.counters(at));
                    }
                    drop(core.remove_port(port));
                }
                Step::Disconnect(port) => drop(lab.datapath.core.disconnect(ports[port % ports.len()])),
            }
            let output = lab.run_failing(|| failures.next().flatten());
            let on_link = output.sent.iter().filter(|sent| sent.fd == 10).count() as u64;
            sent += output.datagrams().len() as u64 - on_link;
            written += output.written.len() as u64 + on_link;

            let core = &lab.datapath.core;
            let io = |what| core.io.get(what);
            let dropped: u64 = core.drops.all().iter().sum();
            let control_dropped = core.drops.get(Reason::ControlQueueFull);
            prop_assert_eq!(control_dropped, 0);
            let came = io(Io::RxDatagrams) + io(Io::RxFrames) + io(Io::Injected);
            let went = io(Io::TxSegments) + io(Io::TxFrames) + io(Io::PuntedControl) + io(Io::PuntedFrames);
            prop_assert_eq!(given + io(Io::Copies), went + io(Io::TxControl) + dropped + waiting(&lab));
            prop_assert!(came <= given);
            prop_assert_eq!(io(Io::TxSegments) + io(Io::TxControl), sent);
            prop_assert_eq!(io(Io::TxFrames), written);
            let tunnels: Vec<_> = core.tunnels.indices().collect();
            let sent_by = |at: &u32| core.tunnels[*at].counters[0];
            let of_l2tp = tunnels.iter().filter(|at| !core.is_link(**at));
            prop_assert_eq!(of_l2tp.map(sent_by).sum::<u64>(), io(Io::TxSegments));
            for tunnel in tunnels {
                let mut sum = removed.get(&tunnel).copied().unwrap_or_default();
                for at in core.sessions.indices().filter(|at| core.sessions.rx[*at].tunnel == tunnel) {
                    add(&mut sum, core.sessions.counters(at));
                }
                prop_assert_eq!(core.tunnels[tunnel].counters, sum);
            }
            if waiting(&lab) == 0 {
                prop_assert_eq!(core.reorder_bytes, 0);
            }
            prop_assert!(core.reorder_bytes <= core.limits.reorder_bytes + 200);
            if now % 3 == 0 {
                lab.punted();
            }
        }
    }
}
