//! `backup`, `restore`, `repair`, `compress` and `retain`, as people and scripts call them.

use crate::support::{Called, Demo, call_for, text};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickwerk_domain::Sequence;
use tickwerk_journal::{JournalConfig, Reader, recover};

/// A journal of a demo's records in segments of 1 MiB, in a folder with room for more.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let demo = Demo::new();
        let folder = tempfile::tempdir().unwrap();
        let config =
            JournalConfig { segment_size: 1 << 20, ..JournalConfig::new(folder.path().join("journal")) };
        let mut journal = recover(config).unwrap().open().unwrap();
        let mut reader = Reader::open(&demo.dir(), Sequence::NONE).unwrap();
        while let Some(frame) = reader.next().unwrap() {
            frame.records.iter().for_each(|record| assert!(journal.writer.push(record).is_ok()));
        }
        journal.writer.close().unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Calls a subcommand; words that begin with `:` are names in the folder.
    #[track_caller]
    fn call(&self, code: i32, words: &[&str]) -> Called {
        let named = |word: &&str| match word.strip_prefix(':') {
            Some(name) => text(&self.path(name)).to_owned(),
            None => (*word).to_owned(),
        };
        call_for(code, &words.iter().map(named).collect::<Vec<_>>())
    }

    fn flip(&self, segment: u64) {
        let path = self.path(&format!("journal/{segment:012}.seg"));
        let mut bytes = fs::read(&path).unwrap();
        bytes[200_000] ^= 1;
        fs::write(&path, bytes).unwrap();
    }

    fn head(&self, name: &str) -> Value {
        let dir = format!(":{name}");
        self.call(0, &["verify", &dir, "--json"]).json()["chain_head"].clone()
    }
}

#[test]
fn a_backup_is_made_proven_and_restored() {
    let scene = Scene::new();
    let made = scene.call(0, &["backup", ":journal", ":copies", "--keep-daily", "7", "--json"]).json();
    assert_eq!(
        (&made["unchanged"], &made["removed"], &made["notes"]),
        (&json!(false), &json!([]), &json!([]))
    );
    assert_eq!(made["chain_head"], scene.head("journal"));
    let copy = made["copy"].as_str().unwrap();
    let proof = call_for(0, &["verify", copy, "--reexecute", "--json"]).json();
    assert_eq!((&proof["ok"], &proof["last_sequence"]), (&json!(true), &made["through"]));
    let again = scene.call(0, &["backup", ":journal", ":copies"]).stdout;
    assert!(again.starts_with("nothing new; proven again:"), "{again}");

    let restored = scene.call(0, &["restore", ":copies", ":again", "--json"]).json();
    assert_eq!(restored["through"], made["through"]);
    assert_eq!(scene.head("again"), scene.head("journal"));
    let refused = scene.call(1, &["restore", ":copies", ":again"]).stderr;
    assert!(refused.contains("is not empty; restore into a new directory"), "{refused}");

    scene.flip(2);
    let told = scene.call(3, &["backup", ":journal", ":copies"]).stderr;
    assert!(told.contains("damage at segment 2") && told.contains("no copy was made"), "{told}");
    let nothing = scene.call(74, &["backup", ":nothing", ":copies"]).stderr;
    assert!(nothing.contains("nothing"), "{nothing}");
}

#[test]
fn a_repair_is_tried_told_and_done() {
    let scene = Scene::new();
    let head = scene.head("journal");
    let whole = scene.call(0, &["repair", ":journal"]).stdout;
    assert!(whole.contains("is whole through"), "{whole}");
    scene.call(0, &["backup", ":journal", ":copies"]);
    scene.flip(2);
    let found = scene.call(3, &["repair", ":journal", "--json"]).json();
    let [hole] = &found["findings"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!((&hole["segment"], &hole["reason"]), (&json!(2), &json!("checksum of a frame differs")));
    assert!(hole["witness"].as_str().unwrap().contains("durable"), "{hole}");
    assert_eq!((&found["ok"], &found["repair"]), (&json!(false), &Value::Null));
    let good = found["good_through"].as_u64().unwrap();
    assert_eq!(hole["first_sequence"], json!(good + 1));

    let told = scene.call(3, &["repair", ":journal"]).stdout;
    let way = format!("--cut --lose-after {good} --apply");
    assert!(
        told.contains("is DAMAGED") && told.contains(&way) && told.contains("--from COPY --apply"),
        "{told}"
    );
    let tried = scene.call(3, &["repair", ":journal", "--from", ":copies"]).stdout;
    assert!(tried.contains("would be repaired") && tried.contains("nothing was changed"), "{tried}");
    let done = scene.call(0, &["repair", ":journal", "--from", ":copies", "--apply", "--json"]).json();
    assert_eq!((&done["ok"], &done["repair"]["applied"]), (&json!(true), &json!(true)));
    let kept = done["repair"]["set_aside"][0].as_str().unwrap();
    assert!(kept.ends_with("000000000002.seg.damaged-1") && Path::new(kept).exists(), "{kept}");
    assert_eq!(scene.head("journal"), head);
}

#[test]
fn a_cut_needs_its_number_and_says_what_is_lost() {
    let scene = Scene::new();
    scene.flip(2);
    let found = scene.call(3, &["repair", ":journal", "--json"]).json();
    let good = found["good_through"].as_u64().unwrap();
    for wrong in [&["--cut"][..], &["--lose-after", "5"]] {
        scene.call(2, &[&["repair", ":journal"], wrong].concat());
    }
    scene.call(1, &["repair", ":journal", "--apply"]);
    let number = good.to_string();
    let refused = scene.call(1, &["repair", ":journal", "--cut", "--lose-after", "5", "--apply"]).stderr;
    assert!(refused.contains(&format!("the last record before it is {good}")), "{refused}");
    let tried = scene.call(3, &["repair", ":journal", "--cut", "--lose-after", &number]).stdout;
    assert!(tried.contains("LOST: ") && tried.contains("nothing was changed"), "{tried}");
    let done =
        scene.call(0, &["repair", ":journal", "--cut", "--lose-after", &number, "--apply", "--json"]).json();
    assert_eq!(done["repair"]["lost"], json!({ "first": good + 1, "last": found["known_through"] }));
    let proof = scene.call(0, &["verify", ":journal", "--json"]).json();
    assert_eq!(proof["last_sequence"], json!(good));
}

#[test]
fn compression_shrinks_what_a_command_takes_and_changes_nothing_else() {
    let scene = Scene::new();
    let (head, lines) = (scene.head("journal"), scene.call(0, &["replay", ":journal"]).stdout);
    let before = scene.call(0, &["inspect", ":journal", "--json"]).json();
    assert_eq!(before["commands"]["count"], before["frames"]);
    assert_eq!(before["commands"]["compressed_bytes_each"], Value::Null);
    let done = scene.call(0, &["compress", ":journal", "--json"]).json();
    assert!(!done["segments"].as_array().unwrap().is_empty(), "{done}");
    assert_eq!((scene.head("journal"), scene.call(0, &["replay", ":journal"]).stdout), (head, lines));
    let after = scene.call(0, &["inspect", ":journal", "--json"]).json();
    assert_eq!((&after["frames"], &after["bytes"]), (&before["frames"], &before["bytes"]));
    assert!(after["stored_bytes"].as_u64() < before["stored_bytes"].as_u64());
    for kind in ["commands", "ticks"] {
        let (plain, packed) = (&after[kind]["bytes_each"], &after[kind]["compressed_bytes_each"]);
        assert!(packed.as_u64().unwrap() < plain.as_u64().unwrap() / 2, "{kind}: {packed} of {plain}");
    }
    assert!(scene.call(0, &["inspect", ":journal"]).stdout.contains("compressed"));
    scene.call(0, &["verify", ":journal", "--reexecute"]);
}

#[test]
fn retention_explains_every_segment_and_holds_are_heeded() {
    let scene = Scene::new();
    let plan = scene.call(0, &["retain", ":journal", "--json"]).json();
    let segments = plan["segments"].as_array().unwrap();
    assert!(segments.iter().all(|segment| !segment["reasons"].as_array().unwrap().is_empty()));
    assert!(segments.iter().all(|segment| segment["goes"] == json!(false)));
    let held = scene.call(0, &["retain", ":journal", "--keep", "30d", "--hold", "case-7"]).stdout;
    assert!(held.contains("held by case-7 from record 1 on"), "{held}");
    let released = scene.call(0, &["retain", ":journal", "--apply", "--release", "case-7"]).stdout;
    assert!(!released.contains("case-7") && released.contains("0 of "), "{released}");
    let refused = scene.call(1, &["retain", ":journal", "--release", "case-7"]).stderr;
    assert!(refused.contains("nothing is held under the name case-7"), "{refused}");
    let both = scene.call(1, &["retain", ":journal", "--hold", "case-8", "--release", "case-8"]).stderr;
    assert!(both.contains("name the same"), "{both}");
    assert!(!scene.call(0, &["retain", ":journal"]).stdout.contains("case-8"));
    scene.call(2, &["retain", ":journal", "--keep", "soon"]);
    scene.call(2, &["retain", ":journal", "--plan", "--apply"]);
}
