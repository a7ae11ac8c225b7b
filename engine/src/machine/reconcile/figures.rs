//! Balances and positions that a venue states, and positions that it leaves out.
//!
//! A position is left out where the run stated others and all of it stands at the run's venue, as far as its fills tell:
//! one that was made at two venues, or at another, says nothing about this view. Neither does one that a fill has changed
//! since the start, nor one whose statement was refused. A spot position is not compared where it is not stated: venues
//! tell of it as a balance.
//!
//! A balance that is not stated stays as it is: the account's money need not all be at this venue.

use super::super::{Continuation, Machine, is_in_range};
use super::EVENTS_PER_END;
use crate::event_buffer::EventBuffer;
use crate::limits::{CURRENCIES_MAX, INSTRUMENTS_MAX};
use crate::machine::fills::leg;
use tickwerk_domain::command::{VenueBalanceStated, VenuePositionStated};
use tickwerk_domain::event::{LedgerBook, ReconcileDiffered};
use tickwerk_domain::{
    AccountId, CurrencyId, DifferenceKind, InstrumentId, InstrumentKind, Money, OrderId, PositionSide, Price,
    Qty, ReconcileAction, Reject,
};

impl Machine {
    pub(in crate::machine) fn on_balance_stated(
        &mut self,
        stated: &VenueBalanceStated,
        out: &mut EventBuffer,
    ) -> u64 {
        let (account, currency) = (stated.account, stated.currency);
        let version = match self.statement(&(*stated).into(), account, stated.run, out) {
            Ok(version) => version,
            Err(version) => return version,
        };
        let is_known = is_in_range(currency.0, CURRENCIES_MAX) && self.accounts.currency(currency).is_some();
        let ours = if is_known { self.accounts.balance(account, currency).cash } else { 0 };
        if let Err(reason) = self.adjust_balance(account, currency, stated.cash.get(), out) {
            self.refuse(&(*stated).into(), reason, i64::from(currency.0), out);
            return version;
        }
        self.reconciliations.change(account, &mut self.digest, |row| {
            row.figures = row.figures.saturating_add(1);
            row.balances |= 1 << currency.0;
        });
        if ours != stated.cash.get() {
            let differed = ReconcileDiffered {
                ours: Money::new(ours),
                theirs: stated.cash,
                run: stated.run,
                order: OrderId::NONE,
                venue_order_id: 0,
                account,
                instrument: InstrumentId::NONE,
                currency,
                kind: DifferenceKind::Balance,
                action: ReconcileAction::Adjusted,
            };
            self.differ(differed, out);
        }
        version
    }

    pub(in crate::machine) fn on_position_stated(
        &mut self,
        stated: &VenuePositionStated,
        out: &mut EventBuffer,
    ) -> u64 {
        let (account, instrument) = (stated.account, stated.instrument);
        let version = match self.statement(&(*stated).into(), account, stated.run, out) {
            Ok(version) => version,
            Err(version) => return version,
        };
        let known = is_in_range(instrument.0, INSTRUMENTS_MAX) && self.instrument(instrument).is_some();
        if !known {
            self.refuse(&(*stated).into(), Reject::UnknownInstrument, i64::from(instrument.0), out);
            return version;
        }
        let sides = self.positions.sides(account);
        if !sides.contains(&stated.side) {
            // Which side is meant is not known, so neither is left out.
            self.reconciliations.change(account, &mut self.digest, |row| {
                for side in sides {
                    row.spare_position(instrument, *side);
                }
            });
            self.refuse(&(*stated).into(), Reject::PositionModeInvalid, i64::from(instrument.0), out);
            return version;
        }
        self.reconciliations.change(account, &mut self.digest, |row| {
            row.figures = row.figures.saturating_add(1);
            row.has_positions = true;
        });
        self.compare_position(stated, out);
        version
    }

    /// Sets a position to what the venue says, where it differs.
    fn compare_position(&mut self, stated: &VenuePositionStated, out: &mut EventBuffer) {
        let &VenuePositionStated { run, qty, price, account, instrument, side } = stated;
        self.reconciliations.spare_position((account, instrument, side), &mut self.digest);
        let ours = self.positions.of(account, instrument, side).qty;
        if ours == qty.0 {
            return;
        }
        let adjusted = self.adjust_position(account, instrument, side, qty, price, out);
        let venue = self.reconciliations.of(account).map(|going_on| going_on.venue);
        if let (Ok(()), Some(venue)) = (adjusted, venue) {
            self.positions.note_venue((account, instrument, side), ours == 0, venue, &mut self.digest);
        }
        let differed = ReconcileDiffered {
            ours: Money::new(i128::from(ours)),
            theirs: Money::new(i128::from(qty.0)),
            run,
            order: OrderId::NONE,
            venue_order_id: 0,
            account,
            instrument,
            currency: CurrencyId::NONE,
            kind: DifferenceKind::Position,
            action: adjusted.map_or(ReconcileAction::Raised, |()| ReconcileAction::Adjusted),
        };
        self.differ(differed, out);
    }

    /// Compares the positions that the venue left out with zero, as many as fit, in order of instrument and side; the
    /// rest goes on later. The reconciliation is complete with the last.
    pub(super) fn flatten_unstated(&mut self, from: Continuation, out: &mut EventBuffer) {
        let account = from.scope.account;
        // What is compared is spared from then on, so the first that is left is the next.
        while let Some((instrument, side)) = self.first_unstated(account) {
            if out.room() <= EVENTS_PER_END {
                let mut later = from;
                later.scope.instrument = instrument;
                self.go_on_later(later);
                return;
            }
            self.flatten(account, instrument, side, out);
        }
        self.complete(account, out);
    }

    fn first_unstated(&self, account: AccountId) -> Option<(InstrumentId, PositionSide)> {
        let going_on = self.reconciliations.of(account).filter(|going_on| going_on.has_positions)?;
        let is_left_out = |instrument: InstrumentId, side: PositionSide| {
            self.positions.of(account, instrument, side).qty != 0
                && !going_on.is_position_spared(instrument, side)
                && self.positions.is_all_at(account, instrument, side, going_on.venue)
        };
        let mut contracts = self.positions.open(account).filter(|instrument| self.is_contract(*instrument));
        contracts.find_map(|instrument| {
            let mut sides = self.positions.sides(account).iter().copied();
            sides.find(|side| is_left_out(instrument, *side)).map(|side| (instrument, side))
        })
    }

    fn is_contract(&self, instrument: InstrumentId) -> bool {
        self.instrument(instrument).is_some_and(|known| match known.definition.kind {
            InstrumentKind::Linear | InstrumentKind::Inverse => true,
            InstrumentKind::Spot => false,
        })
    }

    /// Compares a contract's position with zero.
    fn flatten(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: PositionSide,
        out: &mut EventBuffer,
    ) {
        let (Some(&going_on), Some(known)) = (self.reconciliations.of(account), self.instrument(instrument))
        else {
            return;
        };
        let settlement = known.definition.settlement;
        let before = self.accounts.balance(account, settlement).cash;
        let (run, qty, price) = (going_on.run, Qty::ZERO, Price(0));
        let zero = VenuePositionStated { run, qty, price, account, instrument, side };
        self.compare_position(&zero, out);
        let moved = self.accounts.balance(account, settlement).cash - before;
        // A balance that was stated counts in that the position is gone.
        if moved != 0 && going_on.is_balance_stated(settlement) {
            self.post(account, &[leg(settlement, LedgerBook::Adjustment, -moved)], out);
            self.note_worth(account);
        }
    }
}
