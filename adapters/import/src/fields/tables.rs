//! The fields of each kind of rows.

use super::FieldKind as K;
use super::Need::{Always, Mapped, May};
use super::{Field, FieldKind, Need, What};

const fn field(name: &'static str, kind: FieldKind, need: Need, about: &'static str) -> Field {
    Field { name, kind, need, about }
}

const CURRENCY: FieldKind = K::Name(What::Currencies);
const SYMBOL: FieldKind = K::Name(What::Instruments);
const ACCOUNT: FieldKind = K::Name(What::Accounts);
const STRATEGY: FieldKind = K::Name(What::Strategies);
const SIDES: &[&str] = &["buy", "sell"];
const POSITION_SIDES: &[&str] = &["net", "long", "short"];
const DIRECTIONS: &[&str] = &["in", "out"];
const EFFECTS: &[&str] = &["auto", "open", "close"];
const TYPES: &[&str] =
    &["market", "limit", "stop", "stop_limit", "trailing_stop", "market_if_touched", "limit_if_touched"];
const TIMES_IN_FORCE: &[&str] = &["gtc", "ioc", "fok", "day", "gtd", "at_the_open", "at_the_close"];
const STATUSES: &[&str] = &["open", "filled", "canceled", "rejected", "expired"];

pub(super) static CURRENCIES: &[Field] = &[
    field("currency", K::Text, Always, "its code"),
    field("scale", K::Scale, Always, "decimals of its amounts"),
];
pub(super) static INSTRUMENTS: &[Field] = &[
    field("symbol", K::Text, Always, "its name"),
    field("kind", K::Word(&["spot", "linear", "inverse"]), Always, "how it settles"),
    field("base", CURRENCY, Always, "what is bought and sold"),
    field("quote", CURRENCY, Always, "what the price is in"),
    field("price_scale", K::Scale, Always, "decimals of prices"),
    field("quantity_scale", K::Scale, Always, "decimals of quantities"),
    field("multiplier", K::Number, May, "units of a contract; 1"),
];
pub(super) static ACCOUNTS: &[Field] = &[
    field("account", K::Text, Always, "its name"),
    field("mode", K::Word(&["netting", "hedging"]), May, "how it counts positions; netting"),
];
pub(super) static STRATEGIES: &[Field] = &[
    field("strategy", K::Text, Always, "its name"),
    field("account", ACCOUNT, May, "whose, where it trades for one account only"),
    field("symbol", SYMBOL, May, "which market, where it trades in one only"),
];
pub(super) static ORDERS: &[Field] = &[
    field("id", K::Id, Always, "the source's id of the order; once in the import"),
    field("time", K::Time, Always, "when it was entered"),
    field("account", ACCOUNT, Always, "whose"),
    field("symbol", SYMBOL, Always, "which market"),
    field("side", K::Word(SIDES), Always, "which way"),
    field("type", K::Word(TYPES), Always, "how it was priced"),
    field("qty", K::Qty, Always, "order quantity"),
    field("price", K::Price, Mapped, "limit price; needed for types with a limit"),
    field("status", K::Word(STATUSES), Always, "how it ended, or `open`"),
    field("done_at", K::Time, Mapped, "when it ended; needed for canceled, rejected and expired"),
    field("trigger_price", K::Price, May, "trigger price"),
    field("time_in_force", K::Word(TIMES_IN_FORCE), May, "gtc; ioc for a market order"),
    field("expires_at", K::Time, May, "end of a GTD order"),
    field("position_effect", K::Word(EFFECTS), May, "auto; decides the side in hedging mode"),
    field("strategy", STRATEGY, May, "which strategy asked for it; none"),
    field("filled_qty", K::Qty, May, "compared with the sum of its fills"),
    field("client_order_id", K::Text, May, "the id, where that fits 36 characters"),
    field("venue_order_id", K::Number, May, "the venue's id, a number"),
];
pub(super) static AMENDMENTS: &[Field] = &[
    field("order", K::Id, Always, "id of its order, of a source of orders"),
    field("time", K::Time, Always, "when it had the new terms"),
    field("qty", K::Qty, May, "order quantity from here on, what is filled included; as before"),
    field("price", K::Price, May, "limit price from here on; as before"),
    field("trigger_price", K::Price, May, "trigger price from here on; as before"),
    field("venue_order_id", K::Number, May, "the venue's id from here on, a number"),
];
pub(super) static FILLS: &[Field] = &[
    field(
        "id",
        K::Id,
        Always,
        "the source's id of the execution; once for an order or, without one, a symbol",
    ),
    field("time", K::Time, Always, "when it happened"),
    field("order", K::Id, May, "id of its order, of a source of orders; empty for none"),
    field("account", ACCOUNT, May, "whose; needed without an order"),
    field("symbol", SYMBOL, May, "which market; needed without an order"),
    field("side", K::Word(SIDES), May, "which way; needed without an order"),
    field("price", K::Price, Always, "price"),
    field("qty", K::Qty, Always, "quantity"),
    field("fee", K::Money, May, "fee, negative for a rebate; 0"),
    field("fee_currency", CURRENCY, May, "its currency; the settlement currency"),
    field("liquidity", K::Word(&["maker", "taker"]), Always, "maker or taker"),
    field("position_effect", K::Word(EFFECTS), May, "as for orders; without an order only"),
    field("strategy", STRATEGY, May, "as for orders; without an order only"),
];
pub(super) static TRANSFERS: &[Field] = &[
    field("id", K::Id, May, "the source's id; once in the import"),
    field("time", K::Time, Always, "when it happened"),
    field("account", ACCOUNT, Always, "whose"),
    field("currency", CURRENCY, Always, "of what"),
    field("amount", K::Money, Always, "positive for what comes, negative for what leaves"),
    field("direction", K::Word(DIRECTIONS), May, "where amounts have no sign"),
    field("reason", K::Text, May, "why; up to 96 bytes"),
];
pub(super) static FUNDING: &[Field] = &[
    field("id", K::Id, May, "the source's id; once in the import"),
    field("time", K::Time, Always, "the moment that it is for"),
    field("account", ACCOUNT, Always, "whose"),
    field("symbol", SYMBOL, Always, "which contract"),
    field("amount", K::Money, Always, "positive for what was got, negative for what was paid"),
    field("direction", K::Word(DIRECTIONS), May, "where amounts have no sign"),
    field("currency", CURRENCY, May, "must be the settlement currency"),
    field("side", K::Word(POSITION_SIDES), May, "which position; in hedging mode the one that is open"),
    field("rate", K::Rate, May, "fraction of the value; 0"),
    field("price", K::Price, May, "price that the value was counted at; 0"),
];
pub(super) static POSITIONS: &[Field] = &[
    field("time", K::Time, Always, "the date"),
    field("account", ACCOUNT, Always, "whose"),
    field("symbol", SYMBOL, Always, "which market"),
    field("qty", K::Qty, Always, "what was open; negative for a short position"),
    field("price", K::Price, Mapped, "average price; needed with `use = \"open\"` unless qty is 0"),
    field("side", K::Word(POSITION_SIDES), May, "which position; net, or by the sign in hedging mode"),
];
pub(super) static BALANCES: &[Field] = &[
    field("time", K::Time, Always, "the date"),
    field("account", ACCOUNT, Always, "whose"),
    field("currency", CURRENCY, Always, "of what"),
    field("amount", K::Money, Always, "what was there"),
];
pub(super) static TRADES: &[Field] = &[
    field("id", K::Number, May, "the venue's id, a number; once for a symbol"),
    field("time", K::Time, Always, "when it happened"),
    field("symbol", SYMBOL, Always, "which market"),
    field("price", K::Price, Always, "price"),
    field("qty", K::Qty, Always, "quantity"),
    field("aggressor", K::Word(&["unknown", "buyer", "seller"]), May, "who started it; unknown"),
];
pub(super) static CANDLES: &[Field] = &[
    field("time", K::Time, Always, "when the bar begins"),
    field("symbol", SYMBOL, Always, "which market"),
    field("open", K::Price, Always, "first price"),
    field("high", K::Price, Always, "highest price"),
    field("low", K::Price, Always, "lowest price"),
    field("close", K::Price, Always, "last price"),
    field("volume", K::Qty, Always, "quantity traded; 0 for a bar in which nothing was"),
];
pub(super) static QUOTES: &[Field] = &[
    field("id", K::Number, May, "the venue's id of the update, a number"),
    field("time", K::Time, Always, "when it was so"),
    field("symbol", SYMBOL, Always, "which market"),
    field("bid_price", K::Price, Mapped, "best bid; empty where there was none"),
    field("bid_qty", K::Qty, Mapped, "what was bid there; 0 where there was none"),
    field("ask_price", K::Price, Mapped, "best ask; empty where there was none"),
    field("ask_qty", K::Qty, Mapped, "what was offered there; 0 where there was none"),
];
