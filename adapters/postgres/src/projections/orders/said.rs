//! What an event says of an order, besides how it stands.

use tickwerk_domain::event::OrderFilled;
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{Event, InstrumentId, Money, OrderId, Price, Qty};

/// What it says; what it does not say is nothing.
#[derive(Clone, Default)]
pub(super) struct Said {
    pub(super) instrument: InstrumentId,
    pub(super) price: Option<Price>,
    pub(super) qty: Option<Qty>,
    pub(super) trigger_price: Option<Price>,
    pub(super) display_qty: Option<Qty>,
    pub(super) last: Option<(Price, Qty)>,
    pub(super) cum_qty: Option<Qty>,
    pub(super) leaves_qty: Option<Qty>,
    pub(super) value_and_fee: Option<(Money, Money)>,
    pub(super) reason: ReasonCode,
}

impl Said {
    fn of(instrument: InstrumentId) -> Self {
        Self { instrument, ..Self::default() }
    }

    fn because(reason: ReasonCode) -> Self {
        Self { reason, ..Self::default() }
    }

    /// It is over.
    fn ended(self) -> Self {
        Self { leaves_qty: Some(Qty::ZERO), ..self }
    }

    fn counted(self, cum_qty: Qty, leaves_qty: Qty) -> Self {
        Self { cum_qty: Some(cum_qty), leaves_qty: Some(leaves_qty), ..self }
    }

    /// It has come to this with a fill, as the fill is now.
    fn filled(self, last: Option<(Price, Qty)>, value_and_fee: (Money, Money)) -> Self {
        Self { last, value_and_fee: Some(value_and_fee), ..self }
    }
}

/// The order of an event, and what it says of it.
pub(super) fn of(event: &Event) -> Option<(OrderId, Said)> {
    of_terms(event).or_else(|| of_fills(event)).or_else(|| of_answers(event))
}

/// Events that say what was asked for.
fn of_terms(event: &Event) -> Option<(OrderId, Said)> {
    Some(if let Event::OrderSubmitted(of) = event {
        let said = Said { price: Some(of.price), qty: Some(of.qty), ..Said::of(of.instrument) };
        (of.order, Said { trigger_price: Some(of.trigger_price), display_qty: Some(of.display_qty), ..said })
    } else if let Event::OrderHeld(of) = event {
        let said = Said { qty: Some(of.qty), ..Said::of(of.instrument) };
        (of.order, Said { trigger_price: Some(of.trigger_price), ..said })
    } else if let Event::OrderTriggered(of) = event {
        (of.order, Said { qty: Some(of.qty), ..Said::of(of.instrument) })
    } else if let Event::OrderReplaced(of) = event {
        let said = Said { price: Some(of.price), qty: Some(of.qty), ..Said::of(of.instrument) };
        let said = Said { trigger_price: Some(of.trigger_price), display_qty: Some(of.display_qty), ..said };
        (of.order, said.counted(of.cum_qty, of.leaves_qty))
    } else {
        return None;
    })
}

/// Events that count fills.
fn of_fills(event: &Event) -> Option<(OrderId, Said)> {
    Some(if let Event::OrderPartiallyFilled(of) = event {
        let said = Said::of(of.instrument).counted(of.cum_qty, of.leaves_qty);
        (of.order, said.filled(Some((of.last_price, of.last_qty)), (of.cum_value, of.cum_fee)))
    } else if let Event::OrderFilled(of) = event {
        let OrderFilled { last_price, last_qty, .. } = *of;
        // An order may end filled without a fill of its own, by a replace.
        let last = (last_qty > Qty::ZERO).then_some((last_price, last_qty));
        let said = Said::of(of.instrument).counted(of.cum_qty, of.leaves_qty);
        (of.order, said.filled(last, (of.cum_value, of.cum_fee)))
    } else if let Event::FillRestated(of) = event {
        let said = Said::of(of.instrument).counted(of.cum_qty, of.leaves_qty);
        (of.order, said.filled(Some((of.price, of.qty)), (of.cum_value, of.cum_fee)))
    } else {
        return None;
    })
}

/// Events that answer a request, or say why not.
fn of_answers(event: &Event) -> Option<(OrderId, Said)> {
    Some(if let Event::OrderRefused(of) = event {
        (of.order, Said { instrument: of.instrument, ..Said::because(of.reason) })
    } else if let Event::OrderAccepted(of) = event {
        (of.order, Said::default())
    } else if let Event::OrderRejected(of) = event {
        (of.order, Said { instrument: of.instrument, ..Said::because(of.reason) }.ended())
    } else if let Event::CancelSubmitted(of) = event {
        (of.order, Said::of(of.instrument))
    } else if let Event::OrderCanceled(of) = event {
        (of.order, Said { cum_qty: Some(of.cum_qty), ..Said::because(of.reason) }.ended())
    } else if let Event::CancelRejected(of) = event {
        (of.order, Said::because(of.reason))
    } else if let Event::ReplaceSubmitted(of) = event {
        (of.order, Said::of(of.instrument))
    } else if let Event::ReplaceRejected(of) = event {
        (of.order, Said::because(of.reason))
    } else if let Event::OrderExpired(of) = event {
        (of.order, Said { cum_qty: Some(of.cum_qty), ..Said::because(of.reason) }.ended())
    } else {
        return None;
    })
}
