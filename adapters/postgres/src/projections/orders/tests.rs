//! The life of an order, and what refused requests leave behind.

use super::*;
use crate::projections::fixture::{ALICE, BTCEUR, Desk};
use tickwerk_domain::command::{CancelOrder, OrderReported, ReplaceOrder};
use tickwerk_domain::event::{
    CancelRejected, CancelSubmitted, FillRestated, OrderAccepted, OrderCanceled, OrderPartiallyFilled,
    OrderReplaced, OrderSubmitted, ReplaceRejected, ReplaceSubmitted,
};
use tickwerk_domain::{ClientOrderId, FillState, Liquidity, Money, ReportKind, Side, VenueId};

const SHOWN: [&str; 5] = ["status", "is_done", "cum_qty", "price", "reason"];

struct Scene {
    desk: Desk<Orders>,
    order: OrderId,
}

impl Scene {
    /// A limit order at 100.00 on its way to the venue.
    fn new() -> Self {
        let mut desk = Desk::<Orders>::new();
        let asked = NewOrder::limit(ALICE, BTCEUR, Side::Buy, Price(10_000), Qty(5_000));
        let order = OrderId(desk.sequence() + 1);
        let submitted = OrderSubmitted::new(order, StrategyId::NONE, VenueId::SIMULATED, &asked);
        desk.frame(asked, [submitted.into()]);
        Self { desk, order }
    }

    /// An event that the venue's word led to.
    fn reported(&mut self, event: impl Into<Event>) {
        let (kind, reason) = (ReportKind::Accepted, Reject::CancelRequested.code());
        let report = OrderReported { order: self.order, venue_order_id: 7, kind, reason };
        self.desk.frame(report, [event.into()]);
    }

    /// An event that a request led to at once.
    fn asked(&mut self, asked: impl Into<Command>, event: impl Into<Event>) {
        self.desk.frame(asked, [event.into()]);
    }

    fn cancel(&self) -> CancelOrder {
        CancelOrder { order: self.order, account: ALICE, client_order_id: ClientOrderId::NONE }
    }

    fn replace(&self) -> ReplaceOrder {
        ReplaceOrder {
            order: self.order,
            price: Price(9_900),
            qty: Qty(5_000),
            trigger_price: Price(0),
            display_qty: Qty::ZERO,
            account: ALICE,
            client_order_id: ClientOrderId::NONE,
        }
    }

    fn cancel_rejected(&self) -> CancelRejected {
        let reason = Reject::UnknownOrder.code();
        CancelRejected { order: self.order, account: ALICE, client_order_id: ClientOrderId::NONE, reason }
    }

    fn replace_rejected(&self) -> ReplaceRejected {
        ReplaceRejected {
            limit: Money::ZERO,
            observed: Money::ZERO,
            order: self.order,
            limits_version: 1,
            account: ALICE,
            client_order_id: ClientOrderId::NONE,
            reason: Reject::UnknownOrder.code(),
        }
    }

    fn replace_submitted(&self) -> ReplaceSubmitted {
        ReplaceSubmitted {
            order: self.order,
            price: Price(9_900),
            qty: Qty(5_000),
            trigger_price: Price(0),
            display_qty: Qty::ZERO,
            reserved: Money::ZERO,
            limits_version: 1,
            instrument: BTCEUR,
            venue: VenueId::SIMULATED,
        }
    }

    fn filled(&self) -> OrderPartiallyFilled {
        OrderPartiallyFilled {
            cum_value: Money::new(20_000),
            cum_fee: Money::new(3),
            order: self.order,
            last_price: Price(10_000),
            last_qty: Qty(2_000),
            cum_qty: Qty(2_000),
            leaves_qty: Qty(3_000),
            account: ALICE,
            instrument: BTCEUR,
            side: Side::Buy,
            liquidity: Liquidity::Maker,
        }
    }

    fn canceled(&self) -> OrderCanceled {
        OrderCanceled { order: self.order, cum_qty: Qty(2_000), reason: Reject::CancelRequested.code() }
    }

    fn status(&self) -> String {
        self.desk.cell("orders", &[Value::unsigned(self.order.0)], "status")
    }

    fn shown(&self) -> [String; 5] {
        self.desk.cells("orders", &[Value::unsigned(self.order.0)], SHOWN)
    }
}

#[test]
fn an_order_lives_from_the_request_to_its_cancel() {
    let mut scene = Scene::new();
    assert_eq!(scene.shown(), ["pending_new", "false", "null", "100.00", "null"]);
    let (order, instrument) = (scene.order, BTCEUR);
    scene.reported(OrderAccepted { order, venue_order_id: 7 });
    assert_eq!(scene.status(), "new");
    scene.reported(scene.filled());
    assert_eq!(scene.shown(), ["partially_filled", "false", "2.000", "100.00", "null"]);
    scene.asked(scene.cancel(), CancelSubmitted { order, instrument });
    assert_eq!(scene.status(), "pending_cancel");
    scene.reported(scene.canceled());
    assert_eq!(scene.shown(), ["canceled", "true", "2.000", "100.00", "cancel_requested"]);
    let of = ["client_order_id", "order_type", "side", "account", "symbol", "venue", "cum_value", "cum_fee"];
    let terms = scene.desk.cells("orders", &[Value::unsigned(order.0)], of);
    assert_eq!(terms, ["null", "limit", "buy", "alice", "BTCEUR", "simulated", "200.00", "0.03"]);
    // A fill that is taken back later leaves it done.
    let restated = FillRestated {
        cum_value: Money::ZERO,
        cum_fee: Money::ZERO,
        fee: Money::ZERO,
        order,
        execution_id: 1,
        price: Price(10_000),
        qty: Qty::ZERO,
        cum_qty: Qty::ZERO,
        leaves_qty: Qty::ZERO,
        account: ALICE,
        instrument,
        state: FillState::Busted,
    };
    scene.reported(restated);
    assert_eq!(scene.shown(), ["canceled", "true", "0.000", "100.00", "cancel_requested"]);
    assert_eq!(scene.desk.rows_of("order_history"), 6);
}

#[test]
fn what_is_refused_leaves_the_order_as_it_stood() {
    let mut scene = Scene::new();
    let (order, instrument) = (scene.order, BTCEUR);
    scene.reported(OrderAccepted { order, venue_order_id: 7 });
    // Refused at once: nothing had changed.
    scene.asked(scene.cancel(), scene.cancel_rejected());
    scene.asked(scene.replace(), scene.replace_rejected());
    assert_eq!(scene.status(), "new");
    // Refused by the venue: back to how it stood.
    scene.asked(scene.cancel(), CancelSubmitted { order, instrument });
    scene.reported(scene.filled());
    assert_eq!(scene.status(), "pending_cancel", "a fill does not answer a cancel");
    scene.reported(scene.cancel_rejected());
    assert_eq!(scene.status(), "partially_filled");
    scene.asked(scene.replace(), scene.replace_submitted());
    assert_eq!(scene.status(), "pending_replace");
    // A second request that is refused at once does not answer the first.
    scene.asked(scene.replace(), scene.replace_rejected());
    assert_eq!(scene.status(), "pending_replace");
    scene.asked(scene.cancel(), CancelSubmitted { order, instrument });
    scene.reported(scene.replace_rejected());
    assert_eq!(scene.status(), "pending_cancel", "the cancel is still on its way");
    scene.reported(scene.cancel_rejected());
    assert_eq!(scene.status(), "partially_filled");
    scene.asked(scene.replace(), scene.replace_submitted());
    scene.reported(OrderReplaced {
        order,
        price: Price(9_900),
        qty: Qty(5_000),
        trigger_price: Price(0),
        display_qty: Qty::ZERO,
        cum_qty: Qty(2_000),
        leaves_qty: Qty(3_000),
        instrument,
    });
    assert_eq!(scene.shown()[..4], ["partially_filled", "false", "2.000", "99.00"]);
    // A refusal of an order that is not known says nothing of it.
    let other = CancelRejected { order: OrderId(999), ..scene.cancel_rejected() };
    scene.asked(scene.cancel(), other);
    let of_other = scene.desk.cell("orders", &[Value::unsigned(999)], "status");
    assert_eq!(of_other, "null");
}
