//! All positions, by account and instrument.
//!
//! The netted and the long positions share a table. The short side of hedged pairs lies in a table of its own, and
//! funding in one more, so that who nets and holds no perpetual touches neither. An account's mode may change only
//! while it holds nothing; what was realised stays with its row.

use super::Position;
use super::venues::PositionVenues;
use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX};
use std::cell::Cell;
use tickwerk_domain::digest::{row_hash, words_of};
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum, ensure};
use tickwerk_domain::{AccountId, Digest, InstrumentId, PositionMode, PositionSide, Side, VenueId};

/// Funding of a position so far.
#[derive(Clone, Copy, Debug, Default)]
struct Funding {
    total: i128,
    row: u64,
}

/// Which rows of a table hold something, as bits both ways round.
#[derive(Debug)]
struct Held {
    /// Per account, a bit for each instrument.
    by_account: Box<[u64]>,
    /// Per instrument, a bit for each account.
    by_instrument: Box<[u64]>,
}

impl Held {
    fn new() -> Self {
        Self { by_account: vec![0; ACCOUNTS_MAX].into(), by_instrument: vec![0; INSTRUMENTS_MAX].into() }
    }

    #[inline]
    fn set(&mut self, account: AccountId, instrument: InstrumentId, is_held: bool) {
        let bits = &mut self.by_account[account.0 as usize];
        let now = *bits & !(1 << instrument.0) | u64::from(is_held) << instrument.0;
        // Nearly every change of a position leaves it open, so the other way round is seldom touched.
        if now != *bits {
            *bits = now;
            self.by_instrument[instrument.0 as usize] ^= 1 << account.0;
        }
    }
}

/// All positions, by account and instrument.
#[derive(Debug)]
pub struct Positions {
    rows: Box<[Position]>,
    shorts: Box<[Position]>,
    funding: Box<[Funding]>,
    venues: PositionVenues,
    /// Accounts in hedging mode, a bit each.
    hedging: u64,
    hedging_row: u64,
    open: Held,
    open_shorts: Held,
    /// Per account, a bit for each instrument with a position or an open order.
    busy: Box<[u64]>,
    /// Per account, a bit for each instrument whose position was lent out to be changed since somebody asked; it decides
    /// nothing and is in no digest.
    touched: Box<[Cell<u64>]>,
}

impl Default for Positions {
    fn default() -> Self {
        Self::new()
    }
}

impl Positions {
    /// No positions.
    pub fn new() -> Self {
        let count = ACCOUNTS_MAX * INSTRUMENTS_MAX;
        Self {
            rows: vec![Position::default(); count].into(),
            shorts: vec![Position::default(); count].into(),
            funding: vec![Funding::default(); 2 * count].into(),
            venues: PositionVenues::new(),
            hedging: 0,
            hedging_row: 0,
            open: Held::new(),
            open_shorts: Held::new(),
            busy: vec![0; ACCOUNTS_MAX].into(),
            touched: vec![Cell::default(); ACCOUNTS_MAX].into(),
        }
    }

    /// How an account counts its positions; its number in range.
    #[inline]
    pub fn mode(&self, account: AccountId) -> PositionMode {
        if self.hedging >> account.0 & 1 == 0 { PositionMode::Netting } else { PositionMode::Hedging }
    }

    /// Sets how an account counts its positions; it holds nothing.
    pub(crate) fn set_mode(&mut self, account: AccountId, mode: PositionMode, digest: &mut Digest) {
        let is_hedging = u64::from(mode == PositionMode::Hedging);
        self.hedging = self.hedging & !(1 << account.0) | is_hedging << account.0;
        digest.update(&mut self.hedging_row, row_hash(TAG_MODE, &[self.hedging]));
    }

    /// The netted position, or the long one in hedging mode; both numbers in range.
    #[inline]
    pub fn get(&self, account: AccountId, instrument: InstrumentId) -> &Position {
        &self.rows[index(account, instrument)]
    }

    /// The position of a side; both numbers in range.
    #[inline]
    pub fn of(&self, account: AccountId, instrument: InstrumentId, side: PositionSide) -> &Position {
        match side {
            PositionSide::Net | PositionSide::Long => &self.rows[index(account, instrument)],
            PositionSide::Short => &self.shorts[index(account, instrument)],
        }
    }

    #[inline]
    pub(crate) fn of_mut(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: PositionSide,
    ) -> &mut Position {
        *self.touched[account.0 as usize].get_mut() |= 1 << instrument.0;
        match side {
            PositionSide::Net | PositionSide::Long => &mut self.rows[index(account, instrument)],
            PositionSide::Short => &mut self.shorts[index(account, instrument)],
        }
    }

    /// Instruments whose positions may have changed since [`Self::untouch`], a bit each.
    #[inline]
    pub(crate) fn touched(&self, account: AccountId) -> u64 {
        self.touched[account.0 as usize].get()
    }

    /// Whoever asks which positions have changed knows them all.
    #[inline]
    pub(crate) fn untouch(&self, account: AccountId) {
        self.touched[account.0 as usize].set(0);
    }

    /// Whether any order of a side is open, on whichever position.
    #[inline]
    pub(crate) fn has_open(&self, account: AccountId, instrument: InstrumentId, side: Side) -> bool {
        let place = index(account, instrument);
        let is_open = |row: &Position| match side {
            Side::Buy => row.open_buys != 0,
            Side::Sell => row.open_sells != 0,
        };
        let is_hedging = self.mode(account) == PositionMode::Hedging;
        is_open(&self.rows[place]) || is_hedging && is_open(&self.shorts[place])
    }

    /// The sides that an account has in each instrument, in order.
    pub fn sides(&self, account: AccountId) -> &'static [PositionSide] {
        match self.mode(account) {
            PositionMode::Netting => &[PositionSide::Net],
            PositionMode::Hedging => &[PositionSide::Long, PositionSide::Short],
        }
    }

    /// The version of one more record of a position's stream. Both sides of a pair have one stream.
    pub(crate) fn next_version(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: PositionSide,
    ) -> u64 {
        if side == PositionSide::Short {
            self.shorts[index(account, instrument)].version += 1;
        }
        // A record tells of values and changes none.
        let row = &mut self.rows[index(account, instrument)];
        row.version += 1;
        row.version
    }

    /// Instruments in which the account has a position on either side, in order of number.
    pub fn open(&self, account: AccountId) -> impl Iterator<Item = InstrumentId> + use<> {
        let index = account.0 as usize;
        bits(self.open.by_account[index] | self.open_shorts.by_account[index]).map(InstrumentId)
    }

    /// Instruments in which the account has a position or an open order, in order of number.
    pub fn busy(&self, account: AccountId) -> impl Iterator<Item = InstrumentId> + use<> {
        bits(self.busy_bits(account)).map(InstrumentId)
    }

    /// The same, a bit each.
    #[inline]
    pub(crate) fn busy_bits(&self, account: AccountId) -> u64 {
        self.busy[account.0 as usize]
    }

    /// Accounts that have a position in the instrument on either side, in order of number, from after `after`.
    pub fn holders(
        &self,
        instrument: InstrumentId,
        after: AccountId,
    ) -> impl Iterator<Item = AccountId> + use<> {
        let index = instrument.0 as usize;
        let all = self.open.by_instrument[index] | self.open_shorts.by_instrument[index];
        bits(all & (!1_u64).checked_shl(after.0).unwrap_or(0)).map(AccountId)
    }

    /// Whether anybody has a position in the instrument.
    #[inline]
    pub fn is_held(&self, instrument: InstrumentId) -> bool {
        let index = instrument.0 as usize;
        (self.open.by_instrument[index] | self.open_shorts.by_instrument[index]) != 0
    }

    /// Funding of a position so far, in settlement units; negative for paid.
    pub fn funding(&self, account: AccountId, instrument: InstrumentId, side: PositionSide) -> i128 {
        self.funding[side_index(account, instrument, side)].total
    }

    /// A fill at a venue, or what the venue says of it, has changed a position that was flat before, or was not.
    #[inline]
    pub(crate) fn note_venue(
        &mut self,
        (account, instrument, side): (AccountId, InstrumentId, PositionSide),
        was_flat: bool,
        venue: VenueId,
        digest: &mut Digest,
    ) {
        self.venues.note(side_index(account, instrument, side), was_flat, venue, digest);
    }

    /// Whether all of a position stands at a venue, as far as its fills tell.
    pub fn is_all_at(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        side: PositionSide,
        venue: VenueId,
    ) -> bool {
        self.venues.is_all_at(side_index(account, instrument, side), venue)
    }

    /// Adds funding; gives all so far.
    pub(crate) fn add_funding(
        &mut self,
        (account, instrument, side): (AccountId, InstrumentId, PositionSide),
        amount: i128,
        digest: &mut Digest,
    ) -> i128 {
        let row = &mut self.funding[side_index(account, instrument, side)];
        row.total = row.total.saturating_add(amount);
        digest.update(&mut row.row, hash_of_funding((account, instrument, side), row.total));
        row.total
    }

    /// All netted and long positions that ever were, in order of account and instrument.
    pub fn all(&self) -> impl Iterator<Item = (AccountId, InstrumentId, &Position)> {
        numbered(&self.rows)
    }

    /// All positions that ever were, with their sides: in order of account and instrument, short ones last.
    pub fn all_sides(&self) -> impl Iterator<Item = (AccountId, InstrumentId, PositionSide, &Position)> {
        let first = numbered(&self.rows).map(|(account, instrument, row)| {
            let side = match self.mode(account) {
                PositionMode::Netting => PositionSide::Net,
                PositionMode::Hedging => PositionSide::Long,
            };
            (account, instrument, side, row)
        });
        let shorts = numbered(&self.shorts);
        first.chain(shorts.map(|(account, instrument, row)| (account, instrument, PositionSide::Short, row)))
    }

    /// Brings the digest and the sets of open positions up to date with what an account has of an instrument.
    pub(crate) fn rehash(&mut self, account: AccountId, instrument: InstrumentId, digest: &mut Digest) {
        let row = &mut self.rows[index(account, instrument)];
        let hash = row.hash(TAG, account, instrument);
        digest.update(&mut row.row, hash);
        self.open.set(account, instrument, row.qty != 0);
        let mut is_busy = !row.is_idle();
        if self.mode(account) == PositionMode::Hedging {
            is_busy |= self.rehash_short(account, instrument, digest);
        }
        let busy = &mut self.busy[account.0 as usize];
        *busy = *busy & !(1 << instrument.0) | u64::from(is_busy) << instrument.0;
    }

    /// The same for the short side of a pair; tells whether it is held or ordered.
    #[cold]
    fn rehash_short(&mut self, account: AccountId, instrument: InstrumentId, digest: &mut Digest) -> bool {
        let row = &mut self.shorts[index(account, instrument)];
        let hash = row.hash(TAG_SHORT, account, instrument);
        digest.update(&mut row.row, hash);
        self.open_shorts.set(account, instrument, row.qty != 0);
        !row.is_idle()
    }
}

tickwerk_domain::persist! { Funding { total, row } }

impl Positions {
    /// What is held and ordered follows from the rows.
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self {
            rows,
            shorts,
            funding,
            venues,
            hedging,
            hedging_row,
            open: _,
            open_shorts: _,
            busy: _,
            touched: _,
        } = self;
        to.table(rows, &Position::default());
        to.table(shorts, &Position::default());
        to.table(funding, &Funding::default());
        venues.save(to);
        to.value(hedging);
        to.value(hedging_row);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let Self { rows, shorts, funding, open, open_shorts, busy, touched, .. } = Self::new();
        let mut loaded = Self {
            rows: from.table(rows)?,
            shorts: from.table(shorts)?,
            funding: from.table(funding)?,
            venues: PositionVenues::load(from, sum)?,
            hedging: from.value()?,
            hedging_row: from.value()?,
            open,
            open_shorts,
            busy,
            touched,
        };
        let modes = row_hash(TAG_MODE, &[loaded.hedging]);
        let is_right = loaded.hedging_row == modes || loaded.hedging | loaded.hedging_row == 0;
        ensure(is_right, Fault::Broken("the modes of accounts are not what their hash says"))?;
        sum.add(loaded.hedging_row);
        for place in 0..ACCOUNTS_MAX * INSTRUMENTS_MAX {
            loaded.take_in(place, sum)?;
        }
        Ok(loaded)
    }

    /// Compares the rows of a place with their hashes, and notes what is held and ordered there.
    fn take_in(&mut self, place: usize, sum: &mut RowSum) -> Result<(), Fault> {
        let (account, instrument) = owner(place);
        let found = u64::from(account.0) << 32 | u64::from(instrument.0);
        let (first, short) = (&self.rows[place], &self.shorts[place]);
        for (row, tag) in [(first, TAG), (short, TAG_SHORT)] {
            let is_right = row.row == 0 || row.row == row.hash(tag, account, instrument);
            ensure(is_right, Fault::Hash { what: "position", found })?;
            sum.add(row.row);
        }
        let is_hedging = self.mode(account) == PositionMode::Hedging;
        let is_busy = !first.is_idle() || is_hedging && !short.is_idle();
        self.open.set(account, instrument, first.qty != 0);
        self.open_shorts.set(account, instrument, short.qty != 0);
        self.busy[account.0 as usize] |= u64::from(is_busy) << instrument.0;
        // The mode may have changed since, so a row may be a netted position's or a long one's.
        for sides in [&[PositionSide::Net, PositionSide::Long][..], &[PositionSide::Short]] {
            let Funding { total, row } = self.funding[side_index(account, instrument, sides[0])];
            let is_of = |side: &PositionSide| row == hash_of_funding((account, instrument, *side), total);
            ensure(row == 0 || sides.iter().any(is_of), Fault::Hash { what: "funding of position", found })?;
            sum.add(row);
        }
        Ok(())
    }
}

impl Position {
    #[inline]
    fn hash(&self, tag: u64, account: AccountId, instrument: InstrumentId) -> u64 {
        let [cost_high, cost] = words_of(self.open_cost);
        let [realized_high, realized] = words_of(self.realized);
        let [fees_high, fees] = words_of(self.fees);
        let [unsettled_high, unsettled] = words_of(self.unsettled);
        let [margin_high, margin] = words_of(self.margin);
        // High words are nearly always the same few; turned apart, they share a word.
        let highs = [realized_high, fees_high, unsettled_high, margin_high];
        let highs = highs.iter().fold(cost_high, |turned, high| turned.rotate_left(13) ^ high);
        let words = [
            u64::from(account.0) << 32 | u64::from(instrument.0),
            self.qty.cast_unsigned(),
            highs,
            cost,
            realized,
            fees,
            unsettled,
            margin,
            self.open_buys.cast_unsigned(),
            self.open_sells.cast_unsigned(),
            self.version,
        ];
        row_hash(tag, &words)
    }
}

/// The numbers of the bits that are set, from the lowest.
#[inline]
pub(crate) fn bits(mut rest: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let next = (rest != 0).then(|| rest.trailing_zeros())?;
        rest &= rest - 1;
        Some(next)
    })
}

fn numbered(rows: &[Position]) -> impl Iterator<Item = (AccountId, InstrumentId, &Position)> {
    rows.iter().enumerate().filter(|(_, position)| position.version > 0).map(|(index, position)| {
        let (account, instrument) = owner(index);
        (account, instrument, position)
    })
}

/// Whose position stands at a place.
fn owner(index: usize) -> (AccountId, InstrumentId) {
    let number = |value: usize| u32::try_from(value).expect("tables are small");
    (AccountId(number(index / INSTRUMENTS_MAX)), InstrumentId(number(index % INSTRUMENTS_MAX)))
}

#[inline]
fn index(account: AccountId, instrument: InstrumentId) -> usize {
    account.0 as usize * INSTRUMENTS_MAX + instrument.0 as usize
}

fn side_index(account: AccountId, instrument: InstrumentId, side: PositionSide) -> usize {
    let table = usize::from(side == PositionSide::Short) * ACCOUNTS_MAX * INSTRUMENTS_MAX;
    table + index(account, instrument)
}

fn hash_of_funding((account, instrument, side): (AccountId, InstrumentId, PositionSide), total: i128) -> u64 {
    let owner = u64::from(account.0) << 32 | u64::from(instrument.0);
    let [high, low] = words_of(total);
    row_hash(TAG_FUNDING, &[owner, side as u64, high, low])
}

const TAG: u64 = 0x0601;
const TAG_SHORT: u64 = 0x0602;
const TAG_FUNDING: u64 = 0x0603;
const TAG_MODE: u64 = 0x0604;
const _: () = assert!(size_of::<Position>() == 128, "two cache lines");
