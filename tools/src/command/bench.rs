//! PLACEHOLDER
use anyhow::Result;
#[derive(Debug, clap::Args)]
pub(crate) struct Options {}
pub(crate) fn run(_options: &Options) -> Result<u8> {
    Ok(0)
}
