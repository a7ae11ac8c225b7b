//! What the core decides: commands in, events out, one topic a module.
//!
//! `cfg(test)` tells the lints that a module without tests of its own is a test's all the same.

#[path = "core/definitions.rs"]
mod definitions;
#[cfg(test)]
#[path = "core/desk.rs"]
mod desk;
#[cfg(test)]
#[path = "core/digest.rs"]
mod digest;
#[path = "core/exchange.rs"]
mod exchange;
#[path = "core/full_frames.rs"]
mod full_frames;
#[path = "core/images.rs"]
mod images;
#[path = "core/kill_switch.rs"]
mod kill_switch;
#[path = "core/market.rs"]
mod market;
#[path = "core/money.rs"]
mod money;
#[path = "core/money_digest.rs"]
mod money_digest;
#[path = "core/money_fees.rs"]
mod money_fees;
#[path = "core/money_funding.rs"]
mod money_funding;
#[path = "core/money_hedging.rs"]
mod money_hedging;
#[cfg(test)]
#[path = "core/money_kit.rs"]
mod money_kit;
#[path = "core/money_marks.rs"]
mod money_marks;
#[path = "core/money_nonsense.rs"]
mod money_nonsense;
#[path = "core/money_properties.rs"]
mod money_properties;
#[path = "core/money_worth.rs"]
mod money_worth;
#[cfg(test)]
#[path = "core/nonsense.rs"]
mod nonsense;
#[path = "core/oracle.rs"]
mod oracle;
#[cfg(test)]
#[path = "core/oracle_flow.rs"]
mod oracle_flow;
#[cfg(test)]
#[path = "core/oracle_position.rs"]
mod oracle_position;
#[cfg(test)]
#[path = "core/oracle_risk.rs"]
mod oracle_risk;
#[path = "core/oracle_whole.rs"]
mod oracle_whole;
#[path = "core/order_books.rs"]
mod order_books;
#[path = "core/orders.rs"]
mod orders;
#[path = "core/orders_crossing.rs"]
mod orders_crossing;
#[path = "core/orders_digest.rs"]
mod orders_digest;
#[path = "core/orders_exits.rs"]
mod orders_exits;
#[path = "core/orders_held.rs"]
mod orders_held;
#[path = "core/orders_linked.rs"]
mod orders_linked;
#[path = "core/orders_lost.rs"]
mod orders_lost;
#[path = "core/orders_mass_cancel.rs"]
mod orders_mass_cancel;
#[cfg(test)]
#[path = "core/orders_nonsense.rs"]
mod orders_nonsense;
#[path = "core/orders_paper.rs"]
mod orders_paper;
#[path = "core/orders_replace.rs"]
mod orders_replace;
#[cfg(test)]
#[path = "core/orders_support.rs"]
mod orders_support;
#[path = "core/orders_terms.rs"]
mod orders_terms;
#[path = "core/orders_venues.rs"]
mod orders_venues;
#[path = "core/reconcile.rs"]
mod reconcile;
#[path = "core/reconcile_unstated.rs"]
mod reconcile_unstated;
#[path = "core/replay.rs"]
mod replay;
#[path = "core/reports_late.rs"]
mod reports_late;
#[path = "core/reports_model.rs"]
mod reports_model;
#[path = "core/reports_model_broken.rs"]
mod reports_model_broken;
#[path = "core/reports_restated.rs"]
mod reports_restated;
#[cfg(test)]
#[path = "core/reports_talk.rs"]
mod reports_talk;
#[path = "core/risk.rs"]
mod risk;
#[path = "core/risk_alerts.rs"]
mod risk_alerts;
#[path = "core/risk_breakers.rs"]
mod risk_breakers;
#[path = "core/risk_kept.rs"]
mod risk_kept;
#[path = "core/risk_limits.rs"]
mod risk_limits;
#[path = "core/risk_page.rs"]
mod risk_page;
#[path = "core/risk_replaces.rs"]
mod risk_replaces;
#[path = "core/risk_scopes.rs"]
mod risk_scopes;
#[cfg(test)]
#[path = "core/risk_support.rs"]
mod risk_support;
#[path = "core/risk_table.rs"]
mod risk_table;
#[cfg(test)]
#[path = "core/risk_table_cases.rs"]
mod risk_table_cases;
#[path = "core/rules.rs"]
mod rules;
#[path = "core/seams.rs"]
mod seams;
#[path = "core/seams_risk.rs"]
mod seams_risk;
#[cfg(test)]
#[path = "core/seed.rs"]
mod seed;
#[path = "core/states.rs"]
mod states;
#[path = "core/strategies.rs"]
mod strategies;
#[path = "core/venue.rs"]
mod venue;
#[path = "core/venue_settings.rs"]
mod venue_settings;
#[cfg(test)]
#[path = "core/workload.rs"]
mod workload;
