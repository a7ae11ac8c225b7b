//! Cancelling the open orders of a scope, on request or by the kill switch: in order of id, as many as fit one command.

use super::{Continuation, Machine};
use crate::event_buffer::EventBuffer;
use crate::limits::STRATEGIES_MAX;
use crate::orders::Order;
use tickwerk_domain::command::MassCancel;
use tickwerk_domain::event::MassCancelStarted;
use tickwerk_domain::{
    AccountId, ContinueKind, InstrumentId, OrderId, Reject, Sequence, SideFilter, Stamp, StrategyId,
};

/// Events that one cancel may cause, with one to spare for the digest.
const EVENTS_PER_CANCEL_MAX: usize = 2;

/// Which orders are meant; 0 is "all".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    /// Of which account.
    pub account: AccountId,
    /// In which instrument.
    pub instrument: InstrumentId,
    /// Of which strategy.
    pub strategy: StrategyId,
    /// Of which side.
    pub side: SideFilter,
}

impl Scope {
    fn includes(&self, order: &Order) -> bool {
        (self.account.is_none() || self.account == order.account)
            && (self.instrument.is_none() || self.instrument == order.instrument)
            && (self.strategy.is_none() || self.strategy == order.strategy)
            && self.side.includes(order.side)
    }

    /// Whether it names one account and one instrument, whose orders have a list of their own.
    fn is_narrow(&self) -> bool {
        !self.account.is_none() && !self.instrument.is_none()
    }
}

impl Machine {
    pub(super) fn mass_cancel(&mut self, stamp: Stamp, asked: &MassCancel, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        let &MassCancel { account, instrument, strategy, side, .. } = asked;
        let unknown = if !account.is_none() && self.accounts.account(account).is_none() {
            Some((Reject::UnknownAccount, account.0))
        } else if !instrument.is_none() && self.instrument(instrument).is_none() {
            Some((Reject::UnknownInstrument, instrument.0))
        } else if strategy.0 as usize >= STRATEGIES_MAX
            || !strategy.is_none() && self.strategies[strategy.0 as usize].is_none()
        {
            Some((Reject::ScopeInvalid, strategy.0))
        } else if self.continuations[ContinueKind::MassCancel as usize].is_some() {
            Some((Reject::EngineBusy, 0))
        } else {
            None
        };
        if let Some((reason, value)) = unknown {
            self.refuse(&(*asked).into(), reason, i64::from(value), out);
            return version;
        }
        let event_version = self.next_system_version();
        out.push(event_version, MassCancelStarted { account, instrument, strategy, side });
        let scope = Scope { account, instrument, strategy, side };
        self.start_cancel(ContinueKind::MassCancel, stamp.sequence, scope, out);
        version
    }

    /// Begins to cancel the open orders of a scope.
    pub(super) fn start_cancel(
        &mut self,
        kind: ContinueKind,
        started_by: Sequence,
        scope: Scope,
        out: &mut EventBuffer,
    ) {
        self.cancel_open(Continuation { kind, after: 0, next: OrderId::NONE, started_by, scope }, out);
    }

    /// Cancels open orders of a scope, in order of id, as many as fit; the rest goes on later.
    pub(super) fn cancel_open(&mut self, from: Continuation, out: &mut EventBuffer) {
        let Continuation { scope, .. } = from;
        let mut next = if scope.is_narrow() {
            self.orders.first_own_from(scope.account, scope.instrument, from.next)
        } else {
            self.orders.first_open_from(from.next)
        };
        let reason = match from.kind {
            ContinueKind::KillSwitch => Reject::KillSwitch,
            ContinueKind::MassCancel
            | ContinueKind::Held
            | ContinueKind::Reconcile
            | ContinueKind::Funding
            | ContinueKind::Mark
            | ContinueKind::Reconnect => Reject::MassCanceled,
        };
        let mut after = from.after;
        let mut steps = 0;
        while let Some(slot) = next {
            let id = self.orders.get(slot).id;
            if out.room() < EVENTS_PER_CANCEL_MAX || steps == self.rules.steps_per_command {
                self.go_on_later(Continuation { after, next: id, ..from });
                return;
            }
            after = id.0;
            next = if scope.is_narrow() { self.orders.next_own(slot) } else { self.orders.next_open(slot) };
            if scope.includes(self.orders.get(slot)) {
                self.request_cancel(slot, reason, out);
            }
            steps += 1;
        }
        self.continuations[from.kind as usize] = None;
    }
}
