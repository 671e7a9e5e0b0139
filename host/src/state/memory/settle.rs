//! Settlements: stores results, counts down dependents, and ends nodes.
//! Queuing nodes and expanding them is left to `enqueue.rs`, handing them out to `hand_out.rs`.

use crate::model::{FailurePolicy, SkipReason};
use crate::state::memory::leases::Held;
use crate::state::memory::machine::Machine;
use crate::state::memory::task::Phase;
use crate::state::{Entry, Milestone, NodeId, Outcome, Settlement, Stage, Stop, Token, Verdict};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How something ends that nodes wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a result.
    Done,
    /// Without a result. A node that waits for it is skipped, unless it has a default.
    NotDone,
}

impl Machine {
    /// Settles one node, if its token still holds it; otherwise the settlement is fenced or a duplicate.
    pub(crate) fn settle(&mut self, now: Duration, settlement: Settlement) -> Verdict {
        let Settlement { token, outcome, call } = settlement;
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
        if matches!(outcome, Outcome::Done(_) | Outcome::LeftOut(_) | Outcome::Iterated(_)) {
            self.record_call(node, call);
        }
        self.note_change(&outcome);
        match outcome {
            Outcome::Done(bytes) => self.end(node, Entry::Done(bytes)),
            Outcome::Skipped(reason) => self.end(node, Entry::Skipped(reason)),
            Outcome::LeftOut(hole) => self.end(node, Entry::LeftOut(hole)),
            Outcome::Failed(record) => self.end(node, Entry::Failed(record)),
            Outcome::Passed => self.end(node, Entry::Open),
            Outcome::Retry { delay, step } => {
                if let Some(node) = self.node_mut(node) {
                    node.step = step;
                    node.attempt = node.attempt.saturating_add(1);
                }
                if self.overdue(node.task).is_some() {
                    self.enqueue(node);
                } else {
                    self.delayed.insert((now.saturating_add(delay), node));
                    self.advance(now); // without a delay the node is ready now
                }
            }
            Outcome::Release => self.release(node),
            Outcome::Accepted => self.accept(node),
            Outcome::Await(nodes) => self.wait(node, nodes),
            Outcome::Iterated(bytes) => self.iterate(node, bytes),
            Outcome::Expand { items, .. } if !self.take_elements(node, items) => self.release(node),
            Outcome::Expand { items, max_parallel } => self.expand(node, items, max_parallel),
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

    /// Hands a node out again.
    pub(crate) fn release(&mut self, node: NodeId) {
        if let Some(node) = self.node_mut(node) {
            node.is_tainted = false;
        }
        self.enqueue(node);
    }

    // Stores an iteration of a node, and queues the node for the next one.
    fn iterate(&mut self, node: NodeId, bytes: Bytes) {
        if let Some(task) = self.tasks.get_mut(node.task.index()) {
            task.iterations.get_or_insert_default().entry(node.at).or_default().push(bytes);
        }
        if let Some(node) = self.node_mut(node) {
            (node.attempt, node.step) = (1, 0);
        }
        self.enqueue(node);
    }

    // Makes a node wait for further nodes. Ended ones do not count, but taint it unless they are done.
    fn wait(&mut self, node: NodeId, nodes: Vec<NodeId>) {
        let nodes: BTreeSet<NodeId> = nodes.into_iter().collect();
        let mut awaits = 0;
        let mut is_tainted = false;
        for other in nodes {
            let is_included = self.task_shape(other.task).is_some_and(|task| task.is_included);
            if is_included && !self.has_ended(other) {
                awaits += 1;
                self.waiters.entry(other).or_default().push(node);
            } else {
                is_tainted |= !self.has_ended_well(other);
            }
        }
        if let Some(node) = self.node_mut(node) {
            node.awaits = awaits;
            node.is_tainted |= is_tainted;
        }
        if awaits == 0 || self.ends_at_once(node.task) {
            self.enqueue(node);
        }
    }

    // Ends a node: stores its entry, and tells the node around it and all that wait for it. `Open` as the entry of a node
    // with elements means that it ended well and stores nothing.
    pub(crate) fn end(&mut self, node: NodeId, entry: Entry) {
        let is_finally = self.ending.is_some();
        if matches!(entry, Entry::Failed(_)) && !is_finally {
            self.fail();
        }
        if self.is_closing(node.task) {
            if let Some(closing) = self.branch_mut(node) {
                closing.entry = entry;
                closing.node.phase = Phase::Ended;
            }
            return;
        }
        let is_done = matches!(entry, Entry::Done(_) | Entry::LeftOut(_) | Entry::Open);
        // With this policy, a node follows its first failed element at once, so that the run can end.
        let has_failed = matches!(entry, Entry::Failed(_) | Entry::Skipped(SkipReason::UpstreamFailed));
        let stops = has_failed && self.policy != FailurePolicy::KeepGoing && !is_finally;
        let is_new = self.is_new(node, &entry);
        let was_expanded = self.store(node, entry);
        match node.parent() {
            None => {
                self.open = self.open.saturating_sub(1);
                self.open_finally = self.open_finally.saturating_sub(u32::from(is_finally));
            }
            Some(around) => {
                if is_new {
                    self.mark_new(around);
                }
                let is_last = self.count_ended(around);
                if is_last || stops {
                    self.enqueue_if_waiting(around);
                }
            }
        }
        let ending = if is_done { Ending::Done } else { Ending::NotDone };
        if was_expanded {
            self.change_running(node, u32::saturating_sub);
        }
        self.follow(node, Milestone::Ended, ending);
        if !was_expanded {
            self.follow(node, Milestone::Expanded, ending);
        }
        for waiter in self.waiters.remove(&node).unwrap_or_default() {
            if let Some(node) = self.node_mut(waiter) {
                node.awaits = node.awaits.saturating_sub(1);
                node.is_tainted |= !is_done;
            }
            self.enqueue_if_ready(waiter);
        }
    }

    /// Stores the entry of a node that has ended, and drops its scheduling. Returns whether it was expanded.
    fn store(&mut self, node: NodeId, entry: Entry) -> bool {
        if let Some(branch) = self.branch_mut(node) {
            branch.entry = entry;
            branch.node.phase = Phase::Ended;
            let was_expanded = branch.is_expanded();
            // Taken out for as long as the queue changes.
            if let Some(mut below) = branch.below.take() {
                self.clear_below(&mut below);
                self.branch_mut(node)
                    .into_iter()
                    .for_each(|branch| branch.below = Some(std::mem::take(&mut below)));
            }
            return was_expanded;
        }
        // An innermost element. Its task may have ended meanwhile; the result is kept all the same.
        let Some((at, item)) = node.at.split_last() else { return false };
        if let Some(below) = self.branch_mut(NodeId { at, ..node }).and_then(|around| around.below.as_mut()) {
            below.elements.insert(item, entry);
            below.expansion.as_mut().and_then(|expansion| expansion.live.remove(&item));
        }
        false
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

    /// Returns whether a node that ends so has a new result, or one below it has.
    fn is_new(&mut self, node: NodeId, entry: &Entry) -> bool {
        match entry {
            Entry::Done(_) | Entry::LeftOut(_) | Entry::Failed(_) => true,
            Entry::Skipped(_) => false,
            Entry::Open => {
                let expansion = self.branch_mut(node).and_then(|branch| branch.expansion_mut());
                expansion.is_none_or(|expansion| !expansion.is_kept)
            }
        }
    }

    /// Marks a node of which an element has a new result.
    fn mark_new(&mut self, around: NodeId) {
        let expansion = self.branch_mut(around).and_then(|branch| branch.expansion_mut());
        expansion.into_iter().for_each(|expansion| expansion.is_kept = false);
    }

    /// Counts an element that has ended. Returns whether it was the last one.
    fn count_ended(&mut self, around: NodeId) -> bool {
        let expansion = self.branch_mut(around).and_then(|branch| branch.expansion_mut());
        expansion.is_some_and(|expansion| {
            expansion.ended += 1;
            expansion.ended == expansion.items
        })
    }

    /// Queues a node with elements that waits for them.
    fn enqueue_if_waiting(&mut self, around: NodeId) {
        if self.branch_mut(around).is_some_and(|branch| branch.node.phase == Phase::Waiting) {
            self.enqueue(around);
        }
    }

    /// Counts down the nodes that wait for this one by the plan's edges.
    pub(crate) fn follow(&mut self, node: NodeId, on: Milestone, ending: Ending) {
        let shape = Arc::clone(&self.shape);
        let Some(task) = shape.tasks.get(node.task.index()) else { return };
        let level = node.at.level();
        let edges = task.dependents.iter();
        for edge in edges.filter(|edge| usize::from(edge.level) == level && edge.on == on) {
            self.count_down(NodeId { task: edge.task, at: node.at }, ending);
        }
    }

    /// Counts down one node, because something that it waits for has come.
    fn count_down(&mut self, node: NodeId, ending: Ending) {
        let taints = ending == Ending::NotDone;
        if node.at.level() == 0 {
            if let Some(node) = self.node_mut(node) {
                node.left = node.left.saturating_sub(1);
                node.is_tainted |= taints;
            }
            return self.enqueue_if_ready(node);
        }
        // The elements of a node that is not expanded yet, or has ended, are counted when it is.
        let is_expanded = node
            .parent()
            .and_then(|around| self.branch_mut(around))
            .is_some_and(|around| around.is_expanded());
        if !is_expanded || self.has_ended(node) || self.ends_at_once(node.task) {
            return;
        }
        let waits = self.element_waits(node);
        if waits > 1 || taints {
            let known = self.node_mut(node).is_some();
            if let Some(node) = self.touch(node) {
                node.left = if known { node.left } else { waits }.saturating_sub(1);
                node.is_tainted |= taints;
            }
            return self.enqueue_if_ready(node);
        }
        // Most elements wait for one other: they are ready now, and cost no record before they are claimed.
        self.enqueue_elements_with(node);
    }

    /// Returns how many edges lead to an element.
    pub(crate) fn element_waits(&self, node: NodeId) -> u32 {
        let level = node.at.level();
        let sources = self.element_sources.get(&node.task);
        let count = sources.into_iter().flatten().filter(|source| source.level == level).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Returns the shared resources of a claim.
    fn release_resources(&mut self, held: &Held) {
        self.change_usage(held.node, held.stage, u64::saturating_sub);
        if held.stage == Stage::Ready {
            self.change_running(held.node, u32::saturating_sub);
        }
    }

    /// Takes the shared resources of a claim.
    pub(crate) fn take_resources(&mut self, node: NodeId, stage: Stage) {
        self.change_usage(node, stage, u64::saturating_add);
        if stage == Stage::Ready {
            self.change_running(node, u32::saturating_add);
        }
    }

    /// Counts an element that is worked on now, or no longer.
    pub(crate) fn change_running(&mut self, node: NodeId, change: fn(u32, u32) -> u32) {
        let Some(around) = node.parent() else { return };
        if let Some(expansion) = self.branch_mut(around).and_then(|around| around.expansion_mut()) {
            expansion.running = change(expansion.running, 1);
            self.enqueue_elements(around);
        }
    }

    fn change_usage(&mut self, node: NodeId, stage: Stage, change: fn(u64, u64) -> u64) {
        let Some(shape) = self.shape.tasks.get(node.task.index()) else {
            return;
        };
        if stage != Stage::Ready || shape.is_expandable(&node.at) {
            return;
        }
        for (resource, amount) in self.shape.classes.get(usize::from(shape.class)).into_iter().flatten() {
            if let Some(used) = self.used.get_mut(*resource) {
                *used = change(*used, u64::from(*amount));
            }
        }
    }
}
