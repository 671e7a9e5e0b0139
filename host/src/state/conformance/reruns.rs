//! Conformance of reruns: nodes whose results are discarded once, and which all hosts know until the run has succeeded.
//! The engine decides what depends on them.

use crate::model::{Digest, FailureClass, RunStatus, TaskIdx};
use crate::state::conformance::fixture::{
    Fixture, Harness, Host, element, must, must_fail, nodes, only, task, value,
};
use crate::state::{
    CallDigest, Claim, End, Entry, ErrorKind, FailureRecord, Hole, Mode, NodeId, OpenKind, Outcome,
    Settlement, Stage, Verdict, Want,
};

const fn expand(items: u32) -> Outcome {
    Outcome::Expand { items, max_parallel: None }
}

async fn stored(bench: &Fixture, names: &[&str]) -> Vec<bool> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let found = must(bench.backend.results(&bench.run(), &names).await);
    found.iter().map(Option::is_some).collect()
}

/// Opens the run again, with these nodes to run again.
async fn again(bench: &mut Fixture, rerun: &[NodeId]) -> Host {
    bench.rerun = rerun.to_vec();
    let host = bench.open().await;
    bench.rerun = Vec::new();
    host
}

/// A list, a task that reads it, and one that does not.
async fn list(harness: &dyn Harness) -> Fixture {
    Fixture::new(harness, &[&[], &[0], &[]]).await.with(0, |task| task.indexed = vec![1])
}

/// Runs all of it, with as many elements, each with a call of its own.
async fn run_all(host: &Host, items: u32) {
    let claims = host.claim().await;
    host.done(&claims[1]).await;
    let mut claims = host.settle(&claims[0], expand(items)).await.claims;
    while !claims.is_empty() {
        let batch = claims.iter().map(|claim| Settlement {
            token: claim.token,
            outcome: Outcome::Done(value(claim.node)),
            call: Some(CallDigest([7; 16])),
        });
        let want = Want { slots: host.slots, free: host.free.clone() };
        claims = must(host.ledger.commit(batch.collect(), want).await).claims;
    }
    assert_eq!(host.ask().await.progress.status, RunStatus::Succeeded);
}

fn hole() -> Hole {
    let failure = FailureRecord {
        class: FailureClass::Trap,
        message: "boom".to_owned(),
        attempt: 1,
        item: Some(1),
        error: None,
    };
    Hole { level: 1, cause: "t0[1]".to_owned(), failure: Some(failure) }
}

/// The results of the nodes, and of the lists that they are in, are gone in a new epoch. All others are kept.
pub async fn rerun_discards_nodes_and_the_lists_around_them(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    run_all(&host, 3).await;
    let epoch = host.opened.epoch;
    bench.gone(host).await;
    let host = again(&mut bench, &[element(0, 1), task(1)]).await;
    assert_eq!(host.opened.kind, OpenKind::Resumed { kept: 1 });
    assert_eq!(host.opened.epoch, epoch + 1);
    assert_eq!(host.opened.rerun, [element(0, 1), task(1)]);
    assert_eq!(host.opened.stored, [TaskIdx::new(2)]);
    let names = ["t0[0]", "t0[1]", "t0[2]", "t0", "t1", "t2"];
    assert_eq!(stored(&bench, &names).await, [true, false, true, false, false, true]);
    let whole = only(host.claim().await);
    assert_eq!((whole.node, whole.offer), (task(0), None));
    let one = only(host.settle(&whole, expand(3)).await.claims);
    assert_eq!((one.node, one.offer, one.attempt), (element(0, 1), None, 1));
    let whole = only(host.done(&one).await);
    assert_eq!((whole.node, whole.stage), (task(0), Stage::Expanded { items: 3 }));
    assert_eq!(nodes(&host.done(&whole).await), [task(1)]);
}

/// A node stands for all below it, and its iterations begin again.
pub async fn rerun_covers_what_is_below_a_node(harness: &dyn Harness) {
    let bench = Fixture::new(harness, &[&[]]).await;
    let mut bench = bench.with(0, |task| (task.indexed, task.is_repeated) = (vec![1, 1], true));
    let host = bench.open().await;
    let mut claims = host.settle(&only(host.claim().await), expand(2)).await.claims;
    while let Some(claim) = claims.pop() {
        let outcome = match (claim.stage, claim.node.at.level(), claim.iteration) {
            (Stage::Ready, 1, _) => expand(2),
            (Stage::Ready, 2, 0) => Outcome::Iterated(value(claim.node)),
            _ => Outcome::Done(value(claim.node)),
        };
        claims.extend(host.settle(&claim, outcome).await.claims);
    }
    bench.gone(host).await;
    let host = again(&mut bench, &[element(0, 1)]).await;
    let kept = ["t0[0][0]", "t0[0][1]", "t0[0]", "t0[0][1]@0"];
    assert_eq!(stored(&bench, &kept).await, [true; 4]);
    let gone = ["t0[1][0]", "t0[1][1]", "t0[1]", "t0", "t0[1][0]@0", "t0[1][1]@0"];
    assert_eq!(stored(&bench, &gone).await, [false; 6]);
    let one = only(host.settle(&only(host.claim().await), expand(2)).await.claims);
    assert_eq!(one.node, element(0, 1));
    let claims = host.settle(&one, expand(2)).await.claims;
    assert_eq!(nodes(&claims), [element(0, 1).child(0), element(0, 1).child(1)]);
    assert!(claims.iter().all(|claim| claim.iteration == 0));
}

/// An element that was left out of its list is called again.
pub async fn rerun_calls_what_was_left_out(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    let elements = host.settle(&host.claim().await[0], expand(2)).await.claims;
    host.done(&elements[0]).await;
    let whole = only(host.settle(&elements[1], Outcome::LeftOut(Box::new(hole()))).await.claims);
    host.done(&whole).await;
    bench.gone(host).await;
    let host = again(&mut bench, &[element(0, 1)]).await;
    let view = only(must(bench.backend.nodes(&bench.run(), &["t0[1]".to_owned()]).await));
    assert_eq!(view.end, End::Open);
    let whole = only(host.claim().await.into_iter().filter(|claim| claim.node == task(0)).collect());
    let one = only(host.settle(&whole, expand(2)).await.claims);
    assert_eq!(one.node, element(0, 1));
    host.done(&one).await;
    assert_eq!(host.entry(element(0, 1)).await, Entry::Done(value(element(0, 1))));
}

/// A rerun needs a run without live hosts, and the same plan unless it is updated too. A refused one changes nothing.
pub async fn rerun_needs_an_idle_run(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    bench.rerun = vec![task(2)];
    assert_eq!(must_fail(bench.ask().await).kind, ErrorKind::NoRun);
    bench.rerun = Vec::new();
    let host = bench.open().await;
    let claims = host.claim().await;
    host.done(&claims[1]).await;
    bench.rerun = vec![task(2)];
    for mode in [Mode::Resume, Mode::Update] {
        bench.mode = mode;
        assert_eq!(must_fail(bench.ask().await).kind, ErrorKind::Held);
    }
    bench.gone(host).await;
    bench.mode = Mode::Resume;
    bench.digest = Digest::of_bytes(b"other");
    assert!(matches!(must_fail(bench.ask().await).kind, ErrorKind::OtherDigest(_)));
    assert_eq!(stored(&bench, &["t2"]).await, [true]);
}

/// Under another plan, what runs again is offered nothing of the old one.
pub async fn rerun_of_another_plan_is_offered_nothing(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    run_all(&host, 3).await;
    bench.gone(host).await;
    let changed = |task: &mut crate::state::TaskShape| task.fingerprint = Digest::of_bytes(b"new");
    let mut bench = bench.with(0, changed).with(1, changed);
    (bench.mode, bench.digest) = (Mode::Update, Digest::of_bytes(b"other"));
    let host = again(&mut bench, &[element(0, 1)]).await;
    let elements = host.settle(&only(host.claim().await), expand(3)).await.claims;
    let offers: Vec<bool> = elements.iter().map(|claim| claim.offer.is_some()).collect();
    assert_eq!(offers, [true, false, true]);
    bench.gone(host).await;
    // What an update has offered, and nobody has taken, is withdrawn by a later rerun.
    let host = again(&mut bench, &[element(0, 2)]).await;
    let elements = host.settle(&only(host.claim().await), expand(3)).await.claims;
    let offers: Vec<bool> = elements.iter().map(|claim| claim.offer.is_some()).collect();
    assert_eq!(offers, [true, false, false]);
}

/// Results are discarded once: a run that is resumed keeps what has run again since, in the same epoch. All hosts know the
/// nodes that run again, under another plan by their names, until the run has succeeded or starts over.
pub async fn rerun_is_known_until_the_run_succeeds(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    run_all(&host, 2).await;
    assert_eq!(host.opened.rerun, []);
    bench.gone(host).await;
    let host = again(&mut bench, &[element(0, 1), task(1)]).await;
    let joined = bench.open().await;
    assert_eq!((joined.opened.kind, &joined.opened.rerun), (OpenKind::Joined, &host.opened.rerun));
    let one = only(host.settle(&only(host.claim().await), expand(2)).await.claims);
    host.settle(&one, Outcome::Done(b"new"[..].into())).await;
    let epoch = host.opened.epoch;
    bench.gone(host).await;
    bench.gone(joined).await;
    let host = bench.open().await;
    assert_eq!((host.opened.epoch, &host.opened.rerun), (epoch, &vec![element(0, 1), task(1)]));
    assert_eq!(host.entry(element(0, 1)).await, Entry::Done(b"new"[..].into()));
    bench.gone(host).await;
    // A further rerun adds to them, and another plan finds them by name.
    bench.shape.tasks.rotate_left(1);
    for task in &mut bench.shape.tasks {
        (task.waits_for, task.dependents) = (vec![0], Vec::new());
    }
    (bench.mode, bench.digest) = (Mode::Update, Digest::of_bytes(b"other"));
    let host = again(&mut bench, &[task(1)]).await;
    assert_eq!(host.opened.rerun, [task(0), task(1), element(2, 1)]);
    let mut claims = host.claim().await;
    while let Some(claim) = claims.pop() {
        let outcome = if claim.node == task(2) && claim.stage == Stage::Ready {
            expand(2)
        } else {
            Outcome::Done(value(claim.node))
        };
        claims.extend(settled(&host, &claim, outcome).await);
    }
    assert_eq!(host.ask().await.progress.status, RunStatus::Succeeded);
    bench.gone(host).await;
    let host = bench.open().await;
    assert_eq!(host.opened.rerun, []);
    bench.gone(host).await;
    let host = again(&mut bench, &[task(0)]).await;
    bench.gone(host).await;
    bench.mode = Mode::Fresh;
    assert_eq!(again(&mut bench, &[task(0)]).await.opened.rerun, []);
}

/// A run that has succeeded without some of the nodes still has to run these again, until one that includes them has.
pub async fn rerun_of_excluded_nodes_outlasts_a_success(harness: &dyn Harness) {
    let mut bench = list(harness).await;
    let host = bench.open().await;
    run_all(&host, 2).await;
    bench.gone(host).await;
    let mut bench = bench.with(1, |task| task.is_included = false);
    let mut host = again(&mut bench, &[element(0, 1), task(1), task(2)]).await;
    let mut claims = host.claim().await;
    while let Some(claim) = claims.pop() {
        let is_list = claim.node == task(0) && claim.stage == Stage::Ready;
        let outcome = if is_list { expand(2) } else { Outcome::Done(b"new"[..].into()) };
        claims.extend(settled(&host, &claim, outcome).await);
    }
    for _ in 0..2 {
        assert_eq!(host.ask().await.progress.status, RunStatus::Succeeded);
        bench.gone(host).await;
        assert_eq!(must(bench.backend.rerun(&bench.run()).await), ["t1"]);
        host = bench.open().await;
    }
    bench.gone(host).await;
    let mut bench = bench.with(1, |task| task.is_included = true);
    let host = bench.open().await;
    assert_eq!(host.opened.rerun, [task(1)]);
    let last = only(host.claim().await);
    assert_eq!(last.node, task(1));
    host.done(&last).await;
    bench.gone(host).await;
    assert_eq!(must(bench.backend.rerun(&bench.run()).await), [""; 0]);
    assert_eq!(bench.open().await.opened.rerun, []);
}

async fn settled(host: &Host, claim: &Claim, outcome: Outcome) -> Vec<Claim> {
    let reply = host.commit(vec![(claim.token, outcome)]).await;
    assert_eq!(reply.verdicts, [Verdict::Committed]);
    reply.claims
}
