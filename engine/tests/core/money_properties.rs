//! Random trades, fees, funding, marks and hedging: no money is made (the desk asserts it after every command), and
//! equity is what a plain model says, to the units that postings are rounded to.

use super::desk::{ALICE, BTC, BTC_START, Desk, INVERSE, LINEAR, SPOT, USD, USD_START, fill, quote};
use super::money_kit::{BNB, HEDGER, accept, book, desk, equity, funding, marks};
use super::seed::{Random, each_seed};
use std::collections::BTreeMap;
use tickwerk_domain::command::{FillReported, NewOrder};
use tickwerk_domain::event::LedgerBook;
use tickwerk_domain::numbers::divide_half_even;
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Event, InstrumentId, MarkSource, Payload, PositionEffect, PositionSide,
    Price, Qty, Record, Side,
};
use tickwerk_engine::Decider;
use tickwerk_engine::replay::Replay;

/// What a plain model knows of an account. Money in units of 10⁻⁷ dollars and 10⁻⁸ bitcoins.
#[derive(Default)]
struct Model {
    dollars: i128,
    bitcoins: i128,
    coins: i128,
    /// Contracts held.
    linear: i128,
    /// What they cost, in 10⁻⁵ dollars.
    linear_cost: i128,
    inverse: i128,
    /// What they cost, in 10⁻⁸ bitcoins.
    inverse_cost: i128,
    /// Roundings so far: each is half a unit of a dollar's scale at most.
    roundings: i128,
}

/// Value of contracts of 100 dollars at a price with one decimal, in 10⁻⁸ bitcoins.
fn inverse_value(price: i128, qty: i128) -> i128 {
    divide_half_even(qty * 100 * 1_000_000_000, price)
}

impl Model {
    fn new() -> Self {
        let (dollars, bitcoins) = (USD_START * 1_000, BTC_START);
        Self { dollars, bitcoins, coins: 1_000_000_000, ..Self::default() }
    }

    fn trade(&mut self, instrument: InstrumentId, side: Side, price: i64, qty: i64) {
        let (price, qty) = (i128::from(price), i128::from(side.sign() * qty));
        match instrument {
            SPOT => {
                self.dollars -= price * qty;
                self.bitcoins += qty * 1_000;
            }
            LINEAR => {
                self.linear += qty;
                self.linear_cost += price * qty;
            }
            _ => {
                self.inverse += qty;
                self.inverse_cost += qty.signum() * inverse_value(price, qty.abs());
            }
        }
        self.roundings += 1;
    }

    fn fee(&mut self, fee: i128, currency: CurrencyId, instrument: InstrumentId) {
        match (currency, instrument) {
            (USD, _) | (CurrencyId::NONE, SPOT | LINEAR) => self.dollars -= fee * 1_000,
            (BNB, _) => self.coins -= fee,
            _ => self.bitcoins -= fee,
        }
    }

    /// At a rate in 10⁻⁸.
    fn funding(&mut self, instrument: InstrumentId, rate: i64, price: i64) {
        let (rate, price) = (i128::from(rate), i128::from(price));
        if instrument == LINEAR {
            self.dollars -= self.linear * price * 100 * rate / 100_000_000;
        } else {
            self.bitcoins -= divide_half_even(
                self.inverse.signum() * inverse_value(price, self.inverse.abs()) * rate,
                100_000_000,
            );
        }
        self.roundings += 4;
    }

    /// Twice the equity in 10⁻⁷ dollars, at mid prices.
    fn equity_twice(&self, mids: &BTreeMap<InstrumentId, i64>) -> i128 {
        let mid = |of| i128::from(mids[&of]);
        let linear = self.linear * mid(LINEAR) - self.linear_cost;
        let (low, high) = (mid(INVERSE) - 10, mid(INVERSE) + 10);
        let value = |price| self.inverse.signum() * inverse_value(price, self.inverse.abs());
        let bitcoins_twice = 2 * (self.bitcoins + self.inverse_cost) - value(low) - value(high);
        // 300 dollars for 10⁸ coins.
        2 * (self.dollars + linear * 100 + self.coins * 30) + bitcoins_twice * mid(SPOT) / 1_000
    }
}

struct Run {
    desk: Desk,
    random: Random,
    models: BTreeMap<AccountId, Model>,
    mids: BTreeMap<InstrumentId, i64>,
    /// Frames that the models know.
    known: usize,
    fills: usize,
    funded: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut desk = desk();
        for instrument in [SPOT, LINEAR, INVERSE] {
            accept(&mut desk, marks(instrument, MarkSource::Mid, 50_000));
        }
        let models = [ALICE, HEDGER].map(|account| (account, Model::new())).into();
        let mids = [SPOT, LINEAR, INVERSE].map(|instrument| (instrument, 10_000)).into();
        let known = desk.frames.len();
        Self { desk, random: Random::new(seed), models, mids, known, fills: 0, funded: 0 }
    }

    fn step(&mut self) {
        match self.random.below(10) {
            0 | 1 => self.move_market(),
            2 => self.fund(),
            _ => self.trade(),
        }
        while let Some(frame) = self.desk.frames.get(self.known).cloned() {
            self.known += 1;
            self.note(&frame);
        }
        for (account, model) in &self.models {
            let off = 2 * equity(&self.desk, *account) * 1_000 - model.equity_twice(&self.mids);
            // Half a unit a rounding, and a few more for what is rounded when it is looked at.
            let most = 1_000 * (model.roundings + 10);
            assert!(off.abs() <= most, "account {account} is off by {off} half units of 10⁻⁷, {most} may be");
        }
    }

    fn move_market(&mut self) {
        let instrument = self.random.pick(&[SPOT, LINEAR, INVERSE]);
        let mid = 10 * self.random.between(900, 1_100);
        self.mids.insert(instrument, mid);
        self.desk.feed(quote(instrument, mid - 10, mid + 10));
    }

    fn fund(&mut self) {
        let instrument = self.random.pick(&[LINEAR, INVERSE]);
        let (rate, price) = (self.random.between(-100_000, 100_000), self.random.between(9_000, 11_000));
        self.desk.feed(funding(instrument, rate, price));
    }

    /// An order, which the simulated venue may fill or which is filled here, in two parts and at odd prices.
    fn trade(&mut self) {
        let account = self.random.pick(&[ALICE, HEDGER]);
        let instrument = self.random.pick(&[SPOT, LINEAR, INVERSE]);
        let side = self.random.pick(Side::ALL);
        let position_effect = self.random.pick(PositionEffect::ALL);
        let (price, qty) = (10 * self.random.between(900, 1_100), 5 * self.random.between(2, 60));
        self.desk.settle(self.desk.time + 1_000);
        let id = self.desk.next_id();
        let order = NewOrder::limit(account, instrument, side, Price(price), Qty(qty));
        self.desk.apply(NewOrder { position_effect, ..order });
        let first = self.random.between(1, qty);
        for (execution, part) in (1_000..).zip([first, qty - first]) {
            let fee = i128::from(self.random.between(-20, 200));
            let fee_currency = self.random.pick(&[CurrencyId::NONE, USD, BTC, BNB]);
            let price = price + self.random.between(-30, 30);
            self.desk.feed(FillReported { fee_currency, ..fill(id, execution, price, part, fee) });
        }
    }

    /// Tells the models of a fill that was booked and of funding that was paid.
    fn note(&mut self, frame: &[Record]) {
        let Payload::Command(command) = frame[0].payload else { panic!("a frame begins with its command") };
        let told = frame.get(1).map(|record| record.payload);
        match (command, told) {
            (
                Command::FillReported(fill),
                Some(Payload::Event(Event::OrderFilled(_) | Event::OrderPartiallyFilled(_))),
            ) => {
                let order = *self.desk.machine().orders().by_id(fill.order).expect("it was filled");
                let model = self.models.get_mut(&order.account).expect("both have one");
                model.trade(order.instrument, order.side, fill.price.0, fill.qty.0);
                model.fee(fill.fee.get(), fill.fee_currency, order.instrument);
                self.fills += 1;
            }
            (Command::FundingApplied(of), Some(Payload::Event(Event::FundingPosted(_)))) => {
                for model in self.models.values_mut() {
                    model.funding(of.instrument, of.rate.0, of.price.0);
                }
                self.funded += 1;
            }
            _ => {}
        }
    }
}

#[test]
fn equity_is_price_moves_times_position_less_fees_and_funding() {
    let (fills, funded) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    each_seed(25, |seed| {
        let mut run = Run::new(seed);
        for _ in 0..250 {
            run.step();
        }
        fills.set(fills.get() + run.fills);
        funded.set(funded.get() + run.funded);
    });
    if std::env::var_os("SEED").is_none() {
        assert!(fills.get() > 2_000 && funded.get() > 300, "{} fills, {} funded", fills.get(), funded.get());
    }
}

#[test]
fn a_hedged_side_is_never_the_other_way_round_and_ties_up_its_own_margin() {
    each_seed(10, |seed| {
        let mut run = Run::new(seed + 50);
        for _ in 0..250 {
            run.step();
            let positions = run.desk.machine().positions();
            for (currency, of) in [(USD, LINEAR), (BTC, INVERSE)] {
                let [long, short] =
                    [PositionSide::Long, PositionSide::Short].map(|side| positions.of(HEDGER, of, side));
                assert!(long.qty >= 0 && short.qty <= 0);
                assert_eq!(run.desk.reserved(HEDGER, currency), long.margin + short.margin);
            }
        }
    });
}

#[test]
fn the_rounding_book_stays_within_a_unit_a_fill() {
    each_seed(5, |seed| {
        let mut run = Run::new(seed + 100);
        for _ in 0..250 {
            run.step();
        }
        let rounding = book(&run.desk, USD, LedgerBook::Rounding).unsigned_abs();
        assert!(rounding <= run.fills as u128, "{rounding} after {} fills", run.fills);
    });
}

#[test]
fn a_re_execution_of_marks_funding_and_hedging_agrees() {
    each_seed(3, |seed| {
        let mut run = Run::new(seed + 200);
        for _ in 0..200 {
            run.step();
        }
        let mut replay = Replay::new();
        for frame in &run.desk.frames {
            assert_eq!(replay.apply(frame), Ok(()));
        }
        assert_eq!(replay.core().digest(), run.desk.core.digest());
        assert_eq!(replay.core().last(), run.desk.core.last());
    });
}
