//! The moves that a position may make, in one place.
//!
//! A position is flat, long or short; what a change is called follows from where it comes from and where it goes to.

use tickwerk_domain::PositionChange;

/// State of a position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PositionState {
    /// Nothing is open.
    Flat,
    /// More was bought than sold.
    Long,
    /// More was sold than bought.
    Short,
}

impl PositionState {
    /// Every state.
    pub const ALL: &[Self] = &[Self::Flat, Self::Long, Self::Short];

    /// The state of a position of `qty`.
    pub fn of(qty: i64) -> Self {
        match qty.signum() {
            0 => Self::Flat,
            1 => Self::Long,
            _ => Self::Short,
        }
    }

    /// The word for this state in text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Long => "long",
            Self::Short => "short",
        }
    }
}

/// What a trade that takes a position from `before` to `after` is called. A trade always changes the quantity.
pub fn change(before: i64, after: i64) -> PositionChange {
    match (PositionState::of(before), PositionState::of(after)) {
        (PositionState::Flat, _) => PositionChange::Opened,
        (PositionState::Long | PositionState::Short, PositionState::Flat) => PositionChange::Closed,
        (PositionState::Long, PositionState::Long) | (PositionState::Short, PositionState::Short) => {
            if after.unsigned_abs() > before.unsigned_abs() {
                PositionChange::Increased
            } else {
                PositionChange::Reduced
            }
        }
        (PositionState::Long, PositionState::Short) | (PositionState::Short, PositionState::Long) => {
            PositionChange::Flipped
        }
    }
}

/// Whether `change` may take a position from one state to another. An adjustment may go anywhere.
pub fn is_allowed(from: PositionState, change: PositionChange, to: PositionState) -> bool {
    use PositionState::{Flat, Long, Short};
    match change {
        PositionChange::Opened => from == Flat && to != Flat,
        PositionChange::Increased | PositionChange::Reduced => from != Flat && from == to,
        PositionChange::Flipped => matches!((from, to), (Long, Short) | (Short, Long)),
        PositionChange::Closed => from != Flat && to == Flat,
        PositionChange::Adjusted => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_quantity_has_one_name_and_the_name_is_allowed() {
        for before in -3..=3 {
            for after in (-3..=3).filter(|after| *after != before) {
                let (from, to) = (PositionState::of(before), PositionState::of(after));
                let named = change(before, after);
                assert!(is_allowed(from, named, to), "{} to {}: {named}", from.word(), to.word());
                assert_ne!(named, PositionChange::Adjusted);
            }
        }
        assert_eq!(change(2, 5), PositionChange::Increased);
        assert_eq!(change(-5, -2), PositionChange::Reduced);
        assert_eq!(change(-5, 2), PositionChange::Flipped);
    }

    #[test]
    fn a_flat_position_can_only_be_opened_and_a_closed_one_is_flat() {
        for to in PositionState::ALL {
            let names =
                PositionChange::ALL.iter().filter(|name| is_allowed(PositionState::Flat, **name, *to));
            let names: Vec<_> = names.filter(|name| **name != PositionChange::Adjusted).collect();
            assert_eq!(names.is_empty(), *to == PositionState::Flat);
            assert!(names.iter().all(|name| **name == PositionChange::Opened));
        }
    }
}
