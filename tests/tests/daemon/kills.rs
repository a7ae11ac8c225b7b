//! SIGKILL at random moments under load, again and again: clients keep a list of what they were told.
//!
//! In the end the journal must hold everything that was told, once. Moments are drawn from a seed that is printed;
//! `TICKWERK_SEED` repeats one.

use crate::fixture::examples;
use crate::live::LiveDaemon;
use crate::process::{records, reexecute};
use crate::told::{Load, Told, differences};
use crate::{is_long, seed};
use std::sync::atomic::Ordering;

const CLIENTS: usize = 4;

#[test]
fn what_clients_were_told_survives_every_kill() {
    let seed = seed();
    let cycles = if is_long() { 2_000 } else { 200 };
    let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
    let mut daemon = LiveDaemon::start_with(&text, &[]);
    let mut told: Vec<Told> = (0..CLIENTS).map(|client| Told::of(&format!("client-{client}"))).collect();
    let mut random = seed;
    for cycle in 0..cycles {
        // Steele, Lea, Flood 2014: one step of SplitMix64, coarse enough for moments.
        random = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let moment = (random ^ random >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 58;
        let (load, dir) = (Load::default(), daemon.dir.clone());
        std::thread::scope(|scope| {
            for told in &mut told {
                let (load, dir) = (&load, &dir);
                scope.spawn(move || told.send(1, dir, load));
            }
            while load.answers.load(Ordering::Acquire) < moment {
                std::thread::yield_now();
            }
            daemon.kill();
        });
        let acknowledge = if cycle % 2 == 0 { "written" } else { "durable" };
        daemon.start_again(&[("journal.acknowledge", acknowledge)]);
    }
    daemon.stop();
    let journal = records(&daemon.dir, "");
    let wrong = differences(&told, &journal);
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    let count: usize = told.iter().map(|told| told.orders.len()).sum();
    assert!(count > cycles / 2, "only {count} orders in {cycles} cycles");
    for watermark in ["written", "durable"] {
        assert!(told.iter().any(|told| told.at.contains_key(watermark)), "nothing was told at {watermark}");
    }
    reexecute(&daemon.dir);

    // A list that tells more than the journal holds, and a journal that holds an order twice, must be seen.
    let mut more = told.clone();
    more[0].orders.insert("never-sent".to_owned(), 1);
    assert_eq!(differences(&more, &journal).len(), 1);
    let again = journal.iter().find(|record| record["event_type"] == "order.submitted").expect("an order");
    let mut doubled = journal.clone();
    doubled.push(again.clone());
    assert!(differences(&told, &doubled).iter().any(|wrong| wrong.ends_with("went twice")));
}
