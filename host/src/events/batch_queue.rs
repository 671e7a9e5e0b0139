//! Unbounded queue for one writer thread, which takes items in batches because waking it costs most.
//! The owner of the writer decides what the items are and how they are written.
//! There is no backpressure: pushing never waits.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the writer waits for more items after the first one.
const BATCH_DELAY: Duration = Duration::from_millis(2);

/// A queue with one consumer, which takes batches, and any number of producers.
pub struct BatchQueue<T> {
    // A mutex because items come from many threads; each critical section is a push or a swap of vectors.
    inner: Mutex<Batch<T>>,
    is_changed: Condvar,
}

struct Batch<T> {
    items: Vec<T>,
    is_closed: bool,
}

/// Result of waiting for items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Items were taken.
    Items,
    /// No item came in time.
    Nothing,
    /// The queue is empty and closed.
    Closed,
}

impl<T> Default for BatchQueue<T> {
    fn default() -> Self {
        Self { inner: Mutex::new(Batch { items: Vec::new(), is_closed: false }), is_changed: Condvar::new() }
    }
}

impl<T> BatchQueue<T> {
    /// Appends an item. On a closed queue it is dropped.
    pub fn push(&self, item: T) {
        let mut batch = self.inner();
        if batch.is_closed {
            return;
        }
        batch.items.push(item);
        if batch.items.len() == 1 {
            drop(batch);
            self.is_changed.notify_one();
        }
    }

    /// Closes the queue: nothing can be appended, and remaining items can still be taken.
    pub fn close(&self) {
        self.inner().is_closed = true;
        self.is_changed.notify_one();
    }

    /// Waits at most `timeout` for items and takes all of them. `items` must be empty.
    pub fn take(&self, items: &mut Vec<T>, timeout: Duration) -> Taken {
        let is_empty = |batch: &mut Batch<T>| batch.items.is_empty() && !batch.is_closed;
        let waited = self.is_changed.wait_timeout_while(self.inner(), timeout, is_empty);
        let (batch, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if batch.items.is_empty() {
            return if batch.is_closed { Taken::Closed } else { Taken::Nothing };
        }
        let gathered = self.is_changed.wait_timeout_while(batch, BATCH_DELAY, |batch| !batch.is_closed);
        let (mut batch, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut batch.items, items);
        Taken::Items
    }

    fn inner(&self) -> MutexGuard<'_, Batch<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
