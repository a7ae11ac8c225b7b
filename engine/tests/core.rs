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
#[path = "core/reconcile.rs"]
mod reconcile;
#[path = "core/replay.rs"]
mod replay;
#[path = "core/reports_late.rs"]
mod reports_late;
#[path = "core/reports_model.rs"]
mod reports_model;
#[path = "core/reports_restated.rs"]
mod reports_restated;
#[path = "core/risk.rs"]
mod risk;
#[cfg(test)]
#[path = "core/seed.rs"]
mod seed;
#[path = "core/strategies.rs"]
mod strategies;
#[cfg(test)]
#[path = "core/workload.rs"]
mod workload;
