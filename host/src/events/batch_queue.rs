//! Unbounded queue for one writer thread, which takes items in batches because waking it costs most.
//! The owner of the writer decides what the items are and how they are written.
//! There is no backpressure: pushing never waits.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time for which items gather after the first one, before the writer takes them.
const GATHER: Duration = Duration::from_millis(2);

/// A queue with one consumer, which takes batches, and any number of producers.
pub struct BatchQueue<T> {
    // A mutex because items come from many threads; each critical section is a push or a swap of vectors.
    inner: Mutex<Batch<T>>,
    has_news: Condvar,
}

struct Batch<T> {
    items: Vec<T>,
    is_closed: bool,
}

/// Result of waiting for items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Items were taken.
    Things,
    /// No item came in time.
    Nothing,
    /// The queue is empty and closed.
    Closed,
}

impl<T> Default for BatchQueue<T> {
    fn default() -> Self {
        Self { inner: Mutex::new(Batch { items: Vec::new(), is_closed: false }), has_news: Condvar::new() }
    }
}

impl<T> BatchQueue<T> {
    /// Appends an item. On a closed queue it is dropped.
    pub fn push(&self, thing: T) {
        let mut pile = self.inner();
        if pile.is_closed {
            return;
        }
        pile.items.push(thing);
        if pile.items.len() == 1 {
            drop(pile);
            self.has_news.notify_one();
        }
    }

    /// Closes the queue: nothing can be appended, and remaining items can still be taken.
    pub fn close(&self) {
        self.inner().is_closed = true;
        self.has_news.notify_one();
    }

    /// Waits at most `patience` for items and takes all that have gathered. `things` must be empty.
    pub fn take(&self, things: &mut Vec<T>, patience: Duration) -> Taken {
        let is_quiet = |pile: &mut Batch<T>| pile.items.is_empty() && !pile.is_closed;
        let waited = self.has_news.wait_timeout_while(self.inner(), patience, is_quiet);
        let (pile, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if pile.items.is_empty() {
            return if pile.is_closed { Taken::Closed } else { Taken::Nothing };
        }
        let gathered = self.has_news.wait_timeout_while(pile, GATHER, |pile| !pile.is_closed);
        let (mut pile, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut pile.items, things);
        Taken::Things
    }

    fn inner(&self) -> MutexGuard<'_, Batch<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
