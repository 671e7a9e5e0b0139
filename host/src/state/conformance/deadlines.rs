//! Conformance of deadlines: clocks of tasks, of pipelines and of the run, and the nodes that end when one passes.
//! Stopping guests is left to the holders of claims.

use crate::model::{FailurePolicy, RunStatus, SkipReason, TaskIdx, TaskName, to_usize};
use crate::state::conformance::fixture::{
    Fixture, Harness, Host, TIMEOUT, element, must, must_fail, nodes, only, own, task, value,
};
use crate::state::{
    Claim, Deadline, DeadlineScope, DeadlineShape, Dependent, Entry, ErrorKind, Hole, Milestone, NodeId,
    Outcome, Stage, Stop,
};
use std::num::NonZeroU32;
use std::time::Duration;

/// Brief, for cases that wait until the deadline passes.
const LIMIT: Duration = Duration::from_millis(300);

/// So long that it does not pass.
const LONG: Duration = Duration::from_mins(10);

/// A delay that ends after every deadline.
const LATER: Outcome = Outcome::Retry { delay: LONG, step: 0 };

fn failed() -> Outcome {
    Outcome::Failed(b"record"[..].into())
}

fn left_out() -> Outcome {
    Outcome::LeftOut(Box::new(Hole { level: 1, cause: "t0[0]".to_owned(), failure: None }))
}

/// Binds tasks by a deadline of their own, or by one of a pipeline.
fn bound(mut bench: Fixture, tasks: &[u32], (limit, scope): (Duration, DeadlineScope)) -> Fixture {
    let position = u32::try_from(bench.shape.deadlines.len()).unwrap_or(u32::MAX);
    let name = must(TaskName::new(&format!("d{position}")));
    bench.shape.deadlines.push(DeadlineShape { name, limit, scope });
    for bound in tasks {
        bench.shape.tasks[to_usize(*bound)].deadlines.push(position);
    }
    bench
}

async fn of_task(harness: &dyn Harness, waits_for: &[&[u32]], limit: Duration) -> Fixture {
    bound(Fixture::new(harness, waits_for).await, &[0], (limit, DeadlineScope::Task))
}

/// Waits until all deadlines have passed.
async fn passed() {
    tokio::time::sleep(LIMIT + Duration::from_millis(50)).await;
}

async fn expand(host: &Host, items: u32, max_parallel: u32) -> Vec<Claim> {
    let whole = only(host.claim().await);
    let outcome = Outcome::Expand { items, max_parallel: NonZeroU32::new(max_parallel) };
    host.settle(&whole, outcome).await.claims
}

/// Claims all overdue nodes that there are, and asserts that they are these.
async fn overdue(host: &Host, mut expected: Vec<NodeId>) -> Vec<Claim> {
    let mut claims: Vec<Claim> = Vec::new();
    while claims.len() < expected.len() {
        claims.extend(host.claim().await);
    }
    let mut found = nodes(&claims);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(claims.iter().all(|claim| claim.stage == Stage::Overdue), "{claims:?}");
    claims
}

/// The clock of a task begins when it is first handed out, and runs on over its attempts.
pub async fn deadline_begins_when_its_task_is_first_handed_out(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[], &[]], LONG).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    assert_eq!(claims[0].deadline, Some(Deadline { position: 0, left: LONG }));
    assert_eq!(claims[1].deadline, None);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let again = only(host.settle(&claims[0], Outcome::Retry { delay: Duration::ZERO, step: 0 }).await.claims);
    assert_eq!(again.deadline.map(|it| it.position), Some(0));
    let passed = LONG.saturating_sub(again.deadline.map_or(LONG, |it| it.left));
    assert!((Duration::from_millis(20)..TIMEOUT).contains(&passed), "{passed:?}");
}

/// Of several deadlines, a claim has the one that passes first.
pub async fn claim_has_the_deadline_that_passes_first(harness: &dyn Harness) {
    let bench = of_task(harness, &[&[], &[]], LONG).await;
    let mut bench = bound(bench, &[0, 1], (LONG / 2, DeadlineScope::Pipeline));
    let host = bench.open().await;
    let claims = host.claim().await;
    let first = Some(Deadline { position: 1, left: LONG / 2 });
    assert_eq!(claims.iter().map(|claim| claim.deadline).collect::<Vec<_>>(), [first, first]);
}

/// A task that waits for its next attempt is handed out as overdue when the deadline passes, and takes no slot.
pub async fn task_that_waits_for_a_retry_ends_at_its_deadline(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[], &[0]], LIMIT).await;
    let mut host = bench.open().await;
    let first = only(host.claim().await);
    host.settle(&first, LATER).await;
    host.slots = 0;
    let last = only(overdue(&host, vec![task(0)]).await);
    assert_eq!((last.attempt, last.deadline), (2, Some(Deadline { position: 0, left: Duration::ZERO })));
    let next = only(host.settle(&last, failed()).await.claims);
    assert_eq!((next.node, next.stage), (task(1), Stage::Tainted));
    assert_eq!(host.entry(task(0)).await, Entry::Failed(b"record"[..].into()));
}

/// Readers of the run see what its deadlines leave, once their clocks run and while hosts work on it.
pub async fn readers_see_the_time_that_deadlines_leave(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[], &[]], LONG).await;
    bench.shape.deadline = Some(LONG * 2);
    let host = bench.open().await;
    let names = |left: &[(Option<String>, Duration)]| -> Vec<Option<String>> {
        left.iter().map(|(name, _)| name.clone()).collect()
    };
    let left = must(bench.backend.deadlines(&bench.run()).await);
    assert_eq!(names(&left), [None]);
    host.claim().await;
    let left = must(bench.backend.deadlines(&bench.run()).await);
    assert_eq!(names(&left), [None, Some("d0".to_owned())]);
    for ((_, left), limit) in left.iter().zip([LONG * 2, LONG]) {
        assert!((limit.saturating_sub(TIMEOUT)..=limit).contains(left), "{left:?}");
    }
    bench.gone(host).await;
    assert_eq!(must(bench.backend.deadlines(&bench.run()).await), []);
}

/// A deadline that passes wakes hosts that wait.
pub async fn deadline_wakes(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[]], LIMIT).await;
    let (one, other) = (bench.open().await, bench.open().await);
    let first = only(one.claim().await);
    one.settle(&first, LATER).await;
    overdue(&other, vec![task(0)]).await;
}

/// A task that waits for a resource ends at its deadline, and a host that has none of the resource ends it.
pub async fn task_that_waits_for_a_resource_ends_at_its_deadline(harness: &dyn Harness) {
    let bench = of_task(harness, &[&[]], LIMIT).await.with(0, |task| task.class = 1);
    let mut bench = bench.resource(own(1));
    let mut host = bench.open_with(1).await;
    let first = only(host.claim().await);
    host.free = vec![0];
    assert_eq!(host.settle(&first, Outcome::Retry { delay: Duration::ZERO, step: 0 }).await.claims, []);
    let last = only(overdue(&host, vec![task(0)]).await);
    assert_eq!(host.settle(&last, failed()).await.progress.status, RunStatus::Failed);
}

/// A task that awaits another one ends at its deadline.
pub async fn awaiting_task_ends_at_its_deadline(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[], &[]], LIMIT).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    assert_eq!(host.settle(&claims[0], Outcome::Await(vec![task(1)])).await.claims, []);
    let last = only(overdue(&host, vec![task(0)]).await);
    assert_eq!(host.done(&claims[1]).await, []);
    assert_eq!(host.settle(&last, failed()).await.progress.status, RunStatus::Failed);
}

/// A node that is held when the deadline passes is left to its holder: its result counts. If it is returned, it is overdue
/// at once, however it is returned.
pub async fn held_node_is_left_to_its_holder(harness: &dyn Harness) {
    let more = Outcome::Iterated(b"x"[..].into());
    for outcome in
        [Outcome::Done(value(task(0))), LATER, Outcome::Release, Outcome::Await(vec![task(1)]), more]
    {
        let bench = of_task(harness, &[&[], &[]], LIMIT).await;
        let mut bench = bench.with(0, |task| task.is_repeated = true);
        let (host, other) = (bench.open().await, bench.open().await);
        let claims = host.claim().await;
        passed().await;
        assert_eq!(other.ask().await.claims, []);
        let is_done = matches!(outcome, Outcome::Done(_));
        let next = host.settle(&claims[0], outcome).await.claims;
        if is_done {
            assert_eq!(next, []);
        } else {
            let last = only(next);
            assert_eq!((last.node, last.stage), (task(0), Stage::Overdue));
        }
    }
}

/// The node of a host that is lost after the deadline is taken over as overdue.
pub async fn node_of_a_lost_host_is_overdue(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[]], LIMIT).await;
    let (one, other) = (bench.open().await, bench.open().await);
    only(one.claim().await);
    passed().await;
    bench.gone(one).await;
    let last = only(other.claim().await);
    assert_eq!((last.stage, last.takeovers), (Stage::Overdue, 1));
}

/// An overdue node is not computed: it fails, is left out, or is done with what the failure makes of it.
pub async fn overdue_node_is_not_returned(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[]], LIMIT).await;
    let host = bench.open().await;
    let first = only(host.claim().await);
    passed().await;
    let last = only(host.settle(&first, Outcome::Release).await.claims);
    for outcome in [LATER, Outcome::Await(vec![]), Outcome::Passed, Outcome::Accepted] {
        let refused = must_fail(host.try_commit(vec![(last.token, outcome)]).await);
        assert_eq!(refused.kind, ErrorKind::Misuse);
    }
    let again = only(host.settle(&last, Outcome::Release).await.claims);
    assert_eq!(again.stage, Stage::Overdue);
    assert_eq!(
        host.settle(&again, Outcome::Done(value(task(0)))).await.progress.status,
        RunStatus::Succeeded
    );
}

/// All elements that nobody holds end at the deadline: those that were never handed out, whatever `max_parallel` says, and
/// those that wait for a retry or for others. Their task follows as usual.
pub async fn elements_end_at_the_deadline(harness: &dyn Harness) {
    let bench = of_task(harness, &[&[], &[]], LIMIT).await;
    let mut bench = bench.with(0, |task| task.indexed = vec![1]).with(1, |task| task.rank = 9);
    let mut host = bench.open().await;
    let mut claims = host.claim().await;
    let outcome = Outcome::Expand { items: 6, max_parallel: NonZeroU32::new(3) };
    assert_eq!((claims[0].node, claims[1].node), (task(1), task(0)));
    claims = host.settle(&claims[1], outcome).await.claims;
    assert_eq!(nodes(&claims), [element(0, 0), element(0, 1), element(0, 2)]);
    host.slots = 0;
    host.settle(&claims[1], LATER).await;
    host.settle(&claims[2], Outcome::Await(vec![task(1)])).await;
    let ends = overdue(&host, [1, 2, 3, 4, 5].map(|item| element(0, item)).to_vec()).await;
    assert_eq!(host.ask().await.claims, []);
    for (end, outcome) in ends.iter().zip([left_out(), Outcome::Done(value(task(0))), left_out()]) {
        assert_eq!(host.settle(end, outcome).await.claims, []);
    }
    host.settle(&ends[3], left_out()).await;
    assert_eq!(host.done(&claims[0]).await, []);
    let whole = only(host.settle(&ends[4], left_out()).await.claims);
    assert_eq!((whole.node, whole.stage), (task(0), Stage::Expanded { items: 6 }));
}

/// A task that is expanded after its deadline has elements that are overdue.
pub async fn late_elements_are_overdue(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[]], LIMIT).await.with(0, |task| task.indexed = vec![1]);
    let mut host = bench.open().await;
    let whole = only(host.claim().await);
    passed().await;
    host.slots = 0;
    let outcome = Outcome::Expand { items: 2, max_parallel: NonZeroU32::new(1) };
    let ends = host.settle(&whole, outcome).await.claims;
    assert_eq!(nodes(&ends), [element(0, 0), element(0, 1)]);
    assert!(ends.iter().all(|end| end.stage == Stage::Overdue));
}

/// A node whose deadline has passed before it was expanded is expanded all the same. Its elements are overdue.
pub async fn overdue_node_is_expanded(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[]], LIMIT).await.with(0, |task| task.indexed = vec![1, 1]);
    let mut host = bench.open().await;
    let whole = only(host.claim().await);
    passed().await;
    host.slots = 0;
    let again = only(host.settle(&whole, Outcome::Release).await.claims);
    assert_eq!(again.stage, Stage::Overdue);
    let expand = |items| Outcome::Expand { items, max_parallel: NonZeroU32::new(1) };
    let outer = host.settle(&again, expand(2)).await.claims;
    let inner = host.settle(&outer[0], expand(3)).await.claims;
    let inner_all = [0, 1, 2].map(|item| element(0, 0).child(item));
    assert_eq!((nodes(&outer), nodes(&inner)), (vec![element(0, 0), element(0, 1)], inner_all.to_vec()));
    assert!(outer.iter().chain(&inner).all(|claim| claim.stage == Stage::Overdue));
    // Its holder has to know that elements of elements are not too many together.
    let other = only(host.settle(&outer[1], Outcome::Release).await.claims);
    assert_eq!((other.stage, other.elements), (Stage::Overdue, 3));
    let next = host.commit(inner.iter().map(|claim| (claim.token, left_out())).collect()).await;
    assert_eq!(only(next.claims).stage, Stage::Expanded { items: 3 });
}

/// Any number of elements ends, whatever they wait for, and each is handed out once.
pub async fn many_elements_end_at_the_deadline(harness: &dyn Harness) {
    const ITEMS: u32 = 2500;
    let limit = Duration::from_secs(3);
    let mut bench = of_task(harness, &[&[]], limit).await.with(0, |task| task.indexed = vec![1]);
    bench.policy = FailurePolicy::KeepGoing;
    let mut host = bench.open().await;
    host.slots = host.ledger.max_claims();
    let claims = expand(&host, ITEMS, 0).await;
    // Some have ended, some wait for a retry, and some are held.
    let (ended, rest) = claims.split_at(200);
    let (delayed, held) = rest.split_at(rest.len() - 10);
    host.slots = 0;
    host.commit(ended.iter().map(|claim| (claim.token, Outcome::Done(value(claim.node)))).collect()).await;
    host.commit(delayed.iter().map(|claim| (claim.token, LATER)).collect()).await;
    let mut expected: Vec<_> = (0..ITEMS).map(|item| element(0, item)).collect();
    expected.retain(|node| !ended.iter().chain(held).any(|claim| claim.node == *node));
    let ends = overdue(&host, expected).await;
    assert_eq!(host.ask().await.claims, []);
    let ends = ends.iter().chain(held).map(|claim| (claim.token, left_out()));
    let whole = only(host.commit(ends.collect()).await.claims);
    assert_eq!(whole.stage, Stage::Expanded { items: ITEMS });
}

/// The elements of a task that flow from those of another end at the task's deadline, although the others have not ended.
pub async fn elements_that_wait_for_others_end_at_the_deadline(harness: &dyn Harness) {
    let mut bench = flowing(harness, (&[1], DeadlineScope::Task)).await;
    let mut host = bench.open().await;
    let (sources, first) = expanded(&host).await;
    // One has ended, one is held, one is ready, one waits.
    host.slots = 1;
    let held = only(host.settle(&first[0], Outcome::Release).await.claims);
    host.slots = 0;
    host.done(&sources[1]).await;
    overdue(&host, [1, 2, 3].map(|item| element(1, item)).to_vec()).await;
    assert_eq!(host.done(&sources[2]).await, []);
    assert_eq!(host.done(&held).await, []);
}

/// At the deadline of a pipeline, elements that wait for others of it go on waiting. They are skipped if those have failed,
/// and overdue if those are done.
pub async fn elements_of_a_pipeline_wait_for_each_other(harness: &dyn Harness) {
    let mut bench = flowing(harness, (&[0, 1], DeadlineScope::Pipeline)).await;
    let mut host = bench.open().await;
    let (sources, first) = expanded(&host).await;
    host.slots = 0;
    passed().await;
    assert_eq!(host.ask().await.claims, []);
    let next = only(host.done(&sources[1]).await);
    assert_eq!((next.node, next.stage), (element(1, 1), Stage::Overdue));
    let next = only(host.settle(&sources[2], failed()).await.claims);
    assert_eq!((next.node, next.stage), (element(1, 2), Stage::Tainted));
    let next = only(host.settle(&first[0], Outcome::Release).await.claims);
    assert_eq!((next.node, next.stage), (element(1, 0), Stage::Overdue));
}

/// Two lists of four elements, of which those of the second wait for those of the first.
async fn flowing(harness: &dyn Harness, (tasks, scope): (&[u32], DeadlineScope)) -> Fixture {
    let mut bench = Fixture::new(harness, &[&[], &[]]).await;
    for task in 0..2 {
        bench = bench.with(task, |task| task.indexed = vec![1]);
    }
    let (upstream, next) = (TaskIdx::new(0), TaskIdx::new(1));
    bench.shape.connect(upstream, Dependent { task: next, level: 0, on: Milestone::Expanded });
    bench.shape.connect(upstream, Dependent { task: next, level: 1, on: Milestone::Ended });
    bound(bench, tasks, (LIMIT, scope))
}

/// Expands both lists and ends the first element. Returns the elements of the first, and the one that is ready of the second.
async fn expanded(host: &Host) -> (Vec<Claim>, Vec<Claim>) {
    let outcome = || Outcome::Expand { items: 4, max_parallel: None };
    let whole = only(host.claim().await);
    let mut claims = host.settle(&whole, outcome()).await.claims;
    let second = claims.iter().position(|claim| claim.node == task(1)).map(|at| claims.remove(at));
    host.settle(&only(second.into_iter().collect()), outcome()).await;
    claims.sort_by_key(|claim| claim.node);
    let first = host.done(&claims[0]).await;
    assert_eq!(nodes(&first), [element(1, 0)]);
    (claims, first)
}

/// The clock of a pipeline begins with the first of its tasks. Those that wait for others go on waiting when it passes, and
/// are overdue after that, or tainted.
pub async fn tasks_of_a_pipeline_share_a_clock(harness: &dyn Harness) {
    for end in [Outcome::Done(value(task(0))), failed()] {
        let bench = Fixture::new(harness, &[&[], &[], &[0], &[1]]).await;
        let mut bench = bound(bench, &[1, 2, 3], (LIMIT, DeadlineScope::Pipeline));
        let host = bench.open().await;
        let claims = host.claim().await;
        host.settle(&claims[1], LATER).await;
        let overdue = only(overdue(&host, vec![task(1)]).await);
        let is_done = matches!(end, Outcome::Done(_));
        let next = only(host.settle(&claims[0], end).await.claims);
        let stage = if is_done { Stage::Overdue } else { Stage::Tainted };
        assert_eq!((next.node, next.stage), (task(2), stage));
        let last = only(host.settle(&overdue, failed()).await.claims);
        assert_eq!((last.node, last.stage), (task(3), Stage::Tainted));
        host.settle(&last, Outcome::Skipped(SkipReason::UpstreamFailed)).await;
        assert_eq!(host.settle(&next, failed()).await.progress.status, RunStatus::Failed);
    }
}

/// The nodes between a task and its innermost elements end too.
pub async fn elements_of_elements_end_at_the_deadline(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[]], LIMIT).await.with(0, |task| task.indexed = vec![1, 1]);
    let mut host = bench.open().await;
    host.slots = 2;
    let outer = expand(&host, 3, 0).await;
    assert_eq!(nodes(&outer), [element(0, 0), element(0, 1)]);
    host.slots = 1;
    let outcome = Outcome::Expand { items: 2, max_parallel: None };
    let inner = host.settle(&outer[0], outcome).await.claims;
    host.slots = 0;
    host.commit(inner.iter().map(|claim| (claim.token, LATER)).collect()).await;
    let outer_rest = element(0, 2);
    let inner_all = [0, 1].map(|item| element(0, 0).child(item));
    overdue(&host, [&inner_all[..], &[outer_rest]].concat()).await;
    let last = only(host.settle(&outer[1], Outcome::Release).await.claims);
    assert_eq!((last.node, last.stage), (element(0, 1), Stage::Overdue));
}

/// The run's deadline ends it. Guests are stopped, as after a cancellation, and nothing is handed out.
pub async fn run_ends_at_its_deadline(harness: &dyn Harness) {
    for policy in [FailurePolicy::Finish, FailurePolicy::KeepGoing] {
        let mut bench = Fixture::new(harness, &[&[], &[], &[0]]).await;
        bench.shape.deadline = Some(LIMIT);
        bench.policy = policy;
        let host = bench.open().await;
        let reply = host.ask().await;
        assert!(reply.progress.left.is_some_and(|left| left <= LIMIT), "{reply:?}");
        // A failure that stops the run does not stop its clock.
        host.settle(&reply.claims[1], failed()).await;
        let mut reply = host.ask().await;
        while reply.progress.stop != Some(Stop::TimedOut) {
            must(must(tokio::time::timeout(TIMEOUT, host.ledger.changed(reply.version)).await));
            reply = host.ask().await;
        }
        assert_eq!((reply.progress.status, reply.claims), (RunStatus::Running, vec![]));
        let claims = only(must(bench.backend.claims(&bench.run(), 9).await));
        assert_eq!(claims.node, task(0));
        bench.gone(host).await;
        let run = must(bench.backend.run(&bench.run()).await);
        assert_eq!((run.status, run.counts.failed, run.counts.open), (RunStatus::TimedOut, 1, 2));
    }
}

/// A run without claims ends at its deadline, and hosts that wait are woken.
pub async fn waiting_run_ends_at_its_deadline(harness: &dyn Harness) {
    let mut bench = Fixture::new(harness, &[&[]]).await;
    bench.shape.deadline = Some(LIMIT);
    let (host, other) = (bench.open().await, bench.open().await);
    let first = only(host.claim().await);
    let mut reply = host.settle(&first, LATER).await;
    drop(host);
    while reply.progress.status == RunStatus::Running {
        must(must(tokio::time::timeout(TIMEOUT, other.ledger.changed(reply.version)).await));
        reply = other.ask().await;
    }
    assert_eq!((reply.progress.status, reply.progress.stop), (RunStatus::TimedOut, Some(Stop::TimedOut)));
}

/// A life that follows an interrupted one goes on with the time that has passed; time without hosts does not count.
pub async fn interrupted_run_goes_on_with_the_time_that_is_left(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[], &[]], LONG).await;
    bench.shape.deadline = Some(LONG);
    let host = bench.open().await;
    let claims = host.claim().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    host.done(&claims[1]).await;
    bench.gone(host).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Another deadline may come before it, and its limit may change.
    let mut bench = bound(bench, &[1], (LONG, DeadlineScope::Task));
    bench.shape.deadlines.swap(0, 1);
    bench.shape.deadlines[1].limit = LONG * 2;
    bench.shape.tasks[0].deadlines = vec![1];
    bench.shape.tasks[1].deadlines = vec![0];
    let host = bench.open().await;
    let reply = host.ask().await;
    let first = only(reply.claims);
    assert_eq!(first.deadline.map(|it| it.position), Some(1));
    let left = first.deadline.map_or(Duration::ZERO, |it| it.left);
    let passed = Duration::from_millis(200)..Duration::from_secs(2);
    assert!(passed.contains(&(LONG * 2).saturating_sub(left)), "{left:?}");
    let left = reply.progress.left.unwrap_or_default();
    assert!(passed.contains(&LONG.saturating_sub(left)), "{left:?}");
}

/// A deadline that has passed, or of which a task has failed, begins anew when the run is resumed.
pub async fn deadline_of_a_failed_task_begins_anew(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[], &[]], LONG).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    host.settle(&claims[0], failed()).await;
    bench.gone(host).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    assert_eq!((nodes(&claims), claims[0].deadline.map(|it| it.left)), (vec![task(0), task(1)], Some(LONG)));
}

/// A run that has ended at its deadline has all of its time again when it is resumed.
pub async fn deadlines_begin_anew_after_the_run_has_ended(harness: &dyn Harness) {
    let mut bench = of_task(harness, &[&[]], LONG).await;
    bench.shape.deadline = Some(LIMIT);
    let host = bench.open().await;
    let first = only(host.claim().await);
    passed().await;
    assert_eq!(host.settle(&first, Outcome::Release).await.progress.status, RunStatus::TimedOut);
    bench.gone(host).await;
    bench.shape.deadline = Some(LONG);
    let host = bench.open().await;
    let reply = host.ask().await;
    assert_eq!(only(reply.claims).deadline.map(|it| it.left), Some(LONG));
    assert!(reply.progress.left.is_some_and(|left| left + TIMEOUT > LONG), "{:?}", reply.progress);
}
