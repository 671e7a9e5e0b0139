//! Follows the events of a run in memory.
//! Storing events is left to `journal.rs`.

use crate::model::RunId;
use crate::state::memory::backend::Runs;
use crate::state::{Error, Follow, JournalPage};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// Maximum time that one read waits for new events. The run may begin a new life meanwhile.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// A reader of one run's events.
pub(crate) struct MemoryFollow {
    runs: Arc<Runs>,
    run: RunId,
    seen: u64,
    version: Option<u64>,
}

impl MemoryFollow {
    /// Creates a reader at the first event.
    pub(crate) fn new(runs: Arc<Runs>, run: &RunId) -> Self {
        Self { runs, run: run.clone(), seen: 0, version: None }
    }
}

#[async_trait]
impl Follow for MemoryFollow {
    async fn next(&mut self) -> Result<JournalPage, Error> {
        let run = self.runs.find(&self.run)?;
        let (mut appended, mut versions) = (run.journal().appended.subscribe(), run.versions());
        let is_new = async {
            tokio::select! {
                new = appended.wait_for(|appended| *appended != self.seen) => drop(new),
                new = versions.wait_for(|version| Some(*version) != self.version) => drop(new),
            }
        };
        // New events are read below; a timeout is not an error.
        drop(tokio::time::timeout(MAX_WAIT, is_new).await);
        let run = self.runs.find(&self.run)?;
        let (events, seen) = run.journal().after(self.seen);
        let (status, version) = {
            let life = run.life();
            (life.machine.status(), life.machine.version)
        };
        (self.seen, self.version) = (seen, Some(version));
        Ok(JournalPage { events, status, hosts: run.hosts() })
    }
}
