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
        if let Err(fault) = self.send_with_reason(token, ticket, record.into(), None) {
            return self.reply(token, answer::line(&id, None, None, Err(fault)));
        }
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.replies.push_back(Reply::Waiting(Waiting {
                ticket,
                id,
                acknowledge: self.door.acknowledge,
                request: Value::Null,
                fault: Some(fault),
                asked: Instant::now(),
            }));
        }
    }

    /// Sends a command if there is room for it on the disk, and before it the text of a reason that has no number yet.
    pub(super) fn send_with_reason(
        &mut self,
        token: usize,
        ticket: u64,
        mut command: Command,
        reason: Option<String>,
    ) -> Result<(), Fault> {
        space::has_room(self.door.watermarks.space(), &command)?;
        if let Some(text) = reason {
            let number = match self.door.names.texts.get(&text) {
                Some(known) => *known,
                None => self.define(text)?,
            };
            give_reason(&mut command, number);
        }
        self.send(token, ticket, command)
    }

    /// Gives a text the next number.
    fn define(&mut self, text: String) -> Result<TextId, Fault> {
        let number = self.door.names.texts.values().map(|id| id.0).max().unwrap_or(0) + 1;
        let message =
            || format!("the dictionary holds {} texts; use one that was used before", TEXTS_MAX - 1);
        if number as usize >= TEXTS_MAX {
            return Err(Fault::new("store_full", "reason", json!(text), message()));
        }
        let text_id = TextId(number);
        let bytes = TextBytes::new(&text)
            .map_err(|error| Fault::new("invalid_value", "reason", json!(text), error.to_string()))?;
        // Nobody waits for the reply of a definition.
        self.send(NOBODY, 0, TextDefined { text_id, text: bytes }.into())?;
        self.door.names.texts.insert(text, text_id);
        Ok(text_id)
    }

    /// Sends a command to the core, through the gate and the lane.
    fn send(&mut self, token: usize, ticket: u64, command: Command) -> Result<(), Fault> {
        let busy = |message: String| Fault::new("engine_busy", "op", Value::Null, message);
        let Some(lane) = &mut self.lane else {
            return Err(busy("the daemon is stopping; send again when it is back".to_owned()));
        };
        self.door.admission.try_admit(AdmitKind::of(&command)).map_err(|full| busy(full.to_string()))?;
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
