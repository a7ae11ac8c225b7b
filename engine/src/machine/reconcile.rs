//! Reconciliation: the venue states open orders, balances and positions of an account; the core says what differs,
//! does what can be done without inventing anything, and journals both.
//!
//! | difference | what is done |
//! |---|---|
//! | open here, not stated | ended as cancelled, `missing_at_venue` |
//! | stated, unknown or done here | raised |
//! | `CumQty` | raised: fills come as `FillReported`, never from a sum |
//! | price or quantity | the order gets the venue's terms; raised where they cannot be |
//! | a cancel or replace sent before the start did nothing | the order is as it was, and may be asked again |
//! | balance, position | set to the venue's, against the adjustment book |
//! | a position that is not stated where others are | as if the venue had stated zero |
//!
//! Venues leave positions of zero out, so a view that states one position speaks of all that the account has there, and
//! one that states none speaks of no position: orders alone close nothing, and a venue where all is flat states any one
//! as zero. What `figures` tells apart is not compared where it is not stated.
//!
//! The source states a view that holds everything it reported before: fills that it knows come as `FillReported` ahead
//! of the statements that count them in, positions come before balances, and orders sent before the start are in the
//! view or will never be.
//! Orders that went to the venue after the start are spared, and so are those that could be meant where an order is
//! stated without a name that is known here.
//!
//! The same view again finds nothing but what can only be raised. A new run of an account gives an unfinished one up.

mod figures;

use super::{Continuation, Machine, Scope, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::{ACCOUNTS_MAX, VENUES_MAX};
use crate::orders::Order;
use crate::orders::terms::Replacement;
use crate::reconciliation::Reconciliation;
use tickwerk_domain::command::{ReconcileEnded, ReconcileStarted, ReplaceReported, VenueOrderStated};
use tickwerk_domain::event::{ReconcileCompleted, ReconcileDiffered};
use tickwerk_domain::{
    AccountId, Command, ContinueKind, CurrencyId, DifferenceKind, InstrumentId, Money, OrderId, OrderStatus,
    Price, Qty, ReconcileAction, Reject, Sequence, SideFilter, Stamp, StrategyId,
};

/// More events than ending one order causes, alerts included, with those of the completion and the digest.
const EVENTS_PER_END: usize = 24;

impl Machine {
    pub(super) fn start_reconciliation(
        &mut self,
        stamp: Stamp,
        start: &ReconcileStarted,
        out: &mut EventBuffer,
    ) -> u64 {
        let (account, venue) = (start.account, start.venue);
        let known = is_in_range(account.0, ACCOUNTS_MAX) && self.accounts.account(account).is_some();
        if !known {
            self.refuse(&(*start).into(), Reject::UnknownAccount, i64::from(account.0), out);
            return 0;
        }
        let version = self.next_account_record(account);
        if start.run == 0 {
            self.refuse(&(*start).into(), Reject::ValueOutOfRange, 0, out);
        } else if !is_in_range(u32::from(venue.0), VENUES_MAX) {
            self.refuse(&(*start).into(), Reject::UnknownVenue, i64::from(venue.0), out);
        } else if self.reconciliations.account_of(start.run).is_some() {
            self.refuse(&(*start).into(), Reject::DuplicateReport, start.run.cast_signed(), out);
        } else {
            let new = Reconciliation {
                run: start.run,
                venue,
                started: stamp.sequence,
                ..Reconciliation::default()
            };
            self.reconciliations.start(account, new, &mut self.digest);
        }
        version
    }

    /// The version of one more record of an account's stream.
    fn next_account_record(&mut self, account: AccountId) -> u64 {
        let row = self.accounts.account_mut(account);
        row.version += 1;
        let version = row.version;
        self.accounts.rehash_account(account, &mut self.digest);
        version
    }

    /// The version of a statement, where its run is going on; it is refused otherwise.
    fn statement(
        &mut self,
        command: &Command,
        account: AccountId,
        run: u64,
        out: &mut EventBuffer,
    ) -> Result<u64, u64> {
        let is_known = is_in_range(account.0, ACCOUNTS_MAX) && self.accounts.account(account).is_some();
        let version = if is_known { self.next_account_record(account) } else { 0 };
        if is_known && self.reconciliations.of(account).is_some_and(|going_on| going_on.run == run) {
            return Ok(version);
        }
        self.refuse(command, Reject::UnknownReconciliation, run.cast_signed(), out);
        Err(version)
    }

    pub(super) fn on_order_stated(&mut self, stated: &VenueOrderStated, out: &mut EventBuffer) -> u64 {
        let account = stated.account;
        let version = match self.statement(&(*stated).into(), account, stated.run, out) {
            Ok(version) => version,
            Err(version) => return version,
        };
        self.reconciliations.change(account, &mut self.digest, |row| {
            row.orders = row.orders.saturating_add(1);
        });
        let slot = self.orders.find(stated.order).filter(|slot| self.orders.get(*slot).account == account);
        match slot {
            Some(slot) if !self.orders.get(slot).status.is_done() => self.compare_order(slot, stated, out),
            Some(_) => {
                self.differ_in_order(stated, DifferenceKind::OrderUnknown, 0, stated.qty.0, false, out);
            }
            None => {
                let (instrument, side) = (stated.instrument, stated.side);
                self.reconciliations.change(account, &mut self.digest, |row| {
                    row.note_nameless(instrument, side);
                });
                self.differ_in_order(stated, DifferenceKind::OrderUnknown, 0, stated.qty.0, false, out);
            }
        }
        version
    }

    /// Compares an open order with what the venue says of it.
    fn compare_order(&mut self, slot: u32, stated: &VenueOrderStated, out: &mut EventBuffer) {
        let order = *self.orders.get(slot);
        self.reconciliations.spare(order.account, slot, order.id, &mut self.digest);
        let is_same_market = (order.instrument, order.side) == (stated.instrument, stated.side);
        if !is_same_market || order.status == OrderStatus::Held {
            let (ours, theirs) = (order.qty.0, stated.qty.0);
            self.differ_in_order(stated, DifferenceKind::OrderTerms, ours, theirs, false, out);
            return;
        }
        // An acceptance that was lost: the order stands there.
        if !order.is_accepted {
            let accepted = self.accept(slot, stated.venue_order_id, out);
            accepted.expect("it is open and not accepted");
        }
        if order.cum_qty != stated.cum_qty {
            let (ours, theirs) = (order.cum_qty.0, stated.cum_qty.0);
            self.differ_in_order(stated, DifferenceKind::OrderFilled, ours, theirs, false, out);
        }
        // What was asked for since the start may be in the view or not; its answer tells.
        let started = self.reconciliations.of(order.account).map_or(Sequence::NONE, |of| of.started);
        let is_settled = order.requested_at < started;
        let has_limit = order.order_type.has_limit();
        let (other_price, other_qty) = (has_limit && order.price != stated.price, order.qty != stated.qty);
        let is_replace_pending = self.orders.terms(slot).is_some_and(|terms| terms.replacement.is_some());
        if other_price || other_qty {
            let is_restated = (is_settled || !is_replace_pending)
                && stated.qty > stated.cum_qty.max(order.cum_qty)
                && (!has_limit || stated.price.0 > 0)
                && self.replace_confirmed(slot, &self.stated_terms(slot, stated), out).is_ok();
            if other_price {
                let (ours, theirs) = (order.price.0, stated.price.0);
                self.differ_in_order(stated, DifferenceKind::OrderPrice, ours, theirs, is_restated, out);
            }
            if other_qty {
                let (ours, theirs) = (order.qty.0, stated.qty.0);
                self.differ_in_order(stated, DifferenceKind::OrderQuantity, ours, theirs, is_restated, out);
            }
        } else if is_settled && is_replace_pending {
            self.differ_in_request(&order, stated, out);
            self.replace_refused(slot, Reject::RequestLost.code(), out);
        }
        if is_settled && self.orders.get(slot).status == OrderStatus::PendingCancel {
            self.differ_in_request(&order, stated, out);
            let lost = self.cancel_refused(slot, Reject::RequestLost.code(), out);
            lost.expect("a cancel is pending");
        }
        self.orders.commit(slot, &mut self.digest);
    }

    /// A request has done nothing: tells what is open here and there.
    fn differ_in_request(&mut self, order: &Order, stated: &VenueOrderStated, out: &mut EventBuffer) {
        let (ours, theirs) = (order.leaves().0, stated.qty.0.saturating_sub(stated.cum_qty.0));
        self.differ_in_order(stated, DifferenceKind::RequestLost, ours, theirs, true, out);
    }

    /// The order's terms with the price and quantity that are stated; those of a replace that they are the terms of.
    fn stated_terms(&self, slot: u32, stated: &VenueOrderStated) -> ReplaceReported {
        let (order, terms) = (self.orders.get(slot), self.orders.terms(slot));
        let is_meant = |new: &Replacement| (new.price, new.qty) == (stated.price, stated.qty);
        let asked = terms.and_then(|terms| terms.replacement).filter(is_meant);
        let (trigger_price, display_qty) = match (asked, terms) {
            (Some(new), _) => (new.trigger_price, new.display_qty),
            (None, Some(terms)) => (terms.trigger_price, terms.display_qty),
            (None, None) => (Price(0), Qty::ZERO),
        };
        ReplaceReported {
            order: order.id,
            venue_order_id: stated.venue_order_id,
            price: if order.order_type.has_limit() { stated.price } else { order.price },
            qty: stated.qty,
            trigger_price,
            display_qty,
        }
    }

    fn differ_in_order(
        &mut self,
        stated: &VenueOrderStated,
        kind: DifferenceKind,
        ours: i64,
        theirs: i64,
        is_restated: bool,
        out: &mut EventBuffer,
    ) {
        let action = if is_restated { ReconcileAction::Restated } else { ReconcileAction::Raised };
        let differed = ReconcileDiffered {
            ours: Money::new(i128::from(ours)),
            theirs: Money::new(i128::from(theirs)),
            run: stated.run,
            order: stated.order,
            venue_order_id: stated.venue_order_id,
            account: stated.account,
            instrument: stated.instrument,
            currency: CurrencyId::NONE,
            kind,
            action,
        };
        self.differ(differed, out);
    }

    fn differ(&mut self, differed: ReconcileDiffered, out: &mut EventBuffer) {
        self.reconciliations.change(differed.account, &mut self.digest, |row| {
            row.differences = row.differences.saturating_add(1);
        });
        self.push_account(differed.account, differed, out);
    }

    pub(super) fn end_reconciliation(
        &mut self,
        stamp: Stamp,
        end: &ReconcileEnded,
        out: &mut EventBuffer,
    ) -> u64 {
        let version = self.next_system_version();
        match self.reconciliations.account_of(end.run) {
            None => {
                self.refuse(&(*end).into(), Reject::UnknownReconciliation, end.run.cast_signed(), out);
            }
            Some(account) => {
                let scope = Scope {
                    account,
                    instrument: InstrumentId::NONE,
                    strategy: StrategyId::NONE,
                    side: SideFilter::Any,
                };
                let (kind, started_by) = (ContinueKind::Reconcile, stamp.sequence);
                let from = Continuation { kind, after: 0, started_by, next: OrderId::NONE, scope };
                self.end_missing(from, out);
            }
        }
        version
    }

    /// Ends the orders that the venue did not state, as many as fit, in order of id, and compares the positions that it
    /// did not state; the rest goes on later. The scope names an instrument once positions are at hand.
    pub(super) fn end_missing(&mut self, from: Continuation, out: &mut EventBuffer) {
        let account = from.scope.account;
        self.continuations[ContinueKind::Reconcile as usize] = None;
        let Some(&going_on) = self.reconciliations.of(account) else {
            return;
        };
        if !from.scope.instrument.is_none() {
            self.flatten_unstated(from, out);
            return;
        }
        let mut next = self.orders.first_open_from(from.next);
        let (mut after, mut steps) = (from.after, 0);
        while let Some(slot) = next {
            let order = *self.orders.get(slot);
            if order.id.0 >= going_on.started.0 {
                break;
            }
            if out.room() <= EVENTS_PER_END || steps == self.rules.steps_per_command {
                self.go_on_later(Continuation { after, next: order.id, ..from });
                return;
            }
            after = order.id.0;
            steps += 1;
            next = self.orders.next_open(slot);
            if self.is_missing(slot, &order, account, &going_on) {
                self.end_one_missing(slot, &order, &going_on, out);
            }
        }
        self.flatten_unstated(Continuation { after, next: OrderId::NONE, ..from }, out);
    }

    fn is_missing(&self, slot: u32, order: &Order, account: AccountId, of: &Reconciliation) -> bool {
        order.account == account
            && order.venue == of.venue
            && order.status != OrderStatus::Held
            && !self.reconciliations.is_stated(account, slot)
    }

    fn end_one_missing(&mut self, slot: u32, order: &Order, of: &Reconciliation, out: &mut EventBuffer) {
        let may_be_meant = of.has_nameless(order.instrument, order.side);
        let action = if may_be_meant { ReconcileAction::Raised } else { ReconcileAction::Ended };
        let differed = ReconcileDiffered {
            ours: Money::new(i128::from(order.leaves().0)),
            theirs: Money::ZERO,
            run: of.run,
            order: order.id,
            venue_order_id: 0,
            account: order.account,
            instrument: order.instrument,
            currency: CurrencyId::NONE,
            kind: DifferenceKind::OrderMissing,
            action,
        };
        self.differ(differed, out);
        if !may_be_meant && order.cum_qty == order.qty {
            // It was filled whole there, and the replace that might have given it more came too late.
            self.replace_refused(slot, Reject::MissingAtVenue.code(), out);
        } else if !may_be_meant {
            let ended = self.end(slot, OrderStatus::Canceled, Reject::MissingAtVenue.code(), out);
            ended.expect("it is open");
            self.orders.commit(slot, &mut self.digest);
        }
    }

    fn complete(&mut self, account: AccountId, out: &mut EventBuffer) {
        let Some(&of) = self.reconciliations.of(account) else {
            return;
        };
        let Reconciliation { run, orders, figures, differences, venue, .. } = of;
        self.reconciliations.end(account, &mut self.digest);
        self.push_account(
            account,
            ReconcileCompleted { run, orders, figures, differences, account, venue },
            out,
        );
    }
}
