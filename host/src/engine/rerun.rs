//! What has to run again with some nodes of a run: everything that their results decide.
//! The ledger discards the results; `in_flight` calls these nodes in spite of the cache.

use crate::model::TaskIdx;
use crate::plan::Plan;
use crate::state::{NodeId, Rerun};
use std::collections::HashSet;

/// Returns `nodes` and all that depend on them, each with all below it: the outermost ones, in order.
///
/// A node depends on those that it reads by its arguments, lists, and conditions. An element that flows from another depends
/// on that one alone. An order without data (`after`) is no dependency.
#[must_use]
pub fn with_dependents(plan: &Plan, nodes: &[NodeId]) -> Vec<NodeId> {
    let mut readers: Vec<Vec<(TaskIdx, usize)>> = vec![Vec::new(); plan.tasks().len()];
    for reader in (0..).map(TaskIdx::new).take(plan.tasks().len()) {
        for (read, level) in plan.data_sources(reader) {
            readers.get_mut(read.index()).into_iter().for_each(|readers| readers.push((reader, level)));
        }
    }
    let (mut found, mut open): (HashSet<NodeId>, Vec<NodeId>) = (HashSet::new(), nodes.to_vec());
    while let Some(node) = open.pop() {
        if found.insert(node) {
            let readers = readers.get(node.task.index()).into_iter().flatten();
            open.extend(readers.map(|(task, level)| NodeId { task: *task, at: node.at.prefix(*level) }));
        }
    }
    Rerun::new(found).nodes()
}
