//! The decoders over small data that are made here, and over nonsense.

mod bitstamp;
mod databento;
mod lobster;
mod reader;
mod source;

use super::{Action, OrderByOrder, OrderByOrderError, OrderByOrderFault, Source};
use tickwerk_domain::{Level, Price, Qty, Side, TimeNs};

/// Bytes as a file; they are not empty.
fn source(bytes: impl Into<Vec<u8>>) -> Source {
    Source::from_bytes("made", bytes.into()).expect("bytes that are not empty")
}

fn all<T>(items: impl Iterator<Item = Result<T, OrderByOrderError>>) -> Vec<T> {
    items.collect::<Result<_, _>>().expect("good data")
}

/// What an iterator gives before its error, and the error with its place. It ends behind it.
#[track_caller]
fn until_fault<T>(
    mut items: impl Iterator<Item = Result<T, OrderByOrderError>>,
) -> (usize, u64, OrderByOrderFault) {
    let mut good = 0;
    loop {
        match items.next() {
            Some(Ok(_)) => good += 1,
            Some(Err(
                OrderByOrderError::Line { line: place, fault, .. }
                | OrderByOrderError::Record { record: place, fault, .. },
            )) => {
                assert!(items.next().is_none(), "an iterator ends with its error");
                return (good, place, *fault);
            }
            Some(Err(error)) => panic!("another error: {error}"),
            None => panic!("no error after {good} items"),
        }
    }
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}
