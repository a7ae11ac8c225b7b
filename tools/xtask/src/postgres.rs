//! A PostgreSQL for the tests: started in a temporary directory, on a Unix socket alone, and stopped at the end.
//!
//! Where the programs are missing and this is Debian's root, they are installed, without the server that Debian would
//! start. Where that cannot be, tests that need a server say that they were skipped.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Names a server to the tests, as a connection string without a database.
pub(crate) const VARIABLE: &str = "TICKWERK_TEST_POSTGRES";

const INSTALLED: &str = "/usr/lib/postgresql";
/// Who runs a server that root starts.
const SYSTEM_USER: &str = "postgres";
/// Keeps Debian from making and starting a server of its own.
const NO_CLUSTER: (&str, &str) =
    ("/etc/postgresql-common/createcluster.conf", "create_main_cluster = false\n");
const START_LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// A server that runs; it is stopped when this is dropped.
pub(crate) struct Server {
    folder: PathBuf,
    process: Child,
}

/// Starts a server; `None` where there is one already, named in the environment, or none to be had.
pub(crate) fn start() -> Result<Option<Server>> {
    if std::env::var_os(VARIABLE).is_some() {
        return Ok(None);
    }
    if programs().is_none() && is_root() && is_there("apt-get") {
        install().context("cannot install PostgreSQL")?;
    }
    programs().map(|programs| Server::start(&programs)).transpose()
}

/// The folder of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let folders = fs::read_dir(INSTALLED).ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    folders.filter(|folder| folder.join("initdb").is_file()).max()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn install() -> Result<()> {
    let (path, text) = NO_CLUSTER;
    if !Path::new(path).exists() {
        fs::create_dir_all(Path::new(path).parent().context("a file lies in a folder")?)?;
        fs::write(path, text)?;
    }
    for arguments in
        [&["update", "-qq"][..], &["install", "-y", "-qq", "--no-install-recommends", "postgresql"]]
    {
        let mut command = Command::new("apt-get");
        crate::run(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))?;
    }
    Ok(())
}

/// A program of the server, as a user that it runs as; it dies with this one.
fn program(path: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if is_root() {
        command.args(["--reuid", SYSTEM_USER, "--regid", SYSTEM_USER, "--init-groups"]);
    }
    command.arg("--").arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Server {
    fn start(programs: &Path) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("tickwerk-xtask-postgres-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // The server's user makes its own folder inside.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        let data = folder.join("data");
        let mut made = program(&programs.join("initdb"));
        made.args([
            "--auth",
            "trust",
            "--username",
            "postgres",
            "--no-sync",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
            "-D",
        ]);
        crate::run(made.arg(&data))?;
        let mut started = program(&programs.join("postgres"));
        started.arg("-D").arg(&data).args([
            "-c",
            "listen_addresses=",
            "-c",
            "max_connections=200",
            "-c",
            "fsync=off",
            "-k",
        ]);
        let process = started.arg(&folder).spawn().context("cannot start PostgreSQL")?;
        let server = Self { folder, process };
        let deadline = Instant::now() + START_LIMIT;
        let is_ready = || {
            let mut asked = Command::new(programs.join("pg_isready"));
            let asked = asked.args(["-q", "-h"]).arg(&server.folder).status();
            asked.is_ok_and(|status| status.success())
        };
        while !is_ready() {
            ensure!(Instant::now() < deadline, "PostgreSQL did not start within {START_LIMIT:?}");
            std::thread::sleep(PAUSE);
        }
        Ok(server)
    }

    /// How to reach it.
    pub(crate) fn address(&self) -> String {
        format!("host={} user=postgres", self.folder.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT is its immediate stop; there is nothing to save.
        let id = self.process.id().to_string();
        Command::new("kill").args(["-QUIT", &id]).status().ok();
        self.process.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}
