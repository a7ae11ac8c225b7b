//! From the text of a row to what it tells.

mod market;
mod orders;
mod others;
mod told;

pub use told::*;

use crate::fields::What;
use crate::mapping::{AccountTerms, CurrencyTerms, InstrumentTerms, StrategyTerms};
use crate::names::Names;
use crate::refusal::Fault;
use crate::values::Cells;
use tickwerk_domain::{InstrumentId, TimeNs};

/// What a row tells of one moment. At one time they come in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// A position or a balance that the history begins with.
    StatedOpen,
    /// Money that came or went.
    Transfer,
    /// Funding of the position as it was.
    Funding,
    /// An order's entry.
    Order,
    /// New terms of an order.
    Amendment,
    /// The best bid and ask of the market.
    Quote,
    /// A trade of the market, or the one of a bar with this number.
    Trade(u8),
    /// An execution.
    Fill,
    /// An order's end, other than by fills.
    OrderEnd,
    /// A position or a balance that must be so.
    StatedCheck,
}

impl Part {
    /// Its place among others of the same time, and the number of a bar's trade.
    pub(crate) fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::StatedOpen => [0, 0],
            Self::Transfer => [1, 0],
            Self::Funding => [2, 0],
            Self::Order => [3, 0],
            Self::Amendment => [4, 0],
            Self::Quote => [5, 0],
            Self::Trade(number) => [6, number],
            Self::Fill => [7, 0],
            Self::OrderEnd => [8, 0],
            Self::StatedCheck => [9, 0],
        }
    }

    pub(crate) fn from_bytes(bytes: [u8; 2]) -> Self {
        match bytes[0] {
            0 => Self::StatedOpen,
            1 => Self::Transfer,
            2 => Self::Funding,
            3 => Self::Order,
            4 => Self::Amendment,
            5 => Self::Quote,
            6 => Self::Trade(bytes[1]),
            7 => Self::Fill,
            8 => Self::OrderEnd,
            _ => Self::StatedCheck,
        }
    }
}

/// What a row names that may be named once only: the kind of thing, whose, and the id.
pub(crate) type Unique = (What, String, String);

/// What to do about an execution or amendment whose order is not there.
pub const REMEDY_NOT_OPEN: &str = "its order must be among the orders, entered at this time or before, not have ended before \
     it, and not be full; mend the row, or leave it out by `only`";

/// Where the instrument of an order is told; rows of fills may leave it to their orders, amendments do.
pub(crate) type OrderSymbol<'a> = &'a dyn Fn(&str) -> Option<InstrumentId>;

/// What is known of a row before all rows are in their order.
pub(crate) struct Head {
    /// When its parts happened.
    pub(crate) parts: Vec<(TimeNs, Part)>,
    /// What it names that may be named once only.
    pub(crate) unique: Option<Unique>,
}

/// Looks at a row of anything but definitions. What depends on another row is looked at by [`read`].
pub(crate) fn read_head(cells: &Cells<'_>) -> Result<Head, Fault> {
    if cells.source.what == What::Fills && cells.text("symbol").is_none() && cells.text("order").is_some() {
        let (id, time, order) = (cells.id("id")?, cells.time("time")?, cells.id("order")?);
        let unique = Some((What::Fills, format!("o{order}"), id.to_owned()));
        return Ok(Head { parts: vec![(time, Part::Fill)], unique });
    }
    if cells.source.what == What::Amendments {
        cells.id("order")?;
        return Ok(Head { parts: vec![(cells.time("time")?, Part::Amendment)], unique: None });
    }
    let entry = read(cells, &|_| None)?;
    let unique = entry.unique(cells);
    let parts = match &entry {
        Entry::Order(order) => {
            let end = order.done_at.map(|done| (done, Part::OrderEnd));
            std::iter::once((order.time, Part::Order)).chain(end).collect()
        }
        Entry::Amendment(amendment) => vec![(amendment.time, Part::Amendment)],
        Entry::Fill(fill) => vec![(fill.time, Part::Fill)],
        Entry::Transfer(transfer) => vec![(transfer.time, Part::Transfer)],
        Entry::Funding(funding) => vec![(funding.time, Part::Funding)],
        Entry::Position(position) => vec![(position.time, stated_part(position.purpose))],
        Entry::Balance(balance) => vec![(balance.time, stated_part(balance.purpose))],
        Entry::Trade(trade) => vec![(trade.time, Part::Trade(0))],
        Entry::Candle(trades) => {
            let parts = trades.iter().zip(0..);
            parts.map(|(trade, place)| (trade.time, Part::Trade(place))).collect()
        }
        Entry::Quote(quote) => vec![(quote.time, Part::Quote)],
    };
    Ok(Head { parts, unique })
}

fn stated_part(purpose: StatedUse) -> Part {
    match purpose {
        StatedUse::Open => Part::StatedOpen,
        StatedUse::Check => Part::StatedCheck,
    }
}

/// Reads a row of anything but definitions.
pub(crate) fn read(cells: &Cells<'_>, of_order: OrderSymbol<'_>) -> Result<Entry, Fault> {
    Ok(match cells.source.what {
        What::Orders => Entry::Order(orders::order(cells)?),
        What::Amendments => Entry::Amendment(orders::amendment(cells, of_order)?),
        What::Fills => Entry::Fill(orders::fill(cells, of_order)?),
        What::Transfers => Entry::Transfer(others::transfer(cells)?),
        What::Funding => Entry::Funding(others::funding(cells)?),
        What::Positions => Entry::Position(others::position(cells)?),
        What::Balances => Entry::Balance(others::balance(cells)?),
        What::Trades => Entry::Trade(market::trade(cells)?),
        What::Candles => Entry::Candle(market::candle(cells)?),
        What::Quotes => Entry::Quote(market::quote(cells)?),
        What::Currencies | What::Instruments | What::Accounts | What::Strategies => {
            panic!("a definition tells nothing that happened")
        }
    })
}

/// Takes a row of definitions.
pub(crate) fn define(
    cells: &Cells<'_>,
) -> Result<impl FnOnce(&mut Names) -> Result<(), Fault> + use<>, Fault> {
    enum Terms {
        Currency(CurrencyTerms),
        Instrument(InstrumentTerms),
        Account(AccountTerms),
        Strategy(StrategyTerms),
    }
    let scale = |field: &str| {
        let remedy = "write 0 to 18";
        cells.need(field)?.parse::<u8>().map_err(|_| cells.fault(field, "is no number of decimals", remedy))
    };
    let ours = |field: &str, what: What| cells.ours(field, what).map(str::to_owned);
    let ours_or_none = |field: &str, what: What| cells.told(field, |field| ours(field, what));
    let terms = match cells.source.what {
        What::Currencies => Terms::Currency(CurrencyTerms {
            currency: ours("currency", What::Currencies)?,
            scale: scale("scale")?,
        }),
        What::Instruments => Terms::Instrument(InstrumentTerms {
            symbol: ours("symbol", What::Instruments)?,
            kind: cells.word("kind")?.to_owned(),
            base: ours("base", What::Currencies)?,
            quote: ours("quote", What::Currencies)?,
            price_scale: scale("price_scale")?,
            quantity_scale: scale("quantity_scale")?,
            multiplier: cells.number_or("multiplier", 1)?,
        }),
        What::Accounts => Terms::Account(AccountTerms {
            account: ours("account", What::Accounts)?,
            mode: cells.word_or("mode", "netting")?.to_owned(),
        }),
        What::Strategies => Terms::Strategy(StrategyTerms {
            strategy: ours("strategy", What::Strategies)?,
            account: ours_or_none("account", What::Accounts)?,
            symbol: ours_or_none("symbol", What::Instruments)?,
        }),
        What::Orders
        | What::Amendments
        | What::Fills
        | What::Transfers
        | What::Funding
        | What::Positions
        | What::Balances
        | What::Trades
        | What::Candles
        | What::Quotes => {
            panic!("what happened defines nothing")
        }
    };
    Ok(move |names: &mut Names| match terms {
        Terms::Currency(terms) => names.define_currency(&terms),
        Terms::Instrument(terms) => names.define_instrument(&terms, &crate::mapping::Aliases::default()),
        Terms::Account(terms) => names.define_account(&terms),
        Terms::Strategy(terms) => names.define_strategy(&terms),
    })
}

impl Entry {
    /// What may be there once only.
    pub(crate) fn unique(&self, cells: &Cells<'_>) -> Option<Unique> {
        Some(match self {
            Self::Order(order) => (What::Orders, String::new(), order.id.clone()),
            Self::Fill(fill) => {
                let of = match &fill.order {
                    FillOrder::Named { id, .. } => format!("o{id}"),
                    FillOrder::Own { account, instrument, .. } => format!("s{account}/{instrument}"),
                };
                (What::Fills, of, fill.id.clone())
            }
            Self::Transfer(_) | Self::Funding(_) => {
                (cells.source.what, String::new(), cells.id("id").ok()?.to_owned())
            }
            Self::Trade(trade) if trade.id != 0 => {
                (What::Trades, trade.instrument.to_string(), trade.id.to_string())
            }
            Self::Amendment(_)
            | Self::Trade(_)
            | Self::Position(_)
            | Self::Balance(_)
            | Self::Candle(_)
            | Self::Quote(_) => return None,
        })
    }
}
