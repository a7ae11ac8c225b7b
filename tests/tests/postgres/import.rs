//! `import` out of tables of a server, and what an imported journal makes of read models: equal to the other system's own
//! rows, added up by the server, and to arithmetic of the tests' own.

use crate::process;
use crate::server::{Database, Place, database};
use crate::support::{db, last_sequence, migrate, ship, text};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickwerk_tests::history::{History, decimal};
use tickwerk_tests::program;

/// Sources as a server has them: of types of its own, and in an order that texts do not have.
fn mapping(history: &History, address: &str, order_by: &str) -> String {
    history.mapping(&|name| {
        let columns = match name {
            "orders" => "id, entered::timestamptz, ended::timestamptz, account, symbol, side, type, qty::numeric, price::numeric, state, filled::numeric",
            "fills" => "id, at::timestamptz, order_id, price::numeric, qty::numeric, fee::numeric, role",
            "transfers" => "id, at::timestamptz, account, currency, amount::numeric, note",
            _ => "id::bigint, at::timestamptz, symbol, price::numeric, qty::numeric",
        };
        format!(
            "kind = \"postgres\"\nurl = \"{address}\"\nquery = \"SELECT {columns}, n AS \\\"row\\\" FROM {name}\"\norder_by = '{order_by}'"
        )
    })
}

/// A server's database with the tables of a history, and a folder with a mapping of them.
fn with_tables(history: &History, order_by: &str) -> Option<(Place, TempDir, PathBuf)> {
    let place = database()?;
    Database::open(&place.address).execute(&history.sql());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("mapping.toml");
    std::fs::write(&file, mapping(history, &place.address, order_by)).expect("a file can be written");
    Some((place, folder, file))
}

fn import(mapping: &Path, to: &Path, rest: &[&str]) -> process::Finished {
    process::run([&["import", "--mapping", text(mapping), "--to", text(to)], rest].concat())
}

#[test]
fn history_out_of_a_server_makes_read_models_that_are_equal_to_it() {
    let history = History::new(7, 200);
    let Some((source, folder, mapping)) = with_tables(&history, "\"row\" DESC") else { return };
    let journal = folder.path().join("journal");
    let report = import(&mapping, &journal, &["--json"]).expect(0).json();
    assert_eq!(report["rows"], history.rows());
    let Some(place) = database() else { return };
    migrate(&place.address);
    ship(&place.address, &journal);
    let verified = db(&place.address, &["verify", text(&journal), "--json"]).expect(0).json();
    assert_eq!(verified["checked"], last_sequence(&journal), "{verified}");
    assert_eq!(db(&place.address, &["status", text(&journal), "--json"]).expect(0).json()["parked"], 0);

    let models = Database::open(&place.address);
    models.execute("SET timezone = 'UTC'");
    for ((account, symbol), of) in &history.expected {
        let whose = format!("account = '{account}' AND symbol = '{symbol}'");
        let same = |sql: &str, expected: &[String]| {
            let row: Vec<String> = models.rows(sql).remove(0).into_iter().flatten().collect();
            assert_eq!(row, expected, "{sql}");
        };
        let money = |cents: i64| decimal(cents, 2);
        same(
            &format!(
                "SELECT qty, open_cost, realized_total, fees_total FROM tickwerk.positions WHERE {whose}"
            ),
            &[decimal(of.open.0, 1), money(of.open.1), money(of.realized), money(of.fees)],
        );
        same(
            &format!("SELECT realized, fees, net - unrealized FROM tickwerk.profits WHERE {whose}"),
            &[money(of.realized), money(of.fees), money(of.realized - of.fees)],
        );
        same(
            &format!(
                "SELECT count(*), sum(qty) FILTER (WHERE side = 'buy'), sum(value) FILTER (WHERE side = 'buy'),
                    sum(qty) FILTER (WHERE side = 'sell'), sum(value) FILTER (WHERE side = 'sell'), sum(fee), sum(realized)
                 FROM tickwerk.fills WHERE {whose}"
            ),
            &[
                of.fills.to_string(),
                decimal(of.bought.0, 1),
                money(of.bought.1),
                decimal(of.sold.0, 1),
                money(of.sold.1),
                money(of.fees),
                money(of.realized),
            ],
        );
        same(
            &format!("SELECT sum(realized), sum(fees) FROM tickwerk.trades WHERE {whose}"),
            &[money(of.realized), money(of.fees)],
        );
    }
    for (account, paid_in) in &history.paid_in {
        let traded = history.expected.iter().filter(|((of, _), _)| of == account).map(|(_, traded)| traded);
        let cash: i64 = paid_in + traded.map(|of| of.sold.1 - of.bought.1 - of.fees).sum::<i64>();
        let sql = format!(
            "SELECT balance FROM tickwerk.balances WHERE account = '{account}' AND currency = 'USD' AND book = 'client'"
        );
        assert_eq!(models.value(&sql), decimal(cash, 2), "{account}");
    }
    assert_eq!(models.number("SELECT count(*) FROM (SELECT sum(balance) AS sum FROM tickwerk.balances GROUP BY account, currency) AS books WHERE sum <> 0"), 0);
    same_rows(&Database::open(&source.address), &models);
    let told = models.value("SELECT count(*) FROM tickwerk.events WHERE kind = 'command' AND source <> 'import' AND occurred_at_ns IS DISTINCT FROM recorded_at_ns");
    assert_eq!(told, "0", "the stamp of a row is its time");
    let marked = models.value("SELECT metadata->>'opaque' FROM tickwerk.events WHERE global_position = 1");
    assert!(marked.contains("\"tickwerk_import\":1"), "{marked}");
}

/// Orders, candles and activity by the server, out of its own tables and out of read models.
fn same_rows(source: &Database, models: &Database) {
    source.execute("SET timezone = 'UTC'");
    let symbol = "replace(symbol, 'USD', '-USD')";
    let state = "CASE state WHEN 'closed' THEN 'filled' WHEN 'open' THEN 'partially_filled' ELSE state END";
    for (theirs, read_model) in [
        (
            format!("SELECT id, entered::timestamptz, {symbol}, lower(account), trim_scale(qty::numeric), trim_scale(price::numeric), {state}, trim_scale(filled::numeric) FROM orders ORDER BY id COLLATE \"C\""),
            "SELECT client_order_id, created_at, symbol, account, trim_scale(qty), trim_scale(price), status, COALESCE(trim_scale(cum_qty), 0) FROM tickwerk.orders ORDER BY client_order_id COLLATE \"C\"".to_owned(),
        ),
        (
            format!("SELECT date_trunc('day', at::timestamptz), {symbol}, max(price::numeric), min(price::numeric), sum(qty::numeric), count(*) FROM trades GROUP BY 1, 2 ORDER BY 1, 2"),
            "SELECT started_at, symbol, high, low, volume, count FROM tickwerk.candles WHERE period = '1d' AND source = 'trades' ORDER BY 1, 2".to_owned(),
        ),
        (
            "SELECT lower(account), sum(amount::numeric), count(*) FROM transfers GROUP BY 1 ORDER BY 1".to_owned(),
            "SELECT account, sum(amount), count(*) FROM tickwerk.cash_transfers GROUP BY 1 ORDER BY 1".to_owned(),
        ),
        (
            "SELECT date_trunc('day', at::timestamptz), count(*) FROM fills GROUP BY 1 ORDER BY 1".to_owned(),
            "SELECT day, sum(fills) FROM tickwerk.trading_activity WHERE fills > 0 GROUP BY 1 ORDER BY 1".to_owned(),
        ),
    ] {
        let (expected, found) = (source.rows(&theirs), models.rows(&read_model));
        assert!(!expected.is_empty(), "{theirs}");
        assert_eq!(expected, found, "{theirs}\n{read_model}");
    }
}

#[test]
fn a_table_that_changes_or_cannot_be_read_is_told_and_nothing_is_written() {
    let history = History::new(8, 40);
    let Some((source, folder, mapping_file)) = with_tables(&history, "\"row\"") else { return };
    let journal = folder.path().join("journal");
    let mut command = program::command(&["import", "--mapping", text(&mapping_file), "--to", text(&journal)]);
    let killed = program::finish(command.env("TICKWERK_FAILPOINT", "frame.publish:90").spawn().unwrap());
    assert_eq!(killed.status.code(), None, "it was killed");
    let tables = Database::open(&source.address);
    tables.execute("UPDATE transfers SET note = 'another' WHERE n = 0");
    import(&mapping_file, &journal, &[])
        .expect_told(3, &["source \"transfers\" has changed since that import began"]);
    tables.execute(&format!("UPDATE transfers SET note = '{}' WHERE n = 0", history.transfers[0][5]));
    import(&mapping_file, &journal, &[]).expect(0);
    let (through, other) = (last_sequence(&journal), folder.path().join("other"));
    assert!(through > 0);

    let text_of = mapping(&history, &source.address, "\"row\"");
    let with = |old: &str, new: &str| {
        assert!(text_of.contains(old), "{old}");
        std::fs::write(&mapping_file, text_of.replace(old, new)).unwrap();
    };
    for (old, new, code, told) in [
        ("order_by = '\"row\"'", "order_by = 'nobody'", 74, "column \"nobody\" does not exist"),
        ("FROM transfers", "FROM nowhere", 74, "relation \"nowhere\" does not exist"),
        (
            "reason = \"note\"",
            "reason = \"remark\"",
            78,
            "source \"transfers\" has no column \"remark\"; it has id, at",
        ),
        (
            "SELECT id, at::timestamptz, account",
            "DELETE FROM transfers RETURNING id, at, account",
            74,
            "syntax error",
        ),
        (
            "url = ",
            "url_env = \"TICKWERK_NO_SUCH_VARIABLE\" #",
            74,
            "TICKWERK_NO_SUCH_VARIABLE, which `url_env` names, is not set",
        ),
        ("url = \"", "url = \"password=s3cr3t ", 74, "its url holds a password"),
        ("url = \"", "url = \"port=1 ", 74, "cannot be read behind row 0"),
    ] {
        with(old, new);
        let refused = import(&mapping_file, &other, &[]).expect_told(code, &[told]);
        assert!(!refused.stderr.contains("s3cr3t"), "{}", refused.stderr);
        assert!(!other.exists(), "{new}");
    }
}

/// Orders with strategies and amendments, funding and quotes, as another system's files have them.
const DESK: [(&str, &str, &str); 6] = [
    ("strategies", "strategies", "strategy,account,symbol\ntrend,,\ncarry,main,BTC-PERP\n"),
    (
        "orders",
        "orders",
        "id,time,account,symbol,side,type,qty,price,status,done_at,strategy\n\
         A,2024-01-01T01:00:00Z,main,BTC-PERP,buy,limit,2,40000,filled,,carry\n\
         B,2024-01-01T02:00:00Z,main,BTC-PERP,sell,limit,1,41000,canceled,2024-01-01T09:00:00Z,trend\n",
    ),
    (
        "amendments",
        "amendments",
        "order,time,qty,price\nA,2024-01-01T01:20:00Z,3,40100\nB,2024-01-01T02:10:00Z,0.5,41500.5\n",
    ),
    (
        "fills",
        "fills",
        "id,time,order,account,symbol,side,price,qty,fee,liquidity,strategy\n\
         1,2024-01-01T01:15:00Z,A,,,,40000,1,1,maker,\n2,2024-01-01T01:30:00Z,A,,,,40100,2,2,maker,\n\
         3,2024-01-01T10:00:00Z,,main,BTC-PERP,sell,42000,3,3,taker,trend\n",
    ),
    (
        "funding",
        "funding",
        "time,account,symbol,amount,rate,price\n2024-01-01T08:00:00Z,main,BTC-PERP,-12,0.0001,40000\n",
    ),
    (
        "quotes",
        "quotes",
        "time,symbol,bid_price,bid_qty,ask_price,ask_qty\n2024-01-01T00:30:00Z,BTC-PERP,39999,1,40001,1\n\
         2024-01-01T00:40:00Z,BTC-PERP,40099,1,40103,1\n",
    ),
];

#[test]
fn strategies_amendments_funding_and_quotes_are_in_the_read_models() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut mapping = "[import]\nname = \"desk\"\n[[currency]]\ncurrency = \"USD\"\nscale = 2\n[[currency]]\ncurrency = \"BTC\"\n\
                       scale = 8\n[[instrument]]\nsymbol = \"BTC-PERP\"\nkind = \"linear\"\nbase = \"BTC\"\nquote = \"USD\"\n\
                       price_scale = 1\nquantity_scale = 3\n[[account]]\naccount = \"main\"\n"
        .to_owned();
    for (name, rows, lines) in DESK {
        std::fs::write(folder.path().join(format!("{name}.csv")), lines).expect("a file can be written");
        let fields = lines.lines().next().expect("a line of names").split(',');
        let columns: Vec<String> = fields.map(|field| format!("{field} = \"{field}\"")).collect();
        let source = format!(
            "[[source]]\nname = \"{name}\"\nrows = \"{rows}\"\nkind = \"csv\"\npath = \"{name}.csv\"\ncolumns = {{ {} }}\n",
            columns.join(", ")
        );
        mapping += &source;
    }
    let file = folder.path().join("mapping.toml");
    std::fs::write(&file, mapping).expect("a file can be written");
    let journal = folder.path().join("journal");
    import(&file, &journal, &[]).expect(0);
    let Some(place) = database() else { return };
    migrate(&place.address);
    ship(&place.address, &journal);
    assert_eq!(db(&place.address, &["verify", text(&journal), "--json"]).expect(0).json()["ok"], true);
    let models = Database::open(&place.address);
    models.execute("SET timezone = 'UTC'");
    for (sql, expected) in [
        (
            "SELECT client_order_id, status, qty, price, cum_qty, strategy FROM tickwerk.orders ORDER BY order_id",
            "A filled 3.000 40100.0 3.000 carry, B canceled 0.500 41500.5 0.000 trend, - filled 3.000 - 3.000 trend",
        ),
        (
            "SELECT strategy, account, symbol, is_enabled FROM tickwerk.strategies ORDER BY 1",
            "carry main BTC-PERP f, trend - - f",
        ),
        ("SELECT strategy FROM tickwerk.fills ORDER BY recorded_at", "carry, carry, trend"),
        // 3 × 42,000 − 40,000 − 2 × 40,100; fees of 6, funding of 12.
        ("SELECT realized, fees, funding, net FROM tickwerk.profits", "5800.00 6.00 -12.00 5782.00"),
        ("SELECT qty, funding_total FROM tickwerk.positions", "0.000 -12.00"),
        ("SELECT strategy, realized, funding, net FROM tickwerk.trades", "carry 5800.00 -12.00 5782.00"),
        (
            "SELECT book, balance FROM tickwerk.balances WHERE book IN ('client', 'funding') ORDER BY 1",
            "client 5782.00, funding 12.00",
        ),
        (
            "SELECT open, high, low, close, count FROM tickwerk.candles WHERE period = '1h' AND source = 'quotes'",
            "40000.00 40101.00 40000.00 40101.00 2",
        ),
    ] {
        let rows: Vec<String> = models
            .rows(sql)
            .iter()
            .map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(rows.join(", "), expected, "{sql}");
    }
    let held = db(&place.address, &["as-of", "positions", "--time", "2024-01-01T08:30:00Z", "--json"])
        .expect(0)
        .json();
    let row = &held["rows"][0];
    assert_eq!((&row["qty"], &row["funding_total"]), (&"3.000".into(), &"-12.00".into()), "{held}");
}
