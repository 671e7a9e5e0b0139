//! Property tests of the machine, over random graphs, hosts and orders.
//! Single sentences of the contract are tested by the conformance suite.

use crate::model::{Digest, FailurePolicy, Name, Random, RunStatus, SkipReason, TaskIdx, TaskName, to_usize};
use crate::state::memory::elements::Elements;
use crate::state::memory::machine::{Caller, Machine};
use crate::state::memory::task::Task;
use crate::state::{
    Claim, Entry, HostId, NodeId, Outcome, ResourceScope, ResourceShape, RunShape, Settlement, Stage,
    TaskShape, Verdict, Want,
};
use proptest::prelude::*;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

fn pick(random: &mut Random, below: u32) -> u32 {
    u32::try_from(random.below(below.into())).unwrap()
}

fn graph(random: &mut Random, tasks: u32) -> RunShape {
    let mut shapes: Vec<TaskShape> = (0..tasks)
        .map(|idx| TaskShape {
            name: TaskName::new(&format!("t{idx}")).unwrap(),
            fingerprint: Digest::of_bytes(b""),
            waits_for: 0,
            dependents: Vec::new(),
            rank: pick(random, 3).into(),
            class: u16::try_from(pick(random, 3)).unwrap(),
            is_for_each: pick(random, 3) == 0,
            is_included: true,
        })
        .collect();
    for idx in 1..tasks {
        for upstream in 0..idx {
            if pick(random, 4) == 0 {
                shapes[to_usize(upstream)].dependents.push(TaskIdx::new(idx));
                shapes[to_usize(idx)].waits_for += 1;
            }
        }
    }
    let resource = |name: &str, scope| ResourceShape { name: Name::new(name).unwrap(), amount: 2, scope };
    RunShape {
        tasks: shapes,
        classes: vec![vec![], vec![(0, 1)], vec![(0, 1), (1, 2)]],
        resources: vec![resource("shared", ResourceScope::Shared), resource("own", ResourceScope::Own)],
        has_closing: pick(random, 2) == 0,
    }
}

fn machine(shape: &Arc<RunShape>, policy: FailurePolicy) -> Machine {
    let tasks = shape.tasks.iter().map(|_| Task::new(Entry::Open, Elements::default())).collect();
    Machine::new(Arc::clone(shape), policy, tasks, 0)
}

/// Hosts that claim and settle at random, with a record of what they were handed.
struct World {
    machine: Machine,
    shape: Arc<RunShape>,
    random: Random,
    now: Duration,
    held: Vec<(Claim, HostId)>,
    ended: HashMap<NodeId, u32>,
    conditions: Conditions,
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
        let settlements = settlements
            .map(|(claim, outcome)| Settlement { token: claim.token, outcome: outcome.clone() })
            .collect();
        let want = Want { slots: pick(&mut self.random, 4), free: vec![0, pick(&mut self.random, 3)] };
        let caller = Caller { host: &host, have: &[2, 2], lease: Duration::from_secs(1), now: self.now };
        let done = self.machine.commit(&caller, settlements, want).unwrap();
        for ((claim, outcome), verdict) in batch.iter().zip(&outcomes).zip(done.verdicts) {
            let ends = matches!(
                outcome,
                Outcome::Done(_) | Outcome::Skipped(_) | Outcome::Failed(_) | Outcome::Passed
            );
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
            if shape.dependents.contains(&node.task) || claim.stage == Stage::Closing {
                let entry = self.machine.entry(NodeId { task: upstream, item: None });
                assert_ne!(entry, Entry::Open, "{node:?} before {upstream:?}");
            }
        }
        assert_eq!(self.machine.entry(node), Entry::Open, "{node:?} again");
        assert!(self.machine.used[0] <= 2, "shared resource exceeded");
    }

    fn outcome(&mut self, claim: &Claim) -> Outcome {
        let is_for_each = self.shape.tasks.get(claim.node.task.index()).is_some_and(|task| task.is_for_each)
            && claim.node.item.is_none();
        match (claim.stage, self.random.below(12)) {
            (Stage::Closing, 0) if self.conditions == Conditions::Faulty => Outcome::Failed(b"no"[..].into()),
            (Stage::Closing, 0..=2) | (Stage::Tainted, 0..=5) => Outcome::Release,
            (Stage::Closing, _) => Outcome::Passed,
            (Stage::Tainted, _) => Outcome::Skipped(SkipReason::UpstreamSkipped),
            (Stage::Ready, _) if is_for_each => Outcome::Expand {
                items: pick(&mut self.random, 5),
                max_parallel: NonZeroU32::new(pick(&mut self.random, 3)),
            },
            (_, 0) if self.conditions == Conditions::Faulty => Outcome::Failed(b"no"[..].into()),
            (_, 1) => Outcome::Retry(Duration::from_millis(self.random.below(50))),
            (_, 2) => Outcome::Release,
            (_, 3) if claim.node.task.get() > 0 => {
                Outcome::Await(vec![TaskIdx::new(pick(&mut self.random, claim.node.task.get()))])
            }
            (_, 4) => Outcome::Skipped(SkipReason::ConditionFalse),
            _ => Outcome::Done(b"yes"[..].into()),
        }
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
    let mut random = Random::seeded(seed);
    let tasks = 1 + pick(&mut random, 9);
    let shape = Arc::new(graph(&mut random, tasks));
    let machine = machine(&shape, policy);
    World { machine, shape, random, now: Duration::ZERO, held: Vec::new(), ended: HashMap::new(), conditions }
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
        let progress = world.machine.progress();
        prop_assert_eq!((progress.status, progress.open), (RunStatus::Succeeded, 0));
        for idx in 0..world.shape.tasks.len() {
            let node = NodeId { task: TaskIdx::new(u32::try_from(idx).unwrap()), item: None };
            prop_assert_eq!(world.ended.get(&node), Some(&1));
        }
        let closed = world.ended.get(&world.shape.closing()).copied();
        prop_assert_eq!(closed, world.shape.has_closing.then_some(1));
        prop_assert_eq!(&world.machine.used, &vec![0, 0]);
        prop_assert!(world.machine.delayed.is_empty() && world.machine.waiters.is_empty());
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
    shape.tasks[0].is_for_each = true;
    shape.tasks[0].class = 0;
    let mut machine = machine(&Arc::new(shape), FailurePolicy::Finish);
    let host = HostId("h".into());
    let mut commit = |batch, slots| {
        let caller = Caller { host: &host, have: &[], lease: Duration::from_secs(9), now: Duration::ZERO };
        let claims = machine.commit(&caller, batch, Want { slots, free: vec![] }).unwrap().claims;
        (claims, machine.tasks[0].expansion.as_ref().map_or(0, |expansion| expansion.live.len()))
    };
    let (claims, _) = commit(vec![], 1);
    let expand = Outcome::Expand { items: 1_000_000, max_parallel: None };
    let (claims, live) = commit(vec![Settlement { token: claims[0].token, outcome: expand }], 3);
    assert_eq!((claims.len(), live), (3, 3));
    let done = Outcome::Done(b"x"[..].into());
    let (claims, live) = commit(vec![Settlement { token: claims[1].token, outcome: done }], 0);
    assert_eq!((claims.len(), live), (0, 2));
}

#[test]
fn expired_claims_after_a_failure_may_still_be_settled_or_renewed() {
    let mut shape = graph(&mut Random::seeded(1), 3);
    for task in &mut shape.tasks {
        (task.class, task.is_for_each) = (0, false);
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
    let settle = |claim: &Claim, outcome| vec![Settlement { token: claim.token, outcome }];
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
    assert_eq!((last.verdicts, machine.progress().status), (vec![Verdict::Committed], RunStatus::Failed));
}
