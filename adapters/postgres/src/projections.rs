//! The read models, one file each.

mod balances;
mod orders;
mod positions;

use crate::projection::Projection;

/// Every one of them, in the order in which they are written.
pub(crate) fn all() -> Vec<Box<dyn Projection>> {
    vec![
        Box::new(orders::Orders::default()),
        Box::new(positions::Positions),
        Box::new(balances::Balances::default()),
    ]
}
