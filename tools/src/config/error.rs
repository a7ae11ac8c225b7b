//! What can be wrong with a configuration, said with the key, the value, where it came from and what to write instead.

use std::path::PathBuf;
use tickwerk_domain::DecimalError;

/// Why a configuration is refused. Keys are full paths, such as `journal.segment_size`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration file {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{origin} is not TOML, line {line}: {message}")]
    Syntax { origin: String, line: usize, message: String },
    #[error("unknown key {key} ({origin}); {remedy}")]
    UnknownKey { key: String, origin: String, remedy: String },
    #[error("{key} is missing; {remedy}")]
    Missing { key: String, remedy: String },
    #[error("{key} = {value} ({origin}) has the wrong type; write {expected}")]
    WrongType { key: String, value: String, origin: String, expected: String },
    #[error("{key} = {value} ({origin}) is out of range; {remedy}")]
    OutOfRange { key: String, value: String, origin: String, remedy: String },
    #[error("{key} = \"{value}\" ({origin}) is not a decimal that fits")]
    Decimal { key: String, value: String, origin: String, source: DecimalError },
    #[error("{key} = \"{value}\" ({origin}) is none of the words; {remedy}")]
    UnknownWord { key: String, value: String, origin: String, remedy: String },
    #[error("{key} = \"{value}\" names no {what}; {remedy}")]
    UnknownName { key: String, value: String, what: &'static str, remedy: String },
    #[error("{key} = \"{value}\" is defined twice; remove one of them")]
    Duplicate { key: String, value: String },
    #[error("there are {count} [[{list}]] tables; the limit is {limit}")]
    TooMany { list: &'static str, count: usize, limit: usize },
    #[error("{key} does not fit here: {reason}")]
    Conflict { key: String, reason: String },
    #[error("--set {text} has no equals sign; write --set section.key=value")]
    SetWithoutValue { text: String },
    #[error("{origin} cannot reach into the list {list}; set it in the configuration file")]
    ListOverride { origin: String, list: String },
}

/// A remedy for `word`: the candidate that is spelled most like it, or else the list of all.
pub(crate) fn suggest(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates) {
        Some(candidate) => format!("did you mean {candidate}?"),
        None if candidates.is_empty() => "none is defined".to_owned(),
        None => format!("known: {}", candidates.join(", ")),
    }
}

/// The candidate within a third of the word's length, two letters at least; the first one among equals.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let bound = (word.chars().count() / 3).max(2);
    candidates
        .iter()
        .map(|candidate| (edit_distance(word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= bound && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete, replace or swap with their neighbour (optimal string alignment), regardless of case.
fn edit_distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut rows = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=left.len() {
        for j in 1..=right.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_letters_and_swaps() {
        let cases = [
            ("path", "path", 0),
            ("paht", "path", 1),
            ("pth", "path", 1),
            ("", "path", 4),
            ("Dir", "dir", 0),
        ];
        for (left, right, distance) in cases {
            assert_eq!(edit_distance(left, right), distance, "{left} {right}");
        }
    }

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_gets_the_list() {
        assert_eq!(suggest("segment_sise", &["dir", "segment_size"]), "did you mean segment_size?");
        assert_eq!(suggest("colour", &["dir", "segment_size"]), "known: dir, segment_size");
        assert_eq!(suggest("x", &[]), "none is defined");
    }
}
