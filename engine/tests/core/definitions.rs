//! Definitions, settings and sources: what is taken, what is refused and why.

use super::desk::{
    ALICE, BTC, Desk, INVERSE, LINEAR, SPOT, USD, USD_START, definitions, instrument, limit, transfer,
};
use tickwerk_domain::command::{
    AccountDefined, CurrencyDefined, KillSwitchSet, RulesActivated, SimulatedVenueSet, TextDefined,
};
use tickwerk_domain::event::{CommandRefused, LimitChanged};
use tickwerk_domain::{
    AccountId, Command, CurrencyId, DurationNs, Event, Instrument, InstrumentId, InstrumentKind, LimitKind,
    PositionMode, Price, Qty, Rate, Reject, SourceId, StrategyId, TextBytes, TextId,
};
use tickwerk_engine::{Core, Decider};

/// The command is refused with this reason and value, and nothing but the versions of streams changes.
fn check(desk: &mut Desk, command: impl Into<Command>, reason: Reject, value: i64) {
    let command = command.into();
    let expected = CommandRefused {
        value,
        reason: reason.code(),
        command_type: command.type_id().0,
        text: TextId::NONE,
    };
    assert_eq!(desk.apply(command), [Event::from(expected)], "{command:?}");
}

#[test]
fn texts_are_given_once() {
    let mut desk = Desk::empty();
    let text =
        |number, text: &str| TextDefined { text_id: TextId(number), text: TextBytes::new(text).unwrap() };
    assert_eq!(desk.apply(text(5, "alpha")), []);
    assert_eq!(desk.apply(text(5, "alpha")), []);
    check(&mut desk, text(5, "beta"), Reject::DefinitionFixed, 5);
    check(&mut desk, text(0, "beta"), Reject::IdOutOfRange, 0);
    check(&mut desk, text(4_096, "beta"), Reject::IdOutOfRange, 4_096);
    assert_eq!(desk.machine().texts().collect::<Vec<_>>(), [(TextId(5), "alpha")]);
}

#[test]
fn currencies_keep_their_scale() {
    let mut desk = Desk::new();
    let currency = |number, scale| CurrencyDefined { currency: CurrencyId(number), code: TextId(9), scale };
    assert_eq!(desk.apply(currency(1, 4)), []);
    assert_eq!(desk.machine().accounts().currency(USD).map(|known| known.code), Some(TextId(9)));
    check(&mut desk, currency(1, 5), Reject::DefinitionFixed, 5);
    check(&mut desk, currency(3, 19), Reject::ValueOutOfRange, 19);
    check(&mut desk, currency(0, 2), Reject::IdOutOfRange, 0);
    check(&mut desk, currency(64, 2), Reject::IdOutOfRange, 64);
}

#[test]
fn accounts_have_numbers_of_their_table() {
    let mut desk = Desk::new();
    let account = |number| AccountDefined {
        account: AccountId(number),
        name: TextId::NONE,
        mode: PositionMode::Netting,
    };
    assert_eq!(desk.apply(account(63)), []);
    for number in [0, 64, u32::MAX] {
        check(&mut desk, account(number), Reject::IdOutOfRange, i64::from(number));
    }
}

#[test]
fn an_instrument_changes_its_steps_but_not_its_nature() {
    let mut desk = Desk::new();
    let spot = instrument(SPOT);
    let finer = Instrument { tick_size: Price(1), maker_fee: Rate(-5_000), quantity_max: Qty(7_000), ..spot };
    assert_eq!(desk.apply(finer), []);
    for other in [
        Instrument { price_scale: 3, ..spot },
        Instrument { quantity_scale: 4, ..spot },
        Instrument { kind: InstrumentKind::Linear, ..spot },
    ] {
        check(&mut desk, other, Reject::DefinitionFixed, 1);
    }
    check(&mut desk, Instrument { multiplier: 2, ..instrument(LINEAR) }, Reject::DefinitionFixed, 2);
    assert_eq!(desk.machine().instrument(SPOT).map(|slot| slot.definition), Some(finer));
}

#[test]
fn a_senseless_instrument_is_refused() {
    let mut desk = Desk::new();
    let fresh = |instrument_of| Instrument { instrument: InstrumentId(9), ..instrument(instrument_of) };
    let (spot, linear, inverse) = (fresh(SPOT), fresh(LINEAR), fresh(INVERSE));
    let missing = CurrencyId(9);
    for (bad, reason, value) in [
        (Instrument { instrument: InstrumentId(0), ..spot }, Reject::IdOutOfRange, 0),
        (Instrument { instrument: InstrumentId(64), ..spot }, Reject::IdOutOfRange, 64),
        (Instrument { base: missing, ..spot }, Reject::UnknownCurrency, 9),
        (Instrument { quote: missing, ..spot }, Reject::UnknownCurrency, 9),
        (Instrument { settlement: missing, ..spot }, Reject::UnknownCurrency, 9),
        (Instrument { settlement: BTC, ..linear }, Reject::ValueOutOfRange, 2),
        (Instrument { settlement: USD, ..inverse }, Reject::ValueOutOfRange, 1),
        (Instrument { settlement_scale: 5, ..spot }, Reject::ValueOutOfRange, 5),
        (Instrument { price_scale: 19, ..spot }, Reject::ValueOutOfRange, 19),
        (Instrument { quantity_scale: 19, ..linear }, Reject::ValueOutOfRange, 19),
        (Instrument { quantity_scale: 9, ..spot }, Reject::ValueOutOfRange, 9),
        (Instrument { tick_size: Price(0), ..spot }, Reject::ValueOutOfRange, 0),
        (Instrument { lot_size: Qty(-1), ..spot }, Reject::ValueOutOfRange, -1),
        (Instrument { quantity_min: Qty(0), ..spot }, Reject::ValueOutOfRange, 0),
        (Instrument { quantity_max: Qty(9), ..spot }, Reject::ValueOutOfRange, 9),
        (Instrument { multiplier: 0, ..linear }, Reject::ValueOutOfRange, 0),
        (Instrument { multiplier: 2, ..spot }, Reject::ValueOutOfRange, 2),
        (Instrument { margin_rate: Rate(-1), ..linear }, Reject::ValueOutOfRange, -1),
        (Instrument { taker_fee: Rate(100_000_001), ..spot }, Reject::ValueOutOfRange, 100_000_001),
        (Instrument { maker_fee: Rate(-100_000_001), ..spot }, Reject::ValueOutOfRange, -100_000_001),
    ] {
        check(&mut desk, bad, reason, value);
        assert!(desk.machine().instrument(InstrumentId(9)).is_none());
    }
    assert_eq!(desk.apply(spot), []);
}

#[test]
fn a_setting_of_the_venue_needs_its_instrument() {
    let mut desk = Desk::new();
    let setting = |instrument| SimulatedVenueSet::touch(instrument, DurationNs(5));
    assert_eq!(desk.apply(setting(SPOT)), []);
    check(&mut desk, setting(InstrumentId(9)), Reject::UnknownInstrument, 9);
    check(&mut desk, setting(InstrumentId(u32::MAX)), Reject::UnknownInstrument, i64::from(u32::MAX));
}

#[test]
fn money_leaves_only_where_it_is() {
    let mut desk = Desk::new();
    check(&mut desk, transfer(ALICE, USD, -USD_START - 1), Reject::InsufficientBuyingPower, -10_000_000_001);
    check(&mut desk, transfer(ALICE, CurrencyId(9), 5), Reject::UnknownCurrency, 9);
    check(&mut desk, transfer(AccountId(9), USD, 5), Reject::UnknownAccount, 9);
    check(&mut desk, transfer(ALICE, USD, i128::MIN), Reject::ValueOutOfRange, i64::MIN);
    check(&mut desk, transfer(ALICE, USD, i128::MAX), Reject::ValueOutOfRange, i64::MAX);
    assert_eq!(desk.apply(transfer(ALICE, USD, -USD_START)).len(), 1);
    assert_eq!(desk.cash(ALICE, USD), 0);
}

#[test]
fn limits_name_a_scope_that_exists_and_fits_their_kind() {
    let mut desk = Desk::new();
    let (all, none) = (AccountId(0), InstrumentId(0));
    check(&mut desk, limit(LimitKind::OrderQuantity, ALICE, none, 5), Reject::ScopeInvalid, 0);
    check(&mut desk, limit(LimitKind::OpenOrders, ALICE, SPOT, 5), Reject::ScopeInvalid, 1);
    check(&mut desk, limit(LimitKind::PriceCollar, AccountId(9), none, 5), Reject::UnknownAccount, 9);
    check(&mut desk, limit(LimitKind::PriceCollar, all, InstrumentId(70), 5), Reject::UnknownInstrument, 70);
    let changed = |previous, value, limits_version| LimitChanged {
        strategy: StrategyId::NONE,
        previous,
        value,
        limits_version,
        account: ALICE,
        instrument: SPOT,
        kind: LimitKind::OrderQuantity,
    };
    let set = |value| limit(LimitKind::OrderQuantity, ALICE, SPOT, value);
    assert_eq!(desk.apply(set(5)), [changed(-1, 5, 1).into()]);
    assert_eq!(desk.apply(set(i64::MIN)), [changed(5, -1, 2).into()]);
    let switch = KillSwitchSet {
        account: AccountId(9),
        instrument: none,
        strategy: StrategyId::NONE,
        reason: TextId::NONE,
        engaged: true,
    };
    check(&mut desk, switch, Reject::UnknownAccount, 9);
}

#[test]
fn rules_that_this_build_does_not_have_are_refused() {
    let mut desk = Desk::empty();
    check(&mut desk, RulesActivated { version: 2 }, Reject::UnknownRulesVersion, 2);
    assert_eq!(desk.apply(RulesActivated { version: 1 }), []);
}

#[test]
fn repeats_of_a_source_are_not_new_and_gaps_are() {
    let mut desk = Desk::new();
    let source = SourceId::FIRST_FEED;
    let highest = desk.core.source_position(source);
    assert_eq!(highest, definitions().len() as u64);
    let news: Vec<_> = [0, 1, highest, highest + 1, highest + 100, u64::MAX]
        .map(|number| desk.core.accepts(source, number))
        .to_vec();
    assert_eq!(news, [false, false, false, true, true, true]);
    desk.apply(RulesActivated { version: 1 });
    assert!(!desk.core.accepts(source, highest + 1));
    assert!(desk.core.accepts(SourceId(17), 1), "each source has its own numbers");
}

#[test]
fn nobody_outside_speaks_for_the_core_and_unknown_sources_are_never_new() {
    let core = Core::new();
    for source in [SourceId::CORE, SourceId::SIMULATED_VENUE, SourceId(64), SourceId(u16::MAX)] {
        assert!(!core.accepts(source, 1), "{source}");
    }
}
