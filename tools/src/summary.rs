//! What a run came to: for a program as JSON, for a person as text.

use crate::config::{Acknowledge, JournalSettings};
use crate::control::{Acknowledged, unrealized};
use crate::replication::Replicated;
use crate::session::Ended;
use crate::sink::Counted;
use crate::upkeep::UpkeepCounts;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;
use tickwerk_domain::{AccountId, CurrencyId, PositionSide, format_decimal};
use tickwerk_engine::Core;
use tickwerk_feeds::BookCheckResult;
use tickwerk_journal::Watermarks;

/// What is summed up.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) counted: Counted,
    pub(crate) elapsed: Duration,
    /// Commands and time of the part that ran flat out; `None` where all of it did.
    pub(crate) flat_out: Option<(u64, Duration)>,
    pub(crate) ended: &'a Ended,
    pub(crate) dir: &'a Path,
    pub(crate) book_check: Option<BookCheckResult>,
    pub(crate) levels: Levels,
    /// What was answered; `None` where nobody could ask.
    pub(crate) acknowledged: Option<&'a Acknowledged>,
    /// What was done for cold segments; `None` where nothing is.
    pub(crate) upkeep: Option<&'a UpkeepCounts>,
    /// What is in PostgreSQL; `None` where nothing goes there.
    pub(crate) replicated: Option<&'a Replicated>,
}

/// What is acknowledged when, and how far each of the watermarks is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    acknowledge: Acknowledge,
    written_through: u64,
    durable_through: u64,
    /// `None` where no replicator is awaited.
    replicated_through: Option<u64>,
}

impl Levels {
    pub(crate) fn of(settings: &JournalSettings, watermarks: &Watermarks) -> Self {
        Self {
            acknowledge: settings.acknowledge,
            written_through: watermarks.written_through().0,
            durable_through: watermarks.durable_through().0,
            replicated_through: settings.replicator.as_ref().map(|_| watermarks.replicated_through().0),
        }
    }
}

impl std::fmt::Display for Levels {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { acknowledge, written_through, durable_through, replicated_through } = self;
        write!(out, "written through {written_through}, durable through {durable_through}")?;
        if let Some(replicated_through) = replicated_through {
            write!(out, ", replicated through {replicated_through}")?;
        }
        write!(out, ", acknowledged when {}", acknowledge.word())
    }
}

/// The histogram of one latency.
type Latency = hdrhistogram::Histogram<u64>;

impl Summary<'_> {
    /// Commands a second of the part that ran flat out.
    #[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a figure to be shown")]
    fn commands_per_second(&self) -> f64 {
        let (commands, time) = self.flat_out.unwrap_or((self.counted.commands, self.elapsed));
        if time.is_zero() { 0.0 } else { commands as f64 / time.as_secs_f64() }
    }

    /// One JSON object.
    pub(crate) fn to_json(&self) -> Value {
        let core = &self.ended.decider;
        let mut summary = json!({
            "commands": self.counted.commands,
            "events": self.counted.events,
            "orders": self.counted.orders,
            "fills": self.counted.fills,
            "rejects": self.counted.rejects,
            "elapsed_s": self.elapsed.as_secs_f64(),
            "commands_per_s": self.commands_per_second(),
            "latency_ns": {
                "decided": latency_json(&self.ended.decided),
                "journaled": latency_json(&self.ended.journaled),
            },
            "journal": {
                "dir": self.dir.display().to_string(),
                "last_sequence": self.ended.sink.last_sequence.0,
                "acknowledge": self.levels.acknowledge.word(),
                "written_through": self.levels.written_through,
                "durable_through": self.levels.durable_through,
                "replicated_through": self.levels.replicated_through,
                "bytes": self.ended.sink.bytes,
                "chain_head": self.ended.sink.chain_head.map(|head| head.head.to_string()),
            },
            "digest": format!("{:016x}", core.digest()),
            "profit": profit_json(core),
        });
        if let Some(acknowledged) = self.acknowledged {
            summary["acknowledged"] = acknowledged.to_json();
        }
        if let Some(upkeep) = self.upkeep {
            summary["upkeep"] = upkeep.to_json();
        }
        if let Some(replicated) = self.replicated {
            summary["postgres"] = replicated.to_json();
        }
        if let Some(check) = &self.book_check {
            summary["book_check"] = json!({ "matched": check.matched, "total": check.total });
        }
        summary
    }

    /// A report that a person reads.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write_text(&mut out).expect("writing to a string cannot fail");
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let core = &self.ended.decider;
        let counted = &self.counted;
        let per_second = grouped(&format!("{:.0}", self.commands_per_second()));
        writeln!(
            out,
            "Commands    {} in {:.2} s",
            grouped(&counted.commands.to_string()),
            self.elapsed.as_secs_f64()
        )?;
        let note = if self.flat_out.is_some() { " (flat-out part)" } else { "" };
        writeln!(out, "Throughput  {per_second} commands a second, journal written{note}")?;
        write_latency(out, "Decided   ", &self.ended.decided)?;
        write_latency(out, "Journaled ", &self.ended.journaled)?;
        let [events, orders, fills, rejects] =
            [counted.events, counted.orders, counted.fills, counted.rejects]
                .map(|count| grouped(&count.to_string()));
        writeln!(out, "Events      {events}: {orders} orders, {fills} fills, {rejects} rejects")?;
        if let Some(check) = &self.book_check {
            let (matched, total) = (check.matched, check.total);
            writeln!(
                out,
                "Book check  best prices equal the exchange's own after {matched} of {total} updates"
            )?;
        }
        self.write_positions(out)?;
        self.write_profit(out)?;
        let sink = &self.ended.sink;
        writeln!(
            out,
            "Journal     {}: {} bytes, {}",
            self.dir.display(),
            grouped(&sink.bytes.to_string()),
            self.levels
        )?;
        let answered: Vec<String> = self
            .acknowledged
            .into_iter()
            .flat_map(Acknowledged::counts)
            .map(|(word, count)| format!("{} when {word}", grouped(&count.to_string())))
            .collect();
        if !answered.is_empty() {
            writeln!(out, "Answered    commands: {}", answered.join(", "))?;
        }
        if let Some(replicated) = self.replicated {
            let rest = match replicated.lag_events {
                0 => String::new(),
                lag => format!(", {lag} records are still to be shipped"),
            };
            writeln!(out, "PostgreSQL  everything through {}{rest}", replicated.through)?;
        }
        if let Some(head) = sink.chain_head {
            writeln!(out, "Chain head  {}", head.head)?;
        }
        writeln!(out, "Digest      {:016x}", core.digest())
    }

    fn write_positions(&self, out: &mut String) -> std::fmt::Result {
        let machine = self.ended.decider.machine();
        for (account, instrument, side, position) in machine.positions().all_sides() {
            let Some(slot) = machine.instrument(instrument) else { continue };
            let definition = &slot.definition;
            let name = machine.accounts().account(account).map_or("", |row| machine.text(row.name));
            let qty = format_decimal(i128::from(position.qty), definition.quantity_scale);
            let currency = machine.accounts().currency(definition.settlement);
            let code = currency.map_or("", |currency| machine.text(currency.code));
            let money = |amount| format_decimal(amount, definition.settlement_scale);
            let (realized, open) =
                (money(position.realized), money(unrealized(position, definition, machine)));
            let symbol = machine.text(definition.symbol);
            let side = match side {
                PositionSide::Net => String::new(),
                PositionSide::Long | PositionSide::Short => format!(" {side}"),
            };
            writeln!(
                out,
                "Position    {name} {symbol}{side}: {qty}, realised {realized} {code}, unrealised {open} {code}"
            )?;
        }
        Ok(())
    }

    fn write_profit(&self, out: &mut String) -> std::fmt::Result {
        for (account, currency, profit) in profits(&self.ended.decider) {
            let machine = self.ended.decider.machine();
            let name = machine.accounts().account(account).map_or("", |row| machine.text(row.name));
            let Some(row) = machine.accounts().currency(currency) else { continue };
            let code = machine.text(row.code);
            let money = |amount| format_decimal(amount, row.scale);
            let total = money(profit.realized + profit.unrealized - profit.fees + profit.funding);
            let (realized, unrealized, fees) =
                (money(profit.realized), money(profit.unrealized), money(profit.fees));
            let funding = match profit.funding {
                0 => String::new(),
                amount => format!(", {} funding", money(amount)),
            };
            writeln!(
                out,
                "Profit      {name}: {total} {code} ({realized} realised, {unrealized} unrealised, {fees} fees{funding})"
            )?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Profit {
    realized: i128,
    unrealized: i128,
    fees: i128,
    funding: i128,
}

/// Profit of each account in each currency that its positions settle in, in order of number.
fn profits(core: &Core) -> Vec<(AccountId, CurrencyId, Profit)> {
    let machine = core.machine();
    let mut sums: std::collections::BTreeMap<(AccountId, CurrencyId), Profit> =
        std::collections::BTreeMap::new();
    for (account, instrument, side, position) in machine.positions().all_sides() {
        let Some(slot) = machine.instrument(instrument) else { continue };
        let sum = sums.entry((account, slot.definition.settlement)).or_default();
        sum.realized += position.realized;
        sum.unrealized += unrealized(position, &slot.definition, machine);
        sum.fees += position.fees;
        sum.funding += machine.positions().funding(account, instrument, side);
    }
    sums.into_iter().map(|((account, currency), profit)| (account, currency, profit)).collect()
}

fn profit_json(core: &Core) -> Value {
    let machine = core.machine();
    let mut accounts = Map::new();
    for (_, account) in machine.accounts().accounts() {
        accounts.insert(machine.text(account.name).to_owned(), json!({}));
    }
    for (account, currency, profit) in profits(core) {
        let names = machine.accounts().account(account).zip(machine.accounts().currency(currency));
        let Some((account, currency)) = names else { continue };
        let money = |amount| format_decimal(amount, currency.scale);
        accounts[machine.text(account.name)][machine.text(currency.code)] = json!({
            "realized": money(profit.realized),
            "unrealized": money(profit.unrealized),
            "fees": money(profit.fees),
            "funding": money(profit.funding),
        });
    }
    Value::Object(accounts)
}

/// Percentiles; null where nothing was measured.
fn latency_json(latency: &Latency) -> Value {
    if latency.is_empty() {
        return json!({ "p50": null, "p99": null, "p999": null, "max": null });
    }
    json!({
        "p50": latency.value_at_quantile(0.5),
        "p99": latency.value_at_quantile(0.99),
        "p999": latency.value_at_quantile(0.999),
        "max": latency.max(),
    })
}

fn write_latency(out: &mut String, what: &str, latency: &Latency) -> std::fmt::Result {
    if latency.is_empty() {
        return Ok(());
    }
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| micros(latency.value_at_quantile(quantile)));
    let (max, count) = (micros(latency.max()), grouped(&latency.len().to_string()));
    writeln!(out, "{what}  p50 {p50}, p99 {p99}, p99.9 {p999}, max {max} µs over {count} measured commands")
}

fn micros(nanos: u64) -> String {
    format_decimal(i128::from(nanos / 100), 1)
}

/// Digits in groups of three.
pub(crate) fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!(["1", "123", "1234", "1234567"].map(grouped), ["1", "123", "1,234", "1,234,567"]);
    }
}
