//! Exit codes: 0 ok; 1 failed; 2 usage; 3 a verification found a difference or corruption; 74 I/O; 78 configuration.

use crate::config::ConfigError;
use crate::follower::OtherState;
use crate::import::mark::Imported;
use crate::import::target::NotOurs;
use crate::session::NoBeginning;
use tickwerk_engine::replay::ReplayError;
use tickwerk_feeds::CaptureError;
use tickwerk_import::{MappingError, PlanError, RowsError};
use tickwerk_journal::{InspectError, KeepError, ReadError, RecoverError, VerifyError};
use tickwerk_postgres::PostgresError;

pub(crate) const OK: u8 = 0;
pub(crate) const FAILED: u8 = 1;
pub(crate) const DIFFERENT: u8 = 3;
pub(crate) const IO: u8 = 74;
pub(crate) const CONFIG: u8 = 78;

/// An error of the configuration that other parts find: a strategy's parameter, a feed's instrument.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used")]
pub(crate) struct BadConfig;

/// The exit code that suits an error: that of the first cause that has one.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    // A type that was added as context is seen by anyhow itself, not in the chain.
    if error.is::<BadConfig>() {
        return CONFIG;
    }
    error.chain().find_map(code_of_cause).unwrap_or(FAILED)
}

/// The code of an error of an import's mapping or sources.
fn code_of_import(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(MappingError::Read { .. }) = cause.downcast_ref::<MappingError>() {
        return Some(IO);
    }
    if cause.is::<MappingError>() {
        return Some(CONFIG);
    }
    if let Some(error) = cause.downcast_ref::<PlanError>() {
        return match error {
            PlanError::Rows(
                RowsError::Column { .. } | RowsError::Repeated { .. } | RowsError::NoSqlite { .. },
            )
            | PlanError::Definition(_) => Some(CONFIG),
            PlanError::Rows(_) | PlanError::Sort(_) => Some(IO),
        };
    }
    None
}

fn code_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<ConfigError>() {
        return Some(CONFIG);
    }
    if cause.is::<NoBeginning>() || cause.is::<NotOurs>() || cause.is::<OtherState>() {
        return Some(DIFFERENT);
    }
    if cause.is::<Imported>() {
        return Some(FAILED);
    }
    if let Some(code) = code_of_import(cause) {
        return Some(code);
    }
    if let Some(error) = cause.downcast_ref::<ReplayError>() {
        return Some(match error {
            ReplayError::Differs(_) => DIFFERENT,
            ReplayError::UnknownRules { .. } => FAILED,
        });
    }
    if let Some(error) = cause.downcast_ref::<RecoverError>() {
        return Some(match error {
            RecoverError::Config { .. } => CONFIG,
            RecoverError::Locked { .. } => FAILED,
            RecoverError::Damaged { .. } => DIFFERENT,
            RecoverError::File(_) => IO,
        });
    }
    if let Some(error) = cause.downcast_ref::<CaptureError>() {
        return Some(match error {
            CaptureError::Line { .. } => FAILED,
            CaptureError::Open { .. }
            | CaptureError::Empty { .. }
            | CaptureError::Truncated { .. }
            | CaptureError::Read { .. } => IO,
        });
    }
    if let Some(error) = cause.downcast_ref::<KeepError>() {
        return Some(match error {
            KeepError::Damaged { .. } => DIFFERENT,
            KeepError::File(_) | KeepError::NoJournal { .. } => IO,
            KeepError::Busy { .. } | KeepError::Live { .. } | KeepError::Refused(_) => FAILED,
        });
    }
    if let Some(error) = cause.downcast_ref::<ReadError>() {
        return Some(match error {
            ReadError::Damaged { .. } | ReadError::Schema { .. } => DIFFERENT,
            ReadError::File(_) | ReadError::NoJournal { .. } | ReadError::Gone { .. } => IO,
        });
    }
    if let Some(error) = cause.downcast_ref::<PostgresError>() {
        return match error {
            PostgresError::Settings(_) | PostgresError::PasswordFile { .. } => Some(CONFIG),
            PostgresError::Refused(_) => Some(DIFFERENT),
            PostgresError::Connect { .. } | PostgresError::Late { .. } => Some(IO),
            PostgresError::Statement { .. }
            | PostgresError::Schema(_)
            | PostgresError::Taken { .. }
            | PostgresError::ModelsChanged
            | PostgresError::Opening { .. }
            | PostgresError::Row { .. }
            | PostgresError::Reading(_) => Some(FAILED),
            // The cause says more.
            PostgresError::Journal(_) | PostgresError::File(_) | PostgresError::Register(_) => None,
        };
    }
    let is_io = cause.is::<VerifyError>() || cause.is::<InspectError>() || cause.is::<std::io::Error>();
    is_io.then_some(IO)
}
