//! Selects the tasks of a run: all of them, or those that `--target` names with their dependencies.
//! `plan` knows the dependencies.

use crate::app::Refusal;
use crate::engine::Shown;
use crate::model::{TaskIdx, nearest, shortlist};
use crate::plan::Plan;
use std::collections::HashMap;

/// The selected tasks.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    /// By task index: whether the run includes the task.
    pub(crate) is_included: Vec<bool>,
    /// Outputs whose tasks are all included, and named tasks that no such output reads.
    pub(crate) shown: Shown,
}

/// Selects the tasks that `names` name and their dependencies; every task if there are no names.
pub(crate) fn targets(plan: &Plan, names: &[String]) -> Result<Targets, Refusal> {
    if names.is_empty() {
        return Ok(Targets { is_included: vec![true; plan.tasks().len()], shown: Shown::all(plan) });
    }
    let positions: HashMap<&str, TaskIdx> =
        (0..).map(TaskIdx::new).zip(plan.tasks()).map(|(idx, task)| (task.name.as_str(), idx)).collect();
    let (known, unknown): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| positions.contains_key(name.as_str()));
    if !unknown.is_empty() {
        return Err(refuse(&unknown, plan));
    }
    let found = known.into_iter().filter_map(|name| positions.get(name.as_str()).copied());
    Ok(restricted(plan, found.collect()))
}

fn restricted(plan: &Plan, mut extra: Vec<TaskIdx>) -> Targets {
    let is_included = plan.with_needs(&extra);
    let mut is_shown = Vec::with_capacity(plan.outputs().len());
    for output in plan.outputs() {
        let mut reads = Vec::new();
        output.binding.each_task(&mut |task| reads.push(task));
        let is_complete = reads.iter().all(|task| is_included.get(task.index()).copied().unwrap_or(false));
        if is_complete {
            extra.retain(|task| !reads.contains(task));
        }
        is_shown.push(is_complete);
    }
    // A function without a result has no output to show.
    extra.retain(|task| plan.task(*task).is_some_and(|task| task.output.is_some()));
    Targets { is_included, shown: Shown { declared: is_shown, tasks: extra } }
}

fn refuse(unknown: &[&String], plan: &Plan) -> Refusal {
    let tasks = || plan.tasks().iter().map(|task| task.name.as_str());
    let shown: Vec<String> = unknown.iter().map(|name| format!("`--target {name}`")).collect();
    let verb = if unknown.len() == 1 { "names" } else { "name" };
    let refusal = Refusal::new(format!("{} {verb} no task of this manifest", shown.join(" and ")));
    let refusal = unknown.iter().fold(refusal, |refusal, name| match name.split_once('[') {
        Some((task, _)) if tasks().any(|known| known == task) => refusal
            .note(format!("`{name}` is an element, and elements run with their task: `--target {task}`")),
        _ => match nearest(name, tasks()) {
            Some(meant) => refusal.note(format!("did you mean `{meant}` by `{name}`?")),
            None => refusal, // nothing resembles it
        },
    });
    let first = unknown.first().map_or("", |name| name.as_str());
    refusal.help(format!("its tasks are {}", shortlist(first, tasks())))
}
