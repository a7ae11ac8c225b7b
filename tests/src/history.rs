//! History of another system, as tests of the import need it: orders, fills, transfers and market trades out of a seed, as
//! CSV and as SQL, and what they come to by arithmetic of this file's own.
//!
//! Prices and quantities have one decimal and money has two, so that every value is exact. All times differ.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The first of January 2023, in milliseconds.
const START_MS: u64 = 1_672_531_200_000;
/// Accounts and symbols as the other system calls them; ours are in lower case, and with a dash.
const ACCOUNTS: [&str; 2] = ["DESK1", "DESK2"];
const SYMBOLS: [&str; 2] = ["AAAUSD", "BBBUSD"];

/// What the other system knows.
#[derive(Clone, Debug)]
pub struct History {
    /// `id,entered,ended,account,symbol,side,type,qty,price,state,filled`
    pub orders: Vec<Vec<String>>,
    /// `id,at,order_id,price,qty,fee,role`
    pub fills: Vec<Vec<String>>,
    /// `id,at,account,currency,amount,note`
    pub transfers: Vec<Vec<String>>,
    /// `id,at,symbol,price,qty`
    pub trades: Vec<Vec<String>>,
    /// What became of each account and symbol.
    pub expected: BTreeMap<(String, String), Traded>,
    /// What each account paid in, in cents, less what it took out.
    pub paid_in: BTreeMap<String, i64>,
}

/// What an account came to in a symbol. Quantities in tenths, money in cents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traded {
    /// Executions.
    pub fills: i64,
    /// Bought, and for how much.
    pub bought: (i64, i64),
    /// Sold, and for how much.
    pub sold: (i64, i64),
    /// Fees paid.
    pub fees: i64,
    /// What is open, and what it cost; negative for a short position.
    pub open: (i64, i64),
    /// Profit realised.
    pub realized: i64,
}

/// Columns of the four tables, in order.
pub const COLUMNS: [(&str, &[&str]); 4] = [
    (
        "orders",
        &["id", "entered", "ended", "account", "symbol", "side", "type", "qty", "price", "state", "filled"],
    ),
    ("fills", &["id", "at", "order_id", "price", "qty", "fee", "role"]),
    ("transfers", &["id", "at", "account", "currency", "amount", "note"]),
    ("trades", &["id", "at", "symbol", "price", "qty"]),
];

/// Our name of an account or a symbol.
pub fn ours(theirs: &str) -> String {
    match theirs.strip_suffix("USD") {
        Some(base) => format!("{base}-USD"),
        None => theirs.to_lowercase(),
    }
}

/// Digits with one point before the last `scale` of them.
pub fn decimal(value: i64, scale: usize) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{part}", if value < 0 { "-" } else { "" })
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn signed(&mut self, limit: u64) -> i64 {
        i64::try_from(self.below(limit)).expect("a small number")
    }
}

impl History {
    /// A history of so many orders, out of a seed that is not 0.
    pub fn new(seed: u64, orders: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut history = Self {
            orders: Vec::new(),
            fills: Vec::new(),
            transfers: Vec::new(),
            trades: Vec::new(),
            expected: BTreeMap::new(),
            paid_in: BTreeMap::new(),
        };
        let mut booked = Vec::new();
        for number in 0..orders {
            // A thousand milliseconds for each order; everything of it has a millisecond of its own in them or in later ones.
            let at = START_MS + number * 60_000;
            history.order(&mut random, number, at, &mut booked);
            if number % 3 == 0 {
                let symbol = SYMBOLS[usize::try_from(random.below(2)).expect("two")];
                let (price, qty) = (900 + random.signed(200), 1 + random.signed(500));
                let row =
                    [number.to_string(), iso(at + 17), symbol.into(), decimal(price, 1), decimal(qty, 1)];
                history.trades.push(row.to_vec());
            }
            if number % 10 == 0 {
                history.transfer(&mut random, number, at + 23);
            }
        }
        booked.sort_by_key(|(at, ..)| *at);
        for (_, key, is_buy, price, qty, fee) in booked {
            history.expected.entry(key).or_default().book(is_buy, price, qty, fee);
        }
        history
    }

    #[expect(clippy::type_complexity, reason = "one list of plain values")]
    fn order(
        &mut self,
        random: &mut Random,
        number: u64,
        at: u64,
        booked: &mut Vec<(u64, (String, String), bool, i64, i64, i64)>,
    ) {
        let account = ACCOUNTS[usize::try_from(random.below(2)).expect("two")];
        let symbol = SYMBOLS[usize::try_from(random.below(2)).expect("two")];
        let is_buy = random.below(2) == 0;
        let (qty, price) = (10 + random.signed(300), 900 + random.signed(200));
        let state = ["closed", "canceled", "expired", "rejected", "open"]
            [usize::try_from(random.below(5)).expect("five")];
        let parts = if state == "rejected" { 0 } else { 1 + random.below(3) };
        let mut filled = 0;
        for part in 0..parts {
            let left = qty - filled;
            let whole = state == "closed" && part + 1 == parts;
            let size = if whole { left } else { (left / 4).max(1).min(left - 1) };
            if size <= 0 {
                continue;
            }
            filled += size;
            let fill_at = at + 1_000 + part * 90_001 + number % 7;
            let (fill_price, fee) = (price - random.signed(5), random.signed(300));
            let role = if random.below(2) == 0 { "M" } else { "T" };
            self.fills.push(vec![
                format!("X-{number}-{part}"),
                iso(fill_at),
                format!("O-{number}"),
                decimal(fill_price, 1),
                decimal(size, 1),
                decimal(fee, 2),
                role.to_owned(),
            ]);
            booked.push((fill_at, (ours(account), ours(symbol)), is_buy, fill_price, size, fee));
        }
        let ended = if matches!(state, "closed" | "open") { String::new() } else { iso(at + 600_007) };
        self.orders.push(vec![
            format!("O-{number}"),
            iso(at),
            ended,
            account.to_owned(),
            symbol.to_owned(),
            if is_buy { "B" } else { "S" }.to_owned(),
            "limit".to_owned(),
            decimal(qty, 1),
            decimal(price, 1),
            state.to_owned(),
            decimal(filled, 1),
        ]);
    }

    fn transfer(&mut self, random: &mut Random, number: u64, at: u64) {
        let account = ACCOUNTS[usize::try_from(random.below(2)).expect("two")];
        let amount = random.signed(10_000_000) - 2_000_000;
        let amount = if amount == 0 { 1 } else { amount };
        *self.paid_in.entry(ours(account)).or_default() += amount;
        let note = if amount > 0 { "deposit" } else { "withdrawal, as \"asked\"" };
        let row =
            [format!("T{number}"), iso(at), account.into(), "USD".into(), decimal(amount, 2), note.into()];
        self.transfers.push(row.to_vec());
    }

    /// The rows of a table by its name in [`COLUMNS`].
    pub fn table(&self, name: &str) -> &[Vec<String>] {
        match name {
            "orders" => &self.orders,
            "fills" => &self.fills,
            "transfers" => &self.transfers,
            _ => &self.trades,
        }
    }

    /// A table as CSV, its rows in an order that is none.
    pub fn csv(&self, name: &str) -> String {
        let columns = columns(name);
        let mut text = columns.join(",");
        text.push('\n');
        let rows = self.table(name);
        // Every row once, as the step has no divisor in common with the count.
        let steps = rows.len() / 3 + 1..=rows.len() + 1;
        let step = steps.into_iter().find(|step| gcd(*step, rows.len()) == 1).unwrap_or(1);
        for place in 0..rows.len() {
            let cells = rows[place * step % rows.len()]
                .iter()
                .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
            writeln!(text, "{}", cells.collect::<Vec<_>>().join(",")).expect("a string takes all");
        }
        text
    }

    /// All tables as SQL that PostgreSQL and `SQLite` take; every column is text.
    pub fn sql(&self) -> String {
        let mut sql = String::new();
        for (name, columns) in COLUMNS {
            let list: Vec<String> = columns.iter().map(|column| format!("\"{column}\" text")).collect();
            writeln!(sql, "CREATE TABLE {name} ({}, n integer);", list.join(", "))
                .expect("a string takes all");
            for (number, row) in self.table(name).iter().enumerate() {
                let cells: Vec<String> = row
                    .iter()
                    .map(|cell| {
                        if cell.is_empty() {
                            "NULL".to_owned()
                        } else {
                            format!("'{}'", cell.replace('\'', "''"))
                        }
                    })
                    .collect();
                writeln!(sql, "INSERT INTO {name} VALUES ({}, {number});", cells.join(", "))
                    .expect("a string takes all");
            }
        }
        sql
    }

    /// A mapping of all of it; `source` says, for the name of a table, where its rows come from.
    pub fn mapping(&self, source: &dyn Fn(&str) -> String) -> String {
        let mut text = DEFINITIONS.to_owned();
        for (name, rest) in SOURCES {
            write!(text, "\n[[source]]\nname = \"{name}\"\nrows = \"{name}\"\n{}\n{rest}", source(name))
                .expect("a string takes all");
        }
        text
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        COLUMNS.iter().map(|(name, _)| self.table(name).len() as u64).sum()
    }
}

const DEFINITIONS: &str = r#"
[import]
name = "other system"
segment_size_bytes = 131072
[[currency]]
currency = "USD"
scale = 2
[[currency]]
currency = "AAA"
scale = 8
[[currency]]
currency = "BBB"
scale = 1
[[instrument]]
symbol = "AAA-USD"
kind = "spot"
base = "AAA"
quote = "USD"
price_scale = 1
quantity_scale = 1
[[instrument]]
symbol = "BBB-USD"
kind = "spot"
base = "BBB"
quote = "USD"
price_scale = 1
quantity_scale = 1
[[account]]
account = "desk1"
[[account]]
account = "desk2"
[names]
symbol = { AAAUSD = "AAA-USD", BBBUSD = "BBB-USD" }
account = { DESK1 = "desk1", DESK2 = "desk2" }
"#;

const SOURCES: [(&str, &str); 4] = [
    (
        "orders",
        r#"columns = { id = "id", time = "entered", done_at = "ended", account = "account", symbol = "symbol", side = "side", type = "type", qty = "qty", price = "price", status = "state", filled_qty = "filled" }
[source.words]
side = { B = "buy", S = "sell" }
status = { closed = "filled" }
"#,
    ),
    (
        "fills",
        r#"columns = { id = "id", time = "at", order = "order_id", price = "price", qty = "qty", fee = "fee", liquidity = "role" }
words = { liquidity = { M = "maker", T = "taker" } }
"#,
    ),
    (
        "transfers",
        r#"columns = { id = "id", time = "at", account = "account", currency = "currency", amount = "amount", reason = "note" }
"#,
    ),
    (
        "trades",
        "columns = { id = \"id\", time = \"at\", symbol = \"symbol\", price = \"price\", qty = \"qty\" }\n",
    ),
];

impl Traded {
    fn book(&mut self, is_buy: bool, price: i64, qty: i64, fee: i64) {
        self.fills += 1;
        self.fees += fee;
        let sum = if is_buy { &mut self.bought } else { &mut self.sold };
        *sum = (sum.0 + qty, sum.1 + price * qty);
        let sign = if is_buy { 1 } else { -1 };
        let (mut held, mut cost) = self.open;
        let closing = if held.signum() == -sign { held.abs().min(qty) } else { 0 };
        if closing > 0 {
            let released = half_even(cost * closing, held.abs());
            self.realized += -sign * price * closing - released;
            cost -= released;
            held += sign * closing;
        }
        self.open = (held + sign * (qty - closing), cost + sign * price * (qty - closing));
    }
}

/// The nearest whole number, of two the even one; `below` is positive.
fn half_even(above: i64, below: i64) -> i64 {
    let (floor, rest) = (above.div_euclid(below), above.rem_euclid(below));
    match (2 * rest).cmp(&below) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + (floor & 1),
    }
}

fn columns(name: &str) -> &'static [&'static str] {
    COLUMNS.iter().find(|(known, _)| *known == name).map_or(&[], |(_, columns)| columns)
}

fn gcd(left: usize, right: usize) -> usize {
    if right == 0 { left } else { gcd(right, left % right) }
}

/// A time in milliseconds as text, for days of January 2023 and later.
fn iso(ms: u64) -> String {
    const DAY_MS: u64 = 86_400_000;
    let (mut day, rest) = ((ms - START_MS) / DAY_MS, ms % DAY_MS);
    let months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= months[month % 12] {
        day -= months[month % 12];
        month += 1;
    }
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    let year = 2023 + month / 12;
    format!(
        "{year}-{:02}-{:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z",
        month % 12 + 1,
        day + 1,
        rest % 1_000
    )
}
