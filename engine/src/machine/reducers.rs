//! Orders that may only reduce, once their position has become smaller than they are: they lose what is too much.
//!
//! When they come the risk check keeps them to their position. Later it may shrink without them, by another order, a
//! fill that is taken back or a reconciliation; then the newest lose first, by a replace or a cancel. What fills at the
//! venue before that arrives is booked as it happened.

use super::Machine;
use super::continuations::STEPS_PER_COMMAND_MAX;
use crate::limits::INSTRUMENTS_MAX;
use crate::orders::Terms;
use crate::orders::terms::Owed;
use tickwerk_domain::{AccountId, InstrumentId, OrderId, PositionSide, Side};

impl Machine {
    /// Counts an order that may only reduce, or no longer, so that nothing is looked for where there is none. The number
    /// follows from the open orders, so it is in no digest.
    pub(super) fn count_reducer(&mut self, slot: u32, is_counted: bool) {
        let order = self.orders.get(slot);
        let place = order.account.0 as usize * INSTRUMENTS_MAX + order.instrument.0 as usize;
        if self.orders.terms(slot).is_some_and(Terms::must_reduce) {
            let count = &mut self.reducers[place];
            *count = if is_counted { *count + 1 } else { *count - 1 };
        }
    }

    /// The numbers as they follow from the orders.
    pub(super) fn reducers_anew(&self) -> Box<[u32]> {
        let mut reducers: Box<[u32]> = vec![0; self.reducers.len()].into();
        for order in self.orders.open().filter(|order| order.has_terms) {
            let terms = self.orders.terms_by_id(order.id);
            let counts = terms.is_some_and(|terms| terms.is_counted && terms.must_reduce());
            let place = order.account.0 as usize * INSTRUMENTS_MAX + order.instrument.0 as usize;
            reducers[place] += u32::from(counts);
        }
        reducers
    }

    /// Looks, after a position has changed, whether orders that may only reduce it still do.
    #[inline]
    pub(super) fn keep_reducing(&mut self, account: AccountId, instrument: InstrumentId, of: PositionSide) {
        if self.reducers[account.0 as usize * INSTRUMENTS_MAX + instrument.0 as usize] != 0 {
            self.cut_reducers(account, instrument, of);
        }
    }

    /// The oldest keep what there is to reduce; where very many orders are open, it is the oldest that are looked at.
    #[cold]
    fn cut_reducers(&mut self, account: AccountId, instrument: InstrumentId, of: PositionSide) {
        let held = self.positions.of(account, instrument, of).qty;
        let lot = self.instrument(instrument).map_or(1, |known| known.definition.lot_size.0);
        let (mut buys, mut sells) = (held.saturating_neg().max(0), held.max(0));
        let mut next = self.orders.first_own_from(account, instrument, OrderId::NONE);
        let mut steps = 0;
        while let Some(slot) = next.filter(|_| steps < STEPS_PER_COMMAND_MAX) {
            steps += 1;
            next = self.orders.next_own(slot);
            let order = self.orders.get(slot);
            let counted = self.orders.terms(slot).filter(|terms| terms.is_counted && terms.must_reduce());
            let Some(terms) = counted.filter(|_| order.position_side == of) else {
                continue;
            };
            // A smaller quantity that is on its way counts.
            let asked = terms.replacement.map_or(order.qty, |new| new.qty.min(order.qty));
            let left = asked.0.saturating_sub(order.cum_qty.0).saturating_sub(terms.lost.0);
            let room = if order.side == Side::Buy { &mut buys } else { &mut sells };
            let over = left.saturating_sub(*room).max(0);
            *room = room.saturating_sub(left).max(0);
            if over > 0 {
                // What stays is a multiple of the lot.
                let over = over.saturating_add(lot - 1) / lot * lot;
                let lost = &mut self.orders.terms_mut(slot).lost.0;
                *lost = lost.saturating_add(over);
                self.orders.owe(slot, Owed::Resize, &mut self.digest);
            }
        }
    }
}
