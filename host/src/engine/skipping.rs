//! Skipping: whether a task is skipped, and why, given the entries of the tasks that decide it.
//! Pure: fetching those entries is left to `job`.

use crate::engine::pruning::is_needed;
use crate::engine::resolve::{Scope, Unresolved};
use crate::model::SkipReason;
use crate::plan::Task;
use crate::state::{Entry, NodeId};

/// Returns why a task is skipped; none if it runs once its arguments are known.
pub(crate) fn skip_reason(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    if let Some(pruned) = pruned(scope, task)? {
        return Ok(Some(pruned));
    }
    if let Some(reason) = after(scope, task)? {
        return Ok(Some(reason));
    }
    condition(scope, task)
}

/// Returns a skip if only cases of a `select` need the task and none of them is chosen.
pub(crate) fn pruned(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    match &task.needed_if {
        Some(condition) if !is_needed(scope, condition)? => Ok(Some(SkipReason::Pruned)),
        _ => Ok(None), // needed always, or by a chosen case
    }
}

/// Returns a skip if one of the task's conditions is false: those of the pipelines around it come first, so that their
/// tasks are all skipped for one reason.
pub(crate) fn condition(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    for when in &task.when {
        let is_equal = scope.resolve(&when.subject)? == when.equals;
        if is_equal == when.is_negated {
            return Ok(Some(SkipReason::ConditionFalse));
        }
    }
    Ok(None)
}

/// Returns a skip if a task was skipped or has failed whose elements the task would flow from.
pub(crate) fn sources(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    for source in task.flows_from() {
        let is_known = scope.known.contains_key(&NodeId::of_task(source));
        match scope.output(source) {
            Err(Unresolved::Skip(reason)) => return Ok(Some(reason)),
            Err(needs) if !is_known => return Err(needs),
            Ok(_) | Err(_) => {} // done, or its elements are under way
        }
    }
    Ok(None)
}

/// Returns a skip if a task named in `after` failed. A task that was merely not needed skips nothing.
fn after(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    let nodes = || task.after.iter().copied().map(NodeId::of_task);
    let unknown: Vec<NodeId> = nodes().filter(|node| !scope.known.contains_key(node)).collect();
    if !unknown.is_empty() {
        return Err(Unresolved::Needs(unknown));
    }
    let has_failed = nodes().any(|node| {
        matches!(scope.known.get(&node), Some(Entry::Failed(_) | Entry::Skipped(SkipReason::UpstreamFailed)))
    });
    Ok(has_failed.then_some(SkipReason::UpstreamFailed))
}
