//! Finds the stored run that a command's `RUN` means.
//! Ids of new runs are no references: `run --run-id` takes them as they are.

use crate::app::node_name::no_run;
use crate::app::{Error, Refusal};
use crate::model::{RunId, RunIdFault};
use crate::state::{Backend, ErrorKind};
use std::fmt;

/// The reference to the run of last activity.
const LATEST: &str = "latest";

/// Number of listed runs among which the one of last activity is searched: the list may be a minute behind the runs.
const RECENT: usize = 100;

/// Maximum number of candidates in the error of an ambiguous prefix.
const MAX_CANDIDATES: usize = 10;

/// An id, the prefix of one, or `latest`. All three have the characters of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunReference(RunId);

impl RunReference {
    /// Parses a reference.
    pub(crate) fn new(text: &str) -> Result<Self, RunIdFault> {
        RunId::new(text).map(Self)
    }
}

impl fmt::Display for RunReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Returns the id of the run that a reference means. An exact id wins over `latest`, and both over a prefix.
pub(crate) async fn find_run(backend: &dyn Backend, reference: &RunReference) -> Result<RunId, Error> {
    let id = &reference.0;
    let missing = match backend.run(id).await {
        Ok(_) => return Ok(id.clone()),
        Err(error) if error.kind == ErrorKind::NoRun => error,
        Err(error) => return Err(error.into()),
    };
    if id.as_str() == LATEST {
        let recent = backend.runs(RECENT).await?.into_iter().next();
        return recent.map(|run| run.run).ok_or_else(|| no_run(id, missing));
    }
    let mut found = backend.runs_with_prefix(id.as_str(), MAX_CANDIDATES + 1).await?;
    match found.len() {
        0 => Err(no_run(id, missing)),
        1 => found.pop().ok_or_else(|| no_run(id, missing)),
        _ => Err(ambiguous(id, &found).into()),
    }
}

fn ambiguous(id: &RunId, found: &[RunId]) -> Refusal {
    let mut names: Vec<&str> = found.iter().take(MAX_CANDIDATES).map(RunId::as_str).collect();
    if found.len() > MAX_CANDIDATES {
        names.push("and more");
    }
    Refusal::new(format!("several runs begin with `{id}`"))
        .note(names.join(", "))
        .help("write more of the id; `cascade-host runs` lists the runs")
}
