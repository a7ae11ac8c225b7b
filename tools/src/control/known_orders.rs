//! What a request says of an order, held against the order itself before the request is sent.
//!
//! A command does not name the market of an order that it is about, so decimals that were read with the scales of another
//! instrument could not be told from right ones further in; and the orders of the simulated venue are reported on by
//! that venue alone. What is not known from answers given here, the follower is asked.

use super::request::Fault;
use crate::setup::Names;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use tickwerk_domain::{
    AccountId, ClientOrderId, Command, Event, InstrumentId, OrderId, OrderStatus, Payload, Record, VenueId,
};
use tickwerk_engine::Core;
use tickwerk_engine::limits::ORDERS_MAX;

/// An order that a request is about, and what the request says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct About {
    /// Its number; 0 where it is named instead.
    pub(crate) order: OrderId,
    /// Whose, and the client's name for it.
    pub(crate) name: (AccountId, ClientOrderId),
    /// The instrument whose scales the request was read with.
    pub(crate) instrument: Option<InstrumentId>,
    /// Whether it is a venue that speaks.
    pub(crate) is_report: bool,
}

/// Where an order is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    order: OrderId,
    instrument: InstrumentId,
    /// Unknown before it has left the core for good.
    venue: Option<VenueId>,
}

impl About {
    /// What `command` is about, where that is to be held against the order; it was read with the scales of `instrument`.
    pub(crate) fn of(command: &Command, instrument: Option<InstrumentId>) -> Option<Self> {
        let nobody = (AccountId::NONE, ClientOrderId::NONE);
        let of = |order, name, is_report| Some(Self { order, name, instrument, is_report });
        // All other commands are about no order, name its market themselves, or have no decimals.
        if let Command::ReplaceOrder(asked) = command {
            of(asked.order, (asked.account, asked.client_order_id), false)
        } else if let Command::OrderReported(report) = command {
            of(report.order, nobody, true)
        } else if let Command::ReplaceReported(report) = command {
            of(report.order, nobody, true)
        } else if let Command::FillReported(report) = command {
            of(report.order, nobody, true)
        } else if let Command::TradeBusted(report) = command {
            of(report.order, nobody, true)
        } else if let Command::TradeCorrected(report) = command {
            of(report.order, nobody, true)
        } else {
            None
        }
    }

    /// Looks the order up; `None` where the core does not know it.
    pub(crate) fn find(&self, core: &Core) -> Option<Place> {
        let orders = core.machine().orders();
        let (account, name) = &self.name;
        let order = if self.order.is_none() {
            orders.by_client_id(*account, name)
        } else {
            orders.by_id(self.order)
        }?;
        let has_left = order.status != OrderStatus::Held && !order.venue.is_none();
        Some(Place { order: order.id, instrument: order.instrument, venue: has_left.then_some(order.venue) })
    }

    /// What is wrong with the request, now that the order is known.
    pub(crate) fn check(&self, place: &Place, names: &Names) -> Result<(), Fault> {
        let order = place.order;
        if let Some(read_as) = self.instrument.filter(|read_as| *read_as != place.instrument) {
            let symbol = |id| {
                let known = names.instruments.iter().find(|(_, known)| known.instrument == id);
                known.map_or_else(|| id.to_string(), |(symbol, _)| symbol.clone())
            };
            let message = format!(
                "order {order} is in {}; name that instrument, as its scales say what the decimals mean",
                symbol(place.instrument)
            );
            return Err(Fault::new("invalid_value", "instrument", json!(symbol(read_as)), message));
        }
        if self.is_report && place.venue == Some(VenueId::SIMULATED) {
            let message =
                "is at the simulated venue, which reports by itself; report on orders of other venues";
            return Err(Fault::new("invalid_value", "order_id", json!(order.0), message));
        }
        Ok(())
    }
}

/// Orders that were answered here, or asked for.
#[derive(Debug, Default)]
pub(crate) struct KnownOrders {
    places: BTreeMap<OrderId, Place>,
    names: HashMap<(AccountId, ClientOrderId), OrderId>,
}

impl KnownOrders {
    /// The order that a request is about, where all that is to be checked is known here.
    pub(crate) fn find(&self, about: &About) -> Option<&Place> {
        let order = if about.order.is_none() { *self.names.get(&about.name)? } else { about.order };
        self.places.get(&order).filter(|place| !about.is_report || place.venue.is_some())
    }

    /// Learns an order that was looked up.
    pub(crate) fn learn(&mut self, about: &About, place: Place) {
        if about.order.is_none() {
            self.names.insert(about.name, place.order);
        }
        self.keep(place);
    }

    /// Learns an order that has just entered: from here on its name means it.
    pub(crate) fn watch(&mut self, frame: &[Record]) {
        if let [first, rest @ ..] = frame
            && let Payload::Command(Command::NewOrder(asked)) = &first.payload
        {
            let order = OrderId(first.envelope.sequence.0);
            let has_entered = rest.iter().any(|record| {
                matches!(&record.payload, Payload::Event(Event::OrderApproved(of)) if of.order == order)
            });
            if has_entered {
                if !asked.client_order_id.is_none() {
                    self.names.insert((asked.account, asked.client_order_id), order);
                }
                self.keep(Place { order, instrument: asked.instrument, venue: None });
            }
        }
    }

    /// No more than the engine remembers; the oldest is asked for again.
    fn keep(&mut self, place: Place) {
        self.places.insert(place.order, place);
        if self.places.len() > ORDERS_MAX
            && let Some((oldest, _)) = self.places.pop_first()
            && self.names.len() > ORDERS_MAX
        {
            self.names.retain(|_, order| *order > oldest);
        }
    }
}
