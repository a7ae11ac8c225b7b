//! SIGKILL at random moments under load, again and again: clients keep a list of what they were told.
//!
//! Each client sends an order and then cancels it, and what it got no answer to it sends again to the next daemon under
//! the same name. In the end the journal must hold everything that was told, once. Moments are drawn from a seed that
//! is printed; `TICKWERK_SEED` repeats one.

use crate::client::{Client, order_with};
use crate::fixture::examples;
use crate::live::LiveDaemon;
use crate::process::{records, reexecute};
use crate::{is_long, seed};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const CLIENTS: usize = 4;

/// What a client was told, over all daemons.
#[derive(Clone, Debug, Default)]
struct Told {
    /// Orders by their names.
    orders: BTreeMap<String, u64>,
    /// Orders whose cancel was taken.
    canceled: BTreeSet<u64>,
    /// Replies that came at each watermark.
    at: BTreeMap<String, u64>,
    /// The request that had no answer when the daemon died.
    unanswered: Option<Value>,
    next: u64,
}

impl Told {
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
    fn request(&mut self, client: usize) -> Value {
        if let Some(again) = self.unanswered.take() {
            return again;
        }
        let ack = if self.next.is_multiple_of(3) { "durable" } else { "written" };
        let name = format!("client-{client}-{}", self.next / 2);
        self.next += 1;
        if self.next.is_multiple_of(2) {
            json!({ "op": "order.cancel", "account": "alice", "client_order_id": name, "ack": ack })
        } else {
            order_with(&name, &json!({ "ack": ack }))
        }
    }

    /// Sends until the daemon dies.
    fn send(&mut self, client: usize, dir: &Path, answers: &AtomicU64) {
        let mut connection = Client::connect(dir);
        loop {
            let request = self.request(client);
            match connection.try_ask(&request) {
                Some(reply) => self.note(&request, &reply),
                None => break self.unanswered = Some(request),
            }
            answers.fetch_add(1, Ordering::Release);
        }
    }
}

/// Where the journal and what was told differ, in words.
fn differences(told: &[Told], journal: &[Value]) -> Vec<String> {
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

#[test]
fn what_clients_were_told_survives_every_kill() {
    let seed = seed();
    let cycles = if is_long() { 2_000 } else { 200 };
    let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
    let mut daemon = LiveDaemon::start_with(&text, &[]);
    let mut told = vec![Told::default(); CLIENTS];
    let mut random = seed;
    for cycle in 0..cycles {
        // Steele, Lea, Flood 2014: one step of SplitMix64, coarse enough for moments.
        random = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let moment = (random ^ random >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 58;
        let (answers, dir) = (AtomicU64::new(0), daemon.dir.clone());
        std::thread::scope(|scope| {
            for (client, told) in told.iter_mut().enumerate() {
                let (answers, dir) = (&answers, &dir);
                scope.spawn(move || told.send(client, dir, answers));
            }
            while answers.load(Ordering::Acquire) < moment {
                std::thread::yield_now();
            }
            daemon.kill();
        });
        let acknowledge = if cycle % 2 == 0 { "written" } else { "durable" };
        daemon.start_again(&[("journal.acknowledge", acknowledge)]);
    }
    daemon.stop();
    let journal = records(&daemon.dir, "");
    let wrong = differences(&told, &journal);
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    let count: usize = told.iter().map(|told| told.orders.len()).sum();
    assert!(count > cycles / 2, "only {count} orders in {cycles} cycles");
    for watermark in ["written", "durable"] {
        assert!(told.iter().any(|told| told.at.contains_key(watermark)), "nothing was told at {watermark}");
    }
    reexecute(&daemon.dir);

    // A list that tells more than the journal holds, and a journal that holds an order twice, must be seen.
    let mut more = told.clone();
    more[0].orders.insert("never-sent".to_owned(), 1);
    assert_eq!(differences(&more, &journal).len(), 1);
    let again = journal.iter().find(|record| record["event_type"] == "order.submitted").expect("an order");
    let mut doubled = journal.clone();
    doubled.push(again.clone());
    assert!(differences(&told, &doubled).iter().any(|wrong| wrong.ends_with("went twice")));
}
