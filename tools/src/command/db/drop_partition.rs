//! `tickwerk db drop-partition`: lets old events go. Nothing is ever dropped without this command.

use super::Place;
use crate::command::print;
use crate::exit;
use anyhow::{Result, ensure};
use tickwerk_postgres::{Partition, check_schema, drop_partition, partitions};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Partitions to drop, by name; `tickwerk db status` lists them.
    names: Vec<String>,
    /// Drop every partition that is older than its family is kept (the server has a table of that).
    #[arg(long, conflicts_with = "names")]
    expired: bool,
    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(options: &Options) -> Result<u8> {
    ensure!(
        options.expired || !options.names.is_empty(),
        "name the partitions to drop, or say --expired for all that are older than their family is kept"
    );
    let is_meant = |of: &Partition| {
        if options.expired { of.is_past_retention } else { options.names.contains(&of.name) }
    };
    let gone = options.place.with("drop-partition", async |mut client| {
        check_schema(&client).await?;
        let meant: Vec<_> = partitions(&client).await?.into_iter().filter(|of| is_meant(of)).collect();
        let mut gone = Vec::new();
        for partition in meant {
            let rows = if options.dry_run {
                None
            } else {
                Some(drop_partition(&mut client, &partition.name).await?)
            };
            gone.push((partition.name, rows));
        }
        Ok(gone)
    })?;
    for (name, rows) in &gone {
        print(&match rows {
            Some(rows) => format!("dropped {name} with {rows} events"),
            None => format!("would drop {name}"),
        })?;
    }
    if let Some(missing) = options.names.iter().find(|name| !gone.iter().any(|(known, _)| known == *name)) {
        anyhow::bail!("there is no partition {missing}; `tickwerk db status` lists them");
    }
    if gone.is_empty() {
        print("no partition is older than its family is kept")?;
    }
    Ok(exit::OK)
}
