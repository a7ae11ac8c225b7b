//! Rules versions: an old journal is decided by the rules that it was made with, and a version that a build lacks is named.

use super::desk::{ALICE, Desk, SPOT, definitions, limit_order, quote};
use tickwerk_domain::command::{MassCancel, RulesActivated};
use tickwerk_domain::{Command, Event, InstrumentId, Record, Side, SideFilter, StrategyId, TextId};
use tickwerk_engine::replay::{Replay, ReplayError};
use tickwerk_engine::rules::{RULES, RULES_VERSION, Rules};
use tickwerk_engine::{Core, Decider};

/// A build with a version that decides otherwise: long effects go on after three steps.
const NEWER: &[Rules] = &[RULES[0], Rules { version: RULES_VERSION + 1, steps_per_command: 3 }];

const NEW: RulesActivated = RulesActivated { version: RULES_VERSION + 1 };

/// A desk of a build with these rules.
fn desk(table: &'static [Rules]) -> Desk {
    let mut desk = Desk::empty();
    desk.core = Core::with_rules(table);
    for command in definitions() {
        desk.apply(command);
    }
    desk.apply(quote(SPOT, 9_990, 10_010));
    desk
}

/// What the desk does at its end is for a build with one set of rules.
fn forget(mut desk: Desk) {
    desk.frames.clear();
    desk.core = Core::new();
}

/// Frames that it takes to cancel seven orders.
fn frames_to_cancel(desk: &mut Desk) -> usize {
    for number in 0..7 {
        desk.feed(limit_order(SPOT, Side::Buy, 9_900 - 10 * number, 100));
    }
    desk.settle(desk.time + 10_000);
    let before = desk.frames.len();
    let (strategy, reason, side) = (StrategyId::NONE, TextId::NONE, SideFilter::Any);
    desk.feed(MassCancel { account: ALICE, instrument: InstrumentId::NONE, strategy, reason, side });
    while desk.machine().continuation().is_some() {
        desk.settle_one(desk.time);
    }
    desk.frames.len() - before
}

fn follow(table: &'static [Rules], frames: &[Vec<Record>]) -> Result<u64, ReplayError> {
    let mut replay = Replay::resume(Core::with_rules(table));
    frames.iter().try_for_each(|frame| replay.apply(frame))?;
    Ok(replay.core().digest())
}

#[test]
fn a_decision_follows_the_version_that_is_active_when_it_is_made() {
    let mut desk = desk(NEWER);
    assert_eq!(frames_to_cancel(&mut desk), 1, "by the rules that were activated first");
    assert_eq!(desk.feed(NEW), []);
    assert_eq!(desk.machine().rules(), &NEWER[1]);
    assert_eq!(frames_to_cancel(&mut desk), 3, "three of seven at a time");
    assert_eq!(follow(NEWER, &desk.frames), Ok(desk.core.digest()), "each part by its own rules");
    forget(desk);
}

#[test]
fn a_version_that_a_build_lacks_is_named_and_is_no_difference() {
    let mut desk = desk(NEWER);
    let sequence = desk.core.last().sequence.next();
    desk.feed(NEW);
    let unknown = ReplayError::UnknownRules { sequence, version: NEW.version, newest: RULES_VERSION };
    assert_eq!(follow(RULES, &desk.frames), Err(unknown));
    forget(desk);
}

#[test]
fn what_an_older_build_did_not_know_stays_refused() {
    let mut desk = desk(RULES);
    assert!(matches!(desk.feed(NEW)[..], [Event::CommandRefused(_)]));
    assert_eq!(frames_to_cancel(&mut desk), 1);
    assert_eq!(follow(NEWER, &desk.frames), Ok(desk.core.digest()));
}

#[test]
fn before_any_version_is_activated_the_oldest_decides() {
    let core = Core::with_rules(NEWER);
    assert_eq!(core.machine().rules(), &Rules { version: 0, ..NEWER[0] });
    assert!(matches!(definitions()[0], Command::RulesActivated(_)));
}
