//! One value of every record type, with every field different from its neighbours.

use tickwerk_domain::command::*;
use tickwerk_domain::event::*;
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::*;

/// Every command type, in the order of the declaration.
pub(crate) fn commands() -> Vec<Command> {
    let instrument = InstrumentId(0x0102_0304);
    let account = AccountId(0x0A0B);
    let mut delta = BookDelta::new(instrument, 0x1122_3344_5566_7788, BookDelta::CLEAR | BookDelta::LAST);
    for (side, price) in [(Side::Buy, 99), (Side::Sell, 101), (Side::Buy, -98)] {
        assert!(delta.push(side, Level { price: Price(price), qty: Qty(price * 7) }));
    }
    let client_order_id = ClientOrderId::new("client-order-0123456789").unwrap();
    vec![
        QuoteObserved {
            update_id: 1,
            bid_price: Price(2),
            bid_qty: Qty(3),
            ask_price: Price(-4),
            ask_qty: Qty(5),
            instrument,
        }
        .into(),
        TradeObserved { trade_id: 6, price: Price(7), qty: Qty(8), instrument, aggressor: Aggressor::ALL[1] }
            .into(),
        delta.into(),
        MarketGapObserved { expected: 9, received: 10, instrument, reason: StaleReason::Overrun }.into(),
        Instrument {
            notional_max: Money::new(-(1 << 100)),
            tick_size: Price(11),
            lot_size: Qty(12),
            quantity_min: Qty(13),
            quantity_max: Qty(14),
            multiplier: 15,
            maker_fee: Rate(-16),
            taker_fee: Rate(17),
            margin_rate: Rate(18),
            instrument,
            symbol: TextId(19),
            base: CurrencyId(20),
            quote: CurrencyId(21),
            settlement: CurrencyId(22),
            kind: InstrumentKind::Inverse,
            price_scale: 1,
            quantity_scale: 2,
            settlement_scale: 8,
        }
        .into(),
        SimulatedVenueSet { latency: DurationNs(23), instrument }.into(),
        StrategyDefined {
            parameters: [1, -2, 3, -4, 5, -6, 7, i64::MIN],
            strategy: StrategyId(24),
            name: TextId(25),
            account,
            instrument,
            kind: 26,
            enabled: true,
        }
        .into(),
        LimitSet { value: -27, account, instrument, reason: TextId(28), kind: LimitKind::PriceCollar }.into(),
        KillSwitchSet { account, instrument, reason: TextId(29), engaged: true }.into(),
        TradingStateSet { account, instrument, reason: TextId(30), state: TradingState::ALL[1] }.into(),
        NewOrder {
            price: Price(31),
            qty: Qty(32),
            account,
            instrument,
            client_order_id,
            side: Side::Sell,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Ioc,
        }
        .into(),
        CancelOrder { order: OrderId(33), account, client_order_id }.into(),
        OrderReported {
            order: OrderId(34),
            venue_order_id: 35,
            kind: ReportKind::ALL[1],
            reason: ReasonCode(36),
        }
        .into(),
        FillReported {
            order: OrderId(37),
            execution_id: 38,
            price: Price(39),
            qty: Qty(40),
            fee: Money::new(-41),
            liquidity: Liquidity::ALL[1],
        }
        .into(),
        AccountDefined { account, name: TextId(42) }.into(),
        CurrencyDefined { currency: CurrencyId(43), code: TextId(44), scale: 8 }.into(),
        CashTransferred {
            amount: Money::new(1 << 70),
            account,
            currency: CurrencyId(45),
            reason: TextId(46),
        }
        .into(),
        RulesActivated { version: 47 }.into(),
        TextDefined {
            text_id: TextId(48),
            text: TextBytes::new("a text of some length, with ümläuts").unwrap(),
        }
        .into(),
        TimeAdvanced { due: TimeNs(49) }.into(),
        Continue { after: OrderId(50), started_by: Sequence(51), kind: ContinueKind::KillSwitch }.into(),
        HealthObserved {
            outcome_depth: 52,
            control_depth: 53,
            report_depth: 54,
            order_depth: 55,
            market_depth: 56,
            egress_depth: 57,
            refusals: 58,
            written_lag: 59,
            durable_lag: 60,
            memory_bytes: 61,
        }
        .into(),
        StreamAppended {
            content_hash: std::array::from_fn(|n| u8::try_from(n).unwrap()),
            content_length: 62,
            stream: 63,
            content_type: TextId(64),
        }
        .into(),
    ]
}

/// Every event type, in the order of the declaration.
pub(crate) fn events() -> Vec<Event> {
    let instrument = InstrumentId(0x0102_0304);
    let account = AccountId(0x0A0B);
    let order = OrderId(0x00CC_DDEE);
    let client_order_id = ClientOrderId::new("another-client-order").unwrap();
    let leg = |amount: i128, from, to| Leg { amount: Money::new(amount), currency: CurrencyId(7), from, to };
    let legs = [
        leg(1, LedgerBook::Client, LedgerBook::Venue),
        leg(1 << 80, LedgerBook::Venue, LedgerBook::Fee),
        leg(3, LedgerBook::Rounding, LedgerBook::External),
        Leg::default(),
    ];
    vec![
        BookStale { update_id: 1, instrument, reason: StaleReason::Gap }.into(),
        BookRestored { update_id: 2, instrument }.into(),
        SignalChanged {
            fast: Real::new(1.5),
            slow: Real::new(f64::NAN),
            strength: Real::new(-0.25),
            strategy: StrategyId(3),
            instrument,
            direction: SignalDirection::Short,
        }
        .into(),
        LimitChanged {
            previous: -4,
            value: 5,
            limits_version: 6,
            account,
            instrument,
            kind: LimitKind::OpenOrders,
        }
        .into(),
        KillSwitchChanged { limits_version: 7, account, instrument, engaged: true }.into(),
        TradingStateChanged { limits_version: 8, account, instrument, state: TradingState::ALL[1] }.into(),
        OrderApproved {
            reserved: Money::new(-9),
            order,
            limits_version: 10,
            worst_long: Qty(11),
            worst_short: Qty(-12),
            account,
            instrument,
            reserved_currency: CurrencyId(13),
            open_orders: 14,
        }
        .into(),
        OrderRefused {
            limit: Money::new(15),
            observed: Money::new(16),
            order,
            limits_version: 17,
            account,
            instrument,
            reason: ReasonCode(18),
        }
        .into(),
        OrderSubmitted {
            order,
            price: Price(19),
            qty: Qty(20),
            account,
            instrument,
            strategy: StrategyId(21),
            side: Side::Sell,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Ioc,
        }
        .into(),
        OrderAccepted { order, venue_order_id: 22 }.into(),
        OrderRejected { order, account, instrument, reason: ReasonCode(23) }.into(),
        OrderPartiallyFilled {
            cum_value: Money::new(24),
            cum_fee: Money::new(25),
            order,
            last_price: Price(26),
            last_qty: Qty(27),
            cum_qty: Qty(28),
            leaves_qty: Qty(29),
            account,
            instrument,
            side: Side::Sell,
            liquidity: Liquidity::ALL[1],
        }
        .into(),
        OrderFilled {
            cum_value: Money::new(30),
            cum_fee: Money::new(31),
            order,
            last_price: Price(32),
            last_qty: Qty(33),
            cum_qty: Qty(34),
            leaves_qty: Qty(0),
            account,
            instrument,
            side: Side::Buy,
            liquidity: Liquidity::ALL[0],
        }
        .into(),
        CancelSubmitted { order, instrument }.into(),
        OrderCanceled { order, cum_qty: Qty(35), reason: ReasonCode(36) }.into(),
        CancelRejected { order, account, client_order_id, reason: ReasonCode(37) }.into(),
        OrderRepeated { order, status: OrderStatus::Canceled, reason: ReasonCode(38) }.into(),
        FillUnmatched { order, execution_id: 39, price: Price(40), qty: Qty(41), reason: ReasonCode(42) }
            .into(),
        PositionChanged {
            open_cost: Money::new(43),
            realized: Money::new(-44),
            realized_total: Money::new(45),
            unrealized: Money::new(46),
            fees_total: Money::new(47),
            qty: Qty(-48),
            account,
            instrument,
            change: PositionChange::Flipped,
        }
        .into(),
        Posted { account, count: 3, legs }.into(),
        StateDigest { frames: 49, digest: 50 }.into(),
        CommandRefused { value: -51, reason: ReasonCode(52), command_type: 53, text: TextId(54) }.into(),
    ]
}
