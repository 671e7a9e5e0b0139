//! The machine's record of one task: its node, its stored state, and its elements once it is expanded.
//! Transitions are left to the machine.

use crate::model::TaskIdx;
use crate::state::memory::elements::Elements;
use crate::state::memory::queue::Position;
use crate::state::{Entry, NodeId, Token};
use std::collections::{BTreeSet, HashMap};

/// The scheduling state of a node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// One plus the retries so far.
    pub(crate) attempt: u32,
    /// Lost leases since the last settlement other than a release.
    pub(crate) takeovers: u32,
    /// Whether a dependency of the node was skipped or has failed.
    pub(crate) is_tainted: bool,
    /// Whether the node was reported to be blocked by a resource.
    pub(crate) is_reported: bool,
    /// Open tasks that the node awaits, besides the shape's edges.
    pub(crate) awaits: u32,
    /// The claim whose lease has expired.
    pub(crate) expired_claim: Option<Token>,
    /// The phase of the node.
    pub(crate) phase: Phase,
}

/// The phase of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waits for a dependency, a retry delay, or its elements.
    Waiting,
    /// Queued on its own.
    Queued(Position),
    /// An element that is queued to be handed out again.
    Repeated,
    /// Claimed by a host.
    Claimed,
    /// Done, skipped or failed.
    Ended,
}

impl Node {
    /// Creates an untouched node.
    pub(crate) const fn new(phase: Phase) -> Self {
        Self {
            attempt: 1,
            takeovers: 0,
            is_tainted: false,
            is_reported: false,
            awaits: 0,
            expired_claim: None,
            phase,
        }
    }
}

/// One task.
#[derive(Debug)]
pub(crate) struct Task {
    /// The task as a node.
    pub(crate) node: Node,
    /// Wanted dependencies that have not ended.
    pub(crate) left: u32,
    /// The stored state of the task.
    pub(crate) entry: Entry,
    /// The stored state of its elements, from this life of the run and earlier ones.
    pub(crate) elements: Elements,
    /// The elements, while the task is expanded.
    pub(crate) expansion: Option<Box<Expansion>>,
}

impl Task {
    /// Creates a task with the state stored by an earlier life of the run.
    pub(crate) const fn new(entry: Entry, elements: Elements) -> Self {
        let phase = if matches!(entry, Entry::Open) { Phase::Waiting } else { Phase::Ended };
        Self { node: Node::new(phase), left: 0, entry, elements, expansion: None }
    }

    /// Returns the task or one of its elements; none for an element without a record.
    pub(crate) fn node_mut(&mut self, item: Option<u32>) -> Option<&mut Node> {
        match item {
            None => Some(&mut self.node),
            Some(item) => self.expansion.as_mut()?.live.get_mut(&item),
        }
    }

    /// Returns the stored state of the task or of one of its elements.
    pub(crate) fn entry(&self, item: Option<u32>) -> &Entry {
        match item {
            None => &self.entry,
            Some(item) => self.elements.get(item),
        }
    }

    /// Moves the cursor past elements that are stored.
    pub(crate) fn skip_stored(&mut self) {
        if let Some(expansion) = &mut self.expansion {
            while expansion.cursor < expansion.items
                && !matches!(self.elements.get(expansion.cursor), Entry::Open)
            {
                expansion.cursor += 1;
            }
        }
    }
}

/// The elements of an expanded task. Those before the cursor were handed out; those after it cost nothing.
#[derive(Debug)]
pub(crate) struct Expansion {
    /// Number of elements.
    pub(crate) items: u32,
    /// Maximum number of elements claimed at the same time.
    pub(crate) max_parallel: u32,
    /// The next element that was never handed out.
    pub(crate) cursor: u32,
    /// Elements to be handed out again, before any other.
    pub(crate) repeated: BTreeSet<u32>,
    /// Elements with a record.
    pub(crate) live: HashMap<u32, Node>,
    /// Number of elements that have ended.
    pub(crate) ended: u32,
    /// Number of claimed elements, without tainted ones.
    pub(crate) running: u32,
    /// Position in the queue, while an element may be handed out.
    pub(crate) position: Option<Position>,
    /// One past the last element that was reported to be blocked by a resource.
    pub(crate) reported: u32,
}

impl Expansion {
    /// Returns the element to be handed out next.
    pub(crate) fn next(&self) -> Option<u32> {
        self.repeated.first().copied().or_else(|| (self.cursor < self.items).then_some(self.cursor))
    }

    /// Returns whether an element may be handed out now.
    pub(crate) fn is_open(&self) -> bool {
        self.running < self.max_parallel && self.next().is_some()
    }
}

/// Returns the task itself as a node.
pub(crate) const fn task_node(task: TaskIdx) -> NodeId {
    NodeId { task, item: None }
}
