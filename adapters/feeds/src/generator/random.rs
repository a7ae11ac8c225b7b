//! Randomness from a seed, in integers only, the same on every machine.
//!
//! The generator is xoshiro256** 1.0, seeded by splitmix64 (David Blackman and Sebastiano Vigna, 2018,
//! <https://prng.di.unimi.it>, public domain). Fractions are fixed-point with 16 bits ([`ONE`]).

/// 1 in fixed-point.
pub(super) const ONE: i64 = 1 << FRACTION_BITS;
pub(super) const FRACTION_BITS: u32 = 16;
/// ln 2 in fixed-point.
const LN_2: u64 = 45_426;

#[derive(Clone, Debug)]
pub(super) struct Random {
    state: [u64; 4],
}

impl Random {
    /// A sequence of its own for each pair of seed and stream.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut split = seed ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03);
        Self { state: std::array::from_fn(|_| splitmix64(&mut split)) }
    }

    pub(super) fn next(&mut self) -> u64 {
        let [s0, s1, s2, s3] = &mut self.state;
        let result = s1.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *s1 << 17;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= shifted;
        *s3 = s3.rotate_left(45);
        result
    }

    /// Uniform in `0..bound`, by the high half of a product (the bias, below bound ÷ 2³², does not matter here).
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let wide = (self.next() >> 32) * u64::from(bound);
        u32::try_from(wide >> 32).expect("the high half of a product of two 32-bit numbers has 32 bits")
    }

    /// Uniform in `0..bound`, for bounds that do not fit 32 bits.
    pub(super) fn below_wide(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the high half of a product of two 64-bit numbers has 64 bits")
    }

    /// True `count` times in `of`.
    pub(super) fn chance(&mut self, count: u32, of: u32) -> bool {
        self.below(of) < count
    }

    /// Symmetric around 0 with a standard deviation of about [`ONE`]: the sum of four uniforms, scaled by √3.
    pub(super) fn bell(&mut self) -> i64 {
        const ROOT_3: i64 = 113_512;
        let bits = self.next();
        let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
        ((sum.cast_signed() - 2 * ONE) * ROOT_3) >> FRACTION_BITS
    }

    /// Exponential with mean 1 in fixed-point: −ln of a uniform.
    pub(super) fn exponential(&mut self) -> u64 {
        (self.negative_log2() * LN_2) >> FRACTION_BITS
    }

    /// 2 to the power of an exponential, times `scale` ÷ [`ONE`] in the exponent: a Pareto tail. At least [`ONE`].
    ///
    /// P(X > x) = x^(−1/scale), so that a smaller scale has a thinner tail.
    pub(super) fn pareto(&mut self, scale: u64) -> u64 {
        let exponent = ((self.negative_log2() * scale) >> FRACTION_BITS).min(30 << FRACTION_BITS);
        let fraction = exponent & (ONE.cast_unsigned() - 1);
        (ONE.cast_unsigned() + fraction) << (exponent >> FRACTION_BITS)
    }

    /// −log2 of a uniform in (0, 1], in fixed-point: the number of leading zeros, less the logarithm of what follows,
    /// by log2(1 + f) ≈ f + 0.3438 f (1 − f) (off by 0.01 at most).
    fn negative_log2(&mut self) -> u64 {
        const BEND: u64 = 22_531;
        let bits = self.next() | 1;
        let zeros = u64::from(bits.leading_zeros());
        let fraction = ((bits << zeros) << 1) >> 48;
        let one = ONE.cast_unsigned();
        let bend = (((fraction * (one - fraction)) >> FRACTION_BITS) * BEND) >> FRACTION_BITS;
        ((zeros + 1) << FRACTION_BITS) - (fraction + bend).min(one)
    }
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_published_algorithms() {
        let mut state = 1_234_567;
        let first: Vec<u64> = (0..3).map(|_| splitmix64(&mut state)).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
        let mut random = Random { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| random.next()).collect();
        assert_eq!(first, [11_520, 0, 1_509_978_240, 1_215_971_899_390_074_240]);
    }

    #[test]
    fn the_shapes_have_the_moments_they_claim() {
        const COUNT: i64 = 200_000;
        let mut random = Random::new(1, 1);
        let near = |value: i64, wanted: i64| (value - wanted).abs() * 50 < wanted;
        let mean = (0..COUNT).map(|_| random.exponential().cast_signed()).sum::<i64>() / COUNT;
        assert!(near(mean, ONE), "mean of exponentials {mean}");
        let bells: Vec<i64> = (0..COUNT).map(|_| random.bell()).collect();
        let square = bells.iter().map(|bell| bell * bell).sum::<i64>() / COUNT;
        assert!(near(square, ONE * ONE), "variance of bells {square}");
        assert!((bells.iter().sum::<i64>() / COUNT).abs() < ONE / 50);
        let above_8 = (0..COUNT).filter(|_| random.pareto(ONE.cast_unsigned()) > 8 << 16).count();
        assert!(near(i64::try_from(above_8).unwrap(), COUNT / 8), "{above_8} above 8");
    }
}
