//! Places in the one order, as a person names them: a sequence or a time.
//!
//! A time is that of the stamp, which never runs backwards, so that each range is one piece of the journal. Both ends of
//! a range belong to it. Errors say what may be written.

use std::str::FromStr;
use tickwerk_domain::{Envelope, Sequence, TimeNs};

/// A place in the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Position {
    Sequence(Sequence),
    Time(TimeNs),
}

/// Why a text is no position.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum PositionError {
    #[error(
        "neither a sequence (61), nor a time in RFC 3339 (2024-08-08T00:00:00.5Z), nor nanoseconds since 1970 with \"ns\" (1723075200500000000ns)"
    )]
    Unknown,
    #[error("times go from 1970-01-01T00:00:00Z to 2554-07-21T23:34:33.709551615Z")]
    OutOfRange,
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (digits, is_time) = text.strip_suffix("ns").map_or((text, false), |digits| (digits, true));
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = digits.parse::<u64>().map_err(|_| PositionError::OutOfRange)?;
            return Ok(if is_time { Self::Time(TimeNs(number)) } else { Self::Sequence(Sequence(number)) });
        }
        let time = text.parse::<jiff::Timestamp>().map_err(|_| PositionError::Unknown)?;
        let nanoseconds = u64::try_from(time.as_nanosecond()).map_err(|_| PositionError::OutOfRange)?;
        Ok(Self::Time(TimeNs(nanoseconds)))
    }
}

/// A piece of the journal; an end that is missing is the journal's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Range {
    pub(super) from: Option<Position>,
    pub(super) to: Option<Position>,
}

impl Range {
    /// Whether nothing can lie in it, whatever the journal holds.
    pub(super) fn is_reversed(self) -> bool {
        match (self.from, self.to) {
            (Some(Position::Sequence(from)), Some(Position::Sequence(to))) => to < from,
            (Some(Position::Time(from)), Some(Position::Time(to))) => to < from,
            (Some(Position::Sequence(_)), Some(Position::Time(_)))
            | (Some(Position::Time(_)), Some(Position::Sequence(_)))
            | (None, _)
            | (_, None) => false,
        }
    }

    /// Whether a record lies before the range.
    pub(super) fn is_ahead_of(self, envelope: &Envelope) -> bool {
        match self.from {
            None => false,
            Some(Position::Sequence(from)) => envelope.sequence < from,
            Some(Position::Time(from)) => envelope.time_ns < from,
        }
    }

    /// Whether the range begins before the first record of a journal, which is not kept from its beginning.
    pub(super) fn is_cut(self, first: &Envelope) -> bool {
        let begins_before = match self.from {
            None => true,
            Some(Position::Sequence(from)) => from < first.sequence,
            Some(Position::Time(from)) => from < first.time_ns,
        };
        first.sequence > Sequence::FIRST && begins_before
    }

    /// Whether a record, and so every later one, lies after the range.
    pub(super) fn is_behind(self, envelope: &Envelope) -> bool {
        match self.to {
            None => false,
            Some(Position::Sequence(to)) => to < envelope.sequence,
            Some(Position::Time(to)) => to < envelope.time_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Position, PositionError>) {
        assert_eq!(text.parse(), expected, "{text}");
    }

    #[test]
    fn a_position_is_a_sequence_or_a_time() {
        check("61", Ok(Position::Sequence(Sequence(61))));
        check("0", Ok(Position::Sequence(Sequence(0))));
        check("61ns", Ok(Position::Time(TimeNs(61))));
        check("1970-01-01T00:00:01Z", Ok(Position::Time(TimeNs(1_000_000_000))));
        check("1970-01-01T01:00:00.000000001+01:00", Ok(Position::Time(TimeNs(1))));
        check("2554-07-21T23:34:33.709551615Z", Ok(Position::Time(TimeNs::MAX)));
    }

    #[test]
    fn other_text_is_no_position() {
        for text in
            ["", "ns", "-1", "+1", "1.5", "61 ns", "61ms", "yesterday", "2024-08-08", "2024-08-08T00:00"]
        {
            check(text, Err(PositionError::Unknown));
        }
        for text in ["18446744073709551616", "18446744073709551616ns", "1969-12-31T23:59:59Z"] {
            check(text, Err(PositionError::OutOfRange));
        }
        check("2554-07-21T23:34:33.709551616Z", Err(PositionError::OutOfRange));
    }

    fn at(sequence: u64, time: u64) -> Envelope {
        Envelope { sequence: Sequence(sequence), time_ns: TimeNs(time), ..Envelope::default() }
    }

    #[test]
    fn both_ends_of_a_range_belong_to_it() {
        let range = |from: &str, to: &str| Range { from: from.parse().ok(), to: to.parse().ok() };
        let inside = |range: Range, at: &Envelope| !range.is_ahead_of(at) && !range.is_behind(at);
        let within = |range| [1, 2, 3, 4].map(|sequence| inside(range, &at(sequence, sequence * 10)));
        assert_eq!(within(range("2", "3")), [false, true, true, false]);
        assert_eq!(within(range("20ns", "30ns")), [false, true, true, false]);
        assert_eq!(within(range("2", "30ns")), [false, true, true, false]);
        assert_eq!(within(range("", "2")), [true, true, false, false]);
        assert_eq!(within(range("3", "")), [false, false, true, true]);
    }

    #[test]
    fn only_ends_of_the_same_kind_can_be_the_wrong_way_round() {
        let range = |from: &str, to: &str| Range { from: from.parse().ok(), to: to.parse().ok() };
        assert!(range("3", "2").is_reversed());
        assert!(range("3ns", "2ns").is_reversed());
        for (from, to) in [("2", "2"), ("2", "3"), ("3", "2ns"), ("3", ""), ("", "2")] {
            assert!(!range(from, to).is_reversed(), "{from} {to}");
        }
    }
}
