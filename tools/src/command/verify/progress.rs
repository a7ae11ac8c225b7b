//! A progress bar for a person who waits: on a terminal only, and only when it takes longer than a moment.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;
use tickwerk_journal::StoredWatermarks;

const MOMENT: Duration = Duration::from_secs(1);
/// A look at the clock for each frame would cost more than the frame's checksum.
const FRAMES_PER_LOOK: u32 = 1024;

/// How far the verification is, on stderr.
pub(super) struct Progress {
    /// `None` where nobody watches.
    started: Option<Instant>,
    frames: u32,
    /// The last record, as the last writer says; 0 where it is unknown.
    last: Sequence,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn start(dir: &Path) -> Self {
        let started = std::io::stderr().is_terminal().then(Instant::now);
        // It is only for show: what cannot be read here is told by the verification itself.
        let last =
            StoredWatermarks::read(dir).ok().flatten().map_or(Sequence::NONE, |marks| marks.written_through);
        Self { started, frames: 0, last, bar: None }
    }

    pub(super) fn reached(&mut self, sequence: Sequence) {
        let Some(started) = self.started else { return };
        self.frames += 1;
        if !self.frames.is_multiple_of(FRAMES_PER_LOOK) {
            return;
        }
        if self.bar.is_none() && started.elapsed() > MOMENT {
            self.bar = Some(bar(self.last));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(sequence.0);
        }
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(last: Sequence) -> ProgressBar {
    const KNOWN: &str = "verifying {wide_bar} {human_pos} of {human_len} records, {eta} left";
    const UNKNOWN: &str = "verifying {spinner} {human_pos} records, {elapsed}";
    let (bar, template) = if last == Sequence::NONE {
        (ProgressBar::new_spinner(), UNKNOWN)
    } else {
        (ProgressBar::new(last.0), KNOWN)
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the templates above are well formed"))
}
