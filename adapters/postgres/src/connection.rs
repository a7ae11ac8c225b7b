//! One connection, on a small runtime of the calling thread.
//!
//! Connecting has a deadline, and so has what replication asks: a server that is stopped in its tracks would else hold
//! whoever asks for ever. Work whose length nobody knows is [`attended`]: it may take as long as the server lives, and
//! who waits is told what for.

use crate::error::{PostgresError, reason_of};
use crate::settings::Server;
use crate::tls::Verified;
use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

/// The oldest server that is known to work.
const SERVER_VERSION_MIN: u32 = 140_000;

/// The longest that a command waits for somebody else's lock. Replication and rebuilds have shorter limits of their own.
pub(crate) const LOCK_LIMIT: &str = "SET lock_timeout = '30s'";
/// How long work goes on before the server is asked for a sign of life, and between two of them.
const ATTEND_EVERY: Duration = Duration::from_secs(10);
/// Signs of life that fail to come in a row before the server is given up.
const SILENT_MAX: u32 = 2;
/// How long anything is waited for before the stop is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Once it was told to stop, what the server is busy with is waited for so long: a server that hangs holds nobody.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Takes what whoever waits should know.
pub type Tell<'a> = &'a (dyn Fn(&str) + Sync);

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
    client.batch_execute(LOCK_LIMIT).await.map_err(PostgresError::statement("limit the wait for locks"))?;
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

/// Waits for `done`, and a little longer once it was told to stop; `None` where that was in vain.
pub(crate) async fn unless_told<T>(
    stop: &AtomicBool,
    done: impl Future<Output = Result<T, PostgresError>>,
) -> Result<Option<T>, PostgresError> {
    let mut done = pin!(done);
    let mut told = None;
    loop {
        if let Ok(done) = tokio::time::timeout(LOOK, &mut done).await {
            return done.map(Some);
        }
        if stop.load(Ordering::Acquire) && told.get_or_insert_with(Instant::now).elapsed() >= STOP_GRACE {
            return Ok(None);
        }
    }
}

/// Waits for `done`, which works over a connection named `name`, as long as the server gives signs of life, and tells what it
/// is busy with.
pub async fn attended<T>(
    server: &Server,
    name: &str,
    tell: Tell<'_>,
    done: impl Future<Output = Result<T, PostgresError>>,
) -> Result<T, PostgresError> {
    let every = ATTEND_EVERY.min(server.answer_limit);
    let mut done = pin!(done);
    let (mut silent, mut heard) = (0, Instant::now());
    loop {
        if let Ok(done) = tokio::time::timeout(every, &mut done).await {
            return done;
        }
        // Both go on together: the connection may be waiting for us to read.
        let sign = match select(&mut done, pin!(sign_of_life(server, name))).await {
            Either::Left((done, _)) => return done,
            Either::Right((sign, _)) => sign,
        };
        match sign {
            Ok(busy) => busy.iter().for_each(|line| tell(line)),
            Err(error) if error.is_silence() => {
                silent += 1;
                if silent >= SILENT_MAX {
                    return Err(PostgresError::Late { what: "answer", seconds: heard.elapsed().as_secs() });
                }
                continue;
            }
            // Whoever refuses is alive: there may be no room for one more connection.
            Err(_) => {}
        }
        (silent, heard) = (0, Instant::now());
    }
}

/// What connections named `name` have been busy with for long.
async fn sign_of_life(server: &Server, name: &str) -> Result<Vec<String>, PostgresError> {
    let client = connect(server, "tickwerk waits").await?;
    let sql = "SELECT format('PostgreSQL has been busy for %s s with: %s%s',
            extract(epoch FROM clock_timestamp() - query_start)::int, left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), 80),
            (SELECT format('; it waits for a lock that server process %s holds%s', b.pid, ' (' || nullif(b.application_name, '') || ')')
             FROM pg_stat_activity b WHERE b.pid = ANY(pg_blocking_pids(a.pid)) LIMIT 1))
        FROM pg_stat_activity a WHERE application_name = left($1, 63) AND state = 'active' AND datname = current_database()
            AND clock_timestamp() - query_start > interval '5 s' ORDER BY query_start LIMIT 3";
    let asked = within("answer", server.answer_limit, async {
        client
            .query(sql, &[&name])
            .await
            .map_err(PostgresError::statement("ask what the server is busy with"))
    });
    Ok(asked.await?.iter().map(|row| row.get(0)).collect())
}
