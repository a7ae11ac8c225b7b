//! What is kept of an account's worth: its highest equity, its equity when the day began, and when it was last told.
//!
//! Units: the reference currency's. Money that comes or leaves moves both figures along, so that a withdrawal is no
//! loss and a deposit no profit. The day is the UTC day of the journaled time.

use crate::limits::ACCOUNTS_MAX;
use std::cell::Cell;
use tickwerk_domain::digest::{row_hash, words_of};
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum};
use tickwerk_domain::{AccountId, Digest, TimeNs};

/// What is kept of an account's worth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Worth {
    /// Whether the account's equity was ever known; the figures mean nothing before.
    pub is_known: bool,
    /// Highest equity so far.
    pub peak: i128,
    /// Equity when the day began.
    pub day_equity: i128,
    /// When it was last told.
    pub marked_at: TimeNs,
    /// Fees that were posted and count in no position, as no rate converts their currency.
    pub fees_uncounted: u64,
    row: u64,
}

/// What is kept of all accounts' worth.
#[derive(Debug)]
pub(crate) struct Worths {
    rows: Box<[Worth]>,
    /// A bit for each account whose cash has changed since somebody asked; it decides nothing and is in no digest.
    touched: Cell<u64>,
}

impl Worths {
    pub(crate) fn new() -> Self {
        Self { rows: vec![Worth::default(); ACCOUNTS_MAX].into(), touched: Cell::default() }
    }

    /// The cash of an account changes.
    #[inline]
    pub(crate) fn touch(&mut self, account: AccountId) {
        *self.touched.get_mut() |= 1 << account.0;
    }

    /// Whether cash of an account may have changed since [`Self::untouch`].
    #[inline]
    pub(crate) fn is_touched(&self, account: AccountId) -> bool {
        self.touched.get() >> account.0 & 1 != 0
    }

    /// Whoever asks whether cash has changed knows it.
    #[inline]
    pub(crate) fn untouch(&self, account: AccountId) {
        self.touched.set(self.touched.get() & !(1 << account.0));
    }

    pub(crate) fn get(&self, account: AccountId) -> &Worth {
        &self.rows[account.0 as usize]
    }

    /// Changes what is kept of an account.
    pub(crate) fn change(
        &mut self,
        account: AccountId,
        digest: &mut Digest,
        change: impl FnOnce(&mut Worth),
    ) {
        let worth = &mut self.rows[account.0 as usize];
        change(worth);
        let [peak_high, peak] = words_of(worth.peak);
        let [day_high, day] = words_of(worth.day_equity);
        let known = u64::from(worth.is_known) << 32 | u64::from(account.0);
        let highs = peak_high ^ day_high.rotate_left(13);
        let words = [known, highs, peak, day, worth.marked_at.0, worth.fees_uncounted];
        digest.update(&mut worth.row, row_hash(TAG, &words));
    }
}

tickwerk_domain::persist! { Worth { is_known, peak, day_equity, marked_at, fees_uncounted, row } }

impl Worths {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { rows, touched: _ } = self;
        to.table(rows, &Worth::default());
    }

    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let Self { rows, touched } = Self::new();
        let mut loaded = Self { rows: from.table(rows)?, touched };
        for id in (0..).take(ACCOUNTS_MAX).map(AccountId) {
            let kept = loaded.get(id).row;
            sum.row(("worth of account", id.0.into()), kept, |change| loaded.change(id, change, |_| {}))?;
        }
        Ok(loaded)
    }
}

const _: () = assert!(ACCOUNTS_MAX <= 64, "a set of them is one 64-bit word");
const TAG: u64 = 0x0705;
