//! One journal's worth of records, as a reader sees them.

use super::*;
use serde_json::{Value, json};
use tickwerk_domain::book::{BookDelta, Level};
use tickwerk_domain::command::{
    AccountDefined, CashTransferred, CurrencyDefined, FillReported, LimitSet, NewOrder, QuoteObserved,
    ReferenceCurrencySet, TextDefined, VenueDefined,
};
use tickwerk_domain::event::{
    CommandRefused, LEGS_PER_POSTING_MAX, LedgerBook, Leg, LimitChanged, OrderFilled, OrderRefused, Posted,
    SignalChanged, StateDigest,
};
use tickwerk_domain::{
    AccountId, ClientOrderId, Command, CurrencyId, Envelope, Event, Instrument, InstrumentId, InstrumentKind,
    LimitKind, Liquidity, Money, OrderId, OrderType, PositionMode, Price, Qty, Rate, Real, Reject, Side,
    SignalDirection, StrategyId, TextBytes, TextId, TimeInForce, TrailUnit, VenueId,
};

const TIME: TimeNs = TimeNs(1_723_161_253_937_085_768);

fn record(sequence: u64, payload: Payload) -> Record {
    let envelope = Envelope {
        sequence: Sequence(sequence),
        time_ns: TIME,
        source: SourceId::CONTROL,
        source_sequence: 7,
        actor: TextId(1),
        stream_version: 3,
        ..Envelope::default()
    };
    Record { envelope, payload }
}

fn command(sequence: u64, command: impl Into<Command>) -> Record {
    record(sequence, Payload::Command(command.into()))
}

fn event(sequence: u64, event: impl Into<Event>) -> Record {
    record(sequence, Payload::Event(event.into()))
}

fn instrument() -> Instrument {
    Instrument {
        notional_max: Money::new(900_000_000),
        tick_size: Price(1),
        lot_size: Qty(1000),
        quantity_min: Qty(1000),
        quantity_max: Qty(100_000_000),
        multiplier: 1,
        maker_fee: Rate(100_000),
        taker_fee: Rate(-5),
        margin_rate: Rate::ONE,
        instrument: InstrumentId(1),
        symbol: TextId(4),
        base: CurrencyId(1),
        quote: CurrencyId(2),
        settlement: CurrencyId(2),
        kind: InstrumentKind::Spot,
        price_scale: 2,
        quantity_scale: 8,
        settlement_scale: 6,
    }
}

/// A dictionary that has seen: actor ops, BTC (8 decimals), USDT (6), BTCUSDT, the account "desk one", order 20.
fn dictionary() -> Dictionary {
    let mut dictionary = Dictionary::default();
    for (number, text) in (1..).zip(["ops", "BTC", "USDT", "BTCUSDT", "desk one"]) {
        let text = TextBytes::new(text).unwrap();
        dictionary.watch(&command(u64::from(number), TextDefined { text_id: TextId(number), text }), &[]);
    }
    for (number, scale) in [(1, 8), (2, 6)] {
        let currency = CurrencyId(number);
        dictionary.watch(&command(9, CurrencyDefined { currency, code: TextId(number + 1), scale }), &[]);
    }
    dictionary.watch(&command(11, instrument()), &[]);
    dictionary.watch(
        &command(12, AccountDefined { account: AccountId(1), name: TextId(5), mode: PositionMode::Netting }),
        &[],
    );
    dictionary.watch(&command(20, new_order(Side::Sell)), &[]);
    dictionary
}

fn new_order(side: Side) -> NewOrder {
    let (price, qty) = (Price(6_183_763), Qty(1_000_000));
    NewOrder {
        client_order_id: ClientOrderId::new("a-1").unwrap(),
        time_in_force: TimeInForce::Ioc,
        ..NewOrder::limit(AccountId(1), InstrumentId(1), side, price, qty)
    }
}

fn json_of(record: &Record, dictionary: &Dictionary) -> Value {
    let mut line = String::new();
    write_json(record, Sequence(20), dictionary, &mut line);
    assert!(!line.contains('\n'));
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[track_caller]
fn check(record: &Record, payload: &Value) {
    assert_eq!(json_of(record, &dictionary())["payload"], *payload);
}

#[test]
fn an_envelope_is_shown_whole() {
    let shown = json_of(&command(20, new_order(Side::Buy)), &dictionary());
    assert_eq!(
        shown,
        json!({
            "sequence": 20, "kind": "command", "event_type": "order.new", "schema_version": 1,
            "time_ns": 1_723_161_253_937_085_768_u64, "source_time": null, "source": "control", "source_sequence": 7,
            "actor": "ops", "correlation_id": null, "causation": null, "stream": "order-20", "stream_version": 3,
            "payload": {
                "price": "61837.63", "qty": "0.01000000", "account": "desk one", "instrument": "BTCUSDT",
                "client_order_id": "a-1", "side": "buy", "order_type": "limit",
                "time_in_force": "ioc", "trigger_price": null, "trail_offset": null, "display_qty": null,
                "expires_at": null, "link": null, "venue": null, "contingency": null, "trail_unit": null,
                "trigger_by": null, "position_effect": null, "post_only": null, "reduce_only": null,
                "quantity_in_quote": null,
            },
        })
    );
    let caused = json_of(&event(21, StateDigest { frames: 10_000, digest: u64::MAX - 1 }), &dictionary());
    assert_eq!(caused["causation"], 20);
    assert_eq!(caused["payload"], json!({"frames": 10_000, "digest": "fffffffffffffffe"}));
}

#[test]
fn text_lines_are_aligned_and_leave_out_what_is_absent() {
    let dictionary = dictionary();
    let line = |record: &Record| {
        let mut line = String::new();
        write_text(record, &dictionary, &mut line);
        line
    };
    assert_eq!(
        line(&command(20, new_order(Side::Buy))),
        format!(
            "       20 2024-08-08T23:54:13.937085768Z order.new                    price=61837.63 qty=0.01000000 \
             account=\"desk one\" instrument=BTCUSDT client_order_id=a-1 side=buy order_type=limit time_in_force={} \
             (control 7, ops)",
            "ioc"
        )
    );
    let changed = LimitChanged {
        strategy: StrategyId::NONE,
        previous: -1,
        value: 5,
        limits_version: 2,
        account: AccountId::NONE,
        instrument: InstrumentId::NONE,
        kind: LimitKind::OpenOrders,
    };
    assert_eq!(
        line(&event(21, changed)),
        "       21 2024-08-08T23:54:13.937085768Z   risk.limit_changed         value=5 limits_version=2 kind=open_orders"
    );
}

#[test]
fn money_has_the_scale_of_its_currency() {
    let amount = Money::new(-1_500_000);
    let moved = |currency| CashTransferred { amount, account: AccountId(1), currency, reason: TextId::NONE };
    let shown = |amount: &str, code: &str| json!({"amount": amount, "account": "desk one", "currency": code, "reason": null});
    check(&command(30, moved(CurrencyId(1))), &shown("-0.01500000", "BTC"));
    check(&command(30, moved(CurrencyId(2))), &shown("-1.500000", "USDT"));

    let leg = |amount, currency| Leg {
        amount: Money::new(amount),
        currency: CurrencyId(currency),
        from: LedgerBook::Venue,
        to: LedgerBook::Client,
    };
    let mut legs = [Leg::default(); LEGS_PER_POSTING_MAX];
    legs[0] = leg(150, 1);
    legs[1] = leg(150, 2);
    check(
        &event(31, Posted { account: AccountId(1), count: 2, legs }),
        &json!({"account": "desk one", "legs": [
            {"amount": "0.00000150", "currency": "BTC", "from": "venue", "to": "client"},
            {"amount": "0.000150", "currency": "USDT", "from": "venue", "to": "client"},
        ]}),
    );
}

#[test]
fn a_report_takes_its_scales_from_its_order() {
    let fill = |order| FillReported {
        order: OrderId(order),
        execution_id: 1,
        price: Price(6_183_763),
        qty: Qty(5),
        fee: Money::new(-7),
        fee_currency: CurrencyId::NONE,
        liquidity: Liquidity::Maker,
    };
    check(
        &command(40, fill(20)),
        &json!({"order": 20, "execution_id": 1, "price": "61837.63", "qty": "0.00000005", "fee": "-0.000007",
            "fee_currency": null, "liquidity": "maker"}),
    );
    check(
        &command(40, fill(21)),
        &json!({"order": 21, "execution_id": 1, "price": {"mantissa": "6183763"}, "qty": {"mantissa": "5"},
            "fee": {"mantissa": "-7"}, "fee_currency": null, "liquidity": "maker"}),
    );
}

#[test]
fn a_fill_tells_the_average_price_of_its_order() {
    let filled = OrderFilled {
        // 0.03 bought at 61,837.63 on average.
        cum_value: Money::new(1_855_128_900),
        cum_fee: Money::ZERO,
        order: OrderId(20),
        last_price: Price(6_183_763),
        last_qty: Qty(1_000_000),
        cum_qty: Qty(3_000_000),
        leaves_qty: Qty::ZERO,
        account: AccountId(1),
        instrument: InstrumentId(1),
        side: Side::Buy,
        liquidity: Liquidity::Maker,
    };
    let shown = json_of(&event(21, filled), &dictionary());
    assert_eq!(shown["payload"]["avg_price"], "61837.6300000000");
}

#[test]
fn an_average_price_follows_from_the_fills_that_were_watched() {
    let filled = |cum_qty: i64, cum_value| OrderFilled {
        // What a single unit is worth has two digits at the scale of the money.
        cum_value: Money::new(cum_value),
        cum_fee: Money::ZERO,
        order: OrderId(20),
        last_price: Price(6_183_763),
        last_qty: Qty(1),
        cum_qty: Qty(cum_qty),
        leaves_qty: Qty::ZERO,
        account: AccountId(1),
        instrument: InstrumentId(1),
        side: Side::Buy,
        liquidity: Liquidity::Maker,
    };
    let mut dictionary = dictionary();
    for record in [event(21, filled(1, 618)), event(22, filled(2, 1_236))] {
        dictionary.watch(&record, &[]);
        assert_eq!(json_of(&record, &dictionary)["payload"]["avg_price"], "61837.6300000000");
    }
    // One was missed, so only the value tells.
    let third = event(24, filled(4, 2_472));
    dictionary.watch(&third, &[]);
    assert_eq!(json_of(&third, &dictionary)["payload"]["avg_price"], "61800.0000000000");
}

#[test]
fn the_distance_of_a_trailing_stop_is_in_the_unit_that_was_asked_for() {
    for (trail_unit, shown) in [
        (TrailUnit::Price, json!("10.50")),
        (TrailUnit::BasisPoints, json!(1_050)),
        (TrailUnit::Ticks, json!(1_050)),
    ] {
        let order_type = OrderType::TrailingStop;
        let asked = NewOrder { order_type, trail_unit, trail_offset: 1_050, ..new_order(Side::Sell) };
        assert_eq!(json_of(&command(20, asked), &dictionary())["payload"]["trail_offset"], shown);
    }
}

#[test]
fn levels_stand_beside_their_sides() {
    let mut delta = BookDelta::new(InstrumentId(1), 9, BookDelta::CLEAR);
    assert!(delta.push(Side::Buy, Level { price: Price(100), qty: Qty(1) }));
    assert!(delta.push(Side::Sell, Level { price: Price(101), qty: Qty(0) }));
    check(
        &command(50, delta),
        &json!({"update_id": 9, "instrument": "BTCUSDT", "clears": true, "is_last": false, "levels": [
            {"side": "buy", "price": "1.00", "qty": "0.00000001"},
            {"side": "sell", "price": "1.01", "qty": "0.00000000"},
        ]}),
    );
}

#[test]
fn limits_are_in_the_unit_of_their_kind() {
    let set = |kind, value| LimitSet {
        value,
        account: AccountId::NONE,
        instrument: InstrumentId(1),
        strategy: StrategyId::NONE,
        reason: TextId::NONE,
        kind,
    };
    for (kind, value, shown) in [
        (LimitKind::OrderQuantity, 150_000_000, json!("1.50000000")),
        (LimitKind::PositionQuantity, 1, json!("0.00000001")),
        (LimitKind::OrderNotional, 2_000_000, json!("2.000000")),
        (LimitKind::PriceCollar, 5_000_000, json!("0.05000000")),
        (LimitKind::OpenOrders, 12, json!(12)),
        (LimitKind::OpenOrders, -1, json!(null)),
    ] {
        assert_eq!(
            json_of(&command(60, set(kind, value)), &dictionary())["payload"]["value"],
            shown,
            "{kind}"
        );
    }
}

#[test]
fn a_refusal_is_in_the_unit_of_its_rule() {
    let refused = |order, reason: Reject, limit, observed| OrderRefused {
        side: Side::Sell,
        strategy: StrategyId::NONE,
        limit: Money::new(limit),
        observed: Money::new(observed),
        order: OrderId(order),
        limits_version: 1,
        account: AccountId(1),
        instrument: InstrumentId(1),
        reason: reason.code(),
    };
    for (order, reason, limit, observed) in [
        (20, Reject::PriceOutsideCollar, json!("1.00"), json!("3.00")),
        (20, Reject::QuantityAboveLimit, json!("0.00000100"), json!("0.00000300")),
        (20, Reject::NotionalAboveLimit, json!("0.000100"), json!("0.000300")),
        (20, Reject::InsufficientBuyingPower, json!("0.00000100"), json!("0.00000300")),
        (20, Reject::OrderRateAboveLimit, json!(100), json!(300)),
        (20, Reject::LeverageAboveLimit, json!("0.00000100"), json!("0.00000300")),
        (20, Reject::GrossExposureAboveLimit, json!({"mantissa": "100"}), json!({"mantissa": "300"})),
        (20, Reject::OpenOrdersAboveLimit, json!(100), json!(300)),
    ] {
        let shown = json_of(&event(21, refused(order, reason, 100, 300)), &dictionary());
        assert_eq!(
            (&shown["payload"]["limit"], &shown["payload"]["observed"]),
            (&limit, &observed),
            "{reason}"
        );
    }
    let plain = json_of(&event(21, refused(20, Reject::KillSwitch, 0, 0)), &dictionary());
    assert_eq!(
        (&plain["payload"]["limit"], &plain["payload"]["reason"]),
        (&json!(null), &json!("kill_switch"))
    );
}

#[test]
fn what_was_never_defined_shows_as_numbers() {
    let quote = QuoteObserved {
        update_id: 1,
        bid_price: Price(10),
        bid_qty: Qty(1),
        ask_price: Price(11),
        ask_qty: Qty(2),
        instrument: InstrumentId(9),
    };
    let shown = json_of(&command(1, quote), &Dictionary::default());
    assert_eq!(shown["actor"], 1);
    assert_eq!(shown["payload"]["instrument"], 9);
    assert_eq!(shown["payload"]["bid_price"], json!({"mantissa": "10"}));
}

#[test]
fn figures_are_numbers() {
    let changed = SignalChanged {
        fast: Real::new(61_837.5),
        slow: Real::new(f64::NAN),
        strength: Real::new(0.25),
        strategy: StrategyId(1),
        instrument: InstrumentId(1),
        direction: SignalDirection::Long,
    };
    check(
        &event(70, changed),
        &json!({"fast": 61837.5, "slow": null, "strength": 0.25, "strategy": 1, "instrument": "BTCUSDT",
            "direction": "long"}),
    );
}

#[test]
fn sources_and_times_have_words() {
    assert_eq!(source_word(SourceId::CORE), "core");
    assert_eq!(source_word(SourceId(16)), "source-16");
    assert_eq!(rfc3339(TimeNs(0)), "1970-01-01T00:00:00.000000000Z");
    assert_eq!(rfc3339(TimeNs::MAX), "2554-07-21T23:34:33.709551615Z");
}

#[test]
fn a_definition_that_was_refused_is_none() {
    let definitions = [
        command(90, TextDefined { text_id: TextId(4), text: TextBytes::new("MINE").unwrap() }),
        command(90, CurrencyDefined { currency: CurrencyId(2), code: TextId(1), scale: 0 }),
        command(90, Instrument { price_scale: 7, symbol: TextId(1), ..instrument() }),
        command(90, AccountDefined { account: AccountId(1), name: TextId(4), mode: PositionMode::Hedging }),
        command(90, ReferenceCurrencySet { currency: CurrencyId(1) }),
        command(90, VenueDefined { capabilities: 0, venue: VenueId(5), name: TextId(4) }),
        command(90, CurrencyDefined { currency: CurrencyId(9), code: TextId(1), scale: 0 }),
    ];
    let quote = QuoteObserved {
        update_id: 1,
        bid_price: Price(100),
        bid_qty: Qty(1),
        ask_price: Price(101),
        ask_qty: Qty(1),
        instrument: InstrumentId(1),
    };
    let shown = |dictionary: &Dictionary| {
        let names = [dictionary.account(AccountId(1)), dictionary.symbol(InstrumentId(1))]
            .map(|name| name.map(ToOwned::to_owned));
        let currencies = [1, 2, 9].map(|id| dictionary.currency_scale(CurrencyId(id)));
        let venue = dictionary.venue(VenueId(5)).map(ToOwned::to_owned);
        let quote = json_of(&command(92, quote), dictionary)["payload"].clone();
        (names, currencies, venue, dictionary.reference(), quote)
    };
    let expected = shown(&dictionary());
    for definition in definitions {
        let Payload::Command(asked) = &definition.payload else { panic!("a command") };
        let (reason, command_type) = (Reject::UnknownCurrency.code(), asked.type_id().0);
        let refusal = event(91, CommandRefused { value: 0, reason, command_type, text: TextId::NONE });
        let mut dictionary = dictionary();
        for record in [definition, refusal] {
            assert_eq!(dictionary.watch(&record, &[definition, refusal]), Learnt::Nothing);
        }
        assert_eq!(shown(&dictionary), expected, "{definition:?}");
        assert_eq!(dictionary.watch(&definition, &[definition]), Learnt::Definition);
        assert_ne!(shown(&dictionary), expected, "{definition:?}");
    }
}
