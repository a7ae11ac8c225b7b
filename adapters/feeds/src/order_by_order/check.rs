//! Compares best prices with those of a LOBSTER book file, row by row.
//!
//! Row n stands behind message n, and is judged as soon as a later message is told, or at the end. Units: the
//! instrument's. Invariant: each row up to the last message that was told is judged once.

use super::reader::rescale;
use super::{BookRow, LobsterBook, OrderByOrderError, OrderFormat};
use crate::{BookCheckResult, BookMismatch, BookTop};
use std::path::Path;
use tickwerk_domain::{Level, Price, Qty, Side};

/// A comparison that goes on.
#[derive(Debug)]
pub struct RowCheck {
    rows: LobsterBook,
    row: Option<BookRow>,
    price_scale: u8,
    quantity_scale: u8,
    top: BookTop,
    /// The message that was told last.
    told: u64,
    result: BookCheckResult,
}

impl RowCheck {
    /// Opens the book file, for an instrument with these decimals.
    pub fn open(path: &Path, price_scale: u8, quantity_scale: u8) -> Result<Self, OrderByOrderError> {
        let mut rows = LobsterBook::open(path)?;
        let row = rows.next().transpose()?;
        let (top, result) = (BookTop::default(), BookCheckResult::default());
        Ok(Self { rows, row, price_scale, quantity_scale, top, told: 0, result })
    }

    /// Something of the message `update` is told.
    pub fn told(&mut self, update: u64) -> Result<(), OrderByOrderError> {
        self.told = self.told.max(update);
        self.judge_before(update)
    }

    /// The book is whole behind what was told.
    pub fn book(&mut self, top: BookTop) {
        self.top = top;
    }

    /// Judges what is left up to the last message that was told.
    pub fn finish(mut self) -> Result<BookCheckResult, OrderByOrderError> {
        self.judge_before(self.told + 1)?;
        Ok(self.result)
    }

    fn judge_before(&mut self, update: u64) -> Result<(), OrderByOrderError> {
        while let Some(row) = self.row.take_if(|row| row.sequence < update) {
            let best = |side| row.levels(side).first().and_then(|level| self.scaled(*level));
            let stated = BookTop { bid: best(Side::Buy), ask: best(Side::Sell) };
            self.result.total += 1;
            if self.top == stated {
                self.result.matched += 1;
            } else if self.result.first_mismatch.is_none() {
                let (update_id, quote_id) = (self.told, row.sequence);
                let mismatch = BookMismatch { update_id, book: self.top, quote_id, quote: stated };
                self.result.first_mismatch = Some(mismatch);
            }
            self.row = self.rows.next().transpose()?;
        }
        Ok(())
    }

    /// The level at the instrument's scales; a level that they cannot hold equals none.
    fn scaled(&self, level: Level) -> Option<Level> {
        let (price_scale, qty_scale) = OrderFormat::Lobster.scales();
        let price = rescale(level.price.0, price_scale, self.price_scale).ok()?;
        let qty = rescale(level.qty.0, qty_scale, self.quantity_scale).ok()?;
        Some(Level { price: Price(price), qty: Qty(qty) })
    }
}
