//! From journal to batches: reads frames behind the checkpoint, proves that they go on from it, and folds them.
//!
//! Runs on a thread of its own, so that the next batch is made while the server takes the last one.
//! Invariant: batches follow each other without a gap, and each ends with a whole frame.

use crate::batch::{Batch, DAY_NS, Folded, Parked};
use crate::changes::Changes;
use crate::checkpoint::Checkpoint;
use crate::error::PostgresError;
use crate::event_row::{self, Scratch};
use crate::fact::Fact;
use crate::projection::Projection;
use crate::selection::Selector;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tickwerk_domain::{Command, Event, Sequence, TypeId};
use tickwerk_journal::{
    Chain, ChainHead, Follow, FrameRef, JournalId, ReadError, StoredWatermarks, Tail, Watermarks, is_live,
};
use tickwerk_render::Dictionary;

/// Which watermark is followed.
#[derive(Clone, Debug)]
pub enum Marks {
    /// That of the writer in this process.
    Shared(Watermarks),
    /// That of the `WATERMARKS` file; everything, where there is none and nobody writes.
    Stored,
}

/// What is read and folded.
pub(crate) struct Reading {
    dir: PathBuf,
    tail: Tail,
    marks: Marks,
    chain: Chain,
    at: Sequence,
    /// Nothing behind it is read.
    limit: Option<Sequence>,
    /// Only records behind the first and through the second are folded; the others are known to be.
    folded: (Sequence, Sequence),
    /// Records that a projection is not given, by its place.
    left_out: Vec<BTreeSet<Sequence>>,
    /// The type of the record that was folded last.
    folded_type: &'static str,
    journal: JournalId,
    dictionary: Dictionary,
    selector: Selector,
    projections: Vec<Box<dyn Projection>>,
    /// Which projections want a type.
    wanted: BTreeMap<TypeId, Vec<usize>>,
    scratch: Scratch,
}

impl Reading {
    /// Goes on behind the checkpoint, once the journal was seen to be the one that led there.
    pub(crate) fn begin(
        dir: &Path,
        marks: &Marks,
        checkpoint: &Checkpoint,
        dictionary: Dictionary,
        selector: Selector,
        projections: Vec<Box<dyn Projection>>,
    ) -> Result<Self, PostgresError> {
        let mut reading =
            Self::from_block(dir, marks, checkpoint.block, dictionary, selector, projections, None)?;
        if let Some(theirs) = checkpoint.journal.filter(|theirs| *theirs != reading.journal) {
            return Err(PostgresError::Refused(format!(
                "the database holds journal {theirs} through sequence {}, this is journal {}; \
                 give each journal a database of its own",
                checkpoint.position, reading.journal
            )));
        }
        reading.catch_up_with(checkpoint)?;
        Ok(reading)
    }

    /// Reads what follows a block, up to `limit` where there is one.
    pub(crate) fn from_block(
        dir: &Path,
        marks: &Marks,
        block: ChainHead,
        dictionary: Dictionary,
        selector: Selector,
        projections: Vec<Box<dyn Projection>>,
        limit: Option<Sequence>,
    ) -> Result<Self, PostgresError> {
        let from = block.through.next();
        let tail = match marks {
            Marks::Shared(shared) => Tail::new(dir, from, shared.clone()),
            Marks::Stored => Tail::open(dir, from),
        };
        let tail = tail.map_err(|error| {
            if let ReadError::Gone { wanted, first } = error {
                return PostgresError::Refused(format!(
                    "the database needs the journal from sequence {wanted} on, which is kept from {first} on only; \
                     restore the missing segments from a backup"
                ));
            }
            error.into()
        })?;
        let journal = tail.journal_id();
        let mut wanted: BTreeMap<TypeId, Vec<usize>> = BTreeMap::new();
        for (index, projection) in projections.iter().enumerate() {
            for word in projection.events() {
                let id = type_of(word)
                    .unwrap_or_else(|| panic!("{} wants {word}, which is no type", projection.name()));
                wanted.entry(id).or_default().push(index);
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            tail,
            marks: marks.clone(),
            chain: Chain::resume(block),
            at: block.through,
            limit,
            folded: (Sequence::NONE, Sequence(u64::MAX)),
            left_out: Vec::new(),
            folded_type: "",
            journal,
            dictionary,
            selector,
            projections,
            wanted,
            scratch: Scratch::default(),
        })
    }

    /// Which journal it is.
    pub(crate) fn journal(&self) -> JournalId {
        self.journal
    }

    /// Folds nothing but what lies behind `after` and not behind `through`.
    pub(crate) fn fold_only(&mut self, after: Sequence, through: Sequence) {
        self.folded = (after, through);
    }

    /// Does not give each projection the records of its set.
    pub(crate) fn leave_out(&mut self, left_out: Vec<BTreeSet<Sequence>>) {
        self.left_out = left_out;
    }

    /// The type of the record that was folded last.
    pub(crate) fn folded_type(&self) -> &'static str {
        self.folded_type
    }

    /// Reads up to `limit` from here on.
    pub(crate) fn set_limit(&mut self, limit: Sequence) {
        self.limit = Some(limit);
    }

    /// Where the chain stands behind what was read.
    pub(crate) fn head(&self) -> ChainHead {
        self.chain.head()
    }

    /// The last record that was read.
    pub(crate) fn at(&self) -> Sequence {
        self.at
    }

    /// Reads from the block's start to the checkpoint; the chain must be the same there.
    fn catch_up_with(&mut self, checkpoint: &Checkpoint) -> Result<(), PostgresError> {
        while self.at < checkpoint.position {
            let bound = self.bound()?;
            let Self { tail, chain, at, .. } = self;
            let Some(frame) = next(tail, bound)? else {
                return Err(PostgresError::Refused(format!(
                    "the database is ahead of the journal: it holds everything through sequence {}, the journal ends at {}; \
                     the journal has lost its end or is an older copy",
                    checkpoint.position, self.at
                )));
            };
            chain.push(frame.bytes, |_| {});
            *at = frame.header.last_sequence();
        }
        let head = self.chain.head().head;
        if self.at == checkpoint.position && head == checkpoint.head {
            return Ok(());
        }
        Err(PostgresError::Refused(format!(
            "the journal is not the one that was shipped: through sequence {} its chain is {head}, the database has {}",
            checkpoint.position, checkpoint.head
        )))
    }

    /// Up to where may be read: `None` for everything that is there.
    fn bound(&self) -> Result<Option<Sequence>, PostgresError> {
        let bound = self.durable_bound()?;
        Ok(self.limit.map_or(bound, |limit| Some(bound.map_or(limit, |bound| bound.min(limit)))))
    }

    fn durable_bound(&self) -> Result<Option<Sequence>, PostgresError> {
        match &self.marks {
            Marks::Shared(marks) => Ok(Some(marks.durable_through())),
            Marks::Stored => {
                let stored =
                    StoredWatermarks::read(&self.dir)?.filter(|stored| stored.journal == self.journal);
                match stored {
                    Some(stored) => Ok(Some(stored.durable_through)),
                    // Until it has said how far the journal is, nobody can tell where it ends.
                    None if is_live(&self.dir)? => Err(PostgresError::Opening { dir: self.dir.clone() }),
                    None => Ok(None),
                }
            }
        }
    }

    /// The durable watermark, where there is one.
    pub(crate) fn durable_through(&self) -> Result<Option<Sequence>, PostgresError> {
        match &self.marks {
            Marks::Shared(_) => Ok(Some(self.tail.bound(Follow::Durable)?)),
            Marks::Stored => self.bound(),
        }
    }

    /// An empty batch behind everything that was read.
    pub(crate) fn new_batch(&self) -> Batch {
        let folded = |projection: &dyn Projection| Folded {
            name: projection.name(),
            changes: Changes::new(projection.tables()),
            writes: Vec::new(),
            parked: Vec::new(),
        };
        Batch::new(self.at, self.projections.iter().map(|projection| folded(projection.as_ref())).collect())
    }

    /// Reads into `batch` until it has `records_max`; whether it has, so that there may be more.
    pub(crate) fn fill(&mut self, batch: &mut Batch, records_max: u64) -> Result<bool, PostgresError> {
        let bound = self.bound()?;
        while batch.records() < records_max {
            let Self { tail, chain, at, dictionary, selector, projections, wanted, scratch, journal, .. } =
                self;
            let Some(frame) = next(tail, bound)? else {
                return Ok(false);
            };
            chain.push(frame.bytes, |block| batch.blocks.push(block));
            *at = frame.header.last_sequence();
            let command = frame.header.first_sequence;
            for (index, record) in frame.records.iter().enumerate() {
                let learnt = dictionary.watch(record, frame.records);
                batch.meaning.note(learnt, record, dictionary);
                let type_id = record.payload.type_id();
                if let Some(family) = type_id.family().filter(|_| selector.takes(record)) {
                    batch.days.insert((family, record.envelope.time_ns.0 / DAY_NS));
                    batch.rows += 1;
                    let opaque = frame.opaque(index);
                    event_row::encode(record, opaque, command, *journal, dictionary, scratch, batch.row())?;
                }
                let (after, through) = self.folded;
                let is_folded = record.envelope.sequence > after && record.envelope.sequence <= through;
                let Some(takers) = wanted.get(&type_id).filter(|_| is_folded) else {
                    continue;
                };
                self.folded_type = record.payload.event_type();
                let fact = Fact { record, frame: frame.records, dictionary };
                for taker in takers {
                    let left_out = self.left_out.get(*taker);
                    if left_out.is_some_and(|left_out| left_out.contains(&record.envelope.sequence)) {
                        continue;
                    }
                    fold(&fact, projections[*taker].as_mut(), &mut batch.projections[*taker]);
                }
            }
            batch.through = *at;
            batch.time = frame.header.time_ns;
        }
        Ok(true)
    }

    /// Lets projections write what they gathered, encodes what they change, so that whoever ships only sends it, and notes
    /// where the chain stands behind the batch.
    pub(crate) fn finish(&mut self, batch: &mut Batch) {
        for (projection, folded) in self.projections.iter_mut().zip(&mut batch.projections) {
            projection.settle(&mut folded.changes);
            folded.writes = folded.changes.take_writes();
        }
        batch.head = self.chain.head();
        batch.block = self.chain.last_block();
    }
}

fn next(tail: &mut Tail, bound: Option<Sequence>) -> Result<Option<FrameRef<'_>>, ReadError> {
    match bound {
        Some(bound) => tail.next_up_to(bound),
        None => tail.next_without_writer(),
    }
}

/// Gives a projection an event; what it cannot take is parked.
pub(crate) fn fold(fact: &Fact<'_>, projection: &mut dyn Projection, folded: &mut Folded) {
    folded.changes.at(fact.sequence());
    let applied = projection.apply(fact, &mut folded.changes);
    let overflow = folded.changes.overflow().map(|column| format!("the sum in {column} is too large"));
    if let Some(error) = applied.err().map(|poison| poison.0).or(overflow) {
        folded.parked.push(Parked {
            sequence: fact.sequence(),
            event_type: fact.payload().event_type(),
            error,
        });
    }
}

/// The type with a name.
pub(crate) fn type_of(word: &str) -> Option<TypeId> {
    Command::TYPES.iter().chain(Event::TYPES).find(|(_, _, name)| *name == word).map(|(id, _, _)| *id)
}
