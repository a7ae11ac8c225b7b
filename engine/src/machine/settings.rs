//! Limits, kill switches and trading states: set by commands, told by events, each with a new version.

use super::Machine;
use super::mass_cancel::Scope as CancelScope;
use crate::event_buffer::EventBuffer;
use crate::risk::settings::Scope;
use tickwerk_domain::command::{KillSwitchSet, LimitSet, TradingStateSet};
use tickwerk_domain::event::{KillSwitchChanged, LimitChanged, TradingStateChanged};
use tickwerk_domain::{AccountId, ContinueKind, InstrumentId, Reject, SideFilter, Stamp, StrategyId};

impl Machine {
    pub(super) fn set_limit(&mut self, limit: &LimitSet, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        let (account, instrument, strategy) = (limit.account, limit.instrument, limit.strategy);
        let set = self.check_scope(account, instrument, strategy).and_then(|()| {
            let scope = Scope { account, instrument, strategy };
            self.settings.set_limit(scope, limit.kind, limit.value, &mut self.digest).map_err(|reason| {
                let is_value = reason == Reject::ValueOutOfRange;
                (reason, if is_value { limit.value } else { i64::from(instrument.0) })
            })
        });
        match set {
            Err((reason, value)) => self.refuse(&(*limit).into(), reason, value, out),
            Ok(previous) => {
                let (value, limits_version) = (limit.value.max(-1), self.settings.version());
                let event_version = self.next_system_version();
                let kind = limit.kind;
                out.push(
                    event_version,
                    LimitChanged { previous, value, limits_version, account, instrument, strategy, kind },
                );
            }
        }
        version
    }

    pub(super) fn set_trading_state(&mut self, setting: &TradingStateSet, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        let (account, instrument, strategy, state) =
            (setting.account, setting.instrument, setting.strategy, setting.state);
        match self.check_scope(account, instrument, strategy) {
            Err((reason, value)) => self.refuse(&(*setting).into(), reason, value, out),
            Ok(()) => {
                let scope = Scope { account, instrument, strategy };
                self.settings.set_state(scope, state, &mut self.digest);
                let limits_version = self.settings.version();
                let event_version = self.next_system_version();
                out.push(
                    event_version,
                    TradingStateChanged { limits_version, account, instrument, strategy, state },
                );
            }
        }
        version
    }

    pub(super) fn set_kill_switch(
        &mut self,
        stamp: Stamp,
        switch: &KillSwitchSet,
        out: &mut EventBuffer,
    ) -> u64 {
        let version = self.next_system_version();
        let (account, instrument, strategy, engaged) =
            (switch.account, switch.instrument, switch.strategy, switch.engaged);
        match self.check_scope(account, instrument, strategy) {
            Err((reason, value)) => self.refuse(&(*switch).into(), reason, value, out),
            Ok(()) => {
                let scope = Scope { account, instrument, strategy };
                self.settings.set_kill_switch(scope, engaged, &mut self.digest);
                let limits_version = self.settings.version();
                let event_version = self.next_system_version();
                out.push(
                    event_version,
                    KillSwitchChanged { limits_version, account, instrument, strategy, engaged },
                );
                if engaged {
                    let scope = CancelScope { account, instrument, strategy, side: SideFilter::Any };
                    self.start_cancel(ContinueKind::KillSwitch, stamp.sequence, scope, out);
                }
            }
        }
        version
    }

    /// Whether a scope names things that exist; 0 means "all", and a strategy stands alone.
    pub(super) fn check_scope(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        strategy: StrategyId,
    ) -> Result<(), (Reject, i64)> {
        if !account.is_none() && self.accounts.account(account).is_none() {
            return Err((Reject::UnknownAccount, i64::from(account.0)));
        }
        if !instrument.is_none() && self.instrument(instrument).is_none() {
            return Err((Reject::UnknownInstrument, i64::from(instrument.0)));
        }
        if strategy.is_none() {
            return Ok(());
        }
        let is_known = self.strategies.get(strategy.0 as usize).is_some_and(Option::is_some);
        let is_alone = account.is_none() && instrument.is_none();
        if is_known && is_alone { Ok(()) } else { Err((Reject::ScopeInvalid, i64::from(strategy.0))) }
    }
}
