//! What a venue says, for venues that a person or a script speaks for: reports, and its own view for a reconciliation.

use super::Fault;
use super::fields::Fields;
use tickwerk_domain::command::{
    FillReported, OrderReported, ReconcileEnded, ReconcileStarted, ReplaceReported, TradeBusted,
    TradeCorrected, VenueBalanceStated, VenueOrderStated, VenuePositionStated,
};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{CurrencyId, Liquidity, PositionSide, Price, Qty, Reject, ReportKind, Side};

pub(super) const ORDER: &[&str] = &["order_id", "venue_order_id", "report", "reason"];
pub(super) const REPLACED: &[&str] =
    &["order_id", "venue_order_id", "instrument", "price", "quantity", "trigger_price", "display_quantity"];
pub(super) const FILL: &[&str] =
    &["order_id", "execution_id", "instrument", "price", "quantity", "fee", "fee_currency", "liquidity"];
pub(super) const BUST: &[&str] = &["order_id", "execution_id"];
pub(super) const CORRECT: &[&str] =
    &["order_id", "execution_id", "instrument", "price", "quantity", "fee", "fee_currency"];
pub(super) const START: &[&str] = &["run", "account", "venue"];
pub(super) const END: &[&str] = &["run"];
pub(super) const STATED_ORDER: &[&str] = &[
    "run",
    "account",
    "instrument",
    "order_id",
    "venue_order_id",
    "side",
    "price",
    "quantity",
    "cum_quantity",
];
pub(super) const STATED_BALANCE: &[&str] = &["run", "account", "currency", "cash"];
pub(super) const STATED_POSITION: &[&str] =
    &["run", "account", "instrument", "quantity", "price", "position_side"];

impl Fields<'_> {
    pub(super) fn order_report(&self) -> Result<OrderReported, Fault> {
        let reason = match self.optional_text("reason")? {
            None => ReasonCode::default(),
            Some(word) => {
                let known = Reject::ALL.iter().find(|reason| reason.word() == word);
                let fault = || {
                    let known = Reject::ALL.iter().map(|reason| reason.word()).collect::<Vec<_>>();
                    let message = format!("is unknown; known: {}", known.join(", "));
                    Fault::invalid("reason", word.into(), message)
                };
                known.ok_or_else(fault)?.code()
            }
        };
        Ok(OrderReported {
            order: self.order()?,
            venue_order_id: self.optional_number("venue_order_id")?.unwrap_or(0),
            kind: self.word("report", ReportKind::from_word, ReportKind::ALL)?,
            reason,
        })
    }

    pub(super) fn replace_report(&self) -> Result<ReplaceReported, Fault> {
        let instrument = self.instrument()?;
        let (price_scale, quantity_scale) = (instrument.price_scale, instrument.quantity_scale);
        Ok(ReplaceReported {
            order: self.order()?,
            venue_order_id: self.optional_number("venue_order_id")?.unwrap_or(0),
            price: Price(self.optional_positive("price", price_scale)?),
            qty: Qty(self.positive("quantity", quantity_scale)?),
            trigger_price: Price(self.optional_positive("trigger_price", price_scale)?),
            display_qty: Qty(self.optional_positive("display_quantity", quantity_scale)?),
        })
    }

    pub(super) fn fill_report(&self) -> Result<FillReported, Fault> {
        let instrument = self.instrument()?;
        let fee_currency = self.optional_currency("fee_currency")?;
        let fee_scale = fee_currency.map_or(instrument.settlement_scale, |currency| currency.scale);
        Ok(FillReported {
            order: self.order()?,
            execution_id: self.number("execution_id")?,
            price: Price(self.positive("price", instrument.price_scale)?),
            qty: self.quantity(instrument)?,
            fee: self.money("fee", fee_scale)?,
            fee_currency: fee_currency.map_or(CurrencyId::NONE, |currency| currency.id),
            liquidity: self.word("liquidity", Liquidity::from_word, Liquidity::ALL)?,
        })
    }

    pub(super) fn bust(&self) -> Result<TradeBusted, Fault> {
        Ok(TradeBusted { order: self.order()?, execution_id: self.number("execution_id")? })
    }

    pub(super) fn correct(&self) -> Result<TradeCorrected, Fault> {
        let instrument = self.instrument()?;
        let fee_currency = self.optional_currency("fee_currency")?;
        let fee_scale = fee_currency.map_or(instrument.settlement_scale, |currency| currency.scale);
        Ok(TradeCorrected {
            order: self.order()?,
            execution_id: self.number("execution_id")?,
            price: Price(self.positive("price", instrument.price_scale)?),
            qty: self.quantity(instrument)?,
            fee: self.money("fee", fee_scale)?,
        })
    }

    pub(super) fn reconcile_start(&self) -> Result<ReconcileStarted, Fault> {
        Ok(ReconcileStarted {
            run: self.number("run")?,
            account: self.account()?,
            venue: self.venue("venue")?,
        })
    }

    pub(super) fn reconcile_end(&self) -> Result<ReconcileEnded, Fault> {
        Ok(ReconcileEnded { run: self.number("run")? })
    }

    pub(super) fn stated_order(&self) -> Result<VenueOrderStated, Fault> {
        let instrument = self.instrument()?;
        Ok(VenueOrderStated {
            run: self.number("run")?,
            order: self.optional_order()?,
            venue_order_id: self.optional_number("venue_order_id")?.unwrap_or(0),
            price: Price(self.optional_positive("price", instrument.price_scale)?),
            qty: self.quantity(instrument)?,
            cum_qty: Qty(self.optional_decimal("cum_quantity", instrument.quantity_scale)?),
            account: self.account()?,
            instrument: instrument.instrument,
            side: self.word("side", Side::from_word, Side::ALL)?,
        })
    }

    pub(super) fn stated_balance(&self) -> Result<VenueBalanceStated, Fault> {
        let currency = self.currency("currency")?;
        Ok(VenueBalanceStated {
            run: self.number("run")?,
            cash: self.money("cash", currency.scale)?,
            account: self.account()?,
            currency: currency.id,
        })
    }

    pub(super) fn stated_position(&self) -> Result<VenuePositionStated, Fault> {
        let instrument = self.instrument()?;
        Ok(VenuePositionStated {
            run: self.number("run")?,
            qty: Qty(self.decimal("quantity", instrument.quantity_scale)?),
            price: Price(self.optional_positive("price", instrument.price_scale)?),
            account: self.account()?,
            instrument: instrument.instrument,
            side: self.word_or_first("position_side", PositionSide::from_word, PositionSide::ALL)?,
        })
    }
}
