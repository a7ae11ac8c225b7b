//! The store of orders in a state image.

use super::{ALONE, NO_GROUP, NO_SLOT, Orders, key, key_of_id, own_index};
use crate::limits::{CURRENCIES_MAX, OPEN_ORDERS_MAX, ORDERS_MAX};
use crate::orders::links::Links;
use crate::orders::{Order, Terms};
use tickwerk_domain::OrderId;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum, ensure};

impl Orders {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self {
            rows,
            neighbors: _,
            ids: _,
            name_keys: _,
            hashes: _,
            terms_of: _,
            terms: _,
            free_terms: _,
            links,
            owed,
            tickets,
            done,
            done_so_far,
            by_id: _,
            by_client_id: _,
            first_open: _,
            last_open: _,
            open_count: _,
            own: _,
        } = self;
        to.count(rows.len());
        for (slot, row) in (0..).zip(rows) {
            to.value(row);
            if let Some(terms) = self.terms(slot) {
                to.value(terms);
            }
        }
        links.save(to);
        to.list(owed.iter());
        to.value(tickets);
        to.list(done.iter());
        to.value(done_so_far);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let mut orders = Self::new();
        for _ in 0..from.count(ORDERS_MAX)? {
            let row: Order = from.value()?;
            let terms = if row.has_terms { Some(from.value::<Terms>()?) } else { None };
            orders.take_in(row, terms.as_ref(), sum)?;
        }
        orders.links = Links::load(from, sum)?;
        orders.check_links()?;
        orders.owed = from.list(ORDERS_MAX)?.into();
        orders.tickets = from.value()?;
        orders.done = from.list(ORDERS_MAX)?.into();
        orders.done_so_far = from.value()?;
        for (_, slot) in &orders.owed {
            orders.check_slot(*slot)?;
        }
        orders.check_done()?;
        orders.link_open()?;
        Ok(orders)
    }

    /// Puts a row in the next slot.
    fn take_in(&mut self, row: Order, terms: Option<&Terms>, sum: &mut RowSum) -> Result<(), Fault> {
        let Order { id, account, client_order_id: name, .. } = row;
        let (what, found) = ("order", id.0);
        let name_key = if name.is_none() { 0 } else { key(account, &name) };
        let is_known = name_key != 0 && self.find_client(account, &name, name_key).is_some();
        ensure(self.find(id).is_none() && !is_known, Fault::Twice { what, found })?;
        let has_currency = (row.reserved_currency.0 as usize) < CURRENCIES_MAX;
        let currency = row.reserved_currency.0.into();
        ensure(has_currency, Fault::Missing { what: "currency of an order", found: currency })?;
        let slot = self.new_slot();
        let place = slot as usize;
        (self.rows[place], self.ids[place], self.name_keys[place]) = (row, id, name_key);
        self.hashes[place] = row.hash();
        sum.add(row.hash());
        self.by_id.insert(key_of_id(id), slot);
        if name_key != 0 {
            self.by_client_id.insert(name_key, slot);
        }
        if let Some(terms) = terms {
            let is_right = terms.row == 0 || terms.row == terms.hash(id.0);
            ensure(is_right, Fault::Hash { what: "terms of order", found })?;
            sum.add(terms.row);
            self.terms_of[place] = slot_of(self.terms.len());
            self.terms.push(*terms);
        }
        Ok(())
    }

    /// Looks whether each group has the members that it says, and each member the group.
    fn check_links(&self) -> Result<(), Fault> {
        let mut members = self.terms.iter().filter(|terms| terms.group != NO_GROUP).count();
        for (place, group) in self.links.all() {
            let (mut previous, mut slot, mut count) = (NO_SLOT, group.first, 0);
            while slot != NO_SLOT {
                self.check_slot(slot)?;
                let terms = self
                    .terms(slot)
                    .filter(|terms| terms.group == place && terms.previous_linked == previous);
                let terms =
                    terms.ok_or(Fault::Missing { what: "linked order in slot", found: slot.into() })?;
                (previous, slot, count) = (slot, terms.next_linked, count + 1);
                members = members.checked_sub(1).ok_or(Fault::Broken("a link has an order twice"))?;
            }
            let is_right = (previous, count) == (group.last, group.count);
            ensure(is_right, Fault::Broken("a link has other orders than it counts"))?;
        }
        ensure(members == 0, Fault::Broken("an order is in a link that does not have it"))
    }

    /// Looks whether the done orders are all there once.
    fn check_done(&self) -> Result<(), Fault> {
        let mut seen = vec![false; self.rows.len()];
        for slot in &self.done {
            self.check_slot(*slot)?;
            let was_seen = std::mem::replace(&mut seen[*slot as usize], true);
            ensure(!was_seen, Fault::Twice { what: "done order in slot", found: (*slot).into() })?;
        }
        let is_right = |(row, is_queued): (&Order, &bool)| row.status.is_done() == *is_queued;
        let all = self.rows.iter().zip(&seen).all(is_right);
        ensure(all, Fault::Broken("a done order is not in the queue of them, or an open one is"))
    }

    /// Links the open orders in order of id.
    fn link_open(&mut self) -> Result<(), Fault> {
        let mut open: Vec<(OrderId, u32)> = Vec::new();
        open.extend(self.ids.iter().copied().zip(0..).filter(|(_, slot)| !self.get(*slot).status.is_done()));
        let max = OPEN_ORDERS_MAX as u64;
        ensure(open.len() <= OPEN_ORDERS_MAX, Fault::TooMany { found: open.len() as u64, max })?;
        open.sort_unstable();
        for (id, slot) in open {
            let Order { account, instrument, .. } = *self.get(slot);
            let has_own = own_index(account, instrument).is_some();
            ensure(has_own, Fault::Missing { what: "account or instrument of order", found: id.0 })?;
            self.neighbors[slot as usize] = ALONE;
            self.link(slot, account, instrument);
        }
        Ok(())
    }

    fn check_slot(&self, slot: u32) -> Result<(), Fault> {
        let is_there = (slot as usize) < self.rows.len();
        ensure(is_there, Fault::Missing { what: "order in slot", found: slot.into() })
    }
}

fn slot_of(place: usize) -> u32 {
    u32::try_from(place).expect("ORDERS_MAX fits 32 bits")
}
