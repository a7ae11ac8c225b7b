//! One value of every record type, with every field different from its neighbours.

use tickwerk_domain::{Command, Event};

/// Numbers that use all their bytes.
fn numbers(mut last: u64) -> impl FnMut() -> u64 {
    move || {
        last = last.wrapping_add(0x9E37_79B9_7F4A_7C15);
        last
    }
}

/// Every command type, in the order of the declaration.
pub(crate) fn commands() -> Vec<Command> {
    let mut draw = numbers(1);
    (0..Command::TYPES.len()).map(|place| Command::sample(place, &mut draw)).collect()
}

/// Every event type, in the order of the declaration.
pub(crate) fn events() -> Vec<Event> {
    let mut draw = numbers(2);
    (0..Event::TYPES.len()).map(|place| Event::sample(place, &mut draw)).collect()
}
