//! The machine in a state image: a section for each store, and one for all that stands by itself.
//!
//! What follows from something else is made anew: watchers from strategies, what was worked out of positions and balances
//! from those. Nothing is taken on trust: rows are compared with their hashes, and their sum with the digest.

use super::conversion::Conversions;
use super::definitions::{hash_instrument, hash_text};
use super::mass_cancel::Scope;
use super::sessions::Sweep;
use super::venue_settings::RecordedLatencies;
use super::{Continuation, InstrumentSlot, Machine, StrategySlot, Venues, funding, valuation};
use crate::accounts::Accounts;
use crate::executions::{Executions, UnmatchedFills};
use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX, STRATEGIES_MAX, TEXTS_MAX};
use crate::market;
use crate::market::order_books::OrderBooks;
use crate::orders::Orders;
use crate::orders::triggers::Triggers;
use crate::positions::Positions;
use crate::reconciliation::Reconciliations;
use crate::risk::self_trade::Resting;
use crate::risk::settings::Settings;
use crate::risk::subjects::Subjects;
use crate::timers::Timers;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum, StoreFault, ensure};
use tickwerk_domain::{ContinueKind, InstrumentId, TextBytes};

tickwerk_domain::persist! {
    InstrumentSlot { definition, base_factor, row }
    StrategySlot {
        strategy, parameters, kind, name, account, instrument, is_enabled, direction, held, pending, retries, version,
        fixed_hash, row,
    }
    Scope { account, instrument, strategy, side }
    Continuation { kind, after, started_by, next, scope }
    Sweep { instruments, next }
}

impl Machine {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self {
            texts,
            instruments,
            markets,
            order_books,
            strategies,
            watchers: _,
            accounts,
            positions,
            orders,
            executions,
            unmatched_fills,
            reconciliations,
            settings,
            subjects,
            resting,
            memo: _,
            reducers,
            venues,
            triggers,
            firing,
            sweep,
            continuations,
            is_continuing: _,
            timers,
            conversions,
            latencies,
            funding,
            rules_version,
            system_version,
            last,
            now,
            day_ends,
            digest,
        } = self;
        to.section("texts", |to| to.table(texts, &no_text()));
        to.section("instruments", |to| to.table(instruments, &None));
        to.section("order books", |to| order_books.save(to));
        to.section("markets", |to| market::save(markets, to));
        to.section("strategies", |to| to.table(strategies, &None));
        to.section("accounts", |to| accounts.save(to));
        to.section("positions", |to| positions.save(to));
        to.section("orders", |to| orders.save(to));
        to.section("executions", |to| executions.save(to));
        to.section("unmatched fills", |to| unmatched_fills.save(to));
        to.section("reconciliations", |to| reconciliations.save(to));
        to.section("settings", |to| settings.save(to));
        to.section("subjects", |to| subjects.save(to));
        to.section("resting prices", |to| resting.save(to));
        to.section("venues", |to| venues.save(to));
        to.section("triggers", |to| triggers.save(to));
        to.section("timers", |to| timers.save(to));
        to.section("conversions", |to| conversions.save(to));
        to.section("latencies", |to| latencies.save(to));
        to.section("machine", |to| {
            to.table(reducers, &0);
            to.value(firing);
            to.value(sweep);
            to.value(continuations);
            to.value(funding);
            to.value(rules_version);
            to.value(system_version);
            to.value(last);
            to.value(now);
            to.value(day_ends);
            to.value(digest);
        });
    }

    pub(crate) fn load(from: &mut ImageReader<'_>) -> Result<Self, StoreFault> {
        let mut sum = RowSum::default();
        let sum = &mut sum;
        let texts = from.section("texts", |from| load_texts(from, sum))?;
        let instruments = from.section("instruments", |from| load_instruments(from, sum))?;
        let order_books = from.section("order books", OrderBooks::load)?;
        let markets =
            from.section("markets", |from| market::load(INSTRUMENTS_MAX, &order_books, from, sum))?;
        let strategies = from.section("strategies", |from| from.table(vec![None; STRATEGIES_MAX].into()))?;
        let accounts = from.section("accounts", |from| Accounts::load(from, sum))?;
        let positions = from.section("positions", |from| Positions::load(from, sum))?;
        let orders = from.section("orders", |from| Orders::load(from, sum))?;
        let executions = from.section("executions", |from| Executions::load(from, sum))?;
        let unmatched_fills = from.section("unmatched fills", |from| UnmatchedFills::load(from, sum))?;
        let reconciliations = from.section("reconciliations", |from| Reconciliations::load(from, sum))?;
        let settings = from.section("settings", |from| Settings::load(from, sum))?;
        let subjects = from.section("subjects", |from| Subjects::load(from, sum))?;
        let resting = from.section("resting prices", Resting::load)?;
        let venues = from.section("venues", |from| Venues::load(from, sum))?;
        let triggers = from.section("triggers", |from| Triggers::load(&orders, from))?;
        let timers = from.section("timers", |from| Timers::load(from, sum))?;
        let conversions = from.section("conversions", |from| Conversions::load(from, sum))?;
        let latencies = from.section("latencies", |from| RecordedLatencies::load(from, sum))?;
        from.section("machine", |from| {
            let mut machine = Self {
                texts,
                instruments,
                markets,
                order_books,
                strategies,
                watchers: vec![0; INSTRUMENTS_MAX].into(),
                accounts,
                positions,
                orders,
                executions,
                unmatched_fills,
                reconciliations,
                settings,
                subjects,
                resting,
                memo: valuation::Memo::new(),
                reducers: from.table(vec![0; ACCOUNTS_MAX * INSTRUMENTS_MAX].into())?,
                venues,
                triggers,
                firing: from.value()?,
                sweep: from.value()?,
                continuations: from.value()?,
                is_continuing: false,
                timers,
                conversions,
                latencies,
                funding: from.value()?,
                rules_version: from.value()?,
                system_version: from.value()?,
                last: from.value()?,
                now: from.value()?,
                day_ends: from.value()?,
                digest: from.value()?,
            };
            machine.is_continuing = machine.continuations.iter().any(Option::is_some);
            machine.take_in_strategies(sum)?;
            machine.check_effects(sum)?;
            sum.check(machine.digest)?;
            Ok(machine)
        })
    }

    /// Works out who watches what.
    fn take_in_strategies(&mut self, sum: &mut RowSum) -> Result<(), Fault> {
        for index in 0..STRATEGIES_MAX {
            let Some(slot) = self.strategies[index] else { continue };
            let found = index as u64;
            let is_somewhere =
                self.instrument(slot.instrument).is_some() && self.accounts.account(slot.account).is_some();
            ensure(is_somewhere, Fault::Missing { what: "market or account of strategy", found })?;
            self.watchers[slot.instrument.0 as usize] |= u64::from(slot.is_enabled) << index;
            let kept = self.strategies[index].map_or(0, |slot| slot.row);
            let before = self.digest;
            self.rehash_strategy(index);
            ensure(self.digest == before, Fault::Hash { what: "strategy", found })?;
            sum.add(kept);
        }
        Ok(())
    }

    /// Looks at what is going on for longer than a command.
    fn check_effects(&self, sum: &mut RowSum) -> Result<(), Fault> {
        let knows = |instrument: InstrumentId| (instrument.0 as usize) < INSTRUMENTS_MAX;
        for (kind, pending) in ContinueKind::ALL.iter().zip(&self.continuations) {
            let Some(pending) = pending else { continue };
            let counts_accounts = matches!(kind, ContinueKind::Mark | ContinueKind::Funding);
            let is_account = u32::try_from(pending.after).is_ok();
            let is_right = pending.kind == *kind && knows(pending.scope.instrument);
            let what = "effect that goes on";
            let fault = Fault::Missing { what, found: *kind as u64 };
            ensure(is_right && (is_account || !counts_accounts), fault)?;
        }
        if let Some(paid) = self.funding {
            let found = paid.instrument.0.into();
            ensure(knows(paid.instrument), Fault::Missing { what: "instrument of funding", found })?;
            sum.add(funding::hash(paid));
        }
        let is_right = self.reducers == self.reducers_anew();
        ensure(is_right, Fault::Broken("orders that may only reduce are not counted right"))
    }
}

fn load_texts(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Box<[TextBytes]>, Fault> {
    let texts = from.table(vec![no_text(); TEXTS_MAX].into())?;
    for (number, text) in (0..).zip(&texts) {
        if !text.as_str().is_empty() {
            sum.add(hash_text(number, text));
        }
    }
    Ok(texts)
}

fn load_instruments(
    from: &mut ImageReader<'_>,
    sum: &mut RowSum,
) -> Result<Box<[Option<InstrumentSlot>]>, Fault> {
    let instruments: Box<[Option<InstrumentSlot>]> = from.table(vec![None; INSTRUMENTS_MAX].into())?;
    for (number, slot) in (0..).zip(&instruments) {
        let Some(InstrumentSlot { definition, row, .. }) = slot else { continue };
        let is_right = definition.instrument == InstrumentId(number) && *row == hash_instrument(definition);
        ensure(is_right, Fault::Hash { what: "instrument", found: number.into() })?;
        sum.add(*row);
    }
    Ok(instruments)
}

fn no_text() -> TextBytes {
    TextBytes::new("").expect("an empty text is a text")
}
