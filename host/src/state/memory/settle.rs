//! Settlements: stores results, counts down dependents, and queues nodes.
//! Handing out queued nodes is left to `hand_out.rs`.

use crate::model::{FailurePolicy, TaskIdx};
use crate::state::memory::leases::Held;
use crate::state::memory::machine::Machine;
use crate::state::memory::queue::{Position, Slot};
use crate::state::memory::task::{Expansion, Phase, task_node};
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
        // An expired claim has returned its resources already, and its node is queued for takeover.
        if held.is_expired {
            self.dequeue(held.node);
        } else {
            self.release_resources(&held);
        }
        self.version += 1;
        let node = held.node;
        // Only a release keeps the count of takeovers: all else shows that the host survived the task.
        if let Some(node) = self.node_mut(node) {
            if !matches!(outcome, Outcome::Release) {
                node.takeovers = 0;
            }
            node.expired_claim = None;
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
                self.enqueue(node);
            }
            Outcome::Await(tasks) => self.wait(node, &tasks),
            Outcome::Expand { items, max_parallel } => self.expand(node.task, items, max_parallel),
        }
        Verdict::Committed
    }

    /// Lets the lease of a claim expire: other hosts may take over the node.
    pub(crate) fn expire_lease(&mut self, token: Token) {
        let Some(held) = self.leases.expire(token) else {
            return;
        };
        self.release_resources(&held);
        self.version += 1;
        match self.node_mut(held.node) {
            Some(node) => {
                node.expired_claim = Some(token);
                node.phase = Phase::Waiting;
                self.enqueue(held.node);
            }
            // The node has ended in the meantime, so the claim is not needed.
            None => {
                self.leases.lose(token);
            }
        }
    }

    /// Gives a node with an expired claim back to its holder.
    pub(crate) fn return_to_holder(&mut self, held: &Held) {
        self.dequeue(held.node);
        if let Some(node) = self.node_mut(held.node) {
            node.expired_claim = None;
            node.phase = Phase::Claimed;
        }
        self.take_resources(held.node, held.stage);
    }

    /// Queues a node.
    pub(crate) fn enqueue(&mut self, node: NodeId) {
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
        let is_expanded = node.item.is_none() && task.expansion.is_some();
        let Some(queued) = task.node_mut(node.item) else {
            return;
        };
        if is_expanded || is_closing || queued.is_tainted {
            queued.phase = Phase::Queued(self.queue.push_fast(rank, node));
        } else if node.item.is_none() {
            queued.phase = Phase::Queued(self.queue.push(class, rank, Slot::Task(node.task)));
        } else {
            queued.phase = Phase::Repeated;
            if let (Some(expansion), Some(item)) = (&mut task.expansion, node.item) {
                expansion.repeated.insert(item);
            }
            self.enqueue_elements(node.task);
        }
    }

    /// Removes a node from the queue.
    fn dequeue(&mut self, node: NodeId) {
        let phase = self.node_mut(node).map(|node| node.phase);
        match phase {
            Some(Phase::Queued(position)) => self.queue.remove(position),
            Some(Phase::Repeated) => {
                let expansion = self.task_mut(node.task).and_then(|task| task.expansion.as_mut());
                if let (Some(expansion), Some(item)) = (expansion, node.item) {
                    expansion.repeated.remove(&item);
                }
                self.enqueue_elements(node.task);
            }
            Some(Phase::Waiting | Phase::Claimed | Phase::Ended) | None => {}
        }
    }

    /// Queues the elements of a task exactly while one of them may be handed out.
    pub(crate) fn enqueue_elements(&mut self, idx: TaskIdx) {
        let Some(shape) = self.shape.tasks.get(idx.index()) else {
            return;
        };
        let Some(expansion) = self.tasks.get_mut(idx.index()).and_then(|task| task.expansion.as_mut()) else {
            return;
        };
        match (expansion.is_open(), expansion.position) {
            (true, None) => {
                expansion.position = Some(self.queue.push(shape.class, shape.rank, Slot::Elements(idx)));
            }
            (false, Some(position)) => {
                expansion.position = None;
                self.queue.remove(position);
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
            let is_included = self.task_shape(task).is_some_and(|task| task.is_included);
            if is_included && !self.is_ended(task) {
                awaits += 1;
                self.waiters.entry(task).or_default().push(node);
            } else {
                is_tainted |= !matches!(self.entry(task_node(task)), Entry::Done(_));
            }
        }
        if let Some(node) = self.node_mut(node) {
            node.awaits = awaits;
            node.is_tainted |= is_tainted;
        }
        if awaits == 0 {
            self.enqueue(node);
        }
    }

    // Expands a task. Elements with a stored result count as ended; the others have no records before they are claimed.
    fn expand(&mut self, idx: TaskIdx, items: u32, max_parallel: Option<NonZeroU32>) {
        let Some(task) = self.task_mut(idx) else {
            return;
        };
        task.elements.reserve(items);
        let stored = task.elements.iter().take_while(|(item, _)| *item < items);
        let ended = u32::try_from(stored.count()).unwrap_or(u32::MAX);
        task.expansion = Some(Box::new(Expansion {
            items,
            max_parallel: max_parallel.map_or(u32::MAX, NonZeroU32::get),
            cursor: 0,
            repeated: BTreeSet::new(),
            live: HashMap::new(),
            ended,
            running: 0,
            position: None,
            reported: 0,
        }));
        task.skip_stored();
        if ended == items {
            self.enqueue(task_node(idx));
        } else {
            self.enqueue_elements(idx);
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
    fn end_element(&mut self, idx: TaskIdx, item: u32, entry: Entry) {
        let stops = matches!(entry, Entry::Failed(_)) && self.policy != FailurePolicy::KeepGoing;
        let Some(task) = self.task_mut(idx) else {
            return;
        };
        task.elements.insert(item, entry);
        let Some(expansion) = &mut task.expansion else {
            return;
        };
        expansion.live.remove(&item);
        expansion.ended += 1;
        if (expansion.ended == expansion.items || stops) && task.node.phase == Phase::Waiting {
            self.enqueue(task_node(idx));
        }
    }

    fn end_task(&mut self, idx: TaskIdx, entry: Entry) {
        let shape = Arc::clone(&self.shape);
        let (Some(task), Some(shape)) = (self.task_mut(idx), shape.tasks.get(idx.index())) else {
            return;
        };
        let is_done = matches!(entry, Entry::Done(_));
        task.entry = entry;
        task.node.phase = Phase::Ended;
        if let Some(expansion) = task.expansion.take() {
            self.clear(*expansion);
        }
        self.open = self.open.saturating_sub(1);
        // Count down dependents by the plan's edges, then nodes that await this task by `select`.
        for dependent in &shape.dependents {
            if let Some(task) = self.task_mut(*dependent) {
                task.left = task.left.saturating_sub(1);
                task.node.is_tainted |= !is_done;
            }
            self.enqueue_if_ready(task_node(*dependent));
        }
        for waiter in self.waiters.remove(&idx).unwrap_or_default() {
            if let Some(node) = self.node_mut(waiter) {
                node.awaits = node.awaits.saturating_sub(1);
                node.is_tainted |= !is_done;
            }
            self.enqueue_if_ready(waiter);
        }
    }

    /// Removes the remaining elements of a task from the queue. Claimed ones may still be settled.
    fn clear(&mut self, expansion: Expansion) {
        let queued = expansion.live.into_values().filter_map(|node| match node.phase {
            Phase::Queued(position) => Some(position),
            Phase::Waiting | Phase::Repeated | Phase::Claimed | Phase::Ended => None,
        });
        let positions: Vec<Position> = queued.chain(expansion.position).collect();
        for position in positions {
            self.queue.remove(position);
        }
    }

    fn enqueue_if_ready(&mut self, node: NodeId) {
        let is_included = self.task_shape(node.task).is_some_and(|task| task.is_included);
        let Some(task) = self.task_mut(node.task) else {
            return;
        };
        let left = if node.item.is_none() { task.left } else { 0 };
        let is_ready =
            task.node_mut(node.item).is_some_and(|node| node.phase == Phase::Waiting && node.awaits == 0);
        if is_included && left == 0 && is_ready {
            self.enqueue(node);
        }
    }

    /// Returns the shared resources of a claim.
    fn release_resources(&mut self, held: &Held) {
        self.change_usage(held.node, held.stage, u64::saturating_sub);
        let expansion = self.task_mut(held.node.task).and_then(|task| task.expansion.as_mut());
        if let (Some(expansion), Some(_), Stage::Ready) = (expansion, held.node.item, held.stage) {
            expansion.running = expansion.running.saturating_sub(1);
            self.enqueue_elements(held.node.task);
        }
    }

    /// Takes the shared resources of a claim.
    pub(crate) fn take_resources(&mut self, node: NodeId, stage: Stage) {
        self.change_usage(node, stage, u64::saturating_add);
        let expansion = self.task_mut(node.task).and_then(|task| task.expansion.as_mut());
        if let (Some(expansion), Some(_), Stage::Ready) = (expansion, node.item, stage) {
            expansion.running += 1;
            self.enqueue_elements(node.task);
        }
    }

    fn change_usage(&mut self, node: NodeId, stage: Stage, change: fn(u64, u64) -> u64) {
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
