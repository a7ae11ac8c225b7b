//! What the core decides: commands in, events out, one topic a module.
//!
//! `cfg(test)` tells the lints that a module without tests of its own is a test's all the same.

#[path = "core/definitions.rs"]
mod definitions;
#[cfg(test)]
#[path = "core/desk.rs"]
mod desk;
#[cfg(test)]
#[path = "core/digest.rs"]
mod digest;
#[path = "core/kill_switch.rs"]
mod kill_switch;
#[path = "core/market.rs"]
mod market;
#[path = "core/money.rs"]
mod money;
#[cfg(test)]
#[path = "core/nonsense.rs"]
mod nonsense;
#[path = "core/oracle.rs"]
mod oracle;
#[path = "core/orders.rs"]
mod orders;
#[path = "core/replay.rs"]
mod replay;
#[path = "core/risk.rs"]
mod risk;
#[path = "core/risk_alerts.rs"]
mod risk_alerts;
#[path = "core/risk_breakers.rs"]
mod risk_breakers;
#[path = "core/risk_limits.rs"]
mod risk_limits;
#[path = "core/risk_page.rs"]
mod risk_page;
#[path = "core/risk_scopes.rs"]
mod risk_scopes;
#[cfg(test)]
#[path = "core/risk_support.rs"]
mod risk_support;
#[cfg(test)]
#[path = "core/seed.rs"]
mod seed;
#[path = "core/strategies.rs"]
mod strategies;
#[cfg(test)]
#[path = "core/workload.rs"]
mod workload;
