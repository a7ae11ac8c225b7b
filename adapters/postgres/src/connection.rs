//! One connection, on a small runtime of the calling thread.
//!
//! Connecting has a deadline, and so has what replication asks: a server that is stopped in its tracks would else hold
//! whoever asks for ever.

use crate::error::{PostgresError, reason_of};
use crate::settings::Server;
use crate::tls::Verified;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

/// The oldest server that is known to work.
const SERVER_VERSION_MIN: u32 = 140_000;

/// A runtime for the calling thread alone.
pub fn runtime() -> Result<Runtime, PostgresError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| PostgresError::Settings(format!("no runtime could be started: {error}")))
}

/// Connects under a name that `pg_stat_activity` shows.
pub async fn connect(server: &Server, name: &str) -> Result<Client, PostgresError> {
    let limit = server.answer_limit;
    // The library's own limit ends with the socket's connection; whoever answers there may be held.
    match tokio::time::timeout(limit, shake_hands(server, name)).await {
        Ok(connected) => connected,
        Err(_) => Err(PostgresError::Connect {
            server: server.name(),
            reason: format!("it did not answer within {} s", limit.as_secs()),
            is_refused: false,
        }),
    }
}

async fn shake_hands(server: &Server, name: &str) -> Result<Client, PostgresError> {
    let mut config = server.to_config()?;
    config.application_name(name);
    let failed = |error: tokio_postgres::Error| PostgresError::Connect {
        server: server.name(),
        reason: reason_of(&error),
        is_refused: error.as_db_error().is_some_and(|said| !said.code().code().starts_with("57P")),
    };
    let client = if server.is_verified() {
        let (client, connection) = config.connect(Verified::new(server)?).await.map_err(failed)?;
        // What breaks the connection is told by the statement that it breaks.
        tokio::spawn(async move { connection.await.ok() });
        client
    } else {
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        tokio::spawn(async move { connection.await.ok() });
        client
    };
    check_version(&client).await?;
    Ok(client)
}

async fn check_version(client: &Client) -> Result<(), PostgresError> {
    let asked = client.query_one("SELECT current_setting('server_version_num')::int, version()", &[]).await;
    let row = asked.map_err(PostgresError::statement("ask for the server's version"))?;
    let (number, words): (i32, String) = (row.get(0), row.get(1));
    if u32::try_from(number).is_ok_and(|number| number >= SERVER_VERSION_MIN) {
        return Ok(());
    }
    Err(PostgresError::Schema(format!(
        "the server is {words}; at least PostgreSQL {} is needed",
        SERVER_VERSION_MIN / 10_000
    )))
}

/// Waits for `done` no longer than `limit`.
pub(crate) async fn within<T>(
    what: &'static str,
    limit: Duration,
    done: impl Future<Output = Result<T, PostgresError>>,
) -> Result<T, PostgresError> {
    match tokio::time::timeout(limit, done).await {
        Ok(done) => done,
        Err(_) => Err(PostgresError::Late { what, seconds: limit.as_secs() }),
    }
}
