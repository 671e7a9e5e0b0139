//! Conformance of elements: expanding a task, handing out its elements, and the task after them.
//! The values of elements are irrelevant here.

use crate::model::{FailurePolicy, SkipReason};
use crate::state::conformance::fixture::{Fixture, Harness, Host, element, nodes, only, task, value};
use crate::state::{Claim, Entry, Outcome, Stage, Stop};
use std::num::NonZeroU32;
use std::time::Duration;

async fn list(harness: &dyn Harness) -> Fixture {
    Fixture::new(harness, &[&[], &[0]]).await.with(0, |task| task.indexed = vec![1])
}

async fn expand(host: &Host, items: u32, max_parallel: u32) -> Vec<Claim> {
    let whole = only(host.claim().await);
    assert_eq!((whole.node, whole.stage), (task(0), Stage::Ready));
    let outcome = Outcome::Expand { items, max_parallel: NonZeroU32::new(max_parallel) };
    host.settle(&whole, outcome).await.claims
}

/// Elements are handed out one by one, in order; the task follows once they have ended.
pub async fn elements_are_claimed_in_order_and_then_their_task(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let mut host = bench.open().await;
    host.slots = 2;
    let claims = expand(&host, 3, 0).await;
    assert_eq!(nodes(&claims), [element(0, 0), element(0, 1)]);
    let last = host.done(&claims[1]).await;
    assert_eq!(nodes(&last)[..1], [element(0, 2)]);
    host.slots = 0;
    assert_eq!(host.done(&claims[0]).await, []);
    let whole = only(host.done(&last[0]).await);
    assert_eq!((whole.node, whole.stage), (task(0), Stage::Expanded { items: 3 }));
    for item in 0..3 {
        assert_eq!(host.entry(element(0, item)).await, Entry::Done(value(element(0, item))));
    }
    host.slots = 1;
    assert_eq!(nodes(&host.done(&whole).await), [task(1)]);
}

/// A task without elements is handed out as expanded at once.
pub async fn empty_list_is_expanded_immediately(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    let whole = only(expand(&host, 0, 0).await);
    assert_eq!((whole.node, whole.stage), (task(0), Stage::Expanded { items: 0 }));
}

/// At most `max_parallel` elements are claimed at the same time, over all hosts.
pub async fn parallel_elements_are_bounded_across_hosts(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let (mut one, other) = (bench.open().await, bench.open().await);
    let claims = expand(&one, 5, 2).await;
    assert_eq!(nodes(&claims), [element(0, 0), element(0, 1)]);
    assert_eq!(other.ask().await.claims, []);
    one.slots = 0;
    assert_eq!(one.settle(&claims[1], Outcome::Retry { delay: Duration::ZERO, step: 0 }).await.claims, []);
    assert_eq!(other.claim().await.len(), 1);
    assert_eq!(other.ask().await.claims, []);
    one.done(&claims[0]).await;
    assert_eq!(other.claim().await.len(), 1);
}

/// A failed element makes its task claimable at once, unless the policy keeps going.
pub async fn failed_element_ends_its_task_unless_the_run_keeps_going(harness: &dyn Harness) {
    for policy in [FailurePolicy::Finish, FailurePolicy::KeepGoing] {
        let mut bench = list(harness).await;
        bench.policy = policy;
        let mut host = bench.open().await;
        host.slots = 2;
        let claims = expand(&host, 3, 0).await;
        let reply = host.settle(&claims[0], Outcome::Failed(b"no"[..].into())).await;
        if policy == FailurePolicy::Finish {
            let whole = only(reply.claims);
            assert_eq!((whole.node, whole.stage), (task(0), Stage::Expanded { items: 3 }));
            assert_eq!(reply.progress.stop, Some(Stop::Failure));
            host.settle(&whole, Outcome::Failed(b"no"[..].into())).await;
            // A sibling that was running is committed all the same.
            host.done(&claims[1]).await;
            assert_eq!(host.entry(element(0, 1)).await, Entry::Done(value(element(0, 1))));
        } else {
            assert_eq!(nodes(&reply.claims), [element(0, 2)]);
            host.done(&claims[1]).await;
            let whole = only(host.done(&reply.claims[0]).await);
            assert_eq!(whole.stage, Stage::Expanded { items: 3 });
        }
        assert_eq!(host.entry(element(0, 0)).await, Entry::Failed(b"no"[..].into()));
    }
}

/// An element is retried without its siblings.
pub async fn element_is_retried_on_its_own(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    let claims = expand(&host, 2, 0).await;
    let again = only(host.settle(&claims[1], Outcome::Retry { delay: Duration::ZERO, step: 0 }).await.claims);
    assert_eq!((again.node, again.attempt), (element(0, 1), 2));
    assert_eq!(host.done(&again).await, []);
    assert_eq!(only(host.done(&claims[0]).await).stage, Stage::Expanded { items: 2 });
}

/// An element may await a task too.
pub async fn awaiting_element_returns(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await.with(0, |task| task.indexed = vec![1]);
    let host = bench.open().await;
    let claims = host.claim().await;
    let elements = host.settle(&claims[0], Outcome::Expand { items: 2, max_parallel: None }).await.claims;
    for element in &elements {
        assert_eq!(host.settle(element, Outcome::Await(vec![task(1)])).await.claims, []);
    }
    let skipped = Outcome::Skipped(SkipReason::ConditionFalse);
    let back = host.settle(&claims[1], skipped.clone()).await.claims;
    assert_eq!(nodes(&back), [element(0, 0), element(0, 1)]);
    assert!(back.iter().all(|claim| claim.stage == Stage::Tainted));
    assert_eq!(nodes(&host.settle(&back[0], Outcome::Release).await.claims), [element(0, 0)]);
    assert_eq!(host.settle(&back[1], skipped).await.claims, []);
}
