//! Which records become rows of `events`: families, and of market data all, none, a sample or the first of each period.
//!
//! A rule decides by what the journal holds alone, so that the same journal gives the same rows however it is cut into
//! batches and whoever ships it. What was selected is kept in the database with the sequence from which on it holds:
//! a change holds from the next record on, and verification knows what held when. Checkpoint, names and read models know
//! every record, selected or not.

use crate::error::PostgresError;
use crate::meaning::{position, sequence};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use tickwerk_domain::{Command, Family, Payload, Record, Sequence, Stream, TypeId};
use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;

const DAY: Duration = Duration::from_hours(24);

/// What is kept of market data. Only what a feed says is thinned (quotes, trades, books, marks, latencies): definitions,
/// sessions, routes and what the engine makes of books are always kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Market {
    #[default]
    All,
    None,
    /// One record in so many on average, chosen by a hash of its sequence.
    Sample(u32),
    /// The first record of each type and stream in each period, counted from 1970; a day holds a whole number of periods.
    Conflate(Duration),
}

impl FromStr for Market {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let remedy = "write \"all\", \"none\", \"sample 100\" for one record in 100, or \"conflate 1s\" for the first of \
                      each type in each second";
        match text.split_once(' ') {
            None if text == "all" => Ok(Self::All),
            None if text == "none" => Ok(Self::None),
            Some(("sample", count)) => {
                count.parse().ok().filter(|count| *count > 0).map(Self::Sample).ok_or_else(|| remedy.to_owned())
            }
            Some(("conflate", period)) => parse_period(period).map(Self::Conflate).ok_or_else(|| {
                format!("{remedy}; a period is a whole number of ms, s, m or h of which a day holds a whole number")
            }),
            Some(_) | None => Err(remedy.to_owned()),
        }
    }
}

const UNITS: [(&str, Duration); 4] = [
    ("ms", Duration::from_millis(1)),
    ("h", Duration::from_hours(1)),
    ("m", Duration::from_mins(1)),
    ("s", Duration::from_secs(1)),
];

fn parse_period(text: &str) -> Option<Duration> {
    let (number, unit) = UNITS.iter().find_map(|(word, unit)| Some((text.strip_suffix(word)?, unit)))?;
    let period = unit.checked_mul(number.parse().ok()?)?;
    (!period.is_zero() && DAY.as_nanos().is_multiple_of(period.as_nanos())).then_some(period)
}

impl fmt::Display for Market {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => out.write_str("all"),
            Self::None => out.write_str("none"),
            Self::Sample(count) => write!(out, "sample {count}"),
            Self::Conflate(period) => {
                let by_size = [UNITS[1], UNITS[2], UNITS[3], UNITS[0]];
                let whole =
                    by_size.iter().find(|(_, unit)| period.as_nanos().is_multiple_of(unit.as_nanos()));
                let (word, unit) = whole.unwrap_or(&UNITS[0]);
                write!(out, "conflate {}{word}", period.as_nanos() / unit.as_nanos())
            }
        }
    }
}

/// What is asked for; what is not said stays as the database has it, or is everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    pub families: Option<Vec<Family>>,
    pub market: Option<Market>,
}

/// What becomes rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection {
    pub families: Vec<Family>,
    pub market: Market,
}

impl Default for Selection {
    fn default() -> Self {
        Self { families: Family::ALL.to_vec(), market: Market::All }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.families.iter().map(|family| family.word()).collect();
        write!(out, "families {}; market data: {}", words.join(", "), self.market)
    }
}

/// What was selected from which record on, and what of each period was seen already.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Selector {
    /// Rules in order; each holds from its sequence on.
    rules: Vec<(Sequence, Selection)>,
    /// Of how many rules the last one has begun.
    begun: usize,
    /// The last period of which a record was taken.
    taken: BTreeMap<(Stream, TypeId), u64>,
}

impl Selector {
    /// What held when, as the database has it.
    pub(crate) async fn load(client: &impl GenericClient) -> Result<Self, PostgresError> {
        let sql = "SELECT from_position, families, market FROM tickwerk.selection ORDER BY from_position";
        let rows = client.query(sql, &[]).await.map_err(PostgresError::statement("read what is selected"))?;
        let mut rules = Vec::new();
        for row in rows {
            let (from, words, market): (i64, Vec<String>, &str) = (row.get(0), row.get(1), row.get(2));
            let is_word = |family: &&Family| words.iter().any(|word| word == family.word());
            let families = Family::ALL.iter().filter(is_word).copied().collect();
            let market = market.parse().map_err(|_| {
                PostgresError::Schema(format!(
                    "the rule \"{market}\" in tickwerk.selection is none of this build's"
                ))
            })?;
            rules.push((sequence(from), Selection { families, market }));
        }
        Ok(Self { rules, begun: 0, taken: BTreeMap::new() })
    }

    /// Selects what is wanted from behind `at` on; whether that differs from before.
    pub(crate) fn want(&mut self, wanted: &Wanted, at: Sequence) -> bool {
        let before = self.rules.last().map(|(_, rule)| rule.clone());
        let mut rule = before.clone().unwrap_or_default();
        if let Some(families) = &wanted.families {
            rule.families = Family::ALL.iter().filter(|family| families.contains(family)).copied().collect();
        }
        rule.market = wanted.market.unwrap_or(rule.market);
        if before.as_ref() == Some(&rule) {
            return false;
        }
        self.rules.retain(|(from, _)| *from <= at);
        self.rules.push((at.next(), rule));
        true
    }

    /// The last rule.
    pub(crate) fn newest(&self) -> Selection {
        self.rules.last().map(|(_, rule)| rule.clone()).unwrap_or_default()
    }

    /// Writes the last rule.
    pub(crate) async fn save(&self, client: &impl GenericClient) -> Result<(), PostgresError> {
        let Some((from, rule)) = self.rules.last() else { return Ok(()) };
        let words: Vec<&str> = rule.families.iter().map(|family| family.word()).collect();
        let sql = "INSERT INTO tickwerk.selection (from_position, families, market) VALUES ($1, $2, $3)
            ON CONFLICT (from_position) DO UPDATE SET families = EXCLUDED.families, market = EXCLUDED.market,
                chosen_at = now(), chosen_by = session_user";
        let values: [&(dyn ToSql + Sync); 3] = [&position(*from), &words, &rule.market.to_string()];
        let saved = client.execute(sql, &values).await;
        saved.map(drop).map_err(PostgresError::statement("note what is selected"))
    }

    /// Stands behind `at`, knowing what of the period there was taken: the rows say it.
    pub(crate) async fn stand(
        &mut self,
        client: &impl GenericClient,
        at: Sequence,
    ) -> Result<(), PostgresError> {
        self.begun = self.rules.iter().take_while(|(from, _)| *from <= at).count();
        self.taken.clear();
        let Some((from, rule)) = self.begun.checked_sub(1).map(|place| &self.rules[place]) else {
            return Ok(());
        };
        let Market::Conflate(period) = rule.market else { return Ok(()) };
        // Stamps never fall, so periods before that of the newest row are over.
        let sql = "WITH newest AS (SELECT recorded_at_ns / $3 * $3 AS begin_ns FROM tickwerk.events
                WHERE family = 'market' AND global_position <= $2 ORDER BY global_position DESC LIMIT 1)
            SELECT DISTINCT ON (stream, event_type) stream, event_type, recorded_at_ns / $3
            FROM tickwerk.events, newest
            WHERE family = 'market' AND global_position BETWEEN $1 AND $2 AND recorded_at_ns >= begin_ns
                AND recorded_at >= to_timestamp(begin_ns / 1000000000)
            ORDER BY stream, event_type, global_position DESC";
        let period = i64::try_from(period.as_nanos()).unwrap_or(i64::MAX);
        let values: [&(dyn ToSql + Sync); 3] = [&position(*from), &position(at), &period];
        let rows = client.query(sql, &values).await;
        for row in rows.map_err(PostgresError::statement("read what was taken of a period"))? {
            let (stream, word, number): (&str, &str, i64) = (row.get(0), row.get(1), row.get(2));
            if let (Some(stream), Some(type_id)) = (stream_of(stream), crate::reading::type_of(word)) {
                self.taken.insert((stream, type_id), number.unsigned_abs());
            }
        }
        Ok(())
    }

    /// Whether a record becomes a row; records come in order.
    pub(crate) fn takes(&mut self, record: &Record) -> bool {
        let at = record.envelope.sequence;
        while self.rules.get(self.begun).is_some_and(|(from, _)| *from <= at) {
            self.begun += 1;
            self.taken.clear();
        }
        let Some((_, rule)) = self.begun.checked_sub(1).map(|place| &self.rules[place]) else {
            return false;
        };
        let type_id = record.payload.type_id();
        if !type_id.family().is_some_and(|family| rule.families.contains(&family)) {
            return false;
        }
        if rule.market == Market::All || !is_of_feed(&record.payload) {
            return true;
        }
        match rule.market {
            Market::All => true,
            Market::None => false,
            Market::Sample(count) => mixed(at.0).is_multiple_of(u64::from(count)),
            Market::Conflate(period) => {
                let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
                let number = record.envelope.time_ns.0 / period;
                self.taken.insert((record.payload.stream(at), type_id), number) != Some(number)
            }
        }
    }
}

/// Whether it is what a feed says, and comes in numbers.
fn is_of_feed(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::Command(
            Command::QuoteObserved(_)
                | Command::TradeObserved(_)
                | Command::BookDelta(_)
                | Command::BookOrderObserved(_)
                | Command::MarkObserved(_)
                | Command::LatencyRecorded(_)
        )
    )
}

/// A number whose bits all depend on all of `number`: the finalizer of `SplitMix64`, so that records which come in turns are
/// sampled alike.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// The stream of an instrument by its name; what a feed says lies in no other one.
fn stream_of(name: &str) -> Option<Stream> {
    let number = name.strip_prefix("instrument-")?.parse().ok()?;
    Some(Stream::instrument(tickwerk_domain::InstrumentId(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwerk_domain::command::{QuoteObserved, SessionSet, TradeObserved};
    use tickwerk_domain::{Envelope, InstrumentId, SessionState, TimeNs};

    const SECOND: u64 = 1_000_000_000;

    fn selector(rules: &[(u64, &str)]) -> Selector {
        let rule = |(from, market): &(u64, &str)| {
            (Sequence(*from), Selection { market: market.parse().unwrap(), ..Selection::default() })
        };
        Selector { rules: rules.iter().map(rule).collect(), ..Selector::default() }
    }

    fn record(sequence: u64, after_ns: u64, command: impl Into<Command>) -> Record {
        let envelope = Envelope {
            sequence: Sequence(sequence),
            time_ns: TimeNs(1_700_000_000 * SECOND + after_ns),
            ..Envelope::default()
        };
        Record { envelope, payload: Payload::Command(command.into()) }
    }

    fn quote(instrument: u32) -> Command {
        let mut number = 0;
        let place = Command::TYPES.iter().position(|(_, _, name)| *name == "market.quote").unwrap();
        let sample = Command::sample(place, &mut || {
            number += 1;
            number
        });
        let Command::QuoteObserved(quote) = sample else { panic!("a quote") };
        QuoteObserved { instrument: InstrumentId(instrument), ..quote }.into()
    }

    fn trade() -> Command {
        let place = Command::TYPES.iter().position(|(_, _, name)| *name == "market.trade").unwrap();
        let Command::TradeObserved(trade) = Command::sample(place, &mut || 1) else { panic!("a trade") };
        TradeObserved { instrument: InstrumentId(1), ..trade }.into()
    }

    #[test]
    fn rules_are_read_as_they_are_written_and_others_are_refused() {
        for text in [
            "all",
            "none",
            "sample 1",
            "sample 100",
            "conflate 250ms",
            "conflate 1s",
            "conflate 5m",
            "conflate 6h",
        ] {
            assert_eq!(text.parse::<Market>().unwrap().to_string(), text);
        }
        assert_eq!("conflate 60s".parse::<Market>().unwrap().to_string(), "conflate 1m");
        for text in [
            "",
            "some",
            "sample",
            "sample 0",
            "sample -1",
            "conflate",
            "conflate 0s",
            "conflate 7s",
            "conflate 25h",
            "conflate 1",
            "all 1",
        ] {
            assert!(text.parse::<Market>().is_err(), "{text}");
        }
    }

    #[test]
    fn of_each_type_and_stream_the_first_of_a_period_is_taken() {
        let mut selector = selector(&[(1, "conflate 1s")]);
        let session =
            SessionSet { closes_at: TimeNs(0), instrument: InstrumentId(1), state: SessionState::Continuous };
        let records = [
            (0, quote(1), true),
            (1, quote(1), false),
            (1, quote(2), true),
            (2, trade(), true),
            (SECOND - 1, trade(), false),
            (SECOND - 1, session.into(), true),
            (SECOND - 1, session.into(), true),
            (SECOND, quote(1), true),
            (SECOND, quote(1), false),
            (9 * SECOND, quote(2), true),
        ];
        for (sequence, (after, command, is_taken)) in (1..).zip(records) {
            assert_eq!(selector.takes(&record(sequence, after, command)), is_taken, "{sequence}");
        }
    }

    #[test]
    fn one_that_forgot_the_period_at_a_cut_would_take_more() {
        let rules = [(1, "conflate 1s")];
        let taken = |cut: u64| {
            let mut known = selector(&rules);
            let takes = |sequence: u64| {
                if sequence.is_multiple_of(cut) {
                    known = selector(&rules);
                }
                known.takes(&record(sequence, sequence, quote(1)))
            };
            (1..=20).map(takes).filter(|taken| *taken).count()
        };
        assert_eq!((taken(u64::MAX), taken(7)), (1, 3));
    }

    #[test]
    fn a_sample_is_as_large_as_it_says_also_of_what_comes_in_turns() {
        let mut selector = selector(&[(1, "sample 10")]);
        let mut taken = [0, 0];
        for sequence in 1..=20_000 {
            let kind = usize::from(sequence % 2 == 0);
            let command = if kind == 0 { quote(1) } else { trade() };
            taken[kind] += u32::from(selector.takes(&record(sequence, 0, command)));
        }
        assert!(taken.iter().all(|taken| (900..1_100).contains(taken)), "{taken:?}");
    }

    #[test]
    fn each_rule_holds_from_its_record_on_and_what_is_not_said_stays() {
        let mut selector = Selector::default();
        assert!(selector.want(&Wanted::default(), Sequence::NONE));
        assert!(!selector.want(&Wanted::default(), Sequence(5)));
        let none = Wanted { market: Some(Market::None), ..Wanted::default() };
        assert!(selector.want(&none, Sequence(5)) && !selector.want(&none, Sequence(9)));
        assert!(!selector.want(&Wanted::default(), Sequence(9)), "silence changes nothing");
        let risk = Wanted { families: Some(vec![Family::Risk]), ..Wanted::default() };
        assert!(selector.want(&risk, Sequence(9)));
        assert_eq!(selector.newest(), Selection { families: vec![Family::Risk], market: Market::None });
        // Nothing came between the last change and this one, which takes its place.
        let both = Wanted { families: Some(vec![Family::Risk, Family::Market]), ..Wanted::default() };
        assert!(selector.want(&both, Sequence(9)));
        assert_eq!(selector.rules.len(), 3);
        let taken: Vec<bool> =
            (4..8).map(|sequence| selector.takes(&record(sequence, 0, quote(1)))).collect();
        assert_eq!(taken, [true, true, false, false]);
    }
}
