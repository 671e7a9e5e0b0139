//! Conformance of scheduling: which nodes are handed out, in which order, and the effect of each settlement.
//! Elements, resources, failures and leases have their own files.

use crate::model::{RunStatus, SkipReason};
use crate::state::conformance::fixture::{
    Fixture, Harness, must, must_fail, nodes, only, stages, task, value,
};
use crate::state::{Entry, ErrorKind, Outcome, Stage};
use std::time::Duration;
use tokio::time::Instant;

/// Higher ranks go first; equals go in the order in which they became ready.
pub async fn higher_ranks_are_claimed_first_and_equal_ranks_in_order(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[], &[]]).await.with(2, |task| task.rank = 7);
    let host = bench.open().await;
    assert_eq!(nodes(&host.claim().await), [task(2), task(0), task(1), task(3)]);
}

/// A task is handed out exactly when everything it waits for has ended.
pub async fn task_is_claimable_once_all_dependencies_have_ended(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[0], &[0, 1]]).await;
    let host = bench.open().await;
    let first = host.claim().await;
    assert_eq!(nodes(&first), [task(0), task(1)]);
    let second = only(host.done(&first[0]).await);
    assert_eq!((second.node, second.stage, second.attempt, second.takeovers), (task(2), Stage::Ready, 1, 0));
    assert_eq!(nodes(&host.done(&first[1]).await), [task(3)]);
}

/// A host that is handed a dependent finds the results that it reads.
pub async fn result_is_stored_before_a_dependent_is_claimable(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[0]]).await;
    let (mut one, other) = (bench.open().await, bench.open().await);
    let root = only(one.claim().await);
    one.slots = 0;
    let reads = async {
        assert_eq!(only(other.claim().await).node, task(1));
        other.entry(task(0)).await
    };
    let (entry, claims) = tokio::join!(reads, one.done(&root));
    assert_eq!((entry, claims), (Entry::Done(value(task(0))), vec![]));
}

/// At most as many nodes are handed out as requested; the others wait.
pub async fn claims_never_exceed_the_slots(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[]]).await;
    let mut host = bench.open().await;
    host.slots = 0;
    assert_eq!(host.ask().await.claims, []);
    host.slots = 2;
    assert_eq!(nodes(&host.claim().await), [task(0), task(1)]);
    assert_eq!(nodes(&host.claim().await), [task(2)]);
}

/// One commit hands out as many nodes as the ledger says, if there are as many.
pub async fn one_commit_claims_up_to_the_ledgers_maximum(harness: &dyn Harness) {
    let max = Fixture::new(harness, &[&[]]).await.open().await.ledger.max_claims();
    let tasks: Vec<&[u32]> = (0..=max).map(|_| &[][..]).collect();
    let mut bench = Fixture::new(harness, &tasks).await;
    let mut host = bench.open().await;
    host.slots = max;
    assert_eq!(nodes(&host.ask().await.claims), (0..max).map(task).collect::<Vec<_>>());
    assert_eq!(host.ledger.max_claims(), max);
}

/// A task after a skipped one is tainted and takes no slot.
pub async fn task_after_a_skip_is_tainted_and_takes_no_slot(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[0], &[1]]).await;
    let mut host = bench.open().await;
    let root = only(host.claim().await);
    host.slots = 0;
    let reply = host.settle(&root, Outcome::Skipped(SkipReason::ConditionFalse)).await;
    let second = only(reply.claims);
    assert_eq!((second.node, second.stage), (task(1), Stage::Tainted));
    let reply = host.settle(&second, Outcome::Skipped(SkipReason::UpstreamSkipped)).await;
    let third = only(reply.claims);
    assert_eq!((third.node, third.stage), (task(2), Stage::Tainted));
    assert_eq!(host.entry(task(1)).await, Entry::Skipped(SkipReason::UpstreamSkipped));
    let reply = host.settle(&third, Outcome::Skipped(SkipReason::UpstreamSkipped)).await;
    assert_eq!((reply.progress.status, reply.progress.open), (RunStatus::Succeeded, 0));
}

/// A tainted task that is released is handed out as ready, once there is a slot.
pub async fn released_tainted_task_waits_for_a_slot(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[0]]).await;
    let mut host = bench.open().await;
    let root = only(host.claim().await);
    host.slots = 0;
    let tainted = only(host.settle(&root, Outcome::Skipped(SkipReason::Pruned)).await.claims);
    assert_eq!(host.settle(&tainted, Outcome::Release).await.claims, []);
    host.slots = 1;
    let ready = only(host.claim().await);
    assert_eq!((ready.node, ready.stage, ready.attempt), (task(1), Stage::Ready, 1));
}

/// A retried task returns after its delay, with the next attempt number.
pub async fn retried_task_returns_after_its_delay_with_the_next_attempt(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let host = bench.open().await;
    let delay = Duration::from_millis(400);
    let first = only(host.claim().await);
    let before = Instant::now();
    assert_eq!(host.settle(&first, Outcome::Retry { delay, step: 0 }).await.claims, []);
    let second = only(host.claim().await);
    // Backends may count whole milliseconds.
    assert!(before.elapsed() + Duration::from_millis(1) >= delay, "{:?}", before.elapsed());
    assert_eq!((second.node, second.attempt), (task(0), 2));
    assert_ne!(first.token, second.token);
    let third = only(host.settle(&second, Outcome::Retry { delay: Duration::ZERO, step: 0 }).await.claims);
    assert_eq!(third.attempt, 3);
}

/// The step of a retry comes with all claims until the next one: after a release and a takeover, and not in another life.
pub async fn step_of_a_retry_comes_with_later_claims(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]])
        .await
        .with(0, |task| (task.indexed, task.is_repeated) = (vec![1], true));
    let (one, other) = (bench.open_brief().await, bench.open().await);
    let items = Outcome::Expand { items: 1, max_parallel: None };
    let first = only(one.settle(&only(one.claim().await), items).await.claims);
    assert_eq!((first.attempt, first.step), (1, 0));
    let retry = |step| Outcome::Retry { delay: Duration::ZERO, step };
    let second = only(one.settle(&first, retry(255)).await.claims);
    assert_eq!((second.attempt, second.step), (2, 255));
    let third = only(one.settle(&second, retry(0x21)).await.claims);
    let again = only(one.settle(&third, Outcome::Release).await.claims);
    assert_eq!((again.attempt, again.step), (3, 0x21));
    let taken = only(other.claim().await);
    assert_eq!((taken.takeovers, taken.attempt, taken.step), (1, 3, 0x21));
    let views = must(bench.backend.claims(&bench.run(), 9).await);
    assert_eq!(views.iter().map(|view| view.attempt).collect::<Vec<_>>(), [3]);
    let next = only(other.settle(&taken, Outcome::Iterated(value(taken.node))).await.claims);
    assert_eq!((next.iteration, next.attempt, next.step), (1, 1, 0));
    let last = only(other.settle(&next, retry(7)).await.claims);
    assert_eq!((last.attempt, last.step), (2, 7));
    bench.gone(other).await;
    bench.gone(one).await;
    let host = bench.open().await;
    let items = Outcome::Expand { items: 1, max_parallel: None };
    let element = only(host.settle(&only(host.claim().await), items).await.claims);
    assert_eq!((element.iteration, element.attempt, element.step), (1, 1, 0));
}

/// A released task returns with the same attempt number, to any host.
pub async fn released_task_returns_with_the_same_attempt(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let (mut one, other) = (bench.open().await, bench.open().await);
    let first = only(one.claim().await);
    one.slots = 0;
    assert_eq!(one.settle(&first, Outcome::Release).await.claims, []);
    let second = only(other.claim().await);
    assert_eq!((second.node, second.attempt, second.takeovers), (task(0), 1, 0));
}

/// A task that awaits others returns once they all have ended.
pub async fn awaiting_task_returns_when_the_awaited_ones_have_ended(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    let awaits = Outcome::Await(vec![task(1), task(2)]);
    assert_eq!(host.settle(&claims[0], awaits).await.claims, []);
    assert_eq!(host.done(&claims[1]).await, []);
    let back = only(host.done(&claims[2]).await);
    assert_eq!((back.node, back.stage, back.attempt), (task(0), Stage::Ready, 1));
}

/// A task that awaits only ended tasks returns at once.
pub async fn task_awaiting_ended_tasks_returns_immediately(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    host.done(&claims[1]).await;
    let back = host.settle(&claims[0], Outcome::Await(vec![task(1)])).await.claims;
    assert_eq!((nodes(&back), stages(&back)), (vec![task(0)], vec![Stage::Ready]));
}

/// A task that awaits a skipped one returns tainted.
pub async fn task_awaiting_a_skipped_task_returns_tainted(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    host.settle(&claims[0], Outcome::Await(vec![task(1)])).await;
    let back = host.settle(&claims[1], Outcome::Skipped(SkipReason::Pruned)).await.claims;
    assert_eq!((nodes(&back), stages(&back)), (vec![task(0)], vec![Stage::Tainted]));
}

/// Excluded tasks are ignored.
pub async fn excluded_tasks_are_ignored(harness: &dyn Harness) {
    let mut bench =
        Fixture::new(harness, &[&[], &[], &[0, 1]]).await.with(0, |task| task.is_included = false);
    let host = bench.open().await;
    let first = only(host.claim().await);
    assert_eq!(first.node, task(1));
    let last = only(host.done(&first).await);
    assert_eq!(last.node, task(2));
    let reply = host.settle(&last, Outcome::Done(value(task(2)))).await;
    assert_eq!((reply.progress.status, reply.progress.total), (RunStatus::Succeeded, 2));
}

/// Commits are atomic: an invalid settlement fails the whole batch.
pub async fn invalid_settlement_rejects_the_whole_batch(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    let done = (claims[0].token, Outcome::Done(value(task(0))));
    for wrong in [Outcome::Expand { items: 1, max_parallel: None }, Outcome::Await(vec![task(9)])] {
        let error = must_fail(host.try_commit(vec![done.clone(), (claims[1].token, wrong)]).await);
        assert_eq!(error.kind, ErrorKind::Misuse);
        assert_eq!(host.entry(task(0)).await, Entry::Open);
    }
    host.done(&claims[0]).await;
}

/// Progress counts included tasks, and the run ends when all have ended.
pub async fn progress_counts_included_tasks(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[0]]).await;
    let host = bench.open().await;
    let reply = host.ask().await;
    assert_eq!((reply.progress.total, reply.progress.open), (2, 2));
    let reply = host.settle(&only(reply.claims), Outcome::Done(value(task(0)))).await;
    assert_eq!((reply.progress.open, reply.progress.status), (1, RunStatus::Running));
    let reply = host.settle(&only(reply.claims), Outcome::Done(value(task(1)))).await;
    assert_eq!((reply.progress.open, reply.progress.status), (0, RunStatus::Succeeded));
    assert_eq!((reply.progress.stop, reply.claims), (None, vec![]));
}
