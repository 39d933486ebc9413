//! The outer header: DSCP, TTL and the kernel's mark, what is known of the path, and whose marks are believed.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Io, Reason};
use isthmus_datapath::header::Version;
use isthmus_datapath::headers::dscp_of;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::session::Options;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::tunnel::{Outer, SocketKind, SourceCheck};
use kernel::{Incoming, Lab, Sent, incoming, v3};

/// Tunnel 1 goes on in tunnel 2, whose outer header and longest datagram are as told.
fn onward(outer: Outer, longest: u16) -> (Lab, Handle) {
    let mut lab = Lab::new(Limits::default());
    let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    let first = lab.tunnel(Version::V3, socket, 1, [10, 0, 0, 1]).unwrap();
    let mut request = lab.request(Version::V3, socket, 2, [10, 0, 0, 2]);
    request.outer = outer;
    request.longest = longest;
    let second = lab.datapath.core.add_tunnel(request).unwrap();
    let ends = [(first, 1), (second, 2)].map(|(tunnel, id)| lab.session(tunnel, id, Options::default()));
    lab.datapath.core.cross_connect(ends[0], ends[1]).unwrap();
    (lab, socket)
}

/// The integers that control messages of a level and type hold.
fn told(sent: &Sent, level: i32, kind: i32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut rest = &sent.control[..];
    while rest.len() >= 16 {
        let len = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        if rest[8..16] == [level.to_le_bytes(), kind.to_le_bytes()].concat() {
            found.push(u32::from_le_bytes(rest[16..20].try_into().unwrap()));
        }
        rest = &rest[len.next_multiple_of(8).min(rest.len())..];
    }
    found
}

/// A PPP frame with an IPv4 packet of that TOS.
fn ppp(tos: u8, len: usize) -> Vec<u8> {
    [&[0xff, 3, 0, 0x21, 0x45, tos][..], &vec![7; len]].concat()
}

#[test]
fn the_outer_header_is_what_the_tunnel_says() {
    let outer = Outer { tos: Some(0xb8), ttl: Some(9), mark: 77, inherit: false };
    let (mut lab, socket) = onward(outer, 0);
    let batch: Vec<_> = (0..3).map(|_| incoming(v3(1, &[], None, &ppp(0, 100)))).collect();
    lab.receive(socket, &batch, 0);
    let sent = lab.run().sent;
    assert_eq!(sent.len(), 3, "nothing of a marked tunnel is grouped");
    for sent in &sent {
        assert_eq!((told(sent, 0, 1), told(sent, 0, 2), told(sent, 1, 36)), (vec![0xb8], vec![9], vec![77]));
    }
}

#[test]
fn frames_of_one_dscp_are_grouped_and_carry_it_outside() {
    let (mut lab, socket) = onward(Outer { inherit: true, ..Outer::default() }, 0);
    let batch: Vec<_> =
        [0xb9, 0xb8, 0x28, 0x28, 0xb8].map(|tos| incoming(v3(1, &[], None, &ppp(tos, 100)))).into();
    lab.receive(socket, &batch, 0);
    let groups: Vec<_> =
        lab.run().sent.iter().map(|sent| (told(sent, 0, 1)[0], sent.datagrams.len())).collect();
    // The last one must not overtake those of 0x28.
    assert_eq!(groups, [(0xb8, 2), (0x28, 2), (0xb8, 1)]);
    // A super-datagram of runs is looked at frame by frame.
    let bytes = [0xb8, 0x28, 0x28].map(|tos| v3(1, &[], None, &ppp(tos, 88))).concat();
    let gro = bytes.len() as u16 / 3;
    lab.receive(socket, &[Incoming { from: kernel::peer(1), bytes, gro, flags: 0 }], 0);
    let groups: Vec<_> =
        lab.run().sent.iter().map(|sent| (told(sent, 0, 1)[0], sent.datagrams.len())).collect();
    assert_eq!(groups, [(0xb8, 1), (0x28, 2)]);
}

#[test]
fn what_the_path_does_not_carry_whole_is_not_grouped_and_counted() {
    let (mut lab, socket) = onward(Outer::default(), 1000);
    let batch: Vec<_> = [986, 986, 987, 987].map(|len| incoming(v3(1, &[], None, &ppp(0, len)))).into();
    lab.receive(socket, &batch, 0);
    let sizes: Vec<_> = lab.run().sent.iter().map(|sent| sent.datagrams.len()).collect();
    assert_eq!(sizes, [2, 1, 1]);
    assert_eq!(lab.datapath.core.io.get(Io::TxOversize), 2);
}

#[test]
fn a_mark_is_part_of_the_source_where_the_socket_tells_it() {
    let mut lab = Lab::new(Limits::default());
    let socket = lab.datapath.core.add_socket(7, SocketKind::Udp4).unwrap();
    lab.datapath.core.tell_marks(socket, true).unwrap();
    // Two clients behind one NAT, told apart by nothing else; their v3 sessions even have one id.
    let hosts: Vec<_> = [5, 6]
        .map(|mark| {
            let mut request = lab.request(Version::V3, socket, mark, [10, 0, 0, 1]);
            request.outer.mark = mark;
            request.source_check = SourceCheck::Endpoint;
            let tunnel = lab.datapath.core.add_tunnel(request).unwrap();
            let session = lab.session(tunnel, 1, Options::default());
            let host = lab.datapath.core.add_host_port(FrameType::Ppp).unwrap();
            lab.datapath.core.cross_connect(session, host).unwrap();
            host
        })
        .into();
    for (mark, port) in [(5, Some(hosts[0])), (6, Some(hosts[1])), (7, None), (0, None)] {
        lab.receive_marked(socket, &[incoming(v3(1, &[], None, &ppp(0, 50)))], mark);
        lab.run();
        let punts = &mut lab.datapath.core.punts;
        let found = punts.records().first().map(|record| record.handle);
        assert_eq!(found, port.map(Handle::to_number), "mark {mark}");
        punts.clear();
    }
    assert_eq!(lab.datapath.core.drops.get(Reason::WrongSource), 2);
    // One tunnel of its own: no other is asked.
    let tunnel = lab.tunnel(Version::V3, socket, 9, [10, 0, 0, 1]).unwrap();
    let mut request = lab.request(Version::V3, socket, 9, [10, 0, 0, 1]);
    request.source_check = SourceCheck::Endpoint;
    lab.datapath.core.change_tunnel(tunnel, request).unwrap();
    lab.session(tunnel, 99, Options::default());
    lab.receive_marked(socket, &[incoming(v3(99, &[], None, &ppp(0, 50)))], 5);
    lab.run();
    assert_eq!(lab.datapath.core.drops.get(Reason::WrongSource), 3);
}

#[test]
fn the_dscp_of_ip_in_any_frame() {
    let v4 = [&[0x45, 0xb9][..], &[0; 18]].concat(); // EF, ECN 01
    let v6 = [&[0x6b, 0x95][..], &[0; 38]].concat(); // EF, ECN 01
    let ethernet = |tags: &[u8], kind: [u8; 2], packet: &[u8]| [&[2; 12][..], tags, &kind, packet].concat();
    let cases = [
        (FrameType::Ip, v4.clone(), 0xb8),
        (FrameType::Ip, v6.clone(), 0xb8),
        (FrameType::Ethernet, ethernet(&[], [8, 0], &v4), 0xb8),
        (FrameType::Ethernet, ethernet(&[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2], [0x86, 0xdd], &v6), 0xb8),
        (FrameType::Ethernet, ethernet(&[], [8, 6], &v4), 0),
        (FrameType::Ppp, [&[0xff, 3, 0, 0x21][..], &v4].concat(), 0xb8),
        (FrameType::Ppp, [&[0x57][..], &v6].concat(), 0xb8),
        (FrameType::Ppp, [&[0xc0, 0x21][..], &v4].concat(), 0),
        (FrameType::Ethernet, vec![0; 13], 0),
    ];
    for (frame_type, frame, dscp) in cases {
        assert_eq!(dscp_of(frame_type, &frame), dscp, "{frame_type:?} {frame:?}");
    }
}
