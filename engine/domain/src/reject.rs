//! Why not: reasons with stable numbers. A number is never used again for something else.

use crate::fields::{FieldValue, as_field};
use rkyv::{Archive, Deserialize, Serialize};

/// A reason code as it is journaled: its number. 0 is "none".
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct ReasonCode(pub u16);

as_field! { ReasonCode => |value| FieldValue::Word(Reject::from_code(*value).map_or("none", Reject::word)); }

macro_rules! rejects {
    ($(#[doc = $doc:literal] $variant:ident = $number:literal $word:literal,)*) => {
        /// Why something was refused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum Reject {
            $(#[doc = $doc] $variant = $number,)*
        }

        impl Reject {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for this reason in text and JSON.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// What the reason says, as a sentence.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc,)*
                }
                .trim_start()
            }
        }
    };
}

rejects! {
    /// The account is not defined.
    UnknownAccount = 1 "unknown_account",
    /// The instrument is not defined.
    UnknownInstrument = 2 "unknown_instrument",
    /// No such order.
    UnknownOrder = 3 "unknown_order",
    /// The currency is not defined.
    UnknownCurrency = 4 "unknown_currency",
    /// No strategy of this kind.
    UnknownStrategyKind = 5 "unknown_strategy_kind",
    /// The venue is not defined.
    UnknownVenue = 6 "unknown_venue",
    /// No such execution.
    UnknownExecution = 7 "unknown_execution",
    /// No such reconciliation is going on.
    UnknownReconciliation = 8 "unknown_reconciliation",
    /// The strategy is not defined.
    UnknownStrategy = 9 "unknown_strategy",
    /// Trading is halted: globally, for the account or for the instrument.
    TradingHalted = 10 "trading_halted",
    /// Only orders that reduce the position may enter.
    ReduceOnly = 11 "reduce_only",
    /// A kill switch is engaged.
    KillSwitch = 12 "kill_switch",
    /// The book is stale.
    StaleMarket = 13 "stale_market",
    /// There is no price to check or match against.
    NoReferencePrice = 14 "no_reference_price",
    /// The instrument's session takes no orders now.
    MarketClosed = 15 "market_closed",
    /// Bid and ask are crossed.
    CrossedMarket = 16 "crossed_market",
    /// A breaker has tripped.
    BreakerTripped = 17 "breaker_tripped",
    /// The account is suspended or closed.
    AccountNotActive = 18 "account_not_active",
    /// No way to a venue is connected.
    VenueDisconnected = 19 "venue_disconnected",
    /// The price is not positive where it must be.
    PriceNotPositive = 20 "price_not_positive",
    /// The price is not a multiple of the tick size.
    PriceOffTick = 21 "price_off_tick",
    /// The quantity is not positive.
    QuantityNotPositive = 22 "quantity_not_positive",
    /// The quantity is not a multiple of the lot size.
    QuantityOffLot = 23 "quantity_off_lot",
    /// The quantity is under the instrument's minimum.
    QuantityBelowMinimum = 24 "quantity_below_minimum",
    /// The quantity is over the limit.
    QuantityAboveLimit = 25 "quantity_above_limit",
    /// The notional is over the limit.
    NotionalAboveLimit = 26 "notional_above_limit",
    /// The price is too far from the reference price.
    PriceOutsideCollar = 27 "price_outside_collar",
    /// The position with open orders at their worst would pass its limit.
    PositionAboveLimit = 28 "position_above_limit",
    /// Not enough money or assets, with open orders at their worst.
    InsufficientBuyingPower = 29 "insufficient_buying_power",
    /// Too many open orders.
    OpenOrdersAboveLimit = 30 "open_orders_above_limit",
    /// The client order id is taken by another order.
    DuplicateClientOrderId = 31 "duplicate_client_order_id",
    /// A market order has no price; a limit order needs one.
    PriceNotAllowed = 32 "price_not_allowed",
    /// A value does not fit the arithmetic of the engine.
    ValueOverflow = 33 "value_overflow",
    /// Gross exposure would pass its limit.
    GrossExposureAboveLimit = 34 "gross_exposure_above_limit",
    /// Net exposure would pass its limit.
    NetExposureAboveLimit = 35 "net_exposure_above_limit",
    /// Leverage would pass its limit.
    LeverageAboveLimit = 36 "leverage_above_limit",
    /// Orders come faster than allowed.
    OrderRateAboveLimit = 37 "order_rate_above_limit",
    /// Replaces come faster than allowed.
    ReplaceRateAboveLimit = 38 "replace_rate_above_limit",
    /// The order would trade with an order of the same account.
    SelfTrade = 39 "self_trade",
    /// The order is already done.
    OrderDone = 40 "order_done",
    /// A cancel is already on its way.
    CancelPending = 41 "cancel_pending",
    /// A replace is already on its way.
    ReplacePending = 42 "replace_pending",
    /// The new quantity is not above what is filled.
    QuantityBelowFilled = 43 "quantity_below_filled",
    /// A replace that changes nothing.
    NothingToReplace = 44 "nothing_to_replace",
    /// Its state does not allow it.
    IllegalMove = 45 "illegal_move",
    /// The terms do not fit the order type.
    TermsInvalid = 46 "terms_invalid",
    /// The trigger price is not positive, off tick, or on the wrong side of the market.
    TriggerInvalid = 47 "trigger_invalid",
    /// The display quantity is not positive, off lot, or above the order quantity.
    DisplayQuantityInvalid = 48 "display_quantity_invalid",
    /// The expiry is missing, not allowed or past.
    ExpiryInvalid = 49 "expiry_invalid",
    /// A fixed store has no room left.
    StoreFull = 50 "store_full",
    /// An id is outside the range of its table.
    IdOutOfRange = 51 "id_out_of_range",
    /// A definition changes what is fixed for life.
    DefinitionFixed = 52 "definition_fixed",
    /// A value of a definition is out of range.
    ValueOutOfRange = 53 "value_out_of_range",
    /// The scope of a setting does not fit its kind.
    ScopeInvalid = 54 "scope_invalid",
    /// The rules version is not part of this build.
    UnknownRulesVersion = 55 "unknown_rules_version",
    /// The link is missing, not allowed, or names a group that does not fit.
    LinkInvalid = 56 "link_invalid",
    /// The account counts its positions in another mode.
    PositionModeInvalid = 57 "position_mode_invalid",
    /// There is no rate to convert a currency at.
    NoConversionRate = 58 "no_conversion_rate",
    /// The venue cannot do what the order asks for.
    VenueLacks = 59 "venue_lacks",
    /// The engine cannot take more now; try again.
    EngineBusy = 60 "engine_busy",
    /// The venue refused the order.
    VenueRejected = 70 "venue_rejected",
    /// The venue has no such order.
    VenueUnknownOrder = 71 "venue_unknown_order",
    /// Nothing was left to match.
    NoLiquidity = 72 "no_liquidity",
    /// The book at the venue has no room left.
    VenueBookFull = 73 "venue_book_full",
    /// A fill-or-kill order could not be filled whole.
    NotFilledWhole = 74 "not_filled_whole",
    /// A post-only order would have taken liquidity.
    WouldTake = 75 "would_take",
    /// The price is outside the venue's band.
    OutsidePriceBand = 76 "outside_price_band",
    /// A fault that was asked for.
    SimulatedFault = 77 "simulated_fault",
    /// Cancelled by request.
    CancelRequested = 80 "cancel_requested",
    /// A fill does not belong to an active order, or is larger than what is left.
    FillUnmatched = 81 "fill_unmatched",
    /// The report was seen before.
    DuplicateReport = 82 "duplicate_report",
    /// Its time was over.
    Expired = 83 "expired",
    /// An order that it was linked with was filled or ended.
    LinkedOrderDone = 84 "linked_order_done",
    /// Its parent ended without a fill.
    ParentUnfilled = 85 "parent_unfilled",
    /// The venue does not know the order any more.
    MissingAtVenue = 86 "missing_at_venue",
    /// Cancelled by a mass cancel.
    MassCanceled = 87 "mass_canceled",
    /// The venue states the order as it was before the request, which got lost on its way.
    RequestLost = 88 "request_lost",
    /// A value of a request cannot be read.
    InvalidValue = 90 "invalid_value",
    /// A request lacks a field.
    MissingField = 91 "missing_field",
    /// A request has a field that its op does not know.
    UnknownField = 92 "unknown_field",
}

impl Reject {
    /// The journaled number.
    pub fn code(self) -> ReasonCode {
        ReasonCode(self as u16)
    }

    /// The reason with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.word() == word)
    }

    /// The reason with this number.
    pub fn from_code(code: ReasonCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| *reason as u16 == code.0)
    }
}

impl std::fmt::Display for Reject {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.word())
    }
}

impl From<Reject> for ReasonCode {
    fn from(reason: Reject) -> Self {
        reason.code()
    }
}
