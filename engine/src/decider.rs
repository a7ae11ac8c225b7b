//! What the pinned thread needs of whoever decides: the core, or nothing at all when the pipeline itself is measured.

use crate::event_buffer::EventBuffer;
use tickwerk_domain::{Record, SourceId, Stamp, TimeNs};

/// Decides on commands, one at a time, in one order.
///
/// The caller runs this protocol, live and in replay alike. Before each external command with time `t` it takes all
/// of [`Decider::next_internal`]`(t)`, stamping and applying each; then it asks [`Decider::accepts`], stamps the command
/// with the next sequence and a time not before the last stamp, and calls [`Decider::apply`].
pub trait Decider: Send + 'static {
    /// Whether a command of `source` with this number is new; repeats are dropped without a trace.
    fn accepts(&self, source: SourceId, source_sequence: u64) -> bool;

    /// The next command that the core owes itself: a continuation, or a timer or simulated report that is due at `now`
    /// or before. Its envelope says when it is due; the stamp is the later of that and the last stamp.
    fn next_internal(&mut self, now: TimeNs) -> Option<Record>;

    /// When the next internal command is due; [`TimeNs::UNKNOWN`] for at once, `None` when there is none.
    fn next_due(&self) -> Option<TimeNs>;

    /// Decides on a stamped command. The stream version of the command is filled in, its events go to `events`.
    ///
    /// Pre: `events` is empty; the sequence follows [`Decider::last`]; time does not run backwards.
    fn apply(&mut self, command: &mut Record, events: &mut EventBuffer);

    /// Stamp of the last record, command or event.
    fn last(&self) -> Stamp;
}
