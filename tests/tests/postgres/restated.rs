//! Profit of hedged pairs, inverse contracts, and fills that the venue takes back or corrects: what an engine decides on
//! random fills, in its journal, against the read models that are made of it and against arithmetic of this test's own.
//!
//! In the end every position is flat. Then what was realised is what all sells brought less what all buys cost, fill by
//! fill as they stand now: of a linear contract price × quantity, of an inverse one quantity ÷ price the other way round.
//! Each close is rounded to the settlement currency's unit once.

use crate::server::{Database, database};
use crate::support::{db, migrate, ship, tables, text};
use std::path::Path;
use tickwerk_domain::command::{
    AccountDefined, CashTransferred, CurrencyDefined, FillReported, FundingApplied, NewOrder, QuoteObserved,
    RulesActivated, TextDefined, TradeBusted, TradeCorrected,
};
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Envelope, Event, FillState, Instrument, InstrumentId, InstrumentKind,
    Liquidity, Money, OrderId, Payload, PositionEffect, PositionMode, PositionSide, Price, Qty, Rate, Record,
    Side, SourceId, TextBytes, TextId, TimeNs,
};
use tickwerk_engine::{Core, Decider, EventBuffer};
use tickwerk_journal::{JournalConfig, Writer, recover};
use tickwerk_tests::scenario;

const USD: CurrencyId = CurrencyId(1);
const BTC: CurrencyId = CurrencyId(2);
const LINEAR: InstrumentId = InstrumentId(1);
const INVERSE: InstrumentId = InstrumentId(2);
const NETTING: AccountId = AccountId(1);
const HEDGING: AccountId = AccountId(2);
const NAMES: [&str; 6] = ["USD", "BTC", "LIN", "INV", "net", "hedge"];
const STEPS: u64 = 400;
const START_NS: u64 = 1_700_000_000_000_000_000;

/// A core whose frames go into a journal.
struct Desk {
    core: Core,
    writer: Option<Writer>,
    events: EventBuffer,
    time: u64,
    number: u64,
    seed: u64,
    /// Reports as they were given last, to be taken back or corrected.
    fills: Vec<FillReported>,
}

impl Desk {
    fn new(writer: Writer) -> Self {
        let (core, events) = (Core::new(), EventBuffer::new());
        let (writer, fills) = (Some(writer), Vec::new());
        let mut desk = Self { core, writer, events, time: START_NS, number: 0, seed: 3, fills };
        let text = |name: &str| TextBytes::new(name).expect("a short text");
        desk.apply(RulesActivated { version: 1 });
        for (number, name) in (1..).zip(NAMES) {
            desk.apply(TextDefined { text_id: TextId(number), text: text(name) });
        }
        for (number, scale) in [(1, 6), (2, 8)] {
            desk.apply(CurrencyDefined { currency: CurrencyId(number), code: TextId(number), scale });
        }
        desk.apply(instrument(LINEAR));
        desk.apply(instrument(INVERSE));
        for (account, mode) in [(NETTING, PositionMode::Netting), (HEDGING, PositionMode::Hedging)] {
            desk.apply(AccountDefined { account, name: TextId(account.0 + 4), mode });
            for currency in [USD, BTC] {
                let amount = Money::new(1_000_000_000_000_000);
                desk.apply(CashTransferred { amount, account, currency, reason: TextId::NONE });
            }
        }
        for instrument in [LINEAR, INVERSE] {
            desk.apply(QuoteObserved {
                update_id: 0,
                bid_price: Price(99_000),
                bid_qty: Qty(1_000_000),
                ask_price: Price(101_000),
                ask_qty: Qty(1_000_000),
                instrument,
            });
        }
        desk
    }

    /// Decides on what the core owes itself, then on a command; the events.
    fn apply(&mut self, command: impl Into<Command>) -> Vec<Event> {
        self.time += 7_000_000_000;
        while let Some(record) = self.core.next_internal(TimeNs(self.time)) {
            self.decide(record);
        }
        self.number += 1;
        let envelope = Envelope {
            time_ns: TimeNs(self.time),
            source: SourceId::FIRST_FEED,
            source_sequence: self.number,
            ..Envelope::default()
        };
        self.decide(Record { envelope, payload: Payload::Command(command.into()) })
    }

    fn decide(&mut self, record: Record) -> Vec<Event> {
        let frame = scenario::decide(&mut self.core, &mut self.events, record);
        for record in &frame {
            self.writer.as_mut().expect("it is open").push(record).expect("a record is taken");
        }
        self.events.events().copied().collect()
    }

    fn draw(&mut self, below: u64) -> i64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.seed >> 33) % below).expect("a small number")
    }

    /// An order of a quantity, and its fill in two parts at prices of their own.
    fn trade(&mut self, order: NewOrder) {
        let id = OrderId(self.core.last().sequence.next().0);
        // What the core owes itself comes before.
        let events = self.apply(order);
        let submitted = events
            .iter()
            .find_map(|event| if let Event::OrderSubmitted(of) = event { Some(of.order) } else { None });
        let Some(order_id) = submitted else { panic!("{order:?} {id}: {events:?}") };
        let first = 1 + self.draw(order.qty.0.unsigned_abs());
        for qty in [first, order.qty.0 - first].into_iter().filter(|qty| *qty > 0) {
            let report = FillReported {
                order: order_id,
                execution_id: self.number,
                price: Price(90_000 + self.draw(20_000)),
                qty: Qty(qty),
                fee: Money::new((self.draw(2_000) - 500).into()),
                fee_currency: CurrencyId::NONE,
                liquidity: Liquidity::Taker,
            };
            let events = self.apply(report);
            assert!(events.iter().any(|event| matches!(event, Event::PositionChanged(_))), "{events:?}");
            self.fills.push(report);
        }
    }

    /// One of the newest fills is another one, or none; whether the core took it.
    fn restate(&mut self) -> Option<FillState> {
        let newest = self.fills.len().min(12);
        let place = self.fills.len() - 1 - usize::try_from(self.draw(newest as u64)).expect("a place");
        let FillReported { order, execution_id, qty, .. } = self.fills[place];
        let events = if self.draw(2) == 0 {
            self.apply(TradeBusted { order, execution_id })
        } else {
            let (price, fee) = (Price(90_000 + self.draw(20_000)), Money::new(self.draw(900).into()));
            self.apply(TradeCorrected { order, execution_id, price, qty, fee })
        };
        events.iter().find_map(
            |event| {
                if let Event::FillRestated(of) = event { Some(of.state) } else { None }
            },
        )
    }

    /// What an account holds of an instrument on a side.
    fn held(&self, account: AccountId, instrument: InstrumentId, side: PositionSide) -> i64 {
        self.core.machine().positions().of(account, instrument, side).qty
    }

    /// Trades back to nothing.
    fn flatten(&mut self) {
        use PositionSide::{Long, Net, Short};
        for instrument in [LINEAR, INVERSE] {
            for (account, side) in [(NETTING, Net), (HEDGING, Long), (HEDGING, Short)] {
                let qty = self.held(account, instrument, side);
                if qty == 0 {
                    continue;
                }
                let way = if qty > 0 { Side::Sell } else { Side::Buy };
                // A side of a pair that is the wrong way round grows back.
                let is_close = (side, way) == (Long, Side::Sell) || (side, way) == (Short, Side::Buy);
                let position_effect = if is_close { PositionEffect::Close } else { PositionEffect::Auto };
                let price = if way == Side::Buy { Price(98_000) } else { Price(102_000) };
                let asked = NewOrder::limit(account, instrument, way, price, Qty(qty.abs()));
                self.trade(NewOrder { position_effect, ..asked });
                assert_eq!(self.held(account, instrument, side), 0);
            }
        }
    }
}

fn instrument(instrument: InstrumentId) -> Instrument {
    let (kind, settlement, settlement_scale, price_scale, quantity_scale, multiplier) =
        if instrument == INVERSE {
            (InstrumentKind::Inverse, BTC, 8, 1, 0, 100)
        } else {
            (InstrumentKind::Linear, USD, 6, 2, 3, 1)
        };
    Instrument {
        notional_max: Money::ZERO,
        tick_size: Price(1),
        lot_size: Qty(1),
        quantity_min: Qty(1),
        quantity_max: Qty(1_000_000_000),
        multiplier,
        maker_fee: Rate(0),
        taker_fee: Rate(0),
        margin_rate: Rate(10_000_000),
        instrument,
        symbol: TextId(instrument.0 + 2),
        base: BTC,
        quote: USD,
        settlement,
        kind,
        price_scale,
        quantity_scale,
        settlement_scale,
    }
}

fn writer(dir: &Path) -> Writer {
    let config = JournalConfig { segment_size: 1 << 20, spare_segments: 1, ..JournalConfig::new(dir) };
    recover(config).expect("a folder of ours").open().expect("a journal").writer
}

/// Writes a journal of random trades, busts and corrections, and lets `look` see it half written each hundred steps; how
/// many fills were busted and corrected.
fn write(dir: &Path, mut look: impl FnMut()) -> [u64; 2] {
    let mut desk = Desk::new(writer(dir));
    let mut restated = [0, 0];
    for step in 0..STEPS {
        if step % 100 == 50 {
            desk.writer.take().expect("it is open").close().expect("it is written");
            look();
            desk.writer = Some(writer(dir));
        }
        match desk.draw(10) {
            0 | 1 if !desk.fills.is_empty() => match desk.restate() {
                Some(FillState::Busted) => restated[0] += 1,
                Some(FillState::Corrected) => restated[1] += 1,
                Some(FillState::Booked | FillState::Unmatched) | None => {}
            },
            2 => {
                let instrument = if desk.draw(2) == 0 { LINEAR } else { INVERSE };
                let rate = Rate(desk.draw(2_000_000) - 1_000_000);
                desk.apply(FundingApplied { rate, price: Price(100_000), instrument });
            }
            _ => {
                let account = if desk.draw(2) == 0 { NETTING } else { HEDGING };
                let instrument = if desk.draw(2) == 0 { LINEAR } else { INVERSE };
                let side = if desk.draw(2) == 0 { Side::Buy } else { Side::Sell };
                let closed = if side == Side::Buy { PositionSide::Short } else { PositionSide::Long };
                let held = desk.held(account, instrument, closed).abs();
                let closes = account == HEDGING && desk.draw(2) == 0 && held > 0;
                let most = if closes { held.unsigned_abs() } else { 5_000 };
                let qty = Qty(1 + desk.draw(most));
                let position_effect = if closes { PositionEffect::Close } else { PositionEffect::Auto };
                let price = if side == Side::Buy { Price(98_000) } else { Price(102_000) };
                let asked = NewOrder::limit(account, instrument, side, price, qty);
                desk.trade(NewOrder { position_effect, ..asked });
            }
        }
    }
    desk.flatten();
    desk.writer.take().expect("it is open").close().expect("it is written");
    restated
}

#[test]
fn profit_of_hedged_inverse_and_restated_fills_adds_up() {
    let (Some(place), Some(other)) = (database(), database()) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal = folder.path().join("journal");
    migrate(&other.address);
    let sets = ["--set", "postgres.batch_events=30"];
    let ship_other = || {
        db(&other.address, &[&["replicate", text(&journal), "--until-caught-up"][..], &sets].concat())
            .expect(0);
    };
    // What one has shipped in parts, reading back what it kept in memory, is what one at once has.
    let [busted, corrected] = write(&journal, ship_other);
    assert!(busted > 10 && corrected > 10, "{busted} busted, {corrected} corrected");
    ship_other();
    migrate(&place.address);
    ship(&place.address, &journal);
    db(&place.address, &["verify", text(&journal)]).expect(0);
    assert_eq!(tables(&place.address), tables(&other.address));

    let database = Database::open(&place.address);
    assert_eq!(database.number("SELECT count(*) FROM tickwerk.parked"), 0);
    let sums = |sql: &str| {
        let rows = database.rows(sql);
        assert_eq!(rows.len(), 4, "two accounts, two instruments: {sql}");
        rows
    };
    // What each event told, added up.
    let told = sums(
        "SELECT account, symbol, sum((event_data ->> 'realized')::numeric), (SELECT sum((f.event_data ->> 'amount')::numeric)
            FROM tickwerk.events f WHERE f.event_type = 'position.funding_posted' AND (f.account, f.symbol) = (e.account, e.symbol))
         FROM tickwerk.events e WHERE event_type = 'position.changed' GROUP BY 1, 2 ORDER BY 1, 2",
    );
    for sql in [
        "SELECT account, symbol, sum(realized), sum(funding) FROM tickwerk.profit_series WHERE period = 'day' GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT account, symbol, sum(realized), sum(funding) FROM tickwerk.profit_series WHERE period = 'minute' GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT account, symbol, sum(realized), sum(funding) FROM tickwerk.profits GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT account, symbol, sum(realized), sum(funding) FROM tickwerk.trades GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT account, symbol, sum(realized), sum(funding) FROM tickwerk.trade_statistics GROUP BY 1, 2 ORDER BY 1, 2",
    ] {
        assert_eq!(sums(sql), told, "{sql}");
    }
    let realized: Vec<_> = told.iter().map(|row| row[2].clone()).collect();
    let of_fills =
        sums("SELECT account, symbol, sum(realized) FROM tickwerk.fills GROUP BY 1, 2 ORDER BY 1, 2");
    assert_eq!(of_fills.iter().map(|row| row[2].clone()).collect::<Vec<_>>(), realized);
    // Fees as the fills have them now.
    let fees = sums("SELECT account, symbol, sum(fee) FROM tickwerk.fills GROUP BY 1, 2 ORDER BY 1, 2");
    for table in ["profits", "trades", "trade_statistics", "profit_series"] {
        let only = if table == "profit_series" { "WHERE period = 'day'" } else { "" };
        let sql = format!(
            "SELECT account, symbol, sum(fees) FROM tickwerk.{table} {only} GROUP BY 1, 2 ORDER BY 1, 2"
        );
        assert_eq!(sums(&sql), fees, "{table}");
    }
    // Own arithmetic over the fills as they stand: rounding is at most a unit for each of them.
    let wrong = "WITH flows AS (
            SELECT account, symbol, count(*) AS fills, sum(CASE side WHEN 'sell' THEN 1 ELSE -1 END
                * CASE symbol WHEN 'LIN' THEN price * qty ELSE -100 * qty / price END) AS brought
            FROM tickwerk.fills WHERE state IN ('booked', 'corrected') GROUP BY 1, 2)
        SELECT count(*) FROM flows JOIN (SELECT account, symbol, sum(realized) AS realized, max(abs(unrealized)) AS open
            FROM tickwerk.profits GROUP BY 1, 2) AS profits USING (account, symbol)
        WHERE abs(realized - brought) > fills * CASE symbol WHEN 'LIN' THEN 0.000001 ELSE 0.00000001 END OR open <> 0";
    assert_eq!(database.number(wrong), 0);
    assert_eq!(
        database.number(
            "SELECT count(*) FROM tickwerk.profits WHERE net <> realized + unrealized - fees + funding"
        ),
        0
    );
    // Statistics are those of the trades that ended, and all have.
    let statistics = "SELECT account, symbol, trades, wins, losses, gross_profit + gross_loss, longest_s FROM tickwerk.trade_statistics ORDER BY 1, 2";
    let trades = "SELECT account, symbol, count(*), count(*) FILTER (WHERE net > 0), count(*) FILTER (WHERE net < 0), sum(net), max(holding_s)
        FROM tickwerk.trades WHERE closed_at IS NOT NULL AND NOT is_void GROUP BY 1, 2 ORDER BY 1, 2";
    assert_eq!(sums(statistics), sums(trades));
    let extremes = "SELECT account, symbol, max(largest_win), min(largest_loss), min(first_at), max(last_at)
        FROM tickwerk.trade_statistics GROUP BY 1, 2 ORDER BY 1, 2";
    let trades = "SELECT account, symbol, max(net) FILTER (WHERE net > 0), min(net) FILTER (WHERE net < 0), min(closed_at), max(closed_at)
        FROM tickwerk.trades WHERE closed_at IS NOT NULL AND NOT is_void GROUP BY 1, 2 ORDER BY 1, 2";
    assert_eq!(sums(extremes), sums(trades));
    assert!(database.number("SELECT count(*) FROM tickwerk.trades WHERE is_void") > 0);
    assert_eq!(
        database.number("SELECT count(*) FROM tickwerk.trades WHERE is_void AND (net, realized, fees, qty) <> (0, 0, 0, 0)"),
        0
    );
    assert_eq!(
        database.number("SELECT count(*) FROM tickwerk.trades WHERE closed_at IS NULL OR qty <> 0"),
        0
    );
    let sides = "SELECT string_agg(DISTINCT account || ' ' || position_side, ', ' ORDER BY account || ' ' || position_side) FROM tickwerk.trades";
    assert_eq!(database.value(sides), "hedge long, hedge short, net net");
}
