//! What the core decides: commands in, events out, one topic a module.

#[path = "core/definitions.rs"]
mod definitions;
#[path = "core/desk.rs"]
mod desk;
#[path = "core/digest.rs"]
mod digest;
#[path = "core/kill_switch.rs"]
mod kill_switch;
#[path = "core/market.rs"]
mod market;
#[path = "core/money.rs"]
mod money;
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
#[path = "core/seed.rs"]
mod seed;
#[path = "core/strategies.rs"]
mod strategies;
#[path = "core/workload.rs"]
mod workload;
