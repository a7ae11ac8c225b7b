//! Rows of an SQLite file, which is opened for reading only. Numbers of type REAL are read as the shortest decimal that
//! names them; what is to be exact should lie there as text or as whole numbers.

use super::{Row, Rows, RowsError, places};
use crate::mapping::{Source, Table};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// Rows that are read ahead.
const AHEAD: usize = 1_000;

/// Rows of an SQLite table.
///
/// A statement borrows its connection, so both live on a thread of their own.
#[derive(Debug)]
pub struct SqliteRows {
    rows: Receiver<Result<Vec<Option<String>>, RowsError>>,
    reader: Option<JoinHandle<()>>,
}

impl SqliteRows {
    /// Opens a file and begins to read.
    pub(crate) fn open(source: &Source, path: &Path, table: &Table) -> Result<Self, RowsError> {
        // SQLite would make a file that is not there.
        std::fs::metadata(path).map_err(|source| RowsError::Open { path: path.to_owned(), source })?;
        let failed = |error: rusqlite::Error| RowsError::Read {
            source_name: source.name.clone(),
            row: 0,
            reason: error.to_string(),
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        let sql = format!("SELECT * FROM ({}) AS source ORDER BY {}", table.query, table.order_by);
        let there: Vec<String> = {
            let statement = connection.prepare(&sql).map_err(failed)?;
            statement.column_names().into_iter().map(str::to_owned).collect()
        };
        let places = places(source, &there)?;
        let (sender, rows) = sync_channel(AHEAD);
        let source_name = source.name.clone();
        let reader = std::thread::spawn(move || {
            let mut row_number = 0;
            let read = (|| -> rusqlite::Result<()> {
                let mut statement = connection.prepare(&sql)?;
                let mut found = statement.query([])?;
                while let Some(row) = found.next()? {
                    row_number += 1;
                    let values = places.iter().map(|place| row.get_ref(*place).map(text_of));
                    let values: Vec<_> = values.collect::<rusqlite::Result<_>>()?;
                    let values = values.into_iter().collect::<Result<Vec<_>, &'static str>>();
                    let values = values.map_err(|reason| RowsError::Row {
                        row: row_number,
                        line: 0,
                        reason: reason.to_owned(),
                    });
                    if sender.send(values).is_err() {
                        return Ok(());
                    }
                }
                Ok(())
            })();
            if let Err(error) = read {
                let broken = RowsError::Read { source_name, row: row_number, reason: error.to_string() };
                // Nobody waits for it where the rows are not wanted any more.
                sender.send(Err(broken)).ok();
            }
        });
        Ok(Self { rows, reader: Some(reader) })
    }
}

fn text_of(value: ValueRef<'_>) -> Result<Option<String>, &'static str> {
    Ok(match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) => {
            Some(std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?.trim().to_owned())
        }
        ValueRef::Blob(_) => return Err("has a blob; cast it to text in `query`"),
    })
}

impl Rows for SqliteRows {
    fn next(&mut self, row: &mut Row) -> Result<bool, RowsError> {
        row.line = 0;
        match self.rows.recv() {
            Ok(values) => {
                row.values = values?;
                Ok(true)
            }
            Err(_) => {
                // The thread has ended and said all; a panic of it must not pass for the end.
                let ended = self.reader.take().map(JoinHandle::join);
                assert!(!matches!(ended, Some(Err(_))), "the thread that reads SQLite has failed");
                Ok(false)
            }
        }
    }
}
