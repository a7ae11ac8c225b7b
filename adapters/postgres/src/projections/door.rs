//! Requests that were refused at the door: what read models make of a record that never became a command.
//!
//! The record holds `op field=value`, cut to its size, and why. Account and market are what the request said of itself;
//! nobody has looked whether it may. Which ops concern administration is listed here, by the words of the control socket.

use crate::fact::Fact;
use tickwerk_domain::command::RequestRefused;
use tickwerk_domain::{Command, Payload, Reject};

/// Administrative ops, and the category of the audit log that their commands have.
pub(crate) const ADMINISTRATION: &[(&str, &str)] = &[
    ("limit.set", "limit"),
    ("kill_switch.set", "kill_switch"),
    ("trading_state.set", "trading_state"),
    ("breaker.reset", "breaker"),
    ("account_state.set", "account_state"),
    ("cash.transfer", "cash"),
    ("order.mass_cancel", "mass_cancel"),
    ("market.session", "configuration"),
    ("conversion.set", "configuration"),
];

/// What was asked for in vain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) op: &'a str,
    /// The field at fault; empty where it was all of the request.
    pub(crate) field: &'a str,
    pub(crate) value: &'a str,
    /// Why, as the client was told it.
    pub(crate) reason: &'static str,
}

/// What a record says was asked for in vain; nothing of any other record.
pub(crate) fn asked<'a>(fact: &Fact<'a>) -> Option<Asked<'a>> {
    match fact.payload() {
        Payload::Command(Command::RequestRefused(refused)) => Some(read(refused)),
        Payload::Command(_) | Payload::Event(_) => None,
    }
}

fn read(refused: &RequestRefused) -> Asked<'_> {
    let request = refused.request.as_str();
    let (op, rest) = request.split_once(' ').unwrap_or((request, ""));
    let (field, value) = rest.split_once('=').unwrap_or((rest, ""));
    let reason = Reject::from_code(refused.reason).map_or("none", Reject::word);
    Asked { op, field, value, reason }
}

impl Asked<'_> {
    /// The category of the audit log; none where it is not administration.
    pub(crate) fn administration(&self) -> Option<&'static str> {
        ADMINISTRATION.iter().find(|(op, _)| *op == self.op).map(|(_, category)| *category)
    }

    /// What people are told.
    pub(crate) fn text(&self) -> String {
        let Self { op, field, value, reason } = self;
        let field = if field.is_empty() { String::new() } else { format!("field={field} ") };
        format!("op={op} {field}value={value} reason={reason}")
    }

    /// What it was that was wanted: `field=value`, or the value alone where all of the request was at fault.
    pub(crate) fn wanted(&self) -> String {
        let Self { field, value, .. } = self;
        if field.is_empty() { (*value).to_owned() } else { format!("{field}={value}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwerk_domain::{AccountId, InstrumentId, TextBytes};

    #[test]
    fn a_refused_request_is_taken_apart() {
        let reason = Reject::InvalidValue.code();
        let read = |text: &str| {
            let request = TextBytes::shortened(text);
            let (account, instrument) = (AccountId::NONE, InstrumentId::NONE);
            let refused = RequestRefused { request, account, instrument, reason };
            let asked = super::read(&refused);
            (asked.text(), asked.wanted())
        };
        for (request, told, wanted) in [
            (
                "order.new quantity=-1",
                "op=order.new field=quantity value=-1 reason=invalid_value",
                "quantity=-1",
            ),
            (
                "limit.set value=a b=c",
                "op=limit.set field=value value=a b=c reason=invalid_value",
                "value=a b=c",
            ),
            ("order.new =null", "op=order.new value=null reason=invalid_value", "null"),
            ("order.new quan", "op=order.new field=quan value= reason=invalid_value", "quan="),
            ("order.new", "op=order.new value= reason=invalid_value", ""),
        ] {
            assert_eq!(read(request), (told.to_owned(), wanted.to_owned()), "{request}");
        }
    }
}
