//! Indicators and strategies: where floating point is allowed, with + − × ÷ and comparisons only.
//!
//! A strategy is one file under `signals/` that implements [`Strategy`], and one line in the table at the end of this
//! file. It sees mid prices and trades, and says where it wants to be; the machine turns that into an order which
//! passes the same risk check as everybody's.

pub mod ema;
pub mod ema_cross;

use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist};
use tickwerk_domain::{Price, Qty, Real, SignalDirection};

/// What a strategy is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Observation {
    /// The best bid and ask changed.
    Touch {
        /// Best bid.
        bid: Price,
        /// Best ask.
        ask: Price,
    },
    /// Others traded.
    Trade {
        /// Price of the trade.
        price: Price,
        /// Quantity of the trade.
        qty: Qty,
    },
}

/// What a strategy says when it changes its mind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signal {
    /// Where it wants to be.
    pub direction: SignalDirection,
    /// Its fast figure.
    pub fast: Real,
    /// Its slow figure.
    pub slow: Real,
    /// How strong, from 0 to 1.
    pub strength: Real,
}

/// The unit of a parameter, so that text can be read into its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParameterUnit {
    /// A whole number.
    Count,
    /// A quantity at the instrument's scale.
    Quantity,
    /// 0 or 1.
    Flag,
    /// The place of one of these words.
    Choice(&'static [&'static str]),
}

/// A parameter of a strategy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its unit.
    pub unit: ParameterUnit,
    /// Its value where the configuration names none; without one it is required.
    pub default: Option<i64>,
}

/// Parameters of a strategy in the order of [`Strategy::PARAMETERS`]; the rest is zero.
pub type Parameters = [i64; 8];

/// A strategy: a pure function of what it is shown. All that it remembers stands in state images.
pub trait Strategy: Persist {
    /// Its stable number.
    const KIND: u16;
    /// Its name in the configuration.
    const NAME: &'static str;
    /// Its parameters, at most eight.
    const PARAMETERS: &'static [Parameter];

    /// Makes one, or names the parameter whose value is out of range.
    fn new(parameters: &Parameters) -> Result<Self, &'static str>;

    /// Takes an observation; a signal when the direction changes.
    fn observe(&mut self, observation: Observation) -> Option<Signal>;

    /// The position it wants for a direction, at the instrument's scale.
    fn target(&self, direction: SignalDirection) -> i64;

    /// Its state as words for the digest.
    fn digest(&self) -> u64;
}

/// What the table knows of a strategy without making one.
#[derive(Clone, Copy, Debug)]
pub struct StrategyKind {
    /// Its stable number.
    pub kind: u16,
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// Whether it can be made of these values; else the parameter that is out of range.
    pub check: fn(&Parameters) -> Result<(), &'static str>,
}

macro_rules! strategies {
    ($($variant:ident = $strategy:path,)*) => {
        /// Any strategy of the table.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum AnyStrategy {
            $($variant($strategy),)*
        }

        /// All strategies of this build.
        pub const STRATEGIES: &[StrategyKind] = &[$(StrategyKind {
            kind: <$strategy>::KIND,
            name: <$strategy>::NAME,
            parameters: <$strategy>::PARAMETERS,
            check: |parameters| <$strategy>::new(parameters).map(drop),
        }),*];

        impl AnyStrategy {
            /// `None` for an unknown kind.
            pub(crate) fn new(kind: u16, parameters: &Parameters) -> Option<Result<Self, &'static str>> {
                match kind {
                    $(<$strategy>::KIND => Some(<$strategy>::new(parameters).map(Self::$variant)),)*
                    _ => None,
                }
            }

            #[inline]
            pub(crate) fn observe(&mut self, observation: Observation) -> Option<Signal> {
                match self {
                    $(Self::$variant(strategy) => strategy.observe(observation),)*
                }
            }

            pub(crate) fn target(&self, direction: SignalDirection) -> i64 {
                match self {
                    $(Self::$variant(strategy) => strategy.target(direction),)*
                }
            }

            pub(crate) fn digest(&self) -> u64 {
                match self {
                    $(Self::$variant(strategy) => strategy.digest(),)*
                }
            }
        }

        impl Persist for AnyStrategy {
            fn save(&self, to: &mut ImageWriter) {
                match self {
                    $(Self::$variant(strategy) => {
                        to.value(&<$strategy>::KIND);
                        to.value(strategy);
                    })*
                }
            }

            fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
                match u16::load(from)? {
                    $(<$strategy>::KIND => from.value().map(Self::$variant),)*
                    found => Err(Fault::Value { what: "strategy of this build", found: found.into() }),
                }
            }
        }
    };
}

strategies! {
    EmaCross = ema_cross::EmaCross,
}
