//! `replay`: every record once and in order, pieces and families of them, and a reader that leaves early.

use crate::support::{Called, Demo, call_for};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use tickwerk_tests::program;

/// Replays as NDJSON and reads each line.
#[track_caller]
fn records(demo: &Demo, rest: &[&str]) -> Vec<Value> {
    let called = demo.call_for(0, "replay", &[&["--format", "ndjson"], rest].concat());
    assert_eq!(called.stderr, "");
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    called.stdout.lines().map(read).collect()
}

fn sequences(records: &[Value]) -> Vec<u64> {
    records.iter().map(|record| record["sequence"].as_u64().unwrap()).collect()
}

fn time(record: &Value) -> u64 {
    record["time_ns"].as_u64().unwrap()
}

#[test]
fn every_record_is_shown_once_and_in_order() {
    let demo = Demo::new();
    let all = records(&demo, &[]);
    assert_eq!(sequences(&all), (1..=demo.last_sequence()).collect::<Vec<_>>());
    assert!(all.is_sorted_by_key(time), "time never runs backwards");
    let mut command = 0;
    for record in &all {
        if record["kind"] == "command" {
            command = record["sequence"].as_u64().unwrap();
            assert_eq!(record["causation"], Value::Null);
        } else {
            assert_eq!(
                record["causation"].as_u64(),
                Some(command),
                "an event is caused by its frame's command"
            );
        }
    }
    let text = demo.call_for(0, "replay", &[]).stdout;
    assert_eq!(text.lines().count(), all.len(), "one line a record");
    let first = text.lines().next().unwrap();
    assert!(first.trim_start().starts_with("1 2") && first.contains("Z "), "sequence and time lead: {first}");
}

#[test]
fn ranges_are_inclusive_and_are_given_as_sequences_or_times() {
    let demo = Demo::new();
    let all = records(&demo, &[]);
    let last = demo.last_sequence();
    let piece = |rest: &[&str]| sequences(&records(&demo, rest));
    assert_eq!(piece(&["--from", "300", "--to", "310"]), (300..=310).collect::<Vec<_>>());
    assert_eq!(piece(&["--from", &last.to_string()]), [last]);
    assert_eq!(piece(&["--to", "3"]), [1, 2, 3]);
    assert!(piece(&["--from", &(last + 1).to_string()]).is_empty(), "nothing comes after the end");
    assert!(piece(&["--to", "0"]).is_empty());
    assert!(piece(&["--from", "2554-01-01T00:00:00Z"]).is_empty());

    // Names and scales are known though what defined them is not shown.
    let at = 5_000;
    assert_eq!(records(&demo, &["--from", "5001", "--to", "5001"]), [all[at].clone()]);

    let (from, to) = (time(&all[at]), time(&all[at + 500]));
    let expected: Vec<u64> = sequences(&all)
        .into_iter()
        .zip(&all)
        .filter(|(_, record)| (from..=to).contains(&time(record)))
        .map(|(sequence, _)| sequence)
        .collect();
    assert!(expected.len() > 500);
    assert_eq!(piece(&["--from", &format!("{from}ns"), "--to", &format!("{to}ns")]), expected);
    let lines = demo.call_for(0, "replay", &["--from", "5001", "--to", "5001"]).stdout;
    let moment = lines.split_whitespace().nth(1).expect("a line has a time");
    let by_moment = piece(&["--from", moment, "--to", &format!("{to}ns")]);
    assert_eq!(by_moment, expected, "a time can be given as it is shown");
}

#[test]
fn families_are_shown_alone() {
    let demo = Demo::new();
    let all = records(&demo, &[]);
    let of = |families: &[&str]| -> Vec<u64> {
        let is_asked_for = |record: &&Value| {
            let family = record["event_type"].as_str().unwrap().split('.').next().unwrap();
            families.contains(&family)
        };
        all.iter().filter(is_asked_for).map(|record| record["sequence"].as_u64().unwrap()).collect()
    };
    for only in ["order,fill", "market", "signal", "stream"] {
        let families: Vec<&str> = only.split(',').collect();
        assert_eq!(sequences(&records(&demo, &["--only", only])), of(&families), "{only}");
    }
    assert!(!of(&["order", "fill"]).is_empty(), "a demo trades");
    let twice = records(&demo, &["--only", "order", "--only", "fill", "--to", "20000"]);
    assert!(sequences(&twice).iter().all(|sequence| of(&["order", "fill"]).contains(sequence)));
}

#[test]
fn a_speed_keeps_the_order_and_a_very_high_one_takes_no_time() {
    let demo = Demo::new();
    let shown = |speed| demo.call_for(0, "replay", &["--speed", speed]).stdout;
    assert_eq!(shown("1000000.5"), shown("max"));
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let demo = Demo::new();
    let dir = demo.dir();
    let mut child = program::command(&["replay".as_ref(), dir.as_os_str()]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let ended = program::finish(child);
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn what_cannot_be_meant_is_an_error_of_usage_that_says_what_can_be() {
    let check = |rest: &[&str], expected: &[&str]| {
        let Called { stdout, stderr, .. } = call_for(2, &[&["replay", "nowhere"], rest].concat());
        assert_eq!(stdout, "");
        for part in expected {
            assert!(stderr.contains(part), "{rest:?} should tell {part:?}: {stderr}");
        }
    };
    check(&["--only", "order,trades"], &["trades", "market", "signal", "order", "fill", "stream"]);
    check(&["--from", "yesterday"], &["yesterday", "RFC 3339"]);
    check(&["--to", "99999999999999999999"], &["99999999999999999999"]);
    check(&["--from", "9", "--to", "8"], &["--to lies before --from"]);
    check(&["--from", "9ns", "--to", "8ns"], &["--to lies before --from"]);
    check(&["--speed", "0"], &["max", "positive"]);
    check(&["--format", "xml"], &["text", "ndjson"]);
}
