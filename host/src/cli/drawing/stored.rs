//! The picture of a stored run, by its plan's record alone: pipelines in one box each, and boxes joined where there are too
//! many. `build` does the same for a manifest.

use crate::cli::drawing::RunStates;
use crate::cli::drawing::build::distinct;
use crate::cli::drawing::picture::{Form, Line, Picture, TaskBox, label};
use crate::cli::drawing::refine::{Bounds, Unjoined, join};
use crate::cli::drawing::state::{TaskStatus, box_status};
use crate::graph::LinkKind;
use crate::model::{TaskIdx, TaskName};
use crate::plan::PlanRecord;
use std::collections::{HashMap, HashSet};

/// Bounds of a picture on a page: more boxes would be too small to read.
const BOUNDS: Bounds = Bounds { boxes: 120, lines: 250 };

/// A task, or the tasks of an outermost pipeline.
struct Unit {
    name: String,
    call: String,
    form: Form,
    depth: usize,
    statuses: Vec<TaskStatus>,
}

/// Draws the tasks of a stored plan with their states.
pub(crate) fn draw_stored(record: &PlanRecord, run: &RunStates) -> Picture {
    let (units, of_task) = units(record, run);
    let unit = |task: TaskIdx| of_task.get(task.index()).copied();
    let tasks = (0..).map(TaskIdx::new).take(of_task.len());
    let lines = tasks.flat_map(|to| record.lineage().inputs(to).into_iter().map(move |from| (from, to)));
    let lines =
        lines.filter_map(|(from, to)| Some(Line { from: unit(from)?, to: unit(to)?, kind: LinkKind::Data }));
    let lines = distinct(lines);
    let depths: Vec<usize> = units.iter().map(|unit| unit.depth).collect();
    let acts: Vec<String> = units.iter().map(|unit| unit.call.clone()).collect();
    let pairs: Vec<(usize, usize)> = lines.iter().map(|line| (line.from, line.to)).collect();
    let parts = join(Unjoined { depths: &depths, acts: &acts, lines: &pairs }, BOUNDS);
    let number = parts.iter().max().map_or(0, |last| last + 1);
    let mut members: Vec<Vec<&Unit>> = vec![Vec::new(); number];
    for (unit, part) in units.iter().zip(&parts) {
        members.get_mut(*part).into_iter().for_each(|members| members.push(unit));
    }
    let lines = distinct(lines.into_iter().filter_map(|line| {
        Some(Line { from: *parts.get(line.from)?, to: *parts.get(line.to)?, kind: line.kind })
    }));
    let caption = (number < units.len()).then(|| {
        format!("{} tasks in {number} boxes: tasks that play the same part share a box", of_task.len())
    });
    Picture {
        title: label(&format!("run {}", run.run)),
        caption,
        boxes: members.iter().map(|members| task_box(members)).collect(),
        lines,
    }
}

/// Returns the units, and that of each task.
fn units(record: &PlanRecord, run: &RunStates) -> (Vec<Unit>, Vec<usize>) {
    let outermost: HashSet<&str> = record
        .pipelines()
        .iter()
        .filter(|pipeline| !pipeline.name.contains(TaskName::SEPARATOR))
        .map(|pipeline| pipeline.name.as_str())
        .collect();
    let mut units: Vec<Unit> = Vec::new();
    let (mut of_task, mut of_pipeline) = (Vec::new(), HashMap::new());
    let depths = depths(record);
    for ((name, task), depth) in record.task_names().zip((0..).map(TaskIdx::new)).zip(depths) {
        let pipeline = name.split_once(TaskName::SEPARATOR).map(|(first, _)| first);
        let pipeline = pipeline.filter(|first| outermost.contains(first));
        let status = TaskName::new(name).ok().and_then(|name| run.of(&name));
        let known = pipeline.and_then(|pipeline| of_pipeline.get(pipeline).copied());
        let position = known.unwrap_or(units.len());
        of_task.push(position);
        if let Some(unit) = units.get_mut(position) {
            unit.statuses.extend(status);
            continue;
        }
        let callee = record.lineage().callee(task);
        let call = callee.map(|callee| format!("{}.{}", callee.component, callee.function));
        let form = match (pipeline, record.indexed(task).is_empty()) {
            (Some(pipeline), _) => {
                of_pipeline.insert(pipeline, position);
                Form::Pipeline
            }
            (None, true) => Form::One,
            (None, false) => Form::Many,
        };
        let name = pipeline.unwrap_or(name).to_owned();
        let call = call.filter(|_| pipeline.is_none()).unwrap_or_default();
        units.push(Unit { name, call, form, depth, statuses: status.into_iter().collect() });
    }
    (units, of_task)
}

fn task_box(members: &[&Unit]) -> TaskBox {
    let statuses: Vec<TaskStatus> = members.iter().flat_map(|unit| unit.statuses.iter().copied()).collect();
    let status = box_status(&statuses);
    let shown = |call: &str| (!call.is_empty()).then(|| label(call)).into_iter().collect();
    match members {
        [] => TaskBox { name: String::new(), details: Vec::new(), form: Form::One, status },
        [one] => TaskBox { name: label(&one.name), details: shown(&one.call), form: one.form, status },
        [first, .., last] => {
            let range = format!("{} … {}", label(&first.name), label(&last.name));
            let name = format!("{} tasks", members.len());
            TaskBox { name, details: vec![label(&range)], form: Form::Many, status }
        }
    }
}

/// Returns how many tasks are on the longest way to each task. The plan has no cycles.
fn depths(record: &PlanRecord) -> Vec<usize> {
    let count = record.task_names().count();
    let mut depths: Vec<Option<usize>> = vec![None; count];
    for task in (0..).map(TaskIdx::new).take(count) {
        let mut open = vec![task];
        while let Some(task) = open.last().copied() {
            let known = |task: &TaskIdx| depths.get(task.index()).copied().flatten();
            let inputs = record.lineage().inputs(task);
            let unknown: Vec<TaskIdx> = inputs
                .iter()
                .copied()
                .filter(|input| known(input).is_none() && input.index() < count)
                .collect();
            if unknown.is_empty() || open.len() > count {
                let deepest = inputs.iter().filter_map(known).max().map_or(0, |depth| depth + 1);
                depths.get_mut(task.index()).into_iter().for_each(|depth| *depth = Some(deepest));
                open.pop();
            } else {
                open.extend(unknown);
            }
        }
    }
    depths.into_iter().map(|depth| depth.unwrap_or(0)).collect()
}
