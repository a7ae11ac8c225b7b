//! State as bytes: how stores are written, and read back with every value looked at.
//!
//! Little-endian, fixed widths, no padding: equal states give equal bytes. A store is a *section* with its name and length,
//! so that what is wrong is told with the store that it is wrong in. A struct is written field by field by `persist!`,
//! which names all of them: a new field does not compile before it is named. A list is a count and its rows; a table of
//! fixed places is a list of the places that hold something.
//!
//! Nothing here panics or allocates for what it only claims to hold: a list is as long as its store allows and no longer.
//! What the rows say together is looked at by each store as it is loaded.

mod values;

use crate::Digest;

pub(crate) use values::{load_padded, save_padded};

/// Longest name of a section.
const NAME_LENGTH_MAX: usize = 16;

/// How much a store holds: little where a fuzzer restores images by the million.
pub const fn capacity(full: usize, fuzzed: usize) -> usize {
    if cfg!(fuzzing) { fuzzed } else { full }
}

/// What is wrong with a store's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The bytes are over too early.
    #[error("the image ends in the middle of it")]
    CutShort,
    /// The next section is another one, or its length is not that of its rows.
    #[error("its section is not where it should be, or not as long as its rows")]
    Misplaced,
    /// A value that its type does not have.
    #[error("{found} is no {what}")]
    Value {
        /// The type.
        what: &'static str,
        /// The value.
        found: u64,
    },
    /// More rows than the store holds.
    #[error("it has {found} rows, but holds {max} in this build")]
    TooMany {
        /// How many there are.
        found: u64,
        /// How many fit.
        max: u64,
    },
    /// A row is named that is not there.
    #[error("it names the {what} {found}, which is not there")]
    Missing {
        /// What sort of row.
        what: &'static str,
        /// Which.
        found: u64,
    },
    /// Two rows are the same.
    #[error("it has the {what} {found} twice, or out of order")]
    Twice {
        /// What sort of row.
        what: &'static str,
        /// Which.
        found: u64,
    },
    /// A row is not what its hash says.
    #[error("the row of {what} {found} is not what its hash says")]
    Hash {
        /// What sort of row.
        what: &'static str,
        /// Which.
        found: u64,
    },
    /// Rows do not fit each other.
    #[error("{0}")]
    Broken(&'static str),
}

/// A fault, and the store that it is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{store}: {fault}")]
pub struct StoreFault {
    /// The store.
    pub store: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A value that stands in an image.
pub trait Persist: Sized {
    /// Writes it.
    fn save(&self, to: &mut ImageWriter);

    /// Reads what [`Persist::save`] wrote.
    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault>;
}

/// Writes an image.
#[derive(Debug, Default)]
pub struct ImageWriter {
    bytes: Vec<u8>,
}

impl ImageWriter {
    /// The image.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Adds bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a section: its name, its length, and what `write` adds.
    pub fn section(&mut self, store: &'static str, write: impl FnOnce(&mut Self)) {
        self.bytes(&padded(store));
        let place = self.bytes.len();
        self.bytes(&[0; 8]);
        write(self);
        let length = (self.bytes.len() - place - 8) as u64;
        self.bytes[place..place + 8].copy_from_slice(&length.to_le_bytes());
    }

    /// Adds one value.
    pub fn value(&mut self, value: &impl Persist) {
        value.save(self);
    }

    /// Adds a list.
    pub fn list<'a, T: Persist + 'a>(&mut self, rows: impl ExactSizeIterator<Item = &'a T>) {
        self.count(rows.len());
        rows.for_each(|row| row.save(self));
    }

    /// Adds how many rows follow.
    pub fn count(&mut self, count: usize) {
        u32::try_from(count).expect("stores are smaller than 2³²").save(self);
    }

    /// Adds a table of lists: those that are not empty.
    pub fn lists<T: Persist>(&mut self, lists: &[Vec<T>]) {
        let write = |to: &mut Self, place, list: &Vec<T>| {
            if !list.is_empty() {
                to.count(place);
                to.list(list.iter());
            }
            !list.is_empty()
        };
        self.places(write, lists);
    }

    /// Adds a table of fixed places: those that are not `blank`.
    pub fn table<T: Persist>(&mut self, rows: &[T], blank: &T) {
        let mut nothing = Self::default();
        blank.save(&mut nothing);
        self.places(|to, place, row: &T| to.place(place, row, &nothing.bytes), rows);
    }

    /// Adds a table of fixed places that differ while they are blank: those that are not as `blank` makes them.
    pub fn table_of<T: Persist>(&mut self, rows: &[T], blank: impl Fn(usize) -> T) {
        let write = |to: &mut Self, place, row: &T| {
            let mut nothing = Self::default();
            blank(place).save(&mut nothing);
            to.place(place, row, &nothing.bytes)
        };
        self.places(write, rows);
    }

    fn places<T>(&mut self, mut write: impl FnMut(&mut Self, usize, &T) -> bool, rows: &[T]) {
        let start = self.bytes.len();
        self.count(0);
        let mut count = 0_u32;
        for (place, row) in rows.iter().enumerate() {
            count += u32::from(write(self, place, row));
        }
        self.bytes[start..start + 4].copy_from_slice(&count.to_le_bytes());
    }

    /// Adds a place and its row, unless that is nothing; tells whether it did.
    fn place<T: Persist>(&mut self, place: usize, row: &T, nothing: &[u8]) -> bool {
        let length = self.bytes.len();
        self.count(place);
        row.save(self);
        let is_something = self.bytes[length + 4..] != *nothing;
        if !is_something {
            self.bytes.truncate(length);
        }
        is_something
    }
}

/// Reads an image.
#[derive(Debug)]
pub struct ImageReader<'a> {
    rest: &'a [u8],
}

impl<'a> ImageReader<'a> {
    /// Reads `bytes` from the start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all was read.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next bytes.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(Fault::CutShort)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// Reads a section with this name, all of it.
    pub fn section<T>(
        &mut self,
        store: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, StoreFault> {
        self.read_section(store, read).map_err(|fault| StoreFault { store, fault })
    }

    fn read_section<T>(
        &mut self,
        store: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.bytes::<NAME_LENGTH_MAX>()? != padded(store) {
            return Err(Fault::Misplaced);
        }
        let length = usize::try_from(u64::load(self)?).map_err(|_| Fault::CutShort)?;
        let (section, rest) = self.rest.split_at_checked(length).ok_or(Fault::CutShort)?;
        self.rest = rest;
        let mut within = Self { rest: section };
        let store = read(&mut within)?;
        if within.is_at_end() { Ok(store) } else { Err(Fault::Misplaced) }
    }

    /// Reads one value.
    pub fn value<T: Persist>(&mut self) -> Result<T, Fault> {
        T::load(self)
    }

    /// Reads how many rows follow, at most `max`.
    pub fn count(&mut self, max: usize) -> Result<usize, Fault> {
        let found = u32::load(self)?;
        if found as usize <= max {
            Ok(found as usize)
        } else {
            Err(Fault::TooMany { found: found.into(), max: max as u64 })
        }
    }

    /// Reads a list of at most `max` rows, with room for so many.
    pub fn list<T: Persist>(&mut self, max: usize) -> Result<Vec<T>, Fault> {
        let count = self.count(max)?;
        let mut rows = Vec::with_capacity(max);
        for _ in 0..count {
            rows.push(T::load(self)?);
        }
        Ok(rows)
    }

    /// Reads a table of as many lists as `lists` has, each of at most `max` rows; those that are not told stay as they are.
    pub fn lists<T: Persist>(
        &mut self,
        mut lists: Box<[Vec<T>]>,
        max: usize,
    ) -> Result<Box<[Vec<T>]>, Fault> {
        self.places(lists.len(), |from, place| {
            lists[place] = from.list(max)?;
            Ok(())
        })?;
        Ok(lists)
    }

    /// Reads a table of as many places as `rows` has; places that are not told stay as they are.
    pub fn table<T: Persist>(&mut self, mut rows: Box<[T]>) -> Result<Box<[T]>, Fault> {
        self.places(rows.len(), |from, place| {
            rows[place] = T::load(from)?;
            Ok(())
        })?;
        Ok(rows)
    }

    /// Reads the places of a table, which rise and are below `count`.
    fn places(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self, usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut first = 0;
        for _ in 0..self.count(count)? {
            let found = u32::load(self)?;
            let place = found as usize;
            ensure(place >= first, Fault::Twice { what: "place", found: found.into() })?;
            ensure(place < count, Fault::Missing { what: "place", found: found.into() })?;
            read(self, place)?;
            first = place + 1;
        }
        Ok(())
    }
}

/// The sum of the row hashes of what was read, each compared with the same one worked out anew.
#[derive(Debug, Default)]
pub struct RowSum(Digest);

impl RowSum {
    /// Counts a row whose hash was kept; `rehash` works it out anew. A kept hash of 0 is of a row that never counted.
    pub fn row(
        &mut self,
        (what, found): (&'static str, u64),
        kept: u64,
        rehash: impl FnOnce(&mut Digest),
    ) -> Result<(), Fault> {
        let mut change = Digest::default();
        if kept != 0 {
            rehash(&mut change);
        }
        self.add(kept);
        // A fuzzer never guesses a hash, and would see nothing behind it.
        ensure(cfg!(fuzzing) || change == Digest::default(), Fault::Hash { what, found })
    }

    /// Counts a hash that was worked out anew.
    pub fn add(&mut self, hash: u64) {
        self.0.replace(0, hash);
    }

    /// Compares the sum with the digest that the rows should have.
    pub fn check(&self, digest: Digest) -> Result<(), Fault> {
        ensure(cfg!(fuzzing) || self.0 == digest, Fault::Broken("its digest is not that of the rows"))
    }
}

/// `fault` where something does not hold.
pub fn ensure(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}

fn padded(store: &str) -> [u8; NAME_LENGTH_MAX] {
    let mut name = [0; NAME_LENGTH_MAX];
    name[..store.len()].copy_from_slice(store.as_bytes());
    name
}

/// Makes a struct stand in an image, field by field in the order that they are named in. All must be named.
#[macro_export]
macro_rules! persist {
    ($($name:ty { $($field:ident),* $(,)? })*) => {$(
        impl $crate::image::Persist for $name {
            fn save(&self, to: &mut $crate::image::ImageWriter) {
                let Self { $($field),* } = self;
                $($crate::image::Persist::save($field, to);)*
            }

            fn load(from: &mut $crate::image::ImageReader<'_>) -> Result<Self, $crate::image::Fault> {
                $(let $field = $crate::image::Persist::load(from)?;)*
                Ok(Self { $($field),* })
            }
        }
    )*};
}

/// Makes an enum without values stand in an image, as the place of its variant. All must be named.
#[macro_export]
macro_rules! persist_variants {
    ($($name:ident { $($variant:ident),* $(,)? })*) => {$(
        impl $crate::image::Persist for $name {
            fn save(&self, to: &mut $crate::image::ImageWriter) {
                enum Place { $($variant),* }
                let place = match self { $(Self::$variant => Place::$variant as u8),* };
                $crate::image::Persist::save(&place, to);
            }

            fn load(from: &mut $crate::image::ImageReader<'_>) -> Result<Self, $crate::image::Fault> {
                let place: u8 = from.value()?;
                let all = [$(Self::$variant),*];
                let fault = $crate::image::Fault::Value { what: stringify!($name), found: place.into() };
                all.into_iter().nth(place.into()).ok_or(fault)
            }
        }
    )*};
}

#[cfg(test)]
mod tests;
