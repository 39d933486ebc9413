//! VLAN tags (IEEE 802.1Q §9.6), and what a switch's port makes of them, in Open vSwitch's words.

use crate::counters::SwitchCount;

/// The TPID of a customer tag.
pub const C_TAG: u16 = 0x8100;
/// The TPID of a service tag.
pub const S_TAG: u16 = 0x88a8;
/// Bytes of the two addresses that stand before the tags.
pub const MACS: usize = 12;
/// Bytes of a tag.
pub const TAG: usize = 4;
/// Tags that are read from a frame; more are its payload.
const READ: usize = 4;
/// Tags that a frame may leave with.
pub const MOST: usize = 6;

const PCP: u16 = 0xe000;
const VID: u16 = 0x0fff;

/// One tag.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tag {
    /// What says that it is one.
    pub tpid: u16,
    /// Priority (3 bits), drop eligibility (1), VLAN id (12).
    pub tci: u16,
}

impl Tag {
    /// Its VLAN id.
    #[inline]
    pub fn vid(self) -> u16 {
        self.tci & VID
    }

    /// The same tag of another VLAN.
    #[inline]
    pub fn with_vid(self, vid: u16) -> Self {
        Self { tci: self.tci & !VID | vid & VID, ..self }
    }

    fn bytes(self) -> [u8; TAG] {
        let ([a, b], [c, d]) = (self.tpid.to_be_bytes(), self.tci.to_be_bytes());
        [a, b, c, d]
    }
}

/// The tags that a frame shall have, outermost first, instead of those that it came with.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tags {
    tags: [Tag; MOST],
    len: u8,
    /// How many of them the frame has in its bytes.
    read: u8,
    edited: bool,
}

impl Tags {
    /// Those of an Ethernet frame.
    #[inline]
    pub fn of(frame: &[u8]) -> Self {
        let mut tags = Self::default();
        for bytes in frame[MACS..].as_chunks::<TAG>().0.iter().take(READ) {
            let [a, b, c, d] = *bytes;
            let tag = Tag { tpid: u16::from_be_bytes([a, b]), tci: u16::from_be_bytes([c, d]) };
            if !matches!(tag.tpid, C_TAG | S_TAG) {
                break;
            }
            tags.tags[usize::from(tags.len)] = tag;
            tags.len += 1;
        }
        tags.read = tags.len;
        tags
    }

    /// What they are.
    #[inline]
    pub fn as_slice(&self) -> &[Tag] {
        &self.tags[..usize::from(self.len)]
    }

    /// The outermost; a frame without one is of VLAN 0.
    #[inline]
    pub fn outer(&self) -> Tag {
        self.tags[0]
    }

    /// The VLAN of the outermost; 0 without one.
    #[inline]
    pub fn vid(&self) -> u16 {
        self.tags[0].vid()
    }

    /// The VLAN of the one behind it; 0 without one.
    #[inline]
    pub fn inner_vid(&self) -> u16 {
        self.tags[1].vid()
    }

    /// Whether they differ from those in the frame's bytes.
    #[inline]
    pub fn edited(&self) -> bool {
        self.edited
    }

    /// Bytes of the addresses and tags as they stand in the frame.
    #[inline]
    pub fn old_len(&self) -> usize {
        MACS + TAG * usize::from(self.read)
    }

    /// Bytes of the addresses and tags as they shall be.
    #[inline]
    pub fn new_len(&self) -> usize {
        MACS + TAG * usize::from(self.len)
    }

    /// The frame has them now.
    #[inline]
    pub fn done(&mut self) {
        (self.read, self.edited) = (self.len, false);
    }

    /// Sees that they are the very ones that the frame has in its bytes.
    #[inline]
    pub fn settle(&mut self, original: &Self) {
        if self.edited && self.as_slice() == original.as_slice() {
            *self = *original;
        }
    }

    /// Writes them to `to`, behind the addresses.
    pub fn write(&self, to: &mut [u8]) {
        for (tag, to) in self.as_slice().iter().zip(to[MACS..].chunks_exact_mut(TAG)) {
            to.copy_from_slice(&tag.bytes());
        }
    }

    /// Takes the outermost off.
    pub fn pop(&mut self) {
        if self.len > 0 {
            self.tags.rotate_left(1);
            self.tags[MOST - 1] = Tag::default();
            self.len -= 1;
            self.edited = true;
        }
    }

    /// Puts one before all others; false: there are as many as there can be.
    pub fn push(&mut self, tag: Tag) -> bool {
        if usize::from(self.len) == MOST {
            return false;
        }
        self.tags.rotate_right(1);
        self.tags[0] = tag;
        self.len += 1;
        self.edited = true;
        true
    }

    /// Takes one out from between the others.
    fn delete(&mut self, at: usize) {
        self.tags[at..].rotate_left(1);
        self.tags[MOST - 1] = Tag::default();
        self.len -= 1;
        self.edited = true;
    }

    /// Another tag in the place of the outermost, or one where there is none.
    fn set_outer(&mut self, tag: Tag) {
        self.edited |= self.len == 0 || self.tags[0] != tag;
        self.tags[0] = tag;
        self.len = self.len.max(1);
    }

    fn clear(&mut self) {
        self.edited |= self.len > 0;
        self.tags = [Tag::default(); MOST];
        self.len = 0;
    }
}

/// A set of VLANs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vlans {
    /// All, 0 too.
    All,
    /// None.
    None,
    /// Those whose bits are set.
    These(Box<[u64; 64]>),
}

impl Vlans {
    /// These.
    pub fn of(list: &[u16]) -> Self {
        let mut vlans = Self::None;
        list.iter().for_each(|vid| vlans.set(*vid, true));
        vlans
    }

    /// These, or all where the list is empty.
    pub fn or_all(list: &[u16]) -> Self {
        if list.is_empty() { Self::All } else { Self::of(list) }
    }

    /// Whether one is among them.
    #[inline]
    pub fn has(&self, vid: u16) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::These(bits) => bits[usize::from(vid & VID) / 64] >> (vid % 64) & 1 == 1,
        }
    }

    fn set(&mut self, vid: u16, on: bool) {
        let bits = match self {
            Self::These(bits) => bits,
            other => {
                let all = if *other == Self::All { u64::MAX } else { 0 };
                *other = Self::These(Box::new([all; 64]));
                return other.set(vid, on);
            }
        };
        let word = &mut bits[usize::from(vid & VID) / 64];
        *word = *word & !(1 << (vid % 64)) | u64::from(on) << (vid % 64);
    }
}

/// What a port does with tags: `vlan_mode` of Open vSwitch's Port table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// One VLAN, without tags.
    Access,
    /// Several, with their tags.
    Trunk,
    /// Several, and one for what comes without a tag.
    NativeTagged,
    /// The same, and that one leaves without a tag.
    NativeUntagged,
    /// One VLAN, whose frames carry tags of the port's own (802.1ad).
    Dot1qTunnel,
}

impl Mode {
    /// The mode of a number from TypeScript.
    pub fn from_number(number: u32) -> Option<Self> {
        let all = [Self::Access, Self::Trunk, Self::NativeTagged, Self::NativeUntagged, Self::Dot1qTunnel];
        all.get(number as usize).copied()
    }
}

/// Whether frames without a VLAN leave with a tag that says their priority: `priority-tags`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PriorityTags {
    /// No.
    Never,
    /// Where it is not 0.
    IfNonzero,
    /// Where it is not 0, or where they came with such a tag.
    Always,
}

impl PriorityTags {
    /// The choice of a number from TypeScript.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Never, Self::IfNonzero, Self::Always].get(number as usize).copied()
    }
}

/// A port's VLANs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PortVlans {
    mode: Mode,
    tag: u16,
    trunks: Vlans,
    cvlans: Vlans,
    qinq_ethertype: u16,
    priority_tags: PriorityTags,
    /// Tags that are looked at; a tunnel makes no more of them. 0: as many as there can be.
    limit: u8,
}

impl PortVlans {
    /// A port in Open vSwitch's words.
    pub fn new(
        mode: Mode,
        tag: u16,
        [trunks, cvlans]: [&[u16]; 2],
        qinq_ethertype: u16,
        priority_tags: PriorityTags,
        limit: u8,
    ) -> Self {
        let mut trunks = Vlans::or_all(trunks);
        if matches!(mode, Mode::NativeTagged | Mode::NativeUntagged) && tag != 0 {
            trunks.set(0, false);
            trunks.set(tag, true);
        }
        Self { mode, tag, trunks, cvlans: Vlans::or_all(cvlans), qinq_ethertype, priority_tags, limit }
    }

    /// A port of all VLANs, as Open vSwitch has one of which nothing is said.
    pub fn trunk() -> Self {
        Self::new(Mode::Trunk, 0, [&[], &[]], S_TAG, PriorityTags::Never, 2)
    }

    /// The VLAN that a frame is put into if it may come in and its tags are not translated, by what stands behind its
    /// addresses.
    #[inline]
    pub fn expected(&self, behind: &[u8; TAG]) -> u16 {
        let [a, b, c, d] = *behind;
        let tagged = matches!(u16::from_be_bytes([a, b]), C_TAG | S_TAG);
        let vid = if tagged { u16::from_be_bytes([c, d]) & VID } else { 0 };
        match self.mode {
            Mode::Access | Mode::Dot1qTunnel => self.tag & VID,
            Mode::NativeTagged | Mode::NativeUntagged if vid == 0 => self.tag & VID,
            _ => vid,
        }
    }

    /// A frame comes in: puts it into its VLAN, or says why it may not come. `Ok(true)`: a tag of its own was deleted, as
    /// Open vSwitch does it where a tunnel's tag is one too many.
    pub fn enter(&self, tags: &mut Tags) -> Result<bool, SwitchCount> {
        let vid = tags.vid();
        match self.mode {
            Mode::Access if vid != 0 => return Err(SwitchCount::RxVlan),
            // Open vSwitch would delete the second one.
            Mode::Access if tags.len > 1 => return Err(SwitchCount::RxInnerTag),
            Mode::Access => self.name(tags),
            Mode::NativeTagged | Mode::NativeUntagged if vid == 0 => self.name(tags),
            Mode::Trunk | Mode::NativeTagged | Mode::NativeUntagged => {
                if !self.trunks.has(vid) {
                    return Err(SwitchCount::RxVlan);
                }
            }
            Mode::Dot1qTunnel => {
                if !self.cvlans.has(vid) {
                    return Err(SwitchCount::RxVlan);
                }
                let full = self.limit > 0 && tags.len >= self.limit;
                if full {
                    tags.delete(usize::from(self.limit) - 1);
                }
                if !tags.push(Tag { tpid: self.qinq_ethertype, tci: self.tag }) {
                    return Err(SwitchCount::RxInnerTag);
                }
                return Ok(full);
            }
        }
        Ok(false)
    }

    /// Gives a frame of VLAN 0 the port's own VLAN. Its priority stays.
    fn name(&self, tags: &mut Tags) {
        let outer = tags.outer();
        let tpid = if outer.tpid == 0 { C_TAG } else { outer.tpid };
        tags.set_outer(Tag { tpid, ..outer }.with_vid(self.tag));
    }

    /// Whether frames of a VLAN may leave here at all.
    #[inline]
    pub fn carries(&self, vid: u16) -> bool {
        match self.mode {
            Mode::Access | Mode::Dot1qTunnel => vid == self.tag,
            Mode::Trunk | Mode::NativeTagged | Mode::NativeUntagged => self.trunks.has(vid),
        }
    }

    /// A frame of a VLAN that the port carries leaves: gives it the tags that it shall have here, or says why it may not.
    /// `priority` is that which it came with: the tag control information of its outermost tag.
    pub fn leave(&self, tags: &mut Tags, priority: u16) -> Result<(), SwitchCount> {
        match self.mode {
            Mode::Access if tags.inner_vid() != 0 => return Err(SwitchCount::TxVlan),
            Mode::Access if tags.len > 2 => return Err(SwitchCount::TxInnerTag),
            Mode::Access => tags.clear(),
            Mode::Dot1qTunnel => {
                if !self.cvlans.has(tags.inner_vid()) {
                    return Err(SwitchCount::TxVlan);
                }
                tags.pop();
            }
            Mode::NativeUntagged if tags.vid() == self.tag => tags.pop(),
            Mode::Trunk | Mode::NativeTagged | Mode::NativeUntagged => {}
        }
        self.prioritize(tags, priority & PCP)
    }

    fn prioritize(&self, tags: &mut Tags, pcp: u16) -> Result<(), SwitchCount> {
        let outer = tags.outer();
        if self.priority_tags != PriorityTags::Never && outer.tci & PCP != pcp {
            let tpid = if tags.len == 0 { C_TAG } else { outer.tpid };
            tags.set_outer(Tag { tpid, tci: outer.tci & !PCP | pcp });
        }
        let empty = tags.len > 0 && tags.outer().tci & (PCP | VID) == 0;
        if empty && self.priority_tags != PriorityTags::Always {
            // Open vSwitch would delete the tag behind it, too.
            if tags.len > 1 {
                return Err(SwitchCount::TxInnerTag);
            }
            tags.pop();
        }
        Ok(())
    }
}

/// What a port, whatever it is joined to, does with the tags of frames that come in; it undoes that where they leave.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub enum Translation {
    /// Nothing.
    #[default]
    None,
    /// The outermost tags are of these VLANs, and of those inside.
    Swap {
        /// Outside, outermost first; two at most.
        outside: Vec<u16>,
        /// Inside.
        inside: Vec<u16>,
    },
    /// It carries one VLAN (RFC 4719 §2.2): frames have a tag; where an id is given, that is theirs inside.
    Vlan(Option<u16>),
}

impl Translation {
    /// A frame comes in; false: it may not.
    pub fn enter(&self, tags: &mut Tags) -> bool {
        match self {
            Self::None => true,
            Self::Swap { outside, inside } => swap(tags, outside, inside),
            Self::Vlan(_) if tags.len == 0 => false,
            Self::Vlan(None) => true,
            Self::Vlan(Some(vid)) => {
                tags.set_outer(tags.outer().with_vid(*vid));
                true
            }
        }
    }

    /// A frame leaves; false: it may not.
    pub fn leave(&self, tags: &mut Tags) -> bool {
        match self {
            Self::None => true,
            Self::Swap { outside, inside } => swap(tags, inside, outside),
            Self::Vlan(vid) => tags.len > 0 && vid.is_none_or(|vid| vid == tags.vid()),
        }
    }
}

/// Tags of the VLANs `from` become tags of `to`. The innermost of both are one tag, which keeps its priority; what is new
/// before it is a service tag of the same priority.
fn swap(tags: &mut Tags, from: &[u16], to: &[u16]) -> bool {
    let there = tags.as_slice();
    let same = there.len() >= from.len() && there.iter().zip(from).all(|(tag, vid)| tag.vid() == *vid);
    if !same || usize::from(tags.len) - from.len() + to.len() > MOST {
        return false;
    }
    let kept = from.len().checked_sub(1).map(|last| there[last]);
    // What comes before tags that stay has the priority of the first of them.
    let like = kept.unwrap_or(tags.outer());
    from.iter().for_each(|_| tags.pop());
    for (at, vid) in to.iter().rev().enumerate() {
        let tpid = match kept {
            Some(kept) if at == 0 => kept.tpid,
            _ if tags.len > 0 => S_TAG,
            _ => C_TAG,
        };
        tags.push(Tag { tpid, ..like }.with_vid(*vid));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(list: &[(u16, u16, u16)]) -> Tags {
        let mut frame = vec![2; MACS];
        for (tpid, pcp, vid) in list {
            frame.extend(Tag { tpid: *tpid, tci: pcp << 13 | vid }.bytes());
        }
        frame.extend([8, 0, 0, 0]);
        Tags::of(&frame)
    }

    fn list(tags: &Tags) -> Vec<(u16, u16, u16)> {
        tags.as_slice().iter().map(|tag| (tag.tpid, tag.tci >> 13, tag.vid())).collect()
    }

    #[test]
    fn every_translation_is_undone_where_frames_leave() {
        type Case = (&'static [u16], &'static [u16], &'static [(u16, u16, u16)], &'static [(u16, u16, u16)]);
        let cases: [Case; 9] = [
            (&[], &[7], &[], &[(C_TAG, 0, 7)]),
            (&[], &[7], &[(C_TAG, 5, 3)], &[(S_TAG, 5, 7), (C_TAG, 5, 3)]),
            (&[], &[7, 8], &[], &[(S_TAG, 0, 7), (C_TAG, 0, 8)]),
            (&[7], &[], &[(C_TAG, 0, 7)], &[]),
            (&[7, 8], &[], &[(S_TAG, 1, 7), (C_TAG, 2, 8), (C_TAG, 3, 9)], &[(C_TAG, 3, 9)]),
            (&[7], &[9], &[(C_TAG, 3, 7)], &[(C_TAG, 3, 9)]),
            (&[7], &[9, 10], &[(C_TAG, 3, 7)], &[(S_TAG, 3, 9), (C_TAG, 3, 10)]),
            (&[9, 10], &[7], &[(S_TAG, 3, 9), (C_TAG, 3, 10)], &[(C_TAG, 3, 7)]),
            (&[9, 10], &[7, 8], &[(S_TAG, 3, 9), (C_TAG, 3, 10)], &[(S_TAG, 3, 7), (C_TAG, 3, 8)]),
        ];
        for (outside, inside, before, after) in cases {
            let rule = Translation::Swap { outside: outside.to_vec(), inside: inside.to_vec() };
            let mut tags = tags(before);
            assert!(rule.enter(&mut tags));
            assert_eq!(list(&tags), after);
            assert!(rule.leave(&mut tags));
            let vids = |list: &[(u16, u16, u16)]| list.iter().map(|tag| tag.2).collect::<Vec<_>>();
            assert_eq!(vids(&list(&tags)), vids(before));
        }
    }

    #[test]
    fn a_frames_vlan_is_as_expected() {
        let modes = [Mode::Access, Mode::Trunk, Mode::NativeTagged, Mode::NativeUntagged, Mode::Dot1qTunnel];
        let mut entered = 0;
        for (mode, tag) in modes.into_iter().flat_map(|mode| [(mode, 0), (mode, 9)]) {
            let port = PortVlans::new(mode, tag, [&[], &[]], S_TAG, PriorityTags::Never, 2);
            for before in [&[][..], &[(C_TAG, 3, 0)], &[(C_TAG, 3, 7)], &[(S_TAG, 0, 5), (C_TAG, 0, 7)]] {
                let mut tags = tags(before);
                let (tpid, pcp, vid) = before.first().copied().unwrap_or((0x0800, 2, 0x345));
                let [[a, b], [c, d]] = [tpid, pcp << 13 | vid].map(u16::to_be_bytes);
                if port.enter(&mut tags).is_ok() {
                    entered += 1;
                    assert_eq!(port.expected(&[a, b, c, d]), tags.vid(), "{mode:?} {tag} {before:?}");
                }
            }
        }
        assert!(entered > 25, "{entered}");
    }

    #[test]
    fn tags_of_other_vlans_are_not_translated() {
        let rule = Translation::Swap { outside: vec![7], inside: vec![9] };
        for other in [&[][..], &[(C_TAG, 0, 8)], &[(S_TAG, 0, 9), (C_TAG, 0, 7)]] {
            assert!(!rule.enter(&mut tags(other)));
        }
        assert!(!rule.leave(&mut tags(&[(C_TAG, 0, 7)])));
        let push = Translation::Swap { outside: vec![], inside: vec![1, 2] };
        let mut full = tags(&[(C_TAG, 0, 5); 4]);
        assert!(push.enter(&mut full) && !push.enter(&mut full));
        assert_eq!(full.as_slice().len(), MOST);
    }

    #[test]
    fn a_vlan_pseudowire_rewrites_the_id_and_keeps_the_priority() {
        let own = Translation::Vlan(Some(20));
        let mut tagged = tags(&[(S_TAG, 6, 10), (C_TAG, 1, 3)]);
        assert!(own.enter(&mut tagged));
        assert_eq!(list(&tagged), [(S_TAG, 6, 20), (C_TAG, 1, 3)]);
        assert!(own.leave(&mut tagged) && !own.leave(&mut tags(&[(C_TAG, 0, 10)])));
        for rule in [Translation::Vlan(None), own] {
            assert!(!rule.enter(&mut tags(&[])) && !rule.leave(&mut tags(&[])));
        }
        assert!(Translation::Vlan(None).leave(&mut tags(&[(C_TAG, 0, 10)])));
    }
}
