//! What clients of the control socket were told, over all daemons of a journal, and whether the journal holds it.
//!
//! Each client sends an order and then cancels it, and what it got no answer to it sends again to the next daemon under
//! the same name.

use crate::client::{Client, order_with};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a client was told, over all daemons.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Tells its orders from those of others.
    pub(crate) name: String,
    /// Orders by their names.
    pub(crate) orders: BTreeMap<String, u64>,
    /// Orders whose cancel was taken.
    canceled: BTreeSet<u64>,
    /// Replies that came at each watermark.
    pub(crate) at: BTreeMap<String, u64>,
    /// Requests that had no answer when the daemon died, in order.
    unanswered: VecDeque<Value>,
    next: u64,
    /// When each durable answer was asked for and when it came, in microseconds since 1970.
    pub(crate) durable: Vec<(u64, u64)>,
}

impl Told {
    /// A client that was told nothing yet.
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    fn note(&mut self, request: &Value, reply: &Value) {
        *self.at.entry(reply["watermark"].as_str().expect("a word").to_owned()).or_default() += 1;
        let code = reply["error"]["code"].as_str();
        if request["op"] == "order.cancel" && matches!(code, Some("order_done" | "cancel_pending")) {
            // The first one was taken, and its answer died with the daemon.
            return;
        }
        assert_eq!(reply["ok"], true, "{request} got {reply}");
        let order = reply["result"]["order_id"].as_u64().expect("a number");
        if request["op"] == "order.cancel" {
            self.canceled.insert(order);
        } else {
            let name = request["client_order_id"].as_str().expect("a name").to_owned();
            assert!(self.orders.insert(name, order).is_none_or(|before| before == order), "{reply}");
        }
    }

    /// An order of the client's, or the cancel of the last one.
    fn request(&mut self) -> Value {
        let ack = if self.next.is_multiple_of(3) { "durable" } else { "written" };
        let name = format!("{}-{}", self.name, self.next / 2);
        self.next += 1;
        if self.next.is_multiple_of(2) {
            json!({ "op": "order.cancel", "account": "alice", "client_order_id": name, "ack": ack })
        } else {
            order_with(&name, &json!({ "ack": ack }))
        }
    }

    /// Sends `batch` requests at a time until the daemon dies or it is enough.
    pub(crate) fn send(&mut self, batch: usize, dir: &Path, load: &Load) {
        let Some(mut connection) = Client::try_connect(dir) else { return };
        while !load.is_enough.load(Ordering::Acquire) {
            let mut requests = std::mem::take(&mut self.unanswered);
            while requests.len() < batch {
                requests.push_back(self.request());
            }
            let asked = now_us();
            let mut is_alive = connection.try_send(requests.make_contiguous());
            while is_alive && let Some(request) = requests.front() {
                let Some(reply) = connection.try_reply() else {
                    is_alive = false;
                    break;
                };
                self.note(request, &reply);
                if reply["watermark"] == "durable" {
                    self.durable.push((asked, now_us()));
                }
                requests.pop_front();
                load.answers.fetch_add(1, Ordering::Release);
            }
            self.unanswered = requests;
            if !is_alive {
                return;
            }
        }
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_micros()).expect("a time of our age")
}

/// What clients share while they send.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Answers that came.
    pub(crate) answers: AtomicU64,
    /// Nothing more is to be sent.
    pub(crate) is_enough: AtomicBool,
}

/// Where the journal and what was told differ, in words.
pub(crate) fn differences(told: &[Told], journal: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut named = BTreeMap::new();
    let mut submitted: BTreeMap<String, u64> = BTreeMap::new();
    let mut canceled = BTreeSet::new();
    for (place, record) in (1..).zip(journal) {
        let sequence = record["sequence"].as_u64().expect("a number");
        if sequence != place {
            wrong.push(format!("sequence {sequence} stands where {place} should"));
        }
        let payload = &record["payload"];
        if record["event_type"] == "order.new" {
            named.insert(sequence, payload["client_order_id"].as_str().expect("a name").to_owned());
        } else if record["event_type"] == "order.submitted" {
            let order = payload["order"].as_u64().expect("a number");
            if submitted.insert(named[&order].clone(), order).is_some() {
                wrong.push(format!("{} went twice", named[&order]));
            }
        } else if record["event_type"] == "order.cancel_submitted" {
            canceled.insert(payload["order"].as_u64().expect("a number"));
        }
    }
    for told in told {
        let lost = told.orders.iter().filter(|(name, order)| submitted.get(*name) != Some(order));
        wrong.extend(lost.map(|(name, order)| format!("{name} was told as {order} and is lost")));
        let lost = told.canceled.difference(&canceled);
        wrong.extend(lost.map(|order| format!("the cancel of {order} was told and is lost")));
    }
    wrong
}
