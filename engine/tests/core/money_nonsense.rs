//! Extremes in every field of the commands of money: refused or taken, never a panic; books still balance.

use super::desk::{ALICE, BOB, Desk, INVERSE, LINEAR, SPOT, fill, limit_order, quote, transfer};
use super::money_kit::{HEDGER, desk};
use super::seed::{Random, each_seed};
use tickwerk_domain::command::*;
use tickwerk_domain::{
    AccountId, AccountState, Command, ContinueKind, CurrencyId, DurationNs, InstrumentId, MarkSource,
    OrderId, PositionEffect, PositionMode, Price, Qty, Rate, Sequence, Side, TextId, TimeNs, TimerKind,
};
use tickwerk_engine::replay::Replay;

const EXTREMES: [i64; 12] =
    [i64::MIN, i64::MIN + 1, -1, 0, 1, 5, 10_000, 20_000, 100_000_000, 1 << 60, i64::MAX - 1, i64::MAX];

fn id(random: &mut Random) -> u32 {
    random.pick(&[0, 1, 1, 2, 2, 3, 3, 4, 63, 64, 65, u32::MAX])
}

fn command(random: &mut Random, orders: &[OrderId]) -> Command {
    let (wide, other) = (random.pick(&EXTREMES), random.pick(&EXTREMES));
    let (account, instrument, currency) =
        (AccountId(id(random)), InstrumentId(id(random)), CurrencyId(id(random)));
    match random.below(14) {
        0 => MarkObserved { price: Price(wide), instrument }.into(),
        1 => {
            let interval = DurationNs(random.pick(&[0, 1, 1_000, 50_000, u64::MAX]));
            MarkSourceSet { interval, instrument, source: random.pick(MarkSource::ALL) }.into()
        }
        2 => FundingApplied { rate: Rate(wide), price: Price(other), instrument }.into(),
        3 => FundingApplied { rate: Rate(10_000), price: Price(other), instrument }.into(),
        4 => AccountDefined { account, name: TextId(1), mode: random.pick(PositionMode::ALL) }.into(),
        5 => {
            let state = random.pick(&[AccountState::Active, AccountState::Suspended, AccountState::Closed]);
            AccountStateSet { account, reason: TextId::NONE, state }.into()
        }
        6 => ConversionSet { rate: Rate(wide), currency, instrument }.into(),
        7 => ConversionSet { rate: Rate(0), currency, instrument }.into(),
        8 => ReferenceCurrencySet { currency }.into(),
        9 => {
            let (due, subject) = (TimeNs(wide.cast_unsigned()), u64::from(id(random)));
            TimerFired { due, subject, kind: random.pick(TimerKind::ALL) }.into()
        }
        10 => {
            let (after, started_by) = (wide.cast_unsigned(), Sequence(other.cast_unsigned()));
            Continue { after, started_by, kind: random.pick(ContinueKind::ALL) }.into()
        }
        11 if !orders.is_empty() => {
            let (price, qty) = (random.pick(&[10_000, 10_000, wide]), random.pick(&[5, 10, 1 << 40, other]));
            let plain = fill(random.pick(orders), random.next() >> 8, price, qty, i128::from(other));
            FillReported { fee_currency: currency, ..plain }.into()
        }
        12 => quote(instrument, wide, other).into(),
        _ => order(random),
    }
}

fn order(random: &mut Random) -> Command {
    let plain = limit_order(
        random.pick(&[SPOT, LINEAR, INVERSE]),
        random.pick(Side::ALL),
        10 * random.between(900, 1_100),
        random.pick(&[10, 100, 1_000, 100_000_000]),
    );
    let position_effect = random.pick(PositionEffect::ALL);
    NewOrder { account: random.pick(&[ALICE, BOB, HEDGER]), position_effect, ..plain }.into()
}

fn check(mut desk: Desk, seed: u64, count: usize) {
    let mut random = Random::new(seed);
    let mut orders = Vec::new();
    for _ in 0..count {
        let command = command(&mut random, &orders);
        desk.settle(desk.time + 1_000);
        let id = desk.next_id();
        desk.apply(command);
        if desk.machine().orders().by_id(id).is_some_and(|order| !order.status.is_done()) {
            orders.push(id);
        }
        for account in [0, 1, 2, 3, 63, 64, u32::MAX].map(AccountId) {
            desk.machine().equity(account);
            desk.machine().exposure(account);
            desk.machine().buying_power(account, CurrencyId(1));
        }
    }
    let mut replay = Replay::new();
    for frame in &desk.frames {
        assert_eq!(replay.apply(frame), Ok(()));
    }
}

#[test]
fn extremes_of_money_never_panic() {
    each_seed(60, |seed| {
        let mut desk = desk();
        for account in [ALICE, HEDGER] {
            for currency in [1, 2, 3].map(CurrencyId) {
                desk.apply(transfer(account, currency, 1 << 90));
            }
        }
        check(desk, seed, 250);
    });
}

#[test]
fn extremes_of_money_before_anything_is_defined_never_panic() {
    each_seed(4, |seed| check(Desk::empty(), seed + 1_000, 500));
}

/// A very late time is a time like others.
#[test]
fn the_end_of_time_is_no_panic() {
    let mut desk = desk();
    desk.apply(MarkSourceSet { interval: DurationNs(1_000), instrument: LINEAR, source: MarkSource::Mid });
    let id = desk.next_id();
    desk.apply(limit_order(LINEAR, Side::Buy, 10_000, 100));
    desk.time = u64::MAX - 3_000;
    desk.apply(fill(id, 1, 10_000, 100, 0));
    desk.apply(quote(LINEAR, 10_000, 10_020));
    desk.settle(u64::MAX);
    desk.apply(FundingApplied { rate: Rate(1), price: Price(10_000), instrument: LINEAR });
    assert_eq!(desk.machine().positions().get(ALICE, LINEAR).qty, Qty(100).0);
}
