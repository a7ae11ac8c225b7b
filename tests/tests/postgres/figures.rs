//! Read models against the events that they were made of, added up by the server itself, and figures of risk against
//! numbers that can be worked out by hand.

use crate::server::{Database, database};
use crate::support::{db, migrate, ship, text, traded};

/// Two queries must give the same rows, and some.
#[track_caller]
fn same(database: &Database, left: &str, right: &str) {
    let (left_rows, right_rows) = (database.rows(left), database.rows(right));
    assert!(!left_rows.is_empty(), "{left}");
    assert_eq!(left_rows, right_rows, "{left}\n{right}");
}

#[test]
fn candles_statistics_and_activity_are_those_of_the_events() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(1_500);
    migrate(&place.address);
    ship(&place.address, &journal);
    let database = Database::open(&place.address);
    database.execute("SET timezone = 'UTC'");
    for (period, unit) in [("1s", "second"), ("1m", "minute"), ("1h", "hour"), ("1d", "day")] {
        let candles = format!(
            "SELECT started_at, trim_scale(open), trim_scale(high), trim_scale(low), trim_scale(close), trim_scale(volume),
                trim_scale(value), count
             FROM tickwerk.candles WHERE period = '{period}' AND source = 'trades' ORDER BY 1"
        );
        let events = format!(
            "SELECT date_trunc('{unit}', recorded_at), trim_scale((array_agg(price ORDER BY global_position))[1]), trim_scale(max(price)),
                trim_scale(min(price)), trim_scale((array_agg(price ORDER BY global_position DESC))[1]), trim_scale(sum(qty)),
                trim_scale(sum(price * qty)), count(*)
             FROM (SELECT *, (event_data->>'price')::numeric AS price, (event_data->>'qty')::numeric AS qty
                FROM tickwerk.events WHERE event_type = 'market.trade') AS trades GROUP BY 1 ORDER BY 1"
        );
        same(&database, &candles, &events);
    }
    same(
        &database,
        "SELECT day, event_type, source, count FROM tickwerk.event_statistics ORDER BY 1, 2, 3",
        "SELECT date_trunc('day', recorded_at), event_type, source, count(*) FROM tickwerk.events GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    );
    same(
        &database,
        "SELECT event_type, sum(measured), sum(processing_ns) FROM tickwerk.event_statistics WHERE measured > 0 GROUP BY 1 ORDER BY 1",
        "SELECT event_type, count(*), sum(recorded_at_ns - occurred_at_ns) FROM tickwerk.events
         WHERE kind = 'command' AND occurred_at_ns IS NOT NULL GROUP BY 1 ORDER BY 1",
    );
    same(
        &database,
        "SELECT sum(fills), trim_scale(sum(buy_qty + sell_qty)), trim_scale(sum(fees)) FROM tickwerk.trading_activity_unified",
        "SELECT count(*), trim_scale(sum((event_data->>'qty')::numeric)), trim_scale(sum((event_data->>'fee')::numeric))
         FROM tickwerk.events WHERE event_type = 'fill.reported'",
    );
    same(
        &database,
        "SELECT sum(submitted), sum(filled), sum(canceled) FROM tickwerk.trading_activity_unified",
        "SELECT count(*) FILTER (WHERE event_type = 'order.submitted'), count(*) FILTER (WHERE event_type = 'order.filled'),
            count(*) FILTER (WHERE event_type = 'order.canceled') FROM tickwerk.events",
    );
    // Every activity finds its payload, and the timeline of an order is its stream.
    assert_eq!(database.number("SELECT count(*) FROM tickwerk.activity WHERE details IS NULL"), 0);
    same(
        &database,
        "SELECT global_position FROM tickwerk.entity_timeline WHERE entity_type = 'order'
            AND entity_order_id = (SELECT min(order_id) FROM tickwerk.orders) AND event_type LIKE 'order.%' ORDER BY 1",
        "SELECT global_position FROM tickwerk.timeline('order', (SELECT min(order_id)::text FROM tickwerk.orders))
            WHERE event_type LIKE 'order.%' ORDER BY 1",
    );
    same(
        &database,
        "SELECT global_position, details FROM tickwerk.entity_timeline WHERE entity_type = 'account'
            AND entity_id = (SELECT min(account) FROM tickwerk.orders) ORDER BY 1 DESC LIMIT 50",
        "SELECT global_position, details FROM tickwerk.timeline('account', (SELECT min(account) FROM tickwerk.orders))",
    );
    // Pages are those of the views, payloads included.
    let columns = "global_position, title, account, details";
    for (page, rows) in [
        ("feed(NULL, 20)", "WHERE true"),
        ("feed(200, 20)", "WHERE global_position < 200"),
        ("feed(NULL, 20, 'position')", "WHERE category = 'position'"),
    ] {
        let page = format!("SELECT {columns} FROM tickwerk.{page}");
        let rows =
            format!("SELECT {columns} FROM tickwerk.activity {rows} ORDER BY global_position DESC LIMIT 20");
        same(&database, &page, &rows);
    }
    for of_type in ["nothing", "all", "category"] {
        let refused = database.try_rows(&format!("SELECT * FROM tickwerk.timeline('{of_type}', 'x')"));
        assert!(refused.is_err_and(|error| error.contains("there is no type of entity")), "{of_type}");
    }
    let samples = "SELECT count(*), count(DISTINCT date_trunc('second', recorded_at)) FROM tickwerk.orderbook_snapshot WHERE best_bid < best_ask";
    let row = database.rows(samples).remove(0);
    assert!(row[0] == row[1] && row[0].as_deref() != Some("0"), "{row:?}");
    let healthy = db(&place.address, &["status", text(&journal), "--json"]).expect(0).json();
    assert_eq!(healthy["parked"], 0, "{healthy}");
    assert!(database.number("SELECT count(*) FROM tickwerk.system_health_unified WHERE component_type = 'projection' AND status = 'ok'") > 5);
    assert_eq!(
        database.number("SELECT count(*) FROM tickwerk.system_health_unified WHERE status = 'critical'"),
        0
    );
    lag_is_told(&database);
}

/// Nothing is missing behind a whole journal, but nobody is there for what may come; what was durable and not shipped yet is told with its age.
fn lag_is_told(database: &Database) {
    let health = || {
        let sql = "SELECT status, substring(detail FROM '^[^,]*') FROM tickwerk.system_health_unified WHERE component_type = 'replication'";
        database.rows(sql).remove(0).into_iter().map(Option::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(health(), ["warning", "no replicator is there"]);
    database.execute("SELECT pg_advisory_lock(hashtextextended('tickwerk.replicator', 0))");
    assert_eq!(health(), ["ok", "no lag"]);
    for (age, status) in [(5, "ok"), (90, "warning"), (1_000, "critical")] {
        database.execute(&format!(
            "UPDATE tickwerk.checkpoint SET durable_position = global_position + 7,
                recorded_at_ns = (extract(epoch FROM updated_at) - {age})::numeric * 1000000000"
        ));
        assert_eq!(health(), [status, &format!("lag 7 events and {age}.000 seconds")]);
    }
    database.execute("UPDATE tickwerk.checkpoint SET durable_position = NULL");
    assert!(health()[1].ends_with("commits"), "what is not known is not told");
}

#[test]
fn risk_figures_are_those_worked_out_by_hand() {
    let Some(place) = database() else { return };
    migrate(&place.address);
    let database = Database::open(&place.address);
    database.execute("SET timezone = 'UTC'");
    // Equity by hours: a loss of 1, a loss of 4, a deposit of 100, a gain of 2, a loss of 3, a gain of 5.
    database.execute(
        "INSERT INTO tickwerk.accounts (account_id, account, global_position) VALUES (1, 'desk', 1);
         INSERT INTO tickwerk.account_worth (account_id, equity, recorded_at, global_position)
         SELECT 1, equity, '2026-01-01'::timestamptz + n * interval '1 hour' + interval '5 minutes', 10 * n
         FROM (VALUES (1, 1000.00), (2, 999.00), (3, 995.00), (4, 1095.00), (5, 1097.00), (6, 1094.00), (7, 1099.00)) AS of (n, equity);
         INSERT INTO tickwerk.cash_transfers (account_id, amount, global_position) VALUES (1, 100.00, 35)",
    );
    let window = "'2026-01-01', '2026-01-02', '1 hour'";
    let var = |kind: &str, name: &str, confidence: &str| {
        database.rows(&format!(
            "SELECT observations, value_at_risk, expected_shortfall::numeric(9, 3), worst_loss FROM tickwerk.value_at_risk('{kind}', '{name}', {confidence}, {window})"
        ))
    };
    let row = |cells: [&str; 4]| vec![cells.map(|cell| Some(cell.to_owned())).to_vec()];
    // Losses in order: -5, -2, 1, 3, 4.
    assert_eq!(var("account", "desk", "0.8"), row(["5", "3.00", "3.500", "4.00"]));
    assert_eq!(var("account", "desk", "0.6"), row(["5", "1.00", "2.667", "4.00"]));
    // A position: opened at a fee, marked, funded, marked in the next hour.
    database.execute(
        "INSERT INTO tickwerk.positions (account_id, instrument_id, side, account, symbol, qty, open_cost, unrealized, global_position)
            VALUES (1, 1, 'net', 'desk', 'A', 2, 100, -7, 9);
         INSERT INTO tickwerk.position_history (account_id, instrument_id, side, change, realized_total, unrealized, fees_total, funding, recorded_at, global_position)
            VALUES (1, 1, 'net', 'opened', 0, 0, 1, NULL, '2026-01-01 01:10', 1), (1, 1, 'net', 'marked', 0, 4, 1, NULL, '2026-01-01 01:20', 2),
                (1, 1, 'net', 'funding', NULL, NULL, NULL, -2, '2026-01-01 02:00', 3), (1, 1, 'net', 'marked', 0, -7, 1, NULL, '2026-01-01 03:00', 4);
         INSERT INTO tickwerk.strategies (strategy_id, strategy, account_id, instrument_id, global_position) VALUES (1, 'cross', 1, 1, 1), (2, 'copy', 1, 1, 2)",
    );
    let changes = |kind: &str, name: &str| {
        database.rows(&format!("SELECT extract(hour FROM started_at), change FROM tickwerk.profit_changes('{kind}', '{name}', {window}) ORDER BY 1"))
    };
    let expected: Vec<Vec<Option<String>>> = [("1", "3"), ("2", "-2"), ("3", "-11")]
        .map(|(hour, change)| vec![Some(hour.to_owned()), Some(change.to_owned())])
        .to_vec();
    assert_eq!(changes("instrument", "A"), expected);
    assert_eq!(changes("strategy", "cross"), expected);
    let strategies = format!(
        "SELECT strategy, other, observations, round(correlation::numeric, 6) FROM tickwerk.strategy_correlation({window})"
    );
    assert_eq!(database.rows(&strategies), row(["copy", "cross", "3", "1.000000"]));
    assert_eq!(
        database.rows("SELECT symbol, long_value, net_value FROM tickwerk.instrument_exposure"),
        [["A", "93", "93"].map(|cell| Some(cell.to_owned())).to_vec()]
    );
    // B moves with A, C against it.
    database.execute(
        "INSERT INTO tickwerk.candles (instrument_id, period, started_at, source, symbol, close, global_position)
         SELECT i, '1h', '2026-01-01'::timestamptz + n * interval '1 hour', 'trades', symbol, close, n
         FROM (VALUES (1, 100.0, 10.0, 50.0), (2, 110.0, 11.0, 45.45454545454545), (3, 99.0, 9.9, 50.50505050505051), (4, 100.0, 10.0, 50.0)) AS of (n, a, b, c),
            LATERAL (VALUES (1, 'A', a), (2, 'B', b), (3, 'C', c)) AS each (i, symbol, close)",
    );
    let pairs = database.rows(
        "SELECT symbol, other, observations, round(correlation::numeric, 6) FROM tickwerk.instrument_correlation('1h', '2026-01-01', '2026-01-02') ORDER BY 1, 2",
    );
    let expected = [["A", "B", "3", "1.000000"], ["A", "C", "3", "-1.000000"], ["B", "C", "3", "-1.000000"]];
    assert_eq!(pairs, expected.map(|pair| pair.map(|cell| Some(cell.to_owned())).to_vec()));
}
