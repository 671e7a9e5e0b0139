//! The pure state machine of a run: settlements and time in, claims and verdicts out.
//! Never waits, locks or reads a clock. Settlements are in `settle.rs`, the scheduler's hand-out in `hand_out.rs`.

use crate::model::{FailurePolicy, RunStatus, TaskIdx};
use crate::state::memory::deadlines::{Deadlines, Spent};
use crate::state::memory::leases::Leases;
use crate::state::memory::queue::Queue;
use crate::state::memory::task::{Branch, Node, Offered, Phase};
use crate::state::{
    Blocked, CallDigest, Claim, Entry, Error, HostId, Milestone, NodeId, NodeMap, Outcome, Progress,
    RunShape, Settlement, Stop, TaskShape, Token, Verdict, Version, Want,
};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// One life of a run, from its beginning or resumption to its end.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) shape: Arc<RunShape>,
    pub(crate) policy: FailurePolicy,
    pub(crate) tasks: Vec<Branch>,
    /// The edges between elements that lead to a task: from a node of which task, with how many indexes.
    pub(crate) element_sources: HashMap<TaskIdx, Vec<Source>>,
    pub(crate) queue: Queue,
    pub(crate) leases: Leases,
    /// Nodes by the end of their retry delay.
    pub(crate) delayed: BTreeSet<(Duration, NodeId)>,
    /// Nodes by the node that they await, besides the shape's edges.
    pub(crate) waiters: HashMap<NodeId, Vec<NodeId>>,
    /// Live hosts, with each one's total of every resource.
    pub(crate) hosts: Vec<(HostId, Vec<u32>)>,
    /// Shared resources in use.
    pub(crate) used: Vec<u64>,
    /// Into how many elements nodes were expanded, by task and level; not those of tasks themselves.
    pub(crate) elements: FxHashMap<(TaskIdx, usize), u32>,
    /// The calls of tasks that run once; those of elements are stored with them.
    pub(crate) calls: FxHashMap<TaskIdx, CallDigest>,
    /// Results of other plans, offered to the nodes that may have them.
    pub(crate) offers: NodeMap<Offered>,
    pub(crate) deadlines: Deadlines,
    /// When the last host left the run.
    pub(crate) left_at: Duration,
    pub(crate) stop: Option<Stop>,
    pub(crate) has_failed: bool,
    pub(crate) open: u32,
    /// How many of the open tasks are finally tasks.
    pub(crate) open_finally: u32,
    /// The ending, once finally tasks are handed out.
    pub(crate) ending: Option<RunStatus>,
    pub(crate) version: u64,
    total: u32,
    status: RunStatus,
    end: EndClaim,
}

/// The right to tell others of the end of a life.
#[derive(Debug, Clone, PartialEq, Eq)]
enum EndClaim {
    /// The first host that asks has it.
    Free,
    /// This host has it.
    Held(HostId),
    /// Nobody has it if the life ends so: then it changes nothing.
    Nobody(RunStatus),
}

/// What a life begins with.
#[derive(Debug, Default)]
pub(crate) struct Beginning {
    /// The first token.
    pub(crate) token: u64,
    /// The time that has passed of deadlines.
    pub(crate) spent: Spent,
    /// The ending that the life goes on with.
    pub(crate) ending: Option<RunStatus>,
}

/// An edge between elements, seen from the one that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    /// The task whose elements are waited for.
    pub(crate) task: TaskIdx,
    /// The number of indexes of both nodes.
    pub(crate) level: usize,
    /// What is waited for.
    pub(crate) on: Milestone,
}

/// The calling host, with the time and its lease.
pub(crate) struct Caller<'a> {
    /// The host's id.
    pub(crate) host: &'a HostId,
    /// The host's total of each resource.
    pub(crate) have: &'a [u32],
    /// The lease of new claims.
    pub(crate) lease: Duration,
    /// The current time.
    pub(crate) now: Duration,
}

/// The outcome of a commit.
pub(crate) struct Committed {
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) blocked: Vec<Blocked>,
}

impl Machine {
    /// Creates a life of a run from `tasks`, one per task of the shape.
    pub(crate) fn new(
        shape: Arc<RunShape>,
        policy: FailurePolicy,
        mut tasks: Vec<Branch>,
        beginning: &Beginning,
    ) -> Self {
        if shape.has_closing {
            tasks.push(Branch::open());
        }
        let mut machine = Self {
            used: vec![0; shape.resources.len()],
            element_sources: element_sources(&shape),
            deadlines: Deadlines::new(&shape, &beginning.spent),
            left_at: Duration::ZERO,
            shape,
            policy,
            tasks,
            queue: Queue::default(),
            leases: Leases::new(beginning.token),
            delayed: BTreeSet::new(),
            waiters: HashMap::new(),
            hosts: Vec::new(),
            elements: FxHashMap::default(),
            calls: FxHashMap::default(),
            offers: NodeMap::default(),
            stop: None,
            has_failed: false,
            open: 0,
            open_finally: 0,
            ending: beginning.ending,
            version: 0,
            total: 0,
            status: RunStatus::Running,
            end: EndClaim::Free,
        };
        machine.count_stored_elements();
        machine.queue_ready();
        machine
    }

    // Counts open dependencies, and queues the tasks that have none.
    fn queue_ready(&mut self) {
        let shape = Arc::clone(&self.shape);
        let mut ready = Vec::new();
        for (at, task) in (0..).map(TaskIdx::new).zip(&shape.tasks).filter(|(_, task)| task.is_included) {
            self.total = self.total.saturating_add(1);
            let is_finally = shape.is_finally(at);
            if self.is_ended(at) {
                if is_finally {
                    self.taint_by_ended(at);
                }
                continue;
            }
            self.open += 1;
            if is_finally {
                self.open_finally += 1;
                let waits = u32::from(self.ending.is_none());
                self.node_mut(NodeId::of_task(at)).into_iter().for_each(|node| node.left += waits);
            } else if self.ending.is_some() {
                continue; // stays as it is
            }
            ready.push(at);
            for dependent in task.dependents.iter().filter(|dependent| dependent.level == 0) {
                if let Some(dependent) = self.tasks.get_mut(dependent.task.index()) {
                    dependent.node.left += 1;
                }
            }
        }
        for task in ready {
            if self.tasks.get(task.index()).is_some_and(|task| task.node.left == 0) {
                self.enqueue(NodeId::of_task(task));
            }
        }
        self.conclude();
    }

    /// Settles claims and hands out nodes. An invalid settlement fails the whole batch, and nothing changes.
    pub(crate) fn commit(
        &mut self,
        caller: &Caller<'_>,
        batch: Vec<Settlement>,
        want: Want,
    ) -> Result<Committed, Error> {
        batch.iter().try_for_each(|settlement| self.check(settlement))?;
        // Overdue leases expire first. Their holders, this host included, may still settle them below.
        self.advance(caller.now);
        let settle = |settlement| self.settle(caller.now, settlement);
        let verdicts = batch.into_iter().map(settle).collect();
        self.conclude();
        let (claims, blocked) = self.hand_out(caller, want);
        Ok(Committed { verdicts, claims, blocked })
    }

    fn check(&self, settlement: &Settlement) -> Result<(), Error> {
        let held = self.leases.get(settlement.token);
        held.map_or(Ok(()), |held| settlement.check(&self.shape, held.node, held.stage))
    }

    /// Renews claims and returns those that were lost.
    pub(crate) fn renew(&mut self, caller: &Caller<'_>, tokens: &[Token]) -> Vec<Token> {
        self.advance(caller.now);
        let mut lost = Vec::new();
        for token in tokens {
            match self.leases.get(*token).cloned() {
                None => lost.push(*token),
                Some(held) => {
                    if held.is_expired {
                        self.return_to_holder(&held);
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

    /// Returns whether the host is the one that tells of the end of this life.
    pub(crate) fn claim_end(&mut self, host: &HostId) -> bool {
        let is_free = match self.end {
            EndClaim::Free => !self.is_running(),
            EndClaim::Nobody(status) => !self.is_running() && self.status != status,
            EndClaim::Held(_) => false,
        };
        if is_free {
            self.end = EndClaim::Held(host.clone());
        }
        self.end == EndClaim::Held(host.clone())
    }

    /// Marks a life that follows another one. Nobody tells of its end again, if it ends in the same way: if it goes on with
    /// an ending; or if the one before has succeeded, and this one has no new results.
    pub(crate) fn follow_life(&mut self, before: RunStatus) {
        let is_over = self.ending.is_some() && before != RunStatus::Running;
        if is_over || before == RunStatus::Succeeded {
            self.end = EndClaim::Nobody(before);
        }
    }

    /// Notes an outcome, which may be something new to tell at the end. What finally tasks do is none.
    pub(crate) fn note_change(&mut self, outcome: &Outcome) {
        let is_new = match outcome {
            Outcome::Done(_) | Outcome::LeftOut(_) | Outcome::Iterated(_) | Outcome::Accepted => true,
            Outcome::Skipped(_)
            | Outcome::Failed(_)
            | Outcome::Retry { .. }
            | Outcome::Release
            | Outcome::Passed
            | Outcome::Await(_)
            | Outcome::Expand { .. } => false,
        };
        if is_new && self.ending.is_none() && matches!(self.end, EndClaim::Nobody(_)) {
            self.end = EndClaim::Free;
        }
    }

    /// Adds a host with its total of each resource.
    pub(crate) fn join(&mut self, host: &HostId, have: Vec<u32>) {
        self.hosts.push((host.clone(), have));
    }

    /// Removes a host, and lets all its leases expire.
    pub(crate) fn leave(&mut self, host: &HostId, now: Duration) {
        self.left_at = now;
        if let Some(at) = self.hosts.iter().position(|(other, _)| other == host) {
            self.hosts.swap_remove(at);
        }
        for token in self.leases.held_by(host) {
            self.expire_lease(token);
        }
        self.version += 1;
        self.conclude();
    }

    /// Handles due timers: expired leases, elapsed delays and deadlines. Does not end the run, because the caller may still settle
    /// or renew what is overdue.
    pub(crate) fn advance(&mut self, now: Duration) {
        if self.status != RunStatus::Running {
            return;
        }
        while let Some(token) = self.leases.overdue(now) {
            self.expire_lease(token);
        }
        self.pass_deadlines(now);
        while self.stop.is_none()
            && let Some((due, node)) = self.delayed.first().copied()
            && due <= now
        {
            self.delayed.pop_first();
            self.enqueue(node);
        }
    }

    /// Returns when [`Self::advance`] will next have something to do.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        if self.status != RunStatus::Running {
            return None;
        }
        let delayed = self.delayed.first().map(|(due, _)| *due).into_iter();
        let until_stop = delayed.chain(self.deadlines.next_due()).filter(|_| self.stop.is_none());
        until_stop.chain(self.run_due()).chain(self.leases.next_end()).min()
    }

    /// Returns the stored state of a node.
    pub(crate) fn entry(&self, node: NodeId) -> Entry {
        self.tasks.get(node.task.index()).map_or(Entry::Open, |task| task.entry(&node.at))
    }

    /// Returns the stored iterations of a node, in order.
    pub(crate) fn iterations(&self, node: NodeId) -> &[Bytes] {
        let task = self.tasks.get(node.task.index());
        task.and_then(|task| task.iterations.as_ref()?.get(&node.at)).map_or(&[], Vec::as_slice)
    }

    /// Returns the run's progress.
    pub(crate) fn progress(&self, now: Duration) -> Progress {
        let left = self.run_end().map(|end| end.saturating_sub(now));
        let (status, stop, ending) = (self.status, self.stop, self.ending);
        Progress { status, stop, open: self.open, total: self.total, left, ending }
    }

    /// Returns whether the run is running, or how it has ended.
    pub(crate) const fn status(&self) -> RunStatus {
        self.status
    }

    /// Returns whether the run is still running.
    pub(crate) fn is_running(&self) -> bool {
        self.status == RunStatus::Running
    }

    /// Returns the version, which grows whenever a node may have become claimable or the progress has changed.
    pub(crate) const fn version(&self) -> Version {
        Version(self.version)
    }

    /// Returns the included tasks with a result.
    pub(crate) fn stored(&self) -> Vec<TaskIdx> {
        let tasks = (0..).map(TaskIdx::new).zip(self.shape.tasks.iter().zip(&self.tasks));
        tasks
            .filter(|(_, (shape, task))| shape.is_included && matches!(task.entry, Entry::Done(_)))
            .map(|(at, _)| at)
            .collect()
    }

    /// Ends the run if no claim is left and no further node will be handed out.
    pub(crate) fn conclude(&mut self) {
        if self.status != RunStatus::Running || self.leases.live() > 0 {
            return;
        }
        if let Some(ending) = self.ending {
            return self.conclude_finally(ending);
        }
        let ends_as = self.stop.and_then(Stop::ends_as);
        let is_settled = self.queue.is_fast_empty() || ends_as.is_some();
        let has_open = self.open > self.open_finally;
        let status = match (self.stop, ends_as) {
            (None, _) if has_open => return,
            (Some(_), _) if !is_settled => return,
            (_, Some(status)) if has_open || !self.is_closed() => status,
            _ if self.has_failed => RunStatus::Failed, // all nodes have ended, or a failure has stopped the run
            _ if !self.is_closed() => return self.start_closing(),
            _ => RunStatus::Succeeded,
        };
        self.end_run(status);
    }

    pub(crate) const fn set_status(&mut self, status: RunStatus) {
        self.status = status;
    }

    /// Returns whether a task is the node that closes the run.
    pub(crate) fn is_closing(&self, task: TaskIdx) -> bool {
        self.shape.has_closing && task == self.shape.closing().task
    }

    /// Returns whether the closing node has ended, or there is none.
    fn is_closed(&self) -> bool {
        !self.shape.has_closing || self.is_ended(self.shape.closing().task)
    }

    fn start_closing(&mut self) {
        let closing = self.shape.closing();
        if self.node_mut(closing).is_some_and(|node| node.phase == Phase::Waiting) {
            self.enqueue(closing);
        }
    }

    pub(crate) fn task_shape(&self, task: TaskIdx) -> Option<&TaskShape> {
        self.shape.tasks.get(task.index())
    }

    /// Returns a task, or an element that has elements of its own.
    pub(crate) fn branch_mut(&mut self, node: NodeId) -> Option<&mut Branch> {
        self.tasks.get_mut(node.task.index())?.at_mut(&node.at)
    }

    pub(crate) fn node_mut(&mut self, node: NodeId) -> Option<&mut Node> {
        self.tasks.get_mut(node.task.index())?.node_mut(&node.at)
    }

    pub(crate) fn is_ended(&self, task: TaskIdx) -> bool {
        self.tasks.get(task.index()).is_none_or(|task| task.node.phase == Phase::Ended)
    }

    /// Returns whether a node has ended, or one around it has.
    pub(crate) fn has_ended(&self, node: NodeId) -> bool {
        let depth = self.task_shape(node.task).map_or(0, TaskShape::depth);
        self.tasks.get(node.task.index()).is_none_or(|task| task.has_ended(&node.at, depth))
    }
}

/// Returns the edges between elements by the task that waits.
fn element_sources(shape: &RunShape) -> HashMap<TaskIdx, Vec<Source>> {
    let mut sources: HashMap<TaskIdx, Vec<Source>> = HashMap::new();
    for (task, of) in (0..).map(TaskIdx::new).zip(&shape.tasks).filter(|(_, of)| of.is_included) {
        for edge in of.dependents.iter().filter(|edge| edge.level > 0) {
            let source = Source { task, level: usize::from(edge.level), on: edge.on };
            sources.entry(edge.task).or_default().push(source);
        }
    }
    sources
}
