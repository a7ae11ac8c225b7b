//! Reference rows, each brought to the book in its moment.
//!
//! A row stands behind all items of its sequence, and is compared before the first item behind them. Where rows come on a
//! channel of their own, nothing but the receiver's clock orders them among the items, and a row may be ahead of them or
//! behind: within the slack of its format it counts as soon as it equals the book. A row that never does is compared at
//! the end of its slack, and one that shows what the data cannot is learned from in its own moment.

use super::{Difference, Rebuild};
use anyhow::{Context, Result};
use tickwerk_feeds::order_by_order::{BookRow, OrderByOrderError};

pub(crate) type Rows = Box<dyn Iterator<Item = Result<BookRow, OrderByOrderError>>>;

const READING: &str = "reading the reference";

pub(crate) struct Reference {
    rows: Rows,
    /// The next row.
    row: Option<BookRow>,
    /// How far a row may lie from its moment, in units of the sequence.
    slack: u64,
    /// The first difference.
    first: Option<Difference>,
}

impl Reference {
    pub(crate) fn new(mut rows: Rows, slack: u64) -> Result<Self> {
        let row = rows.next().transpose().context(READING)?;
        Ok(Self { rows, row, slack, first: None })
    }

    pub(crate) fn first_difference(&self) -> Option<&Difference> {
        self.first.as_ref()
    }

    /// Compares the rows that must be compared before an item of `sequence` changes the book.
    pub(crate) fn before(&mut self, sequence: u64, rebuild: &mut Rebuild) -> Result<()> {
        while let Some(row) = &self.row
            && row.sequence < sequence
        {
            let may_wait = sequence <= row.sequence.saturating_add(self.slack);
            if may_wait && rebuild.differs(row) {
                break;
            }
            self.compare(rebuild)?;
        }
        Ok(())
    }

    /// Compares the rows that an item of `sequence` made equal to the book though their moment is another.
    pub(crate) fn after(&mut self, sequence: u64, rebuild: &mut Rebuild) -> Result<()> {
        while let Some(row) = &self.row
            && self.slack > 0
            && row.sequence.abs_diff(sequence) <= self.slack
            && rebuild.equals(row)
        {
            self.compare(rebuild)?;
        }
        Ok(())
    }

    /// Compares the rows that are left behind the last item, which had `sequence`.
    pub(crate) fn end(&mut self, sequence: u64, rebuild: &mut Rebuild) -> Result<()> {
        while self.row.as_ref().is_some_and(|row| row.sequence <= sequence) {
            self.compare(rebuild)?;
        }
        Ok(())
    }

    fn compare(&mut self, rebuild: &mut Rebuild) -> Result<()> {
        if let Some(row) = &self.row {
            let difference = rebuild.compare(row).context("comparing with the reference")?;
            self.first = self.first.take().or(difference);
        }
        self.row = self.rows.next().transpose().context(READING)?;
        Ok(())
    }
}
