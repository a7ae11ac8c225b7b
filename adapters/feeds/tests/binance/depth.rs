//! Snapshots, diffs, gaps: when the book is whole and when it is not.

use crate::*;
use tickwerk_domain::StaleReason;
use tickwerk_domain::command::MarketGapObserved;

#[test]
fn spot_diffs_wait_for_the_snapshot_and_leave_with_it() {
    let lines = [spot(1, 5), spot(6, 9), spot(10, 12), snapshot(7), spot(13, 13), snapshot(3)];
    let (records, report) = read_well(&strs(&lines), config(Market::Spot));
    // The snapshot at 7 and the diffs through 12 are one update, on the snapshot's line.
    assert_eq!(book_words(&records), ["CL12", "L13"]);
    let Command::BookDelta(delta) = command(&records[0]) else { panic!("a delta") };
    assert_eq!(delta.count, 4);
    assert_eq!(records[0].envelope.source_sequence, 4 * PARTS_PER_LINE);
    assert_eq!(records[0].envelope.source_time.0, 7_000_000);
    assert_eq!((report.depth_updates, report.snapshots, report.snapshots_unused, report.gaps), (3, 1, 1, 0));
}

#[test]
fn each_market_has_its_own_rule_for_the_first_diff() {
    let first_spot = |first, last| {
        let lines = [snapshot(7), spot(first, last)];
        book_words(&read_well(&strs(&lines), config(Market::Spot)).0).pop().unwrap()
    };
    assert_eq!(first_spot(1, 7), "CL7", "the snapshot has it");
    assert_eq!(first_spot(8, 9), "L9");
    assert_eq!(first_spot(3, 9), "L9");
    assert_eq!(first_spot(9, 9), "gap 8→9");
    let first_futures = |previous, first, last| {
        let lines = [snapshot(7), futures(previous, first, last)];
        book_words(&read_well(&strs(&lines), config(Market::CoinM)).0).pop().unwrap()
    };
    assert_eq!(first_futures(1, 3, 7), "CL7", "the snapshot has it");
    assert_eq!(first_futures(1, 3, 9), "L9");
    assert_eq!(first_futures(6, 9, 9), "L9", "nothing lies between pu and U");
    assert_eq!(first_futures(8, 9, 11), "gap 7→8");
}

#[test]
fn each_market_has_its_own_link() {
    let lines = [snapshot(7), spot(8, 9), spot(10, 14), spot(16, 16)];
    let (records, _) = read_well(&strs(&lines), config(Market::Spot));
    assert_eq!(book_words(&records), ["CL7", "L9", "L14", "gap 15→16"]);
    let lines = [snapshot(7), futures(5, 6, 9), futures(9, 12, 14), futures(14, 20, 22), futures(23, 24, 25)];
    let (records, _) = read_well(&strs(&lines), config(Market::UsdM));
    assert_eq!(book_words(&records), ["CL7", "L9", "L14", "L22", "gap 22→23"]);
}

#[test]
fn a_gap_is_told_once_and_a_new_snapshot_ends_it() {
    let lines = [
        snapshot(7),
        spot(8, 9),
        spot(11, 11), // 10 is missing.
        spot(12, 12),
        spot(14, 14), // And so is 13.
        snapshot(9),  // Too old for what waits.
        snapshot(12), // Still: 13 is missing.
        spot(15, 15),
        snapshot(13),
        spot(16, 18),
    ];
    let (records, report) = read_well(&strs(&lines), config(Market::Spot));
    // At the snapshot of 12 nothing is known to follow but 14, so that the book is still lost.
    assert_eq!(book_words(&records), ["CL7", "L9", "gap 10→11", "CL15", "L18"]);
    let expected =
        MarketGapObserved { expected: 10, received: 11, instrument: INSTRUMENT, reason: StaleReason::Gap };
    assert_eq!(command(&records[2]), expected.into());
    assert_eq!((report.gaps, report.snapshots, report.snapshots_unused), (1, 2, 2));
}

#[test]
fn a_gap_between_waiting_diffs_is_told_after_the_snapshot() {
    let lines = [spot(8, 9), spot(11, 11), spot(12, 12), snapshot(7), snapshot(10), spot(13, 13)];
    let (records, report) = read_well(&strs(&lines), config(Market::Spot));
    assert_eq!(book_words(&records), ["CL9", "gap 10→11", "CL12", "L13"]);
    assert_eq!(report.gaps, 1);
}

#[test]
fn a_first_snapshot_that_is_too_old_is_told_as_a_gap() {
    let lines =
        [futures(8, 9, 9), futures(9, 11, 11), snapshot(7), snapshot(6), snapshot(9), futures(11, 12, 12)];
    let (records, _) = read_well(&strs(&lines), config(Market::UsdM));
    assert_eq!(book_words(&records), ["gap 7→8", "CL11", "L12"]);
}

#[test]
fn a_large_update_is_split_and_ends_with_its_last_part() {
    let list =
        |from: u32| (0..10).map(|n| format!(r#"["{}.00","1"]"#, from + n)).collect::<Vec<_>>().join(",");
    let large = format!(r#"{{"lastUpdateId":7,"bids":[{}],"asks":[{}]}}"#, list(100), list(200));
    let lines = [large, spot(8, 9)];
    let (records, _) = read_well(&strs(&lines), config(Market::Spot));
    assert_eq!(book_words(&records), ["C7", "7", "7", "L7", "L9"]);
    let sequences: Vec<u64> = records.iter().map(|record| record.envelope.source_sequence).collect();
    let line = PARTS_PER_LINE;
    assert_eq!(sequences, [line, line + 1, line + 2, line + 3, 2 * line]);
}

#[test]
fn a_depth_line_that_cannot_be_read_makes_the_book_stale() {
    let broken = spot(10, 10).replace("1.5", "1.2345");
    let lines = [snapshot(7), spot(8, 9), broken, spot(11, 11), snapshot(12), spot(13, 13)];
    let (records, report) = read_well(&strs(&lines), skipping(Market::Spot));
    assert_eq!(book_words(&records), ["CL7", "L9", "malformed 10→0", "CL12", "L13"]);
    assert_eq!((report.gaps, report.malformed), (1, 1));

    // A line that does not even say that it is depth is found by the link of the next one.
    let lines = [snapshot(7), spot(8, 9), "torn".to_owned(), spot(11, 11)];
    let (records, _) = read_well(&strs(&lines), skipping(Market::Spot));
    assert_eq!(book_words(&records), ["CL7", "L9", "gap 10→11"]);

    // Another instrument's depth is no loss for this one.
    let lines = [snapshot(7), spot(8, 8).replace("ABCUSD", "XYZUSD"), spot(8, 9)];
    let (records, report) = read_well(&strs(&lines), skipping(Market::Spot));
    assert_eq!((book_words(&records), report.malformed), (vec!["CL7".to_owned(), "L9".to_owned()], 1));
}

#[test]
fn hostile_numbers_do_not_stop_the_process() {
    let max = u64::MAX;
    let lines = [spot(max, max), snapshot(max), snapshot(max - 1), spot(1, max), spot(max, max), spot(1, 1)];
    let (records, _) = read_well(&strs(&lines), config(Market::Spot));
    assert!(!records.is_empty());
    let lines = [snapshot(max), futures(max, max, max), futures(0, 0, 0)];
    let (records, _) = read_well(&strs(&lines), config(Market::CoinM));
    assert!(!records.is_empty());
}
