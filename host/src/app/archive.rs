//! Reads stored runs: the list, and one run in detail; and removes a run.
//! The layout is in `cli/print`.

use crate::app::Error;
use crate::app::iterations::count_iterations;
use crate::app::node_name::{Named, Names, no_run};
use crate::model::{FailureClass, RunId, RunStatus, SkipReason, TaskIdx, own_words};
use crate::state::{
    Backend, CLOSING, ClaimView, End, FailureRecord, Hole, NodeId, NodeView, Note, Phase, Removal, RunSummary,
};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::Duration;

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
    /// The time that is left until each deadline that runs, with the name of its task or pipeline; none for the run's.
    pub deadlines: Vec<(Option<String>, Duration)>,
}

/// Marks a run whose tasks have succeeded and whose outputs could not be computed. `None` if the failure record is
/// unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputsFailed(pub Option<FailureRecord>);

/// A task, or an element that has failed or that a host holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskDetails {
    /// The name of the node, such as `task` or `task[i]`.
    pub name: String,
    /// The state of the node.
    pub state: TaskState,
    /// The last note from its host.
    pub note: Option<Note>,
    /// The current claim: its holder, and what is left of the lease.
    pub claim: Option<ClaimView>,
    /// How far the node is, if its task repeats.
    pub iterations: Option<Iterations>,
    /// The failure of an element that is left out of its list.
    pub left_out: Option<FailureRecord>,
    /// Whether it belongs to a task of `[finally]`.
    pub is_finally: bool,
    /// Resources of all runs that it holds or waits for.
    pub reserved: Vec<ReservedResource>,
}

impl TaskDetails {
    /// Creates details of a node that nobody has claimed, and of which nothing else is known.
    pub(crate) const fn new(name: String, state: TaskState, note: Option<Note>) -> Self {
        Self {
            name,
            state,
            note,
            claim: None,
            iterations: None,
            left_out: None,
            is_finally: false,
            reserved: Vec::new(),
        }
    }
}

/// A resource of all runs that a node holds or waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReservedResource {
    /// The name.
    pub name: String,
    /// Whether the node holds it.
    pub is_held: bool,
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
    /// All elements of the pipelines around it have ended well. It has no result: they have.
    Passed,
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
    let names = Names::of(backend, run).await?;
    let failed = backend.failed_elements(run, MAX_FAILED_ELEMENTS + 1).await.map_err(missing)?;
    let has_more = failed.len() > MAX_FAILED_ELEMENTS;
    let mut claims = claims(&names).await?;
    let tasks = (0..).map(TaskIdx::new).take(names.record.task_names().count());
    let mut nodes: Vec<NodeId> = tasks.map(NodeId::of_task).collect();
    for name in failed.iter().take(MAX_FAILED_ELEMENTS) {
        // A name that is none was stored by another program.
        if let Ok(Named::Node(node)) = names.resolve(name).await {
            nodes.push(node);
        }
    }
    // Claimed elements are shown besides the failed ones: `nodes` returns only the requested names.
    nodes.extend(claims.keys());
    nodes.sort_unstable();
    nodes.dedup();
    let node_names: Vec<String> = nodes.iter().map(|node| names.node_name(*node)).collect();
    let with_closing: Vec<String> = node_names.iter().cloned().chain([CLOSING.to_owned()]).collect();
    let mut views = backend.nodes(run, &with_closing).await.map_err(missing)?;
    let closing = views.pop().map(|view| view.end);
    let outputs = match closing {
        Some(End::Failed(record)) => Some(OutputsFailed(FailureRecord::decode(&record))),
        Some(End::Open | End::Done { .. } | End::Skipped(_)) | None => None,
    };
    // Tasks whose elements are those of a pipeline store nothing when they end well.
    let is_passing = |node: &NodeId| node.at.level() < names.record.around(node.task).len();
    let passing: Vec<TaskIdx> = nodes.iter().filter(|node| is_passing(node)).map(|node| node.task).collect();
    let passed = backend.ended_well(run, &passing).await.map_err(missing)?;
    let passed: HashMap<TaskIdx, bool> = passing.into_iter().zip(passed).collect();
    let mut reserved = if claims.is_empty() { HashMap::new() } else { reserved(backend, run).await? };
    let mut failures = left_out(&names, node_names.iter().zip(&views)).await?;
    let mut details = Vec::with_capacity(nodes.len());
    for ((node, name), view) in nodes.into_iter().zip(node_names).zip(views) {
        let claim = claims.remove(&node);
        let left_out = failures.remove(&name);
        let reserved = reserved.remove(&name).unwrap_or_default();
        let iterations = iterations(&names, node, claim.as_ref()).await?;
        let found = task_details(name, view, &summary);
        let has_passed = is_passing(&node) && node.at.level() == 0 && passed.get(&node.task) == Some(&true);
        let found = if has_passed { found.passed() } else { found };
        let is_finally = names.record.is_finally(node.task);
        let found = found.with_claim(claim);
        details.push(TaskDetails { iterations, left_out, is_finally, reserved, ..found });
    }
    let deadlines = backend.deadlines(run).await.map_err(missing)?;
    Ok(RunDetails { run: summary, nodes: details, has_more, outputs, deadlines })
}

/// Returns the failures of elements that are left out, by name. Notes may lack them: they may be lost with their host.
async fn left_out(
    names: &Names<'_>,
    views: impl Iterator<Item = (&String, &NodeView)>,
) -> Result<HashMap<String, FailureRecord>, Error> {
    let is_left_out = |view: &NodeView| view.end == End::Skipped(SkipReason::ElementFailed);
    let wanted: Vec<String> =
        views.filter(|(_, view)| is_left_out(view)).map(|(name, _)| name.clone()).collect();
    let stored = names.backend.results(names.run, &wanted).await;
    let stored = stored.map_err(|error| no_run(names.run, error))?;
    let failure = |(name, stored): (String, Option<Bytes>)| Some((name, Hole::decode(&stored?)?.failure?));
    Ok(wanted.into_iter().zip(stored).filter_map(failure).collect())
}

/// Returns what the nodes of a run hold of resources, or wait for, by name.
async fn reserved(
    backend: &dyn Backend,
    run: &RunId,
) -> Result<HashMap<String, Vec<ReservedResource>>, Error> {
    let mut reserved: HashMap<String, Vec<ReservedResource>> = HashMap::new();
    let Some(reservations) = backend.reservations() else { return Ok(reserved) };
    for resource in reservations.list().await? {
        // Resources that not all runs share have names that say so.
        let name = resource.name.split('@').next().unwrap_or_default();
        let all = resource.holders.iter().map(|view| (view, true));
        for (view, is_held) in all.chain(resource.waiting.iter().map(|view| (view, false))) {
            if view.holder.run == *run {
                let of_node = reserved.entry(view.holder.task.clone()).or_default();
                of_node.push(ReservedResource { name: name.to_owned(), is_held });
            }
        }
    }
    Ok(reserved)
}

/// Returns how far a node is, if it repeats. A node around elements does not.
async fn iterations(
    names: &Names<'_>,
    node: NodeId,
    claim: Option<&ClaimView>,
) -> Result<Option<Iterations>, Error> {
    let task = names.node_name(NodeId::of_task(node.task));
    let is_innermost = node.at.level() == names.record.indexed(node.task).len();
    let Some(max) = names.record.max_iterations(&task).filter(|_| is_innermost) else { return Ok(None) };
    let stored = match claim {
        Some(claim) => claim.iteration,
        None => {
            let counted = count_iterations(names.backend, names.run, &names.node_name(node)).await;
            counted.map_err(|error| no_run(names.run, error))?
        }
    };
    Ok(Some(Iterations { stored, max }))
}

/// Returns the current claims by node.
async fn claims(names: &Names<'_>) -> Result<HashMap<NodeId, ClaimView>, Error> {
    let claims = names.backend.claims(names.run, MAX_CLAIMS).await;
    let claims = claims.map_err(|error| no_run(names.run, error))?.into_iter();
    // The node that closes the run is no task.
    let of_tasks = claims.filter(|claim| names.record.node_name(claim.node.task, &claim.node.at).is_some());
    Ok(of_tasks.map(|claim| (claim.node, claim)).collect())
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
        TaskState::Passed => "its elements have the results".to_owned(),
        TaskState::Open | TaskState::Done(_) | TaskState::Cached(_) => "it has not started".to_owned(),
    }
}

/// Removes a run.
pub(crate) async fn remove_run(backend: &dyn Backend, run: &RunId, removal: Removal) -> Result<(), Error> {
    backend.remove(run, removal).await.map_err(|error| no_run(run, error))
}

impl TaskDetails {
    /// Returns whether the node has failed, or is left out for a failure of its own.
    pub(crate) const fn has_failed(&self) -> bool {
        matches!(self.state, TaskState::Failed(_)) || self.left_out.is_some()
    }

    /// Returns the failure record; none if the node has not failed, or the record cannot be read.
    pub(crate) const fn failure(&self) -> Option<&FailureRecord> {
        match &self.state {
            TaskState::Failed(record) => record.as_ref(),
            TaskState::Done(_)
            | TaskState::Passed
            | TaskState::Cached(_)
            | TaskState::Skipped(_)
            | TaskState::Running
            | TaskState::Retrying
            | TaskState::Stopped
            | TaskState::Open => self.left_out.as_ref(),
        }
    }

    /// Adds the claim. A claimed node counts as running: notes may lag, the ledger never does.
    pub(crate) fn with_claim(mut self, claim: Option<ClaimView>) -> Self {
        if claim.is_some() {
            self.state = match self.state {
                TaskState::Running | TaskState::Retrying | TaskState::Stopped | TaskState::Open => {
                    TaskState::Running
                }
                ended @ (TaskState::Done(_)
                | TaskState::Passed
                | TaskState::Cached(_)
                | TaskState::Skipped(_)
                | TaskState::Failed(_)) => ended,
            };
        }
        Self { claim, ..self }
    }

    /// Returns the details of a node that has ended well without a result, according to the ledger: a note of that may have
    /// been lost with its host.
    pub(crate) fn passed(mut self) -> Self {
        self.state = match self.state {
            TaskState::Open | TaskState::Running | TaskState::Retrying | TaskState::Stopped => {
                TaskState::Passed
            }
            ended @ (TaskState::Done(_)
            | TaskState::Passed
            | TaskState::Cached(_)
            | TaskState::Skipped(_)
            | TaskState::Failed(_)) => ended,
        };
        self
    }
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
    TaskDetails::new(name, state, note)
}

/// Derives the state of an open node from its last note.
fn open_state(note: &Note, run: &RunSummary) -> TaskState {
    let is_alive = run.status == RunStatus::Running && run.hosts.contains(&note.host);
    match note.phase {
        Phase::Retrying if run.status == RunStatus::Running && !run.hosts.is_empty() => TaskState::Retrying,
        // A note that reports an end may arrive before the result, since both travel separately. Until then the node
        // counts as running.
        Phase::Ready | Phase::Running | Phase::Done | Phase::Cached if is_alive => TaskState::Running,
        Phase::Skipped => TaskState::Open, // in an earlier session
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
            ending: None,
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
    fn task_that_has_ended_without_a_result_counts_as_passed_whatever_its_note_says() {
        let (alive, dead) = (run(RunStatus::Running, &["h1"]), run(RunStatus::Running, &[]));
        let state = |end: End, phase, run: &RunSummary| {
            let note = Some(Note::new(HostId("h1".into()), phase));
            task_details("clean/sum".into(), NodeView { end, note }, run).passed().state
        };
        for run in [&alive, &dead] {
            assert_eq!(state(End::Open, Phase::Ready, run), TaskState::Passed);
            assert_eq!(state(End::Open, Phase::Done, run), TaskState::Passed);
        }
        assert_eq!(state(End::Failed(b"?"[..].into()), Phase::Done, &alive), TaskState::Failed(None));
    }

    #[test]
    fn manual_states_the_bounds_of_this_file() {
        Page::of("cli").section("JSON forms").says(&format!("at most {MAX_FAILED_ELEMENTS} failed elements"));
    }
}
