//! The fixed store of orders: found by id and by client order id, open ones linked in order of id.

use super::{Order, lifecycle};
use crate::limits::{OPEN_ORDERS_MAX, ORDERS_MAX};
use std::collections::VecDeque;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{AccountId, ClientOrderId, Digest, OrderId, OrderStatus, SlotIndex};

/// No order.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// All orders that are remembered.
#[derive(Debug)]
pub struct Orders {
    rows: Vec<Order>,
    /// Id of each row, packed, so that a probe for another order does not wait for its row.
    ids: Vec<OrderId>,
    /// [`key`] of each row, packed likewise; 0 where it has no name.
    name_keys: Vec<u64>,
    /// Hash of each row as it counts in the digest; packed, so that a row can be forgotten without reading it.
    hashes: Vec<u64>,
    /// Done orders, the oldest first.
    done: VecDeque<u32>,
    by_id: SlotIndex,
    by_client_id: SlotIndex,
    first_open: u32,
    last_open: u32,
    open_count: usize,
}

impl Default for Orders {
    fn default() -> Self {
        Self::new()
    }
}

impl Orders {
    /// An empty store; all that it ever allocates.
    pub fn new() -> Self {
        Self {
            rows: Vec::with_capacity(ORDERS_MAX),
            ids: Vec::with_capacity(ORDERS_MAX),
            name_keys: Vec::with_capacity(ORDERS_MAX),
            hashes: Vec::with_capacity(ORDERS_MAX),
            done: VecDeque::with_capacity(ORDERS_MAX),
            by_id: SlotIndex::new(ORDERS_MAX),
            by_client_id: SlotIndex::new(ORDERS_MAX),
            first_open: NO_SLOT,
            last_open: NO_SLOT,
            open_count: 0,
        }
    }

    /// Whether one more order may be open.
    pub fn has_room(&self) -> bool {
        self.open_count < OPEN_ORDERS_MAX
    }

    /// Orders that are not done.
    pub fn open_count(&self) -> usize {
        self.open_count
    }

    /// The order in a slot.
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> &Order {
        &self.rows[slot as usize]
    }

    /// The order in a slot, to be changed; [`Orders::commit`] follows.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.rows[slot as usize]
    }

    /// The slot of an order.
    #[inline]
    pub(crate) fn find(&self, id: OrderId) -> Option<u32> {
        self.by_id.find(key_of_id(id), |slot| self.ids[slot as usize] == id)
    }

    /// The order with this id, where it is remembered.
    pub fn by_id(&self, id: OrderId) -> Option<&Order> {
        self.find(id).map(|slot| self.get(slot))
    }

    /// The slot of an order by the client's name for it; `name_key` is the [`key`] of both.
    #[inline]
    pub(crate) fn find_client(&self, account: AccountId, name: &ClientOrderId, name_key: u64) -> Option<u32> {
        self.by_client_id.find(name_key, |slot| {
            if self.name_keys[slot as usize] != name_key {
                return false;
            }
            let order = &self.rows[slot as usize];
            order.account == account && order.client_order_id == *name
        })
    }

    /// The order with the client's name for it, where it is remembered.
    pub fn by_client_id(&self, account: AccountId, name: &ClientOrderId) -> Option<&Order> {
        self.find_client(account, name, key(account, name)).map(|slot| self.get(slot))
    }

    /// Takes an order in as open; `name_key` is the [`key`] of its account and name. The caller has asked [`Orders::has_room`]; a refused order is finished at once.
    pub(crate) fn add(&mut self, order: &Order, name_key: u64, digest: &mut Digest) -> u32 {
        let name_key = if order.client_order_id.is_none() { 0 } else { name_key };
        let slot = if self.rows.len() < ORDERS_MAX {
            self.rows.push(*order);
            self.ids.push(order.id);
            self.name_keys.push(name_key);
            self.hashes.push(0);
            u32::try_from(self.rows.len() - 1).expect("ORDERS_MAX fits 32 bits")
        } else {
            let slot = self.done.pop_front().expect("fewer orders may be open than the store holds");
            self.forget(slot, digest);
            self.rows[slot as usize] = *order;
            self.ids[slot as usize] = order.id;
            self.name_keys[slot as usize] = name_key;
            slot
        };
        self.by_id.insert(key_of_id(order.id), slot);
        if name_key != 0 {
            self.by_client_id.insert(name_key, slot);
        }
        self.link(slot);
        slot
    }

    /// Moves an order to a state; the move must be allowed.
    pub(crate) fn set_status(&mut self, slot: u32, to: OrderStatus) {
        let order = self.get_mut(slot);
        assert!(lifecycle::is_allowed(order.status, to), "order {}: {} to {to}", order.id, order.status);
        order.status = to;
        if to.is_done() {
            self.unlink(slot);
            self.done.push_back(slot);
        }
    }

    /// Brings the digest up to date with an order.
    pub(crate) fn commit(&mut self, slot: u32, digest: &mut Digest) {
        let hash = self.get(slot).hash();
        digest.update(&mut self.hashes[slot as usize], hash);
    }

    /// Slots of open orders in order of id, from the first one after `after`.
    pub(crate) fn first_open_after(&self, after: OrderId) -> Option<u32> {
        let mut slot = match self.find(after) {
            Some(slot) if !self.get(slot).status.is_done() => self.get(slot).next_open,
            Some(_) | None => self.first_open,
        };
        while slot != NO_SLOT && self.get(slot).id <= after {
            slot = self.get(slot).next_open;
        }
        (slot != NO_SLOT).then_some(slot)
    }

    /// The slot of the open order that follows in order of id.
    pub(crate) fn next_open(&self, slot: u32) -> Option<u32> {
        let next = self.get(slot).next_open;
        (next != NO_SLOT).then_some(next)
    }

    /// Open orders in order of id.
    pub fn open(&self) -> impl Iterator<Item = &Order> {
        let first = (self.first_open != NO_SLOT).then_some(self.first_open);
        std::iter::successors(first, |slot| self.next_open(*slot)).map(|slot| self.get(slot))
    }

    /// All orders that are remembered, in no useful order.
    pub fn remembered(&self) -> impl Iterator<Item = &Order> {
        self.rows.iter()
    }

    fn forget(&mut self, slot: u32, digest: &mut Digest) {
        let (ids, name_keys, place) = (&self.ids, &self.name_keys, slot as usize);
        digest.update(&mut self.hashes[place], 0);
        self.by_id.remove(key_of_id(ids[place]), slot, |other| key_of_id(ids[other as usize]));
        if name_keys[place] != 0 {
            self.by_client_id.remove(name_keys[place], slot, |other| name_keys[other as usize]);
        }
    }

    fn link(&mut self, slot: u32) {
        let last = std::mem::replace(&mut self.last_open, slot);
        self.get_mut(slot).previous_open = last;
        match last {
            NO_SLOT => self.first_open = slot,
            _ => self.get_mut(last).next_open = slot,
        }
        self.open_count += 1;
    }

    fn unlink(&mut self, slot: u32) {
        let (previous, next) = (self.get(slot).previous_open, self.get(slot).next_open);
        match previous {
            NO_SLOT => self.first_open = next,
            _ => self.get_mut(previous).next_open = next,
        }
        match next {
            NO_SLOT => self.last_open = previous,
            _ => self.get_mut(next).previous_open = previous,
        }
        self.open_count -= 1;
    }
}

fn key_of_id(id: OrderId) -> u64 {
    id.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Hash of an account and the client's name for an order; never 0.
pub(crate) fn key(account: AccountId, name: &ClientOrderId) -> u64 {
    let mut words = [0; 6];
    for (word, bytes) in words.iter_mut().zip(name.bytes().chunks(8)) {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_le_bytes(wide);
    }
    words[5] = u64::from(account.0);
    row_hash(0x0402, &words).max(1)
}
