//! From a reason to the fault that names the field it is about and what can be done.

use crate::control::request::{Compared, Fault};
use serde_json::Value;
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{OrderId, Reject, SessionState};
use tickwerk_engine::lifecycle;
use tickwerk_engine::risk::rules::RULES;

/// A reason with the field of the request that it is about.
pub(super) fn refusal(
    reason: ReasonCode,
    order: OrderId,
    request: &Value,
    compared: Option<Box<Compared>>,
) -> Fault {
    let Some(reject) = Reject::from_code(reason) else {
        return Fault::new("refused", "op", request["op"].clone(), format!("reason {}", reason.0));
    };
    let field = field_of(reject, request);
    let order = if order.is_none() { String::new() } else { format!(" (order {order})") };
    let figures = compared.as_ref().map(|of| format!(" (limit {}, seen {})", of.limit, of.observed));
    let sentence = reject.sentence().trim_end_matches('.').to_owned() + figures.as_deref().unwrap_or("");
    let message = match remedy(reject, request) {
        Some(remedy) => format!("{sentence}; {remedy}{order}"),
        None => format!("{sentence}{order}"),
    };
    Fault { compared, ..Fault::new(reject.word(), field, request[field].clone(), message) }
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
        | Reject::NoReferencePrice => &["instrument"],
        Reject::ScopeInvalid => &["strategy", "instrument", "account"],
        Reject::UnknownVenue | Reject::VenueDisconnected | Reject::VenueLacks => &["venue"],
        Reject::UnknownCurrency | Reject::NoConversionRate => &["currency"],
        Reject::UnknownExecution | Reject::FillUnmatched => &["execution_id"],
        Reject::UnknownReconciliation => &["run"],
        Reject::UnknownOrder
        | Reject::OrderDone
        | Reject::CancelPending
        | Reject::ReplacePending
        | Reject::DuplicateClientOrderId => &["client_order_id", "order_id"],
        Reject::DuplicateReport => &["execution_id", "run", "order_id"],
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
        Reject::TriggerInvalid => &["trigger_price", "trail_offset"],
        Reject::DisplayQuantityInvalid => &["display_quantity"],
        Reject::ExpiryInvalid => &["expires_at", "time_in_force"],
        Reject::LinkInvalid => &["link"],
        Reject::TermsInvalid => &["order_type", "instrument"],
        Reject::IllegalMove => &["breaker", "state", "client_order_id", "order_id"],
        Reject::ValueOutOfRange => &["value", "amount", "rate", "run"],
        Reject::UnknownStrategy => &["strategy"],
        Reject::UnknownStrategyKind
        | Reject::InvalidValue
        | Reject::MissingField
        | Reject::UnknownField
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
        | Reject::MassCanceled
        | Reject::RequestLost => &["op"],
    };
    let is_given = |field: &&&str| !request[**field].is_null();
    candidates.iter().find(is_given).or(candidates.first()).copied().unwrap_or("op")
}

/// What a person can do about a reason, where that is not plain.
fn remedy(reject: Reject, request: &Value) -> Option<String> {
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
    let text = |field: &str| request[field].as_str().unwrap_or("");
    match (reject, text("op")) {
        (Reject::ScopeInvalid, "limit.set") => {
            let rule =
                RULES.iter().find(|rule| rule.kind.is_some_and(|kind| kind.word() == text("limit")))?;
            Some(format!(
                "{} can be set for: {}",
                rule.name,
                rule.scopes.names().collect::<Vec<_>>().join(", ")
            ))
        }
        (Reject::IllegalMove, "account_state.set") => {
            Some("an account is closed for good, and only without positions and open orders".to_owned())
        }
        (Reject::IllegalMove, "market.session") => {
            let to = SessionState::from_word(&text("state").to_ascii_lowercase())?;
            let from = SessionState::ALL.iter().filter(|from| lifecycle::session::is_allowed(**from, to));
            let from: Vec<&str> = from.map(|from| from.word()).collect();
            Some(format!("a market comes to {to} from: {}", from.join(", ")))
        }
        (Reject::TermsInvalid, "market.funding") => {
            Some("only linear and inverse contracts pay funding".to_owned())
        }
        (Reject::ValueOutOfRange, "market.funding") => {
            Some("funding takes a fraction from -1 to 1".to_owned())
        }
        (Reject::IllegalMove, "breaker.reset") => Some("the breaker has not tripped".to_owned()),
        (_, _) => REMEDIES.iter().find(|(known, _)| *known == reject).map(|(_, remedy)| (*remedy).to_owned()),
    }
}
