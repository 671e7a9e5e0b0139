//! Shape of a run for the scheduler: counts, edges, ranks and resource classes, derived from a bound plan.
//! The ledger in `state` hands out nodes by it.

use crate::engine::finish::Shown;
use crate::model::{Capacity, Limits, Name, Size, TaskIdx};
use crate::plan::{Bound, FanOut, MAX_ELEMENTS, Plan, ResourceScope as Scope, Task};
use crate::state::{
    DeadlineScope, DeadlineShape, Dependent, Milestone, ResourceScope, ResourceShape, RunShape, TaskShape,
};
use std::collections::{HashMap, HashSet};

/// Returns the shape of `bound`, restricted to the tasks marked in `is_included`. A run that shows outputs has a node
/// that closes it.
///
/// The host's memory is the last resource, counted in MiB: a task needs its `limits.memory`, and its stack beyond the
/// smallest one. A task that needs more than the host's memory takes all of it, and so runs alone. A host with more
/// memory takes the task instead, if there is one. The sandbox limits the task to the host's memory.
#[must_use]
pub fn shape(bound: &Bound, is_included: &[bool], shown: &Shown, memory: Size) -> RunShape {
    let plan = bound.plan();
    let has_closing = !shown.is_empty();
    let mut classes = Classes::default();
    let memory = budget(memory);
    let tasks: Vec<TaskShape> = plan
        .tasks()
        .iter()
        .zip(bound.fingerprints())
        .zip(is_included)
        .zip(ranks(plan))
        .map(|(((task, fingerprint), is_included), rank)| TaskShape {
            name: task.name.clone(),
            fingerprint: *fingerprint,
            waits_for: Vec::new(),
            dependents: Vec::new(),
            rank,
            class: classes.class_of(needs(task, plan), larger(task)),
            indexed: plan.indexed(task),
            is_repeated: task.repeat.is_some(),
            is_included: *is_included,
            deadlines: Vec::new(),
        })
        .collect();
    let mut shape = RunShape {
        tasks,
        larger: classes.larger(),
        classes: classes.list,
        resources: resources(plan, memory),
        has_closing,
        max_elements: MAX_ELEMENTS,
        deadlines: Vec::new(),
        deadline: plan.deadline(),
        first_finally: plan.first_finally(),
    };
    add_deadlines(&mut shape, plan);
    for (idx, task) in (0..).map(TaskIdx::new).zip(plan.tasks()) {
        let whole = |upstream: &&TaskIdx| plan.common_level(**upstream, &task.around) == 0;
        for upstream in task.waits_for.iter().filter(whole) {
            shape.connect(*upstream, Dependent::of_task(idx));
        }
        // A node is expanded once those are whose elements its own wait for; then each waits for those of the same index.
        let mut expanded: HashSet<(TaskIdx, u8)> = HashSet::new();
        for (source, level) in plan.element_sources(idx) {
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            for level in (0..level).filter(|level| expanded.insert((source, *level))) {
                shape.connect(source, Dependent { task: idx, level, on: Milestone::Expanded });
            }
            shape.connect(source, Dependent { task: idx, level, on: Milestone::Ended });
        }
    }
    // The edges were added one by one, and are kept for the whole run.
    for task in &mut shape.tasks {
        task.waits_for.shrink_to_fit();
        task.dependents.shrink_to_fit();
    }
    shape
}

/// Adds the deadlines of tasks, and those of the pipelines around them.
fn add_deadlines(shape: &mut RunShape, plan: &Plan) {
    let tasks = plan.tasks().iter().enumerate();
    let of_tasks = tasks.map(|(at, task)| (&task.name, task.deadline, DeadlineScope::Task, at..at + 1));
    let pipelines = plan.pipelines().iter();
    let of_pipelines = pipelines.map(|of| (&of.name, of.deadline, DeadlineScope::Pipeline, of.tasks.clone()));
    for (name, limit, scope, tasks) in of_tasks.chain(of_pipelines) {
        let Some(limit) = limit else { continue };
        let position = u32::try_from(shape.deadlines.len()).unwrap_or(u32::MAX);
        shape.deadlines.push(DeadlineShape { name: name.clone(), limit, scope });
        for task in shape.tasks.get_mut(tasks).into_iter().flatten() {
            task.deadlines.push(position);
        }
    }
}

/// Returns the ranks of all tasks: priority first, then the longest remaining path. Tasks whose elements flow from one
/// another, or lie in one pipeline that runs over lists, have the longest path of all of them; among them the last one
/// goes first, so that an element that has come far is completed before another begins.
pub(crate) fn ranks(plan: &Plan) -> Vec<i64> {
    let count = plan.tasks().len();
    let root = |at: TaskIdx| {
        let of = plan.fan_out(at, 1).unwrap_or(FanOut::Task(at));
        plan.lists(of).and_then(|lists| lists.flow).map_or(of, |flow| flow.root)
    };
    let (mut heights, mut steps): (HashMap<FanOut, u32>, Vec<u16>) = (HashMap::new(), vec![0; count]);
    for (at, task) in plan.order().iter().filter_map(|at| Some((*at, plan.task(*at)?))) {
        let height = heights.entry(root(at)).or_default();
        *height = task.height.max(*height);
        let before = plan.element_sources(at).into_iter();
        let before = before.filter_map(|(source, _)| steps.get(source.index()).copied()).max();
        let step = before.map_or(0, |before| before.saturating_add(1));
        steps.get_mut(at.index()).into_iter().for_each(|slot| *slot = step);
    }
    let rank = |(at, task): (TaskIdx, &Task)| {
        let height = heights.get(&root(at)).map_or(0, |height| (*height).min(MAX_HEIGHT));
        let step = steps.get(at.index()).copied().unwrap_or(0);
        (i64::from(task.priority) << 41) + (i64::from(height) << 16) + i64::from(step)
    };
    (0..).map(TaskIdx::new).zip(plan.tasks()).map(rank).collect()
}

/// The longest path that is told from longer ones, so that priorities are never outweighed.
const MAX_HEIGHT: u32 = (1 << 24) - 1;

/// Returns what one call of a task needs, memory included; the same on every host.
fn needs(task: &Task, plan: &Plan) -> Vec<(usize, u32)> {
    let mut needs = task.resources.clone();
    needs.push((plan.resources().len(), mebibytes(task.limits.host_memory())));
    needs
}

/// Returns the memory of the host that attempts after the first take, in MiB, as far as they hit the limit; empty if it does
/// not grow.
fn larger(task: &Task) -> Vec<u32> {
    let limits = task.policy.larger_memory.iter().map(|memory| Limits { memory: *memory, ..task.limits });
    limits.map(|limits| mebibytes(limits.host_memory())).collect()
}

/// Returns the host's memory in whole MiB, at least one. A remainder below one MiB is never assigned.
fn budget(memory: Size) -> u32 {
    u32::try_from(memory.as_bytes() >> 20).unwrap_or(u32::MAX).max(1)
}

pub(crate) fn mebibytes(size: Size) -> u32 {
    u32::try_from(size.as_bytes().div_ceil(1 << 20)).unwrap_or(u32::MAX)
}

fn resources(plan: &Plan, memory: u32) -> Vec<ResourceShape> {
    let named = plan.resources().iter().map(|resource| {
        let (amount, scope) = match (resource.capacity, resource.scope) {
            (Capacity::Amount(amount), Scope::Host) => (amount, ResourceScope::Own),
            (Capacity::Amount(amount), Scope::Run) => (amount, ResourceScope::Shared),
            // Reserved by each attempt. The ledger only keeps such nodes back while enough of them wait for their turn.
            (Capacity::Amount(_), Scope::Backend) | (Capacity::Rate(_), _) => (u32::MAX, ResourceScope::Own),
        };
        ResourceShape { name: resource.name.clone(), amount, scope }
    });
    let memory = Name::new("host-memory").ok().map(|name| ResourceShape {
        name,
        amount: memory,
        scope: ResourceScope::Elastic,
    });
    named.chain(memory).collect()
}

/// Distinct resource needs, each numbered once.
struct Classes {
    list: Vec<Vec<(usize, u32)>>,
    known: HashMap<Class, u16>,
}

/// The needs of a class of nodes, and the memory that they take instead once attempts have grown.
type Class = (Vec<(usize, u32)>, Vec<u32>);

impl Default for Classes {
    fn default() -> Self {
        Self { list: vec![Vec::new()], known: HashMap::from([(Class::default(), 0)]) }
    }
}

impl Classes {
    /// Returns the class number of these needs. Only a generated manifest has more than 65,536 distinct ones. All
    /// further ones share the last number, whose class holds the maximum of each resource over them.
    fn class_of(&mut self, needs: Vec<(usize, u32)>, larger: Vec<u32>) -> u16 {
        let class = (needs, larger);
        if let Some(known) = self.known.get(&class) {
            return *known;
        }
        let Ok(number) = u16::try_from(self.list.len()) else {
            if let Some(last) = self.list.last_mut() {
                widen(last, &class.0);
            }
            return u16::MAX;
        };
        self.list.push(class.0.clone());
        self.known.insert(class, number);
        number
    }

    /// Returns what nodes of each class take once attempts have grown; nothing if none do.
    fn larger(&self) -> Vec<Vec<u32>> {
        let mut larger: Vec<Vec<u32>> = Vec::new();
        for ((_, grown), class) in self.known.iter().filter(|((_, grown), _)| !grown.is_empty()) {
            let class = usize::from(*class);
            if larger.len() <= class {
                larger.resize(class + 1, Vec::new());
            }
            larger.get_mut(class).into_iter().for_each(|slot| slot.clone_from(grown));
        }
        larger
    }
}

/// Raises each amount to at least that of another class.
fn widen(amounts: &mut Vec<(usize, u32)>, other: &[(usize, u32)]) {
    for (resource, amount) in other {
        match amounts.iter_mut().find(|(known, _)| known == resource) {
            Some((_, max)) => *max = (*max).max(*amount),
            None => amounts.push((*resource, *amount)),
        }
    }
}
