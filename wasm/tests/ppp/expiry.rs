//! Idle time, time in all, and octets: told of once each.

use super::*;
use isthmus_datapath::ppp::{Expired, Told};

fn packet() -> Vec<u8> {
    packet4([192, 0, 2, 1], [10, 9, 0, 7], 0, &[], 17, &[0; 80])
}

/// What is told of at a time in milliseconds.
fn told(world: &mut World, ms: u64) -> Vec<Expired> {
    world.lab.datapath.age(ms * 1000);
    world.lab.datapath.core.expiries.take().into_iter().map(|told| told.what).collect()
}

fn due(world: &World) -> Option<u64> {
    world.lab.datapath.core.deadline().map(|micros| micros / 1000)
}

#[test]
fn a_session_without_packets_is_idle() {
    let mut world = World::new(None);
    told(&mut world, 10_000);
    let session = world.member(5, MemberRequest { idle: 5000, ..plain(&[v4(7)]) });
    assert_eq!((due(&world), told(&mut world, 14_999)), (Some(15_000), vec![]));
    world.from_tun_at(14_999, &packet());
    assert_eq!((told(&mut world, 15_000), due(&world)), (vec![], Some(19_999)));
    let from = [&[0x21][..], &packet4([10, 9, 0, 7], [192, 0, 2, 1], 0, &[], 17, &[])].concat();
    world.from_peer_at(17_000, 5, &from);
    // Negotiation is no traffic, and neither is what was dropped.
    world.from_peer_at(18_000, 5, &[0xc0, 0x21, 9, 1, 0, 4]);
    world.from_peer_at(18_000, 5, &[&[0x21][..], &packet()].concat());
    assert_eq!((told(&mut world, 19_999), due(&world)), (vec![], Some(22_000)));
    world.lab.datapath.age(22_000_000);
    let events = world.lab.datapath.core.expiries.take();
    assert_eq!(events, [Told { termination: world.termination, session, what: Expired::Idle }]);
    assert_eq!((told(&mut world, 100_000), due(&world)), (vec![], None), "once");
    // Where the time is another one, it is another matter.
    let change = MemberRequest { idle: 1000, ..plain(&[v4(7)]) };
    world.lab.datapath.core.change_member(session, &change).unwrap();
    assert_eq!(told(&mut world, 100_001), [Expired::Idle]);
}

#[test]
fn a_session_lasts_as_long_as_it_may() {
    let mut world = World::new(None);
    told(&mut world, 1000);
    let request = MemberRequest { lasts: 60_000, idle: 100_000, ..plain(&[v4(7)]) };
    let session = world.member(5, request.clone());
    world.from_tun_at(30_000, &packet());
    assert_eq!((told(&mut world, 60_999), told(&mut world, 61_000)), (vec![], vec![Expired::Session]));
    assert_eq!(due(&world), Some(130_000), "the other goes on");
    // From the join on, whenever it is changed.
    let longer = MemberRequest { lasts: 70_000, ..request };
    world.lab.datapath.core.change_member(session, &longer).unwrap();
    assert_eq!((told(&mut world, 70_999), told(&mut world, 71_000)), (vec![], vec![Expired::Session]));
}

#[test]
fn octets_count_both_ways_and_for_both_families() {
    let mut world = World::new(None);
    let prefixes = [v4(7), v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 64)];
    let session = world.member(5, MemberRequest { quota: 250, ..plain(&prefixes) });
    let from6 = packet6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], [9; 8], 59, &[0; 9]);
    world.from_tun(&packet());
    world.from_tun(&packet());
    assert_eq!(told(&mut world, 0), []);
    world.from_peer(5, &[&[0x57][..], &from6].concat());
    world.from_peer(5, &[&[0x57][..], &from6].concat());
    assert_eq!(
        (told(&mut world, 0), world.families(session)[..].iter().sum::<u64>()),
        (vec![Expired::Quota], 302)
    );
    assert_eq!(
        world.from_tun(&packet()).datagrams().len(),
        1,
        "what becomes of it is TypeScript's to decide"
    );
    assert_eq!(told(&mut world, 0), []);
    let more = MemberRequest { quota: 450, ..plain(&prefixes) };
    world.lab.datapath.core.change_member(session, &more).unwrap();
    assert_eq!(told(&mut world, 0), []);
    world.from_tun(&packet());
    assert_eq!(told(&mut world, 0), [Expired::Quota]);
}

#[test]
fn nothing_is_told_of_one_that_is_no_member_any_more() {
    let mut world = World::new(None);
    let request = MemberRequest { idle: 5000, lasts: 6000, ..plain(&[v4(7)]) };
    let first = world.member(5, request.clone());
    world.lab.datapath.core.disconnect(first).unwrap();
    let second = world.member(6, request.clone());
    world.lab.datapath.core.remove_port(second).unwrap();
    let third = world.member(6, MemberRequest { idle: 0, lasts: 0, ..request });
    assert_eq!((told(&mut world, 10_000), due(&world)), (vec![], None));
    assert!(world.lab.datapath.core.sessions.find(third).is_some());
}

#[test]
fn times_are_right_when_milliseconds_wrap() {
    let mut world = World::new(None);
    let wrap = 1 << 32;
    told(&mut world, wrap - 1000);
    world.member(5, MemberRequest { idle: 5000, ..plain(&[v4(7)]) });
    world.from_tun_at(wrap - 500, &packet());
    assert_eq!((told(&mut world, wrap + 4499), told(&mut world, wrap + 4500)), (vec![], vec![Expired::Idle]));
}

#[test]
fn what_is_planned_does_not_grow_with_changes() {
    let mut world = World::new(None);
    let session = world.member(5, MemberRequest { idle: 1000, ..plain(&[v4(7)]) });
    for ms in 0..500 {
        world.from_tun_at(10 * ms, &packet());
        told(&mut world, 10 * ms);
        let change = MemberRequest { idle: 1000 + ms as u32, ..plain(&[v4(7)]) };
        world.lab.datapath.core.change_member(session, &change).unwrap();
    }
    for ms in 500..800 {
        world.from_tun_at(10 * ms, &packet());
        told(&mut world, 10 * ms);
    }
    assert_eq!(world.lab.datapath.core.expiries.planned(), 1);
}
