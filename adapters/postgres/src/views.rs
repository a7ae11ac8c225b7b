//! What is read over the tables of read models: views, and functions that say how things stood at any sequence or time.
//!
//! They are made again by every migration, after the tables, and whenever a table took another's place: a view holds on
//! to the table itself, not to its name. Making them twice changes nothing, and what others built on them stays.

use crate::error::PostgresError;
use crate::migrate::as_owner;
use tokio_postgres::Transaction;

/// In order; a later one may use an earlier one.
const VIEWS: &[&str] = &[
    include_str!("../views/retention.sql"),
    include_str!("../views/as_of.sql"),
    include_str!("../views/trading.sql"),
    include_str!("../views/activity.sql"),
    include_str!("../views/system.sql"),
    include_str!("../views/risk.sql"),
];

/// Makes them, or binds them to the tables that have their names now.
pub(crate) async fn apply(transaction: &Transaction<'_>) -> Result<(), PostgresError> {
    for sql in VIEWS {
        as_owner(transaction, sql).await?;
    }
    Ok(())
}
