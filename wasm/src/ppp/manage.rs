//! What TypeScript asks for: terminations made and removed, sessions joined, changed and parted.

use crate::core::Core;
use crate::manage::Refusal;
use crate::port::{Forwarder, FrameType, Port};
use crate::ppp::{Expired, FAMILY_COUNTERS, Link, Member, Prefix, Termination};
use crate::session::NONE;
use crate::slab::Handle;

/// Every link must carry so much unfragmented (RFC 791 §3.2).
const LEAST_MRU: u16 = 68;

/// A member as asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberRequest {
    /// Its addresses and networks; link-local ones are no routes, but name the peer's interface identifier.
    pub prefixes: Vec<Prefix>,
    /// 0: any.
    pub interface_id: u64,
    /// The largest IP packet that it is sent.
    pub mru: u16,
    /// What stands before packets that it is sent.
    pub link: Link,
    /// Whether sources are looked at.
    pub source_check: bool,
    /// Whether TCP is told of no larger segments than the MRU takes.
    pub clamp: bool,
    /// DSCP and two bits 0.
    pub tos: Option<u8>,
    /// Milliseconds; 0: none.
    pub idle: u32,
    /// Milliseconds; 0: none.
    pub lasts: u32,
    /// Octets; 0: none.
    pub quota: u64,
}

impl Core {
    /// Makes a termination of a TUN that is joined to nothing.
    pub fn add_termination(&mut self, tun: Handle) -> Result<Handle, Refusal> {
        let Some(Port::Device(device)) = self.port(tun) else { return Err(Refusal::no_such_port()) };
        if self.devices[device].frame_type != FrameType::Ip {
            return Err(Refusal::invalid("a PPP termination needs a port of IP packets"));
        }
        self.check_free(Port::Device(device))?;
        let termination = Termination { tun: device, ..Termination::default() };
        let at = self.terminations.insert(termination).ok_or(Refusal::limit("too many PPP terminations"))?;
        self.give(Port::Device(device), Forwarder::Ppp(at));
        Ok(self.terminations.handle(at))
    }

    /// Removes a termination; its TUN and its members are joined to nothing afterwards.
    pub fn remove_termination(&mut self, termination: Handle) -> Result<(), Refusal> {
        let at = self.termination(termination)?;
        let members: Vec<_> = self.sessions.indices().filter(|session| self.is_in(*session, at)).collect();
        members.into_iter().for_each(|session| self.part(Port::Session(session)));
        if self.terminations[at].tun != NONE {
            self.part(Port::Device(self.terminations[at].tun));
        }
        self.terminations.remove(at);
        Ok(())
    }

    fn termination(&self, handle: Handle) -> Result<u32, Refusal> {
        self.terminations.find(handle).ok_or(Refusal::invalid("no such PPP termination"))
    }

    fn is_in(&self, session: u32, termination: u32) -> bool {
        self.sessions.rx[session].forwarder == Forwarder::Ppp(termination)
    }

    /// Makes a free PPP session a member; what was held for it goes on first.
    pub fn join_termination(
        &mut self,
        termination: Handle,
        port: Handle,
        request: &MemberRequest,
    ) -> Result<(), Refusal> {
        let at = self.termination(termination)?;
        let Some(Port::Session(session)) = self.port(port) else { return Err(Refusal::no_such_port()) };
        if self.sessions.rx[session].frame_type != FrameType::Ppp {
            return Err(Refusal::invalid("a member of a PPP termination has PPP frames"));
        }
        self.check_free(Port::Session(session))?;
        self.check_member(at, session, request)?;
        let now = (self.now / 1000) as u32;
        let member = self.members.make(session);
        *member = Member {
            joined: now,
            active: now,
            stamp: member.stamp,
            families: member.families,
            ..Member::default()
        };
        self.terminations[at].members += 1;
        self.configure_member(at, session, request);
        self.give(Port::Session(session), Forwarder::Ppp(at));
        Ok(())
    }

    /// Changes a member in place: the whole of what it was joined with.
    pub fn change_member(&mut self, port: Handle, request: &MemberRequest) -> Result<(), Refusal> {
        let Some(Port::Session(session)) = self.port(port) else { return Err(Refusal::no_such_port()) };
        let Forwarder::Ppp(at) = self.sessions.rx[session].forwarder else {
            return Err(Refusal::invalid("the session is in no PPP termination"));
        };
        self.check_member(at, session, request)?;
        self.configure_member(at, session, request);
        Ok(())
    }

    fn check_member(&self, at: u32, session: u32, request: &MemberRequest) -> Result<(), Refusal> {
        if request.mru < LEAST_MRU {
            return Err(Refusal::invalid("an MRU has at least 68 octets"));
        }
        if request.prefixes.iter().any(|prefix| prefix.host4() == Some(0)) {
            return Err(Refusal::invalid("0.0.0.0 is nobody's address"));
        }
        let routes = &self.terminations[at].routes;
        let mut owners = request.prefixes.iter().map(|prefix| routes.owner(*prefix));
        if owners.any(|owner| owner != NONE && owner != session) {
            return Err(Refusal::new("address-in-use", "another session has that address or prefix"));
        }
        let mut before = request.prefixes.iter().enumerate();
        if before.any(|(at, prefix)| request.prefixes[..at].contains(prefix)) {
            return Err(Refusal::invalid("an address or prefix is named twice"));
        }
        Ok(())
    }

    fn configure_member(&mut self, at: u32, session: u32, request: &MemberRequest) {
        let Some(member) = self.members.get_mut(session) else { return };
        let routes = &mut self.terminations[at].routes;
        member.leave(routes);
        member.v4 = request.prefixes.iter().find_map(Prefix::host4).unwrap_or(0);
        if member.v4 != 0 {
            routes.add_host(member.v4, session);
        }
        for prefix in
            request.prefixes.iter().filter(|prefix| prefix.host4().is_none_or(|one| one != member.v4))
        {
            routes.add(*prefix, session, &mut member.routes);
        }
        let has = |v6| request.prefixes.iter().any(|prefix| prefix.is_v6() == v6);
        member.open = [has(false), has(true) || request.interface_id != 0];
        let changed =
            [member.idle != request.idle, member.lasts != request.lasts, member.quota != request.quota];
        for what in [Expired::Idle, Expired::Session, Expired::Quota] {
            member.told[what as usize] &= !changed[what as usize];
        }
        member.interface_id = request.interface_id;
        member.mru = request.mru;
        member.link = request.link;
        member.source_check = request.source_check;
        member.clamp = request.clamp;
        member.tos = request.tos;
        member.idle = request.idle;
        member.lasts = request.lasts;
        member.quota = request.quota;
        self.sessions.set_member(session, true);
        self.plan_expiry(session);
    }

    /// A port leaves: a member, or the TUN.
    pub(crate) fn part_from_termination(&mut self, at: u32, port: Port) {
        let termination = &mut self.terminations[at];
        let Port::Session(session) = port else {
            termination.tun = NONE;
            return;
        };
        if let Some(member) = self.members.get_mut(session) {
            member.leave(&mut termination.routes);
            termination.members -= 1;
            let (families, stamp) = (member.families, member.stamp.wrapping_add(1));
            *member = Member { families, stamp, ..Member::default() };
        }
        self.sessions.set_member(session, false);
    }

    /// The counters of a session's packets by family, all of one instant; they outlive its membership. `None`: there is no
    /// such session, or there are none.
    pub fn family_counters(&self, port: Handle) -> Option<[u64; FAMILY_COUNTERS]> {
        let session = self.sessions.find(port)?;
        self.members.get(session).map(Member::counters)
    }
}
