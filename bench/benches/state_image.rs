//! What a snapshot costs its thread: saving and restoring the core after a million commands.
//!
//! The medians of a few turns, in milliseconds, and the size of the image. `COMMANDS=N` takes another number.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};
use tickwerk_bench::recording::Desk;
use tickwerk_bench::workload::{MIXED_V1, Mix, ORDER_FLOW, Workload, setup};
use tickwerk_engine::Core;

const COMMANDS: usize = 1_000_000;
const TURNS: usize = 9;

fn main() {
    let asked = std::env::var("COMMANDS").ok().and_then(|text| text.parse().ok());
    let commands = asked.unwrap_or(COMMANDS);
    measure("empty", &Core::new());
    for mix in [MIXED_V1, ORDER_FLOW] {
        let desk = after(mix, commands);
        measure(&format!("{} {commands}", mix.name), desk.core());
    }
}

/// A desk that was fed a workload.
fn after(mix: Mix, commands: usize) -> Desk {
    let mut desk = Desk::new();
    for record in &setup() {
        desk.feed(record, &mut |_| {});
    }
    let mut workload = Workload::new(mix);
    let mut fed = 0;
    while fed < commands {
        for record in workload.next_batch() {
            desk.feed(record, &mut |_| {});
            fed += 1;
        }
    }
    desk
}

fn measure(name: &str, core: &Core) {
    let image = core.save();
    let restored = Core::restore(&image).expect("what was saved is restored");
    assert_eq!(restored.digest(), core.digest());
    let save = median(|| drop(black_box(core.save())));
    let restore = median(|| drop(black_box(Core::restore(black_box(&image)))));
    let [save, restore] = [save, restore].map(|time| time.as_micros());
    println!("{name}: {} bytes, saved in {save} µs, restored in {restore} µs", image.len());
}

fn median(run: impl Fn()) -> Duration {
    let mut times: Vec<_> = (0..TURNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[TURNS / 2]
}
