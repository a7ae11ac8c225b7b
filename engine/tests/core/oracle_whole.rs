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
#[path = "oracle_whole/reports.rs"]
mod reports;
#[path = "oracle_whole/risk.rs"]
mod risk;
#[path = "oracle_whole/settings.rs"]
mod settings;
#[path = "oracle_whole/state.rs"]
mod state;
#[path = "oracle_whole/watch.rs"]
mod watch;
#[path = "oracle_whole/workload.rs"]
mod workload;

use super::desk::Desk;
use super::seed::{each_seed, is_long};
use model::Model;
use tickwerk_domain::{Command, Event, OrderId};
use workload::Workload;

/// A core and its model, side by side.
struct Pair {
    desk: Desk,
    model: Model,
    /// What the model says that a command causes, and what the core told of it so far.
    expected: Vec<Event>,
    told: Vec<Event>,
    command: Option<Command>,
}

impl Pair {
    fn new() -> Self {
        let (expected, told) = (Vec::new(), Vec::new());
        Self { desk: Desk::empty(), model: Model::new(), expected, told, command: None }
    }

    /// Shows the model what the core has decided on; effects that are too long for one command are compared when they
    /// are through.
    fn compare(&mut self, command: Command, events: Vec<Event>) {
        if !matches!(command, Command::Continue(_)) {
            let stamp = self.desk.frames.last().expect("a frame")[0].envelope;
            self.expected = self.model.apply(&command, OrderId(stamp.sequence.0), stamp.time_ns.0);
            self.command = Some(command);
        }
        let is_told = |event: &Event| !matches!(event, Event::StateDigest(_));
        self.told.extend(events.into_iter().filter(is_told));
        if self.desk.machine().continuation().is_none() {
            if self.told != self.expected {
                let (told, expected) = (&self.told, &self.expected);
                let place = told.iter().zip(expected).take_while(|(told, expected)| told == expected).count();
                panic!(
                    "{:?}\nevent {place} of {}: the core tells\n{:?}\nthe model expects\n{:?}",
                    self.command,
                    told.len().max(expected.len()),
                    told.get(place),
                    expected.get(place)
                );
            }
            if std::env::var_os("DBG").is_some() { eprintln!("{} {:?} -> {:?}", self.model.now, self.command, self.told); }
            self.told.clear();
        }
        self.desk.frames.clear();
    }

    fn feed(&mut self, command: Command, pause: u64) {
        let now = self.desk.time + pause;
        while let Some((command, events)) = self.desk.settle_one(now) {
            self.compare(command, events);
        }
        assert!(self.model.timers.values().all(|due| *due > now), "a timer that was due did not fire");
        self.desk.time = now - 1_000;
        let events = self.desk.apply(command);
        self.compare(command, events);
    }
}

#[test]
fn the_engine_decides_as_the_model_does() {
    let (seeds, steps) = if is_long() { (20, 1_000_000) } else { (3, 30_000) };
    each_seed(seeds, |seed| {
        let mut pair = Pair::new();
        let mut workload = Workload::new(seed);
        for command in workload::definitions() {
            pair.feed(command, 1_000);
        }
        for step in 0..steps {
            let command = workload.next(&pair.model);
            let pause = workload.pause();
            pair.feed(command, pause);
            if (step % 32 == 0 || std::env::var_os("DBG").is_some()) && pair.desk.machine().continuation().is_none() {
                state::check(&pair.model, pair.desk.machine());
            }
        }
        if std::env::var_os("TICKWERK_COUNTS").is_some() {
            eprintln!("seed {seed}: {:#?}", pair.model.counts);
        }
    });
}
