//! Rules versions: what is decided by is itself journaled, so that an old journal is decided again as it was.
//!
//! A change of what the code decides is a new row of [`RULES`], never a change of an old one: what differs is a field,
//! and the decision asks the version that is active for it. A journaled command activates a version; before the first
//! one the oldest decides. A build that no longer decides by an old version takes its row out: journals that activate it
//! are then refused by name ([`crate::replay::ReplayError::UnknownRules`]), and not told to differ.
//!
//! So far there is one version.

/// What one version decides by, where versions may differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Its number; later versions have higher ones. 0 before any was activated.
    pub version: u32,
    /// Steps of a long effect that one command may take, whether or not they cause events.
    pub steps_per_command: usize,
}

/// The versions that this build decides by, the oldest first.
pub const RULES: &[Rules] = &[Rules { version: 1, steps_per_command: 1024 }];

/// The newest of them: what a new journal activates.
pub const RULES_VERSION: u32 = RULES[RULES.len() - 1].version;

impl Rules {
    /// What decides before any version was activated.
    pub(crate) fn before(table: &[Self]) -> Self {
        Self { version: 0, ..table[0] }
    }

    /// The version with this number, as a table has it.
    pub(crate) fn find(table: &[Self], version: u32) -> Option<Self> {
        table.iter().copied().find(|rules| rules.version == version)
    }
}
