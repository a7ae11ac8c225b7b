//! The register of dependants: who still needs the journal, and from which record on. One small file each.
//!
//! The file `dependant-<name>` is written whole by its owner alone, so owners never wait for each other. A file that
//! cannot be read keeps everything: what somebody needs is not guessed. A reader is also a witness: it says what it has
//! done with, and it reads what is durable.

use crate::directory::{self, FileError, failed};
use crate::files;
use crate::format;
use std::path::{Path, PathBuf};
use tickwerk_domain::{Sequence, TimeNs};

const TITLE: &str = "tickwerk-dependant 1";
pub(crate) const NAME_LENGTH_MAX: usize = 64;

/// What keeps records of a journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DependantKind {
    /// Somebody reads the journal, only what is durable, and has done with everything up to `through`.
    Reader,
    /// A hold by order: everything after `through` stays until it is released.
    Hold,
}

impl DependantKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Hold => "hold",
        }
    }
}

/// Who needs what follows a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dependant {
    /// Its name: 1 to 64 of `a–z`, `0–9`, `-`, `_` and `.`.
    pub name: String,
    /// Reader or hold.
    pub kind: DependantKind,
    /// The last record that it does not need any more; 0 if it needs all.
    pub through: Sequence,
    /// When it said so.
    pub time: TimeNs,
}

/// Why a dependant cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The name cannot be that of a file of the register.
    #[error("the name {0:?} cannot be used; write 1 to 64 of a–z, 0–9, '-', '_' and '.'")]
    Name(String),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A file of the register that cannot be read, and why.
pub type BadDependant = (PathBuf, &'static str);

/// Whether a dependant can be called so.
pub(crate) fn check_name(name: &str) -> Result<(), RegisterError> {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let is_name = (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(is_good);
    // Others are those of files that are being made, or that a repair has set aside.
    if is_name && directory::is_dependant(&directory::dependant_name(name)) {
        return Ok(());
    }
    Err(RegisterError::Name(name.to_owned()))
}

/// Writes what a dependant needs, in place of what it said before.
pub fn write_dependant(dir: &Path, dependant: &Dependant) -> Result<(), RegisterError> {
    check_name(&dependant.name)?;
    let path = directory::dependant_path(dir, &dependant.name);
    Ok(files::replace(&path, text_of(dependant).as_bytes())?)
}

fn text_of(dependant: &Dependant) -> String {
    let body = format!(
        "{TITLE}\nname {}\nkind {}\nthrough {}\ntime {}\n",
        dependant.name,
        dependant.kind.word(),
        dependant.through.0,
        dependant.time.0
    );
    format!("{body}crc {:08x}\n", crc32c::crc32c(body.as_bytes()))
}

/// Copies the file of a dependant into a copy of the journal that ends at `through`: a reader may have gone on since,
/// and would be a witness of records that the copy does not have. What cannot be read is copied as it is.
pub(crate) fn copy_up_to(path: &Path, copy: &Path, through: Sequence) -> Result<(), FileError> {
    let bytes = std::fs::read(path).map_err(failed("read", path))?;
    let found = str::from_utf8(&bytes).ok().and_then(|text| parse(text).ok());
    match found.filter(|found| found.through > through) {
        Some(found) => files::write_new(copy, text_of(&Dependant { through, ..found }).as_bytes()),
        None => files::write_new(copy, &bytes),
    }
}

/// Takes a dependant away; whether it was there.
pub fn remove_dependant(dir: &Path, name: &str) -> Result<bool, RegisterError> {
    check_name(name)?;
    let path = directory::dependant_path(dir, name);
    let is_there = path.exists();
    if is_there {
        files::remove(&path)?;
        directory::sync_dir(dir)?;
    }
    Ok(is_there)
}

/// All dependants by name, and the files that are none though they are called so.
pub fn list_dependants(dir: &Path) -> Result<(Vec<Dependant>, Vec<BadDependant>), FileError> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for path in files::list(dir)? {
        let name = files::name_of(&path);
        if !directory::is_dependant(name) {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(failed("read", &path))?;
        match String::from_utf8(bytes).map_err(|_| "it is no text").and_then(|text| parse(&text)) {
            Ok(found) if directory::dependant_path(dir, &found.name) == path => good.push(found),
            Ok(_) => bad.push((path, "it is of another name")),
            Err(reason) => bad.push((path, reason)),
        }
    }
    Ok((good, bad))
}

/// What the reader that knows most has done with. Files that cannot be read know nothing.
pub(crate) fn known_through(dir: &Path) -> Result<Sequence, FileError> {
    let mut known = Sequence::NONE;
    for name in directory::list(dir)?.iter().filter(|name| directory::is_dependant(name)) {
        known = known.max(reader_through(&dir.join(name))?.unwrap_or_default());
    }
    Ok(known)
}

/// What the reader with this file has done with; `None` where it is no reader's, or cannot be read.
pub(crate) fn reader_through(path: &Path) -> Result<Option<Sequence>, FileError> {
    let Some(file) = directory::open_for_reading(path)? else {
        return Ok(None);
    };
    let bytes = directory::read_whole(&file).map_err(failed("read", path))?;
    let found = str::from_utf8(&bytes).ok().and_then(|text| parse(text).ok());
    let is_reader = |found: &Dependant| {
        found.kind == DependantKind::Reader
            && path.ends_with(directory::dependant_path(Path::new(""), &found.name))
    };
    Ok(found.filter(is_reader).map(|found| found.through))
}

fn parse(text: &str) -> Result<Dependant, &'static str> {
    let body_end = text.rfind("crc ").ok_or("it has no checksum")?;
    let (body, crc) = text.split_at(body_end);
    let crc = crc.trim_end().strip_prefix("crc ").and_then(|crc| u32::from_str_radix(crc, 16).ok());
    if crc != Some(crc32c::crc32c(body.as_bytes())) {
        return Err("its checksum differs");
    }
    let mut lines = body.lines();
    if lines.next() != Some(TITLE) {
        return Err("it is of a version that this build does not know");
    }
    let mut value =
        |key: &str| lines.next().and_then(|line| line.strip_prefix(key)).ok_or("a line is missing");
    let name = value("name ")?.to_owned();
    let kind = match value("kind ")? {
        "reader" => DependantKind::Reader,
        "hold" => DependantKind::Hold,
        _ => return Err("its kind is not known"),
    };
    let number = |text: &str| text.parse::<u64>().map_err(|_| "a number is none");
    let through = Sequence(number(value("through ")?)?);
    format::check_sequences([through])?;
    Ok(Dependant { name, kind, through, time: TimeNs(number(value("time ")?)?) })
}
