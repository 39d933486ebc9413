//! Which datagrams a tunnel takes, and which ids it may have.

mod kernel;

use isthmus_datapath::abi::{Ip, Name};
use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::Reason;
use isthmus_datapath::header::{Encap, Version};
use isthmus_datapath::manage::TunnelRequest;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::session::{Options, TunnelShape};
use isthmus_datapath::slab::Handle;
use isthmus_datapath::tunnel::{Outer, SocketKind, SourceCheck};
use kernel::{Incoming, Lab, v3};

const CHECKS: [SourceCheck; 3] = [SourceCheck::None, SourceCheck::Address, SourceCheck::Endpoint];

/// An address, a port and a scope.
type Endpoint = (Ip, u16, u32);

fn v4(last: u8, port: u16) -> Endpoint {
    (Ip::new(&[10, 0, 0, last]).unwrap(), port, 0)
}

/// A link-local IPv6 address by way of an interface.
fn v6(last: u8, port: u16, scope: u32) -> Endpoint {
    (Ip([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]), port, scope)
}

/// A v3 tunnel with session 1, joined to TypeScript, and sockets of all kinds.
struct Bench {
    lab: Lab,
    sockets: [(Handle, SocketKind); 4],
}

fn bench(kind: SocketKind, peer: Endpoint, source_check: SourceCheck) -> Bench {
    let mut lab = Lab::new(Limits::default());
    let sockets = [SocketKind::Udp4, SocketKind::Udp6, SocketKind::Ip4, SocketKind::Ip6]
        .map(|kind| (lab.datapath.core.add_socket(kind as i32, kind).unwrap(), kind));
    let core = &mut lab.datapath.core;
    let tunnel = core.add_tunnel(TunnelRequest {
        shape: TunnelShape { version: Version::V3, encap: kind.encap(), peer_tunnel_id: 1 },
        tunnel_id: 1,
        socket: sockets[kind as usize].0,
        remote: peer,
        local: None,
        source_check,
        outer: Outer::default(),
        longest: 0,
        segment: true,
    });
    let session = core.add_session(tunnel.unwrap(), (1, 1), FrameType::Ppp, Options::default()).unwrap();
    let host = core.add_host_port(FrameType::Ppp).unwrap();
    core.cross_connect(session, host).unwrap();
    Bench { lab, sockets }
}

impl Bench {
    /// Whether a datagram that comes by a socket from an endpoint is taken; if not, it counts as from a wrong source.
    fn takes(&mut self, by: SocketKind, (ip, port, scope): Endpoint) -> bool {
        let mut bytes = v3(1, &[], None, &[7; 20]);
        if by.encap() == Encap::Ip {
            bytes.drain(..4);
        }
        if by == SocketKind::Ip4 {
            bytes.splice(0..0, [&[0x45][..], &[0; 19]].concat());
        }
        let from = Name::new(by.is_v6(), ip, port, scope).unwrap();
        let before = self.lab.datapath.core.drops.get(Reason::WrongSource);
        self.lab.receive(self.sockets[by as usize].0, &[Incoming { from, bytes, gro: 0, flags: 0 }], 0);
        self.lab.run();
        let taken = self.lab.punted().len() == 1;
        let refused = self.lab.datapath.core.drops.get(Reason::WrongSource) - before;
        assert_eq!(refused, u64::from(!taken));
        taken
    }
}

#[test]
fn the_source_check_compares_address_and_port_as_it_is_told() {
    use SocketKind::{Udp4, Udp6};
    for (kind, peer, other_port, other_address) in [
        (Udp4, v4(1, 1701), v4(1, 1702), v4(2, 1701)),
        (Udp6, v6(1, 1701, 3), v6(1, 1702, 3), v6(2, 1701, 3)),
    ] {
        for (check, expected) in
            CHECKS.into_iter().zip([[true, true, true], [true, true, false], [true, false, false]])
        {
            let mut bench = bench(kind, peer, check);
            let found = [peer, other_port, other_address].map(|from| bench.takes(kind, from));
            assert_eq!(found, expected, "{kind:?} {check:?}");
        }
    }
}

#[test]
fn over_ip_there_are_no_ports_to_compare() {
    use SocketKind::{Ip4, Ip6};
    for (kind, peer, other) in [(Ip4, v4(1, 0), v4(2, 0)), (Ip6, v6(1, 0, 3), v6(2, 0, 3))] {
        for check in CHECKS {
            let mut bench = bench(kind, peer, check);
            assert!(bench.takes(kind, (peer.0, 115, peer.2)), "{kind:?} {check:?}");
            assert_eq!(bench.takes(kind, other), check == SourceCheck::None, "{kind:?} {check:?}");
        }
    }
}

#[test]
fn another_encapsulation_is_refused_whatever_the_check() {
    use SocketKind::{Ip4, Udp4};
    for check in CHECKS {
        assert!(!bench(Udp4, v4(1, 1701), check).takes(Ip4, v4(1, 1701)), "{check:?}");
        assert!(!bench(Ip4, v4(1, 0), check).takes(Udp4, v4(1, 0)), "{check:?}");
    }
}

#[test]
fn scopes_are_compared_where_both_have_one() {
    for check in [SourceCheck::Address, SourceCheck::Endpoint] {
        let mut scoped = bench(SocketKind::Udp6, v6(1, 1701, 3), check);
        assert!(scoped.takes(SocketKind::Udp6, v6(1, 1701, 3)));
        assert!(!scoped.takes(SocketKind::Udp6, v6(1, 1701, 4)), "another interface's {check:?}");
        assert!(scoped.takes(SocketKind::Udp6, v6(1, 1701, 0)));
        assert!(bench(SocketKind::Udp6, v6(1, 1701, 0), check).takes(SocketKind::Udp6, v6(1, 1701, 4)));
    }
}

#[test]
fn ids_are_what_their_version_has_room_for() {
    let mut lab = Lab::new(Limits::default());
    let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    let request = |version, tunnel_id, peer_tunnel_id| TunnelRequest {
        shape: TunnelShape { version, encap: Encap::Udp, peer_tunnel_id },
        tunnel_id,
        socket,
        remote: v4(1, 1701),
        local: None,
        source_check: SourceCheck::None,
        outer: Outer::default(),
        longest: 0,
        segment: true,
    };
    let core = &mut lab.datapath.core;
    for (version, largest) in [(Version::V2, 0xffff), (Version::V3, u32::MAX)] {
        let beyond = largest.wrapping_add(1); // 0 in v3, which is no id either
        for (tunnel, peer) in [(0, 1), (1, 0), (beyond, 1), (1, beyond)] {
            assert_eq!(core.add_tunnel(request(version, tunnel, peer)).unwrap_err().code, "invalid");
        }
        let tunnel = core.add_tunnel(request(version, largest, largest)).unwrap();
        let again = core.add_tunnel(request(version, largest, 1));
        assert_eq!(again.unwrap_err().code, "tunnel-exists");
        let mut add = |ids| core.add_session(tunnel, ids, FrameType::Ppp, Options::default());
        for ids in [(0, 1), (1, 0), (beyond, 1), (1, beyond)] {
            assert_eq!(add(ids).unwrap_err().code, "invalid", "{version:?} {ids:?}");
        }
        assert!(add((largest, largest)).is_ok());
        assert_eq!(add((largest, 1)).unwrap_err().code, "session-exists", "{version:?}");
    }
    // A v2 session's id is its tunnel's alone.
    let other = core.add_tunnel(request(Version::V2, 5, 5)).unwrap();
    assert!(core.add_session(other, (0xffff, 1), FrameType::Ppp, Options::default()).is_ok());
    let again = core.add_session(other, (0xffff, 1), FrameType::Ppp, Options::default());
    assert_eq!(again.unwrap_err().code, "session-exists");
}
