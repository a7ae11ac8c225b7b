//! A record as a projection sees it: with names for numbers and decimals for mantissas.

use crate::value::Value;
use tickwerk_domain::event::CommandRefused;
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Event, FieldValue, Fields as _, Instrument, InstrumentId, Money, OrderId,
    Payload, Price, Qty, RATE_SCALE, Rate, Record, Sequence, StrategyId, TextId, TimeNs, VenueId,
};
use tickwerk_render::{Dictionary, OrderEntry, field_text};

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

    /// Whether the command of its frame was refused, and so changed nothing.
    pub fn refusal(&self) -> Option<&'a CommandRefused> {
        self.frame.iter().find_map(|record| match &record.payload {
            Payload::Event(Event::CommandRefused(refused)) => Some(refused),
            Payload::Event(_) | Payload::Command(_) => None,
        })
    }

    /// The order whose fill the command of its frame reports, takes back or corrects.
    pub fn filled_order(&self) -> Option<OrderId> {
        let Payload::Command(command) = &self.command()?.payload else {
            return None;
        };
        // Nothing else books a trade.
        if let Command::FillReported(of) = command {
            Some(of.order)
        } else if let Command::TradeBusted(of) = command {
            Some(of.order)
        } else if let Command::TradeCorrected(of) = command {
            Some(of.order)
        } else {
            None
        }
    }

    /// The strategy whose order that is; none for a client's.
    pub fn filled_strategy(&self) -> StrategyId {
        self.filled_order()
            .and_then(|order| self.order(order))
            .map(|order| order.strategy)
            .unwrap_or_default()
    }

    /// Why, where the command of its frame says so.
    pub fn reason(&self) -> Value {
        let mut reason = TextId::NONE;
        if let Some(command) = self.command() {
            command.payload.visit(&mut |name, value| {
                if let ("reason", FieldValue::Text(id)) = (name, value) {
                    reason = id;
                }
            });
        }
        self.text(reason)
    }

    /// A field of the record as it is shown: a name, a word or an exact decimal.
    pub fn shown(&self, field: &str) -> Value {
        Value::text_or_null(field_text(self.payload(), self.dictionary, field).as_deref())
    }

    /// A field of the record that is an exact decimal.
    pub fn number(&self, field: &str) -> Value {
        field_text(self.payload(), self.dictionary, field).map_or(Value::Null, |text| Value::decimal(&text))
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

    pub fn venue(&self, id: VenueId) -> Value {
        Value::named(self.dictionary.venue(id), u32::from(id.0))
    }

    /// The currency that profit, fees and margin of an instrument are in.
    pub fn settlement(&self, instrument: InstrumentId) -> Value {
        self.dictionary.instrument(instrument).map_or(Value::Null, |entry| self.currency(entry.settlement))
    }

    pub fn rate(&self, rate: Rate) -> Value {
        Value::Numeric(i128::from(rate.0), RATE_SCALE)
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

    /// What `qty` of an instrument is worth at `price`, in the settlement currency, rounded as it is posted.
    pub fn value(&self, instrument: InstrumentId, price: Price, qty: Qty) -> Value {
        let Some(entry) = self.dictionary.instrument(instrument) else {
            return Value::Null;
        };
        let terms = Instrument {
            notional_max: Money::ZERO,
            tick_size: Price(1),
            lot_size: Qty(1),
            quantity_min: Qty(1),
            quantity_max: Qty(1),
            multiplier: entry.multiplier,
            maker_fee: Rate(0),
            taker_fee: Rate(0),
            margin_rate: Rate(0),
            instrument,
            symbol: TextId::NONE,
            base: entry.base,
            quote: entry.quote,
            settlement: entry.settlement,
            kind: entry.kind,
            price_scale: entry.price_scale,
            quantity_scale: entry.quantity_scale,
            settlement_scale: entry.settlement_scale,
        };
        let value = terms.value_posted(price, qty);
        value.map_or(Value::Null, |value| Value::Numeric(value, entry.settlement_scale))
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
