//! What the tests of projections share: a small journal's definitions, and tables in memory that take changes as the
//! server does.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::Projection;
use crate::table::{Merge, Rows, Table};
use crate::value::Value;
use std::collections::BTreeMap;
use tickwerk_domain::command::{
    AccountDefined, CurrencyDefined, ReferenceCurrencySet, StrategyDefined, TextDefined,
};
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Envelope, Event, Instrument, InstrumentId, InstrumentKind, Money,
    Payload, PositionMode, Price, Qty, Rate, Record, Sequence, SourceId, StrategyId, TextBytes, TextId,
    TimeNs,
};
use tickwerk_render::Dictionary;

pub(crate) const SECOND: u64 = 1_000_000_000;
/// The beginning of a day.
pub(crate) const DAY: u64 = 19_944 * 86_400 * SECOND;
pub(crate) const ACCOUNT: AccountId = AccountId(1);
pub(crate) const INSTRUMENT: InstrumentId = InstrumentId(1);
pub(crate) const STRATEGY: StrategyId = StrategyId(1);

/// Records that stand one behind the other, each a frame of its own unless it is an event.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) records: Vec<Record>,
}

impl Journal {
    /// Defines the actor `ops`, BTC with 8 decimals, USDT with 6 as reference, BTCUSDT with prices of 2 decimals and
    /// quantities of 3, the account `desk` and its strategy `cross`.
    pub(crate) fn defined() -> Self {
        let mut journal = Self::default();
        for (number, text) in (1..).zip(["ops", "BTC", "USDT", "BTCUSDT", "desk", "cross"]) {
            let text = TextBytes::new(text).unwrap();
            journal.command(DAY, TextDefined { text_id: TextId(number), text });
        }
        for (number, scale) in [(1, 8), (2, 6)] {
            let currency = CurrencyId(number);
            journal.command(DAY, CurrencyDefined { currency, code: TextId(number + 1), scale });
        }
        journal.command(DAY, ReferenceCurrencySet { currency: CurrencyId(2) });
        journal.command(DAY, instrument());
        let mode = PositionMode::Netting;
        journal.command(DAY, AccountDefined { account: ACCOUNT, name: TextId(5), mode });
        journal.command(
            DAY,
            StrategyDefined {
                parameters: [0; 8],
                strategy: STRATEGY,
                name: TextId(6),
                account: ACCOUNT,
                instrument: INSTRUMENT,
                kind: 1,
                enabled: true,
            },
        );
        journal
    }

    /// Appends a command; gives its sequence.
    pub(crate) fn command(&mut self, time: u64, command: impl Into<Command>) -> u64 {
        self.push(time, SourceId::CONTROL, Payload::Command(command.into()))
    }

    /// Appends an event of the last command's frame.
    pub(crate) fn event(&mut self, time: u64, event: impl Into<Event>) -> u64 {
        self.push(time, SourceId::CORE, Payload::Event(event.into()))
    }

    fn push(&mut self, time: u64, source: SourceId, payload: Payload) -> u64 {
        let sequence = self.records.len() as u64 + 1;
        let envelope = Envelope {
            sequence: Sequence(sequence),
            time_ns: TimeNs(time),
            source,
            actor: TextId(1),
            ..Envelope::default()
        };
        self.records.push(Record { envelope, payload });
        sequence
    }
}

pub(crate) fn instrument() -> Instrument {
    Instrument {
        notional_max: Money::new(0),
        tick_size: Price(1),
        lot_size: Qty(1),
        quantity_min: Qty(1),
        quantity_max: Qty(1_000_000),
        multiplier: 1,
        maker_fee: Rate(0),
        taker_fee: Rate(0),
        margin_rate: Rate::ONE,
        instrument: INSTRUMENT,
        symbol: TextId(4),
        base: CurrencyId(1),
        quote: CurrencyId(2),
        settlement: CurrencyId(2),
        kind: InstrumentKind::Spot,
        price_scale: 2,
        quantity_scale: 3,
        settlement_scale: 6,
    }
}

type Key = (&'static str, Vec<Value>, i64);

/// Tables in memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tables {
    rows: BTreeMap<Key, Vec<Value>>,
    pub(crate) parked: usize,
}

impl Tables {
    /// Folds `journal` in batches of `batch` records.
    pub(crate) fn fold(projection: &mut dyn Projection, journal: &Journal, batch: usize) -> Self {
        let (mut tables, mut dictionary) = (Self::default(), Dictionary::default());
        let mut changes = Changes::new(projection.tables());
        let mut frame = 0..0;
        for (index, record) in journal.records.iter().enumerate() {
            if let Payload::Command(_) = &record.payload {
                let events = journal.records[index + 1..].iter();
                let events = events.take_while(|next| matches!(next.payload, Payload::Event(_))).count();
                frame = index..index + 1 + events;
            }
            dictionary.watch(record, &journal.records[frame.clone()]);
            let fact = Fact { record, frame: &journal.records[frame.clone()], dictionary: &dictionary };
            if projection.events().contains(&record.payload.event_type()) {
                changes.at(record.envelope.sequence);
                tables.parked += usize::from(projection.apply(&fact, &mut changes).is_err());
            }
            if (index + 1) % batch == 0 || index + 1 == journal.records.len() {
                projection.settle(&mut changes);
                let full = std::mem::replace(&mut changes, Changes::new(projection.tables()));
                tables.take(full);
            }
        }
        tables
    }

    fn take(&mut self, changes: Changes) {
        for (table, rows) in changes.into_rows() {
            for (values, position) in rows {
                let key = values[..table.key_length()].to_vec();
                let at = if table.rows == Rows::Appended { position } else { 0 };
                let mut values = values;
                values.push(Value::Int(position));
                match self.rows.entry((table.name, key, at)) {
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(values);
                    }
                    std::collections::btree_map::Entry::Occupied(mut entry) => {
                        merge(table, entry.get_mut(), values);
                    }
                }
            }
        }
    }

    /// Rows of a table as text, the columns `columns` of each.
    pub(crate) fn rows(&self, table: &'static Table, columns: &[&str]) -> Vec<String> {
        let of = self.rows.iter().filter(|((name, _, _), _)| *name == table.name);
        let shown = |values: &Vec<Value>| {
            let cells: Vec<String> = columns.iter().map(|name| show(&values[table.place(name)])).collect();
            cells.join(" ")
        };
        of.map(|(_, values)| shown(values)).collect()
    }
}

fn merge(table: &Table, old: &mut [Value], new: Vec<Value>) {
    let merges = table.columns.iter().map(|column| column.merge).chain([Merge::Set]);
    for ((old, new), merge) in old.iter_mut().zip(new).zip(merges) {
        let before = std::mem::replace(old, Value::Null);
        *old = match merge {
            _ if new.is_null() => before,
            _ if before.is_null() => new,
            Merge::Key | Merge::Set => new,
            Merge::First => before,
            Merge::Add => before.plus(new).unwrap(),
            Merge::Max => {
                if before.is_below(&new) {
                    new
                } else {
                    before
                }
            }
            Merge::Min => {
                if new.is_below(&before) {
                    new
                } else {
                    before
                }
            }
        };
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Numeric(mantissa, scale) => tickwerk_domain::format_decimal(*mantissa, *scale),
        Value::Time(time) => {
            format!("+{}s", i128::from(time.0) / i128::from(SECOND) - i128::from(DAY / SECOND))
        }
        Value::Json(json) => json.clone(),
    }
}

/// The tables, the same whatever the batches are.
pub(crate) fn folded<P: Projection + Default>(journal: &Journal) -> Tables {
    let whole = Tables::fold(&mut P::default(), journal, usize::MAX);
    for batch in [1, 2, 7] {
        assert_eq!(Tables::fold(&mut P::default(), journal, batch), whole, "batches of {batch}");
    }
    whole
}
