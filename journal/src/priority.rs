//! Who has the processor first, where there are fewer processors than threads.

/// Lets other threads have the processor before the calling one; `nice` is from 0 to 19, the lowest priority. Never raises
/// it; a system that refuses leaves it as it is.
pub fn lower_priority(nice: i32) {
    // On Linux the priority is a thread's own; `None` stands for the calling one.
    let now = rustix::process::getpriority_process(None).unwrap_or(nice);
    if now < nice {
        rustix::process::setpriority_process(None, nice).ok();
    }
}
