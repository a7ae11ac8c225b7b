//! The risk check: what an order must pass before it leaves. Reads only; the caller books the result.
//!
//! Units: prices and quantities at the instrument's scales, money at the settlement currency's, exposure and losses in
//! the reference currency. A refusal carries the limit and the value seen, in the unit of its rule. Each rule is a file;
//! [`rules::RULES`] lists them all. A cancel passes no rule at all. A replace is checked as the order that it would
//! make, with the order as it is counted as gone; an order that was held is checked again when it leaves.

pub mod account_exposure;
pub mod alerts;
pub mod breakers;
mod buying_power;
pub mod collar;
pub mod exposure;
mod market_data;
mod notional;
mod open_orders;
mod position_limit;
pub mod rate;
pub mod reducing;
pub mod rules;
pub mod scopes;
pub mod self_trade;
mod session;
pub mod settings;
mod steps;
pub mod subjects;
mod switches;

use crate::accounts::{Account, Balance};
use crate::machine::Machine;
use crate::market::Market;
use crate::positions::Position;
use exposure::Reservation;
use rate::Message;
use settings::Effective;
use subjects::Subject;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{Instrument, Reject, TimeNs};

/// What the check reads.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The instrument.
    pub instrument: &'a Instrument,
    /// Its market.
    pub market: &'a Market,
    /// The account.
    pub account: &'a Account,
    /// The account's position in the instrument, without an order that is replaced or leaves.
    pub position: &'a Position,
    /// What the account has of the settlement currency.
    pub settlement: &'a Balance,
    /// Base-currency units in one quantity unit; spot only.
    pub base_factor: i128,
    /// The limits that apply to the account in the instrument, and those of the strategy for a single order.
    pub limits: &'a Effective,
    /// What is counted of the account.
    pub subject: &'a Subject,
    /// The strategy that asks.
    pub strategy: Option<StrategyView<'a>>,
    /// What the order is: a new one, or what a replace would make; none for an order that was let in before and leaves
    /// now.
    pub message: Option<Message>,
    /// Whether the order stays in the core for now; its price is looked at when it leaves.
    pub is_held: bool,
    /// Now.
    pub now: TimeNs,
    /// Whatever a rule asks for beyond the order's instrument.
    pub machine: &'a Machine,
}

/// What the check reads of a strategy.
#[derive(Clone, Copy, Debug)]
pub struct StrategyView<'a> {
    /// Its own limits.
    pub limits: &'a Effective,
    /// What is counted of it.
    pub subject: &'a Subject,
    /// What its orders filled to and would fill to, signed.
    pub held: i64,
}

/// Who is counted: the account, or the strategy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party<'a> {
    limits: &'a Effective,
    subject: &'a Subject,
}

/// What an order that passed ties up and leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Approval {
    /// What it ties up.
    pub reservation: Reservation,
    /// Gross exposure of the account with it, in the reference currency; 0 where no limit asks for it.
    pub gross_exposure: i128,
}

/// Why an order may not enter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The rule.
    pub reason: Reject,
    /// The limit.
    pub limit: i128,
    /// The value seen.
    pub observed: i128,
}

impl Refusal {
    /// A refusal of a rule that compares nothing.
    pub fn plain(reason: Reject) -> Self {
        Self { reason, limit: 0, observed: 0 }
    }

    fn new(reason: Reject, limit: impl Into<i128>, observed: impl Into<i128>) -> Self {
        Self { reason, limit: limit.into(), observed: observed.into() }
    }
}

impl<'a> View<'a> {
    fn parties(&self) -> impl Iterator<Item = Party<'a>> + use<'a> {
        let account = Party { limits: self.limits, subject: self.subject };
        let strategy = self.strategy.map(|of| Party { limits: of.limits, subject: of.subject });
        std::iter::once(account).chain(strategy)
    }
}

/// Answers whether an order may be held that ties up nothing before it leaves: what is about itself alone.
pub fn check_held(order: &NewOrder, view: &View<'_>) -> Result<(), Refusal> {
    switches::check(order, view)?;
    breakers::check(view, || reducing::is_reducing(order, view))?;
    steps::check(order, view)?;
    open_orders::check(view)?;
    rate::check(view)
}

/// Answers whether `order` may enter, and what it leads to: all rules in order; the first that does not hold refuses.
pub fn check(order: &NewOrder, view: &View<'_>) -> Result<Approval, Refusal> {
    switches::check(order, view)?;
    breakers::check(view, || reducing::is_reducing(order, view))?;
    session::check(view)?;
    steps::check(order, view)?;
    reducing::check(order, view)?;
    market_data::check(view)?;
    let worst_price = collar::check(order, view)?;
    let value = notional::check(order, view, worst_price)?;
    position_limit::check(order, view)?;
    let gross_exposure = account_exposure::check(order, view, worst_price)?;
    open_orders::check(view)?;
    rate::check(view)?;
    self_trade::check(order, view)?;
    let reservation = buying_power::check(order, view, worst_price, &value)?;
    Ok(Approval { reservation, gross_exposure })
}
