//! Which path of the step script takes a commit: the fast one must not decline what it is made for.
//! That both paths have the same effects is tested in `differential.rs`.

use super::*;
use crate::model::{TaskIdx, to_usize};
use crate::state::conformance::fixture::{element, nodes, only, own, task};
use crate::state::conformance::{Fixture, Host};
use crate::state::{Claim, NodeId, Outcome, Reply, RunShape, Stage};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The path that a commit took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Fast,
    General,
}

use Path::{Fast, General};

/// A run, and what the server says that it does.
struct Watched {
    host: Host,
    backend: Arc<Owned>,
    monitor: BufReader<UnixStream>,
    marks: u32,
}

struct There(Arc<Owned>);

#[async_trait]
impl Harness for There {
    async fn backend(&self) -> Arc<dyn Backend> {
        let backend: Arc<dyn Backend> = Arc::<Owned>::clone(&self.0);
        backend
    }
}

impl Watched {
    async fn new(waits_for: &[&[u32]], slots: u32) -> Self {
        Self::with(waits_for, slots, |_| {}).await
    }

    async fn with(waits_for: &[&[u32]], slots: u32, change: impl FnOnce(&mut RunShape)) -> Self {
        let server = Server::start();
        let backend = Arc::new(Owned { backend: at(&server.socket_uri()), server });
        let mut stream = UnixStream::connect(backend.server.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut bench = Fixture::new(&There(Arc::clone(&backend)), waits_for).await;
        change(&mut bench.shape);
        let host = Host { slots, ..bench.open().await };
        Self { host, backend, monitor: BufReader::new(stream), marks: 0 }
    }

    /// Commits, and says by which path: each reads the number of the host's last commit, by another command.
    async fn commit(&mut self, batch: Vec<(&Claim, Outcome)>) -> (Path, Reply) {
        let batch = batch.into_iter().map(|(claim, outcome)| (claim.token, outcome)).collect();
        let reply = self.host.commit(batch).await;
        self.marks += 1;
        let mark = format!("mark {}", self.marks);
        self.backend.server.cli(&["ECHO", &mark]);
        let by =
            |command: &str| format!("lua] \"{command}\" \"cascade:run:run-1:coord\" \"r:{}\"", self.host.id);
        let (tried, taken) = (by("HMGET"), by("HGET"));
        let (mut has_tried, mut has_taken) = (false, false);
        let mut line = Vec::new();
        while self.monitor.read_until(b'\n', &mut line).unwrap() > 0 {
            let text = String::from_utf8_lossy(&line);
            if text.contains(&mark) {
                break;
            }
            has_tried |= text.contains(&tried);
            has_taken |= text.contains(&taken);
            line.clear();
        }
        assert!(has_tried || has_taken, "no commit was seen");
        (if has_taken { General } else { Fast }, reply)
    }

    async fn path(&mut self, batch: Vec<(&Claim, Outcome)>) -> Path {
        self.commit(batch).await.0
    }
}

fn done(claim: &Claim) -> (&Claim, Outcome) {
    (claim, Outcome::Done("x".into()))
}

#[tokio::test]
async fn results_take_the_fast_path_and_other_outcomes_the_general_path() {
    let layers: Vec<Vec<u32>> = (0..30).map(|at: u32| at.checked_sub(10).into_iter().collect()).collect();
    let layers: Vec<&[u32]> = layers.iter().map(Vec::as_slice).collect();
    let mut run = Watched::new(&layers, 3).await;
    // The first commit queues the tasks without dependencies, unless a heartbeat already has. The last one ends the run.
    let mut reply = run.commit(vec![]).await.1;
    let mut paths = Vec::new();
    while !reply.claims.is_empty() {
        let claims = reply.claims;
        let path;
        (path, reply) = run.commit(claims.iter().map(done).collect()).await;
        paths.push(path);
    }
    assert_eq!(reply.progress.status, RunStatus::Succeeded);
    assert_eq!(paths, [&[Fast; 9][..], &[General]].concat());
}

#[tokio::test]
async fn other_outcomes_take_the_general_path_and_later_results_the_fast_path() {
    let tasks = [&[][..]; 20];
    let mut run = Watched::new(&tasks, 1).await;
    let mut claims = run.commit(vec![]).await.1.claims;
    for outcome in
        [Outcome::Release, Outcome::Retry { delay: Duration::ZERO, step: 0 }, Outcome::Failed("no".into())]
    {
        let (path, reply) = run.commit(vec![(&claims[0], outcome.clone())]).await;
        assert_eq!(path, General, "{outcome:?}");
        let (path, reply) = run.commit(vec![done(&reply.claims[0])]).await;
        assert_eq!(path, Fast, "after {outcome:?}");
        claims = reply.claims;
    }
}

/// Three chained lists of `items` elements, on a host with slots and an amount of a resource that each element takes.
async fn chained_lists(slots: u32, amount: u32) -> Watched {
    let mut run = Watched::with(&[&[], &[], &[]], slots, |shape| {
        for (rank, task) in (0..).zip(&mut shape.tasks) {
            (task.indexed, task.rank, task.class) = (vec![1], rank, 1);
        }
        for at in 1..3 {
            shape.connect_elements(TaskIdx::new(at - 1), TaskIdx::new(at), 1);
        }
        shape.resources.push(own(amount));
        shape.classes.push(vec![(0, 1)]);
    })
    .await;
    run.host.free = vec![amount];
    run
}

/// Settles a claim on a list, or an element of one.
fn list_outcome(claim: &Claim, items: u32) -> Outcome {
    match claim.stage {
        Stage::Ready if claim.node.parent().is_none() => Outcome::Expand { items, max_parallel: None },
        _ => Outcome::Done("x".into()),
    }
}

/// Runs three chained lists of 100 elements to their end. Returns how many commits took each path, and the elements that
/// were reported to be blocked.
async fn paths_of_lists(slots: u32, amount: u32) -> (u32, u32, Vec<NodeId>) {
    let mut run = chained_lists(slots, amount).await;
    let mut reply = run.commit(vec![]).await.1;
    let (mut fast, mut general, mut blocked) = (0, 0, Vec::new());
    while !reply.claims.is_empty() {
        let claims = reply.claims;
        let settled = claims.iter().map(|claim| (claim, list_outcome(claim, 100)));
        let path;
        (path, reply) = run.commit(settled.collect()).await;
        *if path == Fast { &mut fast } else { &mut general } += 1;
        blocked.extend(reply.blocked.iter().map(|blocked| blocked.node));
    }
    assert_eq!(reply.progress.status, RunStatus::Succeeded);
    (fast, general, blocked)
}

#[tokio::test]
async fn elements_that_flow_take_the_fast_path() {
    let (fast, general, blocked) = paths_of_lists(4, 9).await;
    // Three tasks are expanded, each has a last element, and each is built from its elements.
    assert!(fast >= 72 && general <= 9, "{fast} fast, {general} general");
    assert_eq!(blocked, []);
}

#[tokio::test]
async fn elements_that_lack_a_resource_take_the_fast_path_and_are_reported_once() {
    let (fast, general, mut blocked) = paths_of_lists(9, 4).await;
    assert!(fast >= 65 && general <= 9, "{fast} fast, {general} general");
    let count = blocked.len();
    blocked.sort_unstable();
    blocked.dedup();
    assert!(count > 10 && blocked.len() == count, "{} of {count} differ", blocked.len());
}

#[tokio::test]
async fn tasks_that_lack_a_resource_take_the_fast_path_and_are_reported_once() {
    let mut run = Watched::with(&[&[][..]; 12], 5, |shape| {
        shape.tasks.iter_mut().for_each(|task| task.class = 1);
        shape.resources.push(own(3));
        shape.classes.push(vec![(0, 1)]);
    })
    .await;
    run.host.free = vec![3];
    let mut claims = run.commit(vec![]).await.1.claims;
    for (first, blocked) in [(3, &[5, 6, 7][..]), (6, &[8, 9, 10])] {
        let (path, reply) = run.commit(claims.iter().map(done).collect()).await;
        assert_eq!(path, Fast);
        assert_eq!(nodes(&reply.claims), [first, first + 1, first + 2].map(task));
        // Of those that two more slots would take, the first commit has reported two.
        assert!(reply.blocked.iter().all(|found| blocked.iter().any(|at| task(*at) == found.node)));
        claims = reply.claims;
    }
}

#[tokio::test]
async fn expansion_counts_only_elements_that_its_source_has_handed_out() {
    let mut run = chained_lists(2, 2).await;
    let whole = only(run.host.claim().await);
    // More elements than one step could count.
    let outcome = |claim| (claim, list_outcome(claim, 5000));
    let claims = run.commit(vec![outcome(&whole)]).await.1.claims;
    assert_eq!(nodes(&claims), [task(1), element(0, 0)]);
    // The element ends before the list that follows is expanded.
    let (_, reply) = run.commit(claims.iter().rev().map(outcome).collect()).await;
    assert!(nodes(&reply.claims).contains(&element(1, 0)), "{:?}", reply.claims);
}

#[tokio::test]
async fn entries_behind_others_wake_nobody() {
    let mut run = Watched::new(&[&[], &[0], &[0], &[0], &[1], &[1]], 1).await;
    let root = only(run.host.claim().await);
    // Three enter an empty lane, and one is handed out.
    let (path, first) = run.commit(vec![done(&root)]).await;
    let (other, second) = run.commit(vec![done(&first.claims[0])]).await;
    assert_eq!((path, other), (Fast, Fast));
    assert_eq!(first.version, second.version);
}

#[tokio::test]
async fn fast_path_claims_up_to_the_ledgers_maximum() {
    let tasks = vec![&[][..]; 2100];
    let mut run = Watched::new(&tasks, 0).await;
    // A step queues a bounded number of tasks.
    while run.path(vec![]).await == General {}
    let max = run.host.ledger.max_claims();
    run.host.slots = max;
    let (path, reply) = run.commit(vec![]).await;
    assert_eq!((path, reply.claims.len()), (Fast, to_usize(max)));
    run.host.slots = 0;
    assert_eq!(run.path(reply.claims.iter().map(done).collect()).await, Fast);
    run.host.slots = max + 1;
    let (path, reply) = run.commit(vec![]).await;
    assert_eq!((path, reply.claims.len()), (General, to_usize(max) + 1));
}
