//! The simulated exchange that lives inside the core, for a market that is not ours: others trade there as the data
//! say, and our orders are filled against them by the rules below.
//!
//! It is told what the core decided ([`SimulatedVenue::submit`], [`SimulatedVenue::replace`],
//! [`SimulatedVenue::cancel`]) and how the market moved ([`SimulatedVenue::observe`], [`SimulatedVenue::trade`],
//! [`SimulatedVenue::delta`], [`SimulatedVenue::book_order`], [`SimulatedVenue::session`]), and owes reports that are
//! commands when their time has come ([`SimulatedVenue::next_report`]). Everything is a function of what it was told:
//! no clock, no chance but from a seed, fixed stores.
//!
//! On the way:
//! - An order, replace or cancel arrives one latency after its decision, and never overtakes one about the same order.
//!   A report comes one report latency after what it tells of. Both are a constant, with what a model makes of the feed's
//!   latency or of measured ones ([`SimulatedVenue::configure_latency`]), and vary by a jitter that is drawn from a seed.
//! - While the way is disconnected ([`SimulatedVenue::connection`]) all of them wait; the market goes on.
//! - On request orders are rejected, reports get lost or come twice, a second time with the same execution id.
//!
//! Orders that take:
//! - A marketable order meets the touch of the moment of its arrival. It takes from the opposite touch, at the touch's
//!   price worsened by the slippage, no more than is left there; an update of the touch renews what is there. What a
//!   market or immediate-or-cancel order cannot take is cancelled; fill-or-kill takes all or nothing; the rest of a
//!   limit order rests. A post-only order that would take is rejected.
//! - Our orders do not trade with each other, but on an exchange of our own. Where orders of one account would meet, self-trade prevention does what
//!   is set; auctions are left out.
//!
//! Orders that rest are filled at their own price, as makers, by price and then by priority; the fill happens one
//! latency after the market changed. What fills them is the instrument's model:
//! - `touch`: the opposite touch reaches the price; as much as stands there.
//! - `trade_through`: a trade, or the opposite touch, passes the price; as much as is traded or stands there.
//! - `risk_averse`, `power`, `logarithmic`: as with `touch` and `trade_through`; and a trade at the price fills what goes
//!   past the queue ahead, which [`queue`] estimates from the level's quantity. The hidden rest of an iceberg queues up
//!   anew, peak by peak. Where the orders of others are told one by one ([`SimulatedVenue::book_order`]), the place in the
//!   queue is known instead: an execution behind our order would have been ours. The book of those orders is the
//!   caller's, who lends it; kept here are only the places of our orders among them.
//! - `exchange`: none of these. The orders of all accounts meet in one order-by-order book, where they may be held in a
//!   price band ([`SimulatedVenue::configure_band`]).
//!
//! Sessions: while halted or closed nothing matches, cancels pass, and all else is rejected. Before an auction orders
//! gather; its price is that of the first trade or touch after it, as nobody knows the auction's own. What is left of
//! orders that were for the auction only then expires.

mod arrivals;
mod bands;
pub mod book;
mod due;
mod exchange;
mod expiries;
mod feed;
mod fills;
mod image;
mod latencies;
pub mod latency;
mod levels;
mod market;
mod orders;
mod prevention;
pub mod queue;
pub mod random;
mod replaces;
mod reports;
mod resting;
mod sessions;

pub use due::DUE_MAX;
pub use exchange::{EFFECTS_PER_STEP, EXCHANGE_ORDERS_MAX, EXCHANGES_MAX};
pub use latencies::LATENCIES_MAX;
pub use levels::VENUE_LEVELS_MAX;
pub use orders::VENUE_ORDERS_MAX;
pub use resting::RESTING_PER_SIDE_MAX;

use due::{Due, DueQueue};
use exchange::Exchanges;
use latencies::Recorded;
use market::Market;
use orders::VenueOrders;
use tickwerk_domain::command::{SimulatedVenueSet, TimeAdvanced};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::event::{CancelSubmitted, OrderSubmitted, ReplaceSubmitted};
use tickwerk_domain::{Command, Digest, Instrument, InstrumentId, OrderId, Side, TimeNs, VenueState};

/// The simulated exchange.
#[derive(Debug)]
pub struct SimulatedVenue {
    markets: Box<[Market]>,
    exchanges: Exchanges,
    orders: VenueOrders,
    due: DueQueue,
    recorded: Recorded,
    /// Since when the way is there; `None` while it is not.
    connected_since: Option<TimeNs>,
    digest: Digest,
}

impl SimulatedVenue {
    /// A venue for instruments with numbers below `instruments_max`; all that it ever allocates.
    pub fn new(instruments_max: usize) -> Self {
        let market =
            |index| Market::new(InstrumentId(u32::try_from(index).expect("instruments fit 32 bits")));
        Self {
            markets: (0..instruments_max).map(market).collect(),
            exchanges: Exchanges::new(),
            orders: VenueOrders::new(),
            due: DueQueue::new(),
            recorded: Recorded::new(),
            connected_since: Some(TimeNs::UNKNOWN),
            digest: Digest::default(),
        }
    }

    /// Takes an instrument, or a new definition of it.
    pub fn define(&mut self, instrument: &Instrument) {
        self.market_mut(instrument.instrument).definition = Some(*instrument);
    }

    /// Sets how an instrument is treated, from here on.
    pub fn configure(&mut self, setting: &SimulatedVenueSet) {
        let market = &mut self.markets[setting.instrument.0 as usize];
        let had_queues = market.has_queues();
        market.configure(setting, &mut self.digest);
        if market.has_queues() && !had_queues {
            for side in [Side::Buy, Side::Sell] {
                self.requeue(side, setting.instrument);
            }
        }
        self.configure_exchange(setting.instrument);
        self.rehash(setting.instrument);
    }

    /// An order leaves the core at `at`.
    pub fn submit(&mut self, at: TimeNs, order: &OrderSubmitted) {
        // Orders that the core ended without word from here may fill a store; a new order is then lost on its way.
        if self.orders.has_room() && self.room() > RESERVE_PER_ORDER {
            let due = self.sent(at, order.instrument);
            let slot = self.orders.add(order, due, &mut self.digest);
            self.due.push(due, Due::Arrival(slot), &mut self.digest);
        }
    }

    /// A replace leaves the core at `at`.
    pub fn replace(&mut self, at: TimeNs, replace: &ReplaceSubmitted) {
        if self.room() > RESERVE_PER_REPLACE {
            let due = self.follows(at, replace.order, replace.instrument);
            self.due.push(due, Due::Replace(*replace), &mut self.digest);
        }
    }

    /// A cancel leaves the core at `at`.
    pub fn cancel(&mut self, at: TimeNs, cancel: &CancelSubmitted) {
        if self.room() > 0 {
            let due = self.follows(at, cancel.order, cancel.instrument);
            self.due.push(due, Due::Cancel(cancel.order, cancel.instrument), &mut self.digest);
        }
    }

    /// The way to the venue was lost or found at `at`. What is on its way waits for the connection.
    pub fn connection(&mut self, at: TimeNs, state: VenueState) {
        self.connected_since = match (state, self.connected_since) {
            (VenueState::Disconnected, _) => None,
            (VenueState::Connected, None) => Some(at),
            (VenueState::Connected, since) => since,
        };
    }

    /// The next report that is due at `now` or before, with its due time and the order that it is about.
    ///
    /// Where something happened by `now` of which no report comes yet, that it did is told by a `TimeAdvanced`: the
    /// journal then says that it has happened, and a replay does it at the same place.
    pub fn next_report(&mut self, now: TimeNs) -> Option<(TimeNs, OrderId, Command)> {
        if self.exchanges.sweep.is_some() {
            return self.go_on();
        }
        let mut silent: Option<(TimeNs, OrderId)> = None;
        // What is due later waits for its own turn, as the core may owe something in between.
        while let Some(due) =
            self.next_due().filter(|due| *due <= silent.map_or(now, |(happened, _)| happened))
        {
            if let Some((expires_at, slot)) = self.orders.next_expiry().filter(|(at, _)| *at <= due) {
                let order = self.orders.get(slot).order;
                self.expire(slot, expires_at);
                silent = Some((expires_at, order));
                continue;
            }
            let since = self.connected_since.expect("a message is due while there is a way for it");
            let (sent_for, item) = self.due.pop(now, &mut self.digest)?;
            let at = sent_for.max(since);
            let order = match item {
                Due::Arrival(slot) => {
                    let order = self.orders.get(slot).order;
                    self.arrive(slot, at);
                    order
                }
                Due::Cancel(order, instrument) => {
                    self.cancel_arrives(order, instrument, at);
                    order
                }
                Due::Replace(replace) => {
                    self.replace_arrives(&replace, at);
                    replace.order
                }
                Due::Order(report) => return Some((at, report.order, report.into())),
                Due::Replaced(report) => return Some((at, report.order, report.into())),
                Due::Fill(report) => return Some((at, report.order, report.into())),
            };
            silent = Some((at, order));
            if self.exchanges.sweep.is_some() {
                break;
            }
        }
        silent.map(|(due, order)| (due, order, TimeAdvanced { due }.into()))
    }

    /// When something is due next: a report, or something that happens at the venue.
    pub fn next_due(&self) -> Option<TimeNs> {
        if let Some(sweep) = &self.exchanges.sweep {
            return Some(sweep.due());
        }
        let expiry = self.orders.next_expiry().map(|(due, _)| due);
        let message = self.connected_since.and_then(|since| self.due.next_due().map(|due| due.max(since)));
        match (expiry, message) {
            (Some(expiry), Some(message)) => Some(expiry.min(message)),
            (expiry, message) => expiry.or(message),
        }
    }

    /// Digest of the whole venue.
    pub fn digest(&self) -> u64 {
        let since = self.connected_since.map_or(u64::MAX, |since| since.0);
        let words = [
            self.digest.0,
            self.orders.numbers(),
            self.due.created(),
            since,
            u64::from(self.connected_since.is_some()) << 8,
            self.exchanges.digest(|slot| self.orders.get(slot).order),
        ];
        row_hash(TAG, &words)
    }

    /// Orders that arrived or are on their way and are not done.
    pub fn open_orders(&self) -> usize {
        self.orders.len()
    }

    /// Places for items that nothing else may ask for. An order that is not done may still owe a few reports, and so
    /// may a replace on its way: theirs are kept free.
    fn room(&self) -> usize {
        let kept = RESERVE_PER_ORDER * self.orders.len() + RESERVE_PER_REPLACE * self.due.replaces();
        DUE_MAX.saturating_sub(self.due.len() + kept)
    }

    fn rehash(&mut self, instrument: InstrumentId) {
        let book = self.exchange(instrument).map_or(0, book::MatchingBook::digest);
        self.markets[instrument.0 as usize].rehash(book, &mut self.digest);
    }

    fn market(&self, instrument: InstrumentId) -> &Market {
        &self.markets[instrument.0 as usize]
    }

    fn market_mut(&mut self, instrument: InstrumentId) -> &mut Market {
        &mut self.markets[instrument.0 as usize]
    }
}

/// What an order may owe besides its arrival: that it is accepted, a fill, two restatements that self-trade prevention
/// brings about (with the arrival's own place), and its end.
const RESERVE_PER_ORDER: usize = 4;
/// What a replace may owe besides its own place.
const RESERVE_PER_REPLACE: usize = 3;
const TAG: u64 = 0x0150;
