//! The indexer under faults; `cargo xtask faults` runs many more of these cases.

use e2e::{
    faults::plan::Fault,
    indexing::{self, Engine, wire::Bug},
};

use crate::faults::on_a_large_stack;

#[test]
fn the_index_is_right_whichever_call_of_the_indexer_fails() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;

        let tally = indexing::enumerate(&engine, None, &[Fault::CrashBefore, Fault::LoseAnswer], 3).await;

        assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
        assert!(tally.runs > 15 && tally.calls > 20, "{tally:?}");
    });
}

#[test]
fn a_run_that_is_overtaken_undoes_nothing() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;

        for other in [false, true] {
            let tally = indexing::overtaken(&engine, None, other).await;

            assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
        }
    });
}

#[test]
fn a_generation_is_not_published_if_s3_lost_one_of_its_files() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;

        let tally = indexing::lost_uploads(&engine).await;

        assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
        assert!(tally.runs > 3, "{tally:?}");
    });
}

#[test]
fn planted_bugs_of_the_indexer_are_found() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;

        // `cargo xtask faults` plants the third, which needs a crash at each call.
        for (bug, rule) in [(Bug::LastWriterWins, "index-differs"), (Bug::DeleteOvertaken, "index-differs")] {
            assert!(indexing::plant(&engine, bug).await.contains(rule), "{}", bug.name());
        }
    });
}
