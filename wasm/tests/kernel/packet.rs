//! Ethernet frames with TCP or UDP inside, made and looked at without the datapath's own code.

/// The Internet checksum's sum, by its definition (RFC 1071 §1).
pub fn ones_complement(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let mut total = 0u32;
    for pair in bytes.chunks(2) {
        total += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        total = (total >> 16) + (total & 0xffff);
    }
    total as u16
}

/// What a frame is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// VLAN tags, each with its TPID.
    pub tags: Vec<[u8; 4]>,
    pub v6: bool,
    pub udp: bool,
    /// The last octet of both MACs, both addresses and both ports.
    pub flow: u8,
    pub id: u16,
    /// Don't Fragment.
    pub df: bool,
    /// Traffic class, with the ECN bits.
    pub tos: u8,
    pub seq: u32,
    pub flags: u8,
    pub window: u16,
    /// TCP options, in whole words.
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Packet {
    pub fn tcp(flow: u8, seq: u32, payload: &[u8]) -> Self {
        Self {
            tags: Vec::new(),
            v6: false,
            udp: false,
            flow,
            id: seq as u16,
            df: true,
            tos: 0,
            seq,
            flags: 0x10,
            window: 500,
            options: [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2].to_vec(),
            payload: payload.to_vec(),
        }
    }

    pub fn udp(flow: u8, id: u16, payload: &[u8]) -> Self {
        Self { udp: true, id, options: Vec::new(), ..Self::tcp(flow, 0, payload) }
    }

    /// The frame as it goes over a wire.
    pub fn frame(&self) -> Vec<u8> {
        self.make(false)
    }

    /// The frame with the sum of its pseudo header only where its checksum should stand.
    pub fn unfinished(&self) -> Vec<u8> {
        self.make(true)
    }

    fn make(&self, unfinished: bool) -> Vec<u8> {
        let mut l4 = self.l4();
        l4.extend(&self.payload);
        let addresses = self.addresses();
        let protocol = if self.udp { 17 } else { 6 };
        let pseudo = [&addresses[..], &[0, protocol], &(l4.len() as u16).to_be_bytes()].concat();
        let at = if self.udp { 6 } else { 16 };
        let sum = if unfinished { ones_complement(&[&pseudo]) } else { !ones_complement(&[&pseudo, &l4]) };
        let sum = if self.udp && sum == 0 { 0xffff } else { sum };
        l4[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        [self.link(), self.ip(l4.len(), protocol), l4].concat()
    }

    fn link(&self) -> Vec<u8> {
        let kind: [u8; 2] = if self.v6 { [0x86, 0xdd] } else { [8, 0] };
        [&[2, 0, 0, 0, 0, self.flow, 2, 0, 0, 0, 1, self.flow][..], &self.tags.concat(), &kind].concat()
    }

    fn addresses(&self) -> Vec<u8> {
        if self.v6 {
            let mut both = [0; 32];
            both[0] = 0xfd;
            both[15] = self.flow;
            both[16] = 0xfd;
            both[31] = 1;
            both.to_vec()
        } else {
            vec![10, 9, 0, self.flow, 10, 9, 1, 1]
        }
    }

    fn ip(&self, l4: usize, protocol: u8) -> Vec<u8> {
        if self.v6 {
            let length = (l4 as u16).to_be_bytes();
            let first = [0x60 | self.tos >> 4, self.tos << 4, 0, 0];
            return [&first[..], &length, &[protocol, 64], &self.addresses()].concat();
        }
        let total = (20 + l4 as u16).to_be_bytes();
        let id = self.id.to_be_bytes();
        let df = if self.df { 0x40 } else { 0 };
        let mut ip = vec![0x45, self.tos, total[0], total[1], id[0], id[1], df, 0, 64, protocol, 0, 0];
        ip.extend(self.addresses());
        let sum = !ones_complement(&[&ip]);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip
    }

    fn l4(&self) -> Vec<u8> {
        let ports = [0x1f, self.flow, 0x20, 1];
        if self.udp {
            let length = (8 + self.payload.len() as u16).to_be_bytes();
            return [&ports[..], &length, &[0, 0]].concat();
        }
        let offset = (((20 + self.options.len()) / 4) << 4) as u8;
        let window = self.window.to_be_bytes();
        let rest = [offset, self.flags, window[0], window[1], 0, 0, 0, 0];
        [&ports[..], &self.seq.to_be_bytes(), &[0, 0, 0, 9], &rest, &self.options].concat()
    }
}

/// What a TAP with IFF_VNET_HDR makes of a write: the frames on its wire. `Err`: the kernel's EINVAL, or what would be
/// lost without a counter. These are the rules that were seen of Linux 6.18.
pub fn delivered(write: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let half = |at: usize| usize::from(u16::from_le_bytes([write[at], write[at + 1]]));
    let [flags, kind] = [write[0], write[1] & 0x7f];
    let (length, size, start, offset) = (half(2), half(4), half(6), half(8));
    let frame = &write[10..];
    if flags & 1 == 0 {
        return if kind == 0 { Ok(vec![frame.to_vec()]) } else { Err("segments without a checksum".into()) };
    }
    if start + offset + 2 > frame.len() || length > frame.len() {
        return Err(format!("headers beyond the frame: {start}+{offset}, {length} of {}", frame.len()));
    }
    let mut network = 14;
    while matches!(frame[network - 2..network], [0x81, 0] | [0x88, 0xa8]) {
        network += 4;
    }
    let v6 = frame[network] >> 4 == 6;
    let total = usize::from(u16::from_be_bytes([
        frame[network + if v6 { 4 } else { 2 }],
        frame[network + if v6 { 5 } else { 3 }],
    ]));
    if total + if v6 { 40 } else { 0 } != frame.len() - network {
        return Err("an IP length that is not the frame's".into());
    }
    let addresses = if v6 { &frame[network + 8..network + 40] } else { &frame[network + 12..network + 20] };
    let protocol = frame[network + if v6 { 6 } else { 9 }];
    let carried = (frame.len() - start) as u16;
    let pseudo = ones_complement(&[addresses, &[0, protocol], &carried.to_be_bytes()]);
    if frame[start + offset..start + offset + 2] != pseudo.to_be_bytes() {
        return Err("no sum of the pseudo header".into());
    }
    if !v6 && ones_complement(&[&frame[network..start]]) != 0xffff {
        return Err("the IP header's checksum".into());
    }
    if kind == 0 {
        return Ok(vec![piece(frame, network, start, frame.len(), 0, frame.len(), v6)]);
    }
    let payload = frame.len() - length;
    let count = payload.div_ceil(size.max(1));
    if size == 0 || size >= payload || (protocol == 17 && count > 128) {
        return Err(format!("{payload} bytes in segments of {size}"));
    }
    if (kind, protocol, v6) != (5, 17, v6) && !matches!((kind, protocol, v6), (1, 6, false) | (4, 6, true)) {
        return Err(format!("type {kind} of protocol {protocol}"));
    }
    Ok((0..count).map(|at| piece(frame, network, start, length, at, size, v6)).collect())
}

/// Segment `at` of a super-frame, as the kernel's segmentation makes it.
fn piece(
    frame: &[u8],
    network: usize,
    l4: usize,
    header: usize,
    at: usize,
    size: usize,
    v6: bool,
) -> Vec<u8> {
    let from = header + at * size;
    let to = frame.len().min(from.saturating_add(size));
    let mut bytes = frame[..header].to_vec();
    bytes.extend(&frame[from.min(frame.len())..to]);
    let length = bytes.len() - network;
    if v6 {
        bytes[network + 4..network + 6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
    } else {
        bytes[network + 2..network + 4].copy_from_slice(&(length as u16).to_be_bytes());
        let id = u16::from_be_bytes([bytes[network + 4], bytes[network + 5]]).wrapping_add(at as u16);
        bytes[network + 4..network + 6].copy_from_slice(&id.to_be_bytes());
        bytes[network + 10..network + 12].fill(0);
        let sum = !ones_complement(&[&bytes[network..network + 20]]);
        bytes[network + 10..network + 12].copy_from_slice(&sum.to_be_bytes());
    }
    let protocol = bytes[network + if v6 { 6 } else { 9 }];
    let carried = ((bytes.len() - l4) as u16).to_be_bytes();
    let checksum = if protocol == 6 {
        let seq = u32::from_be_bytes(bytes[l4 + 4..l4 + 8].try_into().unwrap());
        let seq = seq.wrapping_add((at * size) as u32);
        bytes[l4 + 4..l4 + 8].copy_from_slice(&seq.to_be_bytes());
        if to < frame.len() {
            bytes[l4 + 13] &= !0x09;
        }
        if at > 0 {
            bytes[l4 + 13] &= !0x80;
        }
        l4 + 16
    } else {
        bytes[l4 + 4..l4 + 6].copy_from_slice(&carried);
        l4 + 6
    };
    bytes[checksum..checksum + 2].fill(0);
    let addresses = if v6 {
        bytes[network + 8..network + 40].to_vec()
    } else {
        bytes[network + 12..network + 20].to_vec()
    };
    let sum = !ones_complement(&[&addresses, &[0, protocol], &carried, &bytes[l4..]]);
    let sum = if protocol == 17 && sum == 0 { 0xffff } else { sum };
    bytes[checksum..checksum + 2].copy_from_slice(&sum.to_be_bytes());
    bytes
}
