//! The topology: lanes, core thread, outcome ring, journal thread, egress.
