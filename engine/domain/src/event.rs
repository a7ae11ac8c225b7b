//! All that may have happened: past facts, each caused by the command of its frame.

mod ledger;
mod market;
mod money;
mod order;
mod risk;
mod system;

pub use ledger::*;
pub use market::*;
pub use money::*;
pub use order::*;
pub use risk::*;
pub use system::*;

use crate::Stream;
use crate::record::{TypeId, record_types};

/// Calls the macro `$callback` with the declaration of [`Event`]: each line is
/// `Variant(Payload) = type_id schema_version "family.name"`.
#[macro_export]
macro_rules! for_each_event {
    ($callback:ident) => {
        $callback! {
            /// All that may have happened.
            Event {
                /// A book went bad.
                BookStale(BookStale) = 0x0181 1 "market.book_stale",
                /// A book is whole again.
                BookRestored(BookRestored) = 0x0182 1 "market.book_restored",
                /// A strategy changed its mind.
                SignalChanged(SignalChanged) = 0x0281 1 "signal.changed",
                /// A limit changed.
                LimitChanged(LimitChanged) = 0x0381 1 "risk.limit_changed",
                /// A kill switch changed.
                KillSwitchChanged(KillSwitchChanged) = 0x0382 1 "risk.kill_switch_changed",
                /// What may be done changed.
                TradingStateChanged(TradingStateChanged) = 0x0383 1 "risk.trading_state_changed",
                /// An order passed.
                OrderApproved(OrderApproved) = 0x0384 1 "risk.order_approved",
                /// A soft threshold.
                RiskAlert(RiskAlert) = 0x0386 1 "risk.alert",
                /// A breaker.
                BreakerChanged(BreakerChanged) = 0x0387 1 "risk.breaker_changed",
                /// An order was refused.
                OrderRefused(OrderRefused) = 0x0385 1 "risk.order_refused",
                /// To the venue.
                OrderSubmitted(OrderSubmitted) = 0x0481 1 "order.submitted",
                /// At the venue.
                OrderAccepted(OrderAccepted) = 0x0482 1 "order.accepted",
                /// Refused.
                OrderRejected(OrderRejected) = 0x0483 1 "order.rejected",
                /// Filled in part.
                OrderPartiallyFilled(OrderPartiallyFilled) = 0x0484 1 "order.partially_filled",
                /// Filled whole.
                OrderFilled(OrderFilled) = 0x0485 1 "order.filled",
                /// A cancel to the venue.
                CancelSubmitted(CancelSubmitted) = 0x0486 1 "order.cancel_submitted",
                /// Cancelled.
                OrderCanceled(OrderCanceled) = 0x0487 1 "order.canceled",
                /// A cancel refused.
                CancelRejected(CancelRejected) = 0x0488 1 "order.cancel_rejected",
                /// The same again.
                OrderRepeated(OrderRepeated) = 0x0489 1 "order.repeated",
                /// Kept in the core.
                OrderHeld(OrderHeld) = 0x048A 1 "order.held",
                /// Triggered or released.
                OrderTriggered(OrderTriggered) = 0x048B 1 "order.triggered",
                /// A replace to the venue.
                ReplaceSubmitted(ReplaceSubmitted) = 0x048C 1 "order.replace_submitted",
                /// Replaced.
                OrderReplaced(OrderReplaced) = 0x048D 1 "order.replaced",
                /// A replace refused.
                ReplaceRejected(ReplaceRejected) = 0x048E 1 "order.replace_rejected",
                /// Time over.
                OrderExpired(OrderExpired) = 0x048F 1 "order.expired",
                /// A mass cancel.
                MassCancelStarted(MassCancelStarted) = 0x0490 1 "order.mass_cancel_started",
                /// A fill without an order.
                FillUnmatched(FillUnmatched) = 0x0581 1 "fill.unmatched",
                /// A fill taken back or corrected.
                FillRestated(FillRestated) = 0x0582 1 "fill.restated",
                /// A position changed.
                PositionChanged(PositionChanged) = 0x0681 1 "position.changed",
                /// A position marked.
                PositionMarked(PositionMarked) = 0x0682 1 "position.marked",
                /// Funding.
                FundingPosted(FundingPosted) = 0x0683 1 "position.funding_posted",
                /// Money moved.
                Posted(Posted) = 0x0781 1 "account.posted",
                /// An account marked.
                AccountMarked(AccountMarked) = 0x0782 1 "account.marked",
                /// The digest.
                StateDigest(StateDigest) = 0x0881 1 "system.state_digest",
                /// A command refused.
                CommandRefused(CommandRefused) = 0x0882 1 "system.command_refused",
                /// A difference found.
                ReconcileDiffered(ReconcileDiffered) = 0x0883 1 "system.reconcile_differed",
                /// A reconciliation complete.
                ReconcileCompleted(ReconcileCompleted) = 0x0884 1 "system.reconcile_completed",
            }
        }
    };
}
for_each_event!(record_types);

impl Event {
    /// The stream it belongs to.
    pub fn stream(&self) -> Stream {
        match self {
            Self::BookStale(payload) => Stream::instrument(payload.instrument),
            Self::BookRestored(payload) => Stream::instrument(payload.instrument),
            Self::SignalChanged(payload) => Stream::strategy(payload.strategy),
            Self::OrderApproved(payload) => Stream::order(payload.order),
            Self::OrderRefused(payload) => Stream::order(payload.order),
            Self::OrderSubmitted(payload) => Stream::order(payload.order),
            Self::OrderAccepted(payload) => Stream::order(payload.order),
            Self::OrderRejected(payload) => Stream::order(payload.order),
            Self::OrderPartiallyFilled(payload) => Stream::order(payload.order),
            Self::OrderFilled(payload) => Stream::order(payload.order),
            Self::CancelSubmitted(payload) => Stream::order(payload.order),
            Self::OrderCanceled(payload) => Stream::order(payload.order),
            Self::OrderRepeated(payload) => Stream::order(payload.order),
            Self::OrderHeld(payload) => Stream::order(payload.order),
            Self::OrderTriggered(payload) => Stream::order(payload.order),
            Self::ReplaceSubmitted(payload) => Stream::order(payload.order),
            Self::OrderReplaced(payload) => Stream::order(payload.order),
            Self::OrderExpired(payload) => Stream::order(payload.order),
            Self::FillRestated(payload) => Stream::order(payload.order),
            Self::ReplaceRejected(payload) => Stream::account(payload.account),
            Self::RiskAlert(payload) => Stream::account(payload.account),
            Self::BreakerChanged(payload) => Stream::account(payload.account),
            Self::PositionMarked(payload) => Stream::position(payload.account, payload.instrument),
            Self::FundingPosted(payload) => Stream::position(payload.account, payload.instrument),
            Self::AccountMarked(payload) => Stream::account(payload.account),
            Self::ReconcileDiffered(payload) => Stream::account(payload.account),
            Self::ReconcileCompleted(payload) => Stream::account(payload.account),
            Self::CancelRejected(payload) => Stream::account(payload.account),
            Self::FillUnmatched(payload) => Stream::order(payload.order),
            Self::PositionChanged(payload) => Stream::position(payload.account, payload.instrument),
            Self::Posted(payload) => Stream::account(payload.account),
            Self::LimitChanged(_)
            | Self::KillSwitchChanged(_)
            | Self::TradingStateChanged(_)
            | Self::MassCancelStarted(_)
            | Self::StateDigest(_)
            | Self::CommandRefused(_) => Stream::SYSTEM,
        }
    }
}
