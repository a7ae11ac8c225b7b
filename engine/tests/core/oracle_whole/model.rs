//! State of the model: plain maps and vectors, and sums that are added up each time they are asked for.
//!
//! [`Model::apply`] says which events a command must cause. All amounts are bare numbers in the units of the engine.

use super::super::desk::{BTC, INVERSE, LINEAR, SPOT, USD, instrument};
use super::super::oracle_position::half_even;
use super::markets::Market;
use super::money::{BASE_FACTOR, Position, part, posted, sides};
use super::risk::Watched;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tickwerk_domain::command::{FillReported, NewOrder};
use tickwerk_domain::event::{CommandRefused, LedgerBook};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, AccountState, Command, Contingency, CurrencyId, Event, FillState, HoldReason, Instrument,
    InstrumentId, InstrumentKind, OrderId, OrderStatus, PositionEffect, PositionMode, PositionSide, Rate,
    Reject, Side, TextId, TradingState, VenueId,
};

/// Whose position in what.
pub(super) type Place = (AccountId, InstrumentId, PositionSide);
/// Whom a setting is for; 0 for all.
pub(super) type Scope = (AccountId, InstrumentId);

/// Terms that were asked for and that the venue has not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) price: i64,
    pub(super) qty: i64,
    pub(super) trigger: i64,
    pub(super) display: i64,
    pub(super) reserve_price: i64,
    /// Whether the core asks by itself.
    pub(super) is_own: bool,
}

/// What is due to an order at the end of the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    Resize,
    Leave,
    Release,
    Expire,
    Cancel(Reject),
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "marks that come and go by themselves")]
pub(super) struct Order {
    pub(super) id: OrderId,
    pub(super) asked: NewOrder,
    pub(super) position_side: PositionSide,
    pub(super) venue: VenueId,
    pub(super) status: OrderStatus,
    pub(super) reason: ReasonCode,
    pub(super) price: i64,
    pub(super) qty: i64,
    pub(super) filled: i64,
    pub(super) value: i128,
    pub(super) fees: i128,
    pub(super) trigger: i64,
    pub(super) display: i64,
    pub(super) expires_at: u64,
    pub(super) is_accepted: bool,
    pub(super) is_cancel_pending: bool,
    pub(super) hold: Option<HoldReason>,
    pub(super) replacement: Option<Asked>,
    /// Whether it counts in exposure and in what is tied up.
    pub(super) is_counted: bool,
    /// Taken out of all sums while it is checked anew.
    pub(super) is_out: bool,
    pub(super) is_fired: bool,
    /// Whether the venue watches its trigger.
    pub(super) is_native: bool,
    pub(super) refused_cancel: bool,
    pub(super) due: Option<Due>,
    /// What others have taken from it that it has not lost yet.
    pub(super) lost: i64,
    /// The price that it ties up money at.
    pub(super) reserve_price: i64,
    /// What the client wants, whatever its parent and siblings leave of it.
    pub(super) wanted: i64,
    /// Whether its parent was filled late, so that it may become larger.
    pub(super) may_grow: bool,
    /// Whether it waits for a chance in its market.
    pub(super) is_waiting: bool,
    /// The venue is not asked again before this.
    pub(super) retry_at: u64,
    /// The command that asked the venue to cancel or replace it last.
    pub(super) requested_at: u64,
    /// The highest id of its executions.
    pub(super) execution_id: u64,
}

impl Order {
    pub(super) fn place(&self) -> Place {
        (self.asked.account, self.asked.instrument, self.position_side)
    }

    pub(super) fn left(&self) -> i64 {
        if self.status.is_done() { 0 } else { self.qty - self.filled }
    }

    /// What is left at worst: a larger quantity on its way counts.
    fn left_at_worst(&self) -> i64 {
        self.left() + self.replacement.map_or(0, |new| (new.qty - self.qty).max(0))
    }

    pub(super) fn must_reduce(&self) -> bool {
        self.asked.reduce_only || self.asked.position_effect == PositionEffect::Close
    }

    /// Whether it only leads out of a position, or out of what its parent opened.
    pub(super) fn is_exit(&self) -> bool {
        matches!(self.asked.contingency, Contingency::Child | Contingency::BracketExit) || self.must_reduce()
    }

    /// Whether a replace on its way asks for more than it has today: it is not done when that is filled.
    pub(super) fn awaits_more(&self) -> bool {
        self.replacement.is_some_and(|new| new.qty > self.qty)
    }

    /// Whether it waits in the core for a price.
    pub(super) fn waits_for_price(&self) -> bool {
        self.status == OrderStatus::Held && self.hold == Some(HoldReason::Trigger) && !self.is_fired
    }

    /// As what it leaves the core.
    pub(super) fn as_sent(&self) -> NewOrder {
        NewOrder {
            order_type: self.asked.order_type.once_triggered(),
            price: tickwerk_domain::Price(self.price),
            qty: tickwerk_domain::Qty(self.left()),
            quantity_in_quote: false,
            ..self.asked
        }
    }

    /// What it ties up, where it is for spot.
    fn tied_up(&self, of: &Instrument) -> i128 {
        let needed = |price: i64, left: i64| match self.asked.side {
            _ if left <= 0 => 0,
            Side::Sell => i128::from(left) * BASE_FACTOR,
            Side::Buy => spot_cost(of, price, left),
        };
        if !self.is_counted || self.is_out || self.status.is_done() {
            return 0;
        }
        let later = self.replacement.map_or(0, |new| needed(new.reserve_price, new.qty - self.filled));
        needed(self.reserve_price, self.left()).max(later)
    }
}

/// What a spot buy costs with the higher fee.
pub(super) fn spot_cost(of: &Instrument, price: i64, qty: i64) -> i128 {
    let rate = Rate(of.maker_fee.0.max(of.taker_fee.0).max(0));
    posted(of, price, qty) + part(of, price, qty, rate)
}

/// Linked orders.
#[derive(Clone, Default, Debug)]
pub(super) struct Group {
    /// Open ones, in order of entry.
    pub(super) members: Vec<OrderId>,
    pub(super) parent: Option<(InstrumentId, Side)>,
    pub(super) is_parent_done: bool,
    pub(super) parent_filled: i64,
    pub(super) exits_filled: i64,
    pub(super) is_spent: bool,
}

/// A fill as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    pub(super) told: FillReported,
    /// The fee in the settlement currency.
    pub(super) fee_counted: i128,
    pub(super) is_fee_counted: bool,
    pub(super) state: FillState,
}

pub(super) struct Account {
    pub(super) mode: PositionMode,
    pub(super) state: AccountState,
}

/// What went on, so that a run can tell that it met everything.
pub(super) type Counts = BTreeMap<&'static str, u64>;

#[derive(Default)]
pub(super) struct Model {
    pub(super) now: u64,
    pub(super) day_ends: u64,
    pub(super) out: Vec<Event>,
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) markets: BTreeMap<InstrumentId, Market>,
    pub(super) cash: BTreeMap<(AccountId, CurrencyId), i128>,
    pub(super) books: BTreeMap<(CurrencyId, LedgerBook), i128>,
    pub(super) positions: BTreeMap<Place, Position>,
    pub(super) orders: BTreeMap<OrderId, Order>,
    pub(super) open: BTreeSet<OrderId>,
    pub(super) names: BTreeMap<(AccountId, String), OrderId>,
    pub(super) groups: BTreeMap<(AccountId, u64), Group>,
    /// Those that are done, the longest done first.
    pub(super) done: VecDeque<OrderId>,
    pub(super) fills: BTreeMap<(OrderId, u64), Fill>,
    /// In the order in which they were booked.
    pub(super) booked: VecDeque<(OrderId, u64)>,
    /// Fills of orders up to this one may be forgotten.
    pub(super) forgotten: OrderId,
    pub(super) unmatched: VecDeque<(FillReported, ReasonCode)>,
    pub(super) unmatched_count: u64,
    pub(super) due: VecDeque<OrderId>,
    pub(super) firing: BTreeSet<InstrumentId>,
    pub(super) swept: BTreeSet<InstrumentId>,
    /// By kind and subject.
    pub(super) timers: BTreeMap<(u8, u64), u64>,
    pub(super) venues: BTreeMap<VenueId, (u64, bool)>,
    /// Commands that told that a connection is there again.
    pub(super) found: BTreeMap<VenueId, u64>,
    /// The command in hand.
    pub(super) sequence: u64,
    pub(super) routes: BTreeMap<InstrumentId, (VenueId, VenueId)>,
    pub(super) reference: CurrencyId,
    pub(super) rates: BTreeMap<CurrencyId, (Rate, InstrumentId)>,
    pub(super) limits: BTreeMap<(Scope, u8), i64>,
    pub(super) kills: BTreeSet<Scope>,
    pub(super) states: BTreeMap<Scope, TradingState>,
    pub(super) version: u64,
    pub(super) watched: BTreeMap<AccountId, Watched>,
    pub(super) fees_uncounted: BTreeMap<AccountId, i64>,
    pub(super) counts: Counts,
}

impl Model {
    pub(super) fn instrument(&self, id: InstrumentId) -> Option<Instrument> {
        self.markets.contains_key(&id).then(|| instrument(id))
    }

    pub(super) fn market(&self, id: InstrumentId) -> &Market {
        &self.markets[&id]
    }

    pub(super) fn mode(&self, account: AccountId) -> PositionMode {
        self.accounts.get(&account).map_or(PositionMode::Netting, |account| account.mode)
    }

    pub(super) fn order(&mut self, id: OrderId) -> &mut Order {
        self.orders.get_mut(&id).expect("an order that the model knows")
    }

    pub(super) fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.open.iter().map(|id| &self.orders[id])
    }

    /// Tells of something that happens.
    pub(super) fn tell(&mut self, event: impl Into<Event>) {
        let event = event.into();
        *self.counts.entry(event.event_type()).or_default() += 1;
        self.out.push(event);
    }

    pub(super) fn refuse(&mut self, command: &Command, reason: Reject, value: i64) {
        *self.counts.entry(reason.word()).or_default() += 1;
        let (reason, command_type) = (reason.code(), command.type_id().0);
        self.tell(CommandRefused { value, reason, command_type, text: TextId::NONE });
    }

    pub(super) fn position(&self, place: Place) -> Position {
        self.positions.get(&place).cloned().unwrap_or_default()
    }

    /// What open buys would add to a position, and open sells take.
    pub(super) fn open_of(&self, place: Place) -> (i64, i64) {
        let mine = self.open_orders().filter(|order| order.place() == place);
        mine.filter(|order| order.is_counted && !order.is_out).fold(
            (0, 0),
            |(buys, sells), order| match order.asked.side {
                Side::Buy => (buys + order.left_at_worst(), sells),
                Side::Sell => (buys, sells + order.left_at_worst()),
            },
        )
    }

    /// The position if all open buys, and if all open sells were filled.
    pub(super) fn worst_of(&self, place: Place) -> (i64, i64) {
        let (qty, (buys, sells)) = (self.position(place).qty, self.open_of(place));
        (qty + buys, qty - sells)
    }

    pub(super) fn count_open(&self, account: AccountId) -> u32 {
        let open = self.open_orders().filter(|order| order.asked.account == account && !order.is_out);
        u32::try_from(open.count()).expect("few")
    }

    pub(super) fn cash(&self, account: AccountId, currency: CurrencyId) -> i128 {
        self.cash.get(&(account, currency)).copied().unwrap_or(0)
    }

    /// What spot orders and the margins of contracts tie up.
    pub(super) fn reserved(&self, account: AccountId, currency: CurrencyId) -> i128 {
        let of = instrument(SPOT);
        let spot = self.open_orders().filter(|order| {
            let pays_in = if order.asked.side == Side::Buy { of.quote } else { of.base };
            (order.asked.account, order.asked.instrument, pays_in) == (account, SPOT, currency)
        });
        let spot: i128 = spot.map(|order| order.tied_up(&of)).sum();
        let settles = |id: InstrumentId| instrument(id).settlement == currency;
        let contracts =
            self.positions.iter().filter(|((of, id, _), _)| *of == account && *id != SPOT && settles(*id));
        spot + contracts.map(|(_, position)| position.margin).sum::<i128>()
    }

    pub(super) fn available(&self, account: AccountId, currency: CurrencyId) -> i128 {
        self.cash(account, currency) - self.reserved(account, currency)
    }

    /// What is free, less what contracts have lost.
    pub(super) fn spendable(&self, account: AccountId, currency: CurrencyId) -> i128 {
        self.available(account, currency) + self.profit_in(account, currency).min(0)
    }

    /// Margin of what a position is at worst, at a price.
    pub(super) fn margin_of(of: &Instrument, (long, short): (i64, i64), price: i64) -> i128 {
        match long.abs().max(short.abs()) {
            0 => 0,
            worst => part(of, price, worst, of.margin_rate).abs(),
        }
    }

    /// The price of margins: the mid, rounded towards zero.
    pub(super) fn margin_price(&self, id: InstrumentId, fallback: i64) -> i64 {
        let mid = self.market(id).reference_twice().map(|twice| twice / 2);
        mid.filter(|price| *price != 0).unwrap_or(fallback)
    }

    /// An order or a position has changed: contracts tie up margin for the worse of both sides.
    pub(super) fn tie_up(&mut self, place: Place, fallback: i64) {
        let of = instrument(place.1);
        let (price, worst) = (self.margin_price(place.1, fallback), self.worst_of(place));
        // Without any price it stays as it was, unless nothing is open.
        if of.kind != InstrumentKind::Spot && (price != 0 || worst == (0, 0)) {
            self.positions.entry(place).or_default().margin = Self::margin_of(&of, worst, price);
        }
    }

    pub(super) fn tie_up_for(&mut self, id: OrderId) {
        let (place, fallback) = (self.orders[&id].place(), self.orders[&id].reserve_price);
        self.tie_up(place, fallback);
    }

    /// What an amount is in the reference currency.
    pub(super) fn in_reference(&self, currency: CurrencyId, amount: i128) -> Option<i128> {
        let (numerator, denominator) = self.rate(currency, amount)?;
        Some(half_even(amount * numerator, denominator))
    }

    pub(super) fn out_of_reference(&self, currency: CurrencyId, amount: i128) -> Option<i128> {
        let (numerator, denominator) = self.rate(currency, amount)?;
        Some(half_even(amount * denominator, numerator))
    }

    /// Units of the reference currency, which is the dollar, for a unit of a currency: four decimals against eight.
    fn rate(&self, currency: CurrencyId, amount: i128) -> Option<(i128, i128)> {
        if amount == 0 {
            return Some((1, 1));
        }
        if currency == self.reference {
            return (currency == USD).then_some((1, 1));
        }
        let (rate, way) = self.rates.get(&currency)?;
        assert_eq!((currency, self.reference), (BTC, USD), "one pair of currencies");
        if way.is_none() {
            return Some((i128::from(rate.0), i128::from(Rate::ONE.0) * 10_000));
        }
        let (low, high) = self.market(*way).mark()?;
        // The price of the spot instrument has two decimals.
        Some((i128::from(low + high), 2 * 100 * 10_000))
    }

    /// Profit of an account's contracts in an instrument at its mark.
    fn profit(&self, account: AccountId, id: InstrumentId) -> i128 {
        let of_side = |side: &PositionSide| {
            self.position((account, id, *side)).unrealized(&instrument(id), self.market(id).mark())
        };
        sides(self.mode(account)).iter().map(of_side).sum()
    }

    /// Profit of contracts that settle in a currency.
    pub(super) fn profit_in(&self, account: AccountId, currency: CurrencyId) -> i128 {
        let settles = |id: &InstrumentId| instrument(*id).settlement == currency;
        [LINEAR, INVERSE].into_iter().filter(settles).map(|id| self.profit(account, id)).sum()
    }

    /// All balances, and the profit of contracts at their marks.
    pub(super) fn equity(&self, account: AccountId) -> Option<i128> {
        if self.reference.is_none() {
            return None;
        }
        let mut equity = 0;
        for currency in [USD, BTC] {
            equity += self.in_reference(currency, self.cash(account, currency))?;
        }
        for id in [LINEAR, INVERSE] {
            equity += self.in_reference(instrument(id).settlement, self.profit(account, id))?;
        }
        Some(equity)
    }
}
