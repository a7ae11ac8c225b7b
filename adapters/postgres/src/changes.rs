//! What a batch changes in the tables of one projection, folded to one change a row.

use crate::binary::{COPY_HEADER, COPY_TRAILER, Fields, array_header};
use crate::table::{Merge, Rows, Table};
use crate::value::{Type, Value};
use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use std::collections::BTreeMap;
use std::pin::pin;
use tickwerk_domain::Sequence;
use tokio_postgres::types::{IsNull, ToSql, to_sql_checked};
use tokio_postgres::{Statement, Transaction};

/// The rows of one projection that a batch changes.
#[derive(Debug)]
pub struct Changes {
    tables: Vec<TableChanges>,
    position: i64,
    /// Sums that no column can hold; they park the event.
    overflow: Option<&'static str>,
}

#[derive(Debug)]
struct TableChanges {
    table: &'static Table,
    current: BTreeMap<Vec<Value>, (Vec<Value>, i64)>,
    appended: Vec<(Vec<Value>, i64)>,
}

/// A row that is being changed.
#[derive(Debug)]
pub struct RowChange<'a> {
    table: &'static Table,
    values: &'a mut Vec<Value>,
    overflow: &'a mut Option<&'static str>,
}

impl RowChange<'_> {
    /// Gives a column a value, which meets an earlier one of the batch as it will meet that of the table.
    #[must_use]
    pub fn set(self, column: &'static str, value: Value) -> Self {
        let place = self.table.place(column);
        if value.is_null() && self.table.columns[place].merge != Merge::Replace {
            return self;
        }
        let old = std::mem::replace(&mut self.values[place], Value::Null);
        self.values[place] = match self.table.columns[place].merge {
            Merge::Key => panic!("{column} is part of the key of {}", self.table.name),
            Merge::Set | Merge::Replace => value,
            Merge::First if old.is_null() => value,
            Merge::Add => old.plus(value).unwrap_or_else(|| {
                *self.overflow = Some(column);
                Value::Null
            }),
            Merge::Max if old.is_null() || old.is_below(&value) => value,
            Merge::Min if old.is_null() || value.is_below(&old) => value,
            Merge::First | Merge::Max | Merge::Min => old,
        };
        self
    }

    /// Ends a change; there for the reader's eye.
    pub fn done(self) {}
}

impl Changes {
    /// Nothing changed yet in `tables`.
    pub fn new(tables: &'static [Table]) -> Self {
        let empty = |table| TableChanges { table, current: BTreeMap::new(), appended: Vec::new() };
        Self { tables: tables.iter().map(empty).collect(), position: 0, overflow: None }
    }

    /// What follows reflects this sequence.
    pub fn at(&mut self, sequence: Sequence) {
        self.position = i64::try_from(sequence.0).unwrap_or(i64::MAX);
        self.overflow = None;
    }

    /// The column that could not hold a sum since [`Self::at`].
    pub(crate) fn overflow(&self) -> Option<&'static str> {
        self.overflow
    }

    /// The row of `table` with this key: the one that is there, or a new one. Of a table of what happened it is always a
    /// new one.
    pub fn row(&mut self, table: &'static Table, key: impl IntoIterator<Item = Value>) -> RowChange<'_> {
        let Self { tables, position, overflow } = self;
        let changes = tables.iter_mut().find(|changes| changes.table.name == table.name);
        let changes = changes.unwrap_or_else(|| panic!("{} is no table of this projection", table.name));
        let key: Vec<Value> = key.into_iter().collect();
        assert_eq!(key.len(), table.key_length(), "the key of {}", table.name);
        let blank = |key: Vec<Value>| {
            let rest = table.columns.len() - key.len();
            key.into_iter().chain(std::iter::repeat_n(Value::Null, rest)).collect::<Vec<_>>()
        };
        let values = match table.rows {
            Rows::Current => {
                let (values, at) = changes.current.entry(key.clone()).or_insert_with(|| (blank(key), 0));
                *at = *position;
                values
            }
            Rows::Appended => {
                changes.appended.push((blank(key), *position));
                &mut changes.appended.last_mut().expect("it was just pushed").0
            }
        };
        RowChange { table, values, overflow }
    }

    /// The tables of the projection.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &'static Table> {
        self.tables.iter().map(|changes| changes.table)
    }

    /// How many rows are changed.
    pub fn row_count(&self) -> usize {
        self.tables.iter().map(|changes| changes.current.len() + changes.appended.len()).sum()
    }

    /// Takes what changed, as it is sent: rows that merge into others as an upsert, rows of what happened as a copy.
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        for TableChanges { table, current, appended } in &mut self.tables {
            let rows: Vec<_> = std::mem::take(current).into_values().collect();
            if !rows.is_empty() {
                writes.push(Write {
                    table,
                    rows: rows.len() as u64,
                    form: Form::Upsert(arrays(table, &rows)),
                });
            }
            let rows = std::mem::take(appended);
            if !rows.is_empty() {
                writes.push(copy(table, &rows));
            }
        }
        writes
    }
}

/// An array a column, and one of the sequences.
fn arrays(table: &Table, rows: &[(Vec<Value>, i64)]) -> Vec<Array> {
    let mut arrays: Vec<Array> = Vec::with_capacity(table.columns.len() + 1);
    for (place, column) in table.columns.iter().enumerate() {
        arrays.push(Array::of(column.of, rows.iter().map(|(values, _)| &values[place])));
    }
    let positions: Vec<Value> = rows.iter().map(|(_, position)| Value::Int(*position)).collect();
    arrays.push(Array::of(Type::Int8, positions.iter()));
    arrays
}

/// Rows as a copy has them. Of several with one key and sequence the first counts, as with an upsert.
fn copy(table: &'static Table, rows: &[(Vec<Value>, i64)]) -> Write {
    let columns = i16::try_from(table.columns.len() + 1).expect("a table has a few columns");
    let (keys, mut count) = (table.key_length(), 0);
    let mut fields = Fields(COPY_HEADER.to_vec());
    for (place, (values, position)) in rows.iter().enumerate() {
        // Sequences rise, so that all of one stand together.
        let mut others = rows[..place].iter().rev().take_while(|(_, other)| other == position);
        if others.any(|(other, _)| other[..keys] == values[..keys]) {
            continue;
        }
        fields.begin_row(columns);
        for (value, column) in values.iter().zip(table.columns) {
            value.encode(column.of, &mut fields);
        }
        fields.int8(*position);
        count += 1;
    }
    fields.0.extend_from_slice(&COPY_TRAILER);
    Write { table, rows: count, form: Form::Copy(fields.0.into()) }
}

/// Rows of one table, ready to be sent.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) table: &'static Table,
    pub(crate) rows: u64,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Upsert(Vec<Array>),
    Copy(Bytes),
}

impl Write {
    /// Sends them, in the statement of [`Table::write_sql`].
    pub(crate) async fn send(
        self,
        transaction: &Transaction<'_>,
        statement: &Statement,
    ) -> Result<(), tokio_postgres::Error> {
        match self.form {
            Form::Upsert(arrays) => {
                let values: Vec<&(dyn ToSql + Sync)> =
                    arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
                transaction.execute(statement, &values).await.map(drop)
            }
            Form::Copy(rows) => {
                let mut sink = pin!(transaction.copy_in(statement).await?);
                sink.send(rows).await?;
                sink.finish().await.map(drop)
            }
        }
    }
}

/// An array parameter, ready to be sent.
#[derive(Debug)]
pub(crate) struct Array(Vec<u8>);

impl Array {
    pub(crate) fn of<'v>(of: Type, values: impl ExactSizeIterator<Item = &'v Value>) -> Self {
        let mut fields = Fields(array_header(of.oid(), values.len()));
        values.for_each(|value| value.encode(of, &mut fields));
        Self(fields.0)
    }
}

impl ToSql for Array {
    fn to_sql(
        &self,
        _: &tokio_postgres::types::Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A table and its rows, with the sequences that they reflect.
#[cfg(test)]
pub(crate) type TableRows = (&'static Table, Vec<(Vec<Value>, i64)>);

#[cfg(test)]
impl Changes {
    /// The rows of each table.
    pub(crate) fn into_rows(self) -> Vec<TableRows> {
        let rows = |changes: TableChanges| {
            (changes.table, changes.current.into_values().chain(changes.appended).collect())
        };
        self.tables.into_iter().map(rows).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    static TABLE: Table = Table {
        name: "t",
        rows: Rows::Current,
        columns: &[
            Column::key("id", Type::Int8),
            Column::set("last", Type::Int8),
            Column::first("first", Type::Int8),
            Column::add("sum", Type::Int8),
            Column::max("high", Type::Int8),
            Column::min("low", Type::Int8),
            Column::replace("now", Type::Int8),
        ],
        indexes: &[],
    };

    #[test]
    fn a_batch_folds_to_one_change_a_row() {
        static TABLES: &[Table] = &[TABLE];
        let mut changes = Changes::new(TABLES);
        for (sequence, number) in [(1, 5), (2, 9), (3, 2)] {
            changes.at(Sequence(sequence));
            let mut row = changes.row(&TABLES[0], [Value::Int(7)]);
            for column in ["last", "first", "sum", "high", "low", "now"] {
                row = row.set(column, Value::Int(number));
            }
            row.set("last", Value::Null).done();
            let now = if number == 2 { Value::Null } else { Value::Int(number) };
            changes.row(&TABLES[0], [Value::Int(7)]).set("now", now).done();
        }
        let (values, position) = changes.tables[0].current.values().next().unwrap();
        let mut numbers = [7, 2, 5, 16, 9, 2, 0].map(Value::Int);
        numbers[6] = Value::Null;
        assert_eq!((values.as_slice(), *position), (numbers.as_slice(), 3));
        assert_eq!(changes.row_count(), 1);
        changes.at(Sequence(4));
        changes.row(&TABLES[0], [Value::Int(7)]).set("sum", Value::Int(i64::MAX)).done();
        assert_eq!(changes.overflow(), Some("sum"));
    }

    #[test]
    fn what_happened_is_copied_once_a_key_and_sequence() {
        static TABLES: &[Table] = &[
            Table {
                name: "h",
                rows: Rows::Appended,
                columns: &[Column::key("id", Type::Int8), Column::set("said", Type::Int8)],
                indexes: &[],
            },
            TABLE,
        ];
        let mut changes = Changes::new(TABLES);
        for (sequence, id, said) in [(1, 7, 1), (1, 7, 2), (1, 8, 3), (2, 7, 4)] {
            changes.at(Sequence(sequence));
            changes.row(&TABLES[0], [Value::Int(id)]).set("said", Value::Int(said)).done();
            changes.row(&TABLES[1], [Value::Int(id)]).set("last", Value::Int(said)).done();
        }
        let writes = changes.take_writes();
        let taken: Vec<_> = writes.iter().map(|write| (write.table.name, write.rows)).collect();
        assert_eq!(taken, [("h", 3), ("t", 2)]);
        let Form::Copy(rows) = &writes[0].form else { panic!("what happened is copied") };
        let row = 2 + 3 * (4 + 8);
        assert_eq!(rows.len(), COPY_HEADER.len() + 3 * row + COPY_TRAILER.len());
        assert!(changes.take_writes().is_empty(), "what was taken is gone");
    }
}
