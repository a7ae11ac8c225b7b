//! Keeps depth updates in step with a snapshot, and knows when they are not.
//!
//! Diffs wait until a snapshot comes. Those that the snapshot already holds (u ≤ lastUpdateId) are dropped; the first
//! other one must straddle it; later ones must link. Where that fails the book is lost: one [`Gap`] is told, and diffs
//! wait again until the next snapshot.
//!
//! | market | first diff after the snapshot L | later diffs |
//! |---|---|---|
//! | spot | U ≤ L + 1 ≤ u | U = previous u + 1 |
//! | futures | U ≤ L ≤ u, or pu ≤ L ≤ u | pu = previous u |
//!
//! The second form for futures is ours: ids are not dense there, so a snapshot may fall between pu and U, where no
//! update of this book lies. A diff that was lost (a missing or unreadable line) breaks the link of the next one.
//!
//! A snapshot and the diffs that waited for it are one update: between them the book would be older than what had
//! already been received.

use super::config::Market;
use super::message::{Diff, Snapshot};
use std::collections::VecDeque;
use tickwerk_domain::{Level, Side, TimeNs};

/// Most levels that wait for a snapshot; then the oldest diff goes, and only a newer snapshot will fit.
pub(super) const WAITING_LEVELS_MAX: usize = 65_536;
/// Most diffs that wait for a snapshot, as a diff may have no levels.
const WAITING_DIFFS_MAX: usize = 16_384;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// No book, or one that is not whole.
    Lost,
    /// A snapshot, and no diff since.
    Fresh { snapshot: u64 },
    /// All diffs up to this id.
    Linked { last: u64 },
}

/// Ids that should have linked: spot U to the previous u + 1, futures pu to the previous u.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gap {
    pub(super) expected: u64,
    /// 0 where none came.
    pub(super) received: u64,
}

/// The book is to be replaced.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Resync {
    /// Id of the last diff in it, or of the snapshot.
    pub(super) update_id: u64,
    pub(super) levels: Vec<(Side, Level)>,
    pub(super) time: TimeNs,
    /// How many diffs it holds.
    pub(super) diffs: u64,
    /// The diffs that waited had a gap of their own.
    pub(super) gap: Option<Gap>,
}

/// What a diff does.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum DiffStep {
    /// The book changes.
    Apply(Diff),
    /// The snapshot has it already.
    Old,
    /// It waits for a snapshot.
    Waits,
    /// It does not link; told once until the next snapshot, until which it waits.
    Gap(Gap),
}

/// What a snapshot does.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum SnapshotStep {
    /// The book is whole again.
    Resync(Resync),
    /// The book is whole and newer.
    NotNeeded,
    /// Older than the first diff that waits; the gap is told if none was.
    TooOld(Option<Gap>),
}

#[derive(Debug)]
pub(super) struct DepthSync {
    market: Market,
    state: State,
    waiting: VecDeque<Diff>,
    waiting_levels: usize,
    gap_told: bool,
}

impl DepthSync {
    pub(super) fn new(market: Market) -> Self {
        Self { market, state: State::Lost, waiting: VecDeque::new(), waiting_levels: 0, gap_told: false }
    }

    pub(super) fn diff(&mut self, diff: Diff) -> DiffStep {
        let gap = match self.state {
            State::Lost => {
                self.wait(diff);
                return DiffStep::Waits;
            }
            State::Fresh { snapshot } if diff.last <= snapshot => return DiffStep::Old,
            State::Fresh { snapshot } => self.straddle_gap(snapshot, &diff),
            State::Linked { last } => self.link_gap(last, &diff),
        };
        match gap {
            None => {
                self.state = State::Linked { last: diff.last };
                DiffStep::Apply(diff)
            }
            Some(gap) => {
                self.lost();
                self.wait(diff);
                DiffStep::Gap(gap)
            }
        }
    }

    pub(super) fn snapshot(&mut self, snapshot: Snapshot) -> SnapshotStep {
        let known = match self.state {
            State::Lost => None,
            State::Fresh { snapshot } => Some(snapshot),
            State::Linked { last } => Some(last),
        };
        if known.is_some_and(|known| snapshot.update_id <= known) {
            return SnapshotStep::NotNeeded;
        }
        while self.waiting.front().is_some_and(|diff| diff.last <= snapshot.update_id) {
            self.take_waiting();
        }
        let first_gap = self.waiting.front().and_then(|diff| self.straddle_gap(snapshot.update_id, diff));
        if let Some(gap) = first_gap {
            let told = std::mem::replace(&mut self.gap_told, true);
            return SnapshotStep::TooOld((!told).then_some(gap));
        }
        self.state = State::Fresh { snapshot: snapshot.update_id };
        self.gap_told = false;
        SnapshotStep::Resync(self.apply_waiting(snapshot))
    }

    /// A depth message came that could not be read. The gap, if the book was whole until now.
    pub(super) fn lose(&mut self) -> Option<Gap> {
        let expected = match (self.state, self.market) {
            (State::Lost, _) => return None,
            (State::Fresh { snapshot: last } | State::Linked { last }, Market::Spot) => {
                last.saturating_add(1)
            }
            (State::Fresh { snapshot: last } | State::Linked { last }, Market::UsdM | Market::CoinM) => last,
        };
        self.lost();
        Some(Gap { expected, received: 0 })
    }

    fn apply_waiting(&mut self, snapshot: Snapshot) -> Resync {
        let Snapshot { update_id, levels, time } = snapshot;
        let mut resync = Resync { update_id, levels, time, diffs: 0, gap: None };
        while let Some(diff) = self.take_waiting() {
            match self.diff(diff) {
                DiffStep::Apply(diff) => {
                    resync.update_id = diff.last;
                    resync.levels.extend(diff.levels);
                    resync.diffs += 1;
                    if diff.time != TimeNs::UNKNOWN {
                        resync.time = diff.time;
                    }
                }
                DiffStep::Gap(gap) => {
                    // The diff that did not link now stands last; it belongs first, before those that waited with it.
                    self.waiting.rotate_right(1);
                    resync.gap = Some(gap);
                    break;
                }
                DiffStep::Old | DiffStep::Waits => {}
            }
        }
        resync
    }

    fn lost(&mut self) {
        self.state = State::Lost;
        self.gap_told = true;
    }

    fn wait(&mut self, diff: Diff) {
        self.waiting_levels += diff.levels.len();
        self.waiting.push_back(diff);
        while self.waiting_levels > WAITING_LEVELS_MAX || self.waiting.len() > WAITING_DIFFS_MAX {
            self.take_waiting();
        }
    }

    fn take_waiting(&mut self) -> Option<Diff> {
        let diff = self.waiting.pop_front()?;
        self.waiting_levels -= diff.levels.len();
        Some(diff)
    }

    /// `None` when `diff`, which ends after `snapshot`, is the first after it.
    fn straddle_gap(&self, snapshot: u64, diff: &Diff) -> Option<Gap> {
        match (self.market, diff.previous) {
            (Market::Spot, _) => {
                let expected = snapshot.saturating_add(1);
                (diff.first > expected).then_some(Gap { expected, received: diff.first })
            }
            (Market::UsdM | Market::CoinM, previous) => {
                let previous = previous.unwrap_or(diff.first);
                (diff.first > snapshot && previous > snapshot)
                    .then_some(Gap { expected: snapshot, received: previous })
            }
        }
    }

    /// `None` when `diff` follows the one that ended with `last`.
    fn link_gap(&self, last: u64, diff: &Diff) -> Option<Gap> {
        let (expected, received) = match self.market {
            Market::Spot => (last.saturating_add(1), diff.first),
            Market::UsdM | Market::CoinM => (last, diff.previous.unwrap_or(diff.first)),
        };
        (expected != received).then_some(Gap { expected, received })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(id: u64, levels: usize) -> Diff {
        let levels = vec![(Side::Buy, Level::default()); levels];
        Diff { first: id, last: id, previous: None, levels, time: TimeNs(id) }
    }

    #[test]
    fn what_waits_is_bounded_and_only_a_newer_snapshot_fits_what_is_left() {
        let snapshot = |update_id| Snapshot { update_id, levels: Vec::new(), time: TimeNs::UNKNOWN };
        for (levels, kept) in [(WAITING_LEVELS_MAX / 4, 4), (0, WAITING_DIFFS_MAX)] {
            let mut sync = DepthSync::new(Market::Spot);
            let last = kept as u64 + 3;
            for id in 1..=last {
                assert_eq!(sync.diff(diff(id, levels)), DiffStep::Waits);
            }
            assert_eq!((sync.waiting.len(), sync.waiting_levels), (kept, kept * levels));
            let gap = Gap { expected: 3, received: 4 };
            assert_eq!(sync.snapshot(snapshot(2)), SnapshotStep::TooOld(Some(gap)));
            let SnapshotStep::Resync(resync) = sync.snapshot(snapshot(3)) else { panic!("3 fits") };
            assert_eq!((resync.update_id, resync.diffs, resync.gap), (last, kept as u64, None));
            assert_eq!((resync.time, sync.waiting_levels), (TimeNs(last), 0));
        }
    }
}
