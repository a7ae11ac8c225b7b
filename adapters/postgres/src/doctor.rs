//! Looks a server over: its configuration against what this load wants, and how its tables are. Changes nothing: the whole
//! look is one read-only transaction.
//!
//! What is advised stands in `advice`, as data; `TUNING.md` is the same for people. What a role may not see is said, not
//! guessed.

mod advice;
mod tables;

use crate::connection::{Tell, attended, connect, runtime};
use crate::error::PostgresError;
use crate::migrate::check_schema;
use crate::settings::Settings;
use tokio_postgres::Transaction;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// As it should be, or only told.
    Ok,
    /// Could be better.
    Note,
    /// Will be felt.
    Warning,
    /// Data can be lost, or shipping does not go on.
    Critical,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// `configuration`, `cache`, `table`, `partition`, `vacuum`, `statement` or `replication`.
    pub area: &'static str,
    pub name: String,
    pub severity: Severity,
    pub found: String,
    /// What it should be; empty where it is only told.
    pub advised: String,
    pub reason: String,
    /// Page of the PostgreSQL manual; empty where it is our own advice.
    pub source: &'static str,
}

/// Where the pages of [`Finding::source`] are.
pub const MANUAL: &str = "https://www.postgresql.org/docs/current/";

fn failed() -> impl FnOnce(tokio_postgres::Error) -> PostgresError {
    PostgresError::statement("look the server over")
}

/// Looks a server over; the worst first.
pub fn doctor(settings: &Settings, tell: Tell<'_>) -> Result<Vec<Finding>, PostgresError> {
    let name = "tickwerk db doctor";
    runtime()?.block_on(attended(&settings.server, name, tell, async {
        let mut client = connect(&settings.server, name).await?;
        check_schema(&client).await?;
        let begun = client.build_transaction().read_only(true).start().await;
        let transaction = begun.map_err(failed())?;
        let mut findings = advice::compare(&transaction).await?;
        findings.extend(tables::look(&transaction).await?);
        findings.extend(of_replication(&transaction).await?);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Ok(findings)
    }))
}

/// What stands still: read models, and slots that keep the server's log for ever.
async fn of_replication(transaction: &Transaction<'_>) -> Result<Vec<Finding>, PostgresError> {
    let mut findings = Vec::new();
    for of in crate::projection::statuses(transaction).await? {
        let severity = match (of.status.as_str(), of.parked) {
            ("failed", _) => Severity::Warning,
            ("active", 0) => continue,
            _ => Severity::Note,
        };
        findings.push(Finding {
            area: "replication",
            name: of.name,
            severity,
            found: format!("{} at {}, {} events parked", of.status, of.position, of.parked),
            advised: "active, nothing parked".to_owned(),
            reason: "`tickwerk db projections` resumes, rebuilds and skips".to_owned(),
            source: "",
        });
    }
    let sql = "SELECT slot_name::text, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))
        FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL AND NOT pg_is_in_recovery()";
    for row in transaction.query(sql, &[]).await.map_err(failed())? {
        findings.push(Finding {
            area: "replication",
            name: format!("slot {}", row.get::<_, &str>(0)),
            severity: Severity::Warning,
            found: format!("nobody reads it; it holds {} of log", row.get::<_, &str>(1)),
            advised: "dropped, or read".to_owned(),
            reason: "what a slot holds is never removed, until the disk is full".to_owned(),
            source: "warm-standby.html",
        });
    }
    Ok(findings)
}
