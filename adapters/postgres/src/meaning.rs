//! What names and scales mean, kept in the database: definitions as they lie in the journal, and the terms of orders.
//!
//! Without it a replicator that starts at a checkpoint would have to read the journal from its first record, which may
//! long be gone. Invariant: after [`load`] the dictionary is what watching every record up to the checkpoint gives.

use crate::changes::Array;
use crate::error::PostgresError;
use crate::value::{Type, Value};
use std::collections::BTreeMap;
use tickwerk_domain::{
    AccountId, Envelope, InstrumentId, Kind, OrderId, Price, Record, Sequence, Side, StrategyId,
};
use tickwerk_journal::format::PAYLOAD_SIZE_MAX;
use tickwerk_journal::schema;
use tickwerk_render::{Dictionary, Learnt, ORDERS_KEPT, OrderEntry, Traded};
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};

/// What a batch has taught.
#[derive(Debug, Default)]
pub(crate) struct Meaning {
    definitions: Vec<Record>,
    orders: BTreeMap<OrderId, (OrderEntry, Sequence)>,
}

/// Bytes at an address that archived values want.
#[repr(align(16))]
struct Aligned([u8; PAYLOAD_SIZE_MAX]);

impl Meaning {
    /// Notes what `dictionary` has learnt from `record`.
    pub(crate) fn note(&mut self, learnt: Learnt, record: &Record, dictionary: &Dictionary) {
        match learnt {
            Learnt::Nothing => {}
            Learnt::Definition => self.definitions.push(*record),
            Learnt::Order(order) => {
                if let Some(entry) = dictionary.order(order) {
                    self.orders.insert(order, (*entry, record.envelope.sequence));
                }
            }
        }
    }

    /// Writes it.
    pub(crate) async fn save(&self, client: &impl GenericClient) -> Result<(), PostgresError> {
        let failed = || PostgresError::statement("save what names and orders mean");
        for record in &self.definitions {
            let mut space = Aligned([0; PAYLOAD_SIZE_MAX]);
            let encoded =
                schema::encode(&record.payload, &mut space.0).expect("any payload fits its largest size");
            let sql =
                "INSERT INTO tickwerk.definition (global_position, kind, type_id, schema_version, payload)
                VALUES ($1, $2, $3, $4, $5)";
            let values: [&(dyn ToSql + Sync); 5] = [
                &position(record.envelope.sequence),
                &i16::from(encoded.kind as u8),
                &i32::from(encoded.type_id.0),
                &i32::from(encoded.schema_version),
                &&space.0[..encoded.length],
            ];
            client.execute(sql, &values).await.map_err(failed())?;
        }
        if self.orders.is_empty() {
            return Ok(());
        }
        let column = |of: Type, value: &dyn Fn(OrderId, &OrderEntry, Sequence) -> Value| {
            let values: Vec<Value> = self
                .orders
                .iter()
                .map(|(order, (entry, sequence))| value(*order, entry, *sequence))
                .collect();
            Array::of(of, values.iter())
        };
        let columns = [
            column(Type::Int8, &|order, _, _| Value::unsigned(order.0)),
            column(Type::Int8, &|_, entry, _| Value::unsigned(u64::from(entry.instrument.0))),
            column(Type::Text, &|_, entry, _| {
                entry.side.map_or(Value::Null, |side| Value::text(side.word()))
            }),
            column(Type::Int8, &|_, entry, _| Value::unsigned(u64::from(entry.account.0))),
            column(Type::Int8, &|_, entry, _| Value::unsigned(u64::from(entry.strategy.0))),
            column(Type::Int8, &|_, _, sequence| Value::Int(position(sequence))),
            column(Type::Int8, &|_, entry, _| Value::Int(entry.traded.qty)),
            column(Type::Numeric, &|_, entry, _| {
                entry.traded.weighted.map_or(Value::Null, |weighted| Value::Numeric(weighted, 0))
            }),
            column(Type::Int8, &|_, entry, _| Value::Int(entry.traded.price.0)),
        ];
        let sql = "INSERT INTO tickwerk.order_term (order_id, instrument_id, side, account_id, strategy_id, global_position,
                traded_qty, traded_weighted, traded_price)
            SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                $7::bigint[], $8::numeric[], $9::bigint[])
            ON CONFLICT (order_id) DO UPDATE SET side = EXCLUDED.side, account_id = EXCLUDED.account_id,
                strategy_id = EXCLUDED.strategy_id, global_position = EXCLUDED.global_position,
                traded_qty = EXCLUDED.traded_qty, traded_weighted = EXCLUDED.traded_weighted,
                traded_price = EXCLUDED.traded_price";
        let values: Vec<&(dyn ToSql + Sync)> =
            columns.iter().map(|column| column as &(dyn ToSql + Sync)).collect();
        client.execute(sql, &values).await.map_err(failed())?;
        Ok(())
    }
}

/// A sequence as the database counts.
pub(crate) fn position(sequence: Sequence) -> i64 {
    i64::try_from(sequence.0).expect("no journal reaches 63 bits")
}

/// A number of the database as a sequence.
pub(crate) fn sequence(position: i64) -> Sequence {
    Sequence(u64::try_from(position).unwrap_or(0))
}

/// The dictionary as it is behind the record at `through`.
pub(crate) async fn load(
    client: &impl GenericClient,
    through: Sequence,
) -> Result<Dictionary, PostgresError> {
    let failed = || PostgresError::statement("read back what names and orders mean");
    let mut dictionary = Dictionary::default();
    let sql = "SELECT global_position, kind, type_id, schema_version, payload FROM tickwerk.definition
        WHERE global_position <= $1 ORDER BY global_position";
    for row in client.query(sql, &[&position(through)]).await.map_err(failed())? {
        dictionary.watch(&definition(&row)?, &[]);
    }
    let sql =
        "SELECT order_id, instrument_id, side, account_id, strategy_id, traded_qty, traded_weighted::text,
            traded_price FROM
        (SELECT * FROM tickwerk.order_term WHERE order_id <= $1 ORDER BY order_id DESC LIMIT $2) AS newest
        ORDER BY order_id";
    let kept = i64::try_from(ORDERS_KEPT).unwrap_or(i64::MAX);
    for row in client.query(sql, &[&position(through), &kept]).await.map_err(failed())? {
        let id = |place: usize| u32::try_from(row.get::<_, i64>(place)).unwrap_or(0);
        let side: Option<&str> = row.get(2);
        let weighted = row.get::<_, Option<&str>>(6).and_then(|digits| digits.parse().ok());
        let entry = OrderEntry {
            instrument: InstrumentId(id(1)),
            side: side.and_then(Side::from_word),
            account: AccountId(id(3)),
            strategy: StrategyId(id(4)),
            traded: Traded { qty: row.get(5), weighted, price: Price(row.get(7)) },
        };
        dictionary.remember(OrderId(sequence(row.get(0)).0), entry);
    }
    Ok(dictionary)
}

fn definition(row: &Row) -> Result<Record, PostgresError> {
    let at: i64 = row.get(0);
    let bad = |reason: String| {
        PostgresError::Schema(format!(
            "the definition at {at} in tickwerk.definition cannot be read: {reason}"
        ))
    };
    let kind =
        if row.get::<_, i16>(1) == i16::from(Kind::Command as u8) { Kind::Command } else { Kind::Event };
    let (type_id, version): (i32, i32) = (row.get(2), row.get(3));
    let bytes: &[u8] = row.get(4);
    let mut space = Aligned([0; PAYLOAD_SIZE_MAX]);
    let payload = space.0.get_mut(..bytes.len()).ok_or_else(|| bad("it is too long".to_owned()))?;
    payload.copy_from_slice(bytes);
    let number = |number: i32| u16::try_from(number).map_err(|error| bad(error.to_string()));
    let payload = schema::decode(kind, number(type_id)?, number(version)?, payload)
        .map_err(|error| bad(error.to_string()))?;
    Ok(Record { envelope: Envelope { sequence: sequence(at), ..Envelope::default() }, payload })
}
