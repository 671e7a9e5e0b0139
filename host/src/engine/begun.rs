//! When this host began to work on the nodes that repeat, for the duration of all their iterations.
//! `job` reports it once a node has ended.

use crate::state::NodeId;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// When this host began to work on each node that repeats.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    // A mutex because jobs run on many threads; each critical section is one lookup.
    nodes: Mutex<HashMap<NodeId, Instant>>,
}

impl Begun {
    /// Remembers that this host works on a node. Returns whether it has not before.
    pub(crate) fn begin(&self, node: NodeId) -> bool {
        match self.nodes().entry(node) {
            Entry::Vacant(begun) => {
                begun.insert(Instant::now());
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Returns whether this host works on a node.
    pub(crate) fn contains(&self, node: NodeId) -> bool {
        self.nodes().contains_key(&node)
    }

    /// Forgets a node that has ended, and returns for how long this host has worked on it.
    pub(crate) fn end(&self, node: NodeId) -> Duration {
        let begun = self.nodes().remove(&node);
        begun.map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<NodeId, Instant>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
