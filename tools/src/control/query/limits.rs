//! What holds for whom: limits, switches and states, and where the breakers stand.

use super::super::request::LimitScope;
use super::{account_name, currency, strategy_name};
use crate::limit_value::{LimitScales, show_limit};
use serde_json::{Value, json};
use tickwerk_domain::{
    AccountId, BreakerKind, BreakerState, Instrument, InstrumentId, InstrumentKind, LimitKind, LimitUnit,
    format_decimal,
};
use tickwerk_engine::machine::Machine;
use tickwerk_engine::risk::settings::Scope;
use tickwerk_engine::risk::subjects::SubjectId;

/// Everything that is set for the scope or for one that it lies in, and the breakers that are not armed.
pub(super) fn limits(asked: LimitScope, machine: &Machine) -> Value {
    let asked = with_strategy(asked, machine);
    let all = machine.settings().all().filter(|(scope, _)| is_meant(asked, *scope, machine));
    let mut shown = Vec::new();
    for (scope, row) in all {
        let scales = scales_of(scope, machine);
        let limits = LimitKind::ALL.iter().filter_map(|kind| Some((*kind, row.get(*kind)?)));
        for (kind, value) in limits {
            let value = show_limit(kind, i128::from(value), scales);
            let unit = unit_of(kind, scope, machine);
            let row = json!({ "limit": kind.word(), "value": value, "unit": unit });
            shown.push(with_scope(scope, machine, row));
        }
        if row.is_killed {
            shown.push(with_scope(scope, machine, json!({ "kill_switch": true })));
        }
        if row.state != tickwerk_domain::TradingState::Active {
            shown.push(with_scope(scope, machine, json!({ "trading_state": row.state.word() })));
        }
    }
    json!({
        "limits_version": machine.settings().version(),
        "limits": shown,
        "breakers": breakers(asked, machine),
        "accounts": accounts(asked, machine),
    })
}

/// Whether a setting is one that the asked scope has to heed.
fn is_meant(asked: LimitScope, scope: Scope, machine: &Machine) -> bool {
    let fits = |set: u32, asked: u32| set == 0 || asked == 0 || set == asked;
    // A strategy's own setting concerns the account and the instrument that it trades.
    let of_strategy = machine.strategies().find(|(id, _)| *id == scope.strategy);
    let (account, instrument) =
        of_strategy.map_or((scope.account, scope.instrument), |(_, slot)| (slot.account, slot.instrument));
    fits(account.0, asked.account.0)
        && fits(instrument.0, asked.instrument.0)
        && fits(scope.strategy.0, asked.strategy.0)
}

/// A strategy stands for its account and its instrument.
fn with_strategy(asked: LimitScope, machine: &Machine) -> LimitScope {
    let of = machine.strategies().find(|(id, _)| *id == asked.strategy);
    of.map_or(asked, |(_, slot)| LimitScope { account: slot.account, instrument: slot.instrument, ..asked })
}

fn with_scope(scope: Scope, machine: &Machine, mut shown: Value) -> Value {
    let name = |is_set: bool, name: &str| if is_set { json!(name) } else { Value::Null };
    shown["account"] = name(!scope.account.is_none(), account_name(scope.account, machine));
    shown["instrument"] = name(!scope.instrument.is_none(), symbol(scope.instrument, machine));
    shown["strategy"] = json!(strategy_name(scope.strategy, machine));
    shown
}

fn symbol(instrument: InstrumentId, machine: &Machine) -> &str {
    machine.instrument(instrument).map_or("", |known| machine.text(known.definition.symbol))
}

/// What a value is counted in, where it has a unit that people write.
fn unit_of(kind: LimitKind, scope: Scope, machine: &Machine) -> Option<String> {
    let code = |id| currency(id, machine).0.to_owned();
    let of = definition_of(scope, machine);
    match kind.unit() {
        LimitUnit::Quantity => of.map(|of| match of.kind {
            InstrumentKind::Spot => code(of.base),
            InstrumentKind::Linear if of.multiplier == 1 => code(of.base),
            InstrumentKind::Linear | InstrumentKind::Inverse => "contracts".to_owned(),
        }),
        LimitUnit::Settlement => of.map(|of| code(of.settlement)),
        LimitUnit::Reference => Some(code(machine.reference_currency())),
        LimitUnit::Duration => Some("s".to_owned()),
        LimitUnit::Fraction | LimitUnit::Count | LimitUnit::SelfTrade => None,
    }
}

/// The instrument of a scope, or of its strategy.
fn definition_of(scope: Scope, machine: &Machine) -> Option<&Instrument> {
    let of_strategy = machine.strategies().find(|(id, _)| *id == scope.strategy);
    let instrument = of_strategy.map_or(scope.instrument, |(_, slot)| slot.instrument);
    machine.instrument(instrument).map(|known| &known.definition)
}

/// The scales of a setting's values: its instrument's, or its strategy's instrument's.
fn scales_of(scope: Scope, machine: &Machine) -> LimitScales {
    let definition = definition_of(scope, machine);
    LimitScales {
        quantity: definition.map(|known| known.quantity_scale),
        settlement: definition.map(|known| known.settlement_scale),
        reference: reference_scale(machine),
    }
}

/// Decimals of the reference currency; `None` where none is set.
fn reference_scale(machine: &Machine) -> Option<u8> {
    machine.accounts().currency(machine.reference_currency()).map(|currency| currency.scale)
}

/// Breakers that stop an account or a strategy now.
fn breakers(asked: LimitScope, machine: &Machine) -> Vec<Value> {
    let mut shown = Vec::new();
    let mut add = |id: SubjectId, name: Value| {
        for kind in BreakerKind::ALL {
            let breaker = machine.subjects().get(id).breaker(*kind);
            if breaker.state != BreakerState::Armed {
                let scales = LimitScales { reference: reference_scale(machine), ..LimitScales::default() };
                let show = |value| show_limit(kind.limit(), value, scales);
                let mut row = name.clone();
                row["breaker"] = json!(kind.word());
                row["state"] = json!(breaker.state.word());
                row["limit"] = json!(show(breaker.limit));
                row["observed"] = json!(show(breaker.observed));
                row["until_ns"] = if breaker.until.0 == 0 { Value::Null } else { json!(breaker.until.0) };
                shown.push(row);
            }
        }
    };
    for (account, row) in machine.accounts().accounts().filter(|(id, _)| fits(asked.account, *id)) {
        let name = json!({ "account": machine.text(row.name), "strategy": null });
        add(SubjectId::Account(account), name);
    }
    for (strategy, slot) in machine.strategies() {
        let is_asked = asked.strategy.is_none() || asked.strategy == strategy;
        if is_asked && fits(asked.account, slot.account) {
            let name = json!({
                "account": account_name(slot.account, machine),
                "strategy": machine.text(slot.name),
            });
            add(SubjectId::Strategy(strategy), name);
        }
    }
    shown
}

fn fits(asked: AccountId, account: AccountId) -> bool {
    asked.is_none() || asked == account
}

/// What each account is worth and has at stake, in the reference currency, which there must be.
fn accounts(asked: LimitScope, machine: &Machine) -> Vec<Value> {
    if reference_scale(machine).is_some() { accounts_of(asked.account, machine) } else { Vec::new() }
}

/// State of each account, and what it is worth and has at stake in the reference currency, where there is one; `_worst`
/// with open orders at their worst, as the limits count it.
pub(super) fn accounts_of(asked: AccountId, machine: &Machine) -> Vec<Value> {
    let scale = reference_scale(machine);
    let meant = machine.accounts().accounts().filter(|(account, _)| fits(asked, *account));
    let shown = meant.map(|(account, row)| {
        let money = |amount: Option<i128>| Some(format_decimal(amount?, scale?));
        let exposure = machine.exposure(account);
        let net_worst = exposure.map(|of| of.net_longest.abs().max(of.net_shortest.abs()));
        json!({
            "account": machine.text(row.name),
            "currency": scale.map(|_| currency(machine.reference_currency(), machine).0),
            "state": row.state.word(),
            "equity": money(machine.equity(account)),
            "gross_exposure": money(exposure.map(|of| of.gross)),
            "net_exposure": money(exposure.map(|of| of.net)),
            "gross_exposure_worst": money(exposure.map(|of| of.gross_worst)),
            "net_exposure_worst": money(net_worst),
            "open_orders": row.open_orders,
        })
    });
    shown.collect()
}
