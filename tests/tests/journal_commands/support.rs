//! A journal of a demo, and the ways to read what the binary says and to do harm to a journal.

use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;
use tickwerk_domain::Sequence;
use tickwerk_journal::{Place, Reader};
use tickwerk_tests::program;

/// What a call came to.
pub(crate) struct Called {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Called {
    /// The one JSON object on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Calls the binary. It must end by itself, with what it says in UTF-8.
#[track_caller]
pub(crate) fn call<Argument: AsRef<OsStr>>(arguments: &[Argument]) -> Called {
    let Output { status, stdout, stderr } = program::run(arguments);
    let text = |bytes| String::from_utf8(bytes).expect("text is UTF-8");
    Called { code: status.code().expect("no signal ended it"), stdout: text(stdout), stderr: text(stderr) }
}

/// Calls the binary, which must end with `code`.
#[track_caller]
pub(crate) fn call_for<Argument: AsRef<OsStr>>(code: i32, arguments: &[Argument]) -> Called {
    let called = call(arguments);
    let shown: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
    let start: String = called.stdout.chars().take(2_000).collect();
    assert_eq!(called.code, code, "{shown:?}\nstdout: {start}\nstderr: {}", called.stderr);
    called
}

/// A journal that a demo wrote and closed.
pub(crate) struct Demo {
    folder: TempDir,
    /// What the demo said of itself.
    pub(crate) summary: Value,
}

/// A good frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) first: Sequence,
    pub(crate) last: Sequence,
    pub(crate) place: Place,
    pub(crate) size: u64,
}

impl Demo {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::of("20000")
    }

    /// Of so many commands.
    #[track_caller]
    pub(crate) fn of(commands: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("journal");
        let arguments = ["demo", "--commands", commands, "--seed", "7", "--json", "--dir"].map(OsStr::new);
        let summary = call_for(0, &[&arguments[..], &[dir.as_os_str()]].concat()).json();
        Self { folder, summary }
    }

    /// Where the journal lies.
    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    /// Calls a subcommand on the journal; it must end with `code`.
    #[track_caller]
    pub(crate) fn call_for(&self, code: i32, subcommand: &str, rest: &[&str]) -> Called {
        let dir = self.dir();
        let mut arguments = vec![OsStr::new(subcommand), dir.as_os_str()];
        arguments.extend(rest.iter().map(OsStr::new));
        call_for(code, &arguments)
    }

    #[track_caller]
    pub(crate) fn last_sequence(&self) -> u64 {
        self.summary["journal"]["last_sequence"].as_u64().expect("the demo names its last sequence")
    }

    /// Every frame, in order.
    pub(crate) fn frames(&self) -> Vec<Found> {
        let mut reader = Reader::open(&self.dir(), Sequence::NONE).unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            let (first, last) = (frame.header.first_sequence, frame.header.last_sequence());
            frames.push(Found { first, last, place: frame.place, size: frame.bytes.len() as u64 });
        }
        frames
    }

    /// Turns one bit of a byte.
    pub(crate) fn flip(&self, segment: u64, offset: u64) {
        let file = OpenOptions::new().read(true).write(true).open(self.segment_path(segment)).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
    }

    /// Zeroes everything of a segment from `offset` on, as if it had never reached the disk.
    pub(crate) fn cut(&self, segment: u64, offset: u64) {
        let file = OpenOptions::new().write(true).open(self.segment_path(segment)).unwrap();
        let size = file.metadata().unwrap().len();
        file.set_len(offset).unwrap();
        file.set_len(size).unwrap();
    }

    /// Takes away those who know what is durable, beside the frames themselves.
    pub(crate) fn forget_what_was_durable(&self) {
        for name in ["durable", "HEADS"] {
            fs::remove_file(self.dir().join(name)).unwrap();
        }
    }

    fn segment_path(&self, segment: u64) -> PathBuf {
        self.dir().join(format!("{segment:012}.seg"))
    }
}

/// A path as an argument.
#[track_caller]
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}
