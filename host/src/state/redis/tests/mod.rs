//! The Redis backend against real servers: conformance, faults, URIs, and comparison with memory.
//! The contract itself is left to `state/conformance`.

mod differential;
mod fast_path;
mod buckets;
mod faults;
mod reservations;
mod urls;
mod proxy;

use super::backend::RedisBackend;
use super::server::Server;
use crate::model::{RunId, RunStatus, TaskIdx};
use crate::state::conformance::Harness;
use crate::state::{
    Archive, Backend, Batch, Buckets, ClaimView, EpochNote, Error, Follow, Health, Journal, LogPart,
    LogsPage, NodeView, Note, NotesPage, Notice, OpenRequest, Opened, Removal, Reservations, RunSummary,
    StateUri,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// A backend that owns its server.
pub(crate) struct Owned {
    pub(crate) backend: RedisBackend,
    pub(crate) server: Server,
}

#[async_trait]
impl Backend for Owned {
    async fn open(&self, request: OpenRequest) -> Result<Opened, Error> {
        self.backend.open(request).await
    }

    async fn results(&self, run: &RunId, names: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        self.backend.results(run, names).await
    }

    async fn record(&self, run: &RunId) -> Result<Bytes, Error> {
        self.backend.record(run).await
    }

    async fn preflight(&self) -> Result<Vec<Notice>, Error> {
        self.backend.preflight().await
    }

    fn health(&self) -> Option<watch::Receiver<Health>> {
        self.backend.health()
    }

    fn buckets(&self) -> Arc<dyn Buckets> {
        self.backend.buckets()
    }

    fn reservations(&self) -> Option<Arc<dyn Reservations>> {
        self.backend.reservations()
    }

    async fn describe(&self) -> Result<Vec<(&'static str, String)>, Error> {
        self.backend.describe().await
    }
}

#[async_trait]
impl Archive for Owned {
    async fn runs(&self, max: usize) -> Result<Vec<RunSummary>, Error> {
        self.backend.runs(max).await
    }

    async fn runs_with_prefix(&self, prefix: &str, max: usize) -> Result<Vec<RunId>, Error> {
        self.backend.runs_with_prefix(prefix, max).await
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary, Error> {
        self.backend.run(run).await
    }

    async fn nodes(&self, run: &RunId, names: &[String]) -> Result<Vec<NodeView>, Error> {
        self.backend.nodes(run, names).await
    }

    async fn ended_well(&self, run: &RunId, tasks: &[TaskIdx]) -> Result<Vec<bool>, Error> {
        self.backend.ended_well(run, tasks).await
    }

    async fn failed_elements(&self, run: &RunId, max: usize) -> Result<Vec<String>, Error> {
        self.backend.failed_elements(run, max).await
    }

    async fn rerun(&self, run: &RunId) -> Result<Vec<String>, Error> {
        self.backend.rerun(run).await
    }

    async fn deadlines(&self, run: &RunId) -> Result<Vec<(Option<String>, Duration)>, Error> {
        self.backend.deadlines(run).await
    }

    async fn log(&self, run: &RunId, name: &str) -> Result<Vec<LogPart>, Error> {
        self.backend.log(run, name).await
    }

    async fn logs(&self, run: &RunId, after: Option<&str>) -> Result<LogsPage, Error> {
        self.backend.logs(run, after).await
    }

    async fn history(&self, run: &RunId, name: &str) -> Result<Vec<Note>, Error> {
        self.backend.history(run, name).await
    }

    async fn notes(&self, run: &RunId, after: Option<&str>) -> Result<NotesPage, Error> {
        self.backend.notes(run, after).await
    }

    async fn epochs(&self, run: &RunId) -> Result<Vec<EpochNote>, Error> {
        self.backend.epochs(run).await
    }

    async fn claims(&self, run: &RunId, max: usize) -> Result<Vec<ClaimView>, Error> {
        self.backend.claims(run, max).await
    }

    async fn cancel(&self, run: &RunId) -> Result<RunStatus, Error> {
        self.backend.cancel(run).await
    }

    async fn remove(&self, run: &RunId, removal: Removal) -> Result<(), Error> {
        self.backend.remove(run, removal).await
    }
}

#[async_trait]
impl Journal for Owned {
    fn outlives_process(&self) -> bool {
        self.backend.outlives_process()
    }

    async fn append(&self, run: &RunId, batch: &Batch) -> Result<(), Error> {
        self.backend.append(run, batch).await
    }

    fn follow(&self, run: &RunId) -> Box<dyn Follow> {
        self.backend.follow(run)
    }
}

pub(crate) fn at(text: &str) -> RedisBackend {
    match StateUri::parse(text).unwrap() {
        StateUri::Redis(uri) => RedisBackend::new(&uri).unwrap(),
        StateUri::Memory => panic!("not a Redis"),
    }
}

/// Starts a server for each backend.
#[derive(Default)]
struct Plain {
    /// The URI of the last server. A mutex, because a harness is shared; the section is one assignment.
    uri: Mutex<Option<String>>,
}

#[async_trait]
impl Harness for Plain {
    async fn backend(&self) -> Arc<dyn Backend> {
        let server = Server::start();
        *self.uri.lock().unwrap() = Some(server.uri());
        Arc::new(Owned { backend: at(&server.uri()), server })
    }

    async fn again(&self) -> Option<Arc<dyn Backend>> {
        let uri = self.uri.lock().unwrap().clone()?;
        Some(Arc::new(at(&uri)))
    }
}

mod plain {
    use super::*;

    crate::state_conformance!(tokio::test, Plain::default());
    crate::reservation_conformance!(tokio::test, Plain::default());
}
