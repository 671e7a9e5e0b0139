//! A map by nodes that takes little memory for elements: the many elements of one node share its path.
//! The backends decide what they keep of each node.

use crate::model::{IndexPath, TaskIdx};
use crate::state::NodeId;
use rustc_hash::FxHashMap;

/// Values by node.
#[derive(Debug, Clone)]
pub(crate) struct NodeMap<T> {
    /// By the node around it and the last index. A task itself has none around it, and index 0.
    around: FxHashMap<(TaskIdx, Option<IndexPath>), FxHashMap<u32, T>>,
}

impl<T> Default for NodeMap<T> {
    fn default() -> Self {
        Self { around: FxHashMap::default() }
    }
}

impl<T> NodeMap<T> {
    /// Returns whether there are no values.
    pub(crate) fn is_empty(&self) -> bool {
        self.around.is_empty()
    }

    /// Returns the value of a node.
    pub(crate) fn get(&self, node: NodeId) -> Option<&T> {
        let (around, index) = split(node);
        self.around.get(&around)?.get(&index)
    }

    /// Sets the value of a node.
    pub(crate) fn insert(&mut self, node: NodeId, value: T) {
        let (around, index) = split(node);
        self.around.entry(around).or_default().insert(index, value);
    }

    /// Removes the value of a node.
    pub(crate) fn remove(&mut self, node: NodeId) -> Option<T> {
        let (around, index) = split(node);
        let of_node = self.around.get_mut(&around)?;
        let removed = of_node.remove(&index);
        if of_node.is_empty() {
            self.around.remove(&around);
        }
        removed
    }

    /// Returns the nodes of a task with their values.
    pub(crate) fn of_task(&self, task: TaskIdx) -> impl Iterator<Item = (NodeId, &T)> {
        self.iter_where(move |of| of == task)
    }

    /// Returns all nodes with their values; those of one node around them follow one another.
    #[cfg(feature = "redis")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &T)> {
        self.iter_where(|_| true)
    }

    fn iter_where(&self, is_meant: impl Fn(TaskIdx) -> bool) -> impl Iterator<Item = (NodeId, &T)> {
        let meant = self.around.iter().filter(move |((task, _), _)| is_meant(*task));
        meant.flat_map(|((task, around), values)| {
            values.iter().map(move |(index, value)| {
                let at = around.map_or(IndexPath::root(), |around| around.child(*index));
                (NodeId { task: *task, at }, value)
            })
        })
    }
}

fn split(node: NodeId) -> ((TaskIdx, Option<IndexPath>), u32) {
    match node.at.split_last() {
        Some((around, index)) => ((node.task, Some(around)), index),
        None => ((node.task, None), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_and_its_elements_at_any_level_have_values_of_their_own() {
        let task = NodeId::of_task(TaskIdx::new(1));
        let nodes =
            [task, task.child(0), task.child(7), task.child(0).child(0), NodeId::of_task(TaskIdx::new(2))];
        let mut map = NodeMap::default();
        for (value, node) in nodes.iter().enumerate() {
            map.insert(*node, value);
        }
        for (value, node) in nodes.iter().enumerate() {
            assert_eq!(map.get(*node), Some(&value));
        }
        assert_eq!(map.iter().count(), nodes.len());
        assert!(map.iter().all(|(node, value)| nodes[*value] == node));
        assert_eq!((map.remove(nodes[2]), map.get(nodes[2]), map.get(nodes[1])), (Some(2), None, Some(&1)));
        assert_eq!((map.remove(nodes[2]), map.remove(nodes[0])), (None, Some(0)));
        for node in nodes {
            map.remove(node);
        }
        assert!(map.is_empty());
    }
}
