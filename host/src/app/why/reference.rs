//! What a call is compared with: the same node in an earlier epoch of its run, or in the latest earlier run of the manifest.
//! `compare` finds the differences.

use crate::app::Error;
use crate::app::node_name::{Names, no_run};
use crate::model::{RunId, Timestamp};
use crate::plan::PlanRecord;
use crate::state;
use crate::state::{EpochNote, ErrorKind, NodeId, Note, RunSummary};

/// Number of runs, the latest ones, among which an earlier one of the same manifest is searched.
const MAX_RUNS: usize = 500;

/// Number of earlier runs of the manifest in which the node is searched. Not every run has executed it.
const MAX_TRIED: usize = 20;

/// The call that another one is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Before {
    /// The same node in an earlier epoch of the run.
    Epoch {
        /// The epoch.
        epoch: u64,
        /// The end of the call.
        at: Option<Timestamp>,
    },
    /// The same node in another run of a manifest with the same name.
    Run {
        /// The run.
        run: RunId,
        /// The end of the call.
        at: Option<Timestamp>,
    },
}

/// What a call is compared with.
pub(crate) enum Reference {
    /// An earlier epoch of the same run.
    Epoch {
        /// The node's last note of that epoch.
        note: Note,
        /// The changes of the plan since then, as task and key.
        changes: Vec<(String, String)>,
    },
    /// Another run.
    Run {
        /// Its id.
        run: RunId,
        /// Its plan.
        record: PlanRecord,
        /// The node's last note in it.
        note: Note,
    },
}

impl Reference {
    /// Finds what the last call of a node is compared with.
    pub(crate) async fn find(
        names: &Names<'_>,
        (node, run): (NodeId, &RunSummary),
        (last, history): (&Note, &[Note]),
        epochs: &[EpochNote],
    ) -> Result<Option<Self>, Error> {
        if let Some(note) = before(history) {
            let since = note.epoch + 1..=last.epoch;
            let changes = epochs.iter().filter(|epoch| since.contains(&epoch.epoch));
            let changes = changes.flat_map(|epoch| epoch.changes.iter().cloned()).collect();
            return Ok(Some(Self::Epoch { note: note.clone(), changes }));
        }
        let name = names.node_name(node);
        let runs = names.backend.runs(MAX_RUNS).await.map_err(|error| no_run(names.run, error))?;
        let mut earlier: Vec<RunSummary> = runs
            .into_iter()
            .filter(|other| other.name.is_some() && other.name == run.name && other.run != run.run)
            .filter(|other| other.created <= run.created)
            .collect();
        earlier.sort_by_key(|other| std::cmp::Reverse(other.created));
        for other in earlier.into_iter().take(MAX_TRIED) {
            if let Some((record, note)) = found_in(names, &other.run, &name).await? {
                return Ok(Some(Self::Run { run: other.run, record, note }));
            }
        }
        Ok(None)
    }
}

/// Returns the last note of the epoch before the last one.
pub(crate) fn before(history: &[Note]) -> Option<&Note> {
    let last = history.last()?;
    history.iter().rev().find(|note| note.epoch < last.epoch)
}

/// Returns the plan of another run, and its note of a node if that has run there. A run may expire at any time.
async fn found_in(names: &Names<'_>, run: &RunId, name: &str) -> Result<Option<(PlanRecord, Note)>, Error> {
    let found = async {
        let note = names.backend.history(run, name).await?.pop();
        Ok::<_, state::Error>((names.backend.record(run).await?, note))
    };
    match found.await {
        Ok((record, Some(note))) => Ok(PlanRecord::decode(&record).map(|record| (record, note))),
        Ok((_, None)) => Ok(None),
        Err(error) => match error {
            error if error.kind == ErrorKind::NoRun => Ok(None),
            error => Err(no_run(run, error)),
        },
    }
}
