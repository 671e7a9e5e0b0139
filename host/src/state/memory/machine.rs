//! A run as a pure state machine: settlements and the time go in, claims and verdicts come out.
//! Nothing here waits, locks or reads a clock; how settlements act stands in `settle`, who gets what in `hand_out`.

use crate::model::{FailurePolicy, RunStatus, TaskIdx};
use crate::state::memory::elements::Elements;
use crate::state::memory::leases::Leases;
use crate::state::memory::queue::Queue;
use crate::state::memory::task::{Node, Phase, Task};
use crate::state::{
    Blocked, Claim, Entry, Error, ErrorKind, HostId, NodeId, Outcome, Progress, RunShape, Settlement, Stage,
    Stop, TaskShape, Token, Verdict, Version, Want,
};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// One life of a run: from when it is begun or resumed until it ends.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) shape: Arc<RunShape>,
    pub(crate) policy: FailurePolicy,
    pub(crate) tasks: Vec<Task>,
    pub(crate) queue: Queue,
    pub(crate) leases: Leases,
    /// Nodes by when their delay has passed.
    pub(crate) delayed: BTreeSet<(Duration, NodeId)>,
    /// Nodes by what they wait for besides the shape's edges.
    pub(crate) waiters: HashMap<TaskIdx, Vec<NodeId>>,
    /// Hosts that take part, with what each has of every resource.
    pub(crate) hosts: Vec<(HostId, Vec<u32>)>,
    /// What is taken of each resource that hosts share.
    pub(crate) used: Vec<u64>,
    pub(crate) stop: Option<Stop>,
    pub(crate) has_failed: bool,
    pub(crate) open: u32,
    pub(crate) version: u64,
    total: u32,
    status: RunStatus,
}

/// Who asks, when, and for how long.
pub(crate) struct Caller<'a> {
    /// The host.
    pub(crate) host: &'a HostId,
    /// What it has of each resource.
    pub(crate) have: &'a [u32],
    /// How long it holds what it is handed.
    pub(crate) lease: Duration,
    /// The time.
    pub(crate) now: Duration,
}

/// What a commit came to.
pub(crate) struct Committed {
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) blocked: Vec<Blocked>,
}

impl Machine {
    /// A life of a run that begins with `tasks`, one per task of the shape; its tokens begin at `first_token`.
    pub(crate) fn new(
        shape: Arc<RunShape>,
        policy: FailurePolicy,
        mut tasks: Vec<Task>,
        first_token: u64,
    ) -> Self {
        if shape.has_closing {
            tasks.push(Task::new(Entry::Open, Elements::default()));
        }
        let mut machine = Self {
            used: vec![0; shape.resources.len()],
            shape,
            policy,
            tasks,
            queue: Queue::default(),
            leases: Leases::new(first_token),
            delayed: BTreeSet::new(),
            waiters: HashMap::new(),
            hosts: Vec::new(),
            stop: None,
            has_failed: false,
            open: 0,
            version: 0,
            total: 0,
            status: RunStatus::Running,
        };
        machine.queue_ready();
        machine
    }

    fn queue_ready(&mut self) {
        let shape = Arc::clone(&self.shape);
        let mut ready = Vec::new();
        for (at, task) in (0..).map(TaskIdx::new).zip(&shape.tasks).filter(|(_, task)| task.is_wanted) {
            self.total = self.total.saturating_add(1);
            if self.is_ended(at) {
                continue;
            }
            self.open += 1;
            ready.push(at);
            for dependent in &task.dependents {
                if let Some(dependent) = self.tasks.get_mut(dependent.index()) {
                    dependent.left += 1;
                }
            }
        }
        for task in ready {
            if self.tasks.get(task.index()).is_some_and(|task| task.left == 0) {
                self.line_up(NodeId { task, item: None });
            }
        }
        self.conclude();
    }

    /// Settles nodes and hands out others; fails without doing either where a settlement makes no sense.
    pub(crate) fn commit(
        &mut self,
        caller: &Caller<'_>,
        batch: Vec<Settlement>,
        want: Want,
    ) -> Result<Committed, Error> {
        batch.iter().try_for_each(|settlement| self.check(settlement))?;
        self.advance(caller.now);
        let settle = |settlement| self.settle(caller.now, settlement);
        let verdicts = batch.into_iter().map(settle).collect();
        self.conclude();
        let (claims, blocked) = self.hand_out(caller, want);
        Ok(Committed { verdicts, claims, blocked })
    }

    /// Refuses settlements that the contract forbids, before anything is written.
    fn check(&self, settlement: &Settlement) -> Result<(), Error> {
        let Some(held) = self.leases.get(settlement.token) else {
            return Ok(());
        };
        let misuse = |doing: &str| Err(Error::new(ErrorKind::Misuse, doing));
        if !settlement.outcome.suits(held.stage) {
            return misuse("settling a node as no node of its stage is settled");
        }
        match &settlement.outcome {
            Outcome::Expand { .. } => {
                let can = self.task_shape(held.node.task).is_some_and(|task| task.is_for_each)
                    && held.node.item.is_none()
                    && !matches!(held.stage, Stage::Expanded { .. });
                if can { Ok(()) } else { misuse("expanding a node that has no elements") }
            }
            Outcome::Await(tasks) if tasks.iter().any(|task| self.task_shape(*task).is_none()) => {
                misuse("waiting for a task that the run does not have")
            }
            Outcome::Await(_)
            | Outcome::Done(_)
            | Outcome::Skipped(_)
            | Outcome::Failed(_)
            | Outcome::Retry(_)
            | Outcome::Passed
            | Outcome::Release => Ok(()),
        }
    }

    /// Holds claims for another lease; gives those that were lost.
    pub(crate) fn renew(&mut self, caller: &Caller<'_>, tokens: &[Token]) -> Vec<Token> {
        self.advance(caller.now);
        let mut lost = Vec::new();
        for token in tokens {
            match self.leases.get(*token).cloned() {
                None => lost.push(*token),
                Some(held) => {
                    if held.is_lapsed {
                        self.take_back(&held);
                    }
                    self.leases.renew(*token, caller.now.saturating_add(caller.lease));
                }
            }
        }
        self.conclude();
        lost
    }

    /// Cancels the run, unless it has ended.
    pub(crate) fn cancel(&mut self) {
        if self.status == RunStatus::Running {
            self.stop = Some(Stop::Cancelled);
            self.version += 1;
            self.conclude();
        }
    }

    /// A host takes part that has so much of each resource.
    pub(crate) fn join(&mut self, host: &HostId, have: Vec<u32>) {
        self.hosts.push((host.clone(), have));
    }

    /// Lets all leases of a host pass: it is gone.
    pub(crate) fn leave(&mut self, host: &HostId) {
        if let Some(at) = self.hosts.iter().position(|(other, _)| other == host) {
            self.hosts.swap_remove(at);
        }
        for token in self.leases.held_by(host) {
            self.lapse(token);
        }
        self.version += 1;
        self.conclude();
    }

    /// Does what is due: leases that have passed, delays that are over. Does not end the run: whoever calls may still
    /// settle or renew what is overdue.
    pub(crate) fn advance(&mut self, now: Duration) {
        if self.status != RunStatus::Running {
            return;
        }
        while let Some(token) = self.leases.overdue(now) {
            self.lapse(token);
        }
        while self.stop.is_none()
            && let Some((due, node)) = self.delayed.first().copied()
            && due <= now
        {
            self.delayed.pop_first();
            self.line_up(node);
        }
    }

    /// When [`Self::advance`] will next have something to do.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        if self.status != RunStatus::Running {
            return None;
        }
        let delayed = self.delayed.first().filter(|_| self.stop.is_none()).map(|(due, _)| *due);
        delayed.into_iter().chain(self.leases.next_end()).min()
    }

    /// What is stored of a node.
    pub(crate) fn entry(&self, node: NodeId) -> Entry {
        self.tasks.get(node.task.index()).map_or(Entry::Open, |task| task.entry(node.item).clone())
    }

    /// Where the run stands.
    pub(crate) const fn progress(&self) -> Progress {
        Progress { status: self.status, stop: self.stop, open: self.open, total: self.total }
    }

    /// Whether the run goes on.
    pub(crate) fn is_running(&self) -> bool {
        self.status == RunStatus::Running
    }

    /// Grows whenever a node may have become claimable, or the progress has changed.
    pub(crate) const fn version(&self) -> Version {
        Version(self.version)
    }

    /// The wanted tasks that have a result.
    pub(crate) fn stored(&self) -> Vec<TaskIdx> {
        let tasks = (0..).map(TaskIdx::new).zip(self.shape.tasks.iter().zip(&self.tasks));
        tasks
            .filter(|(_, (shape, task))| shape.is_wanted && matches!(task.entry, Entry::Done(_)))
            .map(|(at, _)| at)
            .collect()
    }

    /// Ends the run if nothing is held and nothing more will be.
    pub(crate) fn conclude(&mut self) {
        if self.status != RunStatus::Running || self.leases.live() > 0 {
            return;
        }
        let is_settled = self.queue.is_fast_empty() || self.stop == Some(Stop::Cancelled);
        self.status = match self.stop {
            None if self.open > 0 => return,
            Some(_) if !is_settled => return,
            Some(Stop::Cancelled) if self.open > 0 || !self.is_closed() => RunStatus::Cancelled,
            _ if self.has_failed => RunStatus::Failed, // all has ended, or a failure has stopped the run
            _ if !self.is_closed() => return self.begin_to_close(),
            _ => RunStatus::Succeeded,
        };
        self.leases.lose_all();
        self.version += 1;
    }

    /// Whether a task is the node that closes the run.
    pub(crate) fn is_closing(&self, task: TaskIdx) -> bool {
        self.shape.has_closing && task == self.shape.closing().task
    }

    /// Whether nothing more decides whether the run has succeeded.
    fn is_closed(&self) -> bool {
        !self.shape.has_closing || self.is_ended(self.shape.closing().task)
    }

    fn begin_to_close(&mut self) {
        let closing = self.shape.closing();
        if self.node_mut(closing).is_some_and(|node| node.phase == Phase::Waiting) {
            self.line_up(closing);
        }
    }

    pub(crate) fn task_shape(&self, task: TaskIdx) -> Option<&TaskShape> {
        self.shape.tasks.get(task.index())
    }

    pub(crate) fn task_mut(&mut self, task: TaskIdx) -> Option<&mut Task> {
        self.tasks.get_mut(task.index())
    }

    pub(crate) fn node_mut(&mut self, node: NodeId) -> Option<&mut Node> {
        self.task_mut(node.task)?.node_mut(node.item)
    }

    pub(crate) fn is_ended(&self, task: TaskIdx) -> bool {
        self.tasks.get(task.index()).is_none_or(|task| task.node.phase == Phase::Ended)
    }
}
