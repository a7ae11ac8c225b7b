//! Wakes a thread that sleeps for want of work, at the price of one load where it does not sleep.

use super::sync::{AtomicBool, Ordering, Thread, current, fence, park_timeout};
use std::sync::OnceLock;
use std::time::Duration;

/// One sleeper, any number of ringers.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    asleep: AtomicBool,
    sleeper: OnceLock<Thread>,
}

impl Bell {
    /// Sleeps until the bell is rung or the time is over, unless `has_work` says that there is something already.
    pub(crate) fn wait(&self, timeout: Duration, has_work: impl FnOnce() -> bool) {
        self.sleeper.get_or_init(current);
        self.asleep.store(true, Ordering::Relaxed);
        // Either the ringer sees the sleeper or the sleeper sees the work.
        fence(Ordering::SeqCst);
        if !has_work() {
            park_timeout(timeout);
        }
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes the sleeper, if it sleeps; work that was stored before is seen by it.
    pub(crate) fn ring(&self) {
        if !broken!(NoFence) {
            fence(Ordering::SeqCst);
        }
        self.nudge();
    }

    /// Like [`Bell::ring`] without the fence: may miss a sleeper that is just lying down.
    #[inline]
    pub(crate) fn nudge(&self) {
        if self.asleep.load(Ordering::Relaxed)
            && self.asleep.swap(false, Ordering::Relaxed)
            && let Some(sleeper) = self.sleeper.get()
        {
            sleeper.unpark();
        }
    }
}
