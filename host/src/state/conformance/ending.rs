//! Conformance of the claim to the end of a run: one host tells others of it.
//! `app` sends the notification.

use crate::model::{RunStatus, SkipReason};
use crate::state::conformance::fixture::{Fixture, Harness, Host, element, must, only, task, value};
use crate::state::{Outcome, Stage};

async fn claims_end(host: &Host) -> bool {
    must(host.ledger.claim_end().await)
}

fn failed() -> Outcome {
    Outcome::Failed(b"record"[..].into())
}

/// Nobody claims the end of a run that has not ended. Then the first host that asks has it, and no other.
pub async fn end_is_claimed_by_the_first_host_that_asks(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let (one, other) = (bench.open().await, bench.open().await);
    assert!(!claims_end(&one).await);
    let root = only(one.claim().await);
    assert!(!claims_end(&one).await);
    one.done(&root).await;
    for _ in 0..2 {
        assert!(claims_end(&other).await);
        assert!(!claims_end(&one).await);
    }
}

/// Each life has an end of its own.
pub async fn resumed_run_has_an_end_of_its_own(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    for outcome in [failed(), failed()] {
        let host = bench.open().await;
        let root = only(host.claim().await);
        assert!(!claims_end(&host).await);
        assert_eq!(host.settle(&root, outcome).await.progress.status, RunStatus::Failed);
        assert!(claims_end(&host).await);
        bench.gone(host).await;
    }
}

/// A run that has succeeded, and succeeds again without having anything to do, ends again, and nobody claims that. An end of
/// another kind is claimed.
pub async fn nobody_claims_the_end_of_a_life_that_changes_nothing(harness: &dyn Harness) {
    for (before, after, is_claimed) in [
        (Outcome::Passed, Outcome::Passed, false),
        (Outcome::Passed, failed(), true),
        (failed(), failed(), true),
        (failed(), Outcome::Passed, true),
    ] {
        let mut bench = Fixture::new(harness, &[&[]]).await.closed();
        let host = bench.open().await;
        let root = only(host.claim().await);
        let last = only(host.done(&root).await);
        host.settle(&last, before).await;
        assert!(claims_end(&host).await);
        bench.gone(host).await;
        let host = bench.open().await;
        let last = only(host.claim().await);
        assert_ne!(host.settle(&last, after).await.progress.status, RunStatus::Running);
        assert_eq!(claims_end(&host).await, is_claimed);
    }
}

/// A run that has succeeded and succeeds again without new results tells nobody, also if tasks were skipped again or expanded.
pub async fn nobody_claims_the_end_of_a_life_without_new_results(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[], &[]]).await;
    let mut bench = bench.with(0, |task| task.indexed = vec![1]);
    for (rerun, is_claimed) in [(None, true), (None, false), (Some(element(0, 1)), true), (None, false)] {
        bench.rerun = rerun.into_iter().collect();
        let host = bench.open().await;
        let mut claims = host.claim().await;
        let mut kept = Vec::new();
        while let Some(claim) = claims.pop() {
            let outcome = match (claim.node, claim.stage) {
                (node, Stage::Expanded { .. }) if node == task(0) => {
                    kept.push(claim.is_kept);
                    Outcome::Passed
                }
                (node, _) if node == task(0) => Outcome::Expand { items: 2, max_parallel: None },
                (node, _) if node == task(1) => Outcome::Skipped(SkipReason::ConditionFalse),
                (node, _) => Outcome::Done(value(node)),
            };
            claims.extend(host.settle(&claim, outcome).await.claims);
        }
        assert_eq!(host.ask().await.progress.status, RunStatus::Succeeded);
        assert_eq!(kept, [!is_claimed]);
        assert_eq!(claims_end(&host).await, is_claimed);
        bench.gone(host).await;
    }
}

/// A run that was left before it was closed has not ended, so the life that closes it has an end.
pub async fn end_of_a_run_that_was_left_is_claimed(harness: &dyn Harness) {
    for is_cancelled in [false, true] {
        let mut bench = Fixture::new(harness, &[&[]]).await.closed();
        let host = bench.open().await;
        let root = only(host.claim().await);
        let last = only(host.done(&root).await);
        if is_cancelled {
            must(host.ledger.cancel().await);
        }
        host.settle(&last, Outcome::Release).await;
        assert_eq!(claims_end(&host).await, is_cancelled);
        bench.gone(host).await;
        let host = bench.open().await;
        let last = only(host.claim().await);
        assert_eq!(host.settle(&last, Outcome::Passed).await.progress.status, RunStatus::Succeeded);
        assert!(claims_end(&host).await);
    }
}
