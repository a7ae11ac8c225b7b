//! How the trades of one position begin and end, and what a fill that is taken back or corrected makes of them.
//!
//! Amounts are mantissas of the settlement currency, times are microseconds. A trade lasts from nothing to nothing, or
//! through zero to the other side. A fill that is taken back is booked by the engine as its opposite, so money adds up
//! whatever is done here; here its trade becomes what it had been without it:
//!
//! - It goes on where it had ended, ends where nothing is left, and turns to the other side in place.
//! - A trade whose every fill was taken back never was, unless money is left of it (funding that was paid).
//! - Where the fill ended one trade and began the next, both become one again.
//!
//! Bound: the newest trade of a position is the one that changes, whichever one the fill was of, and what a trade took from
//! the one before it can be given back for one trade; so little is remembered of a position. Its beginning and its
//! largest size stay as they were told.

use tickwerk_domain::{OrderId, StrategyId};

/// A trade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Trade {
    /// The change of the position that opened it.
    pub(super) opened_position: u64,
    pub(super) opened_us: u64,
    /// 0 while it is open.
    pub(super) closed_us: u64,
    /// Its last fill.
    pub(super) filled_us: u64,
    pub(super) strategy: StrategyId,
    /// Whether it is long, or was before it ended.
    pub(super) is_long: bool,
    pub(super) qty: i64,
    pub(super) qty_max: i64,
    /// Changes of the position that stand.
    pub(super) changes: i64,
    pub(super) realized: i128,
    pub(super) fees: i128,
    pub(super) funding: i128,
    /// The fill that opened it.
    pub(super) opened_by: (OrderId, u64),
    /// That fill ended the trade before it.
    pub(super) is_flip: bool,
    /// Every fill of it was taken back.
    pub(super) is_void: bool,
}

/// A change of the position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) position: u64,
    pub(super) time_us: u64,
    pub(super) strategy: StrategyId,
    /// The fill that made it, or that it takes back; order 0 where it was none.
    pub(super) fill: (OrderId, u64),
    /// The position behind it.
    pub(super) qty: i64,
    pub(super) realized: i128,
    pub(super) fee: i128,
}

/// What is remembered of a position: its newest trades, open, ended or void.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Trades {
    pub(super) newest: Option<Trade>,
    pub(super) previous: Option<Trade>,
    /// Trades that are remembered no more since the last change: two are newer, or they are void.
    pub(super) left: [Option<Trade>; 2],
}

const TOO_LARGE: &str = "the profit or the fees of a trade are too large";

impl Trade {
    fn opened(by: &Change) -> Self {
        Self {
            opened_position: by.position,
            opened_us: by.time_us,
            filled_us: by.time_us,
            strategy: by.strategy,
            is_long: by.qty > 0,
            qty: by.qty,
            qty_max: by.qty.abs(),
            changes: 1,
            opened_by: by.fill,
            ..Self::default()
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.closed_us != 0 && !self.is_void
    }

    pub(super) fn net(&self) -> i128 {
        self.realized.saturating_sub(self.fees).saturating_add(self.funding)
    }

    pub(super) fn held_us(&self) -> u64 {
        self.closed_us.saturating_sub(self.opened_us)
    }

    /// Takes what a change realised and cost.
    fn earn(&mut self, realized: i128, fee: i128) -> Result<(), &'static str> {
        self.realized = self.realized.checked_add(realized).ok_or(TOO_LARGE)?;
        self.fees = self.fees.checked_add(fee).ok_or(TOO_LARGE)?;
        Ok(())
    }

    /// Stands at `qty` now.
    fn stand(&mut self, qty: i64) {
        self.qty = qty;
        self.qty_max = self.qty_max.max(qty.abs());
        if qty != 0 {
            self.is_long = qty > 0;
        }
    }
}

impl Trades {
    /// A fill, or another change that is none of a restated one.
    pub(super) fn book(&mut self, change: &Change) -> Result<(), &'static str> {
        let Some(mut trade) = self.newest.filter(|trade| trade.qty != 0) else {
            if change.qty != 0 {
                let mut opened = Trade::opened(change);
                opened.earn(change.realized, change.fee)?;
                self.open(opened);
            }
            return Ok(());
        };
        trade.changes += 1;
        trade.filled_us = change.time_us;
        trade.earn(change.realized, change.fee)?;
        let is_through = trade.qty.signum() * change.qty.signum() < 0;
        trade.stand(if is_through { 0 } else { change.qty });
        if trade.qty == 0 {
            trade.closed_us = change.time_us;
        }
        self.newest = Some(trade);
        if is_through {
            self.open(Trade { is_flip: true, ..Trade::opened(change) });
        }
        Ok(())
    }

    /// A fill that is taken back, and with `again` booked anew as it is now.
    pub(super) fn restate(&mut self, back: &Change, again: Option<&Change>) -> Result<(), &'static str> {
        let Some(newest) = self.newest else {
            // Nothing is known of a trade, as of an imported position.
            return self.book(again.unwrap_or(back));
        };
        let is_of_both = newest.is_flip && newest.opened_by == back.fill;
        let mut trade = match self.previous.filter(|_| is_of_both) {
            None => newest,
            Some(previous) => {
                self.left[0] = Some(Trade { is_void: true, ..Trade::emptied(&newest) });
                self.previous = None;
                previous.joined(&newest)?
            }
        };
        trade.earn(back.realized, back.fee)?;
        trade.changes -= 1;
        (trade.closed_us, trade.is_void) = (0, false);
        trade.stand(back.qty);
        self.newest = Some(trade);
        if let Some(again) = again {
            return self.book_again(trade, again);
        }
        self.settle(trade);
        Ok(())
    }

    /// Books what a corrected fill is now, at the time of the last fill.
    fn book_again(&mut self, mut trade: Trade, again: &Change) -> Result<(), &'static str> {
        let again = Change { time_us: trade.filled_us, ..*again };
        if trade.qty != 0 {
            return self.book(&again);
        }
        trade.changes += 1;
        trade.earn(again.realized, again.fee)?;
        trade.stand(again.qty);
        self.settle(trade);
        Ok(())
    }

    /// Funding of an open trade; whether there is one.
    pub(super) fn fund(&mut self, amount: i128) -> Result<bool, &'static str> {
        let Some(trade) = self.newest.as_mut().filter(|trade| trade.qty != 0) else {
            return Ok(false);
        };
        trade.funding = trade.funding.checked_add(amount).ok_or("the funding is too large")?;
        Ok(true)
    }

    /// A restated trade ends where nothing is left, and never was where there is nothing of it.
    fn settle(&mut self, mut trade: Trade) {
        if trade.qty == 0 {
            trade.closed_us = trade.filled_us;
            let has_money = (trade.realized, trade.fees, trade.funding) != (0, 0, 0);
            trade.is_void = trade.changes <= 0 && !has_money;
        }
        self.newest = Some(trade);
        if let Some(previous) = self.previous.filter(|_| trade.is_void) {
            self.left[1] = Some(trade);
            (self.newest, self.previous) = (Some(previous), None);
        }
    }

    fn open(&mut self, trade: Trade) {
        // One that never was is nobody's predecessor.
        let (previous, left) = match self.newest {
            Some(newest) if newest.is_void => (self.previous, Some(newest)),
            newest => (newest, self.previous),
        };
        self.left[1] = left.or(self.left[1]);
        (self.newest, self.previous) = (Some(trade), previous);
    }
}

impl Trade {
    /// Without anything that it was about; another one has that.
    fn emptied(of: &Self) -> Self {
        Self { qty: 0, changes: 0, realized: 0, fees: 0, funding: 0, closed_us: of.filled_us, ..*of }
    }

    /// With all that happened in the next one.
    fn joined(mut self, next: &Self) -> Result<Self, &'static str> {
        self.earn(next.realized, next.fees)?;
        self.funding = self.funding.checked_add(next.funding).ok_or(TOO_LARGE)?;
        // The fill between them counted in both.
        self.changes += next.changes - 1;
        self.qty_max = self.qty_max.max(next.qty_max);
        self.filled_us = next.filled_us;
        Ok(self)
    }
}
