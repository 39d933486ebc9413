//! Terminations, and sessions that come, change and go.

use super::*;

fn echo(last: u8) -> Vec<u8> {
    packet4([192, 0, 2, 1], [10, 9, 0, last], 0, &[], 17, &[0; 8])
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut world = World::new(None);
    let session = world.member(5, plain(&[v4(7), Prefix::v4([10, 9, 5, 0], 24).unwrap()]));
    let (free, _) = world.session(6);
    let core = &mut world.lab.datapath.core;
    let tap = core.add_device(10, FrameType::Ethernet, None, None).unwrap();
    let host = core.add_host_port(FrameType::Ppp).unwrap();
    let ethernet = core.add_session(world.tunnel, (8, 8), FrameType::Ethernet, Options::default()).unwrap();
    assert_eq!(core.add_termination(tap).unwrap_err().code, "invalid");
    assert_eq!(core.add_termination(world.tun).unwrap_err().code, "port-joined");
    assert_eq!(core.add_termination(host).unwrap_err().code, "no-such-port");
    let mut join = |port, request| core.join_termination(world.termination, port, &request).unwrap_err().code;
    assert_eq!(join(session, plain(&[v4(1)])), "port-joined");
    assert_eq!(join(ethernet, plain(&[v4(1)])), "invalid");
    assert_eq!(join(tap, plain(&[v4(1)])), "no-such-port");
    assert_eq!(join(free, plain(&[v4(7)])), "address-in-use");
    assert_eq!(join(free, plain(&[v4(1), Prefix::v4([10, 9, 5, 77], 24).unwrap()])), "address-in-use");
    assert_eq!(join(free, plain(&[v4(1), v4(1)])), "invalid");
    assert_eq!(join(free, plain(&[Prefix::v4([0; 4], 32).unwrap()])), "invalid");
    assert_eq!(join(free, MemberRequest { mru: 67, ..plain(&[v4(1)]) }), "invalid");
    assert_eq!(core.change_member(free, &plain(&[])).unwrap_err().code, "invalid");
    assert_eq!(core.join_termination(tap, free, &plain(&[])).unwrap_err().code, "invalid");
    assert!(Prefix::v4([0; 4], 33).is_none() && Prefix::v6([0; 16], 129).is_none());
    assert_eq!(world.from_tun(&echo(1)).datagrams().len(), 0);
    world.from_peer(6, &[0xc0, 0x21, 9, 1, 0, 4]);
    assert_eq!(world.lab.punted().len(), 1, "its receiver has it as before");
    world.join(free, &plain(&[v4(1)])).unwrap();
    assert_eq!(world.from_tun(&echo(1)).datagrams().len(), 1);
}

#[test]
fn a_change_is_the_whole_of_it_at_once() {
    let mut world = World::new(None);
    let session = world.member(5, plain(&[v4(7), v4(8)]));
    let link = Link { address_control: false, compress_protocol: true };
    let request = MemberRequest { link, ..plain(&[v4(8), v4(9)]) };
    world.lab.datapath.core.change_member(session, &request).unwrap();
    assert_eq!(world.from_tun(&echo(7)).datagrams().len(), 0);
    for last in [8, 9] {
        assert_eq!(
            world.from_tun(&echo(last)).datagrams(),
            [to_peer(5, &[&[0x21][..], &echo(last)].concat())]
        );
    }
    // What one no longer has, another may.
    world.member(6, plain(&[v4(7)]));
    let refused = world.lab.datapath.core.change_member(session, &plain(&[v4(7)]));
    assert_eq!(refused.unwrap_err().code, "address-in-use");
    assert_eq!(world.from_tun(&echo(8)).datagrams().len(), 1);
}

#[test]
fn between_joined_and_parted_nothing_of_negotiation_is_lost() {
    let mut world = World::new(None);
    let (session, host) = world.session(5);
    let lcp = |id| [0xff, 0x03, 0xc0, 0x21, 9, id, 0, 4];
    world.from_peer(5, &lcp(1));
    world.join(session, &plain(&[v4(7)])).unwrap();
    world.from_peer(5, &lcp(2));
    world.lab.datapath.core.disconnect(session).unwrap();
    world.from_peer(5, &lcp(3));
    assert_eq!(world.lab.punted(), [lcp(1), lcp(2), lcp(3)]);
    world.lab.datapath.inject(host, &lcp(4)).unwrap();
    assert_eq!(world.lab.run().datagrams(), [to_peer(5, &lcp(4))]);
    assert_eq!(world.from_tun(&echo(7)).datagrams().len(), 0);
    world.lab.datapath.core.remove_port(host).unwrap();
    world.from_peer(5, &lcp(5));
    assert_eq!((world.dropped(Reason::NoForwarder), world.lab.punted().len()), (1, 0));
}

#[test]
fn a_termination_that_goes_lets_go_of_all() {
    let mut world = World::new(None);
    let session = world.member(5, plain(&[v4(7)]));
    let core = &mut world.lab.datapath.core;
    core.remove_termination(world.termination).unwrap();
    assert_eq!(core.remove_termination(world.termination).unwrap_err().code, "invalid");
    world.from_tun(&echo(7));
    assert_eq!(world.dropped(Reason::NoForwarder), 1);
    world.from_peer(5, &[0xc0, 0x21, 9, 1, 0, 4]);
    assert_eq!(world.lab.punted().len(), 1);
    world.termination = world.lab.datapath.core.add_termination(world.tun).unwrap();
    world.join(session, &plain(&[v4(7)])).unwrap();
    assert_eq!(world.from_tun(&echo(7)).datagrams().len(), 1);
}

#[test]
fn without_its_tun_a_termination_drops_what_comes() {
    let mut world = World::new(None);
    world.member(5, plain(&[v4(7)]));
    world.lab.datapath.core.remove_port(world.tun).unwrap();
    let from = [&[0x21][..], &packet4([10, 9, 0, 7], [192, 0, 2, 1], 0, &[], 17, &[])].concat();
    assert_eq!((world.from_peer(5, &from).written.len(), world.dropped(Reason::NoForwarder)), (0, 1));
    world.lab.datapath.core.remove_termination(world.termination).unwrap();
}

#[test]
fn a_session_that_goes_leaves_its_addresses_to_others() {
    let mut world = World::new(None);
    for round in 0..3 {
        let session = world.member(5, plain(&[v4(7), v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 56)]));
        assert_eq!(world.from_tun(&echo(7)).datagrams().len(), 1, "{round}");
        world.lab.datapath.core.remove_port(session).unwrap();
        assert_eq!(world.from_tun(&echo(7)).datagrams().len(), 0);
    }
    assert_eq!(world.dropped(Reason::PppNoRoute), 3);
}

#[test]
fn terminations_are_for_themselves() {
    let mut world = World::new(None);
    world.member(5, plain(&[v4(7)]));
    let core = &mut world.lab.datapath.core;
    let tun = core.add_device(11, FrameType::Ip, None, None).unwrap();
    let other = core.add_termination(tun).unwrap();
    let (session, _) = world.session(6);
    world.lab.datapath.core.join_termination(other, session, &plain(&[v4(7)])).unwrap();
    assert_eq!(world.from_tun(&echo(7)).datagrams()[0][..6], to_peer(5, &[]));
    world.lab.read(tun, &[echo(7)], 0);
    assert_eq!(world.lab.run().datagrams()[0][..6], to_peer(6, &[]));
    let from = [&[0x21][..], &packet4([10, 9, 0, 7], [192, 0, 2, 1], 0, &[], 17, &[])].concat();
    assert_eq!(world.from_peer(6, &from).written[0].0, 11);
}

#[test]
fn what_was_held_goes_on_first() {
    let mut world = World::new(None);
    let (session, _) = world.session(5);
    world.lab.datapath.core.hold(session, 16).unwrap();
    let from = |at: u8| [&[0x21][..], &packet4([10, 9, 0, 7], [192, 0, 2, 1], 0, &[], 17, &[at])].concat();
    let lcp = [0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 4];
    world.from_peer(5, &from(1));
    world.from_peer(5, &lcp);
    world.from_peer(5, &from(2));
    assert_eq!((world.drops(), world.lab.punted().len()), (0, 0));
    world.join(session, &plain(&[v4(7)])).unwrap();
    let written = world.lab.run().written;
    assert_eq!(written, [(TUN, from(1)[1..].to_vec()), (TUN, from(2)[1..].to_vec())]);
    assert_eq!(world.lab.punted(), [lcp]);
}
