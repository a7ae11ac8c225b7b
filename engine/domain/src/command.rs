//! All that may be asked of the engine, and all that it may be shown.
//!
//! A command asks (`NewOrder`) or observes (`TradeObserved`). An observed fact or an accepted definition is told by
//! the command alone; there is no echo event.

mod market;
mod money;
mod order;
mod risk;
mod system;

pub use market::*;
pub use money::*;
pub use order::*;
pub use risk::*;
pub use system::*;

use crate::record::{TypeId, record_types};
use crate::{BookDelta, Instrument, OrderId, Sequence, Stream};

/// Calls the macro `$callback` with the declaration of [`Command`]: each line is
/// `Variant(Payload) = type_id schema_version "family.name"`.
#[macro_export]
macro_rules! for_each_command {
    ($callback:ident) => {
        $callback! {
            /// All that may be asked or observed.
            Command {
                /// Best bid and ask.
                QuoteObserved(QuoteObserved) = 0x0101 1 "market.quote",
                /// A trade between others.
                TradeObserved(TradeObserved) = 0x0102 1 "market.trade",
                /// A change of an order book.
                BookDelta(BookDelta) = 0x0103 1 "market.book_delta",
                /// The feed lost its place.
                MarketGapObserved(MarketGapObserved) = 0x0104 1 "market.gap",
                /// An instrument.
                InstrumentDefined(Instrument) = 0x0105 1 "market.instrument_defined",
                /// How the simulated venue treats an instrument.
                SimulatedVenueSet(SimulatedVenueSet) = 0x0106 1 "market.simulated_venue_set",
                /// An order of someone's.
                BookOrderObserved(BookOrderObserved) = 0x0107 1 "market.book_order",
                /// The venue's mark price.
                MarkObserved(MarkObserved) = 0x0108 1 "market.mark",
                /// Which price marks positions.
                MarkSourceSet(MarkSourceSet) = 0x0109 1 "market.mark_source_set",
                /// The state of a market.
                SessionSet(SessionSet) = 0x010A 1 "market.session_set",
                /// A venue.
                VenueDefined(VenueDefined) = 0x010B 1 "market.venue_defined",
                /// Where orders go.
                RouteSet(RouteSet) = 0x010C 1 "market.route_set",
                /// The way to a venue.
                VenueStateObserved(VenueStateObserved) = 0x010D 1 "market.venue_state",
                /// What the way to the simulated venue takes.
                VenueLatencySet(VenueLatencySet) = 0x010E 1 "market.venue_latency_set",
                /// A measured latency.
                LatencyRecorded(LatencyRecorded) = 0x010F 1 "market.latency_recorded",
                /// The prices at which an exchange of our own trades.
                PriceBandSet(PriceBandSet) = 0x0110 1 "market.price_band_set",
                /// A strategy.
                StrategyDefined(StrategyDefined) = 0x0201 1 "signal.strategy_defined",
                /// A limit.
                LimitSet(LimitSet) = 0x0301 1 "risk.limit_set",
                /// A kill switch.
                KillSwitchSet(KillSwitchSet) = 0x0302 1 "risk.kill_switch_set",
                /// What may be done.
                TradingStateSet(TradingStateSet) = 0x0303 1 "risk.trading_state_set",
                /// A breaker is armed again.
                BreakerReset(BreakerReset) = 0x0304 1 "risk.breaker_reset",
                /// A new order.
                NewOrder(NewOrder) = 0x0401 1 "order.new",
                /// A cancel.
                CancelOrder(CancelOrder) = 0x0402 1 "order.cancel",
                /// The venue's word on an order.
                OrderReported(OrderReported) = 0x0403 1 "order.reported",
                /// A replace.
                ReplaceOrder(ReplaceOrder) = 0x0404 1 "order.replace",
                /// A mass cancel.
                MassCancel(MassCancel) = 0x0405 1 "order.mass_cancel",
                /// The venue has replaced an order.
                ReplaceReported(ReplaceReported) = 0x0406 1 "order.replace_reported",
                /// The venue states an open order.
                VenueOrderStated(VenueOrderStated) = 0x0407 1 "order.stated",
                /// The venue's fill.
                FillReported(FillReported) = 0x0501 1 "fill.reported",
                /// The venue takes a fill back.
                TradeBusted(TradeBusted) = 0x0502 1 "fill.trade_busted",
                /// The venue corrects a fill.
                TradeCorrected(TradeCorrected) = 0x0503 1 "fill.trade_corrected",
                /// Funding.
                FundingApplied(FundingApplied) = 0x0601 1 "position.funding",
                /// The venue states a position.
                VenuePositionStated(VenuePositionStated) = 0x0602 1 "position.stated",
                /// An account.
                AccountDefined(AccountDefined) = 0x0701 1 "account.defined",
                /// A currency.
                CurrencyDefined(CurrencyDefined) = 0x0702 1 "account.currency_defined",
                /// A deposit or withdrawal.
                CashTransferred(CashTransferred) = 0x0703 1 "account.cash_transferred",
                /// What an account may do.
                AccountStateSet(AccountStateSet) = 0x0704 1 "account.state_set",
                /// What a currency is worth.
                ConversionSet(ConversionSet) = 0x0705 1 "account.conversion_set",
                /// The reference currency.
                ReferenceCurrencySet(ReferenceCurrencySet) = 0x0706 1 "account.reference_currency_set",
                /// The venue states a balance.
                VenueBalanceStated(VenueBalanceStated) = 0x0707 1 "account.balance_stated",
                /// The rules version.
                RulesActivated(RulesActivated) = 0x0801 1 "system.rules_activated",
                /// A dictionary text.
                TextDefined(TextDefined) = 0x0802 1 "system.text_defined",
                /// Time moves.
                TimeAdvanced(TimeAdvanced) = 0x0803 1 "system.time_advanced",
                /// A long effect goes on.
                Continue(Continue) = 0x0804 1 "system.continue",
                /// How the process is.
                HealthObserved(HealthObserved) = 0x0805 2 "system.health",
                /// A timer is due.
                TimerFired(TimerFired) = 0x0806 1 "system.timer_fired",
                /// The venue's view begins.
                ReconcileStarted(ReconcileStarted) = 0x0807 1 "system.reconcile_started",
                /// The venue's view is complete.
                ReconcileEnded(ReconcileEnded) = 0x0808 1 "system.reconcile_ended",
                /// A request that could not become a command.
                RequestRefused(RequestRefused) = 0x0809 1 "system.request_refused",
                /// A free-form event.
                StreamAppended(StreamAppended) = 0x0901 1 "stream.appended",
            }
        }
    };
}
for_each_command!(record_types);

impl Command {
    /// The stream it belongs to; `sequence` is its own. A new order opens the stream of the order it becomes.
    pub fn stream(&self, sequence: Sequence) -> Stream {
        match self {
            Self::QuoteObserved(payload) => Stream::instrument(payload.instrument),
            Self::TradeObserved(payload) => Stream::instrument(payload.instrument),
            Self::BookDelta(payload) => Stream::instrument(payload.instrument),
            Self::MarketGapObserved(payload) => Stream::instrument(payload.instrument),
            Self::InstrumentDefined(payload) => Stream::instrument(payload.instrument),
            Self::SimulatedVenueSet(payload) => Stream::instrument(payload.instrument),
            Self::BookOrderObserved(payload) => Stream::instrument(payload.instrument),
            Self::MarkObserved(payload) => Stream::instrument(payload.instrument),
            Self::MarkSourceSet(payload) => Stream::instrument(payload.instrument),
            Self::SessionSet(payload) => Stream::instrument(payload.instrument),
            Self::RouteSet(payload) => Stream::instrument(payload.instrument),
            Self::VenueLatencySet(payload) => Stream::instrument(payload.instrument),
            Self::LatencyRecorded(payload) => Stream::instrument(payload.instrument),
            Self::PriceBandSet(payload) => Stream::instrument(payload.instrument),
            Self::FundingApplied(payload) => Stream::instrument(payload.instrument),
            Self::StrategyDefined(payload) => Stream::strategy(payload.strategy),
            Self::ReplaceOrder(payload) => Stream::account(payload.account),
            Self::ReplaceReported(payload) => Stream::order(payload.order),
            Self::VenueOrderStated(payload) => Stream::account(payload.account),
            Self::TradeBusted(payload) => Stream::order(payload.order),
            Self::TradeCorrected(payload) => Stream::order(payload.order),
            Self::VenuePositionStated(payload) => Stream::account(payload.account),
            Self::VenueBalanceStated(payload) => Stream::account(payload.account),
            Self::AccountStateSet(payload) => Stream::account(payload.account),
            Self::ReconcileStarted(payload) => Stream::account(payload.account),
            Self::NewOrder(_) => Stream::order(OrderId(sequence.0)),
            Self::CancelOrder(payload) => Stream::account(payload.account),
            Self::OrderReported(payload) => Stream::order(payload.order),
            Self::FillReported(payload) => Stream::order(payload.order),
            Self::AccountDefined(payload) => Stream::account(payload.account),
            Self::CashTransferred(payload) => Stream::account(payload.account),
            Self::StreamAppended(payload) => Stream::free(payload.stream),
            Self::LimitSet(_)
            | Self::KillSwitchSet(_)
            | Self::TradingStateSet(_)
            | Self::BreakerReset(_)
            | Self::MassCancel(_)
            | Self::VenueDefined(_)
            | Self::VenueStateObserved(_)
            | Self::ConversionSet(_)
            | Self::ReferenceCurrencySet(_)
            | Self::TimerFired(_)
            | Self::ReconcileEnded(_)
            | Self::RequestRefused(_)
            | Self::CurrencyDefined(_)
            | Self::RulesActivated(_)
            | Self::TextDefined(_)
            | Self::TimeAdvanced(_)
            | Self::Continue(_)
            | Self::HealthObserved(_) => Stream::SYSTEM,
        }
    }
}
