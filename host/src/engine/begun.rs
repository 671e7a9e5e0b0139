//! When this host began to work on the nodes that repeat, for the duration of all their iterations.
//! `job` reports it once a node has ended.

use crate::state::NodeId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// When this host began to work on each node that repeats.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    // A mutex because jobs run on many threads; each critical section is one lookup.
    nodes: Mutex<HashMap<NodeId, Instant>>,
}

impl Begun {
    /// Remembers that this host works on a node, unless it has before.
    pub(crate) fn begin(&self, node: NodeId) {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).entry(node).or_insert_with(Instant::now);
    }

    /// Forgets a node that has ended, and returns for how long this host has worked on it.
    pub(crate) fn end(&self, node: NodeId) -> Duration {
        let begun = self.nodes.lock().unwrap_or_else(PoisonError::into_inner).remove(&node);
        begun.map_or(Duration::ZERO, |begun| begun.elapsed())
    }
}
