//! VLANs of a switch's ports: what Open vSwitch does, case by case, and a small model of it for all other cases.

mod kernel;

use isthmus_datapath::core::Limits;
use isthmus_datapath::port::FrameType;
use isthmus_datapath::slab::Handle;
use isthmus_datapath::switch::{MemberOptions, SwitchOptions};
use isthmus_datapath::vlan::{Mode, PortVlans, PriorityTags};
use kernel::Lab;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// TPID, VLAN, PCP.
type Tag = (u16, u16, u16);

#[derive(Clone, Debug, Default)]
struct Port {
    mode: &'static str,
    tag: u16,
    trunks: Vec<u16>,
    cvlans: Vec<u16>,
    qinq: u16,
    priority_tags: &'static str,
    protected: bool,
}

impl Port {
    /// A port in the words of `ovs-vsctl`.
    fn read(words: &str) -> Self {
        let mut port = Self { mode: "", qinq: 0x88a8, priority_tags: "never", ..Self::default() };
        let list = |text: &str| text.split(',').map(|vid| vid.parse().unwrap()).collect();
        for word in words.split(' ') {
            let (key, value) = word.split_once('=').unwrap();
            match (key, value) {
                ("vlan_mode", mode) => port.mode = MODES.iter().find(|name| **name == mode).unwrap(),
                ("tag", tag) => {
                    port.tag = tag.parse().unwrap();
                    port.mode = if port.mode.is_empty() { "access" } else { port.mode };
                }
                ("trunks", vids) => port.trunks = list(vids),
                ("cvlans", vids) => port.cvlans = list(vids),
                ("other_config:qinq-ethtype", "802.1q") => port.qinq = 0x8100,
                ("other_config:priority-tags", name) => {
                    port.priority_tags = PRIORITY_TAGS.iter().find(|known| **known == name).unwrap();
                }
                _ => panic!("{word}"),
            }
        }
        port.mode = if port.mode.is_empty() { "trunk" } else { port.mode };
        port
    }

    fn options(&self) -> MemberOptions {
        let place = |names: &[&str], name| names.iter().position(|known| *known == name).unwrap() as u32;
        let mode = Mode::from_number(place(&MODES, self.mode)).unwrap();
        let priority = PriorityTags::from_number(place(&PRIORITY_TAGS, self.priority_tags)).unwrap();
        let vlans = PortVlans::new(mode, self.tag, [&self.trunks, &self.cvlans], self.qinq, priority, 2);
        MemberOptions { vlans, protected: self.protected, ..MemberOptions::default() }
    }
}

const MODES: [&str; 5] = ["access", "trunk", "native-tagged", "native-untagged", "dot1q-tunnel"];
const PRIORITY_TAGS: [&str; 3] = ["never", "if-nonzero", "always"];

/// A switch whose ports are devices with descriptors from 1 on.
fn switch(ports: &[Port]) -> (Lab, Vec<Handle>) {
    let mut lab = Lab::new(Limits::default());
    let core = &mut lab.datapath.core;
    let switch = core.add_switch(SwitchOptions::default()).unwrap();
    let join = |(at, port): (usize, &Port)| {
        let device = core.add_device(at as i32 + 1, FrameType::Ethernet, None, None).unwrap();
        core.join_switch(switch, device, port.options()).unwrap();
        device
    };
    let devices = ports.iter().enumerate().map(join).collect();
    (lab, devices)
}

const MACS: [u8; 12] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9];
const PAYLOAD: [u8; 46] = [0x5a; 46];

fn frame(tags: &[Tag]) -> Vec<u8> {
    let tags = tags.iter().flat_map(|(tpid, vid, pcp)| [tpid.to_be_bytes(), (pcp << 13 | vid).to_be_bytes()]);
    [&MACS[..], &tags.flatten().collect::<Vec<u8>>(), &[0x88, 0xb5], &PAYLOAD].concat()
}

/// The tags of a frame that is otherwise as it came.
fn tags(frame: &[u8]) -> Vec<Tag> {
    assert_eq!(frame[..12], MACS);
    let mut rest = &frame[12..];
    let mut tags = Vec::new();
    while let [0x81, 0, a, b, behind @ ..] | [0x88, 0xa8, a, b, behind @ ..] = rest {
        let tci = u16::from_be_bytes([*a, *b]);
        tags.push((u16::from_be_bytes([rest[0], rest[1]]), tci & 0xfff, tci >> 13));
        rest = behind;
    }
    assert_eq!(rest, [&[0x88, 0xb5], &PAYLOAD[..]].concat());
    tags
}

/// Who gets a frame that comes in at a port, by number, and with which tags.
fn through(lab: &mut Lab, from: Handle, sent: &[Tag]) -> BTreeMap<usize, Vec<Tag>> {
    lab.read(from, &[frame(sent)], 0);
    lab.run().written.into_iter().map(|(fd, frame)| (fd as usize, tags(&frame))).collect()
}

fn read_tag(text: &str) -> Tag {
    let (tpid, tci) = text.split_once(':').unwrap();
    let (vid, pcp) = tci.split_once('.').unwrap_or((tci, "0"));
    (u16::from_str_radix(tpid, 16).unwrap(), vid.parse().unwrap(), pcp.parse().unwrap())
}

/// The frames of the table.
fn named(name: &str) -> Vec<Tag> {
    match name {
        "untagged" => vec![],
        "prio-tag pcp5" => vec![(0x8100, 0, 5)],
        "vid 10 pcp3" => vec![(0x8100, 10, 3)],
        "ad 10 / q 12" => vec![(0x88a8, 10, 0), (0x8100, 12, 0)],
        "q 10 / q 8" => vec![(0x8100, 10, 0), (0x8100, 8, 0)],
        _ => vec![(0x8100, name.strip_prefix("vid ").unwrap().parse().unwrap(), 0)],
    }
}

/// `p1=[8100:10.3] p2=[]`, or `dropped`.
fn read_outputs(text: &str) -> BTreeMap<usize, Vec<Tag>> {
    let outputs = text.split("] ").filter(|text| *text != "dropped");
    outputs
        .map(|output| {
            let (port, tags) = output.split_once("=[").unwrap();
            let tags = tags.trim_end_matches(']').split_whitespace().map(read_tag).collect();
            (port[1..].parse().unwrap(), tags)
        })
        .collect()
}

#[test]
fn every_case_of_open_vswitch_is_the_same_here() {
    let table = include_str!("testdata/ovs-vlan-truth.tsv");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("in port"))
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(rows.len(), 108);
    let ports: Vec<Port> = (1..=12)
        .map(|at| Port::read(rows.iter().find(|row| row[0] == format!("p{at}")).unwrap()[1]))
        .collect();
    let (mut lab, devices) = switch(&ports);
    for row in rows {
        let from: usize = row[0][1..].parse().unwrap();
        let got = through(&mut lab, devices[from - 1], &named(row[2]));
        assert_eq!(got, read_outputs(row[3]), "{} {}", row[0], row[2]);
    }
}

// The model: what each port does with a frame, of which only the two outermost tags are seen.

fn vid(tags: &[Tag], at: usize) -> u16 {
    tags.get(at).map_or(0, |tag| tag.1)
}

impl Port {
    fn trunks(&self, vid: u16) -> bool {
        let listed = self.trunks.is_empty() || self.trunks.contains(&vid);
        match self.mode {
            "trunk" => listed,
            _ if self.tag == 0 => listed,
            _ => vid != 0 && (listed || vid == self.tag),
        }
    }

    fn tunnels(&self, vid: u16) -> bool {
        self.cvlans.is_empty() || self.cvlans.contains(&vid)
    }

    /// The frame as it is in the switch; `None`: it is not let in.
    fn takes(&self, sent: &[Tag]) -> Option<Vec<Tag>> {
        let outer = vid(sent, 0);
        let mut tags = sent.to_vec();
        let own = |tags: &mut Vec<Tag>| {
            let (tpid, _, pcp) = tags.first().copied().unwrap_or((0x8100, 0, 0));
            if !tags.is_empty() {
                tags.remove(0);
            }
            tags.insert(0, (tpid, self.tag, pcp));
        };
        match self.mode {
            "access" if outer == 0 && sent.len() < 2 => own(&mut tags),
            "native-tagged" | "native-untagged" if outer == 0 => own(&mut tags),
            "trunk" | "native-tagged" | "native-untagged" if self.trunks(outer) => {}
            "dot1q-tunnel" if self.tunnels(outer) => {
                tags.insert(0, (self.qinq, self.tag, 0));
                tags.truncate(2);
            }
            _ => return None,
        }
        Some(tags)
    }

    /// The frame as it leaves; `None`: it does not.
    fn gives(&self, inside: &[Tag], came_with: u16) -> Option<Vec<Tag>> {
        let (outer, inner) = (vid(inside, 0), vid(inside, 1));
        let gets = match self.mode {
            "access" => outer == self.tag && inner == 0,
            "dot1q-tunnel" => outer == self.tag && self.tunnels(inner),
            _ => self.trunks(outer),
        };
        if !gets {
            return None;
        }
        let mut tags = inside.to_vec();
        match self.mode {
            "access" => tags.clear(),
            "native-untagged" if outer != self.tag => {}
            "native-untagged" | "dot1q-tunnel" if !tags.is_empty() => drop(tags.remove(0)),
            _ => {}
        }
        if self.priority_tags != "never" {
            match tags.first_mut() {
                Some(first) => first.2 = came_with,
                None if came_with != 0 => tags.push((0x8100, 0, came_with)),
                None => {}
            }
        }
        if tags.first().is_some_and(|(_, vid, pcp)| (*vid, *pcp) == (0, 0)) && self.priority_tags != "always"
        {
            if tags.len() > 1 {
                return None; // here we differ: Open vSwitch deletes both
            }
            tags.clear();
        }
        Some(tags)
    }
}

const VLANS: [u16; 5] = [0, 8, 10, 12, 4095];

fn port() -> impl Strategy<Value = Port> {
    let vlans = || prop::collection::btree_set(prop::sample::select(&VLANS[..]), 0..3);
    let list = |set: BTreeSet<u16>| set.into_iter().collect::<Vec<_>>();
    let words = (prop::sample::select(&MODES[..]), prop::sample::select(&PRIORITY_TAGS[..]));
    let rest = (prop::sample::select(&VLANS[..4]), vlans(), vlans(), any::<bool>(), any::<bool>());
    (words, rest).prop_map(move |((mode, priority_tags), (tag, trunks, cvlans, q, protected))| Port {
        mode,
        tag,
        trunks: list(trunks),
        cvlans: list(cvlans),
        qinq: if q { 0x8100 } else { 0x88a8 },
        priority_tags,
        protected,
    })
}

fn sent() -> impl Strategy<Value = Vec<Tag>> {
    let tag = (prop::sample::select(&[0x8100, 0x88a8][..]), prop::sample::select(&VLANS[..]), 0u16..8);
    prop::collection::vec(tag, 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn all_other_cases_are_as_the_model_has_them(
        ports in prop::collection::vec(port(), 2..9),
        sent in prop::collection::vec((any::<prop::sample::Index>(), sent()), 1..8),
    ) {
        let (mut lab, devices) = switch(&ports);
        for (from, sent) in sent {
            let from = from.index(ports.len());
            let inside = ports[from].takes(&sent);
            let came_with = sent.first().map_or(0, |tag| tag.2);
            let expected: BTreeMap<usize, Vec<Tag>> = ports.iter().enumerate()
                .filter(|(at, to)| *at != from && !(to.protected && ports[from].protected))
                .filter_map(|(at, to)| Some((at + 1, to.gives(inside.as_ref()?, came_with)?)))
                .collect();
            prop_assert_eq!(through(&mut lab, devices[from], &sent), expected);
        }
        // Each frame was dropped once under a reason, or left as often as it was copied.
        let core = &lab.datapath.core;
        let io = |what| core.io.get(what);
        use isthmus_datapath::counters::Io;
        let dropped: u64 = core.drops.all().iter().sum();
        prop_assert_eq!(io(Io::RxFrames) + io(Io::Copies), io(Io::TxFrames) + dropped);
    }
}
