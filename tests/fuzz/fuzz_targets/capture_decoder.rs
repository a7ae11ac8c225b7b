//! libFuzzer feeds [`CaptureDecoder`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tickwerk_tests::fuzz::{CaptureDecoder, Target};

thread_local! {
    static TARGET: RefCell<CaptureDecoder> = RefCell::new(CaptureDecoder::new());
}

fuzz_target!(|bytes: &[u8]| TARGET.with_borrow_mut(|target| target.feed(bytes)));
