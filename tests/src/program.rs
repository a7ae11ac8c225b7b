//! The `tickwerk` binary, started as a person or a script would start it.
//!
//! It is found beside the running test, where a build of the workspace puts it; where it is missing, it is built. A call
//! that takes too long is ended, so that no test hangs.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Far more than any call of a test takes on a busy machine.
pub const TIMEOUT: Duration = Duration::from_mins(2);

/// Where the binary lies.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let test = std::env::current_exe().expect("a running test has a path");
        // <target>/<profile>/deps/<test>
        let folder = test.parent().and_then(Path::parent).expect("tests lie in the folder of their profile");
        let program = folder.join(format!("tickwerk{}", std::env::consts::EXE_SUFFIX));
        if !program.is_file() {
            build(folder);
        }
        assert!(program.is_file(), "{} is missing; run `cargo build --workspace --bins`", program.display());
        program
    })
}

/// Builds the binary into the folder of a profile.
fn build(folder: &Path) {
    let name = folder.file_name().and_then(OsStr::to_str).expect("profiles have plain names");
    let profile = if name == "debug" { "dev" } else { name };
    let target = folder.parent().expect("the folder of a profile lies in the target folder");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--package", "tickwerk", "--bin", "tickwerk", "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    let status = status.expect("cargo starts");
    assert!(status.success(), "cargo build --package tickwerk ended with {status}");
}

/// The binary with arguments, ready to be started: no input, and none of our variables in its environment.
pub fn command<Argument: AsRef<OsStr>>(arguments: &[Argument]) -> Command {
    let mut command = Command::new(path());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TICKWERK__") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the binary to its end.
#[track_caller]
pub fn run<Argument: AsRef<OsStr>>(arguments: &[Argument]) -> Output {
    let child = command(arguments).spawn().expect("the binary starts");
    finish(child)
}

/// Waits for the end of a child whose output is piped, and ends it after [`TIMEOUT`].
#[track_caller]
pub fn finish(mut child: Child) -> Output {
    let stdout = child.stdout.take().map(read_whole);
    let stderr = child.stderr.take().map(read_whole);
    // A process that has closed both has ended or is about to.
    let whole = |pipe: Option<mpsc::Receiver<Vec<u8>>>| match pipe {
        None => Some(Vec::new()),
        Some(pipe) => pipe.recv_timeout(TIMEOUT).ok(),
    };
    let (Some(stdout), Some(stderr)) = (whole(stdout), whole(stderr)) else {
        let killed = child.kill();
        panic!("a call took longer than {TIMEOUT:?}; it was ended: {killed:?}");
    };
    let status = child.wait().expect("a child can be waited for");
    Output { status, stdout, stderr }
}

/// Reads a pipe to its end on a thread of its own.
fn read_whole(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        // The receiver is gone when the call took too long; nobody wants the bytes then.
        drop(sender.send(bytes));
    });
    receiver
}
