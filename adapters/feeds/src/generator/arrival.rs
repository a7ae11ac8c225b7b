//! When the next thing happens: self-exciting arrivals with quiet and busy spells.
//!
//! A Hawkes process with an exponential kernel (Hawkes 1971), by thinning (Ogata 1981): each arrival raises the
//! intensity, which then decays. The base follows slow spells of quiet, normal and busy trade.
//!
//! Units: intensities are arrivals a second with 16 bits of fraction.

use super::random::{FRACTION_BITS, Random};
use tickwerk_domain::TimeNs;

/// The excitation halves in 2²⁶ ns, some 67 ms; parts of that are counted to 1 µs.
const HALF_LIFE_BITS: u32 = 26;
/// A mean spell is 2³⁴ ns, some 17 s.
const SPELL_BITS: u32 = 34;
/// Share of arrivals that others caused, of 256; below 256, or the process would explode.
const BRANCHING: u64 = 180;
/// β = ln 2 ÷ half-life, in thousandths a second.
const DECAY_RATE: u64 = 10_329;
const NS_PER_SECOND: u128 = 1_000_000_000;
/// Candidates for the next arrival; the last one is taken as it is.
const CANDIDATES_MAX: u32 = 64;
/// A burst is at most this many times the base.
const EXCITATION_MAX: u64 = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spell {
    Quiet,
    Normal,
    Busy,
}

#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    time: TimeNs,
    base: u64,
    excitation: u64,
    spell: Spell,
    spell_until: TimeNs,
}

impl Arrivals {
    /// `per_second` is the mean over bursts and spells, roughly.
    pub(super) fn new(start: TimeNs, per_second: u32) -> Self {
        let base = ((u64::from(per_second) << FRACTION_BITS) * (256 - BRANCHING)) >> 8;
        Self { time: start, base, excitation: 0, spell: Spell::Normal, spell_until: start }
    }

    /// Moves to the next arrival.
    pub(super) fn advance(&mut self, random: &mut Random) -> TimeNs {
        if self.time >= self.spell_until {
            self.next_spell(random);
        }
        let base = match self.spell {
            Spell::Quiet => self.base / 8,
            Spell::Normal => self.base,
            Spell::Busy => self.base * 2,
        };
        for _ in 0..CANDIDATES_MAX {
            let before = (base + self.excitation).max(1);
            let gap = u128::from(random.exponential()) * NS_PER_SECOND / u128::from(before);
            let gap = u64::try_from(gap).unwrap_or(u64::MAX).max(1);
            self.time = TimeNs(self.time.0.saturating_add(gap));
            self.excitation = decayed(self.excitation, gap);
            if random.below_wide(before) < base + self.excitation {
                break;
            }
        }
        // Each arrival adds β × the branching ratio, so that over its life it causes that many others.
        let jump = ((DECAY_RATE << FRACTION_BITS) / 1_000 * BRANCHING) >> 8;
        self.excitation = (self.excitation + jump).min(EXCITATION_MAX * self.base.max(jump));
        self.time
    }

    fn next_spell(&mut self, random: &mut Random) {
        self.spell = match random.below(10) {
            0..3 => Spell::Quiet,
            3..8 => Spell::Normal,
            _ => Spell::Busy,
        };
        let length = (u128::from(random.exponential()) << SPELL_BITS) >> FRACTION_BITS;
        self.spell_until = TimeNs(self.time.0.saturating_add(u64::try_from(length).unwrap_or(u64::MAX)));
    }
}

/// `value` × 2^(−gap ÷ half-life); the part x of a half-life that is left over by 1 − x ln 2 + x² (ln 2 − ½), which is
/// right at both ends and in slope at 0, and off by 0.006 at most.
fn decayed(value: u64, gap: u64) -> u64 {
    const LN_2: u64 = 45_426;
    const HALF: u64 = 1 << (FRACTION_BITS - 1);
    let halvings = gap >> HALF_LIFE_BITS;
    let Some(halved) = u32::try_from(halvings).ok().and_then(|bits| value.checked_shr(bits)) else {
        return 0;
    };
    let rest = (gap & ((1 << HALF_LIFE_BITS) - 1)) >> (HALF_LIFE_BITS - FRACTION_BITS);
    let lost = (rest * (LN_2 - ((rest * (LN_2 - HALF)) >> FRACTION_BITS))) >> FRACTION_BITS;
    let lost = (u128::from(halved) * u128::from(lost)) >> FRACTION_BITS;
    halved - u64::try_from(lost).expect("at most half of a 64-bit number")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arrivals in each of `count` windows of a fifth of a second.
    fn windows(per_second: u32, count: usize) -> Vec<u64> {
        let mut random = Random::new(5, 1);
        let mut arrivals = Arrivals::new(TimeNs(0), per_second);
        let mut counts = vec![0; count];
        loop {
            let time = arrivals.advance(&mut random).0;
            match counts.get_mut(usize::try_from(time / 200_000_000).unwrap()) {
                Some(window) => *window += 1,
                None => return counts,
            }
        }
    }

    #[test]
    fn arrivals_come_in_bursts_at_about_the_rate_asked_for() {
        let counts = windows(100, 20_000);
        let count = counts.len() as u64;
        let mean_x1000 = counts.iter().sum::<u64>() * 1_000 / count;
        assert!((10_000..40_000).contains(&mean_x1000), "mean of a window {mean_x1000}/1000, asked for 20");
        let squares = counts.iter().map(|n| n * n).sum::<u64>() * 1_000 / count;
        let variance_x1000 = squares - mean_x1000 * mean_x1000 / 1_000;
        // A Poisson process has 1 here.
        assert!(variance_x1000 > 3 * mean_x1000, "variance {variance_x1000} of mean {mean_x1000}");
    }

    #[test]
    fn decay_halves_and_ends() {
        assert_eq!(decayed(1_000, 1 << HALF_LIFE_BITS), 500);
        assert_eq!(decayed(100_000, 1 << (HALF_LIFE_BITS - 1)), 70_173);
        assert_eq!(decayed(100_000, 1 << (HALF_LIFE_BITS - 10)), 99_933);
        assert_eq!(decayed(u64::MAX, u64::MAX), 0);
    }
}
