//! A graph as JSON: every task and every link, nothing joined. The form is stable: new facts get new keys.

use crate::cli::drawing::RunStates;
use crate::cli::drawing::describe::call;
use crate::graph::{Graph, Link, LinkKind, Node};
use crate::manifest::{Action, Task};
use crate::model::TaskIdx;
use serde::Serialize;

/// Version of the form.
const VERSION: u32 = 1;

/// A graph as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct GraphJson {
    v: u32,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunRow>,
    /// The tasks in manifest order.
    tasks: Vec<TaskRow>,
    links: Vec<LinkRow>,
    pipelines: Vec<PipelineRow>,
    outputs: Vec<OutputRow>,
}

#[derive(Debug, Serialize)]
struct RunRow {
    run: String,
    status: &'static str,
}

#[derive(Debug, Serialize)]
struct TaskRow {
    name: String,
    /// `component.function`, or the component of a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    for_each: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    finally: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_elements: Option<usize>,
}

#[derive(Debug, Serialize)]
struct LinkRow {
    from: String,
    to: String,
    /// `data`, `case` or `order`.
    kind: &'static str,
}

#[derive(Debug, Serialize)]
struct PipelineRow {
    name: String,
    manifest: String,
    tasks: Vec<String>,
    for_each: Vec<String>,
}

#[derive(Debug, Serialize)]
struct OutputRow {
    name: String,
    /// The tasks that the output may read.
    tasks: Vec<String>,
}

impl GraphJson {
    /// Describes a graph, with the states of a run if there is one.
    pub(crate) fn new(graph: &Graph, run: Option<&RunStates>) -> Self {
        let name = |task: TaskIdx| graph.nodes().get(task.index()).map(|node| node.name.to_string());
        let link =
            |link: Link| Some(LinkRow { from: name(link.from)?, to: name(link.to)?, kind: kind(link.kind) });
        let pipelines = graph.pipelines().iter().map(|pipeline| PipelineRow {
            name: pipeline.name.to_string(),
            manifest: graph.manifests().task(pipeline.place).map(|(_, task)| call(task)).unwrap_or_default(),
            tasks: graph
                .nodes()
                .get(pipeline.tasks.clone())
                .unwrap_or_default()
                .iter()
                .map(full_name)
                .collect(),
            for_each: pipeline.for_each.iter().map(|(item, _)| item.clone()).collect(),
        });
        let outputs = graph.output_tasks().into_iter().map(|(output, tasks)| OutputRow {
            name: output.to_owned(),
            tasks: tasks.into_iter().filter_map(name).collect(),
        });
        Self {
            v: VERSION,
            name: graph.manifests().root().name.clone(),
            run: run.map(|run| RunRow { run: run.run.clone(), status: run.status.as_str() }),
            tasks: graph.tasks().map(|(node, task)| TaskRow::new(node, task, run)).collect(),
            links: graph.links().into_iter().filter_map(link).collect(),
            pipelines: pipelines.collect(),
            outputs: outputs.collect(),
        }
    }

    /// Returns the JSON text.
    pub(crate) fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

impl TaskRow {
    fn new(node: &Node, task: &Task, run: Option<&RunStates>) -> Self {
        let status = run.and_then(|run| run.of(&node.name));
        let action = task.action.as_ref().map(|action| &action.value);
        let (call, interface, command) = match action {
            Some(Action::Call(function)) => (Some(call(task)), function.interface.clone(), None),
            Some(Action::Builtin(_)) => (Some(call(task)), None, None),
            Some(Action::Command(command)) => (None, None, Some(command.component.clone())),
            // A pipeline is no task of a graph.
            Some(Action::Manifest(_)) | None => (None, None, None),
        };
        Self {
            name: full_name(node),
            call,
            interface,
            command,
            for_each: node.for_each.iter().map(|(item, _)| item.clone()).collect(),
            finally: task.is_finally,
            state: status.map(|status| status.state.word()),
            failed_elements: status.map(|status| status.failed).filter(|failed| *failed > 0),
        }
    }
}

fn full_name(node: &Node) -> String {
    node.name.to_string()
}

const fn kind(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Data => "data",
        LinkKind::Case => "case",
        LinkKind::Order => "order",
    }
}
