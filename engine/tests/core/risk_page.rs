//! The page of all rules is what the table of rules says.

use tickwerk_engine::risk::rules::page;

#[test]
fn the_committed_page_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/RISK.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, page()).expect("the page can be written");
    }
    let committed = std::fs::read_to_string(path).expect("the page is committed");
    assert!(committed == page(), "engine/RISK.md is not what the rules say; UPDATE_GOLDEN=1 writes it again");
}
