//! Where orders go, and what currencies are worth.

use super::error::ConfigError;
use super::instruments::{CurrencySettings, InstrumentSettings};
use super::lists::{find, keep_list, open_list, read_name};
use super::section::{Section, Source};
use tickwerk_domain::command::VenueDefined;
use tickwerk_domain::{DurationNs, MarkSource, RATE_SCALE, Rate};
use tickwerk_engine::limits::{CURRENCIES_MAX, VENUES_MAX};
use toml::Table;

/// The name of the venue inside the core.
pub(crate) const SIMULATED: &str = "simulated";

/// `[[venue]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct VenueSettings {
    pub(crate) name: String,
    /// Bits of [`VenueDefined`].
    pub(crate) capabilities: u64,
}

/// Where the orders of an `[[instrument]]` go; names of venues.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RouteSettings {
    pub(crate) venue: String,
    pub(crate) fallback: Option<String>,
}

/// Which price marks positions in an `[[instrument]]`, and how often that is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MarkSettings {
    pub(crate) source: MarkSource,
    /// 0 for never.
    pub(crate) interval: DurationNs,
}

impl Default for MarkSettings {
    /// What holds for an instrument that says nothing.
    fn default() -> Self {
        Self { source: MarkSource::Mid, interval: DurationNs(0) }
    }
}

/// `[[conversion]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConversionSettings {
    pub(crate) currency: String,
    /// 0 where an instrument has the rate.
    pub(crate) rate: Rate,
    pub(crate) instrument: Option<String>,
}

const CAPABILITIES: &[(&str, u64)] = &[
    ("triggers", VenueDefined::TRIGGERS),
    ("trailing", VenueDefined::TRAILING),
    ("iceberg", VenueDefined::ICEBERG),
    ("expiry", VenueDefined::EXPIRY),
    ("fill_or_kill", VenueDefined::FILL_OR_KILL),
    ("post_only", VenueDefined::POST_ONLY),
    ("auctions", VenueDefined::AUCTIONS),
    ("replace", VenueDefined::REPLACE),
];
const MARK_INTERVAL_MS_MAX: i64 = 86_400_000;

pub(crate) fn read_venues(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
) -> Result<Vec<VenueSettings>, ConfigError> {
    // Number 1 is the simulated venue's.
    let mut sections = open_list(file, "venue", "name", &["name", "capabilities"], VENUES_MAX - 1, source)?;
    let mut venues: Vec<VenueSettings> = Vec::new();
    for section in &mut sections {
        let others = venues.iter().map(|venue| venue.name.as_str()).chain([SIMULATED]);
        let name = read_name(section, "name", others)?;
        let words = section.words("capabilities", CAPABILITIES)?;
        let words = words.ok_or_else(|| {
            section
                .missing("capabilities", "write what it can do, such as [\"post_only\", \"replace\"], or []")
        })?;
        let capabilities = words.into_iter().fold(0, |all, one| all | one);
        venues.push(VenueSettings { name, capabilities });
    }
    keep_list(dump, "venue", sections);
    Ok(venues)
}

/// `venue` and `fallback_venue` of an `[[instrument]]`; `None` where its orders go to the simulated venue.
pub(super) fn read_route(
    section: &mut Section<'_>,
    venues: &[VenueSettings],
) -> Result<Option<RouteSettings>, ConfigError> {
    let mut known: Vec<&str> = venues.iter().map(|venue| venue.name.as_str()).collect();
    known.push(SIMULATED);
    let mut named = |key: &'static str| {
        let name = section.text(key)?;
        if let Some(name) = &name {
            find(section, key, "venue", name, &known, |known| known)?;
        }
        Ok(name)
    };
    let (venue, fallback) = (named("venue")?, named("fallback_venue")?);
    match (venue, fallback) {
        (None, None) => Ok(None),
        (Some(venue), fallback) if fallback.as_ref() != Some(&venue) => {
            Ok(Some(RouteSettings { venue, fallback }))
        }
        (Some(_), _) => Err(section.refused("fallback_venue", "name another venue than venue, or none")),
        (None, Some(_)) => Err(section.missing("venue", "name the venue that fallback_venue stands in for")),
    }
}

/// `mark` and `mark_interval_ms` of an `[[instrument]]`.
pub(super) fn read_mark(section: &mut Section<'_>) -> Result<MarkSettings, ConfigError> {
    let sources: Vec<_> = MarkSource::ALL.iter().map(|source| (source.word(), *source)).collect();
    let source = section.word_or("mark", &sources, MarkSource::Mid.word())?;
    let interval_ms = section.integer_or("mark_interval_ms", 0..=MARK_INTERVAL_MS_MAX, 0_u64)?;
    Ok(MarkSettings { source, interval: DurationNs(interval_ms * 1_000_000) })
}

/// `[reference]`: the currency that exposures, equity and losses are counted in; the code of a `[[currency]]`.
pub(crate) fn read_reference(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
    currencies: &[CurrencySettings],
) -> Result<Option<CurrencySettings>, ConfigError> {
    let mut section = Section::open(file, "reference", "reference", source)?;
    let Some(code) = section.text("currency")? else {
        return Ok(None);
    };
    let currency = find(&section, "currency", "currency", &code, currencies, |currency| &currency.code)?;
    dump.insert("reference".to_owned(), section.finish().into());
    Ok(Some(currency.clone()))
}

pub(crate) fn read_conversions(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
    currencies: &[CurrencySettings],
    instruments: &[InstrumentSettings],
    reference: Option<&CurrencySettings>,
) -> Result<Vec<ConversionSettings>, ConfigError> {
    let keys = ["currency", "rate", "instrument"];
    let mut sections = open_list(file, "conversion", "currency", &keys, CURRENCIES_MAX, source)?;
    let mut conversions: Vec<ConversionSettings> = Vec::new();
    for section in &mut sections {
        let others = conversions.iter().map(|conversion| conversion.currency.as_str());
        let currency = read_name(section, "currency", others)?;
        find(section, "currency", "currency", &currency, currencies, |currency| &currency.code)?;
        let Some(reference) = reference else {
            return Err(ConfigError::Missing {
                key: "reference.currency".to_owned(),
                remedy: "name the currency that conversions lead to".to_owned(),
            });
        };
        if currency == reference.code {
            return Err(section.refused("currency", "the reference currency is always worth 1; leave it out"));
        }
        conversions.push(read_conversion(section, currency, instruments, &reference.code)?);
    }
    keep_list(dump, "conversion", sections);
    Ok(conversions)
}

fn read_conversion(
    section: &mut Section<'_>,
    currency: String,
    instruments: &[InstrumentSettings],
    reference: &str,
) -> Result<ConversionSettings, ConfigError> {
    let rate = section.decimal("rate", RATE_SCALE)?;
    let instrument = section.text("instrument")?;
    if let Some(symbol) = &instrument {
        let known = find(section, "instrument", "instrument", symbol, instruments, |known| &known.symbol)?;
        let pair = [known.base.as_str(), known.quote.as_str()];
        if !(pair.contains(&currency.as_str()) && pair.contains(&reference)) {
            let remedy = format!("name a spot instrument between {currency} and {reference}");
            return Err(section.refused("instrument", &remedy));
        }
    }
    match (rate, &instrument) {
        (Some(rate), None) if rate > 0 => Ok(ConversionSettings { currency, rate: Rate(rate), instrument }),
        (Some(_), None) => Err(section.refused("rate", "write a decimal above zero")),
        (None, Some(_)) => Ok(ConversionSettings { currency, rate: Rate(0), instrument }),
        (Some(_), Some(_)) => Err(section.refused("rate", "write a rate or an instrument, not both")),
        (None, None) => {
            Err(section.missing("rate", "write a rate, or name the spot instrument that has the rate"))
        }
    }
}
