//! The matching stream: adds, cancels, replaces and matches around a moving touch, and our book on it.
//!
//! About [`RESTING`] orders rest; of 100 steps some 82 add or cancel, 10 replace (half of them only shrink) and 8 take.
//! Prices are integers, passive ones near the touch more often than far from it, and the middle wanders. A stream is
//! the same for the same seed. It is made by a plain model, which also says what must trade; whoever runs the stream
//! folds its trades into the same checksum.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tickwerk_domain::{Price, Qty, SelfTradePrevention, Side};
use tickwerk_venue::book::{Effect, MatchingBook, NewOrder, Replace};

/// About how many orders rest.
pub const RESTING: usize = 1_000;
/// Where the middle starts.
const MIDDLE: i64 = 100_000;
/// How far from the middle a passive order may be.
const DEPTH: u64 = 50;
/// How far through the middle an order reaches that takes.
const FAR: i64 = 1_000;
const ORDERS_MAX: usize = 2_048;
/// More effects than one order of the stream can have.
const EFFECTS_MAX: usize = ORDERS_MAX;

/// One step of the stream. The id of an order is the place of the step that brought it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A limit order; it may match.
    Limit {
        /// Which way.
        side: Side,
        /// Its limit.
        price: i64,
        /// How much.
        qty: i64,
    },
    /// A resting order goes.
    Cancel {
        /// Which.
        id: u64,
    },
    /// A resting order gets less quantity at its price, or another price; it does not match.
    Replace {
        /// Which.
        id: u64,
        /// Its price after.
        price: i64,
        /// Its open quantity after.
        qty: i64,
        /// Whether it keeps its place: same price, less quantity.
        shrinks: bool,
    },
}

/// Steps and what must come of them.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The steps.
    pub steps: Vec<Step>,
    /// What they must trade.
    pub trades: Trades,
}

/// Trades, counted and folded in their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trades {
    /// How many.
    pub count: u64,
    /// A fold of all of them.
    pub checksum: u64,
}

impl Trades {
    /// One more.
    #[inline]
    pub fn add(&mut self, maker: u64, taker: u64, price: u64, qty: u64) {
        self.count += 1;
        let words = (maker << 32 | taker) ^ (price << 20 | qty);
        self.checksum = (self.checksum.rotate_left(7) ^ words).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// What a run came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// What it traded.
    pub trades: Trades,
    /// How long it took.
    pub elapsed: Duration,
}

impl Run {
    /// Steps in a second.
    #[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a figure to read")]
    pub fn operations_per_second(&self, steps: usize) -> f64 {
        steps as f64 / self.elapsed.as_secs_f64()
    }
}

impl Stream {
    /// The stream of `seed`, with `count` steps.
    pub fn new(seed: u64, count: usize) -> Self {
        let mut random = Random(seed | 1);
        let (mut model, mut middle) = (Model::default(), MIDDLE);
        let steps = (0_u64..).take(count).map(|id| {
            if random.below(64) == 0 {
                middle += if random.below(2) == 0 { 1 } else { -1 };
            }
            let step = model.choose(&mut random, middle);
            model.take(id, step);
            step
        });
        let steps = steps.collect();
        Self { steps, trades: model.trades }
    }
}

/// Runs the steps through our book.
pub fn run(steps: &[Step]) -> Run {
    let mut book = MatchingBook::new(ORDERS_MAX);
    let mut trades = Trades::default();
    let start = Instant::now();
    for (id, step) in (0_u64..).zip(steps) {
        take(&mut book, id, step, &mut trades);
    }
    Run { trades, elapsed: start.elapsed() }
}

#[inline]
fn take(book: &mut MatchingBook, id: u64, step: &Step, trades: &mut Trades) {
    let mut emit = |effect| match effect {
        Effect::Traded { maker, taker, price, qty, .. } => {
            trades.add(maker, taker, price.0.cast_unsigned(), qty.0.cast_unsigned());
        }
        Effect::Crossed { .. } | Effect::Decremented { .. } | Effect::Canceled { .. } => {}
    };
    let is_taken = match *step {
        Step::Limit { side, price, qty } => {
            let order = NewOrder::limit(id, side, Price(price), Qty(qty));
            book.submit(&order, EFFECTS_MAX, &mut emit).is_ok()
        }
        Step::Cancel { id } => book.cancel(id).is_ok(),
        Step::Replace { id, price, qty, .. } => {
            let self_trade = SelfTradePrevention::Off;
            let replace = Replace { id, price: Price(price), qty: Qty(qty), post_only: false, self_trade };
            book.replace(&replace, EFFECTS_MAX, &mut emit).is_ok()
        }
    };
    assert!(is_taken, "the stream names resting orders only");
}

/// What the model knows of a resting order.
#[derive(Clone, Copy, Debug)]
struct Resting {
    id: u64,
    side: Side,
    price: i64,
    qty: i64,
}

/// Price-time priority, plain: queues of ids by price, and a list of what rests.
#[derive(Debug, Default)]
struct Model {
    orders: Vec<Resting>,
    bids: BTreeMap<i64, VecDeque<u64>>,
    asks: BTreeMap<i64, VecDeque<u64>>,
    trades: Trades,
}

impl Model {
    fn choose(&self, random: &mut Random, middle: i64) -> Step {
        let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let qty = 1 + random.signed_below(100);
        let draw = random.below(100);
        let is_full = random.below(2 * RESTING as u64) < self.orders.len() as u64;
        if self.orders.is_empty() || draw >= 18 && !is_full {
            return Step::Limit { side, price: self.passive(random, side, middle), qty };
        }
        if draw >= 18 {
            return Step::Cancel { id: self.any(random).id };
        }
        if draw >= 10 {
            // So far through the touch that it is filled: matchcore 0.4 matches past the limit of an order that crosses.
            let price = match side {
                Side::Buy => middle + FAR,
                Side::Sell => middle - FAR,
            };
            let there: i64 =
                self.orders.iter().filter(|order| order.side != side).map(|order| order.qty).sum();
            if there <= qty * 2 {
                return Step::Cancel { id: self.any(random).id };
            }
            return Step::Limit { side, price, qty: qty * 2 };
        }
        let order = self.any(random);
        if draw >= 5 && order.qty > 1 {
            let qty = 1 + random.signed_below(order.qty.cast_unsigned() - 1);
            return Step::Replace { id: order.id, price: order.price, qty, shrinks: true };
        }
        let price = self.passive(random, order.side, middle);
        if price == order.price {
            return Step::Cancel { id: order.id };
        }
        Step::Replace { id: order.id, price, qty, shrinks: false }
    }

    /// A price that does not match, near the touch more often than far from it.
    fn passive(&self, random: &mut Random, side: Side, middle: i64) -> i64 {
        let distance = 1 + random.signed_below(DEPTH).min(random.signed_below(DEPTH));
        match side {
            Side::Buy => (middle - distance).min(self.best(Side::Sell).unwrap_or(i64::MAX) - 1),
            Side::Sell => (middle + distance).max(self.best(Side::Buy).unwrap_or(i64::MIN) + 1),
        }
    }

    fn any(&self, random: &mut Random) -> Resting {
        let place = usize::try_from(random.below(self.orders.len() as u64)).expect("below the length");
        self.orders[place]
    }

    fn best(&self, side: Side) -> Option<i64> {
        match side {
            Side::Buy => self.bids.keys().next_back().copied(),
            Side::Sell => self.asks.keys().next().copied(),
        }
    }

    fn take(&mut self, id: u64, step: Step) {
        match step {
            Step::Limit { side, price, qty } => self.limit(id, side, price, qty),
            Step::Cancel { id } => {
                self.remove(id);
            }
            Step::Replace { id, qty, shrinks: true, .. } => {
                let place = self.place(id);
                self.orders[place].qty = qty;
            }
            Step::Replace { id, price, qty, shrinks: false } => {
                let order = self.remove(id);
                self.limit(id, order.side, price, qty);
            }
        }
    }

    fn limit(&mut self, id: u64, side: Side, price: i64, mut qty: i64) {
        while let Some(best) = self.best(side.opposite())
            && qty > 0
            && (best - price) * side.sign() <= 0
        {
            let maker = self.queues(side.opposite())[&best][0];
            let place = self.place(maker);
            let traded = qty.min(self.orders[place].qty);
            qty -= traded;
            self.orders[place].qty -= traded;
            self.trades.add(maker, id, best.cast_unsigned(), traded.cast_unsigned());
            if self.orders[place].qty == 0 {
                self.remove(maker);
            }
        }
        if qty > 0 {
            self.orders.push(Resting { id, side, price, qty });
            self.queues(side).entry(price).or_default().push_back(id);
        }
    }

    fn remove(&mut self, id: u64) -> Resting {
        let place = self.place(id);
        let order = self.orders.swap_remove(place);
        let queues = self.queues(order.side);
        let queue = queues.get_mut(&order.price).expect("a resting order has a level");
        queue.retain(|other| *other != id);
        if queue.is_empty() {
            queues.remove(&order.price);
        }
        order
    }

    fn place(&self, id: u64) -> usize {
        self.orders.iter().position(|order| order.id == id).expect("the stream names resting orders only")
    }

    fn queues(&mut self, side: Side) -> &mut BTreeMap<i64, VecDeque<u64>> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// Xorshift with a multiplied output (Sebastiano Vigna's xorshift64*).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn signed_below(&mut self, bound: u64) -> i64 {
        self.below(bound).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_book_trades_as_the_model_does() {
        for seed in 1..=3 {
            let stream = Stream::new(seed, 20_000);
            assert!(stream.trades.count > 1_000);
            assert_eq!(run(&stream.steps).trades, stream.trades);
        }
    }

    #[test]
    fn the_stream_keeps_about_as_many_orders_as_it_says() {
        let mut book = MatchingBook::new(ORDERS_MAX);
        let stream = Stream::new(7, 40_000);
        for (id, step) in (0_u64..).zip(&stream.steps) {
            take(&mut book, id, step, &mut Trades::default());
        }
        assert!((RESTING * 7 / 10..RESTING * 12 / 10).contains(&book.book().len()), "{}", book.book().len());
    }
}
