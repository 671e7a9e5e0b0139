//! Forecasts what a run would do with each task, from stored results and the cache, without changing either.
//! `engine` decides the fate of each task; `cli` formats it.

use crate::app::assembled::{assemble, places};
use crate::app::rerun::rerun;
use crate::app::{Error, Session};
use crate::cache::Cache;
use crate::engine;
use crate::engine::Fate;
use crate::model::TaskIdx;
use crate::plan::{Assembly, Difference, Plan, PlanRecord};
use crate::state;
use crate::state::{Backend, ErrorKind, NodeId, Rerun};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};

/// The forecast for one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    /// The task.
    pub task: TaskIdx,
    /// The fate of the task.
    pub fate: Fate,
    /// Whether its results under another plan are kept if its calls turn out to be the same.
    pub is_compared: bool,
}

/// The forecast for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// The tasks of the run, in the plan's order.
    pub tasks: Vec<Planned>,
    /// Differences to the stored plan of the run, if any: such a run is refused without `--update` or `--fresh`. The tasks
    /// are then those of `--update`.
    pub differences: Vec<String>,
}

/// Forecasts a session, of which the named tasks, pipelines and elements run again.
pub(crate) async fn forecast(
    session: &Session,
    names: &[String],
    backend: &dyn Backend,
    cache: Option<&dyn Cache>,
) -> Result<Forecast, Error> {
    let nodes = rerun(session, backend, names).await?;
    let again = Rerun::new(nodes.iter().copied());
    let Stored { results, in_pipelines, differences, compared } = stored(session, backend).await?;
    let fates =
        engine::forecast(&session.bound, &session.targets.is_included, results, &nodes, cache).await?;
    let secrets = session.secrets();
    let shown = |(task, fate): (TaskIdx, Fate)| {
        let fate = match fate {
            _ if in_pipelines.contains(&task) && !again.touches(task) => Fate::Stored,
            Fate::Fails(message) => Fate::Fails(secrets.hide(&message).into_owned()),
            fate => fate, // no other fate quotes a value
        };
        let may_run = matches!(fate, Fate::Runs(_) | Fate::DependsOn(_));
        Planned { is_compared: may_run && compared.contains(&task) && !again.touches(task), task, fate }
    };
    let tasks = fates.into_iter().map(shown).collect();
    Ok(Forecast { tasks, differences })
}

/// What a resumed run would keep.
#[derive(Default)]
struct Stored {
    /// Results of tasks.
    results: HashMap<TaskIdx, Bytes>,
    /// Tasks in pipelines that run once per element, whose elements all have results.
    in_pipelines: HashSet<TaskIdx>,
    /// Differences to the stored plan.
    differences: Vec<String>,
    /// Tasks that the stored plan has and that are not kept for sure.
    compared: HashSet<TaskIdx>,
}

/// Returns the results that a resumed run would keep, or how its plan differs.
async fn stored(session: &Session, backend: &dyn Backend) -> Result<Stored, state::Error> {
    let record = match backend.record(&session.run).await {
        Ok(record) => PlanRecord::decode(&record),
        Err(error) if error.kind == ErrorKind::NoRun => return Ok(Stored::default()),
        Err(error) => return Err(error),
    };
    let Some(record) = record else {
        let difference = "the stored plan is damaged or of another version".to_owned();
        return Ok(Stored { differences: vec![difference], ..Stored::default() });
    };
    let differences = session.bound.differences(&record);
    let kept = unchanged(session.bound.plan(), &differences);
    let names: Vec<String> = session.bound.plan().tasks().iter().map(|task| task.name.to_string()).collect();
    let results = backend.results(&session.run, &names).await?;
    let results = (0..).map(TaskIdx::new).zip(results).filter(|(idx, _)| kept.contains(idx));
    let results = results.filter_map(|(idx, result)| Some((idx, result?))).collect();
    // Names and numbers are those of the present plan. What is kept has the same in both.
    let in_pipelines = match PlanRecord::decode(session.bound.record()) {
        Some(present) => in_pipelines(session, backend, (&present, &kept)).await?,
        None => HashSet::new(), // cannot be: it was encoded by this program
    };
    let before: HashSet<&str> = record.task_names().collect();
    let compared = (0..).map(TaskIdx::new).zip(&names);
    let compared = compared.filter(|(idx, name)| !kept.contains(idx) && before.contains(name.as_str()));
    let compared = compared.map(|(idx, _)| idx).collect();
    let differences = differences.iter().map(ToString::to_string).collect();
    Ok(Stored { results, in_pipelines, differences, compared })
}

/// Returns the tasks that have not changed, nor anything before them.
fn unchanged(plan: &Plan, differences: &[Difference]) -> HashSet<TaskIdx> {
    let changed = differences.iter().filter_map(|difference| match difference {
        Difference::Added(task) | Difference::Changed { task, .. } => Some(task.as_str()),
        Difference::Removed(_) | Difference::Reordered => None,
    });
    let changed: HashSet<&str> = changed.collect();
    let mut kept = HashSet::new();
    for idx in plan.order() {
        let Some(task) = plan.task(*idx).filter(|task| !changed.contains(task.name.as_str())) else {
            continue;
        };
        let mut before: Vec<TaskIdx> = task.after.clone();
        plan.bindings_of(task).for_each(|binding| binding.each_task(&mut |task| before.push(task)));
        if before.iter().all(|before| kept.contains(before)) {
            kept.insert(*idx);
        }
    }
    kept
}

/// Returns the tasks in pipelines that run once per element, whose elements all have results.
async fn in_pipelines(
    session: &Session,
    backend: &dyn Backend,
    (record, kept): (&PlanRecord, &HashSet<TaskIdx>),
) -> Result<HashSet<TaskIdx>, state::Error> {
    let tasks = (0..).map(TaskIdx::new).zip(session.bound.plan().tasks());
    let tasks = tasks.filter(|(idx, task)| !task.around.is_empty() && kept.contains(idx));
    let tasks: Vec<_> = tasks.collect();
    let all = |outermost: &Assembly<'_, NodeId>| -> Vec<_> {
        tasks.iter().map(|(_, task)| places(outermost, &task.around)).collect()
    };
    let all = assemble(backend, &session.run, record, all).await?;
    let mut stored = HashSet::new();
    for ((idx, _), places) in tasks.iter().zip(all) {
        let Ok(places) = places else { continue }; // not all elements are known
        let names = places.iter().filter_map(|at| record.node_name(*idx, at)).collect::<Vec<_>>();
        if backend.results(&session.run, &names).await?.iter().all(Option::is_some) {
            stored.insert(*idx);
        }
    }
    Ok(stored)
}
