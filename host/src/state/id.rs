//! Identities within a run: hosts, nodes, and claim tokens.
//! The ports define their use.

use crate::model::TaskIdx;
use std::sync::Arc;

/// One incarnation of a host process; an id is never reused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostId(pub Arc<str>);

/// A task, or an element of a `for-each` task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// The task.
    pub task: TaskIdx,
    /// The element's index; none for the task itself.
    pub item: Option<u32>,
}

/// The right to settle a claimed node once, so that a stale settlement is fenced.
///
/// The ledger draws the token. It is unique among all claims of the run in all lives and epochs, and never valid again. A
/// shared store must not draw it from data that it may lose, such as a counter on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);
