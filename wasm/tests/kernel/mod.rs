//! Plays the kernel: fills receive slots like `recvmmsg` and `read`, and carries out what `pump` laid out.
//!
//! Natively, offsets into "the memory" are addresses, and the base is 0.
#![allow(unsafe_code, reason = "the kernel knows its buffers by their addresses only")]
#![allow(dead_code, reason = "each test file uses a part")]

pub mod packet;

use std::slice::{from_raw_parts, from_raw_parts_mut};

use isthmus_datapath::abi::{Control, IoVec, Ip, MmsgHdr, Name};
use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::Reason;
use isthmus_datapath::datapath::Datapath;
use isthmus_datapath::header::{Cookie, Version};
use isthmus_datapath::manage::{Refusal, TunnelRequest};
use isthmus_datapath::port::FrameType;
use isthmus_datapath::receive::BATCH;
use isthmus_datapath::session::{Options, TunnelShape};
use isthmus_datapath::slab::Handle;
use isthmus_datapath::switch::{MemberOptions, SwitchOptions};
use isthmus_datapath::transmit::{IOVECS, SPLIT};
use isthmus_datapath::tunnel::{Outer, SocketKind, SourceCheck};
use isthmus_datapath::vlan::Vlans;

/// A datagram as it reaches a socket.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub from: Name,
    pub bytes: Vec<u8>,
    /// What UDP_GRO would say; 0: nothing.
    pub gro: u16,
    pub flags: u32,
}

/// A message that was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    pub fd: i32,
    pub to: (Ip, u16),
    /// The control buffer.
    pub control: Vec<u8>,
    /// The datagrams that the kernel makes of it.
    pub datagrams: Vec<Vec<u8>>,
    /// How many iovecs it had.
    pub iovecs: usize,
}

/// What came out of the datapath.
#[derive(Default, Debug)]
pub struct Output {
    pub sent: Vec<Sent>,
    pub written: Vec<(i32, Vec<u8>)>,
    /// Messages that were refused for good, and writes.
    pub failed: usize,
}

impl Output {
    /// All datagrams, in the order in which they were sent.
    pub fn datagrams(&self) -> Vec<Vec<u8>> {
        self.sent.iter().flat_map(|sent| sent.datagrams.clone()).collect()
    }
}

/// A datapath, and a kernel around it.
pub struct Lab {
    pub datapath: Datapath,
}

impl Lab {
    pub fn new(limits: Limits) -> Self {
        Self { datapath: Datapath::new(limits) }
    }

    /// Hands in at most a batch of datagrams.
    pub fn receive(&mut self, socket: Handle, incoming: &[Incoming], now: u64) {
        self.receive_with(socket, incoming, &[], now);
    }

    /// Hands in datagrams that the kernel has marked (SO_RCVMARK); 0 is told, too.
    pub fn receive_marked(&mut self, socket: Handle, incoming: &[Incoming], mark: u32) {
        let mut bytes = [20u64.to_le_bytes(), [1, 0, 0, 0, 36, 0, 0, 0]].concat();
        bytes.extend(mark.to_le_bytes());
        bytes.extend([0; 4]);
        self.receive_with(socket, incoming, &bytes, 0);
    }

    fn receive_with(&mut self, socket: Handle, incoming: &[Incoming], told: &[u8], now: u64) {
        assert!(incoming.len() <= BATCH);
        let places = self.datapath.receive.places();
        // SAFETY: the places are those of live arrays of the datapath, which nobody borrows now.
        let messages = unsafe { from_raw_parts_mut(places.messages as *mut MmsgHdr, BATCH) };
        for (at, datagram) in incoming.iter().enumerate() {
            let message = &mut messages[at];
            // SAFETY: as above; recvmmsg writes no more than the lengths that it was given.
            unsafe {
                write(places.slots + at * places.stride, &datagram.bytes, places.room);
                write(message.name as usize, datagram.from.bytes(), message.name_len as usize);
                let gro = if datagram.gro == 0 { Vec::new() } else { gro(datagram.gro) };
                let control = [&gro, told].concat();
                write(message.control as usize, &control, message.control_len as usize);
                message.control_len = control.len() as u64;
            }
            message.name_len = datagram.from.bytes().len() as u32;
            message.flags = datagram.flags;
            message.len = datagram.bytes.len() as u32;
        }
        self.datapath.receive_datagrams(socket, incoming.len(), now).unwrap();
    }

    /// Hands in messages that `forge` made of each header, its name buffer and its control buffer.
    pub fn receive_forged(
        &mut self,
        socket: Handle,
        count: usize,
        now: u64,
        mut forge: impl FnMut(&mut MmsgHdr, &mut [u8], &mut [u8]),
    ) {
        let places = self.datapath.receive.places();
        // SAFETY: as in `receive`.
        let messages = unsafe { from_raw_parts_mut(places.messages as *mut MmsgHdr, BATCH) };
        for message in &mut messages[..count] {
            // SAFETY: as above; idle headers have the lengths of their buffers.
            let [name, control] =
                [(message.name, message.name_len as usize), (message.control, message.control_len as usize)]
                    .map(|(at, len)| unsafe { from_raw_parts_mut(at as *mut u8, len) });
            forge(message, name, control);
        }
        self.datapath.receive_datagrams(socket, count, now).unwrap();
    }

    /// Writes other lengths of the frames that were handed in.
    pub fn forge_lengths(&mut self, length: impl FnMut() -> i32) {
        let lengths = self.datapath.receive.places().lengths;
        // SAFETY: as in `receive`.
        unsafe { from_raw_parts_mut(lengths as *mut i32, BATCH) }.fill_with(length);
    }

    /// Hands in a frame from a packet socket, with what the kernel tells of it.
    pub fn receive_packet(&mut self, port: Handle, frame: &[u8], told: &[u8]) {
        self.receive_packet_at(port, frame, told, 0);
    }

    /// As `receive_packet`, at a time in microseconds.
    pub fn receive_packet_at(&mut self, port: Handle, frame: &[u8], told: &[u8], now: u64) {
        while self.datapath.pump() > 0 {}
        self.receive_packets(port, &[(frame.to_vec(), told.to_vec())], now);
    }

    /// Hands in frames from a packet socket, each with what the kernel tells of it.
    pub fn receive_packets(&mut self, port: Handle, frames: &[(Vec<u8>, Vec<u8>)], now: u64) {
        let places = self.datapath.receive.places();
        // SAFETY: as in `receive`.
        let messages = unsafe { from_raw_parts_mut(places.messages as *mut MmsgHdr, BATCH) };
        for (at, (frame, told)) in frames.iter().enumerate() {
            let message = &mut messages[at];
            unsafe {
                write(places.slots + at * places.stride, frame, places.room);
                write(message.control as usize, told, message.control_len as usize);
            }
            message.control_len = told.len() as u64;
            message.flags = 0;
            message.len = frame.len() as u32;
        }
        self.datapath.receive_packets(port, frames.len(), now).unwrap();
    }

    /// Hands in frames read from a device.
    pub fn read(&mut self, port: Handle, frames: &[Vec<u8>], now: u64) {
        let places = self.datapath.receive.places();
        for (at, frame) in frames.iter().enumerate() {
            // SAFETY: as in `receive`.
            unsafe {
                write(places.slots + at * places.stride, frame, places.room);
                write(places.lengths + at * 4, &(frame.len() as i32).to_le_bytes(), 4);
            }
        }
        self.datapath.receive_frames(port, frames.len(), now).unwrap();
    }

    /// Pumps until nothing is left; `refused` says whether a message or write fails. A refused group is split.
    pub fn run_failing(&mut self, mut refused: impl FnMut() -> Option<Reason>) -> Output {
        let mut output = Output::default();
        while self.round(&mut refused, &mut output) {}
        output
    }

    /// Pumps once, and carries out what that laid out; false: nothing is left.
    pub fn round(&mut self, mut refused: impl FnMut() -> Option<Reason>, output: &mut Output) -> bool {
        let count = self.datapath.pump();
        if count == 0 {
            return false;
        }
        let [messages, iovecs, ops] = self.datapath.core.transmit.places();
        for op in 0..count {
            // SAFETY: pump laid out so many ops, and messages and iovecs for them.
            let [kind, fd, first, count] = unsafe { *(ops as *const [i32; 4]).add(op) };
            if kind == 1 {
                // SAFETY: as above.
                let iovecs =
                    unsafe { from_raw_parts((iovecs as *const IoVec).add(first as usize), count as usize) };
                assert!(
                    (1..=1024).contains(&count) && first as usize + count as usize <= IOVECS,
                    "{first} {count}"
                );
                match refused() {
                    Some(reason) => {
                        self.datapath.core.write_dropped(op, reason);
                        output.failed += 1;
                    }
                    None => output.written.push((fd, gather(iovecs))),
                }
                continue;
            }
            for at in first as usize..(first + count) as usize {
                // SAFETY: as above.
                let message = unsafe { *(messages as *const MmsgHdr).add(at) };
                let Some(reason) = refused().or(too_long(&message)) else {
                    output.sent.push(send(fd, &message));
                    continue;
                };
                let singles = self.datapath.core.split_message(at);
                if singles == 0 {
                    self.datapath.core.message_dropped(at, reason);
                    output.failed += 1;
                }
                for single in SPLIT..SPLIT + singles {
                    if let Some(reason) = refused() {
                        self.datapath.core.message_dropped(single, reason);
                        output.failed += 1;
                        continue;
                    }
                    // SAFETY: split_message laid it out.
                    let message = unsafe { *(messages as *const MmsgHdr).add(single) };
                    output.sent.push(send(fd, &message));
                }
            }
        }
        true
    }

    pub fn run(&mut self) -> Output {
        self.run_failing(|| None)
    }

    pub fn tunnel(
        &mut self,
        version: Version,
        socket: Handle,
        id: u32,
        peer: [u8; 4],
    ) -> Result<Handle, Refusal> {
        let request = self.request(version, socket, id, peer);
        self.datapath.core.add_tunnel(request)
    }

    pub fn request(&self, version: Version, socket: Handle, id: u32, peer: [u8; 4]) -> TunnelRequest {
        let core = &self.datapath.core;
        let kind = core.sockets[core.sockets.find(socket).unwrap()].kind;
        TunnelRequest {
            shape: TunnelShape { version, encap: kind.encap(), peer_tunnel_id: id + 1 },
            tunnel_id: id,
            socket,
            remote: (Ip::new(&peer).unwrap(), 1701, 0),
            local: None,
            source_check: SourceCheck::None,
            outer: Outer::default(),
            longest: 0,
            segment: true,
        }
    }

    pub fn session(&mut self, tunnel: Handle, id: u32, options: Options) -> Handle {
        self.datapath.core.add_session(tunnel, (id, id + 1000), FrameType::Ppp, options).unwrap()
    }

    /// Two sessions of two new v3 tunnels over UDP, joined: what comes for id 1 leaves for id 1002.
    pub fn pair(&mut self, options: Options) -> (Handle, [Handle; 2]) {
        let socket = self.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
        let ends = [1, 2].map(|id| {
            let tunnel = self.tunnel(Version::V3, socket, id, [10, 0, 0, id as u8]).unwrap();
            self.session(tunnel, id, options)
        });
        self.datapath.core.cross_connect(ends[0], ends[1]).unwrap();
        (socket, ends)
    }

    /// A switch that learns nothing and floods whatever comes.
    pub fn repeater(&mut self) -> Handle {
        let options = SwitchOptions { flood: Vlans::All, reserved: u16::MAX, ..SwitchOptions::default() };
        self.datapath.core.add_switch(options).unwrap()
    }

    /// Makes a port a trunk port of a switch.
    pub fn join(&mut self, switch: Handle, port: Handle) {
        self.datapath.core.join_switch(switch, port, MemberOptions::default()).unwrap();
    }

    /// Frames that were punted, and control messages.
    pub fn punted(&mut self) -> Vec<Vec<u8>> {
        let punts = &mut self.datapath.core.punts;
        let data = punts
            .records()
            .iter()
            .map(|record| punts.bytes()[record.data as usize..][..record.len as usize].to_vec());
        let data = data.collect();
        punts.clear();
        data
    }
}

pub fn peer(last: u8) -> Name {
    Name::new(false, Ip::new(&[10, 0, 0, last]).unwrap(), 1701, 0).unwrap()
}

pub fn incoming(bytes: Vec<u8>) -> Incoming {
    Incoming { from: peer(1), bytes, gro: 0, flags: 0 }
}

/// A v3 data message over UDP; `ns` makes a sublayer.
pub fn v3(session_id: u32, cookie: &[u8], ns: Option<u32>, frame: &[u8]) -> Vec<u8> {
    let sublayer = ns.map(|ns| (0x4000_0000 | ns).to_be_bytes());
    let sublayer = sublayer.as_ref().map_or(&[][..], |word| word);
    [&[0, 3, 0, 0], &session_id.to_be_bytes()[..], cookie, sublayer, frame].concat()
}

pub fn cookie(bytes: &[u8]) -> Cookie {
    Cookie::new(bytes).unwrap()
}

/// `SOL_UDP` / `UDP_GRO` with an int.
fn gro(size: u16) -> Vec<u8> {
    let mut bytes = [20u64.to_le_bytes(), [17, 0, 0, 0, 104, 0, 0, 0]].concat();
    bytes.extend(u32::from(size).to_le_bytes());
    bytes.extend([0; 4]);
    bytes
}

/// SAFETY: `at` is the address of `room` bytes that nobody borrows.
unsafe fn write(at: usize, bytes: &[u8], room: usize) {
    assert!(bytes.len() <= room);
    unsafe { from_raw_parts_mut(at as *mut u8, bytes.len()) }.copy_from_slice(bytes);
}

/// Of nothing, not even the address counts. SAFETY: else as for `from_raw_parts`.
unsafe fn bytes_at<'a>(at: u64, len: u64) -> &'a [u8] {
    if len == 0 { &[] } else { unsafe { from_raw_parts(at as *const u8, len as usize) } }
}

fn gather(iovecs: &[IoVec]) -> Vec<u8> {
    // SAFETY: the datapath's own bytes, alive until the next pump.
    let piece = |iovec: &IoVec| unsafe { from_raw_parts(iovec.base as *const u8, iovec.len as usize) };
    iovecs.iter().flat_map(piece).copied().collect()
}

/// EMSGSIZE: longer than a UDP datagram can be.
fn too_long(message: &MmsgHdr) -> Option<Reason> {
    // SAFETY: the message's own pointers and lengths, which the datapath filled.
    let (iovecs, control) = unsafe {
        (
            from_raw_parts(message.iov as *const IoVec, message.iov_len as usize),
            bytes_at(message.control, message.control_len),
        )
    };
    let bytes: u64 = iovecs.iter().map(|iovec| iovec.len).sum();
    // A packet socket takes super-frames, too.
    (bytes > 65_507 && message.name_len > 0 && segment_size(control).is_none()).then_some(Reason::TooLong)
}

/// `sendmsg`, as strict as the kernel is.
fn send(fd: i32, message: &MmsgHdr) -> Sent {
    assert!((1..=1024).contains(&message.iov_len));
    // SAFETY: the message's own pointers and lengths, which the datapath filled.
    let (iovecs, name, control) = unsafe {
        (
            from_raw_parts(message.iov as *const IoVec, message.iov_len as usize),
            bytes_at(message.name, message.name_len.into()),
            bytes_at(message.control, message.control_len),
        )
    };
    let mut buffer = [0; Name::MAX];
    buffer[..name.len()].copy_from_slice(name);
    // A packet socket is bound to its interface, and is told nothing else.
    assert!(!name.is_empty() || control.is_empty());
    let to = Name::read(&buffer, name.len());
    let bytes = gather(iovecs);
    assert!(bytes.len() <= if name.is_empty() { 65_700 } else { 65_507 } && control.len() <= Control::MAX);
    let datagrams = match segment_size(control) {
        None => vec![bytes],
        Some(size) => {
            let datagrams: Vec<_> = bytes.chunks(size).map(<[u8]>::to_vec).collect();
            assert!((2..=64).contains(&datagrams.len()));
            datagrams
        }
    };
    Sent {
        fd,
        to: to.map_or((Ip([0; 16]), 0), |to| (to.ip(), to.port())),
        control: control.to_vec(),
        datagrams,
        iovecs: iovecs.len(),
    }
}

/// What `UDP_SEGMENT` in a control buffer says.
fn segment_size(mut control: &[u8]) -> Option<usize> {
    while control.len() >= 16 {
        let len = u64::from_le_bytes(control[..8].try_into().unwrap()) as usize;
        if control[8..16] == [17, 0, 0, 0, 103, 0, 0, 0] {
            assert_eq!(len, 18);
            return Some(usize::from(u16::from_le_bytes([control[16], control[17]])));
        }
        control = &control[len.next_multiple_of(8)..];
    }
    None
}
