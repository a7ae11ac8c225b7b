//! What is pushed is read again.

use crate::samples;
use crate::support::*;
use tickwerk_domain::{Command, Event, Payload, Sequence};
use tickwerk_journal::{AppendError, Reader, recover};

#[test]
fn every_type_has_a_sample() {
    let ids: Vec<_> = samples::commands().iter().map(Command::type_id).collect();
    assert_eq!(ids, Command::TYPES.iter().map(|(id, _, _)| *id).collect::<Vec<_>>());
    let ids: Vec<_> = samples::events().iter().map(Event::type_id).collect();
    assert_eq!(ids, Event::TYPES.iter().map(|(id, _, _)| *id).collect::<Vec<_>>());
}

#[test]
fn every_record_type_comes_back_as_it_was() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let mut frames = Vec::new();
    for command in samples::commands() {
        let events = samples::events().into_iter().map(Payload::Event);
        let payloads = std::iter::once(Payload::Command(command)).chain(events);
        let frame = records(journal.writer.next_sequence().0, payloads);
        let last = push(&mut journal.writer, &frame);
        assert_eq!(last, frame.last().unwrap().envelope.sequence);
        frames.push(frame);
    }
    let closed = journal.writer.close().unwrap();
    let recovered = recover(config(dir.path())).unwrap();
    assert_eq!(records_of(&read_all(&recovered)), frames);
    assert_eq!(recovered.next_sequence(), closed.last_sequence.next());
    assert_eq!(recovered.last_time(), frames.last().unwrap()[0].envelope.time_ns);
    assert_eq!(recovered.chain_head(), closed.chain_head);
    assert_eq!((recovered.torn(), recovered.notes()), (None, &[][..]));
}

#[test]
fn an_opaque_part_of_any_length_comes_back() {
    let dir = scratch();
    let big = tickwerk_journal::JournalConfig { segment_size: 256 * 1024, ..config(dir.path()) };
    let mut journal = open(big.clone());
    let lengths = [0, 1, 15, 16, 17, 4096, 65_535, 65_536];
    for length in lengths {
        let opaque: Vec<u8> = (0..length).map(|n: usize| u8::try_from(n % 251).unwrap()).collect();
        let frame = frame(journal.writer.next_sequence().0, 2);
        assert_eq!(journal.writer.push_with_opaque(&frame[0], &opaque), Ok(None));
        push(&mut journal.writer, &frame[1..]);
    }
    journal.writer.close().unwrap();
    let frames = read_all(&recover(big).unwrap());
    let found: Vec<_> = frames.iter().map(|frame| frame.opaque[0].as_ref().unwrap().len()).collect();
    assert_eq!(found, lengths);
    assert!(frames.iter().all(|frame| frame.opaque[1..].iter().all(Option::is_none)));
    let longest = frames.last().unwrap().opaque[0].as_ref().unwrap();
    assert!(longest.iter().enumerate().all(|(n, byte)| usize::from(*byte) == n % 251));
}

#[test]
fn a_reader_starts_at_the_frame_that_holds_the_sequence() {
    let dir = scratch();
    let (frames, closed) = closed(config(dir.path()), 900);
    for from in [1, 2, 3, 500, 1000, closed.last_sequence.0] {
        let mut reader = Reader::open(dir.path(), Sequence(from)).unwrap();
        let first = reader.next().unwrap().unwrap();
        let wanted = frames.iter().find(|frame| frame.last().unwrap().envelope.sequence.0 >= from).unwrap();
        assert_eq!(first.records, wanted);
    }
    let mut reader = Reader::open(dir.path(), closed.last_sequence.next()).unwrap();
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn what_is_no_next_record_is_refused_and_poisons() {
    let refused = |change: fn(&mut Vec<tickwerk_domain::Record>)| {
        let dir = scratch();
        let mut journal = open(config(dir.path()));
        let mut frame = frame(1, 2);
        change(&mut frame);
        let error = frame.iter().find_map(|record| journal.writer.push(record).err()).unwrap();
        assert_eq!(journal.writer.push(&frame[0]), Err(AppendError::Poisoned));
        assert_eq!(journal.writer.idle(), Err(AppendError::Poisoned));
        assert_eq!(journal.writer.close(), Err(AppendError::Poisoned));
        error
    };
    let sequence = Sequence(2);
    assert_eq!(
        refused(|frame| frame[1].envelope.sequence = Sequence(3)),
        AppendError::Gap { expected: sequence, found: Sequence(3) }
    );
    assert_eq!(refused(|frame| frame[1].payload = frame[0].payload), AppendError::OutOfPlace { sequence });
    assert_eq!(
        refused(|frame| frame[0].payload = frame[1].payload),
        AppendError::OutOfPlace { sequence: Sequence(1) }
    );
    assert_eq!(refused(|frame| frame[1].envelope.time_ns.0 += 1), AppendError::Differs { sequence });
}

#[test]
fn a_frame_has_at_most_65_records_and_opaque_parts_are_bounded() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    push(&mut journal.writer, &frame(1, 64));
    let long = frame(66, 65);
    let errors: Vec<_> = long.iter().filter_map(|record| journal.writer.push(record).err()).collect();
    assert_eq!(errors[0], AppendError::FrameTooLong { sequence: Sequence(131) });

    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let error = journal.writer.push_with_opaque(&frame(1, 0)[0], &vec![1; 65_537]).unwrap_err();
    assert!(matches!(error, AppendError::Opaque { length: 65_537, limit: 30_000..65_536, .. }), "{error}");
}
