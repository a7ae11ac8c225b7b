//! Rare terms of an order, beside its row: what most orders never ask for, and which orders may ask for what.
//!
//! A row of terms exists for an order that asks for more than price, quantity, side, type and an immediate or endless
//! time, and for one that was asked to be replaced. It keeps what was asked for, so that a repeated client order id is
//! compared in all its terms, and what became of it: the trigger price of today, what it is held for, a replace that is
//! on its way.

use super::links::NO_GROUP;
use crate::risk::Refusal;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{
    Contingency, HoldReason, Instrument, OrderType, PositionEffect, Price, Qty, Reject, Side, TimeInForce,
    TimeNs, TrailUnit, TriggerBy,
};

/// Hundredths of a percent in a whole.
pub const BASIS_POINTS: i64 = 10_000;

/// What the core owes an order with terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owed {
    /// Nothing.
    Nothing,
    /// To take from it what a sibling filled, or to give it what its parent filled late.
    Resize,
    /// To let it leave, as an order that it waited for is done.
    Leave,
    /// To release it from its parent or for an auction.
    Release,
    /// To end it, as its time is over.
    Expire,
    /// To cancel it.
    Cancel(Reject),
}

/// A replace that is on its way: the terms that were asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replacement {
    /// Limit price.
    pub price: Price,
    /// Order quantity.
    pub qty: Qty,
    /// Trigger price.
    pub trigger_price: Price,
    /// Display quantity.
    pub display_qty: Qty,
    /// What a buy or sell beyond today's quantity adds to the open quantity of the position.
    pub(crate) extra_open: i64,
    /// The price that its reservation is counted at.
    pub reserve_price: Price,
    /// Whether the core asks by itself.
    pub(crate) is_own: bool,
}

/// Rare terms of an order.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "marks that come and go by themselves, not one state")]
pub struct Terms {
    /// What was asked for.
    pub asked: NewOrder,
    /// Trigger price of today; a trailing stop moves it.
    pub trigger_price: Price,
    /// What others see; 0 for all of it.
    pub display_qty: Qty,
    /// When it ends; 0 where nothing ends it.
    pub expires_at: TimeNs,
    /// What it waits for, while it is held.
    pub hold: Option<HoldReason>,
    /// A replace that is on its way.
    pub replacement: Option<Replacement>,
    /// Whether it counts in what its account and position tie up.
    pub is_counted: bool,
    /// Whether its trigger was reached.
    pub is_fired: bool,
    /// Whether the venue watches its trigger.
    pub is_native: bool,
    /// Whether the venue has refused to cancel it: no other leg waits for it any more.
    pub refused_cancel: bool,
    /// Whether it stands in the index of triggers.
    pub(crate) is_indexed: bool,
    pub(crate) owed: Owed,
    /// Place in the order of what is owed.
    pub(crate) ticket: u64,
    /// What siblings filled and it has not lost yet.
    pub(crate) lost: Qty,
    /// The quantity that the client wants, whatever its parent and siblings leave of it.
    pub(crate) wanted: Qty,
    /// Whether its parent was filled late, so that it may become larger.
    pub(crate) may_grow: bool,
    /// Whether it stands in the list of those that wait for a chance in their market.
    pub(crate) is_waiting: bool,
    /// The venue is not asked again before this.
    pub(crate) retry_at: TimeNs,
    pub(crate) group: u32,
    pub(crate) previous_linked: u32,
    pub(crate) next_linked: u32,
    fixed_hash: u64,
    pub(super) row: u64,
}

impl Terms {
    /// The terms of an order as it was asked for.
    pub(crate) fn new(asked: &NewOrder) -> Self {
        let words = [
            asked.link,
            asked.trigger_price.0.cast_unsigned(),
            asked.trail_offset.cast_unsigned(),
            asked.qty.0.cast_unsigned(),
            asked.expires_at.0,
            u64::from(asked.venue.0) << 32 | (asked.contingency as u64) << 16 | asked.trail_unit as u64,
            (asked.trigger_by as u64) << 16 | (asked.position_effect as u64) << 8 | flags(asked),
        ];
        Self {
            asked: *asked,
            trigger_price: asked.trigger_price,
            display_qty: asked.display_qty,
            expires_at: asked.expires_at,
            hold: None,
            replacement: None,
            is_counted: true,
            is_fired: false,
            is_native: false,
            refused_cancel: false,
            is_indexed: false,
            owed: Owed::Nothing,
            ticket: 0,
            lost: Qty::ZERO,
            wanted: asked.qty,
            may_grow: false,
            is_waiting: false,
            retry_at: TimeNs::UNKNOWN,
            group: NO_GROUP,
            previous_linked: super::store::NO_SLOT,
            next_linked: super::store::NO_SLOT,
            fixed_hash: row_hash(TAG, &words),
            row: 0,
        }
    }

    /// Whether it is a leg that shares its exposure with others: only one of them may be at the venue at a time.
    pub fn is_exclusive(&self) -> bool {
        match self.asked.contingency {
            Contingency::Oco | Contingency::BracketExit => true,
            Contingency::None | Contingency::Parent | Contingency::Child => false,
        }
    }

    /// Whether it only leads out of a position, or out of what its parent opened.
    pub(crate) fn is_exit(&self) -> bool {
        match self.asked.contingency {
            Contingency::Child | Contingency::BracketExit => true,
            Contingency::None | Contingency::Oco | Contingency::Parent => self.must_reduce(),
        }
    }

    /// Whether it may only reduce a position.
    pub(crate) fn must_reduce(&self) -> bool {
        self.asked.reduce_only || self.asked.position_effect == PositionEffect::Close
    }

    pub(super) fn hash(&self, id: u64) -> u64 {
        let hold = self.hold.map_or(0, |hold| hold as u64 + 1);
        let owed = match self.owed {
            Owed::Nothing => 0,
            Owed::Resize => 1,
            Owed::Leave => 2,
            Owed::Release => 3,
            Owed::Expire => 4,
            Owed::Cancel(reason) => 16 + reason as u64,
        };
        let marks = u64::from(self.is_counted)
            | u64::from(self.is_fired) << 1
            | u64::from(self.is_native) << 2
            | u64::from(self.is_indexed) << 3
            | u64::from(self.refused_cancel) << 4
            | u64::from(self.may_grow) << 5
            | u64::from(self.is_waiting) << 6;
        let mut words = [0; 15];
        words[..9].copy_from_slice(&[
            id,
            self.trigger_price.0.cast_unsigned(),
            self.display_qty.0.cast_unsigned(),
            self.expires_at.0,
            owed << 16 | hold << 8 | marks,
            self.lost.0.cast_unsigned(),
            self.ticket,
            self.wanted.0.cast_unsigned(),
            self.retry_at.0,
        ]);
        if let Some(new) = &self.replacement {
            let signed =
                [new.price.0, new.qty.0, new.trigger_price.0, new.display_qty.0, new.reserve_price.0];
            words[9..14].copy_from_slice(&signed.map(i64::cast_unsigned));
            words[14] = new.extra_open.cast_unsigned() << 2 | u64::from(new.is_own) << 1 | 1;
        }
        row_hash(self.fixed_hash, &words)
    }
}

tickwerk_domain::persist! {
    Replacement { price, qty, trigger_price, display_qty, extra_open, reserve_price, is_own }
    Terms {
        asked, trigger_price, display_qty, expires_at, hold, replacement, is_counted, is_fired, is_native, refused_cancel,
        is_indexed, owed, ticket, lost, wanted, may_grow, is_waiting, retry_at, group, previous_linked, next_linked, fixed_hash, row,
    }
}

fn flags(asked: &NewOrder) -> u64 {
    u64::from(asked.post_only) | u64::from(asked.reduce_only) << 1 | u64::from(asked.quantity_in_quote) << 2
}

/// Whether an order asks for anything rare.
#[inline]
pub fn is_rare(asked: &NewOrder) -> bool {
    let plain_time = matches!(asked.time_in_force, TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok);
    let numbers = (asked.trigger_price.0 | asked.trail_offset | asked.display_qty.0).cast_unsigned()
        | asked.expires_at.0
        | asked.link
        | u64::from(asked.venue.0)
        | flags(asked);
    let words = asked.trigger_by != TriggerBy::Last
        || asked.trail_unit != TrailUnit::Price
        || asked.contingency != Contingency::None
        || asked.position_effect != PositionEffect::Auto;
    numbers != 0 || words || !plain_time || asked.order_type.is_triggered()
}

/// Whether the terms of an order fit each other, its type and its time in force.
///
/// A trigger price on the wrong side of the market is no error: the order is triggered as soon as it enters. Limit
/// prices and quantities are looked at by the risk check.
pub fn check(asked: &NewOrder, instrument: &Instrument, now: TimeNs) -> Result<(), Refusal> {
    check_type(asked)?;
    check_trigger(asked, instrument)?;
    check_display(asked, instrument)?;
    let is_dated = asked.time_in_force == TimeInForce::Gtd;
    if is_dated && asked.expires_at <= now || !is_dated && asked.expires_at != TimeNs::UNKNOWN {
        return Err(refusal(Reject::ExpiryInvalid, i128::from(now.0), i128::from(asked.expires_at.0)));
    }
    if (asked.link == 0) != (asked.contingency == Contingency::None) {
        return Err(refusal(Reject::LinkInvalid, 0, i128::from(asked.link)));
    }
    Ok(())
}

fn check_type(asked: &NewOrder) -> Result<(), Refusal> {
    let is_immediate = matches!(asked.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    let is_for_auction = matches!(asked.time_in_force, TimeInForce::AtTheOpen | TimeInForce::AtTheClose);
    if !asked.order_type.has_limit() && asked.price.0 != 0 {
        return Err(refusal(Reject::PriceNotAllowed, 0, i128::from(asked.price.0)));
    }
    // A market order never rests.
    let lingers = asked.order_type == OrderType::Market && !is_immediate && !is_for_auction;
    let takes_only = asked.post_only && (!asked.order_type.has_limit() || is_immediate);
    let waits_twice = asked.order_type.is_triggered() && is_for_auction;
    let is_in_quote_and_more = asked.quantity_in_quote
        && (asked.order_type != OrderType::Market
            || is_for_auction
            || asked.contingency != Contingency::None);
    if lingers || takes_only || waits_twice || is_in_quote_and_more {
        return Err(Refusal::plain(Reject::TermsInvalid));
    }
    Ok(())
}

fn check_trigger(asked: &NewOrder, instrument: &Instrument) -> Result<(), Refusal> {
    let (trigger, offset, tick) = (asked.trigger_price.0, asked.trail_offset, instrument.tick_size.0);
    let is_trailing = asked.order_type == OrderType::TrailingStop;
    if !is_trailing && offset != 0 || !asked.order_type.is_triggered() && trigger != 0 {
        return Err(Refusal::plain(Reject::TermsInvalid));
    }
    if !asked.order_type.is_triggered() {
        return Ok(());
    }
    if is_trailing {
        let fits = match asked.trail_unit {
            TrailUnit::Price => offset > 0 && offset % tick == 0,
            TrailUnit::BasisPoints => (1..BASIS_POINTS).contains(&offset),
            TrailUnit::Ticks => offset > 0 && offset.checked_mul(tick).is_some(),
        };
        if !fits {
            return Err(refusal(Reject::TriggerInvalid, 0, i128::from(offset)));
        }
    }
    check_trigger_price(trigger, is_trailing, instrument)
}

/// Whether a trigger price can be: positive and on a tick, or 0 for a trailing stop.
pub(crate) fn check_trigger_price(
    trigger: i64,
    is_trailing: bool,
    instrument: &Instrument,
) -> Result<(), Refusal> {
    let is_open = is_trailing && trigger == 0;
    if is_open || trigger > 0 && trigger % instrument.tick_size.0 == 0 {
        Ok(())
    } else {
        Err(refusal(Reject::TriggerInvalid, i128::from(instrument.tick_size.0), i128::from(trigger)))
    }
}

fn check_display(asked: &NewOrder, instrument: &Instrument) -> Result<(), Refusal> {
    if asked.display_qty == Qty::ZERO {
        return Ok(());
    }
    let is_immediate = matches!(asked.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    let rests = asked.order_type.has_limit() && !is_immediate;
    if !rests {
        return Err(refusal(Reject::DisplayQuantityInvalid, 0, i128::from(asked.display_qty.0)));
    }
    check_display_qty(asked.display_qty, asked.qty, instrument)
}

/// Whether a display quantity can be: positive, a multiple of the lot, at most the order's quantity.
pub(crate) fn check_display_qty(display: Qty, qty: Qty, instrument: &Instrument) -> Result<(), Refusal> {
    if display > Qty::ZERO && display <= qty && display.0 % instrument.lot_size.0 == 0 {
        Ok(())
    } else {
        Err(refusal(Reject::DisplayQuantityInvalid, i128::from(qty.0), i128::from(display.0)))
    }
}

pub(crate) fn refusal(reason: Reject, limit: i128, observed: i128) -> Refusal {
    Refusal { reason, limit, observed }
}

/// The largest quantity, in lots, whose value at `worst` is no more than `amount` in the settlement currency.
///
/// The price is the worst that the order may meet, so it never spends more than was asked for.
pub(crate) fn quantity_for(amount: i64, worst: Price, instrument: &Instrument) -> Result<Qty, Refusal> {
    if amount <= 0 {
        return Err(refusal(Reject::QuantityNotPositive, 1, i128::from(amount)));
    }
    let lot = instrument.lot_size.0;
    let fits = |lots: i64| {
        let value = lots.checked_mul(lot).and_then(|qty| instrument.value_posted(worst, Qty(qty)));
        value.is_some_and(|value| value.abs() <= i128::from(amount))
    };
    // Bisection between what fits and what does not: at most 63 steps.
    let (mut low, mut high) = (0, instrument.quantity_max.0 / lot);
    while low < high {
        let middle = high - (high - low) / 2;
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let qty = low * lot;
    if qty < instrument.quantity_min.0 || qty <= 0 {
        return Err(refusal(
            Reject::QuantityBelowMinimum,
            i128::from(instrument.quantity_min.0),
            i128::from(qty),
        ));
    }
    Ok(Qty(qty))
}

/// Where the trigger of a trailing stop would be with the market at `seen`: a tick that is never nearer than the
/// distance. `None` where there is no such price.
pub(crate) fn trail(asked: &NewOrder, seen: Price, tick: i64) -> Option<Price> {
    let (seen, tick) = (i128::from(seen.0), i128::from(tick));
    let offset = i128::from(asked.trail_offset);
    let distance = match asked.trail_unit {
        TrailUnit::Price => offset * i128::from(BASIS_POINTS),
        TrailUnit::BasisPoints => seen * offset,
        TrailUnit::Ticks => offset * tick * i128::from(BASIS_POINTS),
    };
    // Counted in ten thousandths of a price, so that only the step to a tick rounds.
    let step = tick * i128::from(BASIS_POINTS);
    let ticks = match asked.side {
        Side::Sell => (seen * i128::from(BASIS_POINTS) - distance).div_euclid(step),
        Side::Buy => -(-(seen * i128::from(BASIS_POINTS) + distance)).div_euclid(step),
    };
    i64::try_from(ticks * tick).ok().filter(|price| *price > 0).map(Price)
}

const TAG: u64 = 0x048A;
