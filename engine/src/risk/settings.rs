//! Limits, kill switches and trading states: per account and instrument, where number 0 stands for "all", and per
//! strategy.
//!
//! The strictest of all that apply decides. What applies to each pair is worked out when a setting changes, with a bit
//! for each limit that is set, so that a check reads one row and skips what is not set. Every change raises the version
//! that decisions name.

use super::alerts::Thresholds;
use super::scopes::{Scopes, greater_is_stricter, scopes_of, values_of};
use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX, STRATEGIES_MAX};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum, ensure};
use tickwerk_domain::{AccountId, Digest, InstrumentId, LimitKind, Reject, StrategyId, TradingState};

const KINDS: usize = LimitKind::ALL.len();

/// Whom a setting is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    /// For which account; 0 for all.
    pub account: AccountId,
    /// For which instrument; 0 for all.
    pub instrument: InstrumentId,
    /// For which strategy; it stands alone.
    pub strategy: StrategyId,
}

/// All that applies to an account in an instrument, or to a strategy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effective {
    /// By [`LimitKind`]; negative for none.
    limits: [i64; KINDS],
    /// A bit for each limit that is set.
    set: u32,
    /// Whether a kill switch is engaged.
    pub is_killed: bool,
    /// What may be done.
    pub state: TradingState,
}

const UNSET: Effective =
    Effective { limits: [-1; KINDS], set: 0, is_killed: false, state: TradingState::Active };

/// The bit of a kind of limit, for [`Effective::has_any`].
pub const fn bit(kind: LimitKind) -> u32 {
    1 << kind as u32
}

/// Limits of a single order, which may be an account's or a strategy's alike.
const OF_AN_ORDER: [LimitKind; 6] = [
    LimitKind::OrderQuantity,
    LimitKind::OrderQuantityMin,
    LimitKind::OrderNotional,
    LimitKind::PriceCollar,
    LimitKind::SelfTrade,
    LimitKind::MarketAge,
];

impl Effective {
    /// The limit of a kind, where it is set.
    #[inline]
    pub fn get(&self, kind: LimitKind) -> Option<i64> {
        (self.set & bit(kind) != 0).then(|| self.limits[kind as usize])
    }

    /// Whether any of the limits is set whose [`bit`]s are given.
    #[inline]
    pub fn has_any(&self, bits: u32) -> bool {
        self.set & bits != 0
    }

    /// Whether nothing at all is set.
    pub fn is_unset(&self) -> bool {
        self.set == 0 && !self.is_killed && self.state == TradingState::Active
    }

    /// This row with the stricter of both in all that is about a single order; what is counted is each one's own.
    #[must_use]
    pub fn with_orders_of(&self, strategy: &Self) -> Self {
        let mut both = *self;
        for kind in OF_AN_ORDER {
            both.tighten(kind, strategy);
        }
        both.tighten_switches(strategy);
        both
    }

    fn tighten(&mut self, kind: LimitKind, other: &Self) {
        let Some(candidate) = other.get(kind) else { return };
        let is_stricter = self.get(kind).is_none_or(|own| (candidate > own) == greater_is_stricter(kind));
        if is_stricter {
            self.limits[kind as usize] = candidate;
            self.set |= bit(kind);
        }
    }

    fn tighten_switches(&mut self, other: &Self) {
        self.is_killed |= other.is_killed;
        self.state = self.state.max(other.state);
    }
}

/// All settings.
#[derive(Debug)]
pub struct Settings {
    rows: Box<[Effective]>,
    effective: Box<[Effective]>,
    strategies: Box<[Effective]>,
    /// Of what applies to pairs, and then of strategies.
    thresholds: Box<[Thresholds]>,
    /// A bit for each limit that is set anywhere.
    asked: u32,
    version: u64,
    hashes: Box<[u64]>,
    strategy_hashes: Box<[u64]>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// Nothing is limited.
    pub fn new() -> Self {
        let count = ACCOUNTS_MAX * INSTRUMENTS_MAX;
        Self {
            rows: vec![UNSET; count].into(),
            effective: vec![UNSET; count].into(),
            strategies: vec![UNSET; STRATEGIES_MAX].into(),
            thresholds: vec![Thresholds::NONE; count + STRATEGIES_MAX].into(),
            asked: 0,
            version: 0,
            hashes: vec![0; count].into(),
            strategy_hashes: vec![0; STRATEGIES_MAX].into(),
        }
    }

    /// Version of all settings; 0 before the first.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether any of the limits is set for anybody whose [`bit`]s are given: what nobody asks for costs one look.
    #[inline]
    pub fn asks(&self, bits: u32) -> bool {
        self.asked & bits != 0
    }

    /// What applies to a pair; both numbers in range.
    #[inline]
    pub fn effective(&self, account: AccountId, instrument: InstrumentId) -> &Effective {
        &self.effective[index(account, instrument)]
    }

    /// What is set for a strategy itself; nothing for none.
    #[inline]
    pub fn strategy(&self, strategy: StrategyId) -> &Effective {
        self.strategies.get(strategy.0 as usize).unwrap_or(&UNSET)
    }

    /// The thresholds of what applies to a pair; both numbers in range.
    #[inline]
    pub(crate) fn thresholds(&self, account: AccountId, instrument: InstrumentId) -> &Thresholds {
        &self.thresholds[index(account, instrument)]
    }

    /// The thresholds of a strategy; its number in range.
    #[inline]
    pub(crate) fn strategy_thresholds(&self, strategy: StrategyId) -> &Thresholds {
        &self.thresholds[ACCOUNTS_MAX * INSTRUMENTS_MAX + strategy.0 as usize]
    }

    /// What was set for exactly this scope, whose numbers are in range.
    pub fn own(&self, scope: Scope) -> &Effective {
        if scope.strategy.is_none() {
            &self.rows[index(scope.account, scope.instrument)]
        } else {
            self.strategy(scope.strategy)
        }
    }

    /// Every scope for which something is set, with what is: pairs in order, then strategies.
    pub fn all(&self) -> impl Iterator<Item = (Scope, &Effective)> {
        self.scopes().filter(|(_, row)| !row.is_unset())
    }

    fn scopes(&self) -> impl Iterator<Item = (Scope, &Effective)> {
        let number = |value: usize| u32::try_from(value).expect("tables are small");
        let pairs = self.rows.iter().enumerate().map(move |(place, row)| {
            let account = AccountId(number(place / INSTRUMENTS_MAX));
            let instrument = InstrumentId(number(place % INSTRUMENTS_MAX));
            (Scope { account, instrument, strategy: StrategyId::NONE }, row)
        });
        let strategies = self.strategies.iter().enumerate().map(move |(place, row)| {
            let strategy = StrategyId(number(place));
            (Scope { account: AccountId::NONE, instrument: InstrumentId::NONE, strategy }, row)
        });
        pairs.chain(strategies)
    }

    /// Sets a limit, or takes it away where `value` is negative; gives what it was.
    pub fn set_limit(
        &mut self,
        scope: Scope,
        kind: LimitKind,
        value: i64,
        digest: &mut Digest,
    ) -> Result<i64, Reject> {
        let named = Scopes::named(scope.account, scope.instrument, scope.strategy);
        if !named.is_some_and(|named| scopes_of(kind).contains(named)) {
            return Err(Reject::ScopeInvalid);
        }
        if value >= 0 && !values_of(kind).contains(&value) {
            return Err(Reject::ValueOutOfRange);
        }
        let row = self.row_mut(scope);
        let previous = std::mem::replace(&mut row.limits[kind as usize], value.max(-1));
        row.set = row.set & !bit(kind) | u32::from(value >= 0) << kind as u32;
        self.asked = self.rows.iter().chain(&*self.strategies).fold(0, |asked, row| asked | row.set);
        self.changed(scope, digest);
        Ok(previous)
    }

    /// Engages or releases a kill switch.
    pub fn set_kill_switch(&mut self, scope: Scope, engaged: bool, digest: &mut Digest) {
        self.row_mut(scope).is_killed = engaged;
        self.changed(scope, digest);
    }

    /// Sets what may be done.
    pub fn set_state(&mut self, scope: Scope, state: TradingState, digest: &mut Digest) {
        self.row_mut(scope).state = state;
        self.changed(scope, digest);
    }

    fn row_mut(&mut self, scope: Scope) -> &mut Effective {
        if scope.strategy.is_none() {
            &mut self.rows[index(scope.account, scope.instrument)]
        } else {
            &mut self.strategies[scope.strategy.0 as usize]
        }
    }

    fn changed(&mut self, scope: Scope, digest: &mut Digest) {
        self.version += 1;
        let Scope { account, instrument, strategy } = scope;
        let row = *self.own(scope);
        let kept = if strategy.is_none() {
            &mut self.hashes[index(account, instrument)]
        } else {
            &mut self.strategy_hashes[strategy.0 as usize]
        };
        digest.update(kept, hash(scope, &row));
        if strategy.is_none() {
            self.work_out(account, instrument);
        } else {
            self.thresholds[ACCOUNTS_MAX * INSTRUMENTS_MAX + strategy.0 as usize] = Thresholds::of(&row);
        }
    }

    /// Works out what applies to all pairs that a changed row touches.
    fn work_out(&mut self, account: AccountId, instrument: InstrumentId) {
        let numbers = |id: u32, count: usize| if id == 0 { 0..count } else { id as usize..id as usize + 1 };
        for account in numbers(account.0, ACCOUNTS_MAX) {
            for instrument in numbers(instrument.0, INSTRUMENTS_MAX) {
                let place = account * INSTRUMENTS_MAX + instrument;
                self.effective[place] = self.strictest(account, instrument);
                self.thresholds[place] = Thresholds::of(&self.effective[place]);
            }
        }
    }

    fn strictest(&self, account: usize, instrument: usize) -> Effective {
        let scopes = [(0, 0), (account, 0), (0, instrument), (account, instrument)];
        let mut strictest = UNSET;
        for row in scopes.map(|(account, instrument)| &self.rows[account * INSTRUMENTS_MAX + instrument]) {
            if row.set != 0 {
                for kind in LimitKind::ALL {
                    strictest.tighten(*kind, row);
                }
            }
            strictest.tighten_switches(row);
        }
        strictest
    }
}

fn hash(scope: Scope, row: &Effective) -> u64 {
    let mut words = [0; KINDS + 3];
    for (word, limit) in words.iter_mut().zip(row.limits) {
        *word = limit.cast_unsigned();
    }
    words[KINDS] = u64::from(scope.account.0) << 32 | u64::from(scope.instrument.0);
    words[KINDS + 1] = u64::from(scope.strategy.0);
    words[KINDS + 2] = u64::from(row.is_killed) << 8 | row.state as u64;
    row_hash(TAG, &words)
}

tickwerk_domain::persist! { Effective { limits, set, is_killed, state } }

impl Settings {
    /// What applies follows from what is set.
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self {
            rows,
            effective: _,
            strategies,
            thresholds: _,
            asked: _,
            version,
            hashes,
            strategy_hashes,
        } = self;
        to.table(rows, &UNSET);
        to.table(strategies, &UNSET);
        to.table(hashes, &0);
        to.table(strategy_hashes, &0);
        to.value(version);
    }

    pub(crate) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let Self { rows, effective, strategies, thresholds, asked: _, version: _, hashes, strategy_hashes } =
            Self::new();
        let rows = from.table(rows)?;
        let strategies = from.table(strategies)?;
        let mut loaded = Self {
            asked: rows.iter().chain(&*strategies).fold(0, |asked, row| asked | row.set),
            rows,
            effective,
            strategies,
            thresholds,
            hashes: from.table(hashes)?,
            strategy_hashes: from.table(strategy_hashes)?,
            version: from.value()?,
        };
        let kept = loaded.hashes.iter().chain(&*loaded.strategy_hashes);
        for ((scope, row), kept) in loaded.scopes().zip(kept) {
            let is_right = if *kept == 0 { row.is_unset() } else { *kept == hash(scope, row) };
            let has_bits =
                (0..).zip(row.limits).all(|(kind, limit)| (limit >= 0) == (row.set >> kind & 1 != 0));
            let found = u64::from(scope.account.0) << 32 | u64::from(scope.instrument.0 + scope.strategy.0);
            ensure(is_right && has_bits, Fault::Hash { what: "limits of scope", found })?;
            sum.add(*kept);
        }
        loaded.work_out(AccountId(0), InstrumentId(0));
        for (place, row) in loaded.strategies.iter().enumerate() {
            loaded.thresholds[ACCOUNTS_MAX * INSTRUMENTS_MAX + place] = Thresholds::of(row);
        }
        Ok(loaded)
    }
}

fn index(account: AccountId, instrument: InstrumentId) -> usize {
    account.0 as usize * INSTRUMENTS_MAX + instrument.0 as usize
}

const TAG: u64 = 0x0301;
const _: () = assert!(TradingState::Active as u8 == 0, "the strictest state is the greatest");
const _: () = assert!(KINDS <= 32, "a bit for each kind");

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: AccountId = AccountId(0);
    const ACCOUNT: AccountId = AccountId(2);
    const INSTRUMENT: InstrumentId = InstrumentId(3);

    fn pair(account: AccountId, instrument: InstrumentId) -> Scope {
        Scope { account, instrument, strategy: StrategyId::NONE }
    }

    fn of_strategy(strategy: StrategyId) -> Scope {
        Scope { strategy, ..pair(ALL, InstrumentId(0)) }
    }

    #[test]
    fn the_strictest_of_all_scopes_decides() {
        let mut settings = Settings::new();
        let mut digest = Digest::default();
        let mut set = |account, instrument, kind, value| {
            settings.set_limit(pair(account, instrument), kind, value, &mut digest)
        };
        assert_eq!(set(ALL, INSTRUMENT, LimitKind::OrderQuantity, 100), Ok(-1));
        assert_eq!(set(ACCOUNT, INSTRUMENT, LimitKind::OrderQuantity, 50), Ok(-1));
        assert_eq!(set(ALL, INSTRUMENT, LimitKind::OrderQuantityMin, 10), Ok(-1));
        assert_eq!(set(ACCOUNT, INSTRUMENT, LimitKind::OrderQuantityMin, 5), Ok(-1));
        assert_eq!(set(ACCOUNT, InstrumentId(0), LimitKind::OrderQuantity, 1), Err(Reject::ScopeInvalid));
        assert_eq!(set(ACCOUNT, INSTRUMENT, LimitKind::OpenOrders, 1), Err(Reject::ScopeInvalid));
        assert_eq!(set(ALL, InstrumentId(0), LimitKind::OpenOrders, 7), Ok(-1));
        let of = |account, instrument, kind| settings.effective(account, instrument).get(kind);
        assert_eq!(of(ACCOUNT, INSTRUMENT, LimitKind::OrderQuantity), Some(50));
        assert_eq!(of(AccountId(1), INSTRUMENT, LimitKind::OrderQuantity), Some(100));
        assert_eq!(of(ACCOUNT, INSTRUMENT, LimitKind::OrderQuantityMin), Some(10), "the greater one");
        assert_eq!(of(ACCOUNT, InstrumentId(4), LimitKind::OrderQuantity), None);
        assert_eq!(of(ACCOUNT, INSTRUMENT, LimitKind::OpenOrders), Some(7));
        assert_eq!(settings.version(), 5);
        settings.set_state(pair(ALL, INSTRUMENT), TradingState::Halted, &mut digest);
        settings.set_state(pair(ACCOUNT, InstrumentId(0)), TradingState::ReduceOnly, &mut digest);
        assert_eq!(settings.effective(ACCOUNT, INSTRUMENT).state, TradingState::Halted);
        assert_eq!(settings.effective(ACCOUNT, InstrumentId(9)).state, TradingState::ReduceOnly);
    }

    #[test]
    fn a_limit_that_is_taken_away_leaves_the_next_one_and_the_digest_of_before() {
        let mut settings = Settings::new();
        let mut digest = Digest::default();
        let scope = of_strategy(StrategyId(1));
        settings.set_limit(scope, LimitKind::OrderRate, 5, &mut digest).unwrap();
        let before = digest;
        assert_eq!(settings.set_limit(scope, LimitKind::OrderQuantity, 7, &mut digest), Ok(-1));
        assert_eq!(settings.strategy(StrategyId(1)).get(LimitKind::OrderQuantity), Some(7));
        assert_eq!(settings.set_limit(scope, LimitKind::OrderQuantity, -9, &mut digest), Ok(7));
        assert_eq!(settings.strategy(StrategyId(1)).get(LimitKind::OrderQuantity), None);
        assert_eq!(digest, before);
        assert_eq!(settings.all().map(|(of, _)| of).collect::<Vec<_>>(), [scope]);
    }

    #[test]
    fn a_strategys_own_limits_tighten_what_is_about_one_order() {
        let mut settings = Settings::new();
        let mut digest = Digest::default();
        let strategy = StrategyId(1);
        let mut set = |scope, kind, value| settings.set_limit(scope, kind, value, &mut digest).unwrap();
        set(pair(ALL, INSTRUMENT), LimitKind::OrderQuantity, 100);
        set(of_strategy(strategy), LimitKind::OrderQuantity, 20);
        set(of_strategy(strategy), LimitKind::OrderRate, 3);
        let both = settings.effective(ACCOUNT, INSTRUMENT).with_orders_of(settings.strategy(strategy));
        assert_eq!(both.get(LimitKind::OrderQuantity), Some(20));
        assert_eq!(both.get(LimitKind::OrderRate), None, "what is counted is each one's own");
    }
}
