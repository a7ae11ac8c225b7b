//! The index of held orders by trigger price, so that an observation that triggers nothing costs a few comparisons.
//!
//! Per instrument there is a queue for each price that triggers (last, touch, mid, mark; as buyers and as sellers see
//! it) and each way that it may go. A queue is sorted, the nearest trigger last. Trailing stops move with the market;
//! they stand in a short list of their own that each observation looks through.
//!
//! Keys: the trigger price where the price must rise to it, its negative where it must fall, so that a trigger is
//! reached when its key is not above the threshold of its queue.

use crate::limits::{
    INSTRUMENTS_MAX, TRAILING_PER_INSTRUMENT_MAX, TRIGGERS_PER_PRICE_MAX, WAITING_PER_INSTRUMENT_MAX,
};
use crate::market::Market;
use crate::orders::Orders;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, ensure};
use tickwerk_domain::{InstrumentId, Level, OrderId, OrderType, Price, Qty, Side, TriggerBy};

/// Queues of one instrument.
const QUEUES: usize = TriggerBy::ALL.len() * 4;
/// No trigger, and a threshold that none reaches.
const NEVER: (i64, i64) = (i64::MAX, i64::MIN);

/// What the market lets each queue reach.
pub type Thresholds = [i64; QUEUES];

/// A held order in a queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Waiting {
    key: i64,
    order: OrderId,
    slot: u32,
}

/// A trailing stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trailing {
    pub(crate) slot: u32,
    pub(crate) order: OrderId,
    pub(crate) queue: usize,
    /// Its trigger price; 0 before the market gave it one.
    pub(crate) trigger: i64,
}

impl Trailing {
    fn is_reached(&self, thresholds: &Thresholds) -> bool {
        self.trigger != 0 && key(self.queue, self.trigger) <= thresholds[self.queue]
    }
}

/// All held orders that wait for a price.
#[derive(Debug)]
pub struct Triggers {
    queues: Box<[Vec<Waiting>]>,
    /// The nearest key of each queue.
    nearest: Box<[[i64; QUEUES]]>,
    trailing: Box<[Vec<Trailing>]>,
    /// Orders that wait for their market to take them, in order of id.
    for_market: Box<[Vec<(OrderId, u32)>]>,
    /// Orders that wait, per instrument.
    counts: Box<[u32]>,
}

impl Default for Triggers {
    fn default() -> Self {
        Self::new()
    }
}

impl Triggers {
    /// Nobody waits; all that it ever allocates.
    pub fn new() -> Self {
        let queue = |_| Vec::with_capacity(TRIGGERS_PER_PRICE_MAX);
        let trailing = |_| Vec::with_capacity(TRAILING_PER_INSTRUMENT_MAX);
        let for_market = |_| Vec::with_capacity(WAITING_PER_INSTRUMENT_MAX);
        Self {
            queues: (0..INSTRUMENTS_MAX * QUEUES).map(queue).collect(),
            nearest: vec![[NEVER.0; QUEUES]; INSTRUMENTS_MAX].into(),
            trailing: (0..INSTRUMENTS_MAX).map(trailing).collect(),
            for_market: (0..INSTRUMENTS_MAX).map(for_market).collect(),
            counts: vec![0; INSTRUMENTS_MAX].into(),
        }
    }

    /// Whether nobody waits in an instrument.
    #[inline]
    pub fn is_idle(&self, instrument: InstrumentId) -> bool {
        self.counts[instrument.0 as usize] == 0
    }

    /// Whether one more order has a place.
    pub(crate) fn has_room(&self, instrument: InstrumentId, queue: usize, is_trailing: bool) -> bool {
        let index = instrument.0 as usize;
        if is_trailing {
            self.trailing[index].len() < TRAILING_PER_INSTRUMENT_MAX
        } else {
            self.queues[index * QUEUES + queue].len() < TRIGGERS_PER_PRICE_MAX
        }
    }

    /// Takes an order in; the caller has asked [`Triggers::has_room`].
    pub(crate) fn add(
        &mut self,
        instrument: InstrumentId,
        queue: usize,
        trigger: Price,
        order: OrderId,
        slot: u32,
    ) {
        let index = instrument.0 as usize;
        let waiting = Waiting { key: key(queue, trigger.0), order, slot };
        let rows = &mut self.queues[index * QUEUES + queue];
        assert!(rows.len() < TRIGGERS_PER_PRICE_MAX, "the caller asked for room");
        let place = rows.partition_point(|other| *other > waiting);
        rows.insert(place, waiting);
        self.note(index, queue);
        self.counts[index] += 1;
    }

    /// Takes a trailing stop in; the caller has asked [`Triggers::has_room`].
    pub(crate) fn add_trailing(&mut self, instrument: InstrumentId, trailing: Trailing) {
        let rows = &mut self.trailing[instrument.0 as usize];
        assert!(rows.len() < TRAILING_PER_INSTRUMENT_MAX, "the caller asked for room");
        rows.push(trailing);
        self.counts[instrument.0 as usize] += 1;
    }

    /// Takes an order out.
    pub(crate) fn remove(
        &mut self,
        instrument: InstrumentId,
        queue: usize,
        trigger: Price,
        order: OrderId,
        slot: u32,
    ) {
        let index = instrument.0 as usize;
        let waiting = Waiting { key: key(queue, trigger.0), order, slot };
        let rows = &mut self.queues[index * QUEUES + queue];
        let place = rows.partition_point(|other| *other > waiting);
        assert_eq!(rows.get(place), Some(&waiting), "order {order} waits in its queue");
        rows.remove(place);
        self.note(index, queue);
        self.counts[index] -= 1;
    }

    /// Takes a trailing stop out.
    pub(crate) fn remove_trailing(&mut self, instrument: InstrumentId, order: OrderId) {
        let rows = &mut self.trailing[instrument.0 as usize];
        let place = rows.iter().position(|row| row.order == order).expect("the trailing stop waits");
        rows.remove(place);
        self.counts[instrument.0 as usize] -= 1;
    }

    /// Orders that wait for their market to take them, in order of id.
    pub(crate) fn for_market(&self, instrument: InstrumentId) -> &[(OrderId, u32)] {
        &self.for_market[instrument.0 as usize]
    }

    /// Lets an order wait for its market; `false` where there is no room for one more.
    pub(crate) fn add_for_market(&mut self, instrument: InstrumentId, order: OrderId, slot: u32) -> bool {
        let rows = &mut self.for_market[instrument.0 as usize];
        if rows.len() == WAITING_PER_INSTRUMENT_MAX {
            return false;
        }
        let place = rows.partition_point(|(other, _)| *other < order);
        rows.insert(place, (order, slot));
        self.counts[instrument.0 as usize] += 1;
        true
    }

    /// Takes an order out that waits for its market.
    pub(crate) fn remove_for_market(&mut self, instrument: InstrumentId, order: OrderId) {
        let rows = &mut self.for_market[instrument.0 as usize];
        let place = rows.binary_search_by_key(&order, |(other, _)| *other);
        rows.remove(place.expect("the order waits for its market"));
        self.counts[instrument.0 as usize] -= 1;
    }

    /// The trailing stops of an instrument, in order of entry.
    pub(crate) fn trailing_mut(&mut self, instrument: InstrumentId) -> &mut [Trailing] {
        &mut self.trailing[instrument.0 as usize]
    }

    /// Whether any order is reached.
    #[inline]
    pub(crate) fn is_any_reached(&self, instrument: InstrumentId, thresholds: &Thresholds) -> bool {
        let nearest = &self.nearest[instrument.0 as usize];
        let in_queues = nearest.iter().zip(thresholds).any(|(key, threshold)| key <= threshold);
        in_queues || self.trailing[instrument.0 as usize].iter().any(|row| row.is_reached(thresholds))
    }

    /// Takes out the next order that is reached, with its queue: by queue, then by trigger price, then by
    /// id; trailing stops at the end, by id.
    pub(crate) fn pop_reached(
        &mut self,
        instrument: InstrumentId,
        thresholds: &Thresholds,
    ) -> Option<(u32, usize)> {
        let index = instrument.0 as usize;
        let nearest = &self.nearest[index];
        if let Some(queue) = (0..QUEUES).find(|queue| nearest[*queue] <= thresholds[*queue]) {
            let waiting = self.queues[index * QUEUES + queue].pop().expect("the nearest key is of an order");
            self.note(index, queue);
            self.counts[index] -= 1;
            return Some((waiting.slot, queue));
        }
        let reached = self.trailing[index].iter().enumerate().filter(|(_, row)| row.is_reached(thresholds));
        let (place, _) = reached.min_by_key(|(_, row)| row.order)?;
        let row = self.trailing[index].remove(place);
        self.counts[index] -= 1;
        Some((row.slot, row.queue))
    }

    fn note(&mut self, index: usize, queue: usize) {
        let last = self.queues[index * QUEUES + queue].last();
        self.nearest[index][queue] = last.map_or(NEVER.0, |waiting| waiting.key);
    }
}

tickwerk_domain::persist! {
    Waiting { key, order, slot }
    Trailing { slot, order, queue, trigger }
}

impl Triggers {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { queues, nearest: _, trailing, for_market, counts: _ } = self;
        to.lists(queues);
        to.lists(trailing);
        to.lists(for_market);
    }

    /// Reads them; each is an order that is held and waits for its trigger.
    pub(crate) fn load(orders: &Orders, from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let Self { queues, trailing, for_market, .. } = Self::new();
        let queues = from.lists(queues, TRIGGERS_PER_PRICE_MAX)?;
        let trailing = from.lists(trailing, TRAILING_PER_INSTRUMENT_MAX)?;
        let for_market = from.lists(for_market, WAITING_PER_INSTRUMENT_MAX)?;
        let mut loaded = Self { queues, trailing, for_market, ..Self::new() };
        for index in 0..INSTRUMENTS_MAX {
            for queue in 0..QUEUES {
                let rows = &loaded.queues[index * QUEUES + queue];
                let is_sorted = rows.is_sorted_by(|a, b| a > b);
                ensure(is_sorted, Fault::Broken("triggers are not sorted by price"))?;
                rows.iter().try_for_each(|row| check_waiting(orders, index, row.slot, row.order))?;
                loaded.counts[index] += u32::try_from(rows.len()).expect("queues are small");
                loaded.note(index, queue);
            }
            for row in &loaded.trailing[index] {
                check_waiting(orders, index, row.slot, row.order)?;
                ensure(row.queue < QUEUES, Fault::Missing { what: "queue", found: row.queue as u64 })?;
            }
            loaded.counts[index] += u32::try_from(loaded.trailing[index].len()).expect("queues are small");
            let for_market = &loaded.for_market[index];
            let is_sorted = for_market.is_sorted_by(|(a, _), (b, _)| a < b);
            loaded.counts[index] += u32::try_from(for_market.len()).expect("lists are small");
            ensure(is_sorted, Fault::Broken("orders that wait for their market are not sorted"))?;
            for &(id, slot) in for_market {
                let waits = orders.find(id) == Some(slot)
                    && orders.get(slot).instrument.0 as usize == index
                    && orders.terms(slot).is_some_and(|terms| terms.is_waiting);
                ensure(waits, Fault::Missing { what: "order that waits for its market", found: id.0 })?;
            }
        }
        Ok(loaded)
    }
}

/// Looks whether an order waits in the slot that it should be in.
fn check_waiting(orders: &Orders, index: usize, slot: u32, id: OrderId) -> Result<(), Fault> {
    let waits = orders.find(id) == Some(slot)
        && orders.get(slot).instrument.0 as usize == index
        && orders.terms(slot).is_some_and(|terms| terms.is_indexed);
    ensure(waits, Fault::Missing { what: "held order", found: id.0 })
}

/// The queue of an order: which price triggers it, whose side, and which way it must go.
pub(crate) fn queue_of(order_type: OrderType, by: TriggerBy, side: Side) -> usize {
    let rises = match order_type {
        OrderType::MarketIfTouched | OrderType::LimitIfTouched => side == Side::Sell,
        OrderType::Stop
        | OrderType::StopLimit
        | OrderType::TrailingStop
        | OrderType::Market
        | OrderType::Limit => side == Side::Buy,
    };
    by as usize * 4 + side as usize * 2 + usize::from(rises)
}

/// The price that a threshold stands for.
pub(crate) fn seen(queue: usize, thresholds: &Thresholds) -> Option<Price> {
    let threshold = thresholds[queue];
    (threshold != NEVER.1).then(|| Price(key(queue, threshold)))
}

/// Every second queue waits for a rise.
fn key(queue: usize, price: i64) -> i64 {
    if queue % 2 == 1 { price } else { -price }
}

/// How far the market lets each queue reach.
pub(crate) fn thresholds(market: &Market) -> Thresholds {
    let real = |price: i64| (1..NEVER.0).contains(&price).then_some(price);
    let price = |level: Level| real(level.price.0).filter(|_| level.qty > Qty::ZERO);
    let (bid, ask, last) = (price(market.touch.bid), price(market.touch.ask), price(market.last_trade));
    let mark = market.venue_mark().and_then(real);
    let twice = bid.zip(ask).and_then(|(bid, ask)| bid.checked_add(ask));
    let mut thresholds = [NEVER.1; QUEUES];
    for side in [Side::Buy, Side::Sell] {
        let touch = if side == Side::Buy { ask } else { bid };
        for by in TriggerBy::ALL {
            let first = *by as usize * 4 + side as usize * 2;
            // A mid between two prices has risen to the lower one and fallen to the higher one.
            let (risen, fallen) = match by {
                TriggerBy::Last => (last.or(touch), last.or(touch)),
                TriggerBy::Touch => (touch, touch),
                TriggerBy::Mid => (twice.map(|twice| twice / 2), twice.map(|twice| twice - twice / 2)),
                TriggerBy::Mark => (mark, mark),
            };
            thresholds[first] = fallen.map_or(NEVER.1, |price| -price);
            thresholds[first + 1] = risen.unwrap_or(NEVER.1);
        }
    }
    thresholds
}
