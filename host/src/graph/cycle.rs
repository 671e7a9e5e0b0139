//! Cycles among tasks, each reported once, with its path.
//! `cut` breaks them up.

use crate::graph::draft::Draft;
use crate::graph::scc;
use crate::manifest::Manifest;
use crate::model::{Fault, Name, Span};
use std::collections::HashMap;
use std::collections::VecDeque;

/// Maximum number of reported cycles per strongly connected component, which may have more cycles than tasks.
const MAX_CYCLES: usize = 8;
/// Maximum number of names shown per cycle; a generated manifest may have a cycle of 100,000.
const MAX_NAMES: usize = 12;

/// Result of the search for cycles.
pub(crate) struct Cycles {
    /// The strongly connected component of each task, by position; `None` for a task outside all cycles.
    pub(crate) components: Vec<Option<usize>>,
    /// One fault per cycle.
    pub(crate) faults: Vec<Fault>,
}

/// Finds the cycles that `args`, `for-each`, `when` and `after` make together.
pub(crate) fn find(manifest: &Manifest, drafts: &[Draft]) -> Cycles {
    let edges: Vec<Vec<usize>> =
        drafts.iter().map(|draft| references(draft).map(|reference| reference.to).collect()).collect();
    let groups = scc::strongly_connected_components(&edges);
    let sizes = scc::component_sizes(&groups);
    let size_of = |group: &usize| sizes.get(*group).copied().unwrap_or(0);
    let components = groups.iter().map(|group| (size_of(group) > 1).then_some(*group)).collect();
    let mut search = CycleSearch { drafts, groups: &groups, is_shown: vec![false; drafts.len()] };
    let mut shown_by_group: HashMap<usize, usize> = HashMap::new();
    let mut faults = Vec::new();
    for (task, group) in groups.iter().enumerate().filter(|(_, group)| size_of(group) > 1) {
        let shown = shown_by_group.entry(*group).or_default();
        if *shown < MAX_CYCLES && !search.is_shown.get(task).copied().unwrap_or(true) {
            *shown += 1;
            let cycle = search.shortest(task);
            faults.extend(fault(manifest, &cycle));
        }
    }
    Cycles { components, faults }
}

/// A reference from one task to another.
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

/// A step of a cycle: a task, and how it refers to the next one.
struct Step<'a> {
    task: usize,
    reference: Reference<'a>,
}

struct CycleSearch<'a> {
    drafts: &'a [Draft],
    groups: &'a [usize],
    is_shown: Vec<bool>,
}

impl<'a> CycleSearch<'a> {
    /// Returns the shortest cycle through a task of a strongly connected component, by breadth-first search.
    fn shortest(&mut self, start: usize) -> Vec<Step<'a>> {
        let group = self.groups.get(start);
        let mut reached_by: HashMap<usize, Step<'a>> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(task) = queue.pop_front() {
            for reference in self.drafts.get(task).into_iter().flat_map(references) {
                let to = reference.to;
                // Every cycle stays within one strongly connected component, so other edges lead nowhere.
                if self.groups.get(to) == group && !reached_by.contains_key(&to) {
                    reached_by.insert(to, Step { task, reference });
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
            current = step.task;
            if let Some(is_shown) = self.is_shown.get_mut(current) {
                *is_shown = true;
            }
            steps.push(step);
        }
        steps.reverse();
        steps
    }
}

fn fault(manifest: &Manifest, cycle: &[Step<'_>]) -> Option<Fault> {
    let name = |task: usize| manifest.tasks.get_index(task).map_or("", |(name, _)| Name::as_str(name));
    let label = |step: &Step<'_>| {
        format!("`{}` {} `{}`", name(step.task), step.reference.verb, name(step.reference.to))
    };
    let (first, others) = cycle.split_first()?;
    let names: Vec<&str> = cycle.iter().map(|step| name(step.task)).collect();
    let message = format!("tasks wait for each other in a cycle: {}", path(&names));
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
