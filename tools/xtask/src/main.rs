//! Development tasks: the whole test command and the gate of continuous integration.
//!
//! `cargo xtask test` runs, in this order:
//! 1. a build of every binary, as tests of the whole system start `tickwerk` from beside themselves;
//! 2. every unit and integration test of the workspace (by `cargo nextest` where it is installed);
//! 3. every example in the documentation.
//!
//! Where it may, the task installs what some tests need: `strace`, with which calls of the kernel are made to fail, and
//! PostgreSQL, of which a server is started in a temporary directory before 2 and stopped after 3. Without them tests that
//! need them say that they were skipped. Nothing else outside the workspace is needed.
//!
//! `cargo xtask ci` runs the formatter's check, the lints, the same tests, a check that the targets of the fuzzer still
//! compile, the documentation, a smoke test of the released binary, and the check of licences and sources. It never edits a
//! file, and stops at the first step that fails.
//!
//! `--long` sets `TICKWERK_LONG=1` and `PROPTEST_CASES`: randomised and crash tests then take more seeds.

mod postgres;
mod report;
mod smoke;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use report::Report;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Property-test cases of a long run; the crate's own default is 256.
const PROPTEST_CASES_LONG: &str = "4096";

#[derive(Parser)]
#[command(about = "Development tasks of Tickwerk")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds and runs every test.
    Test(Depth),
    /// The whole gate: format, lints, tests, documentation, smoke test, licences.
    Ci(Depth),
}

#[derive(Args, Clone, Copy)]
struct Depth {
    /// More seeds and cases in randomised and crash tests.
    #[arg(long)]
    long: bool,
}

fn main() -> ExitCode {
    let mut report = Report::start();
    let done = match Arguments::parse().task {
        Task::Test(depth) => test(&mut report, depth),
        Task::Ci(depth) => ci(&mut report, depth),
    };
    report.finish(done)
}

fn test(report: &mut Report, depth: Depth) -> Result<()> {
    if !is_program("strace") {
        match installer() {
            Some(mut install) => report.step("strace for the tests", || {
                // Without it some tests are left out, and say so.
                if let Err(error) = run(&mut install) {
                    report::say(&format!("{error:#}; going on without it"));
                }
                Ok(())
            })?,
            None => report.skip("strace for the tests", "it is not installed and cannot be here"),
        }
    }
    report.step("build", || run(cargo(depth).args(["build", "--workspace", "--bins"])))?;
    let mut server = None;
    report.step("PostgreSQL", || {
        server = postgres::start()?;
        Ok(())
    })?;
    let with_server = |mut command: Command| {
        if let Some(server) = &server {
            command.env(postgres::VARIABLE, server.address());
        }
        command
    };
    if is_installed("nextest") {
        report.step("documentation examples", || run(cargo(depth).args(["test", "--workspace", "--doc"])))?;
        report.step("tests", || {
            run(with_server(cargo(depth)).args(["nextest", "run", "--workspace", "--no-fail-fast"]))
        })
    } else {
        report.step("tests and documentation examples", || {
            run(with_server(cargo(depth)).args(["test", "--workspace"]))
        })
    }
}

fn ci(report: &mut Report, depth: Depth) -> Result<()> {
    report.step("format", || run(cargo(depth).args(["fmt", "--all", "--check"])))?;
    report.step("lints", || {
        run(cargo(depth).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    })?;
    test(report, depth)?;
    report.step("fuzz targets", || {
        run(cargo(depth).args(["check", "--manifest-path", "tests/fuzz/Cargo.toml", "--no-default-features"]))
    })?;
    report.step("documentation", || {
        run(cargo(depth).args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    report
        .step("release build", || run(cargo(depth).args(["build", "--release", "--package", "tickwerk"])))?;
    report.step("smoke test", || smoke::run(&target_folder()))?;
    if is_installed("deny") {
        report.step("licences and sources", || {
            run(cargo(depth).args(["deny", "check", "bans", "licenses", "sources"]))
        })
    } else {
        report.skip("licences and sources", "cargo-deny is not installed");
        Ok(())
    }
}

/// The workspace's root folder.
fn root_folder() -> &'static Path {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    tools.and_then(Path::parent).expect("xtask lies two folders below the root")
}

fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root_folder().join("target"), PathBuf::from)
}

fn cargo(depth: Depth) -> Command {
    let mut command = plain_cargo();
    if depth.long {
        command.env("TICKWERK_LONG", "1").env("PROPTEST_CASES", PROPTEST_CASES_LONG);
    }
    command
}

fn plain_cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root_folder());
    command
}

fn is_installed(subcommand: &str) -> bool {
    let asked =
        plain_cargo().args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Whether a program can be started.
fn is_program(name: &str) -> bool {
    let asked = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// How strace is installed: by a root, or by one who may become it without being asked.
fn installer() -> Option<Command> {
    if !is_program("apt-get") {
        return None;
    }
    let succeeds = |command: &mut Command| {
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())
    };
    let is_root =
        succeeds(Command::new("id").arg("-u")).is_some_and(|output| output.stdout.trim_ascii() == b"0");
    let mut install = if is_root {
        Command::new("apt-get")
    } else {
        succeeds(Command::new("sudo").args(["-n", "true"]))?;
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "apt-get"]);
        sudo
    };
    install.args(["install", "--yes", "--no-install-recommends", "strace"]);
    Some(install)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
