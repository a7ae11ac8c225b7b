//! How tables are: what of them is in memory, how large and how dead they are, partitions that are missing, and statements
//! that are slow.

use super::{Finding, Severity, failed};
use crate::error::PostgresError;
use tokio_postgres::Transaction;

/// Blocks that must have been asked for before a share of them says something.
const BLOCKS_MIN: &str = "10000";
/// Dead rows that are worth a word, and their share.
const DEAD_MIN: &str = "1000";
/// Tables that are told, largest first.
const LARGEST: &str = "10";

/// Everything about tables.
pub(super) async fn look(transaction: &Transaction<'_>) -> Result<Vec<Finding>, PostgresError> {
    let mut findings = Vec::new();
    for (sql, finding) in QUERIES {
        for row in transaction.query(&sql(), &[]).await.map_err(failed())? {
            let (name, found, severity): (String, String, i32) = (row.get(0), row.get(1), row.get(2));
            let severity = match severity {
                0 => Severity::Ok,
                1 => Severity::Note,
                2 => Severity::Warning,
                _ => Severity::Critical,
            };
            let (area, advised, reason, source) = *finding;
            let (advised, reason) = (advised.to_owned(), reason.to_owned());
            findings.push(Finding { area, name, severity, found, advised, reason, source });
        }
    }
    findings.push(slow_statements(transaction).await?);
    Ok(findings)
}

type Sql = fn() -> String;
/// Area, advice, reason and page of what a query finds.
type About = (&'static str, &'static str, &'static str, &'static str);

/// Queries that give a name, what was found, and how bad it is (0 to 3).
const QUERIES: &[(Sql, About)] = &[
    (
        cached,
        (
            "cache",
            "0.99 or more",
            "the share of blocks that were in memory when they were asked for; what is less is read from the disk",
            "monitoring-stats.html",
        ),
    ),
    (largest, ("table", "", "the largest tables, with indexes; partitions of events are told by family", "")),
    (
        families,
        (
            "partition",
            "",
            "partitions of each family, and what is older than it is kept: `tickwerk db drop-partition --plan`",
            "",
        ),
    ),
    (
        missing,
        (
            "partition",
            "there, as tickwerk.event_partition says",
            "it was dropped or made by hand; verification does not know, and shipping stops where it is needed. Drop by \
             `tickwerk db drop-partition`",
            "ddl-partitioning.html",
        ),
    ),
    (
        ahead,
        (
            "partition",
            "made ahead",
            "the partition of the next period is not there; shipping makes it with the first record that needs it, which \
             waits for readers then",
            "ddl-partitioning.html",
        ),
    ),
    (
        dead,
        (
            "vacuum",
            "less than a fifth dead",
            "dead rows are read with the living ones; a long transaction or too slow an autovacuum keeps them",
            "routine-vacuuming.html",
        ),
    ),
    (
        unfrozen,
        (
            "vacuum",
            "less than autovacuum_freeze_max_age",
            "close to it, vacuum goes through the whole table whatever else happens",
            "routine-vacuuming.html",
        ),
    ),
    (
        insert_options,
        (
            "vacuum",
            "autovacuum_vacuum_insert_scale_factor = 0.1",
            "partitions of events are vacuumed by inserts, before all of them are due at once",
            "sql-createtable.html",
        ),
    ),
    (
        transactions,
        (
            "vacuum",
            "less than an hour",
            "an old transaction keeps vacuum from removing what died since it began, in every table",
            "routine-vacuuming.html",
        ),
    ),
    (
        invalid_indexes,
        (
            "table",
            "valid",
            "an index that was not finished costs every write and answers nothing: drop it and make it again",
            "sql-reindex.html",
        ),
    ),
];

fn cached() -> String {
    format!(
        "SELECT of, CASE WHEN asked < {BLOCKS_MIN} THEN 'too little was read to tell' ELSE round(hit / asked, 4)::text END,
            CASE WHEN asked < {BLOCKS_MIN} OR hit / asked >= 0.99 THEN 0 WHEN hit / asked >= 0.9 THEN 1 ELSE 2 END
        FROM (SELECT CASE WHEN relname LIKE 'events\\_%' THEN 'events' ELSE 'read models' END AS of,
                sum(COALESCE(heap_blks_hit, 0) + COALESCE(idx_blks_hit, 0)) AS hit,
                sum(COALESCE(heap_blks_hit, 0) + COALESCE(idx_blks_hit, 0) + COALESCE(heap_blks_read, 0) + COALESCE(idx_blks_read, 0)) AS asked
            FROM pg_statio_user_tables WHERE schemaname = 'tickwerk' GROUP BY 1) AS sums ORDER BY of"
    )
}

fn largest() -> String {
    format!(
        "SELECT relname::text, format('%s, of which indexes %s; about %s rows', pg_size_pretty(pg_total_relation_size(c.oid)),
            pg_size_pretty(pg_indexes_size(c.oid)), GREATEST(reltuples, 0)::bigint), 0
        FROM pg_class c WHERE relnamespace = 'tickwerk'::regnamespace AND relkind = 'r' AND NOT relispartition
        ORDER BY pg_total_relation_size(c.oid) DESC, relname LIMIT {LARGEST}"
    )
}

fn families() -> String {
    "SELECT f.family, format('%s partitions, %s, kept %s', count(name),
            pg_size_pretty(COALESCE(sum(pg_total_relation_size(to_regclass('tickwerk.' || name))), 0)), keep)
            || CASE WHEN count(name) FILTER (WHERE to_time < now() - keep) > 0
                THEN format('; %s older than that', count(name) FILTER (WHERE to_time < now() - keep)) ELSE '' END,
            CASE WHEN count(name) FILTER (WHERE to_time < now() - keep) > 0 THEN 1 ELSE 0 END
        FROM tickwerk.event_family f LEFT JOIN tickwerk.event_partition p ON p.family = f.family AND dropped_at IS NULL
        GROUP BY f.family, keep ORDER BY f.family"
        .to_owned()
}

fn missing() -> String {
    "SELECT name, CASE WHEN to_regclass('tickwerk.' || quote_ident(name)) IS NULL THEN 'missing' ELSE 'not attached' END, 3
        FROM tickwerk.event_partition
        WHERE dropped_at IS NULL AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('tickwerk.' || quote_ident(name)))
    UNION ALL
    SELECT c.relname::text, 'not known', 2 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        JOIN pg_inherits above ON above.inhrelid = i.inhparent AND above.inhparent = 'tickwerk.events'::regclass
        WHERE NOT EXISTS (SELECT FROM tickwerk.event_partition p WHERE p.name = c.relname AND dropped_at IS NULL)
    ORDER BY 1"
        .to_owned()
}

/// Of families that have a partition for the time of the last record.
fn ahead() -> String {
    "SELECT p.family, format('none from %s on', to_char(p.to_time AT TIME ZONE 'UTC', 'YYYY-MM-DD')), 1
        FROM tickwerk.checkpoint c JOIN tickwerk.event_partition p ON dropped_at IS NULL
            AND to_timestamp(c.recorded_at_ns / 1000000000) >= from_time AND to_timestamp(c.recorded_at_ns / 1000000000) < to_time
        WHERE NOT EXISTS (SELECT FROM tickwerk.event_partition n
            WHERE n.family = p.family AND n.from_time = p.to_time AND n.dropped_at IS NULL)
        ORDER BY p.family"
        .to_owned()
}

fn dead() -> String {
    format!(
        "SELECT relname::text, format('%s dead of %s, vacuumed %s', n_dead_tup, n_live_tup + n_dead_tup,
            COALESCE(to_char(GREATEST(last_vacuum, last_autovacuum) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'never')),
            CASE WHEN n_dead_tup > n_live_tup THEN 2 ELSE 1 END
        FROM pg_stat_user_tables
        WHERE schemaname = 'tickwerk' AND n_dead_tup >= {DEAD_MIN} AND n_dead_tup * 5 > n_live_tup + n_dead_tup
        ORDER BY n_dead_tup DESC LIMIT {LARGEST}"
    )
}

fn unfrozen() -> String {
    format!(
        "SELECT relname::text, format('%s transactions since it was frozen', age(relfrozenxid)), 2
        FROM pg_class WHERE relnamespace = 'tickwerk'::regnamespace AND relkind = 'r'
            AND age(relfrozenxid) > current_setting('autovacuum_freeze_max_age')::bigint
        ORDER BY age(relfrozenxid) DESC LIMIT {LARGEST}"
    )
}

fn insert_options() -> String {
    "SELECT relname::text, COALESCE(array_to_string(reloptions, ', '), 'no options'), 1 FROM pg_class c
        JOIN tickwerk.event_partition p ON p.name = c.relname AND dropped_at IS NULL
        WHERE relnamespace = 'tickwerk'::regnamespace
            AND NOT COALESCE(array_to_string(reloptions, ' '), '') LIKE '%autovacuum_vacuum_insert_scale_factor=%'
        ORDER BY relname"
        .to_owned()
}

fn transactions() -> String {
    "SELECT format('server process %s (%s)', pid, application_name), format('%s s', extract(epoch FROM now() - xact_start)::bigint), 2
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND now() - xact_start > interval '1 hour' ORDER BY xact_start"
        .to_owned()
}

fn invalid_indexes() -> String {
    "SELECT indexrelid::regclass::text, 'not valid', 2 FROM pg_index JOIN pg_class c ON c.oid = indexrelid
        WHERE c.relnamespace = 'tickwerk'::regnamespace AND NOT indisvalid ORDER BY 1"
        .to_owned()
}

/// The slowest statements on the schema, where the server counts them.
async fn slow_statements(transaction: &Transaction<'_>) -> Result<Finding, PostgresError> {
    let finding = |severity, found: String| {
        Finding {
        area: "statement",
        name: "pg_stat_statements".to_owned(),
        severity,
        found,
        advised: "installed; dashboard queries below 5 ms on average".to_owned(),
        reason: "shared_preload_libraries = 'pg_stat_statements', a restart, then CREATE EXTENSION pg_stat_statements; \
                 reading it takes pg_read_all_stats"
            .to_owned(),
        source: "pgstatstatements.html",
    }
    };
    // A view shows a setting to whom it may be shown; the function of that name refuses everybody else.
    let sql = "SELECT n.nspname::text, (SELECT setting LIKE '%pg_stat_statements%' FROM pg_settings
            WHERE name = 'shared_preload_libraries'), pg_has_role('pg_read_all_stats', 'USAGE')
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'pg_stat_statements'";
    let row = transaction.query_opt(sql, &[]).await.map_err(failed())?;
    let known = row.map(|row| (row.get(0), row.get(1), row.get(2)));
    let schema: String = match known {
        Some((schema, Some(true), true)) => schema,
        Some((_, is_loaded, _)) if is_loaded != Some(false) => {
            let found = "installed, and this user may not read what it says".to_owned();
            return Ok(finding(Severity::Note, found));
        }
        _ => {
            let found = "not installed, so nobody knows which statements are slow".to_owned();
            return Ok(finding(Severity::Note, found));
        }
    };
    let sql = format!(
        "SELECT format('%s ms on average, %s calls: %s', round(mean_exec_time::numeric, 3), calls,
            left(regexp_replace(query, '\\s+', ' ', 'g'), 120))
        FROM \"{schema}\".pg_stat_statements
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query ILIKE '%tickwerk.%'
            AND query ILIKE 'select%' AND mean_exec_time > 5
        ORDER BY mean_exec_time DESC LIMIT 5"
    );
    let rows = transaction.query(&sql, &[]).await.map_err(failed())?;
    if rows.is_empty() {
        return Ok(finding(Severity::Ok, "no query takes 5 ms on average".to_owned()));
    }
    let slow: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    Ok(finding(Severity::Note, slow.join("; ")))
}
