//! A bound plan as counts, edges and ranks: what a ledger needs to hand out tasks in order.
//! What the ledger does with it stands in `state`.

use crate::engine::finish::Shown;
use crate::model::{Name, Size, TaskIdx};
use crate::plan::{Bound, Plan, Task};
use crate::state::{ResourceScope, ResourceShape, RunShape, TaskShape};
use std::collections::HashMap;

/// The shape of `bound`, restricted to the tasks that `is_wanted` has; a run that shows outputs is closed by them.
///
/// The host's memory is the last resource, counted in MiB: a task asks for what its `limits.memory` allows it. One that
/// may use more than the host has takes all of it, and so runs while no other task does, if it is not left to a host that
/// has more; its sandbox sees to it that it uses no more than that.
#[must_use]
pub fn shape(bound: &Bound, is_wanted: &[bool], shown: &Shown, memory: Size) -> RunShape {
    let plan = bound.plan();
    let has_closing = !shown.is_empty();
    let mut classes = Classes::default();
    let memory = budget(memory);
    let mut tasks: Vec<TaskShape> = plan
        .tasks()
        .iter()
        .zip(bound.fingerprints())
        .zip(is_wanted)
        .map(|((task, fingerprint), is_wanted)| TaskShape {
            name: task.name.clone(),
            fingerprint: *fingerprint,
            waits_for: u32::try_from(task.waits_for.len()).unwrap_or(u32::MAX),
            dependents: Vec::new(),
            rank: rank(task),
            class: classes.class_of(needs(task, plan)),
            is_for_each: task.is_for_each(),
            is_wanted: *is_wanted,
        })
        .collect();
    for (at, task) in (0..).map(TaskIdx::new).zip(plan.tasks()) {
        for upstream in &task.waits_for {
            if let Some(upstream) = tasks.get_mut(upstream.index()) {
                upstream.dependents.push(at);
            }
        }
    }
    RunShape { tasks, classes: classes.list, resources: resources(plan, memory), has_closing }
}

/// Priority first, then the longest remaining path.
pub(crate) fn rank(task: &Task) -> i64 {
    (i64::from(task.priority) << 32) + i64::from(task.height)
}

/// What one call of a task asks for, memory included; the same on every host.
fn needs(task: &Task, plan: &Plan) -> Vec<(usize, u32)> {
    let mut needs = task.resources.clone();
    needs.push((plan.resources().len(), mebibytes(task.limits.memory)));
    needs
}

/// Whole MiB of what the host has, at least one: what it has beyond them is promised to nobody.
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

/// Distinct demands, each numbered once.
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
    /// The number of a demand. Past 65,536 distinct ones, which no manifest written by hand has, all further ones
    /// share the last number, which then stands for the most of each resource that any of them asks for.
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

/// Makes a demand at least as large as another.
fn widen(demand: &mut Vec<(usize, u32)>, other: &[(usize, u32)]) {
    for (resource, amount) in other {
        match demand.iter_mut().find(|(known, _)| known == resource) {
            Some((_, most)) => *most = (*most).max(*amount),
            None => demand.push((*resource, *amount)),
        }
    }
}
