//! Currencies: their decimals, and what one is worth in the reference currency.

use crate::changes::{Changes, RowChange};
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use tickwerk_domain::{Command, CurrencyId, Payload};

static TABLES: &[Table] = &[Table {
    name: "currencies",
    rows: Rows::Current,
    columns: &[
        Column::key("currency_id", Type::Int8),
        Column::set("currency", Type::Text),
        Column::set("scale", Type::Int8),
        // When it became the reference currency; the one with the latest is.
        Column::set("reference_since", Type::Timestamp),
        // Zero where an instrument tells.
        Column::set("rate", Type::Numeric),
        // Empty where the rate is fixed.
        Column::set("rate_symbol", Type::Text),
        Column::first("defined_at", Type::Timestamp),
        Column::set("updated_at", Type::Timestamp),
    ],
    indexes: &[],
}];

/// Needs no memory.
#[derive(Debug, Default)]
pub(crate) struct Currencies;

impl Projection for Currencies {
    fn name(&self) -> &'static str {
        "currencies"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["account.currency_defined", "account.conversion_set", "account.reference_currency_set"]
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let Payload::Command(command) = fact.payload() else {
            return Ok(());
        };
        if fact.refusal().is_some() {
            return Ok(());
        }
        let now = || Value::Time(fact.time());
        if let Command::CurrencyDefined(of) = command {
            row(fact, changes, of.currency)
                .set("scale", Value::Int(i64::from(of.scale)))
                .set("defined_at", now())
                .done();
        } else if let Command::ConversionSet(of) = command {
            let symbol = fact.dictionary.symbol(of.instrument).unwrap_or("").to_owned();
            row(fact, changes, of.currency)
                .set("rate", fact.rate(of.rate))
                .set("rate_symbol", Value::text(symbol))
                .done();
        } else if let Command::ReferenceCurrencySet(of) = command {
            row(fact, changes, of.currency).set("reference_since", now()).done();
        }
        Ok(())
    }
}

fn row<'c>(fact: &Fact<'_>, changes: &'c mut Changes, currency: CurrencyId) -> RowChange<'c> {
    let row = changes.row(&TABLES[0], [Value::unsigned(u64::from(currency.0))]);
    row.set("currency", fact.currency(currency)).set("updated_at", Value::Time(fact.time()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{BTCEUR, Desk, ids};
    use tickwerk_domain::Rate;
    use tickwerk_domain::command::ConversionSet;
    use tickwerk_domain::event::CommandRefused;
    use tickwerk_domain::{Event, InstrumentId, Reject, TextId};

    #[test]
    fn a_currency_is_what_was_defined_and_what_it_is_worth() {
        let mut desk = Desk::<Currencies>::new();
        assert_eq!(desk.cells("currencies", &ids([1]), ["currency", "scale"]), ["EUR", "2"]);
        let rate = |rate, instrument| ConversionSet { rate: Rate(rate), currency: CurrencyId(2), instrument };
        desk.command(rate(0, BTCEUR));
        assert_eq!(desk.cells("currencies", &ids([2]), ["rate", "rate_symbol"]), ["0.00000000", "BTCEUR"]);
        let refused = CommandRefused {
            value: 0,
            reason: Reject::UnknownCurrency.code(),
            command_type: 0,
            text: TextId::NONE,
        };
        desk.frame(rate(150_000_000, InstrumentId::NONE), [Event::CommandRefused(refused)]);
        assert_eq!(
            desk.cell("currencies", &ids([2]), "rate_symbol"),
            "BTCEUR",
            "what is refused changes nothing"
        );
        desk.command(rate(150_000_000, InstrumentId::NONE));
        assert_eq!(desk.cells("currencies", &ids([2]), ["rate", "rate_symbol"]), ["1.50000000", ""]);
    }
}
