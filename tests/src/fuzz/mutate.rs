//! Changed inputs for a run without a fuzzer: a seed gives always the same changes.

/// Numbers that look like chance.
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Begins at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        let number = self.number() % u64::try_from(bound).expect("bounds are small");
        usize::try_from(number).expect("less than the bound")
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}

/// Bytes that are often where a reader decides.
const EDGES: [u8; 6] = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff];
const CHANGES_MAX: usize = 4;
const PIECE_MAX: usize = 64;

/// Changes `bytes` in a few places; `other` gives pieces that are put in.
pub fn change(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    for _ in 0..=chance.below(CHANGES_MAX) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let place = chance.below(bytes.len());
        let length = (1 + chance.below(PIECE_MAX)).min(bytes.len() - place);
        match chance.below(7) {
            0 => bytes[place] ^= 1 << chance.below(8),
            1 => bytes[place] = EDGES[chance.below(EDGES.len())],
            2 => bytes[place] = chance.number().to_le_bytes()[0],
            3 => drop(bytes.drain(place..place + length)),
            4 => bytes.extend_from_within(place..place + length),
            5 => bytes.truncate(place),
            _ => {
                let start = chance.below(other.len().max(1)).min(other.len());
                let piece = &other[start..(start + length).min(other.len())];
                bytes.splice(place..place, piece.iter().copied());
            }
        }
    }
}
