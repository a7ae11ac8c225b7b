//! What clients and the core ask of open orders, in the model: cancels, mass cancels, replaces, orders that may only
//! reduce; and what accounts are worth, for the breakers.

use super::desk::{BTC, USD, instrument};
use super::oracle::Model;
use super::oracle_position::{half_even, unit, value};
use std::collections::BTreeMap;
use tickwerk_domain::command::{
    CancelOrder, ConversionSet, FillReported, ReferenceCurrencySet, ReplaceOrder,
};
use tickwerk_domain::{
    AccountId, BreakerKind, BreakerState, Command, CurrencyId, Event, InstrumentId, InstrumentKind, OrderId,
    Qty, Rate, Reject, Side, SideFilter,
};
use tickwerk_engine::machine::Machine;

/// Dollars for a bitcoin.
const BTC_RATE: i64 = 9_900;

/// How often what happened.
#[derive(Default, Debug)]
pub(crate) struct Counts {
    cancels: u64,
    mass_cancels: u64,
    replaces: u64,
    /// Replaces that a fill told of before the venue did.
    pub(crate) implied: u64,
    replaces_refused: BTreeMap<&'static str, u64>,
    pub(crate) shrunk: u64,
    trips: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(crate) fn check(&self) {
        assert!(self.cancels > 100 && self.mass_cancels > 20 && self.replaces > 30, "{self:?}");
        assert!(self.replaces_refused.len() > 5 && self.trips.len() == 2, "{self:?}");
    }
}

/// The reference currency and what a bitcoin is worth in it.
pub(crate) fn currencies() -> [Command; 2] {
    let rate = Rate(BTC_RATE * Rate::ONE.0);
    [
        ReferenceCurrencySet { currency: USD }.into(),
        ConversionSet { rate, currency: BTC, instrument: InstrumentId::NONE }.into(),
    ]
}

/// Bitcoins have four decimals more than dollars.
pub(crate) fn in_reference(currency: CurrencyId, amount: i128) -> i128 {
    if currency == USD { amount } else { half_even(amount * i128::from(BTC_RATE), 10_000) }
}

impl Model {
    /// Takes over what was asked of open orders; the cancels that a command owes are told in order.
    pub(crate) fn note_flow(&mut self, command: &Command, events: &[Event], machine: &Machine) {
        let was_refused = events.iter().any(|event| matches!(event, Event::CommandRefused(_)));
        if !matches!(command, Command::Continue(_)) {
            assert!(self.owed_cancels.is_empty(), "a mass cancel goes on before anything else");
        }
        let mut asked_to_cancel = None;
        let mut asked_to_replace = None;
        if let Command::CancelOrder(cancel) = command {
            asked_to_cancel = self.check_cancel(cancel, events);
        } else if let Command::ReplaceOrder(replace) = command {
            asked_to_replace = self.check_replace(replace, events);
        } else if let Command::MassCancel(all) = command {
            if !was_refused {
                self.owe_cancels(all.account, all.instrument, all.side);
            }
        } else if let Command::KillSwitchSet(switch) = command
            && switch.engaged
            && !was_refused
        {
            self.owe_cancels(switch.account, switch.instrument, SideFilter::Any);
        }
        for event in events {
            if let Event::CancelSubmitted(cancel) = event {
                let order = self.orders.get_mut(&cancel.order).expect("what is cancelled is open");
                assert!(!order.is_cancel_pending);
                order.is_cancel_pending = true;
                if asked_to_cancel == Some(cancel.order) {
                    self.counts.cancels += 1;
                } else if self.owed_cancels.front() == Some(&cancel.order) {
                    self.owed_cancels.pop_front();
                } else {
                    assert!(order.reduces, "nobody asked to cancel {}", cancel.order);
                    self.counts.shrunk += 1;
                }
            } else if let Event::ReplaceSubmitted(replace) = event {
                let order = self.orders.get_mut(&replace.order).expect("what is replaced is open");
                let new = (replace.price.0, replace.qty.0);
                if asked_to_replace.is_some_and(|(id, _)| id == replace.order) {
                    assert_eq!(asked_to_replace, Some((replace.order, new)));
                    self.counts.replaces += 1;
                } else {
                    assert!(order.reduces && new.1 < order.qty, "nobody asked to replace {}", replace.order);
                    self.counts.shrunk += 1;
                }
                order.asked = Some(new);
                let terms = machine.orders().terms_by_id(replace.order);
                let asked = terms.and_then(|terms| terms.replacement).expect("it is on its way");
                order.asked_reserve_price = asked.reserve_price.0;
            }
        }
    }

    fn owe_cancels(&mut self, account: AccountId, of: InstrumentId, side: SideFilter) {
        self.counts.mass_cancels += 1;
        let is_meant = |id: &OrderId| {
            let order = &self.orders[id];
            let (is_account, is_market) =
                (account.is_none() || account == order.account, of.is_none() || of == order.instrument);
            is_account && is_market && side.includes(order.side) && !order.is_cancel_pending
        };
        self.owed_cancels = self.orders.keys().copied().filter(is_meant).collect();
    }

    /// A cancel is refused where there is nothing to cancel, and for nothing else.
    fn check_cancel(&self, cancel: &CancelOrder, events: &[Event]) -> Option<OrderId> {
        let refused = events.iter().find_map(|event| {
            if let Event::CancelRejected(refused) = event { Reject::from_code(refused.reason) } else { None }
        });
        let order = self.orders.get(&cancel.order).filter(|order| order.account == cancel.account);
        match order {
            None => assert!(matches!(refused, Some(Reject::UnknownOrder | Reject::OrderDone)), "{events:?}"),
            Some(order) if order.is_cancel_pending => assert_eq!(refused, Some(Reject::CancelPending)),
            Some(_) => assert_eq!(refused, None),
        }
        order.filter(|_| refused.is_none()).map(|_| cancel.order)
    }

    /// A replace is refused for what the model sees, or by a risk rule.
    fn check_replace(&mut self, asked: &ReplaceOrder, events: &[Event]) -> Option<(OrderId, (i64, i64))> {
        let refused = events.iter().find_map(|event| {
            if let Event::ReplaceRejected(refused) = event { Reject::from_code(refused.reason) } else { None }
        });
        if let Some(reason) = refused {
            *self.counts.replaces_refused.entry(reason.word()).or_default() += 1;
        }
        let Some(order) = self.orders.get(&asked.order).filter(|order| order.account == asked.account) else {
            assert!(matches!(refused, Some(Reject::UnknownOrder | Reject::OrderDone)), "{events:?}");
            return None;
        };
        let of = instrument(order.instrument);
        let price = if asked.price.0 == 0 { order.price } else { asked.price.0 };
        let qty = if asked.qty == Qty::ZERO { order.qty } else { asked.qty.0 };
        let expected = if order.is_cancel_pending {
            Some(Reject::CancelPending)
        } else if order.asked.is_some() {
            Some(Reject::ReplacePending)
        } else if asked.price.0 != 0 && !order.has_limit {
            Some(Reject::PriceNotAllowed)
        } else if price % of.tick_size.0 != 0 {
            Some(Reject::PriceOffTick)
        } else if qty <= order.filled {
            Some(Reject::QuantityBelowFilled)
        } else if qty % of.lot_size.0 != 0 {
            Some(Reject::QuantityOffLot)
        } else if qty < of.quantity_min.0 {
            Some(Reject::QuantityBelowMinimum)
        } else if (price, qty) == (order.price, order.qty) {
            Some(Reject::NothingToReplace)
        } else {
            None
        };
        if expected.is_some() {
            assert_eq!(refused, expected, "{asked:?}");
        }
        if (price, qty < order.qty) == (order.price, true) && expected.is_none() {
            assert_eq!(refused, None, "a smaller quantity is less risk");
        }
        if refused.is_none() { Some((asked.order, (price, qty))) } else { None }
    }

    /// What may only reduce reduces, but for what the venue did against the engine's will.
    pub(crate) fn check_reducing(&self) {
        let mut sums: BTreeMap<(AccountId, InstrumentId, bool), i64> = BTreeMap::new();
        for order in self.orders.values().filter(|order| order.reduces && !order.is_forced) {
            if !order.is_cancel_pending {
                let qty = order.asked.map_or(order.qty, |(_, qty)| qty.min(order.qty));
                let place = (order.account, order.instrument, order.side == Side::Buy);
                *sums.entry(place).or_default() += (qty - order.filled).max(0);
            }
        }
        for ((account, of, is_buy), sum) in sums.into_iter().filter(|(_, sum)| *sum > 0) {
            let held = self.positions.get(&(account, of)).map_or(0, |position| position.qty);
            let room = if is_buy { -held } else { held };
            assert!(sum <= room, "orders of {account} in {of} may reduce {room} and would {sum}");
        }
    }

    /// Equity in the reference currency: all balances, and the profit of contracts at their marks.
    fn equity(&self, account: AccountId, machine: &Machine) -> i128 {
        let cash = self.cash.iter().filter(|((of, _), _)| *of == account);
        let mut equity: i128 = cash.map(|((_, currency), amount)| in_reference(*currency, *amount)).sum();
        for ((of, id), position) in self.positions.iter().filter(|((of, _), _)| *of == account) {
            let definition = instrument(*id);
            let Some((low, high)) = machine.market(*id).mark() else { continue };
            assert_eq!(*of, account);
            if definition.kind != InstrumentKind::Spot && position.qty != 0 {
                let open = position.qty.abs();
                let twice = value(&definition, low.0, open) + value(&definition, high.0, open);
                let gain = i128::from(position.qty.signum()) * twice - 2 * position.cost;
                let gain = if definition.kind == InstrumentKind::Inverse { -gain } else { gain };
                equity += in_reference(definition.settlement, half_even(gain, 2 * unit(&definition)));
            }
        }
        equity
    }

    /// What is seen before an order or replace is decided on.
    pub(crate) fn watch_before(&mut self, command: &Command, events: &[Event], machine: &Machine) {
        let decided = events.iter().find_map(|event| {
            if let Event::OrderApproved(approved) = event {
                Some(approved.account)
            } else if let Event::OrderRefused(refused) = event {
                Some(refused.account)
            } else {
                None
            }
        });
        let account = if let Command::NewOrder(asked) = command {
            Some(asked.account)
        } else if let Command::ReplaceOrder(asked) = command {
            machine.orders().by_id(asked.order).map(|order| order.account).filter(|of| *of == asked.account)
        } else {
            decided
        };
        let is_known = |account: &AccountId| machine.accounts().account(*account).is_some();
        if let Some(account) = account.filter(is_known) {
            let equity = self.equity(account, machine);
            self.risk.watch_worth(account, equity);
        }
    }

    /// What is seen after a fill that was booked.
    pub(crate) fn watch_fill(&mut self, fill: &FillReported, machine: &Machine) {
        let (is_booked, close) = self.booked_close(fill.order);
        if !is_booked {
            return;
        }
        let account = machine.orders().by_id(fill.order).expect("it was booked").account;
        if let Some(realized) = close {
            self.risk.note_close(account, realized);
        }
        let equity = self.equity(account, machine);
        self.risk.watch_worth(account, equity);
    }

    /// The breakers that moved are those that the model says, in order.
    pub(crate) fn check_trips(&mut self, command: &Command, events: &[Event], machine: &Machine) {
        if let Command::BreakerReset(reset) = command {
            let accounts: Vec<_> = machine.accounts().accounts().map(|(id, _)| id).collect();
            for account in accounts.into_iter().filter(|id| reset.account.is_none() || *id == reset.account) {
                let equity = self.equity(account, machine);
                self.risk.arm(account, reset.kind, equity);
            }
        }
        let told: Vec<(AccountId, BreakerKind, BreakerState)> = events
            .iter()
            .filter_map(|event| {
                let Event::BreakerChanged(changed) = event else { return None };
                Some((changed.account, changed.kind, changed.state))
            })
            .collect();
        assert_eq!(told, std::mem::take(&mut self.risk.moves), "{command:?}");
        for (_, kind, _) in told.iter().filter(|(.., state)| *state == BreakerState::Tripped) {
            *self.counts.trips.entry(kind.word()).or_default() += 1;
        }
    }
}
