//! `--rerun`: which nodes of a stored run are to run again, by the names that a user types.
//! `engine` finds what depends on them, and the backend discards their results.

use crate::app::node_name::{NEWER, Named, Names};
use crate::app::{Error, Refusal, Session};
use crate::engine;
use crate::model::{IndexPath, RunId, TaskIdx};
use crate::plan::PlanRecord;
use crate::state;
use crate::state::{Backend, ErrorKind, NodeId};

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
    if let Err(error) = backend.record(&session.run).await {
        return Err(no_run(&session.run, error));
    }
    let record = PlanRecord::decode(session.bound.record()).ok_or_else(|| {
        let doing = format!("reading the plan of run `{}`", session.run);
        state::Error::new(ErrorKind::Damaged, doing).hint(NEWER)
    })?;
    let stored = Names { backend, run: &session.run, record };
    let mut nodes = Vec::with_capacity(names.len());
    for name in names {
        let (tasks, at) = match stored.resolve(name).await? {
            Named::Node(NodeId { task, at }) => (vec![task], at),
            Named::Pipeline { pipeline, at } => (tasks_of(session, pipeline), at),
        };
        let is_included =
            |task: &TaskIdx| session.targets.is_included.get(task.index()).copied().unwrap_or(false);
        if !tasks.iter().any(is_included) {
            return Err(excluded(name).into());
        }
        check(&stored, &tasks, &at, name).await?;
        nodes.extend(tasks.into_iter().map(|task| NodeId { task, at }));
    }
    Ok(engine::with_dependents(session.bound.plan(), &nodes))
}

/// Fails if the stored run has no such elements.
async fn check(stored: &Names<'_>, tasks: &[TaskIdx], at: &IndexPath, name: &str) -> Result<(), Error> {
    match tasks.first() {
        Some(task) if at.level() > 0 => stored.find_known(NodeId { task: *task, at: *at }, name).await,
        _ => Ok(()), // has no indexes
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
