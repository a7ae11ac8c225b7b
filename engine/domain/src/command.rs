//! All that may be asked of the engine, and all that it may be shown.
//!
//! A command asks (`NewOrder`) or observes (`TradeObserved`). An observed fact or an accepted definition is told by
//! the command alone; there is no echo event.

use crate::fields::{AsField, FieldValue, as_field, payloads};
use crate::record::{TypeId, record_types};
use crate::reject::ReasonCode;
use crate::{
    AccountId, AccountState, Aggressor, BookAction, BookDelta, BreakerKind, ClientOrderId, Contingency,
    ContinueKind, CurrencyId, DurationNs, Instrument, InstrumentId, LimitKind, Liquidity, MarkSource, Money,
    OrderId, OrderType, PositionEffect, PositionMode, PositionSide, Price, Qty, QueueModel, Rate, ReportKind,
    SelfTradePrevention, Sequence, SessionState, Side, SideFilter, StaleReason, StrategyId, Stream,
    TextBytes, TextId, TimeInForce, TimeNs, TimerKind, TradingState, TrailUnit, TriggerBy, VenueId,
    VenueState,
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
        /// From what happens at the venue to its report here, on top of nothing else.
        report_latency: DurationNs,
        /// Largest random addition to either latency, drawn evenly.
        jitter: DurationNs,
        /// Seed of all that is random here.
        seed: u64,
        /// Parameter of the queue model: the exponent of `power`; 1 for none.
        queue_parameter: Rate,
        /// Fraction of orders that are rejected on purpose.
        reject_rate: Rate,
        /// Fraction of reports that are lost on purpose.
        loss_rate: Rate,
        /// Fraction of reports that come twice on purpose.
        duplicate_rate: Rate,
        /// Ticks by which an order that takes is filled worse.
        slippage_ticks: u32,
        /// Whose market.
        instrument: InstrumentId,
        /// How a resting order's place in the queue is known.
        queue_model: QueueModel,
        /// What happens where orders of one account would meet.
        self_trade: SelfTradePrevention,
    }
    /// An order of someone's came, changed or left in a market that is told order by order.
    BookOrderObserved {
        /// The venue's id of the order.
        venue_order_id: u64,
        /// The venue's id of the update, 0 where it has none.
        update_id: u64,
        /// Price of the order.
        price: Price,
        /// What is left of it, or what was executed.
        qty: Qty,
        /// Whose market.
        instrument: InstrumentId,
        /// Which way.
        side: Side,
        /// What happened to it.
        action: BookAction,
        /// Whether the update is complete with this part.
        is_last: bool,
    }
    /// The venue's own mark price.
    MarkObserved {
        /// The price.
        price: Price,
        /// Of what.
        instrument: InstrumentId,
    }
    /// Which price marks positions in an instrument.
    MarkSourceSet {
        /// At most one `position.marked` an interval; 0 for none.
        interval: DurationNs,
        /// Which instrument.
        instrument: InstrumentId,
        /// Which price.
        source: MarkSource,
    }
    /// The state of an instrument's market.
    SessionSet {
        /// When the session ends and DAY orders with it; 0 for midnight UTC.
        closes_at: TimeNs,
        /// Which instrument.
        instrument: InstrumentId,
        /// From here on.
        state: SessionState,
    }
    /// A venue that orders can go to.
    VenueDefined {
        /// What it can do, as bits of [`VenueDefined`]: everything else is done in the core.
        capabilities: u64,
        /// Its number.
        venue: VenueId,
        /// Its name.
        name: TextId,
    }
    /// Where the orders of an instrument go.
    RouteSet {
        /// Which instrument.
        instrument: InstrumentId,
        /// Where they go that name no venue.
        venue: VenueId,
        /// Where they go while that venue is disconnected; 0 for nowhere.
        fallback: VenueId,
    }
    /// The way to a venue was lost or found.
    VenueStateObserved {
        /// Which venue.
        venue: VenueId,
        /// From here on.
        state: VenueState,
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
    /// Sets one limit. 0 as account or instrument means "all"; a strategy's limit names the strategy alone.
    LimitSet {
        /// Mantissa in the unit of the kind; negative takes the limit away.
        value: i64,
        /// For which account.
        account: AccountId,
        /// For which instrument.
        instrument: InstrumentId,
        /// For which strategy.
        strategy: StrategyId,
        /// Why.
        reason: TextId,
        /// Which limit.
        kind: LimitKind,
    }
    /// Arms a tripped breaker again. 0 as account means "all".
    BreakerReset {
        /// For which account.
        account: AccountId,
        /// For which strategy.
        strategy: StrategyId,
        /// Why.
        reason: TextId,
        /// Which breaker.
        kind: BreakerKind,
    }
    /// Engages or releases a kill switch. 0 as account or instrument means "all".
    KillSwitchSet {
        /// For which account.
        account: AccountId,
        /// For which instrument.
        instrument: InstrumentId,
        /// For which strategy.
        strategy: StrategyId,
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
        /// For which strategy.
        strategy: StrategyId,
        /// Why.
        reason: TextId,
        /// What may be done.
        state: TradingState,
    }
    /// A new order (FIX `NewOrderSingle`). [`NewOrder::limit`] and [`NewOrder::market`] make plain ones.
    NewOrder {
        /// Limit price; 0 where the type has none.
        price: Price,
        /// Order quantity; with `quantity_in_quote` the amount to spend or to get, at the settlement currency's scale.
        qty: Qty,
        /// Trigger price; 0 where the type has none, or for a trailing stop that starts at its distance.
        trigger_price: Price,
        /// Distance of a trailing stop, in its unit; 0 for other types.
        trail_offset: i64,
        /// What others see of an iceberg order; 0 for all of it.
        display_qty: Qty,
        /// End of a GTD order; 0 for others.
        expires_at: TimeNs,
        /// Orders of one account with the same number depend on each other (FIX `ClOrdLinkID`); 0 for none.
        link: u64,
        /// Whose money.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// The client's name for it.
        client_order_id: ClientOrderId,
        /// Where it goes; 0 for the instrument's route.
        venue: VenueId,
        /// Which way.
        side: Side,
        /// How it is priced.
        order_type: OrderType,
        /// How long it stands.
        time_in_force: TimeInForce,
        /// How it depends on others with the same link.
        contingency: Contingency,
        /// What `trail_offset` is counted in.
        trail_unit: TrailUnit,
        /// Which price triggers it.
        trigger_by: TriggerBy,
        /// Whether it opens or closes.
        position_effect: PositionEffect,
        /// Never takes liquidity: refused by the venue where it would.
        post_only: bool,
        /// Never increases a position.
        reduce_only: bool,
        /// Whether `qty` is an amount of money.
        quantity_in_quote: bool,
    }
    /// Asks to change an order (FIX `OrderCancelReplaceRequest`), by its id or, where that is 0, by the client's name.
    /// 0 leaves a value as it is. A smaller quantity keeps the order's priority, all else loses it.
    ReplaceOrder {
        /// The order; 0 to find it by the client's name.
        order: OrderId,
        /// New limit price.
        price: Price,
        /// New order quantity, what is filled included.
        qty: Qty,
        /// New trigger price.
        trigger_price: Price,
        /// New display quantity.
        display_qty: Qty,
        /// Whose order.
        account: AccountId,
        /// The client's name for the order.
        client_order_id: ClientOrderId,
    }
    /// Asks to cancel all open orders of a scope (FIX `OrderMassCancelRequest`). 0 means "all".
    MassCancel {
        /// Of which account.
        account: AccountId,
        /// In which instrument.
        instrument: InstrumentId,
        /// Of which strategy.
        strategy: StrategyId,
        /// Why.
        reason: TextId,
        /// Of which side.
        side: SideFilter,
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
    /// The venue has replaced an order (FIX `ExecType` Replaced): its terms from here on.
    ReplaceReported {
        /// Which order.
        order: OrderId,
        /// The venue's own id of the order.
        venue_order_id: u64,
        /// Limit price.
        price: Price,
        /// Order quantity, what is filled included.
        qty: Qty,
        /// Trigger price; 0 where there is none.
        trigger_price: Price,
        /// Display quantity; 0 where all is shown.
        display_qty: Qty,
    }
    /// A reconciliation: the venue states an open order.
    VenueOrderStated {
        /// Which reconciliation.
        run: u64,
        /// Our id; 0 where the venue does not say.
        order: OrderId,
        /// The venue's own id.
        venue_order_id: u64,
        /// Limit price.
        price: Price,
        /// Order quantity.
        qty: Qty,
        /// Filled so far.
        cum_qty: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which way.
        side: Side,
    }
    /// The venue reports a fill (FIX `ExecutionReport` with `ExecType` Trade).
    FillReported {
        /// Which order.
        order: OrderId,
        /// The venue's id of the execution: unique for the order; dense and rising at the simulated venue.
        execution_id: u64,
        /// Price of the fill.
        price: Price,
        /// Quantity of the fill.
        qty: Qty,
        /// Fee; negative for a rebate.
        fee: Money,
        /// Currency of the fee; 0 for the settlement currency.
        fee_currency: CurrencyId,
        /// Maker or taker.
        liquidity: Liquidity,
    }
    /// The venue takes a fill back (FIX `ExecType` Trade Cancel).
    TradeBusted {
        /// Which order.
        order: OrderId,
        /// The execution that is taken back.
        execution_id: u64,
    }
    /// The venue corrects a fill (FIX `ExecType` Trade Correct).
    TradeCorrected {
        /// Which order.
        order: OrderId,
        /// The execution that is corrected.
        execution_id: u64,
        /// Price from here on.
        price: Price,
        /// Quantity from here on.
        qty: Qty,
        /// Fee from here on, in the currency of the first report.
        fee: Money,
    }
    /// Funding of a perpetual contract: longs pay shorts `rate` of their value, or get it where it is negative.
    FundingApplied {
        /// Fraction of the position's value.
        rate: Rate,
        /// Price that values are counted at.
        price: Price,
        /// Which contract.
        instrument: InstrumentId,
    }
    /// A reconciliation: the venue states a position.
    VenuePositionStated {
        /// Which reconciliation.
        run: u64,
        /// What is open; negative for a short position.
        qty: Qty,
        /// Its average price, where the venue says one; 0 to take the mark.
        price: Price,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which position.
        side: PositionSide,
    }
    /// A trading account.
    AccountDefined {
        /// Its number.
        account: AccountId,
        /// Its name.
        name: TextId,
        /// How it counts positions; may change while it has none.
        mode: PositionMode,
    }
    /// What an account may do.
    AccountStateSet {
        /// Which account.
        account: AccountId,
        /// Why.
        reason: TextId,
        /// From here on.
        state: AccountState,
    }
    /// What a unit of a currency is worth in the reference currency: a fixed rate, or the mark of a spot instrument.
    ConversionSet {
        /// Units of the reference currency for one of `currency`; 0 to take the instrument.
        rate: Rate,
        /// Which currency.
        currency: CurrencyId,
        /// A spot instrument between both, either way round; 0 for a fixed rate.
        instrument: InstrumentId,
    }
    /// The currency that exposures, equity and losses are counted in.
    ReferenceCurrencySet {
        /// Which currency.
        currency: CurrencyId,
    }
    /// A reconciliation: the venue states a balance.
    VenueBalanceStated {
        /// Which reconciliation.
        run: u64,
        /// All of it.
        cash: Money,
        /// Whose.
        account: AccountId,
        /// Of what.
        currency: CurrencyId,
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
    /// A timer of the core is due.
    TimerFired {
        /// When it was due.
        due: TimeNs,
        /// What it is about: an order, an account.
        subject: u64,
        /// What it is for.
        kind: TimerKind,
    }
    /// The venue's own view begins: open orders, balances and positions of an account follow.
    ReconcileStarted {
        /// Number of the reconciliation, chosen by the source.
        run: u64,
        /// Whose.
        account: AccountId,
        /// Which venue's view.
        venue: VenueId,
    }
    /// The venue's own view is complete.
    ReconcileEnded {
        /// Number of the reconciliation.
        run: u64,
    }
    /// A long effect goes on.
    Continue {
        /// The last order, or the last account, that was dealt with.
        after: u64,
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
                /// An order of someone's.
                BookOrderObserved(BookOrderObserved) = 0x0107 1 "market.book_order",
                /// The venue's mark price.
                MarkObserved(MarkObserved) = 0x0108 1 "market.mark",
                /// Which price marks positions.
                MarkSourceSet(MarkSourceSet) = 0x0109 1 "market.mark_source_set",
                /// The state of a market.
                SessionSet(SessionSet) = 0x010A 1 "market.session_set",
                /// A venue.
                VenueDefined(VenueDefined) = 0x010B 1 "market.venue_defined",
                /// Where orders go.
                RouteSet(RouteSet) = 0x010C 1 "market.route_set",
                /// The way to a venue.
                VenueStateObserved(VenueStateObserved) = 0x010D 1 "market.venue_state",
                /// A strategy.
                StrategyDefined(StrategyDefined) = 0x0201 1 "signal.strategy_defined",
                /// A limit.
                LimitSet(LimitSet) = 0x0301 1 "risk.limit_set",
                /// A kill switch.
                KillSwitchSet(KillSwitchSet) = 0x0302 1 "risk.kill_switch_set",
                /// What may be done.
                TradingStateSet(TradingStateSet) = 0x0303 1 "risk.trading_state_set",
                /// A breaker is armed again.
                BreakerReset(BreakerReset) = 0x0304 1 "risk.breaker_reset",
                /// A new order.
                NewOrder(NewOrder) = 0x0401 1 "order.new",
                /// A cancel.
                CancelOrder(CancelOrder) = 0x0402 1 "order.cancel",
                /// The venue's word on an order.
                OrderReported(OrderReported) = 0x0403 1 "order.reported",
                /// A replace.
                ReplaceOrder(ReplaceOrder) = 0x0404 1 "order.replace",
                /// A mass cancel.
                MassCancel(MassCancel) = 0x0405 1 "order.mass_cancel",
                /// The venue has replaced an order.
                ReplaceReported(ReplaceReported) = 0x0406 1 "order.replace_reported",
                /// The venue states an open order.
                VenueOrderStated(VenueOrderStated) = 0x0407 1 "order.stated",
                /// The venue's fill.
                FillReported(FillReported) = 0x0501 1 "fill.reported",
                /// The venue takes a fill back.
                TradeBusted(TradeBusted) = 0x0502 1 "fill.trade_busted",
                /// The venue corrects a fill.
                TradeCorrected(TradeCorrected) = 0x0503 1 "fill.trade_corrected",
                /// Funding.
                FundingApplied(FundingApplied) = 0x0601 1 "position.funding",
                /// The venue states a position.
                VenuePositionStated(VenuePositionStated) = 0x0602 1 "position.stated",
                /// An account.
                AccountDefined(AccountDefined) = 0x0701 1 "account.defined",
                /// A currency.
                CurrencyDefined(CurrencyDefined) = 0x0702 1 "account.currency_defined",
                /// A deposit or withdrawal.
                CashTransferred(CashTransferred) = 0x0703 1 "account.cash_transferred",
                /// What an account may do.
                AccountStateSet(AccountStateSet) = 0x0704 1 "account.state_set",
                /// What a currency is worth.
                ConversionSet(ConversionSet) = 0x0705 1 "account.conversion_set",
                /// The reference currency.
                ReferenceCurrencySet(ReferenceCurrencySet) = 0x0706 1 "account.reference_currency_set",
                /// The venue states a balance.
                VenueBalanceStated(VenueBalanceStated) = 0x0707 1 "account.balance_stated",
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
                /// A timer is due.
                TimerFired(TimerFired) = 0x0806 1 "system.timer_fired",
                /// The venue's view begins.
                ReconcileStarted(ReconcileStarted) = 0x0807 1 "system.reconcile_started",
                /// The venue's view is complete.
                ReconcileEnded(ReconcileEnded) = 0x0808 1 "system.reconcile_ended",
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
            Self::BookOrderObserved(payload) => Stream::instrument(payload.instrument),
            Self::MarkObserved(payload) => Stream::instrument(payload.instrument),
            Self::MarkSourceSet(payload) => Stream::instrument(payload.instrument),
            Self::SessionSet(payload) => Stream::instrument(payload.instrument),
            Self::RouteSet(payload) => Stream::instrument(payload.instrument),
            Self::FundingApplied(payload) => Stream::instrument(payload.instrument),
            Self::StrategyDefined(payload) => Stream::strategy(payload.strategy),
            Self::ReplaceOrder(payload) => Stream::account(payload.account),
            Self::ReplaceReported(payload) => Stream::order(payload.order),
            Self::VenueOrderStated(payload) => Stream::account(payload.account),
            Self::TradeBusted(payload) => Stream::order(payload.order),
            Self::TradeCorrected(payload) => Stream::order(payload.order),
            Self::VenuePositionStated(payload) => Stream::account(payload.account),
            Self::VenueBalanceStated(payload) => Stream::account(payload.account),
            Self::AccountStateSet(payload) => Stream::account(payload.account),
            Self::ReconcileStarted(payload) => Stream::account(payload.account),
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
            | Self::BreakerReset(_)
            | Self::MassCancel(_)
            | Self::VenueDefined(_)
            | Self::VenueStateObserved(_)
            | Self::ConversionSet(_)
            | Self::ReferenceCurrencySet(_)
            | Self::TimerFired(_)
            | Self::ReconcileEnded(_)
            | Self::CurrencyDefined(_)
            | Self::RulesActivated(_)
            | Self::TextDefined(_)
            | Self::TimeAdvanced(_)
            | Self::Continue(_)
            | Self::HealthObserved(_) => Stream::SYSTEM,
        }
    }
}

impl NewOrder {
    /// A limit order that stands until it is cancelled, with nothing else asked for.
    pub fn limit(account: AccountId, instrument: InstrumentId, side: Side, price: Price, qty: Qty) -> Self {
        Self {
            price,
            qty,
            trigger_price: Price(0),
            trail_offset: 0,
            display_qty: Qty::ZERO,
            expires_at: TimeNs::UNKNOWN,
            link: 0,
            account,
            instrument,
            client_order_id: ClientOrderId::NONE,
            venue: VenueId::NONE,
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            contingency: Contingency::None,
            trail_unit: TrailUnit::Price,
            trigger_by: TriggerBy::Last,
            position_effect: PositionEffect::Auto,
            post_only: false,
            reduce_only: false,
            quantity_in_quote: false,
        }
    }

    /// A market order, with nothing else asked for.
    pub fn market(account: AccountId, instrument: InstrumentId, side: Side, qty: Qty) -> Self {
        let (order_type, time_in_force) = (OrderType::Market, TimeInForce::Ioc);
        Self { order_type, time_in_force, ..Self::limit(account, instrument, side, Price(0), qty) }
    }
}

impl SimulatedVenueSet {
    /// A venue that fills at the touch after `latency`, without chance and faults.
    pub fn touch(instrument: InstrumentId, latency: DurationNs) -> Self {
        Self {
            latency,
            report_latency: DurationNs(0),
            jitter: DurationNs(0),
            seed: 0,
            queue_parameter: Rate(0),
            reject_rate: Rate(0),
            loss_rate: Rate(0),
            duplicate_rate: Rate(0),
            slippage_ticks: 0,
            instrument,
            queue_model: QueueModel::Touch,
            self_trade: SelfTradePrevention::Off,
        }
    }
}

impl VenueDefined {
    /// It holds and triggers stop and if-touched orders.
    pub const TRIGGERS: u64 = 1;
    /// It moves trailing stops.
    pub const TRAILING: u64 = 1 << 1;
    /// It hides the rest of iceberg orders.
    pub const ICEBERG: u64 = 1 << 2;
    /// It ends DAY and GTD orders.
    pub const EXPIRY: u64 = 1 << 3;
    /// It takes fill-or-kill orders.
    pub const FILL_OR_KILL: u64 = 1 << 4;
    /// It takes post-only orders.
    pub const POST_ONLY: u64 = 1 << 5;
    /// It has opening and closing auctions.
    pub const AUCTIONS: u64 = 1 << 6;
    /// It replaces orders in place; without it a replace is refused.
    pub const REPLACE: u64 = 1 << 7;
    /// All of them.
    pub const ALL: u64 = (1 << 8) - 1;
}
