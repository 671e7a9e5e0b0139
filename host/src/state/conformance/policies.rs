//! Conformance of failure policies and cancellation.
//! Failures of elements have their cases in `elements.rs`.

use crate::model::{FailurePolicy, RunStatus, SkipReason};
use crate::state::conformance::fixture::{Fixture, Harness, must, nodes, only, task, value};
use crate::state::{Entry, Outcome, Stage, Stop, Verdict};

fn failed() -> Outcome {
    Outcome::Failed(b"record"[..].into())
}

/// By default a failure starts nothing new; running tasks finish and are committed.
pub async fn failure_lets_running_tasks_finish_and_starts_no_new_node(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[0], &[1], &[]]).await;
    bench.policy = FailurePolicy::Finish;
    let mut host = bench.open().await;
    host.slots = 2;
    let claims = host.claim().await;
    let reply = host.settle(&claims[0], failed()).await;
    assert_eq!((reply.progress.status, reply.progress.stop), (RunStatus::Running, Some(Stop::Failure)));
    // Only nodes that the failure has tainted are handed out, to be skipped.
    let tainted = only(reply.claims);
    assert_eq!((tainted.node, tainted.stage), (task(2), Stage::Tainted));
    host.settle(&tainted, Outcome::Skipped(SkipReason::UpstreamFailed)).await;
    let reply = host.settle(&claims[1], Outcome::Done(value(task(1)))).await;
    assert_eq!((reply.claims, reply.progress.status), (vec![], RunStatus::Failed));
    assert_eq!(reply.progress.open, 2);
    assert_eq!(host.entry(task(0)).await, Entry::Failed(b"record"[..].into()));
}

/// `FailFast` stops running tasks; the run ends once they are released.
pub async fn stop_policy_cancels_running_tasks_after_a_failure(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    bench.policy = FailurePolicy::FailFast;
    let host = bench.open().await;
    let claims = host.claim().await;
    let reply = host.settle(&claims[0], failed()).await;
    assert_eq!((reply.progress.status, reply.progress.stop), (RunStatus::Running, Some(Stop::FailFast)));
    let reply = host.settle(&claims[1], Outcome::Release).await;
    assert_eq!((reply.claims, reply.progress.status), (vec![], RunStatus::Failed));
}

/// `KeepGoing` finishes every branch that does not need the failed task.
pub async fn keep_going_policy_continues_after_a_failure(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[1]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    assert_eq!(host.settle(&claims[0], failed()).await.progress.stop, None);
    let last = only(host.done(&claims[1]).await);
    let reply = host.settle(&last, Outcome::Done(value(task(2)))).await;
    assert_eq!((reply.progress.status, reply.progress.open), (RunStatus::Failed, 0));
}

/// A cancelled run hands out nothing, and ends once nothing is claimed.
pub async fn cancelled_run_ends_once_nothing_is_claimed(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[0]]).await;
    let (mut one, other) = (bench.open().await, bench.open().await);
    one.slots = 1;
    let root = only(one.claim().await);
    must(other.ledger.cancel().await);
    let reply = other.ask().await;
    assert_eq!((reply.claims, reply.progress.stop), (vec![], Some(Stop::Cancelled)));
    assert_eq!(reply.progress.status, RunStatus::Running);
    let reply = one.settle(&root, Outcome::Done(value(task(0)))).await;
    assert_eq!((reply.claims, reply.progress.status), (vec![], RunStatus::Cancelled));
    assert_eq!(other.ask().await.progress.status, RunStatus::Cancelled);
    must(other.ledger.cancel().await);
    let late = other.commit(vec![(root.token, Outcome::Release)]).await;
    assert_ne!(late.verdicts, [Verdict::Committed]);
}

/// Joining hosts follow the creator's policy.
pub async fn joining_host_adopts_the_creators_policy(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    bench.policy = FailurePolicy::FailFast;
    let one = bench.open().await;
    bench.policy = FailurePolicy::KeepGoing;
    let other = bench.open().await;
    assert_eq!(other.opened.policy, FailurePolicy::FailFast);
    let claims = other.claim().await;
    assert_eq!(nodes(&claims), [task(0), task(1)]);
    other.settle(&claims[0], failed()).await;
    assert_eq!(one.ask().await.progress.stop, Some(Stop::FailFast));
}
