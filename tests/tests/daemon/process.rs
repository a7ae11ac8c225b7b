//! A daemon as a child process: started, watched, told to stop, killed. It never outlives its test.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tickwerk_journal::StoredWatermarks;
use tickwerk_tests::program;

/// Far more than anything that is waited for takes on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_micros(200);

/// Looks until there is something; panics, naming what was waited for, when it does not come.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {TIMEOUT:?} in vain for {what}");
        thread::sleep(PAUSE);
    }
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Requires an exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Requires an exit code and a text on stderr.
    #[track_caller]
    pub(crate) fn expect_told(self, code: i32, texts: &[&str]) -> Self {
        let told = self.expect(code);
        for text in texts {
            assert!(told.stderr.contains(text), "{text:?} is not in: {}", told.stderr);
        }
        assert!(!told.stderr.contains("panicked"), "{}", told.stderr);
        told
    }

    /// The one JSON object on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}; stdout: {}\nstderr: {}", self.stdout, self.stderr))
    }
}

/// A running process of the binary.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdout: Receiver<String>,
    stderr: Arc<Mutex<String>>,
    stderr_end: Receiver<()>,
}

impl Process {
    pub(crate) fn start<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        Self::spawn(&mut program::command(&arguments))
    }

    /// Starts what was put together, its output piped.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let (sender, stdout) = channel();
        let mut pipe = child.stdout.take().expect("stdout is piped");
        thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).expect("stdout is text");
            sender.send(text).ok();
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let (sender, stderr_end) = channel();
        let (pipe, told) = (child.stderr.take().expect("stderr is piped"), Arc::clone(&stderr));
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut told = told.lock().expect("no reader panics");
                told.push_str(&line);
                told.push('\n');
            }
            sender.send(()).ok();
        });
        Self { child, stdout, stderr, stderr_end }
    }

    /// What it said on stderr so far.
    pub(crate) fn told(&self) -> String {
        self.stderr.lock().expect("no reader panics").clone()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// Waits until it has said `text` on stderr.
    #[track_caller]
    pub(crate) fn wait_until_told(&mut self, text: &str) {
        let deadline = Instant::now() + TIMEOUT;
        while !self.told().contains(text) {
            assert!(self.is_running(), "it ended before it said {text:?}: {}", self.told());
            assert!(Instant::now() < deadline, "waited {TIMEOUT:?} in vain for {text:?}: {}", self.told());
            thread::sleep(PAUSE);
        }
    }

    /// Waits until the journal in `dir` is written through `sequence`; it may have ended by then.
    #[track_caller]
    pub(crate) fn wait_until_written(&mut self, dir: &Path, sequence: u64) {
        wait_for(&format!("sequence {sequence}"), || {
            let reached = written_through(dir) >= sequence;
            (reached || !self.is_running()).then_some(())
        });
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a child can be signalled");
    }

    /// SIGKILL.
    pub(crate) fn kill_now(&mut self) {
        self.child.kill().expect("a child can be killed");
    }

    /// SIGKILL, and the end of it.
    pub(crate) fn kill(mut self) -> Finished {
        self.child.kill().expect("a child can be killed");
        self.finish()
    }

    /// SIGTERM, and the end of it.
    #[track_caller]
    pub(crate) fn stop(self) -> Finished {
        self.terminate();
        self.finish()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Finished {
        let status =
            wait_for("the end of the process", || self.child.try_wait().expect("a child can be asked"));
        let stdout = self.stdout.recv_timeout(TIMEOUT).expect("stdout ends with the process");
        self.stderr_end.recv_timeout(TIMEOUT).expect("stderr ends with the process");
        Finished { code: status.code(), stdout, stderr: self.told() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs the binary to its end.
#[track_caller]
pub(crate) fn run<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Finished {
    Process::start(arguments).finish()
}

/// How far the journal in `dir` is written; 0 where there is none yet.
pub(crate) fn written_through(dir: &Path) -> u64 {
    StoredWatermarks::read(dir).ok().flatten().map_or(0, |stored| stored.written_through.0)
}

/// Every decision again; panics unless each comes out the same.
#[track_caller]
pub(crate) fn reexecute(dir: &Path) -> Value {
    let verdict = run(["verify".into(), dir.as_os_str().to_owned(), "--reexecute".into(), "--json".into()]);
    let report = verdict.expect(0).json();
    assert_eq!((&report["ok"], &report["reexecuted"]), (&true.into(), &true.into()), "{report}");
    report
}

/// Every record of the journal in `dir` as the binary tells it, of these families (all, where none is named).
#[track_caller]
pub(crate) fn records(dir: &Path, families: &str) -> Vec<Value> {
    let mut arguments: Vec<OsString> = vec!["replay".into(), dir.into(), "--format".into(), "ndjson".into()];
    if !families.is_empty() {
        arguments.extend(["--only".into(), families.into()]);
    }
    let told = run(arguments).expect(0);
    told.stdout.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
}

/// The records of a type in the journal in `dir`.
#[track_caller]
pub(crate) fn records_of(dir: &Path, event_type: &str) -> Vec<Value> {
    let (family, _) = event_type.split_once('.').expect("a family and a name");
    records(dir, family).into_iter().filter(|record| record["event_type"] == event_type).collect()
}

/// The reasons that the journal in `dir` gives for anything.
#[track_caller]
pub(crate) fn reasons_in(dir: &Path) -> BTreeSet<String> {
    let all = records(dir, "order,risk,system,fill").into_iter();
    all.filter_map(|record| record["payload"]["reason"].as_str().map(ToOwned::to_owned)).collect()
}
