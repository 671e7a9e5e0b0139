//! The critical path of a run: the chain of tasks that decided when it ended.
//! Each step is the input that ended last before the next one; tasks with elements count from the first start to the last end.

use crate::app::figures::task::TaskFigures;
use crate::model::TaskIdx;
use crate::plan::Lineage;
use std::collections::HashSet;

/// A step of the critical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// The task.
    pub task: TaskIdx,
    /// Time from the end of the step before to the start, in microseconds.
    pub waited: i64,
    /// Time from the start to the end, in microseconds.
    pub took: i64,
}

/// Returns the critical path, in order.
pub(crate) fn critical_path(lineage: &Lineage, tasks: &[TaskFigures]) -> Vec<Step> {
    let figures = |task: TaskIdx| tasks.get(task.index()).and_then(|task| task.time);
    let all = (0..).map(TaskIdx::new).take(tasks.len());
    let mut next =
        all.filter(|task| figures(*task).is_some()).max_by_key(|task| figures(*task).map(|time| time.1));
    let mut steps = Vec::new();
    // An earlier epoch may have left times in another order.
    let mut seen = HashSet::new();
    while let Some(task) = next.filter(|task| seen.insert(*task)) {
        let Some((start, end)) = figures(task) else { break };
        let inputs = lineage.inputs(task).into_iter();
        let before = inputs.filter_map(|input| Some((input, figures(input)?.1))).filter(|(_, at)| *at <= end);
        let before = before.max_by_key(|(_, at)| *at);
        let waited = before.map_or(0, |(_, at)| start.saturating_sub(at).max(0));
        steps.push(Step { task, waited, took: end - start });
        next = before.map(|(input, _)| input);
    }
    steps.reverse();
    steps
}
