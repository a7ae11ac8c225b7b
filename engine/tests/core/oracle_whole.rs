//! A slow, obvious model of everything that an order may meet, which says for each command what must follow from it:
//! every event with all that it tells, and the state after it.
//!
//! It keeps plain maps and adds up each sum anew. Orders held and triggered in the core, linked and hedged ones, limits
//! of every kind, breakers with their cool-downs, alerts, kill switches, sessions, expiry, fees and funding in two
//! currencies. What strategies ask and what depth a book has is in `oracle.rs`. `TICKWERK_LONG=1` feeds a million
//! commands for each of twenty seeds; better in a release build.

#[path = "oracle_whole/asks.rs"]
mod asks;
#[path = "oracle_whole/entry.rs"]
mod entry;
#[path = "oracle_whole/exposure.rs"]
mod exposure;
#[path = "oracle_whole/fills.rs"]
mod fills;
#[path = "oracle_whole/held.rs"]
mod held;
#[path = "oracle_whole/linked.rs"]
mod linked;
#[path = "oracle_whole/markets.rs"]
mod markets;
#[path = "oracle_whole/model.rs"]
mod model;
#[path = "oracle_whole/money.rs"]
mod money;
#[path = "oracle_whole/operators.rs"]
mod operators;
#[path = "oracle_whole/reports.rs"]
mod reports;
#[path = "oracle_whole/risk.rs"]
mod risk;
#[path = "oracle_whole/settings.rs"]
mod settings;
#[path = "oracle_whole/state.rs"]
mod state;
#[path = "oracle_whole/terms.rs"]
mod terms;
#[path = "oracle_whole/watch.rs"]
mod watch;
#[path = "oracle_whole/workload.rs"]
mod workload;

use super::desk::Desk;
use super::seed::{Random, each_seed, is_long};
use model::{Counts, Model};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tickwerk_domain::{Command, Event, OrderId, StrategyId, TextId};
use tickwerk_engine::replay::Replay;
use workload::Workload;

/// A core and its model, side by side.
struct Pair {
    desk: Desk,
    model: Model,
    /// A core that decides again on every frame, as after a restart; none once it is the core.
    replay: Option<Replay>,
    /// What the model says that a command causes, and what the core told of it so far.
    expected: Vec<Event>,
    told: Vec<Event>,
    command: Option<Command>,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self {
            desk: Desk::empty(),
            model: Model::new(),
            replay: Some(Replay::new()),
            expected: Vec::new(),
            told: Vec::new(),
            command: None,
        };
        for command in workload::definitions() {
            pair.feed(command, 1_000);
        }
        pair
    }

    /// Shows the model what the core has decided on. Effects that are too long for one command are compared when they
    /// are through.
    fn compare(&mut self, command: Command, events: Vec<Event>) {
        let frame = self.desk.frames.pop().expect("a frame");
        if let Some(replay) = &mut self.replay {
            assert_eq!(replay.apply(&frame), Ok(()), "a core that decides again");
        }
        if !matches!(command, Command::Continue(_)) {
            let stamp = frame[0].envelope;
            self.expected = self.model.apply(&command, OrderId(stamp.sequence.0), stamp.time_ns.0);
            self.command = Some(command);
        }
        let is_told = |event: &Event| !matches!(event, Event::StateDigest(_));
        self.told.extend(events.into_iter().filter(is_told));
        if self.desk.machine().continuation().is_none() {
            self.compare_events();
            self.told.clear();
        }
    }

    fn compare_events(&self) {
        let (told, expected) = (&self.told, &self.expected);
        if told != expected {
            let same = told.iter().zip(expected).take_while(|(told, expected)| told == expected).count();
            panic!(
                "{:?}\nevent {same} of {}: the core tells\n{:?}\nthe model expects\n{:?}",
                self.command,
                told.len().max(expected.len()),
                told.get(same),
                expected.get(same)
            );
        }
    }

    fn feed(&mut self, command: Command, pause: u64) {
        self.settle(pause);
        let events = self.desk.apply(command);
        self.compare(command, events);
    }

    /// Lets everything happen that is due after a pause.
    fn settle(&mut self, pause: u64) {
        let now = self.desk.time + pause;
        while let Some((command, events)) = self.desk.settle_one(now) {
            self.compare(command, events);
        }
        assert!(self.model.timers.values().all(|due| *due > now), "a timer that was due did not fire");
        self.desk.time = now - 1_000;
    }

    fn step(&mut self, workload: &mut Workload) {
        let command = workload.next(&self.model);
        let pause = workload.pause();
        self.feed(command, pause);
    }

    fn check(&self) {
        if self.desk.machine().continuation().is_none() {
            state::check(&self.model, self.desk.machine());
        }
    }

    /// Goes on with the core that decided on every frame again.
    fn restart(&mut self) {
        let replay = self.replay.take().expect("one restart");
        assert_eq!(replay.core().digest(), self.desk.core.digest(), "the state after a restart");
        self.desk.core = replay.into_core();
    }
}

/// What a run of any length must have met.
fn check_met(counts: &Counts, steps: u64) {
    const MET: [&str; 40] = [
        "account_not_active",
        "breaker_tripped",
        "cancel_pending",
        "crossed_market",
        "daily_loss",
        "drawdown",
        "duplicate_report",
        "expiry_invalid",
        "fill.restated",
        "fill.unmatched",
        "gross_exposure_above_limit",
        "insufficient_buying_power",
        "kill_switch",
        "leverage_above_limit",
        "link_invalid",
        "loss_streak",
        "market_closed",
        "net_exposure_above_limit",
        "notional_above_limit",
        "order.expired",
        "order.filled",
        "order.held",
        "order.mass_cancel_started",
        "order.repeated",
        "order.replaced",
        "order.triggered",
        "order_rate_above_limit",
        "position.funding_posted",
        "position_above_limit",
        "price_off_tick",
        "price_outside_collar",
        "reduce_only",
        "reject_storm",
        "replace_rate_above_limit",
        "risk.alert",
        "self_trade",
        "stale_feed",
        "stale_market",
        "trading_halted",
        "venue_disconnected",
    ];
    let missing: Vec<_> = MET.iter().filter(|word| !counts.contains_key(**word)).collect();
    assert!(missing.is_empty(), "never met in {steps} commands: {missing:?}");
}

#[test]
fn the_engine_decides_as_the_model_does() {
    let (seeds, steps) = if is_long() { (20, 1_000_000) } else { (3, 30_000) };
    let met = std::cell::RefCell::new(Counts::new());
    each_seed(seeds, |seed| {
        let (mut pair, mut workload) = (Pair::new(), Workload::new(seed));
        let restart = u64::from(Random::new(seed).below(u32::try_from(steps).expect("few")));
        for step in 0..steps {
            pair.step(&mut workload);
            if step % 32 == 0 {
                pair.check();
            }
            if step == restart {
                pair.restart();
            }
        }
        pair.check();
        for (word, count) in pair.model.counts {
            *met.borrow_mut().entry(word).or_default() += count;
        }
    });
    check_met(&met.into_inner(), steps);
}

/// What is told to the core alone, behind the model's back.
type Lie = fn(&Model) -> Option<Command>;

/// A run in which the core is lied to once must not get far.
fn catches(lie: Lie) -> bool {
    let (mut pair, mut workload) = (Pair::new(), Workload::new(7));
    for _ in 0..2_000 {
        pair.step(&mut workload);
    }
    let mut lie_to = None;
    while lie_to.is_none() {
        pair.step(&mut workload);
        lie_to = lie(&pair.model);
    }
    pair.settle(1_000);
    pair.desk.apply(lie_to.expect("something to lie about"));
    let frame = pair.desk.frames.pop().expect("a frame");
    assert_eq!(pair.replay.as_mut().expect("no restart").apply(&frame), Ok(()));
    let gets_through = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..5_000 {
            pair.step(&mut workload);
            pair.check();
        }
    }));
    gets_through.is_err()
}

/// The latest fill of an order that has room for as much once more, under another id.
fn fill_twice(model: &Model) -> Option<Command> {
    let (_, fill) = model.fills.iter().next_back()?;
    let order = &model.orders[&fill.told.order];
    let has_room = !order.status.is_done() && order.qty - order.filled >= fill.told.qty.0;
    let execution_id = fill.told.execution_id ^ 1;
    has_room.then(|| tickwerk_domain::command::FillReported { execution_id, ..fill.told }.into())
}

fn lost_cancel(model: &Model) -> Option<Command> {
    let order = model.open_orders().find(|order| order.hold.is_some())?;
    let (account, client_order_id) = (order.asked.account, tickwerk_domain::ClientOrderId::NONE);
    Some(tickwerk_domain::command::CancelOrder { order: order.id, account, client_order_id }.into())
}

fn lost_money(model: &Model) -> Option<Command> {
    let (account, currency) = (super::desk::ALICE, super::desk::USD);
    (model.cash(account, currency) > 0).then(|| super::desk::transfer(account, currency, 1))
}

fn lost_limit(model: &Model) -> Option<Command> {
    let (kind, account) = (tickwerk_domain::LimitKind::OrderNotional, tickwerk_domain::AccountId::NONE);
    let (instrument, strategy) = (super::desk::LINEAR, StrategyId::NONE);
    let (value, reason) = (1, TextId::NONE);
    let set = tickwerk_domain::command::LimitSet { value, account, instrument, strategy, reason, kind };
    model.limit((account, instrument), kind).is_none().then(|| set.into())
}

fn lost_quote(model: &Model) -> Option<Command> {
    let is_there = model.markets.contains_key(&super::desk::INVERSE);
    is_there.then(|| super::desk::quote(super::desk::INVERSE, 15_000, 15_020).into())
}

/// Nothing: the run as it is gets through.
fn truth(model: &Model) -> Option<Command> {
    let due = tickwerk_domain::TimeNs(1);
    (model.now > due.0).then(|| tickwerk_domain::command::TimeAdvanced { due }.into())
}

#[test]
fn a_core_that_was_lied_to_is_caught() {
    let lies: [Lie; 5] = [fill_twice, lost_cancel, lost_money, lost_limit, lost_quote];
    for (place, lie) in lies.into_iter().enumerate() {
        assert!(catches(lie), "lie {place} goes unseen");
    }
    assert!(!catches(truth), "a run without a lie gets through");
}
