//! What has to run again with some nodes of a run: everything that their results decide.
//! The ledger discards the results; `in_flight` calls these nodes in spite of the cache.

use crate::engine::list_cache::ListCache;
use crate::engine::resolve::{Known, Scope};
use crate::model::TaskIdx;
use crate::plan::{Bound, Plan};
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

/// Returns how many elements the outermost list around a task has, if that is known before the run; none otherwise.
#[must_use]
pub fn elements_before_run(bound: &Bound, task: TaskIdx) -> Option<u32> {
    let of = bound.plan().fan_out(task, 1)?;
    let limits = bound.plan().task(task)?.limits;
    let (known, lists) = (Known::default(), ListCache::default());
    let scope = Scope::outermost(bound, (&known, &lists), limits);
    scope.elements(of).ok().map(|elements| elements.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::plan;

    const FUNCTIONS: &[&str] = &[
        "run() -> string",
        "echo(t: string) -> string",
        "many() -> list<string>",
        "all(xs: list<string>) -> string",
    ];

    /// `a` and `b` flow, `c` reads the list of `b`, `d` is conditional on `c`, `e` comes after it.
    const TEXT: &str = "l: call=c.many\na: call=c.echo each.x=l t=#x\nb: call=c.echo each.y=a t=#y\n\
        c: call=c.all xs=b\nd: when=c equals='x'\ne: >c\nf: call=c.echo t=(c ? x=e | 'z')\ng:";

    fn again(nodes: &[(u32, Option<u32>)]) -> String {
        let plan = plan(FUNCTIONS, TEXT);
        let node = |(task, item): &(u32, Option<u32>)| {
            let task = NodeId::of_task(TaskIdx::new(*task));
            item.map_or(task, |item| task.child(item))
        };
        let found = with_dependents(&plan, &nodes.iter().map(node).collect::<Vec<_>>());
        let name = |node: &NodeId| {
            let name = plan.task(node.task).map(|task| task.name.to_string()).unwrap_or_default();
            node.at.as_slice().iter().fold(name, |name, item| format!("{name}[{item}]"))
        };
        found.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn dependents_are_those_that_read_what_runs_again() {
        assert_eq!(again(&[(0, None)]), "l a b c d f");
        assert_eq!(again(&[(1, Some(3))]), "a[3] b[3] c d f");
        assert_eq!(again(&[(2, Some(0)), (2, Some(2))]), "b[0] b[2] c d f");
        assert_eq!(again(&[(4, None)]), "d");
        assert_eq!(again(&[(5, None), (7, None)]), "e f g");
        assert_eq!(again(&[]), "");
    }
}
