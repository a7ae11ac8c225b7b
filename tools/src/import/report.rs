//! What an import came to: what was read and refused, and sums for a person to compare with the other system's own.

use super::history::Folded;
use super::target::Written;
use crate::summary::grouped;
use comfy_table::{Table, presets};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use tickwerk_domain::{AccountId, CurrencyId, InstrumentId, TimeNs, format_decimal};
use tickwerk_import::{Mapping, Names, Plan, Refusal, Refusals, SourceCounts};

/// How far an import came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// Everything was looked at; nothing was to be written.
    Checked,
    /// More rows were refused than are borne; nothing was written.
    Refused,
    /// The journal is complete.
    Imported(Written),
}

/// Everything that is told.
pub(crate) struct Report<'a> {
    pub(crate) mapping: &'a Mapping,
    pub(crate) plan: &'a Plan<'a>,
    /// Nothing where reading ended at a refusal.
    pub(crate) folded: Option<&'a Folded>,
    pub(crate) refusals: &'a Refusals,
    pub(crate) outcome: Outcome,
    pub(crate) dir: Option<&'a Path>,
}

impl Report<'_> {
    /// Whether no more rows are refused than the mapping bears.
    pub(crate) fn is_good(&self) -> bool {
        self.refusals.count() <= self.mapping.max_refused
    }

    /// As one JSON object.
    pub(crate) fn to_json(&self) -> Value {
        let (outcome, journal) = match &self.outcome {
            Outcome::Checked => ("checked", Value::Null),
            Outcome::Refused => ("refused", Value::Null),
            Outcome::Imported(written) => ("imported", self.journal(written)),
        };
        json!({
            "import": self.mapping.name,
            "ok": self.is_good(),
            "outcome": outcome,
            "rows": self.rows(),
            "sources": self.sources(),
            "refused": self.refusals.count(),
            "refusals": self.refusals.kept().iter().map(refusal).collect::<Vec<_>>(),
            "orders": self.folded.map(|folded| folded.orders),
            "open_orders": self.folded.map(|folded| folded.open_orders),
            "records": self.folded.map(|folded| folded.records),
            "market_trades": self.folded.map(|folded| folded.market_trades),
            "quotes": self.folded.map(|folded| folded.quotes.count),
            "quotes_crossed": self.folded.map(|folded| folded.quotes.crossed),
            "first_time_ns": self.folded.map(|folded| folded.first.0),
            "last_time_ns": self.folded.map(|folded| folded.last.0),
            "traded": self.traded(),
            "balances": self.balances(),
            "positions": self.positions(),
            "journal": journal,
        })
    }

    fn journal(&self, written: &Written) -> Value {
        json!({
            "dir": self.dir.map(|dir| dir.display().to_string()),
            "last_sequence": written.closed.last_sequence.0,
            "chain_head": written.closed.chain_head.map(|head| head.head.to_string()),
            "records_found": written.found,
            "records_appended": written.appended,
        })
    }

    fn rows(&self) -> u64 {
        self.plan.counts.iter().map(|counts| counts.fingerprint.rows()).sum()
    }

    /// Rows of a source that were refused, in both passes.
    fn refused_of(&self, source: usize, counts: &SourceCounts) -> u64 {
        counts.refused + self.folded.map_or(0, |folded| folded.refused[source])
    }

    fn sources(&self) -> Vec<Value> {
        let sources = self.mapping.sources.iter().zip(&self.plan.counts).enumerate();
        sources
            .map(|(number, (source, counts))| {
                let (rows, refused) = (counts.fingerprint.rows(), self.refused_of(number, counts));
                json!({
                    "name": source.name,
                    "rows_are": source.what.word(),
                    "rows": rows,
                    "left_out": counts.left_out,
                    "refused": refused,
                    "imported": rows.saturating_sub(counts.left_out).saturating_sub(refused),
                    "blake3": counts.fingerprint.hash(),
                })
            })
            .collect()
    }

    fn traded(&self) -> Vec<Value> {
        let Some(folded) = self.folded else { return Vec::new() };
        let names = &self.plan.names;
        let mut rows = Vec::new();
        for ((account, instrument), traded) in &folded.book.traded {
            let terms = names.instrument(*instrument);
            let qty = |qty: i128| format_decimal(qty, terms.quantity_scale);
            let value = |value: i128| format_decimal(value, terms.settlement_scale);
            let fees: serde_json::Map<String, Value> = folded
                .book
                .fees
                .range((*account, *instrument, CurrencyId(0))..=(*account, *instrument, CurrencyId(u32::MAX)))
                .map(|((.., currency), fee)| {
                    (code(names, *currency).to_owned(), money(names, *currency, *fee).into())
                })
                .collect();
            rows.push(json!({
                "account": account_name(names, *account),
                "symbol": symbol(names, *instrument),
                "currency": code(names, terms.settlement),
                "fills": traded.fills,
                "bought_qty": qty(traded.bought),
                "bought_value": value(traded.bought_value),
                "sold_qty": qty(traded.sold),
                "sold_value": value(traded.sold_value),
                "realized": value(traded.realized),
                "fees": fees,
            }));
        }
        rows
    }

    fn balances(&self) -> Vec<Value> {
        let Some(folded) = self.folded else { return Vec::new() };
        let names = &self.plan.names;
        let row = |((account, currency), moved): (&(AccountId, CurrencyId), &super::book::Moved)| {
            let shown = |amount| money(names, *currency, amount);
            json!({
                "account": account_name(names, *account),
                "currency": code(names, *currency),
                "came": shown(moved.came),
                "left": shown(moved.left),
                "balance": shown(moved.balance),
                "lowest": shown(moved.lowest),
            })
        };
        folded.book.moved.iter().map(row).collect()
    }

    fn positions(&self) -> Vec<Value> {
        let Some(folded) = self.folded else { return Vec::new() };
        let names = &self.plan.names;
        let mut rows = Vec::new();
        for ((account, instrument, side), position) in &folded.book.positions {
            let terms = names.instrument(*instrument);
            let value = |value: i128| format_decimal(value, terms.settlement_scale);
            rows.push(json!({
                "account": account_name(names, *account),
                "symbol": symbol(names, *instrument),
                "side": side.word(),
                "qty": format_decimal(i128::from(position.qty), terms.quantity_scale),
                "open_cost": value(position.open_cost_posted(terms)),
                "realized": value(position.realized),
                "fees": value(position.fees),
                "funding": value(folded.book.funding.get(&(*account, *instrument, *side)).copied().unwrap_or(0)),
            }));
        }
        rows
    }

    /// As text for people.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |of: String| writeln!(text, "{of}").expect("a string takes all");
        for refusal in self.refusals.kept() {
            line(format!("refused: {refusal}"));
        }
        if self.refusals.untold() > 0 {
            line(format!("refused: {} more", self.refusals.untold()));
        }
        line(table(
            &["source", "rows are", "rows", "imported", "left out", "refused"],
            self.sources().iter().map(|of| {
                ["name", "rows_are", "rows", "imported", "left_out", "refused"]
                    .map(|key| cell(&of[key]))
                    .to_vec()
            }),
        ));
        if self.folded.is_some() {
            let head =
                ["account", "symbol", "fills", "bought", "for", "sold", "for", "realized", "in", "fees"];
            let keys = [
                "account",
                "symbol",
                "fills",
                "bought_qty",
                "bought_value",
                "sold_qty",
                "sold_value",
                "realized",
                "currency",
                "fees",
            ];
            line(table(&head, self.traded().iter().map(|of| keys.map(|key| cell(&of[key])).to_vec())));
            let keys = ["account", "currency", "came", "left", "balance", "lowest"];
            line(table(&keys, self.balances().iter().map(|of| keys.map(|key| cell(&of[key])).to_vec())));
            let keys = ["account", "symbol", "side", "qty", "open_cost", "realized", "fees", "funding"];
            line(table(&keys, self.positions().iter().map(|of| keys.map(|key| cell(&of[key])).to_vec())));
        }
        if let Some(folded) = self.folded.filter(|folded| folded.first != TimeNs::UNKNOWN) {
            line(format!(
                "{} orders ({} open), {} market trades, {} quotes ({} crossed), from {} to {}",
                folded.orders,
                folded.open_orders,
                folded.market_trades,
                folded.quotes.count,
                folded.quotes.crossed,
                moment(folded.first),
                moment(folded.last)
            ));
        }
        line(self.outcome_text());
        text.truncate(text.trim_end().len());
        text
    }

    fn outcome_text(&self) -> String {
        let refused = grouped(&self.refusals.count().to_string());
        match &self.outcome {
            Outcome::Checked => {
                let records = self.folded.map_or(0, |folded| folded.records);
                let records = grouped(&records.to_string());
                format!(
                    "checked: {refused} rows are refused, {records} records would be written; nothing was"
                )
            }
            Outcome::Refused => format!(
                "REFUSED: {refused} rows cannot be taken, max_refused is {}; nothing was imported. `--dry-run` lists all of them",
                self.mapping.max_refused
            ),
            Outcome::Imported(written) => format!(
                "imported: {} records, {} of them were there already, {refused} rows refused; chain head {}",
                grouped(&written.closed.last_sequence.0.to_string()),
                grouped(&written.found.to_string()),
                written.closed.chain_head.map_or_else(String::new, |head| head.head.to_string())
            ),
        }
    }
}

fn refusal(of: &Refusal) -> Value {
    json!({
        "source": of.source,
        "row": of.place.row,
        "line": if of.place.line == 0 { Value::Null } else { of.place.line.into() },
        "column": of.fault.column,
        "value": of.fault.value,
        "reason": of.fault.reason,
        "remedy": of.fault.remedy,
    })
}

fn cell(value: &Value) -> String {
    if let Value::Object(amounts) = value {
        let texts: Vec<String> =
            amounts.iter().map(|(name, amount)| format!("{} {name}", cell(amount))).collect();
        return texts.join(", ");
    }
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head.iter().copied());
    let mut is_empty = true;
    for row in rows {
        table.add_row(row);
        is_empty = false;
    }
    if is_empty { String::new() } else { format!("{}\n", table.trim_fmt()) }
}

fn moment(time: TimeNs) -> String {
    let moment =
        i64::try_from(time.0).ok().and_then(|time| jiff::Timestamp::from_nanosecond(i128::from(time)).ok());
    moment.map_or_else(|| time.0.to_string(), |moment| moment.to_string())
}

fn money(names: &Names, currency: CurrencyId, amount: i128) -> String {
    format_decimal(amount, names.currency(currency).scale)
}

fn code(names: &Names, currency: CurrencyId) -> &str {
    names.text(names.currency(currency).code)
}

fn symbol(names: &Names, instrument: InstrumentId) -> &str {
    names.text(names.instrument(instrument).symbol)
}

fn account_name(names: &Names, account: AccountId) -> &str {
    names.text(names.account(account).name)
}
