//! The configuration that this load wants: one connection that copies large batches without an end, read models whose rows
//! are updated all the time, and short queries beside them.
//!
//! Values are compared in thousandths of their unit: bytes, milliseconds, plain numbers.

use super::{Finding, Severity, failed};
use crate::error::PostgresError;
use std::collections::BTreeMap;
use tokio_postgres::Transaction;

/// What a setting has to be.
enum Rule {
    One(&'static [&'static str]),
    AtLeast(i64),
    AtMost(i64),
}

struct Advice {
    name: &'static str,
    advised: &'static str,
    rule: Rule,
    /// If it is not that.
    severity: Severity,
    reason: &'static str,
    source: &'static str,
}

const THOUSAND: i64 = 1_000;
const MIB: i64 = 1_024 * 1_024 * THOUSAND;
const MINUTE: i64 = 60_000 * THOUSAND;
const MILLISECOND: i64 = THOUSAND;

const ADVICE: &[Advice] = &[
    Advice {
        name: "fsync",
        advised: "on",
        rule: Rule::One(&["on"]),
        severity: Severity::Critical,
        reason: "without it a crash of the machine can destroy the whole cluster",
        source: "runtime-config-wal.html",
    },
    Advice {
        name: "full_page_writes",
        advised: "on",
        rule: Rule::One(&["on"]),
        severity: Severity::Critical,
        reason: "a page that was half written when the machine went down cannot be mended without it",
        source: "runtime-config-wal.html",
    },
    Advice {
        name: "synchronous_commit",
        advised: "on",
        rule: Rule::One(&["on", "local", "remote_write", "remote_apply"]),
        severity: Severity::Critical,
        reason: "a commit that was answered counts as replicated: the daemon and retention of the journal go on from it; \
                 with off, a crash takes it back",
        source: "runtime-config-wal.html",
    },
    Advice {
        name: "autovacuum",
        advised: "on",
        rule: Rule::One(&["on"]),
        severity: Severity::Critical,
        reason: "read models are updated all the time; without vacuum they grow until the disk is full, and transaction \
                 numbers run out",
        source: "routine-vacuuming.html",
    },
    Advice {
        name: "track_counts",
        advised: "on",
        rule: Rule::One(&["on"]),
        severity: Severity::Critical,
        reason: "autovacuum is blind without it",
        source: "runtime-config-statistics.html",
    },
    Advice {
        name: "default_transaction_read_only",
        advised: "off",
        rule: Rule::One(&["off"]),
        severity: Severity::Critical,
        reason: "nothing can be shipped",
        source: "runtime-config-client.html",
    },
    Advice {
        name: "data_checksums",
        advised: "on",
        rule: Rule::One(&["on"]),
        severity: Severity::Warning,
        reason: "damage on the disk is found when a page is read, not when somebody misses a row; switched on with \
                 `pg_checksums` while the server is down",
        source: "checksums.html",
    },
    Advice {
        name: "max_wal_size",
        advised: "4GB or more",
        rule: Rule::AtLeast(4_096 * MIB),
        severity: Severity::Warning,
        reason: "copying writes more log than the default of 1 GB between two checkpoints, so that size forces them, and \
                 after each every page is logged whole again",
        source: "wal-configuration.html",
    },
    Advice {
        name: "checkpoint_timeout",
        advised: "15min or more",
        rule: Rule::AtLeast(15 * MINUTE),
        severity: Severity::Note,
        reason: "fewer checkpoints log fewer whole pages; a crash takes longer to recover from, which the journal can wait for",
        source: "wal-configuration.html",
    },
    Advice {
        name: "checkpoint_completion_target",
        advised: "0.9",
        rule: Rule::AtLeast(900),
        severity: Severity::Note,
        reason: "spreads the writes of a checkpoint, so that queries beside it do not wait",
        source: "wal-configuration.html",
    },
    Advice {
        name: "wal_compression",
        advised: "lz4, zstd or on",
        rule: Rule::One(&["on", "pglz", "lz4", "zstd"]),
        severity: Severity::Note,
        reason: "whole pages are most of the log of updated read models, and compress well",
        source: "runtime-config-wal.html",
    },
    Advice {
        name: "wal_buffers",
        advised: "16MB or more",
        rule: Rule::AtLeast(16 * MIB),
        severity: Severity::Note,
        reason: "a batch is written to the log in few large pieces",
        source: "runtime-config-wal.html",
    },
    Advice {
        name: "shared_buffers",
        advised: "a quarter of the memory, 1GB or more",
        rule: Rule::AtLeast(1_024 * MIB),
        severity: Severity::Warning,
        reason: "indexes of the newest partitions and the read models should stay in memory, or each row costs a read",
        source: "runtime-config-resource.html",
    },
    Advice {
        name: "effective_cache_size",
        advised: "half of the memory, 2GB or more",
        rule: Rule::AtLeast(2_048 * MIB),
        severity: Severity::Note,
        reason: "the planner believes in indexes only if it believes that they are in memory",
        source: "runtime-config-query.html",
    },
    Advice {
        name: "jit",
        advised: "off",
        rule: Rule::One(&["off"]),
        severity: Severity::Note,
        reason: "a query over many partitions is compiled for longer than it runs",
        source: "jit-decision.html",
    },
    Advice {
        name: "work_mem",
        advised: "16MB or more",
        rule: Rule::AtLeast(16 * MIB),
        severity: Severity::Note,
        reason: "reports over days sort and hash without files",
        source: "runtime-config-resource.html",
    },
    Advice {
        name: "maintenance_work_mem",
        advised: "256MB or more",
        rule: Rule::AtLeast(256 * MIB),
        severity: Severity::Note,
        reason: "vacuum goes through the indexes of a table once, and indexes of rebuilt tables are made at once",
        source: "runtime-config-resource.html",
    },
    Advice {
        name: "autovacuum_vacuum_insert_threshold",
        advised: "not -1",
        rule: Rule::AtLeast(0),
        severity: Severity::Warning,
        reason: "events are only inserted: without vacuum by inserts their pages are never marked visible and frozen, index-only \
                 scans read the table, and one day all of it is frozen at once",
        source: "runtime-config-autovacuum.html",
    },
    Advice {
        name: "autovacuum_vacuum_insert_scale_factor",
        advised: "0.2 or less; partitions of events say 0.1 themselves",
        rule: Rule::AtMost(200),
        severity: Severity::Note,
        reason: "histories of read models are only inserted into, too",
        source: "runtime-config-autovacuum.html",
    },
    Advice {
        name: "autovacuum_vacuum_scale_factor",
        advised: "0.2 or less",
        rule: Rule::AtMost(200),
        severity: Severity::Note,
        reason: "rows of read models that are updated all the time leave dead ones behind",
        source: "runtime-config-autovacuum.html",
    },
    Advice {
        name: "autovacuum_max_workers",
        advised: "3 or more",
        rule: Rule::AtLeast(3 * THOUSAND),
        severity: Severity::Note,
        reason: "a large partition must not keep small tables from being vacuumed",
        source: "runtime-config-autovacuum.html",
    },
    Advice {
        name: "autovacuum_vacuum_cost_delay",
        advised: "2ms or less",
        rule: Rule::AtMost(2 * MILLISECOND),
        severity: Severity::Note,
        reason: "vacuum has to keep pace with shipping",
        source: "runtime-config-autovacuum.html",
    },
    Advice {
        name: "random_page_cost",
        advised: "1.1 on solid-state disks",
        rule: Rule::AtMost(1_500),
        severity: Severity::Note,
        reason: "the default of 4 is that of turning disks, and makes the planner scan where an index answers",
        source: "runtime-config-query.html",
    },
    Advice {
        name: "idle_in_transaction_session_timeout",
        advised: "10min, or any but 0",
        rule: Rule::AtLeast(1),
        severity: Severity::Note,
        reason: "a transaction that somebody forgot keeps vacuum from removing what is dead, and a rebuild from its swap",
        source: "runtime-config-client.html",
    },
    Advice {
        name: "track_io_timing",
        advised: "on",
        rule: Rule::One(&["on"]),
        severity: Severity::Note,
        reason: "tells slow disks from slow plans",
        source: "runtime-config-statistics.html",
    },
];

/// A setting as the server has it.
struct Setting {
    shown: String,
    thousandths: Option<i64>,
}

impl Rule {
    fn is_met(&self, setting: &Setting) -> bool {
        match self {
            Self::One(words) => words.contains(&setting.shown.as_str()),
            Self::AtLeast(least) => setting.thousandths.is_some_and(|found| found >= *least),
            Self::AtMost(most) => setting.thousandths.is_some_and(|found| found <= *most),
        }
    }
}

/// Compares every setting that there is advice for.
pub(super) async fn compare(transaction: &Transaction<'_>) -> Result<Vec<Finding>, PostgresError> {
    let sql = "SELECT name, current_setting(name), CASE WHEN vartype IN ('integer', 'real') THEN trunc(1000 * setting::numeric
            * CASE unit WHEN 'B' THEN 1 WHEN 'kB' THEN 1024 WHEN '8kB' THEN 8192 WHEN 'MB' THEN 1048576
                WHEN 'ms' THEN 1 WHEN 's' THEN 1000 WHEN 'min' THEN 60000 ELSE 1 END)::bigint END
        FROM pg_settings WHERE name = ANY($1)";
    let names: Vec<&str> = ADVICE.iter().map(|advice| advice.name).collect();
    let rows = transaction.query(sql, &[&names]).await.map_err(failed())?;
    let settings: BTreeMap<String, Setting> =
        rows.iter().map(|row| (row.get(0), Setting { shown: row.get(1), thousandths: row.get(2) })).collect();
    let finding = |advice: &Advice| {
        // A server of another version may not have it.
        let setting = settings.get(advice.name)?;
        let severity = if advice.rule.is_met(setting) { Severity::Ok } else { advice.severity };
        Some(Finding {
            area: "configuration",
            name: advice.name.to_owned(),
            severity,
            found: setting.shown.clone(),
            advised: advice.advised.to_owned(),
            reason: advice.reason.to_owned(),
            source: advice.source,
        })
    };
    Ok(ADVICE.iter().filter_map(finding).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::MANUAL;
    use std::fmt::Write as _;

    /// The table of `TUNING.md`.
    fn table() -> String {
        let mut table =
            "| setting | advised | else | why | manual |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for Advice { name, advised, severity, reason, source, .. } in ADVICE {
            let page = source.trim_end_matches(".html");
            writeln!(
                table,
                "| `{name}` | {advised} | {} | {reason} | [{page}]({MANUAL}{source}) |",
                severity.word()
            )
            .unwrap();
        }
        table
    }

    #[test]
    fn the_page_on_tuning_has_what_is_checked() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("TUNING.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (begin, end) = (page.find("| setting |").unwrap(), page.find("\n\n## How").unwrap());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let table = table();
            let text = [&page[..begin], table.trim_end(), &page[end..]].concat();
            std::fs::write(&path, text).unwrap();
            return;
        }
        assert_eq!(
            &page[begin..end],
            table().trim_end(),
            "UPDATE_GOLDEN=1 writes the table of TUNING.md anew"
        );
    }

    #[test]
    fn units_are_compared_in_thousandths() {
        let setting = |shown: &str, thousandths| Setting { shown: shown.to_owned(), thousandths };
        let rule = |name: &str| &ADVICE.iter().find(|advice| advice.name == name).unwrap().rule;
        assert!(rule("max_wal_size").is_met(&setting("4GB", Some(4_096 * MIB))));
        assert!(!rule("max_wal_size").is_met(&setting("1GB", Some(1_024 * MIB))));
        assert!(rule("random_page_cost").is_met(&setting("1.1", Some(1_100))));
        assert!(!rule("fsync").is_met(&setting("off", None)));
    }
}
