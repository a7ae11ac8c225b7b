//! Stops the process when a pipeline thread can no longer be trusted: after a panic or a failed write.
//!
//! A thread that died alone would leave the others waiting for ever, and a core in an unknown state must not go on
//! deciding. A restart recovers from the journal.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// How the process stops. It gets the reason and does not return.
pub type FailStop = fn(reason: &str) -> !;

/// Tells the reason on stderr and aborts.
pub fn abort_process(reason: &str) -> ! {
    // Nothing can be done about a stderr that is gone.
    drop(writeln!(std::io::stderr(), "tickwerk stops at once: {reason}"));
    std::process::abort();
}

/// What the threads of one pipeline tell each other besides what lies on the rings.
#[derive(Debug, Default)]
pub(super) struct RunState {
    end_of_input: AtomicBool,
    failure: OnceLock<String>,
}

impl RunState {
    /// The input was read to its end; what follows is no mere stop.
    pub(super) fn flag_end_of_input(&self) {
        self.end_of_input.store(true, Ordering::Release);
    }

    /// Whether the input was read to its end.
    pub(super) fn is_end_of_input(&self) -> bool {
        self.end_of_input.load(Ordering::Acquire)
    }

    /// Why the pipeline failed, if it did.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Lets the other threads know, then stops the process. The first reason stands.
    pub(super) fn fail(&self, reason: String, fail_stop: FailStop) -> ! {
        fail_stop(self.failure.get_or_init(|| reason))
    }
}

/// Stops the process if the thread that holds it unwinds.
#[derive(Debug)]
pub(super) struct StopOnPanic<'a> {
    /// The stage, for the reason.
    pub(super) stage: &'static str,
    /// Told of the failure.
    pub(super) state: &'a RunState,
    /// How to stop.
    pub(super) fail_stop: FailStop,
}

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.state.fail(format!("the {} thread panicked", self.stage), self.fail_stop);
        }
    }
}
