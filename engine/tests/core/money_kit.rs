//! What the tests of money share: a desk with a reference currency and a hedging account, trades, and finding events.

use super::desk::{ALICE, BTC, Desk, SPOT, USD, fill, quote, transfer};
use tickwerk_domain::command::{
    AccountDefined, AccountStateSet, ConversionSet, CurrencyDefined, FillReported, FundingApplied,
    MarkSourceSet, NewOrder, ReferenceCurrencySet,
};
use tickwerk_domain::event::{
    AccountMarked, CommandRefused, FundingPosted, LedgerBook, PositionChanged, PositionMarked, Posted,
};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, AccountState, Command, CurrencyId, DurationNs, Event, InstrumentId, MarkSource, OrderId,
    PositionEffect, PositionMode, PositionSide, Price, Qty, Rate, Reject, Side, TextId,
};
use tickwerk_engine::positions::Position;

/// An account in hedging mode.
pub(crate) const HEDGER: AccountId = AccountId(3);
/// What some fees are taken in; 8 decimals.
pub(crate) const BNB: CurrencyId = CurrencyId(3);
/// 300 dollars for one.
pub(crate) const BNB_RATE: Rate = Rate(30_000_000_000);

/// What was moved: amount, currency, from, to.
pub(crate) fn legs(posted: &Posted) -> Vec<(i128, CurrencyId, LedgerBook, LedgerBook)> {
    let legs = posted.legs[..usize::from(posted.count)].iter();
    legs.map(|leg| (leg.amount.get(), leg.currency, leg.from, leg.to)).collect()
}

/// A desk with quotes, dollars as reference currency, bitcoins at the mark of the spot market and a hedging account.
pub(crate) fn desk() -> Desk {
    let mut desk = Desk::with_quotes();
    accept(&mut desk, CurrencyDefined { currency: BNB, code: TextId::NONE, scale: 8 });
    accept(&mut desk, account(HEDGER, PositionMode::Hedging));
    for account in [ALICE, HEDGER] {
        accept(&mut desk, transfer(account, BNB, 1_000_000_000));
    }
    accept(&mut desk, transfer(HEDGER, USD, super::desk::USD_START));
    accept(&mut desk, transfer(HEDGER, BTC, super::desk::BTC_START));
    accept(&mut desk, ReferenceCurrencySet { currency: USD });
    accept(&mut desk, ConversionSet { rate: Rate(0), currency: BTC, instrument: SPOT });
    accept(&mut desk, ConversionSet { rate: BNB_RATE, currency: BNB, instrument: InstrumentId::NONE });
    desk
}

/// Applies a command that is not refused.
pub(crate) fn accept(desk: &mut Desk, command: impl Into<Command>) -> Vec<Event> {
    let command = command.into();
    let events = desk.apply(command);
    assert_eq!(reason(&events), None, "{command:?}");
    events
}

/// Applies a command that is refused, and nothing but the refusal happens.
pub(crate) fn refused(desk: &mut Desk, command: impl Into<Command>) -> Reject {
    let command = command.into();
    let events = desk.apply(command);
    assert_eq!(events.len(), 1, "{command:?} {events:?}");
    reason(&events).unwrap_or_else(|| panic!("{command:?} was taken"))
}

fn reason(events: &[Event]) -> Option<Reject> {
    events.iter().find_map(|event| {
        let Event::CommandRefused(CommandRefused { reason, .. }) = event else { return None };
        Reject::from_code(*reason)
    })
}

/// Why an order was refused.
pub(crate) fn order_reason(events: &[Event]) -> Option<ReasonCode> {
    events.iter().find_map(|event| if let Event::OrderRefused(of) = event { Some(of.reason) } else { None })
}

pub(crate) fn account(account: AccountId, mode: PositionMode) -> AccountDefined {
    AccountDefined { account, name: TextId::NONE, mode }
}

pub(crate) fn state(account: AccountId, state: AccountState) -> AccountStateSet {
    AccountStateSet { account, reason: TextId::NONE, state }
}

pub(crate) fn funding(instrument: InstrumentId, rate: i64, price: i64) -> FundingApplied {
    FundingApplied { rate: Rate(rate), price: Price(price), instrument }
}

pub(crate) fn marks(instrument: InstrumentId, source: MarkSource, interval: u64) -> MarkSourceSet {
    MarkSourceSet { interval: DurationNs(interval), instrument, source }
}

/// An order that is taken.
pub(crate) fn order(
    desk: &mut Desk,
    (account, instrument): (AccountId, InstrumentId),
    (side, position_effect): (Side, PositionEffect),
    price: i64,
    qty: i64,
) -> OrderId {
    let id = desk.next_id();
    let plain = NewOrder::limit(account, instrument, side, Price(price), Qty(qty));
    desk.apply(NewOrder { position_effect, ..plain });
    assert!(desk.machine().orders().by_id(id).is_some_and(|order| !order.status.is_done()), "{id} is taken");
    id
}

/// Orders and fills at once, without a fee.
pub(crate) fn trade(
    desk: &mut Desk,
    place: (AccountId, InstrumentId),
    way: (Side, PositionEffect),
    price: i64,
    qty: i64,
) -> Vec<Event> {
    trade_with_fee(desk, place, way, (price, qty), (0, CurrencyId::NONE))
}

pub(crate) fn trade_with_fee(
    desk: &mut Desk,
    place: (AccountId, InstrumentId),
    way: (Side, PositionEffect),
    (price, qty): (i64, i64),
    (fee, fee_currency): (i128, CurrencyId),
) -> Vec<Event> {
    let id = order(desk, place, way, price, qty);
    desk.apply(FillReported { fee_currency, ..fill(id, 1, price, qty, fee) })
}

/// All timers that are due by `until` and what they go on with, without what the simulated venue says.
pub(crate) fn owed(desk: &mut Desk, until: u64) -> Vec<(Command, Vec<Event>)> {
    let is_own = |command: &Command| matches!(command, Command::TimerFired(_) | Command::Continue(_));
    desk.settle(until).into_iter().filter(|(command, _)| is_own(command)).collect()
}

/// Moves the mid price of an instrument.
pub(crate) fn move_to(desk: &mut Desk, instrument: InstrumentId, mid: i64) {
    assert_eq!(desk.apply(quote(instrument, mid - 10, mid + 10)), []);
}

pub(crate) fn side_of(desk: &Desk, instrument: InstrumentId, side: PositionSide) -> Position {
    *desk.machine().positions().of(HEDGER, instrument, side)
}

pub(crate) fn equity(desk: &Desk, account: AccountId) -> i128 {
    desk.machine().equity(account).expect("all that the account has can be converted")
}

pub(crate) fn book(desk: &Desk, currency: CurrencyId, book: LedgerBook) -> i128 {
    desk.machine().accounts().book(currency, book)
}

macro_rules! finders {
    ($($name:ident $variant:ident)*) => {
        $(
            /// All events of this kind, in order.
            pub(crate) fn $name(events: &[Event]) -> Vec<$variant> {
                let found = |event: &Event| {
                    if let Event::$variant(payload) = event { Some(*payload) } else { None }
                };
                events.iter().filter_map(found).collect()
            }
        )*
    };
}

finders! {
    changed PositionChanged
    posted Posted
    funded FundingPosted
    marked PositionMarked
    accounts_marked AccountMarked
}

/// Defines an account in netting mode that has dollars.
pub(crate) fn rich(desk: &mut Desk, of: AccountId) {
    accept(desk, account(of, PositionMode::Netting));
    accept(desk, transfer(of, USD, super::desk::USD_START));
}
