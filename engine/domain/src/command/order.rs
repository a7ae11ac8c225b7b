//! Commands of the order and fill families: what clients ask and venues report.

use crate::fields::payloads;
use crate::reject::ReasonCode;
use crate::{
    AccountId, ClientOrderId, Contingency, CurrencyId, InstrumentId, Liquidity, Money, OrderId, OrderType,
    PositionEffect, Price, Qty, ReportKind, Side, SideFilter, StrategyId, TextId, TimeInForce, TimeNs,
    TrailUnit, TriggerBy, VenueId,
};

payloads! {
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
