//! All that may have happened: past facts, each caused by the command of its frame.

use crate::fields::{AsField, FieldValue, as_field, payloads};
use crate::record::{TypeId, record_types};
use crate::reject::ReasonCode;
use crate::{
    AccountId, ClientOrderId, CurrencyId, InstrumentId, LimitKind, Liquidity, Money, OrderId, OrderStatus,
    OrderType, PositionChange, Price, Qty, Real, Side, SignalDirection, StaleReason, StrategyId, Stream,
    TextId, TimeInForce, TradingState,
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
}

impl LedgerBook {
    /// Every book.
    pub const ALL: &[Self] = &[Self::Client, Self::Venue, Self::Fee, Self::Rounding, Self::External];

    /// The word for this book in text and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Venue => "venue",
            Self::Fee => "fee",
            Self::Rounding => "rounding",
            Self::External => "external",
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
        /// Which limit.
        kind: LimitKind,
    }
    /// A kill switch was engaged or released.
    KillSwitchChanged {
        /// Version of all limits from here on.
        limits_version: u64,
        /// For which account; 0 for all.
        account: AccountId,
        /// For which instrument; 0 for all.
        instrument: InstrumentId,
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
        /// Now.
        state: TradingState,
    }
    /// An order passed every risk rule.
    OrderApproved {
        /// What the order ties up of `reserved_currency`.
        reserved: Money,
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
        /// Which rule.
        reason: ReasonCode,
    }
    /// An order goes to the venue.
    OrderSubmitted {
        /// Which order.
        order: OrderId,
        /// Limit price; 0 for a market order.
        price: Price,
        /// Order quantity.
        qty: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// The strategy that asked; 0 for a client.
        strategy: StrategyId,
        /// Which way.
        side: Side,
        /// How it is priced.
        order_type: OrderType,
        /// How long it stands.
        time_in_force: TimeInForce,
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
        /// Profit of what is open, at the mid price.
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
                /// A fill without an order.
                FillUnmatched(FillUnmatched) = 0x0581 1 "fill.unmatched",
                /// A position changed.
                PositionChanged(PositionChanged) = 0x0681 1 "position.changed",
                /// Money moved.
                Posted(Posted) = 0x0781 1 "account.posted",
                /// The digest.
                StateDigest(StateDigest) = 0x0881 1 "system.state_digest",
                /// A command refused.
                CommandRefused(CommandRefused) = 0x0882 1 "system.command_refused",
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
            Self::CancelRejected(payload) => Stream::account(payload.account),
            Self::FillUnmatched(payload) => Stream::order(payload.order),
            Self::PositionChanged(payload) => Stream::position(payload.account, payload.instrument),
            Self::Posted(payload) => Stream::account(payload.account),
            Self::LimitChanged(_)
            | Self::KillSwitchChanged(_)
            | Self::TradingStateChanged(_)
            | Self::StateDigest(_)
            | Self::CommandRefused(_) => Stream::SYSTEM,
        }
    }
}
