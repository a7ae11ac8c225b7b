//! Commands on their way to the core: through the room on the disk, the dictionary, the gate and the lane.

use super::{NOBODY, Server, space};
use crate::control::answer;
use crate::control::connection::{Reply, Waiting};
use crate::control::request::{Fault, Refused, give_reason};
use serde_json::{Value, json};
use std::time::Instant;
use tickwerk_domain::command::TextDefined;
use tickwerk_domain::{Command, CorrelationId, Envelope, Payload, Record, SourceId, TextBytes, TextId};
use tickwerk_engine::limits::TEXTS_MAX;
use tickwerk_engine::pipeline::{AdmitKind, clock};
use tickwerk_journal::{Failpoint, reach};

impl Server {
    /// Refuses a request, which is answered when that is journaled.
    pub(super) fn refuse(&mut self, token: usize, refused: Refused) {
        let Refused { id, fault, record } = refused;
        let Some(record) = record else {
            return self.reply(token, answer::line(&id, None, None, Err(fault)));
        };
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        if let Err(fault) = self.send(token, ticket, record.into()) {
            return self.reply(token, answer::line(&id, None, None, Err(fault)));
        }
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.replies.push_back(Reply::Waiting(Waiting {
                ticket,
                id,
                acknowledge: self.door.acknowledge,
                request: Value::Null,
                fault: Some(fault),
                is_reason_kept: true,
                asked: Instant::now(),
            }));
        }
    }

    /// Sends a command if there is room for it on the disk, and before it the text of a reason that has no number yet;
    /// says whether the reason, if there is one, is journaled with it.
    ///
    /// What takes risk away goes without its reason rather than not at all.
    pub(super) fn send_with_reason(
        &mut self,
        token: usize,
        ticket: u64,
        mut command: Command,
        reason: Option<String>,
    ) -> Result<bool, Fault> {
        space::has_room(self.door.watermarks.space(), &command)?;
        let kind = AdmitKind::of(&command);
        // The command's place comes first, so that its reason cannot take the last one.
        self.admit(kind)?;
        let number = reason.map(|text| self.number_of(text, kind));
        let is_kept = match number {
            None => true,
            Some(Ok(number)) => {
                give_reason(&mut command, number);
                true
            }
            Some(Err(_)) if kind == AdmitKind::Cancel => false,
            Some(Err(fault)) => {
                self.door.admission.withdraw();
                return Err(fault);
            }
        };
        self.publish(token, ticket, command)?;
        Ok(is_kept)
    }

    /// Sends a command that has no reason if there is room for it on the disk.
    pub(super) fn send(&mut self, token: usize, ticket: u64, command: Command) -> Result<(), Fault> {
        self.send_with_reason(token, ticket, command, None).map(|_| ())
    }

    /// The number of a text; a new one passes the gate as the command that it is for.
    fn number_of(&mut self, text: String, kind: AdmitKind) -> Result<TextId, Fault> {
        if let Some(known) = self.door.names.texts.get(&text) {
            return Ok(*known);
        }
        let number = self.door.names.texts.values().map(|id| id.0).max().unwrap_or(0) + 1;
        let message =
            || format!("the dictionary holds {} texts; use one that was used before", TEXTS_MAX - 1);
        if number as usize >= TEXTS_MAX {
            return Err(Fault::new("store_full", "reason", json!(text), message()));
        }
        let text_id = TextId(number);
        let bytes = TextBytes::new(&text)
            .map_err(|error| Fault::new("invalid_value", "reason", json!(text), error.to_string()))?;
        self.admit(kind)?;
        // Nobody waits for the reply of a definition.
        self.publish(NOBODY, 0, TextDefined { text_id, text: bytes }.into())?;
        self.door.names.texts.insert(text, text_id);
        Ok(text_id)
    }

    /// Takes a place in the gate, which [`Self::publish`] gives back where it fails.
    fn admit(&self, kind: AdmitKind) -> Result<(), Fault> {
        self.door.admission.try_admit(kind).map_err(|full| busy(full.to_string()))
    }

    /// Sends an admitted command to the core, through the lane.
    fn publish(&mut self, token: usize, ticket: u64, command: Command) -> Result<(), Fault> {
        let Some(lane) = &mut self.lane else {
            self.door.admission.withdraw();
            return Err(busy("the daemon is stopping; send again when it is back".to_owned()));
        };
        let source_sequence = self.position + 1;
        let envelope = Envelope {
            source: SourceId::CONTROL,
            source_sequence,
            correlation: CorrelationId(source_sequence),
            actor: self.door.names.control_actor,
            origin_ns: clock::monotonic_ns(),
            ..Envelope::default()
        };
        if let Err(full) = lane.try_publish(&Record { envelope, payload: Payload::Command(command) }) {
            self.door.admission.withdraw();
            return Err(busy(full.to_string()));
        }
        self.position = source_sequence;
        self.under_way.push_back((source_sequence, token, ticket));
        reach(Failpoint::RequestTaken);
        Ok(())
    }
}

fn busy(message: String) -> Fault {
    Fault::new("engine_busy", "op", Value::Null, message)
}
