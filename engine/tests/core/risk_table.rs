//! Every rule of the table has its cases: below its limit, at it, above it, and each of them once more across a restart.
//!
//! A rule that is a switch or a state has the cases off, on, and off again. Whatever speaks must name the version of the
//! limits and the account.

use super::desk::{ALICE, Desk};
use super::risk_support::desk;
use super::risk_table_cases::{of_accounts, of_breakers, of_flow, of_terms, switches};
use tickwerk_domain::{BreakerKind, BreakerState, Command, Event, LimitKind, Reject, Severity};
use tickwerk_engine::risk::rules::{RULES, Rule};

/// What a command is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// It went to the venue.
    Passed,
    /// It was answered with the outcome of the first with its name.
    Repeated,
    /// Rule, limit and value seen.
    Refused(Reject, i128, i128),
    Tripped(BreakerKind, i128, i128),
    Raised(LimitKind, Severity, i128, i128),
}

use Told::{Passed, Raised, Refused, Repeated, Tripped};

/// A desk that is made ready, a command, and what that is told.
pub(crate) struct Case {
    ready: Box<dyn Fn(&mut Desk)>,
    asks: Command,
    told: Vec<Told>,
}

pub(crate) fn case(
    ready: impl Fn(&mut Desk) + 'static,
    asks: impl Into<Command>,
    told: impl IntoIterator<Item = Told>,
) -> Case {
    Case { ready: Box::new(ready), asks: asks.into(), told: told.into_iter().collect() }
}

impl Case {
    fn run(&self, rule: &Rule, place: &str) {
        for is_restarted in [false, true] {
            let mut desk = desk();
            (self.ready)(&mut desk);
            if is_restarted {
                desk = desk.restarted();
            }
            let version = desk.machine().settings().version();
            let events = desk.apply(self.asks);
            let told: Vec<Told> = events.iter().filter_map(|event| told(event, version)).collect();
            assert_eq!(told, self.told, "{}, {place}, restarted: {is_restarted}: {events:?}", rule.name);
        }
    }

    /// Whether it shows what the rule does: refuse, trip or raise.
    fn shows(&self, rule: &Rule) -> bool {
        self.told.iter().any(|told| match told {
            Passed | Repeated => false,
            Refused(reason, ..) => Some(*reason) == rule.reason || rule.kind == Some(LimitKind::CoolDown),
            Tripped(kind, ..) => Some(*kind) == rule.breaker,
            Raised(kind, ..) => Some(*kind) == rule.kind || rule.kind == Some(LimitKind::AlertFraction),
        })
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other events say nothing of a rule")]
fn told(event: &Event, version: u64) -> Option<Told> {
    let reason = |code| Reject::from_code(code).expect("a known reason");
    let (seen_version, account, told) = match event {
        Event::OrderSubmitted(_) | Event::ReplaceSubmitted(_) | Event::CancelSubmitted(_) => {
            return Some(Passed);
        }
        Event::OrderRepeated(_) => return Some(Repeated),
        Event::OrderRefused(of) => {
            (of.limits_version, of.account, Refused(reason(of.reason), of.limit.get(), of.observed.get()))
        }
        Event::ReplaceRejected(of) => {
            (of.limits_version, of.account, Refused(reason(of.reason), of.limit.get(), of.observed.get()))
        }
        Event::BreakerChanged(of) if of.state != BreakerState::Armed => {
            (of.limits_version, of.account, Tripped(of.kind, of.limit.get(), of.observed.get()))
        }
        Event::RiskAlert(of) if of.raised => {
            (of.limits_version, of.account, Raised(of.kind, of.severity, of.limit.get(), of.observed.get()))
        }
        _ => return None,
    };
    assert_eq!((seen_version, account), (version, ALICE), "{event:?}");
    Some(told)
}

type Cases = fn(&str) -> Option<[Case; 3]>;
const GROUPS: [Cases; 5] = [switches, of_terms, of_accounts, of_flow, of_breakers];

/// Below, at and above; off, on and off again.
fn cases_of(name: &str) -> [Case; 3] {
    let cases = GROUPS.iter().find_map(|group| group(name));
    cases.unwrap_or_else(|| panic!("rule {name} has no cases: add them here"))
}

/// Runs the cases of all rules that a group knows.
fn check(group: Cases) {
    for rule in RULES {
        for (case, place) in group(rule.name).iter().flatten().zip(["below", "at", "above"]) {
            case.run(rule, place);
        }
    }
}

#[test]
fn every_rule_has_cases_of_which_some_show_it_and_some_do_not() {
    for rule in RULES {
        let cases = cases_of(rule.name);
        let shown = cases.iter().filter(|case| case.shows(rule)).count();
        assert!(shown > 0 && shown < cases.len(), "{}: {shown} cases show it", rule.name);
    }
}

#[test]
#[should_panic(expected = "has no cases")]
fn a_rule_without_cases_is_found() {
    cases_of("a_new_rule");
}

#[test]
fn switches_and_states_stop_orders_while_they_are_on() {
    check(switches);
}

#[test]
fn rules_of_one_order_hold_at_their_limits() {
    check(of_terms);
}

#[test]
fn rules_of_an_account_hold_at_their_limits() {
    check(of_accounts);
}

#[test]
fn rates_hold_at_their_limits() {
    check(of_flow);
}

#[test]
fn breakers_trip_at_their_limits() {
    check(of_breakers);
}
