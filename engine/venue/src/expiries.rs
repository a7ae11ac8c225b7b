//! When orders end by themselves: a heap of slots that knows where each stands, so that one can be taken away.

use crate::VENUE_ORDERS_MAX;
use tickwerk_domain::TimeNs;

const NOWHERE: u32 = u32::MAX;

/// The orders that end at a time, by that time and then by their number. Part of no digest: it follows from the orders.
#[derive(Debug)]
pub(crate) struct Expiries {
    heap: Vec<(TimeNs, u64, u32)>,
    /// Where each slot stands in the heap.
    places: Vec<u32>,
}

impl Expiries {
    pub(crate) fn new() -> Self {
        Self { heap: Vec::with_capacity(VENUE_ORDERS_MAX), places: vec![NOWHERE; VENUE_ORDERS_MAX] }
    }

    /// The order in `slot` ends at `due`; one that stands here already is moved.
    pub(crate) fn set(&mut self, slot: u32, due: TimeNs, number: u64) {
        self.take_away(slot);
        self.heap.push((due, number, slot));
        self.rise(self.heap.len() - 1);
    }

    pub(crate) fn has(&self, slot: u32) -> bool {
        self.places[slot as usize] != NOWHERE
    }

    pub(crate) fn next(&self) -> Option<(TimeNs, u32)> {
        self.heap.first().map(|(due, _, slot)| (*due, *slot))
    }

    /// Takes a slot out, where it is set.
    pub(crate) fn take_away(&mut self, slot: u32) {
        let place = std::mem::replace(&mut self.places[slot as usize], NOWHERE);
        if place == NOWHERE {
            return;
        }
        let place = place as usize;
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            let place = self.rise(place);
            self.sink(place);
        }
    }

    fn note(&mut self, place: usize) {
        let slot = self.heap[place].2;
        self.places[slot as usize] = u32::try_from(place).expect("VENUE_ORDERS_MAX fits 32 bits");
    }

    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 && self.heap[place] < self.heap[(place - 1) / 2] {
            self.heap.swap(place, (place - 1) / 2);
            self.note(place);
            place = (place - 1) / 2;
        }
        self.note(place);
        place
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let children =
                [2 * place + 1, 2 * place + 2].into_iter().filter(|child| *child < self.heap.len());
            match children.min_by_key(|child| self.heap[*child]) {
                Some(first) if self.heap[first] < self.heap[place] => {
                    self.heap.swap(place, first);
                    self.note(place);
                    place = first;
                }
                Some(_) | None => break,
            }
        }
        self.note(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_agrees_with_a_map(steps in prop::collection::vec((0_u32..20, 0_u64..40, any::<bool>()), 0..200)) {
            let mut expiries = Expiries::new();
            let mut model = BTreeMap::new();
            for (slot, due, set) in steps {
                model.retain(|_, of| *of != slot);
                if set {
                    expiries.set(slot, TimeNs(due), u64::from(slot));
                    model.insert((due, slot), slot);
                } else {
                    expiries.take_away(slot);
                }
                let next = expiries.next().map(|(due, slot)| (due.0, slot));
                prop_assert_eq!(next, model.first_key_value().map(|(key, _)| *key));
            }
        }
    }
}
