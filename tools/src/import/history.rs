//! What happened elsewhere as frames: a fold over all rows in their order.
//!
//! | row | frames |
//! |---|---|
//! | order | `order.new` with `order.submitted`; `order.reported` with `order.accepted`; at its end another report |
//! | fill | `fill.reported` with the order's, the position's and the ledger's events; before it, an order of its own where it names none |
//! | amendment | `order.replace_reported` with `order.replaced`, and `order.filled` where nothing is left |
//! | transfer | `account.cash_transferred` with `account.posted` |
//! | funding | `position.funding` with `position.funding_posted` and `account.posted` |
//! | position | `position.stated`; where it opens, with `position.changed` and the asset posted |
//! | balance | `account.balance_stated`; where it opens, with `account.posted` |
//! | trade, candle | `market.trade` |
//! | quote | `market.quote` |
//!
//! Invariant: the same rows give the same frames; a row that is refused changes nothing. An order whose fills do not add up
//! to what it says counts as refused, once, and stands as its fills have it.

mod amendments;
mod fills;
mod stated;

use super::book::Book;
use super::frames::{Frames, ImportFrame, Origin};
use super::mark;
use super::orders::{Open, Orders, asked};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use tickwerk_domain::command::{
    AccountDefined, CurrencyDefined, NewOrder, OrderReported, QuoteObserved, StrategyDefined, TextDefined,
    TradeObserved,
};
use tickwerk_domain::event::{OrderAccepted, OrderCanceled, OrderExpired, OrderRejected, OrderSubmitted};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Event, OrderId, Qty, ReportKind, SourceId, StrategyId, TextBytes, TextId,
    TimeNs, VenueId, format_decimal,
};
use tickwerk_import::{
    Entry, Fault, FinalStatus, OrderRow, Part, Place, Plan, Planned, QuoteRow, Refusal, Refusals, Strategy,
    TradeRow,
};

/// Takes frames, in order.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(&ImportFrame) -> Result<()>;

/// What a fold came to.
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) book: Book,
    pub(crate) refusals: Refusals,
    /// Refused rows of each source, of this pass.
    pub(crate) refused: Vec<u64>,
    pub(crate) orders: u64,
    pub(crate) open_orders: u64,
    pub(crate) market_trades: u64,
    pub(crate) quotes: Quotes,
    /// Records that the journal has with all of it.
    pub(crate) records: u64,
    /// Times of the first and the last row that was taken.
    pub(crate) first: TimeNs,
    pub(crate) last: TimeNs,
}

/// Quotes of the market.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quotes {
    pub(crate) count: u64,
    /// Those whose bid is higher than their ask.
    pub(crate) crossed: u64,
}

/// Whoever goes over the rows.
pub(crate) struct History<'a> {
    plan: &'a Plan<'a>,
    source_names: Vec<&'a str>,
    frames: Frames,
    texts: BTreeMap<String, TextId>,
    orders: Orders,
    book: Book,
    refusals: Refusals,
    refused: Vec<u64>,
    /// Orders that were entered and refused later, by source and row.
    refused_orders: BTreeSet<(u16, u64)>,
    /// Rows that were taken and not refused.
    rows: u64,
    market_trades: u64,
    quotes: Quotes,
    /// Frames of the import itself.
    own: u64,
    /// Of the first row that was taken.
    first: TimeNs,
    time: TimeNs,
    made: Vec<ImportFrame>,
}

/// What to do about a value that does not fit.
const REMEDY_LARGE: &str = "mend the row, or take smaller scales";

impl<'a> History<'a> {
    pub(crate) fn new(plan: &'a Plan<'a>, source_names: Vec<&'a str>) -> Self {
        let texts = plan.names.texts().iter().cloned().zip((1..).map(TextId)).collect();
        let refused = vec![0; source_names.len()];
        Self {
            plan,
            source_names,
            frames: Frames::new(),
            texts,
            orders: Orders::default(),
            book: Book::default(),
            refusals: plan.refusals.clone(),
            refused,
            refused_orders: BTreeSet::new(),
            rows: 0,
            market_trades: 0,
            quotes: Quotes::default(),
            own: 0,
            first: TimeNs::UNKNOWN,
            time: TimeNs::UNKNOWN,
            made: Vec::new(),
        }
    }

    /// Goes over all rows. Ends early where more are refused than are borne, unless `all` are wanted. What stands before
    /// the rows is stamped with `first`, the time of the first one that is taken, which a fold before this one has found.
    pub(crate) fn fold(
        mut self,
        beginning: &str,
        first: TimeNs,
        all: bool,
        sink: Sink<'_>,
    ) -> Result<Folded> {
        let mut parts = self.plan.parts()?;
        let mut planned = parts.next()?;
        self.time = first;
        self.push_own(mark::record(beginning), Some(beginning));
        self.define();
        while let Some(part) = planned {
            let is_refused = !self.step(&part);
            if is_refused && !all && !self.refusals.is_borne() {
                break;
            }
            for frame in self.made.drain(..) {
                sink(&frame)?;
            }
            planned = parts.next()?;
        }
        self.look_at_the_rest();
        let end = mark::end(self.rows, self.refusals.count()).to_string();
        self.push_own(mark::record(&end), Some(&end));
        for frame in self.made.drain(..) {
            sink(&frame)?;
        }
        Ok(Folded {
            book: self.book,
            refusals: self.refusals,
            refused: self.refused,
            orders: self.orders.count,
            open_orders: self.orders.left().len() as u64,
            market_trades: self.market_trades,
            quotes: self.quotes,
            records: self.frames.next().0 - 1,
            first: self.first,
            last: self.time,
        })
    }

    /// Takes a part of a row or refuses it; whether it was taken.
    fn step(&mut self, part: &Planned) -> bool {
        let (before, made) = (self.time, self.made.len());
        self.time = part.time;
        let taken = self.take(part);
        if self.made.len() == made {
            // The time of a row that left nothing stamps nothing.
            self.time = before;
        } else if self.first == TimeNs::UNKNOWN {
            self.first = part.time;
        }
        match taken {
            Ok(()) => {
                self.rows += u64::from(!matches!(part.part, Part::OrderEnd | Part::Trade(1..)));
                return true;
            }
            Err(fault) if part.part == Part::OrderEnd => self.refuse_order(part.place, fault),
            Err(fault) => self.refuse(part.place, fault),
        }
        false
    }

    fn refuse(&mut self, place: Place, fault: Fault) {
        self.refused[usize::from(place.source)] += 1;
        // Whether it is borne is asked where that matters.
        let _is_borne = self.refusals.note(self.refusal(place, fault));
    }

    /// Refuses an order that was entered. It may have more than one fault, and is one row.
    fn refuse_order(&mut self, place: Place, fault: Fault) {
        if self.refused_orders.insert((place.source, place.row)) {
            self.rows -= 1;
            self.refuse(place, fault);
        } else {
            let _is_kept = self.refusals.note_again(self.refusal(place, fault));
        }
    }

    fn refusal(&self, place: Place, fault: Fault) -> Refusal {
        Refusal { source: self.source_names[usize::from(place.source)].to_owned(), place, fault }
    }

    /// A frame of what the import says itself.
    fn push_own(&mut self, command: impl Into<Command>, opaque: Option<&str>) {
        self.own += 1;
        let origin = Origin { time: self.time, is_told: false, source: SourceId::IMPORT, number: self.own };
        let frame = self.frames.frame(origin, command, Vec::new(), opaque);
        self.made.push(frame);
    }

    /// A frame of a row.
    fn push(&mut self, place: Place, command: impl Into<Command>, events: Vec<Event>, opaque: Option<&str>) {
        let source = SourceId(SourceId::IMPORT.0 + 1 + place.source);
        let origin = Origin { time: self.time, is_told: true, source, number: place.row };
        let frame = self.frames.frame(origin, command, events, opaque);
        self.made.push(frame);
    }

    fn define(&mut self) {
        let plan = self.plan;
        for (text, id) in plan.names.texts().iter().zip((1..).map(TextId)) {
            self.define_text(id, text);
        }
        for (currency, number) in plan.names.currencies().iter().zip(1..) {
            let (code, scale) = (currency.code, currency.scale);
            self.push_own(CurrencyDefined { currency: CurrencyId(number), code, scale }, None);
        }
        for instrument in plan.names.instruments() {
            self.push_own(*instrument, None);
        }
        for (account, number) in plan.names.accounts().iter().zip(1..) {
            let (name, mode) = (account.name, account.mode);
            self.push_own(AccountDefined { account: AccountId(number), name, mode }, None);
        }
        for (strategy, number) in plan.names.strategies().iter().zip(1..) {
            let Strategy { name, account, instrument } = *strategy;
            let strategy = StrategyId(number);
            // Of none of the kinds that act here.
            let (kind, parameters, enabled) = (0, [0; 8], false);
            let defined = StrategyDefined { parameters, strategy, name, account, instrument, kind, enabled };
            self.push_own(defined, None);
        }
    }

    fn define_text(&mut self, text_id: TextId, text: &str) {
        let text = TextBytes::new(text).expect("texts of an import are looked at when they are read");
        self.push_own(TextDefined { text_id, text }, None);
    }

    fn text(&mut self, text: &str) -> TextId {
        if let Some(id) = self.texts.get(text) {
            return *id;
        }
        let id = TextId(u32::try_from(self.texts.len() + 1).expect("texts fit memory"));
        self.texts.insert(text.to_owned(), id);
        self.define_text(id, text);
        id
    }

    fn take(&mut self, planned: &Planned) -> Result<(), Fault> {
        let orders = &self.orders;
        let entry = self.plan.entry(planned, &|id| orders.instrument(id))?;
        match entry {
            Entry::Order(order) if planned.part == Part::OrderEnd => self.end_order(planned, &order),
            Entry::Order(order) => {
                self.order(planned, order);
                Ok(())
            }
            Entry::Amendment(amendment) => self.amend(planned, &amendment),
            Entry::Fill(fill) => self.fill(planned, &fill),
            Entry::Transfer(transfer) => {
                self.transfer(planned, &transfer);
                Ok(())
            }
            Entry::Funding(funding) => self.funding(planned, &funding),
            Entry::Position(position) => self.position(planned, &position),
            Entry::Balance(balance) => self.balance(planned, &balance),
            Entry::Trade(trade) => {
                self.trade(planned, trade);
                Ok(())
            }
            Entry::Candle(trades) => {
                if let Part::Trade(number) = planned.part
                    && let Some(trade) = trades.get(usize::from(number))
                {
                    self.trade(planned, *trade);
                }
                Ok(())
            }
            Entry::Quote(quote) => {
                self.quote(planned, &quote);
                Ok(())
            }
        }
    }

    /// An order's entry: on its way, and at the venue unless that refused it.
    fn enter(
        &mut self,
        place: Place,
        (asked, strategy): (NewOrder, StrategyId),
        venue_order_id: u64,
        is_accepted: bool,
        opaque: Option<&str>,
    ) -> OrderId {
        let order = OrderId(self.frames.next().0);
        self.orders.count += 1;
        let submitted = OrderSubmitted::new(order, strategy, VenueId::NONE, &asked);
        self.push(place, asked, vec![Event::OrderSubmitted(submitted)], opaque);
        if is_accepted {
            let accepted = vec![Event::OrderAccepted(OrderAccepted { order, venue_order_id })];
            self.push(place, reported(order, venue_order_id, ReportKind::Accepted), accepted, None);
        }
        order
    }

    fn order(&mut self, planned: &Planned, row: OrderRow) {
        let is_accepted = row.status != FinalStatus::Rejected;
        // The source's id lies beside the command where the client's name is another.
        let is_told = row.client_order_id.as_str() == row.id;
        let opaque = (!is_told).then_some(row.id.as_str());
        let entered = (asked(&row), row.strategy);
        let order = self.enter(planned.place, entered, row.venue_order_id, is_accepted, opaque);
        let open = Open {
            order,
            ordinal: self.orders.count,
            account: row.account,
            instrument: row.instrument,
            side: row.side,
            position_effect: row.position_effect,
            order_type: row.order_type,
            qty: row.qty,
            price: row.price,
            trigger_price: row.trigger_price,
            cum_qty: Qty::ZERO,
            cum_value: 0,
            cum_fee: 0,
            status: row.status,
            filled_qty: row.filled_qty,
            venue_order_id: row.venue_order_id,
            place: planned.place,
        };
        self.orders.insert(row.id, open);
    }

    fn end_order(&mut self, planned: &Planned, row: &OrderRow) -> Result<(), Fault> {
        let Some(open) = self.orders.end(&row.id) else {
            if self.orders.was_full(&row.id) {
                let remedy = "mend the status, or the fills";
                return Err(self.plan.fault(
                    planned,
                    "status",
                    "says so, but its fills add up to all of it",
                    remedy,
                ));
            }
            // The order itself was refused, and told.
            return Ok(());
        };
        let (order, cum_qty, reason) = (open.order, open.cum_qty, ReasonCode::default());
        let (kind, event) = match open.status {
            FinalStatus::Canceled => {
                (ReportKind::Canceled, Event::OrderCanceled(OrderCanceled { order, cum_qty, reason }))
            }
            FinalStatus::Expired => {
                (ReportKind::Expired, Event::OrderExpired(OrderExpired { order, cum_qty, reason }))
            }
            FinalStatus::Rejected | FinalStatus::Open | FinalStatus::Filled => {
                let (account, instrument) = (open.account, open.instrument);
                (
                    ReportKind::Rejected,
                    Event::OrderRejected(OrderRejected { order, account, instrument, reason }),
                )
            }
        };
        self.push(planned.place, reported(order, open.venue_order_id, kind), vec![event], None);
        self.frames.forget(order);
        match self.filled_fault(&open) {
            None => Ok(()),
            Some(reason) => {
                Err(self.plan.fault(planned, "filled_qty", reason, "mend the order, or its fills"))
            }
        }
    }

    /// Why the sum of an order's fills is not what the source says.
    fn filled_fault(&self, open: &Open) -> Option<String> {
        let filled = open.filled_qty.filter(|filled| *filled != open.cum_qty)?;
        let (told, found) = (self.qty(open, filled), self.qty(open, open.cum_qty));
        Some(format!("says that {told} was filled, but its fills add up to {found}"))
    }

    fn qty(&self, open: &Open, qty: Qty) -> String {
        format_decimal(i128::from(qty.0), self.plan.names.instrument(open.instrument).quantity_scale)
    }

    fn trade(&mut self, planned: &Planned, row: TradeRow) {
        let TradeRow { id, instrument, price, qty, aggressor, .. } = row;
        self.market_trades += 1;
        self.book.trade(instrument, price);
        self.push(
            planned.place,
            TradeObserved { trade_id: id, price, qty, instrument, aggressor },
            Vec::new(),
            None,
        );
    }

    fn quote(&mut self, planned: &Planned, row: &QuoteRow) {
        self.quotes.count += 1;
        self.quotes.crossed += u64::from(row.touch().is_some_and(|(bid, ask)| bid > ask));
        self.book.quote(row);
        let (bid_price, bid_qty) = row.bid;
        let (ask_price, ask_qty) = row.ask;
        let (update_id, instrument) = (row.id, row.instrument);
        let observed = QuoteObserved { update_id, bid_price, bid_qty, ask_price, ask_qty, instrument };
        self.push(planned.place, observed, Vec::new(), None);
    }

    /// What orders that have not ended should have been filled.
    fn look_at_the_rest(&mut self) {
        let mut found = Vec::new();
        for (id, open) in self.orders.left() {
            let place = open.place;
            if open.status == FinalStatus::Filled {
                let (all, sum) = (self.qty(open, open.qty), self.qty(open, open.cum_qty));
                let reason = format!("is filled, but its fills add up to {sum} of {all}");
                found.push((
                    place,
                    Fault::new("status", id, reason, "add the fills that are missing, or mend the status"),
                ));
            } else if let Some(reason) = self.filled_fault(open) {
                found.push((place, Fault::new("filled_qty", id, reason, "mend the order, or its fills")));
            }
        }
        for (place, fault) in found {
            self.refuse_order(place, fault);
        }
    }
}

fn reported(order: OrderId, venue_order_id: u64, kind: ReportKind) -> OrderReported {
    OrderReported { order, venue_order_id, kind, reason: ReasonCode::default() }
}
