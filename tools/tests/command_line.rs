//! The binary's outermost shape: its subcommands, and its exit code for wrong usage; and what `book` makes of
//! its files.
//!
//! As a test of this package uses the binary, cargo builds it for every test of the workspace, so that the tests of the
//! whole system, which start it too, find it fresh.

#[path = "command_line/book.rs"]
mod book;

use std::process::{Command, Output};

fn tickwerk(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tickwerk")).args(arguments).output().expect("the binary starts")
}

#[test]
fn help_names_every_subcommand() {
    let Output { status, stdout, .. } = tickwerk(&["--help"]);
    let help = String::from_utf8(stdout).expect("help is text");
    assert_eq!(status.code(), Some(0));
    for subcommand in ["demo", "run", "send", "replay", "verify", "inspect", "book", "config", "bench"] {
        assert!(help.contains(&format!("\n  {subcommand} ")), "{subcommand}: {help}");
        assert_eq!(tickwerk(&[subcommand, "--help"]).status.code(), Some(0), "{subcommand}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_nothing_on_stdout() {
    for arguments in [&[][..], &["rnu"], &["verify"], &["verify", "x", "--jsno"]] {
        let Output { status, stdout, stderr } = tickwerk(arguments);
        assert_eq!((status.code(), stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(!stderr.is_empty(), "{arguments:?}");
    }
}
