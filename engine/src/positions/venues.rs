//! At which venues a position stands: a bit for each venue whose fills made it.
//!
//! A fill adds its venue. A position that is flat and was made at one venue is flat there, so the next fill starts it
//! anew at its own venue; one that was made at two may be long at one and short at the other while it is flat here, and
//! keeps both. So a venue that is not in the set holds nothing of the position.

use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX, VENUES_MAX};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum};
use tickwerk_domain::{Digest, VenueId};

/// Of all positions, by their places: netted and long ones first, then the short sides of hedged pairs.
#[derive(Debug)]
pub(super) struct PositionVenues {
    sets: Box<[u16]>,
}

impl PositionVenues {
    pub(super) fn new() -> Self {
        Self { sets: vec![0; 2 * ACCOUNTS_MAX * INSTRUMENTS_MAX].into() }
    }

    /// A fill at a venue changes a position that was flat before, or was not.
    #[inline]
    pub(super) fn note(&mut self, place: usize, was_flat: bool, venue: VenueId, digest: &mut Digest) {
        let (set, own) = (self.sets[place], 1 << venue.0);
        let starts_anew = was_flat && set.count_ones() <= 1;
        let now = if starts_anew { own } else { set | own };
        // Nearly everybody trades an instrument at one venue.
        if now != set {
            digest.replace(hash(place, set), hash(place, now));
            self.sets[place] = now;
        }
    }

    /// Whether a venue has all of a position.
    pub(super) fn is_all_at(&self, place: usize, venue: VenueId) -> bool {
        self.sets[place] == 1 << venue.0
    }

    pub(super) fn save(&self, to: &mut ImageWriter) {
        to.table(&self.sets, &0);
    }

    pub(super) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let sets: Box<[u16]> = from.table(Self::new().sets)?;
        for (place, set) in sets.iter().enumerate() {
            sum.add(hash(place, *set));
        }
        Ok(Self { sets })
    }
}

fn hash(place: usize, set: u16) -> u64 {
    if set == 0 { 0 } else { row_hash(TAG, &[place as u64, u64::from(set)]) }
}

const TAG: u64 = 0x0605;
const _: () = assert!(VENUES_MAX <= 16, "a set of venues is one 16-bit word");

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: VenueId = VenueId(1);
    const THERE: VenueId = VenueId(15);

    #[test]
    fn a_flat_position_starts_anew_unless_two_venues_made_it() {
        let (mut venues, mut digest) = (PositionVenues::new(), Digest::default());
        let mut note = |was_flat, venue| {
            venues.note(7, was_flat, venue, &mut digest);
            [HERE, THERE].map(|venue| venues.is_all_at(7, venue))
        };
        assert_eq!(note(true, HERE), [true, false]);
        assert_eq!(note(false, HERE), [true, false]);
        assert_eq!(note(true, THERE), [false, true]);
        assert_eq!(note(false, HERE), [false, false]);
        assert_eq!(note(true, HERE), [false, false], "it may be long at one and short at the other");
        assert_eq!(digest.0, hash(7, 1 << 1 | 1 << 15));
    }
}
