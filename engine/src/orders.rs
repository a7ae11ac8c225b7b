//! Orders: their rows, the fixed store that holds them, and what waits in it for a price.
//!
//! A done order stays in the store, so that its client order id is known, until a new order needs its slot: the
//! oldest done order goes first, and at least `ORDERS_MAX − OPEN_ORDERS_MAX` done ones are remembered.

mod image;
mod links;
mod store;
pub mod terms;
pub mod triggers;

pub use store::Orders;
pub(crate) use store::key;
pub use terms::Terms;

use tickwerk_domain::command::NewOrder;
use tickwerk_domain::digest::{row_hash, words_of};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, ClientOrderId, CurrencyId, InstrumentId, OrderId, OrderStatus, OrderType, PositionSide, Price,
    Qty, Sequence, Side, StrategyId, TimeInForce, VenueId,
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
    /// Sequence of the command that asked the venue to cancel or replace it last; none where nothing did.
    pub requested_at: Sequence,
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
    /// Where it goes; 0 where it was refused before that was known.
    pub venue: VenueId,
    /// Which way.
    pub side: Side,
    /// The position that it is about.
    pub position_side: PositionSide,
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
    /// Whether it has rare terms: a row of [`Terms`] beside it.
    pub has_terms: bool,
    fixed_hash: u64,
}

impl Order {
    /// A new order, not yet decided on; `name_key` is the store's hash of its account and name.
    #[inline]
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
            requested_at: Sequence::NONE,
            account: asked.account,
            instrument: asked.instrument,
            strategy,
            reserved_currency: CurrencyId::NONE,
            reason: ReasonCode::default(),
            venue: VenueId::NONE,
            side: asked.side,
            position_side: PositionSide::Net,
            order_type: asked.order_type,
            time_in_force: asked.time_in_force,
            status: OrderStatus::PendingNew,
            is_accepted: false,
            is_cancel_pending: false,
            has_terms: false,
            fixed_hash: row_hash(TAG, &[id.0, owner, price, qty, terms, u64::from(strategy.0), name_key]),
        }
    }

    /// A row that no order was written to yet.
    fn blank() -> Self {
        let nothing = NewOrder::limit(AccountId::NONE, InstrumentId::NONE, Side::Buy, Price(0), Qty::ZERO);
        Self::new(OrderId::NONE, StrategyId::NONE, &nothing, 0)
    }

    /// What is left to fill (FIX `LeavesQty`): order quantity less filled while it is active, 0 once it is done.
    pub fn leaves(&self) -> Qty {
        if self.status.is_done() { Qty::ZERO } else { Qty(self.qty.0 - self.cum_qty.0) }
    }

    /// Takes another price or quantity: what was fixed is hashed anew, on top of what it was.
    pub(crate) fn restate(&mut self, price: Price, qty: Qty) {
        (self.price, self.qty) = (price, qty);
        let words = [self.fixed_hash, price.0.cast_unsigned(), qty.0.cast_unsigned()];
        self.fixed_hash = row_hash(TAG, &words);
    }

    /// What it asked for, as long as it has no rare terms.
    pub(crate) fn plain(&self) -> NewOrder {
        NewOrder {
            client_order_id: self.client_order_id,
            order_type: self.order_type,
            time_in_force: self.time_in_force,
            ..NewOrder::limit(self.account, self.instrument, self.side, self.price, self.qty)
        }
    }

    #[inline]
    fn hash(&self) -> u64 {
        let [value_high, value] = words_of(self.cum_value);
        let [fee_high, fee] = words_of(self.cum_fee);
        let [reserved_high, reserved] = words_of(self.reserved);
        // High words are nearly always the same few; turned apart, they share a word.
        let high = value_high ^ fee_high.rotate_left(21) ^ reserved_high.rotate_left(42);
        let marks = u64::from(self.is_cancel_pending) << 1 | u64::from(self.is_accepted);
        let place = (self.position_side as u64) << 56 | u64::from(self.venue.0) << 40;
        let state = place | (self.status as u64) << 32 | marks << 24 | u64::from(self.reason.0);
        let filled = self.cum_qty.0.cast_unsigned();
        let price = self.reserve_price.0.cast_unsigned();
        // Streams of orders are short, so both share a word.
        let records = self.version ^ self.requested_at.0.rotate_left(24);
        let words = [filled, high, value, fee, reserved, price, self.execution_id, records, state];
        row_hash(self.fixed_hash, &words)
    }
}

const TAG: u64 = 0x0401;
const _: () = assert!(size_of::<Order>() == 192, "three cache lines");
