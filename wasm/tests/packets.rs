//! Frames of a packet socket: the tag that the kernel took off, the tag that a device's frames have on the wire, and
//! what the kernel left to be done.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Io, Reason};
use isthmus_datapath::offload::Takes;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::slab::Handle;
use kernel::Lab;

const ALL: Takes = Takes { checksum: true, tcp: true, udp: true };
const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// A packet device and a plain one, joined.
fn joined(tag: Option<[u8; 4]>) -> (Lab, Handle, Handle) {
    let mut lab = Lab::new(Limits::default());
    let core = &mut lab.datapath.core;
    let packet = core.add_device(9, FrameType::Ethernet, Some(ALL), tag).unwrap();
    let plain = core.add_device(10, FrameType::Ethernet, None, None).unwrap();
    core.cross_connect(packet, plain).unwrap();
    (lab, packet, plain)
}

fn frame(tags: &[u8], payload: &[u8]) -> Vec<u8> {
    [&MACS[..], tags, &[0x88, 0xb5], payload].concat()
}

/// Behind a `virtio_net_hdr` that leaves nothing to be done.
fn whole(frame: &[u8]) -> Vec<u8> {
    [&[0; 10][..], frame].concat()
}

/// `tpacket_auxdata` with that tag (packet(7)); status 0: there was none.
fn aux(status: u32, tpid: u16, tci: u16) -> Vec<u8> {
    let mut bytes = [36u64.to_le_bytes(), [7, 1, 0, 0, 8, 0, 0, 0]].concat(); // SOL_PACKET, PACKET_AUXDATA
    bytes.extend(status.to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend(tci.to_le_bytes());
    bytes.extend(tpid.to_le_bytes());
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn a_tag_that_the_kernel_took_off_is_put_back() {
    let (mut lab, packet, _) = joined(None);
    let cases: [(u32, u16, u16, &[u8]); 4] = [
        (0, 0, 0, &[]),
        (0x51, 0x8100, 0x200a, &[0x81, 0, 0x20, 0x0a]),
        (0x51, 0x88a8, 0x0fff, &[0x88, 0xa8, 0x0f, 0xff]),
        (0x11, 0, 0x000a, &[0x81, 0, 0, 0x0a]),
    ];
    for (status, tpid, tci, tag) in cases {
        let payload = [7; 46];
        lab.receive_packet(packet, &whole(&frame(&[], &payload)), &aux(status, tpid, tci));
        assert_eq!(lab.run().written, [(10, frame(tag, &payload))], "{tag:?}");
    }
}

#[test]
fn frames_of_one_vlan_have_its_tag_on_the_wire_only() {
    let tag = [0x81, 0, 0, 0x0a];
    let (mut lab, packet, plain) = joined(Some(tag));
    let bare = frame(&[], &[7; 46]);
    // The kernel took it off, or it is one that the kernel leaves in.
    lab.receive_packet(packet, &whole(&bare), &aux(0x51, 0x8100, 10));
    lab.receive_packet(packet, &whole(&frame(&[0x91, 0, 0, 0x0a], &[7; 46])), &aux(0, 0, 0));
    assert_eq!(lab.run().written, [(10, bare.clone())]);
    // What is behind that tag is the customer's.
    let inner = frame(&[0x81, 0, 0, 7], &[7; 46]);
    lab.receive_packet(packet, &whole(&inner), &aux(0x51, 0x8100, 10));
    assert_eq!(lab.run().written, [(10, inner)]);
    lab.read(plain, &[bare.clone()], 0);
    assert_eq!(lab.run().written, [(9, whole(&frame(&tag, &[7; 46])))]);
}

/// TCP over IPv4 with a checksum of the pseudo header alone.
fn tcp(payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2];
    let length = (40 + payload.len()) as u16;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    let sum = !sum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut segment = vec![0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0];
    segment.extend(payload);
    let pseudo = [&packet[12..20], &[0, 6], &(segment.len() as u16).to_be_bytes()].concat();
    segment[16..18].copy_from_slice(&self::sum(&pseudo).to_be_bytes());
    [&MACS[..], &[8, 0], &packet, &segment].concat()
}

fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Whether the TCP checksum of an untagged or once tagged frame is right.
fn is_right(frame: &[u8]) -> bool {
    let ip = if frame[12..14] == [0x81, 0] { 18 } else { 14 };
    let segment = &frame[ip + 20..];
    let pseudo = [&frame[ip + 12..ip + 20], &[0, 6], &(segment.len() as u16).to_be_bytes()].concat();
    sum(&[&pseudo[..], segment].concat()) == 0xffff
}

#[test]
fn what_the_kernel_left_to_be_done_is_done_beside_a_tag_too() {
    for tag in [None, Some([0x81, 0, 0, 0x0a])] {
        let (mut lab, packet, plain) = joined(tag);
        // NEEDS_CSUM from 34 on, at 16; a super-frame of segments of 500 octets.
        let one = [&[1, 0, 0, 0, 0, 0, 34, 0, 16, 0][..], &tcp(&[5; 333])].concat();
        let many = [&[1, 1, 54, 0, 0xf4, 1, 34, 0, 16, 0][..], &tcp(&[5; 1500])].concat();
        for (given, count) in [(&one, 1), (&many, 3)] {
            lab.receive_packet(packet, given, &aux(0x51, 0x8100, 10));
            let written = lab.run().written;
            assert_eq!(written.len(), count);
            let tagged = written.iter().filter(|(_, frame)| frame[12..16] == [0x81, 0, 0, 0x0a]).count();
            assert_eq!(tagged, if tag.is_none() { count } else { 0 });
            assert!(written.iter().all(|(_, frame)| is_right(frame)));
        }
        // The other way: a device that leaves checksums to us, and a tag for the wire.
        let vnet = lab.datapath.core.add_device(11, FrameType::Ethernet, Some(ALL), None).unwrap();
        lab.datapath.core.disconnect(plain).unwrap();
        lab.datapath.core.cross_connect(vnet, packet).unwrap();
        lab.read(vnet, &[many.clone()], 0);
        let written = lab.run().written;
        if tag.is_none() {
            assert_eq!(written, [(9, many.clone())]);
        } else {
            assert_eq!(written.len(), 3);
            assert!(
                written
                    .iter()
                    .all(|(_, frame)| frame[22..26] == [0x81, 0, 0, 0x0a] && is_right(&frame[10..]))
            );
        }
    }
}

#[test]
fn frames_for_a_packet_socket_leave_many_at_once_in_their_order() {
    for (takes, tag) in [(None, None), (None, Some([0x81, 0, 0, 0x0a])), (Some(ALL), None)] {
        let mut lab = Lab::new(Limits::default());
        let core = &mut lab.datapath.core;
        let packet = core.add_device(9, FrameType::Ethernet, takes, tag).unwrap();
        core.send_in_messages(packet).unwrap();
        let source = core.add_device(10, FrameType::Ethernet, None, None).unwrap();
        core.cross_connect(source, packet).unwrap();
        let frames: Vec<_> = (0..60u8).map(|number| frame(&[], &[number; 46])).collect();
        lab.read(source, &frames, 0);
        let output = lab.run();
        let wire = |number: u8| {
            let vnet = takes.map_or(&[][..], |_| &[0; 10]);
            [vnet, &frame(tag.as_ref().map_or(&[][..], |tag| tag), &[number; 46])].concat()
        };
        let sent: Vec<_> = output.sent.iter().map(|sent| sent.datagrams[0].clone()).collect();
        assert!(output.sent.iter().all(|sent| sent.fd == 9));
        assert_eq!(sent, (0..60).map(wire).collect::<Vec<_>>());
        assert_eq!((output.written.len(), lab.datapath.core.transmit.ops()), (0, 0));
        assert_eq!(lab.datapath.core.io.get(Io::TxFrames), 60);
    }
}

#[test]
fn a_super_frame_keeps_its_place_among_messages_and_its_frames_are_counted() {
    let mut lab = Lab::new(Limits::default());
    let core = &mut lab.datapath.core;
    let packet = core.add_device(9, FrameType::Ethernet, Some(ALL), None).unwrap();
    core.send_in_messages(packet).unwrap();
    let vnet = core.add_device(11, FrameType::Ethernet, Some(ALL), None).unwrap();
    core.cross_connect(vnet, packet).unwrap();
    let many = [&[1, 1, 54, 0, 0xf4, 1, 34, 0, 16, 0][..], &tcp(&[5; 1500])].concat();
    let plain = whole(&frame(&[], &[1; 46]));
    let all = [plain.clone(), many.clone(), plain];
    lab.read(vnet, &all, 0);
    let output = lab.run();
    let sent: Vec<_> = output.sent.iter().map(|sent| sent.datagrams[0].clone()).collect();
    assert_eq!((sent, output.written.len()), (all.to_vec(), 0));
    assert_eq!(lab.datapath.core.io.get(Io::TxFrames), 5);
    lab.read(vnet, &all, 0);
    assert_eq!(lab.run_failing(|| Some(Reason::LinkDown)).failed, 3);
    assert_eq!(lab.datapath.core.io.get(Io::TxFrames), 5);
    assert_eq!(lab.datapath.core.drops.get(Reason::LinkDown), 5);
}

#[test]
fn more_frames_than_there_are_messages_leave_by_writes_behind_them() {
    let mut lab = Lab::new(Limits::default());
    let core = &mut lab.datapath.core;
    let packet = core.add_device(9, FrameType::Ethernet, None, None).unwrap();
    core.send_in_messages(packet).unwrap();
    let source = core.add_device(10, FrameType::Ethernet, Some(ALL), None).unwrap();
    core.cross_connect(source, packet).unwrap();
    // A super-frame of 1500 segments, each with an octet that tells its number.
    let payload: Vec<u8> = (0..1500u32).flat_map(|at| (at as u16).to_be_bytes()).collect();
    let many = [&[1, 1, 54, 0, 2, 0, 34, 0, 16, 0][..], &tcp(&payload)].concat();
    lab.read(source, &[many], 0);
    let mut output = kernel::Output::default();
    assert!(lab.round(|| None, &mut output));
    assert_eq!(output.sent.len(), 1024);
    assert!(!output.written.is_empty());
    while lab.round(|| None, &mut output) {}
    assert_eq!(output.sent.len() + output.written.len(), 1500);
    assert_eq!(lab.datapath.core.io.get(Io::TxFrames), 1500);
}

#[test]
fn a_checksum_that_starts_within_the_link_header_is_refused() {
    for (tag, frame) in
        [(None, frame(&[], &[7; 46])), (Some([0x91, 0, 0, 0x0a]), frame(&[0x91, 0, 0, 0x0a], &[7; 46]))]
    {
        let (mut lab, packet, _) = joined(tag);
        let link = if tag.is_some() { 18 } else { 14 };
        for start in 0..link + 2 {
            // NEEDS_CSUM, from `start` on, at its first two octets.
            let header = [1, 0, 0, 0, 0, 0, start, 0, 0, 0];
            lab.receive_packet(packet, &[&header[..], &frame].concat(), &aux(0, 0, 0));
            assert_eq!(lab.run().written.len(), usize::from(start >= link), "{start}");
        }
        assert_eq!(lab.datapath.core.drops.get(Reason::BadOffload), u64::from(link));
    }
}

#[test]
fn what_is_cut_or_too_short_is_dropped() {
    let (mut lab, packet, _) = joined(Some([0x81, 0, 0, 0x0a]));
    lab.receive_packet(packet, &whole(&MACS), &aux(0, 0, 0));
    lab.receive_packet(packet, &whole(&frame(&[0x91, 0], &[])[..14]), &aux(0, 0, 0));
    assert!(lab.run().written.len() <= 1);
    assert_eq!(lab.datapath.core.drops.get(Reason::Runt), 1);
}
