//! Reads what the guests of a task or an element wrote.
//! The layout is in `cli/commands/logs`.

use crate::app::Error;
use crate::app::archive::{TaskState, task_details, without_result};
use crate::app::assembled::Count;
use crate::app::iterations;
use crate::app::name_fault;
use crate::app::node_name::{Named, Names, no_run};
use crate::model::{RunId, SkipReason, Timestamp};
use crate::state::{Backend, LogPart, NodeId, NodeView, split_iteration_name};
use std::collections::BTreeMap;

/// Maximum number of nodes whose logs one request reads.
const MAX_NODES: usize = 10_000;

/// The guest output of a task or element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TaskLog {
    /// The logs: of one node, or of all elements in order. Of those, only logs with content.
    pub logs: Vec<NodeLog>,
    /// Whether the logs are those of elements.
    pub is_of_elements: bool,
    /// The reason for an empty log, unless the guest ran and wrote nothing.
    pub note: Option<String>,
    /// Which logs are not there.
    pub left_out: Option<String>,
}

/// The guest output of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeLog {
    /// Name of the node.
    pub name: String,
    /// The pieces, oldest first.
    pub parts: Vec<LogPart>,
}

/// Reads the output of all guests of a run: its lines by time, each as the log of its node. A run keeps at most 64 MiB.
pub(crate) async fn read_all_logs(backend: &dyn Backend, run: &RunId) -> Result<Vec<NodeLog>, Error> {
    let mut logs: BTreeMap<String, Vec<LogPart>> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = backend.logs(run, after.as_deref()).await.map_err(|error| no_run(run, error))?;
        // A node that is returned again has the newer log.
        logs.extend(page.nodes);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut lines: Vec<(Timestamp, NodeLog)> = Vec::new();
    for (name, parts) in logs {
        // What is missing is missing at the time of the line before.
        let mut at = Timestamp::from_millis(0);
        for part in parts {
            if let LogPart::Line(line) = &part {
                at = line.at;
            }
            lines.push((at, NodeLog { name: name.clone(), parts: vec![part] }));
        }
    }
    lines.sort_by_key(|(at, _)| *at); // stable: lines of a node stay in order
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// Reads the guest output of one node; empty if there is none.
pub(crate) async fn log_of_node(
    backend: &dyn Backend,
    run: &RunId,
    name: &str,
) -> Result<Vec<LogPart>, Error> {
    backend.log(run, name).await.map_err(|error| no_run(run, error))
}

/// Reads the guest output of a task or element; of a task with elements, that of all of them. Fails if there is no such
/// node, or if it has not run.
pub(crate) async fn read_log(backend: &dyn Backend, run: &RunId, name: &str) -> Result<TaskLog, Error> {
    let name = name.to_owned();
    let parts = backend.log(run, &name).await.map_err(|error| no_run(run, error))?;
    if !parts.is_empty() {
        return Ok(TaskLog { logs: vec![NodeLog { name, parts }], ..TaskLog::default() });
    }
    let names = Names::of(backend, run).await?;
    if let Some((node, iteration)) = split_iteration_name(&name) {
        let values = backend.results(run, std::slice::from_ref(&name)).await;
        if values.map_err(|error| no_run(run, error))?.into_iter().flatten().next().is_none() {
            return Err(iterations::missing(&names, node, iteration).await?);
        }
        return Err(Error::Missing {
            message: format!("the iterations of `{node}` share one log"),
            help: format!("`cascade-host logs {run} {node}` prints it"),
        });
    }
    let target = match names.resolve(&name).await? {
        Named::Node(node) => node,
        Named::Pipeline { pipeline, at } => {
            names.check_pipeline(pipeline, &at, &name).await?;
            return Err(name_fault::is_pipeline(run, &name, &names.tasks_in(pipeline, &at)));
        }
    };
    let view = names.find(target, &name).await?;
    let mut elements = Elements::default();
    elements.add(&names, target).await?;
    let Elements { nodes, is_cut, known } = elements;
    let Some(range) = known else {
        let bare = names.node_name(NodeId::of_task(target.task));
        let form = name_fault::form(&bare, &names.record.indexed(target.task));
        let of_elements =
            format!("its elements are not all known, and each has a log of its own, as `{form}`");
        let reason = empty_log_note(&names, &name, view).await?;
        let note = reason.or_else(|| (nodes.as_slice() != [target]).then_some(of_elements));
        return Ok(TaskLog { note, ..TaskLog::default() });
    };
    let mut logs = Vec::new();
    for node in nodes {
        let name = names.node_name(node);
        let parts = backend.log(run, &name).await.map_err(|error| no_run(run, error))?;
        if !parts.is_empty() {
            logs.push(NodeLog { name, parts });
        }
    }
    let is_silent = logs.is_empty();
    let left_out = is_cut.then(|| format!("only the logs of the first {MAX_NODES} elements are read"));
    Ok(TaskLog {
        logs,
        is_of_elements: true,
        note: is_silent
            .then(|| format!("the task runs once per element, and no log of one is stored: {range}")),
        left_out,
    })
}

/// The innermost nodes under a node.
#[derive(Default)]
struct Elements {
    nodes: Vec<NodeId>,
    /// Whether nodes beyond the bound were left out.
    is_cut: bool,
    /// The outermost elements, described; none if their number is not known.
    known: Option<String>,
}

impl Elements {
    /// Adds the nodes under this one in order, or itself.
    async fn add(&mut self, names: &Names<'_>, node: NodeId) -> Result<(), Error> {
        let depth = names.record.indexed(node.task).len();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if self.nodes.len() == MAX_NODES {
                self.is_cut = true;
                return Ok(());
            }
            if node.at.level() >= depth {
                self.nodes.push(node);
                continue;
            }
            let (of, count) = names.elements_of(node).await?;
            let Count::Known(count) = count else { continue };
            if self.known.is_none() {
                self.known = Some(name_fault::range(&of, count));
            }
            // The last one in is the first one out.
            let first = count.min(MAX_NODES + 1);
            let children: Vec<NodeId> = (0..).take(first).map(|item| node.child(item)).collect();
            open.extend(children.into_iter().rev());
        }
        Ok(())
    }
}

/// Returns the known reason why a task or element has no log. Fails if it has not run.
async fn empty_log_note(names: &Names<'_>, name: &str, view: NodeView) -> Result<Option<String>, Error> {
    let run = names.run;
    let summary = names.backend.run(run).await.map_err(|error| no_run(run, error))?;
    let details = task_details(name.to_owned(), view, &summary);
    let is_left_out = details.state == TaskState::Skipped(SkipReason::ElementFailed);
    match &details.state {
        TaskState::Cached(_) => {
            Ok(Some("its result came from the cache, which stores no guest output".to_owned()))
        }
        // An element that is left out has run.
        TaskState::Open | TaskState::Skipped(_) if !is_left_out => Err(Error::Missing {
            message: format!("`{}` of run `{run}` has not run: {}", details.name, without_result(&details)),
            help: format!("`cascade-host show {run}` shows every task"),
        }),
        TaskState::Open
        | TaskState::Skipped(_)
        | TaskState::Done(_)
        | TaskState::Passed
        | TaskState::Failed(_)
        | TaskState::Running
        | TaskState::Retrying
        | TaskState::Stopped => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};

    #[test]
    fn manual_states_the_bound_of_this_file() {
        let max = u32::try_from(MAX_NODES).unwrap();
        Page::of("events").section("Stored logs").says(&format!("at most {} elements", count(max)));
    }
}
