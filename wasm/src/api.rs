//! The functions that `mod.ts` calls. Addresses are offsets into the memory; handles are JS numbers.
//!
//! Numbers stand for enums in the order of the constants at the top of `mod.ts`.

#![expect(missing_docs, reason = "mod.ts documents each; the generated types are not for reading")]

mod ppp;
mod switch;

use wasm_bindgen::prelude::*;

use crate::abi::Ip;
use crate::core::{Core, Limits};
use crate::counters::{Counters, Io, Reason};
use crate::datapath::Datapath;
use crate::header::{Cookie, Encap, Version};
use crate::inside::{Identity, Where};
use crate::manage::{Refusal, TunnelRequest};
use crate::offload::Takes;
use crate::policy::{Bucket, Clamp, Policy, Source};
use crate::port::FrameType;
use crate::pppoe::PppoeRequest;
use crate::sequence::Patience;
use crate::session::{Options, Rare, TunnelShape};
use crate::slab::{Handle, Kind};
use crate::template::Framing;
use crate::transmit::{IOVECS, MESSAGES, SPLIT};
use crate::tunnel::{Outer, SocketKind, SourceCheck};

impl From<Refusal> for JsValue {
    /// `code: message`, which `mod.ts` makes a `WasmError` of.
    fn from(refusal: Refusal) -> Self {
        JsValue::from_str(&refusal.to_string())
    }
}

/// `TunnelSpec` of `mod.ts`.
#[wasm_bindgen(getter_with_clone)]
#[derive(Default)]
pub struct RawTunnel {
    pub version: u8,
    pub encap: u8,
    pub tunnel_id: u32,
    pub peer_tunnel_id: u32,
    pub socket: f64,
    pub remote: Vec<u8>,
    pub port: u16,
    pub scope: u32,
    /// Empty: none.
    pub local: Vec<u8>,
    pub source_check: u8,
    pub segment: bool,
    /// DSCP and ECN; -1: the kernel's choice; -2: each frame's own DSCP.
    pub tos: i16,
    /// 0: the kernel's choice.
    pub ttl: u8,
    pub mark: u32,
    /// 0: not known.
    pub longest: u16,
}

#[wasm_bindgen]
impl RawTunnel {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    fn request(&self) -> Result<TunnelRequest, Refusal> {
        let version = match self.version {
            2 => Version::V2,
            3 => Version::V3,
            _ => return Err(Refusal::invalid("the version is neither 2 nor 3")),
        };
        let encap = if self.encap == 0 { Encap::Udp } else { Encap::Ip };
        Ok(TunnelRequest {
            shape: TunnelShape { version, encap, peer_tunnel_id: self.peer_tunnel_id },
            tunnel_id: self.tunnel_id,
            socket: handle(self.socket).ok_or(Refusal::no_such_socket())?,
            remote: (address(&self.remote)?, self.port, self.scope),
            local: optional_address(&self.local)?,
            source_check: SourceCheck::from_number(self.source_check.into())
                .ok_or(Refusal::invalid("no such source check"))?,
            segment: self.segment,
            outer: Outer {
                tos: u8::try_from(self.tos).ok(),
                inherit: self.tos == -2,
                ttl: (self.ttl > 0).then_some(self.ttl),
                mark: self.mark,
            },
            longest: self.longest,
        })
    }
}

/// `SessionSpec` of `mod.ts`.
#[wasm_bindgen(getter_with_clone)]
#[derive(Default)]
pub struct RawSession {
    pub session_id: u32,
    pub peer_session_id: u32,
    pub frame_type: u8,
    pub l2spec: bool,
    pub peer_l2spec: bool,
    pub cookie: Vec<u8>,
    pub peer_cookie: Vec<u8>,
    pub send_seq: bool,
    pub recv_seq: bool,
    pub lns_mode: bool,
    pub reorder_timeout_ms: f64,
    pub restart_after_ms: u32,
    pub restart_run: u32,
    /// 0: as it comes; 1: with FF 03; 2: without.
    pub framing: u8,
}

#[wasm_bindgen]
impl RawSession {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    fn options(&self) -> Result<Options, Refusal> {
        let cookie = |bytes| Cookie::new(bytes).ok_or(Refusal::invalid("a cookie has 0, 4 or 8 bytes"));
        Ok(Options {
            l2spec: self.l2spec,
            peer_l2spec: self.peer_l2spec,
            send_seq: self.send_seq,
            recv_seq: self.recv_seq,
            lns_mode: self.lns_mode,
            cookie: cookie(&self.cookie)?,
            peer_cookie: cookie(&self.peer_cookie)?,
            reorder_timeout: micros(self.reorder_timeout_ms),
            patience: Patience { restart_after: self.restart_after_ms, restart_run: self.restart_run },
            framing: Framing::from_number(self.framing.into()).ok_or(Refusal::invalid("no such framing"))?,
        })
    }
}

/// `SessionPolicy` of `mod.ts`.
#[wasm_bindgen(getter_with_clone)]
#[derive(Default)]
pub struct RawPolicy {
    /// Kilobits a second; 0: no limit.
    pub rx_rate: u32,
    pub tx_rate: u32,
    pub burst: u32,
    /// Empty: any.
    pub mac: Vec<u8>,
    pub v4: Vec<u8>,
    pub v6: Vec<u8>,
    pub v6_bits: u8,
    /// 0: as it is.
    pub mss: u16,
    /// 0: as it is.
    pub mss_for_frame: u16,
}

#[wasm_bindgen]
impl RawPolicy {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    fn policy(&self) -> Result<Policy, Refusal> {
        let invalid = Refusal::invalid("a source has 6, 4 and 16 bytes, and a prefix at most 128 bits");
        if self.v6_bits > 128 {
            return Err(invalid);
        }
        let v6: Option<[u8; 16]> = given(&self.v6).map_err(|()| invalid.clone())?;
        let source = Source {
            mac: given(&self.mac).map_err(|()| invalid.clone())?,
            v4: given(&self.v4).map_err(|()| invalid)?,
            v6: v6.map(|prefix| (prefix, self.v6_bits)),
        };
        let clamp = match (self.mss, self.mss_for_frame) {
            (0, 0) => Clamp::Off,
            (0, frame) => Clamp::Frame(frame),
            (size, _) => Clamp::Fixed(size),
        };
        let [rx, tx] = [self.rx_rate, self.tx_rate].map(|rate| Bucket::new(rate, self.burst));
        Ok(Policy { rx, tx, source, clamp, limited: false })
    }
}

/// `Layout` of `mod.ts`.
#[wasm_bindgen]
pub struct RawLayout {
    pub rx_messages: u32,
    pub first_slot: u32,
    pub slot_stride: u32,
    pub slot_size: u32,
    pub rx_lengths: u32,
    pub events: u32,
    pub scratch: u32,
    pub tx_ops: u32,
    pub tx_messages: u32,
    pub tx_iovecs: u32,
    pub tx_message_count: u32,
    pub tx_iovec_count: u32,
    pub tx_split: u32,
}

/// The datapath.
#[wasm_bindgen]
pub struct Raw {
    datapath: Datapath,
    last_refusal: Option<Refusal>,
}

#[wasm_bindgen]
impl Raw {
    #[wasm_bindgen(constructor)]
    pub fn new(max_sessions: u32, reorder_frames: u32, reorder_bytes: u32, punt_bytes: u32) -> Self {
        Self {
            datapath: Datapath::new(Limits {
                sessions: max_sessions as usize,
                reorder_frames: reorder_frames as usize,
                reorder_bytes: reorder_bytes as usize,
                punt_bytes: punt_bytes as usize,
            }),
            last_refusal: None,
        }
    }

    pub fn layout(&self) -> RawLayout {
        let rx = self.datapath.receive.places();
        let [messages, iovecs, ops] = self.datapath.core.transmit.places();
        RawLayout {
            rx_messages: rx.messages as u32,
            first_slot: rx.slots as u32,
            slot_stride: rx.stride as u32,
            slot_size: rx.room as u32,
            rx_lengths: rx.lengths as u32,
            events: rx.events as u32,
            scratch: rx.scratch as u32,
            tx_ops: ops as u32,
            tx_messages: messages as u32,
            tx_iovecs: iovecs as u32,
            tx_message_count: MESSAGES as u32,
            tx_iovec_count: IOVECS as u32,
            tx_split: SPLIT as u32,
        }
    }

    pub fn set_base(&mut self, base: u64) {
        self.datapath.set_base(base);
    }

    pub fn add_socket(&mut self, fd: i32, kind: u32) -> Result<f64, Refusal> {
        let kind = SocketKind::from_number(kind).ok_or(Refusal::invalid("no such kind of socket"))?;
        self.datapath.core.add_socket(fd, kind).map(Handle::to_number)
    }

    pub fn remove_socket(&mut self, socket: f64) -> Result<(), Refusal> {
        self.datapath.core.remove_socket(handle(socket).ok_or(Refusal::no_such_socket())?)
    }

    pub fn tell_marks(&mut self, socket: f64, on: bool) -> Result<(), Refusal> {
        self.datapath.core.tell_marks(handle(socket).ok_or(Refusal::no_such_socket())?, on)
    }

    pub fn add_tunnel(&mut self, tunnel: &RawTunnel) -> Result<f64, Refusal> {
        self.datapath.core.add_tunnel(tunnel.request()?).map(Handle::to_number)
    }

    pub fn change_tunnel(&mut self, tunnel: f64, spec: &RawTunnel) -> Result<(), Refusal> {
        let tunnel = handle(tunnel).ok_or(Refusal::no_such_tunnel())?;
        self.datapath.core.change_tunnel(tunnel, spec.request()?)
    }

    pub fn remove_tunnel(&mut self, tunnel: f64) -> Result<(), Refusal> {
        self.datapath.core.remove_tunnel(handle(tunnel).ok_or(Refusal::no_such_tunnel())?)
    }

    pub fn add_session(&mut self, tunnel: f64, spec: &RawSession) -> Result<f64, Refusal> {
        let tunnel = handle(tunnel).ok_or(Refusal::no_such_tunnel())?;
        let ids = (spec.session_id, spec.peer_session_id);
        self.datapath
            .core
            .add_session(tunnel, ids, frame_type(spec.frame_type)?, spec.options()?)
            .map(Handle::to_number)
    }

    pub fn expect_session(&mut self, tunnel: f64, session_id: u32, on: bool) -> Result<(), Refusal> {
        let tunnel = handle(tunnel).ok_or(Refusal::no_such_tunnel())?;
        match on {
            true => self.datapath.core.expect_session(tunnel, session_id),
            false => self.datapath.core.unexpect_session(tunnel, session_id),
        }
    }

    /// The session as it is now.
    pub fn session(&self, session: f64) -> Result<RawSession, Refusal> {
        let core = &self.datapath.core;
        let at =
            handle(session).and_then(|handle| core.sessions.find(handle)).ok_or(Refusal::no_such_port())?;
        let Rare { identity, options, .. } = core.sessions.rare(at);
        Ok(RawSession {
            session_id: identity.session_id,
            peer_session_id: identity.peer_session_id,
            frame_type: core.sessions.rx[at].frame_type as u8,
            l2spec: options.l2spec,
            peer_l2spec: options.peer_l2spec,
            cookie: options.cookie.bytes().to_vec(),
            peer_cookie: options.peer_cookie.bytes().to_vec(),
            send_seq: options.send_seq,
            recv_seq: options.recv_seq,
            lns_mode: options.lns_mode,
            reorder_timeout_ms: options.reorder_timeout as f64 / 1000.0,
            restart_after_ms: options.patience.restart_after,
            restart_run: options.patience.restart_run,
            framing: options.framing as u8,
        })
    }

    pub fn change_session(&mut self, session: f64, spec: &RawSession) -> Result<(), Refusal> {
        let session = handle(session).ok_or(Refusal::no_such_port())?;
        self.datapath.core.change_session(session, spec.options()?)
    }

    pub fn set_policy(&mut self, session: f64, spec: &RawPolicy) -> Result<(), Refusal> {
        let core = &mut self.datapath.core;
        let at =
            handle(session).and_then(|handle| core.sessions.find(handle)).ok_or(Refusal::no_such_port())?;
        core.sessions.hold_to(at, spec.policy()?);
        Ok(())
    }

    /// `vnet`: 0 without IFF_VNET_HDR; else 1, and 2, 4 and 8 for what it takes: checksums, TCP, UDP super-frames.
    /// `tag`: TPID and tag control information; 0: none.
    pub fn add_device(&mut self, fd: i32, frame: u8, vnet: u32, tag: u32) -> Result<f64, Refusal> {
        let takes = Takes { checksum: vnet & 2 != 0, tcp: vnet & 4 != 0, udp: vnet & 8 != 0 };
        let takes = (vnet & 1 != 0).then_some(takes);
        let tag = (tag != 0).then(|| tag.to_be_bytes());
        self.datapath.core.add_device(fd, frame_type(frame)?, takes, tag).map(Handle::to_number)
    }

    /// The device is a packet socket.
    pub fn send_in_messages(&mut self, device: f64) -> Result<(), Refusal> {
        self.datapath.core.send_in_messages(handle(device).ok_or(Refusal::no_such_port())?)
    }

    /// `tags`: TPID and tag control information of each, the outer one first.
    pub fn add_pppoe(
        &mut self,
        device: f64,
        peer: &[u8],
        own: &[u8],
        tags: &[u32],
        session_id: u16,
    ) -> Result<f64, Refusal> {
        let device = handle(device).ok_or(Refusal::no_such_port())?;
        let [peer, own] = [peer, own].map(given);
        let (Ok(Some(peer)), Ok(Some(own))) = (peer, own) else {
            return Err(Refusal::invalid("a MAC address has 6 bytes"));
        };
        let tags: Vec<_> = tags.iter().map(|tag| tag.to_be_bytes()).collect();
        let request = PppoeRequest { peer, own, tags: &tags, session_id };
        self.datapath.core.add_pppoe(device, &request).map(Handle::to_number)
    }

    pub fn add_host_port(&mut self, frame: u8) -> Result<f64, Refusal> {
        self.datapath.core.add_host_port(frame_type(frame)?).map(Handle::to_number)
    }

    pub fn remove_port(&mut self, port: f64) -> Result<(), Refusal> {
        self.datapath.core.remove_port(handle(port).ok_or(Refusal::no_such_port())?)
    }

    pub fn cross_connect(&mut self, a: f64, b: f64) -> Result<(), Refusal> {
        let a = handle(a).ok_or(Refusal::no_such_port())?;
        let b = handle(b).ok_or(Refusal::no_such_port())?;
        self.datapath.core.cross_connect(a, b)
    }

    pub fn set_receiver(&mut self, port: f64, host: f64) -> Result<(), Refusal> {
        let port = handle(port).ok_or(Refusal::no_such_port())?;
        let host = handle(host).ok_or(Refusal::no_such_port())?;
        self.datapath.core.set_receiver(port, host)
    }

    /// `vlan`: -1: untagged, -2: any. `v4`, `v6`: empty: none.
    pub fn put_inside(
        &mut self,
        session: f64,
        host: f64,
        mac: &[u8],
        vlan: i32,
        v4: &[u8],
        v6: &[u8],
    ) -> Result<(), Refusal> {
        let session = handle(session).ok_or(Refusal::no_such_port())?;
        let host = handle(host).ok_or(Refusal::no_such_port())?;
        let (Ok(Some(mac)), Ok(v4), Ok(v6)) = (given(mac), given(v4), given(v6)) else {
            return Err(Refusal::invalid("a MAC address has 6 bytes, an IP address 4 or 16"));
        };
        let vlan = match vlan {
            -2 => Where::Any,
            -1 => Where::Untagged,
            0..=4095 => Where::Vlan(vlan as u16),
            _ => return Err(Refusal::invalid("a VLAN is 0 to 4095")),
        };
        let identity = Identity { mac, vlan, v4, v6 };
        self.datapath.core.put_inside(session, host, identity)
    }

    pub fn hold(&mut self, port: f64, frames: u32) -> Result<(), Refusal> {
        self.datapath.core.hold(handle(port).ok_or(Refusal::no_such_port())?, frames)
    }

    pub fn hold_first(&mut self, port: f64, frame: &[u8]) -> Result<(), Refusal> {
        self.datapath.core.hold_first(handle(port).ok_or(Refusal::no_such_port())?, frame)
    }

    pub fn release(&mut self, port: f64) -> Result<(), Refusal> {
        self.datapath.core.release(handle(port).ok_or(Refusal::no_such_port())?)
    }

    pub fn limit(&mut self, port: f64, rx: u32, tx: u32, burst: u32) -> Result<(), Refusal> {
        self.datapath.core.limit(handle(port).ok_or(Refusal::no_such_port())?, rx, tx, burst)
    }

    pub fn disconnect(&mut self, a: f64) -> Result<(), Refusal> {
        self.datapath.core.disconnect(handle(a).ok_or(Refusal::no_such_port())?)
    }

    /// False: refused, `last_refusal` says why. A `Result` would cost the packet path an array made for JS.
    pub fn receive_datagrams(&mut self, socket: f64, count: u32, now: f64) -> bool {
        let socket = handle(socket).ok_or(Refusal::no_such_socket());
        let result =
            socket.and_then(|socket| self.datapath.receive_datagrams(socket, count as usize, micros(now)));
        self.note(result)
    }

    /// As `receive_datagrams`.
    pub fn receive_frames(&mut self, port: f64, count: u32, now: f64) -> bool {
        let port = handle(port).ok_or(Refusal::no_such_port());
        let result = port.and_then(|port| self.datapath.receive_frames(port, count as usize, micros(now)));
        self.note(result)
    }

    /// As `receive_datagrams`.
    pub fn receive_packets(&mut self, port: f64, count: u32, now: f64) -> bool {
        let port = handle(port).ok_or(Refusal::no_such_port());
        let result = port.and_then(|port| self.datapath.receive_packets(port, count as usize, micros(now)));
        self.note(result)
    }

    /// `code: message` of the last refusal by `receive_datagrams` or `receive_frames`.
    pub fn last_refusal(&self) -> String {
        self.last_refusal.as_ref().map(Refusal::to_string).unwrap_or_default()
    }

    fn note(&mut self, result: Result<(), Refusal>) -> bool {
        self.last_refusal = result.err();
        self.last_refusal.is_none()
    }

    pub fn inject(&mut self, port: f64, frame: &[u8]) -> Result<bool, Refusal> {
        self.datapath.inject(handle(port).ok_or(Refusal::no_such_port())?, frame)
    }

    #[expect(clippy::too_many_arguments, reason = "each is a part of the address or the message")]
    pub fn send_control(
        &mut self,
        socket: f64,
        remote: &[u8],
        port: u16,
        scope: u32,
        local: &[u8],
        mark: u32,
        data: &[u8],
    ) -> Result<bool, Refusal> {
        let socket = handle(socket).ok_or(Refusal::no_such_socket())?;
        let remote = (address(remote)?, port, scope);
        self.datapath.core.send_control(socket, remote, optional_address(local)?, mark, data)
    }

    pub fn age(&mut self, now: f64) {
        self.datapath.age(micros(now));
    }

    pub fn next_deadline(&self) -> Option<f64> {
        self.datapath.core.deadline().map(|micros| micros as f64 / 1000.0)
    }

    pub fn pump(&mut self) -> u32 {
        self.datapath.pump() as u32
    }

    /// The tunnel of message `index`; -1: none.
    pub fn tunnel_of_message(&self, index: u32) -> f64 {
        self.datapath.core.tunnel_of_message(index as usize).map_or(-1.0, Handle::to_number)
    }

    /// The length that message `index` is grouped by; 0: it is no group.
    pub fn grouped_by(&self, index: u32) -> u16 {
        self.datapath.core.transmit.grouped_by(index as usize).unwrap_or(0)
    }

    pub fn split_message(&mut self, index: u32) -> u32 {
        self.datapath.core.split_message(index as usize) as u32
    }

    /// `reason` is a place in `drop_names`.
    pub fn message_dropped(&mut self, index: u32, reason: u32) -> Result<(), Refusal> {
        self.datapath.core.message_dropped(index as usize, drop_reason(reason)?);
        Ok(())
    }

    /// As `message_dropped`.
    pub fn write_dropped(&mut self, op: u32, reason: u32) -> Result<(), Refusal> {
        self.datapath.core.write_dropped(op as usize, drop_reason(reason)?);
        Ok(())
    }

    pub fn limit_grouping(&mut self, tunnel: f64, longest: u16) -> Result<(), Refusal> {
        self.datapath.core.limit_grouping(handle(tunnel).ok_or(Refusal::no_such_tunnel())?, longest)
    }

    /// How many entries wait.
    pub fn punts(&self) -> u32 {
        self.datapath.core.punts.len() as u32
    }

    /// Where the first entry's record lies.
    pub fn punt_records(&self) -> u32 {
        self.datapath.core.punts.records().as_ptr() as u32
    }

    /// Where the first entry's data lies.
    pub fn punt_bytes(&self) -> u32 {
        self.datapath.core.punts.bytes().as_ptr() as u32
    }

    pub fn clear_punts(&mut self) {
        self.datapath.core.punts.clear();
    }

    /// How many slots there are that sessions may be in.
    pub fn session_slots(&self) -> u32 {
        self.datapath.core.sessions.slots()
    }

    /// How many slots there are that tunnels may be in.
    pub fn tunnel_slots(&self) -> u32 {
        self.datapath.core.tunnels.slots()
    }

    /// The sessions in `count` slots from `from` on: their handles, then the counters of each.
    pub fn session_slice(&self, from: u32, count: u32) -> Vec<f64> {
        let sessions = &self.datapath.core.sessions;
        let live = slots(from, count).filter(|at| sessions.is_live(*at));
        table(live.map(|at| (sessions.handle(at), sessions.counters(at))))
    }

    /// The tunnels in `count` slots from `from` on: their handles, then the counters of each.
    pub fn tunnel_slice(&self, from: u32, count: u32) -> Vec<f64> {
        let tunnels = &self.datapath.core.tunnels;
        let core = &self.datapath.core;
        let live = slots(from, count).filter(|at| tunnels.is_live(*at) && !core.is_link(*at));
        table(live.map(|at| (tunnels.handle(at), tunnels[at].counters)))
    }

    /// Those of `handles` that are of live sessions and tunnels, then the counters of each.
    pub fn counters(&self, handles: &[f64]) -> Vec<f64> {
        let core = &self.datapath.core;
        table(handles.iter().filter_map(|number| {
            let handle = handle(*number)?;
            let counters = match handle.kind {
                Kind::Tunnel => core.tunnels[core.tunnels.find(handle)?].counters,
                _ => core.sessions.counters(core.sessions.find(handle)?),
            };
            Some((handle, counters))
        }))
    }

    /// When the last valid data message of each tunnel came, in milliseconds; NaN: none has yet, or there is no tunnel.
    pub fn last_heard(&self, tunnels: &[f64]) -> Vec<f64> {
        let known = &self.datapath.core.tunnels;
        let heard = |number: &f64| known[known.find(handle(*number)?)?].last_heard;
        tunnels.iter().map(|number| heard(number).map_or(f64::NAN, |micros| micros as f64 / 1000.0)).collect()
    }

    pub fn drops(&self) -> Vec<f64> {
        numbers(self.datapath.core.drops.all())
    }

    pub fn io(&self) -> Vec<f64> {
        numbers(self.datapath.core.io.all())
    }
}

impl Raw {
    /// What frames pass through.
    pub fn core(&mut self) -> &mut Core {
        &mut self.datapath.core
    }

    /// The same, to look at.
    pub fn core_ref(&self) -> &Core {
        &self.datapath.core
    }
}

/// The names of `Raw::drops`, joined by spaces.
#[wasm_bindgen]
pub fn drop_names() -> String {
    Reason::NAMES.join(" ")
}

/// The names of `Raw::io`, joined by spaces.
#[wasm_bindgen]
pub fn io_names() -> String {
    Io::NAMES.join(" ")
}

fn drop_reason(number: u32) -> Result<Reason, Refusal> {
    Reason::from_number(number).ok_or(Refusal::invalid("no such reason"))
}

/// The handle that a number from TypeScript stands for.
pub fn handle(number: f64) -> Option<Handle> {
    Handle::from_number(number)
}

fn frame_type(number: u8) -> Result<FrameType, Refusal> {
    FrameType::from_number(number.into()).ok_or(Refusal::invalid("no such frame type"))
}

fn address(bytes: &[u8]) -> Result<Ip, Refusal> {
    Ip::new(bytes).ok_or(Refusal::invalid("an address has 4 or 16 bytes"))
}

/// An array of bytes; `None` if there are none, an error if they are too few or too many.
fn given<const N: usize>(bytes: &[u8]) -> Result<Option<[u8; N]>, ()> {
    if bytes.is_empty() { Ok(None) } else { bytes.try_into().map(Some).map_err(drop) }
}

fn optional_address(bytes: &[u8]) -> Result<Option<Ip>, Refusal> {
    if bytes.is_empty() { Ok(None) } else { address(bytes).map(Some) }
}

/// Milliseconds as microseconds; what is negative or no number is 0.
fn micros(ms: f64) -> u64 {
    (ms * 1000.0) as u64
}

fn slots(from: u32, count: u32) -> std::ops::Range<u32> {
    from..from.saturating_add(count)
}

/// Handles, then the counters of each.
fn table(rows: impl Iterator<Item = (Handle, Counters)>) -> Vec<f64> {
    let (mut handles, mut values) = (Vec::new(), Vec::new());
    for (handle, counters) in rows {
        handles.push(handle.to_number());
        values.extend(counters.map(|count| count as f64));
    }
    handles.append(&mut values);
    handles
}

fn numbers(counts: &[u64]) -> Vec<f64> {
    counts.iter().map(|count| *count as f64).collect()
}
