//! What can be traded, and the currencies that it is traded in.
//!
//! Decimals are mantissas from here on: prices and quantities at the instrument's scales, money at the currency's,
//! fractions at [`RATE_SCALE`].

use super::error::ConfigError;
use super::lists::{find, keep_list, open_list, read_name};
use super::section::{Section, Source};
use super::simulation::{SimulationSettings, read_simulation};
use super::venues::{MarkSettings, RouteSettings, VenueSettings, read_mark, read_route};
use tickwerk_domain::{
    CurrencyId, Instrument, InstrumentId, InstrumentKind, Money, Price, Qty, RATE_SCALE, Rate, SCALE_MAX,
    TextId, format_decimal,
};
use tickwerk_engine::limits::{CURRENCIES_MAX, INSTRUMENTS_MAX};
use toml::Table;

/// `[[currency]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CurrencySettings {
    pub(crate) code: String,
    /// Decimals of its amounts.
    pub(crate) scale: u8,
}

/// `[[instrument]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct InstrumentSettings {
    pub(crate) symbol: String,
    pub(crate) base: String,
    pub(crate) quote: String,
    /// The currency of profit, fees and margin: the quote currency, or the base currency of an inverse contract.
    pub(crate) settlement: String,
    pub(crate) kind: InstrumentKind,
    pub(crate) price_scale: u8,
    pub(crate) quantity_scale: u8,
    pub(crate) settlement_scale: u8,
    pub(crate) tick_size: Price,
    pub(crate) lot_size: Qty,
    pub(crate) quantity_min: Qty,
    pub(crate) quantity_max: Qty,
    /// Zero for no bound.
    pub(crate) notional_max: Money,
    pub(crate) multiplier: i64,
    pub(crate) maker_fee: Rate,
    pub(crate) taker_fee: Rate,
    pub(crate) margin_rate: Rate,
    /// Where its orders go; the simulated venue where there is none.
    pub(crate) route: Option<RouteSettings>,
    pub(crate) mark: MarkSettings,
    pub(crate) simulation: SimulationSettings,
    /// The character of its market where the generator makes it.
    pub(crate) generator: Option<GeneratorSettings>,
}

/// `generator` of an `[[instrument]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GeneratorSettings {
    /// Where the price starts.
    pub(crate) price: Price,
    /// A usual quantity at one price.
    pub(crate) size: Qty,
    /// The spread that the book returns to.
    pub(crate) spread_ticks: u8,
    /// Standard deviation of the price over one arrival, in thousandths of a tick.
    pub(crate) volatility: u32,
    pub(crate) arrivals_per_second: u32,
}

impl InstrumentSettings {
    /// The instrument under the numbers that its names were given.
    pub(crate) fn to_domain(
        &self,
        instrument: InstrumentId,
        symbol: TextId,
        currency: impl Fn(&str) -> CurrencyId,
    ) -> Instrument {
        Instrument {
            notional_max: self.notional_max,
            tick_size: self.tick_size,
            lot_size: self.lot_size,
            quantity_min: self.quantity_min,
            quantity_max: self.quantity_max,
            multiplier: self.multiplier,
            maker_fee: self.maker_fee,
            taker_fee: self.taker_fee,
            margin_rate: self.margin_rate,
            instrument,
            symbol,
            base: currency(&self.base),
            quote: currency(&self.quote),
            settlement: currency(&self.settlement),
            kind: self.kind,
            price_scale: self.price_scale,
            quantity_scale: self.quantity_scale,
            settlement_scale: self.settlement_scale,
        }
    }
}

const INSTRUMENT_KEYS: &[&str] = &[
    "symbol",
    "kind",
    "base",
    "quote",
    "price_scale",
    "quantity_scale",
    "tick_size",
    "lot_size",
    "quantity_min",
    "quantity_max",
    "notional_max",
    "multiplier",
    "maker_fee",
    "taker_fee",
    "margin_rate",
    "venue",
    "fallback_venue",
    "mark",
    "mark_interval_ms",
    "venue_latency_ns",
    "simulation",
    "generator",
];

pub(crate) fn read_currencies(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
) -> Result<Vec<CurrencySettings>, ConfigError> {
    let mut sections = open_list(file, "currency", "code", &["code", "scale"], CURRENCIES_MAX, source)?;
    let mut currencies: Vec<CurrencySettings> = Vec::new();
    for section in &mut sections {
        let code = read_name(section, "code", currencies.iter().map(|currency| currency.code.as_str()))?;
        currencies.push(CurrencySettings { code, scale: read_scale(section, "scale")? });
    }
    keep_list(dump, "currency", sections);
    Ok(currencies)
}

fn read_scale(section: &mut Section<'_>, key: &str) -> Result<u8, ConfigError> {
    let scale = section.integer(key, 0..=i64::from(SCALE_MAX))?;
    let scale = scale.ok_or_else(|| section.missing(key, "write the number of decimals"))?;
    Ok(u8::try_from(scale).expect("a scale within its range fits a byte"))
}

pub(crate) fn read_instruments(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
    currencies: &[CurrencySettings],
    venues: &[VenueSettings],
) -> Result<Vec<InstrumentSettings>, ConfigError> {
    let mut sections = open_list(file, "instrument", "symbol", INSTRUMENT_KEYS, INSTRUMENTS_MAX, source)?;
    let mut instruments: Vec<InstrumentSettings> = Vec::new();
    for section in &mut sections {
        let symbol =
            read_name(section, "symbol", instruments.iter().map(|instrument| instrument.symbol.as_str()))?;
        instruments.push(read_instrument(section, symbol, currencies, venues)?);
    }
    keep_list(dump, "instrument", sections);
    Ok(instruments)
}

fn read_instrument(
    section: &mut Section<'_>,
    symbol: String,
    currencies: &[CurrencySettings],
    venues: &[VenueSettings],
) -> Result<InstrumentSettings, ConfigError> {
    let kinds = [InstrumentKind::Spot, InstrumentKind::Linear, InstrumentKind::Inverse]
        .map(|kind| (kind.word(), kind));
    let kind = section.word("kind", &kinds)?;
    let kind = kind.ok_or_else(|| section.missing("kind", "write \"spot\", \"linear\" or \"inverse\""))?;
    let base = section.required_text("base", "name the currency that is bought and sold")?;
    let quote = section.required_text("quote", "name the currency of the price")?;
    let base_currency = find(section, "base", "currency", &base, currencies, |currency| &currency.code)?;
    let quote_currency = find(section, "quote", "currency", &quote, currencies, |currency| &currency.code)?;
    if base == quote {
        return Err(section.refused("quote", "write another currency than base"));
    }
    let settlement = match kind {
        InstrumentKind::Spot | InstrumentKind::Linear => quote_currency,
        InstrumentKind::Inverse => base_currency,
    };
    let price_scale = read_scale(section, "price_scale")?;
    let quantity_scale = read_scale(section, "quantity_scale")?;
    let tick_size = Price(read_step(section, "tick_size", price_scale)?);
    let lot_size = Qty(read_step(section, "lot_size", quantity_scale)?);
    let quantity_max = Qty(read_step(section, "quantity_max", quantity_scale)?);
    let quantity_min = Qty(match section.decimal("quantity_min", quantity_scale)? {
        Some(least) => least,
        None => keep_default(section, "quantity_min", lot_size.0, quantity_scale),
    });
    if quantity_min.0 <= 0 || quantity_min > quantity_max {
        let remedy = "write a quantity above zero and not above quantity_max";
        return Err(section.refused("quantity_min", remedy));
    }
    let notional_max = section.wide_decimal_or("notional_max", settlement.scale, "0")?;
    if notional_max < 0 {
        return Err(section.refused("notional_max", "write an amount, or \"0\" for no bound"));
    }
    let multiplier = section.integer_or("multiplier", 1..=i64::from(u32::MAX), 1)?;
    if kind == InstrumentKind::Spot && multiplier != 1 {
        return Err(section.refused("multiplier", "a spot instrument has 1; leave it out"));
    }
    let generator = read_generator(section, price_scale, quantity_scale)?;
    let (settlement, settlement_scale) = (settlement.code.clone(), settlement.scale);
    Ok(InstrumentSettings {
        maker_fee: read_rate(section, "maker_fee", "0", -Rate::ONE.0 + 1..=Rate::ONE.0 - 1)?,
        taker_fee: read_rate(section, "taker_fee", "0", -Rate::ONE.0 + 1..=Rate::ONE.0 - 1)?,
        margin_rate: read_rate(section, "margin_rate", "1", 1..=Rate::ONE.0)?,
        route: read_route(section, venues)?,
        mark: read_mark(section)?,
        simulation: read_simulation(section, price_scale)?,
        notional_max: Money::new(notional_max),
        symbol,
        base,
        quote,
        settlement,
        kind,
        price_scale,
        quantity_scale,
        settlement_scale,
        tick_size,
        lot_size,
        quantity_min,
        quantity_max,
        multiplier,
        generator,
    })
}

fn read_generator(
    section: &mut Section<'_>,
    price_scale: u8,
    quantity_scale: u8,
) -> Result<Option<GeneratorSettings>, ConfigError> {
    let keys = ["price", "size", "spread_ticks", "volatility", "arrivals_per_second"];
    let Some(mut inner) = section.inner_with("generator", &keys)? else {
        return Ok(None);
    };
    let generator = GeneratorSettings {
        price: Price(read_step(&mut inner, "price", price_scale)?),
        size: Qty(read_step(&mut inner, "size", quantity_scale)?),
        spread_ticks: inner.integer_or("spread_ticks", 1..=32, 1_u8)?,
        volatility: inner.integer_or("volatility", 1..=2000, 200_u32)?,
        arrivals_per_second: inner.integer_or("arrivals_per_second", 1..=1_000_000, 1000_u32)?,
    };
    section.keep("generator", inner.finish());
    Ok(Some(generator))
}

/// A decimal above zero that must be there.
fn read_step(section: &mut Section<'_>, key: &str, scale: u8) -> Result<i64, ConfigError> {
    match section.decimal(key, scale)? {
        Some(step) if step > 0 => Ok(step),
        Some(_) => Err(section.refused(key, "write a decimal above zero")),
        None => Err(section.missing(key, "write a decimal in quotes, such as \"0.01\"")),
    }
}

/// Keeps `mantissa` as if it had been written, and gives it back.
fn keep_default(section: &mut Section<'_>, key: &str, mantissa: i64, scale: u8) -> i64 {
    section.keep(key, format_decimal(i128::from(mantissa), scale));
    mantissa
}

fn read_rate(
    section: &mut Section<'_>,
    key: &str,
    default: &str,
    range: std::ops::RangeInclusive<i64>,
) -> Result<Rate, ConfigError> {
    let rate = section.decimal_or(key, RATE_SCALE, default)?;
    if !range.contains(&rate) {
        return Err(section.refused(key, "write a fraction, such as \"0.001\" for 0.1 %"));
    }
    Ok(Rate(rate))
}
