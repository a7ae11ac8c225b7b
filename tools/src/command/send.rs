//! `tickwerk send`: speaks to a running daemon.

use super::client::connect;
use super::print;
use crate::config::Acknowledge;
use crate::exit;
use anyhow::{Context, Result, bail, ensure};
use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Options of `send`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tickwerk send --dir D query.positions
  tickwerk send --dir D order.new account=main instrument=BTCUSDT client_order_id=c1 \\
      side=buy order_type=limit time_in_force=gtc price=50000.00 quantity=0.001
  tickwerk send --dir D --ack durable limit.set instrument=BTCUSDT limit=order_quantity value=2 \\
      reason=\"thin market\"
  tickwerk send --dir D kill_switch.set engaged=true reason=\"looks wrong\"
  tickwerk send --dir D < requests.ndjson")]
pub(crate) struct Options {
    /// The journal directory of the daemon
    #[arg(long, value_name = "DIR", default_value = "tickwerk-journal")]
    dir: PathBuf,
    /// The watermark to wait for; never earlier than the daemon's own
    #[arg(long, value_name = "WATERMARK", value_parser = watermarks())]
    ack: Option<String>,
    /// What to ask for; left out, requests are read from stdin, one JSON object a line
    #[arg(value_name = "OP")]
    op: Option<String>,
    /// Fields of the request
    #[arg(value_name = "FIELD=VALUE", requires = "op")]
    fields: Vec<String>,
}

/// The words for the watermarks, as in requests.
fn watermarks() -> PossibleValuesParser {
    Acknowledge::WORDS.iter().map(|(word, _)| *word).into()
}

/// Time that the sending thread has to come to its end once the daemon has closed the connection.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Sends and prints the replies; fails if one of them says that it is not ok.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let stream = connect(&options.dir)?;
    let requests: Box<dyn Read + Send> = match &options.op {
        Some(op) => Box::new(std::io::Cursor::new(one_request(op, options)?)),
        None => Box::new(std::io::stdin()),
    };
    let sending = stream.try_clone().context("opening the control socket")?;
    let ack = options.ack.clone().filter(|_| options.op.is_none());
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let (tell_sent, all_sent) = channel();
    std::thread::spawn(move || tell_sent.send(send_all(requests, sending, ack.as_deref(), &counted)));
    let mut is_ok = true;
    let mut received = 0_u64;
    for line in BufReader::new(stream).lines() {
        let line = match line {
            Ok(line) => line,
            // The daemon closed the connection before it had read everything.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error).context("reading a reply"),
        };
        let reply: Value = serde_json::from_str(&line).context("the daemon sent no JSON")?;
        is_ok &= reply["ok"] == Value::Bool(true);
        received += 1;
        print(&line)?;
    }
    // It may be waiting for input that never comes; the process does not wait with it.
    let is_all_sent = all_sent.recv_timeout(LAST_LOOK).ok().transpose()?.is_some();
    let sent = count.load(Ordering::Acquire);
    if received < sent {
        bail!(
            "{sent} requests were sent and {received} answered before the daemon went away; what became of the rest is unknown: send them again with the same client_order_id"
        );
    }
    ensure!(is_all_sent, "the daemon went away; {received} requests were answered, and more input is unread");
    Ok(if is_ok { exit::OK } else { exit::FAILED })
}

/// Sends lines as they come, and counts them.
fn send_all(
    requests: Box<dyn Read + Send>,
    mut stream: UnixStream,
    ack: Option<&str>,
    sent: &AtomicU64,
) -> Result<()> {
    for line in BufReader::new(requests).split(b'\n') {
        let mut line = line.context("reading a request")?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Some(ack) = ack
            && let Ok(mut request) = serde_json::from_slice::<Map<String, Value>>(&line)
        {
            request.entry("ack").or_insert_with(|| Value::from(ack));
            line = Value::Object(request).to_string().into_bytes();
        }
        line.push(b'\n');
        sent.fetch_add(1, Ordering::AcqRel);
        // The reader tells what is missing when the daemon goes away.
        if stream.write_all(&line).is_err() {
            return Ok(());
        }
    }
    // A daemon that is gone has closed its side.
    stream.shutdown(Shutdown::Write).ok();
    Ok(())
}

/// The request of the command line. Values are text, but for those that only JSON can say.
fn one_request(op: &str, options: &Options) -> Result<Vec<u8>> {
    let mut request = Map::new();
    request.insert("op".to_owned(), Value::from(op));
    if let Some(ack) = &options.ack {
        request.insert("ack".to_owned(), Value::from(ack.as_str()));
    }
    for field in &options.fields {
        let Some((name, value)) = field.split_once('=') else {
            bail!("{field:?} is no field; write FIELD=VALUE");
        };
        let value = match value {
            "true" | "false" | "null" => serde_json::from_str(value)?,
            number if name == "order_id" => {
                number.parse::<u64>().map_or_else(|_| Value::from(number), Value::from)
            }
            text => Value::from(text),
        };
        request.insert(name.to_owned(), value);
    }
    Ok(Value::Object(request).to_string().into_bytes())
}
