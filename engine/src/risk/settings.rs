//! Limits, kill switches and trading states: per account and instrument, where number 0 stands for "all".
//!
//! The strictest of all that apply decides. What applies to each pair is worked out when a setting changes, so that a
//! check reads one row. Every change raises the version that decisions name.

use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{AccountId, Digest, InstrumentId, LimitKind, Reject, TradingState};

/// Settings of one scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Row {
    /// By [`LimitKind`]; negative for none.
    limits: [i64; LimitKind::ALL.len()],
    is_killed: bool,
    state: TradingState,
}

const UNSET: Row = Row { limits: [-1; LimitKind::ALL.len()], is_killed: false, state: TradingState::Active };

/// All that applies to an account in an instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effective {
    /// Largest quantity of one order.
    pub order_quantity: Option<i64>,
    /// Largest notional of one order.
    pub order_notional: Option<i64>,
    /// Largest position either way.
    pub position_quantity: Option<i64>,
    /// Widest distance from the reference price, in units of 10⁻⁸.
    pub price_collar: Option<i64>,
    /// Most open orders of the account.
    pub open_orders: Option<i64>,
    /// Whether a kill switch is engaged.
    pub is_killed: bool,
    /// What may be done.
    pub state: TradingState,
}

/// All settings.
#[derive(Debug)]
pub struct Settings {
    rows: Box<[Row]>,
    effective: Box<[Row]>,
    version: u64,
    hashes: Box<[u64]>,
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
            version: 0,
            hashes: vec![0; count].into(),
        }
    }

    /// Version of all settings; 0 before the first.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What applies to a pair; both numbers in range.
    #[inline]
    pub fn effective(&self, account: AccountId, instrument: InstrumentId) -> Effective {
        let row = &self.effective[index(account, instrument)];
        let limit = |kind: LimitKind| Some(row.limits[kind as usize]).filter(|value| *value >= 0);
        Effective {
            order_quantity: limit(LimitKind::OrderQuantity),
            order_notional: limit(LimitKind::OrderNotional),
            position_quantity: limit(LimitKind::PositionQuantity),
            price_collar: limit(LimitKind::PriceCollar),
            open_orders: limit(LimitKind::OpenOrders),
            is_killed: row.is_killed,
            state: row.state,
        }
    }

    /// Sets a limit, or takes it away where `value` is negative; gives what it was.
    pub fn set_limit(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        kind: LimitKind,
        value: i64,
        digest: &mut Digest,
    ) -> Result<i64, Reject> {
        let scope_fits = match kind {
            LimitKind::OrderQuantity | LimitKind::OrderNotional | LimitKind::PositionQuantity => {
                !instrument.is_none()
            }
            LimitKind::PriceCollar | LimitKind::OpenOrders => {
                kind == LimitKind::PriceCollar || instrument.is_none()
            }
            LimitKind::OrderQuantityMin
            | LimitKind::GrossExposure
            | LimitKind::NetExposure
            | LimitKind::Leverage
            | LimitKind::Credit
            | LimitKind::OrderRate
            | LimitKind::ReplaceRate
            | LimitKind::CancelRate
            | LimitKind::SelfTrade
            | LimitKind::MarketAge
            | LimitKind::DailyLoss
            | LimitKind::Drawdown
            | LimitKind::LossStreak
            | LimitKind::OrderToTrade
            | LimitKind::RejectStorm
            | LimitKind::CoolDown
            | LimitKind::AlertFraction => false,
        };
        if !scope_fits {
            return Err(Reject::ScopeInvalid);
        }
        let place = &mut self.rows[index(account, instrument)].limits[kind as usize];
        let previous = std::mem::replace(place, value.max(-1));
        self.changed(account, instrument, digest);
        Ok(previous)
    }

    /// Engages or releases a kill switch.
    pub fn set_kill_switch(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        engaged: bool,
        digest: &mut Digest,
    ) {
        self.rows[index(account, instrument)].is_killed = engaged;
        self.changed(account, instrument, digest);
    }

    /// Sets what may be done.
    pub fn set_state(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        state: TradingState,
        digest: &mut Digest,
    ) {
        self.rows[index(account, instrument)].state = state;
        self.changed(account, instrument, digest);
    }

    fn changed(&mut self, account: AccountId, instrument: InstrumentId, digest: &mut Digest) {
        self.version += 1;
        let row = self.rows[index(account, instrument)];
        let mut words = [0; LimitKind::ALL.len() + 2];
        for (word, limit) in words.iter_mut().zip(row.limits) {
            *word = limit.cast_unsigned();
        }
        words[LimitKind::ALL.len()] = u64::from(account.0) << 32 | u64::from(instrument.0);
        words[LimitKind::ALL.len() + 1] = u64::from(row.is_killed) << 8 | row.state as u64;
        digest.update(&mut self.hashes[index(account, instrument)], row_hash(TAG, &words));
        let numbers = |id: u32, count: usize| if id == 0 { 0..count } else { id as usize..id as usize + 1 };
        for account in numbers(account.0, ACCOUNTS_MAX) {
            for instrument in numbers(instrument.0, INSTRUMENTS_MAX) {
                self.effective[account * INSTRUMENTS_MAX + instrument] = self.strictest(account, instrument);
            }
        }
    }

    fn strictest(&self, account: usize, instrument: usize) -> Row {
        let scopes = [(0, 0), (account, 0), (0, instrument), (account, instrument)];
        let mut strictest = UNSET;
        for row in scopes.map(|(account, instrument)| &self.rows[account * INSTRUMENTS_MAX + instrument]) {
            for (limit, candidate) in strictest.limits.iter_mut().zip(row.limits) {
                if candidate >= 0 && (*limit < 0 || candidate < *limit) {
                    *limit = candidate;
                }
            }
            strictest.is_killed |= row.is_killed;
            strictest.state = strictest.state.max(row.state);
        }
        strictest
    }
}

fn index(account: AccountId, instrument: InstrumentId) -> usize {
    account.0 as usize * INSTRUMENTS_MAX + instrument.0 as usize
}

const TAG: u64 = 0x0301;
const _: () = assert!(TradingState::Active as u8 == 0, "the strictest state is the greatest");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_of_all_scopes_decides() {
        let mut settings = Settings::new();
        let mut digest = Digest::default();
        let (all, account, instrument) = (AccountId(0), AccountId(2), InstrumentId(3));
        let mut set = |account, instrument, kind, value| {
            settings.set_limit(account, instrument, kind, value, &mut digest)
        };
        assert_eq!(set(all, instrument, LimitKind::OrderQuantity, 100), Ok(-1));
        assert_eq!(set(account, instrument, LimitKind::OrderQuantity, 50), Ok(-1));
        assert_eq!(set(account, InstrumentId(0), LimitKind::OrderQuantity, 1), Err(Reject::ScopeInvalid));
        assert_eq!(set(account, instrument, LimitKind::OpenOrders, 1), Err(Reject::ScopeInvalid));
        assert_eq!(set(all, InstrumentId(0), LimitKind::OpenOrders, 7), Ok(-1));
        assert_eq!(settings.effective(account, instrument).order_quantity, Some(50));
        assert_eq!(settings.effective(AccountId(1), instrument).order_quantity, Some(100));
        assert_eq!(settings.effective(account, InstrumentId(4)).order_quantity, None);
        assert_eq!(settings.effective(account, instrument).open_orders, Some(7));
        assert_eq!(settings.version(), 3);
        settings.set_state(all, instrument, TradingState::Halted, &mut digest);
        settings.set_state(account, InstrumentId(0), TradingState::ReduceOnly, &mut digest);
        assert_eq!(settings.effective(account, instrument).state, TradingState::Halted);
        assert_eq!(settings.effective(account, InstrumentId(9)).state, TradingState::ReduceOnly);
    }
}
