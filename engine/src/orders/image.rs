//! Orders in a state image: each row with its rare terms, so that their slab needs no places of its own.
//!
//! Slots stay what they are, as the store uses them in turn. Lists of open orders and indexes follow from the rows.

use super::Order;
use super::terms::Owed;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist};

tickwerk_domain::persist! {
    Order {
        id, client_order_id, price, qty, cum_qty, cum_value, cum_fee, reserved, reserve_price, execution_id, version,
        account, instrument, strategy, reserved_currency, reason, venue, side, position_side, order_type,
        time_in_force, status, is_accepted, is_cancel_pending, has_terms, requested_at, fixed_hash,
    }
}

impl Persist for Owed {
    fn save(&self, to: &mut ImageWriter) {
        match self {
            Self::Nothing => 0_u8.save(to),
            Self::Resize => 1_u8.save(to),
            Self::Leave => 2_u8.save(to),
            Self::Release => 3_u8.save(to),
            Self::Expire => 4_u8.save(to),
            Self::Cancel(reason) => (5_u8, *reason).save(to),
        }
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(match u8::load(from)? {
            0 => Self::Nothing,
            1 => Self::Resize,
            2 => Self::Leave,
            3 => Self::Release,
            4 => Self::Expire,
            5 => Self::Cancel(from.value()?),
            found => return Err(Fault::Value { what: "debt to an order", found: found.into() }),
        })
    }
}
