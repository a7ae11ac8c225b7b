//! Why the writer does not take a record: what was given is no next record, or the journal has stopped.

use crate::failure::Failure;
use crate::format::RECORDS_PER_FRAME_MAX;
use tickwerk_domain::Sequence;

/// Why a record was not appended. The journal takes nothing more after it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// An earlier call failed, or a thread of the journal did.
    #[error("the journal stopped at an earlier failure; restart, so that recovery looks at the disk")]
    Poisoned,
    /// A thread of the journal failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The record is not the next one.
    #[error("record {found} was given where {expected} comes next")]
    Gap {
        /// What comes next.
        expected: Sequence,
        /// What was given.
        found: Sequence,
    },
    /// A frame starts with an event or goes on with a command.
    #[error("record {sequence} is out of place: a frame is one command and its events")]
    OutOfPlace {
        /// The record.
        sequence: Sequence,
    },
    /// An event does not have the stamp, source, correlation or actor of its command.
    #[error("event {sequence} differs from its command in time, source, correlation or actor")]
    Differs {
        /// The event.
        sequence: Sequence,
    },
    /// More records than a frame may have.
    #[error("the frame of record {sequence} has more than {RECORDS_PER_FRAME_MAX} records")]
    FrameTooLong {
        /// The record that was too many.
        sequence: Sequence,
    },
    /// An opaque part is too long, or is not at the command of its frame.
    #[error(
        "record {sequence} has an opaque part of {length} bytes; at most {limit} are allowed, at the first record of a frame"
    )]
    Opaque {
        /// The record.
        sequence: Sequence,
        /// Bytes of the part.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The journal was closed inside a frame.
    #[error("the journal was closed inside the frame that starts before {next}")]
    Unfinished {
        /// The record that was missing.
        next: Sequence,
    },
}
