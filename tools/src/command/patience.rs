//! Waiting for one's turn where others keep the same journal: a daemon that compresses gives way between two segments.
//!
//! The library never waits; who types a command, or has it run each hour, would rather wait a while than be refused.

use std::time::{Duration, Instant};
use tickwerk_journal::KeepError;

/// How long a command waits for others.
const PATIENCE: Duration = Duration::from_mins(1);
/// Less than others leave between two pieces of their work.
const PAUSE: Duration = Duration::from_millis(5);

/// Does some work as soon as nobody else is at it.
pub(super) fn patiently<T>(work: impl FnMut() -> Result<T, KeepError>) -> Result<T, KeepError> {
    patiently_for(PATIENCE, work)
}

fn patiently_for<T>(
    patience: Duration,
    mut work: impl FnMut() -> Result<T, KeepError>,
) -> Result<T, KeepError> {
    let begun = Instant::now();
    loop {
        match work() {
            Err(KeepError::Busy { .. }) if begun.elapsed() < patience => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> KeepError {
        KeepError::Busy { dir: "journal".into() }
    }

    #[test]
    fn who_is_busy_is_waited_for_and_what_fails_is_told_at_once() {
        let mut tries = 0;
        let done = patiently(|| {
            tries += 1;
            if tries < 4 { Err(busy()) } else { Ok(tries) }
        });
        assert_eq!(done.unwrap(), 4);
        let failed: Result<(), _> = patiently(|| Err(KeepError::Refused("no".to_owned())));
        assert!(matches!(failed, Err(KeepError::Refused(_))));
        let given_up: Result<(), _> = patiently_for(Duration::ZERO, || Err(busy()));
        assert!(matches!(given_up, Err(KeepError::Busy { .. })));
    }
}
