//! What arrives: datagrams and frames that are right, nearly right, and anything else.

use isthmus_datapath::header::{Encap, Version};
use isthmus_datapath::slab::Handle;

use crate::kernel::packet::Packet;
use crate::random::Random;

/// What a peer knows of a session.
#[derive(Clone)]
pub struct Known {
    pub version: Version,
    pub tunnel_id: u32,
    pub session_id: u32,
    pub cookie: Vec<u8>,
    pub l2spec: bool,
    /// The number to send next.
    pub ns: u32,
}

/// A data message for a session, numbered or not; its number is mostly the next.
pub fn data(random: &mut Random, known: &mut Known, encap: Encap, numbered: bool, frame: &[u8]) -> Vec<u8> {
    known.ns = match random.below(30) {
        0 => random.next() as u32,
        1 => known.ns.wrapping_add(random.below(200) as u32),
        2..5 => known.ns.wrapping_sub(random.below(80) as u32),
        5..8 => known.ns.wrapping_add(2),
        _ => known.ns.wrapping_add(1),
    };
    match known.version {
        Version::V2 => v2(random, known, numbered, frame),
        Version::V3 => {
            let over_udp: &[u8] = if encap == Encap::Udp { &[0, 3, 0, 0] } else { &[] };
            let word = if numbered { 0x4000_0000 | known.ns & 0xff_ffff } else { 0 }.to_be_bytes();
            let sublayer = if known.l2spec { &word[..] } else { &[] };
            [over_udp, &known.session_id.to_be_bytes(), &known.cookie, sublayer, frame].concat()
        }
    }
}

fn v2(random: &mut Random, known: &Known, numbered: bool, frame: &[u8]) -> Vec<u8> {
    let [length, offset] = [random.percent(20), random.percent(10)];
    let ids = [known.tunnel_id as u16, known.session_id as u16].map(u16::to_be_bytes).concat();
    let numbers = [(known.ns as u16).to_be_bytes(), [0; 2]].concat();
    let pad = [&3u16.to_be_bytes()[..], &[0; 3]].concat();
    let behind =
        [&ids[..], if numbered { &numbers } else { &[] }, if offset { &pad } else { &[] }, frame].concat();
    let total = (4 + behind.len()) as u16;
    let flags = u8::from(length) << 6 | u8::from(numbered) << 3 | u8::from(offset) << 1;
    let field = total.to_be_bytes();
    [&[flags, 2][..], if length { &field } else { &[] }, &behind].concat()
}

/// A control message.
pub fn control(random: &mut Random, encap: Encap) -> Vec<u8> {
    let before: &[u8] = if encap == Encap::Ip { &[0; 4] } else { &[] };
    let length = 12 + random.below(60);
    let header = [0xc8, random.pick(&[2, 3, 3, 4]), 0, length as u8];
    [before, &header, &random.bytes(length - 4)].concat()
}

/// A frame of a port that carries Ethernet: mostly a segment of one of few flows.
pub fn frame(random: &mut Random) -> Vec<u8> {
    if random.percent(20) {
        let len = random.below(100);
        return random.bytes(len);
    }
    let packet = packet(random);
    if random.percent(6) { cut(random, &packet) } else { packet.frame() }
}

/// A packet that is over, by its own header too, where its ports or a little more should be.
fn cut(random: &mut Random, packet: &Packet) -> Vec<u8> {
    let network = 14 + 4 * packet.tags.len();
    let left = random.below(22);
    let mut frame = packet.frame();
    let (at, carried, header) = if packet.v6 { (4, left, 40) } else { (2, 20 + left, 20) };
    frame[network + at..network + at + 2].copy_from_slice(&(carried as u16).to_be_bytes());
    frame.truncate(network + header + left);
    frame
}

/// A packet of one of few flows.
pub fn packet(random: &mut Random) -> Packet {
    let len = random.pick(&[0, 1, 100, 100, 100, 1000, 1400]);
    let flow = random.below(3) as u8;
    let payload = random.bytes(len);
    let made = match random.below(3) {
        0 => Packet::udp(flow, random.below(5) as u16, &payload),
        _ => Packet::tcp(flow, random.below(8) as u32 * 100, &payload),
    };
    Packet {
        v6: random.percent(30),
        tags: if random.percent(20) { vec![[0x81, 0, 0, 5]] } else { Vec::new() },
        tos: random.pick(&[0, 0, 0, 2, 3]),
        flags: random.pick(&[0x10, 0x10, 0x10, 0x18, 0x11, 0x90, 0x02]),
        ..made
    }
}

/// What a device with IFF_VNET_HDR gives: a header that is mostly right, then a frame.
pub fn vnet_frame(random: &mut Random) -> Vec<u8> {
    let mut packet = packet(random);
    packet.options.clear();
    let mut vnet = [0; 10];
    let super_frame = random.percent(40);
    if super_frame {
        let len = random.below(9000);
        packet.payload = random.bytes(len);
    }
    let frame = packet.unfinished();
    let headers = frame.len() - packet.payload.len();
    let transport = if packet.udp { 8 } else { 20 };
    if super_frame || random.percent(50) {
        vnet[0] = 1;
        let kind = if packet.udp {
            5
        } else if packet.v6 {
            4
        } else {
            1
        };
        vnet[1] = if super_frame { kind } else { 0 };
        let size = if super_frame { random.pick(&[1448u16, 536, 100, 1]) } else { 0 };
        vnet[2..4].copy_from_slice(&(headers as u16).to_le_bytes());
        vnet[4..6].copy_from_slice(&size.to_le_bytes());
        vnet[6..8].copy_from_slice(&((headers - transport) as u16).to_le_bytes());
        vnet[8..10].copy_from_slice(&if packet.udp { 6u16 } else { 16 }.to_le_bytes());
    }
    damage(random, [&vnet[..], &frame].concat(), 15)
}

/// What a TUN gives, with a `virtio_net_hdr` or without.
pub fn tun_packet(random: &mut Random, vnet: bool) -> Vec<u8> {
    if !vnet {
        let packet = Packet { tags: Vec::new(), df: random.percent(50), ..packet(random) };
        return damage(random, packet.frame()[14..].to_vec(), 15);
    }
    let mut bytes = vnet_frame(random);
    let ethernet = 10 + 14;
    if bytes.len() < ethernet || matches!(bytes[ethernet - 2..ethernet], [0x81, 0]) {
        return bytes;
    }
    // Without its Ethernet header, whose octets count no more.
    for at in [2, 6] {
        let half = u16::from_le_bytes([bytes[at], bytes[at + 1]]).saturating_sub(14);
        bytes[at..at + 2].copy_from_slice(&half.to_le_bytes());
    }
    bytes.drain(10..ethernet);
    if bytes.len() > 18 && random.percent(50) {
        bytes[16] &= !0x40; // of IPv4 what says that it may not be fragmented
    }
    bytes
}

/// Where a PPPoE session's frames come, and what they say of whose they are.
#[derive(Clone)]
pub struct Stage {
    pub device: Handle,
    pub peer: [u8; 6],
    pub tags: Vec<[u8; 4]>,
    pub session_id: u16,
}

impl Stage {
    pub const OWN: [u8; 6] = [2, 0, 0, 0, 2, 0];
}

/// A PPP frame, with an address and control field or without.
pub fn ppp(random: &mut Random) -> Vec<u8> {
    let before: &[u8] = random.pick(&[&[], &[0xff, 3]]);
    if random.percent(60) {
        let packet = Packet { tags: Vec::new(), df: random.percent(50), ..packet(random) };
        let protocol = if packet.v6 { 0x57 } else { 0x21 };
        let protocol: &[u8] = if random.percent(50) { &[protocol] } else { &[0, protocol] };
        return [before, protocol, &packet.frame()[14..]].concat();
    }
    let protocol = random.pick(&[[0xc0, 0x21], [0x00, 0x21], [0x00, 0x57]]);
    let len = random.below(1500);
    [before, &protocol, &random.bytes(len)].concat()
}

/// A frame of a PPPoE session, padded or not, some of them damaged.
pub fn pppoe(random: &mut Random, stage: &Stage) -> Vec<u8> {
    let ppp = ppp(random);
    let [high, low] = stage.session_id.to_be_bytes();
    let length = (ppp.len() as u16).to_be_bytes();
    let header = [0x88, 0x64, 0x11, 0, high, low, length[0], length[1]];
    let mut frame = [&Stage::OWN, &stage.peer, stage.tags.as_flattened(), &header, &ppp].concat();
    if random.percent(20) {
        frame.resize(frame.len().max(60), 0);
    }
    damage(random, frame, 15)
}

/// What a packet socket tells of a frame whose outer tag was taken off (`tpacket_auxdata`, packet(7)).
pub fn auxiliary(tag: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = [36u64.to_le_bytes(), [7, 1, 0, 0, 8, 0, 0, 0]].concat();
    bytes.extend(if tag.is_some() { 0x51u32 } else { 0 }.to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend(tag.unwrap_or(&[0; 4]).iter().rev());
    bytes.extend([0; 4]);
    bytes
}

/// What may stand before a packet socket's frame, whatever that is.
pub fn vnet_header(random: &mut Random) -> Vec<u8> {
    let mut vnet = vec![0; 10];
    if random.percent(30) {
        vnet[0] = 1;
        vnet[6] = random.pick(&[0, 2, 12, 14, 18, 34, 60]);
        vnet[8] = random.pick(&[0, 6, 16, 40]);
    }
    vnet
}

/// The bytes, in some of a hundred cases with one that differs, or cut short.
pub fn damage(random: &mut Random, mut bytes: Vec<u8>, chance: usize) -> Vec<u8> {
    if !bytes.is_empty() && random.percent(chance) {
        let at = random.below(bytes.len().min(80));
        bytes[at] ^= 1 << random.below(8);
    }
    if random.percent(chance / 3) {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    bytes
}
