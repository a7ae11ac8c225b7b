//! How the server means to answer a query, and whether that reads a large table from one end to the other.

use super::{PostgresBenchError, failed};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Rows from which on a table is large.
const LARGE: i64 = 20_000;

/// The plan of `sql`, which has no parameters, and the large tables that it scans.
pub(super) async fn explain(client: &Client, sql: &str) -> Result<(String, Vec<String>), PostgresBenchError> {
    let answer = client.simple_query(&format!("EXPLAIN {sql}")).await.map_err(failed("explain a query"))?;
    let lines = answer.iter().filter_map(|message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0)
    });
    let lines: Vec<&str> = lines.collect();
    let mut large = Vec::new();
    for name in lines.iter().filter_map(|line| scanned(line)) {
        let sql = "SELECT max(reltuples)::bigint FROM pg_class WHERE relname = $1
            AND relnamespace = 'tickwerk'::regnamespace";
        let row = client.query_one(sql, &[&name]).await.map_err(failed("look at a table's size"))?;
        let rows: Option<i64> = row.get(0);
        if rows.is_some_and(|rows| rows >= LARGE) && !large.iter().any(|known| known == name) {
            large.push(name.to_owned());
        }
    }
    Ok((lines.join("\n"), large))
}

/// The table that a line of a plan reads as a whole.
fn scanned(line: &str) -> Option<&str> {
    let rest = line.split_once("Seq Scan on ")?.1;
    let name = rest.split_whitespace().next()?;
    Some(name.strip_prefix("tickwerk.").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_of_a_whole_table_is_seen() {
        let line = "   ->  Parallel Seq Scan on orders o  (cost=0.00..2.20 rows=4 width=164)";
        assert_eq!(scanned(line), Some("orders"));
        assert_eq!(scanned("Index Scan using orders_pkey on orders o"), None);
    }
}
