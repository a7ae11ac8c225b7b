//! A process that dies at each named place, one after the other, under load: nothing that was told is lost or doubled.
//!
//! Every failpoint has a [`Way`] in which it is come to, and one that is never reached fails. Clients keep a list of what
//! they were told, over all daemons of one journal; in the end the journal must hold it, once, and decide it again.

use crate::client::{Client, order};
use crate::fixture::{examples, tell_skipped};
use crate::is_long;
use crate::live::LiveDaemon;
use crate::process::{Finished, Process, TIMEOUT, records, reexecute, run};
use crate::told::{Load, Told, differences};
use serde_json::json;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tickwerk_journal::format::FRAMES_OFFSET;
use tickwerk_journal::{Failpoint, Fault, HAS_FAILPOINTS, inspect};
use tickwerk_tests::program;

const WRITTEN: &str = "written";
const DURABLE: &str = "durable";
const CLIENTS: usize = 2;
const BATCH: usize = 64;
/// Answers before a daemon is stopped or killed from outside.
const ANSWERS: u64 = 40;
const PAUSE: Duration = Duration::from_millis(1);
/// Looks one after the other that find no new answer before a daemon counts as stuck.
const STUCK_LOOKS: u32 = 300;
/// Daemons that may write nothing but reports just then.
const TRIES: u32 = 20;

/// How a failpoint is come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Under load, for the N-th time, acknowledged when this is reached.
    Load(u64, &'static str),
    /// At the start behind a kill.
    Start,
    /// At the start over a tail that is torn.
    Torn,
    /// At the very first start.
    Birth,
    /// At a clean stop.
    Stop,
    /// While old segments go.
    Retain,
}

fn way(point: Failpoint) -> Way {
    use Failpoint as P;
    match point {
        // What happens seldom is come to at once, and half of it with each acknowledgement.
        P::PrepareCreate
        | P::PrepareZero
        | P::PrepareHeader
        | P::PrepareRename
        | P::PrepareDone
        | P::RotateDone
        | P::SnapshotWrite
        | P::SnapshotRename
        | P::SnapshotDone
        | P::SnapshotRemoved
        | P::CompressRemove
        | P::CompressDone => Way::Load(1, WRITTEN),
        P::PrepareAllocate
        | P::PrepareSync
        | P::PrepareHeaderSync
        | P::PrepareDirSync
        | P::RotateActivate
        | P::SnapshotCreate
        | P::SnapshotSync
        | P::SnapshotDirSync
        | P::SnapshotRemove
        | P::CompressCreate
        | P::CompressRename => Way::Load(1, DURABLE),
        // The first is at the start.
        P::HeadsWrite | P::HeadsDone | P::MarkSync => Way::Load(2, WRITTEN),
        P::HeadsSync | P::MarkWrite | P::MarkDone => Way::Load(2, DURABLE),
        // What happens all the time.
        P::FramePublish | P::FrameTold => Way::Load(700, WRITTEN),
        P::ReplySent => Way::Load(100, WRITTEN),
        P::FrameWritten | P::FlushWrite | P::SyncData | P::SyncTell | P::SyncDone => Way::Load(30, DURABLE),
        P::RequestTaken | P::ReplyReady => Way::Load(100, DURABLE),
        P::SealWrite | P::CloseSync | P::CloseSeal | P::CloseFinish | P::CloseDone => Way::Stop,
        P::RecoverForget
        | P::RecoverTemporaries
        | P::RecoverDirSync
        | P::RecoverMarks
        | P::KeptWrite
        | P::KeptSync
        | P::KeptDone => Way::Start,
        P::TornAside | P::TornCopy | P::TornCopySync | P::TornZero | P::TornSync | P::TornDone => Way::Torn,
        P::ActivateFirst | P::ActivateSync | P::ReplaceRename => Way::Birth,
        P::FirstCreate | P::FirstRename | P::FirstDirSync | P::RetainRemove | P::RetainDirSync => Way::Retain,
    }
}

/// Everything that happens by itself happens often.
fn config() -> String {
    let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
    text.replace("compress = false", "compress = true")
}

const OFTEN: &[(&str, &str)] = &[("snapshot.every_frames", "1500"), ("snapshot.every_s", "0")];

struct Drill {
    daemon: LiveDaemon,
    told: Vec<Told>,
}

impl Drill {
    fn new() -> Self {
        let told = (0..CLIENTS).map(|client| Told::of(&format!("client-{client}"))).collect();
        Self { daemon: LiveDaemon::asleep(&config()), told }
    }

    fn spawn(&self, failpoint: Option<&str>, acknowledge: &str) -> Process {
        let sets = [OFTEN, &[("journal.acknowledge", acknowledge)]].concat();
        let mut command = program::command(&self.daemon.arguments(&sets));
        command.envs(failpoint.map(|failpoint| ("TICKWERK_FAILPOINT", failpoint)));
        Process::spawn(&mut command)
    }

    /// Sends until the daemon is dead, or `enough` says so of the number of answers.
    fn load(&mut self, process: &mut Process, enough: impl Fn(u64) -> bool) {
        self.load_until(process, false, |load| enough(load.answers.load(Ordering::Acquire)));
    }

    /// As [`Drill::load`]; a daemon that may be stuck is killed then, as clients would wait for it.
    fn load_until(&mut self, process: &mut Process, kills: bool, mut is_enough: impl FnMut(&Load) -> bool) {
        let (load, dir) = (Load::default(), &self.daemon.dir);
        let deadline = Instant::now() + TIMEOUT;
        while process.is_running() && !process.told().contains("control socket") {
            assert!(Instant::now() < deadline, "it does not start: {}", process.told());
            std::thread::sleep(PAUSE);
        }
        std::thread::scope(|scope| {
            for told in &mut self.told {
                let load = &load;
                scope.spawn(move || told.send(BATCH, dir, load));
            }
            while process.is_running() && !is_enough(&load) {
                if Instant::now() >= deadline {
                    break;
                }
                std::thread::sleep(PAUSE);
            }
            load.is_enough.store(true, Ordering::Release);
            if kills {
                process.kill_now();
            }
        });
        assert!(Instant::now() < deadline, "the place was never reached: {}", process.told());
    }

    /// A daemon that serves for a while and is then killed from outside.
    fn serve_and_kill(&mut self) {
        let mut process = self.spawn(None, WRITTEN);
        let dir = self.daemon.dir.clone();
        self.load(&mut process, |answers| answers >= ANSWERS && has_spare(&dir));
        process.kill();
    }

    /// Lets a daemon die at the place.
    fn die_at(&mut self, point: Failpoint, way: Way) {
        let name = point.name();
        let died = match way {
            Way::Load(count, acknowledge) => {
                let mut process = self.spawn(Some(&format!("{name}:{count}")), acknowledge);
                self.load(&mut process, |_| false);
                process.finish()
            }
            Way::Start | Way::Torn | Way::Birth => {
                if way != Way::Birth {
                    self.serve_and_kill();
                }
                // A segment that is full, or has none behind it yet, is filled further and killed again.
                let mut tries = 0;
                while way == Way::Torn && !tear(&self.daemon.dir) {
                    tries += 1;
                    assert!(tries < TRIES, "{name}: no segment has room for a torn tail");
                    self.serve_and_kill();
                }
                self.spawn(Some(name), DURABLE).finish()
            }
            Way::Stop => {
                let mut process = self.spawn(Some(name), DURABLE);
                self.load(&mut process, |answers| answers >= ANSWERS);
                // At an idle moment it may have died already.
                if process.is_running() {
                    process.terminate();
                }
                process.finish()
            }
            Way::Retain => retain(&self.daemon.dir, name),
        };
        assert_killed(name, &died);
    }

    /// The last orders that were told keep their numbers, though the records of the first are gone.
    fn prove_by_repeating(&self) {
        let mut process = self.spawn(None, DURABLE);
        process.wait_until_told("control socket");
        let mut client = Client::connect(&self.daemon.dir);
        for (name, number) in self.told.iter().flat_map(|told| told.orders.iter().rev().take(20)) {
            let again = client.ask_ok(&order(name));
            assert_eq!((&again["repeated"], &again["order_id"]), (&json!(true), &json!(number)), "{name}");
        }
        process.stop().expect(0);
    }

    /// Nothing that was told is missing from the journal.
    fn prove(&mut self) {
        let mut process = self.spawn(None, DURABLE);
        self.load(&mut process, |answers| answers >= ANSWERS);
        process.stop().expect(0);
        let wrong = differences(&self.told, &records(&self.daemon.dir, ""));
        assert!(wrong.is_empty(), "{wrong:#?}");
        reexecute(&self.daemon.dir);
    }
}

#[track_caller]
fn assert_killed(name: &str, died: &Finished) {
    // A signal leaves no code.
    assert_eq!(died.code, None, "{name} was never reached: {}{}", died.stdout, died.stderr);
    assert!(!died.stderr.contains("panicked"), "{name}: {}", died.stderr);
}

fn retain(dir: &Path, failpoint: &str) -> Finished {
    let arguments: [OsString; 3] = ["retain".into(), dir.into(), "--apply".into()];
    Process::spawn(program::command(&arguments).env("TICKWERK_FAILPOINT", failpoint)).finish()
}

/// Whether a segment is ready behind the one in use.
fn has_spare(dir: &Path) -> bool {
    inspect(dir).is_ok_and(|found| found.segments.last().is_some_and(|last| last.frames == 0))
}

/// Leaves behind the last frame, and in the segment after it, what a loss of power might. Nothing, and `false`, where there
/// is no place for it: no writer wrote past the end of a segment, or into one that was not there.
fn tear(dir: &Path) -> bool {
    let torn = [0xA5; 300];
    let found = inspect(dir).expect("a journal");
    let last = found.segments.iter().rfind(|segment| segment.frames > 0).expect("frames");
    let start = FRAMES_OFFSET as u64;
    let end = start + last.used_bytes;
    let has_spare = found.segments.iter().any(|segment| segment.number > last.number);
    if !has_spare || last.size_bytes < end + torn.len() as u64 {
        return false;
    }
    for (number, offset) in [(last.number, end), (last.number + 1, start)] {
        let path = dir.join(format!("{number:012}.seg"));
        let file = OpenOptions::new().write(true).open(path).expect("a segment");
        file.write_all_at(&torn, offset).expect("a segment can be written");
    }
    true
}

fn points(wanted: impl Fn(Way) -> bool) -> Vec<(Failpoint, Way)> {
    let all = Failpoint::ALL.iter().map(|point| (*point, way(*point)));
    all.filter(|(_, way)| wanted(*way)).collect()
}

fn has_failpoints() -> bool {
    if !HAS_FAILPOINTS {
        tell_skipped("this build has no failpoints");
    }
    HAS_FAILPOINTS
}

/// Dies at each of the places in turn, over one journal; several times in the long form.
fn drill(wanted: impl Fn(Way) -> bool) {
    if !has_failpoints() {
        return;
    }
    let mut drill = Drill::new();
    drill.serve_and_kill();
    for _ in 0..if is_long() { 10 } else { 1 } {
        for (point, way) in points(&wanted) {
            drill.die_at(point, way);
        }
    }
    drill.prove();
}

#[test]
fn a_daemon_that_dies_at_any_place_of_its_writing_loses_and_doubles_nothing() {
    drill(|way| matches!(way, Way::Load(_, WRITTEN)));
}

#[test]
fn a_daemon_that_dies_at_any_place_of_its_syncing_loses_and_doubles_nothing() {
    drill(|way| matches!(way, Way::Load(_, DURABLE)));
}

#[test]
fn a_daemon_that_dies_at_its_start_or_its_end_loses_and_doubles_nothing() {
    drill(|way| matches!(way, Way::Start | Way::Torn | Way::Stop));
}

#[test]
fn the_very_first_start_may_die_at_any_place() {
    if !has_failpoints() {
        return;
    }
    let first =
        [Failpoint::RecoverDirSync, Failpoint::RecoverMarks, Failpoint::MarkWrite, Failpoint::MarkDone];
    let prepared = points(|way| matches!(way, Way::Load(1, _)));
    let prepared =
        prepared.iter().map(|(point, _)| *point).filter(|point| point.name().starts_with("prepare."));
    let born = points(|way| way == Way::Birth);
    let all = born.iter().map(|(point, _)| *point).chain(first).chain(prepared);
    for point in all {
        let mut drill = Drill::new();
        let config = config().replace("[engine]\n", "replicator = \"standby\"\n[engine]\n");
        drill.daemon.reconfigure(|_| config.clone());
        drill.die_at(point, Way::Birth);
        drill.prove();
    }
}

#[test]
fn segments_that_go_may_be_cut_off_at_any_place() {
    if !has_failpoints() {
        return;
    }
    let mut drill = Drill::new();
    for (point, way) in points(|way| way == Way::Retain) {
        // Two snapshots behind a segment, so that it may go.
        let mut process = drill.spawn(None, WRITTEN);
        let dir = drill.daemon.dir.clone();
        drill.load(&mut process, |_| may_go(&dir));
        process.stop().expect(0);
        drill.die_at(point, way);
        run(["verify".into(), dir.into_os_string()]).expect(0);
        // What was answered before is known still, though its records are gone: the same names have the same numbers.
        drill.prove_by_repeating();
    }
}

/// Whether `retain` would let a segment go.
fn may_go(dir: &Path) -> bool {
    let planned = run(["retain".into(), dir.as_os_str().to_owned(), "--plan".into(), "--json".into()]);
    planned.code == Some(0) && planned.stdout.contains("\"goes\":true")
}

#[test]
fn a_daemon_that_tells_before_it_has_written_is_found_out() {
    if !has_failpoints() {
        return;
    }
    let is_found_out = (0..TRIES).any(|attempt| {
        let mut drill = Drill::new();
        let mut command = program::command(&drill.daemon.arguments(&[("journal.acknowledge", "durable")]));
        // The journal thread stays before it writes some frames, and the daemon answers all the same. Whether there is
        // an order among these frames is a matter of chance: what the venue reports is written in the same way.
        let hold = format!("{}:{}:hold", Failpoint::FlushWrite.name(), 20 + attempt);
        command.env("TICKWERK_FAILPOINT", hold).env("TICKWERK_BROKEN", Fault::ReleaseUnwritten.name());
        let mut process = Process::spawn(&mut command);
        let (mut answers, mut looks) = (0, 0);
        drill.load_until(&mut process, true, |load| {
            let now = load.answers.load(Ordering::Acquire);
            looks = if now == answers { looks + 1 } else { 0 };
            answers = now;
            answers > 0 && looks >= STUCK_LOOKS
        });
        process.finish();
        let mut process = drill.spawn(None, DURABLE);
        process.wait_until_told("control socket");
        process.stop().expect(0);
        let wrong = differences(&drill.told, &records(&drill.daemon.dir, ""));
        wrong.iter().any(|wrong| wrong.ends_with("is lost"))
    });
    assert!(is_found_out, "a daemon that does not wait was not found out");
}

#[test]
fn a_failpoint_that_does_not_exist_is_refused() {
    let mut command = program::command(&["inspect", "nowhere"]);
    let unknown = Process::spawn(command.env("TICKWERK_FAILPOINT", "sync.dta:3")).finish();
    let expected = if HAS_FAILPOINTS { "is no failpoint" } else { "this build has no failpoints" };
    unknown.expect_told(78, &["TICKWERK_FAILPOINT", expected]);
    let mut command = program::command(&["inspect", "nowhere"]);
    let unknown = Process::spawn(command.env("TICKWERK_BROKEN", "wrong")).finish();
    let expected = if HAS_FAILPOINTS { "write one of release-unwritten, wrong-digest" } else { expected };
    unknown.expect_told(78, &["TICKWERK_BROKEN", expected]);
}
