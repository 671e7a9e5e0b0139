//! The links of a graph: which tasks come before a task, and why. Drawings show them.
//! Scheduling follows `waits_for` and the flows of each task instead.

use crate::graph::uses::{each_task, each_use};
use crate::graph::{Expr, Graph, Node};
use crate::model::TaskIdx;
use std::collections::BTreeMap;

/// Why a task comes after another, the strongest reason first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// It reads the other's output.
    Data,
    /// It reads the other's output if a `select` chooses that case.
    Case,
    /// It only waits for the other: by `after`, or since the other decides whether it is needed.
    Order,
}

/// Two tasks, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The earlier task.
    pub from: TaskIdx,
    /// The later task.
    pub to: TaskIdx,
    /// The strongest reason.
    pub kind: LinkKind,
}

impl Graph {
    /// Returns the links between all tasks: each pair once, in the order of the later task, then of the earlier one.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        let indexed = (0..).map(TaskIdx::new).zip(&self.nodes);
        let of_task = |(to, node): (TaskIdx, &Node)| {
            let before = self.before(node).into_iter().filter(move |(from, _)| *from != to);
            before.map(move |(from, kind)| Link { from, to, kind }).collect::<Vec<_>>()
        };
        indexed.flat_map(of_task).collect()
    }

    /// Returns the outputs of the run by name, each with the tasks that it may read, in manifest order.
    #[must_use]
    pub fn output_tasks(&self) -> Vec<(&str, Vec<TaskIdx>)> {
        let read = |value: &Expr| {
            let mut tasks = Vec::new();
            each_task(value, &mut |task| tasks.push(task));
            tasks.sort_unstable();
            tasks.dedup();
            tasks
        };
        self.outputs.iter().map(|(name, value)| (name.as_str(), read(&value.value))).collect()
    }

    /// Returns the tasks before a task, each with the strongest reason.
    fn before(&self, node: &Node) -> BTreeMap<TaskIdx, LinkKind> {
        let mut before = BTreeMap::new();
        let mut link = |from: TaskIdx, kind: LinkKind| {
            let known = before.entry(from).or_insert(kind);
            *known = kind.min(*known);
        };
        let around = node.around.iter().filter_map(|pipeline| self.pipelines.get(*pipeline));
        let lists = around.flat_map(|pipeline| &pipeline.for_each).chain(&node.for_each);
        let values = node.args.iter().map(|(_, value)| value);
        let conditions = node.conditions.iter().map(|condition| &condition.subject);
        for value in values.chain(conditions).chain(lists.map(|(_, list)| list)) {
            each_use(&value.value, None, &mut |from, gates| {
                link(from, if gates.is_empty() { LinkKind::Data } else { LinkKind::Case });
            });
        }
        node.waits_for.iter().chain(&node.after).for_each(|from| link(*from, LinkKind::Order));
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::resolve;
    use crate::graph::sample::sample;

    fn links(text: &str) -> Vec<(u32, u32, LinkKind)> {
        let graph = resolve(sample(text)).graph;
        let position = |task: TaskIdx| u32::try_from(task.index()).unwrap();
        graph.links().into_iter().map(|link| (position(link.from), position(link.to), link.kind)).collect()
    }

    #[test]
    fn each_pair_has_the_strongest_reason() {
        assert_eq!(links("a:\nb: x=a y=a >a\n"), [(0, 1, LinkKind::Data)]);
        assert_eq!(links("a:\nb: >a\n"), [(0, 1, LinkKind::Order)]);
    }

    #[test]
    fn cases_are_weaker_than_their_selector() {
        let found = links("s:\na:\nb: x=(s ? one=a)\nout o = b\n");
        assert!(found.contains(&(0, 2, LinkKind::Data)), "{found:?}");
        assert!(found.contains(&(1, 2, LinkKind::Case)), "{found:?}");
        assert!(found.contains(&(0, 1, LinkKind::Order)), "the selector decides whether `a` runs: {found:?}");
    }

    #[test]
    fn lists_and_conditions_are_read() {
        let found = links("l:\nc:\nb: each.i=l when=c x=#i\n");
        assert_eq!(found, [(0, 2, LinkKind::Data), (1, 2, LinkKind::Data)]);
    }
}
