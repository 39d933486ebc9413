//! PPP termination: what goes where, octet by octet, and what does not.
#![allow(missing_docs, reason = "they are for the files beside")]

#[path = "../kernel/mod.rs"]
mod kernel;

mod expiry;
mod forwarding;
mod fragments;
mod ipv6;
mod joining;
mod pppoe;
mod punts;
mod random;
mod superframes;
mod too_big;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Io, Reason};
use isthmus_datapath::header::Version;
use isthmus_datapath::manage::Refusal;
use isthmus_datapath::offload::Takes;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::ppp::{Link, MemberRequest, Prefix};
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::tunnel::SocketKind;
use kernel::{Lab, Output, incoming};

/// What a TUN with IFF_VNET_HDR takes.
pub const ALL: Takes = Takes { checksum: true, tcp: true, udp: true };
/// The plain TUN's descriptor, and the socket's.
pub const TUN: i32 = 9;

/// A termination of a TUN, and PPP sessions of one L2TPv2 tunnel.
pub struct World {
    pub lab: Lab,
    pub socket: Handle,
    pub tunnel: Handle,
    pub tun: Handle,
    pub termination: Handle,
}

impl World {
    pub fn new(takes: Option<Takes>) -> Self {
        let mut lab = Lab::new(Limits::default());
        let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
        let tunnel = lab.tunnel(Version::V2, socket, 1, [10, 0, 0, 1]).unwrap();
        let core = &mut lab.datapath.core;
        let tun = core.add_device(TUN, FrameType::Ip, takes, None).unwrap();
        let termination = core.add_termination(tun).unwrap();
        Self { lab, socket, tunnel, tun, termination }
    }

    /// A session that is no member, and a host port that is its receiver.
    pub fn session(&mut self, id: u32) -> (Handle, Handle) {
        let session = self.lab.session(self.tunnel, id, Options::default());
        let core = &mut self.lab.datapath.core;
        let host = core.add_host_port(FrameType::Ppp).unwrap();
        core.set_receiver(session, host).unwrap();
        (session, host)
    }

    /// A member with these addresses.
    pub fn member(&mut self, id: u32, request: MemberRequest) -> Handle {
        let (session, _) = self.session(id);
        self.join(session, &request).unwrap();
        session
    }

    pub fn join(&mut self, session: Handle, request: &MemberRequest) -> Result<(), Refusal> {
        self.lab.datapath.core.join_termination(self.termination, session, request)
    }

    /// Lets a frame come from a session's peer, at a time in milliseconds; gives what left.
    pub fn from_peer_at(&mut self, ms: u64, id: u16, frame: &[u8]) -> Output {
        let datagram = [&[0, 2, 0, 1][..], &id.to_be_bytes(), frame].concat();
        self.lab.receive(self.socket, &[incoming(datagram)], ms * 1000);
        self.lab.run()
    }

    pub fn from_peer(&mut self, id: u16, frame: &[u8]) -> Output {
        self.from_peer_at(0, id, frame)
    }

    /// Lets a packet come from the TUN; gives what left.
    pub fn from_tun_at(&mut self, ms: u64, packet: &[u8]) -> Output {
        self.lab.read(self.tun, &[packet.to_vec()], ms * 1000);
        self.lab.run()
    }

    pub fn from_tun(&mut self, packet: &[u8]) -> Output {
        self.from_tun_at(0, packet)
    }

    pub fn dropped(&self, reason: Reason) -> u64 {
        self.lab.datapath.core.drops.get(reason)
    }

    pub fn io(&self, what: Io) -> u64 {
        self.lab.datapath.core.io.get(what)
    }

    /// All drops.
    pub fn drops(&self) -> u64 {
        self.lab.datapath.core.drops.all().iter().sum()
    }

    pub fn families(&self, session: Handle) -> [u64; 8] {
        self.lab.datapath.core.family_counters(session).unwrap_or_default()
    }
}

pub fn v4(last: u8) -> Prefix {
    Prefix::v4([10, 9, 0, last], 32).unwrap()
}

pub fn v6(groups: [u16; 8], bits: u8) -> Prefix {
    Prefix::v6(octets(groups), bits).unwrap()
}

pub fn octets(groups: [u16; 8]) -> [u8; 16] {
    groups.map(u16::to_be_bytes).as_flattened().try_into().unwrap()
}

/// A member that has said nothing of what may be left out.
pub fn plain(prefixes: &[Prefix]) -> MemberRequest {
    MemberRequest {
        prefixes: prefixes.to_vec(),
        interface_id: 0,
        mru: 1500,
        link: Link { address_control: true, compress_protocol: false },
        source_check: true,
        clamp: false,
        tos: None,
        idle: 0,
        lasts: 0,
        quota: 0,
    }
}

/// The datagram that session `id`'s peer gets: L2TP's header and a frame.
pub fn to_peer(id: u16, frame: &[u8]) -> Vec<u8> {
    [&[0, 2, 0, 2][..], &(id + 1000).to_be_bytes(), frame].concat()
}

/// An IPv4 packet with a right header checksum; `flags` are the octets 6 and 7.
pub fn packet4(
    from: [u8; 4],
    to: [u8; 4],
    flags: u16,
    options: &[u8],
    protocol: u8,
    payload: &[u8],
) -> Vec<u8> {
    let header = 20 + options.len();
    let mut bytes = vec![0x40 | (header / 4) as u8, 0];
    bytes.extend(((header + payload.len()) as u16).to_be_bytes());
    bytes.extend([0xab, 0xcd]);
    bytes.extend(flags.to_be_bytes());
    bytes.extend([64, protocol, 0, 0]);
    bytes.extend([from, to].concat());
    bytes.extend(options);
    let sum = !kernel::packet::ones_complement(&[&bytes]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub fn packet6(from: [u16; 8], to: [u16; 8], next: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0][..], &length, &[next, 64], &octets(from), &octets(to), payload].concat()
}

/// UDP without a checksum.
pub fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    let length = ((8 + payload.len()) as u16).to_be_bytes();
    [&[0x30, 0x39, high, low, length[0], length[1], 0, 0], payload].concat()
}
