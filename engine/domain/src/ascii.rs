//! Short text of fixed size, as it lies inside a record.

use crate::image::{Fault, ImageReader, ImageWriter, Persist, load_padded, save_padded};
use rkyv::{Archive, Deserialize, Serialize};

/// Longest client order id, in characters.
pub const CLIENT_ORDER_ID_LENGTH_MAX: usize = 36;
/// Longest dictionary text, in bytes of UTF-8.
pub const TEXT_LENGTH_MAX: usize = 96;

/// Why a text cannot be a [`ClientOrderId`] or a [`TextBytes`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextError {
    /// Too many bytes.
    #[error("has {length} bytes; the limit is {limit}")]
    TooLong {
        /// Bytes of the text.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A character outside printable ASCII.
    #[error("has {found:?}; only printable ASCII is allowed")]
    NotAscii {
        /// The character.
        found: char,
    },
}

/// The client's own name for an order (FIX `ClOrdID`, tag 11): up to 36 printable ASCII characters, zero-padded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Archive, Serialize, Deserialize)]
#[repr(transparent)]
pub struct ClientOrderId([u8; CLIENT_ORDER_ID_LENGTH_MAX]);

impl ClientOrderId {
    /// No name.
    pub const NONE: Self = Self([0; CLIENT_ORDER_ID_LENGTH_MAX]);

    /// Takes `text` as an id.
    pub fn new(text: &str) -> Result<Self, TextError> {
        if let Some(found) = text.chars().find(|found| !matches!(found, '!'..='~')) {
            return Err(TextError::NotAscii { found });
        }
        let mut bytes = [0; CLIENT_ORDER_ID_LENGTH_MAX];
        let limit = CLIENT_ORDER_ID_LENGTH_MAX;
        bytes
            .get_mut(..text.len())
            .ok_or(TextError::TooLong { length: text.len(), limit })?
            .copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }

    /// Whether there is no name.
    pub fn is_none(&self) -> bool {
        self.0[0] == 0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        str_of(&self.0)
    }

    /// All bytes, with the zeros behind the text.
    pub fn bytes(&self) -> &[u8; CLIENT_ORDER_ID_LENGTH_MAX] {
        &self.0
    }
}

impl std::fmt::Debug for ClientOrderId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "ClientOrderId({:?})", self.as_str())
    }
}

/// A dictionary text: up to 96 bytes of UTF-8, zero-padded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Archive, Serialize, Deserialize)]
#[repr(transparent)]
pub struct TextBytes([u8; TEXT_LENGTH_MAX]);

impl TextBytes {
    /// Takes `text`.
    pub fn new(text: &str) -> Result<Self, TextError> {
        if let Some(found) = text.chars().find(|found| found.is_control()) {
            return Err(TextError::NotAscii { found });
        }
        let mut bytes = [0; TEXT_LENGTH_MAX];
        let limit = TEXT_LENGTH_MAX;
        bytes
            .get_mut(..text.len())
            .ok_or(TextError::TooLong { length: text.len(), limit })?
            .copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }

    /// As much of `text` as there is room for, with `?` for characters that no text may have.
    pub fn shortened(text: &str) -> Self {
        let mut bytes = [0; TEXT_LENGTH_MAX];
        let mut length = 0;
        for found in text.chars().map(|found| if found.is_control() { '?' } else { found }) {
            let Some(place) = bytes.get_mut(length..length + found.len_utf8()) else { break };
            found.encode_utf8(place);
            length += found.len_utf8();
        }
        Self(bytes)
    }

    /// The text; empty where the bytes are not UTF-8.
    pub fn as_str(&self) -> &str {
        str_of(&self.0)
    }

    /// All bytes, with the zeros behind the text.
    pub fn bytes(&self) -> &[u8; TEXT_LENGTH_MAX] {
        &self.0
    }
}

impl std::fmt::Debug for TextBytes {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "TextBytes({:?})", self.as_str())
    }
}

macro_rules! persist_texts {
    ($($name:ident),*) => {$(
        impl Persist for $name {
            fn save(&self, to: &mut ImageWriter) {
                save_padded(&self.0, to);
            }

            fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
                Ok(Self(load_padded(from)?))
            }
        }
    )*};
}
persist_texts!(ClientOrderId, TextBytes);

fn str_of(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_printable_ascii_of_at_most_36_characters() {
        let longest = "x".repeat(36);
        assert_eq!(ClientOrderId::new(&longest).map(|id| id.as_str().to_owned()), Ok(longest.clone()));
        assert_eq!(ClientOrderId::new(&(longest + "y")), Err(TextError::TooLong { length: 37, limit: 36 }));
        assert_eq!(ClientOrderId::new("a b"), Err(TextError::NotAscii { found: ' ' }));
        assert_eq!(ClientOrderId::new("ä"), Err(TextError::NotAscii { found: 'ä' }));
        assert!(ClientOrderId::new("").is_ok_and(|id| id.is_none()));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(TextBytes::shortened("a\tb\0c").as_str(), "a?b?c");
        let text = "x".repeat(95) + "\u{20ac}";
        assert_eq!(TextBytes::shortened(&text).as_str(), "x".repeat(95));
        assert_eq!(TextBytes::shortened(&"\u{20ac}".repeat(40)).as_str(), "\u{20ac}".repeat(32));
    }
}
