//! `verify`: a good journal is proven; what is wrong is named with its lowest sequence and ends with 3.

use crate::support::{Called, Demo, call_for, text};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command as Process;
use tickwerk_domain::{Command, Event, Payload, Record, Sequence};
use tickwerk_journal::{JournalConfig, Reader, recover};
use tickwerk_tests::tell_skipped;

#[test]
fn a_journal_of_a_demo_is_proven_and_every_decision_comes_out_the_same() {
    let demo = Demo::new();
    let read = demo.call_for(0, "verify", &["--json"]).json();
    let keys: Vec<&str> = read.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "ok",
        "frames",
        "records",
        "first_sequence",
        "last_sequence",
        "chain_head",
        "reexecuted",
        "reexecuted_frames",
        "first_difference",
        "tail",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    let last = demo.last_sequence();
    assert_eq!((&read["ok"], &read["reexecuted"]), (&json!(true), &json!(false)));
    assert_eq!((&read["first_sequence"], &read["last_sequence"]), (&json!(1), &json!(last)));
    assert_eq!(read["records"], json!(last));
    assert_eq!(read["chain_head"], demo.summary["journal"]["chain_head"]);
    assert_eq!((&read["first_difference"], &read["tail"]), (&Value::Null, &Value::Null));

    let decided = demo.call_for(0, "verify", &["--reexecute", "--json"]).json();
    assert_eq!((&decided["ok"], &decided["reexecuted"]), (&json!(true), &json!(true)));
    assert_eq!(decided["reexecuted_frames"], read["frames"]);
    assert_eq!(decided["chain_head"], read["chain_head"]);

    let Called { stdout, stderr, .. } = demo.call_for(0, "verify", &["--reexecute"]);
    assert!(stdout.starts_with("ok: the journal in "), "{stdout}");
    assert!(stdout.contains("came out the same"), "{stdout}");
    assert_eq!(stderr, "", "nobody watches a progress bar here");
}

#[test]
fn a_flipped_bit_in_the_middle_ends_with_3_and_names_the_sequence() {
    let demo = Demo::new();
    let frames = demo.frames();
    let middle = frames[frames.len() / 2];
    demo.flip(middle.place.segment, middle.place.offset + middle.size / 2);

    let report = demo.call_for(3, "verify", &["--json"]).json();
    assert_eq!(report["ok"], json!(false));
    let difference = &report["first_difference"];
    assert_eq!(difference["sequence"], json!(middle.first.0));
    assert_eq!(difference["segment"], json!(middle.place.segment));
    assert_eq!(difference["offset"], json!(middle.place.offset));
    assert_eq!(report["last_sequence"], json!(middle.first.0 - 1), "what lies before is good");
    assert_eq!(report["frames"], json!(frames.len() / 2));

    let decided = demo.call_for(3, "verify", &["--json", "--reexecute"]).json();
    assert_eq!((&decided["first_difference"], &decided["reexecuted"]), (difference, &json!(false)));
    let shown = demo.call_for(3, "verify", &[]).stdout;
    assert!(shown.starts_with("FAILED: the journal in "), "{shown}");

    let inspected = demo.call_for(3, "inspect", &["--json"]).json();
    assert!(inspected["damage"].is_string(), "{inspected}");
    let replayed = demo.call_for(3, "replay", &["--format", "ndjson"]);
    assert_eq!(replayed.stdout.lines().count() as u64, middle.first.0 - 1, "all before it is shown");
    assert!(replayed.stderr.contains(&format!("sequence {}", middle.first)), "{}", replayed.stderr);
}

#[test]
fn a_last_frame_that_was_cut_is_told_as_a_torn_tail_and_is_no_difference() {
    let demo = Demo::new();
    let frames = demo.frames();
    let [.., before, last] = frames[..] else { panic!("a demo has many frames") };
    demo.cut(last.place.segment, last.place.offset + last.size / 2);
    demo.call_for(3, "verify", &["--json"]);

    demo.forget_what_was_durable();
    let report = demo.call_for(0, "verify", &["--json", "--reexecute"]).json();
    assert_eq!((&report["ok"], &report["reexecuted"]), (&json!(true), &json!(true)));
    assert_eq!(report["last_sequence"], json!(before.last.0));
    assert_eq!(report["tail"]["segment"], json!(last.place.segment));
    assert_eq!(report["tail"]["offset"], json!(last.place.offset));
    assert!(demo.call_for(0, "verify", &[]).stdout.contains("torn tail"));

    let inspected = demo.call_for(0, "inspect", &["--json"]).json();
    assert_eq!(inspected["torn"]["offset"], json!(last.place.offset));
    assert_eq!((&inspected["clean"], &inspected["damage"]), (&json!(false), &Value::Null));
    let replayed = demo.call_for(0, "replay", &["--format", "ndjson"]).stdout;
    assert_eq!(replayed.lines().count() as u64, before.last.0, "the listing ends where the tail is torn");
}

/// Writes a journal with the records of `demo`, of which `forge` may change some, and closes it.
fn copy_with(demo: &Demo, dir: &std::path::Path, mut forge: impl FnMut(&mut Record)) {
    let mut journal = recover(JournalConfig::new(dir)).unwrap().open().unwrap();
    let mut reader = Reader::open(&demo.dir(), Sequence::NONE).unwrap();
    while let Some(frame) = reader.next().unwrap() {
        for record in frame.records {
            let mut record = *record;
            forge(&mut record);
            journal.writer.push(&record).unwrap();
        }
    }
    journal.writer.close().unwrap();
}

#[test]
fn a_decision_that_was_forged_with_good_checksums_is_found_by_deciding_again() {
    let demo = Demo::new();
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    copy_with(&demo, &good, |_| {});
    let mut forged = Sequence::NONE;
    copy_with(&demo, &bad, |record| {
        if let Payload::Event(Event::OrderFilled(filled)) = &mut record.payload
            && forged == Sequence::NONE
        {
            filled.last_price.0 += 1;
            forged = record.envelope.sequence;
        }
    });
    assert!(forged > Sequence::NONE, "a demo fills orders");

    let verify =
        |dir, code, rest: &[&str]| call_for(code, &[&["verify", text(dir), "--json"], rest].concat()).json();
    assert_eq!(verify(&good, 0, &["--reexecute"])["chain_head"], demo.summary["journal"]["chain_head"]);
    let read = verify(&bad, 0, &[]);
    assert_ne!(
        read["chain_head"], demo.summary["journal"]["chain_head"],
        "the chain shows it to who knows the head"
    );
    let decided = verify(&bad, 3, &["--reexecute"]);
    assert_eq!(decided["first_difference"]["sequence"], json!(forged.0));
    assert_eq!(decided["reexecuted"], json!(false));
    let reason = decided["first_difference"]["reason"].as_str().unwrap();
    assert!(reason.contains("order.filled") && reason.contains("last_price"), "{reason}");
    let offset = decided["first_difference"]["offset"].as_u64().unwrap();
    assert!(offset > 0 && offset.is_multiple_of(16), "the offset is that of a frame");
}

/// What a later build may write: rules that this one does not have.
#[test]
fn rules_of_another_build_are_named_by_who_decides_again_and_shown_by_who_reads() {
    let demo = Demo::new();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    let mut activated = Sequence::NONE;
    copy_with(&demo, &other, |record| {
        if let Payload::Command(Command::RulesActivated(rules)) = &mut record.payload {
            rules.version = 7;
            activated = record.envelope.sequence;
        }
    });
    let other = text(&other);
    let named = format!(
        "sequence {activated}: the journal activates rules version 7, which this build does not have"
    );

    let Called { stdout, stderr, .. } = call_for(1, &["verify", other, "--reexecute", "--json"]);
    assert!(stderr.contains(&named), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["ok"], &report["reexecuted"]), (&json!(true), &json!(false)), "its bytes are good");
    assert_eq!(report["last_sequence"], json!(demo.last_sequence()));

    let journal = format!("journal.dir={other}");
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/examples/live.toml");
    let stderr = call_for(1, &["run", "--config", config, "--set", &journal]).stderr;
    assert!(stderr.contains(&named), "{stderr}");

    let Called { stdout, stderr, .. } = call_for(0, &["replay", other, "--format", "ndjson"]);
    assert_eq!(stdout.lines().count() as u64, demo.last_sequence());
    assert!(stderr.contains("rules version 7"), "{stderr}");
    call_for(0, &["verify", other, "--json"]);
}

#[test]
fn a_directory_without_a_journal_is_an_error_of_input() {
    let folder = tempfile::tempdir().unwrap();
    let empty = text(folder.path());
    let missing = folder.path().join("missing");
    for subcommand in ["verify", "inspect", "replay"] {
        let Called { stdout, stderr, .. } = call_for(74, &[subcommand, empty]);
        assert_eq!(stdout, "");
        assert!(stderr.contains(&format!("{empty} holds no journal")), "{stderr}");
        let stderr = call_for(74, &[subcommand, text(&missing)]).stderr;
        assert!(stderr.contains(text(&missing)) && stderr.contains("No such file"), "{stderr}");
        call_for(2, &[subcommand]);
    }
}

/// `journal/tests/verifier.py` knows `FORMAT.md` and none of our code.
#[test]
fn a_verifier_written_from_the_format_alone_agrees() {
    let demo = Demo::of("6000");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../journal/tests/verifier.py");
    let verify = || Process::new("python3").arg(&script).arg(demo.dir()).output();
    let Ok(found) = verify() else {
        return tell_skipped("there is no python3");
    };
    let expected = demo.call_for(0, "verify", &["--json"]).json();
    let told = format!("{} {}\n", demo.last_sequence(), expected["chain_head"].as_str().unwrap());
    assert_eq!(String::from_utf8_lossy(&found.stdout), told, "{}", String::from_utf8_lossy(&found.stderr));

    let frames = demo.frames();
    let middle = frames[frames.len() / 2];
    demo.flip(middle.place.segment, middle.place.offset + middle.size / 2);
    let found = verify().unwrap();
    let place = format!("segment {} offset {}", middle.place.segment, middle.place.offset);
    assert_eq!(found.status.code(), Some(3));
    let said = String::from_utf8_lossy(&found.stderr);
    assert!(said.contains(&place), "{said}");
}
