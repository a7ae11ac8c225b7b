//! Tests of the whole system: what they share.

pub mod fuzz;
pub mod history;
pub mod program;
pub mod scenario;

/// Says in a line that a test cannot run here.
pub fn tell_skipped(why: &str) {
    tell(&format!("skipped: {why}"));
}

/// Says in a line how a test runs here.
#[expect(clippy::print_stdout, reason = "what is left out or done in another way must be seen")]
pub fn tell(how: &str) {
    println!("{how}");
}
