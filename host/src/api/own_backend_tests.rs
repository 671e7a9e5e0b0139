//! A state backend from outside that has only what the port asks for: no resources of all runs.
//! `tests` has the library's other behaviour.

use crate::api::tests::{folder, host};
use crate::api::{ErrorKind, Pipeline};
use crate::model::{RunId, RunStatus, TaskIdx};
use crate::state::{
    Archive, Backend, Batch, Buckets, ClaimView, EpochNote, Error, Follow, Journal, LogPart, LogsPage,
    MemoryBackend, NodeView, Note, NotesPage, Notice, OpenRequest, Opened, Removal, RunSummary,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A pipeline of one task, which takes these resources.
fn pipeline(resources: &str) -> Pipeline {
    let text = format!(
        "cascade = 1\nname = \"t\"\nresources.seats = {resources}\n[tasks.t]\ncall = \"std.length\"\nargs.items = [1, 2]\n\
         resources = {{ seats = 1 }}\n"
    );
    host().parse(&text, folder().path()).unwrap()
}

#[test]
fn backend_without_reservations_refuses_only_runs_that_need_them() {
    let run = |resources: &str| {
        let backend: Arc<dyn Backend> = Arc::new(Plain(MemoryBackend::new()));
        pipeline(resources).run().state(backend).wait()
    };
    for (resources, scope) in [
        ("{ amount = 1, scope = \"backend\" }", "backend"),
        ("{ rate = \"9/s\", scope = \"backend\" }", "backend"),
        ("{ rate = \"9/s\", scope = \"run\" }", "run"),
    ] {
        let error = run(resources).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Backend);
        let text = format!("{error:?}");
        assert!(text.contains("resource `seats`") && text.contains("has no resources of all runs"), "{text}");
        assert!(text.contains(&format!("Write `scope = \"host\"` instead of `\"{scope}\"`")), "{text}");
    }
    for resources in ["1", "{ amount = 1, scope = \"run\" }", "{ rate = \"9/s\" }"] {
        assert_eq!(run(resources).unwrap().status(), RunStatus::Succeeded, "{resources}");
    }
}

/// A backend without the methods that have defaults, and without facts that only commands show.
struct Plain(MemoryBackend);

#[async_trait]
impl Backend for Plain {
    async fn open(&self, request: OpenRequest) -> Result<Opened, Error> {
        self.0.open(request).await
    }

    async fn results(&self, run: &RunId, names: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        self.0.results(run, names).await
    }

    async fn record(&self, run: &RunId) -> Result<Bytes, Error> {
        self.0.record(run).await
    }

    async fn preflight(&self) -> Result<Vec<Notice>, Error> {
        self.0.preflight().await
    }

    fn buckets(&self) -> Arc<dyn Buckets> {
        self.0.buckets()
    }
}

#[async_trait]
impl Archive for Plain {
    async fn runs(&self, most: usize) -> Result<Vec<RunSummary>, Error> {
        Archive::runs(&self.0, most).await
    }

    async fn runs_with_prefix(&self, prefix: &str, most: usize) -> Result<Vec<RunId>, Error> {
        self.0.runs_with_prefix(prefix, most).await
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary, Error> {
        self.0.run(run).await
    }

    async fn nodes(&self, run: &RunId, names: &[String]) -> Result<Vec<NodeView>, Error> {
        self.0.nodes(run, names).await
    }

    async fn ended_well(&self, run: &RunId, tasks: &[TaskIdx]) -> Result<Vec<bool>, Error> {
        self.0.ended_well(run, tasks).await
    }

    async fn failed_elements(&self, run: &RunId, most: usize) -> Result<Vec<String>, Error> {
        self.0.failed_elements(run, most).await
    }

    async fn rerun(&self, _: &RunId) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    async fn deadlines(&self, _: &RunId) -> Result<Vec<(Option<String>, Duration)>, Error> {
        Ok(Vec::new())
    }

    async fn log(&self, run: &RunId, name: &str) -> Result<Vec<LogPart>, Error> {
        self.0.log(run, name).await
    }

    async fn logs(&self, run: &RunId, after: Option<&str>) -> Result<LogsPage, Error> {
        self.0.logs(run, after).await
    }

    async fn history(&self, run: &RunId, name: &str) -> Result<Vec<Note>, Error> {
        self.0.history(run, name).await
    }

    async fn notes(&self, run: &RunId, after: Option<&str>) -> Result<NotesPage, Error> {
        self.0.notes(run, after).await
    }

    async fn epochs(&self, run: &RunId) -> Result<Vec<EpochNote>, Error> {
        self.0.epochs(run).await
    }

    async fn claims(&self, run: &RunId, most: usize) -> Result<Vec<ClaimView>, Error> {
        self.0.claims(run, most).await
    }

    async fn cancel(&self, run: &RunId) -> Result<RunStatus, Error> {
        self.0.cancel(run).await
    }

    async fn remove(&self, run: &RunId, removal: Removal) -> Result<(), Error> {
        self.0.remove(run, removal).await
    }
}

#[async_trait]
impl Journal for Plain {
    fn outlives_process(&self) -> bool {
        self.0.outlives_process()
    }

    async fn append(&self, run: &RunId, batch: &Batch) -> Result<(), Error> {
        self.0.append(run, batch).await
    }

    fn follow(&self, run: &RunId) -> Box<dyn Follow> {
        self.0.follow(run)
    }
}
