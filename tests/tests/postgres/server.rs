//! A private PostgreSQL in a temporary directory, on a Unix socket alone. It ends with the test that started it.

use crate::fixture::tell_skipped;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A server that was started elsewhere, as a connection string without a database.
const SHARED: &str = "TICKWERK_TEST_POSTGRES";
const TIMEOUT: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(5);
/// Who owns the files of a server that root starts, as it does not run as root.
const SYSTEM_USER: &str = "postgres";
/// Who may connect: everybody without a password but those who are called so.
const ACCESS: &str = "local all with_password scram-sha-256\nlocal all all trust\n";

/// A server of this test's own.
#[derive(Debug)]
pub(crate) struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    process: Option<Child>,
    /// Of its socket, and on loopback where it listens there.
    port: u16,
    /// Settings above the usual ones.
    settings: Vec<String>,
}

/// The folder of the server's programs, of the newest version there is.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop().or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
    })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program of the server, as the user that it may run as; it dies with the thread that starts it.
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
    /// Makes and starts one; `None`, with a line that says so, where the system has no PostgreSQL.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            tell_skipped("PostgreSQL is not installed; `cargo xtask test` installs it");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder.path(), open).expect("a folder of our own can be opened");
        let mut server = Self { folder, programs, process: None, port: 5432, settings: Vec::new() };
        let made = program(&server.programs.join("initdb"))
            .args([
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
            ])
            .arg(server.data())
            .status();
        assert!(made.expect("setpriv starts").success(), "initdb made no server");
        server.configure("pg_hba.conf", ACCESS);
        server.run();
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Replaces a file of its configuration.
    pub(crate) fn configure(&self, name: &str, text: &str) {
        fs::write(self.data().join(name), text).expect("a file of the server can be written");
    }

    /// Starts it; it is there when this returns.
    pub(crate) fn run(&mut self) {
        assert!(self.try_run(), "the server ended at its start");
    }

    /// Starts it; `false` where it ended at once.
    fn try_run(&mut self) -> bool {
        let settings = self.settings.iter().flat_map(|setting| ["-c", setting.as_str()]);
        let child = program(&self.programs.join("postgres"))
            .arg("-D")
            .arg(self.data())
            .args(["-c", "listen_addresses=", "-c", "max_connections=50", "-c", "shared_buffers=64MB"])
            // A server that is killed keeps what it wrote; only a power cut would not. Recovery syncs every file otherwise.
            .args(["-c", "max_wal_size=2GB", "-c", "fsync=off", "-k"])
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string()])
            .args(settings)
            .spawn();
        let child = self.process.insert(child.expect("setpriv starts"));
        let address = Self::address_at(self.folder.path(), self.port, "postgres", "postgres");
        let deadline = Instant::now() + TIMEOUT;
        while Database::try_open(&address).is_none() {
            if child.try_wait().expect("a child can be asked").is_some() {
                self.process = None;
                return false;
            }
            assert!(Instant::now() < deadline, "the server did not start within {TIMEOUT:?}");
            std::thread::sleep(PAUSE);
        }
        true
    }

    /// Starts it again, on loopback too, with these settings; gives its port.
    pub(crate) fn run_on_loopback(&mut self, settings: &[&str]) -> u16 {
        const ATTEMPTS: usize = 10;
        self.stop_immediately();
        self.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        self.settings.push("listen_addresses=127.0.0.1".to_owned());
        for _ in 0..ATTEMPTS {
            // Free now; somebody else may be quicker.
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
            self.port = listener.local_addr().expect("it is bound").port();
            drop(listener);
            if self.try_run() {
                return self.port;
            }
        }
        panic!("the server did not start on loopback with {settings:?}");
    }

    /// Starts it again as a standby of nobody: it only reads until it is promoted.
    pub(crate) fn run_as_standby(&mut self) {
        self.stop_immediately();
        self.configure("standby.signal", "");
        self.run();
    }

    /// Gives a file of the server to whom the server runs as, who alone may read it.
    pub(crate) fn keep_secret(&self, name: &str) {
        let owner = fs::metadata(self.data()).expect("the server has a folder");
        let path = self.data().join(name);
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).expect("a file can be given");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of our own");
    }

    /// How to reach a database of it, as a superuser.
    pub(crate) fn address(&self, database: &str) -> String {
        self.address_as("postgres", database)
    }

    pub(crate) fn address_as(&self, user: &str, database: &str) -> String {
        Self::address_at(self.folder.path(), self.port, user, database)
    }

    fn address_at(folder: &Path, port: u16, user: &str, database: &str) -> String {
        format!("host={} port={port} user={user} dbname={database}", folder.display())
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{}", self.port))
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let child = self.process.as_ref().expect("the server runs");
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal)
            .expect("a child can be signalled");
    }

    /// Stops it as a power cut would: no word to anybody, recovery at the next start.
    pub(crate) fn stop_immediately(&mut self) {
        self.signal(rustix::process::Signal::QUIT);
        self.process.take().expect("the server runs").wait().expect("a child can be waited for");
    }

    /// Stops one of its processes in its tracks, or lets it go on.
    pub(crate) fn freeze_process(id: i32, is_frozen: bool) {
        let signal = if is_frozen { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT };
        let id = rustix::process::Pid::from_raw(id).expect("a process id");
        // It may have ended meanwhile.
        rustix::process::kill_process(id, signal).ok();
    }

    /// Stops every process of it in its tracks, or lets them go on.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        let parent = self.process.as_ref().expect("the server runs").id();
        for entry in fs::read_dir("/proc").expect("/proc").filter_map(Result::ok) {
            let name = entry.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // pid (name) state parent …
            let its_parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
            if its_parent.and_then(|its| its.parse::<u32>().ok()) == Some(parent) {
                Self::freeze_process(id, is_frozen);
            }
        }
        self.signal(if is_frozen { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let pid = rustix::process::Pid::from_child(&child);
            for signal in [rustix::process::Signal::CONT, rustix::process::Signal::QUIT] {
                rustix::process::kill_process(pid, signal).ok();
            }
            child.wait().ok();
        }
    }
}

/// A database of this test's own on some server.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) address: String,
    /// Where no server is shared.
    _server: Option<Server>,
}

/// An empty database; `None` where there is no server to be had.
pub(crate) fn database() -> Option<Place> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Ok(shared) = std::env::var(SHARED) else {
        let server = Server::start()?;
        return Some(Place { address: server.address("postgres"), _server: Some(server) });
    };
    let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let admin = Database::open(&format!("{shared} dbname=postgres"));
    admin.execute(&format!("CREATE DATABASE {name}"));
    Some(Place { address: format!("{shared} dbname={name}"), _server: None })
}

/// A connection that asks and tells in text.
#[derive(Debug)]
pub(crate) struct Database {
    runtime: Runtime,
    client: Client,
}

impl Database {
    pub(crate) fn try_open(address: &str) -> Option<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (client, connection) = runtime.block_on(tokio_postgres::connect(address, NoTls)).ok()?;
        runtime.spawn(connection);
        Some(Self { runtime, client })
    }

    #[track_caller]
    pub(crate) fn open(address: &str) -> Self {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(database) = Self::try_open(address) {
                return database;
            }
            assert!(Instant::now() < deadline, "no connection to {address}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Rows as text; an error where the server refuses or is gone.
    pub(crate) fn try_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let answer = self.runtime.block_on(self.client.simple_query(sql));
        let answer = answer.map_err(|error| {
            error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned())
        })?;
        let rows = answer.iter().filter_map(|message| {
            let SimpleQueryMessage::Row(row) = message else { return None };
            Some((0..row.len()).map(|place| row.get(place).map(ToOwned::to_owned)).collect())
        });
        Ok(rows.collect())
    }

    #[track_caller]
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_rows(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    #[track_caller]
    pub(crate) fn execute(&self, sql: &str) {
        self.rows(sql);
    }

    /// The one value of the one row.
    #[track_caller]
    pub(crate) fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert_eq!((rows.len(), rows.first().map(Vec::len)), (1, Some(1)), "{sql}");
        rows[0][0].clone().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn number(&self, sql: &str) -> u64 {
        self.value(sql).parse().unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}
