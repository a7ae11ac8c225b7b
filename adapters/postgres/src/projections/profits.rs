//! Profit: of each position so far, and as series by minute and day, of accounts, instruments and strategies.
//!
//! Amounts are in the instrument's settlement currency. What a fill realised counts for the strategy whose order it
//! filled, also where another one opened the position. What is unrealised belongs to a position, not to a strategy:
//! `profit_marks` has it as it was at the end of each bucket.

use crate::changes::{Changes, RowChange};
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::BTreeMap;
use tickwerk_domain::{
    AccountId, Command, Event, InstrumentId, Money, Payload, PositionSide, StrategyId, TimeNs,
};
use tokio_postgres::SimpleQueryRow;

static TABLES: &[Table] = &[
    Table {
        name: "profits",
        rows: Rows::Current,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::key("instrument_id", Type::Int8),
            Column::key("side", Type::Text),
            Column::set("account", Type::Text),
            Column::set("symbol", Type::Text),
            Column::set("currency", Type::Text),
            Column::set("realized", Type::Numeric),
            Column::set("unrealized", Type::Numeric),
            Column::set("fees", Type::Numeric),
            Column::set("funding", Type::Numeric),
            Column::set("net", Type::Numeric),
            Column::set("updated_at", Type::Timestamp),
        ],
        indexes: &[],
    },
    Table {
        name: "profit_series",
        rows: Rows::Current,
        columns: &[
            Column::key("period", Type::Text),
            Column::key("bucket", Type::Timestamp),
            Column::key("account_id", Type::Int8),
            Column::key("instrument_id", Type::Int8),
            Column::key("strategy_id", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("symbol", Type::Text),
            Column::set("strategy", Type::Text),
            Column::set("currency", Type::Text),
            Column::add("realized", Type::Numeric),
            Column::add("fees", Type::Numeric),
            Column::add("funding", Type::Numeric),
            Column::add("volume", Type::Numeric),
            Column::add("fills", Type::Int8),
        ],
        indexes: &["(account, period, bucket)", "(symbol, period, bucket)", "(strategy, period, bucket)"],
    },
    Table {
        name: "profit_marks",
        rows: Rows::Current,
        columns: &[
            Column::key("period", Type::Text),
            Column::key("bucket", Type::Timestamp),
            Column::key("account_id", Type::Int8),
            Column::key("instrument_id", Type::Int8),
            Column::key("side", Type::Text),
            Column::set("account", Type::Text),
            Column::set("symbol", Type::Text),
            Column::set("currency", Type::Text),
            Column::set("realized", Type::Numeric),
            Column::set("unrealized", Type::Numeric),
            Column::set("fees", Type::Numeric),
            Column::set("funding", Type::Numeric),
            Column::set("net", Type::Numeric),
        ],
        indexes: &["(account, period, bucket)", "(symbol, period, bucket)"],
    },
];

/// Lengths of buckets, in nanoseconds.
const PERIODS: [(&str, u64); 2] = [("minute", 60_000_000_000), ("day", 86_400_000_000_000)];

type Key = (AccountId, InstrumentId, PositionSide);

/// A position's profit so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Totals {
    realized: i128,
    unrealized: i128,
    fees: i128,
    funding: i128,
}

/// Remembers the totals of each position.
#[derive(Debug, Default)]
pub(crate) struct Profits {
    totals: BTreeMap<Key, Totals>,
}

/// What an event adds to the series.
#[derive(Default)]
struct Gain {
    realized: i128,
    fees: i128,
    funding: i128,
}

impl Projection for Profits {
    fn name(&self) -> &'static str {
        "profits"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["position.changed", "position.marked", "position.funding_posted"]
    }

    fn state(&self) -> &'static [&'static str] {
        &["SELECT account_id, instrument_id, side, realized, unrealized, fees, funding FROM {profits}"]
    }

    fn restore(&mut self, _: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        let id = |place: usize| row.get(place).and_then(|id| id.parse().ok()).ok_or("an id is no number");
        let side = row.get(2).and_then(PositionSide::from_word).ok_or("a side is none of positions")?;
        let amount = |place: usize| Value::mantissa(row.get(place).unwrap_or("0"));
        let totals =
            Totals { realized: amount(3)?, unrealized: amount(4)?, fees: amount(5)?, funding: amount(6)? };
        self.totals.insert((AccountId(id(0)?), InstrumentId(id(1)?), side), totals);
        Ok(())
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let Payload::Event(event) = fact.payload() else {
            return Ok(());
        };
        let (key, realized, now) = if let Event::PositionChanged(of) = event {
            let key = (of.account, of.instrument, of.side);
            let before = self.totals.get(&key).copied().unwrap_or_default();
            let now = Totals {
                realized: of.realized_total.get(),
                unrealized: of.unrealized.get(),
                fees: of.fees_total.get(),
                ..before
            };
            (key, of.realized.get(), now)
        } else if let Event::PositionMarked(of) = event {
            let now = Totals {
                realized: of.realized_total.get(),
                unrealized: of.unrealized.get(),
                fees: of.fees_total.get(),
                funding: of.funding_total.get(),
            };
            ((of.account, of.instrument, of.side), 0, now)
        } else if let Event::FundingPosted(of) = event {
            let key = (of.account, of.instrument, of.side);
            let before = self.totals.get(&key).copied().unwrap_or_default();
            (key, 0, Totals { funding: of.funding_total.get(), ..before })
        } else {
            return Ok(());
        };
        fact.dictionary.instrument(key.1).ok_or("its instrument is not defined")?;
        let before = self.totals.get(&key).copied().unwrap_or_default();
        let net = now.net().ok_or("the profit is too large")?;
        let gain = Gain { realized, fees: now.fees - before.fees, funding: now.funding - before.funding };
        self.totals.insert(key, now);
        told(fact, changes, key, &now, net);
        add(fact, changes, key, &gain);
        Ok(())
    }
}

impl Totals {
    fn net(&self) -> Option<i128> {
        self.realized.checked_add(self.unrealized)?.checked_sub(self.fees)?.checked_add(self.funding)
    }
}

/// How a position's profit stands, now and at the end of the buckets.
fn told(fact: &Fact<'_>, changes: &mut Changes, key: Key, now: &Totals, net: i128) {
    let (account, instrument, side) = key;
    let of = |account: AccountId| [u64::from(account.0), u64::from(instrument.0)].map(Value::unsigned);
    let position = || of(account).into_iter().chain([Value::text(side.word())]);
    let set = |row: RowChange<'_>| {
        let amount = |amount: i128| fact.settled(instrument, Money::new(amount));
        row.set("account", fact.account(account))
            .set("symbol", fact.symbol(instrument))
            .set("currency", fact.settlement(instrument))
            .set("realized", amount(now.realized))
            .set("unrealized", amount(now.unrealized))
            .set("fees", amount(now.fees))
            .set("funding", amount(now.funding))
            .set("net", amount(net))
            .done();
    };
    set(changes.row(&TABLES[0], position()).set("updated_at", Value::Time(fact.time())));
    for bucket in buckets(fact.time()) {
        set(changes.row(&TABLES[2], bucket.into_iter().chain(position())));
    }
}

/// What an event adds to the series of its strategy.
fn add(fact: &Fact<'_>, changes: &mut Changes, (account, instrument, _): Key, gain: &Gain) {
    let traded = match fact.command().map(|command| &command.payload) {
        Some(Payload::Command(Command::FillReported(report))) => {
            Some(fact.value(instrument, report.price, report.qty))
        }
        _ => None,
    };
    let traded = traded.filter(|_| matches!(fact.payload(), Payload::Event(Event::PositionChanged(_))));
    if traded.is_none() && (gain.realized, gain.fees, gain.funding) == (0, 0, 0) {
        return;
    }
    let strategy = fact.filled_strategy();
    let ids = [account.0, instrument.0, strategy.0].map(|id| Value::unsigned(u64::from(id)));
    let amount = |amount: i128| fact.settled(instrument, Money::new(amount));
    for bucket in buckets(fact.time()) {
        let row = changes
            .row(&TABLES[1], bucket.into_iter().chain(ids.clone()))
            .set("account", fact.account(account))
            .set("symbol", fact.symbol(instrument))
            .set("strategy", name(fact, strategy))
            .set("currency", fact.settlement(instrument))
            .set("realized", amount(gain.realized))
            .set("fees", amount(gain.fees))
            .set("funding", amount(gain.funding));
        if let Some(value) = &traded {
            row.set("volume", value.clone()).set("fills", Value::Int(1)).done();
        }
    }
}

fn name(fact: &Fact<'_>, strategy: StrategyId) -> Value {
    Value::named(fact.dictionary.strategy(strategy), strategy.0)
}

/// The buckets of a time, as the beginnings of keys.
fn buckets(time: TimeNs) -> [[Value; 2]; PERIODS.len()] {
    PERIODS.map(|(period, length)| [Value::text(period), Value::Time(TimeNs(time.0 / length * length))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{ALICE, BTCEUR, DAY, Desk, Trade, ids};
    use tickwerk_domain::Qty;
    use tickwerk_domain::command::TimeAdvanced;
    use tickwerk_domain::event::PositionMarked;

    fn series(period: &str, bucket: u64, strategy: i64) -> Vec<Value> {
        let [account, instrument, strategy] = ids([1, 1, strategy]);
        let (period, bucket) = (Value::text(period.to_owned()), Value::Time(TimeNs(bucket)));
        vec![period, bucket, account, instrument, strategy]
    }

    #[test]
    fn fills_add_to_the_series_and_marks_tell_what_is_open() {
        let mut desk = Desk::<Profits>::new();
        desk.trade(&Trade { price: 10_000, qty: 2000, fee: 10, after: 2000, ..Trade::default() });
        desk.trade(&Trade { price: -11_000, qty: 1000, fee: 5, after: 1000, realized: 1000 });
        for (period, bucket) in [("minute", DAY), ("day", DAY)] {
            let sums = ["realized", "fees", "volume", "fills", "currency"];
            let sums = desk.cells("profit_series", &series(period, bucket, 0), sums);
            assert_eq!(sums, ["10.00", "0.15", "310.00", "2", "EUR"], "{period}");
        }
        let marked = PositionMarked {
            realized_total: Money::new(1000),
            unrealized: Money::new(-300),
            fees_total: Money::new(15),
            funding_total: Money::ZERO,
            mark_twice: 0,
            qty: Qty(1000),
            account: ALICE,
            instrument: BTCEUR,
            side: PositionSide::Net,
        };
        desk.frame(TimeAdvanced { due: TimeNs(1) }, [Event::PositionMarked(marked)]);
        let key = [Value::Int(1), Value::Int(1), Value::text("net")];
        let totals = desk.cells("profits", &key, ["realized", "unrealized", "fees", "net"]);
        assert_eq!(totals, ["10.00", "-3.00", "0.15", "6.85"]);
        assert_eq!(desk.rows_of("profit_series"), 2, "a mark alone adds nothing to the series");
        assert_eq!(desk.rows_of("profit_marks"), 2);
    }
}
