//! The summary of a run that has ended, in the wire form of a notification.
//! `notification` sends it. The form is stable: new facts get new keys, and old keys stay.

use crate::app::archive::{RunDetails, TaskDetails, TaskState, read_run};
use crate::app::{Error, Session};
use crate::events::Recorder;
use crate::model::{Clock as _, FailureClass, RunStatus, SystemClock, excerpt};
use crate::state::{Backend, FailureRecord, HostId};
use bytes::Bytes;
use serde::Serialize;

/// Version of the form.
const VERSION: u32 = 1;

/// Maximum number of failures in a summary.
const MAX_FAILURES: usize = 20;

/// Maximum length of a failure's message, in characters.
const MAX_ERROR: usize = 2_000;

/// The summary of a run.
#[derive(Debug, Serialize)]
struct Summary {
    v: u32,
    run: String,
    name: String,
    status: RunStatus,
    host: String,
    created: String,
    ended: String,
    duration_ms: f64,
    tasks: Tasks,
    failures: Vec<Failure>,
    more_failures: bool,
}

/// Tasks by outcome; elements are not counted.
#[derive(Debug, Serialize)]
struct Tasks {
    done: u32,
    failed: u32,
    skipped: u32,
    open: u32,
}

/// A failure of a task or an element, or of the outputs.
#[derive(Debug, Serialize)]
struct Failure {
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    class: FailureClass,
    error: String,
    attempt: u32,
}

/// Returns the summary of a run that has ended, as JSON without secrets.
pub(crate) async fn run_summary(
    (session, backend): (&Session, &dyn Backend),
    (status, host, duration_ms): (RunStatus, &HostId, f64),
    recorder: &Recorder,
) -> Result<Bytes, Error> {
    let run = backend.run(&session.run).await?;
    // All tasks are read for the failed ones. A run without failures needs only its counts.
    let (failures, more_failures) = match status {
        RunStatus::Failed | RunStatus::Cancelled | RunStatus::TimedOut => {
            failures(&read_run(backend, &session.run).await?, recorder)
        }
        // Tasks of `[finally]` may have failed all the same.
        RunStatus::Succeeded if run.counts.failed > 0 => {
            failures(&read_run(backend, &session.run).await?, recorder)
        }
        RunStatus::Succeeded | RunStatus::Running => (Vec::new(), false),
    };
    let summary = Summary {
        v: VERSION,
        run: session.run.to_string(),
        name: session.manifests.root().name.clone(),
        status,
        host: host.0.to_string(),
        created: run.created.to_string(),
        ended: SystemClock.now().to_string(),
        duration_ms,
        tasks: Tasks {
            done: run.counts.done,
            failed: run.counts.failed,
            skipped: run.counts.skipped,
            open: run.counts.open,
        },
        failures,
        more_failures,
    };
    // Every field has a form in JSON, and no map has keys that are no strings.
    Ok(serde_json::to_vec(&summary).unwrap_or_default().into())
}

fn failures(details: &RunDetails, recorder: &Recorder) -> (Vec<Failure>, bool) {
    let failure = |task: Option<&str>, record: &FailureRecord| Failure {
        task: task.map(ToOwned::to_owned),
        class: record.class,
        // Hidden before it is cut: of a secret that is cut, the beginning could remain.
        error: excerpt(&recorder.hide(&record.message), MAX_ERROR).into_owned(),
        attempt: record.attempt,
    };
    let of_tasks = details.nodes.iter().filter_map(|TaskDetails { name, state, .. }| match state {
        TaskState::Failed(Some(record)) => Some(failure(Some(name), record)),
        // Others have not failed, or their record is of another version.
        TaskState::Failed(None)
        | TaskState::Done(_)
        | TaskState::Cached(_)
        | TaskState::Passed
        | TaskState::Skipped(_)
        | TaskState::Running
        | TaskState::Retrying
        | TaskState::Stopped
        | TaskState::Open => None,
    });
    let of_outputs = details.outputs.iter().filter_map(|failed| Some(failure(None, failed.0.as_ref()?)));
    let mut failures: Vec<Failure> = of_outputs.chain(of_tasks).take(MAX_FAILURES + 1).collect();
    let has_more = details.has_more || failures.len() > MAX_FAILURES;
    failures.truncate(MAX_FAILURES);
    (failures, has_more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};

    #[test]
    fn manual_states_the_bounds_of_this_file() {
        let section = Page::of("manifest").section("[notify]");
        section.says(&format!("at most {MAX_FAILURES} failures"));
        section.says(&format!("{} characters", count(MAX_ERROR)));
    }
}
