//! Sockets, and the tunnels that send through them.

use std::collections::BTreeSet;

use crate::abi::{Control, Ip, Name};
use crate::counters::{Counters, at};
use crate::header::Encap;
use crate::headers::dscp_of;
use crate::port::FrameType;
use crate::session::TunnelShape;

/// What a socket is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SocketKind {
    /// UDP over IPv4.
    #[default]
    Udp4,
    /// UDP over IPv6.
    Udp6,
    /// Protocol 115 over IPv4, whose datagrams come with their IP header.
    Ip4,
    /// Protocol 115 over IPv6.
    Ip6,
}

impl SocketKind {
    /// The kind of a number from TypeScript.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Udp4, Self::Udp6, Self::Ip4, Self::Ip6].get(number as usize).copied()
    }

    /// Whether its addresses are IPv6 ones.
    pub fn is_v6(self) -> bool {
        matches!(self, Self::Udp6 | Self::Ip6)
    }

    /// What it carries.
    #[inline]
    pub fn encap(self) -> Encap {
        match self {
            Self::Udp4 | Self::Udp6 => Encap::Udp,
            Self::Ip4 | Self::Ip6 => Encap::Ip,
        }
    }
}

/// A socket.
#[derive(Default)]
pub struct Socket {
    /// Stored for the caller.
    pub fd: i32,
    /// What it is.
    pub kind: SocketKind,
    /// Tunnels that use it.
    pub tunnels: u32,
    /// It tells with each datagram the kernel's mark (SO_RCVMARK).
    pub marks: bool,
}

/// Which datagrams a tunnel takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SourceCheck {
    /// From anywhere.
    #[default]
    None,
    /// From the peer's address.
    Address,
    /// From the peer's address and port.
    Endpoint,
}

impl SourceCheck {
    /// The check of a number from TypeScript.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::None, Self::Address, Self::Endpoint].get(number as usize).copied()
    }
}

/// What the outer headers of datagrams shall say, where the kernel's own choice is not what is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outer {
    /// DSCP and ECN.
    pub tos: Option<u8>,
    /// The DSCP is each frame's own.
    pub inherit: bool,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    /// The kernel's mark; 0: none.
    pub mark: u32,
}

/// What messages leave by, by its index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Via {
    /// A socket: datagrams, to an IP endpoint.
    Socket(u32),
    /// A device that is a packet socket: frames, to a station, with VLAN tags or without.
    Device(u32),
}

impl Default for Via {
    fn default() -> Self {
        Self::Socket(0)
    }
}

/// Where messages go, and from where: one type for transport addresses of both kinds. An IP endpoint has a name and what
/// the kernel is told with each message; on a link both are empty, as the stations' addresses and VLAN tags stand in the
/// header of each session.
#[derive(Clone, Copy, Default)]
pub struct Destination {
    /// What they leave by.
    pub via: Via,
    /// Whether a `virtio_net_hdr` stands before each message.
    pub vnet: bool,
    /// The peer.
    pub name: Name,
    /// The source address, if one is set, and what the outer header shall say.
    pub control: Control,
    /// Which of it is each frame's own.
    pub inherit: bool,
    /// The mark that datagrams from there have, where the socket tells.
    pub mark: u32,
}

impl Destination {
    /// A destination through a socket of `kind`; the error says which address the socket cannot have.
    pub fn new(
        (socket, kind): (u32, SocketKind),
        (remote, port, scope): (Ip, u16, u32),
        local: Option<Ip>,
        outer: Outer,
    ) -> Result<Self, &'static str> {
        let port = if kind.encap() == Encap::Ip { 0 } else { port };
        let name = Name::new(kind.is_v6(), remote, port, scope)
            .ok_or("the remote address is not of the socket's family")?;
        let mut control = match local {
            Some(local) => Control::from_source(kind.is_v6(), local)
                .ok_or("the local address is not of the socket's family")?,
            None => Control::default(),
        };
        let Outer { tos, inherit, ttl, mark } = outer;
        if let Some(tos) = tos.filter(|_| !inherit) {
            control.tos(kind.is_v6(), tos);
        }
        if let Some(ttl) = ttl {
            control.ttl(kind.is_v6(), ttl);
        }
        if mark != 0 {
            control.mark(mark);
        }
        Ok(Self { via: Via::Socket(socket), vnet: false, name, control, inherit, mark })
    }

    /// A destination on the link that a device is on.
    pub fn on_link(device: u32, vnet: bool) -> Self {
        Self { via: Via::Device(device), vnet, ..Self::default() }
    }

    /// The socket that it is reached through; `None`: it is on a link.
    #[inline]
    pub fn socket(&self) -> Option<u32> {
        match self.via {
            Via::Socket(socket) => Some(socket),
            Via::Device(_) => None,
        }
    }

    /// Whether a message asks for no more than its session's header.
    #[inline]
    pub fn is_plain(&self) -> bool {
        !self.inherit && !self.vnet
    }

    /// The DSCP of a frame, if the outer header is to have it; else 0.
    #[inline]
    pub fn tos_of(&self, frame_type: FrameType, frame: &[u8]) -> u8 {
        if self.inherit { dscp_of(frame_type, frame) } else { 0 }
    }

    /// What a message there begins with as its control buffer; `tos` is that of its frames.
    #[inline]
    pub fn control_into(&self, control: &mut Control, tos: u8) {
        control.copy_from(&self.control);
        if self.inherit {
            control.tos(self.name.is_v6(), tos);
        }
    }
}

/// So many groups of a tunnel can be joined at a time; each is for frames of another length.
pub const OPEN_GROUPS: usize = 4;

/// A tunnel.
#[derive(Default)]
pub struct Tunnel {
    /// Our id.
    pub tunnel_id: u32,
    /// What its sessions' headers depend on.
    pub shape: TunnelShape,
    /// Where it goes.
    pub destination: Destination,
    /// Whose datagrams it takes.
    pub source_check: SourceCheck,
    /// Whether datagrams may leave grouped at all.
    pub segment: bool,
    /// Datagrams up to this length cross the path unfragmented.
    pub longest: u16,
    /// Datagrams up to this length may leave grouped (UDP_SEGMENT); 0: none.
    pub segment_limit: u16,
    /// The groups that can be joined, by serial number.
    pub open: [u32; OPEN_GROUPS],
    /// Live sessions.
    pub sessions: u32,
    /// Those of them whose id is also in use in other tunnels.
    pub twins: BTreeSet<u32>,
    /// When the last data message came that was valid: from the peer, with the session's cookie, and whole.
    pub last_heard: Option<u64>,
    /// The sums over its sessions, removed ones included: asking for them goes through no table.
    pub counters: Counters,
}

impl Tunnel {
    /// Counts frames that were delivered, and `bytes` in them.
    #[inline]
    pub fn received(&mut self, count: u32, bytes: u64) {
        self.counters[at::RX_PACKETS] += u64::from(count);
        self.counters[at::RX_BYTES] += bytes;
    }

    /// Counts frames that leave, and `bytes` in them.
    #[inline]
    pub fn sent(&mut self, count: u32, bytes: u64) {
        self.counters[at::TX_PACKETS] += u64::from(count);
        self.counters[at::TX_BYTES] += bytes;
    }

    /// Whether a datagram may be this tunnel's. `is_from` tells whether it came from an address and, if asked, port;
    /// `mark` is the kernel's, where the socket tells.
    #[inline]
    pub fn accepts(
        &self,
        encap: Encap,
        mark: Option<u32>,
        is_from: impl FnOnce(&Name, bool) -> bool,
    ) -> bool {
        let with_port = encap == Encap::Udp && self.source_check == SourceCheck::Endpoint;
        let unchecked = self.source_check == SourceCheck::None;
        let marked = mark.is_none_or(|mark| mark == self.destination.mark);
        self.shape.encap == encap && (unchecked || marked && is_from(&self.destination.name, with_port))
    }
}
