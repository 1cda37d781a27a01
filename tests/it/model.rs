use e2e::model::{check_smaller, planted};

#[test]
fn the_model_of_checkout_has_no_violation() {
    // `cargo xtask faults` checks the largest too.
    for outcome in check_smaller() {
        println!("{}: {} states, {} unique, {} deep", outcome.name, outcome.states, outcome.unique, outcome.depth);

        assert!(outcome.holds(), "{outcome:#?}");
    }
}

#[test]
fn each_planted_bug_of_the_model_is_found() {
    for planted in planted() {
        println!("{}: {} {}", planted.bug, planted.property, planted.noticed.as_deref().unwrap_or("never"));

        assert!(planted.noticed.is_some(), "{} does not notice {}", planted.property, planted.bug);
    }
}
