//! Read models against each other and against themselves as they were: what is asked of a past moment is what a fold to
//! that moment gave, and sums over one model are those over another.

use crate::fixture::{Bench, capture, capture_config};
use crate::process;
use crate::server::{Database, database};
use crate::support::{checkpoint, db, last_sequence, migrate, ship, start_shipping, wait_until_shipped};
use std::path::PathBuf;

/// A journal of a strategy that trades, with marks of its positions and its account.
fn marked(steps: u64) -> (Bench, PathBuf) {
    let config = capture_config(5_000_000)
        .replace("[feed]", "[reference]\ncurrency = \"USDT\"\n[feed]")
        .replace("venue_latency_ns", "mark_interval_ms = 1000\nvenue_latency_ns");
    let bench = Bench::new(&config);
    std::fs::write(bench.path("capture.txt"), capture(steps)).expect("a file can be written");
    let journal = bench.journal();
    process::run(bench.arguments(&journal, &[])).expect(0);
    (bench, journal)
}

/// A current table and the function that tells how it was, with the columns that both have.
const PAIRS: [(&str, &str, &str); 4] = [
    (
        "positions",
        "positions_as_of({})",
        "account_id, instrument_id, side, account, symbol, qty, open_cost, realized_total, unrealized, fees_total,
         funding_total, mark, first_at, updated_at, global_position",
    ),
    (
        "balances",
        "balances_as_of({})",
        "account_id, currency_id, book, account, currency, balance, updated_at, global_position",
    ),
    (
        "orders",
        "orders_as_of({}, true)",
        "order_id, account, symbol, strategy, client_order_id, side, order_type, time_in_force, venue_order_id, status,
         price, qty, trigger_price, display_qty, cum_qty, leaves_qty, cum_value, cum_fee, reason, created_at, updated_at,
         global_position",
    ),
    (
        "profits",
        "profit_as_of({})",
        "account_id, instrument_id, side, account, symbol, currency, realized, unrealized, fees, funding, net, updated_at,
         global_position",
    ),
];

fn rows_of(database: &Database, from: &str, columns: &str) -> Vec<Vec<Option<String>>> {
    database.rows(&format!("SELECT {columns} FROM tickwerk.{from} ORDER BY 1, 2, 3"))
}

#[test]
fn a_past_moment_is_what_a_fold_to_it_gave() {
    let (Some(whole), Some(growing)) = (database(), database()) else { return };
    let (_bench, journal) = marked(800);
    migrate(&whole.address);
    ship(&whole.address, &journal);
    migrate(&growing.address);
    let (past, now) = (Database::open(&whole.address), Database::open(&growing.address));
    let last = last_sequence(&journal);
    let mut moments = 0;
    for part in 1..=4 {
        let replicator = start_shipping(&growing.address, &journal, 20);
        wait_until_shipped(&growing.address, last * part / 5);
        replicator.kill();
        // Its last transaction may still be on its way.
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tickwerk replicator%'
            AND datname = current_database()";
        process::wait_for("the end of the replicator's connection", || (now.number(idle) == 0).then_some(()));
        let at = checkpoint(&growing.address);
        moments += u64::from(at < last);
        for (table, function, columns) in PAIRS {
            let then = rows_of(&past, &function.replace("{}", &format!("{at}::bigint")), columns);
            assert_eq!(then, rows_of(&now, table, columns), "{table} at {at}");
            assert!(!then.is_empty() || part == 1, "{table} at {at}");
            let open = "status NOT IN ('filled', 'canceled', 'rejected', 'expired')";
            if table == "orders" {
                let then = past.number(&format!("SELECT count(*) FROM tickwerk.orders_as_of({at}::bigint)"));
                assert_eq!(then, now.number(&format!("SELECT count(*) FROM tickwerk.orders WHERE {open}")));
            }
        }
        // A time stands for the last record that has it.
        let time =
            past.value(&format!("SELECT recorded_at FROM tickwerk.events WHERE global_position = {at}"));
        let sql = format!("SELECT max(global_position) FROM tickwerk.events WHERE recorded_at <= '{time}'");
        let through = past.value(&sql);
        for (table, function, columns) in PAIRS {
            let by_time = rows_of(&past, &function.replace("{}", &format!("timestamptz '{time}'")), columns);
            let by_sequence = rows_of(&past, &function.replace("{}", &format!("{through}::bigint")), columns);
            assert_eq!(by_time, by_sequence, "{table} at {time}");
        }
    }
    assert!(moments >= 3, "the moments lie in the middle of the journal");
    // One figure of one past row, and it is found out.
    let at = checkpoint(&growing.address);
    past.execute(&format!(
        "UPDATE tickwerk.position_history SET fees_total = fees_total + 0.01 WHERE global_position =
         (SELECT max(global_position) FROM tickwerk.position_history WHERE global_position <= {at})"
    ));
    let (table, function, columns) = PAIRS[0];
    let then = rows_of(&past, &function.replace("{}", &format!("{at}::bigint")), columns);
    assert_ne!(then, rows_of(&now, table, columns), "a past that was changed is another one");
}

#[test]
fn the_command_tells_a_past_moment_and_refuses_one_to_come() {
    let Some(place) = database() else { return };
    let (_bench, journal) = marked(400);
    migrate(&place.address);
    ship(&place.address, &journal);
    let last = last_sequence(&journal);
    let ask = |rest: &[&str]| {
        let arguments: Vec<&str> = ["as-of"].iter().chain(rest).copied().collect();
        db(&place.address, &arguments)
    };
    let database = Database::open(&place.address);
    for (what, table) in [("positions", "positions"), ("balances", "balances"), ("profit", "profits")] {
        let told = ask(&[what, "--sequence", &last.to_string(), "--json"]).expect(0).json();
        let rows = told["rows"].as_array().expect("rows");
        assert_eq!(
            rows.len() as u64,
            database.number(&format!("SELECT count(*) FROM tickwerk.{table}")),
            "{told}"
        );
        assert_eq!(rows[0]["account"], "paper", "{told}");
    }
    let told = ask(&["orders", "--time", "2023-11-14T22:13:30Z", "--also-done", "--json"]).expect(0).json();
    let before = "SELECT count(*) FROM tickwerk.orders WHERE created_at <= '2023-11-14T22:13:30Z'";
    assert_eq!(told["rows"].as_array().expect("rows").len() as u64, database.number(before), "{told}");
    let early = ask(&["positions", "--sequence", "1"]).expect(0);
    assert!(early.stdout.contains("nothing of it at sequence 1"), "{}", early.stdout);
    let to_come = (last + 1).to_string();
    ask(&["positions", "--sequence", &to_come]).expect_told(1, &["positions is at sequence", "not yet at"]);
    ask(&["positions", "--sequence", &u64::MAX.to_string()]).expect_told(1, &["not yet at"]);
    // Before the first record there was nothing; behind the last one nobody knows.
    for early in ["1969-07-20T20:17:40Z", "1970-01-01T00:00:00Z", "-009999-01-02T01:59:59Z"] {
        let told = ask(&["orders", "--also-done", &format!("--time={early}")]).expect(0);
        assert!(told.stdout.contains("nothing of it at sequence 0\n"), "{early}: {}", told.stdout);
    }
    let past = ask(&["profit", "--time", "2023-11-14T22:13:30Z", "--json"]).expect(0).json();
    assert!(past["reached"].is_null(), "{past}");
    let late = ask(&["profit", "--time", "9999-12-30T00:00:00Z", "--json"]).expect(0).json();
    let last_time = database.value("SELECT max(recorded_at) FROM tickwerk.events");
    let reached = late["reached"].as_str().expect("a time").get(..19).map(|time| time.replace('T', " "));
    assert_eq!(reached.as_deref(), last_time.get(..19), "{late}");
    ask(&["positions"]).expect_told(2, &["--sequence", "--time"]);
}

#[test]
fn arguments_that_mean_nothing_are_refused_and_not_answered() {
    let Some(place) = database() else { return };
    migrate(&place.address);
    let database = Database::open(&place.address);
    let window = "'2023-11-14', '2023-11-15', '1 min'";
    for (call, words) in [
        ("positions_as_of(NULL::bigint)", "NULL is no sequence"),
        ("orders_as_of(NULL::timestamptz)", "NULL is no sequence"),
        ("balances_as_of(-1)", "-1 is no sequence"),
        ("feed(NULL, -1)", "a page has up to 10000 entries, not -1"),
        ("feed(NULL, NULL)", "a page has up to 10000 entries, not NULL"),
        ("timeline('order', '7', NULL, 1000000)", "a page has up to 10000 entries"),
        ("timeline('nobody', '7')", "there is no type of entity nobody"),
        (&format!("profit_changes('nobody', 'x', {window})"), "there is no profit of kind nobody"),
        (&format!("value_at_risk('account', 'x', 1.5, {window})"), "1.5 is no confidence"),
        ("profit_changes('account', 'x', '2023-11-15', '2023-11-14', '1 min')", "nothing lies between"),
        ("profit_changes('account', 'x', NULL, '2023-11-14', '1 min')", "nothing lies between"),
        ("strategy_correlation('2023-11-14', '2023-11-15', '-1 min')", "is no step of time"),
        ("instrument_correlation('1x', '2023-11-14', '2023-11-15')", "is no step of time"),
    ] {
        let error = database.try_rows(&format!("SELECT * FROM tickwerk.{call}")).expect_err(call);
        assert!(error.contains(words), "{call}: {error}");
    }
    for call in ["feed(-5, 0)", &format!("value_at_risk('account', 'x', 0.99, {window})")] {
        database.rows(&format!("SELECT * FROM tickwerk.{call}"));
    }
}

/// What two read models say of the same.
const SUMS: [(&str, &str); 10] = [
    (
        "SELECT sum(realized) FROM tickwerk.profit_series WHERE period = 'day'",
        "SELECT sum(realized_total) FROM tickwerk.positions",
    ),
    (
        "SELECT sum(fees) FROM tickwerk.profit_series WHERE period = 'minute'",
        "SELECT sum(fees_total) FROM tickwerk.positions",
    ),
    ("SELECT sum(net) FROM tickwerk.profits", "SELECT sum(realized + unrealized - fees + funding) FROM tickwerk.profits"),
    ("SELECT sum(fills) FROM tickwerk.profit_series WHERE period = 'day'", "SELECT count(*) FROM tickwerk.fills"),
    ("SELECT sum(value) FROM tickwerk.fills", "SELECT sum(cum_value) FROM tickwerk.orders"),
    ("SELECT sum(fee) FROM tickwerk.fills", "SELECT sum(cum_fee) FROM tickwerk.orders"),
    ("SELECT sum(realized) FROM tickwerk.trades", "SELECT sum(realized_total) FROM tickwerk.positions"),
    (
        "SELECT sum(trades) FROM tickwerk.trade_statistics",
        "SELECT count(*) FROM tickwerk.trades WHERE closed_at IS NOT NULL",
    ),
    (
        "SELECT sum(gross_profit + gross_loss) FROM tickwerk.trade_statistics",
        "SELECT sum(net) FROM tickwerk.trades WHERE closed_at IS NOT NULL",
    ),
    (
        "SELECT sum(deposits - coalesce(withdrawals, 0) + coalesce(traded, 0) - coalesce(fees, 0) + coalesce(funding, 0))
         FROM (SELECT coalesce(deposits, 0) AS deposits, withdrawals, traded, fees, funding FROM tickwerk.portfolio_flows
            WHERE currency = 'USDT') f",
        "SELECT sum(balance) FROM tickwerk.balances WHERE currency = 'USDT' AND book = 'client'",
    ),
];

#[test]
fn read_models_agree_and_a_reader_may_look_at_all_of_them() {
    let Some(place) = database() else { return };
    let (_bench, journal) = marked(1_200);
    migrate(&place.address);
    ship(&place.address, &journal);
    let database = Database::open(&place.address);
    assert_eq!(database.number("SELECT count(*) FROM tickwerk.parked"), 0);
    database.execute("SET ROLE tickwerk_reader");
    for (one, other) in SUMS {
        let sql = format!("SELECT coalesce(({one}) = ({other}), false)");
        assert_eq!(database.value(&sql), "t", "{} and {}: {one}", database.value(one), database.value(other));
    }
    let filled = "SELECT count(*) FROM tickwerk.";
    for table in [
        "accounts",
        "account_worth",
        "currencies",
        "instruments",
        "fills",
        "trades",
        "signals",
        "limits",
        "limit_versions",
        "risk_decisions",
        "portfolio_snapshots",
        "portfolio_performance_unified",
        "trade_statistics_unified",
        "profit_series_unified",
        "stock_analysis_unified",
        "audit_log",
    ] {
        assert!(database.number(&format!("{filled}{table}")) > 0, "{table}");
    }
    let sql =
        "SELECT recommendation || ' ' || jsonb_array_length(history) || ' ' || (confidence BETWEEN 0 AND 1)
        FROM tickwerk.stock_analysis_unified WHERE strategy = 'trend' AND symbol = 'TESTUSDT'";
    let analysis = database.value(sql);
    assert!(analysis.ends_with(" 10 true"), "{analysis}");
    let sql = "SELECT outcome || ' ' || after || ' ' || source FROM tickwerk.audit_log WHERE subject = 'position_quantity'";
    assert_eq!(database.value(sql), "done 2.000 config");
    let sql = "SELECT count(*) FROM tickwerk.portfolio_performance_unified WHERE drawdown < 0 OR equity <> day_equity + transfers + gain";
    assert_eq!(database.number(sql), 0);
    let sql =
        "SELECT count(DISTINCT scope) FROM tickwerk.trade_statistics_unified WHERE win_rate BETWEEN 0 AND 1";
    assert_eq!(database.number(sql), 3);
    let refused = database.try_rows("DELETE FROM tickwerk.fills").expect_err("a reader only reads");
    assert!(refused.contains("permission denied"), "{refused}");
}
