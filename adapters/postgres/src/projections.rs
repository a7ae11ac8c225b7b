//! The read models, one file each.

mod accounts;
mod audit;
mod balances;
mod currencies;
mod decisions;
mod fills;
mod instruments;
mod limits;
mod orders;
mod portfolio;
mod positions;
mod profits;
mod signals;
#[cfg(test)]
mod testing;
mod trades;

use crate::projection::Projection;

/// Every one of them, in the order in which they are written.
pub(crate) fn all() -> Vec<Box<dyn Projection>> {
    vec![
        Box::new(currencies::Currencies),
        Box::new(instruments::Instruments),
        Box::new(accounts::Accounts::default()),
        Box::new(orders::Orders::default()),
        Box::new(fills::Fills),
        Box::new(positions::Positions::default()),
        Box::new(balances::Balances::default()),
        Box::new(profits::Profits::default()),
        Box::new(trades::Trades::default()),
        Box::new(portfolio::Portfolio),
        Box::new(signals::Signals),
        Box::new(decisions::Decisions),
        Box::new(limits::Limits),
        Box::new(audit::Audit),
    ]
}
