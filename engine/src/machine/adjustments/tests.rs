//! Taking fills back and setting figures to what a venue says; what calls them is tested with reports.

use super::*;
use tickwerk_domain::command::{
    AccountDefined, CashTransferred, ConversionSet, CurrencyDefined, FillReported, NewOrder, QuoteObserved,
    ReferenceCurrencySet,
};
use tickwerk_domain::{
    Command, Event, InstrumentKind, Liquidity, Money, OrderId, PositionEffect, PositionMode, Rate, Stamp,
    TextId, TimeNs,
};

const USD: CurrencyId = CurrencyId(1);
const BTC: CurrencyId = CurrencyId(2);
const SPOT: InstrumentId = InstrumentId(1);
const LINEAR: InstrumentId = InstrumentId(2);
const INVERSE: InstrumentId = InstrumentId(3);
const NETTER: AccountId = AccountId(1);
const HEDGER: AccountId = AccountId(2);
const START: i128 = 1 << 60;

struct Bench {
    machine: Machine,
    out: EventBuffer,
    execution_id: u64,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self { machine: Machine::new(), out: EventBuffer::new(), execution_id: 0 };
        for (currency, scale) in [(USD, 4), (BTC, 8)] {
            bench.apply(CurrencyDefined { currency, code: TextId::NONE, scale });
        }
        for (instrument, kind, settlement, scales) in [
            (SPOT, InstrumentKind::Spot, USD, (2, 5, 4)),
            (LINEAR, InstrumentKind::Linear, USD, (2, 3, 4)),
            (INVERSE, InstrumentKind::Inverse, BTC, (1, 0, 8)),
        ] {
            bench.apply(definition(instrument, kind, settlement, scales));
            bench.apply(QuoteObserved {
                update_id: 0,
                bid_price: Price(9_990),
                bid_qty: Qty(5),
                ask_price: Price(10_010),
                ask_qty: Qty(5),
                instrument,
            });
        }
        for (account, mode) in [(NETTER, PositionMode::Netting), (HEDGER, PositionMode::Hedging)] {
            bench.apply(AccountDefined { account, name: TextId::NONE, mode });
            for currency in [USD, BTC] {
                let amount = Money::new(START);
                bench.apply(CashTransferred { amount, account, currency, reason: TextId::NONE });
            }
        }
        bench.apply(ReferenceCurrencySet { currency: USD });
        bench.apply(ConversionSet { rate: Rate(0), currency: BTC, instrument: SPOT });
        bench
    }

    fn apply(&mut self, command: impl Into<Command>) -> OrderId {
        let sequence = self.machine.last().sequence.next();
        self.out.clear();
        self.machine.apply(Stamp { sequence, time_ns: TimeNs(sequence.0) }, &command.into(), &mut self.out);
        let is_refused = |event: &Event| matches!(event, Event::CommandRefused(_) | Event::OrderRefused(_));
        assert!(!self.out.events().any(is_refused), "{:?}", self.out.as_slice());
        OrderId(sequence.0)
    }

    /// Orders and fills; gives the slot of the order and what was booked.
    fn trade(
        &mut self,
        (account, instrument): (AccountId, InstrumentId),
        (side, position_effect): (Side, PositionEffect),
        (price, qty): (i64, i64),
        (fee, fee_currency): (i128, CurrencyId),
    ) -> (u32, super::super::fills::Executed) {
        let plain = NewOrder::limit(account, instrument, side, Price(price), Qty(qty));
        let order = self.apply(NewOrder { position_effect, ..plain });
        let slot = self.machine.orders.find(order).expect("it was taken");
        let known = *self.machine.instrument(instrument).expect("it is defined");
        self.execution_id += 1;
        let fill = FillReported {
            order,
            execution_id: self.execution_id,
            price: Price(price),
            qty: Qty(qty),
            fee: Money::new(fee),
            fee_currency,
            liquidity: Liquidity::Taker,
        };
        self.out.clear();
        let booked = self.machine.book_fill(slot, &known.definition, known.base_factor, &fill, &mut self.out);
        (slot, booked.expect("it fits"))
    }

    fn assert_balanced(&self) {
        for currency in [USD, BTC] {
            let books = LedgerBook::ALL.iter().map(|book| self.machine.accounts.book(currency, *book));
            assert_eq!(books.sum::<i128>(), 0);
        }
    }

    /// All that money is: balances of both accounts and the equity.
    fn money(&self) -> Vec<Option<i128>> {
        let cash = |account, currency| Some(self.machine.accounts.balance(account, currency).cash);
        let of = |account| [cash(account, USD), cash(account, BTC), self.machine.equity(account)];
        [NETTER, HEDGER].into_iter().flat_map(of).collect()
    }
}

fn definition(
    instrument: InstrumentId,
    kind: InstrumentKind,
    settlement: CurrencyId,
    (price_scale, quantity_scale, settlement_scale): (u8, u8, u8),
) -> Instrument {
    Instrument {
        notional_max: Money::ZERO,
        tick_size: Price(1),
        lot_size: Qty(1),
        quantity_min: Qty(1),
        quantity_max: Qty(1 << 40),
        multiplier: if kind == InstrumentKind::Inverse { 100 } else { 1 },
        maker_fee: Rate(0),
        taker_fee: Rate(0),
        margin_rate: Rate(10_000_000),
        instrument,
        symbol: TextId::NONE,
        base: BTC,
        quote: USD,
        settlement,
        kind,
        price_scale,
        quantity_scale,
        settlement_scale,
    }
}

const PLACES: [(AccountId, InstrumentId); 6] = [
    (NETTER, SPOT),
    (NETTER, LINEAR),
    (NETTER, INVERSE),
    (HEDGER, SPOT),
    (HEDGER, LINEAR),
    (HEDGER, INVERSE),
];

#[test]
fn a_fill_that_is_taken_back_at_once_leaves_nothing_behind() {
    for place in PLACES {
        for fee in [(37, CurrencyId::NONE), (-41, USD), (43, BTC)] {
            let mut bench = Bench::new();
            let before = bench.money();
            let (slot, executed) = bench.trade(place, (Side::Buy, PositionEffect::Open), (9_777, 333), fee);
            assert_ne!(bench.money(), before);
            bench.machine.unbook_fill(slot, &executed, &mut bench.out).expect("it fits");
            bench.assert_balanced();
            assert_eq!(bench.money(), before, "{place:?}");
            let side = bench.machine.orders.get(slot).position_side;
            let position = bench.machine.positions.of(place.0, place.1, side);
            assert_eq!((position.qty, position.fees, position.margin), (0, 0, 0));
        }
    }
}

/// Three fills, of which the second is taken back last: the money is that of the first and the third alone.
#[test]
fn a_fill_that_is_taken_back_later_leaves_the_money_of_a_history_without_it() {
    let (open, close) = ((Side::Buy, PositionEffect::Open), (Side::Sell, PositionEffect::Close));
    for place in PLACES {
        let (mut with, mut without) = (Bench::new(), Bench::new());
        with.trade(place, open, (9_900, 500), (5, CurrencyId::NONE));
        without.trade(place, open, (9_900, 500), (5, CurrencyId::NONE));
        let (slot, executed) = with.trade(place, open, (10_100, 300), (7, CurrencyId::NONE));
        with.trade(place, close, (10_050, 200), (3, CurrencyId::NONE));
        without.trade(place, close, (10_050, 200), (3, CurrencyId::NONE));
        with.machine.unbook_fill(slot, &executed, &mut with.out).expect("it fits");
        with.assert_balanced();
        let (ours, theirs) = (with.money(), without.money());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let off = ours.zip(*theirs).map(|(ours, theirs)| ours - theirs);
            // Cash of contracts differs by what the other average price realised; equity does not, but for rounding.
            let is_spot = place.1 == SPOT;
            assert!(off.is_some_and(|off| !is_spot || off == 0), "{place:?} {ours:?} {theirs:?}");
        }
        let equities = [2, 5].map(|at| ours[at].zip(theirs[at]).map(|(ours, theirs)| (ours - theirs).abs()));
        assert!(equities.iter().all(|off| off.is_some_and(|off| off <= 2)), "{place:?} {equities:?}");
    }
}

#[test]
fn a_balance_is_set_to_what_the_venue_says_against_the_adjustment_book() {
    let mut bench = Bench::new();
    for to in [START + 5, START - 700, -3, 0] {
        assert_eq!(bench.machine.adjust_balance(NETTER, USD, to, &mut bench.out), Ok(()));
        assert_eq!(bench.machine.accounts.balance(NETTER, USD).cash, to);
        assert_eq!(bench.machine.accounts.book(USD, LedgerBook::Adjustment), START - to);
        bench.assert_balanced();
    }
    bench.out.clear();
    assert_eq!(bench.machine.adjust_balance(NETTER, USD, 0, &mut bench.out), Ok(()));
    assert!(bench.out.is_empty(), "nothing differs");
    let mut adjust =
        |account, currency, to| bench.machine.adjust_balance(account, currency, to, &mut bench.out);
    assert_eq!(adjust(AccountId(50), USD, 1), Err(Reject::UnknownAccount));
    assert_eq!(adjust(NETTER, CurrencyId(50), 1), Err(Reject::UnknownCurrency));
    assert_eq!(adjust(NETTER, USD, i128::MIN), Err(Reject::ValueOutOfRange));
    assert_eq!(adjust(NETTER, USD, i128::MAX), Err(Reject::ValueOutOfRange));
    assert!(bench.out.is_empty());
}

#[test]
fn a_position_is_set_to_what_the_venue_says_by_a_trade_at_its_price() {
    for (account, instrument) in PLACES {
        let sides: &[(PositionSide, [i64; 4])] = match account {
            NETTER => &[(PositionSide::Net, [500, 200, -300, 0])],
            _ => &[(PositionSide::Long, [500, 200, 700, 0]), (PositionSide::Short, [-500, -200, -900, 0])],
        };
        for (side, steps) in sides {
            let mut bench = Bench::new();
            for (at, to) in steps.iter().enumerate() {
                bench.out.clear();
                // The mark, then prices of the venue.
                let price = Price([0, 10_100, 9_900, 10_000][at]);
                let set = bench.machine.adjust_position(
                    account,
                    instrument,
                    *side,
                    Qty(*to),
                    price,
                    &mut bench.out,
                );
                assert_eq!(set, Ok(()));
                let events: Vec<_> = bench.out.events().collect();
                let Event::PositionChanged(told) = events[0] else { panic!("{events:?}") };
                assert_eq!((told.change, told.side, told.qty), (PositionChange::Adjusted, *side, Qty(*to)));
                let position = bench.machine.positions.of(account, instrument, *side);
                assert_eq!(position.qty, *to);
                assert_eq!(position.margin == 0, instrument == SPOT || *to == 0);
                assert_eq!(bench.machine.accounts.book(USD, LedgerBook::Venue), 0);
                bench.assert_balanced();
            }
            let position = bench.machine.positions.of(account, instrument, *side);
            assert_eq!(position.open_cost, 0);
            bench.out.clear();
            let again =
                bench.machine.adjust_position(account, instrument, *side, Qty(0), Price(0), &mut bench.out);
            assert!(again.is_ok() && bench.out.is_empty(), "nothing differs");
        }
    }
}

#[test]
fn a_position_that_cannot_be_is_not_set() {
    let mut bench = Bench::new();
    let mut set = |account, instrument, side, to, price| {
        bench.machine.adjust_position(account, instrument, side, Qty(to), Price(price), &mut bench.out)
    };
    let (net, long, short) = (PositionSide::Net, PositionSide::Long, PositionSide::Short);
    assert_eq!(set(AccountId(50), LINEAR, net, 1, 1), Err(Reject::UnknownAccount));
    assert_eq!(set(NETTER, InstrumentId(50), net, 1, 1), Err(Reject::UnknownInstrument));
    assert_eq!(set(NETTER, LINEAR, long, 1, 1), Err(Reject::PositionModeInvalid));
    assert_eq!(set(HEDGER, LINEAR, net, 1, 1), Err(Reject::PositionModeInvalid));
    assert_eq!(set(HEDGER, LINEAR, long, -1, 1), Err(Reject::ValueOutOfRange));
    assert_eq!(set(HEDGER, LINEAR, short, 1, 1), Err(Reject::ValueOutOfRange));
    assert_eq!(set(NETTER, LINEAR, net, i64::MIN, 1), Err(Reject::ValueOutOfRange));
    assert_eq!(set(NETTER, LINEAR, net, i64::MAX, 1), Err(Reject::ValueOutOfRange));
    assert_eq!(set(NETTER, INVERSE, net, 5, -1), Err(Reject::ValueOverflow));
    assert!(bench.out.is_empty());
    assert_eq!(bench.machine.positions.all().count(), 0);
}
