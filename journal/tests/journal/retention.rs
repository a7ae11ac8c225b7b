//! Retention: nothing goes that anybody needs, every segment says why, and what is left opens and verifies.

use crate::support::*;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tickwerk_domain::{Sequence, TimeNs};
use tickwerk_journal::{
    Decision, Dependant, DependantKind, KeepError, ReadError, Reader, RetentionPlan, RetentionRule, Rotation,
    Section, SnapshotHeader, VerifyError, apply_retention, backup, chain_at, compress, hold, inspect,
    list_dependants, plan_retention, recover_from, remove_dependant, verify, write_dependant, write_snapshot,
};

const FRAMES: usize = 5_000;
const RULE: RetentionRule = RetentionRule { keep: None, now: TimeNs(1_800_000_000_000_000_000) };

/// A closed journal of three blocks and some thirty segments.
fn journal() -> (TempDir, Vec<Sequence>) {
    let dir = scratch();
    let (frames, _) = closed(config(dir.path()), FRAMES);
    let ends = frames.iter().map(|frame| frame.last().unwrap().envelope.sequence).collect();
    (dir, ends)
}

fn snapshot(dir: &Path, sequence: Sequence) -> SnapshotHeader {
    let position = chain_at(dir, sequence, None).unwrap().unwrap();
    let header = SnapshotHeader {
        journal: inspect(dir).unwrap().journal,
        sequence,
        time_ns: TimeNs(17),
        created: TimeNs(18),
        frames: 5,
        digest: 1,
        epoch: position.epoch,
        rules_version: 1,
        state_version: 1,
        block: position.block,
        head: position.head,
    };
    let sections = [Section { name: "engine".to_owned(), bytes: b"the state".to_vec() }];
    write_snapshot(dir, header, &sections).unwrap();
    header
}

fn plan(dir: &Path) -> RetentionPlan {
    let plan = plan_retention(dir, RULE).unwrap();
    assert!(plan.segments.iter().all(|segment| !segment.reasons.is_empty()));
    let firsts_stay = plan.segments.iter().skip_while(|segment| segment.goes).all(|segment| !segment.goes);
    assert!(firsts_stay, "oldest first: {plan:?}");
    plan
}

fn going(plan: &RetentionPlan) -> Vec<&Decision> {
    plan.segments.iter().filter(|segment| segment.goes).collect()
}

fn reader(name: &str, through: Sequence) -> Dependant {
    Dependant { name: name.to_owned(), kind: DependantKind::Reader, through, time: TimeNs(5) }
}

#[test]
fn nothing_goes_without_two_snapshots() {
    let (dir, ends) = journal();
    let none = plan(dir.path());
    assert_eq!(going(&none), [] as [&Decision; 0]);
    assert!(none.segments[0].reasons[0].contains("0 good snapshots are there"), "{:?}", none.segments[0]);
    snapshot(dir.path(), ends[4_000]);
    let one = plan(dir.path());
    assert!(going(&one).is_empty() && one.segments[0].reasons[0].contains("1 good snapshots"), "{one:?}");
    snapshot(dir.path(), ends[4_500]);
    assert!(!going(&plan(dir.path())).is_empty());
    // A bad one counts as not there.
    let path = dir.path().join(format!("snapshot-{:020}.snap", ends[4_500].0));
    patch(&path, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let bad = plan(dir.path());
    assert!(going(&bad).is_empty() && bad.notes[0].contains("counts as not there"), "{:?}", bad.notes);
}

#[test]
fn what_goes_is_before_the_block_that_the_older_snapshot_goes_on_from() {
    let (dir, ends) = journal();
    let older = snapshot(dir.path(), ends[3_800]);
    snapshot(dir.path(), ends[4_900]);
    let planned = plan(dir.path());
    let gone = going(&planned);
    let first_needed = older.block.through.next();
    assert!(!gone.is_empty() && gone.iter().all(|segment| segment.last_sequence < first_needed));
    let first = &planned.segments[gone.len()];
    assert!(first.first_sequence <= first_needed && first_needed <= first.last_sequence, "{first:?}");
    assert!(first.reasons[0].contains("its block of the hash chain starts"), "{first:?}");
    let tells = |text: &str| planned.segments.iter().any(|segment| segment.reasons[0].contains(text));
    assert!(tells("the writer is at it, or was last") && tells("it is prepared for the writer"));

    let (before, records) = verified(dir.path());
    let applied = apply_retention(dir.path(), RULE).unwrap();
    assert_eq!(applied, planned);
    assert!(gone.iter().all(|segment| !segment_path(dir.path(), segment.number).exists()));
    let (after, left) = verified(dir.path());
    assert_eq!((after.first_difference, after.chain_head), (None, before.chain_head));
    assert_eq!(after.first_sequence, first.first_sequence);
    assert!(records.ends_with(&left));
    assert!(going(&plan(dir.path())).is_empty(), "nothing more may go");
    let recovered = recover_from(config(dir.path()), older.start_point()).unwrap();
    assert_eq!(recovered.chain_head(), Some(before.chain_head));
    let mut journal = recovered.open().unwrap();
    push_frames(&mut journal.writer, 20);
    journal.writer.close().unwrap();
    assert_eq!(verified(dir.path()).0.first_difference, None);
}

#[test]
fn every_dependant_and_every_hold_is_heeded_by_name() {
    let (dir, ends) = journal();
    snapshot(dir.path(), ends[4_000]);
    snapshot(dir.path(), ends[4_500]);
    let all = going(&plan(dir.path())).len();
    let postgres = reader("postgres", ends[1_000]);
    write_dependant(dir.path(), &postgres).unwrap();
    let planned = plan(dir.path());
    let some = going(&planned);
    assert!(!some.is_empty() && some.len() < all);
    assert!(some.iter().all(|segment| segment.last_sequence <= ends[1_000]));
    let stays = &planned.segments[some.len()];
    assert!(stays.reasons.iter().any(|reason| reason.contains("postgres has read through")), "{stays:?}");

    let hold =
        Dependant { kind: DependantKind::Hold, through: Sequence::NONE, ..reader("case-7", Sequence(0)) };
    write_dependant(dir.path(), &hold).unwrap();
    let held = plan(dir.path());
    assert!(going(&held).is_empty());
    assert!(held.segments[0].reasons.iter().any(|reason| reason.contains("held by case-7")), "{held:?}");
    assert_eq!(apply_retention(dir.path(), RULE).unwrap(), held);
    assert!(segment_path(dir.path(), 1).exists());

    assert!(remove_dependant(dir.path(), "case-7").unwrap());
    assert!(!remove_dependant(dir.path(), "case-7").unwrap());
    write_dependant(dir.path(), &reader("postgres", ends[4_999])).unwrap();
    assert_eq!(going(&plan(dir.path())).len(), all);
    assert_eq!(list_dependants(dir.path()).unwrap().0, [reader("postgres", ends[4_999])]);
}

#[test]
fn a_hold_is_not_told_while_a_retention_is_under_way() {
    let (dir, _) = journal();
    let case = Dependant { kind: DependantKind::Hold, ..reader("case-7", Sequence::NONE) };
    let keeper = std::fs::File::create(dir.path().join("KEEPER")).unwrap();
    keeper.lock().unwrap();
    assert!(matches!(hold(dir.path(), &case), Err(KeepError::Busy { .. })));
    assert!(list_dependants(dir.path()).unwrap().0.is_empty());
    keeper.unlock().unwrap();
    hold(dir.path(), &case).unwrap();
    assert_eq!(list_dependants(dir.path()).unwrap().0, [case]);
}

#[test]
fn a_register_that_cannot_be_read_keeps_everything() {
    let (dir, ends) = journal();
    snapshot(dir.path(), ends[4_000]);
    snapshot(dir.path(), ends[4_500]);
    write_dependant(dir.path(), &reader("standby", ends[4_400])).unwrap();
    assert!(!going(&plan(dir.path())).is_empty());
    let path = dir.path().join("dependant-standby");
    let good = std::fs::read(&path).unwrap();
    for bit in 0..good.len() * 8 {
        patch(&path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let (found, bad) = list_dependants(dir.path()).unwrap();
        // A checksum may be written in letters of either case.
        let is_same = found == [reader("standby", ends[4_400])];
        assert!(is_same || bad.len() == 1, "bit {bit}: {found:?}");
        std::fs::write(&path, &good).unwrap();
    }
    patch(&path, |bytes| bytes.truncate(30));
    let planned = plan(dir.path());
    assert!(
        going(&planned).is_empty() && planned.notes[0].contains("everything stays"),
        "{:?}",
        planned.notes
    );
    for name in ["", "a/b", "UPPER", "x.tmp", "ü", &"n".repeat(65)] {
        assert!(write_dependant(dir.path(), &reader(name, Sequence(1))).is_err(), "{name}");
    }
}

#[test]
fn age_keeps_what_is_young() {
    let (dir, ends) = journal();
    snapshot(dir.path(), ends[4_000]);
    snapshot(dir.path(), ends[4_500]);
    let all = going(&plan(dir.path())).len();
    let keep = |keep| plan_retention(dir.path(), RetentionRule { keep: Some(keep), ..RULE }).unwrap();
    // The stamps of the samples are of November 2023, one a nanosecond.
    assert_eq!(going(&keep(Duration::from_hours(24))).len(), all);
    let young = keep(Duration::from_hours(24 * 10_000));
    assert!(going(&young).is_empty());
    assert!(
        young.segments[0].reasons.iter().any(|reason| reason.contains("younger than 10000 d")),
        "{young:?}"
    );
}

#[test]
fn it_works_beside_a_writer_and_waits_for_a_backup() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let frames = push_frames(&mut journal.writer, FRAMES);
    let marks = journal.watermarks();
    wait_until("all is durable", || marks.durable_through() == marks.written_through());
    // Idleness is when the heads are stored.
    let ends: Vec<Sequence> = frames.iter().map(|frame| frame.last().unwrap().envelope.sequence).collect();
    wait_until("the heads are stored", || chain_at(dir.path(), ends[4_500], None).unwrap().is_some());
    snapshot(dir.path(), ends[4_000]);
    snapshot(dir.path(), ends[4_500]);
    let plan = apply_retention(dir.path(), RULE).unwrap();
    assert!(!going(&plan).is_empty());
    push_frames(&mut journal.writer, 100);
    journal.writer.close().unwrap();
    assert_eq!(verified(dir.path()).0.first_difference, None);
}

#[test]
fn compressed_segments_go_too_and_a_copy_of_what_is_left_is_whole() {
    let (dir, ends) = journal();
    compress(dir.path(), 3, &mut |_| {}).unwrap();
    snapshot(dir.path(), ends[4_000]);
    snapshot(dir.path(), ends[4_500]);
    let plan = apply_retention(dir.path(), RULE).unwrap();
    assert!(!going(&plan).is_empty());
    let left = verified(dir.path());
    assert_eq!(left.0.first_difference, None);
    let to = scratch();
    let made = backup(dir.path(), &to.path().join("copies"), Rotation::default()).unwrap();
    assert_eq!(verified(&made.copy).1, left.1);
    let nothing = scratch();
    assert!(matches!(plan_retention(nothing.path(), RULE), Err(KeepError::NoJournal { .. })));
}

#[test]
fn copies_from_before_segments_went_are_followed_by_copies_of_what_is_left() {
    let (scratch, to) = (scratch(), scratch());
    let dir = scratch.path();
    let (early, late) = (to.path().join("early"), to.path().join("late"));
    closed(config(dir), 100);
    backup(dir, &early, Rotation::default()).unwrap();
    let mut journal = open(config(dir));
    let frames = push_frames(&mut journal.writer, FRAMES);
    journal.writer.close().unwrap();
    backup(dir, &late, Rotation::default()).unwrap();
    for index in [4_000, 4_500] {
        snapshot(dir, frames[index].last().unwrap().envelope.sequence);
    }
    assert!(!going(&apply_retention(dir, RULE).unwrap()).is_empty());
    let mut journal = open(config(dir));
    push_frames(&mut journal.writer, 10);
    journal.writer.close().unwrap();
    for to in [early, late] {
        let made = backup(dir, &to, Rotation::default()).unwrap();
        assert_eq!(verified(&made.copy).1, verified(dir).1);
    }
}

#[test]
fn whoever_reads_while_segments_go_is_told_so_and_sees_no_damage() {
    let (dir, ends) = journal();
    snapshot(dir.path(), ends[4_900]);
    snapshot(dir.path(), ends[4_950]);
    let mut gone = 0;
    let report = verify(dir.path(), &mut |_| {
        if gone == 0 {
            let plan = apply_retention(dir.path(), RULE).unwrap();
            gone = going(&plan).len();
        }
        ControlFlow::Continue(())
    });
    assert!(gone > 5, "{gone} segments went");
    let told = format!("segments up to {gone} were let go meanwhile; begin again");
    match report {
        Err(VerifyError::File(error)) => assert_eq!(error.source.to_string(), told),
        other => panic!("{other:?}"),
    }
    assert_eq!(verified(dir.path()).0.first_difference, None);

    let (dir, ends) = journal();
    let mut reader = Reader::open(dir.path(), Sequence::FIRST).unwrap();
    reader.next().unwrap();
    snapshot(dir.path(), ends[4_900]);
    snapshot(dir.path(), ends[4_950]);
    apply_retention(dir.path(), RULE).unwrap();
    let error = loop {
        match reader.next() {
            Ok(found) => assert!(found.is_some(), "it ends before the journal"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, ReadError::File(error) if error.source.to_string() == told), "{error:?}");
}
