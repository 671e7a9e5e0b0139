//! Root causes of skips: the first task with which a chain of skips began.
//! `skipping` decides whether a task is skipped, and for which reason.

use crate::engine::resolve::Known;
use crate::model::{SkipReason, TaskIdx};
use crate::plan::{Binding, Plan, Task};
use crate::state::{Entry, Error, Ledger, NodeId};
use std::collections::HashSet;

/// Role of a task in a skip after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CauseRole {
    /// A candidate for the root cause.
    Root(TaskIdx),
    /// A task skipped for the same reason: the root cause is before it.
    Passed,
    /// No part in the skip.
    None,
}

impl CauseRole {
    /// Classifies a task by how it ended.
    pub(crate) const fn classify(task: TaskIdx, entry: &Entry, reason: SkipReason) -> Self {
        match (entry, reason) {
            (Entry::Failed(_), SkipReason::UpstreamFailed)
            | (
                Entry::Skipped(SkipReason::ConditionFalse | SkipReason::Pruned),
                SkipReason::UpstreamSkipped,
            ) => Self::Root(task),
            (Entry::Skipped(SkipReason::UpstreamFailed), SkipReason::UpstreamFailed)
            | (Entry::Skipped(SkipReason::UpstreamSkipped), SkipReason::UpstreamSkipped) => Self::Passed,
            (Entry::Open | Entry::Done(_) | Entry::Skipped(_) | Entry::Failed(_), _) => Self::None,
        }
    }
}

/// Returns the root cause of a skip, or the tasks that must be fetched first.
///
/// The search starts at `before` and continues through tasks skipped for the same reason. Of several candidates, the
/// first in manifest order wins. Chains may be of any length and share tasks, so each task is visited once, without
/// recursion.
pub(crate) fn root_cause(
    plan: &Plan,
    reason: SkipReason,
    before: Vec<TaskIdx>,
    role: impl Fn(TaskIdx) -> Option<CauseRole>,
) -> Result<Option<TaskIdx>, Vec<TaskIdx>> {
    let (mut open, mut visited) = (before, HashSet::new());
    let (mut earliest, mut needs): (Option<TaskIdx>, Vec<TaskIdx>) = (None, Vec::new());
    while let Some(task) = open.pop() {
        if !visited.insert(task) {
            continue;
        }
        match role(task) {
            None => needs.push(task),
            Some(CauseRole::Root(root)) => {
                earliest = Some(earliest.map_or(root, |earliest| earliest.min(root)));
            }
            Some(CauseRole::Passed) => {
                open.extend(plan.task(task).map(|task| skip_causes(task, reason)).unwrap_or_default());
            }
            Some(CauseRole::None) => {}
        }
    }
    if needs.is_empty() { Ok(earliest) } else { Err(needs) }
}

/// Returns the root cause of a skip, fetching tasks from the ledger. `known_cause` returns root causes that are known
/// already.
pub(crate) async fn find_root_cause(
    (plan, ledger): (&Plan, &dyn Ledger),
    reason: SkipReason,
    before: Vec<TaskIdx>,
    mut known: Known,
    known_cause: impl Fn(TaskIdx) -> Option<TaskIdx>,
) -> Result<Option<TaskIdx>, Error> {
    loop {
        let role = |task: TaskIdx| match CauseRole::classify(task, known.get(&task)?, reason) {
            CauseRole::Passed => Some(known_cause(task).map_or(CauseRole::Passed, CauseRole::Root)),
            role @ (CauseRole::Root(_) | CauseRole::None) => Some(role),
        };
        let needs = match root_cause(plan, reason, before.clone(), role) {
            Ok(cause) => return Ok(cause),
            Err(needs) => needs,
        };
        let nodes: Vec<NodeId> = needs.iter().map(|task| NodeId { task: *task, item: None }).collect();
        known.extend(needs.into_iter().zip(ledger.fetch(&nodes).await?));
    }
}

/// Returns the tasks that may cause a task to be skipped for this reason.
pub(crate) fn skip_causes(task: &Task, reason: SkipReason) -> Vec<TaskIdx> {
    let mut causes = Vec::new();
    let lists = task.for_each.iter().map(|list| &list.list);
    let conditions = task.when.iter().map(|when| &when.subject);
    let bindings = task.args.iter().chain(lists).chain(conditions);
    match reason {
        SkipReason::UpstreamFailed => {
            causes.extend(&task.after);
            bindings.for_each(|binding| binding.each_task(&mut |task| causes.push(task)));
        }
        SkipReason::UpstreamSkipped => bindings.for_each(|binding| without_default(binding, &mut causes)),
        SkipReason::ConditionFalse | SkipReason::Pruned => {}
    }
    causes
}

/// Collects the tasks that a binding needs and has no default for.
fn without_default(binding: &Binding, tasks: &mut Vec<TaskIdx>) {
    match binding {
        Binding::Constant(_)
        | Binding::Input { .. }
        | Binding::Item { .. }
        | Binding::Task { default: Some(_), .. }
        | Binding::Part { default: Some(_), .. } => {}
        Binding::Task { task, default: None, .. } => tasks.push(*task),
        Binding::List(_, parts) | Binding::Tuple(parts) | Binding::Map(parts) => {
            parts.iter().for_each(|part| without_default(part, tasks));
        }
        Binding::Record(fields) => fields.iter().for_each(|(_, part)| without_default(part, tasks)),
        Binding::Case(_, part) | Binding::Wrapped(part) => without_default(part, tasks),
        Binding::Part { value, default: None, .. } => without_default(value, tasks),
        Binding::Select { selector, cases, default, .. } => {
            if default.is_none() {
                without_default(selector, tasks);
            }
            cases.iter().for_each(|(_, case)| without_default(case, tasks));
        }
    }
}
