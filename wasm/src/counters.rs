//! Every figure that the datapath keeps: per session, per reason for a drop, and of its own work.

macro_rules! named {
    ($(#[$meta:meta])* $enum:ident counted by $counts:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $enum { $($(#[$doc])* $variant,)+ }

        impl $enum {
            /// The names that operators see, in the order of the variants.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The variant of a number, which is its place among the names.
            pub fn from_number(number: u32) -> Option<Self> {
                [$(Self::$variant),+].get(number as usize).copied()
            }
        }

        #[doc = concat!("A count for each [`", stringify!($enum), "`].")]
        pub struct $counts([u64; $enum::NAMES.len()]);

        impl $counts {
            /// All zero.
            pub fn new() -> Self {
                Self([0; $enum::NAMES.len()])
            }

            /// Counts `many`.
            #[inline]
            pub fn add(&mut self, what: $enum, many: u64) {
                self.0[what as usize] += many;
            }

            /// Takes back what turned out not to have happened.
            pub fn take_back(&mut self, what: $enum, many: u64) {
                self.0[what as usize] -= many;
            }

            /// One count.
            pub fn get(&self, what: $enum) -> u64 {
                self.0[what as usize]
            }

            /// All counts, in the order of the names.
            pub fn all(&self) -> &[u64] {
                &self.0
            }
        }

        impl Default for $counts {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}

named! {
    /// Why a datagram or frame went no further. Each one that comes in is forwarded, punted, queued, or counted here once.
    Reason counted by Drops {
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
        /// The session's peer may not send from this MAC or IP address.
        SourceMismatch = "source-mismatch",
        /// The session's rate limit.
        RateLimited = "rate-limited",
        /// No sequence number where one is required.
        Unnumbered = "unnumbered",
        /// A sequence number a little before the expected one: its frame came too late.
        SequenceLate = "sequence-late",
        /// A sequence number that was delivered, or waits in the reorder queue already.
        SequenceDuplicate = "sequence-duplicate",
        /// A sequence number far from those expected, which nothing shows yet to be where the peer's numbering goes on.
        SequenceOutside = "sequence-outside",
        /// Where the default L2-Specific Sublayer should be, bits are set that are none of it: the peer sends without it.
        SublayerMismatch = "sublayer-mismatch",
        /// A PPPoE frame of a session that is no data: another version, type or code (RFC 2516 §4).
        BadPppoe = "bad-pppoe",
        /// A device's frame whose offload header does not fit its own headers.
        BadOffload = "bad-offload",
        /// No whole PPP header, or no whole IP packet of the protocol's family behind it.
        PppMalformed = "ppp-malformed",
        /// An IP packet of a session that has no address of its family (yet).
        PppNotOpen = "ppp-not-open",
        /// A packet from the TUN to an address that no session has.
        PppNoRoute = "ppp-no-route",
        /// An IPv6 packet that never leaves its link, and is neither Neighbor Discovery, an echo, nor DHCPv6.
        LinkScope = "link-scope",
        /// An IP packet larger than the session's MRU that may not be fragmented, or cannot be.
        PacketTooBig = "packet-too-big",
        /// More frames of a session for TypeScript than a session may have.
        PuntBudget = "punt-budget",
        /// The port that it came in at is joined to nothing.
        NoForwarder = "no-forwarder",
        /// A forwarder will not have it, and the port that it came in at has no receiver.
        NoReceiver = "no-receiver",
        /// More came than is held for the port's next forwarder.
        HoldFull = "hold-full",
        /// Its port or socket was removed while it waited.
        PortRemoved = "port-removed",
        /// Control messages came faster than TypeScript took them.
        PuntQueueFull = "punt-queue-full",
        /// Frames for a host port came faster than TypeScript took them, or were injected faster than they left.
        HostQueueFull = "host-queue-full",
        /// Frames for a host port came faster from one source, or of one kind, than TypeScript is to be bothered with.
        PuntLimited = "punt-limited",
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
        /// The socket's buffer is full, and stayed so.
        SocketFull = "socket-full",
        /// The queue of the device that it leaves by is full, or the kernel is short of memory.
        TransmitQueueFull = "transmit-queue-full",
        /// No route to the peer.
        NoRoute = "no-route",
        /// A route that says so: nothing goes there, and nobody is told (`blackhole`).
        RouteBlackhole = "route-blackhole",
        /// A route or rule that says so: it is forbidden (`prohibit`).
        RouteProhibited = "route-prohibited",
        /// The source address is not ours (any more).
        NoSourceAddress = "no-source-address",
        /// The device that it leaves by is down.
        LinkDown = "link-down",
        /// The kernel knows that the peer cannot be reached.
        PeerUnreachable = "peer-unreachable",
        /// A packet filter of this host refused it.
        Filtered = "filtered",
        /// Nothing encrypts what leaves with this mark.
        IpsecMissing = "ipsec-missing",
        /// Longer than the path carries.
        TooLong = "too-long",
        /// The socket is no socket any more.
        SocketGone = "socket-gone",
        /// The kernel refused the message for another reason.
        TransmitFailed = "transmit-failed",
        /// Its VLAN is not one of the port that it came in at, or was to leave by.
        VlanRefused = "vlan-refused",
        /// Its VLAN tags are not those that a port translates, or not the one of a VLAN pseudowire (RFC 4719).
        VlanForeign = "vlan-foreign",
        /// A second VLAN tag would have been lost.
        InnerTag = "vlan-inner-tag",
        /// The switch's port is blocked because of a loop, or down.
        PortBlocked = "port-blocked",
        /// More broadcasts, multicasts or frames to unknown stations than the switch's port may send.
        StormLimited = "storm-limited",
        /// To a reserved group address (01:80:C2:00:00:00 to 0F), which switches do not pass on.
        ReservedAddress = "reserved-address",
        /// Between two ports of one split-horizon group.
        SplitHorizon = "split-horizon",
        /// Between two protected ports.
        ProtectedPort = "protected-port",
        /// Its station is at the port that it came from.
        SamePort = "same-port",
        /// No other port of the switch has its VLAN.
        NoSwitchPort = "no-switch-port",
        /// Through more patch ports than there can be without a loop of them.
        PatchLoop = "patch-loop",
    }
}

named! {
    /// What is counted at a port of a switch. Super-frames count as the frames that they are on a wire; what was refused
    /// is counted as received, and not as sent.
    SwitchCount counted by SwitchCounts {
        /// Frames that came in.
        RxFrames = "rx-frames",
        /// Bytes that came in.
        RxBytes = "rx-bytes",
        /// Frames that left.
        TxFrames = "tx-frames",
        /// Bytes that left.
        TxBytes = "tx-bytes",
        /// Not of a VLAN of this port.
        RxVlan = "rx-vlan-refused",
        /// With other tags than this port translates.
        RxForeign = "rx-vlan-foreign",
        /// With a second tag behind one of VLAN 0, which an access port would have to delete; or with too many tags.
        RxInnerTag = "rx-inner-tag",
        /// While the port was blocked.
        RxBlocked = "rx-blocked",
        /// To a reserved group address.
        RxReserved = "rx-reserved-address",
        /// Beyond the limit for broadcasts.
        RxBroadcast = "rx-storm-broadcast",
        /// Beyond the limit for unknown stations.
        RxUnknown = "rx-storm-unknown-unicast",
        /// Beyond the limit for multicasts.
        RxMulticast = "rx-storm-multicast",
        /// To a station at this very port.
        RxSamePort = "rx-same-port",
        /// Through too many patch ports.
        RxPatchLoop = "rx-patch-loop",
        /// For nobody else of its VLAN.
        RxNobody = "rx-no-port",
        /// To a station whose port does not have the VLAN.
        TxVlan = "tx-vlan-refused",
        /// With other tags than this port translates.
        TxForeign = "tx-vlan-foreign",
        /// With a second tag that would have been lost here.
        TxInnerTag = "tx-inner-tag",
        /// While the port was blocked.
        TxBlocked = "tx-blocked",
        /// From a port of the same split-horizon group.
        TxSplitHorizon = "tx-split-horizon",
        /// From one protected port to another.
        TxProtected = "tx-protected",
        /// Forwarded, and longer than the switch's MTU.
        OverMtu = "over-mtu",
        /// Forwarded without an inner tag, because there are no more than `vlan-limit`.
        TagsDeleted = "tags-deleted",
        /// Forwarded, and their sender not learnt: there was no room.
        NotLearnt = "not-learnt",
        /// Stations learnt.
        Learnt = "learnt",
        /// Stations that came here from another port.
        Moved = "moved",
        /// How often the port was blocked.
        Blocked = "blocked",
    }
}

impl SwitchCount {
    /// The reason that the whole datapath counts such a frame under.
    pub fn reason(self) -> Reason {
        match self {
            Self::RxForeign | Self::TxForeign => Reason::VlanForeign,
            Self::RxInnerTag | Self::TxInnerTag => Reason::InnerTag,
            Self::RxBlocked | Self::TxBlocked => Reason::PortBlocked,
            Self::RxReserved => Reason::ReservedAddress,
            Self::RxBroadcast | Self::RxUnknown | Self::RxMulticast => Reason::StormLimited,
            Self::RxSamePort => Reason::SamePort,
            Self::RxPatchLoop => Reason::PatchLoop,
            Self::RxNobody => Reason::NoSwitchPort,
            Self::TxSplitHorizon => Reason::SplitHorizon,
            Self::TxProtected => Reason::ProtectedPort,
            _ => Reason::VlanRefused,
        }
    }
}

named! {
    /// What the datapath did as a whole.
    Io counted by Work {
        /// Batches of datagrams or frames handed in.
        RxBatches = "rx-batches",
        /// L2TP datagrams received, those inside GRO super-datagrams counted singly.
        RxDatagrams = "rx-datagrams",
        /// Super-datagrams that UDP_GRO made.
        RxGroDatagrams = "rx-gro-datagrams",
        /// Frames read from devices, those inside super-frames counted singly.
        RxFrames = "rx-frames",
        /// Super-frames among what was read from devices.
        RxSuperFrames = "rx-super-frames",
        /// PPPoE data frames of no session that there is; they go where the port's other frames go.
        PppoeUnknown = "pppoe-unknown",
        /// Frames injected by TypeScript.
        Injected = "injected",
        /// Messages sent.
        TxMessages = "tx-messages",
        /// L2TP datagrams in them: more than messages where UDP_SEGMENT grouped some.
        TxSegments = "tx-segments",
        /// Frames written to devices, those inside super-frames counted singly.
        TxFrames = "tx-frames",
        /// Super-frames written to devices.
        TxSuperFrames = "tx-super-frames",
        /// Datagrams longer than the path carries whole: the kernel fragments them, or refuses them (`too-long`).
        TxOversize = "tx-oversize",
        /// Control messages sent.
        TxControl = "tx-control",
        /// Groups that the kernel refused and whose datagrams were sent singly.
        TxSplit = "tx-split",
        /// Copies made of frames that left by several ports, beyond the first.
        Copies = "copies",
        /// Fragments that IP packets became, and segments that TCP super-frames became more for a small MRU, beyond the first.
        Fragments = "fragments",
        /// ICMP errors sent because of packets too big.
        IcmpErrors = "icmp-errors",
        /// Control messages handed to TypeScript.
        PuntedControl = "punted-control",
        /// Frames handed to TypeScript.
        PuntedFrames = "punted-frames",
    }
}

/// How many counters a session has; `sessionCounters` in `mod.ts` names them in the order of [`Counters`].
pub const SESSION_COUNTERS: usize = 10;

/// A session's or a tunnel's counters, in the order of `sessionCounters` in `mod.ts`.
pub type Counters = [u64; SESSION_COUNTERS];

/// Where in [`Counters`] what stands.
pub mod at {
    #![expect(missing_docs, reason = "the names are those of `sessionCounters`")]
    pub const TX_PACKETS: usize = 0;
    pub const TX_BYTES: usize = 1;
    pub const TX_ERRORS: usize = 2;
    pub const RX_PACKETS: usize = 3;
    pub const RX_BYTES: usize = 4;
    pub const RX_ERRORS: usize = 5;
    pub const SEQ_DISCARDS: usize = 6;
    pub const OOS_PACKETS: usize = 7;
    pub const COOKIE_DISCARDS: usize = 8;
    pub const INVALID: usize = 9;
}
