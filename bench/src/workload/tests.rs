//! The mix that `mixed-v1` promises, and its steady state.

use super::*;
use crate::recording::Desk;
use std::collections::BTreeMap;
use tickwerk_domain::{Event, Reject};

/// Blocks that fill every store, and blocks that are looked at.
const WARM_UP_BLOCKS: usize = 20;
const BLOCKS: usize = 20;

/// What a run consists of.
#[derive(Debug, Default)]
struct Census {
    external: u64,
    commands: BTreeMap<&'static str, u64>,
    events: BTreeMap<&'static str, u64>,
    reasons: BTreeMap<&'static str, u64>,
    open_orders_max: usize,
}

impl Census {
    fn take(&mut self, frame: &[Record]) {
        for record in frame {
            match &record.payload {
                Payload::Command(command) => {
                    self.external += u64::from(record.envelope.source == SOURCE);
                    *self.commands.entry(command.event_type()).or_default() += 1;
                }
                Payload::Event(event) => {
                    *self.events.entry(event.event_type()).or_default() += 1;
                    let reason = if let Event::OrderRefused(refused) = event {
                        refused.reason
                    } else if let Event::CommandRefused(refused) = event {
                        refused.reason
                    } else {
                        continue;
                    };
                    *self
                        .reasons
                        .entry(Reject::from_code(reason).map_or("none", Reject::word))
                        .or_default() += 1;
                }
            }
        }
    }

    /// Commands of this type in ten thousand external ones.
    fn share(&self, name: &str) -> u64 {
        self.commands.get(name).copied().unwrap_or(0) * 10_000 / self.external
    }

    fn event_share(&self, name: &str) -> u64 {
        self.events.get(name).copied().unwrap_or(0) * 10_000 / self.external
    }
}

fn census(mix: Mix) -> Census {
    let mut desk = Desk::new();
    let mut workload = Workload::new(mix);
    let mut census = Census::default();
    for record in setup() {
        desk.feed(&record, &mut |frame| census.take(frame));
    }
    assert!(census.reasons.is_empty(), "something of the setup is refused: {census:#?}");
    let mut census = Census::default();
    for block in 0..WARM_UP_BLOCKS + BLOCKS {
        for _ in 0..BLOCK / BATCH {
            for record in workload.next_batch() {
                desk.feed(record, &mut |frame| {
                    if block >= WARM_UP_BLOCKS {
                        census.take(frame);
                    }
                });
            }
            census.open_orders_max = census.open_orders_max.max(desk.core().machine().orders().open_count());
        }
    }
    census
}

/// `wanted` in ten thousand, give or take a little.
fn assert_about(what: &str, found: u64, wanted: u64) {
    assert!(found.abs_diff(wanted) <= wanted / 50 + 5, "{what}: {found} of 10,000 instead of about {wanted}");
}

#[test]
fn both_mixes_are_what_their_description_says() {
    for (mix, market, orders, cancels) in [(MIXED_V1, 7_780, 1_370, 850), (ORDER_FLOW, 2_800, 4_500, 2_700)] {
        let census = census(mix);
        let seen = ["market.quote", "market.book_delta", "market.trade"].map(|name| census.share(name));
        assert_about("market data", seen.iter().sum(), market);
        assert_about("new orders", census.share("order.new"), orders);
        assert_about("cancels", census.share("order.cancel"), cancels);
        if mix == MIXED_V1 {
            assert_about("trades", seen[2], 1_030);
            let reports = census.share("order.reported") + census.share("fill.reported");
            assert_about("venue reports", reports, 2_650);
        }
    }
}

#[test]
fn orders_fills_cancels_and_refusals_go_on_and_no_store_fills() {
    for mix in [MIXED_V1, ORDER_FLOW] {
        let census = census(mix);
        let busy = [
            "signal.changed",
            "order.submitted",
            "order.accepted",
            "order.filled",
            "order.canceled",
            "order.rejected",
            "order.cancel_rejected",
            "position.changed",
        ];
        for name in busy {
            assert!(census.event_share(name) >= 10, "{}: {name} is rare: {census:#?}", mix.name);
        }
        let refused = ["quantity_above_limit", "price_outside_collar", "price_off_tick"];
        for reason in refused {
            assert!(census.reasons.contains_key(reason), "{}: nothing is refused as {reason}", mix.name);
        }
        for reason in ["store_full", "insufficient_buying_power", "stale_market", "open_orders_above_limit"] {
            assert!(!census.reasons.contains_key(reason), "{}: {reason}: {census:#?}", mix.name);
        }
        let refused = census.event_share("order.refused");
        assert!(
            refused * 8 < census.share("order.new"),
            "{}: too many orders are refused: {census:#?}",
            mix.name
        );
        assert!(census.open_orders_max < BLOCK / 2, "{}: {} open orders", mix.name, census.open_orders_max);
    }
}

#[test]
fn every_round_is_new_and_the_market_is_where_it_was() {
    let mut workload = Workload::new(MIXED_V1);
    let mut rounds: Vec<Vec<Record>> = Vec::new();
    for _ in 0..3 {
        let mut records = Vec::new();
        for _ in 0..BLOCK / BATCH {
            records.extend_from_slice(workload.next_batch());
        }
        rounds.push(records);
    }
    let all: Vec<&Record> = rounds.iter().flatten().collect();
    for pair in all.windows(2) {
        assert_eq!(pair[0].envelope.source_sequence + 1, pair[1].envelope.source_sequence);
        assert!(pair[0].envelope.time_ns < pair[1].envelope.time_ns);
    }
    let names = |records: &[Record]| {
        let ids = records.iter().filter_map(|record| {
            let Payload::Command(Command::NewOrder(order)) = &record.payload else { return None };
            Some(order.client_order_id.as_str().to_owned())
        });
        ids.collect::<Vec<_>>()
    };
    let mut ids: Vec<String> = rounds.iter().flat_map(|round| names(round)).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "client order ids are unique");
}
