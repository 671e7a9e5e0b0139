//! Conformance of finally tasks: they follow every ending once, on any host, and change nothing of it.
//! The values of the run that they read are left to the engine.

use crate::model::{FailurePolicy, RunStatus, SkipReason, TaskIdx};
use crate::state::conformance::fixture::{Fixture, Harness, Host, element, must, nodes, only, task, value};
use crate::state::{Claim, Entry, NodeId, Outcome, Stage, Verdict, Want};
use std::time::Duration;

fn failed() -> Outcome {
    Outcome::Failed(b"record"[..].into())
}

/// Asserts what a run is at: running or ended, its ending, and how many tasks are open.
async fn at(host: &Host, status: RunStatus, ending: Option<RunStatus>, open: u32) {
    let progress = must(host.ledger.commit(Vec::new(), Want::default()).await).progress;
    assert_eq!((progress.status, progress.ending, progress.open), (status, ending, open), "{progress:?}");
}

/// Finally tasks are handed out when all others have ended, with the ending that the run will have.
pub async fn finally_tasks_follow_the_last_task(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[0], &[], &[2]]).await.finally(2);
    let host = bench.open().await;
    let first = only(host.claim().await);
    assert_eq!(first.node, task(0));
    let second = only(host.done(&first).await);
    at(&host, RunStatus::Running, None, 3).await;
    let reply = host.settle(&second, Outcome::Done(value(second.node))).await;
    let (progress, third) = (reply.progress, only(reply.claims));
    assert_eq!((third.node, third.stage), (task(2), Stage::Ready));
    let expected = (RunStatus::Running, Some(RunStatus::Succeeded), 2, 4);
    assert_eq!((progress.status, progress.ending, progress.open, progress.total), expected);
    let last = only(host.done(&third).await);
    assert_eq!(last.node, task(3));
    host.done(&last).await;
    at(&host, RunStatus::Succeeded, Some(RunStatus::Succeeded), 0).await;
}

/// A run that would succeed is closed first. Whether it has is known to its finally tasks.
pub async fn finally_tasks_follow_the_closing_node(harness: &dyn Harness) {
    for (outcome, status) in [(Outcome::Passed, RunStatus::Succeeded), (failed(), RunStatus::Failed)] {
        let mut bench = Fixture::new(harness, &[&[], &[]]).await.finally(1).closed();
        let host = bench.open().await;
        let closing = only(host.done(&only(host.claim().await)).await);
        assert_eq!(closing.stage, Stage::Closing);
        let reply = host.settle(&closing, outcome).await;
        assert_eq!(reply.progress.ending, Some(status));
        host.done(&only(reply.claims)).await;
        at(&host, status, Some(status), 0).await;
    }
}

/// After a failure that stops the run, queued tasks are dropped, and the finally tasks follow what still runs.
pub async fn finally_tasks_follow_a_failure(harness: &dyn Harness) {
    for policy in [FailurePolicy::Finish, FailurePolicy::FailFast, FailurePolicy::KeepGoing] {
        let mut bench = Fixture::new(harness, &[&[], &[], &[], &[0], &[]]).await.finally(4);
        bench.policy = policy;
        let mut host = bench.open().await;
        host.slots = 2;
        let running = host.claim().await;
        assert_eq!(nodes(&running), [task(0), task(1)]);
        host.slots = 0;
        let tainted = only(host.settle(&running[0], failed()).await.claims);
        assert_eq!((tainted.node, tainted.stage), (task(3), Stage::Tainted));
        host.settle(&tainted, Outcome::Skipped(SkipReason::UpstreamFailed)).await;
        host.slots = 9;
        let mut claims = host.done(&running[1]).await;
        if policy == FailurePolicy::KeepGoing {
            claims = host.done(&only(claims)).await;
        }
        let last = only(claims);
        assert_eq!(last.node, task(4));
        let open = u32::from(policy != FailurePolicy::KeepGoing);
        at(&host, RunStatus::Running, Some(RunStatus::Failed), open + 1).await;
        let mut found = must(host.ledger.failed().await);
        found.sort_unstable();
        assert_eq!(found, [task(0)]);
        host.done(&last).await;
        at(&host, RunStatus::Failed, Some(RunStatus::Failed), open).await;
    }
}

/// A cancelled run ends after its finally tasks. Another cancellation ends it without them.
pub async fn finally_tasks_follow_a_cancellation(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[], &[]]).await.finally(2);
    let mut host = bench.open().await;
    host.slots = 1;
    let first = only(host.claim().await);
    must(host.ledger.cancel().await);
    let last = host.settle(&first, Outcome::Release).await.claims;
    assert_eq!(only(last.clone()).node, task(2));
    at(&host, RunStatus::Running, Some(RunStatus::Cancelled), 4).await;
    must(host.ledger.cancel().await);
    let reply = host.settle(&only(last), Outcome::Release).await;
    assert!(reply.claims.is_empty());
    at(&host, RunStatus::Cancelled, Some(RunStatus::Cancelled), 4).await;
}

/// The deadline of the run does not bind its finally tasks.
pub async fn finally_tasks_follow_the_deadline_of_the_run(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await.finally(1);
    bench.shape.deadline = Some(Duration::from_millis(200));
    let host = bench.open().await;
    let first = only(host.claim().await);
    tokio::time::sleep(Duration::from_millis(250)).await;
    let reply = host.settle(&first, Outcome::Release).await;
    assert_eq!((reply.progress.ending, reply.progress.left), (Some(RunStatus::TimedOut), None));
    tokio::time::sleep(Duration::from_millis(50)).await;
    host.done(&only(reply.claims)).await;
    at(&host, RunStatus::TimedOut, Some(RunStatus::TimedOut), 1).await;
}

/// A finally task that fails changes neither the ending nor what does not need it; elements of a list all run.
pub async fn failed_finally_task_changes_nothing_else(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[], &[1]]).await.finally(1);
    bench.policy = FailurePolicy::FailFast;
    bench = bench.with(2, |task| task.indexed = vec![1]);
    let mut host = bench.open().await;
    let claims = host.done(&only(host.claim().await)).await;
    assert_eq!(nodes(&claims), [task(1), task(2)]);
    let tainted = only(host.settle(&claims[0], failed()).await.claims);
    assert_eq!((tainted.node, tainted.stage), (task(3), Stage::Tainted));
    host.settle(&tainted, Outcome::Skipped(SkipReason::UpstreamFailed)).await;
    host.slots = 1;
    let first = only(host.settle(&claims[1], Outcome::Expand { items: 2, max_parallel: None }).await.claims);
    let second = only(host.settle(&first, failed()).await.claims);
    assert_eq!(second.node, element(2, 1));
    let whole = only(host.done(&second).await);
    host.settle(&whole, failed()).await;
    at(&host, RunStatus::Succeeded, Some(RunStatus::Succeeded), 0).await;
    let mut found = must(host.ledger.failed().await);
    found.sort_unstable();
    assert_eq!(found, [task(1), task(2), element(2, 0)]);
}

/// Finally tasks flow from one another, are retried and repeat as others do.
pub async fn finally_tasks_run_as_others_do(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[], &[]]).await.finally(1);
    bench = bench.with(1, |task| task.indexed = vec![1]).with(2, |task| task.indexed = vec![1]);
    bench = bench.with(3, |task| task.is_repeated = true);
    bench.shape.connect_elements(TaskIdx::new(1), TaskIdx::new(2), 1);
    let host = bench.open().await;
    let claims = host.done(&only(host.claim().await)).await;
    assert_eq!(nodes(&claims), [task(1), task(3)]);
    let twice = only(host.settle(&claims[1], Outcome::Iterated(value(task(3)))).await.claims);
    assert_eq!((twice.node, twice.iteration), (task(3), 1));
    host.done(&twice).await;
    let list = host.settle(&claims[0], Outcome::Expand { items: 1, max_parallel: None }).await.claims;
    let of =
        |node: NodeId| only(list.iter().filter(|claim| claim.node == node).cloned().collect::<Vec<Claim>>());
    let follower = host.settle(&of(task(2)), Outcome::Expand { items: 1, max_parallel: None }).await.claims;
    assert!(follower.is_empty());
    let retry = Outcome::Retry { delay: Duration::ZERO, step: 0 };
    let again = only(host.settle(&of(element(1, 0)), retry).await.claims);
    assert_eq!((again.node, again.attempt), (element(1, 0), 2));
    let mut claims = host.done(&again).await;
    while let Some(claim) = claims.pop() {
        claims.extend(host.done(&claim).await);
    }
    at(&host, RunStatus::Succeeded, Some(RunStatus::Succeeded), 0).await;
}

/// Once a run has an ending, claims of other nodes that have expired are lost.
pub async fn expired_claims_are_lost_at_the_ending(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[]]).await.finally(2);
    let mut slow = bench.open_brief().await;
    slow.slots = 1;
    let lost = only(slow.claim().await);
    let host = bench.open().await;
    let other = only(host.claim().await);
    must(host.ledger.cancel().await);
    let mut reply = host.settle(&other, Outcome::Done(value(other.node))).await;
    while reply.claims.is_empty() {
        must(host.ledger.changed(reply.version).await);
        reply = host.ask().await;
    }
    assert_eq!(only(reply.claims.clone()).node, task(2));
    let late = slow.commit(vec![(lost.token, Outcome::Done(value(lost.node)))]).await;
    assert_ne!(late.verdicts, [Verdict::Committed]);
    assert_eq!(must(slow.ledger.renew(&[lost.token]).await), [lost.token]);
    assert_eq!(host.entry(lost.node).await, Entry::Open);
    host.done(&only(reply.claims)).await;
    at(&host, RunStatus::Cancelled, Some(RunStatus::Cancelled), 1).await;
}

/// A finally task of a dead host is taken over, and a run whose last host has died goes on with the open ones alone.
pub async fn interrupted_ending_is_resumed(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[0], &[], &[], &[2]]).await.finally(2).closed();
    bench.policy = FailurePolicy::Finish;
    let mut host = bench.open().await;
    host.slots = 2;
    let claims = host.settle(&only(host.claim().await), failed()).await.claims;
    assert_eq!(only(claims.clone()).stage, Stage::Tainted);
    let claims = host.settle(&claims[0], Outcome::Skipped(SkipReason::UpstreamFailed)).await.claims;
    assert_eq!(nodes(&claims), [task(2), task(3)]);
    host.slots = 0;
    let other = bench.open().await;
    at(&other, RunStatus::Running, Some(RunStatus::Failed), 3).await;
    host.settle(&claims[0], failed()).await;
    bench.gone(host).await;
    let again = other.claim().await;
    assert_eq!(nodes(&again).len(), 2, "{again:?}");
    assert!(again.iter().any(|claim| claim.node == task(3) && claim.takeovers == 1), "{again:?}");
    bench.gone(other).await;
    let last = bench.open().await;
    let claims = last.claim().await;
    at(&last, RunStatus::Running, Some(RunStatus::Failed), 2).await;
    assert_eq!(last.entry(task(0)).await, Entry::Failed(b"record"[..].into()));
    assert_eq!(last.entry(task(1)).await, Entry::Skipped(SkipReason::UpstreamFailed));
    assert_eq!(last.entry(task(2)).await, Entry::Failed(b"record"[..].into()));
    let stages: Vec<(NodeId, Stage)> = claims.iter().map(|claim| (claim.node, claim.stage)).collect();
    assert_eq!(stages, [(task(4), Stage::Tainted), (task(3), Stage::Ready)]);
    last.settle(&claims[0], Outcome::Skipped(SkipReason::UpstreamFailed)).await;
    last.done(&claims[1]).await;
    at(&last, RunStatus::Failed, Some(RunStatus::Failed), 0).await;
    let counts = must(bench.other().run(&bench.run()).await).counts;
    assert_eq!((counts.done, counts.failed, counts.skipped, counts.open), (1, 2, 2, 0));
}

/// A resumed run that has something to run ends anew, and so its finally tasks run again.
pub async fn finally_tasks_follow_a_new_ending(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await.finally(1);
    bench = bench.with(1, |task| task.indexed = vec![1]);
    let host = bench.open().await;
    let list = only(host.settle(&only(host.claim().await), failed()).await.claims);
    let item = only(host.settle(&list, Outcome::Expand { items: 1, max_parallel: None }).await.claims);
    let whole = only(host.done(&item).await);
    host.done(&whole).await;
    at(&host, RunStatus::Failed, Some(RunStatus::Failed), 0).await;
    bench.gone(host).await;
    let host = bench.open().await;
    at(&host, RunStatus::Running, None, 2).await;
    assert_eq!(host.entry(task(1)).await, Entry::Open);
    assert_eq!(host.entry(element(1, 0)).await, Entry::Open);
    bench.gone(host).await;
    let host = bench.open().await;
    let list = only(host.done(&only(host.claim().await)).await);
    assert_eq!((list.node, list.offer), (task(1), None));
    let item = only(host.settle(&list, Outcome::Expand { items: 1, max_parallel: None }).await.claims);
    host.done(&only(host.done(&item).await)).await;
    at(&host, RunStatus::Succeeded, Some(RunStatus::Succeeded), 0).await;
}

/// A resumed run that has nothing else to run has no new ending: its finally tasks stay as they are, also one that has
/// failed.
pub async fn run_with_nothing_to_do_has_no_new_ending(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[], &[]]).await.finally(2).closed();
    let host = bench.open().await;
    let claims = host.claim().await;
    host.settle(&claims[0], Outcome::Skipped(SkipReason::ConditionFalse)).await;
    let closing = only(host.done(&claims[1]).await);
    let claims = host.settle(&closing, Outcome::Passed).await.claims;
    host.done(&claims[0]).await;
    host.settle(&claims[1], failed()).await;
    assert!(must(host.ledger.claim_end().await));
    bench.gone(host).await;
    let host = bench.open().await;
    let reply = host.ask().await;
    assert!(reply.claims.is_empty());
    at(&host, RunStatus::Succeeded, Some(RunStatus::Succeeded), 0).await;
    assert_eq!(host.entry(task(2)).await, Entry::Done(value(task(2))));
    assert_eq!(host.entry(task(3)).await, Entry::Failed(b"record"[..].into()));
    assert!(!must(host.ledger.claim_end().await));
    bench.gone(host).await;
    // By `--rerun` it has.
    bench.rerun = vec![task(3)];
    let host = bench.open().await;
    at(&host, RunStatus::Running, None, 3).await;
}

/// Finally tasks that were cancelled after a success run when the run is resumed.
pub async fn cancelled_finally_tasks_run_when_resumed(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[], &[]]).await.finally(1);
    let host = bench.open().await;
    let claims = host.done(&only(host.claim().await)).await;
    host.done(&claims[0]).await;
    must(host.ledger.cancel().await);
    host.settle(&claims[1], Outcome::Release).await;
    at(&host, RunStatus::Succeeded, Some(RunStatus::Succeeded), 1).await;
    bench.gone(host).await;
    let host = bench.open().await;
    let last = only(host.claim().await);
    assert_eq!(last.node, task(2));
    host.done(&last).await;
    at(&host, RunStatus::Succeeded, Some(RunStatus::Succeeded), 0).await;
}

/// A run without hosts that is cancelled waits for one that runs its finally tasks, unless it is cancelled again.
pub async fn cancelled_run_without_hosts_waits_for_its_finally_tasks(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await.finally(1);
    let host = bench.open().await;
    host.claim().await;
    bench.gone(host).await;
    let run = bench.run();
    assert_eq!(must(bench.other().cancel(&run).await), RunStatus::Running);
    let summary = must(bench.other().run(&run).await);
    assert_eq!((summary.status, summary.ending), (RunStatus::Running, Some(RunStatus::Cancelled)));
    let host = bench.open().await;
    let last = only(host.claim().await);
    assert_eq!(last.node, task(1));
    bench.gone(host).await;
    assert_eq!(must(bench.other().cancel(&run).await), RunStatus::Running);
    assert_eq!(must(bench.other().run(&run).await).status, RunStatus::Cancelled);
}

/// An ending hands on to any number of finally tasks.
pub async fn ending_hands_on_to_many_tasks(harness: &dyn Harness) {
    let none: &[u32] = &[];
    let waits_for = vec![none; 1500];
    let mut bench = Fixture::new(harness, &waits_for).await.finally(1);
    let mut host = bench.open().await;
    host.slots = 2000;
    let mut claims = host.done(&only(host.claim().await)).await;
    let mut ended = 1;
    while ended < 1500 {
        assert!(claims.iter().all(|claim| claim.node != task(0)));
        let batch: Vec<_> =
            claims.iter().map(|claim| (claim.token, Outcome::Done(value(claim.node)))).collect();
        ended += batch.len();
        claims = host.commit(batch).await.claims;
        if claims.is_empty() && ended < 1500 {
            claims = host.claim().await;
        }
    }
    at(&host, RunStatus::Succeeded, Some(RunStatus::Succeeded), 0).await;
}
