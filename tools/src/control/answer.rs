//! From a frame to the reply of the request that caused it.

mod refusal;

use super::request::{Compared, Fault};
use crate::config::Acknowledge;
use refusal::refusal;
use serde_json::{Value, json};
use tickwerk_domain::command::{CancelOrder, ReplaceOrder};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{Command, Event, OrderId, OrderStatus, Payload, Sequence};
use tickwerk_engine::pipeline::Frame;
use tickwerk_render::{Dictionary, limit_and_observed};

/// What a request came to.
pub(crate) type Outcome = Result<Value, Fault>;

/// One line of JSON, with its end.
pub(crate) fn line(
    id: &Value,
    sequence: Option<Sequence>,
    watermark: Option<Acknowledge>,
    outcome: Outcome,
) -> String {
    let mut reply = json!({
        "request_id": id,
        "ok": outcome.is_ok(),
        "sequence": sequence.map(Sequence::get),
        "watermark": watermark.map(Acknowledge::word),
    });
    match outcome {
        Ok(result) => reply["result"] = result,
        Err(fault) => {
            reply["error"] = json!({
                "code": fault.code,
                "field": fault.field,
                "value": fault.value,
                "message": fault.message,
            });
            if let Some(compared) = fault.compared {
                reply["error"]["limit"] = json!(compared.limit);
                reply["error"]["observed"] = json!(compared.observed);
            }
        }
    }
    format!("{reply}\n")
}

/// What a frame says to whoever sent its command; `request` is the request as it came, for the values of a refusal.
///
/// A frame also tells what the command did to others: a quote triggers orders, a fill cancels what is linked with it.
/// Only what happened to the request itself is answered; everything else is in the journal and in the queries.
pub(crate) fn of_frame(frame: &Frame, request: &Value, dictionary: &Dictionary) -> Outcome {
    let mut answer = None;
    for record in frame.records() {
        match &record.payload {
            Payload::Command(command) => {
                answer = Some(Answer::to(command, record.envelope.sequence, request));
            }
            Payload::Event(event) => {
                if let Some(answer) = &mut answer {
                    answer.note_figures(&record.payload, dictionary);
                    answer.take(event, dictionary);
                }
            }
        }
    }
    answer.map_or_else(|| Ok(json!({})), Answer::finish)
}

/// What a request is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Subject {
    /// The order that it makes.
    NewOrder(OrderId),
    /// The order that it changes or cancels: the first one that the frame tells of.
    Order(OrderId),
    /// Settings, states, switches and the orders that they cancel.
    Settings,
    /// A reconciliation.
    Reconciliation,
    /// Something that is only observed.
    Observed,
}

impl Subject {
    fn of(command: &Command, sequence: Sequence) -> Self {
        if let Command::NewOrder(_) = command {
            Self::NewOrder(OrderId(sequence.0))
        } else if let Command::ReplaceOrder(ReplaceOrder { order, .. })
        | Command::CancelOrder(CancelOrder { order, .. }) = command
        {
            Self::Order(*order)
        } else if let Command::LimitSet(_)
        | Command::KillSwitchSet(_)
        | Command::TradingStateSet(_)
        | Command::BreakerReset(_)
        | Command::MassCancel(_) = command
        {
            Self::Settings
        } else if let Command::ReconcileStarted(_)
        | Command::VenueOrderStated(_)
        | Command::VenueBalanceStated(_)
        | Command::VenuePositionStated(_)
        | Command::ReconcileEnded(_) = command
        {
            Self::Reconciliation
        } else {
            Self::Observed
        }
    }
}

/// An answer that grows with the events of its frame.
struct Answer<'r> {
    request: &'r Value,
    subject: Subject,
    outcome: Outcome,
    /// Orders that are cancelled along the way.
    cancels: u64,
    differences: Vec<Value>,
    /// What the rule compared that refused the request.
    compared: Option<Box<Compared>>,
}

impl<'r> Answer<'r> {
    fn to(command: &Command, sequence: Sequence, request: &'r Value) -> Self {
        let subject = Subject::of(command, sequence);
        let mut answer = Self {
            request,
            subject,
            outcome: Ok(json!({})),
            cancels: 0,
            differences: Vec::new(),
            compared: None,
        };
        if let Subject::NewOrder(order) = subject {
            answer.stands(order, OrderStatus::PendingNew);
        }
        answer
    }

    /// Keeps what the rule compared that refuses the request.
    fn note_figures(&mut self, payload: &Payload, dictionary: &Dictionary) {
        let is_own = match (payload, self.subject) {
            (Payload::Event(Event::OrderRefused(refused)), Subject::NewOrder(own)) => refused.order == own,
            (Payload::Event(Event::ReplaceRejected(_)), Subject::Order(_)) => true,
            (_, _) => false,
        };
        if is_own {
            let figures = limit_and_observed(payload, dictionary);
            self.compared = figures.map(|(limit, observed)| Box::new(Compared { limit, observed }));
        }
    }

    fn take(&mut self, event: &Event, dictionary: &Dictionary) {
        if let Event::CommandRefused(refused) = event {
            self.refuse(refused.reason, OrderId::NONE);
        } else if let Event::FillUnmatched(unmatched) = event {
            self.refuse(unmatched.reason, unmatched.order);
        } else {
            match self.subject {
                Subject::NewOrder(order) => self.take_of_order(event, order),
                Subject::Order(order) => self.take_of_change(event, order),
                Subject::Settings => self.take_of_settings(event),
                Subject::Reconciliation => self.take_of_reconciliation(event, dictionary),
                Subject::Observed => {}
            }
        }
    }

    fn take_of_order(&mut self, event: &Event, own: OrderId) {
        if let Event::OrderRejected(rejected) = event
            && rejected.order == own
        {
            self.refuse(rejected.reason, own);
        } else if let Event::OrderRepeated(repeated) = event {
            if repeated.status == OrderStatus::Rejected && repeated.reason != ReasonCode::default() {
                self.refuse(repeated.reason, repeated.order);
            } else {
                self.stands(repeated.order, repeated.status);
                self.set("repeated", json!(true));
            }
        } else {
            self.take_move(event, own);
        }
    }

    fn take_of_change(&mut self, event: &Event, named: OrderId) {
        if let Event::CancelRejected(rejected) = event {
            self.refuse(rejected.reason, rejected.order);
        } else if let Event::ReplaceRejected(rejected) = event {
            self.refuse(rejected.reason, rejected.order);
        } else if let Some(order) = order_of(event)
            && (named.is_none() || named == order)
        {
            // The client named it by its own name; from here on its number is known.
            self.subject = Subject::Order(order);
            self.take_move(event, order);
        }
    }

    /// What happened to the order `own`, and how many others are cancelled for it.
    fn take_move(&mut self, event: &Event, own: OrderId) {
        let order = order_of(event);
        if order.is_some_and(|order| order != own) {
            self.count_cancel(event);
        } else if let Event::OrderHeld(held) = event {
            self.stands(own, OrderStatus::Held);
            self.set("held_for", json!(held.reason.word()));
        } else if let Event::OrderTriggered(_) | Event::OrderSubmitted(_) = event {
            self.stands(own, OrderStatus::PendingNew);
            self.set("held_for", Value::Null);
        } else if let Event::ReplaceSubmitted(_) = event {
            self.stands(own, OrderStatus::PendingReplace);
        } else if let Event::OrderReplaced(_) = event {
            self.stands(own, OrderStatus::Held);
            self.set("replaced", json!(true));
        } else if let Event::CancelSubmitted(_) = event {
            self.stands(own, OrderStatus::PendingCancel);
        } else if let Event::OrderCanceled(_) = event {
            self.stands(own, OrderStatus::Canceled);
        }
    }

    fn take_of_settings(&mut self, event: &Event) {
        if let Event::LimitChanged(changed) = event {
            self.set("limits_version", json!(changed.limits_version));
        } else if let Event::TradingStateChanged(changed) = event {
            self.set("limits_version", json!(changed.limits_version));
            self.set("state", json!(changed.state.word()));
        } else if let Event::BreakerChanged(changed) = event {
            self.set("limits_version", json!(changed.limits_version));
            self.set("state", json!(changed.state.word()));
        } else if let Event::KillSwitchChanged(changed) = event {
            self.set("limits_version", json!(changed.limits_version));
            self.set("engaged", json!(changed.engaged));
            self.set("cancels", json!(self.cancels));
        } else if let Event::MassCancelStarted(_) = event {
            self.set("cancels", json!(self.cancels));
        } else {
            self.count_cancel(event);
        }
    }

    fn take_of_reconciliation(&mut self, event: &Event, dictionary: &Dictionary) {
        if let Event::ReconcileDiffered(differed) = event {
            self.differences.push(json!({
                "kind": differed.kind.word(),
                "action": differed.action.word(),
                "order_id": (!differed.order.is_none()).then_some(differed.order.0),
                "instrument": dictionary.symbol(differed.instrument),
            }));
        } else if let Event::ReconcileCompleted(completed) = event {
            self.set(
                "completed",
                json!({
                    "orders": completed.orders,
                    "figures": completed.figures,
                    "differences": completed.differences,
                }),
            );
        }
    }

    fn count_cancel(&mut self, event: &Event) {
        if let Event::CancelSubmitted(_) | Event::OrderCanceled(_) = event {
            self.cancels += 1;
            self.set("cancels", json!(self.cancels));
        }
    }

    fn stands(&mut self, order: OrderId, status: OrderStatus) {
        self.set("order_id", json!(order.0));
        self.set("status", json!(status.word()));
    }

    /// Sets a field of the result; null takes it away.
    fn set(&mut self, name: &str, value: Value) {
        let Ok(Value::Object(fields)) = &mut self.outcome else {
            return;
        };
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.to_owned(), value);
        }
    }

    fn refuse(&mut self, reason: ReasonCode, order: OrderId) {
        self.outcome = Err(refusal(reason, order, self.request, self.compared.take()));
    }

    fn finish(mut self) -> Outcome {
        if self.subject == Subject::Reconciliation {
            let differences = std::mem::take(&mut self.differences);
            self.set("differences", Value::Array(differences));
        }
        self.outcome
    }
}

/// The order that an event moves.
fn order_of(event: &Event) -> Option<OrderId> {
    Some(if let Event::OrderHeld(held) = event {
        held.order
    } else if let Event::OrderTriggered(triggered) = event {
        triggered.order
    } else if let Event::OrderSubmitted(submitted) = event {
        submitted.order
    } else if let Event::ReplaceSubmitted(submitted) = event {
        submitted.order
    } else if let Event::OrderReplaced(replaced) = event {
        replaced.order
    } else if let Event::CancelSubmitted(submitted) = event {
        submitted.order
    } else if let Event::OrderCanceled(canceled) = event {
        canceled.order
    } else {
        return None;
    })
}
