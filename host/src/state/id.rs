//! Identities in a run: hosts, nodes, and the tokens of claims.
//! What is done with them is for the ports.

use crate::model::TaskIdx;
use std::sync::Arc;

/// One incarnation of a host process; never used twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostId(pub Arc<str>);

/// A task, or an element of a `for-each` task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// The task.
    pub task: TaskIdx,
    /// The element.
    pub item: Option<u32>,
}

/// The right to settle a node once. Another claim of the same node has another token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);
