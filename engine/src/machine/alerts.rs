//! Alerts at work: what is seen of each limit, and the events when its soft threshold is passed or left.

use super::Machine;
use super::breakers::ROOM_KEPT;
use crate::event_buffer::EventBuffer;
use crate::risk::account_exposure::leverage;
use crate::risk::alerts::{WATCHED, Watched};
use crate::risk::settings::{Effective, bit};
use crate::risk::subjects::SubjectId;
use tickwerk_domain::event::RiskAlert;
use tickwerk_domain::{AccountId, InstrumentId, LimitKind, Money, Rate, Severity, StrategyId};

/// Limits without which nothing is watched.
const ASKS: u32 = bit(LimitKind::AlertFraction) | bit(LimitKind::CancelRate);

impl Machine {
    /// Raises and clears the alerts of an account in an instrument, and of the strategy.
    #[inline]
    pub(super) fn watch_alerts(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        strategy: StrategyId,
        out: &mut EventBuffer,
    ) {
        if self.settings.asks(ASKS) || self.subjects.has_any_alert() {
            self.watch_limits(account, instrument, strategy, out);
        }
    }

    #[inline(never)]
    fn watch_limits(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        strategy: StrategyId,
        out: &mut EventBuffer,
    ) {
        for id in self.parties(account, strategy) {
            let is_raised = self.subjects.get(id).alerts != 0;
            let is_account = id == SubjectId::Account(account);
            let is_position_raised = is_account && self.has_position_alert(account, instrument);
            if self.limits_of(id).has_any(ASKS) || is_raised || is_position_raised {
                for kind in WATCHED {
                    self.watch_limit(id, instrument, kind, out);
                }
            }
        }
    }

    fn has_position_alert(&self, account: AccountId, instrument: InstrumentId) -> bool {
        self.instrument(instrument).is_some() && self.subjects.has_position_alert(account, instrument)
    }

    fn watch_limit(
        &mut self,
        id: SubjectId,
        instrument: InstrumentId,
        kind: LimitKind,
        out: &mut EventBuffer,
    ) {
        let limits = match id {
            SubjectId::Account(account) if self.instrument(instrument).is_some() => {
                self.settings.effective(account, instrument)
            }
            SubjectId::Account(_) | SubjectId::Strategy(_) => self.limits_of(id),
        };
        let seen = self.seen(id, instrument, kind, limits);
        let fraction = match limits.get(LimitKind::AlertFraction) {
            // Passing a cancel rate is told in any case: nothing else happens.
            None if kind == LimitKind::CancelRate => Some(Rate::ONE.0),
            fraction => fraction,
        };
        let severity = seen.zip(fraction).and_then(|(seen, fraction)| seen.severity(fraction));
        let is_position = kind == LimitKind::PositionQuantity;
        let was_raised = match id {
            SubjectId::Account(account) if is_position => self.has_position_alert(account, instrument),
            SubjectId::Account(_) | SubjectId::Strategy(_) => self.subjects.get(id).alerts & bit(kind) != 0,
        };
        if severity.is_some() == was_raised || out.room() <= ROOM_KEPT {
            return;
        }
        let seen = seen.unwrap_or(Watched { kind, limit: -1, observed: 0 });
        match id {
            SubjectId::Account(account) if is_position => {
                self.subjects.set_position_alert(account, instrument, !was_raised, &mut self.digest);
            }
            SubjectId::Account(_) | SubjectId::Strategy(_) => {
                self.subjects.toggle_alert(id, kind, &mut self.digest);
            }
        }
        let (account, strategy) = self.owner_of(id);
        let alert = RiskAlert {
            limit: Money::new(seen.limit),
            observed: Money::new(seen.observed),
            limits_version: self.settings.version(),
            account,
            instrument: if is_position { instrument } else { InstrumentId::NONE },
            strategy,
            kind,
            severity: severity.unwrap_or(Severity::Info),
            raised: !was_raised,
        };
        self.push_account(account, alert, out);
    }

    /// A limit with what is seen of it; `None` where it is not set or what it counts is not known.
    fn seen(
        &self,
        id: SubjectId,
        instrument: InstrumentId,
        kind: LimitKind,
        limits: &Effective,
    ) -> Option<Watched> {
        let limit = limits.get(kind)?;
        let row = self.subjects.get(id);
        let account = match id {
            SubjectId::Account(account) => Some(account),
            SubjectId::Strategy(_) => None,
        };
        let observed: i128 = match kind {
            LimitKind::PositionQuantity => self.position_seen(id, instrument)?.into(),
            LimitKind::OpenOrders => self.accounts.account(account?)?.open_orders.into(),
            LimitKind::GrossExposure => self.exposure_except(account?, None).ok()?.gross,
            LimitKind::NetExposure => self.exposure_except(account?, None).ok()?.net(),
            LimitKind::Leverage => {
                leverage(self.exposure_except(account?, None).ok()?.gross, self.equity(account?)?)
            }
            LimitKind::Credit => self.credit_used(account?, None)?,
            LimitKind::OrderRate => row.orders.taken(limit, self.now).into(),
            LimitKind::ReplaceRate => row.replaces.taken(limit, self.now).into(),
            LimitKind::CancelRate => row.cancels.taken(limit, self.now).into(),
            LimitKind::DailyLoss => row.worth?.loss(self.worth_of(id)?),
            LimitKind::Drawdown => row.worth?.fall(self.worth_of(id)?),
            LimitKind::LossStreak => row.losses.into(),
            LimitKind::OrderToTrade => (row.messages / row.fills.max(1)).into(),
            LimitKind::RejectStorm => row.refusals_within(self.now).into(),
            LimitKind::OrderQuantity
            | LimitKind::OrderQuantityMin
            | LimitKind::OrderNotional
            | LimitKind::PriceCollar
            | LimitKind::SelfTrade
            | LimitKind::MarketAge
            | LimitKind::StaleFeed
            | LimitKind::CoolDown
            | LimitKind::AlertFraction => return None,
        };
        Some(Watched { kind, limit: limit.into(), observed })
    }

    fn position_seen(&self, id: SubjectId, instrument: InstrumentId) -> Option<i64> {
        match id {
            SubjectId::Account(account) => {
                self.instrument(instrument)?;
                let sides = self.positions.sides(account).iter();
                let worst = sides.map(|side| self.positions.of(account, instrument, *side).worst());
                worst.max()
            }
            SubjectId::Strategy(strategy) => {
                let slot = self.strategies.get(strategy.0 as usize)?.as_ref()?;
                Some(slot.held.saturating_add(slot.pending).saturating_abs())
            }
        }
    }
}
