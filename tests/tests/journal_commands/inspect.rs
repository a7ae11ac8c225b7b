//! `inspect`: what it counts is what `verify` counts, also while somebody writes.

use crate::support::{Demo, call_for, text};
use serde_json::{Value, json};
use tickwerk_domain::Sequence;
use tickwerk_journal::{JournalConfig, Reader, recover};

fn sum(segments: &Value, key: &str) -> u64 {
    segments.as_array().unwrap().iter().map(|segment| segment[key].as_u64().unwrap()).sum()
}

#[test]
fn the_layout_of_a_closed_journal_agrees_with_its_proof() {
    let demo = Demo::new();
    let proof = demo.call_for(0, "verify", &["--json"]).json();
    let layout = demo.call_for(0, "inspect", &["--json"]).json();
    for key in ["frames", "first_sequence", "last_sequence"] {
        assert_eq!(layout[key], proof[key], "{key}");
    }
    assert_eq!(layout["written_through"], proof["last_sequence"]);
    assert_eq!(layout["durable_through"], proof["last_sequence"]);
    assert_eq!((&layout["live"], &layout["clean"]), (&json!(false), &json!(true)));
    assert_eq!((&layout["torn"], &layout["damage"]), (&Value::Null, &Value::Null));
    let id = layout["journal_id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");

    let segments = &layout["segments"];
    for key in ["frames", "bytes", "size_bytes"] {
        assert_eq!(sum(segments, key), layout[key].as_u64().unwrap(), "{key}");
    }
    assert_eq!(segments[0]["state"], json!("active"));
    assert_eq!(segments[0]["number"], json!(1));

    let shown = demo.call_for(0, "inspect", &[]).stdout;
    assert!(shown.contains(id) && shown.contains("\nclean: "), "{shown}");
}

#[test]
fn a_journal_that_is_being_written_can_be_inspected_verified_and_replayed() {
    let demo = Demo::new();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("journal");
    let mut journal = recover(JournalConfig::new(&dir)).unwrap().open().unwrap();
    let mut reader = Reader::open(&demo.dir(), Sequence::NONE).unwrap();
    for _ in 0..500 {
        let frame = reader.next().unwrap().expect("a demo has more frames");
        frame.records.iter().for_each(|record| assert!(journal.writer.push(record).is_ok()));
    }
    // Written through is published when the writer falls idle.
    journal.writer.idle().unwrap();
    let written = journal.watermarks().written_through();
    assert!(written > Sequence::NONE);

    let layout = call_for(0, &["inspect", text(&dir), "--json"]).json();
    assert_eq!((&layout["live"], &layout["clean"]), (&json!(true), &json!(false)));
    assert_eq!(layout["written_through"], json!(written.0));
    let proof = call_for(0, &["verify", text(&dir), "--json", "--reexecute"]).json();
    assert_eq!((&proof["ok"], &proof["last_sequence"]), (&json!(true), &json!(written.0)));
    let replayed = call_for(0, &["replay", text(&dir)]).stdout;
    assert_eq!(replayed.lines().count() as u64, written.0);
    journal.writer.close().unwrap();
    let closed = call_for(0, &["inspect", text(&dir), "--json"]).json();
    assert_eq!((&closed["live"], &closed["clean"]), (&json!(false), &json!(true)));
}
