//! Why a node of a stored run is in its state: what made it run, what differs from before, its attempts and its waits.
//! `compare` finds the differences, `waits` the times; `cli/print/why` lays them out.

mod compare;
mod reference;
mod sources;
mod waits;

pub(crate) use compare::{CallChange, ChangeKind, SourceChange, SourceOutcome};
pub(crate) use reference::Before;
pub(crate) use waits::{Wait, WaitedFor};

use crate::app::archive::{TaskDetails, TaskState, task_details};
use crate::app::node_name::{Named, Names, no_run};
use crate::app::why::compare::Comparison;
use crate::app::why::reference::Reference;
use crate::app::{Error, Refusal};
use crate::model::{Grant, RunId, SkipReason};
use crate::state::{Backend, ClaimView, EpochNote, NodeId, Note, Phase, RunSummary};

/// Number of claims that are searched for the node's.
const MAX_CLAIMS: usize = 1000;

/// Why a node is in its state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Why {
    /// The run.
    pub run: RunSummary,
    /// The node.
    pub node: TaskDetails,
    /// What made it so.
    pub reason: Reason,
    /// What its call is compared with; none if there is no earlier one.
    pub before: Option<Before>,
    /// The epoch in which it ran, if the run has begun another one since: its result was kept.
    pub kept_since: Option<u64>,
    /// What differs from then.
    pub changes: Vec<CallChange>,
    /// Its attempts in this epoch, the first one first.
    pub attempts: Vec<Note>,
    /// What it waited for, in order.
    pub waits: Vec<Wait>,
}

/// What made a node run, or kept it from that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The run had no result of it.
    NoResult {
        /// Why results of other runs were not used.
        unshared: Unshared,
    },
    /// It was asked to run again, or depends on what was: these names.
    Rerun(Vec<String>),
    /// The plan of the run was updated, or results before it have changed.
    Changed,
    /// The run discarded an earlier result of the same call, as it had failed, or was lost.
    Again,
    /// The cache had the result of the same call.
    Cached {
        /// The run that stored it, if that is known.
        from: Option<String>,
    },
    /// It was skipped.
    Skipped {
        /// The reason.
        reason: SkipReason,
        /// The node with which the skip began.
        cause: Option<String>,
    },
    /// It waits for these tasks, which have not ended, each with its state.
    WaitsFor(Vec<(String, TaskState)>),
    /// Everything that it waits for has ended, and no host has taken it.
    Queued,
    /// A host has it, and it has not started: it waits for a resource of this name, or else for a slot.
    Held {
        /// The resource.
        resource: Option<String>,
    },
    /// It has no call: its elements have.
    Elements {
        /// Name of the first one.
        first: String,
    },
}

/// Why no result of another run was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unshared {
    /// It is a task of the host itself.
    Builtin,
    /// `cache = false`.
    Off,
    /// A grant makes it impure.
    Impure(Grant),
    /// The cache was off or had none.
    NotCached,
}

/// Explains a node of a stored run.
pub(crate) async fn why(backend: &dyn Backend, run: &RunId, name: &str) -> Result<Why, Error> {
    let missing = |error| no_run(run, error);
    let names = Names::of(backend, run).await?;
    let node = match names.resolve(name).await? {
        Named::Node(node) => node,
        Named::Pipeline { .. } => return Err(of_pipeline(&names, name).into()),
    };
    let view = names.find(node, name).await?;
    let name = names.node_name(node);
    let run_summary = backend.run(run).await.map_err(missing)?;
    let history = backend.history(run, &name).await.map_err(missing)?;
    let epochs = backend.epochs(run).await.map_err(missing)?;
    let claim = claim(&names, node).await?;
    let details = task_details(name, view, &run_summary).with_claim(claim);
    let details = if has_passed(&names, node).await? { details.passed() } else { details };
    let last = history.last().filter(|note| note.phase != Phase::Skipped);
    let comparison = match last {
        Some(last) => {
            let reference = Reference::find(&names, (node, &run_summary), (last, &history), &epochs).await?;
            reference.map(|reference| Comparison::new(&names, reference, (last.epoch, &epochs)))
        }
        None => None,
    };
    let changes = match &comparison {
        Some(comparison) => comparison.changes(node).await?,
        None => Vec::new(),
    };
    let before = comparison.as_ref().map(Comparison::before);
    let reason = reason(&names, (node, &details), (last, &epochs), (&before, &changes)).await?;
    let attempts = last.map(|last| attempts(&history, last)).unwrap_or_default();
    let waits = match last {
        Some(last) => waits::waits(&names, (node, &run_summary), (last, &attempts), &epochs).await?,
        None => Vec::new(),
    };
    let kept_since = last.map(|last| last.epoch).filter(|epoch| *epoch < run_summary.epoch);
    Ok(Why { run: run_summary, node: details, reason, before, kept_since, changes, attempts, waits })
}

/// Returns whether a node has ended well without a result of its own, since its elements are those of a pipeline.
async fn has_passed(names: &Names<'_>, node: NodeId) -> Result<bool, Error> {
    if node.at.level() > 0 || names.record.around(node.task).is_empty() {
        return Ok(false);
    }
    let ended = names.backend.ended_well(names.run, &[node.task]).await;
    Ok(ended.map_err(|error| no_run(names.run, error))?.contains(&true))
}

/// Returns the attempts of the epoch of the last note.
fn attempts(history: &[Note], last: &Note) -> Vec<Note> {
    let of_epoch = history.iter().filter(|note| note.epoch == last.epoch && note.attempts > 0);
    let made = of_epoch.filter(|note| match note.phase {
        Phase::Running | Phase::Retrying | Phase::Done | Phase::Failed => true,
        Phase::Ready | Phase::Cached | Phase::Skipped => false,
    });
    made.cloned().collect()
}

async fn claim(names: &Names<'_>, node: NodeId) -> Result<Option<ClaimView>, Error> {
    let claims = names.backend.claims(names.run, MAX_CLAIMS).await;
    let claims = claims.map_err(|error| no_run(names.run, error))?;
    Ok(claims.into_iter().find(|claim| claim.node == node))
}

async fn reason(
    names: &Names<'_>,
    (node, details): (NodeId, &TaskDetails),
    (last, epochs): (Option<&Note>, &[EpochNote]),
    (before, changes): (&Option<Before>, &[CallChange]),
) -> Result<Reason, Error> {
    if let TaskState::Skipped(reason) = details.state {
        let cause = details.note.as_ref().and_then(|note| note.cause.clone());
        let cause = match cause {
            Some(cause) => Some(cause),
            None => names.left_out_by(node).await?,
        };
        return Ok(Reason::Skipped { reason, cause });
    }
    let Some(last) = last else {
        let open = sources::open_inputs(names, node).await?;
        return Ok(match (&details.state, open.is_empty()) {
            (TaskState::Open | TaskState::Stopped, false) => Reason::WaitsFor(open),
            (TaskState::Open | TaskState::Stopped, true) => Reason::Queued,
            // It has ended, and its host died before its note was stored.
            _ => Reason::NoResult { unshared: unshared(names, node) },
        });
    };
    if last.phase == Phase::Cached {
        return Ok(Reason::Cached { from: last.cached_from.clone() });
    }
    if node.at.level() < names.record.indexed(node.task).len() {
        let first = NodeId { at: node.at.child(0), ..node };
        return Ok(Reason::Elements { first: names.node_name(first) });
    }
    if last.phase == Phase::Ready && last.call.is_none() {
        return Ok(Reason::Held { resource: last.blocked.as_ref().map(|(resource, _)| resource.clone()) });
    }
    let rerun = rerun(names, (node, &details.name), (last, epochs));
    if !rerun.is_empty() {
        return Ok(Reason::Rerun(rerun));
    }
    Ok(match before {
        Some(Before::Epoch { .. }) if changes.is_empty() => Reason::Again,
        Some(Before::Epoch { .. }) => Reason::Changed,
        Some(Before::Run { .. }) | None => Reason::NoResult { unshared: unshared(names, node) },
    })
}

/// Returns the names that were asked to run again with the epoch, and that the node is, lies in, or depends on.
fn rerun(
    names: &Names<'_>,
    (node, name): (NodeId, &str),
    (last, epochs): (&Note, &[EpochNote]),
) -> Vec<String> {
    let Some(epoch) = epochs.iter().find(|epoch| epoch.epoch == last.epoch) else { return Vec::new() };
    let task = names.record.task_name(node.task).unwrap_or_default();
    let is_around = |of: &str, asked: &str| {
        let bare = asked.split('[').next().unwrap_or_default();
        of == asked || of == bare || of.strip_prefix(bare).is_some_and(|rest| rest.starts_with(['[', '/']))
    };
    let own: Vec<String> = epoch.rerun.iter().filter(|asked| is_around(name, asked)).cloned().collect();
    if !own.is_empty() {
        return own;
    }
    let upstream = sources::upstream(&names.record, node.task);
    let depends = |asked: &&String| upstream.iter().any(|source| is_around(source, asked));
    let asked = epoch.rerun.iter().filter(|_| !task.is_empty()).filter(depends);
    asked.cloned().collect()
}

fn unshared(names: &Names<'_>, node: NodeId) -> Unshared {
    let lineage = names.record.lineage();
    let settings = lineage.settings(node.task);
    let cache = settings.and_then(|settings| settings.get("cache")).map_or("", String::as_str);
    let Some(callee) = lineage.callee(node.task) else { return Unshared::NotCached };
    let impure = Grant::ALL.into_iter().find(|grant| {
        let row = grant.row();
        !row.is_pure && callee.grants.contains_key(row.key)
    });
    match (cache, impure) {
        _ if callee.digest.is_empty() => Unshared::Builtin,
        ("false", _) => Unshared::Off,
        ("if pure", Some(grant)) => Unshared::Impure(grant),
        _ => Unshared::NotCached,
    }
}

fn of_pipeline(names: &Names<'_>, name: &str) -> Refusal {
    let inside = names.record.task_names().find(|task| task.starts_with(&format!("{name}/")));
    let refusal = Refusal::new(format!("`{name}` is a pipeline, and only its tasks run"));
    match inside {
        Some(task) => refusal.help(format!("ask about one of its tasks: `{task}`")),
        None => refusal,
    }
}
