//! Offers: results of another plan, which a node has again if it makes the same call.
//! `life` hands them from one life of a run to the next.

use crate::model::{IndexPath, TaskIdx};
use crate::state::memory::machine::Machine;
use crate::state::memory::task::{Branch, Offered};
use crate::state::{CallDigest, Entry, NodeId};

impl Machine {
    /// Stores the call of a node that has a new result or iteration, which takes the place of what it was offered.
    pub(crate) fn record_call(&mut self, node: NodeId, call: Option<CallDigest>) {
        if !self.offers.is_empty() {
            self.offers.remove(node);
        }
        let Some(call) = call else { return };
        match node.parent().zip(node.at.last()) {
            None => {
                self.calls.insert(node.task, call);
            }
            Some((around, item)) => {
                let below = self.branch_mut(around).and_then(|around| around.below.as_mut());
                below.into_iter().for_each(|below| below.elements.record_call(item, call));
            }
        }
    }

    /// Returns the call that a node has made; none if it is not known.
    fn call_of(&self, node: NodeId) -> Option<CallDigest> {
        let Some((around, item)) = node.at.split_last() else {
            return self.calls.get(&node.task).copied();
        };
        let around = self.tasks.get(node.task.index())?.at(&around)?;
        around.below.as_ref()?.elements.call(item)
    }

    /// Gives a node the results that it is offered.
    pub(crate) fn accept(&mut self, node: NodeId) {
        let Some(Offered { call, result, iterations }) = self.offers.remove(node) else {
            return self.release(node);
        };
        self.record_call(node, Some(call));
        if !iterations.is_empty()
            && let Some(task) = self.tasks.get_mut(node.task.index())
        {
            task.iterations.get_or_insert_default().insert(node.at, iterations);
        }
        match result {
            Some(bytes) => self.end(node, Entry::of_stored(bytes)),
            None => self.release(node),
        }
    }

    /// Returns what the nodes of a task can be offered under another plan.
    pub(crate) fn offers_of(&self, task: TaskIdx, branch: &Branch) -> Vec<(NodeId, Offered)> {
        let mut nodes: Vec<NodeId> = Vec::new();
        if matches!(branch.entry, Entry::Done(_)) {
            nodes.push(NodeId::of_task(task));
        }
        branch.each_element(&mut |at, entry| {
            if matches!(entry, Entry::Done(_) | Entry::LeftOut(_)) {
                nodes.push(NodeId { task, at: *at });
            }
        });
        let is_open = |at: &IndexPath| !matches!(branch.entry(at), Entry::Done(_) | Entry::LeftOut(_));
        nodes.extend(
            branch
                .iterations
                .iter()
                .flat_map(|iterations| iterations.keys())
                .filter(|at| is_open(at))
                .map(|at| NodeId { task, at: *at }),
        );
        let offer = |node: NodeId| {
            let result = match branch.entry(&node.at) {
                Entry::Done(bytes) => Some(bytes),
                Entry::LeftOut(hole) => Some(hole.encode()),
                Entry::Open | Entry::Skipped(_) | Entry::Failed(_) => None,
            };
            let iterations = branch.iterations.as_ref().and_then(|iterations| iterations.get(&node.at));
            let iterations = iterations.cloned().unwrap_or_default();
            Some((node, Offered { call: self.call_of(node)?, result, iterations }))
        };
        nodes.into_iter().filter_map(offer).collect()
    }
}
