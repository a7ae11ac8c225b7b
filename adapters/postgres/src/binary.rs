//! Values in PostgreSQL's binary form, as `COPY … BINARY` and array parameters have them.
//!
//! A field is its length in bytes (−1 for NULL) and its bytes, big-endian. Times are microseconds since 2000 in the
//! server; whatever lies below a microsecond is cut, which is why each time has a column of nanoseconds beside it.
//! Invariant: nothing here loses a digit: decimals are `numeric`, and no value is a floating-point number.

use tickwerk_domain::TimeNs;

/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH_US: i64 = 946_684_800_000_000;
/// What a `numeric` counts in.
const NUMERIC_BASE: u128 = 10_000;
const DIGITS_PER_GROUP: u32 = 4;
/// Most groups of an `i128` with a scale: 39 digits, split at the decimal point.
const GROUPS_MAX: usize = 16;
const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;
/// The first byte of binary `jsonb`.
const JSONB_VERSION: u8 = 1;

/// What stands before the rows of a binary copy: signature, flags, length of extensions.
pub(crate) const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What ends it.
pub(crate) const COPY_TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// Appends the fields of a row.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<u8>);

impl Fields {
    /// Begins a row of a copy.
    pub(crate) fn begin_row(&mut self, columns: i16) {
        self.0.extend_from_slice(&columns.to_be_bytes());
    }

    pub(crate) fn null(&mut self) {
        self.0.extend_from_slice(&(-1_i32).to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let length = i32::try_from(bytes.len()).expect("a value is far smaller than 2 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    pub(crate) fn int2(&mut self, number: i16) {
        self.bytes(&number.to_be_bytes());
    }

    pub(crate) fn int8(&mut self, number: i64) {
        self.bytes(&number.to_be_bytes());
    }

    pub(crate) fn bool(&mut self, flag: bool) {
        self.bytes(&[u8::from(flag)]);
    }

    /// A time, cut to microseconds.
    pub(crate) fn timestamp(&mut self, time: TimeNs) {
        let since_1970 =
            i64::try_from(time.0 / 1_000).expect("64 bits of nanoseconds are 55 bits of microseconds");
        self.int8(since_1970 - EPOCH_US);
    }

    pub(crate) fn jsonb(&mut self, json: &str) {
        let length = i32::try_from(json.len() + 1).expect("a value is far smaller than 2 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.push(JSONB_VERSION);
        self.0.extend_from_slice(json.as_bytes());
    }

    /// The exact decimal of `mantissa` with `scale` decimals.
    pub(crate) fn numeric(&mut self, mantissa: i128, scale: u8) {
        let mut groups = [0_u16; GROUPS_MAX];
        let mut count = 0;
        // The mantissa is made a whole number of groups behind the point; that cannot overflow two steps of division.
        let spare = (DIGITS_PER_GROUP - u32::from(scale) % DIGITS_PER_GROUP) % DIGITS_PER_GROUP;
        let mut rest = mantissa.unsigned_abs();
        let behind = u32::from(scale).div_ceil(DIGITS_PER_GROUP);
        if spare > 0 {
            let part = 10_u128.pow(DIGITS_PER_GROUP - spare);
            push_group(&mut groups, &mut count, rest % part * 10_u128.pow(spare));
            rest /= part;
        }
        while rest > 0 {
            push_group(&mut groups, &mut count, rest % NUMERIC_BASE);
            rest /= NUMERIC_BASE;
        }
        let trailing = groups[..count].iter().take_while(|group| **group == 0).count();
        let kept = &groups[trailing..count];
        let leading = kept.iter().rev().take_while(|group| **group == 0).count();
        let kept = &kept[..kept.len() - leading];
        let weight = i64::try_from(count - leading).expect("a few groups") - i64::from(behind) - 1;
        let sign = if mantissa < 0 { NEGATIVE } else { POSITIVE };
        let weight = if kept.is_empty() { 0 } else { i16::try_from(weight).expect("a few groups") };
        let groups_kept = u16::try_from(kept.len()).expect("a few groups");
        self.0.extend_from_slice(&(8 + 2 * i32::from(groups_kept)).to_be_bytes());
        self.0.extend_from_slice(&groups_kept.to_be_bytes());
        self.0.extend_from_slice(&weight.to_be_bytes());
        self.0.extend_from_slice(&sign.to_be_bytes());
        self.0.extend_from_slice(&u16::from(scale).to_be_bytes());
        for group in kept.iter().rev() {
            self.0.extend_from_slice(&group.to_be_bytes());
        }
    }
}

fn push_group(groups: &mut [u16; GROUPS_MAX], count: &mut usize, group: u128) {
    groups[*count] = u16::try_from(group).expect("a group is below 10,000");
    *count += 1;
}

/// A whole array parameter: one dimension of `count` elements that were appended as fields.
pub(crate) fn array_header(element_oid: u32, count: usize) -> Vec<u8> {
    let count = i32::try_from(count).expect("a batch has far fewer rows");
    let mut header = Vec::with_capacity(20);
    for word in [1, 1, i32::from_be_bytes(element_oid.to_be_bytes()), count, 1] {
        header.extend_from_slice(&word.to_be_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what `numeric` wrote, by the definition of the type: digits × 10000^(weight − place).
    fn read_numeric(bytes: &[u8]) -> (i128, u8) {
        let word = |at: usize| i16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let (count, weight, scale) = (word(4), word(6), u8::try_from(word(10)).unwrap());
        let mut mantissa = 0_i128;
        for place in 0..count {
            let exponent = i32::from(weight - place) * 4 + i32::from(scale);
            let group = i128::from(word(12 + 2 * usize::try_from(place).unwrap()));
            mantissa += if exponent >= 0 {
                group * 10_i128.pow(exponent.unsigned_abs())
            } else {
                let divisor = 10_i128.pow(exponent.unsigned_abs());
                assert_eq!(group % divisor, 0, "no digit lies behind the scale");
                group / divisor
            };
        }
        (if word(8) == 0x4000 { -mantissa } else { mantissa }, scale)
    }

    #[test]
    fn a_numeric_has_every_digit_at_every_scale() {
        let mantissas = [
            0,
            1,
            -1,
            9,
            10_000,
            -10_000,
            123_456_789,
            100_000_000,
            i128::from(i64::MAX),
            -99_999,
            10_i128.pow(30) + 7,
        ];
        for scale in 0..=18 {
            for mantissa in mantissas {
                let mut fields = Fields::default();
                fields.numeric(mantissa, scale);
                assert_eq!(
                    i32::from_be_bytes(fields.0[..4].try_into().unwrap()) + 4,
                    i32::try_from(fields.0.len()).unwrap()
                );
                assert_eq!(read_numeric(&fields.0), (mantissa, scale));
            }
        }
        let mut fields = Fields::default();
        fields.numeric(i128::MIN, 18);
        assert_eq!(fields.0[4..6], [0, 11], "39 digits are 11 groups");
    }
}
