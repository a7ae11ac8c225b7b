//! libFuzzer feeds [`FrameReader`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tickwerk_tests::fuzz::{FrameReader, Target};

thread_local! {
    static TARGET: RefCell<FrameReader> = RefCell::new(FrameReader::new());
}

fuzz_target!(|bytes: &[u8]| TARGET.with_borrow_mut(|target| target.feed(bytes)));
