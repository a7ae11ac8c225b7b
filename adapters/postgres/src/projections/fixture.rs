//! What the tests of projections share: a journal that a test writes down frame by frame, tables in memory that take
//! changes as the server does, and a market with an account in it.
//!
//! Whatever is asked for, the journal is folded in batches of several sizes first, which must give the same rows.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::Projection;
use crate::table::{Merge, Rows, Table};
use crate::value::Value;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use tickwerk_domain::command::{
    AccountDefined, CurrencyDefined, FillReported, ReferenceCurrencySet, StrategyDefined, TextDefined,
};
use tickwerk_domain::event::{OrderPartiallyFilled, PositionChanged};
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Envelope, Event, Instrument, InstrumentId, InstrumentKind, Liquidity,
    Money, OrderId, Payload, PositionChange, PositionMode, PositionSide, Price, Qty, Rate, Record, Sequence,
    Side, SourceId, StrategyId, TextBytes, TextId, TimeNs,
};
use tickwerk_render::Dictionary;

pub(crate) const SECOND: u64 = 1_000_000_000;
/// The beginning of a day.
pub(crate) const DAY: u64 = 19_944 * 86_400 * SECOND;
pub(crate) const ALICE: AccountId = AccountId(1);
pub(crate) const BTCEUR: InstrumentId = InstrumentId(1);
pub(crate) const EUR: CurrencyId = CurrencyId(1);
pub(crate) const STRATEGY: StrategyId = StrategyId(1);
/// Names: these texts have numbers from 1 on. Alice asks for everything.
const TEXTS: [&str; 6] = ["alice", "BTCEUR", "EUR", "BTC", "because", "cross"];
pub(crate) const BECAUSE: TextId = TextId(5);

/// Records that stand one behind the other, each a frame of its own unless it is an event.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) records: Vec<Record>,
}

impl Journal {
    /// Defines EUR with 2 decimals as reference, BTC with 3, BTCEUR with prices of 2 decimals and quantities of 3, the
    /// account `alice` and its strategy `cross`.
    pub(crate) fn defined() -> Self {
        let mut journal = Self::default();
        for (number, text) in (1..).zip(TEXTS) {
            let text = TextBytes::new(text).unwrap();
            journal.command(DAY, TextDefined { text_id: TextId(number), text });
        }
        journal.command(DAY, CurrencyDefined { currency: EUR, code: TextId(3), scale: 2 });
        journal.command(DAY, CurrencyDefined { currency: CurrencyId(2), code: TextId(4), scale: 3 });
        journal.command(DAY, ReferenceCurrencySet { currency: EUR });
        journal.command(DAY, btceur());
        let mode = PositionMode::Netting;
        journal.command(DAY, AccountDefined { account: ALICE, name: TextId(1), mode });
        journal.command(
            DAY,
            StrategyDefined {
                parameters: [0; 8],
                strategy: STRATEGY,
                name: TextId(6),
                account: ALICE,
                instrument: BTCEUR,
                kind: 1,
                enabled: true,
            },
        );
        journal
    }

    /// Appends a command; gives its sequence.
    pub(crate) fn command(&mut self, time: u64, command: impl Into<Command>) -> u64 {
        self.push(time, Payload::Command(command.into()))
    }

    /// Appends an event of the last command's frame.
    pub(crate) fn event(&mut self, time: u64, event: impl Into<Event>) -> u64 {
        self.push(time, Payload::Event(event.into()))
    }

    fn push(&mut self, time: u64, payload: Payload) -> u64 {
        let sequence = self.records.len() as u64 + 1;
        let envelope = Envelope {
            sequence: Sequence(sequence),
            time_ns: TimeNs(time),
            source: SourceId::CONTROL,
            actor: TextId(1),
            ..Envelope::default()
        };
        self.records.push(Record { envelope, payload });
        sequence
    }
}

pub(crate) fn btceur() -> Instrument {
    Instrument {
        notional_max: Money::ZERO,
        tick_size: Price(5),
        lot_size: Qty(1),
        quantity_min: Qty(1),
        quantity_max: Qty(1_000_000),
        multiplier: 1,
        maker_fee: Rate(-10_000),
        taker_fee: Rate(50_000),
        margin_rate: Rate(0),
        instrument: BTCEUR,
        symbol: TextId(2),
        base: CurrencyId(2),
        quote: EUR,
        settlement: EUR,
        kind: InstrumentKind::Spot,
        price_scale: 2,
        quantity_scale: 3,
        settlement_scale: 2,
    }
}

type Key = (&'static str, Vec<Value>, i64);

/// Tables in memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tables {
    rows: BTreeMap<Key, Vec<Value>>,
    /// What was parked, and why.
    pub(crate) parked: Vec<String>,
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
                let applied = projection.apply(&fact, &mut changes);
                tables.parked.extend(applied.err().map(|poison| poison.0));
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

    /// What columns of a row hold, by table and the beginning of its key; of several, in the last one that was written.
    pub(crate) fn cells<const N: usize>(
        &self,
        projection: &dyn Projection,
        table: &str,
        key: &[Value],
        columns: [&str; N],
    ) -> [String; N] {
        let table = projection.tables().iter().find(|of| of.name == table).expect("a table");
        let of_key = self.rows.iter().filter(|((name, of, _), _)| *name == table.name && of.starts_with(key));
        let row = of_key.map(|(_, values)| values).max_by_key(|values| values.last().cloned());
        columns.map(|column| row.map_or("null".to_owned(), |values| show(&values[table.place(column)])))
    }

    /// How many rows a table has.
    pub(crate) fn rows_of(&self, table: &str) -> usize {
        self.rows.keys().filter(|(name, _, _)| *name == table).count()
    }
}

fn merge(table: &Table, old: &mut [Value], new: Vec<Value>) {
    let merges = table.columns.iter().map(|column| column.merge).chain([Merge::Set]);
    for ((old, new), merge) in old.iter_mut().zip(new).zip(merges) {
        let before = std::mem::replace(old, Value::Null);
        *old = match merge {
            Merge::Replace => new,
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

/// As SQL shows it; times by the seconds since the first day began.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
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

/// The numbers of a key.
pub(crate) fn ids<const N: usize>(numbers: [i64; N]) -> [Value; N] {
    numbers.map(Value::Int)
}

/// A journal of [`Journal::defined`] with fills, and what a projection makes of it.
pub(crate) struct Desk<P> {
    journal: Journal,
    /// Of the next frame; a second later for each.
    pub(crate) time: TimeNs,
    fees: i128,
    realized: i128,
    executions: u64,
    projection: PhantomData<P>,
}

/// A fill and what the position is after it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Trade {
    pub(crate) price: i64,
    pub(crate) qty: i64,
    pub(crate) fee: i64,
    pub(crate) after: i64,
    pub(crate) realized: i64,
}

impl<P: Projection + Default> Desk<P> {
    pub(crate) fn new() -> Self {
        let (journal, projection) = (Journal::defined(), PhantomData);
        Self { journal, time: TimeNs(DAY), fees: 0, realized: 0, executions: 0, projection }
    }

    /// The last record.
    pub(crate) fn sequence(&self) -> u64 {
        self.journal.records.len() as u64
    }

    /// A frame of a command alone.
    pub(crate) fn command(&mut self, command: impl Into<Command>) -> u64 {
        self.frame(command, [])
    }

    /// A frame; gives the sequence of its command.
    pub(crate) fn frame(
        &mut self,
        command: impl Into<Command>,
        events: impl IntoIterator<Item = Event>,
    ) -> u64 {
        let first = self.journal.command(self.time.0, command);
        for event in events {
            self.journal.event(self.time.0, event);
        }
        self.time = TimeNs(self.time.0 + SECOND);
        first
    }

    /// A fill of order 1 with what it does to the position: sells have a negative price.
    pub(crate) fn trade(&mut self, of: &Trade) {
        let (price, side) = (Price(of.price.abs()), if of.price < 0 { Side::Sell } else { Side::Buy });
        let (order, qty) = (OrderId(1), Qty(of.qty));
        self.fees += i128::from(of.fee);
        self.realized += i128::from(of.realized);
        self.executions += 1;
        let report = FillReported {
            order,
            execution_id: self.executions,
            price,
            qty,
            fee: Money::new(of.fee.into()),
            fee_currency: CurrencyId::NONE,
            liquidity: Liquidity::Maker,
        };
        let filled = OrderPartiallyFilled {
            cum_value: Money::ZERO,
            cum_fee: Money::new(self.fees),
            order,
            last_price: price,
            last_qty: qty,
            cum_qty: qty,
            leaves_qty: Qty(1),
            account: ALICE,
            instrument: BTCEUR,
            side,
            liquidity: Liquidity::Maker,
        };
        let changed = self.changed(of);
        self.frame(report, [Event::OrderPartiallyFilled(filled), Event::PositionChanged(changed)]);
    }

    /// A fill that is taken back or corrected, with what each booking of it does to the position.
    pub(crate) fn restate(&mut self, command: impl Into<Command>, bookings: &[Trade]) {
        let mut events = Vec::new();
        for of in bookings {
            self.fees += i128::from(of.fee);
            self.realized += i128::from(of.realized);
            events.push(Event::PositionChanged(self.changed(of)));
        }
        self.frame(command, events);
    }

    /// The number of an execution that nobody reports.
    pub(crate) fn skip(&mut self) {
        self.executions += 1;
    }

    /// How the position stands after a trade.
    pub(crate) fn changed(&self, of: &Trade) -> PositionChanged {
        PositionChanged {
            open_cost: Money::ZERO,
            realized: Money::new(of.realized.into()),
            realized_total: Money::new(self.realized),
            unrealized: Money::ZERO,
            fees_total: Money::new(self.fees),
            qty: Qty(of.after),
            account: ALICE,
            instrument: BTCEUR,
            change: PositionChange::Increased,
            side: PositionSide::Net,
        }
    }

    /// What a column of a row holds, as text.
    pub(crate) fn cell(&self, table: &str, key: &[Value], column: &str) -> String {
        let [cell] = self.cells(table, key, [column]);
        cell
    }

    /// The values of columns, by their names, as text.
    pub(crate) fn cells<const N: usize>(
        &self,
        table: &str,
        key: &[Value],
        columns: [&str; N],
    ) -> [String; N] {
        self.tables().cells(&P::default(), table, key, columns)
    }

    pub(crate) fn rows_of(&self, table: &str) -> usize {
        self.tables().rows_of(table)
    }

    /// Why events were parked.
    pub(crate) fn parked(&self) -> Vec<String> {
        self.tables().parked
    }

    fn tables(&self) -> Tables {
        folded::<P>(&self.journal)
    }
}
