//! What each command does in the model.

use super::super::desk::{INVERSE, LINEAR, SPOT, instrument};
use super::markets::Market;
use super::model::{Account, Model};
use super::money::{part, sides};
use tickwerk_domain::command::{
    AccountStateSet, CashTransferred, FundingApplied, KillSwitchSet, LimitSet, SessionSet, TimerFired,
    TradingStateSet, VenueDefined,
};
use tickwerk_domain::event::{
    FundingPosted, KillSwitchChanged, LedgerBook, LimitChanged, TradingStateChanged,
};
use tickwerk_domain::{
    AccountId, AccountState, Command, CurrencyId, Event, InstrumentId, InstrumentKind, Money, OrderId,
    OrderStatus, Price, Qty, Rate, Reject, SessionState, SideFilter, TimerKind, VenueId, VenueState,
};

/// What the simulated venue can do; triggers are the core's.
pub(super) const SIMULATED: u64 = VenueDefined::ALL & !(VenueDefined::TRIGGERS | VenueDefined::TRAILING);

impl Model {
    pub(super) fn new() -> Self {
        let mut model = Self::default();
        model.venues.insert(VenueId::SIMULATED, (SIMULATED, true));
        model
    }

    /// Takes a command over and says which events it causes.
    pub(super) fn apply(&mut self, command: &Command, id: OrderId, now: u64) -> Vec<Event> {
        (self.now, self.sequence) = (now, id.0);
        self.watch_day();
        self.take(command, id);
        self.pay();
        std::mem::take(&mut self.out)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told of markets, or defined")]
    fn take(&mut self, command: &Command, id: OrderId) {
        match command {
            Command::NewOrder(asked) => self.new_order(id, asked),
            Command::CancelOrder(cancel) => self.cancel(cancel),
            Command::ReplaceOrder(asked) => self.replace(asked),
            Command::MassCancel(asked) => self.mass_cancel(asked),
            Command::OrderReported(report) => self.reported(report),
            Command::ReplaceReported(report) => self.replaced(report),
            Command::FillReported(fill) => self.filled(fill),
            Command::TradeBusted(bust) => self.restated(command, bust.order, bust.execution_id, None),
            Command::TradeCorrected(to) => {
                self.restated(command, to.order, to.execution_id, Some((to.price, to.qty, to.fee)));
            }
            Command::TimerFired(fired) => self.timer(fired),
            Command::CashTransferred(transfer) => self.transfer(transfer),
            Command::FundingApplied(funding) => self.fund(funding),
            Command::BreakerReset(reset) => self.reset_breaker(reset),
            Command::LimitSet(limit) => self.set_limit(limit),
            Command::KillSwitchSet(switch) => self.set_kill_switch(switch),
            Command::TradingStateSet(setting) => self.set_state(setting),
            Command::AccountStateSet(setting) => self.set_account(setting),
            Command::SessionSet(session) => self.set_session(session),
            _ => self.take_market(command),
        }
    }

    fn take_market(&mut self, command: &Command) {
        if let Command::QuoteObserved(quote) = command {
            self.hear(quote.instrument, |market| {
                market.quote(quote);
                None
            });
        } else if let Command::TradeObserved(trade) = command {
            self.hear(trade.instrument, |market| {
                market.last = (trade.price.0, trade.qty.0);
                None
            });
        } else if let Command::BookDelta(delta) = command {
            self.hear(delta.instrument, |market| market.delta(delta));
        } else if let Command::MarketGapObserved(gap) = command {
            let market = self.markets.get_mut(&gap.instrument).expect("a known market");
            let event = market.gap(gap);
            self.out.extend(event);
            self.look_at_triggers(gap.instrument);
        } else if let Command::MarkObserved(mark) = command {
            let market = self.markets.get_mut(&mark.instrument).expect("a known market");
            market.venue_mark = Some(mark.price.0);
            self.look_at_triggers(mark.instrument);
        } else if let Command::MarkSourceSet(setting) = command {
            let market = self.markets.get_mut(&setting.instrument).expect("a known market");
            market.source = setting.source;
        } else {
            self.define(command);
        }
    }

    fn hear(&mut self, id: InstrumentId, take: impl FnOnce(&mut Market) -> Option<Event>) {
        let now = self.now;
        let market = self.markets.get_mut(&id).expect("a known market");
        market.observed_at = now;
        let event = take(market);
        self.out.extend(event);
        self.look_at_triggers(id);
    }

    fn define(&mut self, command: &Command) {
        if let Command::InstrumentDefined(defined) = command {
            self.markets.entry(defined.instrument).or_default();
        } else if let Command::AccountDefined(defined) = command {
            let account = Account { mode: defined.mode, state: AccountState::Active };
            self.accounts.insert(defined.account, account);
        } else if let Command::VenueDefined(defined) = command {
            self.venues.insert(defined.venue, (defined.capabilities, true));
        } else if let Command::RouteSet(route) = command {
            self.routes.insert(route.instrument, (route.venue, route.fallback));
        } else if let Command::VenueStateObserved(seen) = command {
            self.hear_of_venue(seen.venue, seen.state == VenueState::Connected);
        } else if let Command::ReferenceCurrencySet(setting) = command {
            self.reference = setting.currency;
        } else if let Command::ConversionSet(setting) = command {
            self.rates.insert(setting.currency, (setting.rate, setting.instrument));
        } else {
            let is_nothing = matches!(
                command,
                Command::CurrencyDefined(_)
                    | Command::RulesActivated(_)
                    | Command::SimulatedVenueSet(_)
                    | Command::TimeAdvanced(_)
                    | Command::HealthObserved(_)
            );
            assert!(is_nothing, "the model knows nothing of {command:?}");
        }
    }

    /// The way to a venue was lost or found; found again, cancels that may have got lost are sent again.
    fn hear_of_venue(&mut self, venue: VenueId, is_connected: bool) {
        let was = std::mem::replace(&mut self.venues.get_mut(&venue).expect("a known venue").1, is_connected);
        if was || !is_connected {
            return;
        }
        self.found.insert(venue, self.sequence);
        let open: Vec<_> = self.open.iter().copied().collect();
        for id in open {
            let is_pending = self.orders[&id].status == OrderStatus::PendingCancel;
            if is_pending && venue != VenueId::SIMULATED {
                self.request_cancel(id, Reject::CancelRequested);
            }
        }
        for id in [SPOT, LINEAR, INVERSE] {
            self.look_at_waiting(id);
        }
    }

    fn timer(&mut self, fired: &TimerFired) {
        let key = (fired.kind as u8, fired.subject);
        if fired.due.0 > self.now || self.timers.get(&key) != Some(&fired.due.0) {
            self.refuse(&(*fired).into(), Reject::IllegalMove, fired.due.0.cast_signed());
            return;
        }
        self.timers.remove(&key);
        match fired.kind {
            TimerKind::OrderExpiry => {
                if self.open.contains(&OrderId(fired.subject)) {
                    self.expire(OrderId(fired.subject));
                }
            }
            TimerKind::BreakerCooled => self.cooled(fired.subject),
            TimerKind::Mark | TimerKind::Day => panic!("nobody set {fired:?}"),
        }
    }

    fn transfer(&mut self, transfer: &CashTransferred) {
        let &CashTransferred { account, currency, amount, .. } = transfer;
        let amount = amount.get();
        let shown = i64::try_from(amount).expect("small amounts");
        let Some(state) = self.accounts.get(&account).map(|known| known.state) else {
            self.refuse(&(*transfer).into(), Reject::UnknownAccount, account.0.into());
            return;
        };
        if amount > 0 && state == AccountState::Closed {
            self.refuse(&(*transfer).into(), Reject::AccountNotActive, shown);
        } else if amount < 0 && self.spendable(account, currency) + amount < 0 {
            self.refuse(&(*transfer).into(), Reject::InsufficientBuyingPower, shown);
        } else {
            self.post(account, &[(currency, LedgerBook::External, amount)]);
            let moved = self.in_reference(currency, amount);
            self.shift_worth(account, moved);
        }
    }

    /// Longs pay shorts a fraction of the value of what they hold.
    fn fund(&mut self, funding: &FundingApplied) {
        let &FundingApplied { rate, price, instrument: id } = funding;
        let of = instrument(id);
        if of.kind == InstrumentKind::Spot {
            self.refuse(&(*funding).into(), Reject::TermsInvalid, id.0.into());
        } else if rate.0.abs() > Rate::ONE.0 {
            self.refuse(&(*funding).into(), Reject::ValueOutOfRange, rate.0);
        } else if price.0 <= 0 {
            self.refuse(&(*funding).into(), Reject::PriceNotPositive, price.0);
        } else {
            let accounts: Vec<_> = self.accounts.iter().map(|(id, account)| (*id, account.mode)).collect();
            for (account, mode) in accounts {
                for side in sides(mode) {
                    self.fund_position((account, id, *side), rate, price);
                }
            }
        }
    }

    fn fund_position(&mut self, place: super::model::Place, rate: Rate, price: Price) {
        let (of, qty) = (instrument(place.1), self.position(place).qty);
        if qty == 0 {
            return;
        }
        let paid = part(&of, price.0, qty.abs(), rate);
        let amount = if qty > 0 { -paid } else { paid };
        let position = self.positions.entry(place).or_default();
        position.funding += amount;
        let funding_total = Money::new(position.funding);
        let (account, instrument, side) = place;
        let (amount_told, qty) = (Money::new(amount), Qty(qty));
        let posted =
            FundingPosted { amount: amount_told, funding_total, qty, rate, price, account, instrument, side };
        self.tell(posted);
        self.post(account, &[(of.settlement, LedgerBook::Funding, amount)]);
    }

    fn set_limit(&mut self, set: &LimitSet) {
        let &LimitSet { account, instrument, strategy, kind, .. } = set;
        let key = ((account, instrument), kind as u8);
        let previous =
            if set.value < 0 { self.limits.remove(&key) } else { self.limits.insert(key, set.value) };
        self.version += 1;
        let (previous, value, limits_version) = (previous.unwrap_or(-1), set.value.max(-1), self.version);
        self.tell(LimitChanged { previous, value, limits_version, account, instrument, strategy, kind });
    }

    fn set_kill_switch(&mut self, set: &KillSwitchSet) {
        let &KillSwitchSet { account, instrument, strategy, engaged, .. } = set;
        let scope = (account, instrument);
        if engaged {
            self.kills.insert(scope)
        } else {
            self.kills.remove(&scope)
        };
        self.version += 1;
        let limits_version = self.version;
        self.tell(KillSwitchChanged { limits_version, account, instrument, strategy, engaged });
        if engaged {
            self.cancel_all(scope, SideFilter::Any, Reject::KillSwitch);
        }
    }

    fn set_state(&mut self, set: &TradingStateSet) {
        let &TradingStateSet { account, instrument, strategy, state, .. } = set;
        self.states.insert((account, instrument), state);
        self.version += 1;
        let limits_version = self.version;
        self.tell(TradingStateChanged { limits_version, account, instrument, strategy, state });
    }

    fn set_account(&mut self, set: &AccountStateSet) {
        let from = self.accounts[&set.account].state;
        let is_move = matches!(
            (from, set.state),
            (AccountState::Active, AccountState::Suspended) | (AccountState::Suspended, AccountState::Active)
        );
        assert_ne!(set.state, AccountState::Closed, "nobody closes accounts here");
        if is_move {
            self.accounts.get_mut(&set.account).expect("it is known").state = set.state;
        } else {
            self.refuse(&(*set).into(), Reject::IllegalMove, set.state as i64);
        }
    }

    fn set_session(&mut self, set: &SessionSet) {
        let id = set.instrument;
        let market = self.markets.get_mut(&id).expect("a known market");
        let (from, closed_at) = (market.session, market.closes_at);
        if !may_follow(from, set.state) {
            self.refuse(&(*set).into(), Reject::IllegalMove, set.state as i64);
            return;
        }
        (market.session, market.closes_at) = (set.state, set.closes_at.0);
        if from != set.state || closed_at != set.closes_at.0 {
            self.swept.insert(id);
        }
        if from != set.state {
            self.look_at_triggers(id);
        }
    }

    /// All that an account has, to be compared.
    pub(super) fn places(&self) -> Vec<(AccountId, InstrumentId, tickwerk_domain::PositionSide)> {
        let of_account = |(id, account): (&AccountId, &Account)| {
            let id = *id;
            let markets = [SPOT, LINEAR, INVERSE].into_iter();
            let mode = account.mode;
            markets.flat_map(move |market| sides(mode).iter().map(move |side| (id, market, *side)))
        };
        self.accounts.iter().flat_map(of_account).collect()
    }

    pub(super) fn currencies() -> [CurrencyId; 2] {
        [super::super::desk::USD, super::super::desk::BTC]
    }
}

/// Which session may follow which: an auction or trading opens, anything halts or closes, nothing goes back.
fn may_follow(from: SessionState, to: SessionState) -> bool {
    use SessionState::{Closed, ClosingAuction, Continuous, Halted, OpeningAuction, PreOpen};
    from == to
        || match from {
            Continuous => matches!(to, ClosingAuction | Halted | Closed),
            PreOpen => matches!(to, OpeningAuction | Continuous | Halted | Closed),
            OpeningAuction => matches!(to, Continuous | Halted | Closed),
            ClosingAuction => matches!(to, Halted | Closed),
            Halted => true,
            Closed => matches!(to, PreOpen | OpeningAuction | Continuous),
        }
}
