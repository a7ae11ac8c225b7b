//! All that may be asked of the engine, and all that it may be shown.
//!
//! A command asks (`NewOrder`) or observes (`TradeObserved`). An observed fact or an accepted definition is told by
//! the command alone; there is no echo event.

use crate::fields::{AsField, FieldValue, as_field, payloads};
use crate::record::{TypeId, record_types};
use crate::reject::ReasonCode;
use crate::{
    AccountId, Aggressor, BookDelta, ClientOrderId, ContinueKind, CurrencyId, DurationNs, Instrument,
    InstrumentId, LimitKind, Liquidity, Money, OrderId, OrderType, Price, Qty, ReportKind, Sequence, Side,
    StaleReason, StrategyId, Stream, TextBytes, TextId, TimeInForce, TimeNs, TradingState,
};

as_field! { DurationNs => |value| FieldValue::Unsigned(value.0); }

payloads! {
    /// The best bid and ask of a market.
    QuoteObserved {
        /// The venue's id of the update, 0 where it has none.
        update_id: u64,
        /// Best bid; 0 quantity where there is none.
        bid_price: Price,
        /// What rests there.
        bid_qty: Qty,
        /// Best ask; 0 quantity where there is none.
        ask_price: Price,
        /// What rests there.
        ask_qty: Qty,
        /// Whose market.
        instrument: InstrumentId,
    }
    /// A trade between others.
    TradeObserved {
        /// The venue's id of the trade.
        trade_id: u64,
        /// Price of the trade.
        price: Price,
        /// Quantity of the trade.
        qty: Qty,
        /// Whose market.
        instrument: InstrumentId,
        /// Who started it.
        aggressor: Aggressor,
    }
    /// The feed lost its place: the book is stale until a new snapshot.
    MarketGapObserved {
        /// Update id that should have come.
        expected: u64,
        /// Update id that came; 0 where none did.
        received: u64,
        /// Whose market.
        instrument: InstrumentId,
        /// What happened.
        reason: StaleReason,
    }
    /// How the simulated venue treats an instrument.
    SimulatedVenueSet {
        /// From a decision to its effect at the venue, and from a market change to a maker's fill report.
        latency: DurationNs,
        /// Whose market.
        instrument: InstrumentId,
    }
    /// A strategy with its parameters; a later definition of the same number replaces its parameters.
    StrategyDefined {
        /// Parameters in the order that the strategy's own documentation gives.
        parameters: [i64; 8],
        /// Its number.
        strategy: StrategyId,
        /// Its name.
        name: TextId,
        /// Whose money.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which strategy, by its stable number.
        kind: u16,
        /// Whether it acts.
        enabled: bool,
    }
    /// Sets one limit. 0 as account or instrument means "all".
    LimitSet {
        /// Mantissa in the unit of the kind; negative takes the limit away.
        value: i64,
        /// For which account.
        account: AccountId,
        /// For which instrument.
        instrument: InstrumentId,
        /// Why.
        reason: TextId,
        /// Which limit.
        kind: LimitKind,
    }
    /// Engages or releases a kill switch. 0 as account or instrument means "all".
    KillSwitchSet {
        /// For which account.
        account: AccountId,
        /// For which instrument.
        instrument: InstrumentId,
        /// Why.
        reason: TextId,
        /// Engaged or released.
        engaged: bool,
    }
    /// Sets what may be done. 0 as account or instrument means "all".
    TradingStateSet {
        /// For which account.
        account: AccountId,
        /// For which instrument.
        instrument: InstrumentId,
        /// Why.
        reason: TextId,
        /// What may be done.
        state: TradingState,
    }
    /// A new order (FIX `NewOrderSingle`).
    NewOrder {
        /// Limit price; 0 for a market order.
        price: Price,
        /// Order quantity.
        qty: Qty,
        /// Whose money.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// The client's name for it.
        client_order_id: ClientOrderId,
        /// Which way.
        side: Side,
        /// How it is priced.
        order_type: OrderType,
        /// How long it stands.
        time_in_force: TimeInForce,
    }
    /// Asks to cancel an order (FIX `OrderCancelRequest`), by its id or, where that is 0, by the client's name.
    CancelOrder {
        /// The order; 0 to find it by the client's name.
        order: OrderId,
        /// Whose order.
        account: AccountId,
        /// The client's name for the order.
        client_order_id: ClientOrderId,
    }
    /// The venue says something of an order, other than a fill (FIX `ExecutionReport`).
    OrderReported {
        /// Which order.
        order: OrderId,
        /// The venue's own id of the order.
        venue_order_id: u64,
        /// What it says.
        kind: ReportKind,
        /// Why, where it says so.
        reason: ReasonCode,
    }
    /// The venue reports a fill (FIX `ExecutionReport` with `ExecType` Trade).
    FillReported {
        /// Which order.
        order: OrderId,
        /// The venue's id of the execution; dense and rising for each order at the simulated venue.
        execution_id: u64,
        /// Price of the fill.
        price: Price,
        /// Quantity of the fill.
        qty: Qty,
        /// Fee in the settlement currency; negative for a rebate.
        fee: Money,
        /// Maker or taker.
        liquidity: Liquidity,
    }
    /// A trading account.
    AccountDefined {
        /// Its number.
        account: AccountId,
        /// Its name.
        name: TextId,
    }
    /// A currency or asset.
    CurrencyDefined {
        /// Its number.
        currency: CurrencyId,
        /// Its code.
        code: TextId,
        /// Decimals of its amounts.
        scale: u8,
    }
    /// Money or assets come from outside (positive) or leave (negative).
    CashTransferred {
        /// How much.
        amount: Money,
        /// Whose.
        account: AccountId,
        /// Of what.
        currency: CurrencyId,
        /// Why.
        reason: TextId,
    }
    /// The rules that decide from here on.
    RulesActivated {
        /// Their version.
        version: u32,
    }
    /// Gives a text its number.
    TextDefined {
        /// The number.
        text_id: TextId,
        /// The text.
        text: TextBytes,
    }
    /// Time has come to the stamp of this command, with nothing else to say.
    TimeAdvanced {
        /// The due time that time was moved for.
        due: TimeNs,
    }
    /// A long effect goes on.
    Continue {
        /// The last order that was dealt with.
        after: OrderId,
        /// The sequence of the command that started it.
        started_by: Sequence,
        /// Which effect.
        kind: ContinueKind,
    }
    /// How the process is, each second in live mode.
    HealthObserved {
        /// Records in the outcome ring.
        outcome_depth: u32,
        /// Commands in the control lane.
        control_depth: u32,
        /// Commands in the venue report lane.
        report_depth: u32,
        /// Commands in the order lane.
        order_depth: u32,
        /// Commands in the market lane.
        market_depth: u32,
        /// Replies that wait for release.
        egress_depth: u32,
        /// Commands refused because a lane or the egress store was full.
        refusals: u64,
        /// Records decided but not yet written.
        written_lag: u64,
        /// Records written but not yet durable.
        durable_lag: u64,
        /// Resident memory.
        memory_bytes: u64,
    }
    /// A free-form event, whose content lies out of line.
    StreamAppended {
        /// BLAKE3 of the content.
        content_hash: [u8; 32],
        /// Bytes of the content.
        content_length: u32,
        /// Which stream.
        stream: u32,
        /// What the content is, as a dictionary text.
        content_type: TextId,
    }
}

as_field! { Sequence => |value| FieldValue::Unsigned(value.0); }

/// Calls the macro `$callback` with the declaration of [`Command`]: each line is
/// `Variant(Payload) = type_id schema_version "family.name"`.
#[macro_export]
macro_rules! for_each_command {
    ($callback:ident) => {
        $callback! {
            /// All that may be asked or observed.
            Command {
                /// Best bid and ask.
                QuoteObserved(QuoteObserved) = 0x0101 1 "market.quote",
                /// A trade between others.
                TradeObserved(TradeObserved) = 0x0102 1 "market.trade",
                /// A change of an order book.
                BookDelta(BookDelta) = 0x0103 1 "market.book_delta",
                /// The feed lost its place.
                MarketGapObserved(MarketGapObserved) = 0x0104 1 "market.gap",
                /// An instrument.
                InstrumentDefined(Instrument) = 0x0105 1 "market.instrument_defined",
                /// How the simulated venue treats an instrument.
                SimulatedVenueSet(SimulatedVenueSet) = 0x0106 1 "market.simulated_venue_set",
                /// A strategy.
                StrategyDefined(StrategyDefined) = 0x0201 1 "signal.strategy_defined",
                /// A limit.
                LimitSet(LimitSet) = 0x0301 1 "risk.limit_set",
                /// A kill switch.
                KillSwitchSet(KillSwitchSet) = 0x0302 1 "risk.kill_switch_set",
                /// What may be done.
                TradingStateSet(TradingStateSet) = 0x0303 1 "risk.trading_state_set",
                /// A new order.
                NewOrder(NewOrder) = 0x0401 1 "order.new",
                /// A cancel.
                CancelOrder(CancelOrder) = 0x0402 1 "order.cancel",
                /// The venue's word on an order.
                OrderReported(OrderReported) = 0x0403 1 "order.reported",
                /// The venue's fill.
                FillReported(FillReported) = 0x0501 1 "fill.reported",
                /// An account.
                AccountDefined(AccountDefined) = 0x0701 1 "account.defined",
                /// A currency.
                CurrencyDefined(CurrencyDefined) = 0x0702 1 "account.currency_defined",
                /// A deposit or withdrawal.
                CashTransferred(CashTransferred) = 0x0703 1 "account.cash_transferred",
                /// The rules version.
                RulesActivated(RulesActivated) = 0x0801 1 "system.rules_activated",
                /// A dictionary text.
                TextDefined(TextDefined) = 0x0802 1 "system.text_defined",
                /// Time moves.
                TimeAdvanced(TimeAdvanced) = 0x0803 1 "system.time_advanced",
                /// A long effect goes on.
                Continue(Continue) = 0x0804 1 "system.continue",
                /// How the process is.
                HealthObserved(HealthObserved) = 0x0805 1 "system.health",
                /// A free-form event.
                StreamAppended(StreamAppended) = 0x0901 1 "stream.appended",
            }
        }
    };
}
for_each_command!(record_types);

impl Command {
    /// The stream it belongs to; `sequence` is its own. A new order opens the stream of the order it becomes.
    pub fn stream(&self, sequence: Sequence) -> Stream {
        match self {
            Self::QuoteObserved(payload) => Stream::instrument(payload.instrument),
            Self::TradeObserved(payload) => Stream::instrument(payload.instrument),
            Self::BookDelta(payload) => Stream::instrument(payload.instrument),
            Self::MarketGapObserved(payload) => Stream::instrument(payload.instrument),
            Self::InstrumentDefined(payload) => Stream::instrument(payload.instrument),
            Self::SimulatedVenueSet(payload) => Stream::instrument(payload.instrument),
            Self::StrategyDefined(payload) => Stream::strategy(payload.strategy),
            Self::NewOrder(_) => Stream::order(OrderId(sequence.0)),
            Self::CancelOrder(payload) => Stream::account(payload.account),
            Self::OrderReported(payload) => Stream::order(payload.order),
            Self::FillReported(payload) => Stream::order(payload.order),
            Self::AccountDefined(payload) => Stream::account(payload.account),
            Self::CashTransferred(payload) => Stream::account(payload.account),
            Self::StreamAppended(payload) => Stream::free(payload.stream),
            Self::LimitSet(_)
            | Self::KillSwitchSet(_)
            | Self::TradingStateSet(_)
            | Self::CurrencyDefined(_)
            | Self::RulesActivated(_)
            | Self::TextDefined(_)
            | Self::TimeAdvanced(_)
            | Self::Continue(_)
            | Self::HealthObserved(_) => Stream::SYSTEM,
        }
    }
}
