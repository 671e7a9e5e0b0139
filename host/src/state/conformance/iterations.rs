//! Conformance of iterations: nodes that are handed out again and again, each time with one more stored result.
//! What the engine feeds from one to the next is irrelevant here.

use crate::model::{Digest, RunStatus, TaskIdx};
use crate::state::conformance::fixture::{
    Fixture, Harness, Host, element, must, must_fail, nodes, only, task, value,
};
use crate::state::{Claim, End, Entry, ErrorKind, HostId, Mode, NodeId, Outcome, Verdict};
use bytes::Bytes;
use std::time::Duration;

async fn repeating(harness: &dyn Harness) -> Fixture {
    Fixture::new(harness, &[&[], &[0]]).await.with(0, |task| task.is_repeated = true)
}

fn iteration(number: u32) -> Bytes {
    format!("iteration {number}").into()
}

/// Stores the iteration that a claim is for, and returns the claim of the next one.
async fn iterate(host: &Host, claim: &Claim) -> Claim {
    let next = only(host.settle(claim, Outcome::Iterated(iteration(claim.iteration))).await.claims);
    assert_eq!((next.node, next.iteration, next.attempt), (claim.node, claim.iteration + 1, 1));
    next
}

async fn stored(host: &Host, node: NodeId, number: u32) -> Option<Bytes> {
    must(host.ledger.fetch_iteration(node, number).await)
}

/// Each iteration is stored, and the node is handed out again at once, until it ends.
pub async fn node_is_claimed_again_after_each_iteration(harness: &dyn Harness) {
    let mut bench = repeating(harness).await;
    let host = bench.open().await;
    let first = only(host.claim().await);
    assert_eq!((first.node, first.iteration), (task(0), 0));
    let third = iterate(&host, &iterate(&host, &first).await).await;
    assert_eq!(host.entry(task(0)).await, Entry::Open);
    assert_eq!(nodes(&host.done(&third).await), [task(1)]);
    assert_eq!(host.entry(task(0)).await, Entry::Done(value(task(0))));
    let other = bench.open().await;
    for host in [&host, &other] {
        assert_eq!(stored(host, task(0), 0).await, Some(iteration(0)));
        assert_eq!(stored(host, task(0), 1).await, Some(iteration(1)));
        assert_eq!(stored(host, task(0), 2).await, None);
        assert_eq!(stored(host, task(1), 0).await, None);
    }
}

/// Each iteration has attempts of its own.
pub async fn iteration_is_retried_on_its_own(harness: &dyn Harness) {
    let mut bench = repeating(harness).await;
    let host = bench.open().await;
    let second = iterate(&host, &only(host.claim().await)).await;
    let again = only(host.settle(&second, Outcome::Retry { delay: Duration::ZERO, step: 0 }).await.claims);
    assert_eq!((again.iteration, again.attempt), (1, 2));
    let again = only(host.settle(&again, Outcome::Release).await.claims);
    assert_eq!((again.iteration, again.attempt), (1, 2));
    let third = iterate(&host, &again).await;
    assert_eq!((third.iteration, third.attempt), (2, 1));
}

/// An iteration goes to one holder: the settlement of a lost token stores none, and one that is repeated is a duplicate.
pub async fn iteration_of_a_lost_claim_is_fenced(harness: &dyn Harness) {
    let mut bench = repeating(harness).await;
    let (one, other) = (bench.open_brief().await, bench.open().await);
    let first = only(one.claim().await);
    let taken = only(other.claim().await);
    assert_eq!((taken.iteration, taken.takeovers), (0, 1));
    assert_eq!(taken.from, Some(HostId(one.id.as_str().into())));
    let second = iterate(&other, &taken).await;
    assert_eq!(second.takeovers, 0);
    let late = one.commit(vec![(first.token, Outcome::Iterated(b"late"[..].into()))]).await;
    assert_eq!(late.verdicts, [Verdict::Fenced]);
    let again = other.commit(vec![(taken.token, Outcome::Iterated(b"again"[..].into()))]).await;
    assert_eq!(again.verdicts, [Verdict::Duplicate]);
    assert_eq!(stored(&one, task(0), 0).await, Some(iteration(0)));
    assert_eq!(stored(&one, task(0), 1).await, None);
    // Hosts take turns.
    bench.gone(other).await;
    let turn = only(one.claim().await);
    assert_eq!((turn.iteration, turn.takeovers), (1, 1));
}

/// A resumed run goes on after the last stored iteration, whether the task had failed or not.
pub async fn resumed_run_goes_on_after_the_last_iteration(harness: &dyn Harness) {
    let mut bench = repeating(harness).await;
    let host = bench.open().await;
    let second = iterate(&host, &only(host.claim().await)).await;
    bench.gone(host).await;
    let host = bench.open().await;
    let resumed = only(host.claim().await);
    assert_eq!((resumed.node, resumed.iteration, resumed.attempt), (second.node, 1, 1));
    let third = iterate(&host, &resumed).await;
    host.settle(&third, Outcome::Failed(b"no"[..].into())).await;
    let _tainted = host.ask().await;
    bench.gone(host).await;
    let host = bench.open().await;
    let resumed = only(host.claim().await);
    assert_eq!((resumed.node, resumed.iteration), (task(0), 2));
    assert_eq!(stored(&host, task(0), 1).await, Some(iteration(1)));
    host.done(&iterate(&host, &resumed).await).await;
    bench.gone(host).await;
    let host = bench.open().await;
    assert_eq!(stored(&host, task(0), 2).await, Some(iteration(2)), "those of an ended node are kept too");
    let last = only(host.claim().await);
    host.done(&last).await;
    assert_eq!(host.ask().await.progress.status, RunStatus::Succeeded);
}

/// An update keeps the iterations of a task whose call is unchanged, and a fresh run none.
pub async fn iterations_are_kept_as_results_are(harness: &dyn Harness) {
    let mut bench = repeating(harness).await.with(1, |task| task.is_repeated = true);
    bench.shape.tasks[0].dependents.clear();
    bench.shape.tasks[1].waits_for.clear();
    let host = bench.open().await;
    let claims = host.claim().await;
    for claim in &claims {
        iterate(&host, claim).await;
    }
    bench.gone(host).await;
    (bench.mode, bench.digest) = (Mode::Update, Digest::of_bytes(b"another plan"));
    let mut bench = bench.with(1, |task| task.fingerprint = Digest::of_bytes(b"another call"));
    let host = bench.open().await;
    let claims = host.claim().await;
    let iterations: Vec<u32> = claims.iter().map(|claim| claim.iteration).collect();
    assert_eq!((nodes(&claims), iterations), (vec![task(0), task(1)], vec![1, 0]));
    assert_eq!(stored(&host, task(1), 0).await, None);
    iterate(&host, &claims[1]).await;
    assert_eq!(stored(&host, task(1), 0).await, Some(iteration(0)));
    bench.gone(host).await;
    bench.mode = Mode::Fresh;
    let host = bench.open().await;
    assert!(host.claim().await.iter().all(|claim| claim.iteration == 0));
    assert_eq!(stored(&host, task(0), 0).await, None);
}

/// Elements have iterations of their own, which a resumed run keeps.
pub async fn elements_have_iterations_of_their_own(harness: &dyn Harness) {
    let mut bench = repeating(harness).await.with(0, |task| task.indexed = vec![1]);
    let mut host = bench.open().await;
    host.slots = 2;
    let expand = Outcome::Expand { items: 2, max_parallel: None };
    let claims = host.settle(&only(host.claim().await), expand.clone()).await.claims;
    host.slots = 1;
    let second = iterate(&host, &iterate(&host, &claims[1]).await).await;
    assert_eq!((second.node, second.iteration), (element(0, 1), 2));
    bench.gone(host).await;
    let mut host = bench.open().await;
    host.slots = 2;
    let claims = host.settle(&only(host.claim().await), expand).await.claims;
    let iterations: Vec<u32> = claims.iter().map(|claim| claim.iteration).collect();
    assert_eq!((nodes(&claims), iterations), (vec![element(0, 0), element(0, 1)], vec![0, 2]));
    assert_eq!(stored(&host, element(0, 1), 1).await, Some(iteration(1)));
    assert_eq!(stored(&host, element(0, 0), 1).await, None);
    host.slots = 0;
    assert_eq!(host.done(&claims[1]).await, []);
    let whole = only(host.done(&claims[0]).await);
    assert_eq!(whole.node, task(0));
    let names = ["t0[1]@1", "t0[1]", "t0[1]@2", "t0@0"].map(str::to_owned);
    let results = must(bench.backend.results(&bench.run(), &names).await);
    assert_eq!(results, [Some(iteration(1)), Some(value(element(0, 1))), None, None]);
}

/// Elements of elements have iterations of their own, under the name with all indexes. The same element of another task
/// waits for the end of the node, not for an iteration.
pub async fn elements_of_elements_have_iterations_of_their_own(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[], &[]]).await.with(1, |task| task.indexed = vec![1, 1]);
    let mut bench = bench.with(0, |task| (task.indexed, task.is_repeated) = (vec![1, 1], true));
    bench.shape.connect_elements(TaskIdx::new(0), TaskIdx::new(1), 2);
    let inner = |task, item| element(task, 0).child(item);
    let mut host = bench.open().await;
    let claims = expand_twice(&mut host).await;
    host.slots = 1;
    let last = iterate(&host, &claims[1]).await;
    assert_eq!(last.node, inner(0, 1));
    bench.gone(host).await;
    let mut host = bench.open().await;
    let claims = expand_twice(&mut host).await;
    let iterations: Vec<u32> = claims.iter().map(|claim| claim.iteration).collect();
    assert_eq!((nodes(&claims), iterations), (vec![inner(0, 0), inner(0, 1)], vec![0, 1]));
    host.slots = 1;
    let last = iterate(&host, &claims[1]).await;
    assert_eq!(nodes(&host.done(&last).await), [inner(1, 1)]);
    let names = ["t0[0][1]@0", "t0[0][1]@1", "t0[0][1]", "t0[0][1]@2", "t0[0][0]@0", "t0[0]@0", "t1[0][1]@0"];
    let results = must(bench.backend.results(&bench.run(), &names.map(str::to_owned)).await);
    let stored = [Some(iteration(0)), Some(iteration(1)), Some(value(inner(0, 1))), None, None, None, None];
    assert_eq!(results, stored);
}

/// Expands both tasks into one element each, and those into two each. Returns the claims of the first task's.
async fn expand_twice(host: &mut Host) -> Vec<Claim> {
    let expand = |items| Outcome::Expand { items, max_parallel: None };
    host.slots = 1;
    let first = only(host.claim().await);
    let second = only(host.settle(&first, expand(1)).await.claims);
    let outer = only(host.settle(&second, expand(1)).await.claims);
    assert_eq!(nodes(&[first, second, outer.clone()]), [task(0), task(1), element(0, 0)]);
    host.slots = 9;
    let claims = host.settle(&outer, expand(2)).await.claims;
    let (others, inner): (Vec<Claim>, Vec<Claim>) =
        claims.into_iter().partition(|claim| claim.node == element(1, 0));
    assert_eq!(host.settle(&only(others), expand(2)).await.claims, []);
    inner
}

/// Iterations are read by name, and the claim of a node tells how many there are.
pub async fn iterations_are_read_by_name(harness: &dyn Harness) {
    let mut bench = repeating(harness).await;
    let host = bench.open().await;
    iterate(&host, &only(host.claim().await)).await;
    let names = ["t0@0", "t0@1", "t0", "t0@00", "t0@", "t1@0", "none@0"].map(str::to_owned);
    let results = must(bench.backend.results(&bench.run(), &names).await);
    assert_eq!(results, [Some(iteration(0)), None, None, None, None, None, None]);
    let ends: Vec<End> =
        must(bench.backend.nodes(&bench.run(), &names).await).into_iter().map(|view| view.end).collect();
    assert_eq!(ends[0], End::Done { bytes: u64::try_from(iteration(0).len()).unwrap_or(0) });
    assert!(ends[1..].iter().all(|end| *end == End::Open), "{ends:?}");
    let claim = only(must(bench.backend.claims(&bench.run(), 9).await));
    assert_eq!((claim.node, claim.iteration, claim.attempt), (task(0), 1, 1));
    let summary = must(bench.backend.run(&bench.run()).await);
    assert_eq!((summary.counts.done, summary.counts.open), (0, 2), "an iteration is no task");
}

/// Only nodes that repeat have iterations.
pub async fn other_nodes_have_no_iterations(harness: &dyn Harness) {
    let mut bench = repeating(harness).await.with(0, |task| task.indexed = vec![1]);
    bench.shape.tasks[0].dependents.clear();
    bench.shape.tasks[1].waits_for.clear();
    let host = bench.open().await;
    for claim in host.claim().await {
        let batch = vec![(claim.token, Outcome::Iterated(iteration(0)))];
        assert_eq!(must_fail(host.try_commit(batch).await).kind, ErrorKind::Misuse);
    }
}
