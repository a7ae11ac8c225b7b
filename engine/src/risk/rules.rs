//! All rules in one table, in the order in which they are checked: for people who ask and for the page that is
//! generated from it (`engine/RISK.md`).

use super::scopes::{Scopes, scopes_of};
use std::fmt::Write;
use tickwerk_domain::{BreakerKind, LimitKind, LimitUnit, Reject};

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name: that of its limit, where it has one.
    pub name: &'static str,
    /// Why it refuses; none where it only raises an alert or changes other rules.
    pub reason: Option<Reject>,
    /// The limit that turns it on; none where it is always on or is a setting of its own.
    pub kind: Option<LimitKind>,
    /// The breaker that it trips.
    pub breaker: Option<BreakerKind>,
    /// For whom it can be set.
    pub scopes: Scopes,
    /// What it says, in one sentence.
    pub sentence: &'static str,
    /// An example.
    pub example: &'static str,
}

impl Rule {
    /// A rule that no limit turns on.
    const fn fixed(
        name: &'static str,
        reason: Reject,
        scopes: Scopes,
        sentence: &'static str,
        example: &'static str,
    ) -> Self {
        Self { name, reason: Some(reason), kind: None, breaker: None, scopes, sentence, example }
    }

    const fn limit(
        name: &'static str,
        kind: LimitKind,
        reason: Option<Reject>,
        sentence: &'static str,
        example: &'static str,
    ) -> Self {
        Self { name, reason, kind: Some(kind), breaker: None, scopes: scopes_of(kind), sentence, example }
    }

    const fn breaker(
        name: &'static str,
        breaker: BreakerKind,
        sentence: &'static str,
        example: &'static str,
    ) -> Self {
        let (kind, reason) = (breaker.limit(), Some(Reject::BreakerTripped));
        Self {
            name,
            reason,
            kind: Some(kind),
            breaker: Some(breaker),
            scopes: scopes_of(kind),
            sentence,
            example,
        }
    }

    /// What its limit is counted in.
    pub fn unit(&self) -> Option<&'static str> {
        self.kind.map(|kind| match kind.unit() {
            LimitUnit::Quantity => "the instrument's quantity",
            LimitUnit::Settlement => "the settlement currency",
            LimitUnit::Reference => "the reference currency",
            LimitUnit::Fraction => "a fraction or multiple",
            LimitUnit::Count => "a number",
            LimitUnit::Duration => "nanoseconds",
            LimitUnit::SelfTrade => "a mode of self-trade prevention",
        })
    }
}

/// No scope: the rule is always on.
const FOR_ALL: Scopes = Scopes::ALL;

/// All rules, in the order in which they are checked; breakers and settings of other rules at the end.
pub const RULES: &[Rule] = &[
    Rule::fixed(
        "kill_switch",
        Reject::KillSwitch,
        FOR_ALL,
        "While a kill switch is engaged, nothing enters; engaging it cancels what is open in its scope.",
        "The switch of account `alice` is engaged: her open orders are cancelled, her next order is refused.",
    ),
    Rule::fixed(
        "account_state",
        Reject::AccountNotActive,
        Scopes::ACCOUNT,
        "A suspended account may only reduce positions; a closed one may do nothing.",
        "`alice` is suspended and long 3: a sell of 2 passes, a buy is refused.",
    ),
    Rule::fixed(
        "trading_state",
        Reject::TradingHalted,
        FOR_ALL,
        "Where trading is halted, nothing enters; cancels pass.",
        "Instrument `BTCUSDT` is halted: every order in it is refused.",
    ),
    Rule::fixed(
        "reduce_only",
        Reject::ReduceOnly,
        FOR_ALL,
        "In the state `reduce_only`, and for orders that ask for it (reduce-only, position effect `close`), an order may not be larger than what is open less open closing orders.",
        "Long 100 with an open sell of 60: a reduce-only sell of 40 passes, one of 45 is refused with limit 40.",
    ),
    Rule::fixed(
        "session",
        Reject::MarketClosed,
        Scopes::INSTRUMENT,
        "A halted or closed session takes no orders.",
        "`BTCUSDT` is set to `closed`: orders are refused, cancels pass.",
    ),
    Rule::fixed(
        "tick",
        Reject::PriceOffTick,
        Scopes::INSTRUMENT,
        "A limit price is positive and a multiple of the tick size; a type without one has none.",
        "Tick 0.10: a price of 100.05 is refused.",
    ),
    Rule::fixed(
        "lot",
        Reject::QuantityOffLot,
        Scopes::INSTRUMENT,
        "A quantity is positive and a multiple of the lot size.",
        "Lot 0.005: a quantity of 0.011 is refused.",
    ),
    Rule::limit(
        "order_quantity_min",
        LimitKind::OrderQuantityMin,
        Some(Reject::QuantityBelowMinimum),
        "An order is no smaller than the instrument's minimum and the limit.",
        "Limit 0.010: 0.010 passes, 0.005 is refused.",
    ),
    Rule::limit(
        "order_quantity",
        LimitKind::OrderQuantity,
        Some(Reject::QuantityAboveLimit),
        "An order is no larger than the instrument's maximum and the limit.",
        "Limit 1.0: 1.0 passes, 1.005 is refused.",
    ),
    Rule::fixed(
        "stale_book",
        Reject::StaleMarket,
        Scopes::INSTRUMENT,
        "A book that lost its place is not relied upon.",
        "After a gap in the feed orders are refused until a snapshot has come.",
    ),
    Rule::limit(
        "market_age",
        LimitKind::MarketAge,
        Some(Reject::StaleMarket),
        "The last market data of the instrument is no older than the limit.",
        "Limit 2 s: an order 2.1 s after the last quote is refused.",
    ),
    Rule::fixed(
        "crossed_market",
        Reject::CrossedMarket,
        Scopes::INSTRUMENT,
        "In a continuous session the bid is below the ask; the refusal tells ask (limit) and bid (seen).",
        "Bid 100.1, ask 100.0: refused.",
    ),
    Rule::limit(
        "price_collar",
        LimitKind::PriceCollar,
        Some(Reject::PriceOutsideCollar),
        "A limit price is no farther from the reference price (the mid; the last trade without one) than the limit; the \
         refusal tells the farthest price that passes. A market buy is counted at the touch and the limit more.",
        "Limit 1 %, mid 100: a buy at 101 passes, one at 101.1 is refused.",
    ),
    Rule::limit(
        "order_notional",
        LimitKind::OrderNotional,
        Some(Reject::NotionalAboveLimit),
        "The value of an order at its worst price is no larger than the limit and the instrument's bound.",
        "Limit 100 USD: 1 at 100 passes, 1.005 at 100 is refused.",
    ),
    Rule::limit(
        "position_quantity",
        LimitKind::PositionQuantity,
        Some(Reject::PositionAboveLimit),
        "The position with all open orders of the order's side filled is no larger than the limit, either way.",
        "Limit 10, long 6 with an open buy of 3: a buy of 1 passes, one of 2 is refused.",
    ),
    Rule::limit(
        "gross_exposure",
        LimitKind::GrossExposure,
        Some(Reject::GrossExposureAboveLimit),
        "The values of all positions with open orders at their worst add up to no more than the limit.",
        "Limit 1,000: 600 long in one and 400 short in another instrument pass, one dollar more is refused.",
    ),
    Rule::limit(
        "net_exposure",
        LimitKind::NetExposure,
        Some(Reject::NetExposureAboveLimit),
        "Long less short positions with open orders at their worst are no more than the limit, either way.",
        "Limit 200: 600 long and 400 short pass.",
    ),
    Rule::limit(
        "leverage",
        LimitKind::Leverage,
        Some(Reject::LeverageAboveLimit),
        "Gross exposure is at most this multiple of equity.",
        "Limit 3, equity 1,000: an order that makes 3,001 of exposure is refused.",
    ),
    Rule::limit(
        "open_orders",
        LimitKind::OpenOrders,
        Some(Reject::OpenOrdersAboveLimit),
        "An account has no more open orders than the limit.",
        "Limit 2: the third open order is refused.",
    ),
    Rule::limit(
        "order_rate",
        LimitKind::OrderRate,
        Some(Reject::OrderRateAboveLimit),
        "New orders a second, as a token bucket of one second's worth.",
        "Limit 10: ten orders pass at once, the eleventh 100 ms later.",
    ),
    Rule::limit(
        "replace_rate",
        LimitKind::ReplaceRate,
        Some(Reject::ReplaceRateAboveLimit),
        "Replaces a second, as a token bucket of one second's worth.",
        "Limit 5: the sixth replace within a moment is refused; the order stays as it was.",
    ),
    Rule::limit(
        "cancel_rate",
        LimitKind::CancelRate,
        None,
        "Cancels a second; reaching it raises an alert and blocks nothing.",
        "Limit 20: the twentieth cancel within a moment passes and raises `risk.alert`.",
    ),
    Rule::limit(
        "self_trade",
        LimitKind::SelfTrade,
        Some(Reject::SelfTrade),
        "An order that would meet an open order of its account is refused (`cancel_taker`), or the open one is cancelled (`cancel_maker`), or both (`cancel_both`).",
        "An open sell at 100: with `cancel_taker` a buy at 100 is refused, a buy at 99.9 passes.",
    ),
    Rule::limit(
        "credit",
        LimitKind::Credit,
        Some(Reject::InsufficientBuyingPower),
        "The account can pay for the order with all open orders at their worst, from what it has and on this credit. What its contracts have lost at their marks is not there to be spent or withdrawn. A contract's margin is tied up at the mid of its last order or fill, and not counted again while only the market moves.",
        "100 USD of cash and a credit of 50: buys for 150 with their fees pass.",
    ),
    Rule::fixed(
        "client_order_id",
        Reject::DuplicateClientOrderId,
        Scopes::ACCOUNT,
        "A client order id names one order; the same content again repeats the first outcome, other content is refused with the first order's number as the value seen.",
        "`entry-1` for 5, then `entry-1` for 6: the second is refused.",
    ),
    Rule::breaker(
        "daily_loss",
        BreakerKind::DailyLoss,
        "Equity (for a strategy: its result) has fallen by the limit since the day began at midnight UTC.",
        "Limit 500: equity 10,000 at midnight, 9,500 now, and the breaker trips.",
    ),
    Rule::breaker(
        "drawdown",
        BreakerKind::Drawdown,
        "Equity has fallen from its highest by the limit, as a fraction.",
        "Limit 10 %, highest 11,000: it trips at 9,900.",
    ),
    Rule::breaker(
        "loss_streak",
        BreakerKind::LossStreak,
        "So many closes in a row lost money, before fees.",
        "Limit 3: the third losing close trips it; a winning one starts over.",
    ),
    Rule::breaker(
        "order_to_trade",
        BreakerKind::OrderToTrade,
        "So many orders, replaces and cancels went out for each fill since the day began.",
        "Limit 100: the hundredth message without a fill trips it.",
    ),
    Rule::breaker(
        "stale_feed",
        BreakerKind::StaleFeed,
        "The instrument of an order was silent for so long.",
        "Limit 5 s: an order 5 s after the last quote trips it and is refused.",
    ),
    Rule::breaker(
        "reject_storm",
        BreakerKind::RejectStorm,
        "So many refusals, ours and the venue's, came within a second of the first.",
        "Limit 10: the tenth refusal within a second trips it.",
    ),
    Rule::limit(
        "cool_down",
        LimitKind::CoolDown,
        None,
        "A tripped breaker is armed again after this time; without it, only by command.",
        "Limit 60 s: orders pass again a minute later.",
    ),
    Rule::limit(
        "alert_fraction",
        LimitKind::AlertFraction,
        None,
        "From this fraction of a limit on `risk.alert` is raised as a warning, from the limit on it is critical, and it is cleared when the fraction is left; each change is told once.",
        "0.8 with 10 open orders allowed: the eighth raises a warning, the tenth makes it critical, the end of the ninth and the tenth a warning again, and that of the eighth clears it.",
    ),
];

/// The page of all rules, in Markdown.
pub fn page() -> String {
    let mut page = String::from(PAGE_HEAD);
    for rule in RULES {
        let scopes: Vec<_> = rule.scopes.names().collect();
        let reason =
            rule.reason.map_or("none".to_owned(), |reason| format!("`{reason}` ({})", reason as u16));
        let limit = match (rule.kind, rule.unit()) {
            (Some(kind), Some(unit)) => format!("`{kind}`, in {unit}"),
            (_, _) => "none; always on, or a state that is set".to_owned(),
        };
        let written = write!(
            page,
            "\n### {}\n\n{}\n\n- Limit: {limit}\n- Scopes: {}\n- Reason code: {reason}\n- Example: {}\n",
            rule.name,
            rule.sentence,
            scopes.join(", "),
            rule.example,
        );
        written.expect("a string takes all that is written");
    }
    page
}

const PAGE_HEAD: &str = "# Risk rules

This page is generated from `engine/src/risk/rules.rs`; `UPDATE_GOLDEN=1 cargo test -p tickwerk-engine --test core` writes
it again.

Every new order and every replace passes all rules in this order; the first that does not hold refuses it. The refusal is
journaled with the rule's reason code, the limit, the value seen and the version of all limits. An approval is journaled
too, with what the order ties up and the exposure after it.

- **Strictest wins.** A limit may be set for all, for an account, an instrument, an account in an instrument, or a
  strategy. Where several apply, the strictest decides. A limit of all accounts that counts something of an account holds
  for each account by itself. A strategy's limits are its own: its account's hold besides.
- **Limits have versions.** Each change is a journaled command with a reason and raises the version that decisions name.
- **Cancels always pass.** No rule stands in the way of a cancel.
- **Reducing passes where it must.** An order that together with all open orders of its side only brings a position back
  towards zero passes tripped breakers, the state `reduce_only`, a suspended account, and the limits of position, exposure
  and leverage. It does not pass a kill switch, a halt or a closed session.
- **A replace** is checked as the order that it would make, with the old order counted as gone.
- **Limits are passed, breakers are reached**: an order at its limit is let through, a loss at its limit trips.
- **Set a `price_collar` where market orders are sent.** A market order has no price of its own: it is counted, and a buy
  ties up money, at the touch that it meets and the collar above it. Without a collar that is the touch alone,
  and a fill deeper in the book costs more than was checked and tied up.

## Breakers

Armed → tripped, until `risk.breaker_reset`; or armed → cooling where `cool_down` is set, and armed again when it is over or
at the command. Each move is a `risk.breaker_changed` event. Once armed again, a breaker counts from there.

## Rules
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_and_breaker_has_one_rule() {
        for kind in LimitKind::ALL {
            let named: Vec<_> = RULES.iter().filter(|rule| rule.kind == Some(*kind)).collect();
            assert_eq!(named.len(), 1, "{kind}");
            assert_eq!(named[0].name, kind.word());
        }
        for kind in BreakerKind::ALL {
            assert_eq!(RULES.iter().filter(|rule| rule.breaker == Some(*kind)).count(), 1, "{kind}");
        }
    }
}
