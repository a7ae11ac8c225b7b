//! Many requests and many clients: nothing is lost, nothing is doubled, replies keep their order.

use crate::client::{Client, lines, order};
use crate::fixture::examples;
use crate::live::LiveDaemon;
use crate::process::{records, reexecute, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use tickwerk_tests::program;

/// `live.toml` with room for any number of open orders.
fn roomy() -> LiveDaemon {
    let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
    LiveDaemon::start_with(&text.replace("value = \"1000\"", "value = \"20000\""), &[])
}

/// Orders that went to the venue: name and sequence of their command.
pub(crate) fn accepted(dir: &Path) -> BTreeMap<String, u64> {
    let mut named = BTreeMap::new();
    let mut accepted = BTreeMap::new();
    for record in records(dir, "order") {
        let sequence = record["sequence"].as_u64().expect("a number");
        if record["event_type"] == "order.new" {
            named.insert(sequence, record["payload"]["client_order_id"].as_str().expect("a name").to_owned());
        } else if record["event_type"] == "order.submitted" {
            let order = record["causation"].as_u64().expect("an event has a cause");
            let before = accepted.insert(named[&order].clone(), order);
            assert_eq!(before, None, "{} went twice", named[&order]);
        }
    }
    accepted
}

/// Sends all at once, takes the replies in order, and sends again what the engine was too busy for.
fn pipeline(dir: &Path, names: &[String]) -> BTreeMap<String, u64> {
    let mut client = Client::connect(dir);
    let mut told = BTreeMap::new();
    let mut left = names.to_vec();
    while !left.is_empty() {
        let lines = lines(left.iter().map(|name| order(name)));
        let mut writer = client.writer();
        let writing = std::thread::spawn(move || writer.write_all(lines.as_bytes()));
        let mut busy = Vec::new();
        for name in &left {
            let reply = client.reply();
            assert_eq!(reply["request_id"], **name, "replies come in the order of the requests");
            if reply["error"]["code"] == "engine_busy" {
                busy.push(name.clone());
                continue;
            }
            assert_eq!(reply["ok"], true, "{reply}");
            told.insert(name.clone(), reply["result"]["order_id"].as_u64().expect("a number"));
        }
        writing.join().expect("the writer does not panic").expect("the daemon takes bytes");
        left = busy;
    }
    told
}

#[test]
fn a_thousand_lines_of_one_client_are_answered_in_order() {
    let mut daemon = roomy();
    let names: Vec<String> = (0..1_000).map(|number| format!("order-{number}")).collect();
    let told = pipeline(&daemon.dir, &names);
    daemon.stop();
    assert_eq!(told, accepted(&daemon.dir));
    assert_eq!(told.len(), names.len());
    reexecute(&daemon.dir);
}

#[test]
fn eight_clients_at_once_lose_and_double_nothing() {
    let mut daemon = roomy();
    let each = if crate::is_long() { 1_000 } else { 250 };
    let clients = (0..8).map(|client| {
        let dir = daemon.dir.clone();
        let names: Vec<String> = (0..each).map(|number| format!("client-{client}-{number}")).collect();
        std::thread::spawn(move || pipeline(&dir, &names))
    });
    let clients: Vec<_> = clients.collect();
    let mut told = BTreeMap::new();
    for client in clients {
        told.extend(client.join().expect("a client that was served"));
    }
    // Killed, not stopped: what was answered is there all the same.
    daemon.kill();
    daemon.start_again(&[]);
    daemon.stop();
    assert_eq!(told, accepted(&daemon.dir));
    assert_eq!(told.len(), 8 * each);
    reexecute(&daemon.dir);
}

#[test]
fn a_hundred_connections_are_served_or_told_that_there_is_no_room() {
    let mut daemon = LiveDaemon::start();
    let mut clients: Vec<Client> = (0..100).map(|_| Client::connect(&daemon.dir)).collect();
    let (mut served, mut refused) = (0, 0);
    for (number, client) in clients.iter_mut().enumerate() {
        // One that was refused may be closed already.
        client.writer().write_all(format!("{}\n", order(&format!("order-{number}"))).as_bytes()).ok();
        let reply = client.reply();
        if reply["ok"] == true {
            assert_eq!(reply["request_id"], format!("order-{number}"));
            served += 1;
        } else {
            assert_eq!(reply["error"]["code"], "engine_busy", "{reply}");
            refused += 1;
        }
    }
    assert_eq!((served, refused), (64, 36));
    drop(clients);
    let again = wait_for("room for another", || {
        let reply = Client::connect(&daemon.dir).ask(&json!({ "op": "query.orders" }));
        (reply["ok"] == true).then_some(reply)
    });
    assert_eq!(again["result"]["orders"].as_array().map(Vec::len), Some(64));
    daemon.stop();
    assert_eq!(accepted(&daemon.dir).len(), 64);
}

#[test]
fn send_passes_a_stream_of_lines_and_notices_a_daemon_that_goes_away() {
    let mut daemon = roomy();
    let mut command = program::command(&["send", "--dir", daemon.dir.to_str().expect("plain names")]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("the binary starts");
    let lines = lines((0..300).map(|number| order(&format!("piped-{number}")))).replace('\n', "\n\n");
    child.stdin.take().expect("stdin is piped").write_all(lines.as_bytes()).expect("send reads");
    let output = program::finish(child);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let replies = String::from_utf8(output.stdout).expect("replies are text");
    let told = replies.lines().map(|line| serde_json::from_str::<Value>(line).expect("a reply"));
    let named: Vec<Value> = told.map(|mut reply| reply["request_id"].take()).collect();
    let expected: Vec<Value> = (0..300).map(|number| json!(format!("piped-{number}"))).collect();
    assert_eq!(named, expected);

    let mut child = command.spawn().expect("the binary starts");
    let mut input = child.stdin.take().expect("stdin is piped");
    input.write_all(format!("{}\n", order("last")).as_bytes()).expect("send reads");
    let mut stdout = child.stdout.take().expect("stdout is piped");
    let mut first = [0; 1];
    stdout.read_exact(&mut first).expect("a reply");
    daemon.kill();
    // Its input stays open, and it ends all the same.
    let status = wait_for("the end of send", || child.try_wait().expect("a child can be asked"));
    assert_eq!(status.code(), Some(1));
    drop(input);
}

#[test]
fn what_was_answered_before_a_kill_is_there_after_it() {
    let kills = if crate::is_long() { 10 } else { 2 };
    let mut daemon = roomy();
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    for kill in 0..kills {
        let mut client = Client::connect(&daemon.dir);
        let mut writer = client.writer();
        let writing = std::thread::spawn(move || {
            // The daemon is killed while it reads.
            (0..2_000)
                .try_for_each(|number| writeln!(writer, "{}", order(&format!("kill-{kill}-{number}"))))
                .ok();
        });
        for _ in 0..150 {
            let reply = client.reply();
            if reply["ok"] == true {
                let name = reply["request_id"].as_str().expect("a name").to_owned();
                told.insert(name, reply["result"]["order_id"].as_u64().expect("a number"));
            }
        }
        daemon.kill();
        while let Some(reply) = client.next() {
            if reply["ok"] == true {
                let name = reply["request_id"].as_str().expect("a name").to_owned();
                told.insert(name, reply["result"]["order_id"].as_u64().expect("a number"));
            }
        }
        writing.join().expect("the writer does not panic");
        daemon.start_again(&[]);
    }
    daemon.stop();
    let kept = accepted(&daemon.dir);
    for (name, order) in &told {
        assert_eq!(kept.get(name), Some(order), "{name} was answered");
    }
    assert!(told.len() >= kills * 100, "{} answers", told.len());
    reexecute(&daemon.dir);
}

#[test]
fn a_stop_answers_what_it_took_and_takes_nothing_that_it_does_not_answer() {
    let mut daemon = roomy();
    let mut client = Client::connect(&daemon.dir);
    let mut writer = client.writer();
    let writing = std::thread::spawn(move || {
        let requests = lines((0..3_000).map(|number| order(&format!("stop-{number}"))));
        // The daemon stops while it reads.
        writer.write_all(requests.as_bytes()).ok();
    });
    let mut told = BTreeMap::new();
    let mut take = |reply: Value| {
        if reply["ok"] == true {
            let name = reply["request_id"].as_str().expect("a name").to_owned();
            told.insert(name, reply["result"]["order_id"].as_u64().expect("a number"));
        }
    };
    for _ in 0..100 {
        take(client.reply());
    }
    daemon.terminate();
    while let Some(reply) = client.next() {
        take(reply);
    }
    writing.join().expect("the writer does not panic");
    daemon.finish();
    assert_eq!(told, accepted(&daemon.dir));
    assert!(told.len() < 3_000, "it was stopped too late to say anything");
    reexecute(&daemon.dir);
}
