//! Money: books that balance (the desk asserts it after every command), profit, fees, and what orders tie up.

use super::desk::{ALICE, BTC, Desk, INVERSE, LINEAR, SPOT, USD, fill, limit_order, report};
use super::money_kit::legs;
use super::seed::{Random, each_seed};
use tickwerk_domain::event::{LedgerBook, PositionChanged, Posted};
use tickwerk_domain::{
    CurrencyId, Event, InstrumentId, Money, OrderId, PositionChange, PositionSide, Qty, ReportKind, Side,
};

fn order(desk: &mut Desk, instrument: InstrumentId, side: Side, price: i64, qty: i64) -> OrderId {
    let id = desk.next_id();
    desk.apply(limit_order(instrument, side, price, qty));
    assert!(desk.machine().orders().by_id(id).is_some_and(|order| !order.status.is_done()));
    id
}

/// Orders and fills at once.
fn trade(
    desk: &mut Desk,
    instrument: InstrumentId,
    side: Side,
    price: i64,
    qty: i64,
    fee: i128,
) -> Vec<Event> {
    let id = order(desk, instrument, side, price, qty);
    desk.apply(fill(id, 1, price, qty, fee))
}

fn changed(events: &[Event]) -> &PositionChanged {
    let found = events
        .iter()
        .find_map(|event| if let Event::PositionChanged(changed) = event { Some(changed) } else { None });
    found.expect("a fill changes a position")
}

fn posted(events: &[Event]) -> &Posted {
    let found =
        events.iter().find_map(|event| if let Event::Posted(posted) = event { Some(posted) } else { None });
    found.expect("a fill posts")
}

#[test]
fn a_spot_buy_pays_the_value_and_the_fee_and_gets_the_asset() {
    let mut desk = Desk::with_quotes();
    let events = trade(&mut desk, SPOT, Side::Buy, 10_000, 100_000, 500);
    assert_eq!(
        legs(posted(&events)),
        [
            (1_000_000, USD, LedgerBook::Client, LedgerBook::Venue),
            (100_000_000, BTC, LedgerBook::Venue, LedgerBook::Client),
            (500, USD, LedgerBook::Client, LedgerBook::Fee),
        ]
    );
    let expected = PositionChanged {
        open_cost: Money::new(1_000_000),
        realized: Money::ZERO,
        realized_total: Money::ZERO,
        unrealized: Money::ZERO,
        fees_total: Money::new(500),
        qty: Qty(100_000),
        account: ALICE,
        instrument: SPOT,
        change: PositionChange::Opened,
        side: PositionSide::Net,
    };
    assert_eq!(changed(&events), &expected);
}

#[test]
fn a_linear_contract_posts_only_profit_and_fee() {
    let mut desk = Desk::with_quotes();
    let start = desk.cash(ALICE, USD);
    trade(&mut desk, LINEAR, Side::Buy, 10_000, 10_000, 500);
    assert_eq!(desk.cash(ALICE, USD), start - 500);
    let events = trade(&mut desk, LINEAR, Side::Sell, 10_100, 15_000, 700);
    // 1.00 on ten contracts.
    assert_eq!(changed(&events).realized.get(), 100_000);
    assert_eq!(changed(&events).change, PositionChange::Flipped);
    assert_eq!(desk.cash(ALICE, USD), start - 500 + 100_000 - 700);
    let events = trade(&mut desk, LINEAR, Side::Buy, 10_200, 5_000, 0);
    assert_eq!((changed(&events).realized.get(), changed(&events).change), (-50_000, PositionChange::Closed));
    assert_eq!(changed(&events).realized_total.get(), 50_000);
}

#[test]
fn an_inverse_contract_gains_in_the_base_currency() {
    let mut desk = Desk::with_quotes();
    let start = desk.cash(ALICE, BTC);
    trade(&mut desk, INVERSE, Side::Buy, 10_000, 10, 0);
    let events = trade(&mut desk, INVERSE, Side::Sell, 12_500, 10, 0);
    // 1,000 dollars at 1,000 and at 1,250: 1 − 0.8 bitcoins.
    assert_eq!(changed(&events).realized.get(), 20_000_000);
    assert_eq!(desk.cash(ALICE, BTC), start + 20_000_000);
}

#[test]
fn a_rebate_comes_from_the_fee_book() {
    let mut desk = Desk::with_quotes();
    trade(&mut desk, LINEAR, Side::Buy, 10_000, 10_000, -300);
    assert_eq!(desk.machine().accounts().book(USD, LedgerBook::Fee), -300);
    assert_eq!(desk.machine().positions().get(ALICE, LINEAR).fees, -300);
}

/// Trades at random prices until the position is closed: the change of cash is profit less fees, to the last unit.
#[test]
fn the_cash_of_a_closed_spot_position_is_its_realised_profit_less_fees() {
    each_seed(40, |seed| {
        let mut random = Random::new(seed);
        let mut desk = Desk::with_quotes();
        let start = desk.cash(ALICE, USD);
        let mut held = 0;
        for _ in 0..30 {
            let price = 10 * random.between(1, 2_000);
            let qty = 5 * random.between(2, 300);
            let side = if random.one_in(2) { Side::Buy } else { Side::Sell };
            trade(&mut desk, SPOT, side, price, qty, i128::from(random.between(-3, 20)));
            held += side.sign() * qty;
        }
        while held != 0 {
            let side = if held > 0 { Side::Sell } else { Side::Buy };
            let qty = if held.abs() > 60 && !random.one_in(3) { 5 * (held.abs() / 15) } else { held.abs() };
            if qty < 10 {
                // Under the smallest order: trade away from zero first.
                trade(&mut desk, SPOT, side.opposite(), 10_000, 50, 0);
                held -= side.sign() * 50;
                continue;
            }
            trade(&mut desk, SPOT, side, 10 * random.between(1, 2_000), qty, 1);
            held += side.sign() * qty;
        }
        let position = desk.machine().positions().get(ALICE, SPOT);
        assert_eq!((position.qty, position.open_cost), (0, 0));
        assert_eq!(desk.cash(ALICE, USD) - start, position.realized - position.fees);
        assert_eq!(desk.cash(ALICE, BTC), super::desk::BTC_START);
        assert_eq!((desk.reserved(ALICE, USD), desk.reserved(ALICE, BTC)), (0, 0));
    });
}

#[test]
fn what_is_tied_up_returns_to_zero_when_nothing_is_open() {
    for (instrument, currency) in [(SPOT, USD), (LINEAR, USD), (INVERSE, BTC)] {
        let mut desk = Desk::with_quotes();
        let first = order(&mut desk, instrument, Side::Buy, 9_990, 100);
        let second = order(&mut desk, instrument, Side::Buy, 10_000, 200);
        assert!(desk.reserved(ALICE, currency) > 0);
        desk.apply(fill(first, 1, 9_990, 60, 1));
        desk.apply(report(first, ReportKind::Canceled, None));
        desk.apply(fill(second, 1, 10_000, 200, 1));
        let spot = instrument == SPOT;
        assert_eq!(desk.reserved(ALICE, currency) == 0, spot, "a contract ties up margin while it is held");
        trade(&mut desk, instrument, Side::Sell, 10_000, 260, 1);
        assert_eq!((desk.reserved(ALICE, USD), desk.reserved(ALICE, BTC)), (0, 0));
        assert_eq!(desk.machine().positions().get(ALICE, instrument).qty, 0);
    }
}

#[test]
fn exposure_is_the_sum_of_open_orders() {
    let mut desk = Desk::with_quotes();
    let buys = [100, 250, 45].map(|qty| order(&mut desk, SPOT, Side::Buy, 9_000, qty));
    let sells = [500, 75].map(|qty| order(&mut desk, SPOT, Side::Sell, 11_000, qty));
    let exposure = |desk: &Desk| {
        let position = desk.machine().positions().get(ALICE, SPOT);
        (position.qty, position.open_buys, position.open_sells)
    };
    assert_eq!(exposure(&desk), (0, 395, 575));
    desk.apply(fill(buys[1], 1, 9_000, 200, 0));
    assert_eq!(exposure(&desk), (200, 195, 575));
    desk.apply(report(sells[0], ReportKind::Canceled, None));
    desk.apply(report(buys[0], ReportKind::Rejected, None));
    assert_eq!(exposure(&desk), (200, 95, 75));
}

#[test]
fn a_partial_close_of_a_very_large_position_is_booked() {
    let mut desk = Desk::with_quotes();
    let wide = tickwerk_domain::Instrument {
        instrument: InstrumentId(9),
        quantity_max: Qty(1 << 60),
        tick_size: tickwerk_domain::Price(1),
        margin_rate: tickwerk_domain::Rate(1),
        price_scale: 8,
        quantity_scale: 8,
        ..super::desk::instrument(LINEAR)
    };
    desk.apply(wide);
    // 10 million at 1.00: cost × closed is far wider than 128 bits.
    let (one, qty) = (100_000_000, 1_000_000_000_000_000);
    trade(&mut desk, InstrumentId(9), Side::Buy, one, qty, 0);
    let events = trade(&mut desk, InstrumentId(9), Side::Sell, one + one / 100, qty / 4 * 3, 0);
    assert_eq!(changed(&events).realized.get(), 750_000_000, "a cent on 7.5 million");
    assert_eq!(changed(&events).open_cost.get(), 25_000_000_000);
    assert_eq!(desk.machine().accounts().currency(CurrencyId(1)).map(|usd| usd.scale), Some(4));
}
