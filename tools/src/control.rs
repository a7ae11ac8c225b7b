//! The control socket of a running daemon: newline-delimited JSON on `control.sock` in the journal's directory.
//!
//! One thread owns the socket, the order lane and the replies. A request becomes a command and is answered when its
//! frame has reached the watermark that it asks for, which is never earlier than the daemon's own; replies of a
//! connection come in the order of its requests. What a connection may have under way is bounded, and beyond that its
//! bytes wait in the socket; what all of them may have under way is bounded by the pipeline's gate.

mod answer;
mod connection;
mod query;
mod request;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use server::{Control, Door};

/// The socket's name in the journal's directory.
pub(crate) const SOCKET: &str = "control.sock";
