//! One request to a running daemon.

use crate::control::SOCKET;
use anyhow::{Context, Result};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Opens the control socket of the daemon whose journal lies in `dir`.
pub(crate) fn connect(dir: &Path) -> Result<UnixStream> {
    let path = dir.join(SOCKET);
    UnixStream::connect(&path).with_context(|| {
        format!(
            "no daemon answers at {}; start `tickwerk run`, or name its journal with --dir",
            path.display()
        )
    })
}

/// Sends one request and gives its reply.
pub(crate) fn ask(dir: &Path, request: &Value) -> Result<Value> {
    let mut stream = connect(dir)?;
    writeln!(stream, "{request}").context("sending the request")?;
    stream.shutdown(Shutdown::Write).context("sending the request")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("reading the reply")?;
    anyhow::ensure!(!line.is_empty(), "the daemon went away; whether it took the request is unknown");
    serde_json::from_str(&line).context("the daemon sent no JSON")
}
