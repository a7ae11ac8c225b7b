//! The simulated venue inside the core: whatever it is set to do, a re-execution does the same.

use super::desk::{Desk, SPOT, definitions, limit_order, quote, types};
use super::seed::each_seed;
use super::workload::Workload;
use tickwerk_domain::command::{BookOrderObserved, SimulatedVenueSet, VenueStateObserved};
use tickwerk_domain::{
    BookAction, Command, DurationNs, InstrumentId, Payload, Price, Qty, QueueModel, Rate, Record,
    SelfTradePrevention, Side, SourceId, VenueId, VenueState,
};
use tickwerk_engine::replay::Replay;

/// A setting with latency both ways, chance and faults.
fn faulty(instrument: InstrumentId, seed: u64) -> SimulatedVenueSet {
    let models = QueueModel::ALL;
    let index = usize::try_from(seed).expect("seeds are small") + instrument.0 as usize;
    SimulatedVenueSet {
        report_latency: DurationNs(700),
        jitter: DurationNs(900),
        seed,
        queue_parameter: Rate(150_000_000),
        reject_rate: Rate(2_000_000),
        loss_rate: Rate(2_000_000),
        duplicate_rate: Rate(5_000_000),
        slippage_ticks: 1,
        queue_model: models[index % models.len()],
        self_trade: SelfTradePrevention::Decrement,
        ..SimulatedVenueSet::touch(instrument, DurationNs(1_500))
    }
}

fn run(seed: u64, count: u64) -> Desk {
    let mut desk = Desk::empty();
    for command in definitions() {
        desk.feed(command);
    }
    let mut workload = Workload::new(seed);
    for step in 0..count {
        let mut command = workload.next();
        if let Command::SimulatedVenueSet(setting) = command {
            command = faulty(setting.instrument, seed).into();
        }
        let events = desk.feed(command);
        workload.note(events);
        if step % 500 == 400 {
            let state = if step % 1_000 == 400 { VenueState::Disconnected } else { VenueState::Connected };
            desk.feed(VenueStateObserved { venue: VenueId::SIMULATED, state });
        }
    }
    desk
}

#[test]
fn a_re_execution_agrees_with_chance_faults_and_lost_connections() {
    each_seed(5, |seed| {
        let desk = run(seed, 6_000);
        let mut replay = Replay::new();
        for frame in &desk.frames {
            assert_eq!(replay.apply(frame), Ok(()));
        }
        assert_eq!(replay.core().digest(), desk.core.digest());
        let is_silent = |frame: &&Vec<_>| {
            let Record { envelope, payload } = &frame[0];
            let moves_time = matches!(payload, Payload::Command(Command::TimeAdvanced(_)));
            moves_time && envelope.source == SourceId::SIMULATED_VENUE
        };
        assert!(desk.frames.iter().filter(is_silent).count() > 0, "orders arrive before their reports do");
    });
}

#[test]
fn an_order_of_someones_is_news_of_a_known_market_and_moves_our_queue() {
    let mut desk = Desk::new();
    let told = |action, venue_order_id, qty| BookOrderObserved {
        venue_order_id,
        update_id: 0,
        price: Price(9_990),
        qty: Qty(qty),
        instrument: SPOT,
        side: Side::Buy,
        action,
        is_last: true,
    };
    let unknown = BookOrderObserved { instrument: InstrumentId(60), ..told(BookAction::Add, 1, 5) };
    assert_eq!(types(&desk.feed(unknown)), ["system.command_refused"]);
    desk.feed(quote(SPOT, 9_990, 10_000));
    desk.feed(SimulatedVenueSet {
        queue_model: QueueModel::RiskAverse,
        ..SimulatedVenueSet::touch(SPOT, DurationNs(0))
    });
    desk.feed(told(BookAction::Add, 1, 500));
    let ours = desk.next_id();
    desk.feed(limit_order(SPOT, Side::Buy, 9_990, 100));
    desk.settle(desk.time);
    desk.feed(told(BookAction::Add, 2, 500));
    desk.feed(told(BookAction::Execute, 1, 500));
    let filled = |desk: &Desk| desk.machine().orders().by_id(ours).map(|order| order.cum_qty.0);
    desk.settle(desk.time);
    assert_eq!(filled(&desk), Some(0), "all of that was ahead of ours");
    desk.feed(told(BookAction::Execute, 2, 40));
    desk.settle(desk.time);
    assert_eq!(filled(&desk), Some(40), "what came behind ours was executed in our stead");
}
