//! Identities. 0 means "none" in all of them; text names are given to them by `TextDefined`.

use rkyv::{Archive, Deserialize, Serialize};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($number:ty)) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
        )]
        #[repr(transparent)]
        pub struct $name(pub $number);

        impl $name {
            /// No such thing.
            pub const NONE: Self = Self(0);

            /// Whether this is [`Self::NONE`].
            pub fn is_none(self) -> bool {
                self.0 == 0
            }

            /// The number itself.
            pub fn get(self) -> $number {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}

id!(
    /// A trading account; small and dense, so that it can index a table.
    AccountId(u32)
);
id!(
    /// A tradable instrument; small and dense.
    InstrumentId(u32)
);
id!(
    /// A currency or asset; small and dense.
    CurrencyId(u32)
);
id!(
    /// A configured strategy; small and dense.
    StrategyId(u32)
);
id!(
    /// A text of the dictionary: a symbol, an actor, a reason, a correlation in words.
    TextId(u32)
);
id!(
    /// Where commands come from; small and dense. Each source numbers its own commands.
    SourceId(u16)
);
id!(
    /// Where orders go; small and dense.
    VenueId(u16)
);
id!(
    /// An order: the sequence of the record that introduced it.
    OrderId(u64)
);
id!(
    /// Ties together what belongs together across frames; chosen by the source.
    CorrelationId(u64)
);

impl VenueId {
    /// The simulated venue inside the core: where orders go that nothing routes elsewhere.
    pub const SIMULATED: Self = Self(1);
}

impl SourceId {
    /// Continuations and timers of the core itself.
    pub const CORE: Self = Self(1);
    /// Reports of the simulated venue.
    pub const SIMULATED_VENUE: Self = Self(2);
    /// Configuration applied at start.
    pub const CONFIG: Self = Self(3);
    /// The control socket.
    pub const CONTROL: Self = Self(4);
    /// The clock of the pinned thread (`TimeAdvanced`).
    pub const CLOCK: Self = Self(5);
    /// The observer of the process's health.
    pub const HEALTH: Self = Self(6);
    /// The first source that is free for feeds and gateways.
    pub const FIRST_FEED: Self = Self(16);
    /// An import of history: what it says of itself. The sources that it reads follow, and no engine takes any of them.
    pub const IMPORT: Self = Self(0xFF00);

    /// Whether it is an import or one of its sources.
    pub fn is_import(self) -> bool {
        self.0 >= Self::IMPORT.0
    }
}
