//! Self-trade prevention before the venue: an order that would meet an open order of its own account.
//!
//! `cancel_taker` refuses the order, `cancel_maker` cancels what it would meet, `cancel_both` does both. Open orders are
//! looked through only where one may be met: [`Resting`] keeps the best price of each side since it was last empty.

use super::{Refusal, View};
use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, ensure};
use tickwerk_domain::{
    AccountId, Digest, InstrumentId, LimitKind, OrderId, OrderStatus, Price, Reject, SelfTradePrevention,
    Side,
};

/// Open orders of its account that one order may cancel; an order that would meet more is refused.
pub const MAKERS_MAX: usize = 8;
/// Open orders that are looked through; where there are more, an order that may meet one is refused.
const STEPS_MAX: usize = 1024;

/// Per account, instrument and side, the best limit price among the orders since none was open. It may be better than
/// what is open now, never worse. Where too many orders are open to look through them all it decides, so it is in the
/// digest.
#[derive(Debug)]
pub struct Resting {
    best: Box<[[Price; 2]]>,
    digest: Digest,
}

impl Default for Resting {
    fn default() -> Self {
        Self::new()
    }
}

impl Resting {
    /// No orders.
    pub fn new() -> Self {
        let best = vec![[Price(0); 2]; ACCOUNTS_MAX * INSTRUMENTS_MAX].into();
        Self { best, digest: Digest::default() }
    }

    /// An order is open from here on, at a limit price or at 0 for one that rests nowhere; `was_empty` where it is the
    /// only one of its side.
    pub fn note(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        price: Price,
        was_empty: bool,
    ) {
        let place = index(account, instrument);
        let best = &mut self.best[place][side as usize];
        let (price, worst) = match side {
            Side::Buy => (price, Price(i64::MIN)),
            Side::Sell if price.0 == 0 => (Price(i64::MAX), Price(i64::MAX)),
            Side::Sell => (price, Price(i64::MAX)),
        };
        let known = if was_empty { worst } else { *best };
        let new = match side {
            Side::Buy => price.max(known),
            Side::Sell => price.min(known),
        };
        // Mostly an order is no better than those that stand there.
        if new != *best {
            let hash = |price| hash_of_best(place, side as u64, price);
            self.digest.replace(hash(*best), hash(new));
            *best = new;
        }
    }

    /// Digest of all of them.
    pub fn digest(&self) -> u64 {
        self.digest.0
    }

    /// Whether an order at `price` (0 for any) may meet an open order of the other side, where there is one.
    #[inline]
    pub fn may_meet(&self, account: AccountId, instrument: InstrumentId, side: Side, price: Price) -> bool {
        meets(side, price, self.best[index(account, instrument)][side.opposite() as usize])
    }
}

impl Resting {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { best, digest } = self;
        to.table(best, &[Price(0); 2]);
        to.value(digest);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let Self { best, digest: _ } = Self::new();
        let loaded = Self { best: from.table(best)?, digest: from.value()? };
        let mut sum = Digest::default();
        for (place, prices) in loaded.best.iter().enumerate() {
            for (side, price) in (0..).zip(prices) {
                sum.replace(hash_of_best(place, side, Price(0)), hash_of_best(place, side, *price));
            }
        }
        ensure(sum == loaded.digest, Fault::Broken("its digest is not that of the rows"))?;
        Ok(loaded)
    }
}

fn hash_of_best(place: usize, side: u64, price: Price) -> u64 {
    row_hash((2 * place) as u64 + side, &[price.0.cast_unsigned()])
}

#[inline]
fn index(account: AccountId, instrument: InstrumentId) -> usize {
    account.0 as usize * INSTRUMENTS_MAX + instrument.0 as usize
}

/// Whether an order of `side` at `price` (0 for any) trades with one that rests at `resting`.
fn meets(side: Side, price: Price, resting: Price) -> bool {
    price.0 == 0
        || match side {
            Side::Buy => price >= resting,
            Side::Sell => price <= resting,
        }
}

/// Open orders that an order would meet.
#[derive(Clone, Copy, Debug)]
pub struct Makers {
    slots: [u32; MAKERS_MAX],
    count: usize,
    /// Price of the first one.
    pub first: Price,
    /// Whether there are more, or more were to be looked through.
    pub has_more: bool,
}

impl Makers {
    /// Their slots, the oldest first.
    pub fn slots(&self) -> &[u32] {
        &self.slots[..self.count]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && !self.has_more
    }
}

/// Whether an order may meet an open one at all.
#[inline]
fn may_meet_any(order: &NewOrder, view: &View<'_>) -> bool {
    let (account, instrument, side) = (order.account, order.instrument, order.side);
    view.machine.positions().has_open(account, instrument, side.opposite())
        && view.machine.resting().may_meet(account, instrument, side, order.price)
}

/// The open orders that an order would meet.
pub(crate) fn makers(order: &NewOrder, view: &View<'_>) -> Makers {
    let mut found = Makers { slots: [0; MAKERS_MAX], count: 0, first: Price(0), has_more: false };
    let (account, instrument, side) = (order.account, order.instrument, order.side);
    if !may_meet_any(order, view) {
        return found;
    }
    let orders = view.machine.orders();
    let mut next = orders.first_own_from(account, instrument, OrderId::NONE);
    let mut steps = 0;
    while let Some(slot) = next {
        if steps == STEPS_MAX {
            found.has_more = true;
            break;
        }
        let resting = orders.get(slot);
        let rests = resting.price.0 != 0 && resting.status != OrderStatus::Held;
        let new = orders.terms(slot).and_then(|terms| terms.replacement);
        let is_met = meets(side, order.price, resting.price)
            || new.is_some_and(|new| meets(side, order.price, new.price));
        if resting.side != side && rests && is_met {
            if found.count == MAKERS_MAX {
                found.has_more = true;
                break;
            }
            found.first = if found.count == 0 { resting.price } else { found.first };
            found.slots[found.count] = slot;
            found.count += 1;
        }
        next = orders.next_own(slot);
        steps += 1;
    }
    found
}

/// What is set for a self-trade; `Off` where nothing is.
fn mode(view: &View<'_>) -> SelfTradePrevention {
    mode_of(view.limits.get(LimitKind::SelfTrade))
}

/// The mode of a limit's number.
pub(crate) fn mode_of(limit: Option<i64>) -> SelfTradePrevention {
    let number = limit.and_then(|number| usize::try_from(number).ok());
    let mode = number.and_then(|number| SelfTradePrevention::ALL.get(number).copied());
    mode.unwrap_or(SelfTradePrevention::Off)
}

/// Refuses an order that would meet an own one, unless the own one can give way.
pub(super) fn check(order: &NewOrder, view: &View<'_>) -> Result<(), Refusal> {
    let mode = mode(view);
    // A held order meets nobody before it leaves.
    if mode == SelfTradePrevention::Off || view.is_held || !may_meet_any(order, view) {
        return Ok(());
    }
    let makers = makers(order, view);
    let is_refused = match mode {
        SelfTradePrevention::Off => false,
        SelfTradePrevention::CancelMaker => makers.has_more,
        SelfTradePrevention::CancelTaker
        | SelfTradePrevention::CancelBoth
        | SelfTradePrevention::Decrement => !makers.is_empty(),
    };
    if is_refused {
        return Err(Refusal::new(Reject::SelfTrade, makers.first.0, order.price.0));
    }
    Ok(())
}
