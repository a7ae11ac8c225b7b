//! The tickwerk binary: trading daemon, journal replay and benchmarks.
//!
//! Data goes to stdout, progress and logs to stderr. Exit codes are listed in [`exit`].

mod command;
mod config;
mod control;
mod exit;
mod feed;
mod follower;
mod import;
mod limit_value;
mod rebuild;
mod replication;
mod session;
mod setup;
mod sink;
mod snapshot;
mod stop;
mod summary;
mod upkeep;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Event-sourced trading engine: every input and every decision in one journal.
#[derive(Debug, Parser)]
#[command(name = "tickwerk", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trades a generated market, end to end, and shows what came out.
    Demo(command::demo::Options),
    /// Runs the daemon: feeds, strategies, limits and the control socket of a configuration.
    Run(command::run::Options),
    /// Speaks to a running daemon through its control socket.
    Send(command::send::Options),
    /// Shows, sets and explains limits.
    Limits(command::limits::Options),
    /// Prints a journal, record by record.
    Replay(command::replay::Options),
    /// Proves a journal: checksums, density, hash chain and, if asked, every decision again.
    Verify(command::verify::Options),
    /// Follows a journal with a core of its own, beside a running daemon or not.
    Follow(command::follow::Options),
    /// Takes a snapshot, so that a restart need not begin at the first record.
    Snapshot(command::snapshot::Options),
    /// Shows how a journal lies on the disk.
    Inspect(command::inspect::Options),
    /// Copies a journal, also beside a running daemon, and rotates old copies.
    Backup(command::backup::Options),
    /// Makes a journal of a copy again.
    Restore(command::restore::Options),
    /// Names what is damaged in a journal, and mends it from a second copy or by a cut.
    Repair(command::repair::Options),
    /// Compresses segments that are written to no more.
    Compress(command::compress::Options),
    /// Says which old segments may go and why the others stay, or lets them go.
    Retain(command::retain::Options),
    /// Rebuilds a real exchange's book from order-by-order data, shows it and checks it.
    Book(command::book::Options),
    /// Ships a journal into PostgreSQL, and looks after what is there.
    Db(command::db::Options),
    /// Makes a journal of history from other systems: CSV, SQLite or another PostgreSQL.
    Import(command::import::Options),
    /// Checks or prints a configuration.
    Config(command::config::Options),
    /// Measures this machine.
    Bench(command::bench::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = tickwerk_journal::check_failpoints() {
        command::tell(&format!("error: {error}"));
        return ExitCode::from(exit::CONFIG);
    }
    let done = match cli.command {
        Command::Demo(options) => command::demo::run(&options),
        Command::Run(options) => command::run::run(&options),
        Command::Send(options) => command::send::run(&options),
        Command::Limits(options) => command::limits::run(&options),
        Command::Replay(options) => command::replay::run(&options),
        Command::Verify(options) => command::verify::run(&options),
        Command::Follow(options) => command::follow::run(&options),
        Command::Snapshot(options) => command::snapshot::run(&options),
        Command::Inspect(options) => command::inspect::run(&options),
        Command::Backup(options) => command::backup::run(&options),
        Command::Restore(options) => command::restore::run(&options),
        Command::Repair(options) => command::repair::run(&options),
        Command::Compress(options) => command::compress::run(&options),
        Command::Retain(options) => command::retain::run(&options),
        Command::Book(options) => command::book::run(&options),
        Command::Db(options) => command::db::run(&options),
        Command::Import(options) => command::import::run(&options),
        Command::Config(options) => command::config::run(&options),
        Command::Bench(options) => command::bench::run(&options),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            command::tell(&format!("error: {error:#}"));
            ExitCode::from(exit::code_of(&error))
        }
    }
}
