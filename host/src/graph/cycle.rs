//! Cycles among tasks and among components, each reported once, with its path.
//! `cut` breaks them up.

use crate::graph::draft::Draft;
use crate::graph::scc;
use crate::manifest::Manifest;
use crate::model::{Fault, Name, Span, Spanned};
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;

/// Maximum number of reported cycles per strongly connected component, which may have more cycles than tasks.
const MAX_CYCLES: usize = 8;
/// Maximum number of names shown per cycle; a generated manifest may have a cycle of 100,000.
const MAX_NAMES: usize = 12;

/// Result of the search for cycles.
pub(crate) struct Cycles {
    /// The strongly connected component of each node, by position; `None` for a node outside all cycles.
    pub(crate) components: Vec<Option<usize>>,
    /// Reports each cycle as a fault.
    pub(crate) faults: Vec<Fault>,
}

/// Finds the cycles that `args`, `for-each`, `when` and `after` of tasks make together. Tasks that are no node, since
/// they include a manifest, are part of none.
pub(crate) fn among_tasks<'a>(
    names: impl Iterator<Item = &'a str>,
    drafts: &[Draft],
    is_node: impl Fn(usize) -> bool,
) -> Cycles {
    let edges = |(task, draft)| {
        let references = references(draft).filter(|reference| is_node(task) && is_node(reference.to));
        references.collect()
    };
    find(&Nodes {
        names: names.collect(),
        edges: drafts.iter().enumerate().map(edges).collect(),
        message: "tasks wait for each other in a cycle",
    })
}

/// Finds the cycles that `imports` of components make.
pub(crate) fn among_components(manifest: &Manifest, suppliers: &[Vec<Spanned<usize>>]) -> Cycles {
    find(&Nodes {
        names: manifest.components.keys().map(Name::as_str).collect(),
        edges: suppliers.iter().map(|of_one| of_one.iter().map(supply).collect()).collect(),
        message: "components import from each other in a cycle",
    })
}

/// Kind of graph in which cycles are searched.
struct Nodes<'a> {
    names: Vec<&'a str>,
    edges: Vec<Vec<Reference<'a>>>,
    message: &'static str,
}

fn find(nodes: &Nodes<'_>) -> Cycles {
    let successors =
        |references: &Vec<Reference<'_>>| references.iter().map(|reference| reference.to).collect();
    let edges: Vec<Vec<usize>> = nodes.edges.iter().map(successors).collect();
    let groups = scc::strongly_connected_components(&edges);
    let sizes = scc::component_sizes(&groups);
    let size_of = |group: &usize| sizes.get(*group).copied().unwrap_or(0);
    let components = groups.iter().map(|group| (size_of(group) > 1).then_some(*group)).collect();
    let mut search = CycleSearch { edges: &nodes.edges, groups: &groups, is_shown: vec![false; edges.len()] };
    let mut shown_by_group: HashMap<usize, usize> = HashMap::new();
    let mut faults = Vec::new();
    let mut reported: HashSet<Span> = HashSet::new();
    for (node, group) in groups.iter().enumerate().filter(|(_, group)| size_of(group) > 1) {
        let shown = shown_by_group.entry(*group).or_default();
        if *shown < MAX_CYCLES && !search.is_shown.get(node).copied().unwrap_or(true) {
            *shown += 1;
            let cycle = search.shortest(node);
            // A manifest that is included often has the same cycle as often.
            let is_new = cycle.first().is_some_and(|step| reported.insert(step.reference.span.clone()));
            faults.extend(if is_new { fault(nodes, &cycle) } else { None });
        }
    }
    Cycles { components, faults }
}

/// A reference from one node to another.
#[derive(Clone, Copy)]
struct Reference<'a> {
    to: usize,
    span: &'a Span,
    verb: &'static str,
}

fn references(draft: &Draft) -> impl Iterator<Item = Reference<'_>> {
    let reads = draft.reads.iter().map(|read| (read, "needs"));
    let after = draft.after.iter().map(|after| (after, "runs after"));
    reads.chain(after).map(|(task, verb)| Reference { to: task.value.index(), span: &task.span, verb })
}

fn supply(supplier: &Spanned<usize>) -> Reference<'_> {
    Reference { to: supplier.value, span: &supplier.span, verb: "imports from" }
}

/// A step of a cycle: a node, and how it refers to the next one.
struct Step<'a> {
    node: usize,
    reference: Reference<'a>,
}

struct CycleSearch<'a> {
    edges: &'a [Vec<Reference<'a>>],
    groups: &'a [usize],
    is_shown: Vec<bool>,
}

impl<'a> CycleSearch<'a> {
    /// Returns the shortest cycle through a node of a strongly connected component, by breadth-first search.
    fn shortest(&mut self, start: usize) -> Vec<Step<'a>> {
        let group = self.groups.get(start);
        let mut reached_by: HashMap<usize, Step<'a>> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for reference in self.edges.get(node).into_iter().flatten().copied() {
                let to = reference.to;
                // Every cycle stays within one strongly connected component, so other edges lead nowhere.
                if self.groups.get(to) == group && !reached_by.contains_key(&to) {
                    reached_by.insert(to, Step { node, reference });
                    if to == start {
                        return self.unwind(reached_by, start);
                    }
                    queue.push_back(to);
                }
            }
        }
        Vec::new()
    }

    fn unwind(&mut self, mut reached_by: HashMap<usize, Step<'a>>, start: usize) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        let mut current = start;
        while let Some(step) = reached_by.remove(&current) {
            current = step.node;
            if let Some(is_shown) = self.is_shown.get_mut(current) {
                *is_shown = true;
            }
            steps.push(step);
        }
        steps.reverse();
        steps
    }
}

fn fault(nodes: &Nodes<'_>, cycle: &[Step<'_>]) -> Option<Fault> {
    let name = |node: usize| nodes.names.get(node).copied().unwrap_or_default();
    let label = |step: &Step<'_>| {
        format!("`{}` {} `{}`", name(step.node), step.reference.verb, name(step.reference.to))
    };
    let (first, others) = cycle.split_first()?;
    let names: Vec<&str> = cycle.iter().map(|step| name(step.node)).collect();
    let message = format!("{}: {}", nodes.message, path(&names));
    let fault = Fault::spanned(first.reference.span.clone(), message).label(label(first));
    let fault = others
        .iter()
        .take(MAX_NAMES)
        .fold(fault, |fault, step| fault.related(step.reference.span.clone(), label(step)));
    Some(fault.help("remove one of these references"))
}

/// Formats `a -> b -> a`, leaving out the middle of a long cycle.
fn path(names: &[&str]) -> String {
    let cycle = names.iter().copied().chain(names.first().copied());
    if names.len() <= MAX_NAMES {
        return cycle.collect::<Vec<_>>().join(" -> ");
    }
    let left_out = format!("… {} more …", names.len() - MAX_NAMES);
    let start = cycle.take(MAX_NAMES - 1).chain([left_out.as_str()]);
    start.chain(names.last().copied()).chain(names.first().copied()).collect::<Vec<_>>().join(" -> ")
}
