//! The tasks that a node's arguments come from, and those that it waits for, as nodes of a stored run.
//! The plan's record knows them by task; indexes follow from the node's own.

use crate::app::Error;
use crate::app::archive::{TaskState, task_details};
use crate::app::node_name::{Names, no_run};
use crate::model::TaskIdx;
use crate::plan::PlanRecord;
use crate::state::NodeId;
use std::collections::BTreeSet;

/// Returns the node of a source that a node reads: in the same elements of the pipelines around both.
pub(crate) fn source(record: &PlanRecord, node: NodeId, source: TaskIdx) -> NodeId {
    let (own, other) = (record.around(node.task), record.around(source));
    let common = own.iter().zip(&other).take_while(|(own, other)| own == other).count();
    NodeId { task: source, at: node.at.prefix(common.min(node.at.level())) }
}

/// Returns the names of all tasks that a task depends on, directly or not.
pub(crate) fn upstream(record: &PlanRecord, task: TaskIdx) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![task];
    while let Some(task) = open.pop() {
        for source in record.lineage().inputs(task) {
            if record.task_name(source).is_some_and(|name| found.insert(name.to_owned())) {
                open.push(source);
            }
        }
    }
    found
}

/// Returns the inputs of a node that have not ended, each with its state.
pub(crate) async fn open_inputs(names: &Names<'_>, node: NodeId) -> Result<Vec<(String, TaskState)>, Error> {
    let inputs: Vec<String> = names
        .record
        .lineage()
        .inputs(node.task)
        .into_iter()
        .map(|task| names.node_name(source(&names.record, node, task)))
        .collect();
    let missing = |error| no_run(names.run, error);
    let summary = names.backend.run(names.run).await.map_err(missing)?;
    let views = names.backend.nodes(names.run, &inputs).await.map_err(missing)?;
    let tasks: Vec<TaskIdx> = names.record.lineage().inputs(node.task).into_iter().collect();
    // A task whose elements are those of a pipeline stores no result of its own.
    let passed = names.backend.ended_well(names.run, &tasks).await.map_err(missing)?;
    let states = inputs.into_iter().zip(views).zip(passed);
    let states = states.map(|((name, view), passed)| (task_details(name, view, &summary), passed));
    let open = states.filter(|(details, passed)| !passed && !has_ended(&details.state));
    Ok(open.map(|(details, _)| (details.name, details.state)).collect())
}

const fn has_ended(state: &TaskState) -> bool {
    match state {
        TaskState::Done(_)
        | TaskState::Cached(_)
        | TaskState::Passed
        | TaskState::Skipped(_)
        | TaskState::Failed(_) => true,
        TaskState::Running | TaskState::Retrying | TaskState::Stopped | TaskState::Open => false,
    }
}
