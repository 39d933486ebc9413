//! A world of sockets, tunnels, sessions and other ports, what can happen to it, and what must hold whatever does.

use std::collections::HashMap;

use isthmus_datapath::abi::{Ip, Name};
use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Counters, Io, Reason};
use isthmus_datapath::fdb::station;
use isthmus_datapath::header::{Encap, Version};
use isthmus_datapath::inside::{Identity, Where};
use isthmus_datapath::loops::LoopRule;
use isthmus_datapath::manage::TunnelRequest;
use isthmus_datapath::offload::Takes;
use isthmus_datapath::policy::{Bucket, Clamp, Policy, Source};
use isthmus_datapath::port::FrameType;
use isthmus_datapath::pppoe::PppoeRequest;
use isthmus_datapath::receive::{BATCH, ROOM};
use isthmus_datapath::sequence::Patience;
use isthmus_datapath::session::{Options, TunnelShape};
use isthmus_datapath::slab::Handle;
use isthmus_datapath::switch::{MemberOptions, SwitchOptions};
use isthmus_datapath::template::Framing;
use isthmus_datapath::tunnel::{Outer, SocketKind, SourceCheck};
use isthmus_datapath::vlan::{Mode, PortVlans, PriorityTags, Translation, Vlans};

use crate::datagrams::{self, Known, Stage};
use crate::kernel::packet::delivered;
use crate::kernel::{Incoming, Lab, Output, cookie};
use crate::ppp::Terminations;
use crate::random::Random;

const KINDS: [SocketKind; 5] =
    [SocketKind::Udp4, SocketKind::Udp4, SocketKind::Udp6, SocketKind::Ip4, SocketKind::Ip6];
const REASONS: [Reason; 4] = [Reason::SocketFull, Reason::TooLong, Reason::NoRoute, Reason::DeviceFull];

struct Tunnel {
    handle: Handle,
    request: TunnelRequest,
    socket: usize,
}

struct Session {
    handle: Handle,
    tunnel: usize,
    known: Known,
}

pub struct World {
    pub random: Random,
    pub lab: Lab,
    /// Microseconds.
    pub now: u64,
    sockets: Vec<Handle>,
    tunnels: Vec<Tunnel>,
    sessions: Vec<Session>,
    /// Devices, by their descriptors too, and whether they have IFF_VNET_HDR.
    devices: Vec<(Handle, bool)>,
    /// PPPoE sessions, and where their frames come.
    pppoe: Vec<(Handle, Stage)>,
    hosts: Vec<Handle>,
    switches: Vec<Handle>,
    patches: Vec<Handle>,
    pub ppp: Terminations,
    /// A batch was handed in and is not dealt with.
    pub pending: bool,
    controls: u64,
    /// What a tunnel's removed sessions had counted, by the tunnel's handle.
    removed: HashMap<u64, Counters>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let limits = Limits {
            sessions: 30,
            reorder_frames: random.pick(&[1, 4, 100]),
            reorder_bytes: random.pick(&[300, 5000, 1 << 20]),
            punt_bytes: random.pick(&[3000, 1 << 20]),
        };
        let mut lab = Lab::new(limits);
        let sockets = KINDS.iter().enumerate();
        let sockets =
            sockets.map(|(fd, kind)| lab.datapath.core.add_socket(fd as i32, *kind).unwrap()).collect();
        let mut world = Self {
            random,
            lab,
            now: 1_000_000,
            sockets,
            tunnels: Vec::new(),
            sessions: Vec::new(),
            devices: Vec::new(),
            pppoe: Vec::new(),
            hosts: Vec::new(),
            switches: Vec::new(),
            patches: Vec::new(),
            ppp: Terminations::default(),
            pending: false,
            controls: 0,
            removed: HashMap::new(),
        };
        (0..40).for_each(|_| world.add());
        (0..12).for_each(|_| world.join());
        world
    }

    /// Lets something happen, and looks whether all is well.
    pub fn step(&mut self) {
        self.now += self.random.pick(&[0, 100, 5000, 20_000]) as u64;
        match self.random.below(50) {
            0..10 => self.datagrams(),
            10..12 => self.forged(),
            12..16 => self.frames(),
            35..38 => self.packets(),
            38..48 => self.terminate(),
            16..18 => self.inject(),
            18 => self.control(),
            19..22 => self.age(),
            22 => self.change_session(),
            23 => self.hold_to(),
            24 => self.change_tunnel(),
            25..27 => self.add(),
            27..29 => self.remove(),
            29..32 => self.join(),
            32..35 => self.operate(),
            48 => self.hold(),
            _ => self.nonsense(),
        }
        // What happens next may happen in the midst of a batch.
        let rounds = if self.random.percent(25) { self.random.below(3) } else { usize::MAX };
        self.run(rounds);
    }

    /// Lets everything leave that waits.
    pub fn finish(&mut self) {
        self.run(usize::MAX);
        self.now += 100_000_000;
        self.lab.datapath.age(self.now);
        self.run(usize::MAX);
        // Stations that were learnt are still to be swept.
        let due = self.lab.datapath.core.deadline();
        assert!(due.is_none() || due == self.lab.datapath.core.switches.deadline(self.now));
        assert_eq!(self.lab.datapath.core.reorder_bytes, 0);
    }

    fn run(&mut self, rounds: usize) {
        let mut output = Output::default();
        let failing = self.random.pick(&[0, 0, 5, 50]);
        for _ in 0..rounds {
            let Self { random, lab, .. } = self;
            let fails = || random.percent(failing).then(|| random.pick(&REASONS));
            if !lab.round(fails, &mut output) {
                self.pending = false;
                self.check();
                break;
            }
        }
        for (fd, write) in &output.written {
            if !self.ppp.is_written(*fd, write) && self.devices[*fd as usize].1 {
                // What came damaged may leave damaged, but not with a header that the kernel refuses.
                let damaged = ["no sum", "the IP header's", "an IP length"];
                if let Err(why) = delivered(write) {
                    assert!(damaged.iter().any(|what| why.starts_with(what)), "a refused write: {why}");
                }
            }
        }
        if self.random.percent(50) {
            self.lab.punted();
        }
    }

    /// What must hold when all that was handed in is dealt with.
    fn check(&self) {
        let core = &self.lab.datapath.core;
        let io = |what| core.io.get(what);
        let queues = core.sessions.indices().filter_map(|at| core.sessions.rare(at).queue.as_ref());
        let waiting: u64 = queues.map(|queue| queue.len() as u64).sum();
        let dropped: u64 = core.drops.all().iter().sum();
        let made = io(Io::Copies) + io(Io::Fragments) + io(Io::IcmpErrors);
        let came = io(Io::RxDatagrams) + io(Io::RxFrames) + io(Io::Injected) + made + self.controls;
        let left = io(Io::TxSegments) + io(Io::TxFrames) + io(Io::TxControl);
        let punted = io(Io::PuntedControl) + io(Io::PuntedFrames);
        let waiting = waiting + (core.joining.waiting() + core.early.waiting()) as u64;
        assert_eq!(came, left + punted + dropped + waiting, "{:?}", core.drops.all());
        assert!(core.reorder_bytes <= core.limits.reorder_bytes);
        for tunnel in core.tunnels.indices() {
            let number = core.tunnels.handle(tunnel).to_number() as u64;
            let mut sum = self.removed.get(&number).copied().unwrap_or_default();
            for at in core.sessions.indices().filter(|at| core.sessions.rx[*at].tunnel == tunnel) {
                add(&mut sum, core.sessions.counters(at));
            }
            assert_eq!(core.tunnels[tunnel].counters, sum);
        }
    }

    fn datagrams(&mut self) {
        if self.pending {
            return;
        }
        let at = self.random.below(KINDS.len());
        let kind = KINDS[at];
        let count = self.random.below(BATCH + 1);
        let mut batch = Vec::new();
        while batch.len() < count {
            let message = self.message(at);
            let Self { random, .. } = self;
            // A super-datagram: the same again and again, some of them damaged.
            let repeat =
                if kind.encap() == Encap::Udp && random.percent(20) { 1 + random.below(80) } else { 1 };
            let gro = if repeat > 1 { message.1.len() as u16 } else { 0 };
            let gro = if random.percent(3) { random.next() as u16 } else { gro };
            let mut bytes: Vec<_> =
                (0..repeat).flat_map(|_| datagrams::damage(random, message.1.clone(), 2)).collect();
            if kind == SocketKind::Ip4 {
                bytes.splice(0..0, [&[0x45][..], &random.bytes(19)].concat());
            }
            bytes.truncate(ROOM);
            let flags = if random.percent(3) { 0x20 } else { 0 };
            batch.push(Incoming { from: message.0, bytes, gro, flags });
        }
        self.lab.receive(self.sockets[at], &batch, self.now);
        self.pending = true;
    }

    /// Who sends to a socket, and what.
    fn message(&mut self, socket: usize) -> (Name, Vec<u8>) {
        let (kind, encap) = (KINDS[socket], KINDS[socket].encap());
        let from = self.peer(kind);
        let Self { random, sessions, tunnels, .. } = self;
        let from = Name::new(kind.is_v6(), from.0, from.1, from.2).unwrap();
        let here: Vec<_> = (0..sessions.len())
            .filter(|at| tunnels[sessions[*at].tunnel].request.shape.encap == encap)
            .collect();
        let bytes = match random.below(20) {
            0 => datagrams::control(random, encap),
            1 => {
                let len = random.below(60);
                random.bytes(len)
            }
            _ if here.is_empty() => Vec::new(),
            _ => {
                let session = &mut sessions[here[random.below(here.len())]];
                let ppp = random.percent(40);
                let frame = if ppp { datagrams::ppp(random) } else { datagrams::frame(random) };
                let numbered = random.percent(70);
                let bytes = datagrams::data(random, &mut session.known, encap, numbered, &frame);
                datagrams::damage(random, bytes, 6)
            }
        };
        (from, bytes)
    }

    fn peer(&mut self, kind: SocketKind) -> (Ip, u16, u32) {
        let Self { random, .. } = self;
        let last = 1 + random.below(3) as u8;
        let port = if kind.encap() == Encap::Udp { random.pick(&[1701, 1701, 4500]) } else { 0 };
        match kind.is_v6() {
            false => (Ip::new(&[10, 0, 0, last]).unwrap(), port, 0),
            true => {
                let mut ip = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                ip[15] = last;
                (Ip(ip), port, random.pick(&[2, 2, 3, 0]))
            }
        }
    }

    /// A batch of which nothing is as the kernel would have it, but for the pointers.
    fn forged(&mut self) {
        if self.pending {
            return;
        }
        let Self { random, lab, .. } = self;
        let count = random.below(BATCH + 1);
        let socket = random.pick(&self.sockets);
        lab.receive_forged(socket, count, self.now, |message, name, control| {
            name.copy_from_slice(&random.bytes(name.len()));
            name[0] = random.pick(&[2, 10, 1]);
            // Headers of control messages: lengths, then level and type.
            for word in control.chunks_exact_mut(8) {
                let likely = random.pick(&[0u64, 16, 18, 20, 28, 36, 17 << 8, 0x68_0000_0011, u64::MAX]);
                let anything = random.next();
                word.copy_from_slice(&if random.percent(70) { likely } else { anything }.to_le_bytes());
            }
            message.name_len = random.pick(&[0, 2, 16, 28, 32, u32::MAX]);
            message.control_len = random.pick(&[0, 16, 24, 48, 128, 129, u64::MAX]);
            message.flags = random.pick(&[0, 0, 0, 8, 0x20, u32::MAX]);
            message.len = random.pick(&[0, 1, 8, 100, 9000, 65_535, 65_536, 65_537, u32::MAX]);
        });
        self.pending = true;
    }

    fn frames(&mut self) {
        if self.pending || self.devices.is_empty() {
            return;
        }
        let Self { random, lab, .. } = self;
        let (device, vnet) = random.pick(&self.devices);
        let count = random.below(BATCH + 1);
        let made = |_| if vnet { datagrams::vnet_frame(random) } else { datagrams::frame(random) };
        let frames: Vec<_> = (0..count).map(made).collect();
        if lab.datapath.core.port(device).is_none() {
            return;
        }
        lab.read(device, &frames, self.now);
        self.pending = true;
        if self.random.percent(10) {
            let lengths = [-1, 0, 1, 9, 10, 11, 65_535, 65_536, i32::MAX, i32::MIN];
            self.lab.forge_lengths(|| self.random.pick(&lengths));
        }
    }

    /// Frames of a packet socket, of its PPPoE sessions among them, and of some that there are not.
    fn packets(&mut self) {
        if self.pending || self.devices.is_empty() {
            return;
        }
        let Self { random, lab, devices, pppoe, .. } = self;
        let (device, vnet) = random.pick(devices);
        if lab.datapath.core.port(device).is_none() {
            return;
        }
        let count = random.below(BATCH + 1);
        let here: Vec<_> = pppoe.iter().filter(|(_, stage)| stage.device == device).collect();
        let mut packets = Vec::new();
        for _ in 0..count {
            let mut frame = match here.is_empty() || random.percent(20) {
                true => datagrams::frame(random),
                false => {
                    let stage = random.pick_of(&here).1.clone();
                    datagrams::pppoe(random, &stage)
                }
            };
            // The kernel takes the outer tag off, or not.
            let tagged = frame.len() > 18 && matches!(frame[12..14], [0x81, 0] | [0x88, 0xa8]);
            let tag: Option<Vec<u8>> =
                (tagged && random.percent(60)).then(|| frame.splice(12..16, []).collect());
            let header = if vnet { vec![0; 10] } else { Vec::new() };
            let header = if vnet { datagrams::vnet_header(random) } else { header };
            packets.push(([header, frame].concat(), datagrams::auxiliary(tag.as_deref())));
        }
        lab.receive_packets(device, &packets, self.now);
        self.pending = true;
    }

    fn inject(&mut self) {
        let Self { random, lab, hosts, .. } = self;
        if hosts.is_empty() {
            return;
        }
        for _ in 0..random.below(20) {
            let host = random.pick(hosts);
            let ppp = random.percent(50);
            let frame = if ppp { datagrams::ppp(random) } else { datagrams::frame(random) };
            let _ = lab.datapath.inject(host, &frame); // it may be gone
        }
    }

    fn control(&mut self) {
        let at = self.random.below(KINDS.len());
        let remote = self.peer(KINDS[at]);
        let len = self.random.below(1500);
        let data = self.random.bytes(len);
        self.lab.datapath.core.send_control(self.sockets[at], remote, None, 0, &data).unwrap();
        self.controls += 1;
    }

    fn age(&mut self) {
        self.now += self.random.pick(&[0, 1000, 30_000, 2_000_000]) as u64;
        self.lab.datapath.age(self.now);
        assert!(self.lab.datapath.core.deadline().is_none_or(|due| due > self.now));
    }

    fn options(&mut self, version: Version) -> (Options, Vec<u8>) {
        let Self { random, .. } = self;
        let mut bytes = |chance| {
            let len = if version == Version::V3 && random.percent(chance) { random.pick(&[4, 8]) } else { 0 };
            vec![0x5a; len]
        };
        let (sent, received) = (bytes(50), bytes(50));
        let options = Options {
            l2spec: version == Version::V3 && random.percent(70),
            peer_l2spec: version == Version::V3 && random.percent(70),
            send_seq: random.percent(30),
            recv_seq: random.percent(10),
            lns_mode: random.percent(30),
            cookie: cookie(&sent),
            peer_cookie: cookie(&received),
            reorder_timeout: random.pick(&[0, 1000, 30_000, 60_000_000]),
            patience: Patience {
                restart_after: random.pick(&[1, 50, 1000]),
                restart_run: random.pick(&[1, 3, 32]),
            },
            framing: random.pick(&[Framing::Kept, Framing::With, Framing::Without]),
        };
        (options, received)
    }

    fn add(&mut self) {
        match self.random.below(13) {
            0..3 => self.add_tunnel(),
            10..13 => self.add_pppoe(),
            3..7 => self.add_session(),
            7 => {
                let takes =
                    Takes { checksum: true, tcp: self.random.percent(80), udp: self.random.percent(60) };
                let takes = self.random.percent(60).then_some(takes);
                let tag = self.random.percent(20).then_some([0x81, 0, 0, 9]);
                let fd = self.devices.len() as i32;
                let device = self.lab.datapath.core.add_device(fd, FrameType::Ethernet, takes, tag).unwrap();
                if self.random.percent(40) {
                    self.lab.datapath.core.send_in_messages(device).unwrap();
                }
                self.devices.push((device, takes.is_some()));
            }
            8 => {
                let frame_type = self.frame_type();
                self.hosts.push(self.lab.datapath.core.add_host_port(frame_type).unwrap());
            }
            _ => self.add_switch(),
        }
    }

    fn request(&mut self, tunnel_id: u32, version: Version, socket: usize) -> TunnelRequest {
        let kind = KINDS[socket];
        let Self { random, .. } = self;
        let outer = Outer {
            tos: random.percent(20).then(|| random.next() as u8),
            inherit: random.percent(20),
            ttl: random.percent(10).then(|| random.next() as u8),
            mark: random.pick(&[0, 0, 0, 5]),
        };
        TunnelRequest {
            shape: TunnelShape { version, encap: kind.encap(), peer_tunnel_id: 7 },
            tunnel_id,
            socket: self.sockets[socket],
            remote: self.peer(kind),
            local: None,
            source_check: self.random.pick(&[SourceCheck::None, SourceCheck::Address, SourceCheck::Endpoint]),
            outer,
            longest: 0,
            segment: self.random.percent(80),
        }
    }

    fn add_tunnel(&mut self) {
        let socket = self.random.below(KINDS.len());
        let version = if self.random.percent(40) { Version::V2 } else { Version::V3 };
        let id = 1 + self.random.below(12) as u32;
        let request = self.request(id, version, socket);
        if let Ok(handle) = self.lab.datapath.core.add_tunnel(request) {
            self.tunnels.push(Tunnel { handle, request, socket });
        }
    }

    fn add_session(&mut self) {
        if self.tunnels.is_empty() {
            return;
        }
        let tunnel = self.random.below(self.tunnels.len());
        let Tunnel { handle, request, .. } = self.tunnels[tunnel];
        let version = request.shape.version;
        let session_id = 1 + self.random.below(4) as u32;
        let (options, cookie) = self.options(version);
        let frame_type = self.frame_type();
        let core = &mut self.lab.datapath.core;
        // The tunnel may be gone, and the id in use.
        let Ok(handle) = core.add_session(handle, (session_id, 9), frame_type, options) else {
            return;
        };
        let l2spec = options.peer_l2spec;
        let known = Known { version, tunnel_id: request.tunnel_id, session_id, cookie, l2spec, ns: 0 };
        self.sessions.push(Session { handle, tunnel, known });
    }

    fn frame_type(&mut self) -> FrameType {
        if self.random.percent(40) { FrameType::Ppp } else { FrameType::Ethernet }
    }

    fn add_pppoe(&mut self) {
        let Self { random, lab, devices, pppoe, .. } = self;
        if devices.is_empty() {
            return;
        }
        let stage = Stage {
            device: random.pick(devices).0,
            peer: [2, 0, 0, 0, 1, random.below(3) as u8],
            tags: random
                .pick_of(&[vec![], vec![[0x81, 0, 0, 7]], vec![[0x88, 0xa8, 0, 7], [0x81, 0, 0, 7]]])
                .clone(),
            session_id: 1 + random.below(4) as u16,
        };
        let Stage { device, peer, session_id, .. } = stage;
        let request = PppoeRequest { peer, own: Stage::OWN, tags: &stage.tags, session_id };
        // The device may be gone, and the id in use.
        if let Ok(handle) = lab.datapath.core.add_pppoe(device, &request) {
            pppoe.push((handle, stage));
        }
    }

    fn change_session(&mut self) {
        if self.sessions.is_empty() {
            return;
        }
        let at = self.random.below(self.sessions.len());
        let (options, cookie) = self.options(self.sessions[at].known.version);
        let session = &mut self.sessions[at];
        if self.lab.datapath.core.change_session(session.handle, options).is_ok() {
            (session.known.cookie, session.known.l2spec) = (cookie, options.peer_l2spec);
        }
    }

    /// Limits and checks of a session's frames, and whether a socket tells marks.
    fn hold_to(&mut self) {
        let Self { random, lab, sessions, sockets, .. } = self;
        let core = &mut lab.datapath.core;
        core.tell_marks(random.pick(sockets), random.percent(30)).unwrap();
        if sessions.is_empty() {
            return;
        }
        let at = core.sessions.find(random.pick_of(sessions).handle).unwrap();
        let mut bucket = || Bucket::new(random.pick(&[0, 0, 1, 100_000, u32::MAX]), random.next() as u32);
        let (rx, tx) = (bucket(), bucket());
        let source = Source {
            mac: random.percent(20).then(|| random.pick(&[[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]])),
            v4: random.percent(20).then(|| [10, 9, 0, random.below(3) as u8]),
            v6: random.percent(20).then(|| ([0xfd; 16], random.next() as u8 % 129)),
        };
        let clamp = random.pick(&[
            Clamp::Off,
            Clamp::Fixed(536),
            Clamp::Frame(1400),
            Clamp::Frame(0),
            Clamp::Packet(1400),
        ]);
        core.sessions.hold_to(at, Policy { rx, tx, source, clamp, limited: false });
    }

    fn change_tunnel(&mut self) {
        if self.tunnels.is_empty() {
            return;
        }
        let at = self.random.below(self.tunnels.len());
        let Tunnel { handle, request, socket } = self.tunnels[at];
        let longest = self.random.pick(&[0, 100, 1400, u16::MAX]);
        let _ = self.lab.datapath.core.limit_grouping(handle, longest); // it may be gone
        let same = |other: &usize| KINDS[*other].encap() == request.shape.encap;
        let socket = Some(self.random.below(KINDS.len())).filter(same).unwrap_or(socket);
        let request = self.request(request.tunnel_id, request.shape.version, socket);
        if self.lab.datapath.core.change_tunnel(handle, request).is_ok() {
            self.tunnels[at] = Tunnel { handle, request, socket };
        }
    }

    fn remove(&mut self) {
        let Self { random, lab, sessions, tunnels, devices, hosts, patches, removed, pppoe, .. } = self;
        let core = &mut lab.datapath.core;
        match random.below(9) {
            6..8 if !pppoe.is_empty() => {
                let (handle, _) = pppoe.swap_remove(random.below(pppoe.len()));
                let Some(at) = core.sessions.find(handle) else { return }; // gone with its device
                let tunnel = core.tunnels.handle(core.sessions.rx[at].tunnel).to_number() as u64;
                add(removed.entry(tunnel).or_default(), core.sessions.counters(at));
                core.remove_port(handle).unwrap();
            }
            0..3 if !sessions.is_empty() => {
                let Session { handle, .. } = sessions.swap_remove(random.below(sessions.len()));
                let at = core.sessions.find(handle).unwrap();
                let tunnel = core.tunnels.handle(core.sessions.rx[at].tunnel).to_number() as u64;
                let counters = core.sessions.counters(at);
                add(removed.entry(tunnel).or_default(), counters);
                core.remove_port(handle).unwrap();
            }
            3 if !devices.is_empty() => {
                let _ = core.remove_port(random.pick(devices).0); // it may be gone
            }
            4 if !hosts.is_empty() => {
                core.remove_port(hosts.swap_remove(random.below(hosts.len()))).unwrap();
            }
            8 if !patches.is_empty() => {
                core.remove_port(patches.swap_remove(random.below(patches.len()))).unwrap();
            }
            5 if !tunnels.is_empty() => {
                let _ = core.remove_tunnel(random.pick_of(tunnels).handle); // it may have sessions, or be gone
            }
            _ => {}
        }
    }

    pub fn port(&mut self) -> Option<Handle> {
        let Self { random, sessions, devices, hosts, pppoe, patches, .. } = self;
        match random.below(5) {
            4 if !patches.is_empty() => Some(random.pick(patches)),
            3 if !pppoe.is_empty() => Some(random.pick_of(pppoe).0),
            0 if !devices.is_empty() => Some(random.pick(devices).0),
            1 if !hosts.is_empty() => Some(random.pick(hosts)),
            _ if !sessions.is_empty() => Some(random.pick_of(sessions).handle),
            _ => None,
        }
    }

    /// Joins two ports, or one to a switch; or parts one. They may be gone, or joined already.
    fn join(&mut self) {
        let (Some(a), Some(b)) = (self.port(), self.port()) else { return };
        let member = self.member();
        let Self { random, lab, switches, .. } = self;
        let core = &mut lab.datapath.core;
        let _ = match random.below(12) {
            0 => core.disconnect(a),
            1..5 if !switches.is_empty() => core.join_switch(random.pick(switches), a, member),
            5 => core.change_switch_port(a, member),
            6 => core.translate(a, translation(random)),
            _ => core.cross_connect(a, b),
        };
    }

    /// Has a port hold frames, or have a receiver; or a tunnel expect a session. They may be gone.
    fn hold(&mut self) {
        let (Some(a), Some(b)) = (self.port(), self.port()) else { return };
        let Self { random, lab, tunnels, controls, .. } = self;
        let core = &mut lab.datapath.core;
        let frame = vec![0x45; random.below(100)];
        let tunnel = (!tunnels.is_empty()).then(|| random.pick_of(tunnels).handle);
        let id = random.below(4) as u32 + 1;
        let vlan = random.pick(&[Where::Untagged, Where::Vlan(5), Where::Any]);
        let mac = [2, 0, 0, 0, 0, random.below(4) as u8];
        let inside = Identity { mac, vlan, v4: Some([10, 0, 0, 1]), v6: Some([0; 16]) };
        let _ = match (random.below(9), tunnel) {
            (0..2, _) => core.hold(a, random.below(20) as u32),
            (2, _) => core.release(a),
            (3, _) => core.set_receiver(a, b),
            (7, _) => core.put_inside(a, b, inside),
            (4, _) => core.hold_first(a, &frame).map(|()| *controls += 1),
            (5..7, Some(tunnel)) => core.expect_session(tunnel, id),
            (_, Some(tunnel)) => core.unexpect_session(tunnel, id),
            _ => Ok(()),
        };
    }

    fn add_switch(&mut self) {
        let options = self.switch();
        let core = &mut self.lab.datapath.core;
        self.switches.push(core.add_switch(options).unwrap());
        self.patches.extend(core.add_patch().unwrap());
    }

    fn switch(&mut self) -> SwitchOptions {
        let Self { random, .. } = self;
        SwitchOptions {
            ageing: random.pick(&[1000, 100_000, 300_000_000]),
            table: random.pick(&[10, 1000]),
            flood: random.pick_of(&[Vlans::None, Vlans::None, Vlans::All, Vlans::of(&[0, 8])]).clone(),
            reserved: random.pick(&[0, u16::MAX]),
            loops: LoopRule { moves: random.pick(&[0, 5, 100]), within: 1_000_000, block: 50_000 },
            seed: random.next(),
        }
    }

    fn member(&mut self) -> MemberOptions {
        let Self { random, .. } = self;
        let mode = Mode::from_number(random.pick(&[0, 1, 1, 1, 2, 3, 4])).unwrap();
        let priority = PriorityTags::from_number(random.below(3) as u32).unwrap();
        let list = |random: &mut Random| random.pick_of(&[vec![], vec![], vec![0, 5, 8], vec![5]]).clone();
        let (trunks, cvlans) = (list(random), list(random));
        let tag = random.pick(&[0, 5, 8]);
        let limit = random.pick(&[0, 2]);
        MemberOptions {
            vlans: PortVlans::new(mode, tag, [&trunks, &cvlans], 0x88a8, priority, limit),
            group: random.pick(&[0, 0, 0, 1]),
            protected: random.percent(10),
            storms: [0; 3].map(|_| random.pick(&[0, 0, 10, 10_000])),
            limit: random.pick(&[0, 0, 1, 5]),
            mtu: random.pick(&[0, 500, 1500]),
            down: random.percent(10),
        }
    }

    /// What operators ask for and say of switches.
    fn operate(&mut self) {
        if self.switches.is_empty() {
            return;
        }
        let (options, port) = (self.switch(), self.port());
        let Self { random, lab, switches, now, .. } = self;
        let core = &mut lab.datapath.core;
        let at = random.below(switches.len());
        let switch = switches[at];
        let mac = [2, 0, 0, 0, 0, random.below(4) as u8];
        let station = station(random.pick(&[0, 5, 8]), &mac);
        let member = port.and_then(|port| core.member(port).ok());
        let index = core.find_switch(switch).unwrap();
        match random.below(8) {
            0 => core.change_switch(switch, options).unwrap(),
            1 => {
                core.remove_switch(switch).unwrap();
                switches.swap_remove(at);
            }
            2 => core.switches.flush(index),
            3 => drop(core.switches.forget(index, station)),
            4 => drop(core.switches.rows(index, random.below(100), random.below(100_000), *now)),
            5 => core.switches.events.clear(),
            _ => drop(member.map(|member| core.switches.fix(member, station))),
        }
    }

    /// What no caller asks for who is in his right mind.
    fn nonsense(&mut self) {
        let Self { random, lab, .. } = self;
        let anything = (random.next() >> 12) as f64;
        let number = random.pick(&[0.0, -1.0, f64::NAN, 1e300, anything]);
        let core = &mut lab.datapath.core;
        if let Some(handle) = Handle::from_number(number) {
            assert!(core.port(handle).is_none() || handle.to_number() == number);
        }
        for index in [usize::MAX, 1 << 20, random.below(3000)] {
            // What was laid out is carried out, and gone: nothing is counted that was not there.
            if core.transmit.ops() == 0 {
                core.message_dropped(index, Reason::TransmitFailed);
                core.write_dropped(index, Reason::DeviceGone);
                assert_eq!(core.split_message(index), 0);
            }
        }
    }
}

fn translation(random: &mut Random) -> Translation {
    let mut list = || random.pick_of(&[vec![], vec![5], vec![8], vec![5, 8]]).clone();
    let (outside, inside) = (list(), list());
    match random.below(4) {
        0 => Translation::None,
        1 => Translation::Vlan(random.pick(&[None, Some(5)])),
        _ => Translation::Swap { outside, inside },
    }
}

fn add(sum: &mut Counters, counters: Counters) {
    sum.iter_mut().zip(counters).for_each(|(sum, count)| *sum += count);
}
