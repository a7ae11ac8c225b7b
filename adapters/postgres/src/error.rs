//! What can go wrong on the way to PostgreSQL, and whether trying again can help.
//!
//! No text here ever holds a password: connection strings are never printed, only host, port, database and user.

use std::path::PathBuf;
use tickwerk_domain::Sequence;
use tickwerk_journal::{FileError, ReadError, RegisterError};
use tokio_postgres::error::SqlState;

/// Why PostgreSQL could not be reached or used.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The password file cannot be read.
    #[error("cannot read the password file {}", path.display())]
    PasswordFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No connection came about.
    #[error("cannot connect to PostgreSQL at {server}: {reason}")]
    Connect {
        /// Host, port, database and user.
        server: String,
        /// What the server or the system said.
        reason: String,
        /// Whether the server itself refused who asked or what was asked for.
        is_refused: bool,
    },
    /// A statement failed.
    #[error("cannot {what}: {reason}")]
    Statement {
        /// What was being done.
        what: &'static str,
        /// What the server said.
        reason: String,
        /// The server's code, where it sent one.
        code: Option<String>,
    },
    /// The server took longer than it may.
    #[error("PostgreSQL did not {what} within {seconds} s")]
    Late {
        /// What was being done.
        what: &'static str,
        /// How long it may take.
        seconds: u64,
    },
    /// The schema is not what this build needs.
    #[error("{0}")]
    Schema(String),
    /// Replication would make the database another truth than the journal.
    #[error("replication is refused: {0}")]
    Refused(String),
    /// Another replicator is at work.
    #[error(
        "replication is refused: another replicator ({holder}) is connected to this database; stop it first"
    )]
    Taken {
        /// Who holds the lock.
        holder: String,
    },
    /// Read models were paused, resumed, swapped or failed meanwhile. No fault: replication begins anew with those that
    /// there are now.
    #[error("read models were paused, resumed or swapped meanwhile")]
    ModelsChanged,
    /// A daemon that has just started has not said yet how far its journal is.
    #[error("a daemon is opening the journal in {} and has not said yet how far it is; this waits or is tried again", dir.display())]
    Opening {
        /// Where it lies.
        dir: PathBuf,
    },
    /// The journal could not be read.
    #[error("cannot read the journal")]
    Journal(#[from] ReadError),
    /// A file of the journal could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The register of dependants could not be written.
    #[error("cannot register with the journal")]
    Register(#[from] RegisterError),
    /// A record cannot be a row.
    #[error("record {sequence} cannot be a row: {reason}")]
    Row {
        /// Which.
        sequence: Sequence,
        /// Why.
        reason: String,
    },
    /// The thread that reads the journal is gone.
    #[error("the thread that reads the journal ended: {0}")]
    Reading(String),
}

/// Codes of what passes: connections, the administrator's stops, conflicts, timeouts of locks and idle transactions.
const PASSING: &[&str] = &["08", "57P", "40", "55P03", "25P03"];

impl PostgresError {
    /// A statement that failed while doing `what`.
    pub(crate) fn statement(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |error| {
            let code = error.code().map(|code| code.code().to_owned());
            // Some say themselves which role is needed.
            let names_roles = what.contains("tickwerk_");
            let remedy = code.as_deref().filter(|_| !names_roles).map_or("", remedy_of);
            let reason = reason_of(&error) + remedy;
            Self::Statement { what, reason, code }
        }
    }

    /// Whether the same may succeed later without anybody changing the journal, the settings or the database.
    pub fn is_temporary(&self) -> bool {
        match self {
            // A server that refuses a statement may be read-only, full, in recovery or short of rights: people mend that.
            Self::Connect { .. }
            | Self::Late { .. }
            | Self::Taken { .. }
            | Self::PasswordFile { .. }
            | Self::ModelsChanged
            | Self::Statement { .. }
            | Self::Schema(_)
            | Self::Opening { .. }
            // A full disk has no room for the register, and has some again later.
            | Self::Register(_) => true,
            Self::Settings(_)
            | Self::Refused(_)
            | Self::Journal(_)
            | Self::File(_)
            | Self::Row { .. }
            | Self::Reading(_) => false,
        }
    }

    /// Whether nobody answered at all, not even to refuse.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Connect { is_refused: false, .. } | Self::Late { .. })
    }

    /// Whether it passes by itself: a connection that was lost, or a transaction that another one was in the way of.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { is_refused, .. } => !is_refused,
            Self::Late { .. } | Self::ModelsChanged | Self::Opening { .. } => true,
            // No code at all is a socket that broke.
            Self::Statement { code, .. } => {
                code.as_ref().is_none_or(|code| PASSING.iter().any(|class| code.starts_with(class)))
            }
            Self::Settings(_)
            | Self::PasswordFile { .. }
            | Self::Schema(_)
            | Self::Refused(_)
            | Self::Taken { .. }
            | Self::Journal(_)
            | Self::File(_)
            | Self::Register(_)
            | Self::Row { .. }
            | Self::Reading(_) => false,
        }
    }
}

/// What helps where nothing but the server's code is known.
fn remedy_of(code: &str) -> &'static str {
    match code {
        "42501" => {
            "; the user of postgres.url needs tickwerk_reader to look, tickwerk_writer to ship and tickwerk_owner for the rest"
        }
        "55P03" => "; somebody else has held a lock on it for too long: end that, or try again",
        _ => "",
    }
}

/// Whether the server refused a row for what is in it, so that another one may pass: data, constraints, limits of size.
pub(crate) fn is_of_data(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.code().starts_with(class)))
}

/// Whether a table or column is not there that ought to be: somebody changed the schema by hand.
pub(crate) fn is_of_table(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN].contains(code))
}

/// What the server said, or the chain of causes.
pub(crate) fn reason_of(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let mut text = format!("{} ({})", said.message(), said.code().code());
        for more in [said.detail(), said.hint(), said.where_()].into_iter().flatten() {
            text.push_str("; ");
            text.push_str(more.lines().next().unwrap_or(more));
        }
        return text;
    }
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
