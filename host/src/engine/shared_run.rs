//! Where jobs and the loop meet: the host's state behind a lock, and how a job gets on from one task to the next.
//! What the state is, and how it changes, is for `run_state`.
//!
//! A job that has settled its task commits it there and then, if no commit is under way and the ledger answers at once,
//! as one in memory does; and it goes on with what it was handed. So a thread stays with its work, and nobody is woken.
//! Otherwise the settlement waits for the next commit, which the loop in `run` makes; the job goes on with what was claimed
//! ahead, or ends.

use crate::engine::Interrupt;
use crate::engine::context::Context;
use crate::engine::job::{Settled, process};
use crate::engine::run_state::{Commit, RunState};
use crate::state::{Claim, Error};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use tokio::sync::Notify;
use tokio::task::consume_budget;

/// What the loop and its jobs share.
pub(crate) struct SharedRunState {
    // A mutex because jobs end on many threads; each section is one change of the state, without a wait.
    state: Mutex<RunState>,
    pending_commit: Mutex<Option<Commit>>,
    wakeup: Notify,
}

impl SharedRunState {
    /// A floor without jobs.
    pub(crate) fn new(host: RunState) -> Self {
        Self { state: Mutex::new(host), pending_commit: Mutex::default(), wakeup: Notify::new() }
    }

    /// The state.
    pub(crate) fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The commit that a job has begun and that was not answered at once; the loop is to see to it.
    pub(crate) fn take_commit(&self) -> Option<Commit> {
        self.pending_commit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until a job leaves something to the loop.
    pub(crate) async fn wait_for_wakeup(&self) {
        self.wakeup.notified().await;
    }

    /// Settles what a job has done; gives it the next claim, if it is to go on.
    fn settle(&self, settled: Settled, interrupt: Interrupt) -> Result<Option<Claim>, Error> {
        let mut host = self.state();
        host.set_interrupt(interrupt);
        let job = host.settle_job(settled);
        // Without anything ahead, what comes next comes with an answer, which the loop hears.
        let job = job.filter(|_| !host.is_committing() || host.is_prefetching());
        if let Some(mut commit) = host.commit() {
            // What does not answer at once is polled by the loop.
            match commit.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => host.handle_reply(answer)?,
                Poll::Pending => {
                    host.mark_reply_awaited();
                    self.pending_commit.lock().unwrap_or_else(PoisonError::into_inner).replace(commit);
                    if !host.is_prefetching() {
                        return Ok(None);
                    }
                    self.wakeup.notify_one();
                }
            }
        }
        let next = job.and_then(|job| host.start_next(|_| job));
        if host.has_waiting() || host.must_abort() {
            self.wakeup.notify_one();
        }
        Ok(next)
    }
}

/// Works from one claim to the next, as long as there is one.
pub(crate) async fn run_claims(
    floor: Arc<SharedRunState>,
    ctx: Arc<Context>,
    claim: Claim,
) -> Result<(), Error> {
    let mut next = Some(claim);
    while let Some(claim) = next {
        let settled = process(&ctx, claim).await?;
        next = floor.settle(settled, *ctx.interrupt.borrow())?;
        // A job that never waits lets others have their turn.
        consume_budget().await;
    }
    Ok(())
}
