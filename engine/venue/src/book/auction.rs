//! The end of a call phase: one price for all.
//!
//! The price, in the order of the rules:
//! 1. the largest executable volume, hidden quantities included;
//! 2. the smallest surplus (buyers' quantity at the price or better, less sellers');
//! 3. the smallest distance to the reference price, if there is one;
//! 4. the higher price where buyers have the surplus, else the lower.
//!
//! Rules 1, 2 and 4 are the first three of the four that ASX publishes for its single-price auctions (maximum tradeable
//! volume, minimum surplus, market pressure, reference price) and that the Xetra market model has too; here the
//! reference price is asked before the surplus side. Candidates are the limits of all orders, and the reference price
//! where it lies between two of them; where only market orders meet, they trade at the reference price, as in the
//! Xetra market model. Prices outside the price band are none. Self-trade prevention is for continuous trading.

use super::ladder::{NIL, price as price_of};
use super::matching::{MatchingBook, Pending};
use super::store::Reserve;
use super::terms::{CancelReason, Effect, Phase, Refusal, UncrossStanding, Uncrossed};
use tickwerk_domain::{Price, Qty, Side};

/// What would trade at a price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Indication {
    /// The price.
    pub price: Price,
    /// The executable volume.
    pub qty: Qty,
    /// Buyers' quantity less sellers', of those who would trade at the price. Held within its number.
    pub surplus: i64,
}

/// A price that could be the one.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    price: i64,
    volume: i128,
    surplus: i128,
    distance: u64,
}

impl Candidate {
    /// Whether this price, which is higher than `other`'s, is the better one.
    fn beats(&self, other: &Self) -> bool {
        let mine = (other.volume, self.surplus.abs(), self.distance);
        let theirs = (self.volume, other.surplus.abs(), other.distance);
        mine < theirs || (mine == theirs && self.surplus > 0)
    }
}

impl MatchingBook {
    /// What an auction would do now, if anything: the indicative price of a call phase.
    pub fn indication(&self, reference: Option<Price>) -> Option<Indication> {
        let best = self.auction_price(reference.map(|price| price.0))?;
        let within = |wide: i128| i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX });
        Some(Indication {
            price: Price(best.price),
            qty: Qty(within(best.volume)),
            surplus: within(best.surplus),
        })
    }

    /// Ends the call phase: trades at one price, cancels what is left of market orders, and opens. What is left of limit
    /// orders goes on. While it is unfinished, the next call goes on with its price and ignores `reference`.
    pub fn uncross(
        &mut self,
        reference: Option<Price>,
        effects_max: usize,
        emit: &mut impl FnMut(Effect),
    ) -> Result<Uncrossed, Refusal> {
        let (price, mut left, mut done) = match self.pending {
            Pending::Uncross { price, left, done } => (price, left, done),
            Pending::Taker(_) => return Err(Refusal::Unfinished),
            Pending::Nothing if self.phase != Phase::Auction => return Err(Refusal::NoAuction),
            Pending::Nothing => {
                let found = self.indication(reference);
                (found.map(|found| found.price), found.map_or(0, |found| found.qty.0), 0)
            }
        };
        self.pending = Pending::Nothing;
        let mut effects = 0;
        while let Some(price) = price
            && left > 0
            && effects < effects_max
        {
            let qty = self.cross_best(price, left, emit);
            left -= qty;
            done += qty;
            effects += 1;
        }
        while left == 0 && effects < effects_max && self.cancel_market_order(emit) {
            effects += 1;
        }
        let standing = if left > 0 || self.has_market_orders() {
            self.pending = Pending::Uncross { price, left, done };
            UncrossStanding::Unfinished
        } else if self.book.is_crossed() {
            UncrossStanding::StillCrossed
        } else {
            self.phase = Phase::Continuous;
            UncrossStanding::Opened
        };
        Ok(Uncrossed { price, qty: Qty(done), standing })
    }

    /// Lets the first buyer and the first seller trade; both are there while the auction's volume is not reached.
    fn cross_best(&mut self, price: Price, left: i64, emit: &mut impl FnMut(Effect)) -> i64 {
        let [buyer, seller] = [Side::Buy, Side::Sell].map(|side| {
            let (_, at) = self.book.ladder(side).best().expect("the volume counted both sides");
            self.book.ladder(side).queue(at).head
        });
        let [buy, sell] = [buyer, seller].map(|slot| self.book.store.get(slot).order.id);
        let qty = left.min(self.open(buyer)).min(self.open(seller));
        let [buy_left, sell_left] = [buyer, seller].map(|slot| self.trade_open(slot, qty));
        emit(Effect::Crossed { buy, sell, price, qty: Qty(qty), buy_left, sell_left });
        qty
    }

    /// What an order shows and hides.
    fn open(&self, slot: u32) -> i64 {
        self.book.store.get(slot).order.qty.0 + self.book.store.reserve(slot).left.0
    }

    /// Takes `qty` from all that an order has; an iceberg shows a new peak, and the order keeps its place.
    fn trade_open(&mut self, slot: u32, qty: i64) -> Qty {
        let left = self.open(slot) - qty;
        if left == 0 {
            self.book.take_out(slot);
            return Qty::ZERO;
        }
        let reserve = self.book.store.reserve(slot);
        if reserve.left == Qty::ZERO {
            self.book.shrink(slot, Qty(qty));
            return Qty(left);
        }
        self.book.dequeue(slot);
        let peak = reserve.display.0.min(left);
        self.book.store.set_reserve(slot, Reserve { left: Qty(left - peak), ..reserve });
        self.book.store.get_mut(slot).order.qty = Qty(peak);
        self.book.enqueue_again(slot);
        Qty(left)
    }

    /// Cancels the first market order that is left, if there is one.
    fn cancel_market_order(&mut self, emit: &mut impl FnMut(Effect)) -> bool {
        for side in [Side::Buy, Side::Sell] {
            let slot = self.market_order(side);
            if slot != NIL {
                let qty = Qty(self.open(slot));
                let id = self.book.take_out(slot).id;
                emit(Effect::Canceled { id, qty, reason: CancelReason::NoLiquidity });
                return true;
            }
        }
        false
    }

    /// Walks all limits from the lowest to the highest, with what buyers would take and sellers give at each.
    fn auction_price(&self, reference: Option<i64>) -> Option<Candidate> {
        let mut bids = self.limits(Side::Buy).rev().peekable();
        let mut asks = self.limits(Side::Sell).peekable();
        let mut demand: i128 = self.limits(Side::Buy).map(|(_, qty)| qty).sum();
        let mut supply = 0;
        let mut best: Option<Candidate> = None;
        let mut last_limit = None;
        let mut consider = |price: i64, demand: i128, supply: i128| {
            let volume = demand.min(supply);
            if volume == 0 || self.band.is_some_and(|band| !band.contains(Price(price))) {
                return;
            }
            let distance = reference.map_or(0, |reference| price.abs_diff(reference));
            let candidate = Candidate { price, volume, surplus: demand - supply, distance };
            if best.is_none_or(|best| candidate.beats(&best)) {
                best = Some(candidate);
            }
        };
        loop {
            let next = [bids.peek(), asks.peek()].into_iter().flatten().map(|(price, _)| *price).min();
            let Some(price) = next else {
                break;
            };
            let is_limit = price != i64::MIN && price != i64::MAX;
            if let (Some(last), Some(between)) = (last_limit, reference)
                && is_limit
                && last < between
                && between < price
            {
                consider(between, demand, supply);
            }
            while let Some((_, qty)) = asks.next_if(|ask| ask.0 == price) {
                supply += qty;
            }
            if is_limit {
                consider(price, demand, supply);
                last_limit = Some(price);
            }
            while let Some((_, qty)) = bids.next_if(|bid| bid.0 == price) {
                demand -= qty;
            }
        }
        if last_limit.is_none()
            && let Some(reference) = reference
        {
            let total = |side| self.limits(side).map(|(_, qty)| qty).sum();
            consider(reference, total(Side::Buy), total(Side::Sell));
        }
        best
    }

    /// Price and whole quantity of each level, best first. Market orders have the extreme price.
    fn limits(&self, side: Side) -> impl DoubleEndedIterator<Item = (i64, i128)> + '_ {
        let ladder = self.book.ladder(side);
        (0..ladder.len()).filter_map(move |depth| {
            let (key, at) = ladder.at_depth(depth)?;
            let queue = ladder.queue(at);
            Some((price_of(side, key).0, i128::from(queue.qty) + i128::from(queue.hidden)))
        })
    }
}
