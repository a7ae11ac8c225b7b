//! Journals that are not kept from their first segment on, and recovery that starts in the middle.

use crate::support::*;
use std::path::Path;
use tempfile::TempDir;
use tickwerk_domain::{Record, Sequence};
use tickwerk_journal::{
    ChainHead, Closed, FirstKept, JournalId, RecoverError, Rotation, StartPoint, backup, diagnose, inspect,
    recover, recover_from, repair_from,
};

const BLOCK: u64 = 4096;

/// A closed journal of more than four blocks in many segments.
fn long() -> (TempDir, Vec<Vec<Record>>, Closed) {
    let dir = scratch();
    let (frames, closed) = closed(config(dir.path()), 8_000);
    assert!(closed.last_sequence.0 > 4 * BLOCK);
    (dir, frames, closed)
}

fn first_sequences(dir: &Path) -> Vec<(u64, Sequence)> {
    inspect(dir).unwrap().segments.iter().map(|segment| (segment.number, segment.first_sequence)).collect()
}

fn remove_before(dir: &Path, segment: u64) {
    (1..segment).for_each(|number| std::fs::remove_file(segment_path(dir, number)).unwrap());
}

/// Lets go what lies before the segment that holds `sequence`; gives that segment's number and first sequence.
fn let_go(dir: &Path, sequence: u64) -> (u64, Sequence) {
    let (segment, first) = *first_sequences(dir)
        .iter()
        .rfind(|(_, first)| *first > Sequence::NONE && *first <= Sequence(sequence))
        .unwrap();
    let journal = inspect(dir).unwrap().journal;
    FirstKept { journal, segment, sequence: first }.write(dir).unwrap();
    remove_before(dir, segment);
    (segment, first)
}

fn head_of_block(dir: &Path, block: usize) -> ChainHead {
    let heads = std::fs::read(dir.join("HEADS")).unwrap();
    let head = heads[block * 48 + 16..][..32].try_into().unwrap();
    ChainHead { through: Sequence((block as u64 + 1) * BLOCK), head: tickwerk_journal::Head(head) }
}

fn start_point(dir: &Path, block: usize, sequence: u64) -> StartPoint {
    let journal = inspect(dir).unwrap().journal;
    StartPoint { journal, sequence: Sequence(sequence), block: head_of_block(dir, block) }
}

fn damage_of(dir: &Path) -> (u64, &'static str) {
    match recover(config(dir)) {
        Err(RecoverError::Damaged { segment, reason, .. }) => (segment, reason),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the journal was recovered"),
    }
}

#[test]
fn a_journal_is_verified_and_goes_on_from_the_first_segment_that_is_kept() {
    for kept_from in [5_000, 2 * BLOCK, 2 * BLOCK + 1, 3 * BLOCK - 700] {
        let (dir, frames, closed) = long();
        let (segment, first) = let_go(dir.path(), kept_from);
        let (report, seen) = verified(dir.path());
        assert_eq!((report.first_difference, report.notes), (None, vec![]));
        assert_eq!((report.first_sequence, report.last_sequence), (first, closed.last_sequence));
        assert_eq!(Some(report.chain_head), closed.chain_head, "kept from {kept_from}");
        assert_eq!(seen, frames[frames.len() - seen.len()..]);
        assert_eq!(inspect(dir.path()).unwrap().segments[0].number, segment);

        let recovered = recover(config(dir.path())).unwrap();
        assert_eq!((recovered.first_sequence(), recovered.chain_head()), (first, closed.chain_head));
        let mut journal = recovered.open().unwrap();
        push_frames(&mut journal.writer, 3_000);
        let again = journal.writer.close().unwrap();
        assert_eq!(Some(verified(dir.path()).0.chain_head), again.chain_head);
    }
}

#[test]
fn the_head_is_the_same_whether_the_beginning_is_kept_or_not() {
    let (whole, _, _) = long();
    let part = scratch();
    copy_dir(whole.path(), part.path());
    let_go(part.path(), 9_000);
    let heads = [whole, part].map(|dir| {
        let mut journal = open(config(dir.path()));
        push_frames(&mut journal.writer, 4_000);
        let head = journal.writer.close().unwrap().chain_head;
        (head, std::fs::read(dir.path().join("HEADS")).unwrap())
    });
    assert_eq!(heads[0], heads[1]);
}

#[test]
fn a_segment_that_was_lost_is_not_taken_for_one_that_was_let_go() {
    let (dir, _, _) = long();
    remove_before(dir.path(), 2);
    assert_eq!(damage_of(dir.path()), (2, "the first segment is missing"));

    let (dir, _, _) = long();
    let (segment, _) = let_go(dir.path(), 9_000);
    std::fs::remove_file(segment_path(dir.path(), segment)).unwrap();
    assert_eq!(damage_of(dir.path()).1, "the first of the segments that are kept is missing");

    let (dir, _, _) = long();
    let (segment, _) = let_go(dir.path(), 9_000);
    std::fs::remove_file(segment_path(dir.path(), segment + 2)).unwrap();
    assert!(recover(config(dir.path())).is_err());

    let (dir, _, _) = long();
    let (segment, first) = let_go(dir.path(), 9_000);
    let other = FirstKept { journal: JournalId([7; 16]), segment, sequence: first };
    other.write(dir.path()).unwrap();
    assert_eq!(damage_of(dir.path()), (segment, "the FIRST file is of another journal"));

    let (dir, _, _) = long();
    let_go(dir.path(), 9_000);
    patch(&dir.path().join("FIRST"), |page| page[40] ^= 1);
    assert_eq!(damage_of(dir.path()).1, "checksum of the page differs");
}

#[test]
fn a_change_behind_the_beginning_is_found_by_the_chain() {
    let (dir, _, closed) = long();
    let_go(dir.path(), 9_000);
    // As good as any head by itself, but not the one that the records have.
    patch(&dir.path().join("HEADS"), |heads| {
        let other = heads[..48].to_vec();
        let entry = 3 * 48;
        heads[entry + 16..entry + 48].copy_from_slice(&other[16..48]);
        heads[entry + 8..entry + 12].fill(0);
        let journal = inspect(dir.path()).unwrap().journal;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&journal.0), &heads[entry..entry + 48]);
        heads[entry + 8..entry + 12].copy_from_slice(&crc.to_le_bytes());
    });
    let difference = verified(dir.path()).0.first_difference.unwrap();
    assert_eq!(difference.reason, "the chain differs from HEADS");
    assert!(difference.sequence < closed.last_sequence);
}

#[test]
fn without_any_head_the_chain_cannot_go_on() {
    let (dir, _, _) = long();
    let point = start_point(dir.path(), 2, 3 * BLOCK + 5);
    let_go(dir.path(), 9_000);
    std::fs::remove_file(dir.path().join("HEADS")).unwrap();
    assert!(damage_of(dir.path()).1.starts_with("no head of the hash chain is known"));
    // Whoever knows a head can go on, and the file is made again from there.
    let closed = recover_from(config(dir.path()), point).unwrap().open().unwrap().writer.close().unwrap();
    assert_eq!(Some(verified(dir.path()).0.chain_head), closed.chain_head);
    let heads = std::fs::read(dir.path().join("HEADS")).unwrap();
    assert_eq!(heads[..2 * 48], [0; 2 * 48]);
    assert_eq!(heads[2 * 48 + 16..3 * 48], point.block.head.0);
}

#[test]
fn recovery_from_a_known_place_leaves_older_segments_unread() {
    let (dir, frames, closed) = long();
    let sequence = 3 * BLOCK + 77;
    let point = start_point(dir.path(), 2, sequence);
    let mut old = first_sequences(dir.path());
    old.retain(|(_, first)| *first > Sequence::NONE && first.0 <= 3 * BLOCK + 1);
    let (held, _) = old.pop().unwrap();
    for (number, _) in old {
        assert!(number < held);
        patch(&segment_path(dir.path(), number), |bytes| bytes[20_000..20_064].fill(0xee));
    }
    let recovered = recover_from(config(dir.path()), point).unwrap();
    assert_eq!(recovered.chain_head(), closed.chain_head);
    assert!(recovered.first_sequence().0 <= 3 * BLOCK + 1);
    let mut reader = recovered.frames_after(Sequence(sequence)).unwrap();
    let mut seen = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        seen.push(frame.records.to_vec());
    }
    assert_eq!(seen, frames[frames.len() - seen.len()..]);
    assert!(seen[0].last().unwrap().envelope.sequence > Sequence(sequence));
    drop(reader);
    drop(recovered);
    assert!(recover(config(dir.path())).is_err(), "what is read is judged");
}

#[test]
fn a_known_head_that_the_journal_does_not_have_is_damage() {
    let (dir, _, _) = long();
    let mut point = start_point(dir.path(), 2, 3 * BLOCK + 77);
    point.block.head.0[0] ^= 1;
    let found = recover_from(config(dir.path()), point).unwrap_err();
    assert!(found.to_string().contains("the chain differs from the head in the snapshot"), "{found}");

    let (other, _, _) = long();
    let point = start_point(other.path(), 2, 3 * BLOCK + 77);
    let found = recover_from(config(dir.path()), point).unwrap_err();
    assert!(found.to_string().contains("the snapshot is of another journal"), "{found}");
}

#[test]
fn a_first_file_that_cannot_be_believed_is_taken_from_a_copy() {
    let (dir, frames, closed) = long();
    let through = closed.last_sequence;
    let (segment, first) = let_go(dir.path(), 9_000);
    let copies = scratch();
    let copy = backup(dir.path(), copies.path(), Rotation::default()).unwrap().copy;
    let kept: Vec<_> = frames.into_iter().skip_while(|frame| frame[0].envelope.sequence < first).collect();
    let path = dir.path().join("FIRST");
    let foreign = FirstKept { journal: JournalId([7; 16]), segment, sequence: first };
    foreign.write(dir.path()).unwrap();
    assert_mended(dir.path(), &copy, "one of another journal", through, &kept);
    patch(&path, |page| page[40] ^= 1);
    assert_mended(dir.path(), &copy, "a bad one", through, &kept);
    std::fs::remove_file(&path).unwrap();
    assert_mended(dir.path(), &copy, "a lost one", through, &kept);
    std::fs::remove_file(&path).unwrap();
    for number in first_sequences(dir.path()) {
        std::fs::remove_file(segment_path(dir.path(), number.0)).unwrap();
    }
    assert_mended(dir.path(), &copy, "a lost one with all segments", through, &kept);
    // Only what is durable is known still, and where the chain goes on the copy tells.
    let (left, durable) = (scratch(), dir.path().join("durable"));
    std::fs::copy(durable, left.path().join("durable")).unwrap();
    // That records are not there is said, as only the copy knows that they were let go.
    let report = repair_from(left.path(), &copy, false).unwrap();
    assert_eq!(report.lost, Some((Sequence::FIRST, Sequence(first.0 - 1))));
    assert_mended(left.path(), &copy, "all but what is durable", through, &kept);
    let alone = scratch();
    std::fs::copy(dir.path().join("FIRST"), alone.path().join("FIRST")).unwrap();
    assert_eq!(diagnose(alone.path()).unwrap().findings[0].first_sequence, first);
    assert_mended(alone.path(), &copy, "all but FIRST", through, &kept);
}
