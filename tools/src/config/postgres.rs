//! `[postgres]`: where the journal is replicated to, if anywhere.
//!
//! A password comes from `password_file` or, inside the URL, from the environment; one in the file or on the command line
//! is refused, as both are seen by others. The URL is never repeated in an error.

use super::error::ConfigError;
use super::section::{Section, Source};
use std::path::PathBuf;
use std::time::Duration;
use tickwerk_domain::Family;
use tickwerk_postgres::{Market, Server, Settings, Tls, Wanted};
use toml::Table;

const BATCH_EVENTS_MAX: i64 = 1_000_000;
const BATCH_WAIT_MS_MAX: i64 = 10_000;
const RETRY_MS_MAX: i64 = 3_600_000;
const ALARM_S_MAX: i64 = 7 * 24 * 3600;

/// What `[postgres]` says; `None` without a URL.
pub(crate) fn read_postgres(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
) -> Result<Option<Settings>, ConfigError> {
    let mut section = Section::open(file, "postgres", "postgres", source)?;
    let url = section.secret("url")?;
    let password_file = section.text("password_file")?;
    let modes = [("auto", Tls::Auto), ("off", Tls::Off), ("verify_full", Tls::VerifyFull)];
    let tls = section.word_or("tls", &modes, "auto")?;
    let root_cert = section.text("root_cert_file")?;
    let words: Vec<_> = Family::ALL.iter().map(|family| (family.word(), *family)).collect();
    let families = section.words("families", &words)?;
    let market = read_market(&mut section)?;
    let batch_events = section.integer_or("batch_events", 1..=BATCH_EVENTS_MAX, 10_000_usize)?;
    let batch_wait_ms = section.integer_or("batch_wait_ms", 0..=BATCH_WAIT_MS_MAX, 20_u64)?;
    let retry_max_ms = section.integer_or("retry_max_ms", 1..=RETRY_MS_MAX, 10_000_u64)?;
    let alarm_lag_s = section.integer_or("alarm_lag_s", 0..=ALARM_S_MAX, 60_u64)?;
    let settings = match url {
        None if password_file.is_some() || root_cert.is_some() => {
            return Err(section.missing("url", "name the server: postgres://user@host:5432/database"));
        }
        None => None,
        Some((url, is_of_environment)) => {
            let refused = |reason: String| ConfigError::Conflict { key: "postgres.url".to_owned(), reason };
            let mut server = Server::parse(&url).map_err(|error| refused(error.to_string()))?;
            if server.has_password() && !is_of_environment {
                let reason = "it holds a password, which others can see there; write it into postgres.password_file, \
                    or give the whole URL as TICKWERK__POSTGRES__URL";
                return Err(refused(reason.to_owned()));
            }
            if !server.has_password() {
                section.keep("url", url);
            }
            server.password_file = password_file.map(PathBuf::from);
            server.root_cert = root_cert.map(PathBuf::from);
            if tls != Tls::Auto {
                server.tls = tls;
            }
            Some(Settings {
                server,
                selection: Wanted { families, market },
                batch_events,
                batch_wait: Duration::from_millis(batch_wait_ms),
                retry_max: Duration::from_millis(retry_max_ms),
                alarm_lag: Duration::from_secs(alarm_lag_s),
            })
        }
    };
    dump.insert("postgres".to_owned(), section.finish().into());
    Ok(settings)
}

/// What is kept of market data; `None` where nothing is said, which leaves it as the database has it.
fn read_market(section: &mut Section<'_>) -> Result<Option<Market>, ConfigError> {
    let Some(text) = section.text("market")? else { return Ok(None) };
    let market = text.parse().map_err(|remedy: String| section.out_of_range("market", &text, &remedy))?;
    Ok(Some(market))
}
