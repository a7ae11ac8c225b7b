//! Commands of the signal and risk families: strategies, limits, breakers and switches.

use crate::fields::payloads;
use crate::{AccountId, BreakerKind, InstrumentId, LimitKind, StrategyId, TextId, TradingState};

payloads! {
    /// A strategy with its parameters; a later definition of the same number replaces its parameters.
    StrategyDefined {
        /// Parameters in the order that the strategy's own documentation gives.
        parameters: [i64; 8],
        /// Its number.
        strategy: StrategyId,
        /// Its name.
        name: TextId,
        /// Whose money.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which strategy, by its stable number.
        kind: u16,
        /// Whether it acts.
        enabled: bool,
    }
    /// Sets one limit. 0 as account or instrument means "all"; a strategy's limit names the strategy alone.
    LimitSet {
        /// Mantissa in the unit of the kind; negative takes the limit away.
        value: i64,
        /// For which account.
        account: AccountId,
        /// For which instrument.
        instrument: InstrumentId,
        /// For which strategy.
        strategy: StrategyId,
        /// Why.
        reason: TextId,
        /// Which limit.
        kind: LimitKind,
    }
    /// Arms a tripped breaker again. 0 as account means "all".
    BreakerReset {
        /// For which account.
        account: AccountId,
        /// For which strategy.
        strategy: StrategyId,
        /// Why.
        reason: TextId,
        /// Which breaker.
        kind: BreakerKind,
    }
    /// Engages or releases a kill switch. 0 as account or instrument means "all".
    KillSwitchSet {
        /// For which account.
        account: AccountId,
        /// For which instrument.
        instrument: InstrumentId,
        /// For which strategy.
        strategy: StrategyId,
        /// Why.
        reason: TextId,
        /// Engaged or released.
        engaged: bool,
    }
    /// Sets what may be done. 0 as account or instrument means "all".
    TradingStateSet {
        /// For which account.
        account: AccountId,
        /// For which instrument.
        instrument: InstrumentId,
        /// For which strategy.
        strategy: StrategyId,
        /// Why.
        reason: TextId,
        /// What may be done.
        state: TradingState,
    }
}
