//! `tickwerk db catalogue`: every type of command and event as `tickwerk.events` holds it, as a page or as JSON Schemas.
//!
//! Next to nothing of it is written by hand: types, versions, words and what is said of each field come from the
//! declarations that the journal is made with, and what a field looks like from showing values with the code that makes rows. `adapters/postgres/EVENTS.md` and
//! `events.schema.json` beside it are its output; `UPDATE_GOLDEN=1 cargo test -p tickwerk catalogue` writes them anew.

mod about;
mod observed;
mod page;
mod schema;

use crate::command::print;
use crate::exit;
use anyhow::Result;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print JSON Schemas of rows and payloads instead of the page.
    #[arg(long)]
    schema: bool,
}

pub(super) fn run(options: &Options) -> Result<u8> {
    let types = observed::types();
    print(if options.schema { schema::write(&types) } else { page::write(&types) }.trim_end())?;
    Ok(exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn check(name: &str, found: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/postgres").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, found).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        for (line, (committed, found)) in committed.lines().zip(found.lines()).enumerate() {
            assert_eq!(committed, found, "{name} line {}; UPDATE_GOLDEN=1 writes it anew", line + 1);
        }
        assert_eq!(committed.len(), found.len(), "{name}; UPDATE_GOLDEN=1 writes it anew");
    }

    #[test]
    fn the_catalogue_that_is_committed_is_that_of_this_build() {
        let types = observed::types();
        check("EVENTS.md", &page::write(&types));
        check("events.schema.json", &schema::write(&types));
    }
}
