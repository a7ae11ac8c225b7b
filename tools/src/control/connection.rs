//! One client: bytes in, lines out, replies in the order of the requests.

use super::acknowledged::Acknowledged;
use super::request::{Fault, Query};
use crate::config::Acknowledge;
use mio::net::UnixStream;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::Instant;
use tickwerk_domain::Sequence;
use tickwerk_journal::{Failpoint, reach};

/// Longest request.
pub(crate) const LINE_SIZE_MAX: usize = 64 * 1024;
const TOO_LONG: &str = "is longer than 65536 bytes; write one JSON object a line";
/// Reads before it is another client's turn.
const READS_PER_TURN: usize = 32;
/// Requests that a connection may have under way; more wait in the socket.
const UNDER_WAY_MAX: usize = 256;
/// Bytes of replies that may wait for a client that does not read.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// A reply on its way.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Waits for the frame of its command, or for the answer of its query.
    Waiting(Waiting),
    /// Waits for a later watermark than the daemon's own.
    Held { line: String, acknowledge: Acknowledge, through: Sequence, asked: Instant },
    /// To be sent.
    Ready(String),
}

impl Reply {
    fn waits_as(&self, ticket: u64) -> bool {
        matches!(self, Self::Waiting(waiting) if waiting.ticket == ticket)
    }
}

/// Whether more may come from a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ClientState {
    Speaks,
    /// It has said all, and may still listen.
    HasSaidAll,
    /// It has closed its socket and hears nothing; what it sent before may still be read.
    HasHungUp {
        /// Whether all of that was read.
        is_read: bool,
    },
    IsGone,
}

impl ClientState {
    fn says_more(self) -> bool {
        matches!(self, Self::Speaks | Self::HasHungUp { is_read: false })
    }

    /// Nothing more is read of it.
    fn end(&mut self) {
        *self = match *self {
            Self::Speaks | Self::HasSaidAll => Self::HasSaidAll,
            Self::HasHungUp { .. } => Self::HasHungUp { is_read: true },
            Self::IsGone => Self::IsGone,
        };
    }
}

/// A client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: UnixStream,
    /// Whether there may be more to read.
    pub(crate) is_readable: bool,
    client: ClientState,
    /// Whether the rest of an over-long line is being left out.
    is_skipping: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Replies in the order of their requests.
    pub(crate) replies: VecDeque<Reply>,
    /// The last sequence that was answered here, or decided before: what a query must have seen.
    pub(crate) seen_through: Sequence,
    /// A query that waits for the replies before it; nothing is read until it was asked.
    pub(crate) query: Option<(u64, Query)>,
    /// Whether a command waits for what the follower says of its order; nothing is read until then.
    pub(crate) is_checking: bool,
}

/// What is known of a request that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Tells it from the others.
    pub(crate) ticket: u64,
    pub(crate) id: Value,
    pub(crate) acknowledge: Acknowledge,
    pub(crate) request: Value,
    /// Why it is refused, where only that is journaled.
    pub(crate) fault: Option<Fault>,
    /// Whether the reason that it gives, if it gives one, is journaled with it.
    pub(crate) is_reason_kept: bool,
    /// When it was read.
    pub(crate) asked: Instant,
}

/// What reading gave.
#[derive(Debug)]
pub(crate) enum Line {
    /// A line without its end.
    Text(String),
    /// More bytes than a request may have, or bytes that are no text.
    Bad(&'static str),
}

impl Connection {
    pub(crate) fn new(stream: UnixStream, seen_through: Sequence) -> Self {
        Self {
            stream,
            is_readable: true,
            client: ClientState::Speaks,
            is_skipping: false,
            input: Vec::new(),
            output: Vec::new(),
            replies: VecDeque::new(),
            seen_through,
            query: None,
            is_checking: false,
        }
    }

    /// Whether another request may be taken now.
    pub(crate) fn has_room(&self) -> bool {
        let waits = self.query.is_some() || self.is_checking;
        !waits && self.replies.len() < UNDER_WAY_MAX && self.output.len() < WAITING_BYTES_MAX
    }

    /// The next whole line, read from the socket where it is not there yet.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        for _ in 0..READS_PER_TURN {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                if std::mem::take(&mut self.is_skipping) {
                    continue;
                }
                return Some(as_line(&line[..end]));
            }
            if self.is_skipping {
                self.input.clear();
            } else if self.input.len() > LINE_SIZE_MAX {
                self.is_skipping = true;
                return Some(Line::Bad(TOO_LONG));
            }
            if !self.is_readable || !self.client.says_more() {
                return self.last_line();
            }
            self.read_some();
        }
        None
    }

    /// What stands before the end of the input without a line end.
    fn last_line(&mut self) -> Option<Line> {
        let is_last = !self.client.says_more() && !self.input.is_empty();
        is_last.then(|| as_line(&std::mem::take(&mut self.input)))
    }

    fn read_some(&mut self) {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.client.end(),
            Ok(count) => self.input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.client = ClientState::IsGone,
        }
    }

    /// The query whose turn has come: everything before it is answered.
    pub(crate) fn next_query(&mut self) -> Option<(u64, Query)> {
        let (ticket, _) = self.query?;
        let is_before = |reply: &Reply| matches!(reply, Reply::Waiting(waiting) if waiting.ticket < ticket);
        if self.replies.iter().any(is_before) { None } else { self.query.take() }
    }

    /// Puts a reply in the place of a request that waited.
    pub(crate) fn settle(&mut self, ticket: u64, settle: impl FnOnce(&mut Waiting) -> Reply) {
        if let Some(place) = self.replies.iter_mut().find(|reply| reply.waits_as(ticket))
            && let Reply::Waiting(waiting) = place
        {
            *place = settle(waiting);
        }
    }

    /// The request that waits with this ticket.
    pub(crate) fn waiting(&mut self, ticket: u64) -> Option<&mut Waiting> {
        let place = self.replies.iter_mut().find(|reply| reply.waits_as(ticket))?;
        if let Reply::Waiting(waiting) = place { Some(waiting) } else { None }
    }

    /// Nobody hears the replies any more.
    pub(crate) fn hang_up(&mut self) {
        self.client = match self.client {
            ClientState::Speaks => ClientState::HasHungUp { is_read: false },
            ClientState::HasSaidAll => ClientState::HasHungUp { is_read: true },
            known @ (ClientState::HasHungUp { .. } | ClientState::IsGone) => known,
        };
    }

    /// Takes nothing more in.
    pub(crate) fn stop_reading(&mut self) {
        self.client.end();
        self.input.clear();
    }

    /// Sends what is ready, in order; whether anything moved. What was held is noted when it goes.
    pub(crate) fn flush(
        &mut self,
        has_reached: impl Fn(Acknowledge, Sequence) -> bool,
        acknowledged: &mut Acknowledged,
    ) -> bool {
        let before = self.replies.len();
        while let Some(reply) = self.replies.front_mut() {
            let line = match reply {
                Reply::Ready(line) => line,
                Reply::Held { line, acknowledge, through, asked } if has_reached(*acknowledge, *through) => {
                    acknowledged.note(*acknowledge, asked.elapsed());
                    line
                }
                Reply::Waiting(_) | Reply::Held { .. } => break,
            };
            self.output.extend_from_slice(line.as_bytes());
            self.replies.pop_front();
        }
        let mut moved = self.replies.len() != before;
        while !self.output.is_empty() && self.client != ClientState::IsGone {
            match self.stream.write(&self.output) {
                Ok(count) => {
                    self.output.drain(..count);
                    moved = true;
                    reach(Failpoint::ReplySent);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.client = ClientState::IsGone,
            }
        }
        moved
    }

    /// Whether something is under way or waits to be sent.
    pub(crate) fn is_busy(&self) -> bool {
        !self.replies.is_empty() || !self.output.is_empty()
    }

    /// Whether nothing more can come of it. Requests that are under way are decided all the same.
    ///
    /// One that has hung up keeps its place while what it sent can be taken, and not to wait for what is not `released`.
    pub(crate) fn is_done(&self, released: Sequence) -> bool {
        match self.client {
            ClientState::Speaks => false,
            ClientState::HasSaidAll => self.input.is_empty() && !self.is_busy(),
            ClientState::HasHungUp { .. } if self.is_checking => self.seen_through > released,
            ClientState::HasHungUp { is_read } => !self.has_room() || (is_read && self.input.is_empty()),
            ClientState::IsGone => true,
        }
    }
}

fn as_line(bytes: &[u8]) -> Line {
    if bytes.len() > LINE_SIZE_MAX {
        return Line::Bad(TOO_LONG);
    }
    std::str::from_utf8(bytes).map_or(Line::Bad("is not UTF-8"), |text| Line::Text(text.trim().to_owned()))
}
