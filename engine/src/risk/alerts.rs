//! Soft thresholds: an alert is raised once a fraction of a limit is reached, and cleared once it is left.
//!
//! The fraction is `AlertFraction` of the account or strategy; nothing is watched without it, but for cancel rates, whose
//! only effect is the alert. One alert stands for each limit of a subject (for positions: of an account in an
//! instrument), so that it is raised once and cleared once. It is a warning below the limit and critical from the limit
//! on; while it stands, each change between the two is told once. Watched on approvals, fills and ends of orders.

use super::settings::{Effective, bit};
use tickwerk_domain::{LimitKind, Rate, Severity};

/// A limit with what is seen of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watched {
    /// Which limit.
    pub kind: LimitKind,
    /// The limit.
    pub limit: i128,
    /// The value seen.
    pub observed: i128,
}

/// The limits that are watched, in the order of their alerts.
pub const WATCHED: [LimitKind; 14] = [
    LimitKind::PositionQuantity,
    LimitKind::OpenOrders,
    LimitKind::GrossExposure,
    LimitKind::NetExposure,
    LimitKind::Leverage,
    LimitKind::Credit,
    LimitKind::OrderRate,
    LimitKind::ReplaceRate,
    LimitKind::CancelRate,
    LimitKind::DailyLoss,
    LimitKind::Drawdown,
    LimitKind::LossStreak,
    LimitKind::OrderToTrade,
    LimitKind::RejectStorm,
];

impl Watched {
    /// How grave it is; `None` below the fraction of the limit.
    pub fn severity(&self, fraction: i64) -> Option<Severity> {
        // Nearly all values fit 64 bits; the saturating product of wide ones is a call.
        let (seen, threshold) = match (i64::try_from(self.observed), i64::try_from(self.limit)) {
            (Ok(observed), Ok(limit)) => {
                (i128::from(observed) * i128::from(Rate::ONE.0), i128::from(limit) * i128::from(fraction))
            }
            (Ok(_) | Err(_), Ok(_) | Err(_)) => (
                self.observed.saturating_mul(i128::from(Rate::ONE.0)),
                self.limit.saturating_mul(i128::from(fraction)),
            ),
        };
        if self.observed <= 0 || seen < threshold {
            None
        } else if self.observed >= self.limit {
            Some(Severity::Critical)
        } else {
            Some(Severity::Warning)
        }
    }
}

/// The alerts of a subject that stand, a bit for each kind of limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Alerts {
    /// Those that are raised.
    pub raised: u32,
    /// Those of them that are critical.
    pub critical: u32,
}

impl Alerts {
    /// How grave the alert of a kind is; `None` where it is not raised.
    pub fn severity(&self, kind: LimitKind) -> Option<Severity> {
        severity_of(self.raised & bit(kind) != 0, self.critical & bit(kind) != 0)
    }

    /// Raises the alert of a kind, changes how grave it is, or clears it.
    pub(crate) fn set(&mut self, kind: LimitKind, to: Option<Severity>) {
        let (raised, critical) = bits_of(to);
        self.raised = self.raised & !bit(kind) | u32::from(raised) << kind as u32;
        self.critical = self.critical & !bit(kind) | u32::from(critical) << kind as u32;
    }
}

/// How grave an alert is whose two bits are given.
pub(crate) fn severity_of(is_raised: bool, is_critical: bool) -> Option<Severity> {
    is_raised.then_some(if is_critical { Severity::Critical } else { Severity::Warning })
}

/// The two bits of an alert: whether it is raised, and critical.
pub(crate) fn bits_of(severity: Option<Severity>) -> (bool, bool) {
    (severity.is_some(), severity == Some(Severity::Critical))
}

tickwerk_domain::persist! { Alerts { raised, critical } }

/// The least values at which alerts are raised: [`Watched::severity`] worked out when a limit is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    /// By [`LimitKind`]; at least 1.
    least: [i64; LimitKind::ALL.len()],
    /// A bit for each limit that may raise an alert.
    pub(crate) watched: u32,
}

impl Thresholds {
    /// Nothing is watched.
    pub(crate) const NONE: Self = Self { least: [i64::MAX; LimitKind::ALL.len()], watched: 0 };

    /// Those of some limits.
    pub(crate) fn of(limits: &Effective) -> Self {
        let mut of = Self::NONE;
        for kind in WATCHED {
            if let (Some(limit), Some(fraction)) = (limits.get(kind), fraction(limits, kind)) {
                let (product, one) = (i128::from(limit) * i128::from(fraction), i128::from(Rate::ONE.0));
                // A fraction is at most one, so the part of a limit fits.
                let part = product / one + i128::from(product % one > 0);
                of.least[kind as usize] = i64::try_from(part).unwrap_or(i64::MAX).max(1);
                of.watched |= bit(kind);
            }
        }
        of
    }

    /// The limits themselves, of the kinds in `among` alone: from there on alerts are critical.
    pub(crate) fn critical(limits: &Effective, among: u32) -> Self {
        let mut of = Self { watched: among, ..Self::NONE };
        for kind in WATCHED {
            if let Some(limit) = limits.get(kind).filter(|_| among & bit(kind) != 0) {
                of.least[kind as usize] = limit.max(1);
            }
        }
        of
    }

    /// Whether alerts may be raised for a limit.
    #[inline]
    pub(crate) fn watches(&self, kind: LimitKind) -> bool {
        self.watched & bit(kind) != 0
    }

    /// The least value seen that raises the alert of a limit that is watched.
    #[inline]
    pub(crate) fn least(&self, kind: LimitKind) -> i64 {
        self.least[kind as usize]
    }
}

/// The fraction of a limit that raises its alert. Passing a cancel rate is told in any case: nothing else happens.
pub(crate) fn fraction(limits: &Effective, kind: LimitKind) -> Option<i64> {
    match limits.get(LimitKind::AlertFraction) {
        None if kind == LimitKind::CancelRate => Some(Rate::ONE.0),
        fraction => fraction,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::scopes::values_of;
    use crate::risk::settings::{Scope, Settings};
    use proptest::prelude::*;
    use tickwerk_domain::{AccountId, Digest, InstrumentId, StrategyId};

    proptest! {
        #[test]
        fn a_threshold_says_what_the_severity_says(
            limit in prop_oneof![0..100_i64, 0..=i64::MAX],
            fraction in 1..=Rate::ONE.0,
            near in -3..4_i64,
            observed in any::<i128>(),
        ) {
            let mut settings = Settings::new();
            let scope = Scope {
                account: AccountId(0),
                instrument: InstrumentId(0),
                strategy: StrategyId::NONE,
            };
            let kind = LimitKind::GrossExposure;
            prop_assert!(values_of(kind).contains(&limit));
            for (kind, value) in [(kind, limit), (LimitKind::AlertFraction, fraction)] {
                settings.set_limit(scope, kind, value, &mut Digest::default()).unwrap();
            }
            let of = settings.thresholds(AccountId(1), InstrumentId(1));
            let least = i128::from(of.least(kind));
            for observed in [observed, least + i128::from(near)] {
                let watched = Watched { kind, limit: limit.into(), observed };
                prop_assert_eq!(watched.severity(fraction).is_some(), observed >= least);
                let critical = Thresholds::critical(settings.effective(AccountId(1), InstrumentId(1)), bit(kind));
                let is_critical = watched.severity(fraction) == Some(Severity::Critical);
                prop_assert_eq!(is_critical, observed >= critical.least(kind).into());
            }
        }
    }

    #[test]
    fn the_fraction_is_reached_and_then_the_limit() {
        let at = |observed| Watched { kind: LimitKind::OpenOrders, limit: 10, observed }.severity(80_000_000);
        assert_eq!([at(0), at(7), at(8)], [None, None, Some(Severity::Warning)]);
        assert_eq!(
            [at(9), at(10), at(11)],
            [Severity::Warning, Severity::Critical, Severity::Critical].map(Some)
        );
    }
}
