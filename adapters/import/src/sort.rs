//! An external sort: pairs of a key and a body, in order of their keys, with bounded memory.
//!
//! Pairs are gathered up to a limit, sorted, and written to a run, which is a file without a name in the system's folder
//! for temporary files (`TMPDIR`). What was sorted can be read several times. Invariant: equal keys keep the order in which
//! they came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;

/// Bytes that are gathered before a run is written.
const GATHERED_MAX: usize = 64 << 20;
const READ_SIZE: usize = 1 << 16;
const LENGTH_SIZE: usize = 4;

/// Pairs that are gathered.
#[derive(Debug)]
pub(crate) struct Sorter {
    gathered_max: usize,
    bytes: Vec<u8>,
    /// Where pairs begin, and how long their keys and bodies are.
    pairs: Vec<(usize, u32, u32)>,
    runs: Vec<File>,
}

/// Pairs that are sorted.
#[derive(Debug)]
pub(crate) struct Sorted {
    runs: Vec<File>,
}

impl Sorter {
    pub(crate) fn new() -> Self {
        Self::with_limit(GATHERED_MAX)
    }

    fn with_limit(gathered_max: usize) -> Self {
        Self { gathered_max, bytes: Vec::new(), pairs: Vec::new(), runs: Vec::new() }
    }

    pub(crate) fn push(&mut self, key: &[u8], body: &[u8]) -> std::io::Result<()> {
        let length =
            |of: &[u8]| u32::try_from(of.len()).map_err(|_| std::io::Error::other("a row is too long"));
        self.pairs.push((self.bytes.len(), length(key)?, length(body)?));
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(body);
        if self.bytes.len() + self.pairs.len() * size_of::<(usize, u32, u32)>() >= self.gathered_max {
            self.write_run()?;
        }
        Ok(())
    }

    fn write_run(&mut self) -> std::io::Result<()> {
        let bytes = &self.bytes;
        self.pairs.sort_by(|left, right| key_of(bytes, left).cmp(key_of(bytes, right)));
        let mut out = BufWriter::with_capacity(READ_SIZE, tempfile::tempfile()?);
        for (at, key, body) in self.pairs.drain(..) {
            out.write_all(&key.to_le_bytes())?;
            out.write_all(&body.to_le_bytes())?;
            out.write_all(&bytes[at..at + key as usize + body as usize])?;
        }
        self.runs.push(out.into_inner().map_err(std::io::IntoInnerError::into_error)?);
        self.bytes.clear();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> std::io::Result<Sorted> {
        if !self.pairs.is_empty() {
            self.write_run()?;
        }
        Ok(Sorted { runs: self.runs })
    }
}

fn key_of<'a>(bytes: &'a [u8], &(at, key, _): &(usize, u32, u32)) -> &'a [u8] {
    &bytes[at..at + key as usize]
}

impl Sorted {
    /// Reads all of it, from the first pair on.
    pub(crate) fn read(&self) -> std::io::Result<Merged<'_>> {
        let mut merged = Merged { runs: Vec::with_capacity(self.runs.len()), heads: BinaryHeap::new() };
        for (number, file) in self.runs.iter().enumerate() {
            let mut run = Run { file, at: 0, buffer: Vec::new(), used: 0 };
            if let Some((key, body)) = run.next()? {
                merged.heads.push(Reverse((key, number, body)));
            }
            merged.runs.push(run);
        }
        Ok(merged)
    }
}

/// A key, the number of its run, and a body.
type Head = (Vec<u8>, usize, Vec<u8>);

/// Pairs in order of their keys.
#[derive(Debug)]
pub(crate) struct Merged<'a> {
    runs: Vec<Run<'a>>,
    heads: BinaryHeap<Reverse<Head>>,
}

impl Merged<'_> {
    pub(crate) fn next(&mut self) -> std::io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        let Some(Reverse((key, number, body))) = self.heads.pop() else {
            return Ok(None);
        };
        if let Some((next_key, next_body)) = self.runs[number].next()? {
            self.heads.push(Reverse((next_key, number, next_body)));
        }
        Ok(Some((key, body)))
    }
}

/// A run that is being read.
#[derive(Debug)]
struct Run<'a> {
    file: &'a File,
    at: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Run<'_> {
    fn next(&mut self) -> std::io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        if !self.fill(2 * LENGTH_SIZE)? {
            return Ok(None);
        }
        let length = |at: usize| {
            let bytes: [u8; LENGTH_SIZE] = self.buffer[at..at + LENGTH_SIZE].try_into().expect("four bytes");
            u32::from_le_bytes(bytes) as usize
        };
        let (key, body) = (length(self.used), length(self.used + LENGTH_SIZE));
        self.used += 2 * LENGTH_SIZE;
        if !self.fill(key + body)? {
            return Err(std::io::Error::other("a temporary file of the sort was cut"));
        }
        let pair = &self.buffer[self.used..self.used + key + body];
        let pair = (pair[..key].to_vec(), pair[key..].to_vec());
        self.used += key + body;
        Ok(Some(pair))
    }

    /// Whether so many bytes are there behind what was used.
    fn fill(&mut self, needed: usize) -> std::io::Result<bool> {
        while self.buffer.len() - self.used < needed {
            self.buffer.drain(..self.used);
            self.used = 0;
            let length = self.buffer.len();
            self.buffer.resize(length + needed.max(READ_SIZE), 0);
            let read = self.file.read_at(&mut self.buffer[length..], self.at)?;
            self.buffer.truncate(length + read);
            self.at += read as u64;
            if read == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_runs_come_out_in_one_order_twice_and_equal_keys_as_they_came() {
        let mut sorter = Sorter::with_limit(2_000);
        let mut expected = Vec::new();
        for count in 0..5_000_u32 {
            let key = (count.wrapping_mul(2_654_435_761) >> 20).to_be_bytes();
            let body = vec![u8::try_from(count % 251).unwrap_or(0); (count % 300) as usize];
            sorter.push(&key, &body).unwrap();
            expected.push((key.to_vec(), body));
        }
        expected.sort_by(|left, right| left.0.cmp(&right.0));
        let sorted = sorter.finish().unwrap();
        assert!(sorted.runs.len() > 100, "{}", sorted.runs.len());
        for _ in 0..2 {
            let mut merged = sorted.read().unwrap();
            for pair in &expected {
                assert_eq!(merged.next().unwrap().as_ref(), Some(pair));
            }
            assert_eq!(merged.next().unwrap(), None);
        }
    }
}
