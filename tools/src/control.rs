//! The control socket of a running daemon: newline-delimited JSON on `control.sock` in the journal's directory.
//!
//! One thread owns the socket, the order lane and the replies. A request becomes a command and is answered when its
//! frame has reached the watermark that it asks for, which is never earlier than the daemon's own; replies of a
//! connection come in the order of its requests. What a connection may have under way is bounded, and beyond that its
//! bytes wait in the socket; what all of them may have under way is bounded by the pipeline's gate.
//!
//! `watermark` in a reply is a level that its `sequence` has reached: for a command the one that it waited for, for a
//! query the highest, up to the daemon's own. State is shown once it has reached the daemon's own; `query.watermarks`,
//! `query.metrics` and what was written before the daemon started wait for none.

mod acknowledged;
mod answer;
mod connection;
mod known_orders;
mod query;
mod request;
mod server;
#[cfg(test)]
mod tests;

use crate::exit::BadConfig;
pub(crate) use acknowledged::Acknowledged;
use anyhow::{Context, Result, ensure};
pub(crate) use query::{QUERIES, answer_of, unrealized};
pub(crate) use server::{Control, Door};
use std::path::Path;

/// The socket's name in the journal's directory.
pub(crate) const SOCKET: &str = "control.sock";

/// Longest path that a socket can have.
const PATH_SIZE_MAX: usize = 107;

/// Whether a socket can lie in `dir`: told before anything is begun there.
pub(crate) fn check_path(dir: &Path) -> Result<()> {
    let path = dir.join(SOCKET);
    let size = path.as_os_str().len();
    let check = || {
        ensure!(
            size <= PATH_SIZE_MAX,
            "the path of the control socket {} has {size} bytes and may have {PATH_SIZE_MAX}; \
             shorten journal.dir, or set control.enabled to false",
            path.display()
        );
        Ok(())
    };
    check().context(BadConfig)
}
