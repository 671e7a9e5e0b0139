//! Forecasts what a run would do with each task, from stored results and the cache, without changing either.
//! `engine` decides the fate of each task; `cli` formats it.

use crate::app::assembled::{assemble, places};
use crate::app::rerun::rerun;
use crate::app::{Error, Session};
use crate::cache::Cache;
use crate::engine;
use crate::engine::Fate;
use crate::model::TaskIdx;
use crate::plan::{Assembly, PlanRecord};
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
}

/// The forecast for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// The tasks of the run, in the plan's order.
    pub tasks: Vec<Planned>,
    /// Differences to the stored plan of the run, if any: such a run is refused without `--update` or `--fresh`.
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
    let Stored { results, in_pipelines, differences } = stored(session, backend).await?;
    let fates =
        engine::forecast(&session.bound, &session.targets.is_included, results, &nodes, cache).await?;
    let secrets = session.secrets();
    let tasks = fates.into_iter().map(|(task, fate)| match fate {
        _ if in_pipelines.contains(&task) && !again.touches(task) => Planned { task, fate: Fate::Stored },
        Fate::Fails(message) => Planned { task, fate: Fate::Fails(secrets.hide(&message).into_owned()) },
        fate => Planned { task, fate }, // no other fate quotes a value
    });
    let tasks = tasks.collect();
    Ok(Forecast { tasks, differences })
}

/// What a resumed run would keep.
#[derive(Default)]
struct Stored {
    /// Results of tasks.
    results: HashMap<TaskIdx, Bytes>,
    /// Tasks in pipelines that run once per element, whose elements all have results.
    in_pipelines: HashSet<TaskIdx>,
    /// Differences to the stored plan: then nothing else is known.
    differences: Vec<String>,
}

impl Stored {
    fn of_other_plan(differences: Vec<String>) -> Self {
        Self { differences, ..Self::default() }
    }
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
        return Ok(Stored::of_other_plan(vec![difference]));
    };
    let differences: Vec<String> =
        session.bound.differences(&record).iter().map(ToString::to_string).collect();
    if !differences.is_empty() {
        return Ok(Stored::of_other_plan(differences));
    }
    let names: Vec<String> = session.bound.plan().tasks().iter().map(|task| task.name.to_string()).collect();
    let results = backend.results(&session.run, &names).await?;
    let results = (0..).map(TaskIdx::new).zip(results).filter_map(|(idx, result)| Some((idx, result?)));
    let in_pipelines = in_pipelines(session, backend, &record).await?;
    Ok(Stored { results: results.collect(), in_pipelines, differences: Vec::new() })
}

/// Returns the tasks in pipelines that run once per element, whose elements all have results.
async fn in_pipelines(
    session: &Session,
    backend: &dyn Backend,
    record: &PlanRecord,
) -> Result<HashSet<TaskIdx>, state::Error> {
    let tasks = (0..).map(TaskIdx::new).zip(session.bound.plan().tasks());
    let tasks: Vec<_> = tasks.filter(|(_, task)| !task.around.is_empty()).collect();
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
