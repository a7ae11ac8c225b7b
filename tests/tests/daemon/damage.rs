//! Files that were hurt: a torn tail is cut with a copy kept, damage to what was acknowledged is refused.

use crate::fixture::Bench;
use crate::process::{Process, reexecute, run};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;
use tickwerk_journal::{Reader, inspect};

const STEPS: u64 = 400;
const LATENCY_NS: u64 = 1_000_000;

/// Where a frame lies: its file, offset, size, and first sequence.
struct Lies {
    file: PathBuf,
    offset: u64,
    size: u64,
    sequence: u64,
}

fn frames(dir: &Path) -> Vec<Lies> {
    let mut reader = Reader::open(dir, Sequence::NONE).expect("a journal");
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().expect("a whole journal") {
        let file = dir.join(format!("{:012}.seg", frame.place.segment));
        let (offset, size) = (frame.place.offset, frame.bytes.len() as u64);
        frames.push(Lies { file, offset, size, sequence: frame.header.first_sequence.0 });
    }
    frames
}

/// Changes bytes of a file in place.
fn change(file: &Path, offset: u64, bytes: usize, change: impl Fn(u8) -> u8) {
    let opened = OpenOptions::new().read(true).write(true).open(file).expect("a segment");
    let mut buffer = vec![0; bytes];
    opened.read_exact_at(&mut buffer, offset).expect("bytes there");
    for byte in &mut buffer {
        *byte = change(*byte);
    }
    opened.write_all_at(&buffer, offset).expect("a segment can be written");
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    // What a living writer says is forgotten at once, so that nobody takes it for that of a dead one.
    let kept = entries.filter(|path| !path.ends_with("WATERMARKS"));
    kept.map(|path| (path.clone(), std::fs::read(&path).expect("a file"))).collect()
}

#[test]
fn a_torn_last_frame_is_cut_with_a_copy_and_the_run_goes_on() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    let whole = run(bench.arguments(&bench.path("whole"), &[])).expect(0).json();
    let last = whole["journal"]["last_sequence"].as_u64().expect("a number");
    let journal = bench.journal();
    let mut process = Process::start(bench.arguments(&journal, &[("journal.sync_interval_ms", "10000")]));
    process.wait_until_written(&journal, last / 3);
    process.kill();

    let torn = frames(&journal).pop().expect("a frame");
    assert!(inspect(&journal).expect("a journal").durable_through.0 < torn.sequence, "it was not synced");
    let half = torn.size / 2;
    change(&torn.file, torn.offset + half, usize::try_from(torn.size - half).expect("small"), |_| 0);
    let shown = run(["inspect".into(), journal.clone().into_os_string(), "--json".into()]).expect(0).json();
    assert!(shown["torn"].is_object() && shown["damage"].is_null(), "{shown}");

    let resumed = run(bench.arguments(&journal, &[]));
    let resumed = resumed.expect_told(0, &["warning", "torn", ".torn"]).json();
    assert_eq!(resumed["digest"], whole["digest"]);
    assert_eq!(resumed["journal"]["chain_head"], whole["journal"]["chain_head"]);
    let copies = files(&journal).into_keys().filter(|path| path.to_string_lossy().contains("torn")).count();
    assert_eq!(copies, 1);
    reexecute(&journal);
}

#[test]
fn a_changed_byte_in_what_was_acknowledged_is_refused_and_nothing_is_touched() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    let journal = bench.journal();
    run(bench.arguments(&journal, &[])).expect(0);
    let all = frames(&journal);
    for place in [0, all.len() / 2, all.len() - 1] {
        let Lies { file, offset, size, sequence } = &all[place];
        let flip = |byte: u8| byte ^ 0x10;
        change(file, offset + size / 2, 1, flip);
        let before = files(&journal);
        let told = run(bench.arguments(&journal, &[]))
            .expect_told(3, &["damage at segment", &format!("where sequence {sequence} should be")]);
        assert!(told.stdout.is_empty(), "{}", told.stdout);
        let after = files(&journal);
        let differs: Vec<&PathBuf> =
            before.keys().filter(|path| before.get(*path) != after.get(*path)).collect();
        assert!(differs.is_empty() && before.len() == after.len(), "changed: {differs:?}");
        let verdict =
            run(["verify".into(), journal.clone().into_os_string(), "--json".into()]).expect(3).json();
        assert_eq!(
            (&verdict["ok"], &verdict["first_difference"]["sequence"]),
            (&false.into(), &(*sequence).into())
        );
        change(file, offset + size / 2, 1, flip);
    }
    reexecute(&journal);
}

#[test]
fn a_segment_that_is_gone_is_refused() {
    let bench = Bench::with_capture(1_200, LATENCY_NS);
    let journal = bench.journal();
    run(bench.arguments(&journal, &[])).expect(0);
    let used =
        inspect(&journal).expect("a journal").segments.iter().filter(|segment| segment.frames > 0).count();
    assert!(used >= 2, "the capture fills one segment at least");
    std::fs::remove_file(journal.join("000000000001.seg")).expect("a segment");
    let told = run(bench.arguments(&journal, &[]));
    assert_eq!(told.code, Some(3), "{}", told.stderr);
}
