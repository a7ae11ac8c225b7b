//! The read models, one file each.

mod accounts;
mod activity;
mod audit;
mod balances;
mod candles;
mod currencies;
mod decisions;
mod door;
mod event_statistics;
mod fills;
#[cfg(test)]
pub(crate) mod fixture;
mod instruments;
mod limits;
mod order_books;
mod orders;
mod portfolio;
mod positions;
mod profits;
mod signals;
mod strategies;
mod system_health;
mod trades;
mod trading_activity;

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
        Box::new(candles::Candles::default()),
        Box::new(order_books::OrderBooks::default()),
        Box::new(activity::Activity),
        Box::new(trading_activity::TradingActivity::default()),
        Box::new(event_statistics::EventStatistics::default()),
        Box::new(system_health::SystemHealth),
        Box::new(strategies::Strategies),
        Box::new(profits::Profits::default()),
        Box::new(trades::Trades::default()),
        Box::new(portfolio::Portfolio),
        Box::new(signals::Signals),
        Box::new(decisions::Decisions),
        Box::new(limits::Limits),
        Box::new(audit::Audit),
    ]
}
