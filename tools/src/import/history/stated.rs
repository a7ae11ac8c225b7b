//! Money, funding, and what was stated of positions and balances.

use super::{History, REMEDY_LARGE};
use crate::import::book::TooLarge;
use tickwerk_domain::command::{CashTransferred, FundingApplied, VenueBalanceStated, VenuePositionStated};
use tickwerk_domain::{Money, PositionSide, Qty, TextId, format_decimal};
use tickwerk_import::{BalanceRow, Fault, FundingRow, Planned, PositionRow, StatedUse, TransferRow};

/// What to do where rows lead to something else than is stated.
const REMEDY_CHECK: &str = "rows are missing or too many; compare the sums of the report";
/// What to do where something is there before it is opened.
const REMEDY_OPEN: &str = "take `use = \"check\"`, or begin with the earliest date";
/// What to do about funding of nothing.
const REMEDY_FUNDING: &str = "import the fills or positions that made it; where it was closed in between, map the moment that \
     the funding is for as `time`, or import the row as a transfer";

impl History<'_> {
    pub(super) fn transfer(&mut self, planned: &Planned, row: &TransferRow) {
        let reason = row.reason.as_deref().map_or(TextId::NONE, |reason| self.text(reason));
        let events = self.book.transfer(row.account, row.currency, row.amount);
        let (account, currency) = (row.account, row.currency);
        let command = CashTransferred { amount: Money::new(row.amount), account, currency, reason };
        self.push(planned.place, command, events, None);
    }

    pub(super) fn position(&mut self, planned: &Planned, row: &PositionRow) -> Result<(), Fault> {
        let key = (row.account, row.instrument, row.side);
        let held = Qty(self.book.position(key).qty);
        let scale = self.plan.names.instrument(row.instrument).quantity_scale;
        let shown = format_decimal(i128::from(held.0), scale);
        let events = match row.purpose {
            StatedUse::Check if held == row.qty => Vec::new(),
            StatedUse::Check => {
                let reason = format!("is not what the rows before lead to, which is {shown}");
                return Err(self.plan.fault(planned, "qty", reason, REMEDY_CHECK));
            }
            StatedUse::Open if self.book.positions.contains_key(&key) => {
                let reason = format!("cannot open a position that rows before have made {shown}");
                return Err(self.plan.fault(planned, "qty", reason, REMEDY_OPEN));
            }
            StatedUse::Open if row.qty == Qty::ZERO => Vec::new(),
            StatedUse::Open => {
                self.book.open(&self.plan.names, key, row.qty, row.price).map_err(|TooLarge| {
                    self.plan.fault(planned, "qty", "is worth more than an amount can hold", REMEDY_LARGE)
                })?
            }
        };
        let stated = VenuePositionStated {
            run: planned.place.row,
            qty: row.qty,
            price: row.price,
            account: row.account,
            instrument: row.instrument,
            side: row.side,
        };
        self.push(planned.place, stated, events, None);
        Ok(())
    }

    pub(super) fn balance(&mut self, planned: &Planned, row: &BalanceRow) -> Result<(), Fault> {
        let held = self.book.balance(row.account, row.currency);
        let shown = format_decimal(held.unwrap_or(0), self.plan.names.currency(row.currency).scale);
        let events = match row.purpose {
            StatedUse::Check if held.unwrap_or(0) == row.amount => Vec::new(),
            StatedUse::Check => {
                let reason = format!("is not what the rows before lead to, which is {shown}");
                return Err(self.plan.fault(planned, "amount", reason, REMEDY_CHECK));
            }
            StatedUse::Open if held.is_some() => {
                let reason = format!("cannot open a balance that rows before have made {shown}");
                return Err(self.plan.fault(planned, "amount", reason, REMEDY_OPEN));
            }
            StatedUse::Open => self.book.open_balance(row.account, row.currency, row.amount),
        };
        let (account, currency, cash) = (row.account, row.currency, Money::new(row.amount));
        let stated = VenueBalanceStated { run: planned.place.row, cash, account, currency };
        self.push(planned.place, stated, events, None);
        Ok(())
    }

    /// Funding of a position that is open.
    pub(super) fn funding(&mut self, planned: &Planned, row: &FundingRow) -> Result<(), Fault> {
        let open = |side: &PositionSide| self.book.position((row.account, row.instrument, *side)).qty != 0;
        let sides =
            row.side.as_ref().map_or(&[PositionSide::Long, PositionSide::Short][..], std::slice::from_ref);
        let held: Vec<PositionSide> = sides.iter().copied().filter(open).collect();
        let side = match held[..] {
            [side] => side,
            [] => {
                let reason = "is of a position that is not open then";
                return Err(self.plan.fault(planned, "symbol", reason, REMEDY_FUNDING));
            }
            _ => {
                let reason = "does not say which of both positions it is of";
                return Err(self.plan.fault(planned, "side", reason, "map `side`"));
            }
        };
        let events = self.book.fund(&self.plan.names, (row.account, row.instrument, side), row);
        let applied = FundingApplied { rate: row.rate, price: row.price, instrument: row.instrument };
        self.push(planned.place, applied, events, None);
        Ok(())
    }
}
