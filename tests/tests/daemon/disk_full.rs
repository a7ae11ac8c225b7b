//! A disk that is full: new orders are refused, cancels are taken, and everything goes on by itself when there is room.
//!
//! On an ext4 of 64 MB in a loop-mounted file, or on a small tmpfs where that is not allowed; the test says which.

use crate::client::{Client, order, order_with, quote};
use crate::fixture::{Bench, examples, tell, tell_skipped};
use crate::live::LiveDaemon;
use crate::process::{Process, reexecute, run, wait_for};
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tickwerk_journal::{Fault, HAS_FAILPOINTS};
use tickwerk_tests::program;

/// A small file system of our own, unmounted when the test ends.
#[derive(Debug)]
struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    /// `None`, and a line that says so, where mounting is not allowed.
    fn mount(place: PathBuf, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir(&place).expect("a folder");
        let image = place.with_extension("img");
        let file = File::create_new(&image).expect("a file");
        file.set_len(u64::from(mebibytes) << 20).expect("a size");
        let disk = Self { place };
        let made = succeeds(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image));
        if made && succeeds(Command::new("mount").args(["-o", "loop"]).args([&image, &disk.place])) {
            tell("on a loop-mounted ext4");
            return Some(disk);
        }
        let options = format!("size={mebibytes}m");
        if succeeds(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&disk.place)) {
            tell("on a small tmpfs, as ext4 cannot be loop-mounted here");
            return Some(disk);
        }
        tell_skipped("no small file system can be mounted here");
        None
    }

    fn journal(&self) -> PathBuf {
        self.place.join("journal")
    }

    /// Takes all room but `left` bytes.
    fn fill(&self, left: u64) {
        let free = rustix::fs::statvfs(&self.place).expect("a file system");
        let free = free.f_bavail * free.f_frsize;
        let file = File::create_new(self.filler()).expect("a file");
        let block = vec![1; 1 << 20];
        let mut written = 0;
        while written + left < free {
            let count = (free - left - written).min(block.len() as u64);
            let count = usize::try_from(count).expect("a block is small");
            if file.write_all_at(&block[..count], written).is_err() {
                break;
            }
            written += count as u64;
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("it fills the disk");
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, as a process may still hold a file; there is nothing to do where it fails.
        succeeds(Command::new("umount").arg("--lazy").arg(&self.place));
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Orders that are taken until the daemon says that its disk is full, and the reply to the one after that.
fn fill_with_orders(client: &mut Client) -> (Vec<(String, Value)>, Value) {
    let mut taken = Vec::new();
    loop {
        let is_full = client.ask_ok(&json!({ "op": "query.watermarks" }))["space"] != "ample";
        let name = format!("order-{}", taken.len());
        let reply = client.ask(&order(&name));
        // It may also fill up between the two.
        if is_full || reply["ok"] != true {
            return (taken, reply);
        }
        taken.push((name, reply["result"]["order_id"].clone()));
        assert!(taken.len() < 40_000, "the disk never fills up");
    }
}

#[test]
fn a_daemon_that_takes_orders_on_a_full_disk_is_found_out() {
    if !HAS_FAILPOINTS {
        return tell_skipped("this build has no failpoints");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = SmallDisk::mount(folder.path().join("disk"), 64) else { return };
    let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
    let mut daemon = LiveDaemon::asleep(&text.replace("value = \"1000\"", "value = \"20000\""));
    daemon.dir = disk.journal();
    let mut command = program::command(&daemon.arguments(&[]));
    let process = Process::spawn(command.env("TICKWERK_BROKEN", Fault::IgnoreFullDisk.name()));
    let mut client = Client::connect(&daemon.dir);
    disk.fill(100 << 10);
    let (_, after) = fill_with_orders(&mut client);
    assert_eq!(after["ok"], true, "{after}");
    process.kill();
}

/// Gives alice a position that can be reduced; the order that did.
fn open_position(client: &mut Client) -> Value {
    quote(client, "BTCUSDT-PERP", "20000.0", "20000.1");
    let terms = json!({
        "instrument": "BTCUSDT-PERP", "order_type": "market", "time_in_force": "ioc", "price": null, "quantity": "0.2",
    });
    let opened = client.ask_ok(&order_with("opened", &terms));
    wait_for("a position", || {
        let shown = client.ask_ok(&json!({ "op": "query.positions", "account": "alice" }));
        (!shown["positions"].as_array()?.is_empty()).then_some(())
    });
    opened["order_id"].clone()
}

#[test]
fn a_disk_that_fills_up_refuses_orders_takes_cancels_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = SmallDisk::mount(folder.path().join("disk"), 64) else { return };
    let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
    let text = text.replace("value = \"1000\"", "value = \"20000\"");
    let mut daemon = LiveDaemon::start_in(disk.journal(), &text, &[]);
    let mut client = Client::connect(&daemon.dir);
    let first = client.ask_ok(&order("first"));
    let opened = open_position(&mut client);
    // Of what was answered before, the next daemon must ask its follower.
    daemon.stop();
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    disk.fill(100 << 10);
    let mut taken = vec![("first".to_owned(), first["order_id"].clone())];
    let (more, after) = fill_with_orders(&mut client);
    taken.extend(more);
    assert_eq!(after["error"]["code"], "disk_full", "an order was taken on a full disk: {after}");
    assert_eq!(client.ask_ok(&json!({ "op": "query.watermarks" }))["space"], "reserve");
    let replace = json!({
        "op": "order.replace", "account": "alice", "instrument": "BTCUSDT", "client_order_id": "first",
        "quantity": "0.002",
    });
    client.ask_refused(&replace, "disk_full", "op");
    for (name, _) in &taken[..8] {
        client.ask_ok(&json!({ "op": "order.cancel", "account": "alice", "client_order_id": name }));
    }
    client.ask_refused(&order("refused"), "disk_full", "op");
    // What says that it only reduces is taken, and must do so.
    let reducing = |name: &str, changes: &Value| {
        let mut terms = json!({ "instrument": "BTCUSDT-PERP", "side": "sell", "price": "20500.0" });
        terms.as_object_mut().expect("an object").extend(changes.as_object().expect("changes").clone());
        order_with(name, &terms)
    };
    let more = reducing("more", &json!({ "quantity": "0.3", "reduce_only": true }));
    client.ask_refused(&more, "reduce_only", "quantity");
    client.ask_refused(&reducing("silent", &json!({ "quantity": "0.1" })), "disk_full", "op");
    for terms in [json!({ "reduce_only": true }), json!({ "position_effect": "close" })] {
        let mut terms = terms;
        terms["quantity"] = json!("0.1");
        let name = format!("reducing-{}", taken.len());
        let reply = client.ask_ok(&reducing(&name, &terms));
        taken.push((name, reply["order_id"].clone()));
    }
    assert!(client.ask_ok(&json!({ "op": "query.orders", "account": "alice" }))["orders"].is_array());
    disk.make_room();
    let again = wait_for("room for an order", || {
        let reply = client.ask(&order("again"));
        (reply["ok"] == true).then(|| reply["result"]["order_id"].clone())
    });
    taken.extend([("again".to_owned(), again), ("opened".to_owned(), opened)]);
    daemon.wait_until_told("the disk of the journal is full; new orders are refused");
    daemon.wait_until_told("there is room on the disk again");
    daemon.stop();

    let accepted = crate::clients::accepted(&daemon.dir);
    assert_eq!(accepted.len(), taken.len());
    for (name, order) in taken {
        assert_eq!(json!(accepted[&name]), order, "{name}");
    }
    reexecute(&daemon.dir);
}

#[test]
fn a_reserve_that_is_used_up_loses_nothing_either() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = SmallDisk::mount(folder.path().join("disk"), 64) else { return };
    let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
    let mut daemon = LiveDaemon::start_in(disk.journal(), &text, &[]);
    let mut client = Client::connect(&daemon.dir);
    disk.fill(100 << 10);
    // A switch that is thrown to and fro takes risk away, so it uses the reserve up.
    // Some at a time share a sync.
    let some: Vec<Value> = (0..64)
        .map(|index| {
            let engaged = index % 2 == 0;
            json!({ "op": "kill_switch.set", "account": "alice", "engaged": engaged, "reason": "drill" })
        })
        .collect();
    let mut count = 0;
    let refused = loop {
        assert!(client.try_send(&some), "it lives");
        let replies: Vec<Value> = some.iter().map(|_| client.reply()).collect();
        let taken = replies.iter().take_while(|reply| reply["ok"] == true).count();
        count += taken;
        if let Some(refused) = replies.get(taken) {
            assert!(replies[taken..].iter().all(|reply| reply["ok"] == false), "{replies:?}");
            break refused.clone();
        }
    };
    assert_eq!(refused["error"]["code"], "disk_full", "{refused}");
    assert_eq!(client.ask_ok(&json!({ "op": "query.watermarks" }))["space"], "exhausted");
    disk.make_room();
    wait_for("room for a switch", || {
        let switch =
            json!({ "op": "kill_switch.set", "account": "alice", "engaged": false, "reason": "drill" });
        (client.ask(&switch)["ok"] == true).then_some(())
    });
    daemon.stop();
    assert_eq!(crate::process::records_of(&daemon.dir, "risk.kill_switch_set").len(), count + 1);
    reexecute(&daemon.dir);
}

#[test]
fn a_file_feed_waits_for_room() {
    let bench = Bench::with_capture(2_500, 1_000_000);
    let Some(disk) = SmallDisk::mount(bench.path("disk"), 64) else { return };
    let whole = run(bench.arguments(&bench.path("whole"), &[])).expect(0).json();
    let journal: &Path = &disk.journal();
    std::fs::create_dir(journal).expect("a folder");
    disk.fill(100 << 10);
    run(bench.arguments(journal, &[])).expect_told(74, &["No space left on device"]);
    disk.make_room();
    // Room for the first segment and its spares, and no more.
    disk.fill((3 << 20) + (400 << 10));
    let mut process = Process::start(bench.arguments(journal, &[]));
    process.wait_until_told("the disk of the journal is full");
    assert!(process.is_running());
    disk.make_room();
    let resumed = process.finish().expect(0).json();
    assert_eq!(resumed["digest"], whole["digest"]);
    assert_eq!(resumed["journal"]["chain_head"], whole["journal"]["chain_head"]);
    reexecute(journal);
}
