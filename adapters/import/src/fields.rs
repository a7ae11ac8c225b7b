//! What a source's rows may be, and the fields that each of them has.
//!
//! The table of `IMPORT.md` is made from here; a test holds both together.

use serde::Deserialize;

/// What the rows of a source are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Currencies and assets.
    Currencies,
    /// What can be traded.
    Instruments,
    /// Trading accounts.
    Accounts,
    /// Orders with their final state.
    Orders,
    /// Executions.
    Fills,
    /// Deposits, withdrawals and other cash movements.
    Transfers,
    /// Positions at a date.
    Positions,
    /// Balances at a date.
    Balances,
    /// Trades of the market.
    Trades,
    /// Bars of the market.
    Candles,
}

/// How the text of a field is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// A time, by the source's format and zone.
    Time,
    /// Any text.
    Text,
    /// The source's own id: text.
    Id,
    /// A number without a sign.
    Number,
    /// Decimals of an amount: 0 to 18.
    Scale,
    /// A symbol, which must be defined.
    Symbol,
    /// An account, which must be defined.
    Account,
    /// A currency, which must be defined.
    Currency,
    /// A decimal with the scale of the instrument's prices.
    Price,
    /// A decimal with the scale of the instrument's quantities.
    Qty,
    /// A decimal with the scale of its currency.
    Money,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// Whether a field must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// In the mapping and in every row.
    Always,
    /// In the mapping; may be empty in a row where that makes sense.
    Mapped,
    /// Not at all.
    May,
}

/// A field of a row.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in the mapping.
    pub name: &'static str,
    /// How it is read.
    pub kind: FieldKind,
    /// Whether it must be there.
    pub need: Need,
    /// What it is.
    pub about: &'static str,
}

use FieldKind as K;
use Need::{Always, Mapped, May};

const fn field(name: &'static str, kind: FieldKind, need: Need, about: &'static str) -> Field {
    Field { name, kind, need, about }
}

const SIDES: &[&str] = &["buy", "sell"];
const EFFECTS: &[&str] = &["auto", "open", "close"];
const TYPES: &[&str] =
    &["market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched", "limit_if_touched"];
const TIMES_IN_FORCE: &[&str] = &["gtc", "ioc", "fok", "day", "gtd", "at_the_open", "at_the_close"];
const STATUSES: &[&str] = &["open", "filled", "canceled", "rejected", "expired"];

static CURRENCIES: &[Field] = &[
    field("currency", K::Text, Always, "its code"),
    field("scale", K::Scale, Always, "decimals of its amounts"),
];
static INSTRUMENTS: &[Field] = &[
    field("symbol", K::Text, Always, "its name"),
    field("kind", K::Word(&["spot", "linear", "inverse"]), Always, "how it settles"),
    field("base", K::Currency, Always, "what is bought and sold"),
    field("quote", K::Currency, Always, "what the price is in"),
    field("price_scale", K::Scale, Always, "decimals of prices"),
    field("quantity_scale", K::Scale, Always, "decimals of quantities"),
    field("multiplier", K::Number, May, "units of a contract; 1"),
];
static ACCOUNTS: &[Field] = &[
    field("account", K::Text, Always, "its name"),
    field("mode", K::Word(&["netting", "hedging"]), May, "how it counts positions; netting"),
];
static ORDERS: &[Field] = &[
    field("id", K::Id, Always, "the source's id of the order; once in the import"),
    field("time", K::Time, Always, "when it was entered"),
    field("account", K::Account, Always, "whose"),
    field("symbol", K::Symbol, Always, "which market"),
    field("side", K::Word(SIDES), Always, "which way"),
    field("type", K::Word(TYPES), Always, "how it was priced"),
    field("qty", K::Qty, Always, "order quantity"),
    field("price", K::Price, Mapped, "limit price; needed for types with a limit"),
    field("status", K::Word(STATUSES), Always, "how it ended, or `open`"),
    field("done_at", K::Time, Mapped, "when it ended; needed for canceled, rejected and expired"),
    field("trigger_price", K::Price, May, "trigger price"),
    field("time_in_force", K::Word(TIMES_IN_FORCE), May, "gtc; ioc for a market order"),
    field("expires_at", K::Time, May, "end of a GTD order"),
    field("position_effect", K::Word(EFFECTS), May, "auto; decides the side in hedging mode"),
    field("filled_qty", K::Qty, May, "compared with the sum of its fills"),
    field("client_order_id", K::Text, May, "the id, where that fits 36 characters"),
    field("venue_order_id", K::Number, May, "the venue's id, a number"),
];
static FILLS: &[Field] = &[
    field(
        "id",
        K::Id,
        Always,
        "the source's id of the execution; once for an order or, without one, a symbol",
    ),
    field("time", K::Time, Always, "when it happened"),
    field("order", K::Id, May, "id of its order, of a source of orders; empty for none"),
    field("account", K::Account, May, "whose; needed without an order"),
    field("symbol", K::Symbol, May, "which market; needed without an order"),
    field("side", K::Word(SIDES), May, "which way; needed without an order"),
    field("price", K::Price, Always, "price"),
    field("qty", K::Qty, Always, "quantity"),
    field("fee", K::Money, May, "fee, negative for a rebate; 0"),
    field("fee_currency", K::Currency, May, "its currency; the settlement currency"),
    field("liquidity", K::Word(&["maker", "taker"]), Always, "maker or taker"),
    field("position_effect", K::Word(EFFECTS), May, "as for orders; without an order only"),
];
static TRANSFERS: &[Field] = &[
    field("id", K::Id, May, "the source's id; once in the import"),
    field("time", K::Time, Always, "when it happened"),
    field("account", K::Account, Always, "whose"),
    field("currency", K::Currency, Always, "of what"),
    field("amount", K::Money, Always, "positive for what comes, negative for what leaves"),
    field("direction", K::Word(&["in", "out"]), May, "where amounts have no sign"),
    field("reason", K::Text, May, "why; up to 96 bytes"),
];
static POSITIONS: &[Field] = &[
    field("time", K::Time, Always, "the date"),
    field("account", K::Account, Always, "whose"),
    field("symbol", K::Symbol, Always, "which market"),
    field("qty", K::Qty, Always, "what was open; negative for a short position"),
    field("price", K::Price, Mapped, "average price; needed with `use = \"open\"` unless qty is 0"),
    field(
        "side",
        K::Word(&["net", "long", "short"]),
        May,
        "which position; net, or by the sign in hedging mode",
    ),
];
static BALANCES: &[Field] = &[
    field("time", K::Time, Always, "the date"),
    field("account", K::Account, Always, "whose"),
    field("currency", K::Currency, Always, "of what"),
    field("amount", K::Money, Always, "what was there"),
];
static TRADES: &[Field] = &[
    field("id", K::Number, May, "the venue's id, a number; once for a symbol"),
    field("time", K::Time, Always, "when it happened"),
    field("symbol", K::Symbol, Always, "which market"),
    field("price", K::Price, Always, "price"),
    field("qty", K::Qty, Always, "quantity"),
    field("aggressor", K::Word(&["unknown", "buyer", "seller"]), May, "who started it; unknown"),
];
static CANDLES: &[Field] = &[
    field("time", K::Time, Always, "when the bar begins"),
    field("symbol", K::Symbol, Always, "which market"),
    field("open", K::Price, Always, "first price"),
    field("high", K::Price, Always, "highest price"),
    field("low", K::Price, Always, "lowest price"),
    field("close", K::Price, Always, "last price"),
    field("volume", K::Qty, Always, "quantity traded; 0 for a bar in which nothing was"),
];

impl What {
    /// All of them, definitions first.
    pub const ALL: &[Self] = &[
        Self::Currencies,
        Self::Instruments,
        Self::Accounts,
        Self::Orders,
        Self::Fills,
        Self::Transfers,
        Self::Positions,
        Self::Balances,
        Self::Trades,
        Self::Candles,
    ];

    /// The word for it in a mapping.
    pub fn word(self) -> &'static str {
        match self {
            Self::Currencies => "currencies",
            Self::Instruments => "instruments",
            Self::Accounts => "accounts",
            Self::Orders => "orders",
            Self::Fills => "fills",
            Self::Transfers => "transfers",
            Self::Positions => "positions",
            Self::Balances => "balances",
            Self::Trades => "trades",
            Self::Candles => "candles",
        }
    }

    /// Whether it defines what others name.
    pub fn is_definition(self) -> bool {
        match self {
            Self::Currencies | Self::Instruments | Self::Accounts => true,
            Self::Orders
            | Self::Fills
            | Self::Transfers
            | Self::Positions
            | Self::Balances
            | Self::Trades
            | Self::Candles => false,
        }
    }

    /// Its fields.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Currencies => CURRENCIES,
            Self::Instruments => INSTRUMENTS,
            Self::Accounts => ACCOUNTS,
            Self::Orders => ORDERS,
            Self::Fills => FILLS,
            Self::Transfers => TRANSFERS,
            Self::Positions => POSITIONS,
            Self::Balances => BALANCES,
            Self::Trades => TRADES,
            Self::Candles => CANDLES,
        }
    }

    /// The field with this name.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }
}

impl FieldKind {
    /// How it is told in the documentation.
    pub fn told(self) -> String {
        match self {
            Self::Time => "time".to_owned(),
            Self::Text | Self::Id => "text".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Scale => "0 to 18".to_owned(),
            Self::Symbol => "symbol".to_owned(),
            Self::Account => "account".to_owned(),
            Self::Currency => "currency".to_owned(),
            Self::Price => "price".to_owned(),
            Self::Qty => "quantity".to_owned(),
            Self::Money => "amount".to_owned(),
            Self::Word(words) => words.join(", "),
        }
    }

    /// Whether its text is a decimal.
    pub fn is_decimal(self) -> bool {
        matches!(self, Self::Price | Self::Qty | Self::Money)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// The table of `IMPORT.md`; `UPDATE_GOLDEN=1` writes it again.
    #[test]
    fn the_page_lists_every_field() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/IMPORT.md");
        let page = std::fs::read_to_string(path).expect("the page is there");
        let mut table = String::from("| rows | field | needed | read as | what |\n|---|---|---|---|---|\n");
        for what in What::ALL {
            for field in what.fields() {
                let need = match field.need {
                    Need::Always => "yes",
                    Need::Mapped => "mapped",
                    Need::May => "",
                };
                let (kind, about) = (field.kind.told(), field.about);
                writeln!(table, "| `{}` | `{}` | {need} | {kind} | {about} |", what.word(), field.name)
                    .expect("a string takes all");
            }
        }
        let (begin, end) = ("<!-- fields -->\n", "<!-- /fields -->");
        let start = page.find(begin).expect("the page has a place for it") + begin.len();
        let stop = page.find(end).expect("the place has an end");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let new = format!("{}{table}{}", &page[..start], &page[stop..]);
            std::fs::write(path, new).expect("the page can be written");
            return;
        }
        assert!(
            page[start..stop] == table,
            "the table of {path} is not that of fields.rs; UPDATE_GOLDEN=1 writes it"
        );
    }
}
