//! The runs: who hands what to whom, and what must hold whichever way it goes.

use super::bell::Bell;
use super::crew::Crew;
use super::mmap::{SegmentView, lay_out};
use super::prepare::Spare;
use super::reader;
use super::sync::{AtomicU64, Ordering, channel};
use super::syncing::{Stage, SyncRequests, Syncing, Unsynced};
use super::tail::{Follow, Tail};
use super::watermarks::Watermarks;
use super::writer::{Start, Writer};
use crate::chain::{ChainHead, Head};
use crate::config::SyncPolicy;
use crate::durable::{self, DurableFile};
use crate::failure::Failure;
use crate::format::JournalId;
use crate::simulation::broken::{self, Broken};
use crate::simulation::disk::SimulatedDisk;
use crate::storage::{self, mounts};
use loom::thread;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tickwerk_domain::command::TimeAdvanced;
use tickwerk_domain::{Command, Envelope, Payload, Record, Sequence, TimeNs};

const DIR: &str = "/model";
const JOURNAL: JournalId = JournalId([7; 16]);
/// Switches of threads at moments that the code did not ask for.
const PREEMPTIONS: usize = 3;

/// Steps that the sync thread needs at most for what two frames leave behind.
const STEPS_MAX: usize = 12;
/// Pages lie on the stack here and there.
const STACK_SIZE: usize = 512 * 1024;

/// Tries `run` in every way.
fn check(run: fn()) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS);
    model.check(move || spawn(run).join().expect("a run that goes wrong panics here"));
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::Builder::new().stack_size(STACK_SIZE).spawn(work).expect("a thread of the model")
}

/// Whether a run with a fault in the code goes wrong in any way.
fn is_found(fault: Broken, run: fn()) -> bool {
    let found = catch_unwind(AssertUnwindSafe(|| broken::with(Some(fault), || check(run)))).is_err();
    broken::with(None, || {});
    found
}

fn watermarks() -> Watermarks {
    mounts::mount(Path::new(DIR), Arc::new(SimulatedDisk::new(1)));
    storage::of(Path::new(DIR)).create_dir(Path::new(DIR)).expect("an empty disk");
    Watermarks::create(Path::new(DIR), JOURNAL, Sequence::NONE, None, None, None).expect("an empty disk")
}

/// What a journal has of threads, none of them started.
struct Parts {
    writer: Writer,
    syncing: Syncing,
    marks: Watermarks,
    /// Of the first segment.
    view: SegmentView,
}

/// A journal of two segments, of `frames` frames each.
fn parts(frames: usize) -> Parts {
    let marks = watermarks();
    let segments = lay_out(2, frames);
    let mut spares: VecDeque<Spare> = segments.iter().map(Spare::of).collect();
    let active = spares.pop_front().expect("two segments");
    let view = active.view.clone();
    let ((uses, taken_into_use), (_, blocks)) = (channel(), channel());
    let requests: Arc<SyncRequests> = Arc::default();
    let syncing = Syncing {
        dir: DIR.into(),
        policy: SyncPolicy::Continuous,
        segments: VecDeque::from([Unsynced::new(view.clone())]),
        taken_into_use,
        blocks,
        marks: marks.clone(),
        requests: Arc::clone(&requests),
        durable: DurableFile::open(Path::new(DIR), JOURNAL, 0).expect("an empty disk"),
        heads: None,
        stored_block: ChainHead::default(),
        pending: VecDeque::new(),
        marked: Sequence::NONE,
        synced_bytes: 0,
        stage: Stage::Look,
        mark_due: false,
    };
    let crew = Crew { dir: DIR.into(), segment_size: 64 * 1024, requests, uses, spares };
    let start = Start {
        active,
        journal: JOURNAL,
        epoch: 1,
        next: Sequence::FIRST,
        last_time: TimeNs(1),
        bytes_before: 0,
        sealed: false,
    };
    Parts { writer: Writer::new(start, marks.clone(), crew), syncing, marks, view }
}

fn push(writer: &mut Writer) {
    let sequence = writer.next_sequence();
    let envelope =
        Envelope { sequence, time_ns: TimeNs(9), flags: Envelope::LAST_OF_FRAME, ..Envelope::default() };
    let payload = Payload::Command(Command::TimeAdvanced(TimeAdvanced { due: TimeNs(sequence.0) }));
    writer.push(&Record { envelope, payload }).expect("the record is the next one");
}

/// Reads what there is.
fn drain(tail: &mut Tail, follow: Follow) {
    while let Some(frame) = tail.next(follow).expect("no damage") {
        let [record] = frame.records else { panic!("a frame of one record") };
        let due = TimeNs(record.envelope.sequence.0);
        assert_eq!(record.payload, Payload::Command(Command::TimeAdvanced(TimeAdvanced { due })));
    }
}

/// A tail beside the writer, over the end of a segment.
fn a_tail_follows() {
    let Parts { mut writer, marks, .. } = parts(1);
    reader::wants_durable(false);
    let mut tail = Tail::new(Path::new(DIR), Sequence::FIRST, marks).expect("a journal");
    let writing = spawn(move || (0..2).for_each(|_| push(&mut writer)));
    (0..2).for_each(|_| drain(&mut tail, Follow::Written));
    writing.join().expect("the writer ends");
    drain(&mut tail, Follow::Written);
    assert_eq!(tail.next_sequence(), Sequence(3), "everything was read");
}

/// A tail that follows what is durable, beside the writer and the sync thread, over the end of a segment.
fn a_tail_follows_the_sync() {
    let Parts { mut writer, mut syncing, marks, .. } = parts(1);
    reader::wants_durable(true);
    let mut tail = Tail::new(Path::new(DIR), Sequence::FIRST, marks).expect("a journal");
    let writing = spawn(move || (0..2).for_each(|_| push(&mut writer)));
    let working = spawn(move || {
        for _ in 0..3 {
            syncing.step().expect("the disk does not fail");
        }
        syncing
    });
    drain(&mut tail, Follow::Durable);
    writing.join().expect("the writer ends");
    let mut syncing = working.join().expect("the sync thread ends");
    drain(&mut tail, Follow::Durable);
    for _ in 0..STEPS_MAX {
        syncing.step().expect("the disk does not fail");
        drain(&mut tail, Follow::Durable);
    }
    assert_eq!(tail.next_sequence(), Sequence(3), "what is written becomes durable");
    let mark = durable::read(Path::new(DIR)).expect("the disk does not fail").mark;
    let marked = mark.map_or(Sequence::NONE, |mark| mark.durable_through);
    assert!(marked <= Sequence(2), "the file tells no more than what is durable");
}

/// The chain thread's way to what is published: the edge alone.
fn a_view_follows_the_edge() {
    let Parts { mut writer, view, .. } = parts(2);
    let writing = spawn(move || {
        (0..2).for_each(|_| push(&mut writer));
        writer.end().expect("nothing fails");
    });
    let seen = view.published();
    let is_finished = view.is_finished();
    let again = view.published();
    assert!(seen <= again && (!is_finished || again == 2), "two frames, and none behind the end");
    writing.join().expect("the writer ends");
    assert_eq!(view.published(), 2);
}

/// Readers of the newest head, while two more are stored.
fn a_head_is_read_whole() {
    let marks = watermarks();
    let head = |number: u8| ChainHead { through: Sequence(number.into()), head: Head([number; 32]) };
    let theirs = marks.clone();
    marks.set_head(head(1));
    let hashing = spawn(move || (2..4).for_each(|number| theirs.set_head(head(number))));
    let seen = marks.head();
    assert_eq!(seen, head(seen.head.0[0]), "the words of one head");
    hashing.join().expect("the chain thread ends");
    assert_eq!(marks.head(), head(3));
}

/// A thread that sleeps for want of work, and one that has some.
fn a_sleeper_is_woken() {
    let (bell, work) = (Arc::new(Bell::default()), Arc::new(AtomicU64::new(0)));
    let (their_bell, their_work) = (Arc::clone(&bell), Arc::clone(&work));
    let sleeping = spawn(move || {
        while their_work.load(Ordering::Acquire) == 0 {
            their_bell.wait(Duration::MAX, || their_work.load(Ordering::Acquire) != 0);
        }
    });
    work.store(1, Ordering::Release);
    bell.ring();
    sleeping.join().expect("the sleeper wakes");
}

/// A failure of one thread, and what another may still tell after it.
fn a_failure_is_the_last_word() {
    let Parts { mut writer, mut syncing, marks, .. } = parts(2);
    push(&mut writer);
    let theirs = marks.clone();
    let failing = spawn(move || {
        theirs.fail(&Failure { part: "chain thread", reason: "made".to_owned() });
    });
    let had_failed = marks.has_failed();
    let stepped = syncing.step();
    assert!(!had_failed || stepped.is_err(), "nothing is done after a failure that was seen");
    failing.join().expect("it ends");
    assert!(marks.failure().is_some() && syncing.step().is_err());
    let before = marks.durable_through();
    assert!(syncing.step().is_err() && marks.durable_through() == before);
}

#[test]
fn a_tail_reads_each_frame_that_the_watermark_tells_and_no_other() {
    check(a_tail_follows);
    assert!(is_found(Broken::RelaxedWatermark, a_tail_follows), "a watermark without release order");
    assert!(is_found(Broken::WatermarkFirst, a_tail_follows), "a watermark before the frame");
}

#[test]
fn what_is_told_to_be_durable_was_synced() {
    check(a_tail_follows_the_sync);
    assert!(
        is_found(Broken::LateWatermark, a_tail_follows_the_sync),
        "a watermark that was read after the sync"
    );
    assert!(is_found(Broken::NewestSegmentOnly, a_tail_follows_the_sync), "a segment that is not synced");
    assert!(is_found(Broken::BytesAlone, a_tail_follows_the_sync), "a frame that nobody tells to be durable");
}

#[test]
fn what_lies_before_the_edge_is_there() {
    check(a_view_follows_the_edge);
    assert!(is_found(Broken::RelaxedEdge, a_view_follows_the_edge), "an edge without release order");
}

#[test]
fn a_head_is_never_half_of_two() {
    check(a_head_is_read_whole);
    assert!(is_found(Broken::RelaxedHead, a_head_is_read_whole), "a head without release order");
}

#[test]
fn whoever_sleeps_while_there_is_work_is_woken() {
    check(a_sleeper_is_woken);
    assert!(is_found(Broken::NoFence, a_sleeper_is_woken), "a bell that may be missed");
}

#[test]
fn nothing_is_acknowledged_after_a_failure() {
    check(a_failure_is_the_last_word);
}
