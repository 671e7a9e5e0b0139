//! The Redis backend: one link for all runs of the process, and the background tasks of each open ledger.
//! State transitions of runs are left to `scripts`, stored runs to `stored`.

use crate::model::{RunId, RunStatus, TaskIdx};
use crate::state::redis::keys::{Placement, RunKeys};
use crate::state::redis::link::{Answer, Command, Link, Request};
use crate::state::redis::link_to;
use crate::state::redis::reservations::RedisReservations;
use crate::state::redis::run::{
    Open, OpenReason, RedisLedger, Run, list, listen_forever, prune, run_heartbeat,
};
use crate::state::redis::server::describe;
use crate::state::redis::server::preflight::preflight;
use crate::state::redis::stored::{self, FollowRun, RedisBuckets, archive, control, journal};
use crate::state::{
    Archive, Backend, Batch, Buckets, ClaimView, EpochNote, Error, ErrorKind, Follow, Health, Journal,
    LogPart, LogsPage, NodeView, Note, NotesPage, Notice, OpenRequest, Opened, RedisUri, Removal,
    Reservations, RunSummary, StateUri, not_built_in,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Maximum number of results that one command reads.
const CHUNK: usize = 500;

/// Opens the backend of a URI without connecting yet.
pub(crate) fn open(uri: &StateUri) -> Result<Arc<dyn Backend>, Error> {
    match uri {
        StateUri::Redis(redis) => Ok(Arc::new(RedisBackend::new(redis)?)),
        StateUri::Memory => Err(not_built_in(uri, "state")),
    }
}

/// The Redis backend.
pub(crate) struct RedisBackend {
    link: Arc<Link>,
    buckets: Arc<RedisBuckets>,
    reservations: Arc<RedisReservations>,
    // A mutex, because runs are opened on many threads. Each section only spawns tasks or reaps ended ones.
    background: Mutex<JoinSet<()>>,
}

impl RedisBackend {
    /// Creates a backend for a URI; does not connect yet.
    pub(crate) fn new(uri: &RedisUri) -> Result<Self, Error> {
        Ok(Self::over(link_to(uri, "state")?, link_to(uri, "buckets")?))
    }

    /// Creates a backend over one link for runs and another for buckets.
    pub(crate) fn over(link: Arc<Link>, buckets: Arc<Link>) -> Self {
        let buckets = Arc::new(RedisBuckets::over(buckets));
        let reservations = Arc::new(RedisReservations::over(Arc::clone(&link)));
        Self { link, buckets, reservations, background: Mutex::new(JoinSet::new()) }
    }

    fn keys(&self, run: &RunId) -> RunKeys {
        RunKeys::new(run, self.placement())
    }

    fn placement(&self) -> Placement {
        Placement::for_topology(self.link.topology())
    }

    /// Reads from a run, and fails if the run does not exist.
    async fn read(&self, run: &RunId, commands: Vec<Command>) -> Result<Vec<Answer>, Error> {
        let doing = format!("reading run `{run}`");
        let exists = Command::new("EXISTS").arg(self.keys(run).key("meta"));
        let request = Request::read(std::iter::once(exists).chain(commands));
        let mut answers = self.link.ask(&doing, request).await?.into_iter();
        if answers.next().and_then(|exists| exists.number()) == Some(1) {
            Ok(answers.collect())
        } else {
            let hint = "The run was never created here, was removed, or has expired.";
            Err(Error::new(ErrorKind::NoRun, format!("looking up run `{run}`")).hint(hint))
        }
    }
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend").field("link", &self.link).finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for RedisBackend {
    async fn open(&self, request: OpenRequest) -> Result<Opened, Error> {
        let keys = self.keys(&request.run);
        let opening = Open { link: &self.link, keys: &keys, request: &request, why: OpenReason::NeededGrant };
        // Each takes several round trips, and they are independent.
        let (entered, ()) = tokio::join!(opening.open_run(), prune(&self.link));
        let entered = entered?;
        let run = Arc::new(Run::new(Arc::clone(&self.link), keys, request, &entered));
        list(&run).await;
        let (ledger, closed) = RedisLedger::new(Arc::clone(&run));
        // Each open ledger has two background tasks, heartbeat and listener. Ended ones are reaped here.
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        while background.try_join_next().is_some() {}
        background.spawn(run_heartbeat(Arc::clone(&run), closed.clone()));
        background.spawn(listen_forever(run, closed));
        drop(background);
        Ok(Opened {
            ledger: Arc::new(ledger),
            kind: entered.kind,
            epoch: entered.epoch,
            policy: entered.policy,
            stored: entered.stored,
            rerun: entered.rerun,
        })
    }

    async fn results(&self, run: &RunId, names: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        let key = self.keys(run).key("results");
        let chunks = names.chunks(CHUNK).map(|names| Command::new("HMGET").arg(&key).args(names));
        let answers = self.read(run, chunks.collect()).await?;
        Ok(answers.into_iter().flat_map(Answer::list).map(Answer::bytes).collect())
    }

    async fn preflight(&self) -> Result<Vec<Notice>, Error> {
        preflight(&self.link).await
    }

    fn health(&self) -> Option<watch::Receiver<Health>> {
        Some(self.link.health())
    }

    fn buckets(&self) -> Arc<dyn Buckets> {
        Arc::<RedisBuckets>::clone(&self.buckets)
    }

    fn reservations(&self) -> Option<Arc<dyn Reservations>> {
        Some(Arc::<RedisReservations>::clone(&self.reservations))
    }

    async fn describe(&self) -> Result<Vec<(&'static str, String)>, Error> {
        describe(&self.link).await
    }

    async fn record(&self, run: &RunId) -> Result<Bytes, Error> {
        let key = self.keys(run).key("meta");
        let answers = self.read(run, vec![Command::new("HGET").arg(key).arg("record")]).await?;
        let record = answers.into_iter().next().and_then(Answer::bytes);
        record.ok_or_else(|| Error::new(ErrorKind::NoRun, format!("looking up the plan of run `{run}`")))
    }
}

#[async_trait]
impl Archive for RedisBackend {
    async fn runs(&self, max: usize) -> Result<Vec<RunSummary>, Error> {
        archive::runs(&self.link, self.placement(), max).await
    }

    async fn runs_with_prefix(&self, prefix: &str, max: usize) -> Result<Vec<RunId>, Error> {
        archive::runs_with_prefix(&self.link, self.placement(), prefix, max).await
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary, Error> {
        archive::run(&self.link, run, &self.keys(run)).await
    }

    async fn nodes(&self, run: &RunId, names: &[String]) -> Result<Vec<NodeView>, Error> {
        archive::nodes(&self.link, run, &self.keys(run), names).await
    }

    async fn ended_well(&self, run: &RunId, tasks: &[TaskIdx]) -> Result<Vec<bool>, Error> {
        archive::ended_well(&self.link, run, &self.keys(run), tasks).await
    }

    async fn failed_elements(&self, run: &RunId, max: usize) -> Result<Vec<String>, Error> {
        archive::failed_elements(&self.link, run, &self.keys(run), max).await
    }

    async fn rerun(&self, run: &RunId) -> Result<Vec<String>, Error> {
        archive::rerun(&self.link, run, &self.keys(run)).await
    }

    async fn deadlines(&self, run: &RunId) -> Result<Vec<(Option<String>, Duration)>, Error> {
        archive::deadlines(&self.link, run, &self.keys(run)).await
    }

    async fn log(&self, run: &RunId, name: &str) -> Result<Vec<LogPart>, Error> {
        archive::log(&self.link, run, &self.keys(run), name).await
    }

    async fn logs(&self, run: &RunId, after: Option<&str>) -> Result<LogsPage, Error> {
        stored::logs(&self.link, run, &self.keys(run), after).await
    }

    async fn history(&self, run: &RunId, name: &str) -> Result<Vec<Note>, Error> {
        stored::history(&self.link, run, &self.keys(run), name).await
    }

    async fn notes(&self, run: &RunId, after: Option<&str>) -> Result<NotesPage, Error> {
        stored::notes(&self.link, run, &self.keys(run), after).await
    }

    async fn epochs(&self, run: &RunId) -> Result<Vec<EpochNote>, Error> {
        stored::epochs(&self.link, run, &self.keys(run)).await
    }

    async fn claims(&self, run: &RunId, max: usize) -> Result<Vec<ClaimView>, Error> {
        control::claims(&self.link, run, &self.keys(run), max).await
    }

    async fn cancel(&self, run: &RunId) -> Result<RunStatus, Error> {
        control::cancel(&self.link, run, &self.keys(run)).await
    }

    async fn remove(&self, run: &RunId, removal: Removal) -> Result<(), Error> {
        archive::remove(&self.link, run, &self.keys(run), removal).await
    }
}

#[async_trait]
impl Journal for RedisBackend {
    fn outlives_process(&self) -> bool {
        true
    }

    async fn append(&self, run: &RunId, batch: &Batch) -> Result<(), Error> {
        journal::append(&self.link, run, &self.keys(run), batch).await
    }

    fn follow(&self, run: &RunId) -> Box<dyn Follow> {
        Box::new(FollowRun::new(Arc::clone(&self.link), run, self.keys(run)))
    }
}
