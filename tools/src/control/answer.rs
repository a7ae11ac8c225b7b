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
    } else if let Event::ReplaceRejected(rejected) = event {
        *outcome = Err(refusal(rejected.reason, rejected.order, request));
    } else if let Event::FillUnmatched(unmatched) = event {
        *outcome = Err(refusal(unmatched.reason, unmatched.order, request));
    } else if let Event::OrderHeld(held) = event {
        *outcome = Ok(json!({ "order_id": held.order.0, "status": "held", "held_for": held.reason.word() }));
    } else if let Event::ReplaceSubmitted(submitted) = event {
        *outcome = Ok(json!({ "order_id": submitted.order.0, "status": "pending_replace" }));
    } else if let Event::OrderReplaced(replaced) = event {
        *outcome = Ok(json!({ "order_id": replaced.order.0, "replaced": true }));
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
    } else if let Event::TradingStateChanged(changed) = event {
        *outcome = Ok(json!({ "limits_version": changed.limits_version, "state": changed.state.word() }));
    } else if let Event::BreakerChanged(changed) = event
        && let Ok(result) = outcome
    {
        result["limits_version"] = json!(changed.limits_version);
        result["state"] = json!(changed.state.word());
    } else if let Event::ReconcileDiffered(differed) = event
        && let Ok(result) = outcome
    {
        let found = result.get("differences").and_then(Value::as_array).cloned().unwrap_or_default();
        let this = json!({ "kind": differed.kind.word(), "action": differed.action.word() });
        result["differences"] = Value::Array(found.into_iter().chain([this]).collect());
    } else if let Event::KillSwitchChanged(changed) = event {
        *outcome = Ok(json!({ "limits_version": changed.limits_version, "engaged": changed.engaged }));
    }
}

/// A reason with the field of the request that it is about.
fn refusal(reason: ReasonCode, order: OrderId, request: &Value) -> Fault {
    let Some(reject) = Reject::from_code(reason) else {
        return Fault::new("refused", "op", request["op"].clone(), format!("reason {}", reason.0));
    };
    let field = field_of(reject, request);
    let order = if order.is_none() { String::new() } else { format!(" (order {order})") };
    let sentence = reject.sentence().trim_end_matches('.').to_owned();
    let message = match remedy(reject) {
        Some(remedy) => format!("{sentence}; {remedy}{order}"),
        None => format!("{sentence}{order}"),
    };
    Fault::new(reject.word(), field, request[field].clone(), message)
}

/// The field of a request that a reason is about.
fn field_of(reject: Reject, request: &Value) -> &'static str {
    let candidates: &[&'static str] = match reject {
        Reject::UnknownAccount
        | Reject::AccountNotActive
        | Reject::TradingHalted
        | Reject::KillSwitch
        | Reject::BreakerTripped
        | Reject::OpenOrdersAboveLimit
        | Reject::OrderRateAboveLimit
        | Reject::ReplaceRateAboveLimit
        | Reject::InsufficientBuyingPower
        | Reject::GrossExposureAboveLimit
        | Reject::NetExposureAboveLimit
        | Reject::LeverageAboveLimit
        | Reject::PositionModeInvalid => &["account"],
        Reject::UnknownInstrument
        | Reject::StaleMarket
        | Reject::CrossedMarket
        | Reject::MarketClosed
        | Reject::NoReferencePrice
        | Reject::ScopeInvalid => &["instrument"],
        Reject::UnknownVenue | Reject::VenueDisconnected | Reject::VenueLacks => &["venue"],
        Reject::UnknownCurrency | Reject::NoConversionRate => &["currency"],
        Reject::UnknownExecution | Reject::FillUnmatched => &["execution_id"],
        Reject::UnknownReconciliation => &["run"],
        Reject::UnknownOrder
        | Reject::OrderDone
        | Reject::CancelPending
        | Reject::ReplacePending
        | Reject::DuplicateClientOrderId
        | Reject::DuplicateReport => &["client_order_id", "order_id"],
        Reject::PriceNotPositive
        | Reject::PriceOffTick
        | Reject::PriceOutsideCollar
        | Reject::OutsidePriceBand
        | Reject::SelfTrade
        | Reject::PriceNotAllowed => &["price"],
        Reject::QuantityNotPositive
        | Reject::QuantityOffLot
        | Reject::QuantityBelowMinimum
        | Reject::QuantityAboveLimit
        | Reject::QuantityBelowFilled
        | Reject::NotionalAboveLimit
        | Reject::PositionAboveLimit
        | Reject::ReduceOnly
        | Reject::ValueOverflow => &["quantity"],
        Reject::TriggerInvalid => &["trigger_price"],
        Reject::DisplayQuantityInvalid => &["display_quantity"],
        Reject::ExpiryInvalid => &["expires_at", "time_in_force"],
        Reject::LinkInvalid => &["link"],
        Reject::TermsInvalid => &["order_type"],
        Reject::IllegalMove => &["state"],
        Reject::ValueOutOfRange => &["value", "amount", "rate"],
        Reject::UnknownStrategyKind
        | Reject::NothingToReplace
        | Reject::StoreFull
        | Reject::IdOutOfRange
        | Reject::DefinitionFixed
        | Reject::UnknownRulesVersion
        | Reject::EngineBusy
        | Reject::VenueRejected
        | Reject::VenueUnknownOrder
        | Reject::NoLiquidity
        | Reject::VenueBookFull
        | Reject::NotFilledWhole
        | Reject::WouldTake
        | Reject::SimulatedFault
        | Reject::CancelRequested
        | Reject::Expired
        | Reject::LinkedOrderDone
        | Reject::ParentUnfilled
        | Reject::MissingAtVenue
        | Reject::MassCanceled => &["op"],
    };
    let is_given = |field: &&&str| !request[**field].is_null();
    candidates.iter().find(is_given).or(candidates.first()).copied().unwrap_or("op")
}

/// What a person can do about a reason, where that is not plain.
fn remedy(reject: Reject) -> Option<&'static str> {
    const REMEDIES: &[(Reject, &str)] = &[
        (Reject::DuplicateClientOrderId, "choose a new one"),
        (Reject::KillSwitch, "release it first"),
        (Reject::BreakerTripped, "wait for its cool-down or reset it with breaker.reset"),
        (Reject::StaleMarket, "wait for the next snapshot"),
        (Reject::NoReferencePrice, "wait for market data"),
        (Reject::StoreFull, "cancel something first"),
        (Reject::EngineBusy, "send it again later"),
        (Reject::NoConversionRate, "set one with conversion.set"),
        (Reject::VenueDisconnected, "wait for the venue or name another"),
    ];
    REMEDIES.iter().find(|(known, _)| *known == reject).map(|(_, remedy)| *remedy)
}
