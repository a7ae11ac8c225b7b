//! A fixed hash index from a key to a slot of a store, by linear probing. It never allocates after it is made.
//!
//! The store keeps the keys: the index asks it to compare, and to hash again when a hole is closed. Nothing ever
//! iterates over the index, so its order cannot reach an output.

const EMPTY: u32 = u32::MAX;

/// Slots by hash. Holds at most half of its places.
#[derive(Clone, Debug)]
pub struct SlotIndex {
    places: Box<[u32]>,
    mask: usize,
    used: usize,
}

impl SlotIndex {
    /// An index for at most `slots` slots, a power of two.
    pub fn new(slots: usize) -> Self {
        assert!(slots.is_power_of_two() && slots < EMPTY as usize, "a power of two under 2³²");
        let places = vec![EMPTY; slots * 2].into_boxed_slice();
        Self { mask: places.len() - 1, places, used: 0 }
    }

    /// The slot with this hash for which `is_wanted` holds.
    #[inline]
    pub fn find(&self, hash: u64, is_wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let mut place = self.home(hash);
        loop {
            match self.places[place] {
                EMPTY => return None,
                slot if is_wanted(slot) => return Some(slot),
                _ => place = (place + 1) & self.mask,
            }
        }
    }

    /// Adds `slot`, which must not be there yet.
    pub fn insert(&mut self, hash: u64, slot: u32) {
        assert!(self.used * 2 < self.places.len(), "the store behind the index is bounded");
        let mut place = self.home(hash);
        while self.places[place] != EMPTY {
            place = (place + 1) & self.mask;
        }
        self.places[place] = slot;
        self.used += 1;
    }

    /// Takes `slot` out and closes the hole; `hash_of` tells the hash of any slot that is still there.
    pub fn remove(&mut self, hash: u64, slot: u32, hash_of: impl Fn(u32) -> u64) {
        let mut hole = self.home(hash);
        while self.places[hole] != slot {
            assert!(self.places[hole] != EMPTY, "slot {slot} is not in the index");
            hole = (hole + 1) & self.mask;
        }
        let mut place = hole;
        loop {
            place = (place + 1) & self.mask;
            let moved = self.places[place];
            if moved == EMPTY {
                break;
            }
            let distance_from_home = place.wrapping_sub(self.home(hash_of(moved))) & self.mask;
            if distance_from_home >= (place.wrapping_sub(hole) & self.mask) {
                self.places[hole] = moved;
                hole = place;
            }
        }
        self.places[hole] = EMPTY;
        self.used -= 1;
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the mask keeps the low bits")]
    fn home(&self, hash: u64) -> usize {
        (hash ^ hash >> 32) as usize & self.mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_map(steps in prop::collection::vec((any::<bool>(), 0_u32..32), 0..300)) {
            // Few homes, so that probes collide and holes must be closed.
            let hash_of = |slot: u32| u64::from(slot % 5);
            let mut index = SlotIndex::new(32);
            let mut there = [false; 32];
            for (add, slot) in steps {
                let known = &mut there[slot as usize];
                if add && !*known {
                    index.insert(hash_of(slot), slot);
                    *known = true;
                } else if !add && *known {
                    index.remove(hash_of(slot), slot, hash_of);
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
