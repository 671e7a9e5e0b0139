//! Pruning conditions: which tasks are needed only if a `select` chooses so, and by which selectors.
//! `engine` evaluates the conditions during the run.

use crate::graph::draft::{Draft, Output};
use crate::graph::{Gate, NeededClause, NeededIf, Pipeline, scc, uses};
use crate::model::TaskIdx;
use std::collections::HashSet;
use std::sync::Arc;

/// Maximum number of tasks that a lazy task waits for on behalf of its consumers' conditions, besides its selectors.
///
/// In a long chain of choices every task depends on all choices after it, so complete lists would grow quadratically.
/// Further selectors are awaited once the nearer choices are known and do not decide.
const MAX_INHERITED: usize = 32;

/// The tasks and outputs, with the dependencies that determine the lazy ones.
pub(crate) struct Input<'a> {
    pub(crate) tasks: &'a [Draft],
    pub(crate) pipelines: &'a [Pipeline],
    /// Outputs in `[outputs]`; default outputs do not keep a task from being lazy.
    pub(crate) named_outputs: &'a [Output],
    /// Per task: the tasks that it may read or is `after`.
    pub(crate) needs: &'a [Vec<TaskIdx>],
    /// Topological order: every task after its `needs`.
    pub(crate) order: &'a [TaskIdx],
    /// Position of the first task of `[finally]`. What these read of others decides nothing for those.
    pub(crate) first_finally: usize,
}

/// Conditions of all lazy tasks.
pub(crate) struct Needed {
    /// Entry of each task; `None` for a task that is always needed.
    by_task: Vec<Option<usize>>,
    /// Distinct conditions; those of consumers come before those of what they consume.
    entries: Vec<Entry>,
}

struct Entry {
    needed_if: Arc<NeededIf>,
    /// Tasks read by the condition's own selectors.
    deciders: Vec<TaskIdx>,
    /// Entries of the consumers.
    consumers: Vec<usize>,
    /// Deciders, and as many of the consumers' deciders as a task may inherit.
    waits: Vec<TaskIdx>,
    /// With how many of the pipelines around the task the condition varies.
    level: usize,
}

impl Needed {
    /// Finds the lazy tasks and their conditions.
    ///
    /// A task that a selector of its own condition may read cannot wait for that selector, and counts as always
    /// needed.
    pub(crate) fn find(input: &Input<'_>) -> Self {
        let is_forced = vec![false; input.tasks.len()];
        let conditions = Builder::new(input).build(&is_forced);
        let is_forced = conditions.entangled(input);
        if is_forced.contains(&true) { Builder::new(input).build(&is_forced) } else { conditions }
    }

    /// Returns the condition under which a task is needed; none if it always is.
    pub(crate) fn needed_if(&self, task: TaskIdx) -> Option<Arc<NeededIf>> {
        self.entry(task).map(|entry| Arc::clone(&entry.needed_if))
    }

    /// Returns the tasks that decide whether a task is needed and that it waits for from the start.
    pub(crate) fn waits(&self, task: TaskIdx) -> &[TaskIdx] {
        self.entry(task).map_or(&[], |entry| &entry.waits)
    }

    /// Returns with how many of the pipelines around a task its condition varies.
    pub(crate) fn level(&self, task: TaskIdx) -> usize {
        self.entry(task).map_or(0, |entry| entry.level)
    }

    fn entry(&self, task: TaskIdx) -> Option<&Entry> {
        self.entries.get(self.by_task.get(task.index()).copied().flatten()?)
    }

    /// Returns, for each task, whether the selectors that decide about it may need that very task.
    ///
    /// Conditions are nodes of the search too, numbered after the tasks, so that shared ones are visited once. A task
    /// is entangled if it and its condition are in one strongly connected component.
    fn entangled(&self, input: &Input<'_>) -> Vec<bool> {
        let first = input.tasks.len();
        let task_edges = input.needs.iter().zip(&self.by_task).map(|(needs, entry)| {
            needs.iter().map(|need| need.index()).chain(entry.map(|entry| first + entry)).collect()
        });
        let entry_edges = self.entries.iter().map(|entry| {
            let consumers = entry.consumers.iter().map(|consumer| first + consumer);
            entry.deciders.iter().map(|task| task.index()).chain(consumers).collect()
        });
        let edges: Vec<Vec<usize>> = task_edges.chain(entry_edges).collect();
        let groups = scc::strongly_connected_components(&edges);
        let group_of_entry = |entry: &Option<usize>| entry.and_then(|entry| groups.get(first + entry));
        self.by_task.iter().zip(&groups).map(|(entry, group)| group_of_entry(entry) == Some(group)).collect()
    }
}

/// A use of a task inside a case, or by a lazy consumer.
struct Use {
    gates: Vec<Gate>,
    consumer: Option<usize>,
    /// With how many of the pipelines around the task the gates vary.
    level: usize,
}

struct Builder<'a> {
    input: &'a Input<'a>,
    conditions: Needed,
    uses: Vec<Vec<Use>>,
    is_needed: Vec<bool>,
}

impl<'a> Builder<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let len = input.tasks.len();
        let conditions = Needed { by_task: vec![None; len], entries: Vec::new() };
        let uses = std::iter::repeat_with(Vec::new).take(len).collect();
        Self { input, conditions, uses, is_needed: vec![false; len] }
    }

    /// Builds the conditions from the ends of the graph to its starts, so that all consumers precede what they
    /// consume.
    fn build(mut self, is_forced: &[bool]) -> Needed {
        let input = self.input;
        for (_, expr) in input.named_outputs {
            uses::each_use(&expr.value, None, &mut |task, gates| self.add_use(task, gates, (None, &[])));
        }
        for task in input.order.iter().rev().copied() {
            let uses = self.uses.get_mut(task.index()).map(std::mem::take).unwrap_or_default();
            let is_needed =
                [&self.is_needed[..], is_forced].iter().any(|list| list.get(task.index()) == Some(&true));
            // A task that nothing reads always runs: only uses can make a task lazy.
            let entry = if is_needed || uses.is_empty() { None } else { self.add_entry(uses) };
            if let Some(slot) = self.conditions.by_task.get_mut(task.index()) {
                *slot = entry;
            }
            if let Some(consumer) = input.tasks.get(task.index()) {
                let body = &consumer.body;
                let first = if task.index() < input.first_finally { 0 } else { input.first_finally };
                uses::each_use_of(task, body, input.pipelines, &mut |used, gates| {
                    if used.index() >= first {
                        self.add_use(used, gates, (entry, &body.around));
                    }
                });
            }
        }
        self.conditions
    }

    /// Adds a use by a consumer in these pipelines. A choice that differs between elements of a pipeline that the task is
    /// not in decides nothing for the task: it is needed.
    fn add_use(&mut self, task: TaskIdx, gates: &[Gate], (consumer, around): (Option<usize>, &[usize])) {
        let own = self.input.tasks.get(task.index()).map_or(&[][..], |task| &task.body.around);
        let is_decided = own.starts_with(around) && (!gates.is_empty() || consumer.is_some());
        if !is_decided {
            if let Some(is_needed) = self.is_needed.get_mut(task.index()) {
                *is_needed = true;
            }
        } else if let Some(uses) = self.uses.get_mut(task.index()) {
            uses.push(Use { gates: gates.to_vec(), consumer, level: around.len() });
        }
    }

    /// Returns the entry for a task with these uses: a new one, or that of its only consumer if no gate is added.
    fn add_entry(&mut self, uses: Vec<Use>) -> Option<usize> {
        let uses = distinct(uses);
        if let [Use { gates, consumer: Some(consumer), level: _ }] = &*uses
            && gates.is_empty()
        {
            return Some(*consumer);
        }
        let deciders = self.deciders(&uses);
        let mut consumers: Vec<usize> = uses.iter().filter_map(|used| used.consumer).collect();
        consumers.sort_unstable();
        consumers.dedup();
        let waits = self.waits(&deciders, &consumers);
        let inherited = consumers.iter().filter_map(|consumer| self.conditions.entries.get(*consumer));
        let levels = inherited.map(|entry| entry.level).chain(uses.iter().map(|used| used.level));
        let level = levels.max().unwrap_or(0);
        let any = uses.into_iter().map(|used| self.clause(used)).collect();
        self.conditions.entries.push(Entry {
            needed_if: Arc::new(NeededIf { any }),
            deciders,
            consumers,
            waits,
            level,
        });
        self.conditions.entries.len().checked_sub(1)
    }

    fn clause(&self, used: Use) -> NeededClause {
        let consumer = used.consumer.and_then(|consumer| self.conditions.entries.get(consumer));
        NeededClause { gates: used.gates, consumer: consumer.map(|entry| Arc::clone(&entry.needed_if)) }
    }

    /// Returns the tasks that must end before the selectors are known. A selector that varies per element needs the
    /// tasks of the lists too.
    fn deciders(&self, uses: &[Use]) -> Vec<TaskIdx> {
        let mut deciders = Vec::new();
        let mut visit = |task| deciders.push(task);
        for gate in uses.iter().flat_map(|used| &used.gates) {
            uses::each_task(&gate.selector.value, &mut visit);
            if let (Some(within), true) = (gate.within, uses::has_items(&gate.selector.value)) {
                let lists =
                    self.input.tasks.get(within.index()).into_iter().flat_map(|task| &task.body.for_each);
                lists.for_each(|(_, list)| uses::each_task(&list.value, &mut visit));
            }
        }
        deciders.sort_unstable();
        deciders.dedup();
        deciders
    }

    fn waits(&self, deciders: &[TaskIdx], consumers: &[usize]) -> Vec<TaskIdx> {
        let entries = consumers.iter().filter_map(|consumer| self.conditions.entries.get(*consumer));
        // Both the entries and their tasks are bounded, so a long chain costs linear time.
        let inherited = entries.take(MAX_INHERITED).flat_map(|entry| &entry.waits).take(MAX_INHERITED);
        deciders.iter().chain(inherited).copied().collect()
    }
}

/// Drops redundant uses: if a consumer reads the task unconditionally, its cases are irrelevant.
fn distinct(uses: Vec<Use>) -> Vec<Use> {
    let direct: HashSet<Option<usize>> =
        uses.iter().filter(|used| used.gates.is_empty()).map(|used| used.consumer).collect();
    let mut seen = HashSet::new();
    let mut list: Vec<Use> = Vec::with_capacity(uses.len());
    for used in uses {
        let is_new = if used.gates.is_empty() {
            seen.insert(used.consumer)
        } else {
            !direct.contains(&used.consumer) && list.last().is_none_or(|last| !is_same(last, &used))
        };
        if is_new {
            list.push(used);
        }
    }
    list
}

fn is_same(left: &Use, right: &Use) -> bool {
    let mut pairs = left.gates.iter().zip(&right.gates);
    left.consumer == right.consumer
        && left.gates.len() == right.gates.len()
        && pairs.all(|(left, right)| Arc::ptr_eq(&left.selector, &right.selector) && left.case == right.case)
}
