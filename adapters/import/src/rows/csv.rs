//! Rows of a CSV file: UTF-8, quoted as RFC 4180 has it, with the names of columns in its first line
//! or in the mapping. Blanks around values
//! do not count.

use super::quotes::Quotes;
use super::{Row, Rows, RowsError, places};
use crate::mapping::Source;
use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord, Trim};
use std::fs::File;
use std::path::Path;

const BUFFER_SIZE: usize = 1 << 18;

/// Rows of a CSV file.
#[derive(Debug)]
pub struct CsvRows {
    source_name: String,
    reader: Reader<Quotes<File>>,
    record: StringRecord,
    places: Vec<usize>,
    /// Values that a row has, where the first line does not say it.
    width: Option<usize>,
    row: u64,
}

impl CsvRows {
    /// Opens a file.
    pub(crate) fn open(
        source: &Source,
        path: &Path,
        delimiter: u8,
        header: Option<&[String]>,
    ) -> Result<Self, RowsError> {
        let file = File::open(path).map_err(|source| RowsError::Open { path: path.to_owned(), source })?;
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .trim(Trim::All)
            .has_headers(header.is_none())
            .flexible(header.is_some())
            .buffer_capacity(BUFFER_SIZE)
            .from_reader(Quotes::new(file, delimiter));
        let there = match header {
            Some(header) => header.to_vec(),
            None => first_line(&mut reader).map_err(|reason| RowsError::Read {
                source_name: source.name.clone(),
                row: 0,
                reason,
            })?,
        };
        let places = places(source, &there)?;
        let (source_name, width) = (source.name.clone(), header.map(<[String]>::len));
        Ok(Self { source_name, reader, record: StringRecord::new(), places, width, row: 0 })
    }
}

impl Rows for CsvRows {
    fn next(&mut self, row: &mut Row) -> Result<bool, RowsError> {
        row.line = self.reader.position().line();
        match self.reader.read_record(&mut self.record) {
            Ok(true) => self.row += 1,
            Ok(false) => return Ok(false),
            Err(error) => {
                let is_of_row =
                    matches!(error.kind(), ErrorKind::UnequalLengths { .. } | ErrorKind::Utf8 { .. });
                if !is_of_row {
                    let reason = told(&error);
                    return Err(RowsError::Read {
                        source_name: self.source_name.clone(),
                        row: self.row,
                        reason,
                    });
                }
                self.row += 1;
                let line = error.position().map_or(row.line, csv::Position::line);
                return Err(RowsError::Row { row: self.row, line, reason: reason_of(error.kind()) });
            }
        }
        if let Some(position) = self.record.position() {
            row.line = position.line();
        }
        if let Some(width) = self.width.filter(|width| *width != self.record.len()) {
            let reason = format!("has {} values, the header of the mapping {width}", self.record.len());
            return Err(RowsError::Row { row: self.row, line: row.line, reason });
        }
        row.values.clear();
        row.values.extend(self.places.iter().map(|place| self.record.get(*place).map(str::to_owned)));
        Ok(true)
    }
}

/// The names of columns in the first line.
fn first_line(reader: &mut Reader<Quotes<File>>) -> Result<Vec<String>, String> {
    let header = reader.headers().map_err(|error| told(&error))?;
    let byte_order_mark = '\u{feff}';
    Ok(header.iter().map(|name| name.trim_start_matches(byte_order_mark).to_owned()).collect())
}

/// What is wrong with the file.
fn told(error: &csv::Error) -> String {
    if let ErrorKind::Io(error) = error.kind() {
        return error.to_string();
    }
    if let ErrorKind::Utf8 { .. } = error.kind() {
        return "its first line is not UTF-8; save the file as UTF-8".to_owned();
    }
    error.to_string()
}

fn reason_of(kind: &ErrorKind) -> String {
    if let ErrorKind::UnequalLengths { expected_len, len, .. } = kind {
        return format!("has {len} values, the first line {expected_len}");
    }
    "is not UTF-8".to_owned()
}
