//! The state of the model beside that of the engine.

use super::super::desk::{ALICE, BOB, INVERSE, LINEAR, SPOT};
use super::model::Model;
use super::workload::CAROL;
use tickwerk_domain::event::LedgerBook;
use tickwerk_domain::{BreakerKind, InstrumentId, LimitKind, Side, TimeNs, TimerKind};
use tickwerk_engine::machine::Machine;
use tickwerk_engine::risk::subjects::SubjectId;

pub(super) fn check(model: &Model, machine: &Machine) {
    check_orders(model, machine);
    check_positions(model, machine);
    check_money(model, machine);
    check_markets(model, machine);
    check_settings(model, machine);
    check_watched(model, machine);
    assert_eq!(machine.unmatched_fills().count(), model.unmatched_count);
    assert_eq!(machine.timers().len(), model.timers.len(), "timers: {:?}", model.timers);
    for ((kind, subject), due) in &model.timers {
        let kind = TimerKind::ALL[usize::from(*kind)];
        assert_eq!(machine.timers().due(kind, *subject), Some(TimeNs(*due)), "{kind} of {subject}");
    }
}

fn check_orders(model: &Model, machine: &Machine) {
    let open: Vec<_> = machine.orders().open().map(|order| order.id).collect();
    assert_eq!(open, model.open.iter().copied().collect::<Vec<_>>(), "open orders");
    for id in model.orders.keys().rev().take(200).chain(&model.open) {
        let expected = &model.orders[id];
        let Some(order) = machine.orders().by_id(*id) else { panic!("order {id} is forgotten") };
        assert_eq!((order.status, order.reason), (expected.status, expected.reason), "order {id}");
        let terms = (order.price.0, order.qty.0, order.cum_qty.0, order.leaves().0);
        assert_eq!(terms, (expected.price, expected.qty, expected.filled, expected.left()), "order {id}");
        assert_eq!((order.cum_value, order.cum_fee), (expected.value, expected.fees), "order {id}");
        let marks = (order.is_accepted, order.is_cancel_pending);
        assert_eq!(marks, (expected.is_accepted, expected.is_cancel_pending), "order {id}");
        let Some(terms) = machine.orders().terms_by_id(*id) else { continue };
        assert_eq!((terms.hold, terms.is_fired), (expected.hold, expected.is_fired), "order {id}");
        let found = (terms.trigger_price.0, terms.display_qty.0);
        assert_eq!(found, (expected.trigger, expected.display), "order {id}");
        let asked = terms.replacement.map(|new| (new.price.0, new.qty.0, new.reserve_price.0));
        let wanted = expected.replacement.map(|new| (new.price, new.qty, new.reserve_price));
        assert_eq!(asked, wanted, "replace of order {id}");
        if !expected.status.is_done() {
            assert_eq!(terms.is_counted, expected.is_counted, "order {id}");
        }
    }
}

fn check_positions(model: &Model, machine: &Machine) {
    for place in model.places() {
        let (account, id, side) = place;
        let (position, expected) = (machine.positions().of(account, id, side), model.position(place));
        let found = (position.qty, position.open_cost, position.realized, position.fees, position.margin);
        let wanted = (expected.qty, expected.cost, expected.realized, expected.fees, expected.margin);
        assert_eq!(found, wanted, "{account} in {id}, {side}");
        let open = (position.open_buys, position.open_sells);
        assert_eq!(open, model.open_of(place), "open orders of {account} in {id}, {side}");
        assert_eq!(machine.positions().funding(account, id, side), expected.funding, "{account} in {id}");
    }
}

fn check_money(model: &Model, machine: &Machine) {
    let accounts = machine.accounts();
    for account in [ALICE, BOB, CAROL] {
        assert_eq!(accounts.account(account).expect("defined").open_orders, model.count_open(account));
        for currency in Model::currencies() {
            let balance = accounts.balance(account, currency);
            assert_eq!(balance.cash, model.cash(account, currency), "{account} has {currency}");
            assert_eq!(balance.reserved, model.reserved(account, currency), "{account} in {currency}");
            let power = model.available(account, currency) + model.profit_in(account, currency);
            assert_eq!(machine.buying_power(account, currency), Some(power), "{account} in {currency}");
        }
        assert_eq!(machine.equity(account), model.equity(account), "equity of {account}");
        let uncounted = accounts.worth(account).fees_uncounted;
        let expected = model.fees_uncounted.get(&account).copied().unwrap_or(0);
        assert_eq!(i128::from(uncounted), i128::from(expected), "fees of {account}");
    }
    for currency in Model::currencies() {
        let mut sum = 0;
        for book in LedgerBook::ALL {
            let expected = model.books.get(&(currency, *book)).copied().unwrap_or(0);
            assert_eq!(accounts.book(currency, *book), expected, "{book:?} of {currency}");
            sum += expected;
        }
        assert_eq!(sum, 0, "no money is created");
    }
}

fn check_markets(model: &Model, machine: &Machine) {
    for id in [SPOT, LINEAR, INVERSE] {
        let (market, expected) = (machine.market(id), model.market(id));
        assert_eq!((market.session, market.is_stale()), (expected.session, expected.is_stale()), "{id}");
        assert_eq!(market.reference_twice(), expected.reference_twice(), "{id}");
        let mark = market.mark().map(|(low, high)| (low.0, high.0));
        assert_eq!(mark, expected.mark(), "mark of {id}");
        for (side, levels) in [(Side::Buy, &expected.bids), (Side::Sell, &expected.asks)] {
            let mut found: Vec<_> =
                market.book.levels(side).map(|level| (level.price.0, level.qty.0)).collect();
            found.sort_unstable();
            let wanted: Vec<_> = levels.iter().map(|(price, qty)| (*price, *qty)).collect();
            assert_eq!(found, wanted, "{side}s of {id}");
        }
    }
}

fn check_settings(model: &Model, machine: &Machine) {
    assert_eq!(machine.settings().version(), model.version);
    for account in [ALICE, BOB, CAROL] {
        for id in [InstrumentId::NONE, SPOT, LINEAR, INVERSE] {
            let effective = machine.settings().effective(account, id);
            let scope = (account, id);
            assert_eq!((effective.is_killed, effective.state), (model.is_killed(scope), model.state(scope)));
            for kind in LimitKind::ALL {
                assert_eq!(effective.get(*kind), model.limit(scope, *kind), "{kind} of {account} in {id}");
            }
        }
    }
}

fn check_watched(model: &Model, machine: &Machine) {
    for (account, expected) in &model.watched {
        let row = machine.subjects().get(SubjectId::Account(*account));
        for kind in BreakerKind::ALL {
            let found = row.breaker(*kind);
            let wanted = expected.breakers.get(kind);
            let until = wanted.map_or(0, |breaker| breaker.until);
            assert_eq!(found.until.0, until, "{kind} of {account}");
            if let Some(wanted) = wanted {
                let seen = (found.state, found.limit, found.observed);
                assert_eq!(seen, (wanted.state, wanted.limit, wanted.seen), "{kind} of {account}");
            }
        }
        let found = (row.messages, row.fills, row.refusals, row.losses);
        let wanted = (expected.messages, expected.fills, expected.refusals, expected.losses);
        assert_eq!(found, wanted, "{account}");
        assert_eq!(row.worth.map(|worth| (worth.day, worth.peak)), expected.worth, "worth of {account}");
        for (bucket, wanted) in [row.orders, row.replaces, row.cancels].iter().zip(expected.buckets) {
            let taken = bucket.taken(1, TimeNs(model.now));
            assert_eq!(i128::from(taken), wanted.taken(1, model.now), "tokens of {account}");
        }
        for kind in LimitKind::ALL {
            let wanted = expected.alerts.get(&(*kind as u8, InstrumentId::NONE)).copied();
            assert_eq!(row.alerts.severity(*kind), wanted, "alert {kind} of {account}");
        }
        for id in [SPOT, LINEAR, INVERSE] {
            let wanted = expected.alerts.get(&(LimitKind::PositionQuantity as u8, id)).copied();
            assert_eq!(machine.subjects().position_alert(*account, id), wanted, "{account} in {id}");
        }
    }
}
