//! What is still taken while the disk of the journal is full.
//!
//! An order that says that it only reduces is: the core refuses it where it would do more, and takes from it what the
//! position loses later. What would merely turn out to reduce is not, as only the core can tell.

use crate::control::request::Fault;
use serde_json::Value;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{Command, PositionEffect};
use tickwerk_engine::pipeline::AdmitKind;
use tickwerk_journal::{Fault as Broken, Space, has_fault};

/// On a full disk what is left is for commands that take risk away and for what venues report.
pub(super) fn has_room(space: Space, command: &Command) -> Result<(), Fault> {
    if has_fault(Broken::IgnoreFullDisk) {
        return Ok(());
    }
    let is_taken = match space {
        Space::Ample => true,
        Space::Reserve => {
            AdmitKind::of(command) == AdmitKind::Cancel || only_reduces(command) || is_report(command)
        }
        Space::Exhausted => false,
    };
    let kept = match space {
        Space::Ample | Space::Reserve => {
            "cancels, switches, orders with reduce_only and reports of venues are still taken"
        }
        Space::Exhausted => "nothing is taken until then",
    };
    let message = || {
        format!(
            "the disk of the journal is full: make room, and it goes on by itself; {kept}, queries always"
        )
    };
    if is_taken { Ok(()) } else { Err(Fault::new("disk_full", "op", Value::Null, message())) }
}

/// A new order that must not do more than reduce a position.
fn only_reduces(command: &Command) -> bool {
    matches!(
        command,
        Command::NewOrder(
            NewOrder { reduce_only: true, .. } | NewOrder { position_effect: PositionEffect::Close, .. }
        )
    )
}

/// What a venue has done, which nothing here can undo.
fn is_report(command: &Command) -> bool {
    matches!(
        command,
        Command::OrderReported(_)
            | Command::FillReported(_)
            | Command::ReplaceReported(_)
            | Command::TradeBusted(_)
            | Command::TradeCorrected(_)
            | Command::VenueStateObserved(_)
    )
}
