//! Packed files: each packing gives the same lines, and damage is an error.

use super::{all, source};
use crate::order_by_order::{LobsterOrders, OrderByOrderError, OrderByOrderFault, Source};
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::{ErrorKind, Write};
use std::path::Path;

const LINE: &str = "34200.5,1,7,18,5853300,1\n";

/// Three times [`LINE`] as `xz` packs it.
const XZ: [u8; 92] = [
    0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01, 0x16,
    0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0xe0, 0x00, 0x4a, 0x00, 0x1e, 0x5d, 0x00, 0x19, 0x8d, 0x02,
    0x8a, 0xf9, 0x2d, 0x88, 0xf0, 0x63, 0xa5, 0xf9, 0x2b, 0x78, 0x05, 0x75, 0x19, 0xaf, 0xa9, 0x68, 0x7b,
    0x4a, 0x44, 0x59, 0xf9, 0x59, 0xa8, 0xc5, 0xaa, 0x80, 0x00, 0x00, 0x00, 0x00, 0x40, 0x33, 0xad, 0x70,
    0xb8, 0x4b, 0x32, 0x70, 0x00, 0x01, 0x3a, 0x4b, 0x4a, 0xf3, 0x21, 0xe4, 0x1f, 0xb6, 0xf3, 0x7d, 0x01,
    0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a,
];

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

fn zstd(text: &str) -> Vec<u8> {
    compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)
}

/// A frame that holds no data, as the format allows between others.
fn skipped_frame(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a short frame");
    [&[0x50, 0x2a, 0x4d, 0x18][..], &length.to_le_bytes(), bytes].concat()
}

#[test]
fn every_packing_gives_the_same_lines() {
    let plain = LINE.repeat(3);
    let expected = all(LobsterOrders::new(source(plain.as_str())));
    assert_eq!(expected.len(), 3);
    let frames = [zstd(LINE), skipped_frame(b"nothing"), zstd(LINE), zstd(LINE)].concat();
    let members = [gzip(LINE), gzip(&LINE.repeat(2))].concat();
    for packed in
        [gzip(&plain), members, zstd(&plain), frames, XZ.to_vec(), plain.replace('\n', "\r\n").into()]
    {
        assert_eq!(all(LobsterOrders::new(source(packed))), expected);
    }
    let without_end = plain.trim_end();
    assert_eq!(all(LobsterOrders::new(source(without_end))), expected, "the last line needs no end mark");
}

#[test]
fn damaged_and_cut_files_are_errors_and_never_short_data() {
    for whole in [gzip(&LINE.repeat(3)), zstd(&LINE.repeat(3)), XZ.to_vec()] {
        for length in 1..whole.len() {
            let cut = Source::from_bytes("cut", whole[..length].to_vec()).map(LobsterOrders::new);
            let read = cut.and_then(Iterator::collect::<Result<Vec<_>, _>>);
            // The xz reader asks for nothing behind its last block but the end of the index.
            assert!(read.is_err() || read.is_ok_and(|items| items.len() == 3), "{length} bytes");
        }
        let mut damaged = whole.clone();
        let middle = whole.len() / 2;
        damaged[middle] ^= 0x55;
        let read = Source::from_bytes("damaged", damaged)
            .map(LobsterOrders::new)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>);
        assert!(read.is_err(), "{:02x?}", &whole[..4]);
    }
}

#[test]
fn an_empty_and_a_missing_file_say_so() {
    for empty in [Vec::new(), gzip(""), zstd("")] {
        let error = Source::from_bytes("nothing", empty).expect_err("there is nothing in it");
        let OrderByOrderError::Read { place: 0, source, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(source.kind(), ErrorKind::UnexpectedEof);
    }
    let missing = Source::open(Path::new("no/such/file")).expect_err("there is none");
    assert!(matches!(missing, OrderByOrderError::Open { .. }), "{missing}");
}

#[test]
fn binary_data_and_endless_lines_are_refused_with_their_place() {
    let first = |bytes: Vec<u8>| LobsterOrders::new(source(bytes)).next().expect("an item").map(|_| ());
    for (bytes, expected) in [
        (b"\x00\xff\xfe,\n".to_vec(), OrderByOrderFault::NotText),
        (vec![b'1'; (1 << 20) + 1], OrderByOrderFault::TooLong { limit: 1 << 20 }),
    ] {
        let read = first(bytes);
        let Err(OrderByOrderError::Line { line: 1, fault, .. }) = read else {
            panic!("{read:?}");
        };
        assert_eq!(*fault, expected);
    }
}

/// The same data with a dictionary of 192 MiB: no preset asks for so much, and whoever does may fill it with little data.
#[test]
fn a_file_that_would_take_much_memory_is_refused() {
    let mut hungry = XZ.to_vec();
    hungry[16] = 0x1f;
    hungry[20..24].copy_from_slice(&[0xfe, 0x60, 0xed, 0xde]);
    let refused = Source::from_bytes("hungry", hungry).map(LobsterOrders::new);
    let error = refused.and_then(Iterator::collect::<Result<Vec<_>, _>>).unwrap_err();
    let source = std::error::Error::source(&error).expect("what the decoder says").to_string();
    assert!(source.contains("memory"), "{error}: {source}");
}
