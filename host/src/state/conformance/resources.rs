//! Conformance of resources: those of each host, and those that all hosts share.
//! Slots and `max_parallel` have their cases in `order.rs` and `elements.rs`.

use crate::state::conformance::fixture::{Fixture, Harness, elastic, nodes, only, own, shared, task};
use crate::state::{Blocked, Outcome, ResourceShape};
use std::time::Duration;

async fn three(harness: &dyn Harness, resource: ResourceShape) -> Fixture {
    let bench = Fixture::new(harness, &[&[], &[], &[]]).await.resource(resource);
    bench.with(0, |task| task.class = 1).with(1, |task| task.class = 1)
}

/// Admission by own resources: a host gets at most what it has free, and nothing of what it does not list.
pub async fn host_resources_bound_the_claims_of_that_host(harness: &dyn Harness) {
    let mut bench = three(harness, own(1)).await;
    let (mut one, mut other) = (bench.open().await, bench.open().await);
    assert_eq!(nodes(&one.ask().await.claims), [task(2)]);
    one.free = vec![1];
    assert_eq!(nodes(&one.claim().await), [task(0)]);
    other.free = vec![1];
    assert_eq!(nodes(&other.claim().await), [task(1)]);
}

/// All hosts together get at most the total of a shared resource, whatever they report as free.
pub async fn shared_resources_are_counted_across_hosts(harness: &dyn Harness) {
    let mut bench = three(harness, shared(1)).await;
    let (mut one, mut other) = (bench.open().await, bench.open().await);
    (one.free, other.free) = (vec![9], vec![9]);
    let claims = one.claim().await;
    assert_eq!(nodes(&claims), [task(0), task(2)]);
    assert_eq!(other.ask().await.claims, []);
    one.slots = 0;
    one.settle(&claims[0], Outcome::Retry { delay: Duration::from_mins(1), step: 0 }).await;
    assert_eq!(nodes(&other.claim().await), [task(1)]);
}

/// A node that lacks a resource is reported once.
pub async fn blocked_node_is_reported_once(harness: &dyn Harness) {
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
pub async fn expanding_task_takes_no_resources(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[]]).await.resource(shared(1));
    let mut bench = bench.with(0, |task| (task.class, task.indexed) = (1, vec![1]));
    let mut host = bench.open().await;
    let whole = only(host.claim().await);
    let elements = host.settle(&whole, Outcome::Expand { items: 2, max_parallel: None }).await.claims;
    let first = only(elements);
    host.slots = 1;
    let second = only(host.done(&first).await);
    assert_eq!(second.node.at.last(), Some(1));
}

/// Tasks that need the listed amounts of a resource, each in its own class.
async fn asking(harness: &dyn Harness, resource: ResourceShape, amounts: &[u32]) -> Fixture {
    let waits_for = vec![&[][..]; amounts.len()];
    let mut bench = Fixture::new(harness, &waits_for).await;
    bench.shape.resources.push(resource);
    for ((class, amount), task) in (1..).zip(amounts).zip(&mut bench.shape.tasks) {
        task.class = class;
        bench.shape.classes.push(vec![(0, *amount)]);
    }
    bench
}

/// A node that needs more than a host's total is never handed to that host, whatever it reports as free.
pub async fn node_waits_for_a_host_with_enough_resources(harness: &dyn Harness) {
    let mut bench = asking(harness, own(1), &[2, 1]).await;
    let mut small = bench.open_with(1).await;
    small.free = vec![9];
    assert_eq!(nodes(&small.ask().await.claims), [task(1)]);
    let large = bench.open_with(2).await;
    assert_eq!(nodes(&large.claim().await), [task(0)]);
}

/// Each host is limited by its own total, not by that of the run's creator.
pub async fn hosts_may_have_different_resource_totals(harness: &dyn Harness) {
    let mut bench = asking(harness, elastic(2), &[3, 3, 3]).await;
    let small = bench.open_with(2).await;
    let mut large = bench.open_with(7).await;
    let claims = large.claim().await;
    assert_eq!(nodes(&claims), [task(0), task(1)]);
    large.free = vec![1];
    assert_eq!(nodes(&large.ask().await.claims), []);
    drop(small);
}

/// A node that needs more of an elastic resource than any host has takes all of one host's, once all is free.
pub async fn oversized_node_takes_the_whole_resource(harness: &dyn Harness) {
    let mut bench = asking(harness, elastic(4), &[9, 1]).await;
    let mut host = bench.open_with(4).await;
    host.free = vec![3];
    host.slots = 1;
    let claims = host.ask().await.claims;
    assert_eq!(nodes(&claims), [task(1)]);
    (host.free, host.slots) = (vec![4], 9);
    host.settle(&claims[0], Outcome::Release).await;
    let mut bench = asking(harness, elastic(4), &[9, 1]).await;
    let host = bench.open_with(4).await;
    let reply = host.ask().await;
    assert_eq!(nodes(&reply.claims), [task(0)]);
    assert_eq!(reply.blocked, [Blocked { node: task(1), resource: 0 }]);
}

/// A node that needs more than a host's total is left to a host with a larger total, even if that is too small too. The
/// larger host gives it all it has; the smaller one gets nothing, whatever it reports as free.
pub async fn oversized_node_is_left_to_a_larger_host(harness: &dyn Harness) {
    let mut bench = asking(harness, elastic(4), &[9, 99]).await;
    let mut small = bench.open_with(4).await;
    let large = bench.open_with(16).await;
    small.free = vec![999];
    assert_eq!(small.ask().await.claims, []);
    let first = only(large.claim().await);
    assert_eq!(first.node, task(0));
    assert_eq!(nodes(&large.done(&first).await), [task(1)]);
    assert_eq!(small.ask().await.claims, []);
}

/// A node whose attempts have grown takes more of the elastic resource: it is left to a larger host, which has to have as
/// much free. Once that has left, the smaller host gives it all it has.
pub async fn node_that_has_grown_is_left_to_a_larger_host(harness: &dyn Harness) {
    for indexed in [vec![], vec![1]] {
        let bench = asking(harness, elastic(4), &[1]).await;
        let mut bench = bench.with(0, |task| task.indexed.clone_from(&indexed));
        bench.shape.larger = vec![vec![], vec![6, 9]];
        let mut small = bench.open_with(4).await;
        let mut first = only(small.claim().await);
        if !indexed.is_empty() {
            let outcome = Outcome::Expand { items: 1, max_parallel: None };
            first = only(small.settle(&first, outcome).await.claims);
        }
        let mut large = bench.open_with(16).await;
        let again = |step| Outcome::Retry { delay: Duration::ZERO, step };
        // Other bits than the lowest four mean nothing.
        let next = only(small.settle(&first, again(0x10)).await.claims);
        assert_eq!(small.settle(&next, again(0x11)).await.claims, []);
        large.free = vec![5];
        assert_eq!(large.ask().await.claims, []);
        large.free = vec![6];
        let next = only(large.ask().await.claims);
        assert_eq!((next.node, next.step), (first.node, 0x11));
        // Beyond the end of the list, its last amount counts.
        assert_eq!(large.settle(&next, again(3)).await.claims, []);
        assert_eq!(small.ask().await.claims, []);
        drop(large);
        small.free = vec![3];
        assert_eq!(small.ask().await.claims, []);
        small.free = vec![4];
        assert_eq!(only(small.claim().await).node, first.node);
    }
}

/// What has grown and is left to a larger host keeps nothing else of its class from a smaller one: neither tasks behind it
/// nor elements. The larger host gets it once it asks.
pub async fn node_that_has_grown_is_passed_over(harness: &dyn Harness) {
    for indexed in [vec![], vec![1]] {
        let bench = three(harness, elastic(4)).await;
        let mut bench = bench.with(0, |task| (task.indexed, task.rank) = (indexed.clone(), 9));
        bench.shape.larger = vec![vec![], vec![6]];
        let mut small = bench.open_with(4).await;
        let large = bench.open_with(16).await;
        small.slots = 1;
        let first = only(small.claim().await);
        let (first, second) = if indexed.is_empty() {
            (first, task(1))
        } else {
            let outcome = Outcome::Expand { items: 3, max_parallel: None };
            let element = only(small.settle(&first, outcome).await.claims);
            (element, first.node.child(1))
        };
        let grown = small.settle(&first, Outcome::Retry { delay: Duration::ZERO, step: 1 }).await;
        assert_eq!(nodes(&grown.claims), [second]);
        assert_eq!(grown.blocked, [Blocked { node: first.node, resource: 0 }]);
        let last = only(small.done(&grown.claims[0]).await);
        assert!(last.node != first.node && last.step == 0, "{last:?}");
        let left = large.ask().await.claims;
        assert!(left.iter().any(|claim| claim.node == first.node && claim.step == 1), "{left:?}");
    }
}

/// Once the larger host has left, a waiting host is woken and handed the nodes that were left.
pub async fn oversized_node_is_claimed_once_the_larger_host_has_left(harness: &dyn Harness) {
    let mut bench = asking(harness, elastic(4), &[9, 9]).await;
    let small = bench.open_with(4).await;
    let mut large = bench.open_with(8).await;
    large.slots = 1;
    assert_eq!(nodes(&large.claim().await), [task(0)]);
    assert_eq!(small.ask().await.claims, []);
    let (claims, ()) = tokio::join!(small.claim(), async { drop(large) });
    assert_eq!(claims.len(), 1);
    assert_eq!(nodes(&small.done(&claims[0]).await).len(), 1);
}

/// A larger host is preferred only if it could run the node.
pub async fn larger_host_without_another_resource_is_ignored(harness: &dyn Harness) {
    let mut bench = asking(harness, elastic(4), &[9]).await.resource(own(1));
    bench.shape.classes[1] = vec![(0, 9), (1, 1)];
    let mut small = bench.open_with(4).await;
    small.free = vec![4, 1];
    bench.shape.resources[1] = own(0);
    let large = bench.open_with(16).await;
    assert_eq!(large.ask().await.claims, []);
    assert_eq!(nodes(&small.claim().await), [task(0)]);
}
