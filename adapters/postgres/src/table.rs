//! Tables of read models as data: from one description come their DDL, their upsert and the folding of a batch.
//!
//! Every row ends with `global_position`, the sequence that it reflects. An upsert with an older one changes nothing, so
//! that the same batch twice is as good as once. What happened is copied instead, which costs the server far less: the
//! checkpoint, in the same transaction, admits each batch once.

use crate::value::Type;
use std::fmt::Write;

/// The schema that everything is in.
pub(crate) const SCHEMA: &str = "tickwerk";

/// How a new value meets the one that is there. A change without a value changes nothing, but of [`Merge::Replace`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merge {
    /// Part of the key.
    Key,
    /// The new one.
    Set,
    /// The new one, also where it is none: every change of the row says it.
    Replace,
    /// The old one.
    First,
    /// Their sum.
    Add,
    Max,
    Min,
}

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    pub name: &'static str,
    pub of: Type,
    pub merge: Merge,
}

impl Column {
    pub const fn key(name: &'static str, of: Type) -> Self {
        Self { name, of, merge: Merge::Key }
    }

    pub const fn set(name: &'static str, of: Type) -> Self {
        Self { name, of, merge: Merge::Set }
    }

    pub const fn replace(name: &'static str, of: Type) -> Self {
        Self { name, of, merge: Merge::Replace }
    }

    pub const fn first(name: &'static str, of: Type) -> Self {
        Self { name, of, merge: Merge::First }
    }

    pub const fn add(name: &'static str, of: Type) -> Self {
        Self { name, of, merge: Merge::Add }
    }

    pub const fn max(name: &'static str, of: Type) -> Self {
        Self { name, of, merge: Merge::Max }
    }

    pub const fn min(name: &'static str, of: Type) -> Self {
        Self { name, of, merge: Merge::Min }
    }
}

/// What a row stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rows {
    /// How something is now; one row a key.
    Current,
    /// What happened; one row a key and sequence, never changed.
    Appended,
}

/// A table. Key columns come first; `global_position` is added behind the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    pub name: &'static str,
    pub rows: Rows,
    pub columns: &'static [Column],
    /// What stands behind `ON table`, such as `(account_id, global_position)`.
    pub indexes: &'static [&'static str],
}

impl Table {
    /// How many of the first columns are the key.
    pub(crate) fn key_length(&self) -> usize {
        self.columns.iter().take_while(|column| column.merge == Merge::Key).count()
    }

    /// The place of a column.
    pub(crate) fn place(&self, name: &str) -> usize {
        let place = self.columns.iter().position(|column| column.name == name);
        place.unwrap_or_else(|| panic!("{} has no column {name}", self.name))
    }

    /// Its full name; a rebuild works on one with a suffix.
    pub fn sql_name(&self, suffix: &str) -> String {
        format!("{SCHEMA}.{}{suffix}", self.name)
    }

    /// The statements that make it, its indexes and its rights. Runs as the owner.
    pub fn create_sql(&self, suffix: &str) -> String {
        let name = self.sql_name(suffix);
        let mut sql = format!("CREATE TABLE {name} (\n");
        for column in self.columns {
            let not_null = if column.merge == Merge::Key { " NOT NULL" } else { "" };
            writeln!(sql, "    {} {}{not_null},", column.name, column.of.sql()).expect("a string takes all");
        }
        let key = self.key_sql();
        write!(sql, "    global_position bigint NOT NULL,\n    PRIMARY KEY ({key})\n)")
            .expect("a string takes all");
        // Room on each page, so that an update of a row that is not in an index stays on it.
        let fill = if self.rows == Rows::Current { " WITH (fillfactor = 80)" } else { "" };
        writeln!(sql, "{fill};").expect("a string takes all");
        for index in self.indexes {
            writeln!(sql, "CREATE INDEX ON {name} {index};").expect("a string takes all");
        }
        writeln!(sql, "GRANT INSERT, UPDATE, DELETE ON {name} TO {SCHEMA}_writer;")
            .expect("a string takes all");
        sql
    }

    fn key_sql(&self) -> String {
        let mut keys: Vec<&str> =
            self.columns[..self.key_length()].iter().map(|column| column.name).collect();
        if self.rows == Rows::Appended {
            keys.push("global_position");
        }
        keys.join(", ")
    }

    /// The statement that takes the rows of a batch.
    pub(crate) fn write_sql(&self, suffix: &str) -> String {
        self.write_into(&self.sql_name(suffix))
    }

    /// The same for a table of this shape with another name.
    pub(crate) fn write_into(&self, name: &str) -> String {
        match self.rows {
            Rows::Current => self.upsert_into(name),
            Rows::Appended => self.copy_into(name),
        }
    }

    /// Copies rows into the table called `name`.
    fn copy_into(&self, name: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        format!("COPY {name} ({}, global_position) FROM STDIN (FORMAT binary)", names.join(", "))
    }

    /// Inserts rows given as one array a column, or merges them into what is there.
    pub fn upsert_sql(&self, suffix: &str) -> String {
        self.upsert_into(&self.sql_name(suffix))
    }

    /// The same for a table of this shape with another name.
    pub(crate) fn upsert_into(&self, name: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let arrays: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.of)
            .chain([Type::Int8])
            .zip(1..)
            .map(|(of, number)| format!("${number}::{}[]", of.sql()))
            .collect();
        let mut sql = format!(
            "INSERT INTO {name} AS old ({}, global_position) SELECT * FROM unnest({}) ON CONFLICT ({}) DO ",
            names.join(", "),
            arrays.join(", "),
            self.key_sql()
        );
        if self.rows == Rows::Appended {
            sql.push_str("NOTHING");
            return sql;
        }
        sql.push_str("UPDATE SET ");
        for column in &self.columns[self.key_length()..] {
            let name = column.name;
            let merged = match column.merge {
                Merge::Key | Merge::Set => format!("COALESCE(EXCLUDED.{name}, old.{name})"),
                Merge::Replace => format!("EXCLUDED.{name}"),
                Merge::First => format!("COALESCE(old.{name}, EXCLUDED.{name})"),
                Merge::Add => format!("COALESCE(old.{name} + EXCLUDED.{name}, old.{name}, EXCLUDED.{name})"),
                Merge::Max => format!("GREATEST(old.{name}, EXCLUDED.{name})"),
                Merge::Min => format!("LEAST(old.{name}, EXCLUDED.{name})"),
            };
            write!(sql, "{name} = {merged}, ").expect("a string takes all");
        }
        sql.push_str(
            "global_position = EXCLUDED.global_position WHERE old.global_position < EXCLUDED.global_position",
        );
        sql
    }
}
