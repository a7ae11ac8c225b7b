//! The moves that each family's states may make, all of them in one place, and the pictures of them.
//!
//! A move that is not in a table never happens: an order's, a position's and a breaker's is asserted, a command that asks
//! for one is refused with `IllegalMove`. Staying is a move too where it means something: a second partial fill.

use std::fmt::Write;

macro_rules! families {
    ($(
        $(#[$meta:meta])*
        $family:ident $title:literal $state:path, begins $begins:ident {
            $($from:ident => [$($to:ident $cause:literal),* $(,)?],)*
        }
    )*) => {
        $(
            $(#[$meta])*
            pub mod $family {
                use $state as State;

                /// Each state with the states that may follow it, and what makes them follow.
                pub const TABLE: &[(State, &[(State, &str)])] =
                    &[$((State::$from, &[$((State::$to, $cause)),*])),*];

                /// The state that it begins in.
                pub const BEGINS: State = State::$begins;

                /// Whether `to` may follow `from`.
                #[inline]
                pub fn is_allowed(from: State, to: State) -> bool {
                    match from {
                        $(State::$from => $(to == State::$to ||)* false,)*
                    }
                }

                pub(super) fn picture() -> String {
                    let rows = TABLE.iter().map(|(from, moves)| {
                        (from.word(), moves.iter().map(|(to, cause)| (to.word(), *cause)).collect())
                    });
                    super::picture($title, BEGINS.word(), rows)
                }
            }
        )*

        /// A document with a picture of each family's states, in the words of Mermaid.
        pub fn pictures() -> String {
            [HEAD.to_owned(), $($family::picture()),*].concat()
        }
    };
}

const HEAD: &str = "# States\n\nGenerated from the tables in `engine/src/lifecycle.rs`; a test compares. \
                    `UPDATE_GOLDEN=1 cargo test -p tickwerk-engine --test core states` writes it anew.\n";

/// One state: its word, and the words of those that may follow with their causes.
type PictureRow<'a> = (&'a str, Vec<(&'a str, &'a str)>);

fn picture<'a>(title: &str, begins: &str, rows: impl Iterator<Item = PictureRow<'a>>) -> String {
    let mut text = format!("\n## {title}\n\n```mermaid\nstateDiagram-v2\n    [*] --> {begins}\n");
    for (from, moves) in rows {
        if moves.is_empty() {
            writeln!(text, "    {from} --> [*]").expect("a string takes all");
        }
        for (to, cause) in moves {
            writeln!(text, "    {from} --> {to}: {cause}").expect("a string takes all");
        }
    }
    text.push_str("```\n");
    text
}

/// What a position is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PositionState {
    /// Nothing is open.
    Flat,
    /// More was bought than sold.
    Long,
    /// More was sold than bought.
    Short,
}

impl PositionState {
    /// Every state.
    pub const ALL: &[Self] = &[Self::Flat, Self::Long, Self::Short];

    /// The state of a position with this open quantity.
    pub fn of(qty: i64) -> Self {
        match qty {
            0 => Self::Flat,
            1.. => Self::Long,
            _ => Self::Short,
        }
    }

    /// The word for this state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Long => "long",
            Self::Short => "short",
        }
    }
}

/// What the machine does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SystemState {
    /// No rules were activated.
    Fresh,
    /// It decides on what comes.
    Deciding,
    /// A long effect goes on before anything else.
    Continuing,
}

impl SystemState {
    /// Every state.
    pub const ALL: &[Self] = &[Self::Fresh, Self::Deciding, Self::Continuing];

    /// The word for this state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Deciding => "deciding",
            Self::Continuing => "continuing",
        }
    }
}

families! {
    /// Orders. Source: FIX 4.4, volume 4, appendix D (order state change matrices), with `held` for its Suspended.
    order "Order" tickwerk_domain::OrderStatus, begins PendingNew {
        PendingNew => [
            New "accepted",
            PartiallyFilled "fill before the acceptance",
            Filled "fill before the acceptance",
            PendingCancel "cancel asked",
            PendingReplace "replace asked",
            Canceled "cancelled by the venue",
            Rejected "refused by a rule or the venue",
            Expired "time over at the venue",
            Held "kept in the core",
        ],
        Held => [
            PendingNew "triggered or released",
            Canceled "cancel",
            Rejected "no longer passes",
            Expired "time over",
        ],
        New => [
            PartiallyFilled "fill",
            Filled "fill",
            PendingCancel "cancel asked",
            PendingReplace "replace asked",
            Canceled "cancelled by the venue",
            Expired "time over at the venue",
        ],
        PartiallyFilled => [
            PartiallyFilled "fill",
            New "last fill taken back",
            Filled "fill",
            PendingCancel "cancel asked",
            PendingReplace "replace asked",
            Canceled "cancelled by the venue",
            Expired "time over at the venue",
        ],
        PendingCancel => [
            PendingCancel "fill or sent again",
            New "cancel refused or lost",
            PendingNew "cancel refused or lost",
            PartiallyFilled "cancel refused or lost",
            PendingReplace "cancel refused or lost",
            Filled "fill, or replace answered when all is filled",
            Canceled "cancelled",
            Rejected "refused by the venue",
            Expired "time over at the venue",
        ],
        PendingReplace => [
            PendingReplace "fill, the last one where a larger quantity is asked for",
            New "replaced, refused or lost",
            PendingNew "replace refused or lost",
            PartiallyFilled "replaced, refused or lost",
            PendingCancel "cancel asked",
            Filled "fill, or replace answered when all is filled",
            Canceled "cancelled by the venue",
            Rejected "refused by the venue",
            Expired "time over at the venue",
        ],
        Filled => [],
        Canceled => [],
        Rejected => [],
        Expired => [],
    }
    /// The session of an instrument's market. Source: FIX `SecurityTradingStatus` (tag 326) and `TradSesStatus` (340).
    session "Market session" tickwerk_domain::SessionState, begins Continuous {
        Continuous => [
            Continuous "other closing time",
            ClosingAuction "closing auction",
            Halted "halt",
            Closed "close",
        ],
        PreOpen => [
            PreOpen "other closing time",
            OpeningAuction "opening auction",
            Continuous "open",
            Halted "halt",
            Closed "close",
        ],
        OpeningAuction => [
            OpeningAuction "other closing time",
            Continuous "open",
            Halted "halt",
            Closed "close",
        ],
        ClosingAuction => [
            ClosingAuction "other closing time",
            Halted "halt",
            Closed "close",
        ],
        Halted => [
            Halted "other closing time",
            PreOpen "orders may be entered",
            OpeningAuction "auction after the halt",
            Continuous "resume",
            ClosingAuction "closing auction",
            Closed "close",
        ],
        Closed => [
            Closed "other closing time",
            PreOpen "orders may be entered",
            OpeningAuction "opening auction",
            Continuous "open",
        ],
    }
    /// Where a strategy wants to be.
    signal "Signal" tickwerk_domain::SignalDirection, begins Flat {
        Flat => [Long "signal", Short "signal"],
        Long => [Flat "signal", Short "signal"],
        Short => [Flat "signal", Long "signal"],
    }
    /// A risk breaker.
    breaker "Risk breaker" tickwerk_domain::BreakerState, begins Armed {
        Armed => [Tripped "limit passed", Cooling "limit passed, with a cool-down"],
        Tripped => [Armed "reset"],
        Cooling => [Armed "cooled down or reset"],
    }
    /// A fill.
    fill "Fill" tickwerk_domain::FillState, begins Booked {
        Booked => [Busted "taken back", Corrected "corrected"],
        Unmatched => [],
        Busted => [],
        Corrected => [Corrected "corrected again", Busted "taken back"],
    }
    /// A position.
    position "Position" super::PositionState, begins Flat {
        Flat => [Long "opened", Short "opened"],
        Long => [Long "increased or reduced", Flat "closed", Short "flipped"],
        Short => [Short "increased or reduced", Flat "closed", Long "flipped"],
    }
    /// An account.
    account "Account" tickwerk_domain::AccountState, begins Active {
        Active => [Suspended "suspended", Closed "closed"],
        Suspended => [Active "resumed", Closed "closed"],
        Closed => [],
    }
    /// The machine itself.
    system "System" super::SystemState, begins Fresh {
        Fresh => [Deciding "rules activated"],
        Deciding => [Continuing "effect too long for one command"],
        Continuing => [Continuing "goes on", Deciding "is through"],
    }
}
