//! The field's standard terms, as FIX has them, and the few words of our own.

mod account;
mod market;
mod order;
mod risk;
mod system;
mod venue;

pub use account::*;
pub use market::*;
pub use order::*;
pub use risk::*;
pub use system::*;
pub use venue::*;
