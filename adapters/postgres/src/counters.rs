//! What replication says of itself: positions, lag, and what is wrong. Clones see the same.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;

/// Samples of the durable watermark that are kept to tell how old the oldest waiting record is.
const SAMPLES_MAX: usize = 512;
const SAMPLE_GAP: Duration = Duration::from_millis(50);

/// Counters of one replicator.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    replicated_through: AtomicU64,
    durable_through: AtomicU64,
    commits: AtomicU64,
    rows: AtomicU64,
    connections: AtomicU64,
    failures: AtomicU64,
    waiting: Mutex<VecDeque<(Instant, u64)>>,
    trouble: Mutex<Option<String>>,
}

/// How far the database is behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lag {
    /// Durable records that are not in the database.
    pub events: u64,
    /// How long the oldest of them has been durable.
    pub age: Duration,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counters {
    /// The last record that is in the database.
    pub fn replicated_through(&self) -> Sequence {
        Sequence(self.0.replicated_through.load(Ordering::Acquire))
    }

    pub fn commits(&self) -> u64 {
        self.0.commits.load(Ordering::Relaxed)
    }

    /// Rows of `events` shipped by this process.
    pub fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// Times that a connection was taken into use.
    pub fn connections(&self) -> u64 {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Times that something went wrong.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// What is wrong now.
    pub fn trouble(&self) -> Option<String> {
        held(&self.0.trouble).clone()
    }

    /// How far the database is behind.
    pub fn lag(&self) -> Lag {
        let replicated = self.replicated_through().0;
        let events = self.0.durable_through.load(Ordering::Acquire).saturating_sub(replicated);
        let waiting = held(&self.0.waiting);
        let oldest = waiting.iter().find(|(_, durable)| *durable > replicated);
        Lag { events, age: oldest.map_or(Duration::ZERO, |(since, _)| since.elapsed()) }
    }

    /// Notes where the durable watermark is: replication does while it reads, and whoever watches the lag has to, as nothing
    /// is read while the server is away.
    pub fn note_durable(&self, through: Sequence) {
        self.0.durable_through.store(through.0, Ordering::Release);
        let replicated = self.replicated_through().0;
        let mut waiting = held(&self.0.waiting);
        while waiting.front().is_some_and(|(_, durable)| *durable <= replicated) {
            waiting.pop_front();
        }
        let is_new = waiting
            .back()
            .is_none_or(|(since, durable)| *durable < through.0 && since.elapsed() >= SAMPLE_GAP);
        if through.0 > replicated && is_new {
            waiting.push_back((Instant::now(), through.0));
        }
        if waiting.len() > SAMPLES_MAX {
            // The front says how old the oldest is; of the others every second one is enough.
            let mut place = 0;
            waiting.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
    }

    pub(crate) fn note_connection(&self, through: Sequence) {
        self.0.replicated_through.store(through.0, Ordering::Release);
        self.0.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that nothing is wrong any more; whether something was.
    pub(crate) fn end_trouble(&self) -> bool {
        held(&self.0.trouble).take().is_some()
    }

    pub(crate) fn note_commit(&self, through: Sequence, rows: u64) {
        self.0.replicated_through.store(through.0, Ordering::Release);
        self.0.commits.fetch_add(1, Ordering::Relaxed);
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Notes what is wrong; whether it is something new.
    pub(crate) fn note_trouble(&self, text: &str) -> bool {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
        let mut trouble = held(&self.0.trouble);
        // The same trouble may name another line or file each time.
        let words = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
        let is_new = trouble.as_deref().is_none_or(|known| words(known) != words(text));
        *trouble = Some(text.to_owned());
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_new_once_until_it_has_ended() {
        let counters = Counters::default();
        assert!(!counters.end_trouble());
        assert!(counters.note_trouble("no space in file base/1/7, line 20"));
        // A connection alone mends nothing: the disk may be full.
        counters.note_connection(Sequence(5));
        assert!(!counters.note_trouble("no space in file base/1/9, line 1000"));
        assert_eq!(counters.trouble().as_deref(), Some("no space in file base/1/9, line 1000"));
        assert!(counters.note_trouble("the server is gone"));
        assert!(counters.end_trouble() && !counters.end_trouble());
        assert!(counters.note_trouble("the server is gone"));
        assert_eq!(counters.failures(), 4);
    }
}
