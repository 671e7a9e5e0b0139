//! The run loop of one host: commits settlements, claims ready nodes, starts jobs, and waits for events.
//! `job` decides what a node needs; the ledger decides which host gets which node.

use crate::cache::Cache;
use crate::engine::context::{Context, SharedCaches, SlotRequest};
use crate::engine::digests::Digests;
use crate::engine::dispatch::Action;
use crate::engine::finish::{Outputs, Shown};
use crate::engine::interrupt::{Interrupt, Interrupts, WhenInterrupted};
use crate::engine::reserving::{ReservedResources, Reserving};
use crate::engine::run_state::{Commit, CommitReply, RunState};
use crate::engine::shared_run::{SharedRunState, run_claims};
use crate::engine::single_flight::SingleFlight;
use crate::engine::verify::Verification;
use crate::events::Recorder;
use crate::invoke::Invoker;
use crate::model::{Random, RunId, RunStatus, TaskIdx};
use crate::plan::Bound;
use crate::state::{Backend, Claim, Error, Ledger, NodeId, Rerun, RunShape, Version};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

/// Ports that the engine works with, shared with the application.
pub struct Engine {
    /// Calls functions.
    pub invoker: Arc<dyn Invoker>,
    /// Shares results between runs; none if caching is off.
    pub cache: Option<Arc<dyn Cache>>,
    /// Records events.
    pub recorder: Recorder,
    /// Requests that this host stop.
    pub interrupt: watch::Receiver<Interrupt>,
}

/// A run to work on.
pub struct Settings {
    /// Id of the run.
    pub run: RunId,
    /// Plan with its inputs.
    pub bound: Arc<Bound>,
    /// Ledger of the run.
    pub ledger: Arc<dyn Ledger>,
    /// Shape that the ledger was opened with.
    pub shape: Arc<RunShape>,
    /// Epoch of the run.
    pub epoch: u64,
    /// Tasks whose results were stored when the ledger was opened.
    pub stored: Vec<TaskIdx>,
    /// Nodes that run again, with all below them.
    pub rerun: Vec<NodeId>,
    /// Number of guests that run at the same time.
    pub slots: u32,
    /// Seed of the retry jitter.
    pub seed: u64,
    /// Whether shareable calls are executed once more and compared.
    pub verification: Verification,
    /// Resources that attempts reserve at the backend; none if the plan has none.
    pub reserved: Option<ReservedResources>,
    /// Where the notes of other hosts are read; none if there can be no other hosts.
    pub notes: Option<Arc<dyn Backend>>,
    /// What becomes of the run if this host is interrupted.
    pub when_interrupted: WhenInterrupted,
    /// Outputs that the run shows. Once all tasks have succeeded, they decide whether the run has.
    pub shown: Shown,
}

/// End of this host's part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The run has ended with this status.
    Run(RunStatus),
    /// This host was interrupted earlier; the run can be resumed.
    Interrupted,
}

/// End of this host's part of a run, with the outputs if this host closed it.
#[derive(Debug)]
pub struct Finished {
    /// Reason for the end.
    pub ended: Ended,
    /// The outputs, if this host closed the run.
    pub outputs: Option<Outputs>,
}

/// Pause between two waits for changes by other hosts while this host is busy. An idle host waits without a pause.
const LISTEN_PAUSE: Duration = Duration::from_millis(1);

/// Works on a run until it has ended or this host is interrupted.
///
/// Fails only if the state backend or the cache does. Guests are stopped then; committed results are kept. One commit
/// is under way at a time, and settlements meanwhile are collected for the next. During a commit, guests are still
/// stopped on an abort or a lost lease. The ledger renews the leases by its heartbeat.
///
/// The loop is a task of its own. On a thread of the runtime it starts jobs and uses the ledger without waking other
/// threads; a wake-up would cost more than all other work for a short task.
pub async fn run(engine: Engine, settings: Settings) -> Result<Finished, Error> {
    let mut tasks = JoinSet::new();
    tasks.spawn(run_loop(engine, settings));
    match tasks.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Ok(interrupted()), // the runtime is shutting down
        },
        None => Ok(interrupted()), // unreachable: one task was spawned
    }
}

const fn interrupted() -> Finished {
    Finished { ended: Ended::Interrupted, outputs: None }
}

async fn run_loop(engine: Engine, settings: Settings) -> Result<Finished, Error> {
    let (slots, stored) = (settings.slots, settings.stored.clone());
    let (request_slot, slot_requests) = unbounded_channel();
    let ctx = Arc::new(build_context(engine, settings, request_slot)?);
    ctx.emit_stored(&stored);
    let shared = Arc::new(SharedRunState::new(RunState::new(Arc::clone(&ctx), slots)));
    let mut run = RunLoop { shared, ctx, jobs: JoinSet::new(), slot_requests };
    let ended = run.drive().await;
    run.jobs.shutdown().await;
    run.shared.state().close();
    if let Some(reserving) = &run.ctx.reserving {
        reserving.leave().await;
    }
    run.ctx.emit_left_out();
    Ok(Finished { ended: ended?, outputs: run.ctx.take_outputs() })
}

/// State of the loop: the jobs, and the run state they share.
struct RunLoop {
    shared: Arc<SharedRunState>,
    ctx: Arc<Context>,
    jobs: JoinSet<Result<(), Error>>,
    /// Slot requests of jobs that wait for results computed elsewhere.
    slot_requests: UnboundedReceiver<SlotRequest>,
}

/// Result of one step: what to do next, and what to wait for.
struct Step {
    action: Action,
    version: Version,
    /// Pause before waiting for changes by other hosts.
    listen_after: Duration,
    /// Time at which prefetched claims must be returned.
    prefetch_deadline: Option<Instant>,
}

impl RunLoop {
    async fn drive(&mut self) -> Result<Ended, Error> {
        let mut interrupt = self.ctx.interrupts.changes();
        let (ledger, shared) = (Arc::clone(&self.ctx.ledger), Arc::clone(&self.shared));
        let mut losses = ledger.keep_leases()?;
        let mut commit = None;
        let mut is_interruptible = true;
        loop {
            // Do all that is possible now, then sleep until one of the events below.
            interrupt.mark_unchanged();
            let Step { action, version, listen_after, prefetch_deadline: deadline } = self.step(&mut commit);
            // An end is final only without a commit under way: its reply may still hold claims or verdicts.
            if commit.is_none() {
                match action {
                    Action::Ended(status) => return Ok(Ended::Run(status)),
                    Action::Interrupted if shared.state().is_cancelled_by_interrupt() => {
                        ledger.cancel().await?;
                        shared.state().go_on_with_ending();
                        continue;
                    }
                    Action::Interrupted => return Ok(Ended::Interrupted),
                    Action::Wait => {}
                }
            }
            tokio::select! {
                // `biased`: lost leases stop their guests before anything else happens.
                biased;
                Some(loss) = losses.recv() => shared.state().handle_loss(loss),
                // A job releases its slot before it waits for a result, or asks for a slot after the wait.
                Some(request) = self.slot_requests.recv() => shared.state().handle_slot_request(request),
                // The reply holds verdicts on the settlements, and new claims.
                reply = next_reply(&mut commit) => {
                    commit = None;
                    shared.state().handle_reply(reply)?;
                }
                // Jobs that ended together are handled together, so that one commit takes all of them.
                Some(done) = self.jobs.join_next_with_id() => {
                    self.handle_job_end(done)?;
                    while let Some(done) = self.jobs.try_join_next_with_id() {
                        self.handle_job_end(done)?;
                    }
                }
                // A job left work to the loop: a pending commit, claims to start, or guests to abort.
                () = shared.wait_for_wakeup() => {}
                // The next step returns prefetched claims, unless their jobs have started meanwhile.
                () = sleep_until(deadline) => {}
                // While a commit is under way its reply brings the changes, so nothing else asks the ledger.
                changed = ledger_changed(ledger.as_ref(), version, listen_after), if commit.is_none() => {
                    changed?;
                    let mut state = shared.state();
                    // A newer version means that this host's own jobs committed meanwhile; other hosts changed nothing.
                    if state.version() == version {
                        state.mark_ledger_changed();
                    }
                }
                changed = interrupt.changed(), if is_interruptible => {
                    // A closed channel means that no interrupt can follow.
                    is_interruptible = changed.is_ok();
                    shared.state().mark_ledger_changed();
                }
            }
        }
    }

    /// Does everything that needs no waiting: starts claims, returns surplus ones, aborts guests, begins a commit.
    fn step(&mut self, commit: &mut Option<Commit>) -> Step {
        let (shared, ctx, jobs) = (&self.shared, &self.ctx, &mut self.jobs);
        let mut state = shared.state();
        state.heed_interrupts();
        state.serve_waiting();
        let mut start =
            |claim: &Claim| jobs.spawn(run_claims(Arc::clone(shared), Arc::clone(ctx), claim.clone()));
        // Start what has a slot first; what remains may be surplus.
        while state.start_next(&mut start).is_some() {}
        state.return_prefetched();
        state.abort_if_requested();
        if commit.is_none() {
            // A job may have begun a commit that did not complete at once; the loop polls it from here on.
            *commit = shared.take_commit().or_else(|| state.commit().inspect(|_| state.mark_reply_awaited()));
        }
        let listen_after = if state.is_busy() { LISTEN_PAUSE } else { Duration::ZERO };
        Step {
            action: state.next_action(),
            version: state.version(),
            listen_after,
            prefetch_deadline: state.prefetch_deadline(),
        }
    }

    /// Handles the end of a job: no claim was left, the backend failed, or the job was aborted.
    fn handle_job_end(&self, done: Done) -> Result<(), Error> {
        match done {
            Ok((_, ended)) => ended,
            Err(error) => {
                let id = error.id();
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
                self.shared.state().handle_stopped_job(id);
                Ok(())
            }
        }
    }
}

/// End of a job, as its `JoinSet` reports it.
type Done = Result<(Id, Result<(), Error>), JoinError>;

/// Waits for the reply to the commit under way, if any. Cancel safe: the next call continues the commit.
async fn next_reply(commit: &mut Option<Commit>) -> CommitReply {
    match commit {
        Some(commit) => commit.await,
        None => std::future::pending().await,
    }
}

/// Waits until `end`, or forever if there is none. Cancel safe.
async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Waits until other hosts have changed the run since `seen`. Cancel safe, as [`Ledger::changed`] is.
async fn ledger_changed(ledger: &dyn Ledger, seen: Version, listen_after: Duration) -> Result<(), Error> {
    if !listen_after.is_zero() {
        tokio::time::sleep(listen_after).await;
    }
    ledger.changed(seen).await
}

fn build_context(
    engine: Engine,
    settings: Settings,
    slot_requests: UnboundedSender<SlotRequest>,
) -> Result<Context, Error> {
    let reserving = match settings.reserved {
        Some(reserved) => Some(Reserving::new(reserved, (&settings.run, settings.bound.plan()))?),
        None => None,
    };
    Ok(Context {
        run: settings.run,
        bound: settings.bound,
        shape: settings.shape,
        ledger: settings.ledger,
        invoker: engine.invoker,
        cache: engine.cache,
        recorder: engine.recorder,
        interrupts: Interrupts::new(engine.interrupt, settings.when_interrupted),
        epoch: settings.epoch,
        rerun: Rerun::new(settings.rerun),
        digests: Digests::default(),
        single_flight: SingleFlight::new(Random::from_system().next_u64()),
        verification: settings.verification,
        notes: settings.notes,
        shown: settings.shown,
        slot_requests,
        reserving,
        stopping: watch::Sender::new(false),
        shared: SharedCaches::new(settings.seed),
    })
}
