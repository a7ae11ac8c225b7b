//! Balances: what each book of the ledger holds, by account and currency, and each change of it.
//!
//! A leg takes from one book what it gives another, so all books of a currency sum to zero.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::BTreeMap;
use tickwerk_domain::event::LedgerBook;
use tickwerk_domain::{AccountId, CurrencyId, Event, Money, Payload, parse_decimal_i128};
use tokio_postgres::SimpleQueryRow;

static TABLES: &[Table] = &[
    Table {
        name: "balances",
        rows: Rows::Current,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::key("currency_id", Type::Int8),
            Column::key("book", Type::Text),
            Column::set("account", Type::Text),
            Column::set("currency", Type::Text),
            Column::set("scale", Type::Int8),
            Column::set("balance", Type::Numeric),
            Column::set("updated_at", Type::Timestamp),
        ],
        indexes: &["(account)"],
    },
    Table {
        name: "balance_history",
        rows: Rows::Appended,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::key("currency_id", Type::Int8),
            Column::key("book", Type::Text),
            Column::set("change", Type::Numeric),
            Column::set("balance", Type::Numeric),
            Column::set("recorded_at", Type::Timestamp),
        ],
        indexes: &["(recorded_at, global_position)"],
    },
];

type Book = (AccountId, CurrencyId, LedgerBook);

/// Remembers what each book holds.
#[derive(Debug, Default)]
pub(crate) struct Balances {
    held: BTreeMap<Book, i128>,
}

impl Projection for Balances {
    fn name(&self) -> &'static str {
        "balances"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["account.posted"]
    }

    fn state(&self) -> &'static [&'static str] {
        &["SELECT account_id, currency_id, book, scale, balance FROM {balances}"]
    }

    fn restore(&mut self, _: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        let text = |place: usize| row.get(place).unwrap_or("");
        let id = |place: usize| text(place).parse().map_err(|_| "an id is no number");
        let book = LedgerBook::from_word(text(2)).ok_or("a book is none of the ledger's")?;
        let scale = text(3).parse().map_err(|_| "a scale is no number")?;
        let held = parse_decimal_i128(text(4), scale).map_err(|error| error.to_string())?;
        self.held.insert((AccountId(id(0)?), CurrencyId(id(1)?), book), held);
        Ok(())
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let Payload::Event(Event::Posted(posted)) = fact.payload() else {
            return Ok(());
        };
        let mut moved: BTreeMap<Book, i128> = BTreeMap::new();
        for leg in &posted.legs[..usize::from(posted.count).min(posted.legs.len())] {
            fact.dictionary.currency_scale(leg.currency).ok_or("its currency is not defined")?;
            for (book, sign) in [(leg.from, -1), (leg.to, 1)] {
                *moved.entry((posted.account, leg.currency, book)).or_insert(0) += sign * leg.amount.get();
            }
        }
        for ((account, currency, book), change) in moved {
            let held = self.held.entry((account, currency, book)).or_insert(0);
            *held = held.checked_add(change).ok_or("the balance is too large")?;
            let balance = fact.money(currency, Money::new(*held));
            let scale = fact.dictionary.currency_scale(currency).map_or(0, u64::from);
            let ids = [u64::from(account.0), u64::from(currency.0)].map(Value::unsigned);
            let key = ids.into_iter().chain([Value::text(book.word())]);
            changes
                .row(&TABLES[0], key.clone())
                .set("account", fact.account(account))
                .set("currency", fact.currency(currency))
                .set("scale", Value::unsigned(scale))
                .set("balance", balance.clone())
                .set("updated_at", Value::Time(fact.time()))
                .done();
            changes
                .row(&TABLES[1], key)
                .set("change", fact.money(currency, Money::new(change)))
                .set("balance", balance)
                .set("recorded_at", Value::Time(fact.time()))
                .done();
        }
        Ok(())
    }
}
