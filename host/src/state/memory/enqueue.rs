//! Queues nodes, takes them out of the queue again, and expands them into elements.
//! Settlements are in `settle.rs`, the scheduler's hand-out in `hand_out.rs`.

use crate::model::TaskIdx;
use crate::state::memory::machine::Machine;
use crate::state::memory::queue::{Position, Slot};
use crate::state::memory::settle::Ending;
use crate::state::memory::task::{Below, Branch, Expansion, Phase};
use crate::state::{Entry, Milestone, NodeId, TaskShape};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

impl Machine {
    /// Queues a node.
    pub(crate) fn enqueue(&mut self, node: NodeId) {
        self.version += 1;
        let is_closing = self.is_closing(node.task);
        let (rank, class) = match self.shape.tasks.get(node.task.index()) {
            Some(shape) => (shape.rank, class_of(shape, node)),
            None if is_closing => (0, 0),
            None => return,
        };
        let around = node.parent();
        if self.has_ended(around.unwrap_or(node)) {
            return;
        }
        let is_expanded = self.branch_mut(node).is_some_and(|branch| branch.is_expanded());
        let Some(is_tainted) = self.node_mut(node).map(|node| node.is_tainted) else { return };
        let is_overdue = around.is_none() && self.overdue(node.task).is_some();
        let phase = if is_expanded || is_closing || is_tainted || is_overdue {
            Phase::Queued(self.queue.push_fast(rank, Slot::Node(node)))
        } else if around.is_none() {
            Phase::Queued(self.queue.push(class, rank, Slot::Node(node)))
        } else {
            Phase::Ready
        };
        self.node_mut(node).into_iter().for_each(|node| node.phase = phase);
        if phase == Phase::Ready {
            self.enqueue_elements_with(node);
        }
    }

    /// Adds an element to those that are ready to be handed out.
    pub(crate) fn enqueue_elements_with(&mut self, node: NodeId) {
        let Some((at, item)) = node.at.split_last() else { return };
        let around = NodeId { at, ..node };
        self.version += 1;
        if let Some(expansion) = self.branch_mut(around).and_then(|branch| branch.expansion_mut()) {
            expansion.ready.insert(item);
            self.enqueue_elements(around);
        }
    }

    /// Removes a node from the queue.
    pub(crate) fn dequeue(&mut self, node: NodeId) {
        let phase = self.node_mut(node).map(|node| node.phase);
        match phase {
            Some(Phase::Queued(position)) => self.queue.remove(position),
            Some(Phase::Ready) => {
                let Some((at, item)) = node.at.split_last() else { return };
                let around = NodeId { at, ..node };
                if let Some(expansion) = self.branch_mut(around).and_then(|branch| branch.expansion_mut()) {
                    expansion.ready.remove(&item);
                }
                self.enqueue_elements(around);
            }
            Some(Phase::Waiting | Phase::Claimed | Phase::Ended) | None => {}
        }
    }

    /// Queues the elements of a node exactly while one of them may be handed out.
    pub(crate) fn enqueue_elements(&mut self, around: NodeId) {
        let Some(shape) = self.shape.tasks.get(around.task.index()) else { return };
        let (class, rank) = (class_of(shape, around.child(0)), shape.rank);
        let is_overdue = self.overdue(around.task).is_some();
        let task = self.tasks.get_mut(around.task.index());
        let branch = task.and_then(|task| task.at_mut(&around.at));
        let Some(expansion) = branch.and_then(|branch| branch.expansion_mut()) else { return };
        match (expansion.is_open(), expansion.position) {
            (true, None) => {
                let slot = Slot::Elements(around);
                expansion.position = Some(if is_overdue {
                    self.queue.push_fast(rank, slot)
                } else {
                    self.queue.push(class, rank, slot)
                });
            }
            (false, Some(position)) => {
                expansion.position = None;
                self.queue.remove(position);
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Queues a node if it waits for nothing more.
    pub(crate) fn enqueue_if_ready(&mut self, node: NodeId) {
        let is_included = self.task_shape(node.task).is_some_and(|task| task.is_included);
        let is_ready = self
            .node_mut(node)
            .is_some_and(|node| node.phase == Phase::Waiting && node.left == 0 && node.awaits == 0);
        if is_included && is_ready {
            self.enqueue(node);
        }
    }

    /// Expands a node. Elements with a stored result count as ended; the others have no records before they are claimed.
    pub(crate) fn expand(&mut self, node: NodeId, items: u32, max_parallel: Option<NonZeroU32>) {
        let is_innermost =
            self.task_shape(node.task).is_some_and(|task| !task.is_expandable(&node.at.child(0)));
        // If a deadline ends the elements at once, they wait for nothing.
        let waits = if self.ends_at_once(node.task) { 0 } else { self.element_waits(node.child(0)) };
        let max_parallel = max_parallel.filter(|_| self.overdue(node.task).is_none());
        let Some(branch) = self.branch_mut(node) else { return };
        let below = branch.below.get_or_insert_with(Box::default);
        if is_innermost {
            below.elements.reserve(items);
        }
        let ended = below.ended(items);
        below.expansion = Some(Expansion {
            items,
            max_parallel: max_parallel.map_or(u32::MAX, NonZeroU32::get),
            cursor: if waits == 0 { 0 } else { items },
            ready: BTreeSet::new(),
            live: FxHashMap::default(),
            ended,
            running: 0,
            position: None,
            reported: 0,
            is_kept: ended > 0 || !below.branches.is_empty(),
        });
        below.skip_ended();
        self.change_running(node, u32::saturating_add);
        self.follow(node, Milestone::Expanded, Ending::Done);
        if ended == items {
            return self.enqueue(node);
        }
        if waits > 0 {
            (0..items).for_each(|item| self.count_ended_sources(node.child(item), waits));
        }
        self.enqueue_elements(node);
    }

    /// Counts the elements into which a node is about to be expanded. Returns false if they are too many together.
    pub(crate) fn take_elements(&mut self, node: NodeId, items: u32) -> bool {
        if node.at.level() == 0 {
            return true;
        }
        let together = self.elements_beside(node).saturating_add(items);
        let is_bounded = together <= self.shape.max_elements;
        if is_bounded {
            self.elements.insert((node.task, node.at.level()), together);
        }
        is_bounded
    }

    /// Returns into how many elements the other nodes of a task with as many indexes have been expanded.
    pub(crate) fn elements_beside(&self, node: NodeId) -> u32 {
        self.elements.get(&(node.task, node.at.level())).copied().unwrap_or(0)
    }

    /// Counts the elements that earlier lives have stored under nodes that are done, and not expanded again.
    pub(crate) fn count_stored_elements(&mut self) {
        for (idx, task) in (0..).map(TaskIdx::new).zip(&self.tasks) {
            let mut open: Vec<(usize, &Branch)> = vec![(0, task)];
            while let Some((level, branch)) = open.pop() {
                let Some(below) = &branch.below else { continue };
                open.extend(below.branches.values().map(|branch| (level + 1, branch)));
                if level > 0 && matches!(branch.entry, Entry::Done(_)) {
                    let stored = u32::try_from(below.elements.count(u32::MAX)).unwrap_or(u32::MAX);
                    let count = self.elements.entry((idx, level)).or_default();
                    *count = count.saturating_add(stored);
                }
            }
        }
    }

    // Counts what an element waits for and has come before its task was expanded.
    fn count_ended_sources(&mut self, node: NodeId, waits: u32) {
        if self.has_ended(node) {
            return;
        }
        let (mut left, mut is_tainted) = (waits, false);
        let sources = self.element_sources.get(&node.task).map_or(&[][..], Vec::as_slice);
        for source in sources.iter().filter(|source| source.level == node.at.level()) {
            let other = NodeId { task: source.task, at: node.at };
            if self.has_ended(other) {
                left = left.saturating_sub(1);
                is_tainted |= !self.has_ended_well(other);
            } else if source.on == Milestone::Expanded && self.is_expanded(other) {
                left = left.saturating_sub(1);
            }
        }
        if left == waits {
            return;
        }
        if left == 0 && !is_tainted {
            return self.enqueue_elements_with(node);
        }
        if let Some(node) = self.touch(node) {
            (node.left, node.is_tainted) = (left, is_tainted);
        }
        self.enqueue_if_ready(node);
    }

    fn is_expanded(&self, node: NodeId) -> bool {
        let task = self.tasks.get(node.task.index());
        task.and_then(|task| task.at(&node.at)).is_some_and(Branch::is_expanded)
    }

    /// Returns whether a node that has ended is done. A node with elements that stores nothing has ended well too, and an
    /// element of which nothing is stored has ended as the node around it has.
    pub(crate) fn has_ended_well(&self, node: NodeId) -> bool {
        let Some(task) = self.tasks.get(node.task.index()) else { return false };
        match (task.entry(&node.at), node.parent()) {
            (Entry::Done(_) | Entry::LeftOut(_), _) => true,
            (Entry::Skipped(_) | Entry::Failed(_), _) => false,
            (Entry::Open, around) => {
                task.at(&node.at).is_some_and(|branch| branch.node.phase == Phase::Ended)
                    || around.is_some_and(|around| self.has_ended_well(around))
            }
        }
    }

    /// Removes the remaining elements of a node, and those within them, from the queue. Claimed ones may still be settled.
    pub(crate) fn clear(&mut self, expansion: Expansion) {
        let queued = expansion.live.into_values().filter_map(|node| match node.phase {
            Phase::Queued(position) => Some(position),
            Phase::Waiting | Phase::Ready | Phase::Claimed | Phase::Ended => None,
        });
        let positions: Vec<Position> = queued.chain(expansion.position).collect();
        for position in positions {
            self.queue.remove(position);
        }
    }

    /// Takes the expansions of all elements within a node out of the queue.
    pub(crate) fn clear_below(&mut self, below: &mut Below) {
        let mut open: Vec<&mut Below> = vec![below];
        while let Some(below) = open.pop() {
            if let Some(expansion) = below.expansion.take() {
                self.clear(expansion);
            }
            for branch in below.branches.values_mut() {
                if let Phase::Queued(position) = branch.node.phase {
                    self.queue.remove(position);
                    branch.node.phase = Phase::Waiting;
                }
                open.extend(branch.below.as_deref_mut());
            }
        }
    }
}

/// Returns the resource class of a node: one that is to be expanded takes no resources.
fn class_of(shape: &TaskShape, node: NodeId) -> u16 {
    if shape.is_expandable(&node.at) { 0 } else { shape.class }
}
