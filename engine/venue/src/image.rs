//! The venue in a state image.
//!
//! What follows from something else is left out and made anew: where our orders rest follows from their own rows, slots
//! are addresses. What is read is compared with the digest that goes along with it.

use crate::SimulatedVenue;
use crate::due::DueQueue;
use crate::exchange::Exchanges;
use crate::feed::tag;
use crate::latencies::Recorded;
use crate::market::Market;
use crate::orders::{Stage, VenueOrders};
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, StoreFault, ensure};
use tickwerk_domain::{Digest, InstrumentId, Side};

impl SimulatedVenue {
    /// Adds the venue to an image.
    pub fn save(&self, to: &mut ImageWriter) {
        let Self { markets, exchanges, orders, due, recorded, connected_since, digest } = self;
        to.section("venue orders", |to| orders.save(to));
        to.section("venue markets", |to| to.table_of(markets, |place| Market::new(number(place))));
        to.section("venue books", |to| exchanges.save(orders, to));
        to.section("venue messages", |to| due.save(orders, to));
        to.section("venue latencies", |to| recorded.save(to));
        to.section("venue", |to| {
            to.value(connected_since);
            to.value(digest);
        });
    }

    /// Reads a venue for instruments with numbers below `instruments_max`.
    pub fn load(instruments_max: usize, from: &mut ImageReader<'_>) -> Result<Self, StoreFault> {
        let orders = from.section("venue orders", VenueOrders::load)?;
        let markets = from.section("venue markets", |from| {
            from.table((0..instruments_max).map(|place| Market::new(number(place))).collect())
        })?;
        let exchanges = from.section("venue books", |from| Exchanges::load(&orders, from))?;
        let due = from.section("venue messages", |from| DueQueue::load(&orders, from))?;
        let recorded = from.section("venue latencies", Recorded::load)?;
        from.section("venue", |from| {
            let (connected_since, digest) = (from.value()?, from.value()?);
            let mut venue = Self { markets, exchanges, orders, due, recorded, connected_since, digest };
            venue.put_orders_in_their_places()?;
            venue.check_markets()?;
            Ok(venue)
        })
    }

    /// Puts orders where their rows say that they are.
    fn put_orders_in_their_places(&mut self) -> Result<(), Fault> {
        let mut exchanged = 0;
        for slot in self.orders.slots() {
            let order = *self.orders.get(slot);
            let found = order.instrument.0.into();
            let market = self.markets.get_mut(order.instrument.0 as usize);
            let side = market.ok_or(Fault::Missing { what: "market", found })?.side_mut(order.side);
            let has_room = match order.stage {
                Stage::Traveling => true,
                Stage::Resting => side.resting.insert(order.price, order.priority, slot),
                Stage::AtClose => side.at_close.insert(order.price, order.priority, slot),
                Stage::Exchanged => {
                    exchanged += 1;
                    true
                }
            };
            ensure(has_room, Fault::Broken("more orders rest on a side than it holds"))?;
        }
        let is_same = exchanged == self.exchanges.orders();
        ensure(is_same, Fault::Broken("an order says that it stands in a book, and stands in none"))
    }

    /// Looks at what refers to each other, and at the digest.
    fn check_markets(&mut self) -> Result<(), Fault> {
        let mut sum = Digest::default();
        self.orders.sum(&mut sum);
        self.due.sum(&mut sum);
        self.recorded.sum(&mut sum);
        let mut taken = 0_u64;
        for (place, market) in self.markets.iter_mut().enumerate() {
            let instrument = number(place);
            let is_own = market.setting.instrument == instrument;
            ensure(is_own, Fault::Broken("a market has the setting of another one"))?;
            if let Some(book) = market.exchange {
                let is_free = self.exchanges.has(book) && taken >> book & 1 == 0;
                ensure(is_free, Fault::Missing { what: "book of an exchange", found: book.into() })?;
                taken |= 1 << book;
            }
            let exchange = market.exchange.map_or(0, |book| self.exchanges.book(book).digest());
            market.sum(exchange, &mut sum)?;
            for side in [Side::Buy, Side::Sell] {
                market.side(side).levels.sum(tag(instrument, side), &mut sum);
            }
        }
        let sweeps = self.exchanges.sweep.is_none_or(|sweep| {
            self.markets.get(sweep.instrument().0 as usize).is_some_and(|market| market.exchange.is_some())
        });
        ensure(sweeps, Fault::Broken("an instrument without a book is in the middle of matching"))?;
        ensure(sum == self.digest, Fault::Broken("the digest is not that of the rows"))
    }
}

fn number(place: usize) -> InstrumentId {
    InstrumentId(u32::try_from(place).expect("instruments fit 32 bits"))
}
