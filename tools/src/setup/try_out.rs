//! Whether the core will take a configuration, asked before anything of it is journaled.

use super::Plan;
use anyhow::{Result, bail};
use tickwerk_domain::event::CommandRefused;
use tickwerk_domain::{Command, Event, Payload, Record, Reject};
use tickwerk_engine::event_buffer::EventBuffer;
use tickwerk_engine::signals::STRATEGIES;
use tickwerk_engine::{Core, Decider};

impl Plan {
    /// Decides the commands on `core`, which is then of no more use: what the core refuses is never journaled.
    ///
    /// The configuration was read without knowing what an earlier one fixed for life, such as an instrument's scales.
    pub(crate) fn try_out(&self, mut core: Core) -> Result<()> {
        let mut events = EventBuffer::default();
        for planned in &self.commands {
            let now = core.last().time_ns;
            while let Some(mut owed) = core.next_internal(now) {
                stamp_next(&mut owed, &core);
                core.apply(&mut owed, &mut events);
                events.clear();
            }
            let mut record = *planned;
            stamp_next(&mut record, &core);
            core.apply(&mut record, &mut events);
            for (_, event) in events.as_slice() {
                if let Event::CommandRefused(refused) = event {
                    bail!(refusal_text(refused, &planned.payload, &core));
                }
            }
            events.clear();
        }
        Ok(())
    }
}

fn stamp_next(record: &mut Record, core: &Core) {
    let last = core.last();
    record.envelope.sequence = last.sequence.next();
    record.envelope.time_ns = record.envelope.time_ns.max(last.time_ns);
}

fn refusal_text(refused: &CommandRefused, payload: &Payload, core: &Core) -> String {
    let text = |id| core.machine().text(id);
    let name = match payload {
        Payload::Command(Command::InstrumentDefined(instrument)) => text(instrument.symbol).to_owned(),
        Payload::Command(Command::CurrencyDefined(currency)) => text(currency.code).to_owned(),
        Payload::Command(Command::StrategyDefined(strategy)) => {
            let kind = STRATEGIES.iter().find(|known| known.kind == strategy.kind);
            let parameters =
                kind.into_iter().flat_map(|kind| kind.parameters).map(|parameter| parameter.name);
            let parameters = parameters.collect::<Vec<_>>().join(", ");
            format!("{} (look at its parameters: {parameters})", text(strategy.name))
        }
        Payload::Command(_) | Payload::Event(_) => String::new(),
    };
    let reason = Reject::from_code(refused.reason);
    let remedy = match reason {
        Some(Reject::DefinitionFixed) => "; it is fixed for life: restore it, or begin a new journal",
        Some(_) | None => "",
    };
    let (what, value) = (payload.event_type(), refused.value);
    let reason = reason.map_or("refused", Reject::word);
    format!("{what} {name}: {reason}, value {value}{remedy}")
}
