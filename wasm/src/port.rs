//! Ports and the forwarders that join them.

use crate::budget::Budget;
use crate::offload::{Offload, Takes};
use crate::policy::Bucket;
use crate::slab::{Handle, Kind};

/// What the frames of a port are; only ports of one type can be joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FrameType {
    /// Ethernet frames without their checksum.
    #[default]
    Ethernet,
    /// PPP frames, with or without address and control field.
    Ppp,
    /// IP packets.
    Ip,
}

impl FrameType {
    /// The frame type of a number from TypeScript.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Ethernet, Self::Ppp, Self::Ip].get(number as usize).copied()
    }

    /// Bytes of the shortest frame: an Ethernet header, a compressed PPP protocol number (RFC 1661 §6.5), an IPv4 header.
    #[inline]
    pub fn shortest(self) -> usize {
        match self {
            Self::Ethernet => 14,
            Self::Ppp => 1,
            Self::Ip => 20,
        }
    }
}

/// A port, by its index in the slab of its kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Port {
    /// An L2TP session.
    Session(u32),
    /// A network device.
    Device(u32),
    /// A port whose frames TypeScript handles.
    Host(u32),
    /// One end of what joins two switches.
    Patch(u32),
}

impl Port {
    /// The port that a handle of a live item stands for.
    pub fn of(handle: Handle) -> Option<Self> {
        match handle.kind {
            Kind::Session => Some(Self::Session(handle.index)),
            Kind::Device => Some(Self::Device(handle.index)),
            Kind::Host => Some(Self::Host(handle.index)),
            Kind::Patch => Some(Self::Patch(handle.index)),
            Kind::Socket | Kind::Tunnel | Kind::Switch | Kind::Ppp => None,
        }
    }

    /// A number that no other port has now.
    pub fn key(self) -> u64 {
        let (kind, index) = match self {
            Self::Session(index) => (0, index),
            Self::Device(index) => (1, index),
            Self::Host(index) => (2, index),
            Self::Patch(index) => (3, index),
        };
        kind << 32 | u64::from(index)
    }
}

/// Where the frames that come in at a port go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Forwarder {
    /// Nowhere: they are dropped.
    #[default]
    None,
    /// Out at the one other port.
    CrossConnect(Port),
    /// Out at the one other port, with other tags.
    Wire(u32),
    /// Where the switch says that this is a member of.
    Switch(u32),
    /// Through a PPP termination.
    Ppp(u32),
    /// Into a queue, for the next one.
    Hold,
}

/// A network device: a TAP or TUN.
#[derive(Default)]
pub struct Device {
    /// Stored for the caller.
    pub fd: i32,
    /// Whether it is a packet socket, which takes many messages at once.
    pub packets: bool,
    /// Whether a `virtio_net_hdr` stands before each frame, both ways.
    pub vnet: bool,
    /// What it takes beyond plain frames. One that takes super-frames has them made of segments.
    pub takes: Takes,
    /// What its frames are.
    pub frame_type: FrameType,
    /// The VLAN tag that its frames have on the wire and nowhere else.
    pub tag: Option<[u8; 4]>,
    /// What its PPPoE sessions have in common, by its index among the tunnels.
    pub link: Option<u32>,
    /// What is left of what TypeScript may get of a packet socket's frames.
    pub budget: Option<Box<Budget>>,
    /// Where they go.
    pub forwarder: Forwarder,
    /// How fast they may come and go.
    pub limits: Option<Box<[Bucket; 2]>>,
}

impl Device {
    /// Whether it takes a frame as it is.
    #[inline]
    pub fn takes_all_of(&self, offload: &Offload) -> bool {
        self.takes.all_of(offload)
    }
}

/// A port whose frames TypeScript handles.
#[derive(Default)]
pub struct HostPort {
    /// What its frames are.
    pub frame_type: FrameType,
    /// Where they go.
    pub forwarder: Forwarder,
    /// The port that it is the receiver of, or the session that it is inside of.
    pub of: Option<Port>,
}
