//! The order that came, and how it meets the other side.

use super::ladder::{NIL, key, price};
use super::matching::MatchingBook;
use super::store::Reserve;
use super::terms::{CancelReason, Effect, NewOrder, Validity};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{Price, Qty, SelfTradePrevention, Side};

/// An order on its way through the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Taker {
    pub(super) id: u64,
    pub(super) side: Side,
    /// Its limit; the extreme price of its side for a market order.
    pub(super) price: Price,
    pub(super) left: i64,
    pub(super) filled: i64,
    pub(super) display: Option<Qty>,
    /// Whether what does not match rests in continuous trading.
    pub(super) rests: bool,
    pub(super) owner: u32,
    pub(super) self_trade: SelfTradePrevention,
}

/// Why matching ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// The taker has nothing left, or the other side has nothing at its limit.
    NothingMatches,
    /// The next trade would be outside the price band.
    Band,
    /// The taker met its own owner, and its mode ends it.
    SelfTrade,
    /// The bound of effects is reached.
    Bound,
}

impl Taker {
    #[inline]
    pub(super) fn new(order: &NewOrder) -> Self {
        Self {
            id: order.id,
            side: order.side,
            price: order.price.unwrap_or_else(|| price(order.side, i64::MAX)),
            left: order.qty.0,
            filled: 0,
            display: order.display,
            rests: order.price.is_some() && order.validity == Validity::Rest,
            owner: order.owner,
            self_trade: order.self_trade,
        }
    }

    /// The worst key of the other side that it takes.
    #[inline]
    fn worst_key(&self) -> i64 {
        key(self.side.opposite(), self.price)
    }

    /// Whether it would trade with its own owner.
    #[inline]
    fn is_own(&self, owner: u32) -> bool {
        self.owner != 0 && self.owner == owner && self.self_trade != SelfTradePrevention::Off
    }

    pub(super) fn hash(&self) -> u64 {
        let words = [self.price.0, self.left, self.filled, self.display.unwrap_or_default().0];
        let [price, left, filled, display] = words.map(i64::cast_unsigned);
        let owner = u64::from(self.owner) << 8 | u64::from(self.self_trade as u8);
        let bits = u64::from(self.side as u8) << 1 | u64::from(self.rests);
        row_hash(TAG_TAKER, &[self.id, price, left, filled, display, owner, bits])
    }
}

impl MatchingBook {
    /// Matches until nothing does, or something ends it.
    #[inline]
    pub(super) fn sweep(
        &mut self,
        taker: &mut Taker,
        effects_max: usize,
        emit: &mut impl FnMut(Effect),
    ) -> Stop {
        let makers = taker.side.opposite();
        let worst_key = taker.worst_key();
        let mut effects = 0;
        loop {
            let Some((best_key, at)) = self.book.ladder(makers).best() else {
                return Stop::NothingMatches;
            };
            if taker.left == 0 || best_key < worst_key {
                return Stop::NothingMatches;
            }
            let maker_price = price(makers, best_key);
            if self.band.is_some_and(|band| !band.contains(maker_price)) {
                return Stop::Band;
            }
            if effects == effects_max {
                return Stop::Bound;
            }
            effects += 1;
            let slot = self.book.ladder(makers).queue(at).head;
            let maker = &self.book.store.get(slot).order;
            if taker.is_own(maker.owner) {
                if self.meets_own(taker, slot, emit) {
                    return Stop::SelfTrade;
                }
                continue;
            }
            let (maker, qty) = (maker.id, taker.left.min(maker.qty.0));
            taker.left -= qty;
            taker.filled += qty;
            let maker_left = self.trade_shown(slot, qty);
            emit(Effect::Traded { maker, taker: taker.id, price: maker_price, qty: Qty(qty), maker_left });
        }
    }

    /// Takes `qty` from what an order shows: it shrinks, shows its next peak, or goes. Tells what is left of it.
    #[inline]
    fn trade_shown(&mut self, slot: u32, qty: i64) -> Qty {
        let order = &self.book.store.get(slot).order;
        let shown = order.qty.0 - qty;
        let reserve = self.book.store.reserve(slot);
        if shown > 0 {
            self.book.shrink(slot, Qty(qty));
        } else if reserve.left > Qty::ZERO {
            self.show_next_peak(slot, reserve);
        } else {
            self.book.take_out(slot);
        }
        Qty(shown + reserve.left.0)
    }

    /// The shown part is used up: the next one goes to the back of the level.
    fn show_next_peak(&mut self, slot: u32, reserve: Reserve) {
        self.book.dequeue(slot);
        self.arrivals += 1;
        let peak = reserve.display.min(reserve.left);
        self.book.store.set_reserve(slot, Reserve { left: Qty(reserve.left.0 - peak.0), ..reserve });
        let order = &mut self.book.store.get_mut(slot).order;
        (order.qty, order.priority) = (peak, self.arrivals);
        self.book.enqueue_again(slot);
    }

    /// The taker met its own owner's order. Tells whether that ends it.
    fn meets_own(&mut self, taker: &mut Taker, slot: u32, emit: &mut impl FnMut(Effect)) -> bool {
        let maker = self.book.store.get(slot).order;
        let open = maker.qty.0 + self.book.store.reserve(slot).left.0;
        let canceled = Effect::Canceled { id: maker.id, qty: Qty(open), reason: CancelReason::SelfTrade };
        match taker.self_trade {
            SelfTradePrevention::Off => unreachable!("nothing is prevented"),
            SelfTradePrevention::CancelTaker => true,
            SelfTradePrevention::CancelMaker => {
                self.book.take_out(slot);
                emit(canceled);
                false
            }
            SelfTradePrevention::CancelBoth => {
                self.book.take_out(slot);
                emit(canceled);
                true
            }
            SelfTradePrevention::Decrement => {
                let qty = taker.left.min(open);
                taker.left -= qty;
                if qty == open {
                    self.book.take_out(slot);
                } else {
                    self.lessen(slot, qty);
                }
                let maker_left = Qty(open - qty);
                emit(Effect::Decremented { maker: maker.id, taker: taker.id, qty: Qty(qty), maker_left });
                false
            }
        }
    }

    /// Whether the other side, with what it hides, fills the taker whole. Looks at no more than it needs.
    pub(super) fn can_fill(&self, taker: &Taker) -> bool {
        let makers = self.book.ladder(taker.side.opposite());
        let worst_key = taker.worst_key();
        let checks_owner = taker.owner != 0 && taker.self_trade != SelfTradePrevention::Off;
        let mut missing = taker.left;
        for depth in 0..makers.len() {
            let Some((level_key, at)) = makers.at_depth(depth) else {
                return false;
            };
            let level_price = price(taker.side.opposite(), level_key);
            if level_key < worst_key || self.band.is_some_and(|band| !band.contains(level_price)) {
                return false;
            }
            if checks_owner {
                match self.missing_after(taker, makers.queue(at).head, missing) {
                    Some(after) => missing = after,
                    None => return false,
                }
            } else {
                let queue = makers.queue(at);
                missing -= missing.min(queue.qty + queue.hidden);
            }
            if missing == 0 {
                return true;
            }
        }
        false
    }

    /// What is missing after a level in which the taker's owner may stand; `None` if meeting it keeps the taker from
    /// being filled. Peaks come back only behind the whole queue, so an own order is met before any reserve.
    fn missing_after(&self, taker: &Taker, head: u32, mut missing: i64) -> Option<i64> {
        let mut hidden = 0_i64;
        let mut slot = head;
        while slot != NIL && missing > 0 {
            let node = self.book.store.get(slot);
            if !taker.is_own(node.order.owner) {
                missing -= missing.min(node.order.qty.0);
                hidden += self.book.store.reserve(slot).left.0;
            } else if taker.self_trade != SelfTradePrevention::CancelMaker {
                return None;
            }
            slot = node.next;
        }
        Some(missing - missing.min(hidden))
    }
}

const TAG_TAKER: u64 = 0x0155;
