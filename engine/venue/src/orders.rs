//! The venue's own view of the orders that it was sent and that are not done.

use tickwerk_domain::digest::row_hash;
use tickwerk_domain::event::OrderSubmitted;
use tickwerk_domain::{
    Digest, InstrumentId, OrderId, OrderType, Price, Qty, Side, SlotIndex, TimeInForce, TimeNs,
};

/// Orders that the venue holds; not fewer than the core may have open.
pub const VENUE_ORDERS_MAX: usize = 32_768;

/// An order as the venue sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct VenueOrder {
    pub(crate) order: OrderId,
    pub(crate) price: Price,
    pub(crate) leaves: Qty,
    pub(crate) executions: u64,
    /// Number of the order at the venue, in order of decision; breaks ties of price.
    pub(crate) arrival: u64,
    /// When it arrives.
    pub(crate) arrives: TimeNs,
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
}

/// A store of fixed size.
#[derive(Debug)]
pub(crate) struct VenueOrders {
    rows: Vec<VenueOrder>,
    free: Vec<u32>,
    index: SlotIndex,
    arrivals: u64,
}

impl VenueOrders {
    pub(crate) fn new() -> Self {
        Self {
            rows: Vec::with_capacity(VENUE_ORDERS_MAX),
            free: Vec::with_capacity(VENUE_ORDERS_MAX),
            index: SlotIndex::new(VENUE_ORDERS_MAX),
            arrivals: 0,
        }
    }

    /// Whether one more order fits.
    pub(crate) fn has_room(&self) -> bool {
        self.len() < VENUE_ORDERS_MAX
    }

    /// Takes a new order; the caller has asked [`VenueOrders::has_room`].
    pub(crate) fn add(&mut self, order: &OrderSubmitted, arrives: TimeNs, digest: &mut Digest) -> u32 {
        self.arrivals += 1;
        let row = VenueOrder {
            order: order.order,
            price: order.price,
            leaves: order.qty,
            executions: 0,
            arrival: self.arrivals,
            arrives,
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            assert!(self.rows.len() < VENUE_ORDERS_MAX, "the caller asks for room first");
            self.rows.push(row);
            u32::try_from(self.rows.len() - 1).expect("VENUE_ORDERS_MAX fits 32 bits")
        });
        self.rows[slot as usize] = row;
        self.index.insert(key(order.order), slot);
        digest.replace(0, hash(&row));
        slot
    }

    pub(crate) fn get(&self, slot: u32) -> &VenueOrder {
        &self.rows[slot as usize]
    }

    pub(crate) fn find(&self, order: OrderId) -> Option<u32> {
        self.index.find(key(order), |slot| self.rows[slot as usize].order == order)
    }

    /// Books a fill of `qty` and gives the order back.
    pub(crate) fn filled(&mut self, slot: u32, qty: Qty, digest: &mut Digest) -> VenueOrder {
        let row = &mut self.rows[slot as usize];
        let before = hash(row);
        row.leaves.0 -= qty.0;
        row.executions += 1;
        digest.replace(before, hash(row));
        *row
    }

    pub(crate) fn remove(&mut self, slot: u32, digest: &mut Digest) {
        let row = self.rows[slot as usize];
        digest.replace(hash(&row), 0);
        let rows = &self.rows;
        self.index.remove(key(row.order), slot, |other| key(rows[other as usize].order));
        self.free.push(slot);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }
}

fn key(order: OrderId) -> u64 {
    order.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn hash(row: &VenueOrder) -> u64 {
    let [price, leaves] = [row.price.0, row.leaves.0].map(i64::cast_unsigned);
    let terms = (row.side as u64) << 16 | (row.order_type as u64) << 8 | row.time_in_force as u64;
    row_hash(
        5,
        &[row.order.0, price, leaves, row.executions, row.arrival, u64::from(row.instrument.0), terms],
    )
}
