//! What the risk rules keep of positions and balances is what they would work out anew, whatever comes in between.
//!
//! The machine compares both wherever it uses what it kept, in builds with debug assertions; these runs make it use all
//! of it between random orders, fills, ends, moves of markets, marks, transfers, conversions, funding and limits.

use super::desk::{
    ALICE, BTC, Desk, INVERSE, LINEAR, SPOT, USD, cancel, fill, limit, quote, report, transfer,
};
use super::money_kit::{BNB, HEDGER, desk, funding, marks};
use super::seed::{Random, each_seed, is_long};
use tickwerk_domain::command::{ConversionSet, MarkObserved, NewOrder, ReferenceCurrencySet, TradeObserved};
use tickwerk_domain::{
    AccountId, Aggressor, Command, Event, InstrumentId, LimitKind, MarkSource, OrderId, PositionEffect,
    Price, Qty, Rate, ReportKind, Side,
};

const ACCOUNTS: [AccountId; 2] = [ALICE, HEDGER];
const INSTRUMENTS: [InstrumentId; 3] = [SPOT, LINEAR, INVERSE];
/// Limits that ask for something that is kept, with values that some orders reach.
const LIMITS: [(LimitKind, i64); 8] = [
    (LimitKind::GrossExposure, 60_000_000),
    (LimitKind::NetExposure, 40_000_000),
    (LimitKind::Leverage, 2 * Rate::ONE.0),
    (LimitKind::Credit, 5_000_000),
    (LimitKind::DailyLoss, 2_000_000),
    (LimitKind::Drawdown, 10_000_000),
    (LimitKind::AlertFraction, 50_000_000),
    (LimitKind::OrderToTrade, 8),
];

struct Run {
    desk: Desk,
    random: Random,
    approved: usize,
    refused: usize,
    alerts: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut run = Self { desk: desk(), random: Random::new(seed), approved: 0, refused: 0, alerts: 0 };
        for kind in LIMITS {
            run.set_limit(kind);
        }
        run
    }

    fn feed(&mut self, command: impl Into<Command>) {
        for event in self.desk.feed(command) {
            self.approved += usize::from(matches!(event, Event::OrderApproved(_)));
            self.refused += usize::from(matches!(event, Event::OrderRefused(_)));
            self.alerts += usize::from(matches!(event, Event::RiskAlert(_)));
        }
    }

    /// A limit for all accounts: as it is, some times as wide, without an end, or none.
    fn set_limit(&mut self, (kind, value): (LimitKind, i64)) {
        let is_fraction = matches!(kind, LimitKind::AlertFraction | LimitKind::Drawdown);
        let value = match self.random.below(4) {
            0 if !is_fraction => i64::MAX >> 33,
            1 if !is_fraction => value * 20,
            2 if self.random.one_in(3) => -1,
            _ => value,
        };
        self.feed(limit(kind, AccountId::NONE, InstrumentId::NONE, value));
    }

    fn order(&mut self) {
        let (account, instrument) = (self.random.pick(&ACCOUNTS), self.random.pick(&INSTRUMENTS));
        let (side, position_effect) = (self.random.pick(Side::ALL), self.random.pick(PositionEffect::ALL));
        let (price, qty) = (10 * self.random.between(900, 1_100), 5 * self.random.between(2, 60));
        let order = NewOrder::limit(account, instrument, side, Price(price), Qty(qty));
        self.feed(NewOrder { position_effect, ..order });
    }

    fn open_order(&mut self) -> Option<OrderId> {
        let open: Vec<OrderId> = self.desk.machine().orders().open().map(|order| order.id).collect();
        (!open.is_empty()).then(|| self.random.pick(&open))
    }

    fn end_or_fill(&mut self) {
        let Some(id) = self.open_order() else { return };
        match self.random.below(4) {
            0 => self.feed(cancel(id)),
            1 => self.feed(report(id, ReportKind::Canceled, None)),
            _ => {
                let order = self.desk.machine().orders().by_id(id).expect("it is open");
                let (price, leaves) = (order.price.0, order.leaves().0);
                let qty = self.random.between(1, leaves.max(1));
                let execution = 1_000 + self.random.next() % 1_000_000;
                let price = price + self.random.between(-30, 30);
                let fee = i128::from(self.random.between(-20, 200));
                self.feed(fill(id, execution, price, qty, fee));
            }
        }
    }

    fn move_market(&mut self) {
        let instrument = self.random.pick(&INSTRUMENTS);
        let mid = 10 * self.random.between(900, 1_100);
        match self.random.below(8) {
            0 => {
                let source = self.random.pick(&[MarkSource::Mid, MarkSource::Last, MarkSource::Venue]);
                self.feed(marks(instrument, source, 50_000));
            }
            1 => self.feed(MarkObserved { price: Price(mid), instrument }),
            2 => self.feed(TradeObserved {
                price: Price(mid),
                qty: Qty(5),
                instrument,
                aggressor: Aggressor::Buyer,
                trade_id: 0,
            }),
            3 => self.feed(quote(instrument, mid, mid + 10)),
            _ => self.feed(quote(instrument, mid - 10, mid + 10)),
        }
    }

    fn rare(&mut self) {
        let account = self.random.pick(&ACCOUNTS);
        let currency = self.random.pick(&[USD, BTC, BNB]);
        match self.random.below(6) {
            0 => {
                let amount = i128::from(self.random.between(-1_000_000, 1_000_000));
                self.feed(transfer(account, currency, amount));
            }
            1 => {
                let instrument = self.random.pick(&[LINEAR, INVERSE]);
                let (rate, price) =
                    (self.random.between(-100_000, 100_000), self.random.between(9_000, 11_000));
                self.feed(funding(instrument, rate, price));
            }
            2 => {
                let rate = Rate(self.random.between(1, 60_000) * 1_000_000);
                self.feed(ConversionSet { rate, currency, instrument: InstrumentId::NONE });
            }
            3 => self.feed(ConversionSet { rate: Rate(0), currency: BTC, instrument: SPOT }),
            4 if self.random.one_in(4) => self.feed(ReferenceCurrencySet { currency }),
            _ => {
                let kind = self.random.pick(&LIMITS);
                self.set_limit(kind);
            }
        }
    }

    fn step(&mut self) {
        match self.random.below(12) {
            0..=4 => self.order(),
            5..=7 => self.end_or_fill(),
            8..=10 => self.move_market(),
            _ => self.rare(),
        }
    }
}

#[test]
fn what_is_kept_is_what_would_be_worked_out_anew() {
    let (approved, refused, alerts) = Default::default();
    let counts: [&std::cell::Cell<usize>; 3] = [&approved, &refused, &alerts];
    each_seed(if is_long() { 400 } else { 20 }, |seed| {
        let mut run = Run::new(seed);
        for _ in 0..300 {
            run.step();
        }
        let desk = std::mem::replace(&mut run.desk, Desk::empty());
        let before = desk.machine().digest();
        assert_eq!(desk.restarted().machine().digest(), before);
        for (count, more) in counts.iter().zip([run.approved, run.refused, run.alerts]) {
            count.set(count.get() + more);
        }
    });
    if std::env::var_os("SEED").is_none() {
        assert!(counts.iter().all(|count| count.get() > 100), "{counts:?}");
    }
}
