//! A client of the control socket that speaks bytes, so that it can say anything.

use crate::process::{TIMEOUT, wait_for};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

#[derive(Debug)]
pub(crate) struct Client {
    stream: UnixStream,
    replies: BufReader<UnixStream>,
}

impl Client {
    /// Waits until the daemon of `dir` answers.
    #[track_caller]
    pub(crate) fn connect(dir: &Path) -> Self {
        let path = dir.join("control.sock");
        Self::over(wait_for("the control socket", || UnixStream::connect(&path).ok()))
    }

    /// Connects to the daemon of `dir`, which has opened its socket; `None` if it has died since.
    pub(crate) fn try_connect(dir: &Path) -> Option<Self> {
        UnixStream::connect(dir.join("control.sock")).ok().map(Self::over)
    }

    fn over(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout can be set");
        stream.set_write_timeout(Some(TIMEOUT)).expect("a timeout can be set");
        let replies = BufReader::new(stream.try_clone().expect("a socket can be shared"));
        Self { stream, replies }
    }

    /// Another handle to write to, for a thread of its own.
    pub(crate) fn writer(&self) -> UnixStream {
        self.stream.try_clone().expect("a socket can be shared")
    }

    #[track_caller]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the daemon takes bytes");
    }

    #[track_caller]
    pub(crate) fn send(&mut self, request: &Value) {
        self.write(format!("{request}\n").as_bytes());
    }

    /// Says that nothing more comes.
    pub(crate) fn end(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a socket can be shut");
    }

    /// The next reply; `None` when the daemon has closed the connection.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.replies.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).expect("a reply is JSON")),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no reply: {error}"),
        }
    }

    #[track_caller]
    pub(crate) fn reply(&mut self) -> Value {
        self.next().expect("the daemon answers before it closes")
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        self.send(request);
        self.reply()
    }

    /// Sends; `false` when the daemon has died.
    pub(crate) fn try_send(&mut self, requests: &[Value]) -> bool {
        self.stream.write_all(lines(requests.iter().cloned()).as_bytes()).is_ok()
    }

    /// The next reply; `None` when the daemon has died before it was whole.
    pub(crate) fn try_reply(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.replies.read_line(&mut line).ok()?;
        line.ends_with('\n').then(|| serde_json::from_str(&line).expect("a reply is JSON"))
    }

    /// Asks, and requires success.
    #[track_caller]
    pub(crate) fn ask_ok(&mut self, request: &Value) -> Value {
        let mut reply = self.ask(request);
        assert_eq!(reply["ok"], true, "{request} got {reply}");
        reply["result"].take()
    }

    /// Asks, and requires a refusal with this code and field.
    #[track_caller]
    pub(crate) fn ask_refused(&mut self, request: &Value, code: &str, field: &str) -> Value {
        self.ask_refused_at(request, code, field).1
    }

    /// As [`Self::ask_refused`], with the sequence of what is journaled of it.
    #[track_caller]
    pub(crate) fn ask_refused_at(
        &mut self,
        request: &Value,
        code: &str,
        field: &str,
    ) -> (Option<u64>, Value) {
        let mut reply = self.ask(request);
        assert_eq!(reply["ok"], false, "{request} got {reply}");
        let error = reply["error"].take();
        assert_eq!((&error["code"], &error["field"]), (&json!(code), &json!(field)), "{request} got {error}");
        (reply["sequence"].as_u64(), error)
    }
}

/// A limit order to buy a little BTCUSDT, cheap enough for thousands of them.
pub(crate) fn order(client_order_id: &str) -> Value {
    json!({
        "request_id": client_order_id, "op": "order.new", "account": "alice", "instrument": "BTCUSDT",
        "client_order_id": client_order_id, "side": "buy", "order_type": "limit", "time_in_force": "gtc",
        "price": "100.00", "quantity": "0.001",
    })
}

/// Requests as bytes to be sent at once.
pub(crate) fn lines(requests: impl IntoIterator<Item = Value>) -> String {
    let mut text = String::new();
    for request in requests {
        writeln!(text, "{request}").expect("writing to a string cannot fail");
    }
    text
}

/// The same with other values in some fields; null takes a field away.
pub(crate) fn order_with(client_order_id: &str, changes: &Value) -> Value {
    let mut request = order(client_order_id);
    for (name, value) in changes.as_object().expect("changes are an object") {
        request[name] = value.clone();
    }
    request.as_object_mut().expect("an order is an object").retain(|_, value| !value.is_null());
    request
}

/// Shows a daemon the touch of a market, with room for every order of a test.
#[track_caller]
pub(crate) fn quote(client: &mut Client, instrument: &str, bid: &str, ask: &str) {
    client.ask_ok(&json!({
        "op": "market.quote", "instrument": instrument, "bid_price": bid, "bid_quantity": "5", "ask_price": ask,
        "ask_quantity": "5",
    }));
}

/// Shows a daemon a trade of others.
#[track_caller]
pub(crate) fn trade(client: &mut Client, instrument: &str, price: &str) {
    client
        .ask_ok(&json!({ "op": "market.trade", "instrument": instrument, "price": price, "quantity": "1" }));
}

/// An open order by the client's name for it; `None` once it is done.
#[track_caller]
pub(crate) fn open_order(client: &mut Client, account: &str, name: &str) -> Option<Value> {
    let mut shown = client.ask_ok(&json!({ "op": "query.orders", "account": account }));
    let orders = shown["orders"].as_array_mut().expect("a list");
    orders.iter().position(|order| order["client_order_id"] == name).map(|place| orders.swap_remove(place))
}
