//! Answers that wait for a replicator: a fake one, which says when it has committed.

use crate::client::{Client, order, order_with};
use crate::fixture::examples;
use crate::live::LiveDaemon;
use crate::process::{records, reexecute, wait_for};
use serde_json::{Value, json};
use std::path::Path;
use tickwerk_domain::Sequence;
use tickwerk_journal::{
    Dependant, DependantKind, ReplicatedError, ReplicatedMark, StoredWatermarks, list_dependants,
    write_dependant,
};

const REPLICATED: &[(&str, &str)] =
    &[("journal.acknowledge", "replicated"), ("journal.replicator", "standby")];

fn live() -> String {
    std::fs::read_to_string(examples().join("live.toml")).expect("an example")
}

fn marks(dir: &Path) -> StoredWatermarks {
    StoredWatermarks::read(dir).expect("a file").expect("the watermarks of a daemon")
}

/// Commits everything that is durable; says how far that is.
fn commit(mark: &ReplicatedMark) -> u64 {
    let durable = mark.durable_through().expect("a daemon");
    mark.publish(durable).expect("what is durable may be replicated");
    durable.0
}

fn query(client: &mut Client) -> Value {
    client.ask_ok(&json!({ "op": "query.watermarks" }))
}

#[test]
fn an_answer_waits_until_the_replicator_has_committed() {
    let mut daemon = LiveDaemon::start_with(&live(), REPLICATED);
    let dir = daemon.dir.clone();
    let (mut asking, mut looking) = (Client::connect(&dir), Client::connect(&dir));
    let mark = ReplicatedMark::attach(&dir, "standby").expect("a daemon that awaits it");
    asking.send(&order("waits"));
    let decided = wait_for("the order to be durable but not told", || {
        let shown = query(&mut looking);
        let decided = shown["decided_through"].as_u64()?;
        let is_durable = shown["in_flight"] == 1 && shown["durable_through"].as_u64()? >= decided;
        is_durable.then_some(decided)
    });
    assert_eq!(query(&mut looking)["replicated_through"], 0);
    assert_eq!(query(&mut looking)["in_flight"], 1, "it is not told");
    assert_eq!(query(&mut looking)["replicator"], "standby");
    for op in ["query.watermarks", "query.metrics"] {
        let shown = looking.ask(&json!({ "op": op }));
        assert!(shown["sequence"].as_u64() >= Some(decided), "{shown}");
        assert_ne!(shown["watermark"], "replicated", "nothing is yet: {shown}");
    }
    // Less than all of it is not enough.
    mark.publish(Sequence(1)).expect("it is durable");
    assert_eq!(query(&mut looking)["in_flight"], 1, "it is not told");
    // What is in flight may not be decided yet when that was looked at.
    wait_for("the answer", || {
        assert!(commit(&mark) >= decided);
        (query(&mut looking)["in_flight"] == 0).then_some(())
    });
    let reply = asking.reply();
    assert_eq!((&reply["ok"], &reply["watermark"]), (&json!(true), &json!("replicated")), "{reply}");
    let shown = looking.ask(&json!({ "op": "query.orders" }));
    assert_eq!((&shown["ok"], &shown["watermark"]), (&json!(true), &json!("replicated")), "{shown}");
    assert!(marks(&dir).replicated_through.0 >= decided);
    // It never falls, and never passes what is durable.
    mark.publish(Sequence(1)).expect("it is durable");
    assert!(marks(&dir).replicated_through.0 >= decided);
    let too_far = mark.publish(Sequence(u64::MAX)).expect_err("it is not durable");
    assert!(matches!(too_far, ReplicatedError::NotDurable { .. }), "{too_far}");

    // What is on its way when the daemon stops is told, if the replicator commits in time.
    let before = marks(&dir).written_through;
    asking.send(&order("last"));
    wait_for("the order to be on its way", || {
        (query(&mut looking)["in_flight"] == 1 && marks(&dir).written_through > before).then_some(())
    });
    daemon.terminate();
    wait_for("the last answer", || {
        commit(&mark);
        (marks(&dir).replicated_through == marks(&dir).written_through).then_some(())
    });
    let told = daemon.finish().json();
    assert_eq!(asking.reply()["ok"], true);
    assert_eq!(told["journal"]["acknowledge"], "replicated");
    let through = |level: &str| told["journal"][level].as_u64().expect("a number");
    assert_eq!(through("written_through"), through("last_sequence"));
    assert_eq!(through("durable_through"), through("last_sequence"));
    assert_eq!(through("replicated_through"), marks(&dir).replicated_through.0);
    reexecute(&dir);
}

#[test]
fn a_replicator_that_is_away_holds_answers_and_nothing_else() {
    let mut daemon = LiveDaemon::start_with(&live(), REPLICATED);
    let dir = daemon.dir.clone();
    // It is waited for from the first record on, so that no retention takes away what it has not seen.
    let (registered, bad) = list_dependants(&dir).expect("a register");
    assert!(bad.is_empty());
    let [Dependant { name, kind: DependantKind::Reader, through: Sequence::NONE, .. }] = &registered[..]
    else {
        panic!("{registered:?}");
    };
    assert_eq!(name, "standby");
    let mut client = Client::connect(&dir);
    client.send(&order("unanswered"));
    let mut looking = Client::connect(&dir);
    wait_for("the order to be decided", || (query(&mut looking)["in_flight"] == 1).then_some(()));
    // Stopped without its replicator, a daemon waits for a while, ends well, and has told nothing.
    daemon.stop();
    assert_eq!(client.next(), None, "it was never told");

    // What the replicator had committed it says again in the register; the next daemon goes on from there.
    let through = marks(&dir).durable_through;
    let time = registered[0].time;
    let standby = Dependant { name: name.clone(), kind: DependantKind::Reader, through, time };
    write_dependant(&dir, &standby).expect("the register can be written");
    daemon.start_again(REPLICATED);
    assert_eq!(marks(&dir).replicated_through, through);
    let mark = ReplicatedMark::attach(&dir, "standby").expect("a daemon that awaits it");
    let mut client = Client::connect(&dir);
    client.send(&order("unanswered"));
    let reply = wait_for("the answer", || {
        commit(&mark);
        (query_in_flight(&mut looking_at(&dir)) == 0).then(|| client.reply())
    });
    assert_eq!((&reply["ok"], &reply["result"]["repeated"]), (&json!(true), &json!(true)), "{reply}");
    daemon.kill();

    // The page of a daemon that is dead is nobody's.
    let nobody = ReplicatedMark::attach(&dir, "standby").expect_err("no daemon");
    assert!(matches!(nobody, ReplicatedError::NoWriter { .. }), "{nobody}");
    daemon.start_again(REPLICATED);
    let old = mark.publish(Sequence(1)).expect_err("another daemon");
    assert!(matches!(old, ReplicatedError::NoWriter { .. }), "{old}");
    daemon.kill();
    let submitted =
        records(&dir, "order").into_iter().filter(|record| record["event_type"] == "order.submitted");
    assert_eq!(submitted.count(), 1);
}

fn looking_at(dir: &Path) -> Client {
    Client::connect(dir)
}

fn query_in_flight(client: &mut Client) -> u64 {
    query(client)["in_flight"].as_u64().expect("a number")
}

#[test]
fn a_request_may_ask_for_the_replicator_where_one_is_awaited() {
    let mut daemon = LiveDaemon::start_with(&live(), &[("journal.replicator", "standby")]);
    let dir = daemon.dir.clone();
    let mut client = Client::connect(&dir);
    assert_eq!(client.ask(&order("durable"))["watermark"], "durable");
    client.send(&order_with("later", &json!({ "ack": "replicated" })));
    wait_for("the order to be decided", || {
        let orders = looking_at(&dir).ask_ok(&json!({ "op": "query.orders", "account": "alice" }));
        (orders["orders"].as_array()?.len() == 2).then_some(())
    });
    let answered = |metrics: &Value| {
        ["written", "durable", "replicated"].map(|level| metrics["acknowledged"][level]["commands"].clone())
    };
    let before = looking_at(&dir).ask_ok(&json!({ "op": "query.metrics" }));
    assert_eq!(answered(&before), [0, 1, 0].map(Value::from), "{before}");
    assert!(before["acknowledged"]["durable"]["took_ns"]["max"].as_u64() > Some(1_000), "{before}");
    assert!(before["replicated_lag_records"].as_u64() > Some(0), "{before}");
    let other = ReplicatedMark::attach(&dir, "other").expect_err("another is awaited");
    assert!(
        other.to_string().ends_with("awaits standby, not other; set journal.replicator to other"),
        "{other}"
    );
    let mark = ReplicatedMark::attach(&dir, "standby").expect("a daemon that awaits it");
    // The order was shown, so it is durable.
    commit(&mark);
    let reply = client.reply();
    assert_eq!((&reply["ok"], &reply["watermark"]), (&json!(true), &json!("replicated")), "{reply}");
    let summary = daemon.stop().json();
    assert_eq!(answered(&summary), [0, 1, 1].map(Value::from), "{summary}");

    daemon.start_again(&[("journal.acknowledge", "written")]);
    let mut client = Client::connect(&dir);
    assert_eq!(client.ask(&order("written"))["watermark"], "written");
    client.ask_ok(&order_with("more", &json!({ "ack": "durable" })));
    let metrics = client.ask_ok(&json!({ "op": "query.metrics" }));
    assert_eq!(answered(&metrics), [1, 1, 0].map(Value::from), "{metrics}");
    assert_eq!((&metrics["replicated_lag_records"], &metrics["postgres"]), (&Value::Null, &Value::Null));
    assert_eq!((&metrics["acknowledge"], &metrics["disk_is_full"]), (&json!("written"), &json!(false)));
    daemon.stop();

    daemon.start_again(&[]);
    let mut client = Client::connect(&dir);
    client.ask_refused(&order_with("never", &json!({ "ack": "replicated" })), "invalid_value", "ack");
    let nobody = ReplicatedMark::attach(&dir, "standby").expect_err("nobody is awaited");
    assert!(matches!(nobody, ReplicatedError::NotAwaited { .. }), "{nobody}");
    assert_eq!(query(&mut client)["replicated_through"], Value::Null);
    daemon.stop();
}

#[test]
fn replicated_without_a_replicator_is_refused_at_the_start() {
    let daemon = LiveDaemon::asleep(&live());
    let refused = crate::process::run(daemon.arguments(&[("journal.acknowledge", "replicated")]));
    refused.expect_told(
        78,
        &["journal.acknowledge does not fit here", "needs a replicator", "journal.replicator"],
    );
    let refused = crate::process::run(daemon.arguments(&[("journal.replicator", "Not A Name")]));
    refused.expect_told(78, &["replicator", "Not A Name"]);
    assert!(!daemon.dir.exists(), "nothing was begun");
}

/// A kill switch with a reason that was never given before.
fn switch(name: &str) -> Value {
    json!({
        "request_id": name, "op": "kill_switch.set", "account": "alice", "engaged": true, "reason": name,
    })
}

#[test]
fn a_kill_switch_with_a_new_reason_passes_a_full_gate() {
    let full = [REPLICATED, &[("engine.egress_max", "7"), ("engine.egress_reserve", "3")]].concat();
    let mut daemon = LiveDaemon::start_with(&live(), &full);
    let dir = daemon.dir.clone();
    let (mut asking, mut looking) = (Client::connect(&dir), Client::connect(&dir));
    for name in ["a", "b", "c", "d"] {
        asking.send(&order(name));
    }
    wait_for("the orders to wait", || (query(&mut looking)["in_flight"] == 4).then_some(()));
    looking.ask_refused(&order("too many"), "engine_busy", "op");
    // Its reason takes a place, too; of the last one that is left, the switch itself is worth more.
    asking.send(&switch("first"));
    wait_for("the first switch", || (query(&mut looking)["in_flight"] == 6).then_some(()));
    asking.send(&switch("second"));
    wait_for("the second switch", || (query(&mut looking)["in_flight"] == 7).then_some(()));
    looking.ask_refused(&switch("third"), "engine_busy", "op");
    let mark = ReplicatedMark::attach(&dir, "standby").expect("a daemon that awaits it");
    wait_for("the answers", || {
        commit(&mark);
        (query(&mut looking)["in_flight"] == 0).then_some(())
    });
    for name in ["a", "b", "c", "d"] {
        let reply = asking.reply();
        assert_eq!((&reply["request_id"], &reply["ok"]), (&json!(name), &json!(true)), "{reply}");
    }
    for (name, kept) in [("first", Value::Null), ("second", json!(false))] {
        let reply = asking.reply();
        assert_eq!((&reply["request_id"], &reply["ok"]), (&json!(name), &json!(true)), "{reply}");
        let result = &reply["result"];
        assert_eq!((&result["engaged"], &result["reason_kept"]), (&json!(true), &kept), "{reply}");
    }
    daemon.kill();
    reexecute(&dir);
}

#[test]
fn clients_that_hang_up_give_their_places_back_while_the_replicator_is_away() {
    let mut daemon = LiveDaemon::start_with(&live(), REPLICATED);
    let dir = daemon.dir.clone();
    let (mut looking, mut listening) = (Client::connect(&dir), Client::connect(&dir));
    // One that has said all and still listens keeps its place.
    listening.send(&order("listening"));
    listening.end();
    // Together with the other two they are all that there is room for.
    let leaving: Vec<Client> = (0..62).map(|_| Client::connect(&dir)).collect();
    for (number, mut client) in leaving.into_iter().enumerate() {
        client.send(&order(&format!("left-{number}")));
    }
    let mut switching = wait_for("room for another", || {
        let mut client = Client::try_connect(&dir)?;
        // One for which there is no room may be closed already.
        let is_sent = client.try_send(&[json!({ "op": "query.watermarks" })]);
        (is_sent && client.try_reply()?["ok"] == true).then_some(client)
    });
    switching.send(&switch("left alone"));
    // All that they sent is decided, and the switch with its reason.
    wait_for("the switch", || (query(&mut looking)["in_flight"] == 65).then_some(()));
    let connections = || {
        let shown = looking.ask_ok(&json!({ "op": "query.metrics" }));
        (shown["connections"] == 3).then_some(())
    };
    wait_for("the end of the others", connections);
    let mark = ReplicatedMark::attach(&dir, "standby").expect("a daemon that awaits it");
    wait_for("the answers", || {
        commit(&mark);
        (query(&mut looking)["in_flight"] == 0).then_some(())
    });
    assert_eq!(listening.reply()["request_id"], "listening");
    assert_eq!(listening.next(), None);
    assert_eq!(switching.reply()["result"]["engaged"], true);
    daemon.kill();
    assert_eq!(crate::clients::accepted(&dir).len(), 63);
}
