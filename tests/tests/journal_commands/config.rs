//! `config`: what is good is told and can be written down; what is not ends with 78 and names its key.

use crate::support::{Called, call_for, text};
use std::path::PathBuf;

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tools/examples").join(name)
}

#[test]
fn the_examples_are_good_and_what_they_do_is_told() {
    for name in [
        "binance-capture.toml",
        "binance-coinm-capture.toml",
        "binance-ethusdt-capture.toml",
        "binance-usdm-capture.toml",
        "exchange.toml",
        "live.toml",
        "order-by-order.toml",
    ] {
        let path = example(name);
        let Called { stdout, stderr, .. } = call_for(0, &["config", "check", "--config", text(&path)]);
        assert!(stdout.starts_with("ok: ") && stdout.contains(name), "{stdout}");
        for part in ["journal", "feed", "instruments", "accounts", "strategies"] {
            assert!(stdout.contains(&format!("\n  {part} ")), "{part}: {stdout}");
        }
        assert_eq!(stderr, "");
    }
    let defaults = call_for(0, &["config", "check"]).stdout;
    assert!(defaults.starts_with("ok: defaults\n"), "{defaults}");
}

#[test]
fn a_dump_is_a_file_that_gives_itself_again() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("dump.toml");
    let path = example("binance-capture.toml");
    let arguments = ["config", "dump", "--config", text(&path), "--set", "journal.dir=elsewhere"];
    let dump = call_for(0, &arguments).stdout;
    assert!(dump.contains("dir = \"elsewhere\""), "{dump}");
    std::fs::write(&written, &dump).unwrap();
    assert_eq!(call_for(0, &["config", "dump", "--config", text(&written)]).stdout, dump);
}

#[test]
fn what_is_wrong_is_named_and_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let check = |toml: &str, expected: &[&str]| {
        let path = folder.path().join("bad.toml");
        std::fs::write(&path, toml).unwrap();
        for action in ["check", "dump"] {
            let Called { stdout, stderr, .. } = call_for(78, &["config", action, "--config", text(&path)]);
            assert_eq!(stdout, "");
            for part in expected {
                assert!(stderr.contains(part), "{toml:?} should tell {part:?}: {stderr}");
            }
        }
    };
    check("[journal]\ndri = \"x\"\n", &["journal.dri", "journal.dir"]);
    check("[feed\n", &["bad.toml", "1"]);
    check("[engine]\nbatch = -1\n", &["engine.batch", "-1"]);
    let missing = folder.path().join("missing.toml");
    assert!(call_for(78, &["config", "check", "--config", text(&missing)]).stderr.contains("missing.toml"));
    assert!(call_for(78, &["config", "check", "--set", "journal.nope=1"]).stderr.contains("journal.nope"));
    call_for(2, &["config"]);
}
