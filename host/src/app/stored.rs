//! Stored results of a run, as bytes, for whoever wants to read them later.
//! How they are shown is for the command line.

use crate::app::Error;
use crate::model::RunId;
use crate::plan::PlanRecord;
use crate::state;
use crate::state::Backend;
use crate::state::ErrorKind;
use bytes::Bytes;

/// One stored result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// `task` or `task[i]`.
    pub name: String,
    /// MessagePack.
    pub value: Bytes,
}

/// The stored results of a run: of one task or element, or of every task that has one.
pub async fn stored_results(
    backend: &dyn Backend,
    run: &RunId,
    task: Option<&str>,
) -> Result<Vec<StoredResult>, Error> {
    let names = match task {
        Some(task) => vec![task.to_owned()],
        None => {
            let hint = "Name a task: its result can be read without the plan.";
            task_names(backend, run, hint).await?
        }
    };
    let values = backend.results(run, &names).await.map_err(|error| no_run(run, error))?;
    let found: Vec<StoredResult> = names
        .into_iter()
        .zip(values)
        .filter_map(|(name, value)| Some(StoredResult { name, value: value? }))
        .collect();
    match (task, found.is_empty()) {
        (Some(task), true) => Err(Error::Missing {
            message: format!("run `{run}` has no result of `{task}`"),
            help: format!("`cascade-host output {run}` shows the results that it has"),
        }),
        _ => Ok(found), // what was asked for, or as much as there is
    }
}

/// The tasks of a run, by its stored plan; `hint` says what else to do where that cannot be read.
pub(crate) async fn task_names(backend: &dyn Backend, run: &RunId, hint: &str) -> Result<Vec<String>, Error> {
    let record = backend.record(run).await.map_err(|error| no_run(run, error))?;
    let record = PlanRecord::decode(&record).ok_or_else(|| {
        let doing = format!("reading the plan of run `{run}`, which is damaged or of a later version");
        state::Error::new(ErrorKind::Damaged, doing).hint(hint)
    })?;
    Ok(record.task_names().map(str::to_owned).collect())
}

pub(crate) fn no_run(run: &RunId, error: state::Error) -> Error {
    match error.kind {
        ErrorKind::NoRun => Error::Missing {
            message: format!("there is no run `{run}` in this state backend"),
            help: "give the backend that the run was made with by `--state URI` or CASCADE_STATE; \
                   `memory:` keeps nothing once its process has ended"
                .to_owned(),
        },
        _ => Error::Backend(error), // whatever else went wrong is the backend's
    }
}
