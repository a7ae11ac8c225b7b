//! How far the journal is, for everybody who waits: atomics that lie in the mapped `WATERMARKS` file.
//!
//! Watermarks are inclusive sequences and only rise. In the writer's process they are read as atomics without any wait
//! but for [`Watermarks::head`], which reads again when a block ends meanwhile; other processes read the file by
//! `pread`. Recovery ignores the file: nothing in it is synced on purpose.
//!
//! ```text
//! 0    magic [8] ‖ version u32 ‖ 0 u32 ‖ journal id [16]
//! 128  written through u64      136  bytes of frames and seals written since it was opened u64
//! 256  durable through u64      384  chained through u64      512  state u64
//! 520  end of the reserve u64: bytes at 136 from which it is exhausted; 0 while the disk is not full
//! 640  count of heads u64       704, 768  head slots (count modulo 2): through u64 ‖ head [32]
//! 896  replicated through u64, which the replicator writes      960  the name of the replicator that is awaited [64]
//! ```

use super::chain::{ChainHead, Head};
use super::config::OnFailure;
use super::directory::{self, FileError, failed};
use super::failure::Failure;
use super::format::{self, FORMAT_VERSION, JournalId, PAGE_SIZE, Page, WATERMARKS_MAGIC};
use super::mmap::CounterPage;
use super::space::{Space, space_at};
use super::sync::{AtomicBool, AtomicU64, Mutex, Ordering};
use std::path::Path;
use std::sync::Arc;
use tickwerk_domain::Sequence;

const WRITTEN: usize = 128;
const BYTES: usize = 136;
pub(crate) const DURABLE: usize = 256;
const CHAINED: usize = 384;
pub(crate) const STATE: usize = 512;
pub(crate) const STATE_FAILED: u64 = 2;
const RESERVE_END: usize = 520;
const HEAD_COUNT: usize = 640;
const HEAD_SLOTS: [usize; 2] = [704, 768];
pub(crate) const REPLICATED: usize = 896;
pub(crate) const REPLICATOR: usize = 960;
const READ_ATTEMPTS: usize = 16;

/// What the last writer said of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatermarkState {
    /// It is writing, or died while it was.
    Open,
    /// It closed the journal.
    Closed,
    /// It stopped at a failure.
    Failed,
}

/// The watermarks of a journal that is being written. A handle; clones see the same.
#[derive(Clone, Debug)]
pub struct Watermarks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    page: CounterPage,
    failed: AtomicBool,
    failure: Mutex<Option<Failure>>,
    on_failure: Option<OnFailure>,
}

impl Watermarks {
    /// Writes the file anew, with everything up to `through` written, durable and, if `head` says so, chained. A
    /// replicator that is awaited has said how far it is.
    pub(crate) fn create(
        dir: &Path,
        journal: JournalId,
        through: Sequence,
        head: Option<ChainHead>,
        replicator: Option<(&str, Sequence)>,
        on_failure: Option<OnFailure>,
    ) -> Result<Self, FileError> {
        let path = dir.join(directory::WATERMARKS);
        let file = directory::open_or_create(&path)?;
        let mut page: Page = [0; PAGE_SIZE];
        format::put(&mut page, 0, &WATERMARKS_MAGIC);
        format::put(&mut page, 8, &FORMAT_VERSION.to_le_bytes());
        format::put(&mut page, 16, &journal.0);
        format::put(&mut page, WRITTEN, &through.0.to_le_bytes());
        format::put(&mut page, DURABLE, &through.0.to_le_bytes());
        if let Some((name, replicated)) = replicator {
            format::put(&mut page, REPLICATED, &replicated.min(through).0.to_le_bytes());
            format::put(&mut page, REPLICATOR, name.as_bytes());
        }
        file.set_len(PAGE_SIZE as u64)
            .and_then(|()| file.write_all_at(&page, 0))
            .map_err(failed("write", &path))?;
        let page = CounterPage::new(file.map().map_err(failed("map", &path))?);
        let failed = AtomicBool::new(false);
        let marks = Self(Arc::new(Shared { page, failed, failure: Mutex::new(None), on_failure }));
        if let Some(head) = head {
            marks.set_head(head);
            marks.set_chained(head.through);
        }
        Ok(marks)
    }

    /// The last record that a crash of the process cannot take away.
    #[inline]
    pub fn written_through(&self) -> Sequence {
        Sequence(self.counter(WRITTEN).load(Ordering::Acquire))
    }

    /// The last record that a loss of power cannot take away.
    #[inline]
    pub fn durable_through(&self) -> Sequence {
        Sequence(self.counter(DURABLE).load(Ordering::Acquire))
    }

    /// The last record that its replicator has committed, and that is durable here; 0 without a replicator.
    #[inline]
    pub fn replicated_through(&self) -> Sequence {
        Sequence(self.counter(REPLICATED).load(Ordering::Acquire)).min(self.durable_through())
    }

    /// The last record that the hash chain has taken in.
    #[inline]
    pub fn chained_through(&self) -> Sequence {
        Sequence(self.counter(CHAINED).load(Ordering::Acquire))
    }

    /// The newest head: of the last complete block, or of everything when the chain has caught up with the writer.
    pub fn head(&self) -> ChainHead {
        loop {
            let count = self.counter(HEAD_COUNT).load(Ordering::Acquire);
            let slot = HEAD_SLOTS[usize::from(count % 2 == 1)];
            let mut head = [0; 32];
            let through = self.counter(slot).load(Ordering::Acquire);
            for word in 0..4 {
                let value = self.counter(slot + 8 + word * 8).load(Ordering::Acquire);
                head[word * 8..][..8].copy_from_slice(&value.to_le_bytes());
            }
            // The chain writes the other slot first: two new heads in between are needed to spoil this one.
            if self.counter(HEAD_COUNT).load(Ordering::Acquire) == count {
                return ChainHead { through: Sequence(through), head: Head(head) };
            }
        }
    }

    /// Bytes of frames and seals written since the journal was opened.
    pub fn written_bytes(&self) -> u64 {
        self.counter(BYTES).load(Ordering::Acquire)
    }

    /// How much room there is for more.
    pub fn space(&self) -> Space {
        space_at(self.counter(RESERVE_END).load(Ordering::Acquire), self.written_bytes())
    }

    /// What stopped the journal, if anything did. Nothing is written or acknowledged after it.
    pub fn failure(&self) -> Option<Failure> {
        if self.has_failed() { self.0.failure.lock().clone() } else { None }
    }

    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn set_written(&self, through: Sequence, bytes: u64) {
        self.counter(BYTES).store(bytes, Ordering::Release);
        let order = if broken!(RelaxedWatermark) { Ordering::Relaxed } else { Ordering::Release };
        self.counter(WRITTEN).store(through.0, order);
    }

    pub(crate) fn set_durable(&self, through: Sequence) {
        self.counter(DURABLE).store(through.0, Ordering::Release);
    }

    pub(crate) fn set_chained(&self, through: Sequence) {
        self.counter(CHAINED).store(through.0, Ordering::Release);
    }

    /// Only the chain calls this, so there is one writer of the slots.
    pub(crate) fn set_head(&self, head: ChainHead) {
        let count = self.counter(HEAD_COUNT).load(Ordering::Relaxed) + 1;
        let slot = HEAD_SLOTS[usize::from(count % 2 == 1)];
        // Whoever reads any of it sees, too, that the other slot counts.
        let order = if broken!(RelaxedHead) { Ordering::Relaxed } else { Ordering::Release };
        self.counter(slot).store(head.through.0, order);
        for word in 0..4 {
            let value = format::u64_at(&head.head.0, word * 8);
            self.counter(slot + 8 + word * 8).store(value, order);
        }
        self.counter(HEAD_COUNT).store(count, Ordering::Release);
    }

    /// The disk is full and the reserve ends there; 0: it is not full.
    pub(crate) fn set_reserve_end(&self, bytes: u64) {
        self.counter(RESERVE_END).store(bytes, Ordering::Release);
    }

    pub(crate) fn set_closed(&self) {
        self.counter(STATE).store(1, Ordering::Release);
    }

    /// Publishes the first failure and calls whoever wants to know.
    pub(crate) fn fail(&self, failure: &Failure) {
        {
            let mut first = self.0.failure.lock();
            if first.is_some() {
                return;
            }
            *first = Some(failure.clone());
        }
        self.0.failed.store(true, Ordering::Release);
        self.counter(STATE).store(STATE_FAILED, Ordering::Release);
        if let Some(OnFailure(call)) = &self.0.on_failure {
            call(failure);
        }
    }

    #[inline]
    pub(crate) fn counter(&self, offset: usize) -> &AtomicU64 {
        self.0.page.counter(offset)
    }
}

/// The watermarks as another process sees them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredWatermarks {
    /// Which journal.
    pub journal: JournalId,
    /// The last record written.
    pub written_through: Sequence,
    /// The last record synced.
    pub durable_through: Sequence,
    /// The last record that is durable and that the replicator has committed; 0 without one.
    pub replicated_through: Sequence,
    /// The last record hashed.
    pub chained_through: Sequence,
    /// What the writer says of itself.
    pub state: WatermarkState,
    /// How much room there is for more.
    pub space: Space,
}

impl StoredWatermarks {
    /// Reads the file; `None` if it is missing or is not such a file.
    pub fn read(dir: &Path) -> Result<Option<Self>, FileError> {
        let path = dir.join(directory::WATERMARKS);
        let Some(file) = directory::open_for_reading(&path)? else {
            return Ok(None);
        };
        let mut before = directory::read_page(&file, 0).map_err(failed("read", &path))?;
        // A page may change while it is copied; two equal copies were taken between two changes.
        for _ in 0..READ_ATTEMPTS {
            let page = directory::read_page(&file, 0).map_err(failed("read", &path))?;
            if page[WRITTEN..STATE + 8] == before[WRITTEN..STATE + 8] {
                break;
            }
            before = page;
        }
        Ok(Self::from_page(&before))
    }

    fn from_page(page: &Page) -> Option<Self> {
        if page[..8] != WATERMARKS_MAGIC || format::u32_at(page, 8) != FORMAT_VERSION {
            return None;
        }
        let state = match format::u64_at(page, STATE) {
            0 => WatermarkState::Open,
            1 => WatermarkState::Closed,
            STATE_FAILED => WatermarkState::Failed,
            _ => return None,
        };
        let durable_through = Sequence(format::u64_at(page, DURABLE));
        Some(Self {
            journal: JournalId(format::bytes_at(page, 16)),
            written_through: Sequence(format::u64_at(page, WRITTEN)),
            durable_through,
            replicated_through: Sequence(format::u64_at(page, REPLICATED)).min(durable_through),
            chained_through: Sequence(format::u64_at(page, CHAINED)),
            state,
            space: space_at(format::u64_at(page, RESERVE_END), format::u64_at(page, BYTES)),
        })
    }
}
