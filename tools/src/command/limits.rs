//! `tickwerk limits`: what holds, what a rule means, and how to change a limit.

use super::client::ask;
use super::print;
use crate::exit;
use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use tickwerk_domain::{LimitUnit, Reject, TimeNs};
use tickwerk_engine::risk::rules::{RULES, Rule};

/// Options of `limits`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tickwerk limits explain
  tickwerk limits explain price_collar
  tickwerk limits show --dir D --account main
  tickwerk limits set --dir D order_quantity 2 --instrument BTCUSDT --reason \"smaller after the weekend\"
  tickwerk limits set --dir D open_orders none --account main --reason \"no longer needed\"")]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Shows every limit, switch and breaker of a running daemon that holds for a scope
    Show {
        #[command(flatten)]
        scope: Scope,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Sets a limit of a running daemon, or takes it away
    Set {
        /// The limit, such as `order_quantity`
        limit: String,
        /// Its value, or `none`: a decimal in the limit's own unit, seconds, a fraction (0.05 is 5 %) or a mode
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Why; journaled with the change
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        scope: Scope,
    },
    /// Explains a rule, or lists all of them; needs no daemon
    Explain {
        /// A rule or a reason of a refusal, such as `price_collar` or `price_outside_collar`
        rule: Option<String>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Scope {
    /// The journal directory of the daemon
    #[arg(long, value_name = "DIR", default_value = "tickwerk-journal")]
    dir: PathBuf,
    /// Only what this account has to heed
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Only what orders in this instrument have to heed
    #[arg(long, value_name = "SYMBOL")]
    instrument: Option<String>,
    /// Only what this strategy has to heed
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
}

/// Runs `limits`.
pub(crate) fn run(options: &Options) -> Result<u8> {
    match &options.what {
        What::Show { scope, json } => show(scope, *json),
        What::Set { limit, value, reason, scope } => set(limit, value, reason, scope),
        What::Explain { rule, json } => explain(rule.as_deref(), *json),
    }
}

impl Scope {
    fn fields(&self) -> Map<String, Value> {
        let named =
            [("account", &self.account), ("instrument", &self.instrument), ("strategy", &self.strategy)];
        let given = named.into_iter().filter_map(|(key, name)| Some((key.to_owned(), json!(name.as_ref()?))));
        given.collect()
    }
}

fn show(scope: &Scope, as_json: bool) -> Result<u8> {
    let mut request = scope.fields();
    request.insert("op".to_owned(), json!("query.limits"));
    let reply = ask(&scope.dir, &Value::Object(request))?;
    if reply["ok"] != json!(true) {
        bail!("{}", fault_text(&reply["error"]));
    }
    let result = &reply["result"];
    if as_json {
        print(&result.to_string())?;
    } else {
        print(shown(result).trim_end())?;
    }
    Ok(exit::OK)
}

fn fault_text(error: &Value) -> String {
    let text = |key: &str| error[key].as_str().unwrap_or("").to_owned();
    let value = &error["value"];
    let value = if value.is_null() { String::new() } else { format!(" {value}") };
    format!("{}{value}: {}", text("field"), text("message"))
}

/// A table for people.
fn shown(result: &Value) -> String {
    let mut text = format!("limits version {}\n", result["limits_version"]);
    let rows = |key: &str| result[key].as_array().cloned().unwrap_or_default();
    for row in rows("limits") {
        let (what, value) = match (&row["limit"], &row["trading_state"]) {
            (Value::String(limit), _) => (limit.as_str(), with_unit(&row["value"], &row["unit"])),
            (_, Value::String(state)) => ("trading_state", state.clone()),
            _ => ("kill_switch", "engaged".to_owned()),
        };
        line(&mut text, what, &value, &scope_text(&row));
    }
    for row in rows("breakers") {
        let (observed, limit) =
            (with_unit(&row["observed"], &Value::Null), with_unit(&row["limit"], &Value::Null));
        let until = row["until_ns"].as_u64().map_or_else(String::new, |until| {
            format!(", armed again at {}", tickwerk_render::rfc3339(TimeNs(until)))
        });
        let value = format!("{}: {observed} of {limit}{until}", plain(&row["state"]));
        line(&mut text, &format!("breaker {}", plain(&row["breaker"])), &value, &scope_text(&row));
    }
    for row in rows("accounts") {
        let scope = scope_text(&row);
        if row["state"] != "active" {
            line(&mut text, "account_state", &plain(&row["state"]), &scope);
        }
        // Exposures as the limits count them: with open orders at their worst.
        for (figure, key) in [
            ("equity", "equity"),
            ("gross_exposure", "gross_exposure_worst"),
            ("net_exposure", "net_exposure_worst"),
        ] {
            let amount = &row[key];
            let value = if amount.is_null() {
                "unknown (no price)".to_owned()
            } else {
                with_unit(amount, &row["currency"])
            };
            line(&mut text, figure, &value, &scope);
        }
    }
    text
}

/// A value without the zeros at its end, and its unit.
fn with_unit(value: &Value, unit: &Value) -> String {
    let value = plain(value);
    let short = if value.contains('.') { value.trim_end_matches('0').trim_end_matches('.') } else { &value };
    unit.as_str().map_or_else(|| short.to_owned(), |unit| format!("{short} {unit}"))
}

fn line(text: &mut String, what: &str, value: &str, scope: &str) {
    writeln!(text, "{what:<24} {value:<24} {scope}").expect("writing to a string cannot fail");
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn scope_text(row: &Value) -> String {
    let named = ["account", "instrument", "strategy"]
        .iter()
        .filter_map(|key| row[*key].as_str().map(|name| format!("{key} {name}")));
    let text = named.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "all".to_owned() } else { text }
}

fn set(limit: &str, value: &str, reason: &str, scope: &Scope) -> Result<u8> {
    let mut request = scope.fields();
    request.insert("op".to_owned(), json!("limit.set"));
    request.insert("limit".to_owned(), json!(limit));
    request.insert("value".to_owned(), if value == "none" { Value::Null } else { json!(value) });
    request.insert("reason".to_owned(), json!(reason));
    let reply = ask(&scope.dir, &Value::Object(request))?;
    if reply["ok"] != json!(true) {
        bail!("{}", fault_text(&reply["error"]));
    }
    let change = if value == "none" { "is taken away".to_owned() } else { format!("is {value}") };
    print(&format!("{limit} {change}; limits version {}", reply["result"]["limits_version"]))?;
    Ok(exit::OK)
}

fn explain(rule: Option<&str>, as_json: bool) -> Result<u8> {
    let Some(name) = rule else {
        if as_json {
            print(&Value::Array(RULES.iter().map(rule_json).collect()).to_string())?;
        } else {
            for rule in RULES {
                print(&format!("{:<22} {}", rule.name, rule.sentence))?;
            }
        }
        return Ok(exit::OK);
    };
    let is_meant =
        |rule: &&Rule| rule.name == name || rule.reason.is_some_and(|reason| reason.word() == name);
    let found: Vec<&Rule> = RULES.iter().filter(is_meant).collect();
    if found.is_empty() {
        if let Some(reason) = Reject::ALL.iter().find(|reason| reason.word() == name) {
            print(&format!("{name} is no risk rule: {}", reason.sentence()))?;
            return Ok(exit::OK);
        }
        let known: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        bail!("{name:?} is no rule; known: {}", known.join(", "));
    }
    for rule in found {
        print(&if as_json { rule_json(rule).to_string() } else { rule_text(rule) })?;
    }
    Ok(exit::OK)
}

/// What its limit is written in: durations are seconds here, and nanoseconds in the core.
fn unit_of(rule: &Rule) -> Option<&'static str> {
    if rule.kind.is_some_and(|kind| kind.unit() == LimitUnit::Duration) {
        Some("seconds")
    } else {
        rule.unit()
    }
}

fn rule_json(rule: &Rule) -> Value {
    json!({
        "rule": rule.name,
        "sentence": rule.sentence,
        "example": rule.example,
        "reason": rule.reason.map(Reject::word),
        "reason_code": rule.reason.map(|reason| reason.code().0),
        "limit": rule.kind.map(tickwerk_domain::LimitKind::word),
        "unit": unit_of(rule),
        "scopes": rule.scopes.names().collect::<Vec<_>>(),
    })
}

fn rule_text(rule: &Rule) -> String {
    let mut text =
        format!("{}\n  {}\n  example: {}\n", rule.name, rule.sentence, rule.example.replace('`', ""));
    if let Some(reason) = rule.reason {
        let _infallible = writeln!(text, "  refuses with: {} ({})", reason.word(), reason.code().0);
    }
    if let Some(unit) = unit_of(rule) {
        let _infallible = writeln!(text, "  counted in: {unit}");
    }
    let scopes = rule.scopes.names().collect::<Vec<_>>().join(", ");
    let _infallible = write!(text, "  can be set for: {scopes}");
    text
}
