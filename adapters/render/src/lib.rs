//! Records for people and programs: one JSON object a line, or one line of text.
//!
//! Units: prices and quantities at their instrument's scale and money at its currency's, as exact decimals in strings;
//! times in nanoseconds since the Unix epoch as numbers, and as RFC 3339 in text. Ids show as the name they were given,
//! or as their number where they have none; what there is not is `null` in JSON and left out of text.
//! Invariant: every record can be shown. A value whose scale was never defined shows as its mantissa, marked as such.

mod average;
mod dictionary;
mod limit_unit;
mod payload;
mod shown;
#[cfg(test)]
mod tests;

pub use average::{AVERAGE_SCALE, Traded};
pub use dictionary::{Dictionary, InstrumentEntry, Learnt, ORDERS_KEPT, OrderEntry};
pub use limit_unit::{LimitScales, UnknownScale, scale_of, show_limit};

pub use shown::write_quoted;

use shown::Shown;
use std::fmt::Write;
use tickwerk_domain::{Kind, Payload, Record, Sequence, SourceId, TimeNs};

/// Writes `record` as one JSON object, without the end of the line, after `out`.
///
/// `dictionary` has watched every record of the journal up to this one; `command` is the sequence of the frame's command.
pub fn write_json(record: &Record, command: Sequence, dictionary: &Dictionary, out: &mut String) {
    let envelope = &record.envelope;
    let (kind, schema_version, causation) = match &record.payload {
        Payload::Command(asked) => ("command", asked.schema_version(), Sequence::NONE),
        Payload::Event(event) => ("event", event.schema_version(), command),
    };
    Shown::Table(vec![
        ("sequence", Shown::Number(i128::from(envelope.sequence.0))),
        ("kind", Shown::text(kind)),
        ("event_type", Shown::text(record.payload.event_type())),
        ("schema_version", Shown::Number(i128::from(schema_version))),
        ("time_ns", Shown::Number(i128::from(envelope.time_ns.0))),
        ("source_time", Shown::number_or_absent(envelope.source_time.0)),
        ("source", Shown::Text(source_word(envelope.source))),
        ("source_sequence", Shown::Number(i128::from(envelope.source_sequence))),
        ("actor", payload::named(dictionary.text(envelope.actor), envelope.actor.0)),
        ("correlation_id", Shown::number_or_absent(envelope.correlation.0)),
        ("causation", Shown::number_or_absent(causation.0)),
        ("stream", Shown::text(record.payload.stream(envelope.sequence).to_string())),
        ("stream_version", Shown::Number(i128::from(envelope.stream_version))),
        ("payload", payload::show(&record.payload, dictionary)),
    ])
    .write_json(out);
}

/// Writes the payload of `record` alone as one JSON object after `out`; `dictionary` as for [`write_json`].
pub fn write_payload_json(record: &Record, dictionary: &Dictionary, out: &mut String) {
    payload::show(&record.payload, dictionary).write_json(out);
}

/// Writes the payload of `record` alone as words of text after `out`; `dictionary` as for [`write_json`].
pub fn write_payload_text(record: &Record, dictionary: &Dictionary, out: &mut String) {
    payload::show(&record.payload, dictionary).write_text(out);
}

/// Writes `record` as one line of text, without its end, after `out`. Events stand indented under their command.
pub fn write_text(record: &Record, dictionary: &Dictionary, out: &mut String) {
    let envelope = &record.envelope;
    let indent = match record.payload.kind() {
        Kind::Command => "",
        Kind::Event => "  ",
    };
    let event_type = format!("{indent}{}", record.payload.event_type());
    let (sequence, time) = (envelope.sequence, rfc3339(envelope.time_ns));
    write!(out, "{sequence:>9} {time} {event_type:<28} ").expect("writing to a string cannot fail");
    payload::show(&record.payload, dictionary).write_text(out);
    if record.payload.kind() == Kind::Command {
        let source = source_word(envelope.source);
        write!(out, " ({source} {}", envelope.source_sequence).expect("writing to a string cannot fail");
        if let Some(actor) = dictionary.text(envelope.actor) {
            write!(out, ", {actor}").expect("writing to a string cannot fail");
        }
        out.push(')');
    }
}

/// The limit of a refusal and the value that was seen, in the unit of its rule; `None` where the rule compares nothing.
pub fn limit_and_observed(payload: &Payload, dictionary: &Dictionary) -> Option<(String, String)> {
    Some((field_text(payload, dictionary, "limit")?, field_text(payload, dictionary, "observed")?))
}

/// A field of the payload that is a name, a word, a number or an exact decimal; `None` where it is none of these, not
/// there, or of a scale that is not known.
pub fn field_text(payload: &Payload, dictionary: &Dictionary, name: &str) -> Option<String> {
    let Shown::Table(fields) = payload::show(payload, dictionary) else {
        return None;
    };
    match fields.into_iter().find(|(of, _)| *of == name)?.1 {
        Shown::Text(text) => Some(text),
        Shown::Number(number) => Some(number.to_string()),
        Shown::Absent
        | Shown::Flag(_)
        | Shown::Real(_)
        | Shown::Mantissa(_)
        | Shown::List(_)
        | Shown::Table(_) => None,
    }
}

/// The word for a source.
pub fn source_word(source: SourceId) -> String {
    const WORDS: [(SourceId, &str); 7] = [
        (SourceId::CORE, "core"),
        (SourceId::SIMULATED_VENUE, "simulated_venue"),
        (SourceId::CONFIG, "config"),
        (SourceId::CONTROL, "control"),
        (SourceId::CLOCK, "clock"),
        (SourceId::HEALTH, "health"),
        (SourceId::IMPORT, "import"),
    ];
    let known = WORDS.iter().find(|(id, _)| *id == source);
    let unnamed = || {
        let (of, number) =
            if source.is_import() { ("import", source.0 - SourceId::IMPORT.0) } else { ("source", source.0) };
        format!("{of}-{number}")
    };
    known.map_or_else(unnamed, |(_, word)| (*word).to_owned())
}

/// A time in words, to the nanosecond, in UTC.
pub fn rfc3339(time: TimeNs) -> String {
    // Every u64 of nanoseconds lies before the year 2555, which the calendar knows.
    jiff::Timestamp::from_nanosecond(i128::from(time.0))
        .map_or_else(|_| time.0.to_string(), |time| format!("{time:.9}"))
}
