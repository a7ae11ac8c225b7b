//! All that may have happened: past facts, each caused by the command of its frame.

use crate::command::NewOrder;
use crate::fields::{AsField, FieldValue, as_field, payloads};
use crate::record::{TypeId, record_types};
use crate::reject::ReasonCode;
use crate::{
    AccountId, BreakerKind, BreakerState, ClientOrderId, CurrencyId, DifferenceKind, FillState, HoldReason,
    InstrumentId, LimitKind, Liquidity, Money, OrderId, OrderStatus, OrderType, PositionChange, PositionSide,
    Price, Qty, Rate, Real, ReconcileAction, Severity, Side, SideFilter, SignalDirection, StaleReason,
    StrategyId, Stream, TextId, TimeInForce, TimeNs, TradingState, TrailUnit, TriggerBy, VenueId,
};
use rkyv::{Archive, Deserialize, Serialize};

/// Legs that one [`Posted`] holds.
pub const LEGS_PER_POSTING_MAX: usize = 4;

/// A book of the ledger within one currency.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum LedgerBook {
    /// What the account owns.
    #[default]
    Client,
    /// The other side of trades.
    Venue,
    /// Fees taken.
    Fee,
    /// Differences of rounding.
    Rounding,
    /// Where deposits come from and withdrawals go to.
    External,
    /// What funding pays and gets.
    Funding,
    /// The other side of adjustments to what a venue says.
    Adjustment,
}

impl LedgerBook {
    /// Every book.
    pub const ALL: &[Self] = &[
        Self::Client,
        Self::Venue,
        Self::Fee,
        Self::Rounding,
        Self::External,
        Self::Funding,
        Self::Adjustment,
    ];

    /// The word for this book in text and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Venue => "venue",
            Self::Fee => "fee",
            Self::Rounding => "rounding",
            Self::External => "external",
            Self::Funding => "funding",
            Self::Adjustment => "adjustment",
        }
    }
}

/// One transfer of a posting: `amount` leaves `from` and enters `to`, so that every leg balances by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
pub struct Leg {
    /// How much; never negative.
    pub amount: Money,
    /// Of what.
    pub currency: CurrencyId,
    /// Out of which book.
    pub from: LedgerBook,
    /// Into which book.
    pub to: LedgerBook,
}

as_field! { [Leg; LEGS_PER_POSTING_MAX] => |value| FieldValue::Legs(value); }

payloads! {
    /// A book can no longer be trusted; orders on it are refused until it is restored.
    BookStale {
        /// The last update id that was good.
        update_id: u64,
        /// Whose book.
        instrument: InstrumentId,
        /// Why.
        reason: StaleReason,
    }
    /// A snapshot made a book whole.
    BookRestored {
        /// Update id of the snapshot.
        update_id: u64,
        /// Whose book.
        instrument: InstrumentId,
    }
    /// A strategy changed its mind.
    SignalChanged {
        /// The fast figure of the strategy.
        fast: Real,
        /// The slow figure of the strategy.
        slow: Real,
        /// How strong, from 0 to 1.
        strength: Real,
        /// Which strategy.
        strategy: StrategyId,
        /// Which market.
        instrument: InstrumentId,
        /// Where it wants to be.
        direction: SignalDirection,
    }
    /// A limit changed; from here on decisions name this version.
    LimitChanged {
        /// Before; negative for none.
        previous: i64,
        /// Now; negative for none.
        value: i64,
        /// Version of all limits from here on.
        limits_version: u64,
        /// For which account; 0 for all.
        account: AccountId,
        /// For which instrument; 0 for all.
        instrument: InstrumentId,
        /// For which strategy; 0 for all.
        strategy: StrategyId,
        /// Which limit.
        kind: LimitKind,
    }
    /// A soft threshold was passed, or is no longer.
    RiskAlert {
        /// The limit, in the unit of the rule.
        limit: Money,
        /// The value seen, in the unit of the rule.
        observed: Money,
        /// Version of all limits.
        limits_version: u64,
        /// For which account.
        account: AccountId,
        /// For which instrument; 0 for all.
        instrument: InstrumentId,
        /// For which strategy; 0 for all.
        strategy: StrategyId,
        /// Which limit.
        kind: LimitKind,
        /// How grave.
        severity: Severity,
        /// Raised or cleared.
        raised: bool,
    }
    /// A breaker moved from one state to another.
    BreakerChanged {
        /// The limit, in the unit of the rule.
        limit: Money,
        /// The value seen, in the unit of the rule.
        observed: Money,
        /// End of the cool-down; 0 where there is none.
        until: TimeNs,
        /// Version of all limits.
        limits_version: u64,
        /// For which account.
        account: AccountId,
        /// For which strategy; 0 for all.
        strategy: StrategyId,
        /// Which breaker.
        kind: BreakerKind,
        /// Before.
        from: BreakerState,
        /// From here on.
        state: BreakerState,
    }
    /// A kill switch was engaged or released.
    KillSwitchChanged {
        /// Version of all limits from here on.
        limits_version: u64,
        /// For which account; 0 for all.
        account: AccountId,
        /// For which instrument; 0 for all.
        instrument: InstrumentId,
        /// For which strategy; 0 for all.
        strategy: StrategyId,
        /// Engaged or released.
        engaged: bool,
    }
    /// What may be done changed.
    TradingStateChanged {
        /// Version of all limits from here on.
        limits_version: u64,
        /// For which account; 0 for all.
        account: AccountId,
        /// For which instrument; 0 for all.
        instrument: InstrumentId,
        /// For which strategy; 0 for all.
        strategy: StrategyId,
        /// Now.
        state: TradingState,
    }
    /// An order passed every risk rule.
    OrderApproved {
        /// What the order ties up of `reserved_currency`.
        reserved: Money,
        /// Gross exposure of the account after it, in the reference currency; 0 where no limit asks for it.
        gross_exposure: Money,
        /// Which order.
        order: OrderId,
        /// Version of the limits that let it through.
        limits_version: u64,
        /// The position if all open buys were filled.
        worst_long: Qty,
        /// The position if all open sells were filled.
        worst_short: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Currency of `reserved`.
        reserved_currency: CurrencyId,
        /// Open orders of the account, this one included.
        open_orders: u32,
    }
    /// A risk rule refused an order.
    OrderRefused {
        /// The limit, in the unit of the rule.
        limit: Money,
        /// The value seen, in the unit of the rule.
        observed: Money,
        /// Which order.
        order: OrderId,
        /// Version of the limits that refused it.
        limits_version: u64,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// The strategy that asked; 0 for a client.
        strategy: StrategyId,
        /// Which rule.
        reason: ReasonCode,
        /// Which way.
        side: Side,
    }
    /// An order goes to the venue.
    OrderSubmitted {
        /// Which order.
        order: OrderId,
        /// Limit price; 0 for a market order.
        price: Price,
        /// Order quantity.
        qty: Qty,
        /// Trigger price; 0 where the venue is to trigger nothing.
        trigger_price: Price,
        /// What others see; 0 for all of it.
        display_qty: Qty,
        /// When it ends; 0 where the venue is not to end it.
        expires_at: TimeNs,
        /// Distance of a trailing stop, in its unit; 0 where the venue is to move nothing.
        trail_offset: i64,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// The strategy that asked; 0 for a client.
        strategy: StrategyId,
        /// Where it goes.
        venue: VenueId,
        /// Which way.
        side: Side,
        /// How it is priced at the venue.
        order_type: OrderType,
        /// How long it stands at the venue.
        time_in_force: TimeInForce,
        /// What `trail_offset` is counted in.
        trail_unit: TrailUnit,
        /// Which price triggers it.
        trigger_by: TriggerBy,
        /// Never takes liquidity.
        post_only: bool,
    }
    /// An order stays in the core for now.
    OrderHeld {
        /// Which order.
        order: OrderId,
        /// Trigger price; 0 where it waits for something else.
        trigger_price: Price,
        /// What it asks for.
        qty: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which way.
        side: Side,
        /// What it waits for.
        reason: HoldReason,
    }
    /// A held order's trigger price was reached, or what it waited for has come.
    OrderTriggered {
        /// Which order.
        order: OrderId,
        /// Its trigger price; 0 where it waited for something else.
        trigger_price: Price,
        /// The price that reached it; 0 likewise.
        seen: Price,
        /// What goes to the venue.
        qty: Qty,
        /// Which market.
        instrument: InstrumentId,
        /// What it had waited for.
        reason: HoldReason,
    }
    /// A replace goes to the venue.
    ReplaceSubmitted {
        /// Which order.
        order: OrderId,
        /// Limit price.
        price: Price,
        /// Order quantity, what is filled included.
        qty: Qty,
        /// Trigger price; 0 where there is none.
        trigger_price: Price,
        /// Display quantity; 0 where all is shown.
        display_qty: Qty,
        /// What the order ties up of its currency if it is replaced.
        reserved: Money,
        /// Version of the limits that let it through.
        limits_version: u64,
        /// Which market.
        instrument: InstrumentId,
        /// Where the order is.
        venue: VenueId,
    }
    /// An order has new terms.
    OrderReplaced {
        /// Which order.
        order: OrderId,
        /// Limit price.
        price: Price,
        /// Order quantity.
        qty: Qty,
        /// Trigger price; 0 where there is none.
        trigger_price: Price,
        /// Display quantity; 0 where all is shown.
        display_qty: Qty,
        /// Filled so far (FIX `CumQty`).
        cum_qty: Qty,
        /// What is left (FIX `LeavesQty`).
        leaves_qty: Qty,
        /// Which market.
        instrument: InstrumentId,
    }
    /// A replace was refused; the order is as it was.
    ReplaceRejected {
        /// The limit, in the unit of the rule.
        limit: Money,
        /// The value seen, in the unit of the rule.
        observed: Money,
        /// Which order; 0 where it is not known.
        order: OrderId,
        /// Version of the limits.
        limits_version: u64,
        /// Whose.
        account: AccountId,
        /// The client's name that was asked for.
        client_order_id: ClientOrderId,
        /// Why.
        reason: ReasonCode,
    }
    /// An order's time was over; it is done.
    OrderExpired {
        /// Which order.
        order: OrderId,
        /// Filled before that (FIX `CumQty`).
        cum_qty: Qty,
        /// Why.
        reason: ReasonCode,
    }
    /// The orders of a mass cancel are being cancelled.
    MassCancelStarted {
        /// Of which account; 0 for all.
        account: AccountId,
        /// In which instrument; 0 for all.
        instrument: InstrumentId,
        /// Of which strategy; 0 for all.
        strategy: StrategyId,
        /// Of which side.
        side: SideFilter,
    }
    /// A fill was taken back or corrected.
    FillRestated {
        /// Value of all fills from here on; with `cum_qty` it gives FIX `AvgPx`.
        cum_value: Money,
        /// All fees from here on.
        cum_fee: Money,
        /// Fee from here on.
        fee: Money,
        /// Which order.
        order: OrderId,
        /// The venue's id of the execution.
        execution_id: u64,
        /// Price from here on.
        price: Price,
        /// Quantity from here on; 0 for a fill that was taken back.
        qty: Qty,
        /// Filled so far, with the restated fill (FIX `CumQty`).
        cum_qty: Qty,
        /// What is left (FIX `LeavesQty`).
        leaves_qty: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Busted or corrected.
        state: FillState,
    }
    /// An order stands at the venue.
    OrderAccepted {
        /// Which order.
        order: OrderId,
        /// The venue's own id of the order.
        venue_order_id: u64,
    }
    /// An order was refused; it is done.
    OrderRejected {
        /// Which order.
        order: OrderId,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Why.
        reason: ReasonCode,
    }
    /// An order was filled in part and still stands.
    OrderPartiallyFilled {
        /// Value of all fills so far, in the settlement currency; with `cum_qty` it gives FIX `AvgPx`.
        cum_value: Money,
        /// All fees so far.
        cum_fee: Money,
        /// Which order.
        order: OrderId,
        /// Price of this fill (FIX `LastPx`).
        last_price: Price,
        /// Quantity of this fill (FIX `LastQty`).
        last_qty: Qty,
        /// Filled so far (FIX `CumQty`).
        cum_qty: Qty,
        /// What is left (FIX `LeavesQty`).
        leaves_qty: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which way.
        side: Side,
        /// Maker or taker.
        liquidity: Liquidity,
    }
    /// An order was filled whole; it is done.
    OrderFilled {
        /// Value of all fills, in the settlement currency; with `cum_qty` it gives FIX `AvgPx`.
        cum_value: Money,
        /// All fees.
        cum_fee: Money,
        /// Which order.
        order: OrderId,
        /// Price of this fill (FIX `LastPx`).
        last_price: Price,
        /// Quantity of this fill (FIX `LastQty`).
        last_qty: Qty,
        /// Filled in all (FIX `CumQty`).
        cum_qty: Qty,
        /// Zero (FIX `LeavesQty`).
        leaves_qty: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which way.
        side: Side,
        /// Maker or taker.
        liquidity: Liquidity,
    }
    /// A cancel goes to the venue.
    CancelSubmitted {
        /// Which order.
        order: OrderId,
        /// Which market.
        instrument: InstrumentId,
    }
    /// An order was cancelled; it is done.
    OrderCanceled {
        /// Which order.
        order: OrderId,
        /// Filled before that (FIX `CumQty`).
        cum_qty: Qty,
        /// Why.
        reason: ReasonCode,
    }
    /// A cancel was refused; the order is as it was.
    CancelRejected {
        /// Which order; 0 where it is not known.
        order: OrderId,
        /// Whose.
        account: AccountId,
        /// The client's name that was asked for.
        client_order_id: ClientOrderId,
        /// Why.
        reason: ReasonCode,
    }
    /// A client order id came again with the same content: the first outcome stands.
    OrderRepeated {
        /// The order of the first time.
        order: OrderId,
        /// How it stands now.
        status: OrderStatus,
        /// Why it was refused the first time; 0 where it was not.
        reason: ReasonCode,
    }
    /// A fill that belongs to no active order: kept and raised, never booked.
    FillUnmatched {
        /// The order that the venue named.
        order: OrderId,
        /// The venue's id of the execution.
        execution_id: u64,
        /// Price of the fill.
        price: Price,
        /// Quantity of the fill.
        qty: Qty,
        /// Why it was not booked.
        reason: ReasonCode,
    }
    /// A position changed.
    PositionChanged {
        /// Cost of what is open, in the settlement currency; negative for a short position.
        open_cost: Money,
        /// Profit that this change realised, before fees.
        realized: Money,
        /// Profit realised so far, before fees.
        realized_total: Money,
        /// Profit of what is open, at its mark.
        unrealized: Money,
        /// Fees so far.
        fees_total: Money,
        /// What is open; negative for a short position.
        qty: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// What happened.
        change: PositionChange,
        /// Which position.
        side: PositionSide,
    }
    /// Profit of an open position, marked to market; at most one an interval.
    PositionMarked {
        /// Profit realised so far, before fees and funding.
        realized_total: Money,
        /// Profit of what is open.
        unrealized: Money,
        /// Fees so far.
        fees_total: Money,
        /// Funding so far: negative for paid.
        funding_total: Money,
        /// Twice the price that it was marked at, so that a mid is exact.
        mark_twice: i64,
        /// What is open.
        qty: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which position.
        side: PositionSide,
    }
    /// Funding was paid or got.
    FundingPosted {
        /// What the account gets; negative for paid.
        amount: Money,
        /// Funding so far.
        funding_total: Money,
        /// What is open.
        qty: Qty,
        /// Fraction of the value.
        rate: Rate,
        /// Price that the value was counted at.
        price: Price,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which position.
        side: PositionSide,
    }
    /// What an account is worth, in the reference currency; at most one an interval.
    AccountMarked {
        /// All balances and unrealised profit.
        equity: Money,
        /// Sum of the values of all positions.
        gross_exposure: Money,
        /// Long less short positions.
        net_exposure: Money,
        /// Highest equity so far.
        peak_equity: Money,
        /// Equity when the day began.
        day_equity: Money,
        /// Whose.
        account: AccountId,
    }
    /// The venue's view and ours differ.
    ReconcileDiffered {
        /// Ours, in the unit of the kind.
        ours: Money,
        /// The venue's, in the unit of the kind.
        theirs: Money,
        /// Which reconciliation.
        run: u64,
        /// Which order; 0 where it is about something else or not known here.
        order: OrderId,
        /// The venue's own id of the order.
        venue_order_id: u64,
        /// Whose.
        account: AccountId,
        /// Which market; 0 for none.
        instrument: InstrumentId,
        /// Of what; 0 for none.
        currency: CurrencyId,
        /// What differs.
        kind: DifferenceKind,
        /// What was done.
        action: ReconcileAction,
    }
    /// A reconciliation is complete.
    ReconcileCompleted {
        /// Which.
        run: u64,
        /// Orders that the venue stated.
        orders: u32,
        /// Balances and positions that the venue stated.
        figures: u32,
        /// Differences found.
        differences: u32,
        /// Whose.
        account: AccountId,
        /// Whose view.
        venue: VenueId,
    }
    /// Money moved between books of the ledger.
    Posted {
        /// Whose.
        account: AccountId,
        /// How many of `legs` count.
        count: u8,
        /// The transfers.
        legs: [Leg; LEGS_PER_POSTING_MAX],
    }
    /// The digest of the whole state, each 10,000 frames.
    StateDigest {
        /// Frames so far, this one included.
        frames: u64,
        /// The digest before this event.
        digest: u64,
    }
    /// A command was refused; nothing changed.
    CommandRefused {
        /// The offending value.
        value: i64,
        /// Why.
        reason: ReasonCode,
        /// Type id of the command.
        command_type: u16,
        /// A dictionary text that tells more; 0 for none.
        text: TextId,
    }
}

/// Calls the macro `$callback` with the declaration of [`Event`]: each line is
/// `Variant(Payload) = type_id schema_version "family.name"`.
#[macro_export]
macro_rules! for_each_event {
    ($callback:ident) => {
        $callback! {
            /// All that may have happened.
            Event {
                /// A book went bad.
                BookStale(BookStale) = 0x0181 1 "market.book_stale",
                /// A book is whole again.
                BookRestored(BookRestored) = 0x0182 1 "market.book_restored",
                /// A strategy changed its mind.
                SignalChanged(SignalChanged) = 0x0281 1 "signal.changed",
                /// A limit changed.
                LimitChanged(LimitChanged) = 0x0381 1 "risk.limit_changed",
                /// A kill switch changed.
                KillSwitchChanged(KillSwitchChanged) = 0x0382 1 "risk.kill_switch_changed",
                /// What may be done changed.
                TradingStateChanged(TradingStateChanged) = 0x0383 1 "risk.trading_state_changed",
                /// An order passed.
                OrderApproved(OrderApproved) = 0x0384 1 "risk.order_approved",
                /// A soft threshold.
                RiskAlert(RiskAlert) = 0x0386 1 "risk.alert",
                /// A breaker.
                BreakerChanged(BreakerChanged) = 0x0387 1 "risk.breaker_changed",
                /// An order was refused.
                OrderRefused(OrderRefused) = 0x0385 1 "risk.order_refused",
                /// To the venue.
                OrderSubmitted(OrderSubmitted) = 0x0481 1 "order.submitted",
                /// At the venue.
                OrderAccepted(OrderAccepted) = 0x0482 1 "order.accepted",
                /// Refused.
                OrderRejected(OrderRejected) = 0x0483 1 "order.rejected",
                /// Filled in part.
                OrderPartiallyFilled(OrderPartiallyFilled) = 0x0484 1 "order.partially_filled",
                /// Filled whole.
                OrderFilled(OrderFilled) = 0x0485 1 "order.filled",
                /// A cancel to the venue.
                CancelSubmitted(CancelSubmitted) = 0x0486 1 "order.cancel_submitted",
                /// Cancelled.
                OrderCanceled(OrderCanceled) = 0x0487 1 "order.canceled",
                /// A cancel refused.
                CancelRejected(CancelRejected) = 0x0488 1 "order.cancel_rejected",
                /// The same again.
                OrderRepeated(OrderRepeated) = 0x0489 1 "order.repeated",
                /// Kept in the core.
                OrderHeld(OrderHeld) = 0x048A 1 "order.held",
                /// Triggered or released.
                OrderTriggered(OrderTriggered) = 0x048B 1 "order.triggered",
                /// A replace to the venue.
                ReplaceSubmitted(ReplaceSubmitted) = 0x048C 1 "order.replace_submitted",
                /// Replaced.
                OrderReplaced(OrderReplaced) = 0x048D 1 "order.replaced",
                /// A replace refused.
                ReplaceRejected(ReplaceRejected) = 0x048E 1 "order.replace_rejected",
                /// Time over.
                OrderExpired(OrderExpired) = 0x048F 1 "order.expired",
                /// A mass cancel.
                MassCancelStarted(MassCancelStarted) = 0x0490 1 "order.mass_cancel_started",
                /// A fill without an order.
                FillUnmatched(FillUnmatched) = 0x0581 1 "fill.unmatched",
                /// A fill taken back or corrected.
                FillRestated(FillRestated) = 0x0582 1 "fill.restated",
                /// A position changed.
                PositionChanged(PositionChanged) = 0x0681 1 "position.changed",
                /// A position marked.
                PositionMarked(PositionMarked) = 0x0682 1 "position.marked",
                /// Funding.
                FundingPosted(FundingPosted) = 0x0683 1 "position.funding_posted",
                /// Money moved.
                Posted(Posted) = 0x0781 1 "account.posted",
                /// An account marked.
                AccountMarked(AccountMarked) = 0x0782 1 "account.marked",
                /// The digest.
                StateDigest(StateDigest) = 0x0881 1 "system.state_digest",
                /// A command refused.
                CommandRefused(CommandRefused) = 0x0882 1 "system.command_refused",
                /// A difference found.
                ReconcileDiffered(ReconcileDiffered) = 0x0883 1 "system.reconcile_differed",
                /// A reconciliation complete.
                ReconcileCompleted(ReconcileCompleted) = 0x0884 1 "system.reconcile_completed",
            }
        }
    };
}
for_each_event!(record_types);

impl Event {
    /// The stream it belongs to.
    pub fn stream(&self) -> Stream {
        match self {
            Self::BookStale(payload) => Stream::instrument(payload.instrument),
            Self::BookRestored(payload) => Stream::instrument(payload.instrument),
            Self::SignalChanged(payload) => Stream::strategy(payload.strategy),
            Self::OrderApproved(payload) => Stream::order(payload.order),
            Self::OrderRefused(payload) => Stream::order(payload.order),
            Self::OrderSubmitted(payload) => Stream::order(payload.order),
            Self::OrderAccepted(payload) => Stream::order(payload.order),
            Self::OrderRejected(payload) => Stream::order(payload.order),
            Self::OrderPartiallyFilled(payload) => Stream::order(payload.order),
            Self::OrderFilled(payload) => Stream::order(payload.order),
            Self::CancelSubmitted(payload) => Stream::order(payload.order),
            Self::OrderCanceled(payload) => Stream::order(payload.order),
            Self::OrderRepeated(payload) => Stream::order(payload.order),
            Self::OrderHeld(payload) => Stream::order(payload.order),
            Self::OrderTriggered(payload) => Stream::order(payload.order),
            Self::ReplaceSubmitted(payload) => Stream::order(payload.order),
            Self::OrderReplaced(payload) => Stream::order(payload.order),
            Self::OrderExpired(payload) => Stream::order(payload.order),
            Self::FillRestated(payload) => Stream::order(payload.order),
            Self::ReplaceRejected(payload) => Stream::account(payload.account),
            Self::RiskAlert(payload) => Stream::account(payload.account),
            Self::BreakerChanged(payload) => Stream::account(payload.account),
            Self::PositionMarked(payload) => Stream::position(payload.account, payload.instrument),
            Self::FundingPosted(payload) => Stream::position(payload.account, payload.instrument),
            Self::AccountMarked(payload) => Stream::account(payload.account),
            Self::ReconcileDiffered(payload) => Stream::account(payload.account),
            Self::ReconcileCompleted(payload) => Stream::account(payload.account),
            Self::CancelRejected(payload) => Stream::account(payload.account),
            Self::FillUnmatched(payload) => Stream::order(payload.order),
            Self::PositionChanged(payload) => Stream::position(payload.account, payload.instrument),
            Self::Posted(payload) => Stream::account(payload.account),
            Self::LimitChanged(_)
            | Self::KillSwitchChanged(_)
            | Self::TradingStateChanged(_)
            | Self::MassCancelStarted(_)
            | Self::StateDigest(_)
            | Self::CommandRefused(_) => Stream::SYSTEM,
        }
    }
}

impl OrderSubmitted {
    /// The order `asked` for, on its way to `venue` with all its terms.
    pub fn new(order: OrderId, strategy: StrategyId, venue: VenueId, asked: &NewOrder) -> Self {
        Self {
            order,
            price: asked.price,
            qty: asked.qty,
            trigger_price: asked.trigger_price,
            display_qty: asked.display_qty,
            expires_at: asked.expires_at,
            trail_offset: asked.trail_offset,
            account: asked.account,
            instrument: asked.instrument,
            strategy,
            venue,
            side: asked.side,
            order_type: asked.order_type,
            time_in_force: asked.time_in_force,
            trail_unit: asked.trail_unit,
            trigger_by: asked.trigger_by,
            post_only: asked.post_only,
        }
    }
}
