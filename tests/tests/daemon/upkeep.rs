//! Upkeep beside a running daemon: a copy, rot in a cold segment that is told while trading goes on, and its repair.

use crate::client::{Client, order};
use crate::live::LiveDaemon;
use crate::process::{Process, reexecute, wait_for};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use tickwerk_tests::program;

const BATCH: usize = 100;

fn live() -> String {
    std::fs::read_to_string(crate::fixture::examples().join("live.toml")).expect("an example")
}

/// Places orders until the segment `number` is in use, so that those before it are sealed.
fn fill_up_to(client: &mut Client, dir: &Path, number: u64) {
    let next = dir.join(format!("{:012}.seg", number + 1));
    for batch in 0.. {
        // The one after it is prepared when it is taken into use.
        if next.exists() && is_active(dir, number) {
            return;
        }
        for index in 0..BATCH {
            client.send(&order(&format!("fill-{batch}-{index}")));
        }
        (0..BATCH).for_each(|_| drop(client.reply()));
    }
}

fn is_active(dir: &Path, number: u64) -> bool {
    let path = dir.join(format!("{number:012}.seg"));
    let mut page = [0; 8];
    let file = std::fs::File::open(path);
    file.is_ok_and(|file| file.read_exact_at(&mut page, 8_192).is_ok() && page == *b"TWACTIVE")
}

/// Whether an order is decided and journaled; the account has so many open that it is refused.
fn is_decided(client: &mut Client) -> bool {
    client.ask(&order("after"))["sequence"].is_u64()
}

fn upkeep(client: &mut Client) -> Value {
    client.ask_ok(&json!({ "op": "query.watermarks" }))["upkeep"].take()
}

fn call(words: &[&OsStr]) -> (Option<i32>, String) {
    let output = program::run(words);
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code(), said)
}

fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a segment");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], offset).expect("a byte");
}

#[test]
fn rot_in_a_cold_segment_is_told_while_trading_goes_on_and_is_mended_beside_the_daemon() {
    let mut daemon = LiveDaemon::start_with(&live(), &[("journal.scrub_mib_per_s", "100")]);
    let (dir, copies) = (daemon.dir.clone(), daemon.dir.with_file_name("copies"));
    let mut client = Client::connect(&dir);
    fill_up_to(&mut client, &dir, 3);
    wait_for("a pass over the cold segments", || {
        upkeep(&mut client)["passes"].as_u64().filter(|passes| *passes > 0)
    });
    assert_eq!(upkeep(&mut client)["findings"], json!(0));

    let words: [&OsStr; 3] = ["backup".as_ref(), dir.as_ref(), copies.as_ref()];
    let (code, said) = call(&words);
    assert_eq!(code, Some(0), "{said}");
    flip(&dir.join("000000000001.seg"), 300_000);
    wait_for("the rot to be counted", || (upkeep(&mut client)["findings"] == json!(1)).then_some(()));
    assert!(is_decided(&mut client), "trading goes on");
    let words: [&OsStr; 2] = ["inspect".as_ref(), dir.as_ref()];
    let (code, said) = call(&words);
    assert!(code == Some(3) && said.contains("DAMAGED"), "{said}");

    let words: [&OsStr; 5] =
        ["repair".as_ref(), dir.as_ref(), "--from".as_ref(), copies.as_ref(), "--apply".as_ref()];
    let (code, said) = call(&words);
    assert_eq!(code, Some(0), "{said}");
    daemon.terminate();
    let ended = daemon.ended();
    let ended =
        ended.expect_told(3, &["error: damage in a cold segment", "segment 1 offset", "trading goes on"]);
    assert_eq!(ended.json()["upkeep"]["findings"], json!(1));
    reexecute(&dir);
    daemon.start_again(&[]);
    daemon.stop();
}

#[test]
fn a_daemon_compresses_what_is_cold_and_starts_again_over_it() {
    let sets = [("journal.compress", "true")];
    let mut daemon = LiveDaemon::start_with(&live(), &sets);
    let dir = daemon.dir.clone();
    let mut client = Client::connect(&dir);
    fill_up_to(&mut client, &dir, 3);
    let packed = dir.join("000000000001.seg.zst");
    wait_for("a compressed segment", || {
        (packed.exists() && !dir.join("000000000001.seg").exists()).then_some(())
    });
    assert!(is_decided(&mut client));
    // A backup has its turn while there is more to compress.
    fill_up_to(&mut client, &dir, 7);
    let copies = dir.with_file_name("copies");
    let words: [&OsStr; 3] = ["backup".as_ref(), dir.as_ref(), copies.as_ref()];
    let (code, said) = call(&words);
    assert_eq!(code, Some(0), "{said}");
    daemon.stop();
    reexecute(&dir);
    daemon.start_again(&sets);
    daemon.stop();
    reexecute(&dir);
}

#[test]
fn old_segments_go_beside_a_daemon_that_is_killed_and_starts_again() {
    let mut daemon = LiveDaemon::start_with(&live(), &[]);
    let dir = daemon.dir.clone();
    let mut client = Client::connect(&dir);
    let words: [&OsStr; 3] = ["retain".as_ref(), dir.as_ref(), "--apply".as_ref()];
    fill_up_to(&mut client, &dir, 4);
    let (code, said) = call(&words);
    assert!(code == Some(0) && said.contains("2 are needed") && said.contains("0 of "), "{said}");
    client.ask_ok(&json!({ "op": "snapshot" }));
    fill_up_to(&mut client, &dir, 5);
    client.ask_ok(&json!({ "op": "snapshot" }));
    let (code, said) = call(&words);
    assert!(code == Some(0) && said.contains("went  segment 1"), "{said}");
    assert!(!dir.join("000000000001.seg").exists() && dir.join("FIRST").exists());
    assert!(is_decided(&mut client), "trading goes on");
    daemon.kill();
    daemon.start_again(&[]);
    assert!(is_decided(&mut Client::connect(&dir)));
    daemon.stop();
    let words: [&OsStr; 3] = ["verify".as_ref(), dir.as_ref(), "--reexecute".as_ref()];
    let (code, said) = call(&words);
    assert_eq!(code, Some(0), "{said}");
}

/// A copy is no journal to trade on.
#[test]
fn a_daemon_does_not_open_a_copy() {
    let mut daemon = LiveDaemon::start();
    let (dir, copies) = (daemon.dir.clone(), daemon.dir.with_file_name("copies"));
    let mut client = Client::connect(&dir);
    client.ask_ok(&order("one"));
    daemon.stop();
    let words: [&OsStr; 3] = ["backup".as_ref(), dir.as_ref(), copies.as_ref()];
    assert_eq!(call(&words).0, Some(0));
    let copy = std::fs::read_dir(&copies).expect("copies").map(|entry| entry.expect("an entry").path());
    let copy = copy.into_iter().find(|path| path.is_dir()).expect("a copy");
    let process = Process::start(crate::fixture::run_arguments(
        daemon.config_path(),
        &[("journal.dir", copy.to_str().expect("temporary folders have plain names"))],
    ));
    process.finish().expect_told(78, &["is a copy; `tickwerk restore` makes a journal of it"]);
}
