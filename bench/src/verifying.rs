//! How long it takes to prove a journal, beside reading its bytes through BLAKE3 and CRC alone.
//!
//! A journal of the workload is written once; then both are measured in turn, as often as asked, and medians are taken.
//! Everything is read from the cache of the system as far as it is there: what is compared is the work, not the disk.

use crate::recording;
use crate::throughput::{self, ThroughputError};
use crate::workload::MIXED_V1;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;
use tickwerk_journal::{
    COMPRESS_LEVEL_DEFAULT, Depth, JournalConfig, KeepError, RecoverError, SyncPolicy, VerifyError, compress,
    recover, verify_bytes,
};

/// Records that are kept and repeated.
const KEPT: usize = 4_096;
const READ_SIZE: usize = 1 << 20;

/// What to measure.
#[derive(Clone, Debug)]
pub struct VerifyingConfig {
    /// Bytes of frames in the journal, at least.
    pub bytes: u64,
    /// Rounds; the median counts.
    pub rounds: usize,
    /// Where the journal lies for a while; `None` for among the temporary directories.
    pub dir: Option<PathBuf>,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Verifying {
    /// Bytes of frames.
    pub bytes: u64,
    /// Frames.
    pub frames: u64,
    /// Records.
    pub records: u64,
    /// Reading the segments through BLAKE3 and CRC alone.
    pub raw: Duration,
    /// Proving checksums, density and the chain.
    pub chained: Duration,
    /// Proving that every payload can be read, too.
    pub verified: Duration,
    /// Recovery before a start: the same, and syncs.
    pub recovered: Duration,
    /// Compressing all but the last segment.
    pub compressed: Duration,
    /// Bytes of the segments that were compressed, before and after.
    pub compressed_bytes: (u64, u64),
    /// Proving the compressed journal.
    pub verified_compressed: Duration,
    /// Medians of the rounds' ratios to `raw`, of `chained`, `verified` and `recovered`.
    pub to_raw: [f64; 3],
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum VerifyingError {
    /// The journal could not be written.
    #[error(transparent)]
    Write(#[from] ThroughputError),
    /// A segment could not be read.
    #[error("reading the journal of the benchmark")]
    Read(#[from] std::io::Error),
    /// It could not be verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It could not be recovered.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// It could not be compressed.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// It is not what was written.
    #[error("the journal of the benchmark does not verify: {0}")]
    Different(String),
}

/// Writes a journal and measures it.
#[expect(clippy::float_arithmetic, reason = "ratios of measured figures")]
pub fn measure(
    config: &VerifyingConfig,
    progress: &mut dyn FnMut(usize),
) -> Result<Verifying, VerifyingError> {
    let folder = match &config.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let dir = folder.path().join("journal");
    write(&dir, config.bytes)?;
    let segments = used(&dir)?;
    let found = prove(&dir, Depth::Payloads)?;
    let mut rounds = Vec::new();
    for round in 0..config.rounds {
        progress(round);
        let raw = timed(|| read_raw(&segments))?;
        let chained = timed(|| prove(&dir, Depth::Chain).map(drop))?;
        let verified = timed(|| prove(&dir, Depth::Payloads).map(drop))?;
        let recovered = timed(|| {
            drop(recover(journal_config(&dir))?);
            Ok(())
        })?;
        rounds.push([raw, chained, verified, recovered]);
    }
    let of = |figure: usize| median(rounds.iter().map(|round| round[figure]).collect());
    let to_raw = |figure: usize| {
        let ratios = rounds.iter().map(|round| round[figure].as_secs_f64() / round[0].as_secs_f64());
        throughput::median(ratios.collect())
    };
    let mut compressed_bytes = (0, 0);
    let compressed = timed(|| {
        compress(&dir, COMPRESS_LEVEL_DEFAULT, &mut |segment| {
            compressed_bytes.0 += segment.plain_bytes;
            compressed_bytes.1 += segment.compressed_bytes;
        })?;
        Ok(())
    })?;
    let mut again = Vec::new();
    for _ in 0..config.rounds {
        again.push(timed(|| prove(&dir, Depth::Payloads).map(drop))?);
    }
    let (bytes, frames, records) = found;
    Ok(Verifying {
        bytes,
        frames,
        records,
        raw: of(0),
        chained: of(1),
        verified: of(2),
        recovered: of(3),
        compressed,
        compressed_bytes,
        verified_compressed: median(again),
        to_raw: [to_raw(1), to_raw(2), to_raw(3)],
    })
}

fn timed(work: impl FnOnce() -> Result<(), VerifyingError>) -> Result<Duration, VerifyingError> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn journal_config(dir: &Path) -> JournalConfig {
    JournalConfig { sync: SyncPolicy::Every(Duration::from_hours(1)), ..JournalConfig::new(dir) }
}

fn write(dir: &Path, bytes: u64) -> Result<(), VerifyingError> {
    let mut records = recording::frames(MIXED_V1, KEPT);
    let mut journal = recover(journal_config(dir))?.open()?;
    for (sequence, record) in (1..).zip(&mut records) {
        record.envelope.sequence = Sequence(sequence);
    }
    let step = records.len() as u64;
    let marks = journal.watermarks();
    while marks.written_bytes() < bytes {
        for record in &mut records {
            journal.writer.push(record).map_err(ThroughputError::from)?;
            record.envelope.sequence.0 += step;
        }
        journal.writer.idle().map_err(ThroughputError::from)?;
    }
    journal.writer.close().map_err(ThroughputError::from)?;
    Ok(())
}

/// Reads every segment through BLAKE3 and CRC.
fn read_raw(segments: &[(PathBuf, u64)]) -> Result<(), VerifyingError> {
    let mut buffer = vec![0; READ_SIZE];
    let (mut hasher, mut crc) = (blake3::Hasher::new(), 0);
    for (path, bytes) in segments {
        let (mut file, mut left) = (File::open(path)?, *bytes);
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(READ_SIZE).min(READ_SIZE);
            file.read_exact(&mut buffer[..count])?;
            crc = crc32c::crc32c_append(crc, &buffer[..count]);
            hasher.update(&buffer[..count]);
            left -= count as u64;
        }
    }
    std::hint::black_box((crc, hasher.finalize()));
    Ok(())
}

/// The segments, and bytes of each up to the last that is not zero: what is prepared is not the journal's.
fn used(dir: &Path) -> Result<Vec<(PathBuf, u64)>, VerifyingError> {
    let mut used = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            let content = std::fs::read(&path)?;
            let last = content.iter().rposition(|byte| *byte != 0);
            used.push((path, last.map_or(0, |last| last as u64 + 1)));
        }
    }
    Ok(used)
}

/// Verifies the journal; gives bytes, frames and records.
fn prove(dir: &Path, depth: Depth) -> Result<(u64, u64, u64), VerifyingError> {
    let mut bytes = 0;
    let report = verify_bytes(dir, depth, &mut |_, frame| {
        bytes += frame.len() as u64;
        ControlFlow::Continue(())
    })?;
    match report.first_difference {
        None => Ok((bytes, report.frames, report.records)),
        Some(difference) => Err(VerifyingError::Different(difference.reason)),
    }
}
