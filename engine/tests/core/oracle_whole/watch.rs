//! What the model watches: worth, refusals, ratios and streaks, the breakers that they trip, and alerts.

use super::exposure::leverage;
use super::model::Model;
use super::risk::{Message, Tripped};
use tickwerk_domain::command::BreakerReset;
use tickwerk_domain::event::{BreakerChanged, RiskAlert};
use tickwerk_domain::{
    AccountId, BreakerKind, BreakerState, InstrumentId, LimitKind, Money, Rate, Reject, Severity, StrategyId,
    TimeNs, TimerKind,
};

const DAY_NS: u64 = 86_400_000_000_000;

/// The limits that raise alerts, in order.
const ALERTS: [LimitKind; 14] = [
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

fn timer_of(account: AccountId, kind: BreakerKind) -> (u8, u64) {
    (TimerKind::BreakerCooled as u8, (kind as u64) << 32 | u64::from(account.0))
}

/// The fall from the highest in units of 10⁻⁸ of it, rounded down.
fn fall(peak: i128, now: i128) -> i128 {
    let fallen = peak - now;
    if peak <= 0 || fallen <= 0 { 0 } else { fallen * i128::from(Rate::ONE.0) / peak }
}

impl Model {
    /// A new day begins before the command in hand.
    pub(super) fn watch_day(&mut self) {
        if self.now < self.day_ends {
            return;
        }
        self.day_ends = (self.now / DAY_NS + 1) * DAY_NS;
        let accounts: Vec<_> = self.watched.keys().copied().collect();
        for account in accounts {
            let equity = self.equity(account);
            let watched = self.watched.entry(account).or_default();
            watched.worth = watched.worth.zip(equity).map(|((_, peak), day)| (day, peak));
            (watched.messages, watched.fills) = (0, 0);
        }
    }

    /// What is seen before an order or a replace is decided on.
    pub(super) fn watch_before(&mut self, account: AccountId, id: InstrumentId) {
        if !self.accounts.contains_key(&account) {
            return;
        }
        if let Some(limit) = self.own_limit(account, LimitKind::StaleFeed)
            && let Some(market) = self.markets.get(&id)
        {
            let silence = i128::from(self.now - market.observed_at);
            if silence >= i128::from(limit) {
                self.trip(account, BreakerKind::StaleFeed, limit.into(), silence);
            }
        }
        self.watch_worth(account);
    }

    pub(super) fn watch_worth(&mut self, account: AccountId) {
        let daily = self.own_limit(account, LimitKind::DailyLoss).map(i128::from);
        let drawdown = self.own_limit(account, LimitKind::Drawdown).map(i128::from);
        let Some(equity) = self.equity(account).filter(|_| daily.or(drawdown).is_some()) else { return };
        let known = self.watched.entry(account).or_default().worth;
        let (day, peak) = known.map_or((equity, equity), |(day, peak)| (day, peak.max(equity)));
        self.watched.entry(account).or_default().worth = Some((day, peak));
        if let Some(limit) = daily.filter(|limit| day - equity >= *limit) {
            self.trip(account, BreakerKind::DailyLoss, limit, day - equity);
        }
        if let Some(limit) = drawdown.filter(|limit| fall(peak, equity) >= *limit) {
            self.trip(account, BreakerKind::Drawdown, limit, fall(peak, equity));
        }
    }

    /// Trips a breaker that is armed; it cools down where that is set.
    fn trip(&mut self, account: AccountId, kind: BreakerKind, limit: i128, seen: i128) {
        let known = self.watched.entry(account).or_default().breakers.get(&kind);
        if known.is_some_and(|breaker| breaker.state != BreakerState::Armed) {
            return;
        }
        let cool_down = self.own_limit(account, LimitKind::CoolDown);
        let until = cool_down.map_or(0, |span| self.now + span.unsigned_abs());
        let state = if cool_down.is_some() { BreakerState::Cooling } else { BreakerState::Tripped };
        if cool_down.is_some() {
            self.timers.insert(timer_of(account, kind), until);
        }
        *self.counts.entry(kind.word()).or_default() += 1;
        self.move_breaker(account, kind, Tripped { state, limit, seen, until });
    }

    fn move_breaker(&mut self, account: AccountId, kind: BreakerKind, to: Tripped) {
        let before = self.watched.entry(account).or_default().breakers.insert(kind, to);
        let from = before.map_or(BreakerState::Armed, |before| before.state);
        let changed = BreakerChanged {
            limit: Money::new(to.limit),
            observed: Money::new(to.seen),
            until: TimeNs(to.until),
            limits_version: self.version,
            account,
            strategy: StrategyId::NONE,
            kind,
            from,
            state: to.state,
        };
        self.tell(changed);
    }

    fn is_tripped(&self, account: AccountId, kind: BreakerKind) -> bool {
        let breaker = self.watched.get(&account).and_then(|watched| watched.breakers.get(&kind));
        breaker.is_some_and(|breaker| breaker.state != BreakerState::Armed)
    }

    /// Arms a breaker; it counts from here.
    fn arm(&mut self, account: AccountId, kind: BreakerKind) {
        self.timers.remove(&timer_of(account, kind));
        let equity = self.equity(account);
        let watched = self.watched.entry(account).or_default();
        match kind {
            BreakerKind::DailyLoss => {
                watched.worth = watched.worth.zip(equity).map(|((_, peak), day)| (day, peak));
            }
            BreakerKind::Drawdown => {
                watched.worth = watched.worth.zip(equity).map(|((day, _), peak)| (day, peak));
            }
            BreakerKind::LossStreak => watched.losses = 0,
            BreakerKind::OrderToTrade => (watched.messages, watched.fills) = (0, 0),
            BreakerKind::RejectStorm => watched.refusals = 0,
            BreakerKind::StaleFeed => {}
        }
        let breaker = watched.breakers[&kind];
        self.move_breaker(account, kind, Tripped { state: BreakerState::Armed, until: 0, ..breaker });
    }

    pub(super) fn reset_breaker(&mut self, reset: &BreakerReset) {
        if !reset.account.is_none() && !self.accounts.contains_key(&reset.account) {
            self.refuse(&(*reset).into(), Reject::UnknownAccount, reset.account.0.into());
            return;
        }
        let accounts: Vec<_> = self.accounts.keys().copied().collect();
        let meant = accounts.into_iter().filter(|id| reset.account.is_none() || *id == reset.account);
        let tripped: Vec<_> = meant.filter(|id| self.is_tripped(*id, reset.kind)).collect();
        if tripped.is_empty() {
            self.refuse(&(*reset).into(), Reject::IllegalMove, 0);
        }
        for account in tripped {
            self.arm(account, reset.kind);
        }
    }

    pub(super) fn cooled(&mut self, subject: u64) {
        let account = AccountId(u32::try_from(subject & 0xFFFF_FFFF).expect("32 bits"));
        let kind = BreakerKind::ALL[usize::try_from(subject >> 32).expect("few")];
        let breaker = self.watched[&account].breakers[&kind];
        if breaker.state == BreakerState::Cooling && breaker.until <= self.now {
            self.arm(account, kind);
        }
    }

    /// Counts a message that was let through, or the refusal of one.
    pub(super) fn count_message(
        &mut self,
        account: AccountId,
        id: InstrumentId,
        message: Message,
        refused: Option<Reject>,
    ) {
        if self.accounts.contains_key(&account) {
            match refused {
                None => self.count_let_through(account, message),
                // A breaker that has tripped already makes no storm.
                Some(Reject::BreakerTripped) => {}
                Some(_) => self.count_refusal(account),
            }
        }
        self.watch_alerts(account, id);
    }

    fn count_let_through(&mut self, account: AccountId, message: Message) {
        let rate = self.own_limit(account, message.rate());
        let ratio = self.own_limit(account, LimitKind::OrderToTrade);
        let now = self.now;
        let watched = self.watched.entry(account).or_default();
        if let Some(rate) = rate {
            watched.buckets[message as usize].take(rate, now);
        }
        if let Some(limit) = ratio {
            watched.messages += 1;
            let (messages, fills) = (watched.messages, watched.fills.max(1));
            if messages >= limit.unsigned_abs() * fills {
                self.trip(account, BreakerKind::OrderToTrade, limit.into(), (messages / fills).into());
            }
        }
    }

    fn count_refusal(&mut self, account: AccountId) {
        let Some(limit) = self.own_limit(account, LimitKind::RejectStorm) else { return };
        let now = self.now;
        let watched = self.watched.entry(account).or_default();
        if watched.refusals_within(now) == 0 {
            (watched.refusals, watched.refusals_since) = (0, now);
        }
        watched.refusals += 1;
        let refusals = watched.refusals;
        if refusals >= limit.unsigned_abs() {
            self.trip(account, BreakerKind::RejectStorm, limit.into(), refusals.into());
        }
    }

    /// A fill was booked; `close` is what it realised, where it closed anything.
    pub(super) fn count_fill(&mut self, account: AccountId, id: InstrumentId, close: Option<i128>) {
        if self.own_limit(account, LimitKind::OrderToTrade).is_some() {
            self.watched.entry(account).or_default().fills += 1;
        }
        if let Some((limit, realized)) = self.own_limit(account, LimitKind::LossStreak).zip(close) {
            let watched = self.watched.entry(account).or_default();
            match realized.signum() {
                1 => watched.losses = 0,
                0 => {}
                _ => watched.losses += 1,
            }
            let losses = watched.losses;
            if losses >= limit.unsigned_abs() {
                self.trip(account, BreakerKind::LossStreak, limit.into(), losses.into());
            }
        }
        self.watch_worth(account);
        self.watch_alerts(account, id);
    }

    /// An order has ended; a venue's refusal counts as one.
    pub(super) fn count_end(&mut self, account: AccountId, id: InstrumentId, is_refusal: bool) {
        if is_refusal {
            self.count_refusal(account);
        }
        self.watch_alerts(account, id);
    }

    /// Money that comes or goes is neither profit nor loss.
    pub(super) fn shift_worth(&mut self, account: AccountId, amount: Option<i128>) {
        if let Some(watched) = self.watched.get_mut(&account) {
            watched.worth =
                watched.worth.zip(amount).map(|((day, peak), amount)| (day + amount, peak + amount));
        }
    }

    /// Raises and clears alerts of an account in an instrument, and tells how grave they have become.
    pub(super) fn watch_alerts(&mut self, account: AccountId, id: InstrumentId) {
        if !self.accounts.contains_key(&account) {
            return;
        }
        for kind in ALERTS {
            let of = if kind == LimitKind::PositionQuantity { id } else { InstrumentId::NONE };
            let before = self.watched.entry(account).or_default().alerts.get(&(kind as u8, of)).copied();
            let seen = self.limit((account, id), kind).map(i128::from).zip(self.seen(account, id, kind));
            let severity = seen.and_then(|(limit, seen)| {
                let fraction = self.limit((account, id), LimitKind::AlertFraction);
                // Passing a cancel rate is told in any case: nothing else happens.
                let fraction = fraction.or((kind == LimitKind::CancelRate).then_some(Rate::ONE.0))?;
                let is_near =
                    seen > 0 && seen.saturating_mul(i128::from(Rate::ONE.0)) >= limit * i128::from(fraction);
                is_near.then_some(if seen >= limit { Severity::Critical } else { Severity::Warning })
            });
            if severity == before {
                continue;
            }
            let alerts = &mut self.watched.entry(account).or_default().alerts;
            match severity {
                Some(severity) => alerts.insert((kind as u8, of), severity),
                None => alerts.remove(&(kind as u8, of)),
            };
            let (limit, observed) = seen.unwrap_or((-1, 0));
            let alert = RiskAlert {
                limit: Money::new(limit),
                observed: Money::new(observed),
                limits_version: self.version,
                account,
                instrument: of,
                strategy: StrategyId::NONE,
                kind,
                severity: severity.unwrap_or(Severity::Info),
                raised: severity.is_some(),
            };
            self.tell(alert);
        }
    }

    /// What is seen of a limit's figure; none where it is not known.
    fn seen(&self, account: AccountId, id: InstrumentId, kind: LimitKind) -> Option<i128> {
        let watched = self.watched.get(&account).cloned().unwrap_or_default();
        let taken = |message: Message| {
            let rate = self.limit((account, id), message.rate())?;
            Some(watched.buckets[message as usize].taken(rate, self.now))
        };
        let exposure = || {
            self.markets.get(&id)?;
            self.exposure(account, None).ok()
        };
        match kind {
            LimitKind::PositionQuantity => {
                self.markets.get(&id)?;
                let sides = super::money::sides(self.mode(account)).iter();
                let worst = sides.map(|side| self.worst_of((account, id, *side)));
                worst.map(|(long, short)| i128::from(long.abs().max(short.abs()))).max()
            }
            LimitKind::OpenOrders => Some(self.count_open(account).into()),
            LimitKind::GrossExposure => Some(exposure()?.gross),
            LimitKind::NetExposure => Some(exposure()?.net()),
            LimitKind::Leverage => Some(leverage(exposure()?.gross, self.equity(account)?)),
            LimitKind::Credit => self.credit_used(account, None),
            LimitKind::OrderRate => taken(Message::Order),
            LimitKind::ReplaceRate => taken(Message::Replace),
            LimitKind::CancelRate => taken(Message::Cancel),
            LimitKind::DailyLoss => Some(watched.worth?.0 - self.equity(account)?),
            LimitKind::Drawdown => Some(fall(watched.worth?.1, self.equity(account)?)),
            LimitKind::LossStreak => Some(watched.losses.into()),
            LimitKind::OrderToTrade => Some((watched.messages / watched.fills.max(1)).into()),
            LimitKind::RejectStorm => Some(watched.refusals_within(self.now).into()),
            LimitKind::OrderQuantity
            | LimitKind::OrderQuantityMin
            | LimitKind::OrderNotional
            | LimitKind::PriceCollar
            | LimitKind::SelfTrade
            | LimitKind::MarketAge
            | LimitKind::StaleFeed
            | LimitKind::CoolDown
            | LimitKind::AlertFraction => None,
        }
    }
}
