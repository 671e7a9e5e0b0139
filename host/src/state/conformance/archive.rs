//! Conformance of the archive: what readers outside a run see of it, cancelling it, and removing it.
//! The journal has its own cases in `journal.rs`.

use crate::model::{RunId, RunStatus, SkipReason};
use crate::state::conformance::fixture::{
    Fixture, Harness, Host, LEASE, TIMEOUT, element, must, must_fail, only, task, value,
};
use crate::state::{ClaimView, Counts, End, ErrorKind, HostId, OpenKind, Outcome, Removal, Stop};
use std::time::Duration;

/// A run's summary has its tasks by outcome, its times and its live hosts.
pub async fn run_summary_has_counts_and_hosts(harness: &dyn Harness) {
    let mut bench =
        Fixture::new(harness, &[&[], &[], &[], &[], &[]]).await.with(4, |task| task.is_included = false);
    let host = bench.open().await;
    let claims = host.claim().await;
    host.settle(&claims[0], Outcome::Done(value(task(0)))).await;
    host.settle(&claims[1], Outcome::Skipped(SkipReason::Pruned)).await;
    host.settle(&claims[2], Outcome::Failed(b"why"[..].into())).await;
    let found = must(bench.backend.run(&bench.run()).await);
    assert_eq!((&found.run, found.status), (&bench.run(), RunStatus::Running));
    assert_eq!((found.epoch, found.name), (host.opened.epoch, None));
    assert_eq!(found.counts, Counts { done: 1, failed: 1, skipped: 1, open: 1 });
    assert_eq!(found.hosts, [HostId(host.id.as_str().into())]);
    assert!(found.created <= found.active);
    host.settle(&claims[3], Outcome::Done(value(task(3)))).await;
    bench.gone(host).await;
    let found = must(bench.backend.run(&bench.run()).await);
    assert_eq!((found.status, found.counts.total(), found.hosts), (RunStatus::Failed, 4, vec![]));
}

/// Runs are listed by their last activity, and at most as many as requested.
pub async fn runs_are_listed_by_their_last_activity(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    assert_eq!(must(bench.backend.runs(9).await), []);
    let ids = ["run-b", "run-a", "run-c"];
    for id in ids {
        bench.id = id;
        let host = bench.open().await;
        host.done(&only(host.claim().await)).await;
    }
    let found = must(bench.backend.runs(9).await);
    assert!(found.is_sorted_by(|one, other| one.active >= other.active), "{found:?}");
    let mut found: Vec<&str> = found.iter().map(|run| run.run.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["run-a", "run-b", "run-c"]);
    assert_eq!(must(bench.backend.runs(2).await).len(), 2);
}

/// Runs are found by the beginning of their ids, at most as many as requested. The whole id is a prefix too.
pub async fn runs_are_found_by_prefix(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    for id in ["run-b", "run-a", "run-a.1", "other"] {
        bench.id = id;
        let host = bench.open().await;
        host.done(&only(host.claim().await)).await;
    }
    let cases: [(&str, &[&str]); 6] = [
        ("run-", &["run-a", "run-a.1", "run-b"]),
        ("run-a", &["run-a", "run-a.1"]),
        ("o", &["other"]),
        ("other", &["other"]),
        ("un-a", &[]),
        ("run-a-", &[]),
    ];
    for (prefix, ids) in cases {
        let found = must(bench.backend.runs_with_prefix(prefix, 9).await);
        assert_eq!(found.iter().map(RunId::as_str).collect::<Vec<_>>(), ids, "{prefix}");
    }
    assert_eq!(must(bench.backend.runs_with_prefix("run", 2).await).len(), 2);
    must(bench.backend.remove(&must(RunId::new("run-b")), Removal::Any).await);
    assert_eq!(must(bench.backend.runs_with_prefix("run-b", 9).await), []);
}

/// Nodes are returned in the order of the names, without results; nodes with nothing stored are open.
pub async fn node_views_omit_results(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[]]).await.with(2, |task| task.indexed = vec![1]);
    let host = bench.open().await;
    let claims = host.claim().await;
    host.settle(&claims[0], Outcome::Skipped(SkipReason::ConditionFalse)).await;
    host.settle(&claims[1], Outcome::Failed(b"why"[..].into())).await;
    let elements = host.settle(&claims[2], Outcome::Expand { items: 2, max_parallel: None }).await.claims;
    host.settle(&elements[0], Outcome::Done(b"12345"[..].into())).await;
    let names = ["t2[0]", "t1", "t0", "t2[1]", "t2", "none", "t2[x"].map(str::to_owned);
    let found = must(bench.backend.nodes(&bench.run(), &names).await);
    assert!(found.iter().all(|node| node.note.is_none()));
    let ends: Vec<End> = found.into_iter().map(|node| node.end).collect();
    let (failed, skipped) = (End::Failed(b"why"[..].into()), End::Skipped(SkipReason::ConditionFalse));
    assert_eq!(ends, [End::Done { bytes: 5 }, failed, skipped, End::Open, End::Open, End::Open, End::Open]);
}

/// Failed elements are returned by name, at most as many as requested.
pub async fn failed_elements_are_listed(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await.with(0, |task| task.indexed = vec![1]);
    let host = bench.open().await;
    let claims = host.claim().await;
    host.settle(&claims[1], Outcome::Failed(b"a task is none"[..].into())).await;
    let elements = host.settle(&claims[0], Outcome::Expand { items: 4, max_parallel: None }).await.claims;
    host.settle(&elements[0], Outcome::Done(b"x"[..].into())).await;
    for element in &elements[1..] {
        host.settle(element, Outcome::Failed(b"why"[..].into())).await;
    }
    let mut names = must(bench.backend.failed_elements(&bench.run(), 9).await);
    names.sort_unstable();
    assert_eq!(names, ["t0[1]", "t0[2]", "t0[3]"]);
    assert_eq!(must(bench.backend.failed_elements(&bench.run(), 2).await).len(), 2);
}

/// Claims are returned with holder, attempt and lease. Settled claims, and those of hosts that have left, are not.
pub async fn claims_are_listed_with_their_holders(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await.with(1, |task| task.indexed = vec![1]);
    let (host, other) = (bench.open().await, bench.open().await);
    let claims = host.claim().await;
    host.settle(&claims[1], Outcome::Expand { items: 1, max_parallel: None }).await;
    host.settle(&claims[0], Outcome::Retry { delay: Duration::ZERO, step: 0 }).await;
    let mut found = must(bench.backend.claims(&bench.run(), 9).await);
    found.sort_by_key(|claim| claim.node);
    let nodes: Vec<_> = found.iter().map(|claim| (claim.node, claim.attempt, claim.takeovers)).collect();
    assert_eq!(nodes, [(task(0), 2, 0), (element(1, 0), 1, 0)]);
    let is_held_by = |host: &Host| {
        let id = host.id.clone();
        move |claim: &ClaimView| *claim.host.0 == *id && claim.lease <= LEASE
    };
    assert!(found.iter().all(is_held_by(&host)), "{found:?}");
    assert_eq!(must(bench.backend.claims(&bench.run(), 1).await).len(), 1);
    bench.gone(host).await;
    assert_eq!(must(bench.backend.claims(&bench.run(), 9).await), []);
    assert_eq!(other.ask().await.claims.len(), 2);
    let found = must(bench.backend.claims(&bench.run(), 9).await);
    assert!(found.len() == 2 && found.iter().all(is_held_by(&other)), "{found:?}");
}

/// A run can be cancelled from outside: its hosts are woken to stop, and it ends once they have.
pub async fn run_is_cancelled_by_the_archive(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[0]]).await;
    let host = bench.open().await;
    let root = only(host.claim().await);
    let seen = host.ask().await.version;
    assert_eq!(must(bench.backend.cancel(&bench.run()).await), RunStatus::Running);
    must(must(tokio::time::timeout(TIMEOUT, host.ledger.changed(seen)).await));
    let reply = host.ask().await;
    assert_eq!((reply.progress.status, reply.progress.stop), (RunStatus::Running, Some(Stop::Cancelled)));
    let reply = host.settle(&root, Outcome::Release).await;
    assert_eq!((reply.progress.status, reply.claims), (RunStatus::Cancelled, vec![]));
    assert_eq!(must(bench.backend.cancel(&bench.run()).await), RunStatus::Cancelled);
    bench.gone(host).await;
    let host = bench.open().await;
    assert_eq!(host.opened.kind, OpenKind::Resumed { kept: 0 });
    host.done(&only(host.claim().await)).await;
}

/// Cancelling a run without hosts ends it at once; a run that has ended is not changed.
pub async fn cancelled_run_without_hosts_ends_immediately(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    let host = bench.open().await;
    assert_eq!(host.claim().await.len(), 2);
    bench.gone(host).await;
    assert_eq!(must(bench.backend.cancel(&bench.run()).await), RunStatus::Running);
    assert_eq!(must(bench.backend.run(&bench.run()).await).status, RunStatus::Cancelled);
    let host = bench.open().await;
    for claim in host.claim().await {
        host.done(&claim).await;
    }
    assert_eq!(must(bench.backend.cancel(&bench.run()).await), RunStatus::Succeeded);
    assert_eq!(must(bench.backend.run(&bench.run()).await).status, RunStatus::Succeeded);
}

/// A removed run is gone, and its id is free again.
pub async fn removed_run_is_gone(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let host = bench.open().await;
    host.done(&only(host.claim().await)).await;
    bench.gone(host).await;
    must(bench.backend.remove(&bench.run(), Removal::Idle).await);
    assert_eq!(must(bench.backend.runs(9).await), []);
    assert_eq!(must_fail(bench.backend.record(&bench.run()).await).kind, ErrorKind::NoRun);
    let host = bench.open().await;
    assert_eq!((host.opened.kind, host.opened.stored.len()), (OpenKind::Created, 0));
}

/// A run with live hosts is removed only by force. Its hosts then find out, and do not begin it again.
pub async fn run_with_live_hosts_is_removed_only_by_force(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let host = bench.open().await;
    assert_eq!(host.claim().await.len(), 1);
    assert_eq!(must_fail(bench.backend.remove(&bench.run(), Removal::Idle).await).kind, ErrorKind::Held);
    assert_eq!(must(bench.backend.run(&bench.run()).await).counts.open, 1);
    let seen = host.ask().await.version;
    must(bench.backend.remove(&bench.run(), Removal::Any).await);
    must(must(tokio::time::timeout(TIMEOUT, host.ledger.changed(seen)).await));
    assert_eq!(must_fail(host.try_commit(vec![]).await).kind, ErrorKind::NoRun);
    assert_eq!(must_fail(bench.backend.run(&bench.run()).await).kind, ErrorKind::NoRun);
    drop(host);
    let host = bench.open().await;
    assert_eq!((host.opened.kind, host.claim().await.len()), (OpenKind::Created, 1));
}

/// Every request for a run that does not exist fails with `NoRun`.
pub async fn missing_run_is_an_error_for_every_query(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[]]).await;
    let run = must(RunId::new("nobody"));
    let errors = [
        must_fail(bench.backend.run(&run).await),
        must_fail(bench.backend.nodes(&run, &["t0".to_owned()]).await),
        must_fail(bench.backend.ended_well(&run, &[]).await),
        must_fail(bench.backend.failed_elements(&run, 9).await),
        must_fail(bench.backend.log(&run, "t0").await),
        must_fail(bench.backend.claims(&run, 9).await),
        must_fail(bench.backend.cancel(&run).await),
        must_fail(bench.backend.follow(&run).next().await),
        must_fail(bench.backend.remove(&run, Removal::Any).await),
    ];
    assert!(errors.iter().all(|error| error.kind == ErrorKind::NoRun), "{errors:?}");
}
