//! History of other systems: tables in files and databases, a mapping of their columns, and what stands in their rows.
//!
//! The way of a row: a [`Rows`] gives it as text, a [`Mapping`] says what its columns mean, [`Plan`] reads all of them
//! once, looks for what is wrong, and sorts what they tell by time in files of its own, so that memory is bounded. What
//! becomes of it in a journal is not this crate's work: it knows no journal, no engine and no server.
//!
//! Amounts are read exactly and never rounded. Whatever cannot be read is a [`Refusal`] that names the row, the column,
//! the value and what to do.

#![deny(missing_docs)]

mod entry;
mod fields;
mod fingerprint;
mod mapping;
mod names;
mod plan;
mod refusal;
mod rows;
mod sort;
mod text;
mod time;
mod values;

pub use entry::{
    AmendmentRow, BalanceRow, Entry, FillOrder, FillRow, FinalStatus, FundingRow, OrderRow, Part,
    PositionRow, QuoteRow, REMEDY_NOT_OPEN, StatedUse, TradeRow, TransferRow,
};
pub use fields::{Field, FieldKind, Need, What};
pub use fingerprint::Fingerprint;
pub use mapping::{Mapping, MappingError, Origin, Source, Table, Tls};
pub use names::{Account, Currency, Names, Strategy};
pub use plan::{Plan, PlanError, Planned, SourceCounts};
pub use refusal::{Fault, Place, Refusal, Refusals};
pub use rows::csv::CsvRows;
#[cfg(feature = "sqlite")]
pub use rows::sqlite::SqliteRows;
pub use rows::{Row, Rows, RowsError, has_sqlite, open_file};
