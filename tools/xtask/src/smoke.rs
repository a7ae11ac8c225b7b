//! A stranger's first minute, with the released binary: a demo, and a proof of the journal that it wrote.

use crate::plain_cargo;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

const COMMANDS: u64 = 200_000;

/// Runs `demo` into a fresh folder below `target` and re-executes the journal.
pub(crate) fn run(target: &Path) -> Result<()> {
    let dir = target.join("xtask-smoke");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    let commands = COMMANDS.to_string();
    let summary = tickwerk(&[
        "demo".as_ref(),
        "--commands".as_ref(),
        commands.as_ref(),
        "--dir".as_ref(),
        dir.as_os_str(),
        "--json".as_ref(),
    ])?;
    check_summary(&summary).with_context(|| format!("the summary of demo: {summary}"))?;

    let journal =
        summary.pointer("/journal/dir").and_then(Value::as_str).context("demo names no journal.dir")?;
    let verdict =
        tickwerk(&["verify".as_ref(), journal.as_ref(), "--reexecute".as_ref(), "--json".as_ref()])?;
    ensure!(
        verdict["ok"] == true && verdict["first_difference"].is_null(),
        "verify is not content: {verdict}"
    );
    std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))
}

fn check_summary(summary: &Value) -> Result<()> {
    let commands = summary["commands"].as_u64().context("commands is no number")?;
    ensure!(commands >= COMMANDS, "commands is {commands}; {COMMANDS} were asked for");
    let digest = summary["digest"].as_str().context("digest is no text")?;
    let is_hex = digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(is_hex && digest.len() >= 16, "digest {digest:?} is not at least 16 lower-case hex digits");
    Ok(())
}

/// Runs the binary; its stdout must be one JSON value.
fn tickwerk(arguments: &[&OsStr]) -> Result<Value> {
    let mut command = plain_cargo();
    command.args(["run", "--quiet", "--release", "--package", "tickwerk", "--"]).args(arguments);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{command:?} ended with {}: {text}", output.status);
    }
    serde_json::from_str(&text)
        .with_context(|| format!("{command:?} printed something else than JSON: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_without_work_or_digest_is_refused() {
        let good = serde_json::json!({"commands": COMMANDS, "digest": "0123456789abcdef"});
        assert!(check_summary(&good).is_ok());
        for bad in [
            serde_json::json!({}),
            serde_json::json!({"commands": 0, "digest": "0123456789abcdef"}),
            serde_json::json!({"commands": COMMANDS, "digest": "0123"}),
            serde_json::json!({"commands": COMMANDS, "digest": "0123456789ABCDEF"}),
        ] {
            assert!(check_summary(&bad).is_err(), "{bad}");
        }
    }
}
