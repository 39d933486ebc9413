//! PPP terminations, as `mod.ts` calls them.

#![expect(missing_docs, reason = "mod.ts documents each; the generated types are not for reading")]

use wasm_bindgen::prelude::*;

use super::{Raw, handle, numbers};
use crate::manage::Refusal;
use crate::ppp::{Link, MemberRequest, Prefix, Told};
use crate::slab::Handle;

/// `MemberSpec` of `ppp.ts`.
#[wasm_bindgen(getter_with_clone)]
#[derive(Default)]
pub struct RawMember {
    /// For each: 4 or 6, its bits, and 16 bytes of address; of an IPv4 one the first four.
    pub prefixes: Vec<u8>,
    /// 0: any.
    pub interface_id: u64,
    pub mru: u16,
    pub address_control: bool,
    pub compress_protocol: bool,
    pub source_check: bool,
    pub clamp: bool,
    /// -1: as it comes.
    pub dscp: i8,
    /// 0: none.
    pub idle_ms: u32,
    pub session_ms: u32,
    pub quota: u64,
}

#[wasm_bindgen]
impl RawMember {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    fn request(&self) -> Result<MemberRequest, Refusal> {
        let prefixes = self.prefixes.as_chunks().0.iter().map(prefix);
        Ok(MemberRequest {
            prefixes: prefixes.collect::<Option<_>>().ok_or(Refusal::invalid("a prefix is too long"))?,
            interface_id: self.interface_id,
            mru: self.mru,
            link: Link { address_control: self.address_control, compress_protocol: self.compress_protocol },
            source_check: self.source_check,
            clamp: self.clamp,
            tos: u8::try_from(self.dscp).ok().map(|dscp| dscp << 2),
            idle: self.idle_ms,
            lasts: self.session_ms,
            quota: self.quota,
        })
    }
}

fn prefix([family, bits, address @ ..]: &[u8; 18]) -> Option<Prefix> {
    match family {
        4 => Prefix::v4(*address.first_chunk()?, *bits),
        _ => Prefix::v6(*address, *bits),
    }
}

#[wasm_bindgen]
impl Raw {
    pub fn add_termination(&mut self, tun: f64) -> Result<f64, Refusal> {
        let tun = handle(tun).ok_or(Refusal::no_such_port())?;
        self.datapath.core.add_termination(tun).map(Handle::to_number)
    }

    pub fn remove_termination(&mut self, termination: f64) -> Result<(), Refusal> {
        self.datapath.core.remove_termination(termination_of(termination)?)
    }

    pub fn join_termination(&mut self, termination: f64, port: f64, spec: &RawMember) -> Result<(), Refusal> {
        let port = handle(port).ok_or(Refusal::no_such_port())?;
        self.datapath.core.join_termination(termination_of(termination)?, port, &spec.request()?)
    }

    pub fn change_member(&mut self, port: f64, spec: &RawMember) -> Result<(), Refusal> {
        let port = handle(port).ok_or(Refusal::no_such_port())?;
        self.datapath.core.change_member(port, &spec.request()?)
    }

    /// Nothing: there is no such session.
    pub fn family_counters(&self, port: f64) -> Vec<f64> {
        let counters = handle(port).and_then(|port| self.datapath.core.family_counters(port));
        counters.map(|counters| numbers(&counters)).unwrap_or_default()
    }

    /// Whether `take_expired` has something.
    pub fn any_expired(&self) -> bool {
        self.datapath.core.expiries.any()
    }

    /// A termination's and a session's handle, and 0 to 2 for what is over: idle, session, quota; and the next ones.
    pub fn take_expired(&mut self) -> Vec<f64> {
        let told = self.datapath.core.expiries.take();
        told.iter()
            .flat_map(|Told { termination, session, what }| {
                [termination.to_number(), session.to_number(), f64::from(*what as u8)]
            })
            .collect()
    }
}

fn termination_of(number: f64) -> Result<Handle, Refusal> {
    handle(number).ok_or(Refusal::invalid("no such PPP termination"))
}
