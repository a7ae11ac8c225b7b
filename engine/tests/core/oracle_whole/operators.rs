//! What operators ask for at random: limits, switches, money, sessions, connections.

use super::super::desk::{ALICE, BOB, BTC, SPOT, USD, limit};
use super::model::Model;
use super::workload::{ABLE, CAROL, PLAIN, Workload};
use tickwerk_domain::command::{
    AccountStateSet, BreakerReset, CashTransferred, ConversionSet, FundingApplied, KillSwitchSet,
    MarketGapObserved, MassCancel, SessionSet, SimulatedVenueSet, TimerFired, TradingStateSet,
    VenueStateObserved,
};
use tickwerk_domain::{
    AccountId, AccountState, BookDelta, BreakerKind, Command, DurationNs, InstrumentId, LimitKind, Money,
    Price, Rate, SessionState, SideFilter, StaleReason, StrategyId, TextId, TimeNs, TimerKind, TradingState,
    VenueId, VenueState,
};

impl Workload {
    pub(super) fn setting(&mut self, model: &Model, market: InstrumentId) -> Command {
        match self.random.below(10) {
            0..4 => self.limit(model, market),
            4 => {
                let (kind, strategy) = (self.random.pick(BreakerKind::ALL), StrategyId::NONE);
                BreakerReset { account: self.account(), strategy, reason: TextId::NONE, kind }.into()
            }
            5 | 6 => {
                let tripped = BreakerKind::ALL.iter().copied().find(|kind| {
                    model.watched.values().any(|watched| {
                        let breaker = watched.breakers.get(kind);
                        breaker.is_some_and(|breaker| breaker.state == tickwerk_domain::BreakerState::Tripped)
                    })
                });
                let (kind, strategy) = (tripped.unwrap_or(BreakerKind::LossStreak), StrategyId::NONE);
                BreakerReset { account: AccountId::NONE, strategy, reason: TextId::NONE, kind }.into()
            }
            7 => self.transfer(model),
            8 => {
                let latency = DurationNs(u64::from(self.random.below(20_000)));
                SimulatedVenueSet::touch(market, latency).into()
            }
            _ => {
                let rate = Rate(self.random.between(-200_000, 200_000));
                let price = Price(self.mids[market.0 as usize]);
                FundingApplied { rate, price, instrument: market }.into()
            }
        }
    }

    fn transfer(&mut self, model: &Model) -> Command {
        let (account, currency) = (self.random.pick(&[ALICE, BOB, CAROL]), self.random.pick(&[USD, BTC]));
        let available = model.spendable(account, currency);
        let amount = match self.random.below(6) {
            0 => -available - 1,
            1 => -available,
            2 | 3 => -available / 2,
            _ => i128::from(self.random.between(1, 40_000_000)),
        };
        let (amount, reason) = (Money::new(amount.max(-available.abs() - 1)), TextId::NONE);
        CashTransferred { amount, account, currency, reason }.into()
    }

    fn limit(&mut self, model: &Model, market: InstrumentId) -> Command {
        // No more than a few at a time, so that orders pass.
        if model.limits.len() > 7 || !model.limits.is_empty() && self.random.one_in(3) {
            let place = self.random.below(u32::try_from(model.limits.len()).expect("few")) as usize;
            let ((account, instrument), kind) = *model.limits.keys().nth(place).expect("it is there");
            return limit(LimitKind::ALL[usize::from(kind)], account, instrument, -1).into();
        }
        let kind = self.random.pick(LimitKind::ALL);
        let (from, to, is_of_account) = match kind {
            LimitKind::OrderQuantity => (100, 400, false),
            LimitKind::OrderNotional => (10_000, 4_000_000, false),
            LimitKind::PositionQuantity => (100, 4_000, false),
            LimitKind::PriceCollar => (500_000, 5_000_000, false),
            LimitKind::OpenOrders => (5, 60, true),
            LimitKind::OrderQuantityMin => (5, 60, false),
            LimitKind::GrossExposure | LimitKind::NetExposure => (1_000_000, 400_000_000, true),
            LimitKind::Leverage => (1_000_000, 500_000_000, true),
            LimitKind::Credit => (0, 200_000_000, true),
            LimitKind::ReplaceRate => (1, 6, true),
            LimitKind::OrderRate | LimitKind::CancelRate => (1, 40, true),
            LimitKind::SelfTrade => (0, 3, false),
            LimitKind::MarketAge | LimitKind::StaleFeed => (5_000, 3_000_000, true),
            LimitKind::DailyLoss => (1_000, 40_000_000, true),
            LimitKind::Drawdown => (10_000, 20_000_000, true),
            LimitKind::LossStreak => (1, 9, true),
            LimitKind::OrderToTrade => (2, 40, true),
            LimitKind::RejectStorm => (2, 30, true),
            LimitKind::CoolDown => (1_000, 400_000_000, true),
            LimitKind::AlertFraction => (40_000_000, 100_000_000, true),
        };
        let market = if is_of_account { InstrumentId::NONE } else { market };
        let account = self.account();
        limit(kind, account, market, self.random.between(from, to)).into()
    }

    pub(super) fn rare(&mut self, model: &Model, market: InstrumentId) -> Command {
        let (strategy, reason) = (StrategyId::NONE, TextId::NONE);
        let account = self.account();
        let instrument = self.random.pick(&[InstrumentId::NONE, market]);
        match self.random.below(14) {
            0 => {
                let switch = KillSwitchSet { account, instrument, strategy, reason, engaged: true };
                self.repairs.push(KillSwitchSet { engaged: false, ..switch }.into());
                switch.into()
            }
            1 => {
                let state = self.random.pick(TradingState::ALL);
                let setting = TradingStateSet { account, instrument, strategy, reason, state };
                self.repairs.push(TradingStateSet { state: TradingState::Active, ..setting }.into());
                setting.into()
            }
            2 => {
                let account = self.random.pick(&[ALICE, BOB, CAROL]);
                let setting = AccountStateSet { account, reason, state: AccountState::Suspended };
                self.repairs.push(AccountStateSet { state: AccountState::Active, ..setting }.into());
                setting.into()
            }
            3 => {
                let side = self.random.pick(SideFilter::ALL);
                MassCancel { account, instrument, strategy, reason, side }.into()
            }
            4 => {
                let venue = self.random.pick(&[VenueId::SIMULATED, ABLE, PLAIN]);
                self.repairs.push(VenueStateObserved { venue, state: VenueState::Connected }.into());
                VenueStateObserved { venue, state: VenueState::Disconnected }.into()
            }
            5 => {
                let reason = self.random.pick(StaleReason::ALL);
                let (id, clear) = (self.update_id + 1, BookDelta::CLEAR | BookDelta::LAST);
                self.update_id = id;
                self.repairs.push(BookDelta::new(market, id, clear).into());
                MarketGapObserved { expected: 1, received: 2, instrument: market, reason }.into()
            }
            6 => {
                let instrument = self.random.pick(&[InstrumentId::NONE, SPOT]);
                let rate = Rate(if instrument.is_none() { 95 * Rate::ONE.0 } else { 0 });
                ConversionSet { rate, currency: BTC, instrument }.into()
            }
            7 => {
                let (due, kind) = (TimeNs(self.random.next() % 2), self.random.pick(TimerKind::ALL));
                TimerFired { due, kind, subject: self.some_order(model).0 }.into()
            }
            _ => self.session(model, market),
        }
    }

    /// A session that moves on, back to trading before long.
    fn session(&mut self, model: &Model, market: InstrumentId) -> Command {
        let set = |state, closes_at| SessionSet { closes_at: TimeNs(closes_at), instrument: market, state };
        let closes_at = if self.random.one_in(2) { 0 } else { model.now + 900_000 };
        let is_open = model.market(market).session == SessionState::Continuous;
        if is_open || self.random.one_in(4) {
            for state in [SessionState::Closed, SessionState::OpeningAuction, SessionState::Continuous] {
                self.repairs.push(set(state, closes_at).into());
            }
        }
        set(self.random.pick(SessionState::ALL), closes_at).into()
    }
}
