//! As many stations as a switch may know, and a port from which ever others seem to send.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::counters::{Reason, SwitchCount};
use isthmus_datapath::port::FrameType;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::switch::{MemberOptions, SwitchOptions, What};
use kernel::Lab;

const SECOND: u64 = 1_000_000;
const STATIONS: u32 = 100_000;
/// Ports with stations; station `i` is behind port `i % PORTS`. One more has none of them: that of the flood.
const PORTS: u32 = 10;
const FLOOD: usize = PORTS as usize;
const TABLE: usize = 104_000;
/// Stations that may be learnt at the flood's port.
const LIMIT: u32 = 2_000;
/// Frames to unknown stations that may come from it in a second.
const UNKNOWN: u32 = 10_000;

struct Lan {
    lab: Lab,
    switch: Handle,
    ports: Vec<Handle>,
    now: u64,
    random: u64,
}

impl Lan {
    fn new() -> Self {
        let mut lab = Lab::new(Limits::default());
        let core = &mut lab.datapath.core;
        let options = SwitchOptions { table: TABLE, ..SwitchOptions::default() };
        let switch = core.add_switch(options).unwrap();
        let ports: Vec<_> = (0..=PORTS as i32)
            .map(|fd| core.add_device(fd, FrameType::Ethernet, None, None).unwrap())
            .collect();
        for port in &ports[..FLOOD] {
            core.join_switch(switch, *port, MemberOptions::default()).unwrap();
        }
        core.join_switch(switch, ports[FLOOD], flooding(LIMIT)).unwrap();
        Self { lab, switch, ports, now: SECOND, random: 1 }
    }

    /// Six octets that nobody knows, of one address.
    fn anyone(&mut self) -> [u8; 6] {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let [first, rest @ .., _, _] = self.random.to_be_bytes();
        [&[first & 0xfe], &rest[..]].concat().try_into().unwrap()
    }

    /// Stations from `first` on, of one port, send to those before them, and `frames` come from the flood's port meanwhile.
    /// Gives how many of the stations' frames reached who they were for, and how many came where they had no business.
    fn exchange(&mut self, first: u32, frames: usize) -> (usize, usize) {
        let flood: Vec<_> = (0..frames).map(|_| frame(self.anyone(), self.anyone())).collect();
        let to: Vec<_> = (0..40).map(|at| first + at * PORTS).collect();
        let sent: Vec<_> = to.iter().map(|to| frame(mac(*to), mac((to + 1) % STATIONS))).collect();
        self.lab.read(self.ports[FLOOD], &flood, self.now);
        let mut written = self.lab.run().written;
        self.lab.read(self.ports[((first + 1) % PORTS) as usize], &sent, self.now);
        written.extend(self.lab.run().written);
        let known = |(_, frame): &&(i32, Vec<u8>)| frame[6..9] == mac(0)[..3];
        let all = written.iter().filter(known).count();
        let came = sent.iter().filter(|sent| written.contains(&((first % PORTS) as i32, (*sent).clone())));
        let right = came.count();
        (right, all - right)
    }

    /// Every station sends and is sent to, each second 1,000 times 40 frames.
    fn exchange_all(&mut self, frames: usize) -> (usize, usize) {
        let mut sum = (0, 0);
        for first in (0..STATIONS).step_by(40 * PORTS as usize) {
            for port in 0..PORTS {
                let (right, wrong) = self.exchange(first + port, frames);
                sum = (sum.0 + right, sum.1 + wrong);
                self.now += 1000;
            }
        }
        sum
    }

    fn learnt(&self, port: usize) -> u32 {
        let core = &self.lab.datapath.core;
        core.switches.member(core.member(self.ports[port]).unwrap(), self.now).1
    }

    fn count(&self, what: SwitchCount) -> u64 {
        let core = &self.lab.datapath.core;
        core.switches.member(core.member(self.ports[FLOOD]).unwrap(), self.now).0.get(what)
    }

    fn known(&self) -> usize {
        let core = &self.lab.datapath.core;
        core.switches.rows(core.find_switch(self.switch).unwrap(), 0, usize::MAX, self.now).0.len()
    }

    /// Time goes by, and old entries are swept. Gives how often the datapath asked to be woken for it.
    fn pass(&mut self, time: u64) -> u32 {
        let (end, mut wakes) = (self.now + time, 0);
        while let Some(due) = self.lab.datapath.core.deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.lab.datapath.age(self.now);
            wakes += 1;
        }
        self.now = end;
        wakes
    }
}

fn flooding(limit: u32) -> MemberOptions {
    MemberOptions { limit, storms: [0, 0, UNKNOWN], ..MemberOptions::default() }
}

fn mac(station: u32) -> [u8; 6] {
    [&[2, 1][..], &station.to_be_bytes()].concat().try_into().unwrap()
}

fn frame(to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
    [&to[..], &from, &[8, 0], &[0; 46]].concat()
}

#[test]
fn a_flood_of_stations_takes_nothing_from_those_that_are_known() {
    let mut lan = Lan::new();
    for first in (0..STATIONS).step_by(40 * PORTS as usize) {
        for port in 0..PORTS {
            let to_itself: Vec<_> =
                (0..40).map(|at| mac(first + port + at * PORTS)).map(|mac| frame(mac, mac)).collect();
            lan.lab.read(lan.ports[port as usize], &to_itself, lan.now);
            lan.lab.run();
        }
    }
    let each = [STATIONS / PORTS; PORTS as usize];
    let learnt = |lan: &Lan| -> [u32; FLOOD] { std::array::from_fn(|port| lan.learnt(port)) };
    assert_eq!((lan.known(), learnt(&lan)), (STATIONS as usize, each));
    lan.lab.datapath.core.switches.events.clear();

    // 150,000 addresses at a port that may have 2,000; then at one that may have any number, until the table is full.
    for (limit, room) in [(LIMIT, LIMIT), (0, TABLE as u32 - STATIONS)] {
        let core = &mut lan.lab.datapath.core;
        core.change_switch_port(lan.ports[FLOOD], flooding(limit)).unwrap();
        let before = (lan.count(SwitchCount::NotLearnt), lan.learnt(FLOOD), lan.now);
        let unknown = lan.count(SwitchCount::RxUnknown);
        assert_eq!(lan.exchange_all(60), (STATIONS as usize, 0), "limit {limit}");
        assert_eq!((lan.learnt(FLOOD), learnt(&lan)), (room, each), "limit {limit}");
        assert_eq!(lan.known(), (STATIONS + room) as usize);
        assert_eq!(lan.count(SwitchCount::NotLearnt) - before.0, 150_000 - u64::from(room - before.1));
        let flooded = 150_000 - (lan.count(SwitchCount::RxUnknown) - unknown);
        let allowed = u64::from(UNKNOWN) * (lan.now - before.2) / SECOND;
        assert!(flooded >= allowed / 2 && flooded <= allowed + u64::from(UNKNOWN), "{flooded} of {allowed}");
    }
    let events: Vec<_> = lan.lab.datapath.core.switches.events.drain(..).map(|event| event.what).collect();
    assert!(events.contains(&What::Limit) && !events.contains(&What::Moved) && !events.contains(&What::Loop));
    let drops = &lan.lab.datapath.core.drops;
    let own = [Reason::SamePort, Reason::PortBlocked].map(|reason| drops.get(reason));
    assert_eq!(own, [u64::from(STATIONS), 0], "only what stations sent to themselves");

    // Of all of them, those behind one port go on sending: they stay, and all others are forgotten, a part at a time.
    for _ in 0..3 {
        lan.pass(200 * SECOND);
        for first in (0..STATIONS).step_by(40 * PORTS as usize) {
            assert_eq!(lan.exchange(first + PORTS - 1, 0).0, 40);
        }
    }
    let wakes = lan.pass(100 * SECOND);
    assert!((10..1000).contains(&wakes), "{wakes}");
    assert_eq!((lan.known(), lan.learnt(0), lan.learnt(FLOOD)), (10_000, 10_000, 0));
    assert!(learnt(&lan)[1..].iter().all(|count| *count == 0));
    lan.pass(301 * SECOND);
    lan.pass(301 * SECOND);
    assert_eq!((lan.known(), lan.learnt(0)), (0, 0));
    assert_eq!(lan.lab.datapath.core.deadline(), None, "what was forgotten asks for nothing");
}
