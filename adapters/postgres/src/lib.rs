//! PostgreSQL: every event exactly once, and read models kept up in the same transaction.
//!
//! The way of a record: `reading` takes frames behind the durable watermark, proves that they go on from the
//! checkpoint, and folds them into a batch of rows and changes; `shipping` sends a batch as one transaction that locks,
//! compares and moves the checkpoint; `replicator` begins again wherever a connection is lost.
//! Everything in the database can be deleted and made again from the journal. This crate knows no ring and no engine.

mod as_of;
mod bare;
mod batch;
mod batch_size;
mod binary;
mod changes;
mod checkpoint;
mod connection;
mod counters;
mod doctor;
mod error;
mod event_row;
mod fact;
mod meaning;
mod migrate;
mod projection;
mod projection_commands;
mod projections;
mod read_ahead;
mod reading;
mod rebuild;
mod refold;
mod replicator;
mod selection;
mod session;
mod settings;
mod shipping;
mod status;
mod table;
mod tls;
mod value;
mod verify;
mod views;

pub use as_of::{AsOf, AsOfSubject, Moment, as_of};
pub use bare::BareCopy;
pub use changes::{Changes, RowChange};
pub use checkpoint::Checkpoint;
pub use connection::{Tell, attended, connect, runtime};
pub use counters::{Counters, Lag};
pub use doctor::{Finding, MANUAL, Severity, doctor};
pub use error::PostgresError;
pub use event_row::event_id;
pub use fact::Fact;
pub use migrate::{Migrated, check_schema, migrate};
pub use projection::{Poison, Projection, ProjectionStatus, all};
pub use projection_commands::{ParkedEvent, parked, pause, resume, skip};
pub use reading::Marks;
pub use rebuild::{Outcome, Progress, Rebuild, RebuildStatus, Rebuilt, rebuilds};
pub use replicator::{Callbacks, DEPENDANT, Replicator, Until};
pub use selection::{Market, Selection, Wanted};
pub use settings::{Server, Settings, Tls};
pub use status::{
    Partition, Retention, Selected, Status, drop_partition, keep_events, partitions, retentions, status,
};
pub use table::{Column, Merge, Rows, Table};
pub use value::{Type, Value};
pub use verify::{Difference, ModelDifference, ModelVerified, Progress as VerifyProgress, Verified, verify};
