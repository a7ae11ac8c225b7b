//! Short texts of the journal's dictionary: up to 96 bytes, no control characters.

use tickwerk_domain::TextBytes;

/// Why a text cannot be one of the dictionary, as half a sentence.
pub(crate) fn fault_of(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("is empty".to_owned());
    }
    TextBytes::new(text).err().map(|error| error.to_string())
}
