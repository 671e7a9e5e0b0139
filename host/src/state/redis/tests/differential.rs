//! Differential test: scripts and in-memory state machine answer the same requests alike, on generated graphs.
//! The machine itself is tested in `memory/properties.rs`.

use super::*;
use crate::model::{FailurePolicy, Name, Random, RunStatus, SkipReason, TaskIdx};
use crate::state::conformance::{Fixture, Host};
use crate::state::{Claim, MemoryBackend, Outcome, Reply, ResourceScope, ResourceShape, Stage};
use std::num::NonZeroU32;
use std::time::Duration;

/// Number of graphs; every other one suits the fast path.
const SEEDS: u64 = 120;

/// Graphs whose tasks run once, share one class and mostly have results, so most steps take the fast path.
const fn is_plain(seed: u64) -> bool {
    seed % 2 == 1
}

struct Memory;

#[async_trait]
impl Harness for Memory {
    async fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(MemoryBackend::new())
    }
}

struct Shared(Arc<Owned>);

#[async_trait]
impl Harness for Shared {
    async fn backend(&self) -> Arc<dyn Backend> {
        self.0.server.cli(&["FLUSHALL"]);
        let backend: Arc<dyn Backend> = Arc::<Owned>::clone(&self.0);
        backend
    }
}

fn pick(random: &mut Random, below: u32) -> u32 {
    u32::try_from(random.below(below.into())).unwrap()
}

/// Changes a fixture's tasks, in the same way for the same seed.
fn graph(bench: Fixture, seed: u64) -> Fixture {
    let mut random = Random::seeded(seed);
    let resource = |name: &str, scope| ResourceShape { name: Name::new(name).unwrap(), amount: 2, scope };
    let bench = bench
        .resource(resource("shared", ResourceScope::Shared))
        .resource(resource("own", ResourceScope::Own));
    let mut bench = bench.resource(resource("elastic", ResourceScope::Elastic));
    bench.shape.classes[2] = vec![(0, 1), (1, 2)];
    bench.shape.classes[3] = vec![(1, 1), (2, 2)];
    bench.shape.classes.push(vec![(2, 4), (1, 1)]);
    bench.policy = [FailurePolicy::Finish, FailurePolicy::KeepGoing, FailurePolicy::FailFast]
        [usize::try_from(random.below(3)).unwrap()];
    for task in &mut bench.shape.tasks {
        task.rank = i64::from(pick(&mut random, 3)) - 1;
        task.class = [0, 1, 2, 3, 4][usize::try_from(random.below(5)).unwrap()];
        task.is_for_each = random.below(3) == 0;
        task.is_wanted = random.below(12) > 0;
        if is_plain(seed) {
            task.class = if seed % 4 == 1 { 0 } else { 3 };
            task.is_for_each = false;
        }
    }
    let count = bench.shape.tasks.len();
    for at in 1..count {
        for upstream in 0..at {
            if random.below(4) == 0 {
                bench.shape.tasks[upstream].dependents.push(TaskIdx::new(u32::try_from(at).unwrap()));
                bench.shape.tasks[at].waits_for += 1;
            }
        }
    }
    bench.shape.has_closing = random.below(2) == 0;
    bench
}

fn outcome(random: &mut Random, bench: &Fixture, claim: &Claim, seed: u64) -> Outcome {
    if is_plain(seed) && claim.stage != Stage::Closing && random.below(8) > 0 {
        return Outcome::Done(b"yes"[..].into());
    }
    let is_for_each = bench.shape.tasks.get(claim.node.task.index()).is_some_and(|task| task.is_for_each)
        && claim.node.item.is_none();
    match (claim.stage, random.below(12)) {
        (Stage::Closing, 0) => Outcome::Failed(b"no"[..].into()),
        (Stage::Closing, 1 | 2) | (Stage::Tainted, 0..=5) => Outcome::Release,
        (Stage::Closing, _) => Outcome::Passed,
        (Stage::Tainted, _) => Outcome::Skipped(SkipReason::UpstreamSkipped),
        (Stage::Ready, _) if is_for_each => {
            Outcome::Expand { items: pick(random, 6), max_parallel: NonZeroU32::new(pick(random, 3)) }
        }
        (_, 0) if random.below(3) == 0 => Outcome::Failed(b"no"[..].into()),
        (_, 1) => Outcome::Retry(Duration::ZERO),
        (_, 2) => Outcome::Release,
        (_, 3) if claim.node.task.get() > 0 => {
            Outcome::Await(vec![TaskIdx::new(pick(random, claim.node.task.get()))])
        }
        (_, 4) => Outcome::Skipped(SkipReason::ConditionFalse),
        _ => Outcome::Done(b"yes"[..].into()),
    }
}

/// The comparable part of a reply: everything but tokens and versions, with blocked nodes sorted.
fn told(reply: &Reply) -> impl PartialEq + std::fmt::Debug + use<> {
    let claims: Vec<_> = reply
        .claims
        .iter()
        .map(|claim| (claim.node, claim.attempt, claim.takeovers, claim.from.clone(), claim.stage))
        .collect();
    let mut blocked: Vec<_> = reply.blocked.iter().map(|blocked| (blocked.node, blocked.resource)).collect();
    blocked.sort_unstable();
    (claims, blocked, reply.verdicts.clone(), reply.progress)
}

async fn compare(seed: u64, redis: &Shared) {
    let count = if is_plain(seed) { 2 + seed % 60 } else { 2 + seed % 9 };
    let tasks: Vec<&[u32]> = (0..count).map(|_| &[][..]).collect();
    let mut memory = graph(Fixture::new(&Memory, &tasks).await, seed);
    let mut other = graph(Fixture::new(redis, &tasks).await, seed);
    let mut pairs: Vec<(Host, Host)> = Vec::new();
    for (own, elastic) in [(2, 1), (2, 3), (1, 5)] {
        for bench in [&mut memory, &mut other] {
            (bench.shape.resources[1].amount, bench.shape.resources[2].amount) = (own, elastic);
        }
        pairs.push((memory.open().await, other.open().await));
    }
    let mut random = Random::seeded(seed ^ 0xa11c_e000);
    let mut held: Vec<Vec<(Claim, Claim)>> = vec![Vec::new(); pairs.len()];
    for step in 0..2000 {
        let who = usize::try_from(random.below(3)).unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..random.below(4) {
            if !held[who].is_empty() {
                let at = usize::try_from(random.below(u64::try_from(held[who].len()).unwrap())).unwrap();
                let (one, two) = held[who].swap_remove(at);
                let outcome = outcome(&mut random, &memory, &one, seed);
                ours.push((one.token, outcome.clone()));
                theirs.push((two.token, outcome));
            }
        }
        let (one, two) = &mut pairs[who];
        one.slots = pick(&mut random, 4);
        one.free = vec![0, pick(&mut random, 3), pick(&mut random, 8)];
        (two.slots, two.free) = (one.slots, one.free.clone());
        let (a, b) = (one.commit(ours).await, two.commit(theirs).await);
        assert_eq!(told(&a), told(&b), "seed {seed}, step {step}");
        let is_over = a.progress.status != RunStatus::Running;
        held[who].extend(a.claims.into_iter().zip(b.claims));
        if is_over {
            return;
        }
    }
    panic!("the run of seed {seed} does not end");
}

#[tokio::test]
async fn scripts_answer_as_the_machine_in_memory_does() {
    let server = Server::start();
    let shared = Shared(Arc::new(Owned { backend: at(&server.socket_uri()), server }));
    for seed in 0..SEEDS {
        compare(seed, &shared).await;
    }
}
