//! The simulated exchange that lives inside the core.
