//! Frames that come before their session: a LAC may answer an OCRQ and send at once (RFC 2661 §7.4, RFC 3931 §7.4), before
//! it is known here what the session is like. Of ids that are expected they are kept, until the session is there.

use std::collections::{BTreeMap, VecDeque};

use crate::core::Core;
use crate::counters::Reason;
use crate::frame::{About, Frame, HELD, Place};
use crate::header::{self, Data, Version, key_v3};
use crate::ingress::Origin;
use crate::manage::Refusal;
use crate::port::Port;
use crate::reorder::Held;
use crate::slab::Handle;
use crate::window::Entry;

/// Ids that may be expected at once: the oldest is forgotten for a new one.
const MAX_EXPECTED: usize = 4096;
/// Datagrams that are kept for one, and bytes for all.
const MAX_KEPT: usize = 16;
const MAX_BYTES: usize = 1 << 20;
/// Frames that a session which was expected may hold until it is joined.
pub const MAX_HELD: u32 = 64;

/// A session that is expected, and what came for it.
struct Expected {
    tunnel: Handle,
    kept: Vec<(Data, Box<[u8]>)>,
}

/// All that are expected, by version and key.
#[derive(Default)]
pub struct Early {
    expected: BTreeMap<(bool, u32), Expected>,
    order: VecDeque<(bool, u32)>,
    bytes: usize,
}

impl Early {
    /// How many datagrams wait for their session.
    pub fn waiting(&self) -> usize {
        self.expected.values().map(|expected| expected.kept.len()).sum()
    }

    fn take(&mut self, id: (bool, u32)) -> Option<Expected> {
        let expected = self.expected.remove(&id)?;
        self.order.retain(|other| *other != id);
        self.bytes -= expected.kept.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        Some(expected)
    }
}

impl Core {
    fn id_of(&self, tunnel: u32, session_id: u32) -> (bool, u32) {
        match self.tunnels[tunnel].shape.version {
            Version::V2 => (false, self.v2_key(tunnel, session_id)),
            Version::V3 => (true, key_v3(session_id)),
        }
    }

    /// A session of this id will be added to a tunnel: what its peer sends meanwhile is kept.
    pub fn expect_session(&mut self, tunnel: Handle, session_id: u32) -> Result<(), Refusal> {
        let at = self.tunnels.find(tunnel).ok_or(Refusal::no_such_tunnel())?;
        let id = self.id_of(at, session_id);
        if self.early.order.len() == MAX_EXPECTED
            && let Some(oldest) = self.early.order.front().copied()
        {
            self.forget_expected(oldest);
        }
        if !self.early.expected.contains_key(&id) {
            self.early.order.push_back(id);
            self.early.expected.insert(id, Expected { tunnel, kept: Vec::new() });
        }
        Ok(())
    }

    /// None of this id will be added; what was kept for it is dropped.
    pub fn unexpect_session(&mut self, tunnel: Handle, session_id: u32) -> Result<(), Refusal> {
        let at = self.tunnels.find(tunnel).ok_or(Refusal::no_such_tunnel())?;
        self.forget_expected(self.id_of(at, session_id));
        Ok(())
    }

    fn forget_expected(&mut self, id: (bool, u32)) {
        if let Some(expected) = self.early.take(id) {
            self.drop_frames(Reason::UnknownSession, expected.kept.len() as u32);
        }
    }

    /// Keeps a datagram of a session that is expected, and that its tunnel's peer sent; false: none is.
    #[cold]
    pub fn keep_early(&mut self, origin: &Origin, entry: &Entry, data: &Data, slot: &[u8]) -> bool {
        let id = (data.version == Version::V3, data.key);
        let Some(expected) = self.early.expected.get_mut(&id) else { return false };
        let Some(at) = self.tunnels.find(expected.tunnel) else { return false };
        let message = entry.message as usize;
        let is_from = |name: &_, with_port| origin.messages.is_from(message, name, with_port);
        if !self.tunnels[at].accepts(origin.kind.encap(), origin.mark(message), is_from) {
            self.drop_frame(Reason::WrongSource);
            return true;
        }
        let bytes = &slot[entry.place.start..entry.place.end];
        if expected.kept.len() == MAX_KEPT || self.early.bytes + bytes.len() > MAX_BYTES {
            self.drop_frame(Reason::HoldFull);
        } else {
            self.early.bytes += bytes.len();
            expected.kept.push((*data, bytes.into()));
        }
        true
    }

    /// A session was added: where it was expected, its port holds what came for it, and what comes, until it is joined.
    pub fn take_early(&mut self, session: u32, tunnel: u32, session_id: u32) {
        let Some(Expected { kept, .. }) = self.early.take(self.id_of(tunnel, session_id)) else { return };
        self.hold_at_first(Port::Session(session), MAX_HELD);
        for (data, bytes) in kept {
            let rx = &self.sessions.rx[session];
            let stripped = match data.version {
                Version::V2 => header::strip_v2(&bytes, &data),
                Version::V3 => header::strip_v3(&bytes, &data, &rx.cookie, rx.l2spec),
            };
            let frame_type = rx.frame_type;
            match stripped {
                Ok(stripped) if stripped.end - stripped.start < frame_type.shortest() => {
                    self.refuse(session, Reason::Runt);
                }
                Ok(stripped) => {
                    let mut held = Held::copy(&[&bytes[stripped.start..stripped.end]]);
                    let place = Place { floor: 0, start: held.start, end: held.buffer.len() };
                    let about = About::plain(Port::Session(session), frame_type, self.now, HELD);
                    let frame = Frame { buffer: &mut held.buffer, place, about };
                    self.sequence(session, stripped.ns, self.now, frame);
                }
                Err(reason) => self.refuse(session, reason),
            }
        }
    }
}
