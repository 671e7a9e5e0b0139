//! Property tests of the machine, over random graphs, hosts and orders.
//! Single sentences of the contract are tested by the conformance suite.

use crate::model::{Digest, FailurePolicy, Name, Random, RunStatus, SkipReason, TaskIdx, TaskName, to_usize};
use crate::state::memory::machine::{Beginning, Caller, Machine};
use crate::state::memory::task::Branch;
use crate::state::{
    Claim, DeadlineScope, DeadlineShape, Dependent, Entry, Hole, HostId, Milestone, NodeId, Outcome,
    Progress, ResourceScope, ResourceShape, RunShape, Settlement, Stage, TaskShape, Verdict, Want,
};
use proptest::prelude::*;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

fn pick(random: &mut Random, below: u32) -> u32 {
    u32::try_from(random.below(below.into())).unwrap()
}

fn graph(random: &mut Random, tasks: u32) -> RunShape {
    let shapes: Vec<TaskShape> = (0..tasks)
        .map(|idx| TaskShape {
            name: TaskName::new(&format!("t{idx}")).unwrap(),
            fingerprint: Digest::of_bytes(b""),
            waits_for: Vec::new(),
            dependents: Vec::new(),
            rank: pick(random, 3).into(),
            class: u16::try_from(pick(random, 3)).unwrap(),
            indexed: [vec![], vec![], vec![], vec![1], vec![1, 1]][to_usize(pick(random, 5))].clone(),
            is_repeated: pick(random, 3) == 0,
            is_included: true,
            deadlines: Vec::new(),
        })
        .collect();
    let resource = |name: &str, scope| ResourceShape { name: Name::new(name).unwrap(), amount: 2, scope };
    let mut shape = RunShape {
        tasks: shapes,
        classes: vec![vec![], vec![(0, 1)], vec![(0, 1), (1, 2)]],
        resources: vec![resource("shared", ResourceScope::Shared), resource("own", ResourceScope::Own)],
        larger: Vec::new(),
        has_closing: pick(random, 2) == 0,
        max_elements: u32::MAX,
        deadlines: Vec::new(),
        deadline: None,
        first_finally: None,
    };
    for at in 0..tasks {
        if pick(random, 3) == 0 {
            add_deadline(&mut shape, random, (DeadlineScope::Task, at..at + 1));
        }
    }
    if pick(random, 3) == 0 {
        shape.first_finally = Some(TaskIdx::new(pick(random, tasks)));
    }
    // A deadline binds finally tasks, or others.
    let border = shape.first_finally.map_or(tasks, TaskIdx::get);
    let first = pick(random, tasks);
    let last = if first < border { border } else { tasks };
    add_deadline(&mut shape, random, (DeadlineScope::Pipeline, first..last));
    for idx in 1..tasks {
        for upstream in 0..idx {
            if pick(random, 4) == 0 {
                let depth = |task: u32| shape.tasks[to_usize(task)].depth();
                let level =
                    to_usize(pick(random, u32::try_from(depth(idx).min(depth(upstream))).unwrap() + 1));
                let level = u8::try_from(level).unwrap();
                let (upstream, task) = (TaskIdx::new(upstream), TaskIdx::new(idx));
                if shape.is_finally(upstream) == shape.is_finally(task) {
                    shape.connect_elements(upstream, task, level);
                }
            }
        }
    }
    shape
}

fn add_deadline(shape: &mut RunShape, random: &mut Random, (scope, tasks): (DeadlineScope, Range<u32>)) {
    let position = u32::try_from(shape.deadlines.len()).unwrap();
    let limit = Duration::from_millis(random.below(3000));
    let name = TaskName::new(&format!("d{position}")).unwrap();
    shape.deadlines.push(DeadlineShape { name, limit, scope });
    for task in tasks {
        shape.tasks[to_usize(task)].deadlines.push(position);
    }
}

fn machine(shape: &Arc<RunShape>, policy: FailurePolicy) -> Machine {
    let tasks = shape.tasks.iter().map(|_| Branch::open()).collect();
    Machine::new(Arc::clone(shape), policy, tasks, &Beginning::default())
}

/// Hosts that claim and settle at random, with a record of what they were handed.
struct World {
    machine: Machine,
    shape: Arc<RunShape>,
    random: Random,
    now: Duration,
    held: Vec<(Claim, HostId)>,
    ended: HashMap<NodeId, u32>,
    /// Committed iterations.
    iterated: HashMap<NodeId, u32>,
    conditions: Conditions,
    /// What the numbers of elements begin with.
    items: u32,
}

/// Conditions of a test: in `Faulty` ones, hosts pause and tasks fail.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Conditions {
    Reliable,
    Faulty,
}

impl World {
    fn step(&mut self) {
        self.now += Duration::from_millis(self.random.below(30));
        let host = HostId(format!("h{}", self.random.below(3)).into());
        let mut batch = Vec::new();
        for _ in 0..self.random.below(3) {
            if !self.held.is_empty() {
                let idx = to_usize(pick(&mut self.random, u32::try_from(self.held.len()).unwrap()));
                batch.push(self.held.swap_remove(idx).0);
            }
        }
        if self.conditions == Conditions::Faulty && self.random.below(40) == 0 {
            // A paused host neither settles nor renews for longer than its lease.
            self.now += Duration::from_secs(2);
        }
        let outcomes: Vec<Outcome> = batch.iter().map(|claim| self.outcome(claim)).collect();
        let settlements = batch.iter().zip(&outcomes);
        let settlements =
            settlements.map(|(claim, outcome)| Settlement::new(claim.token, outcome.clone())).collect();
        let want = Want { slots: pick(&mut self.random, 4), free: vec![0, pick(&mut self.random, 3)] };
        let caller = Caller { host: &host, have: &[2, 2], lease: Duration::from_secs(1), now: self.now };
        let done = self.machine.commit(&caller, settlements, want).unwrap();
        for ((claim, outcome), verdict) in batch.iter().zip(&outcomes).zip(done.verdicts) {
            let ends = matches!(
                outcome,
                Outcome::Done(_)
                    | Outcome::Skipped(_)
                    | Outcome::LeftOut(_)
                    | Outcome::Failed(_)
                    | Outcome::Passed
            );
            if matches!(outcome, Outcome::Iterated(_)) && verdict == Verdict::Committed {
                *self.iterated.entry(claim.node).or_default() += 1;
            }
            if ends && verdict == Verdict::Committed {
                *self.ended.entry(claim.node).or_default() += 1;
            }
        }
        for claim in done.claims {
            self.check(&claim);
            self.held.push((claim, host.clone()));
        }
    }

    /// Checks a claim: its dependencies have ended, the closing comes last, no node is handed out after its end, and
    /// shared resources are not exceeded.
    fn check(&self, claim: &Claim) {
        let node = claim.node;
        for (upstream, shape) in (0..).map(TaskIdx::new).zip(&self.shape.tasks) {
            let waits = |edge: &&Dependent| {
                edge.task == node.task
                    && edge.on == Milestone::Ended
                    && usize::from(edge.level) <= node.at.level()
            };
            for edge in shape.dependents.iter().filter(waits) {
                let upstream = NodeId { task: upstream, at: node.at.prefix(edge.level.into()) };
                let is_ended = self.machine.has_ended(upstream) || claim.stage == Stage::Overdue;
                assert!(is_ended, "{node:?} before {upstream:?}");
            }
            let is_closing = claim.stage == Stage::Closing && !self.shape.is_finally(upstream);
            assert!(!is_closing || self.machine.is_ended(upstream), "the closing before {upstream:?}");
        }
        let is_finally = self.shape.is_finally(node.task);
        assert_eq!(self.machine.ending.is_some(), is_finally, "{node:?} on the wrong side of the ending");
        assert_eq!(self.machine.entry(node), Entry::Open, "{node:?} again");
        assert_eq!(claim.iteration, self.iterated.get(&node).copied().unwrap_or(0), "{node:?}");
        assert!(self.machine.used[0] <= 2, "shared resource exceeded");
        let is_overdue = self.machine.overdue(node.task).is_some();
        assert!(claim.stage != Stage::Ready || !is_overdue, "{node:?} after its deadline");
        assert!(claim.stage != Stage::Overdue || is_overdue, "{node:?} before its deadline");
    }

    fn outcome(&mut self, claim: &Claim) -> Outcome {
        let is_expandable = self
            .shape
            .tasks
            .get(claim.node.task.index())
            .is_some_and(|task| task.is_expandable(&claim.node.at));
        match (claim.stage, self.random.below(12)) {
            (Stage::Closing, 0) if self.conditions == Conditions::Faulty => Outcome::Failed(b"no"[..].into()),
            (Stage::Closing, 0..=2) | (Stage::Tainted, 0..=5) | (Stage::Overdue, 1..=3) => Outcome::Release,
            (Stage::Closing, _) | (Stage::Expanded { .. }, 5 | 6) => Outcome::Passed,
            (Stage::Tainted, _) => Outcome::Skipped(SkipReason::UpstreamSkipped),
            (Stage::Ready, _) if is_expandable => Outcome::Expand {
                // Elements wait for those of the same index: all tasks have as many.
                items: (self.items + claim.node.at.last().unwrap_or(0)) % 5,
                max_parallel: NonZeroU32::new(pick(&mut self.random, 3)),
            },
            (_, 0) if self.conditions == Conditions::Faulty => Outcome::Failed(b"no"[..].into()),
            (Stage::Overdue, 4) if claim.node.at.level() == 0 => Outcome::Skipped(SkipReason::ConditionFalse),
            (_, 1) => Outcome::Retry { delay: Duration::from_millis(self.random.below(50)), step: 3 },
            (_, 2) => Outcome::Release,
            (_, 3) if claim.node.task.get() > 0 => {
                let other = TaskIdx::new(pick(&mut self.random, claim.node.task.get()));
                if self.shape.is_finally(other) != self.shape.is_finally(claim.node.task) {
                    return Outcome::Done(b"yes"[..].into());
                }
                Outcome::Await(vec![NodeId::of_task(other)])
            }
            (_, 4) if claim.node.at.level() > 0 => {
                Outcome::LeftOut(Box::new(Hole { level: 1, cause: "t[0]".to_owned(), failure: None }))
            }
            (_, 4) => Outcome::Skipped(SkipReason::ConditionFalse),
            (Stage::Ready, 5..=7) if self.repeats(claim.node) => Outcome::Iterated(b"more"[..].into()),
            _ => Outcome::Done(b"yes"[..].into()),
        }
    }

    fn repeats(&self, node: NodeId) -> bool {
        self.shape.tasks.get(node.task.index()).is_some_and(|task| task.repeats(&node.at))
    }

    fn finish(&mut self) {
        for _ in 0..20_000 {
            if !self.machine.is_running() {
                return;
            }
            self.step();
        }
        panic!("the run does not end: {:?}", self.machine);
    }
}

fn world(seed: u64, policy: FailurePolicy, conditions: Conditions) -> World {
    timed_world(seed, policy, conditions, None)
}

/// A world whose run has a deadline.
fn timed_world(
    seed: u64,
    policy: FailurePolicy,
    conditions: Conditions,
    deadline: Option<Duration>,
) -> World {
    let mut random = Random::seeded(seed);
    let tasks = 1 + pick(&mut random, 9);
    let mut shape = graph(&mut random, tasks);
    shape.deadline = deadline;
    let shape = Arc::new(shape);
    let machine = machine(&shape, policy);
    let items = pick(&mut random, 5);
    World {
        machine,
        shape,
        random,
        now: Duration::ZERO,
        held: Vec::new(),
        ended: HashMap::new(),
        iterated: HashMap::new(),
        conditions,
        items,
    }
}

proptest! {
    #[test]
    fn every_run_ends_and_no_node_ends_twice(seed: u64, policy in 0..3_usize) {
        let policy = [FailurePolicy::Finish, FailurePolicy::KeepGoing, FailurePolicy::FailFast][policy];
        let mut world = world(seed, policy, Conditions::Faulty);
        world.finish();
        prop_assert!(world.ended.values().all(|times| *times == 1), "{:?}", world.ended);
    }

    #[test]
    fn run_without_failures_ends_every_task_and_returns_all_resources(seed: u64) {
        let mut world = world(seed, FailurePolicy::Finish, Conditions::Reliable);
        world.finish();
        let progress = world.machine.progress(world.now);
        prop_assert_eq!((progress.status, progress.open), (RunStatus::Succeeded, 0));
        for idx in 0..world.shape.tasks.len() {
            let node = NodeId::of_task(TaskIdx::new(u32::try_from(idx).unwrap()));
            prop_assert_eq!(world.ended.get(&node), Some(&1));
        }
        let closed = world.ended.get(&world.shape.closing()).copied();
        prop_assert_eq!(closed, world.shape.has_closing.then_some(1));
        prop_assert_eq!(&world.machine.used, &vec![0, 0]);
        prop_assert!(world.machine.delayed.is_empty() && world.machine.waiters.is_empty());
    }

    #[test]
    fn run_ends_after_its_deadline(seed: u64, after in 0..3000_u64) {
        let deadline = Duration::from_millis(after);
        let mut world = timed_world(seed, FailurePolicy::KeepGoing, Conditions::Faulty, Some(deadline));
        world.finish();
        let Progress { status, open, .. } = world.machine.progress(world.now);
        prop_assert!(status == RunStatus::TimedOut || open == 0);
        prop_assert!(status != RunStatus::TimedOut || world.now >= deadline);
    }

    #[test]
    fn cancelled_run_ends(seed: u64, after in 0..40_u32) {
        let mut world = world(seed, FailurePolicy::KeepGoing, Conditions::Faulty);
        for _ in 0..after {
            world.step();
        }
        world.machine.cancel();
        world.finish();
    }
}

#[test]
fn elements_cost_nothing_before_they_are_claimed() {
    let mut shape = graph(&mut Random::seeded(1), 1);
    shape.first_finally = None;
    shape.tasks[0].indexed = vec![1];
    shape.tasks[0].class = 0;
    let mut machine = machine(&Arc::new(shape), FailurePolicy::Finish);
    let host = HostId("h".into());
    let mut commit = |batch, slots| {
        let caller = Caller { host: &host, have: &[], lease: Duration::from_secs(9), now: Duration::ZERO };
        let claims = machine.commit(&caller, batch, Want { slots, free: vec![] }).unwrap().claims;
        (claims, machine.tasks[0].expansion().map_or(0, |expansion| expansion.live.len()))
    };
    let (claims, _) = commit(vec![], 1);
    let expand = Outcome::Expand { items: 1_000_000, max_parallel: None };
    let (claims, live) = commit(vec![Settlement::new(claims[0].token, expand)], 3);
    assert_eq!((claims.len(), live), (3, 3));
    let done = Outcome::Done(b"x"[..].into());
    let (claims, live) = commit(vec![Settlement::new(claims[1].token, done)], 0);
    assert_eq!((claims.len(), live), (0, 2));
}

#[test]
fn expired_claims_after_a_failure_may_still_be_settled_or_renewed() {
    let mut shape = graph(&mut Random::seeded(1), 3);
    shape.first_finally = None;
    for task in &mut shape.tasks {
        task.class = 0;
        task.indexed.clear();
        task.dependents.clear();
    }
    let mut machine = machine(&Arc::new(shape), FailurePolicy::Finish);
    let host = HostId("h".into());
    let caller_at = |secs| Caller {
        host: &host,
        have: &[],
        lease: Duration::from_secs(1),
        now: Duration::from_secs(secs),
    };
    let claims = machine.commit(&caller_at(0), vec![], Want { slots: 3, free: vec![] }).unwrap().claims;
    let settle = |claim: &Claim, outcome| vec![Settlement::new(claim.token, outcome)];
    machine
        .commit(&caller_at(0), settle(&claims[0], Outcome::Failed(b"no"[..].into())), Want::default())
        .unwrap();
    // The only host was paused for longer than its leases.
    assert_eq!(machine.renew(&caller_at(9), &[claims[1].token]), []);
    let done = machine
        .commit(&caller_at(9), settle(&claims[2], Outcome::Done(b"x"[..].into())), Want::default())
        .unwrap();
    assert_eq!((done.verdicts, machine.is_running()), (vec![Verdict::Committed], true));
    let last = machine
        .commit(&caller_at(9), settle(&claims[1], Outcome::Done(b"x"[..].into())), Want::default())
        .unwrap();
    assert_eq!((last.verdicts, machine.status()), (vec![Verdict::Committed], RunStatus::Failed));
}
