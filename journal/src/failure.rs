//! What stopped a journal, as everybody hears of it.

/// What stopped the journal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the {part} of the journal failed: {reason}")]
pub struct Failure {
    /// Which thread of it.
    pub part: &'static str,
    /// The whole chain of causes.
    pub reason: String,
}

impl Failure {
    pub(crate) fn new(part: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            reason = format!("{reason}: {error}");
            source = error.source();
        }
        Self { part, reason }
    }
}
