//! Each risk rule at its limit, one step below and one above.

use super::desk::{
    ALICE, BOB, BTC, BTC_START, Desk, INVERSE, LINEAR, SPOT, USD, USD_START, cancel, fill, instrument, limit,
    limit_order, market_order, quote, report, transfer, types,
};
use tickwerk_domain::command::{KillSwitchSet, NewOrder, TradingStateSet};
use tickwerk_domain::{
    AccountId, Command, Event, Instrument, InstrumentId, LimitKind, Money, OrderType, Price, Qty, Reject,
    ReportKind, Side, StrategyId, TextId, TradingState,
};

/// Rule, limit and value seen of a refusal; `None` for an approval.
type Outcome = Option<(Reject, i128, i128)>;

fn outcome(desk: &mut Desk, order: NewOrder) -> Outcome {
    let id = desk.next_id();
    let version = desk.machine().settings().version();
    let events = desk.apply(order);
    let Some(Event::OrderRefused(refused)) = events.first() else {
        assert_eq!(types(&events), ["risk.order_approved", "order.submitted"]);
        return None;
    };
    assert_eq!(types(&events), ["risk.order_refused", "order.rejected"]);
    assert_eq!((refused.order, refused.limits_version), (id, version));
    assert_eq!((refused.account, refused.instrument), (order.account, order.instrument));
    let reason = Reject::from_code(refused.reason).expect("a known reason");
    Some((reason, refused.limit.get(), refused.observed.get()))
}

/// Each order meets a fresh desk that was told `setup`.
fn check(setup: &[Command], cases: &[(NewOrder, Outcome)]) {
    for (order, expected) in cases {
        let mut desk = Desk::with_quotes();
        for command in setup {
            desk.apply(*command);
        }
        assert_eq!(outcome(&mut desk, *order), *expected, "{order:?}");
    }
}

fn buy(qty: i64) -> NewOrder {
    limit_order(SPOT, Side::Buy, 10_000, qty)
}

fn sell(qty: i64) -> NewOrder {
    limit_order(SPOT, Side::Sell, 10_000, qty)
}

/// A rule that compares nothing.
fn refused(reason: Reject) -> Outcome {
    PLAIN.map(|(limit, observed)| (reason, limit, observed))
}

const PLAIN: Option<(i128, i128)> = Some((0, 0));

fn state(account: AccountId, instrument: InstrumentId, state: TradingState) -> Command {
    TradingStateSet { account, instrument, strategy: StrategyId::NONE, reason: TextId::NONE, state }.into()
}

fn kill(account: AccountId, instrument: InstrumentId, engaged: bool) -> Command {
    KillSwitchSet { account, instrument, strategy: StrategyId::NONE, reason: TextId::NONE, engaged }.into()
}

const ALL: (AccountId, InstrumentId) = (AccountId(0), InstrumentId(0));

#[test]
fn unknown_accounts_and_instruments_are_refused() {
    let account = |number| NewOrder { account: AccountId(number), ..buy(100) };
    let market = |number| limit_order(InstrumentId(number), Side::Buy, 10_000, 100);
    let mut cases = Vec::new();
    for number in [0, 3, 63, 64, u32::MAX] {
        cases.push((account(number), refused(Reject::UnknownAccount)));
    }
    for number in [0, 4, 63, 64, u32::MAX] {
        cases.push((market(number), refused(Reject::UnknownInstrument)));
    }
    check(&[], &cases);
}

#[test]
fn a_halt_stops_all_orders_in_its_scope_and_no_other() {
    for (account, instrument) in [ALL, (ALICE, InstrumentId(0)), (AccountId(0), SPOT), (ALICE, SPOT)] {
        let halt = state(account, instrument, TradingState::Halted);
        check(
            &[halt],
            &[(buy(100), refused(Reject::TradingHalted)), (sell(100), refused(Reject::TradingHalted))],
        );
        check(&[halt, state(account, instrument, TradingState::Active)], &[(buy(100), None)]);
    }
    check(&[state(BOB, InstrumentId(0), TradingState::Halted)], &[(buy(100), None)]);
    check(&[state(ALICE, LINEAR, TradingState::Halted)], &[(buy(100), None)]);
}

#[test]
fn reduce_only_lets_through_what_the_position_and_open_orders_leave() {
    let mut desk = Desk::with_quotes();
    let id = desk.next_id();
    desk.apply(buy(100));
    desk.apply(fill(id, 1, 10_000, 100, 0));
    desk.apply(state(ALICE, SPOT, TradingState::ReduceOnly));
    assert_eq!(outcome(&mut desk, buy(10)), Some((Reject::ReduceOnly, 0, 10)));
    assert_eq!(outcome(&mut desk, sell(105)), Some((Reject::ReduceOnly, 100, 105)));
    assert_eq!(outcome(&mut desk, sell(60)), None);
    assert_eq!(outcome(&mut desk, sell(45)), Some((Reject::ReduceOnly, 40, 45)));
    assert_eq!(outcome(&mut desk, sell(40)), None);
}

#[test]
fn a_kill_switch_refuses_orders_in_its_scope_until_it_is_released() {
    for (account, instrument) in [ALL, (ALICE, InstrumentId(0)), (AccountId(0), SPOT), (ALICE, SPOT)] {
        let engaged = kill(account, instrument, true);
        check(
            &[engaged],
            &[
                (buy(100), refused(Reject::KillSwitch)),
                (market_order(SPOT, Side::Sell, 100), refused(Reject::KillSwitch)),
            ],
        );
        check(&[engaged, kill(account, instrument, false)], &[(buy(100), None)]);
    }
    check(&[kill(ALICE, LINEAR, true)], &[(buy(100), None)]);
}

#[test]
fn a_cancel_passes_every_switch() {
    let mut desk = Desk::with_quotes();
    let id = desk.next_id();
    desk.apply(buy(100));
    desk.apply(state(ALL.0, ALL.1, TradingState::Halted));
    desk.apply(limit(LimitKind::OpenOrders, ALICE, InstrumentId(0), 0));
    assert_eq!(types(&desk.apply(cancel(id))), ["order.cancel_submitted"]);
}

#[test]
fn prices_are_positive_multiples_of_the_tick_and_market_orders_have_none() {
    let at = |price| limit_order(SPOT, Side::Buy, price, 100);
    let priced_market = NewOrder { order_type: OrderType::Market, ..at(10_000) };
    check(
        &[],
        &[
            (at(10_000), None),
            (at(10_001), Some((Reject::PriceOffTick, 10, 10_001))),
            (at(9_999), Some((Reject::PriceOffTick, 10, 9_999))),
            (at(10), None),
            (at(0), Some((Reject::PriceNotPositive, 1, 0))),
            (at(-10), Some((Reject::PriceNotPositive, 1, -10))),
            (priced_market, Some((Reject::PriceNotAllowed, 0, 10_000))),
        ],
    );
}

#[test]
fn quantities_are_multiples_of_the_lot_between_minimum_and_maximum() {
    check(
        &[limit(LimitKind::OrderQuantity, ALICE, SPOT, 1_000).into()],
        &[
            (buy(0), Some((Reject::QuantityNotPositive, 1, 0))),
            (buy(-10), Some((Reject::QuantityNotPositive, 1, -10))),
            (buy(11), Some((Reject::QuantityOffLot, 5, 11))),
            (buy(5), Some((Reject::QuantityBelowMinimum, 10, 5))),
            (buy(10), None),
            (buy(995), None),
            (buy(1_000), None),
            (buy(1_005), Some((Reject::QuantityAboveLimit, 1_000, 1_005))),
        ],
    );
}

#[test]
fn the_instruments_own_maximum_holds_where_no_limit_is_narrower() {
    let definition = Instrument { quantity_max: Qty(500), ..instrument(SPOT) };
    let wide = limit(LimitKind::OrderQuantity, ALICE, SPOT, 1_000);
    let cases = [(buy(500), None), (buy(505), Some((Reject::QuantityAboveLimit, 500, 505)))];
    check(&[definition.into(), wide.into()], &cases);
}

#[test]
fn notional_is_bounded_by_the_limit_and_by_the_instrument() {
    // 100,000 at 100.00 is 100.0000 dollars; the next lot costs 0.005 more.
    let cases = [
        (buy(99_995), None),
        (buy(100_000), None),
        (buy(100_005), Some((Reject::NotionalAboveLimit, 1_000_000, 1_000_050))),
    ];
    check(&[limit(LimitKind::OrderNotional, ALICE, SPOT, 1_000_000).into()], &cases);
    check(&[Instrument { notional_max: Money::new(1_000_000), ..instrument(SPOT) }.into()], &cases);
    let market = market_order(SPOT, Side::Buy, 100_000);
    let limited = limit(LimitKind::OrderNotional, ALICE, SPOT, 1_000_000);
    check(&[limited.into()], &[(market, Some((Reject::NotionalAboveLimit, 1_000_000, 1_001_000)))]);
}

#[test]
fn the_collar_holds_on_both_sides_of_the_reference_price() {
    let at = |side, price| limit_order(SPOT, side, price, 100);
    // One percent of 10,000.
    check(
        &[limit(LimitKind::PriceCollar, ALICE, SPOT, 1_000_000).into()],
        &[
            (at(Side::Buy, 10_090), None),
            (at(Side::Buy, 10_100), None),
            (at(Side::Buy, 10_110), Some((Reject::PriceOutsideCollar, 10_100, 10_110))),
            (at(Side::Sell, 9_910), None),
            (at(Side::Sell, 9_900), None),
            (at(Side::Sell, 9_890), Some((Reject::PriceOutsideCollar, 9_900, 9_890))),
        ],
    );
    let mut desk = Desk::new();
    desk.apply(limit(LimitKind::PriceCollar, ALICE, SPOT, 1_000_000));
    assert_eq!(outcome(&mut desk, at(Side::Buy, 10_000)), refused(Reject::NoReferencePrice));
}

#[test]
fn the_position_limit_counts_open_orders_at_their_worst() {
    let mut desk = Desk::with_quotes();
    desk.apply(limit(LimitKind::PositionQuantity, ALICE, SPOT, 1_000));
    let id = desk.next_id();
    desk.apply(buy(600));
    desk.apply(fill(id, 1, 10_000, 300, 0));
    assert_eq!(outcome(&mut desk, buy(405)), Some((Reject::PositionAboveLimit, 1_000, 1_005)));
    assert_eq!(outcome(&mut desk, buy(395)), None);
    assert_eq!(outcome(&mut desk, buy(10)), Some((Reject::PositionAboveLimit, 1_000, 1_005)));
    assert_eq!(outcome(&mut desk, sell(1_305)), Some((Reject::PositionAboveLimit, 1_000, 1_005)));
    assert_eq!(outcome(&mut desk, sell(1_300)), None, "300 held, 1,000 short at worst");
    desk.apply(report(id, ReportKind::Canceled, None));
    assert_eq!(outcome(&mut desk, buy(300)), None, "what a cancelled order held is free again");
}

#[test]
fn the_account_can_pay_for_a_spot_buy_with_its_fee() {
    // 100.00 × 1.00000 = 100.0000 and 0.05 % of it: 1,000,500.
    let price = limit_order(SPOT, Side::Buy, 10_000, 100_000);
    for (cash, expected) in [
        (1_000_501, None),
        (1_000_500, None),
        (1_000_499, Some((Reject::InsufficientBuyingPower, 1_000_499, 1_000_500))),
    ] {
        check(&[transfer(ALICE, USD, cash - USD_START)], &[(price, expected)]);
    }
}

#[test]
fn open_orders_use_up_buying_power() {
    let mut desk = Desk::with_quotes();
    desk.apply(transfer(ALICE, USD, 1_500_000 - USD_START));
    assert_eq!(outcome(&mut desk, buy(100_000)), None);
    assert_eq!(outcome(&mut desk, buy(50_000)), Some((Reject::InsufficientBuyingPower, 499_500, 500_250)));
    assert_eq!(outcome(&mut desk, buy(45_000)), None);
}

#[test]
fn a_spot_sell_needs_the_asset() {
    let cash = |amount: i128| transfer(ALICE, BTC, amount - BTC_START);
    let order = sell(100_000);
    check(&[cash(100_000_001)], &[(order, None)]);
    check(&[cash(100_000_000)], &[(order, None)]);
    let short = Some((Reject::InsufficientBuyingPower, 99_999_999, 100_000_000));
    check(&[cash(99_999_999)], &[(order, short)]);
}

#[test]
fn a_linear_contract_needs_margin_and_fee() {
    // 100.00 × 100 contracts = 10,000.0000; a tenth is 1,000.0000, the fee 5.0000.
    let order = limit_order(LINEAR, Side::Sell, 10_000, 100_000);
    let cash = |amount: i128| transfer(ALICE, USD, amount - USD_START);
    check(&[cash(10_050_001)], &[(order, None)]);
    check(&[cash(10_050_000)], &[(order, None)]);
    let short = Some((Reject::InsufficientBuyingPower, 10_049_999, 10_050_000));
    check(&[cash(10_049_999)], &[(order, short)]);
}

#[test]
fn an_inverse_contract_needs_margin_and_fee_in_the_base_currency() {
    // 1,000 contracts of 100 dollars at 1,000.0: 100 bitcoins; a tenth is 10, the fee 0.05.
    let order = limit_order(INVERSE, Side::Buy, 10_000, 1_000);
    let cash = |amount: i128| transfer(ALICE, BTC, amount - BTC_START);
    check(&[cash(1_005_000_001)], &[(order, None)]);
    check(&[cash(1_005_000_000)], &[(order, None)]);
    let short = Some((Reject::InsufficientBuyingPower, 1_004_999_999, 1_005_000_000));
    check(&[cash(1_004_999_999)], &[(order, short)]);
}

#[test]
fn a_contract_order_that_raises_no_margin_passes_and_losses_lower_the_buying_power() {
    let mut desk = Desk::with_quotes();
    desk.apply(transfer(ALICE, USD, 10_050_000 - USD_START));
    let id = desk.next_id();
    desk.apply(limit_order(LINEAR, Side::Buy, 10_000, 100_000));
    desk.apply(fill(id, 1, 10_000, 100_000, 0));
    desk.apply(quote(LINEAR, 9_890, 9_910));
    // The position lost 1.00 × 100 contracts; 10,050,000 − 1,000,000 is available for the margin of 9,900,000 and more.
    let more = limit_order(LINEAR, Side::Buy, 9_900, 10);
    let refused = Some((Reject::InsufficientBuyingPower, 9_050_000, 9_900_990 + 5));
    assert_eq!(
        outcome(&mut desk, more).map(|(reason, available, _)| (reason, available)),
        refused.map(|(r, a, _)| (r, a))
    );
    assert_eq!(outcome(&mut desk, limit_order(LINEAR, Side::Sell, 9_900, 100_000)), None);
}

#[test]
fn the_open_order_count_is_the_accounts_over_all_instruments() {
    let mut desk = Desk::with_quotes();
    desk.apply(limit(LimitKind::OpenOrders, ALICE, InstrumentId(0), 2));
    let first = desk.next_id();
    assert_eq!(outcome(&mut desk, buy(100)), None);
    assert_eq!(outcome(&mut desk, limit_order(LINEAR, Side::Buy, 10_000, 10)), None);
    assert_eq!(outcome(&mut desk, buy(100)), Some((Reject::OpenOrdersAboveLimit, 2, 3)));
    assert_eq!(outcome(&mut desk, NewOrder { account: BOB, ..buy(100) }), None);
    desk.apply(limit(LimitKind::OpenOrders, ALICE, InstrumentId(0), 1));
    assert_eq!(outcome(&mut desk, buy(100)), Some((Reject::OpenOrdersAboveLimit, 1, 3)));
    desk.apply(limit(LimitKind::OpenOrders, ALICE, InstrumentId(0), 2));
    desk.apply(report(first, ReportKind::Canceled, None));
    assert_eq!(outcome(&mut desk, buy(100)), None);
}

#[test]
fn a_market_order_needs_a_price_and_counts_at_the_touch_moved_by_the_collar() {
    let mut desk = Desk::new();
    assert_eq!(outcome(&mut desk, market_order(SPOT, Side::Buy, 100)), refused(Reject::NoReferencePrice));
    desk.apply(quote(SPOT, 9_990, 10_000));
    desk.apply(limit(LimitKind::PriceCollar, ALICE, SPOT, 1_000_000));
    desk.apply(market_order(SPOT, Side::Buy, 100_000));
    // 101.00 and 0.05 % of it.
    assert_eq!(desk.reserved(ALICE, USD), 1_010_000 + 505);
    assert_eq!(Price(10_000), desk.machine().market(SPOT).touch.ask.price);
}
