//! libFuzzer feeds [`Planted`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tickwerk_tests::fuzz::{Planted, Target};

thread_local! {
    static TARGET: RefCell<Planted> = RefCell::new(Planted::new());
}

fuzz_target!(|bytes: &[u8]| TARGET.with_borrow_mut(|target| target.feed(bytes)));
