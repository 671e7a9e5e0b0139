//! Skipping: whether a task is skipped, and why, given the entries of the tasks that decide it.
//! Pure: fetching those entries is left to `job`.

use crate::engine::pruning::is_needed;
use crate::engine::resolve::Scope;
use crate::engine::unresolved::Unresolved;
use crate::model::{SkipReason, TaskIdx};
use crate::plan::{FanOut, Flow, Task};
use crate::state::{Entry, NodeId};

/// Returns why the node of a task in `scope` is skipped; none if it runs once its arguments are known.
///
/// What is the same for all elements of a pipeline is decided at the node around them.
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
        Some(condition) if task.needed_level == scope.at.level() && !is_needed(scope, condition)? => {
            Ok(Some(SkipReason::Pruned))
        }
        _ => Ok(None), // needed always, or by a chosen case; or decided at another level
    }
}

/// Returns a skip if one of the task's conditions is false: those of the pipelines around it come first, so that their
/// tasks are all skipped for one reason.
pub(crate) fn condition(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    for when in task.when.iter().filter(|when| when.level == scope.at.level()) {
        let is_equal = scope.resolve(&when.subject)? == when.equals;
        if is_equal == when.is_negated {
            return Ok(Some(SkipReason::ConditionFalse));
        }
    }
    Ok(None)
}

/// Returns a skip if a list that the node in `scope` runs over, and flows from, was skipped or has failed without any
/// elements: then so is that of the node.
///
/// Otherwise each element decides for itself, as in a pipeline: others may have values, or defaults.
pub(crate) fn sources(scope: &Scope<'_>, at: TaskIdx) -> Result<Option<SkipReason>, Unresolved> {
    let plan = scope.bound.plan();
    let own = plan.fan_out(at, scope.at.level() + 1).filter(|of| *of == FanOut::Task(at));
    let flow = own.and_then(|of| plan.lists(of)).and_then(|lists| lists.flow);
    for source in flow.into_iter().flat_map(Flow::distinct_sources) {
        let FanOut::Task(task) = source else { continue };
        let node = NodeId { task, at: scope.at };
        let reason = match known(scope, node)? {
            Entry::Failed(_) | Entry::Skipped(SkipReason::UpstreamFailed) => SkipReason::UpstreamFailed,
            Entry::Skipped(_) => SkipReason::UpstreamSkipped,
            Entry::Open | Entry::Done(_) | Entry::LeftOut(_) => continue, // done, or its elements are under way
        };
        // What has ended after its elements has a first one that has ended too.
        if matches!(known(scope, node.child(0))?, Entry::Open) {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

fn known<'s>(scope: &Scope<'s>, node: NodeId) -> Result<&'s Entry, Unresolved> {
    scope.known.get(&node).ok_or_else(|| Unresolved::Needs(vec![node]))
}

/// Returns a skip if a task named in `after` failed. A task that was merely not needed skips nothing.
fn after(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    let plan = scope.bound.plan();
    let is_here = |task: &&TaskIdx| plan.common_level(**task, scope.around) == scope.at.level();
    let nodes = || task.after.iter().filter(is_here).map(|task| scope.node(*task));
    let unknown: Vec<NodeId> = nodes().filter(|node| !scope.known.contains_key(node)).collect();
    if !unknown.is_empty() {
        return Err(Unresolved::Needs(unknown));
    }
    let has_failed = nodes().any(|node| {
        matches!(scope.known.get(&node), Some(Entry::Failed(_) | Entry::Skipped(SkipReason::UpstreamFailed)))
    });
    Ok(has_failed.then_some(SkipReason::UpstreamFailed))
}
