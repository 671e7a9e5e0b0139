//! `--rerun`: which nodes of a stored run are to run again, by the names that a user types.
//! `engine` finds what depends on them, and the backend discards their results.

use crate::app::node_name::{NEWER, Named, Names};
use crate::app::{Error, Refusal, Session};
use crate::engine;
use crate::model::{IndexPath, RunId, TaskIdx};
use crate::plan::PlanRecord;
use crate::state;
use crate::state::{Backend, ErrorKind, NodeId, Rerun};

/// Returns the named nodes and all that depends on them. Names are those of the session's plan: tasks, pipelines, and
/// elements of either that the stored run has.
pub(crate) async fn rerun(
    session: &Session,
    backend: &dyn Backend,
    names: &[String],
) -> Result<Vec<NodeId>, Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let before = backend.record(&session.run).await.map_err(|error| no_run(&session.run, error))?;
    let plan = if before == *session.bound.record() { StoredPlan::Same } else { StoredPlan::Other };
    let record = PlanRecord::decode(session.bound.record()).ok_or_else(|| {
        let doing = format!("reading the plan of run `{}`", session.run);
        state::Error::new(ErrorKind::Damaged, doing).hint(NEWER)
    })?;
    let stored = Names { backend, run: &session.run, record };
    let looked_up = async {
        let mut found: Vec<(&String, Vec<NodeId>)> = Vec::with_capacity(names.len());
        for name in names {
            let nodes = match name.strip_suffix(LEFT_OUT) {
                Some(around) => left_out(session, &stored, (around, name)).await?,
                None => nodes(session, (&stored, plan), name).await?,
            };
            found.push((name, nodes));
        }
        Ok(found)
    };
    let found = match looked_up.await {
        Err(error) if plan == StoredPlan::Other => return Err(of_old_plan(error)),
        found => found?,
    };
    let all: Vec<NodeId> = found.iter().flat_map(|(_, nodes)| nodes.iter().copied()).collect();
    let again = engine::with_dependents(session.bound.plan(), &all);
    let set = Rerun::new(again.iter().copied());
    for (name, nodes) in &found {
        refuse_unchanged(session, &stored, (&set, name, nodes)).await?;
    }
    Ok(again)
}

/// The word in place of an index that means all elements that have failed and are left out.
const LEFT_OUT: &str = "[left-out]";

/// The plan of the stored run, compared with that of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoredPlan {
    Same,
    /// The session updates it.
    Other,
}

/// Returns the nodes with a name: a task, a pipeline, or an element of either that the stored run has, or that the session's
/// plan adds.
async fn nodes(
    session: &Session,
    (stored, plan): (&Names<'_>, StoredPlan),
    name: &str,
) -> Result<Vec<NodeId>, Error> {
    let (tasks, at) = named(session, stored, (name, name)).await?;
    match check(stored, &tasks, &at, name).await {
        Err(Error::Missing { .. }) if plan == StoredPlan::Other && is_added(session, &tasks, &at) => {}
        checked => checked?,
    }
    Ok(tasks.into_iter().map(|task| NodeId { task, at }).collect())
}

/// Returns the nodes that have failed and are left out of the lists of a task or of a pipeline, or of one of their elements.
async fn left_out(
    session: &Session,
    stored: &Names<'_>,
    (around, name): (&str, &str),
) -> Result<Vec<NodeId>, Error> {
    let (tasks, at) = named(session, stored, (around, name)).await?;
    let failed = stored.backend.failed_elements(stored.run, usize::MAX).await?;
    let failed = Rerun::of_names(&session.shape, failed.iter().map(String::as_str)).nodes();
    let is_within =
        |node: &NodeId| tasks.contains(&node.task) && node.at.as_slice().starts_with(at.as_slice());
    let nodes: Vec<NodeId> = failed.into_iter().filter(is_within).collect();
    if nodes.is_empty() {
        return Err(Error::Missing {
            message: format!("run `{}` has no element `{name}`: none of `{around}` has failed", stored.run),
            help: format!("`show {}` names the elements that are left out of their lists", stored.run),
        });
    }
    Ok(nodes)
}

/// Returns the tasks with a name, and the indexes in it. Fails if the run leaves them out. `written` is what the user typed.
async fn named(
    session: &Session,
    stored: &Names<'_>,
    (name, written): (&str, &str),
) -> Result<(Vec<TaskIdx>, IndexPath), Error> {
    let (tasks, at) = match stored.resolve(name).await? {
        Named::Node(NodeId { task, at }) => (vec![task], at),
        Named::Pipeline { pipeline, at } => (tasks_of(session, pipeline), at),
    };
    let is_included =
        |task: &TaskIdx| session.targets.is_included.get(task.index()).copied().unwrap_or(false);
    if !tasks.iter().any(is_included) {
        return Err(excluded(written).into());
    }
    Ok((tasks, at))
}

/// Fails if the stored run has no such elements.
async fn check(stored: &Names<'_>, tasks: &[TaskIdx], at: &IndexPath, name: &str) -> Result<(), Error> {
    match tasks.first() {
        Some(task) if at.level() > 0 => stored.find_known(NodeId { task: *task, at: *at }, name).await,
        _ => Ok(()), // has no indexes
    }
}

/// Returns whether the session's plan has these elements for sure, whatever its tasks return.
fn is_added(session: &Session, tasks: &[TaskIdx], at: &IndexPath) -> bool {
    match (tasks.first(), at.as_slice()) {
        (Some(task), [item]) => {
            engine::elements_before_run(&session.bound, *task).is_some_and(|count| *item < count)
        }
        _ => false, // elements of elements
    }
}

/// Refuses an element that would be left out again, because the element that has failed does not run again.
async fn refuse_unchanged(
    session: &Session,
    stored: &Names<'_>,
    (again, name, nodes): (&Rerun, &str, &[NodeId]),
) -> Result<(), Error> {
    for node in nodes.iter().filter(|node| node.at.level() > 0) {
        let Some(cause) = stored.left_out_by(*node).await? else { continue };
        let failed = Rerun::of_names(&session.shape, [cause.as_str()].into_iter()).nodes();
        if failed.iter().any(|failed| !again.covers(*failed)) {
            let message = format!(
                "`--rerun {name}` would change nothing: the element is left out because `{cause}` has failed"
            );
            let help = format!("`--rerun '{cause}'` runs both");
            return Err(Refusal::new(message).help(help).into());
        }
    }
    Ok(())
}

/// Adds to the error of a name what an update does by itself.
fn of_old_plan(error: Error) -> Error {
    match error {
        Error::Missing { message, help } => {
            let more = "what only the changed plan has, in a list that is not known yet, runs by `--update` without `--rerun`";
            Error::Missing { message, help: format!("{help}; {more}") }
        }
        other => other, // says nothing about a name
    }
}

fn tasks_of(session: &Session, pipeline: usize) -> Vec<TaskIdx> {
    let pipeline = session.bound.plan().pipelines().get(pipeline);
    let positions = pipeline.into_iter().flat_map(|pipeline| pipeline.tasks.clone());
    positions.filter_map(|position| u32::try_from(position).ok()).map(TaskIdx::new).collect()
}

fn excluded(name: &str) -> Refusal {
    Refusal::new(format!("`--rerun {name}` names a task that `--target` leaves out"))
        .help("name it by `--target` too, or leave out `--target`")
}

fn no_run(run: &RunId, error: state::Error) -> Error {
    match error.kind {
        ErrorKind::NoRun => Error::Missing {
            message: format!("there is no run `{run}` in this state backend, so nothing of it can run again"),
            help:
                "leave out `--rerun` to begin the run, or select the backend that has it by `--state URI` or \
                   CASCADE_STATE"
                    .to_owned(),
        },
        _ => Error::Backend(error), // all others are failures of the backend
    }
}
