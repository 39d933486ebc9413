//! How many frames of a packet port TypeScript is bothered with: so many of each kind, from each VLAN and from each
//! station, that whoever floods leaves room for others.

use crate::policy::Bucket;
use crate::pppoe::Link;

/// A frame counts as so many octets, so that a rate in kilobits a second is one in frames.
const FRAME: usize = 125;
const STATIONS: usize = 1024;
const LINES: usize = 256;
const PADI: u8 = 0x09;

/// Frames a second, and at once.
#[derive(Clone, Copy)]
struct Allowance(u32, u32);

/// Requests to all access concentrators, which cost whoever forges them least.
const REQUESTS: Allowance = Allowance(2000, 2000);
/// The rest of PPPoE's discovery: a request answers an offer, so it is of somebody who is there.
const DISCOVERY: Allowance = Allowance(4000, 4000);
/// All other frames.
const OTHERS: Allowance = Allowance(1000, 1000);
/// All frames from one VLAN, or from outside all of them.
const LINE: Allowance = Allowance(1000, 2000);
/// All frames from one station in one VLAN.
const STATION: Allowance = Allowance(100, 300);

impl Allowance {
    fn bucket(self) -> Bucket {
        Bucket::new(self.0, self.1 * FRAME as u32)
    }
}

/// What is left of a port's allowances.
pub struct Budget {
    kinds: [Bucket; 3],
    lines: Box<[Bucket]>,
    stations: Box<[Bucket]>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            kinds: [REQUESTS, DISCOVERY, OTHERS].map(Allowance::bucket),
            lines: vec![LINE.bucket(); LINES].into(),
            stations: vec![STATION.bucket(); STATIONS].into(),
        }
    }
}

impl Budget {
    /// Whether TypeScript is to have a frame that came at `now`, in microseconds; if so, it is counted.
    pub fn take(&mut self, frame: &[u8], now: u64) -> bool {
        let link = Link::read(frame, None);
        let kind = match link.map(|link| (link.kind, frame.get(link.payload + 1))) {
            Some(([0x88, 0x63], Some(&PADI))) => 0,
            Some(([0x88, 0x63], _)) => 1,
            _ => 2,
        };
        let line = link.map_or(0, |link| link.vlans.number());
        let station = frame.get(6..12).unwrap_or_default();
        let station =
            station.iter().fold(line, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        let line = (line ^ line >> 12).wrapping_mul(0x9E37_79B1) >> 24;
        // Whoever has used up his own takes nothing from the others.
        self.stations[(station ^ station >> 16) as usize % STATIONS].take(FRAME, now)
            && self.lines[line as usize % LINES].take(FRAME, now)
            && self.kinds[kind].take(FRAME, now)
    }
}
