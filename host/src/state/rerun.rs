//! Nodes that run again although they have results: a set of nodes, each with all below it.
//! The engine finds what depends on them; ledgers discard their results once, and remember them until the run succeeds.

use crate::model::{IndexPath, TaskIdx};
use crate::state::{NodeId, RunShape, split_node_name};
use std::collections::{HashMap, HashSet};

/// A set of nodes that run again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rerun {
    /// No node lies below another.
    nodes: HashSet<NodeId>,
    /// The nodes around them, whose lists contain their results.
    around: HashSet<NodeId>,
}

impl Rerun {
    /// Creates a set. What lies below another node is left out.
    pub(crate) fn new(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let mut nodes: Vec<NodeId> = nodes.into_iter().collect();
        nodes.sort_unstable_by_key(|node| node.at.level());
        let mut rerun = Self::default();
        for node in nodes {
            if !rerun.covers(node) {
                rerun.around.extend(around(node));
                rerun.nodes.insert(node);
            }
        }
        rerun
    }

    /// Returns this set and another one together.
    pub(crate) fn with(&self, others: impl IntoIterator<Item = NodeId>) -> Self {
        Self::new(self.nodes.iter().copied().chain(others))
    }

    /// Returns whether there are no nodes.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns whether a node runs again: it is in the set, or below a node in it.
    pub(crate) fn covers(&self, node: NodeId) -> bool {
        !self.nodes.is_empty()
            && (self.nodes.contains(&node) || around(node).any(|of| self.nodes.contains(&of)))
    }

    /// Returns whether the result of a node is discarded: it runs again, or is a list with an element that does.
    pub(crate) fn discards(&self, node: NodeId) -> bool {
        self.covers(node) || self.around.contains(&node)
    }

    /// Returns whether any result of a task is discarded.
    pub(crate) fn touches(&self, task: TaskIdx) -> bool {
        self.discards(NodeId::of_task(task))
    }

    /// Returns the nodes, in order.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = self.nodes.iter().copied().collect();
        nodes.sort_unstable();
        nodes
    }

    /// Returns the nodes of tasks that a shape includes, and all others.
    pub(crate) fn by_inclusion(&self, shape: &RunShape) -> (Self, Self) {
        let is_included =
            |node: &NodeId| shape.tasks.get(node.task.index()).is_some_and(|task| task.is_included);
        let (included, others): (Vec<NodeId>, _) = self.nodes.iter().copied().partition(is_included);
        (Self::new(included), Self::new(others))
    }

    /// Returns the names of the nodes, by which another plan finds them again.
    pub(crate) fn names(&self, shape: &RunShape) -> Vec<String> {
        self.nodes().into_iter().filter_map(|node| shape.name_of(node)).collect()
    }

    /// Creates a set of the nodes that have these names in a shape.
    pub(crate) fn of_names<'n>(shape: &RunShape, names: impl Iterator<Item = &'n str>) -> Self {
        let mut names = names.filter(|name| !name.is_empty()).peekable();
        if names.peek().is_none() {
            return Self::default();
        }
        let tasks = (0..).map(TaskIdx::new).zip(&shape.tasks);
        let tasks: HashMap<&str, _> = tasks.map(|(idx, task)| (task.name.as_str(), (idx, task))).collect();
        Self::new(names.filter_map(|name| {
            let (task, indexes) = split_node_name(name)?;
            let (task, shape) = *tasks.get(task.as_str())?;
            let (places, indexes): (Vec<u8>, Vec<u32>) = indexes.into_iter().unzip();
            let at = IndexPath::new(&indexes).filter(|_| shape.indexed.starts_with(&places))?;
            Some(NodeId { task, at })
        }))
    }
}

/// Returns the nodes around a node, from the inside out.
fn around(node: NodeId) -> impl Iterator<Item = NodeId> {
    std::iter::successors(node.parent(), |node| node.parent())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, TaskName};
    use crate::state::TaskShape;

    fn node(task: u32, at: &[u32]) -> NodeId {
        NodeId { task: TaskIdx::new(task), at: IndexPath::new(at).unwrap() }
    }

    #[test]
    fn set_covers_what_is_below_and_discards_what_is_around() {
        let rerun = Rerun::new([node(0, &[3, 1]), node(1, &[]), node(1, &[2])]);
        assert_eq!(rerun.nodes(), [node(0, &[3, 1]), node(1, &[])]);
        for (of, covers, discards) in [
            (node(0, &[3, 1]), true, true),
            (node(0, &[3, 1, 0]), true, true),
            (node(0, &[3]), false, true),
            (node(0, &[]), false, true),
            (node(0, &[3, 2]), false, false),
            (node(0, &[2]), false, false),
            (node(1, &[7, 7]), true, true),
            (node(2, &[]), false, false),
        ] {
            assert_eq!((rerun.covers(of), rerun.discards(of)), (covers, discards), "{of:?}");
        }
        assert_eq!(rerun.with([node(0, &[])]).nodes(), [node(0, &[]), node(1, &[])]);
    }

    #[test]
    fn names_are_those_of_the_plan_at_hand() {
        let task = |name: &str, indexed: &[u8]| TaskShape {
            name: TaskName::new(name).unwrap(),
            fingerprint: Digest::of_bytes(b""),
            waits_for: Vec::new(),
            dependents: Vec::new(),
            rank: 0,
            class: 0,
            indexed: indexed.to_vec(),
            is_repeated: false,
            is_included: true,
            deadlines: Vec::new(),
        };
        let shape = |tasks| RunShape {
            tasks,
            classes: vec![vec![]],
            resources: Vec::new(),
            larger: Vec::new(),
            has_closing: false,
            max_elements: 9,
            deadlines: Vec::new(),
            deadline: None,
            first_finally: None,
        };
        let before = shape(vec![task("clean/count", &[1, 2]), task("sum", &[])]);
        let names = Rerun::new([node(0, &[3, 7]), node(1, &[])]).names(&before);
        assert_eq!(names, ["clean[3]/count[7]", "sum"]);
        let now = shape(vec![task("sum", &[]), task("clean/count", &[1, 2])]);
        let names = names.iter().map(String::as_str).chain(["gone", "sum[1]", "clean[2]", ""]);
        assert_eq!(Rerun::of_names(&now, names).nodes(), [node(0, &[]), node(1, &[3, 7])]);
    }
}
