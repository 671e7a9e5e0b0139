//! Settlements: stores results, counts down dependents, and queues nodes.
//! Handing out queued nodes is left to `hand_out.rs`.

use crate::model::{FailurePolicy, TaskIdx};
use crate::state::memory::leases::Held;
use crate::state::memory::machine::Machine;
use crate::state::memory::queue::{Place, Slot};
use crate::state::memory::task::{Phase, Split, whole};
use crate::state::{Entry, NodeId, Outcome, Settlement, Stage, Stop, Token, Verdict};
use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

impl Machine {
    /// Settles one node, if its token still holds it; otherwise the settlement is fenced or a duplicate.
    pub(crate) fn settle(&mut self, now: Duration, settlement: Settlement) -> Verdict {
        let Settlement { token, outcome } = settlement;
        let Some(held) = self.leases.settle(token) else {
            return self.leases.verdict(token);
        };
        // A lapsed claim has returned its resources already, and its node is queued for takeover.
        if held.is_lapsed {
            self.withdraw(held.node);
        } else {
            self.make_room(&held);
        }
        self.version += 1;
        let node = held.node;
        // Only a release keeps the count of takeovers: all else shows that the host survived the task.
        if let Some(node) = self.node_mut(node) {
            if !matches!(outcome, Outcome::Release) {
                node.takeovers = 0;
            }
            node.lapsed = None;
            node.phase = Phase::Waiting;
        }
        match outcome {
            Outcome::Done(bytes) => self.end(node, Entry::Done(bytes)),
            Outcome::Skipped(reason) => self.end(node, Entry::Skipped(reason)),
            Outcome::Failed(record) => self.end(node, Entry::Failed(record)),
            Outcome::Passed => self.end(node, Entry::Open),
            Outcome::Retry(delay) => {
                if let Some(node) = self.node_mut(node) {
                    node.attempt = node.attempt.saturating_add(1);
                }
                self.delayed.insert((now.saturating_add(delay), node));
                self.advance(now); // without a delay the node is ready now
            }
            Outcome::Release => {
                if let Some(node) = self.node_mut(node) {
                    node.is_tainted = false;
                }
                self.line_up(node);
            }
            Outcome::Await(tasks) => self.wait(node, &tasks),
            Outcome::Expand { items, max_parallel } => self.expand(node.task, items, max_parallel),
        }
        Verdict::Committed
    }

    /// Lets the lease of a claim expire: other hosts may take over the node.
    pub(crate) fn lapse(&mut self, token: Token) {
        let Some(held) = self.leases.lapse(token) else {
            return;
        };
        self.make_room(&held);
        self.version += 1;
        match self.node_mut(held.node) {
            Some(node) => {
                node.lapsed = Some(token);
                node.phase = Phase::Waiting;
                self.line_up(held.node);
            }
            // The node has ended in the meantime, so nobody needs the claim.
            None => {
                self.leases.lose(token);
            }
        }
    }

    /// Gives a lapsed node back to its holder.
    pub(crate) fn take_back(&mut self, held: &Held) {
        self.withdraw(held.node);
        if let Some(node) = self.node_mut(held.node) {
            node.lapsed = None;
            node.phase = Phase::Claimed;
        }
        self.take_room(held.node, held.stage);
    }

    /// Queues a node.
    pub(crate) fn line_up(&mut self, node: NodeId) {
        self.version += 1;
        let is_closing = self.is_closing(node.task);
        let (rank, class) = match self.shape.tasks.get(node.task.index()) {
            Some(shape) => (shape.rank, if shape.is_for_each { 0 } else { shape.class }),
            None if is_closing => (0, 0),
            None => return,
        };
        let Some(task) = self.tasks.get_mut(node.task.index()).filter(|task| task.node.phase != Phase::Ended)
        else {
            return;
        };
        let is_expanded = node.item.is_none() && task.split.is_some();
        let Some(at) = task.node_mut(node.item) else {
            return;
        };
        if is_expanded || is_closing || at.is_tainted {
            at.phase = Phase::Queued(self.queue.push_fast(rank, node));
        } else if node.item.is_none() {
            at.phase = Phase::Queued(self.queue.push(class, rank, Slot::Task(node.task)));
        } else {
            at.phase = Phase::Again;
            if let (Some(split), Some(item)) = (&mut task.split, node.item) {
                split.again.insert(item);
            }
            self.line_up_elements(node.task);
        }
    }

    /// Removes a node from the queue.
    fn withdraw(&mut self, node: NodeId) {
        let phase = self.node_mut(node).map(|node| node.phase);
        match phase {
            Some(Phase::Queued(place)) => self.queue.remove(place),
            Some(Phase::Again) => {
                let split = self.task_mut(node.task).and_then(|task| task.split.as_mut());
                if let (Some(split), Some(item)) = (split, node.item) {
                    split.again.remove(&item);
                }
                self.line_up_elements(node.task);
            }
            Some(Phase::Waiting | Phase::Claimed | Phase::Ended) | None => {}
        }
    }

    /// Queues the elements of a task exactly while one of them may be handed out.
    pub(crate) fn line_up_elements(&mut self, at: TaskIdx) {
        let Some(shape) = self.shape.tasks.get(at.index()) else {
            return;
        };
        let Some(split) = self.tasks.get_mut(at.index()).and_then(|task| task.split.as_mut()) else {
            return;
        };
        match (split.is_open(), split.place) {
            (true, None) => split.place = Some(self.queue.push(shape.class, shape.rank, Slot::Elements(at))),
            (false, Some(place)) => {
                split.place = None;
                self.queue.remove(place);
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    // Makes a node wait for further tasks. Ended ones do not count, but taint it unless they are done.
    fn wait(&mut self, node: NodeId, tasks: &[TaskIdx]) {
        let tasks: BTreeSet<TaskIdx> = tasks.iter().copied().collect();
        let mut awaits = 0;
        let mut is_tainted = false;
        for task in tasks {
            let is_wanted = self.task_shape(task).is_some_and(|task| task.is_wanted);
            if is_wanted && !self.is_ended(task) {
                awaits += 1;
                self.waiters.entry(task).or_default().push(node);
            } else {
                is_tainted |= !matches!(self.entry(whole(task)), Entry::Done(_));
            }
        }
        if let Some(node) = self.node_mut(node) {
            node.awaits = awaits;
            node.is_tainted |= is_tainted;
        }
        if awaits == 0 {
            self.line_up(node);
        }
    }

    // Expands a task. Elements with a stored result count as ended; the others have no records before they are claimed.
    fn expand(&mut self, at: TaskIdx, items: u32, max_parallel: Option<NonZeroU32>) {
        let Some(task) = self.task_mut(at) else {
            return;
        };
        task.elements.expect(items);
        let stored = task.elements.iter().take_while(|(item, _)| *item < items);
        let ended = u32::try_from(stored.count()).unwrap_or(u32::MAX);
        task.split = Some(Box::new(Split {
            items,
            max_parallel: max_parallel.map_or(u32::MAX, NonZeroU32::get),
            cursor: 0,
            again: BTreeSet::new(),
            live: HashMap::new(),
            ended,
            running: 0,
            place: None,
            told: 0,
        }));
        task.skip_stored();
        if ended == items {
            self.line_up(whole(at));
        } else {
            self.line_up_elements(at);
        }
    }

    fn end(&mut self, node: NodeId, entry: Entry) {
        if matches!(entry, Entry::Failed(_)) {
            self.fail();
        }
        match node.item {
            None if self.is_closing(node.task) => {
                if let Some(task) = self.task_mut(node.task) {
                    task.entry = entry;
                    task.node.phase = Phase::Ended;
                }
            }
            None => self.end_task(node.task, entry),
            Some(item) => self.end_element(node.task, item, entry),
        }
    }

    fn fail(&mut self) {
        self.has_failed = true;
        let stop = match self.policy {
            FailurePolicy::Finish => Some(Stop::Failure),
            FailurePolicy::FailFast => Some(Stop::FailFast),
            FailurePolicy::KeepGoing => None,
        };
        self.stop = self.stop.or(stop);
    }

    // The task itself follows after its last element, or after a failure that stops the run.
    fn end_element(&mut self, at: TaskIdx, item: u32, entry: Entry) {
        let stops = matches!(entry, Entry::Failed(_)) && self.policy != FailurePolicy::KeepGoing;
        let Some(task) = self.task_mut(at) else {
            return;
        };
        task.elements.insert(item, entry);
        let Some(split) = &mut task.split else {
            return;
        };
        split.live.remove(&item);
        split.ended += 1;
        if (split.ended == split.items || stops) && task.node.phase == Phase::Waiting {
            self.line_up(whole(at));
        }
    }

    fn end_task(&mut self, at: TaskIdx, entry: Entry) {
        let shape = Arc::clone(&self.shape);
        let (Some(task), Some(shape)) = (self.task_mut(at), shape.tasks.get(at.index())) else {
            return;
        };
        let is_done = matches!(entry, Entry::Done(_));
        task.entry = entry;
        task.node.phase = Phase::Ended;
        if let Some(split) = task.split.take() {
            self.clear(*split);
        }
        self.open = self.open.saturating_sub(1);
        // Count down dependents by the plan's edges, then nodes that await this task by `select`.
        for dependent in &shape.dependents {
            if let Some(task) = self.task_mut(*dependent) {
                task.left = task.left.saturating_sub(1);
                task.node.is_tainted |= !is_done;
            }
            self.line_up_if_ready(whole(*dependent));
        }
        for waiter in self.waiters.remove(&at).unwrap_or_default() {
            if let Some(node) = self.node_mut(waiter) {
                node.awaits = node.awaits.saturating_sub(1);
                node.is_tainted |= !is_done;
            }
            self.line_up_if_ready(waiter);
        }
    }

    /// Removes the remaining elements of a task from the queue. Claimed ones may still be settled.
    fn clear(&mut self, split: Split) {
        let queued = split.live.into_values().filter_map(|node| match node.phase {
            Phase::Queued(place) => Some(place),
            Phase::Waiting | Phase::Again | Phase::Claimed | Phase::Ended => None,
        });
        let places: Vec<Place> = queued.chain(split.place).collect();
        for place in places {
            self.queue.remove(place);
        }
    }

    fn line_up_if_ready(&mut self, node: NodeId) {
        let is_wanted = self.task_shape(node.task).is_some_and(|task| task.is_wanted);
        let Some(task) = self.task_mut(node.task) else {
            return;
        };
        let left = if node.item.is_none() { task.left } else { 0 };
        let is_ready =
            task.node_mut(node.item).is_some_and(|at| at.phase == Phase::Waiting && at.awaits == 0);
        if is_wanted && left == 0 && is_ready {
            self.line_up(node);
        }
    }

    /// Returns the shared resources of a claim.
    fn make_room(&mut self, held: &Held) {
        self.change_room(held.node, held.stage, u64::saturating_sub);
        let split = self.task_mut(held.node.task).and_then(|task| task.split.as_mut());
        if let (Some(split), Some(_), Stage::Ready) = (split, held.node.item, held.stage) {
            split.running = split.running.saturating_sub(1);
            self.line_up_elements(held.node.task);
        }
    }

    /// Takes the shared resources of a claim.
    pub(crate) fn take_room(&mut self, node: NodeId, stage: Stage) {
        self.change_room(node, stage, u64::saturating_add);
        let split = self.task_mut(node.task).and_then(|task| task.split.as_mut());
        if let (Some(split), Some(_), Stage::Ready) = (split, node.item, stage) {
            split.running += 1;
            self.line_up_elements(node.task);
        }
    }

    fn change_room(&mut self, node: NodeId, stage: Stage, change: fn(u64, u64) -> u64) {
        let Some(shape) = self.shape.tasks.get(node.task.index()) else {
            return;
        };
        if stage != Stage::Ready || (shape.is_for_each && node.item.is_none()) {
            return;
        }
        for (resource, amount) in self.shape.classes.get(usize::from(shape.class)).into_iter().flatten() {
            if let Some(used) = self.used.get_mut(*resource) {
                *used = change(*used, u64::from(*amount));
            }
        }
    }
}
