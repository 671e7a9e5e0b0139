//! Reads stored runs: the list, one run in detail, a guest's log; and removes a run.
//! The layout is in `cli/print`.

use crate::app::Error;
use crate::app::node_name::{Found, find, no_run, plan_record, range, stored_name};
use crate::model::{FailureClass, RunId, RunStatus, SkipReason, own_words};
use crate::state::{
    Backend, CLOSING, ClaimView, End, FailureRecord, LogPart, NodeView, Note, Phase, Removal, RunSummary,
};
use std::collections::HashMap;

/// Maximum number of failed elements listed. Their task reports the first failure in any case.
const MOST_ELEMENTS: usize = 100;

/// Maximum number of claims listed.
const MOST_CLAIMS: usize = 1000;

/// A run in detail.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// The run's summary.
    pub run: RunSummary,
    /// Tasks in the plan's order, each followed by its failed and its claimed elements.
    pub nodes: Vec<TaskStory>,
    /// Whether more elements have failed than are listed.
    pub has_more: bool,
    /// How its outputs have failed, if they have.
    pub outputs: Option<OutputsFailed>,
}

/// The outputs of a run could not be made, though all its tasks have succeeded; none where the record of why cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputsFailed(pub Option<FailureRecord>);

/// A task, or an element that has failed or that a host holds.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskStory {
    /// `task` or `task[i]`.
    pub name: String,
    /// The state of the node.
    pub state: TaskState,
    /// The last note from its host.
    pub note: Option<Note>,
    /// The current claim: its holder, and what is left of the lease.
    pub claim: Option<ClaimView>,
}

/// The state of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
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

/// Lists at most `most` runs of a backend, latest first.
pub async fn list_runs(backend: &dyn Backend, most: usize) -> Result<Vec<RunSummary>, Error> {
    Ok(backend.runs(most).await?)
}

/// Returns a run in detail. Fails if there is no such run.
pub async fn tell_run(backend: &dyn Backend, run: &RunId) -> Result<Story, Error> {
    let gone = |error| no_run(run, error);
    let summary = backend.run(run).await.map_err(gone)?;
    let tasks = task_names(backend, run).await?;
    let mut elements = backend.failed_elements(run, MOST_ELEMENTS + 1).await.map_err(gone)?;
    let has_more = elements.len() > MOST_ELEMENTS;
    elements.truncate(MOST_ELEMENTS);
    let mut claims = claims(backend, run, &tasks).await?;
    // Claimed elements are shown besides the failed ones, since `nodes` lists only what it is asked for.
    elements.extend(claims.keys().filter(|name| item_of(name).is_some()).cloned());
    elements.sort_by_cached_key(|name| item_of(name));
    elements.dedup();
    let of_task = |task: &String| {
        let elements = elements.iter().filter(|name| task_of(name) == task).cloned();
        std::iter::once(task.clone()).chain(elements).collect::<Vec<_>>()
    };
    let names: Vec<String> = tasks.iter().flat_map(of_task).collect();
    let with_closing: Vec<String> = names.iter().cloned().chain([CLOSING.to_owned()]).collect();
    let mut views = backend.nodes(run, &with_closing).await.map_err(gone)?;
    let closing = views.pop().map(|view| view.end);
    let outputs = match closing {
        Some(End::Failed(record)) => Some(OutputsFailed(FailureRecord::decode(&record))),
        Some(End::Open | End::Done { .. } | End::Skipped(_)) | None => None,
    };
    let nodes = names.into_iter().zip(views).map(|(name, view)| {
        let claim = claims.remove(&name);
        story(name, view, &summary).held(claim)
    });
    let nodes = nodes.collect();
    Ok(Story { run: summary, nodes, has_more, outputs })
}

/// Returns the current claims by node name.
async fn claims(
    backend: &dyn Backend,
    run: &RunId,
    tasks: &[String],
) -> Result<HashMap<String, ClaimView>, Error> {
    let claims = backend.claims(run, MOST_CLAIMS).await.map_err(|error| no_run(run, error))?;
    let named = claims.into_iter().filter_map(|claim| {
        let task = tasks.get(claim.node.task.index())?;
        let name = claim.node.item.map_or_else(|| task.clone(), |item| format!("{task}[{item}]"));
        Some((name, claim))
    });
    Ok(named.collect())
}

/// What the guest of a task or element wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLog {
    /// What it wrote, oldest first.
    pub parts: Vec<LogPart>,
    /// Why there is nothing, where that is not for lack of something to say.
    pub note: Option<String>,
}

/// What the guest of a task or element wrote. Where there is no such task or element, or it has not run, that is the
/// error.
pub async fn read_log(backend: &dyn Backend, run: &RunId, name: &str) -> Result<TaskLog, Error> {
    let gone = |error| no_run(run, error);
    let name = stored_name(name);
    let parts = backend.log(run, &name).await.map_err(gone)?;
    if !parts.is_empty() {
        return Ok(TaskLog { parts, note: None });
    }
    let Found { view, elements } = find(backend, run, &name).await?;
    let note = match elements {
        Some(count) => Some(format!("it runs once per element: {}", range(&name, count))),
        None => silence(&story(name.clone(), view, &backend.run(run).await.map_err(gone)?), run)?,
    };
    Ok(TaskLog { parts, note })
}

/// Why a task or element has no log, if that is known; the error of one that has not run.
fn silence(story: &TaskStory, run: &RunId) -> Result<Option<String>, Error> {
    match &story.state {
        TaskState::Cached(_) => {
            Ok(Some("its result came from the cache: what was written then is not kept with it".to_owned()))
        }
        TaskState::Open | TaskState::Skipped(_) => Err(Error::Missing {
            message: format!("`{}` of run `{run}` has not run: {}", story.name, without_result(story)),
            help: format!("`cascade-host show {run}` shows every task"),
        }),
        TaskState::Done(_)
        | TaskState::Failed(_)
        | TaskState::Running
        | TaskState::Retrying
        | TaskState::Stopped => Ok(None),
    }
}

/// Why a task or element that has no result has none.
pub(crate) fn without_result(story: &TaskStory) -> String {
    match &story.state {
        TaskState::Failed(Some(record)) => {
            let message = own_words(&record.message).lines().next().unwrap_or_default();
            format!("it has failed: {}: {message}", record.class)
        }
        TaskState::Failed(None) => "it has failed".to_owned(),
        TaskState::Skipped(reason) => format!("it was skipped: {reason}"),
        TaskState::Running => "a host works on it".to_owned(),
        TaskState::Retrying => "it is to be tried again".to_owned(),
        TaskState::Stopped => "it was begun, and nobody works on it any more".to_owned(),
        TaskState::Open | TaskState::Done(_) | TaskState::Cached(_) => {
            "nothing has happened to it".to_owned()
        }
    }
}

/// Removes a run.
pub async fn remove_run(backend: &dyn Backend, run: &RunId, removal: Removal) -> Result<(), Error> {
    backend.remove(run, removal).await.map_err(|error| no_run(run, error))
}

async fn task_names(backend: &dyn Backend, run: &RunId) -> Result<Vec<String>, Error> {
    let record =
        plan_record(backend, run, "Look at it with the version of cascade-host that made it.").await?;
    Ok(record.task_names().map(str::to_owned).collect())
}

impl TaskStory {
    /// Adds the claim. A claimed node counts as running: notes may lag, the ledger never does.
    fn held(mut self, claim: Option<ClaimView>) -> Self {
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

fn task_of(name: &str) -> &str {
    name.split_once('[').map_or(name, |(task, _)| task)
}

fn item_of(name: &str) -> Option<u32> {
    name.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

pub(crate) fn story(name: String, view: NodeView, run: &RunSummary) -> TaskStory {
    let NodeView { end, note } = view;
    let state = match end {
        End::Done { bytes } if note.as_ref().is_some_and(|note| note.phase == Phase::Cached) => {
            TaskState::Cached(bytes)
        }
        End::Done { bytes } => TaskState::Done(bytes),
        End::Skipped(reason) => TaskState::Skipped(reason),
        End::Failed(record) => TaskState::Failed(FailureRecord::decode(&record)),
        End::Open => note.as_ref().map_or(TaskState::Open, |note| open(note, run)),
    };
    TaskStory { name, state, note, claim: None }
}

/// Derives the state of an open node from its last note.
fn open(note: &Note, run: &RunSummary) -> TaskState {
    let is_alive = run.status == RunStatus::Running && run.hosts.contains(&note.host);
    match note.phase {
        Phase::Retrying if run.status == RunStatus::Running && !run.hosts.is_empty() => TaskState::Retrying,
        // A note that reports an end may arrive before the result, since both travel separately. Still running until
        // then.
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
        story("t".into(), NodeView { end, note }, run).state
    }

    #[test]
    fn the_end_outweighs_the_note() {
        let run = run(RunStatus::Running, &["h1"]);
        assert_eq!(state(End::Done { bytes: 3 }, Phase::Running, &run), TaskState::Done(3));
        assert_eq!(state(End::Done { bytes: 3 }, Phase::Cached, &run), TaskState::Cached(3));
        assert_eq!(state(End::Failed(b"?"[..].into()), Phase::Running, &run), TaskState::Failed(None));
        let skipped = End::Skipped(SkipReason::Pruned);
        assert_eq!(state(skipped, Phase::Ready, &run), TaskState::Skipped(SkipReason::Pruned));
    }

    #[test]
    fn a_note_counts_as_long_as_its_host_lives() {
        let (alive, dead) = (run(RunStatus::Running, &["h1"]), run(RunStatus::Running, &["h2"]));
        assert_eq!(state(End::Open, Phase::Running, &alive), TaskState::Running);
        assert_eq!(state(End::Open, Phase::Running, &dead), TaskState::Stopped);
        assert_eq!(state(End::Open, Phase::Retrying, &dead), TaskState::Retrying);
        assert_eq!(state(End::Open, Phase::Retrying, &run(RunStatus::Running, &[])), TaskState::Stopped);
        assert_eq!(state(End::Open, Phase::Failed, &alive), TaskState::Open);
    }

    #[test]
    fn names_of_elements_have_a_task_and_an_item() {
        assert_eq!((task_of("count[10]"), item_of("count[10]")), ("count", Some(10)));
        assert_eq!((task_of("count"), item_of("count")), ("count", None));
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("cli").section("JSON forms").says(&format!("at most {MOST_ELEMENTS} failed elements"));
    }
}
