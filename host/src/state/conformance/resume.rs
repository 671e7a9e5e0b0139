//! Conformance of opening runs: kept results, refused requests, and reading results.
//! Scheduling after that has its cases in `order.rs`.

use crate::model::{Digest, FailurePolicy, RunId, RunStatus, SkipReason, TaskIdx};
use crate::state::conformance::fixture::{
    Fixture, Harness, TIMEOUT, element, in_time, must, must_fail, nodes, only, task, value,
};
use crate::state::{Entry, ErrorKind, Mode, OpenKind, Outcome, Removal, Stage};
use std::time::Duration;

/// Results are read by name, in the order of the names; the plan record is returned unchanged.
pub async fn results_are_read_by_name(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await.with(1, |task| task.indexed = vec![1]);
    let host = bench.open().await;
    let claims = host.claim().await;
    host.settle(&claims[0], Outcome::Skipped(SkipReason::ConditionFalse)).await;
    let elements = host.settle(&claims[1], Outcome::Expand { items: 1, max_parallel: None }).await.claims;
    let whole = only(host.done(&elements[0]).await);
    host.done(&whole).await;
    let names = ["t1[0]", "t0", "t1", "t1[1]", "none", "t1[", "t1[x]"].map(str::to_owned);
    let results = must(bench.backend.results(&bench.run(), &names).await);
    let (first, list) = (Some(value(element(1, 0))), Some(value(task(1))));
    assert_eq!(results, [first, None, list, None, None, None, None]);
    assert_eq!(must(bench.backend.record(&bench.run()).await), bench.digest.as_bytes()[..]);
}

/// Reading a run that does not exist fails with `NoRun`.
pub async fn missing_run_is_an_error(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[]]).await;
    let run = must(RunId::new("nobody"));
    assert_eq!(must_fail(bench.backend.results(&run, &[]).await).kind, ErrorKind::NoRun);
    assert_eq!(must_fail(bench.backend.record(&run).await).kind, ErrorKind::NoRun);
}

/// A resumed run keeps its results; failed, skipped and missing tasks are open again.
pub async fn resumed_run_keeps_results_and_discards_skips_and_failures(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[], &[0, 1]]).await;
    bench.policy = FailurePolicy::Finish;
    let host = bench.open().await;
    assert_eq!(host.opened.kind, OpenKind::Created);
    let claims = host.claim().await;
    host.done(&claims[0]).await;
    host.settle(&claims[2], Outcome::Skipped(SkipReason::ConditionFalse)).await;
    let tainted = only(host.settle(&claims[1], Outcome::Failed(b"no"[..].into())).await.claims);
    host.settle(&tainted, Outcome::Skipped(SkipReason::UpstreamFailed)).await;
    let host = bench.open().await;
    assert_eq!(
        (host.opened.kind, &host.opened.stored),
        (OpenKind::Resumed { kept: 1 }, &vec![TaskIdx::new(0)])
    );
    let reply = host.ask().await;
    assert_eq!((reply.progress.status, reply.progress.open), (RunStatus::Running, 3));
    assert_eq!(nodes(&reply.claims), [task(1), task(2)]);
    for at in 1..4 {
        assert_eq!(host.entry(task(at)).await, Entry::Open);
    }
    assert_eq!(reply.claims[0].attempt, 1);
    let last = only(host.done(&reply.claims[0]).await);
    assert_eq!((last.node, host.entry(task(0)).await), (task(3), Entry::Done(value(task(0)))));
}

/// A resumed run keeps stored elements and hands out only the others.
pub async fn resumed_run_keeps_elements(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await.with(0, |task| task.indexed = vec![1]);
    let host = bench.open().await;
    let expand = Outcome::Expand { items: 5, max_parallel: None };
    let claims = host.settle(&only(host.claim().await), expand.clone()).await.claims;
    for at in [1, 2, 4] {
        host.done(&claims[at]).await;
    }
    bench.gone(host).await;
    let host = bench.open().await;
    assert_eq!(host.opened.kind, OpenKind::Resumed { kept: 0 });
    let claims = host.settle(&only(host.claim().await), expand).await.claims;
    assert_eq!(nodes(&claims), [element(0, 0), element(0, 3)]);
    assert_eq!(host.entry(element(0, 4)).await, Entry::Done(value(element(0, 4))));
    host.done(&claims[0]).await;
    assert_eq!(only(host.done(&claims[1]).await).node, task(0));
}

/// A run that has succeeded has nothing left to do.
pub async fn resumed_successful_run_keeps_everything(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let host = bench.open().await;
    host.done(&only(host.claim().await)).await;
    let host = bench.open().await;
    assert_eq!(host.opened.kind, OpenKind::Resumed { kept: 1 });
    let reply = host.ask().await;
    assert_eq!((reply.claims, reply.progress.status), (vec![], RunStatus::Succeeded));
}

/// A run with another digest is refused, with the stored plan record.
pub async fn different_digest_is_rejected_with_the_stored_record(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let host = bench.open().await;
    let record = bench.digest.as_bytes().to_vec();
    bench.digest = Digest::of_bytes(b"another plan");
    let error = must_fail(bench.ask().await);
    assert_eq!(error.kind, ErrorKind::OtherDigest(record.into()));
    bench.gone(host).await;
    assert!(matches!(must_fail(bench.ask().await).kind, ErrorKind::OtherDigest(_)));
}

/// An update accepts another digest under a new epoch, and keeps the results of tasks with an unchanged fingerprint.
pub async fn update_keeps_unchanged_results_in_a_new_epoch(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[]]).await;
    let host = bench.open().await;
    let epoch = host.opened.epoch;
    let claims = host.claim().await;
    host.done(&claims[0]).await;
    host.done(&claims[1]).await;
    bench.gone(host).await;
    bench.mode = Mode::Update;
    let host = bench.open().await;
    assert_eq!(host.opened.epoch, epoch, "nothing was changed");
    bench.gone(host).await;
    bench.digest = Digest::of_bytes(b"another plan");
    let mut bench = bench.with(1, |task| task.fingerprint = Digest::of_bytes(b"another call"));
    bench.shape.tasks.rotate_left(1);
    let host = bench.open().await;
    assert!(host.opened.epoch > epoch);
    assert_eq!(
        (host.opened.kind, &host.opened.stored),
        (OpenKind::Resumed { kept: 1 }, &vec![TaskIdx::new(2)])
    );
    assert_eq!(host.entry(task(2)).await, Entry::Done(value(task(0))));
    assert_eq!(nodes(&host.claim().await), [task(0), task(1)]);
    assert_eq!(must(bench.backend.record(&bench.run()).await), bench.digest.as_bytes()[..]);
}

/// An update keeps the elements of a task with an unchanged fingerprint. Those beyond the new list are ignored.
pub async fn update_keeps_elements_of_unchanged_tasks(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[], &[]]).await;
    let mut bench = bench.with(0, |task| task.indexed = vec![1]).with(1, |task| task.indexed = vec![1]);
    let host = bench.open().await;
    let expand = |items| Outcome::Expand { items, max_parallel: None };
    for whole in host.claim().await {
        let elements = host.settle(&whole, expand(4)).await.claims;
        for item in [0, 2, 3] {
            host.done(&elements[item]).await;
        }
    }
    bench.gone(host).await;
    bench.mode = Mode::Update;
    bench.digest = Digest::of_bytes(b"another plan");
    let mut bench = bench.with(1, |task| task.fingerprint = Digest::of_bytes(b"another call"));
    bench.shape.tasks.rotate_left(1);
    let host = bench.open().await;
    assert_eq!(host.opened.kind, OpenKind::Resumed { kept: 0 });
    let names = ["t0[0]", "t0[1]", "t0[2]", "t1[0]", "t1[2]"].map(str::to_owned);
    let kept = must(bench.backend.results(&bench.run(), &names).await);
    assert_eq!(kept.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, false, false]);
    let claims = host.claim().await;
    assert_eq!(nodes(&claims), [task(0), task(1)]);
    let unchanged = host.settle(&claims[1], expand(3)).await.claims;
    assert_eq!(nodes(&unchanged), [element(1, 1)]);
    let changed = host.settle(&claims[0], expand(2)).await.claims;
    assert_eq!(nodes(&changed), [element(0, 0), element(0, 1)]);
    let whole = only(host.done(&unchanged[0]).await);
    assert_eq!((whole.node, whole.stage), (task(1), Stage::Expanded { items: 3 }));
}

/// A fresh start keeps nothing and begins a new epoch.
pub async fn fresh_run_keeps_nothing_in_a_new_epoch(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    bench.mode = Mode::Fresh;
    let host = bench.open().await;
    let epoch = host.opened.epoch;
    host.done(&only(host.claim().await)).await;
    let host = bench.open().await;
    assert!(host.opened.epoch > epoch);
    assert_eq!((host.opened.kind, &host.opened.stored), (OpenKind::Created, &vec![]));
    assert_eq!(host.entry(task(0)).await, Entry::Open);
    assert_eq!(nodes(&host.claim().await), [task(0)]);
}

/// A run with live hosts is joined; it is neither updated nor restarted.
pub async fn run_with_a_live_host_is_joined_and_not_replaced(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    let one = bench.open().await;
    let claims = one.claim().await;
    one.done(&claims[0]).await;
    let other = bench.open().await;
    assert_eq!((other.opened.kind, &other.opened.stored), (OpenKind::Joined, &vec![TaskIdx::new(0)]));
    assert_eq!(other.opened.epoch, one.opened.epoch);
    bench.mode = Mode::Fresh;
    assert_eq!(must_fail(bench.ask().await).kind, ErrorKind::Held);
    bench.mode = Mode::Update;
    assert_eq!(bench.open().await.opened.kind, OpenKind::Joined);
    bench.digest = Digest::of_bytes(b"another plan");
    assert_eq!(must_fail(bench.ask().await).kind, ErrorKind::Held);
    one.done(&claims[1]).await;
}

/// A run without writes expires after its TTL, and its id is free; heartbeats of a live host are writes. Backends that do
/// not outlive the process may keep it.
pub async fn run_without_writes_expires(harness: &dyn Harness) {
    in_time(harness, &[&[]], async |mut bench| {
        bench.ttl = bench.lease * 2;
        let host = bench.open().await;
        let root = only(host.claim().await);
        tokio::time::sleep(bench.ttl * 2).await;
        match bench.backend.run(&bench.run()).await {
            // The heartbeat of the live host came too late.
            Err(error) if error.kind == ErrorKind::NoRun => return false,
            found => assert_eq!(must(found).status, RunStatus::Running),
        }
        host.done(&root).await;
        bench.gone(host).await;
        tokio::time::sleep(bench.ttl).await;
        if !bench.backend.outlives_process() {
            must(bench.backend.remove(&bench.run(), Removal::Idle).await);
        }
        let absent = async {
            while bench.backend.run(&bench.run()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        must(tokio::time::timeout(TIMEOUT, absent).await);
        assert_eq!(must_fail(bench.backend.run(&bench.run()).await).kind, ErrorKind::NoRun);
        assert_eq!(must_fail(bench.other().record(&bench.run()).await).kind, ErrorKind::NoRun);
        assert_eq!(must(bench.backend.runs(9).await), []);
        let host = bench.open().await;
        assert_eq!((host.opened.kind, &host.opened.stored), (OpenKind::Created, &vec![]));
        true
    })
    .await;
}

/// A usable backend passes its preflight check, and describes itself.
pub async fn usable_backend_passes_its_checks(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    for notice in must(bench.backend.preflight().await) {
        assert!(!notice.code.is_empty() && !notice.message.is_empty(), "{notice:?}");
    }
    for (name, value) in must(bench.backend.describe().await) {
        assert!(!name.is_empty() && !value.is_empty(), "{name}: {value}");
    }
    let host = bench.open().await;
    let outage = bench.backend.health().and_then(|health| health.borrow().outage.clone());
    assert_eq!((outage, host.ledger.notices()), (None, vec![]));
}

/// Claims of a host that has left can be taken over at once, and the host counts no longer.
pub async fn host_that_leaves_is_not_waited_for(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    let (one, other) = (bench.open().await, bench.open().await);
    let first = only(one.claim().await);
    one.ledger.leave().await;
    drop(one);
    let taken = only(other.claim().await);
    assert_eq!((taken.node, taken.takeovers), (first.node, 1));
    other.done(&taken).await;
    bench.gone(other).await;
    assert_eq!(must(bench.backend.run(&bench.run()).await).hosts, []);
}
