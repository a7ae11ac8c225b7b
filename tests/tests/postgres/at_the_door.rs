//! Requests that a daemon refuses before they become commands: journaled, and in the read models where people look for
//! them. Administration is in the audit log, whatever was wrong with the request.

use crate::client::Client;
use crate::live::LiveDaemon;
use crate::server::{Database, database};
use crate::support::{db, migrate, ship, text};
use serde_json::json;

/// Ops of administration, and the category that each has in the audit log.
const ADMINISTRATION: [(&str, &str); 9] = [
    ("account_state.set", "account_state"),
    ("breaker.reset", "breaker"),
    ("cash.transfer", "cash"),
    ("conversion.set", "configuration"),
    ("kill_switch.set", "kill_switch"),
    ("limit.set", "limit"),
    ("market.session", "configuration"),
    ("order.mass_cancel", "mass_cancel"),
    ("trading_state.set", "trading_state"),
];

#[test]
fn what_was_refused_at_the_door_is_activity_a_refusal_and_where_it_administers_an_audit_entry() {
    let Some(place) = database() else { return };
    let mut daemon = LiveDaemon::start(&[]);
    let mut client = Client::connect(&daemon.dir());
    let asks = ADMINISTRATION.iter().map(|(op, _)| *op).chain(["order.new", "market.quote"]);
    for op in asks {
        let reply = client.ask(&json!({ "op": op, "mischief": "x y=z" }));
        assert_eq!(reply["ok"], false, "{reply}");
        assert!(reply["sequence"].is_u64(), "{op} is journaled: {reply}");
    }
    daemon.stop();
    migrate(&place.address);
    ship(&place.address, &daemon.dir());
    db(&place.address, &["verify", text(&daemon.dir())]).expect(0);

    let database = Database::open(&place.address);
    let audited = database.rows(
        "SELECT subject, category, after, outcome, refusal FROM tickwerk.audit_log
         WHERE action = 'system.request_refused' ORDER BY subject",
    );
    let expected: Vec<Vec<Option<String>>> = ADMINISTRATION
        .iter()
        .map(|(op, category)| {
            let cells = [op, category, "mischief=x y=z", "refused", "unknown_field"];
            cells.map(|cell: &str| Some(cell.to_owned())).to_vec()
        })
        .collect();
    assert_eq!(audited, expected);
    let told = database.rows(
        "SELECT title, category, description, visibility, details ->> 'reason' FROM tickwerk.activity
         WHERE event_type = 'system.request_refused' AND details ->> 'request' LIKE 'order.new%'",
    );
    let description = "op=order.new field=mischief value=x y=z reason=unknown_field";
    let expected = ["Request refused", "system", description, "internal", "unknown_field"];
    assert_eq!(told, [expected.map(|cell| Some(cell.to_owned())).to_vec()]);
    let counted = "SELECT sum(refusals) FROM tickwerk.event_statistics_unified WHERE event_type = 'system.request_refused'";
    assert_eq!(database.number(counted), 11);
    let by_reason = "SELECT sum(count) FROM tickwerk.refusal_statistics WHERE reason = 'unknown_field'";
    assert_eq!(database.number(by_reason), 11);
}
