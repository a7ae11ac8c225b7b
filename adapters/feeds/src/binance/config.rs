//! What a reader must be told of a capture.

use tickwerk_domain::{InstrumentId, SourceId};

/// The Binance market that a capture was recorded from. It decides how depth updates link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Market {
    /// Spot: an update begins one after the end of the one before.
    Spot,
    /// Futures settled in a stablecoin: an update names the end of the one before.
    UsdM,
    /// Futures settled in the base coin; links as [`Market::UsdM`].
    CoinM,
}

/// What happens at a line that cannot be understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnMalformed {
    /// The capture ends with an error that names the line.
    Refuse,
    /// The line is counted and left out; a lost depth update makes the book stale.
    Skip,
}

/// How to read a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaptureConfig {
    /// Which dialect.
    pub market: Market,
    /// The instrument as the venue calls it, such as `BTCUSDT`; a line that names another one is malformed.
    pub symbol: String,
    /// The instrument as the engine calls it.
    pub instrument: InstrumentId,
    /// Decimals of its prices.
    pub price_scale: u8,
    /// Decimals of its quantities.
    pub quantity_scale: u8,
    /// Which source the records come from.
    pub source: SourceId,
    /// What a malformed line does.
    pub on_malformed: OnMalformed,
    /// Source sequence of the last record that is already known; 0 for none.
    pub resume_after: u64,
}
