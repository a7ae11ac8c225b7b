//! A book that matches, by price and then by time.
//!
//! Rules:
//! - A taker trades at its makers' prices, best level first, and each level in the order of its queue.
//! - An iceberg shows at most its display quantity. When a peak is used up the next one goes to the back of its level.
//! - A replace that only takes quantity away keeps its place; an iceberg loses hidden quantity first. Every other one
//!   is a new arrival: it loses its place and may match.
//! - In a call phase orders gather, market orders too (at the extreme price of their side), and
//!   [`MatchingBook::uncross`] trades them at one price.
//!
//! A call tells at most `effects_max` effects on resting orders; 0 makes no headway. What goes on beyond is kept, and
//! the book takes nothing else until [`MatchingBook::resume`] or [`MatchingBook::uncross`] has finished it. A refusal
//! changes nothing. Stop orders are not known here: who triggers them submits what they become.

use super::ladder::{NIL, key};
use super::store::Reserve;
use super::taker::{Stop, Taker};
use super::terms::{
    Band, BandRule, CancelReason, Effect, NewOrder, Outcome, Phase, Refusal, Replace, Standing, Validity,
};
use super::{BookError, BookOrder, OrderBook};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{Price, Qty, Side};

/// What the next call goes on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pending {
    Nothing,
    Taker(Taker),
    /// An auction's price, what is still to trade there, and what has.
    Uncross {
        price: Option<Price>,
        left: i64,
        done: i64,
    },
}

/// An order book with matching.
#[derive(Debug)]
pub struct MatchingBook {
    pub(super) book: OrderBook,
    pub(super) phase: Phase,
    pub(super) band: Option<Band>,
    /// The arrival counter: priority of the last order that queued up.
    pub(super) arrivals: u64,
    pub(super) pending: Pending,
}

impl MatchingBook {
    /// An empty book in continuous trading, for at most `orders_max` resting orders, a power of two.
    pub fn new(orders_max: usize) -> Self {
        Self {
            book: OrderBook::new(orders_max),
            phase: Phase::Continuous,
            band: None,
            arrivals: 0,
            pending: Pending::Nothing,
        }
    }

    /// What rests. In a call phase market orders stand at the extreme price of their side.
    pub fn book(&self) -> &OrderBook {
        &self.book
    }

    /// What may happen now.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The price band.
    pub fn band(&self) -> Option<Band> {
        self.band
    }

    /// Whether the last call has effects that are still to come.
    pub fn is_unfinished(&self) -> bool {
        self.pending != Pending::Nothing
    }

    /// Sets or lifts the price band. Orders that rest outside stay, and trade when the band comes back to them.
    pub fn set_band(&mut self, band: Option<Band>) -> Result<(), Refusal> {
        self.check_finished()?;
        self.band = band;
        Ok(())
    }

    /// Halts, starts a call phase, or goes on. From a call phase only [`Self::uncross`] opens a crossed book.
    pub fn set_phase(&mut self, phase: Phase) -> Result<(), Refusal> {
        self.check_finished()?;
        if phase == Phase::Continuous && (self.book.is_crossed() || self.has_market_orders()) {
            return Err(Refusal::Crossed);
        }
        self.phase = phase;
        Ok(())
    }

    /// Takes an order, matches it, and lets rest what may.
    #[inline]
    pub fn submit(
        &mut self,
        order: &NewOrder,
        effects_max: usize,
        emit: &mut impl FnMut(Effect),
    ) -> Result<Outcome, Refusal> {
        self.check(order)?;
        if self.book.store.find(order.id).is_some() {
            return Err(BookError::DuplicateOrder { id: order.id }.into());
        }
        let taker = Taker::new(order);
        if order.validity == Validity::FillOrKill && !self.can_fill(&taker) {
            let standing = Standing::Canceled(CancelReason::FillOrKill);
            return Ok(Outcome { filled: Qty::ZERO, left: order.qty, standing });
        }
        Ok(self.run(taker, effects_max, emit))
    }

    /// Goes on with the order whose effects were too many for one call; `None` if there is none.
    pub fn resume(&mut self, effects_max: usize, emit: &mut impl FnMut(Effect)) -> Option<Outcome> {
        let Pending::Taker(taker) = self.pending else {
            return None;
        };
        self.pending = Pending::Nothing;
        Some(self.run(taker, effects_max, emit))
    }

    /// Ends the order whose effects were too many for one call: what is left of it is cancelled. `None` if there is none.
    pub fn abandon(&mut self) -> Option<Outcome> {
        let Pending::Taker(taker) = self.pending else {
            return None;
        };
        self.pending = Pending::Nothing;
        let standing = Standing::Canceled(CancelReason::BookFull);
        Some(Outcome { filled: Qty(taker.filled), left: Qty(taker.left), standing })
    }

    /// Cancels a resting order, in any phase. Tells what was open, shown and hidden.
    #[inline]
    pub fn cancel(&mut self, id: u64) -> Result<Qty, Refusal> {
        self.check_finished()?;
        let slot = self.book.slot(id)?;
        let hidden = self.book.store.reserve(slot).left;
        let order = self.book.take_out(slot);
        Ok(Qty(order.qty.0 + hidden.0))
    }

    /// Gives a resting order another price or open quantity.
    #[inline]
    pub fn replace(
        &mut self,
        replace: &Replace,
        effects_max: usize,
        emit: &mut impl FnMut(Effect),
    ) -> Result<Outcome, Refusal> {
        self.check_finished()?;
        let slot = self.book.slot(replace.id)?;
        let order = self.book.store.get(slot).order;
        let reserve = self.book.store.reserve(slot);
        let open = order.qty.0 + reserve.left.0;
        if Qty::ZERO < replace.qty && replace.qty.0 <= open && replace.price == order.price {
            self.lessen(slot, open - replace.qty.0);
            return Ok(Outcome { filled: Qty::ZERO, left: replace.qty, standing: Standing::Rests });
        }
        let arrival = NewOrder {
            id: order.id,
            side: order.side,
            price: Some(replace.price),
            qty: replace.qty,
            display: order.is_iceberg.then_some(reserve.display),
            validity: Validity::Rest,
            post_only: replace.post_only,
            owner: order.owner,
            self_trade: replace.self_trade,
        };
        self.check(&arrival)?;
        self.book.take_out(slot);
        Ok(self.run(Taker::new(&arrival), effects_max, emit))
    }

    /// A number that is equal for books that will behave the same: orders, phase, band, arrivals and what is pending.
    pub fn digest(&self) -> u64 {
        let phase = match self.phase {
            Phase::Continuous => 0,
            Phase::Auction => 1,
            Phase::Halted => 2,
        };
        let band = self.band.map_or([0; 3], |band| {
            let rule = match band.rule {
                BandRule::Reject => 1,
                BandRule::Stop => 2,
            };
            [rule, band.low.0.cast_unsigned(), band.high.0.cast_unsigned()]
        });
        let pending = match self.pending {
            Pending::Nothing => 0,
            Pending::Taker(taker) => taker.hash(),
            Pending::Uncross { price, left, done } => {
                let price = [u64::from(price.is_some()), price.unwrap_or_default().0.cast_unsigned()];
                row_hash(TAG_UNCROSS, &[price[0], price[1], left.cast_unsigned(), done.cast_unsigned()])
            }
        };
        let row = row_hash(TAG_STATE, &[phase, band[0], band[1], band[2], self.arrivals, pending]);
        self.book.digest().wrapping_add(row)
    }

    /// Matches as far as the bound allows, then says how the order stands, and lets rest what is left.
    #[inline]
    fn run(&mut self, mut taker: Taker, effects_max: usize, emit: &mut impl FnMut(Effect)) -> Outcome {
        let stop = match self.phase {
            Phase::Continuous => self.sweep(&mut taker, effects_max, emit),
            Phase::Auction | Phase::Halted => Stop::NothingMatches,
        };
        let standing = match stop {
            Stop::Bound => {
                self.pending = Pending::Taker(taker);
                Standing::Unfinished
            }
            Stop::Band => Standing::Canceled(CancelReason::PriceBand),
            Stop::SelfTrade => Standing::Canceled(CancelReason::SelfTrade),
            Stop::NothingMatches if taker.left == 0 => Standing::Done,
            Stop::NothingMatches if taker.rests || self.phase == Phase::Auction => self.rest(&taker),
            Stop::NothingMatches => Standing::Canceled(CancelReason::NoLiquidity),
        };
        Outcome { filled: Qty(taker.filled), left: Qty(taker.left), standing }
    }

    /// Queues up what is left of a taker.
    #[inline]
    fn rest(&mut self, taker: &Taker) -> Standing {
        let shown = taker.display.map_or(taker.left, |display| display.0.min(taker.left));
        let order = BookOrder {
            id: taker.id,
            side: taker.side,
            price: taker.price,
            qty: Qty(shown),
            priority: self.arrivals + 1,
            owner: taker.owner,
            is_iceberg: taker.display.is_some(),
        };
        if !self.book.store.has_room() {
            return Standing::Canceled(CancelReason::BookFull);
        }
        let Ok(at) = self.book.level_for(&order, taker.left) else {
            return Standing::Canceled(CancelReason::BookFull);
        };
        self.arrivals += 1;
        let slot = self.book.store.insert(order);
        if let Some(display) = taker.display {
            self.book.store.set_reserve(slot, Reserve { display, left: Qty(taker.left - shown) });
        }
        self.book.enqueue(slot, at);
        Standing::Rests
    }

    /// Takes `by`, less than is open, from an order that keeps its place: from what it hides first.
    pub(super) fn lessen(&mut self, slot: u32, by: i64) {
        let reserve = self.book.store.reserve(slot);
        let from_reserve = by.min(reserve.left.0);
        if from_reserve > 0 {
            let left = Qty(reserve.left.0 - from_reserve);
            self.book.store.set_reserve(slot, Reserve { left, ..reserve });
            let node = self.book.store.get(slot);
            let (side, at) = (node.order.side, node.queue);
            self.book.ladder_mut(side).queue_mut(at).hidden -= from_reserve;
        }
        self.book.shrink(slot, Qty(by - from_reserve));
    }

    /// Whether an order of this shape may enter now.
    #[inline]
    fn check(&self, order: &NewOrder) -> Result<(), Refusal> {
        let id = order.id;
        self.check_finished()?;
        if order.qty <= Qty::ZERO {
            return Err(BookError::QtyNotPositive { id, qty: order.qty }.into());
        }
        if let Some(display) = order.display
            && display <= Qty::ZERO
        {
            return Err(Refusal::DisplayNotPositive { id, display });
        }
        let rests = order.price.is_some() && order.validity == Validity::Rest;
        if !rests && (order.post_only || order.display.is_some()) {
            return Err(Refusal::NeverRests { id });
        }
        match self.phase {
            Phase::Auction if order.validity != Validity::Rest || order.post_only => {
                return Err(Refusal::NotInAuction { id });
            }
            Phase::Continuous | Phase::Auction => {}
            Phase::Halted => return Err(Refusal::Halted { id }),
        }
        let Some(price) = order.price else {
            return Ok(());
        };
        if key(order.side, price) == i64::MAX {
            return Err(Refusal::ExtremePrice { id });
        }
        if let Some(band) = self.band
            && band.rule == BandRule::Reject
            && !band.contains(price)
        {
            return Err(Refusal::OutsideBand { id, price, low: band.low, high: band.high });
        }
        match self.book.best(order.side.opposite()) {
            Some(best) if order.post_only && key(order.side, price) >= key(order.side, best.price) => {
                Err(Refusal::WouldTake { id, touch: best.price })
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn check_finished(&self) -> Result<(), Refusal> {
        if self.is_unfinished() { Err(Refusal::Unfinished) } else { Ok(()) }
    }

    pub(super) fn has_market_orders(&self) -> bool {
        [Side::Buy, Side::Sell].into_iter().any(|side| self.market_order(side) != NIL)
    }

    /// The first market order of a side, or [`NIL`].
    pub(super) fn market_order(&self, side: Side) -> u32 {
        match self.book.ladder(side).best() {
            Some((i64::MAX, at)) => self.book.ladder(side).queue(at).head,
            Some(_) | None => NIL,
        }
    }
}

const TAG_STATE: u64 = 0x0154;
const TAG_UNCROSS: u64 = 0x0156;
