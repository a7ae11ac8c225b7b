//! What is written comes back, and what was not written does not.

use super::*;
use crate::{ClientOrderId, Reject, Side, TimeNs};

#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Row {
    number: u64,
    figure: f64,
    way: Option<bool>,
}

crate::persist! { Row { number, figure, way } }

#[derive(Clone, Copy, PartialEq, Debug)]
enum Stage {
    First,
    Second,
}

crate::persist_variants! { Stage { First, Second } }

fn written(write: impl FnOnce(&mut ImageWriter)) -> Vec<u8> {
    let mut to = ImageWriter::default();
    write(&mut to);
    to.into_bytes()
}

#[test]
fn every_value_comes_back() {
    let row = Row { number: u64::MAX, figure: -0.0, way: Some(true) };
    let name = ClientOrderId::new("a-name").unwrap();
    let bytes = written(|to| {
        row.save(to);
        (Side::Sell, Reject::KillSwitch).save(to);
        name.save(to);
        [Stage::Second, Stage::First].save(to);
        i128::MIN.save(to);
    });
    let mut from = ImageReader::new(&bytes);
    let back: Row = from.value().unwrap();
    assert_eq!((back.number, back.figure.to_bits(), back.way), (row.number, row.figure.to_bits(), row.way));
    assert_eq!(from.value(), Ok((Side::Sell, Reject::KillSwitch)));
    assert_eq!(from.value(), Ok(name));
    assert_eq!(from.value(), Ok([Stage::Second, Stage::First]));
    assert_eq!(from.value(), Ok(i128::MIN));
    assert!(from.is_at_end());
}

#[test]
fn a_table_holds_what_is_not_blank() {
    let mut rows = vec![Row::default(); 1000];
    rows[7].number = 1;
    rows[999].way = Some(false);
    let bytes = written(|to| to.table(&rows, &Row::default()));
    assert_eq!(bytes.len(), 4 + 2 * (4 + 8 + 8) + 1 + 2);
    let blank = || vec![Row::default(); 1000].into_boxed_slice();
    assert_eq!(ImageReader::new(&bytes).table(blank()).as_deref(), Ok(rows.as_slice()));
    let few = vec![Row::default(); 999].into_boxed_slice();
    let missing = Fault::Missing { what: "place", found: 999 };
    assert_eq!(ImageReader::new(&bytes).table(few), Err(missing));
    let twice = written(|to| {
        to.count(2);
        [(4_u32, Row::default()); 2].save(to);
    });
    assert_eq!(ImageReader::new(&twice).table(blank()), Err(Fault::Twice { what: "place", found: 4 }));
}

#[test]
fn a_list_is_no_longer_than_its_store() {
    let rows = [TimeNs(1), TimeNs(2), TimeNs(3)];
    let bytes = written(|to| to.list(rows.iter()));
    let back = ImageReader::new(&bytes).list::<TimeNs>(8).unwrap();
    assert_eq!((back.as_slice(), back.capacity()), (rows.as_slice(), 8));
    let max = 2;
    let fault = Fault::TooMany { found: 3, max: 2 };
    assert_eq!(ImageReader::new(&bytes).list::<TimeNs>(max), Err(fault));
    assert_eq!(ImageReader::new(&bytes[..bytes.len() - 1]).list::<TimeNs>(8), Err(Fault::CutShort));
}

#[test]
fn a_section_is_read_whole_and_in_its_place() {
    let bytes = written(|to| to.section("clocks", |to| 5_u64.save(to)));
    let read = |store, bytes: &[u8]| ImageReader::new(bytes).section(store, ImageReader::value::<u32>);
    let fault = |store, fault| Err(StoreFault { store, fault });
    assert_eq!(read("clocks", &bytes), fault("clocks", Fault::Misplaced), "half of it was read");
    assert_eq!(read("others", &bytes), fault("others", Fault::Misplaced));
    assert_eq!(read("clocks", &bytes[..30]), fault("clocks", Fault::CutShort));
    assert_eq!(ImageReader::new(&bytes).section("clocks", ImageReader::value), Ok(5_u64));
}

#[test]
fn values_that_a_type_does_not_have_are_named() {
    let read = |bytes: &[u8]| ImageReader::new(bytes).value::<Side>();
    assert_eq!(read(&[2]), Err(Fault::Value { what: "Side", found: 2 }));
    assert_eq!(ImageReader::new(&[9]).value(), Err::<Stage, _>(Fault::Value { what: "Stage", found: 9 }));
    assert_eq!(ImageReader::new(&[3]).value::<bool>(), Err(Fault::Value { what: "yes or no", found: 3 }));
}
