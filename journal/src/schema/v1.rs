//! Shapes of version 1 that are no longer written. They never change.

use rkyv::{Archive, Deserialize};
use tickwerk_domain::command;

/// How the process is, before the lag of the hash chain was told.
#[derive(Clone, Copy, Debug, Archive, Deserialize)]
pub(super) struct HealthObserved {
    outcome_depth: u32,
    control_depth: u32,
    report_depth: u32,
    order_depth: u32,
    market_depth: u32,
    egress_depth: u32,
    refusals: u64,
    written_lag: u64,
    durable_lag: u64,
    memory_bytes: u64,
}

impl From<HealthObserved> for command::HealthObserved {
    fn from(old: HealthObserved) -> Self {
        Self {
            outcome_depth: old.outcome_depth,
            control_depth: old.control_depth,
            report_depth: old.report_depth,
            order_depth: old.order_depth,
            market_depth: old.market_depth,
            egress_depth: old.egress_depth,
            refusals: old.refusals,
            written_lag: old.written_lag,
            durable_lag: old.durable_lag,
            memory_bytes: old.memory_bytes,
            chained_lag: 0,
        }
    }
}
