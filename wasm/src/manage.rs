//! What TypeScript asks for: sockets, tunnels, sessions and other ports added, changed, joined and removed.

use crate::abi::{Control, Ip};
use crate::core::Core;
use crate::counters::Reason;
use crate::header::{Encap, Version, key_v2};
use crate::leaving::ControlMessage;
use crate::offload::Takes;
use crate::port::{Device, Forwarder, FrameType, HostPort, Port};
use crate::session::{Identity, NONE, Options, TunnelShape};
use crate::slab::Handle;
use crate::tunnel::{Destination, Outer, Socket, SocketKind, SourceCheck, Tunnel};

/// Why a request was refused; nothing was changed. The codes are those of `WasmError` in `mod.ts`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: &'static str,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(to, "{}: {}", self.code, self.message)
    }
}

impl Refusal {
    /// A refusal of any kind.
    pub const fn new(code: &'static str, message: &'static str) -> Self {
        Self { code, message }
    }

    /// The socket's handle is stale or of another kind.
    pub const fn no_such_socket() -> Self {
        Self::new("no-such-socket", "no such socket")
    }

    /// The tunnel's handle is stale or of another kind.
    pub const fn no_such_tunnel() -> Self {
        Self::new("no-such-tunnel", "no such tunnel")
    }

    /// The port's handle is stale or of another kind.
    pub const fn no_such_port() -> Self {
        Self::new("no-such-port", "no such port of this kind")
    }

    /// The port is in a forwarder.
    pub(crate) const fn joined() -> Self {
        Self::new("port-joined", "a port is in a forwarder already")
    }

    /// An argument cannot be.
    pub const fn invalid(message: &'static str) -> Self {
        Self::new("invalid", message)
    }

    /// There are too many.
    pub const fn limit(message: &'static str) -> Self {
        Self::new("limit", message)
    }
}

/// A tunnel as asked for.
#[derive(Clone, Copy)]
pub struct TunnelRequest {
    /// Version, encapsulation and the peer's id.
    pub shape: TunnelShape,
    /// Our id.
    pub tunnel_id: u32,
    /// The socket that it is reached through.
    pub socket: Handle,
    /// The peer's address, port and scope.
    pub remote: (Ip, u16, u32),
    /// The source address.
    pub local: Option<Ip>,
    /// Which datagrams it takes.
    pub source_check: SourceCheck,
    /// What the outer headers shall say.
    pub outer: Outer,
    /// Bytes of a datagram that the path carries unfragmented; 0: not known.
    pub longest: u16,
    /// Whether frames may leave grouped.
    pub segment: bool,
}

impl Core {
    /// Registers a socket.
    pub fn add_socket(&mut self, fd: i32, kind: SocketKind) -> Result<Handle, Refusal> {
        let at = self
            .sockets
            .insert(Socket { fd, kind, tunnels: 0, marks: false })
            .ok_or(Refusal::limit("too many sockets"))?;
        Ok(self.sockets.handle(at))
    }

    /// A socket tells the kernel's mark with each datagram from now on (SO_RCVMARK), or no more.
    pub fn tell_marks(&mut self, socket: Handle, on: bool) -> Result<(), Refusal> {
        let at = self.sockets.find(socket).ok_or(Refusal::no_such_socket())?;
        self.sockets[at].marks = on;
        Ok(())
    }

    /// Forgets a socket that no tunnel uses.
    pub fn remove_socket(&mut self, socket: Handle) -> Result<(), Refusal> {
        let at = self.sockets.find(socket).ok_or(Refusal::no_such_socket())?;
        if self.sockets[at].tunnels > 0 {
            return Err(Refusal::new("socket-busy", "a tunnel uses the socket"));
        }
        self.sockets.remove(at);
        Ok(())
    }

    /// Adds a tunnel.
    pub fn add_tunnel(&mut self, request: TunnelRequest) -> Result<Handle, Refusal> {
        let TunnelRequest { shape, tunnel_id, .. } = request;
        check_id(shape.version, tunnel_id)?;
        check_id(shape.version, shape.peer_tunnel_id)?;
        if shape.version == Version::V2 && shape.encap == Encap::Ip {
            return Err(Refusal::invalid("L2TPv2 does not run over IP"));
        }
        let id = (shape.version == Version::V3, tunnel_id);
        if self.tunnel_ids.contains_key(&id) {
            return Err(Refusal::new("tunnel-exists", "there is a tunnel of this version and id"));
        }
        let destination = self.destination(&request)?;
        let tunnel = Tunnel {
            tunnel_id,
            shape,
            destination,
            source_check: request.source_check,
            segment: segment_limit(&request) > 0,
            longest: longest(&request),
            segment_limit: segment_limit(&request),
            ..Tunnel::default()
        };
        let at = self.tunnels.insert(tunnel).ok_or(Refusal::limit("too many tunnels"))?;
        self.count_users(&destination, 1);
        self.tunnel_ids.insert(id, at);
        Ok(self.tunnels.handle(at))
    }

    /// Changes where a tunnel goes. Its version, encapsulation and ids stay.
    pub fn change_tunnel(&mut self, tunnel: Handle, request: TunnelRequest) -> Result<(), Refusal> {
        let at = self.tunnel(tunnel)?;
        let TunnelShape { version, encap, peer_tunnel_id } = self.tunnels[at].shape;
        let same = (version, encap, peer_tunnel_id, self.tunnels[at].tunnel_id)
            == (request.shape.version, request.shape.encap, request.shape.peer_tunnel_id, request.tunnel_id);
        if !same {
            return Err(Refusal::invalid("a tunnel's version, encapsulation and ids cannot change"));
        }
        let destination = self.destination(&request)?;
        let twins = self.leave_twins(at);
        self.count_users(&destination, 1);
        let before = self.tunnels[at].destination;
        self.count_users(&before, -1);
        let tunnel = &mut self.tunnels[at];
        tunnel.destination = destination;
        tunnel.source_check = request.source_check;
        tunnel.segment = segment_limit(&request) > 0;
        tunnel.longest = longest(&request);
        tunnel.segment_limit = segment_limit(&request);
        self.enter_twins(twins);
        Ok(())
    }

    /// The L2TP tunnel that a handle stands for.
    fn tunnel(&self, tunnel: Handle) -> Result<u32, Refusal> {
        let found = self.tunnels.find(tunnel).filter(|at| !self.is_link(*at));
        found.ok_or(Refusal::no_such_tunnel())
    }

    /// Counts a tunnel more or less among those of its socket.
    fn count_users(&mut self, destination: &Destination, by: i32) {
        if let Some(socket) = destination.socket() {
            let tunnels = &mut self.sockets[socket].tunnels;
            *tunnels = tunnels.wrapping_add_signed(by);
        }
    }

    fn destination(&self, request: &TunnelRequest) -> Result<Destination, Refusal> {
        let at = self.sockets.find(request.socket).ok_or(Refusal::no_such_socket())?;
        let kind = self.sockets[at].kind;
        if kind.encap() != request.shape.encap {
            return Err(Refusal::invalid("the socket is of another encapsulation than the tunnel"));
        }
        Destination::new((at, kind), request.remote, request.local, request.outer).map_err(Refusal::invalid)
    }

    /// Lets datagrams of a tunnel leave grouped up to a length; 0: none, and no more than the tunnel was asked to group.
    pub fn limit_grouping(&mut self, tunnel: Handle, longest: u16) -> Result<(), Refusal> {
        let at = self.tunnel(tunnel)?;
        let tunnel = &mut self.tunnels[at];
        tunnel.segment_limit = if tunnel.segment { longest.min(tunnel.longest) } else { 0 };
        Ok(())
    }

    /// Removes a tunnel that has no sessions.
    pub fn remove_tunnel(&mut self, tunnel: Handle) -> Result<(), Refusal> {
        let at = self.tunnel(tunnel)?;
        if self.tunnels[at].sessions > 0 {
            return Err(Refusal::new("tunnel-busy", "the tunnel has sessions"));
        }
        let tunnel = self.tunnels.remove(at);
        self.count_users(&tunnel.destination, -1);
        self.tunnel_ids.remove(&(tunnel.shape.version == Version::V3, tunnel.tunnel_id));
        Ok(())
    }

    /// Adds a session to a tunnel.
    pub fn add_session(
        &mut self,
        tunnel: Handle,
        (session_id, peer_session_id): (u32, u32),
        frame_type: FrameType,
        options: Options,
    ) -> Result<Handle, Refusal> {
        let tunnel = self.tunnel(tunnel)?;
        let shape = self.tunnels[tunnel].shape;
        check_id(shape.version, session_id)?;
        check_id(shape.version, peer_session_id)?;
        check_options(shape.version, &options)?;
        self.check_unique(tunnel, session_id)?;
        let identity = Identity { session_id, peer_session_id, tunnel };
        let at = self.sessions.insert(identity, frame_type).ok_or(Refusal::limit("too many sessions"))?;
        self.sessions.configure(at, options, &shape);
        self.tunnels[tunnel].sessions += 1;
        self.epoch += 1;
        match shape.version {
            Version::V2 => self.v2.set(self.v2_key(tunnel, session_id), at),
            Version::V3 => self.enter_v3(at),
        }
        self.take_early(at, tunnel, session_id);
        Ok(self.sessions.handle(at))
    }

    /// What the table of v2 sessions knows a session by.
    pub fn v2_key(&self, tunnel: u32, session_id: u32) -> u32 {
        key_v2(self.tunnels[tunnel].tunnel_id as u16, session_id as u16)
    }

    /// A v3 id may be used in several tunnels if socket and peer tell them apart.
    fn check_unique(&self, tunnel: u32, session_id: u32) -> Result<(), Refusal> {
        let mine = &self.tunnels[tunnel];
        let exists = match mine.shape.version {
            Version::V2 => self.v2.get(self.v2_key(tunnel, session_id)) != NONE,
            Version::V3 => self.has_v3(&mine.destination, session_id),
        };
        if exists {
            return Err(Refusal::new(
                "session-exists",
                "there is a session of this id that could not be told apart",
            ));
        }
        Ok(())
    }

    /// Changes a session's options, at once: frames that wait are released, in order, when it is no longer to reorder, or
    /// with the next [`Core::age`] when they have waited for longer than they may now.
    pub fn change_session(&mut self, session: Handle, options: Options) -> Result<(), Refusal> {
        let at = self.sessions.find(session).ok_or(Refusal::no_such_port())?;
        if self.is_link(self.sessions.rx[at].tunnel) {
            return Err(Refusal::invalid("a PPPoE session has no options of L2TP"));
        }
        let shape = self.tunnels[self.sessions.rx[at].tunnel].shape;
        check_options(shape.version, &options)?;
        if options.reorder_timeout == 0 {
            self.release_all(at);
        }
        self.sessions.configure(at, options, &shape);
        self.plan(at);
        Ok(())
    }

    /// Adds a device. `takes`: it was opened with IFF_VNET_HDR, and takes that much.
    pub fn add_device(
        &mut self,
        fd: i32,
        frame_type: FrameType,
        takes: Option<Takes>,
        tag: Option<[u8; 4]>,
    ) -> Result<Handle, Refusal> {
        // What is to have a tag is put together here: the kernel is given frames as they go over the wire.
        let all = takes.unwrap_or_default();
        let device = Device {
            tag,
            fd,
            packets: false,
            link: None,
            budget: None,
            frame_type,
            vnet: takes.is_some(),
            takes: if tag.is_none() { all } else { Takes::default() },
            forwarder: Forwarder::None,
            limits: None,
        };
        let at = self.devices.insert(device).ok_or(Refusal::limit("too many devices"))?;
        Ok(self.devices.handle(at))
    }

    /// A device is a packet socket: what it is to send is laid out as messages.
    pub fn send_in_messages(&mut self, device: Handle) -> Result<(), Refusal> {
        let at = self.devices.find(device).ok_or(Refusal::no_such_port())?;
        self.devices[at].packets = true;
        Ok(())
    }

    /// Adds a port whose frames TypeScript handles.
    pub fn add_host_port(&mut self, frame_type: FrameType) -> Result<Handle, Refusal> {
        let port = HostPort { frame_type, forwarder: Forwarder::None, of: None };
        let at = self.hosts.insert(port).ok_or(Refusal::limit("too many host ports"))?;
        Ok(self.hosts.handle(at))
    }

    /// Removes a port, disconnecting it first. What waits in its queue is dropped and counted.
    pub fn remove_port(&mut self, port: Handle) -> Result<(), Refusal> {
        let port = self.port(port).ok_or(Refusal::no_such_port())?;
        if let Port::Device(at) = port {
            self.remove_link(at);
        }
        self.remove_from_all(port);
        Ok(())
    }

    /// Removes a live port from its forwarder and from its slab.
    pub fn remove_from_all(&mut self, port: Port) {
        self.part(port);
        self.forget_port(port);
        match port {
            Port::Session(at) => self.remove_session(at),
            Port::Device(at) => drop(self.devices.remove(at)),
            Port::Host(at) => drop(self.hosts.remove(at)),
            Port::Patch(at) => self.switches.remove_patch(at),
        }
    }

    fn remove_session(&mut self, at: u32) {
        let Identity { session_id, tunnel, .. } = self.sessions.rare(at).identity;
        match self.tunnels[tunnel].shape.version {
            _ if self.is_link(tunnel) => self.forget_pppoe(at),
            Version::V2 => self.v2.remove(self.v2_key(tunnel, session_id)),
            Version::V3 => self.leave_v3(at),
        }
        self.tunnels[tunnel].sessions -= 1;
        self.epoch += 1;
        self.members.forget(at);
        let queue = self.sessions.remove(at);
        self.drop_queue(queue);
    }

    /// What a port's frames are.
    pub fn frame_type(&self, port: Port) -> FrameType {
        match port {
            Port::Session(at) => self.sessions.rx[at].frame_type,
            Port::Device(at) => self.devices[at].frame_type,
            Port::Host(at) => self.hosts[at].frame_type,
            Port::Patch(_) => FrameType::Ethernet,
        }
    }

    /// A port's forwarder.
    pub fn forwarder_mut(&mut self, port: Port) -> &mut Forwarder {
        match port {
            Port::Session(at) => &mut self.sessions.rx[at].forwarder,
            Port::Device(at) => &mut self.devices[at].forwarder,
            Port::Host(at) => &mut self.hosts[at].forwarder,
            Port::Patch(at) => &mut self.switches.patches[at].forwarder,
        }
    }

    /// Queues a control message (RFC 3931 §4.1.1.2: over IP behind four zero bytes); false when the queue is full.
    pub fn send_control(
        &mut self,
        socket: Handle,
        remote: (Ip, u16, u32),
        local: Option<Ip>,
        mark: u32,
        data: &[u8],
    ) -> Result<bool, Refusal> {
        let at = self.sockets.find(socket).ok_or(Refusal::no_such_socket())?;
        let kind = self.sockets[at].kind;
        let outer = Outer { mark, ..Outer::default() };
        let destination = Destination::new((at, kind), remote, local, outer).map_err(Refusal::invalid)?;
        let before: &[u8] = if kind.encap() == Encap::Ip { &[0; 4] } else { &[] };
        let message = Box::new(ControlMessage { destination, data: [before, data].concat() });
        let queued = self.controls.push(message, data.len() + size_of::<Control>());
        if !queued {
            self.drop_frame(Reason::ControlQueueFull);
        }
        Ok(queued)
    }
}

fn segment_limit(request: &TunnelRequest) -> u16 {
    // The kernel marks no groups' datagrams that IPsec is to encrypt.
    let groups = request.segment && request.shape.encap == Encap::Udp && request.outer.mark == 0;
    if groups { longest(request) } else { 0 }
}

fn longest(request: &TunnelRequest) -> u16 {
    if request.longest == 0 { u16::MAX } else { request.longest }
}

fn check_id(version: Version, id: u32) -> Result<(), Refusal> {
    match (version, id) {
        (_, 0) => Err(Refusal::invalid("0 is no id")),
        (Version::V2, 0x1_0000..) => Err(Refusal::invalid("L2TPv2 ids have 16 bits")),
        _ => Ok(()),
    }
}

fn check_options(version: Version, options: &Options) -> Result<(), Refusal> {
    let cookies = !options.cookie.bytes().is_empty() || !options.peer_cookie.bytes().is_empty();
    if version == Version::V2 && cookies {
        return Err(Refusal::invalid("L2TPv2 has no cookies"));
    }
    if options.patience.restart_after == 0 || options.patience.restart_run == 0 {
        return Err(Refusal::invalid("without patience every late frame would restart the numbering"));
    }
    Ok(())
}
