//! A rebuilt book and what its making showed, for people and for programs.

use super::{Options, when};
use crate::command::inspect::grouped;
use crate::rebuild::{Counts, Difference, Rebuild};
use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, TableComponent, presets};
use serde::Serialize;
use std::fmt::Write;
use tickwerk_domain::{Level, Side};
use tickwerk_feeds::order_by_order::OrderFormat;
use tickwerk_venue::book::BookOrder;

/// Decimals that a price has at least, as people write them.
const PRICE_DECIMALS_MIN: usize = 2;

/// What there is to show; the names of its fields are those of the JSON.
#[derive(Serialize, Debug)]
pub(super) struct Shown<'a> {
    format: &'static str,
    file: String,
    /// Of the last item, as the format counts it.
    time: Option<String>,
    time_ns: Option<u64>,
    #[serde(flatten)]
    counts: &'a Counts,
    /// Orders in the book.
    orders: usize,
    crossed_last: Option<String>,
    best_bid: Option<ShownLevel>,
    best_ask: Option<ShownLevel>,
    bids: Vec<ShownLevel>,
    asks: Vec<ShownLevel>,
    first_difference: Option<ShownDifference>,
    #[serde(skip)]
    was_checked: bool,
    #[serde(skip)]
    by_order: bool,
}

#[derive(Serialize, Clone, Debug)]
struct ShownLevel {
    price: String,
    qty: String,
    orders: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue: Vec<ShownOrder>,
}

#[derive(Serialize, Clone, Debug)]
struct ShownOrder {
    /// `None` for what was never shown order by order.
    id: Option<u64>,
    qty: String,
}

#[derive(Serialize, Debug)]
struct ShownDifference {
    sequence: u64,
    time: String,
    side: &'static str,
    rebuilt: Option<ShownPair>,
    reference: Option<ShownPair>,
}

#[derive(Serialize, Debug)]
struct ShownPair {
    price: String,
    qty: String,
}

impl<'a> Shown<'a> {
    pub(super) fn new(rebuild: &'a Rebuild, options: &Options, difference: Option<&Difference>) -> Self {
        let format = options.format;
        let levels = |side, count, by_order| -> Vec<ShownLevel> {
            let levels = rebuild.book().levels(side).take(count);
            levels.map(|level| shown_level(rebuild, format, side, level, by_order)).collect()
        };
        Self {
            format: format.word(),
            file: options.file.display().to_string(),
            time: rebuild.last_time().map(|time| when::show(time, format)),
            time_ns: rebuild.last_time().map(|time| time.0),
            counts: rebuild.counts(),
            orders: rebuild.book().len(),
            crossed_last: rebuild.crossed_last().map(|time| when::show(time, format)),
            best_bid: levels(Side::Buy, 1, false).pop(),
            best_ask: levels(Side::Sell, 1, false).pop(),
            bids: levels(Side::Buy, options.levels, options.orders),
            asks: levels(Side::Sell, options.levels, options.orders),
            first_difference: difference.map(|difference| shown_difference(difference, format)),
            was_checked: options.check.is_some(),
            by_order: options.orders,
        }
    }

    pub(super) fn json(&self) -> Result<String> {
        serde_json::to_string(self).context("writing the book as JSON")
    }

    /// The book for people, without the end of the last line.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{}\n{} items, {} orders in the book{}\n\n",
            self.file,
            grouped(self.counts.items),
            grouped(self.orders as u64),
            self.time.as_ref().map_or_else(String::new, |time| format!(" at {time}"))
        );
        let table = if self.by_order { self.orders_table() } else { self.levels_table() };
        text.push_str(&table);
        text.push('\n');
        for (name, line) in self.lines() {
            write!(text, "\n{name:<12} {line}").expect("writing to a string cannot fail");
        }
        text
    }

    fn levels_table(&self) -> String {
        let cells = |level: Option<&ShownLevel>| {
            level.map_or_else(
                || [String::new(), String::new(), String::new()],
                |level| [level.orders.to_string(), level.qty.clone(), level.price.clone()],
            )
        };
        let rows = (0..self.bids.len().max(self.asks.len())).map(|depth| {
            let ([orders, qty, price], [ask_orders, ask_qty, ask]) =
                (cells(self.bids.get(depth)), cells(self.asks.get(depth)));
            [orders, qty, price, ask, ask_qty, ask_orders]
        });
        table(["orders", "quantity", "bid", "ask", "quantity", "orders"], rows)
    }

    fn orders_table(&self) -> String {
        let cells = |levels: &[ShownLevel]| -> Vec<[String; 3]> {
            let orders = levels.iter().flat_map(|level| level.queue.iter().map(move |order| (level, order)));
            let id = |order: &ShownOrder| order.id.map_or_else(|| "–".to_owned(), |id| id.to_string());
            orders.map(|(level, order)| [id(order), order.qty.clone(), level.price.clone()]).collect()
        };
        let (bids, asks) = (cells(&self.bids), cells(&self.asks));
        let rows = (0..bids.len().max(asks.len())).map(|place| {
            let [id, qty, price] = bids.get(place).cloned().unwrap_or_default();
            let [ask_id, ask_qty, ask] = asks.get(place).cloned().unwrap_or_default();
            [id, qty, price, ask, ask_qty, ask_id]
        });
        table(["order", "quantity", "bid", "ask", "quantity", "order"], rows)
    }

    /// What the making showed, as a name and a sentence each.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let counts = self.counts;
        let number = grouped;
        let mut lines = vec![(
            "executions",
            format!(
                "{}, {} at the best price; {} of {} known orders stood at the front of their queue",
                number(counts.executions),
                number(counts.at_best),
                number(counts.queue_front),
                number(counts.known_orders)
            ),
        )];
        if counts.unknown_orders > 0 {
            let line = "items name an order that was never shown";
            lines.push(("unknown", format!("{} {line}", number(counts.unknown_orders))));
        }
        if counts.duplicate_orders > 0 {
            let line = "orders came with the id of one that still stood";
            lines.push(("duplicate", format!("{} {line}", number(counts.duplicate_orders))));
        }
        if counts.late_items > 0 {
            let line = "items came behind the end of their order and changed nothing";
            lines.push(("late", format!("{} {line}", number(counts.late_items))));
        }
        if counts.negative_levels > 0 {
            let line = "items would take more than there was";
            lines.push(("negative", format!("{} {line}", number(counts.negative_levels))));
        }
        if let Some(last) = &self.crossed_last {
            let line = format!("behind {} updates, last at {last}", number(counts.crossed_rows));
            lines.push(("crossed", line));
        }
        if self.was_checked {
            lines.push(("check", self.check_line()));
            if counts.revealed > 0 {
                let line = format!(
                    "{} rows not counted; {} levels that the data do not show were taken from the reference",
                    number(counts.rows - counts.determinable),
                    number(counts.revealed)
                );
                lines.push(("open", line));
            }
        }
        if let Some(first) = &self.first_difference {
            let pair = |pair: &Option<ShownPair>| {
                pair.as_ref()
                    .map_or_else(|| "no level".to_owned(), |pair| format!("{} at {}", pair.qty, pair.price))
            };
            let line = format!(
                "first at {} (row {}), {} side: rebuilt {}, reference {}",
                first.time,
                first.sequence,
                first.side,
                pair(&first.rebuilt),
                pair(&first.reference)
            );
            lines.push(("DIFFERENT", line));
        }
        lines
    }

    fn check_line(&self) -> String {
        let counts = self.counts;
        format!(
            "{} of {} determinable rows are equal in price and quantity, of {} rows",
            grouped(counts.matched),
            grouped(counts.determinable),
            grouped(counts.rows)
        )
    }
}

fn shown_level(
    rebuild: &Rebuild,
    format: OrderFormat,
    side: Side,
    level: Level,
    by_order: bool,
) -> ShownLevel {
    let queue = || rebuild.book().orders_at(side, level.price);
    let (_, qty_scale) = format.scales();
    let order = |order: &BookOrder| ShownOrder {
        id: (!rebuild.is_nameless(order)).then_some(order.id),
        qty: when::decimal(order.qty.0, qty_scale, 0),
    };
    let ShownPair { price, qty } = shown_pair(level, format);
    let orders = queue().count();
    let queue = if by_order { queue().map(order).collect() } else { Vec::new() };
    ShownLevel { price, qty, orders, queue }
}

fn shown_pair(level: Level, format: OrderFormat) -> ShownPair {
    let (price_scale, qty_scale) = format.scales();
    ShownPair {
        price: when::decimal(level.price.0, price_scale, PRICE_DECIMALS_MIN),
        qty: when::decimal(level.qty.0, qty_scale, 0),
    }
}

fn shown_difference(difference: &Difference, format: OrderFormat) -> ShownDifference {
    ShownDifference {
        sequence: difference.sequence,
        time: when::show(difference.time_ns, format),
        side: difference.side.word(),
        rebuilt: difference.rebuilt.map(|level| shown_pair(level, format)),
        reference: difference.reference.map(|level| shown_pair(level, format)),
    }
}

fn table(header: [&str; 6], rows: impl Iterator<Item = [String; 6]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
