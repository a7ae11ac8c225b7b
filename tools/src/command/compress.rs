//! `tickwerk compress`: compresses segments that are written to no more, also beside a running daemon.

use super::inspect::{grouped, size_in_words};
use super::patience::patiently;
use super::print;
use crate::exit;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::PathBuf;
use tickwerk_journal::{COMPRESS_LEVEL_DEFAULT, CompressedSegment, compress};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Directory of the journal; a daemon may be writing to it.
    dir: PathBuf,
    /// Level of Zstandard, 1 to 19.
    #[arg(long, value_name = "N", default_value_t = COMPRESS_LEVEL_DEFAULT, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    let mut done: Vec<CompressedSegment> = Vec::new();
    let ended = patiently(|| compress(&options.dir, options.level, &mut |segment| done.push(*segment)));
    let plain: u64 = done.iter().map(|segment| segment.plain_bytes).sum();
    let compressed: u64 = done.iter().map(|segment| segment.compressed_bytes).sum();
    if options.json {
        let segments: Vec<_> = done
            .iter()
            .map(|segment| {
                json!({
                    "number": segment.number,
                    "first_sequence": segment.first_sequence.0,
                    "last_sequence": segment.last_sequence.0,
                    "plain_bytes": segment.plain_bytes,
                    "compressed_bytes": segment.compressed_bytes,
                })
            })
            .collect();
        let report = json!({ "segments": segments, "plain_bytes": plain, "compressed_bytes": compressed });
        print(&report.to_string())?;
    } else {
        for segment in &done {
            print(&format!(
                "segment {}, records {} to {}: {} of {}",
                segment.number,
                grouped(segment.first_sequence.0),
                grouped(segment.last_sequence.0),
                size_in_words(segment.compressed_bytes),
                size_in_words(segment.plain_bytes)
            ))?;
        }
        let (count, from, to) = (done.len(), size_in_words(plain), size_in_words(compressed));
        print(&format!("{count} segments compressed, {from} to {to}"))?;
    }
    ended.with_context(|| format!("compressing the journal in {}", options.dir.display()))?;
    Ok(exit::OK)
}
