//! The moves that an order may make, in one place.
//!
//! Source: FIX 4.4, volume 4, appendix D (order state change matrices), for the states that exist here.

use tickwerk_domain::OrderStatus;

/// Whether an order may go from one state to another. Staying is a move too: a second partial fill.
pub fn is_allowed(from: OrderStatus, to: OrderStatus) -> bool {
    use OrderStatus::{
        Canceled, Expired, Filled, Held, New, PartiallyFilled, PendingCancel, PendingNew, PendingReplace,
        Rejected,
    };
    match from {
        PendingNew => {
            matches!(
                to,
                New | PartiallyFilled
                    | Filled
                    | PendingCancel
                    | PendingReplace
                    | Canceled
                    | Rejected
                    | Expired
                    | Held
            )
        }
        Held => matches!(to, Held | PendingNew | Filled | Canceled | Rejected | Expired),
        New => matches!(to, PartiallyFilled | Filled | PendingCancel | PendingReplace | Canceled | Expired),
        // Back to `New` where the only fill was taken back (FIX appendix D, trade cancel).
        PartiallyFilled => {
            matches!(to, New | PartiallyFilled | Filled | PendingCancel | PendingReplace | Canceled | Expired)
        }
        PendingCancel => {
            matches!(
                to,
                PendingCancel
                    | New
                    | PendingNew
                    | PartiallyFilled
                    | PendingReplace
                    | Filled
                    | Canceled
                    | Rejected
                    | Expired
            )
        }
        PendingReplace => {
            matches!(
                to,
                PendingReplace
                    | New
                    | PendingNew
                    | PartiallyFilled
                    | PendingCancel
                    | Filled
                    | Canceled
                    | Rejected
                    | Expired
            )
        }
        Filled | Canceled | Rejected | Expired => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_done_state_and_every_active_state_can_end() {
        for from in OrderStatus::ALL {
            let moves: Vec<_> = OrderStatus::ALL.iter().filter(|to| is_allowed(*from, **to)).collect();
            assert_eq!(moves.is_empty(), from.is_done(), "{from}");
            if !from.is_done() {
                assert!(
                    is_allowed(*from, OrderStatus::Filled) && is_allowed(*from, OrderStatus::Canceled),
                    "{from}"
                );
            }
        }
    }

    #[test]
    fn only_an_unconfirmed_order_can_be_rejected() {
        let rejectable: Vec<_> =
            OrderStatus::ALL.iter().filter(|from| is_allowed(**from, OrderStatus::Rejected)).collect();
        let unconfirmed = [
            &OrderStatus::PendingNew,
            &OrderStatus::PendingCancel,
            &OrderStatus::PendingReplace,
            &OrderStatus::Held,
        ];
        assert_eq!(rejectable, unconfirmed);
    }
}
