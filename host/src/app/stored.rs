//! Reads stored results of a run, as bytes.
//! `cli/print` formats them.

use crate::app::Error;
use crate::app::archive::{task_details, without_result};
use crate::app::node_name::{find, no_run, plan_record, stored_name};
use crate::model::{RunId, SkipReason, TaskIdx};
use crate::plan::{NotPut, PipelineRecord};
use crate::state::{Backend, End};
use crate::value::compose_record;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// A stored result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredResult {
    /// `task`, `task[i]` or the name of a pipeline.
    pub name: String,
    /// The value as MessagePack.
    pub value: Bytes,
    /// Outputs of a pipeline that the value lacks, each with the reason.
    pub without: Vec<String>,
}

/// Returns stored results of a run: of one task or element, of every task that has one, or the outputs of a pipeline, put
/// together from the results of its tasks.
pub(crate) async fn stored_results(
    backend: &dyn Backend,
    run: &RunId,
    task: Option<&str>,
) -> Result<Vec<StoredResult>, Error> {
    let names = match task {
        Some(task) => vec![stored_name(task)],
        None => {
            let help = "Name a task: its result is readable without the plan.";
            plan_record(backend, run, help).await?.task_names().map(str::to_owned).collect()
        }
    };
    let values = backend.results(run, &names).await.map_err(|error| no_run(run, error))?;
    if let (Some(_), [None], Some(name)) = (task, &*values, names.first())
        && let Some(stored) = of_pipeline(backend, run, name).await?
    {
        return Ok(vec![stored]);
    }
    let stored = names.iter().zip(values);
    let stored: Vec<StoredResult> = stored
        .filter_map(|(name, value)| {
            Some(StoredResult { name: name.clone(), value: value?, without: Vec::new() })
        })
        .collect();
    match (task, names.first()) {
        (Some(_), Some(name)) if stored.is_empty() => Err(no_result(backend, run, name).await?),
        _ => Ok(stored), // the requested result, or all that exist
    }
}

/// Puts the outputs of a pipeline together; `None` if there is no pipeline of this name.
async fn of_pipeline(backend: &dyn Backend, run: &RunId, name: &str) -> Result<Option<StoredResult>, Error> {
    let record = plan_record(backend, run, "Use the version of cascade-host that created the run.").await?;
    let Some(PipelineRecord { outputs, .. }) = record.pipeline(name) else { return Ok(None) };
    let mut needed: Vec<TaskIdx> = Vec::new();
    outputs.iter().for_each(|(_, recipe)| recipe.each_task(&mut |task| needed.push(task)));
    needed.sort_unstable();
    needed.dedup();
    let names: Vec<String> = record.task_names().map(str::to_owned).collect();
    let name_of = |task: TaskIdx| names.get(task.index()).cloned().unwrap_or_default();
    let needed_names: Vec<String> = needed.iter().map(|task| name_of(*task)).collect();
    let missing = |error| no_run(run, error);
    let values = backend.results(run, &needed_names).await.map_err(missing)?;
    let views = backend.nodes(run, &needed_names).await.map_err(missing)?;
    let results: HashMap<TaskIdx, (Option<Bytes>, End)> =
        needed.into_iter().zip(values.into_iter().zip(views.into_iter().map(|view| view.end))).collect();
    let result = |task: TaskIdx| match results.get(&task) {
        Some((Some(value), _)) => Ok(Some(value.clone())),
        Some((None, End::Skipped(reason))) if *reason != SkipReason::UpstreamFailed => Ok(None),
        Some((None, _)) | None => Err(task),
    };
    let mut fields: Vec<(Arc<str>, Bytes)> = Vec::with_capacity(outputs.len());
    let mut without: Vec<String> = Vec::new();
    for (output, recipe) in outputs {
        match recipe.put(&result) {
            Ok(Some(value)) => fields.push((output.as_str().into(), value)),
            Ok(None) => without.push(format!("`{output}` was skipped")),
            Err(NotPut::Missing(task)) => {
                return Err(no_result(backend, run, &name_of(task)).await?);
            }
            Err(NotPut::NotStored) => {
                without
                    .push(format!("`{output}` depends on more than results, which are all that is stored"));
            }
        }
    }
    if fields.is_empty() {
        let reasons = if without.is_empty() { "it has no outputs".to_owned() } else { without.join(", ") };
        return Err(Error::Missing {
            message: format!("the pipeline `{name}` of run `{run}` has no outputs to show: {reasons}"),
            help: format!("`cascade-host output {run}` shows the results of its tasks"),
        });
    }
    Ok(Some(StoredResult { name: name.to_owned(), value: compose_record(&fields), without }))
}

/// Returns the error that explains why a task or element has no result.
async fn no_result(backend: &dyn Backend, run: &RunId, name: &str) -> Result<Error, Error> {
    let view = find(backend, run, name).await?.view;
    let summary = backend.run(run).await.map_err(|error| no_run(run, error))?;
    let details = task_details(name.to_owned(), view, &summary);
    Ok(Error::Missing {
        message: format!("run `{run}` has no result of `{name}`: {}", without_result(&details)),
        help: format!("`cascade-host output {run}` shows the existing results"),
    })
}
