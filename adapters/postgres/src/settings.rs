//! Where the server is and how to speak to it.
//!
//! Invariant: a password never leaves this module but into the connection: `Debug` and every error leave it out.
//! Off the host a connection is encrypted and the server's name is verified, unless that is switched off in words.

use crate::error::PostgresError;
use crate::selection::Wanted;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How a connection is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tls {
    /// Off on this host, verified off it.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Encrypted, with the server's certificate and name verified.
    VerifyFull,
}

/// What leaves the journal and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    pub server: Server,
    /// Which records become rows of `events`.
    pub selection: Wanted,
    /// Most rows of one transaction.
    pub batch_events: usize,
    /// How long rows may wait for more of them.
    pub batch_wait: Duration,
    /// The longest pause between two attempts to connect.
    pub retry_max: Duration,
    /// Lag, in seconds, from which an alarm is told; zero for none.
    pub alarm_lag: Duration,
}

/// A server, and who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    config: Config,
    pub password_file: Option<PathBuf>,
    pub tls: Tls,
    /// Certificates to trust in place of the system's, as PEM.
    pub root_cert: Option<PathBuf>,
    /// How long connecting may take until the server has answered.
    pub(crate) answer_limit: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Server").field("at", &self.name()).field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// Until a host is given up, and until a server that took the connection must have answered, unless `connect_timeout` is in
/// the connection string, which then is both.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
const KEEPALIVE: Duration = Duration::from_secs(10);
const REMEDY: &str = "write postgres://user@host:5432/database, or \
                      host=/run/postgresql user=… dbname=… for a socket";

impl Server {
    /// Reads a connection string: a URL or `key=value` pairs. Never repeats it in an error.
    pub fn parse(text: &str) -> Result<Self, PostgresError> {
        let (text, mode) = without_sslmode(text)?;
        // The library's own error may repeat what it was given.
        let mut config = Config::from_str(&text).map_err(|_| {
            PostgresError::Settings(format!("postgres.url is no connection string; {REMEDY}"))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(PostgresError::Settings(format!("postgres.url names no host; {REMEDY}")));
        }
        if config.get_user().is_none() {
            return Err(PostgresError::Settings(format!("postgres.url names no user; {REMEDY}")));
        }
        let asked = config.get_connect_timeout().copied();
        config.connect_timeout(asked.unwrap_or(CONNECT_TIMEOUT));
        config.keepalives_idle(KEEPALIVE);
        config.keepalives_interval(KEEPALIVE);
        config.tcp_user_timeout(KEEPALIVE * 3);
        let answer_limit = asked.unwrap_or(ANSWER_LIMIT);
        Ok(Self { config, password_file: None, tls: mode, root_cert: None, answer_limit })
    }

    /// Another database of the same server.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(name);
        other
    }

    /// Whether the connection string itself holds a password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// What is to be said of a password file that everybody on this host can read or change.
    pub fn exposed_password(&self) -> Option<String> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.password_file.as_ref()?;
        // One that cannot be looked at is told when it is read.
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (mode & 0o007 != 0).then(|| {
            let path = path.display();
            format!("the password file {path} is open to every user of this host (mode {mode:o}); `chmod 600 {path}`")
        })
    }

    /// Host, port, database and user.
    pub fn name(&self) -> String {
        let host = self.config.get_hosts().first().map_or_else(
            || self.config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
            |host| match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string(),
            },
        );
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let user = self.config.get_user().unwrap_or("");
        let database = self.config.get_dbname().unwrap_or(user);
        format!("{host}:{port}, database {database}, user {user}")
    }

    /// Whether every host of it is this one.
    fn is_here(&self) -> bool {
        let names = self.config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            Host::Unix(_) => true,
        });
        names && self.config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
    }

    /// Whether the connection is encrypted and verified.
    pub fn is_verified(&self) -> bool {
        match self.tls {
            Tls::Auto => !self.is_here(),
            Tls::Off => false,
            Tls::VerifyFull => true,
        }
    }

    /// What to connect with, the password included.
    pub(crate) fn to_config(&self) -> Result<Config, PostgresError> {
        let mut config = self.config.clone();
        config.ssl_mode(if self.is_verified() { SslMode::Require } else { SslMode::Disable });
        if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| PostgresError::PasswordFile { path: path.clone(), source })?;
            config.password(text.trim_end_matches(['\r', '\n']));
        }
        Ok(config)
    }
}

/// Takes `sslmode` out of a connection string, as the library knows no verification.
fn without_sslmode(text: &str) -> Result<(String, Tls), PostgresError> {
    let Some(at) = text.find("sslmode=") else {
        return Ok((text.to_owned(), Tls::Auto));
    };
    let (before, rest) = text.split_at(at);
    let rest = &rest["sslmode=".len()..];
    let end = rest.find(|letter: char| letter == '&' || letter.is_whitespace()).unwrap_or(rest.len());
    let (mode, after) = rest.split_at(end);
    let tls = match mode {
        "disable" => Tls::Off,
        "verify-full" => Tls::VerifyFull,
        _ => {
            let text = "postgres.url asks for an sslmode that verifies nothing or less than all; write \
                        sslmode=verify-full, or sslmode=disable for a server that is reached by a safe way";
            return Err(PostgresError::Settings(text.to_owned()));
        }
    };
    let after = after.strip_prefix('&').unwrap_or(after);
    let joined = format!("{before}{after}");
    Ok((joined.trim_end_matches(['?', '&']).to_owned(), tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_the_host_the_server_is_verified_and_on_it_not() {
        for (url, is_verified) in [
            ("postgres://u@localhost/d", false),
            ("postgres://u@127.0.0.1/d", false),
            ("host=/run/postgresql user=u", false),
            ("postgres://u@db.example.org/d", true),
            ("postgres://u@db.example.org/d?sslmode=disable", false),
            ("postgres://u@db.example.org/d?sslmode=verify-full&application_name=x", true),
            ("host=10.0.0.1 user=u sslmode=verify-full", true),
        ] {
            assert_eq!(Server::parse(url).unwrap().is_verified(), is_verified, "{url}");
        }
    }

    #[test]
    fn no_text_repeats_a_password() {
        let secret = "s3cr3t";
        let server = Server::parse(&format!("postgres://u:{secret}@localhost/d")).unwrap();
        assert!(server.has_password());
        let settings = format!("{server:?} {}", server.name());
        let bad = [
            format!("postgres://u:{secret}@localhost:port/d"),
            format!("postgres://u:{secret}@localhost/d?sslmode=prefer"),
            format!("host=h password={secret} bad=1"),
            format!("password={secret}"),
        ];
        let errors = bad.map(|url| Server::parse(&url).unwrap_err().to_string());
        for text in errors.iter().chain([&settings]) {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
