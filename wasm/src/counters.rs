//! Every figure that the datapath keeps: per session, per reason for a drop, and of its own work.

use std::marker::PhantomData;

/// An enum whose variants are counters, each with the name that operators see.
pub trait Named: Copy + 'static {
    /// The names, in the order of the variants.
    const NAMES: &'static [&'static str];
    /// The variant's place in [`Named::NAMES`].
    fn index(self) -> usize;
}

macro_rules! named {
    ($(#[$meta:meta])* $enum:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $enum { $($(#[$doc])* $variant,)+ }
        impl Named for $enum {
            const NAMES: &'static [&'static str] = &[$($name),+];
            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

named! {
    /// Why a datagram or frame went no further. Each one that comes in is forwarded, punted, queued, or counted here once.
    Reason {
        /// Too short to say what it is.
        ShortHeader = "short-header",
        /// Neither L2TPv2 nor L2TPv3.
        BadVersion = "bad-version",
        /// A control message over IP without the T bit or too short for its header (RFC 3931 §4.1.1.2).
        BadControl = "bad-control",
        /// A v2 tunnel id that is not ours.
        UnknownTunnel = "unknown-tunnel",
        /// A session id that is not ours.
        UnknownSession = "unknown-session",
        /// Not from the tunnel's peer, or in another encapsulation.
        WrongSource = "wrong-source",
        /// Another cookie than the session's (RFC 3931 §4.1).
        CookieMismatch = "cookie-mismatch",
        /// The kernel had to cut the datagram, or it ends before its own header or Length says so.
        Truncated = "truncated",
        /// Too short to be a frame of the session's type.
        Runt = "runt-frame",
        /// No sequence number where one is required.
        Unnumbered = "unnumbered",
        /// A sequence number from before the window, or one that was already delivered.
        SequenceLate = "sequence-late",
        /// A sequence number that waits in the reorder queue already.
        SequenceDuplicate = "sequence-duplicate",
        /// The reorder queues hold all the bytes that they may.
        ReorderQueueFull = "reorder-queue-full",
        /// The port that it came in at is joined to nothing.
        NoForwarder = "no-forwarder",
        /// Its port or socket was removed while it waited.
        PortRemoved = "port-removed",
        /// Control messages came faster than TypeScript took them.
        PuntQueueFull = "punt-queue-full",
        /// Frames for a host port came faster than TypeScript took them, or were injected faster than they left.
        HostQueueFull = "host-queue-full",
        /// Control messages were sent faster than they left.
        ControlQueueFull = "control-queue-full",
        /// The device is down.
        DeviceDown = "device-down",
        /// The device no longer exists.
        DeviceGone = "device-gone",
        /// The device's queue is full.
        DeviceFull = "device-full",
        /// The device refused the frame.
        DeviceRefused = "device-refused",
        /// The socket's buffer is full.
        SocketFull = "socket-full",
        /// No route to the peer, or the kernel said that the peer is not there.
        PeerUnreachable = "peer-unreachable",
        /// Longer than the path carries.
        TooLong = "too-long",
        /// The kernel refused the message for another reason.
        TransmitFailed = "transmit-failed",
    }
}

named! {
    /// What the datapath did as a whole.
    Io {
        /// Batches of datagrams or frames handed in.
        RxBatches = "rx-batches",
        /// L2TP datagrams received, those inside GRO super-datagrams counted singly.
        RxDatagrams = "rx-datagrams",
        /// Super-datagrams that UDP_GRO made.
        RxGroDatagrams = "rx-gro-datagrams",
        /// Frames read from devices.
        RxFrames = "rx-frames",
        /// Frames injected by TypeScript.
        Injected = "injected",
        /// Messages sent.
        TxMessages = "tx-messages",
        /// L2TP datagrams in them: more than messages where UDP_SEGMENT grouped some.
        TxSegments = "tx-segments",
        /// Frames written to devices.
        TxFrames = "tx-frames",
        /// Control messages sent.
        TxControl = "tx-control",
        /// Groups that the kernel refused and that were sent again one by one.
        TxRegrouped = "tx-regrouped",
        /// Control messages handed to TypeScript.
        PuntedControl = "punted-control",
        /// Frames handed to TypeScript.
        PuntedFrames = "punted-frames",
    }
}

/// One count for each variant of `T`.
pub struct Tally<T> {
    counts: Vec<u64>,
    of: PhantomData<T>,
}

impl<T: Named> Tally<T> {
    /// All zero.
    pub fn new() -> Self {
        Self { counts: vec![0; T::NAMES.len()], of: PhantomData }
    }

    /// Counts one.
    pub fn one(&mut self, what: T) {
        self.add(what, 1);
    }

    /// Counts `many`.
    pub fn add(&mut self, what: T, many: u64) {
        self.counts[what.index()] += many;
    }

    /// Takes back what turned out not to have happened.
    pub fn take_back(&mut self, what: T, many: u64) {
        self.counts[what.index()] -= many;
    }

    /// The count of `what`.
    pub fn get(&self, what: T) -> u64 {
        self.counts[what.index()]
    }

    /// All counts, in the order of [`Named::NAMES`].
    pub fn all(&self) -> &[u64] {
        &self.counts
    }
}

impl<T: Named> Default for Tally<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// How many counters a session has; `sessionCounters` in `mod.ts` names them in the order of [`Counters`].
pub const SESSION_COUNTERS: usize = 10;

/// A session's or a tunnel's counters, in the order of `sessionCounters` in `mod.ts`.
pub type Counters = [u64; SESSION_COUNTERS];
