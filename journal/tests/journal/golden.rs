//! Bytes that must never change: payloads of every schema version, a frame with an opaque part, a whole journal.
//!
//! `payloads-vN.txt` has a line for each type that had version N. `UPDATE_GOLDEN=1` writes lines of the versions that
//! this build writes anew, and leaves those of older ones alone; whoever does so reads the difference.

use crate::samples;
use crate::support::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tickwerk_domain::command::HealthObserved;
use tickwerk_domain::{Command, Event, Kind, Payload, Record, Sequence};
use tickwerk_journal::{Reader, recover, schema};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn check(name: &str, found: &str) {
    if updating() {
        std::fs::write(fixture(name), found).unwrap();
    }
    let golden = std::fs::read_to_string(fixture(name)).unwrap();
    for (line, (golden, found)) in golden.lines().zip(found.lines()).enumerate() {
        assert_eq!(golden, found, "{name} line {}", line + 1);
    }
    assert_eq!(golden.len(), found.len(), "{name}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[n * 2..n * 2 + 2], 16).unwrap()).collect()
}

/// Every sample as its own frame or event, with the payload bytes that lie on the disk.
fn payloads() -> Vec<(Payload, Vec<u8>)> {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    for command in samples::commands() {
        let next = journal.writer.next_sequence().0;
        push(&mut journal.writer, &records(next, [Payload::Command(command)]));
    }
    for event in samples::events() {
        let command = Payload::Command(samples::commands()[0]);
        let next = journal.writer.next_sequence().0;
        push(&mut journal.writer, &records(next, [command, Payload::Event(event)]));
    }
    journal.writer.close().unwrap();
    let mut reader = Reader::open(dir.path(), Sequence::FIRST).unwrap();
    let mut payloads = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        let mut at = 64;
        let mut last = None;
        for record in frame.records {
            let length = usize::from(u16::from_le_bytes([frame.bytes[at + 6], frame.bytes[at + 7]]));
            last = Some((record.payload, frame.bytes[at + 32..at + 32 + length].to_vec()));
            at += (32 + length).next_multiple_of(16);
        }
        payloads.extend(last);
    }
    payloads
}

/// Type id, current version and name of every type.
fn types() -> impl Iterator<Item = (u16, u16, &'static str)> {
    Command::TYPES.iter().chain(Event::TYPES).map(|(type_id, version, name)| (type_id.0, *version, *name))
}

fn versions() -> std::ops::RangeInclusive<u16> {
    1..=types().map(|(_, version, _)| version).max().unwrap()
}

/// The lines of a version's golden file by type id; none where there is no file yet.
fn golden_lines(version: u16) -> BTreeMap<u16, String> {
    let text = std::fs::read_to_string(fixture(&format!("payloads-v{version}.txt"))).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| (u16::from_str_radix(&line[2..6], 16).unwrap(), line.to_owned())).collect()
}

#[test]
fn payloads_of_every_schema_have_the_bytes_they_always_had() {
    let payloads = payloads();
    for written in versions() {
        let mut listing = String::from("# type id, schema version, name, payload in hex\n");
        let kept = golden_lines(written);
        for ((payload, bytes), (type_id, version, name)) in payloads.iter().zip(types()) {
            assert_eq!((payload.type_id().0, payload.event_type()), (type_id, name));
            if version == written {
                writeln!(listing, "{type_id:#06x} {version} {name} {}", hex(bytes)).unwrap();
            } else if version > written {
                let line = kept.get(&type_id).expect("every older version has its line for ever");
                writeln!(listing, "{line}").unwrap();
            }
        }
        check(&format!("payloads-v{written}.txt"), &listing);
    }
}

/// The sample of a type as it is read from an older version: without what that version did not tell.
fn told_by(version: u16, sample: Payload) -> Payload {
    match (version, sample) {
        (1, Payload::Command(Command::HealthObserved(health))) => {
            Payload::Command(HealthObserved { chained_lag: 0, ..health }.into())
        }
        (_, sample) => sample,
    }
}

#[test]
fn the_golden_payloads_of_every_schema_decode_to_the_samples() {
    if updating() {
        return;
    }
    let commands = samples::commands().into_iter().map(|sample| (Kind::Command, Payload::Command(sample)));
    let events = samples::events().into_iter().map(|sample| (Kind::Event, Payload::Event(sample)));
    let samples: Vec<_> = commands.chain(events).zip(types()).collect();
    for written in versions() {
        let golden = golden_lines(written);
        for ((kind, sample), (id, newest, name)) in &samples {
            let Some(line) = golden.get(id) else {
                assert!(*newest < written, "{name} has no line of version {written}");
                continue;
            };
            let fields: Vec<&str> = line.split(' ').collect();
            assert_eq!(fields[1..3], [written.to_string().as_str(), name], "{line}");
            let bytes = unhex(fields[3]);
            let expected = if written < *newest { told_by(written, *sample) } else { *sample };
            assert_eq!(aligned_decode(*kind, *id, written, &bytes), Ok(expected), "{line}");
            let newer = aligned_decode(*kind, *id, newest + 1, &bytes).unwrap_err().to_string();
            assert!(newer.contains(name) && newer.contains("read the journal with a newer one"), "{newer}");
            assert!(aligned_decode(*kind, *id, 0, &bytes).is_err(), "there is no version 0");
            assert!(
                aligned_decode(*kind, *id, written, &bytes[1..]).is_err(),
                "a shorter payload is another payload"
            );
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 0xa5;
                aligned_decode(*kind, *id, written, &changed).ok();
            }
        }
    }
    let error = aligned_decode(Kind::Event, 0x7777, 1, &[]).unwrap_err();
    assert!(error.to_string().contains("0x7777"), "{error}");
}

/// Decodes from a place that is 16-aligned, as it is in a frame; who only asks whether it is valid hears the same.
fn aligned_decode(kind: Kind, id: u16, version: u16, bytes: &[u8]) -> Result<Payload, schema::SchemaError> {
    let mut space = vec![0; bytes.len() + 16];
    let shift = space.as_ptr().align_offset(16);
    space[shift..shift + bytes.len()].copy_from_slice(bytes);
    let bytes = &space[shift..shift + bytes.len()];
    let decoded = schema::decode(kind, id, version, bytes);
    let is_valid = schema::is_valid(kind as u8, id, version, bytes);
    assert_eq!(is_valid, decoded.is_ok(), "{kind:?} {id:#x} version {version}: {bytes:?}");
    decoded
}

fn opaque_frame() -> Vec<Record> {
    let stream = samples::command("stream.appended");
    let digest = samples::event("system.state_digest");
    records(1, [Payload::Command(stream), Payload::Event(digest)])
}

#[test]
fn a_frame_with_an_opaque_part_has_the_bytes_it_always_had() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let records = opaque_frame();
    journal.writer.push_with_opaque(&records[0], b"{\"free\":\"form\"}").unwrap();
    push(&mut journal.writer, &records[1..]);
    journal.writer.close().unwrap();
    let mut reader = Reader::open(dir.path(), Sequence::FIRST).unwrap();
    let frame = reader.next().unwrap().unwrap();
    let lines = frame.bytes.chunks(16).fold(String::new(), |text, line| text + &hex(line) + "\n");
    check("frame-opaque-v2.txt", &lines);
    assert_eq!(frame.opaque(0), Some(&b"{\"free\":\"form\"}"[..]));
}

/// A frame of the old journal: what it holds does not change when types are added.
fn old_frame(next: u64, n: usize) -> Vec<Record> {
    const COMMANDS: [&str; 7] = [
        "market.quote",
        "market.book_delta",
        "signal.strategy_defined",
        "risk.limit_set",
        "order.new",
        "fill.reported",
        "account.defined",
    ];
    const EVENTS: [&str; 5] =
        ["risk.order_refused", "order.accepted", "fill.unmatched", "account.posted", "system.state_digest"];
    let command = Payload::Command(samples::command(COMMANDS[n % COMMANDS.len()]));
    let events = (0..n % 4).map(|place| Payload::Event(samples::event(EVENTS[(n + place) % EVENTS.len()])));
    records(next, std::iter::once(command).chain(events))
}

#[test]
fn an_old_journal_still_opens() {
    const FRAMES: usize = 60;
    let old = fixture("journal-v2");
    if updating() {
        let dir = scratch();
        let mut journal = open(config(dir.path()));
        for n in 0..FRAMES {
            let next = journal.writer.next_sequence().0;
            push(&mut journal.writer, &old_frame(next, n));
        }
        journal.writer.close().unwrap();
        drop(std::fs::remove_dir_all(&old));
        std::fs::create_dir_all(&old).unwrap();
        // Prepared segments and the lock hold nothing that is worth keeping.
        for name in ["000000000001.seg", "durable", "WATERMARKS", "HEADS"] {
            std::fs::copy(dir.path().join(name), old.join(name)).unwrap();
        }
        let head = verified(&old).0.chain_head.head;
        std::fs::write(fixture("journal-v2.head"), format!("{head}\n")).unwrap();
    }
    let dir = scratch();
    copy_dir(&old, dir.path());
    let recovered = recover(config(dir.path())).unwrap();
    assert_eq!((recovered.torn(), recovered.notes()), (None, &[][..]));
    let mut expected = Vec::new();
    let mut next = 1;
    for n in 0..FRAMES {
        expected.push(old_frame(next, n));
        next += 1 + n as u64 % 4;
    }
    assert_eq!(records_of(&read_all(&recovered)), expected);
    let head = std::fs::read_to_string(fixture("journal-v2.head")).unwrap();
    assert_eq!(recovered.chain_head().unwrap().head.to_string(), head.trim_end());
    let mut journal = recovered.open().unwrap();
    push_frames(&mut journal.writer, 5);
    journal.writer.close().unwrap();
    assert_eq!(verified(dir.path()).0.first_difference, None);
}
