//! What `query.metrics` shows: figures that a monitor reads again and again, each under a name that stays.
//!
//! `…_total` and what is answered count from the start of the process and never fall; the rest is as it is now. Units
//! stand at the end of names. What does not apply is null. The answer waits for no watermark.

use super::Server;
use crate::replication::ReplicationFigures;
use serde_json::{Value, json};
use tickwerk_domain::Sequence;
use tickwerk_engine::pipeline::Lane;
use tickwerk_journal::Space;

impl Server {
    pub(super) fn metrics_json(&self) -> Value {
        let (stats, watermarks) = (&self.door.stats, &self.door.watermarks);
        // Whoever is ahead is read last, so that no lag is negative.
        let replicated = self.door.replicator.as_ref().map(|_| watermarks.replicated_through());
        let (chained, durable) = (watermarks.chained_through(), watermarks.durable_through());
        let written = watermarks.written_through();
        let decided = stats.decided_through();
        let behind = |ahead: Sequence, through: Sequence| ahead.0.saturating_sub(through.0);
        let depths = Lane::ALL.map(|lane| (lane.word(), stats.lane(lane).depth()));
        let depths: serde_json::Map<_, _> =
            depths.into_iter().map(|(word, depth)| (word.to_owned(), json!(depth))).collect();
        json!({
            "up_s": self.opened.elapsed().as_secs(),
            "acknowledge": self.door.acknowledge.word(),
            "acknowledged": self.acknowledged.to_json(),
            "decided_through": decided.0,
            "written_lag_records": behind(decided, written),
            "durable_lag_records": behind(written, durable),
            "chained_lag_records": behind(written, chained),
            "replicated_lag_records": replicated.map(|replicated| behind(durable, replicated)),
            "postgres": self.door.postgres.as_ref().map(ReplicationFigures::to_json),
            "waiting_answers": stats.egress_in_flight(),
            "refusals_total": stats.refusals(),
            "lane_depth_records": depths,
            "outcome_depth_records": stats.outcome().depth(),
            "disk_is_full": watermarks.space() != Space::Ample,
            "damage_found_total": self.door.upkeep.findings(),
            "connections": self.connections.len(),
        })
    }
}
