//! Folds records that a test writes down, as replication would: names are learnt, and each projection gets what it wants.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::Projection;
use crate::value::Value;
use tickwerk_domain::command::{
    AccountDefined, CurrencyDefined, FillReported, ReferenceCurrencySet, TextDefined,
};
use tickwerk_domain::event::{OrderPartiallyFilled, PositionChanged};
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Envelope, Event, Instrument, InstrumentId, InstrumentKind, Liquidity,
    Money, OrderId, Payload, PositionChange, PositionMode, PositionSide, Price, Qty, Rate, Record, Sequence,
    Side, SourceId, TextBytes, TextId, TimeNs,
};
use tickwerk_render::Dictionary;

/// A market in EUR with an account, an instrument BTCEUR (prices and money of 2 decimals, quantities of 3), and whatever
/// a projection makes of it.
pub(super) struct Desk<P> {
    pub(super) projection: P,
    pub(super) changes: Changes,
    pub(super) dictionary: Dictionary,
    pub(super) sequence: u64,
    /// Of the next frame; a second later for each.
    pub(super) time: TimeNs,
    pub(super) poisoned: Vec<String>,
    fees: i128,
    realized: i128,
    executions: u64,
}

/// A fill and what the position is after it.
#[derive(Clone, Copy, Default)]
pub(super) struct Trade {
    pub(super) price: i64,
    pub(super) qty: i64,
    pub(super) fee: i64,
    pub(super) after: i64,
    pub(super) realized: i64,
}

pub(super) const ALICE: AccountId = AccountId(1);
pub(super) const BTCEUR: InstrumentId = InstrumentId(1);
pub(super) const EUR: CurrencyId = CurrencyId(1);
pub(super) const SECOND: u64 = 1_000_000_000;
/// Names of the desk: its texts have these numbers from 1 on.
const TEXTS: [&str; 5] = ["alice", "BTCEUR", "EUR", "BTC", "because"];
pub(super) const BECAUSE: TextId = TextId(5);

impl<P: Projection> Desk<P> {
    pub(super) fn new(projection: P) -> Self {
        let changes = Changes::new(projection.tables());
        let (dictionary, time) = (Dictionary::default(), TimeNs(1_700_000_000 * SECOND));
        let (poisoned, executions) = (Vec::new(), 0);
        let (fees, realized, sequence) = (0, 0, 0);
        let mut desk =
            Self { projection, changes, dictionary, sequence, time, poisoned, fees, realized, executions };
        for (text, number) in TEXTS.iter().zip(1..) {
            let text = TextBytes::new(text).expect("a short text");
            desk.command(TextDefined { text_id: TextId(number), text });
        }
        desk.command(CurrencyDefined { currency: EUR, code: TextId(3), scale: 2 });
        desk.command(CurrencyDefined { currency: CurrencyId(2), code: TextId(4), scale: 3 });
        desk.command(ReferenceCurrencySet { currency: EUR });
        desk.command(AccountDefined { account: ALICE, name: TextId(1), mode: PositionMode::Netting });
        desk.command(btceur());
        desk
    }

    /// A frame of a command alone.
    pub(super) fn command(&mut self, command: impl Into<Command>) -> u64 {
        self.frame(command, [])
    }

    /// A frame; gives the sequence of its command.
    pub(super) fn frame(
        &mut self,
        command: impl Into<Command>,
        events: impl IntoIterator<Item = Event>,
    ) -> u64 {
        let first = self.sequence + 1;
        let payloads = [Payload::Command(command.into())];
        let records: Vec<Record> = payloads
            .into_iter()
            .chain(events.into_iter().map(Payload::Event))
            .zip(first..)
            .map(|(payload, sequence)| {
                let (sequence, actor) = (Sequence(sequence), TextId(1));
                let source = SourceId::CONTROL;
                Record {
                    envelope: Envelope { sequence, time_ns: self.time, actor, source, ..Envelope::default() },
                    payload,
                }
            })
            .collect();
        for record in &records {
            self.dictionary.watch(record, &records);
            if !self.projection.events().contains(&record.payload.event_type()) {
                continue;
            }
            let fact = Fact { record, frame: &records, dictionary: &self.dictionary };
            self.changes.at(record.envelope.sequence);
            if let Err(poison) = self.projection.apply(&fact, &mut self.changes) {
                self.poisoned.push(poison.0);
            }
        }
        self.sequence += u64::try_from(records.len()).expect("a frame is short");
        self.time = TimeNs(self.time.0 + SECOND);
        first
    }

    /// A fill of order 1 with what it does to the position: sells have a negative price.
    pub(super) fn trade(&mut self, of: &Trade) {
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

    /// How the position stands after a trade.
    pub(super) fn changed(&self, of: &Trade) -> PositionChanged {
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
    pub(super) fn cell(&self, table: &str, key: &[Value], column: &str) -> String {
        shown(&self.changes.cell(table, key, column))
    }

    /// The values of columns, by their names, as text.
    pub(super) fn cells<const N: usize>(
        &self,
        table: &str,
        key: &[Value],
        columns: [&str; N],
    ) -> [String; N] {
        columns.map(|column| self.cell(table, key, column))
    }
}

/// As SQL shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Numeric(mantissa, scale) => tickwerk_domain::format_decimal(*mantissa, *scale),
        Value::Time(time) => tickwerk_render::rfc3339(*time),
        Value::Json(json) => json.clone(),
    }
}

pub(super) fn btceur() -> Instrument {
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

/// The numbers of a key.
pub(super) fn ids<const N: usize>(numbers: [i64; N]) -> [Value; N] {
    numbers.map(Value::Int)
}
