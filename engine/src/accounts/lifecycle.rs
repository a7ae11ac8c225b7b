//! The moves that an account may make, in one place.

use tickwerk_domain::AccountState;

/// Whether an account may go from one state to another. Nothing leaves `Closed`, and staying is no move; that a closed
/// account holds nothing is asked for beside this table.
pub fn is_allowed(from: AccountState, to: AccountState) -> bool {
    use AccountState::{Active, Closed, Suspended};
    match from {
        Active => matches!(to, Suspended | Closed),
        Suspended => matches!(to, Active | Closed),
        Closed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_is_the_end_and_can_be_reached_from_everywhere_else() {
        for from in AccountState::ALL {
            assert!(!is_allowed(*from, *from), "{from}");
            assert_eq!(is_allowed(*from, AccountState::Closed), *from != AccountState::Closed, "{from}");
            assert!(!is_allowed(AccountState::Closed, *from), "{from}");
        }
    }
}
