//! Soft thresholds: an alert is raised once a fraction of a limit is reached, and cleared once it is left.
//!
//! The fraction is `AlertFraction` of the account or strategy; nothing is watched without it, but for cancel rates, whose
//! only effect is the alert. One alert stands for each limit of a subject (for positions: of an account in an
//! instrument), so that it is raised once and cleared once. Watched on approvals, fills and ends of orders.

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

#[cfg(test)]
mod tests {
    use super::*;

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
