//! Conversion between currencies, equity, exposure and buying power, and the states of an account.

use super::desk::{
    ALICE, BOB, BTC, BTC_START, Desk, INVERSE, LINEAR, SPOT, USD, USD_START, cancel, limit_order, quote,
    report, transfer,
};
use super::money_kit::{
    BNB, BNB_RATE, HEDGER, accept, desk, equity, move_to, order, order_reason, refused, state, trade,
};
use tickwerk_domain::AccountState::{Active, Closed, Suspended};
use tickwerk_domain::PositionEffect::{Auto, Open};
use tickwerk_domain::Side::{Buy, Sell};
use tickwerk_domain::command::{ConversionSet, CurrencyDefined, ReferenceCurrencySet};
use tickwerk_domain::{AccountId, CurrencyId, Instrument, InstrumentId, Rate, Reject, ReportKind, TextId};

fn conversion(currency: CurrencyId, rate: i64, instrument: InstrumentId) -> ConversionSet {
    ConversionSet { rate: Rate(rate), currency, instrument }
}

#[test]
fn amounts_convert_at_fixed_rates_and_at_marks_either_way_round() {
    let mut desk = desk();
    let machine = desk.machine();
    assert_eq!(machine.in_reference(USD, 5), Some(5));
    assert_eq!(machine.in_reference(BTC, 100_000_000), Some(1_000_000), "a bitcoin is 100 dollars");
    assert_eq!(machine.in_reference(BTC, 50), Some(0), "a tie goes to the even neighbour");
    assert_eq!(machine.in_reference(BTC, -150), Some(-2));
    assert_eq!(machine.in_reference(BNB, 100_000_000), Some(3_000_000));
    assert_eq!(machine.convert(BNB, BTC, 100_000_000), Some(300_000_000));
    assert_eq!(machine.from_reference(BTC, 1_000_000), Some(100_000_000));
    move_to(&mut desk, SPOT, 20_000);
    assert_eq!(desk.machine().in_reference(BTC, 100_000_000), Some(2_000_000), "the mark moved");
    // Now the other way round: dollars in bitcoins.
    accept(&mut desk, ReferenceCurrencySet { currency: BTC });
    accept(&mut desk, conversion(USD, 0, SPOT));
    assert_eq!(desk.machine().in_reference(USD, 2_000_000), Some(100_000_000));
    assert_eq!(desk.machine().in_reference(BTC, 7), Some(7));
    assert_eq!(desk.machine().from_reference(USD, 100_000_000), Some(2_000_000));
    accept(&mut desk, conversion(USD, 1_000_000, InstrumentId::NONE));
    assert_eq!(desk.machine().in_reference(USD, 1_000_000), Some(100_000_000), "at the fixed 0.01");
}

#[test]
fn without_a_rate_there_is_no_figure_and_nothing_is_nothing() {
    let mut desk = Desk::new();
    assert_eq!(desk.machine().in_reference(USD, 1), None, "no reference currency");
    assert_eq!(desk.machine().equity(ALICE), None);
    accept(&mut desk, ReferenceCurrencySet { currency: USD });
    assert_eq!(desk.machine().in_reference(BTC, 1), None);
    assert_eq!(desk.machine().in_reference(BTC, 0), Some(0));
    assert_eq!(desk.machine().equity(ALICE), None, "the bitcoins cannot be counted");
    accept(&mut desk, conversion(BTC, 0, SPOT));
    assert_eq!(desk.machine().equity(ALICE), None, "the market has no price yet");
    accept(&mut desk, quote(SPOT, 9_990, 10_010));
    assert_eq!(desk.machine().equity(ALICE), Some(USD_START + 10_000_000));
    for bad in [(0, 0), (-5, 5), (i64::MIN, i64::MIN)] {
        accept(&mut desk, quote(SPOT, bad.0, bad.1));
        assert_eq!(desk.machine().in_reference(BTC, 1 << 20), None, "{bad:?} is no rate");
    }
    assert_eq!(desk.machine().in_reference(USD, i128::MAX), Some(i128::MAX));
    accept(&mut desk, conversion(BTC, i64::MAX, InstrumentId::NONE));
    assert_eq!(desk.machine().in_reference(BTC, i128::MAX), None, "it does not fit");
}

#[test]
fn what_cannot_convert_is_refused() {
    let mut desk = desk();
    let other = CurrencyId(9);
    desk.apply(CurrencyDefined { currency: other, code: TextId::NONE, scale: 2 });
    let cases = [
        (conversion(CurrencyId(33), 1, InstrumentId::NONE), Reject::UnknownCurrency),
        (conversion(CurrencyId::NONE, 1, InstrumentId::NONE), Reject::UnknownCurrency),
        (conversion(CurrencyId(u32::MAX), 1, InstrumentId::NONE), Reject::UnknownCurrency),
        (conversion(BTC, 0, InstrumentId::NONE), Reject::ValueOutOfRange),
        (conversion(BTC, -1, InstrumentId::NONE), Reject::ValueOutOfRange),
        (conversion(BTC, 0, InstrumentId(55)), Reject::UnknownInstrument),
        (conversion(BTC, 0, LINEAR), Reject::TermsInvalid),
        (conversion(BTC, 1, SPOT), Reject::TermsInvalid),
        (conversion(other, 0, SPOT), Reject::TermsInvalid),
    ];
    for (command, reason) in cases {
        assert_eq!(refused(&mut desk, command), reason, "{command:?}");
    }
    for currency in [CurrencyId::NONE, CurrencyId(33), CurrencyId(u32::MAX)] {
        assert_eq!(refused(&mut desk, ReferenceCurrencySet { currency }), Reject::UnknownCurrency);
    }
    assert_eq!(desk.machine().in_reference(BTC, 100_000_000), Some(1_000_000));
}

#[test]
fn equity_is_balances_and_the_profit_of_contracts() {
    let mut desk = desk();
    // A million dollars, ten bitcoins at 100 and ten coins at 300.
    let start = USD_START + 10_000_000 + 30_000_000;
    assert_eq!(equity(&desk, ALICE), start);
    trade(&mut desk, (ALICE, SPOT), (Buy, Auto), 10_000, 100_000);
    assert_eq!(equity(&desk, ALICE), start, "a bitcoin for 100 dollars");
    trade(&mut desk, (ALICE, LINEAR), (Sell, Auto), 10_000, 10_000);
    move_to(&mut desk, LINEAR, 9_900);
    assert_eq!(equity(&desk, ALICE), start + 100_000);
    move_to(&mut desk, SPOT, 11_000);
    assert_eq!(equity(&desk, ALICE), start + 100_000 + 11 * 100_000);
}

#[test]
fn exposure_counts_positions_and_orders_at_their_worst() {
    let mut desk = desk();
    trade(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 10_000);
    trade(&mut desk, (ALICE, INVERSE), (Sell, Auto), 10_000, 10);
    order(&mut desk, (ALICE, LINEAR), (Sell, Auto), 11_000, 30_000);
    order(&mut desk, (ALICE, SPOT), (Buy, Auto), 9_000, 100_000);
    let machine = desk.machine();
    let exposure = machine.exposure(ALICE).expect("all rates are known");
    // 1,000 dollars long, and ten contracts of 100 dollars short, at 999.0 and 1,001.0: 1.000001 bitcoins in the mean,
    // which the spot market has at 100 dollars.
    let inverse = 1_000_001;
    assert_eq!((exposure.gross, exposure.net), (10_000_000 + inverse, 10_000_000 - inverse));
    assert_eq!(machine.gross_exposure(ALICE), Some(exposure.gross));
    assert_eq!(machine.net_exposure(ALICE), Some(exposure.net));
    assert_eq!(exposure.gross_worst, 20_000_000 + inverse + 1_000_000);
    assert_eq!(exposure.net_longest, 10_000_000 - inverse + 1_000_000);
    assert_eq!(exposure.net_shortest, -20_000_000 - inverse);
    trade(&mut desk, (HEDGER, LINEAR), (Buy, Open), 10_000, 10_000);
    trade(&mut desk, (HEDGER, LINEAR), (Sell, Open), 10_000, 10_000);
    let pair = desk.machine().exposure(HEDGER).expect("all rates are known");
    assert_eq!((pair.gross, pair.net), (20_000_000, 0), "a hedge is no exposure net, and twice gross");
}

#[test]
fn buying_power_is_what_is_free_and_the_profit_of_contracts() {
    let mut desk = desk();
    trade(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 10_000);
    move_to(&mut desk, LINEAR, 10_100);
    let power = desk.machine().buying_power(ALICE, USD).expect("both are known");
    assert_eq!(power, USD_START - desk.reserved(ALICE, USD) + 100_000);
    assert_eq!(desk.machine().buying_power(ALICE, BTC), Some(BTC_START));
    assert_eq!(desk.machine().buying_power(AccountId(40), USD), None);
    assert_eq!(desk.machine().buying_power(ALICE, CurrencyId(40)), None);
}

#[test]
fn another_reference_currency_starts_the_figures_anew() {
    let mut desk = desk();
    let known = |desk: &Desk| desk.machine().accounts().worth(ALICE).is_known;
    assert!(known(&desk));
    accept(&mut desk, ReferenceCurrencySet { currency: BNB });
    assert!(!known(&desk), "no rates to it");
    for currency in [USD, BTC] {
        accept(&mut desk, conversion(currency, BNB_RATE.0, InstrumentId::NONE));
    }
    assert!(known(&desk));
    assert_eq!(desk.machine().accounts().worth(ALICE).peak, equity(&desk, ALICE));
}

#[test]
fn an_account_moves_between_its_states_as_allowed() {
    let mut desk = desk();
    let of = |desk: &Desk| desk.machine().accounts().account(ALICE).expect("defined").state;
    assert_eq!(of(&desk), Active);
    assert_eq!(refused(&mut desk, state(ALICE, Active)), Reject::IllegalMove);
    accept(&mut desk, state(ALICE, Suspended));
    assert_eq!(refused(&mut desk, state(ALICE, Suspended)), Reject::IllegalMove);
    accept(&mut desk, state(ALICE, Active));
    accept(&mut desk, state(ALICE, Suspended));
    accept(&mut desk, state(ALICE, Closed));
    for to in [Active, Suspended, Closed] {
        assert_eq!(refused(&mut desk, state(ALICE, to)), Reject::IllegalMove);
        assert_eq!(of(&desk), Closed);
    }
    for unknown in [0, 40, 64, u32::MAX] {
        assert_eq!(refused(&mut desk, state(AccountId(unknown), Suspended)), Reject::UnknownAccount);
    }
}

#[test]
fn only_an_account_without_positions_and_orders_can_be_closed() {
    let mut desk = desk();
    let id = order(&mut desk, (ALICE, LINEAR), (Buy, Auto), 9_000, 100);
    assert_eq!(refused(&mut desk, state(ALICE, Closed)), Reject::IllegalMove);
    desk.apply(cancel(id));
    desk.apply(report(id, ReportKind::Canceled, None));
    trade(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 100);
    assert_eq!(refused(&mut desk, state(ALICE, Closed)), Reject::IllegalMove);
    trade(&mut desk, (ALICE, LINEAR), (Sell, Auto), 10_000, 100);
    accept(&mut desk, state(ALICE, Closed));
    assert_eq!(refused(&mut desk, transfer(ALICE, USD, 5)), Reject::AccountNotActive);
    accept(&mut desk, transfer(ALICE, USD, -5));
    trade(&mut desk, (HEDGER, LINEAR), (Sell, Open), 10_000, 100);
    assert_eq!(refused(&mut desk, state(HEDGER, Closed)), Reject::IllegalMove, "a short side is open");
    accept(&mut desk, state(BOB, Closed));
}

#[test]
fn an_instrument_that_no_longer_fits_the_reference_currency_is_no_rate() {
    let mut desk = desk();
    accept(&mut desk, Instrument { instrument: InstrumentId(9), base: BNB, ..super::desk::instrument(SPOT) });
    accept(&mut desk, quote(InstrumentId(9), 29_990, 30_010));
    accept(&mut desk, conversion(BNB, 0, InstrumentId(9)));
    assert_eq!(desk.machine().in_reference(BNB, 100_000_000), Some(3_000_000));
    accept(&mut desk, ReferenceCurrencySet { currency: BTC });
    assert_eq!(
        desk.machine().in_reference(BNB, 100_000_000),
        None,
        "there is no way through a third currency"
    );
}

#[test]
fn what_contracts_have_lost_can_neither_leave_nor_be_spent() {
    let mut desk = desk();
    let short = Some(Reject::InsufficientBuyingPower.code());
    let cash = |desk: &Desk| desk.machine().accounts().balance(ALICE, USD).available();
    trade(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 1_000);
    let free = cash(&desk);
    move_to(&mut desk, LINEAR, 9_000);
    let lost = desk.machine().unrealized(ALICE, LINEAR);
    assert!(lost < 0, "{lost}");
    assert_eq!(cash(&desk), free, "a mark moves no cash");
    assert_eq!(refused(&mut desk, transfer(ALICE, USD, -(free + lost) - 1)), Reject::InsufficientBuyingPower);
    accept(&mut desk, transfer(ALICE, USD, -(free + lost)));
    let spot = |side| limit_order(SPOT, side, 10_000, 1_000);
    assert_eq!(order_reason(&desk.apply(spot(Buy))), short);
    assert_eq!(order_reason(&desk.apply(spot(Sell))), None, "the loss is in dollars");
    // A profit is no cash either, and a loss that is made good binds nothing.
    move_to(&mut desk, LINEAR, 11_000);
    assert_eq!(refused(&mut desk, transfer(ALICE, USD, lost - 1)), Reject::InsufficientBuyingPower);
    accept(&mut desk, transfer(ALICE, USD, lost));
}

#[test]
fn what_inverse_contracts_have_lost_is_missing_in_their_own_currency() {
    let mut desk = desk();
    trade(&mut desk, (ALICE, INVERSE), (Buy, Auto), 10_000, 100);
    move_to(&mut desk, INVERSE, 8_000);
    let lost = desk.machine().unrealized(ALICE, INVERSE);
    let free = desk.machine().accounts().balance(ALICE, BTC).available();
    assert!(lost < 0 && free + lost > 0, "{free} {lost}");
    assert_eq!(refused(&mut desk, transfer(ALICE, BTC, -(free + lost) - 1)), Reject::InsufficientBuyingPower);
    accept(&mut desk, transfer(ALICE, BTC, -(free + lost)));
    let sell = limit_order(SPOT, Sell, 10_000, 1_000);
    assert_eq!(order_reason(&desk.apply(sell)), Some(Reject::InsufficientBuyingPower.code()));
}
