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
/// Months of some years, and days of a month of market data, that there are partitions for beside what was shipped.
const PARTITIONS: &str = "SELECT tickwerk.ensure_partition(family, at)
    FROM tickwerk.event_family, LATERAL (SELECT min(created_at) AS first FROM tickwerk.orders) f,
    LATERAL generate_series(first - CASE period WHEN 'day' THEN interval '30 days' ELSE make_interval(years => $1) END, first,
        CASE period WHEN 'day' THEN interval '1 day' ELSE interval '1 month' END) AS of (at) WHERE $1 > 0";

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

/// A query; a row of its keys is drawn for each run.
struct Query {
    name: &'static str,
    sql: &'static str,
    /// Rows of keys: every value as text, cast where it is used.
    keys: &'static str,
    /// Where it is a function: queries that give what the function comes to, as text.
    inside: &'static [&'static str],
}

/// What the payloads of a page are asked for by.
const PAGE: &str = "SELECT format('SELECT f.global_position, e.event_data FROM tickwerk.activity_feed f
        LEFT JOIN (SELECT global_position, event_data FROM tickwerk.events WHERE family = ANY(%L)
            AND recorded_at BETWEEN %L AND %L AND global_position = ANY(%L)) e USING (global_position)
        WHERE f.global_position = ANY(%L)', array_agg(DISTINCT split_part(event_type, '.', 1)), min(recorded_at),
        max(recorded_at), array_agg(global_position), array_agg(global_position))
    FROM (SELECT * FROM tickwerk.activity_feed ORDER BY global_position DESC OFFSET 1000 LIMIT 50) f";

const QUERIES: &[Query] = &[
    Query {
        name: "position list",
        sql: "SELECT * FROM tickwerk.positions WHERE account = $1 ORDER BY symbol, side",
        keys: "SELECT account FROM tickwerk.accounts",
        inside: &[],
    },
    Query {
        name: "order life cycle",
        sql: "SELECT o.account, o.symbol, o.strategy, o.client_order_id, h.* FROM tickwerk.orders o
            JOIN tickwerk.order_history h USING (order_id) WHERE o.order_id = $1::text::bigint ORDER BY h.global_position",
        keys: "SELECT order_id::text FROM tickwerk.orders ORDER BY md5(order_id::text) LIMIT 10000",
        inside: &[],
    },
    Query {
        name: "profit of a day",
        sql: "SELECT * FROM tickwerk.profit_series_unified WHERE scope = $1 AND name = $2 AND period = 'day'
            AND bucket = $3::text::timestamptz",
        keys: "SELECT DISTINCT scope, name, bucket::text FROM tickwerk.profit_series_unified WHERE period = 'day'",
        inside: &[],
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
        inside: &[
            "SELECT format('SELECT global_position FROM tickwerk.activity_feed WHERE order_id = %s AND global_position < %s
                ORDER BY global_position DESC LIMIT 50', max(order_id), max(global_position)) FROM tickwerk.orders",
            "SELECT format('SELECT global_position FROM tickwerk.activity_feed WHERE account = %L AND global_position < %s
                ORDER BY global_position DESC LIMIT 50', max(account), max(global_position)) FROM tickwerk.positions",
            "SELECT format('SELECT global_position FROM tickwerk.activity_feed WHERE symbol = %L AND global_position < %s
                ORDER BY global_position DESC LIMIT 50', max(symbol), max(global_position)) FROM tickwerk.positions",
            "SELECT format('SELECT global_position FROM tickwerk.activity_feed WHERE strategy = %L AND global_position < %s
                ORDER BY global_position DESC LIMIT 50', max(strategy), max(global_position)) FROM tickwerk.signals",
            PAGE,
        ],
    },
    Query {
        name: "activity feed page",
        sql: "SELECT * FROM tickwerk.feed($1::text::bigint, 50)",
        keys: "SELECT (random() * (SELECT global_position FROM tickwerk.checkpoint))::bigint::text FROM generate_series(1, 10000)",
        inside: &[
            "SELECT format('SELECT global_position FROM tickwerk.activity_feed WHERE global_position < %s
                ORDER BY global_position DESC LIMIT 50', max(global_position)) FROM tickwerk.orders",
            PAGE,
        ],
    },
    Query {
        name: "trading activity by symbol",
        sql: "SELECT * FROM tickwerk.trading_activity_unified WHERE symbol = $1 ORDER BY day DESC, account, strategy",
        keys: "SELECT symbol FROM tickwerk.instruments",
        inside: &[],
    },
    Query {
        name: "candles of a day",
        sql: "SELECT started_at, open, high, low, close, volume, count FROM tickwerk.candles WHERE symbol = $1
            AND period = '1m' AND started_at >= $2::text::timestamptz AND started_at < $2::text::timestamptz + interval '1 day'
            ORDER BY started_at",
        keys: "SELECT DISTINCT symbol, started_at::text FROM tickwerk.candles WHERE period = '1d'",
        inside: &[],
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
        client.query(PARTITIONS, &[&config.years]).await.map_err(failed("make partitions of other times"))?;
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
    let (plan, scans) = plans_of(client, query, &keys[random.index(keys.len())]).await?;
    let at = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    Ok(QueryFigures { name: query.name, runs, rows, p50: at(50), p95: at(95), max: at(100), plan, scans })
}

/// How the server answers it, or all that it comes to, with a key in place of parameters.
async fn plans_of(
    client: &Client,
    query: &Query,
    key: &[Option<String>],
) -> Result<(String, Vec<String>), PostgresBenchError> {
    if query.inside.is_empty() {
        return explain(client, &with_key(query.sql, key)).await;
    }
    let (mut plans, mut scans) = (Vec::new(), Vec::new());
    for inside in query.inside {
        let row = client.query_one(*inside, &[]).await.map_err(failed("make a query that is explained"))?;
        let (plan, mut large) = explain(client, row.get(0)).await?;
        plans.push(plan);
        scans.append(&mut large);
    }
    scans.sort_unstable();
    scans.dedup();
    Ok((plans.join("\n"), scans))
}

fn with_key(sql: &str, key: &[Option<String>]) -> String {
    let quoted = |value: &Option<String>| {
        value.as_ref().map_or_else(|| "NULL".to_owned(), |value| format!("'{}'", value.replace('\'', "''")))
    };
    (1..)
        .zip(key)
        .fold(sql.to_owned(), |sql, (place, value)| sql.replace(&format!("${place}"), &quoted(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_place_of_parameters() {
        let key = ["it's".to_owned(), "7".to_owned()].map(Some);
        assert_eq!(
            with_key("a = $1 AND b < $2::text::bigint", &key),
            "a = 'it''s' AND b < '7'::text::bigint"
        );
        assert_eq!(with_key("a = $1", &[None]), "a = NULL");
    }
}
