//! Damage of every kind: found, never silently cut when it was durable, repaired from a copy, and proven equal.

use crate::support::*;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickwerk_domain::{Record, Sequence, TimeNs};
use tickwerk_journal::{
    Dependant, DependantKind, JournalConfig, KeepError, RecoverError, Rotation, backup, compress, diagnose,
    inspect, list_dependants, recover, repair_cut, repair_from, write_dependant,
};

const FRAMES_START: usize = 16 * 1024;

/// A journal, a copy of it, and what it holds.
struct Scene {
    scratch: TempDir,
    dir: PathBuf,
    copy: PathBuf,
    records: Vec<Vec<Record>>,
    last: Sequence,
}

impl Scene {
    fn new(count: usize) -> Self {
        let scratch = scratch();
        let (dir, to) = (scratch.path().join("journal"), scratch.path().join("copies"));
        let (records, closed) = closed(config(&dir), count);
        let copy = backup(&dir, &to, Rotation::default()).unwrap().copy;
        Self { scratch, dir, copy, records, last: closed.last_sequence }
    }

    /// A journal of two and a half segments of frames.
    fn several() -> Self {
        Self::new(330)
    }

    fn path(&self, number: u64) -> PathBuf {
        segment_path(&self.dir, number)
    }

    fn segments(&self) -> u64 {
        let numbers = files(&self.copy).into_iter().filter_map(|(path, _)| {
            let name = path.file_name()?.to_str()?.strip_suffix(".seg")?.to_owned();
            name.parse::<u64>().ok()
        });
        numbers.max().unwrap()
    }

    /// The damage is told by recovery, which changes nothing.
    #[track_caller]
    fn assert_refused(&self, what: &str) {
        let before = files(&self.dir).into_iter().filter(|(path, _)| !path.ends_with("LOCK"));
        let before: Vec<_> = before.filter(|(path, _)| !path.ends_with("WATERMARKS")).collect();
        match recover(config(&self.dir)) {
            Err(RecoverError::Damaged { .. }) => {}
            Err(other) => panic!("{what}: {other}"),
            Ok(recovered) => panic!("{what}: opened at {}", recovered.next_sequence()),
        }
        let after = files(&self.dir).into_iter().filter(|(path, _)| !path.ends_with("LOCK"));
        let after: Vec<_> = after.filter(|(path, _)| !path.ends_with("WATERMARKS")).collect();
        assert!(before == after, "{what}: recovery changed something");
    }

    /// The copy mends it, the old bytes are kept, and the journal opens with all it had.
    #[track_caller]
    fn assert_repaired(&self, what: &str) {
        let found = diagnose(&self.dir).unwrap();
        assert!(!found.is_healthy(), "{what} is not found");
        let tried =
            repair_from(&self.dir, &self.copy, false).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(
            !tried.is_applied && !diagnose(&self.dir).unwrap().is_healthy(),
            "{what}: a trial changed something"
        );
        let report = repair_from(&self.dir, &self.copy, true).unwrap();
        assert!(report.is_applied && report.through == self.last, "{what}: {report:?}");
        assert!(report.set_aside.iter().all(|path| path.exists()), "{what}: {report:?}");
        let again = diagnose(&self.dir).unwrap();
        assert!(again.is_healthy(), "{what}: {again:?}");
        let (verified, seen) = verified(&self.dir);
        assert_eq!(verified.first_difference, None, "{what}");
        assert!(seen == self.records, "{what}: other records");
        let recovered = recover(config(&self.dir)).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(records_of(&read_all(&recovered)) == self.records, "{what}: other records");
        let mut journal = recovered.open().unwrap();
        push_frames(&mut journal.writer, 3);
        journal.writer.close().unwrap();
    }
}

type Harm = Box<dyn Fn(&Scene)>;

fn in_segment(number: u64, change: impl Fn(&mut Vec<u8>) + 'static) -> Harm {
    Box::new(move |scene| patch(&scene.path(number), |bytes| change(bytes)))
}

/// Every kind of damage, by name.
fn harms() -> Vec<(&'static str, Harm)> {
    let block = |at: usize| FRAMES_START + at * 4096..FRAMES_START + (at + 1) * 4096;
    let mut harms: Vec<(&'static str, Harm)> = vec![
        ("a flipped bit", in_segment(1, |bytes| bytes[FRAMES_START + 5_000] ^= 4)),
        ("a block of zeros", in_segment(1, move |bytes| bytes[block(2)].fill(0))),
        ("a block of garbage", in_segment(1, move |bytes| bytes[block(3)].fill(0xa5))),
        (
            "two blocks swapped",
            in_segment(1, move |bytes| {
                let (two, four) = (bytes[block(2)].to_vec(), bytes[block(4)].to_vec());
                bytes[block(2)].copy_from_slice(&four);
                bytes[block(4)].copy_from_slice(&two);
            }),
        ),
        ("both header pages", in_segment(1, |bytes| bytes[..8192].fill(0))),
        ("the activation page", in_segment(2, |bytes| bytes[8192..12_288].fill(0x11))),
        ("everything but the header pages", in_segment(1, |bytes| bytes[8192..].fill(0))),
        ("bytes behind the last frame", in_segment(1, |bytes| *bytes.last_mut().unwrap() = 1)),
        ("the middle of the last segment", in_segment(3, move |bytes| bytes[block(0)].fill(0))),
    ];
    harms.push((
        "a block of an older segment",
        Box::new(move |scene| {
            let older = std::fs::read(scene.path(1)).unwrap();
            patch(&scene.path(2), |bytes| bytes[block(2)].copy_from_slice(&older[block(2)]));
        }),
    ));
    harms.push((
        "a file cut short",
        Box::new(|scene| {
            std::fs::OpenOptions::new().write(true).open(scene.path(2)).unwrap().set_len(30_000).unwrap();
        }),
    ));
    for number in [1, 2] {
        harms.push((
            if number == 1 { "the first segment missing" } else { "a segment missing" },
            Box::new(move |scene| std::fs::remove_file(scene.path(number)).unwrap()),
        ));
    }
    harms.push((
        "a segment doubled",
        Box::new(|scene| {
            std::fs::copy(scene.path(1), scene.path(2)).unwrap();
        }),
    ));
    harms.push((
        "two segments exchanged",
        Box::new(|scene| {
            let aside = scene.dir.join("aside");
            std::fs::rename(scene.path(1), &aside).unwrap();
            std::fs::rename(scene.path(2), scene.path(1)).unwrap();
            std::fs::rename(&aside, scene.path(2)).unwrap();
        }),
    ));
    harms.push((
        "the last segment missing",
        Box::new(|scene| std::fs::remove_file(scene.path(scene.segments())).unwrap()),
    ));
    harms.push((
        "all segments missing",
        Box::new(|scene| (1..=9).for_each(|number| drop(std::fs::remove_file(scene.path(number))))),
    ));
    harms
}

#[test]
fn every_kind_of_damage_is_refused_and_then_repaired_from_a_copy() {
    for (what, harm) in harms() {
        let scene = Scene::several();
        assert_eq!(scene.segments(), 3);
        harm(&scene);
        scene.assert_refused(what);
        scene.assert_repaired(what);
    }
}

#[test]
fn damage_to_a_compressed_segment_is_repaired() {
    let scene = Scene::several();
    compress(&scene.dir, 3, &mut |_| {}).unwrap();
    let path = scene.dir.join("000000000001.seg.zst");
    patch(&path, |bytes| bytes[6_000] ^= 1);
    scene.assert_refused("a compressed segment");
    scene.assert_repaired("a compressed segment");
    assert!(!path.exists() && scene.path(1).exists(), "the plain one takes its place");
}

/// Frames enough to fill 32 KiB.
const SMALL: usize = 160;
const SMALL_END: usize = FRAMES_START + 32 * 1024;

/// Flips each of `bits` in turn; gives those that `is_healthy` lets pass though the journal is not what it was, and how
/// many it found. What it finds is repaired from the copy, each `repair_step`th time, and proven equal.
fn missed_flips(
    scene: &Scene,
    bits: impl Iterator<Item = usize>,
    repair_step: usize,
    is_healthy: &dyn Fn(&Path) -> bool,
) -> (Vec<usize>, usize) {
    let original = std::fs::read(scene.path(1)).unwrap();
    let (mut missed, mut found) = (Vec::new(), 0);
    for bit in bits {
        patch(&scene.path(1), |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        if is_healthy(&scene.dir) {
            let (report, seen) = verified(&scene.dir);
            if report.first_difference.is_some() || seen != scene.records {
                missed.push(bit);
            }
        } else {
            found += 1;
            if found % repair_step == 0 {
                let report = repair_from(&scene.dir, &scene.copy, true).unwrap();
                assert_eq!(report.through, scene.last, "bit {bit}");
                assert!(verified(&scene.dir).1 == scene.records, "bit {bit}");
                report.set_aside.iter().for_each(|path| std::fs::remove_file(path).unwrap());
            }
        }
        std::fs::write(scene.path(1), &original).unwrap();
    }
    (missed, found)
}

#[test]
fn every_flipped_bit_of_a_small_journal_is_harmless_or_found_and_repaired() {
    let is_long = std::env::var_os("TICKWERK_LONG").is_some_and(|value| value == "1");
    let scene = Scene::new(SMALL);
    assert!(std::fs::read(scene.path(1)).unwrap()[SMALL_END..].iter().any(|byte| *byte != 0));
    let (step, repair_step) = if is_long { (1, 101) } else { (1_657, 1) };
    let is_healthy = |dir: &Path| diagnose(dir).unwrap().is_healthy();
    let (missed, found) = missed_flips(&scene, (0..SMALL_END * 8).step_by(step), repair_step, &is_healthy);
    assert_eq!(missed, [] as [usize; 0]);
    assert!(found * step > 200_000, "{found}");
}

/// The harness must be able to fail: a checker that looks at shapes and not at checksums lets flips pass.
#[test]
fn a_checker_that_ignores_checksums_is_caught_by_the_harness() {
    let scene = Scene::new(SMALL);
    let accepts = |dir: &Path| {
        let bytes = std::fs::read(segment_path(dir, 1)).unwrap();
        let mut at = FRAMES_START;
        while at + 64 <= bytes.len() {
            let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            if length == 0 {
                return true;
            }
            if !length.is_multiple_of(16) || length < 64 || at + length > bytes.len() {
                return false;
            }
            at += length;
        }
        true
    };
    let bits = (FRAMES_START * 8..SMALL_END * 8).step_by(20_011);
    let (missed, _) = missed_flips(&scene, bits, usize::MAX, &accepts);
    assert!(missed.len() > 5, "{missed:?}");
}

#[test]
fn a_diagnosis_names_the_hole_and_who_knows_of_it() {
    let scene = Scene::several();
    patch(&scene.path(2), |bytes| bytes[FRAMES_START + 4096..FRAMES_START + 8192].fill(0));
    let found = diagnose(&scene.dir).unwrap();
    let [hole] = &found.findings[..] else { panic!("{found:?}") };
    assert_eq!(hole.segment, 2);
    assert!(hole.offset <= (FRAMES_START + 4096) as u64 && hole.end.unwrap() >= (FRAMES_START + 8192) as u64);
    assert!(hole.first_sequence <= hole.last_sequence && hole.witness.is_some(), "{hole:?}");
    assert_eq!(hole.first_sequence, found.good_through.next());
    assert_eq!(found.known_through, scene.last);
    assert_eq!(found.readable_behind, scene.last.0 - hole.last_sequence.0);
}

#[test]
fn two_holes_are_both_named_and_both_repaired() {
    let scene = Scene::several();
    patch(&scene.path(1), |bytes| bytes[FRAMES_START + 9_000] ^= 1);
    patch(&scene.path(3), |bytes| bytes[FRAMES_START + 2_000] ^= 1);
    let found = diagnose(&scene.dir).unwrap();
    assert_eq!(found.findings.iter().map(|hole| hole.segment).collect::<Vec<_>>(), [1, 3], "{found:?}");
    scene.assert_repaired("two holes");
}

#[test]
fn what_was_written_after_the_copy_stays() {
    let scene = Scene::several();
    let mut journal = open(config(&scene.dir));
    let more = push_frames(&mut journal.writer, 200);
    let last = journal.writer.close().unwrap().last_sequence;
    patch(&scene.path(1), |bytes| bytes[FRAMES_START + 5_000] ^= 4);
    let report = repair_from(&scene.dir, &scene.copy, true).unwrap();
    assert_eq!((report.through, report.segments), (last, vec![1]));
    assert!(verified(&scene.dir).1 == [scene.records.clone(), more].concat());
}

#[test]
fn a_copy_that_lacks_the_range_or_is_another_journal_changes_nothing() {
    let scene = Scene::several();
    let mut journal = open(config(&scene.dir));
    push_frames(&mut journal.writer, 200);
    journal.writer.close().unwrap();
    let last = scene.segments() + 1;
    patch(&scene.path(last), |bytes| bytes[FRAMES_START + 2_000] ^= 4);
    let before = files(&scene.dir);
    let error = repair_from(&scene.dir, &scene.copy, true).unwrap_err();
    assert!(error.to_string().contains("give a copy that has it, or cut"), "{error}");

    let other = scene.scratch.path().join("other");
    let mut journal = open(config(&other));
    push(&mut journal.writer, &frame(1, 2));
    push_frames(&mut journal.writer, 500);
    journal.writer.close().unwrap();
    let error = repair_from(&scene.dir, &other, true).unwrap_err();
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    let differs = |(path, bytes): &(PathBuf, Vec<u8>)| {
        !path.ends_with("KEEPER") && std::fs::read(path).unwrap() != *bytes
    };
    assert!(!before.iter().any(differs));
}

#[test]
fn a_second_journal_with_the_same_content_may_give_what_is_lost() {
    let scratch = scratch();
    let (dir, standby) = (scratch.path().join("journal"), scratch.path().join("standby"));
    let (records, _) = closed(config(&dir), 1_500);
    let mut journal = open(JournalConfig { segment_size: SEGMENT_SIZE * 2, ..config(&standby) });
    for frame in &records {
        push(&mut journal.writer, frame);
    }
    journal.writer.close().unwrap();
    patch(&segment_path(&dir, 9), |bytes| bytes[FRAMES_START + 5_000..FRAMES_START + 20_000].fill(7));
    let report = repair_from(&dir, &standby, true).unwrap();
    assert_eq!(report.segments, [9]);
    assert!(verified(&dir).1 == records && verified(&dir).0.first_difference.is_none());
}

/// Without frames of the journal's own, what `HEADS` and `durable` say is all that tells it from a copy that went another way.
#[test]
fn a_copy_with_another_history_of_the_same_journal_gives_nothing() {
    let scratch = scratch();
    let (dir, other) = (scratch.path().join("journal"), scratch.path().join("other"));
    closed(config(&dir), 1_000);
    std::fs::create_dir(&other).unwrap();
    copy_dir(&dir, &other);
    for (dir, events) in [(&dir, 1), (&other, 2)] {
        let mut journal = open(config(dir));
        for _ in 0..3_000 {
            let next = journal.watermarks().written_through().next();
            push(&mut journal.writer, &frame(next.0, events));
        }
        journal.writer.close().unwrap();
    }
    for segment in inspect(&dir).unwrap().segments {
        std::fs::remove_file(segment_path(&dir, segment.number)).unwrap();
    }
    let before = files(&dir);
    let error = repair_from(&dir, &other, true).unwrap_err();
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    let is_kept = |(path, bytes): &(PathBuf, Vec<u8>)| {
        path.ends_with("KEEPER") || std::fs::read(path).is_ok_and(|now| now == *bytes)
    };
    assert!(before.iter().all(is_kept));
}

/// A repair that ends anywhere leaves a journal that is refused, or one that is whole.
#[test]
fn segments_are_put_in_place_from_the_last_one_on() {
    let scratch = scratch();
    let (dir, copies) = (scratch.path().join("journal"), scratch.path().join("copies"));
    closed(config(&dir), 20);
    let durable = std::fs::read(dir.join("durable")).unwrap();
    let mut journal = open(config(&dir));
    push_frames(&mut journal.writer, 300);
    let through = journal.writer.close().unwrap().last_sequence;
    let (_, records) = verified(&dir);
    let copy = backup(&dir, &copies, Rotation::default()).unwrap().copy;
    let used = inspect(&dir).unwrap().segments.iter().filter(|segment| segment.frames > 0).count();
    // What is left knows of the first records alone.
    for (path, _) in files(&dir) {
        std::fs::remove_file(path).unwrap();
    }
    std::fs::write(dir.join("durable"), durable).unwrap();
    assert_mended(&dir, &copy, "all but an early durable file", through, &records);
    // What would be there where it was cut short behind each segment.
    let used = u64::try_from(used).unwrap();
    assert!(used > 2);
    for count in 1..used {
        std::fs::remove_file(segment_path(&dir, count)).unwrap();
        assert!(recover(config(&dir)).is_err(), "without the first {count}");
    }
    assert_mended(&dir, &copy, "a repair that was cut short", through, &records);
}

#[test]
fn a_cut_is_made_only_by_its_number_and_keeps_the_bytes() {
    let scene = Scene::several();
    let original = std::fs::read(scene.path(2)).unwrap();
    patch(&scene.path(2), |bytes| bytes[FRAMES_START + 4_500] ^= 4);
    let damaged = std::fs::read(scene.path(2)).unwrap();
    let good = diagnose(&scene.dir).unwrap().good_through;
    let error = repair_cut(&scene.dir, Sequence(good.0 + 1), true).unwrap_err();
    assert!(matches!(&error, KeepError::Refused(text) if text.contains(&good.to_string())), "{error}");
    // A reader that knows more than is left would be held against the journal at each start.
    let name = "database".to_owned();
    let kind = DependantKind::Reader;
    write_dependant(&scene.dir, &Dependant { name, kind, through: scene.last, time: TimeNs(5) }).unwrap();
    let tried = repair_cut(&scene.dir, good, false).unwrap();
    assert_eq!(tried.lost, Some((good.next(), scene.last)));
    assert_eq!(std::fs::read(scene.path(2)).unwrap(), damaged, "a trial changes nothing");

    let report = repair_cut(&scene.dir, good, true).unwrap();
    assert!(report.is_applied && report.through == good, "{report:?}");
    let kept = report.set_aside.iter().map(|path| std::fs::read(path).unwrap());
    assert!(kept.into_iter().any(|bytes| bytes == damaged && bytes != original), "the old bytes are there");
    assert!(diagnose(&scene.dir).unwrap().is_healthy());
    assert_eq!(list_dependants(&scene.dir).unwrap(), (Vec::new(), Vec::new()), "it is set aside");
    let mut journal = open(config(&scene.dir));
    assert_eq!(journal.writer.next_sequence(), good.next());
    push_frames(&mut journal.writer, 50);
    journal.writer.close().unwrap();
    assert_eq!(verified(&scene.dir).0.first_difference, None);
}

#[test]
fn a_cut_at_the_start_of_a_segment_behind_a_compressed_one_opens_again() {
    let scene = Scene::several();
    compress(&scene.dir, 3, &mut |_| {}).unwrap();
    patch(&scene.path(3), |bytes| bytes[FRAMES_START + 100] ^= 4);
    let good = diagnose(&scene.dir).unwrap().good_through;
    repair_cut(&scene.dir, good, true).unwrap();
    let mut journal = open(config(&scene.dir));
    push_frames(&mut journal.writer, 50);
    journal.writer.close().unwrap();
    assert_eq!(verified(&scene.dir).0.first_difference, None);
}

#[test]
fn a_cold_segment_is_mended_beside_a_writer_but_not_the_active_one() {
    let scene = Scene::several();
    let mut journal = open(config(&scene.dir));
    push_frames(&mut journal.writer, 10);
    let marks = journal.watermarks();
    wait_until("all is durable", || marks.durable_through() == marks.written_through());
    patch_in_place(&scene.path(1), FRAMES_START + 5_000);
    let report = repair_from(&scene.dir, &scene.copy, true).unwrap();
    assert_eq!(report.segments, [1]);
    push_frames(&mut journal.writer, 10);
    journal.writer.close().unwrap();
    assert_eq!(verified(&scene.dir).0.first_difference, None);
}

/// A flip that keeps the file, so that who has it open sees it too.
fn patch_in_place(path: &Path, offset: usize) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 4], offset as u64).unwrap();
}

/// Changes a record of frame `index` in a segment so that its checksum is right, and only the hash chain tells.
fn falsify(dir: &Path, segment: u64, index: usize) {
    patch(&segment_path(dir, segment), |bytes| {
        let length = |bytes: &[u8], at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).unwrap();
        let start = (0..index).fold(FRAMES_START, |at, _| at + length(bytes, at) as usize);
        let end = start + length(bytes, start) as usize;
        let frame = &mut bytes[start..end];
        // The stream version of the first record, behind the header of the frame.
        frame[64 + 24] ^= 1;
        let before = [segment.to_le_bytes(), (frame.len() as u64).to_le_bytes()].concat();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&before), &frame[8..]);
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
    });
}

#[test]
fn what_only_the_chain_denies_comes_from_a_good_copy_and_never_from_itself_or_its_like() {
    let scene = Scene::new(100);
    falsify(&scene.dir, 1, 20);
    let like = scene.scratch.path().join("like");
    std::fs::create_dir(&like).unwrap();
    copy_dir(&scene.dir, &like);
    let before = files(&like);
    let refused = |from: &Path, why: &str| {
        let error = repair_from(&scene.dir, from, true).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("nothing was changed"), "{error}");
        assert!(before.iter().all(|(path, bytes)| {
            let name = path.file_name().unwrap();
            name == "KEEPER" || std::fs::read(scene.dir.join(name)).unwrap() == *bytes
        }));
    };
    refused(&scene.dir, "is the journal itself; give a second copy");
    refused(&like.join("../journal"), "is the journal itself");
    refused(&like, "holds none and is damaged itself (segment 1 offset 16384: the chain differs");
    let report = repair_from(&scene.dir, &scene.copy, true).unwrap();
    assert_eq!(report.set_aside.len(), 1, "what denied the frame stays: {report:?}");
    let (verified, seen) = verified(&scene.dir);
    assert!(verified.first_difference.is_none() && seen == scene.records);
}

#[test]
fn a_copy_that_its_own_chain_denies_gives_what_is_before() {
    let scene = Scene::new(2_500);
    let last = scene.segments();
    falsify(&scene.copy, last - 1, 3);
    let original = std::fs::read(scene.path(last - 1)).unwrap();
    patch(&scene.path(last - 1), |bytes| bytes[FRAMES_START + 5_000] ^= 4);
    let error = repair_from(&scene.dir, &scene.copy, true).unwrap_err().to_string();
    assert!(error.contains("holds 1 to 4096 and is damaged itself"), "{error}");
    std::fs::write(scene.path(last - 1), original).unwrap();
    patch(&scene.path(1), |bytes| bytes[FRAMES_START + 5_000] ^= 4);
    scene.assert_repaired("damage before what the chain of the copy denies");
}
