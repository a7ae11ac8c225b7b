//! What `query.watermarks` shows: how far everything is, and how full.

use super::Server;
use serde_json::{Value, json};
use tickwerk_engine::pipeline::{Lane, stats::RingGauge};

impl Server {
    pub(super) fn watermarks_json(&self) -> Value {
        let stats = &self.door.stats;
        let ring = |gauge: &RingGauge| {
            json!({
                "depth": gauge.depth(),
                "depth_max": gauge.depth_max(),
                "capacity": gauge.capacity(),
                "refused": gauge.refused(),
                "waits": gauge.waits(),
            })
        };
        let mut rings = json!({ "outcome": ring(stats.outcome()) });
        for lane in Lane::ALL {
            rings[lane.word()] = ring(stats.lane(lane));
        }
        json!({
            "decided_through": stats.decided_through().0,
            "written_through": self.door.watermarks.written_through().0,
            "durable_through": self.door.watermarks.durable_through().0,
            "replicated_through": self.door.replicator.as_ref().map(|_| self.door.watermarks.replicated_through().0),
            "replicator": self.door.replicator,
            "chained_through": self.door.watermarks.chained_through().0,
            "acknowledge": self.door.acknowledge.word(),
            "space": self.door.watermarks.space().word(),
            "in_flight": stats.egress_in_flight(),
            "refusals": stats.refusals(),
            "rings": rings,
            "upkeep": self.door.upkeep.to_json(),
        })
    }
}
