//! Venues and routes: what each venue can do, whether it is connected, and where an order goes.
//!
//! The simulated venue is there without a definition. What a venue lacks is done in the core, where it can be.

use super::{Machine, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::{INSTRUMENTS_MAX, VENUES_MAX};
use crate::orders::Terms;
use tickwerk_domain::command::{NewOrder, RouteSet, VenueDefined, VenueStateObserved};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum};
use tickwerk_domain::{
    Digest, HoldReason, InstrumentId, OrderType, Qty, Reject, Sequence, Stamp, TextId, TimeInForce, VenueId,
    VenueState,
};

/// What the simulated venue can do; triggers are the core's.
pub const SIMULATED_CAPABILITIES: u64 =
    VenueDefined::ALL & !(VenueDefined::TRIGGERS | VenueDefined::TRAILING);

/// A venue as the machine knows it.
#[derive(Clone, Copy, Debug)]
pub struct Venue {
    /// Its name.
    pub name: TextId,
    /// What it can do, as bits of [`VenueDefined`].
    pub capabilities: u64,
    /// Whether orders can go there.
    pub state: VenueState,
    /// Sequence of the command that told that the connection is there again; none where it never was lost.
    pub connected_at: Sequence,
    row: u64,
}

impl Venue {
    /// Whether it can do all of `capabilities`.
    pub fn can(&self, capabilities: u64) -> bool {
        self.capabilities & capabilities == capabilities
    }
}

/// Where the orders of an instrument go.
#[derive(Clone, Copy, Debug)]
struct Route {
    venue: VenueId,
    fallback: VenueId,
    row: u64,
}

/// All venues and routes.
#[derive(Debug)]
pub struct Venues {
    venues: [Option<Venue>; VENUES_MAX],
    routes: Box<[Route]>,
}

impl Default for Venues {
    fn default() -> Self {
        Self::new()
    }
}

impl Venues {
    /// The simulated venue, where all orders go.
    pub fn new() -> Self {
        let simulated = Venue {
            name: TextId::NONE,
            capabilities: SIMULATED_CAPABILITIES,
            state: VenueState::Connected,
            connected_at: Sequence::NONE,
            row: 0,
        };
        let mut venues = [None; VENUES_MAX];
        venues[usize::from(VenueId::SIMULATED.0)] = Some(simulated);
        Self { venues, routes: vec![DEFAULT_ROUTE; INSTRUMENTS_MAX].into() }
    }

    /// The venue, where it is known.
    #[inline]
    pub fn get(&self, venue: VenueId) -> Option<&Venue> {
        self.venues.get(usize::from(venue.0)).and_then(Option::as_ref)
    }

    /// All venues in order of number.
    pub fn all(&self) -> impl Iterator<Item = (VenueId, &Venue)> {
        (0..).map(VenueId).zip(&self.venues).filter_map(|(id, venue)| Some((id, venue.as_ref()?)))
    }

    /// Where the orders of an instrument go that name no venue, and where while that one is disconnected.
    pub fn route(&self, instrument: InstrumentId) -> (VenueId, VenueId) {
        let route = &self.routes[instrument.0 as usize];
        (route.venue, route.fallback)
    }

    /// Where an order goes that names `asked`, or none.
    #[inline]
    pub fn choose(&self, asked: VenueId, instrument: InstrumentId) -> Result<(VenueId, &Venue), Reject> {
        let (first, fallback) = if asked.is_none() { self.route(instrument) } else { (asked, VenueId::NONE) };
        let venue = self.get(first).ok_or(Reject::UnknownVenue)?;
        if venue.state == VenueState::Connected {
            return Ok((first, venue));
        }
        let second = self.get(fallback).filter(|venue| venue.state == VenueState::Connected);
        second.map(|venue| (fallback, venue)).ok_or(Reject::VenueDisconnected)
    }

    /// Where an order goes that names `asked`, or none, connected or not.
    fn first_of(&self, asked: VenueId, instrument: InstrumentId) -> Option<&Venue> {
        self.get(if asked.is_none() { self.route(instrument).0 } else { asked })
    }

    fn set(&mut self, id: VenueId, venue: Venue, digest: &mut Digest) {
        let state = venue.connected_at.0 << 8 | venue.state as u64;
        let words = [u64::from(id.0) << 32 | u64::from(venue.name.0), venue.capabilities, state];
        let mut row = venue.row;
        digest.update(&mut row, row_hash(TAG_VENUE, &words));
        self.venues[usize::from(id.0)] = Some(Venue { row, ..venue });
    }

    fn set_route(&mut self, route: &RouteSet, digest: &mut Digest) {
        let words =
            [u64::from(route.instrument.0), u64::from(route.venue.0) << 16 | u64::from(route.fallback.0)];
        let place = &mut self.routes[route.instrument.0 as usize];
        (place.venue, place.fallback) = (route.venue, route.fallback);
        digest.update(&mut place.row, row_hash(TAG_ROUTE, &words));
    }
}

tickwerk_domain::persist! {
    Venue { name, capabilities, state, connected_at, row }
    Route { venue, fallback, row }
}

impl Venues {
    pub(super) fn save(&self, to: &mut ImageWriter) {
        let Self { venues, routes } = self;
        to.table(venues, &None);
        to.table(routes, &DEFAULT_ROUTE);
    }

    pub(super) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let Self { mut venues, routes } = Self::new();
        venues.copy_from_slice(&from.table(vec![None; VENUES_MAX].into())?);
        let mut loaded = Self { venues, routes: from.table(routes)? };
        for id in (0..).take(VENUES_MAX).map(VenueId) {
            if let Some(venue) = loaded.venues[usize::from(id.0)] {
                sum.row(("venue", id.0.into()), venue.row, |change| loaded.set(id, venue, change))?;
            }
        }
        for instrument in (0..).take(INSTRUMENTS_MAX).map(InstrumentId) {
            let Route { venue, fallback, row } = loaded.routes[instrument.0 as usize];
            let route = RouteSet { instrument, venue, fallback };
            sum.row(("route", instrument.0.into()), row, |change| loaded.set_route(&route, change))?;
        }
        Ok(loaded)
    }
}

const DEFAULT_ROUTE: Route = Route { venue: VenueId::SIMULATED, fallback: VenueId::NONE, row: 0 };

/// What is to be done with an order at a venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fit {
    /// What the core has to wait for; none where the order may leave.
    pub(super) hold: Option<HoldReason>,
    /// Whether the venue watches the trigger.
    pub(super) is_native: bool,
}

/// Whether a venue can do what an order asks for, by itself or with the core's help.
///
/// `shares` says that the order shares its exposure with others: then its trigger is the core's in any case, so that
/// only one of them is at the venue.
pub(super) fn fit(asked: &NewOrder, venue: &Venue, shares: bool) -> Result<Fit, Reject> {
    let needed = [
        (asked.time_in_force == TimeInForce::Fok, VenueDefined::FILL_OR_KILL),
        (asked.post_only, VenueDefined::POST_ONLY),
        (asked.display_qty != Qty::ZERO, VenueDefined::ICEBERG),
    ];
    if needed.iter().any(|(is_asked, capability)| *is_asked && !venue.can(*capability)) {
        return Err(Reject::VenueLacks);
    }
    let is_native = match asked.order_type {
        OrderType::Market | OrderType::Limit => false,
        OrderType::TrailingStop => venue.can(VenueDefined::TRIGGERS | VenueDefined::TRAILING) && !shares,
        OrderType::Stop | OrderType::StopLimit | OrderType::MarketIfTouched | OrderType::LimitIfTouched => {
            venue.can(VenueDefined::TRIGGERS) && !shares
        }
    };
    let is_for_auction = matches!(asked.time_in_force, TimeInForce::AtTheOpen | TimeInForce::AtTheClose);
    let hold = if asked.order_type.is_triggered() && !is_native {
        Some(HoldReason::Trigger)
    } else if is_for_auction && !venue.can(VenueDefined::AUCTIONS) {
        Some(HoldReason::Auction)
    } else {
        None
    };
    Ok(Fit { hold, is_native })
}

impl Machine {
    /// What is to be done with a held order at its venue, which need not be connected.
    pub(super) fn fit_of(&self, terms: &Terms) -> Result<Fit, Reject> {
        let asked = &terms.asked;
        let venue = match self.venues.choose(asked.venue, asked.instrument) {
            Ok((_, venue)) => venue,
            Err(reason) => self.venues.first_of(asked.venue, asked.instrument).ok_or(reason)?,
        };
        fit(asked, venue, terms.is_exclusive())
    }

    /// Venues and routes.
    pub fn venues(&self) -> &Venues {
        &self.venues
    }

    pub(super) fn define_venue(&mut self, new: &VenueDefined, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        if !is_in_range(u32::from(new.venue.0), VENUES_MAX) {
            self.refuse(&(*new).into(), Reject::IdOutOfRange, i64::from(new.venue.0), out);
        } else if new.capabilities & !VenueDefined::ALL != 0 {
            self.refuse(&(*new).into(), Reject::ValueOutOfRange, new.capabilities.cast_signed(), out);
        } else {
            let known = self.venues.get(new.venue);
            let fresh = (VenueState::Connected, Sequence::NONE, 0);
            let (state, connected_at, row) =
                known.map_or(fresh, |known| (known.state, known.connected_at, known.row));
            // The simulated venue cannot do more than it does.
            let able = if new.venue == VenueId::SIMULATED { SIMULATED_CAPABILITIES } else { u64::MAX };
            let capabilities = new.capabilities & able;
            let venue = Venue { name: new.name, capabilities, state, connected_at, row };
            self.venues.set(new.venue, venue, &mut self.digest);
        }
        version
    }

    pub(super) fn set_route(&mut self, route: &RouteSet, out: &mut EventBuffer) -> u64 {
        if self.instrument(route.instrument).is_none() {
            self.refuse(&(*route).into(), Reject::UnknownInstrument, i64::from(route.instrument.0), out);
            return 0;
        }
        let unknown = [route.venue, route.fallback].into_iter().enumerate().find(|(place, venue)| {
            let may_be_none = *place == 1;
            !(may_be_none && venue.is_none()) && self.venues.get(*venue).is_none()
        });
        match unknown {
            Some((_, venue)) => {
                self.refuse(&(*route).into(), Reject::UnknownVenue, i64::from(venue.0), out);
            }
            None => {
                self.venues.set_route(route, &mut self.digest);
                self.look_at_waiting(route.instrument);
            }
        }
        self.next_instrument_version(route.instrument)
    }

    pub(super) fn on_venue_state(
        &mut self,
        stamp: Stamp,
        seen: &VenueStateObserved,
        out: &mut EventBuffer,
    ) -> u64 {
        let version = self.next_system_version();
        match self.venues.get(seen.venue).copied() {
            None => self.refuse(&(*seen).into(), Reject::UnknownVenue, i64::from(seen.venue.0), out),
            Some(venue) => {
                let (was, now) = (venue.state, seen.state);
                let is_back = (was, now) == (VenueState::Disconnected, VenueState::Connected);
                let connected_at = if is_back { stamp.sequence } else { venue.connected_at };
                self.venues.set(seen.venue, Venue { state: now, connected_at, ..venue }, &mut self.digest);
                if is_back {
                    self.reconnect(stamp, seen.venue, out);
                }
            }
        }
        version
    }
}

const TAG_VENUE: u64 = 0x010B;
const TAG_ROUTE: u64 = 0x010C;
