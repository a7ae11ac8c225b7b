//! An incremental digest: a sum of row hashes, so that a change costs two hashes and order does not matter.
//!
//! It compares two engines that should be the same; it is no protection against tampering (the hash chain is).
//! The row hash folds a 64 × 64 → 128 bit product, as the wyhash family does.

/// A sum of row hashes, wrapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Digest(pub u64);

impl Digest {
    /// A row changed: `old` leaves the sum, `new` enters it. A row that is not there has hash 0.
    #[inline]
    pub fn replace(&mut self, old: u64, new: u64) {
        self.0 = self.0.wrapping_sub(old).wrapping_add(new);
    }

    /// Rehashes a row in place: the kept hash leaves the sum, the new one enters it and is kept.
    #[inline]
    pub fn update(&mut self, kept: &mut u64, new: u64) {
        self.replace(*kept, new);
        *kept = new;
    }
}

/// Hash of a row: a tag that names its table, and its words in order.
#[inline]
pub fn row_hash(tag: u64, words: &[u64]) -> u64 {
    let mut hash = fold(tag ^ 0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93);
    // Each step waits for the one before it, so one takes two words.
    let (pairs, last) = words.as_chunks::<2>();
    for [first, second] in pairs {
        hash = fold(hash ^ first, second ^ FACTOR).wrapping_add(hash.rotate_left(23));
    }
    for word in last {
        hash = fold(hash ^ word, FACTOR).wrapping_add(hash.rotate_left(23));
    }
    hash
}

const FACTOR: u64 = 0xA076_1D64_78BD_642F;

/// The two words of a wide number, for [`row_hash`].
#[inline]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "splits the number in two words")]
pub fn words_of(wide: i128) -> [u64; 2] {
    [(wide >> 64) as u64, wide as u64]
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "folds the two halves of the product")]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tags_and_places_all_count() {
        let hashes = [
            row_hash(1, &[1, 2]),
            row_hash(1, &[2, 1]),
            row_hash(2, &[1, 2]),
            row_hash(1, &[1]),
            row_hash(1, &[]),
        ];
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash));
        }
    }

    #[test]
    fn a_row_that_returns_to_its_value_returns_the_digest() {
        let mut digest = Digest::default();
        let mut kept = 0;
        digest.update(&mut kept, row_hash(1, &[7]));
        let before = digest;
        digest.update(&mut kept, row_hash(1, &[8]));
        assert_ne!(digest, before);
        digest.update(&mut kept, row_hash(1, &[7]));
        assert_eq!(digest, before);
    }
}
