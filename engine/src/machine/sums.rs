//! What open orders add up to: the open quantity of positions, what accounts tie up, and how many orders are open.
//!
//! Invariant: each sum is that over the open orders that count in it. A held order may count among the open ones alone,
//! see `held.rs`; a replace on its way counts at the worse of both terms.

use super::Machine;
use crate::risk::exposure::{Reservation, margin, margin_mark, spot_reservation};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{InstrumentKind, OrderStatus, Qty, StrategyId};

impl Machine {
    /// Takes an order into all sums; without a reservation it ties up what it needs at the price of its last one.
    pub(super) fn count(&mut self, slot: u32, reservation: Option<Reservation>) {
        let order = self.orders.get_mut(slot);
        if let Some(reservation) = reservation {
            order.reserve_price = reservation.price;
        }
        let (account, instrument, strategy, side) =
            (order.account, order.instrument, order.strategy, order.side);
        let (leaves, has_terms, price) = (order.leaves().0, order.has_terms, order.price);
        let position_side = order.position_side;
        if has_terms {
            self.orders.terms_mut(slot).is_counted = true;
            self.count_reducer(slot, true);
        }
        let was_empty = !self.positions.has_open(account, instrument, side);
        self.resting.note(account, instrument, side, price, was_empty);
        *self.positions.of_mut(account, instrument, position_side).open_mut(side) += leaves;
        self.count_open(slot);
        match reservation {
            Some(reservation) => self.tie_up(slot, reservation),
            None => self.tie_up_again(slot),
        }
        self.positions.rehash(account, instrument, &mut self.digest);
        self.note_pending(strategy, side.sign() * leaves);
    }

    /// Counts an order among the open ones of its account, and nowhere else.
    pub(super) fn count_open(&mut self, slot: u32) {
        let account = self.orders.get(slot).account;
        self.accounts.account_mut(account).open_orders += 1;
        self.accounts.rehash_account(account, &mut self.digest);
    }

    /// Takes an open order out of all sums that it is in.
    pub(super) fn uncount(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let (account, instrument, strategy, side) =
            (order.account, order.instrument, order.strategy, order.side);
        let (has_terms, counted) = (order.has_terms, self.counted_leaves(slot));
        let position_side = order.position_side;
        let leaves = counted - self.extra_open(slot);
        assert!(has_terms, "only an order with terms can be open and count nowhere");
        if std::mem::replace(&mut self.orders.terms_mut(slot).is_counted, false) {
            self.count_reducer(slot, false);
        }
        *self.positions.of_mut(account, instrument, position_side).open_mut(side) -= counted;
        self.accounts.account_mut(account).open_orders -= 1;
        self.accounts.rehash_account(account, &mut self.digest);
        self.note_pending(strategy, -side.sign() * leaves);
        self.tie_up_again(slot);
        self.positions.rehash(account, instrument, &mut self.digest);
    }

    /// What an open order adds to the open quantity of its position: a replace on its way at its worst.
    fn counted_leaves(&self, slot: u32) -> i64 {
        let is_counted = self.orders.terms(slot).is_none_or(|terms| terms.is_counted);
        if is_counted { self.orders.get(slot).leaves().0 + self.extra_open(slot) } else { 0 }
    }

    fn extra_open(&self, slot: u32) -> i64 {
        let terms = self.orders.terms(slot).filter(|terms| terms.is_counted);
        terms.and_then(|terms| terms.replacement).map_or(0, |new| new.extra_open)
    }

    /// Books what an order ties up: its own amount for spot, the margin of its position for contracts. The caller
    /// rehashes the position when it is through with it.
    pub(super) fn tie_up(&mut self, slot: u32, reservation: Reservation) {
        let order = self.orders.get(slot);
        let (account, instrument, reserved) = (order.account, order.instrument, order.reserved);
        let position_side = order.position_side;
        let kind = self.instrument(instrument).map(|known| known.definition.kind);
        match kind {
            Some(InstrumentKind::Spot) => {
                let change = reservation.amount - reserved;
                self.accounts.reserve(account, reservation.currency, change, &mut self.digest);
                let row = self.orders.get_mut(slot);
                (row.reserved, row.reserved_currency) = (reservation.amount, reservation.currency);
            }
            Some(InstrumentKind::Linear | InstrumentKind::Inverse) => {
                let position = self.positions.of_mut(account, instrument, position_side);
                let change = reservation.amount - position.margin;
                position.margin = reservation.amount;
                self.accounts.reserve(account, reservation.currency, change, &mut self.digest);
            }
            None => {}
        }
    }

    /// Ties up what an order and its position need now, after a fill, a replace or an end.
    pub(super) fn tie_up_again(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let Some(known) = self.instrument(order.instrument) else {
            return;
        };
        let definition = &known.definition;
        let reservation = match definition.kind {
            InstrumentKind::Spot => {
                let terms = self.orders.terms(slot);
                let is_counted = terms.is_none_or(|terms| terms.is_counted);
                let (leaves, price) =
                    (if is_counted { order.leaves() } else { Qty::ZERO }, order.reserve_price);
                let nothing = Reservation { amount: 0, currency: order.reserved_currency, price };
                let needed = |price, leaves: Qty| {
                    if leaves <= Qty::ZERO {
                        return nothing;
                    }
                    // No more is left than what passed the check, so its value fits.
                    spot_reservation(definition, known.base_factor, order.side, price, leaves)
                        .unwrap_or(nothing)
                };
                let today = needed(price, leaves);
                // While a replace is on its way, the worse of both counts.
                let is_open = is_counted && !order.status.is_done();
                let replacement = terms.and_then(|terms| terms.replacement).filter(|_| is_open);
                let later =
                    replacement.map(|new| needed(new.reserve_price, Qty(new.qty.0 - order.cum_qty.0)));
                let amount = later.map_or(today.amount, |later| later.amount.max(today.amount));
                Reservation { amount, ..today }
            }
            InstrumentKind::Linear | InstrumentKind::Inverse => {
                let mark = margin_mark(self.market(order.instrument).reference_twice(), order.reserve_price);
                let position = self.positions.of(order.account, order.instrument, order.position_side);
                let amount = margin(definition, position, mark).unwrap_or(position.margin);
                Reservation { amount, currency: definition.settlement, price: mark }
            }
        };
        self.tie_up(slot, reservation);
    }

    /// Ends an order: what it tied up is free again. The caller rehashes the position when it is through with it.
    pub(super) fn finish(&mut self, slot: u32, status: OrderStatus) {
        let order = self.orders.get(slot);
        let (account, instrument, strategy, side) =
            (order.account, order.instrument, order.strategy, order.side);
        let (has_terms, leaves, counted) = (order.has_terms, order.leaves().0, self.counted_leaves(slot));
        let position_side = order.position_side;
        *self.positions.of_mut(account, instrument, position_side).open_mut(side) -= counted;
        self.orders.set_status(slot, status);
        if status == OrderStatus::Filled {
            // A cancel that the core had asked for came too late.
            self.orders.get_mut(slot).reason = ReasonCode::default();
        }
        self.accounts.account_mut(account).open_orders -= 1;
        self.accounts.rehash_account(account, &mut self.digest);
        self.note_pending(strategy, -side.sign() * leaves);
        self.tie_up_again(slot);
        if has_terms {
            self.rare_end(slot, status);
        }
    }

    /// What a strategy's open orders would add changes.
    pub(super) fn note_pending(&mut self, strategy: StrategyId, change: i64) {
        if let Some(slot) = self.strategies.get_mut(strategy.0 as usize).and_then(Option::as_mut) {
            slot.pending += change;
            self.rehash_strategy(strategy.0 as usize);
        }
    }
}
