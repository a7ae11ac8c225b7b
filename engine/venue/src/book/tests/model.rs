//! The same rules, slow and obvious: one list of orders, searched from one end to the other.

use crate::book::{
    Band, BandRule, CancelReason, Effect, NewOrder, Outcome, Phase, Replace, Standing, UncrossStanding,
    Uncrossed, Validity,
};
use tickwerk_domain::{Price, Qty, SelfTradePrevention, Side};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ModelOrder {
    pub(super) id: u64,
    pub(super) side: Side,
    pub(super) price: i64,
    pub(super) shown: i64,
    pub(super) hidden: i64,
    display: Option<i64>,
    owner: u32,
}

impl ModelOrder {
    fn open(&self) -> i64 {
        self.shown + self.hidden
    }
}

/// Orders in the order of their arrival.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) orders: Vec<ModelOrder>,
    pub(super) phase: Phase,
    pub(super) band: Option<Band>,
}

impl Model {
    pub(super) fn new() -> Self {
        Self { orders: Vec::new(), phase: Phase::Continuous, band: None }
    }

    /// Best price first, then by arrival.
    pub(super) fn side(&self, side: Side) -> Vec<ModelOrder> {
        let mut orders: Vec<ModelOrder> =
            self.orders.iter().filter(|order| order.side == side).copied().collect();
        orders.sort_by_key(|order| i128::from(order.price) * i128::from(-side.sign()));
        orders
    }

    pub(super) fn submit(&mut self, order: &NewOrder, effects: &mut Vec<Effect>) -> Option<Outcome> {
        let is_market = order.price.is_none();
        let rests = !is_market && order.validity == Validity::Rest;
        let bad_shape = !rests && (order.post_only || order.display.is_some());
        let in_auction = self.phase == Phase::Auction;
        let bad_phase = self.phase == Phase::Halted
            || (in_auction && (order.post_only || order.validity != Validity::Rest));
        let outside = order.price.is_some_and(|price| {
            self.band.is_some_and(|band| band.rule == BandRule::Reject && !band.contains(price))
        });
        let known = self.orders.iter().any(|other| other.id == order.id);
        if order.qty.0 <= 0 || bad_shape || bad_phase || outside || known {
            return None;
        }
        let makers = self.side(order.side.opposite());
        if order.post_only && makers.first().is_some_and(|best| reaches(order, best.price)) {
            return None;
        }
        if order.validity == Validity::FillOrKill {
            let rehearsal = NewOrder { validity: Validity::ImmediateOrCancel, ..*order };
            let outcome = self.clone().submit(&rehearsal, &mut Vec::new());
            if outcome.is_none_or(|outcome| outcome.filled != order.qty) {
                let standing = Standing::Canceled(CancelReason::FillOrKill);
                return Some(Outcome { filled: Qty(0), left: order.qty, standing });
            }
        }
        let (mut left, mut filled) = (order.qty.0, 0);
        let mut ended = None;
        while self.phase == Phase::Continuous && left > 0 && ended.is_none() {
            let makers = self.side(order.side.opposite());
            let Some(maker) = makers.first().filter(|maker| reaches(order, maker.price)) else {
                break;
            };
            if self.band.is_some_and(|band| !band.contains(Price(maker.price))) {
                ended = Some(CancelReason::PriceBand);
                break;
            }
            let is_own = order.owner != 0 && maker.owner == order.owner;
            if is_own && order.self_trade != SelfTradePrevention::Off {
                ended = self.meet_own(order, *maker, &mut left, effects);
                continue;
            }
            let qty = left.min(maker.shown);
            left -= qty;
            filled += qty;
            let maker_left = Qty(maker.open() - qty);
            self.take_shown(maker.id, qty);
            let (maker, price) = (maker.id, Price(maker.price));
            effects.push(Effect::Traded { maker, taker: order.id, price, qty: Qty(qty), maker_left });
        }
        let standing = match ended {
            Some(reason) => Standing::Canceled(reason),
            None if left == 0 => Standing::Done,
            None if rests || in_auction => {
                let display = order.display.map(|display| display.0);
                let shown = display.unwrap_or(left).min(left);
                let market = if order.side == Side::Buy { i64::MAX } else { i64::MIN };
                let price = order.price.map_or(market, |price| price.0);
                let (id, side, owner) = (order.id, order.side, order.owner);
                let hidden = left - shown;
                self.orders.push(ModelOrder { id, side, price, shown, hidden, display, owner });
                Standing::Rests
            }
            None => Standing::Canceled(CancelReason::NoLiquidity),
        };
        Some(Outcome { filled: Qty(filled), left: Qty(left), standing })
    }

    pub(super) fn cancel(&mut self, id: u64) -> Option<Qty> {
        let place = self.orders.iter().position(|order| order.id == id)?;
        Some(Qty(self.orders.remove(place).open()))
    }

    pub(super) fn replace(&mut self, replace: &Replace, effects: &mut Vec<Effect>) -> Option<Outcome> {
        let place = self.orders.iter().position(|order| order.id == replace.id)?;
        let order = self.orders[place];
        if replace.price.0 == order.price && 0 < replace.qty.0 && replace.qty.0 <= order.open() {
            self.lessen(place, order.open() - replace.qty.0);
            return Some(Outcome { filled: Qty(0), left: replace.qty, standing: Standing::Rests });
        }
        let arrival = NewOrder {
            display: order.display.map(Qty),
            owner: order.owner,
            self_trade: replace.self_trade,
            post_only: replace.post_only,
            ..NewOrder::limit(order.id, order.side, replace.price, replace.qty)
        };
        let mut without = self.clone();
        without.orders.remove(place);
        let outcome = without.submit(&arrival, effects)?;
        *self = without;
        Some(outcome)
    }

    pub(super) fn uncross(&mut self, reference: Option<i64>, effects: &mut Vec<Effect>) -> Uncrossed {
        let price = self.auction_price(reference);
        let mut done = 0;
        let mut volume = price.map_or(0, |price| self.demand(price).min(self.supply(price)));
        while let Some(price) = price
            && volume > 0
        {
            let (buyer, seller) = (self.side(Side::Buy)[0], self.side(Side::Sell)[0]);
            let qty = volume.min(buyer.open()).min(seller.open());
            volume -= qty;
            done += qty;
            effects.push(Effect::Crossed {
                buy: buyer.id,
                sell: seller.id,
                price: Price(price),
                qty: Qty(qty),
                buy_left: Qty(buyer.open() - qty),
                sell_left: Qty(seller.open() - qty),
            });
            for id in [buyer.id, seller.id] {
                let place = self.orders.iter().position(|order| order.id == id).unwrap();
                let order = &mut self.orders[place];
                let left = order.open() - qty;
                let was_hiding = order.hidden > 0;
                order.shown = match order.display {
                    Some(display) if was_hiding => display.min(left),
                    Some(_) | None => left,
                };
                order.hidden = left - order.shown;
                if left == 0 {
                    self.orders.remove(place);
                }
            }
        }
        for side in [Side::Buy, Side::Sell] {
            for order in self.side(side) {
                if order.price == i64::MAX || order.price == i64::MIN {
                    let qty = self.cancel(order.id).unwrap();
                    effects.push(Effect::Canceled { id: order.id, qty, reason: CancelReason::NoLiquidity });
                }
            }
        }
        let standing =
            if self.is_crossed() { UncrossStanding::StillCrossed } else { UncrossStanding::Opened };
        if standing == UncrossStanding::Opened {
            self.phase = Phase::Continuous;
        }
        Uncrossed { price: price.map(Price), qty: Qty(done), standing }
    }

    pub(super) fn is_crossed(&self) -> bool {
        match (self.side(Side::Buy).first(), self.side(Side::Sell).first()) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            (None | Some(_), None) | (None, Some(_)) => false,
        }
    }

    pub(super) fn open(&self) -> i64 {
        self.orders.iter().map(ModelOrder::open).sum()
    }

    fn demand(&self, price: i64) -> i64 {
        let takes = |order: &&ModelOrder| order.side == Side::Buy && order.price >= price;
        self.orders.iter().filter(takes).map(ModelOrder::open).sum()
    }

    fn supply(&self, price: i64) -> i64 {
        let gives = |order: &&ModelOrder| order.side == Side::Sell && order.price <= price;
        self.orders.iter().filter(gives).map(ModelOrder::open).sum()
    }

    fn auction_price(&self, reference: Option<i64>) -> Option<i64> {
        let is_limit = |price: &i64| *price != i64::MAX && *price != i64::MIN;
        let mut prices: Vec<i64> = self.orders.iter().map(|order| order.price).filter(is_limit).collect();
        prices.sort_unstable();
        prices.dedup();
        if let Some(reference) = reference {
            let is_between = prices.iter().any(|price| *price < reference)
                && prices.iter().any(|price| *price > reference);
            if prices.is_empty() || is_between {
                prices.push(reference);
            }
        }
        let volume = |price: i64| self.demand(price).min(self.supply(price));
        let surplus = |price: i64| self.demand(price) - self.supply(price);
        let distance = |price: i64| reference.map_or(0, |reference| price.abs_diff(reference));
        prices
            .retain(|price| volume(*price) > 0 && self.band.is_none_or(|band| band.contains(Price(*price))));
        let key = |price: &i64| (-volume(*price), surplus(*price).abs(), distance(*price));
        let best = prices.iter().map(key).min()?;
        prices.retain(|price| key(price) == best);
        let of_buyers = prices.iter().copied().filter(|price| surplus(*price) > 0).max();
        of_buyers.or(prices.iter().copied().min())
    }

    /// Takes `qty` from what an order shows; the next peak goes to the end of the list.
    fn take_shown(&mut self, id: u64, qty: i64) {
        let place = self.orders.iter().position(|order| order.id == id).unwrap();
        let mut order = self.orders[place];
        order.shown -= qty;
        if order.shown > 0 {
            self.orders[place] = order;
            return;
        }
        self.orders.remove(place);
        if order.hidden > 0 {
            order.shown = order.display.unwrap().min(order.hidden);
            order.hidden -= order.shown;
            self.orders.push(order);
        }
    }

    fn lessen(&mut self, place: usize, by: i64) {
        let order = &mut self.orders[place];
        let from_hidden = by.min(order.hidden);
        order.hidden -= from_hidden;
        order.shown -= by - from_hidden;
        if order.open() == 0 {
            self.orders.remove(place);
        }
    }

    fn meet_own(
        &mut self,
        taker: &NewOrder,
        maker: ModelOrder,
        left: &mut i64,
        effects: &mut Vec<Effect>,
    ) -> Option<CancelReason> {
        let reason = CancelReason::SelfTrade;
        let place = self.orders.iter().position(|order| order.id == maker.id).unwrap();
        if taker.self_trade == SelfTradePrevention::Decrement {
            let qty = maker.open().min(*left);
            *left -= qty;
            self.lessen(place, qty);
            let maker_left = Qty(maker.open() - qty);
            effects.push(Effect::Decremented { maker: maker.id, taker: taker.id, qty: Qty(qty), maker_left });
            return None;
        }
        if taker.self_trade != SelfTradePrevention::CancelTaker {
            let canceled = self.orders.remove(place);
            effects.push(Effect::Canceled { id: maker.id, qty: Qty(canceled.open()), reason });
        }
        (taker.self_trade != SelfTradePrevention::CancelMaker).then_some(reason)
    }
}

fn reaches(order: &NewOrder, price: i64) -> bool {
    match (order.price, order.side) {
        (None, _) => true,
        (Some(limit), Side::Buy) => limit.0 >= price,
        (Some(limit), Side::Sell) => limit.0 <= price,
    }
}
