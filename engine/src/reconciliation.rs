//! Reconciliations that are going on: at most one an account, and which of its orders and positions the venue has
//! stated.
//!
//! What is done about a difference is decided in `machine/reconcile.rs`; this is the state it needs from the first
//! record of a reconciliation to its last.

use crate::limits::{ACCOUNTS_MAX, CURRENCIES_MAX, ORDERS_MAX};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum};
use tickwerk_domain::{
    AccountId, CurrencyId, Digest, InstrumentId, OrderId, PositionSide, Sequence, Side, VenueId,
};

/// A reconciliation of one account with one venue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reconciliation {
    /// Its number, chosen by the source; 0 where none is going on.
    pub run: u64,
    /// Whose view.
    pub venue: VenueId,
    /// Sequence of the command that started it: orders that are newer are none of its business.
    pub started: Sequence,
    /// Orders that the venue stated.
    pub orders: u32,
    /// Balances and positions that the venue stated.
    pub figures: u32,
    /// Differences found.
    pub differences: u32,
    /// Instruments in which the venue stated buys, and sells, that could not be told apart: a bit each.
    pub(crate) nameless: [u64; 2],
    /// Whether the venue stated a position: then it speaks of all that it has.
    pub(crate) has_positions: bool,
    /// Positions, net or long and short, that are dealt with: a bit for each instrument.
    pub(crate) positions: [u64; 2],
    /// Currencies whose balance the venue stated, a bit each.
    pub(crate) balances: u64,
    /// Sum of the hashes of the orders that were stated.
    pub(crate) stated: u64,
    pub(crate) row: u64,
}

impl Reconciliation {
    /// Whether the venue stated an order of this market and side without a name that is known here.
    pub fn has_nameless(&self, instrument: InstrumentId, side: Side) -> bool {
        instrument.0 < 64 && self.nameless[side as usize] >> instrument.0 & 1 == 1
    }

    /// Whether a position was stated, or is not to be compared for another reason.
    pub(crate) fn is_position_spared(&self, instrument: InstrumentId, side: PositionSide) -> bool {
        self.positions[table_of(side)] >> instrument.0 & 1 == 1
    }

    pub(crate) fn spare_position(&mut self, instrument: InstrumentId, side: PositionSide) {
        self.positions[table_of(side)] |= 1 << instrument.0;
    }

    /// Whether the venue stated the balance of a currency.
    pub(crate) fn is_balance_stated(&self, currency: CurrencyId) -> bool {
        self.balances >> currency.0 & 1 == 1
    }

    pub(crate) fn note_nameless(&mut self, instrument: InstrumentId, side: Side) {
        if instrument.0 < 64 {
            self.nameless[side as usize] |= 1 << instrument.0;
        }
    }
}

/// Netted and long positions share a set, as they share a table.
fn table_of(side: PositionSide) -> usize {
    usize::from(side == PositionSide::Short)
}

/// All that are going on.
#[derive(Debug)]
pub struct Reconciliations {
    /// By account.
    rows: Box<[Reconciliation]>,
    /// By slot of an order, the start of the reconciliation that last stated it.
    stated_in: Box<[Sequence]>,
}

impl Default for Reconciliations {
    fn default() -> Self {
        Self::new()
    }
}

impl Reconciliations {
    /// None; all that it ever allocates.
    pub fn new() -> Self {
        Self {
            rows: vec![Reconciliation::default(); ACCOUNTS_MAX].into(),
            stated_in: vec![Sequence::NONE; ORDERS_MAX].into(),
        }
    }

    /// What is going on for an account.
    pub fn of(&self, account: AccountId) -> Option<&Reconciliation> {
        self.rows.get(account.0 as usize).filter(|row| row.run != 0)
    }

    /// The account of a run that is going on.
    pub fn account_of(&self, run: u64) -> Option<AccountId> {
        let place = self.rows.iter().position(|row| run != 0 && row.run == run)?;
        Some(AccountId(u32::try_from(place).expect("ACCOUNTS_MAX is small")))
    }

    /// Starts one; an unfinished one of the account is given up.
    pub(crate) fn start(&mut self, account: AccountId, new: Reconciliation, digest: &mut Digest) {
        self.change(account, digest, |row| *row = Reconciliation { row: row.row, ..new });
    }

    /// Ends the one of an account.
    pub(crate) fn end(&mut self, account: AccountId, digest: &mut Digest) {
        self.change(account, digest, |row| {
            *row = Reconciliation { row: row.row, ..Reconciliation::default() }
        });
    }

    /// Changes the one of an account, and brings the digest up to date.
    pub(crate) fn change(
        &mut self,
        account: AccountId,
        digest: &mut Digest,
        change: impl FnOnce(&mut Reconciliation),
    ) {
        let row = &mut self.rows[account.0 as usize];
        change(row);
        let hash = if row.run == 0 {
            0
        } else {
            let owner = u64::from(account.0) << 32 | u64::from(row.venue.0);
            let counts = u64::from(row.orders) << 32 | u64::from(row.figures);
            let [buys, sells] = row.nameless;
            let differences = u64::from(row.differences);
            let [positions, shorts] = row.positions;
            let words = [
                owner,
                row.run,
                row.started.0,
                counts,
                differences << 1 | u64::from(row.has_positions),
                buys,
                sells,
                row.stated,
                positions,
                shorts,
                row.balances,
            ];
            row_hash(TAG, &words)
        };
        digest.update(&mut row.row, hash);
    }

    /// Whether the order in a slot was stated in what is going on for its account.
    pub(crate) fn is_stated(&self, account: AccountId, slot: u32) -> bool {
        let started = self.rows[account.0 as usize].started;
        self.stated_in[slot as usize] == started && started != Sequence::NONE
    }

    /// Spares a position in what is going on for its account: it has changed since the start.
    #[inline]
    pub(crate) fn spare_position(
        &mut self,
        (account, instrument, side): (AccountId, InstrumentId, PositionSide),
        digest: &mut Digest,
    ) {
        if self.of(account).is_some_and(|of| !of.is_position_spared(instrument, side)) {
            self.change(account, digest, |row| row.spare_position(instrument, side));
        }
    }

    /// Spares the order in a slot in what is going on for its account: the venue stated it, or it went to the venue
    /// after the start.
    pub(crate) fn spare(&mut self, account: AccountId, slot: u32, order: OrderId, digest: &mut Digest) {
        if self.of(account).is_some() && !self.is_stated(account, slot) {
            self.stated_in[slot as usize] = self.rows[account.0 as usize].started;
            self.change(account, digest, |row| {
                row.stated = row.stated.wrapping_add(row_hash(TAG_STATED, &[order.0]));
            });
        }
    }
}

tickwerk_domain::persist! {
    Reconciliation {
        run, venue, started, orders, figures, differences, nameless, has_positions, positions, balances, stated, row,
    }
}

impl Reconciliations {
    /// Marks of reconciliations that are over mean nothing any more.
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { rows, stated_in } = self;
        to.table(rows, &Reconciliation::default());
        let going_on: Vec<Sequence> = rows.iter().map(|row| row.started).filter(|of| of.0 != 0).collect();
        let is_of_today = |started: &Sequence| going_on.contains(started);
        let today: Vec<_> =
            stated_in.iter().map(|of| if is_of_today(of) { *of } else { Sequence::NONE }).collect();
        to.table(&today, &Sequence::NONE);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let Self { rows, stated_in } = Self::new();
        let mut loaded = Self { rows: from.table(rows)?, stated_in: from.table(stated_in)? };
        for account in (0..).take(ACCOUNTS_MAX).map(AccountId) {
            let kept = loaded.rows[account.0 as usize].row;
            let rehash = |change: &mut Digest| loaded.change(account, change, |_| {});
            sum.row(("reconciliation of account", account.0.into()), kept, rehash)?;
        }
        Ok(loaded)
    }
}

const TAG: u64 = 0x0807;
const TAG_STATED: u64 = 0x0407;
const _: () = assert!(CURRENCIES_MAX <= 64, "a set of currencies is one 64-bit word");
