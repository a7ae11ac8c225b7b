//! Journals and images of older schemas: what was written once is read, proven and decided again by every later build.
//!
//! A fixture is written once, by the build whose newest schema it has, and never again; `UPDATE_GOLDEN=1` writes only
//! what is not there.

use crate::support::{call_for, text};
use serde_json::json;
use std::path::{Path, PathBuf};
use tickwerk_domain::{Command, Event, Payload, Record, Sequence};
use tickwerk_engine::replay::Replay;
use tickwerk_engine::{Core, Decider, RestoreError, STATE_VERSION};
use tickwerk_journal::{JournalConfig, Reader, recover, verify};
use tickwerk_tests::scenario::Scenario;

/// The files of a journal that was closed; prepared segments and the lock hold nothing.
const FILES: [&str; 4] = ["000000000001.seg", "durable", "WATERMARKS", "HEADS"];

fn journals() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../journal/tests/fixtures")
}

fn image_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/state-{STATE_VERSION}.image"))
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// The newest schema version of any type.
fn newest_schema() -> u16 {
    Command::TYPES.iter().chain(Event::TYPES).map(|(_, version, _)| *version).max().unwrap()
}

/// Writes the scenario as a journal of this build.
fn write_journal(to: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { segment_size: 128 * 1024, ..JournalConfig::new(dir.path()) };
    let mut writer = recover(config).unwrap().open().unwrap().writer;
    for record in Scenario::whole().frames.iter().flatten() {
        writer.push(record).unwrap();
    }
    writer.close().unwrap();
    std::fs::create_dir_all(to).unwrap();
    for name in FILES {
        std::fs::copy(dir.path().join(name), to.join(name)).unwrap();
    }
}

fn health(frames: &[Vec<Record>]) -> &Record {
    let is_health = |record: &&Record| matches!(record.payload, Payload::Command(Command::HealthObserved(_)));
    frames.iter().flatten().rfind(is_health).expect("the scenario ends with how the process is")
}

#[test]
fn a_journal_of_every_schema_opens_is_proven_and_is_decided_again() {
    for schema in 1..=newest_schema() {
        let kept = journals().join(format!("journal-schema-{schema}"));
        if updating() && !kept.exists() {
            assert_eq!(schema, newest_schema(), "an older build would have had to write it");
            write_journal(&kept);
        }
        let dir = tempfile::tempdir().unwrap();
        for name in FILES {
            std::fs::copy(kept.join(name), dir.path().join(name)).unwrap();
        }
        let report = call_for(0, &["verify", text(dir.path()), "--reexecute", "--json"]).json();
        assert_eq!(
            (&report["ok"], &report["reexecuted"]),
            (&json!(true), &json!(true)),
            "schema {schema}: {report}"
        );
        assert_eq!(
            (&report["tail"], &report["first_difference"]),
            (&json!(null), &json!(null)),
            "schema {schema}"
        );

        let (mut replay, mut frames) = (Replay::new(), Vec::new());
        let mut reader = Reader::open(dir.path(), Sequence::FIRST).unwrap();
        while let Some(frame) = reader.next().unwrap() {
            replay.apply(frame.records).unwrap();
            frames.push(frame.records.to_vec());
        }
        let Payload::Command(Command::HealthObserved(told)) = health(&frames).payload else { unreachable!() };
        let chained_lag = if schema < 2 { 0 } else { 11 };
        assert_eq!((told.memory_bytes, told.chained_lag), (10, chained_lag), "upcast from schema {schema}");
        let recovered = recover(JournalConfig::new(dir.path())).unwrap();
        assert_eq!((recovered.torn(), recovered.notes()), (None, &[][..]), "schema {schema}");
        let next = replay.core().last().sequence.next();
        let mut writer = recovered.open().unwrap().writer;
        assert_eq!(writer.next_sequence(), next);
        // The journal goes on with a record of today.
        let mut newest = *health(&Scenario::whole().frames);
        newest.envelope.sequence = next;
        writer.push(&newest).unwrap();
        writer.close().unwrap();
        let report = verify(dir.path(), &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        assert_eq!((report.first_difference, report.last_sequence), (None, next), "schema {schema}");
    }
}

#[test]
fn an_image_of_this_layout_is_restored_to_the_state_that_it_was_made_of() {
    if updating() {
        std::fs::write(image_path(), Scenario::whole().core.save()).unwrap();
    }
    let image = std::fs::read(image_path()).expect("every layout has an image; UPDATE_GOLDEN=1 writes it");
    let core = Core::restore(&image).expect("a change of the layout is a new STATE_VERSION");
    assert_eq!(core.digest().to_le_bytes(), image[22..30], "the digest that the image tells");
    assert!(core.save() == image, "the same state has the same image");

    let mut newer = image;
    let found = STATE_VERSION + 1;
    newer[8..10].copy_from_slice(&found.to_le_bytes());
    let error = Core::restore(&newer).unwrap_err();
    assert_eq!(error, RestoreError::OtherLayout { found });
    let told = format!("the state image has layout {found}, this build reads layout {STATE_VERSION} only");
    assert_eq!(error.to_string(), told);
}
