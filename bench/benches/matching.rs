//! Our book beside the crates `matchcore` and `orderbook-rs`, all on the same stream, each checked against the model.
//!
//! The other two are behind the feature `rivals`: `cargo bench -p tickwerk-bench --features rivals --bench matching`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use tickwerk_bench::matching::{self, Run, Step, Stream};

const SEED: u64 = 2_026;
const STEPS: usize = 400_000;

fn compare(criterion: &mut Criterion) {
    let stream = Stream::new(SEED, STEPS);
    let mut group = criterion.benchmark_group("matching");
    group.throughput(Throughput::Elements(STEPS as u64));
    let mut measure = |name: &str, run: fn(&[Step]) -> Run| {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let round = || {
                    let run = run(&stream.steps);
                    assert_eq!(run.trades, stream.trades, "{name} traded something else");
                    run.elapsed
                };
                (0..rounds).map(|_| round()).sum()
            });
        });
    };
    measure("tickwerk", matching::run);
    #[cfg(feature = "rivals")]
    {
        measure("matchcore", rivals::matchcore);
        measure("orderbook-rs", rivals::orderbook_rs);
    }
    group.finish();
}

#[cfg(feature = "rivals")]
mod rivals {
    //! The same steps as these crates want them.

    use orderbook_rs::OrderBook;
    use pricelevel::{Id, OrderUpdate, Price, Quantity, TimeInForce};
    use std::time::Instant;
    use tickwerk_bench::matching::{Run, Step, Trades};
    use tickwerk_domain::Side;

    pub(super) fn matchcore(steps: &[Step]) -> Run {
        use matchcore::{
            AmendCmd, AmendPatch, CancelCmd, Command, CommandKind, CommandMeta, CommandOutcome,
            CommandReport, LimitOrder, LimitOrderPatch, NewOrder, OrderFlags, OrderId, OrderKind, Price,
            Quantity, QuantityPolicy, SequenceNumber, SubmitCmd, TimeInForce, Timestamp,
        };
        let quantity = |qty: i64| QuantityPolicy::Standard { quantity: Quantity(qty.cast_unsigned()) };
        let mut book: matchcore::OrderBook = matchcore::OrderBook::new("STREAM");
        let mut trades = Trades::default();
        let start = Instant::now();
        for (sequence, step) in (0_u64..).zip(steps) {
            let kind = match *step {
                Step::Limit { side, price, qty } => {
                    let side = match side {
                        Side::Buy => matchcore::Side::Buy,
                        Side::Sell => matchcore::Side::Sell,
                    };
                    let flags = OrderFlags::new(side, false, TimeInForce::Gtc);
                    let order = LimitOrder::new(Price(price.cast_unsigned()), quantity(qty), flags);
                    CommandKind::Submit(SubmitCmd { order: NewOrder::Limit(order) })
                }
                Step::Cancel { id } => {
                    CommandKind::Cancel(CancelCmd { order_id: OrderId(id), order_kind: OrderKind::Limit })
                }
                Step::Replace { id, price, qty, shrinks } => {
                    let patch = LimitOrderPatch::new().with_quantity_policy(quantity(qty));
                    let moved = Price(price.cast_unsigned());
                    let patch = if shrinks { patch } else { patch.with_price(moved) };
                    CommandKind::Amend(AmendCmd { order_id: OrderId(id), patch: AmendPatch::Limit(patch) })
                }
            };
            let meta =
                CommandMeta { sequence_number: SequenceNumber(sequence), timestamp: Timestamp(sequence) };
            match book.execute(&Command { meta, kind }) {
                CommandOutcome::Applied(CommandReport::Submit(effects) | CommandReport::Amend(effects)) => {
                    let target = effects.target_order();
                    for trade in target.match_result().iter().flat_map(|result| result.trades()) {
                        let (maker, taker) = (trade.maker_order_id().0, target.order_id().0);
                        trades.add(maker, taker, trade.price().0, trade.quantity().0);
                    }
                }
                CommandOutcome::Applied(CommandReport::Cancel) => {}
                CommandOutcome::Rejected(failure) => panic!("{failure}"),
            }
        }
        Run { trades, elapsed: start.elapsed() }
    }

    pub(super) fn orderbook_rs(steps: &[Step]) -> Run {
        let book: OrderBook<()> = OrderBook::new("STREAM");
        let mut trades = Trades::default();
        let start = Instant::now();
        for (sequence, step) in (0_u64..).zip(steps) {
            match *step {
                Step::Limit { side, price, qty } => {
                    let side = match side {
                        Side::Buy => pricelevel::Side::Buy,
                        Side::Sell => pricelevel::Side::Sell,
                    };
                    let (id, qty) = (Id::Sequential(sequence), qty.cast_unsigned());
                    let price = u128::from(price.cast_unsigned());
                    let added =
                        book.add_limit_order_with_result(id, price, qty, side, TimeInForce::Gtc, None);
                    let (_, result) = added.expect("the stream is legal");
                    let matched = result.map(|result| result.match_result);
                    for trade in matched.iter().flat_map(|result| result.trades().as_vec()) {
                        let maker = as_u64(trade.maker_order_id());
                        let price = u64::try_from(trade.price().as_u128()).expect("a price of the stream");
                        trades.add(maker, sequence, price, trade.quantity().as_u64());
                    }
                }
                Step::Cancel { id } => {
                    book.cancel_order(Id::Sequential(id)).expect("the stream is legal").expect("it rests");
                }
                Step::Replace { id, price, qty, shrinks } => {
                    let (order_id, new_quantity) = (Id::Sequential(id), Quantity::new(qty.cast_unsigned()));
                    let new_price = Price::new(u128::from(price.cast_unsigned()));
                    let update = if shrinks {
                        OrderUpdate::UpdateQuantity { order_id, new_quantity }
                    } else {
                        OrderUpdate::UpdatePriceAndQuantity { order_id, new_price, new_quantity }
                    };
                    book.update_order(update).expect("the stream is legal").expect("it rests");
                }
            }
        }
        Run { trades, elapsed: start.elapsed() }
    }

    fn as_u64(id: Id) -> u64 {
        match id {
            Id::Sequential(id) => id,
            Id::Uuid(_) | Id::Ulid(_) => panic!("the stream numbers its orders"),
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(8));
    targets = compare
}
criterion_main!(benches);
