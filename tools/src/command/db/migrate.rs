//! `tickwerk db migrate`: makes the schema, or brings it to what this build needs. Safe to repeat.

use super::Place;
use crate::command::print;
use crate::exit;
use anyhow::Result;
use serde_json::json;
use tickwerk_postgres::Migrated;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<u8> {
    let migrated =
        options.place.with("migrate", async |mut client| tickwerk_postgres::migrate(&mut client).await)?;
    if options.json {
        let Migrated { version, steps, projections, failed } = migrated;
        let told =
            json!({ "version": version, "steps": steps, "projections": projections, "failed": failed });
        print(&told.to_string())?;
        return Ok(exit::OK);
    }
    for step in &migrated.steps {
        print(&format!("applied {step}"))?;
    }
    for name in &migrated.projections {
        print(&format!("made the tables of {name}"))?;
    }
    for told in &migrated.failed {
        print(told)?;
    }
    print(&format!("the schema tickwerk is of version {}", migrated.version))?;
    Ok(exit::OK)
}
