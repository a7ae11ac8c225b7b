//! Commands of the market family: what markets and venues show, and how they are set up.

use crate::fields::payloads;
use crate::{
    Aggressor, BookAction, DurationNs, InstrumentId, LatencyModel, MarkSource, Price, Qty, QueueModel, Rate,
    SelfTradePrevention, SessionState, Side, StaleReason, TextId, TimeNs, VenueId, VenueState,
};

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
    /// How long the way to the simulated venue and back takes, beside the constants of [`SimulatedVenueSet`]. Forgets
    /// what was recorded for the instrument.
    VenueLatencySet {
        /// Model `feed`: an order takes this multiple of what the last market update took.
        order_factor: Rate,
        /// Model `feed`: a report takes this multiple of it.
        report_factor: Rate,
        /// Tells one set of recorded latencies from another; 0 for none.
        table: u64,
        /// Whose market.
        instrument: InstrumentId,
        /// Which model.
        model: LatencyModel,
    }
    /// One order's way as it was measured. They come in the order of sending, and none arrives before an earlier one.
    LatencyRecorded {
        /// When it was sent.
        sent_at: TimeNs,
        /// When it was at the venue.
        arrived_at: TimeNs,
        /// When its report was here.
        reported_at: TimeNs,
        /// For which market.
        instrument: InstrumentId,
    }
    /// The prices at which an exchange of our own trades. Takes the place of what was set before.
    PriceBandSet {
        /// The lowest price; 0 with `high` for none.
        low: Price,
        /// The highest price.
        high: Price,
        /// Largest distance from the last trade, as a fraction of its price; 0 for any.
        dynamic: Rate,
        /// Whose market.
        instrument: InstrumentId,
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
