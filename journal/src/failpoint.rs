//! Named places at which a process kills itself if it is told to, so that a test can look at what each of them leaves.
//!
//! `TICKWERK_FAILPOINT=name` kills the process by SIGKILL when it comes to the place for the first time, `name:N` for the
//! N-th. `name:N:hold` does not kill: the thread stays at the place for ever and the others go on, for whoever kills the
//! process from outside. `TICKWERK_BROKEN=name` puts one of the faults of [`Fault`] into the daemon, so that a test can show
//! that it would notice. A place is named after what comes next in the code: `….sync` is before the sync.
//! All of it exists only in builds with debug assertions; a release build has no failpoints, and refuses the variables.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whether this build has failpoints.
pub const HAS_FAILPOINTS: bool = cfg!(debug_assertions);
const VARIABLE: &str = "TICKWERK_FAILPOINT";
const BROKEN: &str = "TICKWERK_BROKEN";

macro_rules! failpoints {
    ($($point:ident $name:literal $place:literal)*) => {
        /// A place at which a process can be made to die.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Failpoint {
            $(#[doc = $place] $point,)*
        }

        impl Failpoint {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

failpoints! {
    PrepareCreate "prepare.create" "Before the temporary file of a new segment."
    PrepareAllocate "prepare.allocate" "Before its space is taken."
    PrepareZero "prepare.zero" "Before its zeros are written."
    PrepareSync "prepare.sync" "Before its zeros are synced."
    PrepareHeader "prepare.header" "Before its header pages."
    PrepareHeaderSync "prepare.header-sync" "Before they are synced."
    PrepareRename "prepare.rename" "Before it gets its name."
    PrepareDirSync "prepare.dir-sync" "Before the name is synced."
    PrepareDone "prepare.done" "When a segment is ready."
    FramePublish "frame.publish" "Before the length word of a frame."
    FlushWrite "flush.write" "Before gathered frames are written."
    FrameWritten "frame.written" "When frames are in their file, before the watermark tells."
    FrameTold "frame.told" "When the watermark tells that they are written."
    SealWrite "seal.write" "Before a seal."
    RotateActivate "rotate.activate" "Before the activation page of the next segment."
    RotateDone "rotate.done" "When the next segment is in use, and nobody was told."
    SyncData "sync.data" "Before frames are synced."
    SyncTell "sync.tell" "When they are, before the watermark tells."
    SyncDone "sync.done" "When the watermark tells that they are durable."
    HeadsWrite "heads.write" "Before heads are appended."
    HeadsSync "heads.sync" "Before they are synced."
    HeadsDone "heads.done" "When they are."
    MarkWrite "mark.write" "Before a slot of the `durable` file is written."
    MarkSync "mark.sync" "Before it is synced."
    MarkDone "mark.done" "When it is."
    CloseSync "close.sync" "Before the last sync of a clean stop."
    CloseSeal "close.seal" "Before the last seal."
    CloseFinish "close.finish" "Before the threads of the journal end."
    CloseDone "close.done" "When everything is on the disk, before the watermarks say so."
    SnapshotCreate "snapshot.create" "Before the temporary file of a snapshot."
    SnapshotWrite "snapshot.write" "Before its header and body."
    SnapshotSync "snapshot.sync" "Before it is synced."
    SnapshotRename "snapshot.rename" "Before it gets its name."
    SnapshotDirSync "snapshot.dir-sync" "Before the name is synced."
    SnapshotDone "snapshot.done" "When it counts."
    SnapshotRemove "snapshot.remove" "Before an old one is removed."
    SnapshotRemoved "snapshot.removed" "When old ones are, before the directory is synced."
    RecoverForget "recover.forget" "Before the watermarks of the last writer are forgotten."
    RecoverTemporaries "recover.temporaries" "Before what was being made is removed."
    TornAside "torn.aside" "Before a segment behind a torn tail goes."
    TornCopy "torn.copy" "Before a torn tail is copied."
    TornCopySync "torn.copy-sync" "Before the copy is synced."
    TornZero "torn.zero" "Before the tail is zeroed."
    TornSync "torn.sync" "Before its zeros are synced."
    TornDone "torn.done" "When it is cut."
    KeptWrite "kept.write" "Before what is kept is written again."
    KeptSync "kept.sync" "Before it is synced."
    KeptDone "kept.done" "When everything that is kept is durable, before the first mark."
    RecoverDirSync "recover.dir-sync" "Before the directory is synced at a start."
    RecoverMarks "recover.marks" "Before the watermarks of the new writer."
    ActivateFirst "activate.first" "Before the activation page of the first segment."
    ActivateSync "activate.sync" "Before it is synced."
    FirstCreate "first.create" "Before a new `FIRST` file."
    FirstRename "first.rename" "Before it takes the place of the old one."
    FirstDirSync "first.dir-sync" "Before that is synced."
    RetainRemove "retain.remove" "Before a segment is let go."
    RetainDirSync "retain.dir-sync" "Before that is synced."
    CompressCreate "compress.create" "Before a compressed segment."
    CompressRename "compress.rename" "Before it gets its name."
    CompressRemove "compress.remove" "Before the plain one goes."
    CompressDone "compress.done" "When it is gone."
    ReplaceRename "replace.rename" "Before a small file (a dependant's, the mark of a copy) takes the place of the old one."
    RequestTaken "request.taken" "When a command of the control socket is in its lane."
    ReplyReady "reply.ready" "When a reply is released, before it is sent."
    ReplySent "reply.sent" "When it is sent."
}

/// What is wrong with a daemon that a test has broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It answers before it knows that a frame is written.
    ReleaseUnwritten,
    /// It journals state digests that are not those of its state.
    WrongDigest,
    /// It takes everything while its disk is full.
    IgnoreFullDisk,
}

impl Fault {
    const ALL: [Self; 3] = [Self::ReleaseUnwritten, Self::WrongDigest, Self::IgnoreFullDisk];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReleaseUnwritten => "release-unwritten",
            Self::WrongDigest => "wrong-digest",
            Self::IgnoreFullDisk => "ignore-full-disk",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

#[derive(Debug)]
struct Armed {
    point: Failpoint,
    /// How often it must be reached.
    count: u64,
    hold: bool,
    reached: AtomicU64,
}

/// Why a variable cannot be followed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FailpointError {
    /// It names no failpoint, or is not written as one.
    #[error("{VARIABLE}={0} is no failpoint; write NAME, NAME:N or NAME:N:hold, with one of {names}", names = names())]
    Unknown(String),
    /// It names no fault.
    #[error("{BROKEN}={0} is no fault; write one of {names}", names = Fault::ALL.map(Fault::name).join(", "))]
    UnknownFault(String),
    /// A release build.
    #[error("{0} is set and this build has no failpoints; unset it, or use a build with debug assertions")]
    Absent(&'static str),
}

fn names() -> String {
    Failpoint::ALL.iter().map(|point| point.name()).collect::<Vec<_>>().join(", ")
}

/// Whether the environment can be followed; to be asked before anything is begun.
pub fn check_failpoints() -> Result<(), FailpointError> {
    let (point, broken) = (value_of(VARIABLE), value_of(BROKEN));
    if !HAS_FAILPOINTS {
        let set = point.map(|_| VARIABLE).or_else(|| broken.map(|_| BROKEN));
        return set.map_or(Ok(()), |name| Err(FailpointError::Absent(name)));
    }
    if let Some(text) = point.filter(|text| parse(text).is_none()) {
        return Err(FailpointError::Unknown(text));
    }
    match broken.filter(|text| Fault::named(text).is_none()) {
        Some(text) => Err(FailpointError::UnknownFault(text)),
        None => Ok(()),
    }
}

fn value_of(variable: &str) -> Option<String> {
    std::env::var_os(variable).map(|value| value.to_string_lossy().into_owned())
}

fn parse(text: &str) -> Option<Armed> {
    let mut parts = text.split(':');
    let name = parts.next()?;
    let point = Failpoint::ALL.iter().copied().find(|point| point.name() == name)?;
    let count = parts.next().map_or(Some(1), |count| count.parse().ok().filter(|count| *count > 0))?;
    let hold = match parts.next() {
        None => false,
        Some("hold") => true,
        Some(_) => return None,
    };
    parts.next().is_none().then_some(Armed { point, count, hold, reached: AtomicU64::new(0) })
}

/// A place that the process has come to; it may end here.
#[inline]
pub fn reach(point: Failpoint) {
    if HAS_FAILPOINTS {
        reach_armed(point);
    }
}

fn reach_armed(point: Failpoint) {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| value_of(VARIABLE).and_then(|text| parse(&text)));
    if let Some(armed) = armed.as_ref().filter(|armed| armed.point == point)
        && armed.reached.fetch_add(1, Ordering::AcqRel) + 1 == armed.count
    {
        if !armed.hold {
            // Nothing of the process runs after it, and nothing is written: as with a kill from outside.
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
        }
        loop {
            std::thread::park();
        }
    }
}

/// Whether a test has put this fault into the daemon.
#[inline]
pub fn has_fault(fault: Fault) -> bool {
    static PUT_IN: OnceLock<Option<Fault>> = OnceLock::new();
    HAS_FAILPOINTS && *PUT_IN.get_or_init(|| Fault::named(&value_of(BROKEN)?)) == Some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failpoint_is_told_by_name_count_and_what_to_do() {
        let parsed = |text: &str| parse(text).map(|armed| (armed.point, armed.count, armed.hold));
        assert_eq!(parsed("sync.data"), Some((Failpoint::SyncData, 1, false)));
        assert_eq!(parsed("sync.data:7"), Some((Failpoint::SyncData, 7, false)));
        assert_eq!(parsed("sync.data:7:hold"), Some((Failpoint::SyncData, 7, true)));
        for text in ["", "sync", "sync.data:0", "sync.data:x", "sync.data:1:wait", "sync.data:1:hold:"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<&str> = Failpoint::ALL.iter().map(|point| point.name()).collect();
        assert!(names.len() >= 25);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Failpoint::ALL.len());
    }
}
