//! Chance from a seed: the same draws in every run, as the state is part of the venue's digest.
//!
//! The generator is splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014): one
//! word of state, every seed is good, and all it does is integer arithmetic.

use tickwerk_domain::Rate;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist};

/// A stream of random numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// All that decides about the next draws.
    pub fn state(self) -> u64 {
        self.0
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number from 0 to `last`, each as likely as the others up to one part in 2⁶⁴ for each of them.
    pub fn up_to(&mut self, last: u64) -> u64 {
        let product = u128::from(self.draw()) * (u128::from(last) + 1);
        u64::try_from(product >> 64).expect("the high half of the product is at most `last`")
    }

    /// Whether something happens that does so in this fraction of all cases. Draws only where it is in doubt.
    pub fn happens(&mut self, rate: Rate) -> bool {
        if rate <= Rate(0) || rate >= Rate::ONE {
            return rate > Rate(0);
        }
        self.up_to(Rate::ONE.0.cast_unsigned() - 1) < rate.0.cast_unsigned()
    }
}

impl Persist for Random {
    fn save(&self, to: &mut ImageWriter) {
        let Self(state) = self;
        state.save(to);
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(Self(from.value()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_draws_what_the_reference_implementation_draws() {
        // The first numbers for seed 1234567, as listed for Vigna's splitmix64.c.
        let mut random = Random::new(1_234_567);
        let drawn = [(); 3].map(|()| random.draw());
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_both_ends() {
        let mut random = Random::new(7);
        let mut seen = [0; 4];
        for _ in 0..4_000 {
            seen[usize::try_from(random.up_to(3)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
        assert_eq!(Random::new(1).up_to(0), 0);
        assert_eq!(Random::new(1).up_to(u64::MAX), Random::new(1).draw());
    }

    #[test]
    fn never_and_always_need_no_draw() {
        let mut random = Random::new(5);
        assert!(!random.happens(Rate(0)) && !random.happens(Rate(-1)) && random.happens(Rate::ONE));
        assert_eq!(random, Random::new(5));
        let count = (0..10_000).filter(|_| random.happens(Rate(25_000_000))).count();
        assert!((2_300..2_700).contains(&count), "{count}");
    }
}
