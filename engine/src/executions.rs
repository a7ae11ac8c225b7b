//! Executions: every fill that was booked, so that none is booked twice, and each can be taken back or corrected.
//!
//! An execution is known by its order and the venue's id of it; ids are unique for an order and need not rise. The
//! store is a ring of the newest [`EXECUTIONS_MAX`]. Of an order so old that executions of its time are forgotten, an
//! id that is not above the highest one booked is taken for a repeat: a fill raised for a person is better than one
//! that is booked twice.
//!
//! What a fill may become stands in the table of [`lifecycle::fill`](crate::lifecycle::fill). An unmatched fill stays
//! one: a report of the same fill that fits later is booked as a fill of its own. Fills that fit no order are kept likewise, the newest [`UNMATCHED_FILLS_MAX`] of them.

use crate::lifecycle::fill::is_allowed;
use crate::limits::{EXECUTIONS_MAX, UNMATCHED_FILLS_MAX};
use tickwerk_domain::command::FillReported;
use tickwerk_domain::digest::{row_hash, words_of};
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum, ensure};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::slot_index::near;
use tickwerk_domain::{CurrencyId, Digest, FillState, Liquidity, Money, OrderId, Price, Qty, SlotIndex};

/// A fill as it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Execution {
    /// Which order.
    pub order: OrderId,
    /// The venue's id of it.
    pub execution_id: u64,
    /// Price.
    pub price: Price,
    /// Quantity; of a busted fill, what it was.
    pub qty: Qty,
    /// Fee.
    pub fee: Money,
    /// The fee as order and position count it, in the settlement currency.
    pub fee_counted: Money,
    /// Currency of the fee; 0 for the settlement currency.
    pub fee_currency: CurrencyId,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// Booked, busted or corrected.
    pub state: FillState,
    /// Whether there was a rate to count the fee at.
    pub is_fee_counted: bool,
}

impl Execution {
    /// A fill that was just booked, with its fee as it was counted.
    #[inline]
    pub fn booked(fill: &FillReported, fee_counted: i128, is_fee_counted: bool) -> Self {
        let &FillReported { order, execution_id, price, qty, fee, fee_currency, liquidity } = fill;
        let (fee_counted, state) = (Money::new(fee_counted), FillState::Booked);
        Self {
            order,
            execution_id,
            price,
            qty,
            fee,
            fee_counted,
            fee_currency,
            liquidity,
            state,
            is_fee_counted,
        }
    }

    /// Whether `fill` reports what is known already. Of a corrected fill, what it was corrected to is known.
    pub fn is_told_by(&self, fill: &FillReported) -> bool {
        self.as_fill() == *fill
    }

    /// The report that would tell of it as it stands.
    pub fn as_fill(&self) -> FillReported {
        let &Self { order, execution_id, price, qty, fee, fee_currency, liquidity, .. } = self;
        FillReported { order, execution_id, price, qty, fee, fee_currency, liquidity }
    }

    fn hash(&self, place: u32) -> u64 {
        let [fee_high, fee] = words_of(self.fee.get());
        let [counted_high, counted] = words_of(self.fee_counted.get());
        // High words are nearly always the same few; turned apart, they share a word.
        let high = fee_high ^ counted_high.rotate_left(21);
        let [price, qty] = [self.price.0, self.qty.0].map(i64::cast_unsigned);
        let marks = u64::from(self.is_fee_counted) << 16 | (self.liquidity as u64) << 8 | self.state as u64;
        let marks = u64::from(place) << 32 | marks;
        let currency = u64::from(self.fee_currency.0);
        row_hash(TAG, &[self.order.0, self.execution_id, price, qty, high, fee, counted, currency, marks])
    }
}

const TAG: u64 = 0x0501;

/// The newest executions.
#[derive(Debug)]
pub struct Executions {
    rows: Vec<Execution>,
    /// Order and id of each row, packed, so that a row can be forgotten without reading it.
    ids: Vec<(OrderId, u64)>,
    /// Hash of each row as it counts in the digest, packed likewise.
    hashes: Vec<u64>,
    index: SlotIndex,
    /// The place that is written next, once the store is full.
    oldest: usize,
    /// Executions of orders up to this one may have been forgotten.
    forgotten_through: OrderId,
}

impl Default for Executions {
    fn default() -> Self {
        Self::new()
    }
}

impl Executions {
    /// None; all that it ever allocates.
    pub fn new() -> Self {
        Self {
            rows: Vec::with_capacity(EXECUTIONS_MAX),
            ids: Vec::with_capacity(EXECUTIONS_MAX),
            hashes: Vec::with_capacity(EXECUTIONS_MAX),
            index: SlotIndex::new(EXECUTIONS_MAX),
            oldest: 0,
            forgotten_through: OrderId::NONE,
        }
    }

    /// The execution, where it is remembered.
    pub fn by_id(&self, order: OrderId, execution_id: u64) -> Option<&Execution> {
        self.find(order, execution_id).map(|place| self.get(place))
    }

    /// Whether executions of the order may have been booked that are not remembered.
    pub fn may_have_forgotten(&self, order: OrderId) -> bool {
        order <= self.forgotten_through
    }

    /// What decides beside the rows and is counted only when the whole state is digested.
    pub(crate) fn digest(&self) -> u64 {
        row_hash(TAG, &[self.oldest as u64, self.forgotten_through.0])
    }

    /// All that are remembered, in no useful order.
    pub fn remembered(&self) -> impl Iterator<Item = &Execution> {
        self.rows.iter()
    }

    #[inline]
    pub(crate) fn find(&self, order: OrderId, execution_id: u64) -> Option<u32> {
        self.index.find(key(order, execution_id), |place| {
            let row = self.get(place);
            (row.order, row.execution_id) == (order, execution_id)
        })
    }

    pub(crate) fn get(&self, place: u32) -> &Execution {
        &self.rows[place as usize]
    }

    /// Takes a fill in that was booked; the caller has looked that it is not there. The oldest one is forgotten where
    /// the store is full.
    #[inline]
    pub(crate) fn book(&mut self, execution: &Execution, digest: &mut Digest) {
        let id = (execution.order, execution.execution_id);
        let row = if self.rows.len() < EXECUTIONS_MAX {
            self.rows.push(*execution);
            self.ids.push(id);
            self.hashes.push(0);
            self.rows.len() - 1
        } else {
            let row = self.forget_oldest();
            self.rows[row] = *execution;
            self.ids[row] = id;
            row
        };
        let place = place_of(row);
        digest.update(&mut self.hashes[row], execution.hash(place));
        self.index.insert(key(id.0, id.1), place);
    }

    /// Forgets the oldest one and gives its place, whose hash still counts.
    fn forget_oldest(&mut self) -> usize {
        let row = self.oldest;
        self.oldest = (row + 1) % EXECUTIONS_MAX;
        let (order, execution_id) = self.ids[row];
        self.forgotten_through = self.forgotten_through.max(order);
        self.index.remove(key(order, execution_id), place_of(row));
        row
    }

    /// Moves an execution to a state with new values; the move must be allowed.
    pub(crate) fn restate(&mut self, place: u32, to: &Execution, digest: &mut Digest) {
        let row = &mut self.rows[place as usize];
        let (id, from) = (row.execution_id, row.state);
        assert!(is_allowed(from, to.state), "execution {id}: {from} to {}", to.state);
        *row = *to;
        digest.update(&mut self.hashes[place as usize], to.hash(place));
    }
}

tickwerk_domain::persist! {
    Execution {
        order, execution_id, price, qty, fee, fee_counted, fee_currency, liquidity, state, is_fee_counted,
    }
    UnmatchedFill { fill, reason }
}

impl Executions {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { rows, ids: _, hashes: _, index: _, oldest, forgotten_through } = self;
        to.list(rows.iter());
        to.value(oldest);
        to.value(forgotten_through);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let Self { mut ids, mut hashes, mut index, .. } = Self::new();
        let rows: Vec<Execution> = from.list(EXECUTIONS_MAX)?;
        for (place, row) in (0..).zip(&rows) {
            let id = (row.order, row.execution_id);
            let is_there = index.find(key(id.0, id.1), |other| ids[other as usize] == id);
            ensure(is_there.is_none(), Fault::Twice { what: "execution of order", found: id.0.0 })?;
            index.insert(key(id.0, id.1), place);
            ids.push(id);
            hashes.push(row.hash(place));
            sum.add(row.hash(place));
        }
        let (oldest, forgotten_through) = (from.value()?, from.value()?);
        let is_place = if rows.len() < EXECUTIONS_MAX { oldest == 0 } else { oldest < EXECUTIONS_MAX };
        ensure(is_place, Fault::Missing { what: "place of the oldest execution", found: oldest as u64 })?;
        Ok(Self { rows, ids, hashes, index, oldest, forgotten_through })
    }
}

impl UnmatchedFills {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { rows, hashes: _, count } = self;
        to.list(rows.iter());
        to.value(count);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let rows = from.list(UNMATCHED_FILLS_MAX)?;
        let (hashes, count) = (Vec::with_capacity(UNMATCHED_FILLS_MAX), from.value()?);
        let mut loaded = Self { rows, hashes, count };
        let kept = loaded.rows.len() as u64;
        let is_full = loaded.rows.len() == UNMATCHED_FILLS_MAX;
        let is_right = count == kept || is_full && count > kept;
        ensure(is_right, Fault::Broken("not all unmatched fills are there that should be"))?;
        let oldest = loaded.oldest();
        for (place, row) in loaded.rows.iter().enumerate() {
            let later = (place + loaded.rows.len() - oldest) % loaded.rows.len();
            let hash = row.hash(count - kept + later as u64 + 1);
            loaded.hashes.push(hash);
            sum.add(hash);
        }
        Ok(loaded)
    }
}

impl UnmatchedFill {
    /// As the fill that was kept as the `number`th.
    fn hash(&self, number: u64) -> u64 {
        let fill = &self.fill;
        let [fee_high, fee] = words_of(fill.fee.get());
        let marks =
            u64::from(fill.fee_currency.0) << 32 | (fill.liquidity as u64) << 16 | u64::from(self.reason.0);
        let [price, qty] = [fill.price.0, fill.qty.0].map(i64::cast_unsigned);
        let words = [number, fill.order.0, fill.execution_id, price, qty, fee_high, fee, marks];
        row_hash(TAG_UNMATCHED, &words)
    }
}

fn place_of(row: usize) -> u32 {
    u32::try_from(row).expect("EXECUTIONS_MAX fits 32 bits")
}

/// Executions that follow each other stand near each other in the index.
fn key(order: OrderId, execution_id: u64) -> u64 {
    let tag = order.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ execution_id.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    near(order.0).wrapping_add(near(execution_id)) << 32 | tag >> 32
}

/// A fill that was not booked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnmatchedFill {
    /// As it was reported.
    pub fill: FillReported,
    /// Why it was not booked.
    pub reason: ReasonCode,
}

/// Fills that fit no order: kept and raised, never booked.
#[derive(Debug)]
pub struct UnmatchedFills {
    rows: Vec<UnmatchedFill>,
    hashes: Vec<u64>,
    count: u64,
}

impl Default for UnmatchedFills {
    fn default() -> Self {
        Self::new()
    }
}

impl UnmatchedFills {
    /// None; all that it ever allocates.
    pub fn new() -> Self {
        Self {
            rows: Vec::with_capacity(UNMATCHED_FILLS_MAX),
            hashes: Vec::with_capacity(UNMATCHED_FILLS_MAX),
            count: 0,
        }
    }

    /// How many there ever were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Those that are kept, the oldest first.
    pub fn kept(&self) -> impl Iterator<Item = &UnmatchedFill> {
        let (newer, older) = self.rows.split_at(self.oldest());
        older.iter().chain(newer)
    }

    pub(crate) fn has(&self, unmatched: &UnmatchedFill) -> bool {
        self.rows.contains(unmatched)
    }

    pub(crate) fn keep(&mut self, unmatched: UnmatchedFill, digest: &mut Digest) {
        self.count += 1;
        let hash = unmatched.hash(self.count);
        if self.rows.len() < UNMATCHED_FILLS_MAX {
            self.rows.push(unmatched);
            self.hashes.push(0);
            digest.update(&mut self.hashes[self.rows.len() - 1], hash);
        } else {
            // The one kept before it in this place is as many fills back as the store holds.
            let place = (self.oldest() + UNMATCHED_FILLS_MAX - 1) % UNMATCHED_FILLS_MAX;
            self.rows[place] = unmatched;
            digest.update(&mut self.hashes[place], hash);
        }
    }

    /// Place of the oldest row.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is smaller than the store")]
    fn oldest(&self) -> usize {
        if self.rows.len() < UNMATCHED_FILLS_MAX {
            0
        } else {
            (self.count % UNMATCHED_FILLS_MAX as u64) as usize
        }
    }
}

const TAG_UNMATCHED: u64 = 0x0581;

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(order: u64, execution_id: u64) -> FillReported {
        FillReported {
            order: OrderId(order),
            execution_id,
            price: Price(100),
            qty: Qty(5),
            fee: Money::new(3),
            fee_currency: CurrencyId::NONE,
            liquidity: Liquidity::Maker,
        }
    }

    #[test]
    fn a_full_store_forgets_the_oldest_and_says_so() {
        let (mut executions, mut digest) = (Executions::new(), Digest::default());
        let count = EXECUTIONS_MAX as u64;
        for number in 1..=count + 10 {
            executions.book(&Execution::booked(&fill(number, 7), 3, true), &mut digest);
        }
        assert_eq!(executions.remembered().count(), EXECUTIONS_MAX);
        assert!(executions.by_id(OrderId(10), 7).is_none() && executions.by_id(OrderId(11), 7).is_some());
        assert!(executions.by_id(OrderId(count + 10), 7).is_some());
        assert!(executions.by_id(OrderId(count + 10), 8).is_none());
        assert!(executions.may_have_forgotten(OrderId(10)) && !executions.may_have_forgotten(OrderId(11)));
    }

    #[test]
    fn the_kept_unmatched_fills_are_the_newest_and_are_told_oldest_first() {
        let (mut kept, mut digest) = (UnmatchedFills::new(), Digest::default());
        let max = UNMATCHED_FILLS_MAX as u64;
        for extra in [0, 1, 5] {
            while kept.count() < max + extra {
                let next = UnmatchedFill { fill: fill(9, kept.count()), reason: ReasonCode(81) };
                kept.keep(next, &mut digest);
                assert!(kept.has(&next));
            }
            let ids: Vec<_> = kept.kept().map(|unmatched| unmatched.fill.execution_id).collect();
            assert_eq!(ids, (extra..max + extra).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_restated_row_changes_the_digest_and_a_busted_fill_stays_busted() {
        let (mut executions, mut digest) = (Executions::new(), Digest::default());
        executions.book(&Execution::booked(&fill(1, 1), 3, true), &mut digest);
        let before = digest;
        let place = executions.find(OrderId(1), 1).unwrap();
        let busted = Execution { state: FillState::Busted, ..*executions.get(place) };
        executions.restate(place, &busted, &mut digest);
        assert_ne!(digest, before);
        assert!(FillState::ALL.iter().all(|to| !is_allowed(FillState::Busted, *to)));
        assert!(FillState::ALL.iter().all(|to| !is_allowed(FillState::Unmatched, *to)));
    }
}
