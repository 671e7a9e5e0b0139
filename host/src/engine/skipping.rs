//! Whether a task is skipped, and why, from what is known of the tasks that decide it.
//! Pure: looking those tasks up is for whoever asks.

use crate::engine::pruning::is_needed;
use crate::engine::resolve::{Scope, Unresolved};
use crate::model::{SkipReason, TaskIdx};
use crate::plan::Task;
use crate::state::Entry;

/// Why a task is skipped; none if it is to run once its arguments are there.
pub(crate) fn skip_reason(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    if let Some(pruned) = pruned(scope, task)? {
        return Ok(Some(pruned));
    }
    if let Some(reason) = after(scope, task)? {
        return Ok(Some(reason));
    }
    condition(scope, task)
}

/// A task that only cases of a `select` need is pruned where none of them is chosen.
pub(crate) fn pruned(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    match &task.needed_if {
        Some(demand) if !is_needed(scope, demand)? => Ok(Some(SkipReason::Pruned)),
        _ => Ok(None), // it is needed, in any case or in one that was chosen
    }
}

/// `when`.
pub(crate) fn condition(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    let Some(when) = &task.when else {
        return Ok(None);
    };
    let is_equal = scope.resolve(&when.subject)? == when.equals;
    Ok((is_equal == when.is_negated).then_some(SkipReason::ConditionFalse))
}

/// A failure before this task stops it; a task before it that was merely not needed does not.
fn after(scope: &Scope<'_>, task: &Task) -> Result<Option<SkipReason>, Unresolved> {
    let unknown: Vec<TaskIdx> =
        task.after.iter().copied().filter(|task| !scope.known.contains_key(task)).collect();
    if !unknown.is_empty() {
        return Err(Unresolved::Needs(unknown));
    }
    let has_failed = task.after.iter().any(|task| {
        matches!(scope.known.get(task), Some(Entry::Failed(_) | Entry::Skipped(SkipReason::UpstreamFailed)))
    });
    Ok(has_failed.then_some(SkipReason::UpstreamFailed))
}
