//! The hash chain is over content, not over timing.

use crate::support::*;
use std::time::Duration;
use tickwerk_journal::{Closed, JournalConfig, SyncPolicy, recover};

/// Two blocks and a half; the first ends with a frame, the second inside of one.
const FRAMES: usize = 4_100;

fn run(config: &JournalConfig, restart_each: usize) -> Closed {
    let mut done = 0;
    loop {
        let mut journal = open(config.clone());
        for _ in 0..restart_each.min(FRAMES - done) {
            let next = frame(journal.writer.next_sequence().0, done % 4);
            push(&mut journal.writer, &next);
            done += 1;
        }
        let closed = journal.writer.close().unwrap();
        if done == FRAMES {
            return closed;
        }
    }
}

#[test]
fn the_head_is_the_same_whatever_the_sync_the_segments_and_the_restarts() {
    let dir = scratch();
    let plain = run(&config(dir.path()), FRAMES);
    let every = SyncPolicy::Every(Duration::from_millis(1));
    let variants: [(u64, SyncPolicy, usize, usize); 4] = [
        (SEGMENT_SIZE, every, FRAMES, 0),
        (1024 * 1024, SyncPolicy::Continuous, FRAMES, usize::MAX),
        (SEGMENT_SIZE, SyncPolicy::Continuous, 333, 0),
        (128 * 1024, every, 1_024, 16 * 1024),
    ];
    for (segment_size, sync, restart_each, prefault_bytes) in variants {
        let dir = scratch();
        let config = JournalConfig { segment_size, sync, prefault_bytes, ..config(dir.path()) };
        let closed = run(&config, restart_each);
        assert_eq!(closed.chain_head, plain.chain_head, "{segment_size} {sync:?} {restart_each}");
        assert_eq!(Some(verified(dir.path()).0.chain_head), plain.chain_head);
    }
}

#[test]
fn one_other_bit_of_content_is_another_head() {
    let heads: Vec<_> = [0, 1]
        .map(|bit| {
            let dir = scratch();
            let mut journal = open(config(dir.path()));
            let mut records = frame(1, 3);
            for record in &mut records {
                record.envelope.correlation.0 ^= bit;
            }
            push(&mut journal.writer, &records);
            journal.writer.close().unwrap().chain_head.unwrap().head
        })
        .to_vec();
    assert_ne!(heads[0], heads[1]);
    assert_eq!(heads[0].to_string().len(), 64);
}

#[test]
fn a_journal_without_a_chain_gets_one_when_it_is_asked_for() {
    let (with, without) = (scratch(), scratch());
    let expected = run(&config(with.path()), FRAMES);
    let off = JournalConfig { chain: false, ..config(without.path()) };
    assert_eq!(run(&off, FRAMES).chain_head, None);
    assert_eq!(recover(config(without.path())).unwrap().chain_head(), expected.chain_head);
    let heads = |dir: &std::path::Path| std::fs::read(dir.join("HEADS")).unwrap().len();
    assert_eq!(heads(without.path()), heads(with.path()));
}

#[test]
fn the_published_head_catches_up_with_the_writer() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let marks = journal.watermarks();
    push_frames(&mut journal.writer, 700);
    wait_until("the head is there", || marks.head().through == marks.written_through());
    let head = marks.head();
    assert_eq!(marks.chained_through(), head.through);
    assert_eq!(journal.writer.close().unwrap().chain_head, Some(head));
}

/// The chain as `FORMAT.md` tells it, from the bytes of the frames alone.
fn told_by_the_format(dir: &std::path::Path) -> [u8; 32] {
    let mut reader = tickwerk_journal::Reader::open(dir, tickwerk_domain::Sequence::FIRST).unwrap();
    let (mut head, mut block, mut count) = ([0; 32], vec![0; 32], 0);
    while let Some(frame) = reader.next().unwrap() {
        let bytes = frame.bytes;
        let mut header = bytes[..64].to_vec();
        for timing in [4..8, 40..48, 52..56] {
            header[timing].fill(0);
        }
        let mut at = 64;
        for index in 0..u16::from_le_bytes([bytes[56], bytes[57]]) {
            if index == 0 || count % 4096 == 0 {
                block.extend_from_slice(&header);
            }
            let payload_length = usize::from(u16::from_le_bytes([bytes[at + 6], bytes[at + 7]]));
            let mut end = (at + 32 + payload_length).next_multiple_of(16);
            if bytes[at + 1] == 1 {
                let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap());
                end = (end + 16 + usize::try_from(length).unwrap()).next_multiple_of(16);
            }
            block.extend_from_slice(&bytes[at..end]);
            at = end;
            count += 1;
            if count % 4096 == 0 {
                head = blake3::hash(&block).into();
                block = head.to_vec();
            }
        }
    }
    if count % 4096 == 0 { head } else { blake3::hash(&block).into() }
}

#[test]
fn a_stranger_computes_the_same_head() {
    let dir = scratch();
    let (_, closed) = closed(config(dir.path()), FRAMES);
    assert_eq!(closed.chain_head.unwrap().head.0, told_by_the_format(dir.path()));
}
