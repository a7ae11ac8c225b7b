//! `tickwerk db as-of`: positions, balances, orders or profit as they were at a sequence or a time.

use super::Place;
use crate::command::print;
use crate::exit;
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tickwerk_domain::{Sequence, TimeNs};
use tickwerk_postgres::{AsOf, AsOfSubject, Moment, as_of, check_schema};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// What is asked for.
    #[arg(value_enum)]
    what: What,
    #[command(flatten)]
    moment: When,
    /// Orders: those that were done by then, too.
    #[arg(long)]
    also_done: bool,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum What {
    Positions,
    Balances,
    Orders,
    Profit,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct When {
    /// Everything through this record had happened.
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
    /// Everything up to this time had happened, such as 2026-03-31T17:30:00Z; kept to the microsecond.
    #[arg(long, value_name = "TIME")]
    time: Option<jiff::Timestamp>,
}

impl When {
    fn moment(&self) -> Result<Moment> {
        if let Some(sequence) = self.sequence {
            return Ok(Moment::Sequence(Sequence(sequence)));
        }
        let time = self.time.context("no moment is given: say --sequence or --time")?;
        // Stamps lie between 1970 and 2554: before there was nothing, behind there will be nothing more.
        let nanoseconds = time.as_nanosecond().clamp(0, i128::from(u64::MAX));
        Ok(Moment::Time(TimeNs(u64::try_from(nanoseconds).unwrap_or(u64::MAX))))
    }
}

pub(super) fn run(options: &Options) -> Result<u8> {
    let moment = options.moment.moment()?;
    let subject = match (options.what, options.also_done) {
        (What::Positions, _) => AsOfSubject::Positions,
        (What::Balances, _) => AsOfSubject::Balances,
        (What::Orders, false) => AsOfSubject::Orders,
        (What::Orders, true) => AsOfSubject::AllOrders,
        (What::Profit, _) => AsOfSubject::Profit,
    };
    let stood = options.place.with("as-of", async |client| {
        check_schema(&client).await?;
        as_of(&client, subject, moment).await
    })?;
    print(&if options.json { to_json(&stood).to_string() } else { to_text(&stood) })?;
    Ok(exit::OK)
}

/// Exact decimals are strings, ids and sequences are numbers.
fn to_json(stood: &AsOf) -> Value {
    let value = |text: &Option<String>, is_whole: bool| match text {
        None => Value::Null,
        Some(text) if is_whole => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
        Some(text) => json!(text),
    };
    let rows = stood.rows.iter().map(|row| {
        let cells = row.iter().zip(&stood.columns);
        Value::Object(
            cells
                .map(|(text, (name, is_whole))| (name.clone(), value(text, *is_whole)))
                .collect::<Map<_, _>>(),
        )
    });
    json!({
        "sequence": stood.sequence.0,
        "reached": reached(stood).map(|time| time.to_string()),
        "rows": rows.collect::<Vec<_>>(),
    })
}

/// Up to where the database reaches, where the moment lies there or behind.
fn reached(stood: &AsOf) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_nanosecond(i128::from(stood.reached?.0)).ok()
}

fn to_text(stood: &AsOf) -> String {
    let reached = reached(stood)
        .map(|time| format!(" (the database reaches to {time}; what it has not yet is not in this)"))
        .unwrap_or_default();
    if stood.rows.is_empty() {
        return format!("there was nothing of it at sequence {}{reached}", stood.sequence);
    }
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(stood.columns.iter().map(|(name, _)| name));
    for row in &stood.rows {
        table.add_row(row.iter().map(|text| text.as_deref().unwrap_or("-")));
    }
    format!("At sequence {}{reached}:\n{table}", stood.sequence)
}
