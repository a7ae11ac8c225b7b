//! The short form: every target over its corpus and some thousand changes of it.

use super::mutate::{Chance, change};
use super::{CaptureDecoder, FrameReader, Planted, SnapshotLoader, Target, seeds};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Changed inputs of a target.
const RUNS: usize = 2_000;
/// Images are restored into stores of full size, which takes its time.
const RUNS_OF_IMAGES: usize = 60;
/// So many times more in a long run.
const LONG: usize = 50;
const INPUT_SIZE_MAX: usize = 20 * 1024;

fn is_long() -> bool {
    std::env::var_os("TICKWERK_LONG").is_some_and(|value| value != "0")
}

fn corpus_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name)
}

/// The inputs of a target, by name, so that a run is the same each time.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let dir = std::fs::read_dir(corpus_of(name)).expect("every target has a corpus");
    let mut paths: Vec<PathBuf> = dir.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("an input")).collect()
}

/// Feeds `inputs` and so many changes of them; the first input that is not survived.
fn first_fault<T: Target>(inputs: &[Vec<u8>], runs: usize) -> Option<Vec<u8>> {
    let mut target = T::new();
    let mut chance = Chance::new(1);
    let changed = (0..runs).map(|_| {
        let mut input = inputs[chance.below(inputs.len())].clone();
        let other = &inputs[chance.below(inputs.len())];
        change(&mut input, other, &mut chance);
        input.truncate(INPUT_SIZE_MAX);
        input
    });
    inputs.iter().cloned().chain(changed).find(|input| {
        let fed = catch_unwind(AssertUnwindSafe(|| target.feed(input)));
        fed.is_err()
    })
}

#[track_caller]
fn assert_survives<T: Target>(runs: usize) {
    let inputs = corpus(T::NAME);
    assert!(!inputs.is_empty(), "the corpus of {} is empty", T::NAME);
    if let Some(input) = first_fault::<T>(&inputs, if is_long() { runs * LONG } else { runs }) {
        let path = std::env::temp_dir().join(format!("tickwerk-fault-{}", T::NAME));
        std::fs::write(&path, &input).expect("a temporary file");
        panic!("{} did not survive {}", T::NAME, path.display());
    }
}

#[test]
fn the_frame_reader_answers_whatever_it_is_fed() {
    assert_survives::<FrameReader>(RUNS);
}

#[test]
fn the_snapshot_loader_answers_whatever_it_is_fed() {
    assert_survives::<SnapshotLoader>(RUNS_OF_IMAGES);
}

#[test]
fn the_capture_decoder_answers_whatever_it_is_fed() {
    assert_survives::<CaptureDecoder>(RUNS);
}

#[test]
fn a_target_with_a_planted_fault_is_caught() {
    let inputs = [b"fury".to_vec(), b"feud".to_vec()];
    let fault = first_fault::<Planted>(&inputs, RUNS).expect("the harness finds the fault");
    assert!(fault.starts_with(b"fu"), "{fault:?}");
    assert_eq!(first_fault::<Planted>(&inputs[1..], 0), None, "and it finds no fault where there is none");
}

/// `UPDATE_GOLDEN=1` writes the seeds into the corpus; a fuzzer makes fewer and smaller inputs of them.
#[test]
fn a_seed_is_of_a_target_and_small() {
    for (number, (target, name, bytes)) in seeds::all().into_iter().enumerate() {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(corpus_of(target).join(format!("seed-{name}-{number:03}")), &bytes)
                .expect("a seed");
        }
        assert!(corpus_of(target).is_dir(), "{target} has no corpus");
        assert!((1..64 * 1024).contains(&bytes.len()), "{target} {name}: {} bytes", bytes.len());
    }
}
