//! Whatever comes, from either side: each frame has one fate, and nothing is read or written out of its place.

use super::*;
use isthmus_datapath::policy::{Bucket, Policy};
use kernel::Incoming;
use kernel::peer;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    FromPeer(Vec<(u16, usize, Vec<u8>)>),
    FromTun(Vec<Vec<u8>>),
    Change(u16, u8, u16),
    Join(u16, u8),
    Part(u16),
    Wait(u64),
}

/// A packet that is right, or nearly, or not at all.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop_oneof![Just(0u16), Just(0x4000), Just(0x2000), Just(0x2001), Just(0x1fff)];
    let protocol = prop_oneof![Just(6u8), Just(17), Just(1), Just(58), Just(0), Just(44), any::<u8>()];
    let words = 0usize..11;
    let v4 = ((0u8..4, 0u8..4), flags, words, protocol.clone(), prop::collection::vec(any::<u8>(), 0..300))
        .prop_map(|((from, to), flags, words, protocol, payload)| {
            let options = &[148, 4, 0, 0].repeat(words)[..];
            packet4([10, 9, 0, from], [10, 9, 0, to], flags, options, protocol, &payload)
        });
    let first = prop_oneof![Just(0xfe80u16), Just(0x2001), Just(0xff02), Just(0xff0e), Just(0)];
    let v6 =
        ((first.clone(), 0u16..3), (first, 0u16..3), protocol, prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|((a, b), (c, d), next, payload)| {
                packet6([a, 0, 0, b, 0, 0, 0, 1], [c, 0, 0, d, 0, 0, 0, 1], next, &payload)
            });
    let some = prop_oneof![4 => v4, 4 => v6, 1 => prop::collection::vec(any::<u8>(), 0..80)];
    (
        some,
        prop::option::weighted(0.2, (any::<usize>(), any::<u8>())),
        prop::option::weighted(0.1, 0usize..80),
    )
        .prop_map(|(mut bytes, flip, cut)| {
            if let Some((at, bits)) = flip
                && !bytes.is_empty()
            {
                let at = at % bytes.len().min(60);
                bytes[at] ^= bits;
            }
            bytes.truncate(cut.unwrap_or(usize::MAX));
            bytes
        })
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 1u16..5;
    prop_oneof![
        4 => prop::collection::vec((id(), 0usize..9, packet()), 0..40).prop_map(Step::FromPeer),
        4 => prop::collection::vec(packet(), 0..40).prop_map(Step::FromTun),
        1 => (id(), any::<u8>(), 68u16..400).prop_map(|(id, bits, mru)| Step::Change(id, bits, mru)),
        1 => (id(), any::<u8>()).prop_map(|(id, bits)| Step::Join(id, bits)),
        1 => id().prop_map(Step::Part),
        1 => (0u64..100_000).prop_map(Step::Wait),
    ]
}

fn request(id: u16, bits: u8, mru: u16) -> MemberRequest {
    let has = |bit: u8| bits >> bit & 1 == 1;
    let mut prefixes = Vec::new();
    prefixes.extend(has(0).then(|| v4(id as u8)));
    prefixes.extend(has(1).then(|| v6([0x2001, 0, 0, id, 0, 0, 0, 0], 64)));
    MemberRequest {
        interface_id: u64::from(has(2)),
        mru,
        link: Link { address_control: has(3), compress_protocol: has(4) },
        source_check: !has(5),
        clamp: has(6),
        tos: has(7).then_some(0xb8),
        idle: u32::from(has(2)) * 1000,
        lasts: u32::from(has(3)) * 5000,
        quota: u64::from(has(4)) * 1000,
        ..plain(&prefixes)
    }
}

const HEADERS: [&[u8]; 9] = [
    &[0xff, 0x03, 0x00, 0x21],
    &[0x21],
    &[0x00, 0x21],
    &[0xff, 0x03, 0x57],
    &[0x57],
    &[0xff, 0x03, 0xc0, 0x21],
    &[0x80, 0x21],
    &[],
    &[0xff, 0x03],
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn each_frame_has_one_fate(vnet in any::<bool>(), steps in prop::collection::vec(step(), 1..20)) {
        let mut world = World::new(vnet.then_some(ALL));
        let sessions: Vec<_> = (1..5).map(|id| world.session(id).0).collect();
        let mut now = 1000;
        let at = world.lab.datapath.core.sessions.find(sessions[0]).unwrap();
        let bucket = Bucket::new(100, 3000);
        world.lab.datapath.core.sessions.hold_to(at, Policy { rx: bucket, tx: bucket, ..Policy::default() });
        for step in steps {
            let Some(session) = (match step {
                Step::Change(id, ..) | Step::Join(id, _) | Step::Part(id) => sessions.get(usize::from(id) - 1),
                _ => sessions.first(),
            }) else { continue };
            match step {
                Step::FromPeer(frames) => {
                    let batch: Vec<_> = frames.iter().map(|(id, header, packet)| {
                        let bytes = [&[0, 2, 0, 1][..], &id.to_be_bytes(), HEADERS[*header], packet].concat();
                        Incoming { from: peer(1), bytes, gro: 0, flags: 0 }
                    }).collect();
                    world.lab.receive(world.socket, &batch, now * 1000);
                }
                Step::FromTun(packets) => {
                    let before: &[u8] = if vnet { &[0; 10] } else { &[] };
                    let frames: Vec<_> = packets.iter().map(|packet| [before, packet].concat()).collect();
                    world.lab.read(world.tun, &frames, now * 1000);
                }
                Step::Change(id, bits, mru) => {
                    let _ = world.lab.datapath.core.change_member(*session, &request(id, bits, mru));
                }
                Step::Join(id, bits) => drop(world.join(*session, &request(id, bits, 1500))),
                Step::Part(_) => world.lab.datapath.core.disconnect(*session).unwrap(),
                Step::Wait(ms) => {
                    now += ms;
                    world.lab.datapath.age(now * 1000);
                }
            }
            world.lab.run();
            world.lab.punted();
            let io = |what| world.io(what);
            let came = io(Io::RxDatagrams) + io(Io::RxFrames) + io(Io::Fragments) + io(Io::IcmpErrors);
            let went = io(Io::TxSegments) + io(Io::TxFrames) + io(Io::PuntedFrames);
            prop_assert_eq!(came, went + world.drops());
            let to_tun: u64 = sessions.iter().map(|session| {
                let of = world.families(*session);
                of[0] + of[4]
            }).sum();
            prop_assert_eq!(to_tun + io(Io::IcmpErrors), io(Io::TxFrames));
            let to_peers: u64 = sessions.iter().map(|session| {
                let of = world.families(*session);
                of[2] + of[6]
            }).sum();
            prop_assert_eq!(to_peers, io(Io::TxSegments));
        }
    }
}
