//! Conformance of updates: results of changed tasks are offered to the same nodes, which may make the same calls.
//! What is unchanged by its fingerprint is in `resume`.

use crate::model::{Digest, FailureClass, RunStatus, SkipReason};
use crate::state::conformance::fixture::{Fixture, Harness, Host, element, must, nodes, only, task, value};
use crate::state::{
    CallDigest, Claim, Entry, FailureRecord, Hole, Mode, NodeId, Offer, OpenKind, Outcome, Settlement, Stage,
    TaskShape, Verdict, Want,
};
use bytes::Bytes;

/// A call, by a number.
const fn call(number: u8) -> CallDigest {
    CallDigest([number + 1; 16])
}

#[expect(clippy::unnecessary_wraps, reason = "claims offer something or nothing")]
const fn offer(number: u8) -> Option<Offer> {
    Some(Offer { call: call(number), is_done: true })
}

/// Settles a claim with an outcome of this call, and returns the new claims.
async fn settle(host: &Host, claim: &Claim, outcome: Outcome, number: u8) -> Vec<Claim> {
    let settlement = Settlement { token: claim.token, outcome, call: Some(call(number)) };
    let want = Want { slots: host.slots, free: host.free.clone() };
    let reply = must(host.ledger.commit(vec![settlement], want).await);
    assert_eq!(reply.verdicts, [Verdict::Committed]);
    reply.claims
}

async fn done(host: &Host, claim: &Claim, number: u8) -> Vec<Claim> {
    settle(host, claim, Outcome::Done(value(claim.node)), number).await
}

const fn expand(items: u32) -> Outcome {
    Outcome::Expand { items, max_parallel: None }
}

fn offers(claims: &[Claim]) -> Vec<Option<Offer>> {
    claims.iter().map(|claim| claim.offer).collect()
}

/// Opens the run with another plan, in which these tasks have other fingerprints.
async fn update(bench: Fixture, number: u8, changed: &[u32]) -> (Fixture, Host) {
    let mut bench = changed.iter().fold(bench, |bench, at| {
        bench.with(*at, |task: &mut TaskShape| task.fingerprint = Digest::of_bytes(&[number]))
    });
    bench.mode = Mode::Update;
    bench.digest = Digest::of_bytes(&[b'p', number]);
    let host = bench.open().await;
    (bench, host)
}

async fn stored(bench: &Fixture, names: &[&str]) -> Vec<bool> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let found = must(bench.backend.results(&bench.run(), &names).await);
    found.iter().map(Option::is_some).collect()
}

/// Elements of a list, and a task that reads them.
async fn list(harness: &dyn Harness) -> Fixture {
    Fixture::new(harness, &[&[], &[0]]).await.with(0, |task| task.indexed = vec![1])
}

/// Runs the elements of `t0`, with the calls 0, 1, …; all but the last one.
async fn run_elements(host: &Host, items: u32) {
    let elements = host.settle(&only(host.claim().await), expand(items)).await.claims;
    for (number, claim) in (0..).zip(&elements).take(elements.len() - 1) {
        done(host, claim, number).await;
    }
}

/// Results of a changed task are no results under the new plan, but are offered with the claims of the same nodes.
/// Accepted ones are results as others are; a new result takes the place of an offer.
pub async fn update_offers_results_to_nodes_that_may_make_the_same_call(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    run_elements(&host, 5).await;
    bench.gone(host).await;
    let (mut bench, host) = update(bench, 1, &[0, 1]).await;
    assert_eq!(host.opened.kind, OpenKind::Resumed { kept: 0 });
    let names = ["t0[0]", "t0[1]", "t0[2]", "t0[3]"];
    assert_eq!(stored(&bench, &names).await, [false; 4]);
    assert_eq!(host.entry(element(0, 0)).await, Entry::Open);
    let whole = only(host.claim().await);
    assert_eq!((whole.node, whole.offer), (task(0), None));
    let claims = host.settle(&whole, expand(3)).await.claims;
    assert_eq!(nodes(&claims), [element(0, 0), element(0, 1), element(0, 2)]);
    assert_eq!(offers(&claims), [offer(0), offer(1), offer(2)]);
    settle(&host, &claims[0], Outcome::Accepted, 0).await;
    let other = Outcome::Done(b"other"[..].into());
    settle(&host, &claims[1], other, 9).await;
    let joined = bench.open().await;
    for host in [&host, &joined] {
        assert_eq!(host.entry(element(0, 0)).await, Entry::Done(value(element(0, 0))));
        assert_eq!(host.entry(element(0, 1)).await, Entry::Done(b"other"[..].into()));
        assert_eq!(host.entry(element(0, 2)).await, Entry::Open);
    }
    assert_eq!(stored(&bench, &names).await, [true, true, false, false]);
    let whole = only(settle(&host, &claims[2], Outcome::Accepted, 2).await);
    assert_eq!((whole.node, whole.stage), (task(0), Stage::Expanded { items: 3 }));
    assert_eq!(nodes(&host.done(&whole).await), [task(1)]);
}

/// Whole tasks are offered their results too, whatever their number in the new plan. What was stored without its call, and
/// what lies elsewhere in the new plan, is removed.
pub async fn offers_go_to_nodes_of_the_same_name(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[], &[], &[], &[]]).await;
    let mut bench = bench.with(2, |task| task.indexed = vec![1]);
    let host = bench.open().await;
    let claims = host.claim().await;
    done(&host, &claims[0], 0).await;
    host.done(&claims[1]).await;
    done(&host, &only(host.settle(&claims[2], expand(1)).await.claims), 2).await;
    done(&host, &claims[3], 3).await;
    bench.gone(host).await;
    let mut bench = bench.with(2, |task| task.indexed.clear()).with(3, |task| task.indexed = vec![1]);
    bench.shape.tasks.rotate_left(1);
    let (_bench, host) = update(bench, 1, &[0, 1, 2, 3]).await;
    let claims = host.claim().await;
    assert_eq!(nodes(&claims), [task(0), task(1), task(2), task(3)]);
    assert_eq!(offers(&claims), [None, None, None, offer(0)]);
    let element = only(host.settle(&claims[2], expand(1)).await.claims);
    assert_eq!(element.offer, None);
    settle(&host, &claims[3], Outcome::Accepted, 0).await;
    assert_eq!(host.entry(task(3)).await, Entry::Done(value(task(0))));
}

/// What nobody has taken is offered again, in every later life and under every later plan. What was taken is kept as
/// other results are.
pub async fn offers_outlast_lives_and_plans(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    run_elements(&host, 4).await;
    bench.gone(host).await;
    let (bench, host) = update(bench, 1, &[0]).await;
    bench.gone(host).await;
    let (mut bench, host) = update(bench, 2, &[0]).await;
    let claims = host.settle(&only(host.claim().await), expand(4)).await.claims;
    assert_eq!(offers(&claims), [offer(0), offer(1), offer(2), None]);
    settle(&host, &claims[0], Outcome::Accepted, 0).await;
    let again = only(host.settle(&claims[1], Outcome::Release).await.claims);
    assert_eq!((again.node, again.offer), (element(0, 1), offer(1)));
    bench.gone(host).await;
    let host = bench.open().await;
    let claims = host.settle(&only(host.claim().await), expand(4)).await.claims;
    assert_eq!(nodes(&claims), [element(0, 1), element(0, 2), element(0, 3)]);
    assert_eq!(offers(&claims), [offer(1), offer(2), None]);
    done(&host, &claims[0], 7).await;
    bench.gone(host).await;
    let (_bench, host) = update(bench, 3, &[0]).await;
    let claims = host.settle(&only(host.claim().await), expand(4)).await.claims;
    assert_eq!(offers(&claims), [offer(0), offer(7), offer(2), None]);
}

/// Nodes that wait for others wait for offered ones until these have ended. Skipped ones take no offer.
pub async fn offers_are_not_waited_for_as_results(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[], &[]]).await;
    let mut bench = bench.with(0, |task| task.indexed = vec![1]).with(1, |task| task.indexed = vec![1]);
    bench.shape.connect_elements(task(0).task, task(1).task, 1);
    let host = bench.open().await;
    let claims = host.settle(&only(host.claim().await), expand(2)).await.claims;
    assert_eq!(claims[0].node, task(1));
    host.settle(&claims[0], expand(2)).await;
    for (number, claim) in (0..).zip(&claims[1..]) {
        let follower =
            only(done(&host, claim, number).await.into_iter().filter(|of| of.node.at.level() > 0).collect());
        done(&host, &follower, number + 5).await;
    }
    bench.gone(host).await;
    let (_bench, host) = update(bench, 1, &[0, 1]).await;
    let claims = host.settle(&only(host.claim().await), expand(2)).await.claims;
    assert_eq!(nodes(&claims), [task(1), element(0, 0), element(0, 1)]);
    assert_eq!(host.settle(&claims[0], expand(2)).await.claims, []);
    let follower = only(settle(&host, &claims[1], Outcome::Accepted, 0).await);
    assert_eq!((follower.node, follower.offer), (element(1, 0), offer(5)));
    let tainted = host.settle(&claims[2], Outcome::Skipped(SkipReason::ConditionFalse)).await.claims;
    let tainted = only(tainted.into_iter().filter(|claim| claim.node == element(1, 1)).collect());
    assert_eq!((tainted.stage, tainted.offer), (Stage::Tainted, None));
}

/// Iterations are offered with their node. Without a result it is handed out for the next iteration.
pub async fn iterations_are_offered_with_their_node(harness: &dyn Harness) {
    let bench = list(harness).await;
    let mut bench = bench.with(0, |task| task.is_repeated = true);
    let host = bench.open().await;
    let elements = host.settle(&only(host.claim().await), expand(3)).await.claims;
    let iteration = |number: u32| Outcome::Iterated(Bytes::from(format!("iteration {number}")));
    for (number, claim) in (0..).zip(&elements) {
        let mut next = claim.clone();
        for _ in 0..2 {
            next = only(settle(&host, &next, iteration(next.iteration), number).await);
        }
        if number == 0 {
            done(&host, &next, number).await;
        }
    }
    bench.gone(host).await;
    let (bench, host) = update(bench, 1, &[0]).await;
    let claims = host.settle(&only(host.claim().await), expand(3)).await.claims;
    let open = |number| Some(Offer { call: call(number), is_done: false });
    assert_eq!(offers(&claims), [offer(0), open(1), open(2)]);
    assert!(claims.iter().all(|claim| claim.iteration == 0));
    assert_eq!(must(host.ledger.fetch_iteration(element(0, 0), 0).await), None);
    assert_eq!(settle(&host, &claims[0], Outcome::Accepted, 0).await, []);
    let next = only(settle(&host, &claims[1], Outcome::Accepted, 1).await);
    assert_eq!((next.node, next.iteration, next.offer), (element(0, 1), 2, None));
    // Another call begins anew.
    let next = only(settle(&host, &claims[2], Outcome::Iterated(b"new"[..].into()), 9).await);
    assert_eq!((next.iteration, next.offer), (1, None));
    let names = ["t0[0]", "t0[0]@1", "t0[1]", "t0[1]@1", "t0[2]@0", "t0[2]@1"];
    assert_eq!(stored(&bench, &names).await, [true, true, false, true, true, false]);
    let fetched = async |node: NodeId, number| must(host.ledger.fetch_iteration(node, number).await);
    assert_eq!(fetched(element(0, 1), 1).await, Some(b"iteration 1"[..].into()));
    assert_eq!(fetched(element(0, 2), 0).await, Some(b"new"[..].into()));
}

/// A run that has succeeded offers nothing that it had no use for.
pub async fn succeeded_run_offers_nothing_more(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    run_elements(&host, 4).await;
    bench.gone(host).await;
    let (bench, host) = update(bench, 1, &[0, 1]).await;
    let claims = host.settle(&only(host.claim().await), expand(1)).await.claims;
    let whole = only(settle(&host, &claims[0], Outcome::Accepted, 0).await);
    host.done(&only(host.done(&whole).await)).await;
    assert_eq!(host.ask().await.progress.status, RunStatus::Succeeded);
    bench.gone(host).await;
    let (_bench, host) = update(bench, 2, &[0, 1]).await;
    let claims = host.settle(&only(host.claim().await), expand(4)).await.claims;
    assert_eq!(offers(&claims), [offer(0), None, None, None]);
}

/// A fresh run is offered nothing, and one that keeps its plan has its results without.
pub async fn fresh_and_resumed_runs_are_offered_nothing(harness: &dyn Harness) {
    for mode in [Mode::Resume, Mode::Fresh] {
        let mut bench = list(harness).await;
        let host = bench.open().await;
        run_elements(&host, 3).await;
        bench.gone(host).await;
        bench.mode = mode;
        let host = bench.open().await;
        let claims = host.settle(&only(host.claim().await), expand(3)).await.claims;
        assert_eq!(claims.len(), if mode == Mode::Fresh { 3 } else { 1 });
        assert!(claims.iter().all(|claim| claim.offer.is_none()));
    }
}

/// What is offered to tasks that a run does not include stays offered when the run succeeds.
pub async fn offers_to_other_tasks_outlast_a_run_of_some(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    let host = bench.open().await;
    for (number, claim) in (0..).zip(&host.claim().await) {
        done(&host, claim, number).await;
    }
    bench.gone(host).await;
    let bench = bench.with(1, |task| task.is_included = false);
    let (bench, host) = update(bench, 1, &[0, 1]).await;
    let claim = only(host.claim().await);
    assert_eq!((claim.node, claim.offer), (task(0), offer(0)));
    settle(&host, &claim, Outcome::Accepted, 0).await;
    bench.gone(host).await;
    let mut bench = bench.with(1, |task| task.is_included = true);
    let host = bench.open().await;
    let claim = only(host.claim().await);
    assert_eq!((claim.node, claim.offer), (task(1), offer(1)));
}

/// An element that was left out is offered with its call too, and left out again if the call is the same.
pub async fn what_is_left_out_is_offered(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    let elements = host.settle(&only(host.claim().await), expand(3)).await.claims;
    let failure = FailureRecord {
        class: FailureClass::Trap,
        message: "boom".to_owned(),
        attempt: 1,
        item: Some(0),
        error: None,
    };
    let hole = Box::new(Hole { level: 1, cause: "t0[0]".to_owned(), failure: Some(failure) });
    settle(&host, &elements[0], Outcome::LeftOut(hole.clone()), 0).await;
    settle(&host, &elements[1], Outcome::LeftOut(hole.clone()), 1).await;
    bench.gone(host).await;
    let (bench, host) = update(bench, 1, &[0]).await;
    let claims = host.settle(&only(host.claim().await), expand(2)).await.claims;
    assert_eq!(offers(&claims), [offer(0), offer(1)]);
    settle(&host, &claims[0], Outcome::Accepted, 0).await;
    assert_eq!(host.entry(element(0, 0)).await, Entry::LeftOut(hole));
    assert_eq!(must(bench.backend.failed_elements(&bench.run(), 9).await), ["t0[0]"]);
    done(&host, &claims[1], 9).await;
    assert_eq!(host.entry(element(0, 1)).await, Entry::Done(value(element(0, 1))));
}
