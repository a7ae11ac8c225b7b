//! Where rows come from: one after another, as text.

pub(crate) mod csv;
mod quotes;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use crate::mapping::{Origin, Source};
use std::path::PathBuf;

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The file cannot be opened.
    #[error("{} cannot be opened", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Reading broke off.
    #[error("source {source_name:?} cannot be read behind row {row}: {reason}")]
    Read {
        /// Which source.
        source_name: String,
        /// The last row that was read.
        row: u64,
        /// Why.
        reason: String,
    },
    /// This build cannot read such a source.
    #[error(
        "source {source_name:?} is an SQLite file, and this build does not read those; build it with the feature \
         `sqlite` (cargo build --release --features sqlite), or export the table as CSV"
    )]
    NoSqlite {
        /// Which source.
        source_name: String,
    },
    /// A row cannot be one.
    #[error("row {row}: {reason}")]
    Row {
        /// Which row.
        row: u64,
        /// Where it starts.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Several columns have this name.
    #[error("source {source_name:?} has the column {column:?} more than once; give each a name of its own")]
    Repeated {
        /// Which source.
        source_name: String,
        /// What the mapping names.
        column: String,
    },
    /// A column is not there.
    #[error("source {source_name:?} has no column {column:?}; it has {}", columns_told(there))]
    Column {
        /// Which source.
        source_name: String,
        /// What the mapping names.
        column: String,
        /// What there is.
        there: Vec<String>,
    },
}

/// A row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The values of the columns that the mapping reads, in their order.
    pub values: Vec<Option<String>>,
    /// The line where it starts; 0 where there are no lines.
    pub line: u64,
}

/// Rows of a source, in their order.
pub trait Rows {
    /// Fills `row` with the next one; false at the end. After [`RowsError::Row`] the one after it can be read.
    fn next(&mut self, row: &mut Row) -> Result<bool, RowsError>;
}

/// Whether this build reads SQLite files.
pub fn has_sqlite() -> bool {
    cfg!(feature = "sqlite")
}

/// Opens a source that is a file; `None` where it is none.
pub fn open_file(source: &Source) -> Result<Option<Box<dyn Rows>>, RowsError> {
    Ok(match &source.origin {
        Origin::Csv { path, delimiter, header } => {
            Some(Box::new(csv::CsvRows::open(source, path, *delimiter, header.as_deref())?))
        }
        #[cfg(feature = "sqlite")]
        Origin::Sqlite { path, table } => Some(Box::new(sqlite::SqliteRows::open(source, path, table)?)),
        #[cfg(not(feature = "sqlite"))]
        Origin::Sqlite { .. } => return Err(RowsError::NoSqlite { source_name: source.name.clone() }),
        Origin::Postgres { .. } => None,
    })
}

fn columns_told(there: &[String]) -> String {
    if there.iter().all(String::is_empty) { "none".to_owned() } else { there.join(", ") }
}

/// The places of the columns that the mapping reads among those that there are.
pub(crate) fn places(source: &Source, there: &[String]) -> Result<Vec<usize>, RowsError> {
    let place = |column: &str| {
        let mut found = (0..).zip(there).filter(|(_, known)| *known == column).map(|(place, _)| place);
        let (source_name, column) = (source.name.clone(), column.to_owned());
        let Some(place) = found.next() else {
            return Err(RowsError::Column { source_name, column, there: there.to_vec() });
        };
        match found.next() {
            None => Ok(place),
            Some(_) => Err(RowsError::Repeated { source_name, column }),
        }
    };
    source.columns().into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A build with the feature cannot show this, so the text is looked at by itself.
    #[test]
    fn a_build_that_reads_no_sqlite_names_the_feature() {
        let text = RowsError::NoSqlite { source_name: "fills".to_owned() }.to_string();
        for part in ["source \"fills\"", "feature `sqlite`", "--features sqlite", "as CSV"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
}
