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
}

impl<R> Quotes<R> {
    pub(super) fn new(file: R, delimiter: u8) -> Self {
        Self { file, delimiter, place: Place::Start, line: 1, opened: 0 }
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
            (Place::Start | Place::Plain | Place::Closed, _) if is_end => Place::Start,
            (Place::Start | Place::Plain, _) => Place::Plain,
            (Place::Closed, b' ' | b'\t') => Place::Closed,
            (Place::Closed, _) => {
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
        for byte in &buffer[..read] {
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
        ] {
            let found = read(bad).expect_err(bad);
            assert!(found.contains(told), "{bad}: {found}");
        }
    }
}
