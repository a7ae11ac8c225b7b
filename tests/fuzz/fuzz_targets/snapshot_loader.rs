//! libFuzzer feeds [`SnapshotLoader`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tickwerk_tests::fuzz::{SnapshotLoader, Target};

thread_local! {
    static TARGET: RefCell<SnapshotLoader> = RefCell::new(SnapshotLoader::new());
}

fuzz_target!(|bytes: &[u8]| TARGET.with_borrow_mut(|target| target.feed(bytes)));
