//! The journal under syncs: mapped, gathered for `pwrite`, and a loop that only writes, side by side.
//!
//! All three bring the same frames to a file of real zeros that was synced before, on the writing thread, and sync them as
//! often. The journal encodes, adds checksums and keeps its hash chain; the loop copies frames that are ready into a
//! buffer of 64 KiB, each with its checksum, and writes it in one call. Syncs are on a thread of their own, but for the
//! loop's after so many records, which wait for nobody. Time ends when everything is durable, or without syncs written.

use crate::append::{COVERED_OFFSET, CRC_OFFSET, Source};
use crate::rings::per_second;
use crate::throughput::{Scratch, ThroughputConfig, ThroughputError, median};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{ScopedJoinHandle, Thread};
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;
use tickwerk_journal::{AppendError, Io, SyncPolicy, Watermarks, Writer};

/// When it is synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rhythm {
    /// Not at all.
    Never,
    /// As soon as the sync before has ended.
    Continuous,
    /// Each millisecond.
    EachMillisecond,
    /// After so many records, and waited for.
    EachRecords(u64),
}

/// All of them.
pub const RHYTHMS: [Rhythm; 5] = [
    Rhythm::Never,
    Rhythm::Continuous,
    Rhythm::EachMillisecond,
    Rhythm::EachRecords(1_000),
    Rhythm::EachRecords(10_000),
];

/// Records a second, medians over the rounds, and medians of the rounds' ratios.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// When it was synced.
    pub rhythm: Rhythm,
    /// The journal, mapped.
    pub mapped_per_s: f64,
    /// The journal, with `pwrite`.
    pub pwrite_per_s: f64,
    /// The loop.
    pub raw_per_s: f64,
    /// `mapped_per_s ÷ raw_per_s`.
    pub mapped_to_raw: f64,
    /// `pwrite_per_s ÷ raw_per_s`.
    pub pwrite_to_raw: f64,
}

/// As the daemon does where syncs are rare.
const PREFAULT_BYTES: usize = 512 << 10;
const NEVER: Duration = Duration::from_hours(1);
const EACH_MILLISECOND: Duration = Duration::from_millis(1);
const BUFFER_SIZE: usize = 64 << 10;
const ZEROS_SIZE: usize = 1 << 20;
/// Pause between two looks at the watermark.
const LOOK_PAUSE: Duration = Duration::from_micros(20);
/// The longest sleep of a sync thread that nobody wakes.
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of a record in the journal with its share of the frame's header; generously.
const BYTES_PER_RECORD: u64 = 160;

/// Measures every rhythm.
#[expect(clippy::float_arithmetic, reason = "ratios of measured figures")]
pub fn measure(
    config: &ThroughputConfig,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Figures>, ThroughputError> {
    if config.rounds == 0 {
        return Err(ThroughputError::NoRounds);
    }
    let mut source = Source::new(config)?;
    let mut rounds = vec![Vec::new(); RHYTHMS.len()];
    for round in 0..config.rounds {
        progress(round);
        for (rhythm, found) in RHYTHMS.into_iter().zip(&mut rounds) {
            let count = source.count();
            let mapped = per_second(count, append(config, &mut source, Io::Mapped, rhythm)?);
            let pwrite = per_second(count, append(config, &mut source, Io::Pwrite, rhythm)?);
            let raw = per_second(count, write_raw(config, &source, rhythm)?);
            found.push([mapped, pwrite, raw]);
        }
    }
    let figures = RHYTHMS.into_iter().zip(&rounds).map(|(rhythm, rounds)| {
        let of = |figure: &dyn Fn(&[f64; 3]) -> f64| median(rounds.iter().map(figure).collect());
        Figures {
            rhythm,
            mapped_per_s: of(&|[mapped, _, _]| *mapped),
            pwrite_per_s: of(&|[_, pwrite, _]| *pwrite),
            raw_per_s: of(&|[_, _, raw]| *raw),
            mapped_to_raw: of(&|[mapped, _, raw]| mapped / raw),
            pwrite_to_raw: of(&|[_, pwrite, raw]| pwrite / raw),
        }
    });
    Ok(figures.collect())
}

/// Appends the frames of `source` to a new journal.
fn append(
    config: &ThroughputConfig,
    source: &mut Source,
    io: Io,
    rhythm: Rhythm,
) -> Result<Duration, ThroughputError> {
    let count = source.count();
    let scratch = Scratch::new(config, count * BYTES_PER_RECORD)?;
    let (sync, prefault_bytes) = match rhythm {
        Rhythm::Never => (SyncPolicy::Every(NEVER), PREFAULT_BYTES),
        Rhythm::EachRecords(_) => (SyncPolicy::Every(NEVER), 0),
        Rhythm::Continuous => (SyncPolicy::Continuous, 0),
        Rhythm::EachMillisecond => (SyncPolicy::Every(EACH_MILLISECOND), 0),
    };
    let journal = scratch.journal(sync, prefault_bytes, io)?;
    let marks = journal.watermarks();
    let mut writer = journal.writer;
    for (sequence, record) in (1..).zip(&mut source.records) {
        record.envelope.sequence = Sequence(sequence);
    }
    let step = source.records.len() as u64;
    let batch = if let Rhythm::EachRecords(records) = rhythm { records } else { u64::MAX };
    let mut due = batch;
    let started = Instant::now();
    for _ in 0..source.repeats {
        for record in &mut source.records {
            let ended = writer.push(record)?;
            record.envelope.sequence.0 += step;
            if let Some(last) = ended.filter(|last| last.0 >= due) {
                wait_until_durable(&mut writer, &marks, last)?;
                due = last.0 + batch;
            }
        }
    }
    if rhythm == Rhythm::Never {
        writer.idle()?;
    } else {
        wait_until_durable(&mut writer, &marks, Sequence(count))?;
    }
    let elapsed = started.elapsed();
    writer.close()?;
    Ok(elapsed)
}

fn wait_until_durable(
    writer: &mut Writer,
    marks: &Watermarks,
    last: Sequence,
) -> Result<(), ThroughputError> {
    writer.request_sync()?;
    while marks.durable_through() < last {
        if let Some(failure) = marks.failure() {
            return Err(AppendError::Failed(failure).into());
        }
        // Not spinning: what completes the sync may have to run on this very processor.
        std::thread::sleep(LOOK_PAUSE);
    }
    Ok(())
}

/// What the loop and its sync thread share.
#[derive(Debug, Default)]
struct Progress {
    written: AtomicU64,
    synced: AtomicU64,
    ended: AtomicBool,
}

/// Writes the same frames to a file, 64 KiB at once.
fn write_raw(
    config: &ThroughputConfig,
    source: &Source,
    rhythm: Rhythm,
) -> Result<Duration, ThroughputError> {
    let bytes = source.frames.len() as u64 * source.repeats;
    let scratch = Scratch::new(config, bytes)?;
    let path = scratch.journal_dir();
    let unusable = |source| ThroughputError::Directory { dir: path.clone(), source };
    let file = zeros(&path, bytes).map_err(unusable)?;
    let progress = Progress::default();
    let elapsed = std::thread::scope(|scope| {
        let syncing = match rhythm {
            Rhythm::Never | Rhythm::EachRecords(_) => None,
            Rhythm::Continuous => Some(scope.spawn(|| sync_raw(&file, &progress, None))),
            Rhythm::EachMillisecond => {
                Some(scope.spawn(|| sync_raw(&file, &progress, Some(EACH_MILLISECOND))))
            }
        };
        let started = Instant::now();
        let wrote =
            copy_and_write(&file, source, rhythm, &progress, syncing.as_ref().map(ScopedJoinHandle::thread));
        progress.ended.store(true, Ordering::Release);
        if let Some(thread) = syncing {
            thread.thread().unpark();
            thread.join().map_err(|_| std::io::Error::other("the sync thread panicked"))??;
        }
        wrote.map(|()| started.elapsed())
    });
    elapsed.map_err(unusable)
}

/// A new file of real zeros, synced.
fn zeros(path: &std::path::Path, bytes: u64) -> std::io::Result<File> {
    let file = File::options().read(true).write(true).create_new(true).open(path)?;
    let zeros = vec![0; ZEROS_SIZE];
    let mut done = 0;
    while done < bytes {
        file.write_all_at(&zeros, done)?;
        done += ZEROS_SIZE as u64;
    }
    file.sync_all()?;
    Ok(file)
}

fn copy_and_write(
    file: &File,
    source: &Source,
    rhythm: Rhythm,
    progress: &Progress,
    syncing: Option<&Thread>,
) -> std::io::Result<()> {
    let Source { frames, ends, records, repeats } = source;
    // Frames of about as many records.
    let batch = match rhythm {
        Rhythm::EachRecords(batch) => batch * frames.len() as u64 / records.len() as u64,
        Rhythm::Never | Rhythm::Continuous | Rhythm::EachMillisecond => u64::MAX,
    };
    let mut buffer = vec![0; BUFFER_SIZE];
    let (mut filled, mut written, mut due) = (0, 0, batch);
    for _ in 0..*repeats {
        let mut start = 0;
        for &end in ends {
            let frame = &frames[start..end];
            let is_due = written + filled as u64 >= due;
            if is_due || filled + frame.len() > BUFFER_SIZE {
                file.write_all_at(&buffer[..filled], written)?;
                written += filled as u64;
                filled = 0;
                progress.written.store(written, Ordering::Release);
                if let Some(thread) = syncing {
                    thread.unpark();
                }
            }
            if is_due {
                file.sync_data()?;
                due = written + batch;
            }
            let place = &mut buffer[filled..][..frame.len()];
            place.copy_from_slice(frame);
            let crc = crc32c::crc32c(&frame[COVERED_OFFSET..]);
            place[CRC_OFFSET..COVERED_OFFSET].copy_from_slice(&crc.to_le_bytes());
            filled += frame.len();
            start = end;
        }
    }
    file.write_all_at(&buffer[..filled], written)?;
    progress.written.store(written + filled as u64, Ordering::Release);
    if batch < u64::MAX { file.sync_data() } else { Ok(()) }
}

/// Syncs what is written until the writer has ended and nothing is left.
fn sync_raw(file: &File, progress: &Progress, interval: Option<Duration>) -> std::io::Result<()> {
    loop {
        let ended = progress.ended.load(Ordering::Acquire);
        let written = progress.written.load(Ordering::Acquire);
        if written > progress.synced.load(Ordering::Relaxed) {
            file.sync_data()?;
            progress.synced.store(written, Ordering::Release);
        } else if ended {
            return Ok(());
        } else if interval.is_none() {
            std::thread::park_timeout(PAUSE);
        }
        if let Some(interval) = interval.filter(|_| !ended) {
            let due = Instant::now() + interval;
            while Instant::now() < due && !progress.ended.load(Ordering::Acquire) {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rhythm_is_measured_and_nothing_is_left_behind() {
        let parent = tempfile::tempdir().unwrap();
        let config = ThroughputConfig {
            rounds: 1,
            records: 20_000,
            dir: Some(parent.path().to_owned()),
            ..ThroughputConfig::default()
        };
        let figures = measure(&config, &mut |_| {}).unwrap();
        assert_eq!(figures.iter().map(|figures| figures.rhythm).collect::<Vec<_>>(), RHYTHMS);
        for Figures { mapped_per_s, pwrite_per_s, raw_per_s, mapped_to_raw, pwrite_to_raw, .. } in figures {
            let all = [mapped_per_s, pwrite_per_s, raw_per_s, mapped_to_raw, pwrite_to_raw];
            assert!(all.iter().all(|figure| figure.is_finite() && *figure > 0.0), "{all:?}");
        }
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "the journals are removed");
    }
}
