//! The sections with one value a key: where the journal lies, how the threads run, what feeds the engine.
//!
//! None of them decides anything: pins, waits and paths are not journaled, and a replay gives the same result with others.

use super::error::ConfigError;
use super::section::{Section, Source};
use crate::upkeep::UpkeepSettings;
use std::path::PathBuf;
use tickwerk_domain::Mode;
use tickwerk_engine::pipeline::Wait;
use tickwerk_feeds::order_by_order::OrderFormat;
use tickwerk_feeds::{Market, OnMalformed};
use tickwerk_journal::Io;
use toml::Table;

/// The words for how frames get into their file.
const IO_WORDS: &[(&str, Io)] = &[("mapped", Io::Mapped), ("pwrite", Io::Pwrite)];

/// `[journal]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct JournalSettings {
    /// Its directory; a relative one is relative to the current directory.
    pub(crate) dir: PathBuf,
    pub(crate) segment_size_bytes: u64,
    /// What must have happened to a frame before anybody hears of it.
    pub(crate) acknowledge: Acknowledge,
    /// The name of the replicator that is awaited.
    pub(crate) replicator: Option<String>,
    /// Pause between two syncs; 0 for one after the other.
    pub(crate) sync_interval_ms: u64,
    /// How frames get into their file.
    pub(crate) io: Io,
    /// What is done for segments that are written to no more.
    pub(crate) upkeep: UpkeepSettings,
}

/// A watermark that releases egress.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Acknowledge {
    /// Survives a crash of the process.
    Written,
    /// Survives loss of power.
    Durable,
    /// Is committed by the replicator, too.
    Replicated,
}

impl Acknowledge {
    /// The words for them in configuration and requests.
    pub(crate) const WORDS: &[(&str, Self)] =
        &[("written", Self::Written), ("durable", Self::Durable), ("replicated", Self::Replicated)];

    /// The word for this one.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Durable => "durable",
            Self::Replicated => "replicated",
        }
    }
}

/// `[engine]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EngineSettings {
    pub(crate) mode: Mode,
    /// Commands that a lane may bring in one turn.
    pub(crate) batch: usize,
    /// Requests that may wait for the release of their answer.
    pub(crate) egress_max: usize,
    /// Places of these that only cancels may take.
    pub(crate) egress_reserve: usize,
    pub(crate) wait: WaitSettings,
    pub(crate) pin: PinSettings,
    pub(crate) ring: RingSettings,
}

/// `[engine.wait]`: what each stage does while it has nothing to do; `None` for what suits the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WaitSettings {
    pub(crate) core: Option<Wait>,
    pub(crate) journal: Option<Wait>,
    /// How a source waits that finds its lane full.
    pub(crate) source: Option<Wait>,
}

const WAIT_WORDS: &[(&str, Option<Wait>)] = &[
    ("auto", None),
    ("spin", Some(Wait::Spin)),
    ("spin_hint", Some(Wait::SpinHint)),
    ("yield", Some(Wait::Yield)),
    ("spin_then_sleep", Some(Wait::SpinThenSleep)),
    ("sleep", Some(Wait::Sleep)),
];

/// `[engine.pin]`: the processor core that each thread is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PinSettings {
    pub(crate) core: Pin,
    pub(crate) journal: Pin,
}

/// Where a thread runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pin {
    /// Where it suits the machine.
    Auto,
    /// Wherever the scheduler puts it.
    None,
    /// On the core of this number, from 0.
    Core(usize),
}

/// `[engine.ring]`: slots of each ring, powers of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RingSettings {
    pub(crate) control: usize,
    pub(crate) reports: usize,
    pub(crate) orders: usize,
    pub(crate) market: usize,
    pub(crate) outcome: usize,
}

/// `[feed]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FeedSettings {
    /// No feed: live, served by the control socket.
    None,
    /// A recorded session of Binance.
    BinanceCapture {
        /// The file, gzip.
        path: PathBuf,
        market: Market,
        /// The venue's name of the instrument, as it stands in the file.
        symbol: String,
        /// The symbol of the `[[instrument]]` that it feeds.
        instrument: String,
        on_malformed: OnMalformed,
    },
    /// Recorded orders of others, one by one.
    OrderByOrder {
        format: OrderFormat,
        /// The file; plain, gzip, xz or zstd.
        path: PathBuf,
        /// The symbol of the `[[instrument]]` that it feeds.
        instrument: String,
        /// LOBSTER: books beside the messages; the first row seeds the book, all are compared with it.
        book_path: Option<PathBuf>,
        /// LOBSTER: other books to be compared with in their stead.
        check_path: Option<PathBuf>,
        /// Databento: which instrument of several.
        venue_instrument: Option<u32>,
    },
    /// The deterministic market generator.
    Generator {
        /// The same seed gives the same market.
        seed: u64,
        /// Market commands to give.
        commands: u64,
    },
}

/// `[control]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ControlSettings {
    /// Whether there is a control socket; it lies in the journal's directory as `control.sock`.
    pub(crate) enabled: bool,
}

const PAGE_SIZE: u64 = 4096;
const SEGMENT_SIZE_MIN: u64 = 1 << 20;
const SEGMENT_SIZE_MAX: u64 = 1 << 32;
const SYNC_INTERVAL_MS_MAX: i64 = 10_000;
const SYNC_INTERVAL_MS_WRITTEN: u64 = 50;
/// A terabyte in three days.
const SCRUB_MIB_DEFAULT: u64 = 4;
const SCRUB_MIB_MAX: i64 = 10_000;
const BATCH_MAX: i64 = 4096;
const RING_SLOTS_MIN: i64 = 64;
const RING_SLOTS_MAX: i64 = 1 << 22;
const EGRESS_MAX: i64 = 1 << 20;
const CORE_INDEX_MAX: i64 = 4095;

pub(crate) fn read_journal(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
) -> Result<JournalSettings, ConfigError> {
    let mut section = Section::open(file, "journal", "journal", source)?;
    let dir = section.text("dir")?.unwrap_or_else(|| "tickwerk-journal".to_owned());
    section.keep("dir", dir.clone());
    let segment_size_bytes = read_size(&mut section, "segment_size", "64MiB")?;
    let acknowledge = section.word_or("acknowledge", Acknowledge::WORDS, "durable")?;
    let replicator = section.text("replicator")?;
    if let Some(name) = &replicator {
        section.keep("replicator", name.clone());
    } else if acknowledge == Acknowledge::Replicated {
        let key = section.key("acknowledge");
        let reason = "\"replicated\" needs a replicator; set journal.replicator to the name under which it registers, \
                      or write \"durable\"";
        return Err(ConfigError::Conflict { key, reason: reason.to_owned() });
    }
    let interval = match acknowledge {
        Acknowledge::Written => SYNC_INTERVAL_MS_WRITTEN,
        Acknowledge::Durable | Acknowledge::Replicated => 0,
    };
    let sync_interval_ms = section.integer_or("sync_interval_ms", 0..=SYNC_INTERVAL_MS_MAX, interval)?;
    let io = section.word_or("io", IO_WORDS, default_io(acknowledge))?;
    let scrub_mib_per_s = section.integer_or("scrub_mib_per_s", 0..=SCRUB_MIB_MAX, SCRUB_MIB_DEFAULT)?;
    let upkeep = UpkeepSettings { scrub_mib_per_s, compress: section.flag_or("compress", false)? };
    dump.insert("journal".to_owned(), section.finish().into());
    let dir = dir.into();
    Ok(JournalSettings { dir, segment_size_bytes, acknowledge, replicator, sync_interval_ms, io, upkeep })
}

/// Whichever `tickwerk bench journal` found better: with rare syncs a store to the mapping beats a call, and with one sync
/// after the other each of them protects the mapped pages again, which then fault one by one.
fn default_io(acknowledge: Acknowledge) -> &'static str {
    match acknowledge {
        Acknowledge::Written => "mapped",
        Acknowledge::Durable | Acknowledge::Replicated => "pwrite",
    }
}

fn read_size(section: &mut Section<'_>, name: &str, default: &str) -> Result<u64, ConfigError> {
    let text = section.text(name)?.unwrap_or_else(|| default.to_owned());
    let remedy = "write a size such as \"64MiB\", a multiple of 4KiB from \"1MiB\" to \"4GiB\"";
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(section.out_of_range(name, format!("\"{text}\""), remedy)),
    };
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    let size = size
        .filter(|size| (SEGMENT_SIZE_MIN..=SEGMENT_SIZE_MAX).contains(size) && size.is_multiple_of(PAGE_SIZE))
        .ok_or_else(|| section.out_of_range(name, format!("\"{text}\""), remedy))?;
    section.keep(name, text);
    Ok(size)
}

pub(crate) fn read_engine(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
    feed: &FeedSettings,
) -> Result<EngineSettings, ConfigError> {
    let mut section = Section::open(file, "engine", "engine", source)?;
    let modes = Mode::ALL.iter().map(|mode| (mode.word(), *mode)).collect::<Vec<_>>();
    let default = if *feed == FeedSettings::None { Mode::Live } else { Mode::DataTime };
    let mode = section.word_or("mode", &modes, default.word())?;
    if mode == Mode::DataTime && *feed == FeedSettings::None {
        let reason =
            "data_time takes its time from a feed, and feed.kind is \"none\"; write \"live\"".to_owned();
        return Err(ConfigError::Conflict { key: section.key("mode"), reason });
    }
    let batch = section.integer_or("batch", 1..=BATCH_MAX, 64_usize)?;
    let egress_max = section.integer_or("egress_max", 1..=EGRESS_MAX, 1024_usize)?;
    let egress_reserve = section.integer_or("egress_reserve", 0..=EGRESS_MAX, egress_max / 8)?;
    if egress_reserve >= egress_max {
        return Err(
            section.refused("egress_reserve", &format!("write less than egress_max, which is {egress_max}"))
        );
    }

    let mut inner = section.inner("wait")?;
    let mut wait = |name| inner.word_or(name, WAIT_WORDS, "auto");
    let wait = WaitSettings { core: wait("core")?, journal: wait("journal")?, source: wait("source")? };
    section.keep("wait", inner.finish());

    let mut inner = section.inner("pin")?;
    let pin = PinSettings { core: read_pin(&mut inner, "core")?, journal: read_pin(&mut inner, "journal")? };
    section.keep("pin", inner.finish());

    let mut inner = section.inner("ring")?;
    let mut slots = |name, default| read_slots(&mut inner, name, default);
    let ring = RingSettings {
        control: slots("control", 1024)?,
        reports: slots("reports", 1024)?,
        orders: slots("orders", 1024)?,
        market: slots("market", 8192)?,
        outcome: slots("outcome", 8192)?,
    };
    section.keep("ring", inner.finish());
    dump.insert("engine".to_owned(), section.finish().into());
    Ok(EngineSettings { mode, batch, egress_max, egress_reserve, wait, pin, ring })
}

/// A core's number, or a word.
fn read_pin(section: &mut Section<'_>, name: &str) -> Result<Pin, ConfigError> {
    if !section.is_number(name) {
        return section.word_or(name, &[("auto", Pin::Auto), ("none", Pin::None)], "auto");
    }
    let index = section.integer(name, 0..=CORE_INDEX_MAX)?;
    Ok(index.and_then(|index| usize::try_from(index).ok()).map_or(Pin::Auto, Pin::Core))
}

fn read_slots(section: &mut Section<'_>, name: &str, default: usize) -> Result<usize, ConfigError> {
    let slots = section.integer_or(name, RING_SLOTS_MIN..=RING_SLOTS_MAX, default)?;
    if !slots.is_power_of_two() {
        let near = slots.next_power_of_two();
        return Err(section.out_of_range(name, slots, &format!("write a power of two such as {near}")));
    }
    Ok(slots)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FeedKind {
    None,
    BinanceCapture,
    OrderByOrder,
    Generator,
}

pub(crate) fn read_feed(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
) -> Result<FeedSettings, ConfigError> {
    let mut section = Section::open(file, "feed", "feed", source)?;
    let kinds = [
        ("none", FeedKind::None),
        ("binance_capture", FeedKind::BinanceCapture),
        ("order_by_order", FeedKind::OrderByOrder),
        ("generator", FeedKind::Generator),
    ];
    let kind = section.word_or("kind", &kinds, "none")?;
    let of_captures = ["path", "market", "symbol", "instrument", "on_malformed"];
    let of_orders = ["path", "instrument", "format", "book_path", "check_path", "venue_instrument"];
    let of_generators = ["seed", "commands"];
    let (used, word): (&[&str], _) = match kind {
        FeedKind::None => (&[], "none"),
        FeedKind::BinanceCapture => (&of_captures, "binance_capture"),
        FeedKind::OrderByOrder => (&of_orders, "order_by_order"),
        FeedKind::Generator => (&of_generators, "generator"),
    };
    let all = [&of_captures[..], &of_orders[..], &of_generators[..]].concat();
    if let Some(name) = all.iter().find(|name| !used.contains(name) && section.has(name)) {
        let reason = format!("a feed of the kind \"{word}\" does not use it; remove it or change feed.kind");
        return Err(ConfigError::Conflict { key: section.key(name), reason });
    }
    let feed = match kind {
        FeedKind::None => FeedSettings::None,
        FeedKind::BinanceCapture => read_capture(&mut section)?,
        FeedKind::OrderByOrder => read_orders(&mut section)?,
        FeedKind::Generator => FeedSettings::Generator {
            seed: section.integer_or("seed", 0..=i64::MAX, 1_u64)?,
            commands: section.integer_or("commands", 1..=i64::MAX, 1_000_000_u64)?,
        },
    };
    dump.insert("feed".to_owned(), section.finish().into());
    Ok(feed)
}

fn read_capture(section: &mut Section<'_>) -> Result<FeedSettings, ConfigError> {
    let path = section.required_text(
        "path",
        "name the capture: feed.path in the file, TICKWERK__FEED__PATH=… or --set feed.path=…",
    )?;
    let markets = [("spot", Market::Spot), ("usd_m", Market::UsdM), ("coin_m", Market::CoinM)];
    let market = section.word("market", &markets)?;
    let market =
        market.ok_or_else(|| section.missing("market", "write \"spot\", \"usd_m\" or \"coin_m\""))?;
    let symbol = section.required_text("symbol", "write the venue's symbol, such as \"BTCUSDT\"")?;
    let instrument = section.text("instrument")?.unwrap_or_else(|| symbol.clone());
    section.keep("instrument", instrument.clone());
    let policies = [("refuse", OnMalformed::Refuse), ("skip", OnMalformed::Skip)];
    let on_malformed = section.word_or("on_malformed", &policies, "refuse")?;
    Ok(FeedSettings::BinanceCapture { path: path.into(), market, symbol, instrument, on_malformed })
}

fn read_orders(section: &mut Section<'_>) -> Result<FeedSettings, ConfigError> {
    let path = section.required_text(
        "path",
        "name the data: feed.path in the file, TICKWERK__FEED__PATH=… or --set feed.path=…",
    )?;
    let format = section.word("format", OrderFormat::WORDS)?;
    let format = format
        .ok_or_else(|| section.missing("format", "write \"lobster\", \"bitstamp\" or \"databento\""))?;
    let instrument = section.required_text("instrument", "name the [[instrument]] that the data feed")?;
    let of_format = |name: &str, its_format: OrderFormat| -> Result<(), ConfigError> {
        if format == its_format || !section.has(name) {
            return Ok(());
        }
        let reason = format!("data of the format \"{}\" do not use it; remove it", format.word());
        Err(ConfigError::Conflict { key: section.key(name), reason })
    };
    of_format("book_path", OrderFormat::Lobster)?;
    of_format("check_path", OrderFormat::Lobster)?;
    of_format("venue_instrument", OrderFormat::Databento)?;
    let mut file = |name: &str| -> Result<Option<PathBuf>, ConfigError> {
        let text = section.text(name)?;
        if let Some(text) = &text {
            section.keep(name, text.clone());
        }
        Ok(text.map(PathBuf::from))
    };
    let (book_path, check_path) = (file("book_path")?, file("check_path")?);
    let venue_instrument = section.integer("venue_instrument", 0..=i64::from(u32::MAX))?;
    let venue_instrument = venue_instrument.and_then(|id| u32::try_from(id).ok());
    Ok(FeedSettings::OrderByOrder {
        format,
        path: path.into(),
        instrument,
        book_path,
        check_path,
        venue_instrument,
    })
}

pub(crate) fn read_control(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
) -> Result<ControlSettings, ConfigError> {
    let mut section = Section::open(file, "control", "control", source)?;
    let enabled = section.flag_or("enabled", true)?;
    dump.insert("control".to_owned(), section.finish().into());
    Ok(ControlSettings { enabled })
}
