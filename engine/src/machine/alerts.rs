//! Alerts at work: what is seen of each limit, and the events when its soft threshold or the limit itself is reached or
//! left.

use super::Machine;
use super::breakers::ROOM_KEPT;
use crate::event_buffer::EventBuffer;
use crate::risk::account_exposure::{self, Exposure, leverage};
use crate::risk::alerts::{Alerts, Thresholds, WATCHED, Watched, fraction};
use crate::risk::settings::{Effective, bit};
use crate::risk::subjects::SubjectId;
use tickwerk_domain::event::RiskAlert;
use tickwerk_domain::{AccountId, InstrumentId, LimitKind, Money, PositionMode, Severity, StrategyId};

/// Limits without which nothing is watched.
const ASKS: u32 = bit(LimitKind::AlertFraction) | bit(LimitKind::CancelRate);
/// Limits of what an account or strategy is worth; of what a leverage follows from.
const OF_WORTH: u32 = bit(LimitKind::DailyLoss) | bit(LimitKind::Drawdown) | bit(LimitKind::Leverage);
/// Limits that only accounts have.
const OF_ACCOUNTS: u32 = account_exposure::ASKS | bit(LimitKind::OpenOrders) | bit(LimitKind::Credit);

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
        self.for_parties(account, strategy, |machine, id| machine.watch_limits_of(id, instrument, out));
    }

    #[inline]
    fn watch_limits_of(&mut self, id: SubjectId, instrument: InstrumentId, out: &mut EventBuffer) {
        let mut standing = self.subjects.get(id).alerts;
        if let SubjectId::Account(account) = id {
            standing.set(LimitKind::PositionQuantity, self.position_alert(account, instrument));
        }
        if standing.raised == 0 {
            if !self.limits_of(id).has_any(ASKS) {
                return;
            }
            if let SubjectId::Account(account) = id
                && self.is_quiet(account, instrument)
            {
                debug_assert_eq!(self.reached_by_severity(id, instrument), Alerts::default());
                return;
            }
        }
        let reached = self.reached(id, instrument);
        debug_assert_eq!(reached, self.reached_by_severity(id, instrument));
        if reached != standing {
            self.change_alerts(id, instrument, out);
        }
    }

    /// Whether surely no alert of an account in an instrument is to be raised: each value far enough from its threshold to be told at a
    /// glance. A limit that is not watched has a threshold that nothing reaches.
    #[inline]
    fn is_quiet(&self, account: AccountId, instrument: InstrumentId) -> bool {
        if self.positions.mode(account) == PositionMode::Hedging || self.instrument(instrument).is_none() {
            return false;
        }
        let of = self.settings.thresholds(account, instrument);
        let row = self.subjects.get(SubjectId::Account(account));
        let open_orders = self.accounts.account(account).map_or(0, |row| row.open_orders);
        let is_loud = self.positions.get(account, instrument).worst()
            >= of.least(LimitKind::PositionQuantity)
            || i64::from(open_orders) >= of.least(LimitKind::OpenOrders)
            || self.accounts.is_short(account)
            || row.orders.may_have_taken(of.least(LimitKind::OrderRate))
            || row.replaces.may_have_taken(of.least(LimitKind::ReplaceRate))
            || row.cancels.may_have_taken(of.least(LimitKind::CancelRate))
            || row.losses >= of.least(LimitKind::LossStreak).unsigned_abs()
            || row.refusals >= of.least(LimitKind::RejectStorm).unsigned_abs()
            || row.has_ratio(of.least(LimitKind::OrderToTrade));
        if is_loud {
            return false;
        }
        if of.watched & (OF_WORTH | account_exposure::ASKS) == 0 {
            return true;
        }
        let Some((exposure, Some(equity))) = self.exposure_known(account) else { return false };
        let is_worth_quiet =
            of.watched & super::breakers::OF_WORTH == 0 || row.is_quiet(equity, self.settings.version());
        let leverage_most = of.least(LimitKind::Leverage) - 1;
        is_worth_quiet
            && exposure.gross < of.least(LimitKind::GrossExposure)
            && exposure.net() < of.least(LimitKind::NetExposure)
            && !(of.watches(LimitKind::Leverage)
                && account_exposure::is_leverage_above(exposure.gross.into(), equity, leverage_most))
    }

    /// Raises and clears alerts one by one, and tells how grave they have become.
    #[cold]
    fn change_alerts(&mut self, id: SubjectId, instrument: InstrumentId, out: &mut EventBuffer) {
        let exposure = self.exposure_asked(id, instrument);
        for kind in WATCHED {
            self.watch_limit(id, instrument, (kind, exposure.as_ref()), out);
        }
    }

    fn exposure_asked(&self, id: SubjectId, instrument: InstrumentId) -> Option<Exposure> {
        match id {
            SubjectId::Account(account) if self.limits_of(id).has_any(account_exposure::ASKS) => {
                self.exposure_now(account, instrument)
            }
            SubjectId::Account(_) | SubjectId::Strategy(_) => None,
        }
    }

    /// The alerts that are to stand: each value seen against its threshold, and where that is reached against the limit.
    fn reached(&self, id: SubjectId, instrument: InstrumentId) -> Alerts {
        let (of, limits) = match id {
            SubjectId::Account(account) if self.instrument(instrument).is_some() => {
                (self.settings.thresholds(account, instrument), self.settings.effective(account, instrument))
            }
            SubjectId::Account(account) => (
                self.settings.thresholds(account, InstrumentId::NONE),
                self.settings.effective(account, InstrumentId::NONE),
            ),
            SubjectId::Strategy(strategy) => {
                (self.settings.strategy_thresholds(strategy), self.settings.strategy(strategy))
            }
        };
        let raised = self.reached_of(id, instrument, (of, limits));
        let critical = if raised == 0 {
            0
        } else {
            self.reached_of(id, instrument, (&Thresholds::critical(limits, raised), limits))
        };
        Alerts { raised, critical }
    }

    /// The limits whose thresholds are reached, a bit each.
    #[inline(never)]
    fn reached_of(
        &self,
        id: SubjectId,
        instrument: InstrumentId,
        (of, limits): (&Thresholds, &Effective),
    ) -> u32 {
        let row = self.subjects.get(id);
        let (mut reached, now) = (0, self.now);
        let mut note = |kind: LimitKind, is_reached: bool| reached |= u32::from(is_reached) << kind as u32;
        if of.watches(LimitKind::PositionQuantity) {
            let seen = match id {
                SubjectId::Account(account) if self.positions.mode(account) == PositionMode::Netting => {
                    self.positions.get(account, instrument).worst()
                }
                SubjectId::Account(_) | SubjectId::Strategy(_) => {
                    self.position_seen(id, instrument).unwrap_or(0)
                }
            };
            note(LimitKind::PositionQuantity, seen >= of.least(LimitKind::PositionQuantity));
        }
        for (kind, bucket) in [
            (LimitKind::OrderRate, &row.orders),
            (LimitKind::ReplaceRate, &row.replaces),
            (LimitKind::CancelRate, &row.cancels),
        ] {
            if !bucket.is_full()
                && let Some(rate) = limits.get(kind).filter(|_| of.watches(kind))
            {
                note(kind, bucket.has_taken(of.least(kind), rate, now));
            }
        }
        for (kind, seen) in
            [(LimitKind::LossStreak, row.losses), (LimitKind::RejectStorm, row.refusals_within(now))]
        {
            // A limit that is not watched has a threshold that no counter reaches.
            note(kind, seen >= of.least(kind).unsigned_abs());
        }
        if of.watches(LimitKind::OrderToTrade) {
            note(LimitKind::OrderToTrade, row.has_ratio(of.least(LimitKind::OrderToTrade)));
        }
        let worth = if of.watched & OF_WORTH == 0 { None } else { self.worth_of(id) };
        if let Some((worth, seen)) = row.worth.zip(worth) {
            let loss = worth.loss(seen) >= i128::from(of.least(LimitKind::DailyLoss));
            note(LimitKind::DailyLoss, loss && of.watches(LimitKind::DailyLoss));
            let has_fallen =
                of.watches(LimitKind::Drawdown) && worth.has_fallen(seen, of.least(LimitKind::Drawdown));
            note(LimitKind::Drawdown, has_fallen);
        }
        if let SubjectId::Account(account) = id
            && of.watched & OF_ACCOUNTS != 0
        {
            reached |= self.reached_by_account(account, instrument, (of, worth));
        }
        reached
    }

    /// The same for the limits that only accounts have.
    #[inline]
    fn reached_by_account(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        (of, equity): (&Thresholds, Option<i128>),
    ) -> u32 {
        let mut reached = 0;
        let mut note = |kind: LimitKind, is_reached: bool| {
            reached |= u32::from(is_reached && of.watches(kind)) << kind as u32;
        };
        let open_orders = self.accounts.account(account).map_or(0, |row| row.open_orders);
        note(LimitKind::OpenOrders, i64::from(open_orders) >= of.least(LimitKind::OpenOrders));
        if of.watches(LimitKind::Credit) {
            let used = self.credit_used(account, None).unwrap_or(0);
            note(LimitKind::Credit, used >= i128::from(of.least(LimitKind::Credit)));
        }
        if of.watched & account_exposure::ASKS == 0 || self.instrument(instrument).is_none() {
            return reached;
        }
        let gross = if let Some((exposure, _)) = self.exposure_known(account) {
            note(LimitKind::GrossExposure, exposure.gross >= of.least(LimitKind::GrossExposure));
            note(LimitKind::NetExposure, exposure.net() >= of.least(LimitKind::NetExposure));
            Some(exposure.gross.into())
        } else {
            let exposure = self.exposure_now(account, instrument);
            let (gross, net) = exposure.map_or((0, 0), |exposure| (exposure.gross, exposure.net()));
            note(LimitKind::GrossExposure, gross >= i128::from(of.least(LimitKind::GrossExposure)));
            note(LimitKind::NetExposure, net >= i128::from(of.least(LimitKind::NetExposure)));
            exposure.map(|exposure| exposure.gross)
        };
        if let Some((gross, equity)) = gross.zip(equity) {
            let most = of.least(LimitKind::Leverage) - 1;
            note(LimitKind::Leverage, account_exposure::is_leverage_above(gross, equity, most));
        }
        reached
    }

    /// What [`Self::reached`] says, from each value itself.
    fn reached_by_severity(&self, id: SubjectId, instrument: InstrumentId) -> Alerts {
        let exposure = self.exposure_asked(id, instrument);
        let limits = self.limits_watched(id, instrument);
        let mut alerts = Alerts::default();
        for kind in WATCHED {
            let seen = self.seen(id, instrument, (kind, exposure.as_ref()), limits);
            alerts.set(kind, seen.zip(fraction(limits, kind)).and_then(|(seen, of)| seen.severity(of)));
        }
        alerts
    }

    /// The limits that are watched for an account in an instrument, or for a strategy.
    fn limits_watched(&self, id: SubjectId, instrument: InstrumentId) -> &Effective {
        match id {
            SubjectId::Account(account) if self.instrument(instrument).is_some() => {
                self.settings.effective(account, instrument)
            }
            SubjectId::Account(_) | SubjectId::Strategy(_) => self.limits_of(id),
        }
    }

    fn position_alert(&self, account: AccountId, instrument: InstrumentId) -> Option<Severity> {
        self.instrument(instrument)?;
        self.subjects.position_alert(account, instrument)
    }

    fn watch_limit(
        &mut self,
        id: SubjectId,
        instrument: InstrumentId,
        (kind, exposure): (LimitKind, Option<&Exposure>),
        out: &mut EventBuffer,
    ) {
        let limits = self.limits_watched(id, instrument);
        let is_position = kind == LimitKind::PositionQuantity;
        let before = match id {
            SubjectId::Account(account) if is_position => self.position_alert(account, instrument),
            SubjectId::Account(_) | SubjectId::Strategy(_) => self.subjects.get(id).alerts.severity(kind),
        };
        if before.is_none() && !limits.has_any(bit(kind)) {
            return;
        }
        let seen = self.seen(id, instrument, (kind, exposure), limits);
        let severity = seen.zip(fraction(limits, kind)).and_then(|(seen, of)| seen.severity(of));
        if severity == before || out.room() <= ROOM_KEPT {
            return;
        }
        let seen = seen.unwrap_or(Watched { kind, limit: -1, observed: 0 });
        match id {
            SubjectId::Account(account) if is_position => {
                self.subjects.set_position_alert(account, instrument, severity, &mut self.digest);
            }
            SubjectId::Account(_) | SubjectId::Strategy(_) => {
                self.subjects.set_alert(id, kind, severity, &mut self.digest);
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
            raised: severity.is_some(),
        };
        self.push_account(account, alert, out);
    }

    /// A limit with what is seen of it; `None` where it is not set or what it counts is not known.
    fn seen(
        &self,
        id: SubjectId,
        instrument: InstrumentId,
        (kind, exposure): (LimitKind, Option<&Exposure>),
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
            LimitKind::GrossExposure => exposure?.gross,
            LimitKind::NetExposure => exposure?.net(),
            LimitKind::Leverage => leverage(exposure?.gross, self.equity_known(account?)?),
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

    fn exposure_now(&self, account: AccountId, instrument: InstrumentId) -> Option<Exposure> {
        self.instrument(instrument)?;
        let own = self.own_exposure(account, instrument, None, |_, position| *position).ok()?;
        self.exposure_with(account, instrument, &own).ok()
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
