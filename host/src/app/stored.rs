//! Reads stored results of a run, as bytes.
//! `cli/print` formats them.

use crate::app::Error;
use crate::app::archive::{task_details, without_result};
use crate::app::node_name::{find, no_run, plan_record, stored_name};
use crate::model::RunId;
use crate::state::Backend;
use bytes::Bytes;

/// A stored result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredResult {
    /// `task` or `task[i]`.
    pub name: String,
    /// The value as MessagePack.
    pub value: Bytes,
}

/// Returns stored results of a run: of one task or element, or of every task that has one.
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
    let stored = names.iter().zip(values);
    let stored: Vec<StoredResult> =
        stored.filter_map(|(name, value)| Some(StoredResult { name: name.clone(), value: value? })).collect();
    match (task, names.first()) {
        (Some(_), Some(name)) if stored.is_empty() => Err(no_result(backend, run, name).await?),
        _ => Ok(stored), // the requested result, or all that exist
    }
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
