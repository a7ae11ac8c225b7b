//! The venue's own view of the orders that it was sent and that are not done.

use crate::expiries::Expiries;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::event::OrderSubmitted;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist, ensure};
use tickwerk_domain::{
    AccountId, Digest, InstrumentId, OrderId, OrderType, Price, Qty, Side, SlotIndex, TimeInForce, TimeNs,
};

/// Orders that the venue holds; not fewer than the core may have open.
pub const VENUE_ORDERS_MAX: usize = tickwerk_domain::image::capacity(32_768, 64);

/// Where an order is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// On its way, or between two places.
    Traveling,
    /// Rests in the book, or gathers for an auction.
    Resting,
    /// Waits for the closing auction to begin.
    AtClose,
    /// Stands in the book in which all accounts meet.
    Exchanged,
}

/// An order as the venue sees it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct VenueOrder {
    pub(crate) order: OrderId,
    /// Its limit; for a market order a price that every other reaches.
    pub(crate) price: Price,
    /// Order quantity, what is filled included.
    pub(crate) qty: Qty,
    pub(crate) leaves: Qty,
    /// What an iceberg shows at a time; zero where all is shown.
    pub(crate) display: Qty,
    /// What is left of what an iceberg shows; zero where all is shown.
    pub(crate) shown: Qty,
    pub(crate) executions: u64,
    /// Number of the order at the venue, in order of decision.
    pub(crate) arrival: u64,
    /// Breaks ties of price: the number of the arrival, or of what made it lose its place.
    pub(crate) priority: u64,
    /// Estimated quantity of others that is ahead of it.
    pub(crate) front: f64,
    /// What traded at its price since the level was told last.
    pub(crate) traded: Qty,
    /// Its place among the orders of others, where those are told one by one.
    pub(crate) place: u64,
    /// When it arrives, or the last message about it does.
    pub(crate) arrives: TimeNs,
    /// When its last report comes.
    pub(crate) reported: TimeNs,
    /// When it ends; 0 for never.
    pub(crate) expires_at: TimeNs,
    pub(crate) instrument: InstrumentId,
    pub(crate) account: AccountId,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) stage: Stage,
    pub(crate) post_only: bool,
    /// Hash of what never changes.
    fixed: u64,
    /// What the order contributes to the digest.
    row: u64,
}

impl VenueOrder {
    /// Filled so far.
    pub(crate) fn cum(&self) -> Qty {
        Qty(self.qty.0 - self.leaves.0)
    }

    /// Whether the price `there` is at least as good as the limit.
    pub(crate) fn is_met_by(&self, there: Price) -> bool {
        match self.side {
            Side::Buy => there <= self.price,
            Side::Sell => there >= self.price,
        }
    }

    /// The limit price as it is reported.
    pub(crate) fn told_price(&self) -> Price {
        if self.order_type == OrderType::Market { Price(0) } else { self.price }
    }

    /// What an iceberg shows at the start of a peak; zero where all is shown.
    pub(crate) fn peak(&self) -> Qty {
        self.display.min(self.leaves)
    }

    /// What is filled before the order goes to the back of its queue.
    pub(crate) fn open(&self) -> Qty {
        if self.display > Qty::ZERO { self.shown } else { self.leaves }
    }
}

/// A store of fixed size.
#[derive(Debug)]
pub(crate) struct VenueOrders {
    rows: Vec<VenueOrder>,
    free: Vec<u32>,
    index: SlotIndex,
    expiries: Expiries,
    numbers: u64,
}

impl VenueOrders {
    pub(crate) fn new() -> Self {
        Self {
            rows: Vec::with_capacity(VENUE_ORDERS_MAX),
            free: Vec::with_capacity(VENUE_ORDERS_MAX),
            index: SlotIndex::new(VENUE_ORDERS_MAX),
            expiries: Expiries::new(),
            numbers: 0,
        }
    }

    /// Whether one more order fits.
    pub(crate) fn has_room(&self) -> bool {
        self.len() < VENUE_ORDERS_MAX
    }

    /// A number that no order was given yet.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Numbers given so far.
    pub(crate) fn numbers(&self) -> u64 {
        self.numbers
    }

    /// Takes a new order; the caller has asked [`VenueOrders::has_room`].
    pub(crate) fn add(&mut self, order: &OrderSubmitted, arrives: TimeNs, digest: &mut Digest) -> u32 {
        let arrival = self.next_number();
        let mut row = VenueOrder {
            order: order.order,
            price: limit_of(order),
            qty: order.qty,
            leaves: order.qty,
            display: order.display_qty.max(Qty::ZERO),
            shown: Qty::ZERO,
            executions: 0,
            arrival,
            priority: arrival,
            front: 0.0,
            traded: Qty::ZERO,
            place: 0,
            arrives,
            reported: TimeNs::UNKNOWN,
            expires_at: order.expires_at,
            instrument: order.instrument,
            account: order.account,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            stage: Stage::Traveling,
            post_only: order.post_only,
            fixed: 0,
            row: 0,
        };
        row.shown = row.peak();
        row.fixed = hash_of_terms(&row);
        let slot = self.free.pop().unwrap_or_else(|| {
            assert!(self.rows.len() < VENUE_ORDERS_MAX, "the caller asks for room first");
            self.rows.push(row);
            u32::try_from(self.rows.len() - 1).expect("VENUE_ORDERS_MAX fits 32 bits")
        });
        self.rows[slot as usize] = row;
        self.index.insert(key(order.order), slot);
        rehash(&mut self.rows[slot as usize], digest);
        slot
    }

    pub(crate) fn get(&self, slot: u32) -> &VenueOrder {
        &self.rows[slot as usize]
    }

    pub(crate) fn find(&self, order: OrderId) -> Option<u32> {
        self.index.find(key(order), |slot| self.rows[slot as usize].order == order)
    }

    /// Changes a row and gives it back as it is then.
    pub(crate) fn change(
        &mut self,
        slot: u32,
        digest: &mut Digest,
        change: impl FnOnce(&mut VenueOrder),
    ) -> VenueOrder {
        let row = &mut self.rows[slot as usize];
        change(row);
        rehash(row, digest);
        *row
    }

    /// The order ends at its time from here on.
    pub(crate) fn watch_expiry(&mut self, slot: u32) {
        let row = &self.rows[slot as usize];
        self.expiries.set(slot, row.expires_at, row.arrival);
    }

    /// When the next order's time is over, and its slot.
    pub(crate) fn next_expiry(&self) -> Option<(TimeNs, u32)> {
        self.expiries.next()
    }

    pub(crate) fn remove(&mut self, slot: u32, digest: &mut Digest) {
        let row = self.rows[slot as usize];
        digest.replace(row.row, 0);
        self.expiries.take_away(slot);
        self.index.remove(key(row.order), slot);
        self.free.push(slot);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }
}

tickwerk_domain::persist_variants! { Stage { Traveling, Resting, AtClose, Exchanged } }

tickwerk_domain::persist! {
    VenueOrder {
        order, price, qty, leaves, display, shown, executions, arrival, priority, front, traded, place, arrives, reported,
        expires_at, instrument, account, side, order_type, time_in_force, stage, post_only, fixed, row,
    }
}

impl VenueOrders {
    /// The orders that are here, in order of their numbers. Slots are addresses and in no image.
    pub(crate) fn slots(&self) -> Vec<u32> {
        let is_free = |slot: &u32| self.find(self.get(*slot).order) != Some(*slot);
        let mut slots: Vec<u32> = (0..).take(self.rows.len()).filter(|slot| !is_free(slot)).collect();
        slots.sort_unstable_by_key(|slot| self.get(*slot).arrival);
        slots
    }

    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { rows, free: _, index: _, expiries, numbers } = self;
        let slots = self.slots();
        to.count(slots.len());
        for slot in slots {
            rows[slot as usize].save(to);
            expiries.has(slot).save(to);
        }
        numbers.save(to);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let mut rows: Vec<VenueOrder> = Vec::with_capacity(VENUE_ORDERS_MAX);
        let mut index = SlotIndex::new(VENUE_ORDERS_MAX);
        let mut expiries = Expiries::new();
        let mut last = 0;
        for slot in (0..).take(from.count(VENUE_ORDERS_MAX)?) {
            let (row, is_watched): (VenueOrder, bool) = from.value()?;
            let (what, found) = ("order", row.order.0);
            let is_there = index.find(key(row.order), |slot| rows[slot as usize].order == row.order);
            ensure(is_there.is_none() && row.arrival > last, Fault::Twice { what, found })?;
            let is_right = row.fixed == hash_of_terms(&row) && row.row == hash(&row);
            ensure(is_right, Fault::Hash { what, found })?;
            index.insert(key(row.order), slot);
            if is_watched {
                expiries.set(slot, row.expires_at, row.arrival);
            }
            last = row.arrival;
            rows.push(row);
        }
        let numbers = from.value()?;
        ensure(last <= numbers, Fault::Broken("an order has a number that was not given yet"))?;
        let free = Vec::with_capacity(VENUE_ORDERS_MAX);
        Ok(Self { rows, free, index, expiries, numbers })
    }

    /// What all orders count in the digest.
    pub(crate) fn sum(&self, digest: &mut Digest) {
        for slot in self.slots() {
            digest.replace(0, self.get(slot).row);
        }
    }
}

fn limit_of(order: &OrderSubmitted) -> Price {
    match (order.order_type, order.side) {
        (OrderType::Market, Side::Buy) => Price(i64::MAX),
        (OrderType::Market, Side::Sell) => Price(i64::MIN),
        (
            OrderType::Limit
            | OrderType::Stop
            | OrderType::StopLimit
            | OrderType::TrailingStop
            | OrderType::MarketIfTouched
            | OrderType::LimitIfTouched,
            _,
        ) => order.price,
    }
}

fn key(order: OrderId) -> u64 {
    order.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn rehash(row: &mut VenueOrder, digest: &mut Digest) {
    let new = hash(row);
    digest.update(&mut row.row, new);
}

fn hash_of_terms(row: &VenueOrder) -> u64 {
    let terms = u64::from(row.post_only) << 24
        | (row.side as u64) << 16
        | (row.order_type as u64) << 8
        | row.time_in_force as u64;
    let whose = u64::from(row.account.0) << 32 | u64::from(row.instrument.0);
    row_hash(TAG_TERMS, &[row.order.0, row.arrival, row.expires_at.0, whose, terms])
}

fn hash(row: &VenueOrder) -> u64 {
    let numbers = [row.price.0, row.qty.0, row.leaves.0];
    let [price, qty, leaves] = numbers.map(i64::cast_unsigned);
    let stage = row.executions << 8 | row.stage as u64;
    let words = [row.fixed, price, qty, leaves, stage, row.priority, row.arrives.0, row.reported.0];
    let plain = row_hash(TAG_ORDER, &words);
    let (place, queue) = (row.place, [row.display.0, row.shown.0, row.traded.0]);
    let front = row.front.to_bits();
    // Most orders have neither a peak nor a queue.
    if front == 0 && place == 0 && queue == [0; 3] {
        return plain;
    }
    let [display, shown, traded] = queue.map(i64::cast_unsigned);
    row_hash(TAG_QUEUED, &[plain, front, place, display, shown, traded])
}

const TAG_ORDER: u64 = 5;
const TAG_QUEUED: u64 = 8;
const TAG_TERMS: u64 = 9;
