//! The values of a row: from text, by its source's marks, words and names, to exact numbers.

use crate::fields::{FieldKind, What};
use crate::mapping::{Aliases, From, Source};
use crate::names::Names;
use crate::refusal::Fault;
use crate::time;
use std::borrow::Cow;
use tickwerk_domain::numbers::power_of_ten;
use tickwerk_domain::{
    AccountId, CurrencyId, InstrumentId, InstrumentKind, Price, Qty, Rate, StrategyId, TimeNs,
    parse_decimal_i128,
};

/// How a source writes numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Marks {
    pub(crate) decimal: char,
    pub(crate) group: Option<char>,
}

/// Largest power of ten in a number such as 1e-8.
const EXPONENT_MAX: i32 = 40;
/// Longest id, in bytes.
const ID_LENGTH_MAX: usize = 256;
/// Decimals of a fraction.
const RATE_SCALE: u8 = 8;
/// Largest amount of a row, far from where sums of an `i128` could overflow.
const MONEY_MAX: u128 = 1 << 90;

impl Marks {
    /// The number as digits with one point, whatever it looks like here.
    fn plain(self, text: &str) -> Result<Cow<'_, str>, String> {
        let mut text = Cow::Borrowed(text);
        if let Some(group) = self.group.filter(|group| text.contains(*group)) {
            if !is_grouped(&text, group, self.decimal) {
                return Err(format!("has {group:?} where no thousands end"));
            }
            text = Cow::Owned(text.replace(group, ""));
        }
        if self.decimal == ',' {
            if text.contains('.') {
                return Err("has a point, while the source's decimal_mark is a comma".to_owned());
            }
            text = Cow::Owned(text.replace(',', "."));
        }
        match text.split_once(['e', 'E']) {
            None => Ok(text),
            Some((mantissa, exponent)) => shifted(mantissa, exponent).map(Cow::Owned),
        }
    }
}

/// Whether marks stand between groups only: three digits behind the last, two or three behind the others, and none behind
/// the decimal mark.
fn is_grouped(text: &str, group: char, decimal: char) -> bool {
    let (whole, part) = text.split_once(decimal).unwrap_or((text, ""));
    let mut groups = whole.trim_start_matches(['-', '+']).split(group);
    let is_first_good = groups.next().is_some_and(|first| (1..=3).contains(&first.len()));
    let rest: Vec<&str> = groups.collect();
    let is_rest_good = match rest.split_last() {
        None => true,
        Some((last, others)) => {
            // Digits are looked at later.
            let end = last.find(['e', 'E']).unwrap_or(last.len());
            end == 3 && others.iter().all(|digits| (2..=3).contains(&digits.len()))
        }
    };
    is_first_good && is_rest_good && !part.contains(group)
}

/// A number with an exponent as digits with one point.
fn shifted(mantissa: &str, exponent: &str) -> Result<String, String> {
    let fault = || "is no number".to_owned();
    let exponent: i32 = exponent.parse().map_err(|_| fault())?;
    if exponent.abs() > EXPONENT_MAX {
        return Err("has an exponent that no amount has".to_owned());
    }
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(fault());
    }
    let point = i32::try_from(whole.len()).map_err(|_| fault())? + exponent;
    let length = i32::try_from(digits.len()).map_err(|_| fault())?;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    Ok(if point <= 0 {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else if point >= length {
        format!("{sign}{digits}{}", zeros(point - length))
    } else {
        let (before, after) = digits.split_at(usize::try_from(point).unwrap_or(0));
        format!("{sign}{before}.{after}")
    })
}

/// The values of a row, field by field.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) source: &'a Source,
    pub(crate) aliases: &'a Aliases,
    pub(crate) names: &'a Names,
    /// In the order of the fields.
    pub(crate) values: &'a [Option<String>],
}

impl<'a> Cells<'a> {
    fn place(&self, field: &str) -> usize {
        let place = self.source.what.place(field);
        place.unwrap_or_else(|| panic!("{} have no field {field}", self.source.what.word()))
    }

    /// Where the value of a field stands, in words.
    pub(crate) fn column(&self, field: &str) -> String {
        match &self.source.values[self.place(field)] {
            From::Column(column) => column.clone(),
            From::Constant(_) => format!("constants.{field}"),
            From::Nowhere => field.to_owned(),
        }
    }

    /// Whether the mapping gives the same value for every row.
    pub(crate) fn is_constant(&self, field: &str) -> bool {
        matches!(self.source.values[self.place(field)], From::Constant(_))
    }

    pub(crate) fn fault(&self, field: &str, reason: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault::new(self.column(field), self.text(field).unwrap_or_default(), reason, remedy)
    }

    /// The text of a field; nothing where it is empty.
    pub(crate) fn text(&self, field: &str) -> Option<&'a str> {
        self.values[self.place(field)].as_deref().filter(|text| !text.is_empty())
    }

    /// What `read` makes of a field, where it is filled in.
    pub(crate) fn told<T>(
        &self,
        field: &str,
        read: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.text(field).map(|_| read(field)).transpose()
    }

    /// The text of a field that must be there.
    pub(crate) fn need(&self, field: &str) -> Result<&'a str, Fault> {
        self.text(field).ok_or_else(|| {
            self.fault(field, "is empty", "fill it in, give a constant, or leave such rows out by `only`")
        })
    }

    /// An id of the source: it may lie beside a record, and so has a limit.
    pub(crate) fn id(&self, field: &str) -> Result<&'a str, Fault> {
        let text = self.need(field)?;
        if text.len() <= ID_LENGTH_MAX && !text.contains('\0') {
            return Ok(text);
        }
        let reason = format!("has more than {ID_LENGTH_MAX} bytes, or a zero in it");
        Err(self.fault(field, reason, "map a column of shorter ids"))
    }

    pub(crate) fn time(&self, field: &str) -> Result<TimeNs, Fault> {
        let text = self.need(field)?;
        time::read(text, &self.source.time, &self.source.zone)
            .map_err(|reason| self.fault(field, reason, "set time.format and time.zone of the source"))
    }

    pub(crate) fn time_or_none(&self, field: &str) -> Result<Option<TimeNs>, Fault> {
        self.told(field, |field| self.time(field))
    }

    /// The word of ours that a field has.
    pub(crate) fn word(&self, field: &str) -> Result<&'static str, Fault> {
        let text = self.need(field)?;
        let FieldKind::Word(ours) = self.source.what.fields()[self.place(field)].kind else {
            panic!("{field} has no words");
        };
        let theirs = self.source.words.get(field).and_then(|words| words.get(text));
        let lower = text.to_ascii_lowercase();
        let word = theirs.map_or(lower.as_str(), String::as_str);
        ours.iter().copied().find(|known| *known == word).ok_or_else(|| {
            let remedy = format!("say which it is in [source.words.{field}]: {}", ours.join(", "));
            self.fault(field, "is no word that is known", remedy)
        })
    }

    /// The same; `default` where the field is empty.
    pub(crate) fn word_or(&self, field: &str, default: &'static str) -> Result<&'static str, Fault> {
        if self.text(field).is_none() { Ok(default) } else { self.word(field) }
    }

    /// Our name for what a field names.
    pub(crate) fn ours(&self, field: &str, what: What) -> Result<&'a str, Fault> {
        let text = self.need(field)?;
        let alias = self.aliases.of(what).and_then(|aliases| aliases.get(text));
        Ok(alias.map_or(text, String::as_str))
    }

    /// The number of what a field names.
    fn named(&self, field: &str) -> Result<u32, Fault> {
        let FieldKind::Name(what) = self.source.what.fields()[self.place(field)].kind else {
            panic!("{field} names nothing");
        };
        self.names.find(what, self.ours(field, what)?).ok_or_else(|| {
            let key = what.defines().unwrap_or_default();
            // Only instruments are defined by another word than they are named by.
            let section = if what == What::Instruments { "instrument" } else { key };
            let remedy = format!(
                "define it as [[{section}]] or by a source of {}, or say under [names.{key}] which it is",
                what.word()
            );
            self.fault(field, "is not defined", remedy)
        })
    }

    pub(crate) fn account(&self) -> Result<AccountId, Fault> {
        self.named("account").map(AccountId)
    }

    pub(crate) fn symbol(&self) -> Result<InstrumentId, Fault> {
        self.named("symbol").map(InstrumentId)
    }

    pub(crate) fn currency(&self, field: &str) -> Result<CurrencyId, Fault> {
        self.named(field).map(CurrencyId)
    }

    /// The strategy of a row; none where the field is empty.
    pub(crate) fn strategy(&self) -> Result<StrategyId, Fault> {
        let named = self.told("strategy", |field| self.named(field))?;
        Ok(named.map_or(StrategyId::NONE, StrategyId))
    }

    /// A decimal at `scale`, exactly; `of` says whose scale that is.
    fn decimal(&self, field: &str, scale: u8, of: impl Fn() -> String) -> Result<i128, Fault> {
        let text = self.need(field)?;
        let plain = self.source.marks.plain(text);
        let plain = plain
            .map_err(|reason| self.fault(field, reason, "set decimal_mark and group_mark of the source"))?;
        let Some(&own) = self.source.scales.get(field) else {
            return parse_decimal_i128(&plain, scale).map_err(|error| {
                let remedy = format!(
                    "{} has {scale} decimals; give it as many as the rows have, or mend the value",
                    of()
                );
                self.fault(field, error.to_string(), remedy)
            });
        };
        let whole = parse_decimal_i128(&plain, 0).map_err(|error| {
            let remedy = format!(
                "scales.{field} says that the column holds whole numbers; leave it out if it does not"
            );
            self.fault(field, error.to_string(), remedy)
        })?;
        let power = power_of_ten(u32::from(own.abs_diff(scale))).expect("scales are at most 18");
        let value =
            if own <= scale { whole.checked_mul(power) } else { (whole % power == 0).then(|| whole / power) };
        value.ok_or_else(|| {
            let of = of();
            let reason = format!("with {own} decimals is finer than the {scale} that {of} has, or too large");
            self.fault(field, reason, format!("look at scales.{field}, or give {of} more decimals"))
        })
    }

    fn small(&self, field: &str, value: i128) -> Result<i64, Fault> {
        i64::try_from(value)
            .map_err(|_| self.fault(field, "is too large", "mend the value, or take a smaller scale"))
    }

    fn price_read(&self, field: &str, instrument: InstrumentId) -> Result<(Price, InstrumentKind), Fault> {
        let terms = self.names.instrument(instrument);
        let of = || format!("price_scale of {}", self.names.text(terms.symbol));
        let value = self.decimal(field, terms.price_scale, of)?;
        Ok((Price(self.small(field, value)?), terms.kind))
    }

    fn no_price(&self, field: &str, reason: &str, kind: InstrumentKind) -> Fault {
        self.fault(field, reason, format!("mend the row: no {} instrument has such a price", kind.word()))
    }

    /// What was paid. Of contracts that settle in their quote currency it may be less than nothing.
    pub(crate) fn price(&self, field: &str, instrument: InstrumentId) -> Result<Price, Fault> {
        match self.price_read(field, instrument)? {
            (price, kind @ InstrumentKind::Spot) if price.0 < 0 => {
                Err(self.no_price(field, "is less than 0", kind))
            }
            (price, kind @ InstrumentKind::Inverse) if price.0 <= 0 => {
                Err(self.no_price(field, "is not more than 0", kind))
            }
            (price, _) => Ok(price),
        }
    }

    /// What the market shows or an order asks for: more than 0, but of the same contracts.
    pub(crate) fn positive_price(&self, field: &str, instrument: InstrumentId) -> Result<Price, Fault> {
        match self.price_read(field, instrument)? {
            (price, kind) if price.0 <= 0 && kind != InstrumentKind::Linear => {
                Err(self.no_price(field, "is not more than 0", kind))
            }
            (price, _) => Ok(price),
        }
    }

    /// The same, where there is one: sources write nothing or 0 where there is none.
    pub(crate) fn price_or_none(
        &self,
        field: &str,
        instrument: InstrumentId,
    ) -> Result<Option<Price>, Fault> {
        if self.text(field).is_none() || self.is_nothing(field, instrument)? {
            return Ok(None);
        }
        self.positive_price(field, instrument).map(Some)
    }

    /// Whether a price that is there is 0.
    pub(crate) fn is_nothing(&self, field: &str, instrument: InstrumentId) -> Result<bool, Fault> {
        self.price_read(field, instrument).map(|(price, _)| price == Price(0))
    }

    pub(crate) fn signed_qty(&self, field: &str, instrument: InstrumentId) -> Result<Qty, Fault> {
        let terms = self.names.instrument(instrument);
        let of = || format!("quantity_scale of {}", self.names.text(terms.symbol));
        self.decimal(field, terms.quantity_scale, of).and_then(|value| self.small(field, value)).map(Qty)
    }

    /// A quantity of more than nothing.
    pub(crate) fn qty(&self, field: &str, instrument: InstrumentId) -> Result<Qty, Fault> {
        let qty = self.signed_qty(field, instrument)?;
        if qty.0 > 0 {
            return Ok(qty);
        }
        let remedy = "give quantities without a sign and map `side`, or leave such rows out by `only`";
        Err(self.fault(field, "is not more than 0", remedy))
    }

    pub(crate) fn money(&self, field: &str, currency: CurrencyId) -> Result<i128, Fault> {
        let terms = self.names.currency(currency);
        let value = self.decimal(field, terms.scale, || self.names.text(terms.code).to_owned())?;
        if value.unsigned_abs() > MONEY_MAX {
            return Err(self.fault(field, "is too large", "mend the value, or take a smaller scale"));
        }
        Ok(value)
    }

    /// A fraction of no more than the whole; 0 where the field is empty.
    pub(crate) fn rate_or_zero(&self, field: &str) -> Result<Rate, Fault> {
        if self.text(field).is_none() {
            return Ok(Rate(0));
        }
        let value = self.decimal(field, RATE_SCALE, || "a fraction".to_owned())?;
        let rate = i64::try_from(value).ok().filter(|rate| (-Rate::ONE.0..=Rate::ONE.0).contains(rate));
        rate.map(Rate).ok_or_else(|| {
            self.fault(
                field,
                "is more than the whole",
                "give a fraction, such as 0.0001 for 0.01 %, or leave it out",
            )
        })
    }

    pub(crate) fn number(&self, field: &str) -> Result<u64, Fault> {
        let remedy = "map a column of whole numbers, or leave the field out";
        self.need(field)?.parse().map_err(|_| self.fault(field, "is no whole number without a sign", remedy))
    }

    pub(crate) fn number_or(&self, field: &str, default: u64) -> Result<u64, Fault> {
        if self.text(field).is_none() { Ok(default) } else { self.number(field) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_look_are_the_same_digits() {
        let point = Marks { decimal: '.', group: Some(',') };
        let comma = Marks { decimal: ',', group: Some('.') };
        for (marks, text, plain) in [
            (point, "1,234,567.89", "1234567.89"),
            (comma, "1.234.567,89", "1234567.89"),
            (point, "1e-8", "0.00000001"),
            (point, "-1.25E3", "-1250"),
            (point, "12.345e1", "123.45"),
            (point, "5e+2", "500"),
            (point, "-12,34,567.5", "-1234567.5"),
            (point, "1,000e2", "100000"),
        ] {
            assert_eq!(marks.plain(text).as_deref(), Ok(plain), "{text}");
        }
        let comma_alone = Marks { decimal: ',', group: None };
        assert!(comma_alone.plain("1.5").is_err());
        for text in
            ["1e99", "ee", "1e", "e5", "1,5", "1,,500", ",500", "1000,000", "1,50,00", "1.234,567", "1,000,"]
        {
            assert!(point.plain(text).is_err(), "{text}");
        }
        assert!(comma.plain("1.5").is_err(), "a decimal point is no mark of thousands");
    }
}
