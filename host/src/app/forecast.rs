//! Forecasts what a run would do with each task, from stored results and the cache, without changing either.
//! `engine` decides the fate of each task; `cli` formats it.

use crate::app::assembled::{assemble, places};
use crate::app::iterations::count_iterations;
use crate::app::rerun::rerun;
use crate::app::{Error, Session};
use crate::cache::Cache;
use crate::engine;
use crate::engine::{Fate, Forecasted};
use crate::model::{SkipReason, TaskIdx, to_usize};
use crate::plan::{Assembly, Difference, Plan, PlanRecord};
use crate::state;
use crate::state::{Backend, End, ErrorKind, NodeId, NodeView, Rerun};
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
    /// Its stored elements or iterations, if it has not ended.
    pub parts: Option<Parts>,
}

/// The stored part of a task that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// So many of all elements.
    Elements {
        /// Elements with a result, and those that are left out.
        stored: u32,
        /// All elements.
        total: u32,
    },
    /// So many iterations.
    Iterations(u32),
}

/// Most elements of a task that are looked up, which takes some seconds.
const MAX_ELEMENTS: u32 = 1_000_000;

/// Elements that are looked up in one request.
const PAGE: usize = 1000;

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
    let Stored { results, mut in_pipelines, differences, compared, kept } = stored(session, backend).await?;
    // What an earlier rerun has not finished is not read from the cache either.
    let uncached = unfinished_rerun(session, backend).await?.with(nodes.iter().copied()).nodes();
    let (included, rerun) = (&session.targets.is_included, (&nodes[..], &uncached[..]));
    let fates = engine::forecast(&session.bound, included, results, rerun, cache).await?;
    let secrets = session.secrets();
    let mut tasks = Vec::with_capacity(fates.len());
    for Forecasted { task, fate, elements } in fates {
        let is_again = again.touches(task);
        let in_pipelines = in_pipelines.remove(&task);
        let fate = match fate {
            _ if matches!(in_pipelines, Some(InPipelines::All)) && !is_again => Fate::Stored,
            Fate::Fails(message) => Fate::Fails(secrets.hide(&message).into_owned()),
            fate => fate, // no other fate quotes a value
        };
        let may_run = matches!(fate, Fate::Runs(_) | Fate::DependsOn(_));
        let is_compared = may_run && compared.contains(&task) && !is_again;
        let has_parts = may_run && kept.contains(&task) && !is_again;
        let parts = match in_pipelines {
            Some(InPipelines::Some(parts)) if has_parts => Some(parts),
            _ if has_parts => parts((session, backend), task, elements).await?,
            _ => None, // all or nothing of it runs
        };
        tasks.push(Planned { task, fate, is_compared, parts });
    }
    Ok(Forecast { tasks, differences })
}

/// Returns the nodes that an earlier `--rerun` of the run has to call yet.
async fn unfinished_rerun(session: &Session, backend: &dyn Backend) -> Result<Rerun, state::Error> {
    match backend.rerun(&session.run).await {
        Ok(names) => Ok(Rerun::of_names(&session.shape, names.iter().map(String::as_str))),
        Err(error) if error.kind == ErrorKind::NoRun => Ok(Rerun::default()),
        Err(error) => Err(error),
    }
}

/// Returns what is stored of a task outside of pipelines over lists.
async fn parts(
    (session, backend): (&Session, &dyn Backend),
    idx: TaskIdx,
    elements: Option<u32>,
) -> Result<Option<Parts>, state::Error> {
    let Some(task) = session.bound.plan().task(idx).filter(|task| task.around.is_empty()) else {
        return Ok(None);
    };
    if task.repeat.is_some() {
        let stored = count_iterations(backend, &session.run, task.name.as_str()).await?;
        return Ok((stored > 0).then_some(Parts::Iterations(stored)));
    }
    let Some(total) = elements.filter(|total| *total <= MAX_ELEMENTS) else { return Ok(None) };
    let stored = count_stored((session, backend), total, |item| format!("{}[{item}]", task.name)).await?;
    Ok((stored > 0).then_some(Parts::Elements { stored, total }))
}

/// Counts the stored ones of these many nodes, and those that are left out.
async fn count_stored(
    (session, backend): (&Session, &dyn Backend),
    total: u32,
    name: impl Fn(u32) -> String,
) -> Result<u32, state::Error> {
    let is_kept = |view: &&NodeView| {
        let left_out = [SkipReason::ElementFailed, SkipReason::UpstreamElementFailed];
        match view.end {
            End::Done { .. } => true,
            End::Skipped(reason) => left_out.contains(&reason),
            End::Failed(_) | End::Open => false,
        }
    };
    let mut stored = 0_u32;
    for first in (0..total).step_by(PAGE) {
        let page: Vec<String> = (first..total).take(PAGE).map(&name).collect();
        let views = backend.nodes(&session.run, &page).await?;
        stored += u32::try_from(views.iter().filter(is_kept).count()).unwrap_or(u32::MAX);
    }
    Ok(stored)
}

/// What a resumed run would keep.
#[derive(Default)]
struct Stored {
    /// Results of tasks.
    results: HashMap<TaskIdx, Bytes>,
    /// Tasks in pipelines that run once per element, of which elements of these have results.
    in_pipelines: HashMap<TaskIdx, InPipelines>,
    /// Differences to the stored plan.
    differences: Vec<String>,
    /// Tasks that the stored plan has and that are not kept for sure.
    compared: HashSet<TaskIdx>,
    /// Tasks that have not changed, nor anything before them.
    kept: HashSet<TaskIdx>,
}

/// The stored part of a task in pipelines that run once per element: each of these counts as one, also if the task has
/// elements of its own there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InPipelines {
    All,
    Some(Parts),
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
        None => HashMap::new(), // cannot be: it was encoded by this program
    };
    let before: HashSet<&str> = record.task_names().collect();
    let compared = (0..).map(TaskIdx::new).zip(&names);
    let compared = compared.filter(|(idx, name)| !kept.contains(idx) && before.contains(name.as_str()));
    let compared = compared.map(|(idx, _)| idx).collect();
    let differences = differences.iter().map(ToString::to_string).collect();
    Ok(Stored { results, in_pipelines, differences, compared, kept })
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

/// Returns what is stored of the tasks in pipelines that run once per element. Others are left out, and so are those of which
/// nothing is.
async fn in_pipelines(
    session: &Session,
    backend: &dyn Backend,
    (record, kept): (&PlanRecord, &HashSet<TaskIdx>),
) -> Result<HashMap<TaskIdx, InPipelines>, state::Error> {
    let tasks = (0..).map(TaskIdx::new).zip(session.bound.plan().tasks());
    let tasks = tasks.filter(|(idx, task)| !task.around.is_empty() && kept.contains(idx));
    let tasks: Vec<_> = tasks.collect();
    let all = |outermost: &Assembly<'_, NodeId>| -> Vec<_> {
        tasks.iter().map(|(_, task)| places(outermost, &task.around)).collect()
    };
    let all = assemble(backend, &session.run, record, all).await?;
    let mut found = HashMap::new();
    for ((idx, _), places) in tasks.iter().zip(all) {
        let Ok(places) = places else { continue }; // not all elements are known
        let names = places.iter().filter_map(|at| record.node_name(*idx, at)).collect::<Vec<_>>();
        let total = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let name = |item: u32| names.get(to_usize(item)).cloned().unwrap_or_default();
        match count_stored((session, backend), total, name).await? {
            stored if stored == total => drop(found.insert(*idx, InPipelines::All)),
            0 => {}
            stored => drop(found.insert(*idx, InPipelines::Some(Parts::Elements { stored, total }))),
        }
    }
    Ok(found)
}
