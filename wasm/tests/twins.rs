//! v3 sessions of several tunnels with one id: each datagram reaches the one of its socket and peer, and no other.

mod kernel;

use std::collections::HashMap;

use isthmus_datapath::abi::{Ip, Name};
use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Reason, at};
use isthmus_datapath::header::Version;
use isthmus_datapath::manage::TunnelRequest;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::session::{Options, TunnelShape};
use isthmus_datapath::slab::Handle;
use isthmus_datapath::tunnel::{Outer, SocketKind, SourceCheck};
use isthmus_datapath::twins::whence;
use kernel::{Incoming, Lab, v3};
use proptest::prelude::*;

/// A peer, as the datapath is told of it and as the kernel names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Peer {
    ip: Ip,
    port: u16,
    scope: u32,
}

fn v4(last: u8, port: u16) -> Peer {
    Peer { ip: Ip::new(&[10, 0, 0, last]).unwrap(), port, scope: 0 }
}

/// A link-local address by way of an interface.
fn link_local(last: u8, scope: u32) -> Peer {
    let mut bytes = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    bytes[8] = 0x02;
    Peer { ip: Ip(bytes), port: 1701, scope }
}

struct Bench {
    lab: Lab,
    sockets: HashMap<&'static str, (Handle, SocketKind)>,
    tunnels: u32,
    /// The session that each host port is joined to.
    joined: HashMap<u64, Handle>,
}

fn number(handle: Handle) -> u64 {
    handle.to_number() as u64
}

impl Bench {
    fn new() -> Self {
        let mut lab = Lab::new(Limits::default());
        let kinds = [
            ("udp4", SocketKind::Udp4),
            ("other", SocketKind::Udp4),
            ("udp6", SocketKind::Udp6),
            ("ip4", SocketKind::Ip4),
            ("ip6", SocketKind::Ip6),
        ];
        let sockets = kinds
            .iter()
            .enumerate()
            .map(|(fd, (name, kind))| {
                (*name, (lab.datapath.core.add_socket(fd as i32, *kind).unwrap(), *kind))
            })
            .collect();
        Self { lab, sockets, tunnels: 0, joined: HashMap::new() }
    }

    fn request(&self, id: u32, socket: &str, peer: Peer, source_check: SourceCheck) -> TunnelRequest {
        let (socket, kind) = self.sockets[socket];
        TunnelRequest {
            shape: TunnelShape { version: Version::V3, encap: kind.encap(), peer_tunnel_id: id },
            tunnel_id: id,
            socket,
            remote: (peer.ip, peer.port, peer.scope),
            local: None,
            source_check,
            outer: Outer::default(),
            longest: 0,
            segment: true,
        }
    }

    fn tunnel(&mut self, socket: &str, peer: Peer) -> (u32, Handle) {
        self.tunnels += 1;
        let request = self.request(self.tunnels, socket, peer, SourceCheck::None);
        (self.tunnels, self.lab.datapath.core.add_tunnel(request).unwrap())
    }

    fn session(&mut self, tunnel: Handle, id: u32) -> Handle {
        let core = &mut self.lab.datapath.core;
        let session = core.add_session(tunnel, (id, id), FrameType::Ppp, Options::default()).unwrap();
        let host = core.add_host_port(FrameType::Ppp).unwrap();
        core.cross_connect(session, host).unwrap();
        self.joined.insert(number(host), session);
        session
    }

    /// A tunnel with one session.
    fn with_session(&mut self, socket: &str, peer: Peer, id: u32) -> Handle {
        let (_, tunnel) = self.tunnel(socket, peer);
        self.session(tunnel, id)
    }

    fn datagram(&self, socket: &str, from: Peer, id: u32) -> Incoming {
        let kind = self.sockets[socket].1;
        let is_v6 = matches!(kind, SocketKind::Udp6 | SocketKind::Ip6);
        let port = if matches!(kind, SocketKind::Udp4 | SocketKind::Udp6) { from.port } else { 0 };
        let mut bytes = v3(id, &[], None, &[7; 20]);
        if matches!(kind, SocketKind::Ip4 | SocketKind::Ip6) {
            bytes.drain(..4);
        }
        if kind == SocketKind::Ip4 {
            bytes.splice(0..0, [&[0x45][..], &[0; 19]].concat());
        }
        Incoming { from: Name::new(is_v6, from.ip, port, from.scope).unwrap(), bytes, gro: 0, flags: 0 }
    }

    /// The session that a datagram is delivered to.
    fn reaches(&mut self, socket: &str, from: Peer, id: u32) -> Option<Handle> {
        let datagram = self.datagram(socket, from, id);
        self.lab.receive(self.sockets[socket].0, &[datagram], 0);
        self.lab.run();
        let punts = &mut self.lab.datapath.core.punts;
        let reached: Vec<_> =
            punts.records().iter().map(|record| self.joined[&(record.handle as u64)]).collect();
        punts.clear();
        assert!(reached.len() <= 1);
        reached.first().copied()
    }

    fn drops(&self, reason: Reason) -> u64 {
        self.lab.datapath.core.drops.get(reason)
    }
}

#[test]
fn sessions_of_one_id_are_told_apart_by_address_port_and_socket() {
    let mut bench = Bench::new();
    let places =
        [("udp4", v4(1, 1701)), ("udp4", v4(2, 1701)), ("udp4", v4(1, 1702)), ("other", v4(1, 1701))];
    let sessions = places.map(|(socket, peer)| bench.with_session(socket, peer, 1));
    for ((socket, peer), session) in places.into_iter().zip(sessions) {
        assert_eq!(bench.reaches(socket, peer, 1), Some(session), "{socket} {peer:?}");
    }
    for (socket, peer) in
        [("udp4", v4(3, 1701)), ("udp4", v4(2, 1702)), ("other", v4(2, 1701)), ("ip4", v4(1, 0))]
    {
        assert_eq!(bench.reaches(socket, peer, 1), None, "{socket} {peer:?}");
    }
    assert_eq!(bench.drops(Reason::WrongSource), 4);
    assert_eq!(bench.reaches("udp4", v4(1, 1701), 2), None);
    assert_eq!(bench.drops(Reason::UnknownSession), 1);
}

#[test]
fn over_ip_the_port_plays_no_part_and_over_udp6_the_flow_label_neither() {
    let mut bench = Bench::new();
    let peers = [1, 2].map(|last| link_local(last, 3));
    let over_ip = peers.map(|peer| bench.with_session("ip6", peer, 1));
    let over_udp = peers.map(|peer| bench.with_session("udp6", peer, 1));
    for at in 0..2 {
        assert_eq!(bench.reaches("ip6", Peer { port: 58, ..peers[at] }, 1), Some(over_ip[at]));
        assert_eq!(bench.reaches("udp6", peers[at], 1), Some(over_udp[at]));
    }
}

#[test]
fn link_local_peers_of_two_interfaces_are_told_apart_by_scope() {
    let mut bench = Bench::new();
    let sessions = [3, 4].map(|scope| bench.with_session("udp6", link_local(1, scope), 1));
    assert_eq!(bench.reaches("udp6", link_local(1, 3), 1), Some(sessions[0]));
    assert_eq!(bench.reaches("udp6", link_local(1, 4), 1), Some(sessions[1]));
    assert_eq!(bench.reaches("udp6", link_local(1, 5), 1), None);
}

#[test]
fn those_that_fall_on_one_key_are_told_apart_all_the_same() {
    let hash = |peer: Peer| Name::hash(Name::new(false, peer.ip, peer.port, 0).unwrap().buffer(), true);
    let peers = || (1..=8).flat_map(|last| (1..=u16::MAX).map(move |port| v4(last, port)));
    let by_key: HashMap<u32, Peer> = peers().map(|peer| (whence(0, hash(peer)), peer)).collect();
    let collide = |other: Peer| Some((by_key.get(&whence(1, hash(other)))?, other));
    let (one, other) = peers().find_map(collide).unwrap();
    let mut bench = Bench::new();
    let sessions = [bench.with_session("udp4", *one, 1), bench.with_session("other", other, 1)];
    assert_eq!(bench.reaches("udp4", *one, 1), Some(sessions[0]));
    assert_eq!(bench.reaches("other", other, 1), Some(sessions[1]));
    // The key alone would let these in.
    assert_eq!(bench.reaches("other", *one, 1), None);
    assert_eq!(bench.reaches("udp4", other, 1), None);
    // And the same peer by way of either socket, whatever their keys.
    let again = bench.with_session("udp4", other, 1);
    assert_eq!(bench.reaches("udp4", other, 1), Some(again));
    assert_eq!(bench.reaches("other", other, 1), Some(sessions[1]));
}

#[test]
fn what_could_not_be_told_apart_is_refused() {
    let mut bench = Bench::new();
    bench.with_session("udp4", v4(1, 1701), 1);
    let (_, twin) = bench.tunnel("udp4", v4(1, 1701));
    let mut add = |tunnel, id| {
        let core = &mut bench.lab.datapath.core;
        core.add_session(tunnel, (id, id), FrameType::Ppp, Options::default())
    };
    assert_eq!(add(twin, 1).unwrap_err().code, "session-exists");
    assert!(add(twin, 2).is_ok());
    assert_eq!(add(twin, 2).unwrap_err().code, "session-exists");
    // The same where the id has become one of several tunnels.
    bench.with_session("udp4", v4(2, 1701), 1);
    let core = &mut bench.lab.datapath.core;
    let again = core.add_session(twin, (1, 1), FrameType::Ppp, Options::default());
    assert_eq!(again.unwrap_err().code, "session-exists");
}

#[test]
fn the_one_that_is_left_over_needs_no_check_any_more() {
    let mut bench = Bench::new();
    let sessions = [1, 2, 3].map(|last| bench.with_session("udp4", v4(last, 1701), 1));
    assert_eq!(bench.reaches("udp4", v4(9, 4500), 1), None);
    for gone in [sessions[0], sessions[2]] {
        bench.lab.datapath.core.remove_port(gone).unwrap();
    }
    // Its tunnel takes datagrams from anywhere.
    assert_eq!(bench.reaches("udp4", v4(9, 4500), 1), Some(sessions[1]));
    bench.lab.datapath.core.remove_port(sessions[1]).unwrap();
    assert_eq!(bench.reaches("udp4", v4(2, 1701), 1), None);
    assert_eq!(bench.drops(Reason::UnknownSession), 1);
}

#[test]
fn a_tunnel_that_moves_is_found_where_it_went_within_the_batch() {
    let mut bench = Bench::new();
    let (id, moving) = bench.tunnel("udp4", v4(1, 1701));
    let moved = bench.session(moving, 1);
    let stays = bench.with_session("udp4", v4(2, 1701), 1);
    let before = bench.datagram("udp4", v4(1, 1701), 1);
    let after = bench.datagram("udp4", v4(8, 1701), 1);
    bench.lab.receive(bench.sockets["udp4"].0, &[before, after], 0);
    // Handed in, not dealt with: the move counts all the same.
    let request = bench.request(id, "udp4", v4(8, 1701), SourceCheck::None);
    bench.lab.datapath.core.change_tunnel(moving, request).unwrap();
    bench.lab.run();
    assert_eq!((bench.drops(Reason::WrongSource), bench.lab.punted().len()), (1, 1));
    assert_eq!(bench.reaches("udp4", v4(8, 1701), 1), Some(moved));
    assert_eq!(bench.reaches("udp4", v4(2, 1701), 1), Some(stays));
    // Both at one place: who was there first gets them, until it goes.
    let request = bench.request(id, "udp4", v4(2, 1701), SourceCheck::None);
    bench.lab.datapath.core.change_tunnel(moving, request).unwrap();
    assert_eq!(bench.reaches("udp4", v4(2, 1701), 1), Some(stays));
    bench.lab.datapath.core.remove_port(stays).unwrap();
    assert_eq!(bench.reaches("udp4", v4(2, 1701), 1), Some(moved));
}

#[test]
fn a_tunnel_says_when_it_last_heard_something_valid() {
    let mut bench = Bench::new();
    let (_, tunnel) = bench.tunnel("udp4", v4(1, 1701));
    bench.session(tunnel, 1);
    let core = |bench: &Bench| {
        let tunnels = &bench.lab.datapath.core.tunnels;
        let tunnel = &tunnels[tunnels.find(tunnel).unwrap()];
        (tunnel.last_heard, tunnel.counters[at::RX_PACKETS], tunnel.counters[at::RX_ERRORS])
    };
    assert_eq!(core(&bench), (None, 0, 0));
    let socket = bench.sockets["udp4"].0;
    bench.lab.receive(socket, &[bench.datagram("udp4", v4(1, 1701), 1)], 5_000);
    bench.lab.run();
    assert_eq!(core(&bench), (Some(5_000), 1, 0));
    // Neither another session's datagram nor one without a frame says that the peer lives.
    let runt = Incoming { bytes: v3(1, &[], None, &[]), ..bench.datagram("udp4", v4(1, 1701), 1) };
    bench.lab.receive(socket, &[bench.datagram("udp4", v4(1, 1701), 2), runt], 6_000);
    bench.lab.run();
    assert_eq!(core(&bench), (Some(5_000), 1, 1));
}

proptest! {
    #[test]
    fn a_datagram_reaches_the_session_that_a_search_through_all_finds(
        steps in prop::collection::vec((0u8..4, 0usize..12, 1u32..3, 0u8..3, 0usize..3), 1..80)
    ) {
        let mut bench = Bench::new();
        let names = ["udp4", "other", "udp6"];
        let place = |socket: usize, last: u8| -> (&'static str, Peer) {
            (names[socket], if socket == 2 { link_local(last, u32::from(last % 2) + 1) } else { v4(last, 1701) })
        };
        // Tunnels, their places, and their sessions; oldest at its place first.
        let mut tunnels: Vec<(u32, Handle, &str, Peer)> = Vec::new();
        let mut sessions: Vec<(u32, usize, Handle)> = Vec::new();
        for at in 0..12 {
            let (socket, peer) = place(at % 3, (at / 3) as u8);
            let (id, tunnel) = bench.tunnel(socket, peer);
            tunnels.push((id, tunnel, socket, peer));
        }
        for (step, tunnel, id, last, socket) in steps {
            match step {
                0 | 1 => {
                    let (_, handle, socket, peer) = tunnels[tunnel];
                    let clash = sessions.iter().any(|(other, of, _)| {
                        *other == id && (tunnels[*of].2, tunnels[*of].3) == (socket, peer)
                    });
                    if clash {
                        let core = &mut bench.lab.datapath.core;
                        let refused = core.add_session(handle, (id, id), FrameType::Ppp, Options::default());
                        prop_assert_eq!(refused.unwrap_err().code, "session-exists");
                    } else {
                        let session = bench.session(handle, id);
                        sessions.push((id, tunnel, session));
                    }
                }
                2 => {
                    if sessions.is_empty() { continue }
                    let (_, _, gone) = sessions.remove(tunnel % sessions.len());
                    bench.lab.datapath.core.remove_port(gone).unwrap();
                }
                _ => {
                    let (name, handle, ..) = tunnels[tunnel];
                    let (socket, peer) = place(socket, last);
                    let request = bench.request(name, socket, peer, SourceCheck::Endpoint);
                    bench.lab.datapath.core.change_tunnel(handle, request).unwrap();
                    (tunnels[tunnel].2, tunnels[tunnel].3) = (socket, peer);
                    let (mut moved, others): (Vec<_>, Vec<_>) =
                        sessions.iter().copied().partition(|(_, of, _)| *of == tunnel);
                    sessions = others;
                    sessions.append(&mut moved);
                }
            }
            for id in 1..3 {
                for socket in 0..3 {
                    for last in 0..4 {
                        let (socket, peer) = place(socket, last);
                        let here: Vec<_> = sessions.iter().filter(|(other, of, _)| {
                            *other == id && (tunnels[*of].2, tunnels[*of].3) == (socket, peer)
                        }).map(|(.., session)| *session).collect();
                        let with_id = sessions.iter().filter(|(other, ..)| *other == id).count();
                        let reached = bench.reaches(socket, peer, id);
                        if with_id != 1 {
                            prop_assert_eq!(reached.map(number), here.first().copied().map(number));
                        } else if let Some(one) = here.first() {
                            prop_assert_eq!(reached.map(number), Some(number(*one)));
                        }
                    }
                }
            }
        }
    }
}
