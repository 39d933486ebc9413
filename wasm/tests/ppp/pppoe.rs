//! PPPoE sessions as members (RFC 2516): their frames come and go by a packet port, never with an address and control field.

use super::*;
use isthmus_datapath::pppoe::PppoeRequest;
use kernel::packet::Packet;

const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// A member whose frames come and go by a packet device with IFF_VNET_HDR.
fn member(mru: u16) -> (World, Handle, Handle) {
    let mut world = World::new(Some(ALL));
    let core = &mut world.lab.datapath.core;
    let device = core.add_device(12, FrameType::Ethernet, Some(ALL), None).unwrap();
    let request = PppoeRequest { peer: PEER, own: OWN, tags: &[], session_id: 7 };
    let session = core.add_pppoe(device, &request).unwrap();
    world.join(session, &MemberRequest { mru, ..plain(&[Prefix::v4([0; 4], 0).unwrap()]) }).unwrap();
    (world, device, session)
}

/// An Ethernet frame with PPPoE's header and a PPP frame.
fn frame(to: [u8; 6], from: [u8; 6], ppp: &[u8]) -> Vec<u8> {
    let length = (ppp.len() as u16).to_be_bytes();
    [&to[..], &from, &[0x88, 0x64, 0x11, 0, 0, 7], &length, ppp].concat()
}

#[test]
fn a_packet_whose_checksum_was_left_to_a_device_is_whole_behind_the_tun() {
    let (mut world, device, session) = member(1492);
    let packet = Packet { options: Vec::new(), ..Packet::tcp(1, 9, &[5; 333]) };
    let ppp = [&[0x00, 0x21][..], &packet.unfinished()[14..]].concat();
    // NEEDS_CSUM from behind Ethernet's, PPPoE's, PPP's and IP's headers on, at 16.
    let vnet = [1, 0, 0, 0, 0, 0, 14 + 6 + 2 + 20, 0, 16, 0];
    world.lab.receive_packet(device, &[&vnet[..], &frame(OWN, PEER, &ppp)].concat(), &[]);
    let written = world.lab.run().written;
    let whole = packet.frame()[14..].to_vec();
    assert_eq!(written, [(TUN, [&[0; 10][..], &whole].concat())]);
    assert_eq!(world.families(session)[..2], [1, whole.len() as u64]);
}

#[test]
fn what_leaves_is_counted_without_the_fields_that_are_left_out() {
    for (payload, count) in [(900, 1), (2500, 2)] {
        let (mut world, _, session) = member(1492);
        let packet = packet4([192, 0, 2, 1], [10, 9, 0, 7], 0, &[], 17, &vec![7; payload]);
        let frames = vec![[&[0; 10][..], &packet].concat(); 3];
        let octets = (packet.len() + 20 * (count - 1)) as u64;
        world.lab.read(world.tun, &frames, 0);
        let sent = world.lab.run().datagrams();
        assert_eq!(sent.len(), 3 * count);
        assert_eq!(sent[0][10..][..16], [&PEER[..], &OWN, &[0x88, 0x64, 0x11, 0]].concat());
        assert_eq!(sent[0][10 + 20..][..3], [0x00, 0x21, 0x45], "no FF 03 (RFC 2516 §4)");
        assert_eq!(world.families(session)[2..4], [3 * count as u64, 3 * octets]);
        // Refused ones are taken back, to the octet.
        world.lab.read(world.tun, &frames, 0);
        world.lab.run_failing(|| Some(Reason::LinkDown));
        assert_eq!(world.families(session)[2..4], [3 * count as u64, 3 * octets]);
    }
}
