//! The digest changes when any state changes, and says the same of two engines that came to the same state.

use super::desk::{
    ALICE, BTC, Desk, INVERSE, LINEAR, SPOT, USD, cancel, fill, instrument, limit, limit_order, market_order,
    quote, report, transfer,
};
use tickwerk_domain::command::{
    AccountDefined, CurrencyDefined, KillSwitchSet, LatencyRecorded, MarketGapObserved, PriceBandSet,
    ReconcileEnded, ReconcileStarted, SimulatedVenueSet, StrategyDefined, TextDefined, TradeBusted,
    TradeCorrected, TradeObserved, TradingStateSet, VenueLatencySet, VenueOrderStated,
};
use tickwerk_domain::{
    AccountId, Aggressor, BookDelta, Command, CurrencyId, DurationNs, Instrument, InstrumentId, LatencyModel,
    Level, LimitKind, Money, OrderId, PositionMode, Price, Qty, Rate, ReportKind, Side, StaleReason,
    StrategyId, TextBytes, TextId, TimeNs, TradingState, VenueId,
};

fn delta(update_id: u64, flags: u8, side: Side, price: i64, qty: i64) -> Command {
    let mut delta = BookDelta::new(SPOT, update_id, flags);
    delta.push(side, Level { price: Price(price), qty: Qty(qty) });
    delta.into()
}

/// One command for each part of the state.
fn steps(order: OrderId) -> Vec<Command> {
    let ema = StrategyDefined {
        parameters: [2, 5, 100, 0, 0, 0, 0, 0],
        strategy: StrategyId(7),
        name: TextId::NONE,
        account: ALICE,
        instrument: SPOT,
        kind: 1,
        enabled: true,
    };
    let (account, all, reason) = (ALICE, InstrumentId(0), TextId::NONE);
    let trade = TradeObserved {
        trade_id: 1,
        price: Price(10_000),
        qty: Qty(3),
        instrument: SPOT,
        aggressor: Aggressor::Buyer,
    };
    vec![
        fill(order, 1, 9_000, 30, 5).into(),
        report(order, ReportKind::Accepted, None).into(),
        cancel(order).into(),
        report(order, ReportKind::CancelRejected, None).into(),
        quote(SPOT, 9_980, 10_010).into(),
        quote(SPOT, 9_980, 10_000).into(),
        trade.into(),
        TradeObserved { qty: Qty(4), ..trade }.into(),
        delta(5, BookDelta::CLEAR, Side::Buy, 9_950, 3),
        delta(5, BookDelta::LAST, Side::Sell, 10_050, 3),
        delta(6, BookDelta::LAST, Side::Sell, 10_050, 4),
        delta(7, 0, Side::Sell, 10_060, 4),
        MarketGapObserved { expected: 1, received: 2, instrument: SPOT, reason: StaleReason::Gap }.into(),
        SimulatedVenueSet::touch(SPOT, DurationNs(9)).into(),
        LatencyRecorded {
            sent_at: TimeNs(1),
            arrived_at: TimeNs(2),
            reported_at: TimeNs(3),
            instrument: SPOT,
        }
        .into(),
        VenueLatencySet {
            order_factor: Rate(1),
            report_factor: Rate(1),
            table: 0,
            instrument: SPOT,
            model: LatencyModel::Feed,
        }
        .into(),
        PriceBandSet { low: Price(1), high: Price(2), dynamic: Rate(0), instrument: SPOT }.into(),
        Instrument { taker_fee: Rate(1), ..instrument(LINEAR) }.into(),
        AccountDefined { account: AccountId(9), name: TextId::NONE, mode: PositionMode::Netting }.into(),
        CurrencyDefined { currency: CurrencyId(9), code: TextId::NONE, scale: 2 }.into(),
        TextDefined { text_id: TextId(9), text: TextBytes::new("nine").unwrap() }.into(),
        ema.into(),
        StrategyDefined { enabled: false, ..ema }.into(),
        limit(LimitKind::OpenOrders, ALICE, all, 5).into(),
        KillSwitchSet { account, instrument: LINEAR, strategy: StrategyId::NONE, reason, engaged: true }
            .into(),
        TradingStateSet {
            account,
            instrument: INVERSE,
            strategy: StrategyId::NONE,
            reason,
            state: TradingState::ReduceOnly,
        }
        .into(),
        transfer(ALICE, USD, 1),
        transfer(ALICE, BTC, -1),
        limit_order(SPOT, Side::Sell, 12_000, 10).into(),
        fill(OrderId(9_999), 1, 9_000, 30, 5).into(),
        TradeCorrected { order, execution_id: 1, price: Price(9_010), qty: Qty(30), fee: Money::new(5) }
            .into(),
        TradeBusted { order, execution_id: 1 }.into(),
        ReconcileStarted { run: 1, account, venue: VenueId::SIMULATED }.into(),
        VenueOrderStated {
            run: 1,
            order,
            venue_order_id: 5,
            price: Price(9_000),
            qty: Qty(100),
            cum_qty: Qty(0),
            account,
            instrument: SPOT,
            side: Side::Buy,
        }
        .into(),
        VenueOrderStated {
            run: 1,
            order: OrderId(9_999),
            venue_order_id: 6,
            price: Price(9_000),
            qty: Qty(100),
            cum_qty: Qty(0),
            account,
            instrument: SPOT,
            side: Side::Buy,
        }
        .into(),
        ReconcileEnded { run: 1 }.into(),
    ]
}

fn start() -> (Desk, OrderId) {
    let mut desk = Desk::with_quotes();
    let order = desk.next_id();
    desk.apply(limit_order(SPOT, Side::Buy, 9_000, 100));
    (desk, order)
}

#[test]
fn every_step_changes_the_machines_digest_and_the_same_steps_give_the_same() {
    let (mut desk, order) = start();
    let (mut twin, _) = start();
    let mut seen = vec![desk.machine().digest()];
    for command in steps(order) {
        desk.apply(command);
        twin.apply(command);
        let digest = desk.machine().digest();
        assert!(!seen.contains(&digest), "{command:?}");
        assert_eq!(digest, twin.machine().digest());
        seen.push(digest);
    }
}

#[test]
fn one_unit_of_difference_anywhere_shows() {
    let (mut plain, order) = start();
    let (mut other, _) = start();
    plain.apply(fill(order, 1, 9_000, 30, 5));
    other.apply(fill(order, 1, 9_000, 30, 6));
    assert_ne!(plain.machine().digest(), other.machine().digest());
    let (mut plain, _) = start();
    let (mut other, _) = start();
    plain.apply(quote(SPOT, 9_980, 10_010));
    other.apply(quote(SPOT, 9_980, 10_011));
    assert_ne!(plain.machine().digest(), other.machine().digest());
}

#[test]
fn the_venues_digest_tells_its_orders_and_how_many_there_were() {
    let mut desk = Desk::with_quotes();
    let mut seen = vec![desk.core.venue().digest()];
    let id = desk.next_id();
    desk.feed(limit_order(SPOT, Side::Buy, 9_000, 100));
    seen.push(desk.core.venue().digest());
    desk.feed(cancel(id));
    desk.settle(u64::MAX);
    assert_eq!(desk.core.venue().open_orders(), 0);
    seen.push(desk.core.venue().digest());
    let are_different = seen.iter().enumerate().all(|(index, digest)| !seen[..index].contains(digest));
    assert!(are_different, "the order is gone, but the next one gets another number: {seen:?}");
}

#[test]
fn the_book_digest_depends_on_levels_and_not_on_how_they_came() {
    let (mut one, _) = start();
    let (mut two, _) = start();
    let digest = |desk: &Desk| desk.machine().market(SPOT).book.digest();
    one.apply(delta(1, BookDelta::CLEAR, Side::Buy, 9_950, 3));
    one.apply(delta(1, BookDelta::LAST, Side::Buy, 9_940, 2));
    two.apply(delta(1, BookDelta::CLEAR, Side::Buy, 9_940, 7));
    two.apply(delta(1, 0, Side::Buy, 9_950, 3));
    assert_ne!(digest(&one), digest(&two));
    two.apply(delta(1, BookDelta::LAST, Side::Buy, 9_940, 2));
    assert_eq!(digest(&one), digest(&two));
    one.feed(market_order(SPOT, Side::Buy, 100));
    assert_eq!(digest(&one), digest(&two), "an order of ours changes nothing of what was observed");
}
