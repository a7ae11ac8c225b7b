//! From the text of a row to what it tells.

mod others;
mod told;

pub use told::*;

use crate::fields::What;
use crate::mapping::{AccountTerms, CurrencyTerms, InstrumentTerms};
use crate::names::Names;
use crate::refusal::Fault;
use crate::values::Cells;
use tickwerk_domain::{
    ClientOrderId, CurrencyId, InstrumentId, Liquidity, OrderType, PositionEffect, Price, Side, TimeInForce,
    TimeNs,
};

/// What a row tells of one moment. At one time they come in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// A position or a balance that the history begins with.
    StatedOpen,
    /// Money that came or went.
    Transfer,
    /// An order's entry.
    Order,
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
            Self::Order => [2, 0],
            Self::Trade(number) => [3, number],
            Self::Fill => [4, 0],
            Self::OrderEnd => [5, 0],
            Self::StatedCheck => [6, 0],
        }
    }

    pub(crate) fn from_bytes(bytes: [u8; 2]) -> Self {
        match bytes[0] {
            0 => Self::StatedOpen,
            1 => Self::Transfer,
            2 => Self::Order,
            3 => Self::Trade(bytes[1]),
            4 => Self::Fill,
            5 => Self::OrderEnd,
            _ => Self::StatedCheck,
        }
    }
}

/// What a row names that may be named once only: the kind of thing, whose, and the id.
pub(crate) type Unique = (What, String, String);

/// What to do about an execution whose order is not there.
pub const REMEDY_NOT_OPEN: &str = "its order must be among the orders, entered at this time or before, not have ended before \
     it, and not be full; mend the row, or leave it out by `only`";

/// Where the instrument of an order is told; rows of fills may leave it to their orders.
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
    let entry = read(cells, &|_| None)?;
    let unique = entry.unique(cells);
    let parts = match &entry {
        Entry::Order(order) => {
            let end = order.done_at.map(|done| (done, Part::OrderEnd));
            std::iter::once((order.time, Part::Order)).chain(end).collect()
        }
        Entry::Fill(fill) => vec![(fill.time, Part::Fill)],
        Entry::Transfer(transfer) => vec![(transfer.time, Part::Transfer)],
        Entry::Position(position) => vec![(position.time, stated_part(position.purpose))],
        Entry::Balance(balance) => vec![(balance.time, stated_part(balance.purpose))],
        Entry::Trade(trade) => vec![(trade.time, Part::Trade(0))],
        Entry::Candle(trades) => {
            let parts = trades.iter().zip(0..);
            parts.map(|(trade, place)| (trade.time, Part::Trade(place))).collect()
        }
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
        What::Orders => Entry::Order(order(cells)?),
        What::Fills => Entry::Fill(fill(cells, of_order)?),
        What::Transfers => Entry::Transfer(others::transfer(cells)?),
        What::Positions => Entry::Position(others::position(cells)?),
        What::Balances => Entry::Balance(others::balance(cells)?),
        What::Trades => Entry::Trade(others::trade(cells)?),
        What::Candles => Entry::Candle(others::candle(cells)?),
        What::Currencies | What::Instruments | What::Accounts => {
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
    }
    let scale = |field: &str| {
        let remedy = "write 0 to 18";
        cells.need(field)?.parse::<u8>().map_err(|_| cells.fault(field, "is no number of decimals", remedy))
    };
    let text = |field: &str| cells.need(field).map(str::to_owned);
    let aliased = |field: &str, aliases: &std::collections::BTreeMap<String, String>| {
        text(field).map(|name| aliases.get(&name).cloned().unwrap_or(name))
    };
    let terms = match cells.source.what {
        What::Currencies => Terms::Currency(CurrencyTerms {
            currency: aliased("currency", &cells.aliases.currency)?,
            scale: scale("scale")?,
        }),
        What::Instruments => Terms::Instrument(InstrumentTerms {
            symbol: aliased("symbol", &cells.aliases.symbol)?,
            kind: cells.word("kind")?.to_owned(),
            base: aliased("base", &cells.aliases.currency)?,
            quote: aliased("quote", &cells.aliases.currency)?,
            price_scale: scale("price_scale")?,
            quantity_scale: scale("quantity_scale")?,
            multiplier: cells.number_or("multiplier", 1)?,
        }),
        What::Accounts => Terms::Account(AccountTerms {
            account: aliased("account", &cells.aliases.account)?,
            mode: cells.word_or("mode", "netting")?.to_owned(),
        }),
        What::Orders
        | What::Fills
        | What::Transfers
        | What::Positions
        | What::Balances
        | What::Trades
        | What::Candles => {
            panic!("what happened defines nothing")
        }
    };
    Ok(move |names: &mut Names| match terms {
        Terms::Currency(terms) => names.define_currency(&terms),
        Terms::Instrument(terms) => names.define_instrument(&terms, &crate::mapping::Aliases::default()),
        Terms::Account(terms) => names.define_account(&terms),
    })
}

fn side(cells: &Cells<'_>) -> Result<Side, Fault> {
    Ok(Side::from_word(cells.word("side")?).expect("sides are words of ours"))
}

fn effect(cells: &Cells<'_>) -> Result<PositionEffect, Fault> {
    let word = cells.word_or("position_effect", "auto")?;
    Ok(PositionEffect::from_word(word).expect("effects are words of ours"))
}

fn order(cells: &Cells<'_>) -> Result<OrderRow, Fault> {
    let id = cells.id("id")?.to_owned();
    let time = cells.time("time")?;
    let (account, instrument) = (cells.account()?, cells.symbol()?);
    let order_type = OrderType::from_word(cells.word("type")?).expect("types are words of ours");
    let default = if order_type == OrderType::Market { "ioc" } else { "gtc" };
    let time_in_force =
        TimeInForce::from_word(cells.word_or("time_in_force", default)?).expect("words of ours");
    let price = cells.price_or_none("price", instrument)?;
    if order_type.has_limit() && price.is_none() {
        return Err(cells.fault(
            "price",
            "is empty",
            format!("a {order_type} order has a limit price; map it"),
        ));
    }
    let status = match cells.word("status")? {
        "open" => FinalStatus::Open,
        "filled" => FinalStatus::Filled,
        "canceled" => FinalStatus::Canceled,
        "rejected" => FinalStatus::Rejected,
        _ => FinalStatus::Expired,
    };
    let done_at = cells.time_or_none("done_at")?;
    let ends_by_itself = match status {
        FinalStatus::Open | FinalStatus::Filled => false,
        FinalStatus::Canceled | FinalStatus::Rejected | FinalStatus::Expired => true,
    };
    if ends_by_itself && done_at.is_none() {
        let remedy = "map `done_at`; where the source has no such time, map the column of `time`";
        return Err(cells.fault("done_at", "is empty, and the order has ended", remedy));
    }
    if done_at.is_some_and(|done| done < time) {
        return Err(cells.fault("done_at", "lies before the order was entered", "mend the row"));
    }
    let client_order_id = client_order_id(cells, &id)?;
    let filled_qty =
        cells.text("filled_qty").map(|_| cells.signed_qty("filled_qty", instrument)).transpose()?;
    Ok(OrderRow {
        time,
        account,
        instrument,
        side: side(cells)?,
        order_type,
        time_in_force,
        position_effect: effect(cells)?,
        qty: cells.qty("qty", instrument)?,
        price: price.filter(|_| order_type.has_limit()).unwrap_or(Price(0)),
        trigger_price: cells.price_or_none("trigger_price", instrument)?.unwrap_or(Price(0)),
        expires_at: cells.time_or_none("expires_at")?.unwrap_or(TimeNs::UNKNOWN),
        client_order_id,
        venue_order_id: cells.number_or("venue_order_id", 0)?,
        status,
        done_at: done_at.filter(|_| ends_by_itself),
        filled_qty,
        id,
    })
}

/// The client's name for an order; the id itself where no other is mapped and it fits.
fn client_order_id(cells: &Cells<'_>, id: &str) -> Result<ClientOrderId, Fault> {
    match cells.text("client_order_id") {
        None => Ok(ClientOrderId::new(id).unwrap_or(ClientOrderId::NONE)),
        Some(text) => ClientOrderId::new(text).map_err(|error| {
            cells.fault(
                "client_order_id",
                error.to_string(),
                "leave the field out, or shorten what stands there",
            )
        }),
    }
}

fn fill(cells: &Cells<'_>, of_order: OrderSymbol<'_>) -> Result<FillRow, Fault> {
    let id = cells.id("id")?.to_owned();
    let time = cells.time("time")?;
    let told = |field: &str| cells.text(field).is_some();
    let order = match cells.text("order").map(|_| cells.id("order")).transpose()? {
        Some(order) => FillOrder::Named {
            id: order.to_owned(),
            account: told("account").then(|| cells.account()).transpose()?,
            instrument: told("symbol").then(|| cells.symbol()).transpose()?,
            side: told("side").then(|| side(cells)).transpose()?,
        },
        None => FillOrder::Own {
            account: cells.account()?,
            instrument: cells.symbol()?,
            side: side(cells)?,
            position_effect: effect(cells)?,
        },
    };
    let instrument = match &order {
        FillOrder::Own { instrument, .. } | FillOrder::Named { instrument: Some(instrument), .. } => {
            *instrument
        }
        FillOrder::Named { id, instrument: None, .. } => of_order(id)
            .ok_or_else(|| cells.fault("order", "is no order that was open then", REMEDY_NOT_OPEN))?,
    };
    let fee_currency =
        cells.text("fee_currency").map(|_| cells.currency("fee_currency")).transpose()?.unwrap_or_default();
    let settlement = cells.names.instrument(instrument).settlement;
    let of_fee = if fee_currency.is_none() { settlement } else { fee_currency };
    let fee = cells.text("fee").map(|_| cells.money("fee", of_fee)).transpose()?.unwrap_or(0);
    Ok(FillRow {
        time,
        instrument,
        price: cells.price("price", instrument)?,
        qty: cells.qty("qty", instrument)?,
        fee,
        fee_currency: if fee_currency == settlement { CurrencyId::NONE } else { fee_currency },
        liquidity: Liquidity::from_word(cells.word("liquidity")?).expect("words of ours"),
        order,
        id,
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
            Self::Transfer(_) => (What::Transfers, String::new(), cells.id("id").ok()?.to_owned()),
            Self::Trade(trade) if trade.id != 0 => {
                (What::Trades, trade.instrument.to_string(), trade.id.to_string())
            }
            Self::Trade(_) | Self::Position(_) | Self::Balance(_) | Self::Candle(_) => return None,
        })
    }
}
