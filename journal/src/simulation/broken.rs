//! Faults that a test puts into the code itself, to show that the harness finds them.

use std::cell::Cell;

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    /// The length word of a frame is believed, its checksum is not looked at.
    NoChecksum,
    /// The `durable` file tells what is written, before it is synced.
    MarkBeforeSync,
    /// What was written while a sync ran is acknowledged with it.
    LateWatermark,
    /// A sync that failed is tried again.
    SyncAgain,
    /// Only the newest segment is synced.
    NewestSegmentOnly,
    /// Recovery syncs what it kept, but does not write again what may only seem clean.
    KeptInMemory,
    /// Recovery does not zero again what an earlier one has cut, and may have failed to.
    CutOnce,
    /// Recovery serves what it kept without a sync.
    KeptUnsynced,
    /// The written watermark moves without release order.
    RelaxedWatermark,
    /// The written watermark moves before the frame is published.
    WatermarkFirst,
    /// The sync thread knows by the bytes alone whether there is something to sync.
    BytesAlone,
    /// The edge of a segment moves without release order.
    RelaxedEdge,
    /// The head of the chain is stored without release order.
    RelaxedHead,
    /// Who rings does not wait until the work can be seen.
    NoFence,
}

thread_local! {
    static BROKEN: Cell<Option<Broken>> = const { Cell::new(None) };
}

/// Whether this thread runs with the fault.
pub(crate) fn is(broken: Broken) -> bool {
    BROKEN.get() == Some(broken)
}

/// Runs `work` with the fault.
pub(crate) fn with<T>(broken: Option<Broken>, work: impl FnOnce() -> T) -> T {
    BROKEN.set(broken);
    let result = work();
    BROKEN.set(None);
    result
}
