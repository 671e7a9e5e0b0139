//! Conformance of wake-ups: no change is missed, whatever the order of change and wait.
//! Spurious wake-ups are allowed and not tested.

use crate::model::RunStatus;
use crate::state::conformance::fixture::{Fixture, Harness, Host, TIMEOUT, must, only, task};
use crate::state::{Outcome, Stop, Version};
use std::time::Duration;

/// Waits for changes until `is_there` returns nothing.
async fn until(host: &Host, mut seen: Version, mut is_there: impl AsyncFnMut() -> Option<Version>) {
    let woken = async {
        loop {
            must(host.ledger.changed(seen).await);
            match is_there().await {
                None => return,
                Some(version) => seen = version,
            }
        }
    };
    must(tokio::time::timeout(TIMEOUT, woken).await);
}

/// A waiting host is woken when another host makes a node ready.
pub async fn change_wakes_other_hosts(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[0]]).await;
    let (mut one, other) = (bench.open().await, bench.open().await);
    let root = only(one.claim().await);
    one.slots = 0;
    let (claims, _) = tokio::join!(other.claim(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        one.done(&root).await
    });
    assert_eq!(only(claims).node, task(1));
}

/// A change between the reply and the wait is not missed, nor one after a dropped wait.
pub async fn change_since_the_version_wakes_immediately(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[0]]).await;
    let (mut one, other) = (bench.open().await, bench.open().await);
    let root = only(one.claim().await);
    let seen = other.ask().await.version;
    let dropped = tokio::time::timeout(Duration::from_millis(50), other.ledger.changed(seen)).await;
    drop(dropped);
    one.slots = 0;
    one.done(&root).await;
    until(&other, seen, async || {
        let reply = other.ask().await;
        reply.claims.is_empty().then_some(reply.version)
    })
    .await;
}

/// The end of a retry delay wakes waiters.
pub async fn elapsed_retry_delay_wakes(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let (one, other) = (bench.open().await, bench.open().await);
    let root = only(one.claim().await);
    one.settle(&root, Outcome::Retry { delay: Duration::from_millis(200), step: 0 }).await;
    assert_eq!(only(other.claim().await).attempt, 2);
}

/// An expired lease wakes waiters.
pub async fn expired_lease_wakes(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let (one, other) = (bench.open_brief().await, bench.open().await);
    only(one.claim().await);
    assert_eq!(only(other.claim().await).takeovers, 1);
}

/// A cancellation wakes every host.
pub async fn cancellation_wakes(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[0]]).await;
    let (one, other) = (bench.open().await, bench.open().await);
    let root = only(one.claim().await);
    let seen = other.ask().await.version;
    must(one.ledger.cancel().await);
    until(&other, seen, async || {
        let reply = other.ask().await;
        reply.progress.stop.is_none().then_some(reply.version)
    })
    .await;
    let seen = other.ask().await.version;
    let reply = one.settle(&root, Outcome::Release).await;
    assert_eq!((reply.progress.status, reply.progress.stop), (RunStatus::Cancelled, Some(Stop::Cancelled)));
    until(&other, seen, async || {
        let reply = other.ask().await;
        (reply.progress.status == RunStatus::Running).then_some(reply.version)
    })
    .await;
}
