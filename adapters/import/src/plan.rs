//! The first pass: every row of every source once, looked at and sorted by time.
//!
//! Definitions come first, whatever their place in the mapping, as other rows name them. What happened is put in the order
//! of time; at one time by what it is ([`Part`]), then as sources and rows stand. That order, and so the journal, depends
//! on nothing but the mapping and the rows.

use crate::entry::{self, Entry, Part};
use crate::fields::What;
use crate::fingerprint::Fingerprint;
use crate::mapping::{From, Mapping, Source};
use crate::names::Names;
use crate::refusal::{Fault, Place, Refusal, Refusals};
use crate::rows::{Row, Rows, RowsError};
use crate::sort::{Merged, Sorted, Sorter};
use crate::values::Cells;
use std::collections::BTreeSet;
use tickwerk_domain::{InstrumentId, TimeNs};

/// Why the sources cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A source cannot.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// The mapping defines something that cannot be.
    #[error("the mapping defines {}: {} {:?} {}; {}", .0.column, .0.column, .0.value, .0.reason, .0.remedy)]
    Definition(Fault),
    /// A temporary file cannot be written or read.
    #[error("sorting the rows in temporary files failed; TMPDIR says where they lie")]
    Sort(#[source] std::io::Error),
}

/// What became of the rows of a source.
#[derive(Clone, Debug, Default)]
pub struct SourceCounts {
    /// Rows that were read, and their hash.
    pub fingerprint: Fingerprint,
    /// Rows that `only` leaves out.
    pub left_out: u64,
    /// Rows that were refused.
    pub refused: u64,
}

/// Rows in the order in which they happened.
#[derive(Debug)]
pub struct Plan<'m> {
    mapping: &'m Mapping,
    /// All that rows name.
    pub names: Names,
    /// What became of each source's rows.
    pub counts: Vec<SourceCounts>,
    /// What was refused in this pass.
    pub refusals: Refusals,
    /// Rows that were found to be repeats after they were sorted.
    repeats: BTreeSet<(u16, u64)>,
    sorted: Sorted,
}

/// A part of a row, at its time.
#[derive(Clone, Debug)]
pub struct Planned {
    /// When it happened.
    pub time: TimeNs,
    /// Which part.
    pub part: Part,
    /// Which row.
    pub place: Place,
    values: Vec<Option<String>>,
}

/// Opens a source.
pub(crate) type Open<'o> = &'o mut dyn FnMut(&Source) -> Result<Box<dyn Rows>, RowsError>;

struct Making<'m> {
    mapping: &'m Mapping,
    names: Names,
    counts: Vec<SourceCounts>,
    refusals: Refusals,
    sorter: Sorter,
    uniques: Sorter,
}

impl<'m> Plan<'m> {
    /// Reads all sources. Stops where more rows are refused than `refusals` bears; what is sorted is not all, then.
    pub fn make(mapping: &'m Mapping, refusals: Refusals, open: Open<'_>) -> Result<Self, PlanError> {
        let names = Names::of(mapping).map_err(PlanError::Definition)?;
        let counts = vec![SourceCounts::default(); mapping.sources.len()];
        let (sorter, uniques) = (Sorter::new(), Sorter::new());
        let mut making = Making { mapping, names, counts, refusals, sorter, uniques };
        for what in What::ALL {
            for (number, source) in (0..).zip(&mapping.sources) {
                if source.what == *what && making.refusals.is_borne() {
                    making.read(number, source, open)?;
                }
            }
        }
        making.finish()
    }

    /// Every part of every row that was not refused, in order.
    pub fn parts(&self) -> Result<Parts<'_>, PlanError> {
        Ok(Parts { merged: self.sorted.read().map_err(PlanError::Sort)?, repeats: &self.repeats })
    }

    /// What a row tells; `of_order` gives the instrument of an order that is open.
    pub fn entry(
        &self,
        planned: &Planned,
        of_order: &dyn Fn(&str) -> Option<InstrumentId>,
    ) -> Result<Entry, Fault> {
        entry::read(&self.cells(planned), of_order)
    }

    /// A fault of a field of a row, with its column and value.
    pub fn fault(
        &self,
        planned: &Planned,
        field: &str,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        self.cells(planned).fault(field, reason, remedy)
    }

    fn cells<'a>(&'a self, planned: &'a Planned) -> Cells<'a> {
        Cells {
            source: &self.mapping.sources[usize::from(planned.place.source)],
            aliases: &self.mapping.aliases,
            names: &self.names,
            values: &planned.values,
        }
    }
}

/// Parts of rows, in order.
#[derive(Debug)]
pub struct Parts<'a> {
    merged: Merged<'a>,
    repeats: &'a BTreeSet<(u16, u64)>,
}

impl Parts<'_> {
    /// The next one.
    pub fn next(&mut self) -> Result<Option<Planned>, PlanError> {
        while let Some((key, body)) = self.merged.next().map_err(PlanError::Sort)? {
            let planned = Planned::from_bytes(&key, &body);
            if !self.repeats.contains(&(planned.place.source, planned.place.row)) {
                return Ok(Some(planned));
            }
        }
        Ok(None)
    }
}

const NOTHING: u32 = u32::MAX;

impl Planned {
    /// Time, part, source and row, so that bytes sort as they do.
    fn key(time: TimeNs, part: Part, place: Place) -> [u8; 20] {
        let mut key = [0; 20];
        let [rank, number] = part.to_bytes();
        key[..8].copy_from_slice(&time.0.to_be_bytes());
        key[8] = rank;
        key[9..11].copy_from_slice(&place.source.to_be_bytes());
        key[11..19].copy_from_slice(&place.row.to_be_bytes());
        key[19] = number;
        key
    }

    fn body(line: u64, values: &[Option<String>]) -> Vec<u8> {
        let mut body = line.to_le_bytes().to_vec();
        for value in values {
            let length =
                value.as_ref().map_or(NOTHING, |value| u32::try_from(value.len()).unwrap_or(NOTHING));
            body.extend_from_slice(&length.to_le_bytes());
            body.extend_from_slice(value.as_deref().unwrap_or_default().as_bytes());
        }
        body
    }

    fn from_bytes(key: &[u8], body: &[u8]) -> Self {
        let number = |range: std::ops::Range<usize>| {
            key[range].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let source = u16::try_from(number(9..11)).expect("two bytes");
        let (line, mut rest) = body.split_at(8);
        let line = u64::from_le_bytes(line.try_into().expect("eight bytes"));
        let mut values = Vec::new();
        while let Some((length, after)) = rest.split_at_checked(4) {
            let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
            let (value, after) = if length == NOTHING {
                (None, after)
            } else {
                let (value, after) = after.split_at(length as usize);
                (Some(String::from_utf8_lossy(value).into_owned()), after)
            };
            values.push(value);
            rest = after;
        }
        let place = Place { source, row: number(11..19), line };
        Self { time: TimeNs(number(0..8)), part: Part::from_bytes([key[8], key[19]]), place, values }
    }
}

impl<'m> Making<'m> {
    fn read(&mut self, number: u16, source: &Source, open: Open<'_>) -> Result<(), PlanError> {
        let mut rows = open(source)?;
        let columns: Vec<String> = source.columns().into_iter().map(str::to_owned).collect();
        let place_of = |column: &String| columns.iter().position(|known| known == column);
        let picks: Vec<Option<usize>> = source
            .values
            .iter()
            .map(|from| match from {
                From::Column(column) => place_of(column),
                From::Constant(_) | From::Nowhere => None,
            })
            .collect();
        let only: Vec<(Option<usize>, &Vec<String>)> =
            source.only.iter().map(|(column, values)| (place_of(column), values)).collect();
        let mut row = Row::default();
        let mut values: Vec<Option<String>> = Vec::new();
        let mut place = Place { source: number, row: 0, line: 0 };
        loop {
            place.row += 1;
            let read = rows.next(&mut row);
            place.line = row.line;
            match read {
                Ok(false) => return Ok(()),
                Ok(true) => {}
                Err(RowsError::Row { line, reason, .. }) => {
                    self.counts[usize::from(number)].fingerprint.add([None].into_iter());
                    place.line = line;
                    let fault = Fault::new("row", "", reason, "mend the file");
                    if !self.refuse(source, place, fault) {
                        return Ok(());
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            let counts = &mut self.counts[usize::from(number)];
            counts.fingerprint.add(row.values.iter().map(Option::as_deref));
            let cell =
                |pick: Option<usize>| pick.and_then(|pick| row.values.get(pick)).and_then(Option::as_deref);
            if !only
                .iter()
                .all(|(pick, values)| values.iter().any(|value| value == cell(*pick).unwrap_or_default()))
            {
                counts.left_out += 1;
                continue;
            }
            values.clear();
            values.extend(source.values.iter().zip(&picks).map(|(from, pick)| match from {
                From::Column(_) => cell(*pick).map(str::to_owned),
                From::Constant(value) => Some(value.clone()),
                From::Nowhere => None,
            }));
            let taken = self.take(source, place, &values)?;
            if let Err(fault) = taken
                && !self.refuse(source, place, fault)
            {
                return Ok(());
            }
        }
    }

    fn refuse(&mut self, source: &Source, place: Place, fault: Fault) -> bool {
        self.counts[usize::from(place.source)].refused += 1;
        self.refusals.note(Refusal { source: source.name.clone(), place, fault })
    }

    fn take(
        &mut self,
        source: &Source,
        place: Place,
        values: &[Option<String>],
    ) -> Result<Result<(), Fault>, PlanError> {
        let cells = Cells { source, aliases: &self.mapping.aliases, names: &self.names, values };
        if source.what.is_definition() {
            let defined = entry::define(&cells);
            return Ok(defined.and_then(|define| {
                define(&mut self.names).map_err(|fault| {
                    let cells = Cells { source, aliases: &self.mapping.aliases, names: &self.names, values };
                    Fault { column: cells.column(&fault.column), ..fault }
                })
            }));
        }
        let head = match entry::read_head(&cells) {
            Ok(head) => head,
            Err(fault) => return Ok(Err(fault)),
        };
        if let Some((what, of, id)) = head.unique {
            // Which id it is comes before which row, so that repeats stand side by side with the first row first.
            let mut key = what.word().as_bytes().to_vec();
            for text in [of, id] {
                key.push(0);
                key.extend_from_slice(text.as_bytes());
            }
            let body = [&place.source.to_be_bytes()[..], &place.row.to_be_bytes(), &place.line.to_be_bytes()]
                .concat();
            self.uniques.push(&key, &body).map_err(PlanError::Sort)?;
        }
        let body = Planned::body(place.line, values);
        for (time, part) in head.parts {
            self.sorter.push(&Planned::key(time, part, place), &body).map_err(PlanError::Sort)?;
        }
        Ok(Ok(()))
    }

    fn finish(mut self) -> Result<Plan<'m>, PlanError> {
        let uniques =
            std::mem::replace(&mut self.uniques, Sorter::new()).finish().map_err(PlanError::Sort)?;
        let mut repeats = BTreeSet::new();
        let mut merged = uniques.read().map_err(PlanError::Sort)?;
        let mut last: Option<(Vec<u8>, Vec<u8>)> = None;
        while let Some((key, body)) = merged.next().map_err(PlanError::Sort)? {
            let first = last.as_ref().filter(|(known, _)| *known == key).map(|(_, body)| place_of(body));
            let Some(first) = first else {
                last = Some((key, body));
                continue;
            };
            let place = place_of(&body);
            let source = &self.mapping.sources[usize::from(place.source)];
            let id = key.rsplit(|byte| *byte == 0).next().unwrap_or_default();
            let there = &self.mapping.sources[usize::from(first.source)].name;
            let reason = format!("is there already, in row {} of {there}", first.row);
            let column = match &source.values[source.what.place("id").unwrap_or(0)] {
                From::Column(column) => column.clone(),
                From::Constant(_) | From::Nowhere => "id".to_owned(),
            };
            let id = String::from_utf8_lossy(id).into_owned();
            repeats.insert((place.source, place.row));
            if !self.refuse(source, place, Fault::new(column, id, reason, "take the repeated row out")) {
                break;
            }
        }
        let Self { mapping, names, counts, refusals, sorter, .. } = self;
        let sorted = sorter.finish().map_err(PlanError::Sort)?;
        Ok(Plan { mapping, names, counts, refusals, repeats, sorted })
    }
}

fn place_of(body: &[u8]) -> Place {
    let number = |range: std::ops::Range<usize>| {
        body[range].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let source = u16::try_from(number(0..2)).expect("two bytes");
    Place { source, row: number(2..10), line: number(10..18) }
}
