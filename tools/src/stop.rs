//! Stopping: SIGTERM and SIGINT drain, a failure ends the process at once.

use crate::exit;
use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the process was told to stop, by a signal or by its own end; clones see the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    told: Arc<AtomicBool>,
    /// Of its own, so that the first signal after the feed's end still drains.
    signalled: Arc<AtomicBool>,
}

impl Stop {
    /// Told by SIGTERM and SIGINT; a second signal kills, as it does by default.
    pub(crate) fn on_signals() -> Result<Self> {
        let stop = Self::default();
        for signal in [SIGTERM, SIGINT] {
            // Registered first, so that it sees the flag as it was before this signal.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop.signalled))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop.signalled)))
                .with_context(|| format!("waiting for signal {signal}"))?;
        }
        Ok(stop)
    }

    /// Tells everybody.
    pub(crate) fn tell(&self) {
        self.told.store(true, Ordering::Release);
    }

    /// What a signal sets, for whoever looks at a flag.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.signalled)
    }

    /// Whether to stop.
    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire) || self.is_signalled()
    }

    /// Whether somebody else wants the process to stop.
    pub(crate) fn is_signalled(&self) -> bool {
        self.signalled.load(Ordering::Acquire)
    }
}

/// Ends the process after a failure of the pipeline or the journal: nothing more may be acknowledged.
pub(crate) fn fail_stop(reason: &str) -> ! {
    crate::command::tell(&format!(
        "error: {reason}; the process stops at once, and a restart recovers what the journal holds"
    ));
    std::process::exit(i32::from(exit::IO))
}
