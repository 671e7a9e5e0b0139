//! Identities within a run: hosts, nodes, and claim tokens.
//! The ports define their use.

use crate::model::{IndexPath, TaskIdx};
use std::sync::Arc;

/// One incarnation of a host process; an id is never reused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostId(pub Arc<str>);

/// A task, an element of a `for-each` task, or an element of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// The task.
    pub task: TaskIdx,
    /// The indexes of the element; empty for the task itself.
    pub at: IndexPath,
}

impl NodeId {
    /// Returns the node of a task itself.
    #[must_use]
    pub const fn of_task(task: TaskIdx) -> Self {
        Self { task, at: IndexPath::root() }
    }

    /// Returns the node of an element of a task.
    #[must_use]
    pub fn element(task: TaskIdx, item: u32) -> Self {
        Self { task, at: IndexPath::root().child(item) }
    }

    /// Returns the element of this node with this index.
    #[must_use]
    pub fn child(self, item: u32) -> Self {
        Self { at: self.at.child(item), ..self }
    }

    /// Returns the node around this one; none for a task itself.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        self.at.split_last().map(|(at, _)| Self { at, ..self })
    }
}

/// A digest of one call: of the callee, what it is granted, and its arguments.
///
/// Within a run, calls of one node with the same digest have the same result, or may have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallDigest(pub [u8; 16]);

/// The right to settle a claimed node once, so that a stale settlement is fenced.
///
/// The ledger draws the token. It is unique among all claims of the run in all lives and epochs, and never valid again. A
/// shared store must not draw it from data that it may lose, such as a counter on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);
