//! Resources that hosts count for themselves, and those that all hosts share.
//! Slots and elements at the same time are bounded elsewhere.

use crate::state::Blocked;
use crate::state::Outcome;
use crate::state::ResourceShape;
use crate::state::conformance::bench::Bench;
use crate::state::conformance::bench::Harness;
use crate::state::conformance::bench::nodes;
use crate::state::conformance::bench::only;
use crate::state::conformance::bench::own;
use crate::state::conformance::bench::shared;
use crate::state::conformance::bench::task;
use std::time::Duration;

async fn three(harness: &dyn Harness, resource: ResourceShape) -> Bench {
    let bench = Bench::new(harness, &[&[], &[], &[]]).await.resource(resource);
    bench.with(0, |task| task.class = 1).with(1, |task| task.class = 1)
}

/// A host gets no more than what it has free, and nothing of what it does not list.
pub async fn what_hosts_count_for_themselves_bounds_what_they_get(harness: &dyn Harness) {
    let mut bench = three(harness, own(1)).await;
    let (mut one, mut other) = (bench.open().await, bench.open().await);
    assert_eq!(nodes(&one.ask().await.claims), [task(2)]);
    one.free = vec![1];
    assert_eq!(nodes(&one.claim().await), [task(0)]);
    other.free = vec![1];
    assert_eq!(nodes(&other.claim().await), [task(1)]);
}

/// Hosts together get no more of a shared resource than there is, whatever they have free.
pub async fn shared_resources_are_counted_over_all_hosts(harness: &dyn Harness) {
    let mut bench = three(harness, shared(1)).await;
    let (mut one, mut other) = (bench.open().await, bench.open().await);
    (one.free, other.free) = (vec![9], vec![9]);
    let claims = one.claim().await;
    assert_eq!(nodes(&claims), [task(0), task(2)]);
    assert_eq!(other.ask().await.claims, []);
    one.slots = 0;
    one.settle(&claims[0], Outcome::Retry(Duration::from_millis(300))).await;
    assert_eq!(nodes(&other.claim().await), [task(1)]);
}

/// A node that lacks a resource is named, once.
pub async fn a_blocked_node_is_named_once(harness: &dyn Harness) {
    let mut bench = three(harness, own(1)).await;
    let mut host = bench.open().await;
    host.free = vec![1];
    let reply = host.ask().await;
    assert_eq!(nodes(&reply.claims), [task(0), task(2)]);
    assert_eq!(reply.blocked, [Blocked { node: task(1), resource: 0 }]);
    host.free = vec![0];
    assert_eq!(host.ask().await.blocked, []);
}

/// A task that is handed out to be expanded takes no resources; its elements do.
pub async fn a_task_to_be_expanded_takes_no_resources(harness: &dyn Harness) {
    let bench = Bench::new(harness, &[&[]]).await.resource(shared(1));
    let mut bench = bench.with(0, |task| (task.class, task.is_for_each) = (1, true));
    let mut host = bench.open().await;
    let whole = only(host.claim().await);
    let elements = host.settle(&whole, Outcome::Expand { items: 2, max_parallel: None }).await.claims;
    let first = only(elements);
    host.slots = 1;
    let second = only(host.done(&first).await);
    assert_eq!(second.node.item, Some(1));
}
