//! Limits, switches, states and breakers.

use super::fields::Fields;
use super::{Fault, missing};
use crate::limit_value::{LimitScales, LimitValueError, UnknownScale, parse_limit, remedy_for};
use serde_json::{Value, json};
use tickwerk_domain::command::{AccountStateSet, BreakerReset, KillSwitchSet, LimitSet, TradingStateSet};
use tickwerk_domain::{AccountState, BreakerKind, InstrumentId, LimitKind, TextId, TradingState};

pub(super) const LIMIT: &[&str] = &["account", "instrument", "strategy", "limit", "value", "reason"];
pub(super) const KILL_SWITCH: &[&str] = &["account", "instrument", "strategy", "engaged", "reason"];
pub(super) const TRADING_STATE: &[&str] = &["account", "instrument", "strategy", "state", "reason"];
pub(super) const ACCOUNT_STATE: &[&str] = &["account", "state", "reason"];
pub(super) const BREAKER: &[&str] = &["account", "strategy", "breaker", "reason"];

impl Fields<'_> {
    pub(super) fn limit(&self) -> Result<LimitSet, Fault> {
        let kind = self.word("limit", LimitKind::from_word, LimitKind::ALL)?;
        let (instrument, strategy) = (self.optional_instrument()?, self.optional_strategy()?);
        let counted_by = instrument.or_else(|| self.names.strategy_instruments.get(&strategy));
        let scales = LimitScales {
            quantity: counted_by.map(|known| known.quantity_scale),
            settlement: counted_by.map(|known| known.settlement_scale),
            reference: self.names.reference.map(|reference| reference.scale),
        };
        let value = match self.object.get("value") {
            Some(Value::Null) => -1,
            Some(Value::String(text)) => limit_value(kind, text, scales)?,
            Some(other) => {
                let message = "write the value in quotes, such as \"1.25\", so that it is read exactly";
                return Err(Fault::invalid("value", other.clone(), message));
            }
            None => {
                let message = "write the value in quotes, or null to take the limit away";
                return Err(Fault::new("missing_field", "value", Value::Null, message));
            }
        };
        Ok(LimitSet {
            value,
            account: self.optional_account()?,
            instrument: instrument.map_or(InstrumentId::NONE, |known| known.instrument),
            strategy,
            reason: TextId::NONE,
            kind,
        })
    }

    pub(super) fn kill_switch(&self) -> Result<KillSwitchSet, Fault> {
        Ok(KillSwitchSet {
            engaged: self.flag("engaged")?,
            account: self.optional_account()?,
            instrument: self.optional_instrument_id()?,
            strategy: self.optional_strategy()?,
            reason: TextId::NONE,
        })
    }

    pub(super) fn trading_state(&self) -> Result<TradingStateSet, Fault> {
        Ok(TradingStateSet {
            state: self.word("state", TradingState::from_word, TradingState::ALL)?,
            account: self.optional_account()?,
            instrument: self.optional_instrument_id()?,
            strategy: self.optional_strategy()?,
            reason: TextId::NONE,
        })
    }

    pub(super) fn account_state(&self) -> Result<AccountStateSet, Fault> {
        let state = self.word("state", AccountState::from_word, AccountState::ALL)?;
        Ok(AccountStateSet { account: self.account()?, reason: TextId::NONE, state })
    }

    pub(super) fn breaker(&self) -> Result<BreakerReset, Fault> {
        let (account, strategy) = (self.optional_account()?, self.optional_strategy()?);
        if account.is_none() && strategy.is_none() {
            return Err(missing("account"));
        }
        let kind = self.word("breaker", BreakerKind::from_word, BreakerKind::ALL)?;
        Ok(BreakerReset { account, strategy, reason: TextId::NONE, kind })
    }
}

/// A value as the command has it; only null, and no number, takes a limit away.
fn limit_value(kind: LimitKind, text: &str, scales: LimitScales) -> Result<i64, Fault> {
    let value = parse_limit(kind, text, scales).map_err(|error| match &error {
        LimitValueError::Scale(UnknownScale::NeedsInstrument(_)) => {
            Fault::new("missing_field", "instrument", Value::Null, error.to_string())
        }
        LimitValueError::Scale(UnknownScale::NeedsReference(_))
        | LimitValueError::Decimal(_)
        | LimitValueError::UnknownMode => Fault::invalid("value", json!(text), error.to_string()),
    })?;
    if value < 0 {
        let message = "must not be negative; null (on the command line: none) takes the limit away";
        return Err(Fault::invalid("value", json!(text), message));
    }
    if let Some(remedy) = remedy_for(kind, value, scales) {
        return Err(Fault::invalid("value", json!(text), format!("is out of range; {remedy}")));
    }
    Ok(value)
}
