//! The tables of states: every state and every refused move, and the pictures in the repository.

use std::path::Path;
use tickwerk_domain::{AccountState, BreakerState, FillState, OrderStatus, SessionState, SignalDirection};
use tickwerk_engine::lifecycle::{self, PositionState, SystemState};

/// Every pair of states is allowed where the table names it and refused otherwise; every state has its row once, and can
/// be reached from the first.
fn check<S: Copy + PartialEq + std::fmt::Debug>(
    all: &[S],
    begins: &[S],
    table: &[(S, &[(S, &str)])],
    is_allowed: impl Fn(S, S) -> bool,
) {
    assert_eq!(table.len(), all.len());
    for from in all {
        let rows: Vec<_> = table.iter().filter(|(state, _)| state == from).collect();
        assert_eq!(rows.len(), 1, "{from:?}");
        for to in all {
            let is_named = rows[0].1.iter().any(|(state, _)| state == to);
            assert_eq!(is_allowed(*from, *to), is_named, "{from:?} to {to:?}");
        }
    }
    let mut reached = begins.to_vec();
    for _ in all {
        let next: Vec<_> =
            all.iter().filter(|to| reached.iter().any(|from| is_allowed(*from, **to))).collect();
        reached.extend(next);
    }
    assert!(all.iter().all(|state| reached.contains(state)), "every state can be reached");
}

#[test]
fn every_move_is_in_the_tables_or_refused() {
    use lifecycle::{account, breaker, fill, order, position, session, signal, system};
    check(OrderStatus::ALL, &[order::BEGINS], order::TABLE, order::is_allowed);
    check(SessionState::ALL, &[session::BEGINS], session::TABLE, session::is_allowed);
    check(SignalDirection::ALL, &[signal::BEGINS], signal::TABLE, signal::is_allowed);
    check(BreakerState::ALL, &[breaker::BEGINS], breaker::TABLE, breaker::is_allowed);
    check(FillState::ALL, &[fill::BEGINS, FillState::Unmatched], fill::TABLE, fill::is_allowed);
    check(PositionState::ALL, &[position::BEGINS], position::TABLE, position::is_allowed);
    check(AccountState::ALL, &[account::BEGINS], account::TABLE, account::is_allowed);
    check(SystemState::ALL, &[system::BEGINS], system::TABLE, system::is_allowed);
}

#[test]
fn nothing_leaves_a_done_order_and_every_open_one_can_be_cancelled() {
    for from in OrderStatus::ALL {
        let count = OrderStatus::ALL.iter().filter(|to| lifecycle::order::is_allowed(*from, **to)).count();
        assert_eq!(count == 0, from.is_done(), "{from}");
        assert_eq!(lifecycle::order::is_allowed(*from, OrderStatus::Canceled), !from.is_done(), "{from}");
    }
}

#[test]
fn only_an_unconfirmed_order_can_be_rejected() {
    let rejectable: Vec<_> = OrderStatus::ALL
        .iter()
        .filter(|from| lifecycle::order::is_allowed(**from, OrderStatus::Rejected))
        .collect();
    let unconfirmed = [
        &OrderStatus::PendingNew,
        &OrderStatus::PendingCancel,
        &OrderStatus::PendingReplace,
        &OrderStatus::Held,
    ];
    assert_eq!(rejectable, unconfirmed);
}

#[test]
fn the_pictures_in_the_repository_are_those_of_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("STATES.md");
    let pictures = lifecycle::pictures();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &pictures).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), pictures);
}
