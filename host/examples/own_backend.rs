//! Keeps a run in a state backend of one's own. This one adds an audit to [`MemoryBackend`]: who opened which run.
//!
//! A backend for another store implements the same traits: see `host/docs/library.md`. The port is unstable: later
//! versions extend it.
//!
//! ```text
//! $ cargo run --example own_backend
//! opened wordcount-1: Created
//! opened wordcount-1: Resumed { kept: 3 }
//! results of 1 run
//! ```

#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use async_trait::async_trait;
use bytes::Bytes;
use cascade_host::port::notes::{EpochNote, Note, NotesPage};
use cascade_host::port::{
    Archive, Backend, Batch, Buckets, ClaimView, Error as StateError, Follow, Health, Journal, LogPart,
    LogsPage, MemoryBackend, NodeView, Notice, OpenRequest, Opened, Removal, RunId, RunSummary, TaskIdx,
    reservations::Reservations,
};
use cascade_host::{Error, Pipeline, RunStatus};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wordcount.toml");

fn main() -> Result<(), Error> {
    let backend: Arc<dyn Backend> = Arc::new(Audited(MemoryBackend::new()));
    let pipeline = Pipeline::from_path(MANIFEST)?;
    for _ in 0..2 {
        let run = pipeline.run().param("text", "fox\ndog").run_id("wordcount-1").state(Arc::clone(&backend));
        run.wait()?;
    }
    let runs = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map(|runtime| runtime.block_on(backend.runs(10)));
    println!("results of {} run", runs.map_or(0, |runs| runs.map_or(0, |runs| runs.len())));
    Ok(())
}

/// A backend that prints each opening, and leaves the rest to the one inside.
pub(crate) struct Audited(pub(crate) MemoryBackend);

#[async_trait]
impl Backend for Audited {
    async fn open(&self, request: OpenRequest) -> Result<Opened, StateError> {
        let run = request.run.clone();
        let opened = self.0.open(request).await?;
        println!("opened {run}: {:?}", opened.kind);
        Ok(opened)
    }

    async fn results(&self, run: &RunId, names: &[String]) -> Result<Vec<Option<Bytes>>, StateError> {
        self.0.results(run, names).await
    }

    async fn record(&self, run: &RunId) -> Result<Bytes, StateError> {
        self.0.record(run).await
    }

    async fn preflight(&self) -> Result<Vec<Notice>, StateError> {
        self.0.preflight().await
    }

    // Methods with a default are forwarded too: otherwise outages and facts of the backend inside are not shown.
    fn health(&self) -> Option<watch::Receiver<Health>> {
        self.0.health()
    }

    fn buckets(&self) -> Arc<dyn Buckets> {
        self.0.buckets()
    }

    fn reservations(&self) -> Option<Arc<dyn Reservations>> {
        self.0.reservations()
    }

    async fn describe(&self) -> Result<Vec<(&'static str, String)>, StateError> {
        self.0.describe().await
    }
}

#[async_trait]
impl Archive for Audited {
    async fn runs(&self, most: usize) -> Result<Vec<RunSummary>, StateError> {
        self.0.runs(most).await
    }

    async fn runs_with_prefix(&self, prefix: &str, most: usize) -> Result<Vec<RunId>, StateError> {
        self.0.runs_with_prefix(prefix, most).await
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary, StateError> {
        self.0.run(run).await
    }

    async fn nodes(&self, run: &RunId, names: &[String]) -> Result<Vec<NodeView>, StateError> {
        self.0.nodes(run, names).await
    }

    async fn ended_well(&self, run: &RunId, tasks: &[TaskIdx]) -> Result<Vec<bool>, StateError> {
        self.0.ended_well(run, tasks).await
    }

    async fn failed_elements(&self, run: &RunId, most: usize) -> Result<Vec<String>, StateError> {
        self.0.failed_elements(run, most).await
    }

    async fn rerun(&self, run: &RunId) -> Result<Vec<String>, StateError> {
        self.0.rerun(run).await
    }

    async fn deadlines(&self, run: &RunId) -> Result<Vec<(Option<String>, Duration)>, StateError> {
        self.0.deadlines(run).await
    }

    async fn log(&self, run: &RunId, name: &str) -> Result<Vec<LogPart>, StateError> {
        self.0.log(run, name).await
    }

    async fn logs(&self, run: &RunId, after: Option<&str>) -> Result<LogsPage, StateError> {
        self.0.logs(run, after).await
    }

    async fn history(&self, run: &RunId, name: &str) -> Result<Vec<Note>, StateError> {
        self.0.history(run, name).await
    }

    async fn notes(&self, run: &RunId, after: Option<&str>) -> Result<NotesPage, StateError> {
        self.0.notes(run, after).await
    }

    async fn epochs(&self, run: &RunId) -> Result<Vec<EpochNote>, StateError> {
        self.0.epochs(run).await
    }

    async fn claims(&self, run: &RunId, most: usize) -> Result<Vec<ClaimView>, StateError> {
        self.0.claims(run, most).await
    }

    async fn cancel(&self, run: &RunId) -> Result<RunStatus, StateError> {
        self.0.cancel(run).await
    }

    async fn remove(&self, run: &RunId, removal: Removal) -> Result<(), StateError> {
        self.0.remove(run, removal).await
    }
}

#[async_trait]
impl Journal for Audited {
    fn outlives_process(&self) -> bool {
        self.0.outlives_process()
    }

    async fn append(&self, run: &RunId, batch: &Batch) -> Result<(), StateError> {
        self.0.append(run, batch).await
    }

    fn follow(&self, run: &RunId) -> Box<dyn Follow> {
        self.0.follow(run)
    }
}
