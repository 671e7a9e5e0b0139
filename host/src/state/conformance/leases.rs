//! Conformance of leases: expiry, takeover, and fencing of lost tokens.
//! The outcomes of settlements have their cases in `order.rs`.

use crate::state::conformance::fixture::{
    BRIEF, Fixture, Harness, TIMEOUT, in_time, must, only, task, value,
};
use crate::state::{Certainty, Entry, HostId, Loss, OpenKind, Outcome, Stage, Verdict};
use std::time::Duration;

/// A node whose lease is not renewed is taken over; the first holder's result is fenced.
pub async fn expired_claim_is_taken_over_and_its_first_holder_fenced(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let (one, other) = (bench.open_brief().await, bench.open().await);
    let first = only(one.claim().await);
    let second = only(other.claim().await);
    assert_eq!((second.node, second.stage, second.attempt), (task(0), Stage::Ready, 1));
    assert_eq!((second.takeovers, &second.from), (1, &Some(HostId(one.id.as_str().into()))));
    let late = one.commit(vec![(first.token, Outcome::Done(b"late"[..].into()))]).await;
    assert_eq!(late.verdicts, [Verdict::Fenced]);
    assert_eq!(one.entry(task(0)).await, Entry::Open);
    assert_eq!(must(one.ledger.renew(&[first.token]).await), [first.token]);
    assert_eq!(must(other.ledger.renew(&[second.token]).await), []);
    other.done(&second).await;
    assert_eq!(one.entry(task(0)).await, Entry::Done(value(task(0))));
}

/// A renewed lease does not expire.
pub async fn renewed_lease_is_kept(harness: &dyn Harness) {
    in_time(harness, &[&[]], async |mut bench| {
        let (one, other) = (bench.open().await, bench.open().await);
        let first = only(one.claim().await);
        for _ in 0..6 {
            tokio::time::sleep(bench.lease / 3).await;
            let lost = must(one.ledger.renew(&[first.token]).await);
            if !lost.is_empty() || !other.ask().await.claims.is_empty() {
                return false;
            }
        }
        one.done(&first).await;
        true
    })
    .await;
}

/// Steps that settle nothing, such as renewals, keep the pending propagation of a wide task.
pub async fn renewal_hides_no_change_from_followers(harness: &dyn Harness) {
    let wide: Vec<&[u32]> = [&[][..], &[]].into_iter().chain(std::iter::repeat_n(&[0][..], 2500)).collect();
    let mut bench = Fixture::new(harness, &wide).await;
    let mut host = bench.open().await;
    let mut roots = host.claim().await;
    let held = must(roots.pop().ok_or("two roots"));
    let _losses = must(host.ledger.keep_leases());
    host.slots = 0;
    host.done(&only(roots)).await;
    assert_eq!(must(host.ledger.renew(&[held.token]).await), []);
    host.slots = 3000;
    let mut seen = 0;
    for _ in 0..10 {
        assert_eq!(must(host.ledger.renew(&[held.token]).await), []);
        seen += host.ask().await.claims.len();
    }
    assert_eq!(seen, 2500);
}

/// A host that keeps its leases holds present and future claims without explicit renewal.
pub async fn background_renewal_keeps_claims(harness: &dyn Harness) {
    in_time(harness, &[&[], &[0]], async |mut bench| {
        let (one, other) = (bench.open().await, bench.open().await);
        let mut claim = only(one.claim().await);
        let mut losses = must(one.ledger.keep_leases());
        for is_last in [false, true] {
            tokio::time::sleep(bench.lease * 2).await;
            if !other.ask().await.claims.is_empty() || losses.try_recv().is_ok() {
                return false;
            }
            let next = one.done(&claim).await;
            if !is_last {
                claim = only(next);
            }
        }
        true
    })
    .await;
}

/// A host that keeps its leases is informed of lost claims.
pub async fn losses_are_reported_to_a_host_with_background_renewal(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let (one, other) = (bench.open_brief().await, bench.open().await);
    let first = only(one.claim().await);
    let second = only(other.claim().await);
    assert_eq!(second.takeovers, 1);
    let mut losses = must(one.ledger.keep_leases());
    let mut next_loss = async || must(tokio::time::timeout(TIMEOUT, losses.recv()).await);
    let doubted = Some(Loss { token: first.token, certainty: Certainty::Unconfirmed });
    let mut loss = next_loss().await;
    if loss == doubted {
        loss = next_loss().await; // the backend did not answer at once
    }
    assert_eq!(loss, Some(Loss { token: first.token, certainty: Certainty::Taken }));
    other.done(&second).await;
}

/// Claims of a dead host are handed out as soon as a host that knows of its death opens the run. Other hosts keep their
/// claims.
pub async fn claims_of_dead_hosts_are_taken_over_immediately(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    let (mut one, mut other) = (bench.open().await, bench.open().await);
    (one.slots, other.slots) = (1, 1);
    let first = only(one.claim().await);
    let second = only(other.claim().await);
    bench.is_gone = |host| *host.0 == *"host-1";
    let third = bench.open().await;
    assert_eq!(third.opened.kind, OpenKind::Joined);
    let taken = only(third.ask().await.claims);
    assert_eq!((taken.node, taken.from), (first.node, Some(HostId("host-1".into()))));
    other.done(&second).await;
}

/// A result after the lease has expired counts while no other host has the node.
pub async fn late_result_counts_until_the_node_is_taken_over(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    let mut host = bench.open_brief().await;
    let claims = host.claim().await;
    host.slots = 0;
    tokio::time::sleep(BRIEF * 2).await;
    assert_eq!(must(host.ledger.renew(&[claims[1].token]).await), []);
    host.done(&claims[0]).await;
    host.done(&claims[1]).await;
}

/// A release keeps the count of takeovers, because it proves nothing about the node. Any other settlement resets it.
pub async fn settlement_other_than_a_release_resets_the_takeovers(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let (one, other, last) = (bench.open_brief().await, bench.open_brief().await, bench.open().await);
    only(one.claim().await);
    assert_eq!(only(other.claim().await).takeovers, 1);
    let third = only(last.claim().await);
    assert_eq!(third.takeovers, 2);
    let fourth = only(last.settle(&third, Outcome::Release).await.claims);
    assert_eq!((fourth.attempt, fourth.takeovers, &fourth.from), (1, 2, &None));
    let fifth = only(last.settle(&fourth, Outcome::Retry { delay: Duration::ZERO, step: 0 }).await.claims);
    assert_eq!((fifth.attempt, fifth.takeovers, fifth.from), (2, 0, None));
}

/// A settlement that is repeated because its reply was lost is a duplicate, and writes nothing.
pub async fn repeated_settlement_is_a_duplicate(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    let batch = vec![
        (claims[0].token, Outcome::Done(value(task(0)))),
        (claims[1].token, Outcome::Retry { delay: Duration::ZERO, step: 0 }),
    ];
    let reply = host.commit(batch.clone()).await;
    assert_eq!(reply.verdicts, [Verdict::Committed, Verdict::Committed]);
    assert_eq!(host.commit(batch).await.verdicts, [Verdict::Duplicate, Verdict::Duplicate]);
    let again = only(reply.claims);
    assert_eq!(again.attempt, 2);
    assert_eq!(must(host.ledger.renew(&[claims[0].token]).await), [claims[0].token]);
    host.done(&again).await;
}

/// A token of an earlier life of the run is fenced.
pub async fn token_of_an_earlier_life_is_fenced(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let one = bench.open().await;
    let first = only(one.claim().await);
    bench.gone(one).await;
    let other = bench.open().await;
    let late = other.commit(vec![(first.token, Outcome::Done(b"late"[..].into()))]).await;
    assert_eq!(late.verdicts, [Verdict::Fenced]);
    assert_ne!(only(late.claims).token, first.token);
}
