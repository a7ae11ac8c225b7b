//! Cancels: asked for by clients, or by the core itself. No rule stands in their way.

use super::{Machine, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::ACCOUNTS_MAX;
use crate::orders::{Order, key};
use crate::risk::rate::Message;
use tickwerk_domain::command::CancelOrder;
use tickwerk_domain::event::{CancelRejected, CancelSubmitted, OrderCanceled};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{AccountId, ClientOrderId, OrderId, OrderStatus, Reject};

impl Machine {
    /// A cancel; no risk rule stands in its way.
    pub(super) fn cancel_order(&mut self, cancel: &CancelOrder, out: &mut EventBuffer) -> u64 {
        let owned = self.find_owned(cancel.account, cancel.order, &cancel.client_order_id);
        let refusal = match owned.map(|slot| self.orders.get(slot).status) {
            None => Some(Reject::UnknownOrder),
            Some(OrderStatus::PendingCancel) => {
                let may_be_lost = owned.is_some_and(|slot| self.request_may_be_lost(slot));
                (!may_be_lost).then_some(Reject::CancelPending)
            }
            Some(
                OrderStatus::Filled | OrderStatus::Canceled | OrderStatus::Rejected | OrderStatus::Expired,
            ) => Some(Reject::OrderDone),
            Some(
                OrderStatus::PendingNew
                | OrderStatus::New
                | OrderStatus::PartiallyFilled
                | OrderStatus::PendingReplace
                | OrderStatus::Held,
            ) => None,
        };
        let is_known =
            is_in_range(cancel.account.0, ACCOUNTS_MAX) && self.accounts.account(cancel.account).is_some();
        // The stream of an account that is not known has no versions.
        let version = if is_known { self.next_account_version(cancel.account) } else { 0 };
        match (refusal, owned) {
            (None, Some(slot)) => {
                let order = self.orders.get(slot);
                let asked = (order.account, order.instrument, order.strategy);
                self.request_cancel(slot, Reject::CancelRequested, out);
                self.count_message(asked, Message::Cancel, None, out);
            }
            (reason, _) => {
                let order = owned.map_or(OrderId::NONE, |slot| self.orders.get(slot).id);
                let (account, client_order_id) = (cancel.account, cancel.client_order_id);
                let reason = reason.unwrap_or(Reject::UnknownOrder).code();
                let event_version = if is_known { self.next_account_version(account) } else { 0 };
                out.push(event_version, CancelRejected { order, account, client_order_id, reason });
            }
        }
        if is_known {
            self.accounts.rehash_account(cancel.account, &mut self.digest);
        }
        version
    }

    /// An account's order by its id or, where that is 0, by the client's name.
    pub(super) fn find_owned(&self, account: AccountId, order: OrderId, name: &ClientOrderId) -> Option<u32> {
        let slot = if order.is_none() {
            self.orders.find_client(account, name, key(account, name))
        } else {
            self.orders.find(order)
        };
        slot.filter(|slot| self.orders.get(*slot).account == account)
    }

    pub(super) fn next_account_version(&mut self, account: AccountId) -> u64 {
        let row = self.accounts.account_mut(account);
        row.version += 1;
        row.version
    }

    /// Cancels an order: at once where it is held, by the venue where it is there. A cancel that is on its way is sent
    /// again only where the connection was lost since, once for each time that it was found again.
    pub(super) fn request_cancel(&mut self, slot: u32, reason: Reject, out: &mut EventBuffer) {
        let order = *self.orders.get(slot);
        match order.status {
            OrderStatus::PendingCancel if !self.request_may_be_lost(slot) => return,
            OrderStatus::Held => {
                let reason = reason.code();
                self.orders.get_mut(slot).reason = reason;
                self.push_order(slot, OrderCanceled { order: order.id, cum_qty: order.cum_qty, reason }, out);
                self.finish(slot, OrderStatus::Canceled);
                self.positions.rehash(order.account, order.instrument, &mut self.digest);
                self.count_end(slot, false, out);
            }
            OrderStatus::PendingCancel
            | OrderStatus::PendingNew
            | OrderStatus::New
            | OrderStatus::PartiallyFilled
            | OrderStatus::PendingReplace
            | OrderStatus::Filled
            | OrderStatus::Canceled
            | OrderStatus::Rejected
            | OrderStatus::Expired => {
                self.orders.set_status(slot, OrderStatus::PendingCancel);
                let requested_at = self.this_command();
                let row = self.orders.get_mut(slot);
                (row.is_cancel_pending, row.requested_at) = (true, requested_at);
                if reason != Reject::CancelRequested {
                    row.reason = reason.code();
                }
                let (order, instrument) = (order.id, order.instrument);
                self.push_order(slot, CancelSubmitted { order, instrument }, out);
            }
        }
        self.orders.commit(slot, &mut self.digest);
    }
}

/// How an order ends that the venue has cancelled, and why: where the core asked for it, what the core asked for it.
pub(super) fn end_of(order: &Order, told: OrderStatus, reason: ReasonCode) -> (OrderStatus, ReasonCode) {
    let is_by_request = reason == ReasonCode::default() || reason == Reject::CancelRequested.code();
    let is_ours = order.is_cancel_pending && order.reason != ReasonCode::default();
    if told != OrderStatus::Canceled || !is_by_request || !is_ours {
        return (told, reason);
    }
    let is_expired = order.reason == Reject::Expired.code();
    (if is_expired { OrderStatus::Expired } else { told }, order.reason)
}
