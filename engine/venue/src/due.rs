//! What the venue owes, by due time and then by creation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tickwerk_domain::command::{FillReported, OrderReported};
use tickwerk_domain::digest::{row_hash, words_of};
use tickwerk_domain::{Digest, OrderId, TimeNs};

/// Items that may be owed at one time.
pub const DUE_MAX: usize = 8 * crate::VENUE_ORDERS_MAX;
/// From here on resting orders wait for the next update of the market, so that arrivals always find a place.
const CROWDED: usize = DUE_MAX / 2;
/// From here on orders and cancels are lost on their way, so that the reports of those before always find a place.
const FULL: usize = DUE_MAX - 2 * crate::VENUE_ORDERS_MAX;

/// Something that happens at the venue or is reported from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// The order in this slot arrives.
    Arrival(u32),
    /// A cancel arrives.
    Cancel(OrderId),
    /// A report goes out.
    Order(OrderReported),
    /// A fill goes out.
    Fill(FillReported),
}

/// A queue of fixed size.
#[derive(Debug)]
pub(crate) struct DueQueue {
    heap: BinaryHeap<Reverse<(TimeNs, u64, u32)>>,
    items: Vec<Due>,
    free: Vec<u32>,
    created: u64,
}

impl DueQueue {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::with_capacity(DUE_MAX),
            items: Vec::with_capacity(DUE_MAX),
            free: Vec::with_capacity(DUE_MAX),
            created: 0,
        }
    }

    /// Owes `item` at `due`.
    pub(crate) fn push(&mut self, due: TimeNs, item: Due, digest: &mut Digest) {
        assert!(
            self.heap.len() < DUE_MAX,
            "every open order owes a few items, and fills stop when it gets crowded"
        );
        self.created += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.items.push(item);
            u32::try_from(self.items.len() - 1).expect("DUE_MAX fits 32 bits")
        });
        self.items[place as usize] = item;
        self.heap.push(Reverse((due, self.created, place)));
        digest.replace(0, hash(due, self.created, &item));
    }

    /// Takes the first item that is due at `now` or before.
    pub(crate) fn pop(&mut self, now: TimeNs, digest: &mut Digest) -> Option<(TimeNs, Due)> {
        let Reverse((due, created, place)) = *self.heap.peek()?;
        if due > now {
            return None;
        }
        self.heap.pop();
        self.free.push(place);
        let item = self.items[place as usize];
        digest.replace(hash(due, created, &item), 0);
        Some((due, item))
    }

    pub(crate) fn next_due(&self) -> Option<TimeNs> {
        self.heap.peek().map(|Reverse((due, _, _))| *due)
    }

    /// Whether an order or a cancel may still come: each arrival turns into up to three reports.
    pub(crate) fn has_room(&self) -> bool {
        self.heap.len() < FULL
    }

    pub(crate) fn is_crowded(&self) -> bool {
        self.heap.len() >= CROWDED
    }
}

/// The slot of an arrival is left out: it is an address, and the order's own row stands for it.
fn hash(due: TimeNs, created: u64, item: &Due) -> u64 {
    match item {
        Due::Arrival(_) => row_hash(1, &[due.0, created]),
        Due::Cancel(order) => row_hash(2, &[due.0, created, order.0]),
        Due::Order(report) => {
            let what = u64::from(report.reason.0) << 8 | report.kind as u64;
            row_hash(3, &[due.0, created, report.order.0, report.venue_order_id, what])
        }
        Due::Fill(report) => {
            let [high, low] = words_of(report.fee.get());
            let [price, qty] = [report.price.0, report.qty.0].map(i64::cast_unsigned);
            let how = report.liquidity as u64;
            row_hash(4, &[due.0, created, report.order.0, report.execution_id, price, qty, high, low, how])
        }
    }
}
