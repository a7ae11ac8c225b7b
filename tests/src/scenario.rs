//! A core that has something in most of its stores, and the frames that led there.
//!
//! Everything is written down here, so the frames and the images are the same each time. Journals and images of it are
//! kept as fixtures, and seeds of the fuzzers are made of it.

use tickwerk_domain::command::{
    AccountDefined, BookOrderObserved, BreakerReset, CancelOrder, CashTransferred, ConversionSet,
    CurrencyDefined, FundingApplied, HealthObserved, KillSwitchSet, LatencyRecorded, LimitSet, MarkObserved,
    MarkSourceSet, MarketGapObserved, MassCancel, NewOrder, PriceBandSet, QuoteObserved, ReconcileEnded,
    ReconcileStarted, ReferenceCurrencySet, ReplaceOrder, RouteSet, RulesActivated, SessionSet,
    SimulatedVenueSet, StrategyDefined, StreamAppended, TextDefined, TimeAdvanced, TradeObserved,
    VenueBalanceStated, VenueDefined, VenueLatencySet, VenueOrderStated, VenuePositionStated,
    VenueStateObserved,
};
use tickwerk_domain::{
    AccountId, Aggressor, BookAction, BookDelta, BreakerKind, ClientOrderId, Command, Contingency,
    CurrencyId, DurationNs, Envelope, Instrument, InstrumentId, InstrumentKind, LatencyModel, Level,
    LimitKind, MarkSource, Money, OrderId, OrderType, Payload, PositionMode, PositionSide, Price, Qty,
    QueueModel, Rate, Record, SessionState, Side, SideFilter, SourceId, StaleReason, StrategyId, TextBytes,
    TextId, TimeInForce, TimeNs, TriggerBy, VenueId, VenueState,
};
use tickwerk_engine::pipeline::frame::complete_frame;
use tickwerk_engine::{Core, Decider, EventBuffer};

const USD: CurrencyId = CurrencyId(1);
const BTC: CurrencyId = CurrencyId(2);
const SPOT: InstrumentId = InstrumentId(1);
const LINEAR: InstrumentId = InstrumentId(2);
const INVERSE: InstrumentId = InstrumentId(3);
const ALICE: AccountId = AccountId(1);
const BOB: AccountId = AccountId(2);
const OUTSIDE: VenueId = VenueId(2);
/// So many kinds of limits are set; a new kind changes nothing here.
const LIMITS: usize = 23;

/// A core that is fed, and every frame of it.
#[derive(Debug)]
pub struct Scenario {
    /// What decides.
    pub core: Core,
    /// What was decided.
    pub frames: Vec<Vec<Record>>,
    events: EventBuffer,
    time: u64,
    number: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self { core: Core::new(), frames: Vec::new(), events: EventBuffer::new(), time: 1_000, number: 0 }
    }
}

impl Scenario {
    /// Everything that this module knows to do.
    pub fn whole() -> Self {
        let mut scenario = Self::default();
        for part in PARTS {
            scenario.take(&part());
        }
        scenario
    }

    fn take(&mut self, commands: &[Command]) {
        for command in commands {
            self.feed(*command);
        }
    }

    /// Decides on a command, after all that the core owes itself by then.
    fn feed(&mut self, command: Command) {
        self.time += 1_000;
        while let Some(record) = self.core.next_internal(TimeNs(self.time)) {
            self.decide(record);
        }
        self.number += 1;
        let envelope = Envelope {
            time_ns: TimeNs(self.time),
            source: SourceId::FIRST_FEED,
            source_sequence: self.number,
            ..Envelope::default()
        };
        self.decide(Record { envelope, payload: Payload::Command(command) });
    }

    fn decide(&mut self, record: Record) {
        self.frames.push(decide(&mut self.core, &mut self.events, record));
    }
}

/// Decides on a command at its stamp, or at the last one where that is later; the frame, as it is journaled.
pub fn decide(core: &mut Core, events: &mut EventBuffer, mut record: Record) -> Vec<Record> {
    let last = core.last();
    record.envelope.sequence = last.sequence.next();
    record.envelope.time_ns = record.envelope.time_ns.max(last.time_ns);
    events.clear();
    core.apply(&mut record, events);
    let mut frame = vec![record; 1 + events.as_slice().len()];
    complete_frame(&mut frame, events);
    frame
}

/// Images of the core after each part of the scenario, the empty one first.
pub fn images() -> Vec<Vec<u8>> {
    let mut scenario = Scenario::default();
    let mut images = vec![scenario.core.save()];
    for part in PARTS {
        scenario.take(&part());
        images.push(scenario.core.save());
    }
    images
}

const PARTS: [fn() -> Vec<Command>; 5] = [definitions, markets, orders, money, disturbances];

fn definitions() -> Vec<Command> {
    let currency = |currency, scale| Command::from(CurrencyDefined { currency, code: TextId(1), scale });
    let mut commands: Vec<Command> = vec![
        RulesActivated { version: 1 }.into(),
        TextDefined { text_id: TextId(1), text: text("a text") }.into(),
        currency(USD, 4),
        currency(BTC, 8),
        ReferenceCurrencySet { currency: USD }.into(),
        instrument(SPOT, InstrumentKind::Spot),
        instrument(LINEAR, InstrumentKind::Linear),
        instrument(INVERSE, InstrumentKind::Inverse),
        ConversionSet { rate: Rate(0), currency: BTC, instrument: SPOT }.into(),
        VenueDefined { capabilities: VenueDefined::ALL, venue: OUTSIDE, name: TextId(1) }.into(),
        RouteSet { instrument: INVERSE, venue: OUTSIDE, fallback: VenueId::NONE }.into(),
    ];
    for (account, mode) in [(ALICE, PositionMode::Netting), (BOB, PositionMode::Hedging)] {
        commands.push(AccountDefined { account, name: TextId(1), mode }.into());
        for currency in [USD, BTC] {
            let amount = Money::new(50_000_000_000);
            commands.push(CashTransferred { amount, account, currency, reason: TextId::NONE }.into());
        }
    }
    commands
}

fn markets() -> Vec<Command> {
    let venue = SimulatedVenueSet {
        jitter: DurationNs(400),
        report_latency: DurationNs(500),
        seed: 7,
        queue_model: QueueModel::Power,
        queue_parameter: Rate(200_000_000),
        ..SimulatedVenueSet::touch(SPOT, DurationNs(700))
    };
    let mut commands: Vec<Command> = vec![venue.into()];
    let latency = VenueLatencySet {
        order_factor: Rate(0),
        report_factor: Rate(0),
        table: 3,
        instrument: LINEAR,
        model: LatencyModel::Recorded,
    };
    commands.push(latency.into());
    let recorded = |at: u64| LatencyRecorded {
        sent_at: TimeNs(at),
        arrived_at: TimeNs(at + 300),
        reported_at: TimeNs(at + 900),
        instrument: LINEAR,
    };
    commands.extend([1_000, 9_000].map(|at| Command::from(recorded(at))));
    commands.extend([SPOT, LINEAR, INVERSE].map(|instrument| quote(instrument, 9_990, 10_010)));
    let levels = [9_980, 9_970, 9_960].map(|price| (Side::Buy, level(price, 500)));
    let asks = [10_020, 10_030].map(|price| (Side::Sell, level(price, 400)));
    BookDelta::split(LINEAR, 5, true, levels.into_iter().chain(asks), |part| commands.push(part.into()));
    for number in 1..6_i64 {
        let order = BookOrderObserved {
            venue_order_id: number.unsigned_abs(),
            update_id: 0,
            price: Price(9_900 + 10 * number),
            qty: Qty(10 * number),
            instrument: SPOT,
            side: Side::Buy,
            action: BookAction::Add,
            is_last: true,
        };
        commands.push(order.into());
    }
    let mark = MarkSourceSet { interval: DurationNs(10_000), instrument: LINEAR, source: MarkSource::Mid };
    commands.push(mark.into());
    commands.push(MarkObserved { price: Price(10_000), instrument: INVERSE }.into());
    commands.push(trade(SPOT, 10_000));
    let session =
        SessionSet { closes_at: TimeNs(1 << 50), instrument: LINEAR, state: SessionState::Continuous };
    commands.push(session.into());
    let band = PriceBandSet { low: Price(100), high: Price(90_000), dynamic: Rate(0), instrument: SPOT };
    commands.push(band.into());
    let strategy = StrategyDefined {
        parameters: [3, 9, 20, 0, 0, 0, 0, 0],
        strategy: StrategyId(1),
        name: TextId(1),
        account: ALICE,
        instrument: SPOT,
        kind: 1,
        enabled: true,
    };
    commands.push(strategy.into());
    commands
}

fn orders() -> Vec<Command> {
    let mut commands = Vec::new();
    for number in 0..4 {
        let bid = limit(SPOT, Side::Buy, 9_980 - 10 * number, 100);
        let name = ClientOrderId::new(&format!("bid-{number}")).expect("a short name");
        commands.push(NewOrder { client_order_id: name, ..bid }.into());
        let stop = NewOrder {
            time_in_force: TimeInForce::Gtd,
            order_type: OrderType::Stop,
            trigger_price: Price(12_000 + 10 * number),
            price: Price(0),
            expires_at: TimeNs(1 << 40),
            ..limit(LINEAR, Side::Buy, 0, 50)
        };
        commands.push(stop.into());
        commands.push(NewOrder::market(ALICE, SPOT, Side::Buy, Qty(20)).into());
        commands.push(NewOrder::market(BOB, LINEAR, Side::Sell, Qty(50)).into());
        commands.push(quote(SPOT, 9_990 - 10 * number, 10_010));
    }
    let trailing = NewOrder {
        order_type: OrderType::TrailingStop,
        trail_offset: 50,
        price: Price(0),
        trigger_by: TriggerBy::Last,
        ..limit(LINEAR, Side::Sell, 0, 30)
    };
    commands.push(trailing.into());
    let iceberg = NewOrder { display_qty: Qty(20), ..limit(SPOT, Side::Sell, 10_020, 100) };
    commands.push(iceberg.into());
    for side in [Side::Sell, Side::Buy] {
        let linked = NewOrder { link: 5, contingency: Contingency::Oco, ..limit(LINEAR, side, 10_000, 20) };
        commands.push(linked.into());
    }
    commands.push(limit(INVERSE, Side::Buy, 9_000, 10).into());
    let name = ClientOrderId::new("bid-1").expect("a short name");
    let replace = ReplaceOrder {
        order: OrderId(0),
        price: Price(9_950),
        qty: Qty(80),
        trigger_price: Price(0),
        display_qty: Qty::ZERO,
        account: ALICE,
        client_order_id: name,
    };
    commands.push(replace.into());
    let name = ClientOrderId::new("bid-2").expect("a short name");
    commands.push(CancelOrder { order: OrderId(0), account: ALICE, client_order_id: name }.into());
    commands
        .push(CancelOrder { order: OrderId(999), account: BOB, client_order_id: ClientOrderId::NONE }.into());
    commands.push(trade(SPOT, 9_960));
    commands.push(TimeAdvanced { due: TimeNs(0) }.into());
    commands
}

fn money() -> Vec<Command> {
    let limit = |kind, value| {
        let (account, instrument, strategy) = (ALICE, InstrumentId::NONE, StrategyId::NONE);
        Command::from(LimitSet { value, account, instrument, strategy, reason: TextId(1), kind })
    };
    let mut commands: Vec<Command> =
        LimitKind::ALL.iter().take(LIMITS).map(|kind| limit(*kind, 1 << 40)).collect();
    commands.push(FundingApplied { rate: Rate(10_000), price: Price(10_000), instrument: LINEAR }.into());
    commands.push(quote(LINEAR, 9_500, 9_520));
    commands.push(trade(LINEAR, 9_510));
    commands.push(quote(LINEAR, 9_600, 9_620));
    let reset = BreakerReset {
        account: BOB,
        strategy: StrategyId::NONE,
        reason: TextId(1),
        kind: BreakerKind::ALL[0],
    };
    commands.push(reset.into());
    commands.push(ReconcileStarted { run: 1, account: BOB, venue: VenueId::SIMULATED }.into());
    let balance =
        VenueBalanceStated { run: 1, cash: Money::new(49_000_000_000), account: BOB, currency: USD };
    commands.push(balance.into());
    let position = VenuePositionStated {
        run: 1,
        qty: Qty(-150),
        price: Price(9_990),
        account: BOB,
        instrument: LINEAR,
        side: PositionSide::Short,
    };
    commands.push(position.into());
    let stated = VenueOrderStated {
        run: 1,
        order: OrderId(0),
        venue_order_id: 99,
        price: Price(9_000),
        qty: Qty(10),
        cum_qty: Qty(0),
        account: BOB,
        instrument: LINEAR,
        side: Side::Buy,
    };
    commands.push(stated.into());
    commands.push(ReconcileEnded { run: 1 }.into());
    commands
}

fn disturbances() -> Vec<Command> {
    let gap = MarketGapObserved { expected: 6, received: 9, instrument: LINEAR, reason: StaleReason::Gap };
    let kill = KillSwitchSet {
        account: BOB,
        instrument: InstrumentId::NONE,
        strategy: StrategyId::NONE,
        reason: TextId(1),
        engaged: true,
    };
    let mass_cancel = MassCancel {
        account: ALICE,
        instrument: SPOT,
        strategy: StrategyId::NONE,
        reason: TextId(1),
        side: SideFilter::Buy,
    };
    let stream =
        StreamAppended { content_hash: [7; 32], content_length: 4, stream: 3, content_type: TextId(1) };
    vec![
        gap.into(),
        VenueStateObserved { venue: OUTSIDE, state: VenueState::Disconnected }.into(),
        kill.into(),
        NewOrder::market(BOB, SPOT, Side::Buy, Qty(20)).into(),
        mass_cancel.into(),
        stream.into(),
        NewOrder::market(ALICE, SPOT, Side::Buy, Qty(20)).into(),
        health().into(),
    ]
}

fn health() -> HealthObserved {
    HealthObserved {
        outcome_depth: 1,
        control_depth: 2,
        report_depth: 3,
        order_depth: 4,
        market_depth: 5,
        egress_depth: 6,
        refusals: 7,
        written_lag: 8,
        durable_lag: 9,
        memory_bytes: 10,
        chained_lag: 11,
    }
}

fn instrument(instrument: InstrumentId, kind: InstrumentKind) -> Command {
    let (settlement, settlement_scale, price_scale, quantity_scale, multiplier) = match kind {
        InstrumentKind::Inverse => (BTC, 8, 1, 0, 100),
        InstrumentKind::Linear => (USD, 4, 2, 3, 1),
        InstrumentKind::Spot => (USD, 4, 2, 5, 1),
    };
    Instrument {
        notional_max: Money::ZERO,
        tick_size: Price(10),
        lot_size: Qty(5),
        quantity_min: Qty(10),
        quantity_max: Qty(1_000_000_000),
        multiplier,
        maker_fee: Rate(10_000),
        taker_fee: Rate(50_000),
        margin_rate: Rate(10_000_000),
        instrument,
        symbol: TextId(1),
        base: BTC,
        quote: USD,
        settlement,
        kind,
        price_scale,
        quantity_scale,
        settlement_scale,
    }
    .into()
}

fn quote(instrument: InstrumentId, bid: i64, ask: i64) -> Command {
    QuoteObserved {
        update_id: 0,
        bid_price: Price(bid),
        bid_qty: Qty(1_000_000),
        ask_price: Price(ask),
        ask_qty: Qty(1_000_000),
        instrument,
    }
    .into()
}

fn trade(instrument: InstrumentId, price: i64) -> Command {
    TradeObserved {
        trade_id: 1,
        price: Price(price),
        qty: Qty(500),
        instrument,
        aggressor: Aggressor::Seller,
    }
    .into()
}

fn limit(instrument: InstrumentId, side: Side, price: i64, qty: i64) -> NewOrder {
    NewOrder::limit(ALICE, instrument, side, Price(price), Qty(qty))
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

fn text(text: &str) -> TextBytes {
    TextBytes::new(text).expect("a short text")
}
