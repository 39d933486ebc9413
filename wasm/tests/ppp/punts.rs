//! What goes to TypeScript, and how much of it.

use super::*;

const LCP: [u8; 8] = [0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4];

#[test]
fn every_other_protocol_is_punted_as_it_came() {
    let mut world = World::new(None);
    world.member(5, plain(&[v4(7)]));
    for frame in [
        &LCP[..],
        &[0xc0, 0x21, 9, 1, 0, 4], // without FF 03
        &[0xc2, 0x23, 1, 1, 0, 4], // CHAP
        &[0x80, 0x21, 1, 1, 0, 4], // IPCP
        &[0x80, 0x57, 1, 1, 0, 4], // IPv6CP
        &[0x80, 0xfd, 1, 1, 0, 4], // CCP
        &[0xfd, 1, 2, 3],          // compressed data, which nobody agreed on
        &[0xff, 0x03, 0x00, 0x2d, 1],
    ] {
        assert_eq!(world.from_peer(5, frame).written.len(), 0);
        assert_eq!(world.lab.punted(), [frame]);
    }
}

#[test]
fn a_family_that_is_not_open_is_dropped_and_not_punted() {
    let mut world = World::new(None);
    let session = world.member(5, plain(&[]));
    let from4 = [&[0x21][..], &packet4([10, 9, 0, 7], [192, 0, 2, 1], 0, &[], 17, &[])].concat();
    let from6 = [&[0x57][..], &packet6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], [9; 8], 59, &[])].concat();
    for _ in 0..100 {
        world.from_peer(5, &from4);
        world.from_peer(5, &from6);
    }
    assert_eq!((world.dropped(Reason::PppNotOpen), world.lab.punted().len()), (200, 0));
    world.from_peer(5, &LCP);
    assert_eq!(world.lab.punted(), [LCP], "and leaves negotiation its share");
    world.lab.datapath.core.change_member(session, &plain(&[v4(7)])).unwrap();
    assert_eq!(world.from_peer(5, &from4).written.len(), 1);
    assert_eq!(world.from_peer(5, &from6).written.len(), 0);
}

#[test]
fn a_flood_of_one_session_is_held_to_its_share() {
    let mut world = World::new(None);
    for id in [5, 6] {
        world.member(id, plain(&[v4(id as u8)]));
    }
    let mut punted = |ms, id, count| {
        (0..count).for_each(|_| drop(world.from_peer_at(ms, id, &LCP)));
        world.lab.punted().len()
    };
    assert_eq!((punted(1000, 5, 1000), punted(1000, 6, 20)), (64, 20));
    assert_eq!((punted(1310, 5, 1000), punted(61_310, 5, 1000)), (10, 64));
    assert_eq!(world.dropped(Reason::PuntBudget), 3 * 1000 - 64 - 10 - 64);
}

#[test]
fn without_a_receiver_punted_frames_are_dropped() {
    let mut world = World::new(None);
    let session = world.lab.session(world.tunnel, 5, Options::default());
    world.join(session, &plain(&[v4(7)])).unwrap();
    world.from_peer(5, &LCP);
    assert_eq!(world.dropped(Reason::NoReceiver), 1);
    // One may come later, and go again.
    let core = &mut world.lab.datapath.core;
    let host = core.add_host_port(FrameType::Ppp).unwrap();
    core.set_receiver(session, host).unwrap();
    world.from_peer(5, &LCP);
    assert_eq!(world.lab.punted(), [LCP]);
    world.lab.datapath.inject(host, &LCP).unwrap();
    assert_eq!(world.lab.run().datagrams(), [to_peer(5, &LCP)]);
    world.lab.datapath.core.remove_port(host).unwrap();
    world.from_peer(5, &LCP);
    assert_eq!(world.dropped(Reason::NoReceiver), 2);
}
