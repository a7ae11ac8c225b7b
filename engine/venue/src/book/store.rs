//! The orders of a book in fixed slots, found by id.

use super::BookOrder;
use super::ladder::NIL;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{Price, Qty, Side, SlotIndex};

/// An order with its neighbours in the queue. One cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) order: BookOrder,
    /// What the order contributes to the digest.
    pub(super) row: u64,
    pub(super) next: u32,
    pub(super) prev: u32,
    /// The queue of its level.
    pub(super) queue: u32,
}

const _: () = assert!(size_of::<Node>() == 64);

/// What an iceberg holds back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Reserve {
    /// The largest quantity that is shown at a time.
    pub(super) display: Qty,
    /// What is not shown yet.
    pub(super) left: Qty,
}

#[derive(Debug)]
pub(super) struct Store {
    nodes: Box<[Node]>,
    reserves: Box<[Reserve]>,
    /// First of the free slots, which are linked by `next`.
    free: u32,
    len: usize,
    index: SlotIndex,
}

impl Store {
    /// Room for `orders_max` orders, a power of two.
    pub(super) fn new(orders_max: usize) -> Self {
        let slots = u32::try_from(orders_max).expect("orders_max is below 2³²");
        let order = BookOrder::new(0, Side::Buy, Price(0), Qty::ZERO, 0);
        let node = |slot| Node {
            order,
            row: 0,
            next: if slot + 1 < slots { slot + 1 } else { NIL },
            prev: NIL,
            queue: NIL,
        };
        Self {
            nodes: (0..slots).map(node).collect(),
            reserves: vec![Reserve::default(); orders_max].into_boxed_slice(),
            free: 0,
            len: 0,
            index: SlotIndex::new(orders_max),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn orders_max(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.free != NIL
    }

    #[inline]
    pub(super) fn find(&self, id: u64) -> Option<u32> {
        self.index.find(hash(id), |slot| self.nodes[slot as usize].order.id == id)
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> &Node {
        &self.nodes[slot as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }

    /// What the order of `slot` holds back.
    #[inline]
    pub(super) fn reserve(&self, slot: u32) -> Reserve {
        if self.get(slot).order.is_iceberg { self.reserves[slot as usize] } else { Reserve::default() }
    }

    #[inline]
    pub(super) fn set_reserve(&mut self, slot: u32, reserve: Reserve) {
        self.reserves[slot as usize] = reserve;
    }

    /// Takes a free slot, of which there is one, for an order whose id is not there.
    #[inline]
    pub(super) fn insert(&mut self, order: BookOrder) -> u32 {
        let slot = self.free;
        let node = &mut self.nodes[slot as usize];
        self.free = node.next;
        *node = Node { order, row: 0, next: NIL, prev: NIL, queue: NIL };
        self.index.insert(hash(order.id), slot);
        self.len += 1;
        slot
    }

    /// Frees a slot whose order is in no queue any more.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32) {
        let Self { nodes, index, .. } = self;
        index.remove(hash(nodes[slot as usize].order.id), slot);
        nodes[slot as usize].next = self.free;
        self.free = slot;
        self.len -= 1;
    }

    /// Hash of the order's row, with what it hides.
    #[inline]
    pub(super) fn row(&self, slot: u32) -> u64 {
        let order = &self.get(slot).order;
        let [price, qty] = [order.price.0, order.qty.0].map(i64::cast_unsigned);
        let tag = TAG_BID + u64::from(order.side == Side::Sell);
        if order.owner == 0 && !order.is_iceberg {
            return row_hash(tag, &[order.id, price, qty, order.priority]);
        }
        let reserve = self.reserve(slot);
        let [display, left] = [reserve.display.0, reserve.left.0].map(i64::cast_unsigned);
        row_hash(tag, &[order.id, price, qty, order.priority, u64::from(order.owner), display, left])
    }
}

/// Ids come in runs and in strides; a product spreads both.
#[inline]
fn hash(id: u64) -> u64 {
    id.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The tag of a bid; an ask has the next one.
const TAG_BID: u64 = 0x0152;
