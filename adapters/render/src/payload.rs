//! The fields of a payload with names for ids and decimals for mantissas.
//!
//! The scale of a value is that of the instrument or currency that the record itself names, or else that of its order
//! or strategy.
//! Three values carry a unit of their own, which their record's kind or reason tells: those of limits, and the limit
//! and the value seen of a refusal.

use crate::average::average_price;
use crate::dictionary::Dictionary;
use crate::limit_unit::{LimitScales, scale_of, show_limit};
use crate::shown::Shown;
use std::fmt::Write;
use tickwerk_domain::book::BookDelta;
use tickwerk_domain::event::{Leg, OrderRefused, ReplaceRejected};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, Command, Contingency, CurrencyId, DifferenceKind, Event, FieldValue, Fields, InstrumentId,
    InstrumentKind, LimitKind, LimitUnit, Money, OrderType, Payload, PositionEffect, Price, Qty, RATE_SCALE,
    Reject, Side, StrategyId, TrailUnit, format_decimal,
};

/// What the values of one record are counted in.
#[derive(Clone, Copy, Default)]
struct Scales {
    price: Option<u8>,
    quantity: Option<u8>,
    money: Option<u8>,
}

/// Shows the payload's own fields in order.
pub(super) fn show(payload: &Payload, dictionary: &Dictionary) -> Shown {
    let scales = scales_of(payload, dictionary);
    match payload {
        Payload::Command(Command::BookDelta(delta)) => return show_book_delta(delta, scales, dictionary),
        Payload::Command(_) | Payload::Event(_) => {}
    }
    let unit = own_unit(payload, scales, dictionary);
    let mut fields = Vec::new();
    payload.visit(&mut |name, value| {
        let shown = match (unit, value) {
            (Some(unit), FieldValue::Signed(value)) if matches!(name, "value" | "previous") => {
                unit.show_limit(value)
            }
            (Some(unit), FieldValue::Money(value))
                if matches!(name, "limit" | "observed" | "ours" | "theirs") =>
            {
                unit.show(value.get())
            }
            (_, value) if is_not_asked_for(payload, name, value) => Shown::Absent,
            (_, FieldValue::Money(amount)) if is_in_reference(payload, name) => {
                decimal(amount.get(), dictionary.reference_scale())
            }
            (_, FieldValue::Signed(offset)) if name == "trail_offset" => {
                trail_offset(offset, payload, scales)
            }
            (_, FieldValue::Unsigned(digest)) if name == "digest" => Shown::text(format!("{digest:016x}")),
            (_, FieldValue::Unsigned(_)) if name == "count" && is_posting(payload) => return,
            (_, FieldValue::Unsigned(number)) if name == "command_type" => command_type(number),
            (_, value) => show_value(value, scales, dictionary),
        };
        fields.push((name, shown));
    });
    if let Some(average) = average_price(payload, dictionary) {
        fields.push(("avg_price", average));
    }
    Shown::Table(fields)
}

/// Whether an amount is counted in the reference currency, whatever else the record names.
fn is_in_reference(payload: &Payload, name: &str) -> bool {
    name == "gross_exposure" || matches!(payload, Payload::Event(Event::AccountMarked(_)))
}

/// Whether a term of an order says only that it was not asked for.
fn is_not_asked_for(payload: &Payload, name: &str, value: FieldValue<'_>) -> bool {
    let order_type = match payload {
        Payload::Command(Command::NewOrder(order)) => order.order_type,
        Payload::Event(Event::OrderSubmitted(order)) => order.order_type,
        Payload::Command(_) | Payload::Event(_) => return false,
    };
    match name {
        "price" => !order_type.has_limit() && value == FieldValue::Price(Price(0)),
        "trigger_price" => value == FieldValue::Price(Price(0)),
        "display_qty" => value == FieldValue::Qty(Qty::ZERO),
        "trail_offset" => value == FieldValue::Signed(0),
        "link" => value == FieldValue::Unsigned(0),
        "contingency" => value == FieldValue::Word(Contingency::None.word()),
        "position_effect" => value == FieldValue::Word(PositionEffect::Auto.word()),
        "trigger_by" => !order_type.is_triggered(),
        "trail_unit" => order_type != OrderType::TrailingStop,
        "post_only" | "reduce_only" | "quantity_in_quote" => value == FieldValue::Flag(false),
        _ => false,
    }
}

/// The distance of a trailing stop, in the unit that was asked for.
fn trail_offset(offset: i64, payload: &Payload, scales: Scales) -> Shown {
    let unit = match payload {
        Payload::Command(Command::NewOrder(order)) => order.trail_unit,
        Payload::Event(Event::OrderSubmitted(order)) => order.trail_unit,
        Payload::Command(_) | Payload::Event(_) => return Shown::Number(offset.into()),
    };
    match unit {
        TrailUnit::Price => decimal(offset.into(), scales.price),
        TrailUnit::BasisPoints | TrailUnit::Ticks => Shown::Number(offset.into()),
    }
}

/// The name of a type of command; its number where no such type is known.
fn command_type(number: u64) -> Shown {
    let name = Command::TYPES.iter().find(|(id, _, _)| u64::from(id.0) == number).map(|(_, _, name)| *name);
    name.map_or(Shown::Number(i128::from(number)), Shown::text)
}

fn is_posting(payload: &Payload) -> bool {
    matches!(payload, Payload::Event(Event::Posted(_)))
}

fn scales_of(payload: &Payload, dictionary: &Dictionary) -> Scales {
    let mut instrument = InstrumentId::NONE;
    let mut of_order = None;
    let mut of_strategy = None;
    let mut currency = CurrencyId::NONE;
    payload.visit(&mut |name, value| {
        if let FieldValue::Instrument(id) = value {
            instrument = id;
        } else if let FieldValue::Order(id) = value {
            of_order = dictionary.order_instrument(id);
        } else if let FieldValue::Strategy(id) = value {
            of_strategy = dictionary.strategy_instrument(id);
        } else if let FieldValue::Currency(id) = value
            && matches!(name, "currency" | "reserved_currency" | "fee_currency")
            && !id.is_none()
        {
            currency = id;
        }
    });
    let instrument =
        if instrument.is_none() { of_order.or(of_strategy).unwrap_or(instrument) } else { instrument };
    let entry = dictionary.instrument(instrument);
    let settlement = entry.map(|entry| entry.settlement_scale);
    Scales {
        price: entry.map(|entry| entry.price_scale),
        quantity: entry.map(|entry| entry.quantity_scale),
        money: if currency.is_none() { settlement } else { dictionary.currency_scale(currency) },
    }
}

fn show_value(value: FieldValue<'_>, scales: Scales, dictionary: &Dictionary) -> Shown {
    match value {
        FieldValue::Unsigned(number) => Shown::Number(i128::from(number)),
        FieldValue::Signed(number) => Shown::Number(i128::from(number)),
        FieldValue::Flag(flag) => Shown::Flag(flag),
        FieldValue::Word(word) => Shown::text(word),
        FieldValue::Price(price) => decimal(i128::from(price.0), scales.price),
        FieldValue::Qty(qty) => decimal(i128::from(qty.0), scales.quantity),
        FieldValue::Money(money) => decimal(money.get(), scales.money),
        FieldValue::Rate(rate) => decimal(i128::from(rate.0), Some(RATE_SCALE)),
        FieldValue::Real(figure) => Shown::Real(figure),
        FieldValue::Time(time) => Shown::number_or_absent(time.0),
        FieldValue::Account(id) => named(dictionary.account(id), id.0),
        FieldValue::Instrument(id) => named(dictionary.symbol(id), id.0),
        FieldValue::Currency(id) => named(dictionary.currency(id), id.0),
        FieldValue::Strategy(id) => named(dictionary.strategy(id), id.0),
        FieldValue::Venue(id) => named(dictionary.venue(id), u32::from(id.0)),
        FieldValue::Order(id) => Shown::number_or_absent(id.0),
        FieldValue::Text(id) => named(dictionary.text(id), id.0),
        FieldValue::Inline("") => Shown::Absent,
        FieldValue::Inline(text) => Shown::text(text),
        FieldValue::Bytes(bytes) => Shown::Text(hex(bytes)),
        FieldValue::Numbers(numbers) => {
            Shown::List(numbers.iter().map(|number| Shown::Number(i128::from(*number))).collect())
        }
        FieldValue::Levels(levels) => Shown::List(
            levels
                .iter()
                .map(|level| {
                    Shown::Table(vec![
                        ("price", decimal(i128::from(level.price.0), scales.price)),
                        ("qty", decimal(i128::from(level.qty.0), scales.quantity)),
                    ])
                })
                .collect(),
        ),
        FieldValue::Legs(legs) => Shown::List(
            // Legs past the count are blank, and a blank leg has no currency.
            legs.iter().filter(|leg| !leg.currency.is_none()).map(|leg| show_leg(leg, dictionary)).collect(),
        ),
    }
}

fn show_leg(leg: &Leg, dictionary: &Dictionary) -> Shown {
    Shown::Table(vec![
        ("amount", decimal(leg.amount.get(), dictionary.currency_scale(leg.currency))),
        ("currency", named(dictionary.currency(leg.currency), leg.currency.0)),
        ("from", Shown::text(leg.from.word())),
        ("to", Shown::text(leg.to.word())),
    ])
}

/// A book change, with each level's side beside it in place of the bits that say so.
fn show_book_delta(delta: &BookDelta, scales: Scales, dictionary: &Dictionary) -> Shown {
    let levels = delta.sided_levels().map(|(side, level)| {
        Shown::Table(vec![
            ("side", Shown::text(side.word())),
            ("price", decimal(i128::from(level.price.0), scales.price)),
            ("qty", decimal(i128::from(level.qty.0), scales.quantity)),
        ])
    });
    Shown::Table(vec![
        ("update_id", Shown::Number(i128::from(delta.update_id))),
        ("instrument", named(dictionary.symbol(delta.instrument), delta.instrument.0)),
        ("clears", Shown::Flag(delta.clears())),
        ("is_last", Shown::Flag(delta.is_last())),
        ("levels", Shown::List(levels.collect())),
    ])
}

fn decimal(mantissa: i128, scale: Option<u8>) -> Shown {
    scale.map_or(Shown::Mantissa(mantissa), |scale| Shown::Text(format_decimal(mantissa, scale)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// The name; the number where there is none; nothing for number 0.
pub(super) fn named(name: Option<&str>, number: u32) -> Shown {
    name.map_or_else(|| Shown::number_or_absent(u64::from(number)), Shown::text)
}

/// What a limit is counted in.
#[derive(Clone, Copy)]
enum Unit {
    /// The unit of a kind of limit.
    Limit(LimitKind, LimitScales),
    /// A decimal of this scale, if it is known.
    Decimal(Option<u8>),
    Count,
    /// The rule compares nothing.
    Nothing,
}

impl Unit {
    fn show(self, value: i128) -> Shown {
        match self {
            Self::Limit(LimitKind::SelfTrade, scales) => {
                Shown::Text(show_limit(LimitKind::SelfTrade, value, scales))
            }
            Self::Limit(kind, scales) => match (kind.unit(), scale_of(kind, scales)) {
                (LimitUnit::Count, _) => Shown::Number(value),
                (_, scale) => decimal(value, scale.ok()),
            },
            Self::Decimal(scale) => decimal(value, scale),
            Self::Count => Shown::Number(value),
            Self::Nothing => Shown::Absent,
        }
    }

    /// A negative limit is none.
    fn show_limit(self, value: i64) -> Shown {
        if value < 0 { Shown::Absent } else { self.show(i128::from(value)) }
    }
}

/// The unit of a record whose kind or reason tells it.
fn own_unit(payload: &Payload, scales: Scales, dictionary: &Dictionary) -> Option<Unit> {
    let of_limit = |kind| {
        let (quantity, settlement) = (scales.quantity, scales.money);
        let reference = dictionary.reference_scale();
        Some(Unit::Limit(kind, LimitScales { quantity, settlement, reference }))
    };
    if let Payload::Command(Command::LimitSet(set)) = payload {
        of_limit(set.kind)
    } else if let Payload::Event(Event::LimitChanged(changed)) = payload {
        of_limit(changed.kind)
    } else if let Payload::Event(Event::RiskAlert(alert)) = payload {
        of_limit(alert.kind)
    } else if let Payload::Event(Event::BreakerChanged(changed)) = payload {
        of_limit(changed.kind.limit())
    } else if let Payload::Event(Event::OrderRefused(refused)) = payload {
        Some(unit_of_refusal(&Refused::from(refused), scales, dictionary))
    } else if let Payload::Event(Event::ReconcileDiffered(differed)) = payload {
        Some(Unit::Decimal(match differed.kind {
            DifferenceKind::OrderMissing
            | DifferenceKind::OrderUnknown
            | DifferenceKind::OrderFilled
            | DifferenceKind::OrderQuantity
            | DifferenceKind::RequestLost
            | DifferenceKind::Position => scales.quantity,
            DifferenceKind::OrderPrice => scales.price,
            DifferenceKind::Balance => scales.money,
            // Of two markets, perhaps.
            DifferenceKind::OrderTerms => None,
        }))
    } else if let Payload::Event(Event::ReplaceRejected(rejected)) = payload {
        Some(unit_of_refusal(&Refused::of_replace(rejected, dictionary), scales, dictionary))
    } else {
        None
    }
}

/// What tells the unit of a refusal.
struct Refused {
    account: AccountId,
    strategy: StrategyId,
    reason: ReasonCode,
    instrument: InstrumentId,
    side: Option<Side>,
    compares_nothing: bool,
}

impl From<&OrderRefused> for Refused {
    fn from(refused: &OrderRefused) -> Self {
        Self {
            account: refused.account,
            strategy: refused.strategy,
            reason: refused.reason,
            instrument: refused.instrument,
            side: Some(refused.side),
            compares_nothing: (refused.limit, refused.observed) == (Money::ZERO, Money::ZERO),
        }
    }
}

impl Refused {
    fn of_replace(rejected: &ReplaceRejected, dictionary: &Dictionary) -> Self {
        Self {
            account: rejected.account,
            strategy: StrategyId::NONE,
            reason: rejected.reason,
            instrument: dictionary.order_instrument(rejected.order).unwrap_or_default(),
            side: dictionary.order_side(rejected.order),
            compares_nothing: (rejected.limit, rejected.observed) == (Money::ZERO, Money::ZERO),
        }
    }
}

/// Rules that compare prices.
const PRICE_RULES: &[Reject] = &[
    Reject::PriceNotPositive,
    Reject::PriceOffTick,
    Reject::PriceNotAllowed,
    Reject::PriceOutsideCollar,
    Reject::TriggerInvalid,
    Reject::CrossedMarket,
    Reject::SelfTrade,
];
/// Rules that compare quantities.
const QUANTITY_RULES: &[Reject] = &[
    Reject::ReduceOnly,
    Reject::QuantityNotPositive,
    Reject::QuantityOffLot,
    Reject::QuantityBelowMinimum,
    Reject::QuantityAboveLimit,
    Reject::QuantityBelowFilled,
    Reject::DisplayQuantityInvalid,
    Reject::PositionAboveLimit,
];
/// Rules that count something, or tell an order's number.
const COUNT_RULES: &[Reject] = &[
    Reject::OpenOrdersAboveLimit,
    Reject::OrderRateAboveLimit,
    Reject::ReplaceRateAboveLimit,
    Reject::DuplicateClientOrderId,
];
/// Rules that compare amounts of the reference currency.
const REFERENCE_RULES: &[Reject] = &[Reject::GrossExposureAboveLimit, Reject::NetExposureAboveLimit];

fn unit_of_refusal(refused: &Refused, scales: Scales, dictionary: &Dictionary) -> Unit {
    let Some(reason) = Reject::from_code(refused.reason) else {
        return Unit::Decimal(None);
    };
    if PRICE_RULES.contains(&reason) {
        Unit::Decimal(scales.price)
    } else if QUANTITY_RULES.contains(&reason) {
        Unit::Decimal(scales.quantity)
    } else if reason == Reject::NotionalAboveLimit {
        Unit::Decimal(scales.money)
    } else if reason == Reject::InsufficientBuyingPower {
        Unit::Decimal(buying_power_scale(refused, scales, dictionary))
    } else if reason == Reject::StaleMarket && !refused.compares_nothing {
        Unit::Limit(LimitKind::MarketAge, LimitScales::default())
    } else if COUNT_RULES.contains(&reason) {
        Unit::Count
    } else if REFERENCE_RULES.contains(&reason) {
        Unit::Decimal(dictionary.reference_scale())
    } else if let (Reject::BreakerTripped, Some(kind)) =
        (reason, dictionary.tripped(refused.account, refused.strategy))
    {
        let reference = dictionary.reference_scale();
        Unit::Limit(kind.limit(), LimitScales { reference, ..LimitScales::default() })
    } else if reason == Reject::LeverageAboveLimit {
        Unit::Decimal(Some(RATE_SCALE))
    } else if refused.compares_nothing {
        Unit::Nothing
    } else {
        Unit::Decimal(None)
    }
}

/// A spot sell is paid with the base currency, everything else with the settlement currency.
fn buying_power_scale(refused: &Refused, scales: Scales, dictionary: &Dictionary) -> Option<u8> {
    let entry = dictionary.instrument(refused.instrument)?;
    let base = dictionary.currency_scale(entry.base);
    match (entry.kind, refused.side) {
        (InstrumentKind::Linear | InstrumentKind::Inverse, _) | (InstrumentKind::Spot, Some(Side::Buy)) => {
            scales.money
        }
        (InstrumentKind::Spot, Some(Side::Sell)) => base,
        // Which of the two it is cannot be told; it does not matter where both count alike.
        (InstrumentKind::Spot, None) => scales.money.filter(|_| scales.money == base),
    }
}
