//! The end of a run: status, outputs as Rust values or JSON, and what failed.
//! `app/run` produces it.

use crate::api::Error;
use crate::app;
use crate::app::Refusal;
use crate::engine::{Ended, OutputValue, Outputs};
use crate::events::{Event, Fact, Sink};
use crate::model::{RunId, RunStatus, nearest, shortlist};
use crate::value::{Type, Typed};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::sync::{Mutex, PoisonError};

/// Maximum number of failures in a report: a fan-out may have millions.
const MAX_FAILURES: usize = 100;

/// The end of a run on this host.
///
/// ```no_run
/// # use cascade_host::{Pipeline, RunStatus};
/// let report = Pipeline::from_path("wordcount.toml")?.run().param("text", "to be or not to be").wait()?;
/// assert_eq!(report.status(), RunStatus::Succeeded);
/// let top: Vec<(String, u32)> = report.output("top")?;
/// println!("{}", report.json("top")?);
/// # Ok::<(), cascade_host::Error>(())
/// ```
#[derive(Debug)]
pub struct Report {
    run: RunId,
    status: RunStatus,
    outputs: Outputs,
    failures: Vec<Event>,
    failed_finally: Vec<String>,
}

impl Report {
    pub(crate) fn new(run: RunId, report: app::Report, failures: &FailureLog) -> Self {
        let status = match report.ended {
            Ended::Run(status) => status,
            Ended::Interrupted => RunStatus::Cancelled,
        };
        let failed_finally = report.unwell.failed;
        Self { run, status, outputs: report.outputs, failures: failures.take(), failed_finally }
    }

    /// Returns the run id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        self.run.as_str()
    }

    /// Returns how the run ended. A failed task makes it [`RunStatus::Failed`].
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.status
    }

    /// Returns the events of tasks and outputs that failed on this host, up to 100.
    #[must_use]
    pub fn failures(&self) -> &[Event] {
        &self.failures
    }

    /// Returns the names of the tasks of `[finally]` that have failed. They do not change the status.
    #[must_use]
    pub fn failed_finally(&self) -> &[String] {
        &self.failed_finally
    }

    /// Returns the names of the outputs that have a value.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        let has_value = |(_, value): &&(String, OutputValue)| matches!(value, OutputValue::Value(..));
        self.outputs.iter().filter(has_value).map(|(name, _)| name.as_str())
    }

    /// Returns an output as a Rust value: records are structs or maps, enums and variants are enums with their cases in
    /// kebab-case, `option` is `Option`, `list<u8>` is `serde_bytes::ByteBuf`, and a `result` is an enum of `ok` and `err`.
    ///
    /// Fails if there is no such output, if it was skipped or failed, or if `T` does not fit its type.
    pub fn output<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let (ty, bytes) = self.value(name)?;
        rmp_serde::from_slice(bytes).map_err(|error| {
            let refusal = Refusal::new(format!(
                "output `{name}` of type `{ty}` is not a `{}`",
                std::any::type_name::<T>()
            ));
            app::Error::from(refusal.caused_by(error)).into()
        })
    }

    /// Returns an output as JSON, in the form that the command line prints.
    pub fn json(&self, name: &str) -> Result<String, Error> {
        let (ty, bytes) = self.value(name)?;
        serde_json::to_string(&Typed::new(ty, bytes)).map_err(|error| {
            app::Error::from(
                Refusal::new(format!("the stored value of `{name}` cannot be read")).caused_by(error),
            )
            .into()
        })
    }

    /// Returns an output as it is stored: MessagePack.
    pub fn message_pack(&self, name: &str) -> Result<&[u8], Error> {
        Ok(self.value(name)?.1)
    }

    fn value(&self, name: &str) -> Result<(&Type, &Bytes), Error> {
        let found = self.outputs.iter().find(|(output, _)| output == name).map(|(_, value)| value);
        let reason = match found {
            Some(OutputValue::Value(ty, bytes)) => return Ok((ty, bytes)),
            Some(OutputValue::Skipped(reason)) => format!("output `{name}` was skipped: {reason}"),
            Some(OutputValue::Missing(reason)) => format!("output `{name}` has no value: {reason}"),
            Some(OutputValue::Faulty(failure)) => format!("output `{name}` has failed: {}", failure.error),
            None => return Err(self.unknown(name)),
        };
        Err(Error::refused(reason))
    }

    fn unknown(&self, name: &str) -> Error {
        let names = || self.outputs.iter().map(|(name, _)| name.as_str());
        let refusal = Refusal::new(format!("the run has no output `{name}`"));
        let refusal = match (nearest(name, names()), self.outputs.is_empty()) {
            (Some(meant), _) => refusal.help(format!("did you mean `{meant}`?")),
            (None, false) => refusal.help(format!("its outputs are {}", shortlist(name, names()))),
            (None, true) => refusal, // nothing to choose from
        };
        app::Error::from(refusal).into()
    }
}

/// The sink that keeps failures for the report.
// A mutex because events come from many threads; its sections are a push and a swap.
#[derive(Default)]
pub(crate) struct FailureLog(Mutex<Vec<Event>>);

impl FailureLog {
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for FailureLog {
    fn record(&self, event: &Event) {
        if !matches!(event.fact, Fact::TaskFailed(_) | Fact::OutputFailed { .. }) {
            return;
        }
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < MAX_FAILURES {
            failures.push(event.clone());
        }
    }
}
