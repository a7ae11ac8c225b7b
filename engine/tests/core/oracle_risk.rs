//! The risk part of the model: limits, switches and states as plain maps, and what they say of each decision.
//!
//! An approval must keep every limit that the model knows; a refusal must be for a reason that the model sees too.

use super::desk::{ALICE, BOB, INVERSE, LINEAR, SPOT, instrument};
use std::collections::{BTreeMap, BTreeSet};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::event::{OrderApproved, OrderRefused};
use tickwerk_domain::{
    AccountId, BreakerKind, BreakerState, Command, Event, InstrumentId, LimitKind, Reject, Side, TradingState,
};
use tickwerk_engine::machine::Machine;
use tickwerk_engine::risk::subjects::SubjectId;

type Scope = (AccountId, InstrumentId);

/// Billionths of a token.
const TOKEN: i128 = 1_000_000_000;

#[derive(Default)]
pub(crate) struct ModelRisk {
    limits: BTreeMap<(Scope, u8), i64>,
    kills: BTreeSet<Scope>,
    states: BTreeMap<Scope, TradingState>,
    pub(crate) watched: BTreeMap<AccountId, Watched>,
    /// Breakers that the command in hand moves.
    pub(crate) moves: Vec<(AccountId, BreakerKind, BreakerState)>,
    pub(crate) approved: u64,
    pub(crate) refused: BTreeMap<&'static str, u64>,
}

/// What is seen of an account over time.
#[derive(Default, Debug)]
pub(crate) struct Watched {
    losses: i64,
    /// Worth that losses are counted from.
    day: Option<i128>,
    tripped: BTreeSet<u8>,
    /// Tokens of new orders that are missing, in billionths, and since when.
    missing: i128,
    at: u64,
}

impl Watched {
    /// Money that came or left is neither profit nor loss.
    pub(crate) fn moved(&mut self, amount: i128) {
        self.day = self.day.map(|day| day + amount);
    }

    fn missing_at(&self, rate: i64, now: u64) -> i128 {
        (self.missing - i128::from(now - self.at) * i128::from(rate)).max(0)
    }
}

/// All scopes that apply to an account in an instrument.
fn scopes((account, instrument): Scope) -> [Scope; 4] {
    let (all_accounts, all_instruments) = (AccountId(0), InstrumentId(0));
    [
        (all_accounts, all_instruments),
        (account, all_instruments),
        (all_accounts, instrument),
        (account, instrument),
    ]
}

impl ModelRisk {
    /// Takes a setting over that was not refused.
    pub(crate) fn note(&mut self, command: &Command, events: &[Event], now: u64) {
        self.take_tokens(command, events, now);
        let was_refused = events.iter().any(|event| matches!(event, Event::CommandRefused(_)));
        if was_refused {
            return;
        }
        if let Command::LimitSet(set) = command {
            let place = ((set.account, set.instrument), set.kind as u8);
            if set.value < 0 {
                self.limits.remove(&place);
            } else {
                self.limits.insert(place, set.value);
            }
        } else if let Command::KillSwitchSet(set) = command {
            let scope = (set.account, set.instrument);
            if set.engaged {
                self.kills.insert(scope)
            } else {
                self.kills.remove(&scope)
            };
        } else if let Command::TradingStateSet(set) = command {
            self.states.insert((set.account, set.instrument), set.state);
        }
    }

    fn limit(&self, scope: Scope, kind: LimitKind) -> Option<i64> {
        scopes(scope).iter().filter_map(|scope| self.limits.get(&(*scope, kind as u8)).copied()).min()
    }

    fn limit_of(&self, account: AccountId, kind: LimitKind) -> Option<i64> {
        self.limit((account, InstrumentId(0)), kind)
    }

    /// Trips a breaker that is armed and whose limit is reached.
    fn trip(&mut self, account: AccountId, kind: BreakerKind, seen: i128) {
        let is_reached = self.limit_of(account, kind.limit()).is_some_and(|limit| seen >= i128::from(limit));
        if is_reached && self.watched.entry(account).or_default().tripped.insert(kind as u8) {
            self.moves.push((account, kind, BreakerState::Tripped));
        }
    }

    pub(crate) fn watch_worth(&mut self, account: AccountId, equity: i128) {
        if self.limit_of(account, LimitKind::DailyLoss).is_some() {
            let day = *self.watched.entry(account).or_default().day.get_or_insert(equity);
            self.trip(account, BreakerKind::DailyLoss, day - equity);
        }
    }

    pub(crate) fn note_close(&mut self, account: AccountId, realized: i128) {
        if self.limit_of(account, LimitKind::LossStreak).is_some() {
            let losses = &mut self.watched.entry(account).or_default().losses;
            match realized.signum() {
                1 => *losses = 0,
                0 => {}
                _ => *losses += 1,
            }
            let losses = i128::from(*losses);
            self.trip(account, BreakerKind::LossStreak, losses);
        }
    }

    pub(crate) fn arm(&mut self, account: AccountId, kind: BreakerKind, equity: i128) {
        let watched = self.watched.entry(account).or_default();
        if watched.tripped.remove(&(kind as u8)) {
            match kind {
                BreakerKind::LossStreak => watched.losses = 0,
                BreakerKind::DailyLoss => watched.day = watched.day.map(|_| equity),
                BreakerKind::Drawdown
                | BreakerKind::OrderToTrade
                | BreakerKind::StaleFeed
                | BreakerKind::RejectStorm => {}
            }
            self.moves.push((account, kind, BreakerState::Armed));
        }
    }

    /// Whether the bucket of new orders has a token; one is taken where the order goes on.
    fn token(&mut self, account: AccountId, now: u64, is_taken: bool) -> bool {
        let Some(rate) = self.limit_of(account, LimitKind::OrderRate) else { return true };
        let watched = self.watched.entry(account).or_default();
        let missing = watched.missing_at(rate, now) + TOKEN;
        let has_one = missing <= i128::from(rate) * TOKEN;
        if is_taken {
            (watched.missing, watched.at) = (missing.min((i128::from(rate) * TOKEN).max(TOKEN)), now);
        }
        has_one
    }

    /// Every order that was let through takes a token, whoever asked for it; a replace has a rate of its own.
    fn take_tokens(&mut self, command: &Command, events: &[Event], now: u64) {
        let is_replace = matches!(command, Command::ReplaceOrder(_));
        for event in events {
            if let Event::OrderApproved(approved) = event {
                assert!(is_replace || self.token(approved.account, now, true), "{approved:?}");
            } else if let Event::OrderRefused(refused) = event
                && refused.reason == Reject::OrderRateAboveLimit.code()
            {
                assert!(!self.token(refused.account, now, false), "{refused:?}");
            }
        }
    }

    fn is_killed(&self, scope: Scope) -> bool {
        scopes(scope).iter().any(|scope| self.kills.contains(scope))
    }

    fn state(&self, scope: Scope) -> TradingState {
        let set = scopes(scope).into_iter().filter_map(|scope| self.states.get(&scope).copied());
        set.max_by_key(|state| *state as u8).unwrap_or(TradingState::Active)
    }

    /// An order that passed keeps all that is set; `held` is the position before it.
    pub(crate) fn check_approval(
        &mut self,
        approved: &OrderApproved,
        asked: &NewOrder,
        held: i64,
        room: i64,
    ) {
        self.approved += 1;
        let scope = (approved.account, approved.instrument);
        let of = instrument(asked.instrument);
        let is_against = asked.side.sign() * held < 0;
        let is_reducing = asked.qty.0 <= room;
        assert!(is_reducing || !asked.reduce_only, "what may only reduce reduces");
        let watched = self.watched.entry(scope.0).or_default();
        assert!(is_reducing || watched.tripped.is_empty(), "a tripped breaker lets only pass what reduces");
        assert!(!self.is_killed(scope), "an engaged kill switch lets nothing through");
        match self.state(scope) {
            TradingState::Active => {}
            TradingState::ReduceOnly => assert!(is_against, "only what reduces passes"),
            TradingState::Halted => panic!("nothing passes a halt"),
        }
        assert_eq!((asked.price.0 % of.tick_size.0, asked.qty.0 % of.lot_size.0), (0, 0));
        assert!(of.quantity_min <= asked.qty && asked.qty <= of.quantity_max);
        let keeps =
            |kind, value: i128| self.limit(scope, kind).is_none_or(|limit| value <= i128::from(limit));
        assert!(keeps(LimitKind::OrderQuantity, asked.qty.0.into()));
        assert!(keeps(LimitKind::OpenOrders, approved.open_orders.into()));
        if asked.order_type.has_limit() {
            let value = of.value_posted(asked.price, asked.qty).expect("it passed the check");
            assert!(keeps(LimitKind::OrderNotional, value));
        }
        if !is_against {
            let worst = match asked.side {
                Side::Buy => approved.worst_long.0,
                Side::Sell => -approved.worst_short.0,
            };
            assert!(keeps(LimitKind::PositionQuantity, worst.into()), "{approved:?}");
        }
    }

    /// A refusal says what is so.
    pub(crate) fn check_refusal(
        &mut self,
        refused: &OrderRefused,
        asked: &NewOrder,
        open_orders: usize,
        now: u64,
    ) {
        let Some(reason) = Reject::from_code(refused.reason) else { panic!("a refusal has a reason") };
        *self.refused.entry(reason.word()).or_default() += 1;
        let scope = (asked.account, asked.instrument);
        let of = instrument(asked.instrument);
        let passes = |kind, value: i64| self.limit(scope, kind).is_some_and(|limit| value > limit);
        let is_so = if reason == Reject::KillSwitch {
            self.is_killed(scope)
        } else if reason == Reject::TradingHalted {
            self.state(scope) == TradingState::Halted
        } else if reason == Reject::PriceOffTick {
            asked.price.0 % of.tick_size.0 != 0
        } else if reason == Reject::QuantityOffLot {
            asked.qty.0 % of.lot_size.0 != 0
        } else if reason == Reject::QuantityAboveLimit {
            passes(LimitKind::OrderQuantity, asked.qty.0) || asked.qty > of.quantity_max
        } else if reason == Reject::OpenOrdersAboveLimit {
            passes(LimitKind::OpenOrders, i64::try_from(open_orders).unwrap() + 1)
        } else if reason == Reject::PositionAboveLimit {
            self.limit(scope, LimitKind::PositionQuantity).is_some()
        } else if reason == Reject::BreakerTripped {
            self.watched.get(&asked.account).is_some_and(|watched| !watched.tripped.is_empty())
        } else if reason == Reject::OrderRateAboveLimit {
            self.limit_of(asked.account, LimitKind::OrderRate).is_some()
        } else if reason == Reject::ExpiryInvalid {
            asked.expires_at.0 <= now
        } else if reason == Reject::PriceOutsideCollar {
            self.limit(scope, LimitKind::PriceCollar).is_some()
        } else {
            true
        };
        assert!(is_so, "{reason}: {refused:?}");
    }

    /// Breakers and streaks are as the model says.
    fn check_watched(&self, machine: &Machine) {
        for (account, watched) in &self.watched {
            let row = machine.subjects().get(SubjectId::Account(*account));
            for kind in [BreakerKind::DailyLoss, BreakerKind::LossStreak] {
                let is_tripped = row.breaker(kind).state != BreakerState::Armed;
                assert_eq!(is_tripped, watched.tripped.contains(&(kind as u8)), "{kind} of {account}");
            }
            assert_eq!(i128::from(row.losses), i128::from(watched.losses), "losses of {account}");
            assert_eq!(row.worth.map(|worth| worth.day), watched.day, "worth of {account}");
        }
    }

    /// What applies to each account in each instrument is the strictest of all that is set.
    pub(crate) fn check(&self, machine: &Machine) {
        self.check_watched(machine);
        for scope in [ALICE, BOB].into_iter().flat_map(|id| [SPOT, LINEAR, INVERSE].map(|of| (id, of))) {
            let effective = machine.settings().effective(scope.0, scope.1);
            let expected = (self.is_killed(scope), self.state(scope));
            assert_eq!((effective.is_killed, effective.state), expected, "{scope:?}");
            for kind in [
                LimitKind::OrderQuantity,
                LimitKind::OrderNotional,
                LimitKind::PositionQuantity,
                LimitKind::PriceCollar,
                LimitKind::OpenOrders,
                LimitKind::OrderRate,
                LimitKind::DailyLoss,
                LimitKind::LossStreak,
            ] {
                assert_eq!(effective.get(kind), self.limit(scope, kind), "{kind} of {scope:?}");
            }
        }
    }
}
