//! Breakers at work: what trips them, what arms them again.
//!
//! Losses are watched when an order comes, after a fill and when an account is marked; silent feeds when an order comes.
//! The day begins at midnight UTC of the journaled time, with what was known before the first command of the day.

use super::{Machine, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX, STRATEGIES_MAX};
use crate::risk::account_exposure::mark_of;
use crate::risk::alerts::Thresholds;
use crate::risk::breakers::{Breaker, is_allowed};
use crate::risk::settings::{Effective, bit};
use crate::risk::subjects::{SubjectId, Worth};
use tickwerk_domain::command::BreakerReset;
use tickwerk_domain::event::BreakerChanged;
use tickwerk_domain::{
    AccountId, BreakerKind, BreakerState, DurationNs, InstrumentId, InstrumentKind, LimitKind, Money, Qty,
    Rate, Reject, Stamp, StrategyId, TimeNs, TimerKind,
};

/// Limits of what an account or strategy is worth.
pub(super) const OF_WORTH: u32 = bit(LimitKind::DailyLoss) | bit(LimitKind::Drawdown);
/// Events that what is watched leaves to what follows in the same command: an order with all that it causes. What finds
/// no room is seen again with the next order or fill.
pub(super) const ROOM_KEPT: usize = 16;

impl Machine {
    /// Watches, before an order or replace is decided on, what may have tripped since.
    #[inline]
    pub(super) fn watch_before(
        &mut self,
        account: AccountId,
        strategy: StrategyId,
        instrument: InstrumentId,
        out: &mut EventBuffer,
    ) {
        const WATCHED: u32 = OF_WORTH | bit(LimitKind::StaleFeed);
        if !self.settings.asks(WATCHED) {
            return;
        }
        self.for_parties(account, strategy, |machine, id| {
            if machine.limits_of(id).has_any(WATCHED) {
                machine.watch_feed(id, instrument, out);
                machine.watch_worth(id, out);
            }
        });
    }

    /// The limits of an account by itself, or of a strategy.
    #[inline]
    pub(super) fn limits_of(&self, id: SubjectId) -> &Effective {
        match id {
            SubjectId::Account(account) => self.settings.effective(account, InstrumentId::NONE),
            SubjectId::Strategy(strategy) => self.settings.strategy(strategy),
        }
    }

    /// The least values at which alerts of an account by itself, or of a strategy, are raised.
    fn thresholds_of(&self, id: SubjectId) -> &Thresholds {
        match id {
            SubjectId::Account(account) => self.settings.thresholds(account, InstrumentId::NONE),
            SubjectId::Strategy(strategy) => self.settings.strategy_thresholds(strategy),
        }
    }

    fn watch_feed(&mut self, id: SubjectId, instrument: InstrumentId, out: &mut EventBuffer) {
        let Some(limit) = self.limits_of(id).get(LimitKind::StaleFeed) else { return };
        if !is_in_range(instrument.0, INSTRUMENTS_MAX) || self.instrument(instrument).is_none() {
            return;
        }
        let silence = self.now.since(self.market(instrument).observed_at).0;
        if silence >= limit.unsigned_abs() {
            self.trip(id, BreakerKind::StaleFeed, limit.into(), silence.into(), out);
        }
    }

    /// Watches what an account or strategy is worth; also to be called when an account is marked.
    #[inline]
    pub(super) fn watch_worth(&mut self, id: SubjectId, out: &mut EventBuffer) {
        if self.limits_of(id).has_any(OF_WORTH)
            && let Some(now) = self.worth_of(id)
            && !self.subjects.get(id).is_quiet(now, self.settings.version())
        {
            self.watch_worth_closely(id, now, out);
        }
    }

    #[inline(never)]
    fn watch_worth_closely(&mut self, id: SubjectId, now: i128, out: &mut EventBuffer) {
        let limits = self.limits_of(id);
        let (daily_loss, drawdown) = (limits.get(LimitKind::DailyLoss), limits.get(LimitKind::Drawdown));
        let known = self.subjects.get(id).worth;
        let worth =
            known.map_or(Worth { day: now, peak: now }, |known| Worth { peak: known.peak.max(now), ..known });
        if known != Some(worth) {
            self.subjects.get_mut(id).worth = Some(worth);
            self.subjects.commit_state(id, &mut self.digest);
        }
        let loss = worth.loss(now);
        if let Some(limit) = daily_loss.map(i128::from)
            && loss >= limit
        {
            self.trip(id, BreakerKind::DailyLoss, limit, loss, out);
        }
        if let Some(limit) = drawdown
            && worth.has_fallen(now, limit)
        {
            self.trip(id, BreakerKind::Drawdown, limit.into(), worth.fall(now), out);
        }
        let thresholds = self.thresholds_of(id);
        let least_of = |kind, limit: Option<i64>| limit.unwrap_or(i64::MAX).min(thresholds.least(kind));
        let most_lost = least_of(LimitKind::DailyLoss, daily_loss);
        let most_fallen = least_of(LimitKind::Drawdown, drawdown);
        if let Some(least) = worth.least_quiet(most_lost, most_fallen) {
            self.subjects.keep_quiet(id, self.settings.version(), least, worth.peak);
        }
    }

    /// Equity of an account, or what a strategy's fills brought in with what it holds, in the reference currency.
    pub(super) fn worth_of(&self, id: SubjectId) -> Option<i128> {
        let strategy = match id {
            SubjectId::Account(account) => return self.equity_known(account),
            SubjectId::Strategy(strategy) => strategy,
        };
        let slot = self.strategies.get(strategy.0 as usize)?.as_ref()?;
        let definition = &self.instrument(slot.instrument)?.definition;
        let held = if slot.held == 0 {
            0
        } else {
            let mark = mark_of(self.market(slot.instrument))?;
            let value = definition.value_posted(mark, Qty(slot.held.saturating_abs()))?;
            let is_gain = (slot.held > 0) != (definition.kind == InstrumentKind::Inverse);
            if is_gain { value } else { -value }
        };
        self.in_reference(definition.settlement, self.subjects.get(id).flow.checked_add(held)?)
    }

    /// Trips a breaker that is armed.
    pub(super) fn trip(
        &mut self,
        id: SubjectId,
        kind: BreakerKind,
        limit: i128,
        observed: i128,
        out: &mut EventBuffer,
    ) {
        if self.subjects.get(id).breaker(kind).state != BreakerState::Armed || out.room() <= ROOM_KEPT {
            return;
        }
        let cool_down = self.limits_of(id).get(LimitKind::CoolDown);
        let until = cool_down.map(|span| self.now.saturating_add(DurationNs(span.unsigned_abs())));
        let subject = id.timer_subject(kind);
        // Without room for a timer only a command arms it again.
        let until = until
            .filter(|until| self.timers.set(*until, TimerKind::BreakerCooled, subject, &mut self.digest));
        let state = if until.is_some() { BreakerState::Cooling } else { BreakerState::Tripped };
        let until = until.unwrap_or(TimeNs::UNKNOWN);
        self.change_breaker(id, kind, Breaker { state, limit, observed, until }, out);
    }

    fn change_breaker(&mut self, id: SubjectId, kind: BreakerKind, to: Breaker, out: &mut EventBuffer) {
        let from = self.subjects.get_mut(id).set_breaker(kind, to).state;
        assert!(is_allowed(from, to.state), "breaker {kind}: {from} to {}", to.state);
        self.subjects.commit_state(id, &mut self.digest);
        let (account, strategy) = self.owner_of(id);
        let changed = BreakerChanged {
            limit: Money::new(to.limit),
            observed: Money::new(to.observed),
            until: to.until,
            limits_version: self.settings.version(),
            account,
            strategy,
            kind,
            from,
            state: to.state,
        };
        self.push_account(account, changed, out);
    }

    /// The account whose stream tells of a subject, and the strategy, where it is one.
    pub(super) fn owner_of(&self, id: SubjectId) -> (AccountId, StrategyId) {
        match id {
            SubjectId::Account(account) => (account, StrategyId::NONE),
            SubjectId::Strategy(strategy) => {
                let slot = self.strategies.get(strategy.0 as usize).and_then(Option::as_ref);
                (slot.map_or(AccountId::NONE, |slot| slot.account), strategy)
            }
        }
    }

    /// Arms a breaker again; it counts from here.
    fn arm(&mut self, id: SubjectId, kind: BreakerKind, out: &mut EventBuffer) {
        self.timers.take_away(TimerKind::BreakerCooled, id.timer_subject(kind), &mut self.digest);
        let now = self.worth_of(id);
        let row = self.subjects.get_mut(id);
        match kind {
            BreakerKind::DailyLoss => {
                row.worth = row.worth.zip(now).map(|(worth, day)| Worth { day, ..worth });
            }
            BreakerKind::Drawdown => {
                row.worth = row.worth.zip(now).map(|(worth, peak)| Worth { peak, ..worth });
            }
            BreakerKind::LossStreak => row.losses = 0,
            BreakerKind::OrderToTrade => (row.messages, row.fills) = (0, 0),
            BreakerKind::RejectStorm => row.refusals = 0,
            BreakerKind::StaleFeed => {}
        }
        let breaker = row.breakers[kind as usize];
        self.subjects.commit_flow(id, &mut self.digest);
        let armed = Breaker { state: BreakerState::Armed, until: TimeNs::UNKNOWN, ..breaker };
        self.change_breaker(id, kind, armed, out);
    }

    /// A cool-down is over.
    pub(super) fn breaker_cooled(&mut self, stamp: Stamp, subject: u64, out: &mut EventBuffer) {
        let Some((id, kind)) = SubjectId::of_timer(subject) else { return };
        let breaker = self.subjects.get(id).breaker(kind);
        if breaker.state == BreakerState::Cooling && breaker.until <= stamp.time_ns {
            self.arm(id, kind, out);
        }
    }

    /// Arms breakers by command; one that is armed already is refused, for all accounts only where none is tripped.
    pub(super) fn reset_breaker(&mut self, reset: &BreakerReset, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        let problem = if reset.strategy.is_none() {
            self.check_scope(reset.account, InstrumentId::NONE, StrategyId::NONE).err()
        } else {
            self.check_scope(AccountId::NONE, InstrumentId::NONE, reset.strategy).err().or_else(|| {
                let (owner, _) = self.owner_of(SubjectId::Strategy(reset.strategy));
                let is_owned = reset.account.is_none() || reset.account == owner;
                (!is_owned).then_some((Reject::ScopeInvalid, i64::from(reset.account.0)))
            })
        };
        if let Some((reason, value)) = problem {
            self.refuse(&(*reset).into(), reason, value, out);
            return version;
        }
        let (first, count) = match (reset.account.0, reset.strategy.0) {
            (0, 0) => (0, ACCOUNTS_MAX),
            (account, 0) => (account, 1),
            (_, _) => (0, 1),
        };
        let mut is_any = false;
        for account in (first..).take(count).map(AccountId) {
            let id = if reset.strategy.is_none() {
                SubjectId::Account(account)
            } else {
                SubjectId::Strategy(reset.strategy)
            };
            if self.subjects.get(id).breaker(reset.kind).state != BreakerState::Armed {
                self.arm(id, reset.kind, out);
                is_any = true;
            }
        }
        if !is_any {
            self.refuse(&(*reset).into(), Reject::IllegalMove, 0, out);
        }
        version
    }

    /// What losses were counted from is forgotten: it was in another reference currency.
    pub(super) fn forget_watched_worths(&mut self) {
        for id in subjects() {
            if self.subjects.get(id).worth.is_some() {
                self.subjects.get_mut(id).worth = None;
                self.subjects.commit_state(id, &mut self.digest);
            }
        }
    }

    /// A new day begins: what is counted by the day starts again from what is known now.
    pub(super) fn restart_risk_day(&mut self) {
        for id in subjects() {
            let row = self.subjects.get(id);
            if row.worth.is_some() {
                let now = self.worth_of(id);
                let row = self.subjects.get_mut(id);
                row.worth = row.worth.zip(now).map(|(worth, day)| Worth { day, ..worth });
                self.subjects.commit_state(id, &mut self.digest);
            }
            let row = self.subjects.get_mut(id);
            if (row.messages, row.fills) != (0, 0) {
                (row.messages, row.fills) = (0, 0);
                self.subjects.commit_flow(id, &mut self.digest);
            }
        }
    }
}

/// All accounts, then all strategies.
fn subjects() -> impl Iterator<Item = SubjectId> {
    let accounts = (0..).take(ACCOUNTS_MAX).map(|number| SubjectId::Account(AccountId(number)));
    let strategies = (0..).take(STRATEGIES_MAX).map(|number| SubjectId::Strategy(StrategyId(number)));
    accounts.chain(strategies)
}

impl Worth {
    /// What was lost since the day began.
    pub(super) fn loss(&self, now: i128) -> i128 {
        self.day.saturating_sub(now)
    }

    /// The least worth at which neither the loss nor the fall is as large as given, both being positive. `None` where
    /// that cannot be told.
    fn least_quiet(&self, loss: i64, fall: i64) -> Option<i128> {
        let by_loss = self.day.saturating_sub(i128::from(loss)).saturating_add(1);
        let Ok(peak) = u64::try_from(self.peak.max(0)) else { return None };
        // A fall of nothing is none.
        let whole = u128::from(Rate::ONE.0.unsigned_abs());
        let fallen = (u128::from(peak) * u128::from(fall.unsigned_abs())).div_ceil(whole);
        let by_fall = i128::try_from(fallen).ok().filter(|_| peak > 0);
        Some(by_fall.map_or(by_loss, |fallen| by_loss.max(self.peak - fallen + 1)))
    }

    /// Whether [`Self::fall`] is at least `least`, which is positive; without a division where all fits 64 bits.
    #[inline]
    pub(super) fn has_fallen(&self, now: i128, least: i64) -> bool {
        let fallen = self.peak.saturating_sub(now);
        if fallen <= 0 {
            return false;
        }
        match (u64::try_from(self.peak), u64::try_from(fallen)) {
            (Ok(0), _) => false,
            (Ok(peak), Ok(fallen)) => {
                let scaled = u128::from(fallen) * u128::from(Rate::ONE.0.unsigned_abs());
                scaled >= u128::from(peak) * u128::from(least.unsigned_abs())
            }
            (Ok(_) | Err(_), Ok(_) | Err(_)) => self.fall(now) >= i128::from(least),
        }
    }

    /// The fall from the highest as a fraction of it, in units of 10⁻⁸, rounded down; none of nothing.
    pub(super) fn fall(&self, now: i128) -> i128 {
        let fallen = self.peak.saturating_sub(now);
        if self.peak <= 0 || fallen <= 0 {
            return 0;
        }
        // Scaled down together, so that the product fits.
        let shift = (128 - fallen.leading_zeros()).saturating_sub(90);
        (fallen >> shift) * i128::from(Rate::ONE.0) / (self.peak >> shift).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_quiet_is_no_loss_and_no_fall(
            peak in prop_oneof![-5..1_000_i128, 0..1_i128 << 62, any::<i128>()],
            below in 0..1_000_i128,
            near in -2..3_i128,
            limits in (prop_oneof![1..100_i64, 1..=i64::MAX], prop_oneof![1..=Rate::ONE.0, 1..=i64::MAX]),
        ) {
            let worth = Worth { day: peak.saturating_sub(below), peak };
            if let Some(least) = worth.least_quiet(limits.0, limits.1) {
                for now in [least, least.saturating_add(near), peak].map(|now| now.min(peak)) {
                    if now >= least {
                        prop_assert!(worth.loss(now) < i128::from(limits.0));
                        prop_assert!(!worth.has_fallen(now, limits.1));
                    }
                }
            }
        }

        #[test]
        fn a_fall_is_seen_with_and_without_a_division(
            peak in prop_oneof![-5..1_000_i128, 0..1_i128 << 70, any::<i128>()],
            now in prop_oneof![-5..1_000_i128, 0..1_i128 << 70, any::<i128>()],
            near in -2..3_i64,
            least in 1..=i64::MAX,
        ) {
            let worth = Worth { day: 0, peak };
            let close = i64::try_from(worth.fall(now)).unwrap_or(i64::MAX).saturating_add(near).max(1);
            for least in [least, close] {
                prop_assert_eq!(worth.has_fallen(now, least), worth.fall(now) >= i128::from(least));
            }
        }
    }
}
