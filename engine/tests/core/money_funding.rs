//! Funding of perpetual contracts.

use super::desk::{ALICE, BOB, BTC, INVERSE, LINEAR, SPOT, USD, USD_START};
use super::money_kit::{HEDGER, accept, book, desk, funded, funding, refused, trade};
use tickwerk_domain::PositionEffect::{Auto, Open};
use tickwerk_domain::Side::{Buy, Sell};
use tickwerk_domain::event::LedgerBook;
use tickwerk_domain::{AccountId, Command, Event, InstrumentId, PositionSide, Rate, Reject};

/// A hundredth of a percent.
const RATE: i64 = 10_000;

#[test]
fn longs_pay_and_shorts_get_the_rate_of_their_value() {
    let mut desk = desk();
    trade(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 30_000);
    trade(&mut desk, (BOB, LINEAR), (Sell, Auto), 10_000, 10_000);
    let events = accept(&mut desk, funding(LINEAR, RATE, 10_100));
    let paid: Vec<_> = funded(&events).iter().map(|of| (of.account, of.amount.get(), of.qty.0)).collect();
    // 30 and 10 contracts at 101 dollars.
    assert_eq!(paid, [(ALICE, -3_030, 30_000), (BOB, 1_010, -10_000)]);
    assert_eq!(desk.cash(ALICE, USD), USD_START - 3_030);
    assert_eq!(desk.cash(BOB, USD), USD_START + 1_010);
    assert_eq!(book(&desk, USD, LedgerBook::Funding), 2_020, "the rest of the market");
    let events = accept(&mut desk, funding(LINEAR, -RATE, 10_000));
    let paid: Vec<_> = funded(&events).iter().map(|of| (of.amount.get(), of.funding_total.get())).collect();
    assert_eq!(paid, [(3_000, -30), (-1_000, 10)]);
    assert_eq!(desk.machine().positions().funding(ALICE, LINEAR, PositionSide::Net), -30);
}

#[test]
fn an_inverse_contract_pays_in_the_base_currency() {
    let mut desk = desk();
    trade(&mut desk, (ALICE, INVERSE), (Buy, Auto), 10_000, 10);
    let events = accept(&mut desk, funding(INVERSE, RATE, 12_500));
    // 1,000 dollars at 1,250.
    assert_eq!(funded(&events)[0].amount.get(), -8_000);
    assert_eq!(book(&desk, BTC, LedgerBook::Funding), 8_000);
}

#[test]
fn both_sides_of_a_pair_pay_for_themselves() {
    let mut desk = desk();
    trade(&mut desk, (HEDGER, LINEAR), (Buy, Open), 10_000, 10_000);
    trade(&mut desk, (HEDGER, LINEAR), (Sell, Open), 10_000, 10_000);
    let events = accept(&mut desk, funding(LINEAR, RATE, 10_000));
    let paid: Vec<_> = funded(&events).iter().map(|of| (of.side, of.amount.get())).collect();
    assert_eq!(paid, [(PositionSide::Long, -1_000), (PositionSide::Short, 1_000)]);
    assert_eq!(desk.cash(HEDGER, USD), USD_START);
    let positions = desk.machine().positions();
    assert_eq!(positions.funding(HEDGER, LINEAR, PositionSide::Short), 1_000);
}

#[test]
fn payments_are_rounded_half_even() {
    // At 0.05 dollars a contract and 0.01 %: 100 thousandths are worth 50 units, 10,000 pay half a unit.
    for (qty, paid) in [(9_000, 0), (10_000, 0), (11_000, -1), (30_000, -2), (50_000, -2)] {
        let mut desk = desk();
        trade(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10, qty);
        let events = accept(&mut desk, funding(LINEAR, RATE, 5));
        assert_eq!(funded(&events)[0].amount.get(), paid, "{qty}");
    }
}

#[test]
fn more_accounts_than_fit_one_command_go_on() {
    let mut desk = desk();
    let accounts: Vec<AccountId> = (10..60).map(AccountId).collect();
    for account in &accounts {
        super::money_kit::rich(&mut desk, *account);
        trade(&mut desk, (*account, LINEAR), (Buy, Auto), 10_000, 10_000);
    }
    let mut events = accept(&mut desk, funding(LINEAR, RATE, 10_000));
    let told = desk.settle(0);
    assert!(!told.is_empty(), "it went on");
    assert!(told.iter().all(|(command, _)| matches!(command, Command::Continue(_))));
    events.extend(told.into_iter().flat_map(|(_, events)| events));
    assert_eq!(funded(&events).iter().map(|of| of.account).collect::<Vec<_>>(), accounts, "each once");
    assert_eq!(book(&desk, USD, LedgerBook::Funding), 50 * 1_000);
    assert_eq!(desk.machine().continuation(), None);
}

#[test]
fn what_does_not_fit_is_refused_and_nobody_pays() {
    let mut desk = desk();
    trade(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 10_000);
    let cases = [
        (funding(InstrumentId(50), RATE, 10_000), Reject::UnknownInstrument),
        (funding(SPOT, RATE, 10_000), Reject::TermsInvalid),
        (funding(LINEAR, Rate::ONE.0 + 1, 10_000), Reject::ValueOutOfRange),
        (funding(LINEAR, i64::MIN, 10_000), Reject::ValueOutOfRange),
        (funding(LINEAR, RATE, 0), Reject::PriceNotPositive),
        (funding(INVERSE, RATE, -1), Reject::PriceNotPositive),
    ];
    for (command, reason) in cases {
        assert_eq!(refused(&mut desk, command), reason, "{command:?}");
    }
    assert_eq!(desk.cash(ALICE, USD), USD_START);
    let nobody: Vec<Event> = accept(&mut desk, funding(INVERSE, RATE, 10_000));
    assert_eq!(nobody, [], "nobody holds it");
}
