//! The read models, one file each.

mod activity;
mod balances;
mod candles;
mod event_statistics;
mod exposures;
#[cfg(test)]
pub(crate) mod fixture;
mod order_books;
mod orders;
mod positions;
mod system_health;
mod trading_activity;

use crate::projection::Projection;

/// Every one of them, in the order in which they are written.
pub(crate) fn all() -> Vec<Box<dyn Projection>> {
    vec![
        Box::new(orders::Orders::default()),
        Box::new(positions::Positions),
        Box::new(balances::Balances::default()),
        Box::new(candles::Candles::default()),
        Box::new(order_books::OrderBooks::default()),
        Box::new(activity::Activity),
        Box::new(trading_activity::TradingActivity::default()),
        Box::new(event_statistics::EventStatistics::default()),
        Box::new(system_health::SystemHealth),
        Box::new(exposures::Exposures::default()),
    ]
}
