//! Import of history from other systems: rows of their tables become a journal of its own.
//!
//! The way of a row: `tickwerk_import` reads all sources, looks at every row and sorts them by time; [`history`] makes
//! frames of them, with the same arithmetic as the engine ([`book`]); [`target`] compares those with what lies in the
//! directory already and appends the rest. Everything is made again from the first row on when an import goes on, so there
//! is no state but the journal itself: each frame tells the source and the row that it came from.
//!
//! Nothing was decided here, so such a journal cannot be re-executed. Its frames come from sources that no engine takes
//! ([`SourceId::IMPORT`](tickwerk_domain::SourceId::IMPORT)), and its first record says what was imported ([`mark`]).

pub(crate) mod book;
pub(crate) mod frames;
pub(crate) mod history;
pub(crate) mod mark;
pub(crate) mod orders;
pub(crate) mod postgres;
pub(crate) mod report;
pub(crate) mod target;
