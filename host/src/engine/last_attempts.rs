//! The failures of attempts that were to be repeated, of nodes with a deadline: its message names the last one.
//! `verdicts` decides whether an attempt is repeated; `overdue` writes the message.

use crate::model::{FailureClass, excerpt, message_parts};
use crate::state::NodeId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nodes whose failures are kept. Of a million elements that wait for their next attempts, the others have shorter messages.
const MAX_NODES: usize = 10_000;

/// Characters of a failure that are kept.
const MAX_TEXT: usize = 500;

/// The last failed attempt of each node that this host has attempted and that has not ended.
#[derive(Debug, Default)]
pub(crate) struct LastAttempts {
    // A mutex because jobs run on many threads; each critical section is one lookup.
    nodes: Mutex<HashMap<NodeId, String>>,
}

impl LastAttempts {
    /// Keeps how an attempt has failed. The message is without secrets; its backtrace and the guest's lines are dropped.
    pub(crate) fn keep(&self, node: NodeId, attempt: u32, (class, message): (FailureClass, &str)) {
        let words = excerpt(message_parts(message).own_words, MAX_TEXT);
        let text = format!("attempt {attempt} had failed: {class}: {words}");
        let mut nodes = self.nodes();
        if nodes.len() < MAX_NODES || nodes.contains_key(&node) {
            nodes.insert(node, text);
        }
    }

    /// Returns whether nothing is kept of a node, and there is room for it.
    pub(crate) fn lacks(&self, node: NodeId) -> bool {
        let nodes = self.nodes();
        nodes.len() < MAX_NODES && !nodes.contains_key(&node)
    }

    /// Returns how the last attempt of a node has failed.
    pub(crate) fn of(&self, node: NodeId) -> Option<String> {
        self.nodes().get(&node).cloned()
    }

    /// Forgets a node that has ended.
    pub(crate) fn forget(&self, node: NodeId) {
        self.nodes().remove(&node);
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<NodeId, String>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskIdx;

    #[test]
    fn failures_are_brief_bounded_and_forgotten() {
        let (kept, node) =
            (LastAttempts::default(), |at: usize| NodeId::of_task(TaskIdx::new(u32::try_from(at).unwrap())));
        kept.keep(node(0), 2, (FailureClass::Trap, "wasm trap\n0: 0x1f - words.wasm!split"));
        assert_eq!(kept.of(node(0)).unwrap(), "attempt 2 had failed: trap: wasm trap");
        kept.keep(node(0), 3, (FailureClass::Error, &"x".repeat(10 * MAX_TEXT)));
        assert!(kept.of(node(0)).unwrap().len() < 2 * MAX_TEXT);
        (1..=MAX_NODES).for_each(|at| kept.keep(node(at), 1, (FailureClass::Trap, "x")));
        assert!(kept.of(node(MAX_NODES - 1)).is_some() && kept.of(node(MAX_NODES)).is_none());
        assert!(!kept.lacks(node(0)) && !kept.lacks(node(MAX_NODES)), "there is no room");
        kept.forget(node(0));
        assert_eq!(kept.of(node(0)), None);
        assert!(kept.lacks(node(0)));
    }
}
