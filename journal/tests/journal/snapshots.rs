//! Snapshots as files: whole or bad, witnesses of what is durable, and read by nothing but the text of `FORMAT.md`.

use crate::support::*;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickwerk_domain::{Sequence, TimeNs};
use tickwerk_journal::{
    BlockStart, Dependant, DependantKind, FirstKept, RecoverError, Rotation, Section, SegmentReport,
    SnapshotError, SnapshotHeader, Witness, backup, chain_at, diagnose, inspect, list_snapshots,
    read_snapshot, read_snapshot_header, recover, recover_from, remove_old_snapshots, write_dependant,
    write_snapshot,
};

const FRAMES: usize = 5_000;

/// A closed journal of three blocks, and the last sequences of its frames.
fn journal() -> (TempDir, Vec<Sequence>) {
    let dir = scratch();
    let (frames, _) = closed(config(dir.path()), FRAMES);
    let ends = frames.iter().map(|frame| frame.last().unwrap().envelope.sequence).collect();
    (dir, ends)
}

fn header(dir: &Path, sequence: Sequence) -> SnapshotHeader {
    let position = chain_at(dir, sequence, None).unwrap().unwrap();
    SnapshotHeader {
        journal: inspect(dir).unwrap().journal,
        sequence,
        time_ns: TimeNs(17),
        created: TimeNs(18),
        frames: 5,
        digest: 0x0123_4567_89ab_cdef,
        epoch: position.epoch,
        rules_version: 3,
        state_version: 4,
        block: position.block,
        head: position.head,
    }
}

fn sections() -> Vec<Section> {
    let section = |name: &str, bytes: &[u8]| Section { name: name.to_owned(), bytes: bytes.to_vec() };
    vec![section("engine", b"the state"), section("sixteen-letters-", &[7; 16]), section("empty", &[])]
}

fn written(dir: &Path, sequence: Sequence) -> PathBuf {
    write_snapshot(dir, header(dir, sequence), &sections()).unwrap()
}

fn reason_of(path: &Path) -> &'static str {
    match read_snapshot(path) {
        Err(SnapshotError::Bad(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_snapshot_comes_back_as_it_was_written() {
    let (dir, ends) = journal();
    let path = written(dir.path(), ends[3_000]);
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("snapshot-{:020}.snap", ends[3_000].0));
    let snapshot = read_snapshot(&path).unwrap();
    assert_eq!((snapshot.header, &snapshot.sections), (header(dir.path(), ends[3_000]), &sections()));
    assert_eq!(read_snapshot_header(&path).unwrap(), snapshot.header);
    assert_eq!((snapshot.section("engine"), snapshot.section("none")), (Some(&b"the state"[..]), None));
    let temporaries = files(dir.path()).iter().filter(|(path, _)| path.ends_with(".tmp")).count();
    assert_eq!(temporaries, 0);
}

#[test]
fn every_flip_and_every_other_length_is_found() {
    let (dir, ends) = journal();
    let path = written(dir.path(), ends[100]);
    let good = fs::read(&path).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        reason_of(&path);
    }
    for length in (0..good.len()).rev().step_by(7) {
        fs::write(&path, &good[..length]).unwrap();
        reason_of(&path);
    }
    fs::write(&path, [&good[..], &[0]].concat()).unwrap();
    reason_of(&path);
    fs::write(&path, &good).unwrap();
    read_snapshot(&path).unwrap();
    let renamed = dir.path().join("snapshot-00000000000000000007.snap");
    fs::rename(&path, &renamed).unwrap();
    assert_eq!(reason_of(&renamed), "the name of the file is of another sequence than its header");
}

#[test]
fn bodies_that_lie_about_themselves_are_refused_without_taking_memory() {
    let (dir, ends) = journal();
    let path = written(dir.path(), ends[100]);
    let good = fs::read(&path).unwrap();
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        let hash = blake3::hash(&bytes[4096..]);
        bytes[168..200].copy_from_slice(hash.as_bytes());
        seal(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        reason_of(&path)
    };
    assert_eq!(broken(&|bytes| bytes[4096 + 16..4096 + 24].fill(0xff)), "a section is cut short");
    assert_eq!(broken(&|bytes| bytes[4096 + 7] = 1), "a section's name is no name");
    assert_eq!(broken(&|bytes| bytes[4096 + 24] = 1), "a section's name is no name");
    assert_eq!(broken(&|bytes| bytes[4096 + 32 + 15] = 1), "padding of a section is not zero");
    let length = "the file has not the size that its header tells";
    assert_eq!(broken(&|bytes| bytes[160..168].fill(0xff)), length);
    let impossible = "the snapshot has an impossible sequence or block";
    assert_eq!(broken(&|bytes| bytes[88] = 1), impossible);
    let newer = "the page is of a format version that this build does not know";
    assert_eq!(broken(&|bytes| bytes[8] += 1), newer);
}

fn seal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..4096]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn the_newest_stay() {
    let (dir, ends) = journal();
    for place in [10, 500, 20, 4_000] {
        written(dir.path(), ends[place]);
    }
    assert_eq!(remove_old_snapshots(dir.path(), 2).unwrap(), 2);
    let left: Vec<_> = list_snapshots(dir.path()).unwrap().iter().map(|file| file.sequence).collect();
    assert_eq!(left, [ends[4_000], ends[500]]);
    assert_eq!(remove_old_snapshots(dir.path(), 2).unwrap(), 0);
}

#[test]
fn the_chain_at_a_frame_is_what_verification_would_find_there() {
    let (dir, ends) = journal();
    for place in [0, 7, 1_700, 3_000, 4_999] {
        let sequence = ends[place];
        let position = chain_at(dir.path(), sequence, None).unwrap().unwrap();
        let other = scratch();
        let (_, closed) = closed(config(other.path()), place + 1);
        assert_eq!(Some(position.head), closed.chain_head.map(|head| head.head));
        assert_eq!(position.block.through.0, sequence.0 - sequence.0 % 4096);
    }
    assert!(chain_at(dir.path(), Sequence(ends[3_003].0 - 1), None).is_err(), "inside a frame");
    fs::remove_file(dir.path().join("HEADS")).unwrap();
    assert_eq!(chain_at(dir.path(), ends[4_000], None).unwrap(), None);
}

#[test]
fn whoever_saw_where_a_block_begins_need_not_read_the_segment_again() {
    let (dir, _) = journal();
    let mut reader = tickwerk_journal::Reader::open(dir.path(), Sequence::FIRST).unwrap();
    let (mut start, mut with, mut compared) = (None, None, 0);
    while let Some(frame) = reader.next().unwrap() {
        start = BlockStart::behind(start, &frame.header, frame.place);
        let sequence = frame.header.last_sequence();
        let is_near = (sequence.0 + 5) % 4096 < 10;
        if is_near || sequence.0 % 97 == 0 {
            assert!(start.is_some());
            let position = chain_at(dir.path(), sequence, start).unwrap();
            assert_eq!(position, chain_at(dir.path(), sequence, None).unwrap(), "{sequence}");
            compared += 1;
        }
        if sequence.0 == 9_000 || with.is_none() && sequence.0 > 9_000 {
            with = Some((sequence, start));
        }
    }
    assert!(compared > 50);
    // What lies before the block in its segment is not looked at.
    let (sequence, start) = with.unwrap();
    let block = sequence.0 / 4096 * 4096 + 1;
    let segments = inspect(dir.path()).unwrap().segments;
    let held = segments.iter().rfind(|s| s.frames > 0 && s.first_sequence.0 <= block).unwrap();
    assert!(held.first_sequence.0 < block);
    patch(&segment_path(dir.path(), held.number), |bytes| bytes[16_384 + 70] ^= 1);
    assert!(chain_at(dir.path(), sequence, None).is_err());
    chain_at(dir.path(), sequence, start).unwrap().unwrap();
}

#[test]
fn a_block_and_a_segment_may_end_with_the_same_frame() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    for sequence in 1..=4096 {
        push(&mut journal.writer, &frame(sequence, 0));
    }
    let records = frame(4097, 0);
    journal.writer.push_with_opaque(&records[0], &vec![7; 30_000]).unwrap();
    journal.writer.close().unwrap();
    let starts = inspect(dir.path()).unwrap().segments.iter().any(|s| s.first_sequence == Sequence(4097));
    assert!(starts, "the opaque part goes to a segment of its own");
    let position = chain_at(dir.path(), Sequence(4096), None).unwrap().unwrap();
    assert_eq!((position.block.through, position.block.head), (Sequence(4096), position.head));
    let path = written(dir.path(), Sequence(4096));
    let header = read_snapshot_header(&path).unwrap();
    let recovered = recover_from(config(dir.path()), header.start_point()).unwrap();
    assert_eq!((recovered.first_sequence(), recovered.next_sequence()), (Sequence(4097), Sequence(4098)));
}

#[test]
fn a_restart_reads_from_the_segment_that_the_snapshot_needs() {
    let (dir, ends) = journal();
    let whole = recover(config(dir.path())).unwrap();
    let head = whole.chain_head();
    drop(whole);
    for place in [5, 1_700, 4_999] {
        let header = header(dir.path(), ends[place]);
        let recovered = recover_from(config(dir.path()), header.start_point()).unwrap();
        assert_eq!(recovered.chain_head(), head);
        let mut reader = recovered.frames_after(header.sequence).unwrap();
        let next = reader.next().unwrap().map(|frame| frame.header.first_sequence);
        assert_eq!(next, ends.get(place + 1).map(|_| header.sequence.next()));
    }
}

fn damage(dir: &Path) -> (Sequence, &'static str, Option<Witness>) {
    match recover(config(dir)) {
        Err(RecoverError::Damaged { sequence, reason, witness, .. }) => (sequence, reason, witness),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the journal was recovered"),
    }
}

#[test]
fn a_snapshot_knows_what_was_durable() {
    let (dir, ends) = journal();
    let last = *ends.last().unwrap();
    written(dir.path(), last);
    // Power went, and with it the last frame, its seal, and everybody else who knew of it.
    for file in ["durable", "HEADS"] {
        fs::remove_file(dir.path().join(file)).unwrap();
    }
    let used = inspect(dir.path()).unwrap();
    let segment = used.segments.iter().rfind(|segment| segment.frames > 0).unwrap();
    let mut reader = tickwerk_journal::Reader::open(dir.path(), last).unwrap();
    let place = reader.next().unwrap().unwrap().place;
    assert_eq!(place.segment, segment.number);
    patch(&segment_path(dir.path(), place.segment), |bytes| {
        bytes[usize::try_from(place.offset).unwrap()..].fill(0);
    });
    let (sequence, _, witness) = damage(dir.path());
    assert_eq!(witness, Some(Witness::Snapshot { through: last }));
    assert!(sequence <= last);
    assert!(verified(dir.path()).0.first_difference.is_some());
    // Without the snapshot nobody was told.
    fs::remove_file(&list_snapshots(dir.path()).unwrap()[0].path).unwrap();
    assert_eq!(recover(config(dir.path())).unwrap().next_sequence(), sequence);
}

#[test]
fn a_reader_knows_what_was_durable() {
    let (dir, ends) = journal();
    let last = *ends.last().unwrap();
    let reader = |kind| Dependant { name: "database".to_owned(), kind, through: last, time: TimeNs(5) };
    write_dependant(dir.path(), &reader(DependantKind::Reader)).unwrap();
    for file in ["durable", "HEADS"] {
        fs::remove_file(dir.path().join(file)).unwrap();
    }
    let place = {
        let mut reader = tickwerk_journal::Reader::open(dir.path(), last).unwrap();
        reader.next().unwrap().unwrap().place
    };
    patch(&segment_path(dir.path(), place.segment), |bytes| {
        bytes[usize::try_from(place.offset).unwrap()..].fill(0);
    });
    let (sequence, _, witness) = damage(dir.path());
    assert_eq!(witness, Some(Witness::Reader { through: last }));
    // A hold says nothing of what there was.
    write_dependant(dir.path(), &reader(DependantKind::Hold)).unwrap();
    assert_eq!(recover(config(dir.path())).unwrap().next_sequence(), sequence);
}

#[test]
fn a_snapshot_that_the_records_do_not_lead_to_is_damage() {
    let (dir, ends) = journal();
    let mut other = header(dir.path(), ends[4_000]);
    other.head.0[5] ^= 1;
    let path = write_snapshot(dir.path(), other, &sections()).unwrap();
    assert_eq!(damage(dir.path()).1, "the chain differs from the head in a snapshot");
    fs::remove_file(path).unwrap();

    let inside = SnapshotHeader { sequence: Sequence(ends[4_003].0 - 1), ..other };
    let path = write_snapshot(dir.path(), inside, &sections()).unwrap();
    assert_eq!(damage(dir.path()), (inside.sequence, "a snapshot ends inside a frame", None));
    fs::remove_file(path).unwrap();

    let mut other = header(dir.path(), ends[4_000]);
    other.block.head.0[5] ^= 1;
    let path = write_snapshot(dir.path(), other, &sections()).unwrap();
    assert_eq!(damage(dir.path()).1, "the chain differs from the head of a block in a snapshot");
    // Also where the chain goes on from that block.
    let kept = inspect(dir.path()).unwrap().segments;
    let kept = kept.iter().rfind(|of| of.frames > 0 && of.first_sequence <= other.block.through).unwrap();
    let first = FirstKept { journal: other.journal, segment: kept.number, sequence: kept.first_sequence };
    first.write(dir.path()).unwrap();
    (1..kept.number).for_each(|number| fs::remove_file(segment_path(dir.path(), number)).unwrap());
    assert_eq!(
        damage(dir.path()).1,
        "a snapshot tells another head of the block that the chain goes on from"
    );
    fs::remove_file(path).unwrap();
    recover(config(dir.path())).unwrap();
}

#[test]
fn a_journal_without_segments_is_mended_from_a_copy_by_whatever_remembers_it() {
    let dir = scratch();
    let (frames, closed) = closed(config(dir.path()), FRAMES);
    let ends: Vec<Sequence> = frames.iter().map(|frame| frame.last().unwrap().envelope.sequence).collect();
    let snapshot = written(dir.path(), ends[4_000]);
    let copies = scratch();
    let copy = backup(dir.path(), copies.path(), Rotation::default()).unwrap().copy;
    let path = |name: &str| dir.path().join(name);
    let (heads, durable) = (path("HEADS"), path("durable"));
    for left in [&[&heads][..], &[&durable], &[&snapshot], &[&snapshot, &heads]] {
        let what = format!("{left:?}");
        let empty = scratch();
        for path in left {
            fs::copy(path, empty.path().join(path.file_name().unwrap())).unwrap();
        }
        let known = diagnose(empty.path()).unwrap().known_through;
        assert!(known > Sequence(4_095), "{what} knows {known}");
        assert_mended(empty.path(), &copy, &what, closed.last_sequence, &frames);
    }
}

#[test]
fn a_snapshot_tells_the_head_that_a_lost_heads_file_does_not() {
    let (dir, ends) = journal();
    let whole = verified(dir.path()).0.chain_head;
    let heads = fs::read(dir.path().join("HEADS")).unwrap();
    written(dir.path(), *ends.iter().find(|end| end.0 > 2 * 4096).unwrap());
    let found = inspect(dir.path()).unwrap();
    let of_block = |segment: &&SegmentReport| (1..=5_000).contains(&segment.first_sequence.0);
    let kept = found.segments.iter().rfind(of_block).unwrap();
    assert!(kept.first_sequence.0 > 4096 + 1);
    let first = FirstKept { journal: found.journal, segment: kept.number, sequence: kept.first_sequence };
    first.write(dir.path()).unwrap();
    (1..kept.number).for_each(|number| fs::remove_file(segment_path(dir.path(), number)).unwrap());
    fs::remove_file(dir.path().join("HEADS")).unwrap();

    let report = verified(dir.path()).0;
    assert_eq!((report.first_difference, report.chain_head), (None, whole));
    assert!(diagnose(dir.path()).unwrap().is_healthy());
    recover(config(dir.path())).unwrap().open().unwrap().writer.close().unwrap();
    // What nobody can tell any more is zeros, and all else is as it was.
    let again = fs::read(dir.path().join("HEADS")).unwrap();
    assert_eq!((&again[..48], &again[48..]), (&[0; 48][..], &heads[48..]));
}

#[test]
fn a_bad_or_foreign_snapshot_is_told_and_takes_nothing_away() {
    let (dir, ends) = journal();
    let (foreign, other_ends) = journal();
    patch(&written(dir.path(), ends[50]), |bytes| bytes[40] ^= 1);
    let path = written(foreign.path(), *other_ends.last().unwrap());
    fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    let recovered = recover(config(dir.path())).unwrap();
    let told: Vec<_> = recovered.notes().iter().map(|note| note.text).collect();
    assert_eq!(told, ["the snapshot is of another journal", "checksum of the page differs"]);
}

#[test]
fn what_was_being_written_is_removed_and_segments_cannot_vanish_under_a_snapshot() {
    let (dir, ends) = journal();
    let path = written(dir.path(), ends[50]);
    let temporary = dir.path().join("snapshot-00000000000000000099.snap.tmp");
    fs::write(&temporary, b"half").unwrap();
    drop(recover(config(dir.path())).unwrap());
    assert!(path.exists() && !temporary.exists());
    for segment in inspect(dir.path()).unwrap().segments {
        fs::remove_file(segment_path(dir.path(), segment.number)).unwrap();
    }
    fs::remove_file(dir.path().join("durable")).unwrap();
    let (_, reason, witness) = damage(dir.path());
    assert_eq!(
        (reason, witness),
        ("all segments are missing", Some(Witness::Snapshot { through: ends[50] }))
    );
}

/// Reads a snapshot by the text of `FORMAT.md` alone: no function of the crate, no constant of it.
#[test]
fn a_stranger_reads_a_snapshot_by_the_text() {
    let (dir, ends) = journal();
    let bytes = fs::read(written(dir.path(), ends[4_000])).unwrap();
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!((&bytes[..8], u32_at(8)), (&b"TWSNAPSH"[..], 2));
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..4096]);
    assert_eq!(u32_at(12), crc);
    assert_eq!(bytes[16..32], inspect(dir.path()).unwrap().journal.0);
    let words = [32, 40, 48, 56, 64].map(u64_at);
    assert_eq!(words, [ends[4_000].0, 17, 18, 5, 0x0123_4567_89ab_cdef]);
    assert_eq!(([72, 76, 80, 84].map(u32_at)), [1, 3, 4, 0]);
    // The block and its head are those of HEADS; the head through the last record goes on from there.
    let block = u64_at(88);
    assert_eq!(block, ends[4_000].0 / 4096 * 4096);
    let heads = fs::read(dir.path().join("HEADS")).unwrap();
    let entry = usize::try_from(block / 4096 - 1).unwrap() * 48;
    assert_eq!(bytes[96..128], heads[entry + 16..entry + 48]);
    assert_eq!(bytes[128..160], chain_at(dir.path(), ends[4_000], None).unwrap().unwrap().head.0);
    let body = &bytes[4096..];
    assert_eq!(u64_at(160), body.len() as u64);
    assert_eq!(bytes[168..200], *blake3::hash(body).as_bytes());
    assert!(bytes[200..4096].iter().all(|byte| *byte == 0));

    let (mut at, mut found) = (0, Vec::new());
    while at < body.len() {
        let name = String::from_utf8(body[at..at + 16].to_vec()).unwrap();
        let length = usize::try_from(u64::from_le_bytes(body[at + 16..at + 24].try_into().unwrap())).unwrap();
        found.push((name.trim_end_matches('\0').to_owned(), body[at + 32..at + 32 + length].to_vec()));
        at += 32 + length.next_multiple_of(16);
    }
    assert_eq!(at, body.len());
    let given: Vec<_> = sections().into_iter().map(|section| (section.name, section.bytes)).collect();
    assert_eq!(found, given);
}
