//! What a source's rows may be, and the fields that each of them has.
//!
//! The table of `IMPORT.md` is made from here; a test holds both together.

mod tables;

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
    /// What orders are for.
    Strategies,
    /// Orders with their final state.
    Orders,
    /// New terms of orders.
    Amendments,
    /// Executions.
    Fills,
    /// Deposits, withdrawals and other cash movements.
    Transfers,
    /// Funding of positions.
    Funding,
    /// Positions at a date.
    Positions,
    /// Balances at a date.
    Balances,
    /// Trades of the market.
    Trades,
    /// Bars of the market.
    Candles,
    /// Best bids and asks of the market.
    Quotes,
}

/// What is told of a kind of rows in one place.
struct Told {
    word: &'static str,
    defines: Option<&'static str>,
    fields: &'static [Field],
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
    /// A name of such a thing, which must be defined.
    Name(What),
    /// A fraction with eight decimals.
    Rate,
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

impl What {
    /// All of them, definitions first, each behind those that it may name.
    pub const ALL: &[Self] = &[
        Self::Currencies,
        Self::Instruments,
        Self::Accounts,
        Self::Strategies,
        Self::Orders,
        Self::Amendments,
        Self::Fills,
        Self::Transfers,
        Self::Funding,
        Self::Positions,
        Self::Balances,
        Self::Trades,
        Self::Candles,
        Self::Quotes,
    ];

    fn told(self) -> Told {
        let defines = |word, name, fields| Told { word, defines: Some(name), fields };
        let happened = |word, fields| Told { word, defines: None, fields };
        match self {
            Self::Currencies => defines("currencies", "currency", tables::CURRENCIES),
            Self::Instruments => defines("instruments", "symbol", tables::INSTRUMENTS),
            Self::Accounts => defines("accounts", "account", tables::ACCOUNTS),
            Self::Strategies => defines("strategies", "strategy", tables::STRATEGIES),
            Self::Orders => happened("orders", tables::ORDERS),
            Self::Amendments => happened("amendments", tables::AMENDMENTS),
            Self::Fills => happened("fills", tables::FILLS),
            Self::Transfers => happened("transfers", tables::TRANSFERS),
            Self::Funding => happened("funding", tables::FUNDING),
            Self::Positions => happened("positions", tables::POSITIONS),
            Self::Balances => happened("balances", tables::BALANCES),
            Self::Trades => happened("trades", tables::TRADES),
            Self::Candles => happened("candles", tables::CANDLES),
            Self::Quotes => happened("quotes", tables::QUOTES),
        }
    }

    /// The word for it in a mapping.
    pub fn word(self) -> &'static str {
        self.told().word
    }

    /// What others name it by, where it defines something: the field with its name, and the key of `[names]`.
    pub fn defines(self) -> Option<&'static str> {
        self.told().defines
    }

    /// Whether it defines what others name.
    pub fn is_definition(self) -> bool {
        self.defines().is_some()
    }

    /// Its fields.
    pub fn fields(self) -> &'static [Field] {
        self.told().fields
    }

    /// The field with this name.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.place(name).map(|place| &self.fields()[place])
    }

    /// The place of a field among its fields.
    pub(crate) fn place(self, name: &str) -> Option<usize> {
        self.fields().iter().position(|field| field.name == name)
    }
}

impl FieldKind {
    /// How it is told in the documentation.
    pub fn told(self) -> String {
        let word = match self {
            Self::Time => "time",
            Self::Text | Self::Id => "text",
            Self::Number => "number",
            Self::Scale => "0 to 18",
            Self::Name(what) => what.defines().unwrap_or_default(),
            Self::Price => "price",
            Self::Qty => "quantity",
            Self::Money => "amount",
            Self::Rate => "fraction",
            Self::Word(words) => return words.join(", "),
        };
        word.to_owned()
    }

    /// Whether its text is a decimal.
    pub fn is_decimal(self) -> bool {
        matches!(self, Self::Price | Self::Qty | Self::Money | Self::Rate)
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
