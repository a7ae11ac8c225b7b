//! How things stood at any sequence or time, asked of the functions in `views/as_of.sql`.

use crate::error::PostgresError;
use crate::meaning::{position, sequence};
use tickwerk_domain::{Sequence, TimeNs};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AsOfSubject {
    Positions,
    Balances,
    /// Open ones.
    Orders,
    /// Open and done ones.
    AllOrders,
    Profit,
}

/// The moment; everything up to it had happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    Sequence(Sequence),
    /// To the microsecond, as the server keeps time.
    Time(TimeNs),
}

/// How things stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AsOf {
    /// The last record that is in it.
    pub sequence: Sequence,
    /// The time of the last record that the database has, where the moment does not lie before it: more may come.
    pub reached: Option<TimeNs>,
    /// Names of the columns, and whether each holds whole numbers.
    pub columns: Vec<(String, bool)>,
    /// Values as text; numbers are exact.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Asks.
pub async fn as_of(client: &Client, subject: AsOfSubject, moment: Moment) -> Result<AsOf, PostgresError> {
    let failed = || PostgresError::statement("ask how things stood");
    let mut reached = None;
    let at = match moment {
        // The database counts in 63 bits.
        Moment::Sequence(at) => Sequence(at.0.min(i64::MAX.unsigned_abs())),
        Moment::Time(time) => {
            let microseconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
            let sql =
                "SELECT tickwerk.sequence_at(timestamptz 'epoch' + $1::bigint * interval '1 microsecond'),
                (SELECT recorded_at_ns FROM tickwerk.checkpoint WHERE recorded_at_ns / 1000 <= $1)";
            let row = client.query_one(sql, &[&microseconds]).await.map_err(failed())?;
            reached = row.get::<_, Option<i64>>(1).map(|last| TimeNs(last.unsigned_abs()));
            sequence(row.get(0))
        }
    };
    let call = match subject {
        AsOfSubject::Positions => format!("positions_as_of({}::bigint)", position(at)),
        AsOfSubject::Balances => format!("balances_as_of({}::bigint)", position(at)),
        AsOfSubject::Orders => format!("orders_as_of({}::bigint)", position(at)),
        AsOfSubject::AllOrders => format!("orders_as_of({}::bigint, true)", position(at)),
        AsOfSubject::Profit => format!("profit_as_of({}::bigint)", position(at)),
    };
    let sql = format!("SELECT * FROM tickwerk.{call} ORDER BY 1, 2, 3");
    let statement = client.prepare(&sql).await.map_err(failed())?;
    let columns = statement
        .columns()
        .iter()
        .map(|column| (column.name().to_owned(), *column.type_() == Type::INT8))
        .collect();
    let answer = client.simple_query(&sql).await.map_err(failed())?;
    let rows = answer.iter().filter_map(|message| {
        let SimpleQueryMessage::Row(row) = message else {
            return None;
        };
        Some((0..row.len()).map(|place| row.get(place).map(ToOwned::to_owned)).collect())
    });
    Ok(AsOf { sequence: at, reached, columns, rows: rows.collect() })
}
