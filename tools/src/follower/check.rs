//! The book of the core beside the exchange's own best prices.

use anyhow::{Context, Result};
use tickwerk_domain::{Command, InstrumentId, Level, Payload, Qty, Record, Touch};
use tickwerk_engine::Core;
use tickwerk_feeds::order_by_order::{OrderByOrderError, RowCheck};
use tickwerk_feeds::{BookCheck, BookCheckResult, BookTop};

/// Best prices of an exchange's own, to compare the book with.
#[derive(Debug)]
pub(crate) enum Check {
    /// Quotes among the feed's records, beside its levels.
    Quotes(InstrumentId, Box<BookCheck>),
    /// Rows of a file beside orders that are told one by one.
    Rows(InstrumentId, Box<RowCheck>),
}

impl Check {
    /// Shows a market command to the check, after the core has applied it.
    pub(super) fn observe(&mut self, command: &Record, core: &Core) -> Result<()> {
        let Payload::Command(command) = &command.payload else {
            return Ok(());
        };
        match self {
            Self::Quotes(instrument, check) => observe_quotes(check, *instrument, command, core),
            Self::Rows(instrument, check) => {
                observe_rows(check, *instrument, command, core).context("comparing the book")?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<BookCheckResult> {
        match self {
            Self::Quotes(_, check) => Ok(check.finish()),
            Self::Rows(_, check) => check.finish().context("comparing the book"),
        }
    }
}

fn observe_quotes(check: &mut BookCheck, instrument: InstrumentId, command: &Command, core: &Core) {
    if let Command::QuoteObserved(quote) = command
        && quote.instrument == instrument
    {
        check.quote(quote);
    } else if let Command::BookDelta(delta) = command
        && delta.instrument == instrument
    {
        check.book(delta, top_of(core.machine().market(delta.instrument).book.top()));
    }
}

fn observe_rows(
    check: &mut RowCheck,
    instrument: InstrumentId,
    command: &Command,
    core: &Core,
) -> Result<(), OrderByOrderError> {
    if let Command::BookOrderObserved(order) = command
        && order.instrument == instrument
    {
        check.told(order.update_id)?;
        if order.is_last {
            check.book(top_of(core.machine().market(instrument).touch));
        }
    } else if let Command::TradeObserved(trade) = command
        && trade.instrument == instrument
    {
        // Trades beside the orders carry the number of their message.
        check.told(trade.trade_id)?;
    }
    Ok(())
}

fn top_of(touch: Touch) -> BookTop {
    let level = |level: Level| (level.qty > Qty::ZERO).then_some(level);
    BookTop { bid: level(touch.bid), ask: level(touch.ask) }
}
