//! What the machine keeps of one task: how far it has come, and its elements once it is expanded.
//! When a task moves on is for the machine.

use crate::model::TaskIdx;
use crate::state::memory::elements::Elements;
use crate::state::memory::queue::Place;
use crate::state::{Entry, NodeId, Token};
use std::collections::{BTreeSet, HashMap};

/// A node that is not at rest.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// One plus the retries so far.
    pub(crate) attempt: u32,
    /// Lost leases since the last settlement.
    pub(crate) takeovers: u32,
    /// Whether something that it waits for was skipped or has failed.
    pub(crate) is_tainted: bool,
    /// Whether somebody was told that it lacks a resource.
    pub(crate) is_told: bool,
    /// Tasks that it waits for besides those of the shape.
    pub(crate) awaits: u32,
    /// The claim whose lease has passed.
    pub(crate) lapsed: Option<Token>,
    /// Where it is.
    pub(crate) phase: Phase,
}

/// Where a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Something that it waits for has not ended, or its delay, or its elements.
    Waiting,
    /// Lined up on its own.
    Queued(Place),
    /// An element that is lined up to be handed out again.
    Again,
    /// Handed out.
    Claimed,
    /// Done, skipped or failed.
    Ended,
}

impl Node {
    /// A node that nobody has touched.
    pub(crate) const fn new(phase: Phase) -> Self {
        Self { attempt: 1, takeovers: 0, is_tainted: false, is_told: false, awaits: 0, lapsed: None, phase }
    }
}

/// One task.
#[derive(Debug)]
pub(crate) struct Task {
    /// The task as a node.
    pub(crate) node: Node,
    /// Wanted tasks before it that have not ended.
    pub(crate) left: u32,
    /// What is stored of it.
    pub(crate) entry: Entry,
    /// What is stored of its elements, from this life of the run and from earlier ones.
    pub(crate) elements: Elements,
    /// Its elements while they are under way.
    pub(crate) split: Option<Box<Split>>,
}

impl Task {
    /// A task with what an earlier life of the run has left.
    pub(crate) const fn new(entry: Entry, elements: Elements) -> Self {
        let phase = if matches!(entry, Entry::Open) { Phase::Waiting } else { Phase::Ended };
        Self { node: Node::new(phase), left: 0, entry, elements, split: None }
    }

    /// The task or one of its elements, if it is not at rest.
    pub(crate) fn node_mut(&mut self, item: Option<u32>) -> Option<&mut Node> {
        match item {
            None => Some(&mut self.node),
            Some(item) => self.split.as_mut()?.live.get_mut(&item),
        }
    }

    /// What is stored of the task or of one of its elements.
    pub(crate) fn entry(&self, item: Option<u32>) -> &Entry {
        match item {
            None => &self.entry,
            Some(item) => self.elements.get(item),
        }
    }

    /// Moves the cursor past elements that are stored.
    pub(crate) fn skip_stored(&mut self) {
        if let Some(split) = &mut self.split {
            while split.cursor < split.items && !matches!(self.elements.get(split.cursor), Entry::Open) {
                split.cursor += 1;
            }
        }
    }
}

/// The elements of a task: those before the cursor have been touched, those after cost nothing.
#[derive(Debug)]
pub(crate) struct Split {
    /// How many there are.
    pub(crate) items: u32,
    /// How many may be held at the same time.
    pub(crate) max_parallel: u32,
    /// The next that nobody has touched.
    pub(crate) cursor: u32,
    /// Those to be handed out again, before any other.
    pub(crate) again: BTreeSet<u32>,
    /// Those that are not at rest.
    pub(crate) live: HashMap<u32, Node>,
    /// How many have ended.
    pub(crate) ended: u32,
    /// How many are held and take room.
    pub(crate) running: u32,
    /// Where they are lined up, while one may be handed out.
    pub(crate) place: Option<Place>,
    /// The element after the last of which somebody was told that it lacks a resource.
    pub(crate) told: u32,
}

impl Split {
    /// The element to be handed out next.
    pub(crate) fn next(&self) -> Option<u32> {
        self.again.first().copied().or_else(|| (self.cursor < self.items).then_some(self.cursor))
    }

    /// Whether one may be handed out now.
    pub(crate) fn is_open(&self) -> bool {
        self.running < self.max_parallel && self.next().is_some()
    }
}

/// The task itself as a node.
pub(crate) const fn whole(task: TaskIdx) -> NodeId {
    NodeId { task, item: None }
}
