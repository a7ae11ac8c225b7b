//! Lives of a journal: recovery, work in any order, and an end at any moment.

use super::disk::{EIO, ENOSPC, Lie, Plan, SimulatedDisk};
use super::model::Model;
use super::random::Random;
use crate::config::{Io, JournalConfig};
use crate::crew::Works;
use crate::format::PLAIN_FRAME_SIZE_MAX;
use crate::journal::{Journal, assemble};
use crate::reader::{Frame, ReadError, Reader};
use crate::recovery::{RecoverError, Recovered, recover};
use crate::segment::BAD_SECTOR;
use crate::storage::mounts;
use crate::syncing::Progress;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tickwerk_domain::Sequence;

const ROOT: &str = "/simulated";
const SEGMENT_SIZE: u64 = 64 * 1024;
/// Of those that are all of one size.
const FRAMES_PER_PAGE: usize = 32;
/// More than any frame of the model needs.
const ROOM: usize = PLAIN_FRAME_SIZE_MAX + 4 * 1024;

/// What a run did, to see that it did something.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    pub(crate) frames: u64,
    pub(crate) acknowledged: u64,
    pub(crate) torn: u64,
    pub(crate) failures: u64,
    pub(crate) losses: u64,
    pub(crate) rotations: u64,
    /// Operations of the last life.
    pub(crate) operations: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.acknowledged += other.acknowledged;
        self.torn += other.torn;
        self.failures += other.failures;
        self.losses += other.losses;
        self.rotations += other.rotations;
    }
}

/// A journal on a disk of its own.
#[derive(Debug)]
pub(crate) struct World {
    random: Random,
    pub(crate) disk: SimulatedDisk,
    pub(crate) model: Model,
    io: Io,
    lie: Lie,
    pub(crate) tally: Tally,
}

/// Why a life ended before its time, if nothing is wrong with that.
enum Ended {
    /// The disk failed or died, and the journal said so.
    Stopped,
    /// Something that must not be.
    Wrong(String),
}

type Lived<T> = Result<T, Ended>;

fn wrong<T>(text: impl Into<String>) -> Lived<T> {
    Err(Ended::Wrong(text.into()))
}

impl World {
    pub(crate) fn new(seed: u64, lie: Lie) -> Self {
        let mut random = Random::new(seed);
        let disk = SimulatedDisk::new(random.next());
        mounts::mount(Path::new(ROOT), Arc::new(disk.clone()));
        let io = if random.chance(1, 2) { Io::Mapped } else { Io::Pwrite };
        let model = Model { uniform: random.chance(1, 4), ..Model::default() };
        Self { random, disk, model, io, lie, tally: Tally::default() }
    }

    /// Several lives, each with a fault or without, then one without any in which everything is looked at.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        for _ in 0..2 + self.random.below(3) {
            let plan = self.draw_plan();
            let steps = 20 + self.random.below(if self.random.clone().chance(1, 6) { 700 } else { 150 });
            self.live(plan, steps)?;
            self.end();
        }
        self.live(Plan { lie: self.lie, ..Plan::NOTHING }, 30)?;
        self.end();
        self.live(Plan { lie: self.lie, ..Plan::NOTHING }, 0)
    }

    fn draw_plan(&mut self) -> Plan {
        let random = &mut self.random;
        let latest = if random.chance(1, 2) { 60 } else { 600 };
        let number = 1 + random.below(latest);
        let code = if random.chance(1, 2) { EIO } else { ENOSPC };
        Plan {
            fail: random.chance(1, 3).then_some((number, code)),
            die: random.chance(1, 3).then_some(1 + random.below(latest)),
            short: random.chance(1, 2),
            lie: self.lie,
        }
    }

    /// The process is gone; perhaps power, too.
    pub(crate) fn end(&mut self) {
        if self.disk.is_dead() || self.random.chance(2, 3) {
            self.disk.lose_power();
            self.tally.losses += 1;
        }
    }

    /// One life: recovery, a check of what it gave, `steps` steps of work, and perhaps a clean stop.
    pub(crate) fn live(&mut self, plan: Plan, steps: u64) -> Result<(), String> {
        self.live_so(plan, |world, mut journal, mut works| {
            for _ in 0..steps {
                world.step(&mut journal, &mut works)?;
            }
            if steps == 0 || world.random.chance(1, 3) { world.close(journal, works) } else { Ok(()) }
        })
    }

    /// A life in which frames of one size are pushed, up to the end of a page synced and `unsynced` more only written,
    /// all without a seal.
    pub(crate) fn fill_page(&mut self, unsynced: usize) -> Result<(), String> {
        self.live_so(Plan::NOTHING, |world, mut journal, mut works| {
            let synced = FRAMES_PER_PAGE - world.model.frames.len() % FRAMES_PER_PAGE;
            for (count, is_synced) in [(synced, true), (unsynced, false)] {
                for _ in 0..count {
                    let went = world.push(&mut journal, &mut works);
                    world.after_step(&mut journal, &mut works, went)?;
                }
                let went = journal.writer.rest().is_ok();
                world.after_step(&mut journal, &mut works, went)?;
                while is_synced && works.syncing.step() == Ok(Progress::Working) {}
                world.after_step(&mut journal, &mut works, true)?;
            }
            Ok(())
        })
    }

    fn live_so(
        &mut self,
        plan: Plan,
        work: impl FnOnce(&mut Self, Journal, Works) -> Lived<()>,
    ) -> Result<(), String> {
        self.disk.plan(plan);
        let lived = self.try_live(work);
        self.tally.operations = self.disk.operations();
        match lived {
            Ok(()) => Ok(()),
            Err(Ended::Stopped) => {
                self.tally.failures += 1;
                Ok(())
            }
            Err(Ended::Wrong(text)) => Err(text),
        }
    }

    fn try_live(&mut self, work: impl FnOnce(&mut Self, Journal, Works) -> Lived<()>) -> Lived<()> {
        let recovered = match recover(self.config()) {
            Ok(recovered) => recovered,
            Err(error) => return self.refused(&error),
        };
        if self.disk.has_failed() && (!self.disk.may_be_told() || self.disk.must_be_told()) {
            return wrong("recovery went on after an operation failed");
        }
        self.tally.torn += u64::from(recovered.torn().is_some());
        self.look_at(&recovered)?;
        let (journal, works) = match recovered.activate() {
            Ok(opening) => assemble(opening),
            Err(error) => return self.refused(&error),
        };
        work(self, journal, works)
    }

    fn config(&self) -> JournalConfig {
        JournalConfig { segment_size: SEGMENT_SIZE, io: self.io, ..JournalConfig::new(ROOT) }
    }

    /// An error is right where the disk failed, and must tell of that and of nothing else.
    fn refused<T>(&self, error: &RecoverError) -> Lived<T> {
        match error {
            RecoverError::File(_) | RecoverError::Damaged { reason: BAD_SECTOR, .. } if self.is_hurt() => {
                Err(Ended::Stopped)
            }
            RecoverError::File(_)
            | RecoverError::Config { .. }
            | RecoverError::Locked { .. }
            | RecoverError::Damaged { .. } => wrong(format!("recovery refuses: {error}")),
        }
    }

    fn is_hurt(&self) -> bool {
        self.disk.is_dead() || self.disk.has_failed()
    }

    /// Everything that recovery serves is as it was written, and nothing is missing that was acknowledged.
    fn look_at(&mut self, recovered: &Recovered) -> Lived<()> {
        let frames = match recovered.frames().and_then(read) {
            Ok(frames) => frames,
            Err(ReadError::File(_) | ReadError::Damaged { reason: BAD_SECTOR, .. }) if self.is_hurt() => {
                return Err(Ended::Stopped);
            }
            Err(error) => return wrong(format!("recovery serves what cannot be read: {error}")),
        };
        self.model.check(&frames, recovered.next_sequence(), recovered.chain_head()).map_err(Ended::Wrong)?;
        self.model.keep(frames.len());
        Ok(())
    }

    /// One step of one of the threads.
    fn step(&mut self, journal: &mut Journal, works: &mut Works) -> Lived<()> {
        let went = match self.random.below(20) {
            0..=5 => self.push(journal, works),
            6 => journal.writer.rest().is_ok(),
            7 => journal.writer.seal_if_durable().is_ok(),
            8..=12 => {
                works.syncing.mark_due |= self.random.chance(1, 8);
                works.syncing.step().is_ok()
            }
            13..=14 => works.preparer.step().is_ok(),
            15..=17 => works.hashing.as_mut().is_none_or(|hashing| hashing.step().is_ok()),
            18 => {
                works.hashing.iter_mut().for_each(crate::hashing::Hashing::settle);
                true
            }
            _ => {
                self.disk.write_back();
                true
            }
        };
        self.after_step(journal, works, went)
    }

    fn after_step(&mut self, journal: &mut Journal, works: &mut Works, went: bool) -> Lived<()> {
        let marks = journal.watermarks();
        if self.disk.is_dead() {
            return Err(Ended::Stopped);
        }
        self.model.acknowledged = self.model.acknowledged.max(marks.durable_through());
        let is_told = marks.failure().is_some();
        let (may_be, must_be) = (self.disk.may_be_told(), self.disk.must_be_told());
        if is_told && !may_be || must_be && !is_told {
            return wrong(format!("an operation failed: {may_be}; told: {is_told}"));
        }
        if !went && !is_told {
            return wrong("a step failed for no reason");
        }
        if !is_told {
            return Ok(());
        }
        // The process may live for another moment; nobody may be told of anything in it.
        for _ in 0..self.random.below(20) {
            match self.random.below(3) {
                0 => drop(works.syncing.step()),
                1 => drop(works.hashing.as_mut().map(crate::hashing::Hashing::step)),
                _ => drop(journal.writer.idle()),
            }
        }
        if marks.durable_through() > self.model.acknowledged {
            return wrong("something was acknowledged after a failure");
        }
        Err(Ended::Stopped)
    }

    fn push(&mut self, journal: &mut Journal, works: &mut Works) -> bool {
        if journal.writer.remaining() < ROOM {
            if works.preparer.ready.load(Ordering::Acquire) == 0 {
                return works.preparer.step().is_ok();
            }
            self.tally.rotations += 1;
        }
        let events = if self.random.chance(1, 4) { 64 } else { 4 };
        let frame = self.model.draw(&mut self.random, events);
        self.tally.frames += 1;
        let mut opaque = frame.opaque.as_deref();
        frame.records.iter().all(|record| {
            match opaque.take() {
                Some(opaque) => journal.writer.push_with_opaque(record, opaque),
                None => journal.writer.push(record),
            }
            .is_ok()
        })
    }

    /// A clean stop: what [`crate::Writer::close`] does, step by step.
    fn close(&mut self, mut journal: Journal, mut works: Works) -> Lived<()> {
        let marks = journal.watermarks();
        let rested = journal.writer.rest().is_ok();
        self.after_step(&mut journal, &mut works, rested)?;
        while marks.durable_through() < marks.written_through() {
            let went = works.syncing.step().is_ok();
            self.after_step(&mut journal, &mut works, went)?;
        }
        let ended = journal.writer.end().is_ok();
        self.after_step(&mut journal, &mut works, ended)?;
        let mut head = None;
        if let Some(mut hashing) = works.hashing.take() {
            loop {
                match hashing.step() {
                    Ok(Progress::Working) => {}
                    Ok(Progress::Resting | Progress::Ended) => break,
                    Err(_) => return self.after_step(&mut journal, &mut works, false),
                }
            }
            head = Some(hashing.head());
        }
        works.syncing.requests.finish(head.unwrap_or_default());
        loop {
            match works.syncing.step() {
                Ok(Progress::Ended) => break,
                Ok(Progress::Working | Progress::Resting) => {}
                Err(_) => return self.after_step(&mut journal, &mut works, false),
            }
        }
        self.after_step(&mut journal, &mut works, true)?;
        let last = Sequence(self.model.next().0 - 1);
        self.tally.acknowledged += self.model.acknowledged.0;
        if marks.durable_through() == last { Ok(()) } else { wrong("a clean stop left something unsynced") }
    }
}

fn read(mut reader: Reader) -> Result<Vec<Frame>, ReadError> {
    let mut frames = Vec::new();
    while let Some(frame) = reader.next()? {
        frames.push(frame.to_frame());
    }
    Ok(frames)
}
