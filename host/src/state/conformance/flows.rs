//! Conformance of elements that wait for the same elements of another task, and of elements that have elements.
//! Elements by themselves have their cases in `elements.rs`.

use crate::model::{SkipReason, TaskIdx};
use crate::state::conformance::fixture::{
    Fixture, Harness, Host, element, must, nodes, only, stages, task, value,
};
use crate::state::{Claim, Entry, NodeId, Outcome, Stage, TaskShape};
use std::num::NonZeroU32;
use std::time::Duration;

const FIRST: TaskIdx = TaskIdx::new(0);
const SECOND: TaskIdx = TaskIdx::new(1);

/// Two tasks with elements; those of the second wait for those of the first. A third task waits for the second.
async fn chain(harness: &dyn Harness) -> Fixture {
    let bench = Fixture::new(harness, &[&[], &[], &[]]).await;
    let mut bench = bench.with(0, |task| task.indexed = vec![1]).with(1, |task| {
        task.indexed = vec![1];
        task.rank = 1;
    });
    bench.shape.connect_elements(FIRST, SECOND, 1);
    bench.shape.connect(SECOND, crate::state::Dependent::of_task(TaskIdx::new(2)));
    bench
}

fn expand(items: u32) -> Outcome {
    Outcome::Expand { items, max_parallel: None }
}

/// Expands both tasks into as many elements, and returns the claims of the first ones.
async fn expand_both(host: &mut Host, items: u32) -> Vec<Claim> {
    host.slots = 1;
    let first = only(host.claim().await);
    assert_eq!(first.node, task(0));
    let second = only(host.settle(&first, expand(items)).await.claims);
    assert_eq!((second.node, second.stage), (task(1), Stage::Ready));
    host.slots = 9;
    host.settle(&second, expand(items)).await.claims
}

/// Returns the claim of a node.
fn of(claims: &[Claim], node: NodeId) -> Claim {
    only(claims.iter().filter(|claim| claim.node == node).cloned().collect())
}

/// A task whose elements wait for others is handed out once the other task is expanded, and each of its elements once
/// the element of the same index has ended.
pub async fn element_waits_for_the_same_element_of_another_task(harness: &dyn Harness) {
    let mut bench = chain(harness).await;
    let mut host = bench.open().await;
    let claims = expand_both(&mut host, 3).await;
    assert_eq!(nodes(&claims), [element(0, 0), element(0, 1), element(0, 2)]);
    let after = host.done(&claims[1]).await;
    assert_eq!(nodes(&after), [element(1, 1)]);
    assert_eq!(nodes(&host.done(&claims[0]).await), [element(1, 0)]);
    // The first task is done and the second is not: whole tasks are waited for as ever.
    let last = host.done(&claims[2]).await;
    assert_eq!(nodes(&last), [task(0), element(1, 2)]);
    assert_eq!(host.done(&last[0]).await, []);
    host.done(&after[0]).await;
    host.done(&last[1]).await;
    assert_eq!(host.entry(element(1, 2)).await, Entry::Done(value(element(1, 2))));
}

/// The element that has come farthest is handed out first, by rank.
pub async fn farthest_element_is_claimed_first(harness: &dyn Harness) {
    let mut bench = chain(harness).await;
    let mut host = bench.open().await;
    host.slots = 1;
    let first = only(host.claim().await);
    let second = only(host.settle(&first, expand(4)).await.claims);
    let mut claim = only(host.settle(&second, expand(4)).await.claims);
    for item in 0..4 {
        assert_eq!(claim.node, element(0, item));
        let next = host.done(&claim).await;
        claim = of(&next, element(1, item));
        let next = host.done(&claim).await;
        if item < 3 {
            claim = only(next);
        }
    }
}

/// Elements that ended before the task that waits for them was expanded are not waited for.
pub async fn elements_that_ended_before_are_not_waited_for(harness: &dyn Harness) {
    let mut bench = chain(harness).await;
    let mut host = bench.open().await;
    host.slots = 1;
    let first = only(host.claim().await);
    let second = only(host.settle(&first, expand(3)).await.claims);
    host.slots = 9;
    let elements = host.ask().await.claims;
    host.done(&elements[0]).await;
    host.settle(&elements[2], Outcome::Skipped(SkipReason::ConditionFalse)).await;
    let ready = host.settle(&second, expand(3)).await.claims;
    assert_eq!(of(&ready, element(1, 0)).stage, Stage::Ready);
    assert_eq!(of(&ready, element(1, 2)).stage, Stage::Tainted);
    assert_eq!(ready.len(), 2);
    assert_eq!(of(&host.done(&elements[1]).await, element(1, 1)).stage, Stage::Ready);
}

/// An element whose source was skipped or has failed is tainted, and no other.
pub async fn only_the_element_after_a_failed_one_is_tainted(harness: &dyn Harness) {
    let mut bench = chain(harness).await;
    let mut host = bench.open().await;
    let claims = expand_both(&mut host, 2).await;
    let after = host.settle(&claims[1], Outcome::Failed(b"no"[..].into())).await.claims;
    assert_eq!((nodes(&after), stages(&after)), (vec![element(1, 1)], vec![Stage::Tainted]));
    let whole = host.settle(&after[0], Outcome::Skipped(SkipReason::UpstreamFailed)).await.claims;
    assert_eq!(whole, []);
    let after = host.done(&claims[0]).await;
    assert_eq!(of(&after, element(1, 0)).stage, Stage::Ready);
    let whole = only(host.done(&of(&after, element(1, 0))).await);
    assert_eq!((whole.node, whole.stage), (task(1), Stage::Expanded { items: 2 }));
    assert_eq!(host.entry(element(1, 1)).await, Entry::Skipped(SkipReason::UpstreamFailed));
}

/// A task is tainted if the one whose elements it waits for has ended without being expanded.
pub async fn task_is_tainted_if_its_source_was_never_expanded(harness: &dyn Harness) {
    let mut bench = chain(harness).await;
    let mut host = bench.open().await;
    host.slots = 1;
    let first = only(host.claim().await);
    let after = only(host.settle(&first, Outcome::Skipped(SkipReason::ConditionFalse)).await.claims);
    assert_eq!((after.node, after.stage), (task(1), Stage::Tainted));
}

/// At most `max_parallel` of the elements that are ready are claimed at the same time.
pub async fn ready_elements_are_bounded_too(harness: &dyn Harness) {
    let mut bench = chain(harness).await;
    let mut host = bench.open().await;
    host.slots = 1;
    let first = only(host.claim().await);
    let second = only(host.settle(&first, expand(3)).await.claims);
    host.slots = 9;
    let bounded = Outcome::Expand { items: 3, max_parallel: NonZeroU32::new(1) };
    let claims = host.settle(&second, bounded).await.claims;
    let one = only(host.done(&claims[2]).await);
    assert_eq!(one.node, element(1, 2));
    assert_eq!(host.done(&claims[1]).await, []);
    assert_eq!(nodes(&host.done(&claims[0]).await), [task(0)]);
    // Those that are ready are handed out in order.
    assert_eq!(nodes(&host.done(&one).await), [element(1, 0)]);
}

/// A resumed run keeps the results of elements; those that waited for kept ones are ready.
pub async fn resumed_run_keeps_elements_that_others_wait_for(harness: &dyn Harness) {
    let mut bench = chain(harness).await;
    let mut host = bench.open().await;
    let claims = expand_both(&mut host, 3).await;
    let after = host.done(&claims[0]).await;
    host.done(&of(&after, element(1, 0))).await;
    host.done(&claims[2]).await;
    bench.gone(host).await;
    let mut host = bench.open().await;
    let claims = expand_both(&mut host, 3).await;
    assert_eq!(nodes(&claims), [element(1, 2), element(0, 1)]);
}

/// An element can have elements: it is handed out to be expanded, and again once they have ended.
pub async fn elements_of_elements_are_claimed_by_their_path(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[], &[0]]).await;
    let mut bench = bench.with(0, |task| task.indexed = vec![1, 1]);
    let mut host = bench.open().await;
    host.slots = 3;
    let whole = only(host.claim().await);
    let outer = host.settle(&whole, expand(2)).await.claims;
    assert_eq!((nodes(&outer), stages(&outer)), (vec![element(0, 0), element(0, 1)], vec![Stage::Ready; 2]));
    let inner = host.settle(&outer[1], expand(2)).await.claims;
    let path = |item| element(0, 1).child(item);
    assert_eq!(nodes(&inner), [path(0), path(1)]);
    host.slots = 0;
    assert_eq!(host.done(&inner[1]).await, []);
    let around = only(host.done(&inner[0]).await);
    assert_eq!((around.node, around.stage), (element(0, 1), Stage::Expanded { items: 2 }));
    assert_eq!(host.entry(path(1)).await, Entry::Done(value(path(1))));
    let names = ["t0[1][1]", "t0[1]", "t0"].map(str::to_owned);
    assert_eq!(host.done(&around).await, []);
    let results = bench.backend.results(&bench.run(), &names).await.unwrap_or_default();
    assert_eq!(results, [Some(value(path(1))), Some(value(element(0, 1))), None]);
    // The other one has no elements, and stores nothing.
    let empty = only(host.settle(&outer[0], expand(0)).await.claims);
    assert_eq!(empty.stage, Stage::Expanded { items: 0 });
    let whole = only(host.settle(&empty, Outcome::Passed).await.claims);
    assert_eq!((whole.node, whole.stage), (task(0), Stage::Expanded { items: 2 }));
    assert_eq!(host.entry(element(0, 0)).await, Entry::Open);
    host.slots = 9;
    let tasks = [FIRST, SECOND, TaskIdx::new(7)];
    let ended = async |bench: &Fixture| must(bench.backend.ended_well(&bench.run(), &tasks).await);
    assert_eq!(ended(&bench).await, [false, false, false]);
    let after = only(host.settle(&whole, Outcome::Passed).await.claims);
    assert_eq!(after.node, task(1));
    // It stores nothing, and has ended all the same.
    assert_eq!(host.entry(task(0)).await, Entry::Open);
    assert_eq!(ended(&bench).await, [true, false, false]);
    host.settle(&after, Outcome::Failed(b"why"[..].into())).await;
    assert_eq!(ended(&bench).await, [true, false, false]);
}

/// An element that is expanded counts against `max_parallel` until it has ended.
pub async fn expanded_elements_are_bounded(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[]]).await;
    let mut bench = bench.with(0, |task| task.indexed = vec![1, 1]);
    let mut host = bench.open().await;
    host.slots = 9;
    let whole = only(host.claim().await);
    let bounded = Outcome::Expand { items: 3, max_parallel: NonZeroU32::new(1) };
    let first = only(host.settle(&whole, bounded).await.claims);
    let inner = host.settle(&first, expand(2)).await.claims;
    assert_eq!(nodes(&inner), [element(0, 0).child(0), element(0, 0).child(1)]);
    assert_eq!(host.done(&inner[1]).await, []);
    let around = only(host.done(&inner[0]).await);
    let second = only(host.settle(&around, Outcome::Passed).await.claims);
    assert_eq!((second.node, second.stage), (element(0, 1), Stage::Ready));
    // One that fails before it is expanded gives its place away too.
    let third = host.settle(&second, Outcome::Retry { delay: Duration::ZERO, step: 0 }).await.claims;
    assert_eq!(nodes(&third), [element(0, 1)]);
}

/// Elements of elements are bounded together. A node that would exceed the bound is handed out again, with their number;
/// those of earlier lives count too.
pub async fn elements_of_elements_are_bounded_together(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[]]).await;
    let mut bench = bench.with(0, |task| task.indexed = vec![1, 1]);
    bench.shape.max_elements = 5;
    let host = bench.open().await;
    let whole = only(host.claim().await);
    assert_eq!(whole.elements, 0);
    let outer = host.settle(&whole, expand(3)).await.claims;
    assert!(outer.iter().all(|claim| claim.elements == 0));
    let inner = host.settle(&outer[0], expand(3)).await.claims;
    assert_eq!(inner.len(), 3);
    let again = only(host.settle(&outer[1], expand(3)).await.claims);
    assert_eq!((again.node, again.stage, again.elements), (element(0, 1), Stage::Ready, 3));
    let refused = only(host.settle(&again, expand(u32::MAX)).await.claims);
    assert_eq!((refused.node, refused.elements), (element(0, 1), 3));
    host.done(&inner[0]).await;
    host.done(&inner[1]).await;
    let list = only(host.done(&inner[2]).await);
    assert_eq!((list.stage, list.elements), (Stage::Expanded { items: 3 }, 0));
    host.done(&list).await;
    let both = host.settle(&refused, expand(2)).await.claims;
    assert_eq!(nodes(&both), [0, 1].map(|item| element(0, 1).child(item)));
    let full = only(host.settle(&outer[2], expand(1)).await.claims);
    assert_eq!((full.node, full.elements), (element(0, 2), 5));
    assert_eq!(only(host.settle(&full, expand(0)).await.claims).stage, Stage::Expanded { items: 0 });
    bench.gone(host).await;
    let host = bench.open().await;
    let outer = host.settle(&only(host.claim().await), expand(3)).await.claims;
    assert_eq!(nodes(&outer), [element(0, 1), element(0, 2)]);
    assert!(outer.iter().all(|claim| claim.elements == 3), "{outer:?}");
}

/// Elements of elements wait for those with the same path.
pub async fn elements_of_elements_wait_for_the_same_path(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[], &[]]).await;
    let mut bench = bench.with(0, |task| task.indexed = vec![1, 1]).with(1, |task| task.indexed = vec![1, 1]);
    bench.shape.connect_elements(FIRST, SECOND, 2);
    let mut host = bench.open().await;
    host.slots = 1;
    let first = only(host.claim().await);
    let second = only(host.settle(&first, expand(1)).await.claims);
    let outer = only(host.settle(&second, expand(1)).await.claims);
    assert_eq!(outer.node, element(0, 0));
    host.slots = 9;
    let next = host.settle(&outer, expand(2)).await.claims;
    let other = of(&next, element(1, 0));
    let inner = |task, item| element(task, 0).child(item);
    host.settle(&other, expand(2)).await;
    let ready = host.done(&of(&next, inner(0, 1))).await;
    assert_eq!(nodes(&ready), [inner(1, 1)]);
}

/// An element that waits for two others becomes ready with the second one, also if a node that waits for its expansion is
/// expanded in the same commit.
pub async fn element_is_ready_whatever_else_a_commit_does(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[], &[], &[], &[]]).await;
    let lists = |task: &mut TaskShape| task.indexed = vec![1];
    let nested = |task: &mut TaskShape| task.indexed = vec![1, 1];
    let mut bench = bench.with(0, lists).with(1, lists).with(2, nested).with(3, nested);
    let [third, fourth] = [TaskIdx::new(2), TaskIdx::new(3)];
    for (upstream, dependent, level) in [(FIRST, third, 1), (SECOND, third, 1), (third, fourth, 2)] {
        bench.shape.connect_elements(upstream, dependent, level);
    }
    bench.shape.connect_elements(FIRST, fourth, 1);
    let mut host = bench.open().await;
    host.slots = 9;
    let both = host.claim().await;
    let first = host.settle(&both[0], expand(3)).await.claims;
    let second = host.settle(&both[1], expand(3)).await.claims;
    let whole = only(host.settle(&of(&second, task(2)), expand(3)).await.claims);
    assert_eq!(whole.node, task(3));
    assert_eq!(host.done(&of(&first, element(0, 0))).await, []);
    let batch =
        vec![(whole.token, expand(3)), (of(&first, element(0, 1)).token, Outcome::Done(b"x"[..].into()))];
    assert_eq!(host.commit(batch).await.claims, []);
    assert_eq!(nodes(&host.done(&of(&second, element(1, 1))).await), [element(2, 1)]);
    assert_eq!(nodes(&host.done(&of(&second, element(1, 0))).await), [element(2, 0)]);
}

/// An element may await an element.
pub async fn element_awaits_an_element(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await.with(0, |task| task.indexed = vec![1]);
    let mut host = bench.open().await;
    host.slots = 2;
    let claims = host.claim().await;
    let elements = host.settle(&claims[0], expand(2)).await.claims;
    assert_eq!(host.settle(&claims[1], Outcome::Await(vec![element(0, 0)])).await.claims, []);
    let back = host.done(&elements[0]).await;
    assert_eq!((nodes(&back), stages(&back)), (vec![task(1)], vec![Stage::Ready]));
}
