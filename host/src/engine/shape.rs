//! Shape of a run for the scheduler: counts, edges, ranks and resource classes, derived from a bound plan.
//! The ledger in `state` hands out nodes by it.

use crate::engine::finish::Shown;
use crate::model::{Name, Size, TaskIdx};
use crate::plan::{Bound, Plan, Task};
use crate::state::{ResourceScope, ResourceShape, RunShape, TaskShape};
use std::collections::HashMap;

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
    let mut tasks: Vec<TaskShape> = plan
        .tasks()
        .iter()
        .zip(bound.fingerprints())
        .zip(is_included)
        .map(|((task, fingerprint), is_included)| TaskShape {
            name: task.name.clone(),
            fingerprint: *fingerprint,
            waits_for: u32::try_from(task.waits_for.len()).unwrap_or(u32::MAX),
            dependents: Vec::new(),
            rank: rank(task),
            class: classes.class_of(needs(task, plan)),
            is_for_each: task.is_for_each(),
            is_included: *is_included,
        })
        .collect();
    for (idx, task) in (0..).map(TaskIdx::new).zip(plan.tasks()) {
        for upstream in &task.waits_for {
            if let Some(upstream) = tasks.get_mut(upstream.index()) {
                upstream.dependents.push(idx);
            }
        }
    }
    RunShape { tasks, classes: classes.list, resources: resources(plan, memory), has_closing }
}

/// Returns the rank of a task: priority first, then the longest remaining path.
pub(crate) fn rank(task: &Task) -> i64 {
    (i64::from(task.priority) << 32) + i64::from(task.height)
}

/// Returns what one call of a task needs, memory included; the same on every host.
fn needs(task: &Task, plan: &Plan) -> Vec<(usize, u32)> {
    let mut needs = task.resources.clone();
    needs.push((plan.resources().len(), mebibytes(task.limits.host_memory())));
    needs
}

/// Returns the host's memory in whole MiB, at least one. A remainder below one MiB is never assigned.
fn budget(memory: Size) -> u32 {
    u32::try_from(memory.as_bytes() >> 20).unwrap_or(u32::MAX).max(1)
}

fn mebibytes(size: Size) -> u32 {
    u32::try_from(size.as_bytes().div_ceil(1 << 20)).unwrap_or(u32::MAX)
}

fn resources(plan: &Plan, memory: u32) -> Vec<ResourceShape> {
    let named = plan.resources().iter().map(|resource| ResourceShape {
        name: resource.name.clone(),
        amount: resource.amount,
        scope: if resource.is_shared { ResourceScope::Shared } else { ResourceScope::Own },
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
    known: HashMap<Vec<(usize, u32)>, u16>,
}

impl Default for Classes {
    fn default() -> Self {
        Self { list: vec![Vec::new()], known: HashMap::from([(Vec::new(), 0)]) }
    }
}

impl Classes {
    /// Returns the class number of these needs. Only a generated manifest has more than 65,536 distinct ones. All
    /// further ones share the last number, whose class holds the maximum of each resource over them.
    fn class_of(&mut self, needs: Vec<(usize, u32)>) -> u16 {
        if let Some(known) = self.known.get(&needs) {
            return *known;
        }
        let Ok(number) = u16::try_from(self.list.len()) else {
            if let Some(last) = self.list.last_mut() {
                widen(last, &needs);
            }
            return u16::MAX;
        };
        self.list.push(needs.clone());
        self.known.insert(needs, number);
        number
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
