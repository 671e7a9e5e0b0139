//! Calls of the system that a guest waits for: on threads of their own, bounded for each guest while it lives, and counted
//! for its task where they outlive it. A folder of a network, or of a program that hangs, may never answer.
//! Which calls are made is for `opening`, `listings` and `streams`; wasmtime makes the others.

use crate::invoke::FunctionId;
use crate::sandbox::guest::limits::LimitHit;
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn_blocking};

/// Calls that the streams of one guest may have under way, beside the one that it waits for itself.
pub(crate) const MOST_OF_STREAMS: usize = 4;

/// Calls of one task that may outlive its guests before no more of them are started.
const MOST_OF_TASK: usize = 4;

/// The same of all tasks: half of the threads that a runtime has for them at least.
const MOST: usize = 256;

/// How soon it is looked again whether they have returned, at first and at last.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(100);

/// A call that may be under way: for as long as somebody holds what this points to.
type Call = Weak<dyn Any + Send + Sync>;

/// Calls that have outlived their guests, by task.
#[derive(Default)]
pub(crate) struct Orphans {
    // A mutex because guests end at the same time; the section is a walk over a few hundred at most.
    calls: Mutex<Vec<(FunctionId, Call)>>,
}

impl Orphans {
    /// Fails where a task has left too many calls behind, or all tasks together have.
    fn admit(&self, task: FunctionId) -> Result<(), LimitHit> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|(_, call)| call.strong_count() > 0);
        let under_way = |(_, call): &(FunctionId, Call)| call.strong_count();
        let of_task: usize = calls.iter().filter(|(owner, _)| *owner == task).map(under_way).sum();
        let of_all: usize = calls.iter().map(under_way).sum();
        let (whose, most) = match (of_task >= MOST_OF_TASK, of_all >= MOST) {
            (true, _) => ("this task", MOST_OF_TASK),
            (false, true) => ("all tasks", MOST),
            (false, false) => return Ok(()),
        };
        Err(LimitHit(format!(
            "the calls of {whose} to granted folders that may hang, {most}, reached: earlier attempts have ended, and the \
             system has not answered them yet; see whether the folders can be read on this host"
        )))
    }

    fn adopt(&self, task: FunctionId, calls: impl Iterator<Item = Call>) {
        let mut left = calls.filter(|call| call.strong_count() > 0).peekable();
        if left.peek().is_some() {
            let mut all = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(left.map(|call| (task, call)));
        }
    }
}

/// The calls of one guest.
pub(crate) struct Blocking {
    /// Held here as long as the guest lives, and by each call that is under way.
    under_way: Arc<()>,
    line: Line,
}

/// Makes calls for one guest. Clones make them for the same one.
#[derive(Clone)]
pub(crate) struct Line {
    task: FunctionId,
    orphans: Arc<Orphans>,
    under_way: Weak<()>,
    places: Arc<Semaphore>,
}

impl Blocking {
    /// A guest of a task, once earlier ones have not left too many calls behind. Fails where they still have when the guest
    /// would have to end.
    pub(crate) async fn admitted(
        task: FunctionId,
        orphans: &Arc<Orphans>,
        until: Instant,
    ) -> Result<Self, LimitHit> {
        // Nobody tells when a call returns that nobody waits for.
        let mut pause = FIRST_LOOK;
        loop {
            match Self::new(task, orphans) {
                Err(_) if Instant::now() < until => sleep_until(until.min(Instant::now() + pause)).await,
                admitted => return admitted,
            }
            pause = LAST_LOOK.min(pause * 2);
        }
    }

    /// A guest of a task. Fails where earlier ones have left too many calls behind.
    fn new(task: FunctionId, orphans: &Arc<Orphans>) -> Result<Self, LimitHit> {
        orphans.admit(task)?;
        let under_way = Arc::default();
        let line = Line {
            task,
            orphans: Arc::clone(orphans),
            under_way: Arc::downgrade(&under_way),
            places: Arc::new(Semaphore::new(MOST_OF_STREAMS)),
        };
        Ok(Self { under_way, line })
    }

    /// Who makes calls for the guest.
    pub(crate) const fn line(&self) -> &Line {
        &self.line
    }

    /// The guest is gone: what still holds one of these is a call that is under way, and so is each that has no end.
    pub(crate) fn leave(&mut self, held: impl Iterator<Item = Call>) {
        drop(std::mem::take(&mut self.under_way));
        let Line { task, orphans, under_way, .. } = &self.line;
        let own: Call = Weak::<()>::clone(under_way);
        orphans.adopt(*task, held.chain([own]));
    }
}

impl Line {
    /// Makes a call that the guest waits for. If nobody does any more, it goes on to its end.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> AbortOnDropJoinHandle<T> {
        let mark = self.under_way.upgrade();
        spawn_blocking(move || {
            let done = work();
            drop(mark);
            done
        })
    }

    /// Makes the last call for a guest, and gives it up if it takes longer than that.
    pub(crate) async fn last_call(&self, most: Duration, work: impl FnOnce() + Send + 'static) {
        if tokio::time::timeout(most, self.call(work)).await.is_err() {
            let own: Call = Weak::<()>::clone(&self.under_way);
            self.orphans.adopt(self.task, std::iter::once(own));
        }
    }

    /// A place for a call of a stream, if one is free.
    pub(crate) fn try_place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(Place)
    }

    /// The same, once one is free. Nobody closes the places, so that there always comes one.
    pub(crate) async fn place(&self) -> Option<Place> {
        Arc::clone(&self.places).acquire_owned().await.ok().map(Place)
    }

    /// Makes a call of a stream, which keeps its place to its end.
    pub(crate) fn call_at<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> AbortOnDropJoinHandle<T> {
        self.call(move || {
            let done = work();
            drop(place);
            done
        })
    }
}

/// One of the calls that a guest's streams may have under way.
pub(crate) struct Place(#[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const TASK: FunctionId = FunctionId(1);
    const OTHER: FunctionId = FunctionId(2);

    #[tokio::test]
    async fn calls_that_outlive_their_guests_bound_their_task_and_no_other() {
        let orphans = Arc::default();
        let (end, ended) = channel::<()>();
        let ended = Arc::new(Mutex::new(ended));
        let (tell, told) = channel();
        for _ in 0..MOST_OF_TASK {
            let mut guest = Blocking::new(TASK, &orphans).unwrap();
            let (ended, tell) = (Arc::clone(&ended), tell.clone());
            let call = guest.line().call(move || {
                tell.send(()).unwrap();
                ended.lock().unwrap().recv()
            });
            told.recv().unwrap();
            drop(call);
            guest.leave(std::iter::empty());
        }
        // It is waited for, but no longer than the guest may run.
        let until = Instant::now() + Duration::from_millis(20);
        let refused = Blocking::admitted(TASK, &orphans, until).await.err().unwrap().to_string();
        assert!(Instant::now() >= until);
        assert!(refused.starts_with("the calls of this task to granted folders that may hang, 4, reached"));
        assert!(Blocking::new(OTHER, &orphans).is_ok());
        let waiting = Blocking::admitted(TASK, &orphans, Instant::now() + Duration::from_mins(10));
        let (admitted, ()) = tokio::join!(waiting, async { drop(end) });
        assert!(admitted.is_ok());
    }

    #[test]
    fn whatever_a_call_holds_of_a_guest_counts_and_all_tasks_together_are_bounded() {
        let orphans = Arc::default();
        let files: Vec<Arc<usize>> = (0..MOST).map(Arc::new).collect();
        for (nth, file) in files.iter().enumerate() {
            let mut guest = Blocking::new(FunctionId(nth), &orphans).unwrap();
            let held: Call = Arc::<usize>::downgrade(file);
            guest.leave(std::iter::once(held));
        }
        let refused = Blocking::new(FunctionId(MOST), &orphans).err().unwrap().to_string();
        assert!(refused.starts_with("the calls of all tasks to granted folders that may hang, 256, reached"));
        drop(files);
        assert!(Blocking::new(FunctionId(MOST), &orphans).is_ok());
    }
}
