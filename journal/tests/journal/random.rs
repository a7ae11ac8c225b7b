//! Random frames, random stops.

use crate::samples;
use crate::support::*;
use proptest::prelude::*;
use tickwerk_domain::{Envelope, Payload, Record, TimeNs};
use tickwerk_journal::{Io, JournalConfig, recover};

#[derive(Clone, Debug)]
struct Shape {
    command: usize,
    events: Vec<usize>,
    opaque: Option<Vec<u8>>,
    numbers: [u64; 4],
    idle: bool,
}

fn shape() -> impl Strategy<Value = Shape> {
    let events = proptest::collection::vec(0..samples::events().len(), 0..=64);
    let opaque = proptest::option::weighted(0.1, proptest::collection::vec(any::<u8>(), 0..2_000));
    (0..samples::commands().len(), events, opaque, any::<[u64; 4]>(), any::<bool>())
        .prop_map(|(command, events, opaque, numbers, idle)| Shape { command, events, opaque, numbers, idle })
}

fn records_of_shape(first: u64, shape: &Shape) -> Vec<Record> {
    let command = Payload::Command(samples::commands()[shape.command]);
    let events = shape.events.iter().map(|event| Payload::Event(samples::events()[*event]));
    let mut made = records(first, std::iter::once(command).chain(events));
    let [time, source_sequence, correlation, version] = shape.numbers;
    for Record { envelope, .. } in &mut made {
        let Envelope { flags, sequence, .. } = *envelope;
        envelope.time_ns = TimeNs(time);
        envelope.source_sequence = source_sequence;
        envelope.correlation.0 = correlation;
        envelope.stream_version = version.wrapping_add(sequence.0);
        envelope.flags = flags;
    }
    made
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_frames_come_back_whole_in_order_and_with_the_same_head(
        runs in proptest::collection::vec(
            (proptest::collection::vec(shape(), 0..40), any::<bool>(), any::<bool>()),
            1..4,
        )
    ) {
        let dir = scratch();
        let mut expected = Vec::new();
        for (shapes, close, gathers) in runs {
            let io = if gathers { Io::Pwrite } else { Io::Mapped };
            let mut journal = open(JournalConfig { io, ..config(dir.path()) });
            for shape in shapes {
                let records = records_of_shape(journal.writer.next_sequence().0, &shape);
                match &shape.opaque {
                    Some(opaque) => journal.writer.push_with_opaque(&records[0], opaque).unwrap(),
                    None => journal.writer.push(&records[0]).unwrap(),
                };
                for record in &records[1..] {
                    journal.writer.push(record).unwrap();
                }
                if shape.idle {
                    journal.writer.idle().unwrap();
                }
                expected.push((records, shape.opaque));
            }
            if close {
                journal.writer.close().unwrap();
            } else {
                // A writer that is dropped takes what it has gathered with it.
                journal.writer.request_sync().unwrap();
            }
        }
        let recovered = recover(config(dir.path())).unwrap();
        let found: Vec<_> = read_all(&recovered)
            .into_iter()
            .map(|frame| (frame.records, frame.opaque[0].clone()))
            .collect();
        prop_assert!(found == expected);
        let head = recovered.chain_head().unwrap();
        drop(recovered);
        let report = verified(dir.path()).0;
        prop_assert_eq!((report.chain_head, report.first_difference, report.tail), (head, None, None));
    }
}
