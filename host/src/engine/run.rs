//! The loop of one host on one run: commit what has ended, claim what is ready, start it, wait.
//! What a node needs is found out in `job`; who may have which node is the ledger's to say.

use crate::cache::Cache;
use crate::engine::context::{Context, SharedCaches, SlotRequest};
use crate::engine::digests::Digests;
use crate::engine::dispatch::Action;
use crate::engine::finish::{Outputs, Shown};
use crate::engine::interrupt::Interrupt;
use crate::engine::run_state::{Commit, CommitReply, RunState};
use crate::engine::shared_run::{SharedRunState, run_claims};
use crate::engine::single_flight::SingleFlight;
use crate::engine::verify::Verification;
use crate::events::Recorder;
use crate::invoke::Invoker;
use crate::model::{Random, RunId, RunStatus, TaskIdx};
use crate::plan::Bound;
use crate::state::{Claim, Error, Ledger, RunShape, Version};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

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
    pub shape: Arc<RunShape>,
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
const LISTEN_PAUSE: Duration = Duration::from_millis(1);

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
    loops.spawn(run_loop(engine, settings));
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

async fn run_loop(engine: Engine, settings: Settings) -> Result<Finished, Error> {
    let (slots, stored) = (settings.slots, settings.stored.clone());
    let (park, parked) = unbounded_channel();
    let ctx = Arc::new(build_context(engine, settings, park));
    ctx.emit_stored(&stored);
    let floor = Arc::new(SharedRunState::new(RunState::new(Arc::clone(&ctx), slots)));
    let mut shift = RunLoop { shared: floor, ctx, jobs: JoinSet::new(), slot_requests: parked };
    let ended = shift.drive().await;
    shift.jobs.shutdown().await;
    shift.shared.state().close();
    Ok(Finished { ended: ended?, outputs: shift.ctx.take_outputs() })
}

/// The loop's part: the jobs, and who is told what.
struct RunLoop {
    shared: Arc<SharedRunState>,
    ctx: Arc<Context>,
    jobs: JoinSet<Result<(), Error>>,
    /// What jobs that wait for others tell.
    slot_requests: UnboundedReceiver<SlotRequest>,
}

/// What the loop goes by.
struct Step {
    action: Action,
    version: Version,
    /// How long not to listen for what others have done.
    listen_after: Duration,
    /// When claims that wait for a place are to be given back.
    prefetch_deadline: Option<Instant>,
}

impl RunLoop {
    async fn drive(&mut self) -> Result<Ended, Error> {
        let mut interrupt = self.ctx.interrupt.clone();
        let (ledger, floor) = (Arc::clone(&self.ctx.ledger), Arc::clone(&self.shared));
        let mut losses = ledger.keep_leases()?;
        let mut commit = None;
        let mut is_interruptible = true;
        loop {
            let Step { action: next, version, listen_after: pause, prefetch_deadline: patience_ends } =
                self.step(*interrupt.borrow_and_update(), &mut commit);
            if commit.is_none() {
                match next {
                    Action::Ended(status) => return Ok(Ended::Run(status)),
                    Action::Interrupted => return Ok(Ended::Interrupted),
                    Action::Wait => {}
                }
            }
            tokio::select! {
                // What is lost is stopped before anything else is done.
                biased;
                Some(loss) = losses.recv() => floor.state().handle_loss(loss),
                Some(parking) = self.slot_requests.recv() => floor.state().handle_slot_request(parking),
                answer = next_reply(&mut commit) => {
                    commit = None;
                    floor.state().handle_reply(answer)?;
                }
                Some(done) = self.jobs.join_next_with_id() => {
                    self.handle_job_end(done)?;
                    while let Some(done) = self.jobs.try_join_next_with_id() {
                        self.handle_job_end(done)?;
                    }
                }
                () = floor.wait_for_wakeup() => {}
                // It is given back by the next look, unless it was begun with meanwhile.
                () = sleep_until(patience_ends) => {}
                changed = ledger_changed(ledger.as_ref(), version, pause), if commit.is_none() => {
                    changed?;
                    let mut host = floor.state();
                    // What this host's own jobs have changed meanwhile is no news to it.
                    if host.version() == version {
                        host.mark_ledger_changed();
                    }
                }
                changed = interrupt.changed(), if is_interruptible => {
                    // Once whoever could interrupt is gone, nobody will.
                    is_interruptible = changed.is_ok();
                    floor.state().mark_ledger_changed();
                }
            }
        }
    }

    /// Does what can be done at once: begins with what was handed out, stops what is to be stopped, commits.
    fn step(&mut self, interrupt: Interrupt, commit: &mut Option<Commit>) -> Step {
        let (floor, ctx, jobs) = (&self.shared, &self.ctx, &mut self.jobs);
        let mut host = floor.state();
        host.set_interrupt(interrupt);
        let mut start =
            |claim: &Claim| jobs.spawn(run_claims(Arc::clone(floor), Arc::clone(ctx), claim.clone()));
        while host.start_next(&mut start).is_some() {}
        host.return_prefetched();
        host.abort_if_requested();
        if commit.is_none() {
            *commit = floor.take_commit().or_else(|| host.commit().inspect(|_| host.mark_reply_awaited()));
        }
        let pause = if host.is_busy() { LISTEN_PAUSE } else { Duration::ZERO };
        Step {
            action: host.next_action(),
            version: host.version(),
            listen_after: pause,
            prefetch_deadline: host.prefetch_deadline(),
        }
    }

    /// A job has ended: there was nothing more for it, the backend has failed, or it was stopped.
    fn handle_job_end(&self, done: Done) -> Result<(), Error> {
        match done {
            Ok((_, ended)) => ended,
            Err(stopped) => {
                let id = stopped.id();
                if let Ok(panic) = stopped.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
                self.shared.state().handle_stopped_job(id);
                Ok(())
            }
        }
    }
}

/// How a job ended, as its set tells it.
type Done = Result<(Id, Result<(), Error>), JoinError>;

/// The answer to a commit, if one is under way. Cancel safe: the commit itself goes on with the next call.
async fn next_reply(commit: &mut Option<Commit>) -> CommitReply {
    match commit {
        Some(commit) => commit.await,
        None => std::future::pending().await,
    }
}

/// Waits until then, or for ever. Cancel safe.
async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Waits until others have changed the run since `seen`. Cancel safe, as [`Ledger::changed`] is.
async fn ledger_changed(ledger: &dyn Ledger, seen: Version, pause: Duration) -> Result<(), Error> {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    ledger.changed(seen).await
}

fn build_context(engine: Engine, settings: Settings, parked: UnboundedSender<SlotRequest>) -> Context {
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
        single_flight: SingleFlight::new(Random::from_system().next_u64()),
        verification: settings.verification,
        shown: settings.shown,
        slot_requests: parked,
        shared: SharedCaches::new(settings.seed),
    }
}
