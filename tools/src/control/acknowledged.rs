//! How many commands were answered at each level of acknowledgement, and how long their answers took.
//!
//! Counted is a command when its answer is released, from when its request was read; queries wait for no level and do not
//! count, nor does what nobody heard of, as its client had gone. Units: nanoseconds.

use crate::config::Acknowledge;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Levels that there are.
const LEVELS: usize = Acknowledge::WORDS.len();
/// Decimal digits of a duration that are kept.
const DIGITS: u8 = 2;
/// Longer than this counts as this: an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// What was answered, by level.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    took_ns: [Histogram<u64>; LEVELS],
}

impl Default for Acknowledged {
    fn default() -> Self {
        let empty = || Histogram::new_with_max(LONGEST_NS, DIGITS).expect("the bounds are sound");
        Self { took_ns: std::array::from_fn(|_| empty()) }
    }
}

impl Acknowledged {
    /// Counts an answer that is released at a level.
    pub(super) fn note(&mut self, level: Acknowledge, took: Duration) {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.took_ns[level as usize].saturating_record(took_ns);
    }

    /// Answers at each level that had any.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = Acknowledge::WORDS.iter().zip(&self.took_ns);
        all.map(|((word, _), took)| (*word, took.len())).filter(|(_, count)| *count > 0)
    }

    /// One object for each level; what was never measured is null.
    pub(crate) fn to_json(&self) -> Value {
        let levels = Acknowledge::WORDS.iter().zip(&self.took_ns).map(|((word, _), took)| {
            let at = |quantile| (!took.is_empty()).then(|| took.value_at_quantile(quantile));
            let level = json!({
                "commands": took.len(),
                "took_ns": { "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) },
            });
            ((*word).to_owned(), level)
        });
        Value::Object(levels.collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_at_their_level_and_nothing_is_too_long() {
        let mut acknowledged = Acknowledged::default();
        for took in [Duration::from_micros(3), Duration::MAX] {
            acknowledged.note(Acknowledge::Durable, took);
        }
        assert_eq!(acknowledged.counts().collect::<Vec<_>>(), [("durable", 2)]);
        let told = acknowledged.to_json();
        assert_eq!((&told["durable"]["commands"], &told["written"]["commands"]), (&json!(2), &json!(0)));
        let took = |quantile: &str| told["durable"]["took_ns"][quantile].as_u64().unwrap();
        assert!((2_950..3_050).contains(&took("p50")), "{told}");
        assert!(took("max").abs_diff(LONGEST_NS) < LONGEST_NS / 50, "{told}");
        assert_eq!(told["replicated"]["took_ns"]["max"], Value::Null);
    }

    #[test]
    fn levels_stand_in_the_order_of_their_words() {
        for (place, (_, level)) in Acknowledge::WORDS.iter().enumerate() {
            assert_eq!(*level as usize, place);
        }
    }
}
