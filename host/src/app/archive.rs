//! Reads stored runs: the list, one run in detail, a guest's log; and removes a run.
//! The layout is in `cli/print`.

use crate::app::Error;
use crate::app::iterations::count_iterations;
use crate::app::node_name::{Found, find, no_run, plan_record, range, stored_name};
use crate::model::{FailureClass, RunId, RunStatus, SkipReason, own_words};
use crate::state::{
    Backend, CLOSING, ClaimView, End, FailureRecord, LogPart, NodeView, Note, Phase, Removal, RunSummary,
    split_iteration_name,
};
use std::collections::HashMap;

/// Maximum number of failed elements listed. Their task reports the first failure in any case.
const MAX_FAILED_ELEMENTS: usize = 100;

/// Maximum number of claims listed.
const MAX_CLAIMS: usize = 1000;

/// A run in detail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunDetails {
    /// The run's summary.
    pub run: RunSummary,
    /// Tasks in the plan's order, each followed by its failed and its claimed elements.
    pub nodes: Vec<TaskDetails>,
    /// Whether more elements have failed than are listed.
    pub has_more: bool,
    /// The failure of the outputs, if any.
    pub outputs: Option<OutputsFailed>,
}

/// Marks a run whose tasks have succeeded and whose outputs could not be computed. `None` if the failure record is
/// unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputsFailed(pub Option<FailureRecord>);

/// A task, or an element that has failed or that a host holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskDetails {
    /// `task` or `task[i]`.
    pub name: String,
    /// The state of the node.
    pub state: TaskState,
    /// The last note from its host.
    pub note: Option<Note>,
    /// The current claim: its holder, and what is left of the lease.
    pub claim: Option<ClaimView>,
    /// How far the node is, if its task repeats.
    pub iterations: Option<Iterations>,
}

/// How far a node that repeats is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Iterations {
    /// Number of stored iterations.
    pub stored: u32,
    /// Maximum number of iterations.
    pub max: u32,
}

/// The state of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TaskState {
    /// Has a result of this size in bytes.
    Done(u64),
    /// Has a result of this size in bytes, which came from the cache.
    Cached(u64),
    /// Skipped.
    Skipped(SkipReason),
    /// Failed; `None` if the record cannot be read.
    Failed(Option<FailureRecord>),
    /// A host works on it.
    Running,
    /// An attempt has failed, and another will follow.
    Retrying,
    /// Started, but no host works on it any more.
    Stopped,
    /// Not started, as far as is known.
    Open,
}

/// Lists at most `max` runs of a backend, latest first.
pub(crate) async fn list_runs(backend: &dyn Backend, max: usize) -> Result<Vec<RunSummary>, Error> {
    Ok(backend.runs(max).await?)
}

/// Returns a run in detail. Fails if there is no such run.
pub(crate) async fn read_run(backend: &dyn Backend, run: &RunId) -> Result<RunDetails, Error> {
    let missing = |error| no_run(run, error);
    let summary = backend.run(run).await.map_err(missing)?;
    let record = plan_record(backend, run, NEWER).await?;
    let tasks: Vec<String> = record.task_names().map(str::to_owned).collect();
    let mut elements = backend.failed_elements(run, MAX_FAILED_ELEMENTS + 1).await.map_err(missing)?;
    let has_more = elements.len() > MAX_FAILED_ELEMENTS;
    elements.truncate(MAX_FAILED_ELEMENTS);
    let mut claims = claims(backend, run, &tasks).await?;
    // Claimed elements are shown besides the failed ones: `nodes` returns only the requested names.
    elements.extend(claims.keys().filter(|name| item_part(name).is_some()).cloned());
    elements.sort_by_cached_key(|name| item_part(name));
    elements.dedup();
    let of_task = |task: &String| {
        let elements = elements.iter().filter(|name| task_part(name) == task).cloned();
        std::iter::once(task.clone()).chain(elements).collect::<Vec<_>>()
    };
    let names: Vec<String> = tasks.iter().flat_map(of_task).collect();
    let with_closing: Vec<String> = names.iter().cloned().chain([CLOSING.to_owned()]).collect();
    let mut views = backend.nodes(run, &with_closing).await.map_err(missing)?;
    let closing = views.pop().map(|view| view.end);
    let outputs = match closing {
        Some(End::Failed(record)) => Some(OutputsFailed(FailureRecord::decode(&record))),
        Some(End::Open | End::Done { .. } | End::Skipped(_)) | None => None,
    };
    let mut nodes = Vec::with_capacity(names.len());
    for (name, view) in names.into_iter().zip(views) {
        let claim = claims.remove(&name);
        let iterations = match record.max_iterations(task_part(&name)) {
            Some(max) => Some(Iterations {
                stored: stored_iterations(backend, run, &name, claim.as_ref()).await?,
                max,
            }),
            None => None,
        };
        nodes.push(TaskDetails { iterations, ..task_details(name, view, &summary).with_claim(claim) });
    }
    Ok(RunDetails { run: summary, nodes, has_more, outputs })
}

/// Advice for a run whose plan this version cannot read.
const NEWER: &str = "Use the version of cascade-host that created the run.";

/// Returns the number of stored iterations of a node, which its claim tells too.
async fn stored_iterations(
    backend: &dyn Backend,
    run: &RunId,
    name: &str,
    claim: Option<&ClaimView>,
) -> Result<u32, Error> {
    match claim {
        Some(claim) => Ok(claim.iteration),
        None => count_iterations(backend, run, name).await.map_err(|error| no_run(run, error)),
    }
}

/// Returns the current claims by node name.
async fn claims(
    backend: &dyn Backend,
    run: &RunId,
    tasks: &[String],
) -> Result<HashMap<String, ClaimView>, Error> {
    let claims = backend.claims(run, MAX_CLAIMS).await.map_err(|error| no_run(run, error))?;
    let named = claims.into_iter().filter_map(|claim| {
        let task = tasks.get(claim.node.task.index())?;
        let name = format!("{task}{}", claim.node.at);
        Some((name, claim))
    });
    Ok(named.collect())
}

/// The guest output of a task or element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskLog {
    /// The pieces, oldest first.
    pub parts: Vec<LogPart>,
    /// The reason for an empty log, unless the guest ran and wrote nothing.
    pub note: Option<String>,
}

/// Reads the guest output of a task or element. Fails if there is no such node, or if it has not run.
pub(crate) async fn read_log(backend: &dyn Backend, run: &RunId, name: &str) -> Result<TaskLog, Error> {
    let missing = |error| no_run(run, error);
    let name = stored_name(name);
    let parts = backend.log(run, &name).await.map_err(missing)?;
    if !parts.is_empty() {
        return Ok(TaskLog { parts, note: None });
    }
    let Found { view, elements } = find(backend, run, &name).await?;
    if let Some((node, _)) = split_iteration_name(&name) {
        return Err(Error::Missing {
            message: format!("the iterations of `{node}` share one log"),
            help: format!("`cascade-host logs {run} {node}` prints it"),
        });
    }
    let note = match elements {
        Some(count) => Some(format!("the task runs once per element: {}", range(&name, count))),
        None => {
            empty_log_note(&task_details(name.clone(), view, &backend.run(run).await.map_err(missing)?), run)?
        }
    };
    Ok(TaskLog { parts, note })
}

/// Returns the known reason why a task or element has no log. Fails if it has not run.
fn empty_log_note(details: &TaskDetails, run: &RunId) -> Result<Option<String>, Error> {
    match &details.state {
        TaskState::Cached(_) => {
            Ok(Some("its result came from the cache, which stores no guest output".to_owned()))
        }
        TaskState::Open | TaskState::Skipped(_) => Err(Error::Missing {
            message: format!("`{}` of run `{run}` has not run: {}", details.name, without_result(details)),
            help: format!("`cascade-host show {run}` shows every task"),
        }),
        TaskState::Done(_)
        | TaskState::Failed(_)
        | TaskState::Running
        | TaskState::Retrying
        | TaskState::Stopped => Ok(None),
    }
}

/// Explains why a task or element has no result.
pub(crate) fn without_result(details: &TaskDetails) -> String {
    match &details.state {
        TaskState::Failed(Some(record)) => {
            let message = own_words(&record.message).lines().next().unwrap_or_default();
            format!("it failed: {}: {message}", record.class)
        }
        TaskState::Failed(None) => "it failed".to_owned(),
        TaskState::Skipped(reason) => format!("it was skipped: {reason}"),
        TaskState::Running => "a host works on it".to_owned(),
        TaskState::Retrying => "its next attempt is pending".to_owned(),
        TaskState::Stopped => "it started, and no host works on it any more".to_owned(),
        TaskState::Open | TaskState::Done(_) | TaskState::Cached(_) => "it has not started".to_owned(),
    }
}

/// Removes a run.
pub(crate) async fn remove_run(backend: &dyn Backend, run: &RunId, removal: Removal) -> Result<(), Error> {
    backend.remove(run, removal).await.map_err(|error| no_run(run, error))
}

impl TaskDetails {
    /// Adds the claim. A claimed node counts as running: notes may lag, the ledger never does.
    fn with_claim(mut self, claim: Option<ClaimView>) -> Self {
        if claim.is_some() {
            self.state = match self.state {
                TaskState::Running | TaskState::Retrying | TaskState::Stopped | TaskState::Open => {
                    TaskState::Running
                }
                ended @ (TaskState::Done(_)
                | TaskState::Cached(_)
                | TaskState::Skipped(_)
                | TaskState::Failed(_)) => ended,
            };
        }
        Self { claim, ..self }
    }
}

fn task_part(name: &str) -> &str {
    name.split_once('[').map_or(name, |(task, _)| task)
}

fn item_part(name: &str) -> Option<u32> {
    name.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

/// Derives the details of a node from what is stored of it.
pub(crate) fn task_details(name: String, view: NodeView, run: &RunSummary) -> TaskDetails {
    let NodeView { end, note } = view;
    let state = match end {
        End::Done { bytes } if note.as_ref().is_some_and(|note| note.phase == Phase::Cached) => {
            TaskState::Cached(bytes)
        }
        End::Done { bytes } => TaskState::Done(bytes),
        End::Skipped(reason) => TaskState::Skipped(reason),
        End::Failed(record) => TaskState::Failed(FailureRecord::decode(&record)),
        End::Open => note.as_ref().map_or(TaskState::Open, |note| open_state(note, run)),
    };
    TaskDetails { name, state, note, claim: None, iterations: None }
}

/// Derives the state of an open node from its last note.
fn open_state(note: &Note, run: &RunSummary) -> TaskState {
    let is_alive = run.status == RunStatus::Running && run.hosts.contains(&note.host);
    match note.phase {
        Phase::Retrying if run.status == RunStatus::Running && !run.hosts.is_empty() => TaskState::Retrying,
        // A note that reports an end may arrive before the result, since both travel separately. Until then the node
        // counts as running.
        Phase::Ready | Phase::Running | Phase::Done | Phase::Cached if is_alive => TaskState::Running,
        Phase::Failed if note.failure.as_ref().is_none_or(|(class, _)| *class != FailureClass::Cancelled) => {
            TaskState::Open // failed in an earlier session, and will run again
        }
        Phase::Ready | Phase::Running | Phase::Retrying | Phase::Done | Phase::Cached | Phase::Failed => {
            TaskState::Stopped
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;
    use crate::model::Timestamp;
    use crate::state::{Counts, HostId};

    fn run(status: RunStatus, hosts: &[&str]) -> RunSummary {
        RunSummary {
            run: RunId::new("r1").unwrap(),
            name: None,
            status,
            epoch: 1,
            counts: Counts::default(),
            created: Timestamp::from_millis(0),
            active: Timestamp::from_millis(0),
            hosts: hosts.iter().map(|host| HostId((*host).into())).collect(),
        }
    }

    fn state(end: End, phase: Phase, run: &RunSummary) -> TaskState {
        let note = Some(Note::new(HostId("h1".into()), phase));
        task_details("t".into(), NodeView { end, note }, run).state
    }

    #[test]
    fn stored_end_overrides_the_note() {
        let run = run(RunStatus::Running, &["h1"]);
        assert_eq!(state(End::Done { bytes: 3 }, Phase::Running, &run), TaskState::Done(3));
        assert_eq!(state(End::Done { bytes: 3 }, Phase::Cached, &run), TaskState::Cached(3));
        assert_eq!(state(End::Failed(b"?"[..].into()), Phase::Running, &run), TaskState::Failed(None));
        let skipped = End::Skipped(SkipReason::Pruned);
        assert_eq!(state(skipped, Phase::Ready, &run), TaskState::Skipped(SkipReason::Pruned));
    }

    #[test]
    fn note_counts_while_its_host_is_alive() {
        let (alive, dead) = (run(RunStatus::Running, &["h1"]), run(RunStatus::Running, &["h2"]));
        assert_eq!(state(End::Open, Phase::Running, &alive), TaskState::Running);
        assert_eq!(state(End::Open, Phase::Running, &dead), TaskState::Stopped);
        assert_eq!(state(End::Open, Phase::Retrying, &dead), TaskState::Retrying);
        assert_eq!(state(End::Open, Phase::Retrying, &run(RunStatus::Running, &[])), TaskState::Stopped);
        assert_eq!(state(End::Open, Phase::Failed, &alive), TaskState::Open);
    }

    #[test]
    fn element_name_has_a_task_and_an_index() {
        assert_eq!((task_part("count[10]"), item_part("count[10]")), ("count", Some(10)));
        assert_eq!((task_part("count"), item_part("count")), ("count", None));
    }

    #[test]
    fn manual_states_the_bounds_of_this_file() {
        Page::of("cli").section("JSON forms").says(&format!("at most {MAX_FAILED_ELEMENTS} failed elements"));
    }
}
