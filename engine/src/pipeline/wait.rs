//! How a thread waits when there is nothing to do: from burning its core to giving it away.
//!
//! This is the only file of the engine that gives a core away. A wait never changes what is decided, only when.

use std::hint::spin_loop;
use std::thread;
use std::time::Duration;

/// What a thread does between two looks at a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Looks again at once: least latency, takes a whole core.
    Spin,
    /// Looks again after a hint to the processor.
    SpinHint,
    /// Lets another thread run, if one is ready.
    Yield,
    /// Looks again for a while, yields for a while, then sleeps briefly: close to spinning in a burst, and idle when idle.
    SpinThenSleep,
    /// Sleeps at once: cheapest, and good enough where latency does not count.
    Sleep,
}

/// A text is no wait strategy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("wait strategy `{value}` is unknown; use one of spin, spin_hint, yield, spin_then_sleep, sleep")]
pub struct UnknownWait {
    /// The text.
    pub value: String,
}

/// Looks with a hint to the processor before [`Wait::SpinThenSleep`] begins to yield. Few: a thread that spins on a shared
/// core keeps the one from running that it waits for.
const SPINS_BEFORE_YIELD: u32 = 4;
/// Looks before it begins to sleep. Where threads share a core, a yield lets the other one fill or empty the ring; without
/// this step the empty pipeline ran a third slower on two cores.
const LOOKS_BEFORE_SLEEP: u32 = SPINS_BEFORE_YIELD + 100;
/// The shortest sleep worth asking for: the kernel's own slack is as long.
const SLEEP: Duration = Duration::from_micros(50);
/// Cores that must be left over beside the pinned threads before one of them may burn its own.
const SPARE_CORES_TO_SPIN: usize = 2;

impl Wait {
    /// Every strategy.
    pub const ALL: [Self; 5] = [Self::Spin, Self::SpinHint, Self::Yield, Self::SpinThenSleep, Self::Sleep];

    /// The strategy that suits `cores` cores of which `pinned_threads` are taken for good.
    ///
    /// Spinning threads that have to share a core stand in each other's way: three on two cores were 25 times slower
    /// than the same three with short sleeps.
    pub fn default_for(cores: usize, pinned_threads: usize) -> Self {
        if cores >= pinned_threads + SPARE_CORES_TO_SPIN { Self::Spin } else { Self::SpinThenSleep }
    }

    /// The word for this strategy in configuration and output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::SpinHint => "spin_hint",
            Self::Yield => "yield",
            Self::SpinThenSleep => "spin_then_sleep",
            Self::Sleep => "sleep",
        }
    }

    /// A wait of one thread.
    pub fn waiter(self) -> Waiter {
        Waiter { wait: self, looks: 0 }
    }
}

impl std::fmt::Display for Wait {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.word())
    }
}

impl std::str::FromStr for Wait {
    type Err = UnknownWait;

    fn from_str(text: &str) -> Result<Self, UnknownWait> {
        let word = text.replace('-', "_");
        Self::ALL
            .into_iter()
            .find(|wait| wait.word() == word)
            .ok_or_else(|| UnknownWait { value: text.to_owned() })
    }
}

/// The wait of one thread, which knows how long it has waited in vain.
#[derive(Clone, Debug)]
pub struct Waiter {
    wait: Wait,
    looks: u32,
}

impl Waiter {
    /// Nothing was there: waits before the next look.
    #[inline]
    pub fn idle(&mut self) {
        match self.wait {
            Wait::Spin => {}
            Wait::SpinHint => spin_loop(),
            Wait::Yield => thread::yield_now(),
            Wait::SpinThenSleep if self.looks < LOOKS_BEFORE_SLEEP => {
                self.looks += 1;
                if self.looks <= SPINS_BEFORE_YIELD { spin_loop() } else { thread::yield_now() }
            }
            Wait::SpinThenSleep | Wait::Sleep => sleep(SLEEP),
        }
    }

    /// Something was there: the next wait begins anew.
    #[inline]
    pub fn reset(&mut self) {
        self.looks = 0;
    }
}

#[cold]
#[expect(clippy::disallowed_methods, reason = "this is the one place where a thread of the pipeline sleeps")]
fn sleep(span: Duration) {
    thread::sleep(span);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_parse_back_and_an_unknown_one_names_the_choices() {
        for wait in Wait::ALL {
            assert_eq!(wait.to_string().parse(), Ok(wait));
        }
        assert_eq!("spin-then-sleep".parse(), Ok(Wait::SpinThenSleep));
        let error = "nap".parse::<Wait>().unwrap_err().to_string();
        assert!(error.contains("`nap`") && error.contains("spin_then_sleep"), "{error}");
    }

    #[test]
    fn only_a_machine_with_two_spare_cores_spins() {
        assert_eq!(Wait::default_for(2, 0), Wait::Spin);
        assert_eq!(Wait::default_for(2, 2), Wait::SpinThenSleep);
        assert_eq!(Wait::default_for(3, 2), Wait::SpinThenSleep);
        assert_eq!(Wait::default_for(4, 2), Wait::Spin);
    }
}
