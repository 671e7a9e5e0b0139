//! Conformance of elements that are left out of their list: they end well, and stay so when the run is resumed.
//! The engine decides which elements these are.

use crate::model::{FailureClass, SkipReason, TaskIdx};
use crate::state::conformance::fixture::{
    Fixture, Harness, Host, element, must, must_fail, nodes, only, task,
};
use crate::state::{Claim, End, Entry, ErrorKind, FailureRecord, Hole, Outcome, Stage, TaskShape};

/// A hole: of an element that failed, or of one that flows from it.
fn hole(failure: Option<&str>) -> Hole {
    let failure = failure.map(|message| FailureRecord {
        class: FailureClass::Trap,
        message: message.to_owned(),
        attempt: 1,
        item: Some(1),
        error: None,
    });
    Hole { level: 1, cause: "t0[1]".to_owned(), failure }
}

async fn leave_out(host: &Host, claim: &Claim, hole: &Hole) -> Vec<Claim> {
    let claims = host.settle(claim, Outcome::LeftOut(Box::new(hole.clone()))).await.claims;
    assert_eq!(host.entry(claim.node).await, Entry::LeftOut(Box::new(hole.clone())));
    claims
}

fn expand(items: u32) -> Outcome {
    Outcome::Expand { items, max_parallel: None }
}

/// Two tasks with elements.
async fn lists(harness: &dyn Harness) -> Fixture {
    let shape = |task: &mut TaskShape| task.indexed = vec![1];
    Fixture::new(harness, &[&[], &[]]).await.with(0, shape).with(1, shape)
}

/// An element that is left out fails nothing: the element after it may start, and its task follows. Readers of the run see
/// that it was skipped, and find it among the elements that have failed if it is the cause.
pub async fn left_out_element_counts_as_done(harness: &dyn Harness) {
    let mut bench = lists(harness).await;
    bench.shape.connect_elements(TaskIdx::new(0), TaskIdx::new(1), 1);
    let host = bench.open().await;
    let first = only(host.claim().await);
    let claims = host.settle(&first, expand(2)).await.claims;
    let second = only(claims.iter().filter(|claim| claim.node == task(1)).cloned().collect());
    host.settle(&second, expand(2)).await;
    let failed = only(claims.into_iter().filter(|claim| claim.node == element(0, 1)).collect());
    let next = only(leave_out(&host, &failed, &hole(Some("boom"))).await);
    assert_eq!((next.node, next.stage), (element(1, 1), Stage::Ready));
    leave_out(&host, &next, &hole(None)).await;
    let names = ["t0[1]".to_owned(), "t1[1]".to_owned()];
    let views = must(bench.backend.nodes(&bench.run(), &names).await);
    let ends: Vec<End> = views.into_iter().map(|view| view.end).collect();
    let reasons = [SkipReason::ElementFailed, SkipReason::UpstreamElementFailed];
    assert_eq!(ends, reasons.map(End::Skipped));
    assert_eq!(must(bench.backend.failed_elements(&bench.run(), 9).await), ["t0[1]"]);
    let stored = [hole(Some("boom")), hole(None)].map(|hole| Some(hole.encode()));
    assert_eq!(must(bench.backend.results(&bench.run(), &names).await), stored);
}

/// Resuming a run keeps elements that are left out, as it keeps results. Other skips are derived anew.
pub async fn resumed_run_keeps_what_is_left_out(harness: &dyn Harness) {
    let mut bench = lists(harness).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    let elements = host.settle(&claims[0], expand(3)).await.claims;
    leave_out(&host, &elements[1], &hole(Some("boom"))).await;
    host.settle(&elements[2], Outcome::Skipped(SkipReason::ConditionFalse)).await;
    bench.gone(host).await;
    let host = bench.open().await;
    assert_eq!(host.entry(element(0, 1)).await, Entry::LeftOut(Box::new(hole(Some("boom")))));
    assert_eq!(must(bench.backend.failed_elements(&bench.run(), 9).await), ["t0[1]"]);
    let claims = host.claim().await;
    let elements = host.settle(&claims[0], expand(3)).await.claims;
    assert_eq!(nodes(&elements), [element(0, 0), element(0, 2)]);
    host.done(&elements[0]).await;
    let whole = only(host.done(&elements[1]).await);
    assert_eq!((whole.node, whole.stage), (task(0), Stage::Expanded { items: 3 }));
}

/// What is no element cannot be left out.
pub async fn only_elements_are_left_out(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let host = bench.open().await;
    let claim = only(host.claim().await);
    let outcome = Outcome::LeftOut(Box::new(hole(None)));
    assert_eq!(must_fail(host.try_commit(vec![(claim.token, outcome)]).await).kind, ErrorKind::Misuse);
}
