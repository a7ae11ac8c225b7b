//! What the compiler does not hold: who may know whom, where `unsafe` may stand, and that every module says what it is.
//!
//! `tidy/crates.rs` holds the manifests to a table of allowed dependencies, `tidy/sources.rs` the source files and the
//! folders to rules of their own. Each rule is also shown a made-up violation, so that one that can no longer fail is
//! noticed.

#[path = "tidy/crates.rs"]
mod crates;
#[path = "tidy/sources.rs"]
mod sources;

use std::path::Path;

/// The workspace's root folder.
fn root_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root folder")
}

#[track_caller]
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}
