//! Executions: what may be one, and what it does to its order, its position and the ledger.

use super::{History, REMEDY_LARGE};
use crate::import::book::{FillBooked, Key, TooLarge};
use crate::import::orders::{Open, asked_for_fill};
use tickwerk_domain::command::FillReported;
use tickwerk_domain::event::OrderFilled;
use tickwerk_domain::{
    AccountId, Event, InstrumentId, Money, OrderId, OrderType, PositionEffect, PositionSide, Price, Qty, Side,
};
use tickwerk_engine::positions::side_of;
use tickwerk_import::{Fault, FillOrder, FillRow, FinalStatus, Place, Planned, REMEDY_NOT_OPEN};
use tickwerk_render::ORDERS_KEPT;

impl History<'_> {
    pub(super) fn fill(&mut self, planned: &Planned, fill: &FillRow) -> Result<(), Fault> {
        let (id, open) = match &fill.order {
            FillOrder::Named { id, account, instrument, side } => {
                let open = self.open_order(planned, id)?;
                self.check_named(planned, &open, (*account, *instrument, *side), fill)?;
                (id.clone(), open)
            }
            FillOrder::Own { account, side, position_effect, .. } => {
                self.check_side(planned, fill, (*account, *side, *position_effect))?;
                (String::new(), own_order(fill, (*account, *side, *position_effect), planned.place))
            }
        };
        let key = self.key(&open);
        // What may fail comes before anything is told.
        let booked = self.book.fill(&self.plan.names, key, open.side, fill);
        let FillBooked { value, fee_counted: fee, events } = booked.map_err(|TooLarge| {
            self.plan.fault(planned, "qty", "is worth more than an amount can hold", REMEDY_LARGE)
        })?;
        let (open, is_full) = if let FillOrder::Own { strategy, .. } = fill.order {
            let asked = asked_for_fill(fill, (open.account, open.side, open.position_effect));
            let order = self.enter(planned.place, (asked, strategy), 0, true, None);
            (Open { order, cum_qty: fill.qty, cum_value: value, cum_fee: fee, ..open }, true)
        } else {
            self.orders.count_fill(&id, fill, value, fee).expect("the order is open")
        };
        let execution_id = execution_id(&fill.id);
        let report = FillReported {
            order: open.order,
            execution_id,
            price: fill.price,
            qty: fill.qty,
            fee: Money::new(fill.fee),
            fee_currency: fill.fee_currency,
            liquidity: fill.liquidity,
        };
        let mut told = vec![filled(&open, fill, is_full)];
        told.extend(events);
        let is_told = execution_id.to_string() == fill.id;
        self.push(planned.place, report, told, (!is_told).then_some(fill.id.as_str()));
        if is_full {
            self.look_at_full(&open);
        }
        Ok(())
    }

    /// An order that is open at the venue, where one that was rejected never was, and whose terms whoever reads the journal
    /// still knows.
    pub(super) fn open_order(&self, planned: &Planned, id: &str) -> Result<Open, Fault> {
        let open = self.orders.get(id).cloned().ok_or_else(|| {
            self.plan.fault(planned, "order", "is no order that was open then", REMEDY_NOT_OPEN)
        })?;
        if open.status == FinalStatus::Rejected {
            let remedy = "mend the status of its order, or leave the row out by `only`";
            return Err(self.plan.fault(planned, "order", "was rejected", remedy));
        }
        if self.orders.count - open.ordinal >= ORDERS_KEPT as u64 {
            let reason = format!("is older than the last {ORDERS_KEPT} orders, whose terms are kept");
            let remedy = "give the order as two: one that ends, and one with what happened later";
            return Err(self.plan.fault(planned, "order", reason, remedy));
        }
        Ok(open)
    }

    /// Looks at an order that has become full; nothing more will be said of it.
    pub(super) fn look_at_full(&mut self, open: &Open) {
        self.frames.forget(open.order);
        if let Some(reason) = self.filled_fault(open) {
            let told = self.qty(open, open.filled_qty.unwrap_or(Qty::ZERO));
            let fault = Fault::new("filled_qty", told, reason, "mend the order, or its fills");
            self.refuse_order(open.place, fault);
        }
    }

    fn key(&self, open: &Open) -> Key {
        let mode = self.plan.names.account(open.account).mode;
        (open.account, open.instrument, side_of(mode, open.side, open.position_effect))
    }

    /// Whether a fill is one of the order that it names.
    fn check_named(
        &self,
        planned: &Planned,
        open: &Open,
        (account, instrument, side): (Option<AccountId>, Option<InstrumentId>, Option<Side>),
        fill: &FillRow,
    ) -> Result<(), Fault> {
        let differs = [
            ("account", account.is_some_and(|account| account != open.account)),
            ("symbol", instrument.is_some_and(|instrument| instrument != open.instrument)),
            ("side", side.is_some_and(|side| side != open.side)),
        ];
        if let Some((field, _)) = differs.iter().find(|(_, differs)| *differs) {
            let reason = "is not that of its order";
            return Err(self.plan.fault(planned, field, reason, "mend the row, or the order"));
        }
        let after = open.cum_qty.0.checked_add(fill.qty.0);
        if after.is_none_or(|after| after > open.qty.0) {
            let (whole, before) = (self.qty(open, open.qty), self.qty(open, open.cum_qty));
            let reason = format!("is more than its order has left: {before} of {whole} is filled");
            return Err(self.plan.fault(planned, "qty", reason, "mend the row, or the order's quantity"));
        }
        self.check_side(planned, fill, (open.account, open.side, open.position_effect))
    }

    /// Whether a side of a hedged pair has what is closed.
    fn check_side(
        &self,
        planned: &Planned,
        fill: &FillRow,
        (account, way, effect): (AccountId, Side, PositionEffect),
    ) -> Result<(), Fault> {
        let side = side_of(self.plan.names.account(account).mode, way, effect);
        let held = self.book.position((account, fill.instrument, side)).qty;
        let is_beyond = match (side, way) {
            (PositionSide::Net, _) | (PositionSide::Long, Side::Buy) | (PositionSide::Short, Side::Sell) => {
                false
            }
            (PositionSide::Long, Side::Sell) => fill.qty.0 > held,
            (PositionSide::Short, Side::Buy) => fill.qty.0 > held.saturating_neg(),
        };
        if is_beyond {
            let remedy =
                "import what was open before, as positions with use = \"open\", or mend `position_effect`";
            return Err(self.plan.fault(
                planned,
                "qty",
                format!("closes more than the {side} position has"),
                remedy,
            ));
        }
        Ok(())
    }
}

/// The order of a fill that names none, before it is entered.
fn own_order(
    fill: &FillRow,
    (account, side, position_effect): (AccountId, Side, PositionEffect),
    place: Place,
) -> Open {
    Open {
        order: OrderId::NONE,
        ordinal: 0,
        account,
        instrument: fill.instrument,
        side,
        position_effect,
        order_type: OrderType::Market,
        qty: fill.qty,
        price: Price(0),
        trigger_price: Price(0),
        cum_qty: Qty::ZERO,
        cum_value: 0,
        cum_fee: 0,
        status: FinalStatus::Filled,
        filled_qty: None,
        venue_order_id: 0,
        place,
    }
}

/// What a fill did to its order.
fn filled(open: &Open, fill: &FillRow, is_full: bool) -> Event {
    let filled = OrderFilled {
        cum_value: Money::new(open.cum_value),
        cum_fee: Money::new(open.cum_fee),
        order: open.order,
        last_price: fill.price,
        last_qty: fill.qty,
        cum_qty: open.cum_qty,
        leaves_qty: Qty(open.qty.0 - open.cum_qty.0),
        account: open.account,
        instrument: open.instrument,
        side: open.side,
        liquidity: fill.liquidity,
    };
    if is_full { Event::OrderFilled(filled) } else { Event::OrderPartiallyFilled(filled.into()) }
}

/// The number of an execution: the source's id where that is one of 64 bits, which is what records hold, else 63 bits of
/// its hash.
fn execution_id(id: &str) -> u64 {
    let is_plain = |number: &u64| number.to_string() == id;
    id.parse::<u64>().ok().filter(is_plain).unwrap_or_else(|| {
        let hash = blake3::hash(id.as_bytes());
        let bytes: [u8; 8] = hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes");
        u64::from_le_bytes(bytes) >> 1
    })
}
