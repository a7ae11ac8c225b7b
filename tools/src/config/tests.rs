//! Each mistake that a configuration can have, with the words that it is told in.

use super::instruments::GeneratorSettings;
use super::*;
use std::error::Error;
use tickwerk_domain::{DurationNs, InstrumentKind, Mode, Money, Price, Qty, QueueModel, Rate};
use tickwerk_engine::pipeline::Wait;
use tickwerk_feeds::order_by_order::OrderFormat;
use tickwerk_feeds::{Market, OnMalformed};
use tickwerk_journal::Io;

const CAPTURE: &str = include_str!("../../examples/binance-capture.toml");
const LIVE: &str = include_str!("../../examples/live.toml");
const USD_M: &str = include_str!("../../examples/binance-usdm-capture.toml");
const ORDERS: &str = include_str!("../../examples/order-by-order.toml");
const COIN_M: &str = include_str!("../../examples/binance-coinm-capture.toml");

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "test.toml", std::iter::empty(), &[])
}

fn parse_with(text: &str, env: &[(&str, &str)], sets: &[&str]) -> Result<Config, ConfigError> {
    let env = env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Config::parse(text, "test.toml", env, &sets)
}

/// The whole message, sources included.
fn message(result: Result<Config, ConfigError>) -> String {
    let error = result.expect_err("the configuration is refused");
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[track_caller]
fn check(result: Result<Config, ConfigError>, expected: &str) {
    assert_eq!(message(result), expected);
}

/// The capture example with `from` replaced by `to`.
#[track_caller]
fn capture_with(from: &str, to: &str) -> Result<Config, ConfigError> {
    assert!(CAPTURE.contains(from), "the example has {from}");
    parse(&CAPTURE.replacen(from, to, 1))
}

#[test]
fn no_file_is_a_live_daemon_with_the_defaults() {
    let config = Config::load(None, std::iter::empty(), &[]).unwrap();
    assert_eq!(config.feed, FeedSettings::None);
    assert_eq!(config.engine.mode, Mode::Live);
    assert_eq!(config.journal.acknowledge, Acknowledge::Durable);
    assert_eq!((config.journal.segment_size_bytes, config.journal.sync_interval_ms), (64 << 20, 0));
    assert!(config.control.enabled);
    assert_eq!(config.engine.wait.core, None);
    assert_eq!(config.engine.pin.core, Pin::Auto);
}

#[test]
fn how_frames_get_into_their_file_follows_the_acknowledgement_unless_it_is_told() {
    let io = |text: &str| parse(text).unwrap().journal.io;
    assert_eq!(io("[journal]\nacknowledge = \"durable\""), Io::Pwrite);
    assert_eq!(io("[journal]\nacknowledge = \"written\""), Io::Mapped);
    assert_eq!(io("[journal]\nacknowledge = \"durable\"\nio = \"mapped\""), Io::Mapped);
    check(
        parse("[journal]\nio = \"direct\""),
        "journal.io = \"direct\" (test.toml) is none of the words; write one of mapped, pwrite",
    );
}

#[test]
fn the_capture_example_is_read_exactly() {
    let config = parse(CAPTURE).unwrap();
    assert_eq!(config.engine.mode, Mode::DataTime);
    assert_eq!(
        config.feed,
        FeedSettings::BinanceCapture {
            path: "capture.gz".into(),
            market: Market::Spot,
            symbol: "BTCUSDT".to_owned(),
            instrument: "BTCUSDT".to_owned(),
            on_malformed: OnMalformed::Refuse,
        }
    );
    let instrument = &config.instruments[0];
    assert_eq!(instrument.kind, InstrumentKind::Spot);
    assert_eq!(instrument.settlement, "USDT");
    assert_eq!((instrument.tick_size, instrument.lot_size), (Price(1), Qty(1000)));
    assert_eq!(instrument.quantity_max, Qty(900_000_000_000));
    assert_eq!(instrument.notional_max, Money::new(900_000_000_000_000));
    assert_eq!((instrument.maker_fee, instrument.margin_rate), (Rate(100_000), Rate::ONE));
    assert_eq!(instrument.simulation.venue.latency, DurationNs::from_millis(1));
    assert_eq!(config.accounts[0].deposits["USDT"], Money::new(100_000_000_000_000));
    let values: Vec<i64> = config.limits.iter().map(|limit| limit.value).collect();
    assert_eq!(values, [100_000_000, 10_000_000_000_000, 200_000_000, 5_000_000, 100]);
    assert_eq!(config.strategies[0].parameters, [50, 200, 1_000_000, 0, 0, 0, 0, 0]);
}

#[test]
fn an_inverse_contract_settles_in_its_base_currency() {
    let config = parse(COIN_M).unwrap();
    assert_eq!((config.instruments[0].settlement.as_str(), config.instruments[0].multiplier), ("BTC", 100));
    assert_eq!(config.instruments[0].notional_max, Money::new(100_000_000_000));
}

#[test]
fn every_example_is_good_and_its_dump_says_the_same() {
    for example in [CAPTURE, LIVE, USD_M, COIN_M, ORDERS, include_str!("../../examples/exchange.toml"), ""] {
        let config = parse(example).unwrap();
        let dump = config.dump();
        assert_eq!(parse(&dump).unwrap(), config, "{dump}");
    }
}

#[test]
fn flags_stand_above_the_environment_and_that_above_the_file() {
    let path = |env: &[(&str, &str)], sets: &[&str]| {
        let config = parse_with(CAPTURE, env, sets).unwrap();
        let FeedSettings::BinanceCapture { path, .. } = config.feed else { panic!("{:?}", config.feed) };
        path.display().to_string()
    };
    let env = [("TICKWERK__FEED__PATH", "env.gz"), ("HOME", "/"), ("TICKWERK_LONG", "1")];
    assert_eq!(path(&[], &[]), "capture.gz");
    assert_eq!(path(&env, &[]), "env.gz");
    assert_eq!(path(&env, &["feed.path=first.gz", "feed.path=a=b.gz"]), "a=b.gz");
}

#[test]
fn overrides_are_read_in_the_type_of_their_key() {
    let env = [
        ("TICKWERK__JOURNAL__DIR", "12"),
        ("TICKWERK__JOURNAL__SYNC_INTERVAL_MS", "7"),
        ("TICKWERK__CONTROL__ENABLED", "false"),
        ("TICKWERK__ENGINE__WAIT__CORE", "spin_then_sleep"),
        ("TICKWERK__ENGINE__PIN__CORE", "1"),
    ];
    let config = parse_with("", &env, &["engine.ring.market=128"]).unwrap();
    assert_eq!(config.journal.dir, Path::new("12"));
    assert_eq!(config.journal.sync_interval_ms, 7);
    assert!(!config.control.enabled);
    assert_eq!((config.engine.wait.core, config.engine.wait.journal), (Some(Wait::SpinThenSleep), None));
    assert_eq!((config.engine.pin.core, config.engine.ring.market), (Pin::Core(1), 128));
}

#[test]
fn an_unknown_key_names_its_path_and_suggests_the_right_one() {
    check(
        parse("[journal]\nsegment_sise = \"1MiB\""),
        "unknown key journal.segment_sise (test.toml); did you mean journal.segment_size?",
    );
    check(parse("[feed]\ndir = \"x\""), "unknown key feed.dir (test.toml); did you mean journal.dir?");
    check(parse("[jurnal]\ndir = \"x\""), "unknown key jurnal (test.toml); did you mean journal?");
    check(
        parse("[engine.wait]\ncroe = \"spin\""),
        "unknown key engine.wait.croe (test.toml); did you mean engine.wait.core?",
    );
    check(
        capture_with("tick_size", "ticksize"),
        "unknown key instrument[BTCUSDT].ticksize (test.toml); did you mean instrument[BTCUSDT].tick_size?",
    );
    check(
        parse("[[currency]]\ncode = \"A\"\ncolour = 1"),
        "unknown key currency[A].colour (test.toml); known: code, scale",
    );
    check(
        parse_with("", &[("TICKWERK__FEED__PAHT", "x")], &[]),
        "unknown key feed.paht (environment variable TICKWERK__FEED__PAHT); did you mean feed.path?",
    );
    check(
        parse_with("", &[], &["journal=x"]),
        "unknown key journal (--set journal=x); known: journal.dir, journal.segment_size, journal.acknowledge, \
         journal.replicator, journal.sync_interval_ms, journal.io, journal.scrub_mib_per_s, journal.compress",
    );
}

#[test]
fn lists_cannot_be_reached_from_outside() {
    check(
        parse_with(CAPTURE, &[("TICKWERK__INSTRUMENT__0__SYMBOL", "x")], &[]),
        "environment variable TICKWERK__INSTRUMENT__0__SYMBOL cannot reach into the list [[instrument]]; set it in the \
         configuration file",
    );
    check(
        parse_with("", &[], &["feed.path"]),
        "--set feed.path has no equals sign; write --set section.key=value",
    );
}

#[test]
fn a_wrong_type_names_key_value_and_what_to_write() {
    check(
        parse("[journal]\ndir = 5"),
        "journal.dir = 5 (test.toml) has the wrong type; write text in quotes",
    );
    check(
        parse("[journal]\nsync_interval_ms = \"5\""),
        "journal.sync_interval_ms = \"5\" (test.toml) has the wrong type; write a whole number without quotes",
    );
    check(
        capture_with("tick_size = \"0.01\"", "tick_size = 0.01"),
        "instrument[BTCUSDT].tick_size = 0.01 (test.toml) has the wrong type; write a decimal in quotes, such as \"0.001\"",
    );
    check(
        capture_with("size = \"0.01\", ", "size = 0.01, "),
        "strategy[trend].parameters.size = 0.01 (test.toml) has the wrong type; write a decimal in quotes, such as \"0.001\"",
    );
    check(
        parse_with("", &[("TICKWERK__CONTROL__ENABLED", "yes")], &[]),
        "control.enabled = yes (environment variable TICKWERK__CONTROL__ENABLED) has the wrong type; write true or false",
    );
    check(parse("journal = 1"), "journal = 1 (test.toml) has the wrong type; write a section [journal]");
    check(
        parse("[account]\nname = \"a\""),
        "account = { name = \"a\" } (test.toml) has the wrong type; write a list of tables, each under [[account]]",
    );
    check(
        capture_with("deposits = { USDT = \"1000000\" }", "deposits = { USDT = 1000000 }"),
        "account[paper].deposits.USDT = 1000000 (test.toml) has the wrong type; write a decimal in quotes, such as \"1000\"",
    );
}

#[test]
fn a_value_out_of_range_names_the_bound() {
    check(
        parse("[journal]\nsync_interval_ms = -1"),
        "journal.sync_interval_ms = -1 (test.toml) is out of range; write a whole number from 0 to 10000",
    );
    check(
        parse_with("", &[], &["engine.ring.market=100"]),
        "engine.ring.market = 100 (--set engine.ring.market=100) is out of range; write a power of two such as 128",
    );
    check(
        parse("[engine]\negress_max = 10\negress_reserve = 10"),
        "engine.egress_reserve = 10 (test.toml) is out of range; write less than egress_max, which is 10",
    );
    check(
        parse("[engine.pin]\ncore = \"first\""),
        "engine.pin.core = \"first\" (test.toml) is none of the words; write one of auto, none",
    );
    for size in ["64MB", "MiB", "1KiB", "8GiB", "99999999999999999999GiB", "-1MiB"] {
        let text = message(parse(&format!("[journal]\nsegment_size = \"{size}\"")));
        assert!(
            text.starts_with(&format!("journal.segment_size = \"{size}\" (test.toml) is out of range")),
            "{text}"
        );
    }
    check(
        parse("[journal]\ndir = \"\""),
        "journal.dir = \"\" (test.toml) is out of range; write a text that is not empty",
    );
    check(
        capture_with("tick_size = \"0.01\"", "tick_size = \"0\""),
        "instrument[BTCUSDT].tick_size = \"0\" (test.toml) is out of range; write a decimal above zero",
    );
    check(
        capture_with("quantity_min = \"0.00001\"", "quantity_min = \"-1\""),
        "instrument[BTCUSDT].quantity_min = \"-1\" (test.toml) is out of range; write a quantity above zero and not \
         above quantity_max",
    );
    check(
        capture_with("taker_fee = \"0.001\"", "taker_fee = \"1.5\""),
        "instrument[BTCUSDT].taker_fee = \"1.5\" (test.toml) is out of range; write a fraction, such as \"0.001\" for 0.1 %",
    );
    check(
        capture_with("{ USDT = \"1000000\" }", "{ USDT = \"-5\" }"),
        "account[paper].deposits.USDT = \"-5\" (test.toml) is out of range; write an amount above zero",
    );
    check(
        capture_with("quote = \"USDT\"", "quote = \"BTC\""),
        "instrument[BTCUSDT].quote = \"BTC\" (test.toml) is out of range; write another currency than base",
    );
    let long = "x".repeat(97);
    let text = message(parse(&format!("[[account]]\nname = \"{long}\"")));
    assert!(text.ends_with("is out of range; it has 97 bytes; the limit is 96"), "{text}");
}

#[test]
fn a_decimal_that_does_not_fit_names_its_fault() {
    check(
        capture_with("tick_size = \"0.01\"", "tick_size = \"0.001\""),
        "instrument[BTCUSDT].tick_size = \"0.001\" (test.toml) is not a decimal that fits: has 3 decimals; the limit is 2",
    );
    check(
        capture_with("quantity_max = \"9000\"", "quantity_max = \"9e3\""),
        "instrument[BTCUSDT].quantity_max = \"9e3\" (test.toml) is not a decimal that fits: has 'e' at position 1; write \
         digits with at most one decimal point",
    );
    check(
        capture_with("{ USDT = \"1000000\" }", "{ USDT = \"0.000000001\" }"),
        "account[paper].deposits.USDT = \"0.000000001\" (test.toml) is not a decimal that fits: has 9 decimals; the limit is 8",
    );
}

#[test]
fn an_unknown_word_or_name_gets_the_known_ones() {
    check(
        parse("[journal]\nacknowledge = \"acked\""),
        "journal.acknowledge = \"acked\" (test.toml) is none of the words; write one of written, durable, replicated",
    );
    check(
        parse("[journal]\nacknowledge = \"replicated\""),
        "journal.acknowledge does not fit here: \"replicated\" needs a replicator; set journal.replicator to the name \
         under which it registers, or write \"durable\"",
    );
    check(
        parse_with(CAPTURE, &[("TICKWERK__FEED__MARKET", "spott")], &[]),
        "feed.market = \"spott\" (environment variable TICKWERK__FEED__MARKET) is none of the words; write one of spot, \
         usd_m, coin_m",
    );
    check(
        capture_with("base = \"BTC\"", "base = \"BTX\""),
        "instrument[BTCUSDT].base = \"BTX\" names no currency; did you mean BTC?",
    );
    check(
        capture_with(
            "account = \"paper\"\ninstrument = \"BTCUSDT\"\nenabled",
            "account = \"live\"\ninstrument = \"BTCUSDT\"\nenabled",
        ),
        "strategy[trend].account = \"live\" names no account; known: paper",
    );
    check(
        parse_with(CAPTURE, &[], &["feed.instrument=BTCUSD"]),
        "feed.instrument = \"BTCUSD\" names no instrument; did you mean BTCUSDT?",
    );
    check(
        capture_with("deposits = { USDT", "deposits = { EUR"),
        "account[paper].deposits.EUR = \"EUR\" names no currency; known: BTC, USDT",
    );
    check(
        parse("[[limit]]\nkind = \"open_orders\"\naccount = \"a\"\nvalue = \"1\""),
        "limit[open_orders].account = \"a\" names no account; none is defined",
    );
}

#[test]
fn what_must_be_there_is_asked_for() {
    check(
        parse("[feed]\nkind = \"binance_capture\""),
        "feed.path is missing; name the capture: feed.path in the file, TICKWERK__FEED__PATH=… or --set feed.path=…",
    );
    check(parse("[[account]]"), "account[0].name is missing; write a name in quotes");
    check(
        capture_with("tick_size = \"0.01\"\n", ""),
        "instrument[BTCUSDT].tick_size is missing; write a decimal in quotes, such as \"0.01\"",
    );
}

#[test]
fn what_does_not_fit_together_is_refused() {
    check(
        parse("[engine]\nmode = \"data_time\""),
        "engine.mode does not fit here: data_time takes its time from a feed, and feed.kind is \"none\"; write \"live\"",
    );
    check(
        parse_with("", &[("TICKWERK__FEED__PATH", "x.gz")], &[]),
        "feed.path does not fit here: a feed of the kind \"none\" does not use it; remove it or change feed.kind",
    );
    check(
        capture_with(
            "kind = \"order_quantity\" # of one order\ninstrument = \"BTCUSDT\"\n",
            "kind = \"order_quantity\"\n",
        ),
        "limit[order_quantity].instrument is missing; order_quantity is in the instrument's own unit; name the instrument",
    );
    check(
        capture_with("kind = \"open_orders\"", "kind = \"open_orders\"\ninstrument = \"BTCUSDT\""),
        "limit[open_orders].instrument does not fit here: open_orders can be set for: global, account",
    );
}

#[test]
fn nothing_is_defined_twice() {
    let twice = |list: &str| format!("{CAPTURE}\n{list}");
    check(
        parse(&twice("[[currency]]\ncode = \"BTC\"\nscale = 8")),
        "currency[BTC].code = \"BTC\" is defined twice; remove one of them",
    );
    check(
        parse(&twice("[[account]]\nname = \"paper\"")),
        "account[paper].name = \"paper\" is defined twice; remove one of them",
    );
    check(
        parse(&twice("[[limit]]\nkind = \"open_orders\"\naccount = \"paper\"\nvalue = \"3\"")),
        "limit = \"open_orders for account paper, instrument all\" is defined twice; remove one of them",
    );
    let many: Vec<String> = (0..64).map(|index| format!("[[account]]\nname = \"a{index}\"\n")).collect();
    check(parse(&many.concat()), "there are 64 [[account]] tables; the limit is 63");
}

#[test]
fn broken_files_are_named() {
    let text = message(parse("[journal]\ndir = \"a\"\ndir = \"b\"\n"));
    assert!(text.starts_with("test.toml is not TOML, line 3: "), "{text}");
    let absent = Config::load(Some(Path::new("/nonexistent/tickwerk.toml")), std::iter::empty(), &[]);
    let text = message(absent);
    assert!(text.starts_with("cannot read the configuration file /nonexistent/tickwerk.toml: "), "{text}");
}

#[test]
fn strategies_know_their_parameters() {
    check(
        capture_with("kind = \"ema_cross\"", "kind = \"ema_cros\""),
        "strategy[trend].kind = \"ema_cros\" (test.toml) is none of the words; write one of ema_cross",
    );
    check(
        capture_with("slow = 200", "slwo = 200"),
        "unknown key strategy[trend].parameters.slwo (test.toml); did you mean strategy[trend].parameters.slow?",
    );
    check(
        capture_with("size = \"0.01\", ", ""),
        "strategy[trend].parameters.size is missing; write it among the parameters",
    );
    check(
        capture_with("source = \"mid\"", "source = \"bid\""),
        "strategy[trend].parameters.source = \"bid\" (test.toml) is none of the words; write one of mid, trades",
    );
    for (right, wrong, told) in [
        ("fast = 50", "fast = 0", "fast = 0"),
        ("fast = 50", "fast = 200", "slow = 200"),
        ("slow = 200, ", "", "slow = nothing"),
        (" size = \"0.01\"", " size = \"0\"", "size = \"0\""),
    ] {
        check(
            capture_with(right, wrong),
            &format!(
                "strategy[trend].parameters.{told} (test.toml) is out of range; ema_cross cannot be made of it \
                 beside the other parameters and defaults"
            ),
        );
    }
}

#[test]
fn a_generator_makes_the_markets_that_are_described() {
    let generator = LIVE.replace("kind = \"none\"", "kind = \"generator\"").replace("mode = \"live\"", "");
    check(
        parse(&generator),
        "instrument.generator is missing; give one [[instrument]] at least generator = { price = \"…\", size = \"…\" }",
    );
    let described =
        "symbol = \"ETHUSDT\"\ngenerator = { price = \"2500\", size = \"0.5\", volatility = 150 }";
    let config = parse(&generator.replace("symbol = \"ETHUSDT\"", described)).unwrap();
    assert_eq!(config.feed, FeedSettings::Generator { seed: 1, commands: 1_000_000 });
    assert_eq!(config.engine.mode, Mode::DataTime);
    let expected = GeneratorSettings {
        price: Price(250_000),
        size: Qty(50_000_000),
        spread_ticks: 1,
        volatility: 150,
        arrivals_per_second: 1000,
    };
    assert_eq!(config.instruments[1].generator, Some(expected));
    assert_eq!(parse(&config.dump()).unwrap(), config);
}

#[test]
fn orders_one_by_one_are_a_feed() {
    let config = parse(ORDERS).unwrap();
    assert_eq!(
        config.feed,
        FeedSettings::OrderByOrder {
            format: OrderFormat::Lobster,
            path: "message.csv".into(),
            instrument: "AAPL".to_owned(),
            book_path: None,
            check_path: None,
            venue_instrument: None,
        }
    );
    assert_eq!(config.instruments[0].simulation.venue.queue_model, QueueModel::Power);
    assert_eq!(parse(&config.dump()).unwrap(), config);
    let seeded = ORDERS.replace("# book_path", "book_path").replace("# check_path", "check_path");
    let config = parse(&seeded).unwrap();
    let FeedSettings::OrderByOrder { book_path, check_path, .. } = &config.feed else {
        panic!("{:?}", config.feed);
    };
    assert_eq!(*book_path, Some("orderbook.csv".into()));
    assert_eq!(*check_path, Some("orderbook_top1.csv".into()));
    assert_eq!(parse(&config.dump()).unwrap(), config);
    check(
        parse(&seeded.replace("\"lobster\"\n", "\"bitstamp\"\n")),
        "feed.book_path does not fit here: data of the format \"bitstamp\" do not use it; remove it",
    );
    check(
        parse(&ORDERS.replace("instrument = \"AAPL\"\n# For", "seed = 7\ninstrument = \"AAPL\"\n# For")),
        "feed.seed does not fit here: a feed of the kind \"order_by_order\" does not use it; remove it or change feed.kind",
    );
    let exchange = ORDERS.replace("queue_model = \"power\"", "queue_model = \"exchange\"");
    assert_eq!(parse(&exchange).unwrap().instruments[0].simulation.venue.queue_model, QueueModel::Exchange);
}
