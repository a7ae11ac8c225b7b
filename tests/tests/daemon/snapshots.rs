//! Snapshots of the daemon: a restart from one ends as a replay from the beginning does, and a bad one harms nobody.

use crate::client::{Client, order};
use crate::fixture::{Bench, Pipe, capture, examples, tell_skipped};
use crate::is_long;
use crate::live::LiveDaemon;
use crate::process::{Process, records, reexecute, run, wait_for, written_through};
use crate::told::{Load, Told, differences};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tickwerk_domain::{Command, Payload, Sequence};
use tickwerk_journal::{
    Fault, FirstKept, HAS_FAILPOINTS, JournalConfig, Reader, inspect, list_snapshots, recover,
};
use tickwerk_tests::program;

const STEPS: u64 = 600;
const LATENCY_NS: u64 = 4_000_000_000;

/// What must be the same in the end.
fn outcome(summary: &Value) -> (Value, Value, Value) {
    let journal = &summary["journal"];
    (summary["digest"].clone(), journal["chain_head"].clone(), journal["last_sequence"].clone())
}

fn snapshots(dir: &Path) -> Vec<(u64, PathBuf)> {
    let files = list_snapshots(dir).expect("a directory");
    files.into_iter().map(|file| (file.sequence.0, file.path)).collect()
}

fn take(client: &mut Client) -> u64 {
    client.ask_ok(&json!({ "op": "snapshot" }))["sequence"].as_u64().expect("a number")
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).expect("a file");
    bytes[offset] ^= 4;
    std::fs::write(path, bytes).expect("a file");
}

fn tickwerk(words: &[&str], dir: &Path) -> crate::process::Finished {
    let (command, rest) = words.split_first().expect("a command");
    let mut all = vec![(*command).into(), dir.as_os_str().to_owned()];
    all.extend(rest.iter().map(Into::into));
    run(all)
}

#[test]
fn a_killed_daemon_goes_on_from_its_snapshot_and_forgets_nothing() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    let reason = |text: &str| {
        json!({
            "op": "limit.set", "instrument": "BTCUSDT", "limit": "order_quantity", "value": "3", "reason": text,
        })
    };
    let before = client.ask_ok(&order("before"))["order_id"].clone();
    client.ask_ok(&reason("a reason with a number of its own"));
    let taken = take(&mut client);
    let after = client.ask_ok(&order("after"))["order_id"].clone();
    let shown = |client: &mut Client, op: &str| client.ask_ok(&json!({ "op": op }));
    let queries = ["query.orders", "query.balances", "query.accounts", "query.limits", "query.books"];
    wait_for("both orders to be new", || {
        let orders = shown(&mut client, "query.orders");
        let all = orders["orders"].as_array().expect("orders");
        (all.len() == 2 && all.iter().all(|order| order["status"] == "new")).then_some(())
    });
    let seen = queries.map(|op| shown(&mut client, op));
    daemon.kill();

    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    assert_eq!(queries.map(|op| shown(&mut client, op)), seen);
    for (name, number) in [("before", before), ("after", after)] {
        let again = client.ask_ok(&order(name));
        assert_eq!((&again["repeated"], &again["order_id"]), (&json!(true), &number), "{name}");
    }
    client.ask_ok(&reason("a reason with a number of its own"));
    client.ask_ok(&reason("another reason"));
    let told = daemon.stop().stderr;
    let restart = format!("behind the snapshot at {taken}, 0 commands of the configuration applied");
    assert!(told.contains(&restart), "{told}");
    assert!(!told.contains("warning"), "{told}");
    reexecute(&daemon.dir);
}

#[test]
fn runs_killed_while_snapshots_are_written_end_as_one_that_was_not() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    let whole = run(bench.arguments(&bench.path("whole"), &[])).expect(0).json();
    let last = whole["journal"]["last_sequence"].as_u64().expect("a number");
    let text = capture(STEPS);
    let journal = bench.journal();
    let often = ("snapshot.every_frames", "20");
    let parts: &[usize] = if is_long() { &[80, 150, 230, 310, 420, 530, 640, 750, 860] } else { &[200, 600] };
    let mut restarts = 0;
    for (number, per_mille) in parts.iter().enumerate() {
        let pipe = Pipe::new(bench.path(&format!("pipe-{number}")));
        let lines = text.lines().count() * per_mille / 1_000;
        let fed = pipe.feed(text.split_inclusive('\n').take(lines).collect());
        let mut process = Process::start(bench.arguments(&journal, &[("feed.path", pipe.name()), often]));
        process.wait_until_written(&journal, last * *per_mille as u64 / 1_000 * 7 / 10);
        wait_for("a snapshot", || (!snapshots(&journal).is_empty()).then_some(()));
        restarts += u64::from(process.told().contains("behind the snapshot"));
        process.kill();
        drop(fed);
    }
    assert_eq!(restarts, parts.len() as u64 - 1, "each restart had a snapshot");
    let resumed = run(bench.arguments(&journal, &[often])).expect(0);
    assert!(resumed.stderr.contains("behind the snapshot"), "{}", resumed.stderr);
    assert_eq!(outcome(&resumed.json()), outcome(&whole));
    assert!(snapshots(&journal).len() <= 2, "two are kept");
    let names =
        std::fs::read_dir(&journal).expect("a directory").map(|entry| entry.expect("an entry").path());
    assert_eq!(names.filter(|path| path.extension().is_some_and(|end| end == "tmp")).count(), 0);
    let proof = tickwerk(&["verify", "--reexecute", "--json"], &journal).expect(0).json();
    let confirmed = proof["snapshots"].as_array().expect("snapshots");
    assert!(confirmed.iter().all(|snapshot| snapshot["confirmed"] == true), "{proof}");
}

/// A closed journal with two snapshots, and what a restart must come to.
fn with_two() -> (LiveDaemon, Vec<(u64, PathBuf)>) {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    for name in ["one", "two"] {
        client.ask_ok(&order(name));
        take(&mut client);
    }
    client.ask_ok(&order("three"));
    daemon.stop();
    let found = snapshots(&daemon.dir);
    assert_eq!(found.len(), 2);
    (daemon, found)
}

/// Starts the daemon again and gives what it said, once it has shown that it knows all orders.
fn told_again(daemon: &mut LiveDaemon) -> String {
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    for name in ["one", "two", "three"] {
        assert_eq!(client.ask_ok(&order(name))["repeated"], true, "{name}");
    }
    daemon.stop().stderr
}

#[test]
fn a_bad_snapshot_gives_way_to_the_older_one_and_then_to_the_whole_journal() {
    let (mut daemon, found) = with_two();
    flip(&found[0].1, 4096 + 200);
    let told = told_again(&mut daemon);
    let reason = format!("the snapshot {} is not used: the hash of the body differs", found[0].1.display());
    assert!(told.contains(&reason), "{told}");
    assert!(told.contains(&format!("behind the snapshot at {}", found[1].0)), "{told}");
    let proof = tickwerk(&["verify", "--json"], &daemon.dir).expect(3).json();
    assert_eq!((&proof["ok"], &proof["first_difference"]), (&json!(false), &Value::Null));
    let bad: Vec<bool> =
        proof["snapshots"].as_array().expect("some").iter().map(|one| one["bad"].is_string()).collect();
    assert_eq!(bad, [true, false]);

    let length = std::fs::metadata(&found[1].1).expect("a file").len();
    let file = std::fs::OpenOptions::new().write(true).open(&found[1].1).expect("a file");
    file.set_len(length - 1).expect("a file can be cut");
    let told = told_again(&mut daemon);
    assert!(told.contains("not used: the file has not the size that its header tells"), "{told}");
    assert!(!told.contains("behind the snapshot"), "{told}");
    assert!(told.contains("0 commands of the configuration applied"), "{told}");
    let shown = tickwerk(&["inspect"], &daemon.dir).expect(0).stdout;
    assert!(shown.contains("BAD: the file has not the size that its header tells"), "{shown}");
}

#[test]
fn a_foreign_snapshot_is_told_and_left_alone() {
    let (mut daemon, found) = with_two();
    let (_other, foreign) = with_two();
    // Newer than everything here.
    let name = "snapshot-00000000000000099999.snap";
    let mut bytes = std::fs::read(&foreign[0].1).expect("a file");
    bytes[32..40].copy_from_slice(&99_999_u64.to_le_bytes());
    bytes[88..96].fill(0);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..4096]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(daemon.dir.join(name), bytes).expect("a file");
    let told = told_again(&mut daemon);
    assert!(told.contains(&format!("{name} is not used: it is of another journal")), "{told}");
    assert!(told.contains(&format!("behind the snapshot at {}", found[0].0)), "{told}");
}

#[test]
fn a_state_that_is_not_the_one_it_tells_is_not_used() {
    let (mut daemon, found) = with_two();
    let mut bytes = std::fs::read(&found[0].1).expect("a file");
    bytes[64] ^= 1;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..4096]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&found[0].1, &bytes).expect("a file");
    let told = told_again(&mut daemon);
    assert!(told.contains("is not used: the state in it has the digest"), "{told}");
    assert!(told.contains(&format!("behind the snapshot at {}", found[1].0)), "{told}");

    bytes[64] ^= 1;
    bytes[80] += 1;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..4096]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&found[0].1, &bytes).expect("a file");
    let told = told_again(&mut daemon);
    assert!(told.contains("is not used: its state is of version"), "{told}");
    // Another build's snapshot is no fault of the journal.
    tickwerk(&["verify", "--reexecute"], &daemon.dir).expect(0);
}

#[test]
fn a_snapshot_that_knows_more_than_the_journal_holds_refuses_the_start() {
    let (daemon, found) = with_two();
    let place = {
        let mut reader = Reader::open(&daemon.dir, Sequence(found[0].0)).expect("a journal");
        reader.next().expect("a frame").expect("a frame").place
    };
    for name in ["durable", "HEADS"] {
        std::fs::remove_file(daemon.dir.join(name)).expect("a file");
    }
    let path = daemon.dir.join(format!("{:012}.seg", place.segment));
    let mut bytes = std::fs::read(&path).expect("a segment");
    bytes[usize::try_from(place.offset).expect("a small number")..].fill(0);
    std::fs::write(&path, bytes).expect("a segment");
    let config = daemon.config_path();
    let dir = daemon.dir.to_str().expect("temporary folders have plain names").to_owned();
    let refused = run(crate::fixture::run_arguments(config, &[("journal.dir", &dir)]));
    refused.expect_told(3, &[&format!("a snapshot knows {}", found[0].0), "nothing was changed"]);
}

#[test]
fn a_journal_goes_on_without_its_beginning_while_a_snapshot_stands_for_it() {
    let bench = Bench::with_capture(4 * STEPS, LATENCY_NS);
    let journal = bench.journal();
    let whole = run(bench.arguments(&bench.path("whole"), &[])).expect(0).json();
    run(bench.arguments(&journal, &[])).expect(0);
    let taken = tickwerk(&["snapshot", "--json"], &journal).expect(0).json();
    assert_eq!(
        (&taken["digest"], &taken["sequence"]),
        (&whole["digest"], &whole["journal"]["last_sequence"])
    );
    let name = format!("snapshot-{:020}.snap.tmp", taken["sequence"].as_u64().expect("a number"));
    std::fs::create_dir(journal.join(&name)).expect("a folder in its way");
    tickwerk(&["snapshot"], &journal).expect_told(74, &["no snapshot was written", &name]);
    std::fs::remove_dir(journal.join(&name)).expect("an empty folder");
    let found = inspect(&journal).expect("a journal");
    let used: Vec<_> = found.segments.iter().filter(|segment| segment.frames > 0).collect();
    assert!(used.len() >= 3, "{} segments", used.len());
    let block = taken["sequence"].as_u64().expect("a number") / 4096 * 4096;
    let kept = used.iter().rfind(|segment| segment.first_sequence.0 <= block + 1).expect("a segment");
    assert!(kept.number > 1);
    FirstKept { journal: found.journal, segment: kept.number, sequence: kept.first_sequence }
        .write(&journal)
        .expect("a file");
    for number in 1..kept.number {
        std::fs::remove_file(journal.join(format!("{number:012}.seg"))).expect("a segment");
    }
    let resumed = run(bench.arguments(&journal, &[])).expect(0).json();
    assert_eq!(outcome(&resumed), outcome(&whole));
    let proof = tickwerk(&["verify", "--reexecute", "--json"], &journal).expect(0).json();
    assert_eq!(proof["first_sequence"], kept.first_sequence.0);
    let kept_from = format!("the journal is kept from record {} on", kept.first_sequence);
    let part = tickwerk(&["replay", "--to", &kept.first_sequence.to_string()], &journal);
    assert_eq!(part.expect_told(0, &["note: ", &kept_from]).stdout.lines().count(), 1);
    let gone = tickwerk(&["replay", "--from", "5", "--to", "10"], &journal);
    assert_eq!(gone.expect_told(1, &["error: ", &kept_from]).stdout, "");
    let behind = tickwerk(&["replay", "--from", &kept.first_sequence.to_string()], &journal).expect(0);
    assert_eq!(behind.stderr, "");

    std::fs::remove_file(&snapshots(&journal)[0].1).expect("a file");
    let refused = run(bench.arguments(&journal, &[]));
    refused.expect_told(3, &["the journal is kept from sequence", "put back a snapshot"]);
}

#[test]
fn a_follower_of_its_own_sees_what_the_daemon_says() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    client.ask_ok(&order("rests"));
    let args = ["--until-closed", "--json", "--snapshots", "--every-frames", "5"];
    let mut all = vec!["follow".into(), daemon.dir.clone().into_os_string()];
    all.extend(args.map(Into::into));
    let mut beside = Process::start(all);
    beside.wait_until_told("snapshot at");
    let asked = client.ask_ok(&json!({ "op": "query.balances" }));
    let read = tickwerk(&["follow", "--query", "balances"], &daemon.dir).expect(0).json();
    assert_eq!(read["result"], asked);
    assert!(read["sequence"].as_u64() <= Some(written_through(&daemon.dir)));
    assert!(beside.is_running());
    let summary = daemon.stop().json();
    let finished = beside.finish().expect(0);
    let end: Value = serde_json::from_str(finished.stdout.lines().last().expect("a position")).expect("JSON");
    assert_eq!((&end["digest"], &end["lag"]), (&summary["digest"], &json!(0)));
    assert!(snapshots(&daemon.dir).len() <= 2);
    daemon.start_again(&[]);
    assert!(daemon.stop().stderr.contains("behind the snapshot"));
}

#[test]
fn a_journal_that_was_decided_otherwise_is_an_alarm() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    run(bench.arguments(&bench.journal(), &[])).expect(0);
    // As whole as any journal, but with an amount that nobody sent.
    let other = bench.path("other");
    let mut journal = recover(JournalConfig::new(&other)).expect("a directory").open().expect("a journal");
    let mut reader = Reader::open(&bench.journal(), Sequence::FIRST).expect("a journal");
    while let Some(frame) = reader.next().expect("a frame") {
        for record in frame.records {
            let mut record = *record;
            if let Payload::Command(Command::CashTransferred(transfer)) = &mut record.payload {
                transfer.amount = tickwerk_domain::Money::ZERO;
            }
            journal.writer.push(&record).expect("it is taken");
        }
    }
    journal.writer.close().expect("it closes");
    tickwerk(&["verify"], &other).expect(0);
    let told = tickwerk(&["follow", "--until-closed"], &other);
    told.expect_told(3, &["the journal does not re-execute"]);
}

#[test]
fn a_daemon_whose_journal_tells_another_state_raises_an_alarm_and_answers_nothing_more() {
    if !HAS_FAILPOINTS {
        return tell_skipped("this build has no failpoints");
    }
    let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
    let daemon = LiveDaemon::asleep(&text);
    let mut command = program::command(&daemon.arguments(&[]));
    let mut process = Process::spawn(command.env("TICKWERK_BROKEN", Fault::WrongDigest.name()));
    process.wait_until_told("control socket");
    // Until it dies: a digest is journaled each 10,000 frames.
    let mut told = Told::of("client");
    told.send(64, &daemon.dir, &Load::default());
    let ended = process.finish();
    let alarm = ["ALARM: the follower found a difference", "acknowledgements end here"];
    let ended = ended.expect_told(3, &alarm);
    assert_eq!(ended.stdout, "", "no summary follows");

    // What was told before is in the journal, the wrong digest is where the alarm says, and nobody goes on from there.
    assert_eq!(differences(&[told], &records(&daemon.dir, "")), [] as [&str; 0]);
    let wrong = crate::process::records_of(&daemon.dir, "system.state_digest")[0]["sequence"].clone();
    assert!(ended.stderr.contains(&format!("sequence {wrong}: ")), "{wrong}: {}", ended.stderr);
    let proof = tickwerk(&["verify", "--reexecute", "--json"], &daemon.dir).expect(3).json();
    assert_eq!(proof["first_difference"]["sequence"], wrong, "{proof}");
    tickwerk(&["follow", "--until-closed"], &daemon.dir).expect_told(3, &["does not re-execute"]);
    run(daemon.arguments(&[])).expect_told(3, &[&format!("sequence {wrong}: ")]);
}
