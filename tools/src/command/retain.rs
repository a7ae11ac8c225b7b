//! `tickwerk retain`: which old segments may go, why each of the others stays, and letting them go.
//!
//! Works beside a running daemon, which never touches a segment that may go. A segment holds records of all families, so
//! what is to be kept per family belongs into a database or an archive.

use super::inspect::{grouped, size_in_words};
use super::patience::patiently;
use super::print;
use crate::exit;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tickwerk_domain::{Sequence, TimeNs};
use tickwerk_journal::{
    Dependant, DependantKind, RetentionPlan, RetentionRule, apply_retention, hold, plan_retention,
    remove_dependant,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Directory of the journal; a daemon may be writing to it.
    dir: PathBuf,
    /// Only say what would go (the default).
    #[arg(long, conflicts_with = "apply")]
    plan: bool,
    /// Let go what may go.
    #[arg(long)]
    apply: bool,
    /// Segments with a record younger than this stay: 30d, 12h, 90m, 45s.
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    keep: Option<Duration>,
    /// Hold everything that is there, under this name, until it is released.
    #[arg(long, value_name = "NAME")]
    hold: Option<String>,
    /// Release what is held under this name.
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Reads an age such as `30d`.
fn parse_age(text: &str) -> Result<Duration, String> {
    let remedy = "write a whole number and d, h, m or s, such as 30d";
    let unit = text.chars().last().ok_or(remedy)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return Err(remedy.to_owned()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| remedy)?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| remedy.to_owned())
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    let dir = &options.dir;
    ensure!(
        options.hold.is_none() || options.hold != options.release,
        "--hold and --release name the same; nothing was changed"
    );
    let context = || format!("retention of the journal in {}", dir.display());
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let now = TimeNs(u64::try_from(since).unwrap_or(u64::MAX));
    let rule = RetentionRule { keep: options.keep, now };
    // Before anything else, so that what is held now cannot go in the same call.
    if let Some(name) = &options.hold {
        plan_retention(dir, rule).with_context(context)?;
        let (name, kind, through) = (name.clone(), DependantKind::Hold, Sequence::NONE);
        patiently(|| hold(dir, &Dependant { name: name.clone(), kind, through, time: now }))?;
    }
    if let Some(name) = &options.release {
        ensure!(remove_dependant(dir, name)?, "nothing is held under the name {name}");
    }
    let plan =
        if options.apply { patiently(|| apply_retention(dir, rule)) } else { plan_retention(dir, rule) };
    let plan = plan.with_context(context)?;
    if options.json {
        print(&to_json(&plan, options.apply).to_string())?;
    } else {
        print(&to_text(&plan, options.apply))?;
    }
    Ok(exit::OK)
}

fn to_json(plan: &RetentionPlan, is_applied: bool) -> Value {
    let segments: Vec<Value> = plan
        .segments
        .iter()
        .map(|segment| {
            json!({
                "number": segment.number,
                "first_sequence": segment.first_sequence.0,
                "last_sequence": segment.last_sequence.0,
                "bytes": segment.bytes,
                "goes": segment.goes,
                "reasons": segment.reasons,
            })
        })
        .collect();
    let dependants: Vec<Value> = plan
        .dependants
        .iter()
        .map(|found| {
            json!({
                "name": found.name,
                "kind": found.kind.word(),
                "through": found.through.0,
                "time_ns": found.time.0,
            })
        })
        .collect();
    json!({
        "journal_id": plan.journal.to_string(),
        "applied": is_applied,
        "segments": segments,
        "freed_bytes": plan.freed_bytes(),
        "dependants": dependants,
        "snapshots": plan.snapshots.iter().map(|(sequence, from)| json!({ "sequence": sequence.0, "needs_from": from.0 })).collect::<Vec<_>>(),
        "notes": plan.notes,
    })
}

fn to_text(plan: &RetentionPlan, is_applied: bool) -> String {
    let mut lines = Vec::new();
    for segment in &plan.segments {
        let word = match (segment.goes, is_applied) {
            (true, true) => "went ",
            (true, false) => "goes ",
            (false, _) => "stays",
        };
        let records = if segment.last_sequence > Sequence::NONE {
            format!(", {} to {}", grouped(segment.first_sequence.0), grouped(segment.last_sequence.0))
        } else {
            String::new()
        };
        let reasons = segment.reasons.join("; ");
        lines.push(format!("{word} segment {}{records}: {reasons}", segment.number));
    }
    let gone = plan.segments.iter().filter(|segment| segment.goes).count();
    let verb = if is_applied { "went" } else { "may go" };
    lines.push(format!(
        "{gone} of {} segments {verb}, {}",
        plan.segments.len(),
        size_in_words(plan.freed_bytes())
    ));
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_and_nonsense_is_refused() {
        assert_eq!(parse_age("30d"), Ok(Duration::from_hours(720)));
        assert_eq!(parse_age("90m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse_age("0s"), Ok(Duration::ZERO));
        for text in ["", "d", "30", "-1d", "3w", "1.5h", "99999999999999999999d", "é"] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }
}
