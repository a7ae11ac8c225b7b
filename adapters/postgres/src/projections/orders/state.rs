//! How an order stands after an event, in FIX's words.
//!
//! A cancel or a replace that is refused leaves the order as it stood before it was asked for, unless it was refused at
//! once: then nothing had changed.

use crate::fact::Fact;
use tickwerk_domain::{Command, Event, OrderStatus, Payload, Qty};

/// What must be known of an open order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Open {
    pub(super) status: OrderStatus,
    pub(super) is_accepted: bool,
    pub(super) has_fill: bool,
    pub(super) is_replace_pending: bool,
}

impl Default for Open {
    fn default() -> Self {
        Self {
            status: OrderStatus::PendingNew,
            is_accepted: false,
            has_fill: false,
            is_replace_pending: false,
        }
    }
}

impl Open {
    /// How it stands when no cancel is on its way.
    fn standing(self) -> OrderStatus {
        match (self.is_replace_pending, self.has_fill, self.is_accepted) {
            (true, _, _) => OrderStatus::PendingReplace,
            (false, true, _) => OrderStatus::PartiallyFilled,
            (false, false, true) => OrderStatus::New,
            (false, false, false) => OrderStatus::PendingNew,
        }
    }

    /// A replace is answered.
    fn answered(mut self) -> Self {
        self.is_replace_pending = false;
        if !matches!(self.status, OrderStatus::PendingCancel | OrderStatus::Held) {
            self.status = self.standing();
        }
        self
    }
}

/// How the order stands from here on; nothing where the event does not say.
pub(super) fn moved(fact: &Fact<'_>, event: &Event, before: Option<Open>) -> Option<Open> {
    let open = before.unwrap_or_default();
    let with = |status| Some(Open { status, ..open });
    if let Event::OrderSubmitted(_) | Event::OrderTriggered(_) = event {
        with(OrderStatus::PendingNew)
    } else if let Event::OrderHeld(_) = event {
        with(OrderStatus::Held)
    } else if let Event::OrderFilled(_) = event {
        with(OrderStatus::Filled)
    } else if let Event::OrderRejected(_) | Event::OrderRefused(_) = event {
        with(OrderStatus::Rejected)
    } else if let Event::OrderCanceled(_) = event {
        with(OrderStatus::Canceled)
    } else if let Event::OrderExpired(_) = event {
        with(OrderStatus::Expired)
    } else if let Event::CancelSubmitted(_) = event {
        with(OrderStatus::PendingCancel)
    } else if let Event::ReplaceSubmitted(_) = event {
        Some(Open { is_replace_pending: true, status: OrderStatus::PendingReplace, ..open })
    } else if let Event::OrderReplaced(_) = event {
        Some(open.answered())
    } else if let Event::CancelRejected(_) | Event::ReplaceRejected(_) = event {
        // A request that was refused at once leaves the order as it is.
        Some(refused(fact, event, before?))
    } else {
        counted(event, before)
    }
}

/// After the venue's word on what it has, or has filled.
fn counted(event: &Event, before: Option<Open>) -> Option<Open> {
    let mut open = before.unwrap_or_default();
    if let Event::OrderAccepted(_) = event {
        open.is_accepted = true;
        if open.status == OrderStatus::PendingNew {
            open.status = OrderStatus::New;
        }
    } else if let Event::OrderPartiallyFilled(_) = event {
        open.has_fill = true;
        if !matches!(open.status, OrderStatus::PendingCancel | OrderStatus::PendingReplace) {
            open.status = OrderStatus::PartiallyFilled;
        }
    } else if let Event::FillRestated(of) = event {
        // A done order stays done.
        open = before?;
        open.has_fill = of.cum_qty > Qty::ZERO;
        if !open.has_fill && open.status == OrderStatus::PartiallyFilled {
            open.status = OrderStatus::New;
        }
    } else {
        return None;
    }
    Some(open)
}

/// After a cancel or replace that was refused: as it stood, where the request had changed anything.
fn refused(fact: &Fact<'_>, event: &Event, mut open: Open) -> Open {
    let is_on_request = |is: fn(&Command) -> bool| {
        fact.command()
            .is_some_and(|record| matches!(&record.payload, Payload::Command(command) if is(command)))
    };
    if let Event::ReplaceRejected(_) = event {
        let was_pending = open.is_replace_pending;
        if was_pending && !is_on_request(|of| matches!(of, Command::ReplaceOrder(_))) {
            return open.answered();
        }
    } else if open.status == OrderStatus::PendingCancel
        && !is_on_request(|of| matches!(of, Command::CancelOrder(_)))
    {
        open.status = open.standing();
    }
    open
}
