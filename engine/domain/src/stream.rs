//! Streams: the entity whose history a record belongs to.

use crate::{AccountId, InstrumentId, OrderId, StrategyId};
use rkyv::{Archive, Deserialize, Serialize};

/// What kind of entity a stream tells of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum StreamType {
    /// The engine itself.
    System = 1,
    /// An account.
    Account = 2,
    /// An instrument and its market.
    Instrument = 3,
    /// An order.
    Order = 4,
    /// The position of an account in an instrument.
    Position = 5,
    /// A strategy.
    Strategy = 6,
    /// A free-form stream.
    Free = 7,
}

/// A stream: its type in the highest byte, its number below.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Stream(pub u64);

const NUMBER_BITS: u32 = 56;
const POSITION_ACCOUNT_SHIFT: u32 = 24;

impl Stream {
    /// The engine itself.
    pub const SYSTEM: Self = Self((StreamType::System as u64) << NUMBER_BITS);

    fn new(stream_type: StreamType, number: u64) -> Self {
        assert!(number < 1 << NUMBER_BITS, "a stream's number fits 56 bits");
        Self((stream_type as u64) << NUMBER_BITS | number)
    }

    /// The stream of an account.
    pub fn account(account: AccountId) -> Self {
        Self::new(StreamType::Account, u64::from(account.0))
    }

    /// The stream of an instrument.
    pub fn instrument(instrument: InstrumentId) -> Self {
        Self::new(StreamType::Instrument, u64::from(instrument.0))
    }

    /// The stream of an order. A number past 56 bits, which no journal reaches, is cut.
    pub fn order(order: OrderId) -> Self {
        Self::new(StreamType::Order, order.0 & ((1 << NUMBER_BITS) - 1))
    }

    /// The stream of a position.
    pub fn position(account: AccountId, instrument: InstrumentId) -> Self {
        let low = u64::from(instrument.0) & ((1 << POSITION_ACCOUNT_SHIFT) - 1);
        Self::new(StreamType::Position, u64::from(account.0) << POSITION_ACCOUNT_SHIFT | low)
    }

    /// The stream of a strategy.
    pub fn strategy(strategy: StrategyId) -> Self {
        Self::new(StreamType::Strategy, u64::from(strategy.0))
    }

    /// A free-form stream.
    pub fn free(number: u32) -> Self {
        Self::new(StreamType::Free, u64::from(number))
    }

    /// What kind of entity it is; `None` for a number that no build of ours wrote.
    pub fn stream_type(self) -> Option<StreamType> {
        use StreamType as T;
        [T::System, T::Account, T::Instrument, T::Order, T::Position, T::Strategy, T::Free]
            .into_iter()
            .find(|stream_type| *stream_type as u64 == self.0 >> NUMBER_BITS)
    }
}

impl std::fmt::Display for Stream {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = self.0 & ((1 << NUMBER_BITS) - 1);
        match self.stream_type() {
            Some(StreamType::System) => out.write_str("system"),
            Some(StreamType::Account) => write!(out, "account-{number}"),
            Some(StreamType::Instrument) => write!(out, "instrument-{number}"),
            Some(StreamType::Order) => write!(out, "order-{number}"),
            Some(StreamType::Position) => {
                let account = number >> POSITION_ACCOUNT_SHIFT;
                write!(out, "position-{account}-{}", number & ((1 << POSITION_ACCOUNT_SHIFT) - 1))
            }
            Some(StreamType::Strategy) => write!(out, "strategy-{number}"),
            Some(StreamType::Free) => write!(out, "stream-{number}"),
            None => write!(out, "unknown-{number}"),
        }
    }
}
