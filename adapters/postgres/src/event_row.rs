//! A record as a row of `tickwerk.events`, in the order of its columns.

use crate::binary::Fields;
use crate::error::PostgresError;
use std::fmt::Write;
use tickwerk_domain::{
    AccountId, Family, FieldValue, Fields as _, InstrumentId, Payload, Record, Sequence, StrategyId,
    StreamType, TimeNs,
};
use tickwerk_journal::JournalId;
use tickwerk_render::{Dictionary, source_word, write_payload_json};
use tokio_postgres::Client;

/// The columns that are written.
pub(crate) const COLUMNS: &str = "global_position, recorded_at, recorded_at_ns, occurred_at, occurred_at_ns, \
     stream_version, source_sequence, causation, event_id, schema_version, family, kind, event_type, stream, \
     stream_type, source, correlation_id, actor, symbol, account, event_data, metadata";
const COLUMN_COUNT: i16 = 22;

/// The statement that takes rows.
pub(crate) fn copy_sql() -> String {
    format!("COPY tickwerk.events ({COLUMNS}) FROM STDIN (FORMAT binary)")
}

/// Makes the partition for a day, counted from 1970, where it is not there yet.
pub(crate) async fn ensure_partition(client: &Client, family: Family, day: u64) -> Result<(), PostgresError> {
    let seconds = i64::try_from(day * 86_400).unwrap_or(i64::MAX);
    let sql = "SELECT tickwerk.ensure_partition($1, to_timestamp($2::bigint))";
    let made = client.query(sql, &[&family.word(), &seconds]).await;
    made.map(drop).map_err(PostgresError::statement("make a partition for events"))
}

/// Texts that are filled again for each row.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    json: String,
    text: String,
}

/// Appends the row of `record`, which `dictionary` has watched; `command` is the sequence of its frame's command.
pub(crate) fn encode(
    record: &Record,
    opaque: Option<&[u8]>,
    command: Sequence,
    journal: JournalId,
    dictionary: &Dictionary,
    scratch: &mut Scratch,
    row: &mut Fields,
) -> Result<(), PostgresError> {
    let envelope = &record.envelope;
    let sequence = envelope.sequence;
    let int = |number: u64, what: &str| {
        i64::try_from(number).map_err(|_| PostgresError::Row {
            sequence,
            reason: format!("its {what}, {number}, is more than the 63 bits that PostgreSQL has"),
        })
    };
    row.begin_row(COLUMN_COUNT);
    row.int8(int(sequence.0, "sequence")?);
    time(envelope.time_ns, row, int(envelope.time_ns.0, "time")?);
    if envelope.source_time == TimeNs::UNKNOWN {
        row.null();
        row.null();
    } else {
        time(envelope.source_time, row, int(envelope.source_time.0, "source time")?);
    }
    row.int8(int(envelope.stream_version, "stream version")?);
    row.int8(int(envelope.source_sequence, "source sequence")?);
    let (kind, schema_version) = match &record.payload {
        Payload::Command(asked) => {
            row.null();
            ("command", asked.schema_version())
        }
        Payload::Event(event) => {
            row.int8(int(command.0, "causation")?);
            ("event", event.schema_version())
        }
    };
    row.bytes(&event_id(journal, sequence, envelope.time_ns));
    row.int2(i16::try_from(schema_version).expect("schema versions are small"));
    row.text(record.payload.type_id().family().map_or("", tickwerk_domain::Family::word));
    row.text(kind);
    row.text(record.payload.event_type());
    let stream = record.payload.stream(sequence);
    row.text(written(&mut scratch.text, &stream));
    row.text(stream_word(stream.stream_type()));
    row.text(&source_word(envelope.source));
    if envelope.correlation.is_none() {
        row.null();
    } else {
        row.text(written(&mut scratch.text, &envelope.correlation));
    }
    row.text_or_null(name_of(dictionary.text(envelope.actor), envelope.actor.0, &mut scratch.text));
    let (instrument, account) = subjects(&record.payload, dictionary);
    row.text_or_null(name_of(dictionary.symbol(instrument), instrument.0, &mut scratch.text));
    row.text_or_null(name_of(dictionary.account(account), account.0, &mut scratch.text));
    scratch.json.clear();
    write_payload_json(record, dictionary, &mut scratch.json);
    row.jsonb(&scratch.json);
    match opaque {
        None => row.null(),
        Some(bytes) => row.jsonb(&metadata(bytes)),
    }
    Ok(())
}

fn time(time: TimeNs, row: &mut Fields, nanoseconds: i64) {
    row.timestamp(time);
    row.int8(nanoseconds);
}

fn written<'t>(text: &'t mut String, value: &dyn std::fmt::Display) -> &'t str {
    text.clear();
    write!(text, "{value}").expect("a string takes all");
    text
}

/// The name; the number where there is none; nothing for number 0.
fn name_of<'t>(name: Option<&'t str>, number: u32, text: &'t mut String) -> Option<&'t str> {
    name.or_else(|| (number != 0).then(|| written(text, &number)))
}

/// The instrument and the account that a record is about: its own, or those of its order or strategy.
pub(crate) fn subjects(payload: &Payload, dictionary: &Dictionary) -> (InstrumentId, AccountId) {
    let (mut instrument, mut account) = (InstrumentId::NONE, AccountId::NONE);
    let (mut order, mut strategy) = (None, StrategyId::NONE);
    payload.visit(&mut |_, value| {
        if let FieldValue::Instrument(id) = value {
            instrument = id;
        } else if let FieldValue::Account(id) = value {
            account = id;
        } else if let FieldValue::Order(id) = value {
            order = dictionary.order(id);
        } else if let FieldValue::Strategy(id) = value {
            strategy = id;
        }
    });
    if instrument.is_none() {
        instrument = order
            .map(|order| order.instrument)
            .or_else(|| dictionary.strategy_instrument(strategy))
            .unwrap_or_default();
    }
    if account.is_none() {
        account = order.map(|order| order.account).unwrap_or_default();
    }
    (instrument, account)
}

fn stream_word(stream_type: Option<StreamType>) -> &'static str {
    match stream_type {
        Some(StreamType::System) => "system",
        Some(StreamType::Account) => "account",
        Some(StreamType::Instrument) => "instrument",
        Some(StreamType::Order) => "order",
        Some(StreamType::Position) => "position",
        Some(StreamType::Strategy) => "strategy",
        Some(StreamType::Free) => "stream",
        None => "unknown",
    }
}

/// The opaque part as text where it is text, else in hex.
fn metadata(opaque: &[u8]) -> String {
    let text = std::str::from_utf8(opaque).ok().filter(|text| !text.contains('\0'));
    let (encoding, text) = match text {
        Some(text) => ("text", text.to_owned()),
        None => ("hex", hex(opaque)),
    };
    let mut json = format!("{{\"encoding\":\"{encoding}\",\"opaque\":");
    tickwerk_render::write_quoted(&text, &mut json);
    json.push('}');
    json
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// UUID version 7: milliseconds of the stamp, then the sequence, then bits of the journal's id. Derived, never stored in
/// the journal; as times and sequences rise, so do the ids.
pub fn event_id(journal: JournalId, sequence: Sequence, time: TimeNs) -> [u8; 16] {
    const VERSION: u64 = 7 << 12;
    const VARIANT: u64 = 0b10 << 62;
    const SEQUENCE_LOW_BITS: u32 = 36;
    const JOURNAL_BITS: u32 = 26;
    let milliseconds = time.0 / 1_000_000;
    let journal_word = u64::from_be_bytes(journal.0[..8].try_into().expect("a journal's id has 16 bytes"));
    let high = milliseconds << 16 | VERSION | (sequence.0 >> SEQUENCE_LOW_BITS) & 0xFFF;
    let low = VARIANT
        | (sequence.0 & ((1 << SEQUENCE_LOW_BITS) - 1)) << JOURNAL_BITS
        | journal_word >> (64 - JOURNAL_BITS);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&high.to_be_bytes());
    id[8..].copy_from_slice(&low.to_be_bytes());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_are_of_version_7_and_rise_with_the_sequence() {
        let time = TimeNs(1_723_161_253_937_085_768);
        let id = |sequence| event_id(JournalId([0xAB; 16]), Sequence(sequence), time);
        assert_eq!((id(1)[6] >> 4, id(1)[8] >> 6), (7, 0b10));
        let ids = [1, 2, 1 << 20, (1 << 36) - 1, 1 << 36, (1 << 48) - 1].map(id);
        assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
        assert_ne!(id(1), event_id(JournalId([0x12; 16]), Sequence(1), time));
    }
}
