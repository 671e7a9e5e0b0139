//! Which tasks a run is about: all of them, or those that `--target` names and what they need.
//! What a task needs is known from the plan.

use crate::app::Refusal;
use crate::engine::Shown;
use crate::model::TaskIdx;
use crate::plan::Plan;
use std::collections::HashMap;

/// The tasks of a run.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    /// By position: whether the task belongs to the run.
    pub(crate) is_wanted: Vec<bool>,
    /// The outputs all of whose tasks belong to the run, and tasks that were named and that no such output reads.
    pub(crate) shown: Shown,
}

/// The tasks that `names` name, and all that they need; every task where there are no names.
pub(crate) fn targets(plan: &Plan, names: &[String]) -> Result<Targets, Refusal> {
    if names.is_empty() {
        return Ok(Targets { is_wanted: vec![true; plan.tasks().len()], shown: Shown::all(plan) });
    }
    let positions: HashMap<&str, TaskIdx> =
        (0..).map(TaskIdx::new).zip(plan.tasks()).map(|(at, task)| (task.name.as_str(), at)).collect();
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let at = positions.get(name.as_str()).copied();
        found.push(at.ok_or_else(|| unknown(name, plan))?);
    }
    Ok(restricted(plan, found))
}

fn restricted(plan: &Plan, mut extra: Vec<TaskIdx>) -> Targets {
    let is_wanted = plan.with_needs(&extra);
    let mut is_shown = Vec::with_capacity(plan.outputs().len());
    for output in plan.outputs() {
        let mut reads = Vec::new();
        output.binding.each_task(&mut |task| reads.push(task));
        let is_whole = reads.iter().all(|task| is_wanted.get(task.index()).copied().unwrap_or(false));
        if is_whole {
            extra.retain(|task| !reads.contains(task));
        }
        is_shown.push(is_whole);
    }
    // A function without a result has no output to show.
    extra.retain(|task| plan.task(*task).is_some_and(|task| task.output.is_some()));
    Targets { is_wanted, shown: Shown { declared: is_shown, tasks: extra } }
}

fn unknown(name: &str, plan: &Plan) -> Refusal {
    let names = || plan.tasks().iter().map(|task| task.name.as_str());
    let refusal = Refusal::new(format!("`--target {name}` names no task of this manifest"));
    match names().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) => refusal.help(format!("did you mean `{known}`?")),
        None => refusal.help(format!("its tasks are {}", names().take(20).collect::<Vec<_>>().join(", "))),
    }
}
