//! Funding of perpetual contracts: longs pay shorts a fraction of the value of what they hold, or get it where the rate
//! is negative.
//!
//! Value × rate is rounded half-even to the settlement currency's scale for each position. Our accounts are a part of
//! the market only, so what they pay and get need not be zero in sum: the funding book takes the difference.

use super::{Continuation, Machine};
use crate::event_buffer::EventBuffer;
use tickwerk_domain::command::FundingApplied;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::event::{FundingPosted, LedgerBook};
use tickwerk_domain::{
    AccountId, ContinueKind, Instrument, InstrumentKind, Money, PositionSide, Price, Qty, Rate, Reject, Stamp,
};

/// Events that one account may cause: two for each side of a pair.
const EVENTS_PER_ACCOUNT_MAX: usize = 4;
/// Largest payment, far from where sums of an `i128` could overflow.
const PAYMENT_MAX: u128 = 1 << 90;

impl Machine {
    pub(super) fn on_funding(
        &mut self,
        stamp: Stamp,
        funding: &FundingApplied,
        out: &mut EventBuffer,
    ) -> u64 {
        let instrument = funding.instrument;
        let Some(known) = self.instrument(instrument) else {
            self.refuse(&(*funding).into(), Reject::UnknownInstrument, i64::from(instrument.0), out);
            return 0;
        };
        let definition = known.definition;
        let version = self.next_instrument_version(instrument);
        match self.check_funding(&definition, funding) {
            Err((reason, value)) => self.refuse(&(*funding).into(), reason, value, out),
            Ok(()) => {
                self.set_funding(Some(*funding));
                let from = Continuation::of_instrument(ContinueKind::Funding, stamp.sequence, instrument);
                self.pay_funding(from, out);
            }
        }
        version
    }

    /// Whether every payment fits: funding is paid to all who hold the contract, or to nobody.
    fn check_funding(&self, of: &Instrument, funding: &FundingApplied) -> Result<(), (Reject, i64)> {
        match of.kind {
            InstrumentKind::Spot => return Err((Reject::TermsInvalid, i64::from(of.instrument.0))),
            InstrumentKind::Linear | InstrumentKind::Inverse => {}
        }
        if self.funding.is_some() {
            return Err((Reject::EngineBusy, 0));
        }
        if !(-Rate::ONE.0..=Rate::ONE.0).contains(&funding.rate.0) {
            return Err((Reject::ValueOutOfRange, funding.rate.0));
        }
        if funding.price.0 <= 0 {
            return Err((Reject::PriceNotPositive, funding.price.0));
        }
        for account in self.positions.holders(of.instrument, AccountId::NONE) {
            for side in self.positions.sides(account) {
                let qty = self.positions.of(account, of.instrument, *side).qty;
                if payment(of, qty, funding.price, funding.rate).is_none() {
                    return Err((Reject::ValueOverflow, i64::from(account.0)));
                }
            }
        }
        Ok(())
    }

    /// Pays funding in order of account, as many as fit; the rest goes on later.
    pub(super) fn pay_funding(&mut self, from: Continuation, out: &mut EventBuffer) {
        let known = self.instrument(from.scope.instrument).map(|known| known.definition);
        let Some((of, funding)) = known.zip(self.funding) else {
            self.continuations[from.kind as usize] = None;
            return;
        };
        let mut after = from.after_account();
        for account in self.positions.holders(from.scope.instrument, after) {
            // One event stays free for the digest.
            if out.room() <= EVENTS_PER_ACCOUNT_MAX {
                self.go_on_later(Continuation { after: u64::from(after.0), ..from });
                return;
            }
            for side in self.positions.sides(account) {
                self.pay_position(account, &of, *side, &funding, out);
            }
            self.note_worth(account);
            after = account;
        }
        self.continuations[from.kind as usize] = None;
        self.set_funding(None);
    }

    fn pay_position(
        &mut self,
        account: AccountId,
        of: &Instrument,
        side: PositionSide,
        funding: &FundingApplied,
        out: &mut EventBuffer,
    ) {
        let instrument = of.instrument;
        let qty = self.positions.of(account, instrument, side).qty;
        if qty == 0 {
            return;
        }
        let amount = payment(of, qty, funding.price, funding.rate).expect("all payments were checked");
        let total = self.positions.add_funding((account, instrument, side), amount, &mut self.digest);
        let posted = FundingPosted {
            amount: Money::new(amount),
            funding_total: Money::new(total),
            qty: Qty(qty),
            rate: funding.rate,
            price: funding.price,
            account,
            instrument,
            side,
        };
        let version = self.positions.next_version(account, instrument, side);
        out.push(version, posted);
        self.positions.rehash(account, instrument, &mut self.digest);
        self.post(account, &[super::fills::leg(of.settlement, LedgerBook::Funding, amount)], out);
    }

    /// What is being paid, while it takes more than one command.
    fn set_funding(&mut self, funding: Option<FundingApplied>) {
        let old = std::mem::replace(&mut self.funding, funding);
        self.digest.replace(old.map_or(0, hash), funding.map_or(0, hash));
    }
}

pub(super) fn hash(funding: FundingApplied) -> u64 {
    let [rate, price] = [funding.rate.0, funding.price.0].map(i64::cast_unsigned);
    row_hash(TAG, &[u64::from(funding.instrument.0), rate, price])
}

/// What the holder of `qty` gets, rounded half-even; negative for paid.
fn payment(of: &Instrument, qty: i64, price: Price, rate: Rate) -> Option<i128> {
    if qty == 0 {
        return Some(0);
    }
    let paid = of.fee(price, Qty(qty.checked_abs()?), rate)?;
    let amount = if qty > 0 { -paid } else { paid };
    (amount.unsigned_abs() <= PAYMENT_MAX).then_some(amount)
}

const TAG: u64 = 0x0605;
