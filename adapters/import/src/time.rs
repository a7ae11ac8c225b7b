//! Times of sources: text in a format and a zone, to nanoseconds since 1970.
//!
//! Nothing is guessed: a text without an offset needs a zone, and a time that a clock showed twice or never, as clocks are
//! put back and forward, is refused.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};
use tickwerk_domain::{TimeNs, parse_decimal_i128};

/// How times are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TimeFormat {
    /// ISO 8601 or RFC 3339, with a blank or a T, with an offset or without.
    Iso,
    /// A decimal count since 1970, of units with so many decimals to a nanosecond.
    Unix(u8),
    /// As `strftime` has it.
    Pattern(String),
}

/// A zone, for texts that name none.
#[derive(Clone, Debug)]
pub(crate) struct TimeZoneText(Option<TimeZone>);

const REMEDY_ZONE: &str = "write \"UTC\", an offset such as \"+02:00\", or a name such as \"Europe/Berlin\"";

impl TimeFormat {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "iso" => Self::Iso,
            "unix_s" => Self::Unix(9),
            "unix_ms" => Self::Unix(6),
            "unix_us" => Self::Unix(3),
            "unix_ns" => Self::Unix(0),
            pattern if pattern.contains('%') => {
                // A pattern that cannot even write a time cannot read one.
                let probe =
                    jiff::fmt::strtime::format(pattern, &Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC));
                probe.map_err(|error| format!("time.format {pattern:?} is no pattern: {error}"))?;
                Self::Pattern(pattern.to_owned())
            }
            other => {
                return Err(format!(
                    "time.format is {other:?}; write iso, unix_s, unix_ms, unix_us, unix_ns, or a pattern such as \"%d.%m.%Y %H:%M:%S\""
                ));
            }
        })
    }
}

impl TimeZoneText {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text else { return Ok(Self(None)) };
        let zone = match text {
            "UTC" | "Z" => Some(TimeZone::UTC),
            offset if offset.starts_with(['+', '-']) => fixed(offset),
            name => TimeZone::get(name).ok(),
        };
        let fault = || format!("time.zone is {text:?}, which is not known here; {REMEDY_ZONE}");
        zone.map(|zone| Self(Some(zone))).ok_or_else(fault)
    }

    /// The moment that a clock of this zone shows.
    fn moment(&self, shown: DateTime) -> Result<Timestamp, String> {
        let zone = self.0.as_ref().ok_or("names no offset, and the source has no time.zone")?;
        zone.to_ambiguous_timestamp(shown)
            .unambiguous()
            .map_err(|_| "was shown twice or never there, as clocks were put back or forward".to_owned())
    }
}

/// `+hh:mm` or `-hh:mm`.
fn fixed(text: &str) -> Option<TimeZone> {
    let (hours, minutes) = text[1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds = (hours * 60 + minutes) * 60;
    let seconds = if text.starts_with('-') { -seconds } else { seconds };
    (minutes < 60).then_some(())?;
    Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))
}

/// The time that `text` tells, or what is wrong with it, as half a sentence.
pub(crate) fn read(text: &str, format: &TimeFormat, zone: &TimeZoneText) -> Result<TimeNs, String> {
    let nanoseconds = match format {
        TimeFormat::Unix(decimals) => {
            parse_decimal_i128(text, *decimals).map_err(|error| error.to_string())?
        }
        TimeFormat::Iso => match text.parse::<Timestamp>() {
            Ok(moment) => moment.as_nanosecond(),
            Err(_) => {
                let shown: DateTime = text.parse().map_err(|_| "is no time of ISO 8601".to_owned())?;
                zone.moment(shown)?.as_nanosecond()
            }
        },
        TimeFormat::Pattern(pattern) => {
            let broken = BrokenDownTime::parse(pattern, text);
            let broken = broken.map_err(|error| format!("is not as {pattern:?} has it: {error}"))?;
            if broken.offset().is_some() {
                let moment = broken.to_timestamp();
                moment.map_err(|error| format!("is no time: {error}"))?.as_nanosecond()
            } else {
                let date = broken.to_date().map_err(|error| format!("is no date: {error}"))?;
                let time = broken.to_time().unwrap_or(Time::midnight());
                zone.moment(date.to_datetime(time))?.as_nanosecond()
            }
        }
    };
    let fault = || "lies before 1970 or after 2262".to_owned();
    i64::try_from(nanoseconds)
        .ok()
        .and_then(|time| u64::try_from(time).ok())
        .filter(|time| *time > 0)
        .map(TimeNs)
        .ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, format: &str, zone: Option<&str>) -> Result<u64, String> {
        let (format, zone) = (TimeFormat::parse(format)?, TimeZoneText::parse(zone)?);
        read(text, &format, &zone).map(|time| time.0)
    }

    #[test]
    fn a_time_is_read_to_the_nanosecond_in_every_format() {
        let expected = Ok(1_704_164_645_123_456_789);
        assert_eq!(told("2024-01-02T03:04:05.123456789Z", "iso", None), expected);
        assert_eq!(told("2024-01-02 05:04:05.123456789+02", "iso", None), expected);
        assert_eq!(told("2024-01-02 03:04:05.123456789", "iso", Some("UTC")), expected);
        assert_eq!(told("2024-01-01 22:04:05.123456789", "iso", Some("America/New_York")), expected);
        assert_eq!(told("1704164645.123456789", "unix_s", None), expected);
        assert_eq!(told("1704164645123.456789", "unix_ms", None), expected);
        assert_eq!(told("1704164645123456789", "unix_ns", None), expected);
        let pattern = "%d.%m.%Y %H:%M:%S%.f";
        assert_eq!(told("02.01.2024 04:04:05.123456789", pattern, Some("+01:00")), expected);
        assert_eq!(told("20240102", "%Y%m%d", Some("UTC")), Ok(1_704_153_600_000_000_000));
    }

    #[test]
    fn what_could_be_another_time_is_refused() {
        for (text, format, zone, reason) in [
            ("2024-01-02 03:04:05", "iso", None, "names no offset"),
            ("2024-10-27 02:30:00", "iso", Some("Europe/Berlin"), "shown twice or never"),
            ("2024-03-31 02:30:00", "iso", Some("Europe/Berlin"), "shown twice or never"),
            ("1969-12-31T23:59:59Z", "iso", None, "before 1970"),
            ("yesterday", "iso", None, "no time of ISO 8601"),
            ("1704164645.1234567891", "unix_s", None, "has 10 decimals"),
            ("13/13/2024", "%m/%d/%Y", Some("UTC"), "is not as"),
            ("x", "isodate", None, "time.format is"),
            ("x", "iso", Some("Mars/Olympus"), "is not known here"),
        ] {
            let found = told(text, format, zone).expect_err(text);
            assert!(found.contains(reason), "{text}: {found}");
        }
    }
}
