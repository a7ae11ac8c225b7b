//! The events of one command, in a fixed array.

use crate::limits::EVENTS_PER_COMMAND_MAX;
use tickwerk_domain::{Event, event::StateDigest};

/// The events that one command caused, each with the version it gives its stream.
#[derive(Debug)]
pub struct EventBuffer {
    count: usize,
    items: Box<[(u64, Event); EVENTS_PER_COMMAND_MAX]>,
}

impl Default for EventBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBuffer {
    /// An empty buffer; the only allocation it ever makes.
    pub fn new() -> Self {
        let blank = Event::StateDigest(StateDigest { frames: 0, digest: 0 });
        Self { count: 0, items: Box::new([(0, blank); EVENTS_PER_COMMAND_MAX]) }
    }

    /// Adds an event with the version it gives its stream.
    ///
    /// Panics when the buffer is full: whoever decides asks [`EventBuffer::room`] before a loop.
    #[inline]
    pub fn push(&mut self, stream_version: u64, event: impl Into<Event>) {
        let place =
            self.items.get_mut(self.count).expect("a command causes at most EVENTS_PER_COMMAND_MAX events");
        *place = (stream_version, event.into());
        self.count += 1;
    }

    /// Events that still fit.
    pub fn room(&self) -> usize {
        EVENTS_PER_COMMAND_MAX - self.count
    }

    /// Events so far.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// The events in order, each with the version it gives its stream.
    pub fn as_slice(&self) -> &[(u64, Event)] {
        &self.items[..self.count]
    }

    /// The events alone, in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.as_slice().iter().map(|(_, event)| event)
    }
}
