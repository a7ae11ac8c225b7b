//! What the rules count of each account and each strategy: rates, refusals, losses, breakers, alerts.
//!
//! Nothing is counted that no limit asks for. A row is in the digest in three parts: what each order changes, what other
//! messages and refusals change, and what seldom changes.

use super::alerts::{Alerts, bits_of, severity_of};
use super::breakers::Breaker;
use super::rate::Bucket;
use crate::limits::{ACCOUNTS_MAX, STRATEGIES_MAX};
use tickwerk_domain::digest::{row_hash, words_of};
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist, RowSum, ensure};
use tickwerk_domain::{
    AccountId, BreakerKind, BreakerState, Digest, InstrumentId, LimitKind, Severity, StrategyId, TimeNs,
};

/// Who is counted: an account, or a strategy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubjectId {
    /// An account.
    Account(AccountId),
    /// A strategy.
    Strategy(StrategyId),
}

/// What is counted of an account or a strategy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject {
    /// New orders.
    pub orders: Bucket,
    /// Replaces.
    pub replaces: Bucket,
    /// Cancels.
    pub cancels: Bucket,
    /// Orders, replaces and cancels since the day began or the breaker was armed.
    pub messages: u64,
    /// Fills likewise.
    pub fills: u64,
    /// Refusals since `refusals_since`.
    pub refusals: u64,
    /// The first of the refusals that are counted.
    pub refusals_since: TimeNs,
    /// Losing closes in a row.
    pub losses: u64,
    /// What its fills brought in less fees, in settlement units; strategies only.
    pub flow: i128,
    /// Worth when the day began or the breaker was armed, and the highest since the latter; none before it is asked for.
    pub worth: Option<Worth>,
    /// Its breakers, by [`BreakerKind`].
    pub breakers: [Breaker; BreakerKind::ALL.len()],
    /// A bit for each of them that is not armed.
    pub(crate) tripped: u32,
    /// Alerts that stand.
    pub alerts: Alerts,
    orders_row: u64,
    flow_row: u64,
    state_row: u64,
    quiet: Quiet,
}

/// What an account or strategy may be worth without anything to change: no new highest worth, and no loss or fall at
/// which a breaker trips or an alert is raised. It follows from limits and `worth`, decides nothing by itself and is in
/// no digest.
#[derive(Clone, Copy, Debug, Default)]
struct Quiet {
    /// Version of the limits that it follows from; 0 where it is not known.
    version: u64,
    least: i128,
    most: i128,
}

/// The second that refusals are counted in.
pub const STORM_NS: u64 = 1_000_000_000;

/// Figures that losses are counted from, in the reference currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Worth {
    /// When the day began, or when the daily-loss breaker was armed again.
    pub day: i128,
    /// The highest since it is watched, or since the drawdown breaker was armed again.
    pub peak: i128,
}

impl Worth {
    /// Both figures with an amount that came from outside or left.
    #[must_use]
    pub fn moved(&self, by: i128) -> Self {
        Self { day: self.day.saturating_add(by), peak: self.peak.saturating_add(by) }
    }
}

impl Subject {
    /// Whether the worth `now` changes nothing, with limits of a version.
    #[inline]
    pub(crate) fn is_quiet(&self, now: i128, version: u64) -> bool {
        self.quiet.version == version && self.quiet.least <= now && now <= self.quiet.most
    }

    /// The first breaker that is not armed.
    #[inline]
    pub fn tripped(&self) -> Option<&Breaker> {
        if self.tripped == 0 { None } else { self.breakers.get(self.tripped.trailing_zeros() as usize) }
    }

    /// Sets a breaker; gives what it was.
    pub(crate) fn set_breaker(&mut self, kind: BreakerKind, to: Breaker) -> Breaker {
        let bit = 1 << kind as u32;
        self.tripped = if to.state == BreakerState::Armed { self.tripped & !bit } else { self.tripped | bit };
        std::mem::replace(&mut self.breakers[kind as usize], to)
    }

    /// Refusals within the second that is counted, if it is not over.
    pub fn refusals_within(&self, now: TimeNs) -> u64 {
        if self.refusals != 0 && now.since(self.refusals_since).0 < STORM_NS { self.refusals } else { 0 }
    }

    /// Whether there are at least so many messages a fill, `least` being positive; no fill counts as one.
    #[inline]
    pub(crate) fn has_ratio(&self, least: i64) -> bool {
        self.messages >= least.unsigned_abs().saturating_mul(self.fills.max(1))
    }

    /// Whether the bits of what is tripped are those of the breakers.
    fn knows_its_breakers(&self) -> bool {
        let is_tripped = |breaker: &Breaker| u32::from(breaker.state != BreakerState::Armed);
        let bits = (0..).zip(&self.breakers).fold(0, |bits, (kind, of)| bits | is_tripped(of) << kind);
        self.tripped == bits
    }

    /// The breaker of a kind.
    pub fn breaker(&self, kind: BreakerKind) -> &Breaker {
        &self.breakers[kind as usize]
    }
}

/// All accounts and strategies, and per account a bit for each instrument with some mark.
#[derive(Debug)]
pub struct Subjects {
    rows: Box<[Subject]>,
    /// Alerts that are raised, all together.
    alerts_raised: u32,
    /// Instruments whose position alert is raised.
    position_alerts: Box<[u64]>,
    /// Those of them that are critical.
    position_criticals: Box<[u64]>,
    position_alert_rows: Box<[u64]>,
}

impl Default for Subjects {
    fn default() -> Self {
        Self::new()
    }
}

impl Subjects {
    /// Nothing was counted yet.
    pub fn new() -> Self {
        Self {
            rows: vec![Subject::default(); ACCOUNTS_MAX + STRATEGIES_MAX].into(),
            alerts_raised: 0,
            position_alerts: vec![0; ACCOUNTS_MAX].into(),
            position_criticals: vec![0; ACCOUNTS_MAX].into(),
            position_alert_rows: vec![0; ACCOUNTS_MAX].into(),
        }
    }

    /// What is counted of one; its number is in range.
    #[inline]
    pub fn get(&self, id: SubjectId) -> &Subject {
        &self.rows[id.index()]
    }

    /// What is counted of one, to be changed; a commit follows.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: SubjectId) -> &mut Subject {
        &mut self.rows[id.index()]
    }

    /// Brings the digest up to date with what an order that was let through changes, and a fill.
    #[inline]
    pub(crate) fn commit_orders(&mut self, id: SubjectId, digest: &mut Digest) {
        let row = &mut self.rows[id.index()];
        let [missing, at] = row.orders.words();
        let tag = (id.index() as u64) << 16 | TAG_ORDERS;
        digest.update(&mut row.orders_row, row_hash(tag, &[missing, at, row.messages, row.fills]));
    }

    /// Brings the digest up to date with what all messages and refusals change.
    pub(crate) fn commit_flow(&mut self, id: SubjectId, digest: &mut Digest) {
        self.commit_orders(id, digest);
        let row = &mut self.rows[id.index()];
        let ([replaces, replaces_at], [cancels, cancels_at]) = (row.replaces.words(), row.cancels.words());
        let since = row.refusals_since.0;
        let words = [id.index() as u64, replaces, replaces_at, cancels, cancels_at, row.refusals, since];
        digest.update(&mut row.flow_row, row_hash(TAG_FLOW, &words));
    }

    /// Keeps what follows from limits of a version and from the worth that was committed.
    pub(crate) fn keep_quiet(&mut self, id: SubjectId, version: u64, least: i128, most: i128) {
        self.rows[id.index()].quiet = Quiet { version, least, most };
    }

    /// Brings the digest up to date with all the rest.
    pub(crate) fn commit_state(&mut self, id: SubjectId, digest: &mut Digest) {
        let row = &mut self.rows[id.index()];
        row.quiet = Quiet::default();
        let worth = row.worth.unwrap_or_default();
        let Alerts { raised, critical } = row.alerts;
        let marks = u64::from(critical) << 33 | u64::from(raised) << 1 | u64::from(row.worth.is_some());
        let mut words = [id.index() as u64, row.losses, marks, 0, 0, 0, 0, 0, 0, 0];
        words[3..5].copy_from_slice(&words_of(row.flow));
        words[5..7].copy_from_slice(&words_of(worth.day));
        words[7..9].copy_from_slice(&words_of(worth.peak));
        words[9] = row.breakers.iter().fold(0, |hash, breaker| row_hash(hash, &breaker.words()));
        digest.update(&mut row.state_row, row_hash(TAG_STATE, &words));
    }

    /// Whether any alert of anybody is raised.
    #[inline]
    pub(crate) fn has_any_alert(&self) -> bool {
        self.alerts_raised != 0
    }

    /// Raises the alert of a kind of limit, changes how grave it is, or clears it.
    pub(crate) fn set_alert(
        &mut self,
        id: SubjectId,
        kind: LimitKind,
        to: Option<Severity>,
        digest: &mut Digest,
    ) {
        let alerts = &mut self.rows[id.index()].alerts;
        let before = alerts.raised.count_ones();
        alerts.set(kind, to);
        self.alerts_raised = self.alerts_raised + alerts.raised.count_ones() - before;
        self.commit_state(id, digest);
    }

    /// How grave the position alert of an account in an instrument is; `None` where it is not raised.
    pub fn position_alert(&self, account: AccountId, instrument: InstrumentId) -> Option<Severity> {
        let (place, bit) = (account.0 as usize, 1 << instrument.0);
        severity_of(self.position_alerts[place] & bit != 0, self.position_criticals[place] & bit != 0)
    }

    pub(crate) fn set_position_alert(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        to: Option<Severity>,
        digest: &mut Digest,
    ) {
        let place = account.0 as usize;
        let (raised, critical) = bits_of(to);
        let before = self.position_alerts[place].count_ones();
        for (bits, is_set) in
            [(&mut self.position_alerts[place], raised), (&mut self.position_criticals[place], critical)]
        {
            *bits = *bits & !(1 << instrument.0) | u64::from(is_set) << instrument.0;
        }
        self.alerts_raised = self.alerts_raised + self.position_alerts[place].count_ones() - before;
        let row = self.alert_row(account);
        digest.update(&mut self.position_alert_rows[place], row);
    }

    fn alert_row(&self, account: AccountId) -> u64 {
        let place = account.0 as usize;
        let (raised, critical) = (self.position_alerts[place], self.position_criticals[place]);
        if raised | critical == 0 {
            0
        } else {
            row_hash(TAG_ALERT, &[u64::from(account.0), raised, critical])
        }
    }
}

tickwerk_domain::persist! {
    Worth { day, peak }
    Subject {
        orders, replaces, cancels, messages, fills, refusals, refusals_since, losses, flow, worth, breakers, tripped,
        alerts, flow_row, state_row, orders_row, quiet,
    }
}

/// It is worked out anew.
impl Persist for Quiet {
    fn save(&self, _: &mut ImageWriter) {}

    fn load(_: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(Self::default())
    }
}

impl Subjects {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { rows, alerts_raised: _, position_alerts, position_criticals, position_alert_rows: _ } =
            self;
        to.table(rows, &Subject::default());
        to.table(position_alerts, &0);
        to.table(position_criticals, &0);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let mut loaded = Self::new();
        loaded.rows = from.table(loaded.rows)?;
        loaded.position_alerts = from.table(loaded.position_alerts)?;
        loaded.position_criticals = from.table(loaded.position_criticals)?;
        loaded.alerts_raised = loaded.rows.iter().map(|row| row.alerts.raised.count_ones()).sum::<u32>()
            + loaded.position_alerts.iter().map(|bits| bits.count_ones()).sum::<u32>();
        let accounts = (0..).take(ACCOUNTS_MAX).map(AccountId);
        let strategies = (0..).take(STRATEGIES_MAX).map(StrategyId);
        for id in accounts.clone().map(SubjectId::Account).chain(strategies.map(SubjectId::Strategy)) {
            let what = id.index() as u64;
            let Subject { orders_row, flow_row: flow, state_row: state, .. } = *loaded.get(id);
            sum.row(("orders of subject", what), orders_row, |change| loaded.commit_orders(id, change))?;
            sum.row(("counts of subject", what), flow, |change| loaded.commit_flow(id, change))?;
            sum.row(("state of subject", what), state, |change| loaded.commit_state(id, change))?;
            ensure(
                loaded.get(id).knows_its_breakers(),
                Fault::Hash { what: "breakers of subject", found: what },
            )?;
        }
        for account in accounts {
            let row = loaded.alert_row(account);
            loaded.position_alert_rows[account.0 as usize] = row;
            sum.add(row);
        }
        Ok(loaded)
    }
}

impl SubjectId {
    fn index(self) -> usize {
        match self {
            Self::Account(account) => account.0 as usize,
            Self::Strategy(strategy) => ACCOUNTS_MAX + strategy.0 as usize,
        }
    }

    /// The subject of a breaker's timer.
    pub fn timer_subject(self, kind: BreakerKind) -> u64 {
        (kind as u64) << 32 | self.index() as u64
    }

    /// Whom a breaker's timer is about; `None` for a number that no timer has.
    pub fn of_timer(subject: u64) -> Option<(Self, BreakerKind)> {
        let kind = *BreakerKind::ALL.get(usize::try_from(subject >> 32).ok()?)?;
        let index = u32::try_from(subject & u64::from(u32::MAX)).ok()?;
        let accounts = u32::try_from(ACCOUNTS_MAX).ok()?;
        let id = match index.checked_sub(accounts) {
            None => Self::Account(AccountId(index)),
            Some(strategy) if (strategy as usize) < STRATEGIES_MAX => Self::Strategy(StrategyId(strategy)),
            Some(_) => return None,
        };
        Some((id, kind))
    }
}

const TAG_ORDERS: u64 = 0x0313;
const TAG_FLOW: u64 = 0x0310;
const TAG_STATE: u64 = 0x0311;
const TAG_ALERT: u64 = 0x0312;
const _: () =
    assert!(LimitKind::ALL.len() < 32, "a bit of 31 for each kind, beside the bits of what is critical");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_tells_whom_it_is_about() {
        for id in [SubjectId::Account(AccountId(63)), SubjectId::Strategy(StrategyId(1))] {
            for kind in BreakerKind::ALL {
                assert_eq!(SubjectId::of_timer(id.timer_subject(*kind)), Some((id, *kind)));
            }
        }
        assert_eq!(SubjectId::of_timer(128), None);
        assert_eq!(SubjectId::of_timer(u64::MAX), None);
    }
}
