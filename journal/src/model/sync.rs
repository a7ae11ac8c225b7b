//! The names of `sync.rs`, as the model checker has them.

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use loom::thread::{Thread, current};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Sleeps without an end: who relies on the timeout sleeps for ever, and is found.
pub(crate) fn park_timeout(_: Duration) {
    loom::thread::park();
}

/// A lock that cannot be poisoned, as the one that it stands for.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().expect("a run ends with the first panic")
    }
}

type Queue<T> = Arc<Mutex<VecDeque<T>>>;

/// Where a channel is filled.
#[derive(Debug)]
pub(crate) struct Sender<T>(Queue<T>);

/// Where it is emptied.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Queue<T>);

/// An empty channel.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let queue = Arc::new(Mutex::new(VecDeque::new()));
    (Sender(Arc::clone(&queue)), Receiver(queue))
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, value: T) {
        self.0.lock().push_back(value);
    }
}

impl<T> Receiver<T> {
    /// What is there.
    pub(crate) fn try_iter(&self) -> std::collections::vec_deque::IntoIter<T> {
        std::mem::take(&mut *self.0.lock()).into_iter()
    }
}
