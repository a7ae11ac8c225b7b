//! What the core owes itself at a time: expiries, cool-downs, marks.
//!
//! A timer is state like all else: it is set and taken away by commands, counted in the digest, and fires as a
//! journaled command when the time of the journal has come. Order: by due time, then by creation. There is one timer
//! for each kind and subject; setting it again moves it.

use crate::limits::TIMERS_MAX;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum, ensure};
use tickwerk_domain::{Digest, SlotIndex, TimeNs, TimerKind};

/// A timer that was set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timer {
    /// When it fires.
    pub due: TimeNs,
    /// What it is about: an order, an account.
    pub subject: u64,
    /// What it is for.
    pub kind: TimerKind,
    created: u64,
    /// Where it stands in the heap.
    place: usize,
}

/// All timers: a binary heap whose entries know their places, so that one can be taken away.
#[derive(Debug)]
pub struct Timers {
    rows: Vec<Timer>,
    free: Vec<u32>,
    heap: Vec<u32>,
    index: SlotIndex,
    created: u64,
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}

impl Timers {
    /// No timers; all that it ever allocates.
    pub fn new() -> Self {
        Self {
            rows: Vec::with_capacity(TIMERS_MAX),
            free: Vec::with_capacity(TIMERS_MAX),
            heap: Vec::with_capacity(TIMERS_MAX),
            index: SlotIndex::new(TIMERS_MAX),
            created: 0,
        }
    }

    /// Sets a timer, or moves it; `false` where there is no room for one more.
    pub fn set(&mut self, due: TimeNs, kind: TimerKind, subject: u64, digest: &mut Digest) -> bool {
        self.take_away(kind, subject, digest);
        if self.heap.len() == TIMERS_MAX {
            return false;
        }
        self.created += 1;
        let timer = Timer { due, subject, kind, created: self.created, place: self.heap.len() };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.rows.push(timer);
            u32::try_from(self.rows.len() - 1).expect("TIMERS_MAX fits 32 bits")
        });
        self.rows[slot as usize] = timer;
        self.heap.push(slot);
        self.rise(timer.place);
        self.index.insert(key(kind, subject), slot);
        digest.replace(0, timer.hash());
        true
    }

    /// Takes a timer away, where it is set.
    pub fn take_away(&mut self, kind: TimerKind, subject: u64, digest: &mut Digest) {
        let is_wanted = |slot: u32| {
            let timer = &self.rows[slot as usize];
            (timer.kind, timer.subject) == (kind, subject)
        };
        let Some(slot) = self.index.find(key(kind, subject), is_wanted) else {
            return;
        };
        let timer = self.rows[slot as usize];
        digest.replace(timer.hash(), 0);
        self.index.remove(key(kind, subject), slot);
        self.free.push(slot);
        let last = self.heap.pop().expect("the timer stands in the heap");
        if last != slot {
            self.put(timer.place, last);
            self.rise(timer.place);
            self.sink(self.rows[last as usize].place);
        }
    }

    /// The timer that fires next.
    pub fn next(&self) -> Option<&Timer> {
        self.heap.first().map(|slot| &self.rows[*slot as usize])
    }

    /// When a timer fires, where it is set.
    pub fn due(&self, kind: TimerKind, subject: u64) -> Option<TimeNs> {
        let is_wanted = |slot: u32| {
            let timer = &self.rows[slot as usize];
            (timer.kind, timer.subject) == (kind, subject)
        };
        self.index.find(key(kind, subject), is_wanted).map(|slot| self.rows[slot as usize].due)
    }

    /// Timers that were ever set: the tie-breaker of the next one is one more.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// Timers that are set.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn rank(&self, slot: u32) -> (TimeNs, u64) {
        let timer = &self.rows[slot as usize];
        (timer.due, timer.created)
    }

    fn put(&mut self, place: usize, slot: u32) {
        self.heap[place] = slot;
        self.rows[slot as usize].place = place;
    }

    fn rise(&mut self, mut place: usize) {
        let slot = self.heap[place];
        while place > 0 && self.rank(slot) < self.rank(self.heap[(place - 1) / 2]) {
            let parent = (place - 1) / 2;
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, slot);
    }

    fn sink(&mut self, mut place: usize) {
        let slot = self.heap[place];
        loop {
            let left = 2 * place + 1;
            let Some(first) = [left, left + 1]
                .into_iter()
                .filter(|child| *child < self.heap.len())
                .min_by_key(|child| self.rank(self.heap[*child]))
            else {
                break;
            };
            if self.rank(slot) <= self.rank(self.heap[first]) {
                break;
            }
            self.put(place, self.heap[first]);
            place = first;
        }
        self.put(place, slot);
    }
}

impl Timers {
    /// The timers in the order in which they fire; where each stands in the heap decides nothing.
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { rows, free: _, heap, index: _, created } = self;
        let mut slots = heap.clone();
        slots.sort_unstable_by_key(|slot| self.rank(*slot));
        to.count(slots.len());
        for slot in slots {
            let Timer { due, subject, kind, created, place: _ } = &rows[slot as usize];
            to.value(&(*due, *created));
            to.value(&(*kind, *subject));
        }
        to.value(created);
    }

    /// Sorted timers are a heap.
    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let mut timers = Self::new();
        let mut last = (TimeNs::UNKNOWN, 0);
        for place in 0..from.count(TIMERS_MAX)? {
            let (due, created) = from.value()?;
            let (kind, subject) = from.value()?;
            let (what, found) = ("timer", subject);
            let is_next = (due, created) > last && timers.due(kind, subject).is_none();
            ensure(is_next, Fault::Twice { what, found })?;
            let slot = u32::try_from(place).expect("TIMERS_MAX fits 32 bits");
            let timer = Timer { due, subject, kind, created, place };
            timers.rows.push(timer);
            timers.heap.push(slot);
            timers.index.insert(key(kind, subject), slot);
            timers.created = timers.created.max(created);
            sum.add(timer.hash());
            last = (due, created);
        }
        let created = from.value()?;
        ensure(timers.created <= created, Fault::Broken("a timer has a number that was not given yet"))?;
        timers.created = created;
        Ok(timers)
    }
}

impl Timer {
    fn hash(&self) -> u64 {
        row_hash(TAG, &[self.due.0, self.subject, self.kind as u64, self.created])
    }
}

fn key(kind: TimerKind, subject: u64) -> u64 {
    row_hash(kind as u64 + 1, &[subject])
}

const TAG: u64 = 0x0806;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_agrees_with_a_map(steps in prop::collection::vec((0_u64..20, 0_u64..50, 0_u8..3), 0..200)) {
            let mut timers = Timers::new();
            let mut digest = Digest::default();
            let mut model: BTreeMap<(u64, u64), u64> = BTreeMap::new();
            for (created, (subject, due, action)) in (1_u64..).zip(steps) {
                let before = timers.created;
                match action {
                    0 => {
                        timers.take_away(TimerKind::OrderExpiry, subject, &mut digest);
                        model.retain(|_, of| *of != subject);
                    }
                    1 => {
                        if let Some(next) = timers.next().copied() {
                            prop_assert_eq!(model.pop_first().map(|(_, of)| of), Some(next.subject));
                            timers.take_away(next.kind, next.subject, &mut digest);
                        }
                    }
                    _ => {
                        prop_assert!(timers.set(TimeNs(due), TimerKind::OrderExpiry, subject, &mut digest));
                        prop_assert_eq!(timers.created, before + 1);
                        model.retain(|_, of| *of != subject);
                        model.insert((due, created), subject);
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
                let next = timers.next().map(|timer| (timer.due.0, timer.subject));
                prop_assert_eq!(next, model.first_key_value().map(|((due, _), of)| (*due, *of)));
            }
            for subject in 0..20 {
                timers.take_away(TimerKind::OrderExpiry, subject, &mut digest);
            }
            prop_assert_eq!(digest, Digest::default());
        }
    }
}
