//! Price bands of an exchange of our own: orders that would trade too far away do not.
//!
//! - The static band is two prices. A limit outside of them is refused, in auctions too, as exchanges do with daily limits.
//! - The dynamic band lies around the last trade, by a fraction of its price, and moves with each order that comes. A limit
//!   that would pay beyond its edge is refused; one that stands far away from the market is not (as the price banding of
//!   CME Globex does it). There is none before the first trade, and none in auctions.
//!
//! Nothing trades outside of either, at whatever limit: what is left of an order that would is cancelled. Orders that rest
//! stay where they are when a band moves. An auction whose orders cross only outside the static band goes on gathering
//! until the band or the session is set anew.

use crate::SimulatedVenue;
use crate::book::{Band, BandRule, Phase};
use crate::market::Market;
use tickwerk_domain::command::PriceBandSet;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{InstrumentId, Price, Rate, Side, TimeNs};

/// An instrument's band, where it has one.
#[derive(Debug, Default)]
pub(crate) struct PriceBand {
    setting: Option<PriceBandSet>,
    row: u64,
}

/// The lowest and the highest price.
type Edges = (Price, Price);

tickwerk_domain::persist! { PriceBand { setting, row } }

impl PriceBand {
    /// What it counts in the digest, where it is what its hash says.
    pub(crate) fn checked_row(&self) -> Option<u64> {
        (self.row == self.setting.as_ref().map_or(0, hash)).then_some(self.row)
    }

    fn fixed(setting: &PriceBandSet) -> Option<Edges> {
        (setting.low != Price(0) || setting.high != Price(0)).then_some((setting.low, setting.high))
    }
}

impl Market {
    /// The edges of the dynamic band in continuous trading.
    fn dynamic_band(&self, setting: &PriceBandSet) -> Option<Edges> {
        let last = self.traded_at.filter(|_| setting.dynamic > Rate(0))?;
        let wide = i128::from(last.0).abs() * i128::from(setting.dynamic.0) / i128::from(Rate::ONE.0);
        let wide = i64::try_from(wide).expect("a fraction of 64 bits");
        Some((Price(last.0.saturating_sub(wide)), Price(last.0.saturating_add(wide))))
    }

    /// Where trades may happen in a phase; anywhere without a band.
    fn trades_within(&self, phase: Phase) -> Option<Band> {
        let setting = self.band.setting.as_ref()?;
        let all = (Price(i64::MIN), Price(i64::MAX));
        let moving = self.dynamic_band(setting).filter(|_| phase == Phase::Continuous);
        let (fixed, moving) = (PriceBand::fixed(setting).unwrap_or(all), moving.unwrap_or(all));
        let (low, high) = (fixed.0.max(moving.0), fixed.1.min(moving.1));
        Some(Band { low, high, rule: BandRule::Stop })
    }
}

impl SimulatedVenue {
    /// Sets the prices at which an instrument may trade, from `at` on.
    pub fn configure_band(&mut self, at: TimeNs, setting: &PriceBandSet) {
        let instrument = setting.instrument;
        let band = &mut self.markets[instrument.0 as usize].band;
        let is_none = PriceBand::fixed(setting).is_none() && setting.dynamic == Rate(0);
        band.setting = (!is_none).then_some(*setting);
        let row = if is_none { 0 } else { hash(setting) };
        self.digest.update(&mut band.row, row);
        self.open_late(instrument, at);
        self.rehash(instrument);
    }

    /// Whether a limit may not enter, of an order that is no market order.
    pub(crate) fn is_outside_band(&self, instrument: InstrumentId, side: Side, limit: Price) -> bool {
        let market = self.market(instrument);
        let (Some(setting), Some(book)) = (&market.band.setting, self.exchange(instrument)) else {
            return false;
        };
        let moving = market.dynamic_band(setting).filter(|_| book.phase() == Phase::Continuous);
        let beyond_fixed = PriceBand::fixed(setting).is_some_and(|(low, high)| limit < low || limit > high);
        let pays_beyond = moving.is_some_and(|(low, high)| match side {
            Side::Buy => limit > high,
            Side::Sell => limit < low,
        });
        beyond_fixed || pays_beyond
    }

    /// Tells the book where it may trade next.
    pub(crate) fn hold_in_band(&mut self, instrument: InstrumentId) {
        let Some(book) = self.exchange(instrument).filter(|book| !book.is_unfinished()) else {
            // The band in which it began holds to its end.
            return;
        };
        let band = self.market(instrument).trades_within(book.phase());
        if book.band() != band {
            let book = self.exchange_mut(instrument).expect("it is there");
            book.set_band(band).expect("nothing is unfinished");
        }
    }
}

fn hash(setting: &PriceBandSet) -> u64 {
    let [low, high, dynamic] = [setting.low.0, setting.high.0, setting.dynamic.0].map(i64::cast_unsigned);
    row_hash(TAG, &[u64::from(setting.instrument.0), low, high, dynamic])
}

const TAG: u64 = 0x015B;
