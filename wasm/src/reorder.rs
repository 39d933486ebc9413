//! A session's reorder queue: frames that came early, in the order of their numbers.

use std::collections::VecDeque;

use crate::frame::{About, Frame, HELD, Place};
use crate::port::{FrameType, Port};

/// A copied frame, with room before it for a header.
pub struct Held {
    /// Headroom and frame.
    pub buffer: Box<[u8]>,
    /// Where the frame starts.
    pub start: usize,
}

impl Held {
    /// Room for the longest header.
    pub const HEADROOM: usize = 32;

    /// A copy of a frame that lies in `parts`.
    pub fn copy(parts: &[&[u8]]) -> Self {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let mut buffer = Vec::with_capacity(Self::HEADROOM + len);
        buffer.extend_from_slice(&[0; Self::HEADROOM]);
        parts.iter().for_each(|part| buffer.extend_from_slice(part));
        Self { buffer: buffer.into(), start: Self::HEADROOM }
    }

    /// The frame again, which came in at a port.
    pub fn frame(&mut self, ingress: Port, frame_type: FrameType, now: u64) -> Frame<'_> {
        let place = Place { floor: 0, start: self.start, end: self.buffer.len() };
        Frame { buffer: &mut self.buffer, place, about: About::plain(ingress, frame_type, now, HELD) }
    }

    /// The frame's bytes.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// What it costs of a budget in bytes.
    pub fn cost(&self) -> usize {
        self.buffer.len()
    }
}

struct Waiting {
    ns: u32,
    since: u64,
    frame: Held,
}

/// Frames that wait for those before them.
#[derive(Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    /// The deadline that stands in the agenda for this queue.
    pub due: Option<u64>,
}

impl Queue {
    /// How many frames wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether `ns` would be a duplicate (`Err`), and where it belongs.
    pub fn place(&self, ns: u32, expected: u32, max: u32) -> Result<usize, usize> {
        let distance = |ns: u32| ns.wrapping_sub(expected) & max;
        // Most frames belong at the end.
        match self.waiting.back() {
            Some(last) if distance(last.ns) >= distance(ns) => {
                match self.waiting.binary_search_by_key(&distance(ns), |waiting| distance(waiting.ns)) {
                    Ok(at) => Err(at),
                    Err(at) => Ok(at),
                }
            }
            _ => Ok(self.waiting.len()),
        }
    }

    /// Queues a frame at its [`Queue::place`].
    pub fn insert(&mut self, at: usize, ns: u32, since: u64, frame: Held) {
        self.waiting.insert(at, Waiting { ns, since, frame });
    }

    /// The number of the first frame that waits.
    pub fn first(&self) -> Option<u32> {
        self.waiting.front().map(|first| first.ns)
    }

    /// The number of the last frame that waits.
    pub fn last(&self) -> Option<u32> {
        self.waiting.back().map(|last| last.ns)
    }

    /// Takes the first frame if it has the number `expected`.
    pub fn take(&mut self, expected: u32) -> Option<Held> {
        self.waiting.pop_front_if(|first| first.ns == expected).map(|first| first.frame)
    }

    /// All frames that wait.
    pub fn into_frames(self) -> impl Iterator<Item = Held> {
        self.waiting.into_iter().map(|waiting| waiting.frame)
    }

    /// When the frame that waits longest came.
    pub fn oldest(&self) -> Option<u64> {
        self.waiting.iter().map(|waiting| waiting.since).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_leave_in_the_order_of_their_numbers(numbers in prop::collection::vec(1u32..300, 0..200), expected in 0u32..=0xffff) {
            let mut queue = Queue::default();
            let mut model = std::collections::BTreeSet::new();
            for distance in numbers {
                let ns = (expected + distance) & 0xffff;
                match queue.place(ns, expected, 0xffff) {
                    Ok(at) => {
                        prop_assert!(model.insert(distance));
                        queue.insert(at, ns, 0, Held::copy(&[&ns.to_be_bytes()]));
                    }
                    Err(_) => prop_assert!(model.contains(&distance)),
                }
            }
            for distance in model {
                let ns = (expected + distance) & 0xffff;
                prop_assert_eq!(queue.first(), Some(ns));
                prop_assert!(queue.take(ns + 1).is_none());
                let held = queue.take(ns).unwrap();
                prop_assert_eq!(&held.buffer[held.start..], &ns.to_be_bytes());
            }
            prop_assert!(queue.is_empty());
        }
    }
}
