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

#[cfg(test)]
mod tests {
    use super::*;
    use tickwerk_domain::command::{NewOrder, ReplaceOrder};
    use tickwerk_domain::event::{OrderApproved, OrderRejected};
    use tickwerk_domain::{CurrencyId, Envelope, Money, Price, Qty, Reject, Sequence, Side};

    const ACCOUNT: AccountId = AccountId(3);

    fn name() -> ClientOrderId {
        ClientOrderId::new("a").expect("a name")
    }

    fn record(sequence: u64, payload: Payload) -> Record {
        Record { envelope: Envelope { sequence: Sequence(sequence), ..Envelope::default() }, payload }
    }

    fn asked(sequence: u64, instrument: u32) -> Record {
        let order = NewOrder::limit(ACCOUNT, InstrumentId(instrument), Side::Buy, Price(1), Qty(1));
        let order = NewOrder { client_order_id: name(), ..order };
        record(sequence, Payload::Command(order.into()))
    }

    fn entered(sequence: u64, instrument: u32) -> [Record; 2] {
        let approved = OrderApproved {
            reserved: Money::ZERO,
            gross_exposure: Money::ZERO,
            order: OrderId(sequence),
            limits_version: 0,
            worst_long: Qty(0),
            worst_short: Qty(0),
            account: ACCOUNT,
            instrument: InstrumentId(instrument),
            reserved_currency: CurrencyId::NONE,
            open_orders: 1,
        };
        [asked(sequence, instrument), record(sequence + 1, Payload::Event(approved.into()))]
    }

    fn about(instrument: u32) -> About {
        let replace = ReplaceOrder {
            order: OrderId::NONE,
            price: Price(0),
            qty: Qty(5),
            trigger_price: Price(0),
            display_qty: Qty(0),
            account: ACCOUNT,
            client_order_id: name(),
        };
        About::of(&replace.into(), Some(InstrumentId(instrument))).expect("it is about an order")
    }

    #[test]
    fn a_name_means_the_order_that_entered_with_it_last() {
        let (mut known, names) = (KnownOrders::default(), Names::default());
        assert_eq!(known.find(&about(4)), None);
        known.watch(&entered(10, 4));
        let place = *known.find(&about(4)).expect("it is known");
        assert_eq!(about(4).check(&place, &names), Ok(()));
        assert!(about(5).check(&place, &names).is_err());
        // A duplicate never entered.
        let rejected = OrderRejected {
            order: OrderId(20),
            account: ACCOUNT,
            instrument: InstrumentId(5),
            reason: Reject::DuplicateClientOrderId.code(),
        };
        known.watch(&[asked(20, 5), record(21, Payload::Event(rejected.into()))]);
        assert_eq!(known.find(&about(4)), Some(&place));
        known.watch(&entered(30, 5));
        assert_eq!(known.find(&about(5)).map(|place| place.order), Some(OrderId(30)));
    }

    #[test]
    fn a_report_needs_to_know_where_the_order_is() {
        let (mut known, names) = (KnownOrders::default(), Names::default());
        known.watch(&entered(10, 4));
        let about = About { order: OrderId(10), is_report: true, ..about(4) };
        assert_eq!(known.find(&about), None);
        for (venue, is_refused) in [(VenueId::SIMULATED, true), (VenueId(2), false)] {
            let place = Place { order: OrderId(10), instrument: InstrumentId(4), venue: Some(venue) };
            known.learn(&about, place);
            assert_eq!(about.check(known.find(&about).expect("it is known"), &names).is_err(), is_refused);
        }
    }
}
