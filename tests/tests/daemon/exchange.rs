//! An exchange of our own by the control socket: bands, self-trade prevention, icebergs, halts, auctions, its book.

use crate::client::Client;
use crate::fixture::examples;
use crate::live::LiveDaemon;
use crate::process::{records_of, reexecute, wait_for};
use serde_json::{Value, json};

/// `tools/examples/exchange.toml`, changed.
struct Exchange {
    daemon: LiveDaemon,
    client: Client,
}

impl Exchange {
    fn start(change: impl Fn(String) -> String) -> Self {
        let text = std::fs::read_to_string(examples().join("exchange.toml")).expect("an example");
        let daemon = LiveDaemon::start_with(&change(text), &[]);
        let client = Client::connect(&daemon.dir);
        Self { daemon, client }
    }

    /// Sends a limit order with other terms, and waits for what the exchange says: its status, or what it was refused for.
    #[track_caller]
    fn place(&mut self, account: &str, name: &str, side: &str, price: &str, terms: &Value) -> String {
        let mut request = json!({
            "op": "order.new", "account": account, "instrument": "BTC-USD", "client_order_id": name, "side": side,
            "order_type": "limit", "time_in_force": "gtc", "price": price, "quantity": "1",
        });
        for (field, value) in terms.as_object().expect("terms are an object") {
            request[field] = value.clone();
        }
        let placed = self.client.ask_ok(&request);
        let order = placed["order_id"].clone();
        wait_for(&format!("word of {name}"), || self.word_of(&order))
    }

    /// What the journal says of an order: its last report from the venue.
    fn word_of(&self, order: &Value) -> Option<String> {
        let reports = records_of(&self.daemon.dir, "order.reported");
        let report =
            reports.iter().rev().map(|record| &record["payload"]).find(|told| told["order"] == *order)?;
        let (kind, reason) = (report["kind"].as_str()?, report["reason"].as_str()?);
        Some(if reason == "none" { kind.to_owned() } else { format!("{kind} {reason}") })
    }

    #[track_caller]
    fn session(&mut self, state: &str) {
        self.client.ask_ok(&json!({ "op": "market.session", "instrument": "BTC-USD", "state": state }));
    }

    /// Price, quantity and number of orders of each level of a side, once it has so many.
    #[track_caller]
    fn levels(&mut self, side: &str, count: usize) -> Vec<(String, String, u64)> {
        wait_for(&format!("{count} levels of {side}"), || {
            let shown = self.client.ask_ok(&json!({ "op": "query.book", "instrument": "BTC-USD" }));
            let levels = shown["book"][side].as_array().expect("a list");
            let text = |value: &Value| value.as_str().unwrap_or("market").to_owned();
            let level = |level: &Value| {
                (text(&level["price"]), text(&level["quantity"]), level["orders"].as_u64().expect("a number"))
            };
            (levels.len() == count).then(|| levels.iter().map(level).collect())
        })
    }

    /// Price and quantity of each fill so far, and for whom: maker or taker.
    #[track_caller]
    fn fills(&self, count: usize) -> Vec<[String; 3]> {
        wait_for(&format!("{count} fills"), || {
            let fills = records_of(&self.daemon.dir, "fill.reported");
            let fill = |record: &Value| {
                ["price", "qty", "liquidity"].map(|field| {
                    let value = &record["payload"][field];
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                })
            };
            (fills.len() >= count).then(|| fills.iter().map(fill).collect())
        })
    }

    #[track_caller]
    fn stop(mut self) {
        self.daemon.stop();
        reexecute(&self.daemon.dir);
    }
}

fn level(price: &str, qty: &str, orders: u64) -> (String, String, u64) {
    (price.to_owned(), qty.to_owned(), orders)
}

#[test]
fn orders_outside_the_bands_are_refused_with_the_reason() {
    let mut exchange = Exchange::start(|text| text);
    let plain = json!({});
    for (name, side, price) in [("low", "buy", "29999.5"), ("high", "sell", "90000.5")] {
        assert_eq!(exchange.place("maker", name, side, price, &plain), "rejected outside_price_band");
    }
    assert_eq!(exchange.place("maker", "a", "sell", "60000", &plain), "accepted");
    assert_eq!(exchange.place("taker", "b", "buy", "60000", &plain), "accepted");
    exchange.fills(2);
    assert_eq!(exchange.place("taker", "far", "buy", "63000.5", &plain), "rejected outside_price_band");
    assert_eq!(exchange.place("taker", "near", "buy", "63000", &plain), "accepted");
    assert_eq!(exchange.place("maker", "passive", "sell", "80000", &plain), "accepted");
    exchange.stop();
}

#[test]
fn each_mode_prevents_that_an_account_trades_with_itself() {
    for (mode, of_maker, of_taker) in [
        ("cancel_taker", "accepted", "canceled self_trade"),
        ("cancel_maker", "canceled self_trade", "accepted"),
        ("cancel_both", "canceled self_trade", "canceled self_trade"),
        ("decrement", "accepted", "canceled self_trade"),
    ] {
        let words = format!("self_trade = \"{mode}\"");
        let mut exchange = Exchange::start(|text| text.replace("self_trade = \"cancel_taker\"", &words));
        let resting = json!({ "quantity": "2" });
        assert_eq!(exchange.place("maker", "rests", "sell", "60000", &resting), "accepted", "{mode}");
        let shown = exchange.client.ask_ok(&json!({ "op": "query.orders" }));
        let order = shown["orders"][0]["order_id"].clone();
        exchange.place("maker", "comes", "buy", "60000", &json!({}));
        let last = wait_for("word of both", || {
            let reports = records_of(&exchange.daemon.dir, "order.reported");
            let came = reports.last().map(|record| record["payload"]["order"].clone())?;
            let words = (exchange.word_of(&order)?, exchange.word_of(&came)?);
            (words == (of_maker.to_owned(), of_taker.to_owned())
                || (mode == "cancel_maker" && words.0 == of_maker))
                .then_some(words)
        });
        assert_eq!(last.0, of_maker, "{mode}");
        if mode == "decrement" {
            assert_eq!(exchange.levels("asks", 1), [level("60000.00", "1.00000000", 1)]);
        }
        assert_eq!(records_of(&exchange.daemon.dir, "fill.reported"), [] as [Value; 0], "{mode}");
        exchange.stop();
    }
}

#[test]
fn an_iceberg_shows_its_peak_and_queues_up_anew() {
    let mut exchange = Exchange::start(|text| text);
    let hidden = json!({ "quantity": "1", "display_quantity": "0.25" });
    assert_eq!(exchange.place("maker", "ice", "sell", "60000", &hidden), "accepted");
    assert_eq!(exchange.place("maker", "behind", "sell", "60000", &json!({ "quantity": "0.5" })), "accepted");
    assert_eq!(exchange.levels("asks", 1), [level("60000.00", "0.75000000", 2)]);
    assert_eq!(exchange.place("taker", "takes", "buy", "60000", &json!({ "quantity": "0.25" })), "accepted");
    exchange.fills(2);
    let shown =
        exchange.client.ask_ok(&json!({ "op": "query.book", "instrument": "BTC-USD", "by_order": true }));
    let queue: Vec<_> = shown["book"]["asks"][0]["orders"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|order| order["quantity"].as_str().expect("a decimal").to_owned())
        .collect();
    assert_eq!(queue, ["0.50000000", "0.25000000"], "the next peak stands behind");
    exchange.stop();
}

#[test]
fn a_halt_takes_cancels_only_and_an_auction_after_it_trades_at_one_price() {
    let mut exchange = Exchange::start(|text| text);
    assert_eq!(exchange.place("maker", "a", "sell", "60000", &json!({})), "accepted");
    exchange.session("halted");
    let refused = json!({
        "op": "order.new", "account": "taker", "instrument": "BTC-USD", "client_order_id": "b", "side": "buy",
        "order_type": "limit", "time_in_force": "gtc", "price": "60000", "quantity": "1",
    });
    exchange.client.ask_refused(&refused, "market_closed", "instrument");
    exchange.session("opening_auction");
    let half = json!({ "quantity": "0.5" });
    assert_eq!(exchange.place("taker", "c", "buy", "61000", &half), "accepted");
    assert_eq!(exchange.place("taker", "d", "buy", "60500", &half), "accepted");
    assert_eq!(exchange.place("maker", "e", "sell", "62000", &half), "accepted");
    // Crossed, which is legal before the open.
    assert_eq!(exchange.levels("bids", 2)[0], level("61000.00", "0.50000000", 1));
    exchange.session("continuous");
    let fills = exchange.fills(4);
    assert!(fills.iter().all(|fill| fill[0] == fills[0][0]), "one price: {fills:?}");
    assert_eq!(exchange.levels("asks", 1), [level("62000.00", "0.50000000", 1)]);
    assert_eq!(exchange.levels("bids", 0), []);
    exchange.stop();
}
