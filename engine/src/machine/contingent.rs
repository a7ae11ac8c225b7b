//! Linked orders: one cancels the other, a parent with its children, and the exits of a bracket.
//!
//! - Orders that cancel each other (OCO): the first fill of one, even a partial one, cancels the rest. They may come in
//!   any order; after a fill no more may join.
//! - Children wait for their parent, which comes first. Once it is done they are released, each for at most what it
//!   filled; where it filled nothing they are cancelled. A child that comes after its parent is done is released at once.
//!   What the parent is filled after its end, released children get, up to what they asked for.
//! - Exits are children on the other side of the parent's market: what one fills the others lose, and when one is done,
//!   unless it was refused, the others are cancelled.
//!
//! Only one order of a group that shares its exposure is at the venue: one that is triggered while another is there asks
//! for its cancel, and leaves when it is done. What a fill or an end means for others is noted here and paid at the end
//! of the command, see `held.rs`.

use super::Machine;
use crate::event_buffer::EventBuffer;
use crate::limits::LINK_ORDERS_MAX;
use crate::orders::terms::Owed;
use crate::orders::{Order, Terms};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{Contingency, HoldReason, OrderStatus, Qty, Reject, TimerKind};

impl Machine {
    /// Whether an order may join the group of its link; tells whether it has to wait for its parent.
    pub(super) fn check_link(&self, asked: &NewOrder) -> Result<bool, Reject> {
        let group = self
            .orders
            .links
            .find(asked.account, asked.link)
            .map(|place| (place, self.orders.links.get(place)));
        if let Some((_, group)) = group
            && group.count as usize >= LINK_ORDERS_MAX
        {
            return Err(Reject::LinkInvalid);
        }
        match (asked.contingency, group) {
            (Contingency::None, _) => Ok(false),
            (Contingency::Oco | Contingency::Parent, None) => {
                if self.orders.links.has_room() {
                    Ok(false)
                } else {
                    Err(Reject::StoreFull)
                }
            }
            (Contingency::Oco, Some((_, group))) if group.parent.is_none() && !group.is_spent => Ok(false),
            (Contingency::Child | Contingency::BracketExit, Some((_, group))) => {
                let Some((instrument, side)) = group.parent else {
                    return Err(Reject::LinkInvalid);
                };
                let is_exit = asked.contingency == Contingency::BracketExit;
                let fits = !is_exit || (asked.instrument, asked.side) == (instrument, side.opposite());
                let left = group.parent_filled - if is_exit { group.exits_filled } else { 0 };
                if !fits || group.is_parent_done && left <= 0 {
                    return Err(Reject::LinkInvalid);
                }
                Ok(true)
            }
            (Contingency::Oco | Contingency::Parent, Some(_))
            | (Contingency::Child | Contingency::BracketExit, None) => Err(Reject::LinkInvalid),
        }
    }

    /// Takes an approved order into the group of its link. A child of a parent that is done is released at once.
    pub(super) fn join_link(&mut self, slot: u32) {
        let Some(asked) = self.orders.terms(slot).map(|terms| terms.asked) else {
            return;
        };
        if asked.contingency == Contingency::None {
            return;
        }
        let place = self.orders.join(slot, &mut self.digest);
        let group = self.orders.links.get_mut(place);
        if asked.contingency == Contingency::Parent {
            group.parent = Some((asked.instrument, asked.side));
        }
        let is_late = group.is_parent_done;
        self.orders.links.commit(place, &mut self.digest);
        if is_late && self.orders.terms(slot).is_some_and(|terms| terms.hold == Some(HoldReason::Parent)) {
            self.orders.owe(slot, Owed::Release, &mut self.digest);
        }
    }

    /// What a child may be released for: no more than it asked for, than its parent filled, and than other exits left.
    pub(super) fn released_qty(&self, slot: u32, terms: &Terms) -> Qty {
        let group = self.orders.links.get(terms.group);
        let left = match terms.asked.contingency {
            Contingency::BracketExit => group.parent_filled - group.exits_filled,
            Contingency::None | Contingency::Oco | Contingency::Parent | Contingency::Child => {
                group.parent_filled
            }
        };
        Qty(left.min(self.orders.get(slot).qty.0))
    }

    /// An order with terms was filled, perhaps after its end: notes what that means for others of its group.
    pub(super) fn rare_fill(&mut self, slot: u32, qty: Qty) {
        let Some((place, contingency)) = self.group_of(slot) else {
            return;
        };
        match contingency {
            Contingency::None | Contingency::Child => return,
            Contingency::Parent => {
                self.orders.links.get_mut(place).parent_filled += qty.0;
                self.grow_children(slot, place);
            }
            Contingency::Oco => {
                self.orders.links.get_mut(place).is_spent = true;
                self.owe_siblings(slot, place, |_| Some(Owed::Cancel(Reject::LinkedOrderDone)));
            }
            Contingency::BracketExit => {
                self.orders.links.get_mut(place).exits_filled += qty.0;
                self.lose_siblings(slot, place, |row, _| {
                    let is_exit = row.asked.contingency == Contingency::BracketExit;
                    if is_exit { qty.0 } else { 0 }
                });
            }
        }
        self.orders.links.commit(place, &mut self.digest);
    }

    /// A fill of an order with terms is another one now, by `change`. Children that stand for more than their parent has
    /// filled by now lose the rest; what an exit lost to a fill that was taken back stays lost.
    pub(super) fn rare_restated(&mut self, slot: u32, change: i64) {
        let Some((place, contingency)) = self.group_of(slot).filter(|_| change != 0) else {
            return;
        };
        match contingency {
            Contingency::None | Contingency::Child | Contingency::Oco => return,
            Contingency::BracketExit if change > 0 => {
                self.rare_fill(slot, Qty(change));
                return;
            }
            Contingency::BracketExit => self.orders.links.get_mut(place).exits_filled += change,
            Contingency::Parent => {
                let group = self.orders.links.get_mut(place);
                group.parent_filled += change;
                let (filled, exits_filled) = (group.parent_filled, group.exits_filled);
                self.lose_siblings(slot, place, |row, order| {
                    let is_exit = row.asked.contingency == Contingency::BracketExit;
                    let closed = if is_exit { exits_filled } else { order.cum_qty.0 };
                    order.leaves().0 - row.lost.0 - (filled - closed)
                });
                if change > 0 {
                    self.grow_children(slot, place);
                }
            }
        }
        self.orders.links.commit(place, &mut self.digest);
    }

    /// A parent that is done was filled late: what was released of its children may become larger.
    fn grow_children(&mut self, slot: u32, place: u32) {
        if !self.orders.links.get(place).is_parent_done {
            return;
        }
        let mut next = self.orders.members(place).next();
        while let Some(other) = next {
            next = self.next_member(other);
            let released = self.orders.terms(other).is_some_and(|row| row.hold != Some(HoldReason::Parent));
            if other != slot && released {
                self.orders.terms_mut(other).may_grow = true;
                self.orders.owe(other, Owed::Resize, &mut self.digest);
            }
        }
    }

    /// The group that an order is or was in, where it is remembered, and what the order is to it.
    fn group_of(&self, slot: u32) -> Option<(u32, Contingency)> {
        let terms = self.orders.terms(slot).filter(|terms| terms.asked.contingency != Contingency::None)?;
        let known = (terms.group != u32::MAX).then_some(terms.group);
        let place = known.or_else(|| self.orders.links.find(terms.asked.account, terms.asked.link))?;
        Some((place, terms.asked.contingency))
    }

    /// Takes from other open members of a group that no longer wait for their parent, in order of entry. One that still
    /// waits is cut when it is released.
    fn lose_siblings(&mut self, slot: u32, place: u32, lost: impl Fn(&Terms, &Order) -> i64) {
        let mut next = self.orders.members(place).next();
        while let Some(other) = next {
            next = self.next_member(other);
            let row = self.orders.terms(other).filter(|row| row.hold != Some(HoldReason::Parent));
            let lost = row.map_or(0, |row| lost(row, self.orders.get(other)));
            if other != slot && lost > 0 {
                self.orders.terms_mut(other).lost.0 += lost;
                self.orders.owe(other, Owed::Resize, &mut self.digest);
            }
        }
    }

    /// An order with terms is done: it leaves the index, its timer and its group, and others of the group get their due.
    pub(super) fn rare_end(&mut self, slot: u32, status: OrderStatus) {
        let id = self.orders.get(slot).id;
        self.unindex(slot);
        self.stop_waiting(slot);
        self.timers.take_away(TimerKind::OrderExpiry, id.0, &mut self.digest);
        if self.orders.terms(slot).is_some_and(|terms| terms.is_counted) {
            self.count_reducer(slot, false);
        }
        let qty = self.orders.get(slot).qty;
        let terms = self.orders.terms_mut(slot);
        (terms.hold, terms.is_counted) = (None, false);
        // Fills that cross the end may tell of a larger quantity that had taken effect.
        let ended_at_venue = matches!(status, OrderStatus::Canceled | OrderStatus::Expired);
        terms.replacement = terms.replacement.filter(|new| ended_at_venue && new.qty > qty);
        let (place, contingency) = (terms.group, terms.asked.contingency);
        if contingency == Contingency::None || place == u32::MAX {
            return;
        }
        match contingency {
            Contingency::None | Contingency::Child => {}
            Contingency::Parent => {
                let group = self.orders.links.get_mut(place);
                group.is_parent_done = true;
                let owed = if group.parent_filled > 0 {
                    Owed::Release
                } else {
                    Owed::Cancel(Reject::ParentUnfilled)
                };
                self.owe_siblings(slot, place, |_| Some(owed));
            }
            Contingency::Oco => self.owe_siblings(slot, place, leaves_now),
            Contingency::BracketExit => {
                let ends_all = status != OrderStatus::Rejected;
                self.owe_siblings(slot, place, |other| {
                    let is_exit = other.asked.contingency == Contingency::BracketExit;
                    let cancel = ends_all.then_some(Owed::Cancel(Reject::LinkedOrderDone));
                    leaves_now(other).or(cancel.filter(|_| is_exit))
                });
            }
        }
        self.orders.leave(slot);
        self.orders.links.commit(place, &mut self.digest);
    }

    fn next_member(&self, slot: u32) -> Option<u32> {
        self.orders.terms(slot).map(|terms| terms.next_linked).filter(|next| *next != u32::MAX)
    }

    /// Notes what other open members of a group are owed, in order of entry.
    fn owe_siblings(&mut self, slot: u32, place: u32, owed: impl Fn(&Terms) -> Option<Owed>) {
        let mut next = self.orders.members(place).next();
        while let Some(other) = next {
            next = self.next_member(other);
            let due = self.orders.terms(other).and_then(&owed);
            if let Some(due) = due.filter(|_| other != slot) {
                self.orders.owe(other, due, &mut self.digest);
            }
        }
    }

    /// The venue has refused to cancel an order: a leg that was triggered and waits for it leaves all the same.
    pub(super) fn stop_waiting_for(&mut self, slot: u32) {
        let exclusive = self.orders.terms(slot).filter(|terms| terms.is_exclusive());
        if let Some(place) = exclusive.map(|terms| terms.group) {
            self.orders.terms_mut(slot).refused_cancel = true;
            self.owe_siblings(slot, place, leaves_now);
        }
    }

    /// A cancel of an order got lost: a leg that was triggered and waits for it asks for another one.
    pub(super) fn ask_again_for(&mut self, slot: u32) {
        let exclusive = self.orders.terms(slot).filter(|terms| terms.is_exclusive());
        if let Some(place) = exclusive.map(|terms| terms.group) {
            self.owe_siblings(slot, place, leaves_now);
        }
    }

    /// Whether a leg that was triggered is at the venue, so that an exit which was not stays where it is.
    pub(super) fn has_fired_sibling(&self, slot: u32) -> bool {
        let Some(place) =
            self.orders.terms(slot).filter(|terms| terms.is_exclusive()).map(|terms| terms.group)
        else {
            return false;
        };
        self.orders.members(place).any(|other| {
            let is_at_venue = self.orders.get(other).status != OrderStatus::Held;
            other != slot && is_at_venue && self.orders.terms(other).is_some_and(|row| row.is_fired)
        })
    }

    /// Whether an order that was triggered has to wait for others of its group; those at the venue that were not
    /// triggered themselves are asked to be cancelled.
    pub(super) fn waits_for_siblings(&mut self, slot: u32, out: &mut EventBuffer) -> bool {
        let Some(terms) = self.orders.terms(slot).copied().filter(Terms::is_exclusive) else {
            return false;
        };
        let mut waits = false;
        let mut next = self.orders.members(terms.group).next();
        while let Some(other) = next {
            next = self.next_member(other);
            let is_at_venue = self.orders.get(other).status != OrderStatus::Held;
            let sibling = self.orders.terms(other).filter(|row| row.is_exclusive());
            let is_other = other != slot && is_at_venue;
            if let Some(sibling) = sibling.filter(|row| is_other && !row.refused_cancel) {
                waits = true;
                if !sibling.is_fired {
                    self.request_cancel(other, Reject::LinkedOrderDone, out);
                }
            }
        }
        waits
    }
}

/// A leg that was triggered and waited, or that waits for its market, leaves when another one of its group is done.
fn leaves_now(other: &Terms) -> Option<Owed> {
    match other.hold {
        Some(HoldReason::Trigger) if other.is_fired => Some(Owed::Leave),
        Some(HoldReason::Market) => Some(Owed::Release),
        Some(HoldReason::Trigger | HoldReason::Parent | HoldReason::Auction) | None => None,
    }
}
