//! The cases of every rule of the table: below its limit, at it and above it.

use super::desk::{
    ALICE, Desk, LINEAR, SPOT, USD, USD_START, cancel, fill, limit, limit_order, named, quote, transfer,
};
use super::risk_support::{alices, desk};
use tickwerk_domain::command::{
    AccountStateSet, FillReported, KillSwitchSet, MarketGapObserved, NewOrder, ReplaceOrder, ReplaceReported,
    SessionSet, TradingStateSet,
};
use tickwerk_domain::{
    AccountId, AccountState, BookDelta, BreakerKind, ClientOrderId, Command, Event, InstrumentId, Level,
    LimitKind, OrderId, Price, Qty, Rate, Reject, SelfTradePrevention, SessionState, Severity, Side,
    StaleReason, StrategyId, TextId, TimeNs, TradingState,
};

use super::risk_table::{Case, Told, case};
use Told::{Passed, Raised, Refused, Repeated, Tripped};

fn buy(qty: i64) -> NewOrder {
    limit_order(LINEAR, Side::Buy, 10_000, qty)
}

fn sell(qty: i64) -> NewOrder {
    limit_order(LINEAR, Side::Sell, 10_000, qty)
}

fn at(side: Side, price: i64) -> NewOrder {
    limit_order(LINEAR, side, price, 10)
}

fn enter(desk: &mut Desk, order: NewOrder) -> OrderId {
    let id = desk.next_id();
    let events = desk.apply(order);
    assert!(events.iter().any(|event| matches!(event, Event::OrderSubmitted(_))), "{events:?}");
    id
}

/// An order that is filled whole at a price, without a fee.
fn trade(desk: &mut Desk, side: Side, price: i64, qty: i64) {
    let id = enter(desk, limit_order(LINEAR, side, 10_000, qty));
    desk.apply(fill(id, 1, price, qty, 0));
}

fn set(kind: LimitKind, value: i64) -> impl Fn(&mut Desk) + Clone {
    let is_alices = tickwerk_engine::risk::scopes::scopes_of(kind)
        .contains(tickwerk_engine::risk::scopes::Scopes::ACCOUNT);
    move |desk: &mut Desk| {
        let limit = if is_alices { alices(kind, value) } else { limit(kind, ALICE, LINEAR, value) };
        let events = desk.apply(limit);
        assert!(matches!(events[..], [Event::LimitChanged(_)]), "{events:?}");
    }
}

/// A limit, and what is done before it is set and after it.
fn around(
    before: impl Fn(&mut Desk) + 'static,
    set: impl Fn(&mut Desk) + 'static,
    after: impl Fn(&mut Desk) + 'static,
) -> impl Fn(&mut Desk) {
    move |desk: &mut Desk| {
        before(desk);
        set(desk);
        after(desk);
    }
}

/// The same order at three values of a limit, of which the last one stops it.
fn thrice(
    kind: LimitKind,
    values: [i64; 3],
    before: impl Fn(&mut Desk) + Clone + 'static,
    asks: impl Into<Command> + Copy,
    told: [Told; 3],
) -> [Case; 3] {
    let one =
        |place: usize| case(around(before.clone(), set(kind, values[place]), |_| ()), asks, [told[place]]);
    [one(0), one(1), one(2)]
}

/// Orders of three quantities.
fn of_quantities(ready: impl Fn(&mut Desk) + Clone + 'static, cases: [(i64, Told); 3]) -> [Case; 3] {
    cases.map(|(qty, told)| case(ready.clone(), buy(qty), [told]))
}

/// Off, on and off again.
fn switched(commands: [Vec<Command>; 3], refused: Told) -> [Case; 3] {
    let mut done = Vec::new();
    let mut told = [Passed, refused, Passed].into_iter();
    commands.map(|more| {
        done.extend(more);
        let all = done.clone();
        let ready = move |desk: &mut Desk| {
            for command in &all {
                desk.apply(*command);
            }
        };
        case(ready, buy(10), told.next())
    })
}

fn replace(order: OrderId, price: i64) -> ReplaceOrder {
    let (price, qty, trigger_price, display_qty) = (Price(price), Qty::ZERO, Price(0), Qty::ZERO);
    let (account, client_order_id) = (ALICE, ClientOrderId::NONE);
    ReplaceOrder { order, price, qty, trigger_price, display_qty, account, client_order_id }
}

/// The id of the first order after some limits.
fn id_after(ready: impl Fn(&mut Desk)) -> OrderId {
    let mut desk = desk();
    ready(&mut desk);
    desk.next_id()
}

fn nothing(_: &mut Desk) {}

/// So many orders, the first of them to be named by the case.
fn orders(count: usize) -> impl Fn(&mut Desk) + Clone {
    move |desk: &mut Desk| {
        for _ in 0..count {
            enter(desk, buy(10));
        }
    }
}

fn mid(desk: &mut Desk, mid: i64) {
    desk.apply(quote(LINEAR, mid - 10, mid + 10));
}

pub(crate) fn switches(name: &str) -> Option<[Case; 3]> {
    let none = (AccountId(0), InstrumentId(0), StrategyId::NONE, TextId::NONE);
    let kill = |engaged| {
        let (_, instrument, strategy, reason) = none;
        Command::from(KillSwitchSet { account: ALICE, instrument, strategy, reason, engaged })
    };
    let halt = |state| {
        let (account, _, strategy, reason) = none;
        Command::from(TradingStateSet { account, instrument: LINEAR, strategy, reason, state })
    };
    let account = |state| Command::from(AccountStateSet { account: ALICE, reason: TextId::NONE, state });
    let session = |state| Command::from(SessionSet { closes_at: TimeNs::UNKNOWN, instrument: LINEAR, state });
    let gap = MarketGapObserved { expected: 2, received: 3, instrument: LINEAR, reason: StaleReason::Gap };
    let mut book = BookDelta::new(LINEAR, 1, BookDelta::CLEAR | BookDelta::LAST);
    book.push(Side::Buy, Level { price: Price(9_990), qty: Qty(1_000) });
    Some(match name {
        "kill_switch" => {
            switched([vec![], vec![kill(true)], vec![kill(false)]], Refused(Reject::KillSwitch, 0, 0))
        }
        "account_state" => switched(
            [vec![], vec![account(AccountState::Suspended)], vec![account(AccountState::Active)]],
            Refused(Reject::AccountNotActive, 0, 0),
        ),
        "trading_state" => switched(
            [vec![], vec![halt(TradingState::Halted)], vec![halt(TradingState::Active)]],
            Refused(Reject::TradingHalted, 0, 0),
        ),
        "session" => switched(
            [
                vec![],
                vec![session(SessionState::Closed)],
                vec![session(SessionState::PreOpen), session(SessionState::Continuous)],
            ],
            Refused(Reject::MarketClosed, 0, 0),
        ),
        "stale_book" => {
            switched([vec![], vec![gap.into()], vec![book.into()]], Refused(Reject::StaleMarket, 0, 0))
        }
        "client_order_id" => {
            let first = id_after(nothing).0;
            let refused = Refused(Reject::DuplicateClientOrderId, 0, first.into());
            let ready = |desk: &mut Desk| {
                enter(desk, named(buy(10), "entry-1"));
            };
            [
                case(ready, named(buy(15), "entry-2"), [Passed]),
                case(ready, named(buy(10), "entry-1"), [Repeated]),
                case(ready, named(buy(15), "entry-1"), [refused]),
            ]
        }
        _ => return None,
    })
}

/// What is about a single order and its market.
pub(crate) fn of_terms(name: &str) -> Option<[Case; 3]> {
    let priced = |price, told| case(nothing, at(Side::Buy, price), [told]);
    let crossed = |bid, told| {
        let ready = move |desk: &mut Desk| drop(desk.apply(quote(LINEAR, bid, 10_000)));
        case(ready, at(Side::Buy, 9_990), [told])
    };
    Some(match name {
        "reduce_only" => {
            let ready = |desk: &mut Desk| {
                trade(desk, Side::Buy, 10_000, 100);
                enter(desk, limit_order(LINEAR, Side::Sell, 11_000, 60));
            };
            [(35, Passed), (40, Passed), (45, Refused(Reject::ReduceOnly, 40, 45))]
                .map(|(qty, told)| case(ready, NewOrder { reduce_only: true, ..sell(qty) }, [told]))
        }
        "tick" => [
            priced(9_999, Refused(Reject::PriceOffTick, 10, 9_999)),
            priced(10_000, Passed),
            priced(10_001, Refused(Reject::PriceOffTick, 10, 10_001)),
        ],
        "lot" => of_quantities(
            nothing,
            [
                (99, Refused(Reject::QuantityOffLot, 5, 99)),
                (100, Passed),
                (101, Refused(Reject::QuantityOffLot, 5, 101)),
            ],
        ),
        "order_quantity_min" => of_quantities(
            set(LimitKind::OrderQuantityMin, 20),
            [(15, Refused(Reject::QuantityBelowMinimum, 20, 15)), (20, Passed), (25, Passed)],
        ),
        "order_quantity" => of_quantities(
            set(LimitKind::OrderQuantity, 1_000),
            [(995, Passed), (1_000, Passed), (1_005, Refused(Reject::QuantityAboveLimit, 1_000, 1_005))],
        ),
        // An order comes a thousand nanoseconds after the command before it.
        "market_age" => [(1_001, Passed), (1_000, Passed), (999, Refused(Reject::StaleMarket, 999, 1_000))]
            .map(|(age, told)| {
                case(
                    around(nothing, set(LimitKind::MarketAge, age), |desk| mid(desk, 10_000)),
                    buy(10),
                    [told],
                )
            }),
        "crossed_market" => [
            crossed(9_990, Passed),
            crossed(10_000, Refused(Reject::CrossedMarket, 10_000, 10_000)),
            crossed(10_010, Refused(Reject::CrossedMarket, 10_000, 10_010)),
        ],
        // One percent of 10,000.
        "price_collar" => {
            let outside = Refused(Reject::PriceOutsideCollar, 10_000, 10_110);
            [(10_090, Passed), (10_100, Passed), (10_110, outside)].map(|(price, told)| {
                case(set(LimitKind::PriceCollar, 1_000_000), at(Side::Buy, price), [told])
            })
        }
        // 1.000 at 100.00 are 100.0000.
        "order_notional" => of_quantities(
            set(LimitKind::OrderNotional, 1_000_000),
            [
                (995, Passed),
                (1_000, Passed),
                (1_005, Refused(Reject::NotionalAboveLimit, 1_000_000, 1_005_000)),
            ],
        ),
        "self_trade" => {
            let mode = SelfTradePrevention::CancelTaker as i64;
            let ready = around(nothing, set(LimitKind::SelfTrade, mode), |desk| {
                enter(desk, at(Side::Sell, 10_100));
            });
            let ready = std::rc::Rc::new(ready);
            [
                (10_090, Passed),
                (10_100, Refused(Reject::SelfTrade, 10_100, 10_100)),
                (10_110, Refused(Reject::SelfTrade, 10_100, 10_110)),
            ]
            .map(|(price, told)| {
                let ready = ready.clone();
                case(move |desk| ready(desk), at(Side::Buy, price), [told])
            })
        }
        _ => return None,
    })
}

/// What is about all that an account has.
pub(crate) fn of_accounts(name: &str) -> Option<[Case; 3]> {
    let held = |desk: &mut Desk| {
        trade(desk, Side::Buy, 10_000, 600);
        enter(desk, buy(300));
    };
    let of_exposure = |kind, limit: i64, reason, seen| {
        of_quantities(
            set(kind, limit),
            [(995, Passed), (1_000, Passed), (1_005, Refused(reason, limit.into(), seen))],
        )
    };
    Some(match name {
        "position_quantity" => thrice(
            LimitKind::PositionQuantity,
            [1_005, 1_000, 995],
            held,
            buy(100),
            [Passed, Passed, Refused(Reject::PositionAboveLimit, 995, 1_000)],
        ),
        "gross_exposure" => {
            of_exposure(LimitKind::GrossExposure, 1_000_000, Reject::GrossExposureAboveLimit, 1_005_000)
        }
        "net_exposure" => {
            of_exposure(LimitKind::NetExposure, 1_000_000, Reject::NetExposureAboveLimit, 1_005_000)
        }
        // A million dollars of equity at 0.0001 are a hundred dollars of exposure.
        "leverage" => of_exposure(LimitKind::Leverage, 10_000, Reject::LeverageAboveLimit, 10_050),
        "open_orders" => thrice(
            LimitKind::OpenOrders,
            [4, 3, 2],
            orders(2),
            buy(10),
            [Passed, Passed, Refused(Reject::OpenOrdersAboveLimit, 2, 3)],
        ),
        // 100.00 × 1.00000 and 0.05 % of it are 1,000,500; a million is there.
        "credit" => thrice(
            LimitKind::Credit,
            [501, 500, 499],
            |desk| drop(desk.apply(transfer(ALICE, USD, 1_000_000 - USD_START))),
            limit_order(SPOT, Side::Buy, 10_000, 100_000),
            [Passed, Passed, Refused(Reject::InsufficientBuyingPower, 499, 500)],
        ),
        "alert_fraction" => {
            let raised = |seen| Raised(LimitKind::OpenOrders, Severity::Warning, 10, seen);
            // Of the eighth of ten.
            [(6, vec![Passed]), (7, vec![Passed, raised(8)]), (8, vec![Passed])].map(|(count, told)| {
                let both = |desk: &mut Desk| {
                    set(LimitKind::OpenOrders, 10)(desk);
                    set(LimitKind::AlertFraction, 80 * Rate::ONE.0 / 100)(desk);
                };
                case(around(nothing, both, orders(count)), buy(10), told)
            })
        }
        _ => return None,
    })
}

/// Messages a second.
pub(crate) fn of_flow(name: &str) -> Option<[Case; 3]> {
    // Two a second, of which none, one and two are taken.
    let order_rate = |count| around(nothing, set(LimitKind::OrderRate, 2), orders(count));
    let first = id_after(set(LimitKind::ReplaceRate, 2));
    let replace_rate = |count: i64| {
        around(nothing, set(LimitKind::ReplaceRate, 2), move |desk| {
            let id = enter(desk, buy(10));
            for price in 0..count {
                desk.apply(replace(id, 9_980 - 10 * price));
                desk.apply(ReplaceReported {
                    order: id,
                    venue_order_id: 77,
                    price: Price(9_980 - 10 * price),
                    qty: Qty(10),
                    trigger_price: Price(0),
                    display_qty: Qty::ZERO,
                });
            }
        })
    };
    let cancel_rate = |count: usize| {
        around(nothing, set(LimitKind::CancelRate, 2), move |desk| {
            let ids: Vec<OrderId> = (0..=count).map(|_| enter(desk, buy(10))).collect();
            ids[1..].iter().for_each(|id| drop(desk.apply(cancel(*id))));
        })
    };
    let raised = Raised(LimitKind::CancelRate, Severity::Critical, 2, 2);
    Some(match name {
        "order_rate" => [
            case(order_rate(0), buy(10), [Passed]),
            case(order_rate(1), buy(10), [Passed]),
            case(order_rate(2), buy(10), [Refused(Reject::OrderRateAboveLimit, 2, 3)]),
        ],
        "replace_rate" => [
            case(replace_rate(0), replace(first, 9_000), [Passed]),
            case(replace_rate(1), replace(first, 9_000), [Passed]),
            case(replace_rate(2), replace(first, 9_000), [Refused(Reject::ReplaceRateAboveLimit, 2, 3)]),
        ],
        // Reaching it is told, once.
        "cancel_rate" => [
            case(cancel_rate(0), cancel(first), [Passed]),
            case(cancel_rate(1), cancel(first), [Passed, raised]),
            case(cancel_rate(2), cancel(first), [Passed]),
        ],
        _ => return None,
    })
}

/// Closes at a loss, and an order that closes more.
fn streak(losses: u64) -> impl Fn(&mut Desk) {
    around(nothing, set(LimitKind::LossStreak, 3), move |desk| {
        trade(desk, Side::Buy, 10_000, 1_000);
        (0..losses).for_each(|_| trade(desk, Side::Sell, 9_990, 10));
        enter(desk, sell(10));
    })
}

/// The fill of that order at a loss.
fn closing(losses: u64) -> FillReported {
    let mut ready = desk();
    streak(losses)(&mut ready);
    // An order takes three places: the command, its approval, and that it was sent.
    fill(OrderId(ready.next_id().0 - 3), 1, 9_990, 10, 0)
}

/// A breaker trips when its limit is reached, and refuses the order that saw it.
pub(crate) fn of_breakers(name: &str) -> Option<[Case; 3]> {
    let both =
        |kind, limit, seen| vec![Tripped(kind, limit, seen), Refused(Reject::BreakerTripped, limit, seen)];
    // 1.000 at 10,000; a cent less is 0.0100 of loss.
    let losing = |kind, value, price| {
        around(nothing, set(kind, value), move |desk| {
            trade(desk, Side::Buy, 10_000, 1_000);
            mid(desk, price);
        })
    };
    let loss = |price| losing(LimitKind::DailyLoss, 1_000, price);
    let fall = |price| losing(LimitKind::Drawdown, 10, price);
    let ratio = |count| around(nothing, set(LimitKind::OrderToTrade, 3), orders(count));
    let stale = |limit| around(nothing, set(LimitKind::StaleFeed, limit), |desk| mid(desk, 10_000));
    let off_tick = at(Side::Buy, 10_001);
    let storm = move |count| {
        around(nothing, set(LimitKind::RejectStorm, 3), move |desk| {
            (0..count).for_each(|_| drop(desk.apply(off_tick)));
        })
    };
    let cooled = |wait: u64| {
        let both = |desk: &mut Desk| {
            set(LimitKind::CoolDown, 5_000)(desk);
            set(LimitKind::LossStreak, 1)(desk);
        };
        around(nothing, both, move |desk| {
            trade(desk, Side::Buy, 10_000, 1_000);
            trade(desk, Side::Sell, 9_990, 10);
            // The order comes a thousand nanoseconds later.
            let due = desk.time + wait;
            desk.settle(due);
            desk.time = due - 1_000;
        })
    };
    let off = Refused(Reject::PriceOffTick, 10, 10_001);
    Some(match name {
        "daily_loss" => [
            case(loss(9_991), buy(10), [Passed]),
            case(loss(9_990), buy(10), both(BreakerKind::DailyLoss, 1_000, 1_000)),
            case(loss(9_989), buy(10), both(BreakerKind::DailyLoss, 1_000, 1_100)),
        ],
        // A million dollars of equity: 0.0000001 of it are 0.1000.
        "drawdown" => [
            case(fall(9_991), buy(10), [Passed]),
            case(fall(9_990), buy(10), both(BreakerKind::Drawdown, 10, 10)),
            case(fall(9_989), buy(10), both(BreakerKind::Drawdown, 10, 11)),
        ],
        "loss_streak" => [
            case(streak(1), closing(1), []),
            case(streak(2), closing(2), [Tripped(BreakerKind::LossStreak, 3, 3)]),
            case(
                around(streak(2), move |desk| drop(desk.apply(closing(2))), nothing),
                buy(10),
                [Refused(Reject::BreakerTripped, 3, 3)],
            ),
        ],
        "order_to_trade" => [
            case(ratio(1), buy(10), [Passed]),
            case(ratio(2), buy(10), [Passed, Tripped(BreakerKind::OrderToTrade, 3, 3)]),
            case(ratio(3), buy(10), [Refused(Reject::BreakerTripped, 3, 3)]),
        ],
        // An order comes a thousand nanoseconds after the quote.
        "stale_feed" => [
            case(stale(1_001), buy(10), [Passed]),
            case(stale(1_000), buy(10), both(BreakerKind::StaleFeed, 1_000, 1_000)),
            case(stale(999), buy(10), both(BreakerKind::StaleFeed, 999, 1_000)),
        ],
        "reject_storm" => [
            case(storm(1), off_tick, [off]),
            case(storm(2), off_tick, [off, Tripped(BreakerKind::RejectStorm, 3, 3)]),
            case(storm(3), off_tick, [Refused(Reject::BreakerTripped, 3, 3)]),
        ],
        "cool_down" => [
            case(cooled(4_999), buy(10), [Refused(Reject::BreakerTripped, 1, 1)]),
            case(cooled(5_000), buy(10), [Passed]),
            case(cooled(5_001), buy(10), [Passed]),
        ],
        _ => return None,
    })
}
