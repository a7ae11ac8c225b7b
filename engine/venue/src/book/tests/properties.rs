//! Random orders, cancels, replaces and auctions: the book agrees with the model.

use super::MANY;
use super::model::{Model, ModelOrder};
use crate::book::store::Reserve;
use crate::book::{
    Band, BandRule, BookOrder, Effect, MatchingBook, NewOrder, OrderBook, Outcome, Phase, Refusal, Replace,
    Standing, UncrossStanding, Validity,
};
use proptest::prelude::*;
use tickwerk_domain::{Level, Price, Qty, SelfTradePrevention, Side};

#[derive(Clone, Copy, Debug)]
enum Step {
    Submit(NewOrder),
    Cancel(u64),
    Replace(Replace),
    Phase(Phase),
    Uncross(Option<i64>),
    Band(Option<Band>),
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn any_mode() -> impl Strategy<Value = SelfTradePrevention> {
    prop::sample::select(SelfTradePrevention::ALL)
}

fn any_order() -> impl Strategy<Value = NewOrder> {
    let validity = prop_oneof![
        6 => Just(Validity::Rest),
        1 => Just(Validity::ImmediateOrCancel),
        2 => Just(Validity::FillOrKill),
    ];
    let price = prop_oneof![8 => (90_i64..110).prop_map(Some), 1 => Just(None)];
    let display = prop_oneof![3 => Just(None), 1 => (1_i64..8).prop_map(Some)];
    let rest = (validity, prop::bool::weighted(0.1), 0_u32..4, any_mode());
    (any_side(), price, 1_i64..30, display, rest).prop_map(|(side, price, qty, display, rest)| {
        let (validity, post_only, owner, self_trade) = rest;
        let (price, qty, display) = (price.map(Price), Qty(qty), display.map(Qty));
        NewOrder { price, display, validity, post_only, owner, self_trade, ..NewOrder::market(0, side, qty) }
    })
}

fn any_replace() -> impl Strategy<Value = Replace> {
    (0..64_u64, 90_i64..110, 0_i64..30, prop::bool::weighted(0.1), any_mode()).prop_map(
        |(id, price, qty, post_only, self_trade)| Replace {
            id,
            price: Price(price),
            qty: Qty(qty),
            post_only,
            self_trade,
        },
    )
}

fn any_band() -> impl Strategy<Value = Option<Band>> {
    let rule = prop_oneof![Just(BandRule::Reject), Just(BandRule::Stop)];
    let band = (88_i64..100, 100_i64..112, rule)
        .prop_map(|(low, high, rule)| Some(Band { low: Price(low), high: Price(high), rule }));
    prop_oneof![2 => Just(None), 1 => band]
}

fn any_step() -> impl Strategy<Value = Step> {
    let phase = prop_oneof![
        3 => Just(Phase::Continuous),
        2 => Just(Phase::Auction),
        1 => Just(Phase::Halted),
    ];
    prop_oneof![
        60 => any_order().prop_map(Step::Submit),
        15 => (0..64_u64).prop_map(Step::Cancel),
        20 => any_replace().prop_map(Step::Replace),
        3 => phase.prop_map(Step::Phase),
        4 => prop::option::of(85_i64..115).prop_map(Step::Uncross),
        1 => any_band().prop_map(Step::Band),
    ]
}

/// Runs a call to its end, however many effects it may tell at once.
fn finish(
    book: &mut MatchingBook,
    bound: usize,
    effects: &mut Vec<Effect>,
    call: impl FnOnce(&mut MatchingBook, &mut dyn FnMut(Effect)) -> Result<Outcome, Refusal>,
) -> Option<Outcome> {
    let mut outcome = call(book, &mut |effect| effects.push(effect)).ok()?;
    while outcome.standing == Standing::Unfinished {
        outcome = book.resume(bound, &mut |effect| effects.push(effect)).unwrap();
    }
    Some(outcome)
}

/// The orders of a side as the model writes them.
fn listed(book: &OrderBook, side: Side) -> Vec<(u64, i64, i64, i64)> {
    let row = |order: &BookOrder| (order.id, order.price.0, order.qty.0, book.reserve(order.id).unwrap().0);
    book.orders(side).map(row).collect()
}

fn model_listed(orders: &[ModelOrder]) -> Vec<(u64, i64, i64, i64)> {
    orders.iter().map(|order| (order.id, order.price, order.shown, order.hidden)).collect()
}

/// The digest of the same orders, added in the opposite order to a book of another size.
fn digest_of_copy(book: &OrderBook) -> u64 {
    let mut copy = OrderBook::new(512);
    let mut orders: Vec<BookOrder> =
        [Side::Buy, Side::Sell].iter().flat_map(|side| book.orders(*side)).copied().collect();
    orders.reverse();
    for order in orders {
        let reserve: Reserve = book.store.reserve(book.store.find(order.id).unwrap());
        let slot = copy.store.insert(order);
        copy.store.set_reserve(slot, reserve);
        copy.enqueue_again(slot);
    }
    assert_eq!(listed(&copy, Side::Buy), listed(book, Side::Buy));
    copy.digest()
}

fn check_books(book: &MatchingBook, model: &Model) -> Result<(), TestCaseError> {
    for side in [Side::Buy, Side::Sell] {
        let orders = model.side(side);
        prop_assert_eq!(listed(book.book(), side), model_listed(&orders));
        let mut levels: Vec<Level> = Vec::new();
        for order in &orders {
            match levels.last_mut().filter(|level| level.price.0 == order.price) {
                Some(level) => level.qty.0 += order.shown,
                None => levels.push(Level { price: Price(order.price), qty: Qty(order.shown) }),
            }
        }
        prop_assert_eq!(book.book().levels(side).collect::<Vec<_>>(), levels);
    }
    prop_assert_eq!(book.book().len(), model.orders.len());
    prop_assert_eq!(book.phase(), model.phase);
    prop_assert_eq!(book.book().digest(), digest_of_copy(book.book()));
    Ok(())
}

/// What left the books by these effects, of makers and takers both.
fn gone(effects: &[Effect]) -> i64 {
    let gone = |effect: &Effect| match effect {
        Effect::Traded { qty, .. } | Effect::Crossed { qty, .. } | Effect::Decremented { qty, .. } => {
            2 * qty.0
        }
        Effect::Canceled { qty, .. } => qty.0,
    };
    effects.iter().map(gone).sum()
}

/// What of an order that came was cancelled.
fn dropped(outcome: Option<Outcome>) -> i64 {
    match outcome {
        Some(Outcome { left, standing: Standing::Canceled(_), .. }) => left.0,
        Some(_) | None => 0,
    }
}

/// Does a step with both; tells what came into the books less what is said to have left them.
fn take_step(
    step: Step,
    id: u64,
    bound: usize,
    book: &mut MatchingBook,
    model: &mut Model,
) -> Result<i64, TestCaseError> {
    let (mut effects, mut expected) = (Vec::new(), Vec::new());
    let mut balance = 0;
    match step {
        Step::Submit(order) => {
            let order = NewOrder { id, ..order };
            let outcome =
                finish(book, bound, &mut effects, |book, mut emit| book.submit(&order, bound, &mut emit));
            prop_assert_eq!(outcome, model.submit(&order, &mut expected));
            balance = outcome.map_or(0, |_| order.qty.0) - dropped(outcome);
        }
        Step::Cancel(back) => {
            let canceled = book.cancel(id.saturating_sub(back)).ok();
            prop_assert_eq!(canceled, model.cancel(id.saturating_sub(back)));
            balance = -canceled.unwrap_or_default().0;
        }
        Step::Replace(replace) => {
            let replace = Replace { id: id.saturating_sub(replace.id), ..replace };
            let before = model.orders.iter().find(|order| order.id == replace.id);
            let before = before.map_or(0, |order| order.shown + order.hidden);
            let outcome =
                finish(book, bound, &mut effects, |book, mut emit| book.replace(&replace, bound, &mut emit));
            prop_assert_eq!(outcome, model.replace(&replace, &mut expected));
            balance = outcome.map_or(0, |_| replace.qty.0 - before) - dropped(outcome);
        }
        Step::Phase(phase) => {
            let is_market = |order: &ModelOrder| order.price == i64::MAX || order.price == i64::MIN;
            let stuck = model.is_crossed() || model.orders.iter().any(is_market);
            let may = phase != Phase::Continuous || !stuck;
            prop_assert_eq!(book.set_phase(phase).is_ok(), may);
            if may {
                model.phase = phase;
            }
        }
        Step::Uncross(reference) if model.phase == Phase::Auction => loop {
            let part = book.uncross(reference.map(Price), bound, &mut |effect| effects.push(effect)).unwrap();
            if part.standing != UncrossStanding::Unfinished {
                prop_assert_eq!(part, model.uncross(reference, &mut expected));
                break;
            }
        },
        Step::Uncross(reference) => {
            let refused = book.uncross(reference.map(Price), bound, &mut |effect| effects.push(effect));
            prop_assert_eq!(refused, Err(Refusal::NoAuction));
        }
        Step::Band(band) => {
            book.set_band(band).unwrap();
            model.band = band;
        }
    }
    prop_assert_eq!(&effects, &expected);
    Ok(balance - gone(&effects))
}

proptest! {
    #[test]
    fn it_agrees_with_the_model_and_conserves_quantity(
        steps in prop::collection::vec((any_step(), prop_oneof![1 => 1_usize..4, 2 => Just(MANY)]), 1..250),
    ) {
        let (mut book, mut model) = (MatchingBook::new(256), Model::new());
        let mut open = 0;
        for (id, (step, bound)) in (1..).zip(steps) {
            open += take_step(step, id, bound, &mut book, &mut model)?;
            prop_assert_eq!(open, model.open());
            check_books(&book, &model)?;
        }
    }

    #[test]
    fn a_feed_in_any_order_gives_the_same_book(
        changes in prop::collection::vec((0_u8..5, 0_u64..40, any_side(), 0_i64..12, 0_i64..9, 0_u64..9), 0..300),
    ) {
        let mut book = OrderBook::new(32);
        let mut orders: Vec<BookOrder> = Vec::new();
        for (kind, id, side, price, qty, priority) in changes {
            let order = BookOrder::new(id, side, Price(price), Qty(qty), priority);
            let place = orders.iter().position(|other| other.id == id);
            match (kind, place) {
                (0 | 1, None) if qty > 0 && orders.len() < 32 => {
                    prop_assert!(book.add(order).is_ok());
                    orders.push(order);
                }
                (0 | 1, None | Some(_)) => prop_assert!(book.add(order).is_err()),
                (2, Some(place)) if qty <= orders[place].qty.0 => {
                    orders[place].qty.0 -= qty;
                    prop_assert_eq!(book.reduce(id, Qty(qty)), Ok(orders[place].qty));
                    orders.retain(|order| order.qty.0 > 0);
                }
                (2, None | Some(_)) => prop_assert!(book.reduce(id, Qty(qty)).is_err()),
                (3, Some(place)) => prop_assert_eq!(book.remove(id), Ok(orders.remove(place))),
                (3, None) => prop_assert!(book.remove(id).is_err()),
                (_, Some(place)) if qty > 0 => {
                    prop_assert!(book.modify(id, Price(price), Qty(qty), priority).is_ok());
                    let old = &mut orders[place];
                    let keeps = old.price.0 == price && qty <= old.qty.0;
                    let priority = if keeps { old.priority } else { priority };
                    *old = BookOrder { side: old.side, priority, ..order };
                }
                (_, None | Some(_)) => {
                    prop_assert!(book.modify(id, Price(price), Qty(qty), priority).is_err());
                }
            }
            for side in [Side::Buy, Side::Sell] {
                let mut expected: Vec<BookOrder> =
                    orders.iter().filter(|order| order.side == side).copied().collect();
                expected.sort_by_key(|order| (-side.sign() * order.price.0, order.priority, order.id));
                prop_assert_eq!(book.orders(side).copied().collect::<Vec<_>>(), expected);
            }
            prop_assert_eq!(book.digest(), digest_of_copy(&book));
        }
        book.clear();
        prop_assert_eq!(book.digest(), 0);
    }
}
