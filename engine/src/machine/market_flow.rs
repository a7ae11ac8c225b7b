//! Market data: the market learns, then the strategies that watch it speak.

use super::{Machine, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::INSTRUMENTS_MAX;
use crate::risk::self_trade::MAKERS_MAX;
use crate::signals::Observation;
use tickwerk_domain::command::{
    BookOrderObserved, MarketGapObserved, NewOrder, QuoteObserved, TradeObserved,
};
use tickwerk_domain::event::SignalChanged;
use tickwerk_domain::{
    BookAction, BookDelta, Event, InstrumentId, Level, Qty, Reject, Side, Stamp, StrategyId,
};

/// Events that one strategy may cause with one observation: a signal, an approval or refusal, an order, and cancels of
/// orders that give way to it.
const EVENTS_PER_STRATEGY_MAX: usize = 4 + MAKERS_MAX;

impl Machine {
    pub(super) fn on_quote(&mut self, stamp: Stamp, quote: &QuoteObserved, out: &mut EventBuffer) -> u64 {
        let Some(version) = self.begin_market(quote.instrument) else {
            self.refuse(&(*quote).into(), Reject::UnknownInstrument, i64::from(quote.instrument.0), out);
            return 0;
        };
        self.news_of(quote.instrument).on_quote(quote);
        self.end_market(quote.instrument, None, out);
        self.show_touch(stamp, quote.instrument, out);
        version
    }

    pub(super) fn on_trade(&mut self, stamp: Stamp, trade: &TradeObserved, out: &mut EventBuffer) -> u64 {
        let Some(version) = self.begin_market(trade.instrument) else {
            self.refuse(&(*trade).into(), Reject::UnknownInstrument, i64::from(trade.instrument.0), out);
            return 0;
        };
        self.news_of(trade.instrument).on_trade(trade);
        self.end_market(trade.instrument, None, out);
        self.show(stamp, trade.instrument, Observation::Trade { price: trade.price, qty: trade.qty }, out);
        version
    }

    pub(super) fn on_delta(&mut self, stamp: Stamp, delta: &BookDelta, out: &mut EventBuffer) -> u64 {
        let Some(version) = self.begin_market(delta.instrument) else {
            self.refuse(&(*delta).into(), Reject::UnknownInstrument, i64::from(delta.instrument.0), out);
            return 0;
        };
        let event = self.news_of(delta.instrument).on_delta(delta);
        self.end_market(delta.instrument, event, out);
        if delta.is_last() {
            self.show_touch(stamp, delta.instrument, out);
        }
        version
    }

    /// An order of someone's came, changed or left, in a market that is told order by order.
    pub(super) fn on_book_order(
        &mut self,
        stamp: Stamp,
        order: &BookOrderObserved,
        out: &mut EventBuffer,
    ) -> u64 {
        let Some(version) = self.begin_market(order.instrument) else {
            self.refuse(&(*order).into(), Reject::UnknownInstrument, i64::from(order.instrument.0), out);
            return 0;
        };
        self.news_of(order.instrument);
        let market = &mut self.markets[order.instrument.0 as usize];
        let event = market.on_book_order(order, &mut self.order_books);
        let is_taken = market.takes_book_orders();
        let Level { price, qty } = market.last_trade;
        self.end_market(order.instrument, event, out);
        if is_taken && order.action == BookAction::Execute {
            self.show(stamp, order.instrument, Observation::Trade { price, qty }, out);
        }
        if is_taken && order.is_last {
            self.show_touch(stamp, order.instrument, out);
        }
        version
    }

    pub(super) fn on_gap(&mut self, gap: &MarketGapObserved, out: &mut EventBuffer) -> u64 {
        let Some(version) = self.begin_market(gap.instrument) else {
            self.refuse(&(*gap).into(), Reject::UnknownInstrument, i64::from(gap.instrument.0), out);
            return 0;
        };
        let event = self.market_mut(gap.instrument).on_gap(gap);
        self.end_market(gap.instrument, event, out);
        version
    }

    fn begin_market(&mut self, instrument: InstrumentId) -> Option<u64> {
        if !is_in_range(instrument.0, INSTRUMENTS_MAX) || self.instrument(instrument).is_none() {
            return None;
        }
        let market = &mut self.markets[instrument.0 as usize];
        market.version += 1;
        Some(market.version)
    }

    fn end_market(&mut self, instrument: InstrumentId, event: Option<Event>, out: &mut EventBuffer) {
        let market = &mut self.markets[instrument.0 as usize];
        if let Some(event) = event {
            market.version += 1;
            out.push(market.version, event);
        }
        market.rehash(&mut self.digest);
        self.look_at_triggers(instrument);
        self.arm_mark(instrument);
    }

    /// A market that is heard of; a gap is no news.
    fn news_of(&mut self, instrument: InstrumentId) -> &mut crate::market::Market {
        let now = self.now;
        let market = self.market_mut(instrument);
        market.observed_at = now;
        market
    }

    /// A market to be changed: what was worked out at its mark is to be looked at again.
    #[inline]
    pub(super) fn market_mut(&mut self, instrument: InstrumentId) -> &mut crate::market::Market {
        self.memo.note_move(instrument);
        &mut self.markets[instrument.0 as usize]
    }

    fn show_touch(&mut self, stamp: Stamp, instrument: InstrumentId, out: &mut EventBuffer) {
        let market = self.market(instrument);
        if market.touch.is_two_sided() && !market.is_stale() {
            let (bid, ask) = (market.touch.bid.price, market.touch.ask.price);
            self.show(stamp, instrument, Observation::Touch { bid, ask }, out);
        }
    }

    /// Shows an observation to the strategies that watch the instrument, in order of number.
    fn show(
        &mut self,
        stamp: Stamp,
        instrument: InstrumentId,
        observation: Observation,
        out: &mut EventBuffer,
    ) {
        let mut rest = self.watchers[instrument.0 as usize];
        while rest != 0 {
            let index = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            // A strategy that finds no room left for its order speaks with the next observation.
            if out.room() > EVENTS_PER_STRATEGY_MAX {
                self.run_strategy(stamp, index, observation, out);
            }
        }
    }

    fn run_strategy(&mut self, stamp: Stamp, index: usize, observation: Observation, out: &mut EventBuffer) {
        let Some(slot) = &mut self.strategies[index] else {
            return;
        };
        let strategy = StrategyId(u32::try_from(index).expect("tables are small"));
        let signal = slot.strategy.observe(observation);
        if let Some(signal) = signal {
            slot.direction = signal.direction;
            slot.retries = true;
            slot.version += 1;
            let (fast, slow, strength, direction) =
                (signal.fast, signal.slow, signal.strength, signal.direction);
            let instrument = slot.instrument;
            out.push(slot.version, SignalChanged { fast, slow, strength, strategy, instrument, direction });
        }
        let wanted =
            slot.strategy.target(slot.direction).saturating_sub(slot.held).saturating_sub(slot.pending);
        if slot.retries && slot.pending == 0 {
            slot.retries = false;
            if wanted != 0 {
                let side = if wanted > 0 { Side::Buy } else { Side::Sell };
                let qty = Qty(wanted.saturating_abs());
                let order = NewOrder::market(slot.account, slot.instrument, side, qty);
                self.strategy_order(stamp, strategy, &order, out);
            }
        }
        self.rehash_strategy(index);
    }
}
