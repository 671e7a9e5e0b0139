//! Deadlines that pass: which open nodes end, and what a later life knows of the time.
//! Handing overdue nodes out is left to `hand_out.rs`, stopping the guests of held ones to their holders.

use crate::model::{TaskIdx, TaskName, to_usize};
use crate::state::memory::deadlines::{Spent, due};
use crate::state::memory::machine::Machine;
use crate::state::memory::queue::Position;
use crate::state::memory::task::{Node, Phase};
use crate::state::{Deadline, DeadlineScope, Entry, NodeId, RunShape, Stop};
use std::sync::Arc;
use std::time::Duration;

impl Machine {
    /// Returns which deadline of a task has passed; the task's own if several have.
    pub(crate) fn overdue(&self, task: TaskIdx) -> Option<DeadlineScope> {
        self.deadlines.overdue.get(&task).copied()
    }

    /// Returns whether all open nodes of a task end, whatever they wait for.
    pub(crate) fn ends_at_once(&self, task: TaskIdx) -> bool {
        self.overdue(task) == Some(DeadlineScope::Task)
    }

    /// Returns when the run's deadline passes, or has passed; none if it does not bind the run.
    pub(crate) fn run_end(&self) -> Option<Duration> {
        if self.ending.is_some() {
            return None;
        }
        Some(due(self.shape.deadline?, Duration::ZERO, self.deadlines.spent))
    }

    /// Returns when the run's deadline will stop the run.
    pub(crate) fn run_due(&self) -> Option<Duration> {
        self.run_end().filter(|_| self.stop.and_then(Stop::ends_as).is_none())
    }

    /// Returns the time that is left at `now` until each deadline that runs, by the name of its task; none for the run's.
    pub(crate) fn time_left(&self, now: Duration) -> Vec<(Option<String>, Duration)> {
        let of_run = self.run_due().map(|due| (None, due.saturating_sub(now)));
        let running = self.shape.deadlines.iter().zip(&self.deadlines.clocks);
        let running = running.filter(|(_, clock)| !clock.has_passed);
        let left = running.filter_map(|(deadline, clock)| {
            let due = due(deadline.limit, clock.since?, clock.spent);
            Some((Some(deadline.name.to_string()), due.saturating_sub(now)))
        });
        of_run.into_iter().chain(left).collect()
    }

    /// Starts the clocks of a task that is handed out, and returns which of them passes first.
    pub(crate) fn start_deadlines(&mut self, task: TaskIdx, now: Duration) -> Option<Deadline> {
        if self.shape.deadlines.is_empty() {
            return None;
        }
        let shape = Arc::clone(&self.shape);
        let positions = shape.tasks.get(task.index())?.deadlines.iter().copied();
        let left = |position: u32| {
            self.deadlines.start(&shape, position, (now, Duration::ZERO));
            let clock = self.deadlines.clocks.get(to_usize(position))?;
            let limit = shape.deadlines.get(to_usize(position))?.limit;
            let left = due(limit, clock.since?, clock.spent).saturating_sub(now);
            Some(Deadline { position, left })
        };
        positions.filter_map(left).min_by_key(|deadline| deadline.left)
    }

    /// Handles the deadlines that have passed at `now`. That of the run stops it, also after a failure.
    pub(crate) fn pass_deadlines(&mut self, now: Duration) {
        if self.run_due().is_some_and(|due| due <= now) {
            self.stop = Some(Stop::TimedOut);
            self.version += 1;
        }
        while self.stop.is_none()
            && let Some(position) = self.deadlines.take_passed(now)
        {
            let scope = self.shape.deadlines.get(to_usize(position)).map(|deadline| deadline.scope);
            let tasks = self.deadlines.tasks.get(to_usize(position)).cloned().unwrap_or_default();
            for task in tasks.into_iter().filter(|_| scope.is_some()) {
                if !self.is_ended(task) {
                    let passed = self.deadlines.overdue.entry(task).or_insert(DeadlineScope::Pipeline);
                    *passed = (*passed).max(scope.unwrap_or(DeadlineScope::Pipeline));
                    // Nodes around elements are not computed, so their delays stay.
                    let delayed = std::mem::take(&mut self.delayed).into_iter();
                    self.delayed = delayed
                        .filter(|(_, node)| node.task != task || self.is_around_elements(*node))
                        .collect();
                    self.hasten(NodeId::of_task(task));
                }
            }
        }
    }

    /// Queues an open node of an overdue task that nobody holds, and the elements within it. As deep as an
    /// [`crate::model::IndexPath`].
    fn hasten(&mut self, node: NodeId) {
        let is_waiting = self.is_overdue_waiting(node);
        let Some(branch) = self.branch_mut(node) else { return };
        if branch.is_expanded() {
            return self.hasten_elements(node);
        }
        match branch.node.phase {
            Phase::Queued(Position::Lane(..)) => {
                self.dequeue(node);
                self.enqueue(node);
            }
            Phase::Waiting if is_waiting => self.enqueue(node),
            // Queued among the nodes that need no slot or as an element, held, ended, or waiting for others.
            Phase::Queued(_) | Phase::Ready | Phase::Claimed | Phase::Waiting | Phase::Ended => {}
        }
    }

    fn hasten_elements(&mut self, around: NodeId) {
        let is_at_once = self.ends_at_once(around.task);
        let Some(expansion) = self.branch_mut(around).and_then(|branch| branch.expansion_mut()) else {
            return;
        };
        expansion.max_parallel = u32::MAX;
        // From here on, the elements are queued among the nodes that need no slot.
        let (position, handed_out) = (expansion.position.take(), expansion.cursor);
        position.into_iter().for_each(|position| self.queue.remove(position));
        self.enqueue_elements(around);
        for item in 0..handed_out {
            let node = around.child(item);
            if self.has_ended(node) {
                continue;
            }
            if self.branch_mut(node).is_some() {
                self.hasten(node);
            } else if self.node_mut(node).is_some() {
                if self.is_overdue_waiting(node) {
                    self.enqueue(node);
                }
            } else if is_at_once {
                // Without a record, the element is ready or waits for others.
                let expansion = self.branch_mut(around).and_then(|branch| branch.expansion_mut());
                expansion.into_iter().for_each(|expansion| {
                    expansion.ready.insert(item);
                });
            }
        }
        self.enqueue_elements(around);
    }

    fn is_around_elements(&mut self, node: NodeId) -> bool {
        self.branch_mut(node).is_some_and(|branch| branch.is_expanded())
    }

    /// Returns whether a node of an overdue task waits for what it no longer needs.
    fn is_overdue_waiting(&mut self, node: NodeId) -> bool {
        let is_at_once = self.ends_at_once(node.task);
        let is_expanded = self.is_around_elements(node);
        let is_waiting = |node: &mut Node| {
            node.phase == Phase::Waiting && (is_at_once || node.left == 0 && node.awaits == 0)
        };
        !is_expanded && self.node_mut(node).is_some_and(is_waiting)
    }

    /// Returns the time that has passed until the last host left, for a life of another shape.
    pub(crate) fn spent(&self, next: &RunShape) -> Spent {
        let now = self.left_at;
        let of_deadline = |name: &TaskName| {
            let position = self.shape.deadlines.iter().position(|deadline| deadline.name == *name)?;
            let clock = self.deadlines.clocks.get(position).filter(|clock| !clock.has_passed)?;
            let mut tasks = self.deadlines.tasks.get(position).into_iter().flatten();
            let has_failed = tasks.any(|task| {
                matches!(self.entry(NodeId::of_task(*task)), Entry::Failed(_) | Entry::Skipped(_))
            });
            let since = clock.since.filter(|_| !has_failed)?;
            Some(clock.spent.saturating_add(now.saturating_sub(since)))
        };
        Spent {
            run: self.deadlines.spent.saturating_add(now),
            deadlines: next.deadlines.iter().map(|deadline| of_deadline(&deadline.name)).collect(),
        }
    }
}
