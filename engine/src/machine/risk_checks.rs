//! Where the machine meets the risk rules: what a check reads, and what is counted of orders, cancels, fills and ends.
//!
//! Before an order or replace, the breakers see whether they trip; then [`crate::risk::check`] decides; after it, what
//! happened is counted. Nothing is counted that no limit asks for.

use super::breakers::OF_WORTH;
use super::fills::Executed;
use super::{Machine, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX};
use crate::orders::Order;
use crate::positions::Booked;
use crate::risk::rate::Message;
use crate::risk::self_trade::{Resting, makers, mode_of};
use crate::risk::settings::bit;
use crate::risk::subjects::{SubjectId, Subjects};
use crate::risk::{Approval, Refusal, StrategyView, View, check, check_held};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{
    AccountId, BreakerKind, CurrencyId, InstrumentId, InstrumentKind, LimitKind, PositionChange, Reject,
    SelfTradePrevention, Side, StrategyId,
};

/// Limits that count messages, fills or refusals.
const COUNTED: u32 = bit(LimitKind::OrderRate)
    | bit(LimitKind::ReplaceRate)
    | bit(LimitKind::CancelRate)
    | bit(LimitKind::OrderToTrade)
    | bit(LimitKind::RejectStorm);

/// Limits that look at fills.
const OF_FILLS: u32 = bit(LimitKind::OrderToTrade) | bit(LimitKind::LossStreak) | OF_WORTH;

impl Machine {
    /// What the rules count of accounts and strategies.
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// Best own prices.
    pub(crate) fn resting(&self) -> &Resting {
        &self.resting
    }

    /// Whether an order that counts in no sum may go on, and what it leads to. `message` says what asks for it; none does
    /// where it was let in before.
    pub(super) fn risk_check(
        &self,
        asked: &NewOrder,
        strategy: StrategyId,
        message: Option<Message>,
        is_held: bool,
    ) -> Result<Approval, Refusal> {
        self.with_view(asked, strategy, message, is_held, |view| check(asked, view))?
    }

    /// Whether an order may be held that ties up nothing before it leaves.
    pub(super) fn check_held_order(&self, asked: &NewOrder, strategy: StrategyId) -> Result<(), Refusal> {
        self.with_view(asked, strategy, Some(Message::Order), true, |view| check_held(asked, view))?
    }

    /// Open orders that an order on its way to the venue would meet give way to it.
    pub(super) fn give_way_to(&mut self, slot: u32, out: &mut EventBuffer) {
        let order = self.orders.get(slot);
        let mode = self.self_trade_mode(order.account, order.instrument, order.strategy);
        if mode == SelfTradePrevention::CancelMaker {
            let strategy = order.strategy;
            let sent = self.as_sent(slot);
            self.give_way(&sent, strategy, false, out);
        }
    }

    /// The same for an order as it is asked for; also where it was refused and takes the others along.
    pub(super) fn give_way(
        &mut self,
        asked: &NewOrder,
        strategy: StrategyId,
        is_refused: bool,
        out: &mut EventBuffer,
    ) {
        let wanted =
            if is_refused { SelfTradePrevention::CancelBoth } else { SelfTradePrevention::CancelMaker };
        if self.self_trade_mode(asked.account, asked.instrument, strategy) != wanted {
            return;
        }
        if let Ok(makers) = self.with_view(asked, strategy, None, false, |view| makers(asked, view)) {
            for slot in makers.slots() {
                self.request_cancel(*slot, Reject::SelfTrade, out);
            }
        }
    }

    /// What is set for self-trades, the stricter of both; the numbers rise with what is cancelled.
    fn self_trade_mode(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        strategy: StrategyId,
    ) -> SelfTradePrevention {
        if !self.settings.asks(bit(LimitKind::SelfTrade)) {
            return SelfTradePrevention::Off;
        }
        let own = self.settings.effective(account, instrument).get(LimitKind::SelfTrade);
        mode_of(own.max(self.settings.strategy(strategy).get(LimitKind::SelfTrade)))
    }

    fn with_view<T>(
        &self,
        asked: &NewOrder,
        strategy: StrategyId,
        message: Option<Message>,
        is_held: bool,
        read: impl FnOnce(&View<'_>) -> T,
    ) -> Result<T, Refusal> {
        let unknown_account = Refusal::plain(Reject::UnknownAccount);
        if !is_in_range(asked.account.0, ACCOUNTS_MAX) {
            return Err(unknown_account);
        }
        let account = self.accounts.account(asked.account).ok_or(unknown_account)?;
        if !is_in_range(asked.instrument.0, INSTRUMENTS_MAX) {
            return Err(Refusal::plain(Reject::UnknownInstrument));
        }
        let slot = self.instrument(asked.instrument).ok_or(Refusal::plain(Reject::UnknownInstrument))?;
        let position = self.positions.of(asked.account, asked.instrument, self.position_side(asked));
        let settlement = slot.definition.settlement;
        let limits = self.settings.effective(asked.account, asked.instrument);
        let own = self.settings.strategy(strategy);
        // A strategy without settings of its own is no party; its account is.
        let has_own = !strategy.is_none() && (!own.is_unset() || self.has_tripped(strategy));
        let both;
        let limits = if has_own {
            both = limits.with_orders_of(own);
            &both
        } else {
            limits
        };
        let view = View {
            instrument: &slot.definition,
            market: self.market(asked.instrument),
            account,
            position,
            settlement: self.accounts.balance(asked.account, settlement),
            base_factor: slot.base_factor,
            limits,
            subject: self.subjects.get(SubjectId::Account(asked.account)),
            strategy: if has_own { self.strategy_view(strategy) } else { None },
            message,
            is_held,
            now: self.now,
            machine: self,
        };
        Ok(read(&view))
    }

    fn has_tripped(&self, strategy: StrategyId) -> bool {
        is_in_range(strategy.0, self.strategies.len())
            && self.subjects.get(SubjectId::Strategy(strategy)).tripped().is_some()
    }

    fn strategy_view(&self, strategy: StrategyId) -> Option<StrategyView<'_>> {
        let slot = self.strategies.get(strategy.0 as usize)?.as_ref()?;
        Some(StrategyView {
            limits: self.settings.strategy(strategy),
            subject: self.subjects.get(SubjectId::Strategy(strategy)),
            held: slot.held.saturating_add(slot.pending),
        })
    }

    /// Profit of all contracts of an account that settle in a currency; spot positions do not count as margin.
    pub(crate) fn unrealized_in(
        &self,
        account: AccountId,
        kind: InstrumentKind,
        settlement: CurrencyId,
    ) -> i128 {
        if kind == InstrumentKind::Spot {
            return 0;
        }
        self.contracts_profit(account, settlement)
    }

    fn contracts_profit(&self, account: AccountId, settlement: CurrencyId) -> i128 {
        let is_counted = |instrument: &InstrumentId| {
            let definition = self.instrument(*instrument).map(|slot| &slot.definition);
            definition.is_some_and(|of| of.settlement == settlement && of.kind != InstrumentKind::Spot)
        };
        let counted = self.positions.open(account).filter(is_counted);
        counted.map(|instrument| self.unrealized(account, instrument)).sum()
    }

    /// What an account may take out of a currency or spend on the spot: what is free, less what its contracts have lost
    /// at their marks. Their profit is no cash before it is realised.
    pub(crate) fn spendable(&self, account: AccountId, currency: CurrencyId) -> i128 {
        let lost = self.contracts_profit(account, currency).min(0);
        self.accounts.balance(account, currency).available() + lost
    }

    /// The account, where it is known, and then the strategy, where there is one.
    #[inline]
    pub(super) fn for_parties(
        &mut self,
        account: AccountId,
        strategy: StrategyId,
        mut act: impl FnMut(&mut Self, SubjectId),
    ) {
        if !is_in_range(account.0, ACCOUNTS_MAX) || self.accounts.account(account).is_none() {
            return;
        }
        act(self, SubjectId::Account(account));
        if !strategy.is_none() && self.strategies.get(strategy.0 as usize).is_some_and(Option::is_some) {
            act(self, SubjectId::Strategy(strategy));
        }
    }

    /// Counts a message that was let through, or the refusal of one, and watches what that leads to.
    pub(super) fn count_message(
        &mut self,
        (account, instrument, strategy): (AccountId, InstrumentId, StrategyId),
        message: Message,
        refused: Option<Reject>,
        out: &mut EventBuffer,
    ) {
        if self.settings.asks(COUNTED) {
            self.for_parties(account, strategy, |machine, id| match refused {
                None => machine.count_let_through(id, message, out),
                // A breaker that has tripped already makes no storm.
                Some(Reject::BreakerTripped) => {}
                Some(_) => machine.count_refusal(id, out),
            });
        }
        self.watch_alerts(account, instrument, strategy, out);
    }

    fn count_let_through(&mut self, id: SubjectId, message: Message, out: &mut EventBuffer) {
        let (limits, now) = (self.limits_of(id), self.now);
        let (rate, ratio) = (limits.get(message.rate()), limits.get(LimitKind::OrderToTrade));
        if rate.is_none() && ratio.is_none() {
            return;
        }
        let row = self.subjects.get_mut(id);
        if let Some(rate) = rate {
            let bucket = match message {
                Message::Order => &mut row.orders,
                Message::Replace => &mut row.replaces,
                Message::Cancel => &mut row.cancels,
            };
            bucket.take(rate, now);
        }
        row.messages += u64::from(ratio.is_some());
        let passed = ratio.filter(|limit| row.has_ratio(*limit));
        let ratio_seen = passed.map_or(0, |_| row.messages / row.fills.max(1));
        match message {
            Message::Order => self.subjects.commit_orders(id, &mut self.digest),
            Message::Replace | Message::Cancel => self.subjects.commit_flow(id, &mut self.digest),
        }
        if let Some(limit) = passed {
            self.trip(id, BreakerKind::OrderToTrade, limit.into(), ratio_seen.into(), out);
        }
    }

    fn count_refusal(&mut self, id: SubjectId, out: &mut EventBuffer) {
        let Some(limit) = self.limits_of(id).get(LimitKind::RejectStorm) else { return };
        let now = self.now;
        let row = self.subjects.get_mut(id);
        if row.refusals_within(now) == 0 {
            (row.refusals, row.refusals_since) = (0, now);
        }
        row.refusals += 1;
        let refusals = row.refusals;
        self.subjects.commit_flow(id, &mut self.digest);
        if refusals >= limit.unsigned_abs() {
            self.trip(id, BreakerKind::RejectStorm, limit.into(), refusals.into(), out);
        }
    }

    /// Counts a fill that was booked: what its close brought, and what account and strategy are worth now.
    pub(super) fn count_fill(
        &mut self,
        slot: u32,
        executed: &Executed,
        booked: &Booked,
        out: &mut EventBuffer,
    ) {
        let &Order { account, instrument, strategy, side, .. } = self.orders.get(slot);
        self.note_flow(strategy, instrument, side, executed);
        let is_close = match booked.change {
            PositionChange::Reduced | PositionChange::Closed | PositionChange::Flipped => true,
            PositionChange::Opened | PositionChange::Increased | PositionChange::Adjusted => false,
        };
        if self.settings.asks(OF_FILLS) {
            self.for_parties(account, strategy, |machine, id| {
                if machine.limits_of(id).has_any(bit(LimitKind::OrderToTrade)) {
                    machine.subjects.get_mut(id).fills += 1;
                    machine.subjects.commit_orders(id, &mut machine.digest);
                }
                if is_close && machine.limits_of(id).has_any(bit(LimitKind::LossStreak)) {
                    machine.count_close(id, booked.realized, out);
                }
                machine.watch_worth(id, out);
            });
        }
        self.watch_alerts(account, instrument, strategy, out);
    }

    /// A close that won nothing and lost nothing leaves the streak as it is.
    fn count_close(&mut self, id: SubjectId, realized: i128, out: &mut EventBuffer) {
        let row = self.subjects.get_mut(id);
        row.losses = match realized.signum() {
            1 => 0,
            -1 => row.losses + 1,
            _ => row.losses,
        };
        let losses = row.losses;
        self.subjects.commit_state(id, &mut self.digest);
        if let Some(limit) = self.limits_of(id).get(LimitKind::LossStreak)
            && losses >= limit.unsigned_abs()
        {
            self.trip(id, BreakerKind::LossStreak, limit.into(), losses.into(), out);
        }
    }

    /// What a strategy's fill brought in less its fee, in settlement units.
    pub(super) fn note_flow(
        &mut self,
        strategy: StrategyId,
        instrument: InstrumentId,
        side: Side,
        executed: &Executed,
    ) {
        if strategy.is_none() || !is_in_range(strategy.0, self.strategies.len()) {
            return;
        }
        let Some(slot) = self.instrument(instrument) else { return };
        let value = slot.definition.value_posted(executed.price, executed.qty).unwrap_or(0);
        let sign = i128::from(side.sign())
            * match slot.definition.kind {
                InstrumentKind::Spot | InstrumentKind::Linear => -1,
                InstrumentKind::Inverse => 1,
            };
        let id = SubjectId::Strategy(strategy);
        let row = self.subjects.get_mut(id);
        row.flow = row.flow.saturating_add(sign * value).saturating_sub(executed.fee_counted);
        self.subjects.commit_state(id, &mut self.digest);
    }

    /// Watches what the end of an order leaves; a venue's refusal counts as one.
    pub(super) fn count_end(&mut self, slot: u32, is_refusal: bool, out: &mut EventBuffer) {
        let order = self.orders.get(slot);
        let (account, instrument, strategy) = (order.account, order.instrument, order.strategy);
        if is_refusal && self.settings.asks(bit(LimitKind::RejectStorm)) {
            self.for_parties(account, strategy, |machine, id| machine.count_refusal(id, out));
        }
        self.watch_alerts(account, instrument, strategy, out);
    }

    /// Money that comes or goes is neither profit nor loss.
    pub(super) fn count_transfer(&mut self, account: AccountId, currency: CurrencyId, amount: i128) {
        let id = SubjectId::Account(account);
        let Some(worth) = self.subjects.get(id).worth else { return };
        let moved = self.in_reference(currency, amount);
        self.subjects.get_mut(id).worth = moved.map(|moved| worth.moved(moved));
        self.subjects.commit_state(id, &mut self.digest);
    }
}
