//! Switches as `switches.ts` has them: the functions that it calls. Numbers stand for enums in the order of the constants
//! there; arrays of numbers are rows of so many.

#![expect(missing_docs, reason = "switches.ts documents each; the generated types are not for reading")]

use wasm_bindgen::prelude::*;

use crate::api::{Raw, handle};
use crate::core::Core;
use crate::counters::SwitchCount;
use crate::fdb::{Station, station};
use crate::loops::LoopRule;
use crate::manage::Refusal;
use crate::port::Port;
use crate::slab::Handle;
use crate::switch::{MemberOptions, SwitchOptions};
use crate::vlan::{Mode, PortVlans, PriorityTags, Translation, Vlans};

/// `SwitchSpec` of `switches.ts`.
#[wasm_bindgen(getter_with_clone)]
#[derive(Default)]
pub struct RawSwitch {
    /// Milliseconds.
    pub ageing: f64,
    pub table: u32,
    pub flood_vlans: Vec<u16>,
    /// A bit for each reserved address that is passed on.
    pub reserved: u16,
    pub loop_moves: u32,
    /// Milliseconds, as the next.
    pub loop_within: f64,
    pub loop_block: f64,
    pub seed: u64,
}

#[wasm_bindgen]
impl RawSwitch {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    fn options(&self) -> Result<SwitchOptions, Refusal> {
        if !(10..=1_000_000).contains(&self.table) {
            return Err(Refusal::invalid("a switch's table has 10 to 1000000 entries"));
        }
        let micros = |ms: f64| (ms * 1000.0) as u64;
        let loops = LoopRule {
            moves: self.loop_moves,
            within: micros(self.loop_within),
            block: micros(self.loop_block),
        };
        Ok(SwitchOptions {
            ageing: micros(self.ageing),
            table: self.table as usize,
            flood: Vlans::of(&self.flood_vlans),
            reserved: self.reserved,
            loops,
            seed: self.seed,
        })
    }
}

/// `SwitchPortSpec` of `switches.ts`.
#[wasm_bindgen(getter_with_clone)]
#[derive(Default)]
pub struct RawSwitchPort {
    pub mode: u32,
    pub tag: u16,
    pub trunks: Vec<u16>,
    pub cvlans: Vec<u16>,
    pub qinq_ethertype: u16,
    pub priority_tags: u32,
    pub vlan_limit: u8,
    pub group: u32,
    pub protected: bool,
    pub broadcast: u32,
    pub multicast: u32,
    pub unknown: u32,
    pub limit: u32,
    pub mtu: u32,
    pub down: bool,
}

#[wasm_bindgen]
impl RawSwitchPort {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    fn options(&self) -> Result<MemberOptions, Refusal> {
        let mode = Mode::from_number(self.mode).ok_or(Refusal::invalid("no such vlan-mode"))?;
        let priority_tags = PriorityTags::from_number(self.priority_tags)
            .ok_or(Refusal::invalid("no such choice of priority-tags"))?;
        let lists = [&self.trunks[..], &self.cvlans];
        if self.tag > 4095 || lists.concat().iter().any(|vid| *vid > 4095) {
            return Err(Refusal::invalid("a VLAN id is 0 to 4095"));
        }
        let vlans =
            PortVlans::new(mode, self.tag, lists, self.qinq_ethertype, priority_tags, self.vlan_limit);
        Ok(MemberOptions {
            vlans,
            group: self.group,
            protected: self.protected,
            storms: [self.broadcast, self.multicast, self.unknown],
            limit: self.limit,
            mtu: self.mtu,
            down: self.down,
        })
    }
}

#[wasm_bindgen]
impl Raw {
    pub fn add_switch(&mut self, spec: &RawSwitch) -> Result<f64, Refusal> {
        self.core().add_switch(spec.options()?).map(Handle::to_number)
    }

    pub fn change_switch(&mut self, switch: f64, spec: &RawSwitch) -> Result<(), Refusal> {
        let options = spec.options()?;
        self.core().change_switch(switch_handle(switch)?, options)
    }

    pub fn remove_switch(&mut self, switch: f64) -> Result<(), Refusal> {
        self.core().remove_switch(switch_handle(switch)?)
    }

    pub fn join_switch(&mut self, switch: f64, port: f64, spec: &RawSwitchPort) -> Result<(), Refusal> {
        let options = spec.options()?;
        self.core().join_switch(switch_handle(switch)?, port_handle(port)?, options)
    }

    pub fn change_switch_port(&mut self, port: f64, spec: &RawSwitchPort) -> Result<(), Refusal> {
        let options = spec.options()?;
        self.core().change_switch_port(port_handle(port)?, options)
    }

    pub fn add_patch(&mut self) -> Result<Vec<f64>, Refusal> {
        self.core().add_patch().map(|ends| ends.map(Handle::to_number).to_vec())
    }

    /// `kind` 0: none; 1: `outside` and `inside`; 2: one VLAN, which is `inside` where there is any.
    pub fn translate(
        &mut self,
        port: f64,
        kind: u32,
        outside: Vec<u16>,
        inside: Vec<u16>,
    ) -> Result<(), Refusal> {
        if outside.len() > 2 || inside.len() > 2 || outside.iter().chain(&inside).any(|vid| *vid > 4095) {
            return Err(Refusal::invalid("at most two tags are translated, of VLANs 0 to 4095"));
        }
        let translation = match kind {
            0 => Translation::None,
            1 => Translation::Swap { outside, inside },
            _ => Translation::Vlan(inside.first().copied()),
        };
        self.core().translate(port_handle(port)?, translation)
    }

    /// What is in `count` slots of a switch's table from `from` on: port, VLAN, MAC as a number, age in milliseconds (-1: an
    /// operator said so); last, whether there are more.
    /// `now` in milliseconds.
    pub fn fdb_slice(&mut self, switch: f64, from: u32, count: u32, now: f64) -> Result<Vec<f64>, Refusal> {
        let core = self.core();
        let at = core.find_switch(switch_handle(switch)?)?;
        let now = core.now.max((now * 1000.0) as u64);
        let (rows, more) = core.switches.rows(at, from as usize, count as usize, now);
        let mut numbers = Vec::with_capacity(rows.len() * 4 + 1);
        for (port, row) in rows {
            let age = row.age.map_or(-1.0, |age| age as f64 / 1000.0);
            let (vid, mac) = apart(row.station);
            numbers.extend([number_of(core, port), vid, mac, age]);
        }
        numbers.push(f64::from(u8::from(more)));
        Ok(numbers)
    }

    pub fn fdb_add(&mut self, port: f64, vid: u16, mac: &[u8]) -> Result<(), Refusal> {
        let station = station_of(vid, mac)?;
        let member = self.core().member(port_handle(port)?)?;
        self.core().switches.fix(member, station).map_err(Refusal::limit)
    }

    /// False: it was not there.
    pub fn fdb_del(&mut self, switch: f64, vid: u16, mac: &[u8]) -> Result<bool, Refusal> {
        let station = station_of(vid, mac)?;
        let at = self.core().find_switch(switch_handle(switch)?)?;
        Ok(self.core().switches.forget(at, station))
    }

    /// Forgets what a switch has learnt, at one port where that is given (not 0).
    pub fn fdb_flush(&mut self, switch: f64, port: f64) -> Result<(), Refusal> {
        let core = self.core();
        if port == 0.0 {
            let at = core.find_switch(switch_handle(switch)?)?;
            core.switches.flush(at);
        } else {
            let member = core.member(port_handle(port)?)?;
            core.switches.flush_member(member, false);
        }
        Ok(())
    }

    pub fn is_switch_port(&self, port: f64) -> bool {
        handle(port).is_some_and(|port| self.core_ref().member(port).is_ok())
    }

    /// How many ports a switch has.
    pub fn switch_port_count(&self, switch: f64) -> u32 {
        let core = self.core_ref();
        let found = handle(switch).and_then(|switch| core.find_switch(switch).ok());
        found.map_or(0, |at| core.switches.ports(at).count() as u32)
    }

    /// Stations that are known, and the least MTU of the ports, 0 where none is known.
    pub fn switch_figures(&mut self, switch: f64) -> Result<Vec<f64>, Refusal> {
        let core = self.core();
        let (stations, mtu) = core.switches.figures(core.find_switch(switch_handle(switch)?)?);
        Ok(vec![stations as f64, mtu.into()])
    }

    /// Stations learnt at a port, milliseconds that it is blocked for, then its counters.
    pub fn switch_port_figures(&mut self, port: f64, now: f64) -> Result<Vec<f64>, Refusal> {
        let core = self.core();
        let member = core.member(port_handle(port)?)?;
        let now = core.now.max((now * 1000.0) as u64);
        let (counts, learnt, blocked) = core.switches.member(member, now);
        let figures = [f64::from(learnt), blocked as f64 / 1000.0];
        Ok(figures.into_iter().chain(counts.all().iter().map(|count| *count as f64)).collect())
    }

    /// What happened since the last call: what, switch, port, other port (0: none), VLAN, MAC each; last, how much more
    /// there was than room for.
    pub fn switch_events(&mut self) -> Vec<f64> {
        let core = self.core();
        let (events, lost) = core.switches.take_events(core.now);
        let mut numbers = Vec::with_capacity(events.len() * 6 + 1);
        for event in events {
            let other = event.other.map_or(0.0, |other| number_of(core, other));
            let (vid, mac) = apart(event.station);
            let port = number_of(core, event.port);
            numbers.extend([f64::from(event.what as u8), event.switch.to_number(), port, other, vid, mac]);
        }
        numbers.push(lost as f64);
        numbers
    }

    /// Whether `switch_events` has anything to tell now.
    pub fn has_switch_events(&self) -> bool {
        let core = self.core_ref();
        core.switches.may_tell(core.now)
    }
}

/// The names of a switch port's counters, joined by spaces.
#[wasm_bindgen]
pub fn switch_count_names() -> String {
    SwitchCount::NAMES.join(" ")
}

fn switch_handle(number: f64) -> Result<Handle, Refusal> {
    handle(number).ok_or(Refusal::no_such_switch())
}

fn port_handle(number: f64) -> Result<Handle, Refusal> {
    handle(number).ok_or(Refusal::no_such_port())
}

/// The handle of a port.
fn number_of(core: &Core, port: Port) -> f64 {
    core.handle_of(port).to_number()
}

/// VLAN and MAC.
fn apart(station: Station) -> (f64, f64) {
    ((station >> 48) as f64, (station & 0xffff_ffff_ffff) as f64)
}

fn station_of(vid: u16, mac: &[u8]) -> Result<Station, Refusal> {
    let mac: &[u8; 6] = mac.try_into().map_err(|_| Refusal::invalid("a MAC address has 6 octets"))?;
    if vid > 4095 {
        return Err(Refusal::invalid("a VLAN id is 0 to 4095"));
    }
    if mac[0] & 1 == 1 {
        return Err(Refusal::invalid("a group address is at no one port"));
    }
    Ok(station(vid, mac))
}
