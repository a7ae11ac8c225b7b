//! Plain and compressed files, whole and damaged, from the start and from the middle.

use crate::*;

#[test]
fn a_reader_that_resumes_gives_exactly_the_rest() {
    let messages = mixed();
    let (all, _) = read_well(&strs(&messages), skipping(Market::Spot));
    assert!(all.len() == 12);
    assert!(all.is_sorted_by(|a, b| a.envelope.source_sequence < b.envelope.source_sequence));
    for known in 0..all.len() {
        let resume_after = all[known].envelope.source_sequence;
        let config = CaptureConfig { resume_after, ..skipping(Market::Spot) };
        assert_eq!(read_well(&strs(&messages), config).0, all[known + 1..]);
    }
}

#[test]
fn gzip_and_plain_give_the_same_records() {
    let text = capture(&strs(&mixed()));
    let collect = |bytes: &[u8]| {
        let (_dir, path) = write("capture.any", bytes);
        let reader = CaptureReader::open(path, skipping(Market::Spot)).unwrap();
        reader.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let plain = collect(text.as_bytes());
    assert_eq!(plain, collect(&gzip(&text)));
    let (head, tail) = text.split_at(text.len() / 2);
    let members = [gzip(head), gzip(tail)].concat();
    assert_eq!(plain, collect(&members), "several gzip members are one file");
}

#[test]
fn a_gzip_file_that_ends_early_is_an_error_after_its_whole_lines() {
    let lines: Vec<String> = (0..20_000).map(|n| spot(n * 7_919 % 10_007 + 1, 20_000)).collect();
    let bytes = gzip(&capture(&strs(&lines)));
    let (_dir, path) = write("capture.gz", &bytes[..bytes.len() / 2]);
    let mut reader = CaptureReader::open(path, skipping(Market::Spot)).unwrap();
    let error = reader.by_ref().find_map(Result::err).unwrap();
    let CaptureError::Truncated { line, .. } = error else { panic!("{error:?}") };
    assert!(line > 1_000 && line < 20_000 && line == reader.report().lines, "{line}");
    assert!(error.to_string().contains("end early, after line"), "{error}");

    let (_dir, path) = write("capture.gz", &gzip("x")[..5]);
    let opened = CaptureReader::open(path, config(Market::Spot));
    assert!(matches!(opened, Err(CaptureError::Truncated { line: 0, .. })), "{opened:?}");
}

#[test]
fn files_that_are_missing_empty_or_damaged_are_named() {
    let (_dir, path) = write("empty", b"");
    assert!(matches!(CaptureReader::open(&path, config(Market::Spot)), Err(CaptureError::Empty { .. })));
    let missing = CaptureReader::open(path.with_file_name("none"), config(Market::Spot)).unwrap_err();
    assert!(missing.to_string().contains("none; check that the file exists"), "{missing}");
    let (_dir, path) = write("empty.gz", &gzip(""));
    assert!(matches!(CaptureReader::open(path, config(Market::Spot)), Err(CaptureError::Empty { .. })));
    let mut bytes = gzip(&capture(&strs(&mixed())));
    let crc = bytes.len() - 8;
    bytes[crc] ^= 1;
    let (_dir, path) = write("damaged.gz", &bytes);
    let mut reader = CaptureReader::open(path, skipping(Market::Spot)).unwrap();
    let error = reader.find_map(Result::err).unwrap();
    assert!(matches!(error, CaptureError::Read { .. }), "{error:?}");
}

#[test]
fn no_changed_byte_stops_the_process_or_the_order() {
    let text = capture(&strs(&mixed())).into_bytes();
    let (_dir, path) = write("capture.any", &text);
    let collect = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let reader = CaptureReader::open(&path, skipping(Market::Spot));
        // Damaged compressed data may be refused; what was read before stands in order all the same.
        reader.map_or(Vec::new(), |reader| reader.map_while(Result::ok).collect::<Vec<_>>())
    };
    for index in 0..text.len() {
        let mut changed = text.clone();
        changed[index] ^= [1, 0x10, 0x80][index % 3];
        let records = collect(&changed);
        assert!(records.is_sorted_by(|a, b| {
            a.envelope.source_sequence < b.envelope.source_sequence
                && a.envelope.time_ns <= b.envelope.time_ns
        }));
    }
    let packed = gzip(std::str::from_utf8(&text).unwrap());
    for index in 0..packed.len() {
        let mut changed = packed.clone();
        changed[index] ^= 0x10;
        collect(&changed);
        collect(&packed[..index]);
    }
}
