//! What arrives: every record once, as it lies in the journal, and read models that agree with the engine.

use crate::process::records;
use crate::server::{Database, database};
use crate::support::{
    db, last_sequence, migrate, ship, start_shipping, tables, text, traded, wait_until_shipped,
};
use crate::written;
use serde_json::Value;
use tickwerk_domain::command::{TextDefined, TimeAdvanced};
use tickwerk_domain::event::CommandRefused;
use tickwerk_domain::{Command, Payload, Reject, TextBytes, TextId, TimeNs};

#[test]
fn every_record_arrives_once_and_as_the_journal_tells_it() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(1_200);
    migrate(&place.address);
    migrate(&place.address);
    ship(&place.address, &journal);
    let database = Database::open(&place.address);
    let rows = database.rows(
        "SELECT global_position, kind, event_type, schema_version, recorded_at_ns, occurred_at_ns, source, source_sequence,
            actor, correlation_id, causation, stream, stream_version, event_data, family, stream_type,
            extract(epoch FROM recorded_at) * 1000000, event_id
         FROM tickwerk.events ORDER BY global_position",
    );
    let told = records(&journal, "");
    assert_eq!((rows.len(), rows.len() as u64), (told.len(), last_sequence(&journal)));
    let fields = [
        "sequence",
        "kind",
        "event_type",
        "schema_version",
        "time_ns",
        "source_time",
        "source",
        "source_sequence",
        "actor",
        "correlation_id",
        "causation",
        "stream",
        "stream_version",
    ];
    let mut ids = std::collections::BTreeSet::new();
    for (row, told) in rows.iter().zip(&told) {
        let cell = |place: usize| row[place].as_deref();
        for (place, field) in fields.iter().enumerate() {
            let expected = match &told[*field] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other @ (Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                    Some(other.to_string())
                }
            };
            assert_eq!(cell(place), expected.as_deref(), "{field} of {told}");
        }
        let data: Value = serde_json::from_str(cell(13).expect("never null")).expect("JSON");
        assert_eq!(data, told["payload"], "{told}");
        assert_eq!(cell(14), told["event_type"].as_str().and_then(|word| word.split('.').next()));
        let microseconds = told["time_ns"].as_u64().expect("a time") / 1_000;
        assert_eq!(
            cell(16).map(|text| text.split('.').next().unwrap().to_owned()),
            Some(microseconds.to_string())
        );
        assert!(ids.insert(cell(17).expect("never null").to_owned()), "event ids are unique");
    }
}

#[test]
fn read_models_agree_with_the_events_that_they_fold() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(1_200);
    migrate(&place.address);
    ship(&place.address, &journal);
    let database = Database::open(&place.address);
    // Each order stands as its last event says, and no fill is missing.
    let checks = [
        "SELECT count(*) FROM tickwerk.orders",
        "SELECT count(*) FROM tickwerk.orders o WHERE is_done AND status <> ALL ('{filled,canceled,rejected,expired}')",
        "SELECT count(*) FROM tickwerk.orders o WHERE cum_qty IS DISTINCT FROM
            (SELECT sum((event_data->>'last_qty')::numeric) FROM tickwerk.events e
             WHERE e.stream = 'order-' || o.order_id AND event_type IN ('order.filled', 'order.partially_filled'))
            AND status = 'filled'",
        "SELECT count(*) FROM tickwerk.positions p WHERE qty <>
            (SELECT (event_data->>'qty')::numeric FROM tickwerk.events e WHERE e.global_position = p.global_position)",
        "SELECT count(*) FROM (SELECT sum(balance) AS sum FROM tickwerk.balances GROUP BY currency_id) AS sums WHERE sum <> 0",
        "SELECT count(*) FROM tickwerk.balances b WHERE balance <>
            (SELECT sum(change) FROM tickwerk.balance_history h
             WHERE (h.account_id, h.currency_id, h.book) = (b.account_id, b.currency_id, b.book))",
        "SELECT count(*) FROM tickwerk.parked",
    ];
    let counts: Vec<u64> = checks.iter().map(|sql| database.number(sql)).collect();
    assert!(counts[0] > 0, "there are orders");
    assert_eq!(counts[1..], [0; 6], "{counts:?}");
    let engine = database.value("SELECT count(*) FROM tickwerk.events WHERE event_type = 'order.submitted'");
    assert_eq!(database.value("SELECT count(*) FROM tickwerk.orders WHERE status <> 'rejected'"), engine);
}

#[test]
fn shipping_again_changes_nothing_and_a_second_database_is_the_same() {
    let Some(place) = database() else { return };
    let Some(other) = database() else { return };
    let (_bench, journal) = traded(400);
    for place in [&place, &other] {
        migrate(&place.address);
        ship(&place.address, &journal);
    }
    let once = tables(&place.address);
    ship(&place.address, &journal);
    assert_eq!(tables(&place.address), once);
    assert_eq!(tables(&other.address), once);
}

#[test]
fn a_name_that_was_refused_is_none_also_for_whoever_goes_on_at_a_checkpoint() {
    let Some(place) = database() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal = folder.path().join("journal");
    let named = |text: &str| TextDefined { text_id: TextId(1), text: TextBytes::new(text).expect("short") };
    let time = || Payload::Command(TimeAdvanced { due: TimeNs(1) }.into());
    let mallory: Command = named("mallory").into();
    let refused = CommandRefused {
        value: 0,
        reason: Reject::UnknownCurrency.code(),
        command_type: mallory.type_id().0,
        text: TextId::NONE,
    };
    let frames = [
        vec![Payload::Command(named("ops").into())],
        vec![Payload::Command(mallory), Payload::Event(refused.into())],
        vec![time()],
        vec![time()],
    ];
    written::write(&journal, frames.into_iter().map(|payloads| (0, payloads)));
    migrate(&place.address);
    // A transaction a frame, and a stop behind the refusal: what follows is read with names that come from the database.
    let database = Database::open(&place.address);
    database.execute("ALTER TABLE tickwerk.events_system ADD CONSTRAINT held CHECK (global_position < 4)");
    let replicator = start_shipping(&place.address, &journal, 1);
    wait_until_shipped(&place.address, 3);
    replicator.stop().expect(0);
    assert_eq!(database.number("SELECT count(*) FROM tickwerk.definition"), 1);
    database.execute("ALTER TABLE tickwerk.events_system DROP CONSTRAINT held");
    ship(&place.address, &journal);
    let actors = "SELECT string_agg(DISTINCT actor, ' ') FROM tickwerk.events";
    assert_eq!(database.value(actors), "ops");
    db(&place.address, &["verify", text(&journal)]).expect(0);
}
