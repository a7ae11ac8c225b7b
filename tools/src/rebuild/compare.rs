//! A rebuilt book beside a reference row: equal, different, or not to be told.
//!
//! A row is *determinable* when the data settle each of its levels, or when the guess about the others is right; it is
//! *matched* when price and quantity of all its levels are equal. Where only levels behind the horizon disagree, the row
//! shows what the data cannot, and those levels are taken over. A difference before the horizon is never taken over: it
//! stays, and counts in every row that shows it. With a window of one level each row tells of one transition from the
//! row before, and an item that cannot touch the book tells of none; such rows do not count as determinable.

use super::horizon::is_better;
use super::{Rebuild, RebuildError};
use tickwerk_domain::{Level, Price, Qty, Side, TimeNs};
use tickwerk_feeds::order_by_order::BookRow;
use tickwerk_venue::book::BookError;

/// One side that is not as the reference has it, though the data settle it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Difference {
    pub(crate) sequence: u64,
    pub(crate) time_ns: TimeNs,
    pub(crate) side: Side,
    /// The first level that differs, as rebuilt and as in the reference.
    pub(crate) rebuilt: Option<Level>,
    pub(crate) reference: Option<Level>,
}

enum Verdict {
    Equal,
    Open,
    Differs(Difference),
}

impl Rebuild {
    /// Compares the book with a row and learns from it what the data cannot tell. Tells a difference, if there is one.
    pub(crate) fn compare(&mut self, row: &BookRow) -> Result<Option<Difference>, RebuildError> {
        self.counts.rows += 1;
        let verdicts = [Side::Buy, Side::Sell].map(|side| (side, self.verdict(row, side)));
        let mut is_open = self.rules.window == Some(1) && !self.touched;
        let mut difference = None;
        for (side, verdict) in verdicts {
            match verdict {
                Verdict::Equal => self.horizon_mut(side).widen(side, edge_of(row, side)),
                Verdict::Open => {
                    is_open = true;
                    self.learn(row, side).map_err(|source| RebuildError::Book {
                        sequence: row.sequence,
                        order: 0,
                        source,
                    })?;
                }
                Verdict::Differs(found) => difference = difference.or(Some(found)),
            }
        }
        match (&difference, is_open) {
            (Some(_), _) => {
                self.counts.determinable += 1;
                self.counts.differing += 1;
            }
            (None, false) => {
                self.counts.determinable += 1;
                self.counts.matched += 1;
            }
            (None, true) => {}
        }
        Ok(difference)
    }

    /// Whether the row is the book, level by level.
    pub(super) fn equals(&self, row: &BookRow) -> bool {
        [Side::Buy, Side::Sell].iter().all(|side| matches!(self.verdict(row, *side), Verdict::Equal))
    }

    /// Whether the row differs where the data leave nothing open.
    pub(super) fn differs(&self, row: &BookRow) -> bool {
        [Side::Buy, Side::Sell].iter().any(|side| matches!(self.verdict(row, *side), Verdict::Differs(_)))
    }

    fn verdict(&self, row: &BookRow, side: Side) -> Verdict {
        let (reference, edge, horizon) = (row.levels(side), edge_of(row, side), self.horizon(side));
        let rebuilt = || self.book.levels(side).take_while(|level| is_before(side, level.price, edge));
        if self.first_unequal(side, rebuilt(), reference.iter().copied()).is_none() {
            return Verdict::Equal;
        }
        let settled = |level: &Level| horizon.knows(side, level.price);
        let known_reference = reference.iter().copied().filter(settled);
        match self.first_unequal(side, rebuilt().filter(settled), known_reference) {
            None => Verdict::Open,
            Some((rebuilt, reference)) => {
                let (sequence, time_ns) = (row.sequence, self.last_time);
                Verdict::Differs(Difference { sequence, time_ns, side, rebuilt, reference })
            }
        }
    }

    fn first_unequal(
        &self,
        side: Side,
        mut rebuilt: impl Iterator<Item = Level>,
        mut reference: impl Iterator<Item = Level>,
    ) -> Option<(Option<Level>, Option<Level>)> {
        loop {
            match (rebuilt.next(), reference.next()) {
                (None, None) => return None,
                (Some(rebuilt), Some(reference)) if self.is_same(side, rebuilt, reference) => {}
                unequal => return Some(unequal),
            }
        }
    }

    /// Whether two levels are equal, but for what the quantities of items were cut by: an order makes its level too small
    /// by that, and what has no name may be too large by what was taken from it.
    fn is_same(&self, side: Side, rebuilt: Level, reference: Level) -> bool {
        if rebuilt == reference || self.rules.qty_cut == 0 || rebuilt.price != reference.price {
            return rebuilt == reference;
        }
        let nameless = self.nameless.get(&(side, rebuilt.price));
        let orders = self.book.orders_at(side, rebuilt.price).count();
        let named = i64::try_from(orders - usize::from(nameless.is_some())).unwrap_or(i64::MAX);
        let too_large = nameless.map_or(0, |nameless| nameless.items).saturating_mul(self.rules.qty_cut);
        let too_small = named.saturating_mul(self.rules.qty_cut);
        (-too_large..=too_small).contains(&(reference.qty.0 - rebuilt.qty.0))
    }

    /// Makes the levels behind the horizon as the row has them. Orders of a level that shrank unseen cannot be told apart:
    /// they lose their names.
    fn learn(&mut self, row: &BookRow, side: Side) -> Result<(), BookError> {
        let edge = edge_of(row, side);
        let unsettled: Vec<Level> = self
            .book
            .levels(side)
            .take_while(|level| is_before(side, level.price, edge))
            .filter(|level| !self.horizon(side).knows(side, level.price))
            .collect();
        for guess in &unsettled {
            let told = row.levels(side).iter().find(|level| level.price == guess.price);
            if told.is_none_or(|level| level.qty < guess.qty && !self.is_same(side, *guess, *level)) {
                self.counts.revealed += u64::from(told.is_none());
                self.drop_level(side, guess.price);
            }
        }
        for level in row.levels(side) {
            if self.horizon(side).knows(side, level.price) {
                continue;
            }
            let there = Qty(self.book.orders_at(side, level.price).map(|order| order.qty.0).sum());
            let rebuilt = Level { price: level.price, qty: there };
            if there < level.qty && !self.is_same(side, rebuilt, *level) {
                self.counts.revealed += 1;
                self.add_nameless(side, level.price, Qty(level.qty.0 - there.0))?;
            }
        }
        self.horizon_mut(side).widen(side, edge);
        Ok(())
    }
}

/// The price up to which a row shows every level, or `None` when it shows the whole side.
fn edge_of(row: &BookRow, side: Side) -> Option<Price> {
    let levels = row.levels(side);
    levels.last().filter(|_| levels.len() >= row.depth).map(|level| level.price)
}

fn is_before(side: Side, price: Price, edge: Option<Price>) -> bool {
    edge.is_none_or(|edge| !is_better(side, edge, price))
}
