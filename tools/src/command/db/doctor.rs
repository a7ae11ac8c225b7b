//! `tickwerk db doctor`: a server's configuration against what this load wants, and how its tables are. Changes nothing.

use super::Place;
use crate::command::{print, tell};
use crate::exit;
use anyhow::Result;
use serde_json::{Value, json};
use tickwerk_postgres::{Finding, MANUAL, Severity};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// Show what is as it should be, too; JSON always has it.
    #[arg(long)]
    all: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<u8> {
    let findings = tickwerk_postgres::doctor(&options.place.settings()?, &tell)?;
    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
    if options.json {
        let all: Vec<Value> = findings.iter().map(to_json).collect();
        print(
            &json!({ "ok": worst < Severity::Warning, "worst": worst.word(), "findings": all }).to_string(),
        )?;
    } else {
        print(&to_text(&findings, options.all))?;
    }
    Ok(if worst == Severity::Critical { exit::DIFFERENT } else { exit::OK })
}

fn to_json(finding: &Finding) -> Value {
    json!({
        "area": finding.area,
        "name": finding.name,
        "severity": finding.severity.word(),
        "found": finding.found,
        "advised": finding.advised,
        "reason": finding.reason,
        "source": page(finding),
    })
}

fn page(finding: &Finding) -> Option<String> {
    (!finding.source.is_empty()).then(|| format!("{MANUAL}{}", finding.source))
}

fn to_text(findings: &[Finding], all: bool) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        // What is only told has no advice.
        let is_problem = finding.severity > Severity::Ok;
        if !is_problem && !all && !finding.advised.is_empty() {
            continue;
        }
        let Finding { area, name, found, .. } = finding;
        lines.push(format!("{:<9} {area} {name}: {found}", finding.severity.word()));
        if is_problem && !finding.advised.is_empty() {
            lines.push(format!("          advised: {}; {}", finding.advised, finding.reason));
            lines.extend(page(finding).map(|page| format!("          {page}")));
        }
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let [critical, warning, note] = [Severity::Critical, Severity::Warning, Severity::Note].map(count);
    lines.push(format!("{critical} critical, {warning} warnings, {note} notes; nothing was changed"));
    lines.join("\n")
}
