//! Blocking system calls of a guest, on threads of their own. They are bounded per guest while it lives, and counted for
//! its task if they outlive it. A network folder, or one of a hanging program, may never answer.
//! `opening`, `listings` and `streams` make the calls; wasmtime makes the others.

use crate::invoke::FunctionId;
use crate::sandbox::guest::limits::LimitHit;
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn_blocking};

/// Maximum number of concurrent calls of the streams of one guest, besides the call that the guest waits for.
pub(crate) const MAX_STREAM_CALLS: usize = 4;

/// Maximum number of orphaned calls of one task. With that many, the task starts no more guests.
const MAX_ORPHANS_OF_TASK: usize = 4;

/// Maximum number of orphaned calls of all tasks: half of the minimum number of blocking threads of a runtime.
const MAX_ORPHANS: usize = 256;

/// First and longest wait between two checks whether orphaned calls have returned.
const MIN_POLL: Duration = Duration::from_millis(1);
const MAX_POLL: Duration = Duration::from_millis(100);

/// A call that may be unfinished: it is, while anything holds the target of this pointer.
type UnfinishedCall = Weak<dyn Any + Send + Sync>;

/// Calls that have outlived their guests, by task.
#[derive(Default)]
pub(crate) struct Orphans {
    // A mutex because guests end concurrently. Each critical section walks over at most a few hundred entries.
    calls: Mutex<Vec<(FunctionId, UnfinishedCall)>>,
}

impl Orphans {
    /// Fails if a task, or all tasks together, have too many orphaned calls.
    fn admit(&self, task: FunctionId) -> Result<(), LimitHit> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|(_, call)| call.strong_count() > 0);
        let live = |(_, call): &(FunctionId, UnfinishedCall)| call.strong_count();
        let of_task: usize = calls.iter().filter(|(owner, _)| *owner == task).map(live).sum();
        let of_all: usize = calls.iter().map(live).sum();
        let (owner, max) = match (of_task >= MAX_ORPHANS_OF_TASK, of_all >= MAX_ORPHANS) {
            (true, _) => ("this task", MAX_ORPHANS_OF_TASK),
            (false, true) => ("all tasks", MAX_ORPHANS),
            (false, false) => return Ok(()),
        };
        Err(LimitHit::Other(format!(
            "the limit of {max} unanswered file calls of {owner} reached: the system has not answered calls of earlier \
             attempts; check whether the granted folders respond on this host"
        )))
    }

    fn adopt(&self, task: FunctionId, calls: impl Iterator<Item = UnfinishedCall>) {
        let mut unfinished = calls.filter(|call| call.strong_count() > 0).peekable();
        if unfinished.peek().is_some() {
            let mut orphaned = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            orphaned.extend(unfinished.map(|call| (task, call)));
        }
    }
}

/// Blocking calls of one guest, which become orphans when it ends.
pub(crate) struct GuestCalls {
    /// Held here while the guest lives, and by each unfinished call.
    live: Arc<()>,
    calls: BlockingCalls,
}

/// Makes blocking calls for one guest. Clones belong to the same guest.
#[derive(Clone)]
pub(crate) struct BlockingCalls {
    task: FunctionId,
    orphans: Arc<Orphans>,
    live: Weak<()>,
    permits: Arc<Semaphore>,
}

impl GuestCalls {
    /// Admits a guest of a task, once the task has few enough orphaned calls. Fails if it still has too many at the
    /// deadline.
    pub(crate) async fn admit(
        task: FunctionId,
        orphans: &Arc<Orphans>,
        deadline: Instant,
    ) -> Result<Self, LimitHit> {
        // Nothing signals the return of an orphaned call, hence the polling.
        let mut poll_interval = MIN_POLL;
        loop {
            match Self::new(task, orphans) {
                Err(_) if Instant::now() < deadline => {
                    sleep_until(deadline.min(Instant::now() + poll_interval)).await;
                }
                admitted => return admitted,
            }
            poll_interval = MAX_POLL.min(poll_interval * 2);
        }
    }

    /// Creates the calls of a guest. Fails if its task has too many orphaned calls.
    fn new(task: FunctionId, orphans: &Arc<Orphans>) -> Result<Self, LimitHit> {
        orphans.admit(task)?;
        let live = Arc::default();
        let calls = BlockingCalls {
            task,
            orphans: Arc::clone(orphans),
            live: Arc::downgrade(&live),
            permits: Arc::new(Semaphore::new(MAX_STREAM_CALLS)),
        };
        Ok(Self { live, calls })
    }

    /// Returns the handle that makes calls for the guest.
    pub(crate) const fn calls(&self) -> &BlockingCalls {
        &self.calls
    }

    /// Turns the unfinished calls of a guest that has ended into orphans. `held` are files of the guest: whatever still
    /// holds one of them is an unfinished call too.
    pub(crate) fn abandon(&mut self, held: impl Iterator<Item = UnfinishedCall>) {
        drop(std::mem::take(&mut self.live));
        let BlockingCalls { task, orphans, live, .. } = &self.calls;
        let own: UnfinishedCall = Weak::<()>::clone(live);
        orphans.adopt(*task, held.chain([own]));
    }
}

impl BlockingCalls {
    /// Makes a call that the guest waits for. A call that is no longer awaited still runs to its end.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> AbortOnDropJoinHandle<T> {
        let call_mark = self.live.upgrade();
        spawn_blocking(move || {
            let result = work();
            drop(call_mark);
            result
        })
    }

    /// Makes the last call for a guest. A call that takes longer than `max` becomes an orphan.
    pub(crate) async fn call_with_timeout(&self, max: Duration, work: impl FnOnce() + Send + 'static) {
        if tokio::time::timeout(max, self.call(work)).await.is_err() {
            let own: UnfinishedCall = Weak::<()>::clone(&self.live);
            self.orphans.adopt(self.task, std::iter::once(own));
        }
    }

    /// Returns a permit for a call of a stream, if one is free.
    pub(crate) fn try_permit(&self) -> Option<CallPermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok().map(CallPermit)
    }

    /// Waits for a permit for a call of a stream. The semaphore is never closed.
    pub(crate) async fn permit(&self) -> Option<CallPermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok().map(CallPermit)
    }

    /// Makes a call of a stream, which holds its permit until it returns.
    pub(crate) fn call_with_permit<T: Send + 'static>(
        &self,
        permit: CallPermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> AbortOnDropJoinHandle<T> {
        self.call(move || {
            let result = work();
            drop(permit);
            result
        })
    }
}

/// Permit for one concurrent call of a guest's streams.
pub(crate) struct CallPermit(#[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const TASK: FunctionId = FunctionId(1);
    const OTHER: FunctionId = FunctionId(2);

    #[tokio::test]
    async fn calls_that_outlive_their_guests_bound_their_task_and_no_other() {
        let orphans = Arc::default();
        let (release, released) = channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let (sender, receiver) = channel();
        for _ in 0..MAX_ORPHANS_OF_TASK {
            let mut guest = GuestCalls::new(TASK, &orphans).unwrap();
            let (released, sender) = (Arc::clone(&released), sender.clone());
            let call = guest.calls().call(move || {
                sender.send(()).unwrap();
                released.lock().unwrap().recv()
            });
            receiver.recv().unwrap();
            drop(call);
            guest.abandon(std::iter::empty());
        }
        // Admission waits, but no longer than the guest may run.
        let deadline = Instant::now() + Duration::from_millis(20);
        let refused = GuestCalls::admit(TASK, &orphans, deadline).await.err().unwrap().to_string();
        assert!(Instant::now() >= deadline);
        assert!(refused.starts_with("the limit of 4 unanswered file calls of this task reached"));
        assert!(GuestCalls::new(OTHER, &orphans).is_ok());
        let waiting = GuestCalls::admit(TASK, &orphans, Instant::now() + Duration::from_mins(10));
        let (admit, ()) = tokio::join!(waiting, async { drop(release) });
        assert!(admit.is_ok());
    }

    #[test]
    fn held_files_count_as_calls_and_the_total_of_all_tasks_is_bounded() {
        let orphans = Arc::default();
        let files: Vec<Arc<usize>> = (0..MAX_ORPHANS).map(Arc::new).collect();
        for (nth, file) in files.iter().enumerate() {
            let mut guest = GuestCalls::new(FunctionId(nth), &orphans).unwrap();
            let held: UnfinishedCall = Arc::<usize>::downgrade(file);
            guest.abandon(std::iter::once(held));
        }
        let refused = GuestCalls::new(FunctionId(MAX_ORPHANS), &orphans).err().unwrap().to_string();
        assert!(refused.starts_with("the limit of 256 unanswered file calls of all tasks reached"));
        drop(files);
        assert!(GuestCalls::new(FunctionId(MAX_ORPHANS), &orphans).is_ok());
    }
}
