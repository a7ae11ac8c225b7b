//! A value as it is shown, in JSON or as text.
//!
//! JSON: exact decimals are strings, counts and times are numbers, what there is not is `null`. Text: `name=value`, and
//! what there is not is left out.

use std::fmt::Write;

/// A value, ready to be written.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Shown {
    /// Nothing there.
    Absent,
    Flag(bool),
    /// A count, a time or an id without a name.
    Number(i128),
    /// A floating-point figure; shown as absent where it is none.
    Real(f64),
    /// A name, a word or an exact decimal.
    Text(String),
    /// An exact value whose scale is not known, as the thing it belongs to was not defined.
    Mantissa(i128),
    List(Vec<Self>),
    Table(Vec<(&'static str, Self)>),
}

impl Shown {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number, or nothing where it is zero.
    pub(super) fn number_or_absent(number: u64) -> Self {
        if number == 0 { Self::Absent } else { Self::Number(i128::from(number)) }
    }

    /// Writes it as JSON.
    pub(super) fn write_json(&self, out: &mut String) {
        match self {
            Self::Flag(flag) => push(out, flag),
            Self::Number(number) => push(out, number),
            Self::Real(figure) if figure.is_finite() => push(out, figure),
            Self::Absent | Self::Real(_) => out.push_str("null"),
            Self::Text(text) => write_quoted(text, out),
            Self::Mantissa(mantissa) => {
                out.push_str("{\"mantissa\":\"");
                push(out, mantissa);
                out.push_str("\"}");
            }
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Table(fields) => {
                out.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_quoted(name, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    /// Writes it for people.
    pub(super) fn write_text(&self, out: &mut String) {
        match self {
            Self::Absent => out.push('-'),
            Self::Flag(flag) => push(out, flag),
            Self::Number(number) => push(out, number),
            Self::Real(figure) => push(out, figure),
            Self::Text(text) if is_plain(text) => out.push_str(text),
            Self::Text(text) => write_quoted(text, out),
            Self::Mantissa(mantissa) => {
                out.push_str("mantissa:");
                push(out, mantissa);
            }
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    item.write_text(out);
                }
                out.push(']');
            }
            Self::Table(fields) => {
                let mut first = true;
                for (name, value) in fields.iter().filter(|(_, value)| *value != Self::Absent) {
                    if !first {
                        out.push(' ');
                    }
                    first = false;
                    out.push_str(name);
                    out.push('=');
                    value.write_text(out);
                }
            }
        }
    }
}

fn push(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("writing to a string cannot fail");
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '=' | ','))
}

/// Writes a text as JSON has it.
pub fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() && control.is_ascii() => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("writing to a string cannot fail");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_json_whatever_it_holds() {
        for text in ["", "a b", "\"\\\n\r\t\u{1}\u{7f}", "ä€😀"] {
            let mut json = String::new();
            Shown::text(text).write_json(&mut json);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text, "{json}");
        }
    }

    #[test]
    fn figures_that_are_none_are_null() {
        let mut json = String::new();
        let figures = [0.1, -2.0, 1e300, f64::NAN, f64::INFINITY];
        Shown::List(figures.into_iter().map(Shown::Real).collect()).write_json(&mut json);
        let read: Vec<Option<f64>> = serde_json::from_str(&json).unwrap();
        assert_eq!(read, [Some(0.1), Some(-2.0), Some(1e300), None, None], "{json}");
    }
}
