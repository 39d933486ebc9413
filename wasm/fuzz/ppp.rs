//! PPP terminations in a world: TUNs, members, and what comes from both sides.

use isthmus_datapath::offload::Takes;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::ppp::{Link, MemberRequest, Prefix};
use isthmus_datapath::receive::BATCH;
use isthmus_datapath::slab::Handle;

use crate::datagrams;
use crate::kernel::packet::delivered;
use crate::random::Random;
use crate::world::World;

/// Descriptors of TUNs start there.
const FIRST_TUN: i32 = 1000;

/// The TUNs and terminations of a world.
#[derive(Default)]
pub struct Terminations {
    /// TUNs, by their descriptors too, and whether they have IFF_VNET_HDR.
    tuns: Vec<(Handle, bool)>,
    terminations: Vec<Handle>,
}

impl Terminations {
    /// Whether a descriptor is a TUN's; if so, looks at what was written to it.
    pub fn is_written(&self, fd: i32, write: &[u8]) -> bool {
        let Some((_, vnet)) = usize::try_from(fd - FIRST_TUN).ok().and_then(|at| self.tuns.get(at)) else {
            return false;
        };
        if !vnet || write[0] & 1 == 0 {
            return true;
        }
        // As if it were a TAP's: behind an Ethernet header.
        let half = |at: usize| (u16::from_le_bytes([write[at], write[at + 1]]) + 14).to_le_bytes();
        let kind: [u8; 2] = if write[10] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
        let header = [&write[..2], &half(2), &write[4..6], &half(6), &write[8..10]].concat();
        let tap = [&header[..], &[2; 12], &kind, &write[10..]].concat();
        let damaged = ["no sum", "the IP header's", "an IP length"];
        if let Err(why) = delivered(&tap) {
            assert!(damaged.iter().any(|what| why.starts_with(what)), "a refused write: {why}");
        }
        true
    }
}

impl World {
    /// Something happens to a termination.
    pub fn terminate(&mut self) {
        match self.random.below(12) {
            0 => self.add_tun(),
            1 => self.add_termination(),
            2..5 => self.join_member(),
            5 => self.change_member(),
            6 if self.random.percent(20) => self.remove_termination(),
            _ => self.packets_from_tun(),
        }
    }

    fn add_tun(&mut self) {
        let Self { random, lab, ppp, .. } = self;
        let takes = Takes { checksum: true, tcp: random.percent(80), udp: random.percent(60) };
        let takes = random.percent(70).then_some(takes);
        let fd = FIRST_TUN + ppp.tuns.len() as i32;
        let tun = lab.datapath.core.add_device(fd, FrameType::Ip, takes, None).unwrap();
        ppp.tuns.push((tun, takes.is_some()));
    }

    fn add_termination(&mut self) {
        let Self { random, lab, ppp, .. } = self;
        if let Some((tun, _)) = (!ppp.tuns.is_empty()).then(|| random.pick(&ppp.tuns)) {
            ppp.terminations.extend(lab.datapath.core.add_termination(tun)); // it may have one
        }
    }

    fn remove_termination(&mut self) {
        let Self { random, lab, ppp, .. } = self;
        if !ppp.terminations.is_empty() {
            let _ = lab.datapath.core.remove_termination(random.pick(&ppp.terminations)); // it may be gone
            if random.percent(50) {
                let _ = lab.datapath.core.remove_port(random.pick(&ppp.tuns).0);
            }
        }
    }

    fn join_member(&mut self) {
        let Some(session) = self.port() else { return };
        let Self { random, lab, ppp, .. } = self;
        if ppp.terminations.is_empty() {
            return;
        }
        let core = &mut lab.datapath.core;
        if random.percent(70) {
            let _ = core.disconnect(session);
        }
        // It may be no PPP session, and its addresses another's.
        let _ = core.join_termination(random.pick(&ppp.terminations), session, &request(random));
    }

    fn change_member(&mut self) {
        let Some(session) = self.port() else { return };
        let _ = self.lab.datapath.core.change_member(session, &request(&mut self.random));
    }

    fn packets_from_tun(&mut self) {
        let Self { random, lab, ppp, now, .. } = self;
        if self.pending || ppp.tuns.is_empty() {
            return;
        }
        let (tun, vnet) = random.pick(&ppp.tuns);
        if lab.datapath.core.port(tun).is_none() {
            return;
        }
        let count = random.below(BATCH + 1);
        let packets: Vec<_> = (0..count).map(|_| datagrams::tun_packet(random, vnet)).collect();
        lab.read(tun, &packets, *now);
        self.pending = true;
    }
}

fn request(random: &mut Random) -> MemberRequest {
    let mut prefixes = Vec::new();
    for _ in 0..random.below(4) {
        let last = random.below(3) as u8;
        prefixes.extend(match random.below(5) {
            0 => Prefix::v4([10, 9, 0, last], 32),
            1 => Prefix::v4([10, 9, 1, 1], 32),
            2 => Prefix::v4([10, 9, 0, 0], random.pick(&[0, 16, 24])),
            3 => Prefix::v6([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last], 128),
            _ => Prefix::v6([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], random.pick(&[0, 8, 64])),
        });
    }
    MemberRequest {
        prefixes,
        interface_id: random.pick(&[0, 1]),
        mru: random.pick(&[68, 100, 576, 1492, 1500]),
        link: Link { address_control: random.percent(50), compress_protocol: random.percent(50) },
        source_check: random.percent(70),
        clamp: random.percent(50),
        tos: random.percent(30).then_some(0xb8),
        idle: random.pick(&[0, 1, 50_000]),
        lasts: random.pick(&[0, 1, 90_000]),
        quota: random.pick(&[0, 1, 100_000]),
    }
}
