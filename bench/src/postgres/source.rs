//! A journal of the workload, made as long as it is wanted and continued while others read it.
//!
//! The workload's own time is that of a burst: 200,000 commands a second. Read models by second, minute and day would be
//! next to empty at that, so time is stretched: the first moment stays, every distance from it grows by a factor.

use super::PostgresBenchError;
use crate::recording::Desk;
use crate::workload::{MIXED_V1, Workload, setup};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tickwerk_domain::{Record, TimeNs};
use tickwerk_journal::{AppendError, JournalConfig, SyncPolicy, Watermarks, Writer, recover};

/// Nobody waits for the disk: what is written is durable at the end, or at the next of these.
const SYNC: SyncPolicy = SyncPolicy::Every(Duration::from_millis(50));

const PAUSE: Duration = Duration::from_millis(2);

/// Whoever writes the journal.
pub(super) struct Source {
    desk: Desk,
    workload: Workload,
    writer: Writer,
    marks: Watermarks,
    origin: TimeNs,
    stretch: u64,
    records: u64,
    by_family: BTreeMap<&'static str, u64>,
}

impl Source {
    /// Begins a journal with what the workload defines.
    pub(super) fn begin(dir: &Path, stretch: u64) -> Result<Self, PostgresBenchError> {
        let journal = recover(JournalConfig { sync: SYNC, ..JournalConfig::new(dir) })?.open()?;
        let marks = journal.watermarks();
        let setup = setup();
        let mut source = Self {
            desk: Desk::new(),
            workload: Workload::new(MIXED_V1),
            writer: journal.writer,
            marks,
            origin: setup[0].envelope.time_ns,
            stretch,
            records: 0,
            by_family: BTreeMap::new(),
        };
        for record in &setup {
            source.feed(record)?;
        }
        Ok(source)
    }

    /// Writes until there are at least `records` in all.
    pub(super) fn write_to(&mut self, records: u64) -> Result<(), PostgresBenchError> {
        while self.records < records {
            let mut batch = self.workload.next_batch().to_vec();
            for record in &mut batch {
                let envelope = &mut record.envelope;
                let since = envelope.time_ns.0 - self.origin.0;
                envelope.time_ns = TimeNs(self.origin.0 + since * self.stretch);
                envelope.source_time = envelope.time_ns;
                self.feed(record)?;
            }
            self.writer.idle()?;
        }
        Ok(())
    }

    fn feed(&mut self, record: &Record) -> Result<(), PostgresBenchError> {
        let Self { desk, writer, records, by_family, .. } = self;
        let mut appended: Result<(), AppendError> = Ok(());
        desk.feed(record, &mut |frame| {
            for record in frame {
                let family = record.payload.type_id().family().map_or("none", tickwerk_domain::Family::word);
                *by_family.entry(family).or_default() += 1;
                *records += 1;
                if appended.is_ok() {
                    appended = writer.push(record).map(drop);
                }
            }
        });
        Ok(appended?)
    }

    /// How many records there are.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// How many of them are of each family.
    pub(super) fn by_family(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_family
    }

    /// For those who read while it is written.
    pub(super) fn marks(&self) -> Watermarks {
        self.marks.clone()
    }

    /// Waits until all of it is durable.
    pub(super) fn wait_until_durable(&mut self) -> Result<(), PostgresBenchError> {
        while self.marks.durable_through().0 < self.records {
            self.writer.idle()?;
            if let Some(failure) = self.marks.failure() {
                return Err(failure.into());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Ends the journal.
    pub(super) fn close(self) -> Result<(), PostgresBenchError> {
        self.writer.close()?;
        Ok(())
    }
}
