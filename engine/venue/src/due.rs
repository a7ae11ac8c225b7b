//! What is on its way between the core and the venue, by due time and then by creation.

use crate::orders::{Stage, VenueOrders};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tickwerk_domain::command::{FillReported, OrderReported, ReplaceReported};
use tickwerk_domain::digest::{row_hash, words_of};
use tickwerk_domain::event::ReplaceSubmitted;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist, ensure};
use tickwerk_domain::{Digest, InstrumentId, OrderId, TimeNs};

/// Items that may be on their way at one time.
pub const DUE_MAX: usize = 8 * crate::VENUE_ORDERS_MAX;

/// Something that comes to the venue or is reported from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// The order in this slot arrives.
    Arrival(u32),
    /// A cancel arrives.
    Cancel(OrderId, InstrumentId),
    /// A replace arrives.
    Replace(ReplaceSubmitted),
    /// A report goes out.
    Order(OrderReported),
    /// A replace is reported.
    Replaced(ReplaceReported),
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
    /// Replaces on their way to the venue.
    replaces: usize,
}

impl DueQueue {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::with_capacity(DUE_MAX),
            items: Vec::with_capacity(DUE_MAX),
            free: Vec::with_capacity(DUE_MAX),
            created: 0,
            replaces: 0,
        }
    }

    /// Owes `item` at `due`.
    pub(crate) fn push(&mut self, due: TimeNs, item: Due, digest: &mut Digest) {
        assert!(self.heap.len() < DUE_MAX, "what may still become due has its place kept free");
        self.created += 1;
        self.replaces += usize::from(matches!(item, Due::Replace(_)));
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
        self.replaces -= usize::from(matches!(item, Due::Replace(_)));
        digest.replace(hash(due, created, &item), 0);
        Some((due, item))
    }

    pub(crate) fn next_due(&self) -> Option<TimeNs> {
        self.heap.peek().map(|Reverse((due, _, _))| *due)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Items so far: the tie-breaker of the next one is one more.
    pub(crate) fn created(&self) -> u64 {
        self.created
    }

    pub(crate) fn replaces(&self) -> usize {
        self.replaces
    }
}

impl DueQueue {
    /// The items in the order in which they are due; an arrival by its order, as slots are in no image.
    pub(crate) fn save(&self, orders: &VenueOrders, to: &mut ImageWriter) {
        let Self { heap, items, free: _, created, replaces: _ } = self;
        let mut due: Vec<_> = heap.iter().map(|Reverse(of)| *of).collect();
        due.sort_unstable();
        to.count(due.len());
        for (at, created, place) in due {
            (at, created).save(to);
            match &items[place as usize] {
                Due::Arrival(slot) => (0_u8, orders.get(*slot).order).save(to),
                Due::Cancel(order, instrument) => (1_u8, (*order, *instrument)).save(to),
                Due::Replace(replace) => (2_u8, *replace).save(to),
                Due::Order(report) => (3_u8, *report).save(to),
                Due::Replaced(report) => (4_u8, *report).save(to),
                Due::Fill(report) => (5_u8, *report).save(to),
            }
        }
        created.save(to);
    }

    pub(crate) fn load(orders: &VenueOrders, from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let mut queue = Self::new();
        let mut last = (TimeNs::UNKNOWN, 0);
        for place in (0..).take(from.count(DUE_MAX)?) {
            let (due, created): (TimeNs, u64) = from.value()?;
            ensure((due, created) > last, Fault::Twice { what: "item", found: created })?;
            let item = Due::load(orders, from)?;
            queue.replaces += usize::from(matches!(item, Due::Replace(_)));
            queue.items.push(item);
            queue.heap.push(Reverse((due, created, place)));
            queue.created = queue.created.max(created);
            last = (due, created);
        }
        let created = from.value()?;
        ensure(queue.created <= created, Fault::Broken("an item has a number that was not given yet"))?;
        queue.created = created;
        Ok(queue)
    }

    /// What all items count in the digest.
    pub(crate) fn sum(&self, digest: &mut Digest) {
        for Reverse((due, created, place)) in &self.heap {
            digest.replace(0, hash(*due, *created, &self.items[*place as usize]));
        }
    }
}

impl Due {
    fn load(orders: &VenueOrders, from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(match u8::load(from)? {
            0 => {
                let order: OrderId = from.value()?;
                let is_coming = |slot: &u32| orders.get(*slot).stage == Stage::Traveling;
                let slot = orders.find(order).filter(is_coming);
                Self::Arrival(slot.ok_or(Fault::Missing { what: "order that arrives", found: order.0 })?)
            }
            1 => Self::Cancel(from.value()?, from.value()?),
            2 => Self::Replace(from.value()?),
            3 => Self::Order(from.value()?),
            4 => Self::Replaced(from.value()?),
            5 => Self::Fill(from.value()?),
            found => return Err(Fault::Value { what: "item", found: found.into() }),
        })
    }
}

/// The slot of an arrival is left out: it is an address, and the order's own row stands for it.
fn hash(due: TimeNs, created: u64, item: &Due) -> u64 {
    match item {
        Due::Arrival(_) => row_hash(1, &[due.0, created]),
        Due::Cancel(order, instrument) => row_hash(2, &[due.0, created, order.0, u64::from(instrument.0)]),
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
        Due::Replace(asked) => {
            let [price, qty, display] =
                [asked.price.0, asked.qty.0, asked.display_qty.0].map(i64::cast_unsigned);
            let trigger = asked.trigger_price.0.cast_unsigned();
            row_hash(6, &[due.0, created, asked.order.0, price, qty, display, trigger])
        }
        Due::Replaced(report) => {
            let [price, qty, display] =
                [report.price.0, report.qty.0, report.display_qty.0].map(i64::cast_unsigned);
            let trigger = report.trigger_price.0.cast_unsigned();
            let id = report.venue_order_id;
            row_hash(7, &[due.0, created, report.order.0, id, price, qty, display, trigger])
        }
    }
}
