//! `tickwerk repair`: names what is damaged in a journal, what each way out would lose, and takes one if told to.
//!
//! Ends with 0 when the journal is whole, or was made whole; with 3 while damage remains. Nothing is changed without
//! `--apply`, and what is replaced stays beside it as `….damaged-<n>`.

use super::inspect::grouped;
use super::patience::patiently;
use super::print;
use crate::exit;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;
use tickwerk_journal::{Diagnosis, Finding, RepairReport, diagnose, repair_cut, repair_from};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Directory of the journal.
    dir: PathBuf,
    /// Take what is damaged from this second copy: a backup, a folder of backups, or another journal.
    #[arg(long, value_name = "COPY", conflicts_with = "cut")]
    from: Option<PathBuf>,
    /// Give up everything behind the damage; say with --lose-after what stays.
    #[arg(long, requires = "lose_after")]
    cut: bool,
    /// The last record that stays in a cut: the last one before the first damage.
    #[arg(long, value_name = "SEQUENCE", requires = "cut")]
    lose_after: Option<u64>,
    /// Do it, instead of only trying it.
    #[arg(long)]
    apply: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    let dir = &options.dir;
    let context = || format!("repairing the journal in {}", dir.display());
    let report = match (&options.from, options.lose_after) {
        (Some(from), _) => Some(patiently(|| repair_from(dir, from, options.apply)).with_context(context)?),
        (None, Some(after)) => {
            Some(patiently(|| repair_cut(dir, Sequence(after), options.apply)).with_context(context)?)
        }
        (None, None) if options.apply => {
            bail!("--apply needs a way to repair: --from COPY, or --cut --lose-after SEQUENCE")
        }
        (None, None) => None,
    };
    let diagnosis = match &report {
        Some(report) => report.diagnosis.clone(),
        None => diagnose(dir).with_context(context)?,
    };
    let is_whole = diagnosis.is_healthy() || report.as_ref().is_some_and(|report| report.is_applied);
    if options.json {
        print(&to_json(&diagnosis, report.as_ref(), is_whole).to_string())?;
    } else {
        print(&to_text(dir, &diagnosis, report.as_ref()))?;
    }
    Ok(if is_whole { exit::OK } else { exit::DIFFERENT })
}

fn to_json(diagnosis: &Diagnosis, report: Option<&RepairReport>, is_whole: bool) -> Value {
    let findings: Vec<Value> = diagnosis
        .findings
        .iter()
        .map(|found| {
            json!({
                "segment": found.segment,
                "offset": found.offset,
                "end": found.end,
                "first_sequence": found.first_sequence.0,
                "last_sequence": found.last_sequence.0,
                "reason": found.reason,
                "witness": found.witness.map(|witness| witness.to_string()),
            })
        })
        .collect();
    json!({
        "ok": is_whole,
        "journal_id": diagnosis.journal.to_string(),
        "live": diagnosis.is_live,
        "findings": findings,
        "good_through": diagnosis.good_through.0,
        "known_through": diagnosis.known_through.0,
        "readable_behind": diagnosis.readable_behind,
        "notes": diagnosis.notes,
        "repair": report.filter(|_| !diagnosis.is_healthy()).map(|report| json!({
            "copy": report.copy.as_ref().map(|copy| copy.display().to_string()),
            "applied": report.is_applied,
            "segments": report.segments,
            "restored_records": report.restored,
            "through": report.through.0,
            "lost": report.lost.map(|(first, last)| json!({ "first": first.0, "last": last.0 })),
            "set_aside": report.set_aside.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        })),
    })
}

fn to_text(dir: &Path, diagnosis: &Diagnosis, report: Option<&RepairReport>) -> String {
    let shown = dir.display();
    let mut lines = Vec::new();
    if diagnosis.is_healthy() {
        lines.push(format!("{shown} is whole through {}", grouped(diagnosis.good_through.0)));
    } else {
        lines.push(format!("{shown} is DAMAGED"));
        lines.extend(diagnosis.findings.iter().map(finding_text));
        lines.push(format!("whole through       {}", grouped(diagnosis.good_through.0)));
        lines.push(format!("known to somebody   {}", grouped(diagnosis.known_through.0)));
        match report {
            Some(report) => lines.extend(report_text(report)),
            None => lines.extend(ways(dir, diagnosis)),
        }
    }
    lines.extend(diagnosis.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

fn finding_text(found: &Finding) -> String {
    let Finding { segment, offset, end, first_sequence, last_sequence, reason, witness } = found;
    let end = end.map_or_else(|| "the end".to_owned(), |end| end.to_string());
    let records = if first_sequence <= last_sequence {
        let count = grouped(last_sequence.0 - first_sequence.0 + 1);
        format!("{count} records, {first_sequence} to {last_sequence}")
    } else {
        "no record".to_owned()
    };
    let witness = witness.map_or_else(String::new, |witness| format!("; {witness}"));
    format!("  segment {segment}, bytes {offset} to {end}: {records}: {reason}{witness}")
}

/// The ways out, and what each would lose.
fn ways(dir: &Path, diagnosis: &Diagnosis) -> Vec<String> {
    let (dir, good) = (dir.display(), diagnosis.good_through);
    let lost = diagnosis.known_through.0.saturating_sub(good.0);
    let cut = if good == Sequence::NONE {
        "a cut is not possible: nothing stands before the damage".to_owned()
    } else {
        format!(
            "give up {} records, of which {} can still be read; their bytes are kept:\n    \
             tickwerk repair {dir} --cut --lose-after {good} --apply",
            grouped(lost),
            grouped(diagnosis.readable_behind)
        )
    };
    vec![
        "ways out:".to_owned(),
        format!(
            "  from a second copy that has the records, nothing is lost:\n    tickwerk repair {dir} --from COPY --apply"
        ),
        format!("  {cut}"),
    ]
}

fn report_text(report: &RepairReport) -> Vec<String> {
    let mut lines = Vec::new();
    let (would, is) = if report.is_applied { ("", "is") } else { ("would be ", "would be") };
    if let Some(copy) = &report.copy {
        lines.push(format!(
            "{would}repaired from {}: {} records restored, segments {:?} made again; the journal {is} whole through {}",
            copy.display(),
            grouped(report.restored),
            report.segments,
            grouped(report.through.0)
        ));
    } else {
        lines.push(format!("{would}cut; the journal {is} whole through {}", grouped(report.through.0)));
    }
    if let Some((first, last)) = report.lost {
        let count = grouped(last.0 - first.0 + 1);
        if report.copy.is_some() {
            lines.push(format!(
                "NOT THERE: {count} records, {first} to {last}: the copy is kept from {} on; unless they were let go, they are lost",
                last.next()
            ));
        } else {
            lines.push(format!(
                "LOST: {count} records, {first} to {last}; answers that were given for them do not hold"
            ));
        }
    }
    lines.extend(report.set_aside.iter().map(|path| format!("kept: {}", path.display())));
    if !report.is_applied {
        lines.push("nothing was changed; say --apply to do it".to_owned());
    }
    lines
}
