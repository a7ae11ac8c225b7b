//! Rows of another PostgreSQL table, through a cursor in one read-only transaction, so that all are of one moment and
//! memory is bounded. Values come as text, as the server writes them: times in UTC, numbers with all their digits.

use std::collections::VecDeque;
use tickwerk_import::{Origin, Row, Rows, RowsError, Source, Table, Tls};
use tickwerk_postgres::{PostgresError, Server, connect, runtime};
use tokio::runtime::Runtime;
use tokio_postgres::Client;

/// Rows that are asked for at once.
const PAGE: usize = 2_000;
const BEGIN: &str = "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET idle_in_transaction_session_timeout = 0; \
     BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Rows of a table.
pub(crate) struct PostgresRows {
    source_name: String,
    runtime: Runtime,
    client: Client,
    page: VecDeque<tokio_postgres::Row>,
    columns: usize,
    row: u64,
    is_done: bool,
}

/// Opens a source that is a table of a server.
pub(crate) fn open(source: &Source) -> Result<PostgresRows, RowsError> {
    let failed = |reason: String| RowsError::Read { source_name: source.name.clone(), row: 0, reason };
    let Origin::Postgres { table, .. } = &source.origin else {
        return Err(failed("it is no table of a server".to_owned()));
    };
    let server = server(source).map_err(failed)?;
    let runtime = runtime().map_err(|error| failed(error.to_string()))?;
    let client =
        runtime.block_on(connect(&server, "tickwerk import")).map_err(|error| failed(told(&error)))?;
    let there = runtime.block_on(begin(&client, table)).map_err(|error| failed(reason_of(&error)))?;
    let columns = source.columns();
    if let Some(missing) = columns.iter().find(|column| !there.iter().any(|known| known == *column)) {
        return Err(RowsError::Column {
            source_name: source.name.clone(),
            column: (*missing).to_owned(),
            there,
        });
    }
    let declared = runtime.block_on(client.batch_execute(&cursor(&columns, table)));
    declared.map_err(|error| failed(reason_of(&error)))?;
    let (source_name, columns) = (source.name.clone(), columns.len());
    Ok(PostgresRows { source_name, runtime, client, page: VecDeque::new(), columns, row: 0, is_done: false })
}

/// The server of a source. A password does not stand in the mapping, which others can read.
fn server(source: &Source) -> Result<Server, String> {
    let Origin::Postgres { url, url_env, password_file, tls, root_cert, .. } = &source.origin else {
        return Err("it is no table of a server".to_owned());
    };
    let text = match (url, url_env) {
        (Some(url), _) => url.clone(),
        (None, Some(name)) => std::env::var(name)
            .map_err(|_| format!("the environment variable {name}, which `url_env` names, is not set"))?,
        (None, None) => return Err("no server is named".to_owned()),
    };
    let mut server =
        Server::parse(&text).map_err(|error| error.to_string().replace("postgres.url", "its url"))?;
    if url.is_some() && server.has_password() {
        return Err(
            "its url holds a password, which others can see there; write it into `password_file`, or name a \
                    variable with the whole URL in `url_env`"
                .to_owned(),
        );
    }
    server.password_file.clone_from(password_file);
    server.root_cert.clone_from(root_cert);
    match tls {
        Tls::Auto => {}
        Tls::Off => server.tls = tickwerk_postgres::Tls::Off,
        Tls::VerifyFull => server.tls = tickwerk_postgres::Tls::VerifyFull,
    }
    Ok(server)
}

/// Begins the transaction; gives the names of the columns that there are.
async fn begin(client: &Client, table: &Table) -> Result<Vec<String>, tokio_postgres::Error> {
    client.batch_execute(BEGIN).await?;
    let statement = client.prepare(&format!("SELECT * FROM ({}) AS source LIMIT 0", table.query)).await?;
    Ok(statement.columns().iter().map(|column| column.name().to_owned()).collect())
}

/// The cursor. Columns have names of their own in it, as `ORDER BY` would else sort by their texts.
fn cursor(columns: &[&str], table: &Table) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let texts: Vec<String> = (0..)
        .zip(columns)
        .map(|(number, column): (u32, _)| format!("source.{}::text AS tickwerk_{number}", quoted(column)))
        .collect();
    let Table { query, order_by } = table;
    let columns = texts.join(", ");
    format!(
        "DECLARE tickwerk_rows NO SCROLL CURSOR FOR SELECT {columns} FROM ({query}) AS source ORDER BY {order_by}"
    )
}

impl Rows for PostgresRows {
    fn next(&mut self, row: &mut Row) -> Result<bool, RowsError> {
        if self.page.is_empty() && !self.is_done {
            let fetch = format!("FETCH {PAGE} FROM tickwerk_rows");
            let page =
                self.runtime.block_on(self.client.query(&fetch, &[])).map_err(|error| RowsError::Read {
                    source_name: self.source_name.clone(),
                    row: self.row,
                    reason: reason_of(&error),
                })?;
            self.is_done = page.len() < PAGE;
            self.page = page.into();
        }
        let Some(found) = self.page.pop_front() else {
            return Ok(false);
        };
        self.row += 1;
        row.line = 0;
        row.values.clear();
        for column in 0..self.columns {
            let value: Option<&str> = found.get(column);
            row.values.push(value.map(|value| value.trim().to_owned()));
        }
        Ok(true)
    }
}

fn told(error: &PostgresError) -> String {
    error.to_string()
}

/// What the server says, with its hint.
fn reason_of(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(
        || error.to_string(),
        |said| match said.hint() {
            Some(hint) => format!("{} ({hint})", said.message()),
            None => said.message().to_owned(),
        },
    )
}
