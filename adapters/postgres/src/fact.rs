//! A record as a projection sees it: with names for numbers and decimals for mantissas.

use crate::value::Value;
use tickwerk_domain::{
    AccountId, CurrencyId, InstrumentId, Money, OrderId, Payload, Price, Qty, Record, Sequence, StrategyId,
    TextId, TimeNs,
};
use tickwerk_render::{Dictionary, OrderEntry};

/// A record, its frame and what its numbers mean.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    pub record: &'a Record,
    /// All records of its frame; the first is the command.
    pub frame: &'a [Record],
    pub dictionary: &'a Dictionary,
}

impl<'a> Fact<'a> {
    pub fn sequence(&self) -> Sequence {
        self.record.envelope.sequence
    }

    /// The stamp.
    pub fn time(&self) -> TimeNs {
        self.record.envelope.time_ns
    }

    pub fn payload(&self) -> &'a Payload {
        &self.record.payload
    }

    /// The command that caused it.
    pub fn command(&self) -> Option<&'a Record> {
        self.frame.first()
    }

    /// On whose behalf.
    pub fn actor(&self) -> Value {
        Value::text_or_null(self.dictionary.text(self.record.envelope.actor))
    }

    pub fn text(&self, id: TextId) -> Value {
        Value::text_or_null(self.dictionary.text(id))
    }

    pub fn account(&self, id: AccountId) -> Value {
        Value::text_or_null(self.dictionary.account(id))
    }

    pub fn symbol(&self, id: InstrumentId) -> Value {
        Value::text_or_null(self.dictionary.symbol(id))
    }

    pub fn currency(&self, id: CurrencyId) -> Value {
        Value::text_or_null(self.dictionary.currency(id))
    }

    pub fn strategy(&self, id: StrategyId) -> Value {
        Value::text_or_null(self.dictionary.strategy(id))
    }

    /// What is known of an order.
    pub fn order(&self, id: OrderId) -> Option<&'a OrderEntry> {
        self.dictionary.order(id)
    }

    /// A price of an instrument.
    pub fn price(&self, instrument: InstrumentId, price: Price) -> Value {
        self.scaled(instrument, i128::from(price.0), |of| of.price_scale)
    }

    /// A price where zero means that there is none.
    pub fn price_or_null(&self, instrument: InstrumentId, price: Price) -> Value {
        if price.0 == 0 { Value::Null } else { self.price(instrument, price) }
    }

    /// A quantity of an instrument.
    pub fn qty(&self, instrument: InstrumentId, qty: Qty) -> Value {
        self.scaled(instrument, i128::from(qty.0), |of| of.quantity_scale)
    }

    /// An amount of an instrument's settlement currency.
    pub fn settled(&self, instrument: InstrumentId, amount: Money) -> Value {
        self.scaled(instrument, amount.get(), |of| of.settlement_scale)
    }

    /// An amount of a currency.
    pub fn money(&self, currency: CurrencyId, amount: Money) -> Value {
        self.dictionary
            .currency_scale(currency)
            .map_or(Value::Null, |scale| Value::Numeric(amount.get(), scale))
    }

    /// An amount of the reference currency.
    pub fn in_reference(&self, amount: Money) -> Value {
        self.dictionary.reference_scale().map_or(Value::Null, |scale| Value::Numeric(amount.get(), scale))
    }

    fn scaled(
        &self,
        instrument: InstrumentId,
        mantissa: i128,
        scale: impl FnOnce(&tickwerk_render::InstrumentEntry) -> u8,
    ) -> Value {
        let entry = self.dictionary.instrument(instrument);
        entry.map_or(Value::Null, |entry| Value::Numeric(mantissa, scale(entry)))
    }
}
