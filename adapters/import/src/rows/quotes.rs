//! Quotes of a CSV file as RFC 4180 has them, looked at before the file is split into values.
//!
//! A quote that opens a value and is never closed, or closed in a later row by another's, would take whole rows into one
//! value, and nobody would miss them. So what follows a closing quote must be the end of the value.

use std::io::{Error, Read};

/// Where in a value a byte is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Start,
    Plain,
    Quoted,
    /// Behind a quote within a quoted value: its end, or half of a quote that stands for one.
    Closed,
    /// Behind blanks that follow a quoted value, where no quote can open it again.
    Behind,
}

/// Passes a file on as long as its quotes are good.
#[derive(Debug)]
pub(super) struct Quotes<R> {
    file: R,
    delimiter: u8,
    place: Place,
    line: u64,
    /// The line of the last quote that opened a value.
    opened: u64,
    has_read: bool,
}

/// What a file may begin with; a quote behind it opens a value.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<R> Quotes<R> {
    pub(super) fn new(file: R, delimiter: u8) -> Self {
        Self { file, delimiter, place: Place::Start, line: 1, opened: 0, has_read: false }
    }

    fn look(&mut self, byte: u8) -> Result<(), Error> {
        let is_end = byte == self.delimiter || byte == b'\n' || byte == b'\r';
        self.place = match (self.place, byte) {
            (Place::Start, b'"') => {
                self.opened = self.line;
                Place::Quoted
            }
            (Place::Quoted, b'"') => Place::Closed,
            (Place::Quoted, _) | (Place::Closed, b'"') => Place::Quoted,
            (Place::Start | Place::Plain | Place::Closed | Place::Behind, _) if is_end => Place::Start,
            (Place::Start | Place::Plain, _) => Place::Plain,
            (Place::Closed | Place::Behind, b' ' | b'\t') => Place::Behind,
            (Place::Closed | Place::Behind, _) => {
                let (line, opened) = (self.line, self.opened);
                return Err(Error::other(format!(
                    "the value that a quote opens in line {opened} goes on behind the quote that closes it in line {line}; \
                     write two quotes for one within a value, and mend the file"
                )));
            }
        };
        self.line += u64::from(byte == b'\n');
        Ok(())
    }
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let read = self.file.read(buffer)?;
        if read == 0 && !buffer.is_empty() && self.place == Place::Quoted {
            let line = self.opened;
            return Err(Error::other(format!(
                "a quote opens a value in line {line} and nothing closes it; mend the file"
            )));
        }
        // As the reader behind this has it: the mark, where the first bytes that come are all of it.
        let is_marked = !self.has_read && buffer[..read].starts_with(BYTE_ORDER_MARK);
        self.has_read |= read > 0;
        for byte in buffer[..read].iter().skip(if is_marked { BYTE_ORDER_MARK.len() } else { 0 }) {
            self.look(*byte)?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let mut read = String::new();
        Quotes::new(text.as_bytes(), b',').read_to_string(&mut read).map_err(|error| error.to_string())?;
        Ok(read)
    }

    #[test]
    fn quotes_as_they_should_be_pass_and_others_are_told_with_their_lines() {
        for good in ["a,b\n1,\"x,\n\"\"y\"\"\"\r\n\"\",\"z\" \n", "5\" disk,b\n", "a,\"b\"", ""] {
            assert_eq!(read(good).as_deref(), Ok(good));
        }
        for (bad, told) in [
            ("a,b\n1,\"x\n2,y\n", "opens a value in line 2 and nothing closes it"),
            ("a,b\n1,\"x\n2,y\n3,\"z\n", "opens in line 2 goes on behind the quote that closes it in line 4"),
            ("\"a\"b,c\n", "opens in line 1 goes on"),
            ("\"a\" \"b\",c\n", "opens in line 1 goes on"),
            ("a,\"b\" \"\nc,\"\nd,e\nf,\"\ng,\"\n", "opens in line 1 goes on"),
            ("\u{feff}\"a\nb\nc\"d\n", "opens in line 1 goes on behind the quote that closes it in line 3"),
            ("\u{feff}\"a\nb\n", "opens a value in line 1 and nothing closes it"),
        ] {
            let found = read(bad).expect_err(bad);
            assert!(found.contains(told), "{bad}: {found}");
        }
    }

    /// The rows of a text, split by the letter of the rule; nothing where a value is none. Rows of nothing do not count.
    fn split(text: &str) -> Option<Vec<Vec<String>>> {
        let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (mut rows, mut row) = (Vec::new(), Vec::new());
        while !rest.is_empty() || !row.is_empty() {
            let mut value = String::new();
            let is_quoted = rest.starts_with('"');
            if is_quoted {
                let mut pieces = rest[1..].split('"');
                let mut length = 1;
                loop {
                    let piece = pieces.next()?;
                    value += piece;
                    length += piece.len() + 1;
                    // The quote that closes it is there, and no other follows at once.
                    rest.get(..length)?;
                    if !rest[length..].starts_with('"') {
                        break;
                    }
                    pieces.next();
                    value.push('"');
                    length += 1;
                }
                rest = &rest[length..];
            }
            let end = rest.find([',', '\n', '\r']).unwrap_or(rest.len());
            if is_quoted && !rest[..end].chars().all(|letter| letter == ' ') {
                return None;
            }
            value += &rest[..end];
            row.push(value);
            let behind = rest[end..].chars().next();
            rest = &rest[end + usize::from(behind.is_some())..];
            if behind != Some(',') {
                let is_nothing = !is_quoted && row.len() == 1 && row[0].is_empty();
                if is_nothing {
                    row.clear();
                } else {
                    rows.push(std::mem::take(&mut row));
                }
            } else if rest.is_empty() {
                row.push(String::new());
                rows.push(std::mem::take(&mut row));
            }
        }
        Some(rows)
    }

    /// The rows that are read of a text; nothing where its quotes are refused.
    fn rows(text: &str) -> Option<Vec<Vec<String>>> {
        let quotes = Quotes::new(text.as_bytes(), b',');
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(quotes);
        let rows = reader.into_records().map(|row| Some(row.ok()?.iter().map(str::to_owned).collect()));
        rows.collect()
    }

    #[test]
    fn every_short_text_is_refused_or_read_as_the_rule_has_it() {
        let letters = ["\"", ",", " ", "\n", "\r", "x"];
        for begin in ["", "\u{feff}"] {
            let mut texts = vec![begin.to_owned()];
            for _ in 0..6 {
                let longer = |text: &String| letters.map(|letter| format!("{text}{letter}"));
                texts = texts.iter().flat_map(longer).collect();
                for text in &texts {
                    assert_eq!(rows(text), split(text), "{text:?}");
                }
            }
        }
    }
}
