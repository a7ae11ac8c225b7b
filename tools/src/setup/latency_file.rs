//! Measured latencies of orders, from a csv with the columns `sent_ns,arrived_ns,reported_ns`.
//!
//! Units: nanoseconds on one clock, that of the stamps: when an order was sent, when it was at the venue, and when its
//! report was here. Rows stand in the order of sending; none arrives before an earlier one. What fails: reading, and every
//! row that breaks this; it is named with its line and value.

use std::path::{Path, PathBuf};
use tickwerk_domain::command::LatencyRecorded;
use tickwerk_domain::{InstrumentId, TimeNs};
use tickwerk_venue::LATENCIES_MAX;

const HEADER: &str = "sent_ns,arrived_ns,reported_ns";

/// Why a file is no table of latencies.
#[derive(Debug, thiserror::Error)]
pub(super) enum LatencyFileError {
    #[error("cannot read the latencies of {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}, line 1: {found:?} is not the header; write `{HEADER}`", path.display())]
    Header { path: PathBuf, found: String },
    #[error("{}, line {line}: {value:?} {fault}", path.display())]
    Row { path: PathBuf, line: usize, value: String, fault: &'static str },
    #[error("{} holds no latency; write at least one row behind the header", path.display())]
    Empty { path: PathBuf },
    #[error("{} holds more than {LATENCIES_MAX} latencies; leave some out", path.display())]
    TooMany { path: PathBuf },
}

/// The rows of a file.
pub(super) fn read_latencies(
    path: &Path,
    instrument: InstrumentId,
) -> Result<Vec<LatencyRecorded>, LatencyFileError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| LatencyFileError::Read { path: path.to_owned(), source })?;
    parse(path, &text, instrument)
}

fn parse(
    path: &Path,
    text: &str,
    instrument: InstrumentId,
) -> Result<Vec<LatencyRecorded>, LatencyFileError> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default().trim_end();
    if header != HEADER {
        let found = header.chars().take(80).collect();
        return Err(LatencyFileError::Header { path: path.to_owned(), found });
    }
    let mut points: Vec<LatencyRecorded> = Vec::new();
    for (line, row) in (2..).zip(lines) {
        let point = parse_row(row.trim_end(), instrument, points.last());
        let point = point.map_err(|(value, fault)| LatencyFileError::Row {
            path: path.to_owned(),
            line,
            value: value.chars().take(80).collect(),
            fault,
        })?;
        if points.len() == LATENCIES_MAX {
            return Err(LatencyFileError::TooMany { path: path.to_owned() });
        }
        points.push(point);
    }
    if points.is_empty() {
        return Err(LatencyFileError::Empty { path: path.to_owned() });
    }
    Ok(points)
}

/// A row behind `last`, or the value that is wrong and what is wrong with it.
fn parse_row<'a>(
    row: &'a str,
    instrument: InstrumentId,
    last: Option<&LatencyRecorded>,
) -> Result<LatencyRecorded, (&'a str, &'static str)> {
    let mut fields = row.split(',');
    let (Some(sent), Some(arrived), Some(reported), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err((row, "has not three fields; write sent_ns,arrived_ns,reported_ns"));
    };
    let number = |text: &'a str| {
        let time = text.parse().map(TimeNs);
        time.map_err(|_| (text, "is no whole number of nanoseconds; write such as 1723161256000000000"))
    };
    let (sent_at, arrived_at, reported_at) = (number(sent)?, number(arrived)?, number(reported)?);
    if arrived_at < sent_at {
        return Err((arrived, "is before the order was sent; write times of one clock"));
    }
    if reported_at < arrived_at {
        return Err((reported, "is before the order arrived; write times of one clock"));
    }
    if let Some(last) = last {
        if sent_at <= last.sent_at {
            return Err((sent, "is not behind the row before; sort the rows by sent_ns, each once"));
        }
        if arrived_at < last.arrived_at {
            return Err((
                arrived,
                "is before an earlier order's arrival; leave out the order that was overtaken",
            ));
        }
    }
    Ok(LatencyRecorded { sent_at, arrived_at, reported_at, instrument })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<LatencyRecorded>, String> {
        parse(Path::new("FILE"), text, InstrumentId(3)).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_are_read_in_their_order() {
        let [sent_at, arrived_at, reported_at] = [5, 7, 9].map(TimeNs);
        let first = LatencyRecorded { sent_at, arrived_at, reported_at, instrument: InstrumentId(3) };
        let second = LatencyRecorded { sent_at: TimeNs(6), ..first };
        assert_eq!(read(&format!("{HEADER}\n5,7,9\r\n6,7,9\n")), Ok(vec![first, second]));
    }

    #[test]
    fn what_is_no_table_is_named_with_its_line_and_value() {
        for (rows, told) in [
            ("5,7", "FILE, line 2: \"5,7\" has not three fields"),
            ("5,7,9,11", "FILE, line 2: \"5,7,9,11\" has not three fields"),
            ("5,7,9\n", "FILE, line 3: \"\" has not three fields"),
            ("5,-7,9", "FILE, line 2: \"-7\" is no whole number"),
            ("5,7.5,9", "FILE, line 2: \"7.5\" is no whole number"),
            ("5,4,9", "FILE, line 2: \"4\" is before the order was sent"),
            ("5,7,6", "FILE, line 2: \"6\" is before the order arrived"),
            ("5,7,9\n5,8,9", "FILE, line 3: \"5\" is not behind the row before"),
            ("5,7,9\n6,6,9", "FILE, line 3: \"6\" is before an earlier order's arrival"),
            ("", "FILE holds no latency"),
        ] {
            let text = if rows.is_empty() { HEADER.to_owned() } else { format!("{HEADER}\n{rows}\n") };
            let error = read(&text).expect_err(rows);
            assert!(error.starts_with(told), "{error}");
        }
        for text in ["", "5,7,9\n"] {
            assert!(
                read(text).expect_err("no header").contains("is not the header; write `sent_ns"),
                "{text}"
            );
        }
        let rows: Vec<_> = (0..=LATENCIES_MAX).map(|row| format!("{row},{row},{row}")).collect();
        let full = format!("{HEADER}\n{}", rows.join("\n"));
        assert!(read(&full).expect_err("too many").contains("leave some out"));
    }
}
