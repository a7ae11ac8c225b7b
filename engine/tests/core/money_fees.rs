//! Fees of makers and takers in the settlement, the base or any other currency.

use super::desk::{ALICE, BTC, BTC_START, INVERSE, LINEAR, SPOT, USD, USD_START, fill};
use super::money_kit::{BNB, book, changed, desk, equity, legs, order, posted, trade_with_fee};
use tickwerk_domain::PositionEffect::Auto;
use tickwerk_domain::Side::{Buy, Sell};
use tickwerk_domain::command::{CurrencyDefined, FillReported};
use tickwerk_domain::event::LedgerBook;
use tickwerk_domain::{CurrencyId, Event, Reject, TextId};

#[test]
fn a_spot_buy_with_its_fee_in_base_gets_the_base_less_the_fee() {
    let mut desk = desk();
    // One bitcoin at 100 dollars, a tenth of a percent of it as fee.
    let events = trade_with_fee(&mut desk, (ALICE, SPOT), (Buy, Auto), (10_000, 100_000), (100_000, BTC));
    assert_eq!(
        legs(&posted(&events)[0]),
        [
            (1_000_000, USD, LedgerBook::Client, LedgerBook::Venue),
            (100_000_000, BTC, LedgerBook::Venue, LedgerBook::Client),
            (100_000, BTC, LedgerBook::Client, LedgerBook::Fee),
        ]
    );
    assert_eq!(desk.cash(ALICE, BTC), BTC_START + 100_000_000 - 100_000);
    // It counts at the price of the fill: 0.1 dollars.
    assert_eq!(changed(&events)[0].fees_total.get(), 1_000);
    let Some(Event::OrderFilled(filled)) = events.first() else { panic!("{events:?}") };
    assert_eq!(filled.cum_fee.get(), 1_000);
    assert_eq!(changed(&events)[0].qty.0, 100_000, "the position is what was traded");
    assert_eq!(book(&desk, BTC, LedgerBook::Fee), 100_000);
}

#[test]
fn a_fee_in_base_is_counted_half_even() {
    // At 100 dollars with four decimals: one unit is 10⁻⁶ bitcoins, so 50 hundredths of it tie.
    for (fee, counted) in [(49, 0), (50, 0), (51, 1), (150, 2), (250, 2), (-50, 0), (-150, -2)] {
        let mut desk = desk();
        let events = trade_with_fee(&mut desk, (ALICE, SPOT), (Sell, Auto), (10_000, 100), (fee, BTC));
        assert_eq!(changed(&events)[0].fees_total.get(), counted, "{fee}");
        assert_eq!(book(&desk, BTC, LedgerBook::Fee), fee);
    }
}

#[test]
fn a_fee_in_another_currency_counts_by_the_conversion_table() {
    let mut desk = desk();
    // A hundredth at 300 dollars.
    let events = trade_with_fee(&mut desk, (ALICE, LINEAR), (Buy, Auto), (10_000, 1_000), (1_000_000, BNB));
    assert_eq!(changed(&events)[0].fees_total.get(), 30_000);
    assert_eq!(desk.cash(ALICE, USD), USD_START);
    assert_eq!(book(&desk, BNB, LedgerBook::Fee), 1_000_000);
    // Three dollars are 0.03 bitcoins at 100.
    let events = trade_with_fee(&mut desk, (ALICE, INVERSE), (Buy, Auto), (10_000, 100), (1_000_000, BNB));
    assert_eq!(changed(&events)[0].fees_total.get(), 3_000_000);
    let rebate = trade_with_fee(&mut desk, (ALICE, LINEAR), (Sell, Auto), (10_000, 1_000), (-500, BTC));
    assert_eq!(changed(&rebate)[0].fees_total.get(), 30_000 - 5, "half a thousandth of a cent comes back");
    assert_eq!(desk.machine().accounts().worth(ALICE).fees_uncounted, 0);
}

#[test]
fn a_fee_that_no_rate_converts_is_posted_and_counted_apart() {
    let mut desk = desk();
    let odd = CurrencyId(9);
    desk.apply(CurrencyDefined { currency: odd, code: TextId::NONE, scale: 2 });
    let events = trade_with_fee(&mut desk, (ALICE, LINEAR), (Buy, Auto), (10_000, 1_000), (700, odd));
    assert_eq!(changed(&events)[0].fees_total.get(), 0);
    assert_eq!((desk.cash(ALICE, odd), book(&desk, odd, LedgerBook::Fee)), (-700, 700));
    assert_eq!(desk.machine().accounts().worth(ALICE).fees_uncounted, 1);
    assert_eq!(desk.machine().equity(ALICE), None, "what cannot be converted cannot be counted");
}

#[test]
fn a_fee_in_a_currency_that_is_not_defined_is_kept_and_raised() {
    let mut desk = desk();
    let id = order(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 1_000);
    for currency in [CurrencyId(40), CurrencyId(64), CurrencyId(u32::MAX)] {
        let events = desk.apply(FillReported { fee_currency: currency, ..fill(id, 1, 10_000, 1_000, 7) });
        let [Event::FillUnmatched(of)] = events[..] else { panic!("{events:?}") };
        assert_eq!(of.reason, Reject::UnknownCurrency.code());
    }
    assert_eq!(desk.machine().positions().get(ALICE, LINEAR).qty, 0);
}

#[test]
fn a_fee_costs_its_worth_whatever_it_is_taken_in() {
    for (fee, currency, worth) in [(30_000, USD, 30_000), (1_000_000, BNB, 30_000), (100_000, BTC, 1_000)] {
        for instrument in [SPOT, LINEAR, INVERSE] {
            let after = |fee| {
                let mut desk = desk();
                let (way, fill) = ((Buy, Auto), (10_000, 100));
                trade_with_fee(&mut desk, (ALICE, instrument), way, fill, (fee, currency));
                equity(&desk, ALICE)
            };
            assert_eq!(after(0) - after(fee), worth, "{instrument} {currency}");
        }
    }
}
