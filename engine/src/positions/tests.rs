//! Costs, profits and postings of positions.

use super::*;
use proptest::prelude::*;
use tickwerk_domain::{CurrencyId, InstrumentId, Money, Rate, TextId};

fn instrument(kind: InstrumentKind, price_scale: u8, quantity_scale: u8, settlement_scale: u8) -> Instrument {
    Instrument {
        notional_max: Money::ZERO,
        tick_size: Price(1),
        lot_size: Qty(1),
        quantity_min: Qty(1),
        quantity_max: Qty(i64::MAX),
        multiplier: if kind == InstrumentKind::Inverse { 100 } else { 1 },
        maker_fee: Rate(0),
        taker_fee: Rate(0),
        margin_rate: Rate::ONE,
        instrument: InstrumentId(1),
        symbol: TextId(1),
        base: CurrencyId(1),
        quote: CurrencyId(2),
        settlement: CurrencyId(2),
        kind,
        price_scale,
        quantity_scale,
        settlement_scale,
    }
}

/// Books the fills and gives what each did, and the position after all of them.
fn check(
    instrument: &Instrument,
    fills: &[(Side, i64, i64)],
    expected: &[(PositionChange, i128, i128, i128)],
) -> Position {
    let mut position = Position::default();
    let booked: Vec<_> = fills
        .iter()
        .map(|&(side, qty, price)| position.book(instrument, side, Price(price), Qty(qty)).expect("fits"))
        .map(|booked| (booked.change, booked.realized, booked.cash, booked.rounding))
        .collect();
    assert_eq!(booked, expected);
    position
}

#[test]
fn a_spot_round_trip_pays_and_gets_the_notional() {
    use PositionChange::{Closed, Increased, Opened, Reduced};
    let position = check(
        &instrument(InstrumentKind::Spot, 2, 0, 2),
        &[(Side::Buy, 10, 100), (Side::Buy, 10, 200), (Side::Sell, 5, 300), (Side::Sell, 15, 100)],
        &[(Opened, 0, -1000, 0), (Increased, 0, -2000, 0), (Reduced, 750, 1500, 0), (Closed, -750, 1500, 0)],
    );
    assert_eq!((position.qty, position.open_cost, position.realized), (0, 0, 0));
}

#[test]
fn a_short_position_flips_through_zero() {
    use PositionChange::{Flipped, Opened};
    let position = check(
        &instrument(InstrumentKind::Linear, 2, 0, 2),
        &[(Side::Sell, 4, 100), (Side::Buy, 10, 90)],
        &[(Opened, 0, 0, 0), (Flipped, 40, 40, 0)],
    );
    assert_eq!((position.qty, position.open_cost), (6, 540));
    assert_eq!(
        position.unrealized(&instrument(InstrumentKind::Linear, 2, 0, 2), (Price(99), Price(102))),
        Some(63)
    );
}

#[test]
fn an_inverse_contract_gains_in_the_base_currency() {
    use PositionChange::{Closed, Opened};
    // 100 contracts of 100 USD bought at 50,000.0 and sold at 60,000.0: 0.2 − 0.1666… BTC.
    check(
        &instrument(InstrumentKind::Inverse, 1, 0, 8),
        &[(Side::Buy, 100, 500_000), (Side::Sell, 100, 600_000)],
        &[(Opened, 0, 0, 0), (Closed, 3_333_333, 3_333_333, 0)],
    );
    check(
        &instrument(InstrumentKind::Inverse, 1, 0, 8),
        &[(Side::Sell, 100, 600_000), (Side::Buy, 100, 500_000)],
        &[(Opened, 0, 0, 0), (Closed, 3_333_333, 3_333_333, 0)],
    );
}

#[test]
fn the_remainder_of_a_partial_close_is_released_by_the_last_one() {
    use PositionChange::{Closed, Opened, Reduced};
    let position = check(
        &instrument(InstrumentKind::Spot, 0, 0, 0),
        &[(Side::Buy, 1, 1), (Side::Sell, 1, 1)],
        &[(Opened, 0, -1, 0), (Closed, 0, 1, 0)],
    );
    assert_eq!(position.unsettled, 0);
    let mut position = Position { qty: 3, open_cost: 100, unsettled: -100, ..Position::default() };
    let whole = instrument(InstrumentKind::Spot, 0, 0, 0);
    let released: Vec<_> = (0..3)
        .map(|_| position.book(&whole, Side::Sell, Price(50), Qty(1)).expect("fits"))
        .map(|booked| (booked.change, booked.realized, booked.rounding))
        .collect();
    // 100 × 1/3 → 33, then 67 × 1/2 → 33.5 → 34, then the remaining 33.
    assert_eq!(released, [(Reduced, 17, 0), (Reduced, 16, 0), (Closed, 17, 0)]);
}

#[test]
fn the_average_price_follows_from_the_exact_cost() {
    // Settlement scales on either side of those of price and quantity.
    for settlement_scale in [0, 2, 8] {
        for kind in [InstrumentKind::Spot, InstrumentKind::Linear] {
            let of = instrument(kind, 3, 1, settlement_scale);
            let mut position = Position::default();
            assert_eq!(position.average_price(&of, 8), None, "nothing is open");
            for (price, qty) in [(1_001, 10), (1_004, 5)] {
                position.book(&of, Side::Sell, Price(price), Qty(qty)).expect("fits");
            }
            assert_eq!(position.average_price(&of, 8), Some(100_200_000_000), "{kind:?} {settlement_scale}");
            position.book(&of, Side::Buy, Price(1_000), Qty(16)).expect("fits");
            assert_eq!(position.average_price(&of, 0), Some(1_000), "turned around");
        }
    }
    let of = instrument(InstrumentKind::Inverse, 1, 0, 8);
    let mut position = Position::default();
    position.book(&of, Side::Buy, Price(500_000), Qty(100)).expect("fits");
    assert_eq!(position.average_price(&of, 8), Some(50_000_000_000_000));
    let huge = Position { qty: i64::MAX, open_cost: COST_MAX, ..Position::default() };
    assert_eq!(huge.average_price(&instrument(InstrumentKind::Linear, 3, 1, 2), 18), None, "it does not fit");
}

#[test]
fn what_postings_and_profit_differ_by_goes_to_the_rounding_book() {
    use PositionChange::{Closed, Increased, Opened};
    // Cents, with prices in hundredths of a cent: 10.006 is posted as 10.01 twice, then 20.012 comes back as 20.01.
    let position = check(
        &instrument(InstrumentKind::Spot, 4, 0, 2),
        &[(Side::Buy, 1, 100_060), (Side::Buy, 1, 100_060), (Side::Sell, 2, 100_060)],
        &[(Opened, 0, -1001, 0), (Increased, 0, -1001, 0), (Closed, 0, 2001, -1)],
    );
    assert_eq!((position.open_cost, position.unsettled), (0, 0));
}

#[test]
fn every_change_of_quantity_has_its_name() {
    use PositionChange::{Closed, Flipped, Increased, Opened, Reduced};
    let cases = [(0, -2), (2, 5), (-2, -5), (5, 2), (-5, -1), (5, -1), (-5, 1), (5, 0), (i64::MIN, i64::MAX)];
    let names = cases.map(|(before, after)| named(before, after));
    assert_eq!(names, [Opened, Increased, Increased, Reduced, Reduced, Flipped, Flipped, Closed, Flipped]);
}

proptest! {
    /// Whatever the fills: once flat, cash less what went to the rounding book is the profit realised.
    #[test]
    fn a_flat_position_has_realised_what_it_got(
        fills in prop::collection::vec((any::<bool>(), 1_i64..50, 1_i64..2_000_000), 1..60),
        settlement_scale in 0_u8..6,
        spot in any::<bool>(),
    ) {
        let kind = if spot { InstrumentKind::Spot } else { InstrumentKind::Linear };
        let instrument = instrument(kind, 3, 1, settlement_scale);
        let mut position = Position::default();
        let (mut cash, mut rounding) = (0, 0);
        let last = (true, 0, 1_000);
        for (buys, qty, price) in fills.into_iter().chain([last]) {
            let flatten = qty == 0;
            let side = if flatten { if position.qty > 0 { Side::Sell } else { Side::Buy } } else if buys { Side::Buy } else { Side::Sell };
            let qty = if flatten { position.qty.abs() } else { qty };
            if qty == 0 { continue; }
            let booked = position.book(&instrument, side, Price(price), Qty(qty)).expect("fits");
            cash += booked.cash;
            rounding += booked.rounding;
            prop_assert_eq!(position.qty == 0, position.open_cost == 0 && position.qty == 0);
        }
        prop_assert_eq!(position.qty, 0);
        prop_assert_eq!(position.unsettled, 0);
        prop_assert_eq!(cash - rounding, position.realized);
    }
}
