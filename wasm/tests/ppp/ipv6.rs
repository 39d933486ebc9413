//! What of IPv6 stays on its link.

use super::*;

const LOCAL: [u16; 8] = [0xfe80, 0, 0, 0, 0, 0, 0, 0xa];
const GLOBAL: [u16; 8] = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xa];
const ELSEWHERE: [u16; 8] = [0x2001, 0xdb8, 9, 0, 0, 0, 0, 1];
const NOBODY: [u16; 8] = [0; 8];
const OURS: [u16; 8] = [0xfe80, 0, 0, 0, 0, 0, 0, 1];
const ROUTERS: [u16; 8] = [0xff02, 0, 0, 0, 0, 0, 0, 2];
const NODES: [u16; 8] = [0xff02, 0, 0, 0, 0, 0, 0, 1];
const SOLICITED: [u16; 8] = [0xff02, 0, 0, 0, 0, 1, 0xff00, 0xa];
const DHCP: [u16; 8] = [0xff02, 0, 0, 0, 0, 0, 1, 2];

/// Where a frame of a member with interface identifier 10 went.
#[derive(PartialEq, Eq, Debug)]
enum Fate {
    Tun,
    Punt,
    Dropped(Reason),
}

fn fate(frame: &[u8]) -> Fate {
    let mut world = World::new(None);
    let prefixes = [v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 64)];
    world.member(5, MemberRequest { interface_id: 10, ..plain(&prefixes) });
    let written = world.from_peer(5, frame).written.len();
    let punted = world.lab.punted();
    let reasons = [Reason::LinkScope, Reason::SourceMismatch];
    let dropped: Vec<_> = reasons.into_iter().filter(|reason| world.dropped(*reason) == 1).collect();
    assert_eq!(written + punted.len() + dropped.len(), 1);
    assert_eq!(world.drops(), dropped.len() as u64);
    match (written, punted.first(), dropped.first()) {
        (1, ..) => Fate::Tun,
        (_, Some(punted), _) => {
            assert_eq!(punted, frame);
            Fate::Punt
        }
        (.., Some(reason)) => Fate::Dropped(*reason),
        _ => unreachable!(),
    }
}

#[test]
fn what_is_for_the_other_end_of_the_link_goes_to_typescript() {
    use Fate::*;
    let spoofed = || Dropped(Reason::SourceMismatch);
    let link = || Dropped(Reason::LinkScope);
    let other: [u16; 8] = [0xfe80, 0, 0, 0, 0, 0, 0, 0xb];
    let icmp = |kind: u8| vec![kind, 0, 0, 0, 0, 0, 0, 0];
    for (from, to, next, payload, expected) in [
        (LOCAL, ROUTERS, 58, icmp(133), Punt), // Router Solicitation
        (NOBODY, ROUTERS, 58, icmp(133), Punt),
        (NOBODY, SOLICITED, 58, icmp(135), Punt), // Duplicate Address Detection
        (GLOBAL, OURS, 58, icmp(135), Punt),      // Neighbor Unreachability Detection
        (LOCAL, OURS, 58, icmp(136), Punt),
        (LOCAL, NODES, 58, icmp(134), Punt), // Router Advertisement, to us as a client
        (LOCAL, OURS, 58, icmp(128), Punt),  // ping
        (LOCAL, DHCP, 17, udp(547, &[1, 2, 3, 4]), Punt),
        (LOCAL, OURS, 17, udp(546, &[2, 2, 3, 4]), Punt),
        (LOCAL, DHCP, 17, udp(5353, &[]), link()),
        (LOCAL, NODES, 58, icmp(137), link()),   // Redirect
        (LOCAL, ROUTERS, 58, icmp(131), link()), // MLD
        (LOCAL, ROUTERS, 6, vec![0; 20], link()),
        (LOCAL, ELSEWHERE, 58, icmp(128), link()), // RFC 4291 §2.5.6: never beyond its link
        (NOBODY, ELSEWHERE, 58, icmp(128), link()),
        (GLOBAL, NODES, 17, udp(5353, &[]), link()),
        (other, ROUTERS, 58, icmp(133), spoofed()),
        (ELSEWHERE, OURS, 58, icmp(135), spoofed()),
        ([0xfe90, 0, 0, 0, 0, 0, 0, 0xa], ROUTERS, 58, icmp(133), spoofed()),
        ([0xff02, 0, 0, 0, 0, 0, 0, 1], ROUTERS, 58, icmp(133), spoofed()),
        (GLOBAL, ELSEWHERE, 58, icmp(128), Tun),
        (GLOBAL, ELSEWHERE, 17, udp(547, &[]), Tun),
        (GLOBAL, [0xff0e, 0, 0, 0, 0, 0, 0, 1], 17, udp(9, &[]), Tun), // a group of the world
    ] {
        for header in [&[0x57][..], &[0xff, 0x03, 0x00, 0x57]] {
            let frame = [header, &packet6(from, to, next, &payload)].concat();
            assert_eq!(fate(&frame), expected, "{from:x?} {to:x?} {next} {payload:?}");
        }
    }
    // Behind a hop-by-hop header too; cut ones, and fragments (RFC 6980 §5), are for nobody.
    let behind = [&[58, 0, 1, 4, 0, 0, 0, 0][..], &icmp(133)].concat();
    assert_eq!(fate(&[&[0x57][..], &packet6(LOCAL, ROUTERS, 0, &behind)].concat()), Punt);
    assert_eq!(fate(&[&[0x57][..], &packet6(LOCAL, ROUTERS, 58, &[])].concat()), link());
    assert_eq!(fate(&[&[0x57][..], &packet6(LOCAL, DHCP, 17, &[0; 7])].concat()), link());
    let fragment = [&[58, 0, 0, 0, 0, 0, 0, 1][..], &icmp(133)].concat();
    assert_eq!(fate(&[&[0x57][..], &packet6(LOCAL, ROUTERS, 44, &fragment)].concat()), link());
}

#[test]
fn any_interface_identifier_will_do_where_none_was_agreed_on() {
    let mut world = World::new(None);
    world.member(5, plain(&[v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 64)]));
    let solicit = |from| [&[0x57][..], &packet6(from, ROUTERS, 58, &[133, 0, 0, 0, 0, 0, 0, 0])].concat();
    world.from_peer(5, &solicit(LOCAL));
    world.from_peer(5, &solicit([0xfe80, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!((world.lab.punted().len(), world.dropped(Reason::SourceMismatch)), (1, 1));
}

#[test]
fn a_link_without_a_global_address_is_open_all_the_same() {
    let mut world = World::new(None);
    world.member(5, MemberRequest { interface_id: 10, ..plain(&[]) });
    let solicit = [&[0x57][..], &packet6(LOCAL, ROUTERS, 58, &[133, 0, 0, 0, 0, 0, 0, 0])].concat();
    world.from_peer(5, &solicit);
    assert_eq!(world.lab.punted(), [solicit]);
}

#[test]
fn what_the_kernel_says_to_its_own_link_stays_there() {
    let mut world = World::new(None);
    world.member(5, plain(&[v6([0; 8], 0)]));
    for to in [ROUTERS, LOCAL, [0xff01, 0, 0, 0, 0, 0, 0, 1]] {
        world.from_tun(&packet6(OURS, to, 58, &[133, 0, 0, 0, 0, 0, 0, 0]));
    }
    assert_eq!(world.dropped(Reason::LinkScope), 3);
    assert_eq!(world.from_tun(&packet6(GLOBAL, ELSEWHERE, 59, &[])).datagrams().len(), 1);
}
