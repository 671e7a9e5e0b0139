//! The loop of one host on one run: commit what has ended, claim what is ready, start it, wait.
//! What a node needs is found out in `job`; who may have which node is the ledger's to say.

use crate::cache::Cache;
use crate::engine::context::Context;
use crate::engine::context::Shared;
use crate::engine::digests::Digests;
use crate::engine::dispatch::Next;
use crate::engine::host::Answer;
use crate::engine::host::Commit;
use crate::engine::host::Host;
use crate::events::Recorder;
use crate::invoke::Invoker;
use crate::model::RunId;
use crate::model::RunStatus;
use crate::model::TaskIdx;
use crate::plan::Bound;
use crate::state::Error;
use crate::state::Ledger;
use crate::state::Shape;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How urgently this host was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Interrupt {
    /// It was not.
    #[default]
    None,
    /// Start nothing new; finish and commit what runs.
    Drain,
    /// Stop guests now.
    Abort,
}

/// What the engine works with; everything is shared with the application.
pub struct Engine {
    /// Calls functions.
    pub invoker: Arc<dyn Invoker>,
    /// Shares results between runs; none if that is off.
    pub cache: Option<Arc<dyn Cache>>,
    /// Is told what happens.
    pub recorder: Recorder,
    /// Tells when to stop.
    pub interrupt: watch::Receiver<Interrupt>,
}

/// One run to work on.
pub struct Settings {
    /// The run.
    pub run: RunId,
    /// What it computes.
    pub bound: Arc<Bound>,
    /// The door to where it is kept.
    pub ledger: Arc<dyn Ledger>,
    /// The shape that the ledger was opened with.
    pub shape: Arc<Shape>,
    /// The run's epoch.
    pub epoch: u64,
    /// The tasks whose results were there when the ledger was opened.
    pub stored: Vec<TaskIdx>,
    /// How many guests run at the same time.
    pub slots: u32,
    /// How long a claim is held without being renewed.
    pub lease: Duration,
    /// Seeds the jitter of retries.
    pub seed: u64,
}

/// How this host's part of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The run itself has ended so.
    Run(RunStatus),
    /// This host was told to stop before; the run can be resumed.
    Interrupted,
}

/// Works on a run until it has ended, or until this host is told to stop.
///
/// Fails only if the state backend or the cache does; guests are stopped then, and nothing is lost that was committed.
/// While an answer of the ledger is under way, what ends is collected for the next commit, leases are renewed, and
/// guests are stopped if that is asked.
///
/// The loop is a task of its own: on a thread of the runtime's it starts jobs and speaks with the ledger without waking
/// other threads, which costs more than the rest of a task that does little.
pub async fn run(engine: Engine, settings: Settings) -> Result<Ended, Error> {
    let mut loops = JoinSet::new();
    loops.spawn(live(engine, settings));
    match loops.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(stopped)) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Ok(Ended::Interrupted), // the runtime is shutting down
        },
        None => Ok(Ended::Interrupted), // one was spawned
    }
}

async fn live(engine: Engine, settings: Settings) -> Result<Ended, Error> {
    let (slots, lease, stored) = (settings.slots, settings.lease, settings.stored.clone());
    let mut host = Host::new(context(engine, settings), slots);
    host.tell_stored(&stored);
    let ended = work(&mut host, lease).await;
    host.close().await;
    ended
}

async fn work(host: &mut Host, lease: Duration) -> Result<Ended, Error> {
    let mut renewal = tokio::time::interval((lease / 3).max(Duration::from_millis(1)));
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupt = host.ctx.interrupt.clone();
    let ledger = Arc::clone(&host.ctx.ledger);
    let mut commit = None;
    let mut is_interruptible = true;
    loop {
        host.interrupted(*interrupt.borrow_and_update());
        host.abort_if_told();
        if commit.is_none() && host.has_news() {
            commit = Some(host.commit());
        }
        if commit.is_none() {
            match host.next() {
                Next::Ended(status) => return Ok(Ended::Run(status)),
                Next::Interrupted => return Ok(Ended::Interrupted),
                Next::Wait => {}
            }
        }
        tokio::select! {
            // After a pause of this process, leases are renewed before anything is claimed anew.
            biased;
            _ = renewal.tick() => host.renew().await?,
            answer = answered(&mut commit) => {
                commit = None;
                host.answered(answer)?;
            }
            Some(done) = host.jobs.join_next_with_id() => {
                host.ended(done)?;
                while let Some(done) = host.jobs.try_join_next_with_id() {
                    host.ended(done)?;
                }
            }
            changed = ledger.changed(host.version), if commit.is_none() => {
                changed?;
                host.hears_news();
            }
            changed = interrupt.changed(), if is_interruptible => {
                // Once whoever could interrupt is gone, nobody will.
                is_interruptible = changed.is_ok();
                host.hears_news();
            }
        }
    }
}

/// The answer to a commit, if one is under way. Cancel safe: the commit itself goes on with the next call.
async fn answered(commit: &mut Option<Commit>) -> Answer {
    match commit {
        Some(commit) => commit.await,
        None => std::future::pending().await,
    }
}

fn context(engine: Engine, settings: Settings) -> Context {
    Context {
        run: settings.run,
        bound: settings.bound,
        shape: settings.shape,
        ledger: settings.ledger,
        invoker: engine.invoker,
        cache: engine.cache,
        recorder: engine.recorder,
        interrupt: engine.interrupt,
        epoch: settings.epoch,
        digests: Digests::default(),
        shared: Shared::new(settings.seed),
    }
}
