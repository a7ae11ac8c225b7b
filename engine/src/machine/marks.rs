//! Marks: which price, and positions told marked to market at most once an interval.
//!
//! A change of the market or of a position sets the instrument's timer, to the next whole multiple of the interval, and
//! the timer is gone once it fired. So nothing is told that did not change, nothing fires while nobody holds the
//! instrument, and a long silence costs one timer.

use super::{Continuation, Machine};
use crate::event_buffer::EventBuffer;
use crate::risk::subjects::SubjectId;
use tickwerk_domain::command::{MarkObserved, MarkSourceSet};
use tickwerk_domain::event::{AccountMarked, PositionMarked};
use tickwerk_domain::{
    AccountId, ContinueKind, DurationNs, InstrumentId, Money, Qty, Reject, Stamp, TimeNs, TimerKind,
};

/// Events that one account may cause: both sides of a pair and the account itself.
const EVENTS_PER_ACCOUNT_MAX: usize = 3;
/// Longest interval: a day.
const INTERVAL_MAX: DurationNs = DurationNs(super::worth::DAY_NS);

impl Machine {
    pub(super) fn on_mark(&mut self, mark: &MarkObserved, out: &mut EventBuffer) -> u64 {
        if self.instrument(mark.instrument).is_none() {
            self.refuse(&(*mark).into(), Reject::UnknownInstrument, i64::from(mark.instrument.0), out);
            return 0;
        }
        self.memo.note_move(mark.instrument);
        let market = &mut self.markets[mark.instrument.0 as usize];
        market.venue_mark = Some(mark.price);
        market.rehash_mark(&mut self.digest);
        self.arm_mark(mark.instrument);
        self.look_at_triggers(mark.instrument);
        self.next_instrument_version(mark.instrument)
    }

    pub(super) fn set_mark_source(&mut self, setting: &MarkSourceSet, out: &mut EventBuffer) -> u64 {
        let instrument = setting.instrument;
        if self.instrument(instrument).is_none() {
            self.refuse(&(*setting).into(), Reject::UnknownInstrument, i64::from(instrument.0), out);
            return 0;
        }
        if setting.interval > INTERVAL_MAX {
            let value = i64::try_from(setting.interval.0).unwrap_or(i64::MAX);
            self.refuse(&(*setting).into(), Reject::ValueOutOfRange, value, out);
        } else {
            self.memo.note_move(instrument);
            let market = &mut self.markets[instrument.0 as usize];
            (market.mark_source, market.mark_interval) = (setting.source, setting.interval);
            market.rehash_mark(&mut self.digest);
            self.timers.take_away(TimerKind::Mark, u64::from(instrument.0), &mut self.digest);
            self.arm_mark(instrument);
        }
        self.next_instrument_version(instrument)
    }

    /// Something changed that a mark would tell: it is told at the end of the interval. Where the timers are full, the
    /// next change asks again.
    #[inline]
    pub(super) fn arm_mark(&mut self, instrument: InstrumentId) {
        let interval = self.market(instrument).mark_interval;
        if interval.0 != 0 {
            self.set_mark_timer(instrument, interval);
        }
    }

    #[cold]
    fn set_mark_timer(&mut self, instrument: InstrumentId, interval: DurationNs) {
        let subject = u64::from(instrument.0);
        if self.positions.is_held(instrument) && self.timers.due(TimerKind::Mark, subject).is_none() {
            let due = TimeNs((self.now.0 / interval.0 + 1).saturating_mul(interval.0));
            let _is_set = self.timers.set(due, TimerKind::Mark, subject, &mut self.digest);
        }
    }

    /// The interval of an instrument is over: tells the marks of all who hold it.
    pub(super) fn mark_due(&mut self, stamp: Stamp, subject: u64, out: &mut EventBuffer) {
        let instrument = InstrumentId(u32::try_from(subject).unwrap_or(0));
        if self.continuations[ContinueKind::Mark as usize].is_some() {
            // Another instrument's marks are being told; these come at the end of the next interval.
            self.arm_mark(instrument);
        } else if self.instrument(instrument).is_some() {
            let from = Continuation::of_instrument(ContinueKind::Mark, stamp.sequence, instrument);
            self.mark_positions(from, out);
        }
    }

    /// Tells the marks of an instrument, in order of account, as many as fit; the rest goes on later.
    pub(super) fn mark_positions(&mut self, from: Continuation, out: &mut EventBuffer) {
        let mut after = from.after_account();
        for account in self.positions.holders(from.scope.instrument, after) {
            // One event stays free for the digest.
            if out.room() <= EVENTS_PER_ACCOUNT_MAX {
                self.go_on_later(Continuation { after: u64::from(after.0), ..from });
                return;
            }
            self.mark_account(account, from.scope.instrument, out);
            after = account;
        }
        self.continuations[from.kind as usize] = None;
    }

    fn mark_account(&mut self, account: AccountId, instrument: InstrumentId, out: &mut EventBuffer) {
        for side in self.positions.sides(account) {
            let position = *self.positions.of(account, instrument, *side);
            let Some((low, high)) = self.market(instrument).mark().filter(|_| position.qty != 0) else {
                continue;
            };
            let marked = PositionMarked {
                realized_total: Money::new(position.realized),
                unrealized: Money::new(self.unrealized_of(instrument, &position)),
                fees_total: Money::new(position.fees),
                funding_total: Money::new(self.positions.funding(account, instrument, *side)),
                mark_twice: low.0.saturating_add(high.0),
                qty: Qty(position.qty),
                account,
                instrument,
                side: *side,
            };
            let version = self.positions.next_version(account, instrument, *side);
            out.push(version, marked);
            self.positions.rehash(account, instrument, &mut self.digest);
        }
        self.note_worth(account);
        let interval = self.market(instrument).mark_interval.0.max(1);
        let is_told = self.accounts.worth(account).marked_at.0 / interval == self.now.0 / interval;
        if !is_told {
            self.tell_worth(account, out);
        }
        self.watch_worth(SubjectId::Account(account), out);
    }

    /// Tells what an account is worth, where that is known.
    fn tell_worth(&mut self, account: AccountId, out: &mut EventBuffer) {
        let Some((equity, exposure)) = self.equity(account).zip(self.exposure(account)) else {
            return;
        };
        let now = self.now;
        self.accounts.worths.change(account, &mut self.digest, |worth| worth.marked_at = now);
        let worth = self.accounts.worth(account);
        let marked = AccountMarked {
            equity: Money::new(equity),
            gross_exposure: Money::new(exposure.gross),
            net_exposure: Money::new(exposure.net),
            peak_equity: Money::new(worth.peak),
            day_equity: Money::new(worth.day_equity),
            account,
        };
        self.push_account(account, marked, out);
    }
}
