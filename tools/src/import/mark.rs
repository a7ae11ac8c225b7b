//! What marks a journal as imported: its first record, its last one, and the sources of all its frames.
//!
//! The first and the last are records of a free-form stream with JSON beside them. Neither holds a clock's time, so that
//! the same rows give the same journal whenever they are imported; when that was is in the headers of its segments.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tickwerk_domain::command::StreamAppended;
use tickwerk_domain::{Sequence, TextId};
use tickwerk_import::{Mapping, SourceCounts};
use tickwerk_journal::{FrameRef, ReadError, Reader};

const BEGIN: &str = "tickwerk_import";
const END: &str = "tickwerk_import_end";
const VERSION: u32 = 1;

/// A journal that holds what was imported, where one is needed that can be decided again.
#[derive(Debug, thiserror::Error)]
#[error(
    "the journal in {} holds imported history: nothing in it was decided here, so it can be neither executed again nor \
     gone on with; print it (tickwerk replay), verify its bytes (tickwerk verify) or ship it (tickwerk db replicate)",
    dir.display()
)]
pub(crate) struct Imported {
    dir: PathBuf,
}

/// Whether a frame was imported.
pub(crate) fn is_imported(frame: &FrameRef<'_>) -> bool {
    frame.header.source.is_import()
}

/// Refuses a journal that holds imported history. A directory that is none, or none that can be read, is others' matter.
pub(crate) fn refuse_imported(dir: &Path) -> Result<(), Imported> {
    let first = Reader::open(dir, Sequence::NONE)
        .ok()
        .map(|mut reader| reader.next().map(|frame| frame.is_some_and(|frame| is_imported(&frame))));
    match first {
        Some(Ok(true)) => Err(Imported { dir: dir.to_owned() }),
        None | Some(Ok(false) | Err(_)) => Ok(()),
    }
}

/// What the first record says.
pub(crate) fn beginning(mapping: &Mapping, counts: &[SourceCounts]) -> Value {
    let sources: Vec<Value> = mapping
        .sources
        .iter()
        .zip(counts)
        .map(|(source, counts)| {
            json!({
                "name": source.name,
                "rows_are": source.what.word(),
                "rows": counts.fingerprint.rows(),
                "blake3": counts.fingerprint.hash(),
            })
        })
        .collect();
    json!({ BEGIN: VERSION, "name": mapping.name, "mapping_blake3": mapping.hash, "sources": sources })
}

/// What the last record says.
pub(crate) fn end(rows: u64, refused: u64) -> Value {
    json!({ END: VERSION, "rows": rows, "refused": refused })
}

/// The record that carries `content`.
pub(crate) fn record(content: &str) -> StreamAppended {
    StreamAppended {
        content_hash: *blake3_of(content).as_bytes(),
        content_length: u32::try_from(content.len()).expect("what is said of an import is short"),
        stream: 0,
        content_type: TextId::NONE,
    }
}

fn blake3_of(content: &str) -> blake3::Hash {
    blake3::hash(content.as_bytes())
}

/// What the first record of a journal says, where it is that of an import.
pub(crate) fn read_beginning(dir: &Path) -> Result<Found, ReadError> {
    let mut reader = Reader::open(dir, Sequence::NONE)?;
    let Some(frame) = reader.next()? else {
        return Ok(Found::Empty);
    };
    let content = frame.opaque(0).and_then(|content| serde_json::from_slice::<Value>(content).ok());
    let is_first = frame.header.first_sequence == Sequence::FIRST && is_imported(&frame);
    Ok(content.filter(|content| is_first && content[BEGIN] == VERSION).map_or(Found::Other, Found::Import))
}

/// What lies in a directory.
pub(crate) enum Found {
    /// A journal without a record.
    Empty,
    /// An import, and what it says of itself.
    Import(Value),
    /// Another journal.
    Other,
}

/// Why `theirs` is not the import that `ours` is; nothing where it is.
pub(crate) fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if ours["name"] != theirs["name"] {
        return Some(format!(
            "it holds the import {:?}, this is {:?}",
            text(&theirs["name"]),
            text(&ours["name"])
        ));
    }
    if ours["mapping_blake3"] != theirs["mapping_blake3"] {
        return Some("the mapping has changed since that import began".to_owned());
    }
    let nothing = Vec::new();
    let sources = |of: &Value| of["sources"].as_array().unwrap_or(&nothing).clone();
    let changed = sources(ours).into_iter().zip(sources(theirs)).find(|(ours, theirs)| ours != theirs);
    Some(changed.map_or_else(
        || "it was begun by another build".to_owned(),
        |(ours, theirs)| {
            format!(
                "source {:?} has changed since that import began: it had {} rows with hash {}, now it has {} with hash {}",
                text(&theirs["name"]),
                theirs["rows"],
                text(&theirs["blake3"]),
                ours["rows"],
                text(&ours["blake3"])
            )
        },
    ))
}
