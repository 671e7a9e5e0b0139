//! Where jobs and the loop meet: the host's state behind a lock, and how a job gets on from one task to the next.
//! What the state is, and how it changes, is for `host`.
//!
//! A job that has settled its task commits it there and then, if no commit is under way and the ledger answers at once,
//! as one in memory does; and it goes on with what it was handed. So a thread stays with its work, and nobody is woken.
//! Otherwise the settlement waits for the next commit, which the loop in `run` makes; the job goes on with what was claimed
//! ahead, or ends.

use crate::engine::Interrupt;
use crate::engine::context::Context;
use crate::engine::host::Commit;
use crate::engine::host::Host;
use crate::engine::job::Settled;
use crate::engine::job::process;
use crate::state::Claim;
use crate::state::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use tokio::sync::Notify;
use tokio::task::consume_budget;

/// What the loop and its jobs share.
pub(crate) struct Floor {
    // A mutex because jobs end on many threads; each section is one change of the state, without a wait.
    host: Mutex<Host>,
    under_way: Mutex<Option<Commit>>,
    news: Notify,
}

impl Floor {
    /// A floor without jobs.
    pub(crate) fn new(host: Host) -> Self {
        Self { host: Mutex::new(host), under_way: Mutex::default(), news: Notify::new() }
    }

    /// The state.
    pub(crate) fn host(&self) -> MutexGuard<'_, Host> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The commit that a job has begun and that was not answered at once; the loop is to see to it.
    pub(crate) fn take_commit(&self) -> Option<Commit> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until a job leaves something to the loop.
    pub(crate) async fn has_news(&self) {
        self.news.notified().await;
    }

    /// Settles what a job has done; gives it the next claim, if it is to go on.
    fn settle(&self, settled: Settled, interrupt: Interrupt) -> Result<Option<Claim>, Error> {
        let mut host = self.host();
        host.interrupted(interrupt);
        let job = host.settled(settled);
        // Without anything ahead, what comes next comes with an answer, which the loop hears.
        let job = job.filter(|_| !host.is_committing() || host.claims_ahead());
        if let Some(mut commit) = host.commit() {
            // What does not answer at once is polled by the loop.
            match commit.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => host.answered(answer)?,
                Poll::Pending => {
                    host.waits_for_answer();
                    self.under_way.lock().unwrap_or_else(PoisonError::into_inner).replace(commit);
                    if !host.claims_ahead() {
                        return Ok(None);
                    }
                    self.news.notify_one();
                }
            }
        }
        let next = job.and_then(|job| host.begin(|_| job));
        if host.has_waiting() || host.must_abort() {
            self.news.notify_one();
        }
        Ok(next)
    }
}

/// Works from one claim to the next, as long as there is one.
pub(crate) async fn work(floor: Arc<Floor>, ctx: Arc<Context>, claim: Claim) -> Result<(), Error> {
    let mut next = Some(claim);
    while let Some(claim) = next {
        let settled = process(&ctx, claim).await?;
        next = floor.settle(settled, *ctx.interrupt.borrow())?;
        // A job that never waits lets others have their turn.
        consume_budget().await;
    }
    Ok(())
}
