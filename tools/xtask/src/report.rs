//! Step headers while a task runs, and a table of times when it has ended. All of it goes to stderr.

use anyhow::{Context, Result};
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The steps so far.
pub(crate) struct Report {
    started: Instant,
    lines: Vec<(String, Outcome)>,
}

enum Outcome {
    Passed(Duration),
    Failed(Duration),
    Skipped(&'static str),
}

impl Report {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), lines: Vec::new() }
    }

    /// Runs one step under a header of its own.
    pub(crate) fn step(&mut self, name: &str, action: impl FnOnce() -> Result<()>) -> Result<()> {
        say(&format!("\n==> {name}"));
        let started = Instant::now();
        let done = action().with_context(|| format!("step \"{name}\""));
        let elapsed = started.elapsed();
        let outcome = if done.is_ok() { Outcome::Passed(elapsed) } else { Outcome::Failed(elapsed) };
        say(&format!("<== {name}: {}", outcome.text()));
        self.lines.push((name.to_owned(), outcome));
        done
    }

    /// Notes a step that cannot run here.
    pub(crate) fn skip(&mut self, name: &str, why: &'static str) {
        say(&format!("\n==> {name}: skipped, {why}"));
        self.lines.push((name.to_owned(), Outcome::Skipped(why)));
    }

    /// Prints the table and tells the exit code.
    pub(crate) fn finish(self, done: Result<()>) -> ExitCode {
        say("");
        for (name, outcome) in &self.lines {
            say(&format!("{name:<36} {}", outcome.text()));
        }
        say(&format!("{:<36} {:.1} s", "in all", self.started.elapsed().as_secs_f64()));
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("\nfailed: {error:#}"));
                ExitCode::FAILURE
            }
        }
    }
}

impl Outcome {
    fn text(&self) -> String {
        match self {
            Self::Passed(elapsed) => format!("passed in {:.1} s", elapsed.as_secs_f64()),
            Self::Failed(elapsed) => format!("FAILED after {:.1} s", elapsed.as_secs_f64()),
            Self::Skipped(why) => format!("skipped: {why}"),
        }
    }
}

pub(crate) fn say(line: &str) {
    // With stderr closed there is nobody to tell; the exit code still says how it went.
    drop(writeln!(std::io::stderr(), "{line}"));
}
