//! Backups: consistent beside a writer, incremental, rotated, restored, and never made of a damaged source.

use crate::support::*;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tickwerk_domain::TimeNs;
use tickwerk_journal::{
    Dependant, DependantKind, KeepError, RecoverError, Rotation, backup, compress, list_dependants, recover,
    restore, write_dependant,
};

/// A journal of several segments, closed, and the folder around it.
fn several(count: usize) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("journal"), scratch.path().join("copies"));
    closed(config(&dir), count);
    (scratch, dir, to)
}

fn link_count(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().nlink()
}

#[test]
fn a_copy_is_whole_and_a_second_one_shares_its_sealed_segments() {
    let (_scratch, dir, to) = several(1_500);
    let first = backup(&dir, &to, Rotation::default()).unwrap();
    let (source, records) = verified(&dir);
    let (report, copied) = verified(&first.copy);
    assert_eq!((report.first_difference, report.tail), (None, None));
    assert_eq!((&copied, report.chain_head), (&records, source.chain_head));
    assert!(report.notes.is_empty(), "{:?}", report.notes);
    assert!(first.copied_segments > 3 && first.linked_segments == 0, "{first:?}");

    let again = backup(&dir, &to, Rotation::default()).unwrap();
    assert!(again.is_unchanged && again.copy == first.copy, "{again:?}");

    let mut journal = open(config(&dir));
    push_frames(&mut journal.writer, 700);
    journal.writer.close().unwrap();
    let second = backup(&dir, &to, Rotation::default()).unwrap();
    assert_ne!(second.copy, first.copy);
    assert_eq!(
        second.linked_segments,
        first.copied_segments - 1,
        "all but the one that was active: {second:?}"
    );
    assert_eq!(link_count(&segment_path(&second.copy, 1)), 2);
    assert_eq!(verified(&second.copy).1, verified(&dir).1);
    assert_eq!(verified(&first.copy).1, records, "the older copy stays what it was");
}

#[test]
fn a_copy_beside_a_writer_ends_where_it_was_durable() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("journal"), scratch.path().join("copies"));
    let mut journal = open(config(&dir));
    push_frames(&mut journal.writer, 600);
    let marks = journal.watermarks();
    wait_until("all is durable", || marks.durable_through() == marks.written_through());
    let through = marks.durable_through();
    let mut more = 0;
    for _ in 0..5 {
        let made = backup(&dir, &to, Rotation::default()).unwrap();
        assert!(made.through >= through, "{made:?}");
        let (report, _) = verified(&made.copy);
        assert_eq!((report.first_difference, report.last_sequence), (None, made.through));
        assert_eq!(report.chain_head, made.chain_head);
        more += push_frames(&mut journal.writer, 150).len();
    }
    assert_eq!(more, 750);
    journal.writer.close().unwrap();
    assert_eq!(verified(&dir).0.first_difference, None);
}

#[test]
fn a_damaged_source_is_told_and_takes_no_copy_away() {
    let (_scratch, dir, to) = several(1_500);
    let good = backup(&dir, &to, Rotation::default()).unwrap();
    patch(&segment_path(&dir, 2), |bytes| bytes[20_000] ^= 1);
    let rotation = Rotation { hourly: Some(1), ..Rotation::default() };
    let error = backup(&dir, &to, rotation).unwrap_err();
    assert!(matches!(error, KeepError::Damaged { segment: 2, .. }), "{error}");
    assert!(error.to_string().contains("no copy was made"), "{error}");
    assert_eq!(verified(&good.copy).0.first_difference, None);
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 2, "the copy and the lock");
}

#[test]
fn a_copy_that_rots_is_not_linked_to() {
    let (_scratch, dir, to) = several(1_500);
    let first = backup(&dir, &to, Rotation::default()).unwrap();
    patch(&segment_path(&first.copy, 2), |bytes| bytes[20_000] ^= 1);
    let second = backup(&dir, &to, Rotation::default()).unwrap();
    assert!(!second.is_unchanged && second.copy != first.copy && second.linked_segments == 0, "{second:?}");
    assert!(second.notes.iter().any(|note| note.contains("copied anew")), "{:?}", second.notes);
    assert_eq!(verified(&second.copy).1, verified(&dir).1);
}

#[test]
fn what_an_interrupted_backup_left_is_removed_and_other_files_are_not() {
    let (_scratch, dir, to) = several(50);
    std::fs::create_dir_all(to.join("20200101T000000Z.tmp")).unwrap();
    std::fs::create_dir_all(to.join("mine.tmp")).unwrap();
    backup(&dir, &to, Rotation::default()).unwrap();
    assert!(!to.join("20200101T000000Z.tmp").exists());
    assert!(to.join("mine.tmp").exists());
}

#[test]
fn rotation_removes_old_copies_and_keeps_the_newest() {
    let (_scratch, dir, to) = several(300);
    let made = backup(&dir, &to, Rotation::default()).unwrap();
    for name in ["20200101T000000Z", "20200101T010000Z", "20200102T000000Z"] {
        std::fs::create_dir(to.join(name)).unwrap();
        copy_dir(&made.copy, &to.join(name));
    }
    let rotation = Rotation { daily: Some(2), ..Rotation::default() };
    let report = backup(&dir, &to, rotation).unwrap();
    let names: Vec<_> = report.removed.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["20200101T000000Z", "20200101T010000Z"]);
    assert!(made.copy.exists() && to.join("20200102T000000Z").exists());
}

#[test]
fn a_copy_that_was_just_made_is_the_newest_whatever_the_clock_says() {
    let (scratch, dir, to) = several(300);
    let rotation = Rotation { hourly: Some(1), ..Rotation::default() };
    let ahead = to.join("20990101T000000Z");
    std::fs::rename(backup(&dir, &to, rotation).unwrap().copy, &ahead).unwrap();
    let mut journal = open(config(&dir));
    push_frames(&mut journal.writer, 10);
    journal.writer.close().unwrap();
    let made = backup(&dir, &to, rotation).unwrap();
    assert_eq!((&made.copy, &made.removed), (&to.join("20990101T000001Z"), &vec![ahead]));
    assert!(made.notes.iter().any(|note| note.contains("ahead of the clock")), "{:?}", made.notes);
    assert_eq!(restore(&to, &scratch.path().join("again")).unwrap().through, made.through);
    // A directory that only has the name of a newer one.
    std::fs::create_dir(to.join("20990101T000002Z")).unwrap();
    let again = backup(&dir, &to, rotation).unwrap();
    assert!(again.is_unchanged && again.copy == made.copy && made.copy.exists(), "{again:?}");
}

#[test]
fn a_restored_copy_goes_on_and_nothing_is_written_over() {
    let (scratch, dir, to) = several(1_500);
    let made = backup(&dir, &to, Rotation::default()).unwrap();
    let target = scratch.path().join("again");
    let error = recover(config(&made.copy)).unwrap_err();
    assert!(matches!(error, RecoverError::Config { .. }), "a copy is no journal to write to: {error}");

    let report = restore(&to, &target).unwrap();
    assert_eq!((report.copy, report.through), (made.copy.clone(), made.through));
    assert_eq!(verified(&target).1, verified(&dir).1);
    let mut journal = open(config(&target));
    push_frames(&mut journal.writer, 10);
    journal.writer.close().unwrap();
    assert_eq!(verified(&target).0.first_difference, None);
    let error = restore(&made.copy, &target).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");

    patch(&segment_path(&made.copy, 1), |bytes| bytes[20_000] ^= 1);
    let nowhere = scratch.path().join("nowhere");
    let error = restore(&to, &nowhere).unwrap_err();
    assert!(matches!(error, KeepError::Damaged { .. }) && !nowhere.exists(), "{error}");
}

/// What is not the name of a place that a directory can be renamed to is told before anything is copied.
#[test]
fn a_place_is_named_in_many_ways_and_what_cannot_be_taken_is_refused() {
    let (scratch, dir, to) = several(300);
    backup(&dir, &to, Rotation::default()).unwrap();
    let names = |dir: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    };
    for name in ["slash/", "dot/.", "./inside", "empty"] {
        let target = scratch.path().join(name);
        if name == "empty" {
            std::fs::create_dir(&target).unwrap();
        }
        restore(&to, &target).unwrap();
        assert_eq!(verified(&target).1, verified(&dir).1, "{name}");
    }
    let empty = scratch.path().join("void");
    std::fs::create_dir(&empty).unwrap();
    std::os::unix::fs::symlink(&empty, scratch.path().join("link")).unwrap();
    let before = names(scratch.path());
    let (link, up) = (scratch.path().join("link/"), empty.join(".."));
    let refused = [
        (link.as_path(), "is a symbolic link"),
        (&up, "has no name of its own"),
        (Path::new("."), "has no name of its own"),
        (Path::new("/"), "has no name of its own"),
        (Path::new("/proc"), "is a mount point"),
    ];
    for (target, why) in refused {
        let error = restore(&to, target).unwrap_err().to_string();
        assert!(error.contains(&target.display().to_string()) && error.contains(why), "{error}");
    }
    assert_eq!(names(scratch.path()), before);
}

#[test]
fn a_restore_that_fails_leaves_nothing_behind() {
    const PATH_LENGTH_MAX: usize = 4_095;
    let (scratch, dir, to) = several(10);
    backup(&dir, &to, Rotation::default()).unwrap();
    let mut deep = scratch.path().to_owned();
    while deep.as_os_str().len() < PATH_LENGTH_MAX - 200 {
        deep.push("x".repeat(100));
    }
    std::fs::create_dir_all(&deep).unwrap();
    // The directory can be made, and no file in it.
    let length = PATH_LENGTH_MAX - deep.as_os_str().len() - "/.restoring.tmp".len() - "/durabl".len();
    let error = restore(&to, &deep.join("y".repeat(length))).unwrap_err();
    assert!(matches!(&error, KeepError::File(error) if error.operation == "create"), "{error}");
    assert_eq!(std::fs::read_dir(&deep).unwrap().count(), 0);
}

#[test]
fn nonsense_is_refused_by_name() {
    let (scratch, dir, to) = several(20);
    let nothing = scratch.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let refused = |error: KeepError| error.to_string();
    assert!(refused(backup(&nothing, &to, Rotation::default()).unwrap_err()).contains("holds no journal"));
    assert!(
        refused(backup(&dir, &dir, Rotation::default()).unwrap_err()).contains("give a folder of copies")
    );
    assert!(refused(restore(&nothing, &to).unwrap_err()).contains("is no copy and holds none"));
    let made = backup(&dir, &to, Rotation::default()).unwrap();
    assert!(
        refused(backup(&made.copy, &nothing, Rotation::default()).unwrap_err()).contains("is a copy itself")
    );
    let other = scratch.path().join("other");
    closed(config(&other), 20);
    assert!(refused(backup(&other, &to, Rotation::default()).unwrap_err()).contains("give another folder"));
}

#[test]
fn a_compressed_journal_is_copied_as_it_lies() {
    let (_scratch, dir, to) = several(1_500);
    let plain = backup(&dir, &to, Rotation::default()).unwrap();
    compress(&dir, 3, &mut |_| {}).unwrap();
    let mut journal = open(config(&dir));
    push_frames(&mut journal.writer, 10);
    journal.writer.close().unwrap();
    let packed = backup(&dir, &to, Rotation::default()).unwrap();
    assert!(packed.copied_bytes < plain.copied_bytes / 2, "{packed:?}");
    assert_eq!(verified(&packed.copy).1, verified(&dir).1);
    let target = dir.with_file_name("again");
    restore(&packed.copy, &target).unwrap();
    assert_eq!(verified(&target).1, verified(&dir).1);
}

#[test]
fn a_reader_that_goes_on_while_the_journal_is_copied_does_not_outrun_the_copy() {
    let scratch = scratch();
    let (dir, to) = (scratch.path().join("journal"), scratch.path().join("copies"));
    let mut journal = open(lazy(&dir));
    push_frames(&mut journal.writer, 600);
    let marks = journal.watermarks();
    journal.writer.request_sync().unwrap();
    wait_until("all is durable", || marks.durable_through() == marks.written_through());
    let durable = marks.durable_through();
    push_frames(&mut journal.writer, 100);
    // As if these had become durable, and been read, once the copy had begun.
    let told = |name: &str, kind| Dependant {
        name: name.to_owned(),
        kind,
        through: marks.written_through(),
        time: TimeNs(5),
    };
    for dependant in [told("standby", DependantKind::Reader), told("case-7", DependantKind::Hold)] {
        write_dependant(&dir, &dependant).unwrap();
    }
    std::fs::write(dir.join("dependant-strange"), b"no such file").unwrap();
    let made = backup(&dir, &to, Rotation::default()).unwrap();
    assert_eq!(made.through, durable);
    let (copied, bad) = list_dependants(&made.copy).unwrap();
    let through: Vec<_> = copied.iter().map(|found| (found.name.as_str(), found.through)).collect();
    assert_eq!(through, [("case-7", durable), ("standby", durable)]);
    assert_eq!(bad.len(), 1, "what cannot be read is copied as it is");
    let again = scratch.path().join("again");
    restore(&made.copy, &again).unwrap();
    assert_eq!(recover(config(&again)).unwrap().next_sequence(), durable.next());
}

#[test]
fn a_copy_that_cannot_be_made_leaves_nothing_behind() {
    let (_scratch, dir, to) = several(1_500);
    // Nothing can be copied of what is a directory.
    std::fs::create_dir(dir.join("snapshot-00000000000000000001.snap")).unwrap();
    assert!(matches!(backup(&dir, &to, Rotation::default()), Err(KeepError::File(_))));
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 1, "the lock");
}

#[test]
fn a_folder_of_copies_in_the_journal_is_refused() {
    let (scratch, dir, _) = several(10);
    std::os::unix::fs::symlink(&dir, scratch.path().join("link")).unwrap();
    for to in [dir.join("copies"), dir.join("far/copies"), scratch.path().join("link/copies")] {
        let error = backup(&dir, &to, Rotation::default()).unwrap_err();
        assert!(error.to_string().contains("would be lost with it"), "{error}");
        assert!(!to.exists());
    }
}

#[test]
fn a_journal_that_was_restored_is_not_mixed_with_copies_of_what_it_was() {
    let (scratch, dir, to) = several(1_500);
    let (early, again) = (scratch.path().join("early"), scratch.path().join("again"));
    backup(&dir, &early, Rotation::default()).unwrap();
    restore(&early, &again).unwrap();
    let mut journal = open(config(&dir));
    push_frames(&mut journal.writer, 3_000);
    journal.writer.close().unwrap();
    backup(&dir, &to, Rotation::default()).unwrap();
    let refused = || {
        let error = backup(&again, &to, Rotation::default()).unwrap_err();
        assert!(error.to_string().contains("give another folder"), "{error}");
        assert_eq!(std::fs::read_dir(&to).unwrap().count(), 2, "the copy and the lock");
    };
    refused();
    // It goes on in its own way, further than the copy.
    let mut journal = open(config(&again));
    let other = frame(journal.writer.next_sequence().0, 3);
    push(&mut journal.writer, &other);
    push_frames(&mut journal.writer, 5_000);
    journal.writer.close().unwrap();
    refused();
    assert!(backup(&again, &early, Rotation::default()).is_ok(), "it only went on from there");
}

/// As above, where what tells them apart lies behind the last whole block, in plain and in compressed segments.
#[test]
fn a_fork_in_the_last_block_of_the_newest_copy_is_refused() {
    for is_long in [false, true] {
        let (scratch, dir, to) = several(if is_long { 2_500 } else { 800 });
        let again = scratch.path().join("again");
        backup(&dir, &to, Rotation::default()).unwrap();
        restore(&to, &again).unwrap();
        let mut journal = open(config(&dir));
        push_frames(&mut journal.writer, 400);
        let last = journal.writer.close().unwrap().last_sequence;
        let newest = backup(&dir, &to, Rotation::default()).unwrap().copy;
        let mut journal = open(config(&again));
        let other = frame(journal.writer.next_sequence().0, 3);
        push(&mut journal.writer, &other);
        push_frames(&mut journal.writer, 600);
        let other = journal.writer.close().unwrap().last_sequence;
        assert!(other > last && other.0 / 4_096 == last.0 / 4_096 && (last.0 > 4_096) == is_long, "{last}");
        let rotation = Rotation { hourly: Some(1), ..Rotation::default() };
        for is_compressed in [false, true] {
            if is_compressed {
                compress(&again, 3, &mut |_| {}).unwrap();
                compress(&dir, 3, &mut |_| {}).unwrap();
            }
            let error = backup(&again, &to, rotation).unwrap_err();
            assert!(error.to_string().contains("give another folder"), "{error}");
            assert!(newest.exists());
        }
        let mut journal = open(config(&dir));
        push_frames(&mut journal.writer, 10);
        journal.writer.close().unwrap();
        backup(&dir, &to, rotation).unwrap();
    }
}
