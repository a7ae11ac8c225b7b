//! An exchange of our own inside the core: what one account pays another gets, and both sides agree on every trade.

use super::desk::{ALICE, BOB, BTC, Desk, LINEAR, SPOT, USD, USD_START};
use super::seed::each_seed;
use std::collections::BTreeMap;
use tickwerk_domain::command::{
    CancelOrder, FillReported, NewOrder, ReplaceOrder, SessionSet, SimulatedVenueSet,
};
use tickwerk_domain::event::LedgerBook;
use tickwerk_domain::{
    AccountId, ClientOrderId, Command, DurationNs, InstrumentId, Liquidity, OrderId, OrderType, Price, Qty,
    QueueModel, SelfTradePrevention, SessionState, Side, TimeInForce, TimeNs,
};
use tickwerk_venue::random::Random;

/// Both instruments are exchanges; a quote beside them is a reference for risk and marks.
fn desk(self_trade: SelfTradePrevention) -> Desk {
    let mut desk = Desk::with_quotes();
    for instrument in [SPOT, LINEAR] {
        desk.apply(SimulatedVenueSet {
            queue_model: QueueModel::Exchange,
            self_trade,
            report_latency: DurationNs(300),
            ..SimulatedVenueSet::touch(instrument, DurationNs(500))
        });
    }
    desk
}

fn order(account: AccountId, side: Side, price: i64, qty: i64) -> NewOrder {
    NewOrder::limit(account, LINEAR, side, Price(price), Qty(qty))
}

/// Feeds, lets everything arrive, and gives the fills.
fn fills(desk: &mut Desk, command: impl Into<Command>) -> Vec<FillReported> {
    desk.feed(command);
    let settled = desk.settle(desk.time + 10_000);
    desk.time += 10_000;
    let fill = |(command, _): (Command, _)| {
        let Command::FillReported(fill) = command else { return None };
        Some(fill)
    };
    settled.into_iter().filter_map(fill).collect()
}

#[test]
fn both_sides_of_a_trade_are_filled_with_their_fees() {
    let mut desk = desk(SelfTradePrevention::Off);
    assert_eq!(fills(&mut desk, order(ALICE, Side::Sell, 10_000, 100)), []);
    let both = fills(&mut desk, order(BOB, Side::Buy, 10_010, 60));
    let short: Vec<_> = both.iter().map(|fill| (fill.liquidity, fill.price.0, fill.qty.0)).collect();
    assert_eq!(short, [(Liquidity::Maker, 10_000, 60), (Liquidity::Taker, 10_000, 60)]);
    let position = |desk: &Desk, account| desk.machine().positions().get(account, LINEAR).qty;
    assert_eq!((position(&desk, ALICE), position(&desk, BOB)), (-60, 60));
    // 0.06 × 100.00 = 6 USD; 0.01 % and 0.05 % of that.
    assert_eq!(USD_START - desk.cash(ALICE, USD), 6);
    assert_eq!(USD_START - desk.cash(BOB, USD), 30);
    desk.restarted();
}

#[test]
fn an_opening_auction_in_the_core_trades_at_one_price() {
    let mut desk = desk(SelfTradePrevention::Off);
    let session = |state| SessionSet { closes_at: TimeNs::UNKNOWN, instrument: LINEAR, state };
    for state in [SessionState::Closed, SessionState::PreOpen, SessionState::OpeningAuction] {
        assert_eq!(fills(&mut desk, session(state)), []);
    }
    for (account, side, price) in
        [(ALICE, Side::Buy, 10_010), (BOB, Side::Sell, 9_990), (BOB, Side::Sell, 10_000)]
    {
        assert_eq!(fills(&mut desk, order(account, side, price, 50)), []);
    }
    let both = fills(&mut desk, session(SessionState::Continuous));
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both.iter().all(|fill| fill.price == both[0].price && fill.liquidity == Liquidity::Maker));
    desk.restarted();
}

/// What happened at random between two accounts, and what must hold of it.
struct Run {
    desk: Desk,
    random: Random,
    orders: Vec<(OrderId, AccountId, InstrumentId)>,
    /// Executed quantity by instrument and price, buys less sells, and how much of either.
    traded: BTreeMap<(u32, i64), (i64, i64)>,
    fills: i128,
}

impl Run {
    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.random.up_to(all.len() as u64 - 1)).expect("an index")]
    }

    fn number(&mut self, from: i64, to: i64) -> i64 {
        from + self.random.up_to(to.abs_diff(from)).cast_signed()
    }

    fn step(&mut self) {
        let (account, instrument) = (self.pick(&[ALICE, BOB]), self.pick(&[SPOT, LINEAR]));
        match self.random.up_to(19) {
            0..=11 => self.send(account, instrument),
            12..=14 if !self.orders.is_empty() => {
                let (order, account, _) = self.pick(&self.orders.clone());
                let client_order_id = ClientOrderId::NONE;
                self.feed(CancelOrder { order, account, client_order_id }.into());
            }
            15 | 16 if !self.orders.is_empty() => {
                let (order, account, _) = self.pick(&self.orders.clone());
                let replace = ReplaceOrder {
                    order,
                    price: Price(10 * self.number(990, 1_010)),
                    qty: Qty(5 * self.number(2, 60)),
                    trigger_price: Price(0),
                    display_qty: Qty::ZERO,
                    account,
                    client_order_id: ClientOrderId::NONE,
                };
                self.feed(replace.into());
            }
            17 if self.random.up_to(3) == 0 => {
                let state = self.pick(SessionState::ALL);
                self.feed(SessionSet { closes_at: TimeNs::UNKNOWN, instrument, state }.into());
            }
            _ => {
                let state = SessionState::Continuous;
                self.feed(SessionSet { closes_at: TimeNs::UNKNOWN, instrument, state }.into());
            }
        }
    }

    fn send(&mut self, account: AccountId, instrument: InstrumentId) {
        let (side, price, qty) = (self.pick(Side::ALL), 10 * self.number(990, 1_010), 5 * self.number(2, 60));
        let plain = NewOrder::limit(account, instrument, side, Price(price), Qty(qty));
        let is_market = self.random.up_to(6) == 0;
        let new = NewOrder {
            order_type: if is_market { OrderType::Market } else { OrderType::Limit },
            price: Price(if is_market { 0 } else { price }),
            time_in_force: self.pick(&[
                TimeInForce::Gtc,
                TimeInForce::Gtc,
                TimeInForce::Ioc,
                TimeInForce::Fok,
                TimeInForce::AtTheOpen,
                TimeInForce::AtTheClose,
            ]),
            display_qty: Qty(if self.random.up_to(5) == 0 { 10 } else { 0 }),
            post_only: self.random.up_to(6) == 0,
            ..plain
        };
        self.orders.push((self.desk.next_id(), account, instrument));
        self.feed(new.into());
    }

    fn feed(&mut self, command: Command) {
        self.desk.settle(self.desk.time + 1_000);
        let id = self.desk.next_id();
        if let (Command::NewOrder(_), Some(last)) = (&command, self.orders.last_mut()) {
            last.0 = id;
        }
        self.desk.apply(command);
        let settled = self.desk.settle(self.desk.time + self.random.up_to(2_000));
        self.note(settled);
    }

    fn note(&mut self, settled: Vec<(Command, Vec<tickwerk_domain::Event>)>) {
        for (command, _) in settled {
            let Command::FillReported(fill) = command else { continue };
            let order = self.desk.machine().orders().by_id(fill.order).expect("it was sent");
            let sign = if order.side == Side::Buy { 1 } else { -1 };
            let sum = self.traded.entry((order.instrument.0, fill.price.0)).or_default();
            sum.0 += sign * fill.qty.0;
            sum.1 += fill.qty.0;
            self.fills += 1;
        }
    }

    /// Lets everything arrive, and compares the two sides.
    fn check(&mut self) -> i64 {
        let settled = self.desk.settle(u64::MAX - 1);
        self.note(settled);
        for ((instrument, price), (difference, _)) in &self.traded {
            assert_eq!(*difference, 0, "instrument {instrument} at {price}: buys and sells");
        }
        let machine = self.desk.machine();
        let accounts = [ALICE, BOB];
        let held = |account| machine.positions().get(account, LINEAR).qty;
        assert_eq!(held(ALICE) + held(BOB), 0, "every contract has two sides");
        // What one account pays for coins the other gets; of contracts the venue holds what was realised, and all that was
        // gained is lost by the other side, but for what rounds away with a fill.
        assert_eq!(machine.accounts().book(BTC, LedgerBook::Venue), 0, "coins");
        let realized: i128 =
            accounts.iter().map(|account| machine.positions().get(*account, LINEAR).realized).sum();
        let unrealized: i128 = accounts.iter().map(|account| machine.unrealized(*account, LINEAR)).sum();
        let venue = machine.accounts().book(USD, LedgerBook::Venue);
        let fills = self.fills;
        assert!((venue + realized).abs() <= fills, "venue {venue}, realised {realized}, {fills} fills");
        assert!((realized + unrealized).abs() <= fills, "realised {realized}, unrealised {unrealized}");
        self.traded.values().map(|(_, either)| *either).sum()
    }
}

#[test]
fn whatever_the_accounts_do_both_sides_of_all_trades_match() {
    each_seed(6, |seed| {
        let modes = SelfTradePrevention::ALL;
        let mode = modes[usize::try_from(seed).expect("small") % modes.len()];
        let mut run = Run {
            desk: desk(mode),
            random: Random::new(seed),
            orders: Vec::new(),
            traded: BTreeMap::new(),
            fills: 0,
        };
        for _ in 0..1_500 {
            run.step();
        }
        assert!(run.check() > 1_000, "they traded");
        let open = run.desk.machine().orders().open().count();
        assert!(open <= run.orders.len());
        run.desk.restarted();
    });
}
