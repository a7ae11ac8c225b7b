//! Rows that cannot be taken: which, why, and what to do.

use std::fmt;

/// What is wrong with a value of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The column that the value stands in; the field, where it is a constant or nothing.
    pub column: String,
    /// The value as it stands there.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Fault {
    /// A fault of a value.
    pub fn new(
        column: impl Into<String>,
        value: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { column: column.into(), value: value.into(), reason: reason.into(), remedy: remedy.into() }
    }
}

/// Where a row is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Which source, from 0.
    pub source: u16,
    /// Which of its rows, from 1, those that are left out included.
    pub row: u64,
    /// The line of its file where it starts, from 1; 0 where there are no lines.
    pub line: u64,
}

/// A row that is not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Name of the source.
    pub source: String,
    /// Where it is.
    pub place: Place,
    /// Why.
    pub fault: Fault,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { column, value, reason, remedy } = &self.fault;
        write!(out, "{} row {}", self.source, self.place.row)?;
        if self.place.line > 0 {
            write!(out, " (line {})", self.place.line)?;
        }
        write!(out, ", {column} {value:?}: {reason}; {remedy}")
    }
}

/// Refusals that are kept for the report; more are counted.
const KEPT_MAX: usize = 1_000;

/// All refusals of an import, and how many are borne.
#[derive(Clone, Debug)]
pub struct Refusals {
    max: u64,
    count: u64,
    /// Those that are counted and not kept.
    untold: u64,
    kept: Vec<Refusal>,
}

impl Refusals {
    /// Bears `max` of them; the one after ends the import.
    pub fn new(max: u64) -> Self {
        Self { max, count: 0, untold: 0, kept: Vec::new() }
    }

    /// Notes one; whether it is borne.
    #[must_use]
    pub fn note(&mut self, refusal: Refusal) -> bool {
        self.count += 1;
        if !self.note_again(refusal) {
            self.untold += 1;
        }
        self.is_borne()
    }

    /// Notes another fault of a row that is refused already, which counts no more; whether it is kept.
    pub fn note_again(&mut self, refusal: Refusal) -> bool {
        let is_kept = self.kept.len() < KEPT_MAX;
        if is_kept {
            self.kept.push(refusal);
        }
        is_kept
    }

    /// Whether there are no more than are borne.
    pub fn is_borne(&self) -> bool {
        self.count <= self.max
    }

    /// How many rows are refused.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many rows are refused that [`kept`](Self::kept) does not tell of.
    pub fn untold(&self) -> u64 {
        self.untold
    }

    /// How many are borne.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The first of them; a row stands there once for each of its faults.
    pub fn kept(&self) -> &[Refusal] {
        &self.kept
    }
}
