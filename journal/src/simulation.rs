//! The journal over a disk in memory, with its threads' steps in any order, faults anywhere and an end at any moment.
//!
//! Everything but the disk and the order is the code that runs: writer, sync, preparing, chain, marks, recovery, reader.
//! After each end, recovery must serve every frame that was acknowledged, nothing that was not written, in dense order,
//! with the right head; it must not refuse; and it must be possible to go on. After an operation that failed, the
//! journal must say so and acknowledge nothing more. There is no clock and no thread, so a seed is a run.
//!
//! A minute is enough for 10,000 seeds in release on one core. A few hundred run by default; `TICKWERK_LONG=1` runs 10,000, and `TICKWERK_SEED=n` the one that was printed:
//!
//! ```text
//! TICKWERK_SEED=4711 cargo test -p tickwerk-journal --lib simulation::any_seed
//! ```

pub(crate) mod bad_sector;
pub(crate) mod broken;
pub(crate) mod disk;
mod inode;
mod life;
mod model;
mod random;

use broken::Broken;
use disk::{EIO, ENOSPC, Lie, Plan};
use life::{Tally, World};

const SEEDS: u64 = 300;
const SEEDS_LONG: u64 = 10_000;
/// A fault must be found among this many seeds.
const SEEDS_TO_FIND: u64 = 3_000;

fn is_long() -> bool {
    std::env::var_os("TICKWERK_LONG").is_some_and(|value| value != "0")
}

/// The seed that was asked for.
fn asked() -> Option<u64> {
    std::env::var("TICKWERK_SEED").ok().map(|text| text.parse().expect("TICKWERK_SEED is a number"))
}

fn run(seed: u64, lie: Lie) -> Result<Tally, String> {
    let mut world = World::new(seed, lie);
    world.run().map(|()| world.tally)
}

#[test]
fn any_seed_keeps_what_was_acknowledged_and_serves_what_was_written() {
    let seeds = match asked() {
        Some(seed) => seed..seed + 1,
        None => 0..if is_long() { SEEDS_LONG } else { SEEDS },
    };
    let mut total = Tally::default();
    for seed in seeds.clone() {
        match run(seed, Lie::None) {
            Ok(tally) => total.add(tally),
            Err(reason) => panic!(
                "seed {seed}: {reason}\nagain: TICKWERK_SEED={seed} cargo test -p tickwerk-journal --lib simulation::any_seed"
            ),
        }
    }
    println!("{} seeds: {total:?}", seeds.end - seeds.start);
    if seeds.end - seeds.start >= SEEDS {
        let all =
            [total.frames, total.acknowledged, total.torn, total.failures, total.losses, total.rotations];
        assert!(all.iter().all(|count| *count > 0), "the harness does not do its work: {total:?}");
    }
}

/// Every operation of a life, from an empty directory to a clean stop, fails once with each error.
#[test]
fn whichever_operation_fails_the_journal_stops_and_recovers() {
    for seed in [1, 2] {
        let life = |plan| {
            let mut world = World::new(seed, Lie::None);
            world.live(plan, 120).map_err(|reason| format!("seed {seed}, {plan:?}: {reason}"))?;
            let operations = world.tally.operations;
            world.end();
            world
                .live(Plan::NOTHING, 20)
                .map_err(|reason| format!("seed {seed}, after {plan:?}: {reason}"))?;
            Ok::<_, String>(operations)
        };
        let operations = life(Plan::NOTHING).unwrap();
        assert!(operations > 50, "the life has {operations} operations");
        let step = if is_long() { 1 } else { 3 };
        for number in (1..=operations).step_by(step) {
            for code in [EIO, ENOSPC] {
                life(Plan { fail: Some((number, code)), ..Plan::NOTHING }).unwrap();
            }
            life(Plan { die: Some(number), ..Plan::NOTHING }).unwrap();
        }
    }
}

/// Each operation of a recovery that cuts a torn tail fails once; then new frames end where what was cut once began a
/// page, and power is lost.
fn cut_and_fail(seed: u64) -> Result<(), String> {
    for number in 1.. {
        let mut world = World::new(seed, Lie::None);
        world.model.uniform = true;
        world.fill_page(120)?;
        world.disk.lose_power();
        world.live(Plan { fail: Some((number, EIO)), ..Plan::NOTHING }, 0)?;
        if !world.disk.has_failed() {
            break;
        }
        world.fill_page(0)?;
        world.disk.lose_power();
        world
            .live(Plan::NOTHING, 0)
            .map_err(|reason| format!("seed {seed}, operation {number}: {reason}"))?;
    }
    Ok(())
}

#[test]
fn what_was_cut_does_not_come_back() {
    let seeds = if is_long() { 100 } else { 2 };
    (0..seeds).try_for_each(cut_and_fail).unwrap();
    let found = broken::with(Some(Broken::CutOnce), || (0..100).find_map(|seed| cut_and_fail(seed).err()));
    println!("{:?}: {found:?}", Broken::CutOnce);
    assert!(found.is_some(), "{:?} was not found", Broken::CutOnce);
}

/// The seeds in order, until one finds the fault.
fn find(lie: Lie, fault: Option<Broken>) -> Option<(u64, String)> {
    broken::with(fault, || {
        (0..SEEDS_TO_FIND).find_map(|seed| run(seed, lie).err().map(|reason| (seed, reason)))
    })
}

#[test]
fn a_journal_over_a_disk_that_lies_is_found_out() {
    for lie in [Lie::SegmentSync, Lie::SyncErrors, Lie::DirectorySync, Lie::Zeroing] {
        let found = find(lie, None);
        println!("{lie:?}: {found:?}");
        assert!(found.is_some(), "{lie:?} was not found in {SEEDS_TO_FIND} seeds");
    }
}

#[test]
fn a_broken_journal_is_found_out() {
    let faults = [
        Broken::NoChecksum,
        Broken::MarkBeforeSync,
        Broken::LateWatermark,
        Broken::SyncAgain,
        Broken::NewestSegmentOnly,
        Broken::KeptUnsynced,
        Broken::KeptInMemory,
    ];
    for fault in faults {
        let found = find(Lie::None, Some(fault));
        println!("{fault:?}: {found:?}");
        assert!(found.is_some(), "{fault:?} was not found in {SEEDS_TO_FIND} seeds");
    }
}
