//! The end of a run: its finally tasks are handed out once nothing else can run, and then it ends.
//! When nothing else can run is decided in `machine.rs`; a later life finds out here whether it goes on with an ending.

use crate::model::{IndexPath, RunStatus, SkipReason, TaskIdx};
use crate::state::memory::machine::Machine;
use crate::state::memory::queue::Queue;
use crate::state::memory::task::{Branch, Phase};
use crate::state::{Entry, NodeId, NodeMap, RunShape, Stop};
use std::collections::HashMap;
use std::sync::Arc;

impl Machine {
    /// Ends the run with this status, or first hands out its finally tasks.
    pub(crate) fn end_run(&mut self, status: RunStatus) {
        if self.open_finally == 0 {
            return self.finish(status);
        }
        self.ending = Some(status);
        self.stop = None;
        // Whatever else is queued, delayed or awaited is not to run any more, and expired claims are lost.
        self.queue = Queue::default();
        self.delayed.clear();
        self.waiters = HashMap::new();
        self.deadlines.stop();
        self.leases.lose_all();
        self.version += 1;
        let finally: Vec<TaskIdx> = self.shape.finally().collect();
        for task in finally {
            let node = NodeId::of_task(task);
            self.node_mut(node).into_iter().for_each(|node| node.left = node.left.saturating_sub(1));
            self.enqueue_if_ready(node);
        }
    }

    /// Ends the run after its finally tasks: once all have ended, or when they are cancelled.
    pub(crate) fn conclude_finally(&mut self, ending: RunStatus) {
        if self.open_finally == 0 || self.stop.and_then(Stop::ends_as).is_some() {
            self.finish(ending);
        }
    }

    fn finish(&mut self, status: RunStatus) {
        // Offers to tasks that the run does not include are for a later one.
        if status == RunStatus::Succeeded && self.shape.tasks.iter().all(|task| task.is_included) {
            self.offers = NodeMap::default();
        }
        self.set_status(status);
        self.leases.lose_all();
        self.version += 1;
    }

    /// Returns the ending with which a later life of the same plan goes on, if it does.
    pub(crate) fn ending_of(&self, next: &RunShape) -> Option<RunStatus> {
        let ending = self.ending?;
        let others = (0..).map(TaskIdx::new).zip(&next.tasks);
        let mut others = others.filter(|(idx, task)| task.is_included && !next.is_finally(*idx));
        let goes_on = if self.is_running() {
            others.all(|(idx, _)| self.task_shape(idx).is_some_and(|task| task.is_included))
        } else {
            ending == RunStatus::Succeeded && others.all(|(idx, _)| self.has_nothing_to_do(idx))
        };
        goes_on.then_some(ending)
    }

    fn has_nothing_to_do(&self, task: TaskIdx) -> bool {
        self.tasks.get(task.index()).is_some_and(|branch| match branch.entry {
            Entry::Failed(_) | Entry::Skipped(SkipReason::UpstreamFailed) => false,
            Entry::Open | Entry::Done(_) | Entry::LeftOut(_) | Entry::Skipped(_) => {
                branch.node.phase == Phase::Ended
            }
        })
    }

    /// Returns a task for a life that goes on with an ending: as it is, but an open finally task has only its results.
    pub(crate) fn task_at_ending(&self, task: TaskIdx) -> Branch {
        let Some(branch) = self.tasks.get(task.index()) else { return Branch::open() };
        let runs = self.shape.is_finally(task) && branch.node.phase != Phase::Ended;
        if runs { branch.results() } else { branch.as_it_is() }
    }

    /// Keeps the failure of the outputs in a life that goes on with the ending of another one.
    pub(crate) fn keep_closing(&mut self, before: &Self) {
        let (own, closing) = (self.shape.closing().task, before.task_at_ending(before.shape.closing().task));
        if let (true, Some(slot)) = (self.shape.has_closing, self.tasks.get_mut(own.index())) {
            *slot = closing;
        }
    }

    /// Returns the nodes that have failed.
    pub(crate) fn failed(&self) -> Vec<NodeId> {
        let mut failed = Vec::new();
        for (task, branch) in (0..).map(TaskIdx::new).zip(&self.tasks) {
            let mut note = |at: IndexPath, entry: &Entry| {
                if matches!(entry, Entry::Failed(_)) {
                    failed.push(NodeId { task, at });
                }
            };
            note(IndexPath::root(), &branch.entry);
            branch.each_element(&mut |at, entry| note(*at, entry));
        }
        failed
    }

    /// Taints the finally tasks that wait for one which an earlier life has ended without a result.
    pub(crate) fn taint_by_ended(&mut self, task: TaskIdx) {
        if self.has_ended_well(NodeId::of_task(task)) {
            return;
        }
        let shape = Arc::clone(&self.shape);
        let edges = shape.tasks.get(task.index()).into_iter().flat_map(|task| &task.dependents);
        for edge in edges.filter(|edge| edge.level == 0) {
            let node = self.node_mut(NodeId::of_task(edge.task));
            node.into_iter().for_each(|node| node.is_tainted = true);
        }
    }
}
