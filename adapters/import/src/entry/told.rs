//! What a row tells, as values.

use tickwerk_domain::{
    AccountId, Aggressor, ClientOrderId, CurrencyId, InstrumentId, Liquidity, OrderType, PositionEffect,
    PositionSide, Price, Qty, Rate, Side, StrategyId, TimeInForce, TimeNs,
};

/// What a row tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// An order, from its entry to its end.
    Order(OrderRow),
    /// New terms of an order.
    Amendment(AmendmentRow),
    /// An execution.
    Fill(FillRow),
    /// Money that came or went.
    Transfer(TransferRow),
    /// Funding that was paid or got.
    Funding(FundingRow),
    /// A position at a date.
    Position(PositionRow),
    /// A balance at a date.
    Balance(BalanceRow),
    /// A trade of the market.
    Trade(TradeRow),
    /// A bar of the market, as the trades that stand for it.
    Candle(Vec<TradeRow>),
    /// The best bid and ask of the market.
    Quote(QuoteRow),
}

/// How an order ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FinalStatus {
    /// It did not.
    Open,
    /// By its fills.
    Filled,
    /// Cancelled.
    Canceled,
    /// Refused by the venue.
    Rejected,
    /// Its time was over.
    Expired,
}

/// An order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderRow {
    /// The source's id.
    pub id: String,
    /// When it was entered.
    pub time: TimeNs,
    /// Whose.
    pub account: AccountId,
    /// Which market.
    pub instrument: InstrumentId,
    /// Which way.
    pub side: Side,
    /// How it was priced.
    pub order_type: OrderType,
    /// How long it stood.
    pub time_in_force: TimeInForce,
    /// Whether it opened or closed.
    pub position_effect: PositionEffect,
    /// Order quantity.
    pub qty: Qty,
    /// Limit price; 0 where the type has none.
    pub price: Price,
    /// Trigger price; 0 for none.
    pub trigger_price: Price,
    /// End of a GTD order; unknown for others.
    pub expires_at: TimeNs,
    /// Which strategy asked; none for a client.
    pub strategy: StrategyId,
    /// The client's name for it.
    pub client_order_id: ClientOrderId,
    /// The venue's id; 0 for none.
    pub venue_order_id: u64,
    /// How it ended.
    pub status: FinalStatus,
    /// When it ended, other than by its fills.
    pub done_at: Option<TimeNs>,
    /// What its fills must add up to, where the source says so.
    pub filled_qty: Option<Qty>,
}

/// New terms of an order. Its decimals can be read only where its order is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AmendmentRow {
    /// The source's id of the order.
    pub order: String,
    /// When it had them.
    pub time: TimeNs,
    /// Order quantity, where it changed.
    pub qty: Option<Qty>,
    /// Limit price, likewise.
    pub price: Option<Price>,
    /// Trigger price, likewise.
    pub trigger_price: Option<Price>,
    /// The venue's id; 0 where none is told.
    pub venue_order_id: u64,
}

/// Which order an execution is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FillOrder {
    /// One with this id.
    Named {
        /// The source's id of the order.
        id: String,
        /// Whose, where the row says so itself.
        account: Option<AccountId>,
        /// Which market, likewise.
        instrument: Option<InstrumentId>,
        /// Which way, likewise.
        side: Option<Side>,
    },
    /// One of its own.
    Own {
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which way.
        side: Side,
        /// Whether it opens or closes.
        position_effect: PositionEffect,
        /// Which strategy asked; none for a client.
        strategy: StrategyId,
    },
}

/// An execution. Its decimals can be read only where its instrument is known, be it by its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FillRow {
    /// The source's id of the execution.
    pub id: String,
    /// When it happened.
    pub time: TimeNs,
    /// Of which order.
    pub order: FillOrder,
    /// Which market.
    pub instrument: InstrumentId,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// Fee, in units of its currency; negative for a rebate.
    pub fee: i128,
    /// Its currency; none for the settlement currency.
    pub fee_currency: CurrencyId,
    /// Maker or taker.
    pub liquidity: Liquidity,
}

/// Money that came or went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransferRow {
    /// When it happened.
    pub time: TimeNs,
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub currency: CurrencyId,
    /// Positive for what came.
    pub amount: i128,
    /// Why.
    pub reason: Option<String>,
}

/// Funding that was paid or got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FundingRow {
    /// The moment that it is for.
    pub time: TimeNs,
    /// Whose.
    pub account: AccountId,
    /// Which contract.
    pub instrument: InstrumentId,
    /// Which position, where the row says so or the account has one for a contract only.
    pub side: Option<PositionSide>,
    /// What was got, in the settlement currency; negative for paid.
    pub amount: i128,
    /// Fraction of the value; 0 where none is told.
    pub rate: Rate,
    /// Price that the value was counted at; 0 where none is told.
    pub price: Price,
}

/// What a position or a balance of a row is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatedUse {
    /// It is where the history begins.
    Open,
    /// It must be what the rows before lead to.
    Check,
}

/// A position at a date.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PositionRow {
    /// The date.
    pub time: TimeNs,
    /// Whose.
    pub account: AccountId,
    /// Which market.
    pub instrument: InstrumentId,
    /// Which position.
    pub side: PositionSide,
    /// What was open; negative for a short position.
    pub qty: Qty,
    /// Average price; 0 where none is told.
    pub price: Price,
    /// What it is for.
    pub purpose: StatedUse,
}

/// A balance at a date.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BalanceRow {
    /// The date.
    pub time: TimeNs,
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub currency: CurrencyId,
    /// What was there.
    pub amount: i128,
    /// What it is for.
    pub purpose: StatedUse,
}

/// A trade of the market.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TradeRow {
    /// When it happened.
    pub time: TimeNs,
    /// The venue's id; 0 for none.
    pub id: u64,
    /// Which market.
    pub instrument: InstrumentId,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// Who started it.
    pub aggressor: Aggressor,
}

/// The best bid and ask of the market.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuoteRow {
    /// When it was so.
    pub time: TimeNs,
    /// The venue's id of the update; 0 for none.
    pub id: u64,
    /// Which market.
    pub instrument: InstrumentId,
    /// Best bid and what rests there; of quantity 0 where there is none.
    pub bid: (Price, Qty),
    /// Best ask, likewise.
    pub ask: (Price, Qty),
}

impl QuoteRow {
    /// Both prices, where there are both.
    pub fn touch(&self) -> Option<(Price, Price)> {
        (self.bid.1 > Qty::ZERO && self.ask.1 > Qty::ZERO).then_some((self.bid.0, self.ask.0))
    }
}
