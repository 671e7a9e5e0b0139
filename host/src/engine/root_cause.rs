//! Root causes of skips: the first task with which a chain of skips began.
//! `skipping` decides whether a task is skipped, and for which reason.

use crate::engine::resolve::Known;
use crate::model::{SkipReason, TaskIdx};
use crate::plan::{Binding, Plan};
use crate::state::{Entry, Error, Ledger, NodeId};
use std::collections::HashSet;

/// Role of a node in a skip after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CauseRole {
    /// A candidate for the root cause.
    Root(NodeId),
    /// Skipped for the same reason: the root cause is before it.
    Passed,
    /// No part in the skip.
    None,
}

/// A skip whose root cause is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Skip {
    pub(crate) reason: SkipReason,
    /// What the tasks before it have come to.
    pub(crate) at: SkippedAt,
}

/// When a node is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkippedAt {
    /// Once everything that it waits for has ended.
    Run,
    /// At the ending of the run: the nodes that are open then have never run.
    Ending,
}

impl CauseRole {
    /// Classifies a node by how it ended.
    pub(crate) const fn classify(node: NodeId, entry: &Entry, skip: Skip) -> Self {
        match (entry, skip.reason) {
            (Entry::Open, SkipReason::UpstreamSkipped) if matches!(skip.at, SkippedAt::Ending) => {
                Self::Root(node)
            }
            (Entry::Failed(_), SkipReason::UpstreamFailed)
            | (
                Entry::Skipped(SkipReason::ConditionFalse | SkipReason::Pruned),
                SkipReason::UpstreamSkipped,
            ) => Self::Root(node),
            (Entry::Skipped(SkipReason::UpstreamFailed), SkipReason::UpstreamFailed)
            | (Entry::Skipped(SkipReason::UpstreamSkipped), SkipReason::UpstreamSkipped) => Self::Passed,
            (Entry::Open | Entry::Done(_) | Entry::LeftOut(_) | Entry::Skipped(_) | Entry::Failed(_), _) => {
                Self::None
            }
        }
    }
}

/// Returns the root cause of a skip, or the nodes that must be fetched first.
///
/// The search starts at `before` and continues through nodes skipped for the same reason. Of several candidates, the
/// first in manifest order wins. Chains may be of any length and share nodes, so each node is visited once, without
/// recursion.
pub(crate) fn root_cause(
    plan: &Plan,
    reason: SkipReason,
    before: Vec<NodeId>,
    role: impl Fn(NodeId) -> Option<CauseRole>,
) -> Result<Option<NodeId>, Vec<NodeId>> {
    let (mut open, mut visited) = (before, HashSet::new());
    let (mut earliest, mut needs): (Option<NodeId>, Vec<NodeId>) = (None, Vec::new());
    while let Some(node) = open.pop() {
        if !visited.insert(node) {
            continue;
        }
        match role(node) {
            None => needs.push(node),
            Some(CauseRole::Root(root)) => {
                earliest = Some(earliest.map_or(root, |earliest| earliest.min(root)));
            }
            Some(CauseRole::Passed) => {
                open.extend(skip_causes(plan, node, reason));
            }
            Some(CauseRole::None) => {}
        }
    }
    if needs.is_empty() { Ok(earliest) } else { Err(needs) }
}

/// Returns the root cause of a skip, fetching nodes from the ledger. `known_cause` returns root causes that are known
/// already.
pub(crate) async fn find_root_cause(
    (plan, ledger): (&Plan, &dyn Ledger),
    skip: Skip,
    before: Vec<NodeId>,
    mut known: Known,
    known_cause: impl Fn(NodeId) -> Option<NodeId>,
) -> Result<Option<NodeId>, Error> {
    loop {
        let role = |node: NodeId| match CauseRole::classify(node, known.get(&node)?, skip) {
            CauseRole::Passed => Some(known_cause(node).map_or(CauseRole::Passed, CauseRole::Root)),
            role @ (CauseRole::Root(_) | CauseRole::None) => Some(role),
        };
        let needs = match root_cause(plan, skip.reason, before.clone(), role) {
            Ok(cause) => return Ok(cause),
            Err(needs) => needs,
        };
        let entries = ledger.fetch(&needs).await?;
        known.extend(needs.into_iter().zip(entries));
    }
}

/// Returns the nodes that may cause a node of a task to be skipped for this reason: those of tasks that lie in the same
/// elements, and the elements that it flows from.
pub(crate) fn skip_causes(plan: &Plan, node: NodeId, reason: SkipReason) -> Vec<NodeId> {
    let Some(task) = plan.task(node.task) else { return Vec::new() };
    let mut causes = Vec::new();
    let around = task.around.iter().filter_map(|pipeline| plan.pipelines().get(*pipeline));
    let lists =
        task.for_each.iter().chain(around.flat_map(|pipeline| &pipeline.for_each)).map(|list| &list.list);
    let conditions = task.when.iter().map(|when| &when.subject);
    let bindings = task.args.iter().chain(lists).chain(conditions);
    match reason {
        SkipReason::UpstreamFailed => {
            causes.extend(&task.after);
            bindings.for_each(|binding| binding.each_task(&mut |task| causes.push(task)));
        }
        SkipReason::UpstreamSkipped => bindings.for_each(|binding| without_default(binding, &mut causes)),
        SkipReason::ConditionFalse
        | SkipReason::Pruned
        | SkipReason::ElementFailed
        | SkipReason::UpstreamElementFailed => return Vec::new(),
    }
    let elements = plan.element_sources(node.task).into_iter();
    let elements =
        elements.map(|(task, level)| NodeId { task, at: node.at.prefix(level.min(node.at.level())) });
    let causes = causes.into_iter();
    let causes = causes
        .map(|cause| NodeId { task: cause, at: node.at.prefix(plan.common_level(cause, &task.around)) });
    causes.chain(elements).collect()
}

/// Collects the tasks that a binding needs and has no default for.
fn without_default(binding: &Binding, tasks: &mut Vec<TaskIdx>) {
    match binding {
        Binding::Constant(_)
        | Binding::Input { .. }
        | Binding::Run { .. }
        | Binding::Item { .. }
        | Binding::Task { default: Some(_), .. }
        | Binding::Part { default: Some(_), .. } => {}
        Binding::Task { task, default: None, .. } => tasks.push(*task),
        Binding::Range { from, to } => {
            without_default(&from.0, tasks);
            without_default(&to.0, tasks);
        }
        Binding::List(_, parts) | Binding::Tuple(parts) | Binding::Map(parts) => {
            parts.iter().for_each(|part| without_default(part, tasks));
        }
        Binding::Record(fields) => fields.iter().for_each(|(_, part)| without_default(part, tasks)),
        Binding::Case(_, part) | Binding::Wrapped(part) => without_default(part, tasks),
        Binding::Each { lists, value, .. } => {
            lists.iter().for_each(|list| without_default(list, tasks));
            without_default(value, tasks);
        }
        Binding::Part { value, default: None, .. } => without_default(value, tasks),
        Binding::Select { selector, cases, default, .. } => {
            if default.is_none() {
                without_default(selector, tasks);
            }
            cases.iter().for_each(|(_, case)| without_default(case, tasks));
        }
    }
}
