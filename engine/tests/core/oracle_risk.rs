//! The risk part of the model: limits, switches and states as plain maps, and what they say of each decision.
//!
//! An approval must keep every limit that the model knows; a refusal must be for a reason that the model sees too.

use super::desk::{ALICE, BOB, INVERSE, LINEAR, SPOT, instrument};
use std::collections::{BTreeMap, BTreeSet};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::event::{OrderApproved, OrderRefused};
use tickwerk_domain::{AccountId, Command, Event, InstrumentId, LimitKind, Reject, Side, TradingState};
use tickwerk_engine::machine::Machine;

type Scope = (AccountId, InstrumentId);

#[derive(Default)]
pub(crate) struct ModelRisk {
    limits: BTreeMap<(Scope, u8), i64>,
    kills: BTreeSet<Scope>,
    states: BTreeMap<Scope, TradingState>,
    pub(crate) approved: u64,
    pub(crate) refused: BTreeMap<&'static str, u64>,
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
    pub(crate) fn note(&mut self, command: &Command, events: &[Event]) {
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

    fn is_killed(&self, scope: Scope) -> bool {
        scopes(scope).iter().any(|scope| self.kills.contains(scope))
    }

    fn state(&self, scope: Scope) -> TradingState {
        let set = scopes(scope).into_iter().filter_map(|scope| self.states.get(&scope).copied());
        set.max_by_key(|state| *state as u8).unwrap_or(TradingState::Active)
    }

    /// An order that passed keeps all that is set; `held` is the position before it.
    pub(crate) fn check_approval(&mut self, approved: &OrderApproved, asked: &NewOrder, held: i64) {
        self.approved += 1;
        let scope = (approved.account, approved.instrument);
        let of = instrument(asked.instrument);
        let is_against = asked.side.sign() * held < 0;
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
    pub(crate) fn check_refusal(&mut self, refused: &OrderRefused, asked: &NewOrder, open_orders: usize) {
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
        } else if reason == Reject::PriceOutsideCollar {
            self.limit(scope, LimitKind::PriceCollar).is_some()
        } else {
            true
        };
        assert!(is_so, "{reason}: {refused:?}");
    }

    /// What applies to each account in each instrument is the strictest of all that is set.
    pub(crate) fn check(&self, machine: &Machine) {
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
            ] {
                assert_eq!(effective.get(kind), self.limit(scope, kind), "{kind} of {scope:?}");
            }
        }
    }
}
