//! `tickwerk book`: a real exchange's book, rebuilt from order-by-order data, shown, and held beside a reference.
//!
//! Prices and quantities are exact. A time of LOBSTER counts from midnight of the day in the file's name, of the others
//! from 1970. The exit code is 3 when the reference differs where the data leave nothing open; rows that the data cannot
//! determine, as they start in the middle or see only the best levels, are counted apart and are no difference. A
//! reference of which no row could be compared has shown nothing, and is a failure.

mod shown;
mod when;

use super::{print, tell};
use crate::exit;
use crate::rebuild::{QueueRule, Rebuild, Reference, Rows, Rules};
use anyhow::Result;
use shown::Shown;
use std::path::PathBuf;
use tickwerk_domain::TimeNs;
use tickwerk_feeds::order_by_order::{
    BitstampBook, BitstampOrders, DatabentoBook, DatabentoOrders, LobsterBook, LobsterOrders, OrderByOrder,
    OrderByOrderError, OrderFormat, lobster,
};

/// Usage, as `clap` has it.
const USAGE: u8 = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Order-by-order data; plain, gzip, xz or zstd
    file: PathBuf,
    /// Whose data they are
    #[arg(long, value_parser = format_parser())]
    format: OrderFormat,
    /// The exchange's own book, to seed from and to check against: for LOBSTER the orderbook file, for Bitstamp the raw
    /// log, for Databento mbp-1 or mbp-10 of the same instrument
    #[arg(long, value_name = "BOOKFILE")]
    check: Option<PathBuf>,
    /// Stop behind the last item of this time: 10:15:00.5 or seconds after midnight for LOBSTER, RFC 3339
    /// (2024-05-08T00:00:01.5Z) or nanoseconds since 1970 for the others
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Levels of each side to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    levels: usize,
    /// Show each order in the place of its queue, not only the levels
    #[arg(long)]
    orders: bool,
    /// Levels of a side that the data show at all; left out, what the name of a LOBSTER file says: 50 for `…_message_50.csv`
    #[arg(long, value_name = "N", value_parser = window_parser())]
    window: Option<usize>,
    /// The instrument's id, where a Databento file holds several
    #[arg(long, value_name = "ID")]
    instrument: Option<u32>,
    /// Prints one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

type Items = Box<dyn Iterator<Item = Result<OrderByOrder, OrderByOrderError>>>;

fn window_parser() -> impl clap::builder::TypedValueParser<Value = usize> {
    use clap::builder::TypedValueParser;
    clap::value_parser!(u16).range(1..).map(usize::from)
}

fn format_parser() -> impl clap::builder::TypedValueParser<Value = OrderFormat> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    let words = OrderFormat::WORDS.iter().map(|(word, _)| *word);
    PossibleValuesParser::new(words).map(|chosen| {
        let known = OrderFormat::WORDS.iter().find(|(word, _)| *word == chosen);
        known.expect("one of the words that were offered").1
    })
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    let until = match options.at.as_deref().map(|text| when::parse(text, options.format)).transpose() {
        Ok(until) => until.unwrap_or(TimeNs::MAX),
        Err(error) => {
            tell(&format!("error: --at {error}"));
            return Ok(USAGE);
        }
    };
    let (items, rows, rules) = open(options)?;
    let mut rebuild = Rebuild::new(rules);
    let mut reference = Reference::new(rows, slack(options.format))?;
    advance(&mut rebuild, items, &mut reference, until)?;
    let shown = Shown::new(&rebuild, options, reference.first_difference());
    print(&if options.json { shown.json()? } else { shown.text() })?;
    if options.check.is_some() && rebuild.counts().rows == 0 {
        tell(
            "error: no row of the --check file belongs to an item; name the book of the same instrument and day",
        );
        return Ok(exit::FAILED);
    }
    Ok(if rebuild.counts().differing > 0 { exit::DIFFERENT } else { exit::OK })
}

/// The items, the rows, and what the format promises.
fn open(options: &Options) -> Result<(Items, Rows, Rules)> {
    let Options { file, instrument, check, window, .. } = options;
    let rules = Rules { queue: QueueRule::ByArrival, ids_return: true, window: *window, qty_cut: 0 };
    let none = || -> Rows { Box::new(std::iter::empty()) };
    Ok(match options.format {
        OrderFormat::Lobster => {
            let items = LobsterOrders::open(file)?;
            let rows = check.as_deref().map(LobsterBook::open).transpose()?;
            let window = window.or_else(|| lobster::window_of(file));
            let rules = Rules { queue: QueueRule::ById, window, ..rules };
            (Box::new(items), rows.map_or_else(none, |rows| Box::new(rows)), rules)
        }
        OrderFormat::Bitstamp => {
            let mut items = BitstampOrders::open(file)?;
            let qty_cut = i64::from(items.quantities_are_cut()?);
            let rows = check.as_deref().map(BitstampBook::open).transpose()?;
            let rules = Rules { ids_return: false, qty_cut, ..rules };
            (Box::new(items), rows.map_or_else(none, |rows| Box::new(rows)), rules)
        }
        OrderFormat::Databento => {
            let items = DatabentoOrders::open(file, *instrument)?;
            let rows = check.as_deref().map(|check| DatabentoBook::open(check, *instrument)).transpose()?;
            (Box::new(items), rows.map_or_else(none, |rows| Box::new(rows)), rules)
        }
    })
}

/// Applies items up to a time, with each row of the reference in its moment.
fn advance(rebuild: &mut Rebuild, items: Items, reference: &mut Reference, until: TimeNs) -> Result<()> {
    let mut last = None;
    for item in items {
        let item = item?;
        if item.time_ns > until {
            break;
        }
        reference.before(item.sequence, rebuild)?;
        rebuild.apply(&item)?;
        if item.is_last {
            reference.after(item.sequence, rebuild)?;
        }
        last = Some(item.sequence);
    }
    if let Some(last) = last {
        reference.end(last, rebuild)?;
    }
    Ok(())
}

/// How far a reference row may lie from its moment, in units of the sequence: Bitstamp's books come on a channel of
/// their own, and only the receiver's clock orders them among the events. A second is far more than they are apart.
fn slack(format: OrderFormat) -> u64 {
    match format {
        OrderFormat::Bitstamp => 1_000,
        OrderFormat::Lobster | OrderFormat::Databento => 0,
    }
}
