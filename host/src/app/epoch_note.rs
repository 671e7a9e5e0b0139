//! How an epoch of a run began, for the journal: created, updated by which changes of the plan, asked to run what again.
//! `journal` stores the note, and `why` reads it.

use crate::app::{Error, Session};
use crate::model::{Clock as _, SystemClock};
use crate::plan::{Difference, PlanRecord};
use crate::state::{Backend, EpochNote, EpochStart, ErrorKind, Mode, OpenKind, Opened};

/// Maximum number of changes, and of nodes to run again, that are stored.
const MAX_LISTED: usize = 1000;

/// Returns the changes from the stored plan to that of the session, as task and key. Empty unless this host updates the run.
pub(crate) async fn changes(
    session: &Session,
    backend: &dyn Backend,
    mode: Mode,
) -> Result<Vec<(String, String)>, Error> {
    if mode != Mode::Update || !backend.outlives_process() {
        return Ok(Vec::new());
    }
    let stored = match backend.record(&session.run).await {
        Ok(stored) => stored,
        Err(error) if error.kind == ErrorKind::NoRun => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let Some(stored) = PlanRecord::decode(&stored) else { return Ok(Vec::new()) };
    let changes = session.bound.differences(&stored).into_iter().filter_map(|difference| match difference {
        Difference::Changed { task, key, inputs: _ } => Some((task, key)),
        Difference::Added(task) => Some((task, String::new())),
        // Neither has a node that runs for it.
        Difference::Removed(_) | Difference::Reordered => None,
    });
    Ok(changes.take(MAX_LISTED).collect())
}

/// Returns the note of the epoch in which this host has opened the run; none if it has joined others, who store it.
pub(crate) fn epoch_note(
    opened: &Opened,
    changes: Vec<(String, String)>,
    rerun: &[String],
) -> Option<EpochNote> {
    let start = match opened.kind {
        OpenKind::Created => EpochStart::Created,
        OpenKind::Resumed { .. } if changes.is_empty() && rerun.is_empty() => EpochStart::Resumed,
        OpenKind::Resumed { .. } => EpochStart::Updated,
        OpenKind::Joined => return None,
    };
    let rerun = rerun.iter().take(MAX_LISTED).cloned().collect();
    Some(EpochNote { epoch: opened.epoch, at: SystemClock.now(), start, changes, rerun })
}
