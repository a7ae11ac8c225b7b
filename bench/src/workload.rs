//! The committed workload `mixed-v1`, and its sibling for the core alone.
//!
//! A block of [`BLOCK`] commands is made once from a fixed seed and then repeated for ever. Each round patches only what
//! must be new: the number within the source, the time, and client order ids. So any number of commands costs the
//! memory of one block and a few nanoseconds each, which the measured threads do not get.
//!
//! Four markets (spot, two linear contracts, one inverse) move by random steps of a tick and end each block where they
//! began. Two of them are seen by quotes, two by book updates. Around their touch three accounts trade, and an EMA
//! crossover on each market with a fourth. Every limit is set for all of them; balances are too large ever to run out.
//!
//! Of the commands of `mixed-v1`:
//!
//! | share | command |
//! |---|---|
//! | 77.8 % | market data: of it 87 % quotes or book updates of 2 to 6 levels, 13 % trades |
//! | 13.7 % | new orders: 60 % limit GTC from the own touch to 8 ticks behind it, 18 % limit IOC at the opposite touch, 18 % market, 4 % that a risk rule refuses (quantity, collar, tick); the position limit refuses some 7 % more |
//! | 8.5 % | cancels by client order id: one for each GTC order, 200 to 1,200 commands later; four in ten come too late |
//!
//! `order-flow` has 45 % new orders, 27 % cancels and 28 % market data, each of the same kind.
//!
//! On top of these come what the core owes itself: the venue's acceptances, fills and cancels, 26 for
//! each 100 commands of `mixed-v1`. Invariant: each GTC
//! order is followed by its cancel within a third of a block, so the number of open orders is bounded.

mod definitions;
mod market;
pub(crate) mod random;

pub use definitions::setup;

use definitions::{MARKETS, TRADERS};
use market::MarketModel;
use random::Random;
use tickwerk_domain::command::{CancelOrder, NewOrder};
use tickwerk_domain::{
    AccountId, ClientOrderId, Command, CorrelationId, Envelope, OrderId, OrderType, Payload, Price, Qty,
    Record, Side, SourceId, TextId, TimeInForce, TimeNs,
};

/// Commands of a block.
pub const BLOCK: usize = 4096;
/// Commands that are published at once.
pub const BATCH: usize = 32;

const _: () = assert!(BLOCK.is_multiple_of(BATCH), "a block is whole batches");

/// Where the commands come from.
pub const SOURCE: SourceId = SourceId::FIRST_FEED;
const SEED: u64 = 0x7469_636b_7765_726b;
/// Time of the setup: 2026-01-01.
const START: TimeNs = TimeNs(1_767_225_600_000_000_000);
/// Average time from one command to the next.
const STEP_NS: u32 = 5_000;
/// Lots that an account's orders may lean to one side, as far as the workload knows.
const LEAN_MAX: i64 = 40;
const CANCEL_AFTER_MIN: u32 = 200;
const CANCEL_AFTER_SPAN: u32 = 1_000;

/// What a workload is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mix {
    /// Its name.
    pub name: &'static str,
    /// New orders in a thousand commands; cancels come beside them.
    orders_per_mille: u32,
}

/// Market data, orders, cancels and fills around a moving touch: the workload of all published figures.
pub const MIXED_V1: Mix = Mix { name: "mixed-v1", orders_per_mille: 125 };
/// Mostly orders and cancels: what the core alone is measured with.
pub const ORDER_FLOW: Mix = Mix { name: "order-flow", orders_per_mille: 450 };

/// A command whose client order id is patched each round.
#[derive(Clone, Copy, Debug)]
struct Named {
    place: usize,
    /// Number of the name, counted from the first of the round; negative for an order of the round before.
    number: i64,
}

/// An endless sequence of commands.
#[derive(Clone, Debug)]
pub struct Workload {
    block: Vec<Record>,
    named: Vec<Named>,
    /// Names of a round.
    names: i64,
    /// Time of a round.
    span_ns: u64,
    /// Rounds that were begun, the current one included.
    round: i64,
    place: usize,
    next_named: usize,
}

impl Workload {
    /// The commands of `mix`, which follow [`setup`].
    pub fn new(mix: Mix) -> Self {
        let Block { records, named, names, span_ns } = BlockBuilder::new(mix).build();
        Self { block: records, named, names, span_ns, round: 1, place: 0, next_named: 0 }
    }

    /// The next batch: always [`BATCH`] commands.
    #[inline]
    pub fn next_batch(&mut self) -> &[Record] {
        if self.place == BLOCK {
            self.place = 0;
            self.next_named = 0;
            self.round += 1;
        }
        let end = self.place + BATCH;
        let batch = &mut self.block[self.place..end];
        if self.round > 1 {
            for record in &mut *batch {
                record.envelope.source_sequence += BLOCK as u64;
                record.envelope.time_ns.0 += self.span_ns;
            }
        }
        while let Some(named) = self.named.get(self.next_named).filter(|named| named.place < end) {
            let name = name_of(self.round * self.names + named.number);
            let Payload::Command(command) = &mut batch[named.place - self.place].payload else { break };
            if let Command::NewOrder(order) = command {
                order.client_order_id = name;
            } else if let Command::CancelOrder(cancel) = command {
                cancel.client_order_id = name;
            }
            self.next_named += 1;
        }
        self.place = end;
        batch
    }
}

/// A name of eight characters for a number: six bits each, the lowest first.
fn name_of(number: i64) -> ClientOrderId {
    let mut rest = number;
    let text: [u8; 8] = std::array::from_fn(|_| {
        let digit = u8::try_from(rest & 0x3f).unwrap_or(0);
        rest >>= 6;
        b'0' + digit
    });
    std::str::from_utf8(&text)
        .ok()
        .and_then(|text| ClientOrderId::new(text).ok())
        .unwrap_or(ClientOrderId::NONE)
}

struct Block {
    records: Vec<Record>,
    named: Vec<Named>,
    names: i64,
    span_ns: u64,
}

/// What stands at a place of the block.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Market,
    Order(Entry),
    /// Of the order with this name, and whether it is one of the round before.
    Cancel {
        number: i64,
        account: AccountId,
        in_next_round: bool,
    },
}

/// How an order enters.
#[derive(Clone, Copy, Debug)]
struct Entry {
    number: i64,
    account: AccountId,
    market: usize,
    terms: Terms,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Terms {
    /// Limit, GTC.
    Resting,
    /// Limit, IOC, at the opposite touch.
    Taking,
    Market,
    TooLarge,
    OutsideCollar,
    OffTick,
}

struct BlockBuilder {
    random: Random,
    plans: Vec<Plan>,
    markets: Vec<MarketModel>,
    /// Lots that each account's orders lean to in each market.
    lean: Vec<i64>,
    names: i64,
}

impl BlockBuilder {
    fn new(mix: Mix) -> Self {
        let mut builder = Self {
            random: Random::new(SEED),
            plans: vec![Plan::Market; BLOCK],
            markets: Vec::new(),
            lean: vec![0; TRADERS.len() * MARKETS.len()],
            names: 0,
        };
        builder.plan_orders(mix);
        builder.plan_cancels();
        builder
    }

    fn plan_orders(&mut self, mix: Mix) {
        for plan in &mut self.plans {
            if self.random.below(1000) >= mix.orders_per_mille {
                continue;
            }
            let terms = match self.random.below(100) {
                0..60 => Terms::Resting,
                60..78 => Terms::Taking,
                78..96 => Terms::Market,
                96 | 97 => Terms::TooLarge,
                98 => Terms::OutsideCollar,
                _ => Terms::OffTick,
            };
            let (account, market) = (self.random.pick(&TRADERS), self.random.index(MARKETS.len()));
            *plan = Plan::Order(Entry { number: self.names, account, market, terms });
            self.names += 1;
        }
    }

    fn plan_cancels(&mut self) {
        for place in 0..BLOCK {
            let Plan::Order(Entry { number, account, terms: Terms::Resting, .. }) = self.plans[place] else {
                continue;
            };
            let wait = CANCEL_AFTER_MIN + self.random.below(CANCEL_AFTER_SPAN);
            let mut target = place + wait as usize;
            while !matches!(self.plans[target % BLOCK], Plan::Market) {
                target += 1;
            }
            let in_next_round = target >= BLOCK;
            self.plans[target % BLOCK] = Plan::Cancel { number, account, in_next_round };
        }
    }

    fn build(mut self) -> Block {
        let markets: Vec<usize> = (0..BLOCK).map(|_| self.random.index(MARKETS.len())).collect();
        let updates_of = |market: usize| {
            let of_market = markets
                .iter()
                .zip(&self.plans)
                .filter(|(of, plan)| **of == market && matches!(plan, Plan::Market));
            of_market.count()
        };
        self.markets =
            (0..).zip(&MARKETS).map(|(index, market)| MarketModel::new(market, updates_of(index))).collect();
        let mut records = Vec::with_capacity(BLOCK);
        let mut named = Vec::new();
        let mut time = START.0;
        for (place, &market) in markets.iter().enumerate() {
            time += u64::from(1 + self.random.below(2 * STEP_NS));
            let command = match self.plans[place] {
                Plan::Market => self.markets[market].next(&mut self.random),
                Plan::Order(entry) => {
                    named.push(Named { place, number: entry.number });
                    self.order(entry).into()
                }
                Plan::Cancel { number, account, in_next_round } => {
                    let number = if in_next_round { number - self.names } else { number };
                    named.push(Named { place, number });
                    CancelOrder { order: OrderId::NONE, account, client_order_id: ClientOrderId::NONE }.into()
                }
            };
            records.push(record(SOURCE, place as u64 + 1, TimeNs(time), command));
        }
        Block { records, named, names: self.names, span_ns: time - START.0 }
    }

    fn order(&mut self, entry: Entry) -> NewOrder {
        let Entry { account, market, terms, .. } = entry;
        let settings = &MARKETS[market];
        let mut lots = 1 + i64::from(self.random.below(10));
        let side = self.side(account, market, lots);
        let (own, opposite) = self.markets[market].touch(side);
        let behind = -side.sign() * settings.tick * i64::from(self.random.below(9));
        let (mut order_type, mut time_in_force) = (OrderType::Limit, TimeInForce::Gtc);
        let price = match terms {
            Terms::Resting => own + behind,
            Terms::TooLarge => {
                lots = settings.order_lots_max + 1;
                own + behind
            }
            Terms::OutsideCollar => own - side.sign() * own / 4 / settings.tick * settings.tick,
            Terms::OffTick => own + settings.tick / 2,
            Terms::Taking => {
                time_in_force = TimeInForce::Ioc;
                opposite
            }
            Terms::Market => {
                (order_type, time_in_force) = (OrderType::Market, TimeInForce::Ioc);
                0
            }
        };
        let qty = Qty(lots * settings.lot);
        let plain = NewOrder::limit(account, settings.instrument, side, Price(price), qty);
        NewOrder { order_type, time_in_force, ..plain }
    }

    /// A random side, but for an account that already leans: positions stay around zero.
    fn side(&mut self, account: AccountId, market: usize, lots: i64) -> Side {
        let trader = TRADERS.iter().position(|trader| *trader == account).unwrap_or(0);
        let lean = &mut self.lean[trader * MARKETS.len() + market];
        let side = match *lean {
            lean if lean > LEAN_MAX => Side::Sell,
            lean if lean < -LEAN_MAX => Side::Buy,
            _ if self.random.below(2) == 0 => Side::Buy,
            _ => Side::Sell,
        };
        *lean += side.sign() * lots;
        side
    }
}

fn record(source: SourceId, source_sequence: u64, time_ns: TimeNs, command: Command) -> Record {
    let envelope = Envelope {
        time_ns,
        source_time: time_ns,
        source,
        source_sequence,
        actor: TextId(1),
        correlation: CorrelationId(source_sequence),
        ..Envelope::default()
    };
    Record { envelope, payload: Payload::Command(command) }
}

#[cfg(test)]
mod tests;
