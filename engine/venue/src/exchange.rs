//! An exchange of our own: the orders of all accounts meet in one order-by-order book, and market data play no part.
//!
//! Orders trade by price and then by time, at the price of the one that rests. Both sides get a fill with their fee: the
//! one that came as taker, the one that rested as maker; in an auction both rested. Before an auction orders gather, and
//! with the session that follows it they trade at one price, nearest to that of the last trade where several do; what is
//! left of orders that were for the auction only then expires. Self-trade prevention is for continuous trading.
//!
//! An order that matches very many others does so in steps of [`EFFECTS_PER_STEP`], and nothing else happens at the venue
//! before it is done. Invariant: an order stands in the book exactly while its stage is [`Stage::Exchanged`], with what it
//! leaves. A change of the model leaves orders where they rest: they match no more until they are replaced, and can be
//! cancelled.

mod auction;
mod image;

use crate::SimulatedVenue;
use crate::book::{
    CancelReason, Effect, MatchingBook, NewOrder, OrderBook, Outcome, Phase, Refusal, Standing,
};
use crate::book::{Replace, Validity};
use crate::market::Auction;
use crate::orders::{Stage, VenueOrder};
use tickwerk_domain::command::TimeAdvanced;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{
    Command, InstrumentId, Liquidity, OrderId, OrderType, Price, Qty, QueueModel, Reject, ReportKind,
    SelfTradePrevention, SessionState, Side, TimeInForce, TimeNs,
};

/// Instruments that can have an exchange of their own.
pub const EXCHANGES_MAX: usize = 4;
/// Orders that may rest on one such exchange.
pub const EXCHANGE_ORDERS_MAX: usize = tickwerk_domain::image::capacity(8192, 64);
/// Effects of one order on others that happen at a time.
pub const EFFECTS_PER_STEP: usize = 256;

/// An order, or an auction, that is not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sweep {
    instrument: InstrumentId,
    /// The order that came; none for an auction.
    taker: Option<u32>,
    at: TimeNs,
}

impl Sweep {
    /// Whose book it is in.
    pub(crate) fn instrument(&self) -> InstrumentId {
        self.instrument
    }

    /// When it goes on: at once.
    pub(crate) fn due(&self) -> TimeNs {
        self.at
    }
}

/// The exchanges, and places to write to while one of them matches.
#[derive(Debug)]
pub(crate) struct Exchanges {
    books: Box<[MatchingBook]>,
    used: u8,
    effects: Vec<Effect>,
    ids: Vec<u64>,
    pub(crate) sweep: Option<Sweep>,
}

impl Exchanges {
    pub(crate) fn new() -> Self {
        Self {
            books: (0..EXCHANGES_MAX).map(|_| MatchingBook::new(EXCHANGE_ORDERS_MAX)).collect(),
            used: 0,
            effects: Vec::with_capacity(EFFECTS_PER_STEP),
            ids: Vec::with_capacity(EXCHANGE_ORDERS_MAX),
            sweep: None,
        }
    }

    /// Digest of what is in no book; 0 where there is nothing.
    pub(crate) fn digest(&self, order: impl Fn(u32) -> OrderId) -> u64 {
        let sweep = self.sweep.map_or(0, |sweep| {
            let taker = sweep.taker.map_or(0, |slot| order(slot).0);
            row_hash(TAG_SWEEP, &[u64::from(sweep.instrument.0), taker, sweep.at.0])
        });
        sweep.wrapping_add(u64::from(self.used))
    }
}

impl SimulatedVenue {
    /// The setting of an instrument has changed: gives it a book, while there is one, if it is to be an exchange.
    pub(crate) fn configure_exchange(&mut self, instrument: InstrumentId) {
        let market = &mut self.markets[instrument.0 as usize];
        if market.setting.queue_model != QueueModel::Exchange {
            return;
        }
        if market.exchange.is_none() && usize::from(self.exchanges.used) < self.exchanges.books.len() {
            market.exchange = Some(self.exchanges.used);
            self.exchanges.used += 1;
        }
        market.auction = Auction::None;
        let phase = auction::phase_of(market.session);
        if let Some(book) = self.exchange_mut(instrument) {
            // A book that is crossed by an auction stays in it until the next session.
            book.set_phase(phase).ok();
        }
    }

    /// Whether an order of `side` with this limit would take at once.
    pub(crate) fn would_take_here(&self, instrument: InstrumentId, side: Side, limit: Price) -> bool {
        let Some(book) = self.exchange(instrument).filter(|book| book.phase() == Phase::Continuous) else {
            return false;
        };
        book.book().best(side.opposite()).is_some_and(|there| match side {
            Side::Buy => there.price <= limit,
            Side::Sell => there.price >= limit,
        })
    }

    /// An order that was accepted, or one that lost its place, matches what it can and rests with what is left.
    pub(crate) fn enter_exchange(&mut self, slot: u32, at: TimeNs) {
        let order = *self.orders.get(slot);
        let market = self.market(order.instrument);
        if order.time_in_force == TimeInForce::AtTheClose && market.session != SessionState::ClosingAuction {
            self.rest(slot, Stage::AtClose, at);
            return;
        }
        let self_trade = market.setting.self_trade;
        let steps = self.steps();
        self.hold_in_band(order.instrument);
        let Some(book) = exchange_of(&mut self.exchanges, &self.markets, order.instrument) else {
            self.end(slot, ReportKind::Canceled, Reject::VenueLacks, at);
            return;
        };
        let is_gathering = book.phase() == Phase::Auction;
        let asked = asked(&order, self_trade, is_gathering);
        if is_gathering && asked.validity != Validity::Rest {
            let whole = asked.validity == Validity::FillOrKill;
            let reason = if whole { Reject::NotFilledWhole } else { Reject::NoLiquidity };
            self.end(slot, ReportKind::Canceled, reason, at);
            return;
        }
        let mut effects = std::mem::take(&mut self.exchanges.effects);
        let book = exchange_of(&mut self.exchanges, &self.markets, order.instrument).expect("it is there");
        let outcome = book.submit(&asked, steps, &mut |effect| effects.push(effect));
        let restates = self.settle(Some(slot), effects, at);
        match outcome {
            Ok(outcome) => self.stands(slot, outcome, restates, at),
            Err(refusal) => self.end(slot, ReportKind::Canceled, reject_of_refusal(&refusal), at),
        }
        self.rehash(order.instrument);
    }

    /// A replace that keeps the order's place takes quantity away.
    pub(crate) fn lessen_on_exchange(&mut self, slot: u32) {
        let order = *self.orders.get(slot);
        if let Some(book) = self.exchange_mut(order.instrument) {
            let lessened = Replace {
                id: order.order.0,
                price: order.price,
                qty: order.leaves,
                post_only: false,
                self_trade: SelfTradePrevention::Off,
            };
            book.replace(&lessened, 1, &mut |_| {}).expect("less of an order that rests is always taken");
        }
    }

    /// Takes an order from the book, where it stands there.
    pub(crate) fn leave_exchange(&mut self, order: &VenueOrder) {
        if let Some(book) = self.exchange_mut(order.instrument) {
            book.cancel(order.order.0).ok();
            self.rehash(order.instrument);
        }
    }

    /// Goes on with what is not done; tells what the caller shall report for it.
    pub(crate) fn go_on(&mut self) -> Option<(TimeNs, OrderId, Command)> {
        let Sweep { instrument, taker, at } = self.exchanges.sweep.take()?;
        let order = taker.map_or(OrderId::NONE, |slot| self.orders.get(slot).order);
        match taker {
            Some(slot) => self.resume(slot, instrument, at),
            None => self.uncross_exchange(instrument, at),
        }
        Some((at, order, TimeAdvanced { due: at }.into()))
    }

    /// Effects that may happen in one step: each may bring two reports.
    fn steps(&self) -> usize {
        EFFECTS_PER_STEP.min(self.room() / 2)
    }

    fn resume(&mut self, slot: u32, instrument: InstrumentId, at: TimeNs) {
        let steps = self.steps();
        let mut effects = std::mem::take(&mut self.exchanges.effects);
        let book = exchange_of(&mut self.exchanges, &self.markets, instrument).expect("it has matched");
        let outcome = if steps > 0 {
            book.resume(steps, &mut |effect| effects.push(effect))
        } else {
            // There is no place for more reports.
            book.abandon()
        };
        let restates = self.settle(Some(slot), effects, at);
        self.stands(slot, outcome.expect("an order was not done"), restates, at);
        self.rehash(instrument);
    }

    /// Books what happened to orders that rest, and to the one that came. Whether the latter has lost quantity without a
    /// trade.
    fn settle(&mut self, taker: Option<u32>, mut effects: Vec<Effect>, at: TimeNs) -> bool {
        let mut restates = false;
        for effect in effects.drain(..) {
            match effect {
                Effect::Traded { maker, price, qty, .. } => {
                    self.fill_resting(maker, price, qty, at);
                    let taker = taker.expect("somebody came to trade");
                    self.note_trade(self.orders.get(taker).instrument, price);
                    self.fill(taker, price, qty, Liquidity::Taker, at);
                }
                Effect::Crossed { buy, sell, price, qty, .. } => {
                    let slot = self.slot_of(buy);
                    self.note_trade(self.orders.get(slot).instrument, price);
                    self.fill_resting(buy, price, qty, at);
                    self.fill_resting(sell, price, qty, at);
                }
                Effect::Decremented { maker, qty, .. } => {
                    let slot = self.slot_of(maker);
                    if !self.decrement(slot, qty, at) {
                        self.tell_terms(slot, Price(0), at);
                    }
                    let taker = taker.expect("somebody came to trade");
                    // What nothing is left of ends with its former terms.
                    if self.orders.get(taker).leaves > qty {
                        self.decrement(taker, qty, at);
                        restates = true;
                    }
                }
                Effect::Canceled { id, reason, .. } => {
                    let slot = self.slot_of(id);
                    self.end(slot, ReportKind::Canceled, reject_of(reason), at);
                }
            }
        }
        self.exchanges.effects = effects;
        restates
    }

    /// How an order stands that came.
    fn stands(&mut self, slot: u32, outcome: Outcome, restates: bool, at: TimeNs) {
        match outcome.standing {
            Standing::Done if self.orders.get(slot).leaves == Qty::ZERO && !restates => {
                self.orders.remove(slot, &mut self.digest);
            }
            // Part of it was taken away by orders of its own account, and it was filled no further than that.
            Standing::Done => self.end(slot, ReportKind::Canceled, Reject::SelfTrade, at),
            Standing::Canceled(reason) => self.end(slot, ReportKind::Canceled, reject_of(reason), at),
            Standing::Rests => {
                self.orders.change(slot, &mut self.digest, |row| {
                    row.stage = Stage::Exchanged;
                    row.shown = row.peak();
                });
                if restates {
                    self.tell_terms(slot, Price(0), at);
                }
            }
            Standing::Unfinished => {
                let instrument = self.orders.get(slot).instrument;
                self.exchanges.sweep = Some(Sweep { instrument, taker: Some(slot), at });
                if restates {
                    self.tell_terms(slot, Price(0), at);
                }
            }
        }
    }

    fn fill_resting(&mut self, id: u64, price: Price, qty: Qty, at: TimeNs) {
        let slot = self.slot_of(id);
        self.fill(slot, price, qty, Liquidity::Maker, at);
        if self.orders.get(slot).leaves == Qty::ZERO {
            self.orders.remove(slot, &mut self.digest);
        }
    }

    fn note_trade(&mut self, instrument: InstrumentId, price: Price) {
        self.market_mut(instrument).traded_at = Some(price);
    }

    fn slot_of(&self, id: u64) -> u32 {
        self.orders.find(OrderId(id)).expect("an order in the book is one of the venue's")
    }

    /// The book in which the orders of all accounts meet, where the instrument has one.
    pub fn exchange_book(&self, instrument: InstrumentId) -> Option<&OrderBook> {
        self.exchange(instrument).map(MatchingBook::book)
    }

    pub(crate) fn exchange(&self, instrument: InstrumentId) -> Option<&MatchingBook> {
        self.market(instrument).exchange.map(|place| &self.exchanges.books[usize::from(place)])
    }

    pub(crate) fn exchange_mut(&mut self, instrument: InstrumentId) -> Option<&mut MatchingBook> {
        exchange_of(&mut self.exchanges, &self.markets, instrument)
    }
}

fn exchange_of<'e>(
    exchanges: &'e mut Exchanges,
    markets: &[crate::market::Market],
    instrument: InstrumentId,
) -> Option<&'e mut MatchingBook> {
    markets[instrument.0 as usize].exchange.map(|place| &mut exchanges.books[usize::from(place)])
}

/// The order as the book takes it. Whether it would take as a post-only order was asked when it came.
fn asked(order: &VenueOrder, self_trade: SelfTradePrevention, is_gathering: bool) -> NewOrder {
    let is_market = order.order_type == OrderType::Market;
    let validity = match order.time_in_force {
        TimeInForce::Ioc => Validity::ImmediateOrCancel,
        TimeInForce::Fok => Validity::FillOrKill,
        TimeInForce::Gtc
        | TimeInForce::Day
        | TimeInForce::Gtd
        | TimeInForce::AtTheOpen
        | TimeInForce::AtTheClose => Validity::Rest,
    };
    let rests = validity == Validity::Rest && (!is_market || is_gathering);
    NewOrder {
        id: order.order.0,
        side: order.side,
        price: (!is_market).then_some(order.price),
        qty: order.leaves,
        display: (rests && !is_market && order.display > Qty::ZERO).then_some(order.display),
        validity,
        post_only: false,
        owner: order.account.0,
        self_trade,
    }
}

fn reject_of(reason: CancelReason) -> Reject {
    match reason {
        CancelReason::NoLiquidity => Reject::NoLiquidity,
        CancelReason::FillOrKill => Reject::NotFilledWhole,
        CancelReason::SelfTrade => Reject::SelfTrade,
        CancelReason::PriceBand => Reject::OutsidePriceBand,
        CancelReason::BookFull => Reject::VenueBookFull,
    }
}

fn reject_of_refusal(refusal: &Refusal) -> Reject {
    match refusal {
        Refusal::ExtremePrice { .. } | Refusal::OutsideBand { .. } => Reject::OutsidePriceBand,
        Refusal::WouldTake { .. } => Reject::WouldTake,
        Refusal::Halted { .. } => Reject::MarketClosed,
        Refusal::Book(_)
        | Refusal::DisplayNotPositive { .. }
        | Refusal::NeverRests { .. }
        | Refusal::NotInAuction { .. }
        | Refusal::NoAuction
        | Refusal::Crossed
        | Refusal::Unfinished => Reject::VenueLacks,
    }
}

const TAG_SWEEP: u64 = 0x0158;
