//! v3 sessions of several tunnels that have one id: there the tunnel decides, which is known by the socket and the peer.
//!
//! The table of v3 ids says [`SHARED`] for such an id. The sessions are in a second table, under the id and a hash of
//! socket, address and port: finding one takes two steps however many tunnels use the id. The few that fall on one key
//! (link-local peers told apart by their scope, or chance) are chained, oldest first.

use std::collections::BTreeMap;

use crate::abi::Name;
use crate::core::Core;
use crate::header::{Encap, key_v3};
use crate::ingress::Origin;
use crate::receive::Messages;
use crate::session::NONE;
use crate::table::Table;
use crate::tunnel::{Destination, SocketKind, Via};

/// In the place of a session, in the table of v3 ids: several tunnels use the id.
pub const SHARED: u32 = NONE - 1;
/// In [`crate::session::Receiving::next_twin`]: the last of a chain. [`NONE`] there: nobody else has the id.
const LAST: u32 = NONE - 1;

/// The sessions whose id several tunnels use.
#[derive(Default)]
pub struct Twins {
    /// The first of each chain.
    table: Table<u64>,
    /// By id: how many use it, and the exclusive or of their indices, which is the index of the one that is left over.
    users: BTreeMap<u32, (u32, u32)>,
}

impl Twins {
    /// The first session of the chain that a datagram of an id, from a socket and a sender, belongs to; or [`NONE`].
    #[inline]
    pub fn first(&self, key: u32, socket: u32, kind: SocketKind, messages: &Messages, message: usize) -> u32 {
        let sender = Name::hash(messages.name(message), kind.encap() == Encap::Udp);
        self.table.get(key_of(key, socket, sender))
    }
}

#[inline]
fn key_of(key: u32, socket: u32, sender: u64) -> u64 {
    u64::from(whence(socket, sender)) << 32 | u64::from(key)
}

/// A socket and the [`Name::hash`] of a sender in 32 bits: others may have the same.
#[inline]
pub fn whence(socket: u32, sender: u64) -> u32 {
    (sender as u32) ^ socket.wrapping_mul(0x85EB_CA6B)
}

impl Core {
    /// The session of a chain that a datagram belongs to.
    #[inline]
    pub fn find_twin(&self, origin: &Origin, message: usize, first: u32) -> Option<u32> {
        let with_port = origin.kind.encap() == Encap::Udp;
        self.chain(first).find(|at| {
            let Destination { via, name, mark, .. } = &self.tunnels[self.sessions.rx[*at].tunnel].destination;
            *via == Via::Socket(origin.socket.index)
                && origin.messages.is_from(message, name, with_port)
                && origin.mark(message).is_none_or(|told| told == *mark)
        })
    }

    fn chain(&self, first: u32) -> impl Iterator<Item = u32> {
        let known = |at: &u32| *at != NONE && *at != LAST;
        std::iter::successors(Some(first).filter(known), move |at| {
            Some(self.sessions.rx[*at].next_twin).filter(known)
        })
    }

    /// Whether there is a v3 session of an id by way of a socket and peer.
    pub fn has_v3(&self, by: &Destination, session_id: u32) -> bool {
        let first = match self.v3.get(key_v3(session_id)) {
            SHARED => self.twins.table.get(self.twin_key(by, session_id)),
            one => one,
        };
        let marks = by.socket().is_some_and(|socket| self.sockets[socket].marks);
        self.chain(first).any(|at| {
            let other = &self.tunnels[self.sessions.rx[at].tunnel].destination;
            other.via == by.via && other.name == by.name && (!marks || other.mark == by.mark)
        })
    }

    /// Lets a v3 session be found.
    pub fn enter_v3(&mut self, at: u32) {
        let key = key_v3(self.sessions.rare(at).identity.session_id);
        match self.v3.get(key) {
            NONE => self.v3.set(key, at),
            SHARED => self.enter_twin(at),
            other => {
                self.v3.set(key, SHARED);
                self.enter_twin(other);
                self.enter_twin(at);
            }
        }
    }

    /// Lets a v3 session be found no longer.
    pub fn leave_v3(&mut self, at: u32) {
        let key = key_v3(self.sessions.rare(at).identity.session_id);
        if self.v3.get(key) != SHARED {
            return self.v3.remove(key);
        }
        self.leave_twin(at);
        if let Some((1, last)) = self.twins.users.get(&key).copied() {
            self.leave_twin(last);
            self.sessions.rx[last].next_twin = NONE;
            self.v3.set(key, last);
        }
    }

    /// Takes the sessions of a tunnel that is to go elsewhere out of the second table; [`Core::enter_twins`] is next.
    pub fn leave_twins(&mut self, tunnel: u32) -> Vec<u32> {
        let twins: Vec<_> = self.tunnels[tunnel].twins.iter().copied().collect();
        twins.iter().for_each(|at| self.leave_twin(*at));
        twins
    }

    /// Enters sessions again, by where their tunnel goes now: behind those that are there already.
    pub fn enter_twins(&mut self, twins: Vec<u32>) {
        twins.into_iter().for_each(|at| self.enter_twin(at));
        self.epoch += 1;
    }

    fn enter_twin(&mut self, at: u32) {
        let (key, twin) = self.keys(at);
        self.sessions.rx[at].next_twin = LAST;
        match self.chain(self.twins.table.get(twin)).last() {
            Some(last) => self.sessions.rx[last].next_twin = at,
            None => self.twins.table.set(twin, at),
        }
        self.tunnels[self.sessions.rx[at].tunnel].twins.insert(at);
        let (users, indices) = self.twins.users.entry(key).or_default();
        *users += 1;
        *indices ^= at;
    }

    fn leave_twin(&mut self, at: u32) {
        let (key, twin) = self.keys(at);
        let next = self.sessions.rx[at].next_twin;
        let before = self.chain(self.twins.table.get(twin)).take_while(|other| *other != at).last();
        match (before, next) {
            (Some(before), _) => self.sessions.rx[before].next_twin = next,
            (None, LAST) => self.twins.table.remove(twin),
            (None, _) => self.twins.table.set(twin, next),
        }
        self.tunnels[self.sessions.rx[at].tunnel].twins.remove(&at);
        let (users, indices) = self.twins.users.entry(key).or_default();
        *users -= 1;
        *indices ^= at;
        if *users == 0 {
            self.twins.users.remove(&key);
        }
    }

    /// A session's keys in the two tables.
    fn keys(&self, at: u32) -> (u32, u64) {
        let id = self.sessions.rare(at).identity.session_id;
        let tunnel = &self.tunnels[self.sessions.rx[at].tunnel];
        (key_v3(id), self.twin_key(&tunnel.destination, id))
    }

    fn twin_key(&self, by: &Destination, session_id: u32) -> u64 {
        let socket = by.socket().unwrap_or(NONE);
        let encap = by.socket().map_or(Encap::Ip, |socket| self.sockets[socket].kind.encap());
        let sender = Name::hash(by.name.buffer(), encap == Encap::Udp);
        key_of(key_v3(session_id), socket, sender)
    }
}
