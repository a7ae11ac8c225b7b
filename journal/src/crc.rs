//! CRC-32C of some hundred bytes, three streams at once.
//!
//! The instruction takes three cycles for eight bytes and waits for the one before, but one may begin in every cycle. So
//! thirds are worked out side by side and put together by carry-less multiplication, after Gopal et al., "Fast CRC
//! Computation for iSCSI Polynomial Using CRC32 Instruction" (Intel, 2011). Nothing fails; the result is the library's.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "instructions that not every processor has must be asked for")
)]

/// Goes on from `crc`, as [`crc32c::crc32c_append`].
#[inline]
pub(crate) fn append(crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if x86::LENGTHS.contains(&bytes.len())
        && is_x86_feature_detected!("sse4.2")
        && is_x86_feature_detected!("pclmulqdq")
    {
        // SAFETY: the processor has the instructions.
        return unsafe { x86::in_thirds(crc, bytes) };
    }
    crc32c::crc32c_append(crc, bytes)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::format::u32_at;
    use std::arch::x86_64::{
        _mm_clmulepi64_si128, _mm_crc32_u8, _mm_crc32_u64, _mm_cvtsi64_si128, _mm_cvtsi128_si64,
    };
    use std::ops::RangeInclusive;

    /// Only seals are shorter, and for more the library has three streams.
    pub(super) const LENGTHS: RangeInclusive<usize> = 72..=1_024;

    const WORD: usize = size_of::<u64>();
    /// The polynomial of CRC-32C but for its highest term; the lowest bit stands for the highest power.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    const MOVES: usize = *LENGTHS.end() / WORD / 3 * 2 + 1;

    /// What moves a checksum over n words on: x^(64n − 33), as a product of two in this order of bits is one power higher
    /// and the checksum of it another 32.
    const MOVE: [u32; MOVES] = {
        let mut moves = [0; MOVES];
        let (mut power, mut exponent) = (1 << 31, 0);
        let mut words = 1;
        while words < MOVES {
            while exponent < 64 * words - 33 {
                power = (power >> 1) ^ if power & 1 == 1 { POLYNOMIAL } else { 0 };
                exponent += 1;
            }
            moves[words] = power;
            words += 1;
        }
        moves
    };

    #[target_feature(enable = "sse4.2,pclmulqdq")]
    pub(super) fn in_thirds(crc: u32, bytes: &[u8]) -> u32 {
        let (words, bytes) = bytes.as_chunks::<WORD>();
        let third = words.len() / 3;
        let (first, words) = words.split_at(third);
        let (second, words) = words.split_at(third);
        let (last, words) = words.split_at(third);
        let mut crcs = [u64::from(!crc), 0, 0];
        for ((one, two), three) in first.iter().zip(second).zip(last) {
            crcs[0] = _mm_crc32_u64(crcs[0], u64::from_le_bytes(*one));
            crcs[1] = _mm_crc32_u64(crcs[1], u64::from_le_bytes(*two));
            crcs[2] = _mm_crc32_u64(crcs[2], u64::from_le_bytes(*three));
        }
        let moved = product(crcs[0], MOVE[2 * third]) ^ product(crcs[1], MOVE[third]);
        let mut crc = _mm_crc32_u64(0, moved) ^ crcs[2];
        for word in words {
            crc = _mm_crc32_u64(crc, u64::from_le_bytes(*word));
        }
        let mut crc = u32_at(&crc.to_le_bytes(), 0);
        for byte in bytes {
            crc = _mm_crc32_u8(crc, *byte);
        }
        !crc
    }

    #[target_feature(enable = "pclmulqdq")]
    fn product(crc: u64, power: u32) -> u64 {
        let [crc, power] = [crc.cast_signed(), i64::from(power)].map(|factor| _mm_cvtsi64_si128(factor));
        _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(crc, power)).cast_unsigned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_checksum_of_the_library_at_every_length_from_every_state() {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        };
        let bytes: Vec<u8> = (0..1_500).map(|_| next().to_be_bytes()[0]).collect();
        for length in 0..bytes.len() {
            for crc in [0, u32::MAX, next()] {
                let of = &bytes[..length];
                assert_eq!(append(crc, of), crc32c::crc32c_append(crc, of), "{length} bytes from {crc:#x}");
            }
        }
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(append(0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(append(append(0, &bytes[..700]), &bytes[700..]), crc32c::crc32c(&bytes));
    }
}
