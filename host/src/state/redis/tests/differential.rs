//! Differential test: scripts and in-memory state machine answer the same requests alike, on generated graphs.
//! The machine itself is tested in `memory/properties.rs`.
//!
//! Two of three graphs have time: leases expire unless hosts renew them, retries are delayed, and hosts leave. No test
//! waits for it. The memory's clock is paused and moved by hand; in Redis, the stored times are moved towards the
//! server's clock instead, by the same amount. The real time that passes meanwhile is nothing against [`TICK`].

use super::*;
use crate::model::{FailureClass, FailurePolicy, Name, Random, RunStatus, SkipReason, TaskIdx, TaskName};
use crate::state::conformance::{Fixture, Host};
use crate::state::redis::link::{Command, Link, Request};
use crate::state::redis::link_to;
use crate::state::{
    Claim, DeadlineScope, DeadlineShape, FailureRecord, Hole, MemoryBackend, NodeId, Outcome, Progress,
    Reply, ResourceScope, ResourceShape, RunShape, Stage, Token, Verdict,
};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Number of graphs; every other one suits the fast path.
const SEEDS: u64 = 120;

/// The unit of time. Something is due only at its end or in its middle, far from the real time that a graph takes. At
/// least one passes between the steps of a graph, so that what they leave for later is due in the same order on both
/// sides.
const TICK: Duration = Duration::from_secs(1000);

/// A lease: some ticks and a half, so that no lease ends together with a delay of whole ticks.
const LEASE: Duration = Duration::from_secs(12_500);

/// Graphs on which time passes.
const fn is_timed(seed: u64) -> bool {
    !seed.is_multiple_of(3)
}

/// Graphs whose tasks run once, share one class and mostly have results, so most steps take the fast path.
const fn is_plain(seed: u64) -> bool {
    seed % 2 == 1
}

/// Graphs of lists, and of lists within lists, that wait for the elements of each other and mostly have results.
const fn is_nested(seed: u64) -> bool {
    seed % 8 == 6
}

/// Graphs whose last tasks are finally tasks.
const fn has_finally(seed: u64) -> bool {
    seed % 5 < 2
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
        // Lists, and lists within lists.
        task.indexed =
            [vec![], vec![], vec![], vec![1], vec![1, 1]][usize::try_from(random.below(5)).unwrap()].clone();
        task.is_included = random.below(12) > 0;
        task.is_repeated = random.below(4) == 0;
        if is_plain(seed) {
            task.class = if seed % 4 == 1 { 0 } else { 3 };
            task.indexed.clear();
            task.is_repeated = random.below(20) == 0;
            // Chains of lists: their elements take the fast path too.
            if seed % 8 > 4 && random.below(3) > 0 {
                task.indexed = vec![1];
            }
        }
    }
    if is_nested(seed) {
        for task in &mut bench.shape.tasks {
            (task.class, task.is_included, task.is_repeated) = (0, true, false);
            task.indexed = [vec![1], vec![1, 1]][usize::try_from(random.below(2)).unwrap()].clone();
        }
    }
    let count = bench.shape.tasks.len();
    let first = TaskIdx::new(u32::try_from(count - count.div_ceil(3)).unwrap());
    bench.shape.first_finally = has_finally(seed).then_some(first);
    for at in 1..count {
        for upstream in 0..at {
            if random.below(if is_nested(seed) { 2 } else { 4 }) == 0 {
                let common = bench.shape.tasks[at].depth().min(bench.shape.tasks[upstream].depth());
                let level = pick(&mut random, u32::try_from(common).unwrap() + 1).to_be_bytes()[3];
                let [at, upstream] = [at, upstream].map(|task| TaskIdx::new(u32::try_from(task).unwrap()));
                if bench.shape.is_finally(upstream) == bench.shape.is_finally(at) {
                    bench.shape.connect_elements(upstream, at, level);
                }
            }
        }
    }
    bench.shape.has_closing = random.below(2) == 0;
    if is_timed(seed) && random.below(2) == 0 {
        add_deadlines(&mut bench.shape, &mut random);
    }
    bench
}

/// Adds deadlines of some tasks, of a pipeline, and of some runs. They pass after the leases of a tick and before its delays.
fn add_deadlines(shape: &mut RunShape, random: &mut Random) {
    let count = shape.tasks.len();
    let first = usize::try_from(random.below(u64::try_from(count).unwrap())).unwrap();
    // A deadline binds finally tasks, or others.
    let border = shape.first_finally.map_or(count, TaskIdx::index);
    let last = if first < border { border } else { count };
    let mut scopes = vec![(DeadlineScope::Pipeline, first..last)];
    scopes.extend((0..count).filter(|_| random.below(4) == 0).map(|at| (DeadlineScope::Task, at..at + 1)));
    for (position, (scope, tasks)) in (0..).zip(scopes) {
        let name = TaskName::new(&format!("d{position}")).unwrap();
        shape.deadlines.push(DeadlineShape { name, limit: TICK * pick(random, 60) + TICK * 3 / 4, scope });
        for task in tasks {
            shape.tasks[task].deadlines.push(position);
        }
    }
    if random.below(4) == 0 {
        shape.deadline = Some(TICK * (20 + pick(random, 100)) + TICK * 3 / 4);
    }
}

/// Returns whole ticks: real time passes in Redis.
fn ticks(left: Duration) -> u128 {
    (left + TICK / 8).as_millis() / TICK.as_millis()
}

fn outcome(random: &mut Random, bench: &Fixture, claim: &Claim, seed: u64) -> Outcome {
    let is_expandable =
        bench.shape.tasks.get(claim.node.task.index()).is_some_and(|task| task.is_expandable(&claim.node.at));
    let is_plain_call = claim.stage != Stage::Closing && !(is_expandable && claim.stage == Stage::Ready);
    if (is_plain(seed) || is_nested(seed)) && is_plain_call && random.below(8) > 0 {
        return Outcome::Done(b"yes"[..].into());
    }
    let task = bench.shape.tasks.get(claim.node.task.index());
    let repeats = task.is_some_and(|task| task.repeats(&claim.node.at));
    match (claim.stage, random.below(12)) {
        (Stage::Closing, 0) => Outcome::Failed(b"no"[..].into()),
        (Stage::Closing, 1 | 2) | (Stage::Tainted, 0..=5) | (Stage::Overdue, 1 | 3) => Outcome::Release,
        (Stage::Closing, _) | (Stage::Expanded { .. }, 5 | 6) => Outcome::Passed,
        (Stage::Tainted, _) => Outcome::Skipped(SkipReason::UpstreamSkipped),
        (Stage::Ready, _) if is_expandable => {
            // Elements wait for those of the same index: all tasks have as many.
            let items = (u32::try_from(seed).unwrap() + claim.node.at.last().unwrap_or(0)) % 6;
            Outcome::Expand { items, max_parallel: NonZeroU32::new(pick(random, 3)) }
        }
        (Stage::Overdue, 5..=8) if is_expandable => Outcome::Expand { items: 2, max_parallel: None },
        (_, 0) if random.below(3) == 0 => Outcome::Failed(b"no"[..].into()),
        (_, 1) => {
            let delay = if is_timed(seed) { TICK * pick(random, 4) } else { Duration::ZERO };
            Outcome::Retry { delay, step: (claim.attempt * 37).to_be_bytes()[3] }
        }
        (_, 2) => Outcome::Release,
        (_, 3) if claim.node.task.get() > 0 => {
            let other = TaskIdx::new(pick(random, claim.node.task.get()));
            let is_beside = bench.shape.is_finally(other) == bench.shape.is_finally(claim.node.task);
            Outcome::Await(is_beside.then(|| NodeId::of_task(other)).into_iter().collect())
        }
        (_, 4) if claim.node.at.level() > 0 => Outcome::LeftOut(Box::new(hole(seed))),
        (_, 4) => Outcome::Skipped(SkipReason::ConditionFalse),
        (Stage::Ready, 5..=7) if repeats => Outcome::Iterated(b"more"[..].into()),
        _ => Outcome::Done(b"yes"[..].into()),
    }
}

/// The comparable part of a reply: everything but tokens and versions, with blocked nodes sorted.
fn comparable(reply: &Reply) -> impl PartialEq + std::fmt::Debug + use<> {
    let claims: Vec<_> = reply
        .claims
        .iter()
        .map(|claim| {
            let deadline = claim.deadline.map(|deadline| (deadline.position, ticks(deadline.left)));
            let numbers = [claim.attempt, claim.step.into(), claim.iteration, claim.takeovers];
            (claim.node, numbers, claim.from.clone(), claim.stage, deadline)
        })
        .collect();
    let mut blocked: Vec<_> = reply.blocked.iter().map(|blocked| (blocked.node, blocked.resource)).collect();
    blocked.sort_unstable();
    let left = reply.progress.left.map(ticks);
    (claims, blocked, reply.verdicts.clone(), Progress { left: None, ..reply.progress }, left)
}

/// A host on both sides.
struct Pair {
    memory: Host,
    redis: Host,
    /// Claims that were neither settled nor known to be lost.
    held: Vec<(Claim, Claim)>,
    /// Tokens that were settled.
    settled: Vec<(Token, Token)>,
}

/// Counts of what happened, over all graphs.
#[derive(Debug, Default)]
struct Seen {
    delayed: u32,
    iterated: u32,
    taken_over: u32,
    late: u32,
    renewed: u32,
    lost: u32,
    left: u32,
    overdue: u32,
    timed_out: u32,
    finally: u32,
}

/// The two sides, each with its own clock.
struct Sides {
    /// Time stands still here, unless it is moved.
    memory: Runtime,
    redis: Runtime,
    link: Arc<Link>,
    backend: Shared,
    seen: Seen,
}

impl Sides {
    fn new() -> Self {
        let memory = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        // One thread drives the heartbeats of hosts, also while the test is busy with the memory.
        let redis = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = Server::start();
        let StateUri::Redis(uri) = StateUri::parse(&server.socket_uri()).unwrap() else {
            panic!("not Redis")
        };
        let (link, backend) =
            redis.block_on(async { (link_to(&uri, "test").unwrap(), at(&server.socket_uri())) });
        Self {
            memory,
            redis,
            link,
            backend: Shared(Arc::new(Owned { backend, server })),
            seen: Seen::default(),
        }
    }

    /// Moves both clocks by one tick.
    fn pass_tick(&self) {
        self.memory.block_on(tokio::time::advance(TICK));
        let earlier = "local list = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES') \
                       for i = 1, #list, 2 do \
                         if list[i + 1] ~= 'inf' then redis.call('ZINCRBY', KEYS[1], '-' .. ARGV[1], list[i]) end \
                       end \
                       local list = redis.call('HGETALL', KEYS[2]) \
                       for i = 1, #list, 2 do \
                         if list[i]:sub(1, 2) == 'k:' and tonumber(list[i + 1]) then \
                           redis.call('HINCRBY', KEYS[2], list[i], '-' .. ARGV[1]) \
                         end \
                       end \
                       if redis.call('HGET', KEYS[3], 'deadline') ~= '' then \
                         redis.call('HINCRBY', KEYS[3], 'deadline', '-' .. ARGV[1]) \
                       end";
        let command = Command::new("EVAL")
            .args([earlier, "3"])
            .args(["times", "coord", "meta"].map(|key| format!("cascade:run:run-1:{key}")))
            .arg(TICK.as_millis().to_string());
        self.redis.block_on(self.link.ask("moving time", Request::write([command]))).unwrap();
    }
}

/// One run on both sides.
struct Twins<'a> {
    sides: &'a mut Sides,
    memory: Fixture,
    redis: Fixture,
    pairs: Vec<Pair>,
    random: Random,
    seed: u64,
}

impl<'a> Twins<'a> {
    fn new(sides: &'a mut Sides, seed: u64) -> Self {
        let count = if is_plain(seed) { 2 + seed % 60 } else { 2 + seed % 9 };
        let tasks: Vec<&[u32]> = (0..count).map(|_| &[][..]).collect();
        let memory = graph(sides.memory.block_on(Fixture::new(&Memory, &tasks)), seed);
        let redis = graph(sides.redis.block_on(Fixture::new(&sides.backend, &tasks)), seed);
        let random = Random::seeded(seed ^ 0xa11c_e000);
        let mut twins = Self { sides, memory, redis, pairs: Vec::new(), random, seed };
        if is_timed(seed) {
            (twins.memory.lease, twins.redis.lease) = (LEASE, LEASE);
        }
        for who in 0..3 {
            let pair = twins.open(who);
            twins.pairs.push(pair);
        }
        twins
    }

    /// A new host in the place of another: it has the same amounts.
    fn open(&mut self, who: usize) -> Pair {
        let amounts = [(2, 1), (2, 3), (1, 5)][who];
        for bench in [&mut self.memory, &mut self.redis] {
            (bench.shape.resources[1].amount, bench.shape.resources[2].amount) = amounts;
        }
        let memory = self.sides.memory.block_on(self.memory.open());
        let redis = self.sides.redis.block_on(self.redis.open());
        Pair { memory, redis, held: Vec::new(), settled: Vec::new() }
    }

    /// Has time pass. Both sides handle what is due after each tick, in the order in which it was due.
    fn pass(&mut self, who: usize, ticks: u32) {
        for _ in 0..ticks {
            self.sides.pass_tick();
            let none = Token(u64::MAX);
            assert_eq!(self.renew(who, &[(none, none)]), [0], "seed {}", self.seed);
        }
    }

    /// Renews claims on both sides and returns the positions of the lost ones.
    fn renew(&self, who: usize, tokens: &[(Token, Token)]) -> Vec<usize> {
        let (memory_side, redis_side): (Vec<Token>, Vec<Token>) = tokens.iter().copied().unzip();
        let Pair { memory, redis, .. } = &self.pairs[who];
        let one = self.sides.memory.block_on(memory.ledger.renew(&memory_side)).unwrap();
        let two = self.sides.redis.block_on(redis.ledger.renew(&redis_side)).unwrap();
        let positions = |lost: &[Token], held: &[Token]| -> Vec<usize> {
            lost.iter().map(|lost| held.iter().position(|token| token == lost).unwrap()).collect()
        };
        let lost = positions(&one, &memory_side);
        assert_eq!(lost, positions(&two, &redis_side), "seed {}: lost claims", self.seed);
        lost
    }

    /// Renews some of the claims of a host, which forgets those that are lost.
    fn renew_some(&mut self, who: usize) {
        let claims = std::mem::take(&mut self.pairs[who].held);
        let (some, mut rest): (Vec<_>, Vec<_>) = claims.into_iter().partition(|_| self.random.below(2) == 0);
        let tokens: Vec<(Token, Token)> = some.iter().map(|(one, two)| (one.token, two.token)).collect();
        let lost = self.renew(who, &tokens);
        self.sides.seen.renewed += u32::try_from(tokens.len() - lost.len()).unwrap();
        self.sides.seen.lost += u32::try_from(lost.len()).unwrap();
        let kept = some.into_iter().enumerate().filter(|(at, _)| !lost.contains(at));
        rest.extend(kept.map(|(_, claim)| claim));
        self.pairs[who].held = rest;
    }

    /// A host leaves with all it holds, and another comes, unless the run has reached its deadline: that would begin a new
    /// life, in which only Redis knows of takeovers before.
    fn replace(&mut self, who: usize) {
        let run = self.sides.memory.block_on(self.memory.backend.run(&self.memory.run())).unwrap();
        if run.status != RunStatus::Running {
            return;
        }
        let next = self.open(who);
        let Pair { memory, redis, .. } = std::mem::replace(&mut self.pairs[who], next);
        self.sides.memory.block_on(self.memory.gone(memory));
        self.sides.redis.block_on(self.redis.gone(redis));
        self.sides.seen.left += 1;
    }

    /// Time passes, and hosts renew their claims or not, or leave.
    fn live(&mut self, who: usize) {
        // A pause in which every lease expires that is not renewed within it.
        let ticks = if self.random.below(40) == 0 { 13 } else { 1 };
        self.pass(who, ticks);
        match self.random.below(30) {
            0 => self.replace(who),
            1..=9 => self.renew_some(who),
            _ => {}
        }
    }

    /// Chooses what a host settles.
    fn batch(&mut self, who: usize) -> Vec<(Token, Token, Outcome)> {
        let mut batch = Vec::new();
        for _ in 0..self.random.below(4) {
            let len = u32::try_from(self.pairs[who].held.len()).unwrap();
            if len > 0 {
                let at = usize::try_from(pick(&mut self.random, len)).unwrap();
                let (one, two) = self.pairs[who].held.swap_remove(at);
                let outcome = outcome(&mut self.random, &self.memory, &one, self.seed);
                if matches!(outcome, Outcome::Retry { delay, .. } if delay > Duration::ZERO) {
                    self.sides.seen.delayed += 1;
                }
                if matches!(outcome, Outcome::Iterated(_)) {
                    self.sides.seen.iterated += 1;
                }
                self.pairs[who].settled.push((one.token, two.token));
                batch.push((one.token, two.token, outcome));
            }
        }
        // Something is settled once more, as after a lost reply.
        if self.random.below(20) == 0
            && let Some((one, two)) = self.pairs[who].settled.first().copied()
            && batch.iter().all(|(token, ..)| *token != one)
        {
            batch.push((one, two, Outcome::Release));
        }
        batch
    }

    /// One commit on both sides. Returns whether the run has ended.
    fn commit(&mut self, who: usize, step: u32) -> bool {
        let batch = self.batch(who);
        let slots = pick(&mut self.random, 4);
        let free = vec![0, pick(&mut self.random, 3), pick(&mut self.random, 8)];
        let pair = &mut self.pairs[who];
        for host in [&mut pair.memory, &mut pair.redis] {
            (host.slots, host.free) = (slots, free.clone());
        }
        let memory_side = batch.iter().map(|(token, _, outcome)| (*token, outcome.clone())).collect();
        let redis_side = batch.into_iter().map(|(_, token, outcome)| (token, outcome)).collect();
        let one = self.sides.memory.block_on(pair.memory.commit(memory_side));
        let two = self.sides.redis.block_on(pair.redis.commit(redis_side));
        assert_eq!(comparable(&one), comparable(&two), "seed {}, step {step}", self.seed);
        let seen = &mut self.sides.seen;
        seen.taken_over +=
            u32::try_from(one.claims.iter().filter(|claim| claim.from.is_some()).count()).unwrap();
        seen.late += u32::try_from(one.verdicts.iter().filter(|it| **it == Verdict::Fenced).count()).unwrap();
        let overdue = one.claims.iter().filter(|claim| claim.stage == Stage::Overdue);
        seen.overdue += u32::try_from(overdue.count()).unwrap();
        seen.timed_out += u32::from(one.progress.status == RunStatus::TimedOut);
        let finally = one.claims.iter().filter(|claim| self.memory.shape.is_finally(claim.node.task));
        seen.finally += u32::try_from(finally.count()).unwrap();
        let is_over = one.progress.status != RunStatus::Running;
        pair.held.extend(one.claims.into_iter().zip(two.claims));
        is_over
    }

    fn run(mut self) {
        for step in 0..2000 {
            let who = usize::try_from(self.random.below(3)).unwrap();
            if is_timed(self.seed) {
                self.live(who);
            }
            if self.commit(who, step) {
                return self.close();
            }
        }
        panic!("the run of seed {} does not end", self.seed);
    }

    /// Drops each host where its clock is.
    fn close(self) {
        for Pair { memory, redis, .. } in self.pairs {
            self.sides.memory.block_on(async { drop(memory) });
            self.sides.redis.block_on(async { drop(redis) });
        }
    }
}

#[test]
fn scripts_answer_as_the_machine_in_memory_does() {
    let mut sides = Sides::new();
    for seed in 0..SEEDS {
        Twins::new(&mut sides, seed).run();
    }
    let Seen { delayed, iterated, taken_over, late, renewed, lost, left, overdue, timed_out, finally } =
        sides.seen;
    let seen = [delayed, iterated, taken_over, late, renewed, lost, left, overdue, finally];
    let is_enough = seen.iter().all(|times| *times > 20) && timed_out > 2;
    assert!(is_enough, "too little of something happened: {:?}", sides.seen);
}

/// An element that failed, or another one that flows from it.
fn hole(seed: u64) -> Hole {
    let failure = FailureRecord {
        class: FailureClass::Trap,
        message: "no".to_owned(),
        attempt: 1,
        item: Some(0),
        error: None,
    };
    Hole { level: 1, cause: "t0[0]".to_owned(), failure: seed.is_multiple_of(2).then_some(failure) }
}
