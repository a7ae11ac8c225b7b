//! Pins threads to cores. A pin that the system refuses is reported, never fatal.

use core_affinity::CoreId;
use std::thread;

/// What became of the wish to pin a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinOutcome {
    /// Nobody asked: the scheduler places the thread.
    NotAsked,
    /// The thread stays on this core.
    Pinned(usize),
    /// The system does not let this process use that core; the scheduler places the thread.
    Refused(usize),
}

impl std::fmt::Display for PinOutcome {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAsked => out.write_str("not pinned"),
            Self::Pinned(core) => write!(out, "pinned to core {core}"),
            Self::Refused(core) => write!(out, "not pinned: core {core} is not available to this process"),
        }
    }
}

/// Pins the calling thread to a core by its number.
pub fn pin_current_thread(core: Option<usize>) -> PinOutcome {
    let Some(core) = core else { return PinOutcome::NotAsked };
    // The set of allowed cores is asked first: setting a mask beyond the machine's cores is undefined there.
    let known = core_affinity::get_core_ids().unwrap_or_default().contains(&CoreId { id: core });
    if known && core_affinity::set_for_current(CoreId { id: core }) {
        PinOutcome::Pinned(core)
    } else {
        PinOutcome::Refused(core)
    }
}

/// Cores that this process may use.
pub fn cores_available() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Cores for the core thread and the journal thread on a machine with `cores` cores.
///
/// None on two cores or fewer: there the scheduler must be free to let sources and journal share what is left. The last
/// cores are taken, as the first one serves most interrupts.
pub fn default_pins(cores: usize) -> (Option<usize>, Option<usize>) {
    match cores {
        0..=2 => (None, None),
        3 => (Some(2), None),
        more => (Some(more - 1), Some(more - 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_is_not_there_is_reported_and_not_fatal() {
        assert_eq!(pin_current_thread(None), PinOutcome::NotAsked);
        assert_eq!(pin_current_thread(Some(1_000_000)), PinOutcome::Refused(1_000_000));
    }

    #[test]
    fn a_small_machine_is_not_pinned() {
        assert_eq!(default_pins(2), (None, None));
        assert_eq!(default_pins(4), (Some(3), Some(2)));
    }
}
