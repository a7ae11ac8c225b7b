//! Development tasks: the whole test command and the gate of continuous integration.

fn main() {}
