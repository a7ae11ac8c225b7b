//! Groups of linked orders, by account and link, in a fixed store.
//!
//! A group knows its open members and what its parent and exits have filled. It is remembered after its last member is
//! done, so that a leg that comes late meets what happened, until its place is needed: the longest idle goes first.

use super::store::NO_SLOT;
use crate::limits::LINKS_MAX;
use std::collections::VecDeque;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum, ensure};
use tickwerk_domain::{AccountId, Digest, InstrumentId, Side, SlotIndex};

/// No group.
pub(crate) const NO_GROUP: u32 = u32::MAX;

/// Orders of one account with the same link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    account: AccountId,
    link: u64,
    /// First open member, in order of entry.
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// Open members.
    pub(crate) count: u32,
    /// Market and side of its parent; none before it came.
    pub(crate) parent: Option<(InstrumentId, Side)>,
    pub(crate) is_parent_done: bool,
    /// What the parent filled.
    pub(crate) parent_filled: i64,
    /// What the exits filled.
    pub(crate) exits_filled: i64,
    /// Whether one of orders that cancel each other was filled.
    pub(crate) is_spent: bool,
    is_idle: bool,
    row: u64,
}

impl Group {
    fn hash(&self) -> u64 {
        let (instrument, side) = self.parent.map_or((0, 0), |(instrument, side)| (instrument.0, side as u64));
        let marks = u64::from(self.parent.is_some())
            | u64::from(self.is_parent_done) << 1
            | u64::from(self.is_spent) << 2
            | side << 3;
        let words = [
            self.link,
            u64::from(self.account.0) << 32 | u64::from(instrument),
            u64::from(self.count) << 8 | marks,
            self.parent_filled.cast_unsigned(),
            self.exits_filled.cast_unsigned(),
        ];
        row_hash(TAG, &words)
    }
}

/// All groups that are remembered.
#[derive(Debug)]
pub(crate) struct Links {
    rows: Vec<Group>,
    index: SlotIndex,
    /// Groups whose last member was done, the longest idle first; some may have members again.
    idle: VecDeque<u32>,
    /// Hash of the groups that became idle so far, in their order: it decides which one is forgotten first.
    idle_so_far: u64,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self {
            rows: Vec::with_capacity(LINKS_MAX),
            index: SlotIndex::new(LINKS_MAX),
            idle: VecDeque::with_capacity(LINKS_MAX),
            idle_so_far: 0,
        }
    }

    pub(crate) fn find(&self, account: AccountId, link: u64) -> Option<u32> {
        self.index.find(key(account, link), |place| {
            let row = &self.rows[place as usize];
            (row.account, row.link) == (account, link)
        })
    }

    /// Hash of the groups that became idle so far, in their order.
    pub(crate) fn idle_so_far(&self) -> u64 {
        self.idle_so_far
    }

    pub(crate) fn get(&self, group: u32) -> &Group {
        &self.rows[group as usize]
    }

    pub(crate) fn get_mut(&mut self, group: u32) -> &mut Group {
        &mut self.rows[group as usize]
    }

    /// Whether a new group has a place.
    pub(crate) fn has_room(&self) -> bool {
        self.rows.len() < LINKS_MAX || self.idle.iter().any(|group| self.get(*group).count == 0)
    }

    /// The group of a link, made where it is not known. The caller has asked [`Links::has_room`].
    pub(crate) fn find_or_add(&mut self, account: AccountId, link: u64, digest: &mut Digest) -> u32 {
        if let Some(known) = self.find(account, link) {
            return known;
        }
        let fresh = Group {
            account,
            link,
            first: NO_SLOT,
            last: NO_SLOT,
            count: 0,
            parent: None,
            is_parent_done: false,
            parent_filled: 0,
            exits_filled: 0,
            is_spent: false,
            is_idle: false,
            row: 0,
        };
        let place = if self.rows.len() < LINKS_MAX {
            self.rows.push(fresh);
            u32::try_from(self.rows.len() - 1).expect("LINKS_MAX fits 32 bits")
        } else {
            let place = self.take_idle();
            digest.replace(self.get(place).row, 0);
            self.rows[place as usize] = fresh;
            place
        };
        self.index.insert(key(account, link), place);
        place
    }

    fn take_idle(&mut self) -> u32 {
        loop {
            let place = self.idle.pop_front().expect("the caller asked for room");
            self.get_mut(place).is_idle = false;
            let row = self.get(place);
            if row.count == 0 {
                let hash = key(row.account, row.link);
                self.index.remove(hash, place);
                return place;
            }
        }
    }

    /// Brings the digest up to date with a group; one without members may be forgotten from here on.
    pub(crate) fn commit(&mut self, group: u32, digest: &mut Digest) {
        let row = &mut self.rows[group as usize];
        let hash = row.hash();
        digest.update(&mut row.row, hash);
        if row.count == 0 && !row.is_idle {
            row.is_idle = true;
            self.idle_so_far = row_hash(self.idle_so_far, &[u64::from(row.account.0), row.link]);
            self.idle.push_back(group);
        }
    }
}

tickwerk_domain::persist! {
    Group {
        account, link, first, last, count, parent, is_parent_done, parent_filled, exits_filled, is_spent, is_idle, row,
    }
}

impl Links {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { rows, index: _, idle, idle_so_far } = self;
        to.list(rows.iter());
        to.list(idle.iter());
        to.value(idle_so_far);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let (rows, idle): (Vec<Group>, Vec<u32>) = (from.list(LINKS_MAX)?, from.list(LINKS_MAX)?);
        let mut loaded =
            Self { rows, index: SlotIndex::new(LINKS_MAX), idle: idle.into(), idle_so_far: from.value()? };
        for place in (0..).take(loaded.rows.len()) {
            let group = *loaded.get(place);
            let is_new = loaded.find(group.account, group.link).is_none();
            ensure(is_new, Fault::Twice { what: "link", found: group.link })?;
            ensure(group.row == group.hash(), Fault::Hash { what: "link", found: group.link })?;
            loaded.index.insert(key(group.account, group.link), place);
            sum.add(group.row);
        }
        let mut marked = loaded.rows.iter().filter(|group| group.is_idle).count();
        let mut seen = vec![false; loaded.rows.len()];
        for place in &loaded.idle {
            let (what, found) = ("idle link", u64::from(*place));
            let group = loaded.rows.get(*place as usize).filter(|group| group.is_idle);
            ensure(group.is_some(), Fault::Missing { what, found })?;
            let was_seen = std::mem::replace(&mut seen[*place as usize], true);
            ensure(!was_seen, Fault::Twice { what, found })?;
            marked -= 1;
        }
        ensure(marked == 0, Fault::Broken("an idle link is not in the queue of them"))?;
        Ok(loaded)
    }

    /// All groups with their places.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &Group)> {
        (0..).zip(&self.rows)
    }
}

fn key(account: AccountId, link: u64) -> u64 {
    row_hash(TAG, &[u64::from(account.0), link])
}

const TAG: u64 = 0x1385;
