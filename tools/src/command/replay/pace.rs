//! How fast records are shown: at once, or with the gaps that they had, divided by a factor.
//!
//! Each record is due at a time counted from the first one, not from the one before, so that delays do not add up and
//! bursts stay bursts. The factor is exact: a decimal is kept as a fraction.

use std::str::FromStr;
use std::time::{Duration, Instant};
use tickwerk_domain::{DurationNs, TimeNs};

/// How the gaps between records are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Speed {
    /// Not at all.
    Max,
    /// Multiplied by `slower` and divided by `faster`; both positive.
    Times { faster: u64, slower: u64 },
}

/// Why a text is no speed.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
#[error("neither \"max\" nor a positive decimal of up to 15 digits, such as 1, 0.5 or 100")]
pub(super) struct SpeedError;

/// So that both parts of the fraction fit.
const DIGITS_MAX: usize = 15;

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = format!("{whole}{decimals}");
        let is_decimal = !whole.is_empty() && !decimals.is_empty() && digits.len() <= DIGITS_MAX;
        if !is_decimal || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SpeedError);
        }
        let faster = digits.parse::<u64>().map_err(|_| SpeedError)?;
        let slower = decimals.bytes().fold(1, |power, _| power * 10);
        if faster == 0 { Err(SpeedError) } else { Ok(Self::Times { faster, slower }) }
    }
}

impl Speed {
    /// How long `span` takes at this speed.
    fn stretch(self, span: DurationNs) -> Duration {
        match self {
            Self::Max => Duration::ZERO,
            Self::Times { faster, slower } => {
                let nanoseconds = u128::from(span.0) * u128::from(slower) / u128::from(faster);
                Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
            }
        }
    }
}

/// When records are due.
#[derive(Debug)]
pub(super) struct Pace {
    speed: Speed,
    /// When the first record was shown, and its own time.
    first: Option<(Instant, TimeNs)>,
}

impl Pace {
    pub(super) fn new(speed: Speed) -> Self {
        Self { speed, first: None }
    }

    /// How long the record of `time` has to wait.
    pub(super) fn wait(&mut self, time: TimeNs) -> Duration {
        if self.speed == Speed::Max {
            return Duration::ZERO;
        }
        let (started, first) = *self.first.get_or_insert_with(|| (Instant::now(), time));
        self.speed.stretch(time.since(first)).saturating_sub(started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_max_or_a_positive_decimal() {
        let times = |faster, slower| Ok(Speed::Times { faster, slower });
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("1".parse(), times(10, 10));
        assert_eq!("0.5".parse(), times(5, 10));
        assert_eq!("100.25".parse(), times(10_025, 100));
        let bad = ["", "0", "0.0", "-1", "+1", "1x", ".5", "5.", "1e3", "fast", "1.2.3", "1234567890123456"];
        for text in bad {
            assert_eq!(text.parse::<Speed>(), Err(SpeedError), "{text}");
        }
    }

    #[test]
    fn gaps_are_divided_by_the_speed() {
        let stretch = |speed: &str, span| speed.parse::<Speed>().map(|speed| speed.stretch(DurationNs(span)));
        assert_eq!(stretch("max", 1_000), Ok(Duration::ZERO));
        assert_eq!(stretch("1", 1_000), Ok(Duration::from_micros(1)));
        assert_eq!(stretch("0.5", 1_000), Ok(Duration::from_micros(2)));
        assert_eq!(stretch("8", 1_000), Ok(Duration::from_nanos(125)));
        assert_eq!(stretch("0.00000000000001", u64::MAX), Ok(Duration::from_nanos(u64::MAX)));
    }

    #[test]
    fn the_first_record_and_those_at_its_time_are_due_at_once() {
        let mut pace = Pace::new(Speed::Times { faster: 1, slower: 1 });
        assert_eq!(pace.wait(TimeNs(5_000_000_000)), Duration::ZERO);
        assert_eq!(pace.wait(TimeNs(5_000_000_000)), Duration::ZERO);
        assert!(pace.wait(TimeNs(3_605_000_000_000)) > Duration::from_mins(50));
    }
}
