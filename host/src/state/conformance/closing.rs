//! Conformance of the closing node, which decides whether a run has succeeded once all of its tasks have.
//! The engine decides how to settle it.

use crate::model::{FailurePolicy, RunStatus};
use crate::state::conformance::fixture::{Fixture, Harness, Host, must, must_fail, only, task, value};
use crate::state::{CLOSING, Claim, End, Entry, ErrorKind, Outcome, RunSummary, Stage};

fn failed() -> Outcome {
    Outcome::Failed(b"record"[..].into())
}

/// The claim that closes a run of one task.
async fn closing(host: &Host) -> Claim {
    let root = only(host.claim().await);
    only(host.done(&root).await)
}

async fn summary(bench: &Fixture) -> RunSummary {
    must(bench.backend.run(&bench.run()).await)
}

async fn end(bench: &Fixture) -> End {
    only(must(bench.backend.nodes(&bench.run(), &[CLOSING.to_owned()]).await)).end
}

/// The closing node is claimable once all tasks have ended. It takes no slot, and the run succeeds only after it. It is
/// not a task: it has no stored result and is not counted.
pub async fn run_succeeds_only_after_its_closing_node(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await.closed();
    let mut host = bench.open().await;
    let claims = host.claim().await;
    assert_eq!(host.done(&claims[0]).await, []);
    host.slots = 0;
    let reply = host.settle(&claims[1], Outcome::Done(value(task(1)))).await;
    assert_eq!(
        (reply.progress.status, reply.progress.open, reply.progress.total),
        (RunStatus::Running, 0, 2)
    );
    let last = only(reply.claims);
    assert_eq!((last.node, last.stage), (bench.shape.closing(), Stage::Closing));
    assert_eq!(host.ask().await.claims, []);
    let reply = host.settle(&last, Outcome::Passed).await;
    assert_eq!((reply.claims, reply.progress.status), (vec![], RunStatus::Succeeded));
    let run = summary(&bench).await;
    assert_eq!((run.status, run.counts.done, run.counts.open), (RunStatus::Succeeded, 2, 0));
    assert_eq!((host.entry(last.node).await, end(&bench).await), (Entry::Open, End::Open));
}

/// If the last node fails, the run has failed, whatever its policy; the record is kept under a name that no task has.
pub async fn failed_closing_node_fails_the_run(harness: &dyn Harness) {
    for policy in [FailurePolicy::Finish, FailurePolicy::KeepGoing, FailurePolicy::FailFast] {
        let mut bench = Fixture::new(harness, &[&[]]).await.closed();
        bench.policy = policy;
        let host = bench.open().await;
        let last = closing(&host).await;
        let reply = host.settle(&last, failed()).await;
        assert_eq!((reply.claims, reply.progress.status), (vec![], RunStatus::Failed));
        assert_eq!(end(&bench).await, End::Failed(b"record"[..].into()));
        let run = summary(&bench).await;
        assert_eq!((run.status, run.counts.done, run.counts.failed), (RunStatus::Failed, 1, 0));
        assert_eq!(must(bench.backend.failed_elements(&bench.run(), 9).await), Vec::<String>::new());
    }
}

/// A run that is resumed is closed again, if all its results are stored too.
pub async fn resumed_run_is_closed_again(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await.closed();
    let host = bench.open().await;
    let last = closing(&host).await;
    host.settle(&last, failed()).await;
    bench.gone(host).await;
    let host = bench.open().await;
    let last = only(host.claim().await);
    assert_eq!((last.stage, end(&bench).await), (Stage::Closing, End::Open));
    assert_eq!(host.settle(&last, Outcome::Passed).await.progress.status, RunStatus::Succeeded);
    assert_eq!(end(&bench).await, End::Open);
}

/// A run in which a task has failed is not closed.
pub async fn failed_run_is_not_closed(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await.closed();
    let host = bench.open().await;
    let claims = host.claim().await;
    host.done(&claims[0]).await;
    let reply = host.settle(&claims[1], failed()).await;
    assert_eq!((reply.claims, reply.progress.status), (vec![], RunStatus::Failed));
}

/// A run that is cancelled before it is closed was cancelled.
pub async fn run_can_be_cancelled_before_it_is_closed(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await.closed();
    let host = bench.open().await;
    let last = closing(&host).await;
    must(host.ledger.cancel().await);
    assert_eq!(host.settle(&last, Outcome::Release).await.progress.status, RunStatus::Cancelled);
}

/// The last node of a host that is gone is taken over.
pub async fn closing_node_of_a_lost_host_is_taken_over(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await.closed();
    let (one, other) = (bench.open().await, bench.open().await);
    let first = closing(&one).await;
    bench.gone(one).await;
    let last = only(other.claim().await);
    assert_eq!((last.node, last.stage), (first.node, Stage::Closing));
    assert_eq!(other.settle(&last, Outcome::Passed).await.progress.status, RunStatus::Succeeded);
}

/// The last node passes, fails or is released, and no task passes.
pub async fn closing_node_accepts_only_its_own_outcomes(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await.closed();
    let host = bench.open().await;
    let root = only(host.claim().await);
    assert_eq!(must_fail(host.try_commit(vec![(root.token, Outcome::Passed)]).await).kind, ErrorKind::Misuse);
    let last = only(host.done(&root).await);
    let done = Outcome::Done(value(last.node));
    assert_eq!(must_fail(host.try_commit(vec![(last.token, done)]).await).kind, ErrorKind::Misuse);
    let again = only(host.settle(&last, Outcome::Release).await.claims);
    assert_eq!((again.node, again.stage), (last.node, Stage::Closing));
    assert_eq!(host.settle(&again, Outcome::Passed).await.progress.status, RunStatus::Succeeded);
}
