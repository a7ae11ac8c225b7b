//! All that decides about money counts in the digest: two desks that differ in one value only have different digests.

use super::desk::{ALICE, BTC, Desk, LINEAR, SPOT, USD, fill};
use super::money_kit::{BNB, HEDGER, account, desk, funding, marks, order, state, trade};
use tickwerk_domain::PositionEffect::{Auto, Close, Open};
use tickwerk_domain::Side::{Buy, Sell};
use tickwerk_domain::command::{ConversionSet, FillReported, MarkObserved, ReferenceCurrencySet};
use tickwerk_domain::{
    AccountState, Command, CurrencyId, InstrumentId, MarkSource, PositionMode, Price, Rate, Reject,
};
use tickwerk_engine::Decider;

/// Both commands are taken by a desk that was prepared alike, and lead to different digests.
fn check(prepare: impl Fn(&mut Desk), first: impl Into<Command>, second: impl Into<Command>) {
    let digest = |command: Command| {
        let mut desk = desk();
        prepare(&mut desk);
        super::money_kit::accept(&mut desk, command);
        (desk.core.last(), desk.core.digest())
    };
    let (first, second) = (first.into(), second.into());
    let (told_first, told_second) = (digest(first), digest(second));
    assert_eq!(told_first.0, told_second.0, "{first:?} and {second:?} cause as many events");
    assert_ne!(told_first.1, told_second.1, "{first:?} and {second:?}");
}

#[test]
fn every_setting_of_money_counts() {
    let nothing = |_: &mut Desk| {};
    let mark = |price| MarkObserved { price: Price(price), instrument: LINEAR };
    check(nothing, mark(5), mark(6));
    check(nothing, mark(0), mark(1));
    check(nothing, marks(LINEAR, MarkSource::Mid, 0), marks(LINEAR, MarkSource::Venue, 0));
    check(nothing, marks(LINEAR, MarkSource::Mid, 5), marks(LINEAR, MarkSource::Mid, 6));
    let rate = |rate| ConversionSet { rate: Rate(rate), currency: BNB, instrument: InstrumentId::NONE };
    check(nothing, rate(5), rate(6));
    let by_mark = ConversionSet { rate: Rate(0), currency: BTC, instrument: SPOT };
    check(nothing, by_mark, ConversionSet { rate: Rate(1), instrument: InstrumentId::NONE, ..by_mark });
    check(nothing, ReferenceCurrencySet { currency: USD }, ReferenceCurrencySet { currency: BTC });
    check(nothing, state(ALICE, AccountState::Suspended), state(ALICE, AccountState::Closed));
    check(nothing, account(ALICE, PositionMode::Netting), account(ALICE, PositionMode::Hedging));
}

#[test]
fn every_effect_on_money_counts() {
    let holds = |desk: &mut Desk| {
        trade(desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 1_000);
    };
    check(holds, funding(LINEAR, 10_000, 10_000), funding(LINEAR, 20_000, 10_000));
    let orders = |desk: &mut Desk| {
        order(desk, (HEDGER, LINEAR), (Sell, Open), 10_000, 1_000);
    };
    let id = desk().next_id();
    let with_fee = |fee_currency| FillReported { fee_currency, ..fill(id, 1, 10_000, 1_000, 7) };
    check(orders, with_fee(USD), with_fee(BNB));
    check(orders, with_fee(CurrencyId::NONE), with_fee(BTC));
    // The same quantities on the same way, on other sides of a pair.
    let pairs = [(Sell, Open), (Sell, Close)].map(|way| {
        let mut desk = desk();
        trade(&mut desk, (HEDGER, LINEAR), (Buy, Open), 10_000, 1_000);
        trade(&mut desk, (HEDGER, LINEAR), way, 10_000, 1_000);
        (desk.core.last(), desk.core.digest())
    });
    assert_eq!(pairs[0].0, pairs[1].0);
    assert_ne!(pairs[0].1, pairs[1].1);
}

/// Funding that goes on is paid whole before other funding is taken.
#[test]
fn funding_is_refused_while_other_funding_is_being_paid() {
    let mut desk = desk();
    for number in 10..60 {
        let of = tickwerk_domain::AccountId(number);
        super::money_kit::rich(&mut desk, of);
        trade(&mut desk, (of, LINEAR), (Buy, Auto), 10_000, 1_000);
    }
    desk.apply(funding(LINEAR, 10_000, 10_000));
    let pending = desk.core.digest();
    assert!(desk.machine().continuation().is_some());
    assert_eq!(super::money_kit::refused(&mut desk, funding(LINEAR, 5, 10_000)), Reject::EngineBusy);
    assert_ne!(desk.core.digest(), pending);
    desk.settle(0);
    assert!(desk.machine().continuation().is_none());
    super::money_kit::accept(&mut desk, funding(LINEAR, 5, 10_000));
}
