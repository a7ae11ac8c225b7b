//! Calls of the kernel that fail or take long, under the real daemon: `strace` puts the fault in and writes a log.
//!
//! After a failed sync, allocation or rename the process must end with code 74 within a second, and every answer that
//! was durable must have a sync of frames that began after it was asked for and ended well before it came. Injected
//! calls are counted by thread, so a low number meets the start and a higher one a thread of the journal.
//! Where `strace` is missing or may trace nobody, the tests say so and are left out.

use crate::client::{Client, order};
use crate::fixture::{examples, tell_skipped};
use crate::is_long;
use crate::live::LiveDaemon;
use crate::process::{Finished, Process, TIMEOUT, records, reexecute};
use crate::told::{Load, Told, differences};
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tickwerk_tests::program;

const PAUSE: Duration = Duration::from_millis(1);
const END_WITHIN_US: u64 = 1_000_000;
const TRACED: &str = "trace=fdatasync,fsync,fallocate,?rename,?renameat,?renameat2,exit_group";
const RENAMES: &str = "?rename,?renameat,?renameat2";

/// A call that the log shows, with times in microseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Call {
    name: String,
    text: String,
    begun: u64,
    ended: u64,
    is_good: bool,
    is_injected: bool,
}

/// The calls in a log of `strace -f -ttt`, where a call that another thread cut in upon takes two lines.
fn calls(log: &str) -> Vec<Call> {
    let mut open: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    let mut found = Vec::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((time, text)) = rest.trim_start().split_once(' ') else { continue };
        let Ok(at) = time.replace('.', "").parse() else { continue };
        if let Some(begun) = text.strip_suffix(" <unfinished ...>") {
            open.insert(thread, (at, begun.to_owned()));
            continue;
        }
        let (begun, text) = match text.strip_prefix("<... ").and_then(|text| text.split_once(" resumed>")) {
            Some((_, rest)) => match open.remove(thread) {
                Some((begun, text)) => (begun, text + rest),
                None => continue,
            },
            None => (at, text.to_owned()),
        };
        let Some((name, _)) = text.split_once('(') else { continue };
        let (name, result) = (name.to_owned(), text.rsplit_once(" = ").map_or("", |(_, result)| result));
        // One line: its own time, and behind the result how long it took.
        let took = result.rsplit_once('<').and_then(|(_, took)| took.strip_suffix('>'));
        let took: u64 = took.and_then(|took| took.replace('.', "").parse().ok()).unwrap_or(0);
        found.push(Call {
            name,
            begun,
            ended: begun + took,
            is_good: result.starts_with('0'),
            is_injected: result.contains("(INJECTED)"),
            text,
        });
    }
    found
}

/// Answers that came without a sync of frames behind them.
fn told_too_early(told: &Told, calls: &[Call]) -> usize {
    let is_sync = |call: &&Call| call.name == "fdatasync" && call.is_good && call.text.contains(".seg>");
    let syncs: Vec<&Call> = calls.iter().filter(is_sync).collect();
    let has_sync = |asked: u64, came: u64| syncs.iter().any(|sync| sync.begun >= asked && sync.ended <= came);
    told.durable.iter().filter(|(asked, came)| !has_sync(*asked, *came)).count()
}

/// A daemon whose calls can be made to fail, and its client.
struct Drill {
    daemon: LiveDaemon,
    told: Told,
}

impl Drill {
    /// `None`, and a line that says so, where nothing can be traced.
    fn new() -> Option<Self> {
        let probe = Command::new("strace").args(["-f", "-D", "-o", "/dev/null", "true"]).output();
        match probe {
            Err(_) => tell_skipped("strace is not installed"),
            Ok(output) if !output.status.success() => tell_skipped("strace may trace nobody here"),
            Ok(_) => {
                let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
                return Some(Self { daemon: LiveDaemon::asleep(&text), told: Told::of("client") });
            }
        }
        None
    }

    fn log(&self) -> PathBuf {
        self.daemon.dir.with_file_name("strace.log")
    }

    fn command(&self, inject: &str) -> Command {
        let mut command = Command::new("strace");
        // The tracer is the grandchild, so that our child is the daemon itself.
        command.args(["-D", "-f", "-qq", "-ttt", "-T", "-y", "-e", "signal=none", "-e", TRACED, "-e"]);
        command.arg(format!("inject={inject}")).arg("-o").arg(self.log()).arg("--").arg(program::path());
        let arguments: Vec<OsString> = self.daemon.arguments(&[]);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn calls(&self) -> Vec<Call> {
        calls(&std::fs::read_to_string(self.log()).expect("strace has written a log"))
    }

    /// Sends `batch` orders at a time until the daemon ends or there are so many answers.
    fn load(&mut self, process: &mut Process, batch: usize, answers: u64) {
        let deadline = Instant::now() + TIMEOUT;
        while process.is_running() && !process.told().contains("control socket") {
            assert!(Instant::now() < deadline, "it does not start: {}", process.told());
            std::thread::sleep(PAUSE);
        }
        let load = Load::default();
        std::thread::scope(|scope| {
            let (told, dir, shared) = (&mut self.told, &self.daemon.dir, &load);
            scope.spawn(move || told.send(batch, dir, shared));
            let is_enough = || load.answers.load(Ordering::Acquire) >= answers;
            while process.is_running() && !is_enough() && Instant::now() < deadline {
                std::thread::sleep(PAUSE);
            }
            load.is_enough.store(true, Ordering::Release);
        });
        assert!(Instant::now() < deadline, "it went on for ever: {}", process.told());
    }

    /// Lets the daemon meet the fault: it must end at once, with nothing told too early.
    fn fails_at(&mut self, inject: &str, batch: usize) -> Finished {
        self.told.durable.clear();
        let mut process = Process::spawn(&mut self.command(inject));
        self.load(&mut process, batch, u64::MAX);
        let ended = process.finish();
        let calls = self.wait_for_end();
        let failed = calls.iter().find(|call| call.is_injected);
        let failed = failed.unwrap_or_else(|| panic!("{inject} was never met: {}", ended.stderr));
        let end = calls.iter().find(|call| call.name == "exit_group").expect("it ends by itself");
        assert!(end.begun - failed.ended <= END_WITHIN_US, "{inject}: it went on for too long");
        assert_eq!(told_too_early(&self.told, &calls), 0, "{inject}");
        ended.expect_told(74, &["error"])
    }

    /// Sends orders until the disk is told to be full.
    fn load_until_full(&mut self, process: &mut Process) {
        process.wait_until_told("control socket");
        let mut client = Client::connect(&self.daemon.dir);
        for count in 0.. {
            if process.told().contains("the disk of the journal is full") {
                return;
            }
            let orders: Vec<_> = (0..64).map(|index| order(&format!("fill-{count}-{index}"))).collect();
            assert!(client.try_send(&orders), "{}", process.told());
            // Once the account has as many open orders as it may, the rest is refused, and journaled all the same.
            for _ in &orders {
                client.reply();
            }
        }
    }

    /// The log is whole when the tracer is gone, which is a moment after the daemon.
    fn wait_for_end(&self) -> Vec<Call> {
        crate::process::wait_for("the end of the log", || {
            let calls = self.calls();
            calls.iter().any(|call| call.name == "exit_group").then_some(calls)
        })
    }

    /// A daemon without faults recovers, serves and ends well, and nothing that was told is missing.
    fn prove(&mut self) {
        self.daemon.start_again(&[]);
        let wrong = {
            Client::connect(&self.daemon.dir).ask_ok(&json!({ "op": "query.orders", "account": "alice" }));
            self.daemon.stop();
            differences(std::slice::from_ref(&self.told), &records(&self.daemon.dir, ""))
        };
        assert!(wrong.is_empty(), "{wrong:#?}");
        reexecute(&self.daemon.dir);
    }
}

#[test]
fn a_sync_that_fails_ends_the_daemon_and_nothing_is_told_after_it() {
    let Some(mut drill) = Drill::new() else { return };
    let all: Vec<u32> = (1..=50).collect();
    let some = [1, 2, 3, 5, 8, 13, 21, 34, 50];
    for count in if is_long() { all } else { some.to_vec() } {
        drill.fails_at(&format!("fdatasync:error=EIO:when={count}"), 1);
    }
    drill.prove();
}

#[test]
fn a_file_that_cannot_be_made_durable_or_named_ends_the_daemon() {
    let counts: &[u32] = if is_long() { &[1, 2, 3, 4, 5, 6, 7] } else { &[1, 3, 5] };
    for count in counts {
        // At the very first start.
        let Some(mut drill) = Drill::new() else { return };
        drill.fails_at(&format!("fsync:error=EIO:when={count}"), 1);
        drill.prove();
    }
    let Some(mut drill) = Drill::new() else { return };
    drill.fails_at("fallocate:error=EIO:when=1", 1);
    drill.fails_at("fallocate:error=ENOSPC:when=1", 1);
    drill.fails_at(&format!("{RENAMES}:error=EIO:when=1"), 1);
    drill.daemon.start_again(&[]);
    drill.daemon.stop();
    // Spares are there, so the next one is made when the segment in use is full.
    for inject in
        ["fallocate:error=EIO:when=1", "fsync:error=EIO:when=8", &format!("{RENAMES}:error=EIO:when=2")]
    {
        drill.fails_at(inject, 64);
    }
    drill.prove();
}

#[test]
fn a_sync_that_fails_while_a_segment_is_compressed_ends_the_daemon_too() {
    let Some(mut drill) = Drill::new() else { return };
    // A segment that can be compressed.
    let sealed = drill.daemon.dir.join("000000000004.seg");
    let mut process = Process::start(drill.daemon.arguments(&[]));
    while !sealed.exists() {
        let answers = 64;
        drill.load(&mut process, 64, answers);
    }
    process.stop().expect(0);
    drill.daemon.reconfigure(|text| text.replace("compress = false", "compress = true"));
    // It is compressed at once, with three syncs; the start has one, and nothing else needs any so soon.
    drill.fails_at("fsync:error=EIO:when=3", 1).expect_told(74, &["compressing a segment failed"]);
    drill.prove();
}

#[test]
fn a_full_disk_at_an_allocation_is_waited_for() {
    let Some(mut drill) = Drill::new() else { return };
    drill.daemon.start_again(&[]);
    drill.daemon.stop();
    let mut process = Process::spawn(&mut drill.command("fallocate:error=ENOSPC:when=1..5"));
    drill.load_until_full(&mut process);
    process.wait_until_told("there is room on the disk again");
    process.stop().expect(0);
    drill.prove();
}

#[test]
fn a_slow_sync_delays_answers_and_one_that_is_told_too_early_is_found_out() {
    const SLOW: &str = "fdatasync:delay_enter=200000";
    let Some(mut drill) = Drill::new() else { return };
    let mut process = Process::spawn(&mut drill.command(SLOW));
    drill.load(&mut process, 1, 10);
    process.stop().expect(0);
    assert!(drill.told.durable.len() >= 10);
    assert_eq!(told_too_early(&drill.told, &drill.wait_for_end()), 0);
    drill.prove();
    if !tickwerk_journal::HAS_FAILPOINTS {
        return;
    }
    drill.told.durable.clear();
    let mut process = Process::spawn(
        drill.command(SLOW).env("TICKWERK_BROKEN", tickwerk_journal::Fault::ReleaseUnwritten.name()),
    );
    drill.load(&mut process, 1, 10);
    process.kill();
    let calls = drill.calls();
    assert!(told_too_early(&drill.told, &calls) > 0, "a daemon that does not wait was not found out");
}

#[test]
fn a_log_is_read_whole_where_threads_cut_in_upon_each_other() {
    let log = "\
7 1795245398.225530 fsync(3</j>) = 0 <0.000100>
8 1795245398.300000 fdatasync(6</j/1.seg> <unfinished ...>
7 1795245398.300100 fallocate(7</j/2.seg.tmp>, 0, 0, 4096) = -1 EIO (Input/output error) (INJECTED) <0.000020>
8 1795245398.400000 <... fdatasync resumed>) = 0 <0.100000>
7 1795245398.500000 exit_group(74) = ?
";
    let calls = calls(log);
    let told: Vec<(&str, u64, bool, bool)> = calls
        .iter()
        .map(|call| (call.name.as_str(), call.ended - call.begun, call.is_good, call.is_injected))
        .collect();
    assert_eq!(
        told,
        [
            ("fsync", 100, true, false),
            ("fallocate", 20, false, true),
            ("fdatasync", 100_000, true, false),
            ("exit_group", 0, false, false),
        ]
    );
    let answer = |asked, came| {
        let mut told = Told::of("client");
        told.durable.push((asked, came));
        told
    };
    let second = 1_795_245_398_000_000;
    assert_eq!(told_too_early(&answer(second + 299_000, second + 401_000), &calls), 0);
    assert_eq!(told_too_early(&answer(second + 299_000, second + 399_000), &calls), 1);
    assert_eq!(told_too_early(&answer(second + 300_001, second + 401_000), &calls), 1);
}
