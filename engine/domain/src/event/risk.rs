//! Events of the signal and risk families.

use crate::fields::payloads;
use crate::reject::ReasonCode;
use crate::{
    AccountId, BreakerKind, BreakerState, CurrencyId, InstrumentId, LimitKind, Money, OrderId, Qty, Real,
    Severity, Side, SignalDirection, StrategyId, TimeNs, TradingState,
};

payloads! {
    /// A strategy changed its mind.
    SignalChanged {
        /// The fast figure of the strategy.
        fast: Real,
        /// The slow figure of the strategy.
        slow: Real,
        /// How strong, from 0 to 1.
        strength: Real,
        /// Which strategy.
        strategy: StrategyId,
        /// Which market.
        instrument: InstrumentId,
        /// Where it wants to be.
        direction: SignalDirection,
    }
    /// A limit changed; from here on decisions name this version.
    LimitChanged {
        /// Before; negative for none.
        previous: i64,
        /// Now; negative for none.
        value: i64,
        /// Version of all limits from here on.
        limits_version: u64,
        /// For which account; 0 for all.
        account: AccountId,
        /// For which instrument; 0 for all.
        instrument: InstrumentId,
        /// For which strategy; 0 for all.
        strategy: StrategyId,
        /// Which limit.
        kind: LimitKind,
    }
    /// A soft threshold was passed, or is no longer; or the limit itself was reached, or is no longer, while it is passed.
    RiskAlert {
        /// The limit, in the unit of the rule.
        limit: Money,
        /// The value seen, in the unit of the rule.
        observed: Money,
        /// Version of all limits.
        limits_version: u64,
        /// For which account.
        account: AccountId,
        /// For which instrument; 0 for all.
        instrument: InstrumentId,
        /// For which strategy; 0 for all.
        strategy: StrategyId,
        /// Which limit.
        kind: LimitKind,
        /// How grave.
        severity: Severity,
        /// Whether it stands, with this severity from here on, or is cleared.
        raised: bool,
    }
    /// A breaker moved from one state to another.
    BreakerChanged {
        /// The limit, in the unit of the rule.
        limit: Money,
        /// The value seen, in the unit of the rule.
        observed: Money,
        /// End of the cool-down; 0 where there is none.
        until: TimeNs,
        /// Version of all limits.
        limits_version: u64,
        /// For which account.
        account: AccountId,
        /// For which strategy; 0 for all.
        strategy: StrategyId,
        /// Which breaker.
        kind: BreakerKind,
        /// Before.
        from: BreakerState,
        /// From here on.
        state: BreakerState,
    }
    /// A kill switch was engaged or released.
    KillSwitchChanged {
        /// Version of all limits from here on.
        limits_version: u64,
        /// For which account; 0 for all.
        account: AccountId,
        /// For which instrument; 0 for all.
        instrument: InstrumentId,
        /// For which strategy; 0 for all.
        strategy: StrategyId,
        /// Engaged or released.
        engaged: bool,
    }
    /// What may be done changed.
    TradingStateChanged {
        /// Version of all limits from here on.
        limits_version: u64,
        /// For which account; 0 for all.
        account: AccountId,
        /// For which instrument; 0 for all.
        instrument: InstrumentId,
        /// For which strategy; 0 for all.
        strategy: StrategyId,
        /// Now.
        state: TradingState,
    }
    /// An order passed every risk rule.
    OrderApproved {
        /// What the order ties up of `reserved_currency`.
        reserved: Money,
        /// Gross exposure of the account after it, in the reference currency; 0 where no limit asks for it.
        gross_exposure: Money,
        /// Which order.
        order: OrderId,
        /// Version of the limits that let it through.
        limits_version: u64,
        /// The position if all open buys were filled.
        worst_long: Qty,
        /// The position if all open sells were filled.
        worst_short: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Currency of `reserved`.
        reserved_currency: CurrencyId,
        /// Open orders of the account, this one included.
        open_orders: u32,
    }
    /// A risk rule refused an order.
    OrderRefused {
        /// The limit, in the unit of the rule.
        limit: Money,
        /// The value seen, in the unit of the rule.
        observed: Money,
        /// Which order.
        order: OrderId,
        /// Version of the limits that refused it.
        limits_version: u64,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// The strategy that asked; 0 for a client.
        strategy: StrategyId,
        /// Which rule.
        reason: ReasonCode,
        /// Which way.
        side: Side,
    }
}
