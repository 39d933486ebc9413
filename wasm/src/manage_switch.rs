//! What TypeScript asks for of switches, and of what ports do with tags.

use crate::core::Core;
use crate::manage::Refusal;
use crate::port::{Forwarder, FrameType, Port};
use crate::slab::Handle;
use crate::switch::{MemberOptions, SwitchOptions};
use crate::vlan::Translation;

impl Refusal {
    /// The switch's handle is stale or of another kind.
    pub const fn no_such_switch() -> Self {
        Self::new("no-such-switch", "no such switch")
    }
}

impl Core {
    /// Makes a switch without ports.
    pub fn add_switch(&mut self, options: SwitchOptions) -> Result<Handle, Refusal> {
        self.switches.add(options).ok_or(Refusal::limit("too many switches"))
    }

    /// Changes a switch in place.
    pub fn change_switch(&mut self, switch: Handle, options: SwitchOptions) -> Result<(), Refusal> {
        let at = self.find_switch(switch)?;
        self.switches.change(at, options, self.now);
        Ok(())
    }

    /// Removes a switch; its ports are joined to nothing then.
    pub fn remove_switch(&mut self, switch: Handle) -> Result<(), Refusal> {
        let at = self.find_switch(switch)?;
        for port in self.switches.ports(at).collect::<Vec<_>>() {
            self.part(port);
        }
        self.switches.remove(at);
        Ok(())
    }

    /// The switch that a handle stands for.
    pub fn find_switch(&self, switch: Handle) -> Result<u32, Refusal> {
        self.switches.find(switch).ok_or(Refusal::no_such_switch())
    }

    /// Makes a port a member of a switch. What it was joined to before, it leaves.
    pub fn join_switch(
        &mut self,
        switch: Handle,
        port: Handle,
        options: MemberOptions,
    ) -> Result<(), Refusal> {
        let switch = self.find_switch(switch)?;
        let port = self.port(port).ok_or(Refusal::no_such_port())?;
        if self.frame_type(port) != FrameType::Ethernet {
            return Err(Refusal::new("frame-type-mismatch", "a switch's ports carry Ethernet frames"));
        }
        if matches!(port, Port::Host(at) if self.hosts[at].of.is_some()) {
            return Err(Refusal::new("port-joined", "a port's receiver joins nothing else"));
        }
        self.part(port);
        let member = self.switches.join(switch, port, options).ok_or(Refusal::limit("too many ports"))?;
        self.give(port, Forwarder::Switch(member));
        Ok(())
    }

    /// Changes a member in place.
    pub fn change_switch_port(&mut self, port: Handle, options: MemberOptions) -> Result<(), Refusal> {
        let at = self.member(port)?;
        self.switches.change_member(at, options);
        Ok(())
    }

    /// A port as the member of its switch.
    pub fn member(&self, port: Handle) -> Result<u32, Refusal> {
        let port = self.port(port).ok_or(Refusal::no_such_port())?;
        match self.forwarder(port) {
            Forwarder::Switch(at) => Ok(at),
            _ => Err(Refusal::new("no-such-port", "the port is in no switch")),
        }
    }

    /// Makes a pair of ports: what leaves by one comes in at the other. They can be joined to switches.
    pub fn add_patch(&mut self) -> Result<[Handle; 2], Refusal> {
        let ends = self.switches.add_patch().ok_or(Refusal::limit("too many patches"))?;
        Ok(ends.map(|at| self.switches.patches.handle(at)))
    }

    /// Says what a port does with tags, whatever it is joined to.
    pub fn translate(&mut self, port: Handle, translation: Translation) -> Result<(), Refusal> {
        let port = self.port(port).ok_or(Refusal::no_such_port())?;
        if self.frame_type(port) != FrameType::Ethernet {
            return Err(Refusal::new("frame-type-mismatch", "only Ethernet frames have VLAN tags"));
        }
        let forwarder = self.forwarder(port);
        let other = match forwarder {
            Forwarder::CrossConnect(other) if forwarder != self.rest(port) => Some(other),
            Forwarder::Wire(at) => self.switches.far_end(at, port),
            _ => None,
        };
        self.switches.set_translation(port, forwarder, translation);
        match other {
            Some(other) => {
                self.part(port);
                self.connect(port, other)
            }
            None => Ok(()),
        }
    }

    /// Joins two free ports.
    pub fn connect(&mut self, a: Port, b: Port) -> Result<(), Refusal> {
        if matches!(a, Port::Patch(_)) || matches!(b, Port::Patch(_)) {
            return Err(Refusal::invalid("a patch port joins switches only"));
        }
        let (mut to_b, mut to_a) = (Forwarder::CrossConnect(b), Forwarder::CrossConnect(a));
        if self.switches.translates(a) || self.switches.translates(b) {
            let wire = self.switches.add_wire(a, b).ok_or(Refusal::limit("too many ports"))?;
            (to_a, to_b) = (Forwarder::Wire(wire), Forwarder::Wire(wire));
        }
        self.give(a, to_b);
        self.give(b, to_a);
        Ok(())
    }
}
