//! The file that a report goes to, which may lie in the folder of the journal itself.
//!
//! Invariant: nothing lies there before the report does, so that an import that ends without one leaves no trace.

use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf, absolute};

/// A file that can be written.
#[derive(Debug)]
pub(super) struct ReportFile<'a> {
    path: &'a Path,
    is_in_target: bool,
}

impl<'a> ReportFile<'a> {
    /// What cannot be written is better told before hours of work than behind them.
    pub(super) fn probed(path: &'a Path, target: Option<&Path>) -> Result<Self> {
        if target.is_some_and(|target| is_same(path, target)) {
            return Err(Error::from(ErrorKind::IsADirectory)).with_context(|| told(path));
        }
        let is_in_target = target.is_some_and(|target| is_same(folder(path), target));
        if is_in_target && path.extension().is_none_or(|extension| extension != "json") {
            let text = "in the folder of the journal it is to be named *.json, as no file of a journal is";
            return Err(Error::new(ErrorKind::InvalidInput, text)).with_context(|| told(path));
        }
        let is_to_come = is_in_target && !folder(path).exists();
        if !is_to_come {
            probe(path).with_context(|| told(path))?;
        }
        Ok(Self { path, is_in_target })
    }

    /// Its name, where it lies in the folder that the import writes to.
    pub(super) fn name_in_target(&self) -> Option<&OsStr> {
        self.path.file_name().filter(|_| self.is_in_target)
    }

    /// Writes the report.
    pub(super) fn write(&self, text: &str) -> Result<()> {
        if self.is_in_target {
            // An import that is refused has made none.
            let mut private = DirBuilder::new();
            private.recursive(true).mode(0o700);
            private.create(folder(self.path)).with_context(|| told(self.path))?;
        }
        fs::write(self.path, text).with_context(|| told(self.path))
    }
}

fn told(path: &Path) -> String {
    format!("writing the report to {}", path.display())
}

/// Opens a file for writing; what is there stays, and what is not is not made.
fn probe(path: &Path) -> Result<(), Error> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // A link that leads nowhere is there, too.
            OpenOptions::new().create(true).append(true).open(path).map(|_| ())
        }
        Err(error) => Err(error),
    }
}

/// The folder that a file lies in.
fn folder(path: &Path) -> &Path {
    let parent = path.parent().unwrap_or(path);
    if parent.as_os_str().is_empty() { Path::new(".") } else { parent }
}

/// Whether both name one folder; by their names alone where it is not there yet.
fn is_same(one: &Path, other: &Path) -> bool {
    let named =
        |path: &Path| -> Result<PathBuf, Error> { fs::canonicalize(path).or_else(|_| absolute(path)) };
    matches!((named(one), named(other)), (Ok(one), Ok(other)) if one.components().eq(other.components()))
}
