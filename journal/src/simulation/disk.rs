//! Files in memory that fail, lose and tear as they are told, and as their seed decides.
//!
//! A file is its bytes as programs see them and its bytes as they would be after a loss of power. A page that was written
//! since its last sync is *dirty*; a sync makes dirty pages durable, and so may the system at any time. A sync that fails
//! leaves each of them durable or not, and all of them clean, as kernels do. At a loss of power each page whose bytes
//! differ is kept, dropped, torn by sector, or garbage; names change durably with a sync of the directory, and are kept
//! or dropped one by one without it. Assumed is that a write never destroys bytes that it does not change, and that a
//! failed sync of a directory can be tried again (a file system whose own journal fails takes no more writes).

use super::inode::Inode;
use super::random::Random;
use crate::format::PAGE_SIZE;
use crate::mmap::Memory;
use crate::storage::{File, Lock, LockKind, Mode, Storage, StoredFile};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// The system's numbers for what fails.
pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;

/// What a disk promises and does not do: each is a fault of a journal over an honest one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    /// Syncs of segments do nothing: the journal acknowledges without a sync.
    SegmentSync,
    /// Errors of syncs are not told: the journal does not look at them.
    SyncErrors,
    /// Syncs of the directory do nothing: the journal leaves them out.
    DirectorySync,
    /// Zeros are not written over what is there: the journal leaves a torn tail where it is.
    Zeroing,
    /// It is honest.
    None,
}

/// What is to go wrong, by the number of the operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// This operation fails, once, with this error of the system.
    pub(crate) fail: Option<(u64, i32)>,
    /// Power is lost at this operation.
    pub(crate) die: Option<u64>,
    /// Some writes and reads are short.
    pub(crate) short: bool,
    pub(crate) lie: Lie,
}

impl Plan {
    pub(crate) const NOTHING: Self = Self { fail: None, die: None, short: false, lie: Lie::None };
}

/// A disk. A handle; clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: Random,
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the last sync of the directory.
    pending: Vec<NameChange>,
    plan: Plan,
    operations: u64,
    /// The operation of the plan has failed.
    failed: bool,
    /// It was one that only told that there is no room for a new file.
    full: bool,
    /// It was a read, which may be tried again or done without.
    read: bool,
    /// What a loss of power has left; nothing works any more.
    dead: Option<Vec<Vec<u8>>>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(String, usize),
    Unlink(String, usize),
    Rename(String, String, usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Takes room for a new file.
    Allocate,
    Read,
    Write,
    Sync,
    Other,
}

impl SimulatedDisk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random::new(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            plan: Plan::NOTHING,
            operations: 0,
            failed: false,
            full: false,
            read: false,
            dead: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no operation panics")
    }

    /// Starts to count operations anew; `plan` is for these.
    pub(crate) fn plan(&self, plan: Plan) {
        let mut state = self.state();
        (state.plan, state.operations, state.failed, state.full) = (plan, 0, false, false);
    }

    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Whether the operation of the plan has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// Whether it has, and it was more than a want of room for a new file, which a journal at work waits out.
    pub(crate) fn may_be_told(&self) -> bool {
        let state = self.state();
        state.failed && !state.full
    }

    /// Whether it may be told, and was no read.
    pub(crate) fn must_be_told(&self) -> bool {
        self.may_be_told() && !self.state().read
    }

    /// Whether power was lost.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead.is_some()
    }

    /// The system writes some pages by itself.
    pub(crate) fn write_back(&self) {
        let mut state = self.state();
        let State { random, inodes, .. } = &mut *state;
        for inode in inodes {
            if random.chance(2, 3) {
                continue;
            }
            for page in inode.dirty_pages() {
                if random.chance(1, 2) {
                    inode.persist(page);
                    inode.clean_page(page);
                }
            }
        }
    }

    /// Power is lost, if it was not before, and comes back: what was durable is there, and of the rest what luck left.
    pub(crate) fn lose_power(&self) {
        let mut state = self.state();
        state.die();
        let images = state.dead.take().expect("it has just died");
        for (inode, image) in state.inodes.iter_mut().zip(images) {
            inode.replace(image);
        }
        state.names = state.durable_names.clone();
        state.plan = Plan::NOTHING;
    }
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

fn name_of(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned()
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    /// Counts an operation; `Err` if it fails, with what it may have done nevertheless left to the caller.
    fn count(&mut self, kind: Kind) -> io::Result<()> {
        if self.dead.is_some() {
            return Err(error(EIO));
        }
        self.operations += 1;
        if self.plan.die == Some(self.operations) {
            self.die();
            return Err(error(EIO));
        }
        match self.plan.fail {
            Some((number, code)) if number == self.operations => {
                self.failed = true;
                self.full = kind == Kind::Allocate && code == ENOSPC;
                self.read = kind == Kind::Read;
                // Only what takes space can lack it.
                Err(error(if kind == Kind::Read || kind == Kind::Sync { EIO } else { code }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Decides what a loss of power leaves.
    fn die(&mut self) {
        if self.dead.is_some() {
            return;
        }
        let Self { random, inodes, pending, durable_names, .. } = self;
        for change in pending.drain(..) {
            if random.chance(1, 2) {
                apply(durable_names, change);
            }
        }
        self.dead = Some(inodes.iter().map(|inode| inode.after_loss(random)).collect());
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let inode = *self.names.get(from).ok_or_else(missing)?;
        self.change(NameChange::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn change(&mut self, change: NameChange) {
        apply(&mut self.names, change.clone());
        self.pending.push(change);
    }

    fn create(&mut self, name: &str) -> usize {
        self.inodes.push(Inode::new(name.contains(".seg")));
        let index = self.inodes.len() - 1;
        self.change(NameChange::Link(name.to_owned(), index));
        index
    }

    fn sync(&mut self, index: usize) -> io::Result<()> {
        let outcome = self.count(Kind::Sync);
        let Self { random, inodes, plan, dead, .. } = self;
        let inode = &mut inodes[index];
        if dead.is_some() || plan.lie == Lie::SegmentSync && inode.is_segment {
            return outcome;
        }
        for page in inode.dirty_pages() {
            if outcome.is_ok() || random.chance(1, 2) {
                inode.persist(page);
            }
            inode.clean_page(page);
        }
        if outcome.is_ok() {
            inode.durable.resize(inode.length, 0);
            return Ok(());
        }
        if plan.lie == Lie::SyncErrors { Ok(()) } else { outcome }
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: NameChange) {
    let mut unlink = |name: String, inode: usize| {
        if names.get(&name) == Some(&inode) {
            names.remove(&name);
        }
    };
    match change {
        NameChange::Link(name, inode) => drop(names.insert(name, inode)),
        NameChange::Unlink(name, inode) => unlink(name, inode),
        NameChange::Rename(from, to, inode) => {
            unlink(from, inode);
            names.insert(to, inode);
        }
    }
}

impl Storage for SimulatedDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<File> {
        let mut state = self.state();
        state.count(match mode {
            Mode::Read | Mode::Write => Kind::Read,
            Mode::Create => Kind::Other,
            Mode::New => Kind::Allocate,
        })?;
        let name = name_of(path);
        let index = match (state.names.get(&name).copied(), mode) {
            (Some(_), Mode::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(index), _) => index,
            (None, Mode::Read | Mode::Write) => return Err(missing()),
            (None, Mode::Create | Mode::New) => state.create(&name),
        };
        Ok(File::new(SimulatedFile { disk: self.clone(), index }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let outcome = state.count(Kind::Other);
        if state.dead.is_none() && (outcome.is_ok() || state.random.chance(1, 2)) {
            state.rename(&name_of(from), &name_of(to))?;
        }
        outcome
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.count(Kind::Other)?;
        let name = name_of(path);
        let index = *state.names.get(&name).ok_or_else(missing)?;
        state.change(NameChange::Unlink(name, index));
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        self.state().names.contains_key(&name_of(path))
    }

    fn create_dir(&self, _: &Path) -> io::Result<bool> {
        Ok(false)
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.count(Kind::Read)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.count(Kind::Sync)?;
        if state.plan.lie != Lie::DirectorySync {
            let pending = std::mem::take(&mut state.pending);
            for change in pending {
                apply(&mut state.durable_names, change);
            }
        }
        Ok(())
    }

    fn lock(&self, _: &Path, _: LockKind) -> io::Result<Option<Lock>> {
        Ok(Some(Box::new(())))
    }
}

#[derive(Clone, Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    index: usize,
}

impl StoredFile for SimulatedFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.count(Kind::Read)?;
        let offset = usize::try_from(offset).expect("files are small");
        let left = state.inodes[self.index].length.saturating_sub(offset);
        let mut count = bytes.len().min(left);
        if state.plan.short && count > 1 && state.random.chance(1, 16) {
            count = 1 + state.random.index(count - 1);
        }
        if count > 0 {
            state.inodes[self.index].memory.read(&mut bytes[..count], offset);
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let inode = &state.inodes[self.index];
        // A segment that is being made takes its room by these writes, too, until it is synced for the first time.
        let is_new = inode.is_segment && inode.durable.is_empty();
        let outcome = state.count(if is_new { Kind::Allocate } else { Kind::Write });
        if state.dead.is_some() {
            return outcome.map(|()| 0);
        }
        let offset = usize::try_from(offset).expect("files are small");
        let mut count = bytes.len();
        if outcome.is_err() || state.plan.short && count > 1 && state.random.chance(1, 8) {
            count = state.random.index(count);
        }
        if count == 0 && outcome.is_ok() {
            count = 1.min(bytes.len());
        }
        let lie = state.plan.lie;
        let inode = &mut state.inodes[self.index];
        let is_zeroing = lie == Lie::Zeroing && inode.is_segment && offset + count <= inode.length;
        if !(is_zeroing && crate::format::is_zero(&bytes[..count])) {
            inode.grow(offset + count);
            let pages = offset / PAGE_SIZE..(offset + count).div_ceil(PAGE_SIZE);
            inode.written[pages].fill(true);
            inode.memory.write(&bytes[..count], offset);
        }
        outcome.map(|()| count)
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.count(Kind::Read)?;
        Ok(state.inodes[self.index].length as u64)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.count(Kind::Other)?;
        let inode = &mut state.inodes[self.index];
        let length = usize::try_from(length).expect("files are small");
        if length < inode.length {
            inode.memory.write(&vec![0; inode.length - length], length);
            inode.length = length;
        }
        inode.clean.truncate(length);
        inode.written.truncate(length.div_ceil(PAGE_SIZE));
        inode.grow(length);
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.count(Kind::Allocate)?;
        state.inodes[self.index].grow(usize::try_from(length).expect("files are small"));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().sync(self.index)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.disk.state().sync(self.index)
    }

    fn map(&self) -> io::Result<Memory> {
        let mut state = self.disk.state();
        state.count(Kind::Other)?;
        Ok(state.inodes[self.index].memory.clone())
    }
}
