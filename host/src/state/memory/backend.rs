//! The `memory:` backend: the runs of this process, by id.
//! State transitions are left to `life.rs` and `machine.rs`; this file only has the locks.

use crate::model::{Clock, RunId, SystemClock};
use crate::state::memory::buckets::MemoryBuckets;
use crate::state::memory::ledger::{MemoryLedger, Run};
use crate::state::memory::life::{Life, Plan};
use crate::state::memory::reservations::MemoryReservations;
use crate::state::{Backend, Buckets, Error, ErrorKind, Notice, OpenKind, OpenRequest, Opened, Reservations};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The in-memory backend.
pub struct MemoryBackend {
    clock: Arc<dyn Clock>,
    shared: Arc<Runs>,
    buckets: Arc<MemoryBuckets>,
    reservations: Arc<MemoryReservations>,
}

/// The runs of this process.
#[derive(Default)]
pub(crate) struct Runs {
    // A mutex, because runs of many threads share the backend. It is held while a run is looked up or opened.
    runs: Mutex<HashMap<RunId, Arc<Run>>>,
}

impl Runs {
    /// Returns a run, or an error if it does not exist.
    pub(crate) fn find(&self, id: &RunId) -> Result<Arc<Run>, Error> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(id).cloned().ok_or_else(|| MemoryBackend::no_run(id))
    }
}

impl MemoryBackend {
    /// Creates a backend without runs.
    #[must_use]
    pub fn new() -> Self {
        let reservations = Arc::new(MemoryReservations::new());
        Self { clock: Arc::new(SystemClock), shared: Arc::default(), buckets: Arc::default(), reservations }
    }

    pub(crate) fn runs(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Run>>> {
        self.shared.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shared(&self) -> Arc<Runs> {
        Arc::clone(&self.shared)
    }

    pub(crate) fn find(&self, id: &RunId) -> Result<Arc<Run>, Error> {
        self.shared.find(id)
    }

    pub(crate) fn no_run(id: &RunId) -> Error {
        Error::new(ErrorKind::NoRun, format!("looking up run `{id}`"))
            .hint("Runs in `memory:` are gone once their process has ended.")
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn open(&self, request: OpenRequest) -> Result<Opened, Error> {
        let mut runs = self.runs();
        let (run, kind) = match runs.get(&request.run) {
            None if !request.rerun.is_empty() => return Err(Self::no_run(&request.run)),
            None => (Arc::new(Run::new(Life::first(&request), &self.clock)), OpenKind::Created),
            Some(run) => match run.plan(&request)? {
                Plan::Join => (Arc::clone(run), OpenKind::Joined),
                Plan::Restart => {
                    let life = run.life().next(&request, Plan::Restart);
                    (Arc::new(Run::new(life, &self.clock)), OpenKind::Created)
                }
                Plan::Resume => {
                    let life = run.life().next(&request, Plan::Resume);
                    let kind = life.resumed();
                    (Arc::new(run.next(life)), kind)
                }
            },
        };
        runs.insert(request.run.clone(), Arc::clone(&run));
        Ok(MemoryLedger::opened(run, request, kind))
    }

    async fn results(&self, run: &RunId, names: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        let run = self.find(run)?;
        let life = run.life();
        Ok(names.iter().map(|name| life.result(name)).collect())
    }

    async fn record(&self, run: &RunId) -> Result<Bytes, Error> {
        let run = self.find(run)?;
        let record = run.life().record.clone();
        Ok(record)
    }

    async fn preflight(&self) -> Result<Vec<Notice>, Error> {
        Ok(Vec::new())
    }

    fn buckets(&self) -> Arc<dyn Buckets> {
        Arc::<MemoryBuckets>::clone(&self.buckets)
    }

    fn reservations(&self) -> Option<Arc<dyn Reservations>> {
        Some(Arc::<MemoryReservations>::clone(&self.reservations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::conformance::Harness;

    struct Memory;

    #[async_trait]
    impl Harness for Memory {
        async fn backend(&self) -> Arc<dyn Backend> {
            Arc::new(MemoryBackend::new())
        }
    }

    crate::state_conformance!(tokio::test(start_paused = true), Memory);
    crate::reservation_conformance!(tokio::test(start_paused = true), Memory);
}
