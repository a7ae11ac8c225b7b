//! The model of interleavings beside a core that books otherwise: it must notice.

use super::reports_model::{Distort, run};
use tickwerk_domain::command::FillReported;
use tickwerk_domain::{Command, Qty};
use tickwerk_engine::machine::Machine;

/// A fill that comes again has another id, as if the core did not know it: it is booked twice.
fn books_twice(command: &Command, machine: &Machine) -> Command {
    if let Command::FillReported(fill) = command
        && machine.executions().by_id(fill.order, fill.execution_id).is_some()
    {
        return FillReported { execution_id: fill.execution_id ^ 1, ..*fill }.into();
    }
    *command
}

/// A fill counts one more than it is.
fn fills_more(command: &Command, _: &Machine) -> Command {
    if let Command::FillReported(fill) = command {
        return FillReported { qty: Qty(fill.qty.0 + 1), ..*fill }.into();
    }
    *command
}

#[test]
fn a_core_that_books_otherwise_is_caught() {
    let distortions: [Distort; 2] = [books_twice, fills_more];
    for (place, distort) in distortions.into_iter().enumerate() {
        let gets_through = std::panic::catch_unwind(|| run(3, 1_200, distort));
        assert!(gets_through.is_err(), "distortion {place} goes unseen");
    }
}
