//! Orders: their rows, the fixed store that holds them, and the moves that FIX allows between their states.
//!
//! A done order stays in the store, so that its client order id is known, until a new order needs its slot: the
//! oldest done order goes first, and at least `ORDERS_MAX − OPEN_ORDERS_MAX` done ones are remembered.

pub mod lifecycle;
mod store;

pub use store::Orders;
pub(crate) use store::key;

use tickwerk_domain::command::NewOrder;
use tickwerk_domain::digest::{row_hash, words_of};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, ClientOrderId, CurrencyId, InstrumentId, OrderId, OrderStatus, OrderType, Price, Qty, Side,
    StrategyId, TimeInForce,
};

/// An order and all that happened to it.
///
/// Three cache lines: rows are met at random, and each line is a wait.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Order {
    /// Sequence of the record that introduced it.
    pub id: OrderId,
    /// The client's name for it; none for orders of strategies.
    pub client_order_id: ClientOrderId,
    /// Limit price; 0 for a market order.
    pub price: Price,
    /// Order quantity (FIX `OrderQty`).
    pub qty: Qty,
    /// Filled so far (FIX `CumQty`).
    pub cum_qty: Qty,
    /// Value of all fills, in the settlement currency.
    pub cum_value: i128,
    /// Fees of all fills, in the settlement currency.
    pub cum_fee: i128,
    /// What it ties up; spot only.
    pub reserved: i128,
    /// Price that `reserved` is counted at.
    pub reserve_price: Price,
    /// Highest execution id booked.
    pub execution_id: u64,
    /// Records of its stream.
    pub version: u64,
    /// Whose.
    pub account: AccountId,
    /// Which market.
    pub instrument: InstrumentId,
    /// The strategy that asked; 0 for a client.
    pub strategy: StrategyId,
    /// Currency of `reserved`.
    pub reserved_currency: CurrencyId,
    /// Why it was refused; 0 where it was not.
    pub reason: ReasonCode,
    /// Which way.
    pub side: Side,
    /// How it is priced.
    pub order_type: OrderType,
    /// How long it stands.
    pub time_in_force: TimeInForce,
    /// Its state.
    pub status: OrderStatus,
    /// Whether the venue has confirmed it.
    pub is_accepted: bool,
    /// Whether a cancel is on its way that the venue has not answered; it may cross the fill that ends the order.
    pub is_cancel_pending: bool,
    fixed_hash: u64,
    previous_open: u32,
    next_open: u32,
}

impl Order {
    /// A new order, not yet decided on; `name_key` is the store's hash of its account and name.
    pub fn new(id: OrderId, strategy: StrategyId, asked: &NewOrder, name_key: u64) -> Self {
        let terms = (asked.side as u64) << 16 | (asked.order_type as u64) << 8 | asked.time_in_force as u64;
        let [price, qty] = [asked.price.0, asked.qty.0].map(i64::cast_unsigned);
        let owner = u64::from(asked.account.0) << 32 | u64::from(asked.instrument.0);
        Self {
            id,
            client_order_id: asked.client_order_id,
            price: asked.price,
            qty: asked.qty,
            cum_qty: Qty::ZERO,
            cum_value: 0,
            cum_fee: 0,
            reserved: 0,
            reserve_price: Price(0),
            execution_id: 0,
            version: 0,
            account: asked.account,
            instrument: asked.instrument,
            strategy,
            reserved_currency: CurrencyId::NONE,
            reason: ReasonCode::default(),
            side: asked.side,
            order_type: asked.order_type,
            time_in_force: asked.time_in_force,
            status: OrderStatus::PendingNew,
            is_accepted: false,
            is_cancel_pending: false,
            fixed_hash: row_hash(TAG, &[id.0, owner, price, qty, terms, u64::from(strategy.0), name_key]),
            previous_open: store::NO_SLOT,
            next_open: store::NO_SLOT,
        }
    }

    /// What is left to fill (FIX `LeavesQty`): order quantity less filled while it is active, 0 once it is done.
    pub fn leaves(&self) -> Qty {
        if self.status.is_done() { Qty::ZERO } else { Qty(self.qty.0 - self.cum_qty.0) }
    }

    /// The venue's terms from here on.
    pub(crate) fn restate(&mut self, price: Price, qty: Qty) {
        (self.price, self.qty) = (price, qty);
        let words = [price.0, qty.0].map(i64::cast_unsigned);
        self.fixed_hash = row_hash(self.fixed_hash, &words);
    }

    /// Whether a new order with the same name asks for the same.
    pub fn has_content_of(&self, asked: &NewOrder) -> bool {
        let mine = (self.price, self.qty, self.instrument, self.side, self.order_type, self.time_in_force);
        mine == (asked.price, asked.qty, asked.instrument, asked.side, asked.order_type, asked.time_in_force)
    }

    fn hash(&self) -> u64 {
        let [value_high, value] = words_of(self.cum_value);
        let [fee_high, fee] = words_of(self.cum_fee);
        let [reserved_high, reserved] = words_of(self.reserved);
        // High words are nearly always the same few; turned apart, they share a word.
        let high = value_high ^ fee_high.rotate_left(21) ^ reserved_high.rotate_left(42);
        let marks = u64::from(self.is_cancel_pending) << 1 | u64::from(self.is_accepted);
        let state = (self.status as u64) << 32 | marks << 24 | u64::from(self.reason.0);
        let filled = self.cum_qty.0.cast_unsigned();
        let price = self.reserve_price.0.cast_unsigned();
        let words = [filled, high, value, fee, reserved, price, self.execution_id, self.version, state];
        row_hash(self.fixed_hash, &words)
    }
}

const TAG: u64 = 0x0401;
const _: () = assert!(size_of::<Order>() == 192, "three cache lines");
