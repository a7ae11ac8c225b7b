//! From a frame to the reply of the request that caused it.

use super::request::Fault;
use crate::config::Acknowledge;
use serde_json::{Value, json};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{Command, Event, OrderId, Payload, Reject, Sequence};
use tickwerk_engine::pipeline::Frame;

/// What a request came to.
pub(crate) type Outcome = Result<Value, Fault>;

/// One line of JSON, with its end.
pub(crate) fn line(
    id: &Value,
    sequence: Option<Sequence>,
    watermark: Option<Acknowledge>,
    outcome: Outcome,
) -> String {
    let mut reply = json!({
        "request_id": id,
        "ok": outcome.is_ok(),
        "sequence": sequence.map(Sequence::get),
        "watermark": watermark.map(Acknowledge::word),
    });
    match outcome {
        Ok(result) => reply["result"] = result,
        Err(fault) => {
            reply["error"] = json!({
                "code": fault.code,
                "field": fault.field,
                "value": fault.value,
                "message": fault.message,
            });
        }
    }
    format!("{reply}\n")
}

/// What a frame says to whoever sent its command; `request` is the request as it came, for the values of a refusal.
pub(crate) fn of_frame(frame: &Frame, request: &Value) -> Outcome {
    let mut outcome = Ok(json!({}));
    for record in frame.records() {
        match &record.payload {
            Payload::Command(command) => outcome = Ok(of_command(command, record.envelope.sequence)),
            Payload::Event(event) => of_event(event, request, &mut outcome),
        }
    }
    outcome
}

fn of_command(command: &Command, sequence: Sequence) -> Value {
    let is_order = matches!(command, Command::NewOrder(_));
    if is_order { json!({ "order_id": sequence.0, "status": "pending_new" }) } else { json!({}) }
}

fn of_event(event: &Event, request: &Value, outcome: &mut Outcome) {
    if let Event::OrderRejected(rejected) = event {
        *outcome = Err(refusal(rejected.reason, rejected.order, request));
    } else if let Event::CommandRefused(refused) = event {
        *outcome = Err(refusal(refused.reason, OrderId::NONE, request));
    } else if let Event::CancelRejected(rejected) = event {
        *outcome = Err(refusal(rejected.reason, rejected.order, request));
    } else if let Event::OrderRepeated(repeated) = event {
        *outcome = if repeated.reason == ReasonCode::default()
            || repeated.status != tickwerk_domain::OrderStatus::Rejected
        {
            Ok(json!({ "order_id": repeated.order.0, "status": repeated.status.word(), "repeated": true }))
        } else {
            Err(refusal(repeated.reason, repeated.order, request))
        };
    } else if let Event::CancelSubmitted(submitted) = event
        && let Ok(result) = outcome
    {
        // A kill switch cancels many; each has a record of its own.
        let count = result.get("cancels").and_then(Value::as_u64).unwrap_or(0) + 1;
        result["cancels"] = json!(count);
        if count == 1 {
            result["order_id"] = json!(submitted.order.0);
            result["status"] = json!("pending_cancel");
        } else if let Some(fields) = result.as_object_mut() {
            fields.remove("order_id");
            fields.remove("status");
        }
    } else if let Event::LimitChanged(changed) = event {
        *outcome = Ok(json!({ "limits_version": changed.limits_version }));
    } else if let Event::KillSwitchChanged(changed) = event {
        *outcome = Ok(json!({ "limits_version": changed.limits_version, "engaged": changed.engaged }));
    }
}

/// A reason with the field of the request that it is about.
fn refusal(reason: ReasonCode, order: OrderId, request: &Value) -> Fault {
    let Some(reject) = Reject::from_code(reason) else {
        return Fault::new("refused", "op", request["op"].clone(), format!("reason {}", reason.0));
    };
    let field = field_of(reject);
    let order = if order.is_none() { String::new() } else { format!(" (order {order})") };
    Fault::new(reject.word(), field, request[field].clone(), format!("{}{order}", explain(reject)))
}

fn field_of(reject: Reject) -> &'static str {
    match reject {
        Reject::UnknownAccount
        | Reject::TradingHalted
        | Reject::KillSwitch
        | Reject::OpenOrdersAboveLimit
        | Reject::InsufficientBuyingPower => "account",
        Reject::UnknownInstrument | Reject::StaleMarket | Reject::NoReferencePrice | Reject::ScopeInvalid => {
            "instrument"
        }
        Reject::UnknownOrder
        | Reject::OrderDone
        | Reject::CancelPending
        | Reject::DuplicateClientOrderId
        | Reject::DuplicateReport => "client_order_id",
        Reject::PriceNotPositive
        | Reject::PriceOffTick
        | Reject::PriceOutsideCollar
        | Reject::PriceNotAllowed => "price",
        Reject::QuantityNotPositive
        | Reject::QuantityOffLot
        | Reject::QuantityBelowMinimum
        | Reject::QuantityAboveLimit
        | Reject::NotionalAboveLimit
        | Reject::PositionAboveLimit
        | Reject::ReduceOnly
        | Reject::ValueOverflow => "quantity",
        Reject::ValueOutOfRange => "value",
        Reject::UnknownCurrency
        | Reject::UnknownStrategyKind
        | Reject::StoreFull
        | Reject::IdOutOfRange
        | Reject::DefinitionFixed
        | Reject::UnknownRulesVersion
        | Reject::EngineBusy
        | Reject::VenueRejected
        | Reject::VenueUnknownOrder
        | Reject::NoLiquidity
        | Reject::VenueBookFull
        | Reject::CancelRequested
        | Reject::UnknownVenue
        | Reject::UnknownExecution
        | Reject::UnknownReconciliation
        | Reject::MarketClosed
        | Reject::CrossedMarket
        | Reject::BreakerTripped
        | Reject::AccountNotActive
        | Reject::VenueDisconnected
        | Reject::GrossExposureAboveLimit
        | Reject::NetExposureAboveLimit
        | Reject::LeverageAboveLimit
        | Reject::OrderRateAboveLimit
        | Reject::ReplaceRateAboveLimit
        | Reject::SelfTrade
        | Reject::ReplacePending
        | Reject::QuantityBelowFilled
        | Reject::NothingToReplace
        | Reject::IllegalMove
        | Reject::TermsInvalid
        | Reject::TriggerInvalid
        | Reject::DisplayQuantityInvalid
        | Reject::ExpiryInvalid
        | Reject::LinkInvalid
        | Reject::PositionModeInvalid
        | Reject::NoConversionRate
        | Reject::VenueLacks
        | Reject::NotFilledWhole
        | Reject::WouldTake
        | Reject::OutsidePriceBand
        | Reject::SimulatedFault
        | Reject::Expired
        | Reject::LinkedOrderDone
        | Reject::ParentUnfilled
        | Reject::MissingAtVenue
        | Reject::MassCanceled
        | Reject::FillUnmatched => "op",
    }
}

fn explain(reject: Reject) -> &'static str {
    match reject {
        Reject::UnknownOrder => "no such order is remembered for this account",
        Reject::OrderDone => "the order is done; nothing is left to cancel",
        Reject::CancelPending => "a cancel is already on its way",
        Reject::DuplicateClientOrderId => "another order has this name; choose a new one",
        Reject::TradingHalted => "trading is halted; only cancels pass",
        Reject::ReduceOnly => "only orders that reduce the position pass",
        Reject::KillSwitch => "a kill switch is engaged; release it first",
        Reject::StaleMarket => "the book is stale until a new snapshot comes",
        Reject::NoReferencePrice => "there is no market price yet to check or match against",
        Reject::PriceOffTick => "the price is not a multiple of the tick size",
        Reject::QuantityOffLot => "the quantity is not a multiple of the lot size",
        Reject::QuantityBelowMinimum => "the quantity is below the instrument's minimum",
        Reject::QuantityAboveLimit => "the quantity is above the limit",
        Reject::NotionalAboveLimit => "the notional is above the limit",
        Reject::PriceOutsideCollar => "the price is too far from the market",
        Reject::PositionAboveLimit => "the position would pass its limit with all open orders filled",
        Reject::InsufficientBuyingPower => "not enough is available, with open orders at their worst",
        Reject::OpenOrdersAboveLimit => "the account has as many open orders as it may have",
        Reject::StoreFull => "the order store is full; cancel something first",
        Reject::ScopeInvalid => "this limit cannot be set for this scope",
        Reject::UnknownAccount => "the account is not defined",
        Reject::UnknownInstrument => "the instrument is not defined",
        Reject::UnknownCurrency
        | Reject::UnknownStrategyKind
        | Reject::PriceNotPositive
        | Reject::QuantityNotPositive
        | Reject::PriceNotAllowed
        | Reject::ValueOverflow
        | Reject::IdOutOfRange
        | Reject::DefinitionFixed
        | Reject::ValueOutOfRange
        | Reject::UnknownRulesVersion
        | Reject::EngineBusy
        | Reject::VenueRejected
        | Reject::VenueUnknownOrder
        | Reject::NoLiquidity
        | Reject::VenueBookFull
        | Reject::CancelRequested
        | Reject::FillUnmatched
        | Reject::UnknownVenue
        | Reject::UnknownExecution
        | Reject::UnknownReconciliation
        | Reject::MarketClosed
        | Reject::CrossedMarket
        | Reject::BreakerTripped
        | Reject::AccountNotActive
        | Reject::VenueDisconnected
        | Reject::GrossExposureAboveLimit
        | Reject::NetExposureAboveLimit
        | Reject::LeverageAboveLimit
        | Reject::OrderRateAboveLimit
        | Reject::ReplaceRateAboveLimit
        | Reject::SelfTrade
        | Reject::ReplacePending
        | Reject::QuantityBelowFilled
        | Reject::NothingToReplace
        | Reject::IllegalMove
        | Reject::TermsInvalid
        | Reject::TriggerInvalid
        | Reject::DisplayQuantityInvalid
        | Reject::ExpiryInvalid
        | Reject::LinkInvalid
        | Reject::PositionModeInvalid
        | Reject::NoConversionRate
        | Reject::VenueLacks
        | Reject::NotFilledWhole
        | Reject::WouldTake
        | Reject::OutsidePriceBand
        | Reject::SimulatedFault
        | Reject::Expired
        | Reject::LinkedOrderDone
        | Reject::ParentUnfilled
        | Reject::MissingAtVenue
        | Reject::MassCanceled
        | Reject::DuplicateReport => "refused",
    }
}
