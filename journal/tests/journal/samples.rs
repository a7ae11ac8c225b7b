//! One value of every record type, with every field different from its neighbours.
//!
//! A sample is drawn from the number of its type, so that a new type changes no sample of the others.

use tickwerk_domain::{Command, Event, TypeId};

/// Numbers that use all their bytes.
fn numbers(type_id: TypeId) -> impl FnMut() -> u64 {
    let mut last = u64::from(type_id.0);
    move || {
        last = last.wrapping_add(0x9E37_79B9_7F4A_7C15);
        last
    }
}

/// Every command type, in the order of the declaration.
pub(crate) fn commands() -> Vec<Command> {
    let types = Command::TYPES.iter().enumerate();
    types.map(|(place, &(type_id, ..))| Command::sample(place, &mut numbers(type_id))).collect()
}

/// Every event type, in the order of the declaration.
pub(crate) fn events() -> Vec<Event> {
    let types = Event::TYPES.iter().enumerate();
    types.map(|(place, &(type_id, ..))| Event::sample(place, &mut numbers(type_id))).collect()
}

/// The sample of the command type with this name.
pub(crate) fn command(name: &str) -> Command {
    let place = Command::TYPES.iter().position(|&(.., known)| known == name);
    commands()[place.expect("a known type")]
}

/// The sample of the event type with this name.
pub(crate) fn event(name: &str) -> Event {
    let place = Event::TYPES.iter().position(|&(.., known)| known == name);
    events()[place.expect("a known type")]
}
