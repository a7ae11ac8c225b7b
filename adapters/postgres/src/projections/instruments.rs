//! Instruments: what is traded, its steps and fees, and how its market stands.

use crate::changes::{Changes, RowChange};
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use tickwerk_domain::{Command, Event, Instrument, InstrumentId, Payload, Rate};

static TABLES: &[Table] = &[Table {
    name: "instruments",
    rows: Rows::Current,
    columns: &[
        Column::key("instrument_id", Type::Int8),
        Column::set("symbol", Type::Text),
        Column::set("kind", Type::Text),
        Column::set("base", Type::Text),
        Column::set("quote", Type::Text),
        Column::set("settlement", Type::Text),
        Column::set("price_scale", Type::Int8),
        Column::set("quantity_scale", Type::Int8),
        Column::set("settlement_scale", Type::Int8),
        Column::set("tick_size", Type::Numeric),
        Column::set("lot_size", Type::Numeric),
        Column::set("quantity_min", Type::Numeric),
        Column::set("quantity_max", Type::Numeric),
        // Zero for no bound.
        Column::set("notional_max", Type::Numeric),
        Column::set("multiplier", Type::Int8),
        Column::set("maker_fee", Type::Numeric),
        Column::set("taker_fee", Type::Numeric),
        Column::set("margin_rate", Type::Numeric),
        Column::set("session", Type::Text),
        Column::set("mark_source", Type::Text),
        Column::set("venue", Type::Text),
        // `none` where there is none.
        Column::set("fallback_venue", Type::Text),
        // Both zero for no band.
        Column::set("band_low", Type::Numeric),
        Column::set("band_high", Type::Numeric),
        Column::set("book_state", Type::Text),
        Column::set("book_changed_at", Type::Timestamp),
        Column::first("defined_at", Type::Timestamp),
        Column::set("updated_at", Type::Timestamp),
    ],
    indexes: &["(symbol)"],
}];

/// Needs no memory.
#[derive(Debug, Default)]
pub(crate) struct Instruments;

impl Projection for Instruments {
    fn name(&self) -> &'static str {
        "instruments"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "market.instrument_defined",
            "market.session_set",
            "market.mark_source_set",
            "market.route_set",
            "market.price_band_set",
            "market.book_stale",
            "market.book_restored",
        ]
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        match fact.payload() {
            Payload::Command(_) if fact.refusal().is_some() => {}
            Payload::Command(Command::InstrumentDefined(of)) => define(fact, changes, of),
            Payload::Command(command) => set(fact, changes, command),
            Payload::Event(event) => book(fact, changes, event),
        }
        Ok(())
    }
}

fn define(fact: &Fact<'_>, changes: &mut Changes, of: &Instrument) {
    let id = of.instrument;
    let scale = |scale: u8| Value::Int(i64::from(scale));
    let rate = |rate: Rate| fact.rate(rate);
    changes
        .row(&TABLES[0], key(id))
        .set("symbol", fact.symbol(id))
        .set("kind", Value::text(of.kind.word()))
        .set("base", fact.currency(of.base))
        .set("quote", fact.currency(of.quote))
        .set("settlement", fact.currency(of.settlement))
        .set("price_scale", scale(of.price_scale))
        .set("quantity_scale", scale(of.quantity_scale))
        .set("settlement_scale", scale(of.settlement_scale))
        .set("tick_size", fact.price(id, of.tick_size))
        .set("lot_size", fact.qty(id, of.lot_size))
        .set("quantity_min", fact.qty(id, of.quantity_min))
        .set("quantity_max", fact.qty(id, of.quantity_max))
        .set("notional_max", fact.settled(id, of.notional_max))
        .set("multiplier", Value::Int(of.multiplier))
        .set("maker_fee", rate(of.maker_fee))
        .set("taker_fee", rate(of.taker_fee))
        .set("margin_rate", rate(of.margin_rate))
        .set("defined_at", Value::Time(fact.time()))
        .set("updated_at", Value::Time(fact.time()))
        .done();
}

/// A setting of an instrument's market.
fn set(fact: &Fact<'_>, changes: &mut Changes, command: &Command) {
    if let Command::SessionSet(of) = command {
        row(fact, changes, of.instrument).set("session", Value::text(of.state.word())).done();
    } else if let Command::MarkSourceSet(of) = command {
        row(fact, changes, of.instrument).set("mark_source", Value::text(of.source.word())).done();
    } else if let Command::RouteSet(of) = command {
        let fallback = if of.fallback.is_none() { Value::text("none") } else { fact.venue(of.fallback) };
        row(fact, changes, of.instrument)
            .set("venue", fact.venue(of.venue))
            .set("fallback_venue", fallback)
            .done();
    } else if let Command::PriceBandSet(of) = command {
        let id = of.instrument;
        row(fact, changes, id)
            .set("band_low", fact.price(id, of.low))
            .set("band_high", fact.price(id, of.high))
            .done();
    }
}

/// How its book stands.
fn book(fact: &Fact<'_>, changes: &mut Changes, event: &Event) {
    let (id, state) = if let Event::BookStale(of) = event {
        (of.instrument, of.reason.word())
    } else if let Event::BookRestored(of) = event {
        (of.instrument, "good")
    } else {
        return;
    };
    let row = row(fact, changes, id).set("book_state", Value::text(state));
    row.set("book_changed_at", Value::Time(fact.time())).done();
}

fn row<'c>(fact: &Fact<'_>, changes: &'c mut Changes, id: InstrumentId) -> RowChange<'c> {
    let row = changes.row(&TABLES[0], key(id));
    row.set("symbol", fact.symbol(id)).set("updated_at", Value::Time(fact.time()))
}

fn key(id: InstrumentId) -> [Value; 1] {
    [Value::unsigned(u64::from(id.0))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{BTCEUR, Desk, btceur, ids};
    use tickwerk_domain::command::{PriceBandSet, QuoteObserved, SessionSet};
    use tickwerk_domain::event::{BookRestored, BookStale};
    use tickwerk_domain::{Price, Qty, SessionState, StaleReason, TimeNs};

    #[test]
    fn an_instrument_is_its_last_definition_and_its_market() {
        let mut desk = Desk::<Instruments>::new();
        let terms = ["symbol", "kind", "settlement", "tick_size", "lot_size", "maker_fee"];
        let expected = ["BTCEUR", "spot", "EUR", "0.05", "0.001", "-0.00010000"];
        assert_eq!(desk.cells("instruments", &ids([1]), terms), expected);
        let first = desk.cell("instruments", &ids([1]), "defined_at");
        desk.command(Instrument { taker_fee: Rate(70_000), ..btceur() });
        desk.command(SessionSet {
            closes_at: TimeNs::UNKNOWN,
            instrument: BTCEUR,
            state: SessionState::Halted,
        });
        desk.command(PriceBandSet {
            low: Price(100),
            high: Price(200),
            dynamic: Rate(0),
            instrument: BTCEUR,
        });
        let now = desk.cells("instruments", &ids([1]), ["taker_fee", "session", "band_high", "defined_at"]);
        assert_eq!(now, ["0.00070000", "halted", "2.00", &first]);
    }

    #[test]
    fn its_book_is_good_or_says_why_not() {
        let mut desk = Desk::<Instruments>::new();
        let quote = QuoteObserved {
            update_id: 0,
            bid_price: Price(0),
            bid_qty: Qty::ZERO,
            ask_price: Price(0),
            ask_qty: Qty::ZERO,
            instrument: BTCEUR,
        };
        let stale = BookStale { update_id: 1, instrument: BTCEUR, reason: StaleReason::Gap };
        desk.frame(quote, [Event::BookStale(stale)]);
        assert_eq!(desk.cell("instruments", &ids([1]), "book_state"), "gap");
        desk.frame(quote, [Event::BookRestored(BookRestored { update_id: 2, instrument: BTCEUR })]);
        assert_eq!(desk.cell("instruments", &ids([1]), "book_state"), "good");
    }
}
