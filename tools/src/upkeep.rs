//! Looks after the sealed segments of a running daemon: reads them again, and compresses them if told to.
//!
//! A thread of the lowest priority, which the core never waits for. Rot in a cold segment does not stop trading, as
//! nothing that trades reads it: it is told at once as an error, is counted where watermarks are queried and in the
//! summary, and the daemon ends with exit code 3, so that whoever watches it notices. A sync or a rename that fails while
//! it compresses ends the process like any other. Rates are in bytes of frames.

use crate::command::tell;
use crate::stop::fail_stop;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickwerk_journal::{
    COMPRESS_LEVEL_DEFAULT, KeepError, ScrubFinding, ScrubStep, Scrubber, compress_next, lower_priority,
};

/// The lowest priority of a thread.
const LOWEST: i32 = 19;
/// So long is one portion of reading, pause included.
const SLICE: Duration = Duration::from_millis(100);
const SLICES_PER_SECOND: u64 = 10;
/// Between two passes over everything.
const PASS_PAUSE: Duration = Duration::from_secs(5);
/// Between two looks for a segment to compress.
const COMPRESS_PAUSE: Duration = Duration::from_secs(1);
const BYTES_PER_MIB: u64 = 1 << 20;

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UpkeepSettings {
    /// How much is read again in a second; 0 for nothing.
    pub(crate) scrub_mib_per_s: u64,
    /// Whether sealed segments are compressed.
    pub(crate) compress: bool,
}

/// What was done, for everybody.
#[derive(Debug, Default)]
pub(crate) struct UpkeepCounts {
    passes: AtomicU64,
    segments: AtomicU64,
    bytes: AtomicU64,
    findings: AtomicU64,
    compressed: AtomicU64,
    is_failing: AtomicBool,
}

impl UpkeepCounts {
    /// Places in cold segments that are not what was written.
    pub(crate) fn findings(&self) -> u64 {
        self.findings.load(Ordering::Relaxed)
    }

    pub(crate) fn to_json(&self) -> Value {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({
            "passes": of(&self.passes),
            "segments": of(&self.segments),
            "bytes": of(&self.bytes),
            "findings": of(&self.findings),
            "compressed_segments": of(&self.compressed),
            "failing": self.is_failing.load(Ordering::Relaxed),
        })
    }
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Upkeep {
    counts: Arc<UpkeepCounts>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    /// Starts it, if there is anything to do.
    pub(crate) fn start(dir: &Path, settings: UpkeepSettings) -> Result<Self> {
        let (counts, stop) = (Arc::new(UpkeepCounts::default()), Arc::new(AtomicBool::new(false)));
        let mut upkeep = Self { counts: Arc::clone(&counts), stop: Arc::clone(&stop), thread: None };
        if settings.scrub_mib_per_s > 0 || settings.compress {
            let work = Work {
                dir: dir.to_owned(),
                settings,
                scrubber: Scrubber::new(dir),
                counts,
                next_pass: Instant::now(),
                next_compression: Instant::now(),
            };
            let thread = std::thread::Builder::new().name("tw-upkeep".to_owned());
            upkeep.thread = Some(thread.spawn(move || work.run(&stop))?);
        }
        Ok(upkeep)
    }

    /// What was done so far.
    pub(crate) fn counts(&self) -> Arc<UpkeepCounts> {
        Arc::clone(&self.counts)
    }

    /// Ends it; what it was at is whole.
    pub(crate) fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.end();
    }
}

struct Work {
    dir: PathBuf,
    settings: UpkeepSettings,
    scrubber: Scrubber,
    counts: Arc<UpkeepCounts>,
    next_pass: Instant,
    next_compression: Instant,
}

impl Work {
    fn run(mut self, stop: &AtomicBool) {
        lower_priority(LOWEST);
        while !stop.load(Ordering::Acquire) {
            let now = Instant::now();
            if self.settings.compress && self.next_compression <= now {
                self.compress();
            }
            if self.settings.scrub_mib_per_s > 0 && self.next_pass <= now {
                self.scrub();
            }
            std::thread::park_timeout(SLICE.saturating_sub(now.elapsed()));
        }
    }

    fn scrub(&mut self) {
        let budget = self.settings.scrub_mib_per_s * BYTES_PER_MIB / SLICES_PER_SECOND;
        match self.scrubber.step(budget) {
            Ok(ScrubStep::Read(_)) => {}
            Ok(ScrubStep::PassDone) => self.next_pass = Instant::now() + PASS_PAUSE,
            Ok(ScrubStep::Found(finding)) => tell(&alarm(&self.dir, finding)),
            Err(error) => {
                self.fail(&format!("reading cold segments again: {}", in_words(&error)));
                self.next_pass = Instant::now() + PASS_PAUSE;
            }
        }
        let counts = self.scrubber.counts();
        self.counts.passes.store(counts.passes, Ordering::Relaxed);
        self.counts.segments.store(counts.segments, Ordering::Relaxed);
        self.counts.bytes.store(counts.bytes, Ordering::Relaxed);
        self.counts.findings.store(counts.findings, Ordering::Relaxed);
    }

    fn compress(&mut self) {
        let begun = Instant::now();
        match compress_next(&self.dir, COMPRESS_LEVEL_DEFAULT) {
            Ok(Some(done)) => {
                // Half of the time is for others who keep the journal: a backup, a retention, a repair.
                self.next_compression = Instant::now() + begun.elapsed().max(SLICE);
                self.counts.compressed.fetch_add(1, Ordering::Relaxed);
                tell(&format!(
                    "tickwerk: segment {} compressed, {} to {} bytes",
                    done.number, done.plain_bytes, done.compressed_bytes
                ));
            }
            // Nothing is to be done, or somebody else is at it; there is no hurry.
            Ok(None) | Err(KeepError::Busy { .. }) => {
                self.next_compression = Instant::now() + COMPRESS_PAUSE;
            }
            Err(KeepError::File(error)) if error.is_lost_write() => {
                fail_stop(&format!("compressing a segment failed: {}", in_words(&error)));
            }
            Err(error) => {
                self.fail(&format!("compressing: {}", in_words(&error)));
                self.settings.compress = false;
            }
        }
    }

    /// Tells of the first failure; trading does not depend on this work.
    fn fail(&self, text: &str) {
        if !self.counts.is_failing.swap(true, Ordering::Relaxed) {
            tell(&format!("error: {text}; trading goes on"));
        }
    }
}

fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn alarm(dir: &Path, found: ScrubFinding) -> String {
    let ScrubFinding { segment, offset, sequence, reason } = found;
    let dir = dir.display();
    format!(
        "error: damage in a cold segment of {dir}: segment {segment} offset {offset}, where sequence {sequence} should \
         be: {reason}; trading goes on, but the next start will be refused: mend it with `tickwerk repair {dir} --from \
         COPY --apply`"
    )
}
