//! PPPoE sessions on packet ports: whose a frame is, what of it is the PPP frame, and what leaves, in octets.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Io, Reason, at};
use isthmus_datapath::header::{Version, key_v2};
use isthmus_datapath::manage::Refusal;
use isthmus_datapath::offload::Takes;
use isthmus_datapath::policy::{Bucket, Clamp, Policy, Source};
use isthmus_datapath::port::FrameType;
use isthmus_datapath::pppoe::PppoeRequest;
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::template::Framing;
use isthmus_datapath::tunnel::SocketKind;
use kernel::{Lab, incoming};

const HOST: [u8; 6] = [0x02, 0, 0, 0, 0, 0x10];
const AC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const S_TAG: [u8; 4] = [0x88, 0xa8, 0x00, 0x64];
const C_TAG: [u8; 4] = [0x81, 0x00, 0x00, 0x07];
const OLD_TAG: [u8; 4] = [0x91, 0x00, 0x00, 0x64];
/// LCP Configure-Request (RFC 1661 §5.1) behind PPP's protocol number.
const LCP: [u8; 8] = [0xc0, 0x21, 1, 1, 0, 4, 0, 0];
const ID: u16 = 0x1234;

/// The packet of RFC 2516 Appendix B, "PPP LCP packet", with that session id: from a station to another.
fn data(to: [u8; 6], from: [u8; 6], tags: &[[u8; 4]], ppp: &[u8]) -> Vec<u8> {
    let length = (ppp.len() as u16).to_be_bytes();
    [&to, &from, tags.as_flattened(), &[0x88, 0x64, 0x11, 0x00, 0x12, 0x34], &length, ppp].concat()
}

struct Scene {
    lab: Lab,
    wire: Handle,
    host: Handle,
}

impl Scene {
    /// A packet port whose own frames go to TypeScript.
    fn new(takes: Option<Takes>) -> Self {
        let mut lab = Lab::new(Limits::default());
        let core = &mut lab.datapath.core;
        let wire = core.add_device(9, FrameType::Ethernet, takes, None).unwrap();
        let host = core.add_host_port(FrameType::Ethernet).unwrap();
        core.cross_connect(wire, host).unwrap();
        Self { lab, wire, host }
    }

    fn session(&mut self, tags: &[[u8; 4]]) -> Handle {
        self.try_session(HOST, tags, ID).unwrap()
    }

    fn try_session(&mut self, peer: [u8; 6], tags: &[[u8; 4]], session_id: u16) -> Result<Handle, Refusal> {
        let request = PppoeRequest { peer, own: AC, tags, session_id };
        self.lab.datapath.core.add_pppoe(self.wire, &request)
    }

    /// A host port that is joined to a session.
    fn taker(&mut self, session: Handle) -> Handle {
        let core = &mut self.lab.datapath.core;
        let taker = core.add_host_port(FrameType::Ppp).unwrap();
        core.cross_connect(session, taker).unwrap();
        taker
    }

    /// An L2TPv2 session that is joined to a PPPoE session, and its socket.
    fn l2tp(&mut self, session: Handle, framing: Framing) -> Handle {
        let socket = self.lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
        let tunnel = self.lab.tunnel(Version::V2, socket, 1, [10, 0, 0, 1]).unwrap();
        let far = self.lab.session(tunnel, 5, Options { framing, ..Options::default() });
        self.lab.datapath.core.cross_connect(session, far).unwrap();
        socket
    }

    fn frame(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.tagged(frame, None)
    }

    /// Hands in a frame whose outer tag the kernel took off. Gives what was punted.
    fn tagged(&mut self, frame: &[u8], tag: Option<[u8; 4]>) -> Vec<Vec<u8>> {
        self.lab.receive_packet(self.wire, frame, &aux(tag));
        self.lab.run();
        self.lab.punted()
    }

    fn dropped(&self, reason: Reason) -> u64 {
        self.lab.datapath.core.drops.get(reason)
    }
}

/// `tpacket_auxdata` (packet(7)).
fn aux(tag: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = [36u64.to_le_bytes(), [7, 1, 0, 0, 8, 0, 0, 0]].concat(); // SOL_PACKET, PACKET_AUXDATA
    bytes.extend(if tag.is_some() { 0x51u32 } else { 0 }.to_le_bytes());
    bytes.extend([0; 12]);
    let [a, b, c, d] = tag.unwrap_or_default();
    bytes.extend([d, c, b, a, 0, 0, 0, 0]);
    bytes
}

#[test]
fn a_sessions_frames_are_ppp_frames() {
    let mut scene = Scene::new(None);
    let session = scene.session(&[]);
    scene.taker(session);
    // Ethernet pads to 60 octets; what is behind the length is none of the frame.
    let mut padded = data(AC, HOST, &[], &LCP);
    padded.resize(60, 0xee);
    assert_eq!(scene.frame(&padded), [LCP.to_vec()]);
    let core = &scene.lab.datapath.core;
    let counters = core.sessions.counters(core.sessions.find(session).unwrap());
    assert_eq!((counters[at::RX_PACKETS], counters[at::RX_BYTES]), (1, 8));
    assert_eq!(core.io.get(Io::RxFrames), 1);
}

#[test]
fn what_leaves_by_a_session_has_its_header_in_octets() {
    let pairs: [&[[u8; 4]]; 4] = [&[], &[C_TAG], &[S_TAG, C_TAG], &[OLD_TAG]];
    for tags in pairs {
        for takes in [None, Some(Takes { checksum: true, tcp: true, udp: true })] {
            let mut scene = Scene::new(takes);
            let session = scene.session(tags);
            let taker = scene.taker(session);
            // With an address and control field or without: PPPoE has none (RFC 2516 §4).
            for before in [&[][..], &[0xff, 0x03]] {
                scene.lab.datapath.inject(taker, &[before, &LCP].concat()).unwrap();
            }
            let sent = scene.lab.run().sent;
            let vnet = takes.map_or(&[][..], |_| &[0; 10]);
            let expected = [vnet, &data(HOST, AC, tags, &LCP)].concat();
            assert_eq!(sent.len(), 2);
            for sent in sent {
                assert_eq!((sent.fd, &sent.datagrams), (9, &vec![expected.clone()]));
            }
            let core = &scene.lab.datapath.core;
            let counters = core.sessions.counters(core.sessions.find(session).unwrap());
            assert_eq!((counters[at::TX_PACKETS], counters[at::TX_BYTES]), (2, 16));
            assert_eq!((core.io.get(Io::TxFrames), core.io.get(Io::TxSegments)), (2, 0));
        }
    }
}

#[test]
fn vlans_are_known_by_their_tags_wherever_these_are() {
    // In the frame, or told beside it; with a priority, and by whatever TPID.
    let ways: [(&[[u8; 4]], Option<[u8; 4]>, &[[u8; 4]]); 9] = [
        (&[S_TAG, C_TAG], Some(S_TAG), &[C_TAG]),
        (&[S_TAG, C_TAG], None, &[OLD_TAG, C_TAG]),
        (&[S_TAG, C_TAG], Some([0x81, 0, 0xe0, 0x64]), &[[0x81, 0, 0x20, 7]]),
        (&[C_TAG], Some(C_TAG), &[]),
        (&[C_TAG], None, &[C_TAG]),
        // A tag of priority alone says nothing of a VLAN.
        (&[], Some([0x81, 0, 0x60, 0]), &[]),
        (&[C_TAG], Some([0x81, 0, 0x60, 0]), &[C_TAG]),
        (&[S_TAG], Some(S_TAG), &[[0x81, 0, 0x60, 0]]),
        (&[S_TAG], None, &[S_TAG, [0x81, 0, 0x60, 0]]),
    ];
    for (tags, outer, inside) in ways {
        let mut scene = Scene::new(None);
        let session = scene.session(tags);
        scene.taker(session);
        assert_eq!(scene.tagged(&data(AC, HOST, inside, &LCP), outer), [LCP.to_vec()], "{tags:?} {outer:?}");
    }
}

#[test]
fn one_id_is_another_session_in_another_vlan_or_of_another_station() {
    let mut scene = Scene::new(None);
    let other = [2, 0, 0, 0, 0, 0x11];
    let same = [0x81, 0, 0, 0x64];
    // The service's and the customer's VLAN may have one id.
    let lines: [&[[u8; 4]]; 4] = [&[], &[S_TAG], &[S_TAG, same], &[S_TAG, C_TAG]];
    let mut sessions = Vec::new();
    for (line, peer) in lines.iter().flat_map(|line| [(line, HOST), (line, other)]) {
        let session = scene.try_session(peer, line, ID).unwrap();
        let twice = scene.try_session(peer, line, ID).unwrap_err();
        assert_eq!(twice.code, "session-exists");
        sessions.push((session, data(AC, peer, line, &[0xc0, 0x21, sessions.len() as u8])));
        scene.taker(session);
    }
    for (at, (session, frame)) in sessions.iter().enumerate() {
        assert_eq!(scene.frame(frame), [[0xc0, 0x21, at as u8]]);
        let core = &scene.lab.datapath.core;
        let rx = &core.sessions.rx[core.sessions.find(*session).unwrap()];
        assert_eq!(rx.packets, 1, "{at}");
    }
    // One that is gone leaves the others alone.
    scene.lab.datapath.core.remove_port(sessions[2].0).unwrap();
    for (at, (_, frame)) in sessions.iter().enumerate() {
        let punted = scene.frame(frame);
        assert_eq!(punted[0] == *frame, at == 2, "as it came where nobody has it: {at}");
    }
    assert_eq!(scene.lab.datapath.core.io.get(Io::PppoeUnknown), 1);
}

#[test]
fn frames_that_do_not_agree_in_everything_are_nobodys() {
    let mut scene = Scene::new(None);
    let session = scene.session(&[C_TAG]);
    scene.taker(session);
    let good = data(AC, HOST, &[C_TAG], &LCP);
    let changed = |at: usize, bits: u8| {
        let mut frame = good.clone();
        frame[at] ^= bits;
        frame
    };
    // To another station, from another one, in another VLAN, of another session.
    let foreign =
        [changed(5, 1), changed(11, 1), changed(15, 1), changed(14, 1), changed(20, 1), changed(21, 1)];
    let foreign =
        foreign.into_iter().chain([data(AC, HOST, &[], &LCP), data(AC, HOST, &[S_TAG, C_TAG], &LCP)]);
    for (count, frame) in foreign.enumerate() {
        assert_eq!(scene.frame(&frame), [frame], "{count}");
        assert_eq!(scene.lab.datapath.core.io.get(Io::PppoeUnknown), 1 + count as u64);
    }
    let core = &scene.lab.datapath.core;
    let at = core.sessions.find(session).unwrap();
    assert_eq!((core.sessions.rx[at].packets, core.sessions.counters(at)[at::RX_ERRORS]), (0, 0));
    // Behind three tags, of which the inner two are a session's.
    let inner = scene.session(&[S_TAG, C_TAG]);
    let deep = data(AC, HOST, &[[0x81, 0, 1, 0], S_TAG, C_TAG], &LCP);
    assert_eq!(scene.frame(&deep), [deep]);
    scene.lab.datapath.core.remove_port(inner).unwrap();
    // On another interface.
    let elsewhere = scene.lab.datapath.core.add_device(10, FrameType::Ethernet, None, None).unwrap();
    scene.lab.receive_packet(elsewhere, &good, &aux(None));
    scene.lab.run();
    assert_eq!(scene.dropped(Reason::NoForwarder), 1);
    assert_eq!(scene.frame(&good), [LCP.to_vec()]);
}

#[test]
fn what_is_malformed_is_counted_for_its_session() {
    let mut scene = Scene::new(None);
    let session = scene.session(&[]);
    scene.taker(session);
    let good = data(AC, HOST, &[], &LCP);
    let with = |at: usize, byte: u8| {
        let mut frame = good.clone();
        frame[at] = byte;
        frame
    };
    let cases = [
        (with(14, 0x12), Reason::BadPppoe),
        (with(14, 0x21), Reason::BadPppoe),
        (with(15, 0xa7), Reason::BadPppoe),
        (with(19, 9), Reason::Truncated),
        (with(18, 0xff), Reason::Truncated),
        (with(19, 0), Reason::Runt),
    ];
    for (count, (frame, reason)) in cases.into_iter().enumerate() {
        let before = scene.dropped(reason);
        assert_eq!(scene.frame(&frame), [[0u8; 0]; 0]);
        assert_eq!(scene.dropped(reason), before + 1, "{reason:?}");
        let core = &scene.lab.datapath.core;
        let counters = core.sessions.counters(core.sessions.find(session).unwrap());
        assert_eq!(counters[at::RX_ERRORS], 1 + count as u64);
        assert_eq!(counters[at::INVALID], 1 + count as u64);
    }
    // What ends before the session id says whose it is goes where the port's frames go.
    for len in [14, 15, 19] {
        assert_eq!(scene.frame(&good[..len]), [good[..len].to_vec()]);
    }
}

#[test]
fn discovery_is_handed_over_with_its_vlans() {
    let mut scene = Scene::new(None);
    scene.session(&[S_TAG, C_TAG]);
    // PADI (RFC 2516 §5.1): to all, code 09, session id 0, an empty Service-Name.
    let padi = [&[0x88, 0x63, 0x11, 0x09, 0, 0, 0, 4][..], &[1, 1, 0, 0]].concat();
    let frame = [&[0xff; 6][..], &HOST, &C_TAG, &padi].concat();
    let whole = [&[0xff; 6][..], &HOST, &S_TAG, &C_TAG, &padi].concat();
    assert_eq!(scene.tagged(&frame, Some(S_TAG)), [whole]);
    // An answer goes the port's own way.
    let pado = [&HOST[..], &AC, &S_TAG, &C_TAG, &[0x88, 0x63, 0x11, 0x07, 0, 0, 0, 0]].concat();
    scene.lab.datapath.inject(scene.host, &pado).unwrap();
    assert_eq!(scene.lab.run().written, [(9, pado)]);
}

#[test]
fn frames_cross_to_l2tp_and_back_without_typescript() {
    for (framing, sent) in [
        (Framing::Kept, [&[][..], &[0xff, 3]]),
        (Framing::With, [&[0xff, 3], &[0xff, 3]]),
        (Framing::Without, [&[], &[]]),
    ] {
        for takes in [None, Some(Takes::default())] {
            let mut scene = Scene::new(takes);
            let session = scene.session(&[S_TAG, C_TAG]);
            let socket = scene.l2tp(session, framing);
            let vnet = takes.map_or(&[][..], |_| &[0; 10]);
            for (before, expected) in [&[][..], &[0xff, 3]].into_iter().zip(sent) {
                let ppp = [before, &LCP].concat();
                let frame = [vnet, &data(AC, HOST, &[C_TAG], &ppp)].concat();
                scene.lab.receive_packet(scene.wire, &frame, &aux(Some(S_TAG)));
                // L2TPv2 (RFC 2661 §3.1): version 2, tunnel id 2, session id 1005.
                let header = [0, 2, 0, 2, 0x03, 0xed];
                let datagrams = scene.lab.run().datagrams();
                assert_eq!(datagrams, [[&header[..], expected, &LCP].concat()], "{framing:?} {before:?}");
            }
            for before in [&[][..], &[0xff, 3]] {
                let datagram = [&[0, 2, 0, 1, 0, 5][..], before, &LCP].concat();
                scene.lab.receive(socket, &[incoming(datagram)], 0);
                let expected = [vnet, &data(HOST, AC, &[S_TAG, C_TAG], &LCP)].concat();
                assert_eq!(scene.lab.run().datagrams(), [expected]);
            }
        }
    }
    assert_eq!(key_v2(1, 5).swap_bytes(), 0x1_0005);
}

#[test]
fn numbers_stand_before_an_address_and_control_field() {
    let mut scene = Scene::new(None);
    let session = scene.session(&[]);
    let socket = scene.lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    for (version, header) in [
        (Version::V2, &[8, 2, 0, 2, 0x03, 0xed, 0, 0, 0, 0][..]),
        (Version::V3, &[0, 3, 0, 0, 0, 0, 0x03, 0xed, 0x40, 0, 0, 0]),
    ] {
        let tunnel = scene.lab.tunnel(version, socket, 1, [10, 0, 0, 1]).unwrap();
        let options = Options {
            framing: Framing::With,
            send_seq: true,
            l2spec: version == Version::V3,
            ..Options::default()
        };
        let far = scene.lab.session(tunnel, 5, Options { lns_mode: true, ..options });
        let core = &mut scene.lab.datapath.core;
        core.disconnect(session).unwrap();
        core.cross_connect(session, far).unwrap();
        for number in 0..2 {
            scene.lab.receive_packet(scene.wire, &data(AC, HOST, &[], &LCP), &aux(None));
            let mut header = header.to_vec();
            let at = if version == Version::V2 { 7 } else { 11 };
            header[at] = number;
            assert_eq!(scene.lab.run().datagrams(), [[&header[..], &[0xff, 3], &LCP].concat()]);
        }
    }
}

#[test]
fn a_sessions_policy_holds_here_too() {
    let mut scene = Scene::new(None);
    let session = scene.session(&[]);
    let taker = scene.taker(session);
    let core = &mut scene.lab.datapath.core;
    let at = core.sessions.find(session).unwrap();
    let bucket = Bucket::new(8, 16);
    core.sessions.hold_to(
        at,
        Policy { rx: bucket, tx: bucket, source: Source::default(), clamp: Clamp::Off, limited: false },
    );
    let passed = (0..5).filter(|_| !scene.frame(&data(AC, HOST, &[], &LCP)).is_empty()).count();
    assert_eq!(passed, 2);
    for _ in 0..5 {
        scene.lab.datapath.inject(taker, &LCP).unwrap();
    }
    assert_eq!(scene.lab.run().sent.len(), 2);
    assert_eq!(scene.dropped(Reason::RateLimited), 6);
}

#[test]
fn a_flood_of_one_leaves_others_their_turn() {
    let mut scene = Scene::new(None);
    let frame = |code: u8, mac: u16, tag: &[[u8; 4]]| {
        let [high, low] = mac.to_be_bytes();
        let header = [0x88, 0x63, 0x11, code, 0, 0, 0, 0];
        [&AC[..], &[2, 1, 1, 1, high, low], tag.as_flattened(), &header].concat()
    };
    let padi = |mac, tag: &[[u8; 4]]| frame(0x09, mac, tag);
    let mut punted = |frame: &[u8]| {
        scene.lab.receive_packet_at(scene.wire, frame, &aux(None), 1_000_000);
        scene.lab.run();
        !scene.lab.punted().is_empty()
    };
    // One station: what it has at once.
    assert_eq!((0..2000).filter(|_| punted(&padi(1, &[C_TAG]))).count(), 300);
    assert!(punted(&padi(2, &[C_TAG])));
    // All stations of one line: the line's, of which the first took a part.
    assert_eq!((10..10_000).filter(|mac| punted(&padi(*mac, &[C_TAG]))).count(), 2000 - 301);
    assert!(punted(&frame(0x19, 2, &[S_TAG])));
}

#[test]
fn requests_in_any_number_leave_answers_their_turn() {
    let mut scene = Scene::new(None);
    let frame = |code: u8, mac: u16, line: u16| {
        let ([a, b], [c, d]) = (mac.to_be_bytes(), line.to_be_bytes());
        [&AC[..], &[2, 1, 1, 1, a, b, 0x81, 0, c, d, 0x88, 0x63, 0x11, code, 0, 0, 0, 0]].concat()
    };
    let mut punted = |frame: &[u8], now: u64| {
        scene.lab.receive_packet_at(scene.wire, frame, &aux(None), now);
        scene.lab.run();
        !scene.lab.punted().is_empty()
    };
    let flood = (0..20_000u16).filter(|at| punted(&frame(0x09, *at, 1 + at % 200), 1_000_000)).count();
    assert_eq!(flood, 2000);
    // PADR, PADT and data of unknown sessions have allowances of their own.
    assert!(punted(&frame(0x19, 60_000, 1), 1_000_000) && punted(&frame(0xa7, 60_001, 2), 1_000_000));
    // A second later there is room again for so many as a second is to bring.
    let later = (0..20_000u16).filter(|at| punted(&frame(0x09, *at, 201 + at % 200), 2_000_000)).count();
    assert_eq!(later, 2000);
    assert_eq!(scene.dropped(Reason::PuntLimited), 36_000);
}

#[test]
fn requests_that_cannot_be_are_refused() {
    let mut scene = Scene::new(None);
    for id in [0, 0xffff] {
        assert_eq!(scene.try_session(HOST, &[], id).unwrap_err().code, "invalid");
    }
    assert_eq!(scene.try_session(HOST, &[S_TAG, C_TAG, C_TAG], ID).unwrap_err().code, "invalid");
    assert_eq!(scene.try_session(HOST, &[[8, 0, 0, 1]], ID).unwrap_err().code, "invalid");
    let core = &mut scene.lab.datapath.core;
    let tun = core.add_device(3, FrameType::Ip, None, None).unwrap();
    let request = PppoeRequest { peer: HOST, own: AC, tags: &[], session_id: ID };
    assert_eq!(core.add_pppoe(tun, &request).unwrap_err().code, "frame-type-mismatch");
    assert_eq!(core.add_pppoe(scene.host, &request).unwrap_err().code, "no-such-port");
    let session = scene.session(&[]);
    let core = &mut scene.lab.datapath.core;
    assert_eq!(core.change_session(session, Options::default()).unwrap_err().code, "invalid");
    // What its sessions have in common is no tunnel to be changed or removed.
    let link = core.devices[core.devices.find(scene.wire).unwrap()].link.unwrap();
    let handle = core.tunnels.handle(link);
    assert_eq!(core.remove_tunnel(handle).unwrap_err().code, "no-such-tunnel");
    assert_eq!(core.limit_grouping(handle, 9).unwrap_err().code, "no-such-tunnel");
}

#[test]
fn an_interface_that_goes_takes_its_sessions_along() {
    let mut scene = Scene::new(None);
    let session = scene.session(&[]);
    let socket = scene.l2tp(session, Framing::Kept);
    let core = &mut scene.lab.datapath.core;
    core.remove_port(scene.wire).unwrap();
    assert_eq!(core.remove_port(session).unwrap_err().code, "no-such-port");
    assert_eq!(core.tunnels.indices().count(), 1);
    scene.lab.receive(socket, &[incoming([&[0, 2, 0, 1, 0, 5][..], &LCP].concat())], 0);
    assert!(scene.lab.run().sent.is_empty());
    assert_eq!(scene.dropped(Reason::NoForwarder), 1);
    // Another interface in its place knows nothing of them.
    let core = &mut scene.lab.datapath.core;
    scene.wire = core.add_device(11, FrameType::Ethernet, None, None).unwrap();
    core.cross_connect(scene.wire, scene.host).unwrap();
    let again = scene.session(&[]);
    scene.taker(again);
    assert_eq!(scene.frame(&data(AC, HOST, &[], &LCP)), [LCP.to_vec()]);
}

#[test]
fn a_vlans_port_has_sessions_behind_its_tag() {
    let mut scene = Scene::new(None);
    let core = &mut scene.lab.datapath.core;
    core.disconnect(scene.wire).unwrap();
    scene.wire = core.add_device(12, FrameType::Ethernet, None, Some(S_TAG)).unwrap();
    core.cross_connect(scene.wire, scene.host).unwrap();
    let session = scene.session(&[C_TAG]);
    let taker = scene.taker(session);
    assert_eq!(scene.tagged(&data(AC, HOST, &[C_TAG], &LCP), Some(S_TAG)), [LCP.to_vec()]);
    assert_eq!(scene.frame(&data(AC, HOST, &[OLD_TAG, C_TAG], &LCP)), [LCP.to_vec()]);
    scene.lab.datapath.inject(taker, &LCP).unwrap();
    assert_eq!(scene.lab.run().datagrams(), [data(HOST, AC, &[S_TAG, C_TAG], &LCP)]);
    assert_eq!(scene.try_session(HOST, &[C_TAG, C_TAG], ID).unwrap_err().code, "invalid");
}

#[test]
fn a_message_that_is_not_sent_is_counted_back() {
    let mut scene = Scene::new(None);
    let session = scene.session(&[]);
    let taker = scene.taker(session);
    scene.lab.datapath.inject(taker, &LCP).unwrap();
    let output = scene.lab.run_failing(|| Some(Reason::LinkDown));
    assert_eq!(output.failed, 1);
    let core = &scene.lab.datapath.core;
    let counters = core.sessions.counters(core.sessions.find(session).unwrap());
    assert_eq!((counters[at::TX_PACKETS], counters[at::TX_ERRORS]), (0, 1));
    assert_eq!((core.io.get(Io::TxFrames), core.io.get(Io::TxMessages)), (0, 0));
    assert_eq!(scene.dropped(Reason::LinkDown), 1);
}
