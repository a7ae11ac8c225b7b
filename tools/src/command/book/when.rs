//! Times of day and of history, as the formats count them, from text and back.

use tickwerk_domain::{TimeNs, format_decimal, parse_decimal};
use tickwerk_feeds::order_by_order::OrderFormat;
use tickwerk_render as render;

const SECOND_NS: u64 = 1_000_000_000;
const NS_SCALE: u8 = 9;

/// Why a text is no time of a format.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum WhenError {
    #[error("{0:?} is no time of a day; write 10:15:00.5, or 36900.5 for seconds after midnight")]
    Day(String),
    #[error(
        "{0:?} is no time; write RFC 3339 (2024-05-08T00:00:01.5Z) or nanoseconds since 1970 (1715126401500000000)"
    )]
    History(String),
}

pub(super) fn parse(text: &str, format: OrderFormat) -> Result<TimeNs, WhenError> {
    match format {
        OrderFormat::Lobster => parse_day(text).ok_or_else(|| WhenError::Day(text.to_owned())),
        OrderFormat::Bitstamp | OrderFormat::Databento => {
            parse_history(text).ok_or_else(|| WhenError::History(text.to_owned()))
        }
    }
}

pub(super) fn show(time: TimeNs, format: OrderFormat) -> String {
    match format {
        OrderFormat::Lobster => {
            let (seconds, rest) = (time.0 / SECOND_NS, time.0 % SECOND_NS);
            format!("{:02}:{:02}:{:02}.{rest:09}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        }
        OrderFormat::Bitstamp | OrderFormat::Databento => render::rfc3339(time),
    }
}

fn parse_day(text: &str) -> Option<TimeNs> {
    let seconds = |text: &str| u64::try_from(parse_decimal(text, NS_SCALE).ok()?).ok();
    let mut parts = text.split(':');
    let (first, second, third, rest) = (parts.next()?, parts.next(), parts.next(), parts.next());
    let time = match (second, third, rest) {
        (None, None, None) => seconds(first)?,
        (Some(minutes), behind, None) => {
            let whole = |text: &str, limit: u64| text.parse::<u64>().ok().filter(|number| *number < limit);
            let behind = seconds(behind.unwrap_or("0")).filter(|time| *time < 60 * SECOND_NS)?;
            (whole(first, 25)? * 3_600 + whole(minutes, 60)? * 60) * SECOND_NS + behind
        }
        (None | Some(_), None | Some(_), None | Some(_)) => return None,
    };
    Some(TimeNs(time))
}

fn parse_history(text: &str) -> Option<TimeNs> {
    if let Ok(time) = text.parse::<u64>() {
        return Some(TimeNs(time));
    }
    let time = text.parse::<jiff::Timestamp>().ok()?;
    u64::try_from(time.as_nanosecond()).ok().map(TimeNs)
}

/// A mantissa without the zeros that its scale adds, but with at least `decimals_min` decimals.
pub(super) fn decimal(mantissa: i64, scale: u8, decimals_min: usize) -> String {
    let mut text = format_decimal(i128::from(mantissa), scale);
    let Some(point) = text.find('.') else {
        return text;
    };
    let behind = text.trim_end_matches('0').len().max(point + 1 + decimals_min.min(usize::from(scale)));
    text.truncate(if behind == point + 1 { point } else { behind });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_day_are_read_and_shown() {
        for (text, shown) in [
            ("34200.004241176", "09:30:00.004241176"),
            ("10:15:00.5", "10:15:00.500000000"),
            ("10:15", "10:15:00.000000000"),
            ("0", "00:00:00.000000000"),
        ] {
            let time = parse(text, OrderFormat::Lobster).expect("a time");
            assert_eq!(show(time, OrderFormat::Lobster), shown);
        }
        for text in ["", "noon", "-1", "10:60", "10:00:60", "1:2:3:4", "10:", ":", "1e3", "25:00"] {
            assert_eq!(parse(text, OrderFormat::Lobster), Err(WhenError::Day(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn times_of_history_are_read_and_shown() {
        for text in ["1715126401500000000", "2024-05-08T00:00:01.5Z"] {
            let time = parse(text, OrderFormat::Databento);
            assert_eq!(time, Ok(TimeNs(1_715_126_401_500_000_000)));
        }
        assert_eq!(show(TimeNs(1_500_000_000), OrderFormat::Bitstamp), "1970-01-01T00:00:01.500000000Z");
        for text in ["", "10:15", "-5", "2024-05-08", "1969-12-31T00:00:00Z"] {
            assert!(parse(text, OrderFormat::Bitstamp).is_err(), "{text}");
        }
    }

    #[test]
    fn decimals_lose_the_zeros_of_their_scale_only() {
        let shown = [(5_853_300, 4, 2), (5_853_310, 4, 2), (100, 0, 2), (5_200, 3, 0), (1_200_000, 3, 0)]
            .map(|(mantissa, scale, min)| decimal(mantissa, scale, min));
        assert_eq!(shown, ["585.33", "585.331", "100", "5.2", "1200"]);
        assert_eq!(decimal(-1, 9, 2), "-0.000000001");
    }
}
