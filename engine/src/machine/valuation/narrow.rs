//! Values of positions in 64 bits, which nearly all fit; whatever does not is worked out in 128 bits elsewhere.

use crate::limits::INSTRUMENTS_MAX;
use crate::risk::account_exposure::Exposure;

/// Exposure as [`Exposure`], of figures within [`VALUE_MAX`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Narrow {
    pub(crate) gross: i64,
    pub(crate) long: i64,
    pub(crate) short: i64,
}

impl Narrow {
    #[inline]
    pub(super) fn of(long: i64, short: i64) -> Self {
        Self { gross: long.abs().max(short.abs()), long, short }
    }

    /// With `now` in the place of `before`.
    #[inline]
    pub(super) fn with(&self, before: &Self, now: &Self) -> Self {
        Self {
            gross: self.gross - before.gross + now.gross,
            long: self.long - before.long + now.long,
            short: self.short - before.short + now.short,
        }
    }

    /// Net exposure at its worse, either way.
    #[inline]
    pub(crate) fn net(&self) -> i64 {
        self.long.abs().max(self.short.abs())
    }

    #[inline]
    pub(crate) fn wide(&self) -> Exposure {
        Exposure { gross: self.gross.into(), long: self.long.into(), short: self.short.into() }
    }
}

/// Largest value of a position and of its profit that is kept, either way: sums over all instruments fit 64 bits.
const VALUE_MAX: i64 = 1 << 56;
const _: () = assert!(INSTRUMENTS_MAX <= 64, "sums over all of them fit");

/// A value that is kept; `None` for a larger one.
#[inline]
pub(super) fn within_bounds(value: impl TryInto<i64>) -> Option<i64> {
    value.try_into().ok().filter(|value| (-VALUE_MAX..=VALUE_MAX).contains(value))
}
