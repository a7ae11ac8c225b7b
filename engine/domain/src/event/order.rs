//! Events of the order and fill families.

use crate::command::NewOrder;
use crate::fields::payloads;
use crate::reject::ReasonCode;
use crate::{
    AccountId, ClientOrderId, FillState, HoldReason, InstrumentId, Liquidity, Money, OrderId, OrderStatus,
    OrderType, Price, Qty, Side, SideFilter, StrategyId, TimeInForce, TimeNs, TrailUnit, TriggerBy, VenueId,
};

payloads! {
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
    /// An order was filled whole; it is done. Without a fill of its own (`last_qty` 0) where it was full already and what
    /// it waited for has been answered.
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

impl From<OrderFilled> for OrderPartiallyFilled {
    /// The same fill of an order that still stands.
    #[inline]
    fn from(filled: OrderFilled) -> Self {
        let OrderFilled { cum_value, cum_fee, order, last_price, last_qty, cum_qty, leaves_qty, .. } = filled;
        let OrderFilled { account, instrument, side, liquidity, .. } = filled;
        Self {
            cum_value,
            cum_fee,
            order,
            last_price,
            last_qty,
            cum_qty,
            leaves_qty,
            account,
            instrument,
            side,
            liquidity,
        }
    }
}
