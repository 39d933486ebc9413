//! PPPoE sessions on packet ports (RFC 2516): PPP ports of their own, beside the Ethernet frames of the port.
//!
//! ```text
//! destination 6 | source 6 | [TPID 2 | tag 2] … | 8864 | version, type 1 | code 1 | session id 2 | length 2 | PPP frame
//! ```
//!
//! A frame is a session's only if interface, VLANs, both stations and session id are the session's. All others go where
//! the port's frames go: discovery, and data of sessions that nobody has.

use std::collections::BTreeMap;

use crate::core::Core;
use crate::counters::{Io, Reason};
use crate::frame::{About, Frame, Place};
use crate::headers::is_tag;
use crate::manage::Refusal;
use crate::offload::Offload;
use crate::port::{Forwarder, FrameType, Port};
use crate::session::{Identity, NONE};
use crate::slab::Handle;
use crate::table::{Key, Table};
use crate::template::Template;
use crate::tunnel::{Destination, Tunnel, Via};

const ADDRESSES: usize = 12;
const TAG: usize = 4;
/// VLAN tags of a session's frames, at most.
const MAX_TAGS: usize = 2;
/// Data; the discovery stage has 8863 (RFC 2516 §4).
const SESSION_STAGE: [u8; 2] = [0x88, 0x64];
/// Version, type, code, session id, length.
const HEADER: usize = 6;
/// Version 1, type 1, code 0: data.
const DATA: [u8; 2] = [0x11, 0];
const VLAN_ID: u16 = 0x0fff;

/// A session as asked for.
pub struct PppoeRequest<'a> {
    /// The peer's MAC address.
    pub peer: [u8; 6],
    /// Ours.
    pub own: [u8; 6],
    /// VLAN tags, the outer one first: TPID, then tag control information.
    pub tags: &'a [[u8; 4]],
    /// Chosen by the access concentrator.
    pub session_id: u16,
}

/// The VLANs that a frame is in, the outer one first, in 12 bits each. A tag with id 0 says nothing of a VLAN
/// (IEEE 802.1Q §9.6): it is as if it were not there.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Vlans(u32);

impl Vlans {
    /// A number of their own.
    #[inline]
    pub fn number(self) -> u32 {
        self.0
    }

    #[inline]
    fn push(&mut self, control: u16) {
        let id = control & VLAN_ID;
        if id != 0 {
            self.0 = self.0 << 12 | u32::from(id);
        }
    }
}

/// Whose a frame is.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Whose {
    /// The peer's MAC address, and the session id.
    peer: u64,
    /// Our MAC address, and the device.
    own: u64,
    vlans: Vlans,
}

impl Whose {
    #[inline]
    fn new(device: u32, own: &[u8], peer: &[u8], vlans: Vlans, session_id: [u8; 2]) -> Self {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let session_id = u64::from(u16::from_be_bytes(session_id));
        Self { peer: number(peer) << 16 | session_id, own: number(own) << 16 | u64::from(device), vlans }
    }
}

impl Key for Whose {
    #[inline]
    fn fold(self) -> u32 {
        let mixed = (self.peer ^ u64::from(self.vlans.0).rotate_left(40)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ self.own;
        (mixed ^ mixed >> 32) as u32
    }
}

/// All PPPoE sessions.
#[derive(Default)]
pub struct Pppoe {
    table: Table<Whose>,
    /// By the session's index.
    keys: BTreeMap<u32, Whose>,
}

/// Where in a frame what lies, behind its VLAN tags.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The VLANs that it is in.
    pub vlans: Vlans,
    /// Where the EtherType's payload starts.
    pub payload: usize,
    /// The EtherType.
    pub kind: [u8; 2],
}

impl Link {
    /// Reads what stands before a frame's payload; `outer` is a tag that the kernel took off. `None`: it ends before that.
    #[inline]
    pub fn read(frame: &[u8], outer: Option<[u8; 4]>) -> Option<Self> {
        let mut vlans = Vlans::default();
        let mut tags = 0;
        if let Some([_, _, high, low]) = outer {
            vlans.push(u16::from_be_bytes([high, low]));
            tags += 1;
        }
        let mut at = ADDRESSES;
        loop {
            let kind: [u8; 2] = *frame.get(at..)?.first_chunk()?;
            if tags == MAX_TAGS || !is_tag(u16::from_be_bytes(kind)) {
                return Some(Self { vlans, payload: at + 2, kind });
            }
            vlans.push(u16::from_be_bytes(*frame.get(at + 2..)?.first_chunk()?));
            at += TAG;
            tags += 1;
        }
    }
}

impl Core {
    /// Adds a session on a device whose frames are Ethernet's: a port of PPP frames.
    pub fn add_pppoe(&mut self, device: Handle, request: &PppoeRequest) -> Result<Handle, Refusal> {
        let device = self.devices.find(device).ok_or(Refusal::no_such_port())?;
        if self.devices[device].frame_type != FrameType::Ethernet {
            return Err(Refusal::new("frame-type-mismatch", "PPPoE needs a port of Ethernet frames"));
        }
        let PppoeRequest { peer, own, session_id, .. } = *request;
        if matches!(session_id, 0 | 0xffff) {
            return Err(Refusal::invalid("a PPPoE session id is 1 to 65534"));
        }
        let (vlans, link) = self.link_header(device, request)?;
        let whose = Whose::new(device, &own, &peer, vlans, session_id.to_be_bytes());
        if self.pppoe.table.get(whose) != NONE {
            return Err(Refusal::new("session-exists", "there is a PPPoE session of this peer, VLAN and id"));
        }
        let tunnel = self.link_of(device)?;
        let identity = Identity { session_id: session_id.into(), peer_session_id: session_id.into(), tunnel };
        let at = self.sessions.insert(identity, FrameType::Ppp).ok_or(Refusal::limit("too many sessions"))?;
        self.sessions.rx[at].plain = true;
        self.sessions.tx[at].template = Template::pppoe(&link, session_id);
        self.tunnels[tunnel].sessions += 1;
        self.pppoe.table.set(whose, at);
        self.pppoe.keys.insert(at, whose);
        Ok(self.sessions.handle(at))
    }

    /// What stands before PPPoE's header in frames of a session, and the VLANs that they are in; the tag of a device that
    /// stands for one VLAN is the outermost.
    fn link_header(&self, device: u32, request: &PppoeRequest) -> Result<(Vlans, Vec<u8>), Refusal> {
        let own_tag = self.devices[device].tag;
        if own_tag.iter().len() + request.tags.len() > MAX_TAGS {
            return Err(Refusal::invalid("a PPPoE session's frames have at most two VLAN tags"));
        }
        let mut vlans = Vlans::default();
        let mut link = [request.peer, request.own].concat();
        link.extend(own_tag.iter().flatten());
        for tag in request.tags {
            let [_, _, high, low] = *tag;
            if !is_tag(u16::from_be_bytes([tag[0], tag[1]])) {
                return Err(Refusal::invalid("a VLAN tag's TPID is 8100, 88a8 or 9100"));
            }
            vlans.push(u16::from_be_bytes([high, low]));
            link.extend(tag);
        }
        link.extend(SESSION_STAGE);
        Ok((vlans, link))
    }

    /// What all PPPoE sessions of a device have in common, as those of a tunnel have; made where there is none.
    fn link_of(&mut self, device: u32) -> Result<u32, Refusal> {
        if let Some(link) = self.devices[device].link {
            return Ok(link);
        }
        let tunnel = Tunnel {
            destination: Destination::on_link(device, self.devices[device].vnet),
            longest: u16::MAX,
            ..Tunnel::default()
        };
        let link = self.tunnels.insert(tunnel).ok_or(Refusal::limit("too many tunnels"))?;
        self.devices[device].link = Some(link);
        Ok(link)
    }

    /// Whether a tunnel is what PPPoE sessions of a device have in common.
    pub fn is_link(&self, tunnel: u32) -> bool {
        matches!(self.tunnels[tunnel].destination.via, Via::Device(_))
    }

    /// A PPPoE session is going.
    pub fn forget_pppoe(&mut self, session: u32) {
        if let Some(whose) = self.pppoe.keys.remove(&session) {
            self.pppoe.table.remove(whose);
        }
    }

    /// A device is going, and its PPPoE sessions with it.
    pub fn remove_link(&mut self, device: u32) {
        let Some(link) = self.devices[device].link.take() else { return };
        let sessions: Vec<_> =
            self.pppoe.keys.keys().copied().filter(|at| self.sessions.rx[*at].tunnel == link).collect();
        for session in sessions {
            self.remove_from_all(Port::Session(session));
        }
        self.tunnels.remove(link);
    }

    /// Takes in a frame of a PPPoE session of a device, which lies at `place`; false where it is none, and nothing was
    /// done. `outer` is a tag that the kernel took off.
    pub fn take_pppoe(
        &mut self,
        device: u32,
        buffer: &mut [u8],
        (start, end): (usize, usize),
        outer: Option<[u8; 4]>,
        about: About,
    ) -> bool {
        let frame = &buffer[start..end];
        let Some(link) = Link::read(frame, outer).filter(|link| link.kind == SESSION_STAGE) else {
            return false;
        };
        let Some([version, code, ids @ .., high, low]) = frame[link.payload..].first_chunk::<HEADER>() else {
            return false;
        };
        let whose = Whose::new(device, &frame[..6], &frame[6..ADDRESSES], link.vlans, *ids);
        let session = self.pppoe.table.get(whose);
        if session == NONE {
            self.io.add(Io::PppoeUnknown, 1);
            return false;
        }
        self.io.add(Io::RxFrames, 1);
        let payload = start + link.payload + HEADER;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if [*version, *code] != DATA {
            self.refuse(session, Reason::BadPppoe);
        } else if payload + length > end {
            self.refuse(session, Reason::Truncated);
        } else if length < FrameType::Ppp.shortest() {
            self.refuse(session, Reason::Runt);
        } else if !fits(&about.offload, payload - start, length) {
            self.refuse(session, Reason::BadOffload);
        } else {
            // What is behind the length is padding (RFC 2516 §4 and IEEE 802.3 §4.2.3.3).
            let place = Place { floor: 0, start: payload, end: payload + length };
            let mut about = About { ingress: Port::Session(session), frame_type: FrameType::Ppp, ..about };
            about.offload.moved(-((payload - start) as i16));
            self.deliver_pppoe(session, Frame { buffer, place, about });
        }
        true
    }

    #[inline]
    fn deliver_pppoe(&mut self, session: u32, frame: Frame) {
        let rx = &mut self.sessions.rx[session];
        let tunnel = &mut self.tunnels[rx.tunnel];
        tunnel.last_heard = Some(frame.about.now);
        if rx.guard.any() || !frame.about.offload.is_none() {
            return self.deliver(session, frame);
        }
        let len = frame.len();
        rx.deliver(1, len);
        tunnel.received(1, len as u64);
        let forwarder = rx.forwarder;
        match forwarder {
            Forwarder::CrossConnect(Port::Session(out))
                if self.forward_one(out, &frame.place, frame.buffer) => {}
            _ => self.forward(forwarder, frame),
        }
    }
}

/// Whether what is left to be done in a frame lies in the PPP frame of `length` bytes that starts at `payload`.
fn fits(offload: &Offload, payload: usize, length: usize) -> bool {
    let (start, offset) = (usize::from(offload.start), usize::from(offload.offset));
    offload.is_none()
        || start >= payload && start + offset + 2 <= payload + length && offload.segments(0) == 1
}
