//! `venue_latency_ns` and `simulation` of an `[[instrument]]`: how the simulated venue treats it.

use super::error::ConfigError;
use super::section::Section;
use std::path::PathBuf;
use tickwerk_domain::command::{PriceBandSet, SimulatedVenueSet, VenueLatencySet};
use tickwerk_domain::{
    DurationNs, InstrumentId, LatencyModel, Price, QueueModel, RATE_SCALE, Rate, SelfTradePrevention,
    format_decimal,
};

/// How the simulated venue treats an instrument. The commands name no instrument yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SimulationSettings {
    pub(crate) venue: SimulatedVenueSet,
    pub(crate) latency: VenueLatencySet,
    /// Where measured latencies are read from; with the model `recorded` alone.
    pub(crate) latency_file: Option<PathBuf>,
    /// On an exchange of our own alone; all zero for none.
    pub(crate) band: PriceBandSet,
}

const LATENCY_NS_MAX: i64 = 60_000_000_000;
const KEYS: &[&str] = &[
    "report_latency_ns",
    "jitter_ns",
    "seed",
    "latency_model",
    "latency_file",
    "order_latency_factor",
    "report_latency_factor",
    "queue_model",
    "queue_parameter",
    "price_low",
    "price_high",
    "price_band",
    "reject_rate",
    "loss_rate",
    "duplicate_rate",
    "slippage_ticks",
    "self_trade",
];

pub(super) fn read_simulation(
    section: &mut Section<'_>,
    price_scale: u8,
) -> Result<SimulationSettings, ConfigError> {
    let latency = DurationNs(section.integer_or("venue_latency_ns", 0..=LATENCY_NS_MAX, 0_u64)?);
    let instrument = InstrumentId::NONE;
    let plain = SimulatedVenueSet::touch(instrument, latency);
    let mut settings = SimulationSettings {
        venue: plain,
        latency: VenueLatencySet {
            order_factor: Rate(0),
            report_factor: Rate(0),
            table: 0,
            instrument,
            model: LatencyModel::Constant,
        },
        latency_file: None,
        band: PriceBandSet { low: Price(0), high: Price(0), dynamic: Rate(0), instrument },
    };
    let Some(mut inner) = section.inner_with("simulation", KEYS)? else {
        return Ok(settings);
    };
    let (one, hundred) = (Rate::ONE.0, 100 * Rate::ONE.0);
    let models: Vec<_> = QueueModel::ALL.iter().map(|model| (model.word(), *model)).collect();
    let modes: Vec<_> = SelfTradePrevention::ALL.iter().map(|mode| (mode.word(), *mode)).collect();
    settings.venue = SimulatedVenueSet {
        report_latency: DurationNs(inner.integer_or("report_latency_ns", 0..=LATENCY_NS_MAX, 0_u64)?),
        jitter: DurationNs(inner.integer_or("jitter_ns", 0..=LATENCY_NS_MAX, 0_u64)?),
        seed: inner.integer_or("seed", 0..=i64::MAX, 1_u64)?,
        queue_parameter: rate(&mut inner, "queue_parameter", "1", hundred)?,
        reject_rate: rate(&mut inner, "reject_rate", "0", one)?,
        loss_rate: rate(&mut inner, "loss_rate", "0", one)?,
        duplicate_rate: rate(&mut inner, "duplicate_rate", "0", one)?,
        slippage_ticks: inner.integer_or("slippage_ticks", 0..=10_000, 0_u32)?,
        queue_model: inner.word_or("queue_model", &models, QueueModel::Touch.word())?,
        self_trade: inner.word_or("self_trade", &modes, SelfTradePrevention::Off.word())?,
        ..plain
    };
    read_latency(&mut inner, &mut settings)?;
    read_band(&mut inner, &mut settings, price_scale)?;
    section.keep("simulation", inner.finish());
    Ok(settings)
}

/// A decimal from 0 to `most`.
fn rate(inner: &mut Section<'_>, key: &str, default: &str, most: i64) -> Result<Rate, ConfigError> {
    let rate = inner.decimal_or(key, RATE_SCALE, default)?;
    if (0..=most).contains(&rate) {
        return Ok(Rate(rate));
    }
    let most = format_decimal(i128::from(most), RATE_SCALE);
    Err(inner.refused(key, &format!("write a decimal from 0 to {most}")))
}

fn read_latency(inner: &mut Section<'_>, settings: &mut SimulationSettings) -> Result<(), ConfigError> {
    let models: Vec<_> = LatencyModel::ALL.iter().map(|model| (model.word(), *model)).collect();
    let model = inner.word_or("latency_model", &models, LatencyModel::Constant.word())?;
    for (key, its_model) in [
        ("latency_file", LatencyModel::Recorded),
        ("order_latency_factor", LatencyModel::Feed),
        ("report_latency_factor", LatencyModel::Feed),
    ] {
        if model != its_model && inner.has(key) {
            let (found, its) = (model.word(), its_model.word());
            let reason = format!(
                "the latency_model \"{found}\" does not use it; remove it or write latency_model = \"{its}\""
            );
            return Err(ConfigError::Conflict { key: inner.key(key), reason });
        }
    }
    settings.latency.model = model;
    match model {
        LatencyModel::Constant => {}
        LatencyModel::Feed => {
            let most = 1_000 * Rate::ONE.0;
            settings.latency.order_factor = rate(inner, "order_latency_factor", "1", most)?;
            settings.latency.report_factor = rate(inner, "report_latency_factor", "1", most)?;
        }
        LatencyModel::Recorded => {
            let remedy = "name a csv of measured latencies: sent_ns,arrived_ns,reported_ns";
            settings.latency_file = Some(inner.required_text("latency_file", remedy)?.into());
        }
    }
    Ok(())
}

fn read_band(
    inner: &mut Section<'_>,
    settings: &mut SimulationSettings,
    price_scale: u8,
) -> Result<(), ConfigError> {
    let keys = ["price_low", "price_high", "price_band"];
    let Some(key) = keys.into_iter().find(|key| inner.has(key)) else {
        return Ok(());
    };
    if settings.venue.queue_model != QueueModel::Exchange {
        let found = settings.venue.queue_model.word();
        let reason = format!(
            "the queue_model \"{found}\" does not use it; remove it or write queue_model = \"exchange\""
        );
        return Err(ConfigError::Conflict { key: inner.key(key), reason });
    }
    let band = &mut settings.band;
    match (inner.decimal("price_low", price_scale)?, inner.decimal("price_high", price_scale)?) {
        (None, None) => {}
        (Some(low), Some(high)) if low <= high && (low, high) != (0, 0) => {
            (band.low, band.high) = (Price(low), Price(high));
        }
        (Some(_), Some(_)) => {
            return Err(
                inner.refused("price_high", "write a price that is not below price_low, nor both zero")
            );
        }
        (Some(_), None) => return Err(inner.missing("price_high", "write the highest price too")),
        (None, Some(_)) => return Err(inner.missing("price_low", "write the lowest price too")),
    }
    if inner.has("price_band") {
        band.dynamic = rate(inner, "price_band", "0", Rate::ONE.0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError};
    use super::*;

    const EXCHANGE: &str = include_str!("../../examples/exchange.toml");

    /// The example with other words about its simulation.
    fn simulated(words: &str) -> Result<SimulationSettings, ConfigError> {
        let start = EXCHANGE.find("[instrument.simulation]").expect("a table");
        let end = start + EXCHANGE[start..].find("[[account]]").expect("an account");
        let text = format!("{}simulation = {{ {words} }}\n{}", &EXCHANGE[..start], &EXCHANGE[end..]);
        let config = Config::parse(&text, "test.toml", std::iter::empty(), &[])?;
        let again = Config::parse(&config.dump(), "dump", std::iter::empty(), &[])?;
        assert_eq!(config, again);
        Ok(config.instruments[0].simulation.clone())
    }

    #[track_caller]
    fn check(words: &str, expected: &str) {
        let error = simulated(words).expect_err(words).to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn the_example_is_an_exchange_with_a_band() {
        let config = Config::parse(EXCHANGE, "test.toml", std::iter::empty(), &[]).expect("a good example");
        let settings = &config.instruments[0].simulation;
        assert_eq!(settings.venue.queue_model, QueueModel::Exchange);
        assert!(settings.band.low < settings.band.high && settings.band.dynamic > Rate(0), "{settings:?}");
    }

    #[test]
    fn latencies_have_a_model() {
        let feed = simulated("latency_model = \"feed\", order_latency_factor = \"1.5\"").expect("good");
        assert_eq!((feed.latency.model, feed.latency.order_factor), (LatencyModel::Feed, Rate(150_000_000)));
        assert_eq!(feed.latency.report_factor, Rate::ONE);
        let recorded = simulated("latency_model = \"recorded\", latency_file = \"l.csv\"").expect("good");
        assert_eq!(recorded.latency_file, Some("l.csv".into()));
        let key = "instrument[BTC-USD].simulation";
        check("latency_model = \"fixed\"", &format!("{key}.latency_model = \"fixed\""));
        check("latency_model = \"recorded\"", &format!("{key}.latency_file is missing; name a csv"));
        check(
            "latency_file = \"l.csv\"",
            &format!(
                "{key}.latency_file does not fit here: the latency_model \"constant\" does not use it; remove it or write"
            ),
        );
        check(
            "latency_model = \"recorded\", latency_file = \"l.csv\", report_latency_factor = \"1\"",
            &format!("{key}.report_latency_factor does not fit here"),
        );
        check(
            "latency_model = \"feed\", order_latency_factor = \"-1\"",
            &format!("{key}.order_latency_factor = \"-1\""),
        );
    }

    #[test]
    fn bands_are_for_an_exchange_of_our_own() {
        let key = "instrument[BTC-USD].simulation";
        let exchange = |words: &str| format!("queue_model = \"exchange\", {words}");
        let both = simulated(&exchange("price_low = \"1\", price_high = \"2\"")).expect("good");
        assert_eq!((both.band.low, both.band.high, both.band.dynamic), (Price(100), Price(200), Rate(0)));
        let moving = simulated(&exchange("price_band = \"0.05\"")).expect("good");
        assert_eq!((moving.band.low, moving.band.dynamic), (Price(0), Rate(5_000_000)));
        check(
            "price_band = \"0.05\"",
            &format!("{key}.price_band does not fit here: the queue_model \"touch\""),
        );
        check(&exchange("price_low = \"1\""), &format!("{key}.price_high is missing; write the highest"));
        check(&exchange("price_high = \"1\""), &format!("{key}.price_low is missing; write the lowest"));
        check(&exchange("price_low = \"2\", price_high = \"1\""), &format!("{key}.price_high = \"1\""));
        check(&exchange("price_low = \"0\", price_high = \"0\""), &format!("{key}.price_high = \"0\""));
        check(
            &exchange("price_low = \"0.001\", price_high = \"1\""),
            &format!("{key}.price_low = \"0.001\""),
        );
        check(&exchange("price_band = \"1.1\""), &format!("{key}.price_band = \"1.1\""));
    }
}
