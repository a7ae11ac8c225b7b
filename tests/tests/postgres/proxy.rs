//! What networks do to a connection, done on purpose: a proxy on loopback that knows where frames of the protocol begin.
//!
//! Whoever connects is led to the server's socket. A fault holds until another one is set; one that breaks a connection
//! strikes once, when its moment has come, and everything passes again for the connections after that.

use crate::process::wait_for;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Which way frames go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Everything passes.
    None,
    /// Each frame is held so long, both ways.
    Delay(Duration),
    /// So many bytes a second, both ways.
    Throttle(u64),
    /// Nothing passes, either way.
    Stall,
    /// Once so many frames have gone this way, the next one goes as far as its middle, and both ends are closed.
    Cut(Way, u64),
    /// Once so many frames have gone this way, nothing more does: the end there hears that it is over, the other does not.
    HalfClose(Way, u64),
    /// Once so many frames have gone to the server, the client is cut off and the server never hears of it.
    Abandon(u64),
    /// A commit passes, and what the server answers does not: nobody can know what came of it.
    LoseCommit,
    /// A commit ends in its middle.
    CutCommit,
    /// As a replicator would do it that commits its checkpoint apart: rows are committed before the checkpoint is moved,
    /// and then the connection is cut.
    CommitRowsApart,
    /// A rebuild is held before it puts its tables in place, until another fault is set.
    HoldSwap {
        /// As one would do it that does not hold the checkpoint meanwhile.
        is_unlocked: bool,
    },
}

impl Fault {
    /// Whether it is over once it has struck.
    pub(crate) fn is_once(self) -> bool {
        !matches!(self, Self::None | Self::Delay(_) | Self::Throttle(_) | Self::Stall | Self::HoldSwap { .. })
    }

    /// Frames that go this way before it strikes.
    pub(crate) fn frames_left(&mut self, way: Way) -> Option<&mut u64> {
        match self {
            Self::Cut(at, left) | Self::HalfClose(at, left) => (*at == way).then_some(left),
            Self::Abandon(left) => (way == Way::ToServer).then_some(left),
            Self::None
            | Self::Delay(_)
            | Self::Throttle(_)
            | Self::Stall
            | Self::LoseCommit
            | Self::CutCommit
            | Self::CommitRowsApart
            | Self::HoldSwap { .. } => None,
        }
    }
}

/// What happens to a frame.
enum Verdict {
    Pass,
    /// It never was.
    Swallow,
    /// Half of it, and the end of both.
    Cut,
    HalfClose,
    Abandon,
    /// It is held, and the server is told to commit what it has.
    CommitInstead,
    /// It passes no more, and both ends are closed.
    Close,
    /// It goes on without its lock.
    Unlock,
    /// It goes on once another fault is set.
    Hold,
}

/// The query that commits, as a frame.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// Commits and goes on in a new transaction.
const COMMIT_AND_CHAIN: &[u8] = b"Q\0\0\0\x15COMMIT AND CHAIN\0";
/// What moves the checkpoint.
const ADVANCE: &[u8] = b"UPDATE tickwerk.checkpoint SET global_position";
/// What the server says once it has committed.
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";
/// What keeps replication from going on while tables are put in place.
const LOCK: &[u8] = b"SELECT FROM tickwerk.checkpoint FOR UPDATE";
const LOCKS: &[u8] = b"FOR UPDATE";
/// What comes before that.
const SWAP: &[u8] = b"SAVEPOINT swap";
/// Throttled bytes go in pieces of this size.
const PIECE: usize = 1024;

#[derive(Debug)]
struct Shared {
    server: PathBuf,
    fault: Mutex<Fault>,
    changed: Condvar,
    struck: AtomicU64,
    is_over: AtomicBool,
    links: Mutex<Vec<Arc<Link>>>,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Waits while nothing may pass, then tells what holds.
    fn fault(&self) -> MutexGuard<'_, Fault> {
        let is_stalled = |fault: &mut Fault| *fault == Fault::Stall;
        self.changed.wait_while(held(&self.fault), is_stalled).unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides on a frame; counts down to the moment of a fault that strikes once.
    fn judge(&self, way: Way, frame: &[u8], link: &Link) -> Verdict {
        if let Some(verdict) = link.judge_answer(way, frame, self) {
            return verdict;
        }
        let mut fault = self.fault();
        let is_commit = frame == COMMIT;
        let speaks = |words: &[u8]| frame.windows(words.len()).any(|part| part == words);
        if let Some(left) = fault.frames_left(way)
            && *left > 0
        {
            *left -= 1;
            return Verdict::Pass;
        }
        let verdict = if matches!(*fault, Fault::Cut(at, _) if at == way)
            || (*fault == Fault::CutCommit && is_commit)
        {
            Verdict::Cut
        } else if matches!(*fault, Fault::HalfClose(at, _) if at == way) {
            Verdict::HalfClose
        } else if matches!(*fault, Fault::Abandon(_)) && way == Way::ToServer {
            Verdict::Abandon
        } else if *fault == (Fault::HoldSwap { is_unlocked: true }) && speaks(LOCK) {
            return Verdict::Unlock;
        } else if matches!(*fault, Fault::HoldSwap { .. }) && frame.first() == Some(&b'Q') && speaks(SWAP) {
            self.struck.fetch_add(1, Ordering::Release);
            return Verdict::Hold;
        } else if *fault == Fault::LoseCommit && is_commit {
            return Self::await_commit(&mut fault, link, Verdict::Pass);
        } else if *fault == Fault::CommitRowsApart && speaks(ADVANCE) {
            return Self::await_commit(&mut fault, link, Verdict::CommitInstead);
        } else {
            return Verdict::Pass;
        };
        *fault = Fault::None;
        self.struck.fetch_add(1, Ordering::Release);
        verdict
    }

    /// From here on the answer to a commit is kept back, and then the link is closed.
    fn await_commit(fault: &mut Fault, link: &Link, verdict: Verdict) -> Verdict {
        link.is_awaited.store(true, Ordering::Release);
        *fault = Fault::None;
        verdict
    }

    /// Lets a frame go at the pace that is set.
    fn forward(&self, frame: &[u8], to: &mut impl Write) -> io::Result<()> {
        let fault = *self.fault();
        if let Fault::Throttle(rate) = fault {
            for piece in frame.chunks(PIECE) {
                thread::sleep(Duration::from_micros(1_000_000 * PIECE as u64 / rate));
                to.write_all(piece)?;
            }
            return Ok(());
        }
        if let Fault::Delay(time) = fault {
            thread::sleep(time);
        }
        to.write_all(frame)
    }
}

/// One connection.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: UnixStream,
    /// The answer to a commit is waited for, and kept from the client.
    is_awaited: AtomicBool,
    /// The client's end is closed and the server does not know.
    is_abandoned: AtomicBool,
}

impl Link {
    fn close(&self) {
        // They may be closed already.
        self.client.shutdown(Shutdown::Both).ok();
        self.server.shutdown(Shutdown::Both).ok();
    }

    /// Tells one end that nothing more comes.
    fn end(&self, way: Way) {
        match way {
            Way::ToServer => self.server.shutdown(Shutdown::Write).ok(),
            Way::ToClient => self.client.shutdown(Shutdown::Write).ok(),
        };
    }

    /// What an answer to a commit means that is kept back; `None` where none is.
    fn judge_answer(&self, way: Way, frame: &[u8], shared: &Shared) -> Option<Verdict> {
        if !self.is_awaited.load(Ordering::Acquire) {
            return None;
        }
        if way == Way::ToServer {
            return Some(Verdict::Pass);
        }
        if frame != COMMITTED {
            return Some(Verdict::Swallow);
        }
        shared.struck.fetch_add(1, Ordering::Release);
        Some(Verdict::Close)
    }
}

/// The proxy; connections end with it.
#[derive(Debug)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    port: u16,
}

impl Proxy {
    /// Leads to the server that listens on this socket.
    pub(crate) fn to(server: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            fault: Mutex::new(Fault::None),
            changed: Condvar::new(),
            struck: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            links: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.is_over.load(Ordering::Acquire) {
                    break;
                }
                connect(&accepting, client);
            }
        });
        Self { shared, port }
    }

    /// How to reach a database through it.
    pub(crate) fn address(&self, database: &str) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname={database}", self.port)
    }

    /// From now on.
    pub(crate) fn set(&self, fault: Fault) {
        *held(&self.shared.fault) = fault;
        self.shared.changed.notify_all();
    }

    /// Sets a fault that strikes once, and waits until it has.
    #[track_caller]
    pub(crate) fn strike(&self, fault: Fault) {
        assert!(fault.is_once(), "{fault:?} holds until another is set");
        self.strike_while(fault, || {});
    }

    /// Sets a fault, does what brings it about, and waits until it has struck.
    #[track_caller]
    pub(crate) fn strike_while(&self, fault: Fault, bring_about: impl FnOnce()) {
        let before = self.shared.struck.load(Ordering::Acquire);
        self.set(fault);
        bring_about();
        wait_for(&format!("{fault:?} to strike"), || {
            (self.shared.struck.load(Ordering::Acquire) > before).then_some(())
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.set(Fault::None);
        for link in held(&self.shared.links).iter() {
            link.close();
        }
        // Wakes the one that accepts.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

/// Joins a client to the server; one that cannot be led on is closed.
fn connect(shared: &Arc<Shared>, client: TcpStream) {
    let Ok(server) = UnixStream::connect(&shared.server) else { return };
    client.set_nodelay(true).ok();
    let (is_awaited, is_abandoned) = (AtomicBool::new(false), AtomicBool::new(false));
    let link = Arc::new(Link { client, server, is_awaited, is_abandoned });
    held(&shared.links).push(Arc::clone(&link));
    for way in [Way::ToServer, Way::ToClient] {
        let (shared, link) = (Arc::clone(shared), Arc::clone(&link));
        thread::spawn(move || {
            let ended = match way {
                Way::ToServer => pump(&shared, way, &link, &link.client, &link.server),
                Way::ToClient => pump(&shared, way, &link, &link.server, &link.client),
            };
            if link.is_abandoned.load(Ordering::Acquire) {
                return;
            }
            match ended {
                // One end is done: the other is told, and may go on.
                Ok(()) => link.end(way),
                Err(_) => link.close(),
            }
        });
    }
}

/// Moves frames until one end is done.
fn pump(shared: &Shared, way: Way, link: &Link, mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    // The first frame of a client has no type.
    let mut is_typed = way == Way::ToClient;
    let mut frame = Vec::new();
    while read_frame(&mut from, is_typed, &mut frame)? {
        is_typed = true;
        match shared.judge(way, &frame, link) {
            Verdict::Pass => shared.forward(&frame, &mut to)?,
            Verdict::Swallow => {}
            Verdict::Cut => {
                to.write_all(&frame[..frame.len() / 2])?;
                link.close();
                return Ok(());
            }
            Verdict::HalfClose => {
                link.end(way);
                // What comes is taken and goes nowhere.
                return io::copy(&mut from, &mut io::sink()).map(drop);
            }
            Verdict::Abandon => {
                link.is_abandoned.store(true, Ordering::Release);
                link.client.shutdown(Shutdown::Both)?;
                return Ok(());
            }
            Verdict::CommitInstead => to.write_all(COMMIT_AND_CHAIN)?,
            Verdict::Close => {
                link.close();
                return Ok(());
            }
            Verdict::Unlock => {
                let place = frame.windows(LOCKS.len()).position(|part| part == LOCKS).expect("it locks");
                frame[place..place + LOCKS.len()].fill(b' ');
                to.write_all(&frame)?;
            }
            Verdict::Hold => {
                let is_held = |fault: &mut Fault| matches!(fault, Fault::HoldSwap { .. });
                drop(shared.changed.wait_while(held(&shared.fault), is_held));
                to.write_all(&frame)?;
            }
        }
    }
    Ok(())
}

/// Reads a whole frame; `false` at the end.
fn read_frame(from: &mut impl Read, is_typed: bool, frame: &mut Vec<u8>) -> io::Result<bool> {
    let head = if is_typed { 5 } else { 4 };
    frame.clear();
    frame.resize(head, 0);
    if from.read(&mut frame[..1])? == 0 {
        return Ok(false);
    }
    from.read_exact(&mut frame[1..])?;
    let length = frame[head - 4..].try_into().expect("four bytes");
    // It counts itself.
    let rest = (u32::from_be_bytes(length) as usize).saturating_sub(4);
    frame.resize(head + rest, 0);
    from.read_exact(&mut frame[head..])?;
    Ok(true)
}
