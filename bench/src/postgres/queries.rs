//! What dashboards ask, over many keys, through prepared statements: how long each takes from the question to the last row.
//!
//! The tables were analysed, as the server does by itself within a minute, and have as many partitions beside those that
//! hold something as years of trading leave. A key is drawn anew for each run. A query that would scan a large table makes
//! the whole measurement fail, whatever its time.

use super::database::Scratch;
use super::plans::explain;
use super::{PostgresBenchError, PostgresConfig, failed};
use crate::workload::random::Random;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Runs of each query before time is taken.
const WARM_UP: usize = 10;
const SEED: u64 = 0x6461_7368_626f_6172;
/// Years of months, and days of market data, that there are partitions for.
const PARTITIONS: &str = "SELECT tickwerk.ensure_partition(family, at) FROM tickwerk.event_family,
    LATERAL (SELECT min(recorded_at) AS first FROM tickwerk.orders o, LATERAL (SELECT o.created_at AS recorded_at) c) f,
    LATERAL generate_series(first - CASE period WHEN 'day' THEN interval '30 days' ELSE interval '3 years' END, first,
        CASE period WHEN 'day' THEN interval '1 day' ELSE interval '1 month' END) AS of (at)";

/// How a query did.
#[derive(Clone, Debug)]
pub struct QueryFigures {
    /// What it asks for.
    pub name: &'static str,
    /// How often it was asked.
    pub runs: usize,
    /// Rows of all answers.
    pub rows: u64,
    /// The middle of the times.
    pub p50: Duration,
    /// What 95 of 100 stay below.
    pub p95: Duration,
    /// The longest.
    pub max: Duration,
    /// How the server answers it, for one key.
    pub plan: String,
    /// Large tables that it reads as a whole.
    pub scans: Vec<String>,
}

/// A query; `{1}`, `{2}` and so on are drawn from its keys, a row of which is drawn for each run.
struct Query {
    name: &'static str,
    sql: &'static str,
    /// Rows of keys: every value as text, cast where it is used.
    keys: &'static str,
    /// What the server is asked to explain, where the query is a function.
    inside: Option<&'static str>,
}

const QUERIES: &[Query] = &[
    Query {
        name: "position list",
        sql: "SELECT * FROM tickwerk.positions WHERE account = $1 ORDER BY symbol, side",
        keys: "SELECT account FROM tickwerk.accounts",
        inside: None,
    },
    Query {
        name: "order life cycle",
        sql: "SELECT o.account, o.symbol, o.strategy, o.client_order_id, h.* FROM tickwerk.orders o
            JOIN tickwerk.order_history h USING (order_id) WHERE o.order_id = $1::text::bigint ORDER BY h.global_position",
        keys: "SELECT order_id::text FROM tickwerk.orders ORDER BY md5(order_id::text) LIMIT 10000",
        inside: None,
    },
    Query {
        name: "profit of a day",
        sql: "SELECT * FROM tickwerk.profit_series_unified WHERE scope = $1 AND name = $2 AND period = 'day'
            AND bucket = $3::text::timestamptz",
        keys: "SELECT DISTINCT scope, name, bucket::text FROM tickwerk.profit_series_unified WHERE period = 'day'",
        inside: None,
    },
    Query {
        name: "timeline of an entity",
        sql: "SELECT * FROM tickwerk.timeline($1, $2, $3::text::bigint, 50)",
        keys: "SELECT type, id, (random() * (SELECT global_position FROM tickwerk.checkpoint))::bigint::text FROM (
                SELECT 'account' AS type, account AS id FROM tickwerk.accounts
                UNION ALL SELECT 'instrument', symbol FROM tickwerk.instruments
                UNION ALL SELECT 'strategy', strategy FROM tickwerk.strategies) AS of, generate_series(1, 100)
            UNION ALL SELECT 'order', order_id::text, NULL FROM
                (SELECT order_id FROM tickwerk.orders ORDER BY md5(order_id::text) LIMIT 1000) AS picked",
        inside: Some(
            "SELECT global_position FROM tickwerk.activity_feed WHERE account = '{2}' AND global_position < 1000000000
            ORDER BY global_position DESC LIMIT 50",
        ),
    },
    Query {
        name: "activity feed page",
        sql: "SELECT * FROM tickwerk.feed($1::text::bigint, 50)",
        keys: "SELECT (random() * (SELECT global_position FROM tickwerk.checkpoint))::bigint::text FROM generate_series(1, 10000)",
        inside: Some(
            "SELECT global_position FROM tickwerk.activity_feed WHERE global_position < {1} ORDER BY global_position DESC LIMIT 50",
        ),
    },
    Query {
        name: "trading activity by symbol",
        sql: "SELECT * FROM tickwerk.trading_activity_unified WHERE symbol = $1 ORDER BY day DESC, account, strategy",
        keys: "SELECT symbol FROM tickwerk.instruments",
        inside: None,
    },
    Query {
        name: "candles of a day",
        sql: "SELECT started_at, open, high, low, close, volume, count FROM tickwerk.candles WHERE symbol = $1
            AND period = '1m' AND started_at >= $2::text::timestamptz AND started_at < $2::text::timestamptz + interval '1 day'
            ORDER BY started_at",
        keys: "SELECT DISTINCT symbol, started_at::text FROM tickwerk.candles WHERE period = '1d'",
        inside: None,
    },
];

pub(super) fn measure(
    config: &PostgresConfig,
    scratch: &Scratch,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<QueryFigures>, PostgresBenchError> {
    scratch.with(async |client| {
        progress("analysing the tables");
        client.batch_execute("SET timezone = 'UTC'").await.map_err(failed("set the time zone"))?;
        client.query(PARTITIONS, &[]).await.map_err(failed("make partitions of other times"))?;
        client.batch_execute("ANALYZE").await.map_err(failed("analyse the tables"))?;
        let mut all = Vec::new();
        for query in QUERIES {
            progress(&format!("asking for {}", query.name));
            all.push(ask(&client, query, config.runs).await?);
        }
        Ok(all)
    })
}

async fn ask(client: &Client, query: &Query, runs: usize) -> Result<QueryFigures, PostgresBenchError> {
    let keys: Vec<Vec<Option<String>>> = client
        .query(query.keys, &[])
        .await
        .map_err(failed("read the keys of a query"))?
        .iter()
        .map(|row| (0..row.len()).map(|place| row.get(place)).collect())
        .collect();
    if keys.is_empty() {
        return Err(PostgresBenchError::Wrong(format!("there is nothing to ask for {} of", query.name)));
    }
    let statement = client.prepare(query.sql).await.map_err(failed("prepare a query"))?;
    let mut random = Random::new(SEED);
    let (mut times, mut rows) = (Vec::with_capacity(runs), 0);
    for run in 0..WARM_UP + runs {
        let key = &keys[random.index(keys.len())];
        let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            key.iter().map(|value| value as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
        let started = Instant::now();
        let answer = client.query(&statement, &values).await.map_err(failed("ask a query"))?;
        let elapsed = started.elapsed();
        if run >= WARM_UP {
            times.push(elapsed);
            rows += answer.len() as u64;
        }
    }
    if rows == 0 {
        return Err(PostgresBenchError::Wrong(format!("every answer to {} is empty", query.name)));
    }
    times.sort_unstable();
    let (plan, scans) = explain(client, &with_key(query, &keys[random.index(keys.len())])).await?;
    let at = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    Ok(QueryFigures { name: query.name, runs, rows, p50: at(50), p95: at(95), max: at(100), plan, scans })
}

/// What is explained, with a key in place of parameters.
fn with_key(query: &Query, key: &[Option<String>]) -> String {
    let quoted = |value: &Option<String>| {
        value.as_ref().map_or_else(|| "NULL".to_owned(), |value| format!("'{}'", value.replace('\'', "''")))
    };
    match query.inside {
        Some(inside) => (1..).zip(key).fold(inside.to_owned(), |sql, (place, value)| {
            sql.replace(&format!("{{{place}}}"), value.as_deref().unwrap_or("0"))
        }),
        None => (1..).zip(key).fold(query.sql.to_owned(), |sql, (place, value)| {
            sql.replace(&format!("${place}"), &quoted(value))
        }),
    }
}
