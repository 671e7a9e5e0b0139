//! Selects the tasks of a run: all of them, or those that `--target` names with their dependencies.
//! `plan` knows the dependencies.

use crate::app::Refusal;
use crate::engine::Shown;
use crate::model::{TaskIdx, TaskName, nearest, shortlist};
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

/// Selects the tasks that `names` name and their dependencies; every task if there are no names. A pipeline means all of
/// its tasks.
pub(crate) fn targets(plan: &Plan, names: &[String]) -> Result<Targets, Refusal> {
    if names.is_empty() {
        return Ok(Targets { is_included: vec![true; plan.tasks().len()], shown: Shown::all(plan) });
    }
    let tasks: HashMap<&str, TaskIdx> =
        (0..).map(TaskIdx::new).zip(plan.tasks()).map(|(idx, task)| (task.name.as_str(), idx)).collect();
    let pipelines = plan.pipelines().iter().enumerate();
    let pipelines: HashMap<&str, usize> =
        pipelines.map(|(position, pipeline)| (pipeline.name.as_str(), position)).collect();
    let mut found = Named::default();
    let mut unknown: Vec<&String> = Vec::new();
    for name in names {
        match (tasks.get(name.as_str()), pipelines.get(name.as_str())) {
            (Some(task), _) => found.tasks.push(*task),
            (None, Some(pipeline)) => found.pipelines.push(*pipeline),
            (None, None) => unknown.push(name),
        }
    }
    if !unknown.is_empty() {
        return Err(refuse(&unknown, plan));
    }
    Ok(restricted(plan, found))
}

/// The tasks and the pipelines that a user names.
#[derive(Default)]
struct Named {
    tasks: Vec<TaskIdx>,
    pipelines: Vec<usize>,
}

fn restricted(plan: &Plan, Named { mut tasks, mut pipelines }: Named) -> Targets {
    let mut roots = tasks.clone();
    for pipeline in pipelines.iter().filter_map(|position| plan.pipelines().get(*position)) {
        let positions = pipeline.tasks.clone().filter_map(|position| u32::try_from(position).ok());
        roots.extend(positions.map(TaskIdx::new));
    }
    let mut is_included = plan.with_needs(&roots);
    // Every run has an ending.
    let finally = plan.first_finally().map_or(usize::MAX, TaskIdx::index);
    is_included.iter_mut().skip(finally).for_each(|task| *task = true);
    let mut is_shown = Vec::with_capacity(plan.outputs().len());
    for output in plan.outputs() {
        let mut reads = Vec::new();
        output.binding.each_task(&mut |task| reads.push(task));
        let is_complete = reads.iter().all(|task| is_included.get(task.index()).copied().unwrap_or(false));
        if is_complete {
            tasks.retain(|task| !reads.contains(task));
            // As a task that an output reads, a pipeline is not shown twice.
            pipelines.retain(|position| {
                let pipeline = plan.pipelines().get(*position);
                pipeline
                    .is_some_and(|pipeline| !reads.iter().any(|task| pipeline.tasks.contains(&task.index())))
            });
        }
        is_shown.push(is_complete);
    }
    // A task of `[finally]` has none either: outputs are known before it runs.
    tasks.retain(|task| !plan.is_finally(*task));
    // A function without a result has no output to show, nor has a pipeline of such functions.
    tasks.retain(|task| plan.task(*task).is_some_and(|task| task.output.is_some()));
    pipelines.retain(|position| plan.pipelines().get(*position).is_some_and(|found| found.output.is_some()));
    Targets { is_included, shown: Shown { declared: is_shown, tasks, pipelines } }
}

fn refuse(unknown: &[&String], plan: &Plan) -> Refusal {
    let pipelines = plan.pipelines().iter().map(|pipeline| pipeline.name.as_str());
    let tasks = || pipelines.clone().chain(plan.tasks().iter().map(|task| task.name.as_str()));
    let shown: Vec<String> = unknown.iter().map(|name| format!("`--target {name}`")).collect();
    let verb = if unknown.len() == 1 { "names" } else { "name" };
    let refusal = Refusal::new(format!("{} {verb} no task of this manifest", shown.join(" and ")));
    let task_of = |name: &str| {
        let node = TaskName::of_node(name).filter(TaskName::has_indexes)?.without_indexes();
        tasks().find(|known| *known == node.as_str())
    };
    let refusal = unknown.iter().fold(refusal, |refusal, name| match task_of(name) {
        Some(task) => refusal
            .note(format!("`{name}` is an element, and elements run with their task: `--target {task}`")),
        None => match nearest(name, tasks()) {
            Some(meant) => refusal.note(format!("did you mean `{meant}` by `{name}`?")),
            None => refusal, // nothing resembles it
        },
    });
    let first = unknown.first().map_or("", |name| name.as_str());
    refusal.help(format!("its tasks are {}", shortlist(first, tasks())))
}
