//! The loop of one host on one run: commit what has ended, claim what is ready, start it, wait.
//! What a node needs is found out in `job`; who may have which node is the ledger's to say.

use crate::cache::Cache;
use crate::engine::context::Context;
use crate::engine::context::Parking;
use crate::engine::context::Shared;
use crate::engine::digests::Digests;
use crate::engine::dispatch::Next;
use crate::engine::finish::Outputs;
use crate::engine::finish::Shown;
use crate::engine::flight::Flights;
use crate::engine::floor::Floor;
use crate::engine::floor::work;
use crate::engine::host::Answer;
use crate::engine::host::Commit;
use crate::engine::host::Host;
use crate::engine::verify::Verification;
use crate::events::Recorder;
use crate::invoke::Invoker;
use crate::model::Random;
use crate::model::RunId;
use crate::model::RunStatus;
use crate::model::TaskIdx;
use crate::plan::Bound;
use crate::state::Claim;
use crate::state::Error;
use crate::state::Ledger;
use crate::state::Shape;
use crate::state::Version;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

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
    /// Seeds the jitter of retries.
    pub seed: u64,
    /// Whether calls whose results may be shared are executed once more.
    pub verification: Verification,
    /// The outputs that decide, once all tasks have succeeded, whether the run has.
    pub shown: Shown,
}

/// How this host's part of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The run itself has ended so.
    Run(RunStatus),
    /// This host was told to stop before; the run can be resumed.
    Interrupted,
}

/// How this host's part of a run ended, and what is known of its outputs then.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub ended: Ended,
    /// The outputs, if it was this host that has closed the run by them.
    pub outputs: Option<Outputs>,
}

/// How long this host, while it is at work, does not listen for what others have done, after it has listened: a host
/// without work hears of it at once.
const PAUSE: Duration = Duration::from_millis(1);

/// Works on a run until it has ended, or until this host is told to stop.
///
/// Fails only if the state backend or the cache does; guests are stopped then, and nothing is lost that was committed.
/// While an answer of the ledger is under way, what ends is collected for the next commit, and guests are stopped if
/// that is asked or if their claims are lost. The ledger keeps the claims.
///
/// The loop is a task of its own: on a thread of the runtime's it starts jobs and speaks with the ledger without waking
/// other threads, which costs more than the rest of a task that does little.
pub async fn run(engine: Engine, settings: Settings) -> Result<Finished, Error> {
    let mut loops = JoinSet::new();
    loops.spawn(take_part(engine, settings));
    match loops.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(stopped)) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Ok(interrupted()), // the runtime is shutting down
        },
        None => Ok(interrupted()), // there is the one that was spawned
    }
}

const fn interrupted() -> Finished {
    Finished { ended: Ended::Interrupted, outputs: None }
}

async fn take_part(engine: Engine, settings: Settings) -> Result<Finished, Error> {
    let (slots, stored) = (settings.slots, settings.stored.clone());
    let (park, parked) = unbounded_channel();
    let ctx = Arc::new(context(engine, settings, park));
    ctx.tell_stored(&stored);
    let floor = Arc::new(Floor::new(Host::new(Arc::clone(&ctx), slots)));
    let mut shift = Shift { floor, ctx, jobs: JoinSet::new(), parked };
    let ended = shift.work().await;
    shift.jobs.shutdown().await;
    shift.floor.host().close();
    Ok(Finished { ended: ended?, outputs: shift.ctx.take_outputs() })
}

/// The loop's part: the jobs, and who is told what.
struct Shift {
    floor: Arc<Floor>,
    ctx: Arc<Context>,
    jobs: JoinSet<Result<(), Error>>,
    /// What jobs that wait for others tell.
    parked: UnboundedReceiver<Parking>,
}

/// What the loop goes by.
struct Seen {
    next: Next,
    version: Version,
    /// How long not to listen for what others have done.
    pause: Duration,
    /// When claims that wait for a place are to be given back.
    patience_ends: Option<Instant>,
}

impl Shift {
    async fn work(&mut self) -> Result<Ended, Error> {
        let mut interrupt = self.ctx.interrupt.clone();
        let (ledger, floor) = (Arc::clone(&self.ctx.ledger), Arc::clone(&self.floor));
        let mut losses = ledger.keep()?;
        let mut commit = None;
        let mut is_interruptible = true;
        loop {
            let Seen { next, version, pause, patience_ends } =
                self.look(*interrupt.borrow_and_update(), &mut commit);
            if commit.is_none() {
                match next {
                    Next::Ended(status) => return Ok(Ended::Run(status)),
                    Next::Interrupted => return Ok(Ended::Interrupted),
                    Next::Wait => {}
                }
            }
            tokio::select! {
                // What is lost is stopped before anything else is done.
                biased;
                Some(loss) = losses.recv() => floor.host().lost(loss),
                Some(parking) = self.parked.recv() => floor.host().parked(parking),
                answer = answered(&mut commit) => {
                    commit = None;
                    floor.host().answered(answer)?;
                }
                Some(done) = self.jobs.join_next_with_id() => {
                    self.ended(done)?;
                    while let Some(done) = self.jobs.try_join_next_with_id() {
                        self.ended(done)?;
                    }
                }
                () = floor.has_news() => {}
                // It is given back by the next look, unless it was begun with meanwhile.
                () = reached(patience_ends) => {}
                changed = changed(ledger.as_ref(), version, pause), if commit.is_none() => {
                    changed?;
                    let mut host = floor.host();
                    // What this host's own jobs have changed meanwhile is no news to it.
                    if host.version() == version {
                        host.hears_news();
                    }
                }
                changed = interrupt.changed(), if is_interruptible => {
                    // Once whoever could interrupt is gone, nobody will.
                    is_interruptible = changed.is_ok();
                    floor.host().hears_news();
                }
            }
        }
    }

    /// Does what can be done at once: begins with what was handed out, stops what is to be stopped, commits.
    fn look(&mut self, interrupt: Interrupt, commit: &mut Option<Commit>) -> Seen {
        let (floor, ctx, jobs) = (&self.floor, &self.ctx, &mut self.jobs);
        let mut host = floor.host();
        host.interrupted(interrupt);
        let mut start = |claim: &Claim| jobs.spawn(work(Arc::clone(floor), Arc::clone(ctx), claim.clone()));
        while host.begin(&mut start).is_some() {}
        host.give_back_waiting();
        host.abort_if_told();
        if commit.is_none() {
            *commit = floor.take_commit().or_else(|| host.commit().inspect(|_| host.waits_for_answer()));
        }
        let pause = if host.is_busy() { PAUSE } else { Duration::ZERO };
        Seen { next: host.next(), version: host.version(), pause, patience_ends: host.patience_ends() }
    }

    /// A job has ended: there was nothing more for it, the backend has failed, or it was stopped.
    fn ended(&self, done: Done) -> Result<(), Error> {
        match done {
            Ok((_, ended)) => ended,
            Err(stopped) => {
                let id = stopped.id();
                if let Ok(panic) = stopped.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
                self.floor.host().stopped(id);
                Ok(())
            }
        }
    }
}

/// How a job ended, as its set tells it.
type Done = Result<(Id, Result<(), Error>), JoinError>;

/// The answer to a commit, if one is under way. Cancel safe: the commit itself goes on with the next call.
async fn answered(commit: &mut Option<Commit>) -> Answer {
    match commit {
        Some(commit) => commit.await,
        None => std::future::pending().await,
    }
}

/// Waits until then, or for ever. Cancel safe.
async fn reached(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Waits until others have changed the run since `seen`. Cancel safe, as [`Ledger::changed`] is.
async fn changed(ledger: &dyn Ledger, seen: Version, pause: Duration) -> Result<(), Error> {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    ledger.changed(seen).await
}

fn context(engine: Engine, settings: Settings, parked: UnboundedSender<Parking>) -> Context {
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
        flights: Flights::new(Random::from_system().next_u64()),
        verification: settings.verification,
        shown: settings.shown,
        parked,
        shared: Shared::new(settings.seed),
    }
}
