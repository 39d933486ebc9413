//! Coalescing: segments of one flow that leave by one device become one super-frame, by the rules of the kernel's GRO.
//!
//! What comes out splits into what went in, octet for octet. The kernel believes a super-frame's payload to be whole, so
//! a segment is taken only if its own checksums were right; one that fails them leaves as it came, and the kernel counts
//! it. Flows are open for one round of output only.

use std::ops::Range;

use super::Transmit;
use crate::checksum::{self, Sum, fold, half, sum};
use crate::frame::{Frame, Place};
use crate::headers::Headers;
use crate::leaving::Span;
use crate::offload::{Offload, Segments, VNET_HEADER};

/// Flows that are open at a time.
const FLOWS: usize = 8;
/// Bytes of the longest headers that are looked at: Ethernet with two VLAN tags, IPv6, TCP with all its options.
const LONGEST: usize = 14 + 8 + 40 + 60;
/// Bytes of headers that one more frame may ask for.
pub(super) const ROOM: usize = 2 * VNET_HEADER + LONGEST;
/// Bytes of an IP packet.
const MAX_PACKET: usize = 65_535;
/// Datagrams in a super-frame of UDP: what every kernel takes.
const MAX_DATAGRAMS: u32 = 64;
/// Segments in one of TCP: half of what one write may lie in (`UIO_MAXIOV`).
const MAX_SEGMENTS: u32 = 512;

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const ECE: u8 = 0x40;

/// What of a segment decides whether it can join a flow.
#[derive(Clone, Copy)]
struct Segment {
    headers: Headers,
    /// Bytes of headers.
    header: usize,
    /// Bytes behind them.
    payload: usize,
    /// TCP's sequence number.
    seq: u32,
    /// IPv4's identification.
    id: u16,
    /// TCP's flags.
    flags: u8,
}

/// Segments of one flow that may be joined by more.
struct Flow {
    device: u32,
    /// See [`key_of`].
    key: u64,
    first: Segment,
    last: Segment,
    count: u32,
    payload: usize,
    /// The first one's headers in the arena, behind room for a `virtio_net_hdr`.
    head: Range<usize>,
    /// The first one as it came.
    single: [Span; 2],
    /// The payloads.
    spans: Vec<Span>,
}

/// The open flows, oldest first. Boxes are moved where flows would have to be.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "flows come and go at both ends, and are long")]
pub(super) struct Flows {
    open: Vec<Box<Flow>>,
    /// Flows that have left, to be used again.
    spare: Vec<Box<Flow>>,
    /// Stretches in all of them.
    spans: usize,
    /// By the device's index.
    yields: Vec<Yield>,
    /// Counts the rounds of output.
    round: u32,
}

/// So many flows of a round without a segment to join show that looking for them is in vain.
const IN_VAIN: u32 = 16;
/// For so many rounds, at most, no flows are looked for then: they double each time.
const LONGEST_REST: u32 = 64;

/// What looking for flows was good for at a device. Where each frame is of another flow (a server's UDP), it costs as much as
/// the rest of what is done here for a frame.
#[derive(Clone, Copy, Default)]
struct Yield {
    round: u32,
    opened: u32,
    joined: u32,
    /// Rounds for which none are looked for.
    rest: u32,
    /// The rest that is next.
    next_rest: u32,
}

impl Yield {
    /// Another round begins.
    fn turn(&mut self, round: u32) {
        if self.joined > 0 {
            self.next_rest = 0;
        } else if self.opened >= IN_VAIN {
            self.next_rest = (2 * self.next_rest).clamp(1, LONGEST_REST);
            self.rest = 1 + self.next_rest;
        }
        *self = Self { round, opened: 0, joined: 0, rest: self.rest.saturating_sub(1), ..*self };
    }
}

impl Flows {
    /// What looking for flows is good for at a device now.
    #[inline]
    fn yields_at(&mut self, device: u32) -> &mut Yield {
        let (at, round) = (device as usize, self.round);
        if at >= self.yields.len() {
            self.yields.resize(at + 1, Yield::default());
        }
        let found = &mut self.yields[at];
        if found.round != round {
            found.turn(round);
        }
        found
    }

    /// Another round of output begins.
    pub(super) fn turn(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// Stretches that the open flows need, at most.
    #[inline]
    pub(super) fn spans(&self) -> usize {
        self.spans + 2 * self.open.len()
    }

    /// Writes that the open flows need.
    #[inline]
    pub(super) fn writes(&self) -> usize {
        self.open.len()
    }
}

impl Transmit {
    /// Lets a frame leave by a device that takes super-frames: joined to a flow, or as it is. `takes_udp`: those of UDP
    /// too. The caller has asked for room.
    pub fn coalesce(&mut self, device: u32, takes_udp: bool, frame: &mut Frame, shared: bool) {
        let rests = self.flows.yields_at(device).rest > 0;
        let bytes = frame.bytes();
        let headers = if rests { None } else { Headers::read(frame.about.frame_type, bytes) };
        let headers = headers
            .filter(|headers| !headers.fragment && (headers.is_tcp() || (headers.is_udp() && takes_udp)));
        let found = headers.and_then(|headers| Some((headers, key_of(device, &headers, bytes)?)));
        let Some((headers, key)) = found else {
            let spans = self.plain(frame, shared);
            return self.write(device, &spans, 1);
        };
        let of_flow = self.flows.open.iter().position(|flow| {
            flow.key == key
                && flow.device == device
                && flow.is_of(&self.headers.bytes()[flow.head.clone()], &headers, bytes)
        });
        let segment = Segment::read(headers, bytes);
        if let (Some(at), Some(segment)) = (of_flow, &segment)
            && self.flows.open[at].takes(
                &self.headers.bytes()[self.flows.open[at].head.clone()],
                segment,
                bytes,
            )
        {
            let payload = Span::of(&bytes[segment.header..segment.header + segment.payload]);
            let flow = &mut self.flows.open[at];
            flow.append(*segment, payload);
            let full = flow.is_full();
            self.flows.spans += 1;
            self.flows.yields_at(device).joined += 1;
            if full {
                self.flush_flow(at);
            }
            return;
        }
        // Frames of one flow never overtake each other.
        if let Some(at) = of_flow {
            self.flush_flow(at);
        }
        match segment {
            Some(segment) if !segment.ends_a_run() => self.open_flow((device, key), segment, frame, shared),
            _ => {
                let spans = self.plain(frame, shared);
                self.write(device, &spans, 1);
            }
        }
    }

    /// Begins a flow with a segment.
    fn open_flow(&mut self, (device, key): (u32, u64), segment: Segment, frame: &mut Frame, shared: bool) {
        if self.flows.open.len() == FLOWS {
            self.flush_flow(0);
        }
        let bytes = frame.bytes();
        let payload = Span::of(&bytes[segment.header..segment.header + segment.payload]);
        let head = self.headers.take(VNET_HEADER + segment.header);
        self.headers.at(head.clone())[VNET_HEADER..].copy_from_slice(&bytes[..segment.header]);
        let single = self.plain(frame, shared);
        let (first, last, count, length) = (segment, segment, 1, segment.payload);
        let flow = match self.flows.spare.pop() {
            Some(mut flow) => {
                flow.spans.push(payload);
                let spans = std::mem::take(&mut flow.spans);
                *flow = Flow { device, key, first, last, count, payload: length, head, single, spans };
                flow
            }
            None => {
                let spans = vec![payload];
                Box::new(Flow { device, key, first, last, count, payload: length, head, single, spans })
            }
        };
        self.flows.spans += 1;
        self.flows.yields_at(device).opened += 1;
        self.flows.open.push(flow);
    }

    /// A frame that leaves as it came, behind an empty `virtio_net_hdr`.
    fn plain(&mut self, frame: &mut Frame, shared: bool) -> [Span; 2] {
        let Place { floor, start, end } = frame.place;
        if start - floor >= VNET_HEADER && !shared {
            frame.buffer[start - VNET_HEADER..start].fill(0);
            return [Span::of(&frame.buffer[start - VNET_HEADER..end]), Span::default()];
        }
        let vnet = self.header(VNET_HEADER);
        vnet.fill(0);
        [Span::of(vnet), Span::of(&frame.buffer[start..end])]
    }

    /// Lets all flows leave.
    pub fn flush(&mut self) {
        while !self.flows.open.is_empty() {
            self.flush_flow(0);
        }
    }

    fn flush_flow(&mut self, at: usize) {
        let mut flow = self.flows.open.remove(at);
        self.flows.spans -= flow.spans.len();
        if flow.count == 1 {
            self.write(flow.device, &flow.single, 1);
        } else {
            let head = self.headers.at(flow.head.clone());
            flow.finish(head);
            let head = Span::of(head);
            self.write_super(flow.device, head, &flow.spans, flow.count);
        }
        flow.spans.clear();
        self.flows.spare.push(flow);
    }
}

impl Segment {
    /// A segment that could be part of a super-frame: it carries data, nothing but data, and its checksums are right.
    fn read(headers: Headers, bytes: &[u8]) -> Option<Self> {
        let header = headers.payload(bytes)?;
        let payload = bytes.len() - header;
        let ip = &bytes[headers.network..headers.transport];
        let l4 = &bytes[headers.transport..];
        let plain_ip = ip.len() == if headers.v6 { 40 } else { 20 };
        if payload == 0 || headers.end != bytes.len() || !plain_ip || header > LONGEST {
            return None;
        }
        let flags = if headers.is_tcp() { l4[13] } else { 0 };
        if headers.is_tcp() && flags & !(FIN | PSH | ECE) != ACK || headers.is_udp() && !is_whole_udp(l4) {
            return None;
        }
        let pseudo = sum(headers.addresses(bytes)) + half(headers.protocol.into()) + half(l4.len() as u16);
        if fold(pseudo + sum(l4)) != 0xffff || (!headers.v6 && fold(sum(ip)) != 0xffff) {
            return None;
        }
        let seq = if headers.is_tcp() { word(l4, 4) } else { 0 };
        let id = if headers.v6 { 0 } else { u16::from_be_bytes([ip[4], ip[5]]) };
        Some(Self { headers, header, payload, seq, id, flags })
    }

    /// Whether nothing may follow it in its super-frame.
    fn ends_a_run(&self) -> bool {
        self.flags & (FIN | PSH) != 0
    }
}

/// A number that all frames of a flow have, and few others: of addresses, ports and protocol. `None`: the packet ends before
/// its ports do.
#[inline]
fn key_of(device: u32, headers: &Headers, bytes: &[u8]) -> Option<u64> {
    let ports = u32::from_le_bytes(*bytes.get(headers.transport..headers.end)?.first_chunk()?);
    let (words, _) = headers.addresses(bytes).as_chunks::<8>();
    let addresses = words.iter().fold(0, |sum: u64, word| (sum ^ u64::from_le_bytes(*word)).rotate_left(13));
    Some(addresses ^ u64::from(ports) << 16 ^ u64::from(device) << 8 ^ u64::from(headers.protocol))
}

/// Whether a UDP datagram fills its IP packet and has a checksum.
fn is_whole_udp(l4: &[u8]) -> bool {
    usize::from(u16::from_be_bytes([l4[4], l4[5]])) == l4.len() && l4[6..8] != [0, 0]
}

impl Flow {
    /// Whether a frame is of this flow: same link layer, addresses, protocol and ports.
    fn is_of(&self, head: &[u8], headers: &Headers, bytes: &[u8]) -> bool {
        let first = &self.first.headers;
        let head = &head[VNET_HEADER..];
        (first.network, first.transport, first.protocol)
            == (headers.network, headers.transport, headers.protocol)
            && head[..first.network] == bytes[..first.network]
            && first.addresses(head) == headers.addresses(bytes)
            && head[first.transport..first.transport + 4] == bytes[first.transport..first.transport + 4]
    }

    /// Whether the flow's next segment is this one.
    fn takes(&self, head: &[u8], segment: &Segment, bytes: &[u8]) -> bool {
        let head = &head[VNET_HEADER..];
        let Segment { headers, header, payload, .. } = *segment;
        let (network, transport) = (headers.network, headers.transport);
        let follows = segment.seq == self.last.seq.wrapping_add(self.last.payload as u32) || headers.is_udp();
        follows
            && header == self.first.header
            && payload <= self.first.payload
            && same_network(headers.v6, &head[network..transport], &bytes[network..transport])
            && self.id_follows(head, segment)
            && (headers.is_udp() || same_tcp(&head[transport..], &bytes[transport..header]))
    }

    /// Identifications count on, as those of a super-frame's segments do; a packet that may not be fragmented needs none.
    fn id_follows(&self, head: &[u8], segment: &Segment) -> bool {
        let network = segment.headers.network;
        let may_not_fragment = !segment.headers.v6 && head[network + 6] & 0x40 != 0;
        segment.headers.v6
            || segment.id == self.first.id.wrapping_add(self.count as u16)
            || may_not_fragment && segment.id == self.first.id && self.last.id == self.first.id
    }

    fn append(&mut self, segment: Segment, payload: Span) {
        self.last = segment;
        self.count += 1;
        self.payload += segment.payload;
        self.spans.push(payload);
    }

    /// Whether no segment can follow.
    fn is_full(&self) -> bool {
        let shorter = self.last.payload < self.first.payload;
        shorter
            || self.last.ends_a_run()
            || self.count == if self.first.headers.is_udp() { MAX_DATAGRAMS } else { MAX_SEGMENTS }
            || self.first.header - self.first.headers.network + self.payload + self.first.payload > MAX_PACKET
    }

    /// Makes the super-frame's headers of the first segment's.
    fn finish(&self, head: &mut [u8]) {
        let Segment { headers, header, .. } = self.first;
        let (vnet, head) = head.split_at_mut(VNET_HEADER);
        let (network, transport) = (headers.network, headers.transport);
        let carried = header - transport + self.payload;
        let segments = match (headers.is_tcp(), headers.v6) {
            (true, false) => Segments::Tcp4,
            (true, true) => Segments::Tcp6,
            (false, _) => Segments::Udp,
        };
        if headers.v6 {
            head[network + 4..network + 6].copy_from_slice(&(carried as u16).to_be_bytes());
        } else {
            let ip = &mut head[network..transport];
            let total = ip.len() + carried;
            ip[2..4].copy_from_slice(&(total as u16).to_be_bytes());
            ip[10..12].fill(0);
            let checksum = checksum::finish(sum(ip));
            ip[10..12].copy_from_slice(&checksum);
        }
        if headers.is_tcp() {
            head[transport + 13] |= self.last.flags;
        } else {
            head[transport + 4..transport + 6].copy_from_slice(&(carried as u16).to_be_bytes());
        }
        let pseudo: Sum = sum(headers.addresses(head)) + half(headers.protocol.into()) + half(carried as u16);
        let at = transport + headers.checksum();
        head[at..at + 2].copy_from_slice(&fold(pseudo).to_le_bytes());
        let offload = Offload {
            segments,
            finish: true,
            header: header as u16,
            size: self.first.payload as u16,
            start: transport as u16,
            offset: headers.checksum() as u16,
        };
        vnet.copy_from_slice(&offload.write());
    }
}

/// Whether two IP headers differ in length, identification and checksum only.
fn same_network(v6: bool, a: &[u8], b: &[u8]) -> bool {
    if v6 { a[..4] == b[..4] && a[6..8] == b[6..8] } else { a[..2] == b[..2] && a[6..10] == b[6..10] }
}

/// Whether two TCP headers differ in sequence number, FIN, PSH and checksum only.
fn same_tcp(a: &[u8], b: &[u8]) -> bool {
    a[8..13] == b[8..13]
        && (a[13] ^ b[13]) & !(FIN | PSH) == 0
        && a[14..16] == b[14..16]
        && a[18..] == b[18..]
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
