//! Good inputs to begin with: what the program itself writes, and a few lines of each format of others.

use tickwerk_domain::{Command, Event, Payload};

/// Numbers that use all their bytes.
fn numbers(mut last: u64) -> impl FnMut() -> u64 {
    move || {
        last = last.wrapping_add(0x9E37_79B9_7F4A_7C15);
        last
    }
}

/// A frame for each command type, each with an event.
pub(super) fn frames() -> Vec<Vec<Payload>> {
    let event = |place: usize| {
        let place = place % Event::TYPES.len();
        Payload::Event(Event::sample(place, &mut numbers(u64::from(Event::TYPES[place].0.0))))
    };
    let types = Command::TYPES.iter().enumerate();
    types
        .map(|(place, (type_id, ..))| {
            let command = Command::sample(place, &mut numbers(u64::from(type_id.0)));
            vec![Payload::Command(command), event(place)]
        })
        .collect()
}

/// The inputs of every target: its name, a name for the input, and the bytes.
pub fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let of = |target: &'static str, seeds: Vec<(&'static str, Vec<u8>)>| {
        seeds.into_iter().map(move |(name, bytes)| (target, name, bytes))
    };
    of("frame_reader", super::frames::seeds())
        .chain(of("snapshot_loader", super::snapshot::seeds()))
        .chain(of("capture_decoder", super::capture::seeds()))
        .collect()
}
