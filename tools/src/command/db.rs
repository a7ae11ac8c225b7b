//! `tickwerk db`: PostgreSQL. Its schema, what is in it, and shipping a journal into it beside a daemon or without one.
//!
//! The server is that of `[postgres]`: the file of `--config`, `TICKWERK__POSTGRES__URL` and the like, or `--set`.

mod as_of;
mod catalogue;
mod doctor;
mod drop_partition;
mod keep;
mod migrate;
mod projections;
mod replicate;
mod status;
mod verify;

use crate::command::tell;
use crate::config::Config;
use crate::exit::BadConfig;
use anyhow::{Context, Result};
use std::path::PathBuf;
use tickwerk_postgres::{PostgresError, Settings, attended, connect, runtime};
use tokio::runtime::Runtime;
use tokio_postgres::Client;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Makes the schema, or brings it to what this build needs.
    Migrate(migrate::Options),
    /// Ships a journal, beside a daemon that writes it or without one.
    Replicate(replicate::Options),
    /// Says how far replication and its read models are.
    Status(status::Options),
    /// Proves that the database holds what the journal holds.
    Verify(verify::Options),
    /// Makes read models anew from the whole journal, as `projections rebuild` does.
    Rebuild(projections::Making),
    /// Pauses, resumes and rebuilds read models, and looks after what they could not take.
    Projections(projections::Options),
    /// Says how positions, balances, orders or profit stood at any sequence or time.
    AsOf(as_of::Options),
    /// Lists every type of command and event with its fields, as a page or as JSON Schemas.
    Catalogue(catalogue::Options),
    /// Compares the server's configuration with what this load wants, and looks its tables over; changes nothing.
    Doctor(doctor::Options),
    /// Says how long each family of events is kept, or changes it; drops nothing.
    Keep(keep::Options),
    /// Drops partitions of events, by name or by age.
    DropPartition(drop_partition::Options),
}

/// Where the server is.
#[derive(Debug, clap::Args)]
struct Place {
    /// TOML file with a section `[postgres]`; without one, the environment names the server.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one value above file and environment, such as postgres.url=postgres://user@host/database.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

impl Place {
    fn settings(&self) -> Result<Settings> {
        let config = Config::load(self.config.as_deref(), super::environment()?, &self.sets)?;
        let settings = config.postgres.context(
            "no server is named: give postgres.url in the file of --config, as TICKWERK__POSTGRES__URL, or with --set",
        ).context(BadConfig)?;
        if let Some(exposed) = settings.server.exposed_password() {
            tell(&format!("warning: {exposed}"));
        }
        Ok(settings)
    }

    /// Does something with a connection.
    fn with<T>(
        &self,
        what: &'static str,
        done: impl AsyncFnOnce(Client) -> Result<T, PostgresError>,
    ) -> Result<T> {
        let settings = self.settings()?;
        let runtime: Runtime = runtime()?;
        let name = format!("tickwerk db {what}");
        Ok(runtime.block_on(attended(&settings.server, &name, &tell, async {
            let client = connect(&settings.server, &name).await?;
            done(client).await
        }))?)
    }
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    match &options.action {
        Action::Migrate(options) => migrate::run(options),
        Action::Replicate(options) => replicate::run(options),
        Action::Status(options) => status::run(options),
        Action::Verify(options) => verify::run(options),
        Action::Rebuild(making) => projections::rebuild(making),
        Action::Projections(options) => projections::run(options),
        Action::AsOf(options) => as_of::run(options),
        Action::Catalogue(options) => catalogue::run(options),
        Action::Doctor(options) => doctor::run(options),
        Action::Keep(options) => keep::run(options),
        Action::DropPartition(options) => drop_partition::run(options),
    }
}
