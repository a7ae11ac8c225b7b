//! Messages a second: a token bucket on journaled time, in integers.
//!
//! The bucket holds as many tokens as the rate says and fills at that rate, so that a burst of a second's worth passes
//! at once. What is kept is what is *missing* in units of 10⁻⁹ tokens: a nanosecond gives exactly `rate` of them, a new
//! bucket is full, and a changed rate needs no conversion. Only what goes to the venue takes a token.

use super::{Refusal, View};
use tickwerk_domain::{LimitKind, Reject, TimeNs};

/// Units of one token.
const TOKEN: u64 = 1_000_000_000;

/// What a command asks of the venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message {
    /// A new order.
    Order,
    /// A replace.
    Replace,
    /// A cancel.
    Cancel,
}

impl Message {
    /// The limit of how often it may be asked.
    pub fn rate(self) -> LimitKind {
        match self {
            Self::Order => LimitKind::OrderRate,
            Self::Replace => LimitKind::ReplaceRate,
            Self::Cancel => LimitKind::CancelRate,
        }
    }
}

/// What is missing of a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bucket {
    missing: u64,
    at: TimeNs,
}

impl Bucket {
    /// Tokens that are taken at `now`, a part of one counted as one.
    pub fn taken(&self, rate: i64, now: TimeNs) -> i64 {
        i64::try_from(self.missing_at(rate, now).div_ceil(TOKEN)).unwrap_or(i64::MAX)
    }

    /// Whether no token was missing when the last one was taken, and none is now.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.missing == 0
    }

    /// Whether at least so many tokens may be taken by now, `least` being positive; time only gives some back.
    #[inline]
    pub(crate) fn may_have_taken(&self, least: i64) -> bool {
        self.missing > (least.unsigned_abs() - 1).saturating_mul(TOKEN)
    }

    /// Whether at least so many tokens are taken at `now`, `least` being positive.
    #[inline]
    pub(crate) fn has_taken(&self, least: i64, rate: i64, now: TimeNs) -> bool {
        self.missing_at(rate, now) > (least.unsigned_abs() - 1).saturating_mul(TOKEN)
    }

    /// Whether one more token can be taken.
    #[inline]
    pub fn has_token(&self, rate: i64, now: TimeNs) -> bool {
        self.missing_at(rate, now).saturating_add(TOKEN) <= rate.unsigned_abs().saturating_mul(TOKEN)
    }

    /// Takes a token; beyond an empty bucket nothing more goes missing.
    #[inline]
    pub fn take(&mut self, rate: i64, now: TimeNs) {
        let full = rate.unsigned_abs().saturating_mul(TOKEN).max(TOKEN);
        self.missing = self.missing_at(rate, now).saturating_add(TOKEN).min(full);
        self.at = now;
    }

    /// For the digest.
    pub fn words(&self) -> [u64; 2] {
        [self.missing, self.at.0]
    }

    #[inline]
    fn missing_at(&self, rate: i64, now: TimeNs) -> u64 {
        self.missing.saturating_sub(now.since(self.at).0.saturating_mul(rate.unsigned_abs()))
    }
}

tickwerk_domain::persist! { Bucket { missing, at } }

/// The rate of new orders, or of replaces where one is asked for, of the account and of the strategy.
pub(super) fn check(view: &View<'_>) -> Result<(), Refusal> {
    // A held order took its token when it came.
    let Some(message) = view.message else { return Ok(()) };
    let (is_replace, reason) = match message {
        Message::Order => (false, Reject::OrderRateAboveLimit),
        Message::Replace => (true, Reject::ReplaceRateAboveLimit),
        Message::Cancel => return Ok(()),
    };
    for party in view.parties() {
        let Some(rate) = party.limits.get(message.rate()) else { continue };
        let bucket = if is_replace { &party.subject.replaces } else { &party.subject.orders };
        if !bucket.has_token(rate, view.now) {
            return Err(Refusal::new(reason, rate, bucket.taken(rate, view.now).saturating_add(1)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_at(bucket: &mut Bucket, rate: i64, now: u64) -> bool {
        let may = bucket.has_token(rate, TimeNs(now));
        if may {
            bucket.take(rate, TimeNs(now));
        }
        may
    }

    #[test]
    fn a_second_brings_as_many_tokens_as_the_rate_says() {
        for rate in [1_u32, 3, 7, 1_000] {
            let mut bucket = Bucket::default();
            let at = |bucket: &mut Bucket, now| {
                (0..rate + 5).map(|_| u32::from(taken_at(bucket, rate.into(), now))).sum::<u32>()
            };
            assert_eq!(at(&mut bucket, 10 * TOKEN), rate, "a burst");
            assert_eq!(at(&mut bucket, 10 * TOKEN), 0);
            let of_one = TOKEN.div_ceil(u64::from(rate));
            assert_eq!(at(&mut bucket, 10 * TOKEN + of_one - 1), 0, "a token takes {of_one} ns");
            assert_eq!(at(&mut bucket, 10 * TOKEN + of_one), 1);
            assert_eq!(at(&mut bucket, 100 * TOKEN), rate, "a full bucket takes no more");
        }
    }

    #[test]
    fn extremes_overflow_nothing() {
        let mut bucket = Bucket::default();
        for rate in [0, 1, super::super::scopes::RATE_MAX, i64::MAX, i64::MIN] {
            for now in [0, 1, u64::MAX] {
                bucket.take(rate, TimeNs(now));
                bucket.taken(rate, TimeNs(now));
                bucket.has_token(rate, TimeNs(now));
                for least in [1, 2, 999, i64::MAX] {
                    let has_taken = bucket.taken(rate, TimeNs(now)) >= least;
                    assert_eq!(bucket.has_taken(least, rate, TimeNs(now)), has_taken);
                }
            }
        }
        assert!(!Bucket::default().has_token(0, TimeNs(5)), "a rate of none lets nothing through");
    }
}
