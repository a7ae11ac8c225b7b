//! A core that was saved and restored at any frame goes on as if it had not been, and a wrong image is refused by name.
//!
//! The harness is [`goes_on`]; images that a broken save or restore would make show that it sees what is lost. Every
//! other scenario of these tests is saved and restored once too, by the desk.

use super::desk::{Desk, LINEAR, SPOT, definitions, limit_order, market_order, named, quote, restored};
use super::seed::{Random, each_seed, is_long};
use super::workload::Workload;
use proptest::prelude::*;
use std::ops::Range;
use tickwerk_domain::command::{NewOrder, SimulatedVenueSet};
use tickwerk_domain::image::{Fault, StoreFault};
use tickwerk_domain::{AccountId, DurationNs, OrderType, Price, Rate, Record, Side, TimeInForce, TimeNs};
use tickwerk_engine::limits::ORDERS_MAX;
use tickwerk_engine::replay::{Replay, ReplayError};
use tickwerk_engine::{Core, RestoreError, STATE_VERSION};

/// How a core that was restored does not go on as the one that was saved.
#[derive(Debug)]
#[expect(dead_code, reason = "a failing test prints them")]
enum Lost {
    Refused(RestoreError),
    Differs(ReplayError),
    EndsDifferently,
}

/// Follows `frames`, is saved and restored before each frame of `cuts`, and ends as the core that was not. `change` stands
/// for what a broken save or restore loses.
fn goes_on(frames: &[Vec<Record>], cuts: &[usize], change: impl Fn(&mut Vec<u8>)) -> Result<(), Lost> {
    let (mut unbroken, mut replay) = (Replay::new(), Replay::new());
    for (place, frame) in frames.iter().enumerate() {
        if cuts.contains(&place) {
            let mut image = replay.core().save();
            change(&mut image);
            replay = Replay::resume(Core::restore(&image).map_err(Lost::Refused)?);
        }
        replay.apply(frame).map_err(Lost::Differs)?;
        unbroken.apply(frame).expect("the scenario is a journal");
    }
    let ends_alike = replay.core().save() == unbroken.core().save();
    if ends_alike { Ok(()) } else { Err(Lost::EndsDifferently) }
}

fn workload(seed: u64, count: usize) -> Desk {
    let mut desk = Desk::empty();
    for command in definitions() {
        desk.feed(command);
    }
    let mut workload = Workload::new(seed);
    for _ in 0..count {
        let events = desk.feed(workload.next());
        workload.note(events);
    }
    desk
}

/// A desk with something in many stores: open, held and done orders, fills, timers, chance, what is on its way.
fn busy() -> Desk {
    let mut desk = Desk::with_quotes();
    let setting = SimulatedVenueSet {
        jitter: DurationNs(400),
        report_latency: DurationNs(5_000),
        loss_rate: Rate(10_000_000),
        seed: 7,
        ..SimulatedVenueSet::touch(SPOT, DurationNs(700))
    };
    desk.feed(setting);
    for number in 0..8 {
        desk.feed(named(limit_order(SPOT, Side::Buy, 9_980 - 10 * number, 100), &format!("bid-{number}")));
        let expires_at = TimeNs(1 << 40);
        let dated = NewOrder {
            time_in_force: TimeInForce::Gtd,
            order_type: OrderType::Stop,
            trigger_price: Price(12_000 + 10 * number),
            price: Price(0),
            expires_at,
            ..limit_order(LINEAR, Side::Buy, 0, 50)
        };
        desk.feed(dated);
        desk.feed(market_order(SPOT, Side::Buy, 20));
        desk.feed(quote(SPOT, 9_990 - 10 * number, 10_010));
    }
    desk
}

/// Where the rows of a section stand in an image.
fn section(image: &[u8], name: &str) -> Range<usize> {
    let mut place = 30;
    loop {
        let found = &image[place..place + 16];
        let length = image[place + 16..place + 24]
            .iter()
            .rev()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        let rows = place + 24..place + 24 + length;
        if found.starts_with(name.as_bytes()) && found[name.len()..].iter().all(|byte| *byte == 0) {
            return rows;
        }
        place = rows.end;
    }
}

#[test]
fn a_core_that_knows_nothing_is_small_and_comes_back() {
    let core = Core::new();
    assert!(core.save().len() < 1_500, "{} bytes", core.save().len());
    restored(&core);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if is_long() { 400 } else { 4 }))]

    #[test]
    fn a_workload_goes_on_from_any_frames(
        seed in any::<u64>(), count in 1..1_500_usize, cuts in prop::collection::vec(0..2_000_usize, 1..4),
    ) {
        let desk = workload(seed, count);
        let cuts: Vec<_> = cuts.iter().map(|cut| cut % desk.frames.len()).collect();
        goes_on(&desk.frames, &cuts, |_| {}).unwrap();
    }
}

#[test]
fn a_busy_desk_goes_on_from_each_of_its_frames() {
    let desk = busy();
    let step = if is_long() { 1 } else { 7 };
    for cut in (0..desk.frames.len()).step_by(step) {
        goes_on(&desk.frames, &[cut], |_| {}).unwrap();
    }
}

/// Breaks the image of a busy desk at the frame before its last, and tells what the harness sees of it.
fn what_is_seen(change: impl Fn(&mut Vec<u8>)) -> Option<Lost> {
    let desk = busy();
    goes_on(&desk.frames, &[desk.frames.len() - 1], change).err()
}

#[test]
fn a_restore_that_gets_part_of_a_store_wrong_is_seen() {
    assert!(what_is_seen(|_| {}).is_none());
    // The last figure of each store: a number of timers, orders or items that were given, a ring's place, a digest.
    for name in
        ["timers", "executions", "orders", "venue orders", "venue messages", "venue", "core", "machine"]
    {
        let lost = what_is_seen(|image| {
            let rows = section(image, name);
            image[rows.end - 8] ^= 1;
        });
        assert!(lost.is_some(), "{name}");
    }
    // The state of chance: after the setting's own 1 + 8 × 8 + 4 + 4 + 1 + 1 bytes the market's.
    let lost = what_is_seen(|image| {
        let rows = section(image, "venue markets");
        let seed = image[rows.clone()].windows(8).position(|word| word == 7_u64.to_le_bytes());
        let setting_ends = rows.start + seed.unwrap() + 8 + 4 * 8 + 4 + 4 + 2;
        image[setting_ends..setting_ends + 8].fill(0);
    });
    let hash = Fault::Hash { what: "market", found: 1 };
    assert!(
        matches!(lost, Some(Lost::Refused(RestoreError::Damaged(StoreFault { fault, .. }))) if fault == hash)
    );
}

/// The order in which orders were done decides which one is forgotten when the store is full.
#[test]
fn a_restore_that_loses_the_order_of_done_orders_is_seen() {
    let mut desk = Desk::new();
    let unknown = AccountId(9);
    for number in 0..=ORDERS_MAX {
        let order = NewOrder { account: unknown, ..limit_order(SPOT, Side::Buy, 10_000, 100) };
        desk.apply(named(order, &format!("n{number}")));
    }
    let cut = desk.frames.len() - 1;
    goes_on(&desk.frames, &[cut], |_| {}).unwrap();
    let swapped = |image: &mut Vec<u8>| {
        let done = section(image, "orders").end - 8 - 4 * ORDERS_MAX;
        image[done..done + 8].rotate_left(4);
    };
    assert!(matches!(goes_on(&desk.frames, &[cut], swapped), Err(Lost::EndsDifferently)));
}

#[test]
fn another_layout_other_rules_and_other_sizes_are_refused_by_name() {
    let image = Core::new().save();
    let with = |place: usize, bytes: &[u8]| {
        let mut image = image.clone();
        image[place..place + bytes.len()].copy_from_slice(bytes);
        Core::restore(&image).expect_err("it is not of this build")
    };
    assert_eq!(with(0, b"T-STATE"), RestoreError::NoImage);
    let found = STATE_VERSION + 1;
    assert_eq!(with(8, &found.to_le_bytes()), RestoreError::OtherLayout { found });
    assert_eq!(with(10, &[7, 0, 0, 0]), RestoreError::UnknownRules { found: 7 });
    assert_eq!(with(14, &[0; 8]), RestoreError::OtherCapacities);
    let RestoreError::Digest { expected, .. } = with(22, &[0; 8]) else { panic!("the digest is looked at") };
    assert_eq!(expected, 0);
    let mut longer = image.clone();
    longer.push(0);
    assert!(matches!(
        Core::restore(&longer),
        Err(RestoreError::Damaged(StoreFault { store: "the end", .. }))
    ));
    assert_eq!(Core::restore(&[]).err(), Some(RestoreError::NoImage));
}

/// Whatever is flipped is refused, or comes back as it was flipped: nothing is read past.
fn check_damaged(image: &[u8]) {
    if let Ok(core) = Core::restore(image) {
        assert!(core.save() == image, "a value was read and lost");
    }
}

#[test]
fn flipped_cut_and_random_images_never_panic() {
    let image = busy().core.save();
    let steps = if is_long() { image.len() * 8 } else { 120 };
    let mut random = Random::new(3);
    for step in 0..steps {
        let bit =
            if is_long() { step } else { random.below(u32::try_from(image.len() * 8).unwrap()) as usize };
        let mut flipped = image.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check_damaged(&flipped);
        let cut = bit % image.len();
        assert!(Core::restore(&image[..cut]).is_err(), "cut at {cut}");
    }
    each_seed(if is_long() { 2_000 } else { 20 }, |seed| {
        let mut random = Random::new(seed);
        let mut garbage = image.clone();
        for _ in 0..random.below(60) {
            let place = random.below(u32::try_from(image.len()).unwrap()) as usize;
            let value = random.pick(&[0, 1, 127, 128, 254, 255]);
            garbage[place] = value;
        }
        check_damaged(&garbage);
    });
}
