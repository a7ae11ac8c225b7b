//! One instrument's market at the venue: what is told of others, what rests of ours, and how it is treated.

use crate::bands::PriceBand;
use crate::latencies::Ways;
use crate::levels::Levels;
use crate::queue::Shares;
use crate::random::Random;
use crate::resting::Resting;
use tickwerk_domain::command::SimulatedVenueSet;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist, ensure};
use tickwerk_domain::{
    Digest, DurationNs, Instrument, InstrumentId, Level, Price, Qty, QueueModel, SessionState, Side, Touch,
};

/// An auction that orders gather for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Auction {
    /// Orders trade as they come.
    None,
    /// Orders gather.
    Gathering,
    /// The auction is over; the next trade or touch tells its price.
    Due,
}

/// Our orders of one side, and what is told of the orders of others there.
#[derive(Debug)]
pub(crate) struct SideOfMarket {
    pub(crate) resting: Resting,
    /// Orders for the closing auction, before it begins.
    pub(crate) at_close: Resting,
    pub(crate) levels: Levels,
}

/// One instrument's market at the venue.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) definition: Option<Instrument>,
    pub(crate) setting: SimulatedVenueSet,
    pub(crate) shares: Shares,
    pub(crate) random: Random,
    pub(crate) touch: Touch,
    /// The touch that was last told by orders of others.
    pub(crate) told_by_orders: Touch,
    pub(crate) session: SessionState,
    pub(crate) auction: Auction,
    /// Whether the orders of others are told one by one.
    pub(crate) is_told_by_orders: bool,
    /// Places given so far in the queues of their book.
    pub(crate) places: u64,
    /// Whether that book is being told anew.
    pub(crate) is_rebuilding: bool,
    /// The book in which all accounts meet, where it was ever asked for.
    pub(crate) exchange: Option<u8>,
    /// Price of the last trade there.
    pub(crate) traded_at: Option<Price>,
    /// The prices at which it trades.
    pub(crate) band: PriceBand,
    pub(crate) ways: Ways,
    bids: SideOfMarket,
    asks: SideOfMarket,
    setting_row: u64,
    row: u64,
}

impl Market {
    pub(crate) fn new(instrument: InstrumentId) -> Self {
        let setting = SimulatedVenueSet::touch(instrument, DurationNs(0));
        Self {
            definition: None,
            shares: Shares::new(setting.queue_model, setting.queue_parameter),
            random: Random::new(setting.seed),
            setting,
            touch: Touch::default(),
            told_by_orders: Touch::default(),
            session: SessionState::Continuous,
            auction: Auction::None,
            is_told_by_orders: false,
            places: 0,
            is_rebuilding: false,
            exchange: None,
            traded_at: None,
            band: PriceBand::default(),
            ways: Ways::new(),
            bids: SideOfMarket::new(Side::Buy),
            asks: SideOfMarket::new(Side::Sell),
            setting_row: 0,
            row: 0,
        }
    }

    /// Takes a setting. Chance begins anew only with another seed.
    pub(crate) fn configure(&mut self, setting: &SimulatedVenueSet, digest: &mut Digest) {
        if setting.seed != self.setting.seed {
            self.random = Random::new(setting.seed);
        }
        self.setting = *setting;
        self.shares = Shares::new(setting.queue_model, setting.queue_parameter);
        digest.update(&mut self.setting_row, setting_hash(setting));
    }

    pub(crate) fn side(&self, side: Side) -> &SideOfMarket {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    pub(crate) fn side_mut(&mut self, side: Side) -> &mut SideOfMarket {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Whether orders trade as they come.
    #[inline]
    pub(crate) fn is_continuous(&self) -> bool {
        self.session == SessionState::Continuous && self.auction == Auction::None
    }

    /// Whether the model estimates places in queues.
    #[inline]
    pub(crate) fn has_queues(&self) -> bool {
        match self.setting.queue_model {
            QueueModel::RiskAverse | QueueModel::Power | QueueModel::Logarithmic => true,
            QueueModel::Touch | QueueModel::TradeThrough | QueueModel::Exchange => false,
        }
    }

    /// Whether the orders of all accounts meet in one book, and the market outside plays no part.
    #[inline]
    pub(crate) fn is_exchange(&self) -> bool {
        self.setting.queue_model == QueueModel::Exchange
    }

    /// Whether quantities of levels count: where places are estimated, and not known from orders.
    #[inline]
    pub(crate) fn watches_levels(&self) -> bool {
        self.has_queues() && !self.is_told_by_orders
    }

    /// Whether the opposite touch fills the best resting order of `side`.
    #[inline]
    pub(crate) fn is_reached(&self, side: Side) -> bool {
        let (there, resting) = (self.touch.opposite(side), &self.side(side).resting);
        match self.setting.queue_model {
            QueueModel::TradeThrough => there.qty > Qty::ZERO && resting.is_passed_by(there.price),
            QueueModel::Touch | QueueModel::RiskAverse | QueueModel::Power | QueueModel::Logarithmic => {
                resting.is_reached_by(there)
            }
            QueueModel::Exchange => false,
        }
    }

    /// The price of an order that takes at `there`: worse by the slippage, but not beyond its limit.
    pub(crate) fn slipped(&self, side: Side, there: Price, limit: Price) -> Price {
        let tick = self.definition.as_ref().map_or(0, |instrument| instrument.tick_size.0);
        let slippage = tick.saturating_mul(i64::from(self.setting.slippage_ticks));
        match side {
            Side::Buy => Price(there.0.saturating_add(slippage).min(limit.0)),
            Side::Sell => Price(there.0.saturating_sub(slippage).max(limit.0)),
        }
    }

    /// Smallest step of quantities.
    pub(crate) fn lot(&self) -> i64 {
        self.definition.as_ref().map_or(1, |instrument| instrument.lot_size.0)
    }

    /// Someone took `qty` from the touch of `side`.
    pub(crate) fn consume(&mut self, side: Side, qty: Qty) {
        let level: &mut Level = match side {
            Side::Buy => &mut self.touch.bid,
            Side::Sell => &mut self.touch.ask,
        };
        level.qty.0 -= qty.0;
    }

    /// Brings the digest up to date; `exchange` is that of the book in which all accounts meet.
    pub(crate) fn rehash(&mut self, exchange: u64, digest: &mut Digest) {
        let [bid_depth, ask_depth] =
            [Side::Buy, Side::Sell].map(|side| self.side(side).levels.depth() as u64);
        let state = u64::from(self.is_rebuilding) << 24
            | (self.session as u64) << 16
            | (self.auction as u64) << 8
            | bid_depth << 4
            | ask_depth;
        let [bid, bid_qty, ask, ask_qty] = words_of(self.touch);
        let instrument = u64::from(self.setting.instrument.0);
        let words = [instrument, self.random.state(), state, bid, bid_qty, ask, ask_qty];
        let mut row = row_hash(TAG_MARKET, &words);
        if self.is_told_by_orders {
            let [bid, bid_qty, ask, ask_qty] = words_of(self.told_by_orders);
            row = row_hash(TAG_MARKET, &[row, self.places, bid, bid_qty, ask, ask_qty]);
        }
        if self.exchange.is_some() {
            let traded = self.traded_at.unwrap_or_default().0.cast_unsigned();
            row = row_hash(TAG_MARKET, &[row, exchange, u64::from(self.traded_at.is_some()), traded]);
        }
        digest.update(&mut self.row, row);
    }
}

tickwerk_domain::persist_variants! { Auction { None, Gathering, Due } }

impl SideOfMarket {
    fn new(side: Side) -> Self {
        Self { resting: Resting::new(side), at_close: Resting::new(side), levels: Levels::new(side) }
    }

    /// Our orders that rest here are told by their own rows.
    fn save(&self, to: &mut ImageWriter) {
        let Self { resting: _, at_close: _, levels } = self;
        levels.save(to);
    }

    fn load(side: Side, from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(Self { levels: Levels::load(side, from)?, ..Self::new(side) })
    }
}

impl Persist for Market {
    fn save(&self, to: &mut ImageWriter) {
        let Self {
            definition,
            setting,
            shares: _,
            random,
            touch,
            told_by_orders,
            session,
            auction,
            is_told_by_orders,
            places,
            is_rebuilding,
            exchange,
            traded_at,
            band,
            ways,
            bids,
            asks,
            setting_row,
            row,
        } = self;
        definition.save(to);
        setting.save(to);
        random.save(to);
        (*touch, *told_by_orders).save(to);
        (*session, *auction).save(to);
        (*is_told_by_orders, *places).save(to);
        is_rebuilding.save(to);
        exchange.save(to);
        traded_at.save(to);
        band.save(to);
        ways.save(to);
        bids.save(to);
        asks.save(to);
        (*setting_row, *row).save(to);
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let definition = from.value()?;
        let setting: SimulatedVenueSet = from.value()?;
        Ok(Self {
            definition,
            setting,
            shares: Shares::new(setting.queue_model, setting.queue_parameter),
            random: from.value()?,
            touch: from.value()?,
            told_by_orders: from.value()?,
            session: from.value()?,
            auction: from.value()?,
            is_told_by_orders: from.value()?,
            places: from.value()?,
            is_rebuilding: from.value()?,
            exchange: from.value()?,
            traded_at: from.value()?,
            band: from.value()?,
            ways: from.value()?,
            bids: SideOfMarket::load(Side::Buy, from)?,
            asks: SideOfMarket::load(Side::Sell, from)?,
            setting_row: from.value()?,
            row: from.value()?,
        })
    }
}

impl Market {
    /// What it counts in the digest, where its rows are what their hashes say; `exchange` as in [`Market::rehash`].
    pub(crate) fn sum(&mut self, exchange: u64, digest: &mut Digest) -> Result<(), Fault> {
        let Self { setting, setting_row, row, band, ways, .. } = self;
        let (what, found) = ("market", u64::from(setting.instrument.0));
        let is_right = *setting_row == 0 || *setting_row == setting_hash(setting);
        let rare = band.checked_row().zip(ways.checked_row(setting.instrument));
        let (band_row, ways_row) = rare.ok_or(Fault::Hash { what, found })?;
        digest.replace(0, setting_row.wrapping_add(*row).wrapping_add(band_row).wrapping_add(ways_row));
        let mut change = Digest::default();
        if *row != 0 {
            self.rehash(exchange, &mut change);
        }
        ensure(is_right && change == Digest::default(), Fault::Hash { what, found })
    }
}

fn setting_hash(setting: &SimulatedVenueSet) -> u64 {
    let rates = [setting.queue_parameter, setting.reject_rate, setting.loss_rate, setting.duplicate_rate];
    let [parameter, reject, loss, duplicate] = rates.map(|rate| rate.0.cast_unsigned());
    let models = (setting.queue_model as u64) << 8 | setting.self_trade as u64;
    let words = [
        u64::from(setting.instrument.0),
        setting.latency.0,
        setting.report_latency.0,
        setting.jitter.0,
        setting.seed,
        parameter,
        reject,
        loss,
        duplicate,
        u64::from(setting.slippage_ticks),
        models,
    ];
    row_hash(TAG_SETTING, &words)
}

fn words_of(touch: Touch) -> [u64; 4] {
    [touch.bid.price.0, touch.bid.qty.0, touch.ask.price.0, touch.ask.qty.0].map(i64::cast_unsigned)
}

const TAG_MARKET: u64 = 0x0151;
const TAG_SETTING: u64 = 0x0154;
