//! Forecasts what a run would do with each task, from stored results and the cache, without changing either.
//! `engine` decides the fate of each task; `cli` formats it.

use crate::app::{Error, Session};
use crate::cache::Cache;
use crate::engine;
use crate::engine::Fate;
use crate::model::TaskIdx;
use crate::plan::PlanRecord;
use crate::state;
use crate::state::{Backend, ErrorKind};
use bytes::Bytes;
use std::collections::HashMap;

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

/// Forecasts a session.
pub(crate) async fn forecast(
    session: &Session,
    backend: &dyn Backend,
    cache: Option<&dyn Cache>,
) -> Result<Forecast, Error> {
    let (stored, differences) = stored(session, backend).await?;
    let fates = engine::forecast(&session.bound, &session.targets.is_included, stored, cache).await?;
    let secrets = session.secrets();
    let tasks = fates.into_iter().map(|(task, fate)| match fate {
        Fate::Fails(message) => Planned { task, fate: Fate::Fails(secrets.hide(&message).into_owned()) },
        fate => Planned { task, fate }, // no other fate quotes a value
    });
    let tasks = tasks.collect();
    Ok(Forecast { tasks, differences })
}

type Stored = (HashMap<TaskIdx, Bytes>, Vec<String>);

/// Returns the results that a resumed run would keep, or how its plan differs.
async fn stored(session: &Session, backend: &dyn Backend) -> Result<Stored, state::Error> {
    let record = match backend.record(&session.run).await {
        Ok(record) => PlanRecord::decode(&record),
        Err(error) if error.kind == ErrorKind::NoRun => return Ok(Stored::default()),
        Err(error) => return Err(error),
    };
    let Some(record) = record else {
        return Ok((HashMap::new(), vec!["the stored plan is damaged or of another version".to_owned()]));
    };
    let differences: Vec<String> =
        session.bound.differences(&record).iter().map(ToString::to_string).collect();
    if !differences.is_empty() {
        return Ok((HashMap::new(), differences));
    }
    let names: Vec<String> = session.bound.plan().tasks().iter().map(|task| task.name.to_string()).collect();
    let results = backend.results(&session.run, &names).await?;
    let stored = (0..).map(TaskIdx::new).zip(results).filter_map(|(idx, result)| Some((idx, result?)));
    Ok((stored.collect(), Vec::new()))
}
