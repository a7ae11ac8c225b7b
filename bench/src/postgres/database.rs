//! A database that goes with whoever made it.

use super::{PostgresBenchError, failed};
use std::sync::atomic::{AtomicU32, Ordering};
use tickwerk_postgres::{Server, connect, migrate, runtime};
use tokio_postgres::Client;

const NAME: &str = "tickwerk bench";

/// A database with the schema in it, dropped at the end.
#[derive(Debug)]
pub(super) struct Scratch {
    admin: Server,
    pub(super) server: Server,
    name: String,
}

impl Scratch {
    pub(super) fn new(admin: &Server) -> Result<Self, PostgresBenchError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tickwerk_bench_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let scratch = Self { admin: admin.clone(), server: admin.with_database(&name), name };
        runtime()?.block_on(async {
            let client = connect(&scratch.admin, NAME).await?;
            let made = client.batch_execute(&format!("CREATE DATABASE {}", scratch.name)).await;
            made.map_err(failed("make a database; the user needs CREATEDB"))?;
            migrate(&mut connect(&scratch.server, NAME).await?).await?;
            Ok::<_, PostgresBenchError>(())
        })?;
        Ok(scratch)
    }

    /// Does something with a connection.
    pub(super) fn with<T>(
        &self,
        done: impl AsyncFnOnce(Client) -> Result<T, PostgresBenchError>,
    ) -> Result<T, PostgresBenchError> {
        runtime()?.block_on(async { done(connect(&self.server, NAME).await?).await })
    }

    /// What earlier rounds left to be written is written before time is taken.
    pub(super) fn settle(&self) -> Result<(), PostgresBenchError> {
        self.with(async |client| {
            client.batch_execute("CHECKPOINT").await.map_err(failed("write a checkpoint"))
        })
    }

    /// The server's version and the size of the database in bytes.
    pub(super) fn describe(&self) -> Result<(String, u64), PostgresBenchError> {
        let sql = "SELECT concat_ws(', ', current_setting('server_version'), (
                SELECT string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
                WHERE name IN ('jit', 'max_wal_size', 'shared_buffers', 'synchronous_commit'))),
            pg_database_size(current_database())";
        self.with(async |client| {
            let row = client.query_one(sql, &[]).await.map_err(failed("ask for the size"))?;
            Ok((row.get(0), row.get::<_, i64>(1).unsigned_abs()))
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Ok(runtime) = runtime() else { return };
        runtime.block_on(async {
            // Where the server is gone, there is nobody to tell.
            if let Ok(client) = connect(&self.admin, NAME).await {
                client
                    .batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name))
                    .await
                    .ok();
            }
        });
    }
}
