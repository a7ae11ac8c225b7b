//! The fixed store of orders: found by id and by client order id, open ones linked in order of id, once all of them and
//! once for each account and instrument. Rare terms stand in a slab of their own.

mod image;

use super::Order;
use super::links::{Links, NO_GROUP};
use super::terms::{Owed, Terms, is_rare};
use crate::lifecycle;
use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX, OPEN_ORDERS_MAX, ORDERS_MAX};
use std::collections::VecDeque;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::slot_index::near;
use tickwerk_domain::{AccountId, ClientOrderId, Digest, InstrumentId, OrderId, OrderStatus, SlotIndex};

/// No order.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// Neighbours of an open order in the two lists that it stands in.
#[derive(Clone, Copy, Debug)]
struct Neighbors {
    previous_open: u32,
    next_open: u32,
    /// Among the open orders of the same account and instrument.
    previous_own: u32,
    next_own: u32,
}

const ALONE: Neighbors =
    Neighbors { previous_open: NO_SLOT, next_open: NO_SLOT, previous_own: NO_SLOT, next_own: NO_SLOT };

/// All orders that are remembered.
#[derive(Debug)]
pub struct Orders {
    rows: Vec<Order>,
    /// Neighbours of each row, packed, so that a list is changed and walked without waiting for rows.
    neighbors: Vec<Neighbors>,
    /// Id of each row, packed with what follows, so that a row can be forgotten without reading it.
    ids: Vec<OrderId>,
    /// [`key`] of each row; 0 where it has no name.
    name_keys: Vec<u64>,
    /// Hash of each row as it counts in the digest.
    hashes: Vec<u64>,
    /// Place of each row's terms, [`NO_SLOT`] where it has none.
    terms_of: Vec<u32>,
    terms: Vec<Terms>,
    free_terms: Vec<u32>,
    pub(crate) links: Links,
    /// Orders that the core owes something, in the order of what happened; some may be done by now.
    owed: VecDeque<(OrderId, u32)>,
    tickets: u64,
    /// Done orders, the oldest first.
    done: VecDeque<u32>,
    /// Hash of the orders that were done so far, in their order: it decides which one is forgotten first.
    done_so_far: u64,
    by_id: SlotIndex,
    by_client_id: SlotIndex,
    first_open: u32,
    last_open: u32,
    open_count: usize,
    /// First and last open order by account and instrument.
    own: Box<[(u32, u32)]>,
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
            neighbors: Vec::with_capacity(ORDERS_MAX),
            ids: Vec::with_capacity(ORDERS_MAX),
            name_keys: Vec::with_capacity(ORDERS_MAX),
            hashes: Vec::with_capacity(ORDERS_MAX),
            terms_of: Vec::with_capacity(ORDERS_MAX),
            terms: Vec::with_capacity(ORDERS_MAX),
            free_terms: Vec::with_capacity(ORDERS_MAX),
            links: Links::new(),
            owed: VecDeque::with_capacity(ORDERS_MAX),
            tickets: 0,
            done: VecDeque::with_capacity(ORDERS_MAX),
            done_so_far: 0,
            by_id: SlotIndex::new(ORDERS_MAX),
            by_client_id: SlotIndex::new(ORDERS_MAX),
            first_open: NO_SLOT,
            last_open: NO_SLOT,
            open_count: 0,
            own: vec![(NO_SLOT, NO_SLOT); ACCOUNTS_MAX * INSTRUMENTS_MAX].into(),
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

    /// What decides beside the rows and is counted only when the whole state is digested.
    pub(crate) fn digest(&self) -> u64 {
        row_hash(TAG_ORDERS, &[self.done_so_far, self.tickets, self.links.idle_so_far()])
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
        self.by_id.find(key_of_id(id), |slot| self.get(slot).id == id)
    }

    /// The order with this id, where it is remembered.
    pub fn by_id(&self, id: OrderId) -> Option<&Order> {
        self.find(id).map(|slot| self.get(slot))
    }

    /// The slot of an order by the client's name for it; `name_key` is the [`key`] of both.
    #[inline]
    pub(crate) fn find_client(&self, account: AccountId, name: &ClientOrderId, name_key: u64) -> Option<u32> {
        self.by_client_id.find(name_key, |slot| {
            let order = self.get(slot);
            order.account == account && order.client_order_id == *name
        })
    }

    /// The order with the client's name for it, where it is remembered.
    pub fn by_client_id(&self, account: AccountId, name: &ClientOrderId) -> Option<&Order> {
        self.find_client(account, name, key(account, name)).map(|slot| self.get(slot))
    }

    /// Takes an order in as open; `name_key` is the [`key`] of its account and name. The caller has asked [`Orders::has_room`]; a refused order is finished at once.
    ///
    /// The row comes from far and is only written for now: the order is made in its place, as a copy of what was just
    /// written would have to wait for all that.
    #[inline]
    pub(crate) fn add(&mut self, order: Order, name_key: u64, digest: &mut Digest) -> u32 {
        let name_key = if order.client_order_id.is_none() { 0 } else { name_key };
        let slot = self.take_slot(digest);
        let place = slot as usize;
        self.rows[place] = order;
        (self.neighbors[place], self.ids[place], self.name_keys[place]) = (ALONE, order.id, name_key);
        self.by_id.insert(key_of_id(order.id), slot);
        if name_key != 0 {
            self.by_client_id.insert(name_key, slot);
        }
        self.link(slot, order.account, order.instrument);
        slot
    }

    /// A slot for one more order: a new one, or that of the oldest done order, which is forgotten.
    #[inline]
    fn take_slot(&mut self, digest: &mut Digest) -> u32 {
        if self.rows.len() < ORDERS_MAX {
            return self.new_slot();
        }
        let slot = self.done.pop_front().expect("fewer orders may be open than the store holds");
        self.forget(slot, digest);
        slot
    }

    #[inline(never)]
    fn new_slot(&mut self) -> u32 {
        let slot = u32::try_from(self.rows.len()).expect("ORDERS_MAX fits 32 bits");
        self.rows.push(Order::blank());
        self.neighbors.push(ALONE);
        self.ids.push(OrderId::NONE);
        self.name_keys.push(0);
        self.hashes.push(0);
        self.terms_of.push(NO_SLOT);
        slot
    }

    /// Moves an order to a state; the move must be allowed.
    pub(crate) fn set_status(&mut self, slot: u32, to: OrderStatus) {
        let order = self.get_mut(slot);
        assert!(
            lifecycle::order::is_allowed(order.status, to),
            "order {}: {} to {to}",
            order.id,
            order.status
        );
        order.status = to;
        let id = order.id;
        if to.is_done() {
            self.done_so_far = row_hash(self.done_so_far, &[id.0]);
            self.unlink(slot);
            self.done.push_back(slot);
        }
    }

    /// Brings the digest up to date with an order.
    pub(crate) fn commit(&mut self, slot: u32, digest: &mut Digest) {
        let order = self.get(slot);
        let (hash, has_terms, id) = (order.hash(), order.has_terms, order.id);
        digest.update(&mut self.hashes[slot as usize], hash);
        if has_terms {
            let terms = self.terms_mut(slot);
            let hash = terms.hash(id.0);
            digest.update(&mut terms.row, hash);
        }
    }

    /// The rare terms of the order in a slot, where it has any.
    #[inline]
    pub(crate) fn terms(&self, slot: u32) -> Option<&Terms> {
        let has_terms = self.get(slot).has_terms;
        has_terms.then(|| &self.terms[self.terms_of[slot as usize] as usize])
    }

    /// The rare terms of an order that has some, to be changed; [`Orders::commit`] follows.
    pub(crate) fn terms_mut(&mut self, slot: u32) -> &mut Terms {
        assert!(self.get(slot).has_terms, "the order in slot {slot} has rare terms");
        &mut self.terms[self.terms_of[slot as usize] as usize]
    }

    /// The rare terms of an order that is remembered, where it has any.
    pub fn terms_by_id(&self, id: OrderId) -> Option<&Terms> {
        self.find(id).and_then(|slot| self.terms(slot))
    }

    /// Gives an order terms; one that was plain gets the terms that it has had all along.
    pub(crate) fn add_terms(&mut self, slot: u32, terms: &Terms) {
        assert!(!self.get(slot).has_terms, "the order in slot {slot} has terms already");
        let place = self.free_terms.pop().unwrap_or_else(|| {
            self.terms.push(*terms);
            u32::try_from(self.terms.len() - 1).expect("ORDERS_MAX fits 32 bits")
        });
        self.terms[place as usize] = *terms;
        self.terms_of[slot as usize] = place;
        self.get_mut(slot).has_terms = true;
    }

    /// Whether a new order with the same name asks for the same.
    pub(crate) fn has_content_of(&self, slot: u32, asked: &NewOrder) -> bool {
        match self.terms(slot) {
            Some(terms) => terms.asked == *asked,
            None => !is_rare(asked) && self.get(slot).plain() == *asked,
        }
    }

    /// Notes what the core owes an open order with terms; to end it goes before all else.
    pub(crate) fn owe(&mut self, slot: u32, owed: Owed, digest: &mut Digest) {
        let id = self.get(slot).id;
        let ticket = self.tickets + 1;
        let terms = self.terms_mut(slot);
        let is_final = matches!(terms.owed, Owed::Cancel(_) | Owed::Expire);
        let is_queued = terms.owed != Owed::Nothing;
        let is_weaker = is_queued && owed == Owed::Resize;
        if !is_final && !is_weaker {
            terms.owed = owed;
        }
        if !is_queued {
            assert!(self.owed.len() < ORDERS_MAX, "an order is owed one thing at a time");
            self.terms_mut(slot).ticket = ticket;
            self.tickets = ticket;
            self.owed.push_back((id, slot));
        }
        self.commit(slot, digest);
    }

    /// Whether the core owes an order anything.
    #[inline]
    pub(crate) fn is_any_owed(&self) -> bool {
        !self.owed.is_empty()
    }

    /// The next order that is owed something, if it is still open.
    pub(crate) fn take_owed(&mut self) -> Option<(u32, Owed)> {
        let (id, slot) = self.owed.pop_front()?;
        let order = self.get(slot);
        if order.id != id || !order.has_terms {
            return Some((slot, Owed::Nothing));
        }
        let is_done = order.status.is_done();
        let terms = self.terms_mut(slot);
        let owed = std::mem::replace(&mut terms.owed, Owed::Nothing);
        terms.ticket = 0;
        Some((slot, if is_done { Owed::Nothing } else { owed }))
    }

    /// Open orders of an account in an instrument, in order of id.
    pub fn open_of(&self, account: AccountId, instrument: InstrumentId) -> impl Iterator<Item = &Order> {
        let first = own_index(account, instrument).map_or(NO_SLOT, |index| self.own[index].0);
        let first = (first != NO_SLOT).then_some(first);
        std::iter::successors(first, |slot| self.next_own(*slot)).map(|slot| self.get(slot))
    }

    /// The slot of the first open order of an account in an instrument with this id or a higher one.
    pub(crate) fn first_own_from(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        from: OrderId,
    ) -> Option<u32> {
        let known = self.find(from).filter(|slot| {
            let order = self.get(*slot);
            !order.status.is_done() && (order.account, order.instrument) == (account, instrument)
        });
        let first = || own_index(account, instrument).map(|index| self.own[index].0);
        let mut slot = known.or_else(first).filter(|slot| *slot != NO_SLOT);
        while let Some(before) = slot.filter(|slot| self.get(*slot).id < from) {
            slot = self.next_own(before);
        }
        slot
    }

    /// The slot of the open order of the same account and instrument that follows in order of id.
    pub(crate) fn next_own(&self, slot: u32) -> Option<u32> {
        let next = self.neighbors[slot as usize].next_own;
        (next != NO_SLOT).then_some(next)
    }

    /// Takes an open order with terms into the group of its link.
    pub(crate) fn join(&mut self, slot: u32, digest: &mut Digest) -> u32 {
        let account = self.get(slot).account;
        let link = self.terms_mut(slot).asked.link;
        let place = self.links.find_or_add(account, link, digest);
        let group = self.links.get_mut(place);
        let last = std::mem::replace(&mut group.last, slot);
        if last == NO_SLOT {
            group.first = slot;
        }
        group.count += 1;
        if last != NO_SLOT {
            self.terms_mut(last).next_linked = slot;
        }
        let terms = self.terms_mut(slot);
        (terms.group, terms.previous_linked) = (place, last);
        place
    }

    /// Takes an order out of the group of its link.
    pub(crate) fn leave(&mut self, slot: u32) {
        let terms = self.terms_mut(slot);
        let (place, previous, next) = (terms.group, terms.previous_linked, terms.next_linked);
        assert!(place != NO_GROUP, "the order in slot {slot} is in a group");
        (terms.group, terms.previous_linked, terms.next_linked) = (NO_GROUP, NO_SLOT, NO_SLOT);
        if previous != NO_SLOT {
            self.terms_mut(previous).next_linked = next;
        }
        if next != NO_SLOT {
            self.terms_mut(next).previous_linked = previous;
        }
        let group = self.links.get_mut(place);
        if previous == NO_SLOT {
            group.first = next;
        }
        if next == NO_SLOT {
            group.last = previous;
        }
        group.count -= 1;
    }

    /// Open members of a group, in order of entry.
    pub(crate) fn members(&self, group: u32) -> impl Iterator<Item = u32> {
        let first = self.links.get(group).first;
        let first = (first != NO_SLOT).then_some(first);
        std::iter::successors(first, |slot| {
            self.terms(*slot).map(|terms| terms.next_linked).filter(|next| *next != NO_SLOT)
        })
    }

    /// The slot of the first open order with this id or a higher one.
    pub(crate) fn first_open_from(&self, from: OrderId) -> Option<u32> {
        let known = self.find(from).filter(|slot| !self.get(*slot).status.is_done());
        let mut slot = known.unwrap_or(self.first_open);
        while slot != NO_SLOT && self.get(slot).id < from {
            slot = self.neighbors[slot as usize].next_open;
        }
        (slot != NO_SLOT).then_some(slot)
    }

    /// The slot of the open order that follows in order of id.
    pub(crate) fn next_open(&self, slot: u32) -> Option<u32> {
        let next = self.neighbors[slot as usize].next_open;
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
        let place = slot as usize;
        let terms = std::mem::replace(&mut self.terms_of[place], NO_SLOT);
        if terms != NO_SLOT {
            digest.replace(self.terms[terms as usize].row, 0);
            self.free_terms.push(terms);
        }
        digest.update(&mut self.hashes[place], 0);
        self.by_id.remove(key_of_id(self.ids[place]), slot);
        if self.name_keys[place] != 0 {
            self.by_client_id.remove(self.name_keys[place], slot);
        }
    }

    fn link(&mut self, slot: u32, account: AccountId, instrument: InstrumentId) {
        // An order that names nothing known is done at once and in no list of its own.
        let own = own_index(account, instrument);
        let rows = &mut self.neighbors;
        let last = std::mem::replace(&mut self.last_open, slot);
        rows[slot as usize].previous_open = last;
        match last {
            NO_SLOT => self.first_open = slot,
            _ => rows[last as usize].next_open = slot,
        }
        self.open_count += 1;
        if let Some(index) = own {
            let (first_own, last_own) = &mut self.own[index];
            let last = std::mem::replace(last_own, slot);
            rows[slot as usize].previous_own = last;
            match last {
                NO_SLOT => *first_own = slot,
                _ => rows[last as usize].next_own = slot,
            }
        }
    }

    fn unlink(&mut self, slot: u32) {
        let order = self.get(slot);
        let own = own_index(order.account, order.instrument);
        let rows = &mut self.neighbors;
        let Neighbors { previous_open, next_open, previous_own, next_own } = rows[slot as usize];
        match previous_open {
            NO_SLOT => self.first_open = next_open,
            _ => rows[previous_open as usize].next_open = next_open,
        }
        match next_open {
            NO_SLOT => self.last_open = previous_open,
            _ => rows[next_open as usize].previous_open = previous_open,
        }
        self.open_count -= 1;
        if let Some(index) = own {
            let (first_own, last_own) = &mut self.own[index];
            match previous_own {
                NO_SLOT => *first_own = next_own,
                _ => rows[previous_own as usize].next_own = next_own,
            }
            match next_own {
                NO_SLOT => *last_own = previous_own,
                _ => rows[next_own as usize].previous_own = previous_own,
            }
        }
    }
}

/// Place of the list of an account and an instrument; none where a number is outside its table.
fn own_index(account: AccountId, instrument: InstrumentId) -> Option<usize> {
    let (account, instrument) = (account.0 as usize, instrument.0 as usize);
    (account < ACCOUNTS_MAX && instrument < INSTRUMENTS_MAX).then_some(account * INSTRUMENTS_MAX + instrument)
}

/// Orders that came one after another stand near each other in the index, as they are looked for together.
#[inline]
fn key_of_id(id: OrderId) -> u64 {
    near(id.0) << 32 | id.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
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

const TAG_ORDERS: u64 = 0x0403;
