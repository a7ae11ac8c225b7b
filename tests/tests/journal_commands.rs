//! `replay`, `verify`, `inspect` and `config`, as programs and people call them, over journals that `demo` wrote.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "journal_commands/config.rs"]
mod config;
#[path = "journal_commands/import.rs"]
mod import;
#[path = "journal_commands/import_kinds.rs"]
mod import_kinds;
#[path = "journal_commands/import_mappings.rs"]
mod import_mappings;
#[path = "journal_commands/import_refused.rs"]
mod import_refused;
#[path = "journal_commands/import_rows.rs"]
mod import_rows;
#[path = "journal_commands/inspect.rs"]
mod inspect;
#[path = "journal_commands/old_journals.rs"]
mod old_journals;
#[path = "journal_commands/replay.rs"]
mod replay;
#[path = "journal_commands/support.rs"]
mod support;
#[path = "journal_commands/upkeep.rs"]
mod upkeep;
#[path = "journal_commands/verify.rs"]
mod verify;
