//! What goes into a matching book and what comes out.

use tickwerk_domain::{Price, Qty, SelfTradePrevention, Side};

/// How long an order may wait for the other side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Validity {
    /// What does not match rests.
    Rest,
    /// What does not match at once is cancelled.
    ImmediateOrCancel,
    /// Matches whole at once, or not at all.
    FillOrKill,
}

/// An order that arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewOrder {
    /// The venue's id; of no order in the book.
    pub id: u64,
    /// Which way.
    pub side: Side,
    /// The limit; none for a market order, which never rests outside a call phase.
    pub price: Option<Price>,
    /// How much.
    pub qty: Qty,
    /// The largest quantity that may be shown at a time, for an iceberg.
    pub display: Option<Qty>,
    /// How long it may wait.
    pub validity: Validity,
    /// Refused if it would match at once.
    pub post_only: bool,
    /// Whose order it is, for self-trade prevention; 0 is nobody's.
    pub owner: u32,
    /// What happens where it would trade with its own owner. The taker's mode counts.
    pub self_trade: SelfTradePrevention,
}

impl NewOrder {
    /// A limit order that rests.
    pub fn limit(id: u64, side: Side, price: Price, qty: Qty) -> Self {
        Self { price: Some(price), ..Self::market(id, side, qty) }
    }

    /// A market order.
    pub fn market(id: u64, side: Side, qty: Qty) -> Self {
        Self {
            id,
            side,
            price: None,
            qty,
            display: None,
            validity: Validity::Rest,
            post_only: false,
            owner: 0,
            self_trade: SelfTradePrevention::Off,
        }
    }
}

/// Another price or quantity for an order that rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replace {
    /// The order.
    pub id: u64,
    /// Its new limit.
    pub price: Price,
    /// What shall be open, shown and hidden together.
    pub qty: Qty,
    /// Refused if it would match at once.
    pub post_only: bool,
    /// What happens where it would trade with its own owner.
    pub self_trade: SelfTradePrevention,
}

/// Something happened to a resting order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It traded with an order that came.
    Traded {
        /// The resting order.
        maker: u64,
        /// The order that came.
        taker: u64,
        /// The maker's limit.
        price: Price,
        /// How much.
        qty: Qty,
        /// What is left of the maker, shown and hidden.
        maker_left: Qty,
    },
    /// Two resting orders traded with each other in an auction.
    Crossed {
        /// The buy order.
        buy: u64,
        /// The sell order.
        sell: u64,
        /// The auction's price.
        price: Price,
        /// How much.
        qty: Qty,
        /// What is left of the buy order, shown and hidden.
        buy_left: Qty,
        /// What is left of the sell order, shown and hidden.
        sell_left: Qty,
    },
    /// It lost quantity without a trade, as the order that came lost the same.
    Decremented {
        /// The resting order.
        maker: u64,
        /// The order that came.
        taker: u64,
        /// How much both lost.
        qty: Qty,
        /// What is left of the maker, shown and hidden.
        maker_left: Qty,
    },
    /// It was cancelled.
    Canceled {
        /// The order.
        id: u64,
        /// What was open, shown and hidden.
        qty: Qty,
        /// Why.
        reason: CancelReason,
    },
}

/// Why the rest of an order was cancelled by the venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CancelReason {
    /// It may not rest, and nothing more matched: a market or immediate-or-cancel order.
    NoLiquidity,
    /// It could not be filled whole at once.
    FillOrKill,
    /// It would have traded with its own owner.
    SelfTrade,
    /// It would have traded outside the price band.
    PriceBand,
    /// The store of orders, or the level's number, is full.
    BookFull,
}

/// How an order stands when its call returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nothing is left of it.
    Done,
    /// What is left rests.
    Rests,
    /// What is left was cancelled.
    Canceled(CancelReason),
    /// The bound of effects was reached; [`resume`](super::MatchingBook::resume) goes on.
    Unfinished,
}

/// What became of an order that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What it traded, over all its calls.
    pub filled: Qty,
    /// What is left: it rests, was cancelled, or waits for the next call.
    pub left: Qty,
    /// How it stands.
    pub standing: Standing,
}

/// What an auction did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uncrossed {
    /// The price; none where nothing could trade.
    pub price: Option<Price>,
    /// What traded, over all calls.
    pub qty: Qty,
    /// Where it stands.
    pub standing: UncrossStanding,
}

/// Where an auction stands when its call returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UncrossStanding {
    /// Trading is continuous from here.
    Opened,
    /// The price band kept the book from opening: orders still cross outside it, and the call phase goes on.
    StillCrossed,
    /// The bound of effects was reached; the next call goes on.
    Unfinished,
}

/// What may happen in a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Orders match as they come.
    Continuous,
    /// Orders gather and nothing matches; the book may be crossed.
    Auction,
    /// Only cancels, and replaces that take quantity away.
    Halted,
}

/// The prices at which trades may happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Band {
    /// The lowest.
    pub low: Price,
    /// The highest.
    pub high: Price,
    /// What happens at its edge.
    pub rule: BandRule,
}

impl Band {
    /// Whether a trade may happen at `price`.
    pub fn contains(&self, price: Price) -> bool {
        self.low <= price && price <= self.high
    }
}

/// What a price band does. Under both rules nothing trades outside; what would is cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BandRule {
    /// A limit outside the band is refused.
    Reject,
    /// Any limit may enter.
    Stop,
}

/// Why a book refused; nothing changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The book itself refused: an unknown or known id, a senseless quantity.
    #[error(transparent)]
    Book(#[from] super::BookError),
    /// The displayed quantity of an iceberg is zero or negative.
    #[error("order {id}: displayed quantity {} is not positive", display.0)]
    DisplayNotPositive {
        /// The order.
        id: u64,
        /// What it would show.
        display: Qty,
    },
    /// A market, immediate-or-cancel or fill-or-kill order can neither be post-only nor an iceberg.
    #[error("order {id}: an order that does not rest cannot be post-only or an iceberg")]
    NeverRests {
        /// The order.
        id: u64,
    },
    /// A post-only order would match at once.
    #[error("order {id}: post-only, but it would match at price {}", touch.0)]
    WouldTake {
        /// The order.
        id: u64,
        /// The best price of the other side.
        touch: Price,
    },
    /// The limit is outside the price band.
    #[error("order {id}: limit {} is outside the price band {} to {}", price.0, low.0, high.0)]
    OutsideBand {
        /// The order.
        id: u64,
        /// Its limit.
        price: Price,
        /// The lowest allowed.
        low: Price,
        /// The highest allowed.
        high: Price,
    },
    /// The limit is the extreme price of its side, where market orders stand in a call phase.
    #[error("order {id}: the limit is the extreme price; send a market order")]
    ExtremePrice {
        /// The order.
        id: u64,
    },
    /// The book is halted.
    #[error("order {id}: the book is halted; only cancels and smaller quantities pass")]
    Halted {
        /// The order.
        id: u64,
    },
    /// Not in a call phase: immediate-or-cancel, fill-or-kill, post-only.
    #[error("order {id}: in a call phase nothing matches at once; only plain limit and market orders enter")]
    NotInAuction {
        /// The order.
        id: u64,
    },
    /// There is no call phase to uncross.
    #[error("the book is in no call phase; start an auction first")]
    NoAuction,
    /// The book is crossed, or market orders rest in it.
    #[error("orders gathered in a call phase still cross; uncross the book first")]
    Crossed,
    /// Effects of the last order, or of the auction, are still to come.
    #[error("the effects of the last call are not finished; resume or uncross first")]
    Unfinished,
}
