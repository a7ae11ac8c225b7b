//! What tells a source from one that has changed: how many rows it gave, and a hash of what the mapping reads of them.

/// Rows of a source, as they were read.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint {
    rows: u64,
    hasher: blake3::Hasher,
}

impl Fingerprint {
    /// Adds a row; an empty value and one that is not there differ.
    pub fn add<'a>(&mut self, values: impl Iterator<Item = Option<&'a str>>) {
        self.rows += 1;
        for value in values {
            let length = value.map_or(u64::MAX, |value| value.len() as u64);
            self.hasher.update(&length.to_le_bytes());
            self.hasher.update(value.unwrap_or_default().as_bytes());
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Their BLAKE3 in hex.
    pub fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}
