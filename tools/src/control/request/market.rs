//! Markets, venues and what currencies are worth.

use super::fields::Fields;
use super::{BookScope, Fault};
use serde_json::json;
use tickwerk_domain::command::{
    CashTransferred, ConversionSet, FundingApplied, MarkObserved, QuoteObserved, SessionSet, TradeObserved,
    VenueStateObserved,
};
use tickwerk_domain::{
    Aggressor, InstrumentId, InstrumentKind, Price, Qty, Rate, SessionState, TextId, VenueState,
};

pub(super) const SESSION: &[&str] = &["instrument", "state", "closes_at"];
pub(super) const QUOTE: &[&str] = &["instrument", "bid_price", "bid_quantity", "ask_price", "ask_quantity"];
pub(super) const TRADE: &[&str] = &["instrument", "trade_id", "price", "quantity", "aggressor"];
pub(super) const MARK: &[&str] = &["instrument", "price"];
pub(super) const FUNDING: &[&str] = &["instrument", "rate", "price"];
pub(super) const VENUE_STATE: &[&str] = &["venue", "state"];
pub(super) const CONVERSION: &[&str] = &["currency", "rate", "instrument"];
pub(super) const TRANSFER: &[&str] = &["account", "currency", "amount", "reason"];

/// Levels of a side that are shown where nobody says how many, and most that are shown.
const LEVELS: (u64, u64) = (10, 1_000);

impl Fields<'_> {
    pub(super) fn book_scope(&self) -> Result<BookScope, Fault> {
        let (usual, most) = LEVELS;
        let levels = self.optional_number("levels")?.unwrap_or(usual);
        let levels =
            usize::try_from(levels).ok().filter(|_| (1..=most).contains(&levels)).ok_or_else(|| {
                Fault::invalid("levels", json!(levels), format!("write a number from 1 to {most}"))
            })?;
        let instrument = self.instrument()?.instrument;
        Ok(BookScope { instrument, levels, by_order: self.optional_flag("by_order")? })
    }

    pub(super) fn session(&self) -> Result<SessionSet, Fault> {
        Ok(SessionSet {
            closes_at: self.optional_time("closes_at")?,
            instrument: self.instrument()?.instrument,
            state: self.word("state", SessionState::from_word, SessionState::ALL)?,
        })
    }

    pub(super) fn quote(&self) -> Result<QuoteObserved, Fault> {
        let instrument = self.instrument()?;
        let (price_scale, quantity_scale) = (instrument.price_scale, instrument.quantity_scale);
        Ok(QuoteObserved {
            update_id: 0,
            bid_price: Price(self.optional_decimal("bid_price", price_scale)?),
            bid_qty: Qty(self.optional_positive("bid_quantity", quantity_scale)?),
            ask_price: Price(self.optional_decimal("ask_price", price_scale)?),
            ask_qty: Qty(self.optional_positive("ask_quantity", quantity_scale)?),
            instrument: instrument.instrument,
        })
    }

    pub(super) fn trade(&self) -> Result<TradeObserved, Fault> {
        let instrument = self.instrument()?;
        Ok(TradeObserved {
            trade_id: self.optional_number("trade_id")?.unwrap_or(0),
            price: Price(self.decimal("price", instrument.price_scale)?),
            qty: self.quantity(instrument)?,
            instrument: instrument.instrument,
            aggressor: self.word_or_first("aggressor", Aggressor::from_word, Aggressor::ALL)?,
        })
    }

    pub(super) fn mark(&self) -> Result<MarkObserved, Fault> {
        let instrument = self.instrument()?;
        let price = Price(self.positive("price", instrument.price_scale)?);
        Ok(MarkObserved { price, instrument: instrument.instrument })
    }

    pub(super) fn funding(&self) -> Result<FundingApplied, Fault> {
        let instrument = self.instrument()?;
        Ok(FundingApplied {
            rate: self.rate("rate")?,
            price: Price(self.positive("price", instrument.price_scale)?),
            instrument: instrument.instrument,
        })
    }

    pub(super) fn venue_state(&self) -> Result<VenueStateObserved, Fault> {
        let state = self.word("state", VenueState::from_word, VenueState::ALL)?;
        Ok(VenueStateObserved { venue: self.venue("venue")?, state })
    }

    pub(super) fn conversion(&self) -> Result<ConversionSet, Fault> {
        let currency = self.currency("currency")?.id;
        let Some(reference) = self.names.reference else {
            let message = "needs a currency to lead to; configure one under [reference]";
            return Err(Fault::invalid("currency", json!(self.text("currency")?), message));
        };
        if currency == reference.id {
            let message = "is the reference currency, which is always worth 1";
            return Err(Fault::invalid("currency", json!(self.text("currency")?), message));
        }
        let between = self.optional_instrument()?;
        if let Some(of) = between {
            let pair = [(of.base, of.quote), (of.quote, of.base)];
            if of.kind != InstrumentKind::Spot || !pair.contains(&(currency, reference.id)) {
                let message = "is no spot instrument between the currency and the reference currency";
                return Err(Fault::invalid("instrument", json!(self.text("instrument")?), message));
            }
        }
        let instrument = between.map_or(InstrumentId::NONE, |known| known.instrument);
        match (self.given("rate"), instrument) {
            (Some(rate), InstrumentId::NONE) => {
                let rate = (self.rate("rate")?, rate);
                if rate.0.0 <= 0 {
                    return Err(Fault::invalid("rate", rate.1.clone(), "must be above zero"));
                }
                Ok(ConversionSet { rate: rate.0, currency, instrument })
            }
            (None, InstrumentId::NONE) => {
                let message = "write a rate, or name a spot instrument that has the rate";
                Err(Fault::new("missing_field", "rate", json!(null), message))
            }
            (None, instrument) => Ok(ConversionSet { rate: Rate(0), currency, instrument }),
            (Some(rate), _) => {
                Err(Fault::invalid("rate", rate.clone(), "write a rate or an instrument, not both"))
            }
        }
    }

    pub(super) fn transfer(&self) -> Result<CashTransferred, Fault> {
        let currency = self.currency("currency")?;
        let amount = self.money("amount", currency.scale)?;
        if amount.get() == 0 {
            let message = "write what comes in, or with a minus what goes out";
            return Err(Fault::invalid("amount", self.object["amount"].clone(), message));
        }
        Ok(CashTransferred { amount, account: self.account()?, currency: currency.id, reason: TextId::NONE })
    }
}
