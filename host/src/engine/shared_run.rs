//! The run state behind its lock, shared by the run loop and its jobs; jobs continue from one claim to the next.
//! `run_state` defines the state and its changes.
//!
//! A job commits its own settlement if no commit is under way and the ledger replies at once, as the one in memory
//! does. It then continues with its next claim on the same thread, and wakes nobody. Otherwise the settlement waits
//! for the next commit of the loop in `run`; the job continues with a prefetched claim, or ends.

use crate::engine::context::Context;
use crate::engine::job::process;
use crate::engine::run_state::{Commit, RunState};
use crate::engine::settled::Settled;
use crate::state::{Claim, Error};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use tokio::sync::Notify;
use tokio::task::consume_budget;

/// State that the run loop and its jobs share.
pub(crate) struct SharedRunState {
    // A mutex because jobs end on many threads. Each critical section is one change of the state and never waits.
    state: Mutex<RunState>,
    pending_commit: Mutex<Option<Commit>>,
    wakeup: Notify,
}

impl SharedRunState {
    /// Wraps a run state that has no jobs yet.
    pub(crate) fn new(state: RunState) -> Self {
        Self { state: Mutex::new(state), pending_commit: Mutex::default(), wakeup: Notify::new() }
    }

    /// Locks the state.
    pub(crate) fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the commit that a job began and the ledger did not answer at once; the loop must poll it.
    pub(crate) fn take_commit(&self) -> Option<Commit> {
        self.pending_commit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until a job leaves work to the loop. Cancel safe.
    pub(crate) async fn wait_for_wakeup(&self) {
        self.wakeup.notified().await;
    }

    /// Settles a job's claim. Returns the next claim if the job continues.
    fn settle(&self, settled: Settled) -> Result<Option<Claim>, Error> {
        let mut state = self.state();
        state.heed_interrupts();
        let job = state.settle_job(settled);
        // Without prefetched claims, the next claim comes with the reply, which the loop awaits.
        let job = job.filter(|_| !state.is_committing() || state.is_prefetching());
        if let Some(mut commit) = state.commit() {
            // One poll suffices for a ledger in memory. The loop polls any other commit.
            match commit.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
                Poll::Ready(reply) => state.handle_reply(reply)?,
                Poll::Pending => {
                    state.mark_reply_awaited();
                    self.pending_commit.lock().unwrap_or_else(PoisonError::into_inner).replace(commit);
                    if !state.is_prefetching() {
                        return Ok(None);
                    }
                    self.wakeup.notify_one();
                }
            }
        }
        // This job takes over the next claim itself: no spawn, no change of thread.
        let next = job.and_then(|job| state.start_next(|_| job));
        // More claims than this job can take, or guests to abort: that is the loop's part.
        if state.has_waiting() || state.must_abort() {
            self.wakeup.notify_one();
        }
        Ok(next)
    }
}

/// Works from one claim to the next until none is left.
pub(crate) async fn run_claims(
    shared: Arc<SharedRunState>,
    ctx: Arc<Context>,
    claim: Claim,
) -> Result<(), Error> {
    let mut next = Some(claim);
    while let Some(claim) = next {
        let settled = process(&ctx, claim).await?;
        next = shared.settle(settled)?;
        // A job that never waits must still yield to the runtime.
        consume_budget().await;
    }
    Ok(())
}
