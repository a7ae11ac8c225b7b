//! A fixed hash index from a key to a slot of a store. It never allocates after it is made.
//!
//! Places stand in groups of fifteen, each with a few bits of its hash: a search looks at the half cache line of a group,
//! and at the store only where nearly surely it is what is meant. A slot whose group is full stands in one of the next,
//! and a full group counts who passed it (the overflow counts of F14, Folly's hash table): a search ends where nobody
//! passed, and nothing moves when a slot leaves. As an index is met at random, each look at it may be a wait: to find
//! that a key is not there is one, to take a slot out is none, as its place is known.
//!
//! Nothing ever iterates over the index, so its order cannot reach an output.

/// Places of a group; the last lane counts who passed.
const PLACES: usize = 15;
const LANES: usize = PLACES + 1;
/// Marks a tag, so that neither an empty place nor a count is one.
const TAKEN: u16 = 1 << 15;
/// A count that has come this far stays.
const PASSED_MAX: u16 = TAKEN - 1;
/// A slot that is not there.
const NOWHERE: u32 = u32::MAX;

/// Bits of the hash for each place, 0 where it is empty.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Group([u16; LANES]);

impl Group {
    /// A bit for each lane that holds `wanted`.
    #[inline]
    fn lanes_with(&self, wanted: u16) -> u32 {
        let lanes = self.0.iter().enumerate();
        lanes.fold(0, |lanes, (lane, held)| lanes | u32::from(*held == wanted) << lane)
    }

    /// The first empty place.
    #[inline]
    fn first_empty(&self) -> Option<usize> {
        let place = self.lanes_with(0).trailing_zeros() as usize;
        (place < PLACES).then_some(place)
    }

    #[inline]
    fn passed(&mut self) -> &mut u16 {
        &mut self.0[PLACES]
    }
}

/// Slots by hash. At most 8 of 15 places are taken.
#[derive(Clone, Debug)]
pub struct SlotIndex {
    groups: Box<[Group]>,
    /// The slot in each place.
    slots: Box<[u32]>,
    /// The place of each slot.
    places: Box<[u32]>,
}

impl SlotIndex {
    /// An index for at most `slots` slots, a power of two.
    pub fn new(slots: usize) -> Self {
        assert!(slots.is_power_of_two() && slots < NOWHERE as usize / 2, "a power of two under 2³¹");
        let groups = (slots / 8).max(1);
        Self {
            groups: vec![Group([0; LANES]); groups].into(),
            slots: vec![0; groups * LANES].into(),
            places: vec![NOWHERE; slots].into(),
        }
    }

    /// The slot with this hash for which `is_wanted` holds.
    #[inline]
    pub fn find(&self, hash: u64, is_wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let mut home = self.home(hash);
        for _ in 0..self.groups.len() {
            let group = &self.groups[home];
            let mut lanes = group.lanes_with(tag(hash));
            while lanes != 0 {
                let slot = self.slots[home * LANES + lanes.trailing_zeros() as usize];
                if is_wanted(slot) {
                    return Some(slot);
                }
                lanes &= lanes - 1;
            }
            if group.0[PLACES] == 0 {
                return None;
            }
            home = self.next(home);
        }
        None
    }

    /// Adds `slot`, which must not be there yet.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2³² places")]
    pub fn insert(&mut self, hash: u64, slot: u32) {
        assert!(self.places[slot as usize] == NOWHERE, "slot {slot} is in the index already");
        let mut home = self.home(hash);
        loop {
            let group = &mut self.groups[home];
            if let Some(lane) = group.first_empty() {
                group.0[lane] = tag(hash);
                let place = home * LANES + lane;
                (self.slots[place], self.places[slot as usize]) = (slot, place as u32);
                return;
            }
            let passed = group.passed();
            *passed = (*passed + 1).min(PASSED_MAX);
            home = self.next(home);
        }
    }

    /// Takes `slot` out, which was added with this hash.
    #[inline]
    pub fn remove(&mut self, hash: u64, slot: u32) {
        let place = std::mem::replace(&mut self.places[slot as usize], NOWHERE);
        assert!(place != NOWHERE, "slot {slot} is not in the index");
        let (group, lane) = (place as usize / LANES, place as usize % LANES);
        self.groups[group].0[lane] = 0;
        let mut home = self.home(hash);
        while home != group {
            let passed = self.groups[home].passed();
            *passed -= u16::from(*passed < PASSED_MAX);
            home = self.next(home);
        }
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.groups.len() - 1)
    }

    #[inline]
    fn next(&self, home: usize) -> usize {
        (home + 1) & (self.groups.len() - 1)
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the high half chooses the group")]
fn tag(hash: u64) -> u16 {
    TAKEN | hash as u16
}

/// A spread number whose neighbours are near each other, for the high half of a hash: eight of them share a group, and
/// runs of 65,536 begin wherever.
#[inline]
pub fn near(number: u64) -> u64 {
    (number >> 3).wrapping_add((number >> 16).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_map(steps in prop::collection::vec((any::<bool>(), 0_u32..32), 0..300)) {
            // One home and few tags, so that groups overflow and slots are confused.
            let hash_of = |slot: u32| u64::from(slot % 3);
            let mut index = SlotIndex::new(32);
            let mut there = [false; 32];
            for (add, slot) in steps {
                let known = &mut there[slot as usize];
                if add && !*known {
                    index.insert(hash_of(slot), slot);
                    *known = true;
                } else if !add && *known {
                    index.remove(hash_of(slot), slot);
                    *known = false;
                }
                for (other, is_there) in (0_u32..).zip(there) {
                    let found = index.find(hash_of(other), |candidate| candidate == other);
                    prop_assert_eq!(found, is_there.then_some(other));
                }
            }
        }
    }
}
