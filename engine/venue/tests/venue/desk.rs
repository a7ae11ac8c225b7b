//! A venue with one instrument, and its reports as short lines.

use tickwerk_domain::command::{BookOrderObserved, NewOrder, SimulatedVenueSet};
use tickwerk_domain::event::{CancelSubmitted, OrderSubmitted, ReplaceSubmitted};
use tickwerk_domain::image::{ImageReader, ImageWriter};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, BookAction, Command, CurrencyId, DurationNs, Instrument, InstrumentId, InstrumentKind, Level,
    Money, OrderId, OrderType, Price, Qty, Rate, Reject, Side, StrategyId, TextId, TimeInForce, TimeNs,
    Touch, VenueId,
};
use tickwerk_venue::SimulatedVenue;
use tickwerk_venue::book::ToldBook;

pub(crate) const INSTRUMENT: InstrumentId = InstrumentId(1);
pub(crate) const LATENCY: u64 = 100;

/// A venue with the plain settings.
pub(crate) fn venue() -> SimulatedVenue {
    venue_with(plain())
}

/// The plain settings: fills at the touch, one latency.
pub(crate) fn plain() -> SimulatedVenueSet {
    SimulatedVenueSet::touch(INSTRUMENT, DurationNs(LATENCY))
}

pub(crate) fn venue_with(setting: SimulatedVenueSet) -> SimulatedVenue {
    let mut venue = SimulatedVenue::new(4);
    venue.define(&Instrument {
        notional_max: Money::ZERO,
        tick_size: Price(5),
        lot_size: Qty(1),
        quantity_min: Qty(1),
        quantity_max: Qty(1_000_000),
        multiplier: 1,
        maker_fee: Rate(10_000),
        taker_fee: Rate(100_000),
        margin_rate: Rate::ONE,
        instrument: INSTRUMENT,
        symbol: TextId(1),
        base: CurrencyId(1),
        quote: CurrencyId(2),
        settlement: CurrencyId(2),
        kind: InstrumentKind::Spot,
        price_scale: 2,
        quantity_scale: 3,
        settlement_scale: 8,
    });
    venue.configure(&setting);
    venue
}

pub(crate) fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

pub(crate) fn touch(bid: i64, bid_qty: i64, ask: i64, ask_qty: i64) -> Touch {
    Touch { bid: level(bid, bid_qty), ask: level(ask, ask_qty) }
}

pub(crate) fn order(
    id: u64,
    side: Side,
    order_type: OrderType,
    time_in_force: TimeInForce,
    price: i64,
    qty: i64,
) -> OrderSubmitted {
    let plain = NewOrder::limit(AccountId(1), INSTRUMENT, side, Price(price), Qty(qty));
    let asked = NewOrder { order_type, time_in_force, ..plain };
    OrderSubmitted::new(OrderId(id), StrategyId::NONE, VenueId::SIMULATED, &asked)
}

pub(crate) fn limit(id: u64, side: Side, price: i64, qty: i64) -> OrderSubmitted {
    order(id, side, OrderType::Limit, TimeInForce::Gtc, price, qty)
}

pub(crate) fn market(id: u64, side: Side, qty: i64) -> OrderSubmitted {
    order(id, side, OrderType::Market, TimeInForce::Ioc, 0, qty)
}

pub(crate) fn cancel(id: u64) -> CancelSubmitted {
    CancelSubmitted { order: OrderId(id), instrument: INSTRUMENT }
}

pub(crate) fn replace(id: u64, price: i64, qty: i64) -> ReplaceSubmitted {
    ReplaceSubmitted {
        order: OrderId(id),
        price: Price(price),
        qty: Qty(qty),
        trigger_price: Price(0),
        display_qty: Qty::ZERO,
        reserved: Money::ZERO,
        limits_version: 1,
        instrument: INSTRUMENT,
        venue: VenueId::SIMULATED,
    }
}

/// An order of someone's, complete in itself.
pub(crate) fn others(id: u64, action: BookAction, side: Side, price: i64, qty: i64) -> BookOrderObserved {
    BookOrderObserved {
        venue_order_id: id,
        update_id: 0,
        price: Price(price),
        qty: Qty(qty),
        instrument: INSTRUMENT,
        side,
        action,
        is_last: true,
    }
}

/// Tells the book of an order of someone's, and then the venue; what the book cannot follow is told all the same.
pub(crate) fn tell(venue: &mut SimulatedVenue, book: &mut ToldBook, at: u64, order: &BookOrderObserved) {
    book.apply(order).ok();
    venue.book_order(TimeNs(at), order, book);
}

/// Every so often, the venue that its image makes, which makes the same image: what follows shows whether anything was
/// lost.
fn restore_sometimes(venue: &mut SimulatedVenue) {
    if venue.digest().is_multiple_of(16) {
        *venue = restored(venue);
    }
}

/// The venue that its image makes, which makes the same image.
pub(crate) fn restored(venue: &SimulatedVenue) -> SimulatedVenue {
    let image = |venue: &SimulatedVenue| {
        let mut to = ImageWriter::default();
        venue.save(&mut to);
        to.into_bytes()
    };
    let bytes = image(venue);
    let mut from = ImageReader::new(&bytes);
    let restored = SimulatedVenue::load(64, &mut from).expect("what was saved is restored");
    assert!(from.is_at_end() && restored.digest() == venue.digest() && image(&restored) == bytes);
    restored
}

/// Reports up to `now`, as short lines.
pub(crate) fn reports(venue: &mut SimulatedVenue, now: u64) -> Vec<String> {
    restore_sometimes(venue);
    std::iter::from_fn(|| venue.next_report(TimeNs(now)))
        .map(|(due, _, command)| format!("{} {}", due.0, line(&command)))
        .collect()
}

/// Reports up to `now` without their times.
pub(crate) fn told(venue: &mut SimulatedVenue, now: u64) -> Vec<String> {
    restore_sometimes(venue);
    std::iter::from_fn(|| venue.next_report(TimeNs(now))).map(|(_, _, command)| line(&command)).collect()
}

fn line(command: &Command) -> String {
    if let Command::OrderReported(report) = command {
        let is_plain = report.reason == ReasonCode(0) || report.reason == Reject::CancelRequested.code();
        let reason = Reject::from_code(report.reason).map_or("none", Reject::word);
        let plain = format!("{} {}", report.order, report.kind);
        return if is_plain { plain } else { format!("{plain} {reason}") };
    }
    if let Command::ReplaceReported(report) = command {
        return format!("{} replaced {}@{}", report.order, report.qty.0, report.price.0);
    }
    if let Command::FillReported(fill) = command {
        return format!("{} {} {}@{}", fill.order, fill.liquidity, fill.qty.0, fill.price.0);
    }
    assert!(matches!(command, Command::TimeAdvanced(_)), "not a report: {command:?}");
    "silent".into()
}
