//! `tickwerk bench follower`: what the core pays for its follower, with a processor to spare and without.
//!
//! How it is measured is told in [`beside`](super::beside). Run it by `chrt -R -f 5` to keep others off the core thread
//! only.

use super::beside::{Beside, Compared, Extent, Layout, Measured, Ratio, measure_all};
use super::{mark, print};
use crate::exit;
use crate::summary::grouped;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::PathBuf;
use tickwerk_bench::workload::MIXED_V1;
use tickwerk_engine::pipeline::affinity::cores_available;

/// What the follower may cost where a processor is free.
const COST_MAX: f64 = 0.05;
/// Without it, and with it.
const ALL: [Beside; 2] = [Beside::Nobody, Beside::Follower];

/// Options of `bench follower`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Commands in a measurement
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000))]
    commands: u64,
    /// Rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// Where the journals lie for a while; left out, among the system's temporary directories
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Prints one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

impl Options {
    fn extent(&self) -> Extent {
        Extent { commands: self.commands, rounds: self.rounds, dir: self.dir.clone() }
    }
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let cores = cores_available();
    let all = measure_all(&options.extent(), &ALL, cores)?;
    if options.json {
        let layouts: Vec<Value> = all.iter().map(to_json).collect();
        print(&json!({"workload": MIXED_V1.name, "commands": options.commands, "rounds": options.rounds, "cores": cores, "layouts": layouts}).to_string())?;
    } else {
        print(&to_text(&all, cores, options))?;
    }
    Ok(exit::OK)
}

fn to_json(compared: &Compared) -> Value {
    let side = |side: &Measured| json!({"commands_per_s": side.per_s.round(), "p50_ns": side.p50_ns.round(), "p99_ns": side.p99_ns.round()});
    let Ratio { per_s, p50_ns, p99_ns } = compared.ratios[0];
    let (off, on) = (&compared.sides[0], &compared.sides[1]);
    json!({
        "layout": compared.layout.word(),
        "off": side(off),
        "on": side(on),
        "followed": on.followed,
        "on_to_off": {"commands_per_s": per_s, "p50_ns": p50_ns, "p99_ns": p99_ns},
    })
}

#[expect(clippy::float_arithmetic, reason = "a bound of measured figures")]
fn to_text(all: &[Compared], cores: usize, options: &Options) -> String {
    let mut lines = vec![
        format!(
            "{}, {} commands, {cores} cores, medians of {} rounds",
            MIXED_V1.name,
            grouped(&options.commands.to_string()),
            options.rounds
        ),
        String::new(),
        format!("{:<8}{:<10}{:>14}{:>12}{:>12}", "", "follower", "commands/s", "p50 ns", "p99 ns"),
    ];
    let number = |figure: f64| grouped(&format!("{figure:.0}"));
    for Compared { layout, sides, ratios } in all {
        let followed = sides[1].followed;
        for (word, side) in ["off", "on"].iter().zip(sides) {
            let Measured { per_s, p50_ns, p99_ns, .. } = *side;
            let (per_s, p50, p99) = (number(per_s), number(p50_ns), number(p99_ns));
            lines.push(format!("{:<8}{word:<10}{per_s:>14}{p50:>12}{p99:>12}", layout.word()));
        }
        let Ratio { per_s, p50_ns, p99_ns } = ratios[0];
        lines.push(format!("{:<8}{:<10}{per_s:>14.3}{p50_ns:>12.3}{p99_ns:>12.3}", "", "on ÷ off"));
        lines.push(format!("{:<8}{:<10}{:>14.3} of it followed meanwhile", "", "", followed));
        if *layout != Layout::Shared {
            let is_reached = per_s >= 1.0 - COST_MAX && p99_ns <= 1.0 + COST_MAX;
            lines.push(format!("{:<8}within 5 % of off: {}", "", mark(is_reached)));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_measured_and_nothing_is_left_behind() {
        let parent = tempfile::tempdir().unwrap();
        let dir = Some(parent.path().to_owned());
        let extent = Extent { commands: 10_000, rounds: 1, dir };
        // The measuring thread stays pinned.
        let all = std::thread::scope(|scope| scope.spawn(|| measure_all(&extent, &ALL, 2)).join().unwrap());
        for Compared { sides, ratios, .. } in all.unwrap() {
            let (off, on, ratio) = (sides[0], sides[1], ratios[0]);
            assert!(off.followed <= 0.0 && (0.0..=1.0).contains(&on.followed), "{off:?} {on:?}");
            let figures = [off.per_s, on.per_s, on.p99_ns, ratio.per_s, ratio.p50_ns, ratio.p99_ns];
            assert!(figures.iter().all(|figure| figure.is_finite() && *figure > 0.0), "{figures:?}");
        }
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "the journals are removed");
    }
}
